/*
 * penstock/embed.h - files that the binary carries (written by src/base/embed.py at build time).
 *
 * A table ends with a row whose name is NULL.  Declare it where it is used:
 * extern const struct pen_embedded pen_type_files[];
 */
#ifndef PEN_EMBED_H
#define PEN_EMBED_H

#include <stddef.h>

struct pen_embedded {
    const char *name; /* base name of the file */
    const unsigned char *text;
    size_t len; /* a NUL stands behind text, not counted */
};

#endif
