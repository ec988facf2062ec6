/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "closed.h"
#include "control.h"
#include "exclude.h"
#include "filters.h"
#include "killpoint.h"
#include "node_region.h"
#include "spool.h"
#include "stages.h"
#include "wanted.h"
#include "warm_up.h"
#include "withdraw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#define RING_ENTRIES 256U

/* ---- start and end ---- */

static void on_folder_gap(void *ctx, const char *path, const struct pen_err *err)
{
    struct control *c = ctx;
    (void)path; /* err names it */
    SAY(c, WARN, "penstock: cannot read folder %s\n", err->text);
    c->folder_gaps++;
}

static pen_status space_check(const struct control *c, struct pen_err *err)
{
    struct statvfs info;
    if (c->options->sink != PEN_SINK_FILES || c->options->signals_only ||
        statvfs(c->options->out_dir, &info) != 0) {
        return PEN_OK;
    }
    /* Documents compressed by zstd are about as large as the gzip objects that they came from. */
    const uint64_t read = c->committed.totals.bytes_read;
    const uint64_t left = c->planner.bytes > read ? c->planner.bytes - read : 0;
    const uint64_t need = left + left / 4;
    const uint64_t have = (uint64_t)info.f_bavail * info.f_frsize;
    return need <= have ? PEN_OK
                        : PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                                   "%s has %.1f GB free, the documents need about %.1f GB: free "
                                   "some, or give --out on another disk or --signals-only",
                                   c->options->out_dir, (double)have / 1e9, (double)need / 1e9);
}

static pen_status state_rules(struct control *c, struct pen_err *err)
{
    const uint32_t count = pen_rules_count(c->program->rules);
    c->state_rules = calloc(count + 1, sizeof(*c->state_rules));
    if (c->state_rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rules: out of memory");
    }
    const pen_status st =
        stages_rules(c->program->rules, c->options->keep_alive_ns, true, c->state_rules);
    return st == PEN_OK ? st : PEN_FAIL(err, st, PEN_NO_OFFSET, "rules: %s", pen_status_text(st));
}

/* The first word of a shard, when it came by now: its ring, or why it cannot work. */
static bool hello_take(struct control *c, uint32_t shard)
{
    void *got = NULL;
    if (c->slots[shard].ring != NULL || !pen_mailbox_pop(c->topology.to_control[shard].box, &got)) {
        return false;
    }
    struct message *hello = got;
    c->slots[shard].ring = hello->ring;
    if (hello->err.status != PEN_OK) {
        c->failure = hello->err;
    }
    message_free(hello);
    return true;
}

static void hellos_wait(struct control *c)
{
    uint32_t hellos = 0;
    while (hellos < c->shards) {
        for (uint32_t i = 0; i < c->shards; i++) {
            hellos += hello_take(c, i) ? 1 : 0;
        }
        if (hellos < c->shards) {
            (void)pen_ring_turn(c->ring, true, TURN_NS);
        }
    }
}

/* Every edge wakes the ring of the shard that it leads to. */
static void edges_aim(struct control *c)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        c->topology.to_shard[i].target = c->slots[i].ring;
        for (uint32_t j = 0; j < c->shards; j++) {
            c->topology.between[j * c->shards + i].target = c->slots[i].ring;
        }
    }
}

static pen_status threads_start(struct control *c, struct pen_err *err)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        c->slots[i].start =
            (struct shard_start){.shared = &c->shared, .index = i, .control_ring = c->ring};
        if (c->options->signals_only) {
            c->costs[i] = costs_new(c->program->rules);
            c->slots[i].start.costs = c->costs[i];
        }
        char name[32];
        (void)snprintf(name, sizeof(name), "shard-%u", i);
        PEN_TRY(
            pen_thread_start(&c->slots[i].thread, i, name, shard_main, &c->slots[i].start, err));
    }
    hellos_wait(c);
    edges_aim(c);
    const bool is_failed = c->failure.status != PEN_OK;
    broadcast(c, is_failed ? MSG_STOP : MSG_START, 0, 0);
    if (is_failed && err != NULL) {
        *err = c->failure;
    }
    return c->failure.status;
}

