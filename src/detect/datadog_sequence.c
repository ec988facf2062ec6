/* tested by tests/unit/detect/test_datadog_methods.c */
#include "datadog.h"

#define TOTAL_MAX_S 86400 /* of all transitions: reference/datadog.md 4.7 */
#define NONE UINT32_MAX

struct chain { /* the steps as they are written, and who follows whom */
    const struct json_node *at[PEN_SEQUENCE_STEPS_MAX];
    pen_slice names[PEN_SEQUENCE_STEPS_MAX];
    uint32_t count;
    uint32_t before[PEN_SEQUENCE_STEPS_MAX], behind[PEN_SEQUENCE_STEPS_MAX];
    int64_t wait_s[PEN_SEQUENCE_STEPS_MAX]; /* from the step before */
    uint32_t order[PEN_SEQUENCE_STEPS_MAX];
};

/* Seconds of a step or a transition: the schema knows which are allowed. */
static int64_t window_s(struct datadog *d, const struct json_node *node)
{
    int64_t value = 0;
    if (!datadog_number(node, "evaluationWindow", &value)) {
        datadog_error(d, node, "`evaluationWindow` is missing");
    }
    return value;
}

static uint32_t step_named(const struct chain *c, pen_slice name)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (pen_slice_eq(c->names[i], name)) {
            return i;
        }
    }
    return NONE;
}

static void read_names(struct datadog *d, const struct json_node *steps, struct chain *c)
{
    for (const struct json_node *kid = steps->child;
         kid != NULL && c->count < PEN_SEQUENCE_STEPS_MAX; kid = kid->next) {
        const pen_slice name = datadog_text(kid, "name");
        if (!datadog_is_alias(name) || name.len > DATADOG_NAME_BYTES_MAX) {
            datadog_error(d, kid,
                          "the name of a step is made of a-z, 0-9 and _ and begins with a letter");
        } else if (step_named(c, name) != NONE) {
            datadog_error(d, kid, "another step has the name '%.*s'", PEN_SLICE_FMT(name));
        }
        c->at[c->count] = kid;
        c->before[c->count] = c->behind[c->count] = NONE;
        c->names[c->count++] = name;
    }
}

/* Whether the two may be joined: steps follow one another in one chain. */
static bool are_free(struct datadog *d, const struct json_node *node, const struct chain *c,
                     uint32_t parent, uint32_t child)
{
    if (c->behind[parent] != NONE) {
        datadog_error(d, node, "steps are one chain: '%.*s' has a child already",
                      PEN_SLICE_FMT(c->names[parent]));
        return false;
    }
    if (c->before[child] != NONE) {
        datadog_error(d, node, "steps are one chain: '%.*s' has a parent already",
                      PEN_SLICE_FMT(c->names[child]));
        return false;
    }
    return true;
}

static void read_transition(struct datadog *d, const struct json_node *node, struct chain *c)
{
    const uint32_t parent = step_named(c, datadog_text(node, "parent"));
    const uint32_t child = step_named(c, datadog_text(node, "child"));
    const int64_t wait = window_s(d, node);
    if (parent == NONE || child == NONE) {
        datadog_error(d, node, "no step has the name '%.*s'",
                      PEN_SLICE_FMT(datadog_text(node, parent == NONE ? "parent" : "child")));
        return;
    }
    if (are_free(d, node, c, parent, child)) {
        c->behind[parent] = child;
        c->before[child] = parent;
        c->wait_s[child] = wait;
    }
}

/* From the one step without a parent on. */
static void put_in_order(struct datadog *d, const struct json_node *at, struct chain *c)
{
    uint32_t first = 0;
    uint32_t put = 0;
    int64_t total_s = 0;
    while (first < c->count && c->before[first] != NONE) {
        first++;
    }
    for (uint32_t i = first < c->count ? first : NONE; i != NONE && put < c->count;
         i = c->behind[i]) {
        total_s += c->wait_s[i];
        c->order[put++] = i;
    }
    if (put < c->count) {
        datadog_error(d, at, "the transitions do not join all %u steps to one chain", c->count);
    } else if (total_s > TOTAL_MAX_S) {
        datadog_error(d, at, "the transitions take %lld s together, more than %d s",
                      (long long)total_s, TOTAL_MAX_S);
    }
}

static bool names_query(const struct pen_condition *condition)
{
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        if (step->op != PEN_CONDITION_AND && step->op != PEN_CONDITION_OR &&
            (step->left.query != PEN_CONDITION_NO_QUERY ||
             step->right.query != PEN_CONDITION_NO_QUERY)) {
            return true;
        }
    }
    return false;
}

static void read_condition(struct datadog *d, const struct json_node *step,
                           const struct pen_datadog *from, struct pen_condition *out)
{
    struct pen_err err = {0};
    const struct json_node *at = datadog_get(step, "condition", PEN_STRING);
    if (at == NULL) {
        return; /* the schema told it */
    }
    const pen_status st = pen_condition_parse(d->arena, at->text, datadog_aliases(d, from),
                                              from->query_count, out, &err);
    if (st != PEN_OK) {
        datadog_error_in(d, at, err.offset > at->text.len ? 0 : (size_t)err.offset, err.text);
    } else if (out->then_count > 0) {
        datadog_error(d, at, "the condition of a step has no `THEN`");
    } else if (!names_query(out)) {
        datadog_error(d, at, "the condition of a step names a query");
    }
}

