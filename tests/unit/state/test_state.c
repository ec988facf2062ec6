#include "penstock/state.h"

#include "state_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

#define HOUR (3600 * PEN_NS_PER_S)
#define RULES 4u
#define GROUPS 5u
#define FIRST 3u
#define LAST 2u
#define KEY 99u
#define SHARDS_MAX 7u

static const struct pen_state_rule rules[RULES] = {
    {{(const uint8_t *)"sigma", 5}, HOUR, 24 * HOUR, true},
    {{(const uint8_t *)"once", 4}, 0, 24 * HOUR, true},
    {{(const uint8_t *)"short", 5}, HOUR / 6, HOUR / 2, false},
    {{(const uint8_t *)"long", 4}, HOUR, 5 * HOUR, false},
};

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

/* ---- what a reader of the callbacks would keep: by signal id ---- */

#define CONTENT_MAX 1024u
struct entry {
    char id[33];
    char opened[CONTENT_MAX], closed[CONTENT_MAX], latest[CONTENT_MAX];
    uint32_t opened_times, closed_times; /* since the last restart */
};
struct book {
    struct entry *entries;
    size_t count, cap;
};

static struct entry *book_get(struct book *b, const char *id)
{
    for (size_t i = 0; i < b->count; i++) {
        if (memcmp(b->entries[i].id, id, 33) == 0) {
            return &b->entries[i];
        }
    }
    if (b->count == b->cap) {
        b->cap = b->cap == 0 ? 256 : b->cap * 2;
        b->entries = reallocarray(b->entries, b->cap, sizeof(*b->entries));
        assert_non_null(b->entries);
    }
    struct entry *e = &b->entries[b->count++];
    memset(e, 0, sizeof(*e));
    memcpy(e->id, id, 33);
    return e;
}

static void describe(char out[CONTENT_MAX], const struct pen_signal *s)
{
    struct pen_buf buf;
    pen_buf_init(&buf, CONTENT_MAX - 1);
    pen_status st =
        pen_buf_printf(&buf, "%u %.*s %lld %lld %llu %d %d %lld", s->rule, PEN_SLICE_FMT(s->group),
                       (long long)s->first_seen_ns, (long long)s->last_seen_ns,
                       (unsigned long long)s->events_matched, s->closed, s->late,
                       (long long)(s->closed ? s->closed_at_ns : 0));
    assert_int_equal(st, PEN_OK);
    const pen_slice *sets[4] = {s->accounts, s->regions, s->actors, s->source_ips};
    const uint32_t counts[4] = {s->account_count, s->region_count, s->actor_count,
                                s->source_ip_count};
    for (uint32_t k = 0; k < 4; k++) {
        for (uint32_t i = 0; i < counts[k]; i++) {
            assert_int_equal(
                pen_buf_printf(&buf, "%s%.*s", i == 0 ? " [" : ",", PEN_SLICE_FMT(sets[k][i])),
                PEN_OK);
        }
    }
    for (uint32_t i = 0; i < s->sample_count; i++) {
        assert_int_equal(pen_buf_printf(&buf, " %c%.*s", s->samples[i].is_last ? 'l' : 'f',
                                        PEN_SLICE_FMT(s->samples[i].o.event_id)),
                         PEN_OK);
        assert_int_equal(s->samples[i].o.rule, s->rule);
    }
    memcpy(out, buf.ptr, buf.len);
    out[buf.len] = '\0';
    pen_buf_fini(&buf);
}

static pen_status keep(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    struct entry *e = book_get(ctx, s->id);
    char text[CONTENT_MAX];
    describe(text, s);
    if (change == PEN_SIGNAL_OPENED) {
        e->opened_times++;
        if (e->opened[0] != '\0') {
            assert_string_equal(e->opened, text); /* the same again after a restart */
        }
        memcpy(e->opened, text, sizeof(text));
    }
    if (change == PEN_SIGNAL_CLOSED) {
        e->closed_times++;
        if (e->closed[0] != '\0') {
            assert_string_equal(e->closed, text);
        }
        memcpy(e->closed, text, sizeof(text));
    }
    assert_true(e->opened_times == 1);
    assert_true(e->closed_times <= 1);
    assert_true(s->closed == (change == PEN_SIGNAL_CLOSED));
    memcpy(e->latest, text, sizeof(text));
    return PEN_OK;
}

