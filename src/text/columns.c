/* tested by tests/unit/text/test_text.c */
#include "columns.h"

#include "request.h"

#include <emmintrin.h>
#include <stdlib.h>

#define NAME_BYTES_MAX 128U
#define ESCAPE_FACTOR 6U /* one byte may become six: a backslash, u and four digits */

/* ---- values ---- */

/* Blanks part words where no separator is given. */
static inline uint8_t separator_of(uint8_t separator)
{
    return separator == 0 ? ' ' : separator;
}

bool escaped_begin(struct escaped *escaped, pen_slice line, uint8_t separator, size_t bytes)
{
    return marks_take(&escaped->marks, line, separator_of(separator)) &&
           escaped_room(escaped, line, bytes);
}

bool escaped_room(struct escaped *escaped, pen_slice line, size_t bytes)
{
    const struct marks *marks = &escaped->marks;
    const size_t factor = marks->has_odd ? ESCAPE_FACTOR : marks->quote_count > 0 ? 2 : 0;
    escaped->text.len = 0;
    /* Once more for words that are joined. */
    return pen_buf_reserve(&escaped->text, bytes * factor + line.len + 16 + PEN_COPY_SLACK) ==
           PEN_OK;
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
    return PEN_UNLIKELY(escaped->marks.has_odd)
               ? !is_clean(text)
               : text.len > 0 && memchr(text.ptr, '"', text.len) != NULL;
}

/* Makes of a text what stands inside of a JSON string. */
static bool value_escape(struct escaped *escaped, struct pen_column *value)
{
    const size_t from = escaped->text.len;
    if (!needs_escape(escaped, value->text)) {
        return true;
    }
    if (pen_json_escape(&escaped->text, value->text) != PEN_OK) {
        return false;
    }
    value->text = pen_slice_sub(pen_buf_slice(&escaped->text), from, escaped->text.len);
    value->is_escaped = memchr(value->text.ptr, '\\', value->text.len) != NULL;
    return true;
}

const char *value_put(struct escaped *escaped, struct pen_walker *walker, uint32_t column,
                      pen_slice text)
{
    struct pen_column value = {.text = text};
    const bool may_escape = escaped->marks.has_odd || escaped->marks.quote_count > 0;
    if (PEN_UNLIKELY(may_escape) && !value_escape(escaped, &value)) {
        return "out of memory";
    }
    return pen_walker_flat_put(walker, column, value.text, value.is_escaped)
               ? NULL
               : "the document is too large";
}

/* ---- what columns there are ---- */

void columns_init(struct columns *columns)
{
    pen_buf_init(&columns->escaped.text, SIZE_MAX);
    pen_buf_init(&columns->names, SIZE_MAX);
    marks_init(&columns->escaped.marks);
}

void columns_fini(struct columns *columns)
{
    pen_buf_fini(&columns->escaped.text);
    pen_buf_fini(&columns->names);
    marks_fini(&columns->escaped.marks);
    free(columns->values);
    free(columns->parts);
}

static bool parts_grow(struct columns *columns)
{
    const uint32_t cap = columns->part_cap == 0 ? 64 : columns->part_cap * 2;
    struct pen_column *values = reallocarray(columns->values, cap, sizeof(*values));
    columns->values = values != NULL ? values : columns->values;
    uint32_t *parts = reallocarray(columns->parts, cap, sizeof(*parts));
    columns->parts = parts != NULL ? parts : columns->parts;
    columns->part_cap = values != NULL && parts != NULL ? cap : columns->part_cap;
    return values != NULL && parts != NULL;
}

static pen_status part_add(struct columns *columns, struct column *column,
                           struct pen_walker *walker, pen_slice name, struct pen_err *err)
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
    if (columns->part_count == columns->part_cap && !parts_grow(columns)) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "columns: out of memory");
    }
    columns->parts[columns->part_count++] = at;
    column->part_count++;
    return PEN_OK;
}

static pen_status parts_add(struct columns *columns, struct column *column,
                            struct pen_walker *walker, pen_slice names, uint8_t separator,
                            struct pen_err *err)
{
    pen_slice name;
    while (pen_slice_split(&names, separator, &name)) {
        PEN_TRY(part_add(columns, column, walker, name, err));
    }
    return PEN_OK;
}

