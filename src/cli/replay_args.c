/* tested by tests/e2e/test_front.py */
#include "replay_args.h"

#include <stdlib.h>
#include <unistd.h>

#define COST_DOLLARS_MAX 1000000U
#define NANO UINT64_C(1000000000)
#define NANO_DIGITS 9U

const char replay_help[] =
    "penstock replay [options] SOURCE...   history to documents and signals\n"
    "\n"
    "  SOURCE               a file, a folder, - (standard input), or s3://bucket[/prefix]\n"
    "  --out DIR            where everything goes (penstock-out); the same command resumes\n"
    "  --from T, --to T     event time: 2025-01-31, RFC 3339, -7d, -24h, now, today;  --on DAY\n"
    "  --accounts A,B --regions R,S --types T   only these (@FILE: from a file); --not-...: none\n"
    "  --rules PATH         rule file or folder, repeatable; `builtin` is the default; --no-rules\n"
    "  --min-level LEVEL    rules from info, low, medium, high or critical on; --tag T: with a "
    "tag\n"
    "  --sink SPEC          files (default), opensearch:URL[,URL] or null;  --setup-sink: puts "
    "templates\n"
    "  --as TYPE            every object is of this type; `json` is any JSON as it is\n"
    "  --fresh              start this job anew; triage decisions stay;  --signals-only: no "
    "documents\n"
    "  --plan               list and estimate only;  --newest-first: signals come at the end\n"
    "  --warm-up auto|TIME  reads this before --from, for the state alone;  --learn-only: all of "
    "it\n"
    "  --max-bytes SIZE, --max-cost USD   stop (exit 6) before more is read; the same command goes "
    "on\n"
    "  --shards N           threads (one a core);  --config FILE: penstock.yaml\n"
    "  --set KEY=VALUE      a limit or option: penstock check --example lists all\n"
    "  --json               the summary as JSON;  --no-progress;  --log-level LEVEL\n"
    "  --strict             damaged and unknown objects count as gaps;  --allow-gaps: no exit 7\n"
    "  --endpoint-url URL, --s3-path-style, --s3-region R, --ca FILE, --profile P, --role-arn "
    "ARN,\n"
    "  --external-id ID, --request-payer requester   as in the AWS CLI; its variables and profiles "
    "count\n"
    "  --fail-on LEVEL      exit 8 when there is a signal of this severity or a higher one\n"
    "\n"
    "Exit: 0 done, 1 failed, 2 usage, 3 config, 4 rules, 5 host, 6 stopped, 7 done with gaps,\n"
    "8 --fail-on.  The sink datadog: is not built yet.\n";

enum replay_option {
    OPT_OUT = 1,
    OPT_NO_RULES,
    OPT_SINK,
    OPT_SIGNALS_ONLY,
    OPT_AS,
    OPT_FRESH,
    OPT_PLAN,
    OPT_NEWEST,
    OPT_WARM_UP,
    OPT_LEARN_ONLY,
    OPT_MAX_BYTES,
    OPT_MAX_COST,
    OPT_SHARDS,
    OPT_CONFIG,
    OPT_SET,
    OPT_JSON,
    OPT_NO_PROGRESS,
    OPT_LOG_LEVEL,
    OPT_STRICT,
    OPT_ALLOW_GAPS,
    OPT_FAIL_ON,
    OPT_HELP,
    OPT_SETUP_SINK
};
static const struct cli_option options[] = {{"--out", OPT_OUT, true},
                                            {"--no-rules", OPT_NO_RULES, false},
                                            {"--sink", OPT_SINK, true},
                                            {"--signals-only", OPT_SIGNALS_ONLY, false},
                                            {"--setup-sink", OPT_SETUP_SINK, false},
                                            {"--as", OPT_AS, true},
                                            {"--fresh", OPT_FRESH, false},
                                            {"--plan", OPT_PLAN, false},
                                            {"--newest-first", OPT_NEWEST, false},
                                            {"--warm-up", OPT_WARM_UP, true},
                                            {"--learn-only", OPT_LEARN_ONLY, false},
                                            {"--max-bytes", OPT_MAX_BYTES, true},
                                            {"--max-cost", OPT_MAX_COST, true},
                                            {"--shards", OPT_SHARDS, true},
                                            {"--config", OPT_CONFIG, true},
                                            {"--set", OPT_SET, true},
                                            {"--json", OPT_JSON, false},
                                            {"--no-progress", OPT_NO_PROGRESS, false},
                                            {"--log-level", OPT_LOG_LEVEL, true},
                                            {"--strict", OPT_STRICT, false},
                                            {"--allow-gaps", OPT_ALLOW_GAPS, false},
                                            {"--fail-on", OPT_FAIL_ON, true},
                                            {"--help", OPT_HELP, false},
                                            {"-h", OPT_HELP, false},
                                            {NULL, 0, false}};

