/* coverage.h - objects counted by log type, account, region and day. */
#ifndef PEN_CLI_COVERAGE_H
#define PEN_CLI_COVERAGE_H

#include "options.h"

#define COVERAGE_TYPES_MAX 256U
#define COVERAGE_CELLS_MAX (16U << 20)
#define COVERAGE_NO_DAY INT32_MIN

struct coverage_cell {
    char account[16]; /* "" when the key does not say */
    char region[28];
    uint32_t type; /* index of a name */
    int32_t day;   /* since 1970-01-01, or COVERAGE_NO_DAY */
    uint64_t objects, bytes;
};
struct coverage {
    struct coverage_cell *cells;
    uint32_t count, cap;
    uint32_t *slots; /* index + 1 */
    uint32_t slot_count;
    char types[COVERAGE_TYPES_MAX][40];
    uint32_t type_count;
    int32_t last_day[COVERAGE_TYPES_MAX]; /* by type, over all accounts and regions */
    uint64_t objects, bytes, digests;
    int64_t from_ns, to_ns; /* days outside are not counted */
};
void coverage_init(struct coverage *coverage, int64_t from_ns, int64_t to_ns);
void coverage_fini(struct coverage *coverage);
/* Counts an object.  PEN_E_NOMEM | PEN_E_LIMIT (cells or types). */
PEN_MUST_USE pen_status coverage_add(struct coverage *coverage, const struct pen_object *object,
                                     const struct pen_key_info *key);
/* Orders the cells by type, account, region and day; nothing is added then. */
void coverage_sort(struct coverage *coverage);
/* One past the last cell of the same type, account and region as the cell at `first`. */
uint32_t coverage_group_end(const struct coverage *coverage, uint32_t first);
/*
 * coverage_gap - the next days without an object of a group of sorted cells.
 *
 * at       where to go on: `first` at the beginning, then what the last call left
 * from,to  days, both included
 * Between the group's first day (or the beginning of the range asked for) and the last day that its
 * type has anywhere (or the end of the range).  False: no more.
 */
bool coverage_gap(const struct coverage *coverage, uint32_t first, uint32_t *at, int32_t *from,
                  int32_t *to);
/* "2025-03-04", or "-" for COVERAGE_NO_DAY. */
void coverage_day(int32_t day, char out[16]);

#endif