static pen_status column_set(struct columns *columns, struct column *column,
                             struct pen_walker *walker, pen_slice name, struct pen_err *err)
{
    static const char http[] =
        "http_method http_protocol http_host http_port http_path http_query http_version";
    const pen_slice request = PEN_SLICE_LIT(" http");
    *column = (struct column){.kind = COLUMN_PLAIN, .first = columns->part_count};
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
        name = pen_slice_sub(name, 0, name.len - request.len);
        PEN_TRY(part_add(columns, column, walker, name, err));
        return parts_add(columns, column, walker, pen_slice_str(http), ' ', err);
    }
    if (name.len > 0 && memchr(name.ptr, ' ', name.len) != NULL) {
        column->kind = COLUMN_WORDS;
        return parts_add(columns, column, walker, name, ' ', err);
    }
    if (name.len > 0 && memchr(name.ptr, ':', name.len) != NULL) {
        column->kind = COLUMN_PORT;
        PEN_TRY(parts_add(columns, column, walker, name, ':', err));
        return column->part_count == 2
                   ? PEN_OK
                   : PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                              "a column of address and port is named a:b, not %.*s",
                              PEN_SLICE_FMT(name));
    }
    return part_add(columns, column, walker, name, err);
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
    columns->part_count = 0;
    columns->is_plain = true;
    columns->names.len = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct column *column = &columns->items[i];
        PEN_TRY(column_set(columns, column, walker, names[i], err));
        column->is_word = column->kind == COLUMN_PLAIN && !column->is_joined;
        columns->is_plain &= column->is_word;
        columns->count++;
        if (!columns->items[i].is_optional && columns->required == i) {
            columns->required++;
        }
    }
    columns->items[count] = (struct column){.kind = COLUMN_PLAIN};
    columns->is_direct = pen_walker_columns_set(walker, columns->parts, columns->part_count);
    return PEN_OK;
}

/* Names as they are written, cut into names as they are known. */
static pen_status names_set(struct columns *columns, struct pen_walker *walker, pen_slice line,
                            struct pen_err *err)
{
    uint8_t clean[PEN_TEXT_COLUMNS_MAX * 64];
    pen_slice names[PEN_TEXT_COLUMNS_MAX];
    uint32_t count = 0;
    const uint8_t separator = separator_of(columns->separator);
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

pen_status columns_from_line(struct columns *columns, struct pen_walker *walker, pen_slice line,
                             struct pen_err *err)
{
    if (columns->names.len > 0 && pen_slice_eq(line, pen_buf_slice(&columns->names))) {
        return PEN_OK;
    }
    PEN_TRY(names_set(columns, walker, line, err));
    return pen_buf_add(&columns->names, line);
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

/* The bracket that a blank or the end of the line follows, or its length. */
static size_t bracket_end(pen_slice line, size_t at)
{
    const uint8_t *end = line.ptr + line.len;
    const uint8_t *p = byte_find(line.ptr + at, end, ']');
    while (p < end && p + 1 < end && p[1] != ' ') {
        p = byte_find(p + 1, end, ']');
    }
    return (size_t)(p - line.ptr);
}

/* Likewise the quote, where a backslash may stand before those that end nothing. */
static PEN_COLD size_t escaped_quote_end(pen_slice line, size_t at)
{
    while (at < line.len &&
           !(line.ptr[at] == '"' && (at + 1 == line.len || line.ptr[at + 1] == ' '))) {
        at += line.ptr[at] == '\\' && at + 1 < line.len ? 2 : 1;
    }
    return at < line.len ? at : line.len;
}

static size_t quote_end(const struct marks *marks, pen_slice line, size_t at)
{
    if (PEN_UNLIKELY(marks->has_odd)) {
        return escaped_quote_end(line, at);
    }
    size_t end = marks_next(marks->quotes, at, line.len);
    while (end + 1 < line.len && line.ptr[end + 1] != ' ') {
        end = marks_next(marks->quotes, end + 1, line.len);
    }
    return end;
}

/* ---- values of a line ---- */

static void port_take(struct pen_column *values, pen_slice text)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != ':') {
        at--;
    }
    if (at == 0) { /* "-": neither */
        values[0] = (struct pen_column){.text = text};
        values[1] = (struct pen_column){.text = {NULL, 0}};
        return;
    }
    values[0] = (struct pen_column){.text = {text.ptr, at - 1}};
    values[1] = (struct pen_column){.text = {text.ptr + at, text.len - at}};
}

