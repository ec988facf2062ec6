/* tested by tests/e2e/test_replay.py */
#include "checkpoint.h"

#include "penstock/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 30000
#define ROW_BYTES_MAX ((size_t)1 << 20)

enum statement {
    SQL_GET,
    SQL_SET,
    SQL_FINISHED,
    SQL_OPEN_OBJECT,
    SQL_FILES,
    SQL_ADD_FILE,
    SQL_ADD_FINISHED,
    SQL_CLEAR_OPEN,
    SQL_DISINHERIT,
    SQL_ADD_OPEN,
    SQL_OPEN_COUNTERS,
    SQL_CLEAR_OPEN_COUNTERS,
    SQL_ADD_OPEN_COUNTERS,
    SQL_ADD_REFUSED,
    SQL_REFUSED,
    SQL_COUNTERS,
    SQL_DROP_REFUSED,
    SQL_DROP_FINISHED,
    SQL_DROP_FILE,
    SQL_CLOSE,
    SQL_IS_CLOSED,
    SQL_FORGET,
    SQL_REOPEN,
    SQL_ADD_ORIGIN,
    SQL_ORIGINS,
    SQL_BEGIN,
    SQL_END,
    SQL_COUNT
};
static const char *const statement_text[SQL_COUNT] = {
    [SQL_GET] = "SELECT value FROM job WHERE name = ?1",
    [SQL_SET] = "INSERT OR REPLACE INTO job VALUES(?1, ?2)",
    [SQL_FINISHED] = "SELECT hashes FROM finished WHERE unit = ?1",
    [SQL_OPEN_OBJECT] = "SELECT records, size, mtime_ns FROM open_objects WHERE path = ?1",
    [SQL_FILES] = "SELECT name, bytes FROM files WHERE kind = ?1 ORDER BY name",
    [SQL_ADD_FILE] = "INSERT OR REPLACE INTO files VALUES(?1, ?2, ?3)",
    [SQL_ADD_FINISHED] = "INSERT INTO finished(unit, hashes) VALUES(?1, ?2)",
    [SQL_CLEAR_OPEN] = "DELETE FROM open_objects WHERE path NOT IN inherited",
    [SQL_DISINHERIT] = "DELETE FROM inherited WHERE path = ?1",
    [SQL_ADD_OPEN] = "INSERT OR REPLACE INTO open_objects VALUES(?1, ?2, ?3, ?4)",
    [SQL_OPEN_COUNTERS] = "SELECT counters FROM open_counters WHERE path = ?1",
    [SQL_CLEAR_OPEN_COUNTERS] = "DELETE FROM open_counters WHERE path NOT IN inherited",
    [SQL_ADD_OPEN_COUNTERS] = "INSERT OR REPLACE INTO open_counters(path, counters) VALUES(?1, ?2)",
    [SQL_ADD_REFUSED] = "INSERT OR REPLACE INTO refused VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_REFUSED] = "SELECT path, unit, name_hash, key, counters FROM refused ORDER BY path, unit",
    [SQL_COUNTERS] = "SELECT counters FROM refused UNION ALL SELECT counters FROM open_counters",
    [SQL_DROP_REFUSED] = "DELETE FROM refused WHERE path = ?1 AND unit = ?2",
    [SQL_DROP_FINISHED] = "DELETE FROM finished WHERE unit = ?1",
    [SQL_DROP_FILE] = "DELETE FROM files WHERE kind = ?1 AND name = ?2",
    [SQL_ADD_ORIGIN] = "INSERT OR IGNORE INTO origins VALUES(?1, ?2)",
    [SQL_ORIGINS] = "SELECT count(*) FROM origins WHERE kind = ?1",
    [SQL_CLOSE] = "INSERT OR REPLACE INTO closed VALUES(?1)",
    [SQL_IS_CLOSED] = "SELECT 1 FROM closed WHERE unit = ?1",
    [SQL_FORGET] = "DELETE FROM finished WHERE unit = ?1 AND ?1 NOT IN (SELECT unit FROM refused)",
    [SQL_REOPEN] = "DELETE FROM closed WHERE unit = ?1",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_END] = "COMMIT",
};
static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS job(name TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS files(kind TEXT, name TEXT, bytes INTEGER, PRIMARY KEY(kind, "
    "name));"
    "CREATE TABLE IF NOT EXISTS finished(unit TEXT NOT NULL, hashes BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS finished_unit ON finished(unit);"
    "CREATE TABLE IF NOT EXISTS closed(unit BLOB PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS open_objects(path BLOB PRIMARY KEY, records INTEGER, size INTEGER,"
    " mtime_ns INTEGER);"
    "CREATE TABLE IF NOT EXISTS open_counters(path BLOB PRIMARY KEY, counters TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS refused(path BLOB NOT NULL, unit BLOB NOT NULL,"
    " name_hash INTEGER NOT NULL, key BLOB NOT NULL, counters TEXT NOT NULL,"
    " PRIMARY KEY(path, unit));"
    "CREATE INDEX IF NOT EXISTS refused_unit ON refused(unit);"
    "CREATE TABLE IF NOT EXISTS origins(kind INTEGER, name TEXT, PRIMARY KEY(kind, name))"
    " WITHOUT ROWID;"
    /* What an earlier process left open stays so until this one has finished it. */
    "CREATE TEMP TABLE inherited AS SELECT path FROM open_objects;";

struct checkpoint {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
};

static pen_status db_fail(struct checkpoint *c, struct pen_err *err, const char *what)
{
    const int code = sqlite3_errcode(c->db);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "checkpoint.db is damaged (%s): start anew with --fresh",
                        sqlite3_errmsg(c->db));
    }
    const pen_status st =
        code == SQLITE_FULL ? PEN_E_NOSPACE : pen_status_of_write(sqlite3_system_errno(c->db));
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "checkpoint.db: %s: %s", what, sqlite3_errmsg(c->db));
}

