/* What sequence_detection and impossible_travel take and refuse. */
#include "datadog.h"
#include "sigma_test.h"

#include <stdlib.h>

#define WINDOWS "\"evaluationWindow\":0,\"keepAlive\":600,\"maxSignalDuration\":3600"
#define RULE(queries, cases, method, own)                                                   \
    "{\"name\":\"n\",\"isEnabled\":true,\"message\":\"m\",\n\"queries\":[" queries "],\n"   \
    "\"cases\":[" cases "],\n\"options\":{\"detectionMethod\":\"" method "\"," WINDOWS "\n" \
    "," own "}}"
#define QUERY(name) "{\"query\":\"@a:b\",\"name\":\"" name "\",\"groupByFields\":[\"@g\"]}"
#define STEP(name, condition, window) \
    "{\"name\":\"" name "\",\"condition\":\"" condition "\",\"evaluationWindow\":" window "}"
#define TRANSITION(parent, child, window) \
    "{\"parent\":\"" parent "\",\"child\":\"" child "\",\"evaluationWindow\":" window "}"
#define STEPS(steps, transitions) \
    "\"sequenceDetectionOptions\":{\"steps\":[" steps "],\"stepTransitions\":[" transitions "]}"
#define CASE(condition) "{\"status\":\"high\",\"condition\":\"" condition "\"}"
#define TWO STEP("x", "a > 0", "60") "," STEP("y", "b > 1 && a < 3", "0")
#define SEQUENCE(cases, steps, transitions) \
    RULE(QUERY("a") "," QUERY("b"), cases, "sequence_detection", STEPS(steps, transitions))

static struct pen_rules *load_json(const char *text)
{
    const struct pen_rule_text file = {"f.json", pen_slice_str(text)};
    const struct pen_rules_options options = {.level_min = PEN_INFO};
    return load_texts(&file, 1, &options);
}

static const struct pen_state_rule *only(const struct pen_rules *rules)
{
    if (pen_rules_count(rules) != 1 || pen_rules_rejected(rules) != 0) {
        print_notices(rules);
        fail_msg("%u rules, %u rejected", pen_rules_count(rules), pen_rules_rejected(rules));
    }
    return &pen_rules_at(rules, 0)->datadog->state;
}

/* Some notice of the level holds the words. */
static void has_notice(const struct pen_rules *rules, enum pen_notice_level level,
                       const char *words)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        if (n->level == level && pen_slice_find(n->text, pen_slice_str(words)) != SIZE_MAX) {
            assert_true(n->line >= 2 && n->column >= 1);
            return;
        }
    }
    print_notices(rules);
    fail_msg("no notice says: %s", words);
}

/* ---- sequences ---- */

static void steps_stand_in_the_order_of_their_transitions(void **state)
{
    (void)state;
    struct pen_rules *rules =
        load_json(SEQUENCE(CASE("z > 0"), STEP("z", "a > 4", "300") "," TWO,
                           TRANSITION("y", "z", "900") "," TRANSITION("x", "y", "3600")));
    const struct pen_state_rule *rule = only(rules);
    assert_int_equal(rule->method, PEN_METHOD_SEQUENCE);
    assert_int_equal(rule->step_count, 3);
    assert_true(pen_slice_eq(rule->steps[0].name, PEN_SLICE_LIT("x")));
    assert_true(pen_slice_eq(rule->steps[2].name, PEN_SLICE_LIT("z")));
    assert_int_equal(rule->steps[0].wait_ns, 0);
    assert_int_equal(rule->steps[1].wait_ns, 3600 * PEN_NS_PER_S);
    assert_int_equal(rule->steps[2].wait_ns, 900 * PEN_NS_PER_S);
    assert_int_equal(rule->steps[2].window_ns, 300 * PEN_NS_PER_S);
    assert_int_equal(rule->steps[1].condition.count, 3);
    assert_int_equal(rule->window_ns, (3600 + 900 + 60) * PEN_NS_PER_S);
    assert_true(rule->case_count == 1 && rule->cases[0].condition.count == 0);
    pen_rules_free(rules);
}

static void a_sequence_of_one_event_is_as_long_as_that(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(SEQUENCE(CASE(""), STEP("x", "a > 0", "0"), ""));
    assert_int_equal(only(rules)->window_ns, 1);
    pen_rules_free(rules);
}

#define X_Y TRANSITION("x", "y", "60")

