/* tested by tests/unit/node/test_envelope.c */
#include "parts.h"

#include <emmintrin.h>
#include <inttypes.h>

#define LANE 16U
#define NOT_THERE (SIZE_MAX - 1)

enum state {
    STATE_TOP,   /* between objects */
    STATE_ARRAY, /* in the array of parts */
    STATE_TAIL,  /* behind it, in the object around it */
    STATE_SKIP,  /* in an object that is too large */
    STATE_OTHER, /* in bytes that are no object */
    STATE_ENDED,
};

enum extent {
    EXTENT_END,
    EXTENT_ARRAY,
    EXTENT_OPEN,
    EXTENT_TORN, /* a line feed cuts a string of it */
};

void parts_reset(struct parts *p, pen_slice array_key, size_t bytes_max)
{
    *p = (struct parts){.array_key = array_key, .bytes_max = bytes_max, .state = STATE_TOP};
}

static const uint8_t mark[] = {0xEF, 0xBB, 0xBF};

void parts_window(struct parts *p, pen_slice window, bool is_final)
{
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

/* The first quote, backslash or line feed from i on; the window's length when none is here.  The
 * padding of windows is read, too. */
static size_t string_mark(const struct parts *p, size_t i)
{
    for (; i < p->window.len; i += LANE) {
        const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(p->window.ptr + i));
        const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')),
                                           _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('\\')),
                                                        _mm_cmpeq_epi8(c, _mm_set1_epi8('\n'))));
        const uint32_t found = (uint32_t)_mm_movemask_epi8(marks);
        if (found != 0) {
            i += (size_t)__builtin_ctz(found);
            return i < p->window.len ? i : p->window.len;
        }
    }
    return p->window.len;
}

/* Behind the string whose first byte is at i; the window's length when it does not end there.
 * *is_torn: where the line feed is that cuts it. */
