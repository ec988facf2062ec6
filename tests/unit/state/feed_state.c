/*
 * feed_state - gives made rules and observations to the state, for test_oracle_state.py.
 *
 * Standard input is a row of commands, each a letter and its fields: a number is 8 bytes, little
 * endian; a text is its length as a number and the bytes.
 *
 *   S  folder, shards, rules, each: id, method, window, keep-alive, longest duration (ns), whether
 *      it ends at midnight, aggregations, cases (severity, condition; queries are a, b, c, ...),
 *      learning (ns), forgetting (ns), silent values; whether places are known, until when they are
 *      forgotten and learned (ns); of an anomaly bucket and learning (ns), tolerance, baseline or
 *      -1; steps (condition, window and wait in ns)
 *   O  an observation: epoch, rule, query, event time, promise, record, and eleven texts
 *   C  epoch, watermark, largest event time: what came of the epoch is cut, committed, released
 *   P  epoch: a snapshot of all shards; runs that it holds whole, and the snapshot before it, go
 *   K  shards: all memory is lost, so many shards begin anew with what was committed
 *   E  largest event time: the end; everything is released, the states are freed
 *
 * Standard output has a line for each change of a signal, members apart by tabs; those of a list
 * by commas.  One E is followed by a line "end".  Nothing here judges.
 */
#include "penstock/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHARDS_MAX 64U
#define RUNS_MAX 4096U
#define RULES_MAX 256U
#define TEXT_BYTES_MAX ((size_t)16 << 20)

struct made_rule { /* owns what struct pen_state_rule borrows */
    enum pen_aggregation queries[PEN_STATE_QUERIES_MAX];
    struct pen_state_case cases[PEN_STATE_CASES_MAX];
    struct pen_sequence_step steps[PEN_SEQUENCE_STEPS_MAX];
};

static struct pen_arena arena;
static struct made_rule made[RULES_MAX];
static struct pen_state_rule rules[RULES_MAX];
static struct pen_state_options options;
static struct pen_state *states[SHARDS_MAX];
static char runs[RUNS_MAX][64];
static uint32_t run_count;
static char snapshots[SHARDS_MAX][64];
static uint32_t snapshot_count;
static char dir[4096];

static void need(bool is_true, const char *what)
{
    if (!is_true) {
        (void)fprintf(stderr, "feed_state: %s\n", what);
        exit(2); /* NOLINT(concurrency-mt-unsafe): one thread */
    }
}

static void need_ok(pen_status status, const struct pen_err *err)
{
    need(status == PEN_OK, status == PEN_OK ? "" : err->text);
}

static int64_t number(void)
{
    int64_t value = 0;
    need(fread(&value, sizeof(value), 1, stdin) == 1, "the input ends in a number");
    return value;
}

static uint32_t small(int64_t max)
{
    const int64_t value = number();
    need(value >= 0 && value <= max, "a number is out of range");
    return (uint32_t)value;
}

/* Lives until the end of the input's S, or the next observation. */
static pen_slice text(struct pen_arena *owner)
{
    const size_t len = small((int64_t)TEXT_BYTES_MAX);
    uint8_t *bytes = pen_arena_alloc(owner, len + 1, 1);
    need(bytes != NULL && fread(bytes, 1, len, stdin) == len, "the input ends in a text");
    return (pen_slice){bytes, len};
}

static void condition(uint32_t query_count, struct pen_condition *out)
{
    static const pen_slice names[] = {PEN_SLICE_LIT("a"), PEN_SLICE_LIT("b"), PEN_SLICE_LIT("c"),
                                      PEN_SLICE_LIT("d"), PEN_SLICE_LIT("e"), PEN_SLICE_LIT("f")};
    struct pen_err err = {0};
    need(query_count <= PEN_COUNT(names), "too many queries");
    need_ok(pen_condition_parse(&arena, text(&arena), names, query_count, out, &err), &err);
}

static void read_steps(struct made_rule *m, struct pen_state_rule *r)
{
    r->steps = m->steps;
    r->step_count = small(PEN_SEQUENCE_STEPS_MAX);
    for (uint32_t i = 0; i < r->step_count; i++) {
        m->steps[i] = (struct pen_sequence_step){.window_ns = 0};
        condition(r->query_count, &m->steps[i].condition);
        m->steps[i].window_ns = number();
        m->steps[i].wait_ns = number();
    }
}

