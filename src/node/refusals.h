/* refusals.h - how many documents of which objects a cluster refused, until a commit holds it. */
#ifndef PEN_NODE_REFUSALS_H
#define PEN_NODE_REFUSALS_H

#include "penstock/base.h"

/* Of an object that this process reads: refusals come while it is read, and after its end. */
struct refusal_count {
    char *key;
    uint64_t count;      /* of documents before the cut that is committed next */
    uint64_t count_next; /* of those behind it */
    bool is_done;        /* the object ends before that cut */
};
struct refusals {
    struct refusal_count *items; /* sealed: in the order of keys, one of each */
    uint32_t count, cap;
};
void refusals_fini(struct refusals *refusals);
void refusals_add(struct refusals *refusals, pen_slice key, bool is_next);
/* Before a commit, then ask. */
void refusals_seal(struct refusals *refusals);
/* What was refused of the object up to the cut; is_done: it ends there. */
uint64_t refusals_of(struct refusals *refusals, const char *key, bool is_done);
/* The commit is made: objects that have ended are forgotten. */
void refusals_committed(struct refusals *refusals);

#endif
