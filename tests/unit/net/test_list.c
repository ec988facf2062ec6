/* What needs no server; the rest is in test_list_server.py. */
#include "penstock/net.h"

#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 30000
#define SOON_NS (10 * PEN_NS_PER_S)

/* A socket that takes connections and never answers. */
struct silence {
    int fd;
    struct pen_s3_endpoint endpoint;
};

static struct silence silence_begin(void)
{
    struct silence s = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    char url[64];
    struct pen_err err;
    assert_true(s.fd >= 0);
    assert_int_equal(bind(s.fd, (const struct sockaddr *)(const void *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s.fd, PEN_S3_LISTINGS_MAX), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)(void *)&at, &len), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(at.sin_port));
    const struct pen_s3_place place = {.bucket = PEN_SLICE_LIT("trail"),
                                       .endpoint_url = pen_slice_str(url)};
    assert_int_equal(pen_s3_endpoint_of(&place, &s.endpoint, &err), PEN_OK);
    return s;
}

static struct pen_s3_list *list_of(const struct pen_s3_list_options *options)
{
    struct pen_s3_list *list = NULL;
    struct pen_err err;
    assert_int_equal(pen_s3_list_new(options, &list, &err), PEN_OK);
    return list;
}

static void no_more_listings_begin_than_allowed(void **state)
{
    (void)state;
    const struct silence s = silence_begin();
    const struct pen_s3_list_request request = {.endpoint = &s.endpoint};
    for (uint32_t most = 0; most <= PEN_S3_LISTINGS_MAX + 1; most += 13) {
        struct pen_s3_list *list = list_of(&(struct pen_s3_list_options){.listings_max = most});
        struct pen_err err;
        const uint32_t want = most == 0 || most > PEN_S3_LISTINGS_MAX ? PEN_S3_LISTINGS_MAX : most;
        for (uint32_t i = 0; i < want; i++) {
            assert_int_equal(pen_s3_list_open(list), i);
            assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_OK);
        }
        assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_E_AGAIN);
        assert_non_null(strstr(err.text, "listings are open"));
        assert_int_equal(pen_s3_list_turn(list, 0, &err), PEN_OK);
        assert_null(pen_s3_list_take(list));
        assert_int_equal(pen_s3_list_stats(list).requests, want);
        pen_s3_list_free(list); /* with requests in flight */
    }
    (void)close(s.fd);
}

static void slices_that_no_listing_can_have_are_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[PEN_S3_PREFIX_MAX + 1] = {'p'};
    const struct silence s = silence_begin();
    struct pen_s3_list *list = list_of(&(struct pen_s3_list_options){.listings_max = 3});
    struct pen_err err;
    const pen_slice longest = {bytes, PEN_S3_PREFIX_MAX};
    const pen_slice too_long = {bytes, PEN_S3_PREFIX_MAX + 1};
    struct pen_s3_list_request request = {.endpoint = &s.endpoint, .prefix = too_long};
    assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_E_LIMIT);
    request = (struct pen_s3_list_request){.endpoint = &s.endpoint, .start_after = too_long};
    assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_E_LIMIT);
    request = (struct pen_s3_list_request){.endpoint = &s.endpoint,
                                           .delimiter = {bytes, PEN_S3_DELIMITER_MAX + 1}};
    assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_E_LIMIT);
    assert_int_equal(pen_s3_list_open(list), 0);
    request = (struct pen_s3_list_request){.endpoint = &s.endpoint,
                                           .prefix = longest,
                                           .start_after = longest,
                                           .delimiter = {bytes, PEN_S3_DELIMITER_MAX}};
    assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_OK);
    assert_int_equal(pen_s3_list_turn(list, 0, &err), PEN_OK);
    assert_int_equal(pen_s3_list_stats(list).requests, 1);
    pen_s3_list_free(list);
    (void)close(s.fd);
}

static void a_ca_file_must_be_there(void **state)
{
    (void)state;
    struct pen_s3_list *list = NULL;
    struct pen_err err;
    const struct pen_s3_list_options options = {.ca_file = "/no/such/file"};
    assert_int_equal(pen_s3_list_new(&options, &list, &err), PEN_E_CONFIG);
    assert_string_equal(err.text, "/no/such/file: the CA file cannot be read");
    assert_null(list);
    pen_s3_list_free(list);
}

/* ---- sleeping ---- */

static void *wake_later(void *ctx)
{
    const struct timespec wait = {.tv_nsec = 100 * 1000000};
    (void)nanosleep(&wait, NULL);
    pen_s3_list_wake(ctx);
    return NULL;
}

static void a_wake_ends_the_sleep_from_any_thread_before_or_during_it(void **state)
{
    (void)state;
    struct pen_s3_list *list = list_of(&(struct pen_s3_list_options){.listings_max = 1});
    struct pen_err err;
    pthread_t thread;
    const int64_t began = pen_clock_mono_ns();
    pen_s3_list_wake(list);
    assert_int_equal(pen_s3_list_turn(list, LONG_MS, &err), PEN_OK);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, list), 0);
    assert_int_equal(pen_s3_list_turn(list, LONG_MS, &err), PEN_OK);
    const int64_t took = pen_clock_mono_ns() - began;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(took > 90 * INT64_C(1000000) && took < SOON_NS);
    pen_s3_list_free(list);
}

static void a_turn_sleeps_no_longer_than_asked_nor_than_to_the_next_stall(void **state)
{
    (void)state;
    const struct silence s = silence_begin();
    const struct pen_s3_list_request request = {.endpoint = &s.endpoint};
    struct pen_s3_list *list = list_of(
        &(struct pen_s3_list_options){.stall_ns = 50 * INT64_C(1000000), .attempts_max = 1});
    struct pen_err err;
    const struct pen_s3_page *page = NULL;
    const int64_t began = pen_clock_mono_ns();
    assert_int_equal(pen_s3_list_turn(list, 20, &err), PEN_OK);
    assert_true(pen_clock_mono_ns() - began >= 19 * INT64_C(1000000));
    assert_int_equal(pen_s3_list_start(list, &request, &err), PEN_OK);
    while ((page = pen_s3_list_take(list)) == NULL) {
        assert_int_equal(pen_s3_list_turn(list, LONG_MS, &err), PEN_OK);
    }
    assert_true(pen_clock_mono_ns() - began < SOON_NS);
    assert_int_equal(page->status, PEN_E_IO);
    assert_true(page->is_last);
    assert_non_null(strstr(page->err.text, "no byte for 50 ms"));
    assert_int_equal(pen_s3_list_open(list), 1);
    pen_s3_list_done(list, page);
    assert_int_equal(pen_s3_list_open(list), 0);
    pen_s3_list_free(list);
    (void)close(s.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_listings_begin_than_allowed),
        cmocka_unit_test(slices_that_no_listing_can_have_are_refused),
        cmocka_unit_test(a_ca_file_must_be_there),
        cmocka_unit_test(a_wake_ends_the_sleep_from_any_thread_before_or_during_it),
        cmocka_unit_test(a_turn_sleeps_no_longer_than_asked_nor_than_to_the_next_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
