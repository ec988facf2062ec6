/* tested by tests/e2e/test_replay.py */
#include "shard.h"

#include "penstock/node.h"

#include "killpoint.h"
#include "shard_own.h"

#include <stdlib.h>

#define RING_ENTRIES 512U
#define RELEASE_STEPS 4096u
#define NEWS_OBJECTS 8u /* finished ones that control may hear of later, well below its credit */
#define NEWS_BYTES ((uint64_t)1 << 20)
#define PARKED_NS INT64_C(200000)

void send_control(struct shard *shard, struct message *message)
{
    message->from = shard->index;
    (void)edge_send(shard->to_control, shard->ring, message);
}

/*
 * Control deals objects by the dozen, so it need not wake for each that is finished: after some of
 * them, or before this shard sleeps.  A wake costs two switches between threads where cores are
 * few.
 */
void send_done(struct shard *shard, struct message *message)
{
    message->from = shard->index;
    shard->news_objects++;
    shard->news_bytes += message->object->size;
    (void)edge_send_quietly(shard->to_control, message);
}

static void news_tell(struct shard *shard, bool is_busy)
{
    if (shard->news_objects > 0 && shard->to_control->target != NULL &&
        (!is_busy || shard->news_objects >= NEWS_OBJECTS || shard->news_bytes >= NEWS_BYTES)) {
        pen_ring_wake(shard->ring, shard->to_control->target);
        shard->news_objects = 0;
        shard->news_bytes = 0;
    }
}

void shard_fail(struct shard *shard, const struct pen_err *err)
{
    if (!shard->is_failed) {
        struct message *message = message_new(MSG_FAIL);
        message->err = *err;
        send_control(shard, message);
        shard->is_failed = true;
    }
}

/* ---- epochs ---- */

static struct shard_times times_of(const struct shard *shard)
{
    const int64_t blocked_ns = pen_ship_counters_get(shard->ship).blocked_ns;
    return (struct shard_times){.busy_ns = pen_clock_mono_ns() - shard->begun_ns - shard->slept_ns -
                                           blocked_ns,
                                .storage_ns = shard->starved_ns,
                                .sink_ns = blocked_ns + shard->full_ns};
}

void cut_finish(struct shard *shard)
{
    if (shard->cut_epoch == 0 || shard->is_failed || !pen_ship_is_settled(shard->ship)) {
        return;
    }
    for (uint32_t j = 0; j < shard->shards; j++) {
        if (j != shard->index && shard->peer_epoch[j] <= shard->cut_epoch) {
            return; /* its mark is still to come */
        }
    }
    struct message *message = message_new(MSG_READY);
    struct pen_err err = {0};
    message->epoch = shard->cut_epoch;
    message->totals.records_duplicate = pen_ship_settled_get(shard->ship).duplicate;
    message->totals.bytes_shipped = pen_ship_counters_get(shard->ship).shipped_bytes;
    message->times = times_of(shard);
    if (pen_state_cut(shard->state, shard->cut_epoch, message->run_name, sizeof(message->run_name),
                      &message->run_bytes, &err) != PEN_OK) {
        message_free(message);
        shard_fail(shard, &err);
        return;
    }
    message->is_behind = pen_state_is_behind(shard->state);
    kill_point(shard->shared->options, "run", shard->cut_epoch);
    shard->cut_epoch = 0;
    send_control(shard, message);
}

static uint64_t *excluded_copy(const struct shard *shard)
{
    const size_t bytes = shard->shared->program->exclusion_count * sizeof(uint64_t);
    uint64_t *copy = bytes == 0 ? NULL : malloc(bytes);
    PEN_CHECK(bytes == 0 || copy != NULL);
    if (copy != NULL) {
        memcpy(copy, shard->excluded, bytes);
    }
    return copy;
}

/*
 * The cut of an epoch, between two records: what was made before belongs to it, on every edge.
 * Writing and fsync of documents block this shard; the others go on.
 */
