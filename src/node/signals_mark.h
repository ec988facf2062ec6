/*
 * signals_mark.h - where signals stood when a snapshot of the state was taken.
 *
 * A run that goes on from a snapshot does not tell signals again that were told before it.  The
 * mark says how long signals.ndjson was, what was counted, and which rows of signals.db count:
 * those of some ranges of run numbers.  It is kept as text in checkpoint.db, beside the snapshot.
 */
#ifndef PEN_NODE_SIGNALS_MARK_H
#define PEN_NODE_SIGNALS_MARK_H

#include "signals_db.h"

#define SIGNALS_MARK_RUNS_MAX                                           \
    64U /* processes in a row that did not come to an end; more are one \
         */

struct signals_mark {
    uint64_t lines_bytes; /* of signals.ndjson */
    struct signals_db_totals totals;
    struct {
        int64_t from, to;
    } runs[SIGNALS_MARK_RUNS_MAX]; /* ascending; both ends are in */
    uint32_t run_count;
};
void signals_mark_write(const struct signals_mark *mark, char text[SIGNALS_MARK_MAX]);
/* "": at the beginning of all. */
PEN_MUST_USE pen_status signals_mark_read(struct signals_mark *mark, const char *text,
                                          struct pen_err *err);
/* One more range, behind the others. */
void signals_mark_add(struct signals_mark *mark, int64_t from, int64_t to);
/* " AND run NOT BETWEEN 1 AND 2 ..." of all ranges. */
PEN_MUST_USE pen_status signals_mark_sql(const struct signals_mark *mark, struct pen_buf *out);

#endif
