/* tested by tests/unit/enrich/test_ioc_stix.c */
#include "ioc.h"

/*
 * Patterns of STIX 2.1 (section 9 of it), those of them that compare for equality:
 *
 *   pattern      observation ("OR" observation)*
 *   observation  "[" together ("OR" together)* "]"
 *   together     comparison ("AND" comparison)*
 *   comparison   path ("=" text | "IN" "(" text ("," text)* ")" | "ISSUBSET" text | "LIKE" text)
 *
 * Hashes of one file may stand together: each of them names it alone.  LIKE is for texts without
 * wildcards, and for the first octets of addresses: '192.0.2.%' is 192.0.2.0/24.
 */

#define TEXT_MAX_BYTES PEN_IOC_VALUE_MAX

enum token { TOKEN_END, TOKEN_MARK, TOKEN_WORD, TOKEN_TEXT, TOKEN_BAD };

struct pattern {
    struct ioc_reading *r;
    pen_slice rest;
    enum token token;
    pen_slice word; /* a word or a mark, as written */
    uint8_t text[TEXT_MAX_BYTES];
    size_t text_len;
    const char *unused; /* the first thing that cannot be used */
    bool is_odd;        /* there was such a thing in what stands together */
};

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':' || c == '*';
}

/* Between quotes; a backslash stands before those that belong to it. */
static void text_next(struct pattern *p)
{
    size_t at = 1;
    p->text_len = 0;
    for (; at < p->rest.len && p->rest.ptr[at] != '\''; at++) {
        at += p->rest.ptr[at] == '\\';
        if (at >= p->rest.len || p->text_len == TEXT_MAX_BYTES) {
            p->token = TOKEN_BAD;
            return;
        }
        p->text[p->text_len++] = p->rest.ptr[at];
    }
    p->token = at < p->rest.len ? TOKEN_TEXT : TOKEN_BAD;
    p->rest = pen_slice_sub(p->rest, at + 1, p->rest.len);
}

/* Whether an index begins here: "[0]" or "[*]", not the observation behind an OR. */
static bool is_index(pen_slice rest)
{
    return rest.len > 1 && rest.ptr[0] == '[' &&
           (rest.ptr[1] == '*' || (rest.ptr[1] >= '0' && rest.ptr[1] <= '9'));
}

/* A path of objects has names in quotes and numbers in brackets too. */
static void word_next(struct pattern *p)
{
    size_t at = 0;
    bool is_quoted = false;
    bool is_inside = false;
    for (; at < p->rest.len; at++) {
        const uint8_t c = p->rest.ptr[at];
        if (c == '\'' && (is_quoted || (at > 0 && p->rest.ptr[at - 1] == '.'))) {
            is_quoted = !is_quoted;
        } else if (!is_quoted &&
                   (is_index(pen_slice_sub(p->rest, at, p->rest.len)) || (c == ']' && is_inside))) {
            is_inside = c == '[';
        } else if (!is_quoted && !is_word(c)) {
            break;
        }
    }
    p->token = is_quoted ? TOKEN_BAD : TOKEN_WORD;
    p->word = pen_slice_sub(p->rest, 0, at);
    p->rest = pen_slice_sub(p->rest, at, p->rest.len);
}

static void next(struct pattern *p)
{
    p->rest = pen_slice_trim(p->rest);
    if (p->rest.len == 0) {
        p->token = TOKEN_END;
        p->word = (pen_slice){0};
    } else if (p->rest.ptr[0] == '\'') {
        text_next(p);
    } else if (is_word(p->rest.ptr[0])) {
        word_next(p);
    } else {
        const uint8_t c = p->rest.ptr[0];
        const bool is_two =
            (c == '!' || c == '<' || c == '>') && p->rest.len > 1 && p->rest.ptr[1] == '=';
        p->token = TOKEN_MARK;
        p->word = pen_slice_sub(p->rest, 0, is_two ? 2 : 1);
        p->rest = pen_slice_sub(p->rest, p->word.len, p->rest.len);
    }
}

