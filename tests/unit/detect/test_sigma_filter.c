#include "sigma_test.h"

#define LOGSOURCE "logsource: {product: aws, service: cloudtrail}\n"
#define ID1 "11111111-2222-3333-4444-aaaaaaaaaaaa"

/* Two rules; 0 has an id, 1 a name. */
static const char two_rules[] =
    "title: one\nid: " ID1 "\n" LOGSOURCE "detection: {s: {f: 1}, condition: s}\n"
    "---\ntitle: two\nname: second\n" LOGSOURCE
    "detection: {s: {f: 1}, t: {f: 2}, condition: [s, t]}\n";

static struct pen_rules *load_filtered(const char *filter)
{
    const struct pen_rule_text texts[] = {{"f.yml", pen_slice_str(filter)},
                                          {"r.yml", pen_slice_str(two_rules)}};
    return load_texts(texts, PEN_COUNT(texts), NULL);
}

struct filter_row {
    const char *logsource, *filter;
    const char *event;
    uint64_t want; /* bits of the rules that match */
};

static void a_filter_narrows_the_rules_that_it_names(void **state)
{
    (void)state;
#define NOT_U ", s: {u: x}, condition: not s}"
    static const struct filter_row rows[] = {
        {"{product: aws}", "{rules: [" ID1 "]" NOT_U, "{\"f\":1,\"u\":\"x\"}", 2},
        {"{product: aws}", "{rules: [" ID1 "]" NOT_U, "{\"f\":1,\"u\":\"y\"}", 3},
        {"{product: aws}", "{rules: ['11111111222233334444AAAAAAAAAAAA']" NOT_U,
         "{\"f\":1,\"u\":\"x\"}", 2},
        {"{product: aws}", "{rules: [second]" NOT_U, "{\"f\":1,\"u\":\"x\"}", 1},
        {"{product: aws}", "{rules: [second]" NOT_U, "{\"f\":2,\"u\":\"x\"}", 0},
        {"{product: aws}", "{rules: [" ID1 ", second]" NOT_U, "{\"f\":1,\"u\":\"x\"}", 0},
        {"{product: aws}", "{rules: second" NOT_U, "{\"f\":1,\"u\":\"x\"}", 1},
        {"{product: aws}", "{rules: Any" NOT_U, "{\"f\":1,\"u\":\"x\"}", 0},
        {"{product: aws}", "{rules: []" NOT_U, "{\"f\":1,\"u\":\"x\"}", 0},
        {"{product: aws, service: cloudtrail}", "{rules: any" NOT_U, "{\"f\":1,\"u\":\"x\"}", 0},
        {"{product: aws, category: c}", "{rules: any" NOT_U, "{\"f\":1,\"u\":\"x\"}", 3},
        {"{product: azure}", "{rules: any" NOT_U, "{\"f\":1,\"u\":\"x\"}", 3},
        {"{product: aws, service: s3}", "{rules: any" NOT_U, "{\"f\":1,\"u\":\"x\"}", 3},
        {"{service: CloudTrail}", "{rules: any" NOT_U, "{\"f\":1,\"u\":\"x\"}", 0},
        /* nothing is negated by itself */
        {"{product: aws}", "{rules: any, s: {u: x}, condition: s}", "{\"f\":1,\"u\":\"x\"}", 3},
        {"{product: aws}", "{rules: any, s: {u: x}, condition: s}", "{\"f\":1}", 0},
        /* names of its own: the filter's t is not the rule's */
        {"{product: aws}", "{rules: any, t: {u: x}, u_: {u: y}, condition: not 1 of them}",
         "{\"f\":2}", 2},
        {"{product: aws}", "{rules: any, t: {u: x}, u_: {u: y}, condition: not 1 of them}",
         "{\"f\":2,\"u\":\"y\"}", 0},
        {"{product: aws}", "{rules: any, t: [x, {u: y}], condition: not t}",
         "{\"f\":1,\"g\":\"axb\"}", 0},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "title: f\nlogsource: %s\nfilter: %s\n",
                       rows[i].logsource, rows[i].filter);
        struct pen_rules *rules = load_filtered(text);
        assert_int_equal(pen_rules_count(rules), 2);
        const uint64_t got = matches_of(rules, rows[i].event);
        if (got != rows[i].want) {
            print_notices(rules);
            fail_msg("row %zu: %llu", i, (unsigned long long)got);
        }
        pen_rules_free(rules);
    }
}

