#include "penstock/yaml.h"

#include "test.h"

static pen_status parse(struct pen_arena *arena, const char *text, struct pen_yaml_docs *docs,
                        struct pen_err *err)
{
    pen_arena_init(arena, (size_t)64 << 20);
    return pen_yaml_parse(arena, pen_slice_str(text), NULL, docs, err);
}

static void nodes_keep_text_style_and_place(void **state)
{
    (void)state;
    struct pen_arena arena;
    struct pen_yaml_docs docs;
    struct pen_err err;
    assert_int_equal(parse(&arena, "a: 1\nb: ['x', &k y, *k]\n---\n---\nc: {d: e}\n", &docs, &err),
                     PEN_OK);
    assert_int_equal(docs.count, 2);
    assert_true(pen_yaml_get(docs.roots[0], "a")->is_plain);
    const struct pen_yaml *list = pen_yaml_get(docs.roots[0], "b");
    assert_int_equal(list->count, 3);
    assert_false(list->child->is_plain);
    assert_int_equal(list->child->line, 2);
    assert_int_equal(list->child->column, 5);
    assert_true(pen_slice_eq(list->child->next->next->text, PEN_SLICE_LIT("y")));
    assert_true(
        pen_slice_eq(pen_yaml_text(pen_yaml_get(docs.roots[1], "c"), "d"), PEN_SLICE_LIT("e")));
    pen_arena_fini(&arena);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {{"a: 1\na: 2\n", "2:1: "},
                {"a: [\n", ":"},
                {"a: &x [*x]\n", "1:8: "},
                {"a: *x\n", "1:4: "},
                {"? [a]\n: b\n", "1:3: "}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_arena arena;
        struct pen_yaml_docs docs;
        struct pen_err err;
        assert_int_not_equal(parse(&arena, rows[i].text, &docs, &err), PEN_OK);
        assert_non_null(strstr(err.text, rows[i].want));
        pen_arena_fini(&arena);
    }
}

static void a_bomb_of_aliases_ends_at_the_limit(void **state)
{
    (void)state;
    struct pen_arena arena;
    struct pen_yaml_docs docs;
    struct pen_err err;
    const char *bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                       "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                       "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert_int_equal(parse(&arena, bomb, &docs, &err), PEN_E_LIMIT);
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_keep_text_style_and_place),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(a_bomb_of_aliases_ends_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
