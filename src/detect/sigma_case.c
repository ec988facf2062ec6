/* tested by tests/e2e/test_stateful.py */
#include "sigma_correlation.h"

#include <inttypes.h>
#include <stdio.h>

static struct pen_condition_step compare(uint32_t query, enum pen_condition_op op, uint64_t number)
{
    return (struct pen_condition_step){
        .op = op,
        .left = {.query = query, .factor = 1},
        .right = {.query = PEN_CONDITION_NO_QUERY, .factor = number}};
}

/* One member of the map: the operator and its number, or the field. */
static pen_status read_member(struct correlation *r, const struct pen_yaml *kid,
                              enum pen_condition_op *op, uint64_t *number, uint32_t *bounds)
{
    const pen_slice key = kid->key->text;
    if (pen_slice_eq(key, PEN_SLICE_LIT("field"))) {
        return correlation_names(r, kid, "field", &r->fields, &r->field_count);
    }
    const bool is_gt = pen_slice_eq(key, PEN_SLICE_LIT("gt"));
    if (!is_gt && !pen_slice_eq(key, PEN_SLICE_LIT("gte"))) {
        return sigma_fail(r->b, kid->key,
                          "`%.*s`: gt and gte are built; what is known only when a window is over "
                          "(lt, lte, eq, neq) is not",
                          PEN_SLICE_FMT(key));
    }
    *op = is_gt ? PEN_CONDITION_GT : PEN_CONDITION_GE;
    ++*bounds;
    return kid->kind == PEN_YAML_SCALAR && pen_parse_u64(kid->text, number)
               ? PEN_OK
               : sigma_fail(r->b, kid, "a whole number is wanted here");
}

/* The only operator and its number. */
static pen_status read_bound(struct correlation *r, const struct pen_yaml *node,
                             enum pen_condition_op *op, uint64_t *number)
{
    *op = PEN_CONDITION_GE;
    uint32_t bounds = 0;
    if (node->kind != PEN_YAML_MAP) {
        return sigma_fail(r->b, node, "`condition` is a map; a text is for `temporal` only");
    }
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(read_member(r, kid, op, number, &bounds));
    }
    return bounds == 1 ? PEN_OK : sigma_fail(r->b, node, "`condition` wants one of gt and gte");
}

/* The bound in words, for people. */
static void say_bound(struct correlation *r, enum pen_condition_op op, uint64_t number)
{
    static const char *const what[] = {[KIND_EVENT_COUNT] = "events",
                                       [KIND_VALUE_COUNT] = "different values",
                                       [KIND_VALUE_SUM] = "sum",
                                       [KIND_TEMPORAL] = "rules that matched",
                                       [KIND_ORDERED] = "rules that matched in their order"};
    char text[96];
    const int n = snprintf(text, sizeof(text), "%s %s %" PRIu64, what[r->kind],
                           op == PEN_CONDITION_GT ? ">" : ">=", number);
    PEN_CHECK(n > 0 && (size_t)n < sizeof(text));
    r->condition = pen_arena_dup(r->b->arena, pen_slice_str(text));
    PEN_CHECK(r->condition.ptr != NULL);
}

/* ---- temporal: how many of the rules, or which ---- */

static pen_status step_add(struct correlation *r, struct pen_condition_step *steps, uint32_t *count,
                           struct pen_condition_step step)
{
    if (*count == CORRELATION_STEPS_MAX) {
        return sigma_fail(r->b, r->map, "`condition` has more than %u steps: name fewer rules",
                          (unsigned)CORRELATION_STEPS_MAX);
    }
    steps[(*count)++] = step;
    return PEN_OK;
}

/* Every rule of the set of bits. */
static pen_status all_of(struct correlation *r, uint32_t bits, struct pen_condition_step *steps,
                         uint32_t *count)
{
    const struct pen_condition_step both = {.op = PEN_CONDITION_AND};
    pen_status st = PEN_OK;
    for (uint32_t i = 0, n = 0; i < r->ref_count && st == PEN_OK; i++) {
        if (((bits >> i) & 1U) != 0) {
            st = step_add(r, steps, count, compare(i, PEN_CONDITION_GE, 1));
            st = st == PEN_OK && n++ > 0 ? step_add(r, steps, count, both) : st;
        }
    }
    return st;
}

/* So many of the rules, whichever: all sets of that size. */
static pen_status some_steps(struct correlation *r, uint32_t size, struct pen_condition_step *steps,
                             uint32_t *count)
{
    const struct pen_condition_step either = {.op = PEN_CONDITION_OR};
    pen_status st = PEN_OK;
    uint32_t sets = 0;
    for (uint32_t bits = 1; bits < 1U << r->ref_count && st == PEN_OK; bits++) {
        if ((uint32_t)__builtin_popcount(bits) == size) {
            st = all_of(r, bits, steps, count);
            st = st == PEN_OK && sets++ > 0 ? step_add(r, steps, count, either) : st;
        }
    }
    return st;
}

