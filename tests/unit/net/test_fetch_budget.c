#include "fetch_budget.h"
#include "test.h"

static void shares_are_the_whole_for_any_number_of_them(void **state)
{
    (void)state;
    const uint32_t totals[] = {0, 1, 7, 63, 64, 100, 1000000};
    for (size_t t = 0; t < PEN_COUNT(totals); t++) {
        for (uint32_t shares = 1; shares <= 64; shares++) {
            uint64_t sum = 0;
            const uint32_t least = totals[t] / shares;
            for (uint32_t share = 0; share < shares; share++) {
                const uint32_t one = fetch_budget_share(totals[t], share, shares);
                assert_in_range(one, least, least + 1);
                sum += one;
            }
            assert_int_equal(sum, totals[t]);
        }
    }
}

/* A host that only fails: how many are tried again at once before all but one wait. */
static uint32_t side_by_side(struct fetch_budget *budget, uint32_t wanted)
{
    uint32_t sent = 0;
    while (sent < wanted && fetch_budget_allows(budget)) {
        fetch_budget_sent(budget, true);
        sent++;
    }
    return sent;
}

static void what_is_lent_is_lent_once(void **state)
{
    (void)state;
    struct fetch_budget budget;
    fetch_budget_init(&budget, 10);
    assert_int_equal(side_by_side(&budget, 1000), 10);
    for (uint32_t i = 0; i < 10; i++) {
        fetch_budget_answered(&budget, false);
    }
    for (uint32_t i = 0; i < 5; i++) { /* from now on one by one */
        assert_int_equal(side_by_side(&budget, 1000), 1);
        fetch_budget_answered(&budget, false);
    }
}

static void good_answers_pay_for_retries_but_are_not_saved_up(void **state)
{
    (void)state;
    struct fetch_budget budget;
    fetch_budget_init(&budget, 3);
    assert_int_equal(side_by_side(&budget, 1000), 3);
    fetch_budget_answered(&budget, true);
    fetch_budget_answered(&budget, true);
    assert_int_equal(side_by_side(&budget, 1000), 2);
    for (uint32_t i = 0; i < 100; i++) {
        fetch_budget_sent(&budget, false);
        fetch_budget_answered(&budget, true);
    }
    assert_int_equal(side_by_side(&budget, 1000), 3);
}

static void first_tries_cost_nothing(void **state)
{
    (void)state;
    struct fetch_budget budget;
    fetch_budget_init(&budget, 4);
    for (uint32_t i = 0; i < 100; i++) {
        fetch_budget_sent(&budget, false);
    }
    assert_int_equal(budget.left, 4);
    assert_int_equal(budget.in_flight, 100);
}

static void a_host_without_a_budget_is_tried_again_one_by_one(void **state)
{
    (void)state;
    struct fetch_budget budget;
    fetch_budget_init(&budget, 0);
    assert_int_equal(side_by_side(&budget, 1000), 1);
    fetch_budget_answered(&budget, true);
    assert_int_equal(side_by_side(&budget, 1000), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_the_whole_for_any_number_of_them),
        cmocka_unit_test(what_is_lent_is_lent_once),
        cmocka_unit_test(good_answers_pay_for_retries_but_are_not_saved_up),
        cmocka_unit_test(first_tries_cost_nothing),
        cmocka_unit_test(a_host_without_a_budget_is_tried_again_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