static void filters_are_anded(void **state)
{
    (void)state;
    struct pen_rules *rules = load_filtered(
        "title: a\n" LOGSOURCE "filter: {rules: any, s: {u: x}, condition: not s}\n---\n"
        "title: b\n" LOGSOURCE "filter: {rules: [second], s: {u: y}, condition: not s}\n");
    assert_int_equal(pen_rules_notice_count(rules), 0);
    assert_int_equal(matches_of(rules, "{\"f\":1,\"u\":\"x\"}"), 0);
    assert_int_equal(matches_of(rules, "{\"f\":1,\"u\":\"y\"}"), 1);
    assert_int_equal(matches_of(rules, "{\"f\":1,\"u\":\"z\"}"), 3);
    pen_rules_free(rules);
}

static void wrong_filters_are_refused_and_the_rules_stay(void **state)
{
    (void)state;
    static const struct {
        const char *text, *prefix;
    } rows[] = {
        {LOGSOURCE "filter: {rules: any, s: {u: x}, condition: not s}\n",
         "f.yml:1:1: `title` is missing"},
        {"title: f\nfilter: {rules: any, s: {u: x}, condition: not s}\n",
         "f.yml:1:1: `logsource` is missing"},
        {"title: f\n" LOGSOURCE "filter: [a]\n", "f.yml:3:9: `filter` is a map"},
        {"title: f\n" LOGSOURCE "filter: {s: {u: x}, condition: not s}\n",
         "f.yml:3:9: `filter` names no `rules`"},
        {"title: f\n" LOGSOURCE "filter: {rules: {a: b}, s: {u: x}, condition: not s}\n",
         "f.yml:3:17: `rules` is a list of ids or names"},
        {"title: f\n" LOGSOURCE "filter: {rules: [[a]], s: {u: x}, condition: not s}\n",
         "f.yml:3:18: an id or a name"},
        {"title: f\n" LOGSOURCE "filter: {rules: any, s: {u: x}}\n",
         "f.yml:3:9: `filter` needs a condition"},
        {"title: f\n" LOGSOURCE "filter: {rules: any, s: {u: x}, condition: [not s]}\n",
         "f.yml:3:44: a condition is text"},
        {"title: f\n" LOGSOURCE "filter: {rules: any, s: {u|no: x}, condition: not s}\n",
         "f.yml:3:26: the modifier 'no' is unknown"},
        {"title: f\n" LOGSOURCE "filter: {rules: any, s: {u: x}, condition: not rules}\n",
         "f.yml:3:44: the condition names 'rules', which is no identifier"},
        {"title: f\nlevel: info\n" LOGSOURCE "filter: {rules: any, s: {u: x}, condition: not s}\n",
         "f.yml:2:8: `level` 'info'"},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = load_filtered(rows[i].text);
        assert_int_equal(pen_rules_count(rules), 2);
        assert_int_equal(pen_rules_rejected(rules), 1);
        expect_notice(rules, PEN_NOTICE_ERROR, rows[i].prefix);
        assert_int_equal(matches_of(rules, "{\"f\":1,\"u\":\"x\"}"), 3);
        pen_rules_free(rules);
    }
}

static void filters_that_look_wrong_are_warned_of(void **state)
{
    (void)state;
    struct pen_rules *rules = load_filtered(
        "title: f\n" LOGSOURCE "filter:\n  rules: [nobody, second]\n  s: {u: x}\n  condition: s\n");
    expect_notice(rules, PEN_NOTICE_WARNING, "f.yml:6:14: the filter keeps what its condition");
    expect_notice(rules, PEN_NOTICE_WARNING, "f.yml:4:3: the filter names 'nobody', which no rule");
    assert_int_equal(pen_rules_notice_count(rules), 2);
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_narrows_the_rules_that_it_names),
        cmocka_unit_test(filters_are_anded),
        cmocka_unit_test(wrong_filters_are_refused_and_the_rules_stay),
        cmocka_unit_test(filters_that_look_wrong_are_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
