/* tested by tests/e2e/test_replay.py */
#include "signals_db.h"

#include "penstock/node.h"

#include "checkpoint.h"
#include "signal_text.h"
#include "signals_mark.h"
#include "suppress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_BYTES_MAX ((size_t)16 << 20)
#define BUSY_MS 30000
#define SIGNALS_FORMAT 1
#define SUPPRESSED_BY_MAX 512U
#define RUN_OF_OTHERS "0" /* the run of rows that are not of the job */

enum statement {
    SQL_UPSERT,
    SQL_EVENT,
    SQL_EVENTS_CLEAR,
    SQL_QUEUE,
    SQL_SUPPRESSED,
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_JOB,
    SQL_COUNT
};
static const char *const statement_text[SQL_COUNT] = {
    [SQL_UPSERT] =
        "INSERT INTO signals(id, rule_id, rule_version, rule_name, language, severity, case_name,"
        " state, first_seen_ns, last_seen_ns, group_by, events_matched, events_per_query, title,"
        " message, tags, accounts, regions, actors, source_ips, tactics, techniques, job_id,"
        " closed, late, cold, shadow, suppressed_by, run)"
        " VALUES(?1,?2,?3,?4,?5,?6,?24,"
        "'open',?7,?8,?9,?10,?11,?25,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?28,?26,?27,?23)"
        " ON CONFLICT(id) DO UPDATE SET rule_version=excluded.rule_version,"
        " rule_name=excluded.rule_name, severity=excluded.severity,"
        " case_name=excluded.case_name,"
        " first_seen_ns=excluded.first_seen_ns, last_seen_ns=excluded.last_seen_ns,"
        " group_by=excluded.group_by, events_matched=excluded.events_matched,"
        " events_per_query=excluded.events_per_query, title=excluded.title,"
        " message=excluded.message, tags=excluded.tags, accounts=excluded.accounts,"
        " regions=excluded.regions, actors=excluded.actors, source_ips=excluded.source_ips,"
        " tactics=excluded.tactics, techniques=excluded.techniques, job_id=excluded.job_id,"
        " closed=excluded.closed, late=excluded.late, cold=excluded.cold, shadow=excluded.shadow,"
        " suppressed_by=excluded.suppressed_by, run=excluded.run",
    [SQL_EVENT] = "INSERT OR REPLACE INTO signal_events(signal_id, event_id, event_time_ns,"
                  " index_name, object, record, query, event, other_queries)"
                  " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [SQL_EVENTS_CLEAR] = "DELETE FROM signal_events WHERE signal_id = ?1",
    [SQL_QUEUE] = "INSERT INTO signal_sink(id, seq, acked, hash) VALUES(?1, ?2, 0, 0)"
                  " ON CONFLICT(id) DO UPDATE SET seq = excluded.seq",
    [SQL_SUPPRESSED] = "SELECT suppressed_by FROM signals WHERE id = ?1",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_JOB] = "INSERT INTO jobs(job_id, command_line, version, rules_hash, start_ns, end_ns,"
                " status, records, signals) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
};
static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS signals(id TEXT PRIMARY KEY, rule_id TEXT, rule_version TEXT,"
    " rule_name TEXT, language TEXT, severity TEXT, case_name TEXT, state TEXT,"
    " archive_reason TEXT, assignee TEXT, first_seen_ns INTEGER, last_seen_ns INTEGER,"
    " group_by TEXT, events_matched INTEGER, events_per_query TEXT, title TEXT, message TEXT,"
    " tags TEXT, accounts TEXT, regions TEXT, actors TEXT, source_ips TEXT, tactics TEXT,"
    " techniques TEXT, job_id TEXT, closed INTEGER, late INTEGER, cold INTEGER, shadow INTEGER,"
    " suppressed_by TEXT, run INTEGER);"
    "CREATE TABLE IF NOT EXISTS signal_events(signal_id TEXT, event_id TEXT,"
    " event_time_ns INTEGER, index_name TEXT, object TEXT, record INTEGER, query TEXT, event TEXT,"
    " other_queries INTEGER, PRIMARY KEY(signal_id, event_id));"
    "CREATE TABLE IF NOT EXISTS signal_history(signal_id TEXT, time_ns INTEGER, user TEXT,"
    " \"from\" TEXT, \"to\" TEXT, note TEXT);"
    "CREATE TABLE IF NOT EXISTS jobs(job_id TEXT, command_line TEXT, version TEXT,"
    " rules_hash TEXT, start_ns INTEGER, end_ns INTEGER, status TEXT, records INTEGER,"
    " signals INTEGER);"
    "CREATE TABLE IF NOT EXISTS signal_sink(id TEXT PRIMARY KEY, seq INTEGER, acked INTEGER,"
    " hash INTEGER);"
    "CREATE TABLE IF NOT EXISTS marks(run INTEGER PRIMARY KEY);"
    "CREATE INDEX IF NOT EXISTS signal_sink_pending ON signal_sink(seq) WHERE acked < seq;"
    "CREATE VIEW IF NOT EXISTS signals_view AS SELECT id, rule_id, rule_name, severity, state,"
    " strftime('%Y-%m-%dT%H:%M:%SZ', first_seen_ns / 1000000000, 'unixepoch') AS first_seen,"
    " strftime('%Y-%m-%dT%H:%M:%SZ', last_seen_ns / 1000000000, 'unixepoch') AS last_seen,"
    " events_matched, group_by, accounts, regions, actors, source_ips, tactics, techniques,"
    " message, closed, late FROM signals;"
    "PRAGMA user_version = 1;"; /* SIGNALS_FORMAT */

struct signals_db {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    FILE *lines; /* signals.ndjson */
    struct signals_db_options options;
    struct suppress *suppress; /* NULL: nothing can be */
    struct pen_buf text;
    int64_t run;                /* of the rows that are written now: grows with each mark */
    int64_t first_run;          /* of this process */
    struct signals_mark before; /* what earlier processes told, and counts */
    int64_t seq;                /* of the last change that is to be sent: grows over all runs */
    bool in_transaction;
    bool was_suppressed, is_suppressed; /* the signal that is put */
    char suppressed_by[SUPPRESSED_BY_MAX];
    struct signals_db_totals totals;
};

static pen_status db_fail(struct signals_db *db, struct pen_err *err, const char *what)
{
    const int code = sqlite3_errcode(db->db);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "%s/signals.db is damaged (%s): move it away, then the same command makes "
                        "it anew, without the triage that it held",
                        db->options.dir, sqlite3_errmsg(db->db));
    }
    const pen_status st =
        code == SQLITE_FULL ? PEN_E_NOSPACE : pen_status_of_write(sqlite3_system_errno(db->db));
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "signals.db: %s: %s", what, sqlite3_errmsg(db->db));
}

