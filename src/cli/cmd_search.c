/* tested by tests/e2e/test_search.py */
#include "penstock/query.h"

#include "config.h"
#include "search.h"
#include "told.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SORT_BYTES_MAX ((size_t)1 << 30)
#define IOC_ENTRIES_MAX 100000000U /* of all lists: a hunt may have more than a run would */
#define IOC_BYTES_MAX ((uint64_t)4 << 30)

static const char help[] =
    "penstock search [options] QUERY SOURCE...   prints the records that match\n"
    "\n"
    "  QUERY   Datadog log search: words and \"phrases\" (any value of the record, any case),\n"
    "          @field:value  @field:(a OR b)  @field:pre*  @field:*  -@field:x  @n:>5  @n:[1 TO "
    "5]\n"
    "          CIDR(@sourceIPAddress, 10.0.0.0/8)  AND OR NOT ( )\n"
    "          fields: as in the record (@userIdentity.arn), Datadog's (@evt.name) or ECS\n"
    "          (@event.action); reserved: source service host status message tags\n"
    "  SOURCE  a file, a folder, - (one object on standard input), or s3://bucket[/prefix]\n"
    "\n"
    "  -q QUERY             the query, also one that begins with - (or put it behind --)\n"
    "  --ioc FILE           records with an indicator (IoC) of FILE in them; a query by -q only\n"
    "  --count, --limit N   only how many records match;  end after N records\n"
    "  --fields a,b         the values as TSV; also _penstock.object, record, event_time ...\n"
    "  --raw                the bytes of the record as they are; --json: the default, NDJSON\n"
    "  --sort time          by event time (held in memory until the end)\n"
    "  --as TYPE            every object is of it; `json`: any JSON;  --types-dir DIR: type files\n"
    "  --as-rule            as a rule reads it: bare words search `message` alone\n"
    "  --from T, --to T     event time: 2025-01-31, RFC 3339, -7d, now, today;  --on DAY\n"
    "  --accounts A,B --regions R,S --types T   only these (@FILE: from a file); --not-...: none\n"
    "  --shards N           threads (one a core; also --workers)\n"
    "  --strict             damaged and unknown objects count as gaps;  --allow-gaps\n"
    "  --endpoint-url, --s3-path-style, --s3-region, --ca, --profile, --role-arn ... as replay\n"
    "\n"
    "Exit: 0 match, 1 none, 2 usage, 7 something could not be read.\n";

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
    const char *query, *types_dir;
    const char **sources;
    uint32_t source_count;
    const char *lists[PEN_IOC_LISTS_MAX]; /* of indicators */
    uint32_t list_count;
    struct pen_iocs *iocs;
    struct pen_replay_options reads; /* of buckets */
    uint64_t limit, printed;
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
    if (run->search.form != SEARCH_JSON) {
        (void)fprintf(stderr, "penstock: only one of --count, --fields and --raw\n");
        return false;
    }
    run->search.form = form;
    return true;
}

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    switch (id) {
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
        (void)fprintf(stderr, "penstock: more than 1 GiB to sort: narrow the search by --from and "
                              "--to, or leave --sort away\n");
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
    return PEN_OK;
}

static int search(struct run *run)
{
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    run->search.has_query = run->query != NULL;
    run->search.query = pen_slice_str(run->query != NULL ? run->query : "");
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
            code = search(run);
        }
    }
    cli_pick_fini(&run->pick);
    pen_iocs_close(run->iocs);
    pen_buf_fini(&run->text);
    pen_buf_fini(&run->lines);
    pen_buf_fini(&run->shown);
    free((void *)run->sources);
    free(run);
    return code;
}
