/* tested by tests/e2e/test_signals.py */
#include "penstock/node.h"
#include "penstock/signals.h"

#include "signals_read.h"

#define ID_DIGITS 32U

/* Hex digits in lower case.  False: too few, too many, or something else. */
static bool prefix_read(const char *text, char prefix[ID_DIGITS + 1])
{
    const size_t len = strlen(text);
    if (len < PEN_SIGNAL_PREFIX_MIN || len > ID_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'F') {
            c = (char)(c - 'A' + 'a');
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        prefix[i] = c;
    }
    prefix[len] = '\0';
    return true;
}

static void id_take(struct pen_signal_ids *found, pen_slice id)
{
    if (found->count == PEN_SIGNAL_CANDIDATES_MAX || id.len > ID_DIGITS) {
        found->more = true;
        return;
    }
    char *to = found->ids[found->count++];
    memcpy(to, id.ptr, id.len);
    to[id.len] = '\0';
}

pen_status pen_signals_resolve(struct pen_signals *signals, const char *text,
                               struct pen_signal_ids *found, struct pen_err *err)
{
    char prefix[ID_DIGITS + 1];
    sqlite3_stmt *statement = NULL;
    *found = (struct pen_signal_ids){.count = 0};
    if (!prefix_read(text, prefix)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "a signal id is %u hex digits, or its first %u or more", ID_DIGITS,
                        PEN_SIGNAL_PREFIX_MIN);
    }
    /* 'g' follows every hex digit. */
    PEN_TRY(signals_prepare(signals,
                            "SELECT id FROM signals WHERE id >= :id AND id < :id || 'g'"
                            " ORDER BY id LIMIT :limit",
                            &statement, err));
    signals_bind_text(statement, ":id", prefix);
    signals_bind_i64(statement, ":limit", PEN_SIGNAL_CANDIDATES_MAX + 1);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        id_take(found, signals_column(statement, 0));
    }
    const pen_status st = code == SQLITE_DONE ? PEN_OK : signals_fail(signals, err);
    (void)sqlite3_finalize(statement);
    PEN_TRY(st);
    if (found->count == 0) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "no signal has an id that begins %s",
                        prefix);
    }
    return found->count == 1 ? PEN_OK
                             : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                                        "%s is the beginning of several ids", prefix);
}

/* What was told of events in this connection: in memory, and gone with it. */
static const char told_sql[] =
    "PRAGMA temp_store = MEMORY;"
    "CREATE TEMP TABLE IF NOT EXISTS told(signal_id TEXT, event_id TEXT, event TEXT, reason TEXT,"
    " PRIMARY KEY(signal_id, event_id))";

/* Files of before events told all of their queries have no such column. */
static bool has_others(const struct pen_signals *signals)
{
    sqlite3_stmt *statement = NULL;
    const int code = sqlite3_prepare_v2(signals->db, "SELECT other_queries FROM signal_events", -1,
                                        &statement, NULL);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_OK;
}

static pen_status told_open(struct pen_signals *signals, struct pen_err *err)
{
    if (signals->has_told) {
        return PEN_OK;
    }
    signals->has_told = sqlite3_exec(signals->db, told_sql, NULL, NULL, NULL) == SQLITE_OK;
    return signals->has_told ? PEN_OK : signals_fail(signals, err);
}

static void bind_slice(sqlite3_stmt *statement, int at, pen_slice text)
{
    PEN_CHECK(sqlite3_bind_text(statement, at, (const char *)text.ptr, (int)text.len,
                                SQLITE_STATIC) == SQLITE_OK);
}

pen_status pen_signals_event_tell(struct pen_signals *signals, const char *id, pen_slice event_id,
                                  pen_slice event, const char *reason, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    PEN_TRY(told_open(signals, err));
    PEN_TRY(signals_prepare(signals, "INSERT OR REPLACE INTO told VALUES(?1, ?2, ?3, ?4)",
                            &statement, err));
    bind_slice(statement, 1, pen_slice_str(id));
    bind_slice(statement, 2, event_id);
    if (event.len > 0) {
        bind_slice(statement, 3, event);
    } else {
        bind_slice(statement, 4, pen_slice_str(reason));
    }
    const int code = sqlite3_step(statement);
    const pen_status st = code == SQLITE_DONE ? PEN_OK : signals_fail(signals, err);
    (void)sqlite3_finalize(statement);
    return st;
}

/* Name, actor and address stand where the log type has them: the first of the paths that is there.
 */
