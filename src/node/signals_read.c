/* tested by tests/e2e/test_signals.py */
#include "signals_read.h"

#include "penstock/json.h"
#include "penstock/node.h"
#include "penstock/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SQL_BYTES_MAX ((size_t)64 << 10)
#define FORMAT 1

const char *pen_triage_state_name(enum pen_triage_state state)
{
    static const char *const names[] = {"open", "under_review", "archived"};
    PEN_CHECK(state < PEN_COUNT(names));
    return names[state];
}

const char *pen_signals_sort_name(enum pen_signals_sort sort)
{
    static const char *const names[] = {"severity", "first_seen", "last_seen", "events", "rule"};
    PEN_CHECK(sort < PEN_COUNT(names));
    return names[sort];
}

const char *pen_signals_mode_name(enum pen_signals_mode mode)
{
    static const char *const names[] = {"all", "active", "shadow", "suppressed"};
    PEN_CHECK(mode < PEN_COUNT(names));
    return names[mode];
}

/* ---- connection ---- */

pen_status signals_fail(struct pen_signals *signals, struct pen_err *err)
{
    const int code = sqlite3_errcode(signals->db);
    pen_status st = PEN_E_IO;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        return PEN_FAIL(err, PEN_E_AGAIN, PEN_NO_OFFSET,
                        "signals.db is locked by another process for %d s: try again",
                        SIGNALS_BUSY_MS / 1000);
    }
    if (code == SQLITE_FULL) {
        st = PEN_E_NOSPACE;
    } else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
        st = PEN_E_CORRUPT;
    }
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "signals.db: %s", sqlite3_errmsg(signals->db));
}

/* The format is ours; a run that has just begun has made the file but not the tables. */
static pen_status format_check(struct pen_signals *signals, const char *path, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(signals->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        (void)sqlite3_finalize(statement);
        return signals_fail(signals, err);
    }
    const int format = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    if (format == 0) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                        "%s has no signals yet: the run has just begun", path);
    }
    if (format > FORMAT) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "%s has format %d, this penstock reads %d: use the newer penstock", path,
                        format, FORMAT);
    }
    return PEN_OK;
}

static pen_status connect(struct pen_signals *signals, const char *dir, struct pen_err *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/signals.db", dir) < 0) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    pen_status st = PEN_OK;
    if (access(path, F_OK) != 0 && errno != ENOENT) {
        st = PEN_FAIL(err, errno == EACCES ? PEN_E_DENIED : PEN_E_IO, PEN_NO_OFFSET, "%s: %s", path,
                      strerrordesc_np(errno));
    } else if (access(path, F_OK) != 0) {
        st = PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                      "no signals.db in %s: --out DIR names the folder of a replay", dir);
    } else if (sqlite3_open_v2(path, &signals->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        st = signals_fail(signals, err);
    } else {
        (void)sqlite3_busy_timeout(signals->db, SIGNALS_BUSY_MS);
        st = format_check(signals, path, err);
    }
    free(path);
    return st;
}

pen_status pen_signals_open(const char *dir, struct pen_signals **out, struct pen_err *err)
{
    struct pen_signals *signals = calloc(1, sizeof(*signals));
    if (signals == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    const pen_status st = connect(signals, dir, err);
    if (st != PEN_OK) {
        pen_signals_close(signals);
        return st;
    }
    *out = signals;
    return PEN_OK;
}

void pen_signals_close(struct pen_signals *signals)
{
    if (signals != NULL) {
        (void)sqlite3_close(signals->db);
        free(signals);
    }
}

pen_status signals_prepare(struct pen_signals *signals, const char *sql, sqlite3_stmt **out,
                           struct pen_err *err)
{
    return sqlite3_prepare_v2(signals->db, sql, -1, out, NULL) == SQLITE_OK
               ? PEN_OK
               : signals_fail(signals, err);
}

void signals_bind_text(sqlite3_stmt *statement, const char *name, const char *text)
{
    const int at = sqlite3_bind_parameter_index(statement, name);
    if (at > 0 && text != NULL) { /* unbound is NULL */
        PEN_CHECK(sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC) == SQLITE_OK);
    }
}

