#include "json_tree.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static pen_status read_one(struct pen_arena *arena, const char *text, struct json_reader *reader,
                           struct json_node **out, struct pen_err *err)
{
    pen_arena_init(arena, (size_t)1 << 28);
    json_tree_begin(reader, arena, pen_slice_str(text));
    return json_tree_next(reader, out, err);
}

static void values_have_kinds_texts_and_places(void **state)
{
    struct pen_arena arena;
    struct json_reader reader;
    struct json_node *root = NULL;
    struct pen_err err;
    (void)state;
    const char *text = "\xef\xbb\xbf{\n  \"é\": 1, \"a\\u0062\": [true,null, -1.5e3 , {}],\n"
                       "\t\"s\" : \"x\\ny\\ud83d\\ude00\"}";
    assert_int_equal(read_one(&arena, text, &reader, &root, &err), PEN_OK);
    assert_int_equal(root->kind, PEN_OBJECT);
    assert_int_equal(root->count, 3);
    const struct json_node *one = root->child;
    assert_true(one->kind == PEN_NUMBER && one->line == 2 && one->column == 8);
    assert_true(pen_slice_eq(one->key->text, PEN_SLICE_LIT("é")));
    const struct json_node *list = one->next;
    assert_true(pen_slice_eq(list->key->text, PEN_SLICE_LIT("ab")));
    assert_true(list->kind == PEN_ARRAY && list->count == 4 && list->child->kind == PEN_BOOL);
    assert_true(pen_slice_eq(list->raw, PEN_SLICE_LIT("[true,null, -1.5e3 , {}]")));
    assert_true(list->child->next->kind == PEN_NULL);
    assert_true(pen_slice_eq(list->child->next->next->text, PEN_SLICE_LIT("-1.5e3")));
    const struct json_node *last = list->next;
    assert_true(last->line == 3 && last->column == 8);
    assert_true(pen_slice_eq(last->text, PEN_SLICE_LIT("x\ny\xf0\x9f\x98\x80")));
    assert_null(last->next);
    assert_int_equal(json_tree_next(&reader, &root, &err), PEN_OK);
    assert_null(root);
    pen_arena_fini(&arena);
}

static void a_column_inside_of_a_string_counts_escapes(void **state)
{
    struct pen_arena arena;
    struct json_reader reader;
    struct json_node *root = NULL;
    struct pen_err err;
    static const struct {
        size_t offset;
        uint32_t column;
    } rows[] = {{0, 2}, {1, 3}, {2, 5}, {4, 6}, {5, 7}, {9, 19}, {12, 25}, {13, 26}, {99, 26}};
    (void)state;
    /* a \n é b 😀 € z */
    assert_int_equal(read_one(&arena,
                              "\"a\\né"
                              "b\\ud83d\\ude00\\u20acz\"",
                              &reader, &root, &err),
                     PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (json_text_column(root, rows[i].offset) != rows[i].column) {
            fail_msg("offset %zu: column %u", rows[i].offset,
                     json_text_column(root, rows[i].offset));
        }
    }
    pen_arena_fini(&arena);
}

static void what_is_no_json_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *why;
    } rows[] = {
        {"{\"a\":1,\n}", 2, 1, "the name of a member is wanted"},
        {"[1,]", 1, 4, "a value is wanted here"},
        {"[1 2]", 1, 4, "a comma or the end of the array"},
        {"{\"a\" 1}", 1, 6, "a colon is wanted"},
        {"{\"a\":1,\"b\":2,\"a\":3}", 1, 14, "the member 'a' stands twice"},
        {"{a:1}", 1, 2, "the name of a member is wanted"},
        {"[tru]", 1, 2, "no value of JSON"},
        {"[01]", 1, 2, "no value of JSON"},
        {"\n \"ab", 2, 2, "this string is never closed"},
        {"\"a\tb\"", 1, 3, "a control byte in a string: write \\u0009"},
        {"\"a\\x\"", 1, 3, "no such escape"},
        {"\"\\u12g4\"", 1, 2, "no such escape"},
        {"[1", 1, 3, "a comma or the end of the array"},
        {"{", 1, 2, "the name of a member is wanted"},
        {"]", 1, 1, "a value is wanted here"},
        {"é\xff", 1, 2, "this is no UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_arena arena;
        struct json_reader reader;
        struct json_node *root = NULL;
        struct pen_err err = {0};
        const pen_status st = read_one(&arena, rows[i].text, &reader, &root, &err);
        if (st != PEN_E_CORRUPT || reader.line != rows[i].line || reader.column != rows[i].column ||
            strncmp(err.text, rows[i].why, strlen(rows[i].why)) != 0) {
            fail_msg("%s: %u:%u: %s", rows[i].text, reader.line, reader.column, err.text);
        }
        pen_arena_fini(&arena);
    }
}

