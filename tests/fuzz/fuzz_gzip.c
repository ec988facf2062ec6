/* Any bytes, given in pieces of two sizes: never a crash, and both give the same plain bytes. */
#include "penstock/decode.h"

#include <stdlib.h>

#define OUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t run(struct pen_decoder *decoder, pen_slice in, size_t step, uint8_t *out)
{
    size_t len = 0;
    struct pen_err err;
    pen_decoder_reset(decoder);
    while (len < OUT_MAX) {
        pen_slice piece = pen_slice_sub(in, 0, step);
        const bool is_last = piece.len == in.len;
        const size_t before = piece.len;
        const size_t cap = len + step < OUT_MAX ? len + step : OUT_MAX;
        const enum pen_decode got = pen_decode(decoder, &piece, is_last, out, cap, &len, &err);
        in = pen_slice_sub(in, before - piece.len, in.len);
        if (got == PEN_DECODE_END ||
            (got == PEN_DECODE_FAIL && strncmp(err.text, "crc: checksum", 13) != 0)) {
            break;
        }
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pen_decoder_options options = {.plain_bytes_max = OUT_MAX, .ratio_max = 100000};
    struct pen_decoder *decoder = NULL;
    struct pen_err err;
    uint8_t *a = malloc(OUT_MAX);
    uint8_t *b = malloc(OUT_MAX);
    PEN_CHECK(a != NULL && b != NULL && pen_decoder_new(&options, &decoder, &err) == PEN_OK);
    const size_t a_len = run(decoder, (pen_slice){data, size}, 7, a);
    const size_t b_len = run(decoder, (pen_slice){data, size}, 65536, b);
    const size_t common = a_len < b_len ? a_len : b_len;
    PEN_CHECK(memcmp(a, b, common) == 0);
    pen_decoder_free(decoder);
    free(a);
    free(b);
    return 0;
}
