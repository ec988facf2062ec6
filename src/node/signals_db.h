/* signals_db.h - signals.db and signals.ndjson of a run.  Control thread only. */
#ifndef PEN_NODE_SIGNALS_DB_H
#define PEN_NODE_SIGNALS_DB_H

#include "penstock/node.h"

struct signals_db;
struct signals_db_options {
    const char *dir;
    const char *job_id;
    const struct pen_program *program;
    int64_t created_ns;  /* of the run: what texts of signals call their timestamp */
    bool has_sink;       /* every change is noted in signal_sink, for signal_sink.h */
    bool has_sink_apart; /* also changes of signals that are kept apart: in shadow mode */
    bool is_new_job;     /* what is there is of another job, or of one that begins anew */
};
/* Opens or creates; resume follows, before the first signal. */
PEN_MUST_USE pen_status signals_db_open(const struct signals_db_options *options,
                                        struct signals_db **out, struct pen_err *err);
void signals_db_close(struct signals_db *db);
/* Begins a transaction when none is open; flush commits it. */
PEN_MUST_USE pen_status signals_db_put(struct signals_db *db, enum pen_signal_change change,
                                       const struct pen_signal *signal, struct pen_err *err);
/* The signal that was put last is held back by a suppression. */
bool signals_db_is_suppressed(const struct signals_db *db);
/* No transaction is open: another connection of the same thread may write. */
bool signals_db_is_quiet(const struct signals_db *db);
PEN_MUST_USE pen_status signals_db_flush(struct signals_db *db, struct pen_err *err);
/* The run released everything: rows that it did not produce are removed, but for those of this job
 * that somebody triaged. */
PEN_MUST_USE pen_status signals_db_finish(struct signals_db *db, struct pen_err *err);
struct signals_db_totals {
    uint64_t opened, by_severity[5]; /* but those kept apart */
    uint64_t shadow, suppressed;     /* suppressed ones of rules in shadow mode are shadow */
};
/*
 * signals_db_mark - makes all signals so far durable, and says where they stand (signals_mark.h).
 *
 * is_end  signals_db_finish was called, and no signal was put since
 */
#define SIGNALS_MARK_MAX 4096U
PEN_MUST_USE pen_status signals_db_mark(struct signals_db *db, bool is_end,
                                        char mark[SIGNALS_MARK_MAX], struct pen_err *err);
/* Whether both files hold what they held at the mark: somebody may have moved one away. */
PEN_MUST_USE pen_status signals_db_knows(struct signals_db *db, const char *mark, bool *knows,
                                         struct pen_err *err);
/* Goes on at a mark: what was told behind it is told again.  "": everything is (the log is the
 * truth, signals are what follows from it), and signals.ndjson begins anew. */
PEN_MUST_USE pen_status signals_db_resume(struct signals_db *db, const char *mark,
                                          struct pen_err *err);
struct signals_db_totals signals_db_totals_get(const struct signals_db *db);
/* The jobs table: one row a run. */
PEN_MUST_USE pen_status signals_db_job(struct signals_db *db, const char *command_line,
                                       const struct pen_replay_result *result, int64_t start_ns,
                                       int64_t end_ns, struct pen_err *err);

#endif
