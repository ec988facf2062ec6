/* tested by tests/e2e/test_search.py */
#include "pass_worker.h"
#include "planner.h"
#include "wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define LIST_OBJECTS 4096U /* of a folder at a time */
#define CREDIT_OBJECTS 24U
#define CREDENTIALS_NS PEN_NS_PER_S /* between looks at them */
#define CREDIT_BYTES ((uint64_t)16 << 20)
#define NAP_NS 200000L
#define REMOTE_OBJECTS 256U /* answers are far: many are asked for */
#define REMOTE_BYTES ((uint64_t)96 << 20)
_Static_assert(REMOTE_OBJECTS + PEN_FETCH_SOURCES_MAX < PASS_TASKS_MAX,
               "the mailbox has room for the end");

struct crew_member {
    struct pass_worker shared;
    struct input_task end; /* the task that ends it */
    struct input_task *open[PASS_TASKS_MAX];
    uint64_t open_bytes;
    uint32_t open_objects;
    bool has_ended;
};

struct pass {
    const struct pen_pass_options *options;
    struct pen_totals *totals;
    struct pen_replay_options plan; /* what the planner reads of it */
    const char **sources;           /* folders and regular files */
    const char **streams;           /* "-" and pipes, to be read first */
    uint32_t source_count, stream_count, next_stream;
    struct planner planner;
    struct shard_bucket *buckets;
    int64_t credentials_ns; /* when they were looked at last */
    uint32_t next_unit;
    struct object_list list;
    uint32_t next_object;
    uint64_t next_sequence;
    struct crew_member crew[PEN_PASS_WORKERS_MAX];
    uint32_t crew_count;
    uint64_t open_objects;
    bool has_enough;
    struct pen_err failure;
};

static void tell(struct pass *p, enum pen_pass_stage stage, const char *object, uint64_t record,
                 const struct pen_err *err)
{
    const struct pen_pass_trouble trouble = {
        .stage = stage, .object = object, .record = record, .err = err};
    p->options->on_trouble(p->options->ctx, &trouble);
}

static void on_folder(void *ctx, const char *path, const struct pen_err *err)
{
    struct pass *p = ctx;
    p->totals->objects_unreadable++;
    tell(p, PEN_PASS_FOLDER, path, 0, err);
}

/* ---- what comes back ---- */

static void frames_out(struct pass *p, const struct pen_buf *bytes)
{
    pen_slice rest = pen_buf_slice(bytes);
    pen_slice head;
    while (!p->has_enough && pen_slice_take(&rest, sizeof(struct pass_frame), &head)) {
        struct pass_frame frame;
        struct pen_pass_output output = {0};
        memcpy(&frame, head.ptr, sizeof(frame));
        const bool is_whole = pen_slice_take(&rest, frame.byte_count, &output.bytes);
        PEN_CHECK(is_whole);
        output.time_ns = frame.time_ns;
        output.sequence = frame.sequence;
        output.record = frame.record;
        p->has_enough = !p->options->on_output(p->options->ctx, &output);
    }
}

static void task_free(struct pass *p, struct crew_member *member, uint32_t place)
{
    struct input_task *task = member->open[place];
    member->open_bytes -= task->object->size;
    member->open[place] = member->open[--member->open_objects];
    p->open_objects--;
    object_free(task->object);
    free(task);
}

static void task_done(struct pass *p, struct crew_member *member, const struct input_task *task)
{
    for (uint32_t i = 0; i < member->open_objects; i++) {
        if (member->open[i] == task) {
            task_free(p, member, i);
            return;
        }
    }
    pen_panic(PEN_HERE, "a task that was not given");
}

static void totals_add(struct pen_totals *to, const struct pen_totals *from)
{
    to->objects_read += from->objects_read;
    to->objects_empty += from->objects_empty;
    to->objects_damaged += from->objects_damaged;
    to->objects_unknown += from->objects_unknown;
    to->objects_unreadable += from->objects_unreadable;
    to->objects_digest += from->objects_digest;
    to->objects_by_content += from->objects_by_content;
    to->records_excluded += from->records_excluded;
    to->bytes_read += from->bytes_read;
    to->bytes_plain += from->bytes_plain;
    to->records_in += from->records_in;
    to->records_filtered += from->records_filtered;
    to->records_dead += from->records_dead;
    to->matches += from->matches;
    to->groups_cut += from->groups_cut;
    to->values_cut += from->values_cut;
}

