#include "penstock/match.h"

#include "internal.h"

/* tested by tests/unit/match/test_run.c */

struct frame {
    const struct pen_expr *node;
    uint32_t next_kid;
    bool any, all; /* over the kids so far */
};

/* Compiled for this one call: the plain way. */
static bool eval_pred(struct match_scratch *scratch, const struct pen_pred *pred,
                      const struct pen_record *record)
{
    struct match_pred ready = {.pred = *pred};
    if (pred->op == PEN_OP_REGEX && pen_match_regex_compile(pred, &ready.code, NULL) != PEN_OK) {
        return false;
    }
    const bool verdict = pen_match_pred_eval(scratch, &ready, record);
    pcre2_code_free(ready.code);
    return verdict;
}

static bool node_verdict(struct match_scratch *scratch, const struct frame *frame,
                         const struct pen_record *record)
{
    switch (frame->node->kind) {
    case PEN_EXPR_PRED:
        return eval_pred(scratch, frame->node->pred, record);
    case PEN_EXPR_AND:
        return frame->all;
    case PEN_EXPR_OR:
        return frame->any;
    case PEN_EXPR_NOT:
        return !frame->any;
    case PEN_EXPR_TRUE:
        return true;
    case PEN_EXPR_FALSE:
        return false;
    }
    return false;
}

bool pen_expr_eval(const struct pen_expr *expr, const struct pen_record *record,
                   pen_expr_visit_fn *visit, void *ctx)
{
    struct match_scratch scratch;
    if (pen_match_scratch_init(&scratch, 0, NULL) != PEN_OK) {
        return false;
    }
    struct frame stack[PEN_EXPR_DEPTH_MAX];
    stack[0] = (struct frame){.node = expr, .all = true};
    uint32_t depth = 1;
    bool verdict = false;
    while (depth > 0) {
        struct frame *top = &stack[depth - 1];
        if (top->next_kid < top->node->kid_count) {
            PEN_CHECK(depth < PEN_EXPR_DEPTH_MAX);
            stack[depth++] = (struct frame){.node = top->node->kids[top->next_kid++], .all = true};
            continue;
        }
        verdict = node_verdict(&scratch, top, record);
        depth--;
        if (visit != NULL) {
            visit(ctx, top->node, depth, verdict);
        }
        if (depth > 0) {
            stack[depth - 1].any = stack[depth - 1].any || verdict;
            stack[depth - 1].all = stack[depth - 1].all && verdict;
        }
    }
    pen_match_scratch_fini(&scratch);
    return verdict;
}

static pen_status check_pieces(const struct pen_pred *pred, struct pen_err *err)
{
    if (pred->piece_count > PEN_MATCH_PIECES_MAX) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "a pattern has more than %u parts",
                        PEN_MATCH_PIECES_MAX);
    }
    for (uint32_t i = 0; i < pred->piece_count; i++) {
        if (!pen_utf8_valid(pred->pieces[i].text)) {
            return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "a pattern is not UTF-8");
        }
    }
    return PEN_OK;
}

static bool takes_any_field(enum pen_pred_op op)
{
    return op == PEN_OP_PATTERN || op == PEN_OP_WORDS || op == PEN_OP_REGEX;
}

static pen_status check_pred(const struct pen_pred *pred, struct pen_err *err)
{
    if (pred->field == PEN_FIELD_ANY && !takes_any_field(pred->op)) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "this comparison needs a field");
    }
    if (pred->op == PEN_OP_PATTERN || pred->op == PEN_OP_WORDS) {
        return check_pieces(pred, err);
    }
    if (pred->op != PEN_OP_REGEX) {
        return PEN_OK;
    }
    pcre2_code *code = NULL;
    const pen_status status = pen_match_regex_compile(pred, &code, err);
    pcre2_code_free(code);
    return status;
}

static pen_status check_node(const struct pen_expr *node, struct pen_err *err)
{
    switch (node->kind) {
    case PEN_EXPR_PRED:
        return check_pred(node->pred, err);
    case PEN_EXPR_AND:
    case PEN_EXPR_OR:
        PEN_CHECK(node->kid_count > 0);
        return PEN_OK;
    case PEN_EXPR_NOT:
        PEN_CHECK(node->kid_count == 1);
        return PEN_OK;
    case PEN_EXPR_TRUE:
    case PEN_EXPR_FALSE:
        break;
    }
    return PEN_OK;
}

pen_status pen_expr_check(const struct pen_expr *expr, struct pen_err *err)
{
    struct frame stack[PEN_EXPR_DEPTH_MAX];
    stack[0] = (struct frame){.node = expr};
    uint32_t depth = 1;
    uint32_t nodes = 0;
    while (depth > 0) {
        struct frame *top = &stack[depth - 1];
        const bool is_first_visit = top->next_kid == 0;
        PEN_TRY(is_first_visit ? check_node(top->node, err) : PEN_OK);
        nodes += is_first_visit ? 1 : 0;
        if (top->next_kid >= top->node->kid_count) {
            depth--;
            continue;
        }
        if (depth == PEN_EXPR_DEPTH_MAX || nodes > PEN_EXPR_NODES_MAX) {
            return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET,
                            "condition is deeper than %u levels or has more than %u nodes",
                            (unsigned)PEN_EXPR_DEPTH_MAX, PEN_EXPR_NODES_MAX);
        }
        stack[depth++] = (struct frame){.node = top->node->kids[top->next_kid++]};
    }
    return PEN_OK;
}
