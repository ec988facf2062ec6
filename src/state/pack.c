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
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define EMPTY 0xfffeU  /* no text */
#define INLINE 0xffffU /* the text is in the tail, behind its length in 2 bytes */

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
    [PACK_FEW] = {1024, 64U << 10},   [PACK_GROUP] = {2048, 112U << 10},
    [PACK_WHO] = {1536, 80U << 10},   [PACK_OBJECT] = {1536, 144U << 10},
    [PACK_VALUE] = {768, 32U << 10},  [PACK_ATTRIBUTE] = {768, 48U << 10},
    [PACK_BEFORE] = {512, 32U << 10},
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
    free(t->texts);
    free(t->slots);
    t->texts = NULL;
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
    const struct pack_text text = t->texts[number];
    return (pen_slice){t->bytes.ptr + text.from, text.len};
}

static pen_status open_for_adding(struct pack_table *t)
{
    if (t->slots != NULL) {
        return PEN_OK;
    }
    t->slots = calloc(SLOTS, sizeof(*t->slots));
    t->texts = t->texts != NULL ? t->texts : calloc(PACK_TEXTS_MAX, sizeof(*t->texts));
    return t->slots == NULL || t->texts == NULL ? PEN_E_NOMEM : PEN_OK;
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
    t->texts[t->count] = (struct pack_text){.from = from, .len = pen_u32(text.len)};
    t->count++;
    *slot =
        (struct pack_place){.from = from, .len = (uint16_t)text.len, .number = (uint16_t)t->count};
    return true;
}

/* So many bytes are the same in both. */
static inline bool same_8(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, sizeof(uint64_t)) == 0; /* two loads */
}

static inline bool same_16(const uint8_t *a, const uint8_t *b)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return _mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) == 0xffff;
}

