/*
 * signal_sink.h - signals of signals.db to a cluster, as penstock-signals-YYYY-MM.
 *
 * The table signal_sink has a row for every signal: seq, which grows with each of its changes over
 * all runs and is the version that the cluster keeps; acked, the seq that the cluster has; and a
 * hash of what was sent, so that a change that changes nothing is not sent again (1: the cluster
 * refused it).  A row with acked < seq is to be sent.  seq is written with the signal, in one
 * transaction, and acked when the cluster has answered: whatever was not acknowledged is sent again
 * by the next run.
 *
 * Control thread, on its ring; never blocks on the network.
 */
#ifndef PEN_NODE_SIGNAL_SINK_H
#define PEN_NODE_SIGNAL_SINK_H

#include "penstock/node.h"

struct signal_sink;
struct signal_sink_options {
    const char *dir; /* of signals.db, which exists */
    const char *urls;
    struct pen_ship_options ship; /* without refused and ctx */
};
PEN_MUST_USE pen_status signal_sink_open(const struct signal_sink_options *options,
                                         struct signal_sink **out, struct pen_err *err);
/* Turn the ring until it is true, then free. */
bool signal_sink_cancel(struct signal_sink *sink);
void signal_sink_free(struct signal_sink *sink);
PEN_MUST_USE pen_status signal_sink_credentials(struct signal_sink *sink,
                                                const struct pen_credentials *credentials,
                                                struct pen_err *err);
/* Where the nodes are from now on. */
void signal_sink_addresses(struct signal_sink *sink, const struct pen_sink_addresses *addresses);
/* A signal was put. */
void signal_sink_news(struct signal_sink *sink);
/*
 * signal_sink_end - every signal is as it will stay.
 *
 * A run makes signals of earlier runs again, event by event.  Until the end the cluster keeps those
 * that it has as they were: the half-made ones would say less.
 */
void signal_sink_end(struct signal_sink *sink);
/*
 * signal_sink_turn - sends what is due and notes what was answered.
 *
 * is_quiet  no transaction of signals.db is open
 * is_idle   nothing is left to be sent or answered for
 */
PEN_MUST_USE pen_status signal_sink_turn(struct signal_sink *sink, bool is_quiet, bool *is_idle,
                                         struct pen_err *err);
/* Why nothing moves, or NULL. */
const char *signal_sink_state(const struct signal_sink *sink);
/* Signals that the cluster refused as they are now, of this run and earlier ones, and what it said
 * of the first of this run ("" if none); reason borrows the sink.  0 without a sink. */
PEN_MUST_USE pen_status signal_sink_refused(struct signal_sink *sink, uint64_t *count,
                                            const char **reason, struct pen_err *err);

#endif