/* Runs a statement that gives no rows. */
static pen_status db_run(struct checkpoint *c, enum statement which, struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[which];
    const int code = sqlite3_step(statement);
    const pen_status st =
        code == SQLITE_DONE || code == SQLITE_ROW ? PEN_OK : db_fail(c, err, "cannot be written");
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return st;
}

static void bind_text(struct checkpoint *c, enum statement which, int at, const char *text)
{
    PEN_CHECK(sqlite3_bind_text(c->statements[which], at, text, -1, SQLITE_TRANSIENT) == SQLITE_OK);
}

static void bind_path(struct checkpoint *c, enum statement which, int at, const char *path)
{
    PEN_CHECK(sqlite3_bind_blob(c->statements[which], at, path, (int)strlen(path),
                                SQLITE_TRANSIENT) == SQLITE_OK);
}

static void bind_u64(struct checkpoint *c, enum statement which, int at, uint64_t value)
{
    PEN_CHECK(sqlite3_bind_int64(c->statements[which], at, (sqlite3_int64)value) == SQLITE_OK);
}

static pen_status checkpoint_prepare(struct checkpoint *c, struct pen_err *err)
{
    if (sqlite3_exec(c->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
        return db_fail(c, err, "cannot be opened");
    }
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        if (sqlite3_prepare_v2(c->db, statement_text[i], -1, &c->statements[i], NULL) !=
            SQLITE_OK) {
            return db_fail(c, err, "not the tables of a job");
        }
    }
    char format[16] = "";
    PEN_TRY(checkpoint_get(c, "format", format, sizeof(format), err));
    if (format[0] == '\0') {
        char now[16];
        (void)snprintf(now, sizeof(now), "%d", CHECKPOINT_FORMAT);
        return checkpoint_set(c, "format", now, err);
    }
    uint64_t version = 0;
    if (!pen_parse_u64(pen_slice_str(format), &version) || version != CHECKPOINT_FORMAT) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "checkpoint.db has format %s, this penstock writes format %d: use the "
                        "penstock that wrote it, another --out, or --fresh",
                        format, CHECKPOINT_FORMAT);
    }
    return PEN_OK;
}

