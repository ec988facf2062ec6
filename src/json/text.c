#include "penstock/json.h"

#include "stage1.h"

#include <emmintrin.h>

static uint32_t hex4(const uint8_t *p)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t c = p[i];
        const uint32_t digit = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 0x20) - 'a') + 10;
        value = value << 4 | (digit & 15U);
    }
    return value;
}

/* The code point of a \u escape at in[*at] (behind the backslash and u); pairs are joined. */
static uint32_t unescape_u(pen_slice in, size_t *at)
{
    const uint32_t first = hex4(in.ptr + *at);
    *at += 4;
    if (first < 0xd800 || first > 0xdfff) {
        return first;
    }
    if (first < 0xdc00 && *at + 6 <= in.len && in.ptr[*at] == '\\' && in.ptr[*at + 1] == 'u') {
        const uint32_t second = hex4(in.ptr + *at + 2);
        if (second >= 0xdc00 && second <= 0xdfff) {
            *at += 6;
            return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        }
    }
    return 0xfffd; /* a lone surrogate */
}

static uint8_t unescape_simple(uint8_t c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* quote, backslash, slash */
    }
}

size_t pen_json_unescape(pen_slice in, uint8_t *out)
{
    size_t at = 0;
    size_t len = 0;
    while (at < in.len) {
        const uint8_t *next = memchr(in.ptr + at, '\\', in.len - at);
        const size_t plain = next == NULL ? in.len - at : (size_t)(next - in.ptr) - at;
        memmove(out + len, in.ptr + at, plain);
        len += plain;
        at += plain;
        if (next == NULL || at + 1 >= in.len) {
            break;
        }
        const uint8_t c = in.ptr[at + 1];
        at += 2;
        if (c == 'u' && at + 4 <= in.len) {
            len += pen_utf8_put(unescape_u(in, &at), out + len);
        } else {
            out[len++] = unescape_simple(c);
        }
    }
    return len;
}

static pen_status escape_one(struct pen_buf *out, uint8_t c)
{
    switch (c) {
    case '"':
        return pen_buf_add(out, PEN_SLICE_LIT("\\\""));
    case '\\':
        return pen_buf_add(out, PEN_SLICE_LIT("\\\\"));
    case '\n':
        return pen_buf_add(out, PEN_SLICE_LIT("\\n"));
    case '\r':
        return pen_buf_add(out, PEN_SLICE_LIT("\\r"));
    case '\t':
        return pen_buf_add(out, PEN_SLICE_LIT("\\t"));
    default:
        return pen_buf_printf(out, "\\u%04x", c);
    }
}

/* Bits of those of 16 bytes that are no plain ones: below the blank, or as signed bytes beyond
 * ASCII, a quote, a backslash. */
static uint32_t odd_bytes(const uint8_t *from)
{
    const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)from);
    const __m128i marks =
        _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\\')));
    const __m128i low = _mm_cmplt_epi8(c, _mm_set1_epi8(' '));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(marks, low));
}

/* Copies the bytes before the first one that is not plain, sixteen at a time, the last ones of a
 * longer text with some before them once more.  Returns how many; to has room for the text. */
static size_t put_plain(uint8_t *to, pen_slice text)
{
    size_t len = 0;
    if (text.len < 16) {
        uint8_t few[16] = "                ";
        pen_copy_short(few, text.ptr, text.len);
        const uint32_t odd = odd_bytes(few);
        len = odd == 0 ? text.len : (size_t)__builtin_ctz(odd);
        pen_copy_short(to, few, len);
        return len;
    }
    for (; len + 16 <= text.len; len += 16) {
        const uint32_t odd = odd_bytes(text.ptr + len);
        memcpy(to + len, text.ptr + len, 16);
        if (odd != 0) {
            return len + (size_t)__builtin_ctz(odd);
        }
    }
    const uint32_t odd = odd_bytes(text.ptr + text.len - 16) >> (16 - (text.len - len));
    memcpy(to + text.len - 16, text.ptr + text.len - 16, 16);
    return odd == 0 ? text.len : len + (size_t)__builtin_ctz(odd);
}

/* Writes what comes next of the text, plain bytes or one character, and steps over it. */
static pen_status escape_next(struct pen_buf *out, pen_slice *text)
{
    PEN_TRY(pen_buf_reserve(out, text->len)); /* no escape is shorter than what it stands for */
    const size_t plain = put_plain(out->ptr + out->len, *text);
    if (plain > 0) {
        out->len += plain;
        *text = pen_slice_sub(*text, plain, text->len);
        return PEN_OK;
    }
    const uint8_t c = text->ptr[0];
    if (c < 0x80) {
        *text = pen_slice_sub(*text, 1, text->len);
        return escape_one(out, c);
    }
    uint8_t utf8[4];
    const size_t n = pen_utf8_put(pen_utf8_next(text), utf8);
    return pen_buf_add(out, (pen_slice){utf8, n});
}

