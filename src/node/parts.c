/* tested by tests/unit/node/test_envelope.c */
#include "parts.h"

enum state {
    STATE_TOP,   /* between objects */
    STATE_ARRAY, /* in the array of parts */
    STATE_TAIL,  /* behind it, in the object around it */
    STATE_SKIP,  /* in something that is too large */
    STATE_ENDED,
};

enum extent { EXTENT_END, EXTENT_ARRAY, EXTENT_OPEN };

void parts_reset(struct parts *p, pen_slice array_key, size_t bytes_max)
{
    *p = (struct parts){.array_key = array_key, .bytes_max = bytes_max, .state = STATE_TOP};
}

void parts_window(struct parts *p, pen_slice window, bool is_final)
{
    static const uint8_t mark[] = {0xEF, 0xBB, 0xBF};
    p->base += p->at;
    p->window = window;
    p->is_final = is_final;
    p->at = 0;
    if (p->base == 0 && window.len >= sizeof(mark) && memcmp(window.ptr, mark, sizeof(mark)) == 0) {
        p->at = sizeof(mark);
    }
}

size_t parts_consumed(const struct parts *p)
{
    return p->at;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the string whose first byte is at i; the window's length when it does not end there. */
static size_t string_end(const struct parts *p, size_t i)
{
    const uint8_t *text = p->window.ptr;
    while (i < p->window.len && text[i] != '"') {
        i += text[i] == '\\' ? 2 : 1;
    }
    return i < p->window.len ? i + 1 : p->window.len;
}

/* Whether the array of parts begins at the bracket at i; key is the string before it. */
static bool is_array(const struct parts *p, pen_slice key, size_t i)
{
    size_t behind = (size_t)(key.ptr - p->window.ptr) + key.len + 1;
    if (key.ptr == NULL || p->array_key.len == 0 || !pen_slice_eq(key, p->array_key)) {
        return false;
    }
    bool has_colon = false;
    for (; behind < i; behind++) {
        const uint8_t c = p->window.ptr[behind];
        if (!is_blank(c) && (c != ':' || has_colon)) {
            return false;
        }
        has_colon |= c == ':';
    }
    return has_colon;
}

/* How far the object whose brace is at from goes; *end is behind it, or behind the bracket of the
 * array of parts. */
static enum extent object_extent(const struct parts *p, size_t from, bool may_be_head, size_t *end)
{
    const uint8_t *text = p->window.ptr;
    pen_slice key = {0};
    uint32_t depth = 0;
    for (size_t i = from; i < p->window.len;) {
        const uint8_t c = text[i];
        if (c == '"') {
            const size_t next = string_end(p, i + 1);
            if (depth == 1 && may_be_head) {
                key = pen_slice_sub(p->window, i + 1, next - 1);
            }
            i = next;
            continue;
        }
        i++;
        if (c == '[' && depth == 1 && may_be_head && is_array(p, key, i - 1)) {
            *end = i;
            return EXTENT_ARRAY;
        }
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        if (depth == 0) {
            *end = i;
            return EXTENT_END;
        }
    }
    return EXTENT_OPEN;
}

static void part_set(const struct parts *p, struct part *part, size_t from, size_t end)
{
    part->text = pen_slice_sub(p->window, from, end);
    part->offset = p->base + from;
}

/* Passes over what is here of a value.  True: its end was found. */
static bool skip(struct parts *p)
{
    const uint8_t *text = p->window.ptr;
    while (p->at < p->window.len) {
        const uint8_t c = text[p->at++];
        if (p->is_escape) {
            p->is_escape = false;
        } else if (p->in_string) {
            p->is_escape = c == '\\';
            p->in_string = c != '"';
        } else if (c == '"') {
            p->in_string = true;
        } else {
            p->depth += c == '{' || c == '[';
            p->depth -= (c == '}' || c == ']') && p->depth > 0;
            if (p->depth == 0) {
                return true;
            }
        }
    }
    return false;
}

/* An object that does not end in the window. */
static enum part_kind open_object(struct parts *p, struct part *part, struct pen_err *err)
{
    if (p->window.len - p->at > p->bytes_max) {
        part_set(p, part, p->at, p->window.len);
        (void)PEN_FAIL(err, PEN_E_LIMIT, part->offset, "record larger than %zu bytes",
                       p->bytes_max);
        p->after = p->state;
        p->state = STATE_SKIP;
        p->depth = 0;
        p->in_string = false;
        p->is_escape = false;
        if (skip(p)) {
            p->state = p->after;
        }
        return PART_BAD;
    }
    if (!p->is_final) {
        return PART_MORE;
    }
    p->state = STATE_ENDED;
    (void)PEN_FAIL(err, PEN_E_TRUNCATED, p->base + p->at, "the input ends inside a value");
    return PART_END;
}

static enum part_kind object_next(struct parts *p, struct part *part, struct pen_err *err)
{
    size_t end = 0;
    const size_t from = p->at;
    const enum extent extent = object_extent(p, from, p->state == STATE_TOP, &end);
    if (extent == EXTENT_OPEN) {
        return open_object(p, part, err);
    }
    part_set(p, part, from, end);
    p->at = end;
    if (extent == EXTENT_ARRAY) {
        p->state = STATE_ARRAY;
        return PART_HEAD;
    }
    if (part->text.len > p->bytes_max) {
        (void)PEN_FAIL(err, PEN_E_LIMIT, part->offset, "record larger than %zu bytes",
                       p->bytes_max);
        return PART_BAD;
    }
    if (p->state == STATE_TOP && p->array_key.len > 0) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, part->offset, "an envelope without its list `%.*s`",
                       PEN_SLICE_FMT(p->array_key));
        return PART_BAD;
    }
    return PART_ITEM;
}

