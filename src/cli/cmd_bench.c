/* tested by tests/e2e/test_replay.py */
#include "penstock/bench.h"

#include "cli.h"

#include <inttypes.h>
#include <stdio.h>

static int usage(FILE *to, int code)
{
    (void)fputs(
        "penstock bench limit DIR [--rules N|PATH] [--rounds 7] [--bytes 64MiB] [--json]\n"
        "  the pipeline on one core against the bare libraries, in turn, for the objects of DIR;\n"
        "  then two shards against one\n"
        "penstock bench limit --types all|TYPE,... [--rounds 7] [--bytes 16MiB] [--json]\n"
        "  the same for text logs, on lines that are made up: over inflate, id hash and gzip\n"
        "penstock bench stages DIR [the same options]\n"
        "  what each stage of the pipeline costs, in ms a MB of plain bytes; and enrichment with\n"
        "  tables that are made up, a million threat indicators among them\n"
        "penstock bench rules DIR [--counts 50,300,1000,5000] [--rounds 5] [--bytes 32MiB] "
        "[--json]\n"
        "  what more rules cost, and what starting with them costs\n"
        "penstock bench rules --rules PATH [SOURCE...] [--top 20] [--json]\n"
        "  what each rule and each predicate costs: how often it starts and matches, time in each\n"
        "penstock bench s3 s3://bucket[/prefix]\n"
        "  how fast an endpoint serves objects, by requests in flight, to us and to libcurl\n"
        "penstock bench sink URL\n"
        "  how fast a cluster takes documents, by size of requests and how many are in flight\n"
        "penstock bench generate --out DIR [--shape organisation|tiny|huge] [--bytes 64MiB]\n"
        "                        [--accounts 12] [--regions 4] [--days 7] [--seed 1]\n"
        "                        [--first-day 2025-03-01]\n"
        "  writes CloudTrail objects below DIR/AWSLogs, with an attack planted among them;\n"
        "  DIR/expected.json lists what was planted\n",
        to);
    return code;
}

static bool take(struct pen_generate_options *o, const char *name, const char *value)
{
    static const char *const shapes[] = {"organisation", "tiny", "huge"};
    const pen_slice text = pen_slice_str(value);
    uint64_t number = 0;
    if (strcmp(name, "--out") == 0) {
        o->dir = value;
        return true;
    }
    if (strcmp(name, "--bytes") == 0) {
        return pen_parse_size(text, &o->plain_bytes);
    }
    if (strcmp(name, "--first-day") == 0) {
        return pen_parse_time(text, &o->first_day_ns);
    }
    for (uint32_t i = 0; strcmp(name, "--shape") == 0 && i < PEN_COUNT(shapes); i++) {
        if (strcmp(value, shapes[i]) == 0) {
            o->shape = (enum pen_generate_shape)i;
            return true;
        }
    }
    if (strcmp(name, "--seed") == 0) {
        return pen_parse_u64(text, &o->seed);
    }
    struct {
        const char *name;
        uint32_t *value;
    } const counts[] = {
        {"--accounts", &o->accounts}, {"--regions", &o->regions}, {"--days", &o->days}};
    for (size_t i = 0; i < PEN_COUNT(counts); i++) {
        if (strcmp(name, counts[i].name) == 0 && pen_parse_u64(text, &number) &&
            number <= UINT32_MAX) {
            *counts[i].value = (uint32_t)number;
            return true;
        }
    }
    return false;
}

static int generate(int argc, char **argv)
{
    struct pen_generate_options options = {.seed = 1,
                                           .accounts = 12,
                                           .regions = 4,
                                           .days = 7,
                                           .first_day_ns =
                                               pen_days_from_civil(2025, 3, 1) * PEN_NS_PER_DAY,
                                           .plain_bytes = (uint64_t)64 << 20};
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc || !take(&options, argv[i], argv[i + 1])) {
            (void)fprintf(stderr,
                          "penstock: bench generate does not take `%s%s%s`; penstock bench "
                          "--help lists its options\n",
                          argv[i], i + 1 == argc ? "" : " ", i + 1 == argc ? "" : argv[i + 1]);
            return 2;
        }
    }
    if (options.dir == NULL) {
        (void)fputs("penstock: bench generate wants --out DIR: where the objects go\n", stderr);
        return 2;
    }
    struct pen_generate_result made = {0};
    struct pen_err err = {0};
    if (pen_bench_generate(&options, &made, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    (void)printf("%" PRIu64 " objects, %" PRIu64
                 " records, %.1f MB plain, %.1f MB stored, %u planted "
                 "events below %s\n",
                 made.objects, made.records, (double)made.plain_bytes / 1e6,
                 (double)made.packed_bytes / 1e6, made.planted, options.dir);
    return 0;
}

int cmd_bench(int argc, char **argv)
{
    const pen_slice what = pen_slice_str(argc < 2 ? "" : argv[1]);
    const bool wants_help =
        pen_slice_eq(what, PEN_SLICE_LIT("--help")) || (argc > 2 && strcmp(argv[2], "--help") == 0);
    if (pen_slice_eq(what, PEN_SLICE_LIT("s3"))) {
        return cmd_bench_s3(argc - 1, argv + 1);
    }
    if (pen_slice_eq(what, PEN_SLICE_LIT("sink"))) {
        return cmd_bench_sink(argc - 1, argv + 1);
    }
    for (int i = 2; i < argc && pen_slice_eq(what, PEN_SLICE_LIT("rules")); i++) {
        if (strcmp(argv[i], "--rules") == 0 || strncmp(argv[i], "--rules=", 8) == 0 ||
            strcmp(argv[i], "--help") == 0) {
            return cmd_bench_by_rule(argc - 1, argv + 1);
        }
    }
    if (wants_help) {
        return usage(stdout, 0);
    }
    if (pen_slice_eq(what, PEN_SLICE_LIT("generate"))) {
        return generate(argc, argv);
    }
    for (int i = 2; i < argc && pen_slice_eq(what, PEN_SLICE_LIT("limit")); i++) {
        if (strcmp(argv[i], "--types") == 0) {
            return cmd_bench_text(argc, argv);
        }
    }
    if (pen_slice_eq(what, PEN_SLICE_LIT("limit")) || pen_slice_eq(what, PEN_SLICE_LIT("stages"))) {
        return cmd_bench_limit(argc, argv);
    }
    if (pen_slice_eq(what, PEN_SLICE_LIT("rules"))) {
        return cmd_bench_rules(argc, argv);
    }
    if (what.len == 0) {
        return usage(stderr, 2);
    }
    (void)fprintf(stderr, "penstock: no command `bench %s`; penstock bench --help lists them\n",
                  argv[1]);
    return 2;
}
