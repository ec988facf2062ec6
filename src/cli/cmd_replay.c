/* tested by tests/e2e/test_replay.py */
#include "penstock/runtime.h"

#include "options.h"
#include "version.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIST_MAX 64u

static const char help[] =
    "penstock replay [options] SOURCE...   history to documents and signals\n"
    "\n"
    "  --out DIR            where everything goes (penstock-out); the same command resumes\n"
    "  --from T, --to T     event time: 2025-01-31, RFC 3339, -7d, now, today\n"
    "  --accounts A,B       only these accounts (--not-accounts: all but these)\n"
    "  --regions R,S        only these regions (--not-regions: all but these)\n"
    "  --rules PATH         rule file or folder, repeatable; `builtin` is the default\n"
    "  --no-rules           documents only\n"
    "  --min-level LEVEL    info, low, medium, high, critical\n"
    "  --sink SPEC          files (default) or null\n"
    "  --signals-only       no documents\n"
    "  --as TYPE            every object is of this type: cloudtrail, json\n"
    "  --fresh              start anew; triage decisions stay\n"
    "  --shards N           threads (one a core)\n"
    "  --json               the summary as JSON;  --no-progress;  --fail-on LEVEL\n"
    "  --allow-gaps, --strict\n"
    "  --set document.ingested=T, replay.slack=24h, sigma.keep_alive=1h, commit.interval=5s,\n"
    "        mailbox.capacity=1024, files.level=1\n";

struct args {
    struct pen_replay_options options;
    const char *lists[4][LIST_MAX]; /* accounts, not, regions, not */
    uint32_t counts[4];
    const char *rules[LIST_MAX];
    bool no_rules, json, allow_gaps, strict;
    int fail_on; /* severity, or -1 */
};

enum replay_option {
    OPT_OUT = 256,
    OPT_FROM,
    OPT_TO,
    OPT_ACCOUNTS,
    OPT_NOT_ACCOUNTS,
    OPT_REGIONS,
    OPT_NOT_REGIONS,
    OPT_RULES,
    OPT_NO_RULES,
    OPT_MIN_LEVEL,
    OPT_SINK,
    OPT_SIGNALS_ONLY,
    OPT_AS,
    OPT_FRESH,
    OPT_SHARDS,
    OPT_JSON,
    OPT_NO_PROGRESS,
    OPT_FAIL_ON,
    OPT_ALLOW_GAPS,
    OPT_STRICT,
    OPT_SET,
    OPT_HELP
};
static const struct cli_option options[] = {{"--out", OPT_OUT, true},
                                            {"--from", OPT_FROM, true},
                                            {"--to", OPT_TO, true},
                                            {"--accounts", OPT_ACCOUNTS, true},
                                            {"--not-accounts", OPT_NOT_ACCOUNTS, true},
                                            {"--regions", OPT_REGIONS, true},
                                            {"--not-regions", OPT_NOT_REGIONS, true},
                                            {"--rules", OPT_RULES, true},
                                            {"--no-rules", OPT_NO_RULES, false},
                                            {"--min-level", OPT_MIN_LEVEL, true},
                                            {"--sink", OPT_SINK, true},
                                            {"--signals-only", OPT_SIGNALS_ONLY, false},
                                            {"--as", OPT_AS, true},
                                            {"--fresh", OPT_FRESH, false},
                                            {"--shards", OPT_SHARDS, true},
                                            {"--json", OPT_JSON, false},
                                            {"--no-progress", OPT_NO_PROGRESS, false},
                                            {"--fail-on", OPT_FAIL_ON, true},
                                            {"--allow-gaps", OPT_ALLOW_GAPS, false},
                                            {"--strict", OPT_STRICT, false},
                                            {"--set", OPT_SET, true},
                                            {"--help", OPT_HELP, false},
                                            {NULL, 0, false}};

