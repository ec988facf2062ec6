/* tested by tests/e2e/test_stdin.py */
#include "spool.h"

#include "penstock/node.h"

#include "control.h"
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 100
#define CHUNK_BYTES ((size_t)1 << 20)
#define NEW_NAME "new" /* no hash has this length */

bool spool_wanted(const struct pen_replay_options *options)
{
    for (uint32_t i = 0; i < options->source_count; i++) {
        if (strcmp(options->sources[i], SPOOL_SOURCE) == 0) {
            return true;
        }
    }
    return false;
}

void spool_dir(const char *dir, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s/stdin", dir);
}

static pen_status fail(struct pen_err *err, const char *what)
{
    return PEN_FAIL(err, errno == ENOSPC || errno == EDQUOT ? PEN_E_NOSPACE : PEN_E_IO,
                    PEN_NO_OFFSET, "standard input: %s: %s", what, strerrordesc_np(errno));
}

static pen_status write_all(int fd, const uint8_t *bytes, size_t len, struct pen_err *err)
{
    while (len > 0) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return fail(err, "cannot be kept");
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return PEN_OK;
}

/* Waits for bytes.  An interrupt may come at any place: it is looked for again and again. */
static pen_status wait_readable(struct pen_err *err)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, WAIT_MS) <= 0) {
        if (is_interrupted()) {
            return PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET,
                            "stopped while standard input was read: nothing of it is kept");
        }
    }
    return PEN_OK;
}

/* Reads until the chunk is full or the input ends, so that the hash does not depend on the pieces
 * that a pipe gives. */
static pen_status chunk_read(uint8_t *chunk, size_t *len, struct pen_err *err)
{
    *len = 0;
    while (*len < CHUNK_BYTES) {
        PEN_TRY(wait_readable(err));
        const ssize_t n = read(STDIN_FILENO, chunk + *len, CHUNK_BYTES - *len);
        if (n == 0) {
            return PEN_OK;
        }
        if (n < 0 && errno != EINTR) {
            return fail(err, "cannot be read");
        }
        *len += n > 0 ? (size_t)n : 0;
    }
    return PEN_OK;
}

static pen_status copy(int fd, struct pen_hash128 *hash, struct pen_err *err)
{
    uint8_t *chunk = malloc(CHUNK_BYTES);
    size_t len = CHUNK_BYTES;
    pen_status st = PEN_OK;
    PEN_CHECK(chunk != NULL);
    while (st == PEN_OK && len == CHUNK_BYTES) {
        st = chunk_read(chunk, &len, err);
        if (st == PEN_OK) {
            *hash = pen_hash128((pen_slice){chunk, len}, hash->lo ^ hash->hi);
            st = write_all(fd, chunk, len, err);
        }
    }
    free(chunk);
    return st == PEN_OK && fsync(fd) != 0 ? fail(err, "cannot be kept") : st;
}

pen_status spool_take(const char *dir, struct pen_err *err)
{
    char folder[PATH_MAX];
    char path[PATH_MAX + 8];
    char name[PATH_MAX + 40];
    char hex[33];
    struct pen_hash128 hash = {0};
    spool_dir(dir, folder, sizeof(folder));
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return fail(err, folder);
    }
    (void)snprintf(path, sizeof(path), "%s/" NEW_NAME, folder);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(err, path);
    }
    pen_status st = copy(fd, &hash, err);
    (void)close(fd);
    pen_hash128_hex(hash, hex);
    (void)snprintf(name, sizeof(name), "%s/%s", folder, hex);
    if (st == PEN_OK && access(name, F_OK) == 0) {
        return unlink(path) == 0 ? PEN_OK : fail(err, path); /* left by an interrupted run */
    }
    if (st == PEN_OK && rename(path, name) != 0) {
        st = fail(err, name);
    }
    if (st != PEN_OK) {
        (void)unlink(path);
    }
    return st;
}

void spool_clear(const char *dir)
{
    char folder[PATH_MAX];
    spool_dir(dir, folder, sizeof(folder));
    const struct folder_sweep sweep = {.is_ours = folder_is_spooled};
    struct pen_err err;
    if (folder_sweep(folder, &sweep, &err) != PEN_OK) {
        return; /* it takes room and harms nothing */
    }
    (void)rmdir(folder);
}
