#include "origins.h"

#include <stdlib.h>

#define ACCOUNT_DIGITS 12u
#define SLOTS_FIRST 64u

void origins_fini(struct origins *set)
{
    free(set->items);
    free(set->slots);
    *set = (struct origins){0};
}

static bool is_account(pen_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9') {
            return false;
        }
    }
    return name.len == ACCOUNT_DIGITS;
}

static bool is_region(pen_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return name.len > 0 && name.len < ORIGIN_NAME_MAX;
}

static bool is_item(const struct origin *item, enum origin_kind kind, pen_slice name)
{
    return item->kind == kind && strlen(item->name) == name.len &&
           memcmp(item->name, name.ptr, name.len) == 0;
}

/* The slot of a name, or the free one where it belongs; there is always a free one. */
static uint32_t *slot_of(const struct origins *set, enum origin_kind kind, pen_slice name)
{
    uint32_t at = (uint32_t)pen_hash64(name, kind) & (set->slot_count - 1);
    while (set->slots[at] != 0 && !is_item(&set->items[set->slots[at] - 1], kind, name)) {
        at = (at + 1) & (set->slot_count - 1);
    }
    return &set->slots[at];
}

/* Room for one more name in slots of which half are free at least. */
static void grow(struct origins *set)
{
    if (set->count < set->cap) {
        return;
    }
    set->cap = set->cap == 0 ? SLOTS_FIRST / 2 : set->cap * 2;
    set->items = reallocarray(set->items, set->cap, sizeof(*set->items));
    free(set->slots);
    set->slot_count = 2 * set->cap;
    set->slots = calloc(set->slot_count, sizeof(*set->slots));
    PEN_CHECK(set->items != NULL && set->slots != NULL);
    for (uint32_t i = 0; i < set->count; i++) {
        *slot_of(set, set->items[i].kind, pen_slice_str(set->items[i].name)) = i + 1;
    }
}

void origins_add(struct origins *set, enum origin_kind kind, pen_slice name)
{
    const uint32_t last = set->last[kind];
    if (PEN_LIKELY(last != 0 && is_item(&set->items[last - 1], kind, name))) {
        return;
    }
    if (!(kind == ORIGIN_ACCOUNT ? is_account(name) : is_region(name))) {
        return;
    }
    grow(set);
    uint32_t *slot = slot_of(set, kind, name);
    if (*slot == 0) {
        if (set->count == ORIGINS_MAX) {
            return;
        }
        struct origin *item = &set->items[set->count];
        *item = (struct origin){.kind = kind};
        memcpy(item->name, name.ptr, name.len);
        *slot = ++set->count;
    }
    set->last[kind] = *slot;
}

struct origin *origins_take(struct origins *set, uint32_t *count)
{
    *count = set->count - set->taken;
    if (*count == 0) {
        return NULL;
    }
    struct origin *fresh = malloc(*count * sizeof(*fresh));
    PEN_CHECK(fresh != NULL);
    memcpy(fresh, set->items + set->taken, *count * sizeof(*fresh));
    set->taken = set->count;
    return fresh;
}
