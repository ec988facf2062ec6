#include "sigma_test.h"

#define AT "r/critical_assets/crown.yml"

static struct pen_rules *load(const char *text)
{
    const struct pen_rule_text file = {AT, pen_slice_str(text)};
    return load_texts(&file, 1, NULL);
}

static void assets_set_or_shift_a_severity(void **state)
{
    (void)state;
    struct pen_rules *rules =
        load("- {query: '@usr.name:root', severity: critical, tags: [a, b], reason: r, owner: o}\n"
             "- {name: up, query: 'env:prod', rule_query: 'severity:low', severity: increase}\n"
             "- {name: down, query: 'env:dev', severity: decrease}\n"
             "- {name: same, query: 'env:test', severity: no-op}\n"
             "- {name: off, query: 'env:test', severity: low, enabled: false}\n");
    static const int8_t shifts[] = {0, 1, -1, 0};
    print_notices(rules);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    assert_int_equal(pen_rules_suppression_count(rules), PEN_COUNT(shifts));
    for (uint32_t i = 0; i < PEN_COUNT(shifts); i++) {
        const struct pen_suppression *s = pen_rules_suppression(rules, i);
        assert_true(s->is_asset);
        assert_true(s->is_of_signals);
        assert_int_equal(s->severity_shift, shifts[i]);
        assert_int_equal(s->severity != NULL, i == 0);
    }
    assert_int_equal(*pen_rules_suppression(rules, 0)->severity, PEN_CRITICAL);
    assert_true(pen_slice_eq(pen_rules_suppression(rules, 0)->name, PEN_SLICE_LIT("crown")));
    assert_true(
        pen_slice_eq(pen_rules_suppression(rules, 1)->rule_query, PEN_SLICE_LIT("severity:low")));
    pen_rules_free(rules);
}

static void mistakes_are_told_at_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {"a\n", AT ":1:1: a critical asset is a map"},
        {"{query: a}\n", AT ":1:1: a critical asset needs `query` and `severity`"},
        {"{severity: low}\n", AT ":1:1: a critical asset needs `query` and `severity`"},
        {"{query: '(a', severity: low}\n", AT ":1:9: `query`, byte "},
        {"{query: a, severity: worse}\n", AT ":1:22: `severity` is info, low"},
        {"{query: a, severity: [low]}\n", AT ":1:22: `severity` takes one value"},
        {"{query: a, severity: low, enabled: 1}\n", AT ":1:36: `enabled` is true or false"},
        {"{query: a, severity: low, until: 1}\n", AT ":1:27: a critical asset has no `until`"},
        {"{query: a, severity: low, name: ''}\n", AT ":1:33: `name` has 1 to"},
        {"- {query: a, severity: low, name: n}\n- {query: b, severity: low, name: n}\n",
         AT ":2:3: the name 'n' is taken by " AT},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load(rows[i].text);
        expect_notice(rules, PEN_NOTICE_ERROR, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), 1);
        pen_rules_free(rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assets_set_or_shift_a_severity),
        cmocka_unit_test(mistakes_are_told_at_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
