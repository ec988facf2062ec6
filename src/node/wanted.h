/* wanted.h - what of a run's choice the keys do not say is asked of the records. */
#ifndef PEN_NODE_WANTED_H
#define PEN_NODE_WANTED_H

#include "penstock/node.h"

/* Whether a record is within the range of time, and of an account, region and type that are wanted.
 * An account or region that the key named was asked when the object was listed. */
bool record_wanted(const struct pen_replay_options *options, const struct pen_key_info *key,
                   const struct pen_type *type, const struct pen_doc *doc);

/* PEN_E_USAGE when the run names a log type that there is not. */
PEN_MUST_USE pen_status types_wanted_check(const struct pen_types *types,
                                           const struct pen_replay_options *options,
                                           struct pen_err *err);

/* Widens the range of event times by that of a record, unless it has none of its own. */
void record_time(struct pen_totals *totals, const struct pen_doc *doc);

#endif
