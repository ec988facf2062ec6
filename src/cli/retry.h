/* retry.h - the job of a folder run once more, as it was given, over objects that were refused. */
#ifndef PEN_CLI_RETRY_H
#define PEN_CLI_RETRY_H

#include "penstock/node.h"

struct retry_call {
    const char *out_dir;
    struct pen_retry retry;
    bool json, no_progress;
    bool strict, allow_gaps; /* besides what the job was given */
    int argc;                /* of the command itself, for the jobs table */
    char **argv;
};
/* The exit code, as replay gives it; 2 when the folder does not tell how its job was given. */
int retry_run(const struct retry_call *call);

#endif
