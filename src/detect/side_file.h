/*
 * side_file.h - files beside rules that are no rules: suppressions/NAME.yml,
 * security_filters/NAME.yml.
 *
 * A file holds one map a document, or lists of them.  Every mistake is told at its place; the file
 * counts as one rejected document when any is wrong.
 */
#ifndef PEN_DETECT_SIDE_FILE_H
#define PEN_DETECT_SIDE_FILE_H

#include "rules.h"

#define SIDE_NAME_BYTES_MAX 256U

struct side_file {
    struct pen_rules *rules;
    pen_slice name; /* of the file; the set's */
    struct builder b;
    uint32_t index;   /* of the map in the file */
    const char *what; /* "a suppression" */
    bool is_wrong;
};

/* The file lies in a folder of that name. */
bool side_file_is_in(const char *path, const char *folder);
/* Calls add for every map of the text. */
void side_file_read(struct pen_rules *rules, const char *name, pen_slice text, const char *what,
                    void (*add)(struct side_file *file, const struct pen_yaml *node));
/* The builder's error is told. */
void side_file_tell(struct side_file *file);
/* The file's name without folder and ending, with a number when the map is not the first in it. */
pen_slice side_file_title(struct side_file *file);

#endif