static bool severity_of(const char *text, int *out)
{
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        if (strcmp(text, pen_severity_name((enum pen_severity)i)) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Adds the parts of a comma list; the texts stay in argv. */
static bool list_add(struct args *args, uint32_t which, char *text)
{
    char *save = NULL;
    for (char *part = strtok_r(text, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save)) {
        if (args->counts[which] == LIST_MAX) {
            return false;
        }
        args->lists[which][args->counts[which]++] = part;
    }
    return true;
}

static bool set_option(struct args *args, const char *text)
{
    struct pen_replay_options *o = &args->options;
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        return false;
    }
    const pen_slice key = {(const uint8_t *)text, (size_t)(equals - text)};
    const pen_slice value = pen_slice_str(equals + 1);
    uint64_t number = 0;
    struct {
        const char *name;
        int64_t *ns;
    } const durations[] = {{"replay.slack", &o->slack_ns},
                           {"sigma.keep_alive", &o->keep_alive_ns},
                           {"commit.interval", &o->commit_ns}};
    for (size_t i = 0; i < PEN_COUNT(durations); i++) {
        if (pen_slice_eq(key, pen_slice_str(durations[i].name))) {
            return pen_parse_duration(value, durations[i].ns);
        }
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("document.ingested"))) {
        return pen_parse_time(value, &o->ingested_ns);
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("mailbox.capacity")) && pen_parse_u64(value, &number)) {
        o->mailbox_capacity = (uint32_t)number;
        return number >= 1 && number <= 65536 && (number & (number - 1)) == 0;
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("files.level")) && pen_parse_u64(value, &number)) {
        o->level = (uint32_t)number;
        return number >= 1 && number <= 19;
    }
    return false;
}

static bool rule_add(struct args *args, const char *path)
{
    if (args->options.rules.path_count == LIST_MAX) {
        return false;
    }
    args->rules[args->options.rules.path_count++] = path;
    return true;
}

