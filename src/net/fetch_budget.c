/* tested by tests/unit/net/test_fetch_budget.c */
#include "fetch_budget.h"

uint32_t fetch_budget_share(uint32_t total, uint32_t share, uint32_t shares)
{
    PEN_CHECK(share < shares);
    return total / shares + (share < total % shares);
}

void fetch_budget_init(struct fetch_budget *budget, uint32_t most)
{
    *budget = (struct fetch_budget){.most = most, .left = most};
}

bool fetch_budget_allows(const struct fetch_budget *budget)
{
    return budget->left > 0 || budget->in_flight == 0;
}

void fetch_budget_sent(struct fetch_budget *budget, bool is_retry)
{
    budget->in_flight++;
    budget->left -= is_retry && budget->left > 0;
}

void fetch_budget_answered(struct fetch_budget *budget, bool is_good)
{
    PEN_CHECK(budget->in_flight > 0);
    budget->in_flight--;
    budget->left += is_good && budget->left < budget->most;
}
