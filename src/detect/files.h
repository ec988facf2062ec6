/* files.h - the files behind a path of rules: one file, a folder with all below it, the pack. */
#ifndef PEN_DETECT_FILES_H
#define PEN_DETECT_FILES_H

#include "penstock/base.h"

#define RULE_FILE_BYTES_MAX ((size_t)1 << 20) /* of YAML and of events */
#define RULE_JSON_BYTES_MAX \
    ((size_t)32 << 20) /* of a file of Datadog rules: lists of all of them */

struct rule_files {
    bool (*is_wanted)(const char *name); /* asked for files of folders and of the pack */
    /* text is borrowed until return; path is as rules name it: "folder/name", in the pack "name" */
    pen_status (*each)(void *ctx, const char *path, pen_slice text, struct pen_err *err);
    void *ctx;
};

/*
 * rule_files_each - calls each for the wanted files of path, the files of a folder in order of
 * their names.
 *
 * path     a file (wanted whatever its name), a folder, or "builtin"; names that begin with a dot
 *          are passed over, links to folders are not followed
 * Returns  PEN_OK | PEN_E_IO | what each returned, at once
 */
PEN_MUST_USE pen_status rule_files_each(const char *path, const struct rule_files *files,
                                        struct pen_err *err);

/* Appends a file, as much of it as out may hold: give a buffer of one byte more than is good.
 * PEN_OK | PEN_E_IO | PEN_E_NOMEM. */
PEN_MUST_USE pen_status rule_file_read(const char *path, struct pen_buf *out, struct pen_err *err);

/* Text of a file of the pack, NUL behind it; ptr NULL when there is none of that name. */
pen_slice rule_file_builtin(const char *name);

bool rule_name_ends(const char *name, const char *end);

#endif