/* ---- random observations ---- */

struct obs {
    struct pen_observation o;
    char event_id[24], group[16], account[16], region[8], actor[8], ip[16], object[16];
    uint32_t fed; /* 0 not yet, 1 in an epoch that is not committed, 2 committed */
};

static void obs_link(struct obs *x)
{
    x->o.rule_id = rules[x->o.rule].id;
    x->o.event_id = pen_slice_str(x->event_id);
    x->o.group = pen_slice_str(x->group);
    x->o.account = pen_slice_str(x->account);
    x->o.region = pen_slice_str(x->region);
    x->o.actor = pen_slice_str(x->actor);
    x->o.source_ip = pen_slice_str(x->ip);
    x->o.object = pen_slice_str(x->object);
}

static struct obs *make_all(uint64_t *rng, uint32_t count)
{
    static const int64_t steps[] = {0, 1, HOUR / 12, HOUR / 2, HOUR, 2 * HOUR};
    struct obs *all = calloc(count, sizeof(*all));
    assert_non_null(all);
    const int64_t day0 = 19800 * PEN_NS_PER_DAY;
    for (uint32_t i = 0; i < count; i++) {
        struct obs *x = &all[i];
        if (i > 0 && below(rng, 10) == 0) { /* the same event, read from another object */
            *x = all[below(rng, i)];
            (void)snprintf(x->object, sizeof(x->object), "copy-%u", i);
            obs_link(x);
            continue;
        }
        x->o.rule = below(rng, RULES);
        x->o.time_ns = day0 + (int64_t)below(rng, 4 * 24 * 4) * (HOUR / 4);
        if (i > 0 && below(rng, 2) == 0) { /* close to, or exactly at a bound from another */
            const int64_t step = steps[below(rng, PEN_COUNT(steps))];
            x->o.time_ns = all[below(rng, i)].o.time_ns + step;
        }
        x->o.promise_ns = INT64_MIN;
        if (below(rng, 2) == 0) {
            x->o.promise_ns = (x->o.time_ns / PEN_NS_PER_DAY - 1) * PEN_NS_PER_DAY;
        }
        if (below(rng, 12) == 0) {
            x->o.promise_ns = x->o.time_ns + 1 + (int64_t)below(rng, 48) * (HOUR / 2);
            if (below(rng, 2) == 0) {
                x->o.promise_ns += PEN_NS_PER_DAY - x->o.promise_ns % PEN_NS_PER_DAY;
            }
        }
        x->o.record = i;
        (void)snprintf(x->event_id, sizeof(x->event_id), "%x-%u", below(rng, 1 << 30), i);
        (void)snprintf(x->group, sizeof(x->group), "{\"g\":%u}", below(rng, GROUPS));
        (void)snprintf(x->account, sizeof(x->account), "acc%u", below(rng, 3));
        (void)snprintf(x->region, sizeof(x->region), "r%u", below(rng, 3));
        (void)snprintf(x->actor, sizeof(x->actor), "a%u", below(rng, 3));
        (void)snprintf(x->ip, sizeof(x->ip), "192.0.2.%u", below(rng, 30));
        (void)snprintf(x->object, sizeof(x->object), "object-%u", below(rng, 50));
        obs_link(x);
    }
    return all;
}

/* ---- the plain evaluator ---- */

struct plain {
    const struct obs **events;
    uint32_t count;
    bool open;
};

static int64_t rel(const struct obs *x)
{
    return x->o.time_ns > x->o.promise_ns ? x->o.time_ns : x->o.promise_ns;
}

