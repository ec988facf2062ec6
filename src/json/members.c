#include "members.h"

#include "collect.h"

#include <emmintrin.h>

/* tested by tests/unit/json/test_walk.c */

#define LANE 16U
#define LOOK_AHEAD 4U

/* Both have LANE readable bytes behind them. */
static inline bool is_same(const uint8_t *a, const uint8_t *b, uint32_t len)
{
    uint32_t at = 0;
    for (; len - at > LANE; at += LANE) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + at));
        const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(b + at));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) != 0xffff) {
            return false;
        }
    }
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + at));
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(b + at));
    const uint32_t equal = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
    const uint32_t want = (1U << (len - at)) - 1;
    return (equal & want) == want;
}

/* A scalar that needs no second look: no blank behind it, no backslash in it. */
static inline bool scalar_take(const uint8_t *text, uint32_t from, uint32_t end,
                               struct pen_value *value)
{
    const uint8_t c = text[from];
    if (PEN_LIKELY(c == '"')) {
        value->kind = PEN_STRING;
        value->text = (pen_slice){text + from + 1, end - from - 2};
        return text[end - 1] == '"';
    }
    const uint32_t len = end - from;
    value->text = (pen_slice){text + from, len};
    if (c == 'n') {
        value->kind = PEN_NULL;
        return len == 4 && memcmp(text + from, "null", 4) == 0;
    }
    if (c == 't' || c == 'f') {
        value->kind = PEN_BOOL;
        return (len == 4 && memcmp(text + from, "true", 4) == 0) ||
               (len == 5 && memcmp(text + from, "false", 5) == 0);
    }
    value->kind = PEN_NUMBER;
    return pen_json_is_number(value->text);
}

/* Where the parts of a member stand: its name's quote, colon, value, and what comes behind. */
struct member {
    uint32_t name, colon, value, end;
};

static inline bool member_take(const struct pen_walker *w, const uint32_t *index, uint32_t limit,
                               struct member *m)
{
    const uint8_t *text = w->text;
    *m = (struct member){index[0], index[1], index[2], index[3]};
    /* In this order: what stands behind the last position is no position. */
    if (m->name >= limit || m->colon >= limit || m->value >= limit || m->end >= limit) {
        return false;
    }
    return text[m->name] == '"' && text[m->colon] == ':' && text[m->colon - 1] == '"' &&
           (text[m->end] == ',' || text[m->end] == '}');
}

static inline void member_copy(struct pen_walker *w, struct frame *frame, const struct shape *shape,
                               const struct member *m, const struct pen_value *value)
{
    const uint8_t *text = w->text;
    const uint32_t key_len = m->colon - m->name;
    if (frame->members++ > 0) {
        copy_byte(w, ',');
    }
    copy_bytes(w, text + m->name, key_len);
    copy_byte(w, ':');
    const uint32_t begin = w->copy_len;
    copy_bytes(w, text + m->value, m->end - m->value);
    if (PEN_UNLIKELY(shape->action != 0)) {
        const pen_slice token = {text + m->value, m->end - m->value};
        patch_add(w, shape->action, begin, value->kind, token);
    }
}

/* The member of this name as learned: the one that came next last time or, where members are left
 * out, one soon behind it.  0: none of these. */
static inline uint32_t member_guess(const struct shape *shapes, const struct frame *frame,
                                    pen_slice key)
{
    uint32_t guess =
        frame->key_shape == 0 ? shapes[frame->shape].child : shapes[frame->key_shape].next;
    for (uint32_t i = 0; i < LOOK_AHEAD && guess != 0; i++) {
        if (PEN_LIKELY(shapes[guess].key_len == key.len &&
                       is_same(key.ptr, shapes[guess].key, (uint32_t)key.len))) {
            return guess;
        }
        guess = shapes[guess].next;
    }
    return 0;
}

enum members members_fast(struct pen_walker *w, struct frame *frame)
{
    const uint32_t *index = w->index + w->at;
    const uint32_t limit = w->next_backslash < w->len ? w->next_backslash : w->len;
    const bool is_copied = is_copying(w);
    struct shape *const shapes = w->shapes.items;
    enum members at = MEMBERS_NONE;
    struct member m;
    while (member_take(w, index, limit, &m)) {
        const pen_slice key = {w->text + m.name + 1, m.colon - m.name - 2};
        const uint32_t guess = member_guess(shapes, frame, key);
        struct shape *shape = &shapes[guess];
        struct pen_value value = {0};
        if (guess == 0 || shape->stamp == frame->instance ||
            !scalar_take(w->text, m.value, m.end, &value)) {
            break;
        }
        shape->stamp = frame->instance;
        frame->key_shape = guess;
        values_add(w, shape, &value);
        if (is_copied && !shape->is_diverted && !is_pruned(value.text, value.kind)) {
            member_copy(w, frame, shape, &m, &value);
        }
        index += 4;
        if (w->text[m.end] == '}') {
            w->at = (uint32_t)(index - w->index) - 1;
            return MEMBERS_BETWEEN;
        }
        at = MEMBERS_BETWEEN;
    }
    if (at == MEMBERS_BETWEEN) {
        w->at = (uint32_t)(index - w->index) - 1; /* the comma */
    }
    return at;
}