static pen_status db_run(struct signals_db *db, enum statement which, struct pen_err *err)
{
    sqlite3_stmt *statement = db->statements[which];
    const int code = sqlite3_step(statement);
    const pen_status st = code == SQLITE_DONE ? PEN_OK : db_fail(db, err, "cannot be written");
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return st;
}

static void bind_slice(struct signals_db *db, enum statement which, int at, pen_slice text)
{
    const char *ptr = text.ptr == NULL ? "" : (const char *)text.ptr;
    PEN_CHECK(sqlite3_bind_text(db->statements[which], at, ptr, (int)text.len, SQLITE_TRANSIENT) ==
              SQLITE_OK);
}

static void bind_i64(struct signals_db *db, enum statement which, int at, int64_t value)
{
    PEN_CHECK(sqlite3_bind_int64(db->statements[which], at, value) == SQLITE_OK);
}

/* Appends ["a","b"]. */
static pen_status json_list(struct pen_buf *out, const pen_slice *items, uint32_t count)
{
    PEN_TRY(pen_buf_add_byte(out, '['));
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(pen_buf_add(out, i == 0 ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
        PEN_TRY(pen_json_escape(out, items[i]));
        PEN_TRY(pen_buf_add_byte(out, '"'));
    }
    return pen_buf_add_byte(out, ']');
}

static pen_status bind_list(struct signals_db *db, int at, const pen_slice *items, uint32_t count,
                            struct pen_err *err)
{
    db->text.len = 0;
    if (json_list(&db->text, items, count) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    bind_slice(db, SQL_UPSERT, at, pen_buf_slice(&db->text));
    return PEN_OK;
}

/* A file of before events told all of their queries gets the column. */
static pen_status column_add(struct signals_db *db, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    const bool is_there = sqlite3_prepare_v2(db->db, "SELECT other_queries FROM signal_events", -1,
                                             &statement, NULL) == SQLITE_OK;
    (void)sqlite3_finalize(statement);
    return is_there || sqlite3_exec(db->db,
                                    "ALTER TABLE signal_events ADD COLUMN other_queries INTEGER",
                                    NULL, NULL, NULL) == SQLITE_OK
               ? PEN_OK
               : db_fail(db, err, "cannot be written");
}

static pen_status db_prepare(struct signals_db *db, struct pen_err *err)
{
    if (sqlite3_exec(db->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
        return db_fail(db, err, "cannot be opened");
    }
    PEN_TRY(column_add(db, err));
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        if (sqlite3_prepare_v2(db->db, statement_text[i], -1, &db->statements[i], NULL) !=
            SQLITE_OK) {
            return db_fail(db, err, "not the tables of signals");
        }
    }
    return PEN_OK;
}

/* A newer penstock's file is left as it is. */
static pen_status format_check(struct signals_db *db, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        (void)sqlite3_finalize(statement);
        return db_fail(db, err, "cannot be read");
    }
    const int format = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return format <= SIGNALS_FORMAT
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                          "signals.db has format %d, this penstock writes %d: use the penstock "
                          "that wrote it, or another --out",
                          format, SIGNALS_FORMAT);
}