static void read_rule(uint32_t at)
{
    struct made_rule *m = &made[at];
    struct pen_state_rule *r = &rules[at];
    *r = (struct pen_state_rule){.id = text(&arena), .method = small(PEN_METHOD_ANOMALY)};
    r->window_ns = number();
    r->keep_alive_ns = number();
    r->duration_max_ns = number();
    r->ends_at_midnight = small(1);
    r->query_count = small(PEN_STATE_QUERIES_MAX);
    for (uint32_t i = 0; i < r->query_count; i++) {
        m->queries[i] = small(PEN_PLACE);
    }
    r->case_count = small(PEN_STATE_CASES_MAX);
    for (uint32_t i = 0; i < r->case_count; i++) {
        m->cases[i].severity = small(4);
        m->cases[i].quantile_ppb = small(1000000000);
        condition(r->query_count, &m->cases[i].condition);
    }
    r->queries = m->queries;
    r->cases = m->cases;
    r->new_value.learning_ns = number();
    r->new_value.forget_ns = number();
    r->new_value.silent = small(1);
    r->travel.knows_places = small(1);
    r->travel.forget_ns = number();
    r->travel.learning_ns = number();
    r->anomaly.bucket_ns = number();
    r->anomaly.learning_ns = number();
    r->anomaly.tolerance = small(5);
    r->anomaly.baseline = number();
    r->anomaly.has_baseline = r->anomaly.baseline >= 0;
    read_steps(m, r);
}

static void open_states(uint32_t shards)
{
    struct pen_err err = {0};
    options.shards = shards;
    for (uint32_t i = 0; i < shards; i++) {
        options.shard = i;
        need_ok(pen_state_new(&options, &states[i], &err), &err);
        for (uint32_t at = 0; at < snapshot_count; at++) {
            need_ok(pen_state_load(states[i], pen_slice_str(snapshots[at]), &err), &err);
        }
        for (uint32_t run = 0; run < run_count; run++) {
            need_ok(pen_state_adopt(states[i], pen_slice_str(runs[run]), &err), &err);
        }
    }
}

static void close_states(void)
{
    for (uint32_t i = 0; i < options.shards; i++) {
        pen_state_free(states[i]);
        states[i] = NULL;
    }
}

static void start(void)
{
    pen_arena_fini(&arena);
    pen_arena_init(&arena, TEXT_BYTES_MAX);
    const pen_slice folder = text(&arena);
    need(folder.len < sizeof(dir), "the folder's name is too long");
    memcpy(dir, folder.ptr, folder.len);
    dir[folder.len] = '\0';
    run_count = snapshot_count = 0;
    options = (struct pen_state_options){.dir = dir,
                                         .hash_key = 12345,
                                         .rules = rules,
                                         .samples_first = 10,
                                         .samples_last = 10,
                                         .memory_bytes_max = (uint64_t)256 << 20,
                                         .groups_max = 65536,
                                         .window_events_max = 65536,
                                         .values_max = 65536,
                                         .new_values_max = 1 << 20,
                                         .anomaly_groups_max = 65536,
                                         .places_max = 1 << 10};
    const uint32_t shards = small(SHARDS_MAX);
    options.rule_count = small(RULES_MAX);
    for (uint32_t i = 0; i < options.rule_count; i++) {
        read_rule(i);
    }
    open_states(shards);
}

static void observe(void)
{
    struct pen_err err = {0};
    struct pen_arena words;
    pen_arena_init(&words, TEXT_BYTES_MAX * 2);
    const uint64_t epoch = (uint64_t)number();
    struct pen_observation o = {.rule = small(RULES_MAX - 1), .query = small(INT32_MAX)};
    o.rule_id = rules[o.rule].id;
    o.time_ns = number();
    o.promise_ns = number();
    o.record = (uint64_t)number();
    pen_slice *const texts[] = {&o.event_id, &o.group,      &o.account,    &o.region,
                                &o.actor,    &o.source_ip,  &o.index_name, &o.object,
                                &o.values,   &o.attributes, &o.event};
    for (uint32_t i = 0; i < PEN_COUNT(texts); i++) {
        *texts[i] = text(&words);
    }
    const uint32_t owner =
        pen_observation_partition(o.rule_id, o.group, options.hash_key) % options.shards;
    need_ok(pen_state_append(states[owner], epoch, &o, &err), &err);
    pen_arena_fini(&words);
}

