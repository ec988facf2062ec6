/* tested by tests/unit/text/test_text.c */
#include "penstock/match.h"

#include "columns.h"
#include "pairs.h"
#include "winevent.h"

#include <ctype.h>
#include <stdlib.h>

#define FIRST_LINE_BYTES 4096U /* of a line, that a pattern of first lines sees */
#define MARK_BYTES 3U          /* of the longest mark of an encoding */

struct pen_text {
    const struct pen_type *type;
    struct pen_walker *walker;
    size_t record_bytes_max;
    struct columns columns;
    bool is_lines;    /* each line is one record of columns */
    bool has_columns; /* of this object, when its first line has them */
    struct pen_groups *pattern;
    uint32_t *group_columns; /* of the pattern's groups */
    struct pen_groups *first_line;
    pen_slice *groups;      /* scratch */
    struct winevent *event; /* scratch of events of Windows */
    struct pen_buf json;    /* records of formats that are read as JSON */
    bool is_json;           /* it is one of these */
    /* window */
    pen_slice window;
    size_t at; /* of window: what is used up */
    bool is_final;
    uint64_t base; /* offset of the window in the object */
    /* object */
    uint64_t ordinal;
    uint32_t headers_left;
    bool is_begun;   /* its first bytes were looked at */
    bool is_skipped; /* the rest of a line that is too large is passed over */
    bool is_cut;     /* the record before was too large: lines of it may follow */
    bool is_refused; /* nothing more is read of it */
};

/* ---- start ---- */

static pen_status patterns_new(struct pen_text *t, struct pen_err *err)
{
    const struct pen_type *type = t->type;
    if (type->first_line.len > 0) {
        PEN_TRY(pen_groups_new(type->first_line, &t->first_line, err));
    } else if (type->format == PEN_FORMAT_WINDOWS) {
        PEN_TRY(pen_groups_new(PEN_SLICE_LIT("\\s*<Event[ >]"), &t->first_line, err));
    }
    if (type->pattern.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_groups_new(type->pattern, &t->pattern, err));
    const uint32_t count = pen_groups_count(t->pattern);
    t->group_columns = calloc(count + 1, sizeof(*t->group_columns));
    t->groups = calloc(count + 1, sizeof(*t->groups));
    if (t->group_columns == NULL || t->groups == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "text: out of memory");
    }
    pen_walker_columns_new(t->walker, count);
    for (uint32_t i = 0; i < count; i++) {
        t->group_columns[i] = pen_walker_column(t->walker, pen_groups_name(t->pattern, i));
        if (t->group_columns[i] == 0) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many groups");
        }
    }
    return PEN_OK;
}

static pen_status event_new(struct pen_text *t, struct pen_err *err)
{
    t->event = calloc(1, sizeof(*t->event));
    if (t->event == NULL || winevent_new(t->event) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "text: out of memory");
    }
    return PEN_OK;
}

static pen_status text_fill(struct pen_text *t, struct pen_err *err)
{
    const struct pen_type *type = t->type;
    PEN_TRY(type->format == PEN_FORMAT_WINDOWS ? event_new(t, err) : PEN_OK);
    t->is_json = type->format == PEN_FORMAT_WINDOWS || type->format == PEN_FORMAT_PAIRS ||
                 type->format == PEN_FORMAT_CEF;
    if (pen_slice_eq(type->separator, PEN_SLICE_LIT("tab"))) {
        t->columns.separator = '\t';
    } else if (type->separator.len == 1) {
        t->columns.separator = type->separator.ptr[0];
    } else if (type->separator.len > 1) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "a separator is `tab` or one byte");
    }
    if (type->column_count > 0) {
        PEN_TRY(columns_set(&t->columns, t->walker, type->columns, type->column_count, err));
    }
    t->is_lines =
        type->format == PEN_FORMAT_COLUMNS && type->pattern.len == 0 && type->first_line.len == 0;
    return patterns_new(t, err);
}

