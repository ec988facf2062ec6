/*
 * signal_explain.h - why there is a signal: which events its rule counted, and which case was true.
 *
 * Shown from signals.db, from the rules of its job, and from the objects of the job for events
 * whose text was not kept (events_read.h).  Nothing is written.
 */
#ifndef PEN_CLI_SIGNAL_EXPLAIN_H
#define PEN_CLI_SIGNAL_EXPLAIN_H

#include "events_read.h"
#include "rules.h"

struct signal_explain_call {
    const char *id;                        /* as given: 4 digits or more */
    struct events_read_call reads;         /* out_dir and the limit of objects */
    const struct pen_rules_options *rules; /* NULL: those of the job */
    bool json;                             /* one object, else for people */
};
/* Prints it; the exit code.  A rule that is not there any more leaves its part out, with words on
 * standard error. */
int signal_explain(const struct signal_explain_call *call);

#endif
