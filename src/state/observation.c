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

uint64_t pen_observation_seed(pen_slice rule_id, uint64_t hash_key)
{
    return pen_hash64(rule_id, hash_key);
}

uint32_t pen_observation_partition_by(uint64_t seed, pen_slice group)
{
    return (uint32_t)(pen_hash64(pen_group_of_signals(group), seed) >> 56) % PEN_PARTITIONS;
}

uint32_t pen_observation_partition(pen_slice rule_id, pen_slice group, uint64_t hash_key)
{
    return pen_observation_partition_by(pen_observation_seed(rule_id, hash_key), group);
}

static uint8_t *put(uint8_t *to, pen_slice s)
{
    pen_copy_short(to, s.ptr, s.len);
    return to + s.len;
}

/* Of an observation what all its encodings have, but for the texts. */
static struct wire wire_of(const struct pen_observation *o)
{
    return (struct wire){.rule = o->rule,
                         .query = o->query,
                         .others = (uint16_t)o->others,
                         .time = o->time_ns,
                         .promise = o->promise_ns,
                         .record = o->record};
}

static pen_status encode(struct pen_buf *out, struct wire *wire, const pen_slice texts[TEXT_COUNT],
                         pen_slice event)
{
    size_t bytes = sizeof(*wire) + event.len;
    size_t longest = 0; /* not shorter than any, and below a power of two that none reaches */
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        wire->lens[i] = (uint16_t)texts[i].len;
        longest |= texts[i].len;
        bytes += texts[i].len;
    }
    if (longest > PEN_OBSERVATION_KEY_MAX || event.len > PEN_OBSERVATION_EVENT_MAX) {
        return PEN_E_LIMIT;
    }
    wire->event_len = pen_u32(event.len);
    wire->bytes = pen_u32(bytes);
    PEN_TRY(pen_buf_reserve(out, bytes));
    uint8_t *to = out->ptr + out->len;
    memcpy(to, wire, sizeof(*wire));
    to += sizeof(*wire);
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        to = put(to, texts[i]);
    }
    (void)put(to, event);
    out->len += bytes;
    return PEN_OK;
}

_Static_assert((PEN_OBSERVATION_KEY_MAX & (PEN_OBSERVATION_KEY_MAX + 1)) == 0, "see encode");

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
    struct wire wire = wire_of(o);
    return encode(out, &wire, texts, o->event);
}

pen_status pen_state_kept_encode(struct pen_buf *out, const struct pen_observation *o,
                                 uint32_t others, pen_slice values)
{
    struct pen_observation kept = *o;
    kept.rule_id = kept.group = kept.event = (pen_slice){0};
    kept.others = others;
    kept.values = values;
    return pen_observation_encode(out, &kept);
}

pen_status pen_state_brief_encode(struct pen_buf *out, const struct pen_observation *o,
                                  uint32_t others, pen_slice values)
{
    struct wire wire = {.query = o->query, .others = (uint16_t)others, .time = o->time_ns};
    const size_t bytes = sizeof(wire) + values.len;
    if (values.len > PEN_OBSERVATION_KEY_MAX) {
        return PEN_E_LIMIT;
    }
    wire.lens[TEXT_VALUES] = (uint16_t)values.len;
    wire.bytes = pen_u32(bytes);
    PEN_TRY(pen_buf_reserve(out, bytes));
    memcpy(out->ptr + out->len, &wire, sizeof(wire));
    (void)put(out->ptr + out->len + sizeof(wire), values);
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

static pen_slice take(const uint8_t **at, uint16_t len)
{
    const pen_slice text = {*at, len};
    *at += len;
    return text;
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
    const uint8_t *at = in->ptr + sizeof(wire);
    o->rule = wire.rule;
    o->query = wire.query;
    o->others = wire.others;
    o->time_ns = wire.time;
    o->promise_ns = wire.promise;
    o->record = wire.record;
    o->is_cold = false;
    o->rule_id = take(&at, wire.lens[TEXT_RULE]);
    o->event_id = take(&at, wire.lens[TEXT_ID]);
    o->group = take(&at, wire.lens[TEXT_GROUP]);
    o->account = take(&at, wire.lens[TEXT_ACCOUNT]);
    o->region = take(&at, wire.lens[TEXT_REGION]);
    o->actor = take(&at, wire.lens[TEXT_ACTOR]);
    o->source_ip = take(&at, wire.lens[TEXT_IP]);
    o->index_name = take(&at, wire.lens[TEXT_INDEX]);
    o->object = take(&at, wire.lens[TEXT_OBJECT]);
    o->values = take(&at, wire.lens[TEXT_VALUES]);
    o->attributes = take(&at, wire.lens[TEXT_ATTRIBUTES]);
    o->event = (pen_slice){at, wire.event_len};
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
