/* tested by tests/e2e/test_dead_letters.py */
#include "documents.h"

#include "penstock/node.h"

#include "control.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX (PATH_MAX + 256)
#define FRAME_PLAIN_MAX ((size_t)2 << 30)

struct rewriter {
    struct job *job;
    struct taken_set *set;
    struct swapped_files *swapped;
    ZSTD_DCtx *inflate;
    ZSTD_CCtx *deflate;
    struct pen_buf plain, kept, packed;
    const char *name; /* of the file being read */
    int fd;           /* of the one being written, or -1 as long as nothing is left out */
    uint64_t written;
};

static pen_status fail(const struct rewriter *r, struct pen_err *err, pen_status st,
                       const char *what)
{
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "documents/%s: %s", r->name, what);
}

static pen_status put(struct rewriter *r, pen_slice bytes, struct pen_err *err)
{
    while (bytes.len > 0) {
        const ssize_t n = write(r->fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail(r, err, pen_status_of_write(errno), strerrordesc_np(errno));
        }
        r->written += (uint64_t)n;
        bytes = pen_slice_sub(bytes, (size_t)n, bytes.len);
    }
    return PEN_OK;
}

/* The file that takes the place of r->name: the same index and shard, the next free number. */
static pen_status file_begin(struct rewriter *r, pen_slice before, struct pen_err *err)
{
    struct swapped_files *list = r->swapped;
    const char *dash = strrchr(r->name, '-');
    if (list->count == list->cap) {
        const uint32_t cap = list->cap == 0 ? 16 : list->cap * 2;
        struct swapped_file *bigger = reallocarray(list->items, cap, sizeof(*list->items));
        if (bigger == NULL) {
            return fail(r, err, PEN_E_NOMEM, "out of memory");
        }
        list->items = bigger;
        list->cap = cap;
    }
    struct swapped_file *file = &list->items[list->count];
    *file = (struct swapped_file){.bytes = 0};
    if (dash == NULL || strlen(r->name) >= sizeof(file->before) - 8) {
        return fail(r, err, PEN_E_CORRUPT, "not a name of ours");
    }
    (void)snprintf(file->before, sizeof(file->before), "%s", r->name);
    (void)snprintf(file->after, sizeof(file->after), "%.*s-%06u.ndjson.zst", (int)(dash - r->name),
                   r->name, r->job->first_sequence + list->count);
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", r->job->documents_dir, file->after);
    r->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (r->fd < 0) {
        return fail(r, err, pen_status_of_write(errno), strerrordesc_np(errno));
    }
    list->count++;
    r->written = 0;
    return put(r, before, err);
}

static pen_status lines_keep(struct rewriter *r)
{
    pen_slice rest = pen_buf_slice(&r->plain);
    pen_slice line;
    r->kept.len = 0;
    if (rest.len > 0 && rest.ptr[rest.len - 1] != '\n') {
        return PEN_E_CORRUPT;
    }
    while (rest.len > 0 && pen_slice_split(&rest, '\n', &line)) {
        if (line.len == 0 || taken_document(r->set, line)) {
            continue;
        }
        line.len++; /* its line end stands in plain */
        PEN_TRY(pen_buf_add(&r->kept, line));
    }
    return PEN_OK;
}

/* Inflates a frame to plain and what stays of its lines to kept. */
static pen_status frame_read(struct rewriter *r, pen_slice frame, struct pen_err *err)
{
    const unsigned long long bound = ZSTD_getFrameContentSize(frame.ptr, frame.len);
    if (bound > FRAME_PLAIN_MAX) { /* unknown and bad sizes are larger still */
        return fail(r, err, PEN_E_CORRUPT, "a frame that is none of ours");
    }
    r->plain.len = 0;
    if (pen_buf_reserve(&r->plain, (size_t)bound) != PEN_OK) {
        return fail(r, err, PEN_E_NOMEM, "out of memory");
    }
    const size_t n =
        ZSTD_decompressDCtx(r->inflate, r->plain.ptr, r->plain.cap, frame.ptr, frame.len);
    if (ZSTD_isError(n)) {
        return fail(r, err, PEN_E_CORRUPT, ZSTD_getErrorName(n));
    }
    r->plain.len = n;
    const pen_status st = lines_keep(r);
    return st == PEN_OK ? PEN_OK : fail(r, err, st, pen_status_text(st));
}

static pen_status frame_write(struct rewriter *r, struct pen_err *err)
{
    const size_t cap = ZSTD_compressBound(r->kept.len);
    r->packed.len = 0;
    if (pen_buf_reserve(&r->packed, cap) != PEN_OK) {
        return fail(r, err, PEN_E_NOMEM, "out of memory");
    }
    const size_t n = ZSTD_compress2(r->deflate, r->packed.ptr, cap, r->kept.ptr, r->kept.len);
    if (ZSTD_isError(n)) {
        return fail(r, err, PEN_E_INTERNAL, ZSTD_getErrorName(n));
    }
    return put(r, (pen_slice){r->packed.ptr, n}, err);
}