static bool take_flag(struct args *args, int option)
{
    struct {
        int option;
        bool *flag;
    } const flags[] = {{OPT_NO_RULES, &args->no_rules},
                       {OPT_SIGNALS_ONLY, &args->options.signals_only},
                       {OPT_FRESH, &args->options.fresh},
                       {OPT_JSON, &args->json},
                       {OPT_NO_PROGRESS, &args->options.no_progress},
                       {OPT_ALLOW_GAPS, &args->allow_gaps},
                       {OPT_STRICT, &args->strict}};
    for (size_t i = 0; i < PEN_COUNT(flags); i++) {
        if (flags[i].option == option) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static bool take_value(struct args *args, int option, char *value)
{
    struct pen_replay_options *o = &args->options;
    uint64_t number = 0;
    int level = 0;
    switch (option) {
    case OPT_OUT:
        o->out_dir = value;
        return value[0] != '\0';
    case OPT_FROM:
        return cli_time(value, &o->from_ns);
    case OPT_TO:
        return cli_time(value, &o->to_ns);
    case OPT_ACCOUNTS:
    case OPT_NOT_ACCOUNTS:
    case OPT_REGIONS:
    case OPT_NOT_REGIONS:
        return list_add(args, (uint32_t)(option - OPT_ACCOUNTS), value);
    case OPT_RULES:
        return rule_add(args, value);
    case OPT_MIN_LEVEL:
        if (!severity_of(value, &level)) {
            return false;
        }
        o->rules.level_min = (enum pen_severity)level;
        return true;
    case OPT_SINK:
        o->sink = strcmp(value, "null") == 0 ? PEN_SINK_NULL : PEN_SINK_FILES;
        return strcmp(value, "null") == 0 || strcmp(value, "files") == 0;
    case OPT_AS:
        o->as_type = value;
        return true;
    case OPT_SHARDS:
        o->shards = pen_parse_u64(pen_slice_str(value), &number) ? (uint32_t)number : 0;
        return number >= 1 && number <= 64;
    case OPT_FAIL_ON:
        return severity_of(value, &args->fail_on);
    case OPT_SET:
        return set_option(args, value);
    default:
        return false;
    }
}

static int args_read(struct args *args, int argc, char **argv)
{
    struct cli_parser parser = {
        .command = "replay", .argc = argc, .argv = argv, .tables = {options}, .at = 1};
    int sources = 0; /* moved to the front of argv, behind what was read */
    char *value = NULL;
    for (int id = cli_next(&parser, &value); id != CLI_END; id = cli_next(&parser, &value)) {
        if (id == CLI_WRONG) {
            return 2;
        }
        if (id == OPT_HELP) {
            (void)fputs(help, stdout);
            return 0;
        }
        if (id == CLI_OPERAND) {
            argv[sources++] = value;
        } else if (!take_flag(args, id) && !take_value(args, id, value)) {
            (void)fprintf(stderr, "penstock: %s does not take `%s`\n", parser.last, value);
            return 2;
        }
    }
    if (sources == 0) {
        (void)fputs(help, stderr);
        return 2;
    }
    args->options.sources = (const char *const *)argv;
    args->options.source_count = (uint32_t)sources;
    return -1;
}

/* ---- the summary ---- */

static void time_text(int64_t ns, char out[PEN_TIME_MAX])
{
    out[0] = '\0';
    if (ns != 0) {
        (void)pen_format_time(ns, out);
    }
}

static void print_types(const struct pen_replay_result *r)
{
    bool first = true;
    for (uint32_t i = 0; i < r->type_count; i++) {
        const struct pen_type_totals *t = &r->by_type[i];
        if (t->objects > 0) {
            (void)printf("%s\"%s\":{\"objects\":%" PRIu64 ",\"records\":%" PRIu64
                         ",\"dead\":%" PRIu64 "}",
                         first ? "" : ",", t->name, t->objects, t->records, t->dead);
            first = false;
        }
    }
}

static void print_json(const struct pen_replay_result *r)
{
    const struct pen_totals *t = &r->totals;
    char first[PEN_TIME_MAX];
    char last[PEN_TIME_MAX];
    time_text(t->time_first_ns, first);
    time_text(t->time_last_ns, last);
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"status\":\"%s\",\"job\":\"%s\",\"shards\":%u,"
                 "\"objects\":{\"listed\":%" PRIu64 ",\"pruned\":%" PRIu64 ",\"read\":%" PRIu64
                 ",\"empty\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"unknown\":%" PRIu64
                 ",\"unreadable\":%" PRIu64 ",\"digest\":%" PRIu64 ",\"skipped\":%" PRIu64 "},",
                 r->status, r->job, r->shards, t->objects_listed, t->objects_pruned,
                 t->objects_read, t->objects_empty, t->objects_damaged, t->objects_unknown,
                 t->objects_unreadable, t->objects_digest, r->skipped);
    (void)printf("\"bytes\":{\"read\":%" PRIu64 ",\"plain\":%" PRIu64 ",\"shipped\":%" PRIu64
                 "},\"records\":{\"in\":%" PRIu64 ",\"delivered\":%" PRIu64
                 ",\"duplicate\":0,\"excluded\":0,\"filtered\":%" PRIu64 ",\"dead\":%" PRIu64
                 ",\"held\":%" PRIu64 "},\"by_type\":{",
                 t->bytes_read, t->bytes_plain, t->bytes_shipped, t->records_in,
                 t->records_delivered, t->records_filtered, t->records_dead, t->records_held);
    print_types(r);
    (void)printf("},\"event_time\":{\"first\":\"%s\",\"last\":\"%s\"},\"accounts\":%u,"
                 "\"regions\":%u,\"rules\":{\"loaded\":%u,\"rejected\":%u},\"matches\":%" PRIu64
                 ",\"signals\":{\"opened\":%" PRIu64 ",\"by_severity\":{",
                 first, last, r->accounts, r->regions, r->rules_loaded, r->rules_rejected,
                 t->matches, r->signals_opened);
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        (void)printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                     pen_severity_name((enum pen_severity)i), r->signals_by_severity[i]);
    }
    (void)printf("}},\"gaps\":[");
    for (uint32_t i = 0; i < r->gap_count; i++) {
        (void)printf("%s{\"cause\":\"%s\",\"account\":\"%s\",\"count\":%" PRIu64 "}",
                     i == 0 ? "" : ",", r->gaps[i].cause, r->gaps[i].account, r->gaps[i].count);
    }
    (void)printf("],\"bound_by\":\"%s\",\"seconds\":{\"wall\":%.3f,\"cpu\":%.3f},"
                 "\"rss_bytes_max\":%" PRIu64 "}\n",
                 r->cpu_s > 0.7 * r->wall_s * r->shards ? "cpu" : "storage", r->wall_s, r->cpu_s,
                 r->rss_bytes_max);
}

