#include "container.h"
#include "members.h"

#include <stdio.h>

/* Why a record is bad; the offset is that of the byte in the object. */
static enum walk_result bad(struct pen_walker *w, uint32_t position, pen_status st,
                            const char *reason)
{
    (void)PEN_FAIL(&w->bad, st, w->base + position, "%s", reason);
    return WALK_BAD;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

uint32_t token_end(const struct pen_walker *w, uint32_t i)
{
    uint32_t end = w->index[i + 1] < w->len ? w->index[i + 1] : w->len;
    while (end > w->index[i] + 1 && is_blank(w->text[end - 1])) {
        end--;
    }
    return end;
}

/* Backslashes are rare: the next one is looked for once, and most strings end before it. */
bool has_backslash(struct pen_walker *w, uint32_t from, uint32_t to)
{
    if (PEN_LIKELY(w->next_backslash >= to)) {
        return false;
    }
    if (w->next_backslash < from) {
        const uint8_t *next = memchr(w->text + from, '\\', w->len - from);
        w->next_backslash = next == NULL ? w->len : (uint32_t)(next - w->text);
    }
    return w->next_backslash < to;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool escapes_valid(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\\') {
            continue;
        }
        i++;
        if (i >= s.len || s.ptr[i] == '\0' || strchr("\"\\/bfnrtu", s.ptr[i]) == NULL) {
            return false;
        }
        if (s.ptr[i] == 'u') {
            if (i + 4 >= s.len || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2]) ||
                !is_hex(s.ptr[i + 3]) || !is_hex(s.ptr[i + 4])) {
                return false;
            }
            i += 4;
        }
    }
    return true;
}

static bool controls_valid(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20) {
            return false;
        }
    }
    return pen_utf8_valid(s);
}

/* The string whose quote is at index[at]: text between the quotes.  NULL text: bad or incomplete.
 */
static bool string_at(struct pen_walker *w, pen_slice *text, bool *is_escaped)
{
    const uint32_t from = w->index[w->at] + 1;
    const uint32_t end = token_end(w, w->at);
    if (end <= from || w->text[end - 1] != '"') {
        return false;
    }
    *text = (pen_slice){w->text + from, end - 1 - from};
    *is_escaped = has_backslash(w, from, end - 1);
    if (PEN_UNLIKELY(*is_escaped) && !escapes_valid(*text)) {
        return false;
    }
    return PEN_LIKELY(!w->is_scalar) || controls_valid(*text);
}

/* ---- one token ---- */

struct place { /* where a value stands */
    struct frame *frame;
    pen_slice key; /* with its quotes; object only */
    uint32_t shape;
    bool is_muted; /* this member is not to be copied */
};

static inline void copy_member(struct pen_walker *w, const struct place *place)
{
    if (place->frame->members++ > 0) {
        copy_byte(w, ',');
    }
    if (place->frame->is_object) {
        copy_bytes(w, place->key.ptr, (uint32_t)place->key.len);
        copy_byte(w, ':');
    }
}

static bool literal(pen_slice token, uint8_t *kind)
{
    const bool is_true = token.len == 4 && memcmp(token.ptr, "true", 4) == 0;
    const bool is_false = token.len == 5 && memcmp(token.ptr, "false", 5) == 0;
    if (is_true || is_false) {
        *kind = PEN_BOOL;
        return true;
    }
    *kind = PEN_NULL;
    return token.len == 4 && memcmp(token.ptr, "null", 4) == 0;
}

