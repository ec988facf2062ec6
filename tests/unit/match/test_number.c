#include "internal.h"
#include "match_test.h"

static int order(const char *a, const char *b)
{
    return pen_match_number_cmp(pen_slice_str(a), pen_slice_str(b));
}

static void equal_values_in_different_spelling_are_equal(void **state)
{
    (void)state;
    assert_int_equal(order("5", "5.0"), 0);
    assert_int_equal(order("50e-1", "5"), 0);
    assert_int_equal(order("-0", "0.0e9"), 0);
    assert_int_equal(order("0.00120", "12E-4"), 0);
    assert_int_equal(order("1e400", "10e399"), 0);
}

static void digits_beyond_a_double_count(void **state)
{
    (void)state;
    assert_true(order("9007199254740993", "9007199254740992") > 0);
    assert_true(order("0.1000000000000000000000000001", "0.1") > 0);
    assert_true(order("123456789012345678901234567890", "123456789012345678901234567891") < 0);
    assert_true(order("-2", "-10") > 0);
    assert_true(order("-1", "1") < 0);
    assert_true(order("0", "-1") > 0);
    assert_true(order("99", "100") < 0);
}

static void huge_exponents_are_bounded_and_keep_their_side(void **state)
{
    (void)state;
    assert_true(order("1e99999999999999999999999", "1") > 0);
    assert_true(order("1e-99999999999999999999999", "1") < 0);
    assert_true(order("1e-99999999999999999999999", "0") > 0);
    assert_int_equal(order("0e99999999999999999999999", "0"), 0);
}

static void comparisons_follow_the_order(void **state)
{
    (void)state;
    assert_true(pen_match_cmp_holds(PEN_CMP_EQ, 0) && !pen_match_cmp_holds(PEN_CMP_EQ, 1));
    assert_true(pen_match_cmp_holds(PEN_CMP_LT, -1) && !pen_match_cmp_holds(PEN_CMP_LT, 0));
    assert_true(pen_match_cmp_holds(PEN_CMP_LE, 0) && !pen_match_cmp_holds(PEN_CMP_LE, 1));
    assert_true(pen_match_cmp_holds(PEN_CMP_GT, 1) && !pen_match_cmp_holds(PEN_CMP_GT, 0));
    assert_true(pen_match_cmp_holds(PEN_CMP_GE, 0) && !pen_match_cmp_holds(PEN_CMP_GE, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_in_different_spelling_are_equal),
        cmocka_unit_test(digits_beyond_a_double_count),
        cmocka_unit_test(huge_exponents_are_bounded_and_keep_their_side),
        cmocka_unit_test(comparisons_follow_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
