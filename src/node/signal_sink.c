/* tested by tests/e2e/test_opensearch.py */
#include "signal_sink.h"

#include "penstock/node.h"
#include "penstock/signals.h"

#include "signals_read.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 256U
#define DOCUMENT_BYTES_MAX ((size_t)16 << 20)
#define REASON_BYTES_MAX 200U
#define REFUSED 1 /* in place of a hash */

struct sent { /* a signal under way */
    char id[40];
    int64_t seq, hash;
};
struct signal_sink {
    struct pen_signals *signals;
    struct pen_ship *ship;
    sqlite3_stmt *pending, *ack;
    uint64_t seed; /* of hashes: another cluster has seen nothing */
    struct sent batch[BATCH];
    uint32_t count;
    bool is_flying, has_news, is_end;
    int64_t before;                 /* the last seq of earlier runs */
    char refusal[REASON_BYTES_MAX]; /* the first one */
    struct pen_buf text;
};

/* ---- open, free ---- */

static void on_refused(void *ctx, const struct pen_ship_refusal *refusal)
{
    struct signal_sink *sink = ctx;
    PEN_CHECK(refusal->record < sink->count);
    sink->batch[refusal->record].hash = REFUSED;
    if (sink->refusal[0] == '\0') {
        (void)snprintf(sink->refusal, sizeof(sink->refusal), "%.*s",
                       PEN_SLICE_FMT(refusal->reason));
    }
}

static pen_status before_load(struct signal_sink *sink, struct pen_err *err)
{
    sqlite3_stmt *last = NULL;
    PEN_TRY(signals_prepare(sink->signals, "SELECT coalesce(max(seq), 0) FROM signal_sink", &last,
                            err));
    const int code = sqlite3_step(last);
    sink->before = code == SQLITE_ROW ? sqlite3_column_int64(last, 0) : 0;
    (void)sqlite3_finalize(last);
    return code == SQLITE_ROW ? PEN_OK : signals_fail(sink->signals, err);
}

pen_status signal_sink_open(const struct signal_sink_options *options, struct signal_sink **out,
                            struct pen_err *err)
{
    struct signal_sink *sink = calloc(1, sizeof(*sink));
    if (sink == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    struct pen_ship_options ship = options->ship;
    ship.refused = on_refused;
    ship.ctx = sink;
    sink->has_news = true; /* what an earlier run left */
    sink->seed = pen_hash64(pen_slice_str(options->urls), 0);
    pen_buf_init(&sink->text, DOCUMENT_BYTES_MAX);
    pen_status st = pen_signals_open(options->dir, &sink->signals, err);
    st = st == PEN_OK ? signals_prepare(sink->signals,
                                        "SELECT id, seq, hash FROM signal_sink WHERE acked < seq"
                                        " AND (acked = 0 OR acked > :before OR :end)"
                                        " ORDER BY seq LIMIT :limit",
                                        &sink->pending, err)
                      : st;
    st = st == PEN_OK ? signals_prepare(sink->signals,
                                        "UPDATE signal_sink SET acked = :seq, hash = :hash"
                                        " WHERE id = :id",
                                        &sink->ack, err)
                      : st;
    st = st == PEN_OK ? before_load(sink, err) : st;
    st = st == PEN_OK ? pen_ship_new(&ship, &sink->ship, err) : st;
    if (st != PEN_OK) {
        signal_sink_free(sink);
        return st;
    }
    *out = sink;
    return PEN_OK;
}

bool signal_sink_cancel(struct signal_sink *sink)
{
    return sink == NULL || pen_ship_cancel(sink->ship);
}

void signal_sink_free(struct signal_sink *sink)
{
    if (sink != NULL) {
        (void)sqlite3_finalize(sink->pending);
        (void)sqlite3_finalize(sink->ack);
        pen_signals_close(sink->signals);
        pen_ship_free(sink->ship);
        pen_buf_fini(&sink->text);
        free(sink);
    }
}

pen_status signal_sink_credentials(struct signal_sink *sink,
                                   const struct pen_credentials *credentials, struct pen_err *err)
{
    return sink == NULL ? PEN_OK : pen_ship_credentials(sink->ship, credentials, err);
}

void signal_sink_addresses(struct signal_sink *sink, const struct pen_sink_addresses *addresses)
{
    if (sink != NULL) {
        pen_ship_addresses(sink->ship, addresses);
    }
}

void signal_sink_end(struct signal_sink *sink)
{
    if (sink != NULL) {
        sink->has_news = sink->is_end = true;
    }
}

void signal_sink_news(struct signal_sink *sink)
{
    if (sink != NULL) {
        sink->has_news = true;
    }
}

/* ---- documents ---- */

struct writing {
    struct signal_sink *sink;
    char index[40];
};

static pen_status document_write(void *ctx, const struct pen_signal_row *row)
{
    struct writing *w = ctx;
    char time[PEN_TIME_MAX];
    const struct pen_civil at = pen_civil_from_ns(row->first_seen_ns);
    struct pen_buf *out = &w->sink->text;
    (void)snprintf(w->index, sizeof(w->index), "penstock-signals-%04d-%02d", at.year, at.month);
    time[pen_format_time(row->first_seen_ns, time)] = '\0';
    out->len = 0;
    PEN_TRY(pen_buf_printf(out, "{\"@timestamp\":\"%s\",", time));
    const size_t brace = out->len;
    PEN_TRY(pen_signal_row_json(row, out));
    PEN_CHECK(out->ptr[brace] == '{');
    memmove(out->ptr + brace, out->ptr + brace + 1, out->len - brace - 1);
    out->len--;
    return PEN_OK;
}

static pen_status ack(struct signal_sink *sink, const struct sent *one, struct pen_err *err)
{
    signals_bind_text(sink->ack, ":id", one->id);
    signals_bind_i64(sink->ack, ":seq", one->seq);
    signals_bind_i64(sink->ack, ":hash", one->hash);
    const int code = sqlite3_step(sink->ack);
    (void)sqlite3_reset(sink->ack);
    return code == SQLITE_DONE ? PEN_OK : signals_fail(sink->signals, err);
}

/* The signal as it is now goes into a body, unless the cluster has it so.  One that is gone was
 * never to be told. */
static pen_status signal_add(struct signal_sink *sink, struct sent *one, bool *is_added,
                             struct pen_err *err)
{
    struct writing w = {.sink = sink};
    const struct pen_signals_filter filter = {
        .id = one->id, .from_ns = INT64_MIN, .to_ns = INT64_MAX};
    const int64_t before = one->hash;
    *is_added = false;
    sink->text.len = 0;
    PEN_TRY(pen_signals_list(sink->signals, &filter, document_write, &w, err));
    one->hash = (int64_t)pen_hash64(pen_buf_slice(&sink->text), sink->seed);
    if (sink->text.len == 0 || one->hash == before) {
        return PEN_OK;
    }
    const struct pen_ship_document doc = {.index = pen_slice_str(w.index),
                                          .id = pen_slice_str(one->id),
                                          .source = pen_buf_slice(&sink->text),
                                          .type = PEN_SLICE_LIT("signal"),
                                          .record = (uint64_t)(one - sink->batch),
                                          .version = (uint64_t)one->seq};
    *is_added = true;
    return pen_ship_add(sink->ship, &doc, err);
}

static pen_status batch_load(struct signal_sink *sink, struct pen_err *err)
{
    signals_bind_i64(sink->pending, ":limit", BATCH);
    signals_bind_i64(sink->pending, ":before", sink->before);
    signals_bind_i64(sink->pending, ":end", sink->is_end ? 1 : 0);
    int code = SQLITE_ROW;
    sink->count = 0;
    while ((code = sqlite3_step(sink->pending)) == SQLITE_ROW) {
        struct sent *one = &sink->batch[sink->count++];
        const pen_slice id = signals_column(sink->pending, 0);
        (void)snprintf(one->id, sizeof(one->id), "%.*s", PEN_SLICE_FMT(id));
        one->seq = sqlite3_column_int64(sink->pending, 1);
        one->hash = sqlite3_column_int64(sink->pending, 2);
    }
    (void)sqlite3_reset(sink->pending);
    return code == SQLITE_DONE ? PEN_OK : signals_fail(sink->signals, err);
}

/* Of the batch stays what was added to a body; of the rest the cluster is as it shall be. */
static pen_status batch_add(struct signal_sink *sink, struct pen_err *err)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sink->count; i++) {
        struct sent *one = &sink->batch[kept];
        bool is_added = false;
        *one = sink->batch[i];
        PEN_TRY(signal_add(sink, one, &is_added, err));
        const pen_status st = is_added ? PEN_OK : ack(sink, one, err);
        kept += is_added ? 1 : 0;
        PEN_TRY(st);
    }
    sink->count = kept;
    return PEN_OK;
}