static void cut_begin(struct shard *shard, uint64_t epoch)
{
    struct pen_err err = {0};
    PEN_CHECK(shard->cut_epoch == 0 && epoch == shard->epoch);
    const struct pen_ship_file *files = NULL;
    uint32_t count = 0;
    if (shard->is_failed) {
        return;
    }
    kill_point(shard->shared->options, "cut", epoch);
    shard->is_full = false;
    if (pen_ship_cut(shard->ship, &files, &count, &err) != PEN_OK) {
        shard_fail(shard, &err);
        return;
    }
    kill_point(shard->shared->options, "documents", epoch);
    struct message *cut = message_new(MSG_CUT);
    cut->epoch = epoch;
    if (count > 0) {
        cut->files = malloc(count * sizeof(*files));
        PEN_CHECK(cut->files != NULL);
        memcpy(cut->files, files, count * sizeof(*files));
    }
    cut->file_count = count;
    cut->origins = origins_take(&shard->origins, &cut->origin_count);
    const struct pen_ship_counters shipped = pen_ship_counters_get(shard->ship);
    cut->totals.bytes_shipped = shipped.shipped_bytes;
    cut->excluded = excluded_copy(shard);
    cut->regex_limits = pen_scan_regex_limits(shard->scan);
    pen_scan_damaged(shard->scan, &cut->damaged);
    cut->times = times_of(shard);
    if (shard->object != NULL) {
        cut->open_totals = shard->object->is_again ? shard->again_totals : shard->object_totals;
        cut->object = shard->object;
        cut->type = pen_scan_object_type(shard->scan)->id;
        cut->others = shard->object->is_again ? NULL : other_types_copy(&shard->others);
        cut->open_records = shard->next_record;
    }
    send_control(shard, cut);
    for (uint32_t j = 0; j < shard->shards; j++) {
        if (j != shard->index) {
            batch_send(shard, j);
            struct message *mark = message_new(MSG_MARK);
            mark->from = shard->index;
            mark->epoch = epoch;
            (void)edge_send(&shard->out[j], shard->ring, mark);
        }
    }
    shard->cut_epoch = epoch;
    shard->epoch = epoch + 1;
    cut_finish(shard);
}

/* ---- release ---- */

static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal)
{
    struct shard *shard = ctx;
    send_control(shard, signal_message(change, signal));
    return PEN_OK;
}

static pen_status on_passed(void *ctx, const struct pen_observation *o)
{
    struct shard *shard = ctx;
    shard->passed_count++;
    return pen_observation_encode(&shard->passed, o);
}

/* Before what tells control that they were released. */
static void passed_send(struct shard *shard)
{
    if (shard->passed_count == 0) {
        return;
    }
    struct message *message = message_new(MSG_PASSED);
    message->bytes = shard->passed.ptr;
    message->byte_count = shard->passed.len;
    message->item_count = shard->passed_count;
    pen_buf_init(&shard->passed, SIZE_MAX);
    shard->passed_count = 0;
    send_control(shard, message);
}

/* All that the last commit allowed is released. */
static void release_end(struct shard *shard)
{
    struct message *message = message_new(MSG_RELEASED);
    struct pen_snapshot_info info = {.position_ns = INT64_MIN};
    struct pen_err err = {0};
    message->epoch = shard->release_epoch;
    message->watermark_ns = shard->watermark_ns;
    shard->release_epoch = 0;
    if (shard->wants_snapshot &&
        pen_state_snapshot(shard->state, message->epoch, &info, &err) != PEN_OK) {
        message_free(message);
        shard_fail(shard, &err);
        return;
    }
    if (shard->wants_snapshot) {
        kill_point(shard->shared->options, "snapshot", message->epoch);
    }
    message->position_ns = info.position_ns;
    message->state = pen_state_counters_get(shard->state);
    send_control(shard, message);
}

/* A part of the release that the last commit allowed.  True when something was done. */
static bool step_release(struct shard *shard)
{
    if (shard->release_epoch == 0) {
        return false;
    }
    bool more = false;
    struct pen_err err = {0};
    if (pen_state_release(shard->state, shard->watermark_ns, RELEASE_STEPS, on_signal, shard, &more,
                          &err) != PEN_OK) {
        shard_fail(shard, &err);
        shard->release_epoch = 0;
        return true;
    }
    passed_send(shard);
    kill_point(shard->shared->options, "release", shard->release_epoch);
    if (!more) {
        release_end(shard);
    }
    return true;
}

/* Where the state begins: at a snapshot, when there is one, and with the runs of earlier processes.
 */
static pen_status state_begin(struct shard *shard, const struct generation *at, struct pen_err *err)
{
    const struct shard_shared *shared = shard->shared;
    char name[64];
    for (uint32_t i = 0; at->exists && i < at->shards; i++) {
        snapshot_name(at, i, name);
        PEN_TRY(pen_state_load(shard->state, pen_slice_str(name), err));
    }
    if (at->exists && at->stages > 0) { /* stages join what shards tell: all begin at one time */
        pen_state_begin(shard->state, at->position_max_ns);
    }
    for (uint32_t i = 0; i < shared->adopted_count; i++) {
        PEN_TRY(pen_state_adopt(shard->state, pen_slice_str(shared->adopted_runs[i]), err));
    }
    return PEN_OK;
}

