#include "penstock/match.h"

#include <stdlib.h>

/* tested by tests/unit/match/test_set.c */

#define SLOTS_MIN 64U

/* Texts lie behind one another; a slot is the number of one from 1 on, or 0. */
struct pen_set {
    struct pen_buf bytes;
    uint64_t *ends; /* of text i */
    uint32_t *slots;
    uint32_t count, room; /* of ends; there are twice as many slots */
};

static pen_slice text_at(const struct pen_set *set, uint32_t i)
{
    const uint64_t from = i == 0 ? 0 : set->ends[i - 1];
    return pen_slice_sub(pen_buf_slice(&set->bytes), from, set->ends[i]);
}

/* Of the text, or where it would be; there is a free slot. */
static uint32_t *slot_of(const struct pen_set *set, pen_slice text)
{
    const uint64_t mask = (uint64_t)set->room * 2 - 1;
    uint64_t at = pen_hash64(text, 0) & mask;
    while (set->slots[at] != 0 && !pen_slice_eq(text_at(set, set->slots[at] - 1), text)) {
        at = (at + 1) & mask;
    }
    return &set->slots[at];
}

static bool grow(struct pen_set *set)
{
    const uint32_t room = set->room == 0 ? SLOTS_MIN : set->room * 2;
    uint64_t *ends = reallocarray(set->ends, room, sizeof(*ends));
    set->ends = ends == NULL ? set->ends : ends;
    uint32_t *slots = calloc((size_t)room * 2, sizeof(*slots));
    if (ends == NULL || slots == NULL) {
        free(slots);
        return false;
    }
    free(set->slots);
    set->slots = slots;
    set->room = room;
    for (uint32_t i = 0; i < set->count; i++) {
        *slot_of(set, text_at(set, i)) = i + 1;
    }
    return true;
}

pen_status pen_set_new(size_t bytes_max, struct pen_set **out, struct pen_err *err)
{
    struct pen_set *set = calloc(1, sizeof(*set));
    if (set == NULL || !grow(set)) {
        pen_set_free(set);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for a set");
    }
    pen_buf_init(&set->bytes, bytes_max);
    *out = set;
    return PEN_OK;
}

void pen_set_free(struct pen_set *set)
{
    if (set != NULL) {
        pen_buf_fini(&set->bytes);
        free(set->ends);
        free(set->slots);
        free(set);
    }
}

pen_status pen_set_add(struct pen_set *set, pen_slice text, struct pen_err *err)
{
    if (set->count == set->room && !grow(set)) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for a set");
    }
    uint32_t *slot = slot_of(set, text);
    if (*slot != 0) {
        return PEN_OK;
    }
    const pen_status st = pen_buf_add(&set->bytes, text);
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "match: texts of more than %zu bytes in a set",
                        set->bytes.max);
    }
    set->ends[set->count++] = set->bytes.len;
    *slot = set->count;
    return PEN_OK;
}

bool pen_set_has(const struct pen_set *set, pen_slice text)
{
    return *slot_of(set, text) != 0;
}

uint32_t pen_set_count(const struct pen_set *set)
{
    return set->count;
}
