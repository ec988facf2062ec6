/* tested by tests/e2e/test_bench.py */
#include "penstock/bench.h"
#include "penstock/runtime.h"

#include "bench_files.h"
#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define RULES_DEFAULT 300U
#define COUNTS_MAX 16U
#define SPEEDUP_ROUNDS_MAX 5U

struct bench_args {
    const char *dir;
    const char *rules; /* a count or a path */
    uint32_t counts[COUNTS_MAX];
    uint32_t count_count;
    uint32_t rounds;
    uint64_t bytes;
    bool json;
};

static bool take_counts(struct bench_args *args, const char *value)
{
    pen_slice rest = pen_slice_str(value);
    pen_slice one;
    args->count_count = 0;
    while (pen_slice_split(&rest, ',', &one)) {
        uint64_t n = 0;
        if (args->count_count == COUNTS_MAX || !pen_parse_u64(one, &n) || n == 0 ||
            n > PEN_BENCH_RULES_MAX) {
            return false;
        }
        args->counts[args->count_count++] = (uint32_t)n;
    }
    return args->count_count > 0;
}

static bool take_value(struct bench_args *args, const char *name, const char *value)
{
    uint64_t n = 0;
    if (strcmp(name, "--rules") == 0) {
        args->rules = value;
        return true;
    }
    if (strcmp(name, "--counts") == 0) {
        return take_counts(args, value);
    }
    if (strcmp(name, "--bytes") == 0) {
        return pen_parse_size(pen_slice_str(value), &args->bytes) && args->bytes > 0;
    }
    if (strcmp(name, "--rounds") == 0 && pen_parse_u64(pen_slice_str(value), &n) && n > 0 &&
        n <= PEN_LIMIT_ROUNDS_MAX) {
        args->rounds = (uint32_t)n;
        return true;
    }
    return false;
}

static bool parse(int argc, char **argv, struct bench_args *args)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            args->json = true;
        } else if (strncmp(argv[i], "--", 2) != 0 && args->dir == NULL) {
            args->dir = argv[i];
        } else if (i + 1 < argc && take_value(args, argv[i], argv[i + 1])) {
            i++;
        } else {
            (void)fprintf(stderr, "penstock: bench %s does not take `%s`\n", argv[1], argv[i]);
            return false;
        }
    }
    if (args->dir == NULL) {
        (void)fprintf(stderr,
                      "penstock: bench %s wants a folder of CloudTrail objects; "
                      "`penstock bench generate --out DIR` makes one\n",
                      argv[1]);
    }
    return args->dir != NULL;
}

/* ---- rules and the program of them ---- */

struct bench_rules {
    char dir[256];
    char rules[272]; /* generated */
    const char *path;
};

static pen_status rules_begin(const char *rules, struct bench_rules *out, struct pen_err *err)
{
    uint64_t count = 0;
    PEN_TRY(bench_folder_make(out->dir, sizeof(out->dir), err));
    (void)snprintf(out->rules, sizeof(out->rules), "%s/rules", out->dir);
    out->path = rules;
    if (pen_parse_u64(pen_slice_str(rules), &count) && count <= PEN_BENCH_RULES_MAX) {
        out->path = out->rules;
        if (mkdir(out->rules, 0700) != 0) {
            return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s cannot be made", out->rules);
        }
        return pen_bench_rules(out->rules, (uint32_t)count, 1, err);
    }
    return PEN_OK;
}

static void rules_end(const struct bench_rules *rules)
{
    (void)bench_tree_remove(rules->dir); /* compiled patterns too */
}

static pen_status program_of(const struct bench_rules *rules,
                             const struct pen_enrich_options *enrich, struct pen_program **program,
                             struct pen_err *err)
{
    struct pen_program_options options = {.rules = {.paths = &rules->path, .path_count = 1},
                                          .cache_dir = rules->dir};
    if (enrich != NULL) {
        options.enrich = *enrich;
    }
    PEN_TRY(pen_program_new(&options, program, err));
    if (pen_rules_rejected((*program)->rules) > 0) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET,
                        "bench: %u rules were rejected; `penstock rules check %s` tells why",
                        pen_rules_rejected((*program)->rules), rules->path);
    }
    return PEN_OK;
}

/* ---- limit ---- */

static double per_core(uint64_t amount, double seconds)
{
    return seconds > 0 ? (double)amount / seconds : 0;
}

/* What all tables add to a document. */
static double enriching_s(const struct pen_enriching *e)
{
    return e->enriched.median - e->plain.median;
}

