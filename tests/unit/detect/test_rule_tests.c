#include "penstock/normalize.h"

#include "folder.h"
#include "sigma.h"

#define RULE_TEXT "title: t\nlogsource: {product: aws}\ndetection: {s: {a: x}, condition: s}\n"

static struct pen_arena arena;

static int begin(void **state)
{
    (void)state;
    pen_arena_init(&arena, (size_t)1 << 26);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pen_arena_fini(&arena);
    return 0;
}

static void slice_is(pen_slice got, const char *want)
{
    if (!pen_slice_eq(got, pen_slice_str(want))) {
        fail_msg("'%.*s' is not '%s'", PEN_SLICE_FMT(got), want);
    }
}

/* ---- loading ---- */

static void tests_of_a_folder_say_what_they_test_and_expect(void **state)
{
    (void)state;
    struct folder folder;
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    struct pen_err err = {0};
    folder_make(&folder);
    folder_write(&folder, "a.yml", RULE_TEXT);
    folder_write(&folder, "b.json", "{}");
    folder_sub(&folder, "events");
    folder_write(&folder, "events/two.json", "{\"Records\": [{\"n\": 1}, {\"n\": 2}]}");
    folder_write(&folder, "a.test.yml",
                 "tests:\n"
                 "  - {name: one, type: cloudtrail, events: ['{\"a\":1}'], expect: {match: true}}\n"
                 "  - name: two\n"
                 "    type: json\n"
                 "    rule: r-2\n"
                 "    events: [{a: 1}, events/two.json, {repeat: 2, event: {at: '${nn}'}}]\n"
                 "    expect: {match: false}\n");
    folder_write(&folder, "b.test.yml",
                 "tests:\n"
                 "  - name: three\n"
                 "    type: cloudtrail\n"
                 "    events: [{a: 1}]\n"
                 "    expect:\n"
                 "      signals:\n"
                 "        - severity: high\n"
                 "          group: {account: '111122223333', identity: x}\n"
                 "          first_seen: 2025-03-04T05:06:07Z\n"
                 "        - {}\n");
    if (pen_rule_tests_load(folder.path, &arena, &tests, &count, &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(count, 3);
    slice_is(tests[0].file, folder_path(&folder, "a.test.yml"));
    slice_is(tests[0].rule_file, folder_path(&folder, "a.yml"));
    slice_is(tests[0].name, "one");
    slice_is(tests[0].type, "cloudtrail");
    slice_is(tests[0].rule_id, "");
    assert_int_equal(tests[0].line, 2);
    assert_int_equal(tests[0].expect, PEN_EXPECT_MATCH);
    assert_int_equal(tests[0].event_count, 1);
    slice_is(tests[0].events[0], "{\"a\":1}");
    slice_is(tests[1].rule_id, "r-2");
    assert_int_equal(tests[1].line, 3);
    assert_int_equal(tests[1].expect, PEN_EXPECT_NO_MATCH);
    assert_int_equal(tests[1].event_count, 5);
    slice_is(tests[1].events[3], "{\"at\":\"01\"}");
    slice_is(tests[1].events[4], "{\"at\":\"02\"}");
    slice_is(tests[1].events[2], "{\"n\": 2}");
    slice_is(tests[2].rule_file, folder_path(&folder, "b.json"));
    assert_int_equal(tests[2].expect, PEN_EXPECT_SIGNALS);
    assert_int_equal(tests[2].signal_count, 2);
    const struct pen_rule_test_signal *signals = tests[2].signals;
    assert_int_equal(signals[0].severity, PEN_HIGH);
    assert_int_equal(signals[0].first_seen_ns, INT64_C(1741064767) * PEN_NS_PER_S);
    assert_int_equal(signals[0].group_count, 2);
    slice_is(signals[0].group[1].name, "identity");
    slice_is(signals[0].group[0].value, "111122223333");
    assert_int_equal(signals[1].severity, -1);
    assert_int_equal(signals[1].first_seen_ns, INT64_MIN);
    assert_int_equal(signals[1].group_count, 0);
    folder_remove(&folder);
}

static void a_rule_file_stands_for_the_test_file_beside_it(void **state)
{
    (void)state;
    static const char *const names[] = {"a.yml", "a.test.yml"};
    struct folder folder;
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    struct pen_err err;
    folder_make(&folder);
    folder_write(&folder, "a.yml", RULE_TEXT);
    folder_write(&folder, "alone.yml", RULE_TEXT);
    folder_write(
        &folder, "a.test.yml",
        "tests: [{name: one, type: json, events: ['{\"a\":1}'], expect: {match: true}}]\n");
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s", folder_path(&folder, names[i]));
        assert_int_equal(pen_rule_tests_load(path, &arena, &tests, &count, &err), PEN_OK);
        assert_int_equal(count, 1);
        slice_is(tests[0].rule_file, folder_path(&folder, "a.yml"));
    }
    assert_int_equal(
        pen_rule_tests_load(folder_path(&folder, "alone.yml"), &arena, &tests, &count, &err),
        PEN_OK);
    assert_int_equal(count, 0);
    folder_remove(&folder);
}

static void mistakes_in_a_test_file_are_told_with_their_place(void **state)
{
    (void)state;
#define HEAD "tests:\n  - name: n\n    type: json\n"
#define EVENT "    events: [{a: 1}]\n"
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ":1:1: the file holds no test"},
        {"tests: []\n", ":1:8: `tests` is a list of at least one"},
        {"test: []\n", ":1:1: a test file has no member `test`"},
        {"- x\n", ":1:1: a test file is a map"},
        {"tests: [x]\n", ":1:9: a test is a map"},
        {"tests: [{name: n}]\n", ":1:9: `type` is missing"},
        {"tests: [{type: json}]\n", ":1:9: `name` is missing"},
        {HEAD "    event: []\n", ":4:5: a test has no member `event`"},
        {HEAD "    expect: {match: true}\n", ":2:5: `events` is a list of at least one"},
        {HEAD "    events: ['']\n", ":4:14: the event is empty"},
        {HEAD "    events: [[{a: 1}]]\n",
         ":4:14: an event is JSON in quotes, a map or the name of a file"},
        {HEAD "    events: ['{a']\n", ":4:14: the event is no JSON record: "},
        {HEAD "    events: [none.json]\n", ":4:14: /tmp/"},
        {HEAD "    events: [{a: .inf}]\n", ":4:18: .inf is no value of JSON"},
        {HEAD EVENT, ":2:5: `expect` is missing"},
        {HEAD EVENT "    expect: true\n", ":5:13: `expect` is a map"},
        {HEAD EVENT "    expect: {}\n", ":5:13: `expect` has either `match` or `signals`"},
        {HEAD EVENT "    expect: {match: true, signals: []}\n", ":5:13: `expect` has either"},
        {HEAD EVENT "    expect: {match: 'true'}\n", ":5:21: `match` is true or false"},
        {HEAD EVENT "    expect: {signals: x}\n", ":5:23: `signals` is a list"},
        {HEAD EVENT "    expect: {signals: [{level: high}]}\n",
         ":5:25: a signal has no member `level`"},
        {HEAD EVENT "    expect: {signals: [{severity: bad}]}\n", ":5:35: `severity` is info,"},
        {HEAD EVENT "    expect: {signals: [{first_seen: now}]}\n", ":5:37: `first_seen` is a"},
        {HEAD EVENT "    expect: {signals: [{group: x}]}\n", ":5:32: `group` is a map"},
        {HEAD "    events: [{repeat: 0, event: {a: 1}}]\n",
         ":4:23: `repeat` is a number from 1 to"},
        {HEAD "    events: [{repeat: 10001, event: {a: 1}}]\n", ":4:23: `repeat` is a number"},
        {HEAD "    events: [{repeat: [1], event: {a: 1}}]\n", ":4:23: `repeat` is a number"},
        {HEAD "    events: [{repeat: 2, event: []}]\n", ":4:33: an event is JSON in quotes"},
        {"tests: [\n", ":2:1: "},
    };
    struct folder folder;
    folder_make(&folder);
    folder_write(&folder, "a.yml", RULE_TEXT);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rule_test *tests = NULL;
        uint32_t count = 0;
        struct pen_err err = {0};
        folder_write(&folder, "a.test.yml", rows[i].text);
        const pen_status st = pen_rule_tests_load(folder.path, &arena, &tests, &count, &err);
        const size_t place = strlen(folder.path) + strlen("/a.test.yml");
        if (st != PEN_E_RULE || strlen(err.text) < place ||
            strncmp(err.text + place, rows[i].want, strlen(rows[i].want)) != 0) {
            fail_msg("row %zu: status %d, %s; not %s", i, (int)st, err.text, rows[i].want);
        }
        assert_int_equal(count, 0);
    }
    folder_remove(&folder);
