/* tested by tests/unit/state/test_state.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <zstd.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Fast levels: runs are written once, read once, and their size is no concern. */
#define RUN_ZSTD_LEVEL (-3)
#define STORED_BYTES_MAX 384U /* observations of a block that are shorter are not packed */

static const uint8_t run_magic[8] = "PENRUN\r\n";
#define RUN_VERSION STATE_RUN_VERSION

pen_status pen_state_writer_init(struct run_writer *w)
{
    *w = (struct run_writer){.fd = -1};
    pen_buf_init(&w->plain, STATE_BLOCK_MAX);
    pen_buf_init(&w->packed, ZSTD_COMPRESSBOUND(STATE_BLOCK_MAX) + sizeof(struct block_head));
    pack_table_init(&w->table);
    w->zstd = ZSTD_createCCtx();
    return w->zstd == NULL ? PEN_E_NOMEM : PEN_OK;
}

void pen_state_writer_fini(struct run_writer *w)
{
    pen_buf_fini(&w->plain);
    pen_buf_fini(&w->packed);
    pack_table_fini(&w->table);
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
            const pen_status out = PEN_FAIL(err, pen_status_of_write(os), offset, "state run: %s",
                                            strerrordesc_np(os));
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

pen_status pen_state_writer_start(struct run_writer *w, int fd, struct pen_err *err)
{
    w->fd = fd;
    w->head = (struct run_head){.version = RUN_VERSION,
                                .release_min = INT64_MAX,
                                .release_max = INT64_MIN,
                                .time_max = INT64_MIN};
    memcpy(w->head.magic, run_magic, sizeof(run_magic));
    w->plain.len = 0;
    w->block_count = 0;
    pack_table_clear(&w->table);
    w->bytes = sizeof(w->head);
    /* Zeros until the end: a run that was not finished has no magic and is refused. */
    const struct run_head blank = {.version = 0};
    return write_at(fd, (pen_slice){(const uint8_t *)&blank, sizeof(blank)}, 0, err);
}

/* As it is: observations without their events are short and have little in common but what the
 * table holds. */
static pen_status store_block(struct run_writer *w, struct pen_err *err)
{
    const pen_slice plain = pen_buf_slice(&w->plain);
    const struct block_head head = {.count = w->block_count,
                                    .plain_bytes = pen_u32(plain.len),
                                    .packed_bytes = pen_u32(plain.len),
                                    .is_stored = 1,
                                    .checksum = pen_hash64(plain, w->block_count)};
    PEN_TRY(write_at(w->fd, (pen_slice){(const uint8_t *)&head, sizeof(head)}, w->bytes, err));
    PEN_TRY(write_at(w->fd, plain, w->bytes + sizeof(head), err));
    w->bytes += sizeof(head) + plain.len;
    w->plain.len = 0;
    w->block_count = 0;
    return PEN_OK;
}

static pen_status seal_block(struct run_writer *w, struct pen_err *err)
{
    if (w->plain.len / w->block_count < STORED_BYTES_MAX) {
        return store_block(w, err);
    }
    struct block_head head = {.count = w->block_count, .plain_bytes = pen_u32(w->plain.len)};
    const size_t bound = ZSTD_compressBound(w->plain.len);
    w->packed.len = 0;
    PEN_TRY(pen_buf_reserve(&w->packed, sizeof(head) + bound));
    uint8_t *to = w->packed.ptr + sizeof(head);
    const size_t n =
        ZSTD_compressCCtx(w->zstd, to, bound, w->plain.ptr, w->plain.len, RUN_ZSTD_LEVEL);
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
    w->block_count = 0;
    return PEN_OK;
}

/* Counts an observation that stands at the end of plain. */
static pen_status added(struct run_writer *w, int64_t release, int64_t time, uint32_t partition,
                        struct pen_err *err)
{
    PEN_DCHECK(w->head.count == 0 || release >= w->head.release_max);
    if (w->head.count == 0) {
        w->head.release_min = release;
    }
    w->head.release_max = release;
    w->head.time_max = time > w->head.time_max ? time : w->head.time_max;
    w->head.count++;
    w->head.per_partition[partition % PEN_PARTITIONS]++;
    w->block_count++;
    return w->plain.len >= STATE_BLOCK_BYTES ? seal_block(w, err) : PEN_OK;
}

pen_status pen_state_writer_add(struct run_writer *w, const struct pen_observation *o,
                                uint32_t partition, struct pen_err *err)
{
    const pen_status status = pack_add(&w->plain, &w->table, o, partition);
    return status == PEN_OK
               ? added(w, pen_state_release_time(o), o->time_ns, partition, err)
               : PEN_FAIL(err, status, PEN_NO_OFFSET, "observation does not fit a run");
}

pen_status pen_state_writer_copy(struct run_writer *w, int64_t release, const uint8_t *packed,
                                 struct pen_err *err)
{
    PEN_TRY(pen_buf_add(&w->plain, (pen_slice){packed, pack_bytes(packed)}));
    return added(w, release, pack_time(packed), pack_partition(packed), err);
}

/* As one more block, which counts its texts. */
static pen_status write_table(struct run_writer *w, const struct pack_table *table,
                              struct pen_err *err)
{
    w->head.table_texts = table->count;
    w->head.table_at = w->bytes;
    if (table->count == 0) {
        return PEN_OK;
    }
    PEN_TRY(pack_table_write(table, &w->plain));
    w->block_count = table->count;
    return seal_block(w, err);
}

pen_status pen_state_writer_end(struct run_writer *w, const struct pack_table *table,
                                struct pen_err *err)
{
    if (w->block_count > 0) {
        PEN_TRY(seal_block(w, err));
    }
    PEN_TRY(write_table(w, table != NULL ? table : &w->table, err));
    const pen_slice head = {(const uint8_t *)&w->head, sizeof(w->head)};
    w->head.checksum = pen_hash64(pen_slice_sub(head, 0, offsetof(struct run_head, checksum)), 0);
    return write_at(w->fd, head, 0, err);
}