static pen_status db_files(struct signals_db *db, struct pen_err *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/signals.db", db->options.dir) < 0) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    const pen_status st = private_file(path, err);
    const int code =
        st == PEN_OK ? sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE, NULL) : SQLITE_OK;
    free(path);
    PEN_TRY(st);
    if (code != SQLITE_OK) {
        return db_fail(db, err, "cannot be opened");
    }
    /* Triage from a terminal takes milliseconds; a run waits for it. */
    (void)sqlite3_busy_timeout(db->db, BUSY_MS);
    PEN_TRY(format_check(db, err));
    PEN_TRY(db_prepare(db, err));
    if (asprintf(&path, "%s/signals.ndjson", db->options.dir) < 0) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    db->lines = fd < 0 ? NULL : fdopen(fd, "w");
    return db->lines != NULL ? PEN_OK
                             : PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET,
                                        "signals.ndjson: %s", strerrordesc_np(errno));
}

pen_status signals_db_open(const struct signals_db_options *options, struct signals_db **out,
                           struct pen_err *err)
{
    struct signals_db *db = calloc(1, sizeof(*db));
    if (db == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    db->options = *options;
    db->run = pen_clock_wall_ns();
    db->first_run = db->run;
    db->seq = db->run;
    pen_buf_init(&db->text, LINE_BYTES_MAX);
    pen_status st = suppress_new(options->program, &db->suppress, err);
    st = st == PEN_OK ? db_files(db, err) : st;
    /* Marked before the first commit, which is what makes the next run a resumed one. */
    if (st == PEN_OK && options->is_new_job &&
        sqlite3_exec(db->db, "UPDATE signals SET run = " RUN_OF_OTHERS, NULL, NULL, NULL) !=
            SQLITE_OK) {
        st = db_fail(db, err, "cannot be written");
    }
    if (st != PEN_OK) {
        signals_db_close(db);
        return st;
    }
    *out = db;
    return PEN_OK;
}

void signals_db_close(struct signals_db *db)
{
    if (db == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(db->statements[i]);
    }
    (void)sqlite3_close(db->db);
    if (db->lines != NULL) {
        (void)fclose(db->lines);
    }
    suppress_free(db->suppress);
    pen_buf_fini(&db->text);
    free(db);
}

/* [1,2]: by position of the rule's queries. */
static pen_status bind_counts(struct signals_db *db, const struct pen_signal *s)
{
    db->text.len = 0;
    for (uint32_t q = 0; q < s->query_count; q++) {
        PEN_TRY(
            pen_buf_printf(&db->text, "%s%" PRIu64, q == 0 ? "[" : ",", s->events_per_query[q]));
    }
    PEN_TRY(pen_buf_add_byte(&db->text, ']'));
    bind_slice(db, SQL_UPSERT, 11, pen_buf_slice(&db->text));
    return PEN_OK;
}

static pen_status bind_texts(struct signals_db *db, const struct pen_signal *s,
                             const struct pen_rule *rule, struct pen_err *err)
{
    pen_status st = bind_counts(db, s);
    st = st == PEN_OK ? signal_title(&db->text, rule, s, db->options.created_ns) : st;
    bind_slice(db, SQL_UPSERT, 25, pen_buf_slice(&db->text));
    st = st == PEN_OK ? signal_message_text(&db->text, rule, s, db->options.created_ns) : st;
    bind_slice(db, SQL_UPSERT, 12, pen_buf_slice(&db->text));
    return st == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "signal %s: its text has no room", s->id);
}

