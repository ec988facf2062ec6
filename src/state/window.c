#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

/* Whether a condition that is true stays true with every further event: counts that are enough. */
static bool only_grows(const struct pen_condition *condition)
{
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        const bool is_more = step->op == PEN_CONDITION_GT || step->op == PEN_CONDITION_GE;
        const bool is_less = step->op == PEN_CONDITION_LT || step->op == PEN_CONDITION_LE;
        if ((is_more && step->right.query != PEN_CONDITION_NO_QUERY) ||
            (is_less && step->left.query != PEN_CONDITION_NO_QUERY)) {
            return false;
        }
    }
    return condition->then_count == 0;
}

static bool never_falls(const struct pen_state_rule *rule)
{
    for (uint32_t i = 0; i < rule->case_count; i++) {
        if (!only_grows(&rule->cases[i].condition)) {
            return false;
        }
    }
    return true;
}

/* Whether every event makes a case true, whatever query it matches and whatever came before: then
 * none waits. */
static bool is_single(const struct window_shape *shape)
{
    if (shape->rule->method != PEN_METHOD_THRESHOLD || !never_falls(shape->rule)) {
        return false;
    }
    for (uint32_t q = 0; q < shape->rule->query_count; q++) {
        struct window_sum sum = {.events = 1, .is_in_order = !shape->rule->is_ordered};
        sum.values[q] = sum.values[shape->rule->query_count] = PEN_QUANTITY_ONE;
        if (shape->rule->queries[q] != PEN_COUNT_EVENTS ||
            pen_window_case(shape, &sum) == UINT32_MAX) {
            return false;
        }
    }
    return true;
}

/* An event that matches all queries is the most that one can say, when more never makes a case
 * false. */
static bool is_silent_alone(const struct window_shape *shape)
{
    const struct pen_state_rule *rule = shape->rule;
    struct window_sum sum = {.is_in_order = true};
    if (rule->method != PEN_METHOD_THRESHOLD || !never_falls(rule)) {
        return false;
    }
    for (uint32_t q = 0; q < rule->query_count; q++) {
        if (rule->queries[q] != PEN_COUNT_EVENTS && rule->queries[q] != PEN_CARDINALITY) {
            return false;
        }
        sum.values[q] = PEN_QUANTITY_ONE;
    }
    sum.values[rule->query_count] = PEN_QUANTITY_ONE;
    return pen_window_case(shape, &sum) == UINT32_MAX;
}

/* How many events a comparison needs at least: 0 when it does not ask for more of a count. */
static uint64_t step_least(const struct window_shape *shape, const struct pen_condition_step *step)
{
    const bool is_left = step->op == PEN_CONDITION_GT || step->op == PEN_CONDITION_GE;
    const bool is_strict = step->op == PEN_CONDITION_GT || step->op == PEN_CONDITION_LT;
    const struct pen_condition_side *more = is_left ? &step->left : &step->right;
    const struct pen_condition_side *less = is_left ? &step->right : &step->left;
    const uint32_t q = more->query;
    if (less->query != PEN_CONDITION_NO_QUERY || q == PEN_CONDITION_NO_QUERY || more->factor == 0 ||
        (q < shape->rule->query_count && shape->rule->queries[q] != PEN_COUNT_EVENTS)) {
        return 0;
    }
    const uint64_t whole = less->factor / more->factor;
    return whole + (is_strict || less->factor % more->factor != 0);
}

/* The same of a condition: of both sides of AND the larger, of OR the smaller. */
static uint64_t condition_least(const struct window_shape *shape,
                                const struct pen_condition *condition)
{
    uint64_t stack[PEN_CONDITION_DEPTH_MAX * 2] = {0};
    uint32_t top = 0;
    if (condition->then_count > 0) {
        return 0;
    }
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        if (step->op != PEN_CONDITION_AND && step->op != PEN_CONDITION_OR) {
            PEN_CHECK(top < PEN_COUNT(stack));
            stack[top++] = step_least(shape, step);
            continue;
        }
        PEN_CHECK(top >= 2);
        const uint64_t a = stack[top - 2];
        const uint64_t b = stack[top - 1];
        stack[top - 2] = (a > b) == (step->op == PEN_CONDITION_AND) ? a : b;
        top--;
    }
    return stack[0];
}

