/* tested by tests/unit/state/test_show.c */
#include "penstock/state.h"

#include "snapshot.h"

#include <stdlib.h>

#define TEXTS_BYTES_MAX                                                       \
    ((size_t)16 << 30) /* of named groups: state.named_groups_max bounds them \
                        */

/* A group that the value is looked for in. */
struct candidate {
    struct new_value_hash hash;
    pen_slice text;
};
struct showing {
    struct pen_state_show *show;
    struct snapshot_reader reader;
    uint32_t rule; /* by its place in the file; UINT32_MAX: it is not in it, or elsewhere */
    /* As much of it as its windows need. */
    enum pen_aggregation queries[PEN_STATE_QUERIES_MAX];
    struct pen_state_rule known;
    struct window_shape shape;
    bool has_shape;
    struct tally tally;
    struct pen_shown_group group; /* whose records come */
    bool has_group;
    struct pen_buf key, scratch;
    struct pen_arena texts;       /* of candidates */
    struct candidate *candidates; /* by hash once they are looked for */
    uint32_t candidate_count, candidate_cap;
    bool is_sorted;
};

/* ---- rules ---- */

static pen_status rule_take(struct showing *s, const struct pen_shown_rule *rule, uint32_t at)
{
    if (s->rule != UINT32_MAX) {
        return PEN_E_CORRUPT; /* twice in one file */
    }
    s->rule = at;
    memcpy(s->queries, rule->queries, sizeof(s->queries));
    s->known = (struct pen_state_rule){.method = rule->method,
                                       .window_ns = rule->window_ns,
                                       .queries = s->queries,
                                       .query_count = rule->query_count};
    s->has_shape = rule->is_described && rule->query_count > 0;
    if (!s->has_shape) {
        return PEN_OK;
    }
    pen_window_shape(&s->shape, &s->known);
    return tally_init(&s->tally, &s->shape);
}

static pen_status rule_show(struct showing *s, struct snapshot_record *r)
{
    struct snapshot_rule saved;
    if (!snapshot_get_rule(r, &saved)) {
        return PEN_E_CORRUPT;
    }
    struct pen_shown_rule rule = {.id = saved.id,
                                  .name = saved.name,
                                  .is_described = saved.has_shape,
                                  .method = (enum pen_method)saved.shape.method,
                                  .window_ns = saved.shape.window_ns,
                                  .keep_alive_ns = saved.shape.keep_alive_ns,
                                  .learning_ns = saved.shape.learning_ns,
                                  .forget_ns = saved.shape.forget_ns,
                                  .query_count = saved.shape.query_count};
    for (uint32_t q = 0; q < rule.query_count; q++) {
        rule.queries[q] = (enum pen_aggregation)saved.shape.queries[q];
    }
    /* Where another state counts it, that one's file tells of it. */
    const bool is_elsewhere = saved.has_shape && rule.method == PEN_METHOD_PASS;
    if (!is_elsewhere && s->show->rule.len > 0 && pen_slice_eq(saved.id, s->show->rule)) {
        PEN_TRY(rule_take(s, &rule, r->rule));
    }
    return is_elsewhere || s->show->on_rule == NULL ? PEN_OK
                                                    : s->show->on_rule(s->show->ctx, &rule);
}

/* ---- groups ---- */

static pen_status group_end(struct showing *s)
{
    struct pen_state_show *show = s->show;
    if (!s->has_group) {
        return PEN_OK;
    }
    s->has_group = false;
    if (s->has_shape && s->known.method != PEN_METHOD_TRAVEL) {
        struct window_sum sum;
        tally_read(&s->tally, &s->shape, &sum);
        s->group.is_limited |= sum.is_limited;
        s->group.count = s->known.method == PEN_METHOD_ANOMALY ? s->group.count : sum.events;
        memcpy(s->group.per_query, sum.per_query, sizeof(s->group.per_query));
        memcpy(s->group.values, sum.values, sizeof(s->group.values));
        tally_clear(&s->tally, &s->shape);
    }
    s->group.group = pen_buf_slice(&s->key);
    return show->on_group == NULL ? PEN_OK : show->on_group(show->ctx, &s->group);
}

static pen_status group_begin(struct showing *s, struct snapshot_record *r)
{
    int64_t last_release = 0;
    bool is_limited = false;
    pen_slice key;
    PEN_TRY(group_end(s));
    if (!pen_group_get(r, &last_release, &is_limited, &key)) {
        return PEN_E_CORRUPT;
    }
    s->group = (struct pen_shown_group){
        .first_ns = INT64_MIN, .last_ns = INT64_MIN, .is_limited = is_limited};
    s->has_group = true;
    s->key.len = 0;
    return pen_buf_add(&s->key, key);
}

