#include "spending.h"
#include "test.h"

static const struct pen_replay_options base = {.fetch_range_bytes = 1000,
                                               .price_gets = 40,
                                               .price_lists = 500,
                                               .price_kms = 300,
                                               .price_transfer = 2};

static struct pen_object object(uint64_t size)
{
    return (struct pen_object){.bucket = 1, .size = size};
}

static void requests_are_ranges(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, 1, 1000, 1001, 5000};
    const uint64_t gets[] = {0, 1, 1, 2, 5};
    for (size_t i = 0; i < PEN_COUNT(sizes); i++) {
        const struct pen_object one = object(sizes[i]);
        assert_int_equal(spending_gets(&base, &one), gets[i]);
    }
    const struct pen_object file = {.size = 5000};
    assert_int_equal(spending_gets(&base, &file), 0);
}

static void prices_are_those_of_a_million(void **state)
{
    (void)state;
    assert_int_equal(pen_price_nano_usd(&base, 1000000, 0, 0), 400000000);
    assert_int_equal(pen_price_nano_usd(&base, 0, 1000000, 0), UINT64_C(5000000000));
    assert_int_equal(pen_price_nano_usd(&base, 0, 0, 1000000), UINT64_C(3000000000));
    assert_int_equal(pen_price_nano_usd(&base, 1, 1, 1), 8400);
}

static void traffic_is_priced_by_the_gb(void **state)
{
    (void)state;
    assert_int_equal(pen_price_transfer_nano_usd(&base, UINT64_C(1) << 30), 20000000);
    assert_int_equal(pen_price_transfer_nano_usd(&base, UINT64_C(3) << 29), 30000000);
    assert_int_equal(pen_price_transfer_nano_usd(&base, 0), 0);
    /* A petabyte at the highest price is no more than the type holds. */
    struct pen_replay_options dear = base;
    dear.price_transfer = 100000;
    assert_int_equal(pen_price_transfer_nano_usd(&dear, UINT64_C(1) << 50),
                     UINT64_C(1048576000000000000));
}

static void bytes_end_a_run(void **state)
{
    (void)state;
    struct pen_replay_options o = base;
    struct spending spending = {0};
    const struct pen_object one = object(400);
    o.max_bytes = 1000;
    assert_true(spending_allows(&spending, &o, &one, false, 0));
    assert_true(spending_allows(&spending, &o, &one, false, 0));
    assert_false(spending_allows(&spending, &o, &one, false, 0));
    assert_true(spending.is_spent);
    assert_int_equal(spending.bytes, 800);
    assert_non_null(strstr(spending.reason, "--max-bytes"));
}

static void costs_end_a_run(void **state)
{
    (void)state;
    struct pen_replay_options o = base;
    struct spending spending = {0};
    const struct pen_object one = object(400);
    o.max_cost_nano = 5000 + 2 * 3400; /* a listing and two reads */
    assert_true(spending_allows(&spending, &o, &one, false, 1));
    assert_true(spending_allows(&spending, &o, &one, false, 1));
    assert_false(spending_allows(&spending, &o, &one, false, 1));
    assert_non_null(strstr(spending.reason, "--max-cost"));
}

static void traffic_between_regions_is_part_of_the_cost(void **state)
{
    (void)state;
    struct pen_replay_options o = base;
    struct spending near = {0};
    struct spending far = {0};
    const struct pen_object one = object(UINT64_C(1) << 29); /* a cent */
    o.fetch_range_bytes = one.size;
    o.max_cost_nano = 2 * (10000000 + 3400);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(spending_allows(&near, &o, &one, false, 0));
    }
    assert_true(spending_allows(&far, &o, &one, true, 0));
    assert_true(spending_allows(&far, &o, &one, true, 0));
    assert_false(spending_allows(&far, &o, &one, true, 0));
    assert_int_equal(far.crossing_bytes, UINT64_C(1) << 30);
    assert_non_null(strstr(far.reason, "1073741824 bytes came from other regions"));
}

static void without_a_limit_nothing_ends(void **state)
{
    (void)state;
    struct spending spending = {0};
    const struct pen_object one = object(UINT64_C(1) << 50);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(spending_allows(&spending, &base, &one, true, UINT64_C(1) << 40));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_ranges),
        cmocka_unit_test(prices_are_those_of_a_million),
        cmocka_unit_test(traffic_is_priced_by_the_gb),
        cmocka_unit_test(bytes_end_a_run),
        cmocka_unit_test(costs_end_a_run),
        cmocka_unit_test(traffic_between_regions_is_part_of_the_cost),
        cmocka_unit_test(without_a_limit_nothing_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
