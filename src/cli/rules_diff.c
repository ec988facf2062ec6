/* tested by tests/e2e/test_diff.py */
#include "diff.h"
#include "replay_args.h"
#include "rules.h"
#include "told.h"

#include <inttypes.h>
#include <stdlib.h>

static const char help[] =
    "penstock rules diff [options] --base PATH --head PATH SOURCE...   what a change of rules "
    "changes\n"
    "\n"
    "  SOURCE  a file, a folder, - (one object on standard input), or s3://bucket[/prefix]\n"
    "\n"
    "  --base PATH, --head PATH   rules before and after: a file, a folder, `builtin`\n"
    "  --json                     one document;  --markdown: for a comment on a pull request\n"
    "  --limit N                  single signals to list (20; with --json 1000)\n"
    "  --warm-up auto|TIME        what is read before --from for the state alone (auto)\n"
    "  --min-level LEVEL, --tag TAG   of both\n"
    "  --as TYPE                  every object is of this type: cloudtrail, json\n"
    "  --from T, --to T           event time: 2025-01-31, RFC 3339, -7d, now, today;  --on DAY\n"
    "  --accounts A,B --regions R,S --types T   only these (@FILE: from a file); --not-...: none\n"
    "  --config FILE, --set KEY=VALUE   as replay;  --shards N: threads (one a core)\n"
    "  --strict                   damaged and unknown objects count as gaps;  --allow-gaps\n"
    "  --endpoint-url, --s3-path-style, --s3-region, --ca, --profile, --role-arn ... as replay\n"
    "\n"
    "One pass: each record is read once and meets the rules of both.  Signals of the same rule id\n"
    "and group meet by the event that opened them, else by time: added, gone, changed or the "
    "same,\n"
    "by rule, account, identity and day, with what each rule cost.  Nothing is written.\n"
    "\n"
    "Exit: 0 done, also when they differ, 2 usage, 3 config, 4 no rule is good, 7 something could\n"
    "not be read or a rule was rejected.\n";

#define LIMIT_TEXT 20U
#define LIMIT_JSON 1000U
#define LIMIT_MAX UINT64_C(1000000000)
#define SETS_MAX 256U

enum diff_option {
    OPT_BASE = 1,
    OPT_HEAD,
    OPT_JSON,
    OPT_MARKDOWN,
    OPT_LIMIT,
    OPT_WARM_UP,
    OPT_AS,
    OPT_SET,
    OPT_WORKERS,
    OPT_STRICT,
    OPT_ALLOW_GAPS,
    OPT_HELP
};
static const struct cli_option options[] = {{"--base", OPT_BASE, true},
                                            {"--head", OPT_HEAD, true},
                                            {"--json", OPT_JSON, false},
                                            {"--markdown", OPT_MARKDOWN, false},
                                            {"--limit", OPT_LIMIT, true},
                                            {"--warm-up", OPT_WARM_UP, true},
                                            {"--as", OPT_AS, true},
                                            {"--set", OPT_SET, true},
                                            {"--workers", OPT_WORKERS, true},
                                            {"--shards", OPT_WORKERS, true},
                                            {"--strict", OPT_STRICT, false},
                                            {"--allow-gaps", OPT_ALLOW_GAPS, false},
                                            {"--help", OPT_HELP, false},
                                            {"-h", OPT_HELP, false},
                                            {NULL, 0, false}};

struct run {
    struct rules_pick rules; /* of base; what it says of levels, tags and the config is for both */
    const char *paths[DIFF_SIDES];
    struct cli_pick pick;
    struct told told;
    struct pen_program *program; /* base; head is beside it */
    struct pen_backtest *backtests[DIFF_SIDES];
    const char **types; /* that some rule is for */
    const char *as_type;
    const char **sources;
    uint32_t source_count;
    const char *sets[SETS_MAX];
    uint32_t set_count;
    struct pen_replay_options limits; /* also of how buckets are read */
    uint64_t workers, listed;
    int64_t warm_up_ns, begin_ns;
    bool is_warm_up_auto, has_limit;
    bool json, markdown, strict, allow_gaps, wants_help;
    struct diff diff;
    struct pen_err failure;
};

/* ---- the command line ---- */

