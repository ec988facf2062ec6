/* The open run of an epoch: observations are packed as they come, and sorted when it is cut.
 * tested by tests/unit/state/test_open_run.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#define AHEAD 8U /* observations that are asked for before they are copied */
#define DIGIT_BITS 11U
#define DIGITS (1U << DIGIT_BITS)
#define KEY_BITS (2U * DIGIT_BITS)
#define FEW 16U /* as many of one key are sorted by insertion */

void pen_state_open_init(struct open_run *run)
{
    *run = (struct open_run){.used = false};
    pack_table_init(&run->table);
}

void pen_state_open_fini(struct open_run *run)
{
    for (uint32_t i = 0; i < run->chunk_count; i++) {
        pen_buf_fini(&run->chunks[i]);
    }
    free(run->chunks);
    pack_table_fini(&run->table);
    free(run->entries);
    free(run->keys);
    run->chunks = NULL;
    run->entries = NULL;
    run->keys = NULL;
    run->chunk_count = 0;
}

void pen_state_open_clear(struct open_run *run)
{
    for (uint32_t i = 0; i < run->chunk_count; i++) {
        run->chunks[i].len = 0;
        if (run->chunks[i].cap > OPEN_CHUNK_BYTES) {
            pen_buf_fini(&run->chunks[i]);
        }
    }
    run->used = false;
    run->count = 0;
    run->bytes = 0;
    run->chunk = 0;
    pack_table_clear(&run->table);
}

static pen_status chunk_new(struct open_run *run)
{
    struct pen_buf *chunks =
        reallocarray(run->chunks, (size_t)run->chunk_count + 1, sizeof(*chunks));
    if (chunks == NULL) {
        return PEN_E_NOMEM;
    }
    run->chunks = chunks;
    pen_buf_init(&chunks[run->chunk_count++], STATE_BLOCK_MAX);
    return PEN_OK;
}

/* As one huge page where the system has any: a page of 4 KiB holds some 20 observations, and its
 * fault costs as much as all else that is done with one of them. */
static pen_status chunk_alloc(struct pen_buf *chunk)
{
    if (chunk->cap > 0) {
        return PEN_OK;
    }
    chunk->ptr = aligned_alloc(OPEN_CHUNK_BYTES, OPEN_CHUNK_BYTES);
    if (chunk->ptr == NULL) {
        return PEN_E_NOMEM;
    }
    (void)madvise(chunk->ptr, OPEN_CHUNK_BYTES, MADV_HUGEPAGE);
    chunk->cap = OPEN_CHUNK_BYTES;
    return PEN_OK;
}

/* Room for so many bytes at the end of a chunk.  What is packed is never moved: entries point
 * there, and a large buffer that grows would touch twice the memory. */
static pen_status chunk_room(struct open_run *run, uint32_t bytes, uint8_t **out)
{
    if (run->bytes + bytes > STATE_OPEN_RUN_MAX) {
        return PEN_E_LIMIT;
    }
    while (run->chunk < run->chunk_count && run->chunks[run->chunk].len > 0 &&
           run->chunks[run->chunk].cap - run->chunks[run->chunk].len < bytes) {
        run->chunk++;
    }
    PEN_TRY(run->chunk == run->chunk_count ? chunk_new(run) : PEN_OK);
    struct pen_buf *chunk = &run->chunks[run->chunk];
    PEN_TRY(bytes > OPEN_CHUNK_BYTES ? pen_buf_reserve(chunk, bytes) : chunk_alloc(chunk));
    *out = chunk->ptr + chunk->len;
    chunk->len += bytes;
    run->bytes += bytes;
    return PEN_OK;
}

static uint64_t id_prefix(pen_slice id)
{
    uint8_t bytes[8] = {0};
    if (id.len > 0) {
        memcpy(bytes, id.ptr, id.len < sizeof(bytes) ? id.len : sizeof(bytes));
    }
    uint64_t x;
    memcpy(&x, bytes, sizeof(x));
    return __builtin_bswap64(x);
}

static pen_status entries_grow(struct open_run *run)
{
    const size_t cap = run->cap == 0 ? 1024 : run->cap * 2;
    struct sort_entry *entries =
        cap > UINT32_MAX ? NULL : reallocarray(run->entries, cap, sizeof(*entries));
    if (entries == NULL) {
        return PEN_E_NOMEM;
    }
    run->entries = entries;
    free(run->keys);
    run->keys = calloc(2 * cap, sizeof(*run->keys));
    run->cap = run->keys == NULL ? 0 : cap;
    return run->keys == NULL ? PEN_E_NOMEM : PEN_OK;
}

