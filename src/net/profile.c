/* tested by tests/unit/net/test_credentials.c */
#include "profile.h"

#include "ini.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SHOWN_MAX 120 /* bytes of a path in an error */

struct profiles {
    struct ini *files[2]; /* by enum profile_file; NULL: there is none */
};

/* ---- files ---- */

static pen_status file_bad(struct pen_err *err, const char *path, int os_errno)
{
    pen_status status = os_errno == ENOENT || os_errno == ENOTDIR ? PEN_E_NOT_FOUND : PEN_E_IO;
    status = os_errno == EACCES || os_errno == EPERM ? PEN_E_DENIED : status;
    const char *why = status == PEN_E_NOT_FOUND ? "no such file"
                      : status == PEN_E_DENIED  ? "we may not read it"
                                                : "reading failed";
    (void)PEN_FAIL(err, status, PEN_NO_OFFSET, "%.*s: %s", PATH_SHOWN_MAX, path, why);
    if (err != NULL) {
        err->os_errno = os_errno;
    }
    return status;
}

static pen_status read_all(int fd, const char *path, struct pen_buf *out, struct pen_err *err)
{
    PEN_TRY(pen_buf_reserve(out, out->max));
    while (out->len < out->max) {
        const ssize_t got = read(fd, out->ptr + out->len, out->max - out->len);
        if (got < 0 && errno != EINTR) {
            return file_bad(err, path, errno);
        }
        if (got == 0) {
            return PEN_OK;
        }
        out->len += got > 0 ? (size_t)got : 0;
    }
    return PEN_FAIL(err, PEN_E_LIMIT, out->max, "%.*s: %zu bytes or more", PATH_SHOWN_MAX, path,
                    out->max);
}

pen_status pen_small_file(const char *path, struct pen_buf *out, struct pen_err *err)
{
    struct stat about;
    out->len = 0;
    /* A pipe in its place must not stop us. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return file_bad(err, path, errno);
    }
    pen_status status = PEN_OK;
    if (fstat(fd, &about) != 0) {
        status = file_bad(err, path, errno);
    } else if (S_ISDIR(about.st_mode)) {
        status = file_bad(err, path, EISDIR);
    } else {
        status = read_all(fd, path, out, err);
    }
    (void)close(fd);
    return status;
}

static pen_status file_load(struct ini **out, const char *path, enum ini_kind kind,
                            struct pen_err *err)
{
    struct pen_buf text;
    pen_buf_init(&text, INI_BYTES_MAX + 1);
    *out = NULL;
    pen_status status = pen_small_file(path, &text, err);
    if (status == PEN_OK) {
        status = pen_ini_parse(out, pen_buf_slice(&text), kind, path, err);
    } else if (status == PEN_E_NOT_FOUND) {
        status = PEN_OK;
    }
    if (text.ptr != NULL) {
        OPENSSL_cleanse(text.ptr, text.len);
    }
    pen_buf_fini(&text);
    return status;
}

pen_status pen_profiles_load(struct profiles **out, const char *config_file,
                             const char *credentials_file, struct pen_err *err)
{
    struct profiles *profiles = calloc(1, sizeof(*profiles));
    *out = NULL;
    if (profiles == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
    }
    pen_status status =
        file_load(&profiles->files[PROFILE_CREDENTIALS], credentials_file, INI_CREDENTIALS, err);
    if (status == PEN_OK) {
        status = file_load(&profiles->files[PROFILE_CONFIG], config_file, INI_CONFIG, err);
    }
    if (status != PEN_OK) {
        pen_profiles_free(profiles);
        return status;
    }
    *out = profiles;
    return PEN_OK;
}

void pen_profiles_free(struct profiles *profiles)
{
    if (profiles != NULL) {
        pen_ini_free(profiles->files[PROFILE_CREDENTIALS]);
        pen_ini_free(profiles->files[PROFILE_CONFIG]);
        free(profiles);
    }
}

/* ---- values ---- */

bool pen_profiles_has(const struct profiles *profiles, pen_slice profile)
{
    for (uint32_t i = 0; i < PEN_COUNT(profiles->files); i++) {
        if (profiles->files[i] != NULL && pen_ini_has(profiles->files[i], profile)) {
            return true;
        }
    }
    return false;
}

static bool raw_of(const struct profiles *profiles, enum profile_file file, pen_slice profile,
                   const char *name, pen_slice *value)
{
    const struct ini *ini = profiles->files[file];
    *value = (pen_slice){NULL, 0};
    return ini != NULL && pen_ini_get(ini, profile, pen_slice_str(name), value);
}

bool pen_profiles_get_of(const struct profiles *profiles, enum profile_file file, pen_slice profile,
                         const char *name, pen_slice *value)
{
    const bool has = raw_of(profiles, file, profile, name, value);
    *value = pen_ini_plain(*value);
    return has && value->len > 0;
}

bool pen_profiles_get(const struct profiles *profiles, pen_slice profile, const char *name,
                      pen_slice *value)
{
    return pen_profiles_get_of(profiles, PROFILE_CREDENTIALS, profile, name, value) ||
           pen_profiles_get_of(profiles, PROFILE_CONFIG, profile, name, value);
}

bool pen_profiles_command(const struct profiles *profiles, pen_slice profile, const char *name,
                          pen_slice *value)
{
    const bool has = raw_of(profiles, PROFILE_CREDENTIALS, profile, name, value) ||
                     raw_of(profiles, PROFILE_CONFIG, profile, name, value);
    return has && value->len > 0;
}
