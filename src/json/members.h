/* members.h - the members of an object that look as they did in the record before. */
#ifndef PEN_JSON_MEMBERS_H
#define PEN_JSON_MEMBERS_H

#include "walker.h"

enum members {
    MEMBERS_NONE,    /* none was taken: index[at] is the name of the next, or what stands there */
    MEMBERS_BETWEEN, /* some were: index[at] is the comma or brace behind the last */
};
/*
 * Takes members with scalar values whose names come in the learned order, as far as they go.  The
 * walk sees to all others.  index[at] stands where a name is wanted, in the object of frame; stage
 * 1 took the window, there are no shadows and no member of the object has a meaning of its own.
 */
enum members members_fast(struct pen_walker *walker, struct frame *frame);

#endif
