/* What a group keeps for the signal that it may open, against a list that keeps all. */
#include "state_whole.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE (60 * PEN_NS_PER_S)
#define BEGIN (19800 * PEN_NS_PER_DAY)
#define WINDOW_MINUTES 30
#define EVENTS 600U
#define KEPT 3U
#define SHOWN_MAX (EVENTS * (KEPT + 1))

struct seen { /* minutes behind BEGIN; released in the order of release */
    int64_t minute, release;
};
struct shown { /* of each opening: the events that it shows, behind one another, and an end */
    uint32_t events[SHOWN_MAX + EVENTS];
    uint32_t count;
};
#define END UINT32_MAX

static const enum pen_aggregation counted[] = {PEN_COUNT_EVENTS};

static struct pen_condition_step step(enum pen_condition_op op, uint64_t factor, uint64_t than)
{
    const struct pen_condition_side query = {.query = 0, .factor = factor};
    const struct pen_condition_side number = {.query = PEN_CONDITION_NO_QUERY, .factor = than};
    const bool is_turned = op == PEN_CONDITION_LT || op == PEN_CONDITION_LE;
    return (struct pen_condition_step){
        .op = op, .left = is_turned ? number : query, .right = is_turned ? query : number};
}

static struct pen_state_rule rule_of(const struct pen_state_case *one)
{
    return (struct pen_state_rule){.id = PEN_SLICE_LIT("kept"),
                                   .method = PEN_METHOD_THRESHOLD,
                                   .window_ns = WINDOW_MINUTES * MINUTE,
                                   .duration_max_ns = PEN_NS_PER_DAY,
                                   .queries = counted,
                                   .query_count = 1,
                                   .cases = one,
                                   .case_count = 1};
}

static pen_status on_signal(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    struct shown *shown = ctx;
    for (uint32_t i = 0; change == PEN_SIGNAL_OPENED && i <= s->sample_count; i++) {
        assert_true(shown->count < PEN_COUNT(shown->events));
        shown->events[shown->count++] =
            i == s->sample_count ? END : (uint32_t)s->samples[i].o.record;
    }
    return PEN_OK;
}

static struct pen_state *state_of(const struct pen_state_rule *rule)
{
    const struct pen_state_options o = {.dir = "/tmp",
                                        .shards = 1,
                                        .rules = rule,
                                        .rule_count = 1,
                                        .samples_first = KEPT,
                                        .samples_last = 2,
                                        .memory_bytes_max = 1 << 24,
                                        .groups_max = 16,
                                        .window_events_max = EVENTS,
                                        .values_max = 16,
                                        .new_values_max = 16};
    struct pen_state *state = NULL;
    assert_int_equal(pen_state_new(&o, &state, NULL), PEN_OK);
    return state;
}

static void feed(struct pen_state *state, const struct seen *events, uint32_t count,
                 struct shown *shown)
{
    bool more = true;
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        const int n = snprintf(id, sizeof(id), "id-%06u", i);
        const struct pen_observation o = {.rule_id = PEN_SLICE_LIT("kept"),
                                          .time_ns = BEGIN + events[i].minute * MINUTE,
                                          .promise_ns = BEGIN + events[i].release * MINUTE,
                                          .event_id = {(const uint8_t *)id, (size_t)n},
                                          .group = PEN_SLICE_LIT("{\"a\":\"x\"}"),
                                          .record = i};
        assert_int_equal(pen_state_append(state, 1, &o, NULL), PEN_OK);
    }
    assert_int_equal(pen_state_spill(state, 1, NULL), PEN_OK);
    while (more) {
        assert_int_equal(pen_state_release(state, INT64_MAX, 64, on_signal, shown, &more, NULL),
                         PEN_OK);
    }
}

/* Some list of events, of those before the last only ones that its window has. */
struct list {
    uint32_t events[EVENTS];
    uint32_t count;
};

static void list_trim(struct list *list, const struct seen *events, int64_t from)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        list->events[kept] = list->events[i];
        kept += events[list->events[i]].minute > from;
    }
    list->count = kept;
}

static uint32_t counted_at(const struct list *window, const struct seen *events, int64_t minute)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < window->count; i++) {
        count += events[window->events[i]].minute <= minute;
    }
    return count;
}

