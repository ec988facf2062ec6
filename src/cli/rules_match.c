/* tested by tests/e2e/test_rules.py */
#include "rules.h"
#include "told.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "penstock rules match [options] --rules PATH... SOURCE...   which record matches which rule\n"
    "\n"
    "  SOURCE  a file, a folder, - (one object on standard input), or s3://bucket[/prefix]\n"
    "\n"
    "  --rules PATH         rule file or folder, repeatable; `builtin` (the default) is the pack\n"
    "  --min-level LEVEL    info, low, medium, high, critical;  --tag TAG\n"
    "  --as TYPE            every object is of this type: cloudtrail, json\n"
    "  --from T, --to T     event time: 2025-01-31, RFC 3339, -7d, now, today;  --on DAY\n"
    "  --accounts A,B --regions R,S --types T   only these (@FILE: from a file); --not-...: none\n"
    "  --count              only how many verdicts there are\n"
    "  --config FILE        penstock.yaml: its rules and placeholders\n"
    "  --shards N           threads (one a core; also --workers)\n"
    "  --strict             damaged and unknown objects count as gaps;  --allow-gaps\n"
    "  --endpoint-url, --s3-path-style, --s3-region, --ca, --profile, --role-arn ... as replay\n"
    "\n"
    "A line a record and rule, in no order, nothing is grouped or counted; objects of types that\n"
    "no rule is for are not read:\n"
    "  {\"object\":\"...\",\"record\":0,\"event_id\":\"...\",\"rule\":\"...\",\"query\":\"...\"}\n"
    "record counts from 0 within the object; query is empty for Sigma rules of one condition;\n"
    "Datadog's queries have names.\n"
    "\n"
    "Exit: 0 done, 2 usage, 3 config, 4 no rule is good, 7 something could not be read or a rule "
    "was "
    "rejected.\n";

enum match_id {
    OPT_AS = 1,
    OPT_COUNT,
    OPT_WORKERS,
    OPT_STRICT,
    OPT_ALLOW_GAPS,
    OPT_JSON,
    OPT_HELP
};
static const struct cli_option options[] = {
    {"--as", OPT_AS, true},           {"--count", OPT_COUNT, false},
    {"--workers", OPT_WORKERS, true}, {"--shards", OPT_WORKERS, true},
    {"--strict", OPT_STRICT, false},  {"--allow-gaps", OPT_ALLOW_GAPS, false},
    {"--json", OPT_JSON, false},      {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},          {NULL, 0, false}};

struct run {
    struct rules_pick rules;
    struct cli_pick pick;
    struct told told;
    const struct pen_program *program;
    bool *has_queries; /* by rule: more than one query */
    const char *as_type;
    const char **sources;
    uint32_t source_count;
    struct pen_replay_options reads; /* of buckets */
    uint64_t workers;
    bool count_only, strict, allow_gaps, wants_help;
    bool is_terminal;
    struct pen_buf shown;
};

/* ---- the command line ---- */

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
    case CLI_OPERAND:
        run->sources[run->source_count++] = value;
        return true;
    case OPT_AS:
        run->as_type = value;
        return true;
    case OPT_WORKERS:
        return cli_number("--shards", value, PEN_PASS_WORKERS_MAX, &run->workers);
    default: /* --json changes nothing: there is no other form */
        run->count_only |= id == OPT_COUNT;
        run->strict |= id == OPT_STRICT;
        run->allow_gaps |= id == OPT_ALLOW_GAPS;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {
        .command = "rules match",
        .argc = argc,
        .argv = argv,
        .tables = {options, cli_pick_options, rules_pick_options, cli_s3_options},
        .pick = &run->pick,
        .s3 = &run->reads.s3,
        .rules = &run->rules,
        .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    if (!run->wants_help && run->source_count == 0) {
        (void)fputs("penstock: rules match wants at least one source; - is standard input\n",
                    stderr);
        return false;
    }
    return run->wants_help ||
           (config_sources_usable(run->sources, run->source_count) && cli_pick_done(&run->pick));
}

/* ---- verdicts ---- */

static pen_status write_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    return pen_json_escape(out, text);
}

/* The name of a query, or its number in a rule of several. */
static pen_status write_query(const struct run *run, const struct pen_rule *rule, uint32_t index,
                              uint32_t query, struct pen_buf *out)
{
    if (rule->datadog != NULL) {
        return pen_json_escape(out, rule->datadog->queries[query].name);
    }
    return run->has_queries[index] ? pen_buf_printf(out, "%u", query) : PEN_OK;
}

