/* tested by tests/e2e/test_front.py */
#include "control.h"
#include "planner.h"
#include "wanted.h"

#include <stdlib.h>

#define ROUND_OBJECTS 4096U

static void on_folder(void *ctx, const char *path, const struct pen_err *err)
{
    const struct pen_survey_calls *calls = ctx;
    (void)path; /* err names it */
    calls->on_folder(calls->ctx, err);
}

/* Hands the listed objects over and frees them. */
static pen_status hand_over(struct planner *planner, struct object_list *list,
                            const struct pen_survey_calls *calls, struct pen_survey_totals *totals)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < list->count; i++) {
        struct pen_object *object = list->items[i];
        struct pen_key_info key;
        pen_classify_key(planner->classifier, pen_slice_str(object->key), &key);
        totals->objects++;
        totals->bytes += object->size;
        st = st == PEN_OK ? calls->on_object(calls->ctx, object, &key) : st;
        object_free(object);
    }
    list->count = 0;
    return st;
}

static pen_status unit_survey(struct planner *planner, uint32_t unit, struct object_list *list,
                              const struct pen_survey_calls *calls,
                              struct pen_survey_totals *totals)
{
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
            calls->on_folder(calls->ctx, &err);
        }
        if (st == PEN_OK && !is_done && list->count == 0) {
            st = planner_wait(planner, unit, &err);
        }
        st = st == PEN_OK || is_gone ? hand_over(planner, list, calls, totals) : st;
    }
    return st;
}

pen_status pen_survey(const struct pen_replay_options *options,
                      const struct pen_survey_calls *calls, struct pen_survey_totals *totals,
                      struct pen_err *err)
{
    struct pen_types *types = NULL;
    struct planner planner = {0};
    struct object_list list = {0};
    *totals = (struct pen_survey_totals){0};
    pen_status st = pen_types_load(options->types_dir, &types, err);
    st = st == PEN_OK ? types_wanted_check(types, options, err) : st;
    if (st == PEN_OK) {
        struct pen_survey_calls borrowed = *calls;
        st = planner_init(&planner, options, types, on_folder, &borrowed, err);
        for (uint32_t i = 0; st == PEN_OK && i < planner.unit_count; i++) {
            st = unit_survey(&planner, i, &list, calls, totals);
            if (st == PEN_E_STOPPED) {
                st = PEN_FAIL(err, st, PEN_NO_OFFSET, "stopped while folders were listed");
            } else if (st != PEN_OK) {
                st = PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: %s", planner.units[i].path,
                              pen_status_text(st));
            }
        }
        totals->pruned = list.pruned;
        totals->lists = planner_lists(&planner);
        totals->skipped = planner.skipped;
        totals->folders_unreadable = planner.folders_unreadable;
        planner_fini(&planner);
    }
    free(list.items);
    pen_types_free(types);
    return st;
}
