/* tested by tests/e2e/test_replay.py */
#include "replay_args.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GAP_LINES_MAX 10U
#define NAME_BYTES_MAX 4096U

static void time_text(int64_t ns, char out[PEN_TIME_MAX])
{
    out[0] = '\0';
    if (ns != 0) {
        (void)pen_format_time(ns, out);
    }
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static const char *mode_name(const struct pen_exclusion *exclusion)
{
    return exclusion->mode == PEN_EXCLUDE_DROP ? "drop" : "count";
}

static void print_exclusions_json(const struct pen_replay_result *r)
{
    struct pen_buf name;
    const char *comma = "";
    pen_buf_init(&name, NAME_BYTES_MAX);
    (void)fputs("\"exclusions\":{", stdout);
    for (uint32_t i = 0; i < r->exclusion_count; i++) {
        name.len = 0;
        if (pen_json_escape(&name, pen_slice_str(r->exclusions[i].name)) == PEN_OK) {
            (void)printf("%s\"%.*s\":{\"mode\":\"%s\",\"records\":%" PRIu64 "}", comma,
                         (int)name.len, (const char *)name.ptr, mode_name(&r->exclusions[i]),
                         r->excluded[i]);
            comma = ",";
        }
    }
    pen_buf_fini(&name);
    (void)fputs("},", stdout);
}

/* What exclusions took; what security filters kept from all rules, without any nothing. */
static void print_left_out_json(const struct pen_replay_result *r)
{
    struct pen_buf name;
    const char *comma = "";
    print_exclusions_json(r);
    if (r->left_out_count == 0) {
        return;
    }
    pen_buf_init(&name, NAME_BYTES_MAX);
    (void)printf("\"security_filters\":{\"unanalysed\":%" PRIu64 ",\"excluded\":{",
                 r->left_out[r->left_out_count - 1].records);
    for (uint32_t i = 0; i + 1 < r->left_out_count; i++) {
        name.len = 0;
        if (pen_json_escape(&name, pen_slice_str(r->left_out[i].name)) == PEN_OK) {
            (void)printf("%s\"%.*s\":%" PRIu64, comma, (int)name.len, (const char *)name.ptr,
                         r->left_out[i].records);
            comma = ",";
        }
    }
    pen_buf_fini(&name);
    (void)fputs("}},", stdout);
}

static void print_left_out(const struct pen_replay_result *r)
{
    for (uint32_t i = r->left_out_count; i-- > 0;) {
        const struct pen_left_out *one = &r->left_out[i];
        const bool is_last = i + 1 == r->left_out_count;
        if (is_last) {
            (void)printf("%-10s %" PRIu64 " record%s that no security filter takes\n", "unanalysed",
                         one->records, plural(one->records));
        } else if (one->records > 0) {
            (void)printf("%-10s %" PRIu64 " record%s left out by exclusions of %.60s\n", "",
                         one->records, plural(one->records), one->name);
        }
    }
}

/* Those that matched something. */
static void print_iocs_json(const struct pen_replay_result *r)
{
    const struct pen_ioc_state *ioc = &r->ioc;
    struct pen_buf name;
    if (ioc->lists == 0) {
        return;
    }
    (void)printf("\"ioc\":{\"lists\":%u,\"indicators\":%" PRIu64 ",\"rejected\":%" PRIu64
                 ",\"ended\":%" PRIu64 ",\"records\":%" PRIu64 ",\"matches\":%" PRIu64
                 ",\"cut\":%" PRIu64 ",\"stale\":[",
                 ioc->lists, ioc->indicators, ioc->rejected, ioc->ended, r->totals.ioc_records,
                 r->totals.ioc_matches, r->totals.ioc_cut);
    pen_buf_init(&name, (size_t)PEN_IOC_STATE_NAME * 8);
    for (uint32_t i = 0; i < ioc->stale_count; i++) {
        name.len = 0;
        if (pen_json_escape(&name, pen_slice_str(ioc->stale[i])) == PEN_OK) {
            (void)printf("%s\"%.*s\"", i == 0 ? "" : ",", (int)name.len, (const char *)name.ptr);
        }
    }
    pen_buf_fini(&name);
    (void)printf("]},");
}

static void print_iocs(const struct pen_replay_result *r)
{
    const struct pen_ioc_state *ioc = &r->ioc;
    if (ioc->lists > 0) {
        (void)printf("%-10s %" PRIu64 " match%s in %" PRIu64 " record%s, of %" PRIu64
                     " in %u list%s",
                     "indicators", r->totals.ioc_matches, r->totals.ioc_matches == 1 ? "" : "es",
                     r->totals.ioc_records, plural(r->totals.ioc_records), ioc->indicators,
                     ioc->lists, plural(ioc->lists));
        (void)printf(ioc->stale_count > 0 ? ", %u of them stale\n" : "\n", ioc->stale_count);
    }
}

static void print_exclusions(const struct pen_replay_result *r)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < r->exclusion_count; i++) {
        if (r->excluded[i] > 0) {
            (void)printf("%-10s %" PRIu64 " record%s %s by %.60s\n", shown++ == 0 ? "excluded" : "",
                         r->excluded[i], plural(r->excluded[i]),
                         r->exclusions[i].mode == PEN_EXCLUDE_DROP ? "dropped" : "counted",
                         r->exclusions[i].name);
        }
    }
}

