/* tested by tests/e2e/test_search.py */
#include "pass_worker.h"

#include "planner.h"
#include "sniff.h"

#include <stdlib.h>
#include <time.h>

#define STEP_RECORDS 256U /* between looks at the mailbox */
#define OUTPUT_BYTES ((size_t)64 << 10)
#define OUTPUT_BYTES_MAX ((size_t)1 << 30)
#define NAP_NS 100000L

struct worker {
    const struct pass_worker *shared;
    const struct pen_pass_options *options;
    struct input *input;
    struct pen_scan *scan;
    struct input_task *waiting[PASS_TASKS_MAX]; /* no slot yet, in order */
    uint32_t waiting_count;
    struct input_task *task; /* being scanned */
    struct pen_scan_item item;
    struct pen_totals totals; /* of task */
    struct pen_buf out;       /* frames not sent yet */
    bool holds_data;
    bool is_damaged;
    bool is_stopped;
    bool is_failed;
};

void pass_note_free(struct pass_note *note)
{
    if (note != NULL) {
        pen_buf_fini(&note->bytes);
        free(note);
    }
}

/* The main thread always drains, so a full mailbox has room soon. */
static void send(struct worker *w, struct pass_note *note)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    while (!pen_mailbox_push(w->shared->notes, note)) {
        (void)nanosleep(&nap, NULL);
    }
}

static struct pass_note *note_new(const struct worker *w, enum pass_note_kind kind)
{
    struct pass_note *note = calloc(1, sizeof(*note));
    PEN_CHECK(note != NULL);
    note->kind = kind;
    note->task = w->task;
    pen_buf_init(&note->bytes, OUTPUT_BYTES_MAX);
    return note;
}

/* Hands the collected frames over to a note. */
static void take_output(struct worker *w, struct pass_note *note)
{
    if (w->out.len > 0) {
        note->bytes = w->out;
        pen_buf_init(&w->out, OUTPUT_BYTES_MAX);
    }
}

static void fail(struct worker *w, const struct pen_err *err)
{
    struct pass_note *note = note_new(w, NOTE_FAILED);
    note->err = *err;
    w->is_failed = true;
    send(w, note);
}

static void trouble(struct worker *w, enum pen_pass_stage stage, uint64_t record,
                    const struct pen_err *err)
{
    struct pass_note *note = note_new(w, NOTE_TROUBLE);
    note->stage = stage;
    note->record = record;
    note->err = *err;
    send(w, note);
}

/* ---- records ---- */

static bool is_in_range(const struct pen_pass_options *o, int64_t time_ns)
{
    const bool is_open = o->from_ns == INT64_MIN && o->to_ns == INT64_MAX;
    return is_open || (time_ns != INT64_MIN && time_ns >= o->from_ns && time_ns < o->to_ns);
}

/* What the key did not say is asked of the record. */
static bool is_wanted(const struct worker *w)
{
    const struct pen_pass_options *o = w->options;
    const struct pen_doc *doc = &w->item.doc;
    const struct pen_key_info *key = pen_scan_key(w->scan);
    return is_in_range(o, doc->time_ns) &&
           (key->account.len > 0 ||
            planner_name_wanted(o->accounts, o->account_count, o->not_accounts,
                                o->not_account_count, doc->account)) &&
           (key->region.len > 0 || planner_name_wanted(o->regions, o->region_count, o->not_regions,
                                                       o->not_region_count, doc->region)) &&
           (o->as_type != NULL ||
            planner_name_wanted(o->types, o->type_count, o->not_types, o->not_type_count,
                                pen_scan_type(w->scan)->name));
}

/* The engine is run on events; who searches wants to find the other records too. */
static void match_others(struct worker *w)
{
    const struct pen_type *type = pen_scan_type(w->scan);
    struct pen_matcher *matcher = pen_scan_matcher(w->scan, type);
    const bool is_search = w->options->program->rules == NULL;
    const enum pen_doc_kind kind = w->item.doc.kind;
    if (is_search && matcher != NULL && (kind == PEN_DOC_INSIGHT || kind == PEN_DOC_UNPARSED)) {
        w->item.tag_count = pen_matcher_run(matcher, &w->item.record, &w->item.tags);
    }
}