static void print_enriching_json(const struct pen_enriching *e)
{
    (void)printf(",\"enrich\":{\"pipeline_s\":%.6f,\"plain_s\":%.6f,\"plain_spread_s\":%.6f,"
                 "\"enriched_s\":%.6f,\"enriched_spread_s\":%.6f,\"indicators\":%" PRIu64
                 ",\"table_bytes\":%" PRIu64 ",\"look_ns\":{",
                 enriching_s(e), e->plain.median, e->plain.spread, e->enriched.median,
                 e->enriched.spread, e->indicators, e->table_bytes);
    for (uint32_t i = 0; i < PEN_LOOKS; i++) {
        (void)printf("%s\"%s\":%.1f", i == 0 ? "" : ",", pen_look_name((enum pen_look)i),
                     e->look_ns[i]);
    }
    (void)printf("}}");
}

static void print_enriching(const struct pen_enriching *e)
{
    (void)printf("\nenrichment (places, systems, assets, %" PRIu64
                 " indicators; %.0f MB of tables)\n  look-ups of new values:",
                 e->indicators, (double)e->table_bytes / 1e6);
    for (uint32_t i = 0; i < PEN_LOOKS; i++) {
        (void)printf("%s %s %.0f ns", i == 0 ? "" : ",", pen_look_name((enum pen_look)i),
                     e->look_ns[i]);
    }
    (void)printf("\n");
}

static void print_json(const struct pen_limit_result *r, double speedup,
                       const struct pen_enriching *enriching)
{
    (void)printf("{\"objects\":%" PRIu64 ",\"records\":%" PRIu64 ",\"stored_bytes\":%" PRIu64
                 ",\"plain_bytes\":%" PRIu64 ",\"scanned_bytes\":%" PRIu64
                 ",\"body_bytes\":%" PRIu64 ",\"stages\":[",
                 r->objects, r->records, r->stored_bytes, r->plain_bytes, r->scanned_bytes,
                 r->body_bytes);
    for (uint32_t s = 0; s < PEN_LIMIT_STAGES; s++) {
        (void)printf("%s{\"stage\":\"%s\",\"library_s\":%.6f,\"library_spread_s\":%.6f,"
                     "\"pipeline_s\":%.6f,\"pipeline_spread_s\":%.6f}",
                     s == 0 ? "" : ",", pen_limit_stage_name((enum pen_limit_stage)s),
                     r->library[s].median, r->library[s].spread, r->stage[s].median,
                     r->stage[s].spread);
    }
    (void)printf(
        "],\"inflate\":\"%s\",\"igzip_s\":%.6f,\"libdeflate_s\":%.6f,"
        "\"ratio_read_detect\":%.3f,\"ratio_read_detect_spread\":%.3f,"
        "\"ratio_read_detect_ship\":%.3f,\"ratio_read_detect_ship_spread\":%.3f,"
        "\"mb_s_core\":%.1f,\"records_s_core\":%.0f,"
        "\"mb_s_core_ship\":%.1f,\"records_s_core_ship\":%.0f",
        r->inflate_is_igzip ? "igzip" : "libdeflate", r->igzip.median, r->libdeflate.median,
        r->ratio_detect.median, r->ratio_detect.spread, r->ratio_ship.median, r->ratio_ship.spread,
        per_core(r->plain_bytes, r->detect.median) / 1e6, per_core(r->records, r->detect.median),
        per_core(r->plain_bytes, r->ship.median) / 1e6, per_core(r->records, r->ship.median));
    if (r->allocated_bytes != UINT64_MAX) {
        (void)printf(",\"allocated_bytes_per_record\":%.4f",
                     (double)r->allocated_bytes / (double)r->records);
    }
    if (speedup > 0) {
        (void)printf(",\"shards_speedup\":%.3f", speedup);
    }
    if (enriching->records > 0) {
        print_enriching_json(enriching);
    }
    (void)printf("}\n");
}

