/* Rule files that want to take time or memory: each ends in a reason, and the next file loads. */
#include "sigma_test.h"

#include <stdlib.h>
#include <time.h>

#define SECONDS_MAX 10 /* generous: sanitizers, a busy machine */
#define GOOD SIGMA_HEAD "detection: {s: {f: 1}, condition: s}\n"

static struct pen_buf text;

static int begin(void **state)
{
    (void)state;
    pen_buf_init(&text, (size_t)8 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pen_buf_fini(&text);
    return 0;
}

static void put(const char *s)
{
    assert_int_equal(pen_buf_add(&text, pen_slice_str(s)), PEN_OK);
}

static void put_times(const char *s, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        put(s);
    }
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What was put is refused with a notice that holds the words, and a rule behind it loads. */
static void expect_refused(const char *words)
{
    const struct pen_rule_text texts[] = {{"bad.yml", pen_buf_slice(&text)},
                                          {"good.yml", PEN_SLICE_LIT(GOOD)}};
    const double start = now();
    struct pen_rules *rules = load_texts(texts, PEN_COUNT(texts), NULL);
    assert_true(now() - start < SECONDS_MAX);
    assert_int_equal(pen_rules_rejected(rules), 1);
    const struct pen_rule *last = pen_rules_at(rules, pen_rules_count(rules) - 1);
    assert_true(pen_slice_eq(last->file, PEN_SLICE_LIT("good.yml")));
    bool is_said = false;
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        is_said = is_said || (n->level == PEN_NOTICE_ERROR && n->line > 0 && n->column > 0 &&
                              pen_slice_find(n->text, pen_slice_str(words)) != SIZE_MAX);
    }
    if (!is_said) {
        print_notices(rules);
        fail_msg("nothing says: %s", words);
    }
    pen_rules_free(rules);
    text.len = 0;
}

static void yaml_bombs_are_refused(void **state)
{
    (void)state;
    put("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (char c = 'b'; c < 'j'; c++) {
        char line[64];
        const int from = c - 1;
        (void)snprintf(line, sizeof(line), "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c,
                       from, from, from, from, from, from, from, from, from);
        put(line);
    }
    put(GOOD);
    expect_refused("alias");
    put_times("[", 5000);
    expect_refused("deep");
    put("a: [");
    put_times("x,", 200000);
    put("x]\n");
    expect_refused("nodes");
    put("title: ");
    put_times("xxxxxxxxxxxxxxxx", 1 << 17);
    expect_refused("bytes");
}

static void cycles_are_refused(void **state)
{
    (void)state;
    put(SIGMA_HEAD "detection: {s: &s {f: [*s]}, condition: s}\n");
    expect_refused("alias");
    put("title: t\nlogsource: &l {product: *l}\n");
    expect_refused("alias");
}

static void text_that_is_no_yaml_is_refused(void **state)
{
    (void)state;
    put("title: \xff\xfe\n" GOOD);
    expect_refused("");
    assert_int_equal(pen_buf_add(&text, PEN_SLICE_LIT("title: a\0b\n")), PEN_OK);
    expect_refused("");
    put("title: t\n\tlogsource: x\n");
    expect_refused("");
    put("title: *nobody\n");
    expect_refused("");
    put(SIGMA_HEAD "title: again\ndetection: {s: {f: 1}, condition: s}\n");
    expect_refused("title");
}

static void values_that_aliases_repeat_have_a_limit(void **state)
{
    (void)state;
    put(SIGMA_HEAD "detection:\n  s:\n    f:\n    - &v ");
    put_times("xxxxxxxxxxxxxxxx", 20000);
    put("\n");
    put_times("    - *v\n", 20);
    put("  condition: s\n");
    expect_refused("the values of the rule have more than");
}

static void the_limit_of_values_is_that_of_one_rule(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        put(SIGMA_HEAD "detection:\n  s:\n    f:\n    - &v ");
        put_times("xxxxxxxxxxxxxxxx", 16000);
        put("\n");
        put_times("    - *v\n", 10);
        put("  condition: s\n---\n");
    }
    const struct pen_rule_text file = {"r.yml", pen_buf_slice(&text)};
    struct pen_rules *rules = load_texts(&file, 1, NULL);
    print_notices(rules);
    assert_int_equal(pen_rules_count(rules), 3);
    pen_rules_free(rules);
}

static void conditions_have_a_limit(void **state)
{
    (void)state;
#define S SIGMA_HEAD "detection:\n  s: {f: 1}\n  condition: "
    put(S);
    put_times("not ", 400);
    put("s\n");
    expect_refused("deeper than");
    put(S);
    put_times("(s and not ", 400);
    put("s");
    put_times(")", 400);
    put("\n");
    expect_refused("deeper than");
    put(S);
    put_times("s and ", 11000);
    put("s\n");
    expect_refused("longer than");
    put(S "[");
    put_times("s, ", 65);
    put("s]\n");
    expect_refused("conditions");
    put(SIGMA_HEAD "detection:\n");
    for (uint32_t i = 0; i < 5000; i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "  s%u: {f: 1}\n", i);
        put(line);
    }
    put("  condition: 1 of them");
    put_times(" and 1 of them", 300);
    put("\n");
    expect_refused("too long");
}

