/* tested by tests/unit/text/test_text.c */
#include "columns.h"

#include <emmintrin.h>
#include <stdlib.h>

#define NAME_BYTES_MAX 128U
#define ESCAPE_FACTOR 6U /* one byte may become six: a backslash, u and four digits */

/* ---- values ---- */

/* One look at the whole line instead of one at each of its values, most of which are short. */
static void line_look(struct escaped *escaped, pen_slice line, uint8_t separator)
{
    const uint8_t passed = separator == '\t' ? '\t' : ' '; /* it is in no value */
    __m128i odd = _mm_setzero_si128();
    __m128i quotes = _mm_setzero_si128();
    size_t i = 0;
    for (; i + sizeof(__m128i) <= line.len; i += sizeof(__m128i)) {
        const __m128i c = _mm_loadu_si128((const void *)(line.ptr + i));
        /* As signed bytes what is beyond ASCII lies below the blank too. */
        const __m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8((char)passed)),
                                             _mm_cmplt_epi8(c, _mm_set1_epi8(' ')));
        odd = _mm_or_si128(odd, _mm_or_si128(low, _mm_cmpeq_epi8(c, _mm_set1_epi8('\\'))));
        odd = _mm_or_si128(odd, _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
        quotes = _mm_or_si128(quotes, _mm_cmpeq_epi8(c, _mm_set1_epi8('"')));
    }
    bool has_odd = _mm_movemask_epi8(odd) != 0;
    bool has_quotes = _mm_movemask_epi8(quotes) != 0;
    for (; i < line.len; i++) {
        const uint8_t c = line.ptr[i];
        has_odd |= (c < 0x20 && c != passed) || c >= 0x7f || c == '\\';
        has_quotes |= c == '"';
    }
    escaped->has_odd = has_odd;
    escaped->has_quotes = has_quotes;
}

bool escaped_begin(struct escaped *escaped, pen_slice line, uint8_t separator)
{
    line_look(escaped, line, separator);
    escaped->text.len = 0;
    /* Once more for words that are joined. */
    return pen_buf_reserve(&escaped->text, line.len * (ESCAPE_FACTOR + 1) + 16) == PEN_OK;
}

/* Plain ASCII without quotes, backslashes and controls: most values. */
static bool is_clean(pen_slice text)
{
    uint8_t odd = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        odd |= (uint8_t)((c < 0x20) | (c >= 0x7f) | (c == '"') | (c == '\\'));
    }
    return odd == 0;
}

static bool needs_escape(const struct escaped *escaped, pen_slice text)
{
    return PEN_UNLIKELY(escaped->has_odd)
               ? !is_clean(text)
               : escaped->has_quotes && text.len > 0 && memchr(text.ptr, '"', text.len) != NULL;
}

const char *value_put(struct escaped *escaped, struct pen_walker *walker, uint32_t column,
                      pen_slice text)
{
    bool is_escaped = false;
    if (PEN_UNLIKELY(needs_escape(escaped, text))) {
        const size_t from = escaped->text.len;
        if (pen_json_escape(&escaped->text, text) != PEN_OK) {
            return "out of memory";
        }
        text = pen_slice_sub(pen_buf_slice(&escaped->text), from, escaped->text.len);
        is_escaped = memchr(text.ptr, '\\', text.len) != NULL;
    }
    return pen_walker_flat_put(walker, column, text, is_escaped) ? NULL
                                                                 : "the document is too large";
}

/* ---- what columns there are ---- */

static pen_status part_add(struct column *column, struct pen_walker *walker, pen_slice name,
                           struct pen_err *err)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX || column->part_count == COLUMN_PARTS_MAX ||
        !is_clean(name)) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "no name of a column: %.*s",
                        PEN_SLICE_FMT(name));
    }
    const uint32_t at = pen_walker_column(walker, name);
    if (at == 0) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many columns");
    }
    column->parts[column->part_count++] = at;
    return PEN_OK;
}

static pen_status parts_add(struct column *column, struct pen_walker *walker, pen_slice names,
                            uint8_t separator, struct pen_err *err)
{
    pen_slice name;
    while (pen_slice_split(&names, separator, &name)) {
        PEN_TRY(part_add(column, walker, name, err));
    }
    return PEN_OK;
}

