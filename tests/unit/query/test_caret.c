#include "penstock/query.h"

#include "test.h"

#include <stdio.h>

static void check(const char *text, uint64_t offset, const char *want)
{
    struct pen_buf out;
    struct pen_err err = {.status = PEN_E_USAGE, .offset = offset};
    (void)snprintf(err.text, sizeof(err.text), "why");
    pen_buf_init(&out, 65536);
    assert_int_equal(pen_query_caret(&out, pen_slice_str(text), &err), PEN_OK);
    assert_int_equal(pen_buf_add_byte(&out, 0), PEN_OK);
    assert_string_equal((const char *)out.ptr, want);
    pen_buf_fini(&out);
}

static void the_caret_stands_under_the_place(void **state)
{
    (void)state;
    check("a )", 2, "a )\n  ^ why\n");
    check("", 0, "\n^ why\n");
    check("abc", 3, "abc\n   ^ why\n");
    check("\xc3\xa9\xc3\xa9 )", 5, "\xc3\xa9\xc3\xa9 )\n   ^ why\n");
    check("a\nb )\nc", 4, "b )\n  ^ why\n");
    check("a\nb", 1, "a\n ^ why\n");
}

static void a_place_outside_the_query_gives_the_reason_alone(void **state)
{
    (void)state;
    check("abc", 4, "why\n");
    check("abc", PEN_NO_OFFSET, "why\n");
}

static void a_terminal_is_not_disturbed_by_the_query(void **state)
{
    (void)state;
    check("\x1b[2J )", 5, "\\x1b[2J )\n        ^ why\n");
}

static void a_long_line_is_cut_around_the_place(void **state)
{
    (void)state;
    char text[301];
    char want[400];
    memset(text, 'x', 300);
    text[300] = '\0';
    (void)snprintf(want, sizeof(want), "...%.110s...\n%73s^ why\n", text, "");
    check(text, 150, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_caret_stands_under_the_place),
        cmocka_unit_test(a_place_outside_the_query_gives_the_reason_alone),
        cmocka_unit_test(a_terminal_is_not_disturbed_by_the_query),
        cmocka_unit_test(a_long_line_is_cut_around_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
