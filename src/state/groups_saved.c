/* tested by tests/unit/state/test_snapshot.c */
#include "snapshot.h"

#include <stdlib.h>

#define EVENTS_OF_RECORD 4096U /* of a window, in one record */

/* The fixed part of a group; its key follows, then records of its events and samples. */
struct saved_group {
    int64_t last_release;
    uint8_t is_limited, reserved[7];
};
struct saved_event {
    int64_t time;
    uint16_t queries, has_values;
    uint32_t is_further;
};
struct saved_travel { /* what is known follows */
    int64_t begun, last;
    int32_t lat_udeg, lon_udeg;
    uint32_t has_last, known_count;
};
_Static_assert(sizeof(struct saved_group) == 16 && sizeof(struct saved_event) == 16 &&
                   sizeof(struct saved_travel) == 32 && sizeof(struct travel_known) == 16,
               "the layouts are written to disk");

static void save_event(const struct window *window, const struct window_shape *shape, uint32_t i,
                       struct snapshot_writer *w)
{
    const struct window_event *event = pen_window_event(window, i);
    const struct saved_event saved = {.time = event->time,
                                      .queries = event->queries,
                                      .has_values = event->has_values,
                                      .is_further = event->is_further};
    snapshot_add(w, &saved, sizeof(saved));
    snapshot_add(w, pen_window_values_at(window, shape, i),
                 shape->columns * sizeof(union window_value));
}

static void save_events(struct group *group, const struct window_shape *shape,
                        struct snapshot_writer *w)
{
    const struct window *window = &pen_group_kept(group)->window;
    for (uint32_t i = 0; i < window->count;) {
        snapshot_begin(w, SNAPSHOT_GROUP_EVENTS, group->rule, group->partition);
        const uint32_t left = window->count - i;
        const uint32_t end = i + (left < EVENTS_OF_RECORD ? left : EVENTS_OF_RECORD);
        for (; i < end; i++) {
            save_event(window, shape, i, w);
        }
        snapshot_end(w);
    }
}

static void save_travel(struct group *group, struct snapshot_writer *w)
{
    const struct travel *t = &pen_group_kept(group)->travel;
    const struct saved_travel saved = {.begun = t->begun,
                                       .last = t->last,
                                       .lat_udeg = t->lat_udeg,
                                       .lon_udeg = t->lon_udeg,
                                       .has_last = t->has_last,
                                       .known_count = t->known_count};
    snapshot_begin(w, SNAPSHOT_GROUP_TRAVEL, group->rule, group->partition);
    snapshot_add(w, &saved, sizeof(saved));
    snapshot_add(w, t->known, t->known_count * sizeof(*t->known));
    snapshot_end(w);
}

struct saved_history { /* buckets follow */
    int64_t begun, first, number, count;
};

static void save_history(struct group *group, struct snapshot_writer *w)
{
    const struct anomaly_history *h = pen_group_kept(group)->history;
    const struct saved_history saved = {
        .begun = h->begun, .first = h->first, .number = h->number, .count = h->count};
    snapshot_begin(w, SNAPSHOT_GROUP_HISTORY, group->rule, group->partition);
    snapshot_add(w, &saved, sizeof(saved));
    snapshot_add(w, h->past, h->count * sizeof(*h->past));
    snapshot_end(w);
}

static void save_cold(struct group *group, struct snapshot_writer *w)
{
    if (group->cold_ns != INT64_MIN) {
        snapshot_begin(w, SNAPSHOT_GROUP_COLD, group->rule, group->partition);
        snapshot_add(w, &group->cold_ns, sizeof(group->cold_ns));
        snapshot_end(w);
    }
}

static void save_group(const struct groups *g, struct group *group, struct snapshot_writer *w)
{
    struct kept *kept = pen_group_kept(group);
    const bool has_window = g->shapes[group->rule].rule->method != PEN_METHOD_TRAVEL;
    const struct saved_group saved = {.last_release = group->last_release,
                                      .is_limited = has_window && kept->window.tally.is_limited};
    snapshot_begin(w, SNAPSHOT_GROUP, group->rule, group->partition);
    snapshot_add(w, &saved, sizeof(saved));
    snapshot_add_text(w, pen_group_key(group));
    snapshot_end(w);
    save_cold(group, w);
    if (has_window) {
        if (kept->history != NULL) {
            save_history(group, w);
        }
        save_events(group, &g->shapes[group->rule], w);
    } else {
        save_travel(group, w);
    }
    const struct record_head head = {
        .kind = SNAPSHOT_GROUP_SAMPLE, .rule = group->rule, .partition = group->partition};
    for (uint32_t i = 0; i < kept->sample_count; i++) {
        const uint32_t at = (kept->sample_at + i) % kept->sample_cap;
        snapshot_put(w, &head, pen_state_text(&kept->samples[at]));
    }
}

