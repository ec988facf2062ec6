/* tested by tests/e2e/test_replay.py */
#include "penstock/runtime.h"

#include "job_args.h"
#include "replay_args.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int exit_code(const struct replay_args *args, const struct pen_replay_result *r)
{
    if (strcmp(r->status, "stopped") == 0) {
        return 6;
    }
    for (int i = args->fail_on; i >= 0 && i <= PEN_CRITICAL; i++) {
        if (r->signals_by_severity[i] > 0) {
            return 8;
        }
    }
    const bool has_gap = r->gap_count > 0 || r->rules_rejected > 0 || r->retry_left > 0;
    return has_gap && !args->allow_gaps ? 7 : 0;
}

static void on_interrupt(int number)
{
    (void)number;
    pen_replay_interrupt();
}

void replay_signals(void)
{
    const struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

char *replay_command_line(int argc, char **argv)
{
    char *line = NULL;
    for (int i = 0; i < argc; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s%s%s", line == NULL ? "penstock" : line, " ", argv[i]) < 0) {
            longer = NULL;
        }
        free(line);
        line = longer;
        if (line == NULL) {
            break;
        }
    }
    return line;
}

static void summary(const struct replay_args *args, const struct pen_replay_result *result)
{
    const struct pen_replay_options *o = &args->options;
    struct pen_err err = {0};
    struct backtest_report report;
    struct backtest_report *told = NULL;
    const bool is_backtest = o->signals_only && !result->is_unbegun;
    if (is_backtest &&
        backtest_report_read(&report, o->out_dir, result, o->search_groups_max, &err) == PEN_OK) {
        told = &report;
    } else if (is_backtest) {
        (void)cli_fail(&err);
    }
    if (args->json) {
        replay_summary_json(result, told);
    } else if (!result->is_unbegun) { /* else the words say it all */
        replay_summary_table(result, o->out_dir, told);
    }
    if (is_backtest) {
        backtest_report_fini(&report);
    }
}

int replay_run(struct replay_args *args)
{
    struct pen_err err = {0};
    struct pen_replay_result result = {.status = "failed"};
    struct cli_cache cache;
    args->options.cache_dir = cli_cache_dir(&cache);
    replay_signals();
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file size is then an error like a full disk */
    pen_status st = pen_host_check(&err);
    if (st == PEN_OK) {
        st = pen_replay(&args->options, &result, &err);
    }
    int code = 0;
    if (st == PEN_OK) {
        summary(args, &result);
        code = exit_code(args, &result);
    } else {
        code = cli_fail(&err);
    }
    free(result.costs);
    free(result.left_out);
    return code;
}

int cmd_replay(int argc, char **argv)
{
    struct replay_args *args = malloc(sizeof(*args));
    PEN_CHECK(args != NULL);
    replay_args_init(args);
    char *line = replay_command_line(argc, argv);
    char *arguments = arguments_text(argc, argv);
    int code = replay_args_read(args, argc, argv);
    if (code < 0) {
        args->options.command_line = line == NULL ? "" : line;
        args->options.arguments = arguments;
        code = args->plan ? replay_plan(args) : replay_run(args);
    }
    free(line);
    free(arguments);
    replay_args_fini(args);
    free(args);
    return code;
}
