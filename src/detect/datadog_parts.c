/* tested by tests/unit/detect/test_correlation.c */
#include "datadog.h"

#define NO_QUERY UINT32_MAX

/* ---- fields ---- */

/* The member of a signal's group that the field is, if one query of the part groups by it. */
static bool member_of(const struct pen_rule_query *query, pen_slice field,
                      struct pen_signal_value *out)
{
    const uint32_t count = query->joined_count > 0 ? query->joined_count : query->group_by_count;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = query->joined_count > 0 ? query->joined[i] : i;
        if (pen_slice_eq(query->group_by[at], field)) {
            *out = (struct pen_signal_value){.position = i, .members = count};
            return true;
        }
    }
    return false;
}

/* A field of the group, else an attribute of the events. */
static struct pen_signal_value field_value(const struct pen_datadog *part, uint32_t query,
                                           pen_slice field)
{
    struct pen_signal_value value = {.attribute = field};
    for (uint32_t q = 0; q < part->query_count; q++) {
        if ((query == NO_QUERY || query == q) && member_of(&part->queries[q], field, &value)) {
            return value;
        }
    }
    return value;
}

static bool is_in(const pen_slice *items, uint32_t count, pen_slice text)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pen_slice_eq(items[i], text)) {
            return true;
        }
    }
    return false;
}

/* Attributes of to, and those of from that it has not. */
static void attributes_add(struct pen_arena *arena, struct pen_datadog *to, const pen_slice *from,
                           uint32_t count)
{
    pen_slice *all = NULL;
    for (uint32_t i = 0; i < count && to->attribute_count < DATADOG_ATTRIBUTES_MAX; i++) {
        if (is_in(to->attributes, to->attribute_count, from[i])) {
            continue;
        }
        if (all == NULL) {
            all = PEN_NEW_N(arena, pen_slice, DATADOG_ATTRIBUTES_MAX);
            PEN_CHECK(all != NULL);
            if (to->attribute_count > 0) {
                memcpy(all, to->attributes, to->attribute_count * sizeof(*all));
            }
            to->attributes = all;
        }
        all[to->attribute_count++] = from[i];
    }
}

void datadog_attributes_spread(struct pen_rules *rules)
{
    /* Parts stand before what names them: from the end on, what reaches a rule is complete. */
    for (uint32_t i = rules->count; i-- > 0;) {
        const struct pen_datadog *over = rules->items[i].datadog;
        for (uint32_t q = 0; over != NULL && over->stage > 0 && q < over->query_count; q++) {
            const struct pen_rule_query *query = &over->queries[q];
            for (uint32_t p = 0; p < query->part_count; p++) {
                struct pen_datadog *part = pen_unconst(rules->items[query->parts[p].rule].datadog);
                attributes_add(&rules->arena, part, over->attributes, over->attribute_count);
            }
        }
    }
}

/* ---- parts ---- */

/* The query of the part whose fields are meant; one that the part has not is as good as none. */
static uint32_t query_meant(struct datadog *d, const struct json_node *at,
                            const struct pen_rule *part)
{
    int64_t index = 0;
    if (!datadog_number(at, "correlatedQueryIndex", &index)) {
        return NO_QUERY;
    }
    if (index >= part->datadog->query_count) {
        datadog_warn(d, at,
                     "`correlatedQueryIndex` is %lld and the rule '%.*s' has %u queries, from 0 "
                     "on: the fields of all of them are taken",
                     (long long)index, PEN_SLICE_FMT(part->id), part->datadog->query_count);
        return NO_QUERY;
    }
    return (uint32_t)index;
}

static void part_make(struct datadog *d, const struct json_node *at, struct pen_datadog *out,
                      struct pen_rule_query *query, uint32_t index)
{
    const struct pen_rule *rule = &d->rules->items[index];
    const uint32_t meant = query_meant(d, at, rule);
    struct pen_rule_part *part = PEN_NEW(d->arena, struct pen_rule_part);
    struct pen_signal_value *values =
        PEN_NEW_N(d->arena, struct pen_signal_value, (size_t)query->group_by_count + 1);
    PEN_CHECK(part != NULL && values != NULL);
    for (uint32_t i = 0; i < query->group_by_count; i++) {
        values[i] = field_value(rule->datadog, meant, query->group_by[i]);
        attributes_add(d->arena, out, &values[i].attribute, values[i].attribute.len > 0);
    }
    *part = (struct pen_rule_part){.rule = index, .group_by = values};
    query->parts = part;
    query->part_count = 1;
    out->stage = rule->datadog->stage >= out->stage ? rule->datadog->stage + 1 : out->stage;
}

/* For the log types: where the events come from that all of it is about in the end. */
static void trees_join(struct datadog *d, const struct pen_datadog *out, struct pen_rule_impl *impl)
{
    uint32_t count = 0;
    for (uint32_t q = 0; q < out->query_count; q++) {
        count += d->rules->items[out->queries[q].parts->rule].impl->tree_count;
    }
    impl->trees = PEN_NEW_N(d->arena, struct pen_expr *, (size_t)count + 1);
    PEN_CHECK(impl->trees != NULL);
    for (uint32_t q = 0; q < out->query_count; q++) {
        const struct pen_rule_impl *from = d->rules->items[out->queries[q].parts->rule].impl;
        for (uint32_t i = 0; i < from->tree_count; i++) {
            impl->trees[impl->tree_count++] = from->trees[i];
        }
    }
}

void datadog_parts(struct datadog *d, const struct pen_rule *rule, const uint32_t *part)
{
    struct pen_datadog *out = pen_unconst(rule->datadog);
    struct pen_rule_query *queries = pen_unconst(out->queries);
    const struct json_node *kid = datadog_get(d->root, "queries", PEN_ARRAY)->child;
    for (uint32_t q = 0; kid != NULL && q < out->query_count; kid = kid->next, q++) {
        part_make(d, kid, out, &queries[q], part[q]);
    }
    if (out->stage > PEN_STAGES_MAX) {
        datadog_error(d, d->root, "rules over signals of rules over signals: %u levels at most",
                      PEN_STAGES_MAX);
        return;
    }
    trees_join(d, out, rule->impl);
}
