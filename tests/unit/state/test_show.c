#include "penstock/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

#define S PEN_NS_PER_S
#define KEY 7U

static const enum pen_aggregation kinds[] = {PEN_CARDINALITY, PEN_SUM};
static const enum pen_aggregation one_count[] = {PEN_COUNT_EVENTS};
static const struct pen_condition_step above_two[] = {
    {.op = PEN_CONDITION_GT,
     .left = {.query = 0, .factor = 1},
     .right = {.query = PEN_CONDITION_NO_QUERY, .factor = 2}}};
static const struct pen_state_case cases[] = {
    {.condition = {.steps = above_two, .count = 1}, .severity = 2}};
static const struct pen_state_rule rules[] = {
    {.id = PEN_SLICE_LIT("match"), .keep_alive_ns = 900 * S, .duration_max_ns = 7200 * S},
    {.id = PEN_SLICE_LIT("kinds"),
     .name = PEN_SLICE_LIT("Kinds of it"),
     .method = PEN_METHOD_THRESHOLD,
     .window_ns = 100 * S,
     .keep_alive_ns = 900 * S,
     .duration_max_ns = 7200 * S,
     .queries = kinds,
     .query_count = 2,
     .cases = cases,
     .case_count = 1},
    {.id = PEN_SLICE_LIT("new"),
     .method = PEN_METHOD_NEW_VALUE,
     .keep_alive_ns = 900 * S,
     .duration_max_ns = 7200 * S,
     .queries = one_count,
     .query_count = 1,
     .new_value = {.learning_ns = 60 * S, .forget_ns = 3600 * S}},
};

struct shown { /* what the callbacks told, as text */
    char dir[64], name[1][64];
    struct pen_state *state;
    struct pen_buf told;
};

