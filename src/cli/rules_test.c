/* tested by tests/e2e/test_rules.py */
#include "rules.h"
#include "rules_report.h"

#include <stdlib.h>

static const char help[] =
    "penstock rules test [options] [PATH...]   runs the tests that lie beside rules\n"
    "\n"
    "  PATH   a folder, a rule file or a test file (NAME.test.yml lies beside NAME.yml);\n"
    "         Datadog rules hold `ruleQueryPayloads`, or NAME.test.json beside them does;\n"
    "         `builtin`, the built-in pack, when there is none\n"
    "\n"
    "  --junit FILE         the results as JUnit XML too\n"
    "  --json               one document instead of lines\n"
    "  --require-tests      a rule without a test is a failure; else it is only told\n"
    "  --keep-alive T       sigma.keep_alive for tests of signals (1h)\n"
    "  --config FILE        penstock.yaml: its placeholders, and its enrich.geoip\n"
    "\n"
    "Exit: 0 all passed, 2 usage, 3 config, 4 a test failed, a rule or a test file is wrong.\n";

#define KEEP_ALIVE_NS (INT64_C(3600) * PEN_NS_PER_S)
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define WHY_BYTES_MAX ((size_t)1 << 20)

enum test_id { OPT_JUNIT = 1, OPT_REQUIRE, OPT_JSON, OPT_KEEP_ALIVE, OPT_CONFIG, OPT_HELP };
static const struct cli_option options[] = {
    {"--junit", OPT_JUNIT, true},   {"--require-tests", OPT_REQUIRE, false},
    {"--json", OPT_JSON, false},    {"--keep-alive", OPT_KEEP_ALIVE, true},
    {"--config", OPT_CONFIG, true}, {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},        {NULL, 0, false}};

struct run {
    const char *paths[RULES_NAMES_MAX]; /* whose tests are run */
    uint32_t path_count;
    struct rules_pick rules; /* whose rules are loaded for them */
    const char *junit;
    int64_t keep_alive_ns;
    bool json, requires_tests, wants_help;
    struct pen_arena arena;
    struct pen_rule_test *tests[RULES_NAMES_MAX]; /* by path */
    uint32_t counts[RULES_NAMES_MAX];
    uint32_t wrong_files;
    struct report report;
};

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
    case CLI_OPERAND:
        if (run->path_count == RULES_NAMES_MAX) {
            (void)fprintf(stderr, "penstock: more than %u paths\n", RULES_NAMES_MAX);
            return false;
        }
        run->paths[run->path_count++] = value;
        return true;
    case OPT_JUNIT:
        run->junit = value;
        return true;
    case OPT_CONFIG:
        return rules_pick_config(&run->rules, value);
    case OPT_KEEP_ALIVE:
        if (!pen_parse_duration(pen_slice_str(value), &run->keep_alive_ns)) {
            (void)fprintf(stderr, "penstock: --keep-alive takes a time as 1h, not `%s`\n", value);
            return false;
        }
        return true;
    default:
        run->json |= id == OPT_JSON;
        run->requires_tests |= id == OPT_REQUIRE;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {
        .command = "rules test", .argc = argc, .argv = argv, .tables = {options}, .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    if (run->path_count == 0) {
        run->paths[run->path_count++] = "builtin";
    }
    return true;
}

/* ---- tests and rules ---- */

