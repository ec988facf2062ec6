/* tested by tests/unit/normalize/test_times.c */
#include "time_text.h"

#define FRACTION_DIGITS_MAX 9U
#define PLAIN_DIGITS_MAX 18

struct cursor {
    pen_slice rest;
    struct time_text *to;
};

static uint8_t first(const struct cursor *c)
{
    return c->rest.len == 0 ? 0 : c->rest.ptr[0];
}

static void pass(struct cursor *c, size_t n)
{
    c->rest = pen_slice_sub(c->rest, n, c->rest.len);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static void put(struct cursor *c, pen_slice text)
{
    PEN_CHECK(c->to->len + text.len <= TIME_TEXT_BYTES);
    if (text.len > 0) {
        memcpy(c->to->bytes + c->to->len, text.ptr, text.len);
        c->to->len += text.len;
    }
}

static bool take(struct cursor *c, uint8_t byte)
{
    const bool is_here = first(c) == byte;
    pass(c, is_here ? 1 : 0);
    return is_here;
}

/* That many digits: written, too. */
static bool digits(struct cursor *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i >= c->rest.len || !is_digit(c->rest.ptr[i])) {
            return false;
        }
    }
    put(c, pen_slice_sub(c->rest, 0, count));
    pass(c, count);
    return true;
}

/* The day of a week, Monday 1, whose first one has the year's first Thursday. */
static bool week_day(struct cursor *c, uint32_t week, uint32_t day)
{
    uint64_t year = 0;
    if (!pen_parse_u64((pen_slice){c->to->bytes, 4}, &year) || year < 1679 || year > 2260 ||
        week < 1 || day < 1 || day > 7) {
        return false;
    }
    const int64_t fourth = pen_days_from_civil((int32_t)year, 1, 4);
    const int64_t monday = fourth - ((fourth + 3) % 7 + 7) % 7 + ((int64_t)week - 1) * 7;
    const struct pen_civil thursday = pen_civil_from_ns((monday + 3) * PEN_NS_PER_DAY);
    const struct pen_civil at = pen_civil_from_ns((monday + day - 1) * PEN_NS_PER_DAY);
    char text[32];
    (void)pen_put_civil(text, &at);
    memcpy(c->to->bytes, text, 10);
    c->to->len = 10;
    return (uint64_t)thursday.year == year;
}

static bool date(struct cursor *c)
{
    if (!digits(c, 4)) {
        return false;
    }
    const bool has_dash = take(c, '-');
    put(c, PEN_SLICE_LIT("-"));
    if (!take(c, 'W')) {
        const bool has_month = digits(c, 2) && take(c, '-') == has_dash;
        put(c, PEN_SLICE_LIT("-"));
        return has_month && digits(c, 2);
    }
    const size_t at = c->to->len;
    if (!digits(c, 2)) {
        return false;
    }
    const uint32_t week =
        (uint32_t)(c->to->bytes[at] - '0') * 10 + (uint32_t)(c->to->bytes[at + 1] - '0');
    uint32_t day = 1;
    if (has_dash ? take(c, '-') : is_digit(first(c))) {
        day = (uint32_t)first(c) - '0';
        pass(c, 1);
    }
    return week_day(c, week, day);
}

/* Behind the digits of the seconds. */
static void fraction(struct cursor *c)
{
    size_t n = 1;
    if (first(c) != '.' && first(c) != ',') {
        return;
    }
    while (n < c->rest.len && is_digit(c->rest.ptr[n])) {
        n++;
    }
    if (n > 1) {
        put(c, PEN_SLICE_LIT("."));
        put(c, pen_slice_sub(c->rest, 1, n <= FRACTION_DIGITS_MAX ? n : FRACTION_DIGITS_MAX + 1));
    }
    pass(c, n);
}

static bool zone(struct cursor *c, pen_slice without)
{
    (void)take(c, ' ');
    if (c->rest.len == 0) {
        put(c, without);
        return true;
    }
    if (take(c, 'Z') || take(c, 'z')) {
        put(c, PEN_SLICE_LIT("Z"));
        return true;
    }
    if (first(c) != '+' && first(c) != '-') {
        return false;
    }
    put(c, pen_slice_sub(c->rest, 0, 1));
    pass(c, 1);
    bool is_whole = digits(c, 2);
    put(c, PEN_SLICE_LIT(":"));
    if (c->rest.len == 0) {
        put(c, PEN_SLICE_LIT("00"));
    } else {
        (void)take(c, ':');
        is_whole = is_whole && digits(c, 2);
    }
    return is_whole;
}

