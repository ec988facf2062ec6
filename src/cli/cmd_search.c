/* tested by tests/e2e/test_search.py */
#include "penstock/query.h"

#include "config.h"
#include "hunt.h"
#include "replay_args.h"
#include "search.h"
#include "search_groups.h"
#include "search_help.h"
#include "told.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SORT_BYTES_MAX ((size_t)1 << 30)
#define IOC_ENTRIES_MAX 100000000U /* of all lists: a hunt may have more than a run would */
#define IOC_BYTES_MAX ((uint64_t)4 << 30)

enum search_id {
    OPT_QUERY = 1,
    OPT_COUNT,
    OPT_LIMIT,
    OPT_FIELDS,
    OPT_RAW,
    OPT_SORT,
    OPT_AS,
    OPT_TYPES_DIR,
    OPT_AS_RULE,
    OPT_WORKERS,
    OPT_JSON,
    OPT_STRICT,
    OPT_ALLOW_GAPS,
    OPT_IOC,
    OPT_BY,
    OPT_TOP,
    OPT_DISTINCT,
    OPT_EVERY,
    OPT_SET,
    OPT_TO_RULE,
    OPT_GROUP_BY,
    OPT_VALUE,
    OPT_OUT,
    OPT_HELP
};
static const struct cli_option options[] = {{"-q", OPT_QUERY, true},
                                            {"--count", OPT_COUNT, false},
                                            {"--limit", OPT_LIMIT, true},
                                            {"--fields", OPT_FIELDS, true},
                                            {"--raw", OPT_RAW, false},
                                            {"--sort", OPT_SORT, true},
                                            {"--types-dir", OPT_TYPES_DIR, true},
                                            {"--as", OPT_AS, true},
                                            {"--as-rule", OPT_AS_RULE, false},
                                            {"--workers", OPT_WORKERS, true},
                                            {"--strict", OPT_STRICT, false},
                                            {"--help", OPT_HELP, false},
                                            {"--allow-gaps", OPT_ALLOW_GAPS, false},
                                            {"-h", OPT_HELP, false},
                                            {"--shards", OPT_WORKERS, true},
                                            {"--json", OPT_JSON, false},
                                            {"--ioc", OPT_IOC, true},
                                            {"--by", OPT_BY, true},
                                            {"--top", OPT_TOP, true},
                                            {"--distinct", OPT_DISTINCT, true},
                                            {"--every", OPT_EVERY, true},
                                            {"--set", OPT_SET, true},
                                            {"--to-rule", OPT_TO_RULE, true},
                                            {"--group-by", OPT_GROUP_BY, true},
                                            {"--value", OPT_VALUE, true},
                                            {"--out", OPT_OUT, true},
                                            {NULL, 0, false}};

struct line { /* one that waits to be sorted */
    int64_t time_ns;
    uint64_t sequence, record;
    size_t offset, len;
};

struct run {
    struct search search;
    struct cli_pick pick;
    struct told told;
    const char *query, *types_dir, *distinct;
    const char **sources;
    uint32_t source_count;
    const char *lists[PEN_IOC_LISTS_MAX]; /* of indicators */
    uint32_t list_count;
    struct pen_iocs *iocs;
    struct pen_replay_options reads; /* of buckets */
    uint64_t limit, printed, top;
    struct search_groups groups;
    struct hunt_rule rule; /* of --to-rule */
    const char *out;
    uint64_t workers;
    bool by_time, json, strict, allow_gaps, wants_help;
    bool is_terminal;
    bool is_full; /* of lines to sort */
    struct pen_buf text;
    struct pen_buf lines; /* struct line */
    struct pen_buf shown;
};

/* ---- the command line ---- */

static bool form_take(struct run *run, enum search_form form)
{
    const bool is_more_by = form == SEARCH_BY && run->search.form == SEARCH_BY;
    if (run->search.form != SEARCH_JSON && !is_more_by) {
        (void)fputs("penstock: only one of --count, --fields, --raw and groups (--by, --distinct, "
                    "--every)\n",
                    stderr);
        return false;
    }
    run->search.form = form;
    return true;
}

static bool wrong(const char *words)
{
    (void)fprintf(stderr, "penstock: %s\n", words);
    return false;
}

/* --by, --distinct and --every. */
static bool by_take(struct run *run, int id, const char *value)
{
    struct search_by *by = &run->search.by;
    if (id == OPT_BY && !search_by_take(by, value)) {
        return wrong("--by takes 1 to 8 names, once: a,b,c");
    }
    if (id == OPT_DISTINCT && (run->distinct != NULL || value[0] == '\0')) {
        return wrong("--distinct takes one name, once");
    }
    if (id == OPT_DISTINCT) {
        run->distinct = value;
    }
    if (id == OPT_EVERY &&
        (!pen_parse_duration(pen_slice_str(value), &by->every_ns) || by->every_ns <= 0)) {
        return wrong("--every takes a duration such as 15m, 1h or 1d");
    }
    return form_take(run, SEARCH_BY);
}

