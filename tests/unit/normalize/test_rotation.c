#include "rotation.h"
#include "test.h"

static int64_t at(const char *text)
{
    int64_t ns = 0;
    assert_true(pen_parse_time(pen_slice_str(text), &ns));
    return ns;
}

static void ends_with(enum pen_rotation rotation, const char *time, const char *tail)
{
    struct nrm_period period;
    const int64_t ns = at(time);
    nrm_period_at(rotation, ns, &period);
    assert_string_equal(period.tail, tail);
    assert_true(period.begin_ns <= ns && ns < period.end_ns);
}

/* Both ends of the period of a moment. */
static void lasts(enum pen_rotation rotation, const char *time, const char *begin, const char *end)
{
    struct nrm_period period;
    nrm_period_at(rotation, at(time), &period);
    assert_true(period.begin_ns == at(begin));
    assert_true(period.end_ns == at(end));
}

static void months_are_the_calendars(void **state)
{
    (void)state;
    ends_with(PEN_ROTATE_MONTHLY, "2025-03-31T23:59:59.999Z", "-2025-03");
    ends_with(PEN_ROTATE_MONTHLY, "2025-12-01T00:00:00Z", "-2025-12");
    ends_with(PEN_ROTATE_MONTHLY, "1969-12-31T23:59:59Z", "-1969-12");
    lasts(PEN_ROTATE_MONTHLY, "2024-02-29T12:00:00Z", "2024-02-01", "2024-03-01");
    lasts(PEN_ROTATE_MONTHLY, "2024-12-31T12:00:00Z", "2024-12-01", "2025-01-01");
}

/* The weeks at the turn of a year are where ISO 8601 and a count from January differ. */
static void weeks_are_those_of_iso_8601(void **state)
{
    (void)state;
    ends_with(PEN_ROTATE_WEEKLY, "2025-03-04T05:06:07Z", "-2025-w10");
    ends_with(PEN_ROTATE_WEEKLY, "2024-12-29T23:59:59Z", "-2024-w52");
    ends_with(PEN_ROTATE_WEEKLY, "2024-12-30T00:00:00Z", "-2025-w01");
    ends_with(PEN_ROTATE_WEEKLY, "2021-01-03T23:59:59Z", "-2020-w53");
    ends_with(PEN_ROTATE_WEEKLY, "2021-01-04T00:00:00Z", "-2021-w01");
    ends_with(PEN_ROTATE_WEEKLY, "1969-12-29T00:00:00Z", "-1970-w01");
    ends_with(PEN_ROTATE_WEEKLY, "1969-12-28T23:59:59Z", "-1969-w52");
    lasts(PEN_ROTATE_WEEKLY, "2025-01-01T12:00:00Z", "2024-12-30", "2025-01-06");
}

static void days_and_years_end_at_midnight(void **state)
{
    (void)state;
    ends_with(PEN_ROTATE_DAILY, "2025-03-04T23:59:59.999999999Z", "-2025-03-04");
    ends_with(PEN_ROTATE_DAILY, "1969-12-31T00:00:00Z", "-1969-12-31");
    lasts(PEN_ROTATE_DAILY, "2024-02-29T00:00:00Z", "2024-02-29", "2024-03-01");
    ends_with(PEN_ROTATE_YEARLY, "2025-01-01T00:00:00Z", "-2025");
    ends_with(PEN_ROTATE_YEARLY, "1969-12-31T23:59:59Z", "-1969");
    lasts(PEN_ROTATE_YEARLY, "2024-02-29T00:00:00Z", "2024-01-01", "2025-01-01");
}

static void names_without_a_time_are_for_all_times(void **state)
{
    (void)state;
    struct nrm_period period;
    nrm_period_at(PEN_ROTATE_AUTO, 0, &period);
    assert_string_equal(period.tail, "");
    assert_true(period.begin_ns == INT64_MIN && period.end_ns == INT64_MAX);
    nrm_period_at(PEN_ROTATE_AOSS, 0, &period);
    assert_string_equal(period.tail, "-001");
    assert_true(period.begin_ns == INT64_MIN && period.end_ns == INT64_MAX);
}

/* A period that time in nanoseconds does not reach the ends of goes as far as it does. */
static void ends_of_time_do_not_overflow(void **state)
{
    (void)state;
    for (enum pen_rotation rotation = PEN_ROTATE_MONTHLY; rotation <= PEN_ROTATE_AOSS; rotation++) {
        struct nrm_period period;
        nrm_period_at(rotation, INT64_MAX, &period);
        assert_true(period.begin_ns > 0 || period.begin_ns == INT64_MIN);
        assert_true(period.end_ns == INT64_MAX);
        nrm_period_at(rotation, INT64_MIN + 1, &period);
        assert_true(period.begin_ns == INT64_MIN && period.end_ns > INT64_MIN + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(months_are_the_calendars),
        cmocka_unit_test(weeks_are_those_of_iso_8601),
        cmocka_unit_test(days_and_years_end_at_midnight),
        cmocka_unit_test(names_without_a_time_are_for_all_times),
        cmocka_unit_test(ends_of_time_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
