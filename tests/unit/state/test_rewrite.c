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

#define EVENTS 3000U
#define OBJECTS 10U
#define EPOCHS 3U
#define KEY 7U
#define NAME_MAX_BYTES 64U

static const struct pen_state_rule rules[] = {{.id = PEN_SLICE_LIT("rule"),
                                               .keep_alive_ns = 3600 * PEN_NS_PER_S,
                                               .duration_max_ns = PEN_NS_PER_DAY,
                                               .ends_at_midnight = true}};

static struct pen_state *state_open(const char *dir)
{
    const struct pen_state_options options = {.dir = dir,
                                              .shards = 1,
                                              .hash_key = KEY,
                                              .rules = rules,
                                              .rule_count = 1,
                                              .samples_first = 2,
                                              .samples_last = 2,
                                              .memory_bytes_max = 1 << 28};
    struct pen_state *state = NULL;
    assert_int_equal(pen_state_new(&options, &state, NULL), PEN_OK);
    return state;
}

/* Event i of object i % OBJECTS, in an order that is not that of time. */
static void append(struct pen_state *state, uint64_t epoch, uint32_t i)
{
    char id[16];
    char group[16];
    char object[16];
    (void)snprintf(id, sizeof(id), "e%u", i);
    (void)snprintf(group, sizeof(group), "{\"g\":%u}", i % 7);
    (void)snprintf(object, sizeof(object), "object-%u", i % OBJECTS);
    const struct pen_observation o = {.rule_id = rules[0].id,
                                      .time_ns = (int64_t)(i * 7919U % EVENTS) * 60 * PEN_NS_PER_S +
                                                 PEN_NS_PER_DAY,
                                      .promise_ns = INT64_MIN,
                                      .event_id = pen_slice_str(id),
                                      .group = pen_slice_str(group),
                                      .object = pen_slice_str(object),
                                      .record = i};
    assert_int_equal(pen_state_append(state, epoch, &o, NULL), PEN_OK);
}

static pen_status note(void *ctx, enum pen_signal_change change, const struct pen_signal *signal)
{
    struct pen_buf *text = ctx;
    return change == PEN_SIGNAL_UPDATED
               ? PEN_OK
               : pen_buf_printf(text, "%d %s %lld %lld %llu\n", (int)change, signal->id,
                                (long long)signal->first_seen_ns, (long long)signal->last_seen_ns,
                                (unsigned long long)signal->events_matched);
}

static uint64_t release_all(struct pen_state *state, struct pen_buf *text)
{
    bool more = true;
    pen_state_seen(state, 100 * PEN_NS_PER_DAY);
    while (more) {
        assert_int_equal(pen_state_release(state, INT64_MAX, 1000, note, text, &more, NULL),
                         PEN_OK);
    }
    const uint64_t released = pen_state_counters_get(state).released;
    pen_state_free(state);
    return released;
}

static bool is_kept(uint32_t object)
{
    return object != 3 && object != 8;
}

static bool keep(void *ctx, const struct pen_observation *o)
{
    uint64_t *asked = ctx;
    (*asked)++;
    return is_kept((uint32_t)(o->object.ptr[o->object.len - 1] - '0'));
}

static bool keep_none(void *ctx, const struct pen_observation *o)
{
    (void)ctx;
    (void)o;
    return false;
}

static void cut(struct pen_state *state, uint64_t epoch, char name[NAME_MAX_BYTES])
{
    uint64_t bytes = 0;
    assert_int_equal(pen_state_cut(state, epoch, name, NAME_MAX_BYTES, &bytes, NULL), PEN_OK);
    pen_state_committed(state, epoch);
}

static void remove_runs(const char *dir, char (*names)[NAME_MAX_BYTES], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void signals_are_those_of_the_observations_that_were_kept(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-rewrite-XXXXXX";
    char other[] = "/tmp/penstock-rewrite-XXXXXX";
    char names[EPOCHS + 1][NAME_MAX_BYTES];
    char plain[1][NAME_MAX_BYTES];
    const char *runs[EPOCHS] = {names[0], names[1], names[2]};
    struct pen_buf got;
    struct pen_buf want;
    assert_non_null(mkdtemp(dir));
    assert_non_null(mkdtemp(other));
    pen_buf_init(&got, 1 << 24);
    pen_buf_init(&want, 1 << 24);
    struct pen_state *state = state_open(dir);
    struct pen_state *kept = state_open(other);
    for (uint32_t i = 0; i < EVENTS; i++) {
        append(state, i * EPOCHS / EVENTS, i);
        if (is_kept(i % OBJECTS)) {
            append(kept, 0, i);
        }
        if ((i + 1) % (EVENTS / EPOCHS) == 0) {
            cut(state, i * EPOCHS / EVENTS, names[i * EPOCHS / EVENTS]);
        }
    }
    cut(kept, 0, plain[0]);
    pen_state_free(state);
    assert_int_equal(release_all(kept, &want), EVENTS * 8 / 10);
    uint64_t asked = 0;
    struct pen_state_rewrite rewrite = {.dir = dir,
                                        .runs = runs,
                                        .run_count = EPOCHS,
                                        .epoch = EPOCHS,
                                        .hash_key = KEY,
                                        .keep = keep,
                                        .ctx = &asked};
    assert_int_equal(pen_state_rewrite(&rewrite, NULL), PEN_OK);
    assert_int_equal(asked, EVENTS);
    assert_string_equal(rewrite.name, "run-3-0.zst");
    assert_true(rewrite.bytes > 0);
    (void)snprintf(names[EPOCHS], sizeof(names[EPOCHS]), "%s", rewrite.name);
    state = state_open(dir);
    assert_int_equal(pen_state_adopt(state, pen_slice_str(rewrite.name), NULL), PEN_OK);
    assert_int_equal(release_all(state, &got), EVENTS * 8 / 10);
    assert_true(want.len > 1000);
    assert_true(pen_slice_eq(pen_buf_slice(&got), pen_buf_slice(&want)));
    remove_runs(dir, names, EPOCHS + 1);
    remove_runs(other, plain, 1);
    pen_buf_fini(&got);
    pen_buf_fini(&want);
}

static void nothing_kept_leaves_no_file(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-rewrite-XXXXXX";
    char names[1][NAME_MAX_BYTES];
    const char *runs[1] = {names[0]};
    assert_non_null(mkdtemp(dir));
    struct pen_state *state = state_open(dir);
    append(state, 0, 1);
    cut(state, 0, names[0]);
    pen_state_free(state);
    struct pen_state_rewrite rewrite = {
        .dir = dir, .runs = runs, .run_count = 1, .epoch = 5, .hash_key = KEY, .keep = keep_none};
    assert_int_equal(pen_state_rewrite(&rewrite, NULL), PEN_OK);
    assert_string_equal(rewrite.name, "");
    assert_int_equal(rewrite.bytes, 0);
    runs[0] = "run-9-9.zst";
    assert_int_equal(pen_state_rewrite(&rewrite, NULL), PEN_E_NOT_FOUND);
    remove_runs(dir, names, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_those_of_the_observations_that_were_kept),
        cmocka_unit_test(nothing_kept_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
