/* whole_file.h - a file of tables, read as a whole. */
#ifndef PEN_ENRICH_WHOLE_FILE_H
#define PEN_ENRICH_WHOLE_FILE_H

#include "mmdb.h"

#define WHOLE_FILE_WHY 64U
/*
 * whole_file_read - appends the bytes of a file.
 *
 * bytes_max  of the file; out has room for them and WHOLE_FILE_STEP more
 * stamp      of what was read
 * why        filled when it returns false, a text of at most WHOLE_FILE_WHY bytes
 */
#define WHOLE_FILE_STEP ((size_t)1 << 16)
PEN_MUST_USE bool whole_file_read(const char *path, uint64_t bytes_max, struct mmdb_stamp *stamp,
                                  struct pen_buf *out, char why[WHOLE_FILE_WHY]);

#endif
