/* tested by tests/e2e/test_dead_letters.py */
#include "withdraw.h"

#include "penstock/node.h"

#include "control.h"
#include "documents.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_BYTES_MAX ((size_t)1 << 30)

struct withdrawal {
    struct job *job;
    const struct pen_replay_options *options;
    struct taken_set set;
    struct ledger gone; /* what the objects added to the totals */
    struct swapped_files files;
    struct pen_state_rewrite runs;
    bool has_runs; /* the log was written anew */
    /* Of an object's observations some are in a snapshot whose log is gone, at least of this one.
     */
    bool is_eaten;
    uint64_t left;
    struct pen_err *err;
};

/* ---- which objects ---- */

static bool can_be_read(const char *path, const char **why)
{
    struct stat info;
    if (bucket_is_source(path)) {
        return true; /* the run tells when it is not */
    }
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    *why = fd < 0 ? strerrordesc_np(errno) : "no file any more";
    const bool is_file = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_file;
}

static pen_status object_add(struct withdrawal *w, const struct checkpoint_refused *refused)
{
    struct ledger one;
    ledger_init(&one);
    pen_status st = ledger_read(&one, pen_slice_str(refused->counters), w->err);
    if (st == PEN_OK) {
        ledger_merge(&w->gone, &one);
        st = taken_add(&w->set, refused, &one.totals);
    }
    ledger_fini(&one);
    return st;
}

static pen_status on_refused(void *ctx, const struct checkpoint_refused *refused)
{
    struct withdrawal *w = ctx;
    const char *why = NULL;
    const struct pen_retry *retry = w->options->retry;
    if (!pen_object_named(retry->objects, retry->object_count, pen_slice_str(refused->key))) {
        return PEN_OK;
    }
    if (!can_be_read(refused->path, &why)) {
        words("penstock: %s is left as it is: %s\n", refused->path, why);
        w->left++;
        return PEN_OK;
    }
    return object_add(w, refused);
}

/* ---- new files ---- */

static bool keeps_observation(void *ctx, const struct pen_observation *o)
{
    struct withdrawal *w = ctx;
    const struct generation *base = &w->job->snapshots.base;
    const int64_t release_ns = o->time_ns > o->promise_ns ? o->time_ns : o->promise_ns;
    const bool is_taken = taken_observation(&w->set, o->object);
    w->is_eaten |= is_taken && base->exists && release_ns < base->position_max_ns;
    return !is_taken;
}

/* Fewer observations than the objects gave, where the log is not whole. */
static bool is_short(const struct withdrawal *w)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < w->set.count; i++) {
        found += w->set.items[i].observations;
    }
    return w->job->snapshots.base.exists && found < w->set.made;
}

static pen_status files_make(struct withdrawal *w)
{
    const struct pen_replay_options *o = w->options;
    const bool has_documents = o->sink == PEN_SINK_FILES && !o->signals_only;
    if (has_documents && w->set.delivered > 0) {
        words("penstock: looking through all documents for %" PRIu64 " that %u objects gave\n",
              w->set.delivered, w->set.count);
        PEN_TRY(documents_without(w->job, &w->set, (int32_t)o->level, &w->files, w->err));
    }
    if (w->set.made > 0 && w->job->run_count > 0) {
        w->runs = (struct pen_state_rewrite){.dir = w->job->state_dir,
                                             .runs = (const char *const *)w->job->runs,
                                             .run_count = w->job->run_count,
                                             .epoch = w->job->epoch + 1,
                                             .hash_key = w->job->hash_key,
                                             .keep = keeps_observation,
                                             .ctx = w};
        w->has_runs = true;
        PEN_TRY(pen_state_rewrite(&w->runs, w->err));
    }
    return w->is_eaten || is_short(w)
               ? PEN_FAIL(
                     w->err, PEN_E_USAGE, PEN_NO_OFFSET,
                     "what rules found in these objects is in a snapshot of the state already, "
                     "and its log is gone (state.snapshot_bytes): name objects that are newer, "
                     "or use --fresh")
               : taken_check(&w->set, has_documents, w->err);
}

/* ---- the lines that tell of it ---- */

