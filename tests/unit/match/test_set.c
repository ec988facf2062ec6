#include "match_test.h"

#include <stdio.h>

static struct pen_set *filled(const char *const *texts, size_t count)
{
    struct pen_set *set = NULL;
    struct pen_err err;
    assert_int_equal(pen_set_new(1024, &set, &err), PEN_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pen_set_add(set, pen_slice_str(texts[i]), &err), PEN_OK);
    }
    return set;
}

static void a_set_has_what_was_added_and_nothing_else(void **state)
{
    static const char *const texts[] = {"a", "A", "10.0.0.1", "", "a", "\xc3\xa9"};
    (void)state;
    struct pen_set *set = filled(texts, PEN_COUNT(texts));
    assert_int_equal(pen_set_count(set), 5);
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        assert_true(pen_set_has(set, pen_slice_str(texts[i])));
    }
    assert_false(pen_set_has(set, PEN_SLICE_LIT("aa")));
    assert_false(pen_set_has(set, PEN_SLICE_LIT("10.0.0.")));
    pen_set_free(set);
    set = filled(NULL, 0);
    assert_false(pen_set_has(set, PEN_SLICE_LIT("")));
    pen_set_free(set);
}

static void a_large_set_grows_and_stops_at_its_bytes(void **state)
{
    (void)state;
    struct pen_set *set = NULL;
    struct pen_err err;
    char text[32];
    assert_int_equal(pen_set_new(600000, &set, &err), PEN_OK);
    for (uint32_t i = 0; i < 100000; i++) {
        (void)snprintf(text, sizeof(text), "%u", i * 7919);
        const pen_status st = pen_set_add(set, pen_slice_str(text), &err);
        if (st != PEN_OK) {
            assert_int_equal(st, PEN_E_LIMIT);
            break;
        }
    }
    const uint32_t count = pen_set_count(set);
    assert_true(count > 50000 && count < 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        (void)snprintf(text, sizeof(text), "%u", i * 7919);
        assert_true(pen_set_has(set, pen_slice_str(text)) == (i < count));
    }
    pen_set_free(set);
}

static void any_scalar_of_a_field_may_be_in_the_set(void **state)
{
    static const char *const texts[] = {"5", "true", "a/b"};
    static struct hand hand;
    (void)state;
    struct pen_set *set = filled(texts, PEN_COUNT(texts));
    const struct pen_pred pred = {.op = PEN_OP_SET, .field = 1, .set = set};
    hand_reset(&hand);
    assert_false(pred_holds(&pred, &hand));
    hand_add(&hand, 1, PEN_OBJECT, PEN_SLICE_LIT("{\"x\":5}"));
    hand_add(&hand, 1, PEN_NULL, PEN_SLICE_LIT("null"));
    hand_str(&hand, 2, "5");
    hand_str(&hand, 1, "A/B");
    assert_false(pred_holds(&pred, &hand));
    hand_str(&hand, 1, "a\\/b"); /* escaped in JSON */
    assert_true(pred_holds(&pred, &hand));
    hand_reset(&hand);
    hand_add(&hand, 1, PEN_NUMBER, PEN_SLICE_LIT("5"));
    assert_true(pred_holds(&pred, &hand));
    pen_set_free(set);
}

static void sets_of_one_field_are_told_apart(void **state)
{
    static const char *const one[] = {"x"};
    static const char *const other[] = {"y"};
    static struct hand hand;
    (void)state;
    struct pen_set *sets[] = {filled(one, 1), filled(other, 1)};
    const struct pen_pred preds[] = {{.op = PEN_OP_SET, .field = 1, .set = sets[0]},
                                     {.op = PEN_OP_SET, .field = 1, .set = sets[1]}};
    const struct pen_expr exprs[] = {expr_of(&preds[0]), expr_of(&preds[1])};
    const struct pen_query queries[] = {{.expr = &exprs[0], .tag = 0},
                                        {.expr = &exprs[1], .tag = 1}};
    struct pen_engine *engine = NULL;
    struct pen_matcher *matcher = NULL;
    const uint32_t *tags = NULL;
    struct pen_err err;
    const struct pen_engine_options options = {.in_process = true};
    assert_int_equal(pen_engine_compile(queries, 2, &options, &engine, &err), PEN_OK);
    assert_int_equal(pen_matcher_new(engine, &matcher, &err), PEN_OK);
    hand_reset(&hand);
    hand_str(&hand, 1, "y");
    assert_int_equal(pen_matcher_run(matcher, &hand.record, &tags), 1);
    assert_int_equal(tags[0], 1);
    pen_matcher_free(matcher);
    pen_engine_free(engine);
    pen_set_free(sets[0]);
    pen_set_free(sets[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_has_what_was_added_and_nothing_else),
        cmocka_unit_test(a_large_set_grows_and_stops_at_its_bytes),
        cmocka_unit_test(any_scalar_of_a_field_may_be_in_the_set),
        cmocka_unit_test(sets_of_one_field_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
