#include "fetch.h"
#include "test.h"

#define MS_NS (PEN_NS_PER_S / 1000)

/* A server that needs alone_ms for a request and serves `best` of them at once; others wait. */
struct served {
    uint32_t alone_ms, best;
};
struct load {
    struct fetch_window window;
    int64_t now_ns;
    double due;       /* answers */
    uint64_t answers; /* ever */
};

static void load_init(struct load *load, uint32_t first, uint32_t max)
{
    *load = (struct load){.now_ns = PEN_NS_PER_S};
    fetch_window_init(&load->window, first, max);
}

/* A made-up millisecond; in_flight are under way all the time. */
static void load_ms(struct load *load, double answers, uint32_t in_flight, int64_t latency_ns)
{
    load->now_ns += MS_NS;
    fetch_window_turn(&load->window, load->now_ns, in_flight);
    for (load->due += answers; load->due >= 1; load->due -= 1) {
        const struct fetch_answer answer = {
            .in_flight = in_flight,
            .took_ns = (int64_t)(in_flight / answers * (double)MS_NS), /* Little's law */
            .latency_ns = latency_ns};
        fetch_window_answer(&load->window, &answer);
        load->answers++;
    }
}

/* As many requests as the window allows are always under way, or busy of them. */
static void load_run(struct load *load, struct served by, uint32_t ms, uint32_t busy)
{
    for (uint32_t t = 0; t < ms; t++) {
        const uint32_t size = load->window.size;
        const uint32_t in_flight = busy > 0 && busy < size ? busy : size;
        const double at_once = in_flight < by.best ? in_flight : by.best;
        const double per_ms = at_once / by.alone_ms;
        load_ms(load, per_ms, in_flight, (int64_t)(in_flight / per_ms * (double)MS_NS));
    }
}

static void it_grows_while_that_brings_more(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 1024);
    assert_int_equal(load.window.size, 16);
    load_run(&load, (struct served){10, 5000}, 5000, 0);
    assert_int_equal(load.window.size, 1024);
}

static void it_grows_within_seconds_when_answers_take_long(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 512);
    load_run(&load, (struct served){100, 5000}, 3000, 0);
    assert_int_equal(load.window.size, 512);
}

/* All that is under way is answered at once, then sent again: rates that were counted would differ
 * by a burst. */
static void bursts_do_not_mislead_it(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 512);
    uint32_t sent = load.window.size;
    for (uint32_t ms = 0; ms < 20000; ms++) {
        load.now_ns += MS_NS;
        fetch_window_turn(&load.window, load.now_ns, sent);
        for (uint32_t i = 0; ms % 100 == 99 && i < sent; i++) {
            const struct fetch_answer answer = {sent - i, 100 * MS_NS, 99 * MS_NS};
            fetch_window_answer(&load.window, &answer);
        }
        sent = ms % 100 == 99 ? load.window.size : sent;
    }
    assert_int_equal(load.window.size, 512);
    assert_int_equal(load.window.slowed, 0);
}

static void it_stays_near_what_the_server_can_do(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 1024);
    load_run(&load, (struct served){10, 100}, 60000, 0);
    assert_in_range(load.window.size, 100, 160);
    const uint64_t before = load.answers;
    load_run(&load, (struct served){10, 100}, 10000, 0);
    assert_in_range(load.answers - before, 99990, 100010);
}

static void it_halves_once_a_second(void **state)
{
    (void)state;
    struct fetch_window window;
    fetch_window_init(&window, 64, 64);
    fetch_window_cut(&window, 5 * PEN_NS_PER_S);
    fetch_window_cut(&window, 5 * PEN_NS_PER_S + 1000);
    assert_int_equal(window.size, 32);
    fetch_window_cut(&window, 6 * PEN_NS_PER_S + 1);
    assert_int_equal(window.size, 16);
    for (int64_t i = 0; i < 20; i++) {
        fetch_window_cut(&window, (8 + 2 * i) * PEN_NS_PER_S);
    }
    assert_int_equal(window.size, 2);
}

static void it_grows_again_after_it_was_halved(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 64, 64);
    fetch_window_cut(&load.window, load.now_ns);
    assert_int_equal(load.window.size, 32);
    load_run(&load, (struct served){20, 1000}, 20000, 0);
    assert_int_equal(load.window.size, 64);
}

static void it_learns_nothing_while_something_else_bounds(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 64);
    load_run(&load, (struct served){10, 100}, 10000, 3);
    assert_int_equal(load.window.size, 16);
}

static void it_is_never_above_its_maximum(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 1);
    load_run(&load, (struct served){10, 100}, 2000, 0);
    assert_int_equal(load.window.size, 1);
    fetch_window_cut(&load.window, 100 * PEN_NS_PER_S);
    assert_int_equal(load.window.size, 1);
}

/* ---- first bytes that come late ---- */

static void a_constant_latency_never_makes_it_smaller(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 0, 256);
    load_run(&load, (struct served){100, 10000}, 120000, 0);
    assert_int_equal(load.window.slowed, 0);
    assert_int_equal(load.window.size, 256);
}