static pen_status column_set(struct column *column, struct pen_walker *walker, pen_slice name,
                             struct pen_err *err)
{
    static const char http[] =
        "http_method http_protocol http_host http_port http_path http_query http_version";
    const pen_slice request = PEN_SLICE_LIT(" http");
    *column = (struct column){.kind = COLUMN_PLAIN};
    if (name.len > 0 && name.ptr[name.len - 1] == '?') {
        column->is_optional = true;
        name.len--;
    }
    if (name.len > 0 && name.ptr[name.len - 1] == '+') {
        column->is_joined = true;
        name.len--;
    }
    if (name.len > request.len &&
        pen_slice_eq(pen_slice_sub(name, name.len - request.len, name.len), request)) {
        column->kind = COLUMN_REQUEST;
        PEN_TRY(part_add(column, walker, pen_slice_sub(name, 0, name.len - request.len), err));
        return parts_add(column, walker, pen_slice_str(http), ' ', err);
    }
    if (name.len > 0 && memchr(name.ptr, ' ', name.len) != NULL) {
        column->kind = COLUMN_WORDS;
        return parts_add(column, walker, name, ' ', err);
    }
    if (name.len > 0 && memchr(name.ptr, ':', name.len) != NULL) {
        column->kind = COLUMN_PORT;
        PEN_TRY(parts_add(column, walker, name, ':', err));
        return column->part_count == 2
                   ? PEN_OK
                   : PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                              "a column of address and port is named a:b, not %.*s",
                              PEN_SLICE_FMT(name));
    }
    return part_add(column, walker, name, err);
}

pen_status columns_set(struct columns *columns, struct pen_walker *walker, const pen_slice *names,
                       uint32_t count, struct pen_err *err)
{
    if (count == 0 || count > PEN_TEXT_COLUMNS_MAX) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "a line has 1 to %u columns",
                        PEN_TEXT_COLUMNS_MAX);
    }
    pen_walker_columns_new(walker, count * COLUMN_PARTS_MAX);
    columns->count = 0;
    columns->required = 0;
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(column_set(&columns->items[i], walker, names[i], err));
        columns->count++;
        if (!columns->items[i].is_optional && columns->required == i) {
            columns->required++;
        }
    }
    return PEN_OK;
}

pen_status columns_from_line(struct columns *columns, struct pen_walker *walker, pen_slice line,
                             struct pen_err *err)
{
    uint8_t clean[PEN_TEXT_COLUMNS_MAX * 64];
    pen_slice names[PEN_TEXT_COLUMNS_MAX];
    uint32_t count = 0;
    const uint8_t separator = columns->separator == 0 ? ' ' : columns->separator;
    if (line.len > sizeof(clean)) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "a line of names has more than %zu bytes",
                        sizeof(clean));
    }
    for (size_t i = 0; i < line.len; i++) {
        const uint8_t c = line.ptr[i];
        const bool is_name = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        clean[i] = is_name || c == '.' || c == '@' || c == separator ? c : '_';
    }
    pen_slice rest = {clean, line.len};
    pen_slice name;
    while (pen_slice_split(&rest, separator, &name)) {
        if (name.len == 0 && separator == ' ') {
            continue;
        }
        if (count == PEN_TEXT_COLUMNS_MAX) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u columns",
                            PEN_TEXT_COLUMNS_MAX);
        }
        names[count++] = name;
    }
    return columns_set(columns, walker, names, count, err);
}

/* ---- a line ---- */

/* The first such byte, or end: within the first 16 bytes most of the time. */
static inline const uint8_t *byte_find(const uint8_t *p, const uint8_t *end, uint8_t byte)
{
    if (end - p >= 16) {
        const __m128i c = _mm_loadu_si128((const void *)p);
        const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8((char)byte)));
        if (found != 0) {
            return p + __builtin_ctz((unsigned)found);
        }
        p += 16;
    }
    const uint8_t *at = p == end ? NULL : memchr(p, byte, (size_t)(end - p));
    return at == NULL ? end : at;
}

