/* Chains of steps in windows: on random events against a search over all of them, and the bounds.
 */
#include "penstock/state.h"

#include "state_internal.h"
#include "test.h"

#include <stdlib.h>

#define SECOND PEN_NS_PER_S
#define EVENTS 120U
#define QUERIES 3U

static struct pen_arena arena;
static const enum pen_aggregation counts[QUERIES] = {0};
static struct pen_sequence_step steps[PEN_SEQUENCE_STEPS_MAX];
static struct pen_state_rule rule;

static void step_make(uint32_t i, const char *condition, int64_t window_s, int64_t wait_s)
{
    static const pen_slice names[QUERIES] = {PEN_SLICE_LIT("a"), PEN_SLICE_LIT("b"),
                                             PEN_SLICE_LIT("c")};
    steps[i] =
        (struct pen_sequence_step){.window_ns = window_s * SECOND, .wait_ns = wait_s * SECOND};
    assert_int_equal(pen_condition_parse(&arena, pen_slice_str(condition), names, QUERIES,
                                         &steps[i].condition, NULL),
                     PEN_OK);
}

static void rule_make(uint32_t step_count)
{
    int64_t length = steps[0].window_ns > 0 ? steps[0].window_ns : 1;
    for (uint32_t i = 0; i < step_count; i++) {
        length += steps[i].wait_ns;
    }
    rule = (struct pen_state_rule){.method = PEN_METHOD_SEQUENCE,
                                   .window_ns = length,
                                   .queries = counts,
                                   .query_count = QUERIES,
                                   .steps = steps,
                                   .step_count = step_count};
}

struct feed {
    struct window_shape shape;
    struct window window;
    struct window_counters counters;
};

static void feed_init(struct feed *f)
{
    *f = (struct feed){.counters = {0}};
    pen_window_shape(&f->shape, &rule);
    assert_int_equal(pen_window_init(&f->window, &f->shape), PEN_OK);
}

/* Whether the event completes the sequence. */
static bool feed(struct feed *f, int64_t time, uint32_t queries)
{
    const struct window_limits limits = {.events_max = 1000, .values_max = 10};
    const struct pen_observation o = {.time_ns = time};
    const struct state_event event = {.o = &o, .queries = queries};
    struct window_sum sum;
    assert_int_equal(pen_window_add(&f->window, &f->shape, &event, &limits, &f->counters), PEN_OK);
    assert_int_equal(pen_window_sum(&f->window, &f->shape, time, &sum), PEN_OK);
    return pen_window_case(&f->shape, &sum) == 0;
}

enum { A = 1, B = 2, C = 4 };

static void a_transition_holds_up_to_its_bound(void **state)
{
    (void)state;
    step_make(0, "a > 1", 60, 0);
    step_make(1, "b > 0", 300, 100);
    rule_make(2);
    struct feed f;
    feed_init(&f);
    assert_false(feed(&f, 0, A));
    assert_false(feed(&f, 60 * SECOND, A)); /* the first is not in (0, 60] */
    assert_false(feed(&f, 61 * SECOND, B));
    assert_false(feed(&f, 62 * SECOND, A)); /* reached */
    assert_true(feed(&f, 162 * SECOND, B));
    assert_false(feed(&f, 162 * SECOND + 1, B));
    pen_window_fini(&f.window, &f.shape);
}

static void one_event_is_one_step(void **state)
{
    (void)state;
    step_make(0, "a > 0", 60, 0);
    step_make(1, "b > 0", 60, 60);
    rule_make(2);
    struct feed f;
    feed_init(&f);
    assert_false(feed(&f, 0, A | B));
    assert_true(feed(&f, 0, A | B)); /* another one of the same time */
    pen_window_fini(&f.window, &f.shape);
}

static void only_what_lies_behind_the_step_before_counts(void **state)
{
    (void)state;
    step_make(0, "a > 0", 0, 0);
    step_make(1, "b > 1", 600, 600);
    rule_make(2);
    struct feed f;
    feed_init(&f);
    assert_false(feed(&f, 1, B));
    assert_false(feed(&f, 2, A));
    assert_false(feed(&f, 3, B));
    assert_false(feed(&f, 4, C)); /* no query of the step */
    assert_true(feed(&f, 5, B));
    pen_window_fini(&f.window, &f.shape);
}