static void print_table(const struct pen_limit_result *r, double speedup,
                        const struct pen_enriching *enriching)
{
    const double mb = (double)r->plain_bytes / 1e6;
    (void)printf("%" PRIu64 " objects, %" PRIu64
                 " records, %.1f MB plain, %.1f MB scanned, %.1f MB "
                 "of bodies\n\n%-10s %14s %14s   ms a MB of plain bytes, medians\n",
                 r->objects, r->records, mb, (double)r->scanned_bytes / 1e6,
                 (double)r->body_bytes / 1e6, "stage", "library", "pipeline");
    for (uint32_t s = 0; s < PEN_LIMIT_STAGES; s++) {
        (void)printf("%-10s %14.3f %14.3f\n", pen_limit_stage_name((enum pen_limit_stage)s),
                     r->library[s].median * 1e3 / mb, r->stage[s].median * 1e3 / mb);
    }
    if (enriching->records > 0) { /* beside the others: they are without it */
        (void)printf("%-10s %14s %14.3f\n", "enrich", "-", enriching_s(enriching) * 1e3 / mb);
    }
    (void)printf("\ninflate: igzip %.3f, libdeflate %.3f\n", r->igzip.median * 1e3 / mb,
                 r->libdeflate.median * 1e3 / mb);
    (void)printf("read to detect          %.2f times the libraries (spread %.2f), %.0f MB/s and "
                 "%.0f records/s a core\n",
                 r->ratio_detect.median, r->ratio_detect.spread,
                 per_core(r->plain_bytes, r->detect.median) / 1e6,
                 per_core(r->records, r->detect.median));
    (void)printf("with document and gzip  %.2f times the libraries (spread %.2f), %.0f MB/s and "
                 "%.0f records/s a core\n",
                 r->ratio_ship.median, r->ratio_ship.spread,
                 per_core(r->plain_bytes, r->ship.median) / 1e6,
                 per_core(r->records, r->ship.median));
    if (r->allocated_bytes != UINT64_MAX) {
        (void)printf("allocated by malloc     %.4f bytes a record\n",
                     (double)r->allocated_bytes / (double)r->records);
    }
    if (speedup > 0) {
        (void)printf("two shards              %.2f times one\n", speedup);
    }
    if (enriching->records > 0) {
        print_enriching(enriching);
    }
}

/* One whole replay into the null sink; its wall time. */
static pen_status replay(const struct bench_args *args, const struct bench_rules *rules,
                         uint32_t shards, double *seconds, struct pen_err *err)
{
    char out[272];
    struct pen_replay_result result = {0};
    (void)snprintf(out, sizeof(out), "%s/out", rules->dir);
    struct pen_replay_options options = {.sources = &args->dir,
                                         .source_count = 1,
                                         .out_dir = out,
                                         .command_line = "bench",
                                         .rules = {.paths = &rules->path, .path_count = 1},
                                         .cache_dir = rules->dir,
                                         .sink = PEN_SINK_NULL,
                                         .fresh = true,
                                         .no_progress = true,
                                         .log_level = PEN_LOG_ERROR,
                                         .from_ns = INT64_MIN,
                                         .to_ns = INT64_MAX};
    settings_defaults(&options);
    options.shards = shards;
    const pen_status status = pen_replay(&options, &result, err);
    *seconds = result.work_s;
    free(result.left_out);
    if (!bench_tree_remove(out) && status == PEN_OK) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s cannot be removed", out);
    }
    return status;
}

/* In turn, so that a noisy neighbour is noise for both. */
static pen_status speedup_of(const struct bench_args *args, const struct bench_rules *rules,
                             double *speedup, struct pen_err *err)
{
    double best[2] = {1e30, 1e30};
    const uint32_t rounds = args->rounds < SPEEDUP_ROUNDS_MAX ? args->rounds : SPEEDUP_ROUNDS_MAX;
    for (uint32_t i = 0; i < 2 * rounds; i++) {
        double seconds = 0;
        PEN_TRY(replay(args, rules, 1 + i % 2, &seconds, err));
        best[i % 2] = seconds < best[i % 2] ? seconds : best[i % 2];
    }
    *speedup = best[0] / best[1];
    return PEN_OK;
}

/* What tables cost, with those that are made up for it. */
static pen_status enriching_of(const struct pen_limit_options *options,
                               const struct bench_rules *rules, struct pen_enriching *out,
                               struct pen_err *err)
{
    struct pen_bench_tables tables;
    struct pen_program *program = NULL;
    PEN_TRY(pen_bench_tables(rules->dir, &tables, err));
    const struct pen_enrich_options enrich = {
        .geoip = tables.geoip,
        .asn = tables.asn,
        .assets = tables.assets,
        .ioc = tables.ioc,
        .ioc_limits = {.entries_max = UINT32_MAX, .bytes_max = (uint64_t)1 << 30}};
    pen_status status = program_of(rules, &enrich, &program, err);
    if (status == PEN_OK) {
        status = pen_bench_enriching(options, program, out, err);
    }
    pen_program_free(program);
    return status;
}

