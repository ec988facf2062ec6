/* tested by tests/e2e/test_hunt.py */
#include "search_groups.h"

#include <stdlib.h>

#define SLOTS_FIRST 1024U
#define KEYS_BYTES_MAX ((size_t)64 << 30)

void search_groups_init(struct search_groups *g, const struct search_by *by, uint64_t groups_max,
                        uint64_t distinct_max)
{
    *g = (struct search_groups){.by = by, .groups_max = groups_max, .distinct_max = distinct_max};
    g->other = (struct search_group){
        .span_ns = INT64_MIN, .first_ns = INT64_MAX, .last_ns = INT64_MIN, .is_limited = true};
    pen_buf_init(&g->keys, KEYS_BYTES_MAX);
}

void search_groups_fini(struct search_groups *g)
{
    free(g->items);
    free(g->slots);
    free(g->values);
    pen_buf_fini(&g->keys);
}

/* ---- groups ---- */

pen_slice search_group_key(const struct search_groups *g, const struct search_group *group)
{
    return pen_slice_sub(pen_buf_slice(&g->keys), group->key_at, group->key_at + group->key_bytes);
}

static void slot_put(uint32_t *slots, uint32_t slot_count, uint64_t hash, uint32_t index)
{
    uint32_t at = (uint32_t)hash & (slot_count - 1);
    while (slots[at] != 0) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = index + 1;
}

static pen_status slots_grow(struct search_groups *g)
{
    if (g->slot_count / 4 * 3 > g->count) {
        return PEN_OK;
    }
    const uint32_t slot_count = g->slot_count == 0 ? SLOTS_FIRST : g->slot_count * 2;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < g->count; i++) {
        slot_put(slots, slot_count, g->items[i].hash, i);
    }
    free(g->slots);
    g->slots = slots;
    g->slot_count = slot_count;
    return PEN_OK;
}

static pen_status items_grow(struct search_groups *g)
{
    if (g->count < g->cap) {
        return PEN_OK;
    }
    const uint32_t cap = g->cap == 0 ? SLOTS_FIRST : g->cap * 2;
    struct search_group *items = reallocarray(g->items, cap, sizeof(*items));
    if (items == NULL) {
        return PEN_E_NOMEM;
    }
    g->items = items;
    g->cap = cap;
    return PEN_OK;
}

static pen_status group_new(struct search_groups *g, pen_slice key, int64_t span_ns, uint64_t hash)
{
    PEN_TRY(items_grow(g));
    PEN_TRY(slots_grow(g));
    struct search_group *group = &g->items[g->count];
    *group = (struct search_group){.span_ns = span_ns,
                                   .first_ns = INT64_MAX,
                                   .last_ns = INT64_MIN,
                                   .hash = hash,
                                   .key_at = g->keys.len,
                                   .key_bytes = pen_u32(key.len)};
    PEN_TRY(pen_buf_add(&g->keys, key));
    slot_put(g->slots, g->slot_count, hash, g->count++);
    return PEN_OK;
}

/* The index of the group, or UINT32_MAX: there are too many. */
static pen_status group_find(struct search_groups *g, pen_slice key, int64_t span_ns,
                             uint32_t *index)
{
    const uint64_t hash = pen_hash64(key, (uint64_t)span_ns);
    uint32_t at = (uint32_t)hash & (g->slot_count - 1);
    for (; g->slot_count > 0 && g->slots[at] != 0; at = (at + 1) & (g->slot_count - 1)) {
        const struct search_group *group = &g->items[g->slots[at] - 1];
        if (group->hash == hash && group->span_ns == span_ns &&
            pen_slice_eq(search_group_key(g, group), key)) {
            *index = g->slots[at] - 1;
            return PEN_OK;
        }
    }
    *index = UINT32_MAX;
    if (g->count >= g->groups_max) {
        return PEN_OK;
    }
    *index = g->count;
    return group_new(g, key, span_ns, hash);
}

/* ---- distinct values ---- */

static bool is_free(struct pen_hash128 hash)
{
    return hash.hi == 0 && hash.lo == 0;
}

