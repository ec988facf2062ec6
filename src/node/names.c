#include "names.h"

#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* tested by tests/unit/node/test_names.c */

#define WINDOW_BYTES_MAX ((size_t)24 << 20)
#define WINDOW_BYTES_FIRST ((size_t)64 << 10)
#define STARTS_FIRST 1024U

unsigned char names_entry_type(int dir_fd, const struct dirent *entry)
{
    if (entry->d_type == DT_REG || entry->d_type == DT_DIR) {
        return entry->d_type;
    }
    struct stat st;
    if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return DT_UNKNOWN;
    }
    if (S_ISLNK(st.st_mode)) {
        const bool is_other = fstatat(dir_fd, entry->d_name, &st, 0) == 0 && !S_ISREG(st.st_mode);
        return is_other ? DT_UNKNOWN : DT_REG;
    }
    if (S_ISDIR(st.st_mode)) {
        return DT_DIR;
    }
    return S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static int names_order(const void *a, const void *b, void *text)
{
    const size_t *x = a;
    const size_t *y = b;
    return strcmp((const char *)text + *x, (const char *)text + *y);
}

static void window_sort(struct folder_names *names)
{
    if (names->count > 0) {
        qsort_r(names->starts, names->count, sizeof(size_t), names_order, names->text);
    }
}

static void copy_name(char to[NAME_MAX + 1], const char *name)
{
    memcpy(to, name, strlen(name) + 1); /* names of entries have at most NAME_MAX bytes */
}

/* Drops the larger half of a full window; a later reading of the folder finds it again. */
static pen_status window_halve(struct folder_names *names)
{
    char *kept = malloc(names->cap);
    if (kept == NULL) {
        return PEN_E_NOMEM;
    }
    window_sort(names);
    names->count = (names->count + 1) / 2;
    copy_name(names->cut, names->text + names->starts[names->count]);
    names->has_more = true;
    names->len = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        const char *name = names->text + names->starts[i];
        const size_t len = strlen(name) + 1;
        memcpy(kept + names->len, name, len);
        names->starts[i] = names->len;
        names->len += len;
    }
    free(names->text);
    names->text = kept;
    return PEN_OK;
}

static pen_status window_grow(struct folder_names *names)
{
    if (names->len + NAME_MAX + 1 > names->cap) {
        const size_t cap = names->cap == 0 ? WINDOW_BYTES_FIRST : names->cap * 2;
        char *bigger = realloc(names->text, cap);
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        names->text = bigger;
        names->cap = cap;
    }
    if (names->count == names->starts_cap) {
        const uint32_t cap = names->starts_cap == 0 ? STARTS_FIRST : names->starts_cap * 2;
        size_t *bigger = reallocarray(names->starts, cap, sizeof(size_t));
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        names->starts = bigger;
        names->starts_cap = cap;
    }
    return PEN_OK;
}

static pen_status window_add(struct folder_names *names, const char *name)
{
    const size_t max = names->bytes_max == 0 ? WINDOW_BYTES_MAX : names->bytes_max;
    const size_t len = strlen(name) + 1;
    if (names->count >= 2 && names->len + len + names->count * sizeof(size_t) > max) {
        PEN_TRY(window_halve(names));
    }
    if (names->has_more && strcmp(name, names->cut) >= 0) {
        return PEN_OK;
    }
    PEN_TRY(window_grow(names));
    names->starts[names->count++] = names->len;
    memcpy(names->text + names->len, name, len);
    names->len += len;
    return PEN_OK;
}

static pen_status entry_take(struct folder_names *names, int dir_fd, const struct dirent *entry)
{
    const bool is_ahead = strcmp(entry->d_name, names->last) > 0 &&
                          (!names->has_more || strcmp(entry->d_name, names->cut) < 0);
    /* Of those behind the window nothing is asked: it may take a call to the kernel. */
    return is_ahead && names_entry_type(dir_fd, entry) == DT_REG ? window_add(names, entry->d_name)
                                                                 : PEN_OK;
}

static pen_status entries_read(struct folder_names *names, DIR *dir)
{
    pen_status st = PEN_OK;
    while (st == PEN_OK) {
        errno = 0;
        const struct dirent *entry = readdir(dir); // NOLINT(concurrency-mt-unsafe): own DIR
        if (entry == NULL) {
            return errno == 0 ? PEN_OK : PEN_E_DENIED;
        }
        st = is_interrupted() ? PEN_E_STOPPED : entry_take(names, dirfd(dir), entry);
    }
    return st;
}

/* The names behind `last`, from the first on. */
static pen_status window_read(struct folder_names *names, const char *path, struct pen_err *err)
{
    DIR *dir = opendir(path);
    names->is_open = true;
    names->has_more = false;
    names->count = 0;
    names->next = 0;
    names->len = 0;
    const pen_status st = dir == NULL ? PEN_E_DENIED : entries_read(names, dir);
    const int code = errno;
    if (dir != NULL) {
        (void)closedir(dir);
    }
    if (st == PEN_OK) {
        window_sort(names);
        return PEN_OK;
    }
    if (st == PEN_E_STOPPED) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "stopped while folders were listed");
    }
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: %s", path,
                    st == PEN_E_NOMEM ? "out of memory for its names" : strerrordesc_np(code));
}

pen_status names_next(struct folder_names *names, const char *path, const char **name,
                      struct pen_err *err)
{
    *name = NULL;
    while (!names->is_open || (names->next == names->count && names->has_more)) {
        if (names->count > 0) {
            copy_name(names->last, names->text + names->starts[names->count - 1]);
        }
        PEN_TRY(window_read(names, path, err));
    }
    if (names->next < names->count) {
        *name = names->text + names->starts[names->next++];
    }
    return PEN_OK;
}

bool names_left(const struct folder_names *names)
{
    return names->next < names->count || names->has_more;
}

void names_close(struct folder_names *names)
{
    free(names->text);
    free(names->starts);
    *names = (struct folder_names){.bytes_max = names->bytes_max};
}
