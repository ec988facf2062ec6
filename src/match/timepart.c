#include "penstock/match.h"

#include "internal.h"

/* Epoch numbers from here on (in either direction) are milliseconds: 1e11 s is the year 5138. */
#define EPOCH_MS_FROM UINT64_C(100000000000)

static bool two_digits(pen_slice s, size_t at, uint8_t *out)
{
    if (at + 2 > s.len) {
        return false;
    }
    uint64_t value = 0;
    if (!pen_parse_u64(pen_slice_sub(s, at, at + 2), &value)) {
        return false;
    }
    *out = (uint8_t)value;
    return true;
}

/* The clock as written: the zone is checked but never applied. */
static bool read_written(pen_slice s, struct pen_civil *civil)
{
    int64_t ns = 0;
    uint64_t year = 0;
    if (s.len < 10 || s.ptr[4] != '-' || s.ptr[7] != '-' || !pen_parse_time(s, &ns) ||
        !pen_parse_u64(pen_slice_sub(s, 0, 4), &year)) {
        return false;
    }
    *civil = (struct pen_civil){.year = (int32_t)year};
    if (!two_digits(s, 5, &civil->month) || !two_digits(s, 8, &civil->day)) {
        return false;
    }
    if (s.len == 10) {
        return true; /* a date alone is midnight */
    }
    return s.len >= 16 && s.ptr[13] == ':' && two_digits(s, 11, &civil->hour) &&
           two_digits(s, 14, &civil->minute);
}

static bool read_epoch(pen_slice s, struct pen_civil *civil)
{
    if (!pen_json_is_number(s)) {
        return false;
    }
    const bool is_negative = s.ptr[0] == '-';
    pen_slice rest = pen_slice_sub(s, is_negative ? 1 : 0, s.len);
    pen_slice whole = {0};
    (void)pen_slice_split(&rest, '.', &whole);
    uint64_t value = 0;
    if (!pen_parse_u64(whole, &value)) {
        return false; /* exponents are no way to write an epoch */
    }
    int64_t scale = PEN_NS_PER_S;
    if (value >= EPOCH_MS_FROM) {
        scale = PEN_NS_PER_S / 1000;
    }
    if (value > (uint64_t)(INT64_MAX / scale) - 1) {
        return false;
    }
    int64_t ns = (int64_t)value * scale;
    if (is_negative) {
        ns = -ns - (whole.len + 1 < s.len ? 1 : 0); /* a fraction lies below the whole second */
    }
    *civil = pen_civil_from_ns(ns);
    return true;
}

/* ISO 8601: the week of a date is that of its Thursday. */
static uint32_t iso_week(const struct pen_civil *civil)
{
    const int64_t day = pen_days_from_civil(civil->year, civil->month, civil->day);
    const int64_t weekday = ((day + 3) % 7 + 7) % 7; /* Monday 0; 1970-01-01 was a Thursday */
    const int64_t thursday = day - weekday + 3;
    const struct pen_civil at = pen_civil_from_ns(thursday * PEN_NS_PER_DAY);
    return (uint32_t)((thursday - pen_days_from_civil(at.year, 1, 1)) / 7 + 1);
}

bool pen_match_timepart(pen_slice text, enum pen_part part, uint32_t *value)
{
    struct pen_civil civil;
    if (!read_written(text, &civil) && !read_epoch(text, &civil)) {
        return false;
    }
    switch (part) {
    case PEN_PART_MINUTE:
        *value = civil.minute;
        return true;
    case PEN_PART_HOUR:
        *value = civil.hour;
        return true;
    case PEN_PART_DAY:
        *value = civil.day;
        return true;
    case PEN_PART_WEEK:
        *value = iso_week(&civil);
        return true;
    case PEN_PART_MONTH:
        *value = civil.month;
        return true;
    case PEN_PART_YEAR:
        *value = (uint32_t)civil.year;
        return true;
    }
    return false;
}
