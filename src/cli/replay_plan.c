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
#define ANSWERS_S 10U /* of one request after another: S3's first byte takes about 100 ms */
#define BYTES_PER_MB UINT64_C(1000000)
#define RATES_OF "2025" /* the defaults of price. */

struct plan_type {
    char name[40];
    uint64_t objects, bytes;
};
struct plan {
    struct plan_type types[PLAN_TYPES_MAX];
    uint32_t type_count;
    uint64_t plain_bytes;
    const struct pen_replay_options *options;
    uint64_t gets, archived, archived_bytes;
    int64_t warm_up_ns; /* before --from; of the rest its objects and bytes are a part */
    uint64_t warm_up_objects, warm_up_bytes;
    uint64_t crossing, crossing_bytes; /* objects of other regions than the node's */
    bool is_crossing_known;
    bool is_remote;
    uint64_t shards, cpu_s, requests_s, transfer_s; /* what each alone would take */
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
    if (object->bucket > 0) {
        const uint64_t range = plan->options->fetch_range_bytes;
        plan->is_remote = true;
        plan->gets += (object->size + range - 1) / range;
        plan->archived += object->is_archived;
        plan->archived_bytes += object->is_archived ? object->size : 0;
    }
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

/* ---- how long ---- */

static uint64_t longest(const struct plan *plan)
{
    const uint64_t storage =
        plan->requests_s > plan->transfer_s ? plan->requests_s : plan->transfer_s;
    return plan->cpu_s > storage ? plan->cpu_s : storage;
}

static uint64_t divided_up(uint64_t what, uint64_t by)
{
    return by == 0 ? 0 : (what + by - 1) / by;
}

/* A request waits for its first byte: so many are answered a second, whatever their size. */
static void times_make(struct plan *plan, const struct pen_survey_totals *totals)
{
    const struct pen_replay_options *o = plan->options;
    plan->shards = o->shards == 0 ? pen_host_cores() : o->shards;
    plan->cpu_s = divided_up(plan->plain_bytes, PLAIN_BYTES_S_CORE * plan->shards);
    if (plan->is_remote) {
        uint64_t rate = plan->shards * o->fetch_window_max * ANSWERS_S;
        rate = o->fetch_requests_s > 0 && o->fetch_requests_s < rate ? o->fetch_requests_s : rate;
        plan->requests_s = divided_up(plan->gets, rate);
        plan->transfer_s = divided_up(totals->bytes, o->fetch_mb_s * BYTES_PER_MB);
    }
}

static const char *bound_by(const struct plan *plan)
{
    return longest(plan) == plan->cpu_s ? "cpu" : "storage";
}

/* ---- output ---- */

static double dollars(const struct plan *plan, uint64_t gets, uint64_t lists, uint64_t kms)
{
    return (double)pen_price_nano_usd(plan->options, gets, lists, kms) / 1e9;
}

/* ---- traffic between regions ---- */

static void crossing_make(struct plan *plan, const struct pen_survey_totals *totals)
{
    plan->is_crossing_known = totals->node_region[0] != '\0';
    for (uint32_t i = 0; i < totals->region_count; i++) {
        const struct pen_survey_region *region = &totals->regions[i];
        if (strcmp(region->name, totals->node_region) != 0) {
            plan->crossing += region->objects;
            plan->crossing_bytes += region->bytes;
        }
    }
}

/* What is known of it; nothing when it is not known whether there is any. */
static double transfer_dollars(const struct plan *plan)
{
    return plan->is_crossing_known
               ? (double)pen_price_transfer_nano_usd(plan->options, plan->crossing_bytes) / 1e9
               : 0;
}

static void transfer_json(const struct plan *plan, const struct pen_survey_totals *totals)
{
    if (plan->is_crossing_known) {
        (void)printf("\"transfer\":{\"node_region\":\"%s\",\"cross_region\":{\"objects\":%" PRIu64
                     ",\"bytes\":%" PRIu64 "},\"by_region\":{",
                     totals->node_region, plan->crossing, plan->crossing_bytes);
    } else {
        (void)fputs("\"transfer\":{\"node_region\":null,\"cross_region\":null,\"by_region\":{",
                    stdout);
    }
    for (uint32_t i = 0; i < totals->region_count; i++) {
        const struct pen_survey_region *region = &totals->regions[i];
        (void)printf("%s\"%s\":{\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", i == 0 ? "" : ",",
                     region->name, region->objects, region->bytes);
    }
    (void)fputs("}},", stdout);
}

static void transfer_table(const struct plan *plan, const struct pen_survey_totals *totals)
{
    const char *between = "";
    if (plan->is_crossing_known && plan->crossing == 0) {
        (void)printf("%-10s nothing leaves its region: this runs in %s, too\n", "transfer",
                     totals->node_region);
        return;
    }
    (void)printf("%-10s ", "transfer");
    for (uint32_t i = 0; i < totals->region_count; i++) {
        const struct pen_survey_region *region = &totals->regions[i];
        if (strcmp(region->name, totals->node_region) != 0) {
            (void)printf("%s%.1f MB from %s", between, (double)region->bytes / 1e6, region->name);
            between = ", ";
        }
    }
    if (plan->is_crossing_known) {
        (void)printf(" to %s, where this runs: $%.4f at list price\n", totals->node_region,
                     transfer_dollars(plan));
    } else {
        (void)puts("; where this runs is unknown: node.region tells it");
    }
}

static void bucket_json(const struct plan *plan, uint64_t lists)
{
    char transfer[32] = "null";
    if (plan->is_crossing_known) {
        (void)snprintf(transfer, sizeof(transfer), "%.6f", transfer_dollars(plan));
    }
    (void)printf("\"requests\":{\"get\":%" PRIu64 ",\"list\":%" PRIu64 ",\"kms_max\":%" PRIu64
                 "},\"price\":{\"currency\":\"USD\",\"rates_of\":\"" RATES_OF
                 "\",\"get\":%.6f,\"list\":%.6f,\"kms_max\":%.6f,\"transfer\":%s,\"max\":%.6f},"
                 "\"restore\":{\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64 "},",
                 plan->gets, lists, plan->gets, dollars(plan, plan->gets, 0, 0),
                 dollars(plan, 0, lists, 0), dollars(plan, 0, 0, plan->gets), transfer,
                 dollars(plan, plan->gets, lists, plan->gets) + transfer_dollars(plan),
                 plan->archived, plan->archived_bytes);
}