static void print_list(const pen_slice *items, uint32_t count)
{
    (void)putchar('\t');
    for (uint32_t i = 0; i < count; i++) {
        (void)printf("%s%.*s", i == 0 ? "" : ",", PEN_SLICE_FMT(items[i]));
    }
}

static pen_status print_change(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    (void)ctx;
    (void)printf("%d\t%s\t%u\t%" PRId64 "\t%" PRId64 "\t%.*s\t%" PRIu64 "\t", (int)change, s->id,
                 s->rule, s->first_seen_ns, s->last_seen_ns, PEN_SLICE_FMT(s->group),
                 s->events_matched);
    for (uint32_t i = 0; i < s->query_count; i++) {
        (void)printf("%s%" PRIu64, i == 0 ? "" : ",", s->events_per_query[i]);
    }
    (void)printf("\t%" PRId64 "\t%d\t%d\t%d\t%" PRId64,
                 s->case_index == UINT32_MAX ? -1 : (int64_t)s->case_index, s->is_limited,
                 s->closed, s->late, s->closed_at_ns);
    print_list(s->accounts, s->account_count);
    print_list(s->regions, s->region_count);
    print_list(s->actors, s->actor_count);
    print_list(s->source_ips, s->source_ip_count);
    (void)putchar('\t');
    for (uint32_t i = 0; i < s->sample_count; i++) {
        (void)printf("%s%.*s", i == 0 ? "" : ",", PEN_SLICE_FMT(s->samples[i].o.event_id));
    }
    (void)putchar('\n');
    return PEN_OK;
}

static void release(int64_t watermark, int64_t seen)
{
    struct pen_err err = {0};
    for (uint32_t i = 0; i < options.shards; i++) {
        bool more = true;
        pen_state_seen(states[i], seen);
        while (more) {
            need_ok(pen_state_release(states[i], watermark, 7, print_change, NULL, &more, &err),
                    &err);
        }
        const struct pen_state_counters c = pen_state_counters_get(states[i]);
        need(c.evicted + c.groups_evicted + c.window_events_evicted + c.values_limited +
                     c.new_values_evicted + c.places_evicted + c.anomaly_groups_evicted ==
                 0,
             "a limit was met");
    }
}

static void commit(void)
{
    struct pen_err err = {0};
    const uint64_t epoch = (uint64_t)number();
    const int64_t watermark = number();
    const int64_t seen = number();
    for (uint32_t i = 0; i < options.shards; i++) {
        uint64_t bytes = 0;
        need(run_count < RUNS_MAX, "too many runs");
        need_ok(pen_state_cut(states[i], epoch, runs[run_count], sizeof(runs[0]), &bytes, &err),
                &err);
        run_count += runs[run_count][0] != '\0';
        pen_state_committed(states[i], epoch);
    }
    release(watermark, seen);
}

static void forget(const char *name)
{
    char path[sizeof(dir) + 80];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    need(unlink(path) == 0, "a file cannot be removed");
}

/* What a snapshot holds needs no log any more. */
static void snapshot(void)
{
    struct pen_err err = {0};
    const uint64_t epoch = (uint64_t)number();
    int64_t position = INT64_MAX;
    for (uint32_t i = 0; i < snapshot_count; i++) {
        forget(snapshots[i]);
    }
    snapshot_count = options.shards;
    for (uint32_t i = 0; i < options.shards; i++) {
        struct pen_snapshot_info info;
        need_ok(pen_state_snapshot(states[i], epoch, &info, &err), &err);
        memcpy(snapshots[i], info.name, sizeof(info.name));
        position = info.position_ns < position ? info.position_ns : position;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        int64_t last = 0;
        need_ok(pen_state_run_last(dir, runs[i], &last, &err), &err);
        if (last < position) {
            forget(runs[i]);
        } else {
            memmove(runs[kept++], runs[i], sizeof(runs[0]));
        }
    }
    run_count = kept;
}

int main(void)
{
    pen_arena_init(&arena, TEXT_BYTES_MAX);
    for (int command = getchar(); command != EOF; command = getchar()) {
        if (command == 'S') {
            start();
        } else if (command == 'O') {
            observe();
        } else if (command == 'C') {
            commit();
        } else if (command == 'P') {
            snapshot();
        } else if (command == 'K') {
            close_states();
            open_states(small(SHARDS_MAX));
        } else {
            need(command == 'E', "an unknown command");
            release(INT64_MAX, number());
            close_states();
            (void)puts("end");
        }
    }
    pen_arena_fini(&arena);
    return 0;
}
