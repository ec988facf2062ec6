/* tested by tests/e2e/test_bench.py */
#include "penstock/bench.h"

#include "bench_files.h"
#include "replay_args.h"
#include "rules.h"
#include "screen.h"
#include "told.h"

#include <inttypes.h>
#include <stdlib.h>

static const char help[] =
    "penstock bench rules --rules PATH [options] [SOURCE...]   what each rule costs on records\n"
    "\n"
    "  SOURCE               a file, a folder, - or s3://bucket[/prefix]; without one, made "
    "records\n"
    "                       of CloudTrail (--bytes 16MiB of them)\n"
    "  --rules PATH         rule file or folder, repeatable; `builtin` is the built-in pack\n"
    "  --top N              rows of rules and of predicates (20; with --json all)\n"
    "  --min-level LEVEL, --tag TAG;  --as TYPE, --from T, --to T, --types T ...   as rules match\n"
    "  --config FILE: its rules;  --set KEY=VALUE: as replay;  --json\n"
    "\n"
    "One thread reads each record once and measures: what it takes to select the queries that\n"
    "start, how often each starts and matches and what its program takes (with the predicates\n"
    "that it is the first to ask), and what observations and signals come of it.  A predicate is\n"
    "found in a table, by the scan, or is asked when a program comes to it.\n"
    "\n"
    "penstock bench rules DIR [--counts 50,300,1000,5000] [--rounds 5] [--bytes 32MiB] [--json]\n"
    "  what more rules cost, and what starting with them costs\n"
    "\n"
    "Exit: 0 done, 2 usage, 3 config, 4 no rule is good, 7 something could not be read.\n";

#define TOP_DEFAULT 20U
#define TOP_MAX 1000000U
#define BYTES_DEFAULT ((uint64_t)16 << 20)
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define NAME_COLUMNS 44U

enum bench_rules_option { OPT_TOP = 1, OPT_AS, OPT_SET, OPT_BYTES, OPT_JSON, OPT_HELP };
static const struct cli_option options[] = {
    {"--top", OPT_TOP, true},    {"--as", OPT_AS, true},
    {"--set", OPT_SET, true},    {"--bytes", OPT_BYTES, true},
    {"--json", OPT_JSON, false}, {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},     {NULL, 0, false}};

struct rule_sum { /* over log types */
    uint32_t rule;
    bool is_always;
    uint64_t starts, matches, signals;
    double match_ns, observe_ns;
    uint64_t observations;
};
struct pred_row {
    uint32_t type;
    const struct pen_profile_pred *pred;
    double ns;
};
struct run {
    struct rules_pick rules;
    struct cli_pick pick;
    struct told told;
    const char *as_type;
    const char **sources;
    uint32_t source_count;
    uint64_t top, bytes;
    bool has_top, json, wants_help;
    struct pen_replay_options limits;
    char made[256]; /* a folder of made records, or "" */
    struct pen_program *program;
    struct pen_backtest *backtest;
    /* Of the one worker, by type; NULL: no record of it came. */
    struct pen_matcher **matchers;
    struct pen_profile **profiles;
    struct pen_totals totals;
    struct rule_sum *sums; /* by rule, then sorted */
    uint32_t sum_count;
    struct pred_row *preds;
    uint32_t pred_count;
    uint64_t records;
    double select_ns, programs_ns;
    struct pen_backtest_cost cost;
    struct pen_err failure;
};

/* ---- the command line ---- */

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
    case CLI_OPERAND:
        run->sources[run->source_count++] = value;
        return true;
    case OPT_TOP:
        run->has_top = true;
        return cli_number("--top", value, TOP_MAX, &run->top);
    case OPT_AS:
        run->as_type = value;
        return true;
    case OPT_SET:
        return cli_set(&run->limits, value);
    case OPT_BYTES:
        if (!pen_parse_size(pen_slice_str(value), &run->bytes) || run->bytes == 0) {
            (void)fprintf(stderr, "penstock: --bytes takes a size as 16MiB, not `%s`\n", value);
            return false;
        }
        return true;
    default:
        run->json |= id == OPT_JSON;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {
        .command = "bench rules",
        .argc = argc,
        .argv = argv,
        .tables = {options, cli_pick_options, rules_pick_options, cli_s3_options},
        .pick = &run->pick,
        .s3 = &run->limits.s3,
        .rules = &run->rules,
        .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    run->top = run->has_top ? run->top : run->json ? TOP_MAX : TOP_DEFAULT;
    return run->wants_help ||
           (config_sources_usable(run->sources, run->source_count) && cli_pick_done(&run->pick));
}

