/* Random events through windows, cases and new values on one to seven shards, against an evaluator
 * that looks at every event of a group again for each of them. */
#include "penstock/state.h"

#include "state_internal.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE (60 * PEN_NS_PER_S)
#define DAY0 (19800 * PEN_NS_PER_DAY)
#define EVENTS 400U
#define GROUPS 3U
#define QUERIES 3U
#define KEY 7U
#define TEXT_MAX 4096U

enum { COUNT, BOTH, FEW, SUMS, LARGEST, ALONE, AFTER, ABSENT, NEW, NEW_SECOND, NEW_SHORT, RULES };

static struct pen_arena arena;
static struct pen_state_rule rules[RULES];
static struct pen_state_case cases[RULES][2];

static const struct {
    const char *name;
    enum pen_method method;
    int64_t window, keep_alive, duration;
    enum pen_aggregation queries[QUERIES];
    const char *conditions[2]; /* the first is severity 3, the second 1 */
    struct pen_new_value new_value;
} specs[RULES] = {
    [COUNT] = {"count",
               PEN_METHOD_THRESHOLD,
               10 * MINUTE,
               15 * MINUTE,
               40 * MINUTE,
               {0},
               {"a > 3", "a > 1"},
               {0}},
    [BOTH] = {"both",
              PEN_METHOD_THRESHOLD,
              10 * MINUTE,
              10 * MINUTE,
              60 * MINUTE,
              {0},
              {"a > 1 && b > 0", "c >= 2"},
              {0}},
    [FEW] = {"few",
             PEN_METHOD_THRESHOLD,
             15 * MINUTE,
             20 * MINUTE,
             60 * MINUTE,
             {PEN_CARDINALITY, PEN_COUNT_EVENTS, PEN_CARDINALITY},
             {"a > 2", "c > 1 && b > 0"},
             {0}},
    [SUMS] = {"sums",
              PEN_METHOD_THRESHOLD,
              10 * MINUTE,
              10 * MINUTE,
              30 * MINUTE,
              {PEN_SUM, PEN_COUNT_EVENTS, PEN_COUNT_EVENTS},
              {"a > 20", "a < 0"},
              {0}},
    [LARGEST] = {"largest",
                 PEN_METHOD_THRESHOLD,
                 10 * MINUTE,
                 10 * MINUTE,
                 30 * MINUTE,
                 {PEN_MAX, PEN_COUNT_EVENTS, PEN_MAX},
                 {"a > 8", "c < 0"},
                 {0}},
    [ALONE] = {"alone",
               PEN_METHOD_THRESHOLD,
               0,
               0,
               0,
               {PEN_COUNT_EVENTS, PEN_CARDINALITY, PEN_COUNT_EVENTS},
               {"a > 0 && b > 1", "c > 0"},
               {0}},
    [AFTER] = {"after",
               PEN_METHOD_THRESHOLD,
               20 * MINUTE,
               20 * MINUTE,
               60 * MINUTE,
               {0},
               {"a > 1 THEN b > 0", NULL},
               {0}},
    [ABSENT] = {"absent",
                PEN_METHOD_THRESHOLD,
                5 * MINUTE,
                5 * MINUTE,
                60 * MINUTE,
                {0},
                {"a > 0 && b < 1", NULL},
                {0}},
    [NEW] = {"new",
             PEN_METHOD_NEW_VALUE,
             0,
             15 * MINUTE,
             60 * MINUTE,
             {0},
             {"", NULL},
             {60 * MINUTE, 120 * MINUTE, 0}},
    [NEW_SECOND] = {"second", PEN_METHOD_NEW_VALUE, 0, 0, 0, {0}, {"", NULL}, {0, 400 * MINUTE, 1}},
    [NEW_SHORT] = {"short",
                   PEN_METHOD_NEW_VALUE,
                   0,
                   5 * MINUTE,
                   5 * MINUTE,
                   {0},
                   {"", NULL},
                   {0, 10 * MINUTE, 0}},
};