static size_t string_end(const struct parts *p, size_t i, bool *is_torn)
{
    const uint8_t *text = p->window.ptr;
    *is_torn = false;
    for (;;) {
        i = string_mark(p, i);
        if (i >= p->window.len || text[i] == '\n') {
            *is_torn = i < p->window.len;
            return i;
        }
        if (text[i] == '"') {
            return i + 1;
        }
        i += i + 1 < p->window.len && text[i + 1] == '\n' ? 1 : 2;
    }
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
            bool is_torn = false;
            const size_t next = string_end(p, i + 1, &is_torn);
            if (is_torn) {
                return EXTENT_TORN;
            }
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

static enum part_kind bad(struct part *part, pen_status st, const char *reason, struct pen_err *err)
{
    (void)PEN_FAIL(err, st, part->offset, "%s", reason);
    return PART_BAD;
}

/* Passes over what is here of an object whose end is looked for.  True: its end was found. */
static bool skip(struct parts *p)
{
    while (p->at < p->window.len) {
        const enum pen_end end = pen_object_end_step(&p->skip_end, p->window.ptr[p->at]);
        p->at += end != PEN_END_BEFORE;
        if (end != PEN_END_OPEN) {
            return true;
        }
    }
    return false;
}

/* Where to go on behind a damaged object.  Of an envelope on one line nothing comes after it. */
static int after_object(const struct parts *p)
{
    const bool is_rest = p->skip_end.is_torn && !p->skip_end.has_lines && !p->has_lines;
    return is_rest ? (int)STATE_TOP : p->after;
}

/* An object that does not end in the window, or whose string a line feed cuts. */
static enum part_kind open_object(struct parts *p, struct part *part, struct pen_err *err)
{
    const size_t from = p->at;
    p->after = p->state;
    p->skip_end = (struct pen_object_end){.has_brackets = true};
    const bool is_found = skip(p);
    const bool is_torn = p->skip_end.is_torn;
    if (!is_found && !(p->is_final && is_torn) && p->window.len - from <= p->bytes_max) {
        p->at = from;
        if (!p->is_final) {
            return PART_MORE;
        }
        p->state = STATE_ENDED;
        (void)PEN_FAIL(err, PEN_E_TRUNCATED, p->base + from, "the input ends inside a value");
        return PART_END;
    }
    part_set(p, part, from, p->at);
    p->state = is_found || (p->is_final && is_torn) ? after_object(p) : (int)STATE_SKIP;
    if (part->text.len <= p->bytes_max) {
        const char *reason = is_torn ? "a string without an end" : "a line feed in a string";
        return bad(part, PEN_E_CORRUPT, reason, err);
    }
    (void)PEN_FAIL(err, PEN_E_LIMIT, part->offset, "record larger than %zu bytes", p->bytes_max);
    return PART_BAD;
}

static enum part_kind object_next(struct parts *p, struct part *part, struct pen_err *err)
{
    size_t end = 0;
    const size_t from = p->at;
    const enum extent extent = object_extent(p, from, p->state == STATE_TOP, &end);
    if (extent == EXTENT_OPEN || extent == EXTENT_TORN) {
        return open_object(p, part, err);
    }
    part_set(p, part, from, end);
    p->at = end;
    if (extent == EXTENT_ARRAY) {
        p->state = STATE_ARRAY;
        p->has_lines = memchr(part->text.ptr, '\n', part->text.len) != NULL;
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

/* Whether bytes that are no object end before c: with what may begin one, their line, or the list.
 */
static bool other_ends(const struct parts *p, uint8_t c)
{
    return c == '{' || c == '\n' || (p->after == STATE_ARRAY && (c == ',' || c == ']'));
}

/* Takes what is here of bytes that are no object. */
static enum part_kind other_take(struct parts *p, struct part *part, struct pen_err *err)
{
    const size_t from = p->at;
    while (p->at < p->window.len && !other_ends(p, p->window.ptr[p->at])) {
        p->at++;
    }
    const size_t took = p->at - from;
    const size_t kept =
        p->other_bytes < PARTS_OTHER_BYTES ? (size_t)p->other_bytes : PARTS_OTHER_BYTES;
    const size_t room = PARTS_OTHER_BYTES - kept;
    const size_t more = took < room ? took : room;
    memcpy(p->other + kept, p->window.ptr + from, more);
    p->other_bytes += took;
    if (p->at == p->window.len && !p->is_final) {
        return PART_MORE;
    }
    p->state = p->after;
    *part = (struct part){.text = {p->other, kept + more}, .offset = p->other_offset};
    if (p->other_bytes <= p->bytes_max) {
        return bad(part, PEN_E_CORRUPT, "a record that is no object", err);
    }
    (void)PEN_FAIL(err, PEN_E_CORRUPT, part->offset,
                   "a record that is no object, of %" PRIu64 " bytes", p->other_bytes);
    return PART_BAD;
}

/* Bytes where an object should begin. */
static enum part_kind other_next(struct parts *p, struct part *part, struct pen_err *err)
{
    p->after = p->state;
    p->state = STATE_OTHER;
    p->other_offset = p->base + p->at;
    p->other_bytes = 0;
    return other_take(p, part, err);
}

/* Behind the array: to the end of the object around it. */
static bool tail_pass(struct parts *p, struct part *part, struct pen_err *err, bool *is_bad)
{
    const uint8_t *text = p->window.ptr;
    *is_bad = false;
    while (p->at < p->window.len && p->depth > 0 && !*is_bad) {
        const uint8_t c = text[p->at++];
        if (p->in_string) {
            *is_bad = c == '\n';
            p->in_string = p->is_escape || c != '"';
            p->is_escape = !p->is_escape && c == '\\';
        } else {
            p->in_string = c == '"';
            p->other_offset = p->base + p->at - 1;
            p->depth += c == '{' || c == '[';
            p->depth -= c == '}' || c == ']';
        }
    }
    if (*is_bad) {
        const uint64_t from = p->other_offset < p->base ? p->base : p->other_offset;
        part_set(p, part, (size_t)(from - p->base), p->at - 1);
        part->offset = p->other_offset;
        (void)bad(part, PEN_E_CORRUPT, "a string without an end", err);
    }
    p->state = *is_bad || p->depth == 0 ? STATE_TOP : p->state;
    return p->state == STATE_TOP;
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
        p->has_lines |= c == '\n';
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
    bool is_bad = false;
    *err = (struct pen_err){0};
    if (p->base == 0 && p->window.len < sizeof(mark) && !p->is_final) {
        return PART_MORE; /* the object may begin with a mark */
    }
    for (;;) {
        switch ((enum state)p->state) {
        case STATE_TOP:
        case STATE_ARRAY:
            separators_pass(p);
            break;
        case STATE_TAIL:
            if (!tail_pass(p, part, err, &is_bad)) {
                return window_over(p, err);
            }
            if (is_bad) {
                return PART_BAD;
            }
            continue;
        case STATE_SKIP:
            if (!skip(p)) {
                return window_over(p, err);
            }
            p->state = after_object(p);
            continue;
        case STATE_OTHER:
            return other_take(p, part, err);
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

/* Behind the bracket or brace that closes what holds the byte at i; SIZE_MAX: not here;
 * NOT_THERE: a string before it is damaged. */
static size_t closing_end(const struct parts *p, size_t i)
{
    const uint8_t *text = p->window.ptr;
    uint32_t depth = 1;
    while (i < p->window.len && depth > 0) {
        const uint8_t c = text[i++];
        bool is_torn = false;
        if (c == '"') {
            i = string_end(p, i, &is_torn);
        }
        if (is_torn) {
            return NOT_THERE;
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
    const size_t end = comma >= NOT_THERE ? comma : closing_end(p, comma);
    *tail = (pen_slice){0};
    if (end == NOT_THERE) {
        return true;
    }
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
