/*
 * suppress.h - which signals suppressions hold back, and how bad critical assets say they are.
 *
 * A suppression's query is asked of the signal that would be: the values of its events, its group,
 * its rule.  It is asked when the signal opens and when it gets worse, never in between: so the
 * verdict depends on events alone, not on when a batch of them was released.  What was let through
 * once stays.  An end (`expires`) is compared with first_seen, not with a clock: a replay of the
 * same logs gives the same signals whenever it runs.
 * Source: reference/datadog.md 4.8.
 */
#ifndef PEN_NODE_SUPPRESS_H
#define PEN_NODE_SUPPRESS_H

#include "penstock/node.h"

/* Finds the suppressions of each rule and has events tell what they ask for; before the queries of
 * types are built. */
PEN_MUST_USE pen_status suppress_link(struct pen_program *program, struct pen_err *err);

struct suppress; /* one thread */
/* *out NULL: no signal can be suppressed. */
PEN_MUST_USE pen_status suppress_new(const struct pen_program *program, struct suppress **out,
                                     struct pen_err *err);
void suppress_free(struct suppress *suppress);
/*
 * What critical assets say of the signal's severity goes into its members.  They are asked of its
 * group, its rule and the first of its events, which stay as they are, so that the answer is the
 * same whenever the signal is told.
 */
PEN_MUST_USE pen_status suppress_rate(struct suppress *suppress, struct pen_signal *signal,
                                      struct pen_err *err);
/* The first suppression that holds the signal back, or NULL. */
PEN_MUST_USE pen_status suppress_find(struct suppress *suppress, const struct pen_signal *signal,
                                      const struct pen_suppression **out, struct pen_err *err);

#endif
