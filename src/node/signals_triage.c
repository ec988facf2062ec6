/* tested by tests/e2e/test_signals.py */
#include "penstock/node.h"
#include "penstock/signals.h"

#include "signals_read.h"

#define NOTE_BYTES_MAX ((size_t)64 << 10)

enum triage_sql { SQL_READ, SQL_WRITE, SQL_HISTORY, SQL_COUNT };
static const char *const sql_text[SQL_COUNT] = {
    [SQL_READ] = "SELECT state, archive_reason, assignee FROM signals WHERE id = :id",
    [SQL_WRITE] = "UPDATE signals SET state = :state, archive_reason = :reason,"
                  " assignee = :assignee WHERE id = :id",
    [SQL_HISTORY] = "INSERT INTO signal_history(signal_id, time_ns, user, \"from\", \"to\", note)"
                    " VALUES(:id, :time, :user, :from, :to, :note)",
};

struct triage {
    struct pen_signals *signals;
    const struct pen_triage *wanted;
    sqlite3_stmt *sql[SQL_COUNT];
    struct pen_buf before[3]; /* state, reason, assignee as they were; empty for NULL */
    struct pen_buf note;
    int64_t time_ns;
    uint32_t changed;
};

static pen_status exec(struct pen_signals *signals, const char *sql, struct pen_err *err)
{
    return sqlite3_exec(signals->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? PEN_OK
               : signals_fail(signals, err);
}

static pen_status run(struct triage *t, enum triage_sql which, struct pen_err *err)
{
    const int code = sqlite3_step(t->sql[which]);
    const pen_status st = code == SQLITE_DONE ? PEN_OK : signals_fail(t->signals, err);
    (void)sqlite3_reset(t->sql[which]);
    (void)sqlite3_clear_bindings(t->sql[which]);
    return st;
}

static const char *text_of(const struct pen_buf *buf)
{
    return (const char *)buf->ptr;
}

/* Copies what the row holds now: the statement's text does not outlive its reset. */
static pen_status before_read(struct triage *t, const char *id, struct pen_err *err)
{
    sqlite3_stmt *read = t->sql[SQL_READ];
    signals_bind_text(read, ":id", id);
    const int code = sqlite3_step(read);
    pen_status st = PEN_OK;
    for (int i = 0; code == SQLITE_ROW && st == PEN_OK && i < (int)PEN_COUNT(t->before); i++) {
        t->before[i].len = 0;
        st = pen_buf_add(&t->before[i], signals_column(read, i));
        if (st == PEN_OK) {
            st = pen_buf_add_byte(&t->before[i], '\0');
        }
    }
    if (st != PEN_OK) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "signal %s: a column is too long", id);
    } else if (code == SQLITE_DONE) {
        st = PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "signal %s is gone", id);
    } else if (code != SQLITE_ROW) {
        st = signals_fail(t->signals, err);
    }
    (void)sqlite3_reset(read);
    return st;
}

static const char *or_word(const char *text, const char *word)
{
    return text[0] == '\0' ? word : text;
}