void signals_bind_i64(sqlite3_stmt *statement, const char *name, int64_t value)
{
    const int at = sqlite3_bind_parameter_index(statement, name);
    if (at > 0) {
        PEN_CHECK(sqlite3_bind_int64(statement, at, value) == SQLITE_OK);
    }
}

pen_slice signals_column(sqlite3_stmt *statement, int at)
{
    const unsigned char *text = sqlite3_column_text(statement, at);
    return (pen_slice){text, text == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, at)};
}

/* ---- rows of signals ---- */

enum column_kind { COLUMN_TEXT, COLUMN_JSON, COLUMN_TIME, COLUMN_NUMBER, COLUMN_FLAG };
struct column {
    const char *name; /* in JSON; a time's column ends in _ns */
    enum column_kind kind;
    size_t offset; /* in pen_signal_row */
};
#define COLUMN(name, kind)                                 \
    {                                                      \
#        name, kind, offsetof(struct pen_signal_row, name) \
    }
/* The order of the table, which is the order of the JSON. */
static const struct column columns[] = {
    COLUMN(id, COLUMN_TEXT),
    COLUMN(rule_id, COLUMN_TEXT),
    COLUMN(rule_version, COLUMN_TEXT),
    COLUMN(rule_name, COLUMN_TEXT),
    COLUMN(language, COLUMN_TEXT),
    COLUMN(severity, COLUMN_TEXT),
    COLUMN(case_name, COLUMN_TEXT),
    COLUMN(state, COLUMN_TEXT),
    COLUMN(archive_reason, COLUMN_TEXT),
    COLUMN(assignee, COLUMN_TEXT),
    {"first_seen", COLUMN_TIME, offsetof(struct pen_signal_row, first_seen_ns)},
    {"last_seen", COLUMN_TIME, offsetof(struct pen_signal_row, last_seen_ns)},
    COLUMN(group_by, COLUMN_JSON),
    COLUMN(events_matched, COLUMN_NUMBER),
    COLUMN(events_per_query, COLUMN_JSON),
    COLUMN(title, COLUMN_TEXT),
    COLUMN(message, COLUMN_TEXT),
    COLUMN(tags, COLUMN_JSON),
    COLUMN(accounts, COLUMN_JSON),
    COLUMN(regions, COLUMN_JSON),
    COLUMN(actors, COLUMN_JSON),
    COLUMN(source_ips, COLUMN_JSON),
    COLUMN(tactics, COLUMN_JSON),
    COLUMN(techniques, COLUMN_JSON),
    COLUMN(job_id, COLUMN_TEXT),
    COLUMN(closed, COLUMN_FLAG),
    COLUMN(late, COLUMN_FLAG),
    COLUMN(cold, COLUMN_FLAG),
    COLUMN(shadow, COLUMN_FLAG),
    COLUMN(suppressed_by, COLUMN_TEXT),
};

static bool is_slice(const struct column *column)
{
    return column->kind == COLUMN_TEXT || column->kind == COLUMN_JSON;
}

/* JSON columns come out valid and on one line, whatever another program wrote there. */
static pen_status select_column(struct pen_buf *sql, const struct column *column, const char *comma)
{
    const char *name = column->name;
    return column->kind == COLUMN_JSON
               ? pen_buf_printf(sql, "%siif(json_valid(%s), json(%s), json_quote(%s))", comma, name,
                                name, name)
               : pen_buf_printf(sql, "%s%s%s", comma, name,
                                column->kind == COLUMN_TIME ? "_ns" : "");
}

