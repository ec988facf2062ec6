/* tested by tests/e2e/test_sink_setup.py */
#include "penstock/classify.h"
#include "penstock/json.h"

#include "sink_spec.h"

#include <stdio.h>

static const char help[] =
    "penstock sink setup [options] SPEC   index templates into a cluster\n"
    "\n"
    "  SPEC                 opensearch:URL[,URL], or opensearch: that of the config file\n"
    "  --config FILE        penstock.yaml: who asks, and what is trusted\n"
    "  --ca FILE            PEM to trust instead of the system's certificates\n"
    "\n"
    "  --json               one object a line: path, state (put, there, changed, skipped), reason\n"
    "\n"
    "Puts component and index templates for all built-in log types (penstock-log-aws-cloudtrail "
    "for\n"
    "log-aws-cloudtrail-*, ...), penstock-log for every other log-*, and penstock-signals, in "
    "place of\n"
    "those of the same names.  Templates of yours with a priority of 10 or more go before them.\n"
    "Where the cluster has Index State Management: the policy penstock-rollover.  For types with\n"
    "`rotation: auto`, of types_dir of the config file too: the first index behind the alias.\n"
    "For types of types_dir whose index is no log-*, or with a `template:`: one of its own.\n"
    "What is there as this build has it stays as it is.\n"
    "Exit: 0 done, 1 the cluster did not take them, 2 usage, 3 config.\n";

enum sink_option { OPT_CONFIG = 1, OPT_CA, OPT_JSON, OPT_HELP };
static const struct cli_option options[] = {{"--config", OPT_CONFIG, true},
                                            {"--ca", OPT_CA, true},
                                            {"--json", OPT_JSON, false},
                                            {"--help", OPT_HELP, false},
                                            {NULL, 0, false}};

struct sink_args {
    struct sink_choice choice;
    bool wants_help, wants_json;
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
    case OPT_JSON:
        args->wants_json = true;
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

static const char *state_name(enum pen_sink_state state)
{
    static const char *const names[] = {"put", "there", "changed", "skipped"};
    return names[state];
}

static void told(const struct pen_sink_part *part)
{
    const bool has_why = part->why[0] != '\0';
    (void)printf("%s %s%s%s\n", state_name(part->state), part->path, has_why ? ": " : "",
                 part->why);
}

static void told_json(const struct pen_sink_part *part)
{
    struct pen_buf line;
    pen_buf_init(&line, SIZE_MAX);
    pen_status st = pen_buf_add(&line, PEN_SLICE_LIT("{\"path\":\""));
    st = st == PEN_OK ? pen_json_escape(&line, pen_slice_str(part->path)) : st;
    st = st == PEN_OK ? pen_buf_printf(&line, "\",\"state\":\"%s\",\"reason\":\"%s\"}\n",
                                       state_name(part->state), part->why)
                      : st;
    PEN_CHECK(st == PEN_OK);
    (void)fwrite(line.ptr, 1, line.len, stdout);
    pen_buf_fini(&line);
}

static pen_status put(const struct sink_args *args, const struct config *config,
                      const struct pen_sink_spec *spec, struct pen_err *err)
{
    struct pen_sink *sink = NULL;
    struct pen_types *types = NULL;
    pen_slice names[4][PEN_TYPES_MAX];
    pen_status st = pen_types_load(config->types_dir, &types, err);
    st = st == PEN_OK ? pen_sink_open(spec, &sink, err) : st;
    if (st == PEN_OK) {
        const struct pen_sink_rolled rolled = {
            .names = names[0],
            .count = pen_types_rolled(types, names[0]),
            .others = names[1],
            .other_count = pen_types_foreign(types, names[1]),
            .owns = names[2],
            .own_bodies = names[3],
            .own_count = pen_types_templates(types, names[2], names[3]),
        };
        st = pen_sink_setup(sink, &rolled, args->wants_json ? told_json : told, err);
    }
    pen_sink_free(sink);
    pen_types_free(types);
    return st;
}

static int setup(const struct sink_args *args)
{
    struct config config;
    struct pen_sink_spec spec;
    struct pen_err err = {0};
    config_init(&config);
    int code = sink_choose(&args->choice, "sink setup", &config, &spec);
    if (code < 0) {
        code = put(args, &config, &spec, &err) == PEN_OK ? 0 : cli_fail(&err);
    }
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
