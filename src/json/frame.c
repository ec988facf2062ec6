/* tested by tests/unit/json/test_walk.c */
#include "walker.h"

#include <stdlib.h>

#define WINDOW_SMALL 4096U

enum state {
    STATE_TOP,      /* between values at the top */
    STATE_ARRAY,    /* in the array of records */
    STATE_ENVELOPE, /* in the object around it, behind a value */
    STATE_SKIP,     /* inside a record that is too large */
    STATE_ENDED,
};

static pen_status walker_memory(struct pen_walker *w, struct pen_err *err)
{
    const size_t window = w->options.window_bytes_max;
    const size_t fields = pen_plan_field_count(w->shapes.plan);
    w->stage1 = stage1_new(window + PEN_JSON_PADDING);
    w->values = malloc(VALUES_MAX * sizeof(*w->values));
    w->heads = calloc(fields + 1, sizeof(*w->heads));
    w->patches = malloc(PATCHES_MAX * sizeof(*w->patches));
    w->shadows = malloc(SHADOWS_MAX * sizeof(*w->shadows));
    w->copy_cap = (uint32_t)window;
    w->copy = w->options.want_copy ? malloc(window + PEN_JSON_PADDING) : NULL;
    if (w->stage1 == NULL || w->values == NULL || w->heads == NULL || w->patches == NULL ||
        w->shadows == NULL || (w->options.want_copy && w->copy == NULL)) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    }
    return PEN_OK;
}

pen_status pen_walker_new(const struct pen_plan *plan, const struct pen_walker_options *options,
                          struct pen_walker **out, struct pen_err *err)
{
    PEN_CHECK(plan->is_sealed && options->window_bytes_max < UINT32_MAX / 2);
    struct pen_walker *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    }
    w->options = *options;
    pen_status st = PEN_OK;
    if (!shapes_init(&w->shapes, plan)) {
        st = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    } else {
        st = walker_memory(w, err);
    }
    if (st != PEN_OK) {
        pen_walker_free(w);
        return st;
    }
    *out = w;
    return PEN_OK;
}

static void walker_release(struct pen_walker *w)
{
    stage1_free(w->stage1);
    shapes_fini(&w->shapes);
    free(w->scalar_index);
    free(w->values);
    free(w->heads);
    free(w->patches);
    free(w->shadows);
    free(w->keys);
    free(w->copy);
    free(w->sub_text);
    free(w);
}

void pen_walker_free(struct pen_walker *w)
{
    if (w != NULL) {
        if (w->sub != NULL) {
            walker_release(w->sub);
        }
        walker_release(w);
    }
}

void pen_walker_reset(struct pen_walker *w)
{
    w->state = STATE_TOP;
    w->need_comma = false;
    w->in_events = false;
    w->in_envelope = false;
    w->saw_array = false;
    w->ordinal = 0;
    w->base = 0;
    w->len = 0;
    w->consumed = 0;
    w->is_final = false;
    w->ended = (struct pen_err){0};
}

void pen_walker_array_key(struct pen_walker *w, pen_slice array_key)
{
    w->options.array_key = array_key;
}

/* True when the scalar being skipped ends before c.  At the top that is a line of anything. */
static bool skip_ends(const struct pen_walker *w, uint8_t c)
{
    if (w->after_skip == STATE_TOP) {
        return c == '\n' || (!w->skip_string && (c == '{' || c == '['));
    }
    return !w->skip_string && (c == ',' || c == ']' || c == '}' || c == '\n');
}

/* What c means for the value being skipped.  Escapes count outside strings too, as in stage 1. */
static void skip_step(struct pen_walker *w, uint8_t c)
{
    if (w->skip_escape || c == '\\') {
        w->skip_escape = !w->skip_escape;
    } else if (c == '"') {
        w->skip_string = !w->skip_string;
    } else if (!w->skip_string && w->skip_open != 0) {
        w->skip_depth += c == w->skip_open;
        w->skip_depth -= c == w->skip_open + 2; /* the closing one, in ASCII */
    }
}

/* In a value that is too large: looks for its end byte by byte.  Returns where to go on. */
static uint32_t skip_oversize(struct pen_walker *w)
{
    for (uint32_t i = 0; i < w->len; i++) {
        const uint8_t c = w->text[i];
        if (w->skip_open == 0 && skip_ends(w, c)) {
            w->skip_depth = 0;
            return i;
        }
        skip_step(w, c);
        if (w->skip_depth == 0) {
            return i + 1;
        }
    }
    return w->len;
}

