#include "rules.h"
#include "sigma_test.h"

#define AT "r/security_filters/ours.yml"

static struct pen_rules *load(const char *text)
{
    const struct pen_rule_text file = {AT, pen_slice_str(text)};
    return load_texts(&file, 1, NULL);
}

static void what_no_filter_takes_is_one_query(void **state)
{
    (void)state;
    static const struct {
        const char *text, *unanalysed;
        uint32_t count;
    } rows[] = {
        {"query: 'source:cloudtrail'\n", " -( (source:cloudtrail))", 1},
        {"- {name: n, query: ' a ', exclusion_filters: [{name: x, query: b}, {query: c}]}\n"
         "- {query: d, is_enabled: true, filtered_data_type: logs}\n",
         " -( (a) -(b) -(c)) -( (d))", 2},
        {"{query: a, is_enabled: false}\n", "", 0},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load(rows[i].text);
        print_notices(rules);
        assert_int_equal(pen_rules_notice_count(rules), 0);
        assert_int_equal(pen_rules_security_filter_count(rules), rows[i].count);
        assert_true(pen_slice_eq(rules->unanalysed, pen_slice_str(rows[i].unanalysed)));
        pen_rules_free(rules);
    }
}

static void mistakes_are_told_at_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *text, *notice;
    } rows[] = {
        {"a\n", AT ":1:1: a security filter is a map"},
        {"{name: n}\n", AT ":1:1: a security filter needs `query`"},
        {"{query: '(a'}\n", AT ":1:9: `query`, byte "},
        {"{query: [a]}\n", AT ":1:9: `query` takes one value"},
        {"{query: a, reason: r}\n", AT ":1:12: a security filter has no `reason`"},
        {"{query: a, is_enabled: maybe}\n", AT ":1:24: `is_enabled` is true or false"},
        {"{query: a, filtered_data_type: rum}\n", AT ":1:32: `filtered_data_type` is logs"},
        {"{query: a, exclusion_filters: b}\n", AT ":1:31: `exclusion_filters` takes a list"},
        {"{query: a, exclusion_filters: [b]}\n", AT ":1:32: an exclusion filter is a map"},
        {"{query: a, exclusion_filters: [{name: b}]}\n",
         AT ":1:32: an exclusion filter needs `query`"},
        {"{query: a, exclusion_filters: [{query: b, x: y}]}\n",
         AT ":1:43: an exclusion filter has no `x`"},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load(rows[i].text);
        expect_notice(rules, PEN_NOTICE_ERROR, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), 1);
        assert_int_equal(pen_rules_security_filter_count(rules), 0);
        pen_rules_free(rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_filter_takes_is_one_query),
        cmocka_unit_test(mistakes_are_told_at_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
