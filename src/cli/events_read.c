/* tested by tests/e2e/test_events.py */
#include "events_read.h"

#include "penstock/json.h"

#include "job_args.h"
#include "replay_args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a signal: signal.events_first and signal.events_last at their most. */
#define EVENTS_MAX 200U
#define TEXTS_BYTES_MAX ((size_t)64 << 20) /* ids, names of objects */
#define BUCKET_HEAD "s3://"
#define TROUBLE_MAX sizeof(((struct pen_err *)0)->text)

enum wanted_state { WANTED_NOT, WANTED_FOUND, WANTED_OTHER, WANTED_BAD };
struct wanted {
    const char *event_id, *object;
    uint64_t record;
    int64_t time_ns;
    enum wanted_state state;
    bool is_tried;
};
struct frame { /* what a worker says of a record, before its text */
    uint32_t index;
    uint32_t is_same;
};
struct run {
    const struct events_read_call *call;
    struct events_read_counts *counts;
    struct pen_signals *signals;
    struct pen_arena arena;
    struct wanted wanted[EVENTS_MAX];
    uint32_t count;
    uint64_t seen;                  /* events of the signal, with and without text */
    const struct replay_args *args; /* of the job */
    const struct pen_program *program;
    const char *object; /* that is read now; workers read it, and what wanted says of places */
    char trouble[TROUBLE_MAX]; /* of it; "" is none */
    uint64_t records;          /* that it has, as far as it was read */
    bool is_there;
    struct pen_err *err;
    pen_status st; /* of signals */
};

/* ---- what is wanted ---- */

static pen_status on_event(void *ctx, const struct pen_signal_event_row *row)
{
    struct run *run = ctx;
    const bool is_enough = run->call->events_max != 0 && run->seen == run->call->events_max;
    if (is_enough || run->count == EVENTS_MAX) {
        return PEN_OK;
    }
    run->seen++;
    if (row->event.ptr != NULL || row->event_id.ptr == NULL) {
        return PEN_OK;
    }
    struct wanted *w = &run->wanted[run->count++];
    *w = (struct wanted){.record = (uint64_t)row->record, .time_ns = row->event_time_ns};
    w->event_id = (const char *)pen_arena_dup(&run->arena, row->event_id).ptr;
    w->object = (const char *)pen_arena_dup(&run->arena, row->object).ptr;
    return w->event_id != NULL && w->object != NULL ? PEN_OK : PEN_E_NOMEM;
}

static void tell(struct run *run, const struct wanted *w, pen_slice text, const char *reason)
{
    if (run->st == PEN_OK) {
        run->st = pen_signals_event_tell(run->signals, run->call->id, pen_slice_str(w->event_id),
                                         text, reason, run->err);
    }
}

static void tell_all(struct run *run, const char *reason)
{
    for (uint32_t i = 0; i < run->count; i++) {
        tell(run, &run->wanted[i], (pen_slice){0}, reason);
    }
}

/* ---- one object ---- */

/* On the worker's thread: what wanted says of places does not change meanwhile. */
static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    const struct run *run = ctx;
    const uint64_t ordinal = record->item->record.ordinal;
    const pen_slice key = pen_slice_str(record->object->key);
    char text[PEN_EVENT_ID_MAX];
    if (strcmp(record->object->key, run->object) != 0) { /* a longer name with the same beginning */
        return PEN_OK;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        const struct wanted *w = &run->wanted[i];
        if (w->record != ordinal || strcmp(w->object, run->object) != 0) {
            continue;
        }
        const pen_slice id = pen_event_id(&record->item->doc, key, ordinal, text);
        struct frame frame = {.index = i};
        frame.is_same =
            pen_slice_eq(id, pen_slice_str(w->event_id)) && record->item->doc.time_ns == w->time_ns;
        const pen_slice head = {(const uint8_t *)&frame, sizeof(frame)};
        pen_status st = pen_buf_add(out, head);
        st = st == PEN_OK && frame.is_same ? pen_record_compact(out, &record->item->record) : st;
        return st == PEN_OK ? PEN_OK
                            : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: no room for a record",
                                       record->object->key);
    }
    return PEN_OK;
}

