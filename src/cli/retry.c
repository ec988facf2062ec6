/* tested by tests/e2e/test_dead_letters.py */
#include "retry.h"

#include "job_args.h"
#include "replay_args.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int again(const struct retry_call *call, int argc, char **argv, const char *out_dir)
{
    struct replay_args *args = malloc(sizeof(*args));
    PEN_CHECK(args != NULL);
    replay_args_init(args);
    char *line = replay_command_line(call->argc, call->argv);
    int code = replay_args_read(args, argc, argv);
    if (code < 0) {
        struct pen_replay_options *o = &args->options;
        o->out_dir = out_dir;
        o->fresh = false;
        o->arguments = NULL;
        o->retry = &call->retry;
        o->no_progress = call->no_progress;
        o->command_line = line == NULL ? "" : line;
        args->json = call->json;
        o->is_strict = o->is_strict || call->strict;
        args->allow_gaps = args->allow_gaps || call->allow_gaps;
        struct pen_err err = {0};
        /* A range that was given as "the last 7 days" is the job's, not today's. */
        code = pen_replay_range(out_dir, &o->from_ns, &o->to_ns, &err) == PEN_OK ? replay_run(args)
                                                                                 : cli_fail(&err);
    }
    free(line);
    replay_args_fini(args);
    free(args);
    return code;
}

int retry_run(const struct retry_call *call)
{
    struct pen_err err = {0};
    struct job_args job;
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file size is an error like a full disk */
    char *out_dir = realpath(call->out_dir, NULL); /* arguments are read in another folder */
    pen_status st = job_args_open(&job, call->out_dir, &err);
    if (st == PEN_OK && out_dir == NULL) {
        st = PEN_FAIL(&err, PEN_E_IO, PEN_NO_OFFSET, "%s: cannot be opened", call->out_dir);
    }
    const int code = st == PEN_OK ? again(call, job.argc, job.argv, out_dir) : cli_fail(&err);
    job_args_close(&job);
    free(out_dir);
    return code;
}
