/*
 * oracle.h - random observations, a slow evaluator of what signals they make, and a book of what a
 * reader of the callbacks would keep, to compare the states with.
 */
#ifndef PEN_TEST_STATE_ORACLE_H
#define PEN_TEST_STATE_ORACLE_H

#include "penstock/state.h"

#include "state_internal.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR (3600 * PEN_NS_PER_S)
#define RULES 4u
#define GROUPS 5u
#define FIRST 3u /* samples kept from each end of a signal */
#define LAST 2u
#define KEY 99u
#define SHARDS_MAX 7u

static const struct pen_state_rule rules[RULES] = {
    {.id = PEN_SLICE_LIT("sigma"),
     .keep_alive_ns = HOUR,
     .duration_max_ns = 24 * HOUR,
     .ends_at_midnight = true},
    {.id = PEN_SLICE_LIT("once"),
     .keep_alive_ns = 0,
     .duration_max_ns = 24 * HOUR,
     .ends_at_midnight = true},
    {.id = PEN_SLICE_LIT("short"), .keep_alive_ns = HOUR / 6, .duration_max_ns = HOUR / 2},
    {.id = PEN_SLICE_LIT("long"), .keep_alive_ns = HOUR, .duration_max_ns = 5 * HOUR},
};

static inline uint64_t next(uint64_t *x)
{
    *x += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *x;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t below(uint64_t *x, uint32_t n)
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

static inline struct entry *book_get(struct book *b, const char *id)
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

static inline void describe(char out[CONTENT_MAX], const struct pen_signal *s)
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

static inline pen_status keep(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
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

static inline void obs_link(struct obs *x)
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

static inline struct obs *make_all(uint64_t *rng, uint32_t count)
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

static inline int64_t rel(const struct obs *x)
{
    return x->o.time_ns > x->o.promise_ns ? x->o.time_ns : x->o.promise_ns;
}

static inline int plain_order(const void *pa, const void *pb)
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

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static inline uint32_t text_set_of(const struct plain *p, size_t field, pen_slice out[20])
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

static inline int64_t min3(int64_t a, int64_t b, int64_t c)
{
    const int64_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static inline int64_t midnight_after(const struct pen_state_rule *r, int64_t t)
{
    return r->ends_at_midnight ? (t / PEN_NS_PER_DAY + 1) * PEN_NS_PER_DAY : INT64_MAX;
}

static inline int64_t plain_last(const struct plain *p)
{
    int64_t last = INT64_MIN;
    for (uint32_t i = 0; i < p->count; i++) {
        last = p->events[i]->o.time_ns > last ? p->events[i]->o.time_ns : last;
    }
    return last;
}

static inline int64_t plain_bound(const struct plain *p)
{
    const struct pen_state_rule *r = &rules[p->events[0]->o.rule];
    const int64_t first = p->events[0]->o.time_ns;
    return min3(plain_last(p) + r->keep_alive_ns, first + r->duration_max_ns,
                midnight_after(r, first));
}

static inline bool plain_continues(const struct plain *p, const struct obs *x)
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

static inline void plain_describe(const struct plain *p, uint32_t count, bool closed, char *out,
                                  char *id)
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

static inline void plain_finish(struct plain *p, bool closed, struct book *out)
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

static inline void evaluate(struct obs *all, uint32_t count, int64_t end, struct book *out)
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

static inline void remove_dir(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

#endif
