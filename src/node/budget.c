/* tested by tests/e2e/test_check.py */
#include "penstock/decode.h"
#include "penstock/node.h"
#include "penstock/runtime.h"

#include "shard.h"

#include <inttypes.h>

/* Of the control thread: caches of two databases, a round of objects, dead letters of an epoch. */
#define CONTROL_BYTES (UINT64_C(32) << 20)
#define CONTROL_FILES 32U /* standard ones, two databases, a lock, rings, folders, a listing */
#define SHARD_FILES 8U    /* its ring and mailboxes, the run that it writes, folders to sync */
/* The document in the making, its parts, and the record as text for a signal. */
#define DOCUMENT_COPIES 2U
#define OPEN_COPIES 2U                   /* an array that grows has twice what it needs */
#define THREAD_BYTES (UINT64_C(2) << 20) /* stack, ring, and what the allocator keeps */

uint64_t shard_files_max(const struct pen_replay_options *o)
{
    const uint64_t shards = o->shards == 0 ? pen_host_cores() : o->shards;
    bool is_remote = false;
    for (uint32_t i = 0; i < o->source_count; i++) {
        is_remote |= pen_slice_starts(pen_slice_str(o->sources[i]), PEN_SLICE_LIT("s3:"));
    }
    const uint64_t reads = is_remote ? o->fetch_window_max : SHARD_READ_SLOTS;
    return CONTROL_FILES + (uint64_t)PEN_STAGES_MAX * PEN_STATE_FILES_MAX +
           shards * (reads + o->bodies_max + PEN_STATE_FILES_MAX + SHARD_FILES);
}

struct pen_reader_options shard_reader_options(const struct pen_replay_options *o)
{
    return (struct pen_reader_options){.slots = SHARD_READ_SLOTS,
                                       .buffers = pen_u32(o->read_buffers),
                                       .buffer_bytes = o->read_buffer_bytes};
}

struct pen_ship_options shard_ship_options(const struct pen_replay_options *o)
{
    const uint64_t shards = o->shards == 0 ? pen_host_cores() : o->shards;
    return (struct pen_ship_options){.kind = o->signals_only ? PEN_SINK_NONE : o->sink,
                                     .held_bytes_max = o->sink_held_bytes_max,
                                     .requests_max = pen_u32(o->sink_requests_max),
                                     .answer_ns = o->sink_timeout_ns,
                                     .bytes_s_max = (o->sink_mb_s * 1000000 + shards - 1) / shards,
                                     .is_plain = o->sink_gzip == 0,
                                     .body_bytes_max = o->body_bytes_max,
                                     .bodies_max = pen_u32(o->bodies_max),
                                     .level = o->sink == PEN_SINK_NULL ? 1 : (int32_t)o->level};
}

static void row(struct pen_budget_row *rows, uint32_t *count, const char *what, uint64_t bytes)
{
    PEN_CHECK(*count < PEN_BUDGET_ROWS);
    rows[(*count)++] = (struct pen_budget_row){.what = what, .bytes = bytes};
}

static void shard_rows(const struct pen_replay_options *o, const struct pen_program *program,
                       struct pen_budget *b)
{
    const struct pen_reader_options reader = shard_reader_options(o);
    const struct pen_ship_options ship = shard_ship_options(o);
    const struct pen_walker_options walker = {.window_bytes_max =
                                                  pen_scan_window(o->record_bytes_max),
                                              .record_bytes_max = o->record_bytes_max,
                                              .want_copy = !o->signals_only};
    uint64_t matchers = 0;
    for (uint32_t i = 0; program != NULL && i < program->type_count; i++) {
        const struct pen_engine *engine = program->by_type[i].engine;
        matchers += engine == NULL ? 0 : pen_matcher_memory(engine);
    }
    const struct pen_fetch_options fetch = shard_fetch_options(o);
    bool is_remote = false;
    for (uint32_t i = 0; i < o->source_count; i++) {
        is_remote |= bucket_is_source(o->sources[i]);
    }
    row(b->shard, &b->shard_rows, "reads in flight",
        is_remote ? pen_fetcher_memory(&fetch) : pen_reader_memory(&reader));
    row(b->shard, &b->shard_rows, "decompression", pen_decoder_memory());
    row(b->shard, &b->shard_rows, "plain text and its records",
        walker.window_bytes_max + pen_walker_memory(&walker));
    row(b->shard, &b->shard_rows, "document in the making", DOCUMENT_COPIES * o->record_bytes_max);
    row(b->shard, &b->shard_rows, "matching", matchers);
    row(b->shard, &b->shard_rows, "documents to ship", pen_ship_memory(&ship));
    if (program != NULL && program->enrich != NULL) {
        row(b->shard, &b->shard_rows, "what is known of addresses",
            pen_enricher_memory(program->enrich));
    }
    row(b->shard, &b->shard_rows, "thread", THREAD_BYTES);
}

void pen_budget_plan(const struct pen_replay_options *options, const struct pen_program *program,
                     uint64_t program_bytes, struct pen_budget *budget)
{
    const uint32_t shards = options->shards == 0 ? pen_host_cores() : pen_u32(options->shards);
    const uint64_t edges = (uint64_t)shards * shards + shards;
    *budget = (struct pen_budget){.shards = shards,
                                  .state_bytes = options->state_bytes_max +
                                                 OPEN_COPIES * options->open_bytes_max};
    shard_rows(options, program, budget);
    for (uint32_t i = 0; i < budget->shard_rows; i++) {
        budget->shard_bytes += budget->shard[i].bytes;
    }
    row(budget->once, &budget->once_rows, "rules and log types", program_bytes);
    if (program != NULL && program->enrich != NULL) { /* those of now are of the program */
        row(budget->once, &budget->once_rows, "the next tables of addresses",
            pen_enrich_bytes(program->enrich));
    }
    const uint32_t stages = program == NULL ? 0 : pen_rules_stages(program->rules);
    if (stages > 0) {
        row(budget->once, &budget->once_rows, "rules over signals",
            stages * options->stage_bytes_max);
    }
    row(budget->once, &budget->once_rows, "logs of observations, read",
        (shards + stages) * pen_state_log_memory());
    row(budget->once, &budget->once_rows, "listing, commits, databases", CONTROL_BYTES);
    row(budget->once, &budget->once_rows, "mailboxes",
        edges * options->mailbox_capacity * sizeof(void *));
    budget->total_bytes = shards * (budget->shard_bytes + budget->state_bytes);
    for (uint32_t i = 0; i < budget->once_rows; i++) {
        budget->total_bytes += budget->once[i].bytes;
    }
    budget->host_bytes = pen_host_memory();
}

pen_status pen_budget_check(const struct pen_budget *b, struct pen_err *err)
{
    return b->total_bytes <= b->host_bytes
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                          "%u shards need up to %" PRIu64
                          " MiB of memory, the host or its cgroup has %" PRIu64
                          " MiB: use fewer --shards, --set state.bytes_max to less, or raise the "
                          "limit (penstock check shows the plan)",
                          b->shards, b->total_bytes >> 20, b->host_bytes >> 20);
}
