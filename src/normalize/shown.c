/* tested by tests/unit/normalize/test_times.c */
#include "shown.h"

#define CLOCK_AT 11U /* of the hour */
#define SECOND_LEN 19U
#define MICRO_LEN 27U /* with six digits and Z */
#define ZONE_LEN 6U
#define DAY_S 86400
#define CLOCK_FORM UINT64_C(0x30303a30303a3030) /* 00:00:00 */

static void put(char *out, const void *bytes, size_t n)
{
    memcpy(out, bytes, n);
}

static char *two_digits(char *out, uint32_t value)
{
    const uint16_t both = (uint16_t)('0' + value / 10 + (('0' + value % 10) << 8));
    put(out, &both, sizeof(both));
    return out + sizeof(both);
}

static PEN_COLD void day_set(struct nrm_shown *shown, int64_t time_s)
{
    const int64_t day = time_s / DAY_S - (time_s % DAY_S < 0);
    const struct pen_civil at = pen_civil_from_ns(day * PEN_NS_PER_DAY);
    (void)pen_put_civil(shown->midnight, &at);
    put(shown->midnight + SECOND_LEN, "+00:00", ZONE_LEN);
    shown->has_day = true;
    shown->day_s = day * DAY_S;
}

size_t nrm_shown_put_second(struct nrm_shown *shown, char *out, int64_t time_s)
{
    if (PEN_UNLIKELY(!shown->has_day || (uint64_t)(time_s - shown->day_s) >= DAY_S)) {
        day_set(shown, time_s);
    }
    const uint32_t of_day = (uint32_t)(time_s - shown->day_s);
    const uint32_t hour = of_day / 3600;
    const uint32_t minute = of_day % 3600 / 60;
    const uint32_t second = of_day % 60;
    /* All three at once, 24 bits apart as they stand in the text: 103 / 1024 is a tenth. */
    const uint64_t values = hour | (uint64_t)minute << 24 | (uint64_t)second << 48;
    const uint64_t tens = values * 103 >> 10 & UINT64_C(0x000f00000f00000f);
    const uint64_t clock = tens + ((values - tens * 10) << 8) + CLOCK_FORM;
    /* What is kept is never written in part: it is loaded as a whole, which would wait for that. */
    put(out, shown->midnight, sizeof(shown->midnight));
    put(out + CLOCK_AT, &clock, sizeof(clock));
    return SECOND_LEN + ZONE_LEN;
}

size_t nrm_shown_put(struct nrm_shown *shown, char *out, int64_t time_ns, int32_t offset_minutes)
{
    const int64_t local_ns = time_ns + offset_minutes * (60 * PEN_NS_PER_S);
    const int64_t time_s = local_ns / PEN_NS_PER_S - (local_ns % PEN_NS_PER_S < 0);
    const uint32_t micros = (uint32_t)(local_ns - time_s * PEN_NS_PER_S) / 1000;
    const size_t length = nrm_shown_put_second(shown, out, time_s);
    if (PEN_LIKELY(micros == 0 && offset_minutes == 0)) {
        return length;
    }
    char *p = out + SECOND_LEN;
    if (micros > 0) {
        *p++ = '.';
        p = pen_put_digits(p, micros, 6);
    }
    const uint32_t offset = (uint32_t)(offset_minutes < 0 ? -offset_minutes : offset_minutes);
    *p++ = offset_minutes < 0 ? '-' : '+';
    p = two_digits(p, offset / 60);
    *p++ = ':';
    return (size_t)(two_digits(p, offset % 60) - out);
}

/* ---- times of the day that was read last ---- */

void nrm_shown_keep(struct nrm_shown *shown, pen_slice text, int64_t time_ns)
{
    const uint8_t behind = text.len > SECOND_LEN ? text.ptr[SECOND_LEN] : 'Z';
    const bool is_utc =
        text.len == SECOND_LEN || (text.len > SECOND_LEN && text.ptr[text.len - 1] == 'Z' &&
                                   (behind == '.' || behind == 'Z'));
    const bool is_leap = text.len >= SECOND_LEN && text.ptr[SECOND_LEN - 2] == '6';
    shown->has_date = is_utc && time_ns >= 0 && !is_leap; /* that may be of the next day */
    if (shown->has_date) {
        memcpy(shown->date, text.ptr, sizeof(shown->date));
        shown->date_ns = time_ns - time_ns % PEN_NS_PER_DAY;
    }
}

