/* intern.h - equal predicates of all queries become one; ids in order of first sight. */
#ifndef PEN_MATCH_INTERN_H
#define PEN_MATCH_INTERN_H

#include "internal.h"

struct intern_slot {
    struct pen_hash128 hash;
    uint32_t id; /* + 1; 0: free */
};
struct match_intern {
    struct intern_slot *slots;
    uint64_t mask;
    const struct pen_pred **preds; /* borrowed, by id */
    pen_slice *sources;            /* borrowed, by id: what the rule says that has it first */
    uint32_t count, capacity;
};

void pen_match_intern_fini(struct match_intern *intern);
/* Adds every predicate of the tree. */
PEN_MUST_USE pen_status pen_match_intern_add(struct match_intern *intern,
                                             const struct pen_expr *expr);

#endif
