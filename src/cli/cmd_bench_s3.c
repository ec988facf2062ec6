/* tested by tests/e2e/test_s3_plan.py */
#include "config.h"
#include "told.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>

#define CONCURRENCY_MAX 1024U
#define OBJECTS_MAX 1000000U
#define SECONDS_MAX 3600U

static const char help[] =
    "penstock bench s3 [options] s3://bucket[/prefix]   how fast this endpoint serves\n"
    "\n"
    "  --concurrency LIST   requests in flight (1,4,16,64,256)\n"
    "  --seconds N          for each number and client (3)\n"
    "  --objects N          so many are listed and fetched in turn (1000)\n"
    "  --size-max SIZE      larger objects are left out (8MiB)\n"
    "  --json               one document\n"
    "  --endpoint-url, --s3-path-style, --s3-region, --ca, --profile, --role-arn, --external-id,\n"
    "  --request-payer      as in the AWS CLI\n"
    "\n"
    "One thread; our client and libcurl in turn, both sign every request; then `bare`: requests\n"
    "signed once, sent again and again, their answers dropped as they come: what the kernel, and\n"
    "OpenSSL, need for these bytes whoever asks.  The CPU time is that of this process, kernel\n"
    "included: ours is what is over `bare`.  Take the rows of a busy host for less.\n"
    "Every request costs what the bucket's owner pays for a GET.\n";

enum option { OPT_CONCURRENCY = 1, OPT_SECONDS, OPT_OBJECTS, OPT_SIZE, OPT_JSON, OPT_HELP };
static const struct cli_option options[] = {{"--concurrency", OPT_CONCURRENCY, true},
                                            {"--seconds", OPT_SECONDS, true},
                                            {"--objects", OPT_OBJECTS, true},
                                            {"--size-max", OPT_SIZE, true},
                                            {"--json", OPT_JSON, false},
                                            {"--help", OPT_HELP, false},
                                            {"-h", OPT_HELP, false},
                                            {NULL, 0, false}};

struct run {
    struct cli_parser parser;
    struct pen_replay_options reads;
    struct pen_s3_speed_options speed;
    bool json, wants_help;
};

static bool concurrency_take(struct run *run, const char *value)
{
    struct pen_s3_speed_options *o = &run->speed;
    pen_slice rest = pen_slice_str(value);
    pen_slice number;
    o->count = 0;
    while (pen_slice_split(&rest, ',', &number)) {
        uint64_t n = 0;
        if (!pen_parse_u64(number, &n) || n == 0 || n > CONCURRENCY_MAX ||
            o->count == PEN_S3_SPEED_ROWS) {
            (void)cli_bad_value(&run->parser, value, "up to 16 numbers from 1 to 1024: 1,4,16");
            return false;
        }
        o->concurrency[o->count++] = (uint32_t)n;
    }
    return o->count > 0;
}

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    struct pen_err err = {0};
    uint64_t number = 0;
    switch (id) {
    case CLI_OPERAND:
        run->speed.url = value;
        return config_source_check(value, &err) == PEN_OK || cli_fail(&err) < 0;
    case OPT_CONCURRENCY:
        return concurrency_take(run, value);
    case OPT_SECONDS:
        run->speed.row_ns = cli_number("--seconds", value, SECONDS_MAX, &number)
                                ? (int64_t)number * PEN_NS_PER_S
                                : 0;
        return number > 0;
    case OPT_OBJECTS:
        if (!cli_number("--objects", value, OBJECTS_MAX, &number)) {
            return false;
        }
        run->speed.objects_max = (uint32_t)number;
        return true;
    case OPT_SIZE:
        if (!pen_parse_size(pen_slice_str(value), &run->speed.size_max)) {
            (void)cli_bad_value(&run->parser, value, "a size such as 64KiB");
            return false;
        }
        return true;
    default:
        run->json |= id == OPT_JSON;
        run->wants_help |= id == OPT_HELP;
        return true;
    }
}

/* ---- output ---- */

static double per(double value, double by)
{
    return by > 0 ? value / by : 0;
}

