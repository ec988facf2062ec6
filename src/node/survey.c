/* tested by tests/e2e/test_front.py */
#include "control.h"
#include "node_region.h"
#include "planner.h"
#include "wanted.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUND_OBJECTS 4096U

/* What goes on while sources are listed. */
struct surveying {
    struct planner planner;
    struct object_list list;
    struct pen_survey_calls calls;
    struct pen_survey_totals *totals;
    struct pen_survey_region *of_buckets; /* by bucket, from 1; their names come last */
};

static void on_folder(void *ctx, const char *path, const struct pen_err *err)
{
    const struct pen_survey_calls *calls = ctx;
    (void)path; /* err names it */
    calls->on_folder(calls->ctx, err);
}

/* Hands the listed objects over and frees them. */
static pen_status hand_over(struct surveying *s)
{
    struct object_list *list = &s->list;
    struct pen_survey_totals *totals = s->totals;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < list->count; i++) {
        struct pen_object *object = list->items[i];
        struct pen_key_info key;
        pen_classify_key(s->planner.classifier, pen_slice_str(object->key), &key);
        totals->objects++;
        totals->bytes += object->size;
        s->of_buckets[object->bucket].objects++;
        s->of_buckets[object->bucket].bytes += object->size;
        st = st == PEN_OK ? s->calls.on_object(s->calls.ctx, object, &key) : st;
        object_free(object);
    }
    list->count = 0;
    return st;
}

static pen_status unit_survey(struct surveying *s, uint32_t unit)
{
    struct planner *planner = &s->planner;
    struct object_list *list = &s->list;
    struct pen_err err = {0};
    bool is_done = false;
    pen_status st = PEN_OK;
    while (st == PEN_OK && !is_done) {
        st = is_interrupted() ? PEN_E_STOPPED
                              : planner_list(planner, unit, ROUND_OBJECTS, list, &is_done, &err);
        /* Any failure of a bucket's listing ends that listing alone. */
        const bool is_remote = planner->units[unit].bucket != 0 && is_done && st != PEN_OK;
        const bool is_gone = st == PEN_E_DENIED || st == PEN_E_NOT_FOUND || is_remote;
        if (is_gone) {
            planner->folders_unreadable++;
            s->calls.on_folder(s->calls.ctx, &err);
        }
        if (st == PEN_OK && !is_done && list->count == 0) {
            st = planner_wait(planner, unit, &err);
        }
        st = st == PEN_OK || is_gone ? hand_over(s) : st;
    }
    return st;
}

/* ---- regions ---- */

/* The row of a region; of too many, the last. */
static struct pen_survey_region *region_row(struct pen_survey_totals *totals, const char *name)
{
    uint32_t i = 0;
    while (i < totals->region_count && strcmp(totals->regions[i].name, name) != 0) {
        i++;
    }
    if (i == PEN_SURVEY_REGIONS_MAX) {
        return &totals->regions[i - 1];
    }
    if (i == totals->region_count) {
        totals->region_count++;
        (void)snprintf(totals->regions[i].name, sizeof(totals->regions[i].name), "%s", name);
    }
    return &totals->regions[i];
}

/* Of all buckets, which have been listed: where they are is known now. */
static void regions_sum(struct surveying *s)
{
    for (uint32_t i = 0; i < s->planner.bucket_count; i++) {
        struct pen_survey_region *row =
            region_row(s->totals, bucket_endpoint(s->planner.buckets[i])->region);
        row->objects += s->of_buckets[i + 1].objects;
        row->bytes += s->of_buckets[i + 1].bytes;
    }
}

/* ---- survey ---- */

static pen_status units_survey(struct surveying *s, struct pen_err *err)
{
    pen_status st = PEN_OK;
    s->of_buckets = calloc((size_t)s->planner.bucket_count + 1, sizeof(*s->of_buckets));
    if (s->of_buckets == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "plan: out of memory");
    }
    for (uint32_t i = 0; st == PEN_OK && i < s->planner.unit_count; i++) {
        st = unit_survey(s, i);
        if (st == PEN_E_STOPPED) {
            st = PEN_FAIL(err, st, PEN_NO_OFFSET, "stopped while folders were listed");
        } else if (st != PEN_OK) {
            st = PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: %s", s->planner.units[i].path,
                          pen_status_text(st));
        }
    }
    regions_sum(s);
    return st;
}

pen_status pen_survey(const struct pen_replay_options *options,
                      const struct pen_survey_calls *calls, struct pen_survey_totals *totals,
                      struct pen_err *err)
{
    struct pen_types *types = NULL;
    struct surveying s = {.calls = *calls, .totals = totals};
    *totals = (struct pen_survey_totals){0};
    pen_status st = pen_types_load(options->types_dir, &types, err);
    st = st == PEN_OK ? types_wanted_check(types, options, err) : st;
    if (st == PEN_OK) {
        st = planner_init(&s.planner, options, types, on_folder, &s.calls, err);
        st = st == PEN_OK
                 ? node_region_find(&s.planner, options->node_region.text, totals->node_region, err)
                 : st;
        st = st == PEN_OK ? units_survey(&s, err) : st;
        totals->pruned = s.list.pruned;
        totals->lists = planner_lists(&s.planner);
        totals->skipped = s.planner.skipped;
        totals->folders_unreadable = s.planner.folders_unreadable;
        planner_fini(&s.planner);
    }
    free(s.of_buckets);
    free(s.list.items);
    pen_types_free(types);
    return st;
}