pen_status pen_json_escape(struct pen_buf *out, pen_slice text)
{
    while (text.len > 0) {
        PEN_TRY(escape_next(out, &text));
    }
    return PEN_OK;
}

/*
 * Copies bytes up to the first that needs a look: inside of a string a quote or a backslash,
 * outside a quote or a blank (or anything below).  Returns how many.  Writes up to 16 bytes more
 * than that.
 */
static size_t copy_plain(const uint8_t *from, size_t len, uint8_t *to, bool in_string)
{
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(' ');
    size_t i = 0;
    for (; i + 16 <= len; i += 16) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(from + i));
        const __m128i other =
            in_string ? _mm_cmpeq_epi8(x, backslash) : _mm_cmpeq_epi8(_mm_min_epu8(x, blank), x);
        const uint32_t marks =
            (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, quote), other));
        _mm_storeu_si128((__m128i *)(void *)(to + i), x);
        if (marks != 0) {
            return i + (size_t)__builtin_ctz(marks);
        }
    }
    while (i < len && from[i] != '"' && (in_string ? from[i] != '\\' : from[i] > ' ')) {
        to[i] = from[i];
        i++;
    }
    return i;
}

pen_status pen_json_compact(struct pen_buf *out, pen_slice value)
{
    PEN_TRY(pen_buf_reserve(out, value.len + 16));
    bool in_string = false;
    uint8_t *to = out->ptr + out->len;
    size_t i = 0;
    while (i < value.len) {
        const size_t n = copy_plain(value.ptr + i, value.len - i, to, in_string);
        i += n;
        to += n;
        if (i == value.len) {
            break;
        }
        const uint8_t c = value.ptr[i++];
        if (!in_string && c != '"') {
            continue; /* a blank */
        }
        *to++ = c;
        if (c == '"') {
            in_string = !in_string;
        } else if (i < value.len) { /* what the backslash escapes */
            *to++ = value.ptr[i++];
        }
    }
    out->len = (size_t)(to - out->ptr);
    return PEN_OK;
}

/* The inside of a string that has a backslash, written anew. */
static pen_status string_plain(struct pen_buf *out, pen_slice inside)
{
    struct pen_buf plain;
    pen_buf_init(&plain, inside.len + 1);
    pen_status st = pen_buf_reserve(&plain, inside.len);
    if (st == PEN_OK) {
        plain.len = pen_json_unescape(inside, plain.ptr);
        st = pen_json_escape(out, pen_buf_slice(&plain));
    }
    pen_buf_fini(&plain);
    return st;
}

/* The string whose opening quote is at *at; *at goes behind its end. */
static pen_status string_spaced(struct pen_buf *out, pen_slice value, size_t *at)
{
    const size_t from = *at + 1;
    size_t to = from;
    bool is_escaped = false;
    while (to < value.len && value.ptr[to] != '"') {
        is_escaped |= value.ptr[to] == '\\';
        to += value.ptr[to] == '\\' ? 2 : 1;
    }
    const pen_slice inside = pen_slice_sub(value, from, to);
    *at = to + 1;
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(is_escaped ? string_plain(out, inside) : pen_buf_add(out, inside));
    return pen_buf_add_byte(out, '"');
}

pen_status pen_json_spaced(struct pen_buf *out, pen_slice value)
{
    pen_status st = PEN_OK;
    for (size_t at = 0; at < value.len && st == PEN_OK;) {
        const uint8_t c = value.ptr[at];
        if (c == '"') {
            st = string_spaced(out, value, &at);
            continue;
        }
        at++;
        if (c == ',' || c == ':') {
            st = pen_buf_add(out, c == ',' ? PEN_SLICE_LIT(", ") : PEN_SLICE_LIT(": "));
        } else if (c > ' ') {
            st = pen_buf_add_byte(out, c);
        }
    }
    return st;
}

static size_t digits(pen_slice s, size_t at)
{
    while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9') {
        at++;
    }
    return at;
}

bool pen_json_is_number(pen_slice s)
{
    size_t at = s.len > 0 && s.ptr[0] == '-' ? 1 : 0;
    const size_t whole = at;
    at = digits(s, at);
    if (at == whole || (s.ptr[whole] == '0' && at > whole + 1)) {
        return false;
    }
    if (at < s.len && s.ptr[at] == '.') {
        const size_t fraction = digits(s, at + 1);
        if (fraction == at + 1) {
            return false;
        }
        at = fraction;
    }
    if (at < s.len && (s.ptr[at] | 0x20) == 'e') {
        at++;
        if (at < s.len && (s.ptr[at] == '+' || s.ptr[at] == '-')) {
            at++;
        }
        const size_t exponent = digits(s, at);
        if (exponent == at) {
            return false;
        }
        at = exponent;
    }
    return at == s.len;
}

pen_status pen_json_libraries(struct pen_buf *out)
{
    char version[64];
    stage1_version(version, sizeof(version));
    return pen_buf_printf(out, "simdjson %s\n", version);
}