/* Whether something of the object is still to be read. */
static bool is_open(const struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct wanted *w = &run->wanted[i];
        if (w->state != WANTED_FOUND && strcmp(w->object, run->object) == 0) {
            return true;
        }
    }
    return false;
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct run *run = ctx;
    struct frame frame;
    pen_slice text = output->bytes;
    pen_slice head;
    const bool is_whole = pen_slice_take(&text, sizeof(frame), &head);
    PEN_CHECK(is_whole);
    memcpy(&frame, head.ptr, sizeof(frame));
    struct wanted *w = &run->wanted[frame.index];
    w->state = frame.is_same != 0 ? WANTED_FOUND : WANTED_OTHER;
    if (frame.is_same != 0) {
        run->counts->found++;
        tell(run, w, text, NULL);
    }
    return is_open(run);
}

static void bad_record(struct run *run, const struct pen_pass_trouble *trouble)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct wanted *w = &run->wanted[i];
        if (w->record == trouble->record && strcmp(w->object, trouble->object) == 0) {
            w->state = WANTED_BAD;
        }
    }
}

/* The first thing that is wrong with an object says most. */
static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    struct run *run = ctx;
    if (trouble->stage == PEN_PASS_RECORD) {
        bad_record(run, trouble);
    } else if (run->trouble[0] == '\0') {
        (void)snprintf(run->trouble, sizeof(run->trouble), "%s", trouble->err->text);
    }
}

/* Reads the object where one source of the job has it. */
static void object_pass(struct run *run, const char *path, bool is_remote, uint32_t source)
{
    const struct pen_replay_options *job = &run->args->options;
    struct pen_replay_options reads = *job;
    struct pen_totals totals = {0};
    struct pen_err err = {0};
    reads.source_options = job->source_options == NULL ? NULL : &job->source_options[source];
    const struct pen_pass_options pass = {.program = run->program,
                                          .sources = &path,
                                          .source_count = 1,
                                          .keys = is_remote ? NULL : &run->object,
                                          .as_type = job->as_type,
                                          .all_records = true,
                                          .from_ns = INT64_MIN,
                                          .to_ns = INT64_MAX,
                                          .workers = 1,
                                          .reads = &reads,
                                          .on_record = on_record,
                                          .on_output = on_output,
                                          .on_trouble = on_trouble,
                                          .ctx = run};
    if (pen_pass(&pass, &totals, &err) != PEN_OK && run->trouble[0] == '\0') {
        (void)snprintf(run->trouble, sizeof(run->trouble), "%s", err.text);
    }
    run->is_there |= totals.objects_listed > 0;
    run->records = totals.records_in > run->records ? totals.records_in : run->records;
}

/* ---- where a source has it ---- */

/* "s3://bucket/" and the key, when the key is one of the source.  malloc'd, or NULL. */
static char *remote_path(const char *source, const char *object)
{
    const char *slash = strchr(source + strlen(BUCKET_HEAD), '/');
    const char *prefix = slash == NULL ? "" : slash + 1;
    const int root = slash == NULL ? (int)strlen(source) : (int)(slash - source);
    char *path = NULL;
    if (strncmp(object, prefix, strlen(prefix)) != 0 ||
        asprintf(&path, "%.*s/%s", root, source, object) < 0) {
        return NULL;
    }
    return path;
}

/* A file is a source of its own name; else the source is the folder above the key. */
static char *local_path(const char *source, const char *object)
{
    const char *slash = strrchr(source, '/');
    char *path = NULL;
    if (strcmp(slash == NULL ? source : slash + 1, object) == 0) {
        return strdup(source);
    }
    return asprintf(&path, "%s/%s", source, object) < 0 ? NULL : path;
}

static void source_try(struct run *run, uint32_t which)
{
    const char *source = run->args->options.sources[which];
    const bool is_remote = strncmp(source, BUCKET_HEAD, strlen(BUCKET_HEAD)) == 0;
    if (strcmp(source, "-") == 0) {
        (void)snprintf(run->trouble, sizeof(run->trouble),
                       "it came through standard input, which is not read again");
        return;
    }
    char *path = is_remote ? remote_path(source, run->object) : local_path(source, run->object);
    if (path != NULL) {
        object_pass(run, path, is_remote, which);
    }
    free(path);
}