pen_status private_file(const char *path, struct pen_err *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "%s: %s", path,
                        strerrordesc_np(errno));
    }
    (void)close(fd);
    return PEN_OK;
}

pen_status checkpoint_open(const char *dir, struct checkpoint **out, struct pen_err *err)
{
    struct checkpoint *c = calloc(1, sizeof(*c));
    char *path = NULL;
    if (c == NULL || asprintf(&path, "%s/checkpoint.db", dir) < 0) {
        free(c);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "checkpoint: out of memory");
    }
    pen_status st = private_file(path, err);
    if (st != PEN_OK) {
        free(path);
        checkpoint_close(c);
        return st;
    }
    if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK) {
        st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: %s", path, sqlite3_errmsg(c->db));
    } else {
        (void)sqlite3_busy_timeout(c->db, BUSY_MS); /* somebody looks at it */
        st = checkpoint_prepare(c, err);
    }
    free(path);
    if (st != PEN_OK) {
        checkpoint_close(c);
        return st;
    }
    *out = c;
    return PEN_OK;
}

void checkpoint_close(struct checkpoint *c)
{
    if (c == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(c->statements[i]);
    }
    (void)sqlite3_close(c->db);
    free(c);
}

pen_status checkpoint_get(struct checkpoint *c, const char *name, char *value, size_t cap,
                          struct pen_err *err)
{
    value[0] = '\0';
    bind_text(c, SQL_GET, 1, name);
    const int code = sqlite3_step(c->statements[SQL_GET]);
    pen_status st = PEN_OK;
    if (code == SQLITE_ROW) {
        (void)snprintf(value, cap, "%s",
                       (const char *)sqlite3_column_text(c->statements[SQL_GET], 0));
    } else if (code != SQLITE_DONE) {
        st = db_fail(c, err, "get");
    }
    (void)sqlite3_reset(c->statements[SQL_GET]);
    return st;
}

pen_status checkpoint_set(struct checkpoint *c, const char *name, const char *value,
                          struct pen_err *err)
{
    bind_text(c, SQL_SET, 1, name);
    bind_text(c, SQL_SET, 2, value);
    return db_run(c, SQL_SET, err);
}

static int hash_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

pen_status checkpoint_finished(struct checkpoint *c, const char *unit, uint64_t **hashes,
                               size_t *count, struct pen_err *err)
{
    struct pen_buf all;
    pen_buf_init(&all, (size_t)1 << 32);
    bind_path(c, SQL_FINISHED, 1, unit);
    pen_status st = PEN_OK;
    int code = SQLITE_DONE;
    while (st == PEN_OK && (code = sqlite3_step(c->statements[SQL_FINISHED])) == SQLITE_ROW) {
        const pen_slice blob = {sqlite3_column_blob(c->statements[SQL_FINISHED], 0),
                                (size_t)sqlite3_column_bytes(c->statements[SQL_FINISHED], 0)};
        st = pen_buf_add(&all, blob);
    }
    if (st != PEN_OK) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "checkpoint: out of memory");
    } else if (code != SQLITE_DONE) {
        st = db_fail(c, err, "finished");
    }
    (void)sqlite3_reset(c->statements[SQL_FINISHED]);
    if (st != PEN_OK) {
        pen_buf_fini(&all);
        return st;
    }
    *count = all.len / sizeof(uint64_t);
    *hashes = (uint64_t *)(void *)all.ptr; /* malloc'd, so aligned; the caller frees */
    if (*count > 0) {
        qsort(*hashes, *count, sizeof(uint64_t), hash_order);
    }
    return PEN_OK;
}

