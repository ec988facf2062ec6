/* types_test.h - penstock types test: what one file is taken for, and what comes of its records. */
#ifndef PEN_CLI_TYPES_TEST_H
#define PEN_CLI_TYPES_TEST_H

#include "options.h"

struct types_test {
    const char *file;      /* "-" is standard input */
    const char *key;       /* NULL: the file's name as given */
    const char *as_type;   /* NULL: by key and content */
    const char *types_dir; /* or NULL */
    bool json;
};
/* The exit code: 1 when the type is unknown, or something of the file cannot be read. */
int types_test(const struct types_test *asked);

#endif
