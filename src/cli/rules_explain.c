/* tested by tests/e2e/test_rules.py */
#include "explain.h"
#include "rules.h"
#include "signal_explain.h"
#include "told.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "penstock rules explain [options] --rule ID EVENT   why an event matches a rule, or not\n"
    "penstock rules explain [options] --signal ID       why there is a signal: which events made "
    "it\n"
    "\n"
    "  EVENT  a file with one record or more, or - (standard input)\n"
    "\n"
    "  --rule ID            the rule, by its id or title\n"
    "  --rules PATH         rule file or folder, repeatable; `builtin` (the default) is the pack\n"
    "  --record N           only this record of EVENT, counted from 0\n"
    "  --config FILE        penstock.yaml: its rules and placeholders\n"
    "  --as TYPE            the log type (default: the one that the rule is for)\n"
    "  --json               a document a record, or one of the signal\n"
    "  --signal ID          a signal of --out DIR (penstock-out); its first 4 digits or more do\n"
    "  --reads N            objects read at most for its events whose text was not kept\n"
    "                       (signal.reads_max); 0: none\n"
    "\n"
    "Each condition of the rule with its verdict and the values of its field.  Of a signal: what "
    "its\n"
    "rule looks for, the case that was reached, and its events with the query that each matched, "
    "its\n"
    "number among those, actor, address, object:record.  Rules are those of the job, or --rules.\n"
    "\n"
    "Exit: 0 done, 1 there is no such record or signal, 2 usage, 3 config, 4 the rule is not "
    "good.\n";

enum explain_id {
    OPT_RULE = 1,
    OPT_RECORD,
    OPT_AS,
    OPT_JSON,
    OPT_SIGNAL,
    OPT_OUT,
    OPT_READS,
    OPT_HELP
};
static const struct cli_option options[] = {
    {"--rule", OPT_RULE, true},     {"--record", OPT_RECORD, true},
    {"--as", OPT_AS, true},         {"--json", OPT_JSON, false},
    {"--signal", OPT_SIGNAL, true}, {"--out", OPT_OUT, true},
    {"--reads", OPT_READS, true},   {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},        {NULL, 0, false}};

struct run {
    struct rules_pick rules;
    struct explain explain;
    struct told told;
    const char *rule, *as_type, *event;
    struct signal_explain_call signal; /* id NULL: an event is explained */
    uint64_t record;
    bool has_record, wants_help, is_terminal;
    uint64_t written;
    struct pen_buf shown;
};

/* ---- the command line ---- */

static bool reads_take(struct run *run, const char *value)
{
    struct events_read_call *reads = &run->signal.reads;
    reads->has_reads_max = pen_parse_u64(pen_slice_str(value), &reads->reads_max);
    if (!reads->has_reads_max) {
        (void)fprintf(stderr, "penstock: --reads takes a number of objects, 0 for none, not `%s`\n",
                      value);
    }
    return reads->has_reads_max;
}

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
    case CLI_OPERAND:
        if (run->event != NULL) {
            (void)fputs("penstock: rules explain takes one EVENT\n", stderr);
            return false;
        }
        run->event = value;
        return true;
    case OPT_RULE:
        run->rule = value;
        return true;
    case OPT_AS:
        run->as_type = value;
        return true;
    case OPT_RECORD:
        run->has_record = pen_parse_u64(pen_slice_str(value), &run->record);
        if (!run->has_record) {
            (void)fprintf(stderr, "penstock: --record takes a number from 0, not `%s`\n", value);
        }
        return run->has_record;
    case OPT_SIGNAL:
        run->signal.id = value;
        return true;
    case OPT_OUT:
        run->signal.reads.out_dir = value;
        return true;
    case OPT_READS:
        return reads_take(run, value);
    default:
        run->explain.json |= id == OPT_JSON;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {.command = "rules explain",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, rules_pick_options},
                                .rules = &run->rules,
                                .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    if (!run->wants_help && run->signal.id != NULL) {
        const bool is_both = run->rule != NULL || run->event != NULL || run->has_record;
        (void)fputs(
            is_both ? "penstock: rules explain takes --signal ID, or --rule ID and an EVENT\n" : "",
            stderr);
        return !is_both;
    }
    if (!run->wants_help && (run->rule == NULL || run->event == NULL)) {
        (void)fprintf(stderr, "penstock: rules explain wants %s\n",
                      run->rule == NULL ? "--rule ID"
                                        : "an EVENT: a file, or - for standard input");
        return false;
    }
    return true;
}

/* ---- the rule ---- */

static bool rule_find(struct run *run, const struct pen_rules *rules)
{
    const pen_slice wanted = pen_slice_str(run->rule);
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        if (pen_slice_eq_nocase(rule->id, wanted) || pen_slice_eq_nocase(rule->title, wanted)) {
            run->explain.rule = i;
            return true;
        }
    }
    (void)fprintf(stderr, "penstock: none of %u rules has the id or title `%s`\n",
                  pen_rules_count(rules), run->rule);
    return false;
}

