/* tested by tests/unit/state/test_window.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

#define SLOTS_FIRST 16U

pen_status pen_groups_init(struct groups *g, const struct pen_state_options *o)
{
    *g = (struct groups){.options = o};
    pen_buf_init(&g->scratch, (size_t)16 * PEN_OBSERVATION_KEY_MAX);
    pen_buf_init(&g->joined, (size_t)16 * PEN_OBSERVATION_KEY_MAX);
    g->shapes = calloc((size_t)o->rule_count + 1, sizeof(*g->shapes));
    g->lists = calloc((size_t)o->rule_count + 1, sizeof(struct group_list *));
    g->listed = calloc((size_t)o->rule_count + 1, sizeof(*g->listed));
    if (g->shapes == NULL || g->lists == NULL || g->listed == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < o->rule_count; i++) {
        const struct pen_state_rule *rule = &o->rules[i];
        if (rule->method == PEN_METHOD_THRESHOLD || rule->method == PEN_METHOD_SEQUENCE ||
            rule->method == PEN_METHOD_TRAVEL || rule->method == PEN_METHOD_ANOMALY) {
            pen_kept_shape(&g->shapes[i], rule);
        }
    }
    return PEN_OK;
}

void pen_group_free(struct groups *g, struct group *group)
{
    if (group->alone_len == 0) {
        struct kept *kept = pen_group_kept(group);
        for (uint32_t i = 0; i < kept->sample_cap; i++) {
            free(kept->samples[i].ptr);
        }
        free(kept->samples);
        pen_kept_fini(group, &g->shapes[group->rule]);
    }
    free(group);
}

void pen_groups_fini(struct groups *g)
{
    for (uint32_t t = 0; t < GROUP_TABLES; t++) {
        for (size_t i = 0; i < g->tables[t].slot_count; i++) {
            if (g->tables[t].slots[i] != NULL) {
                pen_group_free(g, g->tables[t].slots[i]);
            }
        }
        free(g->tables[t].slots);
    }
    for (uint32_t i = 0; g->listed != NULL && i < g->listed_count; i++) {
        free(g->lists[g->listed[i]]);
    }
    free(g->lists);
    free(g->listed);
    free(g->shapes);
    pen_buf_fini(&g->scratch);
    pen_buf_fini(&g->joined);
}

/* ---- tables by hash of rule and group ---- */

static struct group_table *table_of(struct groups *g, uint64_t hash)
{
    return &g->tables[hash >> 56];
}

static struct group **slot_of(const struct group_table *t, uint64_t hash, uint32_t rule,
                              pen_slice key)
{
    size_t at = (size_t)hash & (t->slot_count - 1);
    while (t->slots[at] != NULL) {
        struct group *group = t->slots[at];
        if (group->hash == hash && group->rule == rule && pen_slice_eq(pen_group_key(group), key)) {
            break;
        }
        at = (at + 1) & (t->slot_count - 1);
    }
    return &t->slots[at];
}

static pen_status table_grow(struct groups *g, struct group_table *t)
{
    const struct group_table old = *t;
    const size_t count = old.slot_count == 0 ? SLOTS_FIRST : old.slot_count * 2;
    struct group **slots = calloc(count, sizeof(struct group *));
    if (slots == NULL) {
        return PEN_E_NOMEM;
    }
    t->slots = slots;
    t->slot_count = count;
    for (size_t i = 0; i < old.slot_count; i++) {
        struct group *group = old.slots[i];
        if (group != NULL) {
            *slot_of(t, group->hash, group->rule, pen_group_key(group)) = group;
        }
    }
    g->bytes += (count - old.slot_count) * sizeof(struct group *);
    free(old.slots);
    return PEN_OK;
}

static void table_remove(struct group_table *t, const struct group *group)
{
    const size_t mask = t->slot_count - 1;
    size_t hole = (size_t)group->hash & mask;
    while (t->slots[hole] != group) {
        PEN_CHECK(t->slots[hole] != NULL);
        hole = (hole + 1) & mask;
    }
    for (size_t at = (hole + 1) & mask; t->slots[at] != NULL; at = (at + 1) & mask) {
        const size_t home = (size_t)t->slots[at]->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            t->slots[hole] = t->slots[at];
            hole = at;
        }
    }
    t->slots[hole] = NULL;
    t->count--;
}

/* ---- lists by last release ---- */