static void reason_text(const struct run *run, const struct wanted *w, char *text, size_t cap)
{
    if (w->state == WANTED_OTHER || w->state == WANTED_BAD) {
        (void)snprintf(text, cap, "record %" PRIu64 " of the object is %s now: the object changed",
                       w->record, w->state == WANTED_BAD ? "no good record" : "another event");
    } else if (run->trouble[0] != '\0') {
        (void)snprintf(text, cap, "read again in vain: %s", run->trouble);
    } else if (!run->is_there) {
        (void)snprintf(text, cap, "the object is gone: no source of the job has it any more");
    } else {
        (void)snprintf(text, cap,
                       "record %" PRIu64 " is not there any more: the object has %" PRIu64
                       " records that can be read",
                       w->record, run->records);
    }
}

/* Every wanted event of one object. */
static void object_read(struct run *run, const char *object)
{
    char reason[TROUBLE_MAX + 64];
    run->object = object;
    run->trouble[0] = '\0';
    run->records = 0;
    run->is_there = false;
    run->counts->objects++;
    for (uint32_t i = 0; i < run->args->options.source_count && is_open(run); i++) {
        source_try(run, i);
    }
    for (uint32_t i = 0; i < run->count; i++) {
        struct wanted *w = &run->wanted[i];
        if (strcmp(w->object, object) != 0) {
            continue;
        }
        w->is_tried = true;
        if (w->state != WANTED_FOUND) {
            reason_text(run, w, reason, sizeof(reason));
            tell(run, w, (pen_slice){0}, reason);
        }
    }
}

/* ---- the whole ---- */

static void objects_read(struct run *run)
{
    const uint64_t most =
        run->call->has_reads_max ? run->call->reads_max : run->args->options.reads_max;
    char limit[128];
    (void)snprintf(limit, sizeof(limit), "not read again: signal.reads_max is %" PRIu64 " objects",
                   most);
    for (uint32_t i = 0; i < run->count; i++) {
        const struct wanted *w = &run->wanted[i];
        if (w->is_tried) {
            continue;
        }
        if (w->object[0] == '\0') {
            tell(run, w, (pen_slice){0}, "it is a signal of another rule, not a record");
        } else if (run->counts->objects == most) {
            tell(run, w, (pen_slice){0}, limit);
        } else {
            object_read(run, w->object);
        }
    }
}

static void with_job(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    const struct pen_program_options build = {.types_dir = run->args->options.types_dir};
    if (pen_program_new(&build, &program, &err) != PEN_OK) {
        tell_all(run, err.text);
        return;
    }
    run->program = program;
    objects_read(run);
    pen_program_free(program);
}

/* What the command line of the job says of it has been told on standard error by its reading. */
static void with_arguments(struct run *run, const struct job_args *job)
{
    struct replay_args *args = malloc(sizeof(*args));
    PEN_CHECK(args != NULL);
    replay_args_init(args);
    run->args = args;
    if (replay_args_read(args, job->argc, job->argv) < 0) {
        with_job(run);
    } else {
        tell_all(run, "not read again: the options of the job do not hold any more");
    }
    replay_args_fini(args);
    free(args);
}

static void read_all(struct run *run)
{
    struct pen_err err = {0};
    struct job_args job;
    if (run->call->has_reads_max && run->call->reads_max == 0) {
        tell_all(run, "not read again: --reads 0");
        return;
    }
    if (job_args_open(&job, run->call->out_dir, &err) == PEN_OK) {
        with_arguments(run, &job);
    } else {
        tell_all(run, err.text);
    }
    job_args_close(&job);
}

pen_status events_read(struct pen_signals *signals, const struct events_read_call *call,
                       struct events_read_counts *counts, struct pen_err *err)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    *counts = (struct events_read_counts){0};
    *run = (struct run){.call = call, .counts = counts, .signals = signals, .err = err};
    pen_arena_init(&run->arena, TEXTS_BYTES_MAX);
    pen_status st = pen_signals_events(signals, call->id, on_event, run, err);
    counts->events = run->count;
    if (st == PEN_OK && run->count > 0) {
        read_all(run);
        st = run->st;
    }
    pen_arena_fini(&run->arena);
    free(run);
    return st;
}