#undef HEAD
#undef EVENT
}

static void a_test_without_a_rule_and_a_file_of_another_kind_are_refused(void **state)
{
    (void)state;
    struct folder folder;
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    struct pen_err err;
    folder_make(&folder);
    folder_write(&folder, "a.test.yml", "tests: []\n");
    assert_int_equal(pen_rule_tests_load(folder.path, &arena, &tests, &count, &err), PEN_E_RULE);
    assert_non_null(strstr(err.text, "a.test.yml:1:1: no rule beside it"));
    folder_write(&folder, "x.txt", "tests: []\n");
    assert_int_equal(
        pen_rule_tests_load(folder_path(&folder, "x.txt"), &arena, &tests, &count, &err),
        PEN_E_RULE);
    assert_non_null(strstr(err.text, "x.txt:1:1: neither a rule file nor a test file"));
    assert_int_equal(
        pen_rule_tests_load(folder_path(&folder, "none.yml"), &arena, &tests, &count, &err),
        PEN_E_IO);
    folder_remove(&folder);
}

/* ---- the built-in pack through the engine ---- */

#define PACK_TYPES_MAX 32U

struct pack { /* the rules of one log type */
    const char *name;
    struct pen_rules *rules;
    struct pen_types *types;
    const struct pen_type *type;
    struct pen_schema *schema;
    struct pen_engine *engine;
    struct pen_walker *walker;
    struct pen_normalizer *normalizer;
    struct pen_matcher *matcher;
};

