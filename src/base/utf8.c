/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

/* Length of the sequence that first starts, with its least code point; 0: no first byte. */
static size_t sequence(uint8_t first, uint32_t *bits, uint32_t *least)
{
    if (first >= 0xc2 && first <= 0xdf) {
        *bits = first & 0x1fU;
        *least = 0x80;
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *bits = first & 0x0fU;
        *least = 0x800;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *bits = first & 0x07U;
        *least = 0x10000;
        return 4;
    }
    return 0;
}

/* One code point, or UINT32_MAX on bad input (then nothing moved). */
static uint32_t decode(pen_slice *s)
{
    const uint8_t first = s->ptr[0];
    if (first < 0x80) {
        s->ptr++;
        s->len--;
        return first;
    }
    uint32_t point = 0;
    uint32_t least = 0;
    const size_t n = sequence(first, &point, &least);
    if (n == 0 || n > s->len) {
        return UINT32_MAX;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s->ptr[i] & 0xc0) != 0x80) {
            return UINT32_MAX;
        }
        point = point << 6 | (s->ptr[i] & 0x3fU);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return UINT32_MAX;
    }
    s->ptr += n;
    s->len -= n;
    return point;
}

bool pen_utf8_valid(pen_slice s)
{
    while (s.len > 0) {
        if (decode(&s) == UINT32_MAX) {
            return false;
        }
    }
    return true;
}

uint32_t pen_utf8_next(pen_slice *s)
{
    PEN_CHECK(s->len > 0);
    const uint32_t point = decode(s);
    if (point != UINT32_MAX) {
        return point;
    }
    s->ptr++;
    s->len--;
    return 0xfffd;
}

size_t pen_utf8_put(uint32_t point, uint8_t out[4])
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xc0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point >= 0xd800 && point <= 0xdfff) {
        return 0;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xe0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (point & 0x3f));
        return 3;
    }
    if (point > 0x10ffff) {
        return 0;
    }
    out[0] = (uint8_t)(0xf0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (point & 0x3f));
    return 4;
}

static bool is_printable(uint32_t point)
{
    const bool is_control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    const bool is_bidi = (point >= 0x202a && point <= 0x202e) ||
                         (point >= 0x2066 && point <= 0x2069) || point == 0x200e ||
                         point == 0x200f || point == 0x061c;
    const bool is_line = point == 0x2028 || point == 0x2029 || point == 0xfeff;
    return !is_control && !is_bidi && !is_line;
}

/* The bytes of one code point (UINT32_MAX: of none), or their escape. */
static pen_status escape_point(struct pen_buf *out, pen_slice bytes, uint32_t point)
{
    if (point == UINT32_MAX) {
        return pen_buf_printf(out, "\\x%02x", bytes.ptr[0]);
    }
    if (is_printable(point)) {
        return pen_buf_add(out, bytes);
    }
    return pen_buf_printf(out, point < 0x80 ? "\\x%02x" : "\\u{%x}", point);
}

pen_status pen_escape_terminal(struct pen_buf *out, pen_slice s)
{
    while (s.len > 0) {
        const pen_slice before = s;
        const uint32_t point = decode(&s);
        const size_t used = point == UINT32_MAX ? 1 : before.len - s.len;
        PEN_TRY(escape_point(out, pen_slice_sub(before, 0, used), point));
        s = pen_slice_sub(before, used, before.len);
    }
    return PEN_OK;
}
