/* tested by tests/unit/state/test_signals.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

pen_status pen_state_text_set(struct text *t, pen_slice s, size_t *bytes)
{
    if (s.len > t->cap) {
        const size_t cap = s.len + s.len / 4;
        uint8_t *ptr = realloc(t->ptr, cap);
        if (ptr == NULL) {
            return PEN_E_NOMEM;
        }
        *bytes += cap - t->cap;
        t->ptr = ptr;
        t->cap = pen_u32(cap);
    }
    if (s.len > 0) {
        memcpy(t->ptr, s.ptr, s.len);
    }
    t->len = pen_u32(s.len);
    return PEN_OK;
}

pen_slice pen_state_text(const struct text *t)
{
    return (pen_slice){t->ptr, t->len};
}

pen_status pen_state_set_add(struct text_set *set, pen_slice s, size_t *bytes)
{
    if (s.len == 0 || (set->count > 0 && pen_slice_eq(pen_state_text(&set->items[set->last]), s))) {
        return PEN_OK;
    }
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const int order = pen_slice_cmp(pen_state_text(&set->items[middle]), s);
        if (order == 0) {
            set->last = middle;
            return PEN_OK;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (set->count == STATE_SET_MAX) {
        return PEN_OK; /* the first 20 in the order of release */
    }
    struct text item = {.ptr = NULL};
    PEN_TRY(pen_state_text_set(&item, s, bytes));
    memmove(&set->items[low + 1], &set->items[low], (set->count - low) * sizeof(item));
    set->items[low] = item;
    set->last = low;
    set->count++;
    return PEN_OK;
}

pen_status pen_state_set_add_all(struct text_set *set, pen_slice s, size_t *bytes)
{
    pen_slice rest = s;
    pen_slice one;
    pen_status st = PEN_OK;
    if (s.len == 0 || memchr(s.ptr, 0x1f, s.len) == NULL) {
        return pen_state_set_add(set, s, bytes);
    }
    while (st == PEN_OK && pen_slice_split(&rest, 0x1f, &one)) {
        st = pen_state_set_add(set, one, bytes);
    }
    return st;
}
