/* tested by tests/unit/state/test_state.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t run_magic[8] = "PENRUN\r\n";
#define RUN_VERSION STATE_RUN_VERSION

pen_status pen_state_merge_init(struct merge *m, const struct pen_state_options *o)
{
    *m = (struct merge){
        .dir = o->dir, .shard = o->shard, .shards = o->shards, .hash_key = o->hash_key};
    m->cap = STATE_RUNS_OPEN_MAX + 1;
    m->heap = calloc(m->cap, sizeof(struct run_reader *));
    m->zstd = ZSTD_createDCtx();
    const pen_status status = pen_state_writer_init(&m->writer);
    return m->heap == NULL || m->zstd == NULL ? PEN_E_NOMEM : status;
}

static void reader_free(struct run_reader *r)
{
    if (r == NULL) {
        return;
    }
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    pen_buf_fini(&r->packed);
    pen_buf_fini(&r->plain);
    pack_table_fini(&r->table);
    free(r);
}

#define READ_COPIES 2U /* a buffer that grows has twice what it needs */

uint64_t pen_state_log_memory(void)
{
    const uint64_t table = PACK_WRITTEN_MAX + PACK_TEXTS_MAX * sizeof(uint32_t);
    return STATE_RUNS_OPEN_MAX * (table + UINT64_C(2) * READ_COPIES * STATE_BLOCK_BYTES);
}

void pen_state_merge_fini(struct merge *m)
{
    for (size_t i = 0; i < m->count; i++) {
        reader_free(m->heap[i]);
    }
    free(m->heap);
    m->heap = NULL;
    m->count = 0;
    (void)ZSTD_freeDCtx(m->zstd);
    m->zstd = NULL;
    pen_state_writer_fini(&m->writer);
}

static pen_status read_at(const struct run_reader *r, void *to, size_t bytes, struct pen_err *err)
{
    uint8_t *at = to;
    uint64_t offset = r->offset;
    if (bytes > r->size - r->offset) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, r->offset, "state run %s ends early", r->name);
    }
    while (bytes > 0) {
        const ssize_t n = pread(r->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return PEN_FAIL(err, PEN_E_IO, offset, "state run %s: errno %d", r->name, errno);
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return PEN_OK;
}

static pen_status read_head(struct run_reader *r, struct pen_err *err)
{
    PEN_TRY(read_at(r, &r->head, sizeof(r->head), err));
    if (memcmp(r->head.magic, run_magic, sizeof(run_magic)) != 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "state run %s: bad magic", r->name);
    }
    if (r->head.version != RUN_VERSION) {
        return PEN_FAIL(err, PEN_E_CONFIG, 8, "state run %s has format %u, this program reads %u",
                        r->name, r->head.version, RUN_VERSION);
    }
    const pen_slice head = {(const uint8_t *)&r->head, offsetof(struct run_head, checksum)};
    if (pen_hash64(head, 0) != r->head.checksum) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "state run %s: checksum of the head", r->name);
    }
    r->offset += sizeof(r->head);
    r->left = r->head.count;
    return PEN_OK;
}

/* Reads a block into plain.  count_max: what it may count at most. */
static pen_status read_block(struct merge *m, struct run_reader *r, uint64_t count_max,
                             uint32_t *count, struct pen_err *err)
{
    struct block_head head = {.count = 0};
    PEN_TRY(read_at(r, &head, sizeof(head), err));
    const uint64_t at = r->offset;
    if (head.count == 0 || head.is_stored > 1 || head.count > count_max ||
        head.plain_bytes > STATE_BLOCK_MAX ||
        head.packed_bytes > ZSTD_COMPRESSBOUND(STATE_BLOCK_MAX) ||
        (head.is_stored != 0 && head.packed_bytes != head.plain_bytes)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, at, "state run %s: bad head of a block", r->name);
    }
    struct pen_buf *packed = head.is_stored != 0 ? &r->plain : &r->packed;
    r->offset += sizeof(head);
    packed->len = 0;
    PEN_TRY(pen_buf_reserve(packed, head.packed_bytes));
    PEN_TRY(read_at(r, packed->ptr, head.packed_bytes, err));
    packed->len = head.packed_bytes;
    r->offset += head.packed_bytes;
    if (pen_hash64(pen_buf_slice(packed), head.count) != head.checksum) {
        return PEN_FAIL(err, PEN_E_CORRUPT, at, "state run %s: checksum of a block", r->name);
    }
    *count = head.count;
    if (head.is_stored != 0) {
        return PEN_OK;
    }
    r->plain.len = 0;
    PEN_TRY(pen_buf_reserve(&r->plain, head.plain_bytes));
    const size_t n =
        ZSTD_decompressDCtx(m->zstd, r->plain.ptr, head.plain_bytes, r->packed.ptr, r->packed.len);
    if (ZSTD_isError(n) || n != head.plain_bytes) {
        return PEN_FAIL(err, PEN_E_CORRUPT, at, "state run %s: block does not inflate", r->name);
    }
    r->plain.len = n;
    return PEN_OK;
}

