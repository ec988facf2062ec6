/*
 * penstock/signals.h - DIR/signals.db from outside a run: lists, details, triage.
 *
 * Tables and columns: README, "Signals".  src/node implements it.
 */
#ifndef PEN_SIGNALS_H
#define PEN_SIGNALS_H

#include "penstock/detect.h"

/*
 * pen_signals - a connection to DIR/signals.db for people and scripts.  A replay may write to the
 * database meanwhile: reads see its last transaction, triage waits for its turn (30 s at most).
 * One thread.  Needs no io_uring.
 */
struct pen_signals;
/* PEN_E_NOT_FOUND: no signals.db there; PEN_E_DENIED: dir cannot be entered; PEN_E_CORRUPT: not a
 * database of ours, or of a newer penstock; PEN_E_IO.  Never creates a file. */
PEN_MUST_USE pen_status pen_signals_open(const char *dir, struct pen_signals **out,
                                         struct pen_err *err);
void pen_signals_close(struct pen_signals *signals); /* NULL is fine */

enum pen_triage_state {
    PEN_TRIAGE_OPEN,
    PEN_TRIAGE_UNDER_REVIEW,
    PEN_TRIAGE_ARCHIVED,
    PEN_TRIAGE_STATES
};
const char *pen_triage_state_name(enum pen_triage_state state); /* "under_review" */

enum pen_signals_sort {
    PEN_SORT_SEVERITY,   /* worst first, then as first_seen */
    PEN_SORT_FIRST_SEEN, /* oldest first */
    PEN_SORT_LAST_SEEN,
    PEN_SORT_EVENTS, /* most first */
    PEN_SORT_RULE,   /* by name */
    PEN_SORT_COUNT
};
const char *pen_signals_sort_name(enum pen_signals_sort sort);

enum pen_signals_mode {
    PEN_MODE_ALL,
    PEN_MODE_ACTIVE, /* neither of the others */
    PEN_MODE_SHADOW,
    PEN_MODE_SUPPRESSED,
    PEN_MODE_COUNT
};
const char *pen_signals_mode_name(enum pen_signals_mode mode);

struct pen_signals_filter { /* all zero but the times: every signal */
    uint32_t states;        /* bits 1 << enum pen_triage_state; 0: all */
    uint32_t severities;    /* bits 1 << enum pen_severity; 0: all */
    const char *id;         /* the whole id, or NULL */
    const char *rule;    /* a rule id, or a part of a rule's name (ASCII case ignored), or NULL */
    const char *account; /* one of the signal's accounts, or NULL */
    int64_t from_ns, to_ns; /* of first_seen, half-open; INT64_MIN, INT64_MAX: any */
    uint64_t limit;         /* 0: none */
    enum pen_signals_mode mode;
    enum pen_signals_sort sort;
    bool reversed;
};

struct pen_signal_row { /* a row of signals; slices borrow the database until the callback returns;
                         * ptr NULL for SQL NULL */
    pen_slice id, rule_id, rule_version, rule_name, language, severity, case_name, state,
        archive_reason, assignee, title, message, job_id, suppressed_by;
    pen_slice group_by, events_per_query, tags, accounts, regions, actors, source_ips, tactics,
        techniques; /* valid JSON on one line */
    int64_t first_seen_ns, last_seen_ns, events_matched;
    int64_t closed, late, cold, shadow; /* 0 or 1 */
};
/* Any status but PEN_OK ends the reading and is returned. */
typedef pen_status pen_signal_row_fn(void *ctx, const struct pen_signal_row *row);
PEN_MUST_USE pen_status pen_signals_list(struct pen_signals *signals,
                                         const struct pen_signals_filter *filter,
                                         pen_signal_row_fn *fn, void *ctx, struct pen_err *err);
/* Appends the row as one JSON object: the columns, with first_seen and last_seen in RFC 3339. */
PEN_MUST_USE pen_status pen_signal_row_json(const struct pen_signal_row *row, struct pen_buf *out);

#define PEN_SIGNAL_PREFIX_MIN 4U
#define PEN_SIGNAL_CANDIDATES_MAX 10U
struct pen_signal_ids {
    char ids[PEN_SIGNAL_CANDIDATES_MAX][33];
    uint32_t count;
    bool more; /* than fit */
};
/*
 * pen_signals_resolve - the signals whose id begins with text (hex digits of either case).
 *
 * Returns  PEN_OK: exactly one; PEN_E_NOT_FOUND: none; PEN_E_USAGE: too short, no hex digits, or
 *          several, which *found lists (count 0 for a text that is no prefix)
 */
PEN_MUST_USE pen_status pen_signals_resolve(struct pen_signals *signals, const char *text,
                                            struct pen_signal_ids *found, struct pen_err *err);

struct pen_signal_event_row { /* a stored event of a signal; borrowed like pen_signal_row */
    pen_slice event_id, index_name, object, query;
    pen_slice event;                  /* JSON on one line, or NULL: neither kept nor told */
    pen_slice reason;                 /* why event is NULL, as pen_signals_event_tell had it */
    pen_slice name, actor, source_ip; /* as the event tells, or NULL */
    int64_t event_time_ns, record;
    uint32_t others; /* bits of queries, by their number, that it counts for beside `query` */
};
typedef pen_status pen_signal_event_fn(void *ctx, const struct pen_signal_event_row *row);
/* In the order (event time, event id). */
PEN_MUST_USE pen_status pen_signals_events(struct pen_signals *signals, const char *id,
                                           pen_signal_event_fn *fn, void *ctx, struct pen_err *err);

/*
 * pen_signals_event_tell - what is known by now of an event whose text was not kept.
 *
 * event    its JSON as read again, or empty
 * reason   for people, when event is empty
 * pen_signals_events of this connection gives it from then on; the database stays as it is.
 */
PEN_MUST_USE pen_status pen_signals_event_tell(struct pen_signals *signals, const char *id,
                                               pen_slice event_id, pen_slice event,
                                               const char *reason, struct pen_err *err);

struct pen_signal_change_row { /* a row of signal_history */
    int64_t time_ns;
    pen_slice user, from, to, note;
};
typedef pen_status pen_signal_change_fn(void *ctx, const struct pen_signal_change_row *row);
/* In the order of time. */
PEN_MUST_USE pen_status pen_signals_history(struct pen_signals *signals, const char *id,
                                            pen_signal_change_fn *fn, void *ctx,
                                            struct pen_err *err);

struct pen_triage {                     /* NULL: unchanged */
    const enum pen_triage_state *state; /* leaving archived clears the reason */
    const char *reason;                 /* for archived signals only */
    const char *assignee;               /* "": nobody */
    const char *note;
    const char *user; /* who did it; not NULL */
};
/*
 * pen_signals_triage - applies one decision to signals, all or none, and appends signal_history.
 *
 * ids      whole ids
 * changed  how many differ now from before; a signal that already was so, without a note, is left
 *          alone and gets no history
 * Returns  PEN_OK | PEN_E_NOT_FOUND | PEN_E_USAGE (a reason for a signal that is not archived)
 *          | PEN_E_AGAIN (locked for 30 s) | PEN_E_NOSPACE | PEN_E_IO
 */
PEN_MUST_USE pen_status pen_signals_triage(struct pen_signals *signals, const char *const *ids,
                                           uint32_t count, const struct pen_triage *triage,
                                           uint32_t *changed, struct pen_err *err);

#endif
