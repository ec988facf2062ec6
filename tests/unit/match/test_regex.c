#include "internal.h"
#include "match_test.h"

static pen_status check(const char *text)
{
    const struct pen_pred pred = {.op = PEN_OP_REGEX, .text = pen_slice_str(text)};
    const struct pen_expr expr = expr_of(&pred);
    return pen_expr_check(&expr, NULL);
}

static void recursion_callouts_and_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"(?R)",         "(a(?1)?)",      "(?C1)a", "\\C",
                                      "(?<n>a)(?&n)", "(a)\\g<1>",     "(a",     "[z-a]",
                                      "(a)(?-1)",     "(?P<n>a)(?P>n)"};
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        assert_int_equal(check(bad[i]), PEN_E_RULE);
    }
    static const char *const good[] = {"[(?R)]",      "\\Q(?R)\\E",     "\\(\\?R", "[](?C)]",
                                       "(?=a)(?<!b)", "(?P<n>a)(?P=n)", "(?#(?R)", "(?-i)a"};
    for (size_t i = 0; i < PEN_COUNT(good); i++) {
        assert_int_equal(check(good[i]), PEN_OK);
    }
}

static void catastrophic_regex_ends_by_the_limit_and_is_counted(void **state)
{
    (void)state;
    const struct pen_pred pred = {.op = PEN_OP_REGEX, .text = PEN_SLICE_LIT("^(a|aa)+$")};
    const struct pen_expr expr = expr_of(&pred);
    const struct pen_query query = {&expr, 1, PEN_SLICE_LIT("q")};
    const struct pen_engine_options options = {.in_process = true, .regex_steps_max = 1000};
    struct pen_engine *engine = NULL;
    struct pen_matcher *matcher = NULL;
    assert_int_equal(pen_engine_compile(&query, 1, &options, &engine, NULL), PEN_OK);
    assert_int_equal(pen_matcher_new(engine, &matcher, NULL), PEN_OK);
    static struct hand hand;
    hand_reset(&hand);
    hand_str(&hand, 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\xc3\xa9");
    const uint32_t *tags = NULL;
    assert_int_equal(pen_matcher_run(matcher, &hand.record, &tags), 0);
    assert_int_equal(pen_matcher_counters_get(matcher).regex_limit_hits, 1);
    pen_matcher_free(matcher);
    pen_engine_free(engine);
}

static void anchors_bind_to_the_value(void **state)
{
    (void)state;
    static struct hand hand;
    hand_reset(&hand);
    hand_str(&hand, 0, "xaby");
    struct pen_pred pred = {.op = PEN_OP_REGEX, .text = PEN_SLICE_LIT("a|b")};
    assert_true(pred_holds(&pred, &hand));
    pred.flags = PEN_RE_ANCHOR_START;
    assert_false(pred_holds(&pred, &hand));
    pred.text = PEN_SLICE_LIT("x|b");
    assert_true(pred_holds(&pred, &hand));
    pred.flags = PEN_RE_ANCHOR_END;
    assert_false(pred_holds(&pred, &hand));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursion_callouts_and_bytes_are_refused),
        cmocka_unit_test(catastrophic_regex_ends_by_the_limit_and_is_counted),
        cmocka_unit_test(anchors_bind_to_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
