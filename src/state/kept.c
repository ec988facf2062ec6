/* tested by tests/unit/state/test_kept.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

/* What is kept of a group, and how its events are judged, by the method of its rule. */

static bool is_travel(const struct window_shape *shape)
{
    return shape->rule->method == PEN_METHOD_TRAVEL;
}

static bool is_anomaly(const struct window_shape *shape)
{
    return shape->rule->method == PEN_METHOD_ANOMALY;
}

uint32_t pen_kept_groups(const struct groups *g, uint32_t rule)
{
    return is_anomaly(&g->shapes[rule]) ? g->options->anomaly_groups_max : g->options->groups_max;
}

void pen_kept_shape(struct window_shape *shape, const struct pen_state_rule *rule)
{
    pen_window_shape(shape, rule);
    shape->idle_ns = is_travel(shape)    ? travel_idle_ns(&rule->travel)
                     : is_anomaly(shape) ? ANOMALY_HISTORY_NS
                                         : rule->window_ns;
}

pen_status pen_kept_init(struct group *group, const struct window_shape *shape)
{
    struct kept *kept = pen_group_kept(group);
    if (is_travel(shape)) {
        travel_init(&kept->travel);
        return PEN_OK;
    }
    if (is_anomaly(shape)) {
        kept->history = calloc(1, sizeof(*kept->history));
        PEN_TRY(kept->history == NULL ? PEN_E_NOMEM : PEN_OK);
    }
    return pen_window_init(&kept->window, shape);
}

void pen_kept_fini(struct group *group, const struct window_shape *shape)
{
    struct kept *kept = pen_group_kept(group);
    if (is_travel(shape)) {
        travel_fini(&kept->travel);
    } else {
        if (kept->history != NULL) {
            free(kept->history->past);
        }
        free(kept->history);
        pen_window_fini(&kept->window, shape);
    }
}

size_t pen_kept_bytes(struct group *group, const struct window_shape *shape)
{
    struct kept *kept = pen_group_kept(group);
    if (is_travel(shape)) {
        return travel_bytes(&kept->travel);
    }
    const struct anomaly_history *h = kept->history;
    return pen_window_bytes(&kept->window, shape) +
           (h == NULL ? 0 : sizeof(*h) + h->cap * sizeof(*h->past));
}

/* ---- samples ---- */

uint32_t pen_kept_samples(const struct groups *g, uint32_t rule)
{
    return is_travel(&g->shapes[rule]) ? 1 : g->options->samples_first;
}

/* Whether a signal that a group opens may show the event that is the last of so many in its window.
 * Every event makes a window larger by one at most: while more are missing than samples are kept,
 * those that follow push it out. */
static bool may_be_shown(const struct groups *g, uint32_t rule, uint64_t events)
{
    const struct window_shape *shape = &g->shapes[rule];
    const uint64_t most = pen_kept_samples(g, rule);
    return most > 0 && !shape->is_single &&
           (shape->events_least == 0 || shape->events_least <= events + most);
}

/* Of what came before a case was true an observation is kept, but not its event: windows are many.
 * Where a group was seen last is read again, from the values. */
static pen_status sample_keep(struct groups *g, struct group *group,
                              const struct state_event *event)
{
    const bool has_window = !is_travel(&g->shapes[group->rule]);
    const uint64_t events = has_window ? pen_group_kept(group)->window.tally.events : 0;
    if (!may_be_shown(g, group->rule, events)) {
        return PEN_OK;
    }
    struct pen_observation o = *event->o;
    o.event = o.rule_id = o.group = (pen_slice){0};
    g->scratch.len = 0;
    PEN_TRY(!has_window ? pen_observation_encode(&g->scratch, &o)
                        : pen_state_sample_encode(&g->scratch, &o));
    return pen_group_sample(g, group, pen_buf_slice(&g->scratch));
}

/* Late ones stand behind later ones: all are looked at. */
static void late_samples_trim(struct group *group, int64_t from)
{
    struct kept *kept = pen_group_kept(group);
    uint32_t left = 0;
    for (uint32_t i = 0; i < kept->sample_count; i++) {
        struct text *one = &kept->samples[(kept->sample_at + i) % kept->sample_cap];
        struct text *to = &kept->samples[(kept->sample_at + left) % kept->sample_cap];
        if (pen_state_sample_time(one) > from) {
            const struct text other = *to; /* its memory is used again */
            *to = *one;
            *one = other;
            left++;
        }
    }
    kept->sample_count = left;
    kept->has_late_sample &= left > 0;
}

