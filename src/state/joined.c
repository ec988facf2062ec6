/* tested by tests/unit/state/test_signals.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

/*
 * An event with lists may join several groups of one signal, behind one another in the order of
 * release.  It is one event of the signal, of all queries that counted it in any of them.
 */

void pen_joined_fini(struct joined *j)
{
    pen_buf_fini(&j->event_id);
    free(j->met);
}

static bool is_same_event(const struct joined *j, const struct pen_observation *o)
{
    return j->rule == o->rule && pen_slice_eq(pen_buf_slice(&j->event_id), o->event_id);
}

static bool grow(struct joined *j)
{
    const uint32_t cap = j->cap == 0 ? 16 : j->cap * 2;
    struct joined_signal *met = reallocarray(j->met, cap, sizeof(*met));
    if (met == NULL) {
        return false;
    }
    j->met = met;
    j->cap = cap;
    return true;
}

struct joined_signal *pen_joined_meet(struct joined *j, const struct state_event *event,
                                      uint64_t hash)
{
    if (!is_same_event(j, event->o)) {
        j->count = 0;
        j->rule = event->o->rule;
        j->event_id.len = 0;
        j->event_id.max = PEN_OBSERVATION_KEY_MAX;
        if (pen_buf_add(&j->event_id, event->o->event_id) != PEN_OK) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < j->count; i++) {
        if (j->met[i].hash == hash) {
            return &j->met[i];
        }
    }
    if (j->count == j->cap && !grow(j)) {
        return NULL;
    }
    j->met[j->count] = (struct joined_signal){.hash = hash};
    return &j->met[j->count++];
}