/* ---- records, on the thread of the one worker ---- */

static pen_status type_open(struct run *run, uint32_t type, struct pen_err *err)
{
    const struct pen_program_type *entry = &run->program->by_type[type];
    PEN_TRY(pen_profile_new(entry->engine, entry->queries, entry->query_count, &run->profiles[type],
                            err));
    PEN_TRY(pen_matcher_new(entry->engine, &run->matchers[type], err));
    pen_matcher_profile(run->matchers[type], run->profiles[type]);
    return PEN_OK;
}

/* There is one worker, so that what it counts is its own until the pass is over. */
static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    struct run *run = ctx;
    const uint32_t type = record->type->id;
    const uint32_t *tags = NULL;
    if (record->item->doc.kind != PEN_DOC_EVENT || run->program->by_type[type].engine == NULL) {
        return PEN_OK;
    }
    if (run->matchers[type] == NULL) {
        PEN_TRY(type_open(run, type, err));
    }
    const uint32_t count = pen_matcher_run(run->matchers[type], &record->item->record, &tags);
    PEN_CHECK(count == record->item->tag_count); /* measured or not: the same verdicts */
    return pen_backtest_observe(run->backtest, record, out, err);
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct run *run = ctx;
    return pen_backtest_take(run->backtest, output->bytes, &run->failure) == PEN_OK;
}

static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    struct run *run = ctx;
    told_trouble(&run->told, trouble);
}

static pen_status pass_run(struct run *run, struct pen_err *err)
{
    struct pen_pass_options pass = {.program = run->program,
                                    .sources = run->sources,
                                    .source_count = run->source_count,
                                    .as_type = run->as_type,
                                    .all_records = true,
                                    .workers = 1,
                                    .reads = &run->limits,
                                    .on_record = on_record,
                                    .on_output = on_output,
                                    .on_trouble = on_trouble,
                                    .ctx = run};
    cli_pick_apply(&run->pick, &pass);
    PEN_TRY(pen_pass(&pass, &run->totals, err));
    if (run->failure.status != PEN_OK) {
        *err = run->failure;
    }
    return run->failure.status;
}

/* ---- sums ---- */

static void type_sum(struct run *run, uint32_t type)
{
    const struct pen_profile *p = run->profiles[type];
    const double tick_ns = pen_profile_tick_ns(p);
    run->records += p->records;
    run->select_ns += (double)p->select_ticks * tick_ns;
    for (uint32_t i = 0; i < p->query_count; i++) {
        const struct pen_profile_query *q = &p->queries[i];
        struct rule_sum *sum = &run->sums[q->tag / PEN_RULE_QUERIES_MAX];
        sum->is_always |= q->is_always;
        sum->starts += q->starts;
        sum->matches += q->matches;
        sum->match_ns += (double)q->ticks * tick_ns;
        run->programs_ns += (double)q->ticks * tick_ns;
    }
    for (uint32_t i = 0; i < p->pred_count; i++) {
        if (p->preds[i].fired + p->preds[i].asked > 0) {
            run->preds[run->pred_count++] = (struct pred_row){
                .type = type, .pred = &p->preds[i], .ns = (double)p->preds[i].ticks * tick_ns};
        }
    }
}

static double rule_ns(const struct rule_sum *sum)
{
    return sum->match_ns + sum->observe_ns;
}

static int by_cost(const void *a, const void *b)
{
    const struct rule_sum *x = a;
    const struct rule_sum *y = b;
    if (rule_ns(x) < rule_ns(y) || rule_ns(x) > rule_ns(y)) {
        return rule_ns(x) > rule_ns(y) ? -1 : 1;
    }
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static int by_pred_cost(const void *a, const void *b)
{
    const struct pred_row *x = a;
    const struct pred_row *y = b;
    if (x->ns < y->ns || x->ns > y->ns) {
        return x->ns > y->ns ? -1 : 1;
    }
    return x->pred->fired > y->pred->fired ? -1 : x->pred->fired < y->pred->fired;
}

static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal)
{
    struct run *run = ctx;
    run->sums[signal->rule].signals += change == PEN_SIGNAL_OPENED;
    return PEN_OK;
}

