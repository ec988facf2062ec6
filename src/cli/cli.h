/* cli.h - subcommands: each takes its own argument list and returns the exit code. */
#ifndef PEN_CLI_CLI_H
#define PEN_CLI_CLI_H

#include "penstock/node.h"

int cmd_replay(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_types(int argc, char **argv);
int cmd_coverage(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_signals(int argc, char **argv);
int cmd_dead_letters(int argc, char **argv);
int cmd_state(int argc, char **argv);
int cmd_sink(int argc, char **argv);
int cmd_bench_text(int argc, char **argv);
int cmd_bench_limit(int argc, char **argv);
int cmd_bench_s3(int argc, char **argv);
int cmd_bench_sink(int argc, char **argv);
int cmd_bench_rules(int argc, char **argv);
int cmd_bench_by_rule(int argc, char **argv);

/* Prints "penstock: text" and gives the exit code of the status. */
int cli_fail(const struct pen_err *err);
/* Flushes standard output; false when something printed could not be written.  Says nothing: main
 * tells of it once at the end and makes the exit code 1, whatever the command does. */
PEN_MUST_USE bool cli_output_is_good(void);
/*
 * cli_cache_dir - the folder of compiled rule databases: $XDG_CACHE_HOME/penstock, or penstock in
 * ~/.cache.  Made when it is not there.  NULL: there is no such place, or others may write to it;
 * then rules are compiled at each start.  Borrows cache.
 */
struct cli_cache {
    char path[4096];
};
const char *cli_cache_dir(struct cli_cache *cache);
/* How a command that is not a run says that rules compile: for a terminal or for a log. */
enum pen_compile_words cli_compile_words(void);
/* A time of --from, --to: a date, RFC 3339, -7d, -24h, now, today. */
PEN_MUST_USE bool cli_time(const char *text, int64_t *ns);

#endif
