/* tested by tests/e2e/test_replay.py */
#include "control.h"

#include "penstock/node.h"

#include "killpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PARKED_NS INT64_C(200000)
#define ROUND_OBJECTS 4096U   /* dealt largest first; the next round begins at once */
#define LIST_STEP_OBJECTS 64U /* between looks at the mailboxes: below a millisecond */
#define CREDIT_OBJECTS 32U    /* below SHARD_READ_SLOTS */
#define CREDIT_BYTES ((uint64_t)8 << 20)
#define DEAD_BYTES_MAX ((size_t)8 << 20)
#define WORDS_BYTES_MAX ((size_t)64 << 10)

/* Written by handlers and read by the control thread alone: other threads block signals. */
volatile sig_atomic_t g_signal_pending;

void pen_replay_interrupt(void)
{
    static const char at_once[] =
        "\npenstock: stopped at once; the same command resumes from the last commit\n";
    if (g_signal_pending++ > 0) { /* wherever the run is: as safe as a kill */
        const ssize_t n = write(STDERR_FILENO, at_once, sizeof(at_once) - 1);
        (void)n; /* nobody is left to be told */
        _exit(6);
    }
}

bool is_interrupted(void)
{
    return g_signal_pending > 0;
}

void words(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    const int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0) {
        return;
    }
    /* Line ends are ours at both ends only: one inside came with a name. */
    const size_t begin = strspn(text, "\n");
    size_t end = (size_t)len;
    while (end > begin && text[end - 1] == '\n') {
        end--;
    }
    struct pen_buf out;
    pen_buf_init(&out, WORDS_BYTES_MAX);
    if (pen_escape_terminal(&out, (pen_slice){(const uint8_t *)text + begin, end - begin}) ==
        PEN_OK) {
        (void)fprintf(stderr, "%.*s%.*s%s", (int)begin, text, (int)out.len, (const char *)out.ptr,
                      text + end);
    }
    pen_buf_fini(&out);
    free(text);
}

void stop(struct control *c, const char *reason)
{
    if (!c->is_draining) {
        c->is_draining = true;
        c->drain_ns = pen_clock_mono_ns();
        (void)snprintf(c->reason, sizeof(c->reason), "%s", reason);
    }
}

/* ---- listing and dealing ---- */

/* What the committed prefix of an object added to the totals. */
static pen_status object_before(struct control *c, struct pen_object *object, struct pen_err *err)
{
    struct ledger one;
    struct pen_buf text;
    ledger_init(&one);
    pen_buf_init(&text, LEDGER_TEXT_MAX);
    pen_status st = checkpoint_open_counters(c->job.checkpoint, object->path, &text, err);
    if (st == PEN_OK) {
        st = ledger_read(&one, pen_slice_str((const char *)text.ptr), err);
    }
    if (st == PEN_OK) {
        object->before = malloc(sizeof(*object->before));
        PEN_CHECK(object->before != NULL);
        *object->before = one.totals;
    }
    pen_buf_fini(&text);
    ledger_fini(&one);
    return st;
}

/* False when an earlier run finished it; what that run left open gets its committed prefix. */
static bool object_resume(struct control *c, struct pen_object *object, pen_status *st,
                          struct pen_err *err)
{
    const struct unit *unit = &c->planner.units[object->unit];
    struct checkpoint_open_object open;
    bool found = false;
    if (*st == PEN_OK) {
        *st = again_load(&c->again, &c->job, unit, err);
    }
    if (*st == PEN_OK && again_is_finished(&c->again, &c->job, unit, object)) {
        return false;
    }
    if (*st == PEN_OK) {
        *st = checkpoint_open_object(c->job.checkpoint, object->path, &open, &found, err);
    }
    if (found && object->bucket != 0 &&
        (object->size != open.size || object->mtime_ns != open.mtime_ns)) {
        free(object->etag);
        object->etag =
            strdup("changed"); /* no object has such an ETag: the reader says `changed` */
        PEN_CHECK(object->etag != NULL);
    }
    if (found) {
        object->skip_records = open.records;
        object->size = open.size; /* when the file is another now, the reader says `changed` */
        object->mtime_ns = open.mtime_ns;
        *st = object_before(c, object, err);
    }
    return true;
}