/* The walk goes on this many bytes further. */
static void skip_move(struct pen_walker *w, uint32_t bytes)
{
    w->base += bytes;
    w->bom += bytes;
    w->text += bytes;
    w->len -= bytes;
}

/* A character that the window cuts in two is left for the next window. */
static uint32_t cut_character(const struct pen_walker *w)
{
    for (uint32_t back = 1; back <= 3 && back <= w->len; back++) {
        const uint8_t c = w->text[w->len - back];
        if (c >= 0xc0) {
            const uint32_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return c <= 0xf4 && whole > back ? back : 0;
        }
        if (c < 0x80) {
            return 0;
        }
    }
    return 0;
}

/* A guess from the last quotation mark and its neighbours; only time hangs on it. */
static bool ends_in_string(const struct pen_walker *w)
{
    const uint32_t stop = w->len > 4096 ? w->len - 4096 : 1;
    for (uint32_t i = w->len - 1; i >= stop; i--) {
        const uint8_t before = w->text[i - 1];
        if (w->text[i] != '"' || before == '\\') {
            continue;
        }
        const uint8_t after = i + 1 < w->len ? w->text[i + 1] : 0;
        const bool is_close = after == ':' || after == ',' || after == '}' || after == ']';
        const bool is_open = before == ':' || before == ',' || before == '{' || before == '[';
        return is_open || !is_close;
    }
    return false;
}

/*
 * In its streaming mode stage 1 looks back over all positions for the end of the last document of
 * the window, which in an array of records is nowhere.  Behind the window it is shown an end and a
 * new beginning, so that it looks no further; these positions are beyond the window's length.
 */
static const uint32_t *stage1_with_end(struct pen_walker *w)
{
    static const char ends[2][3] = {{'}', '{', ' '}, {'"', '}', '{'}};
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the contract lets us write behind the window */
    uint8_t *behind = (uint8_t *)(uintptr_t)w->text + w->len;
    uint8_t kept[3];
    memcpy(kept, behind, sizeof(kept));
    memcpy(behind, ends[ends_in_string(w)], sizeof(kept));
    const uint32_t *index = stage1_run(w->stage1, w->text, w->len + sizeof(kept));
    memcpy(behind, kept, sizeof(kept));
    return index;
}

static void window_index(struct pen_walker *w)
{
    if (!w->is_final) {
        w->len -= cut_character(w);
    }
    w->at = 0;
    const uint8_t *first = w->len == 0 ? NULL : memchr(w->text, '\\', w->len);
    w->next_backslash = first == NULL ? w->len : (uint32_t)(first - w->text);
    w->index = w->is_final || w->len < WINDOW_SMALL ? stage1_run(w->stage1, w->text, w->len)
                                                    : stage1_with_end(w);
    w->is_scalar = w->index == NULL;
    if (w->is_scalar) {
        if (w->scalar_index == NULL) {
            w->scalar_index =
                malloc((w->options.window_bytes_max + PEN_JSON_PADDING) * sizeof(uint32_t));
            PEN_CHECK(w->scalar_index != NULL);
        }
        scalar_index(w);
    }
}

/* Skips the value at from: what is here of it at once, the rest with the next windows. */
static void skip_begin(struct pen_walker *w, uint32_t from)
{
    w->after_skip = w->state;
    w->state = STATE_SKIP;
    w->skip_open = w->text[from] == '{' || w->text[from] == '[' ? w->text[from] : 0;
    w->skip_depth = w->skip_open == 0;
    w->skip_string = false;
    w->skip_escape = false;
    skip_move(w, from);
    if (w->skip_open == 0) { /* its first byte is its own, whatever it is */
        skip_step(w, w->text[0]);
        skip_move(w, 1);
    }
    skip_move(w, skip_oversize(w));
    if (w->skip_depth == 0) {
        w->state = w->after_skip;
    }
    window_index(w);
}

/* More than a record may have stands from here on, and its end is not in sight. */
static bool is_oversize(const struct pen_walker *w, uint32_t from)
{
    return w->len - from > w->options.record_bytes_max;
}