static void state_again(struct shard *shard)
{
    struct pen_err err = {0};
    if (pen_state_reset(shard->state, &err) != PEN_OK ||
        state_begin(shard, &shard->shared->base, &err) != PEN_OK) {
        shard_fail(shard, &err);
    }
}

/* ---- mailboxes ---- */

static void give_back(struct shard *shard, struct pen_object *object)
{
    struct message *back = message_new(MSG_DONE);
    back->object = object;
    back->outcome = OBJECT_GIVEN_BACK;
    send_control(shard, back);
}

static void take_object(struct shard *shard, struct pen_object *object)
{
    if (shard->is_draining || shard->is_failed) {
        give_back(shard, object);
        return;
    }
    shard->open_objects++;
    feed_open(shard, object);
}

static void from_control(struct shard *shard, struct message *message)
{
    switch (message->kind) {
    case MSG_OBJECT:
        take_object(shard, message->object);
        break;
    case MSG_CREDENTIALS:
        if (message->bucket == OF_SINK) {
            sink_credentials(shard, message);
        } else {
            feed_credentials(shard, message);
        }
        break;
    case MSG_ADDRESSES:
        if (message->bucket == OF_SINK) {
            sink_addresses(shard, message);
        } else {
            feed_addresses(shard, message);
        }
        break;
    case MSG_MOVED:
        feed_move(shard, message);
        break;
    case MSG_COMMIT:
        cut_begin(shard, message->epoch);
        break;
    case MSG_COMMITTED:
        pen_state_committed(shard->state, message->epoch);
        if (message->falls_back) {
            state_again(shard);
        }
        shard->wants_snapshot = message->wants_snapshot;
        if (message->totals.time_last_ns != 0) {
            pen_state_seen(shard->state, message->totals.time_last_ns);
        }
        pen_scan_enrich(shard->scan, message->tables);
        shard->watermark_ns = message->watermark_ns;
        shard->release_epoch = message->epoch;
        break;
    case MSG_DRAIN:
        shard->is_draining = true;
        break;
    case MSG_STOP:
        shard->is_stopped = true;
        break;
    case MSG_HELLO:
    case MSG_START:
    case MSG_DONE:
    case MSG_DEAD:
    case MSG_REFUSED:
    case MSG_STATE:
    case MSG_FULL:
    case MSG_CUT:
    case MSG_READY:
    case MSG_SIGNAL:
    case MSG_PASSED:
    case MSG_RELEASED:
    case MSG_FAIL:
    case MSG_OBSERVATIONS:
    case MSG_MARK:
        pen_panic(PEN_HERE, "message from control");
    }
    message_free(message);
}

static void from_peer(struct shard *shard, uint32_t j, struct message *message)
{
    if (message->kind == MSG_MARK) {
        PEN_CHECK(message->epoch == shard->peer_epoch[j]);
        shard->peer_epoch[j]++;
        message_free(message);
        cut_finish(shard);
        return;
    }
    PEN_CHECK(message->kind == MSG_OBSERVATIONS);
    pen_slice rest = {message->bytes, message->byte_count};
    struct pen_err err = {0};
    while (rest.len > 0) {
        struct pen_observation o;
        if (pen_observation_decode(&rest, &o, &err) != PEN_OK ||
            pen_state_append(shard->state, shard->peer_epoch[j], &o, &err) != PEN_OK) {
            shard_fail(shard, &err);
            break;
        }
    }
    message_free(message);
}

static bool drain_mailboxes(struct shard *shard)
{
    bool busy = false;
    void *message = NULL;
    for (uint32_t j = 0; j < shard->shards; j++) {
        while (j != shard->index && pen_mailbox_pop(shard->in[j], &message)) {
            from_peer(shard, j, message);
            busy = true;
        }
    }
    while (pen_mailbox_pop(shard->from_control, &message)) {
        from_control(shard, message);
        busy = true;
    }
    return busy;
}

/* True when nothing waits in an outbox: the shard may make more. */
static bool flush_outboxes(struct shard *shard)
{
    bool is_clear = edge_flush(shard->to_control, shard->ring);
    for (uint32_t j = 0; j < shard->shards; j++) {
        is_clear &= j == shard->index || edge_flush(&shard->out[j], shard->ring);
    }
    return is_clear;
}

