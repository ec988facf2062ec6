/* exclude.h - exclusions of a run as queries behind those of the rules, and their counters. */
#ifndef PEN_NODE_EXCLUDE_H
#define PEN_NODE_EXCLUDE_H

#include "penstock/node.h"

/* The log types that exclusions name are there: PEN_OK | PEN_E_CONFIG. */
PEN_MUST_USE pen_status exclude_check(const struct pen_exclusion *items, uint32_t count,
                                      const struct pen_types *types, struct pen_err *err);
/*
 * exclude_queries - appends the exclusions that apply to a type to its queries.
 *
 * Tags are PEN_EXCLUDE_TAG and the index of the exclusion, so a matcher reports them last.
 * arena    owns the longer list
 * Returns  PEN_OK | PEN_E_CONFIG (err names the exclusion and what is wrong) | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status exclude_queries(const struct pen_exclusion *items, uint32_t count,
                                        struct pen_arena *arena, struct pen_program_type *entry,
                                        struct pen_err *err);
/* A hash of all that decides what is excluded, as hex; "" without exclusions. */
void exclude_hash(const struct pen_exclusion *items, uint32_t count, char hex[33]);

#define EXCLUDED_NAME "excluded" /* of the checkpoint */
/* Counters by exclusion as lines "count name", for the checkpoint.  What a text counts of names
 * that are no exclusions any more is not read. */
PEN_MUST_USE pen_status exclude_write(const struct pen_exclusion *items, uint32_t count,
                                      const uint64_t *counters, struct pen_buf *out);
PEN_MUST_USE pen_status exclude_read(const struct pen_exclusion *items, uint32_t count,
                                     uint64_t *counters, pen_slice text, struct pen_err *err);

#endif