static pen_status select_columns(struct pen_buf *sql)
{
    pen_status st = pen_buf_printf(sql, "SELECT ");
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(columns); i++) {
        st = select_column(sql, &columns[i], i == 0 ? "" : ", ");
    }
    return st == PEN_OK ? pen_buf_printf(sql, " FROM signals WHERE 1") : st;
}

static void row_read(sqlite3_stmt *statement, struct pen_signal_row *row)
{
    for (size_t i = 0; i < PEN_COUNT(columns); i++) {
        uint8_t *at = (uint8_t *)row + columns[i].offset;
        if (is_slice(&columns[i])) {
            const pen_slice text = signals_column(statement, (int)i);
            memcpy(at, &text, sizeof(text));
        } else {
            const int64_t number = sqlite3_column_int64(statement, (int)i);
            memcpy(at, &number, sizeof(number));
        }
    }
}

static pen_status json_text(struct pen_buf *out, pen_slice text)
{
    if (text.ptr == NULL) {
        return pen_buf_add(out, PEN_SLICE_LIT("null"));
    }
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status json_number(struct pen_buf *out, enum column_kind kind, int64_t number)
{
    char time[PEN_TIME_MAX];
    if (kind == COLUMN_TIME) {
        const size_t len = pen_format_time(number, time);
        return pen_buf_printf(out, "\"%.*s\"", (int)len, time);
    }
    if (kind == COLUMN_FLAG) {
        return pen_buf_printf(out, "%s", number != 0 ? "true" : "false");
    }
    return pen_buf_printf(out, "%" PRId64, number);
}

static pen_status json_column(struct pen_buf *out, const struct column *column,
                              const struct pen_signal_row *row)
{
    const uint8_t *at = (const uint8_t *)row + column->offset;
    pen_slice text = {0};
    int64_t number = 0;
    if (!is_slice(column)) {
        memcpy(&number, at, sizeof(number));
        return json_number(out, column->kind, number);
    }
    memcpy(&text, at, sizeof(text));
    return column->kind == COLUMN_JSON && text.ptr != NULL ? pen_buf_add(out, text)
                                                           : json_text(out, text);
}

pen_status pen_signal_row_json(const struct pen_signal_row *row, struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(columns); i++) {
        st = pen_buf_printf(out, "%s\"%s\":", i == 0 ? "{" : ",", columns[i].name);
        if (st == PEN_OK) {
            st = json_column(out, &columns[i], row);
        }
    }
    return st == PEN_OK ? pen_buf_add_byte(out, '}') : st;
}

/* ---- list ---- */

#define SEVERITY_RANK                                                             \
    "CASE severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN " \
    "2 WHEN 'low' THEN 1 ELSE 0 END"
static const char *const order_text[PEN_SORT_COUNT][2] = {
    [PEN_SORT_SEVERITY] = {SEVERITY_RANK " DESC, first_seen_ns, id",
                           SEVERITY_RANK ", first_seen_ns DESC, id DESC"},
    [PEN_SORT_FIRST_SEEN] = {"first_seen_ns, id", "first_seen_ns DESC, id DESC"},
    [PEN_SORT_LAST_SEEN] = {"last_seen_ns, id", "last_seen_ns DESC, id DESC"},
    [PEN_SORT_EVENTS] = {"events_matched DESC, first_seen_ns, id",
                         "events_matched, first_seen_ns DESC, id DESC"},
    [PEN_SORT_RULE] = {"rule_name, first_seen_ns, id",
                       "rule_name DESC, first_seen_ns DESC, id DESC"},
};

static const char *state_of(uint32_t bit)
{
    return pen_triage_state_name((enum pen_triage_state)bit);
}

static const char *severity_of(uint32_t bit)
{
    return pen_severity_name((enum pen_severity)bit);
}