static pen_status sums_open(struct run *run, struct pen_err *err)
{
    size_t preds = 0;
    for (uint32_t t = 0; t < run->program->type_count; t++) {
        preds += run->profiles[t] == NULL ? 0 : run->profiles[t]->pred_count;
    }
    run->sum_count = pen_rules_count(run->program->rules);
    run->sums = calloc((size_t)run->sum_count + 1, sizeof(*run->sums));
    run->preds = calloc(preds + 1, sizeof(*run->preds));
    if (run->sums == NULL || run->preds == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory for the sums of rules");
    }
    for (uint32_t i = 0; i < run->sum_count; i++) {
        run->sums[i].rule = i;
    }
    return PEN_OK;
}

static pen_status sums_fill(struct run *run, struct pen_err *err)
{
    PEN_TRY(sums_open(run, err));
    for (uint32_t t = 0; t < run->program->type_count; t++) {
        if (run->profiles[t] != NULL) {
            type_sum(run, t);
        }
    }
    PEN_TRY(pen_backtest_end(run->backtest, on_signal, run, err));
    pen_backtest_cost(run->backtest, &run->cost);
    for (uint32_t i = 0; i < run->cost.count; i++) {
        const struct pen_rule_cost *cost = &run->cost.rules[i];
        run->sums[cost->rule].observations = cost->observations;
        run->sums[cost->rule].observe_ns = (double)cost->cpu_ns;
    }
    qsort(run->sums, run->sum_count, sizeof(*run->sums), by_cost);
    if (run->pred_count > 0) {
        qsort(run->preds, run->pred_count, sizeof(*run->preds), by_pred_cost);
    }
    return PEN_OK;
}

/* ---- printing ---- */

static double a_record(const struct run *run, double ns)
{
    return run->records == 0 ? 0 : ns / (double)run->records;
}

/* Errors of stdout show at the end. */
static void json_text(const char *name, pen_slice value)
{
    struct pen_buf out;
    pen_buf_init(&out, TEXT_BYTES_MAX);
    const pen_status st = pen_json_escape(&out, value);
    PEN_CHECK(st == PEN_OK || st == PEN_E_NOMEM);
    (void)printf("\"%s\":\"%.*s\"", name, (int)out.len, (const char *)out.ptr);
    pen_buf_fini(&out);
}

static void json_types(const struct run *run)
{
    bool is_first = true;
    for (uint32_t t = 0; t < run->program->type_count; t++) {
        const struct pen_profile *p = run->profiles[t];
        if (p == NULL) {
            continue;
        }
        const struct pen_engine_stats stats = pen_engine_stats_get(run->program->by_type[t].engine);
        (void)fputs(is_first ? "{" : ",{", stdout);
        is_first = false;
        json_text("type", run->program->by_type[t].type->name);
        (void)printf(",\"records\":%" PRIu64 ",\"select_ns_record\":%.1f,\"queries\":%u,"
                     "\"predicates\":%u,\"patterns\":%u,\"always_run\":%u}",
                     p->records,
                     (double)p->select_ticks * pen_profile_tick_ns(p) / (double)p->records,
                     stats.queries, stats.predicates, stats.patterns, stats.always_run);
    }
}

static void json_rule(const struct run *run, const struct rule_sum *sum)
{
    const struct pen_rule *rule = pen_rules_at(run->program->rules, sum->rule);
    (void)putchar('{');
    json_text("rule", rule->id);
    (void)putchar(',');
    json_text("name", rule->title);
    (void)printf(",\"always\":%s,\"starts\":%" PRIu64 ",\"matches\":%" PRIu64
                 ",\"match_s\":%.9f,\"observations\":%" PRIu64
                 ",\"observe_s\":%.9f,\"signals\":%" PRIu64 ",\"ns_record\":%.3f}",
                 sum->is_always ? "true" : "false", sum->starts, sum->matches, sum->match_ns / 1e9,
                 sum->observations, sum->observe_ns / 1e9, sum->signals,
                 a_record(run, rule_ns(sum)));
}

