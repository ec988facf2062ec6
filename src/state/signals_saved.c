/* tested by tests/unit/state/test_snapshot.c */
#include "snapshot.h"

#include <stdlib.h>

/* The fixed part of an open signal; behind it the counts of its queries, group and sets. */
struct saved_signal {
    char id[32];
    int64_t first_seen, last_seen, first_release, last_release;
    uint64_t events, waiting;
    uint32_t case_index, severity, case_told, query_count;
    uint32_t set_counts[4];
    uint8_t late, limited, cold, reserved[5];
};
_Static_assert(sizeof(struct saved_signal) == 120, "the layout is written to disk");

/* In their order: the first ones, then the rings from their oldest. */
static void save_samples(const struct signals *s, const struct open_signal *sig,
                         struct snapshot_writer *w, const struct record_head *of)
{
    const uint32_t first =
        sig->sample_count < s->samples_first ? sig->sample_count : s->samples_first;
    const uint32_t ring = sig->sample_count - first;
    const uint32_t oldest = ring < s->samples_last || ring == 0
                                ? 0
                                : (sig->sample_total - s->samples_first) % s->samples_last;
    struct record_head head = *of;
    head.kind = SNAPSHOT_SIGNAL_SAMPLE;
    for (uint32_t i = 0; i < sig->sample_count; i++) {
        const uint32_t at = i < first ? i : first + (oldest + i - first) % ring;
        snapshot_put(w, &head, pen_state_text(&sig->samples[at]));
    }
    head.kind = SNAPSHOT_SIGNAL_STAGED;
    const uint64_t kept = sig->staged_total < s->samples_last ? sig->staged_total : s->samples_last;
    for (uint64_t i = sig->staged_total - kept; i < sig->staged_total; i++) {
        snapshot_put(w, &head, pen_state_text(&sig->staged[i % s->samples_last]));
    }
}

static void save_sets(const struct open_signal *sig, struct snapshot_writer *w)
{
    for (uint32_t k = 0; k < PEN_COUNT(sig->sets); k++) {
        for (uint32_t i = 0; i < sig->sets[k].count; i++) {
            snapshot_add_text(w, pen_state_text(&sig->sets[k].items[i]));
        }
    }
}

static void save_signal(const struct signals *s, const struct open_signal *sig,
                        struct snapshot_writer *w, const struct record_head *of)
{
    struct saved_signal saved = {.first_seen = sig->first_seen,
                                 .last_seen = sig->last_seen,
                                 .first_release = sig->first_release,
                                 .last_release = sig->last_release,
                                 .events = sig->events,
                                 .waiting = sig->waiting,
                                 .case_index = sig->case_index,
                                 .severity = sig->severity,
                                 .case_told = sig->case_told,
                                 .query_count = sig->per_query == NULL ? 0 : sig->query_count,
                                 .late = sig->late,
                                 .limited = sig->limited,
                                 .cold = sig->cold};
    memcpy(saved.id, sig->id, sizeof(saved.id));
    for (uint32_t k = 0; k < PEN_COUNT(sig->sets); k++) {
        saved.set_counts[k] = sig->sets[k].count;
    }
    snapshot_begin(w, SNAPSHOT_SIGNAL, of->rule, of->partition);
    snapshot_add(w, &saved, sizeof(saved));
    snapshot_add(w, sig->per_query, (size_t)2 * saved.query_count * sizeof(*sig->per_query));
    snapshot_add_text(w, pen_state_text(&sig->group));
    save_sets(sig, w);
    snapshot_end(w);
    save_samples(s, sig, w, of);
}

void pen_state_signals_save(const struct signals *s, uint64_t hash_key, struct snapshot_writer *w)
{
    for (size_t i = 0; i < s->count && w->status == PEN_OK; i++) {
        const struct open_signal *sig = s->heap[i];
        const struct record_head of = {
            .rule = sig->rule,
            .partition = pen_observation_partition(s->rules[sig->rule].id,
                                                   pen_state_text(&sig->group), hash_key)};
        save_signal(s, sig, w, &of);
    }
}

/* ---- and back ---- */

bool pen_signal_get(struct snapshot_record *r, struct pen_shown_signal *out)
{
    struct saved_signal saved;
    pen_slice counts;
    *out = (struct pen_shown_signal){.events = 0};
    const pen_slice whole = r->rest;
    if (!snapshot_get(r, &saved, sizeof(saved)) || saved.query_count > PEN_STATE_QUERIES_MAX ||
        !pen_slice_take(&r->rest, (size_t)2 * saved.query_count * sizeof(uint64_t), &counts) ||
        !snapshot_get_text(r, &out->group)) {
        return false;
    }
    out->id = pen_slice_sub(whole, offsetof(struct saved_signal, id),
                            offsetof(struct saved_signal, id) + sizeof(saved.id));
    out->first_seen_ns = saved.first_seen;
    out->last_seen_ns = saved.last_seen;
    out->events = saved.events;
    out->late = saved.late != 0;
    out->limited = saved.limited != 0;
    out->cold = saved.cold != 0;
    return true;
}