static pen_status events_add(struct showing *s, struct snapshot_record *r)
{
    struct window_event event;
    union window_value values[PEN_STATE_QUERIES_MAX] = {{.quantity = 0}};
    while (r->rest.len > 0) {
        if (!pen_group_get_event(&s->shape, r, &event, values)) {
            return PEN_E_CORRUPT;
        }
        if (s->known.method != PEN_METHOD_ANOMALY && s->group.first_ns == INT64_MIN) {
            s->group.first_ns = event.time;
        }
        s->group.last_ns = event.time > s->group.last_ns ? event.time : s->group.last_ns;
        PEN_TRY(tally_add(&s->tally, &s->shape, &event, values, UINT32_MAX));
    }
    return PEN_OK;
}

/* A record of the group that began last. */
static pen_status group_more(struct showing *s, struct snapshot_record *r)
{
    struct group_told told;
    if (!s->has_group) {
        return PEN_E_CORRUPT;
    }
    if (r->kind == SNAPSHOT_GROUP_SAMPLE || r->kind == SNAPSHOT_GROUP_COLD) {
        return PEN_OK;
    }
    if (r->kind == SNAPSHOT_GROUP_EVENTS) {
        return s->has_shape ? events_add(s, r) : PEN_E_CORRUPT;
    }
    const bool is_travel = r->kind == SNAPSHOT_GROUP_TRAVEL;
    if (!(is_travel ? pen_group_get_travel(r, &told) : pen_group_get_history(r, &told))) {
        return PEN_E_CORRUPT;
    }
    s->group.first_ns = told.begun;
    s->group.last_ns = is_travel ? told.last : s->group.last_ns;
    s->group.count = told.count;
    return PEN_OK;
}

/* ---- new values ---- */

static pen_status candidate_add(struct showing *s, pen_slice text)
{
    struct new_value_of of = {
        .group = text,
        .mark = NEW_VALUE,
        .hash_key = s->reader.head.hash_key,
        .partition = pen_observation_partition(s->show->rule, text, s->reader.head.hash_key)};
    if (s->candidate_count == s->candidate_cap) {
        const uint32_t cap = s->candidate_cap == 0 ? 64 : s->candidate_cap * 2;
        struct candidate *bigger = reallocarray(s->candidates, cap, sizeof(*bigger));
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        s->candidates = bigger;
        s->candidate_cap = cap;
    }
    struct candidate *c = &s->candidates[s->candidate_count++];
    c->text = text;
    s->is_sorted = false;
    return pen_new_value_hash(&s->scratch, &of, s->show->value, &c->hash);
}

static pen_status value_group(struct showing *s, struct snapshot_record *r)
{
    struct value_group_saved saved;
    pen_slice text;
    if (!pen_value_group_get(r, &saved, &text)) {
        return PEN_E_CORRUPT;
    }
    const struct pen_shown_group group = {
        .group = text, .first_ns = saved.since, .last_ns = INT64_MIN, .count = saved.values};
    if (s->show->on_group != NULL) {
        PEN_TRY(s->show->on_group(s->show->ctx, &group));
    }
    if (s->show->value.ptr == NULL) {
        return PEN_OK;
    }
    uint8_t *kept = pen_arena_alloc(&s->texts, text.len + 1, 1);
    if (kept == NULL) {
        return PEN_E_NOMEM;
    }
    memcpy(kept, text.ptr, text.len);
    return candidate_add(s, (pen_slice){kept, text.len});
}

static int hash_order(const struct new_value_hash *a, const struct new_value_hash *b)
{
    if (a->low != b->low) {
        return a->low < b->low ? -1 : 1;
    }
    return a->high < b->high ? -1 : a->high > b->high;
}

static int candidate_order(const void *a, const void *b)
{
    return hash_order(&((const struct candidate *)a)->hash, &((const struct candidate *)b)->hash);
}

/* Tells of one value, when it is the one in a candidate. */
static pen_status value_look(const struct showing *s, const struct new_value_saved *saved)
{
    const struct candidate wanted = {.hash = saved->hash};
    if (s->candidate_count == 0 || s->show->on_value == NULL) {
        return PEN_OK;
    }
    const struct candidate *found =
        bsearch(&wanted, s->candidates, s->candidate_count, sizeof(wanted), candidate_order);
    if (found == NULL) {
        return PEN_OK;
    }
    const struct pen_shown_value value = {.group = found->text, .seen_ns = saved->seen_ns};
    return s->show->on_value(s->show->ctx, &value);
}

