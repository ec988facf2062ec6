/* tested by tests/e2e/test_snapshots.py */
#include "snapshots.h"

#include "control.h"
#include "killpoint.h"
#include "stages.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void snapshot_name(const struct generation *g, uint32_t file, char name[64])
{
    if (file >= g->shards) {
        stages_snapshot_name(g->epoch, file - g->shards, name);
        return;
    }
    (void)snprintf(name, 64, "snapshot-%" PRIu64 "-%u.zst", g->epoch, file);
}

/* ---- in checkpoint.db ---- */

/* "SHARDS" or "SHARDS+STAGES". */
static bool counts_read(pen_slice text, uint64_t *shards, uint64_t *stages)
{
    pen_slice first;
    pen_slice rest = text;
    *stages = 0;
    return pen_slice_split(&rest, '+', &first) && pen_parse_u64(first, shards) &&
           (rest.len == 0 || pen_parse_u64(rest, stages));
}

pen_status generation_read(struct generation *g, const char *text, struct pen_err *err)
{
    int at = 0;
    *g = (struct generation){0};
    if (text[0] == '\0') {
        return PEN_OK;
    }
    pen_slice rest = pen_slice_str(text);
    pen_slice one;
    uint64_t shards = 0;
    uint64_t stages = 0;
    int64_t *const times[] = {&g->position_min_ns, &g->position_max_ns};
    bool is_good = pen_slice_split(&rest, ' ', &one) && pen_parse_u64(one, &g->epoch) &&
                   pen_slice_split(&rest, ' ', &one) && counts_read(one, &shards, &stages);
    for (; is_good && at < 2; at++) {
        is_good = pen_slice_split(&rest, ' ', &one) && pen_parse_i64(one, times[at]);
    }
    if (!is_good || shards == 0 || shards > SHARDS_MAX || stages > PEN_STAGES_MAX ||
        rest.len >= sizeof(g->mark)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad " SNAPSHOT_TIP_NAME);
    }
    g->exists = true;
    g->shards = (uint32_t)shards;
    g->stages = (uint32_t)stages;
    (void)snprintf(g->mark, sizeof(g->mark), "%.*s", (int)rest.len, (const char *)rest.ptr);
    return PEN_OK;
}

static pen_status value_read(struct generation *g, struct checkpoint *checkpoint, const char *name,
                             struct pen_err *err)
{
    char text[SNAPSHOT_VALUE_MAX];
    PEN_TRY(checkpoint_get(checkpoint, name, text, sizeof(text), err));
    return generation_read(g, text, err);
}

pen_status snapshots_read(struct snapshots *s, struct checkpoint *checkpoint, struct pen_err *err)
{
    PEN_TRY(value_read(&s->tip, checkpoint, SNAPSHOT_TIP_NAME, err));
    return value_read(&s->base, checkpoint, SNAPSHOT_BASE_NAME, err);
}

static pen_status value_write(const struct generation *g, struct checkpoint *checkpoint,
                              const char *name, struct pen_err *err)
{
    char text[SNAPSHOT_VALUE_MAX] = "";
    if (g->exists) {
        (void)snprintf(text, sizeof(text), "%" PRIu64 " %u+%u %" PRId64 " %" PRId64 " %s", g->epoch,
                       g->shards, g->stages, g->position_min_ns, g->position_max_ns, g->mark);
    }
    return checkpoint_set(checkpoint, name, text, err);
}

static pen_status files_write(const struct generation *g, struct checkpoint *checkpoint,
                              struct pen_err *err)
{
    char name[64];
    for (uint32_t i = 0; g->exists && i < g->shards + g->stages; i++) {
        snapshot_name(g, i, name);
        PEN_TRY(checkpoint_add_file(checkpoint, SNAPSHOT_FILE, name, 0, err));
    }
    return PEN_OK;
}

static pen_status files_drop(const struct generation *g, struct checkpoint *checkpoint,
                             struct pen_err *err)
{
    char name[64];
    for (uint32_t i = 0; g->exists && i < g->shards + g->stages; i++) {
        snapshot_name(g, i, name);
        PEN_TRY(checkpoint_drop_file(checkpoint, SNAPSHOT_FILE, name, err));
    }
    return PEN_OK;
}