void pen_walker_window(struct pen_walker *w, pen_slice window, bool is_final)
{
    PEN_CHECK(window.len <= w->options.window_bytes_max);
    w->base += w->consumed; /* base moved along with what the last window skipped */
    w->text = window.ptr;
    w->len = (uint32_t)window.len;
    w->is_final = is_final;
    w->consumed = 0;
    if (w->base == 0 && w->len >= 3 && memcmp(w->text, "\xef\xbb\xbf", 3) == 0) {
        w->base = 3; /* a byte order mark */
        w->text += 3;
        w->len -= 3;
        w->consumed = 0;
    }
    w->bom = (uint32_t)(w->text - window.ptr);
    if (w->state == STATE_SKIP) {
        skip_move(w, skip_oversize(w));
        if (w->skip_depth == 0) {
            w->state = w->after_skip;
        }
    }
    window_index(w);
}

size_t pen_walker_consumed(const struct pen_walker *w)
{
    return w->consumed + w->bom;
}

static enum pen_next more(struct pen_walker *w, uint32_t from)
{
    if (w->is_final) {
        w->state = STATE_ENDED;
        return PEN_NEXT_END;
    }
    w->consumed = from < w->len ? from : w->len;
    return PEN_NEXT_MORE;
}

static enum pen_next end_at(struct pen_walker *w, pen_status st, uint32_t position,
                            const char *reason)
{
    (void)PEN_FAIL(&w->ended, st, w->base + position, "%s", reason);
    w->state = STATE_ENDED;
    return PEN_NEXT_END;
}

/* The input ends inside something that began at from, or more is to come. */
static enum pen_next cut_off(struct pen_walker *w, uint32_t from)
{
    return w->is_final ? end_at(w, PEN_E_TRUNCATED, from, "the input ends inside a value")
                       : more(w, from);
}

static void record_set(struct pen_walker *w, struct pen_record *record, uint32_t from, uint32_t end)
{
    *record = (struct pen_record){.raw = {w->text + from, end - from},
                                  .offset = w->base + from,
                                  .ordinal = w->ordinal++,
                                  .values = w->values,
                                  .value_count = w->value_count,
                                  .field_count = pen_plan_field_count(w->shapes.plan),
                                  .heads = (const struct pen_value_head *)(const void *)w->heads,
                                  .stamp = w->stamp,
                                  .copy = {w->copy, w->copy_len},
                                  .patches = w->patches,
                                  .patch_count = w->patch_count};
}

/* Where a bad record ends: curly braces only, because brackets may be what is wrong. */
static bool bad_end(struct pen_walker *w, uint32_t start)
{
    uint32_t depth = 0;
    uint32_t i = start;
    for (; w->index[i] < w->len; i++) {
        const uint8_t c = w->text[w->index[i]];
        depth += c == '{';
        if (c == '}' && --depth == 0) {
            w->at = i + 1;
            return true;
        }
        if (depth == 0 && (c == ',' || c == ']')) { /* a scalar where a record should be */
            w->at = i;
            return true;
        }
    }
    w->at = i;
    return false;
}

static enum pen_next oversize(struct pen_walker *w, uint32_t from, struct pen_record *record,
                              struct pen_err *err)
{
    w->need_comma = true;
    (void)PEN_FAIL(err, PEN_E_LIMIT, w->base + from, "record larger than %zu bytes",
                   w->options.record_bytes_max);
    w->value_count = 0;
    w->copy_len = 0;
    w->patch_count = 0;
    record_set(w, record, from, w->len);
    skip_begin(w, from);
    return PEN_NEXT_BAD;
}

static enum pen_next bad_record(struct pen_walker *w, uint32_t start, struct pen_record *record,
                                struct pen_err *err)
{
    const uint32_t from = w->index[start];
    const bool is_bracket = w->text[from] == '[';
    if (is_bracket ? false : !bad_end(w, start)) {
        if (is_oversize(w, from)) {
            return oversize(w, from, record, err);
        }
        if (!w->is_final) {
            return more(w, from);
        }
    }
    if (is_bracket) { /* an array where a record should be: over it by brackets */
        uint32_t depth = 0;
        uint32_t i = start;
        do {
            const uint8_t c = w->text[w->index[i]];
            depth += c == '[';
            depth -= c == ']';
            i++;
        } while (depth > 0 && w->index[i] < w->len);
        if (depth > 0) {
            return is_oversize(w, from) ? oversize(w, from, record, err) : cut_off(w, from);
        }
        w->at = i;
    }
    const uint32_t end = w->index[w->at] < w->len ? w->index[w->at] : w->len;
    w->value_count = 0;
    w->copy_len = 0;
    w->patch_count = 0;
    record_set(w, record, from, end);
    *err = w->bad;
    return PEN_NEXT_BAD;
}