pen_status pen_text_new(const struct pen_type *type, struct pen_walker *walker,
                        size_t record_bytes_max, struct pen_text **out, struct pen_err *err)
{
    struct pen_text *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "text: out of memory");
    }
    t->type = type;
    t->walker = walker;
    t->record_bytes_max = record_bytes_max;
    columns_init(&t->columns);
    pen_buf_init(&t->json, SIZE_MAX);
    struct pen_err why = {0};
    const pen_status st = text_fill(t, &why);
    if (st != PEN_OK) {
        pen_text_free(t);
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "type %.*s: %s", PEN_SLICE_FMT(type->name),
                        why.text);
    }
    *out = t;
    return PEN_OK;
}

void pen_text_free(struct pen_text *t)
{
    if (t != NULL) {
        pen_groups_free(t->pattern);
        pen_groups_free(t->first_line);
        columns_fini(&t->columns);
        pen_buf_fini(&t->json);
        if (t->event != NULL) {
            winevent_free(t->event);
        }
        free(t->event);
        free(t->group_columns);
        free(t->groups);
        free(t);
    }
}

/* ---- windows ---- */

void pen_text_reset(struct pen_text *t)
{
    t->window = (pen_slice){0};
    t->at = 0;
    t->is_final = false;
    t->base = 0;
    t->ordinal = 0;
    t->headers_left = t->type->header_lines;
    t->has_columns = t->type->format != PEN_FORMAT_COLUMNS || t->type->column_count > 0;
    t->is_begun = false;
    t->is_skipped = false;
    t->is_cut = false;
    t->is_refused = false;
}

void pen_text_window(struct pen_text *t, pen_slice window, bool is_final)
{
    t->base += t->at;
    t->window = window;
    t->at = 0;
    t->is_final = is_final;
}

size_t pen_text_consumed(const struct pen_text *t)
{
    return t->at;
}

/* ---- lines ---- */

/* A line without what may stand before its end. */
static inline pen_slice line_trimmed(pen_slice line)
{
    while (line.len > 0 && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' ')) {
        line.len--;
    }
    return line;
}

/* The line at from, without its end; *next is behind it.  False: its end is not here yet. */
static bool line_at(const struct pen_text *t, size_t from, pen_slice *line, size_t *next)
{
    const pen_slice rest = pen_slice_sub(t->window, from, t->window.len);
    const uint8_t *end = rest.len == 0 ? NULL : memchr(rest.ptr, '\n', rest.len);
    if (rest.len == 0 || (end == NULL && !t->is_final)) {
        return false;
    }
    *line = end == NULL ? rest : pen_slice_sub(rest, 0, (size_t)(end - rest.ptr));
    *next = from + line->len + (end != NULL);
    *line = line_trimmed(*line);
    return true;
}

/* The line at t->at, when its columns were marked while its end was looked for.  False: it must be
 * looked at otherwise. */
static inline bool line_marked(struct pen_text *t, pen_slice *line, size_t *next)
{
    const pen_slice rest = {t->window.ptr + t->at, t->window.len - t->at};
    pen_slice whole;
    if (!t->is_lines || !columns_line(&t->columns, rest, &whole) ||
        whole.len > t->record_bytes_max) {
        return false;
    }
    *line = line_trimmed(whole);
    *next = t->at + whole.len + 1;
    return line->len == whole.len;
}

/* Whether a line begins a record; its first bytes say so, however much of it is here. */
static bool is_first_line(struct pen_text *t, pen_slice line)
{
    return pen_groups_match(t->first_line, pen_slice_sub(line, 0, FIRST_LINE_BYTES), NULL);
}

enum extent { EXTENT_WHOLE, EXTENT_MORE, EXTENT_LARGE };

/* Bytes of the record at t->at up to end, less the line feed that may be the last of them. */
static size_t bytes_to(const struct pen_text *t, size_t end)
{
    return end - t->at - (end > t->at && t->window.ptr[end - 1] == '\n');
}

