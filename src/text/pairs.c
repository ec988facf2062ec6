#include "pairs.h"

#include "penstock/json.h"

#include <ctype.h>

static const char no_memory[] = "out of memory";
static const char too_many[] = "the line has too many pairs";

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_key_byte(uint8_t c)
{
    return isalnum(c) != 0 || (c != 0 && strchr("_.-:[]@/", c) != NULL);
}

static bool is_key(pen_slice text)
{
    bool is = text.len > 0;
    for (size_t i = 0; i < text.len && is; i++) {
        is = is_key_byte(text.ptr[i]);
    }
    return is;
}

/* ---- writing ---- */

/* What a byte behind a backslash stands for; 0: the two are as they are. */
typedef uint8_t escape_fn(uint8_t c);

static uint8_t quoted_escape(uint8_t c)
{
    return c == '"' || c == '\\' ? c : 0;
}

static uint8_t cef_escape(uint8_t c)
{
    const bool is_itself = c == '=' || c == '|' || c == '\\';
    return is_itself ? c : c == 'n' ? '\n' : c == 'r' ? '\r' : 0;
}

static pen_status text_add(struct pen_buf *json, pen_slice text, escape_fn *escape)
{
    size_t from = 0;
    pen_status st = PEN_OK;
    for (size_t i = 0; escape != NULL && i + 1 < text.len && st == PEN_OK; i++) {
        const uint8_t plain = text.ptr[i] == '\\' ? escape(text.ptr[i + 1]) : 0;
        if (plain != 0) {
            st = pen_json_escape(json, pen_slice_sub(text, from, i));
            st = st == PEN_OK ? pen_json_escape(json, (pen_slice){&plain, 1}) : st;
            from = ++i + 1;
        }
    }
    return st == PEN_OK ? pen_json_escape(json, pen_slice_sub(text, from, text.len)) : st;
}

static pen_status member_add(struct pen_buf *json, pen_slice name, pen_slice text,
                             escape_fn *escape)
{
    const bool is_first = json->ptr[json->len - 1] == '{';
    PEN_TRY(is_first ? PEN_OK : pen_buf_add_byte(json, ','));
    PEN_TRY(pen_buf_add_byte(json, '"'));
    PEN_TRY(pen_json_escape(json, name));
    PEN_TRY(pen_buf_add(json, PEN_SLICE_LIT("\":\"")));
    PEN_TRY(text_add(json, text, escape));
    return pen_buf_add_byte(json, '"');
}

/* ---- pairs ---- */

struct pair {
    pen_slice key, value; /* no key: a word */
    bool is_quoted;
};

static bool is_between(uint8_t c, uint8_t separator)
{
    return separator == 0 ? is_blank(c) : c == separator;
}

/* The value that begins at *at in quotes, which are not part of it.  False: they are not closed. */
static bool quoted_at(pen_slice line, size_t *at, pen_slice *value)
{
    size_t end = *at + 1;
    while (end < line.len && line.ptr[end] != '"') {
        end += line.ptr[end] == '\\' ? 2 : 1;
    }
    if (end >= line.len) {
        return false;
    }
    *value = pen_slice_sub(line, *at + 1, end);
    *at = end + 1;
    return true;
}

/* The pair or word at *at, which is moved behind it.  NULL, or what is wrong. */
static const char *pair_at(pen_slice line, size_t *at, uint8_t separator, struct pair *pair)
{
    const size_t begin = *at;
    size_t end = begin;
    *pair = (struct pair){0};
    while (end < line.len && line.ptr[end] != '=' && !is_between(line.ptr[end], separator)) {
        end++;
    }
    const pen_slice key = pen_slice_trim(pen_slice_sub(line, begin, end));
    if (end < line.len && line.ptr[end] == '=' && is_key(key)) {
        pair->key = key;
        *at = end + 1;
        if (*at < line.len && line.ptr[*at] == '"') {
            pair->is_quoted = true;
            return quoted_at(line, at, &pair->value) ? NULL : "a quote of a value is not closed";
        }
        end = *at;
    }
    const size_t from = end == *at ? end : begin;
    while (end < line.len && !is_between(line.ptr[end], separator)) {
        end++;
    }
    pair->value = pen_slice_trim(pen_slice_sub(line, from, end));
    *at = end;
    return NULL;
}

static void between_skip(pen_slice line, size_t *at, uint8_t separator)
{
    while (*at < line.len && (is_blank(line.ptr[*at]) || is_between(line.ptr[*at], separator))) {
        (*at)++;
    }
}

