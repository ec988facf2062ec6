/* folder.h - a folder of rule files for a test, made and taken away again. */
#ifndef PEN_TEST_DETECT_FOLDER_H
#define PEN_TEST_DETECT_FOLDER_H

#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct folder {
    char path[64];
};

static inline void folder_make(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/pen-rules-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static inline const char *folder_path(const struct folder *folder, const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    return path;
}

static inline void folder_write(const struct folder *folder, const char *name, const char *text)
{
    FILE *file = fopen(folder_path(folder, name), "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static inline void folder_sub(const struct folder *folder, const char *name)
{
    assert_int_equal(mkdir(folder_path(folder, name), 0700), 0);
}

static inline int folder_remove_one(const char *path, const struct stat *info, int kind,
                                    struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void folder_remove(const struct folder *folder)
{
    assert_int_equal(nftw(folder->path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
