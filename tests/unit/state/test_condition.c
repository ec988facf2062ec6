#include "penstock/state.h"

#include <stdio.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

static const pen_slice names[] = {PEN_SLICE_LIT("a"), PEN_SLICE_LIT("b"), PEN_SLICE_LIT("c2_x")};

static bool verdict(const char *text, int a, int b, int c)
{
    struct pen_arena arena;
    struct pen_condition condition;
    struct pen_err err = {0};
    const pen_quantity values[] = {a * PEN_QUANTITY_ONE, b * PEN_QUANTITY_ONE,
                                   c * PEN_QUANTITY_ONE};
    pen_arena_init(&arena, 1 << 20);
    const pen_status st =
        pen_condition_parse(&arena, pen_slice_str(text), names, 3, &condition, &err);
    if (st != PEN_OK) {
        print_message("%s: %s at %zu\n", text, err.text, (size_t)err.offset);
    }
    assert_int_equal(st, PEN_OK);
    const bool is_true = pen_condition_eval(&condition, 0, condition.count, values);
    pen_arena_fini(&arena);
    return is_true;
}

static void comparisons_and_their_order(void **unused)
{
    (void)unused;
    assert_true(verdict("a > 0", 1, 0, 0));
    assert_false(verdict("a > 0", 0, 9, 9));
    assert_true(verdict("a>=3", 3, 0, 0));
    assert_true(verdict("a < 3", 2, 0, 0));
    assert_true(verdict("a<=3", 3, 0, 0));
    assert_true(verdict("5 > c2_x", 0, 0, 4));
    assert_true(verdict("a * 2 > b", 3, 5, 0));
    assert_false(verdict("2 * a > b", 2, 5, 0));
    assert_true(verdict("a > b*3", 10, 3, 0));
    assert_true(verdict("", 0, 0, 0));
    assert_true(verdict(" \n", 0, 0, 0));
}

static void and_binds_tighter_than_or(void **unused)
{
    (void)unused;
    const char *plain = "a > 0 || b > 0 && c2_x > 0";
    const char *grouped = "(a > 0 || b > 0) && c2_x > 0";
    for (int bits = 0; bits < 8; bits++) {
        const int a = bits & 1;
        const int b = (bits >> 1) & 1;
        const int c = bits >> 2;
        assert_int_equal(verdict(plain, a, b, c), a || (b && c));
        assert_int_equal(verdict(grouped, a, b, c), (a || b) && c);
        assert_int_equal(verdict("((a>0)&&((b>0)||(c2_x>0)))", a, b, c), a && (b || c));
        assert_int_equal(verdict("a>0&&b>0||c2_x>0&&a>0", a, b, c), (a && b) || (c && a));
    }
}

static void then_keeps_both_sides_apart(void **unused)
{
    (void)unused;
    struct pen_arena arena;
    struct pen_condition condition;
    struct pen_err err;
    pen_arena_init(&arena, 1 << 20);
    assert_int_equal(pen_condition_parse(&arena, PEN_SLICE_LIT("a > 5 && b > 0 THEN c2_x > 0"),
                                         names, 3, &condition, &err),
                     PEN_OK);
    assert_int_equal(condition.count, 4);
    assert_int_equal(condition.then_count, 3);
    const pen_quantity values[] = {6 * PEN_QUANTITY_ONE, PEN_QUANTITY_ONE, 0};
    assert_true(pen_condition_eval(&condition, 0, 3, values));
    assert_false(pen_condition_eval(&condition, 3, 4, values));
    pen_arena_fini(&arena);
}

static void mistakes_have_a_place(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int offset;
    } rows[] = {{"a", 1},
                {"a >", 3},
                {"a > 0 &&", 8},
                {"(a > 0", 0},
                {"a > 0)", 5},
                {"d > 0", 0},
                {"a == 0", 2},
                {"a != 0", 2},
                {"a > 0.5", 4},
                {"a > -1", 4},
                {"a + b > 0", 2},
                {"a > 0 b > 0", 6},
                {"a > 0 THEN", 10},
                {"a > 0 and b", 6},
                {"a * b > 0", 4},
                {"2 * 3 > a", 4},
                {"!a > 0", 0},
                {"a > 0 THENb", 10},
                {"THEN a > 0", 0},
                {"a > 0 THEN b > 0 THEN a > 0", 21},
                {"a > 18446744073709551616", 4}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_arena arena;
        struct pen_condition condition;
        struct pen_err err = {0};
        pen_arena_init(&arena, 1 << 20);
        assert_int_equal(
            pen_condition_parse(&arena, pen_slice_str(rows[i].text), names, 3, &condition, &err),
            PEN_E_RULE);
        if ((int)err.offset != rows[i].offset) {
            fail_msg("%s: place %d, not %d: %s", rows[i].text, (int)err.offset, rows[i].offset,
                     err.text);
        }
        pen_arena_fini(&arena);
    }
}

