/* tested by tests/e2e/test_rules.py */
#include "notices.h"
#include "rules.h"
#include "told.h"

#include <stdlib.h>

static const char help[] =
    "penstock rules check [options] PATH...   every error of every file as file:line:col: message\n"
    "\n"
    "  PATH   a rule file, a folder, or `builtin`; tests beside rules are read too\n"
    "\n"
    "  --format FORM        text (default), github (annotations), sarif, json;  --json\n"
    "  --min-level LEVEL    info, low, medium, high, critical;  --tag TAG\n"
    "  --config FILE        penstock.yaml: its placeholders\n"
    "\n"
    "Exit: 0 all is good, 2 usage, 3 config, 4 something is not.\n";

#define TESTS_BYTES_MAX ((size_t)1 << 30)
#define PATHS_BYTES_MAX ((size_t)1 << 20)

enum check_id { OPT_FORMAT = 1, OPT_JSON, OPT_HELP };
static const struct cli_option options[] = {{"--format", OPT_FORMAT, true},
                                            {"--json", OPT_JSON, false},
                                            {"--help", OPT_HELP, false},
                                            {"-h", OPT_HELP, false},
                                            {NULL, 0, false}};

struct run {
    struct rules_pick rules;
    enum notices_form form;
    bool wants_help;
    struct notices notices;
};

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
    case CLI_OPERAND:
        return rules_pick_path(&run->rules, value);
    case OPT_FORMAT:
        return notices_form_of(value, &run->form);
    default:
        run->form = id == OPT_JSON ? NOTICES_JSON : run->form;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {.command = "rules check",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, rules_pick_options},
                                .rules = &run->rules,
                                .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    if (!run->wants_help && run->rules.path_count == 0) {
        (void)fputs("penstock: rules check wants a path: a rule file, a folder, or `builtin`\n",
                    stderr);
        return false;
    }
    return true;
}

/* ---- what is looked at ---- */

/* What the engine cannot hold is told with the id of the rule. */
static void add_engine(struct run *run, const struct pen_rules *rules, const struct pen_err *err)
{
    const pen_slice text = pen_arena_dup(&run->notices.arena, pen_slice_str(err->text));
    PEN_CHECK(text.ptr != NULL);
    struct pen_notice notice = {.level = PEN_NOTICE_ERROR, .text = text};
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        if (pen_slice_starts(text, rule->id)) {
            notice.file = rule->file;
            notice.line = rule->line;
        }
    }
    notices_add(&run->notices, &notice);
}

static pen_status add_tests_of(struct run *run, const char *path, struct pen_arena *arena,
                               struct pen_err *err)
{
    struct pen_rule_test *tests = NULL;
    uint32_t count = 0;
    const pen_status st = pen_rule_tests_load(path, arena, &tests, &count, err);
    if (st == PEN_E_RULE) {
        notices_add_placed(&run->notices, err->text);
        return PEN_OK;
    }
    return st;
}

/* The tests of a path end at its first mistake: those of every file are asked for too. */
static pen_status add_tests(struct run *run, const struct pen_rules *rules, struct pen_err *err)
{
    struct pen_arena arena;
    pen_status st = PEN_OK;
    pen_slice last = {0};
    pen_arena_init(&arena, TESTS_BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < run->rules.path_count; i++) {
        st = add_tests_of(run, run->rules.paths[i], &arena, err);
    }
    for (uint32_t i = 0; st == PEN_OK && run->notices.errors > 0 && i < pen_rules_count(rules);
         i++) {
        const pen_slice file = pen_rules_at(rules, i)->file;
        const pen_slice path = pen_arena_dup(&arena, file);
        PEN_CHECK(path.ptr != NULL);
        if (!pen_slice_eq(file, last) && memchr(file.ptr, '/', file.len) != NULL) {
            st = add_tests_of(run, (const char *)path.ptr, &arena, err);
        }
        last = file;
    }
    pen_arena_fini(&arena);
    return st;
}

static bool is_fed(const struct pen_program *program, const struct pen_rule *rule)
{
    for (uint32_t t = 0; t < program->type_count; t++) {
        const struct pen_type *type = program->by_type[t].type;
        const bool is_any =
            rule->datadog != NULL && pen_slice_eq(type->name, PEN_SLICE_LIT("json"));
        if (!is_any && pen_rule_applies(rule, type)) {
            return true;
        }
    }
    return false;
}

