/* tested by tests/e2e/test_replay.py */
#include "replay_args.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>

static void time_text(int64_t ns, char out[PEN_TIME_MAX])
{
    out[0] = '\0';
    if (ns != 0) {
        (void)pen_format_time(ns, out);
    }
}

static void print_types(const struct pen_replay_result *r)
{
    bool first = true;
    for (uint32_t i = 0; i < r->type_count; i++) {
        const struct pen_type_totals *t = &r->by_type[i];
        if (t->objects > 0) {
            (void)printf("%s\"%s\":{\"objects\":%" PRIu64 ",\"records\":%" PRIu64
                         ",\"dead\":%" PRIu64 "}",
                         first ? "" : ",", t->name, t->objects, t->records, t->dead);
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

void replay_summary_json(const struct pen_replay_result *r)
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
                 ",\"digest\":%" PRIu64 ",\"skipped\":%" PRIu64 "},",
                 r->job, r->shards, t->objects_listed, t->objects_pruned, t->objects_read,
                 t->objects_empty, t->objects_damaged, t->objects_unknown, t->objects_unreadable,
                 t->objects_digest, r->skipped);
    (void)printf("\"bytes\":{\"read\":%" PRIu64 ",\"plain\":%" PRIu64 ",\"shipped\":%" PRIu64
                 "},\"records\":{\"in\":%" PRIu64 ",\"delivered\":%" PRIu64
                 ",\"duplicate\":0,\"excluded\":0,\"filtered\":%" PRIu64 ",\"dead\":%" PRIu64
                 ",\"held\":%" PRIu64 "},\"by_type\":{",
                 t->bytes_read, t->bytes_plain, t->bytes_shipped, t->records_in,
                 t->records_delivered, t->records_filtered, t->records_dead, t->records_held);
    print_types(r);
    (void)printf("},\"event_time\":{\"first\":\"%s\",\"last\":\"%s\"},\"accounts\":%u,"
                 "\"regions\":%u,\"rules\":{\"loaded\":%u,\"rejected\":%u},\"matches\":%" PRIu64
                 ",\"signals\":{\"opened\":%" PRIu64 ",\"by_severity\":{",
                 first, last, r->accounts, r->regions, r->rules_loaded, r->rules_rejected,
                 t->matches, r->signals_opened);
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        (void)printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                     pen_severity_name((enum pen_severity)i), r->signals_by_severity[i]);
    }
    (void)printf("}},\"gaps\":[");
    for (uint32_t i = 0; i < r->gap_count; i++) {
        (void)printf("%s{\"cause\":\"%s\",\"account\":\"%s\",\"count\":%" PRIu64 "}",
                     i == 0 ? "" : ",", r->gaps[i].cause, r->gaps[i].account, r->gaps[i].count);
    }
    (void)printf("],");
    if (r->is_retry) {
        (void)printf("\"retry\":{\"objects\":%" PRIu64 ",\"left\":%" PRIu64 ",\"refused\":%" PRIu64
                     "},",
                     r->retried, r->retry_left, r->retry_refused);
    }
    (void)printf("\"bound_by\":\"%s\",\"seconds\":{\"wall\":%.3f,\"cpu\":%.3f},"
                 "\"rss_bytes_max\":%" PRIu64 "}\n",
                 r->cpu_s > 0.7 * r->wall_s * r->shards ? "cpu" : "storage", r->wall_s, r->cpu_s,
                 r->rss_bytes_max);
}

void replay_summary_table(const struct pen_replay_result *r, const char *out)
{
    const struct pen_totals *t = &r->totals;
    char first[PEN_TIME_MAX];
    char last[PEN_TIME_MAX];
    time_text(t->time_first_ns, first);
    time_text(t->time_last_ns, last);
    if (r->is_retry) {
        (void)printf("\n%-10s %" PRIu64 " objects read again, %" PRIu64
                     " left as they are, %" PRIu64 " refused now",
                     "retry", r->retried, r->retry_left, r->retry_refused);
    }
    (void)printf("\n%-10s %s, %.1f s, %.0f records/s, %.0f MB/s\n", "run", r->status, r->wall_s,
                 (double)(t->records_in - r->records_before) / r->wall_s,
                 (double)(t->bytes_plain - r->plain_before) / 1e6 / r->wall_s);
    (void)printf("%-10s %" PRIu64 " read, %" PRIu64 " empty, %" PRIu64 " damaged, %" PRIu64
                 " unknown, %" PRIu64 " unreadable\n",
                 "objects", t->objects_read, t->objects_empty, t->objects_damaged,
                 t->objects_unknown, t->objects_unreadable);
    (void)printf(
        "%-10s %" PRIu64 " in = %" PRIu64 " delivered + %" PRIu64 " filtered + %" PRIu64 " dead\n",
        "records", t->records_in, t->records_delivered, t->records_filtered, t->records_dead);
    (void)printf("%-10s %s to %s, %u accounts, %u regions\n", "events", first, last, r->accounts,
                 r->regions);
    (void)printf("%-10s %u rules, %" PRIu64 " matches\n", "detection", r->rules_loaded, t->matches);
    (void)printf("%-10s", "signals");
    for (int i = PEN_CRITICAL; i >= 0; i--) {
        (void)printf(" %s %" PRIu64, pen_severity_name((enum pen_severity)i),
                     r->signals_by_severity[i]);
    }
    (void)printf("\n\nlook further:\n"
                 "  penstock signals list --out %s\n"
                 "  zstd -dc %s/documents/*.zst | head -n 1\n",
                 out, out);
    if (t->objects_damaged + t->objects_unknown + t->objects_unreadable + t->records_dead > 0) {
        (void)printf("  penstock dead-letters list --out %s\n", out);
    }
}