/* Those that left the window go. */
static void samples_trim(struct group *group, int64_t from)
{
    struct kept *kept = pen_group_kept(group);
    if (PEN_UNLIKELY(kept->has_late_sample)) {
        late_samples_trim(group, from);
        return;
    }
    while (kept->sample_count > 0 &&
           pen_state_sample_time(&kept->samples[kept->sample_at]) <= from) {
        kept->sample_at = (kept->sample_at + 1) % kept->sample_cap;
        kept->sample_count--;
    }
}

/* ---- windows ---- */

static pen_status tell(const struct window_shape *shape, const struct state_event *event,
                       const struct window_sum *sum, struct group *group, struct signals *signals)
{
    const uint32_t index = pen_window_case(shape, sum);
    if (index == UINT32_MAX) {
        return pen_state_signals_miss(signals, event);
    }
    struct state_hit hit = {
        .case_index = index,
        .severity = shape->rule->case_count == 0 ? 0 : shape->rule->cases[index].severity,
        .is_limited = sum->is_limited,
        .is_cold = event->o->is_cold,
        .events = sum->events,
        .per_query = sum->per_query,
        .query_count = shape->rule->query_count};
    if (group != NULL) {
        hit.before = pen_group_kept(group)->samples;
        hit.before_at = pen_group_kept(group)->sample_at;
        hit.before_count = pen_group_kept(group)->sample_count;
        hit.before_cap = pen_group_kept(group)->sample_cap;
        hit.window_from = event->o->time_ns - shape->rule->window_ns;
        hit.is_cold = group->cold_ns > hit.window_from;
    }
    return pen_state_signals_hit(signals, event, &hit);
}

/* ---- a group of one event ---- */

/* The values of an event, as those of one observation that counts for all its queries. */
static pen_status values_join(struct pen_buf *out, const struct state_event *event)
{
    for (uint32_t left = event->queries; left != 0; left &= left - 1) {
        PEN_TRY(left == event->queries ? PEN_OK : pen_buf_add_byte(out, PEN_OBSERVATION_NEXT));
        PEN_TRY(pen_buf_add(out, event->values[__builtin_ctz(left)]));
    }
    return PEN_OK;
}

/* What one event says: false when that depends on more than how many values it has. */
static bool sum_of_one(const struct window_shape *shape, const struct state_event *event,
                       struct window_sum *sum)
{
    const struct pen_state_rule *rule = shape->rule;
    const uint32_t all = (1U << rule->query_count) - 1;
    if (shape->then != NULL || rule->step_count == 1) {
        return false;
    }
    for (uint32_t q = 0; q < rule->query_count; q++) {
        const pen_slice values = event->values[q];
        const bool is_counted = rule->queries[q] == PEN_COUNT_EVENTS;
        const bool has_one = ((event->queries >> q) & 1U) != 0 && (is_counted || values.len > 0);
        if (!is_counted && (rule->queries[q] != PEN_CARDINALITY ||
                            (has_one && memchr(values.ptr, '\n', values.len) != NULL))) {
            return false;
        }
        sum->values[q] = has_one ? PEN_QUANTITY_ONE : 0;
    }
    sum->values[rule->query_count] = PEN_QUANTITY_ONE;
    /* of a sequence one event completes one step */
    sum->is_in_order = rule->step_count == 0 && (!rule->is_ordered || event->queries == all);
    return true;
}

