/* tested by tests/e2e/test_diff.py */
#include "diff.h"

#include <stdlib.h>

#define ROWS_FIRST 64U

static uint32_t *slot_of(const struct diff_rows *rows, pen_slice key, uint64_t hash)
{
    const uint32_t mask = rows->cap * 2 - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (rows->slots[at] != 0) {
        const struct diff_row *row = &rows->items[rows->slots[at] - 1];
        if (row->hash == hash && pen_slice_eq(row->key, key)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &rows->slots[at];
}

static bool grow(struct diff_rows *rows)
{
    const uint32_t cap = rows->cap == 0 ? ROWS_FIRST : rows->cap * 2;
    struct diff_row *items = reallocarray(rows->items, cap, sizeof(*items));
    uint32_t *slots = calloc((size_t)cap * 2, sizeof(*slots));
    rows->items = items != NULL ? items : rows->items;
    if (items == NULL || slots == NULL) {
        free(slots);
        return false;
    }
    free(rows->slots);
    rows->slots = slots;
    rows->cap = cap;
    for (uint32_t i = 0; i < rows->count; i++) {
        *slot_of(rows, items[i].key, items[i].hash) = i + 1;
    }
    return true;
}

struct diff_row *diff_rows_get(struct diff_rows *rows, pen_slice key)
{
    const uint64_t hash = pen_hash64(key, 0);
    if (rows->count == rows->cap && !grow(rows)) {
        return NULL;
    }
    uint32_t *slot = slot_of(rows, key, hash);
    if (*slot == 0) {
        rows->items[rows->count++] = (struct diff_row){.key = key, .hash = hash};
        *slot = rows->count;
    }
    return &rows->items[*slot - 1];
}

void diff_rows_free(struct diff_rows *rows)
{
    free(rows->items);
    free(rows->slots);
    *rows = (struct diff_rows){.items = NULL};
}

static int by_key(const void *a, const void *b)
{
    const struct diff_row *x = a;
    const struct diff_row *y = b;
    return pen_slice_cmp(x->key, y->key);
}

static int by_weight(const void *a, const void *b)
{
    const struct diff_row *x = a;
    const struct diff_row *y = b;
    const uint64_t differences[] = {diff_row_differences(x), diff_row_differences(y)};
    if (differences[0] != differences[1]) {
        return differences[0] > differences[1] ? -1 : 1;
    }
    const uint64_t signals[] = {x->signals[DIFF_BASE] + x->signals[DIFF_HEAD],
                                y->signals[DIFF_BASE] + y->signals[DIFF_HEAD]};
    if (signals[0] != signals[1]) {
        return signals[0] > signals[1] ? -1 : 1;
    }
    return pen_slice_cmp(x->key, y->key);
}

/* The slots are of the order of before: nothing is looked up from here on. */
static void sort(struct diff_rows *rows, int (*order)(const void *, const void *))
{
    if (rows->count > 0) {
        qsort(rows->items, rows->count, sizeof(*rows->items), order);
    }
}

void diff_rows_sort(struct diff_rows *rows)
{
    sort(rows, by_weight);
}

void diff_rows_sort_keys(struct diff_rows *rows)
{
    sort(rows, by_key);
}
