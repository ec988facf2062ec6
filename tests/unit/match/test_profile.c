#include "match_test.h"

#include <stdlib.h>

/* Three queries on two fields: one starts by a table, one by a scan, one on every record. */

#define NAME 1U
#define AGENT 2U

struct made {
    struct pen_piece pieces[4][4];
    struct pen_pred preds[4];
    struct pen_expr leaves[4], and_, not_;
    struct pen_expr *and_kids[2], *not_kids[1];
    struct pen_query queries[3];
    struct pen_engine *engine;
    struct pen_matcher *matcher;
    struct pen_profile *profile;
    struct hand hand;
};

static void leaf(struct made *m, uint32_t at, uint32_t field, const char *glob, const char *source)
{
    m->preds[at] = (struct pen_pred){.op = PEN_OP_PATTERN,
                                     .field = field,
                                     .pieces = m->pieces[at],
                                     .piece_count = pieces_of(glob, m->pieces[at])};
    m->leaves[at] = (struct pen_expr){
        .kind = PEN_EXPR_PRED, .pred = &m->preds[at], .source = pen_slice_str(source)};
}

static int make(void **state)
{
    struct made *m = calloc(1, sizeof(*m));
    struct pen_err err = {0};
    assert_non_null(m);
    leaf(m, 0, NAME, "Stop", "name: Stop");
    leaf(m, 1, AGENT, "*curl*", "agent|contains: curl");
    leaf(m, 2, NAME, "Stop", "name: Stop, once more");
    leaf(m, 3, AGENT, "*bot*", "agent|contains: bot");
    m->and_kids[0] = &m->leaves[2];
    m->and_kids[1] = &m->leaves[1];
    m->and_ = (struct pen_expr){.kind = PEN_EXPR_AND, .kid_count = 2, .kids = m->and_kids};
    m->not_kids[0] = &m->leaves[3];
    m->not_ = (struct pen_expr){.kind = PEN_EXPR_NOT, .kid_count = 1, .kids = m->not_kids};
    m->queries[0] = (struct pen_query){.expr = &m->leaves[0], .tag = 5};
    m->queries[1] = (struct pen_query){.expr = &m->and_, .tag = 9};
    m->queries[2] = (struct pen_query){.expr = &m->not_, .tag = 70};
    const struct pen_engine_options options = {.in_process = true};
    assert_int_equal(pen_engine_compile(m->queries, 3, &options, &m->engine, &err), PEN_OK);
    assert_int_equal(pen_matcher_new(m->engine, &m->matcher, &err), PEN_OK);
    assert_int_equal(pen_profile_new(m->engine, m->queries, 3, &m->profile, &err), PEN_OK);
    *state = m;
    return 0;
}

static int drop(void **state)
{
    struct made *m = *state;
    pen_matcher_free(m->matcher);
    pen_profile_free(m->profile);
    pen_engine_free(m->engine);
    free(m);
    return 0;
}

/* Bits by position of the queries that match a record of two values. */
static uint32_t run(struct made *m, const char *name, const char *agent)
{
    const uint32_t *tags = NULL;
    uint32_t bits = 0;
    hand_reset(&m->hand);
    hand_str(&m->hand, NAME, name);
    hand_str(&m->hand, AGENT, agent);
    const uint32_t count = pen_matcher_run(m->matcher, &m->hand.record, &tags);
    for (uint32_t i = 0; i < count; i++) {
        bits |= tags[i] == 5 ? 1U : tags[i] == 9 ? 2U : 4U;
    }
    return bits;
}

static const struct pen_profile_pred *pred_of(const struct made *m, const char *source)
{
    for (uint32_t i = 0; i < m->profile->pred_count; i++) {
        if (pen_slice_eq(m->profile->preds[i].source, pen_slice_str(source))) {
            return &m->profile->preds[i];
        }
    }
    fail_msg("no predicate %s", source);
    return NULL;
}

static void counts_are_of_the_records_behind_the_switch(void **state)
{
    struct made *m = *state;
    assert_int_equal(run(m, "Stop", "curl/1"), 7);
    pen_matcher_profile(m->matcher, m->profile);
    assert_int_equal(run(m, "Stop", "curl/1"), 7);
    assert_int_equal(run(m, "Stop", "a bot"), 1);
    assert_int_equal(run(m, "Get", "curl/1"), 4);
    assert_int_equal(run(m, "Get", "other"), 4);
    pen_matcher_profile(m->matcher, NULL);
    assert_int_equal(run(m, "Stop", "a bot"), 1);
    const struct pen_profile_query *q = m->profile->queries;
    assert_int_equal(m->profile->records, 4);
    assert_int_equal(m->profile->query_count, 3);
    assert_true(q[0].tag == 5 && q[1].tag == 9 && q[2].tag == 70);
    assert_true(!q[0].is_always && !q[1].is_always && q[2].is_always);
    assert_true(q[0].starts == 2 && q[0].matches == 2);
    assert_true(q[1].starts == 2 && q[1].matches == 1);
    assert_true(q[2].starts == 4 && q[2].matches == 3);
}

static void predicates_tell_how_they_came_to_be_asked(void **state)
{
    struct made *m = *state;
    pen_matcher_profile(m->matcher, m->profile);
    (void)run(m, "Stop", "curl/1");
    (void)run(m, "Stop", "a bot");
    (void)run(m, "Get", "curl/1");
    assert_int_equal(m->profile->pred_count, 3); /* the same predicate of two queries is one */
    const struct pen_profile_pred *name = pred_of(m, "name: Stop");
    const struct pen_profile_pred *curl = pred_of(m, "agent|contains: curl");
    assert_string_equal(name->how, "table");
    assert_int_equal(name->fired, 2);                   /* whatever it starts */
    assert_int_equal(name->queries + curl->queries, 2); /* the second query has one starter */
    assert_true(name->evaluated == 0 && name->held >= 2 && name->asked >= name->held);
    assert_int_equal(curl->held, 1);
    assert_true(curl->evaluated <= curl->asked);
    const struct pen_profile_pred *bot = pred_of(m, "agent|contains: bot");
    assert_true(bot->asked == 3 && bot->held == 1 && bot->queries == 0);
}

static void times_add_up_from_ticks(void **state)
{
    struct made *m = *state;
    pen_matcher_profile(m->matcher, m->profile);
    for (uint32_t i = 0; i < 10000; i++) {
        (void)run(m, "Stop", "curl/1");
    }
    assert_true(m->profile->select_ticks > 0);
    assert_true(pen_profile_tick_ns(m->profile) > 0);
    uint64_t programs = 0;
    for (uint32_t i = 0; i < 3; i++) {
        programs += m->profile->queries[i].ticks;
    }
    assert_true(programs > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_are_of_the_records_behind_the_switch, make, drop),
        cmocka_unit_test_setup_teardown(predicates_tell_how_they_came_to_be_asked, make, drop),
        cmocka_unit_test_setup_teardown(times_add_up_from_ticks, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