void replay_args_init(struct replay_args *args)
{
    *args = (struct replay_args){.fail_on = -1};
    args->options = (struct pen_replay_options){.out_dir = "penstock-out",
                                                .command_line = "",
                                                .log_level = PEN_LOG_INFO,
                                                .is_terminal = isatty(STDERR_FILENO) == 1};
    args->options.kill_at = getenv("PENSTOCK_KILL_AT"); // NOLINT(concurrency-mt-unsafe): one thread
    settings_defaults(&args->options);
    cli_pick_init(&args->pick);
    config_init(&args->config);
}

void replay_args_fini(struct replay_args *args)
{
    cli_pick_fini(&args->pick);
    config_fini(&args->config);
    free((void *)args->sources);
}

/* ---- one option ---- */

bool cli_severity(const char *text, int *out)
{
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        if (strcmp(text, pen_severity_name((enum pen_severity)i)) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool complain(const struct pen_err *err)
{
    (void)fprintf(stderr, "penstock: %s\n", err->text);
    return false;
}

bool cli_set(struct pen_replay_options *o, const char *text)
{
    struct pen_err err = {0};
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        (void)fprintf(stderr, "penstock: --set takes KEY=VALUE, not `%s`\n", text);
        return false;
    }
    const pen_slice key = {(const uint8_t *)text, (size_t)(equals - text)};
    return settings_set(o, key, pen_slice_str(equals + 1), &err) == PEN_OK || complain(&err);
}

bool replay_args_set(struct replay_args *args, const char *text)
{
    if (args->set_count == REPLAY_SETS_MAX) {
        (void)fprintf(stderr, "penstock: more than %u times --set\n", REPLAY_SETS_MAX);
        return false;
    }
    args->sets[args->set_count++] = text;
    return true;
}

static bool sink_take(struct replay_args *args, const char *spec)
{
    struct pen_err err = {0};
    enum pen_sink_kind kind = PEN_SINK_FILES;
    const char *urls = NULL;
    if (config_sink_check(spec, &kind, &urls, &err) != PEN_OK) {
        return complain(&err);
    }
    const bool is_other = urls != NULL && args->cluster.urls != NULL;
    if (args->has_sink && (kind != args->options.sink || is_other)) {
        (void)fputs("penstock: a run has one sink so far: files, opensearch:URL or null\n", stderr);
        return false;
    }
    args->has_sink = true;
    args->options.sink = kind;
    args->cluster.urls = urls;
    return true;
}

static bool log_level_take(struct replay_args *args, const char *value)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            args->options.log_level = (enum pen_log_level)i;
            return true;
        }
    }
    (void)fprintf(stderr, "penstock: --log-level takes error, warn, info or debug, not `%s`\n",
                  value);
    return false;
}

static bool flag_take(struct replay_args *args, int option)
{
    struct {
        int option;
        bool *flag;
    } const flags[] = {{OPT_NO_RULES, &args->no_rules},
                       {OPT_SIGNALS_ONLY, &args->options.signals_only},
                       {OPT_FRESH, &args->options.fresh},
                       {OPT_PLAN, &args->plan},
                       {OPT_NEWEST, &args->options.newest_first},
                       {OPT_LEARN_ONLY, &args->options.learn_only},
                       {OPT_JSON, &args->json},
                       {OPT_NO_PROGRESS, &args->options.no_progress},
                       {OPT_ALLOW_GAPS, &args->allow_gaps},
                       {OPT_STRICT, &args->options.is_strict},
                       {OPT_SETUP_SINK, &args->options.setup_sink},
                       {OPT_HELP, &args->wants_help}};
    for (size_t i = 0; i < PEN_COUNT(flags); i++) {
        if (flags[i].option == option) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

/* "12", "0.05": as billionths of a dollar, up to a million dollars. */
static bool dollars(pen_slice text, uint64_t *nano)
{
    pen_slice rest = text;
    pen_slice whole;
    uint64_t number = 0;
    uint64_t scale = NANO;
    if (!pen_slice_split(&rest, '.', &whole) || !pen_parse_u64(whole, &number) ||
        number > COST_DOLLARS_MAX || rest.len > NANO_DIGITS) {
        return false;
    }
    *nano = number * NANO;
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] < '0' || rest.ptr[i] > '9') {
            return false;
        }
        scale /= 10;
        *nano += (uint64_t)(rest.ptr[i] - '0') * scale;
    }
    return *nano > 0;
}

