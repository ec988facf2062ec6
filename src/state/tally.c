/* tested by tests/unit/state/test_window.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

#define DISTINCT_FIRST 8U

/* ---- distinct values ---- */

static struct distinct_slot *distinct_find(const struct column *c, struct pen_hash128 hash)
{
    uint32_t at = (uint32_t)hash.lo & (c->slot_count - 1);
    while (c->slots[at].count != 0 &&
           (c->slots[at].hash.lo != hash.lo || c->slots[at].hash.hi != hash.hi)) {
        at = (at + 1) & (c->slot_count - 1);
    }
    return &c->slots[at];
}

static pen_status distinct_grow(struct column *c)
{
    const uint32_t old_count = c->slot_count;
    struct distinct_slot *old = c->slots;
    const uint32_t slot_count = old_count == 0 ? DISTINCT_FIRST : old_count * 2;
    struct distinct_slot *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) {
        return PEN_E_NOMEM;
    }
    c->slots = slots;
    c->slot_count = slot_count;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].count != 0) {
            *distinct_find(c, old[i].hash) = old[i];
        }
    }
    free(old);
    return PEN_OK;
}

static pen_status distinct_add(struct column *c, struct pen_hash128 hash, uint32_t max,
                               bool *is_limited)
{
    if (c->slot_count == 0 || c->count + 1 > c->slot_count / 4 * 3) {
        PEN_TRY(distinct_grow(c));
    }
    struct distinct_slot *slot = distinct_find(c, hash);
    if (slot->count == 0 && c->count >= max) {
        *is_limited = true;
        return PEN_OK;
    }
    c->count += slot->count == 0;
    slot->hash = hash;
    slot->count++;
    return PEN_OK;
}

static void distinct_remove(struct column *c, struct pen_hash128 hash)
{
    if (c->slot_count == 0) {
        return;
    }
    struct distinct_slot *slot = distinct_find(c, hash);
    if (slot->count == 0 || --slot->count > 0) {
        return; /* the limit kept it out, or others have it too */
    }
    c->count--;
    const uint32_t mask = c->slot_count - 1;
    uint32_t hole = (uint32_t)(slot - c->slots);
    for (uint32_t at = (hole + 1) & mask; c->slots[at].count != 0; at = (at + 1) & mask) {
        const uint32_t home = (uint32_t)c->slots[at].hash.lo & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            c->slots[hole] = c->slots[at];
            c->slots[at].count = 0;
            hole = at;
        }
    }
}

/* ---- tallies ---- */

pen_status tally_init(struct tally *t, const struct window_shape *shape)
{
    *t = (struct tally){.events = 0};
    t->per_query = shape->rule->query_count == 1
                       ? &t->only
                       : calloc(shape->rule->query_count, sizeof(*t->per_query));
    if (shape->columns > 0) {
        t->columns = calloc(shape->columns, sizeof(*t->columns));
    }
    if (t->per_query == NULL || (shape->columns > 0 && t->columns == NULL)) {
        tally_fini(t, shape);
        return PEN_E_NOMEM;
    }
    return PEN_OK;
}

void tally_fini(struct tally *t, const struct window_shape *shape)
{
    for (uint32_t i = 0; t->columns != NULL && i < shape->columns; i++) {
        free(t->columns[i].slots);
    }
    free(t->columns);
    if (t->per_query != &t->only) {
        free(t->per_query);
    }
    *t = (struct tally){.events = 0};
}

void tally_clear(struct tally *t, const struct window_shape *shape)
{
    t->events = 0;
    t->is_limited = false;
    memset(t->per_query, 0, shape->rule->query_count * sizeof(*t->per_query));
    for (uint32_t i = 0; i < shape->columns; i++) {
        free(t->columns[i].slots);
        t->columns[i] = (struct column){.quantity = 0};
    }
}