/* One with an event alone is saved as what it would be with a second one. */
static void save_any(struct groups *g, struct group *group, struct snapshot_writer *w)
{
    struct group *whole = NULL;
    if (group->alone_len == 0) {
        save_group(g, group, w);
        return;
    }
    w->status = pen_group_whole_of(g, group, &whole);
    if (w->status == PEN_OK) {
        save_group(g, whole, w);
        pen_group_free(g, whole);
    }
}

/* Each list from its oldest, so that its order is there again. */
void pen_groups_save(struct groups *g, struct snapshot_writer *w)
{
    const uint32_t lists = PEN_PARTITIONS / g->options->shards + 1;
    for (uint64_t i = 0; i < (uint64_t)lists * g->listed_count; i++) {
        struct group *group = g->lists[g->listed[i / lists]][i % lists].oldest;
        for (; group != NULL && w->status == PEN_OK; group = group->newer) {
            save_any(g, group, w);
        }
    }
}

/* ---- and back ---- */

bool pen_group_get(struct snapshot_record *r, int64_t *last_release, bool *is_limited,
                   pen_slice *key)
{
    struct saved_group saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) || !snapshot_get_text(r, key) ||
        key->len > PEN_OBSERVATION_KEY_MAX || r->rest.len > 0) {
        return false;
    }
    *last_release = saved.last_release;
    *is_limited = saved.is_limited != 0;
    return true;
}

static pen_status load_group(struct groups *g, struct snapshot_record *r)
{
    int64_t last_release = 0;
    bool is_limited = false;
    pen_slice key;
    const struct window_shape *shape = &g->shapes[r->rule];
    g->loading = NULL;
    if (shape->rule == NULL || shape->idle_ns <= 0 ||
        !pen_group_get(r, &last_release, &is_limited, &key)) {
        return PEN_E_CORRUPT;
    }
    PEN_TRY(pen_groups_restore(g, r->rule, key, last_release, &g->loading));
    if (shape->rule->method != PEN_METHOD_TRAVEL) {
        pen_group_kept(g->loading)->window.tally.is_limited = is_limited;
    }
    pen_groups_restored(g, g->loading);
    return g->loading->partition == r->partition ? PEN_OK : PEN_E_CORRUPT;
}

static bool is_value(enum pen_aggregation kind, const union window_value *value)
{
    return kind == PEN_CARDINALITY ||
           (value->quantity <= WINDOW_QUANTITY_MAX && value->quantity >= -WINDOW_QUANTITY_MAX);
}

/* Its numbers can be those of the rule. */
bool pen_group_get_event(const struct window_shape *shape, struct snapshot_record *r,
                         struct window_event *event, union window_value *values)
{
    struct saved_event saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) ||
        !snapshot_get(r, values, shape->columns * sizeof(*values))) {
        return false;
    }
    *event = (struct window_event){.time = saved.time,
                                   .queries = saved.queries,
                                   .has_values = saved.has_values,
                                   .is_further = saved.is_further != 0};
    bool is_sound = saved.queries >> shape->rule->query_count == 0 &&
                    saved.has_values >> shape->columns == 0 && saved.is_further <= 1;
    for (uint32_t i = 0; i < shape->columns; i++) {
        is_sound = is_sound && is_value(shape->rule->queries[shape->query_of[i]], &values[i]);
    }
    return is_sound;
}

static pen_status load_events(struct groups *g, struct group *group, struct snapshot_record *r)
{
    const struct window_shape *shape = &g->shapes[group->rule];
    struct window *window = &pen_group_kept(group)->window;
    const struct window_limits limits = {.events_max = UINT32_MAX,
                                         .values_max = g->options->values_max};
    struct window_event event;
    union window_value values[PEN_STATE_QUERIES_MAX] = {{.quantity = 0}};
    while (r->rest.len > 0) {
        if (!pen_group_get_event(shape, r, &event, values)) {
            return PEN_E_CORRUPT;
        }
        const bool is_next = window->count == 0
                                 ? !event.is_further
                                 : event.time >= pen_window_event(window, window->count - 1)->time;
        if (!is_next || window->count >= (1U << 30)) {
            return PEN_E_CORRUPT;
        }
        PEN_TRY(pen_window_insert(window, shape, &event, values, &limits));
    }
    return PEN_OK;
}

bool pen_group_get_travel(struct snapshot_record *r, struct group_told *out)
{
    struct saved_travel saved;
    if (!snapshot_get(r, &saved, sizeof(saved))) {
        return false;
    }
    *out =
        (struct group_told){.begun = saved.begun, .last = saved.last, .count = saved.known_count};
    return true;
}