static bool is_mark(const struct pattern *p, uint8_t c)
{
    return p->token == TOKEN_MARK && p->word.len == 1 && p->word.ptr[0] == c;
}

static bool is_name(const struct pattern *p, const char *name)
{
    return p->token == TOKEN_WORD && pen_slice_eq_nocase(p->word, pen_slice_str(name));
}

static void unused(struct pattern *p, const char *why)
{
    p->is_odd = true;
    p->unused = p->unused == NULL ? why : p->unused;
}

/* ---- paths ---- */

static bool starts(pen_slice text, const char *head)
{
    return pen_slice_starts(text, pen_slice_str(head));
}

/* The type of what a path leads to; PEN_IOC_TYPES: nothing that is looked up. */
static enum pen_ioc_type type_of(pen_slice path)
{
    static const struct {
        const char *path;
        enum pen_ioc_type type;
    } whole[] = {
        {"ipv4-addr:value", PEN_IOC_IPV4},
        {"ipv6-addr:value", PEN_IOC_IPV6},
        {"domain-name:value", PEN_IOC_DOMAIN},
        {"url:value", PEN_IOC_URL},
        {"network-traffic:src_ref.value", PEN_IOC_IPV4},
        {"network-traffic:dst_ref.value", PEN_IOC_IPV4},
        {"network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
         PEN_IOC_AGENT},
    };
    static const char *const hashes[] = {"file:hashes.", "artifact:hashes.",
                                         "x509-certificate:hashes."};
    for (size_t i = 0; i < PEN_COUNT(whole); i++) {
        if (pen_slice_eq_nocase(path, pen_slice_str(whole[i].path))) {
            return whole[i].type;
        }
    }
    for (size_t i = 0; i < PEN_COUNT(hashes); i++) {
        if (starts(path, hashes[i]) && pen_slice_find(path, PEN_SLICE_LIT("SSDEEP")) == SIZE_MAX) {
            return PEN_IOC_FILE;
        }
    }
    return PEN_IOC_TYPES;
}

/* ---- comparisons ---- */

static pen_status value_take(struct pattern *p, enum pen_ioc_type type)
{
    const pen_slice text = {p->text, p->text_len};
    const char *why = ioc_value_read(text, type, &p->r->value);
    if (why != NULL) {
        unused(p, why);
        return PEN_OK;
    }
    return ioc_row_add(p->r, text, type);
}

/* "(" text, text ")" */
static pen_status texts_take(struct pattern *p, enum pen_ioc_type type)
{
    do {
        next(p);
        if (p->token != TOKEN_TEXT) {
            unused(p, "has no text to compare with");
            return PEN_OK;
        }
        PEN_TRY(value_take(p, type));
        next(p);
    } while (is_mark(p, ','));
    if (!is_mark(p, ')')) {
        unused(p, "has a parenthesis that does not end");
    }
    return PEN_OK;
}

/* Up to the word behind it, a bracket, or the end. */
static void comparison_skip(struct pattern *p, const char *why)
{
    unused(p, why);
    while (p->token != TOKEN_END && p->token != TOKEN_BAD && !is_mark(p, ']') &&
           !is_name(p, "OR") && !is_name(p, "AND")) {
        next(p);
    }
}

/* Makes of the text of a LIKE what it is equal to: "10.1.%" is 10.1.0.0/16.  False: its wildcards
 * ask for more. */
static bool like_take(struct pattern *p, enum pen_ioc_type type)
{
    static const char *const rests[] = {"0.0.0/8", "0.0/16", "0/24"};
    pen_slice text = {p->text, p->text_len};
    const bool has_wildcard =
        memchr(text.ptr, '%', text.len) != NULL || memchr(text.ptr, '_', text.len) != NULL;
    if (!has_wildcard) {
        return true;
    }
    uint32_t dots = 0;
    while (text.len > 0 && text.ptr[0] != '%' && text.ptr[0] != '_') {
        dots += text.ptr[0] == '.';
        text = pen_slice_sub(text, 1, text.len);
    }
    const size_t kept = p->text_len - 1;
    if (type != PEN_IOC_IPV4 || !pen_slice_eq(text, PEN_SLICE_LIT("%")) || dots < 1 || dots > 3 ||
        p->text[kept - 1] != '.' || kept + sizeof("0.0.0/8") > TEXT_MAX_BYTES) {
        return false;
    }
    const pen_slice rest = pen_slice_str(rests[dots - 1]);
    memcpy(p->text + kept, rest.ptr, rest.len);
    p->text_len = kept + rest.len;
    return true;
}