static void a_late_event_completes_what_comes_after_it(void **state)
{
    (void)state;
    step_make(0, "a > 0", 60, 0);
    step_make(1, "b > 0", 60, 300);
    step_make(2, "c > 0", 60, 300);
    rule_make(3);
    struct feed f;
    feed_init(&f);
    assert_false(feed(&f, 20, B));
    assert_false(feed(&f, 30, C));
    assert_false(feed(&f, 10, A)); /* late: what was told stays */
    assert_true(feed(&f, 40, C));
    pen_window_fini(&f.window, &f.shape);
}

/* ---- random events ---- */

struct made {
    int64_t time;
    uint32_t queries;
};

static bool is_true(const struct made *events, uint32_t from, uint32_t to, uint32_t number)
{
    pen_quantity values[QUERIES + 1] = {0};
    for (uint32_t i = from; i <= to; i++) {
        const bool is_in = i == to || events[to].time - events[i].time < steps[number].window_ns;
        for (uint32_t q = 0; is_in && q < QUERIES; q++) {
            values[q] += ((events[i].queries >> q) & 1U) != 0 ? PEN_QUANTITY_ONE : 0;
        }
    }
    return pen_condition_eval(&steps[number].condition, 0, steps[number].condition.count, values);
}

/* By its definition: reached[n][i] tells for each event up to at whether it completes step n. */
static bool completes(const struct made *events, uint32_t at, uint32_t number,
                      bool (*reached)[EVENTS])
{
    static const uint32_t named[] = {A, A | B, C, B};
    if ((events[at].queries & named[number]) == 0) {
        return false;
    }
    if (number == 0) {
        return is_true(events, 0, at, 0);
    }
    for (uint32_t p = 0; p < at; p++) {
        if (reached[number - 1][p] && events[at].time - events[p].time <= steps[number].wait_ns &&
            is_true(events, p + 1, at, number)) {
            return true;
        }
    }
    return false;
}

static void random_events_are_judged_as_by_the_definition(void **state)
{
    (void)state;
    step_make(0, "a > 0", 20, 0);
    step_make(1, "a < 2 && b > 0", 15, 30);
    step_make(2, "c > 1", 40, 10);
    step_make(3, "b >= 1", 0, 25);
    rule_make(4);
    uint32_t completed = 0;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct made events[EVENTS];
        bool reached[4][EVENTS];
        struct feed f;
        uint64_t rng = seed;
        int64_t time = 0;
        feed_init(&f);
        for (uint32_t i = 0; i < EVENTS; i++) {
            rng = pen_hash64((pen_slice){(const uint8_t *)&rng, sizeof(rng)}, seed);
            time += (int64_t)(rng % 12) * SECOND;
            events[i] = (struct made){.time = time, .queries = 1 + (uint32_t)(rng >> 32) % 7};
            for (uint32_t number = 0; number < 4; number++) {
                reached[number][i] = completes(events, i, number, reached);
            }
            assert_int_equal(feed(&f, time, events[i].queries), reached[3][i]);
            completed += reached[3][i];
        }
        /* Made anew of its events it says the same. */
        const uint16_t marked = pen_window_event(&f.window, f.window.count - 1)->steps;
        pen_sequence_mark_all(&f.window, &f.shape);
        assert_int_equal(pen_window_event(&f.window, f.window.count - 1)->steps, marked);
        pen_window_fini(&f.window, &f.shape);
    }
    assert_true(completed > 100);
}

static int arena_make(void **state)
{
    (void)state;
    pen_arena_init(&arena, (size_t)1 << 20);
    return 0;
}

static int arena_free(void **state)
{
    (void)state;
    pen_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transition_holds_up_to_its_bound),
        cmocka_unit_test(one_event_is_one_step),
        cmocka_unit_test(only_what_lies_behind_the_step_before_counts),
        cmocka_unit_test(a_late_event_completes_what_comes_after_it),
        cmocka_unit_test(random_events_are_judged_as_by_the_definition),
    };
    return cmocka_run_group_tests(tests, arena_make, arena_free);
}