static pen_status mark_add(struct pen_buf *out, const struct taken *one, const char *time,
                           uint32_t sequence)
{
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"object\":\"")));
    PEN_TRY(pen_buf_add(out, one->text));
    return pen_buf_printf(
        out,
        "\",\"type\":\"\",\"record\":0,\"offset\":0,\"stage\":\"retry\",\"status\":\"OK\","
        "\"reason\":\"the dead letters above are taken back; what the retry delivers stands in "
        "documents from number %06u on\",\"time\":\"%s\",\"excerpt\":\"\"}\n",
        sequence, time);
}

static pen_status marks_write(struct withdrawal *w)
{
    struct pen_buf lines;
    char time[PEN_TIME_MAX];
    const uint32_t sequence = w->job->first_sequence + w->files.count;
    const int64_t now = pen_clock_wall_ns() / PEN_NS_PER_S * PEN_NS_PER_S;
    time[pen_format_time(now, time)] = '\0';
    pen_buf_init(&lines, LINES_BYTES_MAX);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < w->set.count; i++) {
        st = mark_add(&lines, &w->set.items[i], time, sequence);
    }
    st = st == PEN_OK
             ? job_dead_append(w->job, pen_buf_slice(&lines), w->err)
             : PEN_FAIL(w->err, st, PEN_NO_OFFSET, "dead letters: %s", pen_status_text(st));
    pen_buf_fini(&lines);
    return st;
}

/* ---- the commit ---- */

static int unit_order(const void *a, const void *b)
{
    const struct taken *const *x = a;
    const struct taken *const *y = b;
    return strcmp((*x)->unit, (*y)->unit);
}

static pen_status unfinish_sorted(struct withdrawal *w, struct taken **items, uint64_t *hashes)
{
    for (uint32_t i = 0; i < w->set.count;) {
        const char *unit = items[i]->unit;
        size_t count = 0;
        for (; i < w->set.count && strcmp(items[i]->unit, unit) == 0; i++) {
            hashes[count++] = items[i]->name_hash;
        }
        PEN_TRY(checkpoint_unfinish(w->job->checkpoint, unit, hashes, count, w->err));
    }
    return PEN_OK;
}

static pen_status commit_objects(struct withdrawal *w)
{
    struct taken **items = calloc(w->set.count, sizeof(struct taken *));
    uint64_t *hashes = calloc(w->set.count, sizeof(*hashes));
    PEN_CHECK(items != NULL && hashes != NULL);
    for (uint32_t i = 0; i < w->set.count; i++) {
        items[i] = &w->set.items[i];
    }
    qsort(items, w->set.count, sizeof(struct taken *), unit_order);
    pen_status st = unfinish_sorted(w, items, hashes);
    for (uint32_t i = 0; st == PEN_OK && i < w->set.count; i++) {
        st = checkpoint_drop_refused(w->job->checkpoint, items[i]->unit, items[i]->path, w->err);
    }
    free(items);
    free(hashes);
    return st;
}

static pen_status commit_files(struct withdrawal *w)
{
    struct checkpoint *checkpoint = w->job->checkpoint;
    for (uint32_t i = 0; i < w->files.count; i++) {
        const struct swapped_file *file = &w->files.items[i];
        PEN_TRY(checkpoint_drop_file(checkpoint, "document", file->before, w->err));
        PEN_TRY(checkpoint_add_file(checkpoint, "document", file->after, file->bytes, w->err));
    }
    for (uint32_t i = 0; w->has_runs && i < w->job->run_count; i++) {
        PEN_TRY(checkpoint_drop_file(checkpoint, "run", w->job->runs[i], w->err));
    }
    return w->has_runs && w->runs.name[0] != '\0'
               ? checkpoint_add_file(checkpoint, "run", w->runs.name, w->runs.bytes, w->err)
               : PEN_OK;
}

static pen_status times_add(void *ctx, const char *counters, struct pen_err *err)
{
    struct ledger *totals = ctx;
    struct ledger one;
    ledger_init(&one);
    const pen_status st = ledger_read(&one, pen_slice_str(counters), err);
    if (st == PEN_OK) {
        times_merge(&totals->totals.time_first_ns, &totals->totals.time_last_ns,
                    one.totals.time_first_ns, one.totals.time_last_ns);
    }
    ledger_fini(&one);
    return st;
}

