/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "job.h"
#include "ledger.h"
#include "planner.h"
#include "shard.h"
#include "signals_db.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RING_ENTRIES 256u
#define ROUND_OBJECTS 4096u /* dealt largest first; the next round begins at once */
#define CREDIT_OBJECTS 32u  /* below READ_SLOTS of a shard */
#define CREDIT_BYTES ((uint64_t)8 << 20)
#define SHARDS_MAX 64u
#define TURN_NS INT64_C(100000000)
#define PROGRESS_LINE_NS (INT64_C(10) * PEN_NS_PER_S)

volatile sig_atomic_t g_signal_pending;

void pen_replay_interrupt(void)
{
    g_signal_pending++;
}

struct shard_slot {
    struct pen_thread *thread;
    struct shard_start start;
    struct pen_ring *ring;
    uint32_t objects; /* dealt, not done */
    uint64_t bytes;
    struct message *cut; /* of the epoch being committed */
    bool is_cut, is_ready;
    uint64_t released; /* epoch up to which its release is done */
};

struct control {
    const struct pen_replay_options *options;
    struct pen_program *program;
    struct pen_replay_result *result;
    struct job job;
    struct planner planner;
    struct signals_db *signals;
    struct topology topology;
    struct shard_shared shared;
    struct shard_slot slots[SHARDS_MAX];
    uint32_t shards;
    struct pen_ring *ring;
    struct pen_state_rule *state_rules;

    struct object_list round;
    uint32_t round_next, next_unit, low_unit;
    uint64_t outstanding;
    uint64_t objects_total_seen, objects_done, bytes_done;

    struct ledger committed, now, next; /* next: what shards did after their cut */
    uint64_t epoch;                     /* being made */
    bool is_committing, is_final, is_draining;
    int64_t committed_at_ns;
    uint64_t shipped_base, shipped_now; /* by earlier runs; by this one up to its last cut */
    int64_t watermark_ns;
    bool is_dirty; /* something happened since the last commit */

    char accounts[4096][13];
    char regions[256][24];
    struct pen_err failure;
    int64_t started_ns, wall_started_ns, progress_at_ns;
};

static void words(const char *fmt, ...) PEN_PRINTF(1, 2);
static void words(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
}

/* ---- listing and dealing ---- */