static bool warm_up_take(struct run *run, const char *value)
{
    run->is_warm_up_auto = strcmp(value, "auto") == 0;
    const bool is_good =
        run->is_warm_up_auto ||
        (pen_parse_duration(pen_slice_str(value), &run->warm_up_ns) && run->warm_up_ns >= 0);
    if (!is_good) {
        (void)fprintf(stderr, "penstock: --warm-up takes auto or a time as 12h, not `%s`\n", value);
    }
    return is_good;
}

static bool value_take(struct run *run, int id, char *value)
{
    switch (id) {
    case CLI_OPERAND:
        run->sources[run->source_count++] = value;
        return true;
    case OPT_BASE:
        run->paths[DIFF_BASE] = value;
        return true;
    case OPT_HEAD:
        run->paths[DIFF_HEAD] = value;
        return true;
    case OPT_LIMIT:
        run->has_limit = true;
        return cli_number("--limit", value, LIMIT_MAX, &run->listed);
    case OPT_WARM_UP:
        return warm_up_take(run, value);
    case OPT_AS:
        run->as_type = value;
        return true;
    case OPT_SET:
        if (run->set_count == SETS_MAX) {
            (void)fprintf(stderr, "penstock: more than %u times --set\n", SETS_MAX);
            return false;
        }
        run->sets[run->set_count++] = value;
        return true;
    case OPT_WORKERS:
        return cli_number("--shards", value, PEN_PASS_WORKERS_MAX, &run->workers);
    default:
        pen_panic(PEN_HERE, "an option of the table");
    }
}

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    struct {
        int id;
        bool *flag;
    } const flags[] = {{OPT_JSON, &run->json},
                       {OPT_MARKDOWN, &run->markdown},
                       {OPT_STRICT, &run->strict},
                       {OPT_ALLOW_GAPS, &run->allow_gaps},
                       {OPT_HELP, &run->wants_help}};
    for (size_t i = 0; i < PEN_COUNT(flags); i++) {
        if (flags[i].id == id) {
            *flags[i].flag = true;
            return true;
        }
    }
    return value_take(run, id, value);
}

static bool is_complete(struct run *run)
{
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        if (run->paths[s] == NULL || run->paths[s][0] == '\0') {
            (void)fprintf(stderr,
                          "penstock: rules diff wants --%s PATH: a rule file, a folder or "
                          "`builtin`\n",
                          diff_side_names[s]);
            return false;
        }
    }
    if (run->source_count == 0) {
        (void)fputs("penstock: rules diff wants at least one source; - is standard input\n",
                    stderr);
        return false;
    }
    if (run->json && run->markdown) {
        (void)fputs("penstock: --json and --markdown are two forms: give one\n", stderr);
        return false;
    }
    return config_sources_usable(run->sources, run->source_count) && cli_pick_done(&run->pick);
}

/* The settings of the config, then those of the command line. */
static bool settings_take(struct run *run)
{
    if (run->rules.run != NULL) {
        const struct pen_s3_options s3 = run->limits.s3;
        run->limits = *run->rules.run;
        run->limits.s3 = s3;
    }
    for (uint32_t i = 0; i < run->set_count; i++) {
        if (!cli_set(&run->limits, run->sets[i])) {
            return false;
        }
    }
    return true;
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {
        .command = "rules diff",
        .argc = argc,
        .argv = argv,
        /* but for its first, --rules */
        .tables = {options, cli_pick_options, rules_pick_options + 1, cli_s3_options},
        .pick = &run->pick,
        .s3 = &run->limits.s3,
        .rules = &run->rules,
        .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    run->listed = run->has_limit ? run->listed : run->json ? LIMIT_JSON : LIMIT_TEXT;
    return run->wants_help || (is_complete(run) && settings_take(run));
}

/* ---- the pass ---- */

static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    const struct run *run = ctx;
    const size_t at = out->len;
    uint64_t base_bytes = 0; /* what stands first in the output: head's bytes are behind base's */
    if (pen_buf_add(out, (pen_slice){(const uint8_t *)&base_bytes, sizeof(base_bytes)}) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory for observations");
    }
    PEN_TRY(pen_backtest_observe(run->backtests[DIFF_BASE], record, out, err));
    base_bytes = out->len - at - sizeof(base_bytes);
    memcpy(out->ptr + at, &base_bytes, sizeof(base_bytes));
    return pen_backtest_observe(run->backtests[DIFF_HEAD], record, out, err);
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct run *run = ctx;
    uint64_t base_bytes = 0;
    pen_slice rest = output->bytes;
    pen_slice part;
    const bool has_head = pen_slice_take(&rest, sizeof(base_bytes), &part);
    PEN_CHECK(has_head);
    memcpy(&base_bytes, part.ptr, sizeof(base_bytes));
    const bool is_whole = pen_slice_take(&rest, base_bytes, &part);
    PEN_CHECK(is_whole);
    if (output->time_ns != INT64_MIN) {
        struct diff *d = &run->diff;
        d->first_ns = output->time_ns < d->first_ns ? output->time_ns : d->first_ns;
        d->last_ns = output->time_ns > d->last_ns ? output->time_ns : d->last_ns;
    }
    return pen_backtest_take(run->backtests[DIFF_BASE], part, &run->failure) == PEN_OK &&
           pen_backtest_take(run->backtests[DIFF_HEAD], rest, &run->failure) == PEN_OK;
}