/* Of what is here of a record, up to end, without its own end. */
static enum extent extent_open(const struct pen_text *t, size_t end)
{
    const size_t bytes = bytes_to(t, end);
    return bytes > t->record_bytes_max ? EXTENT_LARGE : EXTENT_MORE;
}

/* Lines that belong to the record at t->at; *next is behind them. */
static enum extent record_at(struct pen_text *t, pen_slice *record, size_t *next)
{
    if (!line_at(t, t->at, record, next)) {
        return extent_open(t, t->window.len);
    }
    while (t->first_line != NULL && *next < t->window.len) {
        pen_slice line = pen_slice_sub(t->window, *next, t->window.len);
        size_t behind = 0;
        const bool is_here = line_at(t, *next, &line, &behind);
        if (!is_here && line.len < FIRST_LINE_BYTES) {
            return extent_open(t, *next);
        }
        if (is_first_line(t, line)) {
            break;
        }
        if (!is_here) {
            return extent_open(t, t->window.len);
        }
        record->len = (size_t)(line.ptr + line.len - record->ptr);
        *next = behind;
    }
    if (t->first_line != NULL && *next == t->window.len && !t->is_final) {
        return extent_open(t, *next); /* more lines may follow */
    }
    return bytes_to(t, *next) > t->record_bytes_max ? EXTENT_LARGE : EXTENT_WHOLE;
}

/* A byte order mark is passed over; text of two-byte units is nothing that can be read. */
static bool begin(struct pen_text *t, struct pen_err *err)
{
    t->is_begun = true;
    const uint8_t *p = t->window.ptr;
    if (t->window.len >= MARK_BYTES && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) {
        t->at = 3;
    } else if (t->window.len >= 2 &&
               ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) {
        t->is_refused = true;
        (void)PEN_FAIL(err, PEN_E_CORRUPT, 0, "the text is UTF-16: it must be UTF-8");
        return false;
    }
    return true;
}

/* ---- records ---- */

static const char *groups_put(struct pen_text *t, pen_slice line, struct pen_record *record)
{
    const uint32_t count = pen_groups_count(t->pattern);
    const char *problem = NULL;
    size_t bytes = 0;
    if (!pen_groups_match(t->pattern, line, t->groups)) {
        return "the line does not fit the pattern of its type";
    }
    for (uint32_t i = 0; i < count; i++) { /* one may stand in another */
        bytes += t->groups[i].ptr != NULL ? t->groups[i].len : 0;
    }
    if (!escaped_begin(&t->columns.escaped, line, 0, bytes)) {
        return "out of memory";
    }
    pen_walker_flat_begin(t->walker);
    for (uint32_t i = 0; i < count && problem == NULL; i++) {
        if (t->groups[i].ptr != NULL) {
            problem = value_put(&t->columns.escaped, t->walker, t->group_columns[i], t->groups[i]);
        }
    }
    pen_walker_flat_end(t->walker, record);
    return problem;
}

/* What stands behind an event of Windows, as the end of a list of them does, is no part of it. */
static pen_slice event_of(const struct pen_text *t, pen_slice lines)
{
    if (t->event == NULL) {
        return lines;
    }
    const pen_slice end = PEN_SLICE_LIT("</Event>");
    size_t at = lines.len;
    while (at >= end.len && !pen_slice_eq(pen_slice_sub(lines, at - end.len, at), end)) {
        at--;
    }
    return pen_slice_trim(at < end.len ? lines : pen_slice_sub(lines, 0, at));
}

/* NULL, or what is wrong with the lines of a record. */
static const char *json_of(struct pen_text *t, pen_slice lines)
{
    t->json.len = 0;
    if (t->event != NULL) {
        return winevent_json(t->event, lines, &t->json);
    }
    return t->type->format == PEN_FORMAT_CEF ? cef_json(lines, &t->json)
                                             : pairs_json(lines, t->columns.separator, &t->json);
}

