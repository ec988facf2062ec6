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

/* ---- PostgreSQL: the statement that an error is about is a record of its own ---- */

enum postgres_field { LEVEL, MESSAGE };
static const char *const postgres_fields[] = {"log_level", "message", NULL};
static const char *const postgres_slots[] = {"rds.query",    "event.category", "event.type",
                                             "event.action", "event.outcome",  NULL};
enum postgres_slot { STATEMENT, PG_CATEGORY, PG_TYPE, PG_ACTION, PG_OUTCOME };

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
    }
}

const struct nrm_script nrm_script_rds_postgresql = {.name = "rds-postgresql",
                                                     .fields = postgres_fields,
                                                     .slots = postgres_slots,
                                                     .run = postgres_run};
