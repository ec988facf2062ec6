#include "penstock/state.h"

#include "state_internal.h"
#include "travel.h"

#include <stdlib.h>

#define SLOTS_FIRST 1024U
#define NOT_DIRTY SIZE_MAX
#define ID_SEED UINT64_C(0x70656e73746f636b)

static int64_t day_of(int64_t ns)
{
    return ns / PEN_NS_PER_DAY - (ns % PEN_NS_PER_DAY < 0);
}

static int64_t day_end(int64_t ns)
{
    int64_t end;
    return __builtin_mul_overflow(day_of(ns) + 1, PEN_NS_PER_DAY, &end) ? INT64_MAX : end;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void pen_state_signal_free(struct signals *s, struct open_signal *sig)
{
    for (uint32_t i = 0; sig->staged != NULL && i < s->samples_last; i++) {
        free(sig->staged[i].ptr);
    }
    for (uint32_t k = 0; k < PEN_COUNT(sig->sets); k++) {
        for (uint32_t i = 0; i < sig->sets[k].count; i++) {
            free(sig->sets[k].items[i].ptr);
        }
    }
    for (uint32_t i = 0; i < sig->sample_cap; i++) {
        free(sig->samples[i].ptr);
    }
    free(sig->samples);
    free(sig->staged);
    free(sig->per_query);
    free(sig->group.ptr);
    free(sig);
}

/* ---- handing out ---- */

/* Samples in their order: the first ones, then the ring of the last ones from its oldest. */
static uint32_t view_samples(const struct signals *s, const struct open_signal *sig)
{
    const uint32_t first =
        sig->sample_count < s->samples_first ? sig->sample_count : s->samples_first;
    const uint32_t ring = sig->sample_count - first;
    const uint32_t oldest = ring < s->samples_last || ring == 0
                                ? 0
                                : (sig->sample_total - s->samples_first) % s->samples_last;
    for (uint32_t i = 0; i < sig->sample_count; i++) {
        const uint32_t at = i < first ? i : first + (oldest + i - first) % ring;
        pen_slice in = pen_state_text(&sig->samples[at]);
        const pen_status status = pen_observation_decode(&in, &s->views[i].o, NULL);
        PEN_CHECK(status == PEN_OK); /* it was decoded when it was released */
        s->views[i].o.rule = sig->rule;
        s->views[i].is_last = i >= first;
    }
    return sig->sample_count;
}

static pen_status emit(struct signals *s, enum pen_signal_change change, struct open_signal *sig)
{
    const uint32_t before = change == PEN_SIGNAL_OPENED ? sig->case_index : sig->case_told;
    sig->case_told = sig->case_index;
    pen_slice sets[4][STATE_SET_MAX];
    for (uint32_t k = 0; k < 4; k++) {
        for (uint32_t i = 0; i < sig->sets[k].count; i++) {
            sets[k][i] = pen_state_text(&sig->sets[k].items[i]);
        }
    }
    struct pen_signal out = {.rule = sig->rule,
                             .first_seen_ns = sig->first_seen,
                             .last_seen_ns = sig->last_seen,
                             .opened_ns = sig->first_release,
                             .group = pen_state_text(&sig->group),
                             .events_matched = sig->events,
                             .events_per_query =
                                 sig->per_query == NULL ? &sig->events : sig->per_query,
                             .query_count = sig->per_query == NULL ? 1 : sig->query_count,
                             .case_index = sig->case_index,
                             .case_before = before,
                             .is_limited = sig->limited,
                             .closed = sig->closed,
                             .late = sig->late,
                             .cold = sig->cold,
                             .enters = sig->enters,
                             .closed_at_ns = sig->closed_at,
                             .accounts = sets[0],
                             .regions = sets[1],
                             .actors = sets[2],
                             .source_ips = sets[3],
                             .account_count = sig->sets[0].count,
                             .region_count = sig->sets[1].count,
                             .actor_count = sig->sets[2].count,
                             .source_ip_count = sig->sets[3].count,
                             .samples = s->views,
                             .sample_count = view_samples(s, sig)};
    memcpy(out.id, sig->id, sizeof(out.id));
    sig->enters = false;
    return s->fn(s->ctx, change, &out);
}

/* ---- life of a signal ---- */

static bool is_in_range(const struct signals *s, const struct open_signal *sig)
{
    return sig->last_seen >= s->tell_from;
}

int64_t pen_state_history_ns(const struct pen_state_rule *rule)
{
    if (rule->method == PEN_METHOD_NEW_VALUE) {
        const int64_t learning = rule->new_value.learning_ns;
        return pen_state_add(learning, pen_state_add(learning, rule->new_value.forget_ns));
    }
    if (rule->method == PEN_METHOD_ANOMALY) {
        const struct pen_anomaly *a = &rule->anomaly;
        const int64_t anew =
            a->learning_ns > ANOMALY_HISTORY_NS ? a->learning_ns : ANOMALY_HISTORY_NS;
        return pen_state_add(ANOMALY_HISTORY_NS + 2 * a->bucket_ns, anew);
    }
    if (rule->method == PEN_METHOD_TRAVEL) {
        const struct pen_travel *travel = &rule->travel;
        return pen_state_add(
            TRAVEL_IDLE_NS,
            travel->knows_places ? pen_state_add(travel->learning_ns, travel->forget_ns) : 0);
    }
    return rule->window_ns;
}

/*
 * Whether a run that began earlier might tell the signal that o opens otherwise: not when all of
 * its rule's history is known and the group was quiet for a keep-alive since; nor when one that is
 * no such was cut off just before.
 */
static bool opens_cold(const struct signals *s, const struct pen_observation *o,
                       const struct open_signal *before)
{
    const struct pen_state_rule *rule = &s->rules[o->rule];
    const int64_t t = o->time_ns;
    if (!s->has_begin || (rule->ends_at_midnight && day_of(t) > day_of(s->begin - 1))) {
        return false;
    }
    const int64_t known = pen_state_add(s->begin, pen_state_history_ns(rule));
    const int64_t last = before != NULL && before->last_seen > known ? before->last_seen : known;
    return t <= pen_state_add(last, rule->keep_alive_ns) && (before == NULL || before->cold);
}

static int64_t true_deadline(const struct signals *s, const struct open_signal *sig)
{
    const struct pen_state_rule *rule = &s->rules[sig->rule];
    if (rule->keep_alive_ns <= 0) {
        return INT64_MIN;
    }
    int64_t at = pen_state_add(sig->last_release, rule->keep_alive_ns);
    at = least(at, pen_state_add(pen_state_add(sig->first_release, rule->duration_max_ns), -1));
    return rule->ends_at_midnight ? least(at, day_end(sig->first_release) - 1) : at;
}

static int64_t bounds_end(const struct signals *s, const struct open_signal *sig)
{
    const struct pen_state_rule *rule = &s->rules[sig->rule];
    int64_t at = pen_state_add(sig->last_seen, rule->keep_alive_ns);
    at = least(at, pen_state_add(sig->first_seen, rule->duration_max_ns));
    return rule->ends_at_midnight ? least(at, day_end(sig->first_seen)) : at;
}

/* When it leaves the table: a cold one stays as long as the next of its group might follow from it.
 */
static int64_t removal(const struct signals *s, const struct open_signal *sig)
{
    const int64_t keep = s->rules[sig->rule].keep_alive_ns;
    return sig->cold && keep > 0 ? pen_state_add(sig->last_release, keep) : true_deadline(s, sig);
}

static pen_status close_signal(struct signals *s, struct open_signal *sig)
{
    sig->closed = true;
    sig->closed_at = bounds_end(s, sig);
    signal_table_take(s, sig);
    if (sig->dirty_at != NOT_DIRTY) {
        s->dirty[sig->dirty_at] = NULL;
    }
    s->bytes -= sig->bytes;
    const pen_status status = emit(s, PEN_SIGNAL_CLOSED, sig);
    pen_state_signal_free(s, sig);
    return status;
}

/* Deadlines move only up, so the heap keeps old ones and looks again when one comes to the top. */
static struct open_signal *soonest(struct signals *s)
{
    while (s->count > 0) {
        struct open_signal *top = s->heap[0];
        const int64_t deadline = removal(s, top);
        if (deadline == top->deadline) {
            return top;
        }
        top->deadline = deadline;
        signal_heap_fix(s, top);
    }
    return NULL;
}

pen_status pen_state_signals_expire(struct signals *s, int64_t clock)
{
    while (s->count > 0 && s->heap[0]->deadline < clock) {
        struct open_signal *top = soonest(s);
        if (top->deadline >= clock) {
            break;
        }
        PEN_TRY(close_signal(s, top));
    }
    return PEN_OK;
}

pen_status pen_state_signals_end(struct signals *s, int64_t end)
{
    if (s->count == 0) {
        return PEN_OK;
    }
    /* Closing reorders the heap, so what to look at is copied first. */
    const size_t count = s->count;
    struct open_signal **all = reallocarray(NULL, count, sizeof(struct open_signal *));
    if (all == NULL) {
        return PEN_E_NOMEM;
    }
    memcpy(all, s->heap, count * sizeof(struct open_signal *));
    pen_status status = PEN_OK;
    for (size_t i = 0; i < count && status == PEN_OK; i++) {
        if (bounds_end(s, all[i]) <= end) {
            status = close_signal(s, all[i]);
        }
    }
    free(all);
    return status;
}

static void make_id(struct signals *s, pen_slice rule_id, const struct pen_observation *o,
                    char out[33])
{
    const pen_slice parts[3] = {rule_id, o->group, o->event_id};
    s->scratch.len = 0;
    for (uint32_t i = 0; i < PEN_COUNT(parts); i++) {
        const uint32_t len = pen_u32(parts[i].len);
        const pen_status a = pen_buf_add(&s->scratch, (pen_slice){(const uint8_t *)&len, 4});
        const pen_status b = pen_buf_add(&s->scratch, parts[i]);
        PEN_CHECK(a == PEN_OK && b == PEN_OK); /* reserved at the start */
    }
    pen_hash128_hex(pen_hash128(pen_buf_slice(&s->scratch), ID_SEED), out);
}

pen_status pen_state_signal_sample(struct signals *s, struct open_signal *sig, pen_slice encoded)
{
    const uint32_t max = s->samples_first + s->samples_last;
    const uint32_t n = sig->sample_total;
    if (n >= s->samples_first && s->samples_last == 0) {
        return PEN_OK;
    }
    const uint32_t at = n < max ? n : s->samples_first + (n - s->samples_first) % s->samples_last;
    /* Before the count would wrap it goes back to one with the same place in the ring. */
    sig->sample_total = n < UINT32_MAX - 1 ? n + 1 : at + 1 + s->samples_last;
    if (at >= sig->sample_cap) {
        const uint32_t doubled = sig->sample_cap == 0 ? 1 : sig->sample_cap * 2;
        const uint32_t cap = doubled < max ? doubled : max;
        struct text *samples = reallocarray(sig->samples, cap, sizeof(*samples));
        if (samples == NULL) {
            return PEN_E_NOMEM;
        }
        memset(samples + sig->sample_cap, 0, (cap - sig->sample_cap) * sizeof(*samples));
        sig->bytes += (cap - sig->sample_cap) * sizeof(*samples);
        sig->samples = samples;
        sig->sample_cap = cap;
    }
    sig->sample_count = at >= sig->sample_count ? at + 1 : sig->sample_count;
    return pen_state_text_set(&sig->samples[at], encoded, &sig->bytes);
}

/* A sample as it is kept: rule and group are the signal's. */
static pen_status encode(struct signals *s, const struct pen_observation *o)
{
    s->encoded.len = 0;
    return pen_state_sample_encode(&s->encoded, o);
}

static pen_status gather(struct signals *s, struct open_signal *sig,
                         const struct pen_observation *o, pen_slice encoded)
{
    sig->late = sig->late || o->time_ns < o->promise_ns;
    PEN_TRY(pen_state_signal_sample(s, sig, encoded));
    PEN_TRY(pen_state_set_add_all(&sig->sets[0], o->account, &sig->bytes));
    PEN_TRY(pen_state_set_add_all(&sig->sets[1], o->region, &sig->bytes));
    PEN_TRY(pen_state_set_add_all(&sig->sets[2], o->actor, &sig->bytes));
    return pen_state_set_add_all(&sig->sets[3], o->source_ip, &sig->bytes);
}

static void see(struct open_signal *sig, const struct pen_observation *o)
{
    const int64_t release = pen_state_release_time(o);
    sig->last_seen = o->time_ns > sig->last_seen ? o->time_ns : sig->last_seen;
    sig->last_release = release > sig->last_release ? release : sig->last_release;
}

/* An event at which the rule is true. */
static pen_status count_event(struct signals *s, struct open_signal *sig,
                              const struct pen_observation *o)
{
    const size_t before = sig->bytes;
    see(sig, o);
    sig->events++;
    PEN_TRY(encode(s, o));
    PEN_TRY(gather(s, sig, o, pen_buf_slice(&s->encoded)));
    s->bytes += sig->bytes - before;
    return PEN_OK;
}

/* When its time is in (from, to]. */
static pen_status gather_encoded(struct signals *s, struct open_signal *sig,
                                 const struct text *text, int64_t from, int64_t to)
{
    struct pen_observation o;
    pen_slice in = pen_state_text(text);
    const pen_status st = pen_observation_decode(&in, &o, NULL);
    PEN_CHECK(st == PEN_OK); /* we encoded it */
    return o.time_ns > from && o.time_ns <= to ? gather(s, sig, &o, pen_state_text(text)) : PEN_OK;
}

/* What a hit at its opening tells of the window before it. */
static pen_status take_window(struct signals *s, struct open_signal *sig,
                              const struct state_hit *hit)
{
    sig->case_index = hit->case_index;
    sig->severity = hit->severity;
    sig->limited = hit->is_limited;
    sig->events = hit->events - 1; /* this one comes next */
    sig->query_count = hit->query_count;
    sig->per_query = calloc((size_t)2 * hit->query_count, sizeof(*sig->per_query));
    if (sig->per_query == NULL) {
        return PEN_E_NOMEM;
    }
    memcpy(sig->per_query, hit->per_query, hit->query_count * sizeof(*sig->per_query));
    sig->bytes += (size_t)2 * hit->query_count * sizeof(*sig->per_query);
    for (uint32_t i = 0; i < hit->before_count; i++) {
        PEN_TRY(gather_encoded(s, sig, &hit->before[(hit->before_at + i) % hit->before_cap],
                               hit->window_from, sig->first_seen));
    }
    return PEN_OK;
}

/* What waited since the last hit counts now. */
static pen_status take_waiting(struct signals *s, struct open_signal *sig,
                               const struct state_event *event, const struct state_hit *hit)
{
    const size_t before = sig->bytes;
    const uint64_t kept = sig->staged_total < s->samples_last ? sig->staged_total : s->samples_last;
    for (uint64_t i = sig->staged_total - kept; i < sig->staged_total; i++) {
        PEN_TRY(gather_encoded(s, sig, &sig->staged[i % s->samples_last], INT64_MIN, INT64_MAX));
    }
    sig->staged_total = 0;
    sig->events += sig->waiting;
    sig->waiting = 0;
    for (uint32_t q = 0; q < sig->query_count; q++) {
        sig->per_query[q] += sig->per_query[sig->query_count + q] + ((event->queries >> q) & 1U);
        sig->per_query[sig->query_count + q] = 0;
    }
    if (hit->severity > sig->severity) {
        sig->severity = hit->severity;
        sig->case_index = hit->case_index;
    }
    sig->limited |= hit->is_limited;
    s->bytes += sig->bytes - before;
    return PEN_OK;
}

struct open_signal *pen_state_signal_new(struct signals *s, uint32_t rule, uint64_t hash)
{
    if (s->count + 1 > s->slot_count / 4 * 3 && signal_table_grow(s) != PEN_OK) {
        return NULL;
    }
    struct open_signal *sig = calloc(1, sizeof(*sig));
    if (sig != NULL) {
        sig->hash = hash;
        sig->rule = rule;
        sig->bytes = sizeof(*sig);
        sig->case_index = UINT32_MAX;
        sig->dirty_at = NOT_DIRTY;
    }
    return sig;
}

void pen_state_signal_insert(struct signals *s, struct open_signal *sig)
{
    sig->deadline = removal(s, sig);
    signal_table_put(s, sig);
}

static pen_status open_signal(struct signals *s, const struct state_event *event, uint64_t hash,
                              const struct state_hit *hit, bool is_cold)
{
    const struct pen_observation *o = event->o;
    struct open_signal *sig = pen_state_signal_new(s, o->rule, hash);
    if (sig == NULL) {
        return PEN_E_NOMEM;
    }
    sig->cold = is_cold;
    sig->first_seen = sig->last_seen = o->time_ns;
    sig->first_release = sig->last_release = pen_state_release_time(o);
    make_id(s, s->rules[o->rule].id, o, sig->id);
    pen_status status = pen_state_text_set(&sig->group, o->group, &sig->bytes);
    status = status == PEN_OK && hit != NULL ? take_window(s, sig, hit) : status;
    if (status == PEN_OK) {
        s->bytes += sig->bytes;
        status = count_event(s, sig, o);
    }
    if (status != PEN_OK) {
        pen_state_signal_free(s, sig);
        return status;
    }
    pen_state_signal_insert(s, sig);
    s->opened++;
    sig->enters = is_in_range(s, sig);
    PEN_TRY(emit(s, PEN_SIGNAL_OPENED, sig));
    return s->rules[o->rule].keep_alive_ns <= 0 ? close_signal(s, sig) : PEN_OK;
}

static pen_status mark_dirty(struct signals *s, struct open_signal *sig)
{
    if (sig->dirty_at != NOT_DIRTY) {
        return PEN_OK;
    }
    if (s->dirty_count == s->dirty_cap) {
        const size_t cap = s->dirty_cap == 0 ? 256 : s->dirty_cap * 2;
        struct open_signal **dirty = reallocarray(s->dirty, cap, sizeof(struct open_signal *));
        if (dirty == NULL) {
            return PEN_E_NOMEM;
        }
        s->dirty = dirty;
        s->bytes += (cap - s->dirty_cap) * sizeof(struct open_signal *);
        s->dirty_cap = cap;
    }
    sig->dirty_at = s->dirty_count;
    s->dirty[s->dirty_count++] = sig;
    return PEN_OK;
}

pen_status pen_state_signals_flush(struct signals *s)
{
    pen_status status = PEN_OK;
    for (size_t i = 0; i < s->dirty_count; i++) {
        struct open_signal *sig = s->dirty[i];
        if (sig == NULL) {
            continue; /* closed meanwhile */
        }
        sig->dirty_at = NOT_DIRTY;
        if (status == PEN_OK) {
            status = emit(s, PEN_SIGNAL_UPDATED, sig);
        }
    }
    s->dirty_count = 0;
    return status;
}

/* By release time and by event time, which differ for late observations only. */
static bool continues(const struct signals *s, const struct open_signal *sig,
                      const struct pen_observation *o)
{
    const struct pen_state_rule *rule = &s->rules[sig->rule];
    const int64_t t = o->time_ns;
    return pen_state_release_time(o) <= true_deadline(s, sig) &&
           t <= pen_state_add(sig->last_seen, rule->keep_alive_ns) &&
           t < pen_state_add(sig->first_seen, rule->duration_max_ns) &&
           (!rule->ends_at_midnight || day_of(t) == day_of(sig->first_seen));
}

/* The clock for other groups is the event time, never a promise: a promise may lie behind the
 * largest event time of the input, and only the shard that has the late event would know it. */
static pen_status clock_move(struct signals *s, const struct pen_observation *o)
{
    s->clock = o->time_ns > s->clock ? o->time_ns : s->clock;
    PEN_TRY(pen_state_signals_expire(s, s->clock));
    s->late += o->time_ns < o->promise_ns;
    return PEN_OK;
}

pen_status pen_state_signals_evict(struct signals *s)
{
    PEN_CHECK(s->count > 0);
    s->evicted++;
    return close_signal(s, soonest(s));
}

/* While they are the larger part of what is too much. */
static pen_status shrink(struct signals *s)
{
    pen_status status = PEN_OK;
    while (status == PEN_OK && state_memory_is_over(&s->memory) && s->count > 1 &&
           s->bytes >= *s->memory.groups) {
        status = pen_state_signals_evict(s);
    }
    return status;
}

/* is_again: the event is among those that count or wait. */
static pen_status go_on(struct signals *s, struct open_signal *sig, const struct state_event *event,
                        const struct state_hit *hit, bool is_again)
{
    const bool was_in_range = is_in_range(s, sig);
    PEN_TRY(hit == NULL ? PEN_OK : take_waiting(s, sig, event, hit));
    sig->cold |= hit != NULL && hit->is_cold;
    see(sig, event->o);
    PEN_TRY(is_again ? PEN_OK : count_event(s, sig, event->o));
    PEN_TRY(mark_dirty(s, sig));
    sig->enters = !was_in_range && is_in_range(s, sig);
    /* A worse case is told at its event, not when the watermark moves next. */
    return sig->case_index == sig->case_told && !sig->enters ? PEN_OK
                                                             : emit(s, PEN_SIGNAL_UPDATED, sig);
}

static pen_status hit_one(struct signals *s, const struct state_event *event,
                          const struct state_hit *hit, bool is_again)
{
    const struct pen_observation *o = event->o;
    PEN_TRY(clock_move(s, o));
    const uint64_t hash = event->hash;
    struct open_signal *sig = pen_state_signal_find(s, hash, o->rule, o->group);
    if (sig != NULL && continues(s, sig, o)) {
        PEN_TRY(go_on(s, sig, event, hit, is_again));
        return shrink(s);
    }
    const bool is_cold = (hit != NULL && hit->is_cold) || opens_cold(s, o, sig);
    PEN_TRY(sig == NULL ? PEN_OK : close_signal(s, sig));
    PEN_TRY(open_signal(s, event, hash, hit, is_cold));
    return shrink(s);
}

pen_status pen_state_signal_stage(struct signals *s, struct open_signal *sig, pen_slice encoded)
{
    const size_t before = sig->bytes;
    if (s->samples_last == 0) {
        return PEN_OK;
    }
    if (sig->staged == NULL) {
        sig->staged = calloc(s->samples_last, sizeof(*sig->staged));
        if (sig->staged == NULL) {
            return PEN_E_NOMEM;
        }
        sig->bytes += s->samples_last * sizeof(*sig->staged);
    }
    struct text *to = &sig->staged[sig->staged_total++ % s->samples_last];
    PEN_TRY(pen_state_text_set(to, encoded, &sig->bytes));
    s->bytes += sig->bytes - before;
    return PEN_OK;
}

/* Counted by queries, while no case is true. */
static pen_status wait_one(struct signals *s, struct open_signal *sig,
                           const struct state_event *event)
{
    sig->waiting++;
    for (uint32_t q = 0; q < sig->query_count; q++) {
        sig->per_query[sig->query_count + q] += (event->queries >> q) & 1U;
    }
    PEN_TRY(encode(s, event->o));
    PEN_TRY(pen_state_signal_stage(s, sig, pen_buf_slice(&s->encoded)));
    return shrink(s);
}

static pen_status miss_one(struct signals *s, const struct state_event *event)
{
    const struct pen_observation *o = event->o;
    PEN_TRY(clock_move(s, o));
    struct open_signal *sig = pen_state_signal_find(s, event->hash, o->rule, o->group);
    return sig == NULL || !continues(s, sig, o) ? PEN_OK : wait_one(s, sig, event);
}

/* ---- signals that groups share ---- */

static bool is_joined(const struct pen_observation *o)
{
    return o->group.len > 0 && o->group.ptr[0] == PEN_GROUP_MARK;
}

/* The event as the signals of its group see it. */
static struct joined_signal *event_join(struct signals *s, struct state_event *event,
                                        struct pen_observation *o)
{
    *o = *event->o;
    o->group = pen_group_of_signals(o->group);
    event->o = o;
    event->hash = pen_state_group_hash(o);
    return pen_joined_meet(&s->joined, event, event->hash);
}

/* Of an event that met the signal before only the queries that are new to it count. */
static void queries_take(struct joined_signal *met, struct state_event *event)
{
    const uint32_t queries = event->queries;
    event->queries &= ~met->queries;
    met->queries |= queries;
}

static pen_status hit_joined(struct signals *s, const struct state_event *event,
                             const struct state_hit *hit)
{
    struct pen_observation o;
    struct state_event of = *event;
    struct joined_signal *met = event_join(s, &of, &o);
    if (met == NULL) {
        return PEN_E_NOMEM;
    }
    const bool is_again = met->as != JOINED_NOT;
    if (met->as == JOINED_COUNTS && pen_state_signal_find(s, of.hash, o.rule, o.group) == NULL) {
        return PEN_OK; /* it opened and ended with this event */
    }
    queries_take(met, &of);
    met->as = JOINED_COUNTS;
    return hit_one(s, &of, hit, is_again);
}

static pen_status miss_joined(struct signals *s, const struct state_event *event)
{
    struct pen_observation o;
    struct state_event of = *event;
    struct joined_signal *met = event_join(s, &of, &o);
    if (met == NULL) {
        return PEN_E_NOMEM;
    }
    PEN_TRY(clock_move(s, &o));
    struct open_signal *sig = pen_state_signal_find(s, of.hash, o.rule, o.group);
    if (sig == NULL || !continues(s, sig, &o)) {
        return PEN_OK;
    }
    queries_take(met, &of);
    if (met->as == JOINED_NOT) {
        met->as = JOINED_WAITS;
        return wait_one(s, sig, &of);
    }
    const uint32_t at = met->as == JOINED_WAITS ? sig->query_count : 0;
    for (uint32_t q = 0; q < sig->query_count; q++) {
        sig->per_query[at + q] += (of.queries >> q) & 1U;
    }
    return met->as == JOINED_WAITS ? PEN_OK : mark_dirty(s, sig);
}

pen_status pen_state_signals_hit(struct signals *s, const struct state_event *event,
                                 const struct state_hit *hit)
{
    return is_joined(event->o) ? hit_joined(s, event, hit) : hit_one(s, event, hit, false);
}

pen_status pen_state_signals_miss(struct signals *s, const struct state_event *event)
{
    return is_joined(event->o) ? miss_joined(s, event) : miss_one(s, event);
}

pen_status pen_state_signals_feed(struct signals *s, const struct pen_observation *o)
{
    struct state_event event; /* a match has no values */
    event.o = o;
    event.partition = 0;
    event.queries = 1;
    event.hash = pen_state_group_hash(o);
    return pen_state_signals_hit(s, &event, NULL);
}

pen_status pen_state_signals_init(struct signals *s, const struct pen_state_options *o)
{
    *s = (struct signals){.rules = o->rules,
                          .samples_first = o->samples_first,
                          .samples_last = o->samples_last,
                          .clock = INT64_MIN,
                          .has_begin = o->has_begin,
                          .begin = o->begin_ns,
                          .tell_from = o->has_tell_from ? o->tell_from_ns : INT64_MIN,
                          .slot_count = SLOTS_FIRST};
    pen_buf_init(&s->scratch, (size_t)4 * (PEN_OBSERVATION_KEY_MAX + 4));
    pen_buf_init(&s->encoded, STATE_BLOCK_MAX);
    PEN_TRY(pen_buf_reserve(&s->scratch, s->scratch.max));
    s->slots = calloc(SLOTS_FIRST, sizeof(struct open_signal *));
    s->heap = calloc(SLOTS_FIRST, sizeof(struct open_signal *));
    s->views = calloc((size_t)o->samples_first + o->samples_last + 1, sizeof(*s->views));
    return s->slots == NULL || s->heap == NULL || s->views == NULL ? PEN_E_NOMEM : PEN_OK;
}

void pen_state_signals_fini(struct signals *s)
{
    for (size_t i = 0; i < s->count; i++) {
        pen_state_signal_free(s, s->heap[i]);
    }
    free(s->slots);
    free(s->heap);
    free(s->dirty);
    free(s->views);
    pen_buf_fini(&s->scratch);
    pen_buf_fini(&s->encoded);
    pen_joined_fini(&s->joined);
}
