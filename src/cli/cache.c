/* tested by tests/e2e/test_cache.py */
#include "cli.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_FILES_MAX 128U /* one for each log type that a rule set looks at */

/* The databases that were not used for longest go, beyond CACHE_FILES_MAX. */
static void cache_trim(int dir)
{
    for (;;) {
        char oldest[NAME_MAX + 1] = "";
        struct timespec oldest_at = {0};
        uint32_t files = 0;
        const int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = copy < 0 ? NULL : fdopendir(copy);
        if (list == NULL) {
            return;
        }
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
        for (struct dirent *at = readdir(list); at != NULL; at = readdir(list)) {
            struct stat st;
            if (strstr(at->d_name, ".hsdb") == NULL || fstatat(dir, at->d_name, &st, 0) != 0) {
                continue;
            }
            files++;
            const bool is_older =
                st.st_mtim.tv_sec < oldest_at.tv_sec ||
                (st.st_mtim.tv_sec == oldest_at.tv_sec && st.st_mtim.tv_nsec < oldest_at.tv_nsec);
            if (oldest[0] == '\0' || is_older) {
                (void)snprintf(oldest, sizeof(oldest), "%s", at->d_name);
                oldest_at = st.st_mtim;
            }
        }
        (void)closedir(list);
        if (files <= CACHE_FILES_MAX || unlinkat(dir, oldest, 0) != 0) {
            return;
        }
    }
}

/* What is loaded from there is trusted: a folder of this user that nobody else may write to. */
static bool cache_open(const char *path)
{
    struct stat st;
    const int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        return false;
    }
    const bool is_ours =
        fstat(dir, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (is_ours) {
        cache_trim(dir);
    }
    (void)close(dir);
    return is_ours;
}

const char *cli_cache_dir(struct cli_cache *cache)
{
    const char *base = getenv("XDG_CACHE_HOME"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *home = getenv("HOME");           /* NOLINT(concurrency-mt-unsafe): one thread */
    char parent[sizeof(cache->path) - 16];
    if (base != NULL && base[0] == '/') {
        (void)snprintf(parent, sizeof(parent), "%s", base);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(parent, sizeof(parent), "%s/.cache", home);
    } else {
        return NULL;
    }
    (void)snprintf(cache->path, sizeof(cache->path), "%s/penstock", parent);
    (void)mkdir(parent, 0700);
    (void)mkdir(cache->path, 0700);
    return cache_open(cache->path) ? cache->path : NULL;
}

enum pen_compile_words cli_compile_words(void)
{
    return isatty(STDERR_FILENO) == 1 ? PEN_COMPILE_TERMINAL : PEN_COMPILE_LINES;
}