static void sizes_are_bounded(void **unused)
{
    (void)unused;
    struct pen_arena arena;
    struct pen_condition condition;
    struct pen_err err = {0};
    struct pen_buf text;
    pen_arena_init(&arena, 1 << 20);
    pen_buf_init(&text, 1 << 20);
    for (uint32_t i = 0; i < PEN_CONDITION_DEPTH_MAX; i++) {
        assert_int_equal(pen_buf_add_byte(&text, '('), PEN_OK);
    }
    assert_int_equal(pen_condition_parse(&arena, pen_buf_slice(&text), names, 3, &condition, &err),
                     PEN_E_LIMIT);
    text.len = 0;
    for (uint32_t i = 0; i <= PEN_CONDITION_STEPS_MAX / 2; i++) {
        assert_int_equal(pen_buf_printf(&text, "%sa>%u", i == 0 ? "" : "||", i), PEN_OK);
    }
    assert_int_equal(pen_condition_parse(&arena, pen_buf_slice(&text), names, 3, &condition, &err),
                     PEN_E_LIMIT);
    text.len = 0;
    while (text.len <= PEN_CONDITION_BYTES_MAX) {
        assert_int_equal(pen_buf_add_byte(&text, ' '), PEN_OK);
    }
    assert_int_equal(pen_condition_parse(&arena, pen_buf_slice(&text), names, 3, &condition, &err),
                     PEN_E_LIMIT);
    pen_buf_fini(&text);
    pen_arena_fini(&arena);
}

static void numbers_become_quantities(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        long long units; /* of the ninth decimal */
    } rows[] = {{"0", 0},
                {"-0", 0},
                {"1", 1000000000},
                {"-1.5", -1500000000},
                {"0.000000001", 1},
                {"0.0000000019", 1},
                {"1e3", 1000000000000},
                {"1.25E+2", 125000000000},
                {"5e-9", 5},
                {"5e-10", 0},
                {"12345e-3", 12345000000},
                {"0e999999999999", 0}};
    pen_quantity q;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_true(pen_quantity_parse(pen_slice_str(rows[i].text), &q));
        if (q != rows[i].units) {
            fail_msg("%s", rows[i].text);
        }
    }
    pen_quantity huge;
    assert_true(pen_quantity_parse(PEN_SLICE_LIT("1e400"), &huge));
    assert_true(pen_quantity_parse(PEN_SLICE_LIT("99999999999999999999999999999999999999999"), &q));
    assert_true(huge == q && huge > 0);
    assert_true(pen_quantity_parse(PEN_SLICE_LIT("-1e400"), &q));
    assert_true(q == -huge);
    assert_false(pen_quantity_parse(PEN_SLICE_LIT(""), &q));
    assert_false(pen_quantity_parse(PEN_SLICE_LIT("1x"), &q));
    assert_false(pen_quantity_parse(PEN_SLICE_LIT("0x10"), &q));
}

static void nothing_overflows(void **unused)
{
    (void)unused;
    struct pen_arena arena;
    struct pen_condition condition;
    struct pen_err err;
    pen_quantity huge;
    assert_true(pen_quantity_parse(PEN_SLICE_LIT("1e400"), &huge));
    const pen_quantity values[] = {huge, -huge, 0};
    pen_arena_init(&arena, 1 << 20);
    assert_int_equal(pen_condition_parse(&arena, PEN_SLICE_LIT("a * 18446744073709551615 >= a"),
                                         names, 3, &condition, &err),
                     PEN_OK);
    assert_true(pen_condition_eval(&condition, 0, condition.count, values));
    assert_int_equal(pen_condition_parse(&arena, PEN_SLICE_LIT("b * 18446744073709551615 < 0"),
                                         names, 3, &condition, &err),
                     PEN_OK);
    assert_true(pen_condition_eval(&condition, 0, condition.count, values));
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_and_their_order), cmocka_unit_test(and_binds_tighter_than_or),
        cmocka_unit_test(then_keeps_both_sides_apart), cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(sizes_are_bounded),           cmocka_unit_test(numbers_become_quantities),
        cmocka_unit_test(nothing_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
