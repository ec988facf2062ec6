#include "datadog.h"
#include "sigma_test.h"

#include <stdlib.h>

#define HEAD "{\"name\":\"n\",\"isEnabled\":true,\"message\":\"m\","
#define QUERIES "\"queries\":[{\"query\":\"source:cloudtrail @a:b\"}]"
#define CASES "\"cases\":[{\"status\":\"low\",\"condition\":\"a > 0\"}]"
#define WINDOWS "\"evaluationWindow\":300,\"keepAlive\":600,\"maxSignalDuration\":3600"
#define OPTIONS "\"options\":{" WINDOWS "}"
#define RULE HEAD QUERIES "," CASES "," OPTIONS "}"
#define NEW_OPTIONS(own) \
    "\"options\":{\"detectionMethod\":\"new_value\",\"newValueOptions\":" own "," WINDOWS "}"
#define NEW_QUERY(more) "\"queries\":[{\"query\":\"@a:b\",\"aggregation\":\"new_value\"" more "}]"
#define NEW_CASE "\"cases\":[{\"status\":\"high\"}]"

static struct pen_rules *load_json(const char *text, bool all)
{
    const struct pen_rule_text file = {"f.json", pen_slice_str(text)};
    const struct pen_rules_options options = {.load_deprecated = all};
    return load_texts(&file, 1, &options);
}

static const struct pen_datadog *only(const struct pen_rules *rules)
{
    if (pen_rules_count(rules) != 1 || pen_rules_rejected(rules) != 0) {
        print_notices(rules);
        fail_msg("%u rules, %u rejected", pen_rules_count(rules), pen_rules_rejected(rules));
    }
    return pen_rules_at(rules, 0)->datadog;
}

static void is_text(pen_slice got, const char *want)
{
    if (!pen_slice_eq(got, pen_slice_str(want))) {
        fail_msg("'%.*s', not '%s'", PEN_SLICE_FMT(got), want);
    }
}

static void a_threshold_rule_has_all_its_parts(void **state)
{
    static const char text[] =
        "{\"id\":\"abc-def\",\"version\":7,\"name\":\"Logins\",\"type\":\"log_detection\","
        "\"isEnabled\":true,\"message\":\"{{@usr.name}} {{host.name}}\",\"hasExtendedTitle\":true,"
        "\"tags\":[\"security:attack\",\"attack.initial_access\",\"attack.t1078.004\","
        "\"attack.g0007\",\"tactic:TA0006-credential-access\","
        "\"technique:T1110-brute-force\"],\"createdAt\":1,\"creator\":{\"name\":\"x\"},"
        "\"thirdPartyCases\":null,"
        "\"queries\":[{\"name\":\"failed\",\"query\":\"source:cloudtrail @e:f\","
        "\"groupByFields\":[\"@usr.name\",\"host\"],\"hasOptionalGroupByFields\":true},"
        "{\"name\":\"\",\"query\":\"@g:h\",\"aggregation\":\"cardinality\","
        "\"distinctFields\":[\"@x\",\"@y\"],\"groupByFields\":[\"@usr.id\",\"env\"]},"
        "{\"query\":\"*\",\"aggregation\":\"max\",\"metric\":\"@n\",\"groupByFields\":[\"@q\"]}],"
        "\"cases\":[{\"name\":\"both\",\"status\":\"medium\",\"condition\":\"failed > 5 && b >= "
        "2\"},{\"status\":\"critical\",\"customStatus\":\"high\",\"condition\":\"c > 9\"}],"
        "\"options\":{\"detectionMethod\":\"threshold\",\"decreaseCriticalityBasedOnEnv\":true,"
        "\"evaluationWindow\":900,\"keepAlive\":3600,\"maxSignalDuration\":86400}}";
    (void)state;
    struct pen_rules *rules = load_json(text, false);
    const struct pen_datadog *got = only(rules);
    const struct pen_rule *rule = pen_rules_at(rules, 0);
    is_text(rule->id, "abc-def");
    is_text(rule->title, "Logins");
    is_text(rule->version, "7");
    assert_string_equal(rule->language, "datadog");
    assert_int_equal(rule->severity, PEN_HIGH);
    assert_true(rule->tactic_count == 2 && rule->technique_count == 2);
    is_text(rule->tactics[0], "TA0006-credential-access");
    is_text(rule->tactics[1], "initial-access");
    is_text(rule->techniques[1], "T1078.004");
    is_text(rule->techniques[0], "T1110-brute-force");
    assert_int_equal(got->query_count, 3);
    is_text(got->queries[0].name, "failed");
    is_text(got->queries[1].name, "b");
    is_text(got->queries[0].text, "(source:cloudtrail @e:f)");
    assert_true(got->queries[0].has_optional_group_by && !got->queries[1].has_optional_group_by);
    assert_int_equal(got->queries[0].aggregation, PEN_COUNT_EVENTS);
    assert_true(got->queries[1].aggregation == PEN_CARDINALITY && got->queries[1].value_count == 2);
    assert_true(got->queries[2].aggregation == PEN_MAX && got->queries[2].value_count == 1);
    is_text(got->queries[2].values[0], "@n");
    assert_null(got->group_names[0]);
    is_text(got->group_names[2][0], "@usr.name"); /* of the first query with two */
    is_text(got->group_names[1][0], "@q");
    assert_null(got->group_names[3]);
    assert_int_equal(got->attribute_count, 2);
    is_text(got->attributes[0], "@usr.name");
    is_text(got->attributes[1], "host");
    assert_true(got->has_extended_title && got->lowers_by_env);
    assert_int_equal(got->case_count, 2);
    is_text(got->cases[0].name, "both");
    const struct pen_state_rule *s = &got->state;
    is_text(s->id, "abc-def");
    assert_int_equal(s->method, PEN_METHOD_THRESHOLD);
    assert_int_equal(s->window_ns, 900 * PEN_NS_PER_S);
    assert_int_equal(s->keep_alive_ns, 3600 * PEN_NS_PER_S);
    assert_int_equal(s->duration_max_ns, PEN_NS_PER_DAY);
    assert_true(s->query_count == 3 && s->queries[1] == PEN_CARDINALITY);
    assert_true(s->case_count == 2 && s->cases[0].condition.count == 3);
    assert_int_equal(s->cases[1].severity, PEN_HIGH);
    pen_rules_free(rules);
}