static pen_status upsert(struct signals_db *db, const struct pen_signal *signal,
                         const struct pen_rule *rule, struct pen_err *err)
{
    bind_slice(db, SQL_UPSERT, 1, pen_slice_str(signal->id));
    bind_slice(db, SQL_UPSERT, 2, rule->id);
    bind_slice(db, SQL_UPSERT, 3, rule->version);
    bind_slice(db, SQL_UPSERT, 4, rule->title);
    bind_slice(db, SQL_UPSERT, 5, pen_slice_str(rule->language));
    bind_slice(db, SQL_UPSERT, 6,
               pen_slice_str(pen_severity_name(signal_severity(rule, signal, signal->case_index))));
    bind_i64(db, SQL_UPSERT, 7, signal->first_seen_ns);
    bind_i64(db, SQL_UPSERT, 8, signal->last_seen_ns);
    bind_slice(db, SQL_UPSERT, 9, signal->group);
    bind_i64(db, SQL_UPSERT, 10, (int64_t)signal->events_matched);
    bind_slice(db, SQL_UPSERT, 24, signal_case(rule, signal));
    PEN_TRY(bind_texts(db, signal, rule, err));
    PEN_TRY(bind_list(db, 13, rule->tags, rule->tag_count, err));
    PEN_TRY(bind_list(db, 14, signal->accounts, signal->account_count, err));
    PEN_TRY(bind_list(db, 15, signal->regions, signal->region_count, err));
    PEN_TRY(bind_list(db, 16, signal->actors, signal->actor_count, err));
    PEN_TRY(bind_list(db, 17, signal->source_ips, signal->source_ip_count, err));
    PEN_TRY(bind_list(db, 18, rule->tactics, rule->tactic_count, err));
    PEN_TRY(bind_list(db, 19, rule->techniques, rule->technique_count, err));
    bind_slice(db, SQL_UPSERT, 20, pen_slice_str(db->options.job_id));
    bind_i64(db, SQL_UPSERT, 21, signal->closed);
    bind_i64(db, SQL_UPSERT, 22, signal->late);
    bind_i64(db, SQL_UPSERT, 28, signal->cold);
    bind_i64(db, SQL_UPSERT, 23, db->run);
    bind_i64(db, SQL_UPSERT, 26, rule->is_shadow);
    if (db->is_suppressed) {
        bind_slice(db, SQL_UPSERT, 27, pen_slice_str(db->suppressed_by));
    }
    return db_run(db, SQL_UPSERT, err);
}

