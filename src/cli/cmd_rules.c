/* tested by tests/e2e/test_rules.py */
#include "rules.h"

static const char help[] =
    "penstock rules check PATH...   every error as file:line:col: message; exit 4 if any\n"
    "penstock rules list [PATH...]  severity, id, language, log types, title\n"
    "penstock rules match --rules PATH... SOURCE...   which record matches which rule\n"
    "penstock rules test [PATH...]  runs the tests beside rules: N passed, N failed\n"
    "penstock rules explain --rule ID EVENT           each condition, its values, its verdict\n"
    "penstock rules diff --base PATH --head PATH SOURCE...   which signals a change of rules "
    "changes\n"
    "\n"
    "PATH is a rule file, a folder, or `builtin`: the built-in pack.\n"
    "penstock rules COMMAND --help tells the options of a command.\n";

int cmd_rules(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"check", rules_check}, {"list", rules_list},       {"match", rules_match},
                    {"test", rules_test},   {"explain", rules_explain}, {"diff", rules_diff}};
    if (argc < 2) {
        (void)fputs(help, stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    for (size_t i = 0; i < PEN_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "penstock: no command `rules %s`; penstock rules --help lists them\n",
                  argv[1]);
    return 2;
}