static void json_pred(const struct run *run, const struct pred_row *row)
{
    const struct pen_profile_pred *p = row->pred;
    (void)putchar('{');
    json_text("type", run->program->by_type[row->type].type->name);
    (void)putchar(',');
    json_text("predicate", p->source);
    (void)printf(",\"found_by\":\"%s\",\"queries\":%u,\"fired\":%" PRIu64 ",\"asked\":%" PRIu64
                 ",\"evaluated\":%" PRIu64 ",\"held\":%" PRIu64 ",\"s\":%.9f}",
                 p->how, p->queries, p->fired, p->asked, p->evaluated, p->held, row->ns / 1e9);
}

static void print_json(const struct run *run)
{
    (void)printf("{\"records\":%" PRIu64 ",\"rules\":%u,\"select_ns_record\":%.1f,"
                 "\"programs_ns_record\":%.1f,\"observe_ns_record\":%.1f,"
                 "\"state_ns_record\":%.1f,\"by_type\":[",
                 run->records, run->sum_count, a_record(run, run->select_ns),
                 a_record(run, run->programs_ns), a_record(run, (double)run->cost.observe_cpu_ns),
                 a_record(run, (double)run->cost.state_cpu_ns));
    json_types(run);
    (void)fputs("],\"by_rule\":[", stdout);
    for (uint32_t i = 0; i < run->sum_count && i < run->top; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        json_rule(run, &run->sums[i]);
    }
    (void)fputs("],\"by_predicate\":[", stdout);
    for (uint32_t i = 0; i < run->pred_count && i < run->top; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        json_pred(run, &run->preds[i]);
    }
    (void)fputs("]}\n", stdout);
}

static void rules_table(const struct run *run, struct screen *s)
{
    (void)printf("\n%-*s %10s %10s %9s %10s %9s\n", (int)NAME_COLUMNS, "rule", "starts", "matches",
                 "match ms", "observe ms", "ns/record");
    for (uint32_t i = 0; i < run->sum_count && i < run->top; i++) {
        const struct rule_sum *sum = &run->sums[i];
        screen_cell(s, pen_rules_at(run->program->rules, sum->rule)->title, NAME_COLUMNS,
                    STYLE_PLAIN);
        (void)printf(" %10" PRIu64 " %10" PRIu64 " %9.2f %10.2f %9.2f%s\n", sum->starts,
                     sum->matches, sum->match_ns / 1e6, sum->observe_ns / 1e6,
                     a_record(run, rule_ns(sum)), sum->is_always ? "  on every record" : "");
    }
    if (run->sum_count > run->top) {
        (void)printf("and %" PRIu64 " more rules (--json has all)\n", run->sum_count - run->top);
    }
}

static void preds_table(const struct run *run, struct screen *s)
{
    (void)printf("\n%-*s %-6s %10s %10s %10s %9s\n", (int)NAME_COLUMNS, "predicate", "found",
                 "fired", "asked", "held", "ms");
    for (uint32_t i = 0; i < run->pred_count && i < run->top; i++) {
        const struct pred_row *row = &run->preds[i];
        screen_cell(s, row->pred->source, NAME_COLUMNS, STYLE_PLAIN);
        (void)printf(" %-6s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %9.2f\n", row->pred->how,
                     row->pred->fired, row->pred->asked, row->pred->held, row->ns / 1e6);
    }
    if (run->pred_count > run->top) {
        (void)printf("and %" PRIu64 " more predicates (--json has all)\n",
                     run->pred_count - run->top);
    }
}

static void print_table(const struct run *run)
{
    struct screen screen;
    screen_init(&screen);
    (void)printf("%" PRIu64
                 " records, %u rules; of each record: %.0f ns to select queries, %.0f ns "
                 "of programs, %.0f ns of observations, %.0f ns of state\n",
                 run->records, run->sum_count, a_record(run, run->select_ns),
                 a_record(run, run->programs_ns), a_record(run, (double)run->cost.observe_cpu_ns),
                 a_record(run, (double)run->cost.state_cpu_ns));
    rules_table(run, &screen);
    preds_table(run, &screen);
    screen_fini(&screen);
}

