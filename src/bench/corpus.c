#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <unistd.h>

/* tested by tests/e2e/test_bench.py */

#define STORED_BYTES_MAX ((off_t)1 << 30)

bool limit_spans_add(struct limit_spans *spans, size_t len)
{
    if (spans->count == spans->cap) {
        const size_t cap = spans->cap == 0 ? 1024 : spans->cap * 2;
        size_t *more = realloc(spans->lens, cap * sizeof(*more));
        if (more == NULL) {
            return false;
        }
        spans->lens = more;
        spans->cap = cap;
    }
    spans->lens[spans->count++] = len;
    return true;
}

void limit_spans_fini(struct limit_spans *spans)
{
    free(spans->lens);
    *spans = (struct limit_spans){0};
}

pen_status limit_corpus_add(struct limit_corpus *corpus, pen_slice key, pen_slice stored)
{
    if (corpus->count == corpus->cap) {
        const uint32_t cap = corpus->cap == 0 ? 1024 : corpus->cap * 2;
        struct limit_object *more = realloc(corpus->objects, cap * sizeof(*more));
        if (more == NULL) {
            return PEN_E_NOMEM;
        }
        corpus->objects = more;
        corpus->cap = cap;
    }
    uint8_t *copy = malloc(key.len + 1);
    if (copy == NULL) {
        return PEN_E_NOMEM;
    }
    memcpy(copy, key.ptr, key.len);
    const uint8_t *t = stored.ptr + stored.len - 4; /* RFC 1952: ISIZE, little endian */
    const size_t plain = (size_t)t[0] | (size_t)t[1] << 8 | (size_t)t[2] << 16 | (size_t)t[3] << 24;
    corpus->objects[corpus->count++] =
        (struct limit_object){.key = {copy, key.len}, .stored = stored, .plain_bytes = plain};
    corpus->stored_bytes += stored.len;
    corpus->plain_bytes += plain;
    corpus->largest_plain = plain > corpus->largest_plain ? plain : corpus->largest_plain;
    return PEN_OK;
}

static pen_status read_all(int fd, pen_slice *out)
{
    const off_t size = lseek(fd, 0, SEEK_END);
    if (size < 0 || size > STORED_BYTES_MAX) {
        return PEN_E_IO;
    }
    uint8_t *bytes = malloc((size_t)size + 1);
    if (bytes == NULL) {
        return PEN_E_NOMEM;
    }
    *out = (pen_slice){bytes, (size_t)size};
    return pread(fd, bytes, (size_t)size, 0) == (ssize_t)size ? PEN_OK : PEN_E_IO;
}

static pen_status take(struct limit_corpus *corpus, const char *path, size_t root,
                       struct pen_err *err)
{
    pen_slice stored = {0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    pen_status status = fd < 0 ? PEN_E_IO : read_all(fd, &stored);
    const bool is_gzip =
        status == PEN_OK && stored.len > 18 && stored.ptr[0] == 0x1f && stored.ptr[1] == 0x8b;
    const pen_slice key = pen_slice_str(path + root);
    if (is_gzip) {
        status = limit_corpus_add(corpus, key, stored);
    }
    if (status != PEN_OK || !is_gzip) {
        free(pen_unconst(stored.ptr));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return status == PEN_OK ? PEN_OK
                            : PEN_FAIL(err, status, PEN_NO_OFFSET, "%s: errno %d", path, errno);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

pen_status limit_corpus_load(const char *dir, uint64_t plain_bytes_max, struct limit_corpus *corpus,
                             struct pen_err *err)
{
    char *const paths[] = {pen_unconst(dir), NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    pen_status status = PEN_OK;
    if (walk == NULL) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: errno %d", dir, errno);
    }
    for (FTSENT *at = fts_read(walk); at != NULL && status == PEN_OK; at = fts_read(walk)) {
        if (at->fts_info == FTS_F) {
            status = take(corpus, at->fts_path, strlen(dir) + 1, err);
        }
        if (corpus->plain_bytes >= plain_bytes_max) {
            break;
        }
    }
    (void)fts_close(walk);
    if (status == PEN_OK && corpus->count == 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s: no gzip objects below it", dir);
    }
    return status;
}

void limit_corpus_fini(struct limit_corpus *corpus)
{
    for (uint32_t i = 0; i < corpus->count; i++) {
        free(pen_unconst(corpus->objects[i].key.ptr));
        free(pen_unconst(corpus->objects[i].stored.ptr));
    }
    free(corpus->objects);
    *corpus = (struct limit_corpus){0};
}