static void threads_stop(struct control *c)
{
    if (c->topology.to_shard != NULL && c->ring != NULL) {
        broadcast(c, MSG_STOP, 0, 0);
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        struct shard_slot *slot = &c->slots[i];
        /* The shard may still want to say something: its mailbox must not stay full. */
        while (slot->thread != NULL && slot->ring != NULL && /* else it has ended, or will */
               !edge_flush(&c->topology.to_shard[i], c->ring)) {
            (void)drain(c);
            (void)pen_ring_turn(c->ring, true, TURN_NS / 10);
        }
    }
    if (c->ring != NULL) {
        (void)pen_ring_turn(c->ring, false, 0); /* a join turns no ring: the wakes go out now */
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        if (c->slots[i].thread != NULL) {
            pen_thread_join(&c->slots[i].thread);
        }
    }
    for (uint32_t i = 0; i < c->shards; i++) {
        message_free(c->slots[i].cut);
        object_free(c->slots[i].cut_object);
        if (c->slots[i].ring != NULL) {
            pen_ring_free(c->slots[i].ring);
        }
    }
}

static pen_status control_resume(struct control *c, struct pen_err *err)
{
    char *text = malloc((size_t)1 << 20);
    PEN_CHECK(text != NULL);
    pen_status st = checkpoint_get(c->job.checkpoint, "totals", text, (size_t)1 << 20, err);
    if (st == PEN_OK) {
        st = ledger_read(&c->committed, pen_slice_str(text), err);
    }
    if (st == PEN_OK) {
        st = checkpoint_get(c->job.checkpoint, EXCLUDED_NAME, text, (size_t)1 << 20, err);
    }
    if (st == PEN_OK) {
        st = exclude_read(c->program->exclusions, c->program->exclusion_count, c->excluded_base,
                          pen_slice_str(text), err);
    }
    memcpy(c->excluded, c->excluded_base, sizeof(c->excluded));
    free(text);
    c->shipped_base = c->committed.totals.bytes_shipped;
    c->records_before = c->committed.totals.records_in;
    c->plain_before = c->committed.totals.bytes_plain;
    c->epoch = c->job.epoch + 1;
    return st;
}

/* The range that the job began with, which the same words mean in all of its runs. */
static void range_keep(struct control *c)
{
    const struct pen_replay_options *o = c->options;
    const bool is_kept = c->job.from_ns != o->from_ns || c->job.to_ns != o->to_ns;
    char from[PEN_TIME_MAX] = "the beginning";
    char to[PEN_TIME_MAX] = "the end";
    c->own.from_ns = c->job.from_ns;
    c->own.to_ns = c->job.to_ns;
    if (o->from_text == NULL && o->to_text == NULL) {
        return; /* told before the run */
    }
    if (c->own.from_ns != INT64_MIN) {
        (void)pen_format_time(c->own.from_ns, from);
    }
    if (c->own.to_ns != INT64_MAX) {
        (void)pen_format_time(c->own.to_ns, to);
    }
    words("penstock: event time from %s to %s%s\n", from, to, is_kept ? ", as this job began" : "");
}

static void rules_notices_say(const struct control *c)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(c->program->rules); i++) {
        const struct pen_notice *n = pen_rules_notice(c->program->rules, i);
        SAY(c, WARN, "%.*s:%u:%u: %s%.*s\n", PEN_SLICE_FMT(n->file), n->line, n->column,
            n->level == PEN_NOTICE_WARNING ? "warning: " : "", PEN_SLICE_FMT(n->text));
    }
}

/* Rules that can say nothing in this run. */
static void places_say(const struct control *c)
{
    struct pen_buf out;
    pen_buf_init(&out, (size_t)1 << 20);
    if (pen_program_places_words(c->program, &out) != PEN_OK || out.len > 0) {
        SAY(c, WARN, "%.*s", (int)out.len, (const char *)out.ptr);
    }
    pen_buf_fini(&out);
}