static void filters_and_extensions_are_part_of_each_query(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(
        HEAD CASES "," OPTIONS ",\"filters\":[{\"action\":\"require\",\"query\":\"@r:1 OR @r:2\"},"
                   "{\"action\":\"suppress\",\"query\":\"@s:1\"}],"
                   "\"queries\":[{\"query\":\"@a:b\",\"customQueryExtension\":\"@c:d OR @e:f\"}]}",
        false);
    is_text(only(rules)->queries[0].text, "(@a:b) (@c:d OR @e:f) (@r:1 OR @r:2) -(@s:1)");
    assert_int_equal(matches_of(rules, "{\"a\":\"b\",\"c\":\"d\",\"r\":2}"), 1);
    assert_int_equal(matches_of(rules, "{\"a\":\"b\",\"e\":\"f\",\"r\":2}"), 1);
    assert_int_equal(matches_of(rules, "{\"a\":\"b\",\"c\":\"d\",\"r\":3}"), 0);
    assert_int_equal(matches_of(rules, "{\"a\":\"b\",\"r\":2}"), 0);
    assert_int_equal(matches_of(rules, "{\"a\":\"b\",\"c\":\"d\",\"r\":2,\"s\":1}"), 0);
    pen_rules_free(rules);
}

static void signals_may_have_less_in_common_than_groups(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(
        HEAD "\"queries\":[{\"query\":\"*\",\"groupByFields\":[\"@a\",\"@b\",\"@c\"]}]," CASES
             "," OPTIONS ",\n\"groupSignalsBy\":[\"@c\",\"@a\"]}",
        false);
    const struct pen_rule_query *query = only(rules)->queries;
    assert_int_equal(query->joined_count, 2);
    assert_true(query->joined[0] == 0 && query->joined[1] == 2);
    pen_rules_free(rules);
    rules =
        load_json(HEAD "\"queries\":[{\"query\":\"*\",\"groupByFields\":[\"@a\",\"@b\"]}]," CASES
                       "," OPTIONS ",\n\"groupSignalsBy\":[\"@b\",\"@a\"]}",
                  false);
    assert_int_equal(only(rules)->queries->joined_count, 0);
    pen_rules_free(rules);
}

