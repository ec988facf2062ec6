/* tested by tests/e2e/test_backtest.py */
#include "costs.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES 64U

struct rule_count *costs_new(const struct pen_rules *rules)
{
    const size_t bytes = ((size_t)pen_rules_count(rules) + 1) * sizeof(struct rule_count);
    const size_t rounded = (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    struct rule_count *counts = aligned_alloc(LINE_BYTES, rounded);
    PEN_CHECK(counts != NULL);
    memset(counts, 0, rounded);
    return counts;
}

void costs_observation(struct rule_count *counts, const struct pen_observation *o)
{
    struct rule_count *count = &counts[o->rule];
    count->observations++;
    count->bytes += o->rule_id.len + o->event_id.len + o->group.len + o->account.len +
                    o->region.len + o->actor.len + o->source_ip.len + o->index_name.len +
                    o->object.len + o->values.len + o->attributes.len + o->event.len;
}

/* The rule over all shards. */
static struct rule_count sum_of(struct rule_count *const *shards, uint32_t count, uint32_t rule)
{
    struct rule_count sum = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct rule_count *one = &shards[i][rule];
        sum.matches += one->matches;
        sum.observations += one->observations;
        sum.bytes += one->bytes;
        sum.measured += one->measured;
        sum.measured_ns += one->measured_ns;
    }
    return sum;
}

uint32_t costs_list(const struct pen_rules *rules, struct rule_count *const *shards, uint32_t count,
                    struct pen_rule_cost **out)
{
    struct pen_rule_cost *costs = calloc((size_t)pen_rules_count(rules) + 1, sizeof(*costs));
    uint32_t listed = 0;
    PEN_CHECK(costs != NULL);
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct rule_count sum = sum_of(shards, count, i);
        if (sum.matches == 0) {
            continue;
        }
        struct pen_rule_cost *cost = &costs[listed++];
        *cost = (struct pen_rule_cost){.rule = i,
                                       .matches = sum.matches,
                                       .observations = sum.observations,
                                       .bytes = sum.bytes};
        cost->cpu_ns = sum.measured == 0 ? 0 : sum.measured_ns * sum.matches / sum.measured;
        (void)snprintf(cost->id, sizeof(cost->id), "%.*s",
                       PEN_SLICE_FMT(pen_rules_at(rules, i)->id));
    }
    *out = costs;
    return listed;
}
