/* signals_read.h - the connection that reading and triage of signals.db share. */
#ifndef PEN_NODE_SIGNALS_READ_H
#define PEN_NODE_SIGNALS_READ_H

#include "penstock/node.h"
#include "penstock/signals.h"

#include <sqlite3.h>

#define SIGNALS_BUSY_MS 30000

struct pen_signals {
    sqlite3 *db;
    bool has_told; /* the table of what was told of events is there */
};
/* The connection's last error as a status. */
PEN_MUST_USE pen_status signals_fail(struct pen_signals *signals, struct pen_err *err);
PEN_MUST_USE pen_status signals_prepare(struct pen_signals *signals, const char *sql,
                                        sqlite3_stmt **out, struct pen_err *err);
/* Bind by name (":id"); nothing happens when the statement has no such parameter.  text is borrowed
 * until the statement is finalized; NULL binds NULL. */
void signals_bind_text(sqlite3_stmt *statement, const char *name, const char *text);
void signals_bind_i64(sqlite3_stmt *statement, const char *name, int64_t value);
/* Text of a column, borrowed until the next step; ptr NULL for SQL NULL. */
pen_slice signals_column(sqlite3_stmt *statement, int at);

#endif