/* Counts what was listed; of a job that goes on, only what is left stays in the list. */
static pen_status list_take(struct control *c, struct object_list *list, uint32_t first,
                            struct pen_err *err)
{
    uint32_t kept = first;
    pen_status st = PEN_OK;
    for (uint32_t i = first; i < list->count; i++) {
        struct pen_object *object = list->items[i];
        if (c->job.is_resumed && !object_resume(c, object, &st, err)) {
            c->objects_before++;
            c->bytes_before += object->size;
            object_free(object);
            continue;
        }
        object->may_exist = c->is_resend;
        list->items[kept++] = object;
        c->objects_open++;
        c->planner.units[object->unit].open_objects++;
    }
    list->count = kept;
    return st;
}

/* The few large objects that go before all others. */
static pen_status list_early(struct control *c, struct pen_err *err)
{
    struct object_list all = {0};
    pen_status st = planner_early(&c->planner, &all, err);
    c->round = (struct object_list){.items = all.items, .cap = all.cap};
    for (uint32_t i = 0; i < all.count; i++) {
        const uint32_t first = c->round.count;
        c->round.items[c->round.count++] = all.items[i];
        if (st == PEN_OK) {
            st = list_take(c, &c->round, first, err);
        }
        again_clear(&c->again); /* each is of another unit */
    }
    c->objects_pruned += all.pruned;
    return st;
}

/* The next objects of the unit that is listed, room of them at most. */
static pen_status list_unit(struct control *c, struct object_list *list, uint32_t room,
                            struct pen_err *err)
{
    struct unit *unit = &c->planner.units[c->next_unit];
    if (unit->is_closed) {
        c->next_unit++;
        return PEN_OK;
    }
    const uint32_t first = list->count;
    const uint64_t pruned = list->pruned;
    bool is_done = true;
    const pen_status st = planner_list(&c->planner, c->next_unit, room, list, &is_done, err);
    const bool is_remote = unit->bucket != 0 && is_done; /* any failure of a listing is a gap */
    if (st == PEN_E_DENIED || st == PEN_E_NOT_FOUND || (st != PEN_OK && is_remote)) {
        SAY(c, WARN, "penstock: cannot read %s %s\n", is_remote ? "listing of" : "folder",
            err->text);
        c->folder_gaps++;
        unit->has_failed = true;
    } else if (st != PEN_OK) {
        return st;
    }
    c->objects_pruned += list->pruned - pruned;
    PEN_TRY(list_take(c, list, first, err));
    if (is_done) {
        unit->is_listed = true;
        c->next_unit++;
        again_clear(&c->again);
    }
    return PEN_OK;
}

static int size_order(const void *a, const void *b)
{
    const struct pen_object *const *x = a;
    const struct pen_object *const *y = b;
    if ((*x)->size != (*y)->size) {
        return (*x)->size > (*y)->size ? -1 : 1;
    }
    return strcmp((*x)->path, (*y)->path);
}

/* True when objects were added to the list, or units without objects passed. */
static bool list_step(struct control *c, struct object_list *list, uint32_t room,
                      struct pen_err *err)
{
    if (list->count >= ROUND_OBJECTS || c->next_unit == c->planner.unit_count || is_interrupted()) {
        return false;
    }
    const uint32_t left = ROUND_OBJECTS - list->count;
    const uint32_t count = list->count;
    const uint32_t unit = c->next_unit;
    if (list_unit(c, list, room < left ? room : left, err) != PEN_OK) {
        c->failure = *err;
        return false;
    }
    return list->count != count || c->next_unit != unit; /* else its page has not come yet */
}

/* The next round, or as much of it as was listed ahead.  False when nothing is left to deal. */
static bool round_next(struct control *c, struct pen_err *err)
{
    if (c->round_next < c->round.count) {
        return true;
    }
    if (!c->planner.early.is_out) {
        if (list_early(c, err) != PEN_OK) {
            c->failure = *err;
            return false;
        }
        if (c->round.count > 0) {
            return true;
        }
    }
    const bool is_first = c->round.items == NULL; /* dealt whole, largest first */
    const struct object_list dealt = c->round;
    c->round = c->ahead;
    c->ahead = dealt;
    c->ahead.count = 0;
    c->round_next = 0;
    while ((is_first || c->round.count == 0) && list_step(c, &c->round, ROUND_OBJECTS, err)) {
    }
    if (c->round.count > 1 && !c->options->newest_first) { /* who wants the newest wants them now */
        qsort(c->round.items, c->round.count, sizeof(struct pen_object *), size_order);
    }
    return c->round.count > 0 && c->failure.status == PEN_OK;
}

