/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

int pen_slice_cmp(pen_slice a, pen_slice b)
{
    const size_t n = a.len < b.len ? a.len : b.len;
    const int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool pen_slice_eq_nocase(pen_slice a, pen_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

size_t pen_slice_find(pen_slice hay, pen_slice needle)
{
    if (needle.len == 0) {
        return 0;
    }
    if (hay.len < needle.len) {
        return SIZE_MAX;
    }
    const uint8_t *at = memmem(hay.ptr, hay.len, needle.ptr, needle.len);
    return at == NULL ? SIZE_MAX : (size_t)(at - hay.ptr);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

pen_slice pen_slice_trim(pen_slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool pen_slice_split(pen_slice *rest, uint8_t sep, pen_slice *head)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->ptr, sep, rest->len);
    if (at == NULL) {
        *head = *rest;
        *rest = (pen_slice){0};
        return true;
    }
    const size_t n = (size_t)(at - rest->ptr);
    *head = (pen_slice){rest->ptr, n};
    rest->ptr += n + 1;
    rest->len -= n + 1;
    return true;
}