static pen_status put_events(struct signals_db *db, const struct pen_signal *signal,
                             struct pen_err *err)
{
    const struct pen_rule *rule = pen_rules_at(db->options.program->rules, signal->rule);
    bind_slice(db, SQL_EVENTS_CLEAR, 1, pen_slice_str(signal->id));
    PEN_TRY(db_run(db, SQL_EVENTS_CLEAR, err));
    for (uint32_t i = 0; i < signal->sample_count; i++) {
        const struct pen_observation *o = &signal->samples[i].o;
        if (signal_query(&db->text, rule, o->query) != PEN_OK) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
        }
        bind_slice(db, SQL_EVENT, 1, pen_slice_str(signal->id));
        bind_slice(db, SQL_EVENT, 2, o->event_id);
        bind_i64(db, SQL_EVENT, 3, o->time_ns);
        bind_slice(db, SQL_EVENT, 4, o->index_name);
        bind_slice(db, SQL_EVENT, 5, o->object);
        bind_i64(db, SQL_EVENT, 6, (int64_t)o->record);
        bind_slice(db, SQL_EVENT, 7, pen_buf_slice(&db->text));
        bind_i64(db, SQL_EVENT, 9, o->others);
        if (o->event.len > 0) {
            bind_slice(db, SQL_EVENT, 8, o->event);
        }
        PEN_TRY(db_run(db, SQL_EVENT, err));
    }
    return PEN_OK;
}

static pen_status line_text(struct signals_db *db, const char *name, pen_slice value)
{
    PEN_TRY(pen_buf_printf(&db->text, ",\"%s\":\"", name));
    PEN_TRY(pen_json_escape(&db->text, value));
    return pen_buf_add_byte(&db->text, '"');
}

static pen_status line_list(struct signals_db *db, const char *name, const pen_slice *items,
                            uint32_t count)
{
    PEN_TRY(pen_buf_printf(&db->text, ",\"%s\":", name));
    return json_list(&db->text, items, count);
}

static pen_status line_time(struct signals_db *db, const char *name, int64_t ns)
{
    char text[PEN_TIME_MAX];
    const size_t len = pen_format_time(ns, text);
    return line_text(db, name, (pen_slice){(const uint8_t *)text, len});
}

static pen_status line_rule(struct signals_db *db, const struct pen_rule *rule,
                            const struct pen_signal *s)
{
    PEN_TRY(line_text(db, "rule_id", rule->id));
    PEN_TRY(line_text(db, "rule_name", rule->title));
    return line_text(db, "severity",
                     pen_slice_str(pen_severity_name(signal_severity(rule, s, s->case_index))));
}

/* What is known of a signal when it is closed only. */
static pen_status line_gathered(struct signals_db *db, const struct pen_signal *s)
{
    PEN_TRY(pen_buf_printf(&db->text, ",\"events_matched\":%" PRIu64, s->events_matched));
    PEN_TRY(line_list(db, "accounts", s->accounts, s->account_count));
    PEN_TRY(line_list(db, "regions", s->regions, s->region_count));
    PEN_TRY(line_list(db, "actors", s->actors, s->actor_count));
    return line_list(db, "source_ips", s->source_ips, s->source_ip_count);
}

/* Why it is kept apart. */
static pen_status line_apart(struct signals_db *db, const struct pen_rule *rule)
{
    PEN_TRY(rule->is_shadow ? pen_buf_printf(&db->text, ",\"shadow\":true") : PEN_OK);
    return db->is_suppressed ? line_text(db, "suppressed_by", pen_slice_str(db->suppressed_by))
                             : PEN_OK;
}

static pen_status line_times(struct signals_db *db, const struct pen_signal *s, bool is_opening)
{
    PEN_TRY(line_time(db, "first_seen", s->first_seen_ns));
    return line_time(db, "last_seen", is_opening ? s->first_seen_ns : s->last_seen_ns);
}

