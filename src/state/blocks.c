/* tested by tests/unit/state/test_snapshot.c */
#include "blocks.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fast levels: a file is written once, read once, and its size is no concern. */
#define BLOCK_ZSTD_LEVEL (-3)

/* ---- writing ---- */

pen_status block_writer_init(struct block_writer *w)
{
    *w = (struct block_writer){.fd = -1};
    pen_buf_init(&w->plain, STATE_BLOCK_MAX);
    pen_buf_init(&w->packed, ZSTD_COMPRESSBOUND(STATE_BLOCK_MAX) + sizeof(struct block_head));
    w->zstd = ZSTD_createCCtx();
    return w->zstd == NULL ? PEN_E_NOMEM : PEN_OK;
}

void block_writer_fini(struct block_writer *w)
{
    pen_buf_fini(&w->plain);
    pen_buf_fini(&w->packed);
    (void)ZSTD_freeCCtx(w->zstd);
    w->zstd = NULL;
}

static pen_status write_at(int fd, pen_slice s, uint64_t offset, struct pen_err *err)
{
    while (s.len > 0) {
        const ssize_t n = pwrite(fd, s.ptr, s.len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            const int os = errno;
            const pen_status out =
                PEN_FAIL(err, pen_status_of_write(os), offset, "state: %s", strerrordesc_np(os));
            if (err != NULL) {
                err->os_errno = os;
            }
            return out;
        }
        s.ptr += n;
        s.len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return PEN_OK;
}

pen_status block_writer_start(struct block_writer *w, int fd, size_t head_bytes,
                              struct pen_err *err)
{
    uint8_t *blank = calloc(1, head_bytes);
    if (blank == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state: out of memory");
    }
    w->fd = fd;
    w->plain.len = 0;
    w->count = 0;
    w->bytes = head_bytes;
    const pen_status st = write_at(fd, (pen_slice){blank, head_bytes}, 0, err);
    free(blank);
    return st;
}

static pen_status seal(struct block_writer *w, struct pen_err *err)
{
    struct block_head head = {.count = w->count, .plain_bytes = pen_u32(w->plain.len)};
    const size_t bound = ZSTD_compressBound(w->plain.len);
    w->packed.len = 0;
    PEN_TRY(pen_buf_reserve(&w->packed, sizeof(head) + bound));
    uint8_t *to = w->packed.ptr + sizeof(head);
    const size_t n =
        ZSTD_compressCCtx(w->zstd, to, bound, w->plain.ptr, w->plain.len, BLOCK_ZSTD_LEVEL);
    if (ZSTD_isError(n)) {
        return PEN_FAIL(err, PEN_E_INTERNAL, PEN_NO_OFFSET, "zstd: %s", ZSTD_getErrorName(n));
    }
    head.packed_bytes = pen_u32(n);
    head.checksum = pen_hash64((pen_slice){to, n}, head.count);
    memcpy(w->packed.ptr, &head, sizeof(head));
    w->packed.len = sizeof(head) + n;
    PEN_TRY(write_at(w->fd, pen_buf_slice(&w->packed), w->bytes, err));
    w->bytes += w->packed.len;
    w->plain.len = 0;
    w->count = 0;
    return PEN_OK;
}

pen_status block_writer_added(struct block_writer *w, struct pen_err *err)
{
    w->count++;
    return w->plain.len >= STATE_BLOCK_BYTES ? seal(w, err) : PEN_OK;
}

pen_status block_writer_end(struct block_writer *w, pen_slice head, struct pen_err *err)
{
    PEN_TRY(w->count > 0 ? seal(w, err) : PEN_OK);
    return write_at(w->fd, head, 0, err);
}

/* ---- reading ---- */

void block_reader_init(struct block_reader *r, const char *what, const char *name)
{
    *r = (struct block_reader){.fd = -1};
    (void)snprintf(r->name, sizeof(r->name), "%s %s", what, name);
    pen_buf_init(&r->packed, ZSTD_COMPRESSBOUND(STATE_BLOCK_MAX));
    pen_buf_init(&r->plain, STATE_BLOCK_MAX);
}

void block_reader_fini(struct block_reader *r)
{
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    r->fd = -1;
    pen_buf_fini(&r->packed);
    pen_buf_fini(&r->plain);
}

pen_status block_reader_open(struct block_reader *r, const char *dir, const char *name,
                             struct pen_err *err)
{
    struct stat info = {.st_size = 0};
    const int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->fd = folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_CLOEXEC);
    const int os = errno;
    if (folder >= 0) {
        (void)close(folder);
    }
    if (r->fd < 0) {
        return PEN_FAIL(err, os == ENOENT ? PEN_E_NOT_FOUND : PEN_E_IO, 0,
                        "%s: cannot open %s/%s: %s", r->name, dir, name, strerrordesc_np(os));
    }
    if (fstat(r->fd, &info) != 0) {
        return PEN_FAIL(err, PEN_E_IO, 0, "%s: errno %d", r->name, errno);
    }
    r->size = (uint64_t)info.st_size;
    return PEN_OK;
}