/* A string, number or literal at index[at]. */
static bool scalar(struct pen_walker *w, const struct place *place)
{
    const uint32_t from = w->index[w->at];
    struct pen_value value = {.in_array = !place->frame->is_object};
    pen_slice token;
    if (w->text[from] == '"') {
        if (!string_at(w, &value.text, &value.is_escaped)) {
            return false;
        }
        value.kind = PEN_STRING;
        token = (pen_slice){value.text.ptr - 1, value.text.len + 2};
    } else {
        token = (pen_slice){w->text + from, token_end(w, w->at) - from};
        value.text = token;
        value.kind = PEN_NUMBER;
        if (!pen_json_is_number(token) && !literal(token, &value.kind)) {
            return false;
        }
    }
    w->at++;
    const struct shape *shape = &w->shapes.items[place->shape];
    values_add(w, shape, &value);
    if (!place->frame->is_object) {
        place->frame->only_empty =
            place->frame->elements == 0 && value.kind == PEN_STRING && value.text.len == 0;
        place->frame->elements++;
    }
    if (!is_copying(w) || place->is_muted ||
        (place->frame->is_object && is_pruned(value.text, value.kind))) {
        return true;
    }
    copy_member(w, place);
    const uint32_t begin = w->copy_len;
    copy_bytes(w, token.ptr, (uint32_t)token.len);
    if (PEN_UNLIKELY(shape->action != 0) && place->frame->is_object) {
        patch_add(w, shape->action, begin, value.kind, token);
    }
    return true;
}

static void container_open(struct pen_walker *w, const struct place *place, uint32_t depth)
{
    struct frame *frame = &w->frames[depth];
    const uint32_t from = w->index[w->at];
    const struct shape *shape = &w->shapes.items[place->shape];
    frame_open(w, frame, place->shape, from);
    frame->is_object = w->text[from] == '{';
    frame->is_muted = place->is_muted;
    if (shape->field_count > 0) {
        const struct pen_value value = {.kind = frame->is_object ? PEN_OBJECT : PEN_ARRAY,
                                        .in_array = !place->frame->is_object};
        values_add(w, shape, &value);
        frame->value_to = w->value_count;
    }
    if (!place->frame->is_object) {
        place->frame->elements++;
        place->frame->only_empty = false;
    }
    w->muted += place->is_muted;
    if (is_copying(w)) {
        copy_member(w, place);
        frame->copy_from = w->copy_len;
        copy_byte(w, w->text[from]);
    }
    w->at++;
}

/* The container that ends at index[at]. */
static void container_close(struct pen_walker *w, uint32_t depth)
{
    struct frame *frame = &w->frames[depth];
    frame_close(w, frame, frame - 1, w->index[w->at] + 1, is_copying(w));
    w->muted -= frame->is_muted;
    w->at++;
}

/* ---- keys ---- */

static uint32_t key_shape(struct pen_walker *w, struct frame *frame, pen_slice key, bool is_escaped)
{
    struct shapes *shapes = &w->shapes;
    const uint32_t guess = frame->key_shape == 0 ? shapes->items[frame->shape].child
                                                 : shapes->items[frame->key_shape].next;
    const struct shape *guessed = &shapes->items[guess];
    uint32_t found = 0;
    if (PEN_LIKELY(guess != 0 && !is_escaped && guessed->key_len == key.len &&
                   memcmp(guessed->key, key.ptr, key.len) == 0)) {
        found = guess;
    } else {
        uint8_t text[SHAPE_KEY_MAX * 6];
        if (is_escaped && key.len <= sizeof(text)) {
            key = (pen_slice){text, pen_json_unescape(key, text)};
        }
        found = members_learn(w, frame, key);
    }
    if (found == 0) {
        w->has_duplicate |=
            !w->with_shadows; /* not learned: whether it repeats is found out slowly */
        return 0;
    }
    frame->key_shape = found;
    if (shapes->items[found].stamp == frame->instance) {
        w->has_duplicate |= !w->with_shadows;
    }
    shapes->items[found].stamp = frame->instance;
    return found;
}

static bool is_shadowed(struct pen_walker *w, uint32_t position)
{
    while (w->shadow_at < w->shadow_count && w->shadows[w->shadow_at] < position) {
        w->shadow_at++;
    }
    return w->shadow_at < w->shadow_count && w->shadows[w->shadow_at] == position;
}

/* Past a value that a later one of the same key replaces: checked, but not collected. */
static bool value_end(struct pen_walker *w)
{
    uint32_t depth = 0;
    do {
        if (w->index[w->at] >= w->len) {
            return false;
        }
        const uint8_t c = w->text[w->index[w->at]];
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        w->at++;
    } while (depth > 0);
    return true;
}

enum step { STEP_ON, STEP_DOWN, STEP_UP, STEP_BAD, STEP_MORE, STEP_ENVELOPE };

static inline uint8_t byte_at(const struct pen_walker *w, uint32_t i)
{
    return w->index[i] < w->len ? w->text[w->index[i]] : 0;
}

