/* tested by tests/e2e/test_stateful.py */
#include "sigma_correlation.h"

static struct pen_condition_step compare(uint32_t query, enum pen_condition_op op, uint64_t number)
{
    return (struct pen_condition_step){
        .op = op,
        .left = {.query = query, .factor = 1},
        .right = {.query = PEN_CONDITION_NO_QUERY, .factor = number}};
}

/* The only operator and its number. */
static pen_status read_bound(struct correlation *r, const struct pen_yaml *node,
                             enum pen_condition_op *op, uint64_t *number)
{
    *op = PEN_CONDITION_GE;
    uint32_t bounds = 0;
    if (node->kind != PEN_YAML_MAP) {
        return sigma_fail(r->b, node, "`condition` is a map: conditions as texts are not built");
    }
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        const pen_slice key = kid->key->text;
        if (pen_slice_eq(key, PEN_SLICE_LIT("field"))) {
            r->field = kid->text;
            continue;
        }
        const bool is_gt = pen_slice_eq(key, PEN_SLICE_LIT("gt"));
        if (!is_gt && !pen_slice_eq(key, PEN_SLICE_LIT("gte"))) {
            return sigma_fail(r->b, kid->key,
                              "`%.*s`: gt and gte are built; what is known only when a window is "
                              "over (lt, lte, eq, neq) is not",
                              PEN_SLICE_FMT(key));
        }
        if (kid->kind != PEN_YAML_SCALAR || !pen_parse_u64(kid->text, number)) {
            return sigma_fail(r->b, kid, "a whole number is wanted here");
        }
        *op = is_gt ? PEN_CONDITION_GT : PEN_CONDITION_GE;
        bounds++;
    }
    return bounds == 1 ? PEN_OK : sigma_fail(r->b, node, "`condition` wants one of gt and gte");
}

/* All rules, or any of them. */
static pen_status temporal_steps(struct correlation *r, const struct pen_yaml *node,
                                 struct pen_condition_step *steps, uint32_t *count)
{
    enum pen_condition_op op = PEN_CONDITION_GE;
    uint64_t number = r->ref_count;
    PEN_TRY(node == NULL ? PEN_OK : read_bound(r, node, &op, &number));
    number += op == PEN_CONDITION_GT;
    if (number != r->ref_count && number > 1) {
        return sigma_fail(r->b, node, "all rules or any one: some of them are not built");
    }
    for (uint32_t i = 0; i < r->ref_count; i++) {
        steps[(*count)++] = compare(i, PEN_CONDITION_GE, 1);
        if (i > 0) {
            steps[(*count)++].op = number > 1 ? PEN_CONDITION_AND : PEN_CONDITION_OR;
        }
    }
    r->out->state.is_ordered = r->kind == KIND_ORDERED && number > 1;
    return PEN_OK;
}

static pen_status count_steps(struct correlation *r, const struct pen_yaml *node,
                              struct pen_condition_step *steps, uint32_t *count)
{
    enum pen_condition_op op = PEN_CONDITION_GE;
    uint64_t number = 0;
    if (node == NULL) {
        return sigma_fail(r->b, r->map, "`condition` is missing");
    }
    PEN_TRY(read_bound(r, node, &op, &number));
    steps[(*count)++] = compare(0, op, number); /* of several queries: see correlation_case */
    return PEN_OK;
}

pen_status correlation_condition(struct correlation *r, struct pen_condition_step *steps,
                                 uint32_t *count)
{
    const struct pen_yaml *node = pen_yaml_get(r->map, "condition");
    r->field = pen_yaml_text(r->map, "field");
    const bool is_temporal = correlation_is_temporal(r);
    PEN_TRY(is_temporal ? temporal_steps(r, node, steps, count)
                        : count_steps(r, node, steps, count));
    const bool wants_field = r->kind == KIND_VALUE_COUNT || r->kind == KIND_VALUE_SUM;
    if (wants_field && r->field.len == 0) {
        return sigma_fail(r->b, node, "`field` is missing: what is counted?");
    }
    r->field = wants_field ? r->field : (pen_slice){0};
    return PEN_OK;
}

void correlation_case(struct correlation *r, struct pen_condition_step *steps, uint32_t count,
                      enum pen_severity severity)
{
    struct pen_rule_case *rule_case = correlation_take(r, 1, sizeof(*rule_case));
    struct pen_state_case *state_case = correlation_take(r, 1, sizeof(*state_case));
    if (r->kind == KIND_EVENT_COUNT && r->out->query_count > 1) {
        steps[0].left.query = r->out->query_count; /* the events of all */
    }
    rule_case->severity = severity;
    state_case->severity = (uint32_t)severity;
    state_case->condition = (struct pen_condition){.steps = steps, .count = count};
    r->out->cases = rule_case;
    r->out->case_count = 1;
    r->out->state.cases = state_case;
    r->out->state.case_count = 1;
}