static void take_note(struct pass *p, struct crew_member *member, struct pass_note *note)
{
    switch (note->kind) {
    case NOTE_OUTPUT:
        frames_out(p, &note->bytes);
        break;
    case NOTE_TROUBLE:
        if (!p->has_enough) {
            tell(p, note->stage, note->task->object->key, note->record, &note->err);
        }
        break;
    case NOTE_DONE:
        frames_out(p, &note->bytes);
        totals_add(p->totals, &note->totals);
        task_done(p, member, note->task);
        break;
    case NOTE_FAILED:
        if (p->failure.status == PEN_OK) {
            p->failure = note->err;
        }
        break;
    case NOTE_ENDED:
        member->has_ended = true;
        break;
    }
    pass_note_free(note);
}

static bool drain(struct pass *p)
{
    bool busy = false;
    for (uint32_t i = 0; i < p->crew_count; i++) {
        void *got = NULL;
        while (pen_mailbox_pop(p->crew[i].shared.notes, &got)) {
            take_note(p, &p->crew[i], got);
            busy = true;
        }
    }
    return busy;
}

/* ---- what is given out ---- */

/* The worker with the least to read, or NULL when all have enough. */
static struct crew_member *idlest(struct pass *p)
{
    struct crew_member *best = NULL;
    const bool is_remote = p->planner.bucket_count > 0;
    for (uint32_t i = 0; i < p->crew_count; i++) {
        struct crew_member *member = &p->crew[i];
        const bool has_room =
            member->open_objects == 0 ||
            (member->open_objects < (is_remote ? REMOTE_OBJECTS : CREDIT_OBJECTS) &&
             member->open_bytes < (is_remote ? REMOTE_BYTES : CREDIT_BYTES));
        if (has_room && (best == NULL || member->open_bytes < best->open_bytes)) {
            best = member;
        }
    }
    return best;
}

static void give(struct pass *p, struct crew_member *member, struct pen_object *object,
                 bool is_stream)
{
    struct input_task *task = calloc(1, sizeof(*task));
    PEN_CHECK(task != NULL);
    *task = (struct input_task){
        .object = object, .sequence = p->next_sequence++, .is_stream = is_stream};
    member->open[member->open_objects++] = task;
    member->open_bytes += object->size;
    p->open_objects++;
    const bool has_room = pen_mailbox_push(member->shared.tasks, task);
    PEN_CHECK(has_room);
}

static struct pen_object *stream_object(const char *path)
{
    struct pen_object *object = calloc(1, sizeof(*object));
    PEN_CHECK(object != NULL);
    object->path = strdup(path);
    object->key = strdup(path);
    PEN_CHECK(object->path != NULL && object->key != NULL);
    return object;
}

/* Lists on until there is an object to give out.  False: there are no more, or not yet. */
static bool list_more(struct pass *p)
{
    while (p->next_object == p->list.count) {
        p->list.count = 0;
        p->next_object = 0;
        if (p->next_unit == p->planner.unit_count) {
            return false;
        }
        struct pen_err err = {0};
        const uint32_t unit = p->next_unit;
        const uint64_t pruned = p->list.pruned;
        bool is_done = true;
        if (planner_list(&p->planner, unit, LIST_OBJECTS, &p->list, &is_done, &err) != PEN_OK) {
            on_folder(p, p->planner.units[unit].path, &err);
        }
        p->next_unit += is_done;
        p->totals->objects_pruned += p->list.pruned - pruned;
        p->totals->objects_listed += p->list.count + p->list.pruned - pruned;
        if (!is_done && p->list.count == 0) {
            return false; /* its page has not come yet */
        }
    }
    return true;
}

static bool deal(struct pass *p)
{
    bool busy = false;
    struct crew_member *member = idlest(p);
    for (; member != NULL; member = idlest(p)) {
        if (p->next_stream < p->stream_count) {
            p->totals->objects_listed++;
            give(p, member, stream_object(p->streams[p->next_stream++]), true);
        } else if (list_more(p)) {
            give(p, member, p->list.items[p->next_object++], false);
        } else {
            return busy;
        }
        busy = true;
    }
    return busy;
}