/* The compiled rules and log types, and that the host has the memory that they need. */
static pen_status program_open(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    const bool is_quiet = o->no_progress || o->log_level < PEN_LOG_INFO;
    const struct pen_program_options program = {.rules = o->rules,
                                                .types_dir = o->types_dir,
                                                .cache_dir = o->cache_dir,
                                                .group_by = o->group_by.text,
                                                .exclusions = o->exclusions,
                                                .exclusion_count = o->exclusion_count,
                                                .counts_left_out = true,
                                                .enrich = pen_replay_enrich(o),
                                                .is_stopped = is_interrupted,
                                                .words = is_quiet         ? PEN_COMPILE_QUIET
                                                         : o->is_terminal ? PEN_COMPILE_TERMINAL
                                                                          : PEN_COMPILE_LINES};
    struct pen_budget budget;
    PEN_TRY(pen_program_new(&program, &c->program, err));
    PEN_TRY(types_wanted_check(c->program->types, o, err));
    rules_notices_say(c);
    places_say(c);
    iocs_say(c, true);
    if (o->rules.path_count > 0 && pen_rules_count(c->program->rules) == 0) {
        SAY(c, WARN,
            "penstock: warning: no rule is left of those that were asked for: nothing is "
            "detected; --no-rules says that this is meant\n");
    }
    pen_budget_plan(o, c->program, pen_host_rss(), &budget);
    return pen_budget_check(&budget, err);
}

/* The output folder at its last commit, without what is to be read again. */
static pen_status job_begin(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    PEN_TRY(job_open(&c->job, o, c->program, err));
    range_keep(c);
    PEN_TRY(warm_up_begin(c, err));
    PEN_TRY(spool_wanted(o) ? spool_take(o->out_dir, err) : PEN_OK);
    if (o->retry != NULL) {
        const struct pen_replay_result *r = c->result;
        PEN_TRY(withdraw(&c->job, o, &c->result->retried, &c->result->retry_left, err));
        if (o->retry->object_count > 0 && r->retried + r->retry_left == 0) {
            return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                            "no refused object of this job has such a name: `penstock dead-letters "
                            "list` has the names");
        }
    }
    return control_resume(c, err);
}

/*
 * Without documents, objects of types that no rule is for need not be read: the run goes on as if
 * --types named the others.  Objects whose keys tell no type are read.
 */
static pen_status types_narrow(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    if (!o->signals_only) {
        return PEN_OK;
    }
    c->types_needed = calloc((size_t)c->program->type_count + 1, sizeof(char *));
    if (c->types_needed == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "types: out of memory");
    }
    struct pen_pass_options wanted = {.as_type = o->as_type,
                                      .types = o->types,
                                      .type_count = o->type_count,
                                      .not_types = o->not_types,
                                      .not_type_count = o->not_type_count};
    PEN_TRY(pen_program_narrow(c->program, &wanted, c->types_needed, err));
    c->own.types = wanted.types;
    c->own.type_count = wanted.type_count;
    return PEN_OK;
}

static pen_status plan_open(struct control *c, struct pen_err *err)
{
    PEN_TRY(types_narrow(c, err));
    PEN_TRY(planner_init(&c->planner, c->options, c->program->types, on_folder_gap, c, err));
    again_name_units(&c->planner, &c->job);
    PEN_TRY(closed_mark(&c->planner, &c->job, err));
    PEN_TRY(buckets_share(&c->planner, &c->buckets, err));
    if (c->options->max_cost_nano > 0) {
        PEN_TRY(node_region_find(&c->planner, c->options->node_region.text, c->node_region, err));
    }
    c->resolved_ns = pen_clock_mono_ns();
    return space_check(c, err);
}

static void shards_plan(struct control *c)
{
    const struct pen_replay_options *o = c->options;
    c->shards = o->shards == 0 ? pen_host_cores() : pen_u32(o->shards);
    if (c->shards > SHARDS_MAX) {
        c->shards = SHARDS_MAX;
    }
    c->shared = (struct shard_shared){.options = o,
                                      .program = c->program,
                                      .sink = c->sink,
                                      .buckets = c->buckets,
                                      .bucket_count = c->planner.bucket_count,
                                      .topology = &c->topology,
                                      .state_rules = c->state_rules,
                                      .hash_key = c->job.hash_key,
                                      .ingested_ns = c->job.ingested_ns,
                                      .tell_from_ns = c->tell_from_ns,
                                      .first_epoch = c->epoch,
                                      .first_sequence = c->job.first_sequence,
                                      .adopted_runs = (const char *const *)c->job.runs,
                                      .adopted_count = c->job.run_count};
    memcpy(c->shared.documents_dir, c->job.documents_dir, sizeof(c->shared.documents_dir));
    memcpy(c->shared.state_dir, c->job.state_dir, sizeof(c->shared.state_dir));
}