/* The event as JSON, walked like any other; the record's own text stays what was written. */
static const char *event_put(struct pen_text *t, pen_slice lines, struct pen_record *record)
{
    struct pen_err err;
    const uint64_t offset = record->offset;
    const uint64_t ordinal = record->ordinal;
    const char *problem = json_of(t, lines);
    if (problem != NULL) {
        return problem;
    }
    const size_t len = t->json.len;
    if (len > t->record_bytes_max || pen_buf_reserve(&t->json, PEN_JSON_PADDING) != PEN_OK) {
        return "the event is too large as JSON";
    }
    memset(t->json.ptr + len, ' ', PEN_JSON_PADDING);
    if (pen_walker_one(t->walker, (pen_slice){t->json.ptr, len}, record, &err) != PEN_NEXT_RECORD) {
        return "the event cannot be read as JSON";
    }
    record->raw = lines;
    record->offset = offset;
    record->ordinal = ordinal;
    record->is_flat = true; /* its members are those of the copy, not of raw */
    return NULL;
}

/* A record that is only its text, and why. */
static void record_spoil(struct pen_text *t, const char *problem, struct pen_record *record)
{
    pen_walker_flat_begin(t->walker); /* what was put before it was noticed is gone */
    pen_walker_flat_end(t->walker, record);
    record->problem = problem;
}

/* is_marked: its columns are. */
static void record_make(struct pen_text *t, pen_slice line, bool is_marked,
                        struct pen_record *record)
{
    if (t->is_json) {
        *record = (struct pen_record){
            .raw = event_of(t, line), .offset = t->base + t->at, .ordinal = t->ordinal++};
        const char *reason = event_put(t, record->raw, record);
        if (reason != NULL) {
            *record = (struct pen_record){
                .raw = event_of(t, line), .offset = t->base + t->at, .ordinal = t->ordinal - 1};
            record_spoil(t, reason, record);
        }
        return;
    }
    record->raw = line; /* the end of a flat one sets what else there is */
    record->offset = t->base + t->at;
    record->ordinal = t->ordinal++;
    const char *problem = t->pattern != NULL
                              ? groups_put(t, line, record)
                              : columns_take(&t->columns, t->walker, line, is_marked, record);
    if (problem != NULL) {
        record_spoil(t, problem, record);
    }
}

/* Whether lines are more of a record that was too large, which was told. */
static bool is_rest(struct pen_text *t, pen_slice lines)
{
    return t->is_cut && t->first_line != NULL && !is_first_line(t, lines);
}

/* ---- the first line ---- */

/* Whether a name is that of a column: what is no letter or digit of it is '_' there. */
static bool is_name(pen_slice written, pen_slice name)
{
    bool is = written.len == name.len;
    for (size_t i = 0; i < name.len && is; i++) {
        const uint8_t c = written.ptr[i];
        is = c == name.ptr[i] || (isalnum(c) == 0 && name.ptr[i] == '_');
    }
    return is;
}

static bool has_name(const pen_slice *names, uint32_t count, pen_slice written)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_name(written, names[i])) {
            return true;
        }
    }
    return false;
}

/* Whether the type speaks of a column of this name. */
static bool is_known(const struct pen_type *type, pen_slice written)
{
    bool is = has_name(type->times, type->time_count, written) ||
              has_name(type->message_columns, type->message_column_count, written);
    for (uint32_t i = 0; i < type->map_count && !is; i++) {
        is = has_name(type->map[i].sources, type->map[i].source_count, written);
    }
    return is;
}

/* Whether the type speaks of any column. */
static bool knows_names(const struct pen_type *type)
{
    bool knows = type->message_column_count + type->map_count > 0;
    for (uint32_t i = 0; i < type->time_count; i++) {
        knows |= !pen_slice_starts(type->times[i], PEN_SLICE_LIT("@"));
    }
    return knows;
}