pen_status snapshots_write(const struct snapshots *s, struct checkpoint *checkpoint,
                           struct pen_err *err)
{
    struct snapshots before = {0};
    PEN_TRY(snapshots_read(&before, checkpoint, err));
    PEN_TRY(files_drop(&before.tip, checkpoint, err));
    PEN_TRY(files_drop(&before.base, checkpoint, err));
    PEN_TRY(files_write(&s->tip, checkpoint, err));
    PEN_TRY(files_write(&s->base, checkpoint, err));
    PEN_TRY(value_write(&s->tip, checkpoint, SNAPSHOT_TIP_NAME, err));
    return value_write(&s->base, checkpoint, SNAPSHOT_BASE_NAME, err);
}

/* ---- when a run starts ---- */

static void rule_changed(void *ctx, enum pen_snapshot_rule what, pen_slice id)
{
    struct control *c = ctx;
    if (what == PEN_SNAPSHOT_CHANGED) {
        SAY(c, WARN,
            "penstock: warning: rule %.*s has changed since the snapshot: its state begins anew "
            "with what the observation log still holds; --fresh makes all of it again\n",
            PEN_SLICE_FMT(id));
    }
}

static pen_status generation_check(struct control *c, const struct generation *g,
                                   struct pen_err *err)
{
    const struct pen_snapshot_check check = {.dir = c->job.state_dir,
                                             .hash_key = c->job.hash_key,
                                             .rules = c->state_rules,
                                             .rule_count = pen_rules_count(c->program->rules),
                                             .rule = rule_changed,
                                             .ctx = c};
    struct pen_snapshot_check quiet = check;
    bool knows = false;
    quiet.rule = NULL;
    if (g->stages != stages_count(c->stages)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "it has %u stages of rules over signals, the rules have %u", g->stages,
                        stages_count(c->stages));
    }
    for (uint32_t i = 0; i < g->shards + g->stages; i++) {
        struct pen_snapshot_info info;
        char name[64];
        snapshot_name(g, i, name);
        PEN_TRY(pen_snapshot_check(i == 0 ? &check : &quiet, name, &info, err));
    }
    PEN_TRY(signals_db_knows(c->signals, g->mark, &knows, err));
    return knows ? PEN_OK
                 : PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                            "signals.db or signals.ndjson is not what it was at the last snapshot");
}

/* True when it can be used; words when not. */
static pen_status is_usable(struct control *c, const struct generation *g, bool *usable,
                            struct pen_err *err)
{
    *usable = false;
    if (!g->exists) {
        return PEN_OK;
    }
    const pen_status st = generation_check(c, g, err);
    if (st == PEN_E_CORRUPT || st == PEN_E_TRUNCATED || st == PEN_E_NOT_FOUND) {
        SAY(c, WARN,
            "penstock: warning: a snapshot of the state cannot be used: %s (offset %" PRId64 ")\n",
            err->text, err->offset == PEN_NO_OFFSET ? INT64_C(-1) : (int64_t)err->offset);
        return PEN_OK;
    }
    *usable = st == PEN_OK;
    return st;
}

static void unlink_in(const struct control *c, const char *name)
{
    char path[PATH_MAX + 80];
    (void)snprintf(path, sizeof(path), "%s/%s", c->job.state_dir, name);
    (void)unlink(path); /* what stays is removed by the next start */
}

static void generation_unlink(const struct control *c, const struct generation *g)
{
    char name[64];
    for (uint32_t i = 0; g->exists && i < g->shards + g->stages; i++) {
        snapshot_name(g, i, name);
        unlink_in(c, name);
    }
}

