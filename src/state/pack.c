/* tested by tests/unit/state/test_pack.c */
#include "pack.h"

#include "state_internal.h"

#include <nmmintrin.h>
#include <stdlib.h>

#define SLOTS ((size_t)PACK_TEXTS_MAX * 2)
#define COLD 0x8000U
/*
 * Most groups and attributes name the actor or the source address, which the observation tells
 * anyway: such a text is what stands before it, a text of the table, that other text, and the end
 * of JSON that follows.  Bits of a number:
 */
#define TOLD 0x8000U    /* by the actor */
#define TOLD_IP 0x4000U /* by the source address instead */
#define TOLD_NUMBER 0x3fffU
#define PROBES_MAX 16U /* slots that a text may stand behind its own */
#define FOUND_LEAST 4U /* of as many look-ups one finds its text at least, or the kind is left */
#define JUDGED 1024U   /* look-ups of a kind, whether they find anything */
#define EMPTY 0xfffeU  /* no text */
#define INLINE 0xffffU /* the text is in the tail, behind its length in 2 bytes */

/* Little endian, as every machine that penstock runs on; a line of the cache. */
struct packed {
    uint32_t bytes; /* all of it, this struct included */
    uint32_t rule;
    int64_t time, promise;
    uint64_t record;
    uint32_t event_len;
    uint16_t id_len, query, others;
    uint16_t partition;          /* and COLD */
    uint16_t texts[PACK_FIELDS]; /* numbers in the table, EMPTY, INLINE, or a number that is TOLD */
};
_Static_assert(sizeof(struct packed) == PACK_HEAD_BYTES, "the layout is written to disk");
_Static_assert(PACK_TEXTS_MAX <= TOLD_NUMBER, "numbers are no marks");
_Static_assert((TOLD | TOLD_IP | PACK_TEXTS_MAX) < EMPTY, "nor with their bits");

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
    pen_buf_init(&t->told, (size_t)2 * PEN_OBSERVATION_KEY_MAX);
}

void pack_table_fini(struct pack_table *t)
{
    pen_buf_fini(&t->bytes);
    pen_buf_fini(&t->told);
    free(t->ends);
    free(t->slots);
    t->ends = NULL;
    t->slots = NULL;
}