/* Counters are subtracted; the range of event times is made anew of what is left. */
static pen_status totals_make(struct withdrawal *w, struct ledger *totals, struct pen_buf *text)
{
    struct checkpoint *checkpoint = w->job->checkpoint;
    if (pen_buf_reserve(text, LEDGER_TEXT_MAX) != PEN_OK) {
        return PEN_FAIL(w->err, PEN_E_NOMEM, PEN_NO_OFFSET, "totals: out of memory");
    }
    PEN_TRY(checkpoint_get(checkpoint, "totals", (char *)text->ptr, text->cap, w->err));
    PEN_TRY(ledger_read(totals, pen_slice_str((const char *)text->ptr), w->err));
    ledger_subtract(totals, &w->gone);
    totals->totals.time_first_ns = totals->sound_first_ns;
    totals->totals.time_last_ns = totals->sound_last_ns;
    PEN_TRY(checkpoint_counters_each(checkpoint, times_add, totals, w->err));
    text->len = 0;
    PEN_TRY(ledger_write(totals, text));
    return checkpoint_set(checkpoint, "totals", (const char *)text->ptr, w->err);
}

static pen_status commit_totals(struct withdrawal *w)
{
    struct ledger totals;
    struct pen_buf text;
    char number[32];
    ledger_init(&totals);
    pen_buf_init(&text, LEDGER_TEXT_MAX);
    pen_status st = totals_make(w, &totals, &text);
    pen_buf_fini(&text);
    ledger_fini(&totals);
    PEN_TRY(st);
    (void)snprintf(number, sizeof(number), "%" PRIu64, w->job->epoch + 1);
    PEN_TRY(checkpoint_set(w->job->checkpoint, "epoch", number, w->err));
    (void)snprintf(number, sizeof(number), "%" PRIu64, w->job->dead_bytes);
    return checkpoint_set(w->job->checkpoint, "dead_bytes", number, w->err);
}

static pen_status withdraw_commit(struct withdrawal *w)
{
    PEN_TRY(marks_write(w));
    PEN_TRY(checkpoint_begin(w->job->checkpoint, w->err));
    PEN_TRY(commit_objects(w));
    PEN_TRY(commit_files(w));
    PEN_TRY(commit_totals(w));
    PEN_TRY(snapshots_forget_tip(w->job, w->err)); /* it holds what is taken back */
    PEN_TRY(checkpoint_end(w->job->checkpoint, w->err));
    w->job->epoch++;
    return PEN_OK;
}

pen_status withdraw(struct job *job, const struct pen_replay_options *options, uint64_t *retried,
                    uint64_t *left, struct pen_err *err)
{
    struct withdrawal w = {.job = job, .options = options, .err = err};
    taken_init(&w.set);
    ledger_init(&w.gone);
    pen_status st = checkpoint_refused_each(job->checkpoint, on_refused, &w, err);
    taken_seal(&w.set);
    if (st == PEN_OK && w.set.count > 0) {
        st = files_make(&w);
        if (st != PEN_OK) { /* what was written so far must not be taken for documents */
            struct pen_err more;
            if (job_restore(job, &more) != PEN_OK) {
                words("penstock: %s\n", more.text);
            }
        }
        st = st == PEN_OK ? withdraw_commit(&w) : st;
        st = st == PEN_OK ? job_restore(job, err) : st; /* which removes the old files */
    }
    *retried = w.set.count;
    *left = w.left;
    free(w.files.items);
    ledger_fini(&w.gone);
    taken_fini(&w.set);
    return st;
}

struct refused_count {
    const struct pen_retry *retry;
    uint64_t count;
};

static pen_status refused_count(void *ctx, const struct checkpoint_refused *refused)
{
    struct refused_count *c = ctx;
    c->count +=
        pen_object_named(c->retry->objects, c->retry->object_count, pen_slice_str(refused->key));
    return PEN_OK;
}

pen_status withdraw_refused(struct job *job, const struct pen_retry *retry, uint64_t *count,
                            struct pen_err *err)
{
    struct refused_count c = {.retry = retry};
    const pen_status st = checkpoint_refused_each(job->checkpoint, refused_count, &c, err);
    *count = c.count;
    return st;
}
