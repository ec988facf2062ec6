/* spending.h - what requests to buckets cost at list price, and runs that may only cost so much. */
#ifndef PEN_NODE_SPENDING_H
#define PEN_NODE_SPENDING_H

#include "penstock/node.h"

struct spending { /* of this run: what was dealt */
    uint64_t bytes, gets;
    bool is_spent;    /* nothing more is dealt */
    char reason[160]; /* why */
};
/* Requests that reading an object takes when nothing goes wrong. */
uint64_t spending_gets(const struct pen_replay_options *options, const struct pen_object *object);
/*
 * spending_allows - whether the object may be dealt; counts it then.
 *
 * lists  requests for listings so far
 */
bool spending_allows(struct spending *spending, const struct pen_replay_options *options,
                     const struct pen_object *object, uint64_t lists);

#endif
