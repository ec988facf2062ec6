/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 << 10)
#define ALIGN_MAX ((size_t)64)

struct pen_arena_chunk {
    struct pen_arena_chunk *next;
    size_t used, cap;
    uint8_t *bytes;
};

void pen_arena_init(struct pen_arena *arena, size_t max_bytes)
{
    *arena = (struct pen_arena){.max_bytes = max_bytes};
}

void pen_arena_fini(struct pen_arena *arena)
{
    while (arena->chunks != NULL) {
        struct pen_arena_chunk *next = arena->chunks->next;
        free(arena->chunks->bytes);
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used_bytes = 0;
}

static bool chunk_add(struct pen_arena *arena, size_t size)
{
    size_t cap = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES;
    if (cap > arena->max_bytes - arena->used_bytes) {
        cap = size;
    }
    if (cap > arena->max_bytes - arena->used_bytes) {
        return false;
    }
    cap = (cap + ALIGN_MAX - 1) / ALIGN_MAX * ALIGN_MAX;
    struct pen_arena_chunk *chunk = calloc(1, sizeof(*chunk));
    uint8_t *bytes = aligned_alloc(ALIGN_MAX, cap);
    if (chunk == NULL || bytes == NULL) {
        free(chunk);
        free(bytes);
        return false;
    }
    *chunk = (struct pen_arena_chunk){.next = arena->chunks, .cap = cap, .bytes = bytes};
    arena->chunks = chunk;
    arena->used_bytes += cap;
    return true;
}

void *pen_arena_alloc(struct pen_arena *arena, size_t size, size_t align)
{
    PEN_CHECK(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    if (size == 0) {
        size = 1;
    }
    struct pen_arena_chunk *chunk = arena->chunks;
    size_t start = chunk == NULL ? 0 : (chunk->used + align - 1) & ~(align - 1);
    if (chunk == NULL || start > chunk->cap || size > chunk->cap - start) {
        if (!chunk_add(arena, size)) {
            return NULL;
        }
        chunk = arena->chunks;
        start = 0;
    }
    chunk->used = start + size;
    return memset(chunk->bytes + start, 0, size);
}

void *pen_arena_alloc_n(struct pen_arena *arena, size_t n, size_t size, size_t align)
{
    size_t total = 0;
    if (__builtin_mul_overflow(n, size, &total)) {
        return NULL;
    }
    return pen_arena_alloc(arena, total, align);
}

pen_slice pen_arena_dup(struct pen_arena *arena, pen_slice s)
{
    uint8_t *copy = pen_arena_alloc(arena, s.len + 1, 1);
    if (copy == NULL) {
        return (pen_slice){0};
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return (pen_slice){copy, s.len};
}