/* A part of the next round while shards read this one: they do not wait for a listing. */
static bool list_ahead(struct control *c)
{
    struct pen_err err = {0};
    return c->failure.status == PEN_OK && c->round.count > 0 && !c->is_draining &&
           list_step(c, &c->ahead, LIST_STEP_OBJECTS, &err);
}

static bool has_credit(const struct control *c, const struct shard_slot *slot)
{
    const bool is_remote = c->planner.bucket_count > 0; /* answers are far: many are asked for */
    const uint64_t most = is_remote ? c->options->fetch_slots : CREDIT_OBJECTS;
    const uint64_t bytes = is_remote ? 2 * c->options->fetch_bytes_max : CREDIT_BYTES;
    const uint64_t objects = c->options->mailbox_capacity == 1 ? 1 : most;
    return slot->objects == 0 || (slot->objects < objects && slot->bytes < bytes);
}

/* Where the bucket is may have been learned from it. */
static bool is_crossing(const struct control *c, const struct pen_object *object)
{
    return object->bucket > 0 && c->node_region[0] != '\0' &&
           strcmp(bucket_endpoint(c->planner.buckets[object->bucket - 1])->region,
                  c->node_region) != 0;
}

static void deal(struct control *c)
{
    struct pen_err err = {0};
    if (c->is_draining || c->spending.is_spent || c->failure.status != PEN_OK) {
        return;
    }
    for (;;) {
        struct shard_slot *least = NULL;
        for (uint32_t i = 0; i < c->shards; i++) {
            struct shard_slot *slot = &c->slots[i];
            if (has_credit(c, slot) && (least == NULL || slot->bytes < least->bytes)) {
                least = slot;
            }
        }
        if (least == NULL || !round_next(c, &err)) {
            return;
        }
        struct pen_object *object = c->round.items[c->round_next];
        if (!spending_allows(&c->spending, c->options, object, is_crossing(c, object),
                             planner_lists(&c->planner))) {
            return;
        }
        c->round_next++;
        const uint32_t to = (uint32_t)(least - c->slots);
        object->shard = to;
        least->objects++;
        least->bytes += object->size;
        c->outstanding++;
        struct message *message = message_new(MSG_OBJECT);
        message->object = object;
        (void)edge_send(&c->topology.to_shard[to], c->ring, message);
    }
}

void broadcast(struct control *c, enum message_kind kind, uint64_t epoch, int64_t watermark)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        struct message *message = message_new(kind);
        message->epoch = epoch;
        message->watermark_ns = watermark;
        message->tables = c->program->enrich == NULL ? NULL : pen_enrich_now(c->program->enrich);
        message->totals.time_last_ns = c->committed.totals.time_last_ns;
        message->wants_snapshot = kind == MSG_COMMITTED && c->is_snapshotting;
        message->falls_back = kind == MSG_COMMITTED && c->is_falling_back;
        (void)edge_send(&c->topology.to_shard[i], c->ring, message);
    }
}

/* ---- messages from shards ---- */

struct ledger *ledger_of(struct control *c, uint32_t shard)
{
    return c->is_committing && c->slots[shard].is_cut ? &c->next : &c->now;
}

/* Keeps the message. */
static void cut_take(struct shard_slot *slot, struct message *message)
{
    PEN_CHECK(slot->cut == NULL);
    slot->cut = message;
    slot->times = message->times;
    slot->regex_limits = message->regex_limits;
    slot->damaged = message->damaged;
    slot->is_cut = true;
}

static void dead(struct control *c, const struct message *message)
{
    if (pen_buf_add(&ledger_of(c, message->from)->dead,
                    (pen_slice){message->bytes, message->byte_count}) != PEN_OK) {
        (void)PEN_FAIL(&c->failure, PEN_E_NOMEM, PEN_NO_OFFSET, "dead letters: out of memory");
    }
    c->is_dirty = true;
}

