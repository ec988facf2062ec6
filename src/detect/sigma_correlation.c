/* tested by tests/e2e/test_stateful.py */
#include "overlay.h"

#include <stdio.h>

/*
 * A correlation becomes a rule over windows: a query for each rule that it names (one for all where
 * they group by the same fields), and one case.  reference/sigma.md section 9.
 */

#define DAY_NS PEN_NS_PER_DAY
#define TIMESPAN_MAX_NS (31 * DAY_NS)

enum kind { KIND_EVENT_COUNT, KIND_VALUE_COUNT, KIND_VALUE_SUM, KIND_TEMPORAL, KIND_ORDERED };
static const char *const kind_names[] = {"event_count", "value_count", "value_sum", "temporal",
                                         "temporal_ordered"};

struct reading {
    struct pen_rules *rules;
    struct builder *b;
    const struct pen_yaml *map;
    enum kind kind;
    struct pen_rule **refs;
    pen_slice *names; /* as the correlation calls them */
    uint32_t ref_count;
    const pen_slice *group_by;
    uint32_t group_count;
    bool has_own_fields; /* aliases stand for other fields in other rules */
    pen_slice field;
    struct pen_datadog *out;
    struct pen_rule_impl *impl;
};

static void *take(struct reading *r, size_t count, size_t size)
{
    void *p = pen_arena_alloc(r->b->arena, (count + 1) * size, 16);
    PEN_CHECK(p != NULL);
    memset(p, 0, (count + 1) * size);
    return p;
}

/* ---- parts of the map ---- */

static pen_status check_keys(struct reading *r)
{
    static const char *const known[] = {"type",    "rules", "group-by",  "timespan",
                                        "aliases", "field", "condition", "generate"};
    for (const struct pen_yaml *kid = r->map->child; kid != NULL; kid = kid->next) {
        bool is_known = false;
        for (size_t i = 0; i < PEN_COUNT(known); i++) {
            is_known |= pen_slice_eq(kid->key->text, pen_slice_str(known[i]));
        }
        if (!is_known) {
            return sigma_fail(r->b, kid->key, "a correlation has no `%.*s`",
                              PEN_SLICE_FMT(kid->key->text));
        }
    }
    return PEN_OK;
}

static pen_status read_kind(struct reading *r)
{
    const pen_slice text = pen_yaml_text(r->map, "type");
    for (size_t i = 0; i < PEN_COUNT(kind_names); i++) {
        if (pen_slice_eq_nocase(text, pen_slice_str(kind_names[i]))) {
            r->kind = (enum kind)i;
            return PEN_OK;
        }
    }
    const struct pen_yaml *type = pen_yaml_get(r->map, "type");
    return sigma_fail(r->b, type == NULL ? r->map : type,
                      "`type` is event_count, value_count, value_sum, temporal or "
                      "temporal_ordered; averages and percentiles are not built");
}

/* s, m, h, d, w: one whole number and a unit. */
static pen_status read_timespan(struct reading *r)
{
    static const struct {
        uint8_t unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    const struct pen_yaml *node = pen_yaml_get(r->map, "timespan");
    const pen_slice text = pen_yaml_text(r->map, "timespan");
    uint64_t number = 0;
    int64_t unit_ns = 0;
    for (size_t i = 0; text.len > 1 && i < PEN_COUNT(units); i++) {
        unit_ns =
            text.ptr[text.len - 1] == units[i].unit ? units[i].seconds * PEN_NS_PER_S : unit_ns;
    }
    if (unit_ns == 0 || !pen_parse_u64(pen_slice_sub(text, 0, text.len - 1), &number) ||
        number == 0) {
        return sigma_fail(r->b, node == NULL ? r->map : node,
                          "`timespan` is a whole number and one of s m h d w");
    }
    if (number > (uint64_t)(TIMESPAN_MAX_NS / unit_ns)) {
        return sigma_fail(r->b, node, "`timespan` is 31 days at most");
    }
    /* The window is open where Sigma's is closed. */
    r->out->state.window_ns = (int64_t)number * unit_ns + 1;
    r->out->state.keep_alive_ns = (int64_t)number * unit_ns;
    return PEN_OK;
}

/* A text, or a list of them. */
static pen_status read_list(struct reading *r, const char *key, const pen_slice **out,
                            uint32_t *count)
{
    const struct pen_yaml *node = pen_yaml_get(r->map, key);
    *count = 0;
    *out = NULL;
    if (node == NULL) {
        return PEN_OK;
    }
    const uint32_t max = node->kind == PEN_YAML_SCALAR ? 1 : node->count;
    pen_slice *items = take(r, max, sizeof(*items));
    if (node->kind == PEN_YAML_SCALAR) {
        items[(*count)++] = node->text;
    }
    for (const struct pen_yaml *kid = node->kind == PEN_YAML_SEQ ? node->child : NULL; kid != NULL;
         kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR || kid->text.len == 0) {
            return sigma_fail(r->b, kid, "`%s` is a list of names", key);
        }
        items[(*count)++] = kid->text;
    }
    *out = items;
    return *count > 0 ? PEN_OK : sigma_fail(r->b, node, "`%s` is a list of names", key);
}

