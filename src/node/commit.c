/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "closed.h"
#include "control.h"
#include "exclude.h"
#include "killpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void commit_begin(struct control *c)
{
    PEN_CHECK(!c->is_committing);
    c->is_committing = true;
    c->is_full = false;
    for (uint32_t i = 0; i < c->shards; i++) {
        c->slots[i].is_cut = false;
        c->slots[i].is_ready = false;
    }
    broadcast(c, MSG_COMMIT, c->epoch, 0);
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
        for (; st == PEN_OK && i < now->finished_count && now->finished[i].unit == unit; i++) {
            hashes[count++] = now->finished[i].name_hash;
            if (now->finished[i].path != NULL) {
                st = checkpoint_disinherit(c->job.checkpoint, now->finished[i].path, err);
            }
        }
        if (st == PEN_OK) {
            st = checkpoint_add_finished(c->job.checkpoint, c->planner.units[unit].name, hashes,
                                         count, err);
        }
    }
    free(hashes);
    return st;
}

static pen_status refused_add(struct control *c, struct ended_object *one, struct pen_err *err)
{
    struct pen_buf counters;
    if (!done_is_refused(c, one, &counters)) {
        return PEN_OK;
    }
    const struct checkpoint_refused row = {.unit = one->unit->name,
                                           .path = one->path,
                                           .key = one->key,
                                           .name_hash = one->name_hash,
                                           .counters = (const char *)counters.ptr};
    const pen_status st = checkpoint_add_refused(c->job.checkpoint, &row, err);
    pen_buf_fini(&counters);
    return st;
}

static pen_status commit_refused(struct control *c, struct pen_err *err)
{
    refusals_seal(&c->refusals);
    for (uint32_t i = 0; i < c->now.ended_count; i++) {
        PEN_TRY(refused_add(c, &c->now.ended[i], err));
    }
    return PEN_OK;
}

/* An object that the cut found open: its committed prefix and what that gave. */
static pen_status commit_open(struct control *c, const struct message *cut, struct pen_err *err)
{
    struct ledger one;
    struct pen_buf text;
    ledger_init(&one);
    pen_buf_init(&text, LEDGER_TEXT_MAX);
    one.totals = cut->open_totals;
    refusals_count(&one.totals, refusals_of(&c->refusals, cut->object->key, false));
    if (cut->object->before != NULL) {
        totals_merge(&one.totals, cut->object->before);
    }
    pen_status st = ledger_write(&one, &text);
    if (st == PEN_OK) {
        st = checkpoint_add_open(c->job.checkpoint, cut->object, cut->open_records,
                                 (const char *)text.ptr, err);
    }
    pen_buf_fini(&text);
    ledger_fini(&one);
    return st;
}

/* As many records were excluded by earlier runs and by this one up to its cuts. */
static pen_status commit_excluded(struct control *c, struct pen_err *err)
{
    const struct pen_program *program = c->program;
    struct pen_buf text;
    if (program->exclusion_count == 0) {
        return PEN_OK;
    }
    for (uint32_t i = 0; i < program->exclusion_count; i++) {
        c->excluded[i] = c->excluded_base[i];
        for (uint32_t j = 0; j < c->shards; j++) {
            c->excluded[i] += c->slots[j].cut->excluded[i];
        }
    }
    pen_buf_init(&text, LEDGER_TEXT_MAX);
    pen_status st =
        exclude_write(program->exclusions, program->exclusion_count, c->excluded, &text);
    st = st == PEN_OK
             ? checkpoint_set(c->job.checkpoint, EXCLUDED_NAME, (const char *)text.ptr, err)
             : st;
    pen_buf_fini(&text);
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
            done_type(c, &sum, cut->type, 0, &cut->open_totals, cut->others);
        }
    }
    struct pen_buf text;
    pen_buf_init(&text, LEDGER_TEXT_MAX);
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
    st = st == PEN_OK ? commit_excluded(c, err) : st;
    return st == PEN_OK && c->is_falling_back ? snapshots_forget_tip(&c->job, err) : st;
}

/* The files and the open object of one shard. */
static pen_status commit_cut(struct control *c, const struct message *cut, struct pen_err *err)
{
    struct checkpoint *checkpoint = c->job.checkpoint;
    for (uint32_t f = 0; f < cut->file_count; f++) {
        PEN_TRY(checkpoint_add_file(checkpoint, "document", cut->files[f].name, cut->files[f].bytes,
                                    err));
    }
    for (uint32_t i = 0; i < cut->origin_count; i++) {
        PEN_TRY(checkpoint_add_origin(checkpoint, &cut->origins[i], err));
    }
    if (cut->run_name[0] != '\0') {
        PEN_TRY(checkpoint_add_file(checkpoint, "run", cut->run_name, cut->run_bytes, err));
    }
    return cut->object != NULL && cut->open_records > 0 ? commit_open(c, cut, err) : PEN_OK;
}