/* Behind a path: what it is compared with.  False: it is not for equality. */
static bool operand_take(struct pattern *p, enum pen_ioc_type type, pen_status *st)
{
    const bool is_address = type == PEN_IOC_IPV4 || type == PEN_IOC_IPV6;
    const bool is_in = is_name(p, "IN");
    const bool is_like = is_name(p, "LIKE");
    if (!is_in && !is_like && !is_mark(p, '=') && !(is_address && is_name(p, "ISSUBSET"))) {
        return false;
    }
    next(p);
    if ((is_in ? !is_mark(p, '(') : p->token != TOKEN_TEXT) || (is_like && !like_take(p, type))) {
        return false;
    }
    *st = is_in ? texts_take(p, type) : value_take(p, type);
    next(p);
    return true;
}

static pen_status comparison(struct pattern *p)
{
    const enum pen_ioc_type type = p->token == TOKEN_WORD ? type_of(p->word) : PEN_IOC_TYPES;
    pen_status st = PEN_OK;
    if (type == PEN_IOC_TYPES) {
        comparison_skip(p, "asks for what is not looked up");
        return PEN_OK;
    }
    next(p);
    if (!operand_take(p, type, &st)) {
        comparison_skip(p, "compares for more than equality");
    }
    return st;
}

/* Rows of the observation are taken back: they are indicators only together. */
static void rows_drop(struct pattern *p, uint32_t rows)
{
    struct ioc_list *list = p->r->list;
    list->row_count = rows;
    list->rows.len = rows * sizeof(struct ioc_row);
}

/* What must be there at once: of a file each hash alone names it, of all else nothing does. */
static pen_status together(struct pattern *p)
{
    const uint32_t rows = p->r->list->row_count;
    bool is_file = true;
    bool is_several = false;
    bool is_more = true;
    p->is_odd = false;
    while (is_more) {
        next(p);
        is_file &= p->token == TOKEN_WORD && starts(p->word, "file:hashes.");
        PEN_TRY(comparison(p));
        is_more = is_name(p, "AND");
        is_several |= is_more;
        if (is_several && !is_file) {
            unused(p, "asks for several things at once (AND)");
        }
    }
    if (is_several && p->is_odd) {
        rows_drop(p, rows);
    }
    return PEN_OK;
}

static pen_status observation(struct pattern *p)
{
    const uint32_t rows = p->r->list->row_count;
    bool is_more = true;
    if (!is_mark(p, '[')) {
        unused(p, "is more than comparisons in brackets");
        p->token = TOKEN_BAD;
        return PEN_OK;
    }
    while (is_more) {
        PEN_TRY(together(p));
        is_more = is_name(p, "OR");
    }
    if (!is_mark(p, ']')) {
        rows_drop(p, rows);
        unused(p, "has a bracket that does not end");
        p->token = TOKEN_BAD;
        return PEN_OK;
    }
    next(p);
    return PEN_OK;
}

pen_status ioc_read_pattern(struct ioc_reading *r, pen_slice text, const char **why)
{
    struct pattern p = {.r = r, .rest = text};
    const uint32_t rows = r->list->row_count;
    bool is_more = true;
    next(&p);
    while (is_more) {
        PEN_TRY(observation(&p));
        is_more = is_name(&p, "OR");
        if (is_more) {
            next(&p);
        }
    }
    if (p.token != TOKEN_END) { /* what follows narrows it: AND, FOLLOWEDBY, WITHIN, REPEATS */
        rows_drop(&p, rows);
        unused(&p, "asks for several things, or for times, at once");
    }
    *why = p.unused;
    return PEN_OK;
}
