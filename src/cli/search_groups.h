/* search_groups.h - what search --by counts: records, distinct values and times of each group. */
#ifndef PEN_CLI_SEARCH_GROUPS_H
#define PEN_CLI_SEARCH_GROUPS_H

#include "search_by.h"

struct search_group {
    uint64_t count;            /* records */
    uint64_t distinct;         /* values of --distinct */
    int64_t span_ns;           /* when its span of --every begins; INT64_MIN: none */
    int64_t first_ns, last_ns; /* event times; INT64_MAX and INT64_MIN: no record has one */
    uint64_t hash;
    size_t key_at;
    uint32_t key_bytes;
    bool is_limited; /* there were more values than search.distinct_max */
};
struct search_groups { /* one thread */
    const struct search_by *by;
    uint64_t groups_max, distinct_max;
    struct search_group *items;
    uint32_t count, cap;
    uint32_t *slots; /* index + 1; a power of two, open addressing */
    uint32_t slot_count;
    struct pen_buf keys;
    struct pen_hash128 *values; /* of group and value; likewise, all zero: free */
    uint64_t value_slots, value_count;
    struct search_group other; /* records of groups beyond groups_max */
    uint64_t cut;              /* records that had more values than elements_max */
};
/* elements_max and names of by may still change until the first record. */
void search_groups_init(struct search_groups *groups, const struct search_by *by,
                        uint64_t groups_max, uint64_t distinct_max);
void search_groups_fini(struct search_groups *groups);
/* One more in a group: key is a compact JSON object, values are struct pen_hash128; either may be
 * anything else that tells groups apart.  PEN_OK | PEN_E_NOMEM. */
PEN_MUST_USE pen_status search_groups_count(struct search_groups *groups, pen_slice key,
                                            pen_slice values, int64_t time_ns);
/* What search_by_write appended for one record.  PEN_OK | PEN_E_NOMEM. */
PEN_MUST_USE pen_status search_groups_add(struct search_groups *groups,
                                          const struct pen_pass_output *output);
/* A compact JSON object; borrows groups until the next record. */
pen_slice search_group_key(const struct search_groups *groups, const struct search_group *group);
/* Sorts the groups: by span, then most records first, then by key; keeps the first `top` of each
 * span (0: all) and returns how many that are. */
uint32_t search_groups_sort(struct search_groups *groups, uint64_t top);
/*
 * search_groups_print - to standard output: NDJSON or a table; most records first, with --every the
 * spans in their order.
 *
 * top  so many groups, of each span; 0: all
 * Returns  PEN_OK | PEN_E_NOMEM.  Then says on standard error how many groups there are and what
 *          limits left out.
 */
PEN_MUST_USE pen_status search_groups_print(struct search_groups *groups, uint64_t top,
                                            bool is_json);

#endif
