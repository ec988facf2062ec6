#include "files.h"

#include "penstock/embed.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FOLDERS_MAX 4096U /* still to be read at one time */

extern const struct pen_embedded pen_builtin_rules[];

struct folders {
    char *paths[FOLDERS_MAX];
    uint32_t count;
};

bool rule_name_ends(const char *name, const char *end)
{
    const size_t n = strlen(name);
    const size_t m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

pen_status rule_file_read(const char *path, struct pen_buf *out, struct pen_err *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: cannot be read", path);
    }
    pen_status st = PEN_OK;
    size_t got = 1;
    while (st == PEN_OK && got > 0 && out->len < out->max) {
        const size_t room = out->max - out->len;
        const size_t want = room < RULE_FILE_BYTES_MAX ? room : RULE_FILE_BYTES_MAX;
        st = pen_buf_reserve(out, want);
        got = st == PEN_OK ? fread(out->ptr + out->len, 1, want, file) : 0;
        out->len += got;
    }
    if (st != PEN_OK) {
        (void)PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: no memory to read it", path);
    } else if (ferror(file) != 0) {
        st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: cannot be read", path);
    }
    (void)fclose(file); /* only read: nothing is lost */
    return st;
}

pen_slice rule_file_builtin(const char *name)
{
    for (const struct pen_embedded *file = pen_builtin_rules; file->name != NULL; file++) {
        if (strcmp(file->name, name) == 0) {
            return (pen_slice){file->text, file->len};
        }
    }
    return (pen_slice){0};
}

static pen_status builtin_each(const struct rule_files *files, struct pen_err *err)
{
    pen_status st = PEN_OK;
    for (const struct pen_embedded *file = pen_builtin_rules; file->name != NULL; file++) {
        if (st == PEN_OK && files->is_wanted(file->name)) {
            st = files->each(files->ctx, file->name, (pen_slice){file->text, file->len}, err);
        }
    }
    return st;
}

static pen_status file_each(const struct rule_files *files, const char *path, struct pen_err *err)
{
    struct pen_buf text;
    const bool is_json = rule_name_ends(path, ".json");
    pen_buf_init(&text, (is_json ? RULE_JSON_BYTES_MAX : RULE_FILE_BYTES_MAX) + 1);
    pen_status st = rule_file_read(path, &text, err);
    if (st == PEN_OK) {
        st = files->each(files->ctx, path, pen_buf_slice(&text), err);
    }
    pen_buf_fini(&text);
    return st;
}

static pen_status folders_push(struct folders *folders, const char *path, struct pen_err *err)
{
    if (folders->count == FOLDERS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "%s: more than %u folders", path,
                        FOLDERS_MAX);
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", path);
    }
    folders->paths[folders->count++] = copy;
    return PEN_OK;
}

static pen_status entry_each(const struct rule_files *files, struct folders *folders,
                             const char *dir, const char *name, struct pen_err *err)
{
    struct stat info;
    char path[PATH_MAX];
    if (name[0] == '.') {
        return PEN_OK;
    }
    const int len = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: the path is too long", name);
    }
    if (lstat(path, &info) != 0) {
        return PEN_OK; /* gone since the folder was listed */
    }
    if (S_ISDIR(info.st_mode)) {
        return folders_push(folders, path, err);
    }
    return files->is_wanted(name) ? file_each(files, path, err) : PEN_OK;
}

static pen_status folder_each(const struct rule_files *files, struct folders *folders,
                              const char *dir, struct pen_err *err)
{
    struct dirent **entries = NULL;
    pen_status st = PEN_OK;
    const int count = scandir(dir, &entries, NULL, alphasort);
    if (count < 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: the folder cannot be read", dir);
    }
    for (int i = 0; i < count; i++) {
        st = st == PEN_OK ? entry_each(files, folders, dir, entries[i]->d_name, err) : st;
        free(entries[i]);
    }
    free(entries);
    return st;
}

static pen_status tree_each(const struct rule_files *files, const char *path, struct pen_err *err)
{
    struct folders *folders = calloc(1, sizeof(*folders));
    if (folders == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", path);
    }
    pen_status st = folders_push(folders, path, err);
    while (folders->count > 0) {
        char *dir = folders->paths[--folders->count];
        st = st == PEN_OK ? folder_each(files, folders, dir, err) : st;
        free(dir);
    }
    free(folders);
    return st;
}

pen_status rule_files_each(const char *path, const struct rule_files *files, struct pen_err *err)
{
    struct stat info;
    if (strcmp(path, "builtin") == 0) {
        return builtin_each(files, err);
    }
    if (stat(path, &info) != 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: no such file or folder", path);
    }
    return S_ISDIR(info.st_mode) ? tree_each(files, path, err) : file_each(files, path, err);
}
