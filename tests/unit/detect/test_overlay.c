#include "folder.h"
#include "sigma_test.h"

#define ID "11111111-2222-3333-4444-555555555555"
#define LOGS "logsource: {product: aws, service: cloudtrail}\n"
static const char rule_text[] = "title: t\nid: " ID "\nlevel: high\ntags: [attack.t1110]\n" LOGS
                                "detection: {s: {eventName: A}, condition: s}\n";
static const char other_text[] =
    "title: o\nid: 11111111-2222-3333-4444-666666666666\nlevel: low\n"
    "status: deprecated\n" LOGS "detection: {s: {eventName: A}, condition: s}\n";

static struct pen_rules *load(const char *overlay, const struct pen_rules_options *options)
{
    const struct pen_rule_text files[] = {{"r/a.yml", pen_slice_str(rule_text)},
                                          {"r/b.yml", pen_slice_str(other_text)},
                                          {"r/overlay.yml", pen_slice_str(overlay)}};
    return load_texts(files, 3, options);
}

static void an_id_goes_before_a_tag_and_severity_and_mode_change(void **state)
{
    (void)state;
    struct pen_rules *rules =
        load("rules: {" ID ": {severity: low}}\n"
             "tags: {attack.t1110: {severity: critical, mode: shadow, keep_alive: 30m, "
             "group_by: [account, eventName]}}\n",
             NULL);
    print_notices(rules);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    assert_int_equal(pen_rules_count(rules), 1);
    const struct pen_rule *rule = pen_rules_at(rules, 0);
    assert_int_equal(rule->severity, PEN_LOW);
    assert_true(rule->is_shadow && rule->has_keep_alive);
    assert_int_equal(rule->keep_alive_ns, 1800 * PEN_NS_PER_S);
    assert_int_equal(rule->group_by_count, 2);
    assert_true(pen_slice_eq(rule->group_by[1], PEN_SLICE_LIT("eventName")));
    pen_rules_free(rules);
}

static void enabled_switches_a_rule_off_and_a_deprecated_one_on(void **state)
{
    (void)state;
    struct pen_rules *rules = load("rules:\n  " ID ": {enabled: false}\n"
                                   "  11111111222233334444666666666666: {enabled: true}\n",
                                   NULL);
    print_notices(rules);
    assert_int_equal(pen_rules_count(rules), 1);
    assert_true(pen_slice_eq(pen_rules_at(rules, 0)->title, PEN_SLICE_LIT("o")));
    pen_rules_free(rules);
    const struct pen_rules_options all = {.load_deprecated = true};
    rules = load("rules: {" ID ": {enabled: false}}\n", &all);
    assert_int_equal(pen_rules_count(rules), 2);
    assert_true(pen_slice_eq(pen_rules_at(rules, 0)->status, PEN_SLICE_LIT("disabled")));
    pen_rules_free(rules);
}

static void rules_are_chosen_by_the_severity_that_the_overlay_gives(void **state)
{
    (void)state;
    const struct pen_rules_options high = {.level_min = PEN_HIGH};
    struct pen_rules *rules = load("rules: {" ID ": {severity: medium}}\n", &high);
    assert_int_equal(pen_rules_count(rules), 0);
    pen_rules_free(rules);
}

static void what_is_excluded_is_no_match(void **state)
{
    (void)state;
    static const struct {
        const char *event;
        bool matches;
    } rows[] = {{"{\"eventName\":\"A\",\"user\":\"x\"}", true},
                {"{\"eventName\":\"A\",\"user\":\"robot-1\"}", false},
                {"{\"eventName\":\"A\",\"region\":\"r2\"}", false},
                {"{\"eventName\":\"B\",\"user\":\"x\"}", false}};
    struct pen_rules *rules = load("tags: {attack.t1110: {exclude: '@user:robot-*'}}\n"
                                   "rules: {" ID ": {exclude: 'source:cloudtrail @region:r2'}}\n",
                                   NULL);
    print_notices(rules);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_int_equal(matches_of(rules, rows[i].event) != 0, rows[i].matches);
    }
    pen_rules_free(rules);
}

