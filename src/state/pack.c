/* tested by tests/unit/state/test_pack.c */
#include "pack.h"

#include "state_internal.h"

#include <stdlib.h>

#define SLOTS ((size_t)PACK_TEXTS_MAX * 2)
#define INLINE UINT32_C(0x80000000) /* the text is in the tail; the other bits are its length */

/* Little endian, as every machine that penstock runs on. */
struct packed {
    uint32_t bytes; /* all of it, this struct included */
    uint32_t rule;
    uint32_t event_len;
    uint16_t id_len, query;
    uint32_t partition;
    uint32_t is_cold; /* 0 or 1 */
    int64_t time, promise;
    uint64_t record;
    uint32_t texts[PACK_FIELDS]; /* numbers in the table, or INLINE and a length */
};
_Static_assert(sizeof(struct packed) == 88, "the layout is written to disk");

static const enum pack_kind kind_of[PACK_FIELDS] = {
    [PACK_RULE] = PACK_FEW,     [PACK_GROUP_BY] = PACK_GROUP,
    [PACK_ACCOUNT] = PACK_FEW,  [PACK_REGION] = PACK_FEW,
    [PACK_ACTOR] = PACK_WHO,    [PACK_IP] = PACK_WHO,
    [PACK_INDEX] = PACK_FEW,    [PACK_OBJECT_KEY] = PACK_OBJECT,
    [PACK_VALUES] = PACK_VALUE, [PACK_ATTRIBUTES] = PACK_ATTRIBUTE,
};
static const struct {
    uint32_t texts, bytes;
} shares[PACK_KINDS] = {
    [PACK_FEW] = {1024, 64U << 10},  [PACK_GROUP] = {2560, 144U << 10},
    [PACK_WHO] = {1536, 80U << 10},  [PACK_OBJECT] = {1536, 144U << 10},
    [PACK_VALUE] = {768, 32U << 10}, [PACK_ATTRIBUTE] = {768, 48U << 10},
};

/* ---- the table ---- */

void pack_table_init(struct pack_table *t)
{
    *t = (struct pack_table){.count = 0};
    pen_buf_init(&t->bytes, PACK_TABLE_BYTES_MAX);
    memset(t->last, 0xff, sizeof(t->last));
}

void pack_table_fini(struct pack_table *t)
{
    pen_buf_fini(&t->bytes);
    free(t->ends);
    free(t->slots);
    t->ends = NULL;
    t->slots = NULL;
}

void pack_table_clear(struct pack_table *t)
{
    t->bytes.len = 0;
    t->count = 0;
    memset(t->kind_count, 0, sizeof(t->kind_count));
    memset(t->kind_bytes, 0, sizeof(t->kind_bytes));
    memset(t->last, 0xff, sizeof(t->last));
    if (t->slots != NULL) {
        memset(t->slots, 0, SLOTS * sizeof(*t->slots));
    }
}

static pen_slice text_at(const struct pack_table *t, uint32_t number)
{
    const uint32_t from = number == 0 ? 0 : t->ends[number - 1];
    return (pen_slice){t->bytes.ptr + from, t->ends[number] - from};
}

static pen_status open_for_adding(struct pack_table *t)
{
    if (t->slots != NULL) {
        return PEN_OK;
    }
    t->slots = calloc(SLOTS, sizeof(*t->slots));
    t->ends = t->ends != NULL ? t->ends : calloc(PACK_TEXTS_MAX, sizeof(*t->ends));
    return t->slots == NULL || t->ends == NULL ? PEN_E_NOMEM : PEN_OK;
}

/* A new text at the free slot; PACK_NONE when its kind has no room. */
static uint32_t text_new(struct pack_table *t, uint16_t *slot, enum pack_kind kind, pen_slice text)
{
    if (t->kind_count[kind] == shares[kind].texts ||
        text.len > shares[kind].bytes - t->kind_bytes[kind] ||
        pen_buf_add(&t->bytes, text) != PEN_OK) {
        return PACK_NONE;
    }
    t->kind_count[kind]++;
    t->kind_bytes[kind] += pen_u32(text.len);
    t->ends[t->count] = pen_u32(t->bytes.len);
    *slot = (uint16_t)(t->count + 1);
    return t->count++;
}

/* Its number, or PACK_NONE: it goes into the tail. */
static uint32_t text_number(struct pack_table *t, enum pack_field field, pen_slice text)
{
    const uint32_t last = t->last[field];
    if (last != PACK_NONE && pen_slice_eq(text_at(t, last), text)) {
        return last;
    }
    if (text.len == 0 || text.len > PACK_TEXT_BYTES_MAX) {
        return PACK_NONE;
    }
    size_t at = (size_t)pen_hash64(text, 0) & (SLOTS - 1);
    while (t->slots[at] != 0 && !pen_slice_eq(text_at(t, t->slots[at] - 1U), text)) {
        at = (at + 1) & (SLOTS - 1);
    }
    const uint32_t number =
        t->slots[at] != 0 ? t->slots[at] - 1U : text_new(t, &t->slots[at], kind_of[field], text);
    t->last[field] = number != PACK_NONE ? number : last;
    return number;
}

pen_status pack_table_write(const struct pack_table *t, struct pen_buf *out)
{
    PEN_TRY(pen_buf_reserve(out, t->count * sizeof(uint16_t) + t->bytes.len));
    for (uint32_t i = 0; i < t->count; i++) {
        const uint16_t len = (uint16_t)text_at(t, i).len;
        PEN_TRY(pen_buf_add(out, (pen_slice){(const uint8_t *)&len, sizeof(len)}));
    }
    return pen_buf_add(out, pen_buf_slice(&t->bytes));
}