/* Every event opens a signal whose window has so many. */
static void evaluate(const struct seen *events, uint32_t least, struct shown *shown)
{
    static struct list window;
    static struct list kept;
    window.count = kept.count = 0;
    for (uint32_t i = 0; i < EVENTS; i++) {
        const struct seen *e = &events[i];
        const bool is_anew = i > 0 && e->release - events[i - 1].release >= WINDOW_MINUTES;
        list_trim(&window, events, is_anew ? INT64_MAX : e->minute - WINDOW_MINUTES);
        list_trim(&kept, events, is_anew ? INT64_MAX : e->minute - WINDOW_MINUTES);
        window.events[window.count++] = i;
        if (counted_at(&window, events, e->minute) >= least) {
            for (uint32_t k = 0; k < kept.count; k++) { /* a late one shows none behind it */
                shown->events[shown->count] = kept.events[k];
                shown->count += events[kept.events[k]].minute <= e->minute;
            }
            shown->events[shown->count++] = i;
            shown->events[shown->count++] = END;
        }
        if (kept.count == KEPT) {
            memmove(kept.events, kept.events + 1, --kept.count * sizeof(uint32_t));
        }
        kept.events[kept.count++] = i;
    }
}

/* Steps of a few minutes, now and then a rest; some events are late, by up to two windows. */
static void events_make(struct seen *events, uint64_t seed)
{
    uint64_t x = seed * 2 + 1;
    int64_t now = 0;
    for (uint32_t i = 0; i < EVENTS; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const uint32_t r = (uint32_t)(x >> 33);
        now += 1 + (r % 50 == 0 ? 25 + r / 64 % 12 : r / 64 % (r % 4 == 0 ? 6 : 2));
        const int64_t late = r / 4096 % 7 == 0 ? 1 + r / 65536 % (2 * WINDOW_MINUTES) : 0;
        events[i] = (struct seen){.minute = now - late, .release = now};
    }
}

static void what_a_signal_shows_does_not_depend_on_what_is_not_kept(void **unused)
{
    static struct seen events[EVENTS];
    static struct shown shown;
    static struct shown wanted;
    static const uint32_t leasts[] = {1, 2, 4, 5, 8, 12, 17};
    uint32_t openings = 0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        events_make(events, seed);
        for (uint32_t n = 0; n < PEN_COUNT(leasts); n++) {
            const struct pen_condition_step more = step(PEN_CONDITION_GE, 1, leasts[n]);
            const struct pen_state_case one = {.condition = {.steps = &more, .count = 1}};
            const struct pen_state_rule rule = rule_of(&one);
            struct pen_state *state = state_of(&rule);
            shown.count = wanted.count = 0;
            feed(state, events, EVENTS, &shown);
            evaluate(events, leasts[n], &wanted);
            if (leasts[n] > 1) { /* with 1 nothing is kept: every event shows itself */
                assert_int_equal(shown.count, wanted.count);
                assert_memory_equal(shown.events, wanted.events, shown.count * sizeof(uint32_t));
            }
            openings += shown.count;
            pen_state_free(state);
        }
    }
    assert_true(openings > 10000);
}

/* The group of the state; there is one at most. */
static struct group *group_of(const struct pen_state *state)
{
    for (uint32_t t = 0; t < GROUP_TABLES; t++) {
        const struct group_table *table = &state->groups.tables[t];
        for (size_t i = 0; i < table->slot_count; i++) {
            if (table->slots[i] != NULL) {
                return table->slots[i];
            }
        }
    }
    return NULL;
}

static uint32_t kept_of(const struct pen_state_rule *rule, uint32_t events)
{
    static struct seen seen[EVENTS];
    static struct shown shown;
    struct pen_state *state = state_of(rule);
    for (uint32_t i = 0; i < events; i++) {
        seen[i] = (struct seen){.minute = 0, .release = i / 100};
    }
    shown.count = 0;
    feed(state, seen, events, &shown);
    struct group *group = group_of(state);
    assert_non_null(group);
    const uint32_t kept = group->alone_len > 0 ? 0 : pen_group_kept(group)->sample_count;
    pen_state_free(state);
    return kept;
}

