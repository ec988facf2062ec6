#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 30000
#define DIGITS "0123456789"
#define SPOOLED_LEN 32U /* hex digits of a hash */

static pen_status io_fail(struct pen_err *err, const char *what, const char *path)
{
    return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "%s %s: %s", what, path,
                    strerrordesc_np(errno));
}

/* ---- names ---- */

/* Takes at least min of these characters from *at. */
static bool take(const char **at, const char *set, size_t min)
{
    const size_t len = strspn(*at, set);
    *at += len;
    return len >= min;
}

bool folder_is_document(const char *name)
{
    const char *dash = strrchr(name, '-');
    if (dash == NULL) {
        return false;
    }
    const char *dot = dash;
    while (dot > name && dot[-1] >= '0' && dot[-1] <= '9') {
        dot--;
    }
    if (dash - dot < 3 || dot - name < 2 || dot[-1] != '.') {
        return false;
    }
    const char *at = dash + 1;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz" DIGITS "-_.") >= (size_t)(dot - name) &&
           take(&at, DIGITS, 6) && strcmp(at, ".ndjson.zst") == 0;
}

static bool is_numbered(const char *name, const char *prefix)
{
    const char *at = name + strlen(prefix);
    if (strncmp(name, prefix, strlen(prefix)) != 0 || !take(&at, DIGITS, 1) || *at != '-') {
        return false;
    }
    at++;
    return take(&at, DIGITS, 1) && strcmp(at, ".zst") == 0;
}

bool folder_is_run(const char *name)
{
    return is_numbered(name, "run-");
}

bool folder_is_snapshot(const char *name)
{
    return is_numbered(name, "snapshot-") || is_numbered(name, "stage-");
}

bool folder_is_spooled(const char *name)
{
    return strcmp(name, "new") == 0 ||
           (strlen(name) == SPOOLED_LEN && strspn(name, DIGITS "abcdef") == SPOOLED_LEN);
}

/* Every name that a run makes in its folder. */
static bool is_top_name(const char *name)
{
    static const char *const names[] = {"lock",
                                        "checkpoint.db",
                                        "checkpoint.db-wal",
                                        "checkpoint.db-shm",
                                        "signals.db",
                                        "signals.db-wal",
                                        "signals.db-shm",
                                        "signals.ndjson",
                                        "documents",
                                        "state",
                                        "stdin",
                                        "dead-letters.ndjson.zst"};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- whose it is ---- */

static bool is_lock(int folder)
{
    struct stat info;
    return fstatat(folder, "lock", &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
           info.st_size == 0;
}

/* Whether checkpoint.db has the tables of a job.  It is opened only when it is there: to look at a
 * folder must not leave a file in it. */
static bool has_checkpoint(const char *dir)
{
    static const char sql[] = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
                              " AND name IN ('job', 'files', 'finished', 'open_objects')";
    char path[PATH_MAX];
    struct stat info;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    (void)snprintf(path, sizeof(path), "%s/checkpoint.db", dir);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
        return false;
    }
    bool is_ours = false;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        is_ours = sqlite3_column_int(statement, 0) == 4;
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return is_ours;
}

struct seen {
    bool is_empty, is_known; /* nothing but names of ours */
    bool has_checkpoint;
};

static pen_status look(DIR *handle, const char *dir, struct seen *seen, struct pen_err *err)
{
    *seen = (struct seen){.is_empty = true, .is_known = true};
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(handle); // NOLINT(concurrency-mt-unsafe): own DIR
        if (entry == NULL) {
            return errno == 0 ? PEN_OK : io_fail(err, "cannot read", dir);
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0) { /* of a file system that is mounted here */
            seen->is_empty = false;
            seen->has_checkpoint |= strcmp(entry->d_name, "checkpoint.db") == 0;
            seen->is_known = seen->is_known && is_top_name(entry->d_name);
        }
    }
}

/* A run that was killed before its checkpoint, or whose checkpoint is damaged or cannot be read for
 * want of room, is known by its lock. */
static pen_status claim_open(DIR *handle, const char *dir, struct pen_err *err)
{
    struct seen seen;
    PEN_TRY(look(handle, dir, &seen, err));
    if (seen.is_empty) {
        return fchmod(dirfd(handle), 0700) == 0 || errno == EPERM
                   ? PEN_OK
                   : io_fail(err, "cannot make private", dir);
    }
    if (((seen.is_known || seen.has_checkpoint) && is_lock(dirfd(handle))) || has_checkpoint(dir)) {
        return PEN_OK;
    }
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                    "%s is not empty and not a folder of penstock's: give another --out", dir);
}

pen_status folder_claim(const char *dir, struct pen_err *err)
{
    if (mkdir(dir, 0700) == 0) {
        return PEN_OK;
    }
    DIR *handle = errno == EEXIST ? opendir(dir) : NULL;
    if (handle == NULL) {
        return io_fail(err, errno == ENOENT ? "cannot make" : "cannot use", dir);
    }
    const pen_status st = claim_open(handle, dir, err);
    (void)closedir(handle);
    return st;
}

bool folder_is_output(int parent, const char *name)
{
    struct stat info;
    char lock[NAME_MAX + sizeof("/checkpoint.db")];
    char checkpoint[sizeof(lock)];
    (void)snprintf(lock, sizeof(lock), "%s/lock", name);
    (void)snprintf(checkpoint, sizeof(checkpoint), "%s/checkpoint.db", name);
    return fstatat(parent, lock, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
           info.st_size == 0 && fstatat(parent, checkpoint, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(info.st_mode);
}

pen_status folder_make(const char *path, struct pen_err *err)
{
    if (mkdir(path, 0700) == 0) {
        return PEN_OK;
    }
    return errno == EEXIST && chmod(path, 0700) == 0 ? PEN_OK : io_fail(err, "cannot make", path);
}

/* ---- what goes ---- */

pen_status folder_sweep(const char *dir, const struct folder_sweep *sweep, struct pen_err *err)
{
    DIR *handle = opendir(dir);
    if (handle == NULL) {
        return io_fail(err, "cannot read", dir);
    }
    pen_status st = PEN_OK;
    while (st == PEN_OK) {
        struct stat info;
        const struct dirent *entry = readdir(handle); // NOLINT(concurrency-mt-unsafe): own DIR
        if (entry == NULL) {
            break;
        }
        if (!sweep->is_ours(entry->d_name) ||
            (sweep->is_kept != NULL && sweep->is_kept(sweep->ctx, entry->d_name))) {
            continue;
        }
        /* Not d_type, which some file systems do not tell. */
        if (fstatat(dirfd(handle), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            (S_ISREG(info.st_mode) && unlinkat(dirfd(handle), entry->d_name, 0) != 0)) {
            st = io_fail(err, "cannot remove", entry->d_name);
        }
    }
    (void)closedir(handle);
    return st;
}
