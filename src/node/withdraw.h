/*
 * withdraw.h - objects that were refused are taken back out of a job, as if never read.
 *
 * An object that gives a dead letter is finished all the same, and a later run of the job passes
 * it by.  A retry must end with the documents and signals that a run would have had that never saw
 * the damage.  To deliver only what is missing is not enough for that: damage can change records
 * before it is noticed (a flipped bit in deflate), swallow the neighbours of a bad record, or move
 * their numbers, so a number of a record says nothing about the mended object.  To deliver all of
 * it once more and leave the rest to readers would keep the documents and signals that damage made
 * up.  So everything that the object gave is taken out:
 *
 *   documents     files that hold some of them are written anew without them (documents.h)
 *   observations  the log is written anew without them, as one run; signals follow from the log.
 *                 The last snapshot of the state goes; when one before it holds some of them and
 *                 their runs are gone, the objects cannot be taken back
 *   counters      what the object added to the totals is kept with it in checkpoint.db
 *   dead letters  stay; a line of stage `retry` behind them tells that they are taken back
 *   finished      its mark goes
 *
 * and the job is then run as it is always resumed.  One transaction of checkpoint.db names the new
 * files instead of the old and does the rest: a kill before it leaves new files that no commit
 * names, a kill after it leaves a job with unread objects, which the same replay reads.  Who reads
 * documents/ meanwhile may see a document twice, as at any time: readers dedupe by _id.
 *
 * An object that is not there any more, or cannot be read, keeps what it gave: there would be
 * nothing to put in its place.
 */
#ifndef PEN_NODE_WITHDRAW_H
#define PEN_NODE_WITHDRAW_H

#include "job.h"

/*
 * withdraw - takes the objects that options->retry names back.
 *
 * The job is open, nothing reads or writes its files.  Afterwards job is as job_open gives it.
 * retried, left   objects that were taken back; refused ones that are left as they are
 * Returns  PEN_OK | PEN_E_USAGE (an object's documents cannot be told from another's) | PEN_E_IO |
 *          PEN_E_NOSPACE | PEN_E_CORRUPT | PEN_E_STOPPED (interrupted); the job is unchanged then
 * Cost     inflates all documents when one of the objects gave some
 */
PEN_MUST_USE pen_status withdraw(struct job *job, const struct pen_replay_options *options,
                                 uint64_t *retried, uint64_t *left, struct pen_err *err);
/* How many of the objects that retry names are refused now. */
PEN_MUST_USE pen_status withdraw_refused(struct job *job, const struct pen_retry *retry,
                                         uint64_t *count, struct pen_err *err);

#endif