static void distinct_add(char *table, size_t rows, size_t width, pen_slice value, uint32_t *count)
{
    for (uint32_t i = 0; i < *count; i++) {
        const char *row = table + i * width;
        if (strlen(row) == value.len && memcmp(row, value.ptr, value.len) == 0) {
            return;
        }
    }
    if (value.len > 0 && value.len < width && *count < rows) {
        memcpy(table + *count * width, value.ptr, value.len);
        table[*count * width + value.len] = '\0';
        (*count)++;
    }
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

/* Drops what an earlier run finished; gives what it left open its committed prefix. */
static pen_status round_resume(struct control *c, uint32_t first, struct pen_err *err)
{
    const struct unit *unit = &c->planner.units[c->next_unit];
    uint64_t *hashes = NULL;
    size_t count = 0;
    PEN_TRY(checkpoint_finished(c->job.checkpoint, unit->path, &hashes, &count, err));
    uint32_t kept = first;
    pen_status st = PEN_OK;
    for (uint32_t i = first; i < c->round.count; i++) {
        struct pen_object *object = c->round.items[i];
        if (hash_known(hashes, count, object->name_hash)) {
            object_free(object);
            continue;
        }
        struct checkpoint_open_object open;
        bool found = false;
        if (st == PEN_OK) {
            st = checkpoint_open_object(c->job.checkpoint, object->path, &open, &found, err);
        }
        if (found) {
            object->skip_records = open.records;
            object->size = open.size; /* when the file is another now, the reader says `changed` */
            object->mtime_ns = open.mtime_ns;
        }
        c->round.items[kept++] = object;
    }
    c->round.count = kept;
    free(hashes);
    return st;
}

static pen_status round_unit(struct control *c, struct pen_err *err)
{
    struct unit *unit = &c->planner.units[c->next_unit];
    const uint32_t first = c->round.count;
    const uint64_t pruned = c->round.pruned;
    const pen_status st = planner_list(&c->planner, c->next_unit, &c->round, err);
    if (st == PEN_E_DENIED || st == PEN_E_NOT_FOUND) {
        words("penstock: %s\n", err->text);
        ledger_gap(&c->now, "unreadable-folder", (pen_slice){0});
    } else if (st != PEN_OK) {
        return st;
    }
    c->objects_total_seen += c->round.count - first + c->round.pruned - pruned;
    if (c->job.is_resumed) {
        PEN_TRY(round_resume(c, first, err));
    }
    c->now.totals.objects_listed += c->round.count - first;
    c->now.totals.objects_pruned += c->round.pruned - pruned;
    unit->is_listed = true;
    unit->open_objects = c->round.count - first;
    c->next_unit++;
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

/* Lists folders until a round is full.  False when nothing is left to deal. */
static bool round_fill(struct control *c, struct pen_err *err)
{
    if (c->round_next < c->round.count) {
        return true;
    }
    c->round.count = 0;
    c->round_next = 0;
    while (c->round.count < ROUND_OBJECTS && c->next_unit < c->planner.unit_count) {
        if (round_unit(c, err) != PEN_OK) {
            c->failure = *err;
            return false;
        }
    }
    if (c->round.count > 1) {
        qsort(c->round.items, c->round.count, sizeof(struct pen_object *), size_order);
    }
    return c->round.count > 0;
}

static bool has_credit(const struct control *c, const struct shard_slot *slot)
{
    const uint32_t objects = c->options->mailbox_capacity == 1 ? 1 : CREDIT_OBJECTS;
    return slot->objects == 0 || (slot->objects < objects && slot->bytes < CREDIT_BYTES);
}

static void deal(struct control *c)
{
    struct pen_err err = {0};
    if (c->is_draining || c->failure.status != PEN_OK) {
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
        if (least == NULL || !round_fill(c, &err)) {
            return;
        }
        struct pen_object *object = c->round.items[c->round_next++];
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

/* ---- commit ---- */

static void broadcast(struct control *c, enum message_kind kind, uint64_t epoch, int64_t watermark)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        struct message *message = message_new(kind);
        message->epoch = epoch;
        message->watermark_ns = watermark;
        message->totals.time_last_ns = c->committed.totals.time_last_ns;
        (void)edge_send(&c->topology.to_shard[i], c->ring, message);
    }
}

static void commit_begin(struct control *c)
{
    PEN_CHECK(!c->is_committing);
    c->is_committing = true;
    for (uint32_t i = 0; i < c->shards; i++) {
        c->slots[i].is_cut = false;
        c->slots[i].is_ready = false;
    }
    broadcast(c, MSG_COMMIT, c->epoch, 0);
}

/* Dead letters of the epoch: one zstd frame behind what is committed. */
static pen_status commit_dead(struct control *c, struct pen_err *err)
{
    if (c->now.dead.len == 0) {
        return PEN_OK;
    }
    const size_t cap = ZSTD_compressBound(c->now.dead.len);
    uint8_t *frame = malloc(cap);
    PEN_CHECK(frame != NULL);
    const size_t len = ZSTD_compress(frame, cap, c->now.dead.ptr, c->now.dead.len, 3);
    PEN_CHECK(!ZSTD_isError(len));
    const int fd = open(c->job.dead_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    pen_status st = PEN_OK;
    if (fd < 0 || pwrite(fd, frame, len, (off_t)c->job.dead_bytes) != (ssize_t)len ||
        fsync(fd) != 0) {
        st = PEN_FAIL(err, errno == ENOSPC ? PEN_E_NOSPACE : PEN_E_IO, PEN_NO_OFFSET, "%s: %s",
                      c->job.dead_path, strerrordesc_np(errno));
    } else {
        c->job.dead_bytes += len;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(frame);
    return st;
}

static int finished_order(const void *a, const void *b)
{
    const struct finished_object *x = a;
    const struct finished_object *y = b;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static pen_status commit_finished(struct control *c, struct pen_err *err)
{
    struct ledger *now = &c->now;
    if (now->finished_count == 0) {
        return PEN_OK;
    }
    qsort(now->finished, now->finished_count, sizeof(*now->finished), finished_order);
    uint64_t *hashes = malloc(now->finished_count * sizeof(*hashes));
    PEN_CHECK(hashes != NULL);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < now->finished_count;) {
        const uint32_t unit = now->finished[i].unit;
        size_t count = 0;
        while (i < now->finished_count && now->finished[i].unit == unit) {
            hashes[count++] = now->finished[i++].name_hash;
        }
        st = checkpoint_add_finished(c->job.checkpoint, c->planner.units[unit].path, hashes, count,
                                     err);
    }
    free(hashes);
    return st;
}

static pen_status commit_values(struct control *c, struct pen_err *err)
{
    struct ledger sum;
    ledger_init(&sum);
    ledger_merge(&sum, &c->committed);
    ledger_merge(&sum, &c->now);
    sum.totals.bytes_shipped = c->shipped_base;
    c->shipped_now = 0;
    for (uint32_t i = 0; i < c->shards; i++) {
        const struct message *cut = c->slots[i].cut;
        sum.totals.bytes_shipped += cut->totals.bytes_shipped;
        c->shipped_now += cut->totals.bytes_shipped;
        if (cut->object != NULL) { /* what the open object gave so far */
            totals_merge(&sum.totals, &cut->open_totals);
        }
    }
    struct pen_buf text;
    pen_buf_init(&text, (size_t)1 << 20);
    pen_status st = ledger_write(&sum, &text);
    if (st == PEN_OK) {
        st = checkpoint_set(c->job.checkpoint, "totals", (const char *)text.ptr, err);
    }
    char number[32];
    if (st == PEN_OK) {
        (void)snprintf(number, sizeof(number), "%" PRIu64, c->epoch);
        st = checkpoint_set(c->job.checkpoint, "epoch", number, err);
    }
    if (st == PEN_OK) {
        (void)snprintf(number, sizeof(number), "%" PRIu64, c->job.dead_bytes);
        st = checkpoint_set(c->job.checkpoint, "dead_bytes", number, err);
    }
    pen_buf_fini(&text);
    ledger_fini(&sum);
    return st;
}

static pen_status commit_rows(struct control *c, struct pen_err *err)
{
    struct checkpoint *checkpoint = c->job.checkpoint;
    PEN_TRY(checkpoint_begin(checkpoint, err));
    PEN_TRY(checkpoint_clear_open(checkpoint, err));
    for (uint32_t i = 0; i < c->shards; i++) {
        const struct message *cut = c->slots[i].cut;
        for (uint32_t f = 0; f < cut->file_count; f++) {
            PEN_TRY(checkpoint_add_file(checkpoint, "document", cut->files[f].name,
                                        cut->files[f].bytes, err));
        }
        if (cut->run_name[0] != '\0') {
            PEN_TRY(checkpoint_add_file(checkpoint, "run", cut->run_name, cut->run_bytes, err));
        }
        if (cut->object != NULL && cut->open_records > 0) {
            PEN_TRY(checkpoint_add_open(checkpoint, cut->object, cut->open_records, err));
        }
    }
    PEN_TRY(commit_finished(c, err));
    PEN_TRY(commit_values(c, err));
    return checkpoint_end(checkpoint, err);
}

/* The lowest promise of any object that no commit holds yet. */
static int64_t watermark(struct control *c)
{
    while (c->low_unit < c->planner.unit_count) {
        const struct unit *unit = &c->planner.units[c->low_unit];
        if (!unit->is_listed || unit->open_objects > 0) {
            return unit->day_ns == INT64_MIN ? INT64_MIN : unit->day_ns - c->options->slack_ns;
        }
        c->low_unit++;
    }
    return INT64_MAX;
}

static void commit_end(struct control *c)
{
    struct pen_err err = {0};
    if (commit_dead(c, &err) != PEN_OK || commit_rows(c, &err) != PEN_OK) {
        c->failure = err;
        return;
    }
    for (uint32_t i = 0; i < c->now.finished_count; i++) {
        struct unit *unit = &c->planner.units[c->now.finished[i].unit];
        PEN_CHECK(unit->open_objects > 0);
        unit->open_objects--;
    }
    ledger_merge(&c->committed, &c->now);
    ledger_clear(&c->now);
    const struct ledger swap = c->now;
    c->now = c->next;
    c->next = swap;
    for (uint32_t i = 0; i < c->shards; i++) {
        message_free(c->slots[i].cut);
        c->slots[i].cut = NULL;
    }
    c->watermark_ns = c->is_final && !c->is_draining ? INT64_MAX : watermark(c);
    if (c->watermark_ns == INT64_MAX && (!c->is_final || c->is_draining)) {
        c->watermark_ns =
            INT64_MAX - 1; /* all released, but only the end closes by the largest time */
    }
    broadcast(c, MSG_COMMITTED, c->epoch, c->watermark_ns);
    c->epoch++;
    c->is_committing = false;
    c->is_dirty = false;
    c->committed_at_ns = pen_clock_mono_ns();
}

/* ---- messages from shards ---- */

static struct ledger *ledger_of(struct control *c, uint32_t shard)
{
    return c->is_committing && c->slots[shard].is_cut ? &c->next : &c->now;
}

static const char *gap_cause(const struct pen_err *err)
{
    if (err->status == PEN_E_NOT_FOUND) {
        return "not-found";
    }
    if (err->status == PEN_E_DENIED) {
        return "denied";
    }
    return err->status == PEN_E_CHANGED ? "changed" : "unreadable";
}

static void on_done(struct control *c, struct message *message)
{
    struct pen_object *object = message->object;
    struct shard_slot *slot = &c->slots[message->from];
    struct ledger *ledger = ledger_of(c, message->from);
    struct pen_totals *totals = &ledger->totals;
    slot->objects--;
    slot->bytes -= object->size;
    c->outstanding--;
    c->objects_done++;
    c->bytes_done += object->size;
    c->is_dirty = true;
    totals_merge(totals, &message->totals);
    totals->objects_read += message->outcome != OBJECT_UNREADABLE;
    totals->objects_empty += message->outcome == OBJECT_EMPTY;
    totals->objects_damaged += message->outcome == OBJECT_DAMAGED;
    totals->objects_unknown += message->outcome == OBJECT_UNKNOWN;
    totals->objects_unreadable += message->outcome == OBJECT_UNREADABLE;
    struct pen_type_totals *type = &ledger->by_type[message->type % 64];
    type->objects++;
    type->records += message->totals.records_in;
    type->dead += message->totals.records_dead;
    struct pen_key_info info;
    pen_classify_key(c->planner.classifier, pen_slice_str(object->key), &info);
    distinct_add(c->accounts[0], 4096, 13, info.account, &c->result->accounts);
    distinct_add(c->regions[0], 256, 24, info.region, &c->result->regions);
    if (message->outcome == OBJECT_UNREADABLE) {
        ledger_gap(ledger, gap_cause(&message->err), info.account);
    }
    ledger_finished(ledger, object->unit, object->name_hash);
    object_free(object);
}

static void on_message(struct control *c, struct message *message)
{
    struct pen_err err = {0};
    struct shard_slot *slot = &c->slots[message->from];
    switch (message->kind) {
    case MSG_DONE:
        if (message->outcome == OBJECT_GIVEN_BACK) {
            object_free(message->object);
        } else {
            on_done(c, message);
        }
        break;
    case MSG_DEAD:
        if (pen_buf_add(&ledger_of(c, message->from)->dead,
                        (pen_slice){message->bytes, message->byte_count}) != PEN_OK) {
            (void)PEN_FAIL(&c->failure, PEN_E_NOMEM, PEN_NO_OFFSET, "dead letters: out of memory");
        }
        c->is_dirty = true;
        break;
    case MSG_CUT:
        PEN_CHECK(message->epoch == c->epoch && slot->cut == NULL);
        slot->cut = message;
        slot->is_cut = true;
        return;
    case MSG_READY:
        PEN_CHECK(message->epoch == c->epoch && slot->cut != NULL);
        memcpy(slot->cut->run_name, message->run_name, sizeof(message->run_name));
        slot->cut->run_bytes = message->run_bytes;
        slot->is_ready = true;
        break;
    case MSG_SIGNAL:
        if (signals_db_put(c->signals, message->change, message->signal, &err) != PEN_OK) {
            c->failure = err;
        }
        break;
    case MSG_RELEASED:
        slot->released = message->epoch;
        break;
    case MSG_FAIL:
        c->failure = message->err;
        break;
    case MSG_HELLO:
    case MSG_START:
    case MSG_OBJECT:
    case MSG_COMMIT:
    case MSG_COMMITTED:
    case MSG_DRAIN:
    case MSG_STOP:
    case MSG_OBSERVATIONS:
    case MSG_MARK:
        pen_panic(PEN_HERE, "message from a shard");
    }
    message_free(message);
}

static bool drain(struct control *c)
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

/* ---- progress ---- */

static void progress(struct control *c, bool is_last)
{
    const int64_t now = pen_clock_mono_ns();
    if (c->options->no_progress ||
        (!is_last &&
         now - c->progress_at_ns < (c->options->is_terminal ? 2 * TURN_NS : PROGRESS_LINE_NS))) {
        return;
    }
    c->progress_at_ns = now;
    const double seconds = (double)(now - c->started_ns) / 1e9;
    const uint64_t records =
        c->committed.totals.records_in + c->now.totals.records_in + c->next.totals.records_in;
    const uint64_t plain =
        c->committed.totals.bytes_plain + c->now.totals.bytes_plain + c->next.totals.bytes_plain;
    const struct signals_db_totals signals = signals_db_totals_get(c->signals);
    char eta[32] = "";
    if (c->bytes_done > 0 && c->planner.bytes > c->bytes_done) {
        const double left =
            seconds * (double)(c->planner.bytes - c->bytes_done) / (double)c->bytes_done;
        (void)snprintf(eta, sizeof(eta), ", %.0f s left", left);
    }
    words("%s%" PRIu64 "/%" PRIu64 " objects, %.1f MB read, %" PRIu64
          " records (%.0f/s, %.0f MB/s), signals %" PRIu64 " critical %" PRIu64 " high %" PRIu64
          " medium %" PRIu64 " low%s%s",
          c->options->is_terminal ? "\r\033[K" : "penstock: ", c->objects_done, c->planner.files,
          (double)c->bytes_done / 1e6, records, (double)records / seconds,
          (double)plain / 1e6 / seconds, signals.by_severity[PEN_CRITICAL],
          signals.by_severity[PEN_HIGH], signals.by_severity[PEN_MEDIUM],
          signals.by_severity[PEN_LOW], eta, c->options->is_terminal && !is_last ? "" : "\n");
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
    return c->outstanding == 0 && c->round_next == c->round.count &&
           c->next_unit == c->planner.unit_count;
}

static void interrupts(struct control *c)
{
    if (g_signal_pending >= 2) {
        words("\npenstock: stopped at once; the same command resumes from the last commit\n");
        _exit(6);
    }
    if (g_signal_pending == 1 && !c->is_draining) {
        words("\npenstock: stopping after a commit (again to stop at once)\n");
        c->is_draining = true;
        broadcast(c, MSG_DRAIN, 0, 0);
    }
}

/* True when the run is over: the last commit is released everywhere. */
static bool loop_turn(struct control *c)
{
    bool busy = drain(c);
    interrupts(c);
    deal(c);
    if (c->is_committing && all_slots(c, slot_ready)) {
        commit_end(c);
        busy = true;
        if (c->failure.status != PEN_OK) {
            return true;
        }
    }
    struct pen_err err = {0};
    if (!busy && signals_db_flush(c->signals, &err) != PEN_OK) {
        c->failure = err;
    }
    if (c->failure.status != PEN_OK) {
        return true;
    }
    if (!c->is_committing) {
        const bool wants_end = c->is_draining || all_read(c);
        if (c->is_final && all_slots(c, slot_released)) {
            return true;
        }
        if (wants_end && !c->is_final) {
            c->is_final = true; /* commit_end then releases all; a drained run only its watermark */
            commit_begin(c);
        } else if (!c->is_final && c->is_dirty &&
                   pen_clock_mono_ns() - c->committed_at_ns >= c->options->commit_ns) {
            commit_begin(c);
        }
    }
    progress(c, false);
    if (!busy) {
        (void)pen_ring_turn(c->ring, true, TURN_NS);
    } else {
        (void)pen_ring_turn(c->ring, false, 0);
    }
    return false;
}

/* ---- start and end ---- */

static void on_folder_gap(void *ctx, const char *path, const struct pen_err *err)
{
    struct control *c = ctx;
    words("penstock: cannot read folder %s: %s\n", path, err->text);
    ledger_gap(&c->now, "unreadable-folder", (pen_slice){0});
}

static pen_status space_check(const struct control *c, struct pen_err *err)
{
    struct statvfs info;
    if (c->options->sink != PEN_SINK_FILES || c->options->signals_only ||
        statvfs(c->options->out_dir, &info) != 0) {
        return PEN_OK;
    }
    /* Documents compressed by zstd are about as large as the gzip objects that they came from. */
    const uint64_t left = c->planner.bytes > c->job.dead_bytes ? c->planner.bytes : 0;
    const uint64_t need = c->job.is_resumed ? 0 : left + left / 4;
    const uint64_t have = (uint64_t)info.f_bavail * info.f_frsize;
    return need <= have ? PEN_OK
                        : PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                                   "%s has %.1f GB free, the documents need about %.1f GB: free "
                                   "some, or give --out on another disk or --signals-only",
                                   c->options->out_dir, (double)have / 1e9, (double)need / 1e9);
}

static pen_status state_rules(struct control *c, struct pen_err *err)
{
    const uint32_t count = pen_rules_count(c->program->rules);
    c->state_rules = calloc(count + 1, sizeof(*c->state_rules));
    if (c->state_rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rules: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        c->state_rules[i] = (struct pen_state_rule){.id = pen_rules_at(c->program->rules, i)->id,
                                                    .keep_alive_ns = c->options->keep_alive_ns,
                                                    .duration_max_ns = PEN_NS_PER_DAY,
                                                    .ends_at_midnight = true};
    }
    return PEN_OK;
}

static pen_status threads_start(struct control *c, struct pen_err *err)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        c->slots[i].start =
            (struct shard_start){.shared = &c->shared, .index = i, .control_ring = c->ring};
        char name[16];
        (void)snprintf(name, sizeof(name), "shard-%u", i);
        PEN_TRY(
            pen_thread_start(&c->slots[i].thread, i, name, shard_main, &c->slots[i].start, err));
    }
    uint32_t hellos = 0;
    while (hellos < c->shards) {
        for (uint32_t i = 0; i < c->shards; i++) {
            void *got = NULL;
            if (c->slots[i].ring == NULL && pen_mailbox_pop(c->topology.to_control[i].box, &got)) {
                struct message *hello = got;
                c->slots[i].ring = hello->ring;
                if (hello->err.status != PEN_OK) {
                    c->failure = hello->err;
                }
                hellos++;
                message_free(hello);
            }
        }
        if (hellos < c->shards) {
            (void)pen_ring_turn(c->ring, true, TURN_NS);
        }
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        c->topology.to_shard[i].target = c->slots[i].ring;
        for (uint32_t j = 0; j < c->shards; j++) {
            c->topology.between[j * c->shards + i].target = c->slots[i].ring;
        }
    }
    const bool is_failed = c->failure.status != PEN_OK;
    broadcast(c, is_failed ? MSG_STOP : MSG_START, 0, 0);
    if (is_failed && err != NULL) {
        *err = c->failure;
    }
    return c->failure.status;
}

static void threads_stop(struct control *c)
{
    if (c->topology.to_shard != NULL && c->ring != NULL) {
        broadcast(c, MSG_STOP, 0, 0);
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        struct shard_slot *slot = &c->slots[i];
        /* The shard may still want to say something: its mailbox must not stay full. */
        while (slot->thread != NULL && !edge_flush(&c->topology.to_shard[i], c->ring)) {
            (void)drain(c);
            (void)pen_ring_turn(c->ring, true, TURN_NS / 10);
        }
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        if (c->slots[i].thread != NULL) {
            pen_thread_join(&c->slots[i].thread);
        }
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        message_free(c->slots[i].cut);
        if (c->slots[i].ring != NULL) {
            pen_ring_free(c->slots[i].ring);
        }
    }
}

static pen_status control_resume(struct control *c, struct pen_err *err)
{
    char *text = malloc((size_t)1 << 20);
    PEN_CHECK(text != NULL);
    pen_status st = checkpoint_get(c->job.checkpoint, "totals", text, (size_t)1 << 20, err);
    if (st == PEN_OK) {
        st = ledger_read(&c->committed, pen_slice_str(text), err);
    }
    free(text);
    c->shipped_base = c->committed.totals.bytes_shipped;
    c->epoch = c->job.epoch + 1;
    return st;
}

static pen_status control_open(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    const struct pen_program_options program = {
        .rules = o->rules, .types_dir = o->types_dir, .cache_dir = o->cache_dir};
    PEN_TRY(pen_program_new(&program, &c->program, err));
    if (o->as_type != NULL &&
        pen_types_find(c->program->types, pen_slice_str(o->as_type)) == NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "--as %s: no such log type", o->as_type);
    }
    for (uint32_t i = 0; i < pen_rules_notice_count(c->program->rules); i++) {
        const struct pen_notice *n = pen_rules_notice(c->program->rules, i);
        words("%.*s:%u:%u: %s%.*s\n", PEN_SLICE_FMT(n->file), n->line, n->column,
              n->level == PEN_NOTICE_WARNING ? "warning: " : "", PEN_SLICE_FMT(n->text));
    }
    PEN_TRY(job_open(&c->job, o, c->program, err));
    PEN_TRY(control_resume(c, err));
    PEN_TRY(state_rules(c, err));
    PEN_TRY(planner_init(&c->planner, o, c->program->types, on_folder_gap, c, err));
    PEN_TRY(space_check(c, err));
    const struct signals_db_options signals = {
        .dir = o->out_dir, .job_id = c->job.id, .rules = c->program->rules};
    PEN_TRY(signals_db_open(&signals, &c->signals, err));
    c->shards = o->shards == 0 ? pen_host_cores() : o->shards;
    if (c->shards > SHARDS_MAX) {
        c->shards = SHARDS_MAX;
    }
    c->shared = (struct shard_shared){.options = o,
                                      .program = c->program,
                                      .topology = &c->topology,
                                      .state_rules = c->state_rules,
                                      .hash_key = c->job.hash_key,
                                      .ingested_ns = c->job.ingested_ns,
                                      .first_epoch = c->epoch,
                                      .first_sequence = c->job.first_sequence,
                                      .adopted_runs = (const char *const *)c->job.runs,
                                      .adopted_count = c->job.run_count};
    memcpy(c->shared.documents_dir, c->job.documents_dir, sizeof(c->shared.documents_dir));
    memcpy(c->shared.state_dir, c->job.state_dir, sizeof(c->shared.state_dir));
    PEN_TRY(pen_ring_new(RING_ENTRIES, &c->ring, err));
    return topology_init(&c->topology, c->shards, o->mailbox_capacity, err);
}