static pen_status signals_open(struct control *c, struct pen_err *err)
{
    const struct signals_db_options signals = {.dir = c->options->out_dir,
                                               .created_ns = c->job.ingested_ns,
                                               .job_id = c->job.id,
                                               .program = c->program,
                                               .has_sink = c->sink != NULL,
                                               .has_sink_apart = c->options->sink_apart != 0,
                                               .is_new_job = !c->job.is_resumed};
    PEN_TRY(signals_db_open(&signals, &c->signals, err));
    PEN_TRY(stages_open(c, err));
    PEN_TRY(snapshots_open(c, err));
    c->shared.snapshot = c->start;
    c->shared.base = c->job.snapshots.base;
    return sink_signals_open(c, err);
}

static pen_status control_open(struct control *c, struct pen_err *err)
{
    PEN_TRY(pen_host_files(shard_files_max(c->options), err));
    PEN_TRY(program_open(c, err));
    PEN_TRY(sink_open(c, err));
    PEN_TRY(job_begin(c, err));
    PEN_TRY(state_rules(c, err));
    PEN_TRY(plan_open(c, err));
    PEN_TRY(pen_ring_new(RING_ENTRIES, &c->ring, err));
    shards_plan(c);
    PEN_TRY(signals_open(c, err));
    return topology_init(&c->topology, c->shards, pen_u32(c->options->mailbox_capacity), err);
}

/* In the order of the types; what a commit holds of open objects too. */
static void types_fill(const struct control *c, struct pen_replay_result *r)
{
    for (uint32_t i = 0; i < c->program->type_count; i++) {
        const pen_slice name = c->program->by_type[i].type->name;
        const struct pen_type_totals *done = ledger_type_of(&c->committed, name);
        const struct pen_type_totals *open = ledger_type_of(&c->open, name);
        struct pen_type_totals *row = &r->by_type[r->type_count];
        if (done == NULL && open == NULL) {
            continue;
        }
        *row = done != NULL ? *done : *open;
        if (done != NULL && open != NULL) {
            row->records += open->records;
            row->dead += open->dead;
            row->unparsed += open->unparsed;
        }
        r->type_count++;
    }
}

/* What limits took from the state of a shard; nothing else of it adds up over shards. */
static void state_add(struct pen_state_counters *to, const struct pen_state_counters *from)
{
    to->late += from->late;
    to->duplicates += from->duplicates;
    to->evicted += from->evicted;
    to->groups += from->groups;
    to->groups_evicted += from->groups_evicted;
    to->window_events_evicted += from->window_events_evicted;
    to->values_limited += from->values_limited;
    to->new_values += from->new_values;
    to->new_values_evicted += from->new_values_evicted;
    to->places_evicted += from->places_evicted;
    to->behind_log += from->behind_log;
    to->anomaly_groups_evicted += from->anomaly_groups_evicted;
    to->anomaly_late += from->anomaly_late;
}

static void shards_fill(const struct control *c, struct pen_replay_result *r)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        const struct shard_times *times = &c->slots[i].times;
        r->regex_limits += c->slots[i].regex_limits;
        r->geoip_damaged += c->slots[i].damaged.geo_damaged;
        r->asn_damaged += c->slots[i].damaged.as_damaged;
        state_add(&r->state, &c->slots[i].state);
        r->busy_s += (double)times->busy_ns / 1e9;
        r->storage_s += (double)times->storage_ns / 1e9;
        r->sink_s += (double)times->sink_ns / 1e9;
    }
}

