#include "refusals.h"

#include <stdlib.h>

void refusals_fini(struct refusals *refusals)
{
    for (uint32_t i = 0; i < refusals->count; i++) {
        free(refusals->items[i].key);
    }
    free(refusals->items);
    *refusals = (struct refusals){0};
}

/* A cluster that refuses one document of an object often refuses the next of it. */
static struct refusal_count *item_of(struct refusals *refusals, pen_slice key)
{
    struct refusal_count *last =
        refusals->count == 0 ? NULL : &refusals->items[refusals->count - 1];
    if (last != NULL && pen_slice_eq(pen_slice_str(last->key), key)) {
        return last;
    }
    if (refusals->count == refusals->cap) {
        const uint32_t cap = refusals->cap == 0 ? 64 : refusals->cap * 2;
        struct refusal_count *bigger = reallocarray(refusals->items, cap, sizeof(*refusals->items));
        PEN_CHECK(bigger != NULL);
        refusals->items = bigger;
        refusals->cap = cap;
    }
    PEN_CHECK(refusals->items != NULL);
    struct refusal_count *item = &refusals->items[refusals->count++];
    *item = (struct refusal_count){.key = strndup((const char *)key.ptr, key.len)};
    PEN_CHECK(item->key != NULL);
    return item;
}

void refusals_add(struct refusals *refusals, pen_slice key, bool is_next)
{
    struct refusal_count *item = item_of(refusals, key);
    item->count += !is_next;
    item->count_next += is_next;
}

static int by_key(const void *a, const void *b)
{
    const struct refusal_count *x = a;
    const struct refusal_count *y = b;
    return strcmp(x->key, y->key);
}

void refusals_seal(struct refusals *refusals)
{
    uint32_t kept = 0;
    if (refusals->count == 0) {
        return;
    }
    qsort(refusals->items, refusals->count, sizeof(*refusals->items), by_key);
    for (uint32_t i = 1; i < refusals->count; i++) {
        struct refusal_count *to = &refusals->items[kept];
        struct refusal_count *from = &refusals->items[i];
        if (strcmp(to->key, from->key) == 0) {
            to->count += from->count;
            to->count_next += from->count_next;
            free(from->key);
        } else {
            refusals->items[++kept] = *from;
        }
    }
    refusals->count = kept + 1;
}

uint64_t refusals_of(struct refusals *refusals, const char *key, bool is_done)
{
    const struct refusal_count wanted = {.key = pen_unconst(key)};
    struct refusal_count *found =
        refusals->count == 0
            ? NULL
            : bsearch(&wanted, refusals->items, refusals->count, sizeof(*refusals->items), by_key);
    if (found == NULL || found->is_done) {
        return 0; /* of two objects with one key the first has it */
    }
    found->is_done = is_done;
    return found->count;
}

void refusals_committed(struct refusals *refusals)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < refusals->count; i++) {
        struct refusal_count *item = &refusals->items[i];
        if (item->is_done) {
            free(item->key);
            continue;
        }
        item->count += item->count_next;
        item->count_next = 0;
        refusals->items[kept++] = *item;
    }
    refusals->count = kept;
}