void pack_table_clear(struct pack_table *t)
{
    t->bytes.len = 0;
    t->count = 0;
    memset(t->kinds, 0, sizeof(t->kinds));
    memset(t->last, 0, sizeof(t->last));
    memset(t->rules, 0, sizeof(t->rules));
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

/* A new text at the free slot; false when its kind has no room. */
static bool text_new(struct pack_table *t, struct pack_place *slot, enum pack_kind kind,
                     pen_slice text)
{
    const uint32_t from = pen_u32(t->bytes.len);
    struct pack_share *share = &t->kinds[kind];
    if (share->texts == shares[kind].texts || text.len > shares[kind].bytes - share->bytes ||
        pen_buf_add(&t->bytes, text) != PEN_OK) {
        return false;
    }
    share->texts++;
    share->bytes += pen_u32(text.len);
    t->ends[t->count] = pen_u32(t->bytes.len);
    t->count++;
    *slot =
        (struct pack_place){.from = from, .len = (uint16_t)text.len, .number = (uint16_t)t->count};
    return true;
}

static bool is_at(const struct pack_table *t, const struct pack_place *place, pen_slice text)
{
    return place->len == text.len && memcmp(t->bytes.ptr + place->from, text.ptr, text.len) == 0;
}

/* Eight bytes at a time by the CRC-32C instruction, the last ones of a longer text with some before
 * them once more.  Texts that somebody made so that they meet cost PROBES_MAX looks. */
static uint32_t slot_of(pen_slice text)
{
    uint64_t hash = text.len;
    uint64_t word = 0;
    size_t at = 0;
    for (; at + sizeof(word) <= text.len; at += sizeof(word)) {
        memcpy(&word, text.ptr + at, sizeof(word));
        hash = _mm_crc32_u64(hash, word);
    }
    if (at < text.len && text.len >= sizeof(word)) {
        memcpy(&word, text.ptr + text.len - sizeof(word), sizeof(word));
        hash = _mm_crc32_u64(hash, word);
    } else if (at < text.len) {
        word = 0;
        pen_copy_short((uint8_t *)&word, text.ptr, text.len);
        hash = _mm_crc32_u64(hash, word);
    }
    return (uint32_t)(hash ^ hash >> 16) & (SLOTS - 1);
}

/* A kind that is full and of which most texts are not in the table is a look-up in cold memory for
 * nothing. */
static void judge(struct pack_share *share, bool is_found)
{
    share->found += is_found;
    if (++share->asked == JUDGED) {
        share->is_left = share->found < JUDGED / FOUND_LEAST;
        share->asked = share->found = 0;
    }
}

/* What the field had last; of rules many are in turn. */
static struct pack_place *last_of(struct pack_table *t, enum pack_field field, uint32_t rule)
{
    return field == PACK_RULE ? &t->rules[rule % PACK_RULES] : &t->last[field];
}

/* Its number, or PACK_NONE: it goes into the tail.  slot: where its hash leads. */
static uint32_t text_number(struct pack_table *t, enum pack_kind kind, pen_slice text,
                            uint32_t slot, struct pack_place *last)
{
    struct pack_share *share = &t->kinds[kind];
    uint32_t at = slot;
    uint32_t probes = 1;
    for (; t->slots[at].number != 0 && !is_at(t, &t->slots[at], text); probes++) {
        if (probes == PROBES_MAX) {
            return PACK_NONE;
        }
        at = (at + 1) & (SLOTS - 1);
    }
    struct pack_place *found = &t->slots[at];
    const bool is_found = found->number != 0;
    const bool is_new = !is_found && text_new(t, found, kind, text);
    if (!is_new) {
        judge(share, is_found);
    }
    if (!is_found && !is_new) {
        return PACK_NONE;
    }
    *last = *found;
    return found->number - 1U;
}

/* What is looked up for the texts of an observation. */
struct looked {
    pen_slice texts[PACK_FIELDS];
    enum pack_kind kinds[PACK_FIELDS];
    uint16_t told[PACK_FIELDS]; /* TOLD and TOLD_IP: it is what stands before another text */
};

/*
 * The numbers of all texts: PACK_NONE for those of the tail, EMPTY for none.  Records come between
 * two observations and take the table out of the cache, so what several look-ups wait for is asked
 * for together: first all slots, then all texts that they lead to.
 */
static void text_numbers(struct pack_table *t, uint32_t rule, const struct looked *looked,
                         uint32_t numbers[PACK_FIELDS])
{
    const pen_slice *texts = looked->texts;
    uint32_t slots[PACK_FIELDS];
    uint32_t open = 0; /* bits of those to be looked up */
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        const struct pack_place *last = last_of(t, i, rule);
        const bool is_last = last->number != 0 && is_at(t, last, texts[i]);
        numbers[i] = texts[i].len == 0 ? EMPTY : is_last ? last->number - 1U : PACK_NONE;
        if (numbers[i] == PACK_NONE && texts[i].len <= PACK_TEXT_BYTES_MAX &&
            !t->kinds[looked->kinds[i]].is_left) {
            slots[i] = slot_of(texts[i]);
            __builtin_prefetch(&t->slots[slots[i]]);
            open |= 1U << i;
        }
    }
    for (uint32_t left = open; left != 0; left &= left - 1) {
        const struct pack_place *place = &t->slots[slots[__builtin_ctz(left)]];
        if (place->number != 0) {
            __builtin_prefetch(t->bytes.ptr + place->from);
            __builtin_prefetch(t->bytes.ptr + place->from + place->len - 1);
        }
    }
    for (uint32_t left = open; left != 0; left &= left - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(left);
        numbers[i] = text_number(t, looked->kinds[i], texts[i], slots[i], last_of(t, i, rule));
    }
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
    pen_copy_short(to, s.ptr, s.len);
    return to + s.len;
}

static uint8_t *put_inline(uint8_t *to, pen_slice text)
{
    const uint16_t len = (uint16_t)text.len;
    memcpy(to, &len, sizeof(len));
    return put(to + sizeof(len), text);
}

static void texts_of(const struct pen_observation *o, pen_slice texts[PACK_FIELDS])
{
    texts[PACK_RULE] = o->rule_id;
    texts[PACK_GROUP_BY] = o->group;
    texts[PACK_ACCOUNT] = pen_state_bounded(o->account);
    texts[PACK_REGION] = pen_state_bounded(o->region);
    texts[PACK_ACTOR] = pen_state_bounded(o->actor);
    texts[PACK_IP] = pen_state_bounded(o->source_ip);
    texts[PACK_INDEX] = pen_state_bounded(o->index_name);
    texts[PACK_OBJECT_KEY] = o->object;
    texts[PACK_VALUES] = o->values;
    texts[PACK_ATTRIBUTES] = o->attributes;
}

