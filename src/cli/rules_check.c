/* tested by tests/e2e/test_rules.py */
#include "rules.h"

static const char check_help[] =
    "penstock rules check PATH...   every error of every file as file:line:col: message\n"
    "\n"
    "Exit: 0 all rules are good, 2 usage, 4 some are not.\n";
static const char list_help[] =
    "penstock rules list [PATH...]   severity, id, language and title of the rules\n"
    "\n"
    "  PATH   a rule file or folder, `builtin` when there is none\n";

enum { OPT_HELP = 1 };
static const struct cli_option options[] = {
    {"--help", OPT_HELP, false}, {"-h", OPT_HELP, false}, {NULL, 0, false}};

struct args {
    struct rules_pick pick;
    bool wants_help;
};

static bool read_args(struct args *args, const char *command, int argc, char **argv)
{
    struct cli_parser parser = {.command = command,
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, rules_pick_options},
                                .at = 1};
    char *value = NULL;
    for (int id = cli_next(&parser, &value); id != CLI_END; id = cli_next(&parser, &value)) {
        bool is_good = id != CLI_WRONG;
        if (id == CLI_OPERAND) {
            is_good = rules_pick_path(&args->pick, value);
        } else if (is_good && !rules_pick_take(&args->pick, id, value, &is_good)) {
            args->wants_help = true;
        }
        if (!is_good) {
            return false;
        }
    }
    return true;
}

static void print_rules(const struct pen_rules *rules)
{
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        (void)printf("%-8s  %-36.*s  %s  %.*s\n", pen_severity_name(rule->severity),
                     PEN_SLICE_FMT(rule->id), rule->language, PEN_SLICE_FMT(rule->title));
    }
}

static int look(struct args *args, bool is_list)
{
    struct pen_rules_options options_made = rules_pick_made(&args->pick);
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    options_made.load_deprecated = true;
    if (pen_rules_load(&options_made, &rules, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    rules_notices_print(is_list ? stderr : stdout, rules);
    const uint32_t rejected = pen_rules_rejected(rules);
    if (is_list) {
        print_rules(rules);
    } else {
        (void)fprintf(stderr, "penstock: %u rules are good, %u were rejected\n",
                      pen_rules_count(rules), rejected);
    }
    pen_rules_free(rules);
    return rejected > 0 ? 4 : 0;
}

int rules_check(int argc, char **argv)
{
    struct args args = {0};
    if (!read_args(&args, "rules check", argc, argv)) {
        return 2;
    }
    if (args.wants_help) {
        (void)fputs(check_help, stdout);
        return 0;
    }
    if (args.pick.path_count == 0) {
        (void)fputs("penstock: rules check wants a path: a rule file, a folder, or `builtin`\n",
                    stderr);
        return 2;
    }
    return look(&args, false);
}

int rules_list(int argc, char **argv)
{
    struct args args = {0};
    if (!read_args(&args, "rules list", argc, argv)) {
        return 2;
    }
    if (args.wants_help) {
        (void)fputs(list_help, stdout);
        return 0;
    }
    return look(&args, true);
}