static bool group_take(struct hunt_rule *rule, const char *value)
{
    pen_slice rest = pen_slice_str(value);
    pen_slice name;
    while (pen_slice_split(&rest, ',', &name)) {
        name = pen_slice_trim(name);
        if (name.len == 0 || rule->group_count == HUNT_GROUP_MAX) {
            return wrong("--group-by takes 1 to 8 names: a,b,c");
        }
        rule->group_by[rule->group_count++] = name;
    }
    return true;
}

/* --to-rule and what goes with it. */
static bool rule_take(struct run *run, int id, const char *value)
{
    switch (id) {
    case OPT_TO_RULE:
        return hunt_form_take(value, &run->rule.form) ||
               wrong("--to-rule takes threshold, new_value or sigma");
    case OPT_GROUP_BY:
        return group_take(&run->rule, value);
    case OPT_VALUE:
        run->rule.value = pen_slice_trim(pen_slice_str(value));
        return run->rule.value.len > 0 || wrong("--value takes the name of a field");
    default:
        run->out = value;
        return value[0] != '\0' || wrong("--out takes a folder");
    }
}

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
    case OPT_BY:
    case OPT_DISTINCT:
    case OPT_EVERY:
        return by_take(run, id, value);
    case OPT_TO_RULE:
    case OPT_GROUP_BY:
    case OPT_VALUE:
    case OPT_OUT:
        return rule_take(run, id, value);
    case OPT_TOP:
        return cli_number("--top", value, UINT64_MAX, &run->top);
    case OPT_SET:
        return cli_set(&run->reads, value);
    case CLI_OPERAND:
        run->sources[run->source_count++] = value;
        return true;
    case OPT_QUERY:
        run->query = value;
        return true;
    case OPT_IOC:
        if (run->list_count == PEN_IOC_LISTS_MAX) {
            (void)fprintf(stderr, "penstock: --ioc names at most %u lists\n", PEN_IOC_LISTS_MAX);
            return false;
        }
        run->lists[run->list_count++] = value;
        return true;
    case OPT_COUNT:
        return form_take(run, SEARCH_COUNT);
    case OPT_LIMIT:
        return cli_number("--limit", value, UINT64_MAX, &run->limit);
    case OPT_FIELDS:
        if (!search_fields_take(&run->search, value)) {
            (void)fprintf(stderr, "penstock: --fields takes 1 to %u names: a,b,c\n",
                          SEARCH_FIELDS_MAX);
            return false;
        }
        return form_take(run, SEARCH_FIELDS);
    case OPT_RAW:
        return form_take(run, SEARCH_RAW);
    case OPT_SORT:
        run->by_time = strcmp(value, "time") == 0;
        if (!run->by_time) {
            (void)fprintf(stderr, "penstock: --sort takes `time`, not `%s`\n", value);
        }
        return run->by_time;
    case OPT_TYPES_DIR:
        run->types_dir = value;
        return true;
    case OPT_AS:
        run->search.as_type = value;
        run->search.is_json = strcmp(value, "json") == 0;
        return true;
    case OPT_WORKERS:
        return cli_number("--shards", value, PEN_PASS_WORKERS_MAX, &run->workers);
    default:
        run->search.as_rule |= id == OPT_AS_RULE;
        run->json |= id == OPT_JSON;
        run->strict |= id == OPT_STRICT;
        run->allow_gaps |= id == OPT_ALLOW_GAPS;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

