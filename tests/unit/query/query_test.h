/*
 * query_test.h - names to ids, and trees back to the text of a query.
 *
 * The text that print_tree makes is fully parenthesised, so it tells the shape of the tree; and it
 * parses to the same tree.
 */
#ifndef PEN_QUERY_TEST_H
#define PEN_QUERY_TEST_H

#include "penstock/query.h"

#include "test.h"

#define NAMES_MAX 64U

struct names {
    pen_slice items[NAMES_MAX];
    uint32_t count;
    struct pen_arena *arena;
};

/* A pen_field_fn: every name is a field. */
static inline pen_status name_id(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    struct names *names = ctx;
    for (uint32_t i = 0; i < names->count; i++) {
        if (pen_slice_eq(names->items[i], name)) {
            *field = i;
            return PEN_OK;
        }
    }
    if (names->count == NAMES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many names");
    }
    names->items[names->count] = pen_arena_dup(names->arena, name);
    *field = names->count++;
    return PEN_OK;
}

static inline void put(struct pen_buf *out, const char *text)
{
    assert_int_equal(pen_buf_add(out, pen_slice_str(text)), PEN_OK);
}

static inline void put_escaped(struct pen_buf *out, pen_slice text, bool is_name)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        const bool is_plain = (c >= '0' && c <= '9') ||
                              ((c | 0x20U) >= 'a' && (c | 0x20U) <= 'z') || c >= 0x80 || c == '.' ||
                              c == '_' || (c == '@' && is_name) || c == '/';
        if (!is_plain) {
            put(out, "\\");
        }
        assert_int_equal(pen_buf_add_byte(out, c), PEN_OK);
    }
}

static inline void put_pieces(struct pen_buf *out, const struct pen_pred *pred)
{
    const bool is_text = pred->piece_count == 1 && pred->pieces[0].kind == PEN_PIECE_TEXT;
    if (pred->piece_count == 0 || is_text) {
        const pen_slice text = is_text ? pred->pieces[0].text : (pen_slice){0};
        put(out, "\"");
        for (size_t i = 0; i < text.len; i++) {
            put(out, text.ptr[i] == '"' || text.ptr[i] == '\\' ? "\\" : "");
            assert_int_equal(pen_buf_add_byte(out, text.ptr[i]), PEN_OK);
        }
        put(out, "\"");
        return;
    }
    for (uint32_t i = 0; i < pred->piece_count; i++) {
        const struct pen_piece *piece = &pred->pieces[i];
        assert_true(piece->kind != PEN_PIECE_DASH);
        assert_true(piece->kind != PEN_PIECE_RUN || i == 0 ||
                    pred->pieces[i - 1].kind != PEN_PIECE_RUN);
        if (piece->kind == PEN_PIECE_TEXT) {
            assert_true(piece->text.len > 0);
            put_escaped(out, piece->text, false);
        } else {
            put(out, piece->kind == PEN_PIECE_RUN ? "*" : "?");
        }
    }
}

static inline void put_network(struct pen_buf *out, const struct pen_pred *pred)
{
    const uint8_t *a = pred->addr;
    if (pred->addr_bits == 32) {
        assert_int_equal(pen_buf_printf(out, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]), PEN_OK);
    } else {
        for (uint32_t i = 0; i < 16; i += 2) {
            assert_int_equal(
                pen_buf_printf(out, i == 0 ? "%x" : ":%x", (uint32_t)a[i] << 8 | a[i + 1]), PEN_OK);
        }
    }
    assert_int_equal(pen_buf_printf(out, "/%u)", pred->prefix), PEN_OK);
}

static inline void put_pred(struct pen_buf *out, const struct names *names,
                            const struct pen_pred *pred)
{
    static const char *const compares[] = {"=", "<", "<=", ">", ">="};
    const bool is_words = pred->op == PEN_OP_WORDS;
    assert_true(pred->field < names->count || (is_words && pred->field == PEN_FIELD_ANY));
    put(out, pred->op == PEN_OP_CIDR ? "CIDR(" : "");
    if (!is_words) {
        put_escaped(out, names->items[pred->field], true);
        put(out, pred->op == PEN_OP_CIDR ? ", " : ":");
    }
    switch (pred->op) {
    case PEN_OP_WORDS:
    case PEN_OP_PATTERN:
        assert_true(is_words || pred->scalars_only);
        put_pieces(out, pred);
        break;
    case PEN_OP_NUMBER:
        put(out, compares[pred->cmp]);
        assert_int_equal(pen_buf_add(out, pred->text), PEN_OK);
        break;
    case PEN_OP_CIDR:
        put_network(out, pred);
        break;
    case PEN_OP_EXISTS:
        put(out, "*");
        break;
    case PEN_OP_REGEX:
    case PEN_OP_NULL:
    case PEN_OP_SET:
    case PEN_OP_FIELDREF:
    case PEN_OP_TIMEPART:
    default:
        fail_msg("a query made a predicate of kind %d", (int)pred->op);
    }
}

/* Appends the tree: NOT as -x (twice as -(-x)), AND as (x y), OR as (x OR y). */
static inline void print_tree(struct pen_buf *out, const struct names *names,
                              const struct pen_expr *expr)
{
    struct {
        const struct pen_expr *node;
        uint32_t next;
    } stack[PEN_EXPR_DEPTH_MAX] = {{.node = expr}};
    uint32_t depth = 1;
    while (depth > 0) {
        const struct pen_expr *node = stack[depth - 1].node;
        const uint32_t next = stack[depth - 1].next++;
        const bool is_not = node->kind == PEN_EXPR_NOT;
        const bool is_double = is_not && node->kids[0]->kind == PEN_EXPR_NOT;
        assert_true(node->kind == PEN_EXPR_TRUE || node->source.len > 0);
        if (node->kind == PEN_EXPR_PRED) {
            put_pred(out, names, node->pred);
        } else if (node->kind == PEN_EXPR_TRUE) {
            put(out, "*");
        } else if (next < node->kid_count) {
            const char *before = next == 0 ? "(" : node->kind == PEN_EXPR_OR ? " OR " : " ";
            put(out, is_not ? "-" : before);
            put(out, is_double ? "(" : "");
            assert_true(depth < PEN_EXPR_DEPTH_MAX);
            stack[depth].node = node->kids[next];
            stack[depth++].next = 0;
            continue;
        } else {
            put(out, !is_not || is_double ? ")" : "");
        }
        depth--;
    }
}

#endif
