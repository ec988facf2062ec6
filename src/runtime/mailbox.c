#include "penstock/runtime.h"

#include <stdatomic.h>
#include <stdlib.h>

/*
 * Each index is written by one side only and lies on its own cache line, beside that side's copy of
 * the other index: the other line is touched only when the copy says full or empty.
 */
struct pen_mailbox {
    _Alignas(PEN_CACHE_LINE) _Atomic uint32_t tail; /* producer */
    uint32_t head_seen;
    _Alignas(PEN_CACHE_LINE) _Atomic uint32_t head; /* consumer */
    uint32_t tail_seen;
    _Alignas(PEN_CACHE_LINE) uint32_t capacity;
    uint32_t mask;
    void **slots;
};

pen_status pen_mailbox_new(uint32_t capacity, struct pen_mailbox **out, struct pen_err *err)
{
    PEN_CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
    struct pen_mailbox *box = aligned_alloc(PEN_CACHE_LINE, sizeof(*box));
    void **slots = calloc(capacity, sizeof(void *));
    if (box == NULL || slots == NULL) {
        free(box);
        free(slots);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "mailbox: out of memory");
    }
    memset(box, 0, sizeof(*box));
    box->capacity = capacity;
    box->mask = capacity - 1;
    box->slots = slots;
    *out = box;
    return PEN_OK;
}

void pen_mailbox_free(struct pen_mailbox *box)
{
    if (box != NULL) {
        free(box->slots);
        free(box);
    }
}

bool pen_mailbox_push(struct pen_mailbox *box, void *message)
{
    const uint32_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);
    if (tail - box->head_seen == box->capacity) {
        box->head_seen = atomic_load_explicit(&box->head, memory_order_acquire);
        if (tail - box->head_seen == box->capacity) {
            return false;
        }
    }
    box->slots[tail & box->mask] = message;
    atomic_store_explicit(&box->tail, tail + 1, memory_order_release);
    return true;
}

bool pen_mailbox_pop(struct pen_mailbox *box, void **message)
{
    const uint32_t head = atomic_load_explicit(&box->head, memory_order_relaxed);
    if (head == box->tail_seen) {
        box->tail_seen = atomic_load_explicit(&box->tail, memory_order_acquire);
        if (head == box->tail_seen) {
            return false;
        }
    }
    *message = box->slots[head & box->mask];
    atomic_store_explicit(&box->head, head + 1, memory_order_release);
    return true;
}

bool pen_mailbox_empty(const struct pen_mailbox *box)
{
    return atomic_load_explicit(&box->head, memory_order_relaxed) ==
           atomic_load_explicit(&box->tail, memory_order_acquire);
}
