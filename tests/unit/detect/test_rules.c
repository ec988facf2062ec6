#include "sigma_test.h"

static void the_vectors_of_the_specification_hold(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: 'a\\*b'}", "{\"f\":\"axb\"}", 0},
        {"  s: {f: 'C:\\\\*'}", "{\"f\":\"C:\\\\x\"}", 1},
        {"  s: {f: 'C:\\*'}", "{\"f\":\"C:\\\\x\"}", 0},
        {"  s: {f: 'a\\\\b'}", "{\"f\":\"a\\\\b\"}", 1},
        {"  s: {f: 'a\\\\b'}", "{\"f\":\"a\\\\\\\\b\"}", 0},
        {"  s: {f: 'a\\\\\\b'}", "{\"f\":\"a\\\\\\\\b\"}", 1},
        {"  s: {'f|startswith': 'dir\\'}", "{\"f\":\"dir\\\\x\"}", 1},
        {"  s: {f: GetObject}", "{\"f\":\"getobject\"}", 1},
        {"  s: {'f|cased': GetObject}", "{\"f\":\"getobject\"}", 0},
        {"  s: {f: 'É'}", "{\"f\":\"é\"}", 1},
        {"  s: {f: 'a?c'}", "{\"f\":\"ac\"}", 0},
        {"  s: {f: 'a?c'}", "{\"f\":\"aéc\"}", 1},
        {"  s: {f: 'a*c'}", "{\"f\":\"a\\nc\"}", 1},
        {"  s: {f: '*'}", "{}", 0},
        {"  s: {f: '*'}", "{\"f\":\"\"}", 1},
        {"  s: {f: '*'}", "{\"f\":null}", 0},
        {"  s: {f: ''}", "{\"f\":\"\"}", 1},
        {"  s: {f: ''}", "{}", 0},
        {"  s: {f: null}", "{}", 1},
        {"  s: {f: null}", "{\"f\":null}", 1},
        {"  s: {f: null}", "{\"f\":\"\"}", 0},
        {"  s: {'f|exists': true}", "{\"f\":null}", 1},
        {"  s: {'f|exists': false}", "{\"f\":\"\"}", 0},
        {"  s: {'f|exists': 'true'}", "{}", -1},
        {"  s: {f: [a, null]}", "{}", 1},
        {"  s: {'f|neq': a}", "{}", 1},
        {"  s: {'f|neq': [a, b]}", "{\"f\":\"b\"}", 0},
        {"  s: {'f|neq': a}", "{\"f\":[\"a\",\"b\"]}", 0},
        {"  s: {f: 5}", "{\"f\":\"5\"}", 1},
        {"  s: {f: 5}", "{\"f\":5.0}", 1},
        {"  s: {f: '5'}", "{\"f\":5}", 1},
        {"  s: {f: 'true'}", "{\"f\":true}", 1},
        {"  s: {'f|contains|all': [a, b]}", "{\"f\":[\"xa\",\"xb\"]}", 1},
        {"  s: {'f|contains': 5}", "{\"f\":\"151\"}", 1}, /* taken, with a warning */
        {"  s: {'f|lt': '5'}", "{}", -1},
        {"  s: {'f|gte': 1000}", "{\"f\":\"2000\"}", 1},
        {"  s: {'f|gt': 5}", "{\"f\":\"abc\"}", 0},
        {"  s: {'f|re': 'b.d'}", "{\"f\":\"abcde\"}", 1},
        {"  s: {'f|re': 'B.D'}", "{\"f\":\"abcde\"}", 0},
        {"  s: {'f|re|i': '^B'}", "{\"f\":\"bcd\"}", 1},
        {"  s: {'f|i': 'b'}", "{}", -1},
        {"  s: {'f|re': 'a.c'}", "{\"f\":\"a\\nc\"}", 0},
        {"  s: {'f|re|s': 'a.c'}", "{\"f\":\"a\\nc\"}", 1},
        {"  s: {'f|cidr': 10.0.0.0/8}", "{\"f\":\"10.255.1.1\"}", 1},
        {"  s: {'f|cidr': 10.0.0.0/8}", "{\"f\":\"AWS Internal\"}", 0},
        {"  s: {'f|cidr': 10.0.0.0/8}", "{\"f\":\"::ffff:10.0.0.1\"}", 0},
        {"  s: {'f|cidr': 10.0.0.1/8}", "{}", -1},
        {"  s: {'f|cidr': '2001:db8::/32'}", "{\"f\":\"2001:DB8::1\"}", 1},
        {"  s: {'f|base64offset|contains': 'foo'}", "{\"f\":\"eHhmb28=\"}", 1},
        {"  s: {'f|windash|contains': ' -a'}", "{\"f\":\"x /A\"}", 1},
        {"  s: {'f|windash|contains': 'x-a'}", "{\"f\":\"x/a\"}", 0},
        {"  s: {a.b: x}", "{\"a.b\":\"x\",\"a\":{\"b\":\"y\"}}", 1},
        {"  s: {a.b: x}", "{\"a\":[{\"b\":\"y\"},{\"b\":\"x\"}]}", 1},
        {"  s: {'f|fieldref': g}", "{\"f\":\"A\",\"g\":\"a\"}", 1},
        {"  s: {'f|fieldref': g}", "{}", 0},
        {"  s: [{f: a, g: b}, {h: c}]", "{\"f\":\"a\",\"h\":\"c\"}", 1},
        {"  s: {'|all': [foo, bar]}", "{\"x\":\"foo\",\"y\":\"bar\"}", 1},
        {"  a: {f: 1}\n  b: {f: 2}\n  c: {f: 3}\n  condition: a or b and c\n", "{\"f\":1}", 1},
        {"  a: {f: 1}\n  _b: {f: 2}\n  condition: 1 of them\n", "{\"f\":2}", 0},
        {"  a: {f: 1}\n  condition: 1 of b*\n", "{}", -1},
        {"  a: {f: 1}\n  condition: NOT a\n", "{}", -1},
        {"  a: {f: 1}\n  condition: a | count() > 5\n", "{}", -1},
        {"  a: {f: 1}\n  condition: 2 of them\n", "{}", -1},
        {"  a: {f: 1}\n  b: {f: 2}\n  condition: [a, b]\n", "{\"f\":2}", 1},
        {"  s: {'f|expand': '%x%'}", "{}", -1},
        {"  s: {f: '%x%'}", "{\"f\":\"%X%\"}", 1},
        {"  s: {'f|hour': 23}", "{\"f\":\"2024-01-01T23:59:00Z\"}", 1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void escapes_are_read_from_left_to_right(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: 'a*b'}", "{\"f\":\"axyzb\"}", 1},
        {"  s: {f: 'a\\*b'}", "{\"f\":\"a*b\"}", 1},
        {"  s: {f: 'a\\\\*b'}", "{\"f\":\"a\\\\xb\"}", 1},
        {"  s: {f: 'a\\\\\\*b'}", "{\"f\":\"a\\\\*b\"}", 1},
        {"  s: {f: 'a\\\\\\*b'}", "{\"f\":\"a\\\\xb\"}", 0},
        {"  s: {f: 'a\\\\\\\\*b'}", "{\"f\":\"a\\\\\\\\xb\"}", 1},
        {"  s: {f: 'a\\b'}", "{\"f\":\"a\\\\b\"}", 1},
        {"  s: {f: 'a\\\\\\\\b'}", "{\"f\":\"a\\\\\\\\b\"}", 1},
        {"  s: {f: '\\?'}", "{\"f\":\"?\"}", 1},
        {"  s: {f: '\\?'}", "{\"f\":\"x\"}", 0},
        {"  s: {f: '\\\\srv'}", "{\"f\":\"\\\\srv\"}", 1},
        {"  s: {f: '\\\\\\\\srv\\share'}", "{\"f\":\"\\\\\\\\srv\\\\share\"}", 1},
        {"  s: {f: 'a\\nb'}", "{\"f\":\"a\\\\nb\"}", 1},
        {"  s: {f: 'a\\nb'}", "{\"f\":\"a\\nb\"}", 0},
        {"  s: {f: 'dir\\'}", "{\"f\":\"dir\\\\\"}", 1},
        {"  s: {f: 'dir\\\\'}", "{\"f\":\"dir\\\\\"}", 1},
        {"  s: {f: 'dir\\\\\\'}", "{\"f\":\"dir\\\\\\\\\"}", 1},
        {"  s: {f: \"a\\\\*b\"}", "{\"f\":\"a*b\"}", 1}, /* YAML took one backslash */
        {"  s: {f: 'a[b]c'}", "{\"f\":\"abc\"}", 0},
        {"  s: {f: 'a**b'}", "{\"f\":\"ab\"}", 1},
        {"  s: {f: ' a'}", "{\"f\":\"a\"}", 0},
        {"  s: {f: 'a%20b'}", "{\"f\":\"a b\"}", 0},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void values_keep_their_types(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: 5}", "{\"f\":\"5.0\"}", 1},
        {"  s: {f: 5}", "{\"f\":\"5 \"}", 0},
        {"  s: {f: 5}", "{\"f\":true}", 0},
        {"  s: {f: 1.0}", "{\"f\":1}", 1},
        {"  s: {f: '1e3'}", "{\"f\":1000}", 0}, /* as written in the event */
        {"  s: {f: 0x1F}", "{\"f\":31}", 1},
        {"  s: {f: 010}", "{\"f\":8}", 1},
        {"  s: {f: 08}", "{\"f\":\"08\"}", 1},
        {"  s: {f: 1_000}", "{\"f\":1000}", 1},
        {"  s: {f: true}", "{\"f\":true}", 1},
        {"  s: {f: yes}", "{\"f\":\"TRUE\"}", 1},
        {"  s: {f: true}", "{\"f\":1}", 0},
        {"  s: {f: y}", "{\"f\":\"Y\"}", 1},
        {"  s: {f: }", "{\"f\":null}", 1},
        {"  s: {f: []}", "{}", 1},
        {"  s: {f: ~}", "{\"f\":[]}", 1},
        {"  s: {f: ~}", "{\"f\":[null]}", 1},
        {"  s: {f: '*'}", "{\"f\":false}", 1},
        {"  s: {f: '*'}", "{\"f\":0}", 1},
        {"  s: {f: .inf}", "{}", -1},
        {"  s: {f: .nan}", "{}", -1},
        {"  s: {f: 2024-01-31}", "{}", -1},
        {"  s: {f: '2024-01-31'}", "{\"f\":\"2024-01-31\"}", 1},
        {"  s: {f: 12:30:00}", "{\"f\":45000}", 1},
        {"  s: {f: {a: b}}", "{}", -1},
        {"  s: {f: [[a]]}", "{}", -1},
        {"  s: {f|exists: true}", "{\"f\":[]}", 1},
        {"  s: {f.g|exists: true}", "{\"f\":\"x\"}", 0},
        {"  s: {f.g|exists: false}", "{}", 1},
        {"  s: {p|contains: 'Suspended'}", "{\"p\":{\"v\":{\"Status\":\"Suspended\"}}}", 1},
        {"  s: {p|contains: '\"s3:GetObject\"'}",
         "{\"p\":{\"doc\":\"{\\\"Action\\\":\\\"s3:GetObject\\\"}\"}}", 1},
        {"  s: {p|contains: '\"k\":1'}", "{\"p\":{\"k\":1}}", 1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void conditions_bind_and_count(void **state)
{
    (void)state;
#define ABC "  a: {f: 1}\n  b: {g: 1}\n  sel_c: {h: 1}\n  sel_d: {h: 2}\n  condition: "
    static const struct sigma_row rows[] = {
        {ABC "not a and b", "{\"f\":2,\"g\":1}", 1},
        {ABC "a and b or sel_c", "{\"h\":1}", 1},
        {ABC "sel_c or a and b", "{\"f\":1}", 0},
        {ABC "not (a and b)", "{\"f\":1,\"g\":2}", 1},
        {ABC "not not a", "{\"f\":1}", 1},
        {ABC "not(b)or(a)", "{\"f\":1,\"g\":1}", 1},
        {ABC "a\n    and b", "{\"f\":1,\"g\":1}", 1},
        {ABC "1 of sel_*", "{\"h\":2}", 1},
        {ABC "any of sel_*", "{\"h\":3}", 0},
        {ABC "all of sel_*", "{\"h\":[1,2]}", 1},
        {ABC "all of sel_*", "{\"h\":1}", 0},
        {ABC "1 of *_d", "{\"h\":2}", 1},
        {ABC "1 of s*c", "{\"h\":2}", 0},
        {ABC "1 of a", "{\"f\":1}", 1},
        {ABC "all of them", "{\"f\":1,\"g\":1,\"h\":[1,2]}", 1},
        {ABC "a and not 1 of sel_*", "{\"f\":1,\"h\":4}", 1},
        {ABC "((a) and ((b)))", "{\"f\":1,\"g\":1}", 1},
        {"  all_: {f: 1}\n  notsel: {g: 1}\n  1sel: {h: 1}\n  a-b: {i: 1}\n"
         "  condition: all_ and notsel and 1sel and a-b\n",
         "{\"f\":1,\"g\":1,\"h\":1,\"i\":1}", 1},
        {"  _a: {f: 1}\n  b: {f: 2}\n  condition: 1 of _*\n", "{\"f\":1}", 1},
        {"  _a: {f: 1}\n  b: {f: 2}\n  condition: 1 of *\n", "{\"f\":1}", 0},
        {"  _a: {f: 1}\n  b: {f: 2}\n  condition: _a\n", "{\"f\":1}", 1},
        {ABC "a AND b", "{}", -1},
        {ABC "1 OF them", "{}", -1},
        {ABC "0 of them", "{}", -1},
        {ABC "1of them", "{}", -1},
        {ABC "1 of (sel_*)", "{}", -1},
        {ABC "1 of sel-*", "{}", -1},
        {ABC "1 of sel?c", "{}", -1},
        {ABC "1 of", "{}", -1},
        {ABC "a b", "{}", -1},
        {ABC "a and", "{}", -1},
        {ABC "and a", "{}", -1},
        {ABC "(a", "{}", -1},
        {ABC "a)", "{}", -1},
        {ABC "()", "{}", -1},
        {ABC "''", "{}", -1},
        {ABC "[]", "{}", -1},
        {ABC "{a: b}", "{}", -1},
        {ABC "[a, 5]", "{}", -1},
        {ABC "condition", "{}", -1},
        {ABC "of", "{}", -1},
        {ABC "them", "{}", -1},
        {ABC "A", "{}", -1},
        {ABC "a | near b", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void detections_have_the_shapes_of_the_format(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: a, g: b}", "{\"f\":\"a\"}", 0},
        {"  s: [foo, 404]", "{\"x\":{\"y\":[\"a foo b\"]}}", 1},
        {"  s: [foo, 404]", "{\"x\":1404}", 1},
        {"  s: foo", "{\"foo\":\"x\"}", 0}, /* names of fields are no values */
        {"  s: foo", "{\"x\":\"fo\",\"y\":\"o\"}", 0},
        {"  s: 'f*r'", "{\"x\":\"a foo bar\"}", 1},
        {"  s: [foo, {f: b}]", "{\"f\":\"b\"}", 1},
        {"  s: [[foo, [bar]], {f: b}]", "{\"x\":\"bar\"}", 1},
        {"  s: {'': foo}", "{\"x\":\"a foo\"}", 1},
        {"  s: {'|startswith': foo}", "{\"x\":\"a foo\"}", 0},
        {"  s: {'|startswith': foo}", "{\"x\":\"foo b\"}", 1},
        {"  s: {'|endswith': foo}", "{\"x\":\"a foo\"}", 1},
        {"  s: {'|contains': foo}", "{\"x\":\"a foo b\"}", 1},
        {"  s: {'|re': 'f.o$'}", "{\"x\":\"a foo\"}", 1},
        {"  s: {'|cased': Foo}", "{\"x\":\"a foo\"}", 0},
        {"  s: {'|neq': foo}", "{\"x\":\"a foo\"}", 0},
        {"  s: {'|exists': true}", "{}", -1},
        {"  s: {'|cidr': 10.0.0.0/8}", "{}", -1},
        {"  s: {'|gt': 1}", "{}", -1},
        {"  s: {'|fieldref': g}", "{}", -1},
        {"  s: {}", "{}", -1},
        {"  s: []", "{}", -1},
        {"  s: [[]]", "{}", -1},
        {"  s: ", "{}", -1},
        {"  s: [null]", "{}", -1},
        {"  s: {f: a}\n  timeframe: 5m\n", "{}", -1},
        {"  condition: s\n", "{}", -1},
        {"  s: {5: x}", "{}", -1},
        {"  s: {f: a, f: b}", "{}", -1},
        {"  s: {f|contains: a, f|endswith: b}", "{\"f\":\"ab\"}", 1},
        {"  s: {F: a}", "{\"f\":\"a\"}", 0}, /* names of fields have case */
        {"  s: {'a b/c-d': x}", "{\"a b/c-d\":\"x\"}", 1},
        {"  s: {'f*': x}", "{\"ff\":\"x\"}", 0},
        {"  s: {a.b.c: x}", "{\"a.b\":{\"c\":\"x\"}}", 1},
        {"  s: {a.b.c: x}", "{\"a\":{\"b.c\":\"x\"}}", 1},
        {"  s: {f: a}\n  unused: {g|nosuch: b}\n  condition: s\n", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static struct pen_rules *load_pack(void)
{
    static const char *const paths[] = {"builtin"};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    struct pen_rules *rules = NULL;
    struct pen_err err;
    assert_int_equal(pen_rules_load(&options, &rules, &err), PEN_OK);
    return rules;
}

static void the_built_in_pack_loads_without_a_notice(void **state)
{
    (void)state;
    struct pen_rules *rules = load_pack();
    print_notices(rules);
    assert_true(pen_rules_count(rules) >= 25);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    pen_rules_free(rules);
}

static bool starts_with(pen_slice text, const char *head)
{
    const pen_slice want = pen_slice_str(head);
    return text.len >= want.len && memcmp(text.ptr, want.ptr, want.len) == 0;
}

static bool has(pen_slice text, const char *part)
{
    const size_t len = strlen(part);
    return memmem(text.ptr, text.len, part, len) != NULL;
}

/* Datadog's rules say all of it in their message. */
static bool says_all(const struct pen_rule *rule)
{
    if (strcmp(rule->language, "datadog") == 0) {
        const pen_slice message = rule->datadog->message;
        return message.len >= 240 && has(message, "\n\n**Triage** ") &&
               has(message, "\n\n**Response** ") && has(message, "\n\n**False positives** ") &&
               pen_slice_eq(rule->status, PEN_SLICE_LIT("enabled"));
    }
    return rule->description.len >= 80 && rule->triage.len >= 60 && rule->response.len >= 40 &&
           pen_slice_eq(rule->status, PEN_SLICE_LIT("test")) && rule->falsepositive_count > 0;
}

static void every_rule_of_the_pack_says_what_it_is_and_when_it_errs(void **state)
{
    (void)state;
    struct pen_rules *rules = load_pack();
    for (uint32_t r = 0; r < pen_rules_count(rules); r++) {
        const struct pen_rule *rule = pen_rules_at(rules, r);
        if (rule->is_silent) { /* a part: its correlation says it all */
            continue;
        }
        bool is_good = rule->id.len == 36 && rule->title.len > 0 && says_all(rule) &&
                       rule->tactic_count > 0 && rule->technique_count > 0;
        for (uint32_t t = 0; t < rule->tag_count; t++) {
            is_good = is_good && starts_with(rule->tags[t], "attack.");
        }
        if (!is_good) {
            fail_msg("%.*s", PEN_SLICE_FMT(rule->file));
        }
    }
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_specification_hold),
        cmocka_unit_test(escapes_are_read_from_left_to_right),
        cmocka_unit_test(values_keep_their_types),
        cmocka_unit_test(conditions_bind_and_count),
        cmocka_unit_test(detections_have_the_shapes_of_the_format),
        cmocka_unit_test(the_built_in_pack_loads_without_a_notice),
        cmocka_unit_test(every_rule_of_the_pack_says_what_it_is_and_when_it_errs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