static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    struct run *run = ctx;
    told_trouble(&run->told, trouble);
}

static const struct pen_program *side_program(const struct run *run, uint32_t side)
{
    return side == DIFF_BASE ? run->program : run->program->beside;
}

/* How far before the range is read: what the rules of either side need. */
static void warm_up_find(struct run *run)
{
    int64_t length = run->warm_up_ns;
    for (uint32_t s = 0; run->is_warm_up_auto && s < DIFF_SIDES; s++) {
        const int64_t need = pen_warm_up_ns(side_program(run, s)->rules, run->limits.keep_alive_ns,
                                            run->pick.from_ns);
        length = need > length ? need : length;
    }
    length = length > run->limits.warm_up_max_ns ? run->limits.warm_up_max_ns : length;
    run->begin_ns = run->pick.from_ns;
    if (run->pick.from_ns != INT64_MIN && length > 0 &&
        !__builtin_sub_overflow(run->pick.from_ns, length, &run->begin_ns)) {
        char text[PEN_TIME_MAX];
        const size_t len = pen_format_time(run->begin_ns, text);
        (void)fprintf(stderr, "penstock: warm-up from %.*s on\n", (int)len, text);
    }
}

static pen_status backtests_open(struct run *run, struct pen_err *err)
{
    pen_status st = PEN_OK;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    const char *temp_dir = getenv("TMPDIR");
    warm_up_find(run);
    for (uint32_t s = 0; st == PEN_OK && s < DIFF_SIDES; s++) {
        const struct pen_program *program = side_program(run, s);
        struct pen_backtest_options backtest = {.program = program,
                                                .limits = &run->limits,
                                                .temp_dir = temp_dir,
                                                .has_range = run->pick.from_ns != INT64_MIN,
                                                .begin_ns = run->begin_ns,
                                                .tell_from_ns = run->pick.from_ns};
        if (backtest.has_range) {
            backtest.stages_begin_ns = pen_warm_up_stages_ns(
                program->rules, run->limits.keep_alive_ns, run->pick.from_ns, run->begin_ns);
        }
        st = pen_backtest_new(&backtest, &run->backtests[s], err);
    }
    return st;
}

static pen_status pass_run(struct run *run, struct pen_err *err)
{
    struct pen_pass_options pass = {.program = run->program,
                                    .sources = run->sources,
                                    .source_count = run->source_count,
                                    .as_type = run->as_type,
                                    .workers = (uint32_t)run->workers,
                                    .reads = &run->limits,
                                    .on_record = on_record,
                                    .on_output = on_output,
                                    .on_trouble = on_trouble,
                                    .ctx = run};
    run->types = calloc((size_t)run->program->type_count + 1, sizeof(char *));
    if (run->types == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory for the log types");
    }
    cli_pick_apply(&run->pick, &pass);
    PEN_TRY(pen_program_narrow(run->program, &pass, run->types, err));
    pass.from_ns = run->begin_ns;
    PEN_TRY(pen_pass(&pass, &run->diff.totals, err));
    if (run->failure.status != PEN_OK) {
        *err = run->failure;
    }
    return run->failure.status;
}