/* Its slot, or the free one where it belongs. */
static struct pen_hash128 *value_slot(struct pen_hash128 *values, uint64_t slots,
                                      struct pen_hash128 hash)
{
    uint64_t at = hash.lo & (slots - 1);
    while (!is_free(values[at]) && (values[at].hi != hash.hi || values[at].lo != hash.lo)) {
        at = (at + 1) & (slots - 1);
    }
    return &values[at];
}

static pen_status values_grow(struct search_groups *g)
{
    if (g->value_slots / 4 * 3 > g->value_count) {
        return PEN_OK;
    }
    const uint64_t slots = g->value_slots == 0 ? SLOTS_FIRST : g->value_slots * 2;
    struct pen_hash128 *values = calloc(slots, sizeof(*values));
    if (values == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint64_t i = 0; i < g->value_slots; i++) {
        if (!is_free(g->values[i])) {
            *value_slot(values, slots, g->values[i]) = g->values[i];
        }
    }
    free(g->values);
    g->values = values;
    g->value_slots = slots;
    return PEN_OK;
}

static pen_status value_add(struct search_groups *g, uint32_t index, struct pen_hash128 value)
{
    const struct {
        struct pen_hash128 value;
        uint64_t index;
    } of = {value, index};
    PEN_TRY(values_grow(g));
    struct pen_hash128 hash = pen_hash128((pen_slice){(const uint8_t *)&of, sizeof(of)}, 0);
    hash.lo |= is_free(hash); /* that of a free slot is no hash */
    struct pen_hash128 *slot = value_slot(g->values, g->value_slots, hash);
    if (!is_free(*slot)) {
        return PEN_OK;
    }
    if (g->value_count >= g->distinct_max) {
        g->items[index].is_limited = true;
        return PEN_OK;
    }
    *slot = hash;
    g->value_count++;
    g->items[index].distinct++;
    return PEN_OK;
}

/* ---- records ---- */

static int64_t span_of(const struct search_groups *g, int64_t time_ns)
{
    const int64_t every = g->by->every_ns;
    if (every == 0 || time_ns == INT64_MIN) {
        return INT64_MIN;
    }
    const int64_t into = time_ns % every;
    return time_ns - (into < 0 ? into + every : into);
}

static void group_count(struct search_group *group, int64_t time_ns)
{
    group->count++;
    if (time_ns != INT64_MIN) {
        group->first_ns = time_ns < group->first_ns ? time_ns : group->first_ns;
        group->last_ns = time_ns > group->last_ns ? time_ns : group->last_ns;
    }
}

pen_status search_groups_count(struct search_groups *g, pen_slice key, pen_slice values,
                               int64_t time_ns)
{
    uint32_t index = 0;
    PEN_TRY(group_find(g, key, span_of(g, time_ns), &index));
    group_count(index == UINT32_MAX ? &g->other : &g->items[index], time_ns);
    pen_slice one;
    while (index != UINT32_MAX && pen_slice_take(&values, sizeof(struct pen_hash128), &one)) {
        struct pen_hash128 value;
        memcpy(&value, one.ptr, sizeof(value));
        PEN_TRY(value_add(g, index, value));
    }
    return PEN_OK;
}

pen_status search_groups_add(struct search_groups *g, const struct pen_pass_output *output)
{
    pen_slice rest = output->bytes;
    pen_slice bytes;
    bool is_first = true;
    while (pen_slice_take(&rest, sizeof(struct search_by_head), &bytes)) {
        struct search_by_head head;
        pen_slice key = {0};
        pen_slice values = {0};
        memcpy(&head, bytes.ptr, sizeof(head));
        const bool is_whole =
            pen_slice_take(&rest, head.key_bytes, &key) &&
            pen_slice_take(&rest, head.value_count * sizeof(struct pen_hash128), &values);
        PEN_CHECK(is_whole); /* search_by_write wrote it */
        g->cut += is_first && head.is_cut;
        is_first = false;
        PEN_TRY(search_groups_count(g, key, values, output->time_ns));
    }
    return PEN_OK;
}