pen_status pack_table_read(struct pack_table *t, uint32_t count, pen_slice in)
{
    const size_t lens = count * sizeof(uint16_t);
    size_t end = 0;
    if (count > PACK_TEXTS_MAX || in.len < lens || in.len - lens > PACK_TABLE_BYTES_MAX) {
        return PEN_E_CORRUPT;
    }
    free(t->ends);
    t->ends = calloc((size_t)count + 1, sizeof(*t->ends));
    if (t->ends == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t len;
        memcpy(&len, in.ptr + i * sizeof(len), sizeof(len));
        end += len;
        t->ends[i] = pen_u32(end);
    }
    t->count = count;
    t->bytes.len = 0;
    return end == in.len - lens ? pen_buf_add(&t->bytes, pen_slice_sub(in, lens, in.len))
                                : PEN_E_CORRUPT;
}

/* ---- observations ---- */

static bool fits(const struct pen_observation *o)
{
    return o->rule_id.len <= PEN_OBSERVATION_KEY_MAX && o->group.len <= PEN_OBSERVATION_KEY_MAX &&
           o->object.len <= PEN_OBSERVATION_KEY_MAX && o->event_id.len <= PEN_OBSERVATION_KEY_MAX &&
           o->values.len <= PEN_OBSERVATION_KEY_MAX &&
           o->attributes.len <= PEN_OBSERVATION_KEY_MAX && o->query <= UINT16_MAX &&
           o->event.len <= PEN_OBSERVATION_EVENT_MAX;
}

static uint8_t *put(uint8_t *to, pen_slice s)
{
    if (s.len > 0) {
        memcpy(to, s.ptr, s.len);
    }
    return to + s.len;
}

pen_status pack_add(struct pen_buf *out, struct pack_table *t, const struct pen_observation *o,
                    uint32_t partition)
{
    const pen_slice texts[PACK_FIELDS] = {
        o->rule_id,
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
    struct packed head = {.rule = o->rule,
                          .event_len = pen_u32(o->event.len),
                          .id_len = (uint16_t)o->event_id.len,
                          .query = (uint16_t)o->query,
                          .partition = partition,
                          .is_cold = o->is_cold,
                          .time = o->time_ns,
                          .promise = o->promise_ns,
                          .record = o->record};
    size_t bytes = sizeof(head) + o->event_id.len;
    if (!fits(o)) {
        return PEN_E_LIMIT;
    }
    PEN_TRY(open_for_adding(t));
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        const uint32_t number = text_number(t, i, texts[i]);
        head.texts[i] = number != PACK_NONE ? number : INLINE | pen_u32(texts[i].len);
        bytes += number != PACK_NONE ? 0 : texts[i].len;
    }
    bytes += o->event.len;
    head.bytes = pen_u32(bytes);
    PEN_TRY(pen_buf_reserve(out, bytes));
    uint8_t *to = out->ptr + out->len;
    memcpy(to, &head, sizeof(head));
    to = put(to + sizeof(head), o->event_id);
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        to = (head.texts[i] & INLINE) != 0 ? put(to, texts[i]) : to;
    }
    (void)put(to, o->event);
    out->len += bytes;
    return PEN_OK;
}

/* False: numbers that the table does not have, or lengths that do not add up. */
static bool is_sound(const struct packed *head, const struct pack_table *t)
{
    uint64_t bytes = sizeof(*head) + (uint64_t)head->event_len + head->id_len;
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        const uint32_t text = head->texts[i];
        if ((text & INLINE) == 0 && text >= t->count) {
            return false;
        }
        bytes += (text & INLINE) != 0 ? text & ~INLINE : 0;
    }
    return bytes == head->bytes && head->event_len <= PEN_OBSERVATION_EVENT_MAX &&
           head->partition < PEN_PARTITIONS;
}

static pen_slice get(const uint8_t **at, size_t len)
{
    const pen_slice s = {*at, len};
    *at += len;
    return s;
}

pen_status pack_take(pen_slice *in, const struct pack_table *t, struct pen_observation *o,
                     uint32_t *partition, struct pen_err *err)
{
    struct packed head;
    if (in->len < sizeof(head)) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, 0, "observation: %zu bytes left", in->len);
    }
    memcpy(&head, in->ptr, sizeof(head));
    if (!is_sound(&head, t)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0,
                        "observation: lengths do not sum to %u, or a text is "
                        "not in the table of %u",
                        head.bytes, t->count);
    }
    if (in->len < head.bytes) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, 0, "observation: %zu bytes of %u", in->len,
                        head.bytes);
    }
    const uint8_t *at = in->ptr + sizeof(head);
    pen_slice texts[PACK_FIELDS];
    const pen_slice id = get(&at, head.id_len);
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        texts[i] = (head.texts[i] & INLINE) != 0 ? get(&at, head.texts[i] & ~INLINE)
                                                 : text_at(t, head.texts[i]);
    }
    *o = (struct pen_observation){.rule = head.rule,
                                  .rule_id = texts[PACK_RULE],
                                  .query = head.query,
                                  .time_ns = head.time,
                                  .promise_ns = head.promise,
                                  .event_id = id,
                                  .group = texts[PACK_GROUP_BY],
                                  .account = texts[PACK_ACCOUNT],
                                  .region = texts[PACK_REGION],
                                  .actor = texts[PACK_ACTOR],
                                  .source_ip = texts[PACK_IP],
                                  .index_name = texts[PACK_INDEX],
                                  .object = texts[PACK_OBJECT_KEY],
                                  .record = head.record,
                                  .values = texts[PACK_VALUES],
                                  .attributes = texts[PACK_ATTRIBUTES]};
    o->event = get(&at, head.event_len);
    o->is_cold = head.is_cold != 0;
    *partition = head.partition;
    in->ptr += head.bytes;
    in->len -= head.bytes;
    return PEN_OK;
}