/* ---- start and end ---- */

/* Folders and files are for the planner; pipes are no more than bytes that come once. */
static pen_status sources_sort(struct pass *p, struct pen_err *err)
{
    const struct pen_pass_options *o = p->options;
    struct stat st;
    bool has_stdin = false;
    p->sources = calloc(o->source_count + 1, sizeof(*p->sources));
    p->streams = calloc(o->source_count + 1, sizeof(*p->streams));
    if (p->sources == NULL || p->streams == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "pass: out of memory");
    }
    for (uint32_t i = 0; i < o->source_count; i++) {
        const char *source = o->sources[i];
        const bool is_stdin = strcmp(source, "-") == 0;
        if (is_stdin && has_stdin) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "standard input is named twice");
        }
        has_stdin |= is_stdin;
        if (is_stdin || (stat(source, &st) == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))) {
            p->streams[p->stream_count++] = source;
        } else {
            p->sources[p->source_count++] = source;
        }
    }
    return PEN_OK;
}

/* Files that are named by path and key: none is looked for, a missing one is a failed read. */
static pen_status named_add(struct pass *p, struct pen_err *err)
{
    const struct pen_pass_options *o = p->options;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < o->source_count; i++) {
        st = planner_unit_add(&p->planner, strdup(o->sources[i]), strdup(o->keys[i]), true);
    }
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "pass: out of memory");
}

static pen_status plan_open(struct pass *p, struct pen_err *err)
{
    const struct pen_pass_options *o = p->options;
    PEN_TRY(o->keys == NULL ? sources_sort(p, err) : PEN_OK);
    p->plan = (struct pen_replay_options){.out_dir = "",
                                          .sources = p->sources,
                                          .source_count = p->source_count,
                                          .as_type = o->as_type,
                                          .from_ns = o->from_ns,
                                          .to_ns = o->to_ns,
                                          .accounts = o->accounts,
                                          .account_count = o->account_count,
                                          .not_accounts = o->not_accounts,
                                          .not_account_count = o->not_account_count,
                                          .regions = o->regions,
                                          .region_count = o->region_count,
                                          .not_regions = o->not_regions,
                                          .not_region_count = o->not_region_count,
                                          .types = o->types,
                                          .type_count = o->type_count,
                                          .not_types = o->not_types,
                                          .not_type_count = o->not_type_count};
    PEN_TRY(types_wanted_check(o->program->types, &p->plan, err));
    if (o->reads != NULL) {
        p->plan.s3 = o->reads->s3;
        p->plan.credentials_timeout_ns = o->reads->credentials_timeout_ns;
        p->plan.credentials_retry_ns = o->reads->credentials_retry_ns;
        p->plan.credentials_wait_ns = o->reads->credentials_wait_ns;
        p->plan.resolve_timeout_ns = o->reads->resolve_timeout_ns;
        p->plan.log_level = PEN_LOG_WARN;
    }
    PEN_TRY(planner_init(&p->planner, &p->plan, o->program->types, on_folder, p, err));
    PEN_TRY(o->keys == NULL ? PEN_OK : named_add(p, err));
    if (p->planner.bucket_count > 0 && p->stream_count > 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "sources in S3 and others cannot be read together");
    }
    p->credentials_ns = pen_clock_mono_ns();
    return p->planner.bucket_count > 0 ? buckets_share(&p->planner, &p->buckets, err) : PEN_OK;
}

static pen_status crew_start(struct pass *p, struct pen_err *err)
{
    uint32_t wanted = p->options->workers == 0 ? pen_host_cores() : p->options->workers;
    wanted = wanted > PEN_PASS_WORKERS_MAX ? PEN_PASS_WORKERS_MAX : wanted;
    for (uint32_t i = 0; i < wanted; i++) {
        struct crew_member *member = &p->crew[i];
        char name[16];
        (void)snprintf(name, sizeof(name), "pass-%u", i);
        member->shared = (struct pass_worker){.options = p->options,
                                              .index = i,
                                              .buckets = p->buckets,
                                              .bucket_count = p->planner.bucket_count,
                                              .workers = wanted};
        PEN_TRY(pen_mailbox_new(PASS_TASKS_MAX, &member->shared.tasks, err));
        p->crew_count = i + 1; /* its mailboxes are freed from here on */
        member->has_ended = true;
        PEN_TRY(pen_mailbox_new(PASS_NOTES_MAX, &member->shared.notes, err));
        PEN_TRY(pen_thread_start(&member->shared.thread, i, name, pass_worker_main, &member->shared,
                                 err));
        member->has_ended = false;
    }
    return PEN_OK;
}