static struct pen_rule *rule_find(struct pen_rules *rules, pen_slice text)
{
    pen_slice uuid;
    const bool is_id = sigma_uuid(&rules->arena, text, &uuid);
    for (uint32_t i = 0; i < rules->count; i++) {
        struct pen_rule *rule = &rules->items[i];
        const pen_slice name = rule->impl->name;
        if (rule->datadog == NULL &&
            (is_id ? pen_slice_eq(rule->id, uuid) : name.len > 0 && pen_slice_eq(name, text))) {
            return rule;
        }
    }
    return NULL;
}

static pen_status read_rules(struct reading *r)
{
    const pen_slice *texts = NULL;
    const struct pen_yaml *node = pen_yaml_get(r->map, "rules");
    PEN_TRY(read_list(r, "rules", &texts, &r->ref_count));
    if (texts == NULL || r->ref_count > PEN_STATE_QUERIES_MAX) {
        return sigma_fail(r->b, node == NULL ? r->map : node, "`rules` names 1 to %u rules",
                          PEN_STATE_QUERIES_MAX);
    }
    r->refs = take(r, r->ref_count, sizeof(struct pen_rule *));
    r->names = take(r, r->ref_count, sizeof(pen_slice));
    for (uint32_t i = 0; i < r->ref_count; i++) {
        r->names[i] = texts[i];
        r->refs[i] = rule_find(r->rules, texts[i]);
        if (r->refs[i] == NULL) {
            return sigma_fail(r->b, node,
                              "no plain rule of this set has the id or name `%.*s` (was it left "
                              "out by --min-level or --tag?); correlations of correlations are "
                              "not built",
                              PEN_SLICE_FMT(texts[i]));
        }
    }
    return PEN_OK;
}

/* The field that a name of group-by stands for in a rule. */
static pen_status alias_field(struct reading *r, pen_slice name, pen_slice rule, pen_slice *out)
{
    char key[256];
    const struct pen_yaml *aliases = pen_yaml_get(r->map, "aliases");
    *out = name;
    if (aliases == NULL || name.len >= sizeof(key) || rule.len >= sizeof(key)) {
        return PEN_OK;
    }
    memcpy(key, name.ptr, name.len);
    key[name.len] = '\0';
    const struct pen_yaml *alias = pen_yaml_get(aliases, key);
    if (alias == NULL) {
        return aliases->kind == PEN_YAML_MAP
                   ? PEN_OK
                   : sigma_fail(r->b, aliases, "`aliases` is a map of names to maps of rules");
    }
    memcpy(key, rule.ptr, rule.len);
    key[rule.len] = '\0';
    *out = pen_yaml_text(alias, key);
    return out->len > 0 ? PEN_OK
                        : sigma_fail(r->b, alias, "the alias `%.*s` has no field for the rule %s",
                                     PEN_SLICE_FMT(name), key);
}

/* ---- queries ---- */

static pen_status query_fields(struct reading *r, uint32_t ref, const pen_slice **out)
{
    pen_slice *fields = take(r, r->group_count, sizeof(*fields));
    for (uint32_t i = 0; i < r->group_count; i++) {
        PEN_TRY(alias_field(r, r->group_by[i], r->names[ref], &fields[i]));
        r->has_own_fields |= ref > 0 && !pen_slice_eq(fields[i], r->out->queries[0].group_by[i]);
    }
    *out = fields;
    return PEN_OK;
}

