#include "rule_events.h"
#include "test.h"

#include <stdio.h>

static struct pen_arena arena;
static struct rule_events events;

static int begin(void **state)
{
    (void)state;
    struct pen_err err;
    pen_arena_init(&arena, (size_t)1 << 24);
    return rule_events_init(&events, &arena, &err) == PEN_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    rule_events_fini(&events);
    pen_arena_fini(&arena);
    return 0;
}

static void expect_items(const char *const *wanted, uint32_t count)
{
    assert_int_equal(events.count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(events.items[i].len, strlen(wanted[i]));
        assert_memory_equal(events.items[i].ptr, wanted[i], events.items[i].len);
        for (size_t p = 0; p < PEN_JSON_PADDING; p++) {
            assert_int_equal(events.items[i].ptr[events.items[i].len + p], ' ');
        }
    }
}

static void a_text_holds_a_record_several_or_an_array_of_them(void **state)
{
    (void)state;
    struct pen_err err;
    static const char *const texts[] = {
        "{\"a\":1}",
        "{\"a\":2}\n{\"a\":3}\n",
        "{\"Records\":[{\"a\":4},{\"a\": \"}\"}]}",
        "[{\"a\":6}]",
    };
    static const char *const wanted[] = {"{\"a\":1}", "{\"a\":2}",      "{\"a\":3}",
                                         "{\"a\":4}", "{\"a\": \"}\"}", "{\"a\":6}"};
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        if (rule_events_add_text(&events, pen_slice_str(texts[i]), &err) != PEN_OK) {
            fail_msg("%s: %s", texts[i], err.text);
        }
    }
    expect_items(wanted, PEN_COUNT(wanted));
}

static void items_are_repeated_with_their_number(void **state)
{
    (void)state;
    struct pen_err err;
    static const char text[] = "{\"a\":\"${n} ${nn} ${nnn}\"}{\"b\":\"${N} ${ n} ${} $n ${n\"}";
    static const char *const wanted[] = {"{\"first\":\"${n}\"}",
                                         "{\"a\":\"1 01 001\"}",
                                         "{\"b\":\"${N} ${ n} ${} $n ${n\"}",
                                         "{\"a\":\"2 02 002\"}",
                                         "{\"b\":\"${N} ${ n} ${} $n ${n\"}",
                                         "{\"last\":0}"};
    assert_int_equal(rule_events_add_text(&events, PEN_SLICE_LIT("{\"first\":\"${n}\"}"), &err),
                     PEN_OK);
    assert_int_equal(rule_events_add_text(&events, pen_slice_str(text), &err), PEN_OK);
    assert_int_equal(rule_events_repeat(&events, 1, 2, &err), PEN_OK);
    assert_int_equal(rule_events_add_text(&events, PEN_SLICE_LIT("{\"last\":0}"), &err), PEN_OK);
    expect_items(wanted, PEN_COUNT(wanted));
    assert_int_equal(rule_events_repeat(&events, 5, RULE_EVENT_REPEAT_MAX, &err), PEN_OK);
    assert_int_equal(events.count, 5 + RULE_EVENT_REPEAT_MAX);
    const pen_slice last = events.items[4 + RULE_EVENT_REPEAT_MAX];
    assert_true(pen_slice_eq(last, PEN_SLICE_LIT("{\"last\":0}")));
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{\"a\":}",
        "{\"a\":1",
        "{\"Records\":[]}",
        "{\"Records\":[{\"a\":1}",
        "nonsense",
        "{\"a\":1} x",
        "[1]",
        "{\"a\":01}",
    };
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        struct pen_err err;
        if (rule_events_add_text(&events, pen_slice_str(texts[i]), &err) != PEN_E_RULE) {
            fail_msg("taken: %s", texts[i]);
        }
        assert_true(strlen(err.text) > 10);
    }
}

static pen_status add_yaml(const char *text, const struct pen_yaml **bad, struct pen_err *err)
{
    struct pen_yaml_docs docs;
    *bad = NULL;
    assert_int_equal(pen_yaml_parse(&arena, pen_slice_str(text), NULL, &docs, err), PEN_OK);
    assert_int_equal(docs.count, 1);
    return rule_events_add_map(&events, docs.roots[0], bad, err);
}

static void a_map_becomes_the_record_it_looks_like(void **state)
{
    (void)state;
    struct pen_err err;
    const struct pen_yaml *bad = NULL;
    static const char *const texts[] = {
        "{}",
        "{a: x, b: 'true', c: true, d: 12, e: '12', f: null, g: No}",
        "{a: {b: [1, {c: []}, [[]]], d: {}}, e: x}",
        "{a: \"q\\\"\\n\\u00e9\", 'k\"': 1.50}",
        "{\"eventName\":\"x\",\"n\":[true,-1e3]}",
    };
    static const char *const wanted[] = {
        "{}",
        "{\"a\":\"x\",\"b\":\"true\",\"c\":true,\"d\":12,\"e\":\"12\",\"f\":null,\"g\":false}",
        "{\"a\":{\"b\":[1,{\"c\":[]},[[]]],\"d\":{}},\"e\":\"x\"}",
        "{\"a\":\"q\\\"\\n\xc3\xa9\",\"k\\\"\":1.50}",
        "{\"eventName\":\"x\",\"n\":[true,-1e3]}",
    };
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        if (add_yaml(texts[i], &bad, &err) != PEN_OK) {
            fail_msg("%s: %s", texts[i], err.text);
        }
        assert_null(bad);
    }
    expect_items(wanted, PEN_COUNT(wanted));
}

static void a_value_that_json_lacks_is_refused_with_its_place(void **state)
{
    (void)state;
    struct pen_err err;
    const struct pen_yaml *bad = NULL;
    assert_int_equal(add_yaml("a: 1\nb:\n  c: .nan\n", &bad, &err), PEN_E_RULE);
    assert_non_null(bad);
    assert_int_equal(bad->line, 3);
    assert_string_equal(err.text, ".nan is no value of JSON");
}

/* Aliases nest what the limit of the YAML reader lets through one by one. */
static void a_map_that_aliases_nest_too_deep_is_refused(void **state)
{
    (void)state;
    char text[2048] = "a0: &a0 x\n";
    struct pen_err err;
    const struct pen_yaml *bad = NULL;
    for (int i = 1; i <= 5; i++) {
        const size_t at = strlen(text);
        memset(text + at, 0, sizeof(text) - at);
        (void)snprintf(text + at, sizeof(text) - at, "a%d: &a%d ", i, i);
        memset(text + strlen(text), '[', 55);
        (void)snprintf(text + strlen(text), 16, "*a%d", i - 1);
        memset(text + strlen(text), ']', 55);
        text[strlen(text)] = '\n';
    }
    struct pen_yaml_docs docs;
    if (pen_yaml_parse(&arena, pen_slice_str(text), NULL, &docs, &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(rule_events_add_map(&events, docs.roots[0], &bad, &err), PEN_E_LIMIT);
    assert_int_equal(events.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_holds_a_record_several_or_an_array_of_them, begin,
                                        end),
        cmocka_unit_test_setup_teardown(items_are_repeated_with_their_number, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_record_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_map_becomes_the_record_it_looks_like, begin, end),
        cmocka_unit_test_setup_teardown(a_value_that_json_lacks_is_refused_with_its_place, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_map_that_aliases_nest_too_deep_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
