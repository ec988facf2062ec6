#include "json_tree.h"

/* Containers that are open, and where the next child of each goes. */
struct open {
    struct json_node *nodes[JSON_TREE_DEPTH_MAX];
    struct json_node **ends[JSON_TREE_DEPTH_MAX];
    uint32_t depth;
    struct json_node *root;
};

void json_tree_begin(struct json_reader *reader, struct pen_arena *arena, pen_slice text)
{
    const bool has_mark = pen_slice_starts(text, PEN_SLICE_LIT("\xef\xbb\xbf"));
    *reader = (struct json_reader){.arena = arena,
                                   .text = pen_slice_sub(text, has_mark ? 3 : 0, text.len),
                                   .line = 1,
                                   .column = 1};
}

/* Counts lines and columns on to the byte at offset, which lies behind what was counted. */
static void count_to(struct json_reader *r, size_t offset)
{
    for (; r->counted < offset; r->counted++) {
        const uint8_t c = r->text.ptr[r->counted];
        r->column += (c & 0xc0U) != 0x80U;
        if (c == '\n') {
            r->line++;
            r->column = 1;
        }
    }
}

#define TREE_FAIL(r, offset, ...) \
    (count_to((r), (offset)), PEN_FAIL(err, PEN_E_CORRUPT, (offset), __VA_ARGS__))

static uint8_t peek(const struct json_reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : 0;
}

static void skip_blanks(struct json_reader *r)
{
    while (r->at < r->text.len && strchr(" \t\r\n", r->text.ptr[r->at]) != NULL &&
           r->text.ptr[r->at] != 0) {
        r->at++;
    }
}

static pen_status node_new(struct json_reader *r, uint8_t kind, struct json_node **out,
                           struct pen_err *err)
{
    count_to(r, r->at);
    if (r->nodes == JSON_TREE_NODES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, r->at, "more than %u values in one file",
                        JSON_TREE_NODES_MAX);
    }
    r->nodes++;
    struct json_node *node = PEN_NEW(r->arena, struct json_node);
    if (node == NULL) {
        return PEN_FAIL(err, PEN_E_LIMIT, r->at, "no memory for more values");
    }
    *node = (struct json_node){.kind = kind, .line = r->line, .column = r->column};
    *out = node;
    return PEN_OK;
}

/* ---- strings ---- */

static bool is_hex4(pen_slice text)
{
    for (size_t i = 0; i < 4; i++) {
        const uint8_t c = i < text.len ? text.ptr[i] : 0;
        if ((c < '0' || c > '9') && ((c | 0x20U) < 'a' || (c | 0x20U) > 'f')) {
            return false;
        }
    }
    return true;
}

/* Bytes of the escape at the front; 0: there is none such. */
static size_t escape_bytes(pen_slice text)
{
    if (text.len < 2 || text.ptr[0] != '\\' || text.ptr[1] == 0 ||
        strchr("\"\\/bfnrtu", text.ptr[1]) == NULL) {
        return 0;
    }
    if (text.ptr[1] != 'u') {
        return 2;
    }
    return is_hex4(pen_slice_sub(text, 2, text.len)) ? 6 : 0;
}

/* Moves past a string; *raw is what stands between its quotes. */
static pen_status take_string(struct json_reader *r, pen_slice *raw, bool *is_escaped,
                              struct pen_err *err)
{
    const size_t begin = ++r->at;
    *is_escaped = false;
    while (r->at < r->text.len && r->text.ptr[r->at] != '"') {
        const uint8_t c = r->text.ptr[r->at];
        size_t step = 1;
        if (c < 0x20) {
            return TREE_FAIL(r, r->at, "a control byte in a string: write \\u%04x", c);
        }
        if (c == '\\') {
            *is_escaped = true;
            step = escape_bytes(pen_slice_sub(r->text, r->at, r->text.len));
        }
        if (step == 0) {
            return TREE_FAIL(r, r->at, "no such escape in a string of JSON");
        }
        r->at += step;
    }
    if (r->at >= r->text.len) {
        return TREE_FAIL(r, begin - 1, "this string is never closed");
    }
    *raw = pen_slice_sub(r->text, begin, r->at);
    r->at++;
    return PEN_OK;
}

