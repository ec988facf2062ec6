/* tested by tests/unit/state/test_window.c */
#include "penstock/state.h"

#include "snapshot.h"

#include <stdlib.h>

/*
 * One slot for each value of each group, and one for each group: 88 bits of a keyed hash, the
 * partition of the group, and the time it was last seen (of a group: when its learning began).  Two
 * of n entries of a rule are one with a probability of n^2 / 2^97, and of n^2 / 2^89 when all are
 * of one group: of 10 million one in 10^12.
 */
#define MEMORY_PARTS 2U /* of the memory of the state one is theirs */

/* ---- values ---- */

pen_status pen_new_values_init(struct new_values *v, const struct pen_state_options *o)
{
    *v = (struct new_values){.options = o};
    pen_buf_init(&v->scratch, (size_t)4 * PEN_OBSERVATION_KEY_MAX);
    v->tables = calloc((size_t)o->rule_count + 1, sizeof(struct value_table *));
    return v->tables == NULL ? PEN_E_NOMEM : pen_value_groups_init(&v->groups, o);
}

static uint32_t tables_of_rule(const struct new_values *v)
{
    return PEN_PARTITIONS / v->options->shards + 1;
}

void pen_new_values_fini(struct new_values *v)
{
    for (uint32_t r = 0; v->tables != NULL && r < v->options->rule_count; r++) {
        for (uint32_t p = 0; v->tables[r] != NULL && p < tables_of_rule(v); p++) {
            pen_value_table_fini(&v->tables[r][p]);
        }
        free(v->tables[r]);
    }
    free(v->tables);
    pen_value_groups_fini(&v->groups);
    pen_buf_fini(&v->scratch);
}

pen_status pen_new_value_hash(struct pen_buf *scratch, const struct new_value_of *of,
                              pen_slice value, struct new_value_hash *out)
{
    scratch->len = 0;
    PEN_TRY(pen_buf_add(scratch, of->group));
    PEN_TRY(pen_buf_add_byte(scratch, of->mark));
    PEN_TRY(pen_buf_add(scratch, value));
    const struct pen_hash128 hash = pen_hash128(pen_buf_slice(scratch), of->hash_key);
    const uint32_t partition = of->partition;
    out->low = hash.lo;
    out->high = ((uint32_t)(hash.hi >> 32) & ~(PEN_PARTITIONS - 1U)) | partition;
    return PEN_OK;
}

static pen_status tables_open(struct new_values *v, uint32_t rule)
{
    if (v->tables[rule] != NULL) {
        return PEN_OK;
    }
    v->tables[rule] = calloc(tables_of_rule(v), sizeof(struct value_table));
    v->bytes += tables_of_rule(v) * sizeof(struct value_table);
    return v->tables[rule] == NULL ? PEN_E_NOMEM : PEN_OK;
}

/* Of a rule whose tables are open. */
static struct value_table *table_of(const struct new_values *v, uint32_t rule, uint32_t high)
{
    return &v->tables[rule][high % PEN_PARTITIONS / v->options->shards];
}

/* The slot of a hash; *is_new: it was not there, and the caller says when it was seen. */
static pen_status entry(struct new_values *v, uint32_t rule, struct new_value_hash hash,
                        struct value_slot **out, bool *is_new)
{
    PEN_TRY(tables_open(v, rule));
    struct value_table *t = table_of(v, rule, hash.high);
    *out = pen_value_table_find(t, &hash);
    *is_new = *out == NULL;
    if (!*is_new) {
        return PEN_OK;
    }
    const struct value_limits limits = {.count_max = v->options->new_values_max,
                                        .has_memory = v->bytes + v->groups.bytes <=
                                                      v->options->memory_bytes_max / MEMORY_PARTS};
    const struct value_table before = *t;
    const pen_status st = pen_value_table_put(t, &hash, &limits, out, &v->evicted);
    v->count += t->count - before.count;
    v->bytes += t->bytes - before.bytes;
    return st;
}

/* The group has one more value. */
static pen_status group_count(struct new_values *v, uint32_t rule, const struct new_value_of *of)
{
    struct new_value_of clock = *of;
    struct new_value_hash hash;
    clock.mark = NEW_VALUE_GROUP;
    PEN_TRY(pen_new_value_hash(&v->scratch, &clock, (pen_slice){0}, &hash));
    struct value_group *group = pen_value_groups_find(&v->groups, rule, &hash);
    if (group != NULL) {
        group->values++;
    }
    return PEN_OK;
}

