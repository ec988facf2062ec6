/* spending.h - what requests to buckets cost at list price, and runs that may only cost so much. */
#ifndef PEN_NODE_SPENDING_H
#define PEN_NODE_SPENDING_H

#include "penstock/node.h"

struct spending { /* of this run: what was dealt */
    uint64_t bytes, gets;
    uint64_t crossing_bytes; /* of buckets of other regions than the node's */
    bool is_spent;           /* nothing more is dealt */
    char reason[200];        /* why */
};
/* Requests that reading an object takes when nothing goes wrong. */
uint64_t spending_gets(const struct pen_replay_options *options, const struct pen_object *object);
/*
 * spending_allows - whether the object may be dealt; counts it then.
 *
 * is_crossing  its bucket is known to be in another region than the node
 * lists        requests for listings so far
 */
bool spending_allows(struct spending *spending, const struct pen_replay_options *options,
                     const struct pen_object *object, bool is_crossing, uint64_t lists);

#endif