static bool is_envelope_key(struct pen_walker *w, const struct place *place, bool is_escaped)
{
    uint8_t text[64];
    pen_slice key = {place->key.ptr + 1, place->key.len - 2};
    if (key.len > sizeof(text) || byte_at(w, w->at) != '[' || w->options.array_key.len == 0) {
        return false;
    }
    if (is_escaped) {
        key = (pen_slice){text, pen_json_unescape(key, text)};
    }
    const bool is_events = pen_slice_eq(w->options.array_key, PEN_SLICE_LIT("Records")) &&
                           pen_slice_eq(key, PEN_SLICE_LIT("Events"));
    w->in_events = is_events;
    return is_events || pen_slice_eq(key, w->options.array_key);
}

/* "CloudTrailEvent": the record of a lookup-events element, as text. */
static void event_text(struct pen_walker *w, const struct place *place)
{
    const pen_slice key = {place->key.ptr + 1, place->key.len - 2};
    pen_slice text;
    bool is_escaped = false;
    if (w->in_events && byte_at(w, w->at) == '"' &&
        pen_slice_eq(key, PEN_SLICE_LIT("CloudTrailEvent")) && string_at(w, &text, &is_escaped)) {
        w->event_text = text;
        w->event_escaped = is_escaped;
    }
}

/* Of a value that is none: why. */
static const char *value_problem(const struct pen_walker *w)
{
    const uint32_t from = w->index[w->at];
    const uint32_t end = token_end(w, w->at);
    if (w->text[from] != '"') {
        return "no JSON value";
    }
    if (end < from + 2 || w->text[end - 1] != '"') {
        return "a string without an end";
    }
    const pen_slice text = {w->text + from + 1, end - from - 2};
    if (!escapes_valid(text)) {
        return "a wrong escape in a string";
    }
    return pen_utf8_valid(text) ? "a control character in a string" : "invalid UTF-8 in a string";
}

static enum step value(struct pen_walker *w, const struct place *place, uint32_t depth)
{
    const uint8_t c = byte_at(w, w->at);
    if (c == '{' || c == '[') {
        if (depth + 1 >= PEN_JSON_DEPTH_MAX) {
            (void)bad(w, w->index[w->at], PEN_E_LIMIT, "nested deeper than 511 levels");
            return STEP_BAD;
        }
        container_open(w, place, depth + 1);
        return STEP_DOWN;
    }
    if (c == 0 && w->index[w->at] >= w->len) {
        return STEP_MORE;
    }
    if (w->index[w->at + 1] >= w->len) {
        return STEP_MORE; /* the token may go on in the next window */
    }
    if (c == '}' || c == ']' || c == ',' || c == ':' || !scalar(w, place)) {
        (void)bad(w, w->index[w->at], PEN_E_CORRUPT, value_problem(w));
        return STEP_BAD;
    }
    return STEP_ON;
}

static enum step member(struct pen_walker *w, uint32_t depth, bool may_be_envelope)
{
    struct frame *frame = &w->frames[depth];
    struct place place = {.frame = frame};
    const uint32_t position = w->index[w->at];
    bool is_escaped = false;
    pen_slice key;
    if (position >= w->len || w->index[w->at + 1] >= w->len) {
        return STEP_MORE;
    }
    if (w->text[position] != '"' || !string_at(w, &key, &is_escaped) ||
        byte_at(w, w->at + 1) != ':') {
        (void)bad(w, position, PEN_E_CORRUPT, "no member name");
        return STEP_BAD;
    }
    if (w->index[w->at + 2] >= w->len) {
        return STEP_MORE;
    }
    w->at += 2;
    place.key = (pen_slice){key.ptr - 1, key.len + 2};
    if (PEN_UNLIKELY(w->with_shadows) && is_shadowed(w, position)) {
        return value_end(w) ? STEP_ON : STEP_MORE;
    }
    if (PEN_UNLIKELY(depth == 1)) {
        if (may_be_envelope && is_envelope_key(w, &place, is_escaped)) {
            return STEP_ENVELOPE;
        }
        event_text(w, &place);
    }
    place.shape = key_shape(w, frame, key, is_escaped);
    place.is_muted = w->shapes.items[place.shape].is_diverted;
    return value(w, &place, depth);
}