static void a_correlation_does_not_count_what_its_rule_excludes(void **state)
{
    (void)state;
    const struct pen_rule_text files[] = {
        {"a.yml", PEN_SLICE_LIT("title: t\nname: base\nid: " ID "\n" LOGS
                                "detection: {s: {eventName: A}, condition: s}\n"
                                "---\ntitle: c\ncorrelation: {type: event_count, rules: [base], "
                                "group-by: [user], timespan: 1h, condition: {gte: 2}}\n")},
        {"overlay.yml", PEN_SLICE_LIT("rules: {" ID ": {exclude: '@user:robot'}, "
                                      "c: {severity: critical}}\n")}};
    struct pen_rules *rules = load_texts(files, 2, NULL);
    print_notices(rules);
    assert_int_equal(pen_rules_count(rules), 2);
    assert_int_equal(pen_rule_severity(pen_rules_at(rules, 1), 0), PEN_CRITICAL);
    assert_int_equal(matches_of(rules, "{\"eventName\":\"A\",\"user\":\"x\"}"), 2);
    assert_int_equal(matches_of(rules, "{\"eventName\":\"A\",\"user\":\"robot\"}"), 0);
    pen_rules_free(rules);
}

static const char datadog_text[] =
    "{\"id\":\"dd-1\",\"name\":\"three\",\"isEnabled\":true,\"message\":\"m\","
    "\"tags\":[\"tactic:x\"],"
    "\"queries\":[{\"query\":\"@eventName:A\",\"groupByFields\":[\"@a\"],\"name\":\"q\"},"
    "{\"query\":\"@eventName:B\",\"groupByFields\":[\"@b\",\"@c\"],\"name\":\"r\"}],"
    "\"cases\":[{\"status\":\"high\",\"condition\":\"q > 1\"},{\"status\":\"low\",\"condition\":"
    "\"r > 1\"}],\"options\":{\"detectionMethod\":\"threshold\",\"evaluationWindow\":300,"
    "\"keepAlive\":600,\"maxSignalDuration\":900}}";

static void a_datadog_rule_changes_in_all_its_queries_and_cases(void **state)
{
    (void)state;
    const struct pen_rule_text files[] = {
        {"d.json", pen_slice_str(datadog_text)},
        {"overlay.yml", PEN_SLICE_LIT("rules:\n  dd-1: {severity: info, group_by: '@z', "
                                      "keep_alive: 5m, exclude: '@u:x'}\n"
                                      "tags:\n  tactic:x: {keep_alive: 1h}\n")}};
    struct pen_rules *rules = load_texts(files, 2, NULL);
    print_notices(rules);
    assert_int_equal(pen_rules_notice_count(rules), 1);
    expect_notice(rules, PEN_NOTICE_WARNING,
                  "overlay.yml:4:3: rule dd-1: `keep_alive` is not between");
    const struct pen_rule *rule = pen_rules_at(rules, 0);
    assert_int_equal(pen_rule_severity(rule, 0), PEN_INFO);
    assert_int_equal(pen_rule_severity(rule, 1), PEN_INFO);
    assert_int_equal(rule->datadog->state.keep_alive_ns, 300 * PEN_NS_PER_S);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(rule->datadog->queries[i].group_by_count, 1);
        assert_true(pen_slice_eq(rule->datadog->queries[i].group_by[0], PEN_SLICE_LIT("@z")));
    }
    assert_true(pen_slice_eq(rule->datadog->group_names[1][0], PEN_SLICE_LIT("@z")));
    assert_int_equal(matches_of(rules, "{\"eventName\":\"A\",\"u\":\"y\"}"), 1);
    assert_int_equal(matches_of(rules, "{\"eventName\":\"A\",\"u\":\"x\"}"), 0);
    pen_rules_free(rules);
}