static void what_is_wrong_with_a_sequence_is_told(void **state)
{
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {RULE(QUERY("a"), CASE(""), "sequence_detection", "\"tags\":[]"),
         "sequence_detection needs `sequenceDetectionOptions` with `steps`"},
        {SEQUENCE(CASE("y > 0"), TWO, ""), "the transitions do not join all 2 steps"},
        {SEQUENCE(CASE("y > 0"), TWO, TRANSITION("x", "z", "60")), "no step has the name 'z'"},
        {SEQUENCE(CASE("y > 0"), TWO, X_Y "," TRANSITION("y", "x", "60")),
         "the transitions do not join all 2 steps"},
        {SEQUENCE(CASE("y > 0"), TWO, X_Y "," X_Y), "'x' has a child already"},
        {SEQUENCE(CASE("y > 0"), TWO "," STEP("w", "a > 0", "60"),
                  X_Y "," TRANSITION("w", "y", "60")),
         "'y' has a parent already"},
        {SEQUENCE(CASE("y > 0"), STEP("x", "a > 0", "60") "," STEP("x", "a > 0", "60"), ""),
         "another step has the name 'x'"},
        {SEQUENCE(CASE(""), STEP("X", "a > 0", "60"), ""), "the name of a step is made of a-z"},
        {SEQUENCE(CASE(""), STEP("x", "c > 0", "60"), ""), "no query is named `c`"},
        {SEQUENCE(CASE(""), STEP("x", "a > 0 THEN b > 0", "60"), ""), "has no `THEN`"},
        {SEQUENCE(CASE(""), STEP("x", "1 > 0", "60"), ""), "names a query"},
        {SEQUENCE(CASE(""), STEP("x", "a > 0", "61"), ""), "evaluationWindow"},
        {SEQUENCE(CASE("x > 0"), TWO, X_Y), "says that the last step is reached: `y > 0`"},
        {SEQUENCE(CASE("y > 1"), TWO, X_Y), "says that the last step is reached: `y > 0`"},
        {SEQUENCE(CASE("y >= 0"), TWO, X_Y), "says that the last step is reached: `y > 0`"},
        {SEQUENCE(CASE("b > 0"), TWO, X_Y), "no query is named `b`"},
        {SEQUENCE(CASE("y > 0"), TWO "," STEP("z", "a > 0", "60"),
                  TRANSITION("x", "y", "86400") "," TRANSITION("y", "z", "60")),
         "the transitions take 86460 s together, more than 86400 s"},
        {RULE("{\"query\":\"@a:b\",\"aggregation\":\"max\",\"metrics\":[\"@m\"]}", CASE(""),
              "sequence_detection", STEPS(STEP("x", "a > 0", "60"), "")),
         "the aggregation max is not one of the detection method sequence_detection"},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_json(rows[i].text);
        assert_int_equal(pen_rules_rejected(rules), 1);
        has_notice(rules, PEN_NOTICE_ERROR, rows[i].notice);
        pen_rules_free(rules);
    }
}

static void queries_that_never_meet_are_warned_of(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(RULE(QUERY("a") ",{\"query\":\"*\",\"name\":\"b\"}",
                                             CASE(""), "sequence_detection", STEPS(TWO, X_Y)));
    (void)only(rules);
    has_notice(rules, PEN_NOTICE_WARNING, "queries a and b group by different numbers of fields");
    pen_rules_free(rules);
}

/* ---- travel ---- */

#define PLACES(metrics, more) \
    "{\"query\":\"*\",\"aggregation\":\"geo_data\",\"metrics\":[" metrics "]" more "}"
#define GEOIP "\"@network.client.geoip\""
#define TRAVEL(own) RULE(PLACES(GEOIP, ""), CASE(""), "impossible_travel", own)

static void travel_has_its_options(void **state)
{
    static const struct {
        const char *own;
        bool knows_places;
        int64_t learning_days;
    } rows[] = {
        {"\"x\":1", false, 1},
        {"\"impossibleTravelOptions\":{\"baselineUserLocations\":false}", false, 1},
        {"\"impossibleTravelOptions\":{\"baselineUserLocations\":true,"
         "\"detectIpTransition\":false}",
         true, 1},
        {"\"impossibleTravelOptions\":{\"baselineUserLocations\":true,"
         "\"baselineUserLocationsDuration\":7}",
         true, 7},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), TRAVEL("%s"), rows[i].own);
        struct pen_rules *rules = load_json(text);
        const struct pen_state_rule *rule = only(rules);
        assert_int_equal(rule->method, PEN_METHOD_TRAVEL);
        assert_int_equal(rule->queries[0], PEN_PLACE);
        assert_int_equal(rule->travel.knows_places, rows[i].knows_places);
        assert_int_equal(rule->travel.learning_ns, rows[i].learning_days * PEN_NS_PER_DAY);
        assert_int_equal(rule->travel.forget_ns, 30 * PEN_NS_PER_DAY);
        const struct pen_datadog *datadog = pen_rules_at(rules, 0)->datadog;
        assert_int_equal(datadog->queries[0].value_count, 5);
        pen_rules_free(rules);
    }
}

