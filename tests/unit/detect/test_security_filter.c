#include "rules.h"
#include "sigma_test.h"

#define AT "r/security_filters/ours.yml"

static struct pen_rules *load(const char *text)
{
    const struct pen_rule_text file = {AT, pen_slice_str(text)};
    return load_texts(&file, 1, NULL);
}

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)err;
    *field = (uint32_t)name.len;
    return PEN_OK;
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

/* What a filter's exclusions leave out is asked together with its query; of none there is nothing.
 */
static void what_filters_leave_out_has_queries(void **state)
{
    (void)state;
    const struct pen_type type = {.name = PEN_SLICE_LIT("cloudtrail")};
    const struct pen_rule_names names = {.query_field = field_of};
    struct pen_rules *rules =
        load("- {query: a OR b, exclusion_filters: [{query: c}, {query: d}]}\n"
             "- {query: e, name: named}\n");
    struct pen_expr *expr = NULL;
    struct pen_err err;
    struct pen_arena arena;
    pen_arena_init(&arena, (size_t)1 << 20);
    assert_int_equal(pen_rules_security_filter_count(rules), 2);
    assert_true(pen_slice_eq(pen_rules_security_filter_name(rules, 0), PEN_SLICE_LIT("ours")));
    assert_true(pen_slice_eq(pen_rules_security_filter_name(rules, 1), PEN_SLICE_LIT("named")));
    assert_int_equal(pen_rules_left_out(rules, 0, &type, &names, &arena, &expr, &err), PEN_OK);
    assert_int_equal(expr->kind, PEN_EXPR_AND);
    assert_int_equal(expr->kids[0]->kind, PEN_EXPR_OR);
    assert_int_equal(expr->kids[1]->kind, PEN_EXPR_OR);
    assert_int_equal(pen_rules_left_out(rules, 1, &type, &names, &arena, &expr, &err), PEN_OK);
    assert_null(expr);
    assert_int_equal(pen_rules_left_out(rules, 2, &type, &names, &arena, &expr, &err), PEN_OK);
    assert_non_null(expr);
    pen_arena_fini(&arena);
    pen_rules_free(rules);
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
        {"{query: a, name: ''}\n", AT ":1:18: `name` has 1 to 256 bytes on one line"},
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

/* Counters go by name. */
static void a_name_is_taken_once(void **state)
{
    (void)state;
    struct pen_rules *rules = load("- {query: a, name: n}\n- {query: b, name: n}\n");
    expect_notice(rules, PEN_NOTICE_ERROR, AT ":2:3: the name 'n' is taken by another filter");
    assert_int_equal(pen_rules_security_filter_count(rules), 1);
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_filter_takes_is_one_query),
        cmocka_unit_test(what_filters_leave_out_has_queries),
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(mistakes_are_told_at_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