static void new_values_have_their_options(void **state)
{
    static const struct {
        const char *own;
        int64_t learning_days, forget_days;
        uint32_t silent;
    } rows[] = {
        {"{\"forgetAfter\":7}", 1, 7, 0},
        {"{\"forgetAfter\":28,\"learningMethod\":\"duration\",\"learningDuration\":7,"
         "\"learningThreshold\":1}",
         7, 28, 0},
        {"{\"forgetAfter\":1,\"learningMethod\":\"threshold\",\"learningThreshold\":1}", 0, 1, 1},
        {"{\"forgetAfter\":1,\"learningMethod\":\"threshold\",\"learningThreshold\":0}", 0, 1, 0},
        {"{\"forgetAfter\":1,\"learningDuration\":0,\"learningThreshold\":1}", 0, 1, 1},
        {"{\"forgetAfter\":1,\"learningDuration\":0}", 0, 1, 0},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[1024];
        (void)snprintf(
            text, sizeof(text),
            HEAD NEW_QUERY(
                ",\"metrics\":[\"@m\",\"@n\"],\"groupByFields\":[\"@g\"]") "," NEW_CASE
                                                                           "," NEW_OPTIONS(
                                                                               "%s") "}",
            rows[i].own);
        struct pen_rules *rules = load_json(text, false);
        const struct pen_datadog *got = only(rules);
        assert_int_equal(got->state.method, PEN_METHOD_NEW_VALUE);
        assert_int_equal(got->state.new_value.learning_ns, rows[i].learning_days * PEN_NS_PER_DAY);
        assert_int_equal(got->state.new_value.forget_ns, rows[i].forget_days * PEN_NS_PER_DAY);
        assert_int_equal(got->state.new_value.silent, rows[i].silent);
        assert_int_equal(got->queries[0].value_count, 2);
        assert_true(got->state.case_count == 1 && got->state.cases[0].condition.count == 0);
        pen_rules_free(rules);
    }
}

#define THIRD(roots, cases, status)                                                              \
    HEAD "\"queries\":[],\"cases\":[],\"thirdPartyCases\":[" cases                               \
         "],\"options\":{\"detectionMethod\":\"third_party\",\"thirdPartyRuleOptions\":{" status \
         "\"signalTitleTemplate\":\"t {{@x}}\",\"rootQueries\":[" roots "]}}}"
#define ROOT(query, fields) "{\"query\":\"" query "\",\"groupByFields\":[" fields "]}"
#define DEFAULT "\"defaultStatus\":\"info\","

static void third_party_asks_roots_then_cases(void **state)
{
    static const struct {
        const char *event;
        const char *names; /* of the queries that match, in their order */
    } rows[] = {
        {"{\"r\":1,\"c\":1}", "case_1 default"},
        {"{\"r\":2}", "default_group_2"},
        {"{\"r\":2,\"c\":2}", "case_2_group_2 default_group_2"},
        {"{\"r\":3,\"c\":[1,2]}", "case_1 case_2 default"},
        {"{\"r\":[1,2]}", "default"}, /* the first root */
        {"{\"r\":4,\"c\":1}", ""},
    };
    (void)state;
    struct pen_rules *rules =
        load_json(THIRD(ROOT("@r:1", "\"@g\"") "," ROOT("@r:2", "") "," ROOT("@r:3", "\"@g\""),
                        "{\"name\":\"bad\",\"query\":\"@c:1\",\"status\":\"high\"},"
                        "{\"query\":\"@c:2\",\"status\":\"low\"}",
                        DEFAULT),
                  false);
    const struct pen_datadog *got = only(rules);
    assert_true(got->query_count == 6 && got->case_count == 3);
    assert_true(got->cases[0].severity == PEN_HIGH && got->cases[1].severity == PEN_LOW &&
                got->cases[2].severity == PEN_INFO);
    is_text(got->cases[0].name, "bad");
    is_text(got->cases[2].condition, "default > 0");
    is_text(got->title, "t {{@x}}");
    is_text(got->attributes[0], "@x");
    assert_int_equal(got->state.window_ns, 0);
    assert_int_equal(got->state.keep_alive_ns, PEN_NS_PER_DAY);
    assert_int_equal(pen_rules_at(rules, 0)->severity, PEN_HIGH);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char names[256] = "";
        queries_of(rules, rows[i].event, names, sizeof(names));
        assert_string_equal(names, rows[i].names);
    }
    pen_rules_free(rules);
}

static void an_event_of_no_group_is_a_signal_by_itself(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(THIRD(ROOT("@r:1", ""), "", DEFAULT), false);
    assert_int_equal(only(rules)->state.keep_alive_ns, 0);
    assert_int_equal(only(rules)->case_count, 1);
    is_text(only(rules)->queries[0].name, "default");
    pen_rules_free(rules);
}