static void ref_add(struct reading *r, struct rule_refs *to, uint32_t ref)
{
    const uint32_t index = (uint32_t)(r->refs[ref] - r->rules->items);
    uint32_t *items = take(r, (size_t)to->count + 1, sizeof(*items));
    if (to->count > 0) {
        memcpy(items, to->items, to->count * sizeof(*items));
    }
    items[to->count++] = index;
    to->items = items;
}

static enum pen_aggregation aggregation_of(const struct reading *r)
{
    return r->kind == KIND_VALUE_COUNT ? PEN_CARDINALITY
           : r->kind == KIND_VALUE_SUM ? PEN_SUM
                                       : PEN_COUNT_EVENTS;
}

/* One query a rule; then one for all when nothing tells them apart. */
static pen_status make_queries(struct reading *r)
{
    struct pen_rule_query *queries = take(r, r->ref_count, sizeof(*queries));
    struct rule_refs *refs = take(r, r->ref_count, sizeof(*refs));
    enum pen_aggregation *kinds = take(r, r->ref_count, sizeof(*kinds));
    const bool is_temporal = r->kind == KIND_TEMPORAL || r->kind == KIND_ORDERED;
    pen_slice *field = take(r, 1, sizeof(*field));
    field[0] = r->field;
    r->out->queries = queries;
    for (uint32_t i = 0; i < r->ref_count; i++) {
        queries[i] = (struct pen_rule_query){.name = r->names[i],
                                             .aggregation = aggregation_of(r),
                                             .group_by_count = r->group_count,
                                             .values = field,
                                             .value_count = r->field.len > 0};
        PEN_TRY(query_fields(r, i, &queries[i].group_by));
        queries[i].counted_as = i;
        kinds[i] = queries[i].aggregation;
    }
    const bool is_merged = !is_temporal && !r->has_own_fields;
    if (!is_temporal && !is_merged && r->kind != KIND_EVENT_COUNT) {
        return sigma_fail(r->b, r->map,
                          "values of rules whose aliases differ are not counted together");
    }
    for (uint32_t i = 0; i < r->ref_count; i++) {
        ref_add(r, &refs[is_merged ? 0 : i], i);
    }
    r->out->query_count = is_merged ? 1 : r->ref_count;
    r->out->state.queries = kinds;
    r->out->state.query_count = r->out->query_count;
    r->impl->refs = refs;
    return PEN_OK;
}

/* ---- the case ---- */

static struct pen_condition_step compare(uint32_t query, enum pen_condition_op op, uint64_t number)
{
    return (struct pen_condition_step){
        .op = op,
        .left = {.query = query, .factor = 1},
        .right = {.query = PEN_CONDITION_NO_QUERY, .factor = number}};
}