/* The checkpoint names what can be used, and the rest is removed. */
static pen_status keep_usable(struct control *c, bool has_tip, bool has_base, struct pen_err *err)
{
    struct snapshots *s = &c->job.snapshots;
    const struct generation tip = s->tip;
    const struct generation base = s->base;
    s->tip.exists = has_tip;
    s->base = base.exists && !has_base ? tip : base; /* nothing older is left */
    PEN_TRY(checkpoint_begin(c->job.checkpoint, err));
    PEN_TRY(snapshots_write(s, c->job.checkpoint, err));
    PEN_TRY(checkpoint_end(c->job.checkpoint, err));
    if (!has_tip) {
        generation_unlink(c, &tip);
        SAY(c, WARN, "penstock: the state is made again of %s\n",
            has_base ? "the snapshot before it and the observation log" : "the observation log");
    } else {
        generation_unlink(c, &base);
    }
    return PEN_OK;
}

pen_status snapshots_open(struct control *c, struct pen_err *err)
{
    const struct snapshots *s = &c->job.snapshots;
    bool has_tip = false;
    bool has_base = false;
    PEN_TRY(is_usable(c, &s->tip, &has_tip, err));
    PEN_TRY(is_usable(c, &s->base, &has_base, err));
    if (s->base.exists && !has_base && !has_tip) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "no snapshot of the state in %s can be used, and what the log held before "
                        "them is gone: start anew with --fresh",
                        c->job.state_dir);
    }
    if (has_tip != s->tip.exists || has_base != s->base.exists) {
        PEN_TRY(keep_usable(c, has_tip, has_base, err));
    }
    c->start = s->tip.exists ? s->tip : s->base;
    c->log_bytes_before = c->job.log_bytes;
    PEN_TRY(stages_begin(c->stages, c->start.exists ? &c->start.epoch : NULL, err));
    return signals_db_resume(c->signals, c->start.mark, err);
}

/* ---- while it runs ---- */

bool snapshots_is_due(const struct control *c)
{
    const struct snapshots *s = &c->job.snapshots;
    const int64_t past = c->start.exists ? c->start.position_max_ns : INT64_MIN;
    const bool has_moved = c->watermark_ns > past && c->watermark_ns > INT64_MIN &&
                           (!s->tip.exists || c->watermark_ns > s->tip.position_max_ns);
    const bool is_large = c->job.log_bytes - c->log_bytes_before > c->options->snapshot_bytes;
    return pen_rules_count(c->program->rules) > 0 && has_moved && (c->is_final || is_large);
}

struct needless { /* runs below the position of the base */
    struct control *c;
    int64_t position_ns;
    char **names;
    uint32_t count, cap;
    uint64_t bytes;
    struct pen_err err;
};

static pen_status run_look(void *ctx, const char *name, uint64_t bytes)
{
    struct needless *n = ctx;
    int64_t last = INT64_MAX;
    PEN_TRY(pen_state_run_last(n->c->job.state_dir, name, &last, &n->err));
    if (last >= n->position_ns) {
        return PEN_OK;
    }
    if (n->count == n->cap) {
        n->cap = n->cap == 0 ? 64 : n->cap * 2;
        n->names = reallocarray(n->names, n->cap, sizeof(char *));
        PEN_CHECK(n->names != NULL);
    }
    n->names[n->count] = strdup(name);
    PEN_CHECK(n->names[n->count] != NULL);
    n->count++;
    n->bytes += bytes;
    return PEN_OK;
}

/* stages_ns: the largest position of the files of stages */
static struct generation generation_made(const struct control *c, int64_t stages_ns)
{
    struct generation g = {.exists = true,
                           .epoch = c->epoch - 1,
                           .shards = c->shards,
                           .stages = stages_count(c->stages),
                           .position_min_ns = INT64_MAX,
                           .position_max_ns = INT64_MIN};
    for (uint32_t i = 0; i < c->shards; i++) {
        const int64_t position = c->slots[i].snapshot_position_ns;
        g.position_min_ns = position < g.position_min_ns ? position : g.position_min_ns;
        g.position_max_ns = position > g.position_max_ns ? position : g.position_max_ns;
    }
    g.position_max_ns = stages_ns > g.position_max_ns ? stages_ns : g.position_max_ns;
    return g;
}

