/* tested by tests/e2e/test_hunt.py */
#include "penstock/query.h"

#include "hunt_text.h"

#include <arpa/inet.h>

/*
 * A query in log search syntax as Sigma's detection: the parsed tree, each predicate a selection of
 * its own, the rest their condition.  Fields keep their names, without the @.
 */
#define NAMES_MAX 1024U
#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define STEPS_MAX (2U * PEN_EXPR_DEPTH_MAX)

struct names { /* a field's id is its place */
    pen_slice items[NAMES_MAX];
    uint32_t count;
};
struct sigma {
    struct names names;
    struct pen_buf selections, condition;
    uint32_t selection_count;
};

static bool is_field(pen_slice name)
{
    static const char *const plain[] = {"account", "region", "aws_account", "message"};
    bool is_known = name.len > 1 && name.ptr[0] == '@';
    for (size_t i = 0; i < PEN_COUNT(plain); i++) {
        is_known |= pen_slice_eq(name, pen_slice_str(plain[i]));
    }
    return is_known;
}

static pen_status name_take(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    struct names *names = ctx;
    if (!is_field(name)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "`%.*s` is a tag, which a Sigma rule cannot ask for: --to-rule threshold "
                        "makes a rule in Datadog's form",
                        PEN_SLICE_FMT(name));
    }
    if (names->count == NAMES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u fields", NAMES_MAX);
    }
    *field = names->count;
    names->items[names->count++] = pen_slice_sub(name, name.ptr[0] == '@' ? 1 : 0, name.len);
    return PEN_OK;
}

/* ---- one predicate ---- */

static bool is_special(uint8_t c)
{
    return c == '*' || c == '?' || c == '\\';
}

/* With Sigma's wildcards; what looks like one in the text is escaped. */
static pen_status pieces_text(const struct pen_pred *pred, struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < pred->piece_count; i++) {
        const struct pen_piece *piece = &pred->pieces[i];
        if (piece->kind != PEN_PIECE_TEXT) {
            st = pen_buf_add_byte(out, piece->kind == PEN_PIECE_RUN ? '*' : '?');
            continue;
        }
        for (size_t k = 0; st == PEN_OK && k < piece->text.len; k++) {
            const uint8_t c = piece->text.ptr[k];
            st = is_special(c) ? pen_buf_add_byte(out, '\\') : PEN_OK;
            st = st == PEN_OK ? pen_buf_add_byte(out, c) : st;
        }
    }
    return st;
}

static pen_status pattern_write(const struct pen_pred *pred, struct pen_buf *out)
{
    struct pen_buf text;
    pen_buf_init(&text, PEN_QUERY_BYTES_MAX * 2);
    pen_status st = pieces_text(pred, &text);
    st = st == PEN_OK ? hunt_yaml_text(pen_buf_slice(&text), out) : st;
    pen_buf_fini(&text);
    return st;
}

static pen_status network_write(const struct pen_pred *pred, struct pen_buf *out)
{
    char text[INET6_ADDRSTRLEN];
    const char *address =
        inet_ntop(pred->addr_bits == 32 ? AF_INET : AF_INET6, pred->addr, text, sizeof(text));
    PEN_CHECK(address != NULL);
    return pen_buf_printf(out, "\"%s/%u\"", address, pred->prefix);
}

static const char *modifier_of(const struct pen_pred *pred)
{
    static const char *const orders[] = {"", "|lt", "|lte", "|gt", "|gte"};
    if (pred->op == PEN_OP_PATTERN) {
        return pred->is_cased ? "|cased" : "";
    }
    if (pred->op == PEN_OP_WORDS) { /* of `message` */
        return "|contains";
    }
    if (pred->op == PEN_OP_NUMBER) {
        return orders[pred->cmp];
    }
    return pred->op == PEN_OP_CIDR ? "|cidr" : "|exists";
}

static pen_status value_write(const struct pen_pred *pred, struct pen_buf *out)
{
    if (pred->op == PEN_OP_NUMBER) {
        return pen_buf_add(out, pred->text);
    }
    if (pred->op == PEN_OP_CIDR) {
        return network_write(pred, out);
    }
    return pred->op == PEN_OP_EXISTS ? pen_buf_printf(out, "true") : pattern_write(pred, out);
}

static pen_status name_write(const struct sigma *s, const struct pen_pred *pred,
                             struct pen_buf *out)
{
    struct pen_buf name;
    pen_buf_init(&name, PEN_QUERY_BYTES_MAX * 2);
    pen_status st = pen_buf_add(&name, s->names.items[pred->field]);
    st = st == PEN_OK ? pen_buf_printf(&name, "%s", modifier_of(pred)) : st;
    st = st == PEN_OK ? hunt_yaml_text(pen_buf_slice(&name), out) : st;
    pen_buf_fini(&name);
    return st == PEN_OK ? pen_buf_printf(out, ": ") : st;
}

