/* tested by tests/unit/decode/test_decode.c */
#include "decode.h"

#include <libdeflate.h>
#include <stdlib.h>

/* RFC 1952: ten bytes of header, eight behind the body, the last four its length. */
#define MEMBER_BYTES_MIN 18U
#define LENGTH_BYTES 4U
#define FLAGS_AT 3U
#define FLAGS_SIMPLE 0x1dU /* text, extra field, name, comment; no checksum of the header */

struct whole {
    struct libdeflate_decompressor *inflate;
};

struct whole *whole_new(void)
{
    struct whole *whole = calloc(1, sizeof(*whole));
    if (whole == NULL) {
        return NULL;
    }
    whole->inflate = libdeflate_alloc_decompressor();
    if (whole->inflate == NULL) {
        whole_free(whole);
        return NULL;
    }
    return whole;
}

void whole_free(struct whole *whole)
{
    if (whole != NULL) {
        if (whole->inflate != NULL) {
            libdeflate_free_decompressor(whole->inflate);
        }
        free(whole);
    }
}

bool whole_run(struct whole *whole, pen_slice in, uint8_t *out, size_t cap, size_t *len)
{
    if (in.len < MEMBER_BYTES_MIN || in.ptr[0] != 0x1f || in.ptr[1] != 0x8b ||
        (in.ptr[FLAGS_AT] & (uint8_t)~FLAGS_SIMPLE) != 0) {
        return false;
    }
    const uint8_t *end = in.ptr + in.len - LENGTH_BYTES;
    const uint32_t said =
        (uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    if (said > cap) {
        return false;
    }
    size_t used = 0;
    return libdeflate_gzip_decompress_ex(whole->inflate, in.ptr, in.len, out, cap, &used, len) ==
               LIBDEFLATE_SUCCESS &&
           used == in.len;
}