/* ---- the whole ---- */

static pen_status compare(struct run *run, struct pen_err *err)
{
    struct diff *d = &run->diff;
    pen_status st = PEN_OK;
    for (uint32_t s = 0; st == PEN_OK && s < DIFF_SIDES; s++) {
        struct diff_side *side = &d->sides[s];
        side->path = run->paths[s];
        side->rules = side_program(run, s)->rules;
        st =
            pen_backtest_list(run->backtests[s], run->limits.diff_signals_max, &side->signals, err);
        pen_backtest_cost(run->backtests[s], &side->cost);
    }
    if (run->pick.from_ns != INT64_MIN) {
        d->first_ns = run->pick.from_ns;
    }
    if (run->pick.to_ns != INT64_MAX && d->last_ns != INT64_MIN) {
        d->last_ns = run->pick.to_ns;
    }
    PEN_TRY(st);
    return diff_make(d) == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory to compare the signals");
}

static int finish(struct run *run)
{
    struct diff *d = &run->diff;
    bool has_gap = told_has_gap(&d->totals, run->strict);
    if (run->json) {
        diff_print_json(d, run->listed);
    } else if (run->markdown) {
        diff_print_markdown(d, run->listed);
    } else {
        diff_print_table(d, run->listed);
    }
    if (!cli_output_is_good()) {
        return 1;
    }
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        has_gap |= pen_rules_rejected(d->sides[s].rules) > 0;
        if (d->sides[s].signals.beyond > 0) {
            (void)fprintf(stderr,
                          "penstock: %" PRIu64 " signals of %s are beyond diff.signals_max: they "
                          "are not compared\n",
                          d->sides[s].signals.beyond, diff_side_names[s]);
        }
    }
    told_sum(&run->told, &d->totals);
    return has_gap && !run->allow_gaps ? 7 : 0;
}

/* Both rule sets in one program.  Borrows cache. */
static pen_status program_open(struct run *run, struct cli_cache *cache, struct pen_err *err)
{
    if (!rules_pick_path(&run->rules, run->paths[DIFF_BASE])) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "rules diff: --base cannot be taken");
    }
    const struct pen_program_options base = {.rules = rules_pick_made(&run->rules),
                                             .types_dir = run->rules.config.types_dir,
                                             .group_by = run->limits.group_by.text,
                                             .enrich = rules_pick_enrich(&run->rules),
                                             .words = cli_compile_words(),
                                             .cache_dir = cli_cache_dir(cache)};
    struct pen_rules_options head = base.rules;
    struct pen_program_options both = base;
    head.paths = &run->paths[DIFF_HEAD];
    head.path_count = 1;
    both.beside = &head;
    return pen_program_new(&both, &run->program, err);
}

static int diff(struct run *run)
{
    struct pen_err err = {0};
    struct cli_cache cache;
    if (program_open(run, &cache, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    uint32_t rules = 0;
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        rules_notices_print(stderr, side_program(run, s)->rules);
        rules += pen_rules_count(side_program(run, s)->rules);
    }
    if (rules == 0) {
        (void)fputs("penstock: there is no rule in base nor in head\n", stderr);
        return 4;
    }
    pen_status st = backtests_open(run, &err);
    st = st == PEN_OK ? pass_run(run, &err) : st;
    st = st == PEN_OK ? compare(run, &err) : st;
    return st == PEN_OK ? finish(run) : cli_fail(&err);
}

static void run_fini(struct run *run)
{
    diff_fini(&run->diff);
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        pen_backtest_free(run->backtests[s]);
    }
    pen_program_free(run->program);
    rules_pick_fini(&run->rules);
    cli_pick_fini(&run->pick);
    free((void *)run->types);
    free((void *)run->sources);
    free(run);
}

int rules_diff(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    run->sources = calloc((size_t)argc + 1, sizeof(char *));
    PEN_CHECK(run->sources != NULL);
    run->is_warm_up_auto = true;
    diff_init(&run->diff);
    cli_pick_init(&run->pick);
    settings_defaults(&run->limits);
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : diff(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    run_fini(run);
    return code;
}