/* A selection with this predicate alone; a word of no field is a keyword. */
static pen_status selection_write(struct sigma *s, const struct pen_pred *pred)
{
    struct pen_buf *out = &s->selections;
    PEN_TRY(pen_buf_printf(out, "  found_%u:\n    ", ++s->selection_count));
    PEN_TRY(pred->field == PEN_FIELD_ANY ? pen_buf_printf(out, "- ") : name_write(s, pred, out));
    PEN_TRY(value_write(pred, out));
    return pen_buf_add_byte(out, '\n');
}

/* ---- the condition ---- */

struct step { /* of the walk: a node and which of its kids comes next */
    const struct pen_expr *expr;
    uint32_t next;
};

static pen_status leaf_write(struct sigma *s, const struct pen_expr *expr, struct pen_err *err)
{
    if (expr->kind != PEN_EXPR_PRED) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "a Sigma rule wants something to look for: this query is true of every "
                        "record, or of none");
    }
    PEN_TRY(selection_write(s, expr->pred));
    return pen_buf_printf(&s->condition, "found_%u", s->selection_count);
}

static bool is_leaf(const struct pen_expr *expr)
{
    return expr->kid_count == 0;
}

/* Of NOT only around another one: other nodes have their own. */
static bool has_brackets(const struct pen_expr *expr)
{
    return expr->kind != PEN_EXPR_NOT || expr->kids[0]->kind == PEN_EXPR_NOT;
}

/* What stands before the next kid of a node. */
static const char *before_kid(const struct step *step)
{
    if (step->expr->kind == PEN_EXPR_NOT) {
        return has_brackets(step->expr) ? "not (" : "not ";
    }
    if (step->next == 0) {
        return "(";
    }
    return step->expr->kind == PEN_EXPR_AND ? " and " : " or ";
}

struct walk {
    struct step steps[STEPS_MAX];
    uint32_t depth;
};

static pen_status node_open(struct sigma *s, struct walk *w, const struct pen_expr *expr,
                            struct pen_err *err)
{
    if (is_leaf(expr)) {
        return leaf_write(s, expr, err);
    }
    PEN_CHECK(w->depth < STEPS_MAX); /* a query is less deep */
    w->steps[w->depth++] = (struct step){.expr = expr};
    return PEN_OK;
}

static pen_status node_turn(struct sigma *s, struct walk *w, struct pen_err *err)
{
    struct step *top = &w->steps[w->depth - 1];
    if (top->next == top->expr->kid_count) {
        w->depth--;
        return has_brackets(top->expr) ? pen_buf_add_byte(&s->condition, ')') : PEN_OK;
    }
    PEN_TRY(pen_buf_printf(&s->condition, "%s", before_kid(top)));
    return node_open(s, w, top->expr->kids[top->next++], err);
}

static pen_status tree_write(struct sigma *s, const struct pen_expr *root, struct pen_err *err)
{
    struct walk w = {.depth = 0};
    pen_status st = node_open(s, &w, root, err);
    while (st == PEN_OK && w.depth > 0) {
        st = node_turn(s, &w, err);
    }
    return st;
}

pen_status hunt_sigma_write(pen_slice query, struct pen_buf *out, struct pen_err *err)
{
    static const size_t max = (size_t)4 << 20;
    struct sigma s = {.selection_count = 0};
    struct pen_arena arena;
    struct pen_expr *expr = NULL;
    pen_arena_init(&arena, ARENA_BYTES_MAX);
    pen_buf_init(&s.selections, max);
    pen_buf_init(&s.condition, max);
    const struct pen_query_options options = {.field = name_take, .field_ctx = &s.names};
    pen_status st = pen_query_parse(&arena, query, &options, &expr, err);
    st = st == PEN_OK ? tree_write(&s, expr, err) : st;
    st = st == PEN_OK ? pen_buf_printf(out, "detection:\n") : st;
    st = st == PEN_OK ? pen_buf_add(out, pen_buf_slice(&s.selections)) : st;
    st = st == PEN_OK ? pen_buf_add(out, PEN_SLICE_LIT("  condition: ")) : st;
    st = st == PEN_OK ? pen_buf_add(out, pen_buf_slice(&s.condition)) : st;
    st = st == PEN_OK ? pen_buf_add_byte(out, '\n') : st;
    pen_buf_fini(&s.selections);
    pen_buf_fini(&s.condition);
    pen_arena_fini(&arena);
    return st;
}

static pen_status any_name(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)name;
    (void)err;
    *field = 0;
    return PEN_OK;
}

pen_status hunt_query_check(pen_slice query, struct pen_err *err)
{
    struct pen_arena arena;
    struct pen_expr *expr = NULL;
    const struct pen_query_options options = {.field = any_name, .as_rule = true};
    pen_arena_init(&arena, ARENA_BYTES_MAX);
    const pen_status st = pen_query_parse(&arena, query, &options, &expr, err);
    pen_arena_fini(&arena);
    return st;
}