static struct group_list *list_of(struct groups *g, const struct group *group)
{
    return &g->lists[group->rule][group->partition / g->options->shards];
}

static void unlink_group(struct groups *g, struct group *group)
{
    struct group_list *list = list_of(g, group);
    if (group->older == NULL && group->newer != NULL) {
        list->oldest_release = group->newer->last_release;
    }
    *(group->older != NULL ? &group->older->newer : &list->oldest) = group->newer;
    *(group->newer != NULL ? &group->newer->older : &list->newest) = group->older;
    group->older = group->newer = NULL;
    list->count--;
}

static void link_newest(struct groups *g, struct group *group)
{
    struct group_list *list = list_of(g, group);
    if (list->oldest == NULL) {
        list->oldest_release = group->last_release;
    }
    group->older = list->newest;
    *(list->newest != NULL ? &list->newest->newer : &list->oldest) = group;
    list->newest = group;
    list->count++;
}

static void group_remove(struct groups *g, struct group *group)
{
    unlink_group(g, group);
    table_remove(table_of(g, group->hash), group);
    g->bytes -= group->bytes;
    g->count--;
    pen_group_free(g, group);
}

static pen_status lists_open(struct groups *g, uint32_t rule)
{
    if (g->lists[rule] != NULL) {
        return PEN_OK;
    }
    g->lists[rule] = calloc(PEN_PARTITIONS / g->options->shards + 1, sizeof(*g->lists[rule]));
    if (g->lists[rule] == NULL) {
        return PEN_E_NOMEM;
    }
    g->listed[g->listed_count++] = rule;
    g->bytes += (PEN_PARTITIONS / g->options->shards + 1) * sizeof(*g->lists[rule]);
    return PEN_OK;
}

/* ---- groups come and go ---- */

/* A group that nothing can join any more is as good as none: what it keeps says nothing. */
static bool is_over(const struct group_list *list, int64_t idle_ns, int64_t clock)
{
    int64_t end;
    return list->oldest != NULL && !__builtin_add_overflow(list->oldest_release, idle_ns, &end) &&
           end <= clock;
}

static void sweep_list(struct groups *g, const struct group_list *list, int64_t idle_ns,
                       int64_t clock)
{
    while (is_over(list, idle_ns, clock)) {
        group_remove(g, list->oldest);
    }
}

/* The next list in turn, of all rules that have any, and its rule. */
static struct group_list *list_next(struct groups *g, uint32_t *rule)
{
    const uint32_t lists = PEN_PARTITIONS / g->options->shards + 1;
    if (++g->cursor >= (uint64_t)lists * g->listed_count) {
        g->cursor = 0;
    }
    *rule = g->listed[g->cursor / lists];
    return &g->lists[*rule][g->cursor % lists];
}

/* The list that an event is about to use is rid of all that is over, so that its limit counts what
 * lives; others have their turn, one for each second event: what is over in them shows nowhere. */
static void sweep(struct groups *g, uint32_t rule, uint32_t partition, int64_t clock)
{
    uint32_t other;
    sweep_list(g, &g->lists[rule][partition / g->options->shards], g->shapes[rule].idle_ns, clock);
    if (++g->swept % 2 == 0) {
        const struct group_list *list = list_next(g, &other);
        sweep_list(g, list, g->shapes[other].idle_ns, clock);
    }
}

void pen_groups_evict(struct groups *g)
{
    PEN_CHECK(g->count > 1);
    uint32_t rule;
    const struct group_list *list = list_next(g, &rule);
    while (list->oldest == NULL || list->oldest == g->current) {
        list = list_next(g, &rule);
    }
    group_remove(g, list->oldest);
    g->evicted++;
}

/* A group without what it keeps; alone: its only event, empty for a whole one. */
static pen_status group_make(struct groups *g, const struct group *head, pen_slice key,
                             pen_slice alone, struct group **out)
{
    const size_t fixed = alone.len > 0 ? sizeof(struct group) : sizeof(struct whole_group);
    struct group *group = malloc(fixed + key.len + alone.len);
    if (group == NULL) {
        return PEN_E_NOMEM;
    }
    memcpy(group, head, sizeof(*group));
    group->key_len = pen_u32(key.len);
    group->alone_len = pen_u32(alone.len);
    uint8_t *tail = pen_group_tail(group);
    pen_copy_short(tail, alone.ptr, alone.len);
    pen_copy_short(tail + alone.len, key.ptr, key.len);
    group->bytes = fixed + key.len + alone.len;
    *out = group;
    if (alone.len > 0) {
        return PEN_OK;
    }
    *pen_group_kept(group) = (struct kept){.samples = NULL};
    const pen_status st = pen_kept_init(group, &g->shapes[group->rule]);
    if (st != PEN_OK) {
        pen_group_free(g, group);
    }
    return st;
}

