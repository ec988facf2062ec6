/* tested by tests/e2e/test_front.py */
#include "penstock/runtime.h"

#include "replay_args.h"
#include "told.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>

/* Of CloudTrail objects as they are stored; other logs differ by a factor of two either way. */
#define GZIP_RATIO 8U
#define ZSTD_RATIO 10U
#define RECORD_BYTES 1500U
#define PLAIN_BYTES_S_CORE UINT64_C(100000000) /* with documents, on a core that others use too */
#define PLAN_TYPES_MAX 64U

struct plan_type {
    char name[40];
    uint64_t objects, bytes;
};
struct plan {
    struct plan_type types[PLAN_TYPES_MAX];
    uint32_t type_count;
    uint64_t plain_bytes;
};

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text);
    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static pen_status on_object(void *ctx, const struct pen_object *object,
                            const struct pen_key_info *key)
{
    struct plan *plan = ctx;
    const uint64_t ratio = ends_with(object->key, ".gz")    ? GZIP_RATIO
                           : ends_with(object->key, ".zst") ? ZSTD_RATIO
                                                            : 1;
    plan->plain_bytes += object->size * ratio;
    uint32_t i = 0;
    while (i < plan->type_count &&
           !pen_slice_eq(pen_slice_str(plan->types[i].name), key->type->name)) {
        i++;
    }
    if (i == PLAN_TYPES_MAX) {
        return PEN_E_LIMIT;
    }
    if (i == plan->type_count) {
        plan->type_count++;
        (void)snprintf(plan->types[i].name, sizeof(plan->types[i].name), "%.*s",
                       PEN_SLICE_FMT(key->type->name));
    }
    plan->types[i].objects++;
    plan->types[i].bytes += object->size;
    return PEN_OK;
}

static void on_folder(void *ctx, const struct pen_err *err)
{
    (void)ctx;
    (void)fputs("penstock: cannot read folder ", stderr);
    cli_words_escaped(pen_slice_str(err->text));
}

static void print_json(const struct plan *plan, const struct pen_survey_totals *totals,
                       uint64_t shards, uint64_t seconds)
{
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"status\":\"plan\",\"shards\":%" PRIu64
                 ",\"objects\":{\"listed\":%" PRIu64 ",\"pruned\":%" PRIu64 ",\"skipped\":%" PRIu64
                 "},\"bytes\":{\"stored\":%" PRIu64 ",\"plain_estimated\":%" PRIu64
                 "},\"records\":{\"estimated\":%" PRIu64 "},\"seconds\":{\"estimated\":%" PRIu64
                 "},\"folders_unreadable\":%" PRIu64 ",\"by_type\":{",
                 shards, totals->objects, totals->pruned, totals->skipped, totals->bytes,
                 plan->plain_bytes, plan->plain_bytes / RECORD_BYTES, seconds,
                 totals->folders_unreadable);
    for (uint32_t i = 0; i < plan->type_count; i++) {
        (void)printf("%s\"%s\":{\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", i == 0 ? "" : ",",
                     plan->types[i].name, plan->types[i].objects, plan->types[i].bytes);
    }
    (void)puts("}}");
}

static void print_table(const struct plan *plan, const struct pen_survey_totals *totals,
                        uint64_t shards, uint64_t seconds)
{
    (void)printf("%-10s %" PRIu64 " to read, %" PRIu64 " pruned by their keys\n", "objects",
                 totals->objects, totals->pruned);
    for (uint32_t i = 0; i < plan->type_count; i++) {
        (void)printf("%-10s %s: %" PRIu64 " objects, %.1f MB\n", "", plan->types[i].name,
                     plan->types[i].objects, (double)plan->types[i].bytes / 1e6);
    }
    (void)printf("%-10s %.1f MB stored, about %.1f MB plain\n", "bytes",
                 (double)totals->bytes / 1e6, (double)plan->plain_bytes / 1e6);
    (void)printf("%-10s about %" PRIu64 "\n", "records", plan->plain_bytes / RECORD_BYTES);
    (void)printf("%-10s about %" PRIu64 " s on %" PRIu64 " shards, when storage keeps up\n", "time",
                 seconds, shards);
    if (totals->skipped + totals->folders_unreadable > 0) {
        (void)printf("%-10s %" PRIu64 " entries that are no files, %" PRIu64 " folders\n",
                     "not listed", totals->skipped, totals->folders_unreadable);
    }
}

int replay_plan(const struct replay_args *args)
{
    struct plan plan = {0};
    struct pen_survey_totals totals;
    struct pen_err err = {0};
    const struct pen_survey_calls calls = {
        .on_object = on_object, .on_folder = on_folder, .ctx = &plan};
    replay_signals();
    if (pen_survey(&args->options, &calls, &totals, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    const uint64_t shards = args->options.shards == 0 ? pen_host_cores() : args->options.shards;
    const uint64_t rate = PLAIN_BYTES_S_CORE * shards;
    const uint64_t seconds = (plan.plain_bytes + rate - 1) / rate;
    if (args->json) {
        print_json(&plan, &totals, shards, seconds);
    } else {
        print_table(&plan, &totals, shards, seconds);
    }
    return totals.folders_unreadable > 0 && !args->allow_gaps ? 7 : 0;
}