static pen_status record_out(struct worker *w, struct pen_err *err)
{
    const struct pen_pass_record record = {.worker = w->shared->index,
                                           .object = w->task->object,
                                           .key = pen_scan_key(w->scan),
                                           .type = pen_scan_type(w->scan),
                                           .item = &w->item};
    struct pass_frame frame = {.time_ns = w->item.doc.time_ns,
                               .sequence = w->task->sequence,
                               .record = w->item.record.ordinal};
    const size_t begin = w->out.len;
    if (pen_buf_reserve(&w->out, sizeof(frame)) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "pass: out of memory");
    }
    w->out.len += sizeof(frame);
    PEN_TRY(w->options->on_record(w->options->ctx, &record, &w->out, err));
    frame.byte_count = w->out.len - begin - sizeof(frame);
    if (frame.byte_count == 0) {
        w->out.len = begin;
        return PEN_OK;
    }
    memcpy(w->out.ptr + begin, &frame, sizeof(frame));
    if (w->out.len >= OUTPUT_BYTES) {
        struct pass_note *note = note_new(w, NOTE_OUTPUT);
        take_output(w, note);
        send(w, note);
    }
    return PEN_OK;
}

static bool take_record(struct worker *w)
{
    struct pen_err err = {0};
    if (w->item.doc.kind == PEN_DOC_DIGEST) {
        w->totals.objects_digest++;
        return true;
    }
    w->totals.records_in++;
    if (w->item.doc.kind == PEN_DOC_LEFT_OUT) {
        w->totals.records_excluded++;
        return true;
    }
    if (!is_wanted(w)) {
        w->totals.records_filtered++;
        return true;
    }
    match_others(w);
    w->totals.matches += w->item.tag_count;
    if ((w->item.tag_count > 0 || w->options->all_records) && record_out(w, &err) != PEN_OK) {
        fail(w, &err);
        return false;
    }
    return true;
}

/* ---- objects ---- */

static void data_done(struct worker *w)
{
    if (w->holds_data) {
        input_done(w->input);
        w->holds_data = false;
    }
}

static void task_end(struct worker *w)
{
    struct pass_note *note = note_new(w, NOTE_DONE);
    w->totals.bytes_plain = pen_scan_plain_bytes(w->scan);
    note->totals = w->totals;
    take_output(w, note);
    w->task = NULL;
    input_close(w->input);
    send(w, note);
}

static void task_finish(struct worker *w)
{
    const bool is_unknown =
        pen_slice_eq(pen_scan_object_type(w->scan)->name, PEN_SLICE_LIT("unknown"));
    const bool is_digest = pen_scan_is_digest(w->scan);
    struct pen_err err = {0};
    w->totals.objects_read = 1;
    if (pen_scan_plain_bytes(w->scan) == 0 && !w->is_damaged) {
        w->totals.objects_empty = 1;
    } else if (is_unknown && !is_digest) {
        w->totals.objects_unknown = 1;
        (void)PEN_FAIL(&err, PEN_E_CORRUPT, 0, "%s", pen_scan_unknown_reason(w->scan));
        trouble(w, PEN_PASS_TYPE, 0, &err);
    } else {
        w->totals.objects_digest += is_digest;
        w->totals.objects_by_content += pen_scan_is_by_content(w->scan);
    }
    w->totals.objects_damaged = w->is_damaged;
    task_end(w);
}

/* Gives the scan its next bytes.  False: nothing there yet, or the object ended by a failed read.
 */
static bool task_input(struct worker *w)
{
    struct input_task *task = NULL;
    pen_slice data = {0};
    struct pen_err err = {0};
    data_done(w);
    switch (input_front(w->input, &task, &data, &err)) {
    case PEN_READ_DATA:
        w->totals.bytes_read += data.len;
        w->holds_data = true;
        pen_scan_feed(w->scan, data, false);
        return true;
    case PEN_READ_END:
        pen_scan_feed(w->scan, (pen_slice){0}, true);
        return true;
    case PEN_READ_FAIL:
        w->totals.objects_unreadable = 1;
        trouble(w, PEN_PASS_READ, 0, &err);
        task_end(w);
        return false;
    case PEN_READ_NONE:
    case PEN_READ_WAIT:
        return false;
    }
    pen_panic(PEN_HERE, "reader verdict");
}