static void values_may_follow_one_another(void **state)
{
    struct pen_arena arena;
    struct json_reader reader;
    struct json_node *root = NULL;
    struct pen_err err;
    (void)state;
    assert_int_equal(read_one(&arena, " {}\n[2]\n", &reader, &root, &err), PEN_OK);
    assert_int_equal(root->kind, PEN_OBJECT);
    assert_int_equal(json_tree_next(&reader, &root, &err), PEN_OK);
    assert_true(root->kind == PEN_ARRAY && root->line == 2);
    assert_int_equal(json_tree_next(&reader, &root, &err), PEN_OK);
    assert_null(root);
    pen_arena_fini(&arena);
}

/* fill count times open, then close. */
static char *nested(uint32_t count, const char *open, const char *close)
{
    char *text = malloc((size_t)count * 16 + 64);
    size_t len = 0;
    assert_non_null(text);
    for (uint32_t i = 0; i < count; i++) {
        len += (size_t)sprintf(text + len, "%s", open);
    }
    (void)strcpy(text + len, close);
    return text;
}

static void limits_are_told_by_name(void **state)
{
    static const struct {
        uint32_t count;
        const char *open, *close, *why;
    } rows[] = {
        {JSON_TREE_DEPTH_MAX + 1, "[", "", "more than 64 levels"},
        {JSON_TREE_NODES_MAX, "1,", "1", "more than 1000000 values in one file"},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_arena arena;
        struct json_reader reader;
        struct json_node *root = NULL;
        struct pen_err err = {0};
        char *text = nested(rows[i].count, rows[i].open, rows[i].close);
        text[0] = '[';
        text[1] = text[1] == ',' ? ' ' : text[1];
        assert_int_equal(read_one(&arena, text, &reader, &root, &err), PEN_E_LIMIT);
        assert_string_equal(err.text, rows[i].why);
        free(text);
        pen_arena_fini(&arena);
    }
}

static void an_object_has_a_limit_of_members(void **state)
{
    struct pen_arena arena;
    struct json_reader reader;
    struct json_node *root = NULL;
    struct pen_err err = {0};
    char *text = malloc((size_t)JSON_TREE_MEMBERS_MAX * 16 + 64);
    (void)state;
    assert_non_null(text);
    size_t len = (size_t)sprintf(text, "{\"x\":1");
    for (uint32_t i = 0; i < JSON_TREE_MEMBERS_MAX; i++) {
        len += (size_t)sprintf(text + len, ",\"%u\":1", i);
    }
    (void)strcpy(text + len, "}");
    assert_int_equal(read_one(&arena, text, &reader, &root, &err), PEN_E_LIMIT);
    assert_string_equal(err.text, "more than 4096 members in one object");
    free(text);
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_kinds_texts_and_places),
        cmocka_unit_test(a_column_inside_of_a_string_counts_escapes),
        cmocka_unit_test(what_is_no_json_is_told_with_its_place),
        cmocka_unit_test(values_may_follow_one_another),
        cmocka_unit_test(limits_are_told_by_name),
        cmocka_unit_test(an_object_has_a_limit_of_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
