/*
 * reference.h - a slow, strict reader of JSON (RFC 8259), written apart from src/json and without
 * looking for speed, so that fuzz targets have something to compare the walk with.
 */
#ifndef PEN_FUZZ_REFERENCE_H
#define PEN_FUZZ_REFERENCE_H

#include "penstock/json.h"

#define REF_LEVELS_MAX 511U /* containers inside one another, as penstock reads them */

static inline bool ref_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline void ref_blanks(pen_slice text, size_t *at)
{
    while (*at < text.len && ref_is_blank(text.ptr[*at])) {
        (*at)++;
    }
}

static inline bool ref_take(pen_slice text, size_t *at, uint8_t c)
{
    if (*at < text.len && text.ptr[*at] == c) {
        (*at)++;
        return true;
    }
    return false;
}

static inline bool ref_is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind a backslash. */
static inline bool ref_escape(pen_slice text, size_t *at)
{
    if (*at >= text.len) {
        return false;
    }
    const uint8_t c = text.ptr[(*at)++];
    if (c != 'u') {
        return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' ||
               c == 't';
    }
    for (uint32_t i = 0; i < 4; i++) {
        if (*at >= text.len || !ref_is_hex(text.ptr[*at])) {
            return false;
        }
        (*at)++;
    }
    return true;
}

/* *inner: what stands between the quotes, as written. */
static inline bool ref_string(pen_slice text, size_t *at, pen_slice *inner)
{
    if (!ref_take(text, at, '"')) {
        return false;
    }
    const size_t from = *at;
    while (*at < text.len && text.ptr[*at] != '"') {
        const uint8_t c = text.ptr[(*at)++];
        if (c < 0x20 || (c == '\\' && !ref_escape(text, at))) {
            return false;
        }
    }
    *inner = pen_slice_sub(text, from, *at);
    return ref_take(text, at, '"') && pen_utf8_valid(*inner);
}

static inline size_t ref_digits(pen_slice text, size_t *at)
{
    const size_t from = *at;
    while (*at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9') {
        (*at)++;
    }
    return *at - from;
}

static inline bool ref_number(pen_slice text, size_t *at)
{
    (void)ref_take(text, at, '-');
    if (!ref_take(text, at, '0') && ref_digits(text, at) == 0) {
        return false;
    }
    if (ref_take(text, at, '.') && ref_digits(text, at) == 0) {
        return false;
    }
    if (ref_take(text, at, 'e') || ref_take(text, at, 'E')) {
        if (!ref_take(text, at, '+')) {
            (void)ref_take(text, at, '-');
        }
        return ref_digits(text, at) > 0;
    }
    return true;
}

static inline bool ref_word(pen_slice text, size_t *at, pen_slice word)
{
    if (!pen_slice_starts(pen_slice_sub(text, *at, text.len), word)) {
        return false;
    }
    *at += word.len;
    return true;
}

static inline bool ref_scalar(pen_slice text, size_t *at, uint8_t *kind)
{
    pen_slice inner;
    if (*at >= text.len) {
        return false;
    }
    const uint8_t c = text.ptr[*at];
    if (c == '"') {
        *kind = PEN_STRING;
        return ref_string(text, at, &inner);
    }
    if (c == 't' || c == 'f') {
        *kind = PEN_BOOL;
        return ref_word(text, at, PEN_SLICE_LIT("true")) ||
               ref_word(text, at, PEN_SLICE_LIT("false"));
    }
    if (c == 'n') {
        *kind = PEN_NULL;
        return ref_word(text, at, PEN_SLICE_LIT("null"));
    }
    *kind = PEN_NUMBER;
    return ref_number(text, at);
}

/* The name of a member and its colon. */
static inline bool ref_name(pen_slice text, size_t *at, pen_slice *inner)
{
    ref_blanks(text, at);
    if (!ref_string(text, at, inner)) {
        return false;
    }
    ref_blanks(text, at);
    return ref_take(text, at, ':');
}

struct ref_stack {
    uint8_t closers[REF_LEVELS_MAX];
    uint32_t depth;
};

/* Behind a value: over closing brackets and one comma, to where the next value stands. */
static inline bool ref_after(pen_slice text, size_t *at, struct ref_stack *stack)
{
    pen_slice name;
    while (stack->depth > 0) {
        const uint8_t closer = stack->closers[stack->depth - 1];
        ref_blanks(text, at);
        if (ref_take(text, at, ',')) {
            return closer == ']' || ref_name(text, at, &name);
        }
        if (!ref_take(text, at, closer)) {
            return false;
        }
        stack->depth--;
    }
    return true;
}

/* One value of any kind, without the blanks around it.  False: no JSON, or too deep. */
static inline bool ref_value(pen_slice text, size_t *at, uint8_t *kind)
{
    struct ref_stack stack = {.depth = 0};
    bool is_first = true;
    do {
        uint8_t inner = 0;
        pen_slice name;
        ref_blanks(text, at);
        const uint8_t c = *at < text.len ? text.ptr[*at] : 0;
        if (c == '{' || c == '[') {
            inner = c == '{' ? PEN_OBJECT : PEN_ARRAY;
            if (stack.depth == REF_LEVELS_MAX) {
                return false;
            }
            (*at)++;
            stack.closers[stack.depth++] = (uint8_t)(c + 2);
            ref_blanks(text, at);
            if (!(*at < text.len && text.ptr[*at] == c + 2)) { /* not empty: its first value */
                if (c == '{' && !ref_name(text, at, &name)) {
                    return false;
                }
                if (is_first) {
                    *kind = inner;
                }
                is_first = false;
                continue;
            }
        } else if (!ref_scalar(text, at, &inner)) {
            return false;
        }
        if (is_first) {
            *kind = inner;
        }
        is_first = false;
        if (!ref_after(text, at, &stack)) {
            return false;
        }
    } while (stack.depth > 0);
    return true;
}

/* True when text, but for blanks around it, is exactly one object. */
static inline bool ref_is_object(pen_slice text)
{
    size_t at = 0;
    uint8_t kind = PEN_NULL;
    if (!ref_value(text, &at, &kind) || kind != PEN_OBJECT) {
        return false;
    }
    ref_blanks(text, &at);
    return at == text.len;
}

#endif
