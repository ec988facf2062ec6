/* tested by tests/e2e/test_types_of.py */
#include "script.h"

bool script_is_one(pen_slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (script_is(text, *words)) {
            return true;
        }
    }
    return false;
}

static uint8_t *room(struct pen_normalizer *n, size_t bytes)
{
    struct pen_buf *buf = &n->scratch;
    if (bytes > buf->cap - buf->len) {
        return NULL;
    }
    uint8_t *at = buf->ptr + buf->len;
    buf->len += bytes;
    return at;
}

pen_slice script_lower(struct pen_normalizer *n, pen_slice text)
{
    uint8_t *to = room(n, text.len);
    if (to == NULL) {
        return (pen_slice){0};
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        to[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    }
    return (pen_slice){to, text.len};
}

pen_slice script_join(struct pen_normalizer *n, pen_slice a, pen_slice b)
{
    uint8_t *to = room(n, a.len + b.len);
    if (to == NULL) {
        return (pen_slice){0};
    }
    if (a.len > 0) {
        memcpy(to, a.ptr, a.len);
    }
    if (b.len > 0) {
        memcpy(to + a.len, b.ptr, b.len);
    }
    return (pen_slice){to, a.len + b.len};
}

pen_slice script_after_last(pen_slice text, uint8_t byte)
{
    size_t from = text.len;
    while (from > 0 && text.ptr[from - 1] != byte) {
        from--;
    }
    return pen_slice_sub(text, from, text.len);
}

pen_slice script_part(pen_slice text, uint8_t byte, uint32_t number)
{
    pen_slice part = {0};
    for (uint32_t i = 0; i <= number; i++) {
        if (!pen_slice_split(&text, byte, &part)) {
            return (pen_slice){0};
        }
    }
    return part;
}

pen_slice script_word(pen_slice *rest)
{
    size_t n = 0;
    while (n < rest->len && ((rest->ptr[n] >= '0' && rest->ptr[n] <= '9') || rest->ptr[n] == '_' ||
                             ((rest->ptr[n] | 0x20) >= 'a' && (rest->ptr[n] | 0x20) <= 'z'))) {
        n++;
    }
    const pen_slice word = pen_slice_sub(*rest, 0, n);
    *rest = pen_slice_sub(*rest, n, rest->len);
    return word;
}

pen_slice script_without_tail(pen_slice text, uint8_t byte)
{
    text = pen_slice_trim(text);
    while (text.len > 0 && text.ptr[text.len - 1] == byte) {
        text.len--;
    }
    return text;
}