static bool value_take(struct replay_args *args, int option, const char *name, const char *value)
{
    bool is_good = true;
    switch (option) {
    case OPT_OUT:
        args->options.out_dir = value;
        is_good = value[0] != '\0';
        break;
    case OPT_SINK:
        return sink_take(args, value);
    case OPT_AS:
        args->options.as_type = value;
        break;
    case OPT_SHARDS:
        args->shards = value;
        break;
    case OPT_CONFIG:
        args->config_path = value;
        break;
    case OPT_SET:
        return replay_args_set(args, value);
    case OPT_WARM_UP:
        args->options.is_warm_up_auto = strcmp(value, "auto") == 0;
        is_good = args->options.is_warm_up_auto ||
                  pen_parse_duration(pen_slice_str(value), &args->options.warm_up_ns);
        is_good &= args->options.warm_up_ns >= 0;
        break;
    case OPT_LOG_LEVEL:
        return log_level_take(args, value);
    case OPT_MAX_BYTES:
        is_good = pen_parse_size(pen_slice_str(value), &args->options.max_bytes) &&
                  args->options.max_bytes > 0;
        break;
    case OPT_MAX_COST:
        is_good = dollars(pen_slice_str(value), &args->options.max_cost_nano);
        break;
    case OPT_FAIL_ON:
        is_good = cli_severity(value, &args->fail_on);
        break;
    default:
        pen_panic(PEN_HERE, "an option of the table");
    }
    if (!is_good) {
        (void)fprintf(stderr, "penstock: %s does not take `%s`\n", name, value);
    }
    return is_good;
}

static bool source_take(struct replay_args *args, const char *source)
{
    struct pen_err err = {0};
    if (config_source_check(source, &err) != PEN_OK) {
        return complain(&err);
    }
    args->sources[args->source_count++] = source;
    return true;
}

struct reading {
    struct replay_args *args;
    struct cli_parser parser;
};

static bool take(void *ctx, int id, char *value)
{
    const struct reading *reading = ctx;
    struct replay_args *args = reading->args;
    if (id == CLI_OPERAND) {
        return source_take(args, value);
    }
    return flag_take(args, id) || value_take(args, id, reading->parser.last, value);
}

/* ---- the whole ---- */

static bool config_take(struct replay_args *args)
{
    struct pen_buf problems;
    pen_buf_init(&problems, (size_t)1 << 20);
    const pen_status st = config_read(&args->config, args->config_path, &args->options, &problems);
    if (st != PEN_OK) {
        (void)fwrite(problems.ptr, 1, problems.len, stderr);
    }
    pen_buf_fini(&problems);
    return st == PEN_OK;
}

/* What the command line does not say, the config file does. */
static bool config_apply(struct replay_args *args)
{
    const struct config *config = &args->config;
    bool is_good = true;
    if (args->source_count == 0) {
        args->options.sources = config->sources.items;
        args->options.source_count = config->sources.count;
        args->options.source_options = config->source_options;
    }
    for (uint32_t i = 0; is_good && !args->has_sink && i < config->sinks.count; i++) {
        const char *name = config->sinks.items[i];
        is_good = i == 0 || strcmp(name, config->sinks.items[0]) == 0;
        args->options.sink = strcmp(name, "null") == 0         ? PEN_SINK_NULL
                             : strcmp(name, "opensearch") == 0 ? PEN_SINK_OPENSEARCH
                                                               : PEN_SINK_FILES;
    }
    if (!is_good) {
        (void)fprintf(stderr, "%s: a run has one sink so far: files, opensearch or null\n",
                      args->config_path);
        return false;
    }
    /* A sink of the command line has what the file says of the same cluster. */
    const bool is_same =
        args->cluster.urls == NULL ||
        (config->cluster.urls != NULL && strcmp(args->cluster.urls, config->cluster.urls) == 0);
    args->cluster = is_same ? config->cluster : args->cluster;
    const bool is_ours = args->rules.path_count == 0 && !args->no_rules;
    for (uint32_t i = 0; is_ours && is_good && i < config->rules.count; i++) {
        is_good = rules_pick_path(&args->rules, config->rules.items[i]);
    }
    args->options.types_dir = config->types_dir;
    return is_good;
}

