/* What lies at the edges of values: text that imitates fields, escapes, expressions that would run
 * over an edge.  The slow evaluator and the engine are both asked. */
#include "sigma_test.h"

static void text_that_imitates_a_field_is_text(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: x}", "{\"g\":\"x\"}", 0},
        {"  s: {f: x}", "{\"g\":\"\\\",\\\"f\\\":\\\"x\"}", 0},
        {"  s: {f: x}", "{\"g\":\"{\\\"f\\\":\\\"x\\\"}\"}", 0},
        {"  s: {f: x}", "{\"g\":{\"f\":\"x\"}}", 0},
        {"  s: {f: x}", "{\"g\":\"f: x\",\"h\":\"f=x\"}", 0},
        {"  s: {f: x}", "{\"f\":\"y\",\"g\":\"a\\nx\\nb\"}", 0},
        {"  s: {f|contains: x}", "{\"f\":\"y\\n\",\"g\":\"\\nx\\n\"}", 0},
        {"  s: {f|startswith: x}", "{\"f\":\"y\\nx\"}", 0},
        {"  s: {f|endswith: x}", "{\"f\":\"x\\ny\"}", 0},
        {"  s: {f: x}", "{\"f\":\"\\nx\\n\"}", 0},
        /* code points whose numbers are those of bytes that no text has */
        {"  s: {f: x, g: '*'}", "{\"g\":\"\\u00ff\\u00f5\\nx\\n\\u00fe\"}", 0},
        {"  s: {f|contains: x, g: '*'}", "{\"g\":\"ÿõ\\nx\\nþÿöÿ÷ÿø\"}", 0},
        {"  s: {f|re: x, g: '*'}", "{\"g\":\"ÿõ\\nx\\nþ\"}", 0},
        {"  s: {f: x, g: '*'}", "{\"g\":\"\\udcff\\udcf5\\nx\\n\\udcfe\"}", 0},
        {"  s: {a.b: x}", "{\"a\":\"b\",\"b\":\"x\"}", 0},
        {"  s: {a.b: x}", "{\"a\":\".b\",\"a.\":{\"b\":\"y\"}}", 0},
        {"  s: {a.b: x}", "{\"a\":{\"b.\":\"x\",\".b\":\"x\",\"\":{\"b\":\"x\"}}}", 0},
        {"  s: {'a b': x}", "{\"a\":{\"b\":\"x\"}}", 0},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

/* Bytes that could frame a value never come as far as a value. */
static void bytes_that_are_no_text_are_no_record(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"g\":\"\xff\xf5\nx\n\xfe\"}",
        "{\"g\":\"\xff\xf5x\xfe\"}",
        "{\"g\":\"\xc3\"}",
        "{\"\xff\":\"x\"}",
        "{\"g\":\"\xed\xa0\x80\"}",
    };
    struct pen_plan *plan = pen_plan_new();
    struct pen_walker *walker = NULL;
    struct pen_err err = {0};
    const struct pen_walker_options options = {.window_bytes_max = 4096, .record_bytes_max = 4096};
    assert_int_equal(pen_plan_dotted(plan, pen_plan_field_new(plan), PEN_SLICE_LIT("f")), PEN_OK);
    pen_plan_seal(plan);
    assert_int_equal(pen_walker_new(plan, &options, &walker, &err), PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(events); i++) {
        struct pen_record record;
        uint8_t raw[256] = {0};
        memcpy(raw, events[i], strlen(events[i]));
        assert_int_equal(pen_walker_one(walker, (pen_slice){raw, strlen(events[i])}, &record, &err),
                         PEN_NEXT_BAD);
    }
    pen_walker_free(walker);
    pen_plan_free(plan);
}

