/* tested by tests/e2e/test_bench.py */
#include "penstock/bench.h"

#include "cli.h"

#include <inttypes.h>
#include <stdio.h>

struct text_args {
    bool wanted[PEN_LIMIT_TEXT_TYPES];
    uint32_t rounds;
    uint64_t bytes;
    bool json;
};

static bool take_types(struct text_args *args, const char *value)
{
    pen_slice rest = pen_slice_str(value);
    pen_slice name;
    const bool is_all = strcmp(value, "all") == 0;
    for (uint32_t i = 0; i < PEN_LIMIT_TEXT_TYPES; i++) {
        args->wanted[i] = is_all;
    }
    while (!is_all && pen_slice_split(&rest, ',', &name)) {
        uint32_t at = 0;
        while (at < PEN_LIMIT_TEXT_TYPES &&
               !pen_slice_eq(name, pen_slice_str(pen_limit_text_type(at)))) {
            at++;
        }
        if (at == PEN_LIMIT_TEXT_TYPES) {
            (void)fprintf(stderr, "penstock: bench limit --types takes `all` or some of:");
            for (uint32_t i = 0; i < PEN_LIMIT_TEXT_TYPES; i++) {
                (void)fprintf(stderr, " %s", pen_limit_text_type(i));
            }
            (void)fprintf(stderr, "\n");
            return false;
        }
        args->wanted[at] = true;
    }
    return true;
}

static bool take(struct text_args *args, const char *name, const char *value)
{
    uint64_t n = 0;
    if (strcmp(name, "--types") == 0) {
        return take_types(args, value);
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

static bool parse(int argc, char **argv, struct text_args *args)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            args->json = true;
        } else if (i + 1 < argc && take(args, argv[i], argv[i + 1])) {
            i++;
        } else {
            (void)fprintf(stderr, "penstock: bench limit --types does not take `%s`\n", argv[i]);
            return false;
        }
    }
    return true;
}

static void print_row(const char *type, const struct pen_limit_result *r, bool json, bool is_first)
{
    const double mb = (double)r->plain_bytes / 1e6;
    const double split = r->stage[PEN_LIMIT_JSON].median + r->stage[PEN_LIMIT_NORMALIZE].median -
                         r->library[PEN_LIMIT_NORMALIZE].median;
    const double split_mb_s = split > 0 ? mb / split : 0;
    const double inflate_mb_s = r->igzip.median > 0 ? mb / r->igzip.median : 0;
    const double share = inflate_mb_s > 0 ? split_mb_s / inflate_mb_s : 0;
    if (json) {
        (void)printf("%s{\"type\":\"%s\",\"records\":%" PRIu64 ",\"plain_bytes\":%" PRIu64
                     ",\"stored_bytes\":%" PRIu64 ",\"body_bytes\":%" PRIu64
                     ",\"split_mb_s\":%.1f,\"igzip_mb_s\":%.1f,"
                     "\"split_over_igzip\":%.3f,\"inflate_s\":%.6f,\"hash_s\":%.6f,"
                     "\"gzip_s\":%.6f,\"pipeline_s\":%.6f,\"ratio\":%.3f,\"ratio_spread\":%.3f}",
                     is_first ? "" : ",", type, r->records, r->plain_bytes, r->stored_bytes,
                     r->body_bytes, split_mb_s, inflate_mb_s, share,
                     r->library[PEN_LIMIT_INFLATE].median, r->library[PEN_LIMIT_NORMALIZE].median,
                     r->library[PEN_LIMIT_GZIP].median, r->ship.median, r->ratio_ship.median,
                     r->ratio_ship.spread);
        return;
    }
    (void)printf("%-20s %8.1f %8.1f %8.1f %8.0f %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f (%.2f)\n", type,
                 mb, (double)r->plain_bytes / (double)r->stored_bytes, (double)r->body_bytes / 1e6,
                 split_mb_s, share, r->library[PEN_LIMIT_INFLATE].median * 1e3 / mb,
                 r->library[PEN_LIMIT_NORMALIZE].median * 1e3 / mb,
                 r->library[PEN_LIMIT_GZIP].median * 1e3 / mb, r->ship.median * 1e3 / mb,
                 r->ratio_ship.median, r->ratio_ship.spread);
}

int cmd_bench_text(int argc, char **argv)
{
    struct text_args args = {.rounds = 7, .bytes = (uint64_t)16 << 20};
    struct pen_program *program = NULL;
    struct pen_err err = {0};
    bool is_first = true;
    if (!parse(argc, argv, &args)) {
        return 2;
    }
    const struct pen_program_options options = {0};
    if (pen_program_new(&options, &program, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    (void)fputs(args.json
                    ? "{\"types\":["
                    : "split: MB/s of splitting and mapping, and over that of igzip's "
                      "inflate; then ms a MB of plain text\n"
                      "type                    plain     gz:1     body    split  /igzip  inflate  "
                      "id hash     gzip pipeline    ratio (spread)\n",
                stdout);
    pen_status status = PEN_OK;
    for (uint32_t i = 0; i < PEN_LIMIT_TEXT_TYPES && status == PEN_OK; i++) {
        struct pen_limit_result result;
        const struct pen_limit_options limit = {.text_type = pen_limit_text_type(i),
                                                .program = program,
                                                .rounds = args.rounds,
                                                .plain_bytes_max = args.bytes};
        if (!args.wanted[i]) {
            continue;
        }
        status = pen_bench_limit(&limit, &result, &err);
        if (status == PEN_OK) {
            print_row(limit.text_type, &result, args.json, is_first);
            is_first = false;
        }
    }
    (void)fputs(args.json ? "]}\n" : "", stdout);
    pen_program_free(program);
    return status == PEN_OK ? 0 : cli_fail(&err);
}
