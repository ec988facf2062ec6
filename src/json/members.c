#include "members.h"

#include "container.h"

#include <emmintrin.h>

/* tested by tests/unit/json/test_walk.c */

#define LANE 16U
#define LOOK_AHEAD 4U
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Where the walk is, in registers for as long as it lasts. */
struct cursor {
    struct pen_walker *w;
    const uint8_t *text;
    const uint32_t *index; /* next structural */
    struct shape *shapes;
    struct frame *frame;
    uint64_t instance;
    uint32_t depth;
    uint32_t limit; /* up to here there is neither an end of the window nor a backslash */
    uint32_t guess; /* shape of the next key, if it is as last time */
};

/* Where the parts of a member stand: its name's quote, colon, value, and what comes behind. */
struct member {
    uint32_t name, colon, value, end;
    uint32_t shape;
};

/* LANE readable bytes stand behind the text's last. */
ALWAYS_INLINE uint32_t lane_equal(const uint8_t *a, const uint8_t *b)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
}

/* Whether the name is that of the shape, colon and all. */
ALWAYS_INLINE bool is_name(const uint8_t *text, const struct member *m, const struct shape *shape)
{
    const uint8_t *name = text + m->name;
    const uint32_t equal =
        lane_equal(name, shape->pattern) | lane_equal(name + LANE, shape->pattern + LANE) << LANE;
    if ((~equal & shape->pattern_mask) != 0) {
        return false;
    }
    return PEN_LIKELY(!shape->is_long) ||
           (m->colon - m->name == shape->key_len + 2 && text[m->colon] == ':' &&
            text[m->colon - 1] == '"' && memcmp(name + 1, shape->key, shape->key_len) == 0);
}

uint32_t members_learn(struct pen_walker *w, const struct frame *frame, pen_slice key)
{
    struct shapes *shapes = &w->shapes;
    const uint32_t found = frame->shape == 0 ? 0 : shapes_find(shapes, frame->shape, key, false);
    if (found != 0) { /* next time this is the guess */
        if (frame->key_shape == 0) {
            shapes->items[frame->shape].child = found;
        } else {
            shapes->items[frame->key_shape].next = found;
        }
    }
    return found;
}

/* The shape of a name that does not come as last time.  0: the walk sees to it. */
static __attribute__((noinline)) uint32_t member_find(struct pen_walker *w,
                                                      const struct frame *frame, uint32_t guess,
                                                      const struct member *m)
{
    const struct shape *shapes = w->shapes.items;
    const uint8_t *text = w->text;
    const pen_slice key = {text + m->name + 1, m->colon - m->name - 2};
    if (text[m->name] != '"' || text[m->colon] != ':' || text[m->colon - 1] != '"') {
        return 0;
    }
    /* Members may be left out. */
    for (uint32_t i = 0; i < LOOK_AHEAD && guess != 0; i++) {
        if (is_name(text, m, &shapes[guess])) {
            return guess;
        }
        guess = shapes[guess].next;
    }
    return members_learn(w, frame, key);
}

/* The member that begins here and its shape; false: the walk sees to it. */
ALWAYS_INLINE bool member_take(struct cursor *c, struct member *m)
{
    const uint32_t *index = c->index;
    const __m128i all = _mm_loadu_si128((const __m128i *)(const void *)index);
    /* Each of them: what stands behind the last position is no position. */
    if (_mm_movemask_epi8(_mm_cmplt_epi32(all, _mm_set1_epi32((int)c->limit))) != 0xffff) {
        return false;
    }
    *m = (struct member){index[0], index[1], index[2], index[3], c->guess};
    if (PEN_UNLIKELY(!is_name(c->text, m, &c->shapes[c->guess]))) {
        m->shape = member_find(c->w, c->frame, c->guess, m);
    }
    return m->shape != 0 && c->shapes[m->shape].stamp != c->instance;
}

/* The member is one that was looked for. */
ALWAYS_INLINE void member_done(struct cursor *c, const struct member *m)
{
    struct shape *shape = &c->shapes[m->shape];
    shape->stamp = c->instance;
    c->frame->key_shape = m->shape;
    c->guess = shape->next;
}

