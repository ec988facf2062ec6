/* signal_reason.h - a signal with its rule and the events that made it, as text or JSON. */
#ifndef PEN_CLI_SIGNAL_REASON_H
#define PEN_CLI_SIGNAL_REASON_H

#include "penstock/signals.h"

#include "screen.h"

struct signal_reason {
    struct screen *screen;
    const struct pen_rule *rule; /* NULL: not known */
    bool json;
    bool has_events_first; /* what the job keeps of the first events */
    uint64_t events_first;
    struct pen_buf line; /* for JSON */
    /* The rest is the module's. */
    uint64_t totals[PEN_STATE_QUERIES_MAX]; /* events by query */
    uint64_t seen[PEN_STATE_QUERIES_MAX];   /* of them in rows so far */
    uint64_t behind[PEN_STATE_QUERIES_MAX]; /* rows to come, of those behind the gap */
    uint32_t query_count;
    uint64_t matched, kept, row;
    bool is_numbered; /* for which queries an event counts is known of all that matter */
    int64_t first_seen_ns;
    bool is_opened;
};
/*
 * signal_reason_show - prints all of it.
 *
 * Each event gets its number among those of each query that it counts for.  Where some were not
 * kept, only the last ones have theirs, counted from the end, and none where events count for
 * several queries.
 */
PEN_MUST_USE pen_status signal_reason_show(struct signal_reason *reason,
                                           struct pen_signals *signals, const char *id,
                                           struct pen_err *err);

#endif
