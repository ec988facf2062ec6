/*
 * fetch_budget.h - how many requests to a host may be tried again.  net only; pure.
 *
 * Each good answer pays for one retry; some are lent ahead.  When these are used up, one request at
 * a time is tried again, to find out whether the host is back: an outage gets no storm of retries.
 * What is lent is a number for all fetchers of a run; each has a share of it that is its own, so
 * that no fetcher has to ask another.
 */
#ifndef PEN_NET_FETCH_BUDGET_H
#define PEN_NET_FETCH_BUDGET_H

#include "penstock/base.h"

struct fetch_budget {
    uint32_t most, left; /* retries that are lent; what is left of them */
    uint32_t in_flight;  /* requests to the host */
};

/* The share number `share` of `shares` (1..): all of them together are total, none has more than
 * one above another. */
uint32_t fetch_budget_share(uint32_t total, uint32_t share, uint32_t shares);
void fetch_budget_init(struct fetch_budget *budget, uint32_t most);
bool fetch_budget_allows(const struct fetch_budget *budget); /* one more retry */
void fetch_budget_sent(struct fetch_budget *budget, bool is_retry);
void fetch_budget_answered(struct fetch_budget *budget, bool is_good);

#endif
