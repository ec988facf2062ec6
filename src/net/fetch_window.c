/* tested by tests/unit/net/test_fetch_window.c */
#include "fetch.h"

#define WINDOW_START 16U
#define WINDOW_MIN 2U
#define CUT_REST_NS PEN_NS_PER_S /* one bad moment gives many bad answers */
#define EPOCH_NS (PEN_NS_PER_S / 4)
#define GAIN_PERCENT 3U /* less is noise: the growth before is taken back */

void fetch_window_init(struct fetch_window *window, uint32_t first, uint32_t max)
{
    PEN_CHECK(max > 0);
    const uint32_t wanted = first == 0 ? WINDOW_START : first;
    const uint32_t start = max < wanted ? max : wanted;
    *window =
        (struct fetch_window){.size = start, .size_before = start, .max = max, .is_probing = true};
}

void fetch_window_answer(struct fetch_window *window, uint32_t in_flight)
{
    window->epoch_answers++;
    if (in_flight < window->size) {
        return; /* it does not bound us: nothing is learned */
    }
    window->was_full = true;
    const uint32_t top = window->size_before * 2; /* one step at a time, to see what it brings */
    if (window->size >= (top < window->max ? top : window->max)) {
        return;
    }
    window->credit += window->is_probing ? 1000 : 1000 / window->size + 1;
    if (window->credit >= 1000) {
        window->credit -= 1000;
        window->size++;
    }
}

void fetch_window_cut(struct fetch_window *window, int64_t now_ns)
{
    window->is_probing = false;
    if (window->cut_ns != 0 && now_ns - window->cut_ns < CUT_REST_NS) {
        return;
    }
    window->cut_ns = now_ns;
    window->size = window->size / 2 < WINDOW_MIN ? WINDOW_MIN : window->size / 2;
    window->size = window->size < window->max ? window->size : window->max;
    window->credit = 0;
    window->size_before = window->size;
    window->rate_before = 0;
}

void fetch_window_turn(struct fetch_window *window, int64_t now_ns)
{
    const int64_t took = now_ns - window->epoch_ns;
    if (took < EPOCH_NS) {
        return;
    }
    const uint64_t rate = window->epoch_answers * (uint64_t)PEN_NS_PER_S / (uint64_t)took;
    const bool has_grown = window->size > window->size_before;
    if (window->was_full && has_grown && window->rate_before > 0 &&
        rate * 100 < window->rate_before * (100 + GAIN_PERCENT)) {
        window->is_probing = false;
        window->size = window->size_before;
    }
    window->size_before = window->size;
    window->rate_before = window->was_full ? rate : 0;
    window->epoch_ns = now_ns;
    window->epoch_answers = 0;
    window->was_full = false;
}