pen_status checkpoint_open_object(struct checkpoint *c, const char *path,
                                  struct checkpoint_open_object *open, bool *found,
                                  struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[SQL_OPEN_OBJECT];
    bind_path(c, SQL_OPEN_OBJECT, 1, path);
    const int code = sqlite3_step(statement);
    *found = code == SQLITE_ROW;
    if (*found) {
        *open =
            (struct checkpoint_open_object){.records = (uint64_t)sqlite3_column_int64(statement, 0),
                                            .size = (uint64_t)sqlite3_column_int64(statement, 1),
                                            .mtime_ns = sqlite3_column_int64(statement, 2)};
    }
    const pen_status st =
        code == SQLITE_ROW || code == SQLITE_DONE ? PEN_OK : db_fail(c, err, "open object");
    (void)sqlite3_reset(statement);
    return st;
}

pen_status checkpoint_files(struct checkpoint *c, const char *kind, checkpoint_file_fn *fn,
                            void *ctx, struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[SQL_FILES];
    bind_text(c, SQL_FILES, 1, kind);
    pen_status st = PEN_OK;
    int code = SQLITE_DONE;
    while (st == PEN_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        st = fn(ctx, (const char *)sqlite3_column_text(statement, 0),
                (uint64_t)sqlite3_column_int64(statement, 1));
    }
    if (st == PEN_OK && code != SQLITE_DONE) {
        st = db_fail(c, err, "files");
    }
    (void)sqlite3_reset(statement);
    return st;
}

pen_status checkpoint_begin(struct checkpoint *c, struct pen_err *err)
{
    return db_run(c, SQL_BEGIN, err);
}

pen_status checkpoint_add_file(struct checkpoint *c, const char *kind, const char *name,
                               uint64_t bytes, struct pen_err *err)
{
    bind_text(c, SQL_ADD_FILE, 1, kind);
    bind_text(c, SQL_ADD_FILE, 2, name);
    bind_u64(c, SQL_ADD_FILE, 3, bytes);
    return db_run(c, SQL_ADD_FILE, err);
}

pen_status checkpoint_add_finished(struct checkpoint *c, const char *unit, const uint64_t *hashes,
                                   size_t count, struct pen_err *err)
{
    bind_path(c, SQL_ADD_FINISHED, 1, unit);
    PEN_CHECK(sqlite3_bind_blob64(c->statements[SQL_ADD_FINISHED], 2, hashes,
                                  count * sizeof(*hashes), SQLITE_TRANSIENT) == SQLITE_OK);
    return db_run(c, SQL_ADD_FINISHED, err);
}

pen_status checkpoint_close_unit(struct checkpoint *c, const char *unit, bool is_kept,
                                 struct pen_err *err)
{
    bind_path(c, SQL_CLOSE, 1, unit);
    PEN_TRY(db_run(c, SQL_CLOSE, err));
    if (is_kept) {
        return PEN_OK;
    }
    bind_path(c, SQL_FORGET, 1, unit);
    return db_run(c, SQL_FORGET, err);
}

pen_status checkpoint_is_closed(struct checkpoint *c, const char *unit, bool *is_closed,
                                struct pen_err *err)
{
    bind_path(c, SQL_IS_CLOSED, 1, unit);
    const int code = sqlite3_step(c->statements[SQL_IS_CLOSED]);
    *is_closed = code == SQLITE_ROW;
    const pen_status st =
        code == SQLITE_ROW || code == SQLITE_DONE ? PEN_OK : db_fail(c, err, "closed");
    (void)sqlite3_reset(c->statements[SQL_IS_CLOSED]);
    return st;
}

pen_status checkpoint_clear_open(struct checkpoint *c, struct pen_err *err)
{
    PEN_TRY(db_run(c, SQL_CLEAR_OPEN_COUNTERS, err));
    return db_run(c, SQL_CLEAR_OPEN, err);
}