/* One line of signals.ndjson; what it holds does not depend on when the watermark moved. */
static pen_status line_build(struct signals_db *db, enum pen_signal_change change,
                             const struct pen_signal *s, const struct pen_rule *rule)
{
    static const char *const change_names[] = {[PEN_SIGNAL_OPENED] = "opened",
                                               [PEN_SIGNAL_UPDATED] = "raised",
                                               [PEN_SIGNAL_CLOSED] = "closed"};
    const bool is_opening = change == PEN_SIGNAL_OPENED;
    db->text.len = 0;
    PEN_TRY(
        pen_buf_printf(&db->text, "{\"change\":\"%s\",\"id\":\"%s\"", change_names[change], s->id));
    PEN_TRY(line_rule(db, rule, s));
    PEN_TRY(line_times(db, s, is_opening));
    PEN_TRY(pen_buf_printf(&db->text, ",\"group_by\":%.*s", (int)s->group.len,
                           (const char *)s->group.ptr));
    PEN_TRY(is_opening ? PEN_OK : line_gathered(db, s));
    PEN_TRY(line_apart(db, rule));
    return pen_buf_add(&db->text, PEN_SLICE_LIT("}\n"));
}

/* ---- signals that are kept apart ---- */

/* What was last found of a signal that is open. */
static pen_status suppressed_before(struct signals_db *db, const struct pen_signal *signal,
                                    struct pen_err *err)
{
    sqlite3_stmt *statement = db->statements[SQL_SUPPRESSED];
    bind_slice(db, SQL_SUPPRESSED, 1, pen_slice_str(signal->id));
    const int code = sqlite3_step(statement);
    const unsigned char *name = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    db->was_suppressed = name != NULL;
    (void)snprintf(db->suppressed_by, sizeof(db->suppressed_by), "%s",
                   name == NULL ? "" : (const char *)name);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? PEN_OK : db_fail(db, err, "cannot be read");
}

/* A signal is judged when it opens; one that was suppressed again when it gets worse. */
static pen_status suppressed_find(struct signals_db *db, enum pen_signal_change change,
                                  const struct pen_signal *signal, struct pen_err *err)
{
    const struct pen_suppression *by = NULL;
    const bool is_opening = change == PEN_SIGNAL_OPENED;
    db->was_suppressed = db->is_suppressed = false;
    if (db->suppress == NULL) {
        return PEN_OK;
    }
    PEN_TRY(is_opening ? PEN_OK : suppressed_before(db, signal, err));
    db->is_suppressed = db->was_suppressed;
    if (!is_opening && (!db->was_suppressed || signal->case_before == signal->case_index)) {
        return PEN_OK;
    }
    PEN_TRY(suppress_find(db->suppress, signal, &by, err));
    db->is_suppressed = by != NULL;
    if (by != NULL) {
        (void)snprintf(db->suppressed_by, sizeof(db->suppressed_by), "%.*s",
                       PEN_SLICE_FMT(by->name));
    }
    return PEN_OK;
}

static void count(struct signals_db *db, enum pen_signal_change change,
                  const struct pen_signal *signal, const struct pen_rule *rule)
{
    struct signals_db_totals *totals = &db->totals;
    const bool is_opening = change == PEN_SIGNAL_OPENED;
    const bool is_new = is_opening || db->was_suppressed; /* to those that are not kept apart */
    if (rule->is_shadow) {
        totals->shadow += is_opening;
        return;
    }
    totals->suppressed += db->is_suppressed;
    totals->suppressed -= db->was_suppressed;
    if (!db->is_suppressed) {
        totals->opened += is_new;
        totals->by_severity[signal_severity(rule, signal, signal->case_index)]++;
        totals->by_severity[signal_severity(rule, signal, signal->case_before)] -= !is_new;
    }
}

/* The signal is to be sent, unless it is kept apart. */
static pen_status queue(struct signals_db *db, const struct pen_signal *signal,
                        const struct pen_rule *rule, struct pen_err *err)
{
    const bool is_apart = rule->is_shadow || db->is_suppressed;
    if (!db->options.has_sink || (is_apart && !db->options.has_sink_apart)) {
        return PEN_OK;
    }
    bind_slice(db, SQL_QUEUE, 1, pen_slice_str(signal->id));
    bind_i64(db, SQL_QUEUE, 2, ++db->seq);
    return db_run(db, SQL_QUEUE, err);
}

