/* tested by tests/e2e/test_coverage.py */
#include "config.h"
#include "coverage.h"
#include "told.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECTED_MAX 100000U
#define ACCOUNT_DIGITS 12U
#define FILE_BYTES_MAX ((size_t)64 << 20)

static const char help[] =
    "penstock coverage [options] SOURCE...   what is there, by listing alone\n"
    "\n"
    "  --expect FILE        accounts that should be there: every number of 12 digits in the file\n"
    "  --days               a line for every day, not only for account and region\n"
    "  --json               one document: groups with their days and the days that are missing\n"
    "  --from T, --to T     2025-01-31, RFC 3339, -7d, now, today;  --on DAY\n"
    "  --accounts A,B --regions R,S --types T   only these (@FILE: from a file); --not-...: none\n"
    "  --types-dir DIR      type files of your own\n"
    "  --endpoint-url, --s3-path-style, --s3-region, --ca, --profile, --role-arn, --external-id,\n"
    "  --request-payer      of s3://bucket[/prefix], as in the AWS CLI; only listings are asked "
    "for\n"
    "  --allow-gaps         exit 0 also with gaps\n"
    "\n"
    "A day is missing when a type has no object for it in an account and region: from the first\n"
    "day there (or --from) to the last day that the type has anywhere (or --to).  An account\n"
    "without activity has no objects: missing days are to be looked at, not an error.\n"
    "Exit: 0 done, 2 usage, 7 an expected account was never seen, or a folder cannot be listed.\n";

enum coverage_option { OPT_EXPECT = 1, OPT_DAYS, OPT_JSON, OPT_DIR, OPT_ALLOW_GAPS, OPT_HELP };
static const struct cli_option options[] = {
    {"--expect", OPT_EXPECT, true}, {"--days", OPT_DAYS, false},
    {"--json", OPT_JSON, false},    {"--types-dir", OPT_DIR, true},
    {"--help", OPT_HELP, false},    {"--allow-gaps", OPT_ALLOW_GAPS, false},
    {"-h", OPT_HELP, false},        {NULL, 0, false}};

struct run {
    struct pen_replay_options options;
    struct cli_pick pick;
    struct coverage coverage;
    struct pen_survey_totals totals;
    const char **sources;
    const char *expect;
    char (*expected)[ACCOUNT_DIGITS + 1]; /* sorted, each once */
    bool *is_seen;
    uint32_t expected_count, unseen_count;
    bool json, days, allow_gaps, wants_help;
};

/* ---- expected accounts ---- */