#define EVENTS_SQL(others)                                                                   \
    "SELECT event_id, event_time_ns, index_name, object, record, query, e,"                  \
    " coalesce(json_extract(e, '$.eventName'), json_extract(e, '$.event.action'),"           \
    " json_extract(e, '$.verb'), json_extract(e, '$.Operation'),"                            \
    " json_extract(e, '$.operation'), json_extract(e, '$.action'),"                          \
    " json_extract(e, '$.query_name'), json_extract(e, '$.http_path'),"                      \
    " json_extract(e, '$.cs_uri_stem'), json_extract(e, '$.type'),"                          \
    " json_extract(e, '$.Title'), json_extract(e, '$.message')),"                            \
    " coalesce(json_extract(e, '$.userIdentity.sessionContext.sessionIssuer.arn'),"          \
    " json_extract(e, '$.userIdentity.arn'), json_extract(e, '$.userIdentity.principalId')," \
    " json_extract(e, '$.userIdentity.invokedBy'), json_extract(e, '$.user.username'),"      \
    " json_extract(e, '$.username'), json_extract(e, '$.user'),"                             \
    " json_extract(e, '$.Requester'), json_extract(e, '$.srcids.instance'),"                 \
    " json_extract(e, '$.interface_id')),"                                                   \
    " coalesce(json_extract(e, '$.sourceIPAddress'), json_extract(e, '$.sourceIPs[0]'),"     \
    " json_extract(e, '$.srcaddr'), json_extract(e, '$.client_ip'),"                         \
    " json_extract(e, '$.c_ip'), json_extract(e, '$.httpRequest.clientIp'),"                 \
    " json_extract(e, '$.RemoteIP'), json_extract(e, '$.source_address'),"                   \
    " json_extract(e, '$.host')), reason, " others                                           \
    " FROM (SELECT s.*, t.reason AS reason, iif(json_valid(coalesce(s.event, t.event)),"     \
    " json(coalesce(s.event, t.event)), NULL) AS e FROM signal_events s"                     \
    " LEFT JOIN told t USING(signal_id, event_id) WHERE s.signal_id = :id)"                  \
    " ORDER BY event_time_ns, event_id"

pen_status pen_signals_events(struct pen_signals *signals, const char *id, pen_signal_event_fn *fn,
                              void *ctx, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    PEN_TRY(told_open(signals, err));
    PEN_TRY(signals_prepare(signals,
                            has_others(signals) ? EVENTS_SQL("other_queries") : EVENTS_SQL("0"),
                            &statement, err));
    signals_bind_text(statement, ":id", id);
    pen_status st = PEN_OK;
    int code = SQLITE_ROW;
    while (st == PEN_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct pen_signal_event_row row = {
            .event_id = signals_column(statement, 0),
            .event_time_ns = sqlite3_column_int64(statement, 1),
            .index_name = signals_column(statement, 2),
            .object = signals_column(statement, 3),
            .record = sqlite3_column_int64(statement, 4),
            .query = signals_column(statement, 5),
            .event = signals_column(statement, 6),
            .name = signals_column(statement, 7),
            .actor = signals_column(statement, 8),
            .source_ip = signals_column(statement, 9),
            .reason = signals_column(statement, 10),
            .others = (uint32_t)sqlite3_column_int64(statement, 11)};
        st = fn(ctx, &row);
    }
    if (st == PEN_OK && code != SQLITE_DONE) {
        st = signals_fail(signals, err);
    }
    (void)sqlite3_finalize(statement);
    return st;
}

pen_status pen_signals_history(struct pen_signals *signals, const char *id,
                               pen_signal_change_fn *fn, void *ctx, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    PEN_TRY(signals_prepare(signals,
                            "SELECT time_ns, user, \"from\", \"to\", note FROM signal_history"
                            " WHERE signal_id = :id ORDER BY time_ns, rowid",
                            &statement, err));
    signals_bind_text(statement, ":id", id);
    pen_status st = PEN_OK;
    int code = SQLITE_ROW;
    while (st == PEN_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct pen_signal_change_row row = {.time_ns = sqlite3_column_int64(statement, 0),
                                                  .user = signals_column(statement, 1),
                                                  .from = signals_column(statement, 2),
                                                  .to = signals_column(statement, 3),
                                                  .note = signals_column(statement, 4)};
        st = fn(ctx, &row);
    }
    if (st == PEN_OK && code != SQLITE_DONE) {
        st = signals_fail(signals, err);
    }
    (void)sqlite3_finalize(statement);
    return st;
}
