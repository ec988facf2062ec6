#include "penstock/detect.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static struct pen_rules *load(const char *path)
{
    const char *const paths[] = {path};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    struct pen_rules *rules = NULL;
    struct pen_err err;
    assert_int_equal(pen_rules_load(&options, &rules, &err), PEN_OK);
    return rules;
}

struct fields {
    struct pen_plan *plan;
    pen_slice names[32];
    uint32_t count;
};

static pen_status field(void *ctx, pen_slice name, uint32_t *out, struct pen_err *err)
{
    struct fields *f = ctx;
    (void)err;
    for (uint32_t i = 0; i < f->count; i++) {
        if (pen_slice_eq(f->names[i], name)) {
            *out = i;
            return PEN_OK;
        }
    }
    *out = pen_plan_field_new(f->plan);
    f->names[f->count++] = name;
    return pen_plan_dotted(f->plan, *out, name);
}

/* One rule of the detection given; 1 match, 0 none, -1 refused. */
static int verdict(const char *detection, const char *event)
{
    char path[] = "/tmp/pen-rule-XXXXXX.yml";
    const int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    (void)fprintf(file,
                  "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n%s\n%s",
                  detection, strstr(detection, "condition:") == NULL ? "  condition: s\n" : "");
    assert_int_equal(fclose(file), 0);
    struct pen_rules *rules = load(path);
    if (pen_rules_count(rules) == 0) {
        assert_int_equal(pen_rules_rejected(rules), 1);
        pen_rules_free(rules);
        return -1;
    }
    struct pen_types *types = NULL;
    struct pen_err err;
    struct pen_arena arena;
    struct pen_query *queries = NULL;
    uint32_t count = 0;
    struct fields fields = {.plan = pen_plan_new()};
    pen_arena_init(&arena, 1 << 24);
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    assert_int_equal(pen_rules_queries(rules, pen_types_find(types, PEN_SLICE_LIT("cloudtrail")),
                                       field, &fields, &arena, &queries, &count, &err),
                     PEN_OK);
    pen_plan_seal(fields.plan);
    struct pen_walker *walker = NULL;
    const struct pen_walker_options options = {.window_bytes_max = 65536,
                                               .record_bytes_max = 65536};
    assert_int_equal(pen_walker_new(fields.plan, &options, &walker, &err), PEN_OK);
    uint8_t raw[4096];
    memset(raw, ' ', sizeof(raw));
    memcpy(raw, event, strlen(event));
    struct pen_record record;
    assert_int_equal(pen_walker_one(walker, (pen_slice){raw, strlen(event)}, &record, &err),
                     PEN_NEXT_RECORD);
    int got = 0;
    for (uint32_t i = 0; i < count; i++) {
        got |= pen_expr_eval(queries[i].expr, &record, NULL, NULL);
    }
    pen_walker_free(walker);
    pen_plan_free(fields.plan);
    pen_types_free(types);
    pen_arena_fini(&arena);
    pen_rules_free(rules);
    (void)remove(path);
    return got;
}

static void the_readings_of_the_specification_hold(void **state)
{
    (void)state;
    static const struct {
        const char *detection, *event;
        int want;
    } rows[] = {
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
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        const int got = verdict(rows[i].detection, rows[i].event);
        if (got != rows[i].want) {
            fail_msg("row %zu: %s on %s gives %d", i, rows[i].detection, rows[i].event, got);
        }
    }
}

static void the_built_in_pack_loads_without_a_notice(void **state)
{
    (void)state;
    struct pen_rules *rules = load("builtin");
    assert_true(pen_rules_count(rules) >= 25);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    pen_rules_free(rules);
}

static bool starts_with(pen_slice text, const char *head)
{
    const pen_slice want = pen_slice_str(head);
    return text.len >= want.len && memcmp(text.ptr, want.ptr, want.len) == 0;
}

static void every_rule_of_the_pack_says_what_it_is_and_when_it_errs(void **state)
{
    (void)state;
    struct pen_rules *rules = load("builtin");
    for (uint32_t r = 0; r < pen_rules_count(rules); r++) {
        const struct pen_rule *rule = pen_rules_at(rules, r);
        bool is_good = rule->id.len == 36 && rule->title.len > 0 && rule->description.len > 100 &&
                       pen_slice_eq(rule->status, PEN_SLICE_LIT("test")) &&
                       rule->falsepositive_count > 0 && rule->tactic_count > 0 &&
                       rule->technique_count > 0;
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
        cmocka_unit_test(the_readings_of_the_specification_hold),
        cmocka_unit_test(the_built_in_pack_loads_without_a_notice),
        cmocka_unit_test(every_rule_of_the_pack_says_what_it_is_and_when_it_errs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