pen_status pen_state_open_add(struct open_run *run, const struct pen_observation *o,
                              uint32_t partition, struct pen_err *err)
{
    struct pack_made made;
    uint8_t *to = NULL;
    if (run->count == run->cap && entries_grow(run) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "open run of %zu observations",
                        run->count);
    }
    pen_status status = pack_make(&run->table, o, partition, &made);
    status = status == PEN_OK ? chunk_room(run, made.head.bytes, &to) : status;
    if (status != PEN_OK) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "observation does not fit the open run");
    }
    pack_put(to, &made);
    run->entries[run->count++] = (struct sort_entry){
        .release = pen_state_release_time(o), .id_prefix = id_prefix(o->event_id), .packed = to};
    return PEN_OK;
}

/* ---- sorting ---- */

/* Of the same release time. */
static int by_order(const void *pa, const void *pb, void *ctx)
{
    const struct sort_entry *a = pa;
    const struct sort_entry *b = pb;
    const struct open_run *run = ctx;
    if (a->release != b->release) {
        return a->release < b->release ? -1 : 1;
    }
    const int64_t time_a = pack_time(a->packed);
    const int64_t time_b = pack_time(b->packed);
    if (time_a == time_b && a->id_prefix != b->id_prefix) {
        return a->id_prefix < b->id_prefix ? -1 : 1;
    }
    return pack_order(&run->table, a->packed, b->packed);
}

/* A key for each entry: its release time, coarse enough for the bits, above its place. */
static void make_keys(struct open_run *run)
{
    int64_t min = run->entries[0].release;
    int64_t max = min;
    for (size_t i = 1; i < run->count; i++) {
        min = run->entries[i].release < min ? run->entries[i].release : min;
        max = run->entries[i].release > max ? run->entries[i].release : max;
    }
    const uint64_t span = (uint64_t)max - (uint64_t)min;
    const uint32_t bits = span == 0 ? 0 : 64U - (uint32_t)__builtin_clzll(span);
    const uint32_t shift = bits > KEY_BITS ? bits - KEY_BITS : 0;
    for (size_t i = 0; i < run->count; i++) {
        const uint64_t key = ((uint64_t)run->entries[i].release - (uint64_t)min) >> shift;
        run->keys[i] = key << 32U | i;
    }
}

/* One digit: in to out, in the order of the digit, and of in where that is the same. */
static void sort_digit(const uint64_t *in, uint64_t *out, size_t count, uint32_t shift)
{
    uint32_t at[DIGITS] = {0};
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        at[(in[i] >> shift) & (DIGITS - 1)]++;
    }
    for (uint32_t d = 0; d < DIGITS; d++) {
        const uint32_t many = at[d];
        at[d] = sum;
        sum += many;
    }
    for (size_t i = 0; i < count; i++) {
        out[at[(in[i] >> shift) & (DIGITS - 1)]++] = in[i];
    }
}

static void sort_few(struct open_run *run, struct sort_entry *few, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct sort_entry one = few[i];
        size_t at = i;
        for (; at > 0 && by_order(&few[at - 1], &one, run) > 0; at--) {
            few[at] = few[at - 1];
        }
        few[at] = one;
    }
}

/* Writes those of one key, which stand at keys. */
static pen_status write_key(struct open_run *run, const uint64_t *keys, size_t count,
                            struct run_writer *w, struct pen_err *err)
{
    struct sort_entry few[FEW];
    struct sort_entry *all = count <= FEW ? few : calloc(count, sizeof(*all));
    pen_status st =
        all == NULL ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%zu observations", count) : PEN_OK;
    for (size_t i = 0; i < count && st == PEN_OK; i++) {
        all[i] = run->entries[(uint32_t)keys[i]];
    }
    if (count <= FEW) {
        sort_few(run, few, count);
    } else if (st == PEN_OK) {
        qsort_r(all, count, sizeof(*all), by_order, run);
    }
    for (size_t i = 0; i < count && st == PEN_OK; i++) {
        st = pen_state_writer_copy(w, all[i].release, all[i].packed, err);
    }
    if (all != few) {
        free(all);
    }
    return st;
}

pen_status pen_state_open_write(struct open_run *run, struct run_writer *w, int fd,
                                struct pen_err *err)
{
    PEN_TRY(pen_state_writer_start(w, fd, err));
    if (run->count == 0) {
        return PEN_OK;
    }
    make_keys(run);
    uint64_t *keys = run->keys;
    sort_digit(keys, keys + run->cap, run->count, 32);
    sort_digit(keys + run->cap, keys, run->count, 32 + DIGIT_BITS);
    for (size_t from = 0, to = 0; from < run->count; from = to) {
        for (to = from; to < run->count && keys[to] >> 32U == keys[from] >> 32U; to++) {
            const size_t next = to + AHEAD < run->count ? to + AHEAD : to;
            __builtin_prefetch(run->entries[(uint32_t)keys[next]].packed);
        }
        PEN_TRY(write_key(run, &keys[from], to - from, w, err));
    }
    return PEN_OK;
}