/* Rules for logs that nobody reads are good, but their author should know. */
static void add_unfed(struct run *run, const struct pen_program *program)
{
    for (uint32_t i = 0; i < pen_rules_count(program->rules); i++) {
        const struct pen_rule *rule = pen_rules_at(program->rules, i);
        const struct pen_notice notice = {
            .level = PEN_NOTICE_WARNING,
            .file = rule->file,
            .line = rule->line,
            .column = 1,
            .text =
                rule->datadog == NULL
                    ? PEN_SLICE_LIT("no log type has this `logsource`: the rule can never match")
                    : PEN_SLICE_LIT("no log type has the `source:` of any query: the rule can "
                                    "match with --as json only")};
        if (!is_fed(program, rule)) {
            notices_add(&run->notices, &notice);
        }
    }
}

/* A path of no rules is a mistake: a typing error, or rules by another name than .yml or .json. */
static void no_rules(const struct run *run)
{
    struct pen_buf text;
    pen_buf_init(&text, PATHS_BYTES_MAX);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < run->rules.path_count; i++) {
        st = pen_buf_printf(&text, "%s", i == 0 ? "" : ", ");
        st = st == PEN_OK ? pen_escape_terminal(&text, pen_slice_str(run->rules.paths[i])) : st;
    }
    (void)fprintf(stderr, "penstock: no rules in %.*s\n", (int)text.len, (const char *)text.ptr);
    pen_buf_fini(&text);
}

static int finish(struct run *run, const struct pen_rules *rules)
{
    const uint32_t count = pen_rules_count(rules);
    if (!notices_write(&run->notices, run->form, count, stdout)) {
        if (cli_output_is_good()) { /* else main tells why */
            (void)fputs("penstock: there is too much to print\n", stderr);
        }
        return 1;
    }
    const uint32_t rejected = pen_rules_rejected(rules);
    if (count + rejected == 0 && run->notices.errors == 0) {
        no_rules(run);
        return 4;
    }
    (void)fprintf(stderr, "penstock: %u rule%s good, %u %s rejected\n", count,
                  count == 1 ? " is" : "s are", rejected, rejected == 1 ? "was" : "were");
    const uint32_t filters = pen_rules_security_filter_count(rules);
    if (filters > 0) {
        (void)fprintf(stderr, "penstock: only events that %s security filter%s are analysed\n",
                      filters == 1 ? "the one" : "one of the", filters == 1 ? " takes" : "s takes");
    }
    return run->notices.errors > 0 ? 4 : 0;
}

/* Rules as they are, when no engine can be made of all of them. */
static int look_alone(struct run *run, const struct pen_rules_options *made,
                      const struct pen_err *engine)
{
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    if (pen_rules_load(made, &rules, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    add_engine(run, rules, engine);
    notices_add_rules(&run->notices, rules);
    const int code = add_tests(run, rules, &err) == PEN_OK ? finish(run, rules) : cli_fail(&err);
    pen_rules_free(rules);
    return code;
}

static int look(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    struct cli_cache cache;
    struct pen_program_options build = {.rules = rules_pick_made(&run->rules),
                                        .words = cli_compile_words(),
                                        .cache_dir = cli_cache_dir(&cache)};
    build.rules.load_deprecated = true;
    const pen_status st = pen_program_new(&build, &program, &err);
    if (st == PEN_E_RULE) {
        return look_alone(run, &build.rules, &err);
    }
    if (st != PEN_OK) {
        return cli_fail(&err);
    }
    if (told_suppressions(program->rules, NULL, &err) != PEN_OK) {
        pen_program_free(program);
        return cli_fail(&err);
    }
    notices_add_rules(&run->notices, program->rules);
    add_unfed(run, program);
    const int code = add_tests(run, program->rules, &err) == PEN_OK ? finish(run, program->rules)
                                                                    : cli_fail(&err);
    pen_program_free(program);
    return code;
}

int rules_check(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    notices_init(&run->notices);
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : look(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    rules_pick_fini(&run->rules);
    notices_fini(&run->notices);
    free(run);
    return code;
}
