#include "rotation.h"

#include <stdio.h>

#define WEEK_DAYS 7
#define EPOCH_WEEKDAY 3 /* 1970-01-01 was a Thursday; Monday is 0 */

static int64_t ns_of_day(int64_t day)
{
    int64_t ns = 0;
    const bool is_over = __builtin_mul_overflow(day, PEN_NS_PER_DAY, &ns);
    return !is_over ? ns : day < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t day_of(int64_t time_ns)
{
    const int64_t day = time_ns / PEN_NS_PER_DAY;
    return day - (time_ns % PEN_NS_PER_DAY < 0);
}

static void set(struct nrm_period *out, int64_t first_day, int64_t last_day)
{
    out->begin_ns = ns_of_day(first_day);
    out->end_ns = ns_of_day(last_day + 1);
}

static void month_at(struct pen_civil at, struct nrm_period *out)
{
    const bool is_last = at.month == 12;
    set(out, pen_days_from_civil(at.year, at.month, 1),
        pen_days_from_civil(at.year + (is_last ? 1 : 0), is_last ? 1 : (uint32_t)at.month + 1, 1) -
            1);
    (void)snprintf(out->tail, sizeof(out->tail), "-%04d-%02u", (int)at.year, (unsigned)at.month);
}

static void week_at(int64_t day, struct nrm_period *out)
{
    const int64_t since = (day + EPOCH_WEEKDAY) % WEEK_DAYS;
    const int64_t monday = day - (since < 0 ? since + WEEK_DAYS : since);
    const int64_t thursday = monday + EPOCH_WEEKDAY;
    const struct pen_civil at = pen_civil_from_ns(ns_of_day(thursday));
    const int64_t week = (thursday - pen_days_from_civil(at.year, 1, 1)) / WEEK_DAYS + 1;
    set(out, monday, monday + WEEK_DAYS - 1);
    (void)snprintf(out->tail, sizeof(out->tail), "-%04d-w%02u", (int)at.year, (unsigned)week % 100);
}

void nrm_period_at(enum pen_rotation rotation, int64_t time_ns, struct nrm_period *out)
{
    const struct pen_civil at = pen_civil_from_ns(time_ns);
    const int64_t day = day_of(time_ns);
    *out = (struct nrm_period){.begin_ns = INT64_MIN, .end_ns = INT64_MAX};
    switch (rotation) {
    case PEN_ROTATE_DAILY:
        set(out, day, day);
        (void)snprintf(out->tail, sizeof(out->tail), "-%04d-%02u-%02u", (int)at.year,
                       (unsigned)at.month, (unsigned)at.day);
        break;
    case PEN_ROTATE_WEEKLY:
        week_at(day, out);
        break;
    case PEN_ROTATE_MONTHLY:
        month_at(at, out);
        break;
    case PEN_ROTATE_YEARLY:
        set(out, pen_days_from_civil(at.year, 1, 1), pen_days_from_civil(at.year + 1, 1, 1) - 1);
        (void)snprintf(out->tail, sizeof(out->tail), "-%04d", (int)at.year);
        break;
    case PEN_ROTATE_AUTO:
        break;
    case PEN_ROTATE_AOSS:
        (void)snprintf(out->tail, sizeof(out->tail), "-001");
        break;
    }
}