/* History has columns for the state alone, so its note tells of the others too. */
static pen_status note_build(struct triage *t, const char *reason, const char *assignee,
                             bool new_reason, bool new_assignee)
{
    const char *text = t->wanted->note == NULL ? "" : t->wanted->note;
    const bool both = text[0] != '\0' && (new_reason || new_assignee);
    const char *why = new_reason ? or_word(reason, "none") : "";
    const char *who = new_assignee ? or_word(assignee, "nobody") : "";
    t->note.len = 0;
    PEN_TRY(pen_buf_printf(&t->note, "%s%s", text, both ? " (" : ""));
    PEN_TRY(pen_buf_printf(&t->note, "%s%s%s", new_reason ? "reason: " : "", why,
                           new_reason && new_assignee ? ", " : ""));
    PEN_TRY(
        pen_buf_printf(&t->note, "%s%s%s", new_assignee ? "assignee: " : "", who, both ? ")" : ""));
    return pen_buf_add_byte(&t->note, '\0');
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static pen_status one(struct triage *t, const char *id, struct pen_err *err)
{
    const char *archived = pen_triage_state_name(PEN_TRIAGE_ARCHIVED);
    const struct pen_triage *wanted = t->wanted;
    PEN_TRY(before_read(t, id, err));
    const char *from = text_of(&t->before[0]);
    const char *to = wanted->state == NULL ? from : pen_triage_state_name(*wanted->state);
    const bool is_archived = strcmp(to, archived) == 0;
    if (wanted->reason != NULL && !is_archived) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "signal %.10s is %s: a reason needs --state archived", id, to);
    }
    const char *reason = wanted->reason != NULL ? wanted->reason : text_of(&t->before[1]);
    reason = is_archived ? reason : "";
    const char *assignee = wanted->assignee != NULL ? wanted->assignee : text_of(&t->before[2]);
    const bool new_reason = strcmp(reason, text_of(&t->before[1])) != 0;
    const bool new_assignee = strcmp(assignee, text_of(&t->before[2])) != 0;
    if (strcmp(from, to) == 0 && !new_reason && !new_assignee && wanted->note == NULL) {
        return PEN_OK;
    }
    if (note_build(t, reason, assignee, new_reason, new_assignee) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "the note is longer than %zu bytes",
                        NOTE_BYTES_MAX);
    }
    signals_bind_text(t->sql[SQL_WRITE], ":id", id);
    signals_bind_text(t->sql[SQL_WRITE], ":state", to);
    signals_bind_text(t->sql[SQL_WRITE], ":reason", or_null(reason));
    signals_bind_text(t->sql[SQL_WRITE], ":assignee", or_null(assignee));
    PEN_TRY(run(t, SQL_WRITE, err));
    signals_bind_text(t->sql[SQL_HISTORY], ":id", id);
    signals_bind_i64(t->sql[SQL_HISTORY], ":time", t->time_ns);
    signals_bind_text(t->sql[SQL_HISTORY], ":user", wanted->user);
    signals_bind_text(t->sql[SQL_HISTORY], ":from", from);
    signals_bind_text(t->sql[SQL_HISTORY], ":to", to);
    signals_bind_text(t->sql[SQL_HISTORY], ":note", or_null(text_of(&t->note)));
    t->changed++;
    return run(t, SQL_HISTORY, err);
}

static pen_status all(struct triage *t, const char *const *ids, uint32_t count, struct pen_err *err)
{
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        PEN_TRY(signals_prepare(t->signals, sql_text[i], &t->sql[i], err));
    }
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(one(t, ids[i], err));
    }
    return PEN_OK;
}

pen_status pen_signals_triage(struct pen_signals *signals, const char *const *ids, uint32_t count,
                              const struct pen_triage *triage, uint32_t *changed,
                              struct pen_err *err)
{
    struct triage t = {.signals = signals, .wanted = triage, .time_ns = pen_clock_wall_ns()};
    PEN_CHECK(triage->user != NULL);
    /* Immediate: a transaction that reads first could not wait for a run's writes. */
    PEN_TRY(exec(signals, "BEGIN IMMEDIATE", err));
    pen_buf_init(&t.note, NOTE_BYTES_MAX);
    for (size_t i = 0; i < PEN_COUNT(t.before); i++) {
        pen_buf_init(&t.before[i], NOTE_BYTES_MAX);
    }
    pen_status st = all(&t, ids, count, err);
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(t.sql[i]);
    }
    if (st == PEN_OK) {
        st = exec(signals, "COMMIT", err);
    }
    if (st != PEN_OK) {
        struct pen_err ignored; /* err tells why */
        (void)exec(signals, "ROLLBACK", &ignored);
    }
    *changed = st == PEN_OK ? t.changed : 0;
    pen_buf_fini(&t.note);
    for (size_t i = 0; i < PEN_COUNT(t.before); i++) {
        pen_buf_fini(&t.before[i]);
    }
    return st;
}
