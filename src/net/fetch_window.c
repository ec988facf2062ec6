/* tested by tests/unit/net/test_fetch_window.c
 *
 * The size changes a step at a time.  What a step brings is known once the answers to what was sent
 * after it are there: two of their times later a span begins, and its answers are compared with
 * those of the span before.  Answers a second are reckoned by Little's law, as requests under way
 * by the time that each takes: they come in bursts, and counted ones differ by a burst.
 */
#include "fetch.h"

#define WINDOW_START 16U
#define WINDOW_MIN 2U
#define CUT_REST_NS PEN_NS_PER_S /* one bad moment gives many bad answers */
#define SPAN_NS (PEN_NS_PER_S / 10)
#define SPAN_ANSWERS 16U /* at least; and as many as the window has */
#define REST_SPANS 8U    /* after a step that brought nothing, until the next */
#define GROW_PART 8U     /* grows by an eighth, or doubles as long as that brings something */
#define SHRINK_PART 4U
#define SPEEDS_UP_PERCENT 3U
#define FLOOR_FOLLOWS 256 /* spans: a lasting rise becomes the floor within minutes */
#define MILLI UINT64_C(1000)

static void span_begin(struct fetch_window *window, int64_t from_ns)
{
    window->span = (struct fetch_span){.begun_ns = from_ns};
}

void fetch_window_init(struct fetch_window *window, uint32_t first, uint32_t max)
{
    PEN_CHECK(max > 0);
    const uint32_t wanted = first == 0 ? WINDOW_START : first;
    *window =
        (struct fetch_window){.size = max < wanted ? max : wanted, .max = max, .is_probing = true};
}

void fetch_window_answer(struct fetch_window *window, const struct fetch_answer *answer)
{
    struct fetch_span *span = &window->span;
    span->answers++;
    span->took_ns += answer->took_ns;
    span->latency_ns += answer->latency_ns;
    span->was_full |= answer->in_flight >= window->size;
}

/* ---- steps ---- */

static uint32_t step_down(uint32_t size, uint32_t part)
{
    const uint32_t less = size - (size / part > 0 ? size / part : 1);
    return less > WINDOW_MIN ? less : size < WINDOW_MIN ? size : WINDOW_MIN;
}

static uint32_t step_up(const struct fetch_window *window)
{
    const uint32_t size = window->size;
    const uint32_t by = window->is_probing ? size : size / GROW_PART;
    const uint32_t more = size + (by > 0 ? by : 1);
    return more < window->max ? more : window->max;
}

void fetch_window_cut(struct fetch_window *window, int64_t now_ns)
{
    window->is_probing = false;
    if (window->cut_ns != 0 && now_ns - window->cut_ns < CUT_REST_NS) {
        return;
    }
    window->cut_ns = now_ns;
    window->size = step_down(window->size, 2);
    window->size_before = 0;
    window->rest = REST_SPANS;
    window->rate = 0;
    span_begin(window, now_ns);
}

/* The last step was up: it is kept if it brought a quarter of what that many more could. */
static bool has_gained(const struct fetch_window *window, uint64_t rate)
{
    const uint64_t more = window->size - window->size_before;
    return window->span.was_full &&
           rate * window->size_before * 4 >= window->rate * (window->size_before * 4ULL + more);
}

/* The last one was down: it is taken back if it cost half of what that many less could.  All steps
 * down in a row count, or they would add up. */
static bool has_cost(const struct fetch_window *window, uint64_t rate)
{
    const uint64_t less = window->size_before - window->size;
    return window->span.was_full &&
           rate * window->size_before * 2 < window->rate_top * (window->size_before * 2ULL - less);
}

/* True when the step that is tried was taken back. */
static bool step_judge(struct fetch_window *window, uint64_t rate, int64_t latency_ns)
{
    const uint32_t before = window->size_before;
    bool is_bad = false;
    if (before > window->size) {
        is_bad = has_cost(window, rate);
        /* Not a queue of ours: the way is longer, or the server slower for everybody. */
        window->floor_ns = is_bad ? latency_ns : window->floor_ns;
    } else if (before > 0) {
        is_bad = !has_gained(window, rate);
        window->is_probing &= !is_bad;
    }
    if (is_bad) {
        window->size = before;
        window->rest = REST_SPANS;
    }
    return is_bad;
}

/* ---- spans ---- */

static bool is_late(const struct fetch_window *window, int64_t latency_ns)
{
    return latency_ns > window->floor_ns * FETCH_LATE_TIMES &&
           latency_ns > window->floor_ns + FETCH_LATE_NS;
}

static void floor_note(struct fetch_window *window, int64_t latency_ns)
{
    if (window->floor_ns == 0 || latency_ns < window->floor_ns) {
        window->floor_ns = latency_ns > 0 ? latency_ns : 1;
    } else {
        window->floor_ns += (latency_ns - window->floor_ns) / FLOOR_FOLLOWS;
    }
}

static void step_choose(struct fetch_window *window, uint64_t rate, int64_t latency_ns)
{
    const uint32_t before = window->size_before;
    const uint32_t size = window->size;
    const bool is_faster = rate * 100 >= window->rate * (100 + SPEEDS_UP_PERCENT);
    uint32_t next = size;
    if (window->span.was_full && is_late(window, latency_ns)) {
        next = is_faster ? size : step_down(size, SHRINK_PART);
        window->rate_top = before > size && window->rate_top > rate ? window->rate_top : rate;
    } else if (window->span.was_full && window->rest == 0) {
        next = step_up(window);
    }
    window->rest -= window->rest > 0;
    window->slowed += next < size;
    window->is_probing &= next >= size;
    window->rest = next < size ? REST_SPANS : window->rest;
    window->size_before = next == size ? 0 : size;
    window->size = next;
}

static void span_judge(struct fetch_window *window, int64_t now_ns)
{
    const struct fetch_span *span = &window->span;
    const int64_t took_ns = span->took_ns / span->answers > 0 ? span->took_ns / span->answers : 1;
    const int64_t latency_ns = span->latency_ns / span->answers;
    const uint64_t at_once = span->in_flight_ns * MILLI / (uint64_t)(now_ns - span->begun_ns);
    const uint64_t rate = at_once * (uint64_t)PEN_NS_PER_S / (uint64_t)took_ns;
    const uint32_t size = window->size;
    const bool is_undone = step_judge(window, rate, latency_ns);
    floor_note(window, latency_ns);
    if (is_undone) {
        window->size_before = 0;
    } else {
        step_choose(window, rate, latency_ns);
    }
    window->rate = is_undone ? 0 : rate;
    span_begin(window, window->size == size ? now_ns : now_ns + 2 * took_ns);
}

void fetch_window_turn(struct fetch_window *window, int64_t now_ns, uint32_t in_flight)
{
    struct fetch_span *span = &window->span;
    const int64_t before_ns = window->turned_ns;
    window->turned_ns = now_ns;
    if (before_ns == 0 || before_ns < span->begun_ns) { /* it has not begun, or begins here */
        span_begin(window, now_ns > span->begun_ns ? now_ns : span->begun_ns);
        return;
    }
    span->in_flight_ns += (uint64_t)(now_ns - before_ns) * in_flight;
    const uint32_t enough = window->size > SPAN_ANSWERS ? window->size : SPAN_ANSWERS;
    if (now_ns - span->begun_ns >= SPAN_NS && span->answers >= enough) {
        span_judge(window, now_ns);
    }
}
