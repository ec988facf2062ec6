/* Rules over signals of other rules: what they hear of, and what is refused. */
#include "sigma_test.h"

#include <stdio.h>

#define TEXT_MAX 8192U
#define REST                                                                                      \
    "\"isEnabled\":true,\"message\":\"{{@o}}\",\"cases\":[{\"status\":\"low\",\"condition\":\"a " \
    "> 0\"}],"                                                                                    \
    "\"options\":{\"evaluationWindow\":300,\"keepAlive\":600,\"maxSignalDuration\":3600}"
#define EVENTS(id, by)                                                                  \
    "{\"id\":\"" id "\",\"name\":\"" id "\"," REST ",\"queries\":[{\"query\":\"@a:b\"," \
    "\"groupByFields\":[" by "]}]}"
#define OVER(id, queries)                                                          \
    "{\"id\":\"" id "\",\"name\":\"" id "\",\"type\":\"signal_correlation\"," REST \
    ",\"queries\":[" queries "]}"

static struct pen_rules *load_json(const char *text)
{
    const struct pen_rule_text file = {"f.json", pen_slice_str(text)};
    const struct pen_rules_options options = {.load_deprecated = false};
    return load_texts(&file, 1, &options);
}

/* Some notice of the level has the words. */
static void expect_told(const struct pen_rules *rules, enum pen_notice_level level,
                        const char *words)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *notice = pen_rules_notice(rules, i);
        if (notice->level == level &&
            memmem(notice->text.ptr, notice->text.len, words, strlen(words)) != NULL) {
            return;
        }
    }
    print_notices(rules);
    fail_msg("nothing says: %s", words);
}

static const struct pen_rule *rule_of(const struct pen_rules *rules, const char *id)
{
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        if (pen_slice_eq(pen_rules_at(rules, i)->id, pen_slice_str(id))) {
            return pen_rules_at(rules, i);
        }
    }
    print_notices(rules);
    fail_msg("there is no rule %s", id);
    return NULL;
}

static bool has_attribute(const struct pen_rule *rule, const char *name)
{
    for (uint32_t i = 0; i < rule->datadog->attribute_count; i++) {
        if (pen_slice_eq(rule->datadog->attributes[i], pen_slice_str(name))) {
            return true;
        }
    }
    return false;
}

static void fields_are_members_of_groups_or_attributes(void **state)
{
    (void)state;
    struct pen_rules *rules = load_json(
        "[" OVER("top", "{\"ruleId\":\"mid\",\"correlatedByFields\":[\"@c\",\"@deep\"]}") "," OVER(
            "mid", "{\"ruleId\":\"low\",\"correlatedByFields\":[\"@c\"],\"name\":\"a\"},"
                   "{\"ruleId\":\"low\",\"correlatedByFields\":[\"@x\"],\"correlatedQueryIndex\":"
                   "3}") "," EVENTS("low", "\"@b\",\"@c\"") "]");
    const struct pen_rule *top = rule_of(rules, "top");
    const struct pen_rule *mid = rule_of(rules, "mid");
    const struct pen_rule *low = rule_of(rules, "low");
    assert_int_equal(pen_rules_stages(rules), 2);
    assert_int_equal(low->datadog->stage, 0);
    assert_int_equal(mid->datadog->stage, 1);
    assert_int_equal(top->datadog->stage, 2);
    const struct pen_rule_part *by_group = mid->datadog->queries[0].parts;
    assert_ptr_equal(pen_rules_at(rules, by_group->rule), low);
    assert_int_equal(by_group->group_by[0].attribute.len, 0);
    assert_int_equal(by_group->group_by[0].position, 1);
    assert_int_equal(by_group->group_by[0].members, 2);
    assert_int_equal(mid->datadog->queries[1].parts->group_by[0].attribute.len, 2);
    const struct pen_rule_part *of_mid = top->datadog->queries[0].parts;
    assert_int_equal(of_mid->group_by[0].members, 1);
    assert_int_equal(of_mid->group_by[1].attribute.len, 5);
    /* What is joined by, or told, has to come with the events. */
    assert_true(has_attribute(low, "@x") && has_attribute(low, "@deep") &&
                has_attribute(low, "@o"));
    expect_told(rules, PEN_NOTICE_WARNING, "`correlatedQueryIndex` is 3 and the rule 'low' has 1");
    assert_int_equal(pen_rules_rejected(rules), 0);
    pen_rules_free(rules);
}

