/* check.h - what penstock check found, and how it is shown. */
#ifndef PEN_CLI_CHECK_H
#define PEN_CLI_CHECK_H

#include "replay_args.h"

struct check {
    const struct replay_args *args;
    struct pen_program *program;
    uint64_t program_bytes; /* by which loading it made the process larger */
    struct pen_budget budget;
    pen_status host_status; /* whether replay could run here, and in host why not */
    struct pen_err host;
};
void check_print_table(const struct check *check);
/* code: the exit code to come. */
void check_print_json(const struct check *check, int code);
/* An example penstock.yaml on standard output.  The exit code. */
int check_example(void);

#endif
