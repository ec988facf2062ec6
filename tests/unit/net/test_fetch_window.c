#include "fetch.h"
#include "test.h"

/* A server that serves `best` at once at full speed and gains nothing from more. */
static uint32_t settle(struct fetch_window *window, uint32_t best, uint32_t seconds)
{
    int64_t now = PEN_NS_PER_S;
    for (uint32_t ms = 0; ms < seconds * 1000; ms += 10) {
        const uint32_t served = window->size < best ? window->size : best;
        for (uint32_t i = 0; i < served; i++) {
            fetch_window_answer(window, window->size);
        }
        now += 10000000;
        fetch_window_turn(window, now);
    }
    return window->size;
}

static void it_grows_while_that_brings_more(void **state)
{
    (void)state;
    struct fetch_window window;
    fetch_window_init(&window, 0, 1024);
    assert_int_equal(window.size, 16);
    assert_in_range(settle(&window, 5000, 10), 1000, 1024);
}

static void it_stays_near_what_the_server_can_do(void **state)
{
    (void)state;
    struct fetch_window window;
    fetch_window_init(&window, 0, 1024);
    assert_in_range(settle(&window, 100, 20), 16, 1023);
}

static void it_halves_once_a_second(void **state)
{
    (void)state;
    struct fetch_window window;
    fetch_window_init(&window, 0, 64);
    window.size = 64;
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

static void it_learns_nothing_while_something_else_bounds(void **state)
{
    (void)state;
    struct fetch_window window;
    fetch_window_init(&window, 0, 64);
    for (uint32_t i = 0; i < 1000; i++) {
        fetch_window_answer(&window, 3);
        fetch_window_turn(&window, (int64_t)i * 10000000);
    }
    assert_int_equal(window.size, 16);
}

static void it_is_never_above_its_maximum(void **state)
{
    (void)state;
    struct fetch_window window;
    fetch_window_init(&window, 0, 1);
    assert_int_equal(settle(&window, 100, 2), 1);
    fetch_window_cut(&window, 100 * PEN_NS_PER_S);
    assert_int_equal(window.size, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_while_that_brings_more),
        cmocka_unit_test(it_stays_near_what_the_server_can_do),
        cmocka_unit_test(it_halves_once_a_second),
        cmocka_unit_test(it_learns_nothing_while_something_else_bounds),
        cmocka_unit_test(it_is_never_above_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
