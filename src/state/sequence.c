/* tested by tests/unit/state/test_sequence.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

static uint16_t queries_of(const struct pen_condition *condition)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        const uint32_t sides[] = {step->left.query, step->right.query};
        const bool compares = step->op != PEN_CONDITION_AND && step->op != PEN_CONDITION_OR;
        for (size_t k = 0; compares && k < PEN_COUNT(sides); k++) {
            bits |= sides[k] < PEN_STATE_QUERIES_MAX ? 1U << sides[k] : 0;
        }
    }
    return (uint16_t)bits;
}

void pen_sequence_shape(struct window_shape *shape)
{
    const struct pen_state_rule *rule = shape->rule;
    PEN_CHECK(rule->step_count <= PEN_SEQUENCE_STEPS_MAX);
    for (uint32_t i = 0; i < rule->step_count; i++) {
        PEN_CHECK(rule->steps[i].condition.then_count == 0);
        shape->step_queries[i] = queries_of(&rule->steps[i].condition);
    }
}

static void forget(struct window *w)
{
    for (uint32_t i = 0; i < PEN_SEQUENCE_STEPS_MAX; i++) {
        w->reached[i] = INT64_MIN;
    }
}

pen_status pen_sequence_init(struct window *w)
{
    w->reached = calloc(PEN_SEQUENCE_STEPS_MAX, sizeof(*w->reached));
    if (w->reached == NULL) {
        return PEN_E_NOMEM;
    }
    forget(w);
    return PEN_OK;
}

static bool is_true(const struct pen_sequence_step *step, const pen_quantity *counts)
{
    return pen_condition_eval(&step->condition, 0, step->condition.count, counts);
}

static void count(const struct window_event *event, uint32_t query_count, pen_quantity *counts)
{
    for (uint32_t q = 0; q < query_count; q++) {
        counts[q] += (((uint32_t)event->queries >> q) & 1U) != 0 ? PEN_QUANTITY_ONE : 0;
    }
}

static bool is_first_complete(const struct window *w, const struct pen_state_rule *rule,
                              uint32_t at)
{
    const struct pen_sequence_step *step = &rule->steps[0];
    const int64_t time = pen_window_event(w, at)->time;
    pen_quantity counts[PEN_STATE_QUERIES_MAX + 1] = {0};
    for (uint32_t i = at + 1; i-- > 0;) {
        const struct window_event *event = pen_window_event(w, i);
        if (i < at && time - event->time >= step->window_ns) {
            break;
        }
        count(event, rule->query_count, counts);
    }
    return is_true(step, counts);
}

/* Goes back from the event: each one that completed the step before is tried as the beginning, as a
 * condition may want few events. */
static bool is_next_complete(const struct window *w, const struct pen_state_rule *rule, uint32_t at,
                             uint32_t number)
{
    const struct pen_sequence_step *step = &rule->steps[number];
    const int64_t time = pen_window_event(w, at)->time;
    pen_quantity counts[PEN_STATE_QUERIES_MAX + 1] = {0};
    count(pen_window_event(w, at), rule->query_count, counts);
    for (uint32_t i = at; i-- > 0;) {
        const struct window_event *event = pen_window_event(w, i);
        const int64_t age = time - event->time;
        if (age > step->wait_ns) {
            return false;
        }
        if ((((uint32_t)event->steps >> (number - 1)) & 1U) != 0 && is_true(step, counts)) {
            return true;
        }
        if (age < step->window_ns) {
            count(event, rule->query_count, counts);
        }
    }
    return false;
}

static bool is_step_complete(const struct window *w, const struct window_shape *shape, uint32_t at,
                             uint32_t number)
{
    const struct window_event *event = pen_window_event(w, at);
    if ((event->queries & shape->step_queries[number]) == 0) {
        return false;
    }
    if (number == 0) {
        return is_first_complete(w, shape->rule, at);
    }
    const int64_t before = w->reached[number - 1];
    return before != INT64_MIN && event->time - before <= shape->rule->steps[number].wait_ns &&
           is_next_complete(w, shape->rule, at, number);
}

/* All events before it are marked, and none behind it. */
static void mark_next(struct window *w, const struct window_shape *shape, uint32_t at)
{
    struct window_event *event = pen_window_event(w, at);
    uint32_t steps = 0;
    for (uint32_t number = 0; number < shape->rule->step_count; number++) {
        steps |= is_step_complete(w, shape, at, number) ? 1U << number : 0;
    }
    event->steps = (uint16_t)steps;
    for (uint32_t number = 0; number < shape->rule->step_count; number++) {
        if (((steps >> number) & 1U) != 0) {
            w->reached[number] = event->time;
        }
    }
}

void pen_sequence_mark_all(struct window *w, const struct window_shape *shape)
{
    forget(w);
    for (uint32_t i = 0; i < w->count; i++) {
        mark_next(w, shape, i);
    }
}

void pen_sequence_mark(struct window *w, const struct window_shape *shape, uint32_t i)
{
    if (i + 1 == w->count) {
        mark_next(w, shape, i);
    } else {
        pen_sequence_mark_all(w, shape);
    }
}

bool pen_sequence_is_complete(const struct window *w, const struct window_shape *shape, uint32_t i)
{
    const uint32_t last = shape->rule->step_count - 1;
    return (((uint32_t)pen_window_event(w, i)->steps >> last) & 1U) != 0;
}
