#include "pytext.h"

#include "penstock/normalize.h"

/* What str.isprintable refuses, as far as log text goes: controls, blanks but the space, soft
 * hyphen, format and line separators, surrogates and private use, byte order mark. */
static bool is_printable(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } refused[] = {{0, 0x1f},        {0x7f, 0xa0},     {0xad, 0xad},       {0x61c, 0x61c},
                   {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f},   {0x2028, 0x202f},
                   {0x205f, 0x206f}, {0x3000, 0x3000}, {0xd800, 0xf8ff},   {0xfeff, 0xfeff},
                   {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < PEN_COUNT(refused); i++) {
        if (c >= refused[i].from && c <= refused[i].to) {
            return false;
        }
    }
    return true;
}

static pen_status add_code_point(struct pen_buf *out, uint32_t c, uint8_t quote)
{
    uint8_t bytes[4];
    if (c == quote || c == '\\') {
        PEN_TRY(pen_buf_add_byte(out, '\\'));
        return pen_buf_add_byte(out, (uint8_t)c);
    }
    if (c == '\n' || c == '\r' || c == '\t') {
        PEN_TRY(pen_buf_add_byte(out, '\\'));
        return pen_buf_add_byte(out, c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    }
    if (!is_printable(c)) {
        if (c <= 0xff) {
            return pen_buf_printf(out, "\\x%02x", c);
        }
        return c <= 0xffff ? pen_buf_printf(out, "\\u%04x", c) : pen_buf_printf(out, "\\U%08x", c);
    }
    const size_t n = pen_utf8_put(c, bytes);
    return pen_buf_add(out, (pen_slice){bytes, n});
}

static pen_status add_string(struct pen_buf *out, pen_slice text, bool is_escaped,
                             struct pen_buf *plain)
{
    if (is_escaped) {
        plain->len = 0;
        PEN_TRY(pen_buf_reserve(plain, text.len));
        plain->len = pen_json_unescape(text, plain->ptr);
        text = pen_buf_slice(plain);
    }
    const bool has_single = pen_slice_find(text, PEN_SLICE_LIT("'")) != SIZE_MAX;
    const bool has_double = pen_slice_find(text, PEN_SLICE_LIT("\"")) != SIZE_MAX;
    const uint8_t quote = has_single && !has_double ? '"' : '\'';
    PEN_TRY(pen_buf_add_byte(out, quote));
    while (text.len > 0) {
        PEN_TRY(add_code_point(out, pen_utf8_next(&text), quote));
    }
    return pen_buf_add_byte(out, quote);
}

static pen_status add_scalar(struct pen_buf *out, const struct nrm_node *node,
                             struct pen_buf *plain)
{
    switch ((enum pen_kind)node->kind) {
    case PEN_STRING:
        return add_string(out, node->text, node->is_escaped, plain);
    case PEN_BOOL:
        return pen_buf_add(out,
                           node->text.len == 4 ? PEN_SLICE_LIT("True") : PEN_SLICE_LIT("False"));
    case PEN_NULL:
        return pen_buf_add(out, PEN_SLICE_LIT("None"));
    case PEN_NUMBER:
    case PEN_OBJECT:
    case PEN_ARRAY:
    default:
        return pen_buf_add(out, node->text);
    }
}

static pen_status add_key(struct pen_buf *out, const struct nrm_node *node, struct pen_buf *plain)
{
    PEN_TRY(add_string(out, node->key, node->key_escaped, plain));
    return pen_buf_add(out, PEN_SLICE_LIT(": "));
}

static bool is_container(const struct nrm_node *node)
{
    return node->kind == PEN_OBJECT || node->kind == PEN_ARRAY;
}

static pen_status enter(struct pen_buf *out, const struct nrm_node *node, struct pen_buf *plain)
{
    return is_container(node) ? pen_buf_add_byte(out, node->kind == PEN_OBJECT ? '{' : '[')
                              : add_scalar(out, node, plain);
}

pen_status nrm_pytext(const struct nrm_tree *tree, uint32_t root, struct pen_buf *plain,
                      struct pen_buf *out)
{
    bool leaving = false;
    bool is_first = true; /* nothing stands before this node in its container */
    pen_status status = PEN_OK;
    uint32_t at = root;
    while (at != NRM_TREE_NONE && status == PEN_OK) {
        const struct nrm_node *node = &tree->nodes[at];
        if (leaving) {
            status = pen_buf_add_byte(out, node->kind == PEN_OBJECT ? '}' : ']');
            is_first = false;
        } else {
            status = is_first ? PEN_OK : pen_buf_add(out, PEN_SLICE_LIT(", "));
            if (status == PEN_OK && at != root && node->key.ptr != NULL) {
                status = add_key(out, node, plain);
            }
            status = status == PEN_OK ? enter(out, node, plain) : status;
            is_first = is_container(node);
        }
        at = nrm_tree_step(tree, root, at, &leaving);
    }
    return status;
}
