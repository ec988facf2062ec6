/* tested by tests/e2e/test_check.py */
#include "penstock/runtime.h"

#include "check.h"
#include "replay_args.h"
#include "told.h"

#include <stdlib.h>

static const char help[] =
    "penstock check [options]   config, rules, log types and memory: what a run would use\n"
    "\n"
    "  --config FILE     penstock.yaml; every mistake as file:line:column: message\n"
    "  --set KEY=VALUE   as replay takes it;  --shards N\n"
    "  --rules PATH      rule file or folder, repeatable; `builtin` is the default\n"
    "  --out DIR         folder of a run: tells suppressions that suppressed nothing in it\n"
    "  --json            the same as one JSON document, with every option and its value\n"
    "  --example         prints a penstock.yaml that names every option with its default\n"
    "  --aws             reserved\n"
    "\n"
    "Reads no logs and starts no threads.  Exit: 0 good, 2 usage, 3 config, 4 a rule was "
    "rejected,\n"
    "5 the host has too little memory for the plan.\n";

enum check_option {
    OPT_CONFIG = 1,
    OPT_SET,
    OPT_SHARDS,
    OPT_OUT,
    OPT_JSON,
    OPT_EXAMPLE,
    OPT_AWS,
    OPT_HELP
};
static const struct cli_option options[] = {
    {"--config", OPT_CONFIG, true}, {"--set", OPT_SET, true},
    {"--shards", OPT_SHARDS, true}, {"--out", OPT_OUT, true},
    {"--json", OPT_JSON, false},    {"--example", OPT_EXAMPLE, false},
    {"--aws", OPT_AWS, false},      {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},        {NULL, 0, false}};

/* -1, or the exit code when nothing is left to do. */
static int take(struct replay_args *args, int id, char *value)
{
    bool is_good = true;
    switch (id) {
    case OPT_CONFIG:
        args->config_path = value;
        return -1;
    case OPT_SET:
        return replay_args_set(args, value) ? -1 : 2;
    case OPT_SHARDS:
        args->shards = value;
        return -1;
    case OPT_OUT:
        args->options.out_dir = value;
        return -1;
    case OPT_JSON:
        args->json = true;
        return -1;
    case OPT_EXAMPLE:
        return check_example();
    case OPT_AWS:
        (void)fputs("penstock: check --aws is not built yet: it will ask AWS for the permissions "
                    "that sources need\n",
                    stderr);
        return 2;
    case OPT_HELP:
        (void)fputs(help, stdout);
        return 0;
    case CLI_WRONG:
        return 2;
    case CLI_OPERAND:
        (void)fprintf(stderr, "penstock: check takes no sources: `%s`\n", value);
        return 2;
    default:
        return rules_pick_take(&args->rules, id, value, &is_good) && is_good ? -1 : 2;
    }
}

/* Rules that can say nothing. */
static void told_places(const struct pen_program *program)
{
    struct pen_buf out;
    pen_buf_init(&out, (size_t)1 << 20);
    if (pen_program_places_words(program, &out) != PEN_OK || out.len > 0) {
        (void)fwrite(out.ptr, 1, out.len, stderr);
    }
    pen_buf_fini(&out);
}

static int args_read(struct replay_args *args, int argc, char **argv)
{
    struct cli_parser parser = {.command = "check",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, rules_pick_options},
                                .at = 1};
    char *value = NULL;
    int code = -1;
    for (int id = cli_next(&parser, &value); code < 0 && id != CLI_END;
         id = code < 0 ? cli_next(&parser, &value) : CLI_END) {
        code = take(args, id, value);
    }
    return code >= 0 ? code : replay_args_finish(args);
}

static pen_status look(const struct replay_args *args, struct check *check, struct pen_err *err)
{
    const uint64_t before = pen_host_rss();
    struct cli_cache cache;
    const struct pen_program_options program = {.words = cli_compile_words(),
                                                .cache_dir = cli_cache_dir(&cache),
                                                .rules = args->options.rules,
                                                .exclusions = args->options.exclusions,
                                                .exclusion_count = args->options.exclusion_count,
                                                .enrich = pen_replay_enrich(&args->options),
                                                .types_dir = args->options.types_dir};
    PEN_TRY(pen_program_new(&program, &check->program, err));
    const uint64_t after = pen_host_rss();
    check->args = args;
    check->program_bytes = after > before ? after - before : 0;
    check->host_status = pen_host_check(&check->host);
    pen_budget_plan(&args->options, check->program, after, &check->budget);
    return PEN_OK;
}

int cmd_check(int argc, char **argv)
{
    struct replay_args *args = malloc(sizeof(*args));
    PEN_CHECK(args != NULL);
    struct check check = {0};
    struct pen_err err = {0};
    replay_args_init(args);
    const char *const not_asked = args->options.out_dir;
    int code = args_read(args, argc, argv);
    if (code < 0 && look(args, &check, &err) != PEN_OK) {
        code = cli_fail(&err);
    }
    const char *out_dir = args->options.out_dir == not_asked ? NULL : args->options.out_dir;
    if (code < 0 && told_suppressions(check.program->rules, out_dir, &err) != PEN_OK) {
        code = cli_fail(&err);
    }
    if (code < 0) {
        rules_notices_print(stderr, check.program->rules);
        told_places(check.program);
        if (check.program->enrich != NULL) {
            told_iocs(pen_enrich_iocs(check.program->enrich), args->options.ioc_max_age_ns);
        }
        code = pen_rules_rejected(check.program->rules) > 0 ? 4 : 0;
        if (pen_budget_check(&check.budget, &err) != PEN_OK) {
            code = cli_fail(&err);
        }
        if (args->json) {
            check_print_json(&check, code);
        } else {
            check_print_table(&check);
        }
    }
    pen_program_free(check.program);
    replay_args_fini(args);
    free(args);
    return code;
}