/* The quote or bracket that a blank or the end of the line follows, or end. */
static const uint8_t *closer_find(const struct escaped *escaped, const uint8_t *p,
                                  const uint8_t *end, uint8_t closer)
{
    const bool may_escape = closer == '"' && escaped->has_odd;
    while (p < end && !(*p == closer && (p + 1 == end || p[1] == ' '))) {
        if (may_escape) {
            p += *p == '\\' && p + 1 < end ? 2 : 1;
        } else {
            p = byte_find(p + 1, end, closer);
        }
    }
    return p;
}

/* The word at the front of rest, without its quotes or brackets; rest goes behind it. */
static const char *word_next(const struct escaped *escaped, pen_slice *rest, pen_slice *word)
{
    const uint8_t *p = rest->ptr;
    const uint8_t *end = p + rest->len;
    const uint8_t closer = *p == '"' ? '"' : *p == '[' ? ']' : ' ';
    if (closer == ' ') {
        const uint8_t *to = byte_find(p, end, ' ');
        *word = (pen_slice){p, (size_t)(to - p)};
        p = to;
    } else {
        const uint8_t *from = ++p;
        p = closer_find(escaped, p, end, closer);
        if (p >= end) {
            return closer == '"' ? "a quote without its end" : "a bracket without its end";
        }
        *word = (pen_slice){from, (size_t)(p - from)};
        p++;
    }
    while (p < end && *p == ' ') {
        p++;
    }
    *rest = (pen_slice){p, (size_t)(end - p)};
    return NULL;
}

static const char *port_put(struct columns *columns, struct pen_walker *walker,
                            const struct column *column, pen_slice text)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != ':') {
        at--;
    }
    if (at == 0) { /* "-": neither */
        return value_put(&columns->escaped, walker, column->parts[0], text);
    }
    const char *problem =
        value_put(&columns->escaped, walker, column->parts[0], pen_slice_sub(text, 0, at - 1));
    return problem != NULL ? problem
                           : value_put(&columns->escaped, walker, column->parts[1],
                                       pen_slice_sub(text, at, text.len));
}

static const char *words_put(struct columns *columns, struct pen_walker *walker,
                             const struct column *column, pen_slice text)
{
    const char *problem = NULL;
    pen_slice word;
    for (uint32_t i = 0; i < column->part_count && problem == NULL; i++) {
        if (i + 1 == column->part_count) {
            word = text; /* the last one has the rest */
        } else if (!pen_slice_split(&text, ' ', &word)) {
            break;
        }
        problem = value_put(&columns->escaped, walker, column->parts[i], word);
    }
    return problem;
}

enum {
    PART_REQUEST,
    PART_METHOD,
    PART_PROTOCOL,
    PART_HOST,
    PART_PORT,
    PART_PATH,
    PART_QUERY,
    PART_VERSION
};

/* protocol://host:port/path?query */
static void url_split(pen_slice url, pen_slice parts[COLUMN_PARTS_MAX])
{
    const size_t scheme = pen_slice_find(url, PEN_SLICE_LIT("://"));
    if (scheme == SIZE_MAX) {
        return;
    }
    parts[PART_PROTOCOL] = pen_slice_sub(url, 0, scheme);
    pen_slice rest = pen_slice_sub(url, scheme + 3, url.len);
    size_t slash = 0;
    while (slash < rest.len && rest.ptr[slash] != '/' && rest.ptr[slash] != '-') {
        slash++;
    }
    while (slash < rest.len && rest.ptr[slash] != '/' &&
           !(rest.ptr[slash] == '-' && slash + 1 == rest.len)) {
        slash++;
    }
    pen_slice host = pen_slice_sub(rest, 0, slash);
    size_t colon = host.len;
    while (colon > 0 && host.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon > 0) {
        parts[PART_PORT] = pen_slice_sub(host, colon, host.len);
        host = pen_slice_sub(host, 0, colon - 1);
    }
    if (host.len > 1 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = pen_slice_sub(host, 1, host.len - 1);
    }
    parts[PART_HOST] = host;
    rest = pen_slice_sub(rest, slash, rest.len);
    const uint8_t *mark = rest.len > 0 ? memchr(rest.ptr, '?', rest.len) : NULL;
    const size_t path = mark == NULL ? rest.len : (size_t)(mark - rest.ptr);
    parts[PART_PATH] = pen_slice_sub(rest, 0, path);
    parts[PART_QUERY] = pen_slice_sub(rest, path + 1, rest.len);
}

