/* tested by tests/e2e/test_opensearch.py */
#include "sink_spec.h"

#include <stdio.h>

static const char help[] =
    "penstock sink setup [options] SPEC   index templates into a cluster\n"
    "\n"
    "  SPEC                 opensearch:URL[,URL], or opensearch: that of the config file\n"
    "  --config FILE        penstock.yaml: who asks, and what is trusted\n"
    "  --ca FILE            PEM to trust instead of the system's certificates\n"
    "\n"
    "Puts component and index templates for all built-in log types (penstock-log-aws-cloudtrail "
    "for\n"
    "log-aws-cloudtrail-*, ...), penstock-log for every other log-*, and penstock-signals, in "
    "place of\n"
    "those of the same names.  Templates of yours with a priority of 10 or more go before them.\n"
    "Exit: 0 done, 1 the cluster did not take them, 2 usage, 3 config.\n";

enum sink_option { OPT_CONFIG = 1, OPT_CA, OPT_HELP };
static const struct cli_option options[] = {{"--config", OPT_CONFIG, true},
                                            {"--ca", OPT_CA, true},
                                            {"--help", OPT_HELP, false},
                                            {NULL, 0, false}};

struct sink_args {
    struct sink_choice choice;
    bool wants_help;
};

// NOLINTNEXTLINE(readability-non-const-parameter): the type is cli_read's
static bool take(void *ctx, int id, char *value)
{
    struct sink_args *args = ctx;
    switch (id) {
    case OPT_CONFIG:
        args->choice.config = value;
        return true;
    case OPT_CA:
        args->choice.ca = value;
        return true;
    case OPT_HELP:
        args->wants_help = true;
        return true;
    default:
        break;
    }
    if (args->choice.spec != NULL) {
        (void)fputs("penstock: sink setup takes one SPEC\n", stderr);
        return false;
    }
    args->choice.spec = value;
    return true;
}

static void told(const char *path)
{
    (void)printf("put %s\n", path);
}

static int setup(const struct sink_args *args)
{
    struct config config;
    struct pen_sink_spec spec;
    struct pen_sink *sink = NULL;
    struct pen_err err = {0};
    config_init(&config);
    int code = sink_choose(&args->choice, "sink setup", &config, &spec);
    if (code < 0) {
        pen_status st = pen_sink_open(&spec, &sink, &err);
        st = st == PEN_OK ? pen_sink_setup(sink, told, &err) : st;
        code = st == PEN_OK ? 0 : cli_fail(&err);
    }
    pen_sink_free(sink);
    config_fini(&config);
    return code;
}

int cmd_sink(int argc, char **argv)
{
    struct sink_args args = {0};
    const bool is_setup = argc > 1 && strcmp(argv[1], "setup") == 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (argc < 2) {
        (void)fputs(help, stderr);
        return 2;
    }
    if (!is_setup) {
        (void)fprintf(stderr,
                      "penstock: no command `sink %s`; penstock sink --help tells of setup\n",
                      argv[1]);
        return 2;
    }
    struct cli_parser parser = {
        .command = "sink setup", .argc = argc - 1, .argv = argv + 1, .tables = {options}, .at = 1};
    if (!cli_read(&parser, take, &args)) {
        return 2;
    }
    if (args.wants_help) {
        (void)fputs(help, stdout);
        return 0;
    }
    return setup(&args);
}