/* At the end: what is open in the reader goes back to control, which owns it. */
static void open_objects_return(struct shard *shard)
{
    data_done(shard);
    for (struct pen_object *object = feed_return(shard); object != NULL;
         object = feed_return(shard)) {
        give_back(shard, object);
    }
    shard->object = NULL;
}

/* Until something happens; what it had waited for is counted. */
static void shard_sleep(struct shard *shard, int64_t most_ns, bool is_parked)
{
    const int64_t from_ns = pen_clock_mono_ns();
    (void)pen_ring_turn(shard->ring, true, is_parked ? PARKED_NS : most_ns);
    const int64_t slept_ns = pen_clock_mono_ns() - from_ns;
    shard->slept_ns += slept_ns;
    const bool is_waiting = shard->open_objects == 0 && !pen_ship_is_settled(shard->ship);
    if (!pen_ship_has_room(shard->ship) || is_waiting) {
        shard->full_ns += slept_ns;
    } else if (shard->open_objects > 0 && !is_parked && !shard->is_draining) {
        shard->starved_ns += slept_ns;
    }
}

/* Observations wait in memory for the next commit: before they are too many it is asked for. */
static void full_tell(struct shard *shard)
{
    if (shard->is_full ||
        pen_state_open_bytes(shard->state) < shard->shared->options->open_bytes_max) {
        return;
    }
    shard->is_full = true;
    send_control(shard, message_new(MSG_FULL));
}

static void shard_loop(struct shard *shard)
{
    shard->begun_ns = pen_clock_mono_ns();
    while (!shard->is_stopped) {
        bool busy = drain_mailboxes(shard);
        const int64_t feed_ns = feed_turn(shard);
        const int64_t sink_ns = sink_turn(shard);
        const int64_t sleep_ns =
            feed_ns == 0 || (sink_ns != 0 && sink_ns < feed_ns) ? sink_ns : feed_ns;
        const bool is_clear = flush_outboxes(shard);
        if (is_clear && !shard->is_failed) {
            busy |= step_release(shard);
            if (!shard->is_draining && pen_ship_has_room(shard->ship)) {
                busy |= step_scan(shard);
            }
        }
        full_tell(shard);
        news_tell(shard, busy);
        /* Who takes from a full mailbox does not wake its producer: a parked shard looks again. */
        const bool is_parked = !flush_outboxes(shard);
        if (busy) {
            (void)pen_ring_turn(shard->ring, false, 0);
        } else {
            shard_sleep(shard, sleep_ns, is_parked);
        }
    }
    open_objects_return(shard);
    while (!feed_cancel(shard) || !pen_ship_cancel(shard->ship)) {
        (void)pen_ring_turn(shard->ring, true, PARKED_NS);
    }
}

/* ---- start ---- */