pen_status block_reader_bytes(struct block_reader *r, void *to, size_t bytes, struct pen_err *err)
{
    uint8_t *at = to;
    if (bytes > r->size - r->offset) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, r->offset, "%s ends early", r->name);
    }
    while (bytes > 0) {
        const ssize_t n = pread(r->fd, at, bytes, (off_t)r->offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return PEN_FAIL(err, PEN_E_IO, r->offset, "%s: errno %d", r->name, errno);
        }
        at += n;
        r->offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return PEN_OK;
}

pen_status block_reader_packed(struct block_reader *r, uint64_t most, struct block_head *head,
                               struct pen_err *err)
{
    const uint64_t at = r->offset;
    PEN_TRY(block_reader_bytes(r, head, sizeof(*head), err));
    if (head->count == 0 || head->count > most || head->is_stored != 0 || head->plain_bytes == 0 ||
        head->plain_bytes > STATE_BLOCK_MAX ||
        head->packed_bytes > ZSTD_COMPRESSBOUND(STATE_BLOCK_MAX)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, at, "%s: bad head of a block", r->name);
    }
    if (head->packed_bytes > r->size - r->offset) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, r->offset, "%s ends early", r->name);
    }
    r->packed.len = 0;
    PEN_TRY(pen_buf_reserve(&r->packed, head->packed_bytes));
    PEN_TRY(block_reader_bytes(r, r->packed.ptr, head->packed_bytes, err));
    r->packed.len = head->packed_bytes;
    const bool is_sound =
        pen_hash64(pen_buf_slice(&r->packed), head->count) == head->checksum &&
        ZSTD_getFrameContentSize(r->packed.ptr, r->packed.len) == head->plain_bytes;
    return is_sound ? PEN_OK : PEN_FAIL(err, PEN_E_CORRUPT, at, "%s: checksum of a block", r->name);
}

pen_status block_reader_next(struct block_reader *r, void *zstd, uint64_t most, struct pen_err *err)
{
    struct block_head head = {.count = 0};
    const uint64_t at = r->offset;
    PEN_TRY(block_reader_packed(r, most, &head, err));
    r->plain.len = 0;
    PEN_TRY(pen_buf_reserve(&r->plain, head.plain_bytes));
    const size_t n =
        ZSTD_decompressDCtx(zstd, r->plain.ptr, head.plain_bytes, r->packed.ptr, r->packed.len);
    if (ZSTD_isError(n) || n != head.plain_bytes) {
        return PEN_FAIL(err, PEN_E_CORRUPT, at, "%s: block does not inflate", r->name);
    }
    r->plain.len = n;
    r->rest = pen_buf_slice(&r->plain);
    r->left = head.count;
    return PEN_OK;
}
