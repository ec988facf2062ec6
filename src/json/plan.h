/* plan.h - the trie of paths that some map, rule or id wants. */
#ifndef PEN_JSON_PLAN_H
#define PEN_JSON_PLAN_H

#include "penstock/json.h"

struct plan_node {
    pen_slice key;
    uint32_t child, next; /* 0: none */
    uint32_t *fields;
    uint32_t field_count;
    uint32_t action; /* 0: none */
    uint32_t divert; /* field, or PEN_FIELD_NONE */
    bool has_index;  /* a child whose key is digits */
};

struct pen_plan {
    struct pen_arena arena;
    struct plan_node *nodes; /* 0 is the root */
    uint32_t node_count, node_cap;
    uint32_t field_count;
    uint8_t *by_column; /* by field: 1 when its values are told by column */
    uint32_t by_column_cap;
    bool is_sealed;
};

static inline bool plan_is_by_column(const struct pen_plan *plan, uint32_t field)
{
    return field < plan->by_column_cap && plan->by_column[field] != 0;
}

/* The child of this key, or 0.  Slow: a walker asks once for each key that it learns. */
uint32_t plan_child(const struct pen_plan *plan, uint32_t parent, pen_slice key);

#endif
