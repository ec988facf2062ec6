/* tested by tests/unit/net/test_fetch_rate.c */
#include "fetch_rate.h"

void fetch_rate_init(struct fetch_rate *rate, uint64_t per_s, uint32_t shares)
{
    PEN_CHECK(shares > 0);
    *rate = (struct fetch_rate){.per_s = per_s, .shares = shares, .due_ns = INT64_MIN};
}

bool fetch_rate_is_open(const struct fetch_rate *rate, int64_t now_ns)
{
    return rate->per_s == 0 || rate->due_ns <= now_ns;
}

void fetch_rate_take(struct fetch_rate *rate, uint64_t amount, int64_t now_ns)
{
    if (rate->per_s == 0) {
        return;
    }
    const int64_t earliest = now_ns - FETCH_RATE_BURST_NS;
    const int64_t from = rate->due_ns > earliest ? rate->due_ns : earliest;
    const double costs = (double)amount * (double)rate->shares * (double)PEN_NS_PER_S;
    rate->due_ns = from + (int64_t)(costs / (double)rate->per_s);
}