static void print_types(const struct pen_replay_result *r)
{
    bool first = true;
    for (uint32_t i = 0; i < r->type_count; i++) {
        const struct pen_type_totals *t = &r->by_type[i];
        if (t->objects + t->records > 0) {
            (void)printf("%s\"%s\":{\"objects\":%" PRIu64 ",\"records\":%" PRIu64
                         ",\"dead\":%" PRIu64 ",\"unparsed\":%" PRIu64 "}",
                         first ? "" : ",", t->name, t->objects, t->records, t->dead, t->unparsed);
            first = false;
        }
    }
}

/* "reason":"...", of a run that stopped. */
static void print_reason(const struct pen_replay_result *r)
{
    struct pen_buf text;
    pen_buf_init(&text, sizeof(r->reason) * 8);
    if (r->reason[0] != '\0' && pen_json_escape(&text, pen_slice_str(r->reason)) == PEN_OK) {
        (void)printf("\"reason\":\"%.*s\",", (int)text.len, (const char *)text.ptr);
    }
    pen_buf_fini(&text);
}

/* What the shards spent most of their time on; NULL of a run that read nothing. */
static const char *bound_by(const struct pen_replay_result *r)
{
    if (r->totals.bytes_plain == r->plain_before) {
        return NULL;
    }
    if (r->sink_s > r->busy_s && r->sink_s > r->storage_s) {
        return "sink";
    }
    return r->storage_s > r->busy_s ? "storage" : "cpu";
}

/* Of documents in a cluster; aliases are names of indices, which need no escapes. */
static void print_promise_json(const struct pen_replay_result *r)
{
    pen_slice rest = pen_slice_str(r->aliases.text);
    pen_slice name;
    if (!r->is_cluster) {
        return;
    }
    (void)printf("\"sink\":{\"kind\":\"opensearch\",\"exactly_once\":%s,\"aliases\":[",
                 !r->is_promise_known    ? "null"
                 : r->aliases.count == 0 ? "true"
                                         : "false");
    for (bool is_first = true; rest.len > 0 && pen_slice_split(&rest, ',', &name);
         is_first = false) {
        (void)printf("%s\"%.*s\"", is_first ? "" : ",", PEN_SLICE_FMT(pen_slice_trim(name)));
    }
    (void)printf("]},");
}