static bool is_test_file(const char *path)
{
    static const char *const ends[] = {".test.yml", ".test.json"};
    const size_t len = strlen(path);
    for (size_t i = 0; i < PEN_COUNT(ends); i++) {
        const size_t n = strlen(ends[i]);
        if (len >= n && strcmp(path + len - n, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The rules of a path are those of the path, but of a test file those that it lies beside. */
static bool rules_of(struct run *run, uint32_t path)
{
    if (!is_test_file(run->paths[path])) {
        return rules_pick_path(&run->rules, run->paths[path]);
    }
    if (run->counts[path] == 0) {
        return true;
    }
    const pen_slice file = pen_arena_dup(&run->arena, run->tests[path][0].rule_file);
    PEN_CHECK(file.ptr != NULL);
    return rules_pick_path(&run->rules, (const char *)file.ptr);
}

/* A test file with a mistake fails the run, but not the tests of the other paths. */
static pen_status tests_load(struct run *run, struct pen_err *err)
{
    for (uint32_t i = 0; i < run->path_count; i++) {
        const pen_status st =
            pen_rule_tests_load(run->paths[i], &run->arena, &run->tests[i], &run->counts[i], err);
        if (st == PEN_E_RULE) {
            (void)fprintf(stderr, "penstock: %s\n", err->text);
            run->wrong_files++;
            run->counts[i] = 0;
        } else if (st != PEN_OK) {
            return st;
        }
        if (!rules_of(run, i)) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "too many paths");
        }
    }
    return PEN_OK;
}

static pen_status tests_run(struct run *run, const struct pen_program *program, struct pen_err *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    const char *temp_dir = getenv("TMPDIR");
    const struct pen_trial_options trial_options = {
        .program = program, .keep_alive_ns = run->keep_alive_ns, .temp_dir = temp_dir};
    struct pen_trial *trial = NULL;
    PEN_TRY(pen_trial_new(&trial_options, &trial, err));
    struct pen_buf why;
    pen_buf_init(&why, WHY_BYTES_MAX);
    pen_status st = PEN_OK;
    for (uint32_t p = 0; st == PEN_OK && p < run->path_count; p++) {
        for (uint32_t i = 0; st == PEN_OK && i < run->counts[p]; i++) {
            const int64_t begin = pen_clock_mono_ns();
            st = pen_trial_run(trial, &run->tests[p][i], &why, err);
            if (st == PEN_OK) {
                report_add(&run->report, &run->tests[p][i], pen_buf_slice(&why),
                           pen_clock_mono_ns() - begin);
            }
        }
    }
    pen_buf_fini(&why);
    pen_trial_free(trial);
    return st;
}

/* ---- rules without a test ---- */

static bool is_about(const struct pen_rule_test *test, const struct pen_rule *rule)
{
    return pen_slice_eq(test->rule_file, rule->file) &&
           (test->rule_id.len == 0 || pen_slice_eq(test->rule_id, rule->id));
}

static bool has_test(const struct run *run, const struct pen_rule *rule)
{
    for (uint32_t p = 0; p < run->path_count; p++) {
        for (uint32_t i = 0; i < run->counts[p]; i++) {
            if (is_about(&run->tests[p][i], rule)) {
                return true;
            }
        }
    }
    return false;
}

/* In place of its test, for the report. */
static void missing_add(struct run *run, const struct pen_rule *rule)
{
    struct pen_rule_test *test = PEN_NEW(&run->arena, struct pen_rule_test);
    PEN_CHECK(test != NULL);
    *test = (struct pen_rule_test){.file = rule->file,
                                   .rule_file = rule->file,
                                   .rule_id = rule->id,
                                   .name = rule->title,
                                   .line = rule->line};
    report_add(&run->report, test, PEN_SLICE_LIT("the rule has no test"), 0);
}

static void missing_find(struct run *run, const struct pen_rules *rules)
{
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        if (has_test(run, rule)) {
            continue;
        }
        report_untested(&run->report, rule);
        if (run->requires_tests) {
            missing_add(run, rule);
        }
    }
}

/* ---- the whole ---- */

static int finish(struct run *run, const struct pen_program *program)
{
    const struct report *report = &run->report;
    if (report->passed + report->failed == 0 && run->wrong_files == 0) {
        (void)fputs("penstock: there are no tests beside these rules\n", stderr);
    }
    if (!run->requires_tests) {
        report_untested_told(report, stderr);
    }
    if (!(run->json ? report_json(report, stdout) : report_text(report, stdout))) {
        if (cli_output_is_good()) { /* else main tells why */
            (void)fputs("penstock: there is too much to print\n", stderr);
        }
        return 1;
    }
    if (run->junit != NULL && !report_junit_file(report, run->junit)) {
        return 1;
    }
    const bool is_good =
        report->failed == 0 && run->wrong_files == 0 && pen_rules_rejected(program->rules) == 0;
    return is_good ? 0 : 4;
}

static int test(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    if (tests_load(run, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    struct cli_cache cache;
    struct pen_program_options build = {.rules = rules_pick_made(&run->rules),
                                        .enrich = rules_pick_enrich(&run->rules),
                                        .words = cli_compile_words(),
                                        .cache_dir = cli_cache_dir(&cache)};
    build.rules.load_deprecated = true;
    if (pen_program_new(&build, &program, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    rules_notices_print(stderr, program->rules);
    const bool is_run = tests_run(run, program, &err) == PEN_OK;
    missing_find(run, program->rules);
    const int code = is_run ? finish(run, program) : cli_fail(&err);
    pen_program_free(program);
    return code;
}

int rules_test(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    run->keep_alive_ns = KEEP_ALIVE_NS;
    pen_arena_init(&run->arena, ARENA_BYTES_MAX);
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : test(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    rules_pick_fini(&run->rules);
    report_fini(&run->report);
    pen_arena_fini(&run->arena);
    free(run);
    return code;
}