static pen_status line_put(struct signals_db *db, enum pen_signal_change change,
                           const struct pen_signal *signal, const struct pen_rule *rule,
                           struct pen_err *err)
{
    if (line_build(db, change, signal, rule) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "signal %s: line too long", signal->id);
    }
    if (fwrite(db->text.ptr, 1, db->text.len, db->lines) != db->text.len) {
        return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "signals.ndjson: %s",
                        strerrordesc_np(errno));
    }
    return PEN_OK;
}

/* What is asked of a signal before it is told: how bad it is, and whether anybody is to know. */
static pen_status judge(struct signals_db *db, enum pen_signal_change change,
                        struct pen_signal *signal, struct pen_err *err)
{
    PEN_TRY(db->suppress == NULL ? PEN_OK : suppress_rate(db->suppress, signal, err));
    return suppressed_find(db, change, signal, err);
}

pen_status signals_db_put(struct signals_db *db, enum pen_signal_change change,
                          const struct pen_signal *told, struct pen_err *err)
{
    struct pen_signal signal = *told;
    const struct pen_rule *rule = pen_rules_at(db->options.program->rules, signal.rule);
    const bool has_line = change != PEN_SIGNAL_UPDATED || signal.case_before != signal.case_index;
    if (!db->in_transaction) {
        PEN_TRY(db_run(db, SQL_BEGIN, err));
        db->in_transaction = true;
    }
    PEN_TRY(judge(db, change, &signal, err));
    count(db, change, &signal, rule);
    PEN_TRY(has_line ? line_put(db, change, &signal, rule, err) : PEN_OK);
    PEN_TRY(upsert(db, &signal, rule, err));
    PEN_TRY(queue(db, &signal, rule, err));
    return put_events(db, &signal, err);
}

bool signals_db_is_suppressed(const struct signals_db *db)
{
    return db->is_suppressed;
}

bool signals_db_is_quiet(const struct signals_db *db)
{
    return !db->in_transaction;
}

pen_status signals_db_flush(struct signals_db *db, struct pen_err *err)
{
    if (fflush(db->lines) != 0) {
        return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "signals.ndjson: %s",
                        strerrordesc_np(errno));
    }
    if (!db->in_transaction) {
        return PEN_OK;
    }
    db->in_transaction = false;
    return db_run(db, SQL_COMMIT, err);
}

static pen_status stale_remove(struct signals_db *db, struct pen_err *err)
{
    struct signals_mark kept = db->before;
    signals_mark_add(&kept, db->first_run, db->run);
    db->text.len = 0;
    pen_status st = signals_mark_sql(&kept, &db->text);
    char *sql = NULL;
    if (st != PEN_OK ||
        asprintf(&sql,
                 "DELETE FROM signals WHERE run = " RUN_OF_OTHERS " OR (state = 'open'"
                 " AND assignee IS NULL AND NOT EXISTS(SELECT 1 FROM signal_history h WHERE"
                 " h.signal_id = signals.id)%s);"
                 "DELETE FROM signal_events WHERE signal_id NOT IN (SELECT id FROM signals);"
                 "DELETE FROM signal_history WHERE signal_id NOT IN (SELECT id FROM signals);",
                 (const char *)db->text.ptr) < 0) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    const int code = sqlite3_exec(db->db, sql, NULL, NULL, NULL);
    free(sql);
    return code == SQLITE_OK ? PEN_OK : db_fail(db, err, "cannot be written");
}

static pen_status lines_sync(struct signals_db *db, struct pen_err *err)
{
    return fsync(fileno(db->lines)) == 0 ? PEN_OK
                                         : PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET,
                                                    "signals.ndjson: %s", strerrordesc_np(errno));
}

pen_status signals_db_finish(struct signals_db *db, struct pen_err *err)
{
    PEN_TRY(signals_db_flush(db, err));
    PEN_TRY(stale_remove(db, err));
    return lines_sync(db, err);
}

/* ---- marks ---- */

