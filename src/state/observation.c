#include "penstock/state.h"

#include "state_internal.h"

/* The fixed part of an encoded observation; the texts follow in the order of lens, then the event.
 * Little endian, as every machine that penstock runs on. */
enum {
    TEXT_RULE,
    TEXT_ID,
    TEXT_GROUP,
    TEXT_ACCOUNT,
    TEXT_REGION,
    TEXT_ACTOR,
    TEXT_IP,
    TEXT_INDEX,
    TEXT_OBJECT,
    TEXT_VALUES,
    TEXT_ATTRIBUTES,
    TEXT_COUNT
};
struct wire {
    uint32_t bytes; /* all of it, this struct included */
    uint32_t rule, query;
    uint32_t event_len;
    int64_t time, promise;
    uint64_t record;
    uint16_t lens[TEXT_COUNT];
    uint16_t others;
};
_Static_assert(sizeof(struct wire) == 64, "the layout is written to disk");

pen_slice pen_state_cut_text(pen_slice s)
{
    size_t len = PEN_OBSERVATION_BYTES_MAX;
    while (len > 0 && (s.ptr[len] & 0xc0U) == 0x80U) {
        len--; /* never through a code point */
    }
    return pen_slice_sub(s, 0, len);
}

pen_slice pen_group_of_signals(pen_slice group)
{
    if (PEN_LIKELY(group.len == 0 || group.ptr[0] != PEN_GROUP_MARK)) {
        return group;
    }
    const uint8_t *end = memchr(group.ptr + 1, PEN_GROUP_MARK, group.len - 1);
    return end == NULL ? group : (pen_slice){group.ptr + 1, (size_t)(end - group.ptr) - 1};
}

uint32_t pen_observation_partition(pen_slice rule_id, pen_slice group, uint64_t hash_key)
{
    const uint64_t h = pen_hash64(pen_group_of_signals(group), pen_hash64(rule_id, hash_key));
    return (uint32_t)(h >> 56) % PEN_PARTITIONS;
}

pen_status pen_observation_encode(struct pen_buf *out, const struct pen_observation *o)
{
    const pen_slice texts[TEXT_COUNT] = {
        o->rule_id,
        o->event_id,
        o->group,
        pen_state_bounded(o->account),
        pen_state_bounded(o->region),
        pen_state_bounded(o->actor),
        pen_state_bounded(o->source_ip),
        pen_state_bounded(o->index_name),
        o->object,
        o->values,
        o->attributes,
    };
    struct wire wire = {.rule = o->rule,
                        .query = o->query,
                        .others = (uint16_t)o->others,
                        .time = o->time_ns,
                        .promise = o->promise_ns,
                        .record = o->record};
    size_t bytes = sizeof(wire) + o->event.len;
    if (o->event.len > PEN_OBSERVATION_EVENT_MAX) {
        return PEN_E_LIMIT;
    }
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        if (texts[i].len > PEN_OBSERVATION_KEY_MAX) {
            return PEN_E_LIMIT;
        }
        wire.lens[i] = (uint16_t)texts[i].len;
        bytes += texts[i].len;
    }
    wire.event_len = pen_u32(o->event.len);
    wire.bytes = pen_u32(bytes);
    PEN_TRY(pen_buf_reserve(out, bytes));
    uint8_t *to = out->ptr + out->len;
    memcpy(to, &wire, sizeof(wire));
    to += sizeof(wire);
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        pen_copy_short(to, texts[i].ptr, texts[i].len);
        to += texts[i].len;
    }
    pen_copy_short(to, o->event.ptr, o->event.len);
    out->len += bytes;
    return PEN_OK;
}

pen_status pen_state_sample_encode(struct pen_buf *out, const struct pen_observation *o)
{
    struct pen_observation sample = *o;
    sample.rule_id = sample.group = sample.values = (pen_slice){0};
    return pen_observation_encode(out, &sample);
}

int64_t pen_state_sample_time(const struct text *sample)
{
    int64_t time;
    memcpy(&time, sample->ptr + offsetof(struct wire, time), sizeof(time));
    return time;
}

pen_status pen_observation_decode(pen_slice *in, struct pen_observation *o, struct pen_err *err)
{
    struct wire wire;
    if (in->len < sizeof(wire)) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, 0, "observation: %zu bytes left", in->len);
    }
    memcpy(&wire, in->ptr, sizeof(wire));
    size_t bytes = sizeof(wire) + wire.event_len;
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        bytes += wire.lens[i];
    }
    if (bytes != wire.bytes || wire.event_len > PEN_OBSERVATION_EVENT_MAX) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "observation: lengths sum to %zu, not %u", bytes,
                        wire.bytes);
    }
    if (in->len < bytes) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, 0, "observation: %zu bytes of %zu", in->len, bytes);
    }
    pen_slice texts[TEXT_COUNT];
    const uint8_t *at = in->ptr + sizeof(wire);
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        texts[i] = (pen_slice){at, wire.lens[i]};
        at += wire.lens[i];
    }
    *o = (struct pen_observation){.rule = wire.rule,
                                  .rule_id = texts[TEXT_RULE],
                                  .query = wire.query,
                                  .others = wire.others,
                                  .time_ns = wire.time,
                                  .promise_ns = wire.promise,
                                  .event_id = texts[TEXT_ID],
                                  .group = texts[TEXT_GROUP],
                                  .account = texts[TEXT_ACCOUNT],
                                  .region = texts[TEXT_REGION],
                                  .actor = texts[TEXT_ACTOR],
                                  .source_ip = texts[TEXT_IP],
                                  .index_name = texts[TEXT_INDEX],
                                  .object = texts[TEXT_OBJECT],
                                  .record = wire.record,
                                  .values = texts[TEXT_VALUES],
                                  .attributes = texts[TEXT_ATTRIBUTES],
                                  .event = {at, wire.event_len}};
    in->ptr += bytes;
    in->len -= bytes;
    return PEN_OK;
}

int64_t pen_state_release_time(const struct pen_observation *o)
{
    return o->time_ns > o->promise_ns ? o->time_ns : o->promise_ns;
}

static int order_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int pen_state_order(const struct pen_observation *a, const struct pen_observation *b)
{
    int order = order_i64(pen_state_release_time(a), pen_state_release_time(b));
    order = order != 0 ? order : order_i64(a->time_ns, b->time_ns);
    order = order != 0 ? order : pen_slice_cmp(a->event_id, b->event_id);
    order = order != 0 ? order : pen_slice_cmp(a->rule_id, b->rule_id);
    order = order != 0 ? order : pen_slice_cmp(a->group, b->group);
    order = order != 0 ? order : order_u64(a->query, b->query);
    order = order != 0 ? order : pen_slice_cmp(a->object, b->object);
    return order != 0 ? order : order_u64(a->record, b->record);
}