/* Members as learned, and then one that needs a closer look. */
static enum step members(struct pen_walker *w, uint32_t *depth, bool may_be_envelope)
{
    const bool is_plain = !w->is_scalar && !w->with_shadows && !(*depth == 1 && w->in_events);
    if (PEN_LIKELY(is_plain)) {
        const uint32_t from = w->index[w->at];
        if (from < w->len) {
            (void)has_backslash(w, from, from); /* those before are of no interest any more */
        }
        if (members_fast(w, depth) == MEMBERS_BETWEEN) {
            return STEP_ON;
        }
        if (PEN_UNLIKELY(byte_at(w, w->at) == '}')) { /* behind a comma, which is told there */
            w->at--;
            return STEP_ON;
        }
    }
    return member(w, *depth, may_be_envelope);
}

static enum step element(struct pen_walker *w, uint32_t depth)
{
    struct frame *frame = &w->frames[depth];
    struct place place = {.frame = frame, .shape = frame->shape};
    if (PEN_UNLIKELY(w->shapes.items[frame->shape].has_index)) {
        char number[16];
        const int n = snprintf(number, sizeof(number), "%u", frame->elements);
        const uint32_t found = shapes_find(&w->shapes, frame->shape,
                                           (pen_slice){(const uint8_t *)number, (size_t)n}, true);
        place.shape = found == 0 ? frame->shape : found;
    }
    return value(w, &place, depth);
}

/* After a value: a comma and the next one, or the end of the container. */
static enum step between(struct pen_walker *w, uint32_t depth, bool is_first)
{
    const struct frame *frame = &w->frames[depth];
    const uint8_t c = byte_at(w, w->at);
    const uint8_t closer = frame->is_object ? '}' : ']';
    if (c == closer) {
        return STEP_UP;
    }
    if (is_first && c != 0) {
        return STEP_ON;
    }
    if (c == ',') {
        w->at++;
        if (byte_at(w, w->at) == closer) {
            (void)bad(w, w->index[w->at], PEN_E_CORRUPT, "a comma before the end");
            return STEP_BAD;
        }
        return STEP_ON;
    }
    if (w->index[w->at] >= w->len) {
        return STEP_MORE;
    }
    (void)bad(w, w->index[w->at], PEN_E_CORRUPT, "no comma between values");
    return STEP_BAD;
}

static void record_begin(struct pen_walker *w)
{
    if (w->shapes.count == SHAPES_MAX) {
        shapes_clear(&w->shapes); /* too many keys for the table: learn anew */
    }
    if (++w->stamp == 0) {
        memset(w->heads, 0, w->shapes.plan->field_count * sizeof(*w->heads));
        w->stamp = 1;
    }
    w->value_count = 0;
    w->copy_len = 0;
    w->run_len = 0;
    w->patch_count = 0;
    w->muted = 0;
    w->event_text = (pen_slice){0};
    w->frames[0] = (struct frame){.is_object = false, .elements = 1};
}

enum walk_result walk_record(struct pen_walker *w, bool may_be_envelope)
{
    record_begin(w);
    const struct place root = {.frame = &w->frames[0], .shape = 1};
    container_open(w, &root, 1);
    copy_rollback(w, 0); /* the outer braces are not part of the copy */
    uint32_t depth = 1;
    bool is_first = true;
    for (;;) {
        enum step step = between(w, depth, is_first);
        is_first = false;
        if (step == STEP_UP) {
            if (depth == 1) {
                w->at++;
                copy_flush(w);
                return WALK_RECORD;
            }
            container_close(w, depth);
            depth--;
            continue;
        }
        if (step == STEP_ON) {
            step = w->frames[depth].is_object ? members(w, &depth, may_be_envelope)
                                              : element(w, depth);
        }
        if (step == STEP_DOWN) {
            depth++;
            is_first = true;
        } else if (step == STEP_BAD) {
            return WALK_BAD;
        } else if (step == STEP_MORE) {
            return WALK_INCOMPLETE;
        } else if (step == STEP_ENVELOPE) {
            return WALK_ENVELOPE;
        }
    }
}
