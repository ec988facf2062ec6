/* Where hosts are, asked for without a wait. */
#include "penstock/net.h"

#include "test.h"

#include <time.h>

static struct pen_resolver *resolver_made(void)
{
    struct pen_resolver *resolver = NULL;
    struct pen_err err = {0};
    assert_int_equal(pen_resolver_new(&resolver, &err), PEN_OK);
    return resolver;
}

/* Its threads answer in their own time. */
static struct pen_resolved answer_of(struct pen_resolver *resolver)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    struct pen_resolved got = {.name = UINT32_MAX};
    while (!pen_resolver_take(resolver, &got)) {
        (void)nanosleep(&moment, NULL);
    }
    return got;
}

static void an_address_is_where_it_says(void **state)
{
    (void)state;
    struct pen_addresses found;
    struct pen_err err = {0};
    assert_int_equal(pen_resolve("127.0.0.1", 9200, &found, &err), PEN_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(pen_resolve("::1", 9200, &found, &err), PEN_OK);
    assert_int_equal(found.count, 1);
}

static void a_name_that_is_none_is_not_found(void **state)
{
    (void)state;
    struct pen_addresses found;
    struct pen_err err = {0};
    assert_int_equal(pen_resolve("no host", 80, &found, &err), PEN_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no host: "));
}

static void answers_bear_the_number_of_their_name(void **state)
{
    (void)state;
    struct pen_resolver *resolver = resolver_made();
    struct pen_err err = {0};
    struct pen_addresses want[2];
    uint32_t seen = 0;
    assert_int_equal(pen_resolve("127.0.0.1", 1, &want[0], &err), PEN_OK);
    assert_int_equal(pen_resolve("127.0.0.2", 2, &want[1], &err), PEN_OK);
    assert_int_equal(pen_resolver_ask(resolver, 5, "127.0.0.1", 1, &err), PEN_OK);
    assert_int_equal(pen_resolver_ask(resolver, 6, "127.0.0.2", 2, &err), PEN_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const struct pen_resolved got = answer_of(resolver);
        assert_in_range(got.name, 5, 6);
        assert_int_equal(got.err.status, PEN_OK);
        assert_true(pen_addresses_equal(&got.addresses, &want[got.name - 5]));
        seen |= 1U << (got.name - 5);
    }
    assert_int_equal(seen, 3);
    pen_resolver_free(resolver);
}

static void what_fails_is_answered_with_its_reason(void **state)
{
    (void)state;
    struct pen_resolver *resolver = resolver_made();
    struct pen_err err = {0};
    assert_int_equal(pen_resolver_ask(resolver, 0, "no host", 80, &err), PEN_OK);
    const struct pen_resolved got = answer_of(resolver);
    assert_int_equal(got.err.status, PEN_E_NOT_FOUND);
    assert_int_equal(got.addresses.count, 0);
    pen_resolver_free(resolver);
}

/* Twice asked before the answer was taken: one answer. */
static void a_name_is_asked_for_once_at_a_time(void **state)
{
    (void)state;
    struct pen_resolver *resolver = resolver_made();
    struct pen_err err = {0};
    assert_int_equal(pen_resolver_ask(resolver, 3, "127.0.0.1", 1, &err), PEN_OK);
    assert_int_equal(pen_resolver_ask(resolver, 3, "127.0.0.2", 1, &err), PEN_OK);
    const struct pen_resolved first = answer_of(resolver);
    struct pen_addresses want;
    assert_int_equal(pen_resolve("127.0.0.1", 1, &want, &err), PEN_OK);
    assert_true(pen_addresses_equal(&first.addresses, &want));
    assert_int_equal(pen_resolver_ask(resolver, 3, "127.0.0.2", 1, &err), PEN_OK);
    const struct pen_resolved second = answer_of(resolver);
    assert_false(pen_addresses_equal(&second.addresses, &want));
    pen_resolver_free(resolver);
}

static void who_goes_before_the_answer_waits_for_nobody(void **state)
{
    (void)state;
    struct pen_err err = {0};
    for (uint32_t i = 0; i < 50; i++) {
        struct pen_resolver *resolver = resolver_made();
        assert_int_equal(pen_resolver_ask(resolver, i, "127.0.0.1", 1, &err), PEN_OK);
        pen_resolver_free(resolver);
    }
}

static void the_order_of_addresses_does_not_count(void **state)
{
    (void)state;
    struct pen_addresses a = {.count = 2};
    struct pen_addresses b = {.count = 2};
    a.at[0] = b.at[1] = (struct pen_fetch_address){.bytes = 1, .at = {1}};
    a.at[1] = b.at[0] = (struct pen_fetch_address){.bytes = 1, .at = {2}};
    assert_true(pen_addresses_equal(&a, &b));
    b.at[0].at[0] = 3;
    assert_false(pen_addresses_equal(&a, &b));
    b = a;
    b.count = 1;
    assert_false(pen_addresses_equal(&a, &b));
    b = a;
    b.at[1] = b.at[0]; /* the same twice is not both */
    assert_false(pen_addresses_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_where_it_says),
        cmocka_unit_test(a_name_that_is_none_is_not_found),
        cmocka_unit_test(answers_bear_the_number_of_their_name),
        cmocka_unit_test(what_fails_is_answered_with_its_reason),
        cmocka_unit_test(a_name_is_asked_for_once_at_a_time),
        cmocka_unit_test(who_goes_before_the_answer_waits_for_nobody),
        cmocka_unit_test(the_order_of_addresses_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