/* A lookup-events element: the record is the text of its member CloudTrailEvent. */
static enum pen_next event_record(struct pen_walker *w, struct pen_record *record,
                                  struct pen_err *err)
{
    struct pen_err made = {0};
    if (w->sub_text == NULL) {
        w->sub_text = malloc(w->options.window_bytes_max + PEN_JSON_PADDING);
    }
    if (w->sub_text == NULL) {
        (void)PEN_FAIL(err, PEN_E_NOMEM, record->offset, "walker: out of memory");
        return PEN_NEXT_BAD;
    }
    if (w->sub == NULL && pen_walker_new(w->shapes.plan, &w->options, &w->sub, &made) != PEN_OK) {
        *err = made;
        return PEN_NEXT_BAD;
    }
    PEN_CHECK(w->sub != NULL);
    size_t len = w->event_text.len;
    memcpy(w->sub_text, w->event_text.ptr, len);
    if (w->event_escaped) {
        len = pen_json_unescape(w->event_text, w->sub_text);
    }
    memset(w->sub_text + len, ' ', PEN_JSON_PADDING);
    const uint64_t ordinal = record->ordinal;
    const uint64_t offset = record->offset;
    const enum pen_next got = pen_walker_one(w->sub, (pen_slice){w->sub_text, len}, record, err);
    record->ordinal = ordinal;
    record->offset = offset;
    return got;
}

/* The record at the position; of a lookup-events element the element itself. */
static enum pen_next record_walk(struct pen_walker *w, struct pen_record *record,
                                 struct pen_err *err)
{
    const uint32_t start = w->at;
    const uint32_t from = w->index[start];
    const bool may_be_envelope = w->state == STATE_TOP;
    w->has_duplicate = false;
    w->with_shadows = false;
    enum walk_result got = walk_record(w, may_be_envelope);
    if (PEN_UNLIKELY(got == WALK_RECORD && w->has_duplicate)) {
        w->at = start;
        if (shadows_find(w)) {
            w->with_shadows = true;
            w->next_backslash = from; /* the first walk went past those of the record */
            got = walk_record(w, false);
        } else {
            (void)PEN_FAIL(&w->bad, PEN_E_LIMIT, w->base + from, "more than 65,536 keys");
            got = WALK_BAD;
        }
    }
    switch (got) {
    case WALK_RECORD:
        w->need_comma = w->state == STATE_ARRAY;
        record_set(w, record, from, w->index[w->at - 1] + 1);
        if (record->raw.len > w->options.record_bytes_max) {
            (void)PEN_FAIL(err, PEN_E_LIMIT, record->offset, "record larger than %zu bytes",
                           w->options.record_bytes_max);
            return PEN_NEXT_BAD;
        }
        return PEN_NEXT_RECORD;
    case WALK_INCOMPLETE:
        return is_oversize(w, from) ? oversize(w, from, record, err) : cut_off(w, from);
    case WALK_BAD:
        w->need_comma = w->state == STATE_ARRAY;
        return bad_record(w, start, record, err);
    case WALK_ENVELOPE:
        w->at++; /* the bracket */
        w->state = STATE_ARRAY;
        w->in_envelope = true;
        w->saw_array = true;
        w->need_comma = false;
        return PEN_NEXT_MORE; /* told apart by the caller: nothing was consumed yet */
    }
    pen_panic(PEN_HERE, "walk result");
}

static enum pen_next record_at(struct pen_walker *w, struct pen_record *record, struct pen_err *err)
{
    const enum pen_next got = record_walk(w, record, err);
    return got == PEN_NEXT_RECORD && w->event_text.ptr != NULL ? event_record(w, record, err) : got;
}

static uint8_t byte_here(const struct pen_walker *w)
{
    return w->index[w->at] < w->len ? w->text[w->index[w->at]] : 0;
}