static void every_mistake_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {"{\"queries\":[],\"options\":{}}", "f.json:1:1: a rule needs `name`"},
        {HEAD QUERIES "," CASES "}", "f.json:1:1: a rule needs `options`"},
        {HEAD "\"queries\":[]," CASES "," OPTIONS "}", "f.json:1:54: a rule needs a query"},
        {HEAD QUERIES ",\"cases\":[]," OPTIONS "}", "f.json:1:99: a rule needs a case"},
        {HEAD "\n\"queries\":{}," CASES "," OPTIONS "}",
         "f.json:2:11: `queries` is a list of objects"},
        {HEAD "\n\"queries\":[7]," CASES "," OPTIONS "}",
         "f.json:2:12: `queries` is a list of objects"},
        {HEAD "\n\"queries\":[{\"query\":\"\"}]," CASES "," OPTIONS "}",
         "f.json:2:21: the query is empty"},
        {HEAD "\n\"queries\":[{\"query\":\"a\\\"b @c:\"}]," CASES "," OPTIONS "}", "f.json:2:"},
        {HEAD "\n\"queries\":[{\"query\":\"@a:(b\"}]," CASES "," OPTIONS "}",
         "f.json:2:22: the parenthesis that opens here is never closed"},
        {HEAD QUERIES ",\n\"cases\":[{\"condition\":\"a > 0\"}]," OPTIONS "}",
         "f.json:2:10: a case needs `status`"},
        {HEAD QUERIES ",\n\"cases\":[{\"status\":\"bad\",\"condition\":\"a > 0\"}]," OPTIONS "}",
         "f.json:2:20: `status` is one of info, low, medium, high, critical, not 'bad'"},
        {HEAD QUERIES ",\n\"cases\":[{\"status\":\"low\",\"condition\":\"b > 0\"}]," OPTIONS "}",
         "f.json:2:39: "},
        {HEAD QUERIES ",\n\"cases\":[{\"status\":\"low\",\"condition\":\"a > 0 THEN a > 1\"},"
                      "{\"status\":\"low\",\"condition\":\"a > 0\"}]," OPTIONS "}",
         "f.json:2:38: `THEN` stands in a rule with one case only"},
        {HEAD "\"queries\":[{\"query\":\"*\"},{\"query\":\"*\"}],\n\"cases\":[{\"status\":\"low\"}]"
              "," OPTIONS "}",
         "f.json:2:10: the case needs a condition"},
        {HEAD QUERIES "," CASES ",\n\"options\":{\"evaluationWindow\":301,\"keepAlive\":600,"
                      "\"maxSignalDuration\":3600}}",
         "f.json:2:31: `evaluationWindow` is 0, 60, 300, 600, 900"},
        {HEAD QUERIES "," CASES ",\n\"options\":{\"evaluationWindow\":900,\"keepAlive\":600,"
                      "\"maxSignalDuration\":3600}}",
         "f.json:2:47: `keepAlive` (600 s) is less than `evaluationWindow` (900 s)"},
        {HEAD QUERIES "," CASES ",\n\"options\":{\"evaluationWindow\":0,\"keepAlive\":600,"
                      "\"maxSignalDuration\":300}}",
         "f.json:2:69: `maxSignalDuration` (300 s) is less than `keepAlive` (600 s)"},
        {HEAD "\n\"queries\":[{\"query\":\"*\",\"name\":\"A b\"}]," CASES "," OPTIONS "}",
         "f.json:2:32: the name of a query is made of"},
        {HEAD "\"queries\":[{\"query\":\"*\",\"name\":\"b\"},\n{\"query\":\"*\"}]," CASES
              "," OPTIONS "}",
         "f.json:2:1: another query has the name 'b'"},
        {HEAD "\n\"queries\":[{\"query\":\"*\",\"distinctFields\":[\"@x\"]}]," CASES "," OPTIONS
              "}",
         "f.json:2:12: the aggregation count takes no `distinctFields`"},
        {HEAD "\n\"queries\":[{\"query\":\"*\",\"aggregation\":\"cardinality\"}]," CASES "," OPTIONS
              "}",
         "f.json:2:12: the aggregation cardinality takes at least one of `distinctFields`"},
        {HEAD "\n\"queries\":[{\"query\":\"*\",\"aggregation\":\"sum\"}]," CASES "," OPTIONS "}",
         "f.json:2:12: the aggregation sum takes 1 to 1 `metrics`, not 0"},
        {HEAD "\n\"queries\":[{\"query\":\"*\",\"aggregation\":\"geo_data\"}]," CASES "," OPTIONS
              "}",
         "f.json:2:12: the aggregation geo_data is not one of the detection method threshold"},
        {HEAD NEW_QUERY(",\"metrics\":[\"@m\"]") ",\n\"cases\":[{\"status\":\"low\",\"condition\":"
                                                 "\"a > 0\"}]," NEW_OPTIONS(
                                                     "{\"forgetAfter\":1}") "}",
         "f.json:2:38: a case of new_value has no condition"},
        {HEAD NEW_QUERY("") "," NEW_CASE "," NEW_OPTIONS("{\"forgetAfter\":1}") "}",
         "f.json:1:55: the aggregation new_value takes 1 to 5 `metrics`, not 0"},
        {HEAD NEW_QUERY(",\"metrics\":[\"@m\"]") "," NEW_CASE ",\n" NEW_OPTIONS("{}") "}",
         "f.json:2:60: new_value needs `newValueOptions` with `forgetAfter`"},
        {HEAD NEW_QUERY(",\"metrics\":[\"@m\"]") "," NEW_CASE
                                                 ",\n" NEW_OPTIONS("{\"forgetAfter\":31}") "}",
         "f.json:2:75: `forgetAfter` lies between 1 and 30"},
        {HEAD QUERIES "," CASES "," OPTIONS ",\n\"filters\":[{\"query\":\"@a:b\"}]}",
         "f.json:2:12: a filter has an `action`"},
        {HEAD QUERIES "," CASES "," OPTIONS ",\n\"groupSignalsBy\":[\"@a\"]}",
         "f.json:2:18: `groupSignalsBy` has '@a', by which query a does not group"},
        {HEAD "\"queries\":[{\"query\":\"*\",\"groupByFields\":[\"@a\",\"@b\"]},{\"query\":\"*\","
              "\"groupByFields\":[\"@b\",\"@a\"]}]," CASES "," OPTIONS
              ",\n\"groupSignalsBy\":[\"@a\"]}",
         "f.json:2:18: `groupSignalsBy` with fewer fields than the queries: query b has them at"},
        {THIRD("", "", DEFAULT), "f.json:1:"},
        {THIRD(ROOT("@a:b", ""), "", ""), "f.json:1:"},
        {"{\"isEnabled\":tru}", "f.json:1:14: no value of JSON"},
    };
    uint32_t bad = 0;
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_json(rows[i].text, false);
        const bool is_told = pen_rules_rejected(rules) == 1 && pen_rules_count(rules) == 0;
        bool is_found = false;
        for (uint32_t n = 0; n < pen_rules_notice_count(rules); n++) {
            is_found |= notice_is(pen_rules_notice(rules, n), PEN_NOTICE_ERROR, rows[i].notice);
        }
        if (!is_told || !is_found) {
            print_message("row %zu: %s is not told:\n", i, rows[i].notice);
            print_notices(rules);
            bad++;
        }
        pen_rules_free(rules);
    }
    assert_int_equal(bad, 0);
}