static void it_shrinks_when_first_bytes_come_later_and_no_more_of_them(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 128, 128);
    load_run(&load, (struct served){50, 128}, 5000, 0);
    assert_int_equal(load.window.size, 128);
    assert_int_equal(load.window.slowed, 0);
    const uint64_t before = load.answers;
    load_run(&load, (struct served){50, 20}, 20000, 0);
    assert_in_range(load.window.size, 20, 60);
    assert_in_range(load.window.slowed, 1, 40);
    assert_true(load.answers - before >= 20 * 20 * 20 * 98 / 100); /* nothing was lost by it */
}

static void it_grows_again_when_the_server_has_recovered(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 128, 128);
    load_run(&load, (struct served){50, 128}, 5000, 0);
    load_run(&load, (struct served){50, 20}, 20000, 0);
    load_run(&load, (struct served){50, 128}, 120000, 0);
    assert_in_range(load.window.size, 100, 128);
}

static void a_longer_way_is_the_new_floor(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 64, 64);
    load_run(&load, (struct served){20, 1000}, 5000, 0);
    load_run(&load, (struct served){100, 1000}, 10000, 0);
    assert_in_range(load.window.slowed, 1, 2); /* tried, and taken back */
    assert_int_equal(load.window.size, 64);
    const uint64_t before = load.answers;
    load_run(&load, (struct served){100, 1000}, 60000, 0);
    assert_in_range(load.window.slowed, 1, 2);
    assert_in_range(load.answers - before, 64 * 10 * 60 - 64, 64 * 10 * 60 + 64);
}

static void later_bytes_and_more_of_them_are_no_reason(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 16, 16);
    double per_ms = 1;
    int64_t latency_ns = 20 * MS_NS;
    for (uint32_t ms = 0; ms < 4000; ms++) {
        load_ms(&load, per_ms, 16, latency_ns);
        per_ms *= 1.0005; /* 5 % in each span */
        latency_ns += MS_NS / 10;
    }
    assert_int_equal(load.window.slowed, 0);
    for (uint32_t ms = 0; ms < 250; ms++) {
        load_ms(&load, per_ms, 16, latency_ns); /* no more of them: now it is a reason */
    }
    assert_in_range(load.window.slowed, 1, 2);
    assert_in_range(load.window.size, 9, 12);
}

static void a_window_that_does_not_bound_is_left_alone(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 64, 64);
    load_run(&load, (struct served){20, 1000}, 5000, 10);
    load_run(&load, (struct served){200, 1000}, 20000, 10);
    assert_int_equal(load.window.slowed, 0);
    assert_int_equal(load.window.size, 64);
}

static void a_few_milliseconds_are_no_queue(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 16, 16);
    load_run(&load, (struct served){1, 16}, 5000, 0);
    load_run(&load, (struct served){1, 2}, 20000, 0); /* 8 ms now */
    assert_int_equal(load.window.slowed, 0);
    assert_int_equal(load.window.size, 16);
}

static void many_small_losses_are_not_summed_up(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 128, 128);
    for (uint32_t ms = 0; ms < 1000; ms++) {
        load_ms(&load, 2, 128, 20 * MS_NS);
    }
    double least = 1;
    for (uint32_t ms = 0; ms < 100000; ms++) { /* a quarter less costs a fourteenth */
        const double per_ms = 1 + load.window.size / 128.0 * 0.4;
        load_ms(&load, per_ms, load.window.size, 200 * MS_NS);
        least = per_ms / 1.4 < least ? per_ms / 1.4 : least;
    }
    assert_true(least > 0.8);
    assert_in_range(load.window.size, 72, 128);
    assert_in_range(load.window.slowed, 1, 100);
}

static void fewer_than_two_are_never_in_flight(void **state)
{
    (void)state;
    struct load load;
    load_init(&load, 8, 8);
    load_run(&load, (struct served){20, 8}, 5000, 0);
    load_run(&load, (struct served){2000, 1}, 3600000, 0);
    assert_in_range(load.window.size, 2, 8);
    assert_in_range(load.window.slowed, 1, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_while_that_brings_more),
        cmocka_unit_test(it_grows_within_seconds_when_answers_take_long),
        cmocka_unit_test(bursts_do_not_mislead_it),
        cmocka_unit_test(it_grows_again_after_it_was_halved),
        cmocka_unit_test(it_stays_near_what_the_server_can_do),
        cmocka_unit_test(it_halves_once_a_second),
        cmocka_unit_test(it_learns_nothing_while_something_else_bounds),
        cmocka_unit_test(it_is_never_above_its_maximum),
        cmocka_unit_test(a_constant_latency_never_makes_it_smaller),
        cmocka_unit_test(it_shrinks_when_first_bytes_come_later_and_no_more_of_them),
        cmocka_unit_test(it_grows_again_when_the_server_has_recovered),
        cmocka_unit_test(a_longer_way_is_the_new_floor),
        cmocka_unit_test(later_bytes_and_more_of_them_are_no_reason),
        cmocka_unit_test(a_window_that_does_not_bound_is_left_alone),
        cmocka_unit_test(a_few_milliseconds_are_no_queue),
        cmocka_unit_test(many_small_losses_are_not_summed_up),
        cmocka_unit_test(fewer_than_two_are_never_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
