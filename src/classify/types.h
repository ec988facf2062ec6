/* types.h - the table of log types and what the classifier needs of it. */
#ifndef PEN_CLASSIFY_TYPES_H
#define PEN_CLASSIFY_TYPES_H

#include "penstock/classify.h"

struct hs_database;

struct pen_types {
    struct pen_arena arena;
    struct pen_type *items;
    uint32_t count;
    uint32_t unknown;            /* index of the fallback */
    struct hs_database *keys;    /* NULL: no type has a key pattern */
    struct hs_database *ignored; /* NULL: none passes over any */
};

#endif
