/* tested by tests/unit/detect/test_scalars.c */
#include "sigma.h"

#define DIGITS "0123456789"

static bool is_any(pen_slice text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pen_slice_eq(text, pen_slice_str(words[i]))) {
            return true;
        }
    }
    return false;
}

/* First place from `at` on that holds no byte of set. */
static size_t span(pen_slice s, size_t at, const char *set)
{
    while (at < s.len && s.ptr[at] != 0 && strchr(set, s.ptr[at]) != NULL) {
        at++;
    }
    return at;
}

static uint8_t byte_at(pen_slice s, size_t at)
{
    return at < s.len ? s.ptr[at] : 0;
}

/* ---- dates: YYYY-MM-DD, or with a time of day ---- */

/* Past exactly so many digits as given by least and most, or SIZE_MAX. */
static size_t digits(pen_slice s, size_t at, size_t least, size_t most)
{
    const size_t end = at == SIZE_MAX ? 0 : span(s, at, DIGITS);
    return at == SIZE_MAX || end - at < least || end - at > most ? SIZE_MAX : end;
}

static size_t byte_of(pen_slice s, size_t at, const char *set)
{
    return at == SIZE_MAX || byte_at(s, at) == 0 || strchr(set, byte_at(s, at)) == NULL ? SIZE_MAX
                                                                                        : at + 1;
}

static bool is_zone(pen_slice s, size_t at)
{
    at = span(s, at, " \t");
    if (at == s.len || (byte_at(s, at) == 'Z' && at + 1 == s.len)) {
        return true;
    }
    at = digits(s, byte_of(s, at, "+-"), 1, 2);
    if (at == SIZE_MAX || at == s.len) {
        return at != SIZE_MAX;
    }
    return digits(s, byte_of(s, at, ":"), 2, 2) == s.len;
}

static bool is_date(pen_slice s)
{
    size_t at = digits(s, 0, 4, 4);
    const size_t month = digits(s, byte_of(s, at, "-"), 1, 2);
    const size_t day = digits(s, byte_of(s, month, "-"), 1, 2);
    if (day == SIZE_MAX) {
        return false;
    }
    if (day == s.len) {
        return s.len == 10;
    }
    const size_t gap = span(s, day, " \t");
    at = gap > day ? gap : byte_of(s, day, "Tt");
    at = digits(s, at, 1, 2);
    at = digits(s, byte_of(s, at, ":"), 2, 2);
    at = digits(s, byte_of(s, at, ":"), 2, 2);
    if (at != SIZE_MAX && byte_at(s, at) == '.') {
        at = span(s, at + 1, DIGITS);
    }
    return at != SIZE_MAX && is_zone(s, at);
}

/* ---- numbers ---- */

struct number {
    uint8_t *out; /* room for the text and 24 bytes more */
    size_t len;
};

static void put_digits(struct number *n, pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '_') {
            n->out[n->len++] = s.ptr[i];
        }
    }
}

static void put_u64(struct number *n, uint64_t value)
{
    uint8_t reversed[20];
    size_t count = 0;
    do {
        reversed[count++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        n->out[n->len++] = reversed[--count];
    }
}

static uint32_t digit_of(uint8_t c)
{
    return c <= '9' ? (uint32_t)(c - '0') : (c | 0x20U) - 'a' + 10;
}

static enum scalar_kind put_based(struct number *n, pen_slice s, uint64_t base)
{
    uint64_t value = 0;
    bool has_digit = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_') {
            continue;
        }
        has_digit = true;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_of(s.ptr[i]), &value)) {
            return SCALAR_BAD;
        }
    }
    put_u64(n, value);
    return has_digit || base == 8 ? SCALAR_INTEGER : SCALAR_BAD;
}

/* End of "12:30:00" from at on; at itself when no group of minutes follows. */
static size_t base60_end(pen_slice s, size_t at)
{
    while (byte_at(s, at) == ':') {
        const size_t end = digits(s, at + 1, 1, 2);
        if (end == SIZE_MAX || (end - at == 3 && s.ptr[at + 1] > '5')) {
            break;
        }
        at = end;
    }
    return at;
}

static enum scalar_kind put_base60(struct number *n, pen_slice s)
{
    uint64_t total = 0;
    uint64_t group = 0;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] == '_') {
            continue;
        }
        if (i < s.len && s.ptr[i] != ':') {
            if (__builtin_mul_overflow(group, UINT64_C(10), &group)) {
                return SCALAR_BAD;
            }
            group += s.ptr[i] - '0';
            continue;
        }
        if (__builtin_mul_overflow(total, UINT64_C(60), &total) ||
            __builtin_add_overflow(total, group, &total)) {
            return SCALAR_BAD;
        }
        group = 0;
    }
    put_u64(n, total);
    return SCALAR_INTEGER;
}