static void print_table(const struct pen_replay_result *r, const char *out)
{
    const struct pen_totals *t = &r->totals;
    char first[PEN_TIME_MAX];
    char last[PEN_TIME_MAX];
    time_text(t->time_first_ns, first);
    time_text(t->time_last_ns, last);
    (void)printf("\n%-10s %s, %.1f s, %.0f records/s, %.0f MB/s\n", "run", r->status, r->wall_s,
                 (double)t->records_in / r->wall_s, (double)t->bytes_plain / 1e6 / r->wall_s);
    (void)printf("%-10s %" PRIu64 " read, %" PRIu64 " empty, %" PRIu64 " damaged, %" PRIu64
                 " unknown, %" PRIu64 " unreadable\n",
                 "objects", t->objects_read, t->objects_empty, t->objects_damaged,
                 t->objects_unknown, t->objects_unreadable);
    (void)printf(
        "%-10s %" PRIu64 " in = %" PRIu64 " delivered + %" PRIu64 " filtered + %" PRIu64 " dead\n",
        "records", t->records_in, t->records_delivered, t->records_filtered, t->records_dead);
    (void)printf("%-10s %s to %s, %u accounts, %u regions\n", "events", first, last, r->accounts,
                 r->regions);
    (void)printf("%-10s %u rules, %" PRIu64 " matches\n", "detection", r->rules_loaded, t->matches);
    (void)printf("%-10s", "signals");
    for (int i = PEN_CRITICAL; i >= 0; i--) {
        (void)printf(" %s %" PRIu64, pen_severity_name((enum pen_severity)i),
                     r->signals_by_severity[i]);
    }
    (void)printf("\n\nlook further:\n"
                 "  penstock signals list --out %s\n"
                 "  zstd -dc %s/documents/*.zst | head -n 1\n",
                 out, out);
}

static int exit_code(const struct args *args, const struct pen_replay_result *r)
{
    if (strcmp(r->status, "stopped") == 0) {
        return 6;
    }
    for (int i = args->fail_on; i >= 0 && i <= PEN_CRITICAL; i++) {
        if (r->signals_by_severity[i] > 0) {
            return 8;
        }
    }
    const bool has_gap =
        r->gap_count > 0 || r->rules_rejected > 0 ||
        (args->strict && r->totals.objects_damaged + r->totals.objects_unknown > 0);
    return has_gap && !args->allow_gaps ? 7 : 0;
}

static void on_interrupt(int number)
{
    (void)number;
    pen_replay_interrupt();
}

static char *command_line(int argc, char **argv)
{
    char *line = NULL;
    for (int i = 0; i < argc; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s%s%s", line == NULL ? "penstock" : line, " ", argv[i]) < 0) {
            longer = NULL;
        }
        free(line);
        line = longer;
        if (line == NULL) {
            break;
        }
    }
    return line;
}

int cmd_replay(int argc, char **argv)
{
    struct args args = {.fail_on = -1};
    args.options = (struct pen_replay_options){.out_dir = "penstock-out",
                                               .from_ns = INT64_MIN,
                                               .to_ns = INT64_MAX,
                                               .ingested_ns = INT64_MIN,
                                               .slack_ns = PEN_NS_PER_DAY,
                                               .keep_alive_ns = 3600 * PEN_NS_PER_S,
                                               .commit_ns = 5 * PEN_NS_PER_S,
                                               .mailbox_capacity = 1024,
                                               .level = 1,
                                               .is_terminal = isatty(STDERR_FILENO) == 1};
    char *line = command_line(argc, argv);
    const int usage = args_read(&args, argc, argv);
    if (usage >= 0) {
        free(line);
        return usage;
    }
    struct pen_replay_options *o = &args.options;
    o->command_line = line == NULL ? "" : line;
    o->accounts = args.lists[0];
    o->account_count = args.counts[0];
    o->not_accounts = args.lists[1];
    o->not_account_count = args.counts[1];
    o->regions = args.lists[2];
    o->region_count = args.counts[2];
    o->not_regions = args.lists[3];
    o->not_region_count = args.counts[3];
    if (o->rules.path_count == 0 && !args.no_rules) {
        (void)rule_add(&args, "builtin");
    }
    o->rules.paths = args.rules;
    struct pen_err err = {0};
    struct pen_replay_result result = {.status = "failed"};
    const struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    pen_status st = pen_host_check((uint64_t)256 << 20, &err);
    if (st == PEN_OK) {
        st = pen_replay(o, &result, &err);
    }
    free(line);
    if (st != PEN_OK) {
        return cli_fail(&err);
    }
    if (args.json) {
        print_json(&result);
    } else {
        print_table(&result, o->out_dir);
    }
    return exit_code(&args, &result);
}