static void side_json(const char *name, const struct pen_s3_speed_side *side)
{
    (void)printf("\"%s\":{\"requests\":%" PRIu64 ",\"failed\":%" PRIu64
                 ",\"requests_s\":%.1f,\"mb_s\":%.2f,\"cpu_us_request\":%.2f,\"wall_s\":%.3f,"
                 "\"cpu_s\":%.3f}",
                 name, side->requests, side->failed, per((double)side->requests, side->wall_s),
                 per((double)side->bytes / 1e6, side->wall_s),
                 per(side->cpu_s * 1e6, (double)side->requests), side->wall_s, side->cpu_s);
}

static void print_json(const struct pen_s3_speed *speed)
{
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"rows\":[",
                 speed->objects, speed->bytes);
    for (uint32_t i = 0; i < speed->row_count; i++) {
        (void)printf("%s{\"concurrency\":%u,", i == 0 ? "" : ",", speed->rows[i].concurrency);
        side_json("penstock", &speed->rows[i].own);
        (void)putchar(',');
        side_json("libcurl", &speed->rows[i].libcurl);
        (void)putchar(',');
        side_json("bare", &speed->rows[i].bare);
        (void)putchar('}');
    }
    (void)puts("]}");
}

static void side_line(uint32_t concurrency, const char *name, const struct pen_s3_speed_side *side)
{
    (void)printf("%9u  %-9s %12.0f %9.1f %14.1f %8" PRIu64 "\n", concurrency, name,
                 per((double)side->requests, side->wall_s),
                 per((double)side->bytes / 1e6, side->wall_s),
                 per(side->cpu_s * 1e6, (double)side->requests), side->failed);
}

static void print_table(const struct pen_s3_speed *speed)
{
    (void)printf("%" PRIu64 " objects of %.1f KB on average\n", speed->objects,
                 per((double)speed->bytes / 1e3, (double)speed->objects));
    (void)printf("%9s  %-9s %12s %9s %14s %8s\n", "in flight", "client", "requests/s", "MB/s",
                 "CPU us/request", "failed");
    for (uint32_t i = 0; i < speed->row_count; i++) {
        side_line(speed->rows[i].concurrency, "penstock", &speed->rows[i].own);
        side_line(speed->rows[i].concurrency, "libcurl", &speed->rows[i].libcurl);
        side_line(speed->rows[i].concurrency, "bare", &speed->rows[i].bare);
    }
}

static bool has_failed(const struct pen_s3_speed *speed)
{
    for (uint32_t i = 0; i < speed->row_count; i++) {
        if (speed->rows[i].own.failed + speed->rows[i].libcurl.failed + speed->rows[i].bare.failed >
            0) {
            return true;
        }
    }
    return false;
}

int cmd_bench_s3(int argc, char **argv)
{
    struct run run = {.speed = {.concurrency = {1, 4, 16, 64, 256},
                                .count = 5,
                                .objects_max = 1000,
                                .size_max = (uint64_t)8 << 20,
                                .row_ns = 3 * PEN_NS_PER_S}};
    struct pen_s3_speed speed;
    struct pen_err err = {0};
    settings_defaults(&run.reads);
    run.speed.reads = &run.reads;
    run.parser = (struct cli_parser){.command = "bench s3",
                                     .argc = argc,
                                     .argv = argv,
                                     .tables = {options, cli_s3_options},
                                     .s3 = &run.reads.s3,
                                     .at = 1};
    if (!cli_read(&run.parser, take, &run)) {
        return 2;
    }
    if (run.wants_help || run.speed.url == NULL) {
        (void)fputs(help, run.wants_help ? stdout : stderr);
        return run.wants_help ? 0 : 2;
    }
    if (run.speed.size_max > run.reads.fetch_range_bytes) {
        run.speed.size_max = run.reads.fetch_range_bytes;
    }
    if (pen_s3_speed(&run.speed, &speed, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    if (run.json) {
        print_json(&speed);
    } else {
        print_table(&speed);
    }
    return !cli_output_is_good() ? 1 : has_failed(&speed) ? 7 : 0;
}