static void words_take(struct pen_column *values, uint32_t count, pen_slice text)
{
    pen_slice word;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (struct pen_column){.text = {NULL, 0}};
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 == count) {
            word = text; /* the last one has the rest */
        } else if (!pen_slice_split(&text, ' ', &word)) {
            break;
        }
        values[i].text = word;
    }
}

static void request_take(struct pen_column *values, pen_slice text)
{
    pen_slice parts[PART_COUNT];
    request_split(text, parts);
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        values[i] = (struct pen_column){.text = parts[i].len > 0 ? parts[i] : (pen_slice){NULL, 0}};
    }
}

/* What a line has so far. */
struct cut {
    struct columns *columns;
    const struct column *next; /* that the next word is for */
    bool is_half;              /* it takes two, and has one: */
    pen_slice first;
    uint64_t quotes; /* around words */
    const char *problem;
};

static bool word_join(struct cut *cut, pen_slice *word)
{
    struct pen_buf *buf = &cut->columns->escaped.text;
    const size_t from = buf->len;
    if (pen_buf_add(buf, cut->first) != PEN_OK || pen_buf_add_byte(buf, ' ') != PEN_OK ||
        pen_buf_add(buf, *word) != PEN_OK) {
        cut->problem = "out of memory";
        return false;
    }
    *word = pen_slice_sub(pen_buf_slice(buf), from, buf->len);
    return true;
}

/* A word of a column that has parts, or takes two words, or of none.  The column for the next one.
 */
static const struct column *word_take_parts(struct cut *cut, const struct column *column,
                                            pen_slice word)
{
    struct pen_column *values = &cut->columns->values[column->first];
    if (column == &cut->columns->items[cut->columns->count]) {
        return column; /* more than the type knows */
    }
    if (column->is_joined && !cut->is_half) {
        cut->is_half = true;
        cut->first = word;
        return column;
    }
    if (cut->is_half && !word_join(cut, &word)) {
        return column;
    }
    cut->is_half = false;
    switch (column->kind) {
    case COLUMN_PORT:
        port_take(values, word);
        break;
    case COLUMN_WORDS:
        words_take(values, column->part_count, word);
        break;
    case COLUMN_REQUEST:
        request_take(values, word);
        break;
    case COLUMN_PLAIN:
        values[0] = (struct pen_column){.text = word};
        break;
    }
    return column + 1;
}

static inline void value_set(struct pen_column *value, const uint8_t *from, const uint8_t *end)
{
    value->text.ptr = from;
    value->text.len = (size_t)(end - from);
    value->is_escaped = false;
}

static inline const struct column *word_take(struct cut *cut, const struct column *column,
                                             struct pen_column *values, const uint8_t *from,
                                             const uint8_t *end)
{
    if (PEN_LIKELY(column->is_word)) {
        value_set(&values[column->first], from, end);
        return column + 1;
    }
    return word_take_parts(cut, column, (pen_slice){from, (size_t)(end - from)});
}

#define INLINED static inline __attribute__((always_inline))

/* Words that breaks part, empty ones too. */
INLINED void cut_at(struct cut *cut, const uint64_t *breaks, pen_slice line)
{
    struct pen_column *const values = cut->columns->values;
    const struct column *column = cut->next;
    const size_t blocks = (line.len + MARKS_BLOCK - 1) / MARKS_BLOCK;
    const uint8_t *from = line.ptr;
    for (size_t block = 0; block < blocks; block++) {
        const uint8_t *base = line.ptr + block * MARKS_BLOCK;
        for (uint64_t left = breaks[block]; left != 0; left &= left - 1) {
            const uint8_t *end = base + __builtin_ctzll(left);
            column = word_take(cut, column, values, from, end);
            from = end + 1;
        }
    }
    cut->next = word_take(cut, column, values, from, line.ptr + line.len);
}

