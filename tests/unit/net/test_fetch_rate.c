#include "fetch_rate.h"
#include "test.h"

/* How much is taken in a time, in steps of a millisecond, by who always wants more. */
static uint64_t taken(struct fetch_rate *rate, uint64_t amount, uint32_t ms)
{
    int64_t now = 7 * PEN_NS_PER_S;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ms; i++) {
        for (uint32_t n = 0; n < 10000 && fetch_rate_is_open(rate, now); n++) {
            fetch_rate_take(rate, amount, now);
            sum += amount;
        }
        now += PEN_NS_PER_S / 1000;
    }
    return sum;
}

static void it_lets_so_many_pass_a_second(void **state)
{
    (void)state;
    struct fetch_rate rate;
    fetch_rate_init(&rate, 500, 1);
    assert_in_range(taken(&rate, 1, 10000), 5000, 5000 + 500 / 10 + 1);
}

static void shares_make_the_whole(void **state)
{
    (void)state;
    struct fetch_rate rate;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 3; i++) {
        fetch_rate_init(&rate, 100, 3);
        sum += taken(&rate, 1, 10000);
    }
    assert_in_range(sum, 990, 1000 + 100 / 10 + 3);
}

static void less_than_one_a_second_is_a_rate_too(void **state)
{
    (void)state;
    struct fetch_rate rate;
    fetch_rate_init(&rate, 1, 4);
    assert_in_range(taken(&rate, 1, 9000), 2, 3);
}

static void what_is_large_is_paid_for_later(void **state)
{
    (void)state;
    struct fetch_rate rate;
    fetch_rate_init(&rate, 1000000, 1);
    fetch_rate_take(&rate, 3000000, 0);
    assert_false(fetch_rate_is_open(&rate, 2 * PEN_NS_PER_S));
    assert_true(fetch_rate_is_open(&rate, 3 * PEN_NS_PER_S));
    fetch_rate_init(&rate, 1000000, 1);
    assert_in_range(taken(&rate, 70000, 10000), 10000000, 10000000 + 170000);
}

static void what_was_not_used_is_not_kept_for_long(void **state)
{
    (void)state;
    struct fetch_rate rate;
    fetch_rate_init(&rate, 1000, 1);
    fetch_rate_take(&rate, 1, 0);
    uint32_t burst = 0;
    while (fetch_rate_is_open(&rate, 3600 * PEN_NS_PER_S)) {
        fetch_rate_take(&rate, 1, 3600 * PEN_NS_PER_S);
        burst++;
    }
    assert_in_range(burst, 100, 101);
}

static void without_a_limit_it_is_always_open(void **state)
{
    (void)state;
    struct fetch_rate rate;
    fetch_rate_init(&rate, 0, 2);
    fetch_rate_take(&rate, UINT64_MAX, 0);
    assert_true(fetch_rate_is_open(&rate, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lets_so_many_pass_a_second),
        cmocka_unit_test(shares_make_the_whole),
        cmocka_unit_test(less_than_one_a_second_is_a_rate_too),
        cmocka_unit_test(what_is_large_is_paid_for_later),
        cmocka_unit_test(what_was_not_used_is_not_kept_for_long),
        cmocka_unit_test(without_a_limit_it_is_always_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
