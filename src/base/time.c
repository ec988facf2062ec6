/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#include <time.h>

#define YEAR_MIN 1678
#define YEAR_MAX 2261

/* Days since 1970-01-01 of a proleptic Gregorian date, counted in 400-year eras from March. */
int64_t pen_days_from_civil(int32_t year, uint32_t month, uint32_t day)
{
    const int64_t y = (int64_t)year - (month <= 2);
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t year_of_era = y - era * 400;
    const int64_t shifted = (int64_t)month + (month > 2 ? -3 : 9);
    const int64_t day_of_year = (153 * shifted + 2) / 5 + (int64_t)day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct pen_civil pen_civil_from_ns(int64_t ns)
{
    int64_t days = ns / PEN_NS_PER_DAY;
    int64_t rest = ns % PEN_NS_PER_DAY;
    if (rest < 0) {
        rest += PEN_NS_PER_DAY;
        days--;
    }
    const int64_t z = days + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;
    const int64_t month = mp < 10 ? mp + 3 : mp - 9;
    const int64_t seconds = rest / PEN_NS_PER_S;
    return (struct pen_civil){.year = (int32_t)(yoe + era * 400 + (month <= 2)),
                              .month = (uint8_t)month,
                              .day = (uint8_t)(doy - (153 * mp + 2) / 5 + 1),
                              .hour = (uint8_t)(seconds / 3600),
                              .minute = (uint8_t)(seconds / 60 % 60),
                              .second = (uint8_t)(seconds % 60),
                              .nanosecond = (uint32_t)(rest % PEN_NS_PER_S)};
}

/* n digits at s[at..]; false when there are none. */
static bool digits(pen_slice s, size_t at, size_t n, uint32_t *out)
{
    uint32_t value = 0;
    if (at + n > s.len) {
        return false;
    }
    for (size_t i = at; i < at + n; i++) {
        const uint32_t digit = (uint32_t)s.ptr[i] - '0';
        if (digit > 9) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static bool parse_date(pen_slice s, int64_t *days)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year = 0;
    uint32_t month = 0;
    uint32_t day = 0;
    if (!digits(s, 0, 4, &year) || !digits(s, 5, 2, &month) || !digits(s, 8, 2, &day) ||
        s.ptr[4] != '-' || s.ptr[7] != '-' || year < YEAR_MIN || year > YEAR_MAX || month < 1 ||
        month > 12 || day < 1) {
        return false;
    }
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > month_days[month - 1] + (uint32_t)(month == 2 && is_leap)) {
        return false;
    }
    *days = pen_days_from_civil((int32_t)year, month, day);
    return true;
}

/* Z, +hh:mm, +hhmm, +hh or nothing: seconds east of UTC. */
static bool parse_zone(pen_slice s, int64_t *east_s)
{
    *east_s = 0;
    if (s.len == 0 || (s.len == 1 && (s.ptr[0] == 'Z' || s.ptr[0] == 'z'))) {
        return true;
    }
    const bool is_colon = s.len == 6 && s.ptr[3] == ':';
    uint32_t hours = 0;
    uint32_t minutes = 0;
    if ((s.ptr[0] != '+' && s.ptr[0] != '-') || !(is_colon || s.len == 5 || s.len == 3) ||
        !digits(s, 1, 2, &hours) || hours > 23) {
        return false;
    }
    if (s.len > 3 && (!digits(s, is_colon ? 4 : 3, 2, &minutes) || minutes > 59)) {
        return false;
    }
    const int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *east_s = s.ptr[0] == '-' ? -seconds : seconds;
    return true;
}

/* Fraction digits at s[at..], dot or comma before them; returns where they end. */
static size_t parse_fraction(pen_slice s, size_t at, uint32_t *ns)
{
    *ns = 0;
    if (at >= s.len || (s.ptr[at] != '.' && s.ptr[at] != ',')) {
        return at;
    }
    size_t end = at + 1;
    uint32_t scale = 100000000;
    while (end < s.len && s.ptr[end] >= '0' && s.ptr[end] <= '9') {
        *ns += ((uint32_t)s.ptr[end] - '0') * scale;
        scale /= 10;
        end++;
    }
    return end == at + 1 ? at : end;
}

bool pen_parse_time(pen_slice s, int64_t *ns)
{
    int64_t days = 0;
    uint32_t hour = 0;
    uint32_t minute = 0;
    uint32_t second = 0;
    if (s.len < 10 || !parse_date(s, &days)) {
        return false;
    }
    if (s.len == 10) {
        *ns = days * PEN_NS_PER_DAY;
        return true;
    }
    if ((s.ptr[10] != 'T' && s.ptr[10] != 't' && s.ptr[10] != ' ') || !digits(s, 11, 2, &hour) ||
        !digits(s, 14, 2, &minute) || s.ptr[13] != ':' || hour > 23 || minute > 59) {
        return false;
    }
    size_t at = 16;
    uint32_t fraction = 0;
    if (at < s.len && s.ptr[at] == ':') {
        if (!digits(s, 17, 2, &second) || second > 60) {
            return false;
        }
        at = parse_fraction(s, 19, &fraction);
    }
    int64_t east_s = 0;
    if (!parse_zone(pen_slice_sub(s, at, s.len), &east_s)) {
        return false;
    }
    const int64_t seconds = (int64_t)hour * 3600 + (int64_t)minute * 60 + second - east_s;
    *ns = days * PEN_NS_PER_DAY + seconds * PEN_NS_PER_S + fraction;
    return true;
}

char *pen_put_digits(char *out, uint32_t value, uint32_t width)
{
    for (uint32_t i = width; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

char *pen_put_civil(char *out, const struct pen_civil *c)
{
    char *p = pen_put_digits(out, (uint32_t)c->year, 4); /* 1677 to 2262: nanoseconds of 64 bits */
    *p++ = '-';
    p = pen_put_digits(p, c->month, 2);
    *p++ = '-';
    p = pen_put_digits(p, c->day, 2);
    *p++ = 'T';
    p = pen_put_digits(p, c->hour, 2);
    *p++ = ':';
    p = pen_put_digits(p, c->minute, 2);
    *p++ = ':';
    return pen_put_digits(p, c->second, 2);
}

size_t pen_format_time(int64_t ns, char out[PEN_TIME_MAX])
{
    const struct pen_civil c = pen_civil_from_ns(ns);
    char *p = pen_put_civil(out, &c);
    if (c.nanosecond != 0) {
        *p++ = '.';
        p = pen_put_digits(p, c.nanosecond, 9);
        while (p[-1] == '0') {
            p--;
        }
    }
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    PEN_CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * PEN_NS_PER_S + now.tv_nsec;
}

int64_t pen_clock_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t pen_clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t pen_clock_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
