#include "internal.h"
#include "match_test.h"

static int part(const char *text, enum pen_part which)
{
    uint32_t value = 0;
    return pen_match_timepart(pen_slice_str(text), which, &value) ? (int)value : -1;
}

static void clock_is_read_as_written(void **state)
{
    (void)state;
    assert_int_equal(part("2024-01-01T23:59:00Z", PEN_PART_HOUR), 23);
    assert_int_equal(part("2024-01-01T23:59:00+05:00", PEN_PART_HOUR), 23);
    assert_int_equal(part("2024-01-01T23:59:00Z", PEN_PART_MINUTE), 59);
    assert_int_equal(part("2024-02-29", PEN_PART_DAY), 29);
    assert_int_equal(part("2024-02-29", PEN_PART_HOUR), 0);
    assert_int_equal(part("2024-02-30", PEN_PART_DAY), -1);
    assert_int_equal(part("yesterday", PEN_PART_DAY), -1);
    assert_int_equal(part("", PEN_PART_DAY), -1);
}

static void weeks_are_those_of_iso_8601(void **state)
{
    (void)state;
    assert_int_equal(part("2021-01-03", PEN_PART_WEEK), 53);
    assert_int_equal(part("2021-01-04", PEN_PART_WEEK), 1);
    assert_int_equal(part("2024-12-30", PEN_PART_WEEK), 1);
    assert_int_equal(part("2024-12-29", PEN_PART_WEEK), 52);
}

static void epochs_are_seconds_or_milliseconds(void **state)
{
    (void)state;
    assert_int_equal(part("1704153540", PEN_PART_HOUR), 23);
    assert_int_equal(part("1704153540000", PEN_PART_HOUR), 23);
    assert_int_equal(part("1704153540.75", PEN_PART_MINUTE), 59);
    assert_int_equal(part("-1", PEN_PART_YEAR), 1969);
    assert_int_equal(part("99999999999999999999", PEN_PART_YEAR), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_is_read_as_written),
        cmocka_unit_test(weeks_are_those_of_iso_8601),
        cmocka_unit_test(epochs_are_seconds_or_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
