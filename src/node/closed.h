/*
 * closed.h - units of buckets to which nothing is added any more.
 *
 * Objects of a day may be delivered late.  A unit whose listing began long enough after its day
 * ended (planner.settle) has them all: once they are committed it is closed, and no later run of
 * the job lists it again.  All others stay open; what is new there is read by the next run.
 */
#ifndef PEN_NODE_CLOSED_H
#define PEN_NODE_CLOSED_H

#include "job.h"
#include "planner.h"

/* Units that earlier runs of the job have closed count as listed. */
PEN_MUST_USE pen_status closed_mark(struct planner *planner, const struct job *job,
                                    struct pen_err *err);
/*
 * closed_commit - within the transaction of a commit, after its finished objects were counted out
 * of their units: closes what is complete now.
 */
PEN_MUST_USE pen_status closed_commit(struct planner *planner, const struct job *job,
                                      struct pen_err *err);

#endif