static int plain_order(const void *pa, const void *pb)
{
    const struct obs *a = *(const struct obs *const *)pa;
    const struct obs *b = *(const struct obs *const *)pb;
    if (rel(a) != rel(b)) {
        return rel(a) < rel(b) ? -1 : 1;
    }
    if (a->o.time_ns != b->o.time_ns) {
        return a->o.time_ns < b->o.time_ns ? -1 : 1;
    }
    int c = strcmp(a->event_id, b->event_id);
    c = c != 0 ? c : pen_slice_cmp(a->o.rule_id, b->o.rule_id);
    return c != 0 ? c : strcmp(a->object, b->object);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t text_set_of(const struct plain *p, size_t field, pen_slice out[20])
{
    const char *texts[20];
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const char *t = (const char *)p->events[i] + field;
        bool known = n == 20;
        for (uint32_t k = 0; k < n && !known; k++) {
            known = strcmp(texts[k], t) == 0;
        }
        if (!known) {
            texts[n++] = t;
        }
    }
    qsort(texts, n, sizeof(texts[0]), by_text);
    for (uint32_t k = 0; k < n; k++) {
        out[k] = pen_slice_str(texts[k]);
    }
    return n;
}

static int64_t min3(int64_t a, int64_t b, int64_t c)
{
    const int64_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static int64_t midnight_after(const struct pen_state_rule *r, int64_t t)
{
    return r->ends_at_midnight ? (t / PEN_NS_PER_DAY + 1) * PEN_NS_PER_DAY : INT64_MAX;
}

static int64_t plain_last(const struct plain *p)
{
    int64_t last = INT64_MIN;
    for (uint32_t i = 0; i < p->count; i++) {
        last = p->events[i]->o.time_ns > last ? p->events[i]->o.time_ns : last;
    }
    return last;
}

static int64_t plain_bound(const struct plain *p)
{
    const struct pen_state_rule *r = &rules[p->events[0]->o.rule];
    const int64_t first = p->events[0]->o.time_ns;
    return min3(plain_last(p) + r->keep_alive_ns, first + r->duration_max_ns,
                midnight_after(r, first));
}

static bool plain_continues(const struct plain *p, const struct obs *x)
{
    const struct pen_state_rule *r = &rules[x->o.rule];
    const struct obs *first = p->events[0];
    const int64_t now = rel(x);
    const int64_t t = x->o.time_ns;
    return r->keep_alive_ns > 0 && now - rel(p->events[p->count - 1]) <= r->keep_alive_ns &&
           now - rel(first) < r->duration_max_ns && now < midnight_after(r, rel(first)) &&
           t - plain_last(p) <= r->keep_alive_ns && t - first->o.time_ns < r->duration_max_ns &&
           midnight_after(r, t) == midnight_after(r, first->o.time_ns);
}

static void plain_describe(const struct plain *p, uint32_t count, bool closed, char *out, char *id)
{
    struct plain cut = *p;
    cut.count = count;
    const struct obs *first = p->events[0];
    pen_slice sets[4][20];
    struct pen_signal_sample samples[FIRST + LAST];
    struct pen_signal s = {.rule = first->o.rule,
                           .first_seen_ns = first->o.time_ns,
                           .last_seen_ns = plain_last(&cut),
                           .group = first->o.group,
                           .events_matched = count,
                           .closed = closed,
                           .closed_at_ns = plain_bound(&cut),
                           .accounts = sets[0],
                           .regions = sets[1],
                           .actors = sets[2],
                           .source_ips = sets[3],
                           .samples = samples};
    s.account_count = text_set_of(&cut, offsetof(struct obs, account), sets[0]);
    s.region_count = text_set_of(&cut, offsetof(struct obs, region), sets[1]);
    s.actor_count = text_set_of(&cut, offsetof(struct obs, actor), sets[2]);
    s.source_ip_count = text_set_of(&cut, offsetof(struct obs, ip), sets[3]);
    for (uint32_t i = 0; i < count; i++) {
        s.late = s.late || p->events[i]->o.time_ns < p->events[i]->o.promise_ns;
        if (i < FIRST || i + LAST >= count) {
            samples[s.sample_count++] =
                (struct pen_signal_sample){.o = p->events[i]->o, .is_last = i >= FIRST};
        }
    }
    describe(out, &s);
    struct pen_buf key;
    pen_buf_init(&key, 4096);
    const pen_slice parts[3] = {rules[s.rule].id, first->o.group, first->o.event_id};
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t len = (uint32_t)parts[i].len;
        assert_int_equal(pen_buf_add(&key, (pen_slice){(const uint8_t *)&len, 4}), PEN_OK);
        assert_int_equal(pen_buf_add(&key, parts[i]), PEN_OK);
    }
    pen_hash128_hex(pen_hash128(pen_buf_slice(&key), UINT64_C(0x70656e73746f636b)), id);
    pen_buf_fini(&key);
}

