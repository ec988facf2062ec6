/* tested by tests/e2e/test_stateful.py */
#include "sigma_correlation.h"

struct pen_rule *correlation_rule_find(struct pen_rules *rules, pen_slice text)
{
    pen_slice uuid;
    const bool is_id = sigma_uuid(&rules->arena, text, &uuid);
    for (uint32_t i = 0; i < rules->count; i++) {
        struct pen_rule *rule = &rules->items[i];
        const pen_slice name = rule->impl->name;
        const bool is_sigma = strcmp(rule->language, "sigma") == 0;
        if (is_sigma &&
            (is_id ? pen_slice_eq(rule->id, uuid) : name.len > 0 && pen_slice_eq(name, text))) {
            return rule;
        }
    }
    return NULL;
}

static bool is_named(const struct correlation *r, pen_slice name)
{
    bool is_found = false;
    for (uint32_t i = 0; i < r->ref_count && !is_found; i++) {
        is_found = pen_slice_eq(r->names[i], name);
    }
    return is_found;
}

/* Rules that aliases speak of are those of the correlation. */
static pen_status aliases_check(struct correlation *r)
{
    const struct pen_yaml *aliases = pen_yaml_get(r->map, "aliases");
    const bool is_map = aliases != NULL && aliases->kind == PEN_YAML_MAP;
    for (const struct pen_yaml *alias = is_map ? aliases->child : NULL; alias != NULL;
         alias = alias->next) {
        const struct pen_yaml *rule = alias->kind == PEN_YAML_MAP ? alias->child : NULL;
        while (rule != NULL && is_named(r, rule->key->text)) {
            rule = rule->next;
        }
        if (rule != NULL) {
            return sigma_fail(r->b, rule->key,
                              "an alias speaks of `%.*s`, which `rules` does not name",
                              PEN_SLICE_FMT(rule->key->text));
        }
    }
    return PEN_OK;
}

pen_status correlation_rules(struct correlation *r)
{
    const pen_slice *texts = NULL;
    const struct pen_yaml *node = pen_yaml_get(r->map, "rules");
    PEN_TRY(correlation_list(r, "rules", &texts, &r->ref_count));
    if (texts == NULL || r->ref_count > PEN_STATE_QUERIES_MAX) {
        return sigma_fail(r->b, node == NULL ? r->map : node, "`rules` names 1 to %u rules",
                          PEN_STATE_QUERIES_MAX);
    }
    r->refs = correlation_take(r, r->ref_count, sizeof(struct pen_rule *));
    r->names = correlation_take(r, r->ref_count, sizeof(pen_slice));
    for (uint32_t i = 0; i < r->ref_count; i++) {
        r->names[i] = texts[i];
        r->refs[i] = correlation_rule_find(r->rules, texts[i]);
        if (r->refs[i] == NULL) {
            return sigma_fail(
                r->b, node,
                "no rule of this set has the id or name `%.*s` (was it refused, or is it off?)",
                PEN_SLICE_FMT(texts[i]));
        }
    }
    return aliases_check(r);
}

/* The field that a name of group-by stands for in a rule. */
static pen_status alias_field(struct correlation *r, pen_slice name, pen_slice rule, pen_slice *out)
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

static pen_status query_fields(struct correlation *r, uint32_t ref, const pen_slice **out)
{
    pen_slice *fields = correlation_take(r, r->group_count, sizeof(*fields));
    for (uint32_t i = 0; i < r->group_count; i++) {
        PEN_TRY(alias_field(r, r->group_by[i], r->names[ref], &fields[i]));
        r->has_own_fields |= ref > 0 && !pen_slice_eq(fields[i], r->out->queries[0].group_by[i]);
    }
    *out = fields;
    return PEN_OK;
}

static void ref_add(struct correlation *r, struct rule_refs *to, uint32_t ref)
{
    const uint32_t index = (uint32_t)(r->refs[ref] - r->rules->items);
    uint32_t *items = correlation_take(r, (size_t)to->count + 1, sizeof(*items));
    if (to->count > 0) {
        memcpy(items, to->items, to->count * sizeof(*items));
    }
    items[to->count++] = index;
    to->items = items;
}

static enum pen_aggregation aggregation_of(const struct correlation *r)
{
    return r->kind == KIND_VALUE_COUNT ? PEN_CARDINALITY
           : r->kind == KIND_VALUE_SUM ? PEN_SUM
                                       : PEN_COUNT_EVENTS;
}

/* ---- parts: correlations, of whose signals it hears ---- */

/* The member of a correlation's groups that a name is: their only fields. */
static pen_status member_of(struct correlation *r, const struct pen_rule *part, pen_slice called,
                            pen_slice name, struct pen_signal_value *out)
{
    const uint32_t count = part->datadog->queries[0].group_by_count;
    const pen_slice *names = part->datadog->group_names[count];
    for (uint32_t i = 0; i < count; i++) {
        if (pen_slice_eq(names[i], name)) {
            *out = (struct pen_signal_value){.position = i, .members = count};
            return PEN_OK;
        }
    }
    return sigma_fail(r->b, r->map,
                      "the correlation `%.*s` is not grouped by `%.*s`: what it is grouped by is "
                      "all that its matches have",
                      PEN_SLICE_FMT(called), PEN_SLICE_FMT(name));
}