static void on_message(struct control *c, struct message *message)
{
    struct shard_slot *slot = &c->slots[message->from];
    switch (message->kind) {
    case MSG_DONE:
        if (message->outcome == OBJECT_GIVEN_BACK) {
            object_free(message->object);
        } else {
            object_done(c, message);
        }
        break;
    case MSG_DEAD:
        dead(c, message);
        break;
    case MSG_REFUSED:
    case MSG_STATE:
        sink_message(c, message);
        break;
    case MSG_MOVED:
        moved(c, message);
        break;
    case MSG_FULL:
        c->is_full = c->is_dirty = true;
        break;
    case MSG_CUT:
        PEN_CHECK(message->epoch == c->epoch);
        cut_take(slot, message);
        return;
    case MSG_READY:
        PEN_CHECK(message->epoch == c->epoch && slot->cut != NULL);
        memcpy(slot->cut->run_name, message->run_name, sizeof(message->run_name));
        slot->cut->run_bytes = message->run_bytes;
        slot->cut->totals.bytes_shipped = message->totals.bytes_shipped;
        slot->times = message->times; /* with the wait for the sink */
        c->now.totals.records_delivered -= message->totals.records_duplicate;
        c->now.totals.records_duplicate += message->totals.records_duplicate;
        c->job.log_bytes += message->run_bytes;
        slot->is_ready = true;
        slot->is_behind = message->is_behind;
        break;
    case MSG_SIGNAL:
    case MSG_PASSED:
        stages_message(c, message);
        break;
    case MSG_RELEASED:
        slot->released = message->epoch;
        slot->watermark_ns = message->watermark_ns;
        slot->snapshot_position_ns = message->position_ns;
        slot->state = message->state;
        break;
    case MSG_FAIL:
        c->failure = message->err;
        break;
    case MSG_HELLO:
    case MSG_START:
    case MSG_OBJECT:
    case MSG_COMMIT:
    case MSG_COMMITTED:
    case MSG_CREDENTIALS:
    case MSG_ADDRESSES:
    case MSG_DRAIN:
    case MSG_STOP:
    case MSG_OBSERVATIONS:
    case MSG_MARK:
        pen_panic(PEN_HERE, "message from a shard");
    }
    message_free(message);
}

bool drain(struct control *c)
{
    bool busy = false;
    for (uint32_t i = 0; i < c->shards; i++) {
        void *message = NULL;
        while (pen_mailbox_pop(c->topology.to_control[i].box, &message)) {
            on_message(c, message);
            busy = true;
        }
        (void)edge_flush(&c->topology.to_shard[i], c->ring);
    }
    return busy;
}

/* ---- the loop ---- */

static bool all_slots(const struct control *c, bool (*is)(const struct control *, uint32_t))
{
    for (uint32_t i = 0; i < c->shards; i++) {
        if (!is(c, i)) {
            return false;
        }
    }
    return true;
}

static bool slot_ready(const struct control *c, uint32_t i)
{
    return c->slots[i].is_ready;
}

static bool slot_released(const struct control *c, uint32_t i)
{
    return c->slots[i].released == c->epoch - 1;
}

static bool all_read(const struct control *c)
{
    return c->outstanding == 0 && c->round_next == c->round.count && c->ahead.count == 0 &&
           c->next_unit == c->planner.unit_count;
}

static void interrupts(struct control *c)
{
    if (is_interrupted() && !c->is_draining) {
        SAY(c, INFO, "\npenstock: stopping after a commit (again to stop at once)\n");
        stop(c, "interrupted");
        broadcast(c, MSG_DRAIN, 0, 0);
    }
}

/* What waits for its release is on disk; more than this is not a plan that works out. */
static void log_limit(struct control *c)
{
    if (c->job.log_bytes <= c->options->log_bytes_max || c->is_draining || c->is_final ||
        all_read(c)) {
        return;
    }
    char reason[sizeof(c->reason)];
    (void)snprintf(reason, sizeof(reason),
                   "the observation log holds %" PRIu64 " bytes, state.log_bytes_max is %" PRIu64,
                   c->job.log_bytes, c->options->log_bytes_max);
    stop(c, reason);
    SAY(c, WARN,
        "penstock: stopping: %s; the same command with --set state.log_bytes_max=... goes on\n",
        reason);
    broadcast(c, MSG_DRAIN, 0, 0);
}

/* What was dealt is read to its end; then the run stops, and can go on. */
static void spending_end(struct control *c)
{
    if (c->spending.is_spent && c->outstanding == 0 && !c->is_draining) {
        stop(c, c->spending.reason);
        SAY(c, WARN, "penstock: stopping: %s; the same command goes on\n", c->spending.reason);
        broadcast(c, MSG_DRAIN, 0, 0);
    }
}

/* A message waits for room in a mailbox; who makes the room does not wake us. */
static bool is_parked(const struct control *c)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        if (c->topology.to_shard[i].head != NULL) {
            return true;
        }
    }
    return false;
}

