/* origins.h - the accounts and regions that delivered records name: a set that only grows. */
#ifndef PEN_NODE_ORIGINS_H
#define PEN_NODE_ORIGINS_H

#include "penstock/base.h"

#define ORIGIN_NAME_MAX 32u /* bytes, with a NUL */
#define ORIGINS_MAX 65536u  /* of both kinds together: what a shard remembers, about 5 MiB */

enum origin_kind { ORIGIN_ACCOUNT, ORIGIN_REGION, ORIGIN_KINDS };

struct origin {
    enum origin_kind kind;
    char name[ORIGIN_NAME_MAX];
};
/* One thread.  All zeros is an empty set. */
struct origins {
    struct origin *items;
    uint32_t count, cap;
    uint32_t *slots; /* item + 1, by hash; 0 is free */
    uint32_t slot_count;
    uint32_t taken;              /* items before this one were taken */
    uint32_t last[ORIGIN_KINDS]; /* item + 1 that was asked for last: mostly it comes again */
};
void origins_fini(struct origins *set);
/*
 * Adds a name unless it is there, is none of its kind (an account has twelve digits, a region
 * lower-case letters, digits and hyphens), or the set is full: a log may say anything.
 */
void origins_add(struct origins *set, enum origin_kind kind, pen_slice name);
/* What was added since the last call, as a copy that the caller frees; NULL when nothing was. */
struct origin *origins_take(struct origins *set, uint32_t *count);

#endif