static void rules_make(void)
{
    static const pen_slice names[QUERIES] = {PEN_SLICE_LIT("a"), PEN_SLICE_LIT("b"),
                                             PEN_SLICE_LIT("c")};
    for (uint32_t r = 0; r < RULES; r++) {
        uint32_t n = 0;
        for (; n < 2 && specs[r].conditions[n] != NULL; n++) {
            cases[r][n].severity = n == 0 ? 3 : 1;
            assert_int_equal(pen_condition_parse(&arena, pen_slice_str(specs[r].conditions[n]),
                                                 names, QUERIES, &cases[r][n].condition, NULL),
                             PEN_OK);
        }
        rules[r] = (struct pen_state_rule){.id = pen_slice_str(specs[r].name),
                                           .method = specs[r].method,
                                           .window_ns = specs[r].window,
                                           .keep_alive_ns = specs[r].keep_alive,
                                           .duration_max_ns = specs[r].duration,
                                           .queries = specs[r].queries,
                                           .query_count = QUERIES,
                                           .cases = cases[r],
                                           .case_count = n,
                                           .new_value = specs[r].new_value};
    }
}

static uint64_t next(uint64_t *x)
{
    *x += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *x;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t below(uint64_t *x, uint32_t n)
{
    return (uint32_t)(next(x) % n);
}

/* ---- events ---- */

#define VALUES_MAX 3U
struct event {
    int64_t time, promise;
    uint32_t rule, group, queries;
    char id[24];
    int values[QUERIES][VALUES_MAX]; /* of sum and max the first */
    uint32_t value_count[QUERIES];
};

static int64_t rel(const struct event *e)
{
    return e->time > e->promise ? e->time : e->promise;
}

static int by_release(const void *pa, const void *pb)
{
    const struct event *a = pa;
    const struct event *b = pb;
    if (rel(a) != rel(b)) {
        return rel(a) < rel(b) ? -1 : 1;
    }
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return strcmp(a->id, b->id);
}

static void events_make(struct event *events, uint64_t *rng)
{
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct event *e = &events[i];
        *e = (struct event){.rule = below(rng, RULES),
                            .group = below(rng, GROUPS),
                            .time = DAY0 + (int64_t)below(rng, 400) * MINUTE,
                            .promise = INT64_MIN};
        if (i > 0 && below(rng, 3) > 0) { /* at, or one beside, a bound from another one */
            e->time = events[i - 1].time + specs[e->rule].window + (int64_t)below(rng, 3) - 1;
        }
        if (below(rng, 10) == 0) { /* late */
            e->promise = e->time + 1 + (int64_t)below(rng, 100) * MINUTE;
        }
        const bool has_one = specs[e->rule].method == PEN_METHOD_NEW_VALUE;
        e->queries = has_one ? 1 : 1 + below(rng, 7);
        (void)snprintf(e->id, sizeof(e->id), "%x-%u", below(rng, 1 << 30), i);
        for (uint32_t q = 0; q < QUERIES; q++) {
            const bool is_number =
                specs[e->rule].queries[q] == PEN_SUM || specs[e->rule].queries[q] == PEN_MAX;
            const bool has_values = has_one || specs[e->rule].queries[q] != PEN_COUNT_EVENTS;
            e->value_count[q] = !has_values ? 0 : below(rng, is_number ? 2 : VALUES_MAX + 1);
            for (uint32_t v = 0; v < e->value_count[q]; v++) {
                e->values[q][v] = (int)below(rng, 15) - 5;
            }
        }
    }
    qsort(events, EVENTS, sizeof(*events), by_release);
}

/* ---- what signals a reader sees ---- */

struct book {
    char *lines[EVENTS * 2];
    uint32_t count;
};