/* One member behind the array of records, or the end of the object around it. */
static enum pen_next envelope_step(struct pen_walker *w, bool *again)
{
    const uint32_t start = w->at;
    const uint32_t from = w->index[start];
    *again = false;
    if (from >= w->len) {
        return cut_off(w, w->len);
    }
    if (byte_here(w) == '}') {
        w->at++;
        w->state = STATE_TOP;
        w->in_envelope = false;
        w->in_events = false;
        *again = true;
        return PEN_NEXT_MORE;
    }
    if (byte_here(w) != ',') {
        return end_at(w, PEN_E_CORRUPT, from, "no comma behind the array of records");
    }
    if (w->index[start + 1] >= w->len || w->index[start + 2] >= w->len ||
        w->index[start + 3] >= w->len) {
        return cut_off(w, from);
    }
    const uint32_t key_from = w->index[start + 1] + 1;
    const uint32_t key_end = token_end(w, start + 1);
    if (w->text[key_from - 1] != '"' || w->text[w->index[start + 2]] != ':') {
        return end_at(w, PEN_E_CORRUPT, from, "no member behind the array of records");
    }
    const pen_slice key = {w->text + key_from, key_end - 1 - key_from};
    w->at = start + 3;
    *again = true;
    if (pen_slice_eq(key, w->options.array_key) && byte_here(w) == '[') {
        w->at++;
        w->state = STATE_ARRAY;
        w->need_comma = false;
        return PEN_NEXT_MORE;
    }
    const uint32_t value_from = w->index[w->at];
    uint32_t depth = 0;
    do {
        if (w->index[w->at] >= w->len || w->index[w->at + 1] >= w->len) {
            if (is_oversize(w, value_from)) {
                skip_begin(w, value_from);
                return PEN_NEXT_MORE;
            }
            w->at = start;
            *again = false;
            return cut_off(w, from);
        }
        const uint8_t c = byte_here(w);
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        w->at++;
    } while (depth > 0);
    return PEN_NEXT_MORE;
}

/* In the array: comma, end or record.  *again: nothing to tell yet. */
static enum pen_next array_step(struct pen_walker *w, struct pen_record *record,
                                struct pen_err *err, bool *again)
{
    const uint8_t c = byte_here(w);
    const uint32_t from = w->index[w->at];
    *again = true;
    if (from >= w->len) {
        *again = false;
        return w->is_final ? end_at(w, PEN_E_TRUNCATED, w->len, "the array of records has no end")
                           : more(w, w->len);
    }
    if (c == ']') {
        w->at++;
        w->state = w->in_envelope ? STATE_ENVELOPE : STATE_TOP;
        return PEN_NEXT_MORE;
    }
    if (w->need_comma) {
        if (c == ',') {
            w->at++;
            w->need_comma = false;
            return PEN_NEXT_MORE;
        }
        w->need_comma = false; /* a missing comma hides no record: the next one is read */
    }
    *again = false;
    if (c == '{') {
        return record_at(w, record, err);
    }
    (void)PEN_FAIL(&w->bad, PEN_E_CORRUPT, w->base + from, "a record that is no object");
    if (w->index[w->at + 1] >= w->len && !w->is_final) {
        return is_oversize(w, from) ? oversize(w, from, record, err) : more(w, from);
    }
    w->need_comma = true;
    if (c == '[') {
        return bad_record(w, w->at, record, err);
    }
    const uint32_t end = token_end(w, w->at);
    w->at++;
    w->value_count = 0;
    record_set(w, record, from, end);
    *err = w->bad;
    return PEN_NEXT_BAD;
}

/* Text at the top that is no object: to the end of its line, or to what may begin one. */
static enum pen_next line_bad(struct pen_walker *w, struct pen_record *record, struct pen_err *err)
{
    const uint32_t from = w->index[w->at];
    uint32_t end = token_end(w, w->at);
    for (w->at++; w->index[w->at] < w->len; w->at++) {
        const uint32_t next = w->index[w->at];
        const uint8_t c = w->text[next];
        if (c == '{' || c == '[' ||
            (next > end && memchr(w->text + end, '\n', next - end) != NULL)) {
            break;
        }
        end = token_end(w, w->at);
    }
    if (w->index[w->at] >= w->len && !w->is_final) {
        return is_oversize(w, from) ? oversize(w, from, record, err) : more(w, from);
    }
    (void)PEN_FAIL(err, PEN_E_CORRUPT, w->base + from, "a record that is no object");
    w->value_count = 0;
    record_set(w, record, from, end);
    return PEN_NEXT_BAD;
}

