#include "penstock/detect.h"

#include "folder.h"

static void load(const struct folder *folder, const char *name, struct pen_arena *arena,
                 struct pen_rule_test **tests, uint32_t *count)
{
    struct pen_err err = {0};
    const char *path = name == NULL ? folder->path : folder_path(folder, name);
    if (pen_rule_tests_load(path, arena, tests, count, &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
}

#define PAYLOAD(result, more) \
    "{\"index\":1,\"expectedResult\":" result ",\"payload\":{\"a\":{\"b\":1}" more "}}"

static void tests_stand_in_the_rule_or_beside_it(void **state)
{
    struct folder folder;
    struct pen_arena arena;
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    (void)state;
    folder_make(&folder);
    pen_arena_init(&arena, (size_t)1 << 24);
    folder_write(&folder, "in.json",
                 "{\"name\":\"n\",\"queries\":[],\"ruleQueryPayloads\":[" PAYLOAD("true", "") "]}");
    folder_write(&folder, "around.json",
                 "{\"rule\":{\"id\":\"i-1\"},\"ruleQueryPayloads\":[" PAYLOAD("false", "") "]}");
    folder_write(&folder, "list.json",
                 "{\"data\":[{\"name\":\"x\"},{\"id\":\"y\",\"ruleQueryPayloads\":[" PAYLOAD(
                     "true", "") "," PAYLOAD("false", "") "]}]}");
    folder_write(&folder, "plain.json", "{\"name\":\"p\",\"queries\":[]}");
    folder_write(&folder, "plain.test.json", "\n[" PAYLOAD("true", "") "]");
    load(&folder, "in.json", &arena, &tests, &count);
    assert_int_equal(count, 1);
    assert_true(pen_slice_eq(tests[0].rule_id, PEN_SLICE_LIT("n")));
    assert_true(tests[0].has_query && tests[0].query == 1);
    assert_int_equal(tests[0].expect, PEN_EXPECT_MATCH);
    load(&folder, "around.json", &arena, &tests, &count);
    assert_true(count == 1 && tests[0].expect == PEN_EXPECT_NO_MATCH);
    assert_true(pen_slice_eq(tests[0].rule_id, PEN_SLICE_LIT("i-1")));
    load(&folder, "list.json", &arena, &tests, &count);
    assert_int_equal(count, 2);
    assert_true(pen_slice_eq(tests[1].name, PEN_SLICE_LIT("ruleQueryPayloads[1]")));
    load(&folder, "plain.json", &arena, &tests, &count);
    assert_true(count == 1 && tests[0].line == 2 && tests[0].rule_id.len == 0);
    assert_true(
        pen_slice_eq(tests[0].rule_file, pen_slice_str(folder_path(&folder, "plain.json"))));
    load(&folder, NULL, &arena, &tests, &count);
    assert_int_equal(count, 5);
    pen_arena_fini(&arena);
    folder_remove(&folder);
}

static void names_of_the_intake_become_those_of_queries(void **state)
{
    struct folder folder;
    struct pen_arena arena;
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    (void)state;
    folder_make(&folder);
    pen_arena_init(&arena, (size_t)1 << 24);
    folder_write(&folder, "r.json",
                 "{\"ruleQueryPayloads\":[" PAYLOAD(
                     "true", ",\"ddsource\":\"s\",\"ddtags\":\"k:v\",\"hostname\":\"h\\n\","
                             "\"service\":\"w\",\"n\":[1, null]") "]}");
    load(&folder, "r.json", &arena, &tests, &count);
    assert_int_equal(count, 1);
    assert_true(pen_slice_eq(tests[0].source, PEN_SLICE_LIT("s")));
    assert_int_equal(tests[0].event_count, 1);
    const pen_slice want = PEN_SLICE_LIT("{\"a\":{\"b\":1},\"source\":\"s\",\"tags\":\"k:v\","
                                         "\"host\":\"h\\n\",\"service\":\"w\",\"n\":[1, null]}");
    assert_true(pen_slice_eq(tests[0].events[0], want));
    pen_arena_fini(&arena);
    folder_remove(&folder);
}

static void a_mistake_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"[{\"index\":0,\"expectedResult\":true}]", ":1:2: a test has a `payload`"},
        {"[{\"payload\":{}}]", ":1:2: a test has an `expectedResult`"},
        {"[{\"payload\":{},\"expectedResult\":true,\"index\":-1}]", ":1:46: `index` is the number"},
        {"{\"ruleQueryPayloads\":{}}", ":1:22: `ruleQueryPayloads` is a list"},
        {"{}", ":1:1: the file holds no test"},
        {"[", ":1:2: "},
    };
    struct folder folder;
    struct pen_arena arena;
    (void)state;
    folder_make(&folder);
    pen_arena_init(&arena, (size_t)1 << 24);
    folder_write(&folder, "r.json", "{}");
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rule_test *tests = NULL;
        uint32_t count = 0;
        struct pen_err err = {0};
        folder_write(&folder, "r.test.json", rows[i].text);
        assert_int_equal(
            pen_rule_tests_load(folder_path(&folder, "r.test.json"), &arena, &tests, &count, &err),
            PEN_E_RULE);
        if (strstr(err.text, rows[i].why) == NULL) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
    }
    pen_arena_fini(&arena);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_stand_in_the_rule_or_beside_it),
        cmocka_unit_test(names_of_the_intake_become_those_of_queries),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
