#include "penstock/state.h"

#include "state_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

static struct pen_observation sample(void)
{
    return (struct pen_observation){.rule = 3,
                                    .rule_id = PEN_SLICE_LIT("rule-a"),
                                    .query = 1,
                                    .others = 0x8004,
                                    .time_ns = 1700000000 * PEN_NS_PER_S,
                                    .promise_ns = INT64_MIN,
                                    .event_id = PEN_SLICE_LIT("e-1"),
                                    .group = PEN_SLICE_LIT("{\"account\":\"1\"}"),
                                    .account = PEN_SLICE_LIT("111122223333"),
                                    .region = PEN_SLICE_LIT("eu-west-1"),
                                    .actor = PEN_SLICE_LIT("arn:aws:iam::111122223333:user/a"),
                                    .source_ip = PEN_SLICE_LIT("192.0.2.7"),
                                    .index_name = PEN_SLICE_LIT("log-aws-cloudtrail"),
                                    .object = PEN_SLICE_LIT("AWSLogs/x.json.gz"),
                                    .record = UINT64_MAX,
                                    .event = PEN_SLICE_LIT("{\"eventName\":\"StopLogging\"}")};
}

static void observation_survives_encoding(void **unused)
{
    (void)unused;
    const struct pen_observation a = sample();
    struct pen_observation b;
    struct pen_buf buf;
    pen_buf_init(&buf, 1 << 20);
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_OK);
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_OK);
    pen_slice in = pen_buf_slice(&buf);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pen_observation_decode(&in, &b, NULL), PEN_OK);
        assert_int_equal(pen_state_order(&a, &b), 0);
        assert_int_equal(a.rule, b.rule);
        assert_int_equal(a.promise_ns, b.promise_ns);
        assert_true(pen_slice_eq(a.account, b.account) && pen_slice_eq(a.region, b.region));
        assert_true(pen_slice_eq(a.actor, b.actor) && pen_slice_eq(a.source_ip, b.source_ip));
        assert_true(pen_slice_eq(a.index_name, b.index_name) && pen_slice_eq(a.event, b.event));
    }
    assert_int_equal(in.len, 0);
    pen_buf_fini(&buf);
}

static void every_shorter_input_is_refused_unchanged(void **unused)
{
    (void)unused;
    const struct pen_observation a = sample();
    struct pen_observation b;
    struct pen_buf buf;
    pen_buf_init(&buf, 1 << 20);
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_OK);
    for (size_t len = 0; len < buf.len; len++) {
        /* A copy of exactly that size, so that a sanitizer sees a read past the end. */
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, buf.ptr, len);
        pen_slice in = {copy, len};
        assert_int_equal(pen_observation_decode(&in, &b, NULL), PEN_E_TRUNCATED);
        assert_int_equal(in.len, len);
        free(copy);
    }
    pen_buf_fini(&buf);
}

static void lengths_that_do_not_add_up_are_corrupt(void **unused)
{
    (void)unused;
    const struct pen_observation a = sample();
    struct pen_observation b;
    struct pen_buf buf;
    pen_buf_init(&buf, 1 << 20);
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_OK);
    buf.ptr[0] ^= 1;
    pen_slice in = pen_buf_slice(&buf);
    assert_int_equal(pen_observation_decode(&in, &b, NULL), PEN_E_CORRUPT);
    pen_buf_fini(&buf);
}

static void long_attribute_is_cut_between_code_points(void **unused)
{
    (void)unused;
    struct pen_observation a = sample();
    struct pen_observation b;
    uint8_t actor[3000];
    for (size_t i = 0; i < sizeof(actor); i += 3) {
        memcpy(actor + i, "\xe2\x82\xac", 3);
    }
    a.actor = (pen_slice){actor, sizeof(actor)};
    struct pen_buf buf;
    pen_buf_init(&buf, 1 << 20);
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_OK);
    pen_slice in = pen_buf_slice(&buf);
    assert_int_equal(pen_observation_decode(&in, &b, NULL), PEN_OK);
    assert_int_equal(b.actor.len, 1023);
    assert_true(pen_utf8_valid(b.actor));
    pen_buf_fini(&buf);
}

static void key_beyond_its_maximum_is_a_limit(void **unused)
{
    (void)unused;
    struct pen_observation a = sample();
    uint8_t *big = calloc(1, PEN_OBSERVATION_KEY_MAX + 1);
    assert_non_null(big);
    a.group = (pen_slice){big, PEN_OBSERVATION_KEY_MAX + 1};
    struct pen_buf buf;
    pen_buf_init(&buf, 1 << 20);
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_E_LIMIT);
    assert_int_equal(buf.len, 0);
    a.group.len--;
    assert_int_equal(pen_observation_encode(&buf, &a), PEN_OK);
    free(big);
    pen_buf_fini(&buf);
}

static void partitions_are_spread_and_depend_on_all_three(void **unused)
{
    (void)unused;
    uint32_t hits[PEN_PARTITIONS] = {0};
    for (uint32_t i = 0; i < 65536; i++) {
        hits[pen_observation_partition(PEN_SLICE_LIT("r"), (pen_slice){(uint8_t *)&i, 4}, 7)]++;
    }
    uint32_t differ = 0;
    for (uint32_t i = 0; i < PEN_PARTITIONS; i++) {
        assert_in_range(hits[i], 128, 512);
        const pen_slice g = {(uint8_t *)&i, 4};
        const uint32_t p = pen_observation_partition(PEN_SLICE_LIT("r"), g, 7);
        differ += p != pen_observation_partition(PEN_SLICE_LIT("s"), g, 7);
        differ += p != pen_observation_partition(PEN_SLICE_LIT("r"), g, 8);
    }
    assert_true(differ > 480);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observation_survives_encoding),
        cmocka_unit_test(every_shorter_input_is_refused_unchanged),
        cmocka_unit_test(lengths_that_do_not_add_up_are_corrupt),
        cmocka_unit_test(long_attribute_is_cut_between_code_points),
        cmocka_unit_test(key_beyond_its_maximum_is_a_limit),
        cmocka_unit_test(partitions_are_spread_and_depend_on_all_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
