/* members.h - objects that look as they did in the record before. */
#ifndef PEN_JSON_MEMBERS_H
#define PEN_JSON_MEMBERS_H

#include "walker.h"

enum members {
    MEMBERS_NAME,    /* index[at] stands where a name is wanted: that member is for the walk */
    MEMBERS_BETWEEN, /* index[at] is what stands behind a value */
};
/*
 * Takes members whose values are scalars or objects, in the learned order as far as it goes, down
 * into objects and up again.  The walk sees to everything else.
 *
 * depth  of the open object whose member's name is wanted at index[at]; then of the container where
 *        the walk goes on
 * Wants  a window that stage 1 took, and a walk without shadows
 */
enum members members_fast(struct pen_walker *walker, uint32_t *depth);

/* The shape of key, which follows the last one in the object of frame; 0: cannot be learned. */
uint32_t members_learn(struct pen_walker *walker, const struct frame *frame, pen_slice key);

#endif