static void nap(void)
{
    const struct timespec time = {.tv_nsec = NAP_NS};
    (void)nanosleep(&time, NULL);
}

static void crew_stop(struct pass *p)
{
    bool is_running = false;
    for (uint32_t i = 0; i < p->crew_count; i++) {
        struct crew_member *member = &p->crew[i];
        if (!member->has_ended) {
            is_running = true;
            const bool has_room = pen_mailbox_push(member->shared.tasks, &member->end);
            PEN_CHECK(has_room);
        }
    }
    while (is_running) {
        if (!drain(p)) {
            nap();
        }
        is_running = false;
        for (uint32_t i = 0; i < p->crew_count; i++) {
            is_running |= !p->crew[i].has_ended;
        }
    }
    for (uint32_t i = 0; i < p->crew_count; i++) {
        struct crew_member *member = &p->crew[i];
        if (member->shared.thread != NULL) {
            pen_thread_join(&member->shared.thread);
        }
        while (member->open_objects > 0) {
            task_free(p, member, 0);
        }
        pen_mailbox_free(member->shared.tasks);
        pen_mailbox_free(member->shared.notes);
    }
}

static void worker_tell(struct crew_member *member, uint32_t bucket, const struct renew *renew)
{
    struct input_task *task = calloc(1, sizeof(*task));
    size_t bytes = 0;
    PEN_CHECK(task != NULL);
    task->bucket = bucket;
    task->credentials = credentials_text(renew, &bytes);
    const bool has_room = pen_mailbox_push(member->shared.tasks, task);
    PEN_CHECK(has_room);
}

/* What has become of credentials, which are renewed beside the pass, is told to the workers. */
static void credentials_turn(struct pass *p)
{
    const int64_t now = pen_clock_mono_ns();
    if (p->planner.bucket_count == 0 || now - p->credentials_ns < CREDENTIALS_NS) {
        return;
    }
    p->credentials_ns = now;
    for (uint32_t i = 0; i < p->planner.bucket_count; i++) {
        const bool has_news = bucket_renew(p->planner.buckets[i]);
        for (uint32_t j = 0; has_news && j < p->crew_count; j++) {
            worker_tell(&p->crew[j], i, bucket_credentials(p->planner.buckets[i]));
        }
    }
}

static bool is_all_given(const struct pass *p)
{
    return p->next_stream == p->stream_count && p->next_object == p->list.count &&
           p->next_unit == p->planner.unit_count;
}

static pen_status run(struct pass *p, struct pen_err *err)
{
    PEN_TRY(plan_open(p, err));
    PEN_TRY(crew_start(p, err));
    while (!p->has_enough && p->failure.status == PEN_OK) {
        const bool was_busy = drain(p);
        const bool is_busy = deal(p) || was_busy;
        if (p->open_objects == 0 && !is_busy && is_all_given(p)) {
            break;
        }
        credentials_turn(p);
        if (!is_busy) {
            nap();
        }
    }
    return PEN_OK;
}

pen_status pen_pass(const struct pen_pass_options *options, struct pen_totals *totals,
                    struct pen_err *err)
{
    struct pass *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "pass: out of memory");
    }
    p->options = options;
    p->totals = totals;
    *totals = (struct pen_totals){0};
    pen_status st = run(p, err);
    crew_stop(p);
    if (st == PEN_OK && p->failure.status != PEN_OK) {
        *err = p->failure;
        st = err->status;
    }
    for (uint32_t i = p->next_object; i < p->list.count; i++) {
        object_free(p->list.items[i]);
    }
    free(p->list.items);
    buckets_unshare(p->buckets, p->planner.bucket_count);
    planner_fini(&p->planner);
    free((void *)p->sources);
    free((void *)p->streams);
    free(p);
    return st;
}
