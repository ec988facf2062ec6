/* warm_up.h - what of a run is read for its state alone. */
#ifndef PEN_NODE_WARM_UP_H
#define PEN_NODE_WARM_UP_H

#include "control.h"

/*
 * warm_up_begin - after the job is open: moves the start of the range to that of the warm-up, and
 * says which records and signals are told (shard_shared.tell_from_ns).
 *
 * A job that began with learn_only tells nothing up to the end of that first part, also in the runs
 * that go on with a later end.
 * Returns  PEN_OK | PEN_E_USAGE (learn_only in a folder whose job is no such) | PEN_E_IO
 */
PEN_MUST_USE pen_status warm_up_begin(struct control *c, struct pen_err *err);

#endif