static void all_mistakes_of_a_rule_are_told_at_once(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(
        "{\"name\":5,\"isEnabled\":\"yes\",\"message\":\"m\",\"queries\":[{\"query\":\"@a:(\"}],"
        "\"cases\":[{\"status\":\"x\",\"condition\":\"a > 0\"}],\"options\":{"
        "\"evaluationWindow\":1,\"keepAlive\":2,\"maxSignalDuration\":3}}",
        false);
    uint32_t errors = 0;
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        errors += pen_rules_notice(rules, i)->level == PEN_NOTICE_ERROR;
    }
    assert_true(errors >= 7);
    assert_int_equal(pen_rules_rejected(rules), 1);
    pen_rules_free(rules);
}

static void what_is_odd_is_a_warning(void **state)
{
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {HEAD QUERIES "," CASES "," OPTIONS ",\n\"hasExtendedTitel\":true}",
         "f.json:2:1: a rule has no member 'hasExtendedTitel': it is not looked at; the nearest is "
         "'hasExtendedTitle'"},
        {HEAD QUERIES "," CASES ",\n\"options\":{}}", "f.json:2:11: `keepAlive` is missing: 3600"},
        {HEAD QUERIES "," CASES "," OPTIONS ",\n\"customMessage\":\"a {{#if @x}}\"}",
         "f.json:2:30: a block is never closed"},
        {HEAD NEW_QUERY(",\"metrics\":[\"@m\"]") "," NEW_CASE ",\n" NEW_OPTIONS(
             "{\"forgetAfter\":1,\"instantaneousBaseline\":true}") "}",
         "f.json:2:60: `instantaneousBaseline` has no history"},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_json(rows[i].text, false);
        (void)only(rules);
        expect_notice(rules, PEN_NOTICE_WARNING, rows[i].notice);
        pen_rules_free(rules);
    }
}

