/* tested by tests/unit/state/test_value_table.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

/*
 * Extendible hashing: the high bits of hash.high name a segment, which holds its entries sorted by
 * hash.low and without gaps, so that a table takes little more than its entries whatever their
 * number.  A place is guessed from the hash and is near, as hashes are uniform; an entry that is
 * new moves half a segment.
 */
#define SEGMENT_SLOTS 511U /* at most, 10 KiB; then a segment becomes two */
#define SEGMENT_FIRST 8U
#define DEPTH_MAX 24U /* bits of a hash above those of the partition */

_Static_assert(sizeof(struct value_slot) == 20, "there are millions of them");

static uint32_t directory_place(const struct value_table *t, uint32_t high)
{
    return t->depth == 0 ? 0 : high >> (32 - t->depth);
}

static size_t segment_bytes(uint32_t cap)
{
    return sizeof(struct value_segment) + (size_t)cap * sizeof(struct value_slot);
}

/* So many slots that the memory of a size class, of which there are four to each power of two, is
 * used up. */
static uint32_t cap_of(uint32_t count)
{
    const size_t bytes = segment_bytes(count < SEGMENT_FIRST ? SEGMENT_FIRST : count);
    size_t step = 16;
    while (step * 8 < bytes) {
        step *= 2;
    }
    const size_t class = (bytes + step - 1) / step * step;
    const size_t cap = (class - sizeof(struct value_segment)) / sizeof(struct value_slot);
    return cap < SEGMENT_SLOTS ? (uint32_t)cap : SEGMENT_SLOTS;
}

static int slot_order(const struct value_slot *slot, const struct new_value_hash *hash)
{
    if (slot->low != hash->low) {
        return slot->low < hash->low ? -1 : 1;
    }
    return slot->high < hash->high ? -1 : slot->high > hash->high;
}

/* The first slot whose hash is not less. */
static uint32_t place_of(const struct value_segment *s, const struct new_value_hash *hash)
{
    uint32_t at = (uint32_t)(((hash->low >> 32) * s->count) >> 32);
    while (at > 0 && slot_order(&s->slots[at - 1], hash) >= 0) {
        at--;
    }
    while (at < s->count && slot_order(&s->slots[at], hash) < 0) {
        at++;
    }
    return at;
}

static bool is_there(const struct value_segment *s, uint32_t at, const struct new_value_hash *hash)
{
    return at < s->count && slot_order(&s->slots[at], hash) == 0;
}

struct value_slot *pen_value_table_find(const struct value_table *t,
                                        const struct new_value_hash *hash)
{
    if (t->directory == NULL) {
        return NULL;
    }
    struct value_segment *s = t->directory[directory_place(t, hash->high)];
    const uint32_t at = place_of(s, hash);
    return is_there(s, at, hash) ? &s->slots[at] : NULL;
}

/* ---- growth ---- */

static struct value_segment *segment_new(struct value_table *t, uint32_t depth, uint32_t count)
{
    const uint32_t cap = cap_of(count);
    struct value_segment *s = malloc(segment_bytes(cap));
    if (s != NULL) {
        *s = (struct value_segment){.depth = depth, .cap = cap};
        t->bytes += segment_bytes(cap);
    }
    return s;
}

static void segment_free(struct value_table *t, struct value_segment *s)
{
    t->bytes -= segment_bytes(s->cap);
    free(s);
}

/* All places of the directory that name old name what takes its place, by the bit behind depth. */
static void directory_set(struct value_table *t, uint32_t high, struct value_segment *low_half,
                          struct value_segment *high_half, uint32_t depth)
{
    const size_t span = (size_t)1 << (t->depth - depth);
    const size_t first = depth == 0 ? 0 : (size_t)(high >> (32 - depth)) * span;
    t->directory[first] = low_half;
    t->directory[first + span - 1] = high_half; /* of a span of one both are the same */
    for (size_t i = 1; i + 1 < span; i++) {
        t->directory[first + i] = i < span / 2 ? low_half : high_half;
    }
}

static pen_status segment_grow(struct value_table *t, struct value_segment *s, uint32_t high)
{
    struct value_segment *bigger = segment_new(t, s->depth, s->count + 1);
    if (bigger == NULL) {
        return PEN_E_NOMEM;
    }
    bigger->count = s->count;
    memcpy(bigger->slots, s->slots, s->count * sizeof(s->slots[0]));
    directory_set(t, high, bigger, bigger, s->depth);
    segment_free(t, s);
    return PEN_OK;
}

static pen_status directory_double(struct value_table *t)
{
    const size_t count = (size_t)1 << t->depth;
    struct value_segment **bigger = calloc(count * 2, sizeof(struct value_segment *));
    if (bigger == NULL) {
        return PEN_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        bigger[2 * i] = bigger[2 * i + 1] = t->directory[i];
    }
    free(t->directory);
    t->directory = bigger;
    t->depth++;
    t->bytes += count * sizeof(struct value_segment *);
    return PEN_OK;
}

