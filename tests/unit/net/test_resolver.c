/* Where hosts are, asked for without a wait. */
#include "penstock/net.h"

#include "test.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* stalls.test is never answered; late.test when the semaphore says so, with 127.0.0.1. */
static sem_t g_released;

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **res);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    getaddrinfo_fn *next = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
    while (node != NULL && strcmp(node, "stalls.test") == 0) {
        (void)pause();
    }
    if (node == NULL || strcmp(node, "late.test") != 0) {
        return next(node, service, hints, res);
    }
    while (sem_wait(&g_released) != 0) {
    }
    return next("127.0.0.1", service, hints, res);
}

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

struct waiting {
    uint32_t turns, most; /* calls; of which the last gives up */
    int64_t waited_ns;
    bool is_released;
};

static bool on_wait(void *ctx, const char *host, int64_t waited_ns)
{
    struct waiting *w = ctx;
    assert_string_equal(host, w->is_released ? "late.test" : "stalls.test");
    assert_true(waited_ns >= w->waited_ns);
    w->waited_ns = waited_ns;
    w->turns++;
    if (w->is_released && w->turns == w->most) {
        (void)sem_post(&g_released);
    }
    return w->is_released || w->turns < w->most;
}

static void a_look_up_that_stalls_has_an_end(void **state)
{
    (void)state;
    struct pen_addresses found = {0};
    struct pen_err err = {0};
    struct waiting waiting = {.most = UINT32_MAX};
    const struct pen_resolve_wait wait = {1200 * (PEN_NS_PER_S / 1000), on_wait, &waiting};
    assert_int_equal(pen_resolve_within("stalls.test", 80, &wait, &found, &err), PEN_E_TIMEOUT);
    assert_non_null(strstr(err.text, "stalls.test: no name server has said for "));
    assert_non_null(strstr(err.text, " s where it is"));
    assert_true(waiting.turns > 0);
}

static void who_waits_for_a_look_up_may_give_up(void **state)
{
    (void)state;
    struct pen_addresses found = {0};
    struct pen_err err = {0};
    struct waiting waiting = {.most = 2};
    const struct pen_resolve_wait wait = {600 * PEN_NS_PER_S, on_wait, &waiting};
    assert_int_equal(pen_resolve_within("stalls.test", 80, &wait, &found, &err), PEN_E_STOPPED);
    assert_int_equal(waiting.turns, 2);
}

static void a_late_answer_is_taken(void **state)
{
    (void)state;
    struct pen_addresses found = {0};
    struct pen_addresses want;
    struct pen_err err = {0};
    struct waiting waiting = {.most = 2, .is_released = true};
    const struct pen_resolve_wait wait = {600 * PEN_NS_PER_S, on_wait, &waiting};
    assert_int_equal(pen_resolve_within("late.test", 80, &wait, &found, &err), PEN_OK);
    assert_int_equal(pen_resolve("127.0.0.1", 80, &want, &err), PEN_OK);
    assert_true(pen_addresses_equal(&found, &want));
    assert_int_equal(pen_resolve_within("127.0.0.1", 80, NULL, &found, &err), PEN_OK);
    assert_int_equal(pen_resolve_within("no host", 80, NULL, &found, &err), PEN_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no host: "));
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
    (void)sem_init(&g_released, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_where_it_says),
        cmocka_unit_test(a_name_that_is_none_is_not_found),
        cmocka_unit_test(answers_bear_the_number_of_their_name),
        cmocka_unit_test(what_fails_is_answered_with_its_reason),
        cmocka_unit_test(a_name_is_asked_for_once_at_a_time),
        cmocka_unit_test(who_goes_before_the_answer_waits_for_nobody),
        cmocka_unit_test(a_look_up_that_stalls_has_an_end),
        cmocka_unit_test(who_waits_for_a_look_up_may_give_up),
        cmocka_unit_test(a_late_answer_is_taken),
        cmocka_unit_test(the_order_of_addresses_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