/* Learns a value; *is_news: it was unknown, or forgotten. */
static pen_status learn(struct new_values *v, const struct pen_observation *o,
                        const struct new_value_of *of, pen_slice value, bool *is_news)
{
    const int64_t forget = v->options->rules[o->rule].new_value.forget_ns;
    struct new_value_hash hash;
    struct value_slot *slot = NULL;
    bool is_new = false;
    PEN_TRY(pen_new_value_hash(&v->scratch, of, value, &hash));
    PEN_TRY(entry(v, o->rule, hash, &slot, &is_new));
    const int64_t before = is_new ? INT64_MIN : slot->seen;
    *is_news = is_new || o->time_ns > pen_state_add(before, forget);
    slot->seen = o->time_ns > before ? o->time_ns : before;
    return is_new ? group_count(v, o->rule, of) : PEN_OK;
}

struct clock {        /* of a group at an event */
    bool is_first;    /* with a value */
    bool is_learning; /* by duration */
    /* Nothing was read of the group in all the time that its rule looks back, but it may be older
     * than what was read: then it has learned long ago, and what it learned is forgotten. */
    bool is_unsure;
};

static pen_status clock_of(struct new_values *v, const struct pen_observation *o,
                           struct new_value_of of, struct clock *out)
{
    const struct pen_new_value *rule = &v->options->rules[o->rule].new_value;
    struct new_value_hash hash;
    struct value_slot *slot = NULL;
    bool is_new = false;
    of.mark = NEW_VALUE_GROUP;
    PEN_TRY(pen_new_value_hash(&v->scratch, &of, (pen_slice){0}, &hash));
    PEN_TRY(entry(v, o->rule, hash, &slot, &is_new));
    PEN_TRY(is_new ? pen_value_groups_add(&v->groups, o->rule, &hash, of.group) : PEN_OK);
    if (is_new) {
        slot->seen = o->time_ns;
    }
    const int64_t looks_back = pen_state_add(rule->learning_ns, rule->forget_ns);
    *out =
        (struct clock){.is_first = is_new,
                       .is_learning = o->time_ns < pen_state_add(slot->seen, rule->learning_ns),
                       .is_unsure = v->options->has_begin &&
                                    slot->seen >= pen_state_add(v->options->begin_ns, looks_back)};
    return PEN_OK;
}

pen_status pen_new_values_feed(struct new_values *v, const struct state_event *event,
                               struct signals *signals)
{
    const struct pen_state_rule *rule = &v->options->rules[event->o->rule];
    const uint64_t one = 1;
    struct clock clock = {.is_first = false};
    bool is_hit = false;
    bool is_sure = false;
    pen_slice rest = event->values[0];
    pen_slice value;
    if (rest.len == 0) {
        return PEN_OK; /* without a value there is nothing to learn, and no clock to start */
    }
    const struct new_value_of of = {.group = event->o->group,
                                    .partition = event->partition,
                                    .mark = NEW_VALUE,
                                    .hash_key = v->options->hash_key};
    PEN_TRY(clock_of(v, event->o, of, &clock));
    /* values that may yet be learned in silence */
    uint32_t silent = clock.is_first ? rule->new_value.silent : 0;
    while (rest.len > 0 && pen_slice_split(&rest, '\n', &value)) {
        bool is_news = false;
        PEN_TRY(learn(v, event->o, &of, value, &is_news));
        const bool is_loud = is_news && silent == 0 && !clock.is_learning;
        is_sure |= is_loud;
        is_hit |= is_loud || (is_news && clock.is_unsure);
        silent -= silent > 0;
    }
    if (!is_hit) {
        return pen_state_signals_miss(signals, event);
    }
    const struct state_hit hit = {.case_index = 0,
                                  .severity = rule->case_count == 0 ? 0 : rule->cases[0].severity,
                                  .is_cold = !is_sure,
                                  .events = 1,
                                  .per_query = &one,
                                  .query_count = 1};
    return pen_state_signals_hit(signals, event, &hit);
}

/* ---- in a snapshot ---- */

