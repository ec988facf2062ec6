/* replay_args.h - the command line of replay, with its config file, and the summary of a run. */
#ifndef PEN_CLI_REPLAY_ARGS_H
#define PEN_CLI_REPLAY_ARGS_H

#include "backtest_report.h"
#include "config.h"
#include "rules.h"

#define REPLAY_SETS_MAX 128U

struct replay_args { /* texts stay in argv */
    struct pen_replay_options options;
    struct cli_pick pick;
    struct rules_pick rules;
    struct config config;
    const char *config_path;
    const char *sets[REPLAY_SETS_MAX]; /* "key=value" in order */
    uint32_t set_count;
    const char *shards;
    struct pen_sink_spec cluster; /* that options point to */
    const char **sources;
    uint32_t source_count;
    bool has_sink, no_rules, json, plan, allow_gaps, wants_help;
    int fail_on; /* severity, or -1 */
};
void replay_args_init(struct replay_args *args);
void replay_args_fini(struct replay_args *args);
/* Reads the command line, then the config file, then --set; options are then ready for pen_replay.
 * -1, or the exit code after words on stderr. */
int replay_args_read(struct replay_args *args, int argc, char **argv);
/* The same without a command line: what is in config_path and sets, into options. */
int replay_args_finish(struct replay_args *args);
/* One KEY=VALUE more for replay_args_finish; false after words. */
PEN_MUST_USE bool replay_args_set(struct replay_args *args, const char *text);
extern const char replay_help[];

/* "info" to "critical" as a number; false: no such severity. */
PEN_MUST_USE bool cli_severity(const char *text, int *out);
/* KEY=VALUE into options; words on stderr and false when it is wrong. */
PEN_MUST_USE bool cli_set(struct pen_replay_options *options, const char *text);

/* From here on SIGINT and SIGTERM ask a run to stop. */
void replay_signals(void);
/* --plan: lists and estimates.  The exit code. */
int replay_plan(const struct replay_args *args);
/* Runs it and prints the summary.  The exit code. */
int replay_run(struct replay_args *args);
/* "penstock replay --out x ...": malloc'd, NULL when out of memory. */
char *replay_command_line(int argc, char **argv);
/* The summary of a run on standard output: one line of JSON, or a table.  backtest: of a run
 * without documents what its rules told, or NULL. */
void replay_summary_json(const struct pen_replay_result *result, struct backtest_report *backtest);
void replay_summary_table(const struct pen_replay_result *result, const char *out_dir,
                          struct backtest_report *backtest);

#endif