static void result_fill(struct control *c)
{
    struct pen_replay_result *r = c->result;
    r->status = c->failure.status != PEN_OK ? "failed" : c->is_draining ? "stopped" : "done";
    memcpy(r->job, c->job.id, sizeof(r->job));
    r->shards = c->shards;
    r->totals = c->committed.totals;
    r->totals.bytes_shipped = c->shipped_base + c->shipped_now;
    memcpy(r->gaps, c->committed.gaps, sizeof(r->gaps));
    r->gap_count = c->committed.gap_count;
    for (uint32_t i = 0; i < c->program->type_count && i < PEN_COUNT(r->by_type); i++) {
        r->by_type[i] = c->committed.by_type[i];
        (void)snprintf(r->by_type[i].name, sizeof(r->by_type[i].name), "%.*s",
                       PEN_SLICE_FMT(c->program->by_type[i].type->name));
    }
    r->type_count = c->program->type_count;
    r->rules_loaded = pen_rules_count(c->program->rules);
    r->rules_rejected = pen_rules_rejected(c->program->rules);
    pen_hash128_hex(pen_rules_hash(c->program->rules), r->rules_hash);
    const struct signals_db_totals signals = signals_db_totals_get(c->signals);
    r->signals_opened = signals.opened;
    memcpy(r->signals_by_severity, signals.by_severity, sizeof(r->signals_by_severity));
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    r->cpu_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
               (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    r->wall_s = (double)(pen_clock_mono_ns() - c->started_ns) / 1e9;
    r->rss_bytes_max = pen_host_rss_max();
}

static pen_status control_run(struct control *c, struct pen_err *err)
{
    PEN_TRY(threads_start(c, err));
    words("penstock: %" PRIu64 " objects in %u folders, %.1f MB, %u rules, %u shards%s\n",
          c->planner.files, c->planner.unit_count, (double)c->planner.bytes / 1e6,
          pen_rules_count(c->program->rules), c->shards, c->job.is_resumed ? ", resumed" : "");
    c->committed_at_ns = pen_clock_mono_ns();
    while (!loop_turn(c)) {
    }
    return c->failure.status;
}

static void control_close(struct control *c)
{
    threads_stop(c);
    for (uint32_t i = c->round_next; i < c->round.count; i++) {
        object_free(c->round.items[i]);
    }
    free(c->round.items);
    topology_fini(&c->topology);
    if (c->ring != NULL) {
        pen_ring_free(c->ring);
    }
    signals_db_close(c->signals);
    planner_fini(&c->planner);
    job_close(&c->job);
    ledger_fini(&c->committed);
    ledger_fini(&c->now);
    ledger_fini(&c->next);
    free(c->state_rules);
    pen_program_free(c->program);
}

static pen_status replay_body(struct control *c, struct pen_err *err)
{
    PEN_TRY(control_open(c, err));
    pen_status st = control_run(c, err);
    if (st != PEN_OK) {
        *err = c->failure;
    }
    if (st == PEN_OK && !c->is_draining) {
        st = signals_db_finish(c->signals, err);
    } else {
        struct pen_err ignored;
        if (signals_db_flush(c->signals, &ignored) != PEN_OK) {
            words("penstock: %s\n", ignored.text);
        }
    }
    progress(c, true);
    result_fill(c);
    if (st == PEN_OK) {
        st = signals_db_job(c->signals, c->options->command_line, c->result, c->wall_started_ns,
                            pen_clock_wall_ns(), err);
    }
    return st;
}

pen_status pen_replay(const struct pen_replay_options *options, struct pen_replay_result *result,
                      struct pen_err *err)
{
    struct control *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "replay: out of memory");
    }
    c->options = options;
    c->result = result;
    c->job.lock_fd = -1;
    c->started_ns = pen_clock_mono_ns();
    c->wall_started_ns = pen_clock_wall_ns();
    ledger_init(&c->committed);
    ledger_init(&c->now);
    ledger_init(&c->next);
    const pen_status st = replay_body(c, err);
    control_close(c);
    free(c);
    return st;
}
