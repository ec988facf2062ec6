/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "topology.h"

#include <stdlib.h>

static void slice_copy(uint8_t **at, pen_slice *s)
{
    if (s->len > 0) {
        memcpy(*at, s->ptr, s->len);
    }
    s->ptr = *at;
    *at += s->len;
}

static size_t list_bytes(const pen_slice *items, uint32_t count)
{
    size_t bytes = count * sizeof(pen_slice);
    for (uint32_t i = 0; i < count; i++) {
        bytes += items[i].len;
    }
    return bytes;
}

static const pen_slice *list_copy(pen_slice **next, uint8_t **at, const pen_slice *items,
                                  uint32_t count)
{
    pen_slice *copy = *next;
    *next += count;
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = items[i];
        slice_copy(at, &copy[i]);
    }
    return copy;
}

static size_t sample_bytes(const struct pen_observation *o)
{
    return o->rule_id.len + o->event_id.len + o->group.len + o->account.len + o->region.len +
           o->actor.len + o->source_ip.len + o->index_name.len + o->object.len + o->values.len +
           o->attributes.len + o->event.len;
}

static void sample_copy(uint8_t **at, struct pen_observation *o)
{
    pen_slice *const parts[] = {&o->rule_id, &o->event_id, &o->group,      &o->account,
                                &o->region,  &o->actor,    &o->source_ip,  &o->index_name,
                                &o->object,  &o->values,   &o->attributes, &o->event};
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        slice_copy(at, parts[i]);
    }
}

/* A deep copy in one block: the signal, its lists, its samples, then all text. */
struct message *signal_message(enum pen_signal_change change, const struct pen_signal *s)
{
    const uint32_t lists = s->account_count + s->region_count + s->actor_count + s->source_ip_count;
    const size_t counts = s->query_count * sizeof(*s->events_per_query);
    size_t bytes = sizeof(*s) + counts + s->group.len + s->sample_count * sizeof(*s->samples) +
                   list_bytes(s->accounts, s->account_count) +
                   list_bytes(s->regions, s->region_count) + list_bytes(s->actors, s->actor_count) +
                   list_bytes(s->source_ips, s->source_ip_count);
    for (uint32_t i = 0; i < s->sample_count; i++) {
        bytes += sample_bytes(&s->samples[i].o);
    }
    struct message *message = message_new(MSG_SIGNAL);
    message->change = change;
    message->bytes = malloc(bytes);
    PEN_CHECK(message->bytes != NULL);
    struct pen_signal *copy = (struct pen_signal *)(void *)message->bytes;
    struct pen_signal_sample *samples = (struct pen_signal_sample *)(void *)(copy + 1);
    uint64_t *per_query = (uint64_t *)(void *)(samples + s->sample_count);
    pen_slice *slices = (pen_slice *)(void *)(per_query + s->query_count);
    uint8_t *at = (uint8_t *)(slices + lists);
    *copy = *s;
    memcpy(per_query, s->events_per_query, counts);
    copy->events_per_query = per_query;
    slice_copy(&at, &copy->group);
    copy->accounts = list_copy(&slices, &at, s->accounts, s->account_count);
    copy->regions = list_copy(&slices, &at, s->regions, s->region_count);
    copy->actors = list_copy(&slices, &at, s->actors, s->actor_count);
    copy->source_ips = list_copy(&slices, &at, s->source_ips, s->source_ip_count);
    for (uint32_t i = 0; i < s->sample_count; i++) {
        samples[i] = s->samples[i];
        sample_copy(&at, &samples[i].o);
    }
    copy->samples = samples;
    PEN_CHECK(at == message->bytes + bytes);
    message->signal = copy;
    return message;
}
