/* tested by tests/unit/node/test_spending.c */
#include "spending.h"

#include <inttypes.h>
#include <stdio.h>

/* Prices are cents for a million requests. */
#define NANO_USD_PER_CENT_OF_A_MILLION 10U
#define NANO_USD_PER_CENT 10000000U
#define BYTES_PER_GB (UINT64_C(1) << 30)

uint64_t pen_price_nano_usd(const struct pen_replay_options *o, uint64_t gets, uint64_t lists,
                            uint64_t kms)
{
    return NANO_USD_PER_CENT_OF_A_MILLION *
           (gets * o->price_gets + lists * o->price_lists + kms * o->price_kms);
}

uint64_t pen_price_transfer_nano_usd(const struct pen_replay_options *o, uint64_t bytes)
{
    const unsigned __int128 cents = (unsigned __int128)bytes * o->price_transfer;
    return (uint64_t)(cents * NANO_USD_PER_CENT / BYTES_PER_GB);
}

uint64_t spending_gets(const struct pen_replay_options *o, const struct pen_object *object)
{
    return object->bucket == 0 ? 0
                               : (object->size + o->fetch_range_bytes - 1) / o->fetch_range_bytes;
}

bool spending_allows(struct spending *s, const struct pen_replay_options *o,
                     const struct pen_object *object, bool is_crossing, uint64_t lists)
{
    const uint64_t bytes = s->bytes + object->size;
    const uint64_t gets = s->gets + spending_gets(o, object);
    const uint64_t crossing = s->crossing_bytes + (is_crossing ? object->size : 0);
    /* Whether the bucket is encrypted by KMS is not known from its listing: counted as if. */
    const uint64_t cost =
        pen_price_nano_usd(o, gets, lists, gets) + pen_price_transfer_nano_usd(o, crossing);
    if (o->max_bytes > 0 && bytes > o->max_bytes) {
        s->is_spent = true;
        (void)snprintf(s->reason, sizeof(s->reason),
                       "--max-bytes: %" PRIu64 " bytes were read, the next object has %" PRIu64,
                       s->bytes, object->size);
    } else if (o->max_cost_nano > 0 && cost > o->max_cost_nano) {
        s->is_spent = true;
        (void)snprintf(s->reason, sizeof(s->reason),
                       "--max-cost: %" PRIu64 " GETs and %" PRIu64
                       " listings were asked for, %" PRIu64 " bytes came from other regions",
                       s->gets, lists, s->crossing_bytes);
    } else {
        s->bytes = bytes;
        s->gets = gets;
        s->crossing_bytes = crossing;
    }
    return !s->is_spent;
}
