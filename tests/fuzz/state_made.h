/* A state with rules of three methods, for targets that give it files. */
#ifndef FUZZ_STATE_MADE_H
#define FUZZ_STATE_MADE_H

#include "penstock/state.h"

#include <stdio.h>

#define MADE_DIR "/tmp/penstock-fuzz-state-XXXXXX"
#define MADE_KEY 7U

static const enum pen_aggregation made_queries[] = {PEN_COUNT_EVENTS, PEN_CARDINALITY, PEN_SUM,
                                                    PEN_MAX};
static const struct pen_state_rule made_rules[] = {
    {.id = PEN_SLICE_LIT("m"), .keep_alive_ns = 60, .duration_max_ns = 600},
    {.id = PEN_SLICE_LIT("t"),
     .method = PEN_METHOD_THRESHOLD,
     .window_ns = 100,
     .keep_alive_ns = 60,
     .duration_max_ns = 600,
     .queries = made_queries,
     .query_count = 4},
    {.id = PEN_SLICE_LIT("n"),
     .method = PEN_METHOD_NEW_VALUE,
     .keep_alive_ns = 60,
     .duration_max_ns = 600,
     .queries = made_queries,
     .query_count = 1}};

static inline pen_status made_ignore(void *ctx, enum pen_signal_change change,
                                     const struct pen_signal *signal)
{
    (void)ctx;
    (void)change;
    PEN_CHECK(signal->rule < PEN_COUNT(made_rules));
    return PEN_OK;
}

static inline struct pen_state *made_state(const char *dir)
{
    const struct pen_state_options options = {.dir = dir,
                                              .shards = 1,
                                              .hash_key = MADE_KEY,
                                              .rules = made_rules,
                                              .rule_count = PEN_COUNT(made_rules),
                                              .samples_first = 2,
                                              .samples_last = 2,
                                              .memory_bytes_max = 1 << 24,
                                              .groups_max = 100,
                                              .window_events_max = 100,
                                              .values_max = 100,
                                              .new_values_max = 10000,
                                              .places_max = 10};
    struct pen_state *state = NULL;
    PEN_CHECK(pen_state_new(&options, &state, NULL) == PEN_OK);
    return state;
}

static inline void made_file(const char *path, pen_slice bytes)
{
    FILE *file = fopen(path, "we");
    PEN_CHECK(file != NULL && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    PEN_CHECK(fclose(file) == 0);
}

/* What was taken releases to its end; what was refused has a reason. */
static inline void made_release(struct pen_state *state, pen_status st, struct pen_err *err)
{
    bool more = true;
    while (st == PEN_OK && more) {
        st = pen_state_release(state, INT64_MAX, 100, made_ignore, NULL, &more, err);
    }
    PEN_CHECK(st == PEN_OK || err->status == st);
}

#endif
