#include "penstock/match.h"

#include "internal.h"

#define EXPONENT_MAX INT64_C(1000000000000000)

/* 0.DIGITS times ten to the power of exponent; digits begin and end with no zero. */
struct decimal {
    bool is_negative;
    pen_slice whole, fraction; /* digits before and behind the point, as written */
    size_t skip, count;        /* significant digits among whole followed by fraction */
    int64_t exponent;
};

static pen_slice take_digits(pen_slice *rest)
{
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9') {
        n++;
    }
    const pen_slice digits = pen_slice_sub(*rest, 0, n);
    *rest = pen_slice_sub(*rest, n, rest->len);
    return digits;
}

static bool take_byte(pen_slice *rest, uint8_t a, uint8_t b)
{
    if (rest->len == 0 || (rest->ptr[0] != a && rest->ptr[0] != b)) {
        return false;
    }
    *rest = pen_slice_sub(*rest, 1, rest->len);
    return true;
}

static uint8_t digit_at(const struct decimal *d, size_t i)
{
    const size_t at = d->skip + i;
    return at < d->whole.len ? d->whole.ptr[at] : d->fraction.ptr[at - d->whole.len];
}

static struct decimal read_decimal(pen_slice s)
{
    struct decimal d = {0};
    d.is_negative = take_byte(&s, '-', '-');
    if (!d.is_negative) {
        (void)take_byte(&s, '+', '+');
    }
    d.whole = take_digits(&s);
    d.fraction = pen_slice_sub(s, 0, 0);
    if (take_byte(&s, '.', '.')) {
        d.fraction = take_digits(&s);
    }
    int64_t exponent = 0;
    if (take_byte(&s, 'e', 'E')) {
        const bool is_down = take_byte(&s, '-', '-');
        if (!is_down) {
            (void)take_byte(&s, '+', '+');
        }
        const pen_slice digits = take_digits(&s);
        for (size_t i = 0; i < digits.len && exponent < EXPONENT_MAX; i++) {
            exponent = exponent * 10 + (digits.ptr[i] - '0');
        }
        exponent = exponent > EXPONENT_MAX ? EXPONENT_MAX : exponent;
        exponent = is_down ? -exponent : exponent;
    }
    d.count = d.whole.len + d.fraction.len;
    while (d.count > 0 && digit_at(&d, 0) == '0') {
        d.skip++;
        d.count--;
    }
    while (d.count > 0 && digit_at(&d, d.count - 1) == '0') {
        d.count--;
    }
    d.exponent = exponent + (int64_t)d.whole.len - (int64_t)d.skip;
    return d;
}

static int magnitude_cmp(const struct decimal *a, const struct decimal *b)
{
    if (a->exponent != b->exponent) {
        return a->exponent < b->exponent ? -1 : 1;
    }
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const int difference = digit_at(a, i) - digit_at(b, i);
        if (difference != 0) {
            return difference;
        }
    }
    return a->count == b->count ? 0 : (a->count < b->count ? -1 : 1);
}

/* -1, 0 or 1. */
static int sign_of(const struct decimal *d)
{
    if (d->count == 0) {
        return 0;
    }
    return d->is_negative ? -1 : 1;
}

int pen_match_number_cmp(pen_slice a, pen_slice b)
{
    const struct decimal x = read_decimal(a);
    const struct decimal y = read_decimal(b);
    const int sx = sign_of(&x);
    const int sy = sign_of(&y);
    if (sx != sy || sx == 0) {
        return sx - sy;
    }
    return sx < 0 ? magnitude_cmp(&y, &x) : magnitude_cmp(&x, &y);
}

bool pen_match_cmp_holds(enum pen_cmp cmp, int order)
{
    switch (cmp) {
    case PEN_CMP_EQ:
        return order == 0;
    case PEN_CMP_LT:
        return order < 0;
    case PEN_CMP_LE:
        return order <= 0;
    case PEN_CMP_GT:
        return order > 0;
    case PEN_CMP_GE:
        return order >= 0;
    }
    return false;
}