size_t tally_bytes(const struct tally *t, const struct window_shape *shape)
{
    const uint32_t queries = shape->rule->query_count;
    size_t bytes = queries == 1 ? 0 : queries * sizeof(*t->per_query);
    for (uint32_t i = 0; i < shape->columns; i++) {
        bytes += sizeof(*t->columns) + t->columns[i].slot_count * sizeof(struct distinct_slot);
    }
    return bytes;
}

static enum pen_aggregation kind_of(const struct window_shape *shape, uint32_t column)
{
    return shape->rule->queries[shape->query_of[column]];
}

static pen_status column_add(struct column *c, enum pen_aggregation kind,
                             const union window_value *value, uint32_t values_max, bool *is_limited)
{
    switch (kind) {
    case PEN_CARDINALITY:
        return distinct_add(c, value->hash, values_max, is_limited);
    case PEN_SUM:
        c->quantity += value->quantity; /* of less than 2^32 events: WINDOW_QUANTITY_MAX */
        return PEN_OK;
    case PEN_MAX:
        c->quantity =
            c->count == 0 || value->quantity > c->quantity ? value->quantity : c->quantity;
        c->count++;
        return PEN_OK;
    case PEN_COUNT_EVENTS:
    case PEN_PLACE:
        break;
    }
    pen_panic(PEN_HERE, "a query that counts has no values");
}

pen_status tally_add(struct tally *t, const struct window_shape *shape,
                     const struct window_event *event, const union window_value *values,
                     uint32_t values_max)
{
    t->events += !event->is_further;
    for (uint32_t q = 0; !event->is_further && q < shape->rule->query_count; q++) {
        t->per_query[q] += ((uint32_t)event->queries >> q) & 1U;
    }
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < shape->columns && st == PEN_OK; i++) {
        if ((((uint32_t)event->has_values >> i) & 1U) != 0) {
            st = column_add(&t->columns[i], kind_of(shape, i), &values[i], values_max,
                            &t->is_limited);
        }
    }
    return st;
}

static void column_remove(struct column *c, enum pen_aggregation kind,
                          const union window_value *value)
{
    if (kind == PEN_CARDINALITY) {
        distinct_remove(c, value->hash);
    } else if (kind == PEN_SUM) {
        c->quantity -= value->quantity;
    } else {
        c->count--;
        c->is_stale |= value->quantity == c->quantity;
    }
}

void tally_remove(struct tally *t, const struct window_shape *shape,
                  const struct window_event *event, const union window_value *values)
{
    t->events -= !event->is_further;
    for (uint32_t q = 0; !event->is_further && q < shape->rule->query_count; q++) {
        t->per_query[q] -= ((uint32_t)event->queries >> q) & 1U;
    }
    for (uint32_t i = 0; i < shape->columns; i++) {
        if ((((uint32_t)event->has_values >> i) & 1U) != 0) {
            column_remove(&t->columns[i], kind_of(shape, i), &values[i]);
        }
    }
}

void tally_read(const struct tally *t, const struct window_shape *shape, struct window_sum *sum)
{
    sum->events = t->events;
    sum->is_limited = t->is_limited;
    for (uint32_t q = 0; q < shape->rule->query_count; q++) {
        sum->per_query[q] = t->per_query[q];
        sum->values[q] = (pen_quantity)t->per_query[q] * PEN_QUANTITY_ONE;
    }
    sum->values[shape->rule->query_count] = (pen_quantity)t->events * PEN_QUANTITY_ONE;
    for (uint32_t i = 0; i < shape->columns; i++) {
        const struct column *c = &t->columns[i];
        const uint32_t q = shape->query_of[i];
        const enum pen_aggregation kind = kind_of(shape, i);
        sum->values[q] = kind == PEN_CARDINALITY ? (pen_quantity)c->count * PEN_QUANTITY_ONE
                         : kind == PEN_MAX && c->count == 0 ? 0
                                                            : c->quantity;
    }
}
