#include "penstock/json.h"

#include "ioc.h"
#include "whole_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXTS_MAX (((size_t)4 << 30) - 1)
#define ROWS_BYTES_MAX ((size_t)4 << 30)
#define NUL_LOOKED_FOR 4096U /* bytes of a file */
#define SHOWN_MAX 60U        /* bytes of what cannot be used */

/* ---- rows ---- */

void ioc_detail_begin(struct ioc_reading *r)
{
    memset(r->words, 0, sizeof(r->words));
    r->first_seen_ns = INT64_MIN;
    r->last_seen_ns = INT64_MIN;
    r->modified_ns = INT64_MIN;
    r->detail = IOC_NONE;
}

static pen_status text_add(struct ioc_list *list, pen_slice text, struct ioc_text *out)
{
    *out = (struct ioc_text){.at = pen_u32(list->texts.len), .len = pen_u32(text.len)};
    return pen_buf_add(&list->texts, text);
}

/* Bytes of a text that is cut, if at all, between two characters. */
static size_t words_len(pen_slice text)
{
    size_t len = text.len < PEN_IOC_WORDS_MAX ? text.len : PEN_IOC_WORDS_MAX;
    while (len > 0 && len < text.len && (text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

/* Many rows have the same provider and name: those of the row before are used again. */
static pen_status word_add(struct ioc_list *list, pen_slice text, enum ioc_word word,
                           struct ioc_text *out)
{
    text = pen_slice_sub(text, 0, words_len(text));
    if (text.len == 0) {
        *out = (struct ioc_text){0};
        return PEN_OK;
    }
    if (list->detail_count > 0) {
        const struct ioc_text before = ioc_detail_at(list, list->detail_count - 1)->words[word];
        if (pen_slice_eq(ioc_text_at(list, before), text)) {
            *out = before;
            return PEN_OK;
        }
    }
    return text_add(list, text, out);
}

static bool has_detail(const struct ioc_reading *r)
{
    bool has_any = r->first_seen_ns != INT64_MIN || r->last_seen_ns != INT64_MIN ||
                   r->modified_ns != INT64_MIN;
    for (uint32_t i = 0; i < IOC_WORDS; i++) {
        has_any |= r->words[i].len > 0;
    }
    return has_any;
}

static pen_status detail_add(struct ioc_reading *r)
{
    struct ioc_list *list = r->list;
    struct ioc_detail detail = {.first_seen_ns = r->first_seen_ns,
                                .last_seen_ns = r->last_seen_ns,
                                .modified_ns = r->modified_ns};
    if (r->detail != IOC_NONE || !has_detail(r)) {
        return PEN_OK;
    }
    for (uint32_t i = 0; i < IOC_WORDS; i++) {
        PEN_TRY(word_add(list, pen_slice_trim(r->words[i]), (enum ioc_word)i, &detail.words[i]));
    }
    r->detail = list->detail_count++;
    return pen_buf_add(&list->details, (pen_slice){(const uint8_t *)&detail, sizeof(detail)});
}

pen_status ioc_row_add(struct ioc_reading *r, pen_slice text, enum pen_ioc_type type)
{
    struct ioc_list *list = r->list;
    struct ioc_text at = {0};
    const char *why = ioc_value_read(text, type, &r->value);
    if (why != NULL) {
        ioc_reject(r, text, why);
        return PEN_OK;
    }
    if (list->row_count >= r->entries_max) {
        return IOC_BAD(r, "more than %" PRIu64 " indicators (ioc.entries_max)", r->entries_max);
    }
    pen_status st = detail_add(r);
    if (st == PEN_OK) {
        st = text_add(list, (pen_slice){r->value.text, r->value.len}, &at);
    }
    const struct ioc_row row = {.text_at = at.at,
                                .detail = r->detail,
                                .text_len = r->value.len,
                                .type = (uint8_t)r->value.type,
                                .is_network = r->value.is_network};
    if (st == PEN_OK) {
        st = pen_buf_add(&list->rows, (pen_slice){(const uint8_t *)&row, sizeof(row)});
    }
    list->row_count += st == PEN_OK;
    if (st == PEN_E_LIMIT) {
        return IOC_BAD(r, "more than 4 GiB of texts");
    }
    return st;
}

static pen_status problem_add(const struct ioc_reading *r, pen_slice what, const char *why)
{
    struct pen_buf *out = &r->list->problems;
    PEN_TRY(r->line > 0 ? pen_buf_printf(out, "%s:%u: `", r->list->path, r->line)
                        : pen_buf_printf(out, "%s: `", r->list->path));
    PEN_TRY(pen_escape_terminal(out, pen_slice_sub(what, 0, SHOWN_MAX)));
    return pen_buf_printf(out, "%s` %s\n", what.len > SHOWN_MAX ? "..." : "", why);
}

void ioc_reject(struct ioc_reading *r, pen_slice what, const char *why)
{
    struct ioc_list *list = r->list;
    const size_t before = list->problems.len;
    list->rejected++;
    if (list->rejected <= IOC_PROBLEMS_SHOWN && problem_add(r, what, why) != PEN_OK) {
        list->problems.len = before; /* it is counted all the same */
    }
}

/* ---- text ---- */

/* The first date in it: "# Last updated: 2025-03-04 05:06:07 UTC". */
void ioc_date_take(struct ioc_reading *r, pen_slice comment)
{
    static const size_t lengths[] = {20, 19, 10}; /* with Z, without, a day */
    for (size_t at = 0; at + 10 <= comment.len; at++) {
        for (size_t i = 0; i < PEN_COUNT(lengths); i++) {
            const pen_slice text = pen_slice_sub(comment, at, at + lengths[i]);
            int64_t time_ns = 0;
            if (text.len == lengths[i] && text.ptr[4] == '-' && pen_parse_time(text, &time_ns)) {
                r->list->date_ns = time_ns > r->list->date_ns ? time_ns : r->list->date_ns;
                return;
            }
        }
    }
}

static bool is_comment(pen_slice line)
{
    return line.ptr[0] == '#' || line.ptr[0] == ';' || pen_slice_starts(line, PEN_SLICE_LIT("//"));
}

/* What stands before a comment at the end. */
static pen_slice comment_cut(pen_slice line)
{
    for (size_t i = 1; i < line.len; i++) {
        if (line.ptr[i] == '#' && (line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t')) {
            return pen_slice_trim(pen_slice_sub(line, 0, i));
        }
    }
    return line;
}

/* "user-agent: X": what stands behind it. */
static bool is_agent(pen_slice line, pen_slice *agent)
{
    static const char *const names[] = {"user-agent:", "user_agent:"};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        const size_t len = strlen(names[i]);
        if (pen_slice_eq_nocase(pen_slice_sub(line, 0, len), pen_slice_str(names[i]))) {
            *agent = pen_slice_sub(line, len, line.len);
            return true;
        }
    }
    return false;
}

static pen_status line_take(struct ioc_reading *r, pen_slice line)
{
    pen_slice agent;
    if (line.len == 0) {
        return PEN_OK;
    }
    if (is_comment(line)) {
        ioc_date_take(r, line);
        return PEN_OK;
    }
    return is_agent(line, &agent) ? ioc_row_add(r, agent, PEN_IOC_AGENT)
                                  : ioc_row_add(r, comment_cut(line), PEN_IOC_TYPES);
}

pen_status ioc_read_text(struct ioc_reading *r, pen_slice text)
{
    pen_slice line;
    ioc_detail_begin(r);
    while (pen_slice_split(&text, '\n', &line)) {
        r->line++;
        PEN_TRY(line_take(r, pen_slice_trim(line)));
    }
    return PEN_OK;
}

/* ---- a file ---- */

static pen_slice bom_cut(pen_slice text)
{
    return pen_slice_starts(text, PEN_SLICE_LIT("\xef\xbb\xbf")) ? pen_slice_sub(text, 3, text.len)
                                                                 : text;
}

static pen_status form_read(struct ioc_reading *r, pen_slice text)
{
    const pen_slice head = pen_slice_trim(text);
    const size_t looked = text.len < NUL_LOOKED_FOR ? text.len : NUL_LOOKED_FOR;
    if (looked > 0 && memchr(text.ptr, '\0', looked) != NULL) {
        return IOC_BAD(r, "is no text");
    }
    if (head.len > 0 && (head.ptr[0] == '{' || head.ptr[0] == '[')) {
        return ioc_read_stix(r, text);
    }
    return ioc_is_csv(text) ? ioc_read_csv(r, text) : ioc_read_text(r, text);
}

pen_status ioc_list_read(struct ioc_reading *r, pen_slice text)
{
    struct ioc_list *list = r->list;
    PEN_TRY(form_read(r, bom_cut(text)));
    if (list->row_count > 0 || list->rejected == 0) {
        return PEN_OK;
    }
    pen_slice rest = pen_buf_slice(&list->problems);
    pen_slice first = {0};
    const size_t path = strlen(list->path);
    (void)pen_slice_split(&rest, '\n', &first);
    first = pen_slice_sub(first, path, first.len);
    return IOC_BAD(r, "nothing in it is an indicator, beginning with%.*s", PEN_SLICE_FMT(first));
}

/* Without folder and extension. */
static pen_slice name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const pen_slice file = pen_slice_str(slash == NULL || slash[1] == '\0' ? path : slash + 1);
    const char *dot = strrchr((const char *)file.ptr, '.');
    const size_t len = dot == NULL ? file.len : (size_t)(dot - (const char *)file.ptr);
    return len == 0 ? file : pen_slice_sub(file, 0, len);
}

static struct ioc_list *list_new(const char *path)
{
    struct ioc_list *list = calloc(1, sizeof(*list));
    char *copy = strdup(path);
    if (list == NULL || copy == NULL) {
        free(list);
        free(copy);
        return NULL;
    }
    list->users = 1;
    list->path = copy;
    list->name = name_of(copy);
    list->date_ns = INT64_MIN;
    pen_buf_init(&list->texts, TEXTS_MAX);
    pen_buf_init(&list->rows, ROWS_BYTES_MAX);
    pen_buf_init(&list->details, ROWS_BYTES_MAX);
    pen_buf_init(&list->problems, IOC_PROBLEMS_SHOWN * (strlen(path) + IOC_PROBLEM_BYTES));
    return list;
}

pen_status ioc_list_open(const char *path, const struct pen_ioc_limits *limits,
                         struct ioc_list **out, struct pen_err *err)
{
    struct pen_buf text;
    struct ioc_reading *r = calloc(1, sizeof(*r));
    *out = list_new(path);
    if (*out == NULL || r == NULL) {
        ioc_list_leave(*out);
        *out = NULL;
        free(r);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrich.ioc: out of memory");
    }
    char why[WHOLE_FILE_WHY];
    r->list = *out;
    r->entries_max = limits->entries_max;
    r->now_ns = pen_clock_wall_ns();
    pen_buf_init(&text, limits->bytes_max + 2 * WHOLE_FILE_STEP);
    _Static_assert(WHOLE_FILE_STEP > PEN_JSON_PADDING, "room behind the text");
    const bool is_read = whole_file_read(path, limits->bytes_max, &(*out)->stamp, &text, why) &&
                         pen_buf_reserve(&text, PEN_JSON_PADDING) == PEN_OK;
    pen_status st = is_read ? ioc_list_read(r, pen_buf_slice(&text)) : PEN_E_USAGE;
    if (st != PEN_OK) {
        const char *reason = st == PEN_E_NOMEM ? "out of memory" : is_read ? r->why : why;
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "enrich.ioc: %.100s: %s", path, reason);
        ioc_list_leave(*out);
        *out = NULL;
    }
    pen_buf_fini(&text);
    free(r);
    return st;
}

void ioc_list_leave(struct ioc_list *list)
{
    if (list != NULL && --list->users == 0) {
        pen_buf_fini(&list->texts);
        pen_buf_fini(&list->rows);
        pen_buf_fini(&list->details);
        pen_buf_fini(&list->problems);
        free(list->path);
        free(list);
    }
}

uint64_t ioc_list_bytes(const struct ioc_list *list)
{
    return list->texts.cap + list->rows.cap + list->details.cap;
}