pen_status checkpoint_disinherit(struct checkpoint *c, const char *path, struct pen_err *err)
{
    bind_path(c, SQL_DISINHERIT, 1, path);
    return db_run(c, SQL_DISINHERIT, err);
}

pen_status checkpoint_add_open(struct checkpoint *c, const struct pen_object *object,
                               uint64_t records, const char *counters, struct pen_err *err)
{
    bind_path(c, SQL_ADD_OPEN, 1, object->path);
    bind_u64(c, SQL_ADD_OPEN, 2, records);
    bind_u64(c, SQL_ADD_OPEN, 3, object->size);
    bind_u64(c, SQL_ADD_OPEN, 4, (uint64_t)object->mtime_ns);
    PEN_TRY(db_run(c, SQL_ADD_OPEN, err));
    bind_path(c, SQL_ADD_OPEN_COUNTERS, 1, object->path);
    bind_text(c, SQL_ADD_OPEN_COUNTERS, 2, counters);
    return db_run(c, SQL_ADD_OPEN_COUNTERS, err);
}

/* ---- refused objects ---- */

pen_status checkpoint_add_refused(struct checkpoint *c, const struct checkpoint_refused *refused,
                                  struct pen_err *err)
{
    bind_path(c, SQL_ADD_REFUSED, 1, refused->path);
    bind_path(c, SQL_ADD_REFUSED, 2, refused->unit);
    bind_u64(c, SQL_ADD_REFUSED, 3, refused->name_hash);
    bind_path(c, SQL_ADD_REFUSED, 4, refused->key);
    bind_text(c, SQL_ADD_REFUSED, 5, refused->counters);
    return db_run(c, SQL_ADD_REFUSED, err);
}

/* Appends a column and a NUL; *at is where it begins. */
static pen_status column_add(struct pen_buf *out, sqlite3_stmt *statement, int column, size_t *at)
{
    const pen_slice bytes = {sqlite3_column_blob(statement, column),
                             (size_t)sqlite3_column_bytes(statement, column)};
    *at = out->len;
    PEN_TRY(pen_buf_add(out, bytes));
    return pen_buf_add_byte(out, '\0');
}

static pen_status refused_row(struct checkpoint *c, struct pen_buf *text, checkpoint_refused_fn *fn,
                              void *ctx)
{
    sqlite3_stmt *statement = c->statements[SQL_REFUSED];
    size_t path = 0;
    size_t unit = 0;
    size_t key = 0;
    size_t counters = 0;
    text->len = 0;
    PEN_TRY(column_add(text, statement, 0, &path));
    PEN_TRY(column_add(text, statement, 1, &unit));
    PEN_TRY(column_add(text, statement, 3, &key));
    PEN_TRY(column_add(text, statement, 4, &counters));
    const char *base = (const char *)text->ptr;
    const struct checkpoint_refused row = {.path = base + path,
                                           .unit = base + unit,
                                           .name_hash =
                                               (uint64_t)sqlite3_column_int64(statement, 2),
                                           .key = base + key,
                                           .counters = base + counters};
    return fn(ctx, &row);
}

pen_status checkpoint_refused_each(struct checkpoint *c, checkpoint_refused_fn *fn, void *ctx,
                                   struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[SQL_REFUSED];
    struct pen_buf text;
    pen_buf_init(&text, ROW_BYTES_MAX);
    pen_status st = PEN_OK;
    int code = SQLITE_DONE;
    while (st == PEN_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        st = refused_row(c, &text, fn, ctx);
        if (st != PEN_OK) {
            st = PEN_FAIL(err, st, PEN_NO_OFFSET, "checkpoint.db: refused objects: %s",
                          pen_status_text(st));
        }
    }
    if (st == PEN_OK && code != SQLITE_DONE) {
        st = db_fail(c, err, "refused");
    }
    (void)sqlite3_reset(statement);
    pen_buf_fini(&text);
    return st;
}

