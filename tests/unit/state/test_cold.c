/* What a state of a range says of what it cannot know: dormant groups, and signals over cold ones.
 */
#include "state_internal.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOUR (3600 * PEN_NS_PER_S)
#define BEGIN (19800 * PEN_NS_PER_DAY)

enum { NEW, FIRST, COUNT, RULES };
static const enum pen_aggregation counted[] = {PEN_COUNT_EVENTS};
static const struct pen_condition_step more_than_one[] = {
    {.op = PEN_CONDITION_GT,
     .left = {.query = 0, .factor = 1},
     .right = {.query = PEN_CONDITION_NO_QUERY, .factor = 1}}};
static const struct pen_state_case cases[] = {{.condition = {.steps = more_than_one, .count = 1}}};
static const struct pen_state_rule rules[RULES] = {
    [NEW] = {.id = {(const uint8_t *)"new", 3},
             .method = PEN_METHOD_NEW_VALUE,
             .query_count = 1,
             .keep_alive_ns = HOUR / 2,
             .duration_max_ns = 24 * HOUR,
             .new_value = {.learning_ns = HOUR, .forget_ns = 2 * HOUR}},
    [FIRST] = {.id = {(const uint8_t *)"first", 5},
               .method = PEN_METHOD_NEW_VALUE,
               .query_count = 1,
               .new_value = {.forget_ns = 2 * HOUR, .silent = 1}},
    [COUNT] = {.id = {(const uint8_t *)"count", 5},
               .method = PEN_METHOD_THRESHOLD,
               .window_ns = HOUR,
               .keep_alive_ns = HOUR / 2,
               .duration_max_ns = 24 * HOUR,
               .queries = counted,
               .query_count = 1,
               .cases = cases,
               .case_count = 1}};

struct told { /* openings */
    uint32_t count;
    int64_t first_seen[16];
    bool cold[16];
};
struct seen { /* an event: minutes behind BEGIN */
    int64_t minute;
    const char *group, *value;
    bool is_cold;
};

static pen_status on_signal(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    struct told *told = ctx;
    if (change == PEN_SIGNAL_OPENED) {
        assert_true(told->count < PEN_COUNT(told->cold));
        told->first_seen[told->count] = (s->first_seen_ns - BEGIN) / (60 * PEN_NS_PER_S);
        told->cold[told->count++] = s->cold;
    }
    return PEN_OK;
}

static struct told run(uint32_t rule, bool has_begin, const struct seen *events, uint32_t count)
{
    const struct pen_state_options o = {.dir = "/tmp",
                                        .shards = 1,
                                        .rules = rules,
                                        .rule_count = RULES,
                                        .samples_first = 1,
                                        .memory_bytes_max = 1 << 24,
                                        .groups_max = 16,
                                        .window_events_max = 16,
                                        .values_max = 16,
                                        .new_values_max = 4096,
                                        .has_begin = has_begin,
                                        .begin_ns = BEGIN};
    struct pen_state *state = NULL;
    struct told told = {.count = 0};
    bool more = true;
    assert_int_equal(pen_state_new(&o, &state, NULL), PEN_OK);
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        const int n = snprintf(id, sizeof(id), "id-%04u", i);
        const struct pen_observation seen = {.rule = rule,
                                             .rule_id = rules[rule].id,
                                             .time_ns =
                                                 BEGIN + events[i].minute * 60 * PEN_NS_PER_S,
                                             .promise_ns = INT64_MIN,
                                             .event_id = {(const uint8_t *)id, (size_t)n},
                                             .group = pen_slice_str(events[i].group),
                                             .values = pen_slice_str(events[i].value),
                                             .is_cold = events[i].is_cold};
        assert_int_equal(pen_state_append(state, 1, &seen, NULL), PEN_OK);
    }
    assert_int_equal(pen_state_spill(state, 1, NULL), PEN_OK);
    while (more) {
        assert_int_equal(pen_state_release(state, INT64_MAX, 64, on_signal, &told, &more, NULL),
                         PEN_OK);
    }
    pen_state_free(state);
    return told;
}