static void options_finish(struct replay_args *args)
{
    struct pen_replay_options *o = &args->options;
    if (args->source_count > 0) {
        o->sources = args->sources;
        o->source_count = args->source_count;
    }
    o->rules = rules_pick_made(&args->rules);
    if (args->no_rules) {
        o->rules.path_count = 0;
    }
    o->rules.placeholders = args->config.placeholders;
    o->rules.placeholder_count = args->config.placeholder_count;
    o->rules.tables = args->config.tables;
    o->rules.table_count = args->config.table_count;
    o->rules.table_rows_max = o->table_rows_max;
    o->rules.table_bytes_max = o->table_bytes_max;
    if (o->sink == PEN_SINK_OPENSEARCH) {
        o->cluster = &args->cluster;
        args->cluster.ca_file =
            args->cluster.ca_file == NULL ? o->s3.ca_file : args->cluster.ca_file;
    }
    cli_pick_apply_replay(&args->pick, o);
}

static bool exclude_apply(struct replay_args *args)
{
    struct pen_err err = {0};
    struct pen_replay_options *o = &args->options;
    struct exclude_list *list = &args->config.exclude;
    if (o->own_logs != OWN_LOGS_OFF &&
        exclude_own_logs(&args->config.arena, list,
                         o->own_logs == OWN_LOGS_DROP ? PEN_EXCLUDE_DROP : PEN_EXCLUDE_COUNT,
                         &err) != PEN_OK) {
        (void)cli_fail(&err);
        return false;
    }
    o->exclusions = list->items;
    o->exclusion_count = list->count;
    return true;
}

static bool settings_apply(struct replay_args *args)
{
    struct pen_err err = {0};
    for (uint32_t i = 0; i < args->set_count; i++) {
        if (!cli_set(&args->options, args->sets[i])) {
            return false;
        }
    }
    if (!exclude_apply(args)) {
        return false;
    }
    return args->shards == NULL ||
           settings_set(&args->options, PEN_SLICE_LIT("shards"), pen_slice_str(args->shards),
                        &err) == PEN_OK ||
           complain(&err);
}

static bool is_consistent(const struct replay_args *args)
{
    const char *why = NULL;
    if (args->no_rules && args->rules.path_count > 0) {
        why = "--no-rules and --rules exclude each other";
    } else if (args->no_rules && args->options.signals_only) {
        why = "--signals-only without rules would do nothing";
    } else if ((args->options.is_warm_up_auto || args->options.warm_up_ns > 0) &&
               args->pick.from_ns == INT64_MIN) {
        why = "--warm-up is what is read before --from: give it";
    } else if (args->options.learn_only && args->pick.to_ns == INT64_MAX) {
        why = "--learn-only wants --to: up to there it learns, and a later --to goes on";
    } else if (args->options.learn_only && args->no_rules) {
        why = "--learn-only without rules would do nothing";
    }
    if (why != NULL) {
        (void)fprintf(stderr, "penstock: %s\n", why);
    }
    return why == NULL;
}

int replay_args_finish(struct replay_args *args)
{
    if (args->config_path != NULL && !config_take(args)) {
        return 3;
    }
    if (args->config_path != NULL && !config_apply(args)) {
        return 3;
    }
    if (!settings_apply(args)) {
        return 2;
    }
    options_finish(args);
    return -1;
}

/* Tells the range, or that it is empty.  One that is counted from now may be that of a job, which
 * only the run knows: then the run tells it. */
static bool range_done(const struct replay_args *args)
{
    const struct pen_replay_options *o = &args->options;
    int64_t from = 0;
    int64_t to = 0;
    struct pen_err err;
    if (args->plan || (o->from_text == NULL && o->to_text == NULL)) {
        return cli_pick_done(&args->pick);
    }
    return (!o->fresh && pen_replay_range(o->out_dir, &from, &to, &err) == PEN_OK) ||
           cli_pick_check(&args->pick);
}

int replay_args_read(struct replay_args *args, int argc, char **argv)
{
    struct reading reading = {
        .args = args,
        .parser = {.command = "replay",
                   .argc = argc,
                   .argv = argv,
                   .tables = {options, cli_pick_options, rules_pick_options, cli_s3_options},
                   .pick = &args->pick,
                   .rules = &args->rules,
                   .s3 = &args->options.s3,
                   .at = 1}};
    args->sources = calloc((size_t)argc + 1, sizeof(char *));
    PEN_CHECK(args->sources != NULL);
    if (!cli_read(&reading.parser, take, &reading)) {
        return 2;
    }
    if (args->wants_help) {
        (void)fputs(replay_help, stdout);
        return 0;
    }
    if (!is_consistent(args)) {
        return 2;
    }
    const int code = replay_args_finish(args);
    if (code >= 0) {
        return code;
    }
    if (args->options.source_count == 0) {
        (void)fputs(replay_help, stderr);
        return 2;
    }
    return range_done(args) ? -1 : 2;
}