static void what_is_not_built_is_refused_by_name(void **state)
{
    static const struct {
        const char *member, *what;
    } rows[] = {
        {"\"type\":\"workload_security\"", "the rule type workload_security is not built yet"},
        {"\"calculatedFields\":[{\"name\":\"n\",\"expression\":\"e\"}]",
         "rules with calculated fields are not built yet"},
        {"\"schedulingOptions\":{\"rrule\":\"x\"}", "scheduled rules are not built yet"},
    };
    static const char *const methods[] = {"hardcoded", "anomaly_threshold"};
    char text[1024];
    char notice[128];
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows) + PEN_COUNT(methods); i++) {
        const bool is_member = i < PEN_COUNT(rows);
        const char *method = is_member ? "threshold" : methods[i - PEN_COUNT(rows)];
        (void)snprintf(text, sizeof(text),
                       HEAD QUERIES "," CASES ",\"options\":{\"detectionMethod\":\"%s\"," WINDOWS
                                    "},\n%s}",
                       method, is_member ? rows[i].member : "\"tags\":[]");
        (void)snprintf(notice, sizeof(notice), "f.json:%s%s%s",
                       is_member && i >= 1 ? "2:" : "1:1: ",
                       is_member ? "" : "the detection method ", is_member ? "" : method);
        struct pen_rules *rules = load_json(text, false);
        assert_int_equal(pen_rules_rejected(rules), 1);
        assert_int_equal(pen_rules_notice_count(rules), 1);
        expect_notice(rules, PEN_NOTICE_ERROR, notice);
        if (is_member) {
            const struct pen_notice *n = pen_rules_notice(rules, 0);
            assert_true(pen_slice_starts(n->text, pen_slice_str(rows[i].what)));
        }
        pen_rules_free(rules);
    }
}

static void data_sources_and_indexes_are_refused(void **state)
{
    static const char *const queries[] = {"\"dataSource\":\"spans\"", "\"index\":\"main\"",
                                          "\"indexes\":[\"main\"]"};
    char text[512];
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(queries); i++) {
        (void)snprintf(text, sizeof(text),
                       HEAD "\"queries\":[{\"query\":\"*\",%s}]," CASES "," OPTIONS "}",
                       queries[i]);
        struct pen_rules *rules = load_json(text, false);
        assert_int_equal(pen_rules_rejected(rules), 1);
        assert_int_equal(pen_rules_notice_count(rules), 1);
        pen_rules_free(rules);
    }
}

static void third_party_of_too_many_parts_is_refused(void **state)
{
    char text[8192];
    size_t len = 0;
    char roots[4096] = "";
    (void)state;
    for (int i = 0; i < 63; i++) {
        len += (size_t)snprintf(roots + len, sizeof(roots) - len,
                                "%s{\"query\":\"@a:%d\",\"groupByFields\":[\"@g%d\"]}",
                                i == 0 ? "" : ",", i, i);
    }
    /* 63 groupings, each with the default and, in the second, one case */
    (void)snprintf(text, sizeof(text), THIRD("%s", "", DEFAULT), roots);
    struct pen_rules *rules = load_json(text, false);
    const struct pen_datadog *got = only(rules);
    assert_int_equal(got->query_count, 63);
    assert_int_equal(got->state.query_count, 1);
    pen_rules_free(rules);
    (void)snprintf(text, sizeof(text),
                   THIRD("%s", "{\"query\":\"@c:1\",\"status\":\"high\"}", DEFAULT), roots);
    rules = load_json(text, false);
    assert_int_equal(pen_rules_rejected(rules), 1);
    assert_int_equal(pen_rules_notice_count(rules), 1);
    pen_rules_free(rules);
}

static void rules_come_in_several_forms(void **state)
{
    static const struct {
        const char *text;
        uint32_t count;
    } rows[] = {
        {RULE, 1},
        {"[" RULE "," RULE "]", 2},
        {"{\"data\":[" RULE "],\"meta\":{}}", 1},
        {"{\"data\":[{\"id\":\"x-y\",\"type\":\"rule\",\"attributes\":" RULE "}]}", 1},
        {"{\"rule\":" RULE ",\"ruleQueryPayloads\":[]}", 1},
        {RULE "\n" RULE "\n" RULE, 3},
        {"[]", 0},
        {"{\"Records\":[{\"eventName\":\"x\"}]}", 0},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_json(rows[i].text, false);
        if (pen_rules_count(rules) != rows[i].count || pen_rules_rejected(rules) != 0) {
            print_notices(rules);
            fail_msg("row %zu: %u rules", i, pen_rules_count(rules));
        }
        assert_true(rows[i].count > 0 || pen_rules_notice_count(rules) == 1);
        pen_rules_free(rules);
    }
    struct pen_rules *rules = load_json(rows[3].text, false);
    is_text(pen_rules_at(rules, 0)->id, "x-y");
    pen_rules_free(rules);
}