static bool is_high(const struct value_slot *slot, uint32_t depth)
{
    return ((slot->high >> (31 - depth)) & 1U) != 0;
}

/* The segment becomes two, by the next bit of the hash. */
static pen_status segment_split(struct value_table *t, struct value_segment *s, uint32_t high)
{
    PEN_TRY(s->depth == t->depth ? directory_double(t) : PEN_OK);
    uint32_t of_high = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        of_high += is_high(&s->slots[i], s->depth);
    }
    struct value_segment *halves[2] = {segment_new(t, s->depth + 1, s->count - of_high + 1),
                                       segment_new(t, s->depth + 1, of_high + 1)};
    if (halves[0] == NULL || halves[1] == NULL) {
        for (size_t i = 0; i < 2; i++) {
            if (halves[i] != NULL) {
                segment_free(t, halves[i]);
            }
        }
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        struct value_segment *to = halves[is_high(&s->slots[i], s->depth)];
        to->slots[to->count++] = s->slots[i];
    }
    directory_set(t, high, halves[0], halves[1], s->depth);
    segment_free(t, s);
    return PEN_OK;
}

/* The entry of the segment that was seen longest ago makes room; the least hash of equals. */
static void segment_evict(struct value_segment *s)
{
    uint32_t victim = 0;
    for (uint32_t i = 1; i < s->count; i++) {
        victim = s->slots[i].seen < s->slots[victim].seen ? i : victim;
    }
    s->count--;
    memmove(&s->slots[victim], &s->slots[victim + 1], (s->count - victim) * sizeof(s->slots[0]));
}

static pen_status table_start(struct value_table *t)
{
    if (t->directory != NULL) {
        return PEN_OK;
    }
    struct value_segment **directory = calloc(1, sizeof(struct value_segment *));
    struct value_segment *first = directory == NULL ? NULL : segment_new(t, 0, 0);
    if (first == NULL) {
        free(directory);
        return PEN_E_NOMEM;
    }
    directory[0] = first;
    t->directory = directory;
    t->bytes += sizeof(struct value_segment *);
    return PEN_OK;
}

/* ---- entries come and go ---- */

/* Makes room in the segment of a hash for one more. */
static pen_status make_room(struct value_table *t, struct value_segment *s, uint32_t high,
                            const struct value_limits *limits, uint64_t *evicted)
{
    const bool is_full = s->count == s->cap;
    const bool may_grow = t->count < limits->count_max && (!is_full || limits->has_memory);
    if (s->count > 0 && (!may_grow || (s->count == SEGMENT_SLOTS && s->depth == DEPTH_MAX))) {
        segment_evict(s);
        (*evicted)++;
        t->count--;
        return PEN_OK;
    }
    if (!is_full) {
        return PEN_OK;
    }
    return s->cap < SEGMENT_SLOTS ? segment_grow(t, s, high) : segment_split(t, s, high);
}

pen_status pen_value_table_put(struct value_table *t, const struct new_value_hash *hash,
                               const struct value_limits *limits, struct value_slot **out,
                               uint64_t *evicted)
{
    PEN_TRY(table_start(t));
    struct value_segment *s = t->directory[directory_place(t, hash->high)];
    PEN_DCHECK(!is_there(s, place_of(s, hash), hash));
    if (s->count == s->cap || t->count >= limits->count_max) {
        PEN_TRY(make_room(t, s, hash->high, limits, evicted));
        s = t->directory[directory_place(t, hash->high)];
    }
    while (s->count == s->cap) { /* one half of a split has all of it */
        PEN_TRY(segment_split(t, s, hash->high));
        s = t->directory[directory_place(t, hash->high)];
    }
    const uint32_t at = place_of(s, hash);
    memmove(&s->slots[at + 1], &s->slots[at], (s->count - at) * sizeof(s->slots[0]));
    s->slots[at] = (struct value_slot){.low = hash->low, .high = hash->high, .seen = INT64_MIN};
    s->count++;
    t->count++;
    *out = &s->slots[at];
    return PEN_OK;
}

struct value_segment *pen_value_table_next(const struct value_table *t, size_t *at)
{
    const size_t places = t->directory == NULL ? 0 : (size_t)1 << t->depth;
    if (*at >= places) {
        return NULL;
    }
    struct value_segment *s = t->directory[*at];
    *at += (size_t)1 << (t->depth - s->depth);
    return s;
}

void pen_value_table_fini(struct value_table *t)
{
    size_t at = 0;
    struct value_segment *s = pen_value_table_next(t, &at);
    while (s != NULL) {
        struct value_segment *gone = s;
        s = pen_value_table_next(t, &at);
        free(gone);
    }
    free(t->directory);
    *t = (struct value_table){.depth = 0};
}