static int account_order(const void *a, const void *b)
{
    return memcmp(a, b, ACCOUNT_DIGITS);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static void expected_find(struct run *run, pen_slice text)
{
    for (size_t i = 0; i < text.len && run->expected_count < EXPECTED_MAX;) {
        size_t end = i;
        while (end < text.len && is_digit(text.ptr[end])) {
            end++;
        }
        if (end - i == ACCOUNT_DIGITS) {
            memcpy(run->expected[run->expected_count++], text.ptr + i, ACCOUNT_DIGITS);
        }
        i = end + 1;
    }
    if (run->expected_count > 0) {
        qsort(run->expected, run->expected_count, sizeof(*run->expected), account_order);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < run->expected_count; i++) {
        if (i == 0 || strcmp(run->expected[i], run->expected[kept - 1]) != 0) {
            memmove(run->expected[kept++], run->expected[i], sizeof(*run->expected));
        }
    }
    run->expected_count = kept;
}

static bool expected_read(struct run *run)
{
    FILE *file = fopen(run->expect, "re");
    uint8_t *text = malloc(FILE_BYTES_MAX);
    run->expected = calloc(EXPECTED_MAX, sizeof(*run->expected));
    run->is_seen = calloc(EXPECTED_MAX, sizeof(*run->is_seen));
    PEN_CHECK(text != NULL && run->expected != NULL && run->is_seen != NULL);
    const int error = errno;
    if (file != NULL) {
        const size_t len = fread(text, 1, FILE_BYTES_MAX, file);
        (void)fclose(file);
        expected_find(run, (pen_slice){text, len});
    }
    free(text);
    if (file == NULL || run->expected_count == 0) {
        (void)fprintf(stderr, "penstock: --expect %s: %s\n", run->expect,
                      file == NULL ? strerrordesc_np(error) : "no number of 12 digits in it");
        return false;
    }
    return true;
}

static void expected_mark(struct run *run)
{
    const struct coverage *c = &run->coverage;
    run->unseen_count = run->expected_count;
    for (uint32_t i = 0; i < c->count; i = coverage_group_end(c, i)) {
        const char(*found)[ACCOUNT_DIGITS + 1] =
            run->expected_count == 0
                ? NULL
                : bsearch(c->cells[i].account, run->expected, run->expected_count,
                          sizeof(*run->expected), account_order);
        if (found != NULL && !run->is_seen[found - run->expected]) {
            run->is_seen[found - run->expected] = true;
            run->unseen_count--;
        }
    }
}

/* ---- listing ---- */

static pen_status on_object(void *ctx, const struct pen_object *object,
                            const struct pen_key_info *key)
{
    struct run *run = ctx;
    return coverage_add(&run->coverage, object, key);
}

static void on_folder(void *ctx, const struct pen_err *err)
{
    (void)ctx;
    (void)fputs("penstock: cannot read folder ", stderr);
    cli_words_escaped(pen_slice_str(err->text));
}

/* ---- table ---- */

static void print_gaps(const struct coverage *c, uint32_t first)
{
    uint32_t at = first;
    int32_t from = 0;
    int32_t to = 0;
    const char *before = "  missing ";
    while (coverage_gap(c, first, &at, &from, &to)) {
        char a[16];
        char b[16];
        coverage_day(from, a);
        coverage_day(to, b);
        (void)printf("%s%s%s%s", before, a, from == to ? "" : "..", from == to ? "" : b);
        before = ", ";
    }
    (void)puts("");
}

static void print_group(const struct run *run, uint32_t first, uint32_t end)
{
    const struct coverage *c = &run->coverage;
    const struct coverage_cell *cell = &c->cells[first];
    uint64_t objects = 0;
    uint64_t bytes = 0;
    char from[16];
    char to[16];
    coverage_day(cell->day == COVERAGE_NO_DAY && end > first + 1 ? cell[1].day : cell->day, from);
    coverage_day(c->cells[end - 1].day, to);
    for (uint32_t i = first; i < end; i++) {
        objects += c->cells[i].objects;
        bytes += c->cells[i].bytes;
    }
    (void)printf("%-14s %-12s %-14s %10s..%-10s %9" PRIu64 " %11.1f", c->types[cell->type],
                 cell->account[0] == '\0' ? "-" : cell->account,
                 cell->region[0] == '\0' ? "-" : cell->region, from, to, objects,
                 (double)bytes / 1e6);
    print_gaps(c, first);
    for (uint32_t i = first; run->days && i < end; i++) {
        coverage_day(c->cells[i].day, from);
        (void)printf("%-42s %-22s %9" PRIu64 " %11.1f\n", "", from, c->cells[i].objects,
                     (double)c->cells[i].bytes / 1e6);
    }
}

static void print_table(const struct run *run)
{
    const struct coverage *c = &run->coverage;
    (void)printf("%-14s %-12s %-14s %-22s %9s %11s\n", "type", "account", "region", "days",
                 "objects", "MB");
    for (uint32_t i = 0; i < c->count;) {
        const uint32_t end = coverage_group_end(c, i);
        print_group(run, i, end);
        i = end;
    }
    (void)printf("%-65s %9" PRIu64 " %11.1f\n", "in all", c->objects, (double)c->bytes / 1e6);
    if (c->digests > 0) {
        (void)printf("%-65s %9" PRIu64 "\n", "digest files of CloudTrail", c->digests);
    }
    for (uint32_t i = 0; i < run->expected_count; i++) {
        if (!run->is_seen[i]) {
            (void)printf("never seen     %s\n", run->expected[i]);
        }
    }
}

/* ---- JSON ---- */

static void json_gaps(const struct coverage *c, uint32_t first)
{
    uint32_t at = first;
    int32_t from = 0;
    int32_t to = 0;
    const char *comma = "";
    (void)printf("\"missing\":[");
    while (coverage_gap(c, first, &at, &from, &to)) {
        char a[16];
        char b[16];
        coverage_day(from, a);
        coverage_day(to, b);
        (void)printf("%s{\"from\":\"%s\",\"to\":\"%s\",\"days\":%d}", comma, a, b, to - from + 1);
        comma = ",";
    }
    (void)printf("]");
}

static void json_group(const struct coverage *c, uint32_t first, uint32_t end)
{
    const struct coverage_cell *cell = &c->cells[first];
    char day[16];
    (void)printf("%s{\"type\":\"%s\",\"account\":\"%s\",\"region\":\"%s\",\"days\":[",
                 first == 0 ? "" : ",", c->types[cell->type], cell->account, cell->region);
    for (uint32_t i = first; i < end; i++) {
        coverage_day(c->cells[i].day, day);
        (void)printf("%s{\"day\":\"%s\",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
                     i == first ? "" : ",", c->cells[i].day == COVERAGE_NO_DAY ? "" : day,
                     c->cells[i].objects, c->cells[i].bytes);
    }
    (void)printf("],");
    json_gaps(c, first);
    (void)printf("}");
}

static void print_json(const struct run *run)
{
    const struct coverage *c = &run->coverage;
    const char *comma = "";
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"digests\":%" PRIu64 ",\"pruned\":%" PRIu64 ",\"skipped\":%" PRIu64
                 ",\"folders_unreadable\":%" PRIu64 ",\"groups\":[",
                 c->objects, c->bytes, c->digests, run->totals.pruned, run->totals.skipped,
                 run->totals.folders_unreadable);
    for (uint32_t i = 0; i < c->count;) {
        const uint32_t end = coverage_group_end(c, i);
        json_group(c, i, end);
        i = end;
    }
    (void)printf("],\"never_seen\":[");
    for (uint32_t i = 0; i < run->expected_count; i++) {
        if (!run->is_seen[i]) {
            (void)printf("%s\"%s\"", comma, run->expected[i]);
            comma = ",";
        }
    }
    (void)puts("]}");
}