static uint64_t events_least(const struct window_shape *shape)
{
    uint64_t least = shape->rule->case_count == 0 ? 0 : UINT64_MAX;
    if (shape->rule->method != PEN_METHOD_THRESHOLD) {
        return 0;
    }
    for (uint32_t i = 0; i < shape->rule->case_count; i++) {
        const uint64_t one = condition_least(shape, &shape->rule->cases[i].condition);
        least = one < least ? one : least;
    }
    return least;
}

bool pen_state_keeps_event(const struct pen_state_rule *rule)
{
    const struct window_shape shape = {.rule = rule};
    return rule->method == PEN_METHOD_MATCH ||
           (rule->method == PEN_METHOD_THRESHOLD && is_single(&shape));
}

void pen_window_shape(struct window_shape *shape, const struct pen_state_rule *rule)
{
    PEN_CHECK(rule->query_count > 0 && rule->query_count <= PEN_STATE_QUERIES_MAX);
    *shape = (struct window_shape){.rule = rule};
    for (uint32_t i = 0; i < rule->case_count; i++) {
        if (rule->cases[i].condition.then_count > 0) {
            shape->then = &rule->cases[i].condition; /* of the only case */
        }
    }
    for (uint32_t q = 0; q < rule->query_count; q++) {
        if (rule->queries[q] != PEN_COUNT_EVENTS) {
            shape->query_of[shape->columns] = (uint8_t)q;
            shape->columns++;
        }
    }
    pen_sequence_shape(shape);
    shape->is_single = is_single(shape);
    shape->events_least = events_least(shape);
    shape->is_silent_alone = is_silent_alone(shape);
}

pen_status pen_window_init(struct window *w, const struct window_shape *shape)
{
    *w = (struct window){.head = 0};
    PEN_TRY(tally_init(&w->tally, shape));
    return shape->rule->step_count == 0 ? PEN_OK : pen_sequence_init(w);
}

void pen_window_fini(struct window *w, const struct window_shape *shape)
{
    tally_fini(&w->tally, shape);
    if (w->events != w->first) {
        free(w->events);
    }
    free(w->values);
    free(w->reached);
    *w = (struct window){.head = 0};
}

size_t pen_window_bytes(const struct window *w, const struct window_shape *shape)
{
    const size_t events = w->events == w->first ? 0 : w->cap * sizeof(*w->events);
    const size_t values = (size_t)w->cap * shape->columns * sizeof(*w->values);
    const size_t reached = w->reached == NULL ? 0 : PEN_SEQUENCE_STEPS_MAX * sizeof(*w->reached);
    return events + values + tally_bytes(&w->tally, shape) + reached;
}

void pen_window_clear(struct window *w, const struct window_shape *shape)
{
    w->head = w->count = 0;
    tally_clear(&w->tally, shape);
}

/* ---- the ring ---- */

static uint32_t place(const struct window *w, uint32_t i)
{
    return (w->head + i) & (w->cap - 1);
}

static struct window_event *event_at(const struct window *w, uint32_t i)
{
    return &w->events[place(w, i)];
}

struct window_event *pen_window_event(const struct window *w, uint32_t i)
{
    PEN_DCHECK(i < w->count);
    return event_at(w, i);
}

union window_value *pen_window_values_at(const struct window *w, const struct window_shape *shape,
                                         uint32_t i)
{
    return shape->columns == 0 ? NULL : &w->values[(size_t)place(w, i) * shape->columns];
}

static pen_status grow(struct window *w, const struct window_shape *shape)
{
    const uint32_t cap = w->cap == 0 ? WINDOW_EVENTS_FIRST : w->cap * 2;
    struct window_event *events = w->cap == 0 ? w->first : calloc(cap, sizeof(*events));
    union window_value *values =
        shape->columns == 0 ? NULL : calloc((size_t)cap * shape->columns, sizeof(*values));
    if (events == NULL || (shape->columns > 0 && values == NULL)) {
        if (events != w->first) {
            free(events);
        }
        free(values);
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        events[i] = *event_at(w, i);
        if (shape->columns > 0) {
            memcpy(&values[(size_t)i * shape->columns], pen_window_values_at(w, shape, i),
                   shape->columns * sizeof(*values));
        }
    }
    if (w->events != w->first) {
        free(w->events);
    }
    free(w->values);
    w->events = events;
    w->values = values;
    w->head = 0;
    w->cap = cap;
    return PEN_OK;
}

