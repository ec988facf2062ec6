/* job_value.h - what checkpoint.db says of a job, from outside and without being in a run's way. */
#ifndef PEN_NODE_JOB_VALUE_H
#define PEN_NODE_JOB_VALUE_H

#include "penstock/node.h"

/*
 * job_value - appends a value of the job in DIR by its name; nothing when it has none.
 *
 * Returns  PEN_OK | PEN_E_NOT_FOUND (no folder of a run, or one that has just begun) |
 *          PEN_E_DENIED | PEN_E_IO | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status job_value(const char *dir, const char *name, struct pen_buf *out,
                                  struct pen_err *err);

#endif