static void damaged_tell(const struct control *c, const char *option, const char *path,
                         uint64_t count)
{
    if (count > 0) {
        SAY(c, WARN,
            "penstock: warning: %s: %s: %" PRIu64 " times the entry of an address was damaged; "
            "what could not be read of it is not in its documents\n",
            option, path, count);
    }
}

/* What databases of addresses could not tell. */
static void addresses_tell(const struct control *c, struct pen_replay_result *r)
{
    const struct pen_enrich_options o = pen_replay_enrich(c->options);
    const uint32_t parts = c->program->enrich == NULL ? 0 : pen_enrich_parts(c->program->enrich);
    r->has_addresses = (parts & (PEN_ENRICH_GEO | PEN_ENRICH_AS)) != 0;
    damaged_tell(c, "enrich.geoip", o.geoip, r->geoip_damaged);
    damaged_tell(c, "enrich.asn", o.asn, r->asn_damaged);
}

/* What limits left out of the verdicts. */
static void limits_tell(const struct control *c, const struct pen_replay_result *r)
{
    if (r->regex_limits > 0) {
        SAY(c, WARN,
            "penstock: warning: %" PRIu64 " times a regular expression of a rule needed too many "
            "steps on a field and gave up: it counts as no match there\n",
            r->regex_limits);
    }
    const uint64_t evicted = r->state.evicted + r->state.groups_evicted +
                             r->state.window_events_evicted + r->state.values_limited +
                             r->state.new_values_evicted + r->state.places_evicted +
                             r->state.anomaly_groups_evicted + r->state.anomaly_late;
    if (evicted > 0) {
        SAY(c, WARN,
            "penstock: warning: limits of the state were reached %" PRIu64
            " times: signals may be missing, or have less events (see `state` in --json; "
            "state.bytes_max, state.groups_max and the like raise them)\n",
            evicted);
    }
    if (r->state.behind_log > 0) {
        SAY(c, WARN,
            "penstock: warning: %" PRIu64
            " observations lie before a snapshot whose log is gone: they count as late ones "
            "(state.snapshot_bytes keeps more of the log; --fresh gives the exact signals)\n",
            r->state.behind_log);
    }
}