/* What stands behind the other text. */
static pen_slice told_end(enum pack_field field)
{
    return field == PACK_GROUP_BY ? PEN_SLICE_LIT("\"}") : PEN_SLICE_LIT("\"]}");
}

static bool is_told(uint16_t mark)
{
    return (mark & TOLD) != 0 && mark < EMPTY;
}

/* Whether text ends with other and what follows it; their last bytes tell most that do not. */
static bool is_told_by(pen_slice text, pen_slice end, pen_slice other)
{
    if (other.len == 0 || text.len <= other.len + end.len) {
        return false;
    }
    const uint8_t *behind = text.ptr + text.len - end.len;
    return behind[-1] == other.ptr[other.len - 1] && behind[0] == end.ptr[0] &&
           memcmp(behind, end.ptr, end.len) == 0 &&
           memcmp(behind - other.len, other.ptr, other.len) == 0;
}

static void tell(const pen_slice texts[PACK_FIELDS], enum pack_field field, struct looked *looked)
{
    const pen_slice text = texts[field];
    const pen_slice end = told_end(field);
    const bool has_ip = is_told_by(text, end, texts[PACK_IP]);
    if (!has_ip && !is_told_by(text, end, texts[PACK_ACTOR])) {
        return;
    }
    const size_t other = texts[has_ip ? PACK_IP : PACK_ACTOR].len;
    const pen_slice before = pen_slice_sub(text, 0, text.len - other - end.len);
    if (before.len <= PACK_TEXT_BYTES_MAX) {
        looked->told[field] = has_ip ? TOLD | TOLD_IP : TOLD;
        looked->texts[field] = before;
        looked->kinds[field] = PACK_FEW;
    }
}

static void look(const pen_slice texts[PACK_FIELDS], struct looked *looked)
{
    memcpy(looked->texts, texts, sizeof(looked->texts));
    memcpy(looked->kinds, kind_of, sizeof(looked->kinds));
    memset(looked->told, 0, sizeof(looked->told));
    tell(texts, PACK_GROUP_BY, looked);
    tell(texts, PACK_ATTRIBUTES, looked);
}

pen_status pack_make(struct pack_table *t, const struct pen_observation *o, uint32_t partition,
                     struct pack_made *made)
{
    uint32_t numbers[PACK_FIELDS];
    struct looked looked;
    struct packed head = {.rule = o->rule,
                          .event_len = pen_u32(o->event.len),
                          .id_len = (uint16_t)o->event_id.len,
                          .query = (uint16_t)o->query,
                          .others = (uint16_t)o->others,
                          .partition = (uint16_t)(partition | (o->is_cold ? COLD : 0)),
                          .time = o->time_ns,
                          .promise = o->promise_ns,
                          .record = o->record};
    size_t bytes = sizeof(head) + o->event_id.len + o->event.len;
    if (!fits(o)) {
        return PEN_E_LIMIT;
    }
    PEN_TRY(open_for_adding(t));
    texts_of(o, made->inlined);
    look(made->inlined, &looked);
    text_numbers(t, o->rule, &looked, numbers);
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        const bool is_inline = numbers[i] == PACK_NONE;
        head.texts[i] = (uint16_t)(is_inline ? INLINE : numbers[i] | looked.told[i]);
        bytes += is_inline ? sizeof(uint16_t) + made->inlined[i].len : 0;
    }
    head.bytes = made->bytes = pen_u32(bytes);
    made->id = o->event_id;
    made->event = o->event;
    memcpy(made->head, &head, sizeof(head));
    return PEN_OK;
}

static struct packed head_at(const uint8_t *packed)
{
    struct packed head;
    memcpy(&head, packed, sizeof(head));
    return head;
}

void pack_put(uint8_t *to, const struct pack_made *made)
{
    const struct packed head = head_at(made->head);
    memcpy(to, &head, sizeof(head));
    to = put(to + sizeof(head), made->id);
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        to = head.texts[i] == INLINE ? put_inline(to, made->inlined[i]) : to;
    }
    (void)put(to, made->event);
}

pen_status pack_add(struct pen_buf *out, struct pack_table *t, const struct pen_observation *o,
                    uint32_t partition)
{
    struct pack_made made;
    PEN_TRY(pack_make(t, o, partition, &made));
    PEN_TRY(pen_buf_reserve(out, made.bytes));
    pack_put(out->ptr + out->len, &made);
    out->len += made.bytes;
    return PEN_OK;
}