static void print_json(const struct plan *plan, const struct pen_survey_totals *totals)
{
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"status\":\"plan\",\"shards\":%" PRIu64
                 ",\"objects\":{\"listed\":%" PRIu64 ",\"pruned\":%" PRIu64 ",\"skipped\":%" PRIu64
                 "},\"bytes\":{\"stored\":%" PRIu64 ",\"plain_estimated\":%" PRIu64
                 "},\"records\":{\"estimated\":%" PRIu64 "},\"seconds\":{\"estimated\":%" PRIu64
                 "},\"bound_by\":\"%s\",\"folders_unreadable\":%" PRIu64 ",",
                 plan->shards, totals->objects, totals->pruned, totals->skipped, totals->bytes,
                 plan->plain_bytes, plan->plain_bytes / RECORD_BYTES, longest(plan), bound_by(plan),
                 totals->folders_unreadable);
    if (plan->is_remote) {
        bucket_json(plan, totals->lists);
        transfer_json(plan, totals);
    }
    (void)printf("\"warm_up\":{\"seconds\":%" PRId64 ",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64
                 "},",
                 plan->warm_up_ns / PEN_NS_PER_S, plan->warm_up_objects, plan->warm_up_bytes);
    (void)fputs("\"by_type\":{", stdout);
    for (uint32_t i = 0; i < plan->type_count; i++) {
        (void)printf("%s\"%s\":{\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", i == 0 ? "" : ",",
                     plan->types[i].name, plan->types[i].objects, plan->types[i].bytes);
    }
    (void)puts("}}");
}

static void bucket_table(const struct plan *plan, uint64_t lists)
{
    (void)printf("%-10s %" PRIu64 " GETs, %" PRIu64 " listings (as this plan made them)\n",
                 "requests", plan->gets, lists);
    (void)printf("%-10s $%.4f at list price (rates of " RATES_OF
                 ", us-east-1), and up to $%.4f for KMS\n",
                 "price", dollars(plan, plan->gets, lists, 0), dollars(plan, 0, 0, plan->gets));
    if (plan->archived > 0) {
        (void)printf("%-10s %" PRIu64 " objects, %.1f MB, are archived: restore them first\n",
                     "restore", plan->archived, (double)plan->archived_bytes / 1e6);
    }
}

