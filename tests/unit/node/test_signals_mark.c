#include "signals_mark.h"

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

static struct signals_mark made(uint32_t runs)
{
    struct signals_mark mark = {
        .lines_bytes = UINT64_MAX,
        .totals = {.opened = 15, .by_severity = {1, 2, 3, 4, 5}, .shadow = 9, .suppressed = 7}};
    for (uint32_t i = 0; i < runs; i++) {
        signals_mark_add(&mark, INT64_MAX - 1000 + 2 * i, INT64_MAX - 1000 + 2 * i + 1);
    }
    return mark;
}

static void a_mark_is_read_as_it_was_written(void **unused)
{
    (void)unused;
    for (uint32_t runs = 0; runs <= SIGNALS_MARK_RUNS_MAX; runs++) {
        const struct signals_mark mark = made(runs);
        struct signals_mark got;
        char text[SIGNALS_MARK_MAX];
        signals_mark_write(&mark, text);
        assert_int_equal(signals_mark_read(&got, text, NULL), PEN_OK);
        assert_memory_equal(&got, &mark, sizeof(got));
    }
}

static void ranges_beyond_the_limit_become_one(void **unused)
{
    (void)unused;
    const struct signals_mark mark = made(SIGNALS_MARK_RUNS_MAX + 2);
    const struct signals_mark full = made(SIGNALS_MARK_RUNS_MAX);
    assert_int_equal(mark.run_count, SIGNALS_MARK_RUNS_MAX);
    assert_int_equal(mark.runs[mark.run_count - 1].from, full.runs[full.run_count - 1].from);
    assert_int_equal(mark.runs[mark.run_count - 1].to, full.runs[full.run_count - 1].to + 4);
}

static void the_ranges_are_a_condition(void **unused)
{
    (void)unused;
    struct signals_mark mark = {0};
    struct pen_buf out;
    pen_buf_init(&out, 1000);
    signals_mark_add(&mark, 1, 20);
    signals_mark_add(&mark, 22, 23);
    assert_int_equal(signals_mark_sql(&mark, &out), PEN_OK);
    assert_string_equal((const char *)out.ptr,
                        " AND run NOT BETWEEN 1 AND 20 AND run NOT BETWEEN 22 AND 23");
    pen_buf_fini(&out);
}

static void what_is_no_mark_is_refused(void **unused)
{
    (void)unused;
    const char *const bad[] = {"x", "1 2 3", "1 2 3 4 5 6 7 8 9 10", "1 2 3 4 5 6 7 8 -8",
                               "1  2 3 4 5 6 7 8"};
    struct signals_mark mark;
    struct pen_err err = {0};
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        assert_int_equal(signals_mark_read(&mark, bad[i], &err), PEN_E_CORRUPT);
    }
    assert_int_equal(signals_mark_read(&mark, "", &err), PEN_OK);
    assert_int_equal(mark.run_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_is_read_as_it_was_written),
        cmocka_unit_test(ranges_beyond_the_limit_become_one),
        cmocka_unit_test(the_ranges_are_a_condition),
        cmocka_unit_test(what_is_no_mark_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