static enum pen_next top_step(struct pen_walker *w, struct pen_record *record, struct pen_err *err,
                              bool *again)
{
    const uint8_t c = byte_here(w);
    const uint32_t from = w->index[w->at];
    *again = false;
    if (from >= w->len) {
        return more(w, w->len);
    }
    if (c == '[') {
        w->at++;
        w->state = STATE_ARRAY;
        w->in_envelope = false;
        w->need_comma = false;
        *again = true;
        return PEN_NEXT_MORE;
    }
    if (c == '{') {
        const enum pen_next got = record_at(w, record, err);
        *again = got == PEN_NEXT_MORE && w->state == STATE_ARRAY;
        return got;
    }
    return line_bad(w, record, err);
}

enum pen_next pen_walker_next(struct pen_walker *w, struct pen_record *record, struct pen_err *err)
{
    enum pen_next got = PEN_NEXT_END;
    bool again = true;
    while (again) {
        again = false;
        switch ((enum state)w->state) {
        case STATE_TOP:
            got = top_step(w, record, err, &again);
            break;
        case STATE_ARRAY:
            got = array_step(w, record, err, &again);
            break;
        case STATE_ENVELOPE:
            got = envelope_step(w, &again);
            break;
        case STATE_SKIP:
            got = w->is_final ? end_at(w, PEN_E_TRUNCATED, 0, "the input ends inside a record")
                              : more(w, w->len);
            break;
        case STATE_ENDED:
            got = PEN_NEXT_END;
            break;
        }
    }
    if (got == PEN_NEXT_END) {
        *err = w->ended;
    }
    return got;
}

bool pen_walker_value_add(struct pen_walker *w, struct pen_record *record, uint32_t field,
                          uint8_t kind, pen_slice text)
{
    if (w->sub != NULL && record->values == w->sub->values) {
        w = w->sub;
    }
    if (record->value_count == VALUES_MAX) {
        return false;
    }
    const uint32_t at = record->value_count++;
    struct value_head *head = &w->heads[field];
    w->values[at] =
        (struct pen_value){.field = field, .next = UINT32_MAX, .text = text, .kind = kind};
    if (head->stamp == record->stamp) {
        w->values[head->last].next = at;
    } else {
        head->stamp = record->stamp;
        head->first = at;
    }
    head->last = at;
    return true;
}

enum pen_next pen_walker_one(struct pen_walker *w, pen_slice raw, struct pen_record *record,
                             struct pen_err *err)
{
    pen_walker_reset(w);
    const pen_slice array_key = w->options.array_key;
    w->options.array_key = (pen_slice){0};
    *err = (struct pen_err){0};
    pen_walker_window(w, raw, true);
    enum pen_next got = PEN_NEXT_BAD;
    if (byte_here(w) == '{') {
        /* Without a key for the array of records there is no envelope, and no text of an event. */
        got = record_walk(w, record, err);
        if (got == PEN_NEXT_END) {
            *err = w->ended;
        }
        if (got == PEN_NEXT_RECORD && w->index[w->at] < w->len) {
            (void)PEN_FAIL(err, PEN_E_CORRUPT, w->index[w->at], "more than one value");
            got = PEN_NEXT_BAD;
        }
    } else {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, 0, "no JSON object");
    }
    w->options.array_key = array_key;
    return got;
}

bool pen_walker_saw_array(const struct pen_walker *w)
{
    return w->saw_array;
}

uint64_t pen_walker_memory(const struct pen_walker_options *options)
{
    const uint64_t window = options->window_bytes_max + PEN_JSON_PADDING;
    const uint64_t positions =
        2 * window * sizeof(uint32_t); /* stage 1, and what stands in for it */
    return sizeof(struct pen_walker) + positions + (options->want_copy ? window : 0) +
           VALUES_MAX * sizeof(struct pen_value) + PATCHES_MAX * sizeof(struct pen_patch) +
           shadows_memory() + shapes_memory();
}