static pen_status take_commit(struct control *c, const struct snapshots *now,
                              const struct needless *gone, struct pen_err *err)
{
    struct checkpoint *checkpoint = c->job.checkpoint;
    PEN_TRY(checkpoint_begin(checkpoint, err));
    PEN_TRY(snapshots_write(now, checkpoint, err));
    for (uint32_t i = 0; i < gone->count; i++) {
        PEN_TRY(checkpoint_drop_file(checkpoint, "run", gone->names[i], err));
    }
    return checkpoint_end(checkpoint, err);
}

/* Files that no commit names any more. */
static void take_remove(struct control *c, const struct snapshots *now, const struct needless *gone)
{
    const struct snapshots *before = &c->job.snapshots;
    const bool is_base =
        before->tip.exists && now->base.exists && now->base.epoch == before->tip.epoch;
    if (!is_base) {
        generation_unlink(c, &before->tip);
    } else if (before->base.epoch != now->base.epoch) {
        generation_unlink(c, &before->base);
    }
    for (uint32_t i = 0; i < gone->count; i++) {
        unlink_in(c, gone->names[i]);
    }
}

static pen_status take(struct control *c, const struct snapshots *now, struct needless *gone,
                       struct pen_err *err)
{
    if (now->base.exists) {
        gone->position_ns = now->base.position_min_ns;
        const pen_status st = checkpoint_files(c->job.checkpoint, "run", run_look, gone, err);
        if (st != PEN_OK) {
            *err = gone->err.status != PEN_OK ? gone->err : *err;
            return st;
        }
    }
    PEN_TRY(take_commit(c, now, gone, err));
    kill_point(c->options, "named", c->epoch - 1);
    take_remove(c, now, gone);
    return PEN_OK;
}

pen_status snapshots_take(struct control *c, bool is_end, struct pen_err *err)
{
    const struct snapshots *before = &c->job.snapshots;
    struct snapshots *now = malloc(sizeof(*now));
    struct needless gone = {.c = c};
    int64_t stages_ns = INT64_MIN;
    PEN_CHECK(now != NULL);
    pen_status st = stages_snapshot(c->stages, c->epoch - 1, &stages_ns, err);
    if (st != PEN_OK) {
        free(now);
        return st;
    }
    kill_point(c->options, "staged", c->epoch - 1);
    *now = (struct snapshots){.tip = generation_made(c, stages_ns), .base = before->base};
    if (before->tip.exists && c->job.log_bytes > c->options->snapshot_bytes) {
        now->base = before->tip;
    }
    st = signals_db_mark(c->signals, is_end, now->tip.mark, err);
    st = st == PEN_OK ? take(c, now, &gone, err) : st;
    if (st == PEN_OK) {
        c->job.snapshots = *now;
        c->job.log_bytes -= gone.bytes;
        c->log_bytes_before = c->job.log_bytes;
        SAY(c, DEBUG, "penstock: snapshot %" PRIu64 ": %u runs of the log are needless\n",
            now->tip.epoch, gone.count);
    }
    for (uint32_t i = 0; i < gone.count; i++) {
        free(gone.names[i]);
    }
    free(gone.names);
    free(now);
    return st;
}

pen_status snapshots_forget_tip(const struct job *job, struct pen_err *err)
{
    const struct snapshots now = {.base = job->snapshots.base};
    return snapshots_write(&now, job->checkpoint, err);
}

pen_status snapshots_fall_back(struct control *c, struct pen_err *err)
{
    struct snapshots *s = &c->job.snapshots;
    if (s->base.epoch != s->tip.epoch) {
        generation_unlink(c, &s->tip);
    }
    s->tip.exists = false;
    c->start = s->base;
    SAY(c, INFO,
        "penstock: there are new objects of a time that the last snapshot holds: the state is made "
        "again of %s\n",
        s->base.exists ? "the snapshot before it and the observation log" : "the observation log");
    PEN_TRY(signals_db_flush(c->signals, err));
    PEN_TRY(stages_begin(c->stages, s->base.exists ? &s->base.epoch : NULL, err));
    return signals_db_resume(c->signals, c->start.mark, err);
}