static void mistakes_and_unknown_names_are_told_at_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pen_notice_level level;
        const char *notice;
    } rows[] = {
        {"rules:\n  nobody: {mode: shadow}\n", PEN_NOTICE_WARNING,
         "r/overlay.yml:2:3: no rule has the id 'nobody'"},
        {"tags:\n  attack.t9: {mode: shadow}\n", PEN_NOTICE_WARNING,
         "r/overlay.yml:2:3: no rule has the tag 'attack.t9'"},
        {"- a\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:1: an overlay is a map"},
        {"rule: {}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:1: an overlay has `rules`"},
        {"rules: [a]\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:8: `rules` is a map of ids"},
        {"rules: {" ID ": off}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:47: what an overlay"},
        {"rules: {" ID ": {x: 1}}\n", PEN_NOTICE_ERROR,
         "r/overlay.yml:1:48: an overlay has no `x`"},
        {"rules: {" ID ": {mode: off}}\n", PEN_NOTICE_ERROR,
         "r/overlay.yml:1:54: `mode` is active"},
        {"rules: {" ID ": {enabled: 1}}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:57: `enabled` is"},
        {"rules: {" ID ": {severity: bad}}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:58: `severity`"},
        {"rules: {" ID ": {keep_alive: 25h}}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:60: `keep_"},
        {"rules: {" ID ": {keep_alive: [1h]}}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:60: `keep_"},
        {"rules: {" ID ": {exclude: '(a'}}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:57: `exclude`, "},
        {"rules: {" ID ": {exclude: ' '}}\n", PEN_NOTICE_ERROR,
         "r/overlay.yml:1:57: `exclude` is e"},
        {"rules: {" ID ": {group_by: []}}\n", PEN_NOTICE_ERROR, "r/overlay.yml:1:58: `group_by`"},
        {"rules: {" ID ": {group_by: [a,b,c,d,e,f,g,h,i]}}\n", PEN_NOTICE_ERROR,
         "r/overlay.yml:1:75: `group_by` has at most 8"},
        {"rules: {\n", PEN_NOTICE_ERROR, "r/overlay.yml:2:1: "},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load(rows[i].text, NULL);
        expect_notice(rules, rows[i].level, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), rows[i].level == PEN_NOTICE_ERROR);
        assert_int_equal(pen_rules_count(rules), 1); /* as it is without the entry */
        assert_int_equal(pen_rules_at(rules, 0)->severity, PEN_HIGH);
        pen_rules_free(rules);
    }
}

static void an_overlay_is_part_of_the_hash(void **state)
{
    (void)state;
    struct pen_rules *a = load("rules: {" ID ": {mode: shadow}}\n", NULL);
    struct pen_rules *b = load("rules: {" ID ": {mode: active}}\n", NULL);
    const struct pen_hash128 left = pen_rules_hash(a);
    const struct pen_hash128 right = pen_rules_hash(b);
    assert_memory_not_equal(&left, &right, sizeof(left));
    pen_rules_free(a);
    pen_rules_free(b);
}

static void an_overlay_of_a_folder_is_read_whatever_its_place(void **state)
{
    (void)state;
    struct folder folder;
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    folder_make(&folder);
    folder_sub(&folder, "local");
    folder_write(&folder, "z.yml", rule_text);
    folder_write(&folder, "local/overlay.yml", "rules: {" ID ": {mode: shadow}}\n");
    const char *const paths[] = {folder.path};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    assert_int_equal(pen_rules_load(&options, &rules, &err), PEN_OK);
    assert_int_equal(pen_rules_count(rules), 1);
    assert_true(pen_rules_at(rules, 0)->is_shadow);
    pen_rules_free(rules);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_goes_before_a_tag_and_severity_and_mode_change),
        cmocka_unit_test(enabled_switches_a_rule_off_and_a_deprecated_one_on),
        cmocka_unit_test(rules_are_chosen_by_the_severity_that_the_overlay_gives),
        cmocka_unit_test(what_is_excluded_is_no_match),
        cmocka_unit_test(a_correlation_does_not_count_what_its_rule_excludes),
        cmocka_unit_test(a_datadog_rule_changes_in_all_its_queries_and_cases),
        cmocka_unit_test(mistakes_and_unknown_names_are_told_at_their_places),
        cmocka_unit_test(an_overlay_is_part_of_the_hash),
        cmocka_unit_test(an_overlay_of_a_folder_is_read_whatever_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
