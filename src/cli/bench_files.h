/* bench_files.h - folders that a benchmark makes for itself. */
#ifndef PEN_CLI_BENCH_FILES_H
#define PEN_CLI_BENCH_FILES_H

#include "cli.h"

/* A new folder below $TMPDIR, or /tmp.  PEN_OK | PEN_E_IO; path is "" then. */
PEN_MUST_USE pen_status bench_folder_make(char *path, size_t path_cap, struct pen_err *err);
/* Removes a folder with all that is in it. */
bool bench_tree_remove(const char *dir);

#endif