/* Into its table and list; the one that was idle for longest goes when its rule has no room. */
static pen_status group_add(struct groups *g, struct group *group)
{
    struct group_table *table = table_of(g, group->hash);
    if (table->count + 1 > table->slot_count / 4 * 3) {
        PEN_TRY(table_grow(g, table));
    }
    struct group_list *list = list_of(g, group);
    if (list->count >= pen_kept_groups(g, group->rule)) {
        const bool is_anomaly = g->options->rules[group->rule].method == PEN_METHOD_ANOMALY;
        group_remove(g, list->oldest);
        g->anomaly_evicted += is_anomaly;
        g->evicted += !is_anomaly;
    }
    *slot_of(table, group->hash, group->rule, pen_group_key(group)) = group;
    table->count++;
    link_newest(g, group);
    g->count++;
    g->bytes += group->bytes;
    return PEN_OK;
}

static pen_status group_new(struct groups *g, const struct state_event *event, pen_slice alone,
                            struct group **out)
{
    const struct group head = {.hash = event->hash,
                               .rule = event->o->rule,
                               .partition = event->partition,
                               .last_release = pen_state_release_time(event->o),
                               .cold_ns = INT64_MIN};
    PEN_TRY(group_make(g, &head, event->o->group, alone, out));
    const pen_status st = group_add(g, *out);
    if (st != PEN_OK) {
        pen_group_free(g, *out);
    }
    return st;
}

pen_status pen_group_whole_of(struct groups *g, struct group *alone, struct group **out)
{
    const pen_slice encoded = {pen_group_tail(alone), alone->alone_len};
    const struct group head = {.hash = alone->hash,
                               .rule = alone->rule,
                               .partition = alone->partition,
                               .last_release = alone->last_release,
                               .cold_ns = alone->cold_ns};
    PEN_TRY(group_make(g, &head, pen_group_key(alone), (pen_slice){0}, out));
    const pen_status st = pen_kept_first(g, *out, encoded);
    if (st != PEN_OK) {
        pen_group_free(g, *out);
    }
    return st;
}

/* A second event comes: the group becomes a whole one, in its place. */
static pen_status group_open(struct groups *g, struct group **slot)
{
    struct group *alone = *slot;
    struct group *whole = NULL;
    PEN_TRY(pen_group_whole_of(g, alone, &whole));
    unlink_group(g, alone);
    link_newest(g, whole);
    g->bytes += whole->bytes - alone->bytes;
    *slot = whole;
    free(alone);
    return PEN_OK;
}

/* *out: NULL when there is none. */
static pen_status group_get(struct groups *g, const struct state_event *event, struct group **out)
{
    const struct pen_observation *o = event->o;
    const struct group_table *table = table_of(g, event->hash);
    const int64_t release = pen_state_release_time(o);
    *out = NULL;
    PEN_TRY(lists_open(g, o->rule));
    sweep(g, o->rule, event->partition, release); /* no release time of what comes is before it */
    if (table->slot_count == 0) {
        return PEN_OK;
    }
    struct group **slot = slot_of(table, event->hash, o->rule, o->group);
    if (*slot == NULL) {
        return PEN_OK;
    }
    PEN_TRY((*slot)->alone_len > 0 ? group_open(g, slot) : PEN_OK);
    (*slot)->last_release = release;
    unlink_group(g, *slot);
    link_newest(g, *slot);
    *out = *slot;
    return PEN_OK;
}

/* ---- samples of a window ---- */

static pen_status samples_grow(struct kept *kept, uint32_t max)
{
    const uint32_t old = kept->sample_cap;
    const uint32_t cap = old * 2 + 1 < max ? old * 2 + 1 : max;
    struct text *bigger = calloc(cap, sizeof(*bigger));
    if (bigger == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < old; i++) {
        bigger[i] = kept->samples[(kept->sample_at + i) % old];
    }
    free(kept->samples);
    kept->samples = bigger;
    kept->sample_cap = cap;
    kept->sample_at = 0;
    return PEN_OK;
}