static bool has_list(const struct window_shape *shape, const struct state_event *event)
{
    for (uint32_t i = 0; i < shape->columns; i++) {
        const pen_slice values = event->values[shape->query_of[i]];
        if (values.len > 0 && memchr(values.ptr, '\n', values.len) != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_silent_alone(const struct window_shape *shape, const struct state_event *event)
{
    const enum pen_method method = shape->rule->method;
    struct window_sum sum;
    if (method == PEN_METHOD_TRAVEL || method == PEN_METHOD_ANOMALY || shape->is_single) {
        return false;
    }
    return shape->events_least > 1 || (shape->is_silent_alone && !has_list(shape, event)) ||
           (sum_of_one(shape, event, &sum) && pen_window_case(shape, &sum) == UINT32_MAX);
}

pen_status pen_kept_alone(struct groups *g, const struct state_event *event,
                          struct signals *signals, bool *is_alone, pen_slice *encoded)
{
    const uint32_t rule = event->o->rule;
    const uint32_t others = event->queries & ~(1U << event->o->query);
    *is_alone = is_silent_alone(&g->shapes[rule], event);
    *encoded = (pen_slice){0};
    if (!*is_alone) {
        return PEN_OK;
    }
    g->joined.len = g->scratch.len = 0;
    PEN_TRY(g->shapes[rule].columns > 0 ? values_join(&g->joined, event) : PEN_OK);
    const pen_slice values = pen_buf_slice(&g->joined);
    PEN_TRY(may_be_shown(g, rule, 1)
                ? pen_state_kept_encode(&g->scratch, event->o, others, values)
                : pen_state_brief_encode(&g->scratch, event->o, others, values));
    *encoded = pen_buf_slice(&g->scratch);
    return pen_state_signals_miss(signals, event);
}

pen_status pen_kept_first(struct groups *g, struct group *group, pen_slice encoded)
{
    const struct window_limits limits = {.events_max = g->options->window_events_max,
                                         .values_max = g->options->values_max};
    struct pen_observation o;
    struct state_event event = {.o = &o, .partition = group->partition, .hash = group->hash};
    pen_slice in = encoded;
    const pen_status st = pen_observation_decode(&in, &o, NULL);
    PEN_CHECK(st == PEN_OK); /* we encoded it */
    o.rule = group->rule;
    event.queries = 1U << o.query | o.others;
    pen_state_values_split(&o, event.values);
    PEN_TRY(pen_window_add(&pen_group_kept(group)->window, &g->shapes[group->rule], &event, &limits,
                           &g->window));
    return sample_keep(g, group, &event);
}

/* A rule that looks at each event alone keeps nothing. */
pen_status pen_kept_none(struct groups *g, const struct state_event *event, struct signals *signals)
{
    const struct window_shape *shape = &g->shapes[event->o->rule];
    const struct window_limits limits = {.events_max = UINT32_MAX,
                                         .values_max = g->options->values_max};
    struct window window;
    struct window_sum sum;
    pen_status st = pen_window_init(&window, shape);
    st = st == PEN_OK ? pen_window_add(&window, shape, event, &limits, &g->window) : st;
    st = st == PEN_OK ? pen_window_sum(&window, shape, event->o->time_ns, &sum) : st;
    st = st == PEN_OK ? tell(shape, event, &sum, NULL, signals) : st;
    pen_window_fini(&window, shape);
    return st;
}

static pen_status feed_window(struct groups *g, struct group *group,
                              const struct state_event *event, struct signals *signals)
{
    struct kept *kept = pen_group_kept(group);
    const struct window_shape *shape = &g->shapes[group->rule];
    const struct window_limits limits = {.events_max = g->options->window_events_max,
                                         .values_max = g->options->values_max};
    const int64_t t = event->o->time_ns;
    struct window_sum sum;
    if (event->o->is_cold && t > group->cold_ns) {
        group->cold_ns = t;
    }
    PEN_TRY(pen_window_add(&kept->window, shape, event, &limits, &g->window));
    PEN_TRY(pen_window_sum(&kept->window, shape, t, &sum));
    samples_trim(group, t - shape->rule->window_ns);
    PEN_TRY(tell(shape, event, &sum, group, signals));
    return sample_keep(g, group, event);
}

/* ---- buckets ---- */

static int64_t value_of(const struct window_sum *sum)
{
    const pen_quantity whole = sum->values[0] / PEN_QUANTITY_ONE;
    return whole > ANOMALY_VALUE_MAX    ? ANOMALY_VALUE_MAX
           : whole < -ANOMALY_VALUE_MAX ? -ANOMALY_VALUE_MAX
                                        : (int64_t)whole;
}

/* The bucket of the event is that of the window then.  *is_late: it was over. */
static pen_status bucket_take(struct groups *g, struct group *group,
                              const struct state_event *event, bool *is_late)
{
    struct kept *kept = pen_group_kept(group);
    const struct window_shape *shape = &g->shapes[group->rule];
    struct anomaly_history *h = kept->history;
    const int64_t number = anomaly_number(&shape->rule->anomaly, event->o->time_ns);
    struct window_sum sum;
    if (!h->has_begun) {
        *h = (struct anomaly_history){
            .has_begun = true, .begun = event->o->time_ns, .first = number, .number = number};
        return anomaly_bounds(h, shape->rule, &g->scratch);
    }
    *is_late = number < h->number;
    if (number <= h->number) {
        return PEN_OK;
    }
    PEN_TRY(pen_window_sum(&kept->window, shape, INT64_MAX, &sum));
    pen_window_clear(&kept->window, shape);
    return anomaly_begin(h, shape->rule, number, value_of(&sum), &g->scratch);
}

static pen_status feed_anomaly(struct groups *g, struct group *group,
                               const struct state_event *event, struct signals *signals)
{
    struct kept *kept = pen_group_kept(group);
    const struct window_shape *shape = &g->shapes[group->rule];
    const struct window_limits limits = {.events_max = g->options->window_events_max,
                                         .values_max = g->options->values_max};
    const int64_t t = event->o->time_ns;
    struct window_sum sum;
    bool is_late = false;
    PEN_TRY(bucket_take(g, group, event, &is_late));
    if (is_late) {
        g->anomaly_late++;
        return PEN_OK;
    }
    PEN_TRY(pen_window_add(&kept->window, shape, event, &limits, &g->window));
    PEN_TRY(pen_window_sum(&kept->window, shape, t, &sum));
    const int64_t from = kept->history->number * shape->rule->anomaly.bucket_ns - 1;
    samples_trim(group, from);
    const uint32_t index = anomaly_case(kept->history, shape->rule, t, value_of(&sum));
    const struct state_hit hit = {.case_index = index,
                                  .severity =
                                      index == UINT32_MAX ? 0 : shape->rule->cases[index].severity,
                                  .is_limited = sum.is_limited,
                                  .events = sum.events,
                                  .per_query = sum.per_query,
                                  .query_count = 1,
                                  .before = kept->samples,
                                  .before_at = kept->sample_at,
                                  .before_count = kept->sample_count,
                                  .before_cap = kept->sample_cap,
                                  .window_from = from};
    PEN_TRY(index == UINT32_MAX ? pen_state_signals_miss(signals, event)
                                : pen_state_signals_hit(signals, event, &hit));
    return sample_keep(g, group, event);
}

/* ---- ways ---- */

/* Tells of the event what it and the sighting before it say of the way. */
static pen_status travel_tell(struct groups *g, struct group *group,
                              const struct state_event *event, const struct travel_place *place,
                              const struct travel_verdict *verdict, struct signals *signals)
{
    struct kept *kept = pen_group_kept(group);
    const struct pen_state_rule *rule = g->shapes[group->rule].rule;
    const uint64_t events = verdict->is_behind ? 2 : 1; /* a late one stands alone */
    struct state_event told = *event;
    struct pen_observation o = *event->o;
    struct pen_observation last;
    struct travel_place first;
    PEN_CHECK(kept->sample_count == 1);
    pen_slice in = pen_state_text(&kept->samples[0]);
    const pen_status st = pen_observation_decode(&in, &last, NULL);
    PEN_CHECK(st == PEN_OK && travel_place_parse(last.values, &first));
    g->scratch.len = 0;
    PEN_TRY(travel_attributes(&g->scratch, event->o->attributes,
                              verdict->is_behind ? &first : place,
                              verdict->is_behind ? place : &first, verdict));
    o.attributes = pen_buf_slice(&g->scratch);
    told.o = &o;
    const struct state_hit hit = {.case_index = 0,
                                  .severity = rule->case_count == 0 ? 0 : rule->cases[0].severity,
                                  .events = events,
                                  .per_query = &events,
                                  .query_count = 1,
                                  .before = kept->samples,
                                  .before_count = verdict->is_behind ? 1 : 0,
                                  .before_cap = 1,
                                  .window_from = INT64_MIN};
    return pen_state_signals_hit(signals, &told, &hit);
}

static pen_status feed_travel(struct groups *g, struct group *group,
                              const struct state_event *event, struct signals *signals)
{
    const struct travel_limits limits = {.hash_key = g->options->hash_key,
                                         .places_max = g->options->places_max,
                                         .places_evicted = &g->places_evicted};
    struct travel_place place;
    struct travel_verdict verdict;
    if (!travel_place_parse(event->values[0], &place)) {
        return PEN_OK; /* detection sends none */
    }
    PEN_TRY(travel_see(&pen_group_kept(group)->travel, &g->shapes[group->rule].rule->travel,
                       &limits, event->o->time_ns, &place, &verdict));
    PEN_TRY(verdict.is_hit ? travel_tell(g, group, event, &place, &verdict, signals)
                           : pen_state_signals_miss(signals, event));
    return verdict.is_latest ? sample_keep(g, group, event) : PEN_OK;
}

pen_status pen_kept_feed(struct groups *g, struct group *group, const struct state_event *event,
                         struct signals *signals)
{
    const struct window_shape *shape = &g->shapes[group->rule];
    return is_travel(shape)    ? feed_travel(g, group, event, signals)
           : is_anomaly(shape) ? feed_anomaly(g, group, event, signals)
                               : feed_window(g, group, event, signals);
}
