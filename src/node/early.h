/* early.h - the few objects so large that the run would end waiting for them: read first. */
#ifndef PEN_NODE_EARLY_H
#define PEN_NODE_EARLY_H

#include "penstock/base.h"

#define EARLY_MAX 64U                /* objects */
#define EARLY_BYTES_MIN (8ULL << 20) /* smaller ones are never in the way */
#define EARLY_SHARE 64U              /* nor those below this part of all bytes */
#define EARLY_NONE UINT32_MAX

struct early_object {
    char *folder; /* of the unit; the file's own path when it was named as a source */
    char *name;   /* in the folder; "" for such a file */
    uint64_t size;
    uint32_t unit; /* EARLY_NONE: not known yet, or no longer there */
};

/* All zero: none.  The largest files that the walk over the sources met. */
struct early {
    struct early_object objects[EARLY_MAX];
    uint32_t count;
    bool is_out; /* given apart: the listing of their units leaves them out */
};

/* Remembers a file when it is among the largest so far.  The strings are copied. */
PEN_MUST_USE pen_status early_note(struct early *early, const char *folder, const char *name,
                                   uint64_t size);
/* Drops those that are no large part of all bytes; the others stand largest first. */
void early_settle(struct early *early, uint64_t bytes);
/* Whether this object of the unit is one of them. */
bool early_has(const struct early *early, uint32_t unit, const char *name);
void early_fini(struct early *early);

#endif