static void save_table(const struct value_table *t, uint32_t rule, struct snapshot_writer *w)
{
    size_t at = 0;
    const struct value_segment *s = pen_value_table_next(t, &at);
    for (; s != NULL; s = pen_value_table_next(t, &at)) {
        if (s->count > 0) {
            snapshot_begin(w, SNAPSHOT_VALUES, rule, SNAPSHOT_MIXED);
            snapshot_add(w, s->slots, s->count * sizeof(s->slots[0]));
            snapshot_end(w);
        }
    }
}

static void save_group(const struct new_values *v, const struct value_group *group,
                       struct snapshot_writer *w)
{
    const struct new_value_hash hash = {.low = group->low, .high = group->high};
    const struct value_slot *slot =
        v->tables[group->rule] == NULL
            ? NULL
            : pen_value_table_find(table_of(v, group->rule, group->high), &hash);
    const struct value_group_saved saved = {.values = group->values,
                                            .since = slot == NULL ? INT64_MIN : slot->seen};
    snapshot_begin(w, SNAPSHOT_VALUE_GROUP, group->rule, group->high % PEN_PARTITIONS);
    snapshot_add(w, &saved, sizeof(saved));
    snapshot_add_text(w, (pen_slice){group->text, group->text_len});
    snapshot_end(w);
}

void pen_new_values_save(const struct new_values *v, struct snapshot_writer *w)
{
    for (size_t i = 0; i < v->groups.slot_count; i++) {
        if (v->groups.slots[i] != NULL) {
            save_group(v, v->groups.slots[i], w);
        }
    }
    for (uint32_t r = 0; r < v->options->rule_count; r++) {
        for (uint32_t p = 0; v->tables[r] != NULL && p < tables_of_rule(v); p++) {
            save_table(&v->tables[r][p], r, w);
        }
    }
}

bool pen_value_group_get(struct snapshot_record *r, struct value_group_saved *out, pen_slice *text)
{
    return snapshot_get(r, out, sizeof(*out)) && snapshot_get_text(r, text) &&
           text->len <= PEN_OBSERVATION_KEY_MAX && r->rest.len == 0;
}

static pen_status load_group(struct new_values *v, struct snapshot_record *r)
{
    struct value_group_saved saved;
    struct new_value_of of = {.mark = NEW_VALUE_GROUP, .hash_key = v->options->hash_key};
    struct new_value_hash hash;
    if (v->options->rules[r->rule].method != PEN_METHOD_NEW_VALUE ||
        !pen_value_group_get(r, &saved, &of.group)) {
        return PEN_E_CORRUPT;
    }
    of.partition = pen_observation_partition(v->options->rules[r->rule].id, of.group, of.hash_key);
    PEN_TRY(pen_new_value_hash(&v->scratch, &of, (pen_slice){0}, &hash));
    if (of.partition != r->partition || pen_value_groups_find(&v->groups, r->rule, &hash) != NULL) {
        return PEN_E_CORRUPT;
    }
    PEN_TRY(pen_value_groups_add(&v->groups, r->rule, &hash, of.group));
    struct value_group *group = pen_value_groups_find(&v->groups, r->rule, &hash);
    if (group != NULL) {
        group->values = saved.values;
    }
    return PEN_OK;
}

pen_status pen_new_values_load(struct new_values *v, struct snapshot_record *r)
{
    struct new_value_saved saved;
    if (r->kind == SNAPSHOT_VALUE_GROUP) {
        return load_group(v, r);
    }
    if (v->options->rules[r->rule].method != PEN_METHOD_NEW_VALUE ||
        r->partition != SNAPSHOT_MIXED) {
        return PEN_E_CORRUPT;
    }
    while (pen_new_value_get(r, &saved)) {
        struct value_slot *slot = NULL;
        bool is_new = false;
        if (saved.partition % v->options->shards != v->options->shard) {
            continue;
        }
        PEN_TRY(entry(v, r->rule, saved.hash, &slot, &is_new));
        if (!is_new || saved.seen_ns == INT64_MIN) {
            return PEN_E_CORRUPT;
        }
        slot->seen = saved.seen_ns;
    }
    return r->rest.len == 0 ? PEN_OK : PEN_E_CORRUPT;
}

bool pen_new_value_get(struct snapshot_record *r, struct new_value_saved *out)
{
    struct value_slot slot;
    if (!snapshot_get(r, &slot, sizeof(slot))) {
        return false;
    }
    *out = (struct new_value_saved){.hash = {.low = slot.low, .high = slot.high},
                                    .partition = slot.high % PEN_PARTITIONS,
                                    .seen_ns = slot.seen};
    return true;
}