static void result_fill(struct control *c, bool is_good)
{
    struct pen_replay_result *r = c->result;
    r->status = !is_good ? "failed" : c->is_draining ? "stopped" : "done";
    memcpy(r->reason, c->reason, sizeof(r->reason));
    memcpy(r->job, c->job.id, sizeof(r->job));
    r->shards = c->shards;
    r->totals = c->committed.totals;
    totals_merge(&r->totals, &c->open.totals);
    r->totals.bytes_shipped = c->shipped_base + c->shipped_now;
    r->records_before = c->records_before;
    r->plain_before = c->plain_before;
    r->ignored = c->planner.ignored;
    r->skipped = c->planner.skipped;
    r->totals.objects_listed =
        r->totals.objects_read + r->totals.objects_unreadable + c->objects_open;
    r->totals.objects_pruned = c->objects_pruned;
    if (c->folder_gaps > 0) {
        ledger_gap(&c->committed, "unreadable-folder", (pen_slice){0}, c->folder_gaps);
    }
    if (pen_rules_rejected(c->program->rules) > 0) {
        ledger_gap(&c->committed, "rule-rejected", (pen_slice){0},
                   pen_rules_rejected(c->program->rules));
    }
    for (uint32_t i = 0; i < c->committed.gap_count; i++) {
        const struct pen_gap *gap = &c->committed.gaps[i];
        const bool is_strict =
            strcmp(gap->cause, PEN_GAP_DAMAGED) == 0 || strcmp(gap->cause, PEN_GAP_UNKNOWN) == 0;
        if (!is_strict || c->options->is_strict) {
            r->gaps[r->gap_count++] = *gap;
        }
    }
    types_fill(c, r);
    iocs_fill(c, &r->ioc);
    r->exclusions = c->options->exclusions;
    r->exclusion_count = c->options->exclusion_count;
    r->left_out_count = filters_list(c->program, c->excluded, &r->left_out);
    memcpy(r->excluded, c->excluded, sizeof(r->excluded));
    struct pen_err unread;
    if (checkpoint_origins(c->job.checkpoint, ORIGIN_ACCOUNT, &r->accounts, &unread) != PEN_OK ||
        checkpoint_origins(c->job.checkpoint, ORIGIN_REGION, &r->regions, &unread) != PEN_OK) {
        words("penstock: %s\n", unread.text);
    }
    r->rules_loaded = pen_rules_count(c->program->rules);
    r->rules_rejected = pen_rules_rejected(c->program->rules);
    pen_hash128_hex(pen_rules_hash(c->program->rules), r->rules_hash);
    const struct signals_db_totals signals = signals_db_totals_get(c->signals);
    r->signals_opened = signals.opened;
    r->signals_shadow = signals.shadow;
    r->signals_suppressed = signals.suppressed;
    memcpy(r->signals_by_severity, signals.by_severity, sizeof(r->signals_by_severity));
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    r->cpu_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
               (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    r->wall_s = (double)(pen_clock_mono_ns() - c->started_ns) / 1e9;
    r->storage_s = (double)c->listing_ns / 1e9;
    shards_fill(c, r);
    stages_counters(c->stages, &r->state);
    limits_tell(c, r);
    addresses_tell(c, r);
    if (is_good && !c->is_draining && c->costs[0] != NULL) { /* all shards said their last word */
        r->cost_count = costs_list(c->program->rules, c->costs, c->shards, &r->costs);
    }
    r->rss_bytes_max = pen_host_rss_max();
}

/* Of buckets no more is known than what is to be listed: that goes on while objects are read. */
static void begin_tell(const struct control *c)
{
    const char *resumed = c->job.is_resumed ? ", resumed" : "";
    const uint32_t rules = pen_rules_count(c->program->rules);
    if (c->planner.bucket_count > 0) {
        SAY(c, INFO, "penstock: %u folders to list and read, %u rules, %u shards%s\n",
            c->planner.unit_count, rules, c->shards, resumed);
        return;
    }
    SAY(c, INFO, "penstock: %" PRIu64 " objects in %u folders, %.1f MB, %u rules, %u shards%s\n",
        c->planner.files, c->planner.unit_count, (double)c->planner.bytes / 1e6, rules, c->shards,
        resumed);
}

static pen_status control_run(struct control *c, struct pen_err *err)
{
    PEN_TRY(sink_sending(c, true, &c->failure));
    PEN_TRY(threads_start(c, err));
    begin_tell(c);
    if (c->planner.skipped > 0) {
        SAY(c, WARN,
            "penstock: %" PRIu64 " entries skipped that are no files: links to folders, pipes, "
            "sockets, devices\n",
            c->planner.skipped);
    }
    if (c->options->newest_first) {
        SAY(c, INFO, "penstock: the newest days are read first: signals come at the end\n");
    }
    const int64_t work_from_ns = pen_clock_mono_ns();
    c->committed_at_ns = work_from_ns;
    while (!loop_turn(c)) {
    }
    c->result->work_s = (double)(pen_clock_mono_ns() - work_from_ns) / 1e9;
    if (c->failure.status == PEN_OK && !c->is_committing) { /* all that was sent is in a commit */
        return sink_sending(c, false, &c->failure);
    }
    return c->failure.status;
}

static void control_close(struct control *c)
{
    tables_load_end(&c->tables);
    threads_stop(c);
    for (uint32_t i = c->round_next; i < c->round.count; i++) {
        object_free(c->round.items[i]);
    }
    for (uint32_t i = 0; i < c->ahead.count; i++) {
        object_free(c->ahead.items[i]);
    }
    buckets_unshare(c->buckets, c->planner.bucket_count);
    free(c->round.items);
    free(c->ahead.items);
    again_clear(&c->again);
    topology_fini(&c->topology);
    sink_signals_close(c);
    if (c->ring != NULL) {
        pen_ring_free(c->ring);
    }
    signals_db_close(c->signals);
    pen_sink_free(c->sink);
    pen_resolver_free(c->resolver);
    planner_fini(&c->planner);
    job_close(&c->job);
    ledger_fini(&c->committed);
    ledger_fini(&c->now);
    ledger_fini(&c->next);
    refusals_fini(&c->refusals);
    ledger_fini(&c->open);
    for (uint32_t i = 0; i < c->shards; i++) {
        free(c->costs[i]);
    }
    free((void *)c->types_needed);
    stages_free(c->stages);
    free(c->state_rules);
    pen_program_free(c->program);
}

/*
 * Signals of what is committed reach signals.db, and the run its jobs table.  A run that stops does
 * what it can: the next one makes them again from the observation log.
 */
static pen_status replay_end(struct control *c, pen_status st, struct pen_err *err)
{
    if (st == PEN_OK && !c->is_draining) {
        kill_point(c->options, "end", c->epoch - 1);
        st = signals_db_finish(c->signals, err);
        st = st == PEN_OK ? sink_signals_end(c, err) : st;
        kill_point(c->options, "finished", c->epoch - 1);
    }
    if (st == PEN_OK && c->is_snapshotting) {
        st = snapshots_take(c, !c->is_draining, err);
    }
    if (st == PEN_E_NOSPACE) {
        stop(c, err->text);
        words("penstock: stopped: %s; what was committed is safe: make room, then the same command "
              "goes on\n",
              err->text);
    }
    struct pen_err more;
    if (c->is_draining && signals_db_flush(c->signals, &more) != PEN_OK) {
        words("penstock: %s\n", more.text);
    }
    progress(c, true);
    c->result->is_retry = c->options->retry != NULL;
    if (c->result->is_retry &&
        withdraw_refused(&c->job, c->options->retry, &c->result->retry_refused, &more) != PEN_OK) {
        words("penstock: %s\n", more.text);
    }
    result_fill(c, st == PEN_OK || st == PEN_E_NOSPACE);
    if (st != PEN_OK && st != PEN_E_NOSPACE) {
        return st;
    }
    if (!c->is_draining && st == PEN_OK) {
        spool_clear(c->options->out_dir);
        PEN_TRY(job_done(&c->job, err));
    }
    st = signals_db_job(c->signals, c->options->command_line, c->result, c->wall_started_ns,
                        pen_clock_wall_ns(), err);
    if (st != PEN_OK && c->is_draining) {
        words("penstock: %s\n", err->text);
        return PEN_OK;
    }
    return st;
}

/* Stopped before anything could be read: there is no more to tell than what was known by then. */
static pen_status replay_unbegun(struct control *c, const struct pen_err *err)
{
    words("\npenstock: %s; the same command goes on\n", err->text);
    stop(c, "interrupted");
    struct pen_replay_result *r = c->result;
    r->status = "stopped";
    memcpy(r->reason, c->reason, sizeof(r->reason));
    memcpy(r->job, c->job.id, sizeof(r->job));
    r->is_unbegun = true;
    r->totals = c->committed.totals;
    r->records_before = c->records_before;
    r->plain_before = c->plain_before;
    r->wall_s = (double)(pen_clock_mono_ns() - c->started_ns) / 1e9;
    r->rss_bytes_max = pen_host_rss_max();
    return PEN_OK;
}

static pen_status replay_body(struct control *c, struct pen_err *err)
{
    const pen_status opened = control_open(c, err);
    if (opened == PEN_E_STOPPED) {
        return replay_unbegun(c, err);
    }
    PEN_TRY(opened);
    const pen_status st = control_run(c, err);
    if (st != PEN_OK) {
        *err = c->failure;
    }
    return replay_end(c, st, err);
}

pen_status pen_replay(const struct pen_replay_options *options, struct pen_replay_result *result,
                      struct pen_err *err)
{
    struct control *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "replay: out of memory");
    }
    c->own = *options;
    c->options = &c->own;
    c->result = result;
    c->job.lock_fd = -1;
    c->started_ns = pen_clock_mono_ns();
    c->wall_started_ns = pen_clock_wall_ns();
    ledger_init(&c->committed);
    ledger_init(&c->now);
    ledger_init(&c->next);
    ledger_init(&c->open);
    const pen_status st = replay_body(c, err);
    if (st == PEN_E_NOSPACE) {
        const struct pen_err full = *err;
        (void)PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: make room, then the same command goes on",
                       full.text);
    }
    control_close(c);
    free(c);
    return st;
}