static bool is_same_date(const struct nrm_shown *shown, const uint8_t *text)
{
    uint64_t first[2]; /* the last bytes of one are the first of the other */
    uint64_t second[2];
    memcpy(&first[0], text, 8);
    memcpy(&first[1], text + sizeof(shown->date) - 8, 8);
    memcpy(&second[0], shown->date, 8);
    memcpy(&second[1], shown->date + sizeof(shown->date) - 8, 8);
    return first[0] == second[0] && first[1] == second[1];
}

/* Eight bytes of which some are digits: what each differs from the form by, where a zero stands for
 * a digit.  False: some byte differs by more than 0x0f less its limit. */
static bool digits_read(const uint8_t *text, uint64_t form, uint64_t limits, uint64_t *digits)
{
    const uint64_t tops = UINT64_C(0xf0f0f0f0f0f0f0f0);
    memcpy(digits, text, sizeof(*digits));
    *digits ^= form;
    return ((*digits | (*digits + limits)) & tops) == 0;
}

static uint32_t pair_at(uint64_t digits, uint32_t at)
{
    return (uint32_t)(digits >> (8 * at) & 0xff) * 10 + (uint32_t)(digits >> (8 * at + 8) & 0xff);
}

/* hh:mm:ss, as seconds of the day; leap seconds are not read here.  False: something else. */
static bool clock_read(const uint8_t *text, uint32_t *second_of_day)
{
    uint64_t digits;
    if (!digits_read(text, CLOCK_FORM, UINT64_C(0x06060f06060f0606), &digits)) {
        return false;
    }
    const uint32_t hour = pair_at(digits, 0);
    const uint32_t minute = pair_at(digits, 3);
    const uint32_t second = pair_at(digits, 6);
    *second_of_day = hour * 3600 + minute * 60 + second;
    return hour <= 23 && minute <= 59 && second <= 59;
}

/* A dot, six digits, Z. */
static bool micros_read(const uint8_t *text, uint32_t *micros)
{
    uint64_t digits;
    if (!digits_read(text, UINT64_C(0x5a3030303030302e), UINT64_C(0x0f0606060606060f), &digits)) {
        return false;
    }
    *micros = pair_at(digits, 1) * 10000 + pair_at(digits, 3) * 100 + pair_at(digits, 5);
    return true;
}

bool nrm_shown_take(const struct nrm_shown *shown, pen_slice text, int64_t *time_ns, char *out,
                    size_t *length)
{
    uint32_t second = 0;
    uint32_t micros = 0;
    const bool is_micro = text.len == MICRO_LEN;
    const bool is_plain =
        text.len == SECOND_LEN || (text.len == SECOND_LEN + 1 && text.ptr[SECOND_LEN] == 'Z');
    if (!shown->has_date || (!is_micro && !is_plain) || !is_same_date(shown, text.ptr) ||
        !clock_read(text.ptr + CLOCK_AT, &second) ||
        (is_micro && !micros_read(text.ptr + SECOND_LEN, &micros))) {
        return false;
    }
    put(out, text.ptr, SECOND_LEN);
    out[CLOCK_AT - 1] = 'T';
    *length = SECOND_LEN;
    if (micros > 0) {
        put(out + SECOND_LEN, text.ptr + SECOND_LEN, MICRO_LEN - 1 - SECOND_LEN);
        *length = MICRO_LEN - 1;
    }
    put(out + *length, "+00:00", ZONE_LEN);
    *length += ZONE_LEN;
    *time_ns = shown->date_ns + second * PEN_NS_PER_S + micros * (PEN_NS_PER_S / 1000000);
    return true;
}