static void book_add(struct book *b, const char *text)
{
    assert_true(b->count < PEN_COUNT(b->lines));
    b->lines[b->count++] = strdup(text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void book_free(struct book *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        free(b->lines[i]);
    }
}

/* One line for each signal at its end. */
static void line_of(char out[TEXT_MAX], uint32_t rule, uint32_t group, const int64_t times[2],
                    const uint64_t counts[1 + QUERIES], uint32_t case_index)
{
    (void)snprintf(
        out, TEXT_MAX, "%s g%u first %lld last %lld events %llu (%llu %llu %llu) case %u",
        specs[rule].name, group, (long long)(times[0] - DAY0), (long long)(times[1] - DAY0),
        (unsigned long long)counts[0], (unsigned long long)counts[1], (unsigned long long)counts[2],
        (unsigned long long)counts[3], case_index);
}

struct seen { /* the latest state of each signal */
    char id[33];
    char line[TEXT_MAX];
};
struct reader {
    struct seen *seen;
    uint32_t count;
};

static pen_status on_signal(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    struct reader *r = ctx;
    uint32_t at = 0;
    while (at < r->count && strcmp(r->seen[at].id, s->id) != 0) {
        at++;
    }
    assert_int_equal(at == r->count, change == PEN_SIGNAL_OPENED);
    assert_true(at < EVENTS * 2);
    r->count += at == r->count;
    memcpy(r->seen[at].id, s->id, sizeof(s->id));
    const int64_t times[2] = {s->first_seen_ns, s->last_seen_ns};
    uint64_t counts[1 + QUERIES] = {s->events_matched};
    for (uint32_t q = 0; q < s->query_count; q++) {
        counts[1 + q] = s->events_per_query[q];
    }
    assert_true(s->sample_count > 0 && s->sample_count <= s->events_matched);
    line_of(r->seen[at].line, s->rule, (uint32_t)(s->group.ptr[1] - '0'), times, counts,
            s->case_index);
    return PEN_OK;
}

/* ---- through the state ---- */

static void values_text(const struct event *e, uint32_t q, char out[128])
{
    size_t len = 0;
    const bool is_number =
        specs[e->rule].queries[q] == PEN_SUM || specs[e->rule].queries[q] == PEN_MAX;
    out[0] = '\0';
    for (uint32_t v = 0; v < e->value_count[q]; v++) {
        const char *quote = is_number ? "" : "\"";
        len += (size_t)snprintf(out + len, 128 - len, "%s%s%d%s", v == 0 ? "" : "\n", quote,
                                e->values[q][v], quote);
    }
}

/* The queries that the observation of query q tells of: some events have one for all, some one for
 * each, and some one for the first and the last. */
static uint32_t told_with(const struct event *e, uint32_t q)
{
    static const uint32_t ways[] = {0, 7, 5};
    const uint32_t way = ways[((uint8_t)e->id[0] + e->group) % PEN_COUNT(ways)];
    const bool is_alone = specs[e->rule].method != PEN_METHOD_THRESHOLD || ((way >> q) & 1U) == 0;
    return e->queries & (is_alone ? 1U << q : way);
}

static void all_values(const struct event *e, uint32_t told, char out[512])
{
    size_t len = 0;
    for (; told != 0; told &= told - 1) {
        char values[128];
        values_text(e, (uint32_t)__builtin_ctz(told), values);
        len += (size_t)snprintf(out + len, 512 - len, "%s%s", values,
                                (told & (told - 1)) != 0 ? "\x1e" : "");
    }
}

static void append(struct pen_state **states, uint32_t shards, const struct event *e,
                   uint64_t epoch)
{
    char group[16];
    (void)snprintf(group, sizeof(group), "{%u}", e->group);
    for (uint32_t q = 0; q < QUERIES; q++) {
        char values[512];
        if (((e->queries >> q) & 1U) == 0 || (told_with(e, q) & ((1U << q) - 1)) != 0) {
            continue; /* it has none, or one before told it */
        }
        all_values(e, told_with(e, q), values);
        const struct pen_observation o = {.rule = e->rule,
                                          .rule_id = rules[e->rule].id,
                                          .query = q,
                                          .others = told_with(e, q) & ~(1U << q),
                                          .time_ns = e->time,
                                          .promise_ns = e->promise,
                                          .event_id = pen_slice_str(e->id),
                                          .group = pen_slice_str(group),
                                          .values = pen_slice_str(values),
                                          .object = PEN_SLICE_LIT("o")};
        const uint32_t owner = pen_observation_partition(o.rule_id, o.group, KEY) % shards;
        assert_int_equal(pen_state_append(states[owner], epoch, &o, NULL), PEN_OK);
        if (e->id[0] == '1') { /* delivered twice */
            assert_int_equal(pen_state_append(states[owner], epoch, &o, NULL), PEN_OK);
        }
    }
}

static void release(struct pen_state *state, int64_t watermark, uint32_t steps, struct reader *r)
{
    bool more = true;
    while (more) {
        assert_int_equal(pen_state_release(state, watermark, steps, on_signal, r, &more, NULL),
                         PEN_OK);
    }
}

/* Events come in any order in two epochs; what is below the watermark is released between. */
static void run(const struct event *events, uint32_t shards, uint64_t *rng, struct reader *r)
{
    char dir[] = "/tmp/penstock-state-XXXXXX";
    struct pen_state *states[7];
    int64_t last = INT64_MIN;
    assert_non_null(mkdtemp(dir));
    for (uint32_t s = 0; s < shards; s++) {
        const struct pen_state_options o = {.dir = dir,
                                            .shard = s,
                                            .shards = shards,
                                            .hash_key = KEY,
                                            .rules = rules,
                                            .rule_count = RULES,
                                            .samples_first = 3,
                                            .samples_last = 2,
                                            .memory_bytes_max = 1 << 30,
                                            .groups_max = 1000,
                                            .window_events_max = 10000,
                                            .values_max = 1000,
                                            .new_values_max = 100000};
        assert_int_equal(pen_state_new(&o, &states[s], NULL), PEN_OK);
    }
    const int64_t middle = rel(&events[EVENTS / 2]);
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        const uint32_t from = below(rng, EVENTS);
        for (uint32_t k = 0; k < EVENTS; k++) {
            const struct event *e = &events[(k + from) % EVENTS];
            last = e->time > last ? e->time : last;
            if ((rel(e) < middle) == (epoch == 0)) {
                append(states, shards, e, epoch);
            }
        }
        for (uint32_t s = 0; s < shards; s++) {
            char name[STATE_RUN_NAME_MAX];
            uint64_t bytes = 0;
            assert_int_equal(pen_state_cut(states[s], epoch, name, sizeof(name), &bytes, NULL),
                             PEN_OK);
            pen_state_committed(states[s], epoch);
            pen_state_seen(states[s], last);
            release(states[s], epoch == 0 ? middle : INT64_MAX, 1 + below(rng, 9), r);
        }
    }
    for (uint32_t s = 0; s < shards; s++) {
        const struct pen_state_counters c = pen_state_counters_get(states[s]);
        assert_int_equal(c.groups_evicted + c.window_events_evicted + c.values_limited +
                             c.new_values_evicted,
                         0);
        pen_state_free(states[s]);
    }
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* ---- the plain evaluator: one rule, one group ---- */

struct past {
    const struct event *events[EVENTS];
    uint32_t count; /* in the order of release, all that came */
};

/* The events that a window at `now` holds: those of the group since it was last idle for the length
 * of the window, that no event before had pushed out, by time. */
static uint32_t window_of(const struct past *past, uint32_t now, const struct event **out)
{
    const int64_t w = specs[past->events[now]->rule].window;
    uint32_t n = 0;
    for (uint32_t i = 0; i <= now; i++) {
        const struct event *e = past->events[i];
        if (w == 0 || (i > 0 && rel(e) - rel(past->events[i - 1]) >= w)) {
            n = 0;
        }
        uint32_t kept = 0;
        for (uint32_t k = 0; k < n; k++) {
            if (out[k]->time > e->time - w) {
                out[kept++] = out[k];
            }
        }
        n = kept;
        uint32_t at = n++;
        for (; at > 0 && out[at - 1]->time > e->time; at--) {
            out[at] = out[at - 1];
        }
        out[at] = e;
    }
    uint32_t end = 0;
    while (end < n && out[end]->time <= past->events[now]->time) {
        end++;
    }
    return end;
}

static void quantities(const struct event *const *window, uint32_t from, uint32_t to,
                       pen_quantity out[QUERIES])
{
    for (uint32_t q = 0; q < QUERIES; q++) {
        bool known[64] = {false};
        long total = 0;
        long largest = 0;
        uint32_t distinct = 0;
        uint32_t count = 0;
        bool has_any = false;
        enum pen_aggregation kind = PEN_COUNT_EVENTS;
        for (uint32_t i = from; i < to; i++) {
            const struct event *e = window[i];
            kind = specs[e->rule].queries[q];
            if (((e->queries >> q) & 1U) == 0) {
                continue;
            }
            count++;
            for (uint32_t v = 0; v < e->value_count[q]; v++) {
                const int value = e->values[q][v];
                distinct += !known[value + 10];
                known[value + 10] = true;
                total += value;
                largest = !has_any || value > largest ? value : largest;
                has_any = true;
            }
        }
        const long all[] = {[PEN_COUNT_EVENTS] = count,
                            [PEN_CARDINALITY] = distinct,
                            [PEN_SUM] = total,
                            [PEN_MAX] = largest};
        out[q] = all[kind] * PEN_QUANTITY_ONE;
    }
}

static bool case_is_true(const struct pen_condition *c, const struct event *const *window,
                         uint32_t count)
{
    pen_quantity q[QUERIES];
    if (c->then_count == 0) {
        quantities(window, 0, count, q);
        return pen_condition_eval(c, 0, c->count, q);
    }
    for (uint32_t split = 1; split <= count; split++) {
        quantities(window, 0, split, q);
        if (pen_condition_eval(c, 0, c->then_count, q)) {
            quantities(window, split, count, q);
            return pen_condition_eval(c, c->then_count, c->count, q);
        }
    }
    return false;
}

static uint32_t true_case(const struct past *past, uint32_t now, const struct event **window,
                          uint32_t *count)
{
    const uint32_t rule = past->events[now]->rule;
    *count = window_of(past, now, window);
    for (uint32_t i = 0; i < rules[rule].case_count; i++) {
        if (case_is_true(&cases[rule][i].condition, window, *count)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static int64_t longest_ago(const struct past *past, uint32_t now, int value)
{
    int64_t seen = INT64_MIN;
    for (uint32_t i = 0; i < now; i++) {
        const struct event *e = past->events[i];
        for (uint32_t v = 0; v < e->value_count[0]; v++) {
            if (e->values[0][v] == value && e->time > seen) {
                seen = e->time;
            }
        }
    }
    return seen;
}

/* Whether the event is news: a value that its group does not know. */
static uint32_t new_case(const struct past *past, uint32_t now, const struct event **window,
                         uint32_t *count)
{
    const struct event *e = past->events[now];
    const struct pen_new_value *n = &specs[e->rule].new_value;
    uint32_t first = 0;
    while (past->events[first]->value_count[0] == 0 && first < now) {
        first++;
    }
    window[0] = e;
    *count = 1;
    if (e->time < past->events[first]->time + n->learning_ns) {
        return UINT32_MAX;
    }
    /* Of the first event's values the first one alone is learned in silence. */
    for (uint32_t v = 0; v < e->value_count[0]; v++) {
        const int64_t seen = longest_ago(past, now, e->values[0][v]);
        const bool is_silent = n->silent > 0 && first == now && e->values[0][v] == e->values[0][0];
        if (!is_silent && (seen == INT64_MIN || e->time > seen + n->forget_ns)) {
            return 0;
        }
    }
    return UINT32_MAX;
}

struct open {
    bool is_open;
    int64_t first, last, first_release, last_release;
    uint64_t counts[1 + QUERIES], waiting[1 + QUERIES];
    uint32_t case_index;
};

static void count_events(const struct event *const *window, uint32_t count,
                         uint64_t out[1 + QUERIES])
{
    for (uint32_t i = 0; i < count; i++) {
        out[0]++;
        for (uint32_t q = 0; q < QUERIES; q++) {
            out[1 + q] += (window[i]->queries >> q) & 1U;
        }
    }
}

static bool continues(const struct open *o, const struct event *e)
{
    const int64_t keep = specs[e->rule].keep_alive;
    const int64_t max = specs[e->rule].duration;
    return o->is_open && keep > 0 && rel(e) - o->last_release <= keep &&
           rel(e) - o->first_release < max && e->time - o->last <= keep && e->time - o->first < max;
}

static void finish(struct open *o, const struct event *e, struct book *book)
{
    char line[TEXT_MAX];
    const int64_t times[2] = {o->first, o->last};
    if (o->is_open) {
        if (specs[e->rule].method == PEN_METHOD_NEW_VALUE) {
            o->counts[2] = o->counts[3] = 0;
        }
        line_of(line, e->rule, e->group, times, o->counts, o->case_index);
        book_add(book, line);
    }
    *o = (struct open){.is_open = false};
}

static void step(struct open *o, const struct past *past, uint32_t now, struct book *book)
{
    static const struct event *window[EVENTS];
    const struct event *e = past->events[now];
    uint32_t count = 0;
    const bool is_new = specs[e->rule].method == PEN_METHOD_NEW_VALUE;
    if (is_new && e->value_count[0] == 0) {
        return;
    }
    const uint32_t index =
        is_new ? new_case(past, now, window, &count) : true_case(past, now, window, &count);
    const bool goes_on = continues(o, e);
    if (index == UINT32_MAX) {
        if (goes_on) {
            count_events(&e, 1, o->waiting);
        }
        return;
    }
    if (!goes_on) {
        finish(o, e, book);
        *o = (struct open){.is_open = true,
                           .first = e->time,
                           .last = e->time,
                           .first_release = rel(e),
                           .case_index = index};
        count_events(window, count, o->counts);
    } else {
        count_events(&e, 1, o->waiting);
        for (uint32_t i = 0; i < 1 + QUERIES; i++) {
            o->counts[i] += o->waiting[i];
            o->waiting[i] = 0;
        }
        o->case_index = index < o->case_index ? index : o->case_index;
    }
    o->last = e->time > o->last ? e->time : o->last;
    o->last_release = rel(e);
}

static void evaluate(const struct event *events, struct book *book)
{
    static struct past past;
    for (uint32_t r = 0; r < RULES; r++) {
        for (uint32_t g = 0; g < GROUPS; g++) {
            struct open open = {.is_open = false};
            const struct event *last = NULL;
            past.count = 0;
            for (uint32_t i = 0; i < EVENTS; i++) {
                if (events[i].rule == r && events[i].group == g) {
                    past.events[past.count++] = last = &events[i];
                    step(&open, &past, past.count - 1, book);
                }
            }
            if (last != NULL) {
                finish(&open, last, book);
            }
        }
    }
}

/* ---- tests ---- */

static void signals_are_those_of_the_plain_evaluator(void **unused)
{
    (void)unused;
    static const uint32_t shards[] = {1, 2, 3, 7};
    static struct event events[EVENTS];
    uint32_t per_rule[RULES] = {0};
    struct seen *seen = calloc((size_t)EVENTS * 2, sizeof(*seen));
    assert_non_null(seen);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t rng = seed;
        struct book wanted = {.count = 0};
        struct reader got = {.seen = seen};
        events_make(events, &rng);
        evaluate(events, &wanted);
        run(events, shards[seed % PEN_COUNT(shards)], &rng, &got);
        char *lines[EVENTS * 2];
        for (uint32_t i = 0; i < got.count; i++) {
            lines[i] = got.seen[i].line;
        }
        qsort(lines, got.count, sizeof(*lines), by_text);
        qsort(wanted.lines, wanted.count, sizeof(*wanted.lines), by_text);
        for (uint32_t i = 0; i < wanted.count && i < got.count; i++) {
            if (strcmp(wanted.lines[i], lines[i]) != 0) {
                fail_msg("seed %llu\nwanted %s\ngot    %s", (unsigned long long)seed,
                         wanted.lines[i], lines[i]);
            }
        }
        assert_int_equal(got.count, wanted.count);
        for (uint32_t i = 0; i < wanted.count; i++) {
            for (uint32_t r = 0; r < RULES; r++) {
                const size_t len = strlen(specs[r].name);
                per_rule[r] += strncmp(wanted.lines[i], specs[r].name, len) == 0 &&
                               wanted.lines[i][len] == ' ';
            }
        }
        book_free(&wanted);
    }
    for (uint32_t r = 0; r < RULES; r++) {
        if (per_rule[r] < 20) { /* else the test says little of it */
            fail_msg("rule %s: %u signals", specs[r].name, per_rule[r]);
        }
    }
    free(seen);
}

static int arena_open(void **unused)
{
    (void)unused;
    pen_arena_init(&arena, 1 << 20);
    rules_make();
    return 0;
}

static int arena_close(void **unused)
{
    (void)unused;
    pen_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_those_of_the_plain_evaluator),
    };
    return cmocka_run_group_tests(tests, arena_open, arena_close);
}