static pen_status read_string(struct json_reader *r, struct json_node **out, struct pen_err *err)
{
    bool is_escaped = false;
    struct json_node *node = NULL;
    PEN_TRY(node_new(r, PEN_STRING, &node, err));
    PEN_CHECK(node != NULL);
    PEN_TRY(take_string(r, &node->raw, &is_escaped, err));
    node->text = pen_arena_dup(r->arena, node->raw);
    if (node->text.ptr == NULL) {
        return PEN_FAIL(err, PEN_E_LIMIT, r->at, "no memory for more texts");
    }
    if (is_escaped) {
        uint8_t *to = pen_unconst(node->text.ptr);
        node->text.len = pen_json_unescape(node->raw, to);
        to[node->text.len] = 0;
    }
    *out = node;
    return PEN_OK;
}

/* ---- other values ---- */

static pen_status read_scalar(struct json_reader *r, struct json_node **out, struct pen_err *err)
{
    static const struct {
        const char *word;
        uint8_t kind;
    } words[] = {{"true", PEN_BOOL}, {"false", PEN_BOOL}, {"null", PEN_NULL}};
    const size_t begin = r->at;
    struct json_node *node = NULL;
    PEN_TRY(node_new(r, PEN_NUMBER, &node, err));
    PEN_CHECK(node != NULL);
    while (r->at < r->text.len && r->text.ptr[r->at] != 0 &&
           strchr(",:]}[{\" \t\r\n", r->text.ptr[r->at]) == NULL) {
        r->at++;
    }
    node->raw = pen_slice_sub(r->text, begin, r->at);
    node->text = node->raw;
    *out = node;
    for (size_t i = 0; i < PEN_COUNT(words); i++) {
        if (pen_slice_eq(node->raw, pen_slice_str(words[i].word))) {
            node->kind = words[i].kind;
            return PEN_OK;
        }
    }
    if (!pen_json_is_number(node->raw)) {
        return TREE_FAIL(r, begin,
                         node->raw.len == 0 ? "a value is wanted here"
                                            : "no value of JSON: strings have quotes");
    }
    node->text = pen_arena_dup(r->arena, node->raw);
    return node->text.ptr != NULL ? PEN_OK
                                  : PEN_FAIL(err, PEN_E_LIMIT, begin, "no memory for more values");
}

/* The name of a member and its colon. */
static pen_status read_key(struct json_reader *r, const struct json_node *object,
                           struct json_node **key, struct pen_err *err)
{
    skip_blanks(r);
    if (peek(r) != '"') {
        return TREE_FAIL(r, r->at, "the name of a member is wanted, in quotes");
    }
    const size_t begin = r->at;
    if (object->count == JSON_TREE_MEMBERS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, begin, "more than %u members in one object",
                        JSON_TREE_MEMBERS_MAX);
    }
    PEN_TRY(read_string(r, key, err));
    for (const struct json_node *kid = object->child; kid != NULL; kid = kid->next) {
        if (pen_slice_eq(kid->key->text, (*key)->text)) {
            return PEN_FAIL(err, PEN_E_CORRUPT, begin, "the member '%.*s' stands twice",
                            PEN_SLICE_FMT((*key)->text));
        }
    }
    skip_blanks(r);
    if (peek(r) != ':') {
        return TREE_FAIL(r, r->at, "a colon is wanted behind the name of a member");
    }
    r->at++;
    return PEN_OK;
}

static void attach(struct open *open, struct json_node *node, struct json_node *key)
{
    PEN_CHECK(node != NULL);
    node->key = key;
    if (open->depth == 0) {
        open->root = node;
        return;
    }
    open->nodes[open->depth - 1]->count++;
    *open->ends[open->depth - 1] = node;
    open->ends[open->depth - 1] = &node->next;
}

static pen_status open_container(struct json_reader *r, struct open *open, uint8_t kind,
                                 struct json_node *key, struct pen_err *err)
{
    struct json_node *node = NULL;
    PEN_TRY(node_new(r, kind, &node, err));
    PEN_CHECK(node != NULL);
    if (open->depth == JSON_TREE_DEPTH_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, r->at, "more than %u levels", JSON_TREE_DEPTH_MAX);
    }
    attach(open, node, key);
    node->raw = pen_slice_sub(r->text, r->at++, r->text.len); /* its end is not known yet */
    open->nodes[open->depth] = node;
    open->ends[open->depth++] = &node->child;
    return PEN_OK;
}

