/* tested by tests/e2e/test_replay.py */
#include "checkpoint.h"

#include "penstock/decode.h"
#include "penstock/node.h"
#include "penstock/runtime.h"
#include "penstock/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum statement {
    SQL_GET,
    SQL_SET,
    SQL_FINISHED,
    SQL_OPEN_OBJECT,
    SQL_FILES,
    SQL_ADD_FILE,
    SQL_ADD_FINISHED,
    SQL_CLEAR_OPEN,
    SQL_ADD_OPEN,
    SQL_BEGIN,
    SQL_END,
    SQL_COUNT
};
static const char *const statement_text[SQL_COUNT] = {
    [SQL_GET] = "SELECT value FROM job WHERE name = ?1",
    [SQL_SET] = "INSERT INTO job(name, value) VALUES(?1, ?2) "
                "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [SQL_FINISHED] = "SELECT hashes FROM finished WHERE unit = ?1",
    [SQL_OPEN_OBJECT] = "SELECT records, size, mtime_ns FROM open_objects WHERE path = ?1",
    [SQL_FILES] = "SELECT name, bytes FROM files WHERE kind = ?1 ORDER BY name",
    [SQL_ADD_FILE] = "INSERT INTO files(kind, name, bytes) VALUES(?1, ?2, ?3) "
                     "ON CONFLICT(kind, name) DO UPDATE SET bytes = excluded.bytes",
    [SQL_ADD_FINISHED] = "INSERT INTO finished(unit, hashes) VALUES(?1, ?2)",
    [SQL_CLEAR_OPEN] = "DELETE FROM open_objects",
    [SQL_ADD_OPEN] = "INSERT OR REPLACE INTO open_objects(path, records, size, mtime_ns) "
                     "VALUES(?1, ?2, ?3, ?4)",
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
    "CREATE TABLE IF NOT EXISTS open_objects(path BLOB PRIMARY KEY, records INTEGER, size INTEGER,"
    " mtime_ns INTEGER);";

struct checkpoint {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
};

static pen_status db_fail(struct checkpoint *c, struct pen_err *err, const char *what)
{
    const pen_status st = sqlite3_errcode(c->db) == SQLITE_FULL
                              ? PEN_E_NOSPACE
                              : pen_status_of_write(sqlite3_system_errno(c->db));
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "checkpoint.db: %s: %s", what, sqlite3_errmsg(c->db));
}

/* Runs a statement that gives no rows. */
static pen_status db_run(struct checkpoint *c, enum statement which, struct pen_err *err)
{
    sqlite3_stmt *statement = c->statements[which];
    const int code = sqlite3_step(statement);
    const pen_status st =
        code == SQLITE_DONE || code == SQLITE_ROW ? PEN_OK : db_fail(c, err, statement_text[which]);
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
        return db_fail(c, err, "schema");
    }
    for (uint32_t i = 0; i < SQL_COUNT; i++) {
        if (sqlite3_prepare_v2(c->db, statement_text[i], -1, &c->statements[i], NULL) !=
            SQLITE_OK) {
            return db_fail(c, err, statement_text[i]);
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

pen_status checkpoint_clear_open(struct checkpoint *c, struct pen_err *err)
{
    return db_run(c, SQL_CLEAR_OPEN, err);
}

pen_status checkpoint_add_open(struct checkpoint *c, const struct pen_object *object,
                               uint64_t records, struct pen_err *err)
{
    bind_path(c, SQL_ADD_OPEN, 1, object->path);
    bind_u64(c, SQL_ADD_OPEN, 2, records);
    bind_u64(c, SQL_ADD_OPEN, 3, object->size);
    bind_u64(c, SQL_ADD_OPEN, 4, (uint64_t)object->mtime_ns);
    return db_run(c, SQL_ADD_OPEN, err);
}

pen_status checkpoint_end(struct checkpoint *c, struct pen_err *err)
{
    return db_run(c, SQL_END, err);
}

pen_status pen_node_libraries(struct pen_buf *out)
{
    PEN_TRY(pen_match_libraries(out));
    PEN_TRY(pen_json_libraries(out));
    PEN_TRY(pen_decode_libraries(out));
    PEN_TRY(pen_yaml_libraries(out));
    PEN_TRY(pen_buf_printf(out, "sqlite %s\n", sqlite3_libversion()));
    PEN_TRY(pen_base_libraries(out));
    return pen_runtime_libraries(out);
}