/* ---- the whole ---- */

/* Records to measure on, when none were given. */
static pen_status source_make(struct run *run, struct pen_err *err)
{
    struct pen_generate_result made = {0};
    if (run->source_count > 0) {
        return PEN_OK;
    }
    PEN_TRY(bench_folder_make(run->made, sizeof(run->made), err));
    const struct pen_generate_options generate = {.dir = run->made,
                                                  .seed = 1,
                                                  .accounts = 12,
                                                  .regions = 4,
                                                  .days = 7,
                                                  .first_day_ns = pen_days_from_civil(2025, 3, 1) *
                                                                  PEN_NS_PER_DAY,
                                                  .plain_bytes = run->bytes};
    run->sources[run->source_count++] = run->made;
    /* What was planted is listed beside the logs: no record. */
    return pen_bench_generate(&generate, &made, err);
}

static pen_status program_open(struct run *run, struct pen_err *err)
{
    struct cli_cache cache;
    const struct pen_program_options build = {.rules = rules_pick_made(&run->rules),
                                              .types_dir = run->rules.config.types_dir,
                                              .group_by = run->limits.group_by.text,
                                              .enrich = rules_pick_enrich(&run->rules),
                                              .words = cli_compile_words(),
                                              .cache_dir = cli_cache_dir(&cache)};
    PEN_TRY(pen_program_new(&build, &run->program, err));
    rules_notices_print(stderr, run->program->rules);
    if (pen_rules_count(run->program->rules) == 0) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "there is no rule to measure");
    }
    const uint32_t types = run->program->type_count;
    run->matchers = calloc(types, sizeof(struct pen_matcher *));
    run->profiles = calloc(types, sizeof(struct pen_profile *));
    if (run->matchers == NULL || run->profiles == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory for the matchers");
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    const char *temp_dir = getenv("TMPDIR");
    const struct pen_backtest_options backtest = {
        .program = run->program, .limits = &run->limits, .temp_dir = temp_dir};
    return pen_backtest_new(&backtest, &run->backtest, err);
}

static int bench(struct run *run)
{
    struct pen_err err = {0};
    pen_status st = program_open(run, &err);
    st = st == PEN_OK ? source_make(run, &err) : st;
    st = st == PEN_OK ? pass_run(run, &err) : st;
    st = st == PEN_OK ? sums_fill(run, &err) : st;
    if (st != PEN_OK) {
        return cli_fail(&err);
    }
    if (run->json) {
        print_json(run);
    } else {
        print_table(run);
    }
    if (!cli_output_is_good()) {
        return 1;
    }
    told_sum(&run->told, &run->totals);
    return told_has_gap(&run->totals, false) || pen_rules_rejected(run->program->rules) > 0 ? 7 : 0;
}

static void run_fini(struct run *run)
{
    for (uint32_t t = 0; run->program != NULL && t < run->program->type_count; t++) {
        if (run->matchers != NULL) {
            pen_matcher_free(run->matchers[t]);
        }
        if (run->profiles != NULL) {
            pen_profile_free(run->profiles[t]);
        }
    }
    free((void *)run->matchers);
    free((void *)run->profiles);
    free(run->cost.rules);
    free(run->sums);
    free(run->preds);
    pen_backtest_free(run->backtest);
    pen_program_free(run->program);
    if (run->made[0] != '\0' && !bench_tree_remove(run->made)) {
        (void)fprintf(stderr, "penstock: %s stays behind\n", run->made);
    }
    rules_pick_fini(&run->rules);
    cli_pick_fini(&run->pick);
    free((void *)run->sources);
    free(run);
}

int cmd_bench_by_rule(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    run->sources = calloc((size_t)argc + 1, sizeof(char *));
    PEN_CHECK(run->sources != NULL);
    run->bytes = BYTES_DEFAULT;
    cli_pick_init(&run->pick);
    settings_defaults(&run->limits);
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : bench(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    run_fini(run);
    return code;
}
