/* costs.h - what each rule makes a run do, counted by shard. */
#ifndef PEN_NODE_COSTS_H
#define PEN_NODE_COSTS_H

#include "penstock/node.h"

#define COSTS_MEASURED 16U /* each so manieth match of a rule is measured */

struct rule_count { /* of one rule, on one shard; written by its thread alone */
    uint64_t matches, observations, bytes;
    uint64_t measured, measured_ns;
};
/* An array with a place for each rule, on cache lines of its own; never NULL.  free() it. */
struct rule_count *costs_new(const struct pen_rules *rules);
/* An observation of the rule was made. */
void costs_observation(struct rule_count *counts, const struct pen_observation *o);
/* Fills result->costs from the arrays of all shards, which write no more. */
void costs_fill(const struct pen_rules *rules, struct rule_count *const *shards, uint32_t count,
                struct pen_replay_result *result);

#endif