/* The last bytes first: texts of a kind begin alike. */
ALWAYS_INLINE bool is_at(const struct pack_table *t, const struct pack_place *place, pen_slice text)
{
    if (place->len != text.len) {
        return false;
    }
    const uint8_t *at = t->bytes.ptr + place->from;
    if (text.len < 8 || text.len > 64) {
        return memcmp(at, text.ptr, text.len) == 0;
    }
    if (text.len < 16) {
        return same_8(at + text.len - 8, text.ptr + text.len - 8) && same_8(at, text.ptr);
    }
    const size_t last = text.len - 16;
    bool is_same = same_16(at + last, text.ptr + last);
    for (size_t i = 0; is_same && i < last; i += 16) {
        is_same = same_16(at + i, text.ptr + i);
    }
    return is_same;
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

/* A text that is not what its field had last. */
struct looked {
    pen_slice text;
    struct pack_place *last;
    uint32_t slot; /* where its hash leads */
    enum pack_kind kind;
    uint16_t told; /* TOLD and TOLD_IP: it is what stands before another text */
};
/* The texts of an observation on their way to their numbers. */
struct looking {
    struct pack_table *table;
    struct pack_made *made;
    uint32_t rule;
    uint32_t open;    /* bits of the fields that are looked up */
    uint32_t inlined; /* and of those whose text stands in the tail */
    struct looked fields[PACK_FIELDS];
};

/* Its number, or PACK_NONE: it goes into the tail. */
static uint32_t text_number(struct pack_table *t, const struct looked *looked)
{
    struct pack_share *share = &t->kinds[looked->kind];
    uint32_t at = looked->slot;
    uint32_t probes = 1;
    for (; t->slots[at].number != 0 && !is_at(t, &t->slots[at], looked->text); probes++) {
        if (probes == PROBES_MAX) {
            return PACK_NONE;
        }
        at = (at + 1) & (SLOTS - 1);
    }
    struct pack_place *found = &t->slots[at];
    const bool is_found = found->number != 0;
    const bool is_new = !is_found && text_new(t, found, looked->kind, looked->text);
    if (!is_new) {
        judge(share, is_found);
    }
    if (!is_found && !is_new) {
        return PACK_NONE;
    }
    *looked->last = *found;
    return found->number - 1U;
}

/* Of rules many are in turn. */
static struct pack_place *last_of(const struct looking *l, enum pack_field field)
{
    return field == PACK_RULE ? &l->table->rules[l->rule % PACK_RULES] : &l->table->last[field];
}

/* A text, or as much of it as is not told by another. */
static void look(struct looking *l, enum pack_field field, pen_slice whole, size_t len,
                 uint16_t told)
{
    struct looked *to = &l->fields[field];
    to->text = (pen_slice){whole.ptr, len};
    to->kind = told != 0 ? PACK_BEFORE : kind_of[field];
    to->last = last_of(l, field);
    to->told = told;
    l->made->texts[field] = whole;
    if (len > PACK_TEXT_BYTES_MAX || l->table->kinds[to->kind].is_left) {
        l->inlined |= 1U << field;
        return;
    }
    to->slot = slot_of(to->text);
    __builtin_prefetch(&l->table->slots[to->slot]);
    l->open |= 1U << field;
}

static void expect(const struct pack_table *t, enum pack_field field, pen_slice text)
{
    const struct pack_place *last = &t->last[field];
    const bool is_last = last->number != 0 && is_at(t, last, text);
    if (text.len > 0 && text.len <= PACK_TEXT_BYTES_MAX && !is_last) {
        __builtin_prefetch(&t->slots[slot_of(text)]);
    }
}

void pack_expect(const struct pack_table *t, pen_slice actor, pen_slice source_ip)
{
    if (t->slots != NULL) {
        expect(t, PACK_ACTOR, actor);
        expect(t, PACK_IP, source_ip);
    }
}

/* Where its bytes may be, when its place was asked for before: they are asked for now. */
static void follow(const struct looking *l, enum pack_field field)
{
    if (((l->open >> field) & 1U) == 0) {
        return;
    }
    const struct pack_place *place = &l->table->slots[l->fields[field].slot];
    if (place->number != 0) {
        __builtin_prefetch(l->table->bytes.ptr + place->from);
        __builtin_prefetch(l->table->bytes.ptr + place->from + place->len - 1);
    }
}

/* Nothing, or what the field had last, has its number at once. */
ALWAYS_INLINE void look_at(struct looking *l, enum pack_field field, pen_slice text)
{
    const struct pack_place *last = last_of(l, field);
    uint16_t *number = &l->made->head.texts[field];
    if (text.len == 0) {
        *number = EMPTY;
    } else if (is_at(l->table, last, text)) {
        *number = (uint16_t)(last->number - 1U);
    } else {
        look(l, field, text, text.len, 0);
    }
}

/*
 * Records come between two observations and take the table out of the cache, so what several
 * look-ups wait for is asked for together: first all slots, then all texts that they lead to.
 */
static void look_up(struct looking *l)
{
    struct pack_table *t = l->table;
    uint16_t *numbers = l->made->head.texts;
    for (uint32_t left = l->open; left != 0; left &= left - 1) {
        const struct pack_place *place = &t->slots[l->fields[__builtin_ctz(left)].slot];
        if (place->number != 0) {
            __builtin_prefetch(t->bytes.ptr + place->from);
            __builtin_prefetch(t->bytes.ptr + place->from + place->len - 1);
        }
    }
    for (uint32_t left = l->open; left != 0; left &= left - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(left);
        const uint32_t number = text_number(t, &l->fields[i]);
        numbers[i] = (uint16_t)(number | l->fields[i].told);
        l->inlined |= (uint32_t)(number == PACK_NONE) << i;
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
    free(t->texts);
    t->texts = calloc((size_t)count + 1, sizeof(*t->texts));
    if (t->texts == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t len;
        memcpy(&len, in.ptr + i * sizeof(len), sizeof(len));
        t->texts[i] = (struct pack_text){.from = pen_u32(end), .len = len};
        end += len;
    }
    t->count = count;
    t->bytes.len = 0;
    return end == in.len - lens ? pen_buf_add(&t->bytes, pen_slice_sub(in, lens, in.len))
                                : PEN_E_CORRUPT;
}

/* ---- observations ---- */

/* Lengths are below a power of two when all of them together, as bits, are. */
static bool fits(const struct pen_observation *o)
{
    const size_t lens = o->rule_id.len | o->group.len | o->object.len | o->event_id.len |
                        o->values.len | o->attributes.len;
    return lens <= PEN_OBSERVATION_KEY_MAX && o->query <= UINT16_MAX &&
           o->event.len <= PEN_OBSERVATION_EVENT_MAX;
}
_Static_assert((PEN_OBSERVATION_KEY_MAX & (PEN_OBSERVATION_KEY_MAX + 1)) == 0, "see fits");

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

/* A text that may end with the actor or the source address. */
static void look_at_told(struct looking *l, enum pack_field field, pen_slice text,
                         const struct pen_observation *o)
{
    const pen_slice end = told_end(field);
    const pen_slice ip = pen_state_bounded(o->source_ip);
    const pen_slice actor = pen_state_bounded(o->actor);
    const bool has_ip = is_told_by(text, end, ip);
    if (!has_ip && !is_told_by(text, end, actor)) {
        look_at(l, field, text);
        return;
    }
    const pen_slice before = {text.ptr, text.len - (has_ip ? ip : actor).len - end.len};
    const uint16_t told = has_ip ? TOLD | TOLD_IP : TOLD;
    const struct pack_place *last = last_of(l, field);
    if (is_at(l->table, last, before)) {
        l->made->head.texts[field] = (uint16_t)((last->number - 1U) | told);
    } else {
        look(l, field, text, before.len, told);
    }
}

/* One after the other: a loop over them would be as much again as it does. */
static void look_at_all(struct looking *l, const struct pen_observation *o)
{
    look_at(l, PACK_ACTOR, pen_state_bounded(o->actor)); /* the longest wait */
    look_at(l, PACK_IP, pen_state_bounded(o->source_ip));
    follow(l, PACK_ACTOR);
    follow(l, PACK_IP);
    look_at(l, PACK_RULE, o->rule_id);
    look_at_told(l, PACK_GROUP_BY, o->group, o);
    look_at(l, PACK_ACCOUNT, pen_state_bounded(o->account));
    look_at(l, PACK_REGION, pen_state_bounded(o->region));
    look_at(l, PACK_INDEX, pen_state_bounded(o->index_name));
    look_at(l, PACK_OBJECT_KEY, o->object);
    look_at(l, PACK_VALUES, o->values);
    if (o->attributes.len == 0) {
        l->made->head.texts[PACK_ATTRIBUTES] = EMPTY;
    } else {
        look_at_told(l, PACK_ATTRIBUTES, o->attributes, o);
    }
}

pen_status pack_make(struct pack_table *t, const struct pen_observation *o, uint32_t partition,
                     struct pack_made *made)
{
    struct packed *head = &made->head;
    struct looking looking;
    if (!fits(o)) {
        return PEN_E_LIMIT;
    }
    PEN_TRY(open_for_adding(t));
    looking.table = t;
    looking.made = made;
    looking.rule = o->rule;
    looking.open = looking.inlined = 0;
    look_at_all(&looking, o);
    look_up(&looking);
    size_t bytes = sizeof(*head) + o->event_id.len + o->event.len;
    for (uint32_t left = looking.inlined; left != 0; left &= left - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(left);
        head->texts[i] = INLINE;
        bytes += sizeof(uint16_t) + made->texts[i].len;
    }
    made->inlined = looking.inlined;
    made->id = o->event_id;
    made->event = o->event;
    head->bytes = pen_u32(bytes);
    head->rule = o->rule;
    head->time = o->time_ns;
    head->promise = o->promise_ns;
    head->record = o->record;
    head->event_len = pen_u32(o->event.len);
    head->id_len = (uint16_t)o->event_id.len;
    head->query = (uint16_t)o->query;
    head->others = (uint16_t)o->others;
    head->partition = (uint16_t)(partition | (o->is_cold ? COLD : 0));
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
    memcpy(to, &made->head, sizeof(made->head));
    to = put(to + sizeof(made->head), made->id);
    for (uint32_t left = made->inlined; left != 0; left &= left - 1) {
        to = put_inline(to, made->texts[__builtin_ctz(left)]);
    }
    (void)put(to, made->event);
}

pen_status pack_add(struct pen_buf *out, struct pack_table *t, const struct pen_observation *o,
                    uint32_t partition)
{
    struct pack_made made;
    PEN_TRY(pack_make(t, o, partition, &made));
    PEN_TRY(pen_buf_reserve(out, made.head.bytes));
    pack_put(out->ptr + out->len, &made);
    out->len += made.head.bytes;
    return PEN_OK;
}

uint32_t pack_bytes(const uint8_t *packed)
{
    uint32_t bytes;
    memcpy(&bytes, packed + offsetof(struct packed, bytes), sizeof(bytes));
    return bytes;
}

int64_t pack_time(const uint8_t *packed)
{
    int64_t time;
    memcpy(&time, packed + offsetof(struct packed, time), sizeof(time));
    return time;
}

uint32_t pack_partition(const uint8_t *packed)
{
    uint16_t partition;
    memcpy(&partition, packed + offsetof(struct packed, partition), sizeof(partition));
    return partition & ~COLD;
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
static inline bool get_text(pen_slice *tail, const struct pack_table *t, uint16_t mark,
                            pen_slice *text)
{
    uint16_t len;
    if (PEN_LIKELY(mark < t->count)) {
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

/* Of one that may be told by another: then it is put together later. */
static inline bool get_own(pen_slice *tail, const struct pack_table *t, uint16_t mark,
                           pen_slice *text)
{
    return is_told(mark) || get_text(tail, t, mark, text);
}

/* The other texts are known: one that is told by them is put together.  told has room for it. */
static bool put_together(const struct packed *head, struct pack_table *t, enum pack_field field,
                         const struct pen_observation *o, pen_slice *text)
{
    const uint16_t mark = head->texts[field];
    if ((mark & TOLD_NUMBER) >= t->count) {
        return false;
    }
    const pen_slice before = text_at(t, mark & TOLD_NUMBER);
    const pen_slice other = (mark & TOLD_IP) != 0 ? o->source_ip : o->actor;
    const pen_slice end = told_end(field);
    const size_t len = before.len + other.len + end.len;
    if (len > PEN_OBSERVATION_KEY_MAX) {
        return false;
    }
    uint8_t *to = t->told.ptr + t->told.len;
    *text = (pen_slice){to, len};
    (void)put(put(put(to, before), other), end);
    t->told.len += len;
    return true;
}

static bool take_told(const struct packed *head, struct pack_table *t, struct pen_observation *o)
{
    const bool is_group = is_told(head->texts[PACK_GROUP_BY]);
    const bool is_attributes = is_told(head->texts[PACK_ATTRIBUTES]);
    if (!is_group && !is_attributes) {
        return true;
    }
    t->told.len = 0;
    return pen_buf_reserve(&t->told, t->told.max) == PEN_OK &&
           (!is_group || put_together(head, t, PACK_GROUP_BY, o, &o->group)) &&
           (!is_attributes || put_together(head, t, PACK_ATTRIBUTES, o, &o->attributes));
}

static bool take_texts(const struct packed *head, struct pack_table *t, pen_slice tail,
                       struct pen_observation *o)
{
    const uint16_t *marks = head->texts;
    const size_t fixed = (size_t)head->id_len + head->event_len;
    if (tail.len < fixed || head->event_len > PEN_OBSERVATION_EVENT_MAX ||
        (head->partition & ~COLD) >= PEN_PARTITIONS) {
        return false;
    }
    o->event_id = get(&tail, head->id_len);
    const bool is_good = get_text(&tail, t, marks[PACK_RULE], &o->rule_id) &&
                         get_own(&tail, t, marks[PACK_GROUP_BY], &o->group) &&
                         get_text(&tail, t, marks[PACK_ACCOUNT], &o->account) &&
                         get_text(&tail, t, marks[PACK_REGION], &o->region) &&
                         get_text(&tail, t, marks[PACK_ACTOR], &o->actor) &&
                         get_text(&tail, t, marks[PACK_IP], &o->source_ip) &&
                         get_text(&tail, t, marks[PACK_INDEX], &o->index_name) &&
                         get_text(&tail, t, marks[PACK_OBJECT_KEY], &o->object) &&
                         get_text(&tail, t, marks[PACK_VALUES], &o->values) &&
                         get_own(&tail, t, marks[PACK_ATTRIBUTES], &o->attributes) &&
                         take_told(head, t, o);
    o->rule = head->rule;
    o->query = head->query;
    o->others = head->others;
    o->time_ns = head->time;
    o->promise_ns = head->promise;
    o->record = head->record;
    o->is_cold = (head->partition & COLD) != 0;
    o->event = tail;
    return is_good && tail.len == head->event_len;
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