static void what_is_wrong_with_travel_is_told(void **state)
{
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {TRAVEL("\"impossibleTravelOptions\":{\"baselineUserLocations\":true,"
                "\"detectIpTransition\":true}"),
         "`detectIpTransition` is not built yet"},
        {RULE(PLACES("\"@x\"", ""), CASE(""), "impossible_travel", "\"x\":1"),
         "the metric of geo_data is `@network.client.geoip`, not `@x`"},
        {RULE(PLACES("", ""), CASE(""), "impossible_travel", "\"x\":1"),
         "the aggregation geo_data takes 1 to 1 `metrics`, not 0"},
        {RULE(PLACES(GEOIP, "") "," PLACES(GEOIP, ""), CASE(""), "impossible_travel", "\"x\":1"),
         "a rule of impossible_travel has one query"},
        {RULE(PLACES(GEOIP, ""), CASE("a > 0"), "impossible_travel", "\"x\":1"),
         "a case of impossible_travel has no condition"},
        {RULE(QUERY("a"), CASE(""), "impossible_travel", "\"x\":1"),
         "the aggregation count is not one of the detection method impossible_travel"},
        {RULE(PLACES(GEOIP, ""), CASE(""), "threshold", "\"x\":1"),
         "the aggregation geo_data is not one of the detection method threshold"},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_json(rows[i].text);
        assert_int_equal(pen_rules_rejected(rules), 1);
        has_notice(rules, PEN_NOTICE_ERROR, rows[i].notice);
        pen_rules_free(rules);
    }
}

/* ---- anomalies ---- */

#define BUCKETS "\"anomalyDetectionOptions\":{\"bucketDuration\":900,\"learningDuration\":6"
#define ANOMALY(cases)                           \
    RULE(QUERY("a"), cases, "anomaly_detection", \
         BUCKETS ",\"detectionTolerance\":3,\"learningPeriodBaseline\":0}")

static void anomalies_have_their_options(void **state)
{
    (void)state;
    struct pen_rules *rules =
        load_json(ANOMALY(CASE("a > 0.9999") "," CASE("a>99 5") "," CASE("a > 75") "," CASE("")));
    const struct pen_state_rule *rule = only(rules);
    assert_int_equal(rule->method, PEN_METHOD_ANOMALY);
    assert_int_equal(rule->anomaly.bucket_ns, 900 * PEN_NS_PER_S);
    assert_int_equal(rule->anomaly.learning_ns, 6 * 3600 * PEN_NS_PER_S);
    assert_int_equal(rule->anomaly.tolerance, 3);
    assert_true(rule->anomaly.has_baseline && rule->anomaly.baseline == 0);
    assert_int_equal(rule->cases[0].quantile_ppb, 999900000);
    assert_int_equal(rule->cases[1].quantile_ppb, 995000000);
    assert_int_equal(rule->cases[2].quantile_ppb, 750000000);
    assert_int_equal(rule->cases[3].quantile_ppb, 995000000);
    pen_rules_free(rules);
    rules = load_json(RULE(QUERY("a"), CASE(""), "anomaly_detection", BUCKETS "}"));
    assert_false(only(rules)->anomaly.has_baseline);
    pen_rules_free(rules);
}

static void what_is_wrong_with_an_anomaly_is_told(void **state)
{
    static const char *const conditions[] = {"a < 0.9", "b > 0.9", "a > 0",     "a > 100",
                                             "a > x",   "a >= 1",  "a > 9 9 9", "0.9"};
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(conditions); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), ANOMALY(CASE("%s")), conditions[i]);
        struct pen_rules *rules = load_json(text);
        assert_int_equal(pen_rules_rejected(rules), 1);
        has_notice(rules, PEN_NOTICE_ERROR, "names a quantile: `a > 0.995`");
        pen_rules_free(rules);
    }
    struct pen_rules *rules =
        load_json(RULE(QUERY("a") "," QUERY("b"), CASE(""), "anomaly_detection", BUCKETS "}"));
    has_notice(rules, PEN_NOTICE_ERROR, "a rule of anomaly_detection has one query");
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_stand_in_the_order_of_their_transitions),
        cmocka_unit_test(a_sequence_of_one_event_is_as_long_as_that),
        cmocka_unit_test(what_is_wrong_with_a_sequence_is_told),
        cmocka_unit_test(queries_that_never_meet_are_warned_of),
        cmocka_unit_test(travel_has_its_options),
        cmocka_unit_test(what_is_wrong_with_travel_is_told),
        cmocka_unit_test(anomalies_have_their_options),
        cmocka_unit_test(what_is_wrong_with_an_anomaly_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