uint32_t pack_bytes(const uint8_t *packed)
{
    return head_at(packed).bytes;
}

int64_t pack_time(const uint8_t *packed)
{
    return head_at(packed).time;
}

uint32_t pack_partition(const uint8_t *packed)
{
    return head_at(packed).partition & ~COLD;
}

/* ---- the order ---- */

static pen_slice field_at(const struct pack_table *t, const uint8_t *packed,
                          const struct packed *head, enum pack_field field)
{
    const uint16_t number = head->texts[field];
    const uint8_t *at = packed + sizeof(*head) + head->id_len;
    uint16_t len = 0;
    if (number != INLINE) {
        return number == EMPTY ? (pen_slice){0} : text_at(t, number);
    }
    for (uint32_t i = 0; i < field; i++) {
        if (head->texts[i] == INLINE) {
            memcpy(&len, at, sizeof(len));
            at += sizeof(len) + len;
        }
    }
    memcpy(&len, at, sizeof(len));
    return (pen_slice){at + sizeof(len), len};
}

/* What a text is put together of. */
#define PIECES 3U
static void pieces_at(const struct pack_table *t, const uint8_t *packed, const struct packed *head,
                      enum pack_field field, pen_slice pieces[PIECES])
{
    const uint16_t mark = head->texts[field];
    pieces[1] = pieces[2] = (pen_slice){0};
    if (!is_told(mark)) {
        pieces[0] = field_at(t, packed, head, field);
        return;
    }
    pieces[0] = text_at(t, mark & TOLD_NUMBER);
    pieces[1] = field_at(t, packed, head, (mark & TOLD_IP) != 0 ? PACK_IP : PACK_ACTOR);
    pieces[2] = told_end(field);
}

/* Cuts so many bytes off the first piece that has any. */
static void pieces_cut(pen_slice **piece, const pen_slice *end, size_t len)
{
    **piece = pen_slice_sub(**piece, len, (*piece)->len);
    while (*piece < end && (*piece)->len == 0) {
        ++*piece;
    }
}

static int pieces_cmp(pen_slice a[PIECES], pen_slice b[PIECES])
{
    pen_slice *x = a;
    pen_slice *y = b;
    pieces_cut(&x, a + PIECES, 0);
    pieces_cut(&y, b + PIECES, 0);
    while (x < a + PIECES && y < b + PIECES) {
        const size_t len = x->len < y->len ? x->len : y->len;
        const int order = memcmp(x->ptr, y->ptr, len);
        if (order != 0) {
            return order;
        }
        pieces_cut(&x, a + PIECES, len);
        pieces_cut(&y, b + PIECES, len);
    }
    return (x < a + PIECES) - (y < b + PIECES);
}

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int pack_order(const struct pack_table *t, const uint8_t *a, const uint8_t *b)
{
    static const enum pack_field fields[] = {PACK_RULE, PACK_GROUP_BY, PACK_OBJECT_KEY};
    const struct packed x = head_at(a);
    const struct packed y = head_at(b);
    int order = (x.time > y.time) - (x.time < y.time);
    order = order != 0 ? order
                       : pen_slice_cmp((pen_slice){a + sizeof(x), x.id_len},
                                       (pen_slice){b + sizeof(y), y.id_len});
    for (uint32_t i = 0; i < PEN_COUNT(fields) && order == 0; i++) {
        const enum pack_field field = fields[i];
        pen_slice left[PIECES];
        pen_slice right[PIECES];
        const bool is_same = x.texts[field] == y.texts[field] && x.texts[field] != INLINE &&
                             !is_told(x.texts[field]);
        order = field == PACK_OBJECT_KEY ? order_u64(x.query, y.query) : 0;
        if (order == 0 && !is_same) {
            pieces_at(t, a, &x, field, left);
            pieces_at(t, b, &y, field, right);
            order = pieces_cmp(left, right);
        }
    }
    return order != 0 ? order : order_u64(x.record, y.record);
}

/* ---- and back ---- */

/* What is left of an observation's tail. */
static pen_slice get(pen_slice *tail, size_t len)
{
    const pen_slice s = {tail->ptr, len};
    tail->ptr += len;
    tail->len -= len;
    return s;
}