static pen_status values_look(struct showing *s, struct snapshot_record *r)
{
    struct new_value_saved saved;
    if (!s->is_sorted && s->candidate_count > 0) {
        qsort(s->candidates, s->candidate_count, sizeof(*s->candidates), candidate_order);
        s->is_sorted = true;
    }
    while (pen_new_value_get(r, &saved)) {
        s->show->new_values++;
        PEN_TRY(value_look(s, &saved));
    }
    return r->rest.len == 0 ? PEN_OK : PEN_E_CORRUPT;
}

/* ---- a file ---- */

static pen_status signal_show(const struct showing *s, struct snapshot_record *r)
{
    struct pen_shown_signal signal;
    if (!pen_signal_get(r, &signal)) {
        return PEN_E_CORRUPT;
    }
    return s->show->on_signal == NULL ? PEN_OK : s->show->on_signal(s->show->ctx, &signal);
}

static pen_status record_show(struct showing *s, struct snapshot_record *r)
{
    if (r->kind == SNAPSHOT_RULE) {
        return rule_show(s, r);
    }
    if (r->rule != s->rule) {
        return PEN_OK;
    }
    switch (r->kind) {
    case SNAPSHOT_SIGNAL:
        return signal_show(s, r);
    case SNAPSHOT_GROUP:
        return group_begin(s, r);
    case SNAPSHOT_GROUP_EVENTS:
    case SNAPSHOT_GROUP_SAMPLE:
    case SNAPSHOT_GROUP_TRAVEL:
    case SNAPSHOT_GROUP_HISTORY:
    case SNAPSHOT_GROUP_COLD:
        return group_more(s, r);
    case SNAPSHOT_VALUE_GROUP:
        return value_group(s, r);
    case SNAPSHOT_VALUES:
        return values_look(s, r);
    case SNAPSHOT_COUNTERS:
    case SNAPSHOT_SIGNAL_SAMPLE:
    case SNAPSHOT_SIGNAL_STAGED:
        return PEN_OK;
    case SNAPSHOT_RULE:
    default:
        return PEN_E_CORRUPT;
    }
}

/* True when all that is asked for comes with the rules, which are first. */
static bool is_enough(const struct showing *s)
{
    const struct snapshot_reader *r = &s->reader;
    return r->head.records - r->left >= r->head.rules && s->rule == UINT32_MAX;
}

static pen_status records_show(struct showing *s, struct pen_err *err)
{
    struct snapshot_record record;
    bool more = true;
    pen_status st = PEN_OK;
    while (!is_enough(s)) {
        PEN_TRY(snapshot_reader_next(&s->reader, &record, &more, err));
        if (!more) {
            break;
        }
        st = record_show(s, &record);
        if (st != PEN_OK) {
            break;
        }
    }
    st = st == PEN_OK ? group_end(s) : st;
    return st == PEN_OK || (err != NULL && err->status != PEN_OK)
               ? st
               : PEN_FAIL(err, st, s->reader.blocks.offset, "%s: a record is not sound: %s",
                          s->reader.blocks.name, pen_status_text(st));
}

static void showing_fini(struct showing *s)
{
    if (s->tally.per_query != NULL) {
        tally_fini(&s->tally, &s->shape);
    }
    pen_arena_fini(&s->texts);
    pen_buf_fini(&s->key);
    pen_buf_fini(&s->scratch);
    free(s->candidates);
    snapshot_reader_fini(&s->reader);
}

static pen_status file_show(struct pen_state_show *show, const char *name, struct pen_err *err)
{
    struct showing s = {.show = show, .rule = UINT32_MAX};
    pen_buf_init(&s.key, PEN_OBSERVATION_KEY_MAX);
    pen_arena_init(&s.texts, TEXTS_BYTES_MAX);
    pen_buf_init(&s.scratch, (size_t)4 * PEN_OBSERVATION_KEY_MAX);
    pen_status st = snapshot_reader_open(&s.reader, show->dir, name, err);
    if (st == PEN_OK) {
        const int64_t position = snapshot_position(&s.reader.head);
        show->position_ns = position < show->position_ns ? position : show->position_ns;
        show->time_max_ns =
            s.reader.head.time_max > show->time_max_ns ? s.reader.head.time_max : show->time_max_ns;
        show->epoch = s.reader.head.epoch;
    }
    for (uint32_t i = 0; st == PEN_OK && show->value.ptr != NULL && i < show->group_count; i++) {
        st = candidate_add(&s, show->groups[i]);
    }
    st = st == PEN_OK ? records_show(&s, err) : st;
    showing_fini(&s);
    return st;
}

pen_status pen_state_shown(struct pen_state_show *show, struct pen_err *err)
{
    show->position_ns = INT64_MAX;
    show->time_max_ns = INT64_MIN;
    show->epoch = show->new_values = 0;
    for (uint32_t i = 0; i < show->name_count; i++) {
        PEN_TRY(file_show(show, show->names[i], err));
    }
    return PEN_OK;
}