/* Whether the numbers can be those of a signal of the rule. */
static bool is_sound(const struct pen_state_rule *rule, const struct saved_signal *saved)
{
    const bool is_match = rule->method == PEN_METHOD_MATCH;
    const uint32_t cases = rule->case_count == 0 ? 1 : rule->case_count;
    const bool has_case = is_match
                              ? saved->case_index == UINT32_MAX && saved->case_told == UINT32_MAX
                              : saved->case_index < cases && saved->case_told < cases;
    return has_case && saved->query_count == (is_match ? 0 : rule->query_count) &&
           saved->events > 0 && rule->keep_alive_ns > 0 && saved->first_seen <= saved->last_seen &&
           saved->first_release <= saved->last_release;
}

static pen_status fill_set(struct open_signal *sig, struct text_set *set, uint32_t count,
                           struct snapshot_record *r)
{
    pen_slice text;
    for (uint32_t i = 0; i < count; i++) {
        if (count > STATE_SET_MAX || !snapshot_get_text(r, &text)) {
            return PEN_E_CORRUPT;
        }
        PEN_TRY(pen_state_set_add(set, text, &sig->bytes));
    }
    return PEN_OK;
}

static pen_status fill_sets(struct open_signal *sig, const struct saved_signal *saved,
                            struct snapshot_record *r)
{
    for (uint32_t k = 0; k < PEN_COUNT(sig->sets); k++) {
        PEN_TRY(fill_set(sig, &sig->sets[k], saved->set_counts[k], r));
    }
    return r->rest.len == 0 ? PEN_OK : PEN_E_CORRUPT;
}

static pen_status fill_counts(struct open_signal *sig, uint32_t query_count,
                              struct snapshot_record *r)
{
    const size_t bytes = (size_t)2 * query_count * sizeof(*sig->per_query);
    if (query_count == 0) {
        return PEN_OK;
    }
    sig->per_query = malloc(bytes);
    if (sig->per_query == NULL) {
        return PEN_E_NOMEM;
    }
    sig->query_count = query_count;
    sig->bytes += bytes;
    return snapshot_get(r, sig->per_query, bytes) ? PEN_OK : PEN_E_CORRUPT;
}

static pen_status fill(struct open_signal *sig, const struct saved_signal *saved,
                       struct snapshot_record *r)
{
    pen_slice group;
    memcpy(sig->id, saved->id, sizeof(saved->id));
    sig->first_seen = saved->first_seen;
    sig->last_seen = saved->last_seen;
    sig->first_release = saved->first_release;
    sig->last_release = saved->last_release;
    sig->events = saved->events;
    sig->waiting = saved->waiting;
    sig->case_index = saved->case_index;
    sig->severity = saved->severity;
    sig->case_told = saved->case_told;
    sig->late = saved->late != 0;
    sig->limited = saved->limited != 0;
    sig->cold = saved->cold != 0;
    PEN_TRY(fill_counts(sig, saved->query_count, r));
    if (!snapshot_get_text(r, &group) || group.len > PEN_OBSERVATION_KEY_MAX) {
        return PEN_E_CORRUPT;
    }
    PEN_TRY(pen_state_text_set(&sig->group, group, &sig->bytes));
    return fill_sets(sig, saved, r);
}

static pen_status load_signal(struct signals *s, struct snapshot_record *r)
{
    struct saved_signal saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) || !is_sound(&s->rules[r->rule], &saved)) {
        return PEN_E_CORRUPT;
    }
    struct open_signal *sig = pen_state_signal_new(s, r->rule, 0);
    pen_status st = sig == NULL ? PEN_E_NOMEM : fill(sig, &saved, r);
    if (st == PEN_OK) {
        const struct pen_observation o = {.rule = sig->rule, .group = pen_state_text(&sig->group)};
        sig->hash = pen_state_group_hash(&o);
        st = pen_state_signal_find(s, sig->hash, sig->rule, pen_state_text(&sig->group)) == NULL
                 ? PEN_OK
                 : PEN_E_CORRUPT;
    }
    if (st != PEN_OK) {
        if (sig != NULL) {
            pen_state_signal_free(s, sig);
        }
        return st;
    }
    pen_state_signal_insert(s, sig);
    s->bytes += sig->bytes;
    s->loading = sig;
    return PEN_OK;
}

static bool is_observation(pen_slice encoded)
{
    struct pen_observation o;
    return pen_observation_decode(&encoded, &o, NULL) == PEN_OK && encoded.len == 0;
}

static pen_status load_sample(struct signals *s, struct snapshot_record *r)
{
    struct open_signal *sig = s->loading;
    if (sig == NULL || sig->rule != r->rule || !is_observation(r->rest)) {
        return PEN_E_CORRUPT;
    }
    if (r->kind == SNAPSHOT_SIGNAL_STAGED) {
        return pen_state_signal_stage(s, sig, r->rest);
    }
    const size_t before = sig->bytes;
    PEN_TRY(pen_state_signal_sample(s, sig, r->rest));
    s->bytes += sig->bytes - before;
    return PEN_OK;
}

pen_status pen_state_signals_load(struct signals *s, struct snapshot_record *r)
{
    return r->kind == SNAPSHOT_SIGNAL ? load_signal(s, r) : load_sample(s, r);
}
