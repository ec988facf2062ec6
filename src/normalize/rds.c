/* tested by tests/e2e/test_types_made.py */
/* Databases of RDS. */
#include "script.h"

/* ---- MySQL's audit log ---- */

enum audit_field { OPERATION, OBJECT, CODE };
static const char *const audit_fields[] = {"operation", "object", "retcode", NULL};
enum audit_slot { OUTCOME, CATEGORY, TYPE, ACTION, QUERY };
static const char *const audit_slots[] = {"event.outcome", "event.category", "event.type",
                                          "event.action",  "rds.query",      NULL};

/* A query stands in quotes; what is the name of a table does not. */
static pen_slice unquoted(pen_slice text)
{
    text = script_without_tail(text, ';');
    const bool is_quoted = text.len >= 2 && text.ptr[0] == '\'' && text.ptr[text.len - 1] == '\'';
    return is_quoted ? pen_slice_sub(text, 1, text.len - 1) : text;
}

/* Within quotes the log writes \' for ', which JSON has as \\'. */
static pen_slice plain_quotes(struct pen_normalizer *n, pen_slice text)
{
    n->text.len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (i + 2 < text.len && text.ptr[i] == '\\' && text.ptr[i + 1] == '\\' &&
            text.ptr[i + 2] == '\'') {
            i += 2;
        }
        if (pen_buf_add_byte(&n->text, text.ptr[i]) != PEN_OK) {
            return text;
        }
    }
    const pen_slice made = script_join(n, pen_buf_slice(&n->text), (pen_slice){0});
    return made.len > 0 ? made : text;
}

static void audit_run(struct pen_normalizer *n, const struct pen_record *record,
                      struct pen_doc *doc)
{
    static const struct {
        const char *operation, *type, *action;
    } rows[] = {{"FAILED_CONNECT", "start", "failed"},
                {"CONNECT", "start", "authorized"},
                {"DISCONNECT", "end", "disconnected"}};
    const pen_slice operation = script_text(n, record, OPERATION);
    const pen_slice code = script_text(n, record, CODE);
    (void)doc;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (script_is(operation, rows[i].operation)) {
            script_set(n, CATEGORY, PEN_SLICE_LIT("authentication"));
            script_set(n, TYPE, pen_slice_str(rows[i].type));
            script_set(n, ACTION, pen_slice_str(rows[i].action));
        }
    }
    if (code.len > 0) { /* reads and writes of a table have none */
        script_set(n, OUTCOME,
                   script_is(code, "0") ? PEN_SLICE_LIT("success") : PEN_SLICE_LIT("failure"));
    }
    script_set(n, QUERY, plain_quotes(n, unquoted(script_text(n, record, OBJECT))));
}

const struct nrm_script nrm_script_rds_mysql_audit = {
    .name = "rds-mysql-audit", .fields = audit_fields, .slots = audit_slots, .run = audit_run};

/* ---- MySQL's slow queries: what is set before the statement is no part of it ---- */

static const char *const slow_fields[] = {"query", NULL};
enum slow_slot { SLOW_QUERY, SLOW_DATABASE };
static const char *const slow_slots[] = {"rds.query", "rds.database_name", NULL};

/* The length of the first line of the inside of a JSON string. */
static size_t line_length(pen_slice text)
{
    size_t at = 0;
    while (at < text.len &&
           !(text.ptr[at] == '\\' && at + 1 < text.len && text.ptr[at + 1] == 'n')) {
        at += text.ptr[at] == '\\' ? 2 : 1;
    }
    return at < text.len ? at : text.len;
}

static bool begins(pen_slice text, const char *word)
{
    const pen_slice head = pen_slice_sub(text, 0, strlen(word));
    return pen_slice_eq_nocase(head, pen_slice_str(word));
}

static void slow_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    pen_slice rest = script_text(n, record, 0);
    (void)doc;
    while (begins(rest, "use") || begins(rest, "set")) {
        const size_t length = line_length(rest);
        const pen_slice line = script_without_tail(pen_slice_sub(rest, 0, length), ';');
        if (begins(line, "use ")) {
            script_set(n, SLOW_DATABASE, pen_slice_sub(line, 4, line.len));
        }
        rest = pen_slice_sub(rest, length < rest.len ? length + 2 : rest.len, rest.len);
    }
    script_clear(n, SLOW_QUERY);
    if (rest.len > 0) {
        script_set(n, SLOW_QUERY, script_without_tail(rest, ';'));
    }
}

const struct nrm_script nrm_script_rds_mysql_slowquery = {
    .name = "rds-mysql-slowquery", .fields = slow_fields, .slots = slow_slots, .run = slow_run};

/* ---- PostgreSQL: the statement that an error is about is a record of its own ---- */

enum postgres_field { LEVEL, MESSAGE };
static const char *const postgres_fields[] = {"log_level", "message", NULL};
static const char *const postgres_slots[] = {"rds.query",
                                             "event.category",
                                             "event.type",
                                             "event.action",
                                             "event.outcome",
                                             "rds.query_time",
                                             "postgresql.duration_ms",
                                             "postgresql.query_step",
                                             "postgresql.session_time_seconds",
                                             NULL};
enum postgres_slot {
    STATEMENT,
    PG_CATEGORY,
    PG_TYPE,
    PG_ACTION,
    PG_OUTCOME,
    PG_SECONDS,
    PG_MILLISECONDS,
    PG_STEP,
    PG_SESSION
};

static size_t digits(pen_slice text)
{
    size_t n = 0;
    while (n < text.len && ((text.ptr[n] >= '0' && text.ptr[n] <= '9') || text.ptr[n] == '.')) {
        n++;
    }
    return n;
}