/* False: the tail is shorter than it says, or the table has no such number. */
static bool get_text(pen_slice *tail, const struct pack_table *t, uint16_t mark, pen_slice *text)
{
    uint16_t len;
    if (mark < t->count) {
        *text = text_at(t, mark);
        return true;
    }
    *text = (pen_slice){0};
    if (mark != INLINE || tail->len < sizeof(len)) {
        return mark == EMPTY;
    }
    memcpy(&len, tail->ptr, sizeof(len));
    (void)get(tail, sizeof(len));
    if (tail->len < len) {
        return false;
    }
    *text = get(tail, len);
    return true;
}

/* The other texts are known: group and attributes are put together of them. */
static bool put_together(const struct packed *head, struct pack_table *t,
                         pen_slice texts[PACK_FIELDS])
{
    static const enum pack_field fields[] = {PACK_GROUP_BY, PACK_ATTRIBUTES};
    t->told.len = 0;
    if (pen_buf_reserve(&t->told, t->told.max) != PEN_OK) {
        return false;
    }
    for (uint32_t i = 0; i < PEN_COUNT(fields); i++) {
        const enum pack_field field = fields[i];
        const uint16_t mark = head->texts[field];
        if (!is_told(mark)) {
            continue;
        }
        if ((mark & TOLD_NUMBER) >= t->count) {
            return false;
        }
        const pen_slice parts[PIECES] = {text_at(t, mark & TOLD_NUMBER),
                                         texts[(mark & TOLD_IP) != 0 ? PACK_IP : PACK_ACTOR],
                                         told_end(field)};
        const size_t len = parts[0].len + parts[1].len + parts[2].len;
        if (len > PEN_OBSERVATION_KEY_MAX) {
            return false;
        }
        uint8_t *to = t->told.ptr + t->told.len;
        texts[field] = (pen_slice){to, len};
        to = put(put(to, parts[0]), parts[1]);
        (void)put(to, parts[2]);
        t->told.len += len;
    }
    return true;
}

static bool take_texts(const struct packed *head, struct pack_table *t, pen_slice tail,
                       struct pen_observation *o)
{
    pen_slice texts[PACK_FIELDS];
    bool has_told = false;
    const size_t fixed = (size_t)head->id_len + head->event_len;
    if (tail.len < fixed || head->event_len > PEN_OBSERVATION_EVENT_MAX ||
        (head->partition & ~COLD) >= PEN_PARTITIONS) {
        return false;
    }
    const pen_slice id = get(&tail, head->id_len);
    for (uint32_t i = 0; i < PACK_FIELDS; i++) {
        const bool may_be_told = i == PACK_GROUP_BY || i == PACK_ATTRIBUTES;
        if (may_be_told && is_told(head->texts[i])) {
            has_told = true;
        } else if (!get_text(&tail, t, head->texts[i], &texts[i])) {
            return false;
        }
    }
    if (has_told && !put_together(head, t, texts)) {
        return false;
    }
    *o = (struct pen_observation){.rule = head->rule,
                                  .rule_id = texts[PACK_RULE],
                                  .query = head->query,
                                  .others = head->others,
                                  .time_ns = head->time,
                                  .promise_ns = head->promise,
                                  .event_id = id,
                                  .group = texts[PACK_GROUP_BY],
                                  .account = texts[PACK_ACCOUNT],
                                  .region = texts[PACK_REGION],
                                  .actor = texts[PACK_ACTOR],
                                  .source_ip = texts[PACK_IP],
                                  .index_name = texts[PACK_INDEX],
                                  .object = texts[PACK_OBJECT_KEY],
                                  .record = head->record,
                                  .values = texts[PACK_VALUES],
                                  .attributes = texts[PACK_ATTRIBUTES],
                                  .event = tail,
                                  .is_cold = (head->partition & COLD) != 0};
    return tail.len == head->event_len;
}

pen_status pack_take(pen_slice *in, struct pack_table *t, struct pen_observation *o,
                     uint32_t *partition, struct pen_err *err)
{
    struct packed head;
    if (in->len < sizeof(head)) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, 0, "observation: %zu bytes left", in->len);
    }
    memcpy(&head, in->ptr, sizeof(head));
    if (head.bytes < sizeof(head)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "observation: of %u bytes", head.bytes);
    }
    if (in->len < head.bytes) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, 0, "observation: %zu bytes of %u", in->len,
                        head.bytes);
    }
    if (!take_texts(&head, t, pen_slice_sub(*in, sizeof(head), head.bytes), o)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0,
                        "observation: lengths do not sum to %u, or a text is "
                        "not in the table of %u",
                        head.bytes, t->count);
    }
    *partition = head.partition & ~COLD;
    *in = pen_slice_sub(*in, head.bytes, in->len);
    return PEN_OK;
}
