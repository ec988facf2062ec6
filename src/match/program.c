#include "penstock/match.h"

#include "engine.h"

/* tested by tests/unit/match/test_compile.c */

/* A node whose kids are emitted from the last to the first: the entry of what comes behind is known
 * then. */
struct frame {
    const struct pen_expr *node;
    uint32_t kids_left;
    uint32_t if_true, if_false;
};

static pen_status emit_leaf(struct pen_buf *code, const struct match_intern *intern,
                            const struct frame *frame, uint32_t *entry)
{
    const struct instruction made = {
        .pred = pen_match_intern_find(intern, frame->node->pred),
        .if_true = frame->if_true,
        .if_false = frame->if_false,
    };
    if (made.pred == UINT32_MAX) {
        return PEN_E_NOMEM;
    }
    *entry = pen_u32(code->len / sizeof(made));
    return pen_buf_add(code, (pen_slice){(const uint8_t *)&made, sizeof(made)});
}

/* Where kid goes when the parent has behind as the entry of its later kids. */
static struct frame kid_frame(const struct frame *parent, uint32_t behind)
{
    const struct pen_expr *kid = parent->node->kids[parent->kids_left - 1];
    struct frame made = {.node = kid,
                         .kids_left = kid->kid_count,
                         .if_true = parent->if_true,
                         .if_false = parent->if_false};
    const bool is_last = parent->kids_left == parent->node->kid_count;
    if (parent->node->kind == PEN_EXPR_NOT) {
        made.if_true = parent->if_false;
        made.if_false = parent->if_true;
    } else if (!is_last && parent->node->kind == PEN_EXPR_AND) {
        made.if_true = behind;
    } else if (!is_last) {
        made.if_false = behind;
    }
    return made;
}

/* Emits a node whose kids are emitted; entry, that of its first kid, becomes its own. */
static pen_status emit_node(struct pen_buf *code, const struct match_intern *intern,
                            const struct frame *frame, uint32_t *entry)
{
    switch (frame->node->kind) {
    case PEN_EXPR_PRED:
        return emit_leaf(code, intern, frame, entry);
    case PEN_EXPR_TRUE:
        *entry = frame->if_true;
        return PEN_OK;
    case PEN_EXPR_FALSE:
        *entry = frame->if_false;
        return PEN_OK;
    case PEN_EXPR_AND:
    case PEN_EXPR_OR:
    case PEN_EXPR_NOT:
        break;
    }
    return PEN_OK;
}

pen_status pen_match_program(struct pen_buf *code, const struct match_intern *intern,
                             const struct pen_expr *expr, uint32_t *entry)
{
    struct frame stack[PEN_EXPR_DEPTH_MAX];
    stack[0] = (struct frame){expr, expr->kid_count, GO_TRUE, GO_FALSE};
    uint32_t depth = 1;
    uint32_t last = GO_FALSE;
    while (depth > 0) {
        struct frame *top = &stack[depth - 1];
        if (top->kids_left > 0) {
            PEN_CHECK(depth < PEN_EXPR_DEPTH_MAX);
            stack[depth++] = kid_frame(top, last);
            top->kids_left--;
            continue;
        }
        PEN_TRY(emit_node(code, intern, top, &last));
        depth--;
    }
    *entry = last;
    return PEN_OK;
}

#define NO_SET UINT64_MAX

/* Sets of kids lie behind each other in the buffer; best is what an AND has kept so far. */
struct choice {
    const struct pen_expr *node;
    uint32_t next_kid;
    size_t start, best_len;
    uint64_t cost;
};

static struct choice open_choice(const struct pen_expr *node, size_t start)
{
    return (struct choice){
        .node = node, .start = start, .cost = node->kind == PEN_EXPR_AND ? NO_SET : 0};
}

/* Takes the set of a kid, which lies at the end of the buffer, into its parent. */
static void take_kid(struct choice *parent, struct pen_buf *set, const struct choice *kid)
{
    if (parent->node->kind == PEN_EXPR_NOT) {
        parent->cost = NO_SET;
        set->len = parent->start;
    } else if (parent->node->kind == PEN_EXPR_OR) {
        const bool has_none = parent->cost == NO_SET || kid->cost == NO_SET;
        parent->cost = has_none ? NO_SET : parent->cost + kid->cost;
    } else if (kid->cost < parent->cost) {
        const size_t len = set->len - kid->start;
        memmove(set->ptr + parent->start, set->ptr + kid->start, len);
        parent->cost = kid->cost;
        parent->best_len = len;
        set->len = parent->start + len;
    } else {
        set->len = parent->start + parent->best_len;
    }
}

static pen_status close_choice(const struct match_intern *intern, const uint32_t *cost,
                               struct choice *top, struct pen_buf *set)
{
    if (top->node->kind == PEN_EXPR_TRUE) {
        top->cost = NO_SET;
    }
    if (top->node->kind != PEN_EXPR_PRED) {
        return PEN_OK;
    }
    const uint32_t id = pen_match_intern_find(intern, top->node->pred);
    if (id == UINT32_MAX) {
        return PEN_E_NOMEM;
    }
    top->cost = cost[id] == UINT32_MAX ? NO_SET : cost[id];
    return pen_buf_add(set, (pen_slice){(const uint8_t *)&id, sizeof(id)});
}

pen_status pen_match_required(const struct match_intern *intern, const uint32_t *cost,
                              const struct pen_expr *expr, struct pen_buf *set, bool *has_set)
{
    struct choice stack[PEN_EXPR_DEPTH_MAX];
    set->len = 0;
    PEN_TRY(pen_buf_reserve(set, sizeof(uint32_t)));
    stack[0] = open_choice(expr, 0);
    uint32_t depth = 1;
    while (depth > 0) {
        struct choice *top = &stack[depth - 1];
        if (top->next_kid < top->node->kid_count) {
            PEN_CHECK(depth < PEN_EXPR_DEPTH_MAX);
            stack[depth++] = open_choice(top->node->kids[top->next_kid++], set->len);
            continue;
        }
        PEN_TRY(close_choice(intern, cost, top, set));
        depth--;
        if (depth > 0) {
            take_kid(&stack[depth - 1], set, top);
        } else {
            *has_set = top->cost != NO_SET;
        }
    }
    return PEN_OK;
}