/* Microseconds as seconds, without zeros that say nothing. */
static pen_slice seconds_of(struct pen_normalizer *n, uint64_t micros)
{
    n->text.len = 0;
    if (pen_buf_printf(&n->text, "%llu.%06u", (unsigned long long)(micros / 1000000),
                       (unsigned)(micros % 1000000)) != PEN_OK) {
        return (pen_slice){0};
    }
    while (n->text.ptr[n->text.len - 1] == '0') {
        n->text.len--;
    }
    n->text.len -= n->text.ptr[n->text.len - 1] == '.';
    return script_join(n, pen_buf_slice(&n->text), (pen_slice){0});
}

/* "12.345" in millionths. */
static bool millionths(pen_slice text, uint64_t *out)
{
    const pen_slice whole = script_part(text, '.', 0);
    uint64_t unit = 1000000;
    if (!pen_parse_u64(whole, out) || __builtin_mul_overflow(*out, unit, out)) {
        return false;
    }
    for (size_t i = whole.len + 1; i < text.len && unit > 1; i++) {
        unit /= 10;
        *out += unit * (uint64_t)(text.ptr[i] - '0');
    }
    return true;
}

static void statement_set(struct pen_normalizer *n, pen_slice text, pen_slice step)
{
    script_set(n, STATEMENT, script_without_tail(text, ';'));
    script_set(n, PG_STEP, step);
}

/* "duration: 12.3 ms  execute name: SELECT 1" */
static void duration_set(struct pen_normalizer *n, pen_slice text)
{
    static const char *const steps[] = {"parse", "bind", "execute"};
    const pen_slice number = pen_slice_sub(text, 0, digits(text));
    pen_slice rest = pen_slice_trim(pen_slice_sub(text, number.len, text.len));
    uint64_t micros = 0;
    if (!pen_slice_starts(rest, PEN_SLICE_LIT("ms")) || !millionths(number, &micros)) {
        return;
    }
    micros /= 1000;
    script_set(n, PG_MILLISECONDS, number);
    script_set(n, PG_SECONDS, seconds_of(n, micros));
    rest = pen_slice_trim(pen_slice_sub(rest, 2, rest.len));
    const size_t colon = pen_slice_find(rest, PEN_SLICE_LIT(": "));
    pen_slice step = PEN_SLICE_LIT("execute");
    for (size_t i = 0; i < PEN_COUNT(steps); i++) {
        const pen_slice word = pen_slice_str(steps[i]);
        step = pen_slice_starts(rest, word) ? word : step;
    }
    if (colon != SIZE_MAX) {
        statement_set(n, pen_slice_trim(pen_slice_sub(rest, colon + 1, rest.len)), step);
    }
}

/* "0:01:02.345 user=...": hours, minutes, seconds. */
static void session_set(struct pen_normalizer *n, pen_slice text)
{
    const pen_slice clock = script_part(text, ' ', 0);
    const pen_slice last = script_part(clock, ':', 2);
    uint64_t hours = 0;
    uint64_t minutes = 0;
    uint64_t micros = 0;
    if (pen_parse_u64(script_part(clock, ':', 0), &hours) && hours < 1000000 &&
        pen_parse_u64(script_part(clock, ':', 1), &minutes) && minutes < 60 &&
        digits(last) == last.len && millionths(last, &micros)) {
        script_set(n, PG_SESSION, seconds_of(n, (hours * 3600 + minutes * 60) * 1000000 + micros));
    }
}

static pen_slice after(pen_slice text, const char *word)
{
    return pen_slice_starts(text, pen_slice_str(word))
               ? pen_slice_trim(pen_slice_sub(text, strlen(word), text.len))
               : (pen_slice){0};
}

static void log_read(struct pen_normalizer *n, pen_slice text)
{
    const pen_slice session = after(text, "disconnection: session time:");
    const pen_slice statement = after(text, "statement:");
    const pen_slice duration = after(text, "duration:");
    if (session.len > 0) {
        session_set(n, session);
    } else if (statement.len > 0) {
        statement_set(n, statement, PEN_SLICE_LIT("execute"));
    } else if (duration.len > 0) {
        duration_set(n, duration);
    }
}

static void postgres_run(struct pen_normalizer *n, const struct pen_record *record,
                         struct pen_doc *doc)
{
    const pen_slice level = script_text(n, record, LEVEL);
    const pen_slice text = script_text(n, record, MESSAGE);
    const bool is_refused =
        script_is(level, "FATAL") &&
        pen_slice_find(text, PEN_SLICE_LIT("authentication failed")) != SIZE_MAX;
    const bool is_let_in = script_is(level, "LOG") &&
                           pen_slice_find(text, PEN_SLICE_LIT("connection authorized")) != SIZE_MAX;
    (void)doc;
    if (script_is(level, "STATEMENT")) {
        script_set(n, STATEMENT, text);
    } else if (is_refused || is_let_in) {
        script_set(n, PG_CATEGORY, PEN_SLICE_LIT("authentication"));
        script_set(n, PG_TYPE, PEN_SLICE_LIT("start"));
        script_set(n, PG_ACTION, is_let_in ? PEN_SLICE_LIT("authorized") : PEN_SLICE_LIT("failed"));
        script_set(n, PG_OUTCOME, is_let_in ? PEN_SLICE_LIT("success") : PEN_SLICE_LIT("failure"));
    } else if (script_is(level, "LOG")) {
        log_read(n, text);
    }
}

const struct nrm_script nrm_script_rds_postgresql = {.name = "rds-postgresql",
                                                     .fields = postgres_fields,
                                                     .slots = postgres_slots,
                                                     .run = postgres_run};