static void what_is_wrong_with_a_rule_over_signals_is_told(void **state)
{
    static const struct {
        const char *text, *notice;
        uint32_t rejected;
    } rows[] = {
        {OVER("a", "{\"ruleId\":\"nobody\"}"), "no Datadog rule of this set has the id 'nobody'",
         1},
        {OVER("a", "{\"ruleId\":\"a\"}"), "the rule 'a' is one of a circle", 1},
        {"[" OVER("a", "{\"ruleId\":\"b\"}") "," OVER("b", "{\"ruleId\":\"a\"}") "," OVER(
             "c", "{\"ruleId\":\"a\"}") "]",
         "the rule 'b' is one of a circle of rules over signals, or rests on one", 3},
        {OVER("a", "{\"query\":\"@a:b\"}"), "names a rule by `ruleId`", 1},
        {OVER("a", "{\"ruleId\":\"b\",\"query\":\"@a:b\"}"), "has a `ruleId`, no `query`", 1},
        {OVER("a", "{\"ruleId\":\"b\",\"aggregation\":\"count\"}"), "is event_count, not count", 1},
        {OVER("a", "{\"ruleId\":\"b\",\"groupByFields\":[\"@x\"]}"), "takes no `groupByFields`", 1},
        {OVER("a", "{\"ruleId\":\"b\",\"correlatedByFields\":[\"@a\",\"@b\",\"@c\",\"@d\"]}"),
         "correlatedByFields", 1},
        {OVER("a", ""), "a rule needs a query", 1},
        {"[" EVENTS("e", "") "," OVER("a", "{\"ruleId\":\"e\"}") "," OVER(
             "b",
             "{\"ruleId\":"
             "\"a\"}") "," OVER("c",
                                "{\"ruleId\":\"b\"}") "," OVER("d",
                                                               "{\"ruleId\":\"c\"}") "," OVER("f",
                                                                                              "{\"r"
                                                                                              "uleI"
                                                                                              "d\":"
                                                                                              "\"d"
                                                                                              "\"}") "]",
         "rules over signals of rules over signals: 4 levels at most", 1},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_json(rows[i].text);
        expect_told(rules, PEN_NOTICE_ERROR, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), rows[i].rejected);
        pen_rules_free(rules);
    }
}

/* ---- Sigma ---- */

#define PLAIN                                                \
    "title: Plain\nname: plain\nlogsource: {product: aws}\n" \
    "detection: {a: {b: c}, condition: a}\n---\n"

/* A correlation by its name and what stands in it. */
static size_t put(char *text, size_t at, const char *name, const char *body)
{
    const int len = snprintf(text + at, TEXT_MAX - at,
                             "title: Of %s\nname: %s\ncorrelation: {timespan: 5m, %s}\n---\n", name,
                             name, body);
    assert_true(len > 0 && at + (size_t)len < TEXT_MAX);
    return at + (size_t)len;
}

static struct pen_rules *load_sigma(const char *text)
{
    const struct pen_rule_text file = {"r.yml", pen_slice_str(text)};
    const struct pen_rules_options options = {.load_deprecated = false};
    return load_texts(&file, 1, &options);
}

static void a_chain_is_about_signals_and_may_be_about_events_too(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    size_t at = put(text, 0, "outer",
                    "type: temporal, rules: [inner, plain], group-by: [who], "
                    "aliases: {who: {inner: user, plain: name}}");
    at = put(text, at, "inner",
             "type: event_count, rules: plain, group-by: [x, user], condition: {gte: 3}");
    (void)snprintf(text + at, TEXT_MAX - at, "%s", PLAIN);
    struct pen_rules *rules = load_sigma(text);
    assert_int_equal(pen_rules_rejected(rules), 0);
    assert_int_equal(pen_rules_count(rules), 3);
    const struct pen_rule *inner = pen_rules_at(rules, 1);
    const struct pen_rule *outer = pen_rules_at(rules, 2);
    assert_true(inner->is_silent && !outer->is_silent && pen_rules_at(rules, 0)->is_silent);
    assert_int_equal(outer->datadog->stage, 1);
    assert_int_equal(outer->datadog->query_count, 2);
    const struct pen_rule_query *of_inner = &outer->datadog->queries[0];
    assert_int_equal(of_inner->part_count, 1);
    assert_int_equal(of_inner->parts->rule, 1);
    assert_int_equal(of_inner->parts->group_by[0].position, 1);
    assert_int_equal(of_inner->parts->group_by[0].members, 2);
    assert_int_equal(outer->datadog->queries[1].part_count, 0);
    pen_rules_free(rules);
}

static void what_is_wrong_with_a_chain_is_told(void **state)
{
    static const struct {
        const char *inner, *outer, *notice;
        uint32_t rejected;
    } rows[] = {
        {"type: event_count, rules: plain, condition: {gte: 3}",
         "type: temporal, rules: [inner, plain], group-by: [who]",
         "the correlation `inner` is not grouped by `who`: what it is grouped by is all", 1},
        {"type: event_count, rules: plain, group-by: [who], condition: {gte: 3}",
         "type: value_count, rules: inner, group-by: [who], condition: {gte: 2, field: other}",
         "the correlation `inner` is not grouped by `other`", 1},
        {"type: temporal, rules: [outer, plain]", "type: temporal, rules: [inner, plain]",
         "the correlation `outer` is one of a circle", 2},
        {"type: temporal, rules: [plain]", "type: temporal, rules: [outer]",
         "the correlation `outer` is one of a circle", 1},
        {"type: sum, rules: [plain]", "type: temporal, rules: [inner]",
         "no rule of this set has the id or name `inner` (was it refused", 2},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[TEXT_MAX];
        size_t at = put(text, 0, "outer", rows[i].outer);
        at = put(text, at, "inner", rows[i].inner);
        (void)snprintf(text + at, TEXT_MAX - at, "%s", PLAIN);
        struct pen_rules *rules = load_sigma(text);
        expect_told(rules, PEN_NOTICE_ERROR, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), rows[i].rejected);
        pen_rules_free(rules);
    }
}