static void a_window_that_is_far_from_true_keeps_no_event(void **unused)
{
    const struct {
        struct pen_condition_step steps[3];
        uint32_t count, least;
    } rows[] = {
        {{step(PEN_CONDITION_GT, 1, 99)}, 1, 100},
        {{step(PEN_CONDITION_GE, 1, 100)}, 1, 100},
        {{step(PEN_CONDITION_LT, 2, 198)}, 1, 100},
        {{step(PEN_CONDITION_LE, 2, 199)}, 1, 100},
        {{step(PEN_CONDITION_GT, 1, 99), step(PEN_CONDITION_GT, 1, 49), {.op = PEN_CONDITION_AND}},
         3,
         100},
        {{step(PEN_CONDITION_GT, 1, 99), step(PEN_CONDITION_GT, 1, 49), {.op = PEN_CONDITION_OR}},
         3,
         50},
    };
    (void)unused;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        const struct pen_state_case one = {
            .condition = {.steps = rows[i].steps, .count = rows[i].count}};
        const struct pen_state_rule rule = rule_of(&one);
        assert_int_equal(kept_of(&rule, rows[i].least - KEPT - 1), 0);
        assert_int_equal(kept_of(&rule, rows[i].least - KEPT), 1);
        assert_int_equal(kept_of(&rule, rows[i].least - 1), KEPT);
    }
}

/* A rule of a query that counts values, and its state after some events, each with such values. */
static void feed_values(struct pen_state *state, const char *values, int64_t minute,
                        struct shown *shown)
{
    const struct pen_observation o = {.rule_id = PEN_SLICE_LIT("kept"),
                                      .time_ns = BEGIN + minute * MINUTE,
                                      .promise_ns = INT64_MIN,
                                      .event_id = PEN_SLICE_LIT("id"),
                                      .group = PEN_SLICE_LIT("{}"),
                                      .record = (uint64_t)minute,
                                      .actor = PEN_SLICE_LIT("somebody"),
                                      .values = pen_slice_str(values)};
    bool more = true;
    assert_int_equal(pen_state_append(state, 1, &o, NULL), PEN_OK);
    assert_int_equal(pen_state_spill(state, 1, NULL), PEN_OK);
    while (more) {
        assert_int_equal(pen_state_release(state, BEGIN + (minute + 1) * MINUTE, 64, on_signal,
                                           shown, &more, NULL),
                         PEN_OK);
    }
}

/* The state of a rule that wants more than one value in its window. */
static struct pen_state *state_of_values(void)
{
    static const enum pen_aggregation distinct[] = {PEN_CARDINALITY};
    static struct pen_condition_step more;
    static struct pen_state_case one;
    static struct pen_state_rule rule;
    more = step(PEN_CONDITION_GT, 1, 1);
    one = (struct pen_state_case){.condition = {.steps = &more, .count = 1}};
    rule = rule_of(&one);
    rule.queries = distinct;
    return state_of(&rule);
}

static void the_first_event_of_a_group_waits_alone(void **unused)
{
    struct shown shown = {.count = 0};
    struct pen_state *state = state_of_values();
    (void)unused;
    feed_values(state, "\"a\"", 1, &shown);
    assert_true(group_of(state)->alone_len > 0);
    const uint64_t bytes = state->groups.bytes;
    feed_values(state, "\"a\"", 2, &shown);
    assert_int_equal(group_of(state)->alone_len, 0);
    assert_int_equal(pen_group_kept(group_of(state))->window.count, 2);
    assert_true(state->groups.bytes > bytes);
    assert_int_equal(shown.count, 0);
    feed_values(state, "\"b\"", 3, &shown);
    assert_int_equal(shown.count, 4);
    assert_memory_equal(shown.events, ((const uint32_t[]){1, 2, 3, END}), 4 * sizeof(uint32_t));
    assert_int_equal(state->groups.count, 1);
    pen_state_free(state);
}

static void an_event_with_several_values_does_not_wait(void **unused)
{
    struct shown shown = {.count = 0};
    struct pen_state *state = state_of_values();
    (void)unused;
    feed_values(state, "\"a\"\n\"b\"", 1, &shown);
    assert_int_equal(group_of(state)->alone_len, 0);
    assert_int_equal(shown.count, 2);
    pen_state_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_with_several_values_does_not_wait),
        cmocka_unit_test(the_first_event_of_a_group_waits_alone),
        cmocka_unit_test(a_window_that_is_far_from_true_keeps_no_event),
        cmocka_unit_test(what_a_signal_shows_does_not_depend_on_what_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