static void plain_finish(struct plain *p, bool closed, struct book *out)
{
    char id[33];
    char text[CONTENT_MAX];
    plain_describe(p, 1, false, text, id);
    struct entry *e = book_get(out, id);
    assert_string_equal(e->opened, "");
    memcpy(e->opened, text, sizeof(text));
    plain_describe(p, p->count, closed, text, id);
    memcpy(e->latest, text, sizeof(text));
    if (closed) {
        memcpy(e->closed, text, sizeof(text));
    }
    p->open = false;
    p->count = 0;
}

static void evaluate(struct obs *all, uint32_t count, int64_t end, struct book *out)
{
    const struct obs **sorted = calloc(count, sizeof(struct obs *));
    assert_non_null(sorted);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = &all[i];
    }
    qsort(sorted, count, sizeof(struct obs *), plain_order);
    for (uint32_t rule = 0; rule < RULES; rule++) {
        for (uint32_t g = 0; g < GROUPS; g++) {
            struct plain p = {.events = calloc(count, sizeof(struct obs *))};
            assert_non_null(p.events);
            char group[16];
            (void)snprintf(group, sizeof(group), "{\"g\":%u}", g);
            const struct obs *before = NULL;
            for (uint32_t i = 0; i < count; i++) {
                const struct obs *x = sorted[i];
                if (x->o.rule != rule || strcmp(x->group, group) != 0 ||
                    (before != NULL && strcmp(before->event_id, x->event_id) == 0)) {
                    continue;
                }
                before = x;
                if (p.open && !plain_continues(&p, x)) {
                    plain_finish(&p, true, out);
                }
                p.open = true;
                p.events[p.count++] = x;
            }
            if (p.open) {
                plain_finish(&p, plain_bound(&p) <= end, out);
            }
            free(p.events);
        }
    }
    free(sorted);
}

/* ---- the run over several states ---- */

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

