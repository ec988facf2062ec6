/* tested by tests/e2e/test_bench.py */
#include "bench_files.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

pen_status bench_folder_make(char *path, size_t path_cap, struct pen_err *err)
{
    const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *base = tmp != NULL && *tmp != '\0' ? tmp : "/tmp";
    const int len = snprintf(path, path_cap, "%s/penstock-bench-XXXXXX", base);
    if (len < 0 || (size_t)len >= path_cap || mkdtemp(path) == NULL) {
        path[0] = '\0';
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: no folder for a benchmark can be made",
                        base);
    }
    return PEN_OK;
}

bool bench_tree_remove(const char *dir)
{
    char *const paths[] = {pen_unconst(dir), NULL};
    bool is_done = true;
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (walk == NULL) {
        return false;
    }
    for (FTSENT *at = fts_read(walk); at != NULL; at = fts_read(walk)) {
        if (at->fts_info == FTS_DP) {
            is_done &= rmdir(at->fts_accpath) == 0;
        } else if (at->fts_info != FTS_D) {
            is_done &= unlink(at->fts_accpath) == 0;
        }
    }
    (void)fts_close(walk);
    return is_done;
}