/* Commits of this connection wait for no disk; a snapshot is nothing without its signals. */
static pen_status db_sync(struct signals_db *db, struct pen_err *err)
{
    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA synchronous = FULL; INSERT OR IGNORE INTO marks VALUES(%" PRId64 ");"
                   "PRAGMA synchronous = NORMAL;",
                   db->run);
    PEN_TRY(sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK
                ? PEN_OK
                : db_fail(db, err, "cannot be written"));
    return lines_sync(db, err);
}

pen_status signals_db_mark(struct signals_db *db, bool is_end, char mark[SIGNALS_MARK_MAX],
                           struct pen_err *err)
{
    struct signals_mark now = db->before;
    PEN_TRY(signals_db_flush(db, err));
    PEN_TRY(db_sync(db, err));
    now.run_count = is_end ? 0 : now.run_count; /* nothing else is left */
    signals_mark_add(&now, is_end ? 1 : db->first_run, db->run);
    now.totals = db->totals;
    const off_t length = lseek(fileno(db->lines), 0, SEEK_END);
    now.lines_bytes = length < 0 ? 0 : (uint64_t)length;
    signals_mark_write(&now, mark);
    db->run++;
    return PEN_OK;
}

pen_status signals_db_knows(struct signals_db *db, const char *mark, bool *knows,
                            struct pen_err *err)
{
    struct signals_mark then;
    sqlite3_stmt *statement = NULL;
    *knows = false;
    PEN_TRY(signals_mark_read(&then, mark, err));
    const off_t length = lseek(fileno(db->lines), 0, SEEK_END);
    if (then.run_count == 0 || length < 0 || (uint64_t)length < then.lines_bytes) {
        return PEN_OK;
    }
    if (sqlite3_prepare_v2(db->db, "SELECT 1 FROM marks WHERE run = ?1", -1, &statement, NULL) !=
        SQLITE_OK) {
        return db_fail(db, err, "cannot be read");
    }
    (void)sqlite3_bind_int64(statement, 1, then.runs[then.run_count - 1].to);
    const int code = sqlite3_step(statement);
    *knows = code == SQLITE_ROW;
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? PEN_OK : db_fail(db, err, "cannot be read");
}

pen_status signals_db_resume(struct signals_db *db, const char *mark, struct pen_err *err)
{
    PEN_CHECK(!db->in_transaction);
    PEN_TRY(signals_mark_read(&db->before, mark, err));
    db->totals = db->before.totals;
    if (db->before.run_count > 0 && db->run <= db->before.runs[db->before.run_count - 1].to) {
        db->run = db->before.runs[db->before.run_count - 1].to + 1; /* a clock went back */
        db->first_run = db->run;
    }
    if (fflush(db->lines) != 0 ||
        ftruncate(fileno(db->lines), (off_t)db->before.lines_bytes) != 0 ||
        fseeko(db->lines, 0, SEEK_END) != 0) {
        return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "signals.ndjson: %s",
                        strerrordesc_np(errno));
    }
    return PEN_OK;
}

struct signals_db_totals signals_db_totals_get(const struct signals_db *db)
{
    return db->totals;
}

pen_status signals_db_job(struct signals_db *db, const char *command_line,
                          const struct pen_replay_result *result, int64_t start_ns, int64_t end_ns,
                          struct pen_err *err)
{
    bind_slice(db, SQL_JOB, 1, pen_slice_str(db->options.job_id));
    bind_slice(db, SQL_JOB, 2, pen_slice_str(command_line));
    bind_slice(db, SQL_JOB, 3, PEN_SLICE_LIT("0.1.0"));
    bind_slice(db, SQL_JOB, 4, pen_slice_str(result->rules_hash));
    bind_i64(db, SQL_JOB, 5, start_ns);
    bind_i64(db, SQL_JOB, 6, end_ns);
    bind_slice(db, SQL_JOB, 7, pen_slice_str(result->status));
    bind_i64(db, SQL_JOB, 8, (int64_t)result->totals.records_in);
    bind_i64(db, SQL_JOB, 9, (int64_t)db->totals.opened);
    return db_run(db, SQL_JOB, err);
}