static void remove_dir(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
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

/* ---- single facts ---- */

static pen_status count_changes(void *ctx, enum pen_signal_change change,
                                const struct pen_signal *s)
{
    uint32_t *counts = ctx;
    counts[change]++;
    counts[3] += s->late;
    return PEN_OK;
}

static struct pen_state *one_state(const char *dir, uint64_t memory)
{
    const struct pen_state_options o = {.dir = dir,
                                        .shards = 1,
                                        .hash_key = KEY,
                                        .rules = rules,
                                        .rule_count = RULES,
                                        .samples_first = 10,
                                        .samples_last = 10,
                                        .memory_bytes_max = memory};
    struct pen_state *s = NULL;
    assert_int_equal(pen_state_new(&o, &s, NULL), PEN_OK);
    return s;
}

static void append_many(struct pen_state *s, uint64_t epoch, uint32_t count, uint32_t groups,
                        uint32_t first)
{
    char id[40];
    char group[80];
    for (uint32_t i = first; i < first + count; i++) {
        const int n = snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
        const int m =
            snprintf(group, sizeof(group),
                     "{\"account\":\"111122223333\",\"identity\":\"role-%u\"}", i % groups);
        const struct pen_observation o = {
            .rule = 3,
            .rule_id = rules[3].id,
            .time_ns = PEN_NS_PER_DAY + (int64_t)i * (PEN_NS_PER_S / 100),
            .promise_ns = INT64_MIN,
            .event_id = {(const uint8_t *)id, (size_t)n},
            .group = {(const uint8_t *)group, (size_t)m},
            .account = PEN_SLICE_LIT("111122223333"),
            .region = PEN_SLICE_LIT("eu-west-1"),
            .actor = PEN_SLICE_LIT("arn:aws:iam::111122223333:role/deploy"),
            .source_ip = PEN_SLICE_LIT("192.0.2.1"),
            .index_name = PEN_SLICE_LIT("log-aws-cloudtrail"),
            .object = PEN_SLICE_LIT("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/01/01/a.json"),
            .record = i};
        assert_int_equal(pen_state_append(s, epoch, &o, NULL), PEN_OK);
    }
}

static void cut_commit(struct pen_state *s, uint64_t epoch, char name[STATE_RUN_NAME_MAX])
{
    uint64_t bytes = 0;
    assert_int_equal(pen_state_cut(s, epoch, name, STATE_RUN_NAME_MAX, &bytes, NULL), PEN_OK);
    pen_state_committed(s, epoch);
}

static void more_runs_than_files_may_be_open_are_merged(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit small = {STATE_RUNS_OPEN_MAX + 24, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    struct pen_state *s = one_state(dir, 1 << 30);
    char names[300][STATE_RUN_NAME_MAX];
    for (uint32_t epoch = 0; epoch < 300; epoch++) {
        bool more = false;
        append_many(s, epoch, 50, 7, (300 - epoch) * 50);
        cut_commit(s, epoch, names[epoch]);
        uint32_t none[4] = {0};
        assert_int_equal(pen_state_release(s, 0, 1, count_changes, none, &more, NULL), PEN_OK);
        assert_int_equal(none[0], 0);
    }
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t counts[4] = {0};
        bool more = false;
        assert_int_equal(
            pen_state_release(s, INT64_MAX, UINT32_MAX, count_changes, counts, &more, NULL),
            PEN_OK);
        assert_false(more);
        assert_int_equal(counts[PEN_SIGNAL_OPENED], 7);
        assert_int_equal(pen_state_counters_get(s).released, 300 * 50);
        assert_int_equal(pen_state_counters_get(s).duplicates, 0);
        pen_state_free(s);
        s = NULL;
        if (round == 0) { /* and again when all of them are adopted */
            s = one_state(dir, 1 << 30);
            for (uint32_t i = 0; i < 300; i++) {
                assert_int_equal(pen_state_adopt(s, pen_slice_str(names[i]), NULL), PEN_OK);
            }
        }
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    remove_dir(dir);
}

static void nothing_is_released_before_its_commit(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 1 << 30);
    char name[STATE_RUN_NAME_MAX];
    uint64_t bytes = 0;
    uint32_t counts[4] = {0};
    bool more = false;
    append_many(s, 5, 10, 1, 0);
    assert_int_equal(pen_state_cut(s, 5, name, sizeof(name), &bytes, NULL), PEN_OK);
    assert_string_equal(name, "run-5-0.zst");
    assert_int_equal(pen_state_release(s, INT64_MAX, 99, count_changes, counts, &more, NULL),
                     PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 0);
    pen_state_committed(s, 5);
    assert_int_equal(pen_state_release(s, INT64_MAX, 99, count_changes, counts, &more, NULL),
                     PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 1);
    assert_int_equal(counts[PEN_SIGNAL_UPDATED], 1);
    assert_int_equal(pen_state_cut(s, 6, name, sizeof(name), &bytes, NULL), PEN_OK);
    assert_string_equal(name, "");
    pen_state_free(s);
    remove_dir(dir);
}

/* A folder of a later day that holds nothing later, or a commit of all before the last one. */
static void a_watermark_behind_the_last_event_closes_nothing(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const int64_t watermarks[] = {PEN_NS_PER_DAY * 30, INT64_MAX - 1, INT64_MAX};
    char name[STATE_RUN_NAME_MAX];
    uint32_t counts[4] = {0};
    bool more = false;
    struct pen_state *s = one_state(dir, 1 << 30);
    append_many(s, 0, 10, 2, 0);
    cut_commit(s, 0, name);
    for (size_t i = 0; i < PEN_COUNT(watermarks); i++) {
        assert_int_equal(
            pen_state_release(s, watermarks[i], 99, count_changes, counts, &more, NULL), PEN_OK);
        assert_int_equal(counts[PEN_SIGNAL_OPENED], 2);
        assert_int_equal(counts[PEN_SIGNAL_CLOSED], 0);
    }
    pen_state_seen(s, PEN_NS_PER_DAY * 2); /* an event that no rule saw */
    assert_int_equal(
        pen_state_release(s, PEN_NS_PER_DAY * 30, 99, count_changes, counts, &more, NULL), PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_CLOSED], 2);
    pen_state_free(s);
    remove_dir(dir);
}

