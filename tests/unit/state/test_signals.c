#include "penstock/state.h"

#include "oracle.h"

#include <stdlib.h>

/* Several states that share a folder, as the shards of a run do. */
struct world {
    uint64_t rng;
    char dir[64];
    uint32_t shards;
    struct pen_state *states[SHARDS_MAX];
    char (*names)[STATE_RUN_NAME_MAX]; /* of committed runs */
    uint32_t name_count;
    uint64_t epoch;
    struct book book;
    int64_t end;
};

static void start(struct world *w, uint32_t shards)
{
    w->shards = shards;
    for (uint32_t i = 0; i < shards; i++) {
        const struct pen_state_options o = {.dir = w->dir,
                                            .shard = i,
                                            .shards = shards,
                                            .hash_key = KEY,
                                            .rules = rules,
                                            .rule_count = RULES,
                                            .samples_first = FIRST,
                                            .samples_last = LAST,
                                            .memory_bytes_max = 1 << 30};
        assert_int_equal(pen_state_new(&o, &w->states[i], NULL), PEN_OK);
        for (uint32_t k = 0; k < w->name_count; k++) {
            struct pen_err err = {.text = ""};
            const pen_status s = pen_state_adopt(w->states[i], pen_slice_str(w->names[k]), &err);
            if (s != PEN_OK) {
                fail_msg("%s", err.text);
            }
        }
    }
    for (size_t i = 0; i < w->book.count; i++) {
        w->book.entries[i].opened_times = 0;
        w->book.entries[i].closed_times = 0;
    }
}

static void stop(struct world *w)
{
    for (uint32_t i = 0; i < w->shards; i++) {
        pen_state_free(w->states[i]);
        w->states[i] = NULL;
    }
}

static void commit(struct world *w, struct obs *all, uint32_t count)
{
    for (uint32_t i = 0; i < w->shards; i++) {
        uint64_t bytes = 0;
        char *name = w->names[w->name_count];
        assert_int_equal(
            pen_state_cut(w->states[i], w->epoch, name, STATE_RUN_NAME_MAX, &bytes, NULL), PEN_OK);
        assert_true((bytes > 0) == (name[0] != '\0'));
        w->name_count += name[0] != '\0';
        pen_state_committed(w->states[i], w->epoch);
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i].fed = all[i].fed == 1 ? 2 : all[i].fed;
        all[i].fed = all[i].fed == 3 ? 1 : all[i].fed; /* was fed to the next epoch */
    }
    w->epoch++;
}

static void release(struct world *w, int64_t watermark)
{
    for (uint32_t i = 0; i < w->shards; i++) {
        bool more = true;
        /* Before the end a shard may know of its own events only. */
        pen_state_seen(w->states[i], watermark == INT64_MAX ? w->end : INT64_MIN);
        while (more) {
            const uint32_t steps = 1 + below(&w->rng, 300);
            struct pen_err err = {.text = ""};
            const pen_status s =
                pen_state_release(w->states[i], watermark, steps, keep, &w->book, &more, &err);
            if (s != PEN_OK) {
                fail_msg("%s", err.text);
            }
        }
    }
}

static void run_world(struct world *w, struct obs *all, uint32_t count)
{
    uint32_t *order = calloc(count, sizeof(*order));
    assert_non_null(order);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = below(&w->rng, i + 1);
        order[i] = order[at];
        order[at] = i;
        all[i].fed = 0;
    }
    /* Half of the time roughly in the order of time, so that the watermark moves early. */
    const bool by_time = below(&w->rng, 4) != 0;
    const uint32_t restart_at = below(&w->rng, count);
    bool restarted = false;
    start(w, (const uint32_t[]){1, 2, 3, 7}[below(&w->rng, 4)]);
    for (uint32_t done = 0; done < count; done++) {
        uint32_t pick = UINT32_MAX;
        for (uint32_t i = 0, seen = 0; i < count && seen < 8; i++) {
            struct obs *x = &all[order[i]];
            if (x->fed == 0 && (pick == UINT32_MAX || (by_time && rel(x) < rel(&all[pick])))) {
                pick = order[i];
            }
            seen += !by_time && x->fed == 0;
        }
        struct obs *x = &all[pick];
        const bool ahead = below(&w->rng, 10) == 0;
        const uint32_t p = pen_observation_partition(x->o.rule_id, x->o.group, KEY);
        assert_int_equal(pen_state_append(w->states[p % w->shards], w->epoch + ahead, &x->o, NULL),
                         PEN_OK);
        x->fed = ahead ? 3 : 1;
        if (below(&w->rng, 6) == 0) {
            commit(w, all, count);
        }
        if (below(&w->rng, 12) == 0) {
            int64_t legal = INT64_MAX - 1; /* all that there is may be committed before the end */
            for (uint32_t i = 0; i < count; i++) {
                legal = all[i].fed != 2 && rel(&all[i]) < legal ? rel(&all[i]) : legal;
            }
            release(w, legal - (int64_t)below(&w->rng, 3) * HOUR);
        }
        if (!restarted && done >= restart_at) {
            restarted = true;
            stop(w);
            for (uint32_t i = 0; i < count; i++) {
                done -= all[i].fed == 1 || all[i].fed == 3;
                all[i].fed = all[i].fed == 2 ? 2 : 0;
            }
            start(w, (const uint32_t[]){1, 2, 3, 7}[below(&w->rng, 4)]);
        }
    }
    commit(w, all, count);
    commit(w, all, count); /* what had gone to the next epoch */
    release(w, INT64_MAX);
    stop(w);
    free(order);
}

static void compare(const struct book *got, struct book *want)
{
    for (size_t i = 0; i < got->count; i++) {
        const struct entry *g = &got->entries[i];
        const struct entry *x = book_get(want, g->id);
        assert_string_equal(g->opened, x->opened);
        assert_string_equal(g->closed, x->closed);
        assert_string_equal(g->latest, x->latest);
    }
    assert_int_equal(got->count, want->count);
}

static void signals_depend_on_the_observations_alone(void **unused)
{
    (void)unused;
    const uint64_t seed = 20240131;
    print_message("seed %llu\n", (unsigned long long)seed);
    uint64_t rng = seed;
    for (uint32_t round = 0; round < 24; round++) {
        const uint32_t count = 100 + below(&rng, 900);
        struct obs *all = make_all(&rng, count);
        int64_t end = INT64_MIN;
        for (uint32_t i = 0; i < count; i++) {
            end = all[i].o.time_ns > end ? all[i].o.time_ns : end;
        }
        end += (int64_t)below(&rng, 3) * (HOUR / 2); /* events that matched nothing */
        struct book want = {.count = 0};
        evaluate(all, count, end, &want);
        struct world w = {.rng = next(&rng), .dir = "/tmp/penstock-state-XXXXXX", .end = end};
        assert_non_null(mkdtemp(w.dir));
        w.names = calloc(10000, sizeof(*w.names));
        assert_non_null(w.names);
        run_world(&w, all, count);
        compare(&w.book, &want);
        remove_dir(w.dir);
        free(w.names);
        free(w.book.entries);
        free(want.entries);
        free(all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_depend_on_the_observations_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