/* Rules that count are built like the others; their tests want signals, which need a state. */
static pen_status query_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    return pen_schema_field(ctx, pen_slice_sub(name, name.ptr[0] == '@', name.len), field, err);
}

static void pack_open(struct pack *pack, const char *type)
{
    static const char *const paths[] = {"builtin"};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    const struct pen_engine_options engine = {.in_process = true};
    const struct pen_walker_options walker = {.window_bytes_max = (size_t)1 << 20,
                                              .record_bytes_max = (size_t)1 << 20};
    struct pen_query *queries = NULL;
    uint32_t count = 0;
    struct pen_err err;
    struct pen_rule_names names = {.field = pen_schema_field, .query_field = query_field};
    pack->name = type;
    assert_int_equal(pen_rules_load(&options, &pack->rules, &err), PEN_OK);
    assert_int_equal(pen_types_load(NULL, &pack->types, &err), PEN_OK);
    pack->type = pen_types_find(pack->types, pen_slice_str(type));
    assert_non_null(pack->type);
    assert_int_equal(pen_schema_new(pack->type, &pack->schema, &err), PEN_OK);
    names.field_ctx = pack->schema;
    names.query_ctx = pack->schema;
    assert_int_equal(
        pen_rules_queries(pack->rules, pack->type, &names, &arena, &queries, &count, &err), PEN_OK);
    assert_true(count > 0);
    assert_int_equal(pen_rules_rejected(pack->rules), 0);
    pen_schema_seal(pack->schema);
    assert_int_equal(pen_engine_compile(queries, count, &engine, &pack->engine, &err), PEN_OK);
    assert_int_equal(pen_walker_new(pen_schema_plan(pack->schema), &walker, &pack->walker, &err),
                     PEN_OK);
    assert_int_equal(pen_normalizer_new(pack->schema, &pack->normalizer, &err), PEN_OK);
    assert_int_equal(pen_matcher_new(pack->engine, &pack->matcher, &err), PEN_OK);
}

static void pack_close(struct pack *pack)
{
    pen_matcher_free(pack->matcher);
    pen_normalizer_free(pack->normalizer);
    pen_walker_free(pack->walker);
    pen_engine_free(pack->engine);
    pen_schema_free(pack->schema);
    pen_types_free(pack->types);
    pen_rules_free(pack->rules);
}