/* Dead letters and observations wait in memory for the commit: many of them call for it. */
static bool is_commit_due(const struct control *c)
{
    return pen_clock_mono_ns() - c->committed_at_ns >= c->options->commit_ns ||
           c->now.dead.len >= DEAD_BYTES_MAX || c->is_full;
}

/* What has become of credentials, which are renewed beside the run, is told to the shards. */
static void credentials_turn(struct control *c)
{
    for (uint32_t i = 0; i < c->planner.bucket_count; i++) {
        const bool has_news = bucket_renew(c->planner.buckets[i]);
        for (uint32_t j = 0; has_news && j < c->shards; j++) {
            struct message *message = message_new(MSG_CREDENTIALS);
            message->bytes =
                credentials_text(bucket_credentials(c->planner.buckets[i]), &message->byte_count);
            message->bucket = i;
            (void)edge_send(&c->topology.to_shard[j], c->ring, message);
        }
    }
}

static int64_t turn_ns(const struct control *c)
{
    const bool is_listing = planner_is_waiting(&c->planner, c->next_unit) &&
                            c->ahead.count < ROUND_OBJECTS && !c->is_draining;
    return is_parked(c) ? PARKED_NS : is_listing ? LISTING_TURN_NS : TURN_NS;
}

/* The turn before this one, for each shard that waited in it for the listing. */
static void listing_time(struct control *c)
{
    const int64_t now = pen_clock_mono_ns();
    const bool is_listing = c->next_unit < c->planner.unit_count && !c->is_draining;
    for (uint32_t i = 0; is_listing && c->turned_ns != 0 && i < c->shards; i++) {
        c->listing_ns += c->slots[i].objects == 0 ? now - c->turned_ns : 0;
    }
    c->turned_ns = now;
}

/* When all shards have written their part of it; that of the end is named later.  False: failed. */
static bool snapshot_end(struct control *c)
{
    struct pen_err err = {0};
    if (!c->is_snapshotting || c->is_final || !all_slots(c, slot_released) ||
        !stages_are_through(c)) {
        return true;
    }
    c->is_snapshotting = false; /* every signal of the release is put: they came before */
    if (snapshots_take(c, false, &err) != PEN_OK) {
        c->failure = err;
    }
    return c->failure.status == PEN_OK;
}

/* Begins the next commit when it is time.  True when the last one is released everywhere. */
static bool commit_turn(struct control *c)
{
    if (c->is_committing || (c->is_snapshotting && !c->is_final)) {
        return false;
    }
    const bool wants_end = c->is_draining || all_read(c);
    if (c->is_final && all_slots(c, slot_released) && !stages_turn(c)) {
        return true;
    }
    if (wants_end && !c->is_final) {
        c->is_final = true; /* commit_end then releases all; a drained run only its watermark */
        commit_begin(c);
    } else if (!c->is_final && c->is_dirty && is_commit_due(c)) {
        commit_begin(c);
    }
    return false;
}

/* True when the run is over: the last commit is released everywhere. */
bool loop_turn(struct control *c)
{
    listing_time(c);
    bool busy = drain(c);
    busy |= stages_turn(c);
    interrupts(c);
    log_limit(c);
    spending_end(c);
    credentials_turn(c);
    sink_renew(c, true);
    addresses_turn(c, true);
    deal(c);
    busy |= list_ahead(c);
    if (c->is_committing && all_slots(c, slot_ready)) {
        commit_end(c);
        busy = true;
        if (c->failure.status != PEN_OK) {
            return true;
        }
    }
    if (sink_gives_up(c)) {
        return true;
    }
    struct pen_err err = {0};
    if (!busy && signals_db_flush(c->signals, &err) != PEN_OK) {
        c->failure = err;
    }
    if (!busy) {
        bool is_idle = true;
        kill_point(c->options, "signals", c->epoch - 1);
        if (c->failure.status == PEN_OK && sink_signals_turn(c, &is_idle, &err) != PEN_OK) {
            c->failure = err;
        }
    }
    if (c->failure.status != PEN_OK || !snapshot_end(c)) {
        return true;
    }
    if (commit_turn(c)) {
        return true;
    }
    progress(c, false);
    if (!busy) {
        (void)pen_ring_turn(c->ring, true, turn_ns(c));
    } else {
        (void)pen_ring_turn(c->ring, false, 0);
    }
    return false;
}