static pen_status batch_send(struct signal_sink *sink, struct pen_err *err)
{
    const struct pen_ship_file *files = NULL;
    uint32_t file_count = 0;
    PEN_TRY(batch_load(sink, err));
    sink->has_news = sink->count > 0;
    PEN_TRY(batch_add(sink, err));
    sink->is_flying = sink->count > 0;
    return sink->is_flying ? pen_ship_cut(sink->ship, &files, &file_count, err) : PEN_OK;
}

static pen_status batch_done(struct signal_sink *sink, struct pen_err *err)
{
    if (sqlite3_exec(sink->signals->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        return signals_fail(sink->signals, err);
    }
    for (uint32_t i = 0; i < sink->count; i++) {
        PEN_TRY(ack(sink, &sink->batch[i], err));
    }
    sink->is_flying = false;
    sink->count = 0;
    return sqlite3_exec(sink->signals->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK
               ? PEN_OK
               : signals_fail(sink->signals, err);
}

pen_status signal_sink_turn(struct signal_sink *sink, bool is_quiet, bool *is_idle,
                            struct pen_err *err)
{
    *is_idle = true;
    if (sink == NULL) {
        return PEN_OK;
    }
    (void)pen_ship_turn(sink->ship, pen_clock_mono_ns());
    if (sink->is_flying && is_quiet && pen_ship_is_settled(sink->ship)) {
        PEN_TRY(batch_done(sink, err));
    }
    if (!sink->is_flying && is_quiet && sink->has_news) {
        PEN_TRY(batch_send(sink, err));
    }
    *is_idle = !sink->is_flying && !sink->has_news;
    return PEN_OK;
}

const char *signal_sink_state(const struct signal_sink *sink)
{
    return sink == NULL ? NULL : pen_ship_state(sink->ship, pen_clock_mono_ns());
}

pen_status signal_sink_refused(struct signal_sink *sink, uint64_t *count, const char **reason,
                               struct pen_err *err)
{
    *count = 0;
    *reason = "";
    if (sink == NULL) {
        return PEN_OK;
    }
    *reason = sink->refusal;
    sqlite3_stmt *refused = NULL;
    PEN_TRY(signals_prepare(sink->signals,
                            "SELECT count(*) FROM signal_sink WHERE hash = :hash"
                            " AND id IN (SELECT id FROM signals)",
                            &refused, err));
    signals_bind_i64(refused, ":hash", REFUSED);
    const int code = sqlite3_step(refused);
    *count = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(refused, 0) : 0;
    (void)sqlite3_finalize(refused);
    return code == SQLITE_ROW ? PEN_OK : signals_fail(sink->signals, err);
}