static pen_status next_block(struct merge *m, struct run_reader *r, struct pen_err *err)
{
    PEN_TRY(read_block(m, r, r->left, &r->left_in_block, err));
    r->rest = pen_buf_slice(&r->plain);
    return PEN_OK;
}

/* The table of texts, which stands behind the blocks; then goes back to the first of these. */
static pen_status read_table(struct merge *m, struct run_reader *r, struct pen_err *err)
{
    const uint64_t first = r->offset;
    uint32_t count = 0;
    if (r->head.table_texts == 0) {
        return PEN_OK;
    }
    if (r->head.table_at < first || r->head.table_at > r->size) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "state run %s: offset of its table", r->name);
    }
    r->offset = r->head.table_at;
    PEN_TRY(read_block(m, r, PACK_TEXTS_MAX, &count, err));
    if (count != r->head.table_texts ||
        pack_table_read(&r->table, count, pen_buf_slice(&r->plain)) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_CORRUPT, r->head.table_at, "state run %s: its table of texts",
                        r->name);
    }
    r->offset = first;
    return PEN_OK;
}

/* Moves to the next observation that this state owns. */
static pen_status reader_next(struct merge *m, struct run_reader *r, struct pen_err *err)
{
    while (r->left > 0) {
        pen_status status = r->left_in_block == 0 ? next_block(m, r, err) : PEN_OK;
        status =
            status == PEN_OK ? pack_take(&r->rest, &r->table, &r->o, &r->partition, err) : status;
        if (status != PEN_OK) {
            return status;
        }
        r->left--;
        r->left_in_block--;
        if (r->left_in_block == 0 && r->rest.len > 0) {
            return PEN_FAIL(err, PEN_E_CORRUPT, r->offset,
                            "state run %s: bytes behind the last "
                            "observation of a block",
                            r->name);
        }
        if (!r->owned_only || r->partition % m->shards == m->shard) {
            return PEN_OK;
        }
    }
    r->at_end = true;
    return PEN_OK;
}

static bool less(const struct run_reader *a, const struct run_reader *b)
{
    return pen_state_order(&a->o, &b->o) < 0;
}