/* A scalar that needs no second look: no blank behind it, no backslash in it. */
ALWAYS_INLINE bool scalar_take(const uint8_t *text, uint32_t from, uint32_t end,
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

/* The member as it is written, up to the position end. */
ALWAYS_INLINE void member_copy(struct cursor *c, const struct member *m, uint32_t end)
{
    struct pen_walker *w = c->w;
    if (c->frame->members++ > 0) {
        copy_byte(w, ',');
    }
    if (PEN_LIKELY(m->value == m->colon + 1)) {
        copy_bytes(w, c->text + m->name, end - m->name);
        return;
    }
    copy_bytes(w, c->text + m->name, m->colon - m->name);
    copy_byte(w, ':');
    copy_bytes(w, c->text + m->value, end - m->value);
}

ALWAYS_INLINE bool scalar_member(struct cursor *c, const struct member *m, bool is_copied)
{
    const struct shape *shape = &c->shapes[m->shape];
    struct pen_value value = {0};
    if (!scalar_take(c->text, m->value, m->end, &value)) {
        return false;
    }
    member_done(c, m);
    values_add(c->w, shape, &value);
    if (is_copied && !shape->is_diverted && !is_pruned(value.text, value.kind)) {
        member_copy(c, m, m->end);
        if (PEN_UNLIKELY(shape->action != 0)) {
            const pen_slice token = {c->text + m->value, m->end - m->value};
            patch_add(c->w, shape->action, c->w->copy_len - (uint32_t)token.len, value.kind, token);
        }
    }
    c->index += 3;
    return true;
}

ALWAYS_INLINE bool object_member(struct cursor *c, const struct member *m, bool is_copied)
{
    struct pen_walker *w = c->w;
    const struct shape *shape = &c->shapes[m->shape];
    if (PEN_UNLIKELY(shape->is_diverted || c->depth + 1 >= PEN_JSON_DEPTH_MAX)) {
        return false;
    }
    member_done(c, m);
    struct frame *frame = c->frame + 1;
    frame_open(w, frame, m->shape, m->value);
    if (shape->field_count > 0) {
        const struct pen_value value = {.kind = PEN_OBJECT};
        values_add(w, shape, &value);
        frame->value_to = w->value_count;
    }
    if (is_copied) {
        member_copy(c, m, m->value + 1);
        frame->copy_from = w->copy_len - 1;
    }
    c->frame = frame;
    c->depth++;
    c->instance = frame->instance;
    c->guess = shape->child;
    c->index += 3;
    return true;
}

/* Behind a value: up through the objects that end here, and past the comma.  False: what stands
 * here is for the walk. */
ALWAYS_INLINE bool value_behind(struct cursor *c, bool is_copied)
{
    struct pen_walker *w = c->w;
    for (;;) {
        const uint32_t here = *c->index;
        if (here >= c->limit || (c->text[here] != '}' && c->text[here] != ',')) {
            return false;
        }
        if (c->text[here] == ',') {
            c->index++;
            return true;
        }
        if (c->depth == 1 || c->frame->is_muted) {
            return false;
        }
        struct frame *parent = c->frame - 1;
        frame_close(w, c->frame, parent, here + 1, is_copied);
        c->frame = parent;
        c->depth--;
        c->index++;
        c->instance = parent->instance;
        c->guess = c->shapes[parent->key_shape].next;
        if (!parent->is_object || (c->depth == 1 && w->in_events)) {
            return false;
        }
    }
}

ALWAYS_INLINE enum members objects(struct pen_walker *w, uint32_t *depth, bool is_copied)
{
    struct frame *frame = &w->frames[*depth];
    struct shape *shapes = w->shapes.items;
    struct cursor c = {
        .w = w,
        .text = w->text,
        .index = w->index + w->at,
        .shapes = shapes,
        .frame = frame,
        .instance = frame->instance,
        .depth = *depth,
        .limit = w->next_backslash < w->len ? w->next_backslash : w->len,
        .guess = frame->key_shape == 0 ? shapes[frame->shape].child : shapes[frame->key_shape].next,
    };
    struct member m;
    enum members at = MEMBERS_NAME;
    while (member_take(&c, &m)) {
        if (c.text[m.value] == '{') {
            if (!object_member(&c, &m, is_copied)) {
                break;
            }
            if (c.text[*c.index] != '}') {
                continue;
            }
        } else if (!scalar_member(&c, &m, is_copied)) {
            break;
        }
        if (!value_behind(&c, is_copied)) {
            at = MEMBERS_BETWEEN;
            break;
        }
    }
    w->at = (uint32_t)(c.index - w->index);
    *depth = c.depth;
    return at;
}

enum members members_fast(struct pen_walker *w, uint32_t *depth)
{
    return is_copying(w) ? objects(w, depth, true) : objects(w, depth, false);
}
