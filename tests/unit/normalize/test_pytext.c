#include "fixture.h"
#include "pytext.h"

static void check(const char *json, const char *wanted)
{
    struct nrm_tree tree = {0};
    struct pen_buf plain;
    struct pen_buf out;
    uint32_t root;
    pen_buf_init(&plain, 1 << 16);
    pen_buf_init(&out, 1 << 16);
    assert_int_equal(nrm_tree_parse(&tree, pen_slice_str(json), &root), PEN_OK);
    assert_int_equal(nrm_pytext(&tree, root, &plain, &out), PEN_OK);
    slice_is(pen_buf_slice(&out), wanted);
    pen_buf_fini(&out);
    pen_buf_fini(&plain);
    nrm_tree_fini(&tree);
}

static void constants_have_python_names(void **state)
{
    (void)state;
    check("[true,false,null,1,-2.5e3]", "[True, False, None, 1, -2.5e3]");
}

static void containers_nest(void **state)
{
    (void)state;
    check("{\"a\":{},\"b\":[[],{\"c\":1}],\"d\":2}", "{'a': {}, 'b': [[], {'c': 1}], 'd': 2}");
}

static void quote_depends_on_the_text(void **state)
{
    (void)state;
    check("[\"it's\",\"\\\"x\\\"\",\"'\\\"\"]", "[\"it's\", '\"x\"', '\\'\"']");
}

static void unprintable_text_is_escaped(void **state)
{
    (void)state;
    check("[\"a\\nb\\t\\u0001\\\\\",\"\\u00e9\\u2028\"]",
          "['a\\nb\\t\\x01\\\\', '\xc3\xa9\\u2028']");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_have_python_names),
        cmocka_unit_test(containers_nest),
        cmocka_unit_test(quote_depends_on_the_text),
        cmocka_unit_test(unprintable_text_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
