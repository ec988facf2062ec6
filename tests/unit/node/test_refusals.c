#include "refusals.h"
#include "test.h"

static void add(struct refusals *r, const char *key, bool is_next)
{
    refusals_add(r, pen_slice_str(key), is_next);
}

static void refusals_are_told_by_object_whatever_their_order(void **state)
{
    (void)state;
    struct refusals r = {0};
    refusals_seal(&r);
    assert_int_equal(refusals_of(&r, "a", false), 0);
    add(&r, "b", false);
    add(&r, "b", false);
    add(&r, "a", false);
    add(&r, "b", false);
    refusals_seal(&r);
    assert_int_equal(r.count, 2);
    assert_int_equal(refusals_of(&r, "a", true), 1);
    assert_int_equal(refusals_of(&r, "b", true), 3);
    assert_int_equal(refusals_of(&r, "c", true), 0);
    assert_int_equal(refusals_of(&r, "b", true), 0); /* it is told once */
    refusals_fini(&r);
}

static void what_lies_behind_the_cut_counts_with_the_next_commit(void **state)
{
    (void)state;
    struct refusals r = {0};
    add(&r, "open", false);
    add(&r, "open", true);
    add(&r, "ended", false);
    refusals_seal(&r);
    assert_int_equal(refusals_of(&r, "open", false), 1);
    assert_int_equal(refusals_of(&r, "ended", true), 1);
    refusals_committed(&r);
    assert_int_equal(r.count, 1);
    add(&r, "open", false);
    refusals_seal(&r);
    assert_int_equal(refusals_of(&r, "open", true), 3);
    refusals_committed(&r);
    assert_int_equal(r.count, 0);
    refusals_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_told_by_object_whatever_their_order),
        cmocka_unit_test(what_lies_behind_the_cut_counts_with_the_next_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
