/* tested by tests/e2e/test_later.py */
#include "again.h"

#include "penstock/node.h"

#include <stdlib.h>

/* The planner's own slack: records of an object of day D lie before D + 2 days. */
#define OBJECT_SPAN_NS (2 * PEN_NS_PER_DAY)

void again_name_units(struct planner *planner, const struct job *job)
{
    for (uint32_t i = 0; job->end_count > 0 && i < planner->unit_count; i++) {
        struct unit *unit = &planner->units[i];
        unit->name = job_unit_name(unit->path, job->end_count);
        PEN_CHECK(unit->name != NULL);
    }
}

bool again_is_past(const struct unit *unit, int64_t end_ns)
{
    return unit->day_ns != INT64_MIN && unit->day_ns + OBJECT_SPAN_NS <= end_ns;
}

pen_status again_load(struct again *again, const struct job *job, const struct unit *unit,
                      struct pen_err *err)
{
    if (again->is_loaded) {
        return PEN_OK;
    }
    again->is_loaded = true;
    pen_status st = checkpoint_finished(job->checkpoint, unit->name, &again->hashes[job->end_count],
                                        &again->counts[job->end_count], err);
    for (uint32_t i = 0; st == PEN_OK && i < job->end_count; i++) {
        char *name = i == 0 ? NULL : job_unit_name(unit->path, i);
        st = checkpoint_finished(job->checkpoint, name == NULL ? unit->path : name,
                                 &again->hashes[i], &again->counts[i], err);
        free(name);
    }
    return st;
}

void again_clear(struct again *again)
{
    for (size_t i = 0; i < PEN_COUNT(again->hashes); i++) {
        free(again->hashes[i]);
    }
    *again = (struct again){0};
}

static bool hash_known(const uint64_t *hashes, size_t count, uint64_t hash)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (hashes[middle] == hash) {
            return true;
        }
        if (hashes[middle] < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

bool again_is_finished(const struct again *again, const struct job *job, const struct unit *unit,
                       struct pen_object *object)
{
    if (hash_known(again->hashes[job->end_count], again->counts[job->end_count],
                   object->name_hash)) {
        return true;
    }
    for (uint32_t i = job->end_count; i > 0; i--) {
        if (!hash_known(again->hashes[i - 1], again->counts[i - 1], object->name_hash)) {
            continue;
        }
        const int64_t end = job->ends_ns[i - 1];
        if (again_is_past(unit, end)) {
            return true;
        }
        object->is_again = true;
        object->again_from_ns = end;
        return false;
    }
    return false;
}