/* AND column IN (the names of the bits). */
static pen_status where_names(struct pen_buf *sql, const char *column, uint32_t bits,
                              const char *(*name)(uint32_t bit))
{
    if (bits == 0) {
        return PEN_OK;
    }
    pen_status st = pen_buf_printf(sql, " AND %s IN (NULL", column);
    for (uint32_t i = 0; st == PEN_OK && i < 32; i++) {
        st = (bits >> i & 1U) != 0 ? pen_buf_printf(sql, ",'%s'", name(i)) : PEN_OK;
    }
    return st == PEN_OK ? pen_buf_add_byte(sql, ')') : st;
}

static const char *const mode_text[PEN_MODE_COUNT] = {
    [PEN_MODE_ACTIVE] = " AND coalesce(shadow, 0) = 0 AND suppressed_by IS NULL",
    [PEN_MODE_SHADOW] = " AND shadow",
    [PEN_MODE_SUPPRESSED] = " AND suppressed_by IS NOT NULL"};

static pen_status list_sql(const struct pen_signals_filter *f, struct pen_buf *sql)
{
    PEN_TRY(select_columns(sql));
    PEN_TRY(where_names(sql, "state", f->states, state_of));
    PEN_TRY(where_names(sql, "severity", f->severities, severity_of));
    PEN_TRY(mode_text[f->mode] == NULL ? PEN_OK : pen_buf_printf(sql, "%s", mode_text[f->mode]));
    const struct {
        bool is_wanted;
        const char *text;
    } tests[] = {
        {f->id != NULL, " AND id = :id"},
        {f->rule != NULL, " AND (rule_id = :rule OR instr(lower(rule_name), lower(:rule)) > 0)"},
        {f->account != NULL,
         " AND EXISTS(SELECT 1 FROM json_each(iif(json_valid(accounts), accounts, '[]')) AS a"
         " WHERE a.value = :account)"},
        {f->from_ns != INT64_MIN, " AND first_seen_ns >= :from"},
        {f->to_ns != INT64_MAX, " AND first_seen_ns < :to"},
    };
    for (size_t i = 0; i < PEN_COUNT(tests); i++) {
        PEN_TRY(pen_buf_printf(sql, "%s", tests[i].is_wanted ? tests[i].text : ""));
    }
    return pen_buf_printf(sql, " ORDER BY %s LIMIT :limit", order_text[f->sort][f->reversed]);
}

/* The statement of a filter, its values bound. */
static pen_status list_prepare(struct pen_signals *signals, const struct pen_signals_filter *f,
                               sqlite3_stmt **out, struct pen_err *err)
{
    struct pen_buf sql;
    pen_buf_init(&sql, SQL_BYTES_MAX);
    pen_status st = list_sql(f, &sql);
    if (st == PEN_OK) {
        st = pen_buf_add_byte(&sql, '\0');
    }
    st = st == PEN_OK ? signals_prepare(signals, (const char *)sql.ptr, out, err)
                      : PEN_FAIL(err, st, PEN_NO_OFFSET, "signals: out of memory");
    pen_buf_fini(&sql);
    PEN_TRY(st);
    signals_bind_text(*out, ":id", f->id);
    signals_bind_text(*out, ":rule", f->rule);
    signals_bind_text(*out, ":account", f->account);
    signals_bind_i64(*out, ":from", f->from_ns);
    signals_bind_i64(*out, ":to", f->to_ns);
    signals_bind_i64(*out, ":limit",
                     f->limit == 0 || f->limit > INT64_MAX ? -1 : (int64_t)f->limit);
    return PEN_OK;
}

pen_status pen_signals_list(struct pen_signals *signals, const struct pen_signals_filter *filter,
                            pen_signal_row_fn *fn, void *ctx, struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    PEN_TRY(list_prepare(signals, filter, &statement, err));
    pen_status st = PEN_OK;
    int code = SQLITE_ROW;
    while (st == PEN_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct pen_signal_row row;
        row_read(statement, &row);
        st = fn(ctx, &row);
    }
    if (st == PEN_OK && code != SQLITE_DONE) {
        st = signals_fail(signals, err);
    }
    (void)sqlite3_finalize(statement);
    return st;
}