static pen_status shard_stages(struct shard *shard, struct pen_err *err)
{
    const struct shard_shared *shared = shard->shared;
    const struct pen_replay_options *o = shared->options;
    PEN_TRY(pen_ring_new(RING_ENTRIES, &shard->ring, err));
    PEN_TRY(feed_new(shard, err));
    const struct pen_scan_options scan = {.program = shared->program,
                                          .want_source = !o->signals_only,
                                          .message = (enum pen_message)o->message,
                                          .as_type = o->as_type == NULL ? (pen_slice){0}
                                                                        : pen_slice_str(o->as_type),
                                          .by_key_only = o->by_key_only != 0,
                                          .ingested_ns = shared->ingested_ns,
                                          .record_bytes_max = o->record_bytes_max,
                                          .bad_in_a_row_max = o->bad_in_a_row_max,
                                          .plain_bytes_max = o->plain_bytes_max,
                                          .ratio_max = pen_u32(o->ratio_max)};
    PEN_TRY(pen_scan_new(&scan, &shard->scan, err));
    shard->excluded = calloc(PEN_COUNTED_MAX, sizeof(*shard->excluded));
    PEN_CHECK(shard->excluded != NULL);
    struct pen_ship_options ship = shard_ship_options(o);
    ship.dir = shared->documents_dir;
    ship.shard = shard->index;
    ship.first_sequence = shared->first_sequence;
    ship.ring = shard->ring;
    ship.sink = shared->sink;
    ship.refused = sink_refused;
    ship.ctx = shard;
    PEN_TRY(pen_ship_new(&ship, &shard->ship, err));
    const struct pen_state_options state = {
        .dir = shared->state_dir,
        .shard = shard->index,
        .shards = shard->shards,
        .hash_key = shared->hash_key,
        .rules = shared->state_rules,
        .rule_count = pen_rules_count(shared->program->rules),
        .samples_first = pen_u32(o->events_first),
        .samples_last = pen_u32(o->events_last),
        .memory_bytes_max = o->state_bytes_max,
        .groups_max = pen_u32((o->groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS),
        .window_events_max = pen_u32(o->window_events_max),
        .values_max = pen_u32(o->values_max),
        .has_begin = o->from_ns != INT64_MIN,
        .begin_ns = o->from_ns,
        .has_tell_from = shared->tell_from_ns != INT64_MIN,
        .tell_from_ns = shared->tell_from_ns,
        .new_values_max = pen_u32(o->new_values_max),
        .named_groups_max = pen_u32((o->named_groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS),
        .anomaly_groups_max =
            pen_u32((o->anomaly_groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS),
        .places_max = pen_u32(o->places_max),
        .pass = on_passed,
        .pass_ctx = shard,
        .is_log_cut = shared->base.exists,
        .log_from_ns = shared->base.position_max_ns};
    PEN_TRY(pen_state_new(&state, &shard->state, err));
    return state_begin(shard, &shared->snapshot, err);
}

static void shard_edges(struct shard *shard)
{
    struct topology *topology = shard->shared->topology;
    shard->to_control = &topology->to_control[shard->index];
    shard->from_control = topology->to_shard[shard->index].box;
    shard->out = &topology->between[(size_t)shard->index * shard->shards];
    shard->batches = calloc(shard->shards, sizeof(*shard->batches));
    shard->in = calloc(shard->shards, sizeof(struct pen_mailbox *));
    shard->peer_epoch = calloc(shard->shards, sizeof(*shard->peer_epoch));
    PEN_CHECK(shard->batches != NULL && shard->in != NULL && shard->peer_epoch != NULL);
    for (uint32_t j = 0; j < shard->shards; j++) {
        pen_buf_init(&shard->batches[j].bytes, SIZE_MAX);
        shard->in[j] = topology->between[(size_t)j * shard->shards + shard->index].box;
        shard->peer_epoch[j] = shard->shared->first_epoch;
    }
    shard->epoch = shard->shared->first_epoch;
    pen_buf_init(&shard->group, (size_t)16 << 20);
    pen_buf_init(&shard->own_group, (size_t)16 << 20);
    observer_init(&shard->observer, shard->shared->program,
                  pen_u32(shard->shared->options->observed_groups_max));
    pen_buf_init(&shard->damage, DAMAGE_BYTES_MAX);
    pen_buf_init(&shard->compact, (size_t)16 << 20);
    pen_buf_init(&shard->passed, SIZE_MAX);
}

static void shard_fini(struct shard *shard)
{
    observer_fini(&shard->observer);
    pen_state_free(shard->state);
    pen_ship_free(shard->ship);
    pen_scan_free(shard->scan);
    feed_free(shard);
    for (uint32_t j = 0; j < shard->shards; j++) {
        pen_buf_fini(&shard->batches[j].bytes);
    }
    origins_fini(&shard->origins);
    free(shard->excluded);
    pen_buf_fini(&shard->group);
    pen_buf_fini(&shard->own_group);
    pen_buf_fini(&shard->damage);
    pen_buf_fini(&shard->compact);
    pen_buf_fini(&shard->passed);
    free(shard->batches);
    free(shard->in);
    free(shard->peer_epoch);
}

/* Waits for START: by then every ring exists and the edges know their targets. */
static bool shard_hello(struct shard *shard, const struct pen_err *err)
{
    struct message *hello = message_new(MSG_HELLO);
    hello->ring = shard->ring;
    hello->err = *err;
    send_control(shard, hello);
    if (shard->ring == NULL) {
        return false;
    }
    void *message = NULL;
    while (!pen_mailbox_pop(shard->from_control, &message)) {
        (void)pen_ring_turn(shard->ring, true, 100000000);
    }
    const bool go = ((struct message *)message)->kind == MSG_START;
    message_free(message);
    return go;
}

void shard_main(void *ctx)
{
    const struct shard_start *start = ctx;
    struct shard shard = {
        .shared = start->shared, .index = start->index, .shards = start->shared->topology->shards};
    struct pen_err err = {0};
    shard.costs = start->costs;
    shard_edges(&shard);
    const pen_status st = shard_stages(&shard, &err);
    /* Only a ring can wake another; control looks into its mailboxes from time to time as well. */
    shard.to_control->target = shard.ring == NULL ? NULL : start->control_ring;
    PEN_CHECK(st == PEN_OK || err.status != PEN_OK);
    if (shard_hello(&shard, &err)) {
        shard_loop(&shard);
    }
    shard_fini(&shard);
}
