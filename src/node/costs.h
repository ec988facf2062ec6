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
/* The rules that matched, in the order of the set, from the arrays of all shards, which write no
 * more; the caller frees *out, which is never NULL. */
uint32_t costs_list(const struct pen_rules *rules, struct rule_count *const *shards, uint32_t count,
                    struct pen_rule_cost **out);

#endif
