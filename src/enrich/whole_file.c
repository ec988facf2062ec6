/* tested by tests/unit/enrich/test_assets.c */
#include "whole_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static bool fail(char why[WHOLE_FILE_WHY], const char *text)
{
    (void)snprintf(why, WHOLE_FILE_WHY, "%s", text);
    return false;
}

static bool too_large(char why[WHOLE_FILE_WHY], uint64_t bytes_max)
{
    const uint64_t mib = (uint64_t)1 << 20;
    const bool is_mib = bytes_max >= mib && bytes_max % mib == 0;
    (void)snprintf(why, WHOLE_FILE_WHY, "larger than %" PRIu64 " %s",
                   is_mib ? bytes_max / mib : bytes_max, is_mib ? "MiB" : "bytes");
    return false;
}

static bool bytes_take(FILE *file, uint64_t bytes_max, struct pen_buf *out,
                       char why[WHOLE_FILE_WHY])
{
    const size_t from = out->len;
    for (size_t n = 1; n > 0;) {
        if (pen_buf_reserve(out, WHOLE_FILE_STEP) != PEN_OK) {
            return fail(why, "out of memory");
        }
        n = fread(out->ptr + out->len, 1, WHOLE_FILE_STEP, file);
        out->len += n;
        if (out->len - from > bytes_max) {
            return too_large(why, bytes_max);
        }
    }
    return ferror(file) == 0 || fail(why, strerrordesc_np(errno));
}

bool whole_file_read(const char *path, uint64_t bytes_max, struct mmdb_stamp *stamp,
                     struct pen_buf *out, char why[WHOLE_FILE_WHY])
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fail(why, strerrordesc_np(errno));
    }
    (void)mmdb_stamp_of(path, stamp);
    const bool is_good = bytes_take(file, bytes_max, out, why);
    (void)fclose(file);
    return is_good;
}