/* Likewise; those in quotes without them. */
INLINED void cut_quoted(struct cut *cut, const uint64_t *breaks, pen_slice line)
{
    struct pen_column *const values = cut->columns->values;
    const struct column *column = cut->next;
    const size_t blocks = (line.len + MARKS_BLOCK - 1) / MARKS_BLOCK;
    const uint8_t *from = line.ptr;
    uint64_t quoted = 0;
    for (size_t block = 0; block < blocks; block++) {
        const uint8_t *base = line.ptr + block * MARKS_BLOCK;
        for (uint64_t left = breaks[block]; left != 0; left &= left - 1) {
            const uint8_t *end = base + __builtin_ctzll(left);
            const size_t quote = *from == '"';
            column = word_take(cut, column, values, from + quote, end - quote);
            quoted += quote;
            from = end + 1;
        }
    }
    const uint8_t *end = line.ptr + line.len;
    const size_t quote = from < end && *from == '"';
    cut->next = word_take(cut, column, values, from + quote, end - quote);
    cut->quotes = 2 * (quoted + quote);
}

/* Words that are one column each, as many at most as there are columns. */
INLINED void cut_plain(struct cut *cut, const uint64_t *breaks, pen_slice line)
{
    const struct columns *columns = cut->columns;
    struct pen_column *value = columns->values;
    const struct pen_column *values_end = value + columns->count;
    const size_t blocks = (line.len + MARKS_BLOCK - 1) / MARKS_BLOCK;
    const uint8_t *from = line.ptr;
    for (size_t block = 0; block < blocks; block++) {
        const uint8_t *base = line.ptr + block * MARKS_BLOCK;
        for (uint64_t left = breaks[block]; left != 0; left &= left - 1) {
            const uint8_t *end = base + __builtin_ctzll(left);
            if (PEN_UNLIKELY(value == values_end)) {
                cut->next = columns->items + columns->count; /* more than the type knows */
                return;
            }
            value_set(value++, from, end);
            from = end + 1;
        }
    }
    if (value < values_end) {
        value_set(value++, from, line.ptr + line.len);
    }
    cut->next = columns->items + (value - columns->values);
}

/* Lines whose words the marks part. */
INLINED void cut_marked(struct cut *cut, const struct marks *marks, pen_slice line)
{
    if (cut->columns->separator == 0 && marks->quote_count > 0) {
        cut_quoted(cut, marks->breaks, line);
    } else if (cut->columns->is_plain) {
        cut_plain(cut, marks->separators, line);
    } else {
        cut_at(cut, marks->separators, line);
    }
}

__attribute__((target("bmi"))) static void cut_wide(struct cut *cut, const struct marks *marks,
                                                    pen_slice line)
{
    cut_marked(cut, marks, line);
}

static void cut_narrow(struct cut *cut, const struct marks *marks, pen_slice line)
{
    cut_marked(cut, marks, line);
}

/* Where the word in quotes or brackets ends whose first byte is at `from`; the line's length:
 * nowhere. */
static size_t wrapped_end(struct cut *cut, const struct marks *marks, pen_slice line, size_t from)
{
    const bool is_quote = line.ptr[from - 1] == '"';
    const size_t to = is_quote ? quote_end(marks, line, from) : bracket_end(line, from);
    cut->quotes += is_quote ? 2 : 0;
    if (to >= line.len) {
        cut->problem = is_quote ? "a quote without its end" : "a bracket without its end";
    }
    return to;
}

/* Words between blanks, without their quotes or brackets. */
static void cut_blank(struct cut *cut, const struct marks *marks, pen_slice line)
{
    struct pen_column *const values = cut->columns->values;
    const struct column *column = cut->next;
    size_t at = 0;
    while (at < line.len) {
        const uint8_t first = line.ptr[at];
        const bool is_wrapped = first == '"' || first == '[';
        const size_t from = at + is_wrapped;
        const size_t end = is_wrapped ? wrapped_end(cut, marks, line, from)
                                      : marks_next(marks->separators, from, line.len);
        if (is_wrapped && end >= line.len) {
            return;
        }
        column = word_take(cut, column, values, line.ptr + from, line.ptr + end);
        at = end + is_wrapped;
        while (at < line.len && line.ptr[at] == ' ') {
            at++;
        }
    }
    cut->next = column;
}