static void print_addresses_json(const struct pen_replay_result *r)
{
    if (r->has_addresses) {
        (void)printf("\"enrich\":{\"geoip_damaged\":%" PRIu64 ",\"asn_damaged\":%" PRIu64 "},",
                     r->geoip_damaged, r->asn_damaged);
    }
}

/* What bound the run, and what it took. */
static void print_costs_json(const struct pen_replay_result *r)
{
    const char *bound = bound_by(r);
    const char *quote = bound == NULL ? "" : "\"";
    (void)printf("\"bound_by\":%s%s%s,\"seconds\":{\"wall\":%.3f,\"cpu\":%.3f,"
                 "\"shards_busy\":%.3f,\"shards_wait_storage\":%.3f,\"shards_wait_sink\":%.3f},"
                 "\"rss_bytes_max\":%" PRIu64 "}\n",
                 quote, bound == NULL ? "null" : bound, quote, r->wall_s, r->cpu_s, r->busy_s,
                 r->storage_s, r->sink_s, r->rss_bytes_max);
}

void replay_summary_json(const struct pen_replay_result *r, struct backtest_report *backtest)
{
    const struct pen_totals *t = &r->totals;
    char first[PEN_TIME_MAX];
    char last[PEN_TIME_MAX];
    time_text(t->time_first_ns, first);
    time_text(t->time_last_ns, last);
    (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"status\":\"%s\",", r->status);
    print_reason(r);
    (void)printf("\"job\":\"%s\",\"shards\":%u,\"objects\":{\"listed\":%" PRIu64
                 ",\"pruned\":%" PRIu64 ",\"read\":%" PRIu64 ",\"empty\":%" PRIu64
                 ",\"damaged\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"unreadable\":%" PRIu64
                 ",\"digest\":%" PRIu64 ",\"by_content\":%" PRIu64 ",\"skipped\":%" PRIu64
                 ",\"ignored\":%" PRIu64 "},",
                 r->job, r->shards, t->objects_listed, t->objects_pruned, t->objects_read,
                 t->objects_empty, t->objects_damaged, t->objects_unknown, t->objects_unreadable,
                 t->objects_digest, t->objects_by_content, r->skipped, r->ignored);
    (void)printf("\"bytes\":{\"read\":%" PRIu64 ",\"plain\":%" PRIu64 ",\"shipped\":%" PRIu64
                 "},\"records\":{\"in\":%" PRIu64 ",\"delivered\":%" PRIu64
                 ",\"duplicate\":%" PRIu64 ",\"excluded\":%" PRIu64 ",\"filtered\":%" PRIu64
                 ",\"dead\":%" PRIu64 ",\"held\":%" PRIu64 "},\"by_type\":{",
                 t->bytes_read, t->bytes_plain, t->bytes_shipped, t->records_in,
                 t->records_delivered, t->records_duplicate, t->records_excluded,
                 t->records_filtered, t->records_dead, t->records_held);
    print_types(r);
    (void)printf("},\"event_time\":{\"first\":\"%s\",\"last\":\"%s\"},\"accounts\":%u,"
                 "\"regions\":%u,\"rules\":{\"loaded\":%u,\"rejected\":%u,\"regex_limits\":%" PRIu64
                 ",\"values_cut\":%" PRIu64 "},\"matches\":%" PRIu64
                 ",\"signals\":{\"opened\":%" PRIu64 ",\"by_severity\":{",
                 first, last, r->accounts, r->regions, r->rules_loaded, r->rules_rejected,
                 r->regex_limits, t->values_cut, t->matches, r->signals_opened);
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        (void)printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                     pen_severity_name((enum pen_severity)i), r->signals_by_severity[i]);
    }
    (void)printf(
        "},\"shadow\":%" PRIu64 ",\"suppressed\":%" PRIu64 "},\"state\":{\"groups_cut\":%" PRIu64
        ",\"late\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"signals_evicted\":%" PRIu64
        ",\"groups_evicted\":%" PRIu64 ",\"window_events_evicted\":%" PRIu64
        ",\"values_limited\":%" PRIu64 ",\"new_values_evicted\":%" PRIu64
        ",\"places_evicted\":%" PRIu64 ",\"behind_log\":%" PRIu64
        ",\"anomaly_groups_evicted\":%" PRIu64 ",\"anomaly_late\":%" PRIu64
        "},\"state_kept\":{\"groups\":%" PRIu64 ",\"new_values\":%" PRIu64 "},\"gaps\":[",
        r->signals_shadow, r->signals_suppressed, t->groups_cut, r->state.late, r->state.duplicates,
        r->state.evicted, r->state.groups_evicted, r->state.window_events_evicted,
        r->state.values_limited, r->state.new_values_evicted, r->state.places_evicted,
        r->state.behind_log, r->state.anomaly_groups_evicted, r->state.anomaly_late,
        r->state.groups, r->state.new_values);
    for (uint32_t i = 0; i < r->gap_count; i++) {
        (void)printf("%s{\"cause\":\"%s\",\"account\":\"%s\",\"count\":%" PRIu64 "}",
                     i == 0 ? "" : ",", r->gaps[i].cause, r->gaps[i].account, r->gaps[i].count);
    }
    (void)printf("],");
    print_left_out_json(r);
    print_iocs_json(r);
    print_addresses_json(r);
    if (r->is_retry) {
        (void)printf("\"retry\":{\"objects\":%" PRIu64 ",\"left\":%" PRIu64 ",\"refused\":%" PRIu64
                     "},",
                     r->retried, r->retry_left, r->retry_refused);
    }
    print_promise_json(r);
    if (backtest != NULL) {
        backtest_report_json(backtest);
    }
    print_costs_json(r);
}

