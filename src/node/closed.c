/* tested by tests/e2e/test_s3_plan.py */
#include "closed.h"

#include "again.h"

#include <stdlib.h>

/* Closed by a run that ended behind all records that its objects may have. */
static pen_status closed_before(const struct job *job, struct unit *unit, struct pen_err *err)
{
    pen_status st = checkpoint_is_closed(job->checkpoint, unit->name, &unit->is_closed, err);
    for (uint32_t i = 0; st == PEN_OK && !unit->is_closed && i < job->end_count; i++) {
        if (!again_is_past(unit, job->ends_ns[i])) {
            continue;
        }
        char *name = i == 0 ? NULL : job_unit_name(unit->path, i);
        st = checkpoint_is_closed(job->checkpoint, name == NULL ? unit->path : name,
                                  &unit->is_closed, err);
        free(name);
    }
    return st;
}

pen_status closed_mark(struct planner *planner, const struct job *job, struct pen_err *err)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && job->is_resumed && i < planner->unit_count; i++) {
        struct unit *unit = &planner->units[i];
        st = unit->bucket != 0 && unit->is_day ? closed_before(job, unit, err) : PEN_OK;
        unit->is_listed = unit->is_closed;
    }
    return st;
}

static bool is_complete(const struct planner *planner, const struct unit *unit)
{
    const int64_t settle_ns = planner->options->settle_ns;
    return !unit->is_closed && unit->is_day && unit->is_listed && !unit->has_failed &&
           unit->open_objects == 0 && unit->day_ns != INT64_MIN && unit->listing_ns != 0 &&
           unit->listing_ns - settle_ns > unit->day_ns + PEN_NS_PER_DAY;
}

pen_status closed_commit(struct planner *planner, const struct job *job, struct pen_err *err)
{
    for (uint32_t i = 0; planner->bucket_count > 0 && i < planner->unit_count; i++) {
        struct unit *unit = &planner->units[i];
        if (!is_complete(planner, unit)) {
            continue;
        }
        /* A later --to of the job reads some of the objects again, and must know which. */
        const bool is_past = job->to_ns == INT64_MAX || again_is_past(unit, job->to_ns);
        PEN_TRY(checkpoint_close_unit(job->checkpoint, unit->name, !is_past, err));
        unit->is_closed = true;
    }
    return PEN_OK;
}