/* Of the newest sample; INT64_MIN when there is none. */
static int64_t newest_time(const struct kept *kept)
{
    const uint32_t count = kept->sample_count;
    if (count == 0 || kept->sample_cap == 0) {
        return INT64_MIN;
    }
    return pen_state_sample_time(&kept->samples[(kept->sample_at + count - 1) % kept->sample_cap]);
}

pen_status pen_group_sample(const struct groups *g, struct group *group, pen_slice encoded)
{
    const uint32_t max = pen_kept_samples(g, group->rule);
    struct kept *kept = pen_group_kept(group);
    if (max == 0) {
        return PEN_OK;
    }
    if (kept->sample_count == kept->sample_cap && kept->sample_cap < max) {
        PEN_TRY(samples_grow(kept, max));
    }
    const int64_t before = newest_time(kept);
    uint32_t at = (kept->sample_at + kept->sample_count) % kept->sample_cap;
    if (kept->sample_count == kept->sample_cap) {
        at = kept->sample_at;
        kept->sample_at = (at + 1) % kept->sample_cap;
    } else {
        kept->sample_count++;
    }
    size_t unused = 0;
    PEN_TRY(pen_state_text_set(&kept->samples[at], encoded, &unused));
    kept->has_late_sample |= pen_state_sample_time(&kept->samples[at]) < before;
    return PEN_OK;
}

static size_t group_bytes(const struct groups *g, struct group *group)
{
    const struct kept *kept = pen_group_kept(group);
    size_t bytes = sizeof(struct whole_group) + group->key_len +
                   kept->sample_cap * sizeof(*kept->samples) +
                   pen_kept_bytes(group, &g->shapes[group->rule]);
    for (uint32_t i = 0; i < kept->sample_cap; i++) {
        bytes += kept->samples[i].cap;
    }
    return bytes;
}

static void account(struct groups *g, struct group *group)
{
    const size_t before = group->bytes;
    group->bytes = group_bytes(g, group);
    g->bytes += group->bytes - before;
}

pen_status pen_groups_restore(struct groups *g, uint32_t rule, pen_slice text, int64_t last_release,
                              struct group **out)
{
    const struct pen_observation o = {.rule = rule,
                                      .rule_id = g->options->rules[rule].id,
                                      .group = text,
                                      .time_ns = last_release,
                                      .promise_ns = INT64_MIN};
    const struct state_event event = {
        .o = &o,
        .partition = pen_observation_partition(o.rule_id, text, g->options->hash_key),
        .hash = pen_state_group_hash(&o)};
    const bool is_owned = event.partition % g->options->shards == g->options->shard;
    const struct group_table *table = table_of(g, event.hash);
    PEN_TRY(lists_open(g, rule));
    return !is_owned || (table->slot_count > 0 && *slot_of(table, event.hash, rule, text) != NULL)
               ? PEN_E_CORRUPT
               : group_new(g, &event, (pen_slice){0}, out);
}

void pen_groups_restored(struct groups *g, struct group *group)
{
    account(g, group);
}

/* The first event of a group. */
static pen_status feed_first(struct groups *g, const struct state_event *event,
                             struct signals *signals, struct group **group)
{
    bool is_alone = false;
    pen_slice alone = {0};
    PEN_TRY(pen_kept_alone(g, event, signals, &is_alone, &alone));
    PEN_TRY(group_new(g, event, alone, group));
    if (is_alone) {
        (*group)->cold_ns = event->o->is_cold ? event->o->time_ns : INT64_MIN;
        return PEN_OK;
    }
    const pen_status st = pen_kept_feed(g, *group, event, signals);
    account(g, *group);
    return st;
}

pen_status pen_groups_feed(struct groups *g, const struct state_event *event,
                           struct signals *signals)
{
    struct group *group = NULL;
    PEN_DCHECK(g->shapes[event->o->rule].rule != NULL);
    if (g->shapes[event->o->rule].idle_ns <= 0) {
        return pen_kept_none(g, event, signals);
    }
    PEN_TRY(group_get(g, event, &group));
    pen_status st;
    if (group == NULL) {
        st = feed_first(g, event, signals, &group);
    } else {
        st = pen_kept_feed(g, group, event, signals);
        account(g, group);
    }
    g->current = st == PEN_OK ? group : NULL;
    return st;
}
