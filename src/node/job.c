/* tested by tests/e2e/test_replay.py */
#include "job.h"

#include "penstock/node.h"

#include "folder.h"
#include "identity.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pen_status io_fail(struct pen_err *err, const char *what, const char *path)
{
    return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "%s %s: %s", what, path,
                    strerrordesc_np(errno));
}

static pen_status job_lock(struct job *job, struct pen_err *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/lock", job->dir);
    job->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (job->lock_fd < 0) {
        return io_fail(err, "cannot open", path);
    }
    if (flock(job->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s is in use by another penstock: wait for it, or give another --out",
                        job->dir);
    }
    return PEN_OK;
}

static pen_status ends_read(struct job *job, struct pen_err *err)
{
    char text[JOB_ENDS_MAX * 24];
    char *save = NULL;
    PEN_TRY(checkpoint_get(job->checkpoint, "ends", text, sizeof(text), err));
    for (char *part = strtok_r(text, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save)) {
        if (job->end_count == JOB_ENDS_MAX ||
            !pen_parse_i64(pen_slice_str(part), &job->ends_ns[job->end_count++])) {
            return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad ends");
        }
    }
    return PEN_OK;
}

static pen_status ends_write(struct job *job, const char *to_text, struct pen_err *err)
{
    char text[JOB_ENDS_MAX * 24] = "";
    char now[24];
    size_t len = 0;
    for (uint32_t i = 0; i < job->end_count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%" PRId64, i == 0 ? "" : ",",
                                job->ends_ns[i]);
    }
    (void)snprintf(now, sizeof(now), "%" PRId64, job->to_ns);
    PEN_TRY(checkpoint_begin(job->checkpoint, err));
    PEN_TRY(checkpoint_set(job->checkpoint, "ends", text, err));
    PEN_TRY(checkpoint_set(job->checkpoint, "to", now, err));
    PEN_TRY(checkpoint_set(job->checkpoint, "to text", to_text == NULL ? "" : to_text, err));
    PEN_TRY(checkpoint_set(job->checkpoint, "done", "0", err));
    return checkpoint_end(job->checkpoint, err);
}

/* ---- back to the last commit ---- */

struct file_list {
    char **names;
    uint64_t *bytes;
    uint32_t count, cap;
};

static pen_status file_listed(void *ctx, const char *name, uint64_t bytes)
{
    struct file_list *list = ctx;
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 64 : list->cap * 2;
        list->names = reallocarray(list->names, list->cap, sizeof(char *));
        list->bytes = reallocarray(list->bytes, list->cap, sizeof(uint64_t));
        PEN_CHECK(list->names != NULL && list->bytes != NULL);
    }
    list->names[list->count] = strdup(name);
    PEN_CHECK(list->names[list->count] != NULL);
    list->bytes[list->count++] = bytes;
    return PEN_OK;
}

static void file_list_free(struct file_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    free(list->bytes);
    *list = (struct file_list){0};
}

static int64_t file_find(const struct file_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_committed(void *ctx, const char *name)
{
    return file_find(ctx, name) >= 0;
}

/* Files of ours that no commit names go; longer ones are cut; a missing or short one is a broken
 * folder. */
static pen_status folder_restore(const char *dir, bool (*is_ours)(const char *name),
                                 struct file_list *list, struct pen_err *err)
{
    char path[PATH_MAX];
    const struct folder_sweep sweep = {.is_ours = is_ours, .is_kept = is_committed, .ctx = list};
    pen_status st = folder_sweep(dir, &sweep, err);
    for (uint32_t i = 0; st == PEN_OK && i < list->count; i++) {
        struct stat info;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, list->names[i]);
        if (stat(path, &info) != 0 || (uint64_t)info.st_size < list->bytes[i]) {
            st = PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                          "%s is missing or shorter than its last commit: the folder was changed "
                          "from outside; start anew with --fresh",
                          path);
        } else if ((uint64_t)info.st_size > list->bytes[i] &&
                   truncate(path, (off_t)list->bytes[i]) != 0) {
            st = io_fail(err, "cannot cut", path);
        }
    }
    return st;
}

/* One past the largest sequence number of NAME.SSS-NNNNNN.ndjson.zst. */
static uint32_t sequence_after(const struct file_list *list)
{
    uint32_t after = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const char *dash = strrchr(list->names[i], '-');
        uint64_t number = 0;
        if (dash != NULL &&
            pen_parse_u64((pen_slice){(const uint8_t *)dash + 1, strspn(dash + 1, "0123456789")},
                          &number) &&
            number + 1 > after && number < UINT32_MAX - 1) {
            after = (uint32_t)number + 1;
        }
    }
    return after;
}