/* ---- the table ---- */

/* A count that is told only when there is something to tell. */
static void more(const char *before, uint64_t count, const char *what)
{
    if (count > 0) {
        (void)printf("%s%" PRIu64 " %s", before, count, what);
    }
}

static void print_counts(const struct pen_totals *t, uint64_t ignored, uint64_t skipped)
{
    (void)printf("%-10s %" PRIu64 " read, %" PRIu64 " empty, %" PRIu64 " damaged, %" PRIu64
                 " unknown, %" PRIu64 " unreadable",
                 "objects", t->objects_read, t->objects_empty, t->objects_damaged,
                 t->objects_unknown, t->objects_unreadable);
    more(", ", t->objects_pruned, "pruned");
    more(", of them ", ignored, "ignored by their types");
    more(", ", t->objects_digest, "digest");
    more(", ", skipped, "skipped");
    (void)printf(
        "\n%-10s %" PRIu64 " in = %" PRIu64 " delivered + %" PRIu64 " filtered + %" PRIu64 " dead",
        "records", t->records_in, t->records_delivered, t->records_filtered, t->records_dead);
    more(" + ", t->records_duplicate, "duplicate");
    more(" + ", t->records_excluded, "excluded");
    more(" + ", t->records_held, "held");
    (void)printf("\n");
    more("unparsed   ", t->records_unparsed,
         "of the documents (event.kind: pipeline_error, error.message says why)\n");
}

static void print_detection(const struct pen_replay_result *r)
{
    const struct pen_totals *t = &r->totals;
    char first[PEN_TIME_MAX];
    char last[PEN_TIME_MAX];
    time_text(t->time_first_ns, first);
    time_text(t->time_last_ns, last);
    if (first[0] == '\0') {
        (void)printf("%-10s none\n", "events");
    } else {
        (void)printf("%-10s %s to %s, %u account%s, %u region%s\n", "events", first, last,
                     r->accounts, plural(r->accounts), r->regions, plural(r->regions));
    }
    (void)printf("%-10s %u rule%s", "detection", r->rules_loaded, plural(r->rules_loaded));
    more(", ", r->rules_rejected, "rejected");
    more(", ", r->regex_limits, "expressions given up");
    more(", ", t->values_cut, "records with more values than are looked at");
    (void)printf(", %" PRIu64 " match%s\n%-10s", t->matches, t->matches == 1 ? "" : "es",
                 "signals");
    for (int i = PEN_CRITICAL; i >= 0; i--) {
        (void)printf(" %s %" PRIu64, pen_severity_name((enum pen_severity)i),
                     r->signals_by_severity[i]);
    }
    more("; ", r->signals_shadow, "in shadow mode");
    more("; ", r->signals_suppressed, "suppressed");
    (void)printf("\n");
}