static void shown_open(struct shown *s, uint32_t named_max)
{
    *s = (struct shown){.dir = "/tmp/penstock-show-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    pen_buf_init(&s->told, 1 << 20);
    const struct pen_state_options options = {.dir = s->dir,
                                              .shards = 1,
                                              .hash_key = KEY,
                                              .rules = rules,
                                              .rule_count = PEN_COUNT(rules),
                                              .samples_first = 2,
                                              .samples_last = 2,
                                              .memory_bytes_max = 1 << 26,
                                              .groups_max = 100,
                                              .window_events_max = 100,
                                              .values_max = 100,
                                              .new_values_max = 1000,
                                              .named_groups_max = named_max};
    assert_int_equal(pen_state_new(&options, &s->state, NULL), PEN_OK);
}

static void shown_close(struct shown *s)
{
    char command[96];
    pen_state_free(s->state);
    pen_buf_fini(&s->told);
    (void)snprintf(command, sizeof(command), "rm -r %s", s->dir);
    assert_int_equal(system(command), 0); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

static void append(struct shown *s, uint32_t rule, int64_t second, const char *group,
                   const char *value)
{
    char id[32];
    (void)snprintf(id, sizeof(id), "e%lld", (long long)second);
    const struct pen_observation o = {.rule = rule,
                                      .rule_id = rules[rule].id,
                                      .query = rule == 1 && value[0] != '"',
                                      .time_ns = second * S,
                                      .promise_ns = INT64_MIN,
                                      .event_id = pen_slice_str(id),
                                      .group = pen_slice_str(group),
                                      .values = pen_slice_str(value)};
    assert_int_equal(pen_state_append(s->state, 1, &o, NULL), PEN_OK);
}

static pen_status ignore(void *ctx, enum pen_signal_change change, const struct pen_signal *signal)
{
    (void)ctx, (void)change, (void)signal;
    return PEN_OK;
}

static void save(struct shown *s)
{
    char run[64];
    uint64_t bytes = 0;
    bool more = true;
    struct pen_snapshot_info info;
    assert_int_equal(pen_state_cut(s->state, 1, run, sizeof(run), &bytes, NULL), PEN_OK);
    pen_state_committed(s->state, 1);
    while (more) {
        assert_int_equal(pen_state_release(s->state, INT64_MAX, 100, ignore, NULL, &more, NULL),
                         PEN_OK);
    }
    assert_int_equal(pen_state_snapshot(s->state, 1, &info, NULL), PEN_OK);
    (void)snprintf(s->name[0], sizeof(s->name[0]), "%s", info.name);
}

static pen_status on_rule(void *ctx, const struct pen_shown_rule *rule)
{
    struct shown *s = ctx;
    return pen_buf_printf(&s->told, "rule %.*s (%.*s) method %u window %lld queries %u\n",
                          PEN_SLICE_FMT(rule->id), PEN_SLICE_FMT(rule->name), rule->method,
                          (long long)(rule->window_ns / S), rule->query_count);
}

static pen_status on_group(void *ctx, const struct pen_shown_group *g)
{
    struct shown *s = ctx;
    return pen_buf_printf(&s->told, "group %.*s count %llu first %lld last %lld sum %lld\n",
                          PEN_SLICE_FMT(g->group), (unsigned long long)g->count,
                          (long long)(g->first_ns / S),
                          g->last_ns == INT64_MIN ? -1LL : (long long)(g->last_ns / S),
                          (long long)(g->values[1] / PEN_QUANTITY_ONE));
}

static pen_status on_signal(void *ctx, const struct pen_shown_signal *g)
{
    struct shown *s = ctx;
    assert_int_equal(g->id.len, 32);
    return pen_buf_printf(&s->told, "signal %.*s events %llu from %lld to %lld\n",
                          PEN_SLICE_FMT(g->group), (unsigned long long)g->events,
                          (long long)(g->first_seen_ns / S), (long long)(g->last_seen_ns / S));
}

static pen_status on_value(void *ctx, const struct pen_shown_value *v)
{
    struct shown *s = ctx;
    return pen_buf_printf(&s->told, "value in %.*s at %lld\n", PEN_SLICE_FMT(v->group),
                          (long long)(v->seen_ns / S));
}

static pen_status show(struct shown *s, const char *rule, const char *value, const pen_slice *group,
                       struct pen_err *err)
{
    struct pen_state_show show = {.dir = s->dir,
                                  .names = s->name,
                                  .name_count = 1,
                                  .rule = pen_slice_str(rule),
                                  .groups = group,
                                  .group_count = group != NULL,
                                  .value = value == NULL ? (pen_slice){0} : pen_slice_str(value),
                                  .on_rule = rule[0] == '\0' ? on_rule : NULL,
                                  .on_group = value == NULL ? on_group : NULL,
                                  .on_signal = on_signal,
                                  .on_value = on_value,
                                  .ctx = s};
    s->told.len = 0;
    const pen_status st = pen_state_shown(&show, err);
    assert_int_equal(pen_buf_add_byte(&s->told, '\0'), PEN_OK);
    return st;
}

static void told(struct shown *s, const char *rule, const char *value, const char *wanted)
{
    struct pen_err err = {0};
    assert_int_equal(show(s, rule, value, NULL, &err), PEN_OK);
    assert_string_equal((const char *)s->told.ptr, wanted);
}

static void feed(struct shown *s)
{
    append(s, 0, 5, "{\"g\":1}", "");
    append(s, 1, 10, "{\"g\":1}", "\"a\""); /* leaves the window at 110 */
    append(s, 1, 50, "{\"g\":1}", "\"b\"");
    append(s, 1, 60, "{\"g\":1}", "40");
    append(s, 1, 110, "{\"g\":1}", "2");
    append(s, 2, 10, "{\"g\":1}", "\"a\"");
    append(s, 2, 20, "{\"g\":1}", "\"b\"\n\"c\"");
    append(s, 2, 30, "{\"g\":1}", "\"a\"");
    append(s, 2, 100, "{\"g\":1}", "\"d\"");
    save(s);
}

static void a_rule_is_told_with_groups_signals_and_values(void **unused)
{
    (void)unused;
    struct shown s;
    shown_open(&s, 10);
    feed(&s);
    told(&s, "", NULL,
         "rule match () method 0 window 0 queries 0\n"
         "rule kinds (Kinds of it) method 1 window 100 queries 2\n"
         "rule new () method 2 window 0 queries 1\n");
    told(&s, "match", NULL, "signal {\"g\":1} events 1 from 5 to 5\n");
    told(&s, "kinds", NULL, "group {\"g\":1} count 3 first 50 last 110 sum 42\n");
    told(&s, "new", NULL,
         "signal {\"g\":1} events 1 from 100 to 100\n"
         "group {\"g\":1} count 4 first 10 last -1 sum 0\n");
    told(&s, "no such rule", NULL, "");
    shown_close(&s);
}

static void a_value_is_found_by_its_hash(void **unused)
{
    (void)unused;
    struct shown s;
    shown_open(&s, 10);
    feed(&s);
    told(&s, "new", "\"a\"",
         "signal {\"g\":1} events 1 from 100 to 100\nvalue in {\"g\":1} at 30\n");
    told(&s, "new", "\"e\"", "signal {\"g\":1} events 1 from 100 to 100\n");
    shown_close(&s);
}

static void a_group_without_a_name_is_asked_for(void **unused)
{
    (void)unused;
    struct shown s;
    struct pen_err err = {0};
    const pen_slice group = PEN_SLICE_LIT("{\"g\":1}");
    shown_open(&s, 0);
    feed(&s);
    told(&s, "new", NULL, "signal {\"g\":1} events 1 from 100 to 100\n");
    assert_int_equal(show(&s, "new", "\"c\"", &group, &err), PEN_OK);
    assert_non_null(strstr((const char *)s.told.ptr, "value in {\"g\":1} at 20\n"));
    shown_close(&s);
}

static void names_and_counts_go_on_from_a_snapshot(void **unused)
{
    (void)unused;
    struct shown s;
    shown_open(&s, 10);
    feed(&s);
    assert_int_equal(pen_state_reset(s.state, NULL), PEN_OK);
    assert_int_equal(pen_state_load(s.state, pen_slice_str(s.name[0]), NULL), PEN_OK);
    append(&s, 2, 200, "{\"g\":1}", "\"x\"\n\"a\"");
    append(&s, 2, 201, "{\"g\":2}", "\"x\"");
    save(&s);
    told(&s, "new", NULL,
         "signal {\"g\":1} events 2 from 100 to 200\n"
         "group {\"g\":1} count 5 first 10 last -1 sum 0\n"
         "group {\"g\":2} count 1 first 201 last -1 sum 0\n");
    shown_close(&s);
}

static void a_damaged_file_is_told(void **unused)
{
    (void)unused;
    struct shown s;
    struct pen_err err = {0};
    char path[160];
    shown_open(&s, 10);
    feed(&s);
    (void)snprintf(path, sizeof(path), "%s/%s", s.dir, s.name[0]);
    FILE *file = fopen(path, "r+e");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    assert_int_equal(fputc('\0', file), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(show(&s, "kinds", NULL, NULL, &err), PEN_E_CORRUPT);
    assert_non_null(strstr(err.text, s.name[0]));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(show(&s, "kinds", NULL, NULL, &err), PEN_E_NOT_FOUND);
    shown_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_told_with_groups_signals_and_values),
        cmocka_unit_test(a_value_is_found_by_its_hash),
        cmocka_unit_test(a_group_without_a_name_is_asked_for),
        cmocka_unit_test(names_and_counts_go_on_from_a_snapshot),
        cmocka_unit_test(a_damaged_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
