/*
 * again.h - which objects earlier runs of a job have read.
 *
 * A job that came to its end may go on with a later --to.  Objects near the old end were read then
 * and their records behind it left out: they are read again for these records alone.  What each
 * stretch of the job finished is kept under names of its own (job_unit_name).
 */
#ifndef PEN_NODE_AGAIN_H
#define PEN_NODE_AGAIN_H

#include "job.h"
#include "planner.h"

struct again { /* name hashes of the unit that is being listed; [end_count] is of this stretch */
    uint64_t *hashes[JOB_ENDS_MAX + 1];
    size_t counts[JOB_ENDS_MAX + 1];
    bool is_loaded;
};
/* Names every unit for this stretch of the job. */
void again_name_units(struct planner *planner, const struct job *job);
/* Whether no object of the unit has a record behind this end. */
bool again_is_past(const struct unit *unit, int64_t end_ns);
PEN_MUST_USE pen_status again_load(struct again *again, const struct job *job,
                                   const struct unit *unit, struct pen_err *err);
void again_clear(struct again *again);
/* True when nothing is left to read of the object.  Else marks it when it is read again. */
bool again_is_finished(const struct again *again, const struct job *job, const struct unit *unit,
                       struct pen_object *object);

#endif