/* Bytes where an object should begin: up to one that may, or the end of the line or of the list. */
static enum part_kind other_next(struct parts *p, struct part *part, struct pen_err *err)
{
    const size_t from = p->at;
    size_t i = from;
    while (i < p->window.len && p->window.ptr[i] != '{' && p->window.ptr[i] != '\n' &&
           !(p->state == STATE_ARRAY && strchr(",]", p->window.ptr[i]) != NULL &&
             p->window.ptr[i] != 0)) {
        i++;
    }
    if (i == p->window.len && !p->is_final && i - from <= p->bytes_max) {
        return PART_MORE;
    }
    part_set(p, part, from, i);
    p->at = i;
    (void)PEN_FAIL(err, PEN_E_CORRUPT, part->offset, "a record that is no object");
    return PART_BAD;
}

/* Behind the array: to the end of the object around it. */
static bool tail_pass(struct parts *p)
{
    p->depth = p->depth == 0 ? 1 : p->depth;
    const bool is_over = skip(p);
    p->state = is_over ? STATE_TOP : p->state;
    return is_over;
}

static void separators_pass(struct parts *p)
{
    while (p->at < p->window.len) {
        const uint8_t c = p->window.ptr[p->at];
        const bool is_end = p->state == STATE_ARRAY && c == ']';
        if (!is_blank(c) && c != ',' && c != ']' && !(c == '[' && p->state == STATE_TOP)) {
            return;
        }
        p->at++;
        if (is_end) {
            p->state = STATE_TAIL;
            p->depth = 1;
            p->in_string = false;
            p->is_escape = false;
            return;
        }
    }
}

/* The window is used up. */
static enum part_kind window_over(struct parts *p, struct pen_err *err)
{
    if (!p->is_final) {
        return PART_MORE;
    }
    if (p->state != STATE_TOP && p->state != STATE_ENDED) {
        (void)PEN_FAIL(err, PEN_E_TRUNCATED, p->base + p->at, "the input ends inside an envelope");
    }
    p->state = STATE_ENDED;
    return PART_END;
}

enum part_kind parts_next(struct parts *p, struct part *part, struct pen_err *err)
{
    *err = (struct pen_err){0};
    for (;;) {
        switch ((enum state)p->state) {
        case STATE_TOP:
        case STATE_ARRAY:
            separators_pass(p);
            break;
        case STATE_TAIL:
            if (!tail_pass(p)) {
                return window_over(p, err);
            }
            continue;
        case STATE_SKIP:
            if (!skip(p)) {
                return window_over(p, err);
            }
            p->state = p->after;
            continue;
        case STATE_ENDED:
            return PART_END;
        }
        if (p->state == STATE_TAIL) {
            continue;
        }
        if (p->at == p->window.len) {
            return window_over(p, err);
        }
        return p->window.ptr[p->at] == '{' ? object_next(p, part, err) : other_next(p, part, err);
    }
}

/* ---- behind the array ---- */

/* Behind the bracket or brace that closes what holds the byte at i; SIZE_MAX: not here. */
static size_t closing_end(const struct parts *p, size_t i)
{
    const uint8_t *text = p->window.ptr;
    uint32_t depth = 1;
    while (i < p->window.len && depth > 0) {
        const uint8_t c = text[i++];
        if (c == '"') {
            i = string_end(p, i);
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
    }
    return depth == 0 ? i : SIZE_MAX;
}

bool parts_tail(struct parts *p, const struct part *head, pen_slice *tail)
{
    const size_t from = (size_t)(head->text.ptr - p->window.ptr);
    PEN_CHECK(p->state == STATE_ARRAY);
    size_t comma = closing_end(p, p->at);
    const size_t end = comma == SIZE_MAX ? SIZE_MAX : closing_end(p, comma);
    *tail = (pen_slice){0};
    if (end != SIZE_MAX && end - from > p->bytes_max) {
        return true; /* windows of another size would not have shown it */
    }
    if (end == SIZE_MAX) {
        const bool is_over = p->is_final || p->window.len - from > p->bytes_max;
        p->at = is_over ? p->at : from;
        p->state = is_over ? p->state : STATE_TOP;
        return is_over;
    }
    while (is_blank(p->window.ptr[comma])) {
        comma++;
    }
    if (p->window.ptr[comma] == ',') {
        *tail = pen_slice_sub(p->window, comma, end);
    }
    return true;
}