static void drop_oldest(struct window *w, const struct window_shape *shape)
{
    tally_remove(&w->tally, shape, event_at(w, 0), pen_window_values_at(w, shape, 0));
    w->head = place(w, 1);
    w->count--;
}

/* Further values of an event that went stay for nothing: they go with it. */
static void drop_event(struct window *w, const struct window_shape *shape)
{
    drop_oldest(w, shape);
    while (w->count > 0 && event_at(w, 0)->is_further) {
        drop_oldest(w, shape);
    }
}

static void move(struct window *w, const struct window_shape *shape, uint32_t from, uint32_t to)
{
    *event_at(w, to) = *event_at(w, from);
    if (shape->columns > 0) {
        memcpy(pen_window_values_at(w, shape, to), pen_window_values_at(w, shape, from),
               shape->columns * sizeof(*w->values));
    }
}

/* Behind all events of its time and before. */
pen_status pen_window_insert(struct window *w, const struct window_shape *shape,
                             const struct window_event *event, const union window_value *values,
                             const struct window_limits *limits)
{
    if (w->count == w->cap) {
        PEN_TRY(grow(w, shape));
    }
    uint32_t at = w->count++;
    for (; at > 0 && event_at(w, at - 1)->time > event->time; at--) {
        move(w, shape, at - 1, at);
    }
    *event_at(w, at) = *event;
    if (shape->columns > 0) {
        memcpy(pen_window_values_at(w, shape, at), values, shape->columns * sizeof(*values));
    }
    if (shape->rule->step_count > 0) {
        pen_sequence_mark(w, shape, at);
    }
    return tally_add(&w->tally, shape, event, values, limits->values_max);
}

/* ---- an event and its values ---- */

/* The next value of a column, and whether there is one. */
static bool next_value(pen_slice *rest, enum pen_aggregation kind, union window_value *out)
{
    pen_slice one;
    if (rest->len == 0) {
        return false;
    }
    if (kind == PEN_CARDINALITY) {
        if (!pen_slice_split(rest, '\n', &one)) {
            return false;
        }
        out->hash = pen_hash128(one, 0);
        return true;
    }
    one = *rest;
    *rest = (pen_slice){0};
    if (!pen_quantity_parse(one, &out->quantity)) {
        return false;
    }
    const pen_quantity max = WINDOW_QUANTITY_MAX;
    out->quantity = out->quantity > max ? max : out->quantity < -max ? -max : out->quantity;
    return true;
}

static bool take_values(const struct window_shape *shape, pen_slice *rests,
                        struct window_event *event, union window_value *values)
{
    event->has_values = 0;
    for (uint32_t i = 0; i < shape->columns; i++) {
        const enum pen_aggregation kind = shape->rule->queries[shape->query_of[i]];
        if (next_value(&rests[i], kind, &values[i])) {
            event->has_values = (uint16_t)(event->has_values | (1U << i));
        }
    }
    return event->has_values != 0;
}

pen_status pen_window_add(struct window *w, const struct window_shape *shape,
                          const struct state_event *event, const struct window_limits *limits,
                          struct window_counters *counters)
{
    const int64_t t = event->o->time_ns;
    struct window_event row = {.time = t, .queries = (uint16_t)event->queries};
    union window_value values[PEN_STATE_QUERIES_MAX];
    pen_slice rests[PEN_STATE_QUERIES_MAX];
    const bool was_limited = w->tally.is_limited;
    for (uint32_t i = 0; i < shape->columns; i++) {
        rests[i] = event->values[shape->query_of[i]];
        values[i].quantity = 0;
    }
    while (w->count > 0 && event_at(w, 0)->time <= t - shape->rule->window_ns) {
        drop_event(w, shape);
    }
    (void)take_values(shape, rests, &row, values);
    PEN_TRY(pen_window_insert(w, shape, &row, values, limits));
    row.is_further = true;
    while (shape->columns > 0 && take_values(shape, rests, &row, values)) {
        PEN_TRY(pen_window_insert(w, shape, &row, values, limits));
    }
    while (w->count > limits->events_max && w->tally.events > 1) {
        drop_event(w, shape);
        w->tally.is_limited = true;
        counters->events_evicted++;
    }
    counters->values_limited += !was_limited && w->tally.is_limited;
    return PEN_OK;
}

/* ---- verdicts ---- */