/* All pairs of a line, or all words.  How many, in *count. */
static const char *some_add(pen_slice line, uint8_t separator, bool wants_words,
                            struct pen_buf *json, uint32_t *count)
{
    size_t at = 0;
    *count = 0;
    for (between_skip(line, &at, separator); at < line.len; between_skip(line, &at, separator)) {
        struct pair pair;
        const char *problem = pair_at(line, &at, separator, &pair);
        if (problem != NULL || (pair.key.len == 0) != wants_words) {
            if (problem != NULL) {
                return problem;
            }
            continue;
        }
        if (++*count > PAIRS_MAX) {
            return too_many;
        }
        pen_status st = wants_words && *count > 1 ? pen_buf_add_byte(json, ' ') : PEN_OK;
        st = st != PEN_OK ? st
             : wants_words
                 ? pen_json_escape(json, pair.value)
                 : member_add(json, pair.key, pair.value, pair.is_quoted ? quoted_escape : NULL);
        if (st != PEN_OK) {
            return no_memory;
        }
    }
    return NULL;
}

const char *pairs_json(pen_slice line, uint8_t separator, struct pen_buf *json)
{
    uint32_t pairs = 0;
    uint32_t words = 0;
    const char *problem = pen_buf_add_byte(json, '{') == PEN_OK
                              ? some_add(line, separator, false, json, &pairs)
                              : no_memory;
    if (problem != NULL || pairs == 0) {
        return problem != NULL ? problem : "the line has no pair of a key and a value";
    }
    const size_t before = json->len;
    if (pen_buf_add(json, PEN_SLICE_LIT(",\"message\":\"")) != PEN_OK) {
        return no_memory;
    }
    problem = some_add(line, separator, true, json, &words);
    json->len = words == 0 ? before : json->len;
    const pen_slice end = words == 0 ? PEN_SLICE_LIT("}") : PEN_SLICE_LIT("\"}");
    return problem != NULL ? problem : pen_buf_add(json, end) == PEN_OK ? NULL : no_memory;
}

/* ---- CEF ---- */

/* What stands before the next bar that has no backslash before it; rest is behind that.  False:
 * there is none. */
static bool header_take(pen_slice *rest, pen_slice *field)
{
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != '|') {
        end += rest->ptr[end] == '\\' ? 2 : 1;
    }
    if (end >= rest->len) {
        return false;
    }
    *field = pen_slice_trim(pen_slice_sub(*rest, 0, end));
    *rest = pen_slice_sub(*rest, end + 1, rest->len);
    return true;
}

static const char *header_add(pen_slice *rest, struct pen_buf *json)
{
    static const char *const names[] = {"cefVersion",    "deviceVendor",       "deviceProduct",
                                        "deviceVersion", "deviceEventClassId", "name",
                                        "severity"};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        pen_slice field;
        if (!header_take(rest, &field)) {
            return "the header of CEF is cut off: seven fields with | behind each are wanted";
        }
        if (member_add(json, pen_slice_str(names[i]), field, cef_escape) != PEN_OK) {
            return no_memory;
        }
    }
    return NULL;
}

/* Where the value at from ends: before the blank that the next key stands behind, or at the end. */
static size_t value_end(pen_slice text, size_t from, size_t *next)
{
    size_t blank = SIZE_MAX;
    for (size_t i = from; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            i++;
        } else if (is_blank(text.ptr[i])) {
            blank = i;
        } else if (text.ptr[i] == '=' && blank != SIZE_MAX &&
                   is_key(pen_slice_sub(text, blank + 1, i))) {
            *next = blank + 1;
            return blank;
        }
    }
    *next = text.len;
    return text.len;
}

static const char *extension_add(pen_slice text, struct pen_buf *json)
{
    size_t at = 0;
    for (uint32_t count = 0; at < text.len; count++) {
        size_t equals = at;
        while (equals < text.len && text.ptr[equals] != '=') {
            equals++;
        }
        const pen_slice key = pen_slice_sub(text, at, equals);
        if (equals == text.len || !is_key(key)) {
            return "the extension of CEF begins with no key";
        }
        if (count == PAIRS_MAX) {
            return too_many;
        }
        const size_t end = value_end(text, equals + 1, &at);
        const pen_slice value = pen_slice_trim(pen_slice_sub(text, equals + 1, end));
        if (member_add(json, key, value, cef_escape) != PEN_OK) {
            return no_memory;
        }
    }
    return NULL;
}

const char *cef_json(pen_slice line, struct pen_buf *json)
{
    const pen_slice mark = PEN_SLICE_LIT("CEF:");
    const size_t at = pen_slice_find(line, mark);
    if (at == SIZE_MAX) {
        return "the line has no CEF: in it";
    }
    const pen_slice before = pen_slice_trim(pen_slice_sub(line, 0, at));
    pen_slice rest = pen_slice_sub(line, at + mark.len, line.len);
    if (pen_buf_add_byte(json, '{') != PEN_OK) {
        return no_memory;
    }
    const char *problem = header_add(&rest, json);
    problem = problem == NULL ? extension_add(pen_slice_trim(rest), json) : problem;
    if (problem != NULL) {
        return problem;
    }
    pen_status st =
        before.len == 0 ? PEN_OK : member_add(json, PEN_SLICE_LIT("syslog"), before, NULL);
    st = st == PEN_OK ? pen_buf_add_byte(json, '}') : st;
    return st == PEN_OK ? NULL : no_memory;
}