static void long_chains_and_many_parentheses_are_no_depth(void **state)
{
    (void)state;
    put(S);
    put_times("(", 5000);
    put("s");
    put_times(")", 5000);
    put_times(" or s and s", 5000);
    put("\n");
    const struct pen_rule_text file = {"r.yml", pen_buf_slice(&text)};
    struct pen_rules *rules = load_texts(&file, 1, NULL);
    print_notices(rules);
    assert_int_equal(pen_rules_count(rules), 1);
    assert_int_equal(matches_of(rules, "{\"f\":1}"), 1);
    assert_int_equal(matches_of(rules, "{\"f\":2}"), 0);
    pen_rules_free(rules);
}

static void expressions_that_cannot_be_held_are_refused(void **state)
{
    (void)state;
#define RE(x) SIGMA_HEAD "detection:\n  s: {f|re: '" x "'}\n  condition: s\n"
    put(RE("((((a{1,200}){1,200}){1,200}){1,200}){1,200}"));
    expect_refused("");
    put(RE("a{99999999}"));
    expect_refused("");
    put(SIGMA_HEAD "detection:\n  s: {f|re: '");
    put_times("(", 2000);
    put("a");
    put_times(")", 2000);
    put("'}\n  condition: s\n");
    expect_refused("");
    put(RE("(?<=a+)b"));
    expect_refused("");
    put(RE("(a)(?1)"));
    expect_refused("");
}

/* Nested quantifiers and many stars end at a limit or are linear: the event is judged soon. */
static void catastrophic_expressions_end(void **state)
{
    (void)state;
    static const char *const rules_of[] = {
        RE("^(a+)+$"),
        RE("^(a|aa)+$"),
        RE("(a*)*b"),
        RE("^(([a-z])+.)+[A-Z]([a-z])+$"),
        RE("(?=(a+))a*b\\1"),
        SIGMA_HEAD "detection:\n  s: {f: '*a*a*a*a*a*a*a*a*a*a*a*a*b'}\n  condition: s\n",
        SIGMA_HEAD "detection:\n  s: {f: '*a?a?a?a?a?a*a?a?a?a?a?a*b'}\n  condition: s\n",
    };
    put("{\"f\":\"");
    put_times("a", 4000);
    put("!\"}");
    PEN_CHECK(pen_buf_add_byte(&text, 0) == PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(rules_of); i++) {
        const double start = now();
        struct pen_rules *rules = load_text(rules_of[i]);
        assert_int_equal(pen_rules_count(rules), 1);
        assert_int_equal(matches_of(rules, (const char *)text.ptr), 0);
        assert_true(now() - start < SECONDS_MAX);
        pen_rules_free(rules);
    }
}

static void actions_that_multiply_have_a_limit(void **state)
{
    (void)state;
    put(SIGMA_HEAD "detection:\n  condition: s\n  s:\n    f: 1\n");
    for (uint32_t i = 0; i < 400; i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "    g%u: 1\n", i);
        put(line);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        char line[128];
        (void)snprintf(line, sizeof(line),
                       "---\naction: repeat\ntitle: t%u\ndetection: {s: {f: %u}}\n", i, i);
        put(line);
    }
    const struct pen_rule_text file = {"r.yml", pen_buf_slice(&text)};
    struct pen_rules *rules = load_texts(&file, 1, NULL);
    assert_true(pen_rules_count(rules) > 100 && pen_rules_rejected(rules) > 100);
    assert_int_equal(pen_rules_count(rules) + pen_rules_rejected(rules), 1001);
    const struct pen_notice *last = pen_rules_notice(rules, pen_rules_notice_count(rules) - 1);
    assert_true(pen_slice_find(last->text, PEN_SLICE_LIT("the actions of this file make more")) !=
                SIZE_MAX);
    pen_rules_free(rules);
}

static void lists_in_lists_have_a_limit(void **state)
{
    (void)state;
    put(SIGMA_HEAD "detection:\n  condition: s\n  s: ");
    put_times("[", 70);
    put("x");
    put_times("]", 70);
    put("\n");
    expect_refused("deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(yaml_bombs_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(cycles_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(text_that_is_no_yaml_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(values_that_aliases_repeat_have_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(the_limit_of_values_is_that_of_one_rule, begin, end),
        cmocka_unit_test_setup_teardown(conditions_have_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(long_chains_and_many_parentheses_are_no_depth, begin, end),
        cmocka_unit_test_setup_teardown(expressions_that_cannot_be_held_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(catastrophic_expressions_end, begin, end),
        cmocka_unit_test_setup_teardown(actions_that_multiply_have_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(lists_in_lists_have_a_limit, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
