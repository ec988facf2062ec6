#include "penstock/state.h"

#include "state_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The least observation of all: copied when it is kept, then passed. */
static pen_status copy_one(struct merge *m, const struct pen_state_rewrite *r, uint64_t *kept,
                           struct pen_err *err)
{
    const struct run_reader *top = m->heap[0];
    if (r->keep(r->ctx, &top->o)) {
        PEN_TRY(pen_state_writer_add(&m->writer, &top->o, top->partition, err));
        (*kept)++;
    }
    return pen_state_merge_next(m, err);
}

static pen_status copy_kept(struct merge *m, const struct pen_state_rewrite *r, int fd,
                            uint64_t *kept, struct pen_err *err)
{
    PEN_TRY(pen_state_writer_start(&m->writer, fd, err));
    m->writer.head.epoch = r->epoch;
    while (m->count > 0) {
        PEN_TRY(copy_one(m, r, kept, err));
    }
    PEN_TRY(pen_state_writer_end(&m->writer, NULL, err));
    return fsync(fd) == 0 ? PEN_OK
                          : PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET,
                                     "%s: fsync (errno %d)", r->name, errno);
}

static pen_status rewrite_into(struct merge *m, struct pen_state_rewrite *r, int dir,
                               struct pen_err *err)
{
    uint64_t kept = 0;
    const int fd = openat(dir, r->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s/%s: errno %d", r->dir, r->name, errno);
    }
    pen_status st = copy_kept(m, r, fd, &kept, err);
    (void)close(fd);
    if (st == PEN_OK && kept > 0) {
        r->bytes = m->writer.bytes;
        return fsync(dir) == 0
                   ? PEN_OK
                   : PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: fsync (errno %d)", r->dir, errno);
    }
    if (unlinkat(dir, r->name, 0) != 0 && st == PEN_OK) {
        st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s/%s: errno %d", r->dir, r->name, errno);
    }
    r->name[0] = '\0';
    return st;
}

pen_status pen_state_rewrite(struct pen_state_rewrite *r, struct pen_err *err)
{
    const struct pen_state_options options = {.dir = r->dir, .shards = 1, .hash_key = r->hash_key};
    struct merge m;
    r->bytes = 0;
    (void)snprintf(r->name, sizeof(r->name), "run-%llu-0.zst", (unsigned long long)r->epoch);
    pen_status st = pen_state_merge_init(&m, &options);
    if (st != PEN_OK) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "rewriting state runs");
    }
    for (uint32_t i = 0; st == PEN_OK && i < r->run_count; i++) {
        st = pen_state_merge_add(&m, r->runs[i], false, INT64_MIN, NULL, err);
    }
    if (st == PEN_OK) {
        const int dir = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        st = dir < 0 ? PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: errno %d", r->dir, errno)
                     : rewrite_into(&m, r, dir, err);
        if (dir >= 0) {
            (void)close(dir);
        }
    }
    pen_state_merge_fini(&m);
    return st;
}
