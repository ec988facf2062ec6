/* proxies.h - proxies of one's own: whose word about whom they speak for is taken. */
#ifndef PEN_ENRICH_PROXIES_H
#define PEN_ENRICH_PROXIES_H

#include "ranges.h"

#define PROXIES_MAX 4096U /* addresses and networks */

struct proxies {
    struct pen_arena arena;
    struct ranges networks;
};

/*
 * proxies_read - addresses and networks with commas between them; blanks around each do not count.
 *
 * list     borrowed until return; at least one entry
 * out      filled; proxies_fini it, whatever is returned
 * Returns  PEN_OK | PEN_E_USAGE (names the option, the entry and why) | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status proxies_read(pen_slice list, struct proxies *out, struct pen_err *err);
void proxies_fini(struct proxies *proxies);
/* Whether an address (any text) is one of them. */
bool proxies_have(const struct proxies *proxies, pen_slice ip);

#endif