/* Whether a line has names of columns: any that the type speaks of, when it speaks of some. */
static bool is_header(const struct pen_text *t, pen_slice line)
{
    const uint8_t separator = t->columns.separator == 0 ? ' ' : t->columns.separator;
    bool is = !knows_names(t->type);
    pen_slice name;
    while (!is && line.len > 0 && pen_slice_split(&line, separator, &name)) {
        is = is_known(t->type, name);
    }
    return is;
}

/* Messages have no line of names before them. */
static pen_status columns_of_messages(struct pen_text *t, struct pen_err *err)
{
    const struct pen_type *type = t->type;
    if (t->has_columns) {
        return PEN_OK;
    }
    if (type->message_column_count == 0) {
        return PEN_FAIL(err, PEN_E_CONFIG, 0,
                        "type %.*s has no columns for messages (message_columns)",
                        PEN_SLICE_FMT(type->name));
    }
    PEN_TRY(columns_set(&t->columns, t->walker, type->message_columns, type->message_column_count,
                        err));
    t->has_columns = true;
    return PEN_OK;
}

/* The first line of an object of columns: their names, or, where it has none, a record with the
 * columns of messages.  True: it was no record. */
static bool is_names(struct pen_text *t, pen_slice line, struct pen_err *err)
{
    if (is_header(t, line)) {
        t->has_columns = true;
        t->is_refused = columns_from_line(&t->columns, t->walker, line, err) != PEN_OK;
        return true;
    }
    if (t->type->message_column_count > 0) {
        t->is_refused = columns_of_messages(t, err) != PEN_OK;
        return t->is_refused;
    }
    t->is_refused = true;
    (void)PEN_FAIL(err, PEN_E_CORRUPT, t->base + t->at,
                   "the first line names no column that its type has: it is not the line of names");
    return true;
}

/* Lines that are no records: headers, and blank ones.  True: this was one. */
static bool is_passed(struct pen_text *t, pen_slice line, struct pen_err *err)
{
    const bool was_rest = is_rest(t, line);
    t->is_cut = false;
    if (was_rest) {
        return true;
    }
    if (t->headers_left > 0 && pen_slice_starts(line, t->type->header_mark)) {
        t->headers_left--;
        return true;
    }
    t->headers_left = 0;
    if (line.len == 0 || (t->first_line != NULL && pen_slice_trim(line).len == 0)) {
        return true;
    }
    return !t->has_columns && is_names(t, line, err);
}

/* Passes over what is here of a record that is too large: up to next, or all when nothing of it has
 * ended; the rest of an open line comes later.  Where that is. */
static size_t pass_over(struct pen_text *t, size_t next)
{
    const size_t end = next == 0 ? t->window.len : next;
    t->is_skipped = t->window.ptr[end - 1] != '\n';
    t->is_cut = true;
    t->at = end;
    return end;
}

/* A record that is too large: up to next, which is behind what is here of it; 0: nothing of it has
 * ended.  The rest of an open line comes later. */
static enum pen_next oversize(struct pen_text *t, size_t next, struct pen_record *record,
                              struct pen_err *err)
{
    const size_t at = t->at;
    *record = (struct pen_record){.raw = pen_slice_sub(t->window, at, pass_over(t, next)),
                                  .offset = t->base + at,
                                  .ordinal = t->ordinal++};
    (void)PEN_FAIL(err, PEN_E_LIMIT, record->offset,
                   "a line has more than %zu bytes (record.bytes_max)", t->record_bytes_max);
    t->headers_left -= t->headers_left > 0;
    return PEN_NEXT_BAD;
}

