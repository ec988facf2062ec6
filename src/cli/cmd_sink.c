/* tested by tests/e2e/test_opensearch.py */
#include "cluster.h"
#include "config.h"

#include <stdio.h>

static const char help[] =
    "penstock sink setup [options] SPEC   index templates into a cluster\n"
    "\n"
    "  SPEC                 opensearch:URL[,URL], or opensearch: that of the config file\n"
    "  --config FILE        penstock.yaml: who asks, and what is trusted\n"
    "  --ca FILE            PEM to trust instead of the system's certificates\n"
    "\n"
    "Puts the component templates penstock-log and penstock-log-aws-cloudtrail and the index\n"
    "templates penstock-log (log-*), penstock-log-aws-cloudtrail and penstock-signals, in place "
    "of\n"
    "those of the same names.  Templates of yours with a higher priority than 7 go before them.\n"
    "Exit: 0 done, 1 the cluster did not take them, 2 usage, 3 config.\n";

enum sink_option { OPT_CONFIG = 1, OPT_CA, OPT_HELP };
static const struct cli_option options[] = {{"--config", OPT_CONFIG, true},
                                            {"--ca", OPT_CA, true},
                                            {"--help", OPT_HELP, false},
                                            {NULL, 0, false}};

struct sink_args {
    const char *spec, *config, *ca;
    bool wants_help;
};

// NOLINTNEXTLINE(readability-non-const-parameter): the type is cli_read's
static bool take(void *ctx, int id, char *value)
{
    struct sink_args *args = ctx;
    switch (id) {
    case OPT_CONFIG:
        args->config = value;
        return true;
    case OPT_CA:
        args->ca = value;
        return true;
    case OPT_HELP:
        args->wants_help = true;
        return true;
    default:
        break;
    }
    if (args->spec != NULL) {
        (void)fputs("penstock: sink setup takes one SPEC\n", stderr);
        return false;
    }
    args->spec = value;
    return true;
}

/* What the file says of a cluster; -1, or the exit code after words. */
static int config_take(const char *path, struct config *config)
{
    struct pen_replay_options ignored = {0};
    struct pen_buf problems;
    settings_defaults(&ignored);
    pen_buf_init(&problems, (size_t)1 << 20);
    const pen_status st = config_read(config, path, &ignored, &problems);
    if (st != PEN_OK) {
        (void)fwrite(problems.ptr, 1, problems.len, stderr);
    }
    pen_buf_fini(&problems);
    return st == PEN_OK ? -1 : 3;
}

/* Which cluster, from the command line and the file. */
static pen_status spec_make(const struct sink_args *args, const struct config *config,
                            struct pen_sink_spec *out, struct pen_err *err)
{
    enum pen_sink_kind kind = PEN_SINK_FILES;
    const char *urls = NULL;
    *out = config->cluster;
    if (args->spec != NULL && strcmp(args->spec, "opensearch:") != 0 &&
        strcmp(args->spec, "opensearch") != 0) {
        PEN_TRY(config_sink_check(args->spec, &kind, &urls, err));
        const bool is_same = urls != NULL && out->urls != NULL && strcmp(urls, out->urls) == 0;
        *out = is_same ? *out : (struct pen_sink_spec){.urls = urls};
    }
    if (out->urls == NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "sink setup takes opensearch:URL; other sinks need nothing");
    }
    out->ca_file = out->ca_file == NULL ? args->ca : out->ca_file;
    return PEN_OK;
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
    int code = args->config == NULL ? -1 : config_take(args->config, &config);
    if (code < 0) {
        pen_status st = spec_make(args, &config, &spec, &err);
        st = st == PEN_OK ? pen_sink_open(&spec, &sink, &err) : st;
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
