#include "penstock/net.h"

static bool is_unreserved(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '-' ||
           b == '.' || b == '_' || b == '~';
}

static pen_status byte_encode(struct pen_buf *out, uint8_t b)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t text[] = {'%', (uint8_t)digits[b >> 4], (uint8_t)digits[b & 15]};
    return pen_buf_add(out, (pen_slice){text, sizeof(text)});
}

pen_status pen_uri_encode(struct pen_buf *out, pen_slice s, enum pen_uri_keep keep)
{
    size_t from = 0; /* kept bytes from here on are not yet copied */
    for (size_t i = 0; i < s.len; i++) {
        const uint8_t b = s.ptr[i];
        if (is_unreserved(b) || (b == '/' && keep == PEN_URI_KEEP_SLASH)) {
            continue;
        }
        PEN_TRY(pen_buf_add(out, pen_slice_sub(s, from, i)));
        PEN_TRY(byte_encode(out, b));
        from = i + 1;
    }
    return pen_buf_add(out, pen_slice_sub(s, from, s.len));
}

/* Drops what stands behind the last slash from from on, and the slash. */
static void segment_drop(struct pen_buf *out, size_t from)
{
    while (out->len > from && out->ptr[out->len - 1] != '/') {
        out->len--;
    }
    if (out->len > from) {
        out->len--;
    }
}

pen_status pen_uri_normalise(struct pen_buf *out, pen_slice path)
{
    const size_t from = out->len;
    const bool ends_open = path.len > 0 && path.ptr[path.len - 1] == '/';
    pen_slice rest = path;
    pen_slice segment;
    while (pen_slice_split(&rest, '/', &segment)) {
        if (segment.len == 0 || pen_slice_eq(segment, PEN_SLICE_LIT("."))) {
            continue;
        }
        if (pen_slice_eq(segment, PEN_SLICE_LIT(".."))) {
            segment_drop(out, from);
            continue;
        }
        PEN_TRY(pen_buf_add_byte(out, '/'));
        PEN_TRY(pen_buf_add(out, segment));
    }
    if (ends_open || out->len == from) {
        PEN_TRY(pen_buf_add_byte(out, '/'));
    }
    return PEN_OK;
}

static uint32_t digit_of(uint8_t c)
{
    const uint32_t lower = c | 0x20U;
    if (c >= '0' && c <= '9') {
        return c - (uint32_t)'0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : UINT32_MAX;
}

bool pen_uri_decode(uint8_t *text, size_t *len)
{
    size_t to = 0; /* never ahead of what is read */
    for (size_t i = 0; i < *len; i++) {
        uint32_t byte = text[i] == '+' ? (uint32_t)' ' : text[i];
        if (byte == '%') {
            const bool is_whole = *len - i > 2;
            const uint32_t high = is_whole ? digit_of(text[i + 1]) : UINT32_MAX;
            const uint32_t low = is_whole ? digit_of(text[i + 2]) : UINT32_MAX;
            if (high == UINT32_MAX || low == UINT32_MAX) {
                return false;
            }
            byte = high * 16 + low;
            i += 2;
        }
        text[to++] = (uint8_t)byte;
    }
    *len = to;
    return true;
}

pen_slice pen_uri_host(pen_slice url)
{
    const size_t at = pen_slice_find(url, PEN_SLICE_LIT("://"));
    const pen_slice rest = at == SIZE_MAX ? url : pen_slice_sub(url, at + 3, url.len);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != ':') {
        len++;
    }
    return pen_slice_sub(rest, 0, len);
}