/* What is left of a line that was too large. */
static bool skip(struct pen_text *t)
{
    const pen_slice rest = pen_slice_sub(t->window, t->at, t->window.len);
    const uint8_t *end = rest.len == 0 ? NULL : memchr(rest.ptr, '\n', rest.len);
    t->at = end == NULL ? t->window.len : (size_t)(end + 1 - t->window.ptr);
    t->is_skipped = end == NULL;
    return end != NULL;
}

/* False: the window has nothing more to give. */
static bool has_more(struct pen_text *t, struct pen_err *err)
{
    if (!t->is_begun && ((t->window.len < MARK_BYTES && !t->is_final) || !begin(t, err))) {
        return false;
    }
    return !t->is_refused && (!t->is_skipped || skip(t)) && t->at < t->window.len;
}

enum pen_next pen_text_next(struct pen_text *t, struct pen_record *record, struct pen_err *err)
{
    pen_err_clear(err);
    while (has_more(t, err)) {
        pen_slice line;
        size_t next = 0;
        const bool is_marked = line_marked(t, &line, &next);
        const enum extent extent = is_marked ? EXTENT_WHOLE : record_at(t, &line, &next);
        if (extent == EXTENT_MORE) {
            return PEN_NEXT_MORE;
        }
        if (extent == EXTENT_LARGE && is_rest(t, pen_slice_sub(t->window, t->at, t->window.len))) {
            (void)pass_over(t, next);
            continue;
        }
        if (extent == EXTENT_LARGE) {
            return oversize(t, next, record, err);
        }
        if (is_passed(t, line, err)) {
            t->at = next;
            continue;
        }
        record_make(t, line, is_marked, record);
        t->at = next;
        return PEN_NEXT_RECORD;
    }
    return t->is_refused || t->is_final ? PEN_NEXT_END : PEN_NEXT_MORE;
}

enum pen_next pen_text_one(struct pen_text *t, pen_slice message, struct pen_record *record,
                           struct pen_err *err)
{
    /* blanks that a pattern sees at the end of a message are part of it, and of its id */
    const char *ends = t->pattern != NULL ? "\r\n" : " \r\n";
    while (message.len > 0 && strchr(ends, message.ptr[message.len - 1]) != NULL &&
           message.ptr[message.len - 1] != 0) {
        message.len--;
    }
    *err = (struct pen_err){0};
    *record = (struct pen_record){.raw = message};
    if (columns_of_messages(t, err) != PEN_OK) {
        return PEN_NEXT_BAD;
    }
    if (message.len > t->record_bytes_max) {
        (void)PEN_FAIL(err, PEN_E_LIMIT, 0, "a message has more than %zu bytes (record.bytes_max)",
                       t->record_bytes_max);
        return PEN_NEXT_BAD;
    }
    record_make(t, message, false, record);
    return PEN_NEXT_RECORD;
}

static pen_status message_columns_check(const struct pen_type *type, struct pen_walker *walker,
                                        struct pen_err *err)
{
    struct columns *columns = calloc(1, sizeof(*columns));
    if (columns == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "text: out of memory");
    }
    columns_init(columns);
    const pen_status st =
        columns_set(columns, walker, type->message_columns, type->message_column_count, err);
    columns_fini(columns);
    free(columns);
    return st;
}

pen_status pen_text_check(const struct pen_type *type, struct pen_err *err)
{
    const struct pen_walker_options options = {.window_bytes_max = 4096, .record_bytes_max = 1024};
    struct pen_plan *plan = pen_plan_new();
    struct pen_walker *walker = NULL;
    struct pen_text *text = NULL;
    if (plan == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "text: out of memory");
    }
    pen_plan_seal(plan);
    pen_status st = pen_walker_new(plan, &options, &walker, err);
    st = st == PEN_OK ? pen_text_new(type, walker, options.record_bytes_max, &text, err) : st;
    if (st == PEN_OK && type->message_column_count > 0) {
        st = message_columns_check(type, walker, err);
    }
    pen_text_free(text);
    pen_walker_free(walker);
    pen_plan_free(plan);
    return st;
}
