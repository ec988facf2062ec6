/* fetch_rate.h - so many a second: a bucket of tokens, kept as the time at which it was empty. */
#ifndef PEN_NET_FETCH_RATE_H
#define PEN_NET_FETCH_RATE_H

#include "penstock/base.h"

#define FETCH_RATE_BURST_NS (PEN_NS_PER_S / 10) /* what was not used is kept so long */

struct fetch_rate { /* all zero: no limit */
    uint64_t per_s; /* in all, of which this is one of `shares` equal parts */
    uint32_t shares;
    int64_t due_ns; /* what was taken so far is paid for then */
};
/* per_s 0: no limit.  shares: at least 1. */
void fetch_rate_init(struct fetch_rate *rate, uint64_t per_s, uint32_t shares);
/* Whether anything may be taken now.  What is taken may exceed what is there: the next one waits
 * the longer. */
bool fetch_rate_is_open(const struct fetch_rate *rate, int64_t now_ns);
void fetch_rate_take(struct fetch_rate *rate, uint64_t amount, int64_t now_ns);

#endif
