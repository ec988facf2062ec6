/*
 * filters.h - what security filters leave out, counted.
 *
 * Behind the exclusions of a run stand one for each filter of its rules, of what its exclusions
 * leave out, and one for what no filter takes.  They drop nothing, and are counted, committed and
 * resumed as exclusions are.  Objects that are not read, as of types without a rule in a run for
 * signals alone, are not counted.
 */
#ifndef PEN_NODE_FILTERS_H
#define PEN_NODE_FILTERS_H

#include "penstock/node.h"

/* Appends them to the program's exclusions, in its arena; none when the rules have no filter.
 * PEN_OK | PEN_E_NOMEM. */
PEN_MUST_USE pen_status filters_link(struct pen_program *program, struct pen_err *err);
/* Appends their queries to those of a type whose schema is not sealed yet.  first: the exclusion
 * that is the first of them.  PEN_OK | PEN_E_RULE | PEN_E_NOMEM. */
PEN_MUST_USE pen_status filters_queries(struct pen_program *program, uint32_t first,
                                        struct pen_program_type *entry, struct pen_err *err);
/* What they counted, by exclusion; *out is the caller's to free. */
uint32_t filters_list(const struct pen_program *program, const uint64_t *counters,
                      struct pen_left_out **out);

#endif