pen_status checkpoint_open_counters(struct checkpoint *c, const char *path, struct pen_buf *text,
                                    struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[SQL_OPEN_COUNTERS];
    size_t at = 0;
    bind_path(c, SQL_OPEN_COUNTERS, 1, path);
    const int code = sqlite3_step(statement);
    pen_status st = PEN_OK;
    text->len = 0;
    if (code == SQLITE_ROW) {
        st = column_add(text, statement, 0, &at);
    } else {
        st = code == SQLITE_DONE ? pen_buf_add_byte(text, '\0') : db_fail(c, err, "open counters");
    }
    (void)sqlite3_reset(statement);
    return st;
}

pen_status checkpoint_unfinish(struct checkpoint *c, const char *unit, uint64_t *drop,
                               size_t drop_count, struct pen_err *err)
{
    uint64_t *hashes = NULL;
    size_t count = 0;
    size_t kept = 0;
    size_t d = 0;
    PEN_TRY(checkpoint_finished(c, unit, &hashes, &count, err));
    qsort(drop, drop_count, sizeof(*drop), hash_order);
    for (size_t i = 0; i < count; i++) {
        while (d < drop_count && drop[d] < hashes[i]) {
            d++;
        }
        if (d == drop_count || drop[d] != hashes[i]) {
            hashes[kept++] = hashes[i];
        }
    }
    bind_path(c, SQL_REOPEN, 1, unit);
    pen_status st = db_run(c, SQL_REOPEN, err);
    bind_path(c, SQL_DROP_FINISHED, 1, unit);
    st = st == PEN_OK ? db_run(c, SQL_DROP_FINISHED, err) : st;
    if (st == PEN_OK && kept > 0) {
        st = checkpoint_add_finished(c, unit, hashes, kept, err);
    }
    free(hashes);
    return st;
}

pen_status checkpoint_counters_each(struct checkpoint *c, checkpoint_counters_fn *fn, void *ctx,
                                    struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[SQL_COUNTERS];
    pen_status st = PEN_OK;
    int code = SQLITE_DONE;
    while (st == PEN_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        st = fn(ctx, (const char *)sqlite3_column_text(statement, 0), err);
    }
    if (st == PEN_OK && code != SQLITE_DONE) {
        st = db_fail(c, err, "counters");
    }
    (void)sqlite3_reset(statement);
    return st;
}

pen_status checkpoint_drop_refused(struct checkpoint *c, const char *unit, const char *path,
                                   struct pen_err *err)
{
    bind_path(c, SQL_DROP_REFUSED, 1, path);
    bind_path(c, SQL_DROP_REFUSED, 2, unit);
    return db_run(c, SQL_DROP_REFUSED, err);
}

pen_status checkpoint_drop_file(struct checkpoint *c, const char *kind, const char *name,
                                struct pen_err *err)
{
    bind_text(c, SQL_DROP_FILE, 1, kind);
    bind_text(c, SQL_DROP_FILE, 2, name);
    return db_run(c, SQL_DROP_FILE, err);
}

pen_status checkpoint_add_origin(struct checkpoint *c, const struct origin *origin,
                                 struct pen_err *err)
{
    bind_u64(c, SQL_ADD_ORIGIN, 1, origin->kind);
    bind_text(c, SQL_ADD_ORIGIN, 2, origin->name);
    return db_run(c, SQL_ADD_ORIGIN, err);
}

pen_status checkpoint_origins(struct checkpoint *c, enum origin_kind kind, uint32_t *count,
                              struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[SQL_ORIGINS];
    bind_u64(c, SQL_ORIGINS, 1, kind);
    const pen_status st =
        sqlite3_step(statement) == SQLITE_ROW ? PEN_OK : db_fail(c, err, "accounts and regions");
    *count = st == PEN_OK ? (uint32_t)sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return st;
}

pen_status checkpoint_end(struct checkpoint *c, struct pen_err *err)
{
    return db_run(c, SQL_END, err);
}