bool pen_group_get_history(struct snapshot_record *r, struct group_told *out)
{
    struct saved_history saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) || saved.count < 0) {
        return false;
    }
    *out = (struct group_told){.begun = saved.begun, .count = (uint64_t)saved.count};
    return true;
}

static pen_status load_travel(struct group *group, struct snapshot_record *r)
{
    struct travel *t = &pen_group_kept(group)->travel;
    struct saved_travel saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) || t->has_last || saved.has_last != 1 ||
        saved.known_count > TRAVEL_KNOWN_MAX ||
        saved.known_count * sizeof(*t->known) != r->rest.len) {
        return PEN_E_CORRUPT;
    }
    t->known = calloc((size_t)saved.known_count + 1, sizeof(*t->known));
    if (t->known == NULL) {
        return PEN_E_NOMEM;
    }
    t->has_last = true;
    t->begun = saved.begun;
    t->last = saved.last;
    t->lat_udeg = saved.lat_udeg;
    t->lon_udeg = saved.lon_udeg;
    t->known_count = saved.known_count;
    t->known_cap = saved.known_count + 1;
    return snapshot_get(r, t->known, saved.known_count * sizeof(*t->known)) ? PEN_OK
                                                                            : PEN_E_CORRUPT;
}

/* Buckets are in their order, before the last one, and none is 0. */
static bool are_sound(const struct saved_history *saved, const struct anomaly_bucket *past)
{
    for (int64_t i = 0; i < saved->count; i++) {
        const int64_t before = i == 0 ? saved->first - 1 : past[i - 1].number;
        if (past[i].number <= before || past[i].number >= saved->number || past[i].value == 0 ||
            past[i].value > ANOMALY_VALUE_MAX || past[i].value < -ANOMALY_VALUE_MAX) {
            return false;
        }
    }
    return true;
}

static pen_status load_history(struct groups *g, struct group *group, struct snapshot_record *r)
{
    const struct pen_state_rule *rule = g->shapes[group->rule].rule;
    const int64_t most = INT64_MAX / rule->anomaly.bucket_ns;
    struct anomaly_history *h = pen_group_kept(group)->history;
    struct saved_history saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) || h->has_begun || saved.count < 0 ||
        saved.first < -most || saved.first > saved.number || saved.number > most ||
        saved.count > ANOMALY_HISTORY_NS / rule->anomaly.bucket_ns ||
        (uint64_t)saved.count * sizeof(*h->past) != r->rest.len) {
        return PEN_E_CORRUPT;
    }
    h->past = calloc((size_t)saved.count + 1, sizeof(*h->past));
    if (h->past == NULL) {
        return PEN_E_NOMEM;
    }
    h->cap = pen_u32((size_t)saved.count + 1);
    if (!snapshot_get(r, h->past, r->rest.len) || !are_sound(&saved, h->past)) {
        return PEN_E_CORRUPT;
    }
    h->has_begun = true;
    h->begun = saved.begun;
    h->first = saved.first;
    h->number = saved.number;
    h->count = (uint32_t)saved.count;
    return anomaly_bounds(h, rule, &g->scratch);
}

pen_status pen_groups_load(struct groups *g, struct snapshot_record *r)
{
    struct pen_observation o;
    if (r->kind == SNAPSHOT_GROUP) {
        return load_group(g, r);
    }
    struct group *group = g->loading;
    if (group == NULL || group->rule != r->rule || group->partition != r->partition) {
        return PEN_E_CORRUPT;
    }
    pen_status st = PEN_OK;
    const bool has_window = g->shapes[group->rule].rule->method != PEN_METHOD_TRAVEL;
    if (r->kind == SNAPSHOT_GROUP_EVENTS && has_window) {
        st = load_events(g, group, r);
    } else if (r->kind == SNAPSHOT_GROUP_HISTORY && has_window &&
               pen_group_kept(group)->history != NULL) {
        st = load_history(g, group, r);
    } else if (r->kind == SNAPSHOT_GROUP_TRAVEL && !has_window) {
        st = load_travel(group, r);
    } else if (r->kind == SNAPSHOT_GROUP_COLD) {
        const bool is_whole =
            snapshot_get(r, &group->cold_ns, sizeof(group->cold_ns)) && r->rest.len == 0;
        st = is_whole ? PEN_OK : PEN_E_CORRUPT;
    } else if (r->kind != SNAPSHOT_GROUP_SAMPLE) {
        st = PEN_E_CORRUPT;
    } else {
        pen_slice rest = r->rest;
        const bool is_sound = pen_observation_decode(&rest, &o, NULL) == PEN_OK && rest.len == 0;
        st = is_sound ? pen_group_sample(g, group, r->rest) : PEN_E_CORRUPT;
    }
    pen_groups_restored(g, group);
    return st;
}