static void check_groups(struct datadog *d, const struct pen_datadog *from)
{
    for (uint32_t q = 1; q < from->query_count; q++) {
        if (from->queries[q].group_by_count != from->queries[0].group_by_count) {
            datadog_warn(d, datadog_get(d->root, "queries", PEN_ARRAY),
                         "queries %.*s and %.*s group by different numbers of fields: their events "
                         "never meet in a sequence",
                         PEN_SLICE_FMT(from->queries[0].name),
                         PEN_SLICE_FMT(from->queries[q].name));
            return;
        }
    }
}

/* In their order, and how long one may take from its first event to its last. */
static void steps_state(struct datadog *d, const struct chain *c, struct pen_datadog *out)
{
    struct pen_sequence_step *steps =
        PEN_NEW_N(d->arena, struct pen_sequence_step, (size_t)c->count + 1);
    PEN_CHECK(steps != NULL);
    int64_t longest_ns = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const uint32_t from = c->order[i];
        read_condition(d, c->at[from], out, &steps[i].condition);
        steps[i].name = c->names[from];
        steps[i].window_ns = window_s(d, c->at[from]) * PEN_NS_PER_S;
        steps[i].wait_ns = c->wait_s[from] * PEN_NS_PER_S;
        longest_ns += steps[i].wait_ns;
    }
    /* Of the first step its window; when that is the event alone, the event itself. */
    out->state.window_ns = longest_ns + (steps[0].window_ns > 0 ? steps[0].window_ns : 1);
    out->state.steps = steps;
    out->state.step_count = c->count;
}

void datadog_sequence(struct datadog *d, struct pen_datadog *out)
{
    const struct json_node *options = datadog_get(d->root, "options", PEN_OBJECT);
    const struct json_node *own = datadog_get(options, "sequenceDetectionOptions", PEN_OBJECT);
    const struct json_node *steps = datadog_get(own, "steps", PEN_ARRAY);
    const struct json_node *transitions = datadog_get(own, "stepTransitions", PEN_ARRAY);
    struct chain chain = {.count = 0};
    if (steps == NULL || steps->count == 0) {
        datadog_error(d, own == NULL ? options : own,
                      "sequence_detection needs `sequenceDetectionOptions` with `steps`");
        return;
    }
    read_names(d, steps, &chain);
    for (const struct json_node *kid = transitions == NULL ? NULL : transitions->child;
         kid != NULL && d->errors == 0; kid = kid->next) {
        read_transition(d, kid, &chain);
    }
    if (d->errors == 0) {
        put_in_order(d, transitions == NULL ? own : transitions, &chain);
    }
    if (d->errors == 0) {
        check_groups(d, out);
        steps_state(d, &chain, out);
    }
}

/* Whether the condition is true exactly when the last step is reached. */
static bool is_of_last(const struct pen_condition *condition, uint32_t step_count)
{
    pen_quantity values[PEN_SEQUENCE_STEPS_MAX + 1] = {0};
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        const uint32_t sides[] = {step->left.query, step->right.query};
        for (size_t k = 0; k < PEN_COUNT(sides); k++) {
            const bool compares = step->op != PEN_CONDITION_AND && step->op != PEN_CONDITION_OR;
            if (compares && sides[k] != PEN_CONDITION_NO_QUERY && sides[k] + 1 != step_count) {
                return false;
            }
        }
    }
    const bool is_before = pen_condition_eval(condition, 0, condition->count, values);
    values[step_count - 1] = PEN_QUANTITY_ONE;
    return !is_before && pen_condition_eval(condition, 0, condition->count, values);
}

void datadog_sequence_case(struct datadog *d, const struct json_node *at, pen_slice text,
                           const struct pen_datadog *from)
{
    const uint32_t count = from->state.step_count;
    struct pen_condition condition;
    struct pen_err err = {0};
    pen_slice names[PEN_SEQUENCE_STEPS_MAX];
    PEN_CHECK(count > 0 && count <= PEN_COUNT(names));
    for (uint32_t i = 0; i < count; i++) {
        names[i] = from->state.steps[i].name;
    }
    if (pen_slice_trim(text).len == 0) {
        return;
    }
    const pen_status st = pen_condition_parse(d->arena, text, names, count, &condition, &err);
    if (st != PEN_OK) {
        datadog_error_in(d, at, err.offset > text.len ? 0 : (size_t)err.offset, err.text);
    } else if (condition.then_count > 0 || !is_of_last(&condition, count)) {
        datadog_error(d, at,
                      "a case of sequence_detection says that the last step is reached: "
                      "`%.*s > 0`",
                      PEN_SLICE_FMT(names[count - 1]));
    }
}