static void refresh(struct window *w, const struct window_shape *shape)
{
    for (uint32_t c = 0; c < shape->columns; c++) {
        struct column *column = &w->tally.columns[c];
        if (!column->is_stale) {
            continue;
        }
        bool is_first = true;
        for (uint32_t i = 0; i < w->count; i++) {
            const pen_quantity q = pen_window_values_at(w, shape, i)[c].quantity;
            if ((((uint32_t)event_at(w, i)->has_values >> c) & 1U) != 0 &&
                (is_first || q > column->quantity)) {
                column->quantity = q;
                is_first = false;
            }
        }
        column->is_stale = false;
    }
}

/* Events [from, to) of the ring. */
static pen_status sum_part(const struct window *w, const struct window_shape *shape, uint32_t from,
                           uint32_t to, struct window_sum *sum)
{
    struct tally tally;
    PEN_TRY(tally_init(&tally, shape));
    pen_status st = PEN_OK;
    for (uint32_t i = from; i < to && st == PEN_OK; i++) {
        st =
            tally_add(&tally, shape, event_at(w, i), pen_window_values_at(w, shape, i), UINT32_MAX);
    }
    tally_read(&tally, shape, sum);
    sum->is_limited = w->tally.is_limited;
    tally_fini(&tally, shape);
    return st;
}

/* `X THEN Y`: X over the events up to some one, Y over those behind it. */
static pen_status sum_then(const struct window *w, const struct window_shape *shape,
                           const struct pen_condition *condition, uint32_t to,
                           struct window_sum *sum)
{
    struct tally tally;
    struct window_sum first;
    pen_status st = tally_init(&tally, shape);
    uint32_t at = 0;
    sum->is_first_true = false;
    while (st == PEN_OK && at < to && !sum->is_first_true) {
        st = tally_add(&tally, shape, event_at(w, at), pen_window_values_at(w, shape, at),
                       UINT32_MAX);
        at++;
        if (at == to || !event_at(w, at)->is_further) {
            tally_read(&tally, shape, &first);
            sum->is_first_true =
                pen_condition_eval(condition, 0, condition->then_count, first.values);
        }
    }
    tally_fini(&tally, shape);
    if (st != PEN_OK || !sum->is_first_true) {
        return st;
    }
    PEN_TRY(sum_part(w, shape, at, to, &first));
    memcpy(sum->then, first.values, sizeof(sum->then));
    return PEN_OK;
}

/* Whether the queries matched one after the other; at one time, or by one event, is in order. */
static bool is_in_order(const struct window *w, uint32_t query_count, uint32_t to)
{
    int64_t from = INT64_MIN;
    for (uint32_t q = 0; q < query_count; q++) {
        uint32_t at = 0;
        while (at < to && (event_at(w, at)->time < from ||
                           (((uint32_t)event_at(w, at)->queries >> q) & 1U) == 0)) {
            at++;
        }
        if (at == to) {
            return false;
        }
        from = event_at(w, at)->time;
    }
    return true;
}

pen_status pen_window_sum(struct window *w, const struct window_shape *shape, int64_t time,
                          struct window_sum *sum)
{
    uint32_t to = w->count;
    while (to > 0 && event_at(w, to - 1)->time > time) {
        to--;
    }
    if (to == w->count) {
        refresh(w, shape);
        tally_read(&w->tally, shape, sum);
    } else {
        PEN_TRY(sum_part(w, shape, 0, to, sum));
    }
    sum->is_in_order =
        shape->rule->step_count > 0
            ? pen_sequence_is_complete(w, shape, to - 1)
            : !shape->rule->is_ordered || is_in_order(w, shape->rule->query_count, to);
    const struct pen_condition *then = shape->then;
    return then == NULL ? PEN_OK : sum_then(w, shape, then, to, sum);
}

static bool is_true(const struct pen_condition *condition, const struct window_sum *sum)
{
    return condition->then_count == 0
               ? pen_condition_eval(condition, 0, condition->count, sum->values)
               : sum->is_first_true && pen_condition_eval(condition, condition->then_count,
                                                          condition->count, sum->then);
}

uint32_t pen_window_case(const struct window_shape *shape, const struct window_sum *sum)
{
    const struct pen_state_rule *rule = shape->rule;
    for (uint32_t i = 0; i < rule->case_count && sum->is_in_order; i++) {
        if (is_true(&rule->cases[i].condition, sum)) {
            return i;
        }
    }
    return rule->case_count == 0 && sum->is_in_order ? 0 : UINT32_MAX;
}
