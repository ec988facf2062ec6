/* tested by tests/unit/state/test_snapshot.c */
#include "penstock/state.h"

#include "snapshot.h"

/* Everything as numbers in a row; a list behind its length. */
struct hashed {
    struct pen_buf *out;
    pen_status status;
};

static void put(struct hashed *h, uint64_t number)
{
    if (h->status == PEN_OK) {
        h->status = pen_buf_add(h->out, (pen_slice){(const uint8_t *)&number, sizeof(number)});
    }
}

static void put_condition(struct hashed *h, const struct pen_condition *condition)
{
    put(h, condition->then_count);
    put(h, condition->count);
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        put(h, step->op);
        put(h, step->left.query);
        put(h, step->left.factor);
        put(h, step->right.query);
        put(h, step->right.factor);
    }
}

static void put_numbers(struct hashed *h, const struct pen_state_rule *r)
{
    put(h, r->definition);
    put(h, r->method);
    put(h, (uint64_t)r->window_ns);
    put(h, (uint64_t)r->keep_alive_ns);
    put(h, (uint64_t)r->duration_max_ns);
    put(h, r->ends_at_midnight);
    put(h, r->is_ordered);
    put(h, (uint64_t)r->new_value.learning_ns);
    put(h, (uint64_t)r->new_value.forget_ns);
    put(h, r->new_value.silent);
    put(h, (uint64_t)r->anomaly.bucket_ns);
    put(h, (uint64_t)r->anomaly.learning_ns);
    put(h, r->anomaly.tolerance);
    put(h, r->anomaly.has_baseline);
    put(h, (uint64_t)r->anomaly.baseline);
    put(h, r->travel.knows_places);
    put(h, (uint64_t)r->travel.learning_ns);
    put(h, (uint64_t)r->travel.forget_ns);
}

static void put_lists(struct hashed *h, const struct pen_state_rule *r)
{
    const uint32_t query_count = r->method == PEN_METHOD_MATCH ? 0 : r->query_count;
    put(h, query_count);
    for (uint32_t q = 0; q < query_count && r->queries != NULL; q++) {
        put(h, r->queries[q]);
    }
    put(h, r->case_count);
    for (uint32_t i = 0; i < r->case_count; i++) {
        put(h, r->cases[i].severity);
        put(h, r->cases[i].quantile_ppb);
        put_condition(h, &r->cases[i].condition);
    }
    put(h, r->step_count);
    for (uint32_t i = 0; i < r->step_count; i++) {
        put(h, (uint64_t)r->steps[i].window_ns);
        put(h, (uint64_t)r->steps[i].wait_ns);
        put_condition(h, &r->steps[i].condition);
    }
}

pen_status pen_state_rule_hash(struct pen_buf *scratch, const struct pen_state_rule *rule,
                               uint64_t *out)
{
    struct hashed h = {.out = scratch, .status = PEN_OK};
    scratch->len = 0;
    put_numbers(&h, rule);
    put_lists(&h, rule);
    *out = pen_hash64(pen_buf_slice(scratch), 0);
    return h.status;
}
