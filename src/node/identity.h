/* identity.h - what makes a job: its parts, kept in checkpoint.db.  Control thread only. */
#ifndef PEN_NODE_IDENTITY_H
#define PEN_NODE_IDENTITY_H

#include "job.h"

/*
 * job_identity - stores every part of a new job and makes its id; compares those of a resumed one.
 *
 * A resumed job has its own range: job->from_ns and to_ns are set to it, and is_longer when it goes
 * on with a later --to.
 * Returns  PEN_OK | PEN_E_USAGE (another job; names what differs and what to do) | PEN_E_CORRUPT |
 *          PEN_E_IO | PEN_E_LIMIT
 */
PEN_MUST_USE pen_status job_identity(struct job *job, const struct pen_replay_options *options,
                                     const struct pen_program *program, struct pen_err *err);

#endif
