/* names.h - the names of one folder in bytewise order, a window of them in memory at a time. */
#ifndef PEN_NODE_NAMES_H
#define PEN_NODE_NAMES_H

#include "penstock/base.h"

#include <dirent.h>
#include <limits.h>

struct folder_names { /* all zero: closed */
    size_t bytes_max; /* of a window; 0: 24 MiB, some 300,000 names of objects */
    char *text;       /* the window: sorted, one blob */
    size_t len, cap;
    size_t *starts;
    uint32_t count, starts_cap, next;
    bool is_open, has_more;  /* has_more: the folder holds names behind the window */
    char cut[NAME_MAX + 1];  /* the first of those */
    char last[NAME_MAX + 1]; /* the last name of the windows before */
};

/*
 * names_next - the next name of a file in the folder, NULL at the end.
 *
 * The folder is read once for each window: names that come or go meanwhile are given or not.
 * *name    borrows names until the next call
 * Returns  PEN_OK | PEN_E_DENIED | PEN_E_NOMEM | PEN_E_STOPPED (the run was interrupted)
 */
PEN_MUST_USE pen_status names_next(struct folder_names *names, const char *path, const char **name,
                                   struct pen_err *err);
/* False when names_next would give NULL: nothing was read, or all was given. */
bool names_left(const struct folder_names *names);
void names_close(struct folder_names *names);

/*
 * What an entry is: DT_REG, DT_DIR or DT_UNKNOWN for what is skipped.  Links to files are followed;
 * one that leads nowhere counts as a file, so that reading it fails by name.
 */
unsigned char names_entry_type(int dir_fd, const struct dirent *entry);

#endif