/* What does not go together; false after words. */
static bool check_args(const struct run *run)
{
    const bool is_by = run->search.form == SEARCH_BY;
    const struct hunt_rule *rule = &run->rule;
    if (is_by ? run->limit > 0 || run->by_time : run->top > 0) {
        return wrong(is_by ? "--limit and --sort are of records, --top is of groups"
                           : "--top is of groups: give --by, --distinct or --every");
    }
    if (rule->form == HUNT_NONE) {
        return (rule->group_count == 0 && rule->value.len == 0 && run->out == NULL) ||
               wrong("--group-by, --value and --out go with --to-rule");
    }
    if (run->search.form != SEARCH_JSON || run->limit > 0 || run->by_time || run->list_count > 0 ||
        run->search.is_json) {
        return wrong("--to-rule writes a rule: no --count, --fields, --raw, --by, --limit, --sort, "
                     "--ioc, or --as json with it");
    }
    if (rule->form == HUNT_SIGMA && (rule->group_count > 0 || rule->value.len > 0)) {
        return wrong("a Sigma rule has no --group-by and no --value: sigma.group_by groups the "
                     "matches of all; --to-rule threshold takes both");
    }
    return rule->form != HUNT_NEW_VALUE || rule->value.len > 0 ||
           wrong("--to-rule new_value wants the field with --value");
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {.command = "search",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, cli_pick_options, cli_s3_options},
                                .dash_hint =
                                    "; a query that begins with - is given with -q or behind --",
                                .pick = &run->pick,
                                .s3 = &run->reads.s3,
                                .at = 1};
    if (!cli_read(&parser, take, run)) {
        return false;
    }
    if (run->wants_help) {
        return true;
    }
    if (run->json && (run->search.form == SEARCH_FIELDS || run->search.form == SEARCH_RAW)) {
        (void)fputs("penstock: --json is one form of output, --fields and --raw are others\n",
                    stderr);
        return false;
    }
    if (!check_args(run)) {
        return false;
    }
    const bool has_lists = run->list_count > 0;
    if (run->query == NULL && run->source_count > 0 && !has_lists) {
        run->query = run->sources[0];
        run->source_count--;
        memmove((void *)run->sources, (void *)(run->sources + 1),
                run->source_count * sizeof(char *));
    }
    if ((run->query == NULL && !has_lists) || run->source_count == 0) {
        (void)fprintf(stderr, "penstock: search wants a %s and at least one source%s\n",
                      has_lists ? "list of indicators" : "query",
                      run->query == NULL && !has_lists ? ": penstock search --help"
                                                       : "; - is standard input");
        return false;
    }
    return config_sources_usable(run->sources, run->source_count) && cli_pick_done(&run->pick);
}

/* ---- output ---- */

static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    const struct run *run = ctx;
    return search_write(&run->search, record, out, err);
}

static void print(struct run *run, pen_slice bytes)
{
    if (run->is_terminal) {
        cli_print_escaped(&run->shown, bytes);
    } else {
        (void)fwrite(bytes.ptr, 1, bytes.len, stdout); /* errors show at the end */
    }
    run->printed++;
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct run *run = ctx;
    if (run->search.form == SEARCH_COUNT) {
        return ++run->printed != run->limit;
    }
    if (run->search.form == SEARCH_BY) {
        run->printed++;
        run->is_full = search_groups_add(&run->groups, output) != PEN_OK;
        return !run->is_full;
    }
    if (!run->by_time) {
        print(run, output->bytes);
        return run->printed != run->limit;
    }
    const struct line line = {.time_ns = output->time_ns,
                              .sequence = output->sequence,
                              .record = output->record,
                              .offset = run->text.len,
                              .len = output->bytes.len};
    run->is_full =
        pen_buf_add(&run->text, output->bytes) != PEN_OK ||
        pen_buf_add(&run->lines, (pen_slice){(const uint8_t *)&line, sizeof(line)}) != PEN_OK;
    return !run->is_full;
}

static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    struct run *run = ctx;
    told_trouble(&run->told, trouble);
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a;
    const struct line *y = b;
    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    if (x->sequence != y->sequence) {
        return x->sequence < y->sequence ? -1 : 1;
    }
    return x->record < y->record ? -1 : x->record > y->record;
}

static void print_sorted(struct run *run)
{
    struct line *lines = (struct line *)(void *)run->lines.ptr;
    const size_t count = run->lines.len / sizeof(*lines);
    if (count > 0) {
        qsort(lines, count, sizeof(*lines), by_time);
    }
    for (size_t i = 0; i < count && (run->limit == 0 || run->printed < run->limit); i++) {
        print(run, (pen_slice){run->text.ptr + lines[i].offset, lines[i].len});
    }
}

/* ---- the whole ---- */

static int query_fail(const struct run *run, const struct pen_err *err)
{
    struct pen_buf words;
    pen_buf_init(&words, (size_t)1 << 20);
    if (err->status == PEN_E_USAGE && err->offset != PEN_NO_OFFSET &&
        pen_query_caret(&words, run->search.query, err) == PEN_OK) {
        (void)fprintf(stderr, "penstock: the query cannot be read:\n%.*s", (int)words.len,
                      (const char *)words.ptr);
        pen_buf_fini(&words);
        return 2;
    }
    pen_buf_fini(&words);
    return cli_fail(err);
}

static int finish(struct run *run, const struct pen_totals *totals)
{
    uint64_t found = run->printed;
    if (run->search.form == SEARCH_BY && !run->is_full) {
        run->is_full = search_groups_print(&run->groups, run->top, run->json) != PEN_OK;
    }
    if (run->search.form == SEARCH_COUNT) {
        const uint64_t count = run->iocs == NULL ? totals->matches : run->printed;
        const bool is_over = run->limit > 0 && count > run->limit;
        found = is_over ? run->limit : count;
        (void)printf("%" PRIu64 "\n", found);
    }
    if (!cli_output_is_good()) {
        return 1;
    }
    told_sum(&run->told, totals);
    if (run->is_full) {
        (void)wrong(run->by_time ? "more than 1 GiB to sort: narrow the search by --from and --to, "
                                   "or leave --sort away"
                                 : "no memory for the groups: narrow the search, or give a lower "
                                   "search.groups_max or search.distinct_max");
        return 1;
    }
    if (told_has_gap(totals, run->strict) && !run->allow_gaps) {
        return 7;
    }
    return found > 0 ? 0 : 1;
}