/* The only operator and its number. */
static pen_status read_bound(struct reading *r, const struct pen_yaml *node,
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
static pen_status temporal_steps(struct reading *r, const struct pen_yaml *node,
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

static pen_status count_steps(struct reading *r, const struct pen_yaml *node,
                              struct pen_condition_step *steps, uint32_t *count)
{
    enum pen_condition_op op = PEN_CONDITION_GE;
    uint64_t number = 0;
    if (node == NULL) {
        return sigma_fail(r->b, r->map, "`condition` is missing");
    }
    PEN_TRY(read_bound(r, node, &op, &number));
    steps[(*count)++] = compare(0, op, number); /* of several queries: see make_case */
    return PEN_OK;
}

static pen_status read_condition(struct reading *r, struct pen_condition_step *steps,
                                 uint32_t *count)
{
    const struct pen_yaml *node = pen_yaml_get(r->map, "condition");
    r->field = pen_yaml_text(r->map, "field");
    const bool is_temporal = r->kind == KIND_TEMPORAL || r->kind == KIND_ORDERED;
    PEN_TRY(is_temporal ? temporal_steps(r, node, steps, count)
                        : count_steps(r, node, steps, count));
    const bool wants_field = r->kind == KIND_VALUE_COUNT || r->kind == KIND_VALUE_SUM;
    if (wants_field && r->field.len == 0) {
        return sigma_fail(r->b, node, "`field` is missing: what is counted?");
    }
    r->field = wants_field ? r->field : (pen_slice){0};
    return PEN_OK;
}

static void make_case(struct reading *r, struct pen_condition_step *steps, uint32_t count,
                      enum pen_severity severity)
{
    struct pen_rule_case *rule_case = take(r, 1, sizeof(*rule_case));
    struct pen_state_case *state_case = take(r, 1, sizeof(*state_case));
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

/* ---- the whole ---- */

static pen_status read_generate(struct reading *r, const struct pen_yaml *root, bool *out)
{
    const struct pen_yaml *inside = pen_yaml_get(r->map, "generate");
    const struct pen_yaml *node = inside != NULL ? inside : pen_yaml_get(root, "generate");
    const pen_slice text = node == NULL ? PEN_SLICE_LIT("false") : node->text;
    *out = pen_slice_eq_nocase(text, PEN_SLICE_LIT("true"));
    return *out || pen_slice_eq_nocase(text, PEN_SLICE_LIT("false"))
               ? PEN_OK
               : sigma_fail(r->b, node, "`generate` is true or false");
}

static pen_status read_group(struct reading *r)
{
    PEN_TRY(read_list(r, "group-by", &r->group_by, &r->group_count));
    return r->group_count <= PEN_STATE_QUERIES_MAX
               ? PEN_OK
               : sigma_fail(r->b, r->map, "more than %u names to group by", PEN_STATE_QUERIES_MAX);
}

/* What the correlation is about reports by itself only when one of those that name it says so. */
static void parts_mark(struct reading *r, bool is_generated)
{
    struct pen_logsource *sources = take(r, r->ref_count, sizeof(*sources));
    for (uint32_t i = 0; i < r->ref_count; i++) {
        struct pen_rule_impl *impl = r->refs[i]->impl;
        impl->is_generated |= is_generated;
        impl->is_part = true;
        sources[i] = r->refs[i]->logsource;
    }
    r->impl->sources = sources;
    r->impl->source_count = r->ref_count;
}

static pen_status read_all(struct reading *r, const struct pen_yaml *root, struct pen_rule *rule)
{
    struct pen_condition_step *steps = take(r, (size_t)2 * PEN_STATE_QUERIES_MAX, sizeof(*steps));
    uint32_t count = 0;
    bool is_generated = false;
    PEN_TRY(check_keys(r));
    PEN_TRY(read_kind(r));
    PEN_TRY(read_rules(r));
    PEN_TRY(read_timespan(r));
    PEN_TRY(read_group(r));
    PEN_TRY(read_condition(r, steps, &count));
    PEN_TRY(make_queries(r));
    PEN_TRY(read_generate(r, root, &is_generated));
    make_case(r, steps, count, rule->severity);
    parts_mark(r, is_generated);
    return PEN_OK;
}

static pen_status link_one(struct pen_rules *rules, struct sigma_correlation *c, struct builder *b)
{
    struct reading r = {.rules = rules, .b = b, .map = pen_yaml_get(c->root, "correlation")};
    r.out = take(&r, 1, sizeof(*r.out));
    r.impl = take(&r, 1, sizeof(*r.impl));
    b->line = c->root->line;
    b->column = c->root->column;
    if (r.map->kind != PEN_YAML_MAP) {
        return sigma_fail(b, r.map, "`correlation` is a map");
    }
    PEN_TRY(read_all(&r, c->root, &c->rule));
    r.out->state.method = PEN_METHOD_THRESHOLD;
    r.out->state.duration_max_ns =
        r.out->state.keep_alive_ns > DAY_NS ? r.out->state.keep_alive_ns : DAY_NS;
    r.out->group_names[r.group_count] = r.group_by;
    r.out->message = c->rule.message;
    r.impl->name = c->name;
    c->rule.impl = r.impl;
    c->rule.datadog = r.out;
    return PEN_OK;
}

void sigma_correlations_link(struct pen_rules *rules)
{
    const uint32_t plain = rules->count;
    struct pen_err err = {0};
    struct builder b = {
        .arena = &rules->arena, .field = rules_no_field, .options = &rules->options, .err = &err};
    for (uint32_t i = 0; i < rules->correlation_count; i++) {
        struct sigma_correlation *c = &rules->correlations[i];
        if (link_one(rules, c, &b) != PEN_OK) {
            rules_reject(rules, c->rule.file, &b);
            continue;
        }
        overlay_apply(rules, &c->rule);
        if (rules_is_selected(&rules->options, &c->rule)) {
            rules_keep(rules, &c->rule, c->hash, c->index);
            rules_hash_add(rules, c->hash, c->index);
        }
    }
    for (uint32_t i = 0; i < plain; i++) {
        struct pen_rule_impl *impl = rules->items[i].impl;
        impl->is_silent = impl->is_part && !impl->is_generated;
    }
}
