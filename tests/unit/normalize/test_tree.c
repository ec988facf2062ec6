#include "fixture.h"
#include "tree.h"

static void check(const char *base, const char *over, const char *wanted)
{
    struct nrm_tree tree = {0};
    struct pen_buf out;
    uint32_t a;
    uint32_t b;
    pen_buf_init(&out, 1 << 16);
    assert_int_equal(nrm_tree_parse(&tree, pen_slice_str(base), &a), PEN_OK);
    assert_int_equal(nrm_tree_parse(&tree, pen_slice_str(over), &b), PEN_OK);
    nrm_tree_merge(&tree, a, b);
    nrm_tree_prune(&tree, a);
    assert_int_equal(nrm_tree_emit(&tree, a, &out), PEN_OK);
    slice_is(pen_buf_slice(&out), wanted);
    pen_buf_fini(&out);
    nrm_tree_fini(&tree);
}

static void objects_merge_and_the_later_leaf_wins(void **state)
{
    (void)state;
    check("{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":3,\"z\":4},\"b\":5}",
          "{\"a\":{\"x\":1,\"y\":3,\"z\":4},\"b\":5}");
}

static void scalar_and_object_replace_each_other(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":{\"c\":[1,{}]}}", "{\"a\":{\"x\":[1,\"\",{\"q\":2}]},\"b\":\"s\"}",
          "{\"a\":{\"x\":[1,\"\",{\"q\":2}]},\"b\":\"s\"}");
}

static void empty_members_and_their_empty_parents_go(void **state)
{
    (void)state;
    check("{\"a\":{\"b\":{\"c\":null}},\"d\":\"-\",\"e\":[\"\"],\"f\":\"[]\",\"g\":[],\"h\":0}",
          "{}", "{\"h\":0}");
}

static void last_of_duplicate_members_wins(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":2,\"a\":3}", "{}", "{\"b\":2,\"a\":3}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_merge_and_the_later_leaf_wins),
        cmocka_unit_test(scalar_and_object_replace_each_other),
        cmocka_unit_test(empty_members_and_their_empty_parents_go),
        cmocka_unit_test(last_of_duplicate_members_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
