/* tested by tests/unit/state/test_signals.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

/* ---- heap by deadline ---- */

static void heap_put(struct signals *s, size_t i, struct open_signal *sig)
{
    s->heap[i] = sig;
    sig->heap_at = i;
}

void signal_heap_fix(struct signals *s, struct open_signal *sig)
{
    size_t i = sig->heap_at;
    while (i > 0 && sig->deadline < s->heap[(i - 1) / 2]->deadline) {
        heap_put(s, i, s->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (size_t child = 2 * i + 1; child < s->count; child = 2 * i + 1) {
        if (child + 1 < s->count && s->heap[child + 1]->deadline < s->heap[child]->deadline) {
            child++;
        }
        if (s->heap[child]->deadline >= sig->deadline) {
            break;
        }
        heap_put(s, i, s->heap[child]);
        i = child;
    }
    heap_put(s, i, sig);
}

/* ---- table by hash of rule and group ---- */

static void slot_put(struct open_signal **slots, size_t slot_count, struct open_signal *sig)
{
    size_t at = (size_t)sig->hash & (slot_count - 1);
    while (slots[at] != NULL) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = sig;
}

pen_status signal_table_grow(struct signals *s)
{
    const size_t count = s->slot_count * 2;
    struct open_signal **slots = calloc(count, sizeof(struct open_signal *));
    struct open_signal **heap = reallocarray(s->heap, count, sizeof(struct open_signal *));
    if (heap != NULL) {
        s->heap = heap;
    }
    if (slots == NULL || heap == NULL) {
        free(slots);
        return PEN_E_NOMEM;
    }
    for (size_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i] != NULL) {
            slot_put(slots, count, s->slots[i]);
        }
    }
    free(s->slots);
    s->slots = slots;
    s->bytes += (count - s->slot_count) * 2 * sizeof(struct open_signal *);
    s->slot_count = count;
    return PEN_OK;
}

struct open_signal *pen_state_signal_find(const struct signals *s, uint64_t hash, uint32_t rule,
                                          pen_slice group)
{
    size_t at = (size_t)hash & (s->slot_count - 1);
    for (; s->slots[at] != NULL; at = (at + 1) & (s->slot_count - 1)) {
        struct open_signal *sig = s->slots[at];
        if (sig->hash == hash && sig->rule == rule &&
            pen_slice_eq(pen_state_text(&sig->group), group)) {
            return sig;
        }
    }
    return NULL;
}

static void slot_clear(struct signals *s, const struct open_signal *sig)
{
    const size_t mask = s->slot_count - 1;
    size_t hole = (size_t)sig->hash & mask;
    while (s->slots[hole] != sig) {
        PEN_CHECK(s->slots[hole] != NULL);
        hole = (hole + 1) & mask;
    }
    for (size_t at = (hole + 1) & mask; s->slots[at] != NULL; at = (at + 1) & mask) {
        const size_t home = (size_t)s->slots[at]->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            s->slots[hole] = s->slots[at];
            hole = at;
        }
    }
    s->slots[hole] = NULL;
}

void signal_table_put(struct signals *s, struct open_signal *sig)
{
    slot_put(s->slots, s->slot_count, sig);
    sig->heap_at = s->count++;
    signal_heap_fix(s, sig);
}

void signal_table_take(struct signals *s, struct open_signal *sig)
{
    slot_clear(s, sig);
    s->count--;
    if (sig->heap_at != s->count) {
        struct open_signal *moved = s->heap[s->count];
        heap_put(s, sig->heap_at, moved);
        signal_heap_fix(s, moved);
    }
}