/* A file of which nothing is kept still has a frame: an empty file is no zstd. */
static pen_status frame_do(struct rewriter *r, pen_slice file, size_t at, size_t len,
                           struct pen_err *err)
{
    const pen_slice frame = pen_slice_sub(file, at, at + len);
    PEN_TRY(frame_read(r, frame, err));
    const bool is_whole = r->kept.len == r->plain.len;
    if (is_whole && r->fd < 0) {
        return PEN_OK;
    }
    if (is_whole) {
        return put(r, frame, err);
    }
    if (r->fd < 0) {
        PEN_TRY(file_begin(r, pen_slice_sub(file, 0, at), err));
    }
    return r->kept.len > 0 || (r->written == 0 && at + len == file.len) ? frame_write(r, err)
                                                                        : PEN_OK;
}

static pen_status file_frames(struct rewriter *r, pen_slice file, struct pen_err *err)
{
    for (size_t at = 0; at < file.len;) {
        const size_t len = ZSTD_findFrameCompressedSize(file.ptr + at, file.len - at);
        if (ZSTD_isError(len)) {
            return fail(r, err, PEN_E_CORRUPT, ZSTD_getErrorName(len));
        }
        if (is_interrupted()) {
            return fail(r, err, PEN_E_STOPPED, "interrupted; nothing was changed");
        }
        PEN_TRY(frame_do(r, file, at, len, err));
        at += len;
    }
    if (r->fd < 0) {
        return PEN_OK;
    }
    r->swapped->items[r->swapped->count - 1].bytes = r->written;
    return fsync(r->fd) == 0 ? PEN_OK
                             : fail(r, err, pen_status_of_write(errno), strerrordesc_np(errno));
}

/* One committed file; size is what is committed of it. */
static pen_status file_do(struct rewriter *r, const char *name, uint64_t size, struct pen_err *err)
{
    char path[PATH_BYTES_MAX];
    r->name = name;
    r->fd = -1;
    if (size == 0) {
        return PEN_OK;
    }
    if (strlen(name) > NAME_MAX) {
        return fail(r, err, PEN_E_CORRUPT, "not a name of ours");
    }
    (void)snprintf(path, sizeof(path), "%s/%s", r->job->documents_dir, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(r, err, PEN_E_IO, strerrordesc_np(errno));
    }
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int code = errno;
    (void)close(fd);
    if (map == MAP_FAILED) {
        return fail(r, err, PEN_E_IO, strerrordesc_np(code));
    }
    (void)madvise(map, size, MADV_SEQUENTIAL);
    const pen_status st = file_frames(r, (pen_slice){map, size}, err);
    (void)munmap(map, size);
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    return st;
}

struct file_names {
    struct pen_arena arena;
    struct file_name {
        const char *name;
        uint64_t bytes;
        struct file_name *next;
    } * first, **end;
};

static pen_status name_add(void *ctx, const char *name, uint64_t bytes)
{
    struct file_names *names = ctx;
    struct file_name *one = PEN_NEW(&names->arena, struct file_name);
    if (one == NULL) {
        return PEN_E_NOMEM;
    }
    one->name = (const char *)pen_arena_dup(&names->arena, pen_slice_str(name)).ptr;
    one->bytes = bytes;
    *names->end = one;
    names->end = &one->next;
    return one->name == NULL ? PEN_E_NOMEM : PEN_OK;
}

static pen_status folder_sync(const struct rewriter *r, struct pen_err *err)
{
    const int fd = open(r->job->documents_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    const int code = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_synced ? PEN_OK : fail(r, err, PEN_E_IO, strerrordesc_np(code));
}

static pen_status all_files(struct rewriter *r, struct pen_err *err)
{
    struct file_names names = {.first = NULL};
    names.end = &names.first;
    pen_arena_init(&names.arena, (size_t)1 << 30);
    pen_status st = checkpoint_files(r->job->checkpoint, "document", name_add, &names, err);
    if (st == PEN_E_NOMEM) {
        (void)fail(r, err, st, "out of memory");
    }
    for (const struct file_name *one = names.first; st == PEN_OK && one != NULL; one = one->next) {
        st = file_do(r, one->name, one->bytes, err);
    }
    pen_arena_fini(&names.arena);
    return st == PEN_OK ? folder_sync(r, err) : st;
}

pen_status documents_without(struct job *job, struct taken_set *set, int32_t level,
                             struct swapped_files *swapped, struct pen_err *err)
{
    struct rewriter r = {.job = job,
                         .set = set,
                         .swapped = swapped,
                         .inflate = ZSTD_createDCtx(),
                         .deflate = ZSTD_createCCtx(),
                         .name = "",
                         .fd = -1};
    pen_buf_init(&r.plain, FRAME_PLAIN_MAX);
    pen_buf_init(&r.kept, FRAME_PLAIN_MAX);
    pen_buf_init(&r.packed, FRAME_PLAIN_MAX);
    pen_status st = PEN_OK;
    if (r.inflate == NULL || r.deflate == NULL) {
        st = fail(&r, err, PEN_E_NOMEM, "out of memory");
    } else {
        (void)ZSTD_CCtx_setParameter(r.deflate, ZSTD_c_compressionLevel, level);
        (void)ZSTD_CCtx_setParameter(r.deflate, ZSTD_c_checksumFlag, 1);
        st = all_files(&r, err);
    }
    (void)ZSTD_freeDCtx(r.inflate);
    (void)ZSTD_freeCCtx(r.deflate);
    pen_buf_fini(&r.plain);
    pen_buf_fini(&r.kept);
    pen_buf_fini(&r.packed);
    return st;
}
