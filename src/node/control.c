/* tested by tests/e2e/test_replay.py */
#include "control.h"

#include "penstock/node.h"

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

#define PARKED_NS INT64_C(200000)
#define ROUND_OBJECTS 4096u /* dealt largest first; the next round begins at once */
#define CREDIT_OBJECTS 32u  /* below READ_SLOTS of a shard */
#define CREDIT_BYTES ((uint64_t)8 << 20)
#define DEAD_BYTES_MAX ((size_t)8 << 20)
#define WORDS_BYTES_MAX ((size_t)64 << 10)
#define PROGRESS_LINE_NS (INT64_C(10) * PEN_NS_PER_S)

volatile sig_atomic_t g_signal_pending;

void pen_replay_interrupt(void)
{
    g_signal_pending++;
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
        (void)snprintf(c->reason, sizeof(c->reason), "%s", reason);
    }
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

static void origin_note(struct control *c, const struct pen_object *object)
{
    struct pen_key_info info;
    pen_classify_key(c->planner.classifier, pen_slice_str(object->key), &info);
    distinct_add(c->accounts[0], PEN_COUNT(c->accounts), sizeof(c->accounts[0]), info.account,
                 &c->result->accounts);
    distinct_add(c->regions[0], PEN_COUNT(c->regions), sizeof(c->regions[0]), info.region,
                 &c->result->regions);
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
    if (c->finished == NULL) {
        PEN_TRY(checkpoint_finished(c->job.checkpoint, unit->path, &c->finished, &c->finished_count,
                                    err));
    }
    uint32_t kept = first;
    pen_status st = PEN_OK;
    for (uint32_t i = first; i < c->round.count; i++) {
        struct pen_object *object = c->round.items[i];
        if (hash_known(c->finished, c->finished_count, object->name_hash)) {
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
    return st;
}

static pen_status round_unit(struct control *c, struct pen_err *err)
{
    struct unit *unit = &c->planner.units[c->next_unit];
    const uint32_t first = c->round.count;
    const uint64_t pruned = c->round.pruned;
    bool is_done = true;
    const pen_status st =
        planner_list(&c->planner, c->next_unit, ROUND_OBJECTS - first, &c->round, &is_done, err);
    if (st == PEN_E_DENIED || st == PEN_E_NOT_FOUND) {
        SAY(c, WARN, "penstock: cannot read folder %s\n", err->text);
        c->folder_gaps++;
    } else if (st != PEN_OK) {
        return st;
    }
    c->objects_pruned += c->round.pruned - pruned;
    for (uint32_t i = first; i < c->round.count; i++) {
        origin_note(c, c->round.items[i]);
    }
    if (c->job.is_resumed) {
        PEN_TRY(round_resume(c, first, err));
    }
    c->objects_open += c->round.count - first;
    unit->open_objects += c->round.count - first;
    if (is_done) {
        unit->is_listed = true;
        c->next_unit++;
        free(c->finished);
        c->finished = NULL;
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

void broadcast(struct control *c, enum message_kind kind, uint64_t epoch, int64_t watermark)
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

static pen_status dead_write(struct control *c, const uint8_t *frame, size_t len,
                             struct pen_err *err)
{
    const int fd = open(c->job.dead_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    size_t done = 0;
    ssize_t n = 1;
    while (fd >= 0 && n > 0 && done < len) {
        n = pwrite(fd, frame + done, len - done, (off_t)(c->job.dead_bytes + done));
        done += n > 0 ? (size_t)n : 0;
    }
    const bool is_written = fd >= 0 && n > 0 && fsync(fd) == 0;
    const int code = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_written ? PEN_OK
                      : PEN_FAIL(err, pen_status_of_write(code), PEN_NO_OFFSET, "%s: %s",
                                 c->job.dead_path, strerrordesc_np(code));
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
    const pen_status st = dead_write(c, frame, len, err);
    c->job.dead_bytes += st == PEN_OK ? len : 0;
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
    c->objects_open -= c->now.finished_count;
    ledger_merge(&c->committed, &c->now);
    ledger_clear(&c->now);
    const struct ledger swap = c->now;
    c->now = c->next;
    c->next = swap;
    for (uint32_t i = 0; i < c->shards; i++) {
        message_free(c->slots[i].cut);
        object_free(c->slots[i].cut_object);
        c->slots[i].cut = NULL;
        c->slots[i].cut_object = NULL;
    }
    c->watermark_ns = c->is_final && !c->is_draining ? INT64_MAX : watermark(c);
    if (c->watermark_ns == INT64_MAX && (!c->is_final || c->is_draining)) {
        c->watermark_ns =
            INT64_MAX - 1; /* all released, but only the end closes by the largest time */
    }
    broadcast(c, MSG_COMMITTED, c->epoch, c->watermark_ns);
    SAY(c, DEBUG, "penstock: commit %" PRIu64 ": %" PRIu64 " objects done, %" PRIu64 " records\n",
        c->epoch, c->objects_done, c->committed.totals.records_in);
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
    if (message->outcome == OBJECT_UNREADABLE) {
        struct pen_key_info info;
        pen_classify_key(c->planner.classifier, pen_slice_str(object->key), &info);
        ledger_gap(ledger, gap_cause(&message->err), info.account, 1);
    }
    ledger_finished(ledger, object->unit, object->name_hash);
    if (slot->cut != NULL && slot->cut->object == object) {
        slot->cut_object = object; /* the commit under way still names it */
    } else {
        object_free(object);
    }
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

/* ---- progress ---- */

void progress(struct control *c, bool is_last)
{
    const int64_t now = pen_clock_mono_ns();
    if (c->options->no_progress || c->options->log_level < PEN_LOG_INFO ||
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
    (void)fputs(c->options->is_terminal ? "\r\033[K" : "penstock: ", stderr);
    words("%" PRIu64 "/%" PRIu64 " objects, %.1f MB read, %" PRIu64
          " records (%.0f/s, %.0f MB/s), signals %" PRIu64 " critical %" PRIu64 " high %" PRIu64
          " medium %" PRIu64 " low%s%s",
          c->objects_done, c->planner.files, (double)c->bytes_done / 1e6, records,
          (double)records / seconds, (double)plain / 1e6 / seconds,
          signals.by_severity[PEN_CRITICAL], signals.by_severity[PEN_HIGH],
          signals.by_severity[PEN_MEDIUM], signals.by_severity[PEN_LOW], eta,
          c->options->is_terminal && !is_last ? "" : "\n");
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
        SAY(c, INFO, "\npenstock: stopping after a commit (again to stop at once)\n");
        stop(c, "interrupted");
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

/* Dead letters wait in memory for the commit: many of them call for it. */
static bool is_commit_due(const struct control *c)
{
    return pen_clock_mono_ns() - c->committed_at_ns >= c->options->commit_ns ||
           c->now.dead.len >= DEAD_BYTES_MAX;
}

/* True when the run is over: the last commit is released everywhere. */
bool loop_turn(struct control *c)
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
        } else if (!c->is_final && c->is_dirty && is_commit_due(c)) {
            commit_begin(c);
        }
    }
    progress(c, false);
    if (!busy) {
        (void)pen_ring_turn(c->ring, true, is_parked(c) ? PARKED_NS : TURN_NS);
    } else {
        (void)pen_ring_turn(c->ring, false, 0);
    }
    return false;
}
