/* tested by tests/e2e/test_dead_letters.py */
#include "job_value.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 30000

static pen_status value_read(sqlite3 *db, const char *name, struct pen_buf *out,
                             struct pen_err *err)
{
    sqlite3_stmt *statement = NULL;
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    int code =
        sqlite3_prepare_v2(db, "SELECT value FROM job WHERE name = ?1", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        code = sqlite3_step(statement);
    }
    pen_status st = PEN_OK;
    if (code == SQLITE_ROW) {
        st = pen_buf_add(out, (pen_slice){sqlite3_column_text(statement, 0),
                                          (size_t)sqlite3_column_bytes(statement, 0)});
    } else if (code != SQLITE_DONE) {
        st = code == SQLITE_ERROR ? PEN_E_NOT_FOUND : PEN_E_IO;
    }
    if (st == PEN_E_NOT_FOUND) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET,
                      "checkpoint.db holds no job yet: the run has just begun");
    } else if (st != PEN_OK) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "checkpoint.db: %s", sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(statement);
    return st;
}

pen_status job_value(const char *dir, const char *name, struct pen_buf *out, struct pen_err *err)
{
    char *path = NULL;
    sqlite3 *db = NULL;
    if (asprintf(&path, "%s/checkpoint.db", dir) < 0) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "checkpoint.db: out of memory");
    }
    pen_status st = PEN_OK;
    if (access(path, F_OK) != 0 && errno != ENOENT) {
        st = PEN_FAIL(err, errno == EACCES ? PEN_E_DENIED : PEN_E_IO, PEN_NO_OFFSET, "%s: %s", path,
                      strerrordesc_np(errno));
    } else if (access(path, F_OK) != 0) {
        st = PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                      "no checkpoint.db in %s: --out DIR names the folder of a replay", dir);
    } else if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: %s", path, sqlite3_errmsg(db));
    } else {
        st = value_read(db, name, out, err);
    }
    (void)sqlite3_close(db);
    free(path);
    return st;
}