static pen_status commit_rows(struct control *c, struct pen_err *err)
{
    PEN_TRY(checkpoint_begin(c->job.checkpoint, err));
    PEN_TRY(commit_finished(c, err));
    PEN_TRY(commit_refused(c, err));
    PEN_TRY(closed_commit(&c->planner, &c->job, err));
    PEN_TRY(checkpoint_clear_open(c->job.checkpoint, err));
    for (uint32_t i = 0; i < c->shards; i++) {
        PEN_TRY(commit_cut(c, c->slots[i].cut, err));
    }
    PEN_TRY(commit_values(c, err));
    kill_point(c->options, "rows", c->epoch);
    return checkpoint_end(c->job.checkpoint, err);
}

/* The lowest promise of any object that no commit holds yet.  With the newest days first it is the
 * last unit's until all is read. */
static int64_t watermark(struct control *c)
{
    while (c->low_unit < c->planner.unit_count) {
        const struct unit *unit = &c->planner.units[c->low_unit];
        if (!unit->is_listed || unit->open_objects > 0) {
            const bool is_open = unit->day_ns == INT64_MIN || c->options->newest_first;
            return is_open ? INT64_MIN : unit->day_ns - c->options->slack_ns;
        }
        c->low_unit++;
    }
    return INT64_MAX;
}

/* What the files of the tables have become.  All shards are at this commit, so that they have the
 * tables that the commit before it told them of. */
static void enrich_look(struct control *c)
{
    struct pen_err err = {0};
    pen_status st = PEN_OK;
    uint32_t changed = 0;
    if (c->program->enrich == NULL) {
        return;
    }
    if (tables_load_turn(&c->tables, c->program->enrich, &changed, &st, &err) == TABLES_BEGUN) {
        SAY(c, DEBUG, "penstock: files of enrichment changed and are read\n");
    }
    if (st != PEN_OK) {
        SAY(c, WARN, "penstock: warning: %s; the tables before stay\n", err.text);
    }
    if ((changed & ~PEN_ENRICH_IOC) != 0) {
        SAY(c, INFO, "penstock: a database of addresses changed and is used from now on\n");
    }
    if ((changed & PEN_ENRICH_IOC) != 0) {
        SAY(c, INFO, "penstock: a list of threat indicators changed and is used from now on\n");
    }
    iocs_say(c, (changed & PEN_ENRICH_IOC) != 0);
}

/* Observations lie before the position of the snapshot that this run began with. */
static bool is_behind(const struct control *c)
{
    bool is_behind = false;
    for (uint32_t i = 0; i < c->shards; i++) {
        is_behind |= c->slots[i].is_behind;
    }
    return is_behind;
}

/* Until the watermark has passed the snapshot that the run began with, an object may yet come that
 * makes it begin earlier: nothing is told until then. */
static int64_t release_watermark(const struct control *c)
{
    const bool is_early = c->start.exists && c->watermark_ns < c->start.position_max_ns;
    return is_early ? INT64_MIN : c->watermark_ns;
}

void commit_end(struct control *c)
{
    struct pen_err err = {0};
    c->is_falling_back = is_behind(c);
    for (uint32_t i = 0; i < c->now.finished_count; i++) { /* a commit that fails ends the run */
        struct unit *unit = &c->planner.units[c->now.finished[i].unit];
        PEN_CHECK(unit->open_objects > 0);
        unit->open_objects--;
    }
    pen_status st = job_dead_append(&c->job, pen_buf_slice(&c->now.dead), &err);
    kill_point(c->options, "dead", c->epoch);
    st = st == PEN_OK ? commit_rows(c, &err) : st;
    if (st != PEN_OK) {
        c->failure = err;
        return;
    }
    kill_point(c->options, "committed", c->epoch);
    ledger_clear(&c->open);
    for (uint32_t i = 0; i < c->shards; i++) {
        const struct message *cut = c->slots[i].cut;
        if (cut->object != NULL) {
            totals_merge(&c->open.totals, &cut->open_totals);
            done_type(c, &c->open, cut->type, 0, &cut->open_totals, cut->others);
        }
    }
    c->objects_open -= c->now.finished_count;
    refusals_committed(&c->refusals);
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
    enrich_look(c);
    if (c->is_falling_back && snapshots_fall_back(c, &err) != PEN_OK) {
        c->failure = err;
        return;
    }
    c->is_snapshotting = snapshots_is_due(c);
    broadcast(c, MSG_COMMITTED, c->epoch, release_watermark(c));
    SAY(c, DEBUG, "penstock: commit %" PRIu64 ": %" PRIu64 " objects done, %" PRIu64 " records\n",
        c->epoch, c->objects_done, c->committed.totals.records_in);
    c->epoch++;
    c->is_committing = false;
    c->is_dirty = false;
    c->committed_at_ns = pen_clock_mono_ns();
}