static void print_addresses(const struct pen_replay_result *r)
{
    const uint64_t damaged = r->geoip_damaged + r->asn_damaged;
    if (damaged > 0) {
        (void)printf("%-10s %" PRIu64 " damaged entr%s of databases met\n", "addresses", damaged,
                     damaged == 1 ? "y" : "ies");
    }
}

/* What makes the exit code 7, but for the rules that were rejected. */
static void print_gaps(const struct pen_replay_result *r)
{
    const uint32_t shown = r->gap_count < GAP_LINES_MAX ? r->gap_count : GAP_LINES_MAX;
    for (uint32_t i = 0; i < shown; i++) {
        const struct pen_gap *gap = &r->gaps[i];
        (void)printf("%-10s %" PRIu64 " %s%s%s\n", i == 0 ? "gaps" : "", gap->count, gap->cause,
                     gap->account[0] == '\0' ? "" : ", account ", gap->account);
    }
    if (shown < r->gap_count) {
        (void)printf("%-10s and %u more\n", "", r->gap_count - shown);
    }
}

static void print_promise(const struct pen_replay_result *r)
{
    if (!r->is_cluster || !r->is_promise_known) {
        return;
    }
    (void)printf("%-10s each document is there once", "cluster");
    if (r->aliases.count == 0) {
        (void)printf(": its indices are named by date\n");
        return;
    }
    (void)printf(", unless a rollover fell between a try and the next:\n"
                 "%-10s %s: %s\n",
                 "", r->aliases.count == 1 ? "an alias or data stream" : "aliases or data streams",
                 r->aliases.text);
}

void replay_summary_table(const struct pen_replay_result *r, const char *out,
                          struct backtest_report *backtest)
{
    const struct pen_totals *t = &r->totals;
    const char *bound = bound_by(r);
    if (r->is_retry) {
        (void)printf("\n%-10s %" PRIu64 " objects read again, %" PRIu64
                     " left as they are, %" PRIu64 " refused now",
                     "retry", r->retried, r->retry_left, r->retry_refused);
    }
    (void)printf("\n%-10s %s, %.1f s, %.0f records/s, %.0f MB/s%s%s\n", "run", r->status, r->wall_s,
                 (double)(t->records_in - r->records_before) / r->wall_s,
                 (double)(t->bytes_plain - r->plain_before) / 1e6 / r->wall_s,
                 bound == NULL ? "" : ", bound by ", bound == NULL ? "" : bound);
    print_counts(t, r->ignored, r->skipped);
    print_detection(r);
    print_promise(r);
    print_exclusions(r);
    print_left_out(r);
    print_iocs(r);
    print_addresses(r);
    print_gaps(r);
    if (backtest != NULL) {
        backtest_report_table(backtest);
    }
    (void)printf("\nlook further:\n  penstock signals list --out %s\n", out);
    if (!r->is_cluster && backtest == NULL) {
        (void)printf("  zstd -dc %s/documents/*.zst | head -n 1\n", out);
    }
    if (t->objects_damaged + t->objects_unknown + t->objects_unreadable + t->records_dead > 0) {
        (void)printf("  penstock dead-letters list --out %s\n", out);
    }
    if (strcmp(r->reason, "interrupted") == 0) { /* other reasons need more, and words said what */
        (void)printf("the same command goes on where this run stopped\n");
    }
}
