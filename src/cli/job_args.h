/* job_args.h - how a job was given: the arguments of a replay as text, and back. */
#ifndef PEN_CLI_JOB_ARGS_H
#define PEN_CLI_JOB_ARGS_H

#include "penstock/node.h"

/* The arguments of a replay and its working folder, for pen_replay_options.  malloc'd; NULL: out of
 * memory. */
char *arguments_text(int argc, char **argv);

struct job_args {
    struct pen_buf text;
    char **lines; /* of text: the folder, then argv */
    char **argv;  /* for replay_args_read; borrows the rest */
    int argc;
    int folder; /* where the process was before, or -1 */
};
/*
 * job_args_open - the arguments that the job in out_dir was given last.
 *
 * The process is in the folder where they were given until job_args_close: paths among them mean
 * what they did.  Main thread only.  Close it in every outcome.
 * Returns  PEN_OK | PEN_E_NOT_FOUND (no job) | PEN_E_USAGE (it does not tell, or that folder is
 *          gone) | PEN_E_IO
 */
PEN_MUST_USE pen_status job_args_open(struct job_args *job, const char *out_dir,
                                      struct pen_err *err);
void job_args_close(struct job_args *job);

#endif