/* ---- the whole ---- */

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    struct pen_err err = {0};
    switch (id) {
    case CLI_OPERAND:
        if (strcmp(value, "-") == 0) {
            (void)fputs("penstock: coverage lists folders, files and buckets, not `-`\n", stderr);
            return false;
        }
        if (config_source_check(value, &err) != PEN_OK) {
            (void)cli_fail(&err);
            return false;
        }
        run->sources[run->options.source_count++] = value;
        return true;
    case OPT_EXPECT:
        run->expect = value;
        return true;
    case OPT_DIR:
        run->options.types_dir = value;
        return true;
    default:
        run->days |= id == OPT_DAYS;
        run->json |= id == OPT_JSON;
        run->allow_gaps |= id == OPT_ALLOW_GAPS;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

static int survey(struct run *run)
{
    struct pen_err err = {0};
    const struct pen_survey_calls calls = {
        .on_object = on_object, .on_folder = on_folder, .ctx = run};
    if (run->expect != NULL && !expected_read(run)) {
        return 2;
    }
    run->options.sources = run->sources;
    run->options.out_dir = "";
    cli_pick_apply_replay(&run->pick, &run->options);
    coverage_init(&run->coverage, run->pick.from_ns, run->pick.to_ns);
    if (pen_survey(&run->options, &calls, &run->totals, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    coverage_sort(&run->coverage);
    expected_mark(run);
    if (run->json) {
        print_json(run);
    } else {
        print_table(run);
    }
    const bool has_gap = run->unseen_count > 0 || run->totals.folders_unreadable > 0;
    return has_gap && !run->allow_gaps ? 7 : 0;
}

int cmd_coverage(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    run->sources = calloc((size_t)argc + 1, sizeof(char *));
    PEN_CHECK(run->sources != NULL);
    cli_pick_init(&run->pick);
    struct cli_parser parser = {.command = "coverage",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, cli_pick_options, cli_s3_options},
                                .pick = &run->pick,
                                .s3 = &run->options.s3,
                                .at = 1};
    const bool is_good = cli_read(&parser, take, run);
    int code = 2;
    if (is_good && run->wants_help) {
        (void)fputs(help, stdout);
        code = 0;
    } else if (is_good && run->options.source_count == 0) {
        (void)fputs(help, stderr);
    } else if (is_good && cli_pick_done(&run->pick)) {
        code = survey(run);
    }
    coverage_fini(&run->coverage);
    cli_pick_fini(&run->pick);
    free(run->expected);
    free(run->is_seen);
    free((void *)run->sources);
    free(run);
    return code;
}
