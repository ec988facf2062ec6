/* tested by tests/e2e/test_replay.py */
#include "cli.h"

#include <stdio.h>

static int usage(void)
{
    (void)fputs(
        "penstock rules check PATH...   every error as file:line:col: message; exit 4 if any\n"
        "penstock rules list [PATH...]  severity, id, language, title\n",
        stderr);
    return 2;
}

static void print_notices(const struct pen_rules *rules)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        (void)printf("%.*s:%u:%u: %s%.*s\n", PEN_SLICE_FMT(n->file), n->line, n->column,
                     n->level == PEN_NOTICE_WARNING ? "warning: " : "", PEN_SLICE_FMT(n->text));
    }
}

static void print_rules(const struct pen_rules *rules)
{
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        (void)printf("%-8s  %-36.*s  %s  %.*s\n", pen_severity_name(rule->severity),
                     PEN_SLICE_FMT(rule->id), rule->language, PEN_SLICE_FMT(rule->title));
    }
}

int cmd_rules(int argc, char **argv)
{
    static const char *const builtin[] = {"builtin"};
    const bool is_check = argc > 2 && strcmp(argv[1], "check") == 0;
    const bool is_list = argc > 1 && strcmp(argv[1], "list") == 0;
    if (!is_check && !is_list) {
        return usage();
    }
    const struct pen_rules_options options = {.paths = argc > 2 ? (const char *const *)(argv + 2)
                                                                : builtin,
                                              .path_count = argc > 2 ? (uint32_t)(argc - 2) : 1,
                                              .load_deprecated = true};
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    if (pen_rules_load(&options, &rules, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    print_notices(rules);
    if (is_list) {
        print_rules(rules);
    }
    const uint32_t rejected = pen_rules_rejected(rules);
    if (is_check) {
        (void)fprintf(stderr, "penstock: %u rules are good, %u were rejected\n",
                      pen_rules_count(rules), rejected);
    }
    pen_rules_free(rules);
    return rejected > 0 ? 4 : 0;
}