/* One verdict of the scan.  False when the step is over. */
static bool scan_turn(struct worker *w)
{
    struct pen_err err = {0};
    switch (pen_scan_next(w->scan, &w->item, &err)) {
    case PEN_SCAN_RECORD:
        return take_record(w);
    case PEN_SCAN_BAD:
        w->totals.records_in++;
        w->totals.records_dead++;
        trouble(w, PEN_PASS_RECORD, w->item.record.ordinal, &err);
        return true;
    case PEN_SCAN_DAMAGE:
        w->is_damaged = true;
        trouble(w, PEN_PASS_DECODE, 0, &err);
        return true;
    case PEN_SCAN_INPUT:
        return task_input(w);
    case PEN_SCAN_END:
        data_done(w);
        task_finish(w);
        return false;
    }
    pen_panic(PEN_HERE, "scan verdict");
}

/* ---- the thread ---- */

/* The end of the thread, or credentials for its reads. */
static void task_other(struct worker *w, struct input_task *task)
{
    struct pen_err err = {0};
    if (task->credentials == NULL) {
        w->is_stopped = true;
        return;
    }
    if (input_credentials(w->input, task->bucket, task->credentials, &err) != PEN_OK) {
        fail(w, &err);
    }
    free(task->credentials);
    free(task);
}

static void take_tasks(struct worker *w)
{
    void *got = NULL;
    while (pen_mailbox_pop(w->shared->tasks, &got)) {
        struct input_task *task = got;
        if (task->object == NULL) {
            task_other(w, task);
            continue;
        }
        PEN_CHECK(w->waiting_count < PASS_TASKS_MAX);
        w->waiting[w->waiting_count++] = task;
    }
    uint32_t opened = 0;
    while (!w->is_failed && opened < w->waiting_count && input_has_slot(w->input)) {
        input_open(w->input, w->waiting[opened++]);
    }
    w->waiting_count -= opened;
    memmove(w->waiting, w->waiting + opened, w->waiting_count * sizeof(struct input_task *));
}

/* Up to STEP_RECORDS records.  True when something was done. */
static bool step(struct worker *w)
{
    if (w->task == NULL) {
        struct input_task *task = NULL;
        pen_slice data = {0};
        struct pen_err err = {0};
        if (input_front(w->input, &task, &data, &err) == PEN_READ_NONE || task == NULL) {
            return false;
        }
        w->task = task;
        w->totals = (struct pen_totals){0};
        w->is_damaged = false;
        pen_scan_begin(w->scan, (pen_slice){0}, pen_slice_str(task->object->key),
                       task->object->mtime_ns);
    }
    for (uint32_t i = 0; i < STEP_RECORDS; i++) {
        if (!scan_turn(w)) {
            return i > 0 || w->task == NULL;
        }
    }
    return true;
}

static pen_status worker_open(struct worker *w, struct pen_err *err)
{
    const struct pen_pass_options *o = w->options;
    const struct pen_scan_options scan = {
        .program = o->program,
        .by_key_only = o->reads != NULL && o->reads->by_key_only != 0,
        .as_type = o->as_type == NULL ? (pen_slice){0} : pen_slice_str(o->as_type)};
    PEN_TRY(pen_scan_new(&scan, &w->scan, err));
    if (w->shared->bucket_count == 0) {
        return input_new(&w->input, err);
    }
    struct pen_fetch_options fetch = shard_fetch_options(o->reads);
    fetch.shares = w->shared->workers;
    fetch.share = w->shared->index;
    return input_new_remote(&fetch, w->shared->buckets, w->shared->bucket_count, &w->input, err);
}

void pass_worker_main(void *ctx)
{
    const struct pass_worker *shared = ctx;
    struct worker w = {.shared = shared, .options = shared->options};
    struct pen_err err = {0};
    pen_buf_init(&w.out, OUTPUT_BYTES_MAX);
    if (worker_open(&w, &err) != PEN_OK) {
        fail(&w, &err);
    }
    const struct timespec nap = {.tv_nsec = NAP_NS};
    while (!w.is_stopped) {
        take_tasks(&w);
        if (w.is_failed) {
            (void)nanosleep(&nap, NULL);
        } else if (!step(&w)) {
            input_wait(w.input);
        }
    }
    input_free(w.input);
    pen_scan_free(w.scan);
    pen_buf_fini(&w.out);
    w.task = NULL;
    send(&w, note_new(&w, NOTE_ENDED));
}
