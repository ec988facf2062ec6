#include "sigma_test.h"

#define AT "r/suppressions/quiet.yml"

static struct pen_rules *load(const char *text)
{
    const struct pen_rule_text file = {AT, pen_slice_str(text)};
    return load_texts(&file, 1, NULL);
}

static void members_are_kept_and_files_give_names(void **state)
{
    (void)state;
    struct pen_rules *rules =
        load("- {query: '@usr.name:kim', rule_query: 'severity:low', reason: r, "
             "owner: o, expires: 2025-03-04}\n"
             "- {rule_query: '*'}\n---\nname: mine\nquery: env:dev\n");
    print_notices(rules);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    assert_int_equal(pen_rules_suppression_count(rules), 3);
    const struct pen_suppression *s = pen_rules_suppression(rules, 0);
    assert_true(pen_slice_eq(s->name, PEN_SLICE_LIT("quiet")));
    assert_true(pen_slice_eq(s->query, PEN_SLICE_LIT("@usr.name:kim")));
    assert_true(pen_slice_eq(s->rule_query, PEN_SLICE_LIT("severity:low")));
    assert_true(pen_slice_eq(s->reason, PEN_SLICE_LIT("r")));
    assert_true(pen_slice_eq(s->owner, PEN_SLICE_LIT("o")));
    assert_int_equal(s->expires_ns, INT64_C(1741046400) * PEN_NS_PER_S);
    s = pen_rules_suppression(rules, 1);
    assert_true(pen_slice_eq(s->name, PEN_SLICE_LIT("quiet (2)")));
    assert_int_equal(s->expires_ns, INT64_MAX);
    assert_true(pen_slice_eq(pen_rules_suppression(rules, 2)->name, PEN_SLICE_LIT("mine")));
    pen_rules_free(rules);
}

static void mistakes_are_told_at_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {"a\n", AT ":1:1: a suppression is a map"},
        {"{reason: r}\n", AT ":1:1: a suppression needs `query`"},
        {"{query: '(a'}\n", AT ":1:9: `query`, byte "},
        {"{query: ''}\n", AT ":1:9: `query` is empty"},
        {"{rule_query: 'a:('}\n", AT ":1:14: `rule_query`, byte "},
        {"{query: a, until: 1}\n", AT ":1:12: a suppression has no `until`"},
        {"{query: a, expires: soon}\n", AT ":1:21: `expires` is a date"},
        {"{query: [a]}\n", AT ":1:9: `query` takes one value"},
        {"{query: a, name: ''}\n", AT ":1:18: `name` has 1 to"},
        {"- {query: a, name: n}\n- {query: b, name: n}\n", AT ":2:3: the name 'n' is taken by " AT},
        {"{\n", AT ":2:1: "},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load(rows[i].text);
        expect_notice(rules, PEN_NOTICE_ERROR, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), 1);
        pen_rules_free(rules);
    }
}

static void names_that_are_asked_for_go_before_those_of_texts(void **state)
{
    (void)state;
    const struct pen_rule_text files[] = {
        {"d.json",
         PEN_SLICE_LIT(
             "{\"id\":\"x\",\"name\":\"d\",\"isEnabled\":true,\"message\":\"{{@a}} {{@b}}\","
             "\"queries\":[{\"query\":\"@c:1\"}],\"cases\":[{\"status\":\"low\","
             "\"condition\":\"a > 0\"}],\"options\":{\"evaluationWindow\":0,"
             "\"keepAlive\":0,\"maxSignalDuration\":0}}")},
        {"s.yml", PEN_SLICE_LIT(SIGMA_HEAD "detection: {s: {f: 1}, condition: s}\n")}};
    struct pen_rules *rules = load_texts(files, 2, NULL);
    const pen_slice names[] = {PEN_SLICE_LIT("@b"), PEN_SLICE_LIT("env"), PEN_SLICE_LIT("env")};
    for (uint32_t i = 0; i < 2; i++) {
        pen_rules_observe(rules, i, names, 3);
    }
    const struct pen_datadog *datadog = pen_rules_at(rules, 0)->datadog;
    static const char *const want[] = {"@b", "env", "@a"};
    assert_int_equal(datadog->attribute_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(pen_slice_eq(datadog->attributes[i], pen_slice_str(want[i])));
    }
    assert_int_equal(pen_rules_at(rules, 1)->attribute_count, 2);
    pen_rules_free(rules);
}

static void a_suppression_is_part_of_the_hash(void **state)
{
    (void)state;
    struct pen_rules *a = load("{query: a}\n");
    struct pen_rules *b = load("{query: b}\n");
    const struct pen_hash128 left = pen_rules_hash(a);
    const struct pen_hash128 right = pen_rules_hash(b);
    assert_memory_not_equal(&left, &right, sizeof(left));
    pen_rules_free(a);
    pen_rules_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_kept_and_files_give_names),
        cmocka_unit_test(mistakes_are_told_at_their_places),
        cmocka_unit_test(names_that_are_asked_for_go_before_those_of_texts),
        cmocka_unit_test(a_suppression_is_part_of_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