static pen_status write_line(const struct run *run, const struct pen_pass_record *record,
                             uint32_t tag, struct pen_buf *out)
{
    uint32_t index = 0;
    uint32_t query = 0;
    char id[PEN_EVENT_ID_MAX];
    const struct pen_rule *rule = pen_program_rule(run->program, tag, &index, &query);
    const pen_slice key = pen_slice_str(record->object->key);
    const uint64_t ordinal = record->item->record.ordinal;
    PEN_TRY(write_text(out, "{\"object\":\"", key));
    PEN_TRY(pen_buf_printf(out, "\",\"record\":%" PRIu64, ordinal));
    PEN_TRY(
        write_text(out, ",\"event_id\":\"", pen_event_id(&record->item->doc, key, ordinal, id)));
    PEN_TRY(write_text(out, "\",\"rule\":\"", rule->id));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\",\"query\":\"")));
    PEN_TRY(write_query(run, rule, index, query, out));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}\n"));
}

static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    const struct run *run = ctx;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && !run->count_only && i < record->item->tag_count; i++) {
        st = write_line(run, record, record->item->tags[i], out);
    }
    return st == PEN_OK ? PEN_OK
                        : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: no room for the verdicts",
                                   record->object->key);
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct run *run = ctx;
    if (run->is_terminal) {
        cli_print_escaped(&run->shown, output->bytes);
    } else {
        (void)fwrite(output->bytes.ptr, 1, output->bytes.len, stdout); /* errors show at the end */
    }
    return ferror(stdout) == 0;
}

static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    struct run *run = ctx;
    told_trouble(&run->told, trouble);
}

/* ---- the whole ---- */

static void queries_count(struct run *run)
{
    run->has_queries = calloc(pen_rules_count(run->program->rules) + 1, sizeof(bool));
    PEN_CHECK(run->has_queries != NULL);
    for (uint32_t t = 0; t < run->program->type_count; t++) {
        const struct pen_program_type *type = &run->program->by_type[t];
        for (uint32_t i = 0; i < type->query_count; i++) {
            const uint32_t tag = type->queries[i].tag;
            run->has_queries[tag / PEN_RULE_QUERIES_MAX] |= tag % PEN_RULE_QUERIES_MAX > 0;
        }
    }
}

static int finish(const struct run *run, const struct pen_totals *totals)
{
    if (run->count_only) {
        (void)printf("%" PRIu64 "\n", totals->matches);
    }
    if (!cli_output_is_good()) {
        return 1;
    }
    told_sum(&run->told, totals);
    const bool has_gap =
        told_has_gap(totals, run->strict) || pen_rules_rejected(run->program->rules) > 0;
    return has_gap && !run->allow_gaps ? 7 : 0;
}

static int match(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    struct cli_cache cache;
    const struct pen_program_options build = {.rules = rules_pick_made(&run->rules),
                                              .words = cli_compile_words(),
                                              .cache_dir = cli_cache_dir(&cache)};
    if (pen_program_new(&build, &program, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    rules_notices_print(stderr, program->rules);
    if (pen_rules_count(program->rules) == 0) {
        (void)fputs("penstock: there is no rule to match with\n", stderr);
        pen_program_free(program);
        return 4;
    }
    run->program = program;
    queries_count(run);
    struct pen_pass_options pass = {.program = program,
                                    .sources = run->sources,
                                    .source_count = run->source_count,
                                    .as_type = run->as_type,
                                    .workers = (uint32_t)run->workers,
                                    .reads = &run->reads,
                                    .on_record = on_record,
                                    .on_output = on_output,
                                    .on_trouble = on_trouble,
                                    .ctx = run};
    const char **types = calloc((size_t)program->type_count + 1, sizeof(char *));
    PEN_CHECK(types != NULL);
    cli_pick_apply(&run->pick, &pass);
    struct pen_totals totals;
    pen_status st = pen_program_narrow(program, &pass, types, &err);
    st = st == PEN_OK ? pen_pass(&pass, &totals, &err) : st;
    const int code = st == PEN_OK ? finish(run, &totals) : cli_fail(&err);
    free((void *)types);
    free(run->has_queries);
    pen_program_free(program);
    return code;
}

int rules_match(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    run->sources = calloc((size_t)argc + 1, sizeof(char *));
    PEN_CHECK(run->sources != NULL);
    cli_pick_init(&run->pick);
    settings_defaults(&run->reads);
    pen_buf_init(&run->shown, SIZE_MAX);
    run->is_terminal = isatty(STDOUT_FILENO) == 1;
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : match(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    rules_pick_fini(&run->rules);
    cli_pick_fini(&run->pick);
    pen_buf_fini(&run->shown);
    free((void *)run->sources);
    free(run);
    return code;
}