static void print_table(const struct plan *plan, const struct pen_survey_totals *totals)
{
    (void)printf("%-10s %" PRIu64 " to read, %" PRIu64 " pruned by their keys\n", "objects",
                 totals->objects, totals->pruned);
    if (plan->warm_up_ns > 0) {
        (void)printf("%-10s %" PRIu64 " of them, %.1f MB, for the %.1f h before --from alone\n",
                     "warm-up", plan->warm_up_objects, (double)plan->warm_up_bytes / 1e6,
                     (double)plan->warm_up_ns / 3600e9);
    }
    for (uint32_t i = 0; i < plan->type_count; i++) {
        (void)printf("%-10s %s: %" PRIu64 " objects, %.1f MB\n", "", plan->types[i].name,
                     plan->types[i].objects, (double)plan->types[i].bytes / 1e6);
    }
    (void)printf("%-10s %.1f MB stored, about %.1f MB plain\n", "bytes",
                 (double)totals->bytes / 1e6, (double)plan->plain_bytes / 1e6);
    (void)printf("%-10s about %" PRIu64 "\n", "records", plan->plain_bytes / RECORD_BYTES);
    if (plan->is_remote) {
        bucket_table(plan, totals->lists);
        transfer_table(plan, totals);
    }
    (void)printf("%-10s about %" PRIu64 " s on %" PRIu64 " shards, %s\n", "time", longest(plan),
                 plan->shards,
                 !plan->is_remote ? "when storage keeps up"
                 : longest(plan) == plan->cpu_s
                     ? "bound by the cores, when storage keeps up"
                     : "bound by requests to storage at 100 ms each, or by a limit of fetch.");
    if (totals->skipped + totals->folders_unreadable > 0) {
        (void)printf("%-10s %" PRIu64 " entries that are no files, %" PRIu64 " folders\n",
                     "not listed", totals->skipped, totals->folders_unreadable);
    }
}

/* How long the warm-up is: of `auto` what the rules look back. */
static pen_status warm_up_find(const struct pen_replay_options *o, int64_t *length_ns,
                               struct pen_err *err)
{
    *length_ns = o->warm_up_ns;
    if (!o->is_warm_up_auto) {
        return PEN_OK;
    }
    struct pen_rules *rules = NULL;
    PEN_TRY(pen_rules_load(&o->rules, &rules, err));
    *length_ns = pen_warm_up_ns(rules, o->keep_alive_ns, o->from_ns);
    *length_ns = *length_ns > o->warm_up_max_ns ? o->warm_up_max_ns : *length_ns;
    pen_rules_free(rules);
    return PEN_OK;
}

static pen_status object_ignore(void *ctx, const struct pen_object *object,
                                const struct pen_key_info *key)
{
    (void)ctx;
    (void)object;
    (void)key;
    return PEN_OK;
}

static void folder_ignore(void *ctx, const struct pen_err *err)
{
    (void)ctx; /* the survey with the warm-up tells it */
    (void)err;
}

/* Everything that would be read, the warm-up included, and how much of it is that. */
static pen_status survey(struct plan *plan, struct pen_survey_totals *totals, struct pen_err *err)
{
    struct pen_replay_options o = *plan->options;
    const struct pen_survey_calls calls = {
        .on_object = on_object, .on_folder = on_folder, .ctx = plan};
    PEN_TRY(warm_up_find(&o, &plan->warm_up_ns, err));
    if (plan->warm_up_ns > 0 &&
        __builtin_sub_overflow(plan->options->from_ns, plan->warm_up_ns, &o.from_ns)) {
        plan->warm_up_ns = 0;
    }
    PEN_TRY(pen_survey(&o, &calls, totals, err));
    if (plan->warm_up_ns == 0) {
        return PEN_OK;
    }
    const struct pen_survey_calls none = {.on_object = object_ignore, .on_folder = folder_ignore};
    struct pen_survey_totals range;
    PEN_TRY(pen_survey(plan->options, &none, &range, err));
    plan->warm_up_objects = totals->objects - range.objects;
    plan->warm_up_bytes = totals->bytes - range.bytes;
    return PEN_OK;
}

int replay_plan(const struct replay_args *args)
{
    struct plan plan = {.options = &args->options};
    struct pen_survey_totals totals;
    struct pen_err err = {0};
    replay_signals();
    if (survey(&plan, &totals, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    times_make(&plan, &totals);
    crossing_make(&plan, &totals);
    if (args->json) {
        print_json(&plan, &totals);
    } else {
        print_table(&plan, &totals);
    }
    return totals.folders_unreadable > 0 && !args->allow_gaps ? 7 : 0;
}