/* Whether a rule of the file that the test lies beside matches the event. */
static bool pack_matches(struct pack *pack, const struct pen_rule_test *test, pen_slice event)
{
    static const struct pen_object_info object = {0};
    struct pen_record record;
    struct pen_doc doc;
    struct pen_err err = {0};
    const uint32_t *tags = NULL;
    bool is_match = false;
    slice_is(test->type, pack->name);
    if (pen_walker_one(pack->walker, event, &record, &err) != PEN_NEXT_RECORD ||
        pen_normalize(pack->normalizer, pack->walker, &record, &object, false, &doc, &err) !=
            PEN_OK) {
        fail_msg("%.*s: %.*s: %s", PEN_SLICE_FMT(test->file), PEN_SLICE_FMT(test->name), err.text);
    }
    const uint32_t count = pen_matcher_run(pack->matcher, &record, &tags);
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_rule *rule = pen_rules_at(pack->rules, tags[i] / PEN_RULE_QUERIES_MAX);
        is_match = is_match || (pen_slice_eq(rule->file, test->rule_file) &&
                                (test->rule_id.len == 0 || pen_slice_eq(rule->id, test->rule_id)));
    }
    return is_match;
}

/* The pack for a log type, opened when it is first asked for; packs end with one without a name. */
static struct pack *pack_of(struct pack *packs, pen_slice type)
{
    struct pack *pack = packs;
    while (pack->name != NULL && !pen_slice_eq(type, pen_slice_str(pack->name))) {
        pack++;
    }
    assert_true(pack < packs + PACK_TYPES_MAX - 1);
    if (pack->name == NULL) {
        const pen_slice name = pen_arena_dup(&arena, type);
        pack_open(pack, (const char *)name.ptr);
    }
    return pack;
}

static uint32_t wrong_events_of(struct pack *pack, const struct pen_rule_test *test)
{
    uint32_t wrong = 0;
    for (uint32_t e = 0; e < test->event_count; e++) {
        const bool is_match = pack_matches(pack, test, test->events[e]);
        if (is_match != (test->expect == PEN_EXPECT_MATCH)) {
            print_error("%.*s:%u: %.*s: event %u %s\n", PEN_SLICE_FMT(test->file), test->line,
                        PEN_SLICE_FMT(test->name), e, is_match ? "matches" : "does not match");
            wrong++;
        }
    }
    return wrong;
}

static void every_test_of_the_pack_has_the_verdict_that_it_expects(void **state)
{
    (void)state;
    struct pack packs[PACK_TYPES_MAX] = {0};
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    uint32_t wrong = 0;
    uint32_t with_signals = 0;
    struct pen_err err;
    if (pen_rule_tests_load("builtin", &arena, &tests, &count, &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
    for (uint32_t t = 0; t < count; t++) {
        if (tests[t].expect == PEN_EXPECT_SIGNALS) {
            with_signals++; /* `rules test` runs these: it has state */
        } else {
            wrong += wrong_events_of(pack_of(packs, tests[t].type), &tests[t]);
        }
    }
    assert_int_equal(wrong, 0);
    assert_true(count > with_signals && with_signals > 0);
    assert_true(count >= 2 * pen_rules_count(packs[0].rules));
    for (struct pack *pack = packs; pack->name != NULL; pack++) {
        pack_close(pack);
    }
}

static void every_rule_of_the_pack_has_an_event_that_matches_and_one_that_does_not(void **state)
{
    (void)state;
    static const char *const paths[] = {"builtin"};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    struct pen_rules *rules = NULL;
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    struct pen_err err;
    assert_int_equal(pen_rule_tests_load("builtin", &arena, &tests, &count, &err), PEN_OK);
    assert_int_equal(pen_rules_load(&options, &rules, &err), PEN_OK);
    for (uint32_t r = 0; r < pen_rules_count(rules); r++) {
        const struct pen_rule *rule = pen_rules_at(rules, r);
        uint32_t matching = 0;
        uint32_t others = 0;
        for (uint32_t t = 0; t < count; t++) {
            const bool is_match = tests[t].expect == PEN_EXPECT_MATCH || tests[t].signal_count > 0;
            if (pen_slice_eq(tests[t].rule_file, rule->file)) {
                matching += is_match;
                others += !is_match;
            }
        }
        if (matching == 0 || others == 0) {
            fail_msg("%.*s: %u tests that match, %u that do not", PEN_SLICE_FMT(rule->file),
                     matching, others);
        }
    }
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tests_of_a_folder_say_what_they_test_and_expect, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_rule_file_stands_for_the_test_file_beside_it, begin, end),
        cmocka_unit_test_setup_teardown(mistakes_in_a_test_file_are_told_with_their_place, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_test_without_a_rule_and_a_file_of_another_kind_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(every_test_of_the_pack_has_the_verdict_that_it_expects,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            every_rule_of_the_pack_has_an_event_that_matches_and_one_that_does_not, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
