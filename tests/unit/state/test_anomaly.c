/* Bounds of buckets: learning, quantiles, seasons, and what is forgotten. */
#include "anomaly.h"
#include "test.h"

#include <stdlib.h>

#define HOUR (3600 * PEN_NS_PER_S)
#define A_DAY 24 /* buckets */

static const struct pen_state_case cases[2] = {{.quantile_ppb = 995000000},
                                               {.quantile_ppb = 500000000}};

static struct pen_state_rule rule_of(uint32_t tolerance)
{
    return (struct pen_state_rule){
        .method = PEN_METHOD_ANOMALY,
        .cases = cases,
        .case_count = 2,
        .anomaly = {.bucket_ns = HOUR, .learning_ns = 24 * HOUR, .tolerance = tolerance}};
}

struct run {
    struct anomaly_history h;
    struct pen_state_rule rule;
    struct pen_buf scratch;
};

static void run_init(struct run *r, uint32_t tolerance)
{
    *r = (struct run){.h = {.has_begun = true}, .rule = rule_of(tolerance)};
    pen_buf_init(&r->scratch, (size_t)1 << 20);
    assert_int_equal(anomaly_bounds(&r->h, &r->rule, &r->scratch), PEN_OK);
}

static void run_fini(struct run *r)
{
    free(r->h.past);
    pen_buf_fini(&r->scratch);
}

/* The bucket at hand ends with the value. */
static void ends_with(struct run *r, int64_t value)
{
    assert_int_equal(anomaly_begin(&r->h, &r->rule, r->h.number + 1, value, &r->scratch), PEN_OK);
}

static void buckets_lie_from_1970_on(void **state)
{
    static const struct pen_anomaly hours = {.bucket_ns = HOUR};
    (void)state;
    assert_int_equal(anomaly_number(&hours, 0), 0);
    assert_int_equal(anomaly_number(&hours, HOUR - 1), 0);
    assert_int_equal(anomaly_number(&hours, HOUR), 1);
    assert_int_equal(anomaly_number(&hours, -1), -1);
    assert_int_equal(anomaly_number(&hours, -HOUR), -1);
}

static void bounds_are_quantiles_and_a_spread(void **state)
{
    struct run r;
    (void)state;
    run_init(&r, 3);
    assert_int_equal(r.h.bounds[0], INT64_MAX);
    ends_with(&r, 10);
    assert_int_equal(r.h.bounds[0], 13); /* 10, and three times at least one */
    for (int64_t i = 1; i < 20; i++) {
        ends_with(&r, i == 5 ? 31 : 10);
    }
    assert_int_equal(r.h.bounds[0], 31 + 3 * 6); /* (31 - 10) / 4, up */
    assert_int_equal(r.h.bounds[1], 13);
    ends_with(&r, -4);
    ends_with(&r, 0);
    assert_int_equal(r.h.bounds[1], 13);
    run_fini(&r);
}

static void nothing_is_true_while_a_group_learns(void **state)
{
    struct run r;
    (void)state;
    run_init(&r, 1);
    ends_with(&r, 1);
    assert_int_equal(anomaly_case(&r.h, &r.rule, 24 * HOUR - 1, 1000), UINT32_MAX);
    assert_int_equal(anomaly_case(&r.h, &r.rule, 24 * HOUR, 1000), 0);
    assert_int_equal(anomaly_case(&r.h, &r.rule, 24 * HOUR, 2), UINT32_MAX);
    r.rule.anomaly.has_baseline = true;
    r.rule.anomaly.baseline = 5;
    assert_int_equal(anomaly_case(&r.h, &r.rule, HOUR, 5), UINT32_MAX);
    assert_int_equal(anomaly_case(&r.h, &r.rule, HOUR, 6), 0);
    run_fini(&r);
}

/* 100 at noon of each day, and 1000 at the third hour of each seventh one. */
static int64_t weekly(int64_t number)
{
    const int64_t hour = number % A_DAY;
    return hour == 12 ? 100 : hour == 3 && number / A_DAY % 7 == 2 ? 1000 : 1;
}

static void days_and_weeks_have_seasons(void **state)
{
    struct run r;
    (void)state;
    run_init(&r, 1);
    for (int64_t n = 0; n < 20 * A_DAY; n++) {
        if (n >= 3 * A_DAY && n < 7 * A_DAY) {
            const int64_t hour = n % A_DAY;
            const bool is_noon = hour >= 11 && hour <= 13;
            const bool is_third = hour >= 2 && hour <= 4;
            assert_int_equal(r.h.bounds[0], is_noon ? 125 : is_third ? 1250 : 2);
        }
        ends_with(&r, weekly(n));
    }
    assert_int_equal(r.h.count, 14 * A_DAY);
    assert_int_equal(r.h.bounds[0], 2); /* at midnight */
    run_fini(&r);
}

static void what_is_14_days_ago_is_forgotten(void **state)
{
    struct run r;
    (void)state;
    run_init(&r, 1);
    ends_with(&r, 1000);
    assert_int_equal(anomaly_begin(&r.h, &r.rule, 14 * A_DAY, 0, &r.scratch), PEN_OK);
    assert_int_equal(r.h.count, 1);
    assert_int_equal(anomaly_begin(&r.h, &r.rule, 14 * A_DAY + 1, 0, &r.scratch), PEN_OK);
    assert_int_equal(r.h.count, 0);
    assert_int_equal(r.h.bounds[0], 1);
    run_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_lie_from_1970_on),
        cmocka_unit_test(bounds_are_quantiles_and_a_spread),
        cmocka_unit_test(nothing_is_true_while_a_group_learns),
        cmocka_unit_test(days_and_weeks_have_seasons),
        cmocka_unit_test(what_is_14_days_ago_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