static void runs_free(struct job *job)
{
    for (uint32_t i = 0; i < job->run_count; i++) {
        free(job->runs[i]);
    }
    free(job->runs);
    job->runs = NULL;
    job->run_count = 0;
}

/* Snapshots that the checkpoint does not name go; one that is missing has another to stand for it.
 */
static pen_status snapshots_restore(struct job *job, struct pen_err *err)
{
    struct file_list list = {0};
    pen_status st = checkpoint_files(job->checkpoint, SNAPSHOT_FILE, file_listed, &list, err);
    const struct folder_sweep sweep = {
        .is_ours = folder_is_snapshot, .is_kept = is_committed, .ctx = &list};
    st = st == PEN_OK ? folder_sweep(job->state_dir, &sweep, err) : st;
    file_list_free(&list);
    return st == PEN_OK ? snapshots_read(&job->snapshots, job->checkpoint, err) : st;
}

pen_status job_restore(struct job *job, struct pen_err *err)
{
    struct file_list list = {0};
    runs_free(job);
    job->log_bytes = 0;
    pen_status st = checkpoint_files(job->checkpoint, "document", file_listed, &list, err);
    if (st == PEN_OK) {
        st = folder_restore(job->documents_dir, folder_is_document, &list, err);
    }
    job->first_sequence = sequence_after(&list);
    file_list_free(&list);
    PEN_TRY(st);
    st = checkpoint_files(job->checkpoint, "run", file_listed, &list, err);
    if (st == PEN_OK) {
        st = folder_restore(job->state_dir, folder_is_run, &list, err);
    }
    job->runs = list.names;
    job->run_count = list.count;
    for (uint32_t i = 0; i < list.count; i++) {
        job->log_bytes += list.bytes[i];
    }
    free(list.bytes);
    PEN_TRY(st);
    PEN_TRY(snapshots_restore(job, err));
    if (truncate(job->dead_path, (off_t)job->dead_bytes) != 0 && errno != ENOENT) {
        return io_fail(err, "cannot cut", job->dead_path);
    }
    return PEN_OK;
}

static pen_status number_get(struct job *job, const char *name, uint64_t *value,
                             struct pen_err *err)
{
    char text[32];
    PEN_TRY(checkpoint_get(job->checkpoint, name, text, sizeof(text), err));
    *value = 0;
    return text[0] == '\0' || pen_parse_u64(pen_slice_str(text), value)
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad %s", name);
}

static pen_status number_set(struct job *job, const char *name, uint64_t value, struct pen_err *err)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return checkpoint_set(job->checkpoint, name, text, err);
}

/* What the interrupted run had. */
static pen_status values_resume(struct job *job, struct pen_err *err)
{
    uint64_t ingested = 0;
    PEN_TRY(number_get(job, "dead_bytes", &job->dead_bytes, err));
    PEN_TRY(number_get(job, "hash_key", &job->hash_key, err));
    PEN_TRY(number_get(job, "ingested_ns", &ingested, err));
    job->ingested_ns = (int64_t)ingested;
    return PEN_OK;
}

/* What a new job goes by in all of its runs. */
static pen_status values_begin(struct job *job, const struct pen_replay_options *o,
                               struct pen_err *err)
{
    const int64_t now = pen_clock_wall_ns() / PEN_NS_PER_S * PEN_NS_PER_S;
    job->hash_key = pen_hash64(pen_slice_str(job->id), 7);
    job->ingested_ns = o->ingested_ns == INT64_MIN ? now : o->ingested_ns;
    PEN_TRY(number_get(job, "dead_bytes", &job->dead_bytes, err));
    PEN_TRY(number_set(job, "hash_key", job->hash_key, err));
    PEN_TRY(number_set(job, "ingested_ns", (uint64_t)job->ingested_ns, err));
    return checkpoint_set(job->checkpoint, "job", job->id, err);
}

/* --fresh: everything of the old job but signals.db, whose triage is kept. */
static pen_status job_wipe(struct job *job, struct pen_err *err)
{
    static const char *const names[] = {"checkpoint.db", "checkpoint.db-wal", "checkpoint.db-shm",
                                        "dead-letters.ndjson.zst"};
    char path[PATH_MAX];
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", job->dir, names[i]);
        if (unlink(path) != 0 && errno != ENOENT) {
            return io_fail(err, "cannot remove", path);
        }
    }
    return PEN_OK;
}