/* Whether the marks tell that a value which stands in the line has no quote. */
static inline bool is_unquoted(const struct marks *marks, pen_slice line, pen_slice text)
{
    const size_t from = (size_t)((uintptr_t)text.ptr - (uintptr_t)line.ptr);
    return from < line.len && marks_next(marks->quotes, from, line.len) >= from + text.len;
}

static bool values_escape(struct columns *columns, pen_slice line)
{
    const struct marks *marks = &columns->escaped.marks;
    for (uint32_t i = 0; i < columns->part_count; i++) {
        const pen_slice text = columns->values[i].text;
        const bool is_clean_value = !marks->has_odd && is_unquoted(marks, line, text);
        if (text.ptr != NULL && !is_clean_value &&
            !value_escape(&columns->escaped, &columns->values[i])) {
            return false;
        }
    }
    return true;
}

/* Columns from at on are none of the line's. */
static void values_none(struct columns *columns, uint32_t at)
{
    for (; at < columns->count; at++) {
        const struct column *column = &columns->items[at];
        for (uint32_t i = 0; i < column->part_count; i++) {
            columns->values[column->first + i] = (struct pen_column){.text = {NULL, 0}};
        }
    }
}

/* What the line has of each part. */
static const char *columns_split(struct columns *columns, pen_slice line, bool is_marked)
{
    struct escaped *escaped = &columns->escaped;
    const struct marks *marks = &escaped->marks;
    struct cut cut = {.columns = columns, .next = columns->items};
    const size_t bytes = 2 * line.len; /* in parts of a request each byte stands twice */
    if (!(is_marked ? escaped_room(escaped, line, bytes)
                    : escaped_begin(escaped, line, columns->separator, bytes))) {
        return "out of memory";
    }
    if (columns->separator == 0 && !marks->is_regular) {
        cut_blank(&cut, marks, line);
    } else if (marks->is_wide) {
        cut_wide(&cut, marks, line);
    } else {
        cut_narrow(&cut, marks, line);
    }
    const uint32_t count = (uint32_t)(cut.next - columns->items);
    if (cut.problem == NULL && (cut.is_half || count < columns->required)) {
        cut.problem = "fewer columns than its type has";
    }
    if (cut.problem != NULL) {
        return cut.problem;
    }
    values_none(columns, count);
    const bool may_escape = marks->has_odd || marks->quote_count != cut.quotes;
    return may_escape && !values_escape(columns, line) ? "out of memory" : NULL;
}

/* Values one by one, for records that cannot be told by their columns. */
static const char *values_put(const struct columns *columns, struct pen_walker *walker,
                              struct pen_record *record)
{
    pen_walker_flat_begin(walker);
    for (uint32_t i = 0; i < columns->part_count; i++) {
        const struct pen_column *value = &columns->values[i];
        if (value->text.ptr != NULL &&
            !pen_walker_flat_put(walker, columns->parts[i], value->text, value->is_escaped)) {
            return "the document is too large";
        }
    }
    pen_walker_flat_end(walker, record);
    return NULL;
}

bool columns_line(struct columns *columns, pen_slice rest, pen_slice *line)
{
    return marks_take_line(&columns->escaped.marks, rest, separator_of(columns->separator), line);
}

const char *columns_take(struct columns *columns, struct pen_walker *walker, pen_slice line,
                         bool is_marked, struct pen_record *record)
{
    const char *problem = columns_split(columns, line, is_marked);
    if (problem != NULL) {
        return problem;
    }
    const size_t bytes = 2 * line.len + columns->escaped.text.len;
    return columns->is_direct && pen_walker_flat_columns(walker, columns->values, bytes, record)
               ? NULL
               : values_put(columns, walker, record);
}
