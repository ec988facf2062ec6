/* tested by tests/unit/detect/test_datadog.c */
#include "datadog.h"

bool datadog_severity(pen_slice name, enum pen_severity *out)
{
    for (int i = PEN_INFO; i <= PEN_CRITICAL; i++) {
        if (pen_slice_eq(name, pen_slice_str(pen_severity_name((enum pen_severity)i)))) {
            *out = (enum pen_severity)i;
            return true;
        }
    }
    return false;
}

const pen_slice *datadog_aliases(const struct datadog *d, const struct pen_datadog *from)
{
    pen_slice *names = PEN_NEW_N(d->arena, pen_slice, from->query_count + 1);
    PEN_CHECK(names != NULL);
    for (uint32_t i = 0; i < from->query_count; i++) {
        names[i] = from->queries[i].name;
    }
    return names;
}

/* How many queries the state counts. */
static uint32_t counted(const struct pen_datadog *from)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < from->query_count; i++) {
        count = from->queries[i].counted_as + 1 > count ? from->queries[i].counted_as + 1 : count;
    }
    return count;
}

static void read_condition(struct datadog *d, const struct json_node *at,
                           const struct pen_datadog *from, uint32_t index, const pen_slice *names,
                           struct pen_condition *out)
{
    struct pen_err err = {0};
    const pen_slice text = from->cases[index].condition;
    if (pen_slice_trim(text).len == 0) {
        return; /* always true */
    }
    const pen_status st = pen_condition_parse(d->arena, text, names, counted(from), out, &err);
    if (st != PEN_OK) {
        datadog_error_in(d, at, err.offset > text.len ? 0 : (size_t)err.offset, err.text);
    } else if (out->then_count > 0 && from->case_count > 1) {
        datadog_error(d, at, "`THEN` stands in a rule with one case only");
    }
}

void datadog_cases_state(struct datadog *d, struct pen_datadog *out,
                         const struct json_node *const *at)
{
    struct pen_state_case *cases = PEN_NEW_N(d->arena, struct pen_state_case, out->case_count + 1);
    enum pen_aggregation *aggregations =
        PEN_NEW_N(d->arena, enum pen_aggregation, out->query_count + 1);
    const pen_slice *names = datadog_aliases(d, out);
    PEN_CHECK(cases != NULL && aggregations != NULL);
    for (uint32_t i = 0; i < out->case_count; i++) {
        cases[i].severity = out->cases[i].severity;
        if (out->state.method == PEN_METHOD_SEQUENCE) {
            datadog_sequence_case(d, at[i], out->cases[i].condition, out);
        } else if (out->state.method == PEN_METHOD_ANOMALY) {
            datadog_anomaly_case(d, at[i], out->cases[i].condition, out->queries[0].name,
                                 &cases[i].quantile_ppb);
        } else {
            read_condition(d, at[i], out, i, names, &cases[i].condition);
        }
    }
    for (uint32_t i = 0; i < out->query_count; i++) {
        aggregations[i] = out->queries[i].aggregation;
    }
    out->state.cases = cases;
    out->state.case_count = out->case_count;
    out->state.queries = aggregations;
    out->state.query_count = counted(out);
}

static void check_actions(struct datadog *d, const struct json_node *node)
{
    const struct json_node *actions = datadog_get(node, "actions", PEN_ARRAY);
    if (actions != NULL && actions->count > 0) {
        datadog_warn(d, actions, "`actions` are for application security: none is taken");
    }
}

/* A rule of several queries must say of which one a case speaks; new values and ways need nothing
 * said, nor do sequences. */
static void check_condition(struct datadog *d, const struct json_node *node,
                            const struct pen_datadog *out)
{
    const bool is_by_itself =
        out->state.method == PEN_METHOD_NEW_VALUE || out->state.method == PEN_METHOD_TRAVEL;
    const bool is_needed = out->query_count > 1 && out->state.method == PEN_METHOD_THRESHOLD;
    const struct json_node *condition = datadog_get(node, "condition", PEN_STRING);
    const bool is_empty = condition == NULL || pen_slice_trim(condition->text).len == 0;
    if (is_by_itself && !is_empty) {
        datadog_error(d, condition, "a case of %.*s has no condition: it is true by itself",
                      PEN_SLICE_FMT(datadog_method(d->root)));
    } else if (is_empty && is_needed) {
        datadog_error(d, condition == NULL ? node : condition,
                      "the case needs a condition: the rule has several queries");
    }
}

void datadog_cases(struct datadog *d, struct pen_datadog *out)
{
    const bool has_one =
        out->state.method != PEN_METHOD_THRESHOLD && out->state.method != PEN_METHOD_ANOMALY;
    const struct json_node *list = datadog_get(d->root, "cases", PEN_ARRAY);
    const struct json_node *at[DATADOG_CASES_MAX] = {NULL};
    struct pen_rule_case *cases = PEN_NEW_N(d->arena, struct pen_rule_case, DATADOG_CASES_MAX);
    PEN_CHECK(cases != NULL);
    out->cases = cases;
    if (list == NULL || list->count == 0) {
        datadog_error(d, list == NULL ? d->root : list, "a rule needs a case");
        return;
    }
    for (const struct json_node *kid = list->child;
         kid != NULL && out->case_count < DATADOG_CASES_MAX; kid = kid->next) {
        struct pen_rule_case *one = &cases[out->case_count];
        const struct json_node *condition = datadog_get(kid, "condition", PEN_STRING);
        at[out->case_count++] = condition == NULL ? kid : condition;
        one->name = datadog_text(kid, "name");
        one->condition = condition == NULL ? (pen_slice){0} : condition->text;
        check_condition(d, kid, out);
        check_actions(d, kid);
        if (!datadog_severity(datadog_text(kid, "customStatus"), &one->severity)) {
            (void)datadog_severity(datadog_text(kid, "status"), &one->severity);
        }
    }
    if (has_one && out->case_count > 1) {
        datadog_warn(d, at[1],
                     "the first case of %.*s is always true: no other one is ever reached",
                     PEN_SLICE_FMT(datadog_method(d->root)));
    }
    if (d->errors == 0) {
        datadog_cases_state(d, out, at);
    }
}