static void escapes_in_keys_and_values_are_read(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: x}", "{\"\\u0066\":\"x\"}", 1},
        {"  s: {f: x}", "{\"f\":\"\\u0078\"}", 1},
        {"  s: {f: x}", "{\"f\":\"\\\\u0078\"}", 0},
        {"  s: {f: x}", "{\"\\\\u0066\":\"x\"}", 0},
        {"  s: {a.b: x}", "{\"a\":{\"\\u0062\":\"x\"}}", 1},
        {"  s: {a.b: x}", "{\"a\\u002eb\":\"x\"}", 1},
        {"  s: {f: a/b}", "{\"f\":\"a\\/b\"}", 1},
        {"  s: {f: '\"q\"'}", "{\"f\":\"\\\"q\\\"\"}", 1},
        {"  s: {f: 'a\\\\b'}", "{\"f\":\"a\\\\b\"}", 1},
        {"  s: {f: \"a\\tb\"}", "{\"f\":\"a\\tb\"}", 1},
        {"  s: {f: 'é'}", "{\"f\":\"\\u00E9\"}", 1},
        {"  s: {f: 'É'}", "{\"f\":\"\\u00e9\"}", 1},
        {"  s: {f: '😀'}", "{\"f\":\"\\ud83d\\ude00\"}", 1},
        {"  s: {'É': x}", "{\"\\u00c9\":\"x\"}", 1},
        {"  s: {f|contains: y}", "{\"f\":\"x\\u0000y\"}", 1},
        {"  s: {f|re: '^x.y$'}", "{\"f\":\"x\\u0000y\"}", 1},
        {"  s: {f|base64|contains: foo}", "{\"f\":\"Zm9\\u0076\"}", 1},
        {"  s: {f|cidr: 10.0.0.0/8}", "{\"f\":\"10\\u002e1.2.3\"}", 1},
        {"  s: {f|gt: 4}", "{\"f\":\"\\u0035\"}", 1},
        {"  s: {f|exists: true}", "{\"\\u0066\":null}", 1},
        {"  s: {f|fieldref: g}", "{\"f\":\"\\u0078\",\"g\":\"x\"}", 1},
        {"  s: foo", "{\"g\":\"f\\u006fo\"}", 1},
        {"  s: foo", "{\"g\":{\"h\":[\"a f\\u006fo b\"]}}", 1},
        {"  s: {p|contains: foo}", "{\"p\":{\"h\":[\"a f\\u006fo b\"]}}", 1},
        {"  s: {p|contains: '\"h\"'}", "{\"p\":{\"h\":1}}", 1},
        {"  s: {f: y}", "{\"f\":\"x\",\"\\u0066\":\"y\"}", 1}, /* the last of equal keys counts */
        {"  s: {f: x}", "{\"f\":\"x\",\"\\u0066\":\"y\"}", 0},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void expressions_stay_inside_of_a_value(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|re: 'a[^z]*b'}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {f|re: 'a[^z]*b', g: '*'}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {f|re: 'a[^z]*b', g|re: '[^z]b'}", "{\"f\":\"a\",\"g\":\"xb\"}", 0},
        {"  s: {f|re|s: 'a.*b'}", "{\"f\":[\"a\",\"b\"]}", 0},
        {"  s: {f|re|s: 'a.+b', g|contains: b}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {f|re: 'a\\W+b', g: b}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {f|re: 'a\\D*b', g: b}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {f|re: 'a\\s+b'}", "{\"f\":[\"a\",\"b\"]}", 0},
        {"  s: {f|re: 'a\\s+b'}", "{\"f\":\"a\\nb\"}", 1},
        {"  s: {f|re: 'a[^z]*b'}", "{\"f\":\"a\\n\\nb\"}", 1},
        {"  s: {f|re: '[^a]'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: '[^a]'}", "{\"f\":\"\"}", 0},
        {"  s: {f|re: '[^a]$'}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {f|re: '^[^a]'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: '^[^é]$'}", "{\"f\":\"É\"}", 1},
        {"  s: {f|re: '^[^é]$'}", "{\"f\":\"é\"}", 0},
        {"  s: {f|re: '^.$'}", "{\"f\":\"😀\"}", 1},
        {"  s: {f|re: '\\s$'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: '^\\s'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: '\\na'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: 'a(?=\\W)'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: '(?<=\\W)a'}", "{\"f\":\"a\"}", 0},
        {"  s: {f: 'a*b'}", "{\"f\":[\"a\",\"b\"]}", 0},
        {"  s: {f: 'a?b'}", "{\"f\":[\"a\",\"b\"]}", 0},
        {"  s: {f: 'a*b', g|contains: b}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: 'a*b'", "{\"f\":\"xa\",\"g\":\"b\"}", 0},
        {"  s: {'|re': 'a[^z]*b'}", "{\"f\":\"a\",\"g\":\"b\"}", 0},
        {"  s: {'|re': 'a[^z]*b'}", "{\"f\":{\"h\":\"a\"},\"g\":[\"b\",\"axb\"]}", 1},
        {"  s: {f|re: '[^\\x00-\\x7f]'}", "{\"f\":\"a\"}", 0},
        {"  s: {f|re: '[^\\x00-\\x7f]'}", "{\"f\":\"é\"}", 1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_imitates_a_field_is_text),
        cmocka_unit_test(bytes_that_are_no_text_are_no_record),
        cmocka_unit_test(escapes_in_keys_and_values_are_read),
        cmocka_unit_test(expressions_stay_inside_of_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