static void memory_bound_evicts_and_counts(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 200000);
    char name[STATE_RUN_NAME_MAX];
    uint32_t counts[4] = {0};
    bool more = false;
    append_many(s, 0, 1000, 1000, 0);
    cut_commit(s, 0, name);
    assert_int_equal(
        pen_state_release(s, 2 * PEN_NS_PER_S, 2000, count_changes, counts, &more, NULL), PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 0);
    assert_int_equal(
        pen_state_release(s, PEN_NS_PER_DAY + HOUR / 2, 2000, count_changes, counts, &more, NULL),
        PEN_OK);
    const struct pen_state_counters c = pen_state_counters_get(s);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 1000);
    assert_true(c.evicted > 0 && c.signals_open > 0);
    assert_int_equal(c.evicted, counts[PEN_SIGNAL_CLOSED]);
    assert_int_equal(c.evicted + c.signals_open, 1000);
    pen_state_free(s);
    remove_dir(dir);
}

static void every_flipped_byte_of_a_run_is_noticed(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 1 << 30);
    char name[STATE_RUN_NAME_MAX];
    append_many(s, 0, 20, 3, 0);
    cut_commit(s, 0, name);
    const uint64_t size = pen_state_counters_get(s).log_bytes;
    pen_state_free(s);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (uint64_t at = 0; at < size; at += 3) {
        uint8_t byte = 0;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        s = one_state(dir, 1 << 30);
        if (at < sizeof(struct run_head) + 12 || at >= sizeof(struct run_head) + 16) {
            assert_true(pen_state_adopt(s, pen_slice_str(name), NULL) != PEN_OK);
        } /* else the four reserved bytes of a block's head */
        pen_state_free(s);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    (void)close(fd);
    s = one_state(dir, 1 << 30);
    assert_int_equal(pen_state_adopt(s, pen_slice_str(name), NULL), PEN_OK);
    assert_int_equal(pen_state_adopt(s, PEN_SLICE_LIT("../x"), NULL), PEN_E_CORRUPT);
    assert_int_equal(pen_state_adopt(s, PEN_SLICE_LIT("run-9-9.zst"), NULL), PEN_E_NOT_FOUND);
    pen_state_free(s);
    remove_dir(dir);
}

static void cost_of_an_observation_is_printed(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 1 << 30);
    char name[STATE_RUN_NAME_MAX];
    uint32_t counts[4] = {0};
    bool more = false;
    const uint32_t n = 200000;
    const int64_t t0 = pen_clock_thread_cpu_ns();
    append_many(s, 0, n, 200, 0);
    const int64_t t1 = pen_clock_thread_cpu_ns();
    cut_commit(s, 0, name);
    const int64_t t2 = pen_clock_thread_cpu_ns();
    assert_int_equal(pen_state_release(s, INT64_MAX, n, count_changes, counts, &more, NULL),
                     PEN_OK);
    const int64_t t3 = pen_clock_thread_cpu_ns();
    print_message("ns an observation: append (with making it) %lld, cut %lld, release %lld\n",
                  (long long)((t1 - t0) / n), (long long)((t2 - t1) / n),
                  (long long)((t3 - t2) / n));
    assert_int_equal(pen_state_counters_get(s).released, n);
    pen_state_free(s);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_depend_on_the_observations_alone),
        cmocka_unit_test(more_runs_than_files_may_be_open_are_merged),
        cmocka_unit_test(nothing_is_released_before_its_commit),
        cmocka_unit_test(a_watermark_behind_the_last_event_closes_nothing),
        cmocka_unit_test(memory_bound_evicts_and_counts),
        cmocka_unit_test(every_flipped_byte_of_a_run_is_noticed),
        cmocka_unit_test(cost_of_an_observation_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
