/*
 * ask.h - queries in log search syntax over things that are no records: signals, rules.
 *
 * Whatever names the queries have, the caller is asked for their values.  One thread.
 */
#ifndef PEN_NODE_ASK_H
#define PEN_NODE_ASK_H

#include "penstock/node.h"

#define ASK_NAMES_MAX 1024U             /* different names of all queries */
#define ASK_BYTES_MAX ((size_t)4 << 20) /* of all values of one thing */

struct ask;
/* queries are borrowed until return; an empty one is always true.  PEN_E_RULE names the query. */
PEN_MUST_USE pen_status ask_new(const pen_slice *queries, uint32_t count, struct ask **out,
                                struct pen_err *err);
void ask_free(struct ask *ask);
/* The names that a query has: "@usr.name", "env"; borrowed as long as ask lives. */
const pen_slice *ask_names(const struct ask *ask, uint32_t query, uint32_t *count);
/* Appends the values of a name as JSON strings with commas between them; none: nothing. */
typedef pen_status ask_values_fn(void *ctx, pen_slice name, struct pen_buf *out);
/* Which queries are true, ascending; *found borrows ask until the next call. */
PEN_MUST_USE pen_status ask_run(struct ask *ask, ask_values_fn *fn, void *ctx,
                                const uint32_t **found, uint32_t *count, struct pen_err *err);

#endif