static pen_status part_add(struct correlation *r, uint32_t ref, const pen_slice *fields,
                           struct pen_rule_query *query)
{
    const struct pen_rule *rule = r->refs[ref];
    struct pen_rule_part *parts = pen_unconst(query->parts);
    struct pen_rule_part *part = &parts[query->part_count++];
    struct pen_signal_value *group = correlation_take(r, r->group_count, sizeof(*group));
    struct pen_signal_value *values = correlation_take(r, r->field_count, sizeof(*values));
    for (uint32_t i = 0; i < r->group_count; i++) {
        PEN_TRY(member_of(r, rule, r->names[ref], fields[i], &group[i]));
    }
    for (uint32_t i = 0; i < r->field_count; i++) {
        PEN_TRY(member_of(r, rule, r->names[ref], r->fields[i], &values[i]));
    }
    *part = (struct pen_rule_part){
        .rule = (uint32_t)(rule - r->rules->items), .group_by = group, .values = values};
    r->out->stage =
        rule->datadog->stage >= r->out->stage ? rule->datadog->stage + 1 : r->out->stage;
    return r->out->stage <= PEN_STAGES_MAX
               ? PEN_OK
               : sigma_fail(r->b, r->map, "correlations of correlations: %u levels at most",
                            PEN_STAGES_MAX);
}

/* ---- all queries ---- */

static pen_status queries_begin(struct correlation *r, struct pen_rule_query *queries,
                                const pen_slice **fields)
{
    r->out->queries = queries;
    for (uint32_t i = 0; i < r->ref_count; i++) {
        queries[i] = (struct pen_rule_query){
            .name = r->names[i],
            .aggregation = aggregation_of(r),
            .group_by_count = r->group_count,
            .values = r->fields,
            .value_count = r->field_count,
            .parts = correlation_take(r, r->ref_count, sizeof(struct pen_rule_part)),
            .rules = correlation_take(r, r->ref_count, sizeof(pen_slice))};
        PEN_TRY(query_fields(r, i, &fields[i]));
        queries[i].group_by = fields[i];
        queries[i].counted_as = i;
    }
    return PEN_OK;
}

/* Each rule to the query that counts it: of events, or of signals. */
static pen_status queries_fill(struct correlation *r, const pen_slice *const *fields,
                               bool is_merged)
{
    struct pen_rule_query *queries = pen_unconst(r->out->queries);
    struct rule_refs *refs = pen_unconst(r->impl->refs);
    for (uint32_t i = 0; i < r->ref_count; i++) {
        const uint32_t to = is_merged ? 0 : i;
        pen_slice *titles = pen_unconst(queries[to].rules);
        titles[queries[to].rule_count++] = r->refs[i]->title;
        if (r->refs[i]->datadog == NULL) {
            ref_add(r, &refs[to], i);
            continue;
        }
        PEN_TRY(part_add(r, i, fields[i], &queries[to]));
    }
    return PEN_OK;
}

/* One query a rule; then one for all when nothing tells them apart. */
pen_status correlation_queries(struct correlation *r)
{
    struct pen_rule_query *queries = correlation_take(r, r->ref_count, sizeof(*queries));
    struct rule_refs *refs = correlation_take(r, r->ref_count, sizeof(*refs));
    enum pen_aggregation *kinds = correlation_take(r, r->ref_count, sizeof(*kinds));
    const pen_slice **fields = correlation_take(r, r->ref_count, sizeof(const pen_slice *));
    const bool is_temporal = correlation_is_temporal(r);
    PEN_TRY(queries_begin(r, queries, fields));
    const bool is_merged = !is_temporal && !r->has_own_fields;
    if (!is_temporal && !is_merged && r->kind != KIND_EVENT_COUNT) {
        return sigma_fail(r->b, r->map,
                          "values of rules whose aliases differ are not counted together");
    }
    for (uint32_t i = 0; i < r->ref_count; i++) {
        kinds[i] = queries[i].aggregation;
    }
    r->impl->refs = refs;
    PEN_TRY(queries_fill(r, fields, is_merged));
    r->out->query_count = is_merged ? 1 : r->ref_count;
    r->out->state.queries = kinds;
    r->out->state.query_count = r->out->query_count;
    return PEN_OK;
}

/* ---- what becomes of the parts ---- */

static void sources_add(struct correlation *r, const struct pen_rule *rule)
{
    struct pen_logsource *all = pen_unconst(r->impl->sources);
    const struct pen_rule_impl *impl = rule->impl;
    if (rule->datadog == NULL) {
        all[r->impl->source_count++] = rule->logsource;
        return;
    }
    for (uint32_t i = 0; i < impl->source_count; i++) {
        all[r->impl->source_count++] = impl->sources[i];
    }
}

void correlation_sources(struct correlation *r)
{
    size_t sources = 0;
    for (uint32_t i = 0; i < r->ref_count; i++) {
        sources += r->refs[i]->datadog == NULL ? 1 : r->refs[i]->impl->source_count;
    }
    r->impl->sources = correlation_take(r, sources, sizeof(struct pen_logsource));
    for (uint32_t i = 0; i < r->ref_count; i++) {
        sources_add(r, r->refs[i]);
    }
}