static bool clock_time(struct cursor *c)
{
    bool is_whole = digits(c, 2);
    const bool has_colon = first(c) == ':';
    bool goes_on = is_whole;
    for (uint32_t i = 0; i < 2; i++) { /* minutes and seconds, or not */
        goes_on = goes_on && (has_colon ? take(c, ':') : is_digit(first(c)));
        put(c, PEN_SLICE_LIT(":"));
        if (!goes_on) {
            put(c, PEN_SLICE_LIT("00"));
        } else {
            is_whole = is_whole && digits(c, 2);
        }
    }
    if (goes_on) {
        fraction(c);
    }
    return is_whole;
}

bool time_text_iso(pen_slice text, pen_slice without, struct time_text *out)
{
    struct cursor c = {.rest = pen_slice_trim(text), .to = out};
    out->len = 0;
    if (without.len > 6 || !date(&c)) {
        return false;
    }
    if (c.rest.len > 0 || without.len > 0) {
        const bool is_date = c.rest.len == 0;
        if (is_digit(first(&c))) {
            return false;
        }
        pass(&c, 1);
        put(&c, PEN_SLICE_LIT("T"));
        if (is_date) {
            put(&c, PEN_SLICE_LIT("00:00:00"));
        } else if (!clock_time(&c)) {
            return false;
        }
        if (!zone(&c, without)) {
            return false;
        }
    }
    return c.rest.len == 0;
}

/* ---- numbers ---- */

/* Behind the E: at most two digits with a sign. */
static bool exponent(pen_slice text, int32_t *out)
{
    const bool is_minus = pen_slice_starts(text, PEN_SLICE_LIT("-"));
    uint64_t value = 0;
    if (is_minus || pen_slice_starts(text, PEN_SLICE_LIT("+"))) {
        text = pen_slice_sub(text, 1, text.len);
    }
    *out = 0;
    if (text.len == 0 || text.len > 2 || !pen_parse_u64(text, &value)) {
        return false;
    }
    *out = is_minus ? -(int32_t)value : (int32_t)value;
    return true;
}

/* Digits of a number and where its point stands among them.  Returns how many bytes it has. */
static size_t mantissa(pen_slice number, struct cursor *c, int32_t *point)
{
    size_t at = 0;
    *point = -1;
    for (; at < number.len && (is_digit(number.ptr[at]) || (number.ptr[at] == '.' && *point < 0));
         at++) {
        if (number.ptr[at] == '.') {
            *point = (int32_t)c->to->len;
        } else if (c->to->len < (size_t)2 * PLAIN_DIGITS_MAX) {
            put(c, pen_slice_sub(number, at, at + 1));
        }
    }
    *point = *point < 0 ? (int32_t)c->to->len : *point;
    return at;
}

bool time_text_plain(pen_slice number, struct time_text *out)
{
    struct time_text all = {.len = 0};
    struct cursor from = {.to = &all};
    struct cursor to = {.to = out};
    int32_t point = 0;
    int32_t shift = 0;
    const size_t at = mantissa(number, &from, &point);
    if (all.len == 0 || at >= number.len || (number.ptr[at] | 0x20) != 'e' ||
        !exponent(pen_slice_sub(number, at + 1, number.len), &shift)) {
        return false;
    }
    point += shift;
    if (point < 1 || point > PLAIN_DIGITS_MAX) {
        return false;
    }
    const pen_slice digits_all = {all.bytes, all.len};
    out->len = 0;
    put(&to, pen_slice_sub(digits_all, 0, (size_t)point));
    while (out->len < (size_t)point) {
        put(&to, PEN_SLICE_LIT("0"));
    }
    if (all.len > (size_t)point) {
        put(&to, PEN_SLICE_LIT("."));
        put(&to, pen_slice_sub(digits_all, (size_t)point, all.len));
    }
    return true;
}
