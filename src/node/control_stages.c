/* tested by tests/e2e/test_chains.py */
#include "penstock/node.h"

#include "control.h"
#include "killpoint.h"
#include "observe.h"
#include "stages.h"

#include <stdlib.h>

#define STEPS 4096U /* observations of a stage between looks at the mailboxes */

static pen_status signal_put(void *ctx, enum pen_signal_change change,
                             const struct pen_signal *signal)
{
    struct control *c = ctx;
    struct pen_err err = {0};
    c->is_held = false;
    if (pen_rules_at(c->program->rules, signal->rule)->is_silent ||
        signal->last_seen_ns < c->tell_from_ns) { /* of the warm-up as a whole */
        return PEN_OK;
    }
    const pen_status st =
        signals_db_put(c->signals, signal->enters ? PEN_SIGNAL_OPENED : change, signal, &err);
    if (st != PEN_OK) {
        c->failure = err;
    }
    c->is_held = signals_db_is_suppressed(c->signals);
    signal_sink_news(c->signal_sink);
    return st;
}

/* What a suppression holds back was not generated, so that nothing counts it. */
static bool is_held(void *ctx)
{
    const struct control *c = ctx;
    return c->is_held;
}

pen_status stages_open(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    const struct stages_options options = {
        .program = c->program,
        .state = {.dir = c->job.state_dir,
                  .hash_key = c->job.hash_key,
                  .samples_first = pen_u32(o->events_first),
                  .samples_last = pen_u32(o->events_last),
                  .memory_bytes_max = o->stage_bytes_max,
                  .groups_max = pen_u32((o->groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS),
                  .window_events_max = pen_u32(o->window_events_max),
                  .values_max = pen_u32(o->values_max),
                  .new_values_max = pen_u32(o->new_values_max),
                  .named_groups_max =
                      pen_u32((o->named_groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS),
                  .has_begin = o->from_ns != INT64_MIN,
                  .begin_ns = c->stages_begin_ns,
                  .has_tell_from = c->tell_from_ns != INT64_MIN,
                  .tell_from_ns = c->tell_from_ns,
                  .anomaly_groups_max =
                      pen_u32((o->anomaly_groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS),
                  .places_max = pen_u32(o->places_max)},
        .keep_alive_ns = o->keep_alive_ns,
        .elements_max = pen_u32(o->observed_groups_max),
        .fn = signal_put,
        .is_held = is_held,
        .ctx = c};
    for (uint32_t i = 0; i < c->shards; i++) {
        c->slots[i].watermark_ns = INT64_MIN;
    }
    c->stages_ns = INT64_MIN;
    return stages_new(&options, &c->stages, err);
}

static pen_status passed(struct control *c, const struct message *message, struct pen_err *err)
{
    pen_slice in = {message->bytes, message->byte_count};
    for (uint32_t i = 0; i < message->item_count; i++) {
        struct pen_observation o;
        PEN_TRY(pen_observation_decode(&in, &o, err));
        PEN_TRY(stages_passed(c->stages, &o, err));
    }
    return PEN_OK;
}

void stages_message(struct control *c, const struct message *message)
{
    struct pen_err err = {0};
    pen_status st = PEN_OK;
    if (message->kind == MSG_PASSED) {
        st = passed(c, message, &err);
    } else {
        st = signal_put(c, message->change, message->signal);
        st = st == PEN_OK && !c->is_held
                 ? stages_signal(c->stages, message->change, message->signal, &err)
                 : st;
    }
    if (st != PEN_OK && c->failure.status == PEN_OK) {
        c->failure = err;
    }
}

static int64_t shards_watermark(const struct control *c)
{
    int64_t low = INT64_MAX;
    for (uint32_t i = 0; i < c->shards; i++) {
        low = c->slots[i].watermark_ns < low ? c->slots[i].watermark_ns : low;
    }
    return low;
}

bool stages_are_through(const struct control *c)
{
    return c->stages == NULL || (c->stages_ns >= shards_watermark(c) && !c->has_stages_left);
}

bool stages_turn(struct control *c)
{
    struct pen_err err = {0};
    const int64_t low = shards_watermark(c);
    bool has_more = false;
    if (c->stages == NULL || c->failure.status != PEN_OK ||
        (low <= c->stages_ns && !c->has_stages_left)) {
        return false;
    }
    kill_point(c->options, "stages", c->epoch - 1);
    c->stages_ns = low;
    const int64_t last = c->committed.totals.time_last_ns; /* 0: there was no event */
    if (stages_release(c->stages, low, last == 0 ? INT64_MIN : last, STEPS, &has_more, &err) !=
            PEN_OK &&
        c->failure.status == PEN_OK) {
        c->failure = err;
    }
    c->has_stages_left = has_more;
    return true;
}
