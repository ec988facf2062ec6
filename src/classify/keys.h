/* keys.h - the key patterns of all log types as one Hyperscan database. */
#ifndef PEN_CLASSIFY_KEYS_H
#define PEN_CLASSIFY_KEYS_H

#include "penstock/classify.h"

struct hs_database;

/*
 * keys_compile - one database of the key patterns of items, or of those of keys to pass over; a
 * match's id is the index of the item.
 *
 * out      the caller's, keys_free; NULL when no item has a pattern
 * err      which pattern is wrong is not told; keys_check tells it
 * Returns  PEN_OK | PEN_E_CONFIG | PEN_E_NOMEM.  Costs 2 ms an item.
 */
PEN_MUST_USE pen_status keys_compile(const struct pen_type *items, uint32_t count, bool is_ignore,
                                     struct hs_database **out, struct pen_err *err);

/* Whether one pattern (NUL behind it) can be compiled; err has the reason.  PEN_OK | PEN_E_CONFIG.
 */
PEN_MUST_USE pen_status keys_check(pen_slice pattern, struct pen_err *err);

/*
 * keys_built_in - the database of the built-in types, made when penstock was built.
 *
 * Returns  NULL when this CPU or this Hyperscan cannot use it: compile then.  The caller's,
 *          keys_free.
 */
struct hs_database *keys_built_in(void);

/* NULL is allowed. */
void keys_free(struct hs_database *keys);

#endif