/* s without its sign. */
static enum scalar_kind read_integer(struct number *n, pen_slice s, bool *is_base60)
{
    const uint8_t first = byte_at(s, 0);
    const uint8_t second = byte_at(s, 1);
    if (s.len > 2 && first == '0' && (second == 'b' || second == 'x')) {
        const bool is_hex = second == 'x';
        if (span(s, 2, is_hex ? DIGITS "abcdefABCDEF_" : "01_") != s.len) {
            return SCALAR_STRING;
        }
        return put_based(n, pen_slice_sub(s, 2, s.len), is_hex ? 16 : 2);
    }
    if (first == '0') {
        return span(s, 0, "01234567_") == s.len ? put_based(n, s, 8) : SCALAR_STRING;
    }
    if (first < '1' || first > '9') {
        return SCALAR_STRING;
    }
    const size_t end = span(s, 0, DIGITS "_");
    if (end == s.len) {
        put_digits(n, s);
        return SCALAR_INTEGER;
    }
    if (base60_end(s, end) != s.len) {
        return SCALAR_STRING;
    }
    *is_base60 = true;
    return put_base60(n, s);
}

static void put_fraction(struct number *n, pen_slice fraction)
{
    const size_t at = n->len;
    n->out[n->len++] = '.';
    put_digits(n, fraction);
    if (n->len == at + 1) {
        n->len = at;
    }
}

static pen_slice skip_zeros(pen_slice s)
{
    while (s.len > 1 && (s.ptr[0] == '0' || s.ptr[0] == '_')) {
        s = pen_slice_sub(s, 1, s.len);
    }
    return s.len == 1 && s.ptr[0] == '_' ? PEN_SLICE_LIT("0") : s;
}

static enum scalar_kind read_float(struct number *n, pen_slice s, bool is_signed, bool *is_base60)
{
    const bool starts_digit = byte_at(s, 0) >= '0' && byte_at(s, 0) <= '9';
    const size_t whole = starts_digit ? span(s, 0, DIGITS "_") : 0;
    const size_t groups = starts_digit ? base60_end(s, whole) : whole;
    if (byte_at(s, groups) != '.' || (!starts_digit && is_signed)) {
        return SCALAR_STRING;
    }
    if (!starts_digit && (byte_at(s, 1) < '0' || byte_at(s, 1) > '9')) {
        return SCALAR_STRING;
    }
    const size_t fraction = span(s, groups + 1, DIGITS "_");
    size_t end = fraction;
    if (groups == whole && (byte_at(s, end) | 0x20U) == 'e') {
        end = digits(s, byte_of(s, end + 1, "+-"), 1, 9);
    }
    if (end != s.len) {
        return SCALAR_STRING;
    }
    if (groups > whole) {
        *is_base60 = true;
        if (put_base60(n, pen_slice_sub(s, 0, groups)) != SCALAR_INTEGER) {
            return SCALAR_BAD;
        }
    } else {
        put_digits(n, whole == 0 ? PEN_SLICE_LIT("0") : skip_zeros(pen_slice_sub(s, 0, whole)));
    }
    put_fraction(n, pen_slice_sub(s, groups + 1, fraction));
    put_digits(n, pen_slice_sub(s, fraction, end));
    return SCALAR_FLOAT;
}

static struct scalar read_number(struct pen_arena *arena, pen_slice text)
{
    struct scalar out = {.text = text};
    const uint8_t sign = byte_at(text, 0);
    const bool is_signed = sign == '-' || sign == '+';
    const pen_slice rest = pen_slice_sub(text, is_signed ? 1 : 0, text.len);
    const uint8_t first = byte_at(rest, 0);
    if (first != '.' && (first < '0' || first > '9')) {
        return out; /* most scalars: no memory for them */
    }
    struct number n = {.out = pen_arena_alloc(arena, text.len + 24, 1)};
    PEN_CHECK(n.out != NULL);
    if (sign == '-') {
        n.out[n.len++] = '-';
    }
    const size_t start = n.len;
    out.kind = read_integer(&n, rest, &out.is_base60);
    if (out.kind == SCALAR_STRING) {
        n.len = start;
        out.kind = read_float(&n, rest, is_signed, &out.is_base60);
    }
    if (out.kind == SCALAR_INTEGER || out.kind == SCALAR_FLOAT) {
        out.text = (pen_slice){n.out, n.len};
    }
    return out;
}

struct scalar sigma_scalar(struct pen_arena *arena, const struct pen_yaml *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes",
                                      "YES",  "on",   "On",   "ON"};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No",
                                     "NO",    "off",   "Off",   "OFF"};
    static const char *const bad[] = {".inf",  ".Inf",  ".INF",  "-.inf", "-.Inf", "-.INF",
                                      "+.inf", "+.Inf", "+.INF", ".nan",  ".NaN",  ".NAN"};
    const pen_slice text = node->text;
    if (!node->is_plain) {
        return (struct scalar){.kind = SCALAR_STRING, .text = text};
    }
    if (is_any(text, nulls, PEN_COUNT(nulls))) {
        return (struct scalar){.kind = SCALAR_NULL, .text = text};
    }
    if (is_any(text, yes, PEN_COUNT(yes))) {
        return (struct scalar){.kind = SCALAR_BOOL, .text = PEN_SLICE_LIT("true")};
    }
    if (is_any(text, no, PEN_COUNT(no))) {
        return (struct scalar){.kind = SCALAR_BOOL, .text = PEN_SLICE_LIT("false")};
    }
    if (is_any(text, bad, PEN_COUNT(bad))) {
        return (struct scalar){.kind = SCALAR_BAD, .text = text};
    }
    if (is_date(text)) {
        return (struct scalar){.kind = SCALAR_DATE, .text = text};
    }
    return read_number(arena, text);
}