static pen_status measure(const struct bench_args *args, bool with_shards,
                          struct pen_limit_result *result, double *speedup,
                          struct pen_enriching *enriching, struct pen_err *err)
{
    struct bench_rules rules = {0};
    struct pen_program *program = NULL;
    pen_status status = rules_begin(args->rules, &rules, err);
    if (status == PEN_OK) {
        status = program_of(&rules, NULL, &program, err);
    }
    if (status == PEN_OK) {
        const struct pen_limit_options options = {.dir = args->dir,
                                                  .program = program,
                                                  .rounds = args->rounds,
                                                  .plain_bytes_max = args->bytes};
        status = pen_bench_limit(&options, result, err);
        if (status == PEN_OK && !with_shards) {
            status = enriching_of(&options, &rules, enriching, err);
        }
    }
    pen_program_free(program);
    if (status == PEN_OK && with_shards) {
        status = speedup_of(args, &rules, speedup, err);
    }
    rules_end(&rules);
    return status;
}

int cmd_bench_limit(int argc, char **argv)
{
    struct bench_args args = {.rules = "300", .rounds = 7, .bytes = (uint64_t)64 << 20};
    struct pen_limit_result result;
    struct pen_err err = {0};
    double speedup = 0;
    if (!parse(argc, argv, &args)) {
        return 2;
    }
    const bool is_limit = strcmp(argv[1], "limit") == 0;
    struct pen_enriching enriching = {0};
    if (measure(&args, is_limit, &result, &speedup, &enriching, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    if (args.json) {
        print_json(&result, speedup, &enriching);
    } else {
        print_table(&result, speedup, &enriching);
    }
    return 0;
}

/* ---- rules ---- */

struct rules_row {
    uint32_t count;
    double start_s, start_cached_s;
    double detect_s; /* stored bytes to verdicts */
    uint64_t records;
};

static pen_status rules_row(const struct bench_args *args, struct rules_row *row,
                            struct pen_err *err)
{
    struct bench_rules rules = {0};
    struct pen_program *program = NULL;
    struct pen_limit_result result;
    char number[16];
    (void)snprintf(number, sizeof(number), "%u", row->count);
    pen_status status = rules_begin(number, &rules, err);
    for (int i = 0; status == PEN_OK && i < 2; i++) {
        const int64_t from = pen_clock_mono_ns();
        pen_program_free(program);
        program = NULL;
        status = program_of(&rules, NULL, &program, err);
        *(i == 0 ? &row->start_s : &row->start_cached_s) =
            (double)(pen_clock_mono_ns() - from) / 1e9;
    }
    if (status == PEN_OK) {
        const struct pen_limit_options options = {.dir = args->dir,
                                                  .program = program,
                                                  .rounds = args->rounds,
                                                  .plain_bytes_max = args->bytes};
        status = pen_bench_limit(&options, &result, err);
        row->detect_s = result.detect.median;
        row->records = result.records;
    }
    pen_program_free(program);
    rules_end(&rules);
    return status;
}

int cmd_bench_rules(int argc, char **argv)
{
    struct bench_args args = {.rounds = 5,
                              .bytes = (uint64_t)32 << 20,
                              .counts = {50, 300, 1000, 5000},
                              .count_count = 4};
    struct rules_row rows[COUNTS_MAX] = {0};
    struct pen_err err = {0};
    if (!parse(argc, argv, &args)) {
        return 2;
    }
    for (uint32_t i = 0; i < args.count_count; i++) {
        rows[i].count = args.counts[i];
        if (rules_row(&args, &rows[i], &err) != PEN_OK) {
            return cli_fail(&err);
        }
    }
    (void)printf("%s", args.json ? "{\"rules\":["
                                 : "rules    start (s)  from cache (s)  us a record  ratio\n");
    for (uint32_t i = 0; i < args.count_count; i++) {
        const double us = rows[i].detect_s * 1e6 / (double)rows[i].records;
        const double ratio = rows[i].detect_s / rows[0].detect_s;
        (void)printf(args.json ? "%s{\"rules\":%u,\"start_s\":%.3f,\"start_cached_s\":%.3f,"
                                 "\"us_record\":%.3f,\"ratio\":%.3f}"
                               : "%s%-8u %9.2f %15.2f %12.2f %6.2f\n",
                     args.json && i > 0 ? "," : "", rows[i].count, rows[i].start_s,
                     rows[i].start_cached_s, us, ratio);
    }
    (void)printf("%s", args.json ? "]}\n" : "");
    return 0;
}