static bool is_name_byte(uint8_t c)
{
    return c == '_' || c == '-' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* A word of the text as the conditions of cases write it: rules are letters there. */
static pen_status word_add(struct correlation *r, const struct pen_yaml *node, pen_slice word,
                           uint32_t *named, struct pen_buf *out)
{
    if (pen_slice_eq(word, PEN_SLICE_LIT("and")) || pen_slice_eq(word, PEN_SLICE_LIT("or"))) {
        return pen_buf_add(out, word.len == 3 ? PEN_SLICE_LIT(" && ") : PEN_SLICE_LIT(" || "));
    }
    if (pen_slice_eq(word, PEN_SLICE_LIT("not"))) {
        return sigma_fail(r->b, node, "`not` is known only when a window is over: it is not built");
    }
    for (uint32_t i = 0; i < r->ref_count; i++) {
        if (pen_slice_eq(r->names[i], word)) {
            *named |= 1U << i;
            return pen_buf_printf(out, "%c > 0", (char)('a' + i));
        }
    }
    return sigma_fail(r->b, node, "`condition` names `%.*s`, which `rules` does not",
                      PEN_SLICE_FMT(word));
}

static pen_status words_add(struct correlation *r, const struct pen_yaml *node, uint32_t *named,
                            struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (size_t at = 0; at < node->text.len && st == PEN_OK;) {
        size_t end = at;
        while (end < node->text.len && is_name_byte(node->text.ptr[end])) {
            end++;
        }
        st = end > at ? word_add(r, node, pen_slice_sub(node->text, at, end), named, out)
                      : pen_buf_add_byte(out, node->text.ptr[at]);
        at = end > at ? end : at + 1;
    }
    return st;
}

/* `one and (two or three)`, over the names in `rules`, each of them. */
static pen_status text_steps(struct correlation *r, const struct pen_yaml *node,
                             struct pen_condition_step *steps, uint32_t *count)
{
    static const uint8_t letters[] = "abcdefghijklmnop";
    _Static_assert(sizeof(letters) > PEN_STATE_QUERIES_MAX, "a letter for each rule");
    pen_slice names[PEN_STATE_QUERIES_MAX];
    struct pen_condition made = {.count = 0};
    struct pen_err err = {0};
    struct pen_buf text;
    uint32_t named = 0;
    for (uint32_t i = 0; i < PEN_STATE_QUERIES_MAX; i++) {
        names[i] = (pen_slice){letters + i, 1};
    }
    pen_buf_init(&text, PEN_CONDITION_BYTES_MAX);
    pen_status st = words_add(r, node, &named, &text);
    const bool is_read = st == PEN_OK;
    st = is_read ? pen_condition_parse(r->b->arena, pen_buf_slice(&text), names, r->ref_count,
                                       &made, &err)
                 : st;
    pen_buf_fini(&text);
    if (is_read && st != PEN_OK) {
        return sigma_fail(r->b, node, "`condition` is no text of names, `and`, `or` and brackets");
    }
    PEN_TRY(st);
    memcpy(steps, made.steps, made.count * sizeof(*steps));
    *count = made.count;
    return named == (1U << r->ref_count) - 1
               ? PEN_OK
               : sigma_fail(r->b, node, "`condition` does not name every rule of `rules`");
}

/* All rules, some, or any of them. */
static pen_status temporal_steps(struct correlation *r, const struct pen_yaml *node,
                                 struct pen_condition_step *steps, uint32_t *count)
{
    enum pen_condition_op op = PEN_CONDITION_GE;
    uint64_t number = r->ref_count;
    if (node != NULL && node->kind == PEN_YAML_SCALAR && r->kind == KIND_TEMPORAL) {
        return text_steps(r, node, steps, count);
    }
    PEN_TRY(node == NULL ? PEN_OK : read_bound(r, node, &op, &number));
    say_bound(r, op, number);
    number += op == PEN_CONDITION_GT;
    if (number > r->ref_count) {
        return sigma_fail(r->b, node, "`condition` wants more rules than `rules` names");
    }
    if (r->kind == KIND_ORDERED && number != r->ref_count && number > 1) {
        return sigma_fail(r->b, node, "in order all rules or any one: some of them are not built");
    }
    r->out->state.is_ordered = r->kind == KIND_ORDERED && number > 1;
    return some_steps(r, number == 0 ? 1 : (uint32_t)number, steps, count);
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
    if (r->kind == KIND_VALUE_SUM && op == PEN_CONDITION_GE && number == 0) {
        return sigma_fail(r->b, node,
                          "a sum of no numbers is no decision, but it is `gte: 0`: use gt");
    }
    say_bound(r, op, number);
    steps[(*count)++] = compare(0, op, number); /* of several queries: see correlation_case */
    return PEN_OK;
}

pen_status correlation_condition(struct correlation *r, struct pen_condition_step *steps,
                                 uint32_t *count)
{
    const struct pen_yaml *node = pen_yaml_get(r->map, "condition");
    PEN_TRY(correlation_list(r, "field", &r->fields, &r->field_count));
    const bool is_temporal = correlation_is_temporal(r);
    r->condition = node != NULL && node->kind == PEN_YAML_SCALAR ? node->text : (pen_slice){0};
    PEN_TRY(is_temporal ? temporal_steps(r, node, steps, count)
                        : count_steps(r, node, steps, count));
    const bool wants_field = r->kind == KIND_VALUE_COUNT || r->kind == KIND_VALUE_SUM;
    if (wants_field && r->field_count == 0) {
        return sigma_fail(r->b, node, "`field` is missing: what is counted?");
    }
    if (r->field_count > (r->kind == KIND_VALUE_SUM ? 1U : PEN_STATE_QUERIES_MAX)) {
        return sigma_fail(r->b, r->map, "`field` has %u names at most",
                          r->kind == KIND_VALUE_SUM ? 1U : PEN_STATE_QUERIES_MAX);
    }
    r->field_count = wants_field ? r->field_count : 0;
    return PEN_OK;
}

void correlation_case(struct correlation *r, struct pen_condition_step *steps, uint32_t count,
                      enum pen_severity severity)
{
    struct pen_rule_case *rule_case = correlation_take(r, 1, sizeof(*rule_case));
    rule_case->condition = r->condition;
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