/* The lists, and words about what of them cannot be used. */
static pen_status lists_open(struct run *run, struct pen_err *err)
{
    const pen_slice option = PEN_SLICE_LIT("enrich.ioc: "); /* as a run has it */
    const struct pen_ioc_limits limits = {.entries_max = IOC_ENTRIES_MAX,
                                          .bytes_max = IOC_BYTES_MAX};
    struct pen_err why = {0};
    if (run->list_count == 0) {
        return PEN_OK;
    }
    const pen_status st = pen_iocs_open(run->lists, run->list_count, &limits, &run->iocs, &why);
    if (st != PEN_OK) {
        const bool is_option = pen_slice_starts(pen_slice_str(why.text), option);
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "--ioc: %.240s",
                        why.text + (is_option ? option.len : 0));
    }
    told_iocs(run->iocs, run->reads.ioc_max_age_ns);
    run->search.iocs = run->iocs;
    run->search.indicators_max = pen_u32(run->reads.search_indicators_max);
    return PEN_OK;
}

/* What all options together make of the groups. */
static void by_prepare(struct run *run)
{
    struct search_by *by = &run->search.by;
    by->has_distinct = run->distinct != NULL;
    by->names[by->count] = pen_slice_str(by->has_distinct ? run->distinct : "");
    by->elements_max = pen_u32(run->reads.observed_groups_max);
    search_groups_init(&run->groups, by, run->reads.search_groups_max,
                       run->reads.search_distinct_max);
}

static int hunt(struct run *run)
{
    struct hunt_options made = {.rule = run->rule,
                                .dir = run->out == NULL ? "." : run->out,
                                .types_dir = run->types_dir,
                                .limits = &run->reads,
                                .pass = {.sources = run->sources,
                                         .source_count = run->source_count,
                                         .as_type = run->search.as_type,
                                         .workers = (uint32_t)run->workers,
                                         .reads = &run->reads},
                                .told = &run->told,
                                .is_json = run->json,
                                .is_strict = run->strict,
                                .allow_gaps = run->allow_gaps};
    made.rule.query = pen_slice_str(run->query);
    cli_pick_apply(&run->pick, &made.pass);
    return hunt_run(&made);
}

static int search(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    run->search.has_query = run->query != NULL;
    run->search.query = pen_slice_str(run->query != NULL ? run->query : "");
    by_prepare(run);
    if (lists_open(run, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    const struct pen_program_options build = {
        .build = search_build, .build_ctx = &run->search, .types_dir = run->types_dir};
    if (pen_program_new(&build, &program, &err) != PEN_OK) {
        return query_fail(run, &err);
    }
    struct pen_pass_options pass = {.program = program,
                                    .sources = run->sources,
                                    .source_count = run->source_count,
                                    .as_type = run->search.as_type,
                                    .all_records = run->query == NULL,
                                    .workers = (uint32_t)run->workers,
                                    .reads = &run->reads,
                                    .on_record = on_record,
                                    .on_output = on_output,
                                    .on_trouble = on_trouble,
                                    .ctx = run};
    cli_pick_apply(&run->pick, &pass);
    struct pen_totals totals;
    const pen_status st = pen_pass(&pass, &totals, &err);
    if (st == PEN_OK && run->by_time && !run->is_full) {
        print_sorted(run);
    }
    const int code = st == PEN_OK ? finish(run, &totals) : cli_fail(&err);
    pen_program_free(program);
    return code;
}

int cmd_search(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    run->sources = calloc((size_t)argc + 1, sizeof(char *));
    PEN_CHECK(run->sources != NULL);
    cli_pick_init(&run->pick);
    settings_defaults(&run->reads);
    pen_buf_init(&run->text, SORT_BYTES_MAX);
    pen_buf_init(&run->lines, SORT_BYTES_MAX);
    pen_buf_init(&run->shown, SIZE_MAX);
    run->is_terminal = isatty(STDOUT_FILENO) == 1;
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = 0;
        if (run->wants_help) {
            (void)fputs(help, stdout);
        } else {
            code = run->rule.form == HUNT_NONE ? search(run) : hunt(run);
        }
    }
    cli_pick_fini(&run->pick);
    pen_iocs_close(run->iocs);
    search_groups_fini(&run->groups);
    pen_buf_fini(&run->text);
    pen_buf_fini(&run->lines);
    pen_buf_fini(&run->shown);
    free((void *)run->sources);
    free(run);
    return code;
}