static void a_group_that_may_be_old_opens_cold_signals_where_it_learns(void **unused)
{
    static const struct seen events[] = {
        {10, "{\"a\":\"x\"}", "v", false},
        {100, "{\"a\":\"x\"}", "w", false},
        {200, "{\"a\":\"y\"}", "v", false},
        {300, "{\"a\":\"y\"}", "w", false},
    };
    (void)unused;
    /* x is there from the beginning: it learns until 70.  y comes when nothing of before counts. */
    const struct told ranged = run(NEW, true, events, 4);
    assert_int_equal(ranged.count, 3);
    assert_true(ranged.first_seen[0] == 100 && ranged.cold[0]); /* before learning and forgetting */
    assert_true(ranged.first_seen[1] == 200 && ranged.cold[1]);
    assert_true(ranged.first_seen[2] == 300 && !ranged.cold[2]);
    const struct told whole = run(NEW, false, events, 4);
    assert_int_equal(whole.count, 2);
    assert_true(whole.first_seen[0] == 100 && whole.first_seen[1] == 300);
    assert_true(!whole.cold[0] && !whole.cold[1]);
}

static void a_group_that_learns_its_first_value_likewise(void **unused)
{
    static const struct seen events[] = {{10, "{\"a\":\"x\"}", "v", false},
                                         {130, "{\"a\":\"y\"}", "v", false},
                                         {131, "{\"a\":\"y\"}", "w", false}};
    (void)unused;
    const struct told ranged = run(FIRST, true, events, 3);
    assert_int_equal(ranged.count, 2);
    assert_true(ranged.first_seen[0] == 130 && ranged.cold[0]);
    assert_true(ranged.first_seen[1] == 131 && !ranged.cold[1]);
    assert_int_equal(run(FIRST, false, events, 3).count, 1);
}

static void a_rule_over_a_cold_signal_is_cold_while_it_counts_it(void **unused)
{
    static const struct seen events[] = {
        {300, "{\"a\":\"x\"}", "", true},  {330, "{\"a\":\"x\"}", "", false},
        {500, "{\"a\":\"x\"}", "", false}, {510, "{\"a\":\"x\"}", "", false},
        {700, "{\"a\":\"x\"}", "", false}, {710, "{\"a\":\"x\"}", "", false},
        {735, "{\"a\":\"x\"}", "", true}};
    (void)unused;
    const struct told told = run(COUNT, false, events, 7);
    assert_int_equal(told.count, 3);
    assert_true(told.first_seen[0] == 330 && told.cold[0]);
    assert_true(told.first_seen[1] == 510 && !told.cold[1]); /* it has left the window */
    assert_true(told.first_seen[2] == 710 && !told.cold[2]); /* as it was when it opened */
}

static void what_rules_look_back_is_told_by_method(void **unused)
{
    const struct pen_state_rule odd = {.method = PEN_METHOD_ANOMALY,
                                       .anomaly = {.bucket_ns = HOUR, .learning_ns = HOUR}};
    const struct pen_state_rule far = {
        .method = PEN_METHOD_TRAVEL,
        .travel = {.knows_places = true, .learning_ns = HOUR, .forget_ns = 48 * HOUR}};
    (void)unused;
    assert_true(pen_state_history_ns(&rules[NEW]) == 4 * HOUR);
    assert_true(pen_state_history_ns(&rules[FIRST]) == 2 * HOUR);
    assert_true(pen_state_history_ns(&rules[COUNT]) == HOUR);
    assert_true(pen_state_history_ns(&odd) == 28 * PEN_NS_PER_DAY + 2 * HOUR);
    assert_true(pen_state_history_ns(&far) == PEN_NS_PER_DAY + 49 * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_that_may_be_old_opens_cold_signals_where_it_learns),
        cmocka_unit_test(a_group_that_learns_its_first_value_likewise),
        cmocka_unit_test(a_rule_over_a_cold_signal_is_cold_while_it_counts_it),
        cmocka_unit_test(what_rules_look_back_is_told_by_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