static void rules_of_one_name_get_numbers(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json("[" RULE "," RULE "]", false);
    is_text(pen_rules_at(rules, 0)->id, "n");
    is_text(pen_rules_at(rules, 1)->id, "n (2)");
    is_text(pen_rules_at(rules, 1)->datadog->state.id, "n (2)");
    expect_notice(rules, PEN_NOTICE_WARNING, "f.json:1:");
    pen_rules_free(rules);
    rules = load_json("[{\"id\":\"i\"," QUERIES "," CASES "," OPTIONS
                      ",\"name\":\"a\"},{\"id\":\"i\"," QUERIES "," CASES "," OPTIONS
                      ",\"name\":\"b\"}]",
                      false);
    assert_true(pen_rules_count(rules) == 1 && pen_rules_rejected(rules) == 1);
    expect_notice(rules, PEN_NOTICE_ERROR, "f.json:1:");
    pen_rules_free(rules);
}

static void terraform_has_names_and_blocks_of_its_own(void **state)
{
    static const char text[] =
        "{\"resource\":{\"aws_s3_bucket\":{\"b\":{}},\"datadog_security_monitoring_rule\":{"
        "\"r\":{\"name\":\"costs $${x}\",\"message\":\"m\",\"enabled\":\"true\","
        "\"query\":[{\"query\":\"@a:b\",\"group_by_fields\":[\"@g\"],\"aggregation\":"
        "\"cardinality\","
        "\"distinct_fields\":[\"@d\"]}],\"case\":{\"status\":\"low\",\"condition\":\"a > 0\"},"
        "\"options\":[{\"evaluation_window\":\"300\",\"keep_alive\":600,"
        "\"max_signal_duration\":3600}],\"filter\":[],\"has_extended_title\":true}}}}";
    (void)state;
    struct pen_rules *rules = load_json(text, false);
    const struct pen_datadog *got = only(rules);
    is_text(pen_rules_at(rules, 0)->title, "costs ${x}");
    assert_int_equal(got->queries[0].aggregation, PEN_CARDINALITY);
    assert_int_equal(got->state.window_ns, 300 * PEN_NS_PER_S);
    assert_true(got->has_extended_title);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    pen_rules_free(rules);
    rules = load_json("{\"resource\":[{\"datadog_security_monitoring_rule\":{\"r\":[{\"name\":\n"
                      "\"a ${var.x}\"}]}}]}",
                      false);
    expect_notice(rules, PEN_NOTICE_ERROR, "f.json:2:4: an expression of Terraform");
    pen_rules_free(rules);
}

static void filters_of_sigma_are_not_for_them(void **state)
{
    static const char filter[] = "title: f\nlogsource: {product: aws}\n"
                                 "filter: {rules: [n], s: {a: b}, condition: not s}\n";
    const struct pen_rule_text files[] = {{"f.json", pen_slice_str(RULE)},
                                          {"f.yml", pen_slice_str(filter)}};
    (void)state;
    struct pen_rules *rules = load_texts(files, PEN_COUNT(files), NULL);
    (void)only(rules);
    expect_notice(rules, PEN_NOTICE_WARNING,
                  "f.yml:3:9: the filter names 'n', which is no rule of Sigma");
    assert_int_equal(matches_of(rules, "{\"a\":\"b\"}"), 1);
    pen_rules_free(rules);
}

static void a_rule_without_a_version_has_one_of_its_text(void **state)
{
    (void)state;
    struct pen_rules *one = load_json(RULE, false);
    struct pen_rules *same = load_json("\n[" RULE "]", false);
    struct pen_rules *other = load_json(HEAD QUERIES "," CASES "," OPTIONS ",\"tags\":[]}", false);
    const pen_slice version = pen_rules_at(one, 0)->version;
    assert_int_equal(version.len, 12);
    assert_true(pen_slice_eq(version, pen_rules_at(same, 0)->version));
    assert_false(pen_slice_eq(version, pen_rules_at(other, 0)->version));
    pen_rules_free(one);
    pen_rules_free(same);
    pen_rules_free(other);
}

