/* tested by tests/e2e/test_sink_speed.py */
#include "penstock/bench.h"
#include "penstock/runtime.h"

#include "sink_spec.h"
#include "told.h"
#include "version.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECONDS_MAX 3600U
#define SIZE_MIN ((uint64_t)65536)
#define SIZE_MAX_BODY ((uint64_t)64 << 20)
#define MADE_BYTES ((uint64_t)16 << 20)

static const char help[] =
    "penstock bench sink [options] URL   how fast this cluster takes documents\n"
    "\n"
    "  URL                  of a node, several with commas; or opensearch:URL, or opensearch:\n"
    "                       for that of the config file\n"
    "  --config FILE        penstock.yaml: who asks, and what is trusted\n"
    "  --ca FILE            PEM to trust instead of the system's certificates\n"
    "  --bodies LIST        sizes of requests, inflated (256KiB,1MiB,4MiB)\n"
    "  --concurrency LIST   requests in flight (1,4,16)\n"
    "  --seconds N          for each size and number (5)\n"
    "  --no-gzip            bodies are sent as they are\n"
    "  --json               one document\n"
    "\n"
    "Documents of generated CloudTrail go to an index of their own, penstock-bench-RANDOM, made\n"
    "with the templates of CloudTrail (penstock sink setup) and deleted at the end, also after\n"
    "Ctrl-C.  The first size is sent for 2 seconds before it counts.  One thread sends.  This is\n"
    "real load: not for a cluster that is busy with others.\n"
    "Take the smallest size and number that are near the best for ship.body_bytes_max and\n"
    "sink.requests_max.  Exit: 0 done, 1 failed, 2 usage, 3 config, 6 stopped, 7 documents were\n"
    "refused.\n";

enum option {
    OPT_CONFIG = 1,
    OPT_CA,
    OPT_BODIES,
    OPT_CONCURRENCY,
    OPT_SECONDS,
    OPT_NO_GZIP,
    OPT_JSON,
    OPT_HELP
};
static const struct cli_option options[] = {
    {"--config", OPT_CONFIG, true},   {"--ca", OPT_CA, true},
    {"--bodies", OPT_BODIES, true},   {"--concurrency", OPT_CONCURRENCY, true},
    {"--seconds", OPT_SECONDS, true}, {"--no-gzip", OPT_NO_GZIP, false},
    {"--json", OPT_JSON, false},      {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},          {NULL, 0, false}};

struct run {
    struct cli_parser parser;
    struct sink_choice choice;
    struct pen_sink_speed_options speed;
    bool json, wants_help;
};

/* ---- arguments ---- */

static bool bodies_take(struct run *run, const char *value)
{
    struct pen_sink_speed_options *o = &run->speed;
    pen_slice rest = pen_slice_str(value);
    pen_slice one;
    o->body_count = 0;
    while (pen_slice_split(&rest, ',', &one)) {
        uint64_t size = 0;
        if (!pen_parse_size(one, &size) || size < SIZE_MIN || size > SIZE_MAX_BODY ||
            o->body_count == PEN_SINK_SPEED_LIST) {
            (void)cli_bad_value(&run->parser, value,
                                "up to 8 sizes from 64KiB to 64MiB: 1MiB,4MiB");
            return false;
        }
        o->body_bytes[o->body_count++] = size;
    }
    return o->body_count > 0;
}

static bool concurrency_take(struct run *run, const char *value)
{
    struct pen_sink_speed_options *o = &run->speed;
    pen_slice rest = pen_slice_str(value);
    pen_slice one;
    o->concurrency_count = 0;
    while (pen_slice_split(&rest, ',', &one)) {
        uint64_t n = 0;
        if (!pen_parse_u64(one, &n) || n == 0 || n > PEN_POST_IN_FLIGHT_MAX ||
            o->concurrency_count == PEN_SINK_SPEED_LIST) {
            (void)cli_bad_value(&run->parser, value, "up to 8 numbers from 1 to 64: 1,4,16");
            return false;
        }
        o->concurrency[o->concurrency_count++] = (uint32_t)n;
    }
    return o->concurrency_count > 0;
}

static bool operand_take(struct run *run, const char *value)
{
    if (run->choice.spec != NULL) {
        (void)fputs("penstock: bench sink takes one URL\n", stderr);
        return false;
    }
    run->choice.spec = value;
    return true;
}

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    uint64_t number = 0;
    switch (id) {
    case CLI_OPERAND:
        return operand_take(run, value);
    case OPT_CONFIG:
        run->choice.config = value;
        return true;
    case OPT_CA:
        run->choice.ca = value;
        return true;
    case OPT_BODIES:
        return bodies_take(run, value);
    case OPT_CONCURRENCY:
        return concurrency_take(run, value);
    case OPT_SECONDS:
        if (!cli_number("--seconds", value, SECONDS_MAX, &number)) {
            return false;
        }
        run->speed.row_ns = (int64_t)number * PEN_NS_PER_S;
        return true;
    default:
        run->speed.is_plain |= id == OPT_NO_GZIP;
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

static void row_json(const struct pen_sink_speed_row *row)
{
    (void)printf("{\"body_bytes\":%zu,\"concurrency\":%u,\"documents\":%" PRIu64
                 ",\"refused\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"repeats\":%" PRIu64
                 ",\"plain_bytes\":%" PRIu64 ",\"shipped_bytes\":%" PRIu64
                 ",\"documents_s\":%.1f,\"mb_s\":%.2f,\"answer_ms\":%.2f,\"wall_s\":%.3f,"
                 "\"cpu_s\":%.3f}",
                 row->body_bytes, row->concurrency, row->documents, row->refused, row->requests,
                 row->repeats, row->plain_bytes, row->shipped_bytes,
                 per((double)row->documents, row->wall_s),
                 per((double)row->plain_bytes / 1e6, row->wall_s), row->answer_s * 1e3, row->wall_s,
                 row->cpu_s);
}

static void print_json(const struct pen_sink_speed *speed)
{
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"status\":\"%s\",\"index\":\"%s\","
                 "\"deleted\":%s,\"made\":%" PRIu64 ",\"made_bytes\":%" PRIu64 ",\"rows\":[",
                 speed->is_stopped ? "stopped" : "done", speed->index,
                 speed->is_deleted ? "true" : "false", speed->made, speed->made_bytes);
    for (uint32_t i = 0; i < speed->row_count; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        row_json(&speed->rows[i]);
    }
    (void)fputs("],\"warm_up\":", stdout);
    row_json(&speed->warm_up);
    (void)puts("}");
}

