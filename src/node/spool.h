/*
 * spool.h - standard input as a source of a job.
 *
 * A job can be killed and go on, so what came through a pipe is kept until it is delivered: as a
 * file of DIR/stdin, named by the hash of its bytes.  The same bytes given again are the same
 * object; bytes that an interrupted run left there are read by the next one.
 */
#ifndef PEN_NODE_SPOOL_H
#define PEN_NODE_SPOOL_H

#include "job.h"

#define SPOOL_SOURCE "-"
/* Whether standard input is one of the sources. */
bool spool_wanted(const struct pen_replay_options *options);
/* Path of the folder for a job in dir. */
void spool_dir(const char *dir, char *out, size_t cap);
/*
 * spool_take - reads standard input to its end into the folder.
 *
 * Blocking, on the control thread before the shards start.
 * Returns  PEN_OK | PEN_E_STOPPED (interrupted: nothing is kept) | PEN_E_NOSPACE | PEN_E_IO
 */
PEN_MUST_USE pen_status spool_take(const char *dir, struct pen_err *err);
/* Removes what the job has delivered. */
void spool_clear(const char *dir);

#endif