/* "GET https://host:443/path?query HTTP/1.1" */
static const char *request_put(struct columns *columns, struct pen_walker *walker,
                               const struct column *column, pen_slice text)
{
    pen_slice parts[COLUMN_PARTS_MAX] = {{0}};
    pen_slice rest = text;
    pen_slice url = {0};
    parts[PART_REQUEST] = text;
    (void)pen_slice_split(&rest, ' ', &parts[PART_METHOD]);
    size_t at = rest.len; /* an address may have blanks: the version is behind the last one */
    while (at > 0 && rest.ptr[at - 1] != ' ') {
        at--;
    }
    url = at == 0 ? rest : pen_slice_sub(rest, 0, at - 1);
    const pen_slice version = at == 0 ? (pen_slice){0} : pen_slice_sub(rest, at, rest.len);
    const size_t slash = pen_slice_find(version, PEN_SLICE_LIT("/"));
    if (slash != SIZE_MAX) {
        parts[PART_VERSION] = pen_slice_sub(version, slash + 1, version.len);
    }
    url_split(url, parts);
    const char *problem = NULL;
    for (uint32_t i = 0; i < column->part_count && problem == NULL; i++) {
        if (parts[i].len > 0) {
            problem = value_put(&columns->escaped, walker, column->parts[i], parts[i]);
        }
    }
    return problem;
}

static const char *column_put(struct columns *columns, struct pen_walker *walker,
                              const struct column *column, pen_slice text)
{
    switch (column->kind) {
    case COLUMN_PORT:
        return port_put(columns, walker, column, text);
    case COLUMN_WORDS:
        return words_put(columns, walker, column, text);
    case COLUMN_REQUEST:
        return request_put(columns, walker, column, text);
    case COLUMN_PLAIN:
        break;
    }
    return value_put(&columns->escaped, walker, column->parts[0], text);
}

/* The next word of line; false: there is none.  *problem is set when it makes no sense. */
static bool split_next(const struct columns *columns, pen_slice *line, pen_slice *word,
                       const char **problem)
{
    if (columns->separator != 0) {
        return pen_slice_split(line, columns->separator, word);
    }
    if (line->len == 0) {
        return false;
    }
    *problem = word_next(&columns->escaped, line, word);
    return *problem == NULL;
}

/* word gets the next one too. */
static const char *word_join(struct columns *columns, pen_slice *line, pen_slice *word)
{
    struct pen_buf *buf = &columns->escaped.text;
    const char *problem = NULL;
    const size_t from = buf->len;
    pen_slice second;
    if (!split_next(columns, line, &second, &problem)) {
        return problem != NULL ? problem : "fewer columns than its type has";
    }
    if (pen_buf_add(buf, *word) != PEN_OK || pen_buf_add_byte(buf, ' ') != PEN_OK ||
        pen_buf_add(buf, second) != PEN_OK) {
        return "out of memory";
    }
    *word = pen_slice_sub(pen_buf_slice(buf), from, buf->len);
    return NULL;
}

const char *columns_split(struct columns *columns, struct pen_walker *walker, pen_slice line)
{
    uint32_t at = 0;
    const char *problem = NULL;
    pen_slice word;
    if (!escaped_begin(&columns->escaped, line, columns->separator)) {
        return "out of memory";
    }
    for (; problem == NULL && split_next(columns, &line, &word, &problem); at++) {
        if (at >= columns->count) {
            continue;
        }
        const struct column *column = &columns->items[at];
        problem = column->is_joined ? word_join(columns, &line, &word) : NULL;
        problem = problem == NULL ? column_put(columns, walker, column, word) : problem;
    }
    if (problem != NULL) {
        return problem;
    }
    return at < columns->required ? "fewer columns than its type has" : NULL;
}
