#include "penstock/query.h"

#include "source_fold.h"
#include "test.h"

static const pen_slice elb_sources[] = {PEN_SLICE_LIT("elb"), PEN_SLICE_LIT("lb.access")};
static const struct pen_type elb = {
    .name = PEN_SLICE_LIT("alb"), .sources = elb_sources, .source_count = 2};
static const struct pen_type json = {.name = PEN_SLICE_LIT("json")};

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)err;
    *field = source_is_known(name, ctx) ? SOURCE_FIELD : 1;
    return PEN_OK;
}

static struct pen_expr *tree_of(struct pen_arena *arena, const char *text,
                                const struct pen_type *type)
{
    const struct pen_query_options options = {
        .field = field_of, .field_ctx = pen_unconst(type), .as_rule = true};
    struct pen_expr *tree = NULL;
    struct pen_err err;
    assert_int_equal(pen_query_parse(arena, pen_slice_str(text), &options, &tree, &err), PEN_OK);
    return tree;
}

static void verdicts_need_no_event(void **state)
{
    static const struct {
        const char *query;
        enum source_verdict want;
    } rows[] = {
        {"source:elb", SOURCE_ALWAYS},
        {"source:ALB", SOURCE_ALWAYS},
        {"source:cloudtrail", SOURCE_NEVER},
        {"source:e*", SOURCE_ALWAYS},
        {"source:*b.a?ces?", SOURCE_ALWAYS},
        {"source:*lb", SOURCE_ALWAYS},
        {"source:?b", SOURCE_NEVER},
        {"source:lb", SOURCE_NEVER},
        {"source:\"\"", SOURCE_NEVER},
        {"source:l*b*c*s", SOURCE_ALWAYS},
        {"source:l*b*c*x", SOURCE_NEVER},
        {"source:*", SOURCE_ALWAYS},
        {"-source:*", SOURCE_NEVER},
        {"source:>5", SOURCE_NEVER},
        {"CIDR(source, 10.0.0.0/8)", SOURCE_NEVER},
        {"service:elb", SOURCE_ALWAYS},
        {"@source:elb", SOURCE_MAYBE},
        {"@a:b", SOURCE_MAYBE},
        {"*", SOURCE_ALWAYS},
        {"source:elb @a:b", SOURCE_MAYBE},
        {"source:waf @a:b", SOURCE_NEVER},
        {"source:(waf OR elb)", SOURCE_ALWAYS},
        {"source:waf OR @a:b", SOURCE_MAYBE},
        {"source:elb OR @a:b", SOURCE_ALWAYS},
        {"-source:elb", SOURCE_NEVER},
        {"NOT (source:waf OR (source:vpc @a:b))", SOURCE_ALWAYS},
        {"(source:elb OR (source:x @a:b)) -(service:elb)", SOURCE_NEVER},
    };
    struct pen_arena arena;
    (void)state;
    pen_arena_init(&arena, (size_t)1 << 20);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        const enum source_verdict got = source_verdict(tree_of(&arena, rows[i].query, &elb), &elb);
        if (got != rows[i].want) {
            fail_msg("%s: %d", rows[i].query, got);
        }
    }
    pen_arena_fini(&arena);
}

static void records_of_json_say_their_source_themselves(void **state)
{
    struct pen_arena arena;
    (void)state;
    pen_arena_init(&arena, (size_t)1 << 20);
    assert_false(source_is_known(PEN_SLICE_LIT("source"), &json));
    /* Also in a tree that was made for types that have a source. */
    const struct pen_expr *tree = tree_of(&arena, "source:waf -service:x", &elb);
    assert_int_equal(source_verdict(tree, &json), SOURCE_MAYBE);
    assert_int_equal(source_verdict(tree, &elb), SOURCE_NEVER);
    pen_arena_fini(&arena);
}

static void no_predicate_on_a_source_is_left(void **state)
{
    struct pen_arena arena;
    (void)state;
    pen_arena_init(&arena, (size_t)1 << 20);
    struct pen_expr *both = tree_of(&arena, "source:elb @a:b -@c:d", &elb);
    source_fold(both, &elb);
    assert_int_equal(both->kind, PEN_EXPR_AND);
    assert_int_equal(both->kid_count, 2);
    assert_int_equal(both->kids[0]->pred->field, 1);
    assert_int_equal(both->kids[1]->kind, PEN_EXPR_NOT);
    struct pen_expr *either = tree_of(&arena, "(source:waf @a:b) OR (-source:waf @c:d)", &elb);
    source_fold(either, &elb);
    assert_true(either->kind == PEN_EXPR_OR && either->kid_count == 1);
    assert_true(either->kids[0]->kind == PEN_EXPR_AND && either->kids[0]->kid_count == 1);
    struct pen_expr *sure = tree_of(&arena, "source:elb", &elb);
    source_fold(sure, &elb);
    assert_int_equal(sure->kind, PEN_EXPR_TRUE);
    struct pen_expr *none = tree_of(&arena, "source:waf @a:b", &elb);
    source_fold(none, &elb);
    assert_true(none->kind == PEN_EXPR_FALSE && none->kid_count == 0);
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_need_no_event),
        cmocka_unit_test(records_of_json_say_their_source_themselves),
        cmocka_unit_test(no_predicate_on_a_source_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
