/* tested by tests/unit/state/test_anomaly.c */
#include "anomaly.h"

#include <stdlib.h>

#define PPB 1000000000U
#define HALF_PPB 500000000U
#define PAST_FIRST 8U

int64_t anomaly_number(const struct pen_anomaly *rule, int64_t time_ns)
{
    return time_ns / rule->bucket_ns - (time_ns % rule->bucket_ns < 0);
}

/* ---- samples ---- */

struct sample {
    int64_t *values; /* other than 0, sorted */
    uint32_t count;
    int64_t total; /* with those that are 0 */
};

static int by_value(const void *pa, const void *pb)
{
    const int64_t a = *(const int64_t *)pa;
    const int64_t b = *(const int64_t *)pb;
    return (a > b) - (a < b);
}

/* Nearest rank: zeros stand behind what is below them. */
static int64_t quantile(const struct sample *s, uint32_t ppb)
{
    const int64_t rank = (s->total * ppb + PPB - 1) / PPB; /* from 1 */
    const int64_t zeros = s->total - s->count;
    uint32_t below = 0;
    while (below < s->count && s->values[below] < 0) {
        below++;
    }
    return rank <= below           ? s->values[rank - 1]
           : rank <= below + zeros ? 0
                                   : s->values[rank - 1 - zeros];
}

static int64_t bound(const struct sample *s, uint32_t ppb, uint32_t tolerance)
{
    const int64_t upper = quantile(s, ppb);
    const int64_t median = quantile(s, HALF_PPB);
    const int64_t quarter = upper > median ? (upper - median + 3) / 4 : 0;
    return upper + (int64_t)tolerance * (quarter > 0 ? quarter : 1);
}

/* How far around a time of its day a season reaches, in buckets. */
static int64_t reach_of(const struct pen_anomaly *rule)
{
    const int64_t hour = 3600 * PEN_NS_PER_S;
    return rule->bucket_ns < hour ? hour / rule->bucket_ns : 1;
}

/* Whether a bucket so many before is of the season; period 0: every one is. */
static bool is_of(int64_t ago, int64_t period, int64_t reach)
{
    if (period == 0) {
        return true;
    }
    const int64_t off = ago % period;
    return (off <= reach && ago >= period) || off >= period - reach;
}

/* Buckets of the season up to the oldest. */
static int64_t total_of(int64_t oldest, int64_t period, int64_t reach)
{
    int64_t total = 0;
    if (period == 0) {
        return oldest;
    }
    for (int64_t middle = period; middle - reach <= oldest; middle += period) {
        const int64_t last = middle + reach < oldest ? middle + reach : oldest;
        total += last - (middle - reach) + 1;
    }
    return total;
}

static pen_status take(const struct anomaly_history *h, const struct pen_anomaly *rule,
                       int64_t period, struct pen_buf *scratch, struct sample *out)
{
    const int64_t most = ANOMALY_HISTORY_NS / rule->bucket_ns;
    const int64_t oldest = h->number - h->first < most ? h->number - h->first : most;
    const int64_t reach = reach_of(rule);
    scratch->len = 0;
    PEN_TRY(pen_buf_reserve(scratch, ((size_t)h->count + 1) * sizeof(int64_t)));
    *out = (struct sample){.values = (int64_t *)(void *)scratch->ptr,
                           .total = total_of(oldest, period, reach)};
    for (uint32_t i = 0; i < h->count; i++) {
        const int64_t ago = h->number - h->past[i].number;
        if (ago <= oldest && is_of(ago, period, reach)) {
            out->values[out->count++] = h->past[i].value;
        }
    }
    qsort(out->values, out->count, sizeof(*out->values), by_value);
    return PEN_OK;
}

/* ---- bounds ---- */

/* Of one season; the larger of this and what is there. */
static pen_status raise(struct anomaly_history *h, const struct pen_state_rule *rule,
                        int64_t period, struct pen_buf *scratch)
{
    struct sample sample;
    PEN_TRY(take(h, &rule->anomaly, period, scratch, &sample));
    for (uint32_t i = 0; i < rule->case_count && sample.total > 0; i++) {
        const int64_t of_case =
            bound(&sample, rule->cases[i].quantile_ppb, rule->anomaly.tolerance);
        h->bounds[i] = of_case > h->bounds[i] ? of_case : h->bounds[i];
    }
    return PEN_OK;
}

pen_status anomaly_bounds(struct anomaly_history *h, const struct pen_state_rule *rule,
                          struct pen_buf *scratch)
{
    const int64_t day = PEN_NS_PER_DAY / rule->anomaly.bucket_ns;
    const int64_t known = h->number - h->first;
    PEN_CHECK(rule->case_count <= PEN_STATE_CASES_MAX);
    for (uint32_t i = 0; i < rule->case_count; i++) {
        h->bounds[i] = known == 0 ? INT64_MAX : INT64_MIN;
    }
    if (known == 0) {
        return PEN_OK;
    }
    if (known < ANOMALY_SEASON_DAYS * day) {
        return raise(h, rule, 0, scratch);
    }
    PEN_TRY(raise(h, rule, day, scratch));
    return known < 7 * day ? PEN_OK : raise(h, rule, 7 * day, scratch);
}

static pen_status past_add(struct anomaly_history *h, int64_t value)
{
    if (value == 0) {
        return PEN_OK;
    }
    if (h->count == h->cap) {
        const uint32_t cap = h->cap == 0 ? PAST_FIRST : h->cap * 2;
        struct anomaly_bucket *past = reallocarray(h->past, cap, sizeof(*past));
        if (past == NULL) {
            return PEN_E_NOMEM;
        }
        h->past = past;
        h->cap = cap;
    }
    h->past[h->count++] = (struct anomaly_bucket){.number = h->number, .value = value};
    return PEN_OK;
}

pen_status anomaly_begin(struct anomaly_history *h, const struct pen_state_rule *rule,
                         int64_t number, int64_t value, struct pen_buf *scratch)
{
    const int64_t most = ANOMALY_HISTORY_NS / rule->anomaly.bucket_ns;
    uint32_t gone = 0;
    PEN_TRY(past_add(h, value));
    h->number = number;
    while (gone < h->count && number - h->past[gone].number > most) {
        gone++;
    }
    h->count -= gone;
    if (gone > 0) {
        memmove(h->past, h->past + gone, h->count * sizeof(*h->past));
    }
    return anomaly_bounds(h, rule, scratch);
}

uint32_t anomaly_case(const struct anomaly_history *h, const struct pen_state_rule *rule,
                      int64_t time_ns, int64_t value)
{
    int64_t learned;
    const bool is_learning =
        __builtin_add_overflow(h->begun, rule->anomaly.learning_ns, &learned) || time_ns < learned;
    if (is_learning) {
        return rule->anomaly.has_baseline && value > rule->anomaly.baseline ? 0 : UINT32_MAX;
    }
    for (uint32_t i = 0; i < rule->case_count; i++) {
        if (value > h->bounds[i]) {
            return i;
        }
    }
    return UINT32_MAX;
}