/* The log type that the rule is for, when it is for one only: a file with an event says little. */
static const char *type_of(const struct run *run, const struct pen_program *program,
                           struct pen_arena *arena)
{
    const struct pen_type *found = NULL;
    for (uint32_t i = 0; i < program->type_count; i++) {
        const struct pen_type *type = program->by_type[i].type;
        if (pen_rule_applies(pen_rules_at(program->rules, run->explain.rule), type)) {
            if (found != NULL) {
                return NULL;
            }
            found = type;
        }
    }
    return found == NULL ? NULL : (const char *)pen_arena_dup(arena, found->name).ptr;
}

/* ---- records ---- */

static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    const struct run *run = ctx;
    const bool is_wanted = !run->has_record || record->item->record.ordinal == run->record;
    return is_wanted ? explain_write(&run->explain, record, out, err) : PEN_OK;
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct run *run = ctx;
    run->written++;
    if (run->is_terminal) {
        cli_print_escaped(&run->shown, output->bytes);
    } else {
        (void)fwrite(output->bytes.ptr, 1, output->bytes.len, stdout); /* errors show at the end */
    }
    return !run->has_record;
}

static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    struct run *run = ctx;
    told_trouble(&run->told, trouble);
}

static void print_rule(const struct run *run, const struct pen_rule *rule)
{
    struct pen_buf line;
    pen_buf_init(&line, (size_t)1 << 20);
    if (!run->explain.json &&
        pen_buf_printf(&line, "%s: ", pen_severity_name(rule->severity)) == PEN_OK &&
        pen_escape_terminal(&line, rule->title) == PEN_OK &&
        pen_buf_add(&line, PEN_SLICE_LIT(" (")) == PEN_OK &&
        pen_escape_terminal(&line, rule->id) == PEN_OK &&
        pen_buf_add(&line, PEN_SLICE_LIT(")\n")) == PEN_OK) {
        (void)fwrite(line.ptr, 1, line.len, stdout);
    }
    pen_buf_fini(&line);
}

static int finish(const struct run *run, const struct pen_totals *totals)
{
    if (!cli_output_is_good()) {
        return 1;
    }
    if (run->written == 0) {
        (void)fprintf(stderr, "penstock: %s: %s (%" PRIu64 " records%s)\n", run->event,
                      run->has_record ? "there is no such record" : "there is no record",
                      totals->records_in, run->has_record ? ", counted from 0" : "");
        return 1;
    }
    return told_has_gap(totals, true) ? 7 : 0;
}

static int explain(struct run *run, const struct pen_program *program)
{
    struct pen_err err = {0};
    struct pen_totals totals;
    struct pen_arena arena;
    if (!rule_find(run, program->rules)) {
        rules_notices_print(stderr, program->rules);
        return pen_rules_rejected(program->rules) > 0 ? 4 : 2;
    }
    pen_arena_init(&arena, (size_t)1 << 20);
    run->explain.program = program;
    const struct pen_pass_options pass = {
        .program = program,
        .sources = &run->event,
        .source_count = 1,
        .as_type = run->as_type != NULL ? run->as_type : type_of(run, program, &arena),
        .all_records = true,
        .from_ns = INT64_MIN,
        .to_ns = INT64_MAX,
        .workers = 1,
        .on_record = on_record,
        .on_output = on_output,
        .on_trouble = on_trouble,
        .ctx = run};
    print_rule(run, pen_rules_at(program->rules, run->explain.rule));
    const int code =
        pen_pass(&pass, &totals, &err) == PEN_OK ? finish(run, &totals) : cli_fail(&err);
    pen_arena_fini(&arena);
    return code;
}

static int with_rules(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    struct cli_cache cache;
    struct pen_program_options build = {.rules = rules_pick_made(&run->rules),
                                        .words = cli_compile_words(),
                                        .cache_dir = cli_cache_dir(&cache)};
    build.rules.load_deprecated = true;
    if (pen_program_new(&build, &program, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    const int code = explain(run, program);
    pen_program_free(program);
    return code;
}

static int with_signal(struct run *run)
{
    const bool has_rules = run->rules.path_count > 0 || run->rules.has_config;
    const struct pen_rules_options rules = rules_pick_made(&run->rules); /* adds the pack */
    run->signal.rules = has_rules ? &rules : NULL;
    run->signal.json = run->explain.json;
    return signal_explain(&run->signal);
}

int rules_explain(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    pen_buf_init(&run->shown, SIZE_MAX);
    run->signal.reads.out_dir = "penstock-out";
    run->is_terminal = isatty(STDOUT_FILENO) == 1;
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : run->signal.id != NULL ? with_signal(run) : with_rules(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    rules_pick_fini(&run->rules);
    pen_buf_fini(&run->shown);
    free(run);
    return code;
}