static void rules_that_are_off_are_left_out_unless_all_are_wanted(void **state)
{
    static const char text[] =
        "{\"name\":\"n\",\"isEnabled\":false,\"message\":\"m\"," QUERIES "," CASES "," OPTIONS "}";
    (void)state;
    struct pen_rules *rules = load_json(text, false);
    assert_true(pen_rules_count(rules) == 0 && pen_rules_rejected(rules) == 0);
    pen_rules_free(rules);
    rules = load_json(text, true);
    assert_int_equal(pen_rules_count(rules), 1);
    is_text(pen_rules_at(rules, 0)->status, "disabled");
    pen_rules_free(rules);
}

static void a_rule_is_for_the_types_that_its_source_names(void **state)
{
    static const struct {
        const char *query, *types;
    } rows[] = {
        {"source:cloudtrail @a:b", "cloudtrail json "},
        {"source:(elb OR waf)", "alb alb-connection clb nlb waf json "},
        {"source:kubernetes.audit", "eks-audit json "},
        {"service:waf @a:b", "waf json "},
        {"source:okta", "okta json "},
        {"source:gitlab", "json "},
    };
    struct pen_types *types = NULL;
    struct pen_err err;
    (void)state;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[512];
        uint32_t wanted = 0;
        (void)snprintf(text, sizeof(text),
                       HEAD "\"queries\":[{\"query\":\"%s\"}]," CASES "," OPTIONS "}",
                       rows[i].query);
        struct pen_rules *rules = load_json(text, false);
        (void)only(rules);
        for (uint32_t t = 0; t < pen_types_count(types); t++) {
            const struct pen_type *type = pen_types_at(types, t);
            char name[64];
            (void)snprintf(name, sizeof(name), "%.*s ", PEN_SLICE_FMT(type->name));
            const char *at = strstr(rows[i].types, name);
            const bool is_wanted = at != NULL && (at == rows[i].types || at[-1] == ' ');
            if (pen_rule_applies(pen_rules_at(rules, 0), type) != is_wanted) {
                fail_msg("%s: %s", rows[i].query, name);
            }
            wanted += is_wanted;
        }
        assert_true(wanted > 0);
        pen_rules_free(rules);
    }
    pen_types_free(types);
}

static void a_file_and_a_rule_have_limits_of_bytes(void **state)
{
    const size_t bytes = DATADOG_RULE_BYTES_MAX + 100;
    char *text = malloc(bytes + 1024);
    (void)state;
    assert_non_null(text);
    size_t len = (size_t)sprintf(text, "%s", HEAD QUERIES "," CASES "," OPTIONS ",\"tags\":[\"");
    memset(text + len, 'x', bytes);
    (void)strcpy(text + len + bytes, "\"]}");
    struct pen_rules *rules = load_json(text, false);
    assert_int_equal(pen_rules_rejected(rules), 1);
    expect_notice(rules, PEN_NOTICE_ERROR, "f.json:1:1: a rule has at most 1048576 bytes");
    pen_rules_free(rules);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_threshold_rule_has_all_its_parts),
        cmocka_unit_test(filters_and_extensions_are_part_of_each_query),
        cmocka_unit_test(signals_may_have_less_in_common_than_groups),
        cmocka_unit_test(new_values_have_their_options),
        cmocka_unit_test(third_party_asks_roots_then_cases),
        cmocka_unit_test(an_event_of_no_group_is_a_signal_by_itself),
        cmocka_unit_test(every_mistake_is_told_with_its_place),
        cmocka_unit_test(all_mistakes_of_a_rule_are_told_at_once),
        cmocka_unit_test(what_is_odd_is_a_warning),
        cmocka_unit_test(what_is_not_built_is_refused_by_name),
        cmocka_unit_test(data_sources_and_indexes_are_refused),
        cmocka_unit_test(third_party_of_too_many_parts_is_refused),
        cmocka_unit_test(rules_come_in_several_forms),
        cmocka_unit_test(rules_of_one_name_get_numbers),
        cmocka_unit_test(terraform_has_names_and_blocks_of_its_own),
        cmocka_unit_test(filters_of_sigma_are_not_for_them),
        cmocka_unit_test(a_rule_without_a_version_has_one_of_its_text),
        cmocka_unit_test(rules_that_are_off_are_left_out_unless_all_are_wanted),
        cmocka_unit_test(a_rule_is_for_the_types_that_its_source_names),
        cmocka_unit_test(a_file_and_a_rule_have_limits_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