static void print_table(const struct pen_sink_speed *speed)
{
    const struct pen_sink_speed_row *best = NULL;
    (void)printf("documents of %.0f bytes on average\n%10s %10s %13s %8s %10s %8s %8s\n",
                 per((double)speed->made_bytes, (double)speed->made), "body KiB", "in flight",
                 "documents/s", "MB/s", "answer ms", "repeats", "refused");
    for (uint32_t i = 0; i < speed->row_count; i++) {
        const struct pen_sink_speed_row *row = &speed->rows[i];
        const double rate = per((double)row->documents, row->wall_s);
        (void)printf("%10zu %10u %13.0f %8.1f %10.1f %8" PRIu64 " %8" PRIu64 "\n",
                     row->body_bytes >> 10, row->concurrency, rate,
                     per((double)row->plain_bytes / 1e6, row->wall_s), row->answer_s * 1e3,
                     row->repeats, row->refused);
        best = best == NULL || rate > per((double)best->documents, best->wall_s) ? row : best;
    }
    if (best != NULL) {
        (void)printf("most: %.0f documents/s with --set ship.body_bytes_max=%zuKiB and %u requests "
                     "in flight\n",
                     per((double)best->documents, best->wall_s), best->body_bytes >> 10,
                     best->concurrency);
    }
}

/* The end of it may be the server's words. */
static void told(void *ctx, const char *text)
{
    (void)ctx;
    (void)fputs("penstock: ", stderr);
    cli_words_escaped(pen_slice_str(text));
    (void)fputc('\n', stderr);
}

static int output(const struct run *run, const struct pen_sink_speed *speed)
{
    uint64_t refused = speed->warm_up.refused;
    if (run->json) {
        print_json(speed);
    } else {
        print_table(speed);
    }
    for (uint32_t i = 0; i < speed->row_count; i++) {
        refused += speed->rows[i].refused;
    }
    if (refused > 0) {
        (void)fprintf(stderr, "penstock: the cluster refused %" PRIu64 " documents; the first:\n",
                      refused);
        told(NULL, speed->refusal);
    }
    return !cli_output_is_good() ? 1 : speed->is_stopped ? 6 : refused > 0 ? 7 : 0;
}

/* ---- the command ---- */

/* Ctrl-C is held back and asked for, so that the index is deleted; a second one ends the process.
 */
static bool is_stopped(void *ctx)
{
    sigset_t *ends = ctx;
    const struct timespec now = {0};
    if (sigtimedwait(ends, NULL, &now) < 0) {
        return false;
    }
    (void)pthread_sigmask(SIG_UNBLOCK, ends, NULL);
    return true;
}

static int measure(const struct run *run, const struct pen_sink_spec *cluster)
{
    sigset_t ends;
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    struct pen_sink_speed_options o = run->speed;
    struct pen_sink_speed *speed = calloc(1, sizeof(*speed));
    const struct pen_program_options none = {.cache_dir = NULL};
    PEN_CHECK(speed != NULL);
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    pen_status st = pen_host_check(&err);
    st = st == PEN_OK ? pen_program_new(&none, &program, &err) : st;
    o.cluster = cluster;
    o.program = program;
    o.is_stopped = is_stopped;
    o.told = told;
    o.ctx = &ends;
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    st = st == PEN_OK ? pen_bench_sink(&o, speed, &err) : st;
    (void)pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
    const int code = st == PEN_OK ? output(run, speed) : cli_fail(&err);
    pen_program_free(program);
    free(speed);
    return code;
}

int cmd_bench_sink(int argc, char **argv)
{
    struct config config;
    struct pen_sink_spec cluster;
    struct pen_replay_options defaults = {0};
    settings_defaults(&defaults);
    struct run run = {.speed = {.body_bytes = {256U << 10, 1U << 20, 4U << 20},
                                .body_count = 3,
                                .concurrency = {1, 4, 16},
                                .concurrency_count = 3,
                                .row_ns = 5 * PEN_NS_PER_S,
                                .made_bytes = MADE_BYTES,
                                .answer_ns = defaults.sink_timeout_ns}};
    run.parser = (struct cli_parser){
        .command = "bench sink", .argc = argc, .argv = argv, .tables = {options}, .at = 1};
    if (!cli_read(&run.parser, take, &run)) {
        return 2;
    }
    if (run.wants_help || (run.choice.spec == NULL && run.choice.config == NULL)) {
        (void)fputs(help, run.wants_help ? stdout : stderr);
        return run.wants_help ? 0 : 2;
    }
    config_init(&config);
    int code = sink_choose(&run.choice, "bench sink", &config, &cluster);
    code = code < 0 ? measure(&run, &cluster) : code;
    config_fini(&config);
    return code;
}