static void sift_down(struct merge *m, size_t i)
{
    struct run_reader *r = m->heap[i];
    for (size_t child = 2 * i + 1; child < m->count; child = 2 * i + 1) {
        if (child + 1 < m->count && less(m->heap[child + 1], m->heap[child])) {
            child++;
        }
        if (!less(m->heap[child], r)) {
            break;
        }
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = r;
}

static void push(struct merge *m, struct run_reader *r)
{
    PEN_CHECK(m->count < m->cap);
    size_t i = m->count++;
    while (i > 0 && less(r, m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = r;
}

static struct run_reader *pop(struct merge *m)
{
    struct run_reader *top = m->heap[0];
    m->heap[0] = m->heap[--m->count];
    if (m->count > 0) {
        sift_down(m, 0);
    }
    return top;
}

const struct pen_observation *pen_state_merge_top(const struct merge *m)
{
    return m->count == 0 ? NULL : &m->heap[0]->o;
}

pen_status pen_state_merge_next(struct merge *m, struct pen_err *err)
{
    PEN_CHECK(m->count > 0);
    struct run_reader *top = m->heap[0];
    PEN_TRY(reader_next(m, top, err));
    if (top->at_end) {
        reader_free(pop(m));
    } else {
        sift_down(m, 0);
    }
    return PEN_OK;
}

static struct run_reader *reader_new(const char *name)
{
    struct run_reader *r = calloc(1, sizeof(*r));
    if (r != NULL) {
        r->fd = -1;
        (void)snprintf(r->name, sizeof(r->name), "%s", name);
        pen_buf_init(&r->packed, ZSTD_COMPRESSBOUND(STATE_BLOCK_MAX));
        pen_buf_init(&r->plain, STATE_BLOCK_MAX);
        pack_table_init(&r->table);
    }
    return r;
}

/* Reads head and first observation of the file that r->fd is; frees or keeps r. */
static pen_status reader_start(struct merge *m, struct run_reader *r, int64_t from,
                               struct run_head *head, struct pen_err *err)
{
    struct stat st;
    pen_status status = PEN_OK;
    if (fstat(r->fd, &st) != 0) {
        status = PEN_FAIL(err, PEN_E_IO, 0, "state run %s: errno %d", r->name, errno);
    } else {
        r->size = (uint64_t)st.st_size;
        status = read_head(r, err);
    }
    if (status == PEN_OK && head != NULL) {
        *head = r->head;
    }
    status = status == PEN_OK ? read_table(m, r, err) : status;
    if (status == PEN_OK && r->head.release_max < from) {
        r->at_end = true;
    } else if (status == PEN_OK) {
        status = reader_next(m, r, err);
    }
    if (status != PEN_OK || r->at_end) {
        reader_free(r);
    } else {
        push(m, r);
    }
    return status;
}

static int by_size(const void *pa, const void *pb)
{
    const struct run_reader *a = *(struct run_reader *const *)pa;
    const struct run_reader *b = *(struct run_reader *const *)pb;
    const uint64_t left_a = a->size - a->offset;
    const uint64_t left_b = b->size - b->offset;
    return (left_a > left_b) - (left_a < left_b);
}

/* Writes what is left of the runs in part to a file without a name.  part is used up. */
static pen_status merge_part(struct merge *part, struct run_reader *into, struct pen_err *err)
{
    PEN_TRY(pen_state_writer_start(&part->writer, into->fd, err));
    while (part->count > 0) {
        const struct run_reader *top = part->heap[0];
        PEN_TRY(pen_state_writer_add(&part->writer, &top->o, top->partition, err));
        PEN_TRY(pen_state_merge_next(part, err));
    }
    return pen_state_writer_end(&part->writer, NULL, err);
}

/* Makes one of the smallest runs.  The file is gone with the process: a restart reads the runs that
 * were committed, never what was made of them. */
static pen_status shrink(struct merge *m, struct pen_err *err)
{
    struct run_reader *all[STATE_RUNS_OPEN_MAX + 1];
    const size_t count = m->count;
    PEN_CHECK(count <= PEN_COUNT(all) && count > STATE_RUNS_MERGE);
    struct run_reader *into = reader_new("(merged)");
    if (into == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "merging state runs");
    }
    into->fd = open(m->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (into->fd < 0) {
        const int os = errno;
        reader_free(into);
        return PEN_FAIL(err, PEN_E_IO, 0, "%s: no temporary file (errno %d)", m->dir, os);
    }
    memcpy(all, m->heap, count * sizeof(struct run_reader *));
    qsort(all, count, sizeof(struct run_reader *), by_size);
    m->count = 0;
    for (size_t i = 0; i < STATE_RUNS_MERGE; i++) {
        push(m, all[i]);
    }
    pen_status status = merge_part(m, into, err);
    if (status != PEN_OK) {
        reader_free(into);
        into = NULL;
    }
    for (size_t i = STATE_RUNS_MERGE; i < count; i++) {
        push(m, all[i]); /* also after a failure: fini frees what is in the heap */
    }
    return status == PEN_OK ? reader_start(m, into, INT64_MIN, NULL, err) : status;
}

/* Opens the run; nothing of it is read. */
static pen_status reader_open(struct run_reader *r, const char *dir_name, const char *name,
                              struct pen_err *err)
{
    const int dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->fd = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_CLOEXEC);
    const int os = errno;
    if (dir >= 0) {
        (void)close(dir);
    }
    return r->fd >= 0 ? PEN_OK
                      : PEN_FAIL(err, os == ENOENT ? PEN_E_NOT_FOUND : PEN_E_IO, 0,
                                 "state run %s/%s: errno %d", dir_name, name, os);
}

pen_status pen_state_merge_add(struct merge *m, const char *name, bool owned_only, int64_t from,
                               struct run_head *head, struct pen_err *err)
{
    struct run_reader *r = reader_new(name);
    if (r == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state run %s", name);
    }
    r->owned_only = owned_only;
    const pen_status st = reader_open(r, m->dir, name, err);
    if (st != PEN_OK) {
        reader_free(r);
        return st;
    }
    PEN_TRY(reader_start(m, r, from, head, err));
    return m->count > STATE_RUNS_OPEN_MAX ? shrink(m, err) : PEN_OK;
}

pen_status pen_state_run_last(const char *dir, const char *name, int64_t *release_ns,
                              struct pen_err *err)
{
    struct stat info;
    struct run_reader *r = reader_new(name);
    if (r == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state run %s", name);
    }
    pen_status st = reader_open(r, dir, name, err);
    r->size = st == PEN_OK && fstat(r->fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    st = st == PEN_OK ? read_head(r, err) : st;
    *release_ns = r->head.release_max;
    reader_free(r);
    return st;
}

pen_status pen_state_merge_take(struct merge *m, int fd, struct pen_err *err)
{
    struct run_reader *r = reader_new("(spilled)");
    if (r == NULL) {
        (void)close(fd);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "a spilled state run");
    }
    r->fd = fd;
    PEN_TRY(reader_start(m, r, INT64_MIN, NULL, err));
    return m->count > STATE_RUNS_OPEN_MAX ? shrink(m, err) : PEN_OK;
}