static pen_status job_folders(struct job *job, struct pen_err *err)
{
    (void)snprintf(job->documents_dir, sizeof(job->documents_dir), "%s/documents", job->dir);
    (void)snprintf(job->state_dir, sizeof(job->state_dir), "%s/state", job->dir);
    (void)snprintf(job->dead_path, sizeof(job->dead_path), "%s/dead-letters.ndjson.zst", job->dir);
    PEN_TRY(folder_claim(job->dir, err));
    PEN_TRY(job_lock(job, err));
    PEN_TRY(folder_make(job->documents_dir, err));
    return folder_make(job->state_dir, err);
}

/* From here on the folder holds this run, which is not done. */
static pen_status run_begin(struct job *job, const struct pen_replay_options *o,
                            struct pen_err *err)
{
    PEN_TRY(job->is_longer ? ends_write(job, o->to_text, err) : number_set(job, "done", 0, err));
    PEN_TRY(o->arguments == NULL ? PEN_OK
                                 : checkpoint_set(job->checkpoint, "arguments", o->arguments, err));
    return job->is_resumed ? values_resume(job, err) : values_begin(job, o, err);
}

/* What the checkpoint tells of the run before, when there was one. */
static pen_status job_before(struct job *job, struct pen_err *err)
{
    char id[40];
    uint64_t was_done = 0;
    PEN_TRY(checkpoint_get(job->checkpoint, "job", id, sizeof(id), err));
    PEN_TRY(number_get(job, "epoch", &job->epoch, err));
    PEN_TRY(number_get(job, "done", &was_done, err));
    PEN_TRY(ends_read(job, err));
    (void)snprintf(job->id, sizeof(job->id), "%.32s", id);
    job->is_resumed = id[0] != '\0' && job->epoch > 0; /* without a commit nothing is there */
    job->was_done = was_done != 0;
    return PEN_OK;
}

pen_status job_open(struct job *job, const struct pen_replay_options *options,
                    const struct pen_program *program, struct pen_err *err)
{
    *job = (struct job){.dir = options->out_dir,
                        .lock_fd = -1,
                        .from_ns = options->from_ns,
                        .to_ns = options->to_ns};
    PEN_TRY(job_folders(job, err));
    PEN_TRY(options->fresh ? job_wipe(job, err) : PEN_OK);
    PEN_TRY(checkpoint_open(job->dir, &job->checkpoint, err));
    PEN_TRY(job_before(job, err));
    PEN_TRY(job_identity(job, options, program, err));
    PEN_TRY(run_begin(job, options, err));
    return job_restore(job, err);
}

static pen_status dead_write(struct job *job, pen_slice frame, struct pen_err *err)
{
    const int fd = open(job->dead_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    size_t done = 0;
    ssize_t n = 1;
    while (fd >= 0 && n > 0 && done < frame.len) {
        n = pwrite(fd, frame.ptr + done, frame.len - done, (off_t)(job->dead_bytes + done));
        done += n > 0 ? (size_t)n : 0;
    }
    const bool is_written = fd >= 0 && n > 0 && fsync(fd) == 0;
    const int code = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_written ? PEN_OK
                      : PEN_FAIL(err, pen_status_of_write(code), PEN_NO_OFFSET, "%s: %s",
                                 job->dead_path, strerrordesc_np(code));
}

pen_status job_dead_append(struct job *job, pen_slice lines, struct pen_err *err)
{
    if (lines.len == 0) {
        return PEN_OK;
    }
    const size_t cap = ZSTD_compressBound(lines.len);
    uint8_t *frame = malloc(cap);
    PEN_CHECK(frame != NULL);
    const size_t len = ZSTD_compress(frame, cap, lines.ptr, lines.len, 3);
    PEN_CHECK(!ZSTD_isError(len));
    const pen_status st = dead_write(job, (pen_slice){frame, len}, err);
    job->dead_bytes += st == PEN_OK ? len : 0;
    free(frame);
    return st;
}

void job_close(struct job *job)
{
    runs_free(job);
    checkpoint_close(job->checkpoint);
    if (job->lock_fd >= 0) {
        (void)close(job->lock_fd);
    }
}

pen_status job_done(struct job *job, struct pen_err *err)
{
    return number_set(job, "done", 1, err);
}

char *job_unit_name(const char *path, uint32_t end_count)
{
    char *name = NULL;
    return asprintf(&name, "%s\n%u", path, end_count) < 0 ? NULL : name;
}