/* A value; of a container its opening, which is then the innermost one. */
static pen_status read_value(struct json_reader *r, struct open *open, struct json_node *key,
                             struct pen_err *err)
{
    struct json_node *node = NULL;
    skip_blanks(r);
    const uint8_t c = peek(r);
    if (c == '{' || c == '[') {
        return open_container(r, open, c == '{' ? PEN_OBJECT : PEN_ARRAY, key, err);
    }
    PEN_TRY(c == '"' ? read_string(r, &node, err) : read_scalar(r, &node, err));
    attach(open, node, key);
    return PEN_OK;
}

/* What stands behind a value or an opening: closes containers up to one that goes on. */
static pen_status read_ends(struct json_reader *r, struct open *open, struct pen_err *err)
{
    while (open->depth > 0) {
        struct json_node *top = open->nodes[open->depth - 1];
        skip_blanks(r);
        const uint8_t c = peek(r);
        if (c == (top->kind == PEN_OBJECT ? '}' : ']')) {
            r->at++;
            top->raw = pen_slice_sub(top->raw, 0, (size_t)(r->text.ptr + r->at - top->raw.ptr));
            open->depth--;
            continue;
        }
        if (top->count == 0) {
            return PEN_OK; /* the first child comes */
        }
        if (c != ',') {
            return TREE_FAIL(r, r->at, "a comma or the end of the %s is wanted",
                             top->kind == PEN_OBJECT ? "object" : "array");
        }
        r->at++;
        return PEN_OK;
    }
    return PEN_OK;
}

/* A value with its name, and the ends behind it. */
static pen_status read_child(struct json_reader *r, struct open *open, struct pen_err *err)
{
    struct json_node *key = NULL;
    const struct json_node *top = open->depth == 0 ? NULL : open->nodes[open->depth - 1];
    const bool is_member = top != NULL && top->kind == PEN_OBJECT;
    PEN_TRY(is_member ? read_key(r, top, &key, err) : PEN_OK);
    PEN_TRY(read_value(r, open, key, err));
    return read_ends(r, open, err);
}

/* Offset of the first byte that is no UTF-8. */
static size_t bad_byte(pen_slice text)
{
    const pen_slice replacement = PEN_SLICE_LIT("\xef\xbf\xbd");
    pen_slice rest = text;
    while (rest.len > 0) {
        const pen_slice before = rest;
        if (pen_utf8_next(&rest) == 0xfffd && !pen_slice_starts(before, replacement)) {
            return text.len - before.len;
        }
    }
    return text.len;
}

pen_status json_tree_next(struct json_reader *reader, struct json_node **out, struct pen_err *err)
{
    struct open open = {.depth = 0};
    *out = NULL;
    if (reader->at == 0 && !pen_utf8_valid(reader->text)) {
        return TREE_FAIL(reader, bad_byte(reader->text), "this is no UTF-8");
    }
    skip_blanks(reader);
    if (reader->at == reader->text.len) {
        return PEN_OK;
    }
    pen_status st = read_child(reader, &open, err);
    while (st == PEN_OK && open.depth > 0) {
        st = read_child(reader, &open, err);
    }
    *out = st == PEN_OK ? open.root : NULL;
    return st;
}

/* Two \u escapes that are one code point. */
static bool is_pair(pen_slice text)
{
    static const char lead[] = "89abAB";
    static const char trail[] = "cdefCDEF";
    return escape_bytes(text) == 6 && escape_bytes(pen_slice_sub(text, 6, 12)) == 6 &&
           (text.ptr[2] | 0x20U) == 'd' && strchr(lead, text.ptr[3]) != NULL &&
           (text.ptr[8] | 0x20U) == 'd' && strchr(trail, text.ptr[9]) != NULL;
}

uint32_t json_text_column(const struct json_node *node, size_t offset)
{
    uint8_t unescaped[16];
    uint32_t column = node->column + 1; /* behind the quote */
    size_t at = 0;
    size_t written = 0;
    while (at < node->raw.len && written < offset) {
        pen_slice rest = pen_slice_sub(node->raw, at, node->raw.len);
        size_t bytes = is_pair(rest) ? 12 : escape_bytes(rest);
        if (rest.ptr[0] == '\\') {
            column += (uint32_t)bytes;
            written += pen_json_unescape(pen_slice_sub(rest, 0, bytes), unescaped);
        } else {
            bytes = rest.len;
            (void)pen_utf8_next(&rest);
            bytes -= rest.len;
            column++;
            written += bytes;
        }
        at += bytes;
    }
    return column;
}