#define STATELESS(name, level)                                                   \
    "title: " name "\nname: " name "\nlevel: " level                             \
    "\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {a: " name \
    "}, condition: s}\n---\n"
#define CORRELATED(name, level, rules, more)                                               \
    "title: " name "\nname: " name "\nlevel: " level                                       \
    "\ncorrelation: {type: temporal, rules: [" rules "], group-by: [u], timespan: 5m" more \
    "}\n---\n"

/* Titles of the rules, those in brackets that are silent. */
static void picked(const char *yaml, const char *json, enum pen_severity least, const char *want)
{
    const struct pen_rule_text files[] = {{"f.yml", pen_slice_str(yaml)},
                                          {"f.json", pen_slice_str(json)}};
    const struct pen_rules_options options = {.level_min = least};
    struct pen_rules *rules = load_texts(files, json[0] == '\0' ? 1 : 2, &options);
    char got[512] = "";
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        const size_t len = strlen(got);
        (void)snprintf(got + len, sizeof(got) - len, rule->is_silent ? "(%.*s) " : "%.*s ",
                       PEN_SLICE_FMT(rule->title));
    }
    if (strcmp(got, want) != 0 || pen_rules_rejected(rules) > 0) {
        print_notices(rules);
        fail_msg("%s, not %s", got, want);
    }
    pen_rules_free(rules);
}

static void what_a_picked_rule_rests_on_is_kept_in_silence(void **state)
{
    static const char chain[] = STATELESS("p", "low") STATELESS("q", "high")
        STATELESS("other", "low") CORRELATED("inner", "medium", "p, q", "")
            CORRELATED("outer", "critical", "inner, p", "");
    static const char loud[] = STATELESS("p", "low") STATELESS("q", "high")
        CORRELATED("c", "high", "p, q", ", generate: true");
    static const char low[] =
        STATELESS("p", "low") STATELESS("q", "high") CORRELATED("c", "low", "p, q", "");
    static const char json[] = "[" EVENTS("r-1", "\"@u\"") "," EVENTS(
        "r-2", "\"@u\"") ","
                         "{\"id\":\"over\",\"name\":\"over\",\"type\":\"signal_correlation\","
                         "\"isEnabled\":true,"
                         "\"message\":\"m\",\"cases\":[{\"status\":\"high\",\"condition\":\"a > "
                         "0\"}],\"options\":{"
                         "\"evaluationWindow\":300,\"keepAlive\":600,\"maxSignalDuration\":3600},"
                         "\"queries\":"
                         "[{\"ruleId\":\"r-2\",\"correlatedByFields\":[\"@u\"]}]}]";
    (void)state;
    picked(chain, "", PEN_INFO, "(p) (q) other (inner) outer ");
    picked(chain, "", PEN_CRITICAL, "(p) (q) (inner) outer ");
    picked(loud, "", PEN_INFO, "p q c ");
    picked(loud, "", PEN_HIGH, "(p) q c ");
    picked(low, "", PEN_HIGH, "q "); /* not silenced by what is not there */
    picked("", json, PEN_INFO, "r-1 r-2 over ");
    picked("", json, PEN_HIGH, "(r-2) over ");
    picked(chain, json, PEN_HIGH, "(p) (q) (r-2) (inner) outer over ");
}

static void what_is_left_out_is_in_the_hash(void **state)
{
    static const char text[] = STATELESS("p", "low") STATELESS("q", "high")
        CORRELATED("c", "high", "p, q", ", generate: true");
    (void)state;
    const struct pen_rule_text file = {"f.yml", pen_slice_str(text)};
    uint64_t hashes[3];
    for (int i = 0; i < 3; i++) {
        const struct pen_rules_options options = {.level_min = i == 2 ? PEN_HIGH : PEN_INFO};
        struct pen_rules *rules = load_texts(&file, 1, &options);
        hashes[i] = pen_rules_hash(rules).lo;
        pen_rules_free(rules);
    }
    assert_true(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_members_of_groups_or_attributes),
        cmocka_unit_test(what_is_wrong_with_a_rule_over_signals_is_told),
        cmocka_unit_test(a_chain_is_about_signals_and_may_be_about_events_too),
        cmocka_unit_test(what_is_wrong_with_a_chain_is_told),
        cmocka_unit_test(what_a_picked_rule_rests_on_is_kept_in_silence),
        cmocka_unit_test(what_is_left_out_is_in_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
