/* decoded.h - what the fuzz targets of the decoder share: a run in pieces, and its checks. */
#ifndef PEN_FUZZ_DECODED_H
#define PEN_FUZZ_DECODED_H

#include "penstock/decode.h"

#include <stdlib.h>

#define OUT_MAX ((size_t)1 << 20)
#define MADE_MAX ((size_t)128 << 10)

struct decoded {
    uint8_t *out; /* OUT_MAX bytes */
    size_t len;
    enum pen_decode end;
    bool has_crc; /* a checksum was wrong */
};

static inline struct pen_decoder *decoder_once(void)
{
    static struct pen_decoder *decoder = NULL; /* reused between inputs, as a shard does */
    if (decoder == NULL) {
        const struct pen_decoder_options options = {.plain_bytes_max = OUT_MAX,
                                                    .ratio_max = 100000};
        struct pen_err err;
        PEN_CHECK(pen_decoder_new(&options, &decoder, &err) == PEN_OK);
    }
    return decoder;
}

/* in is given step bytes at a time, with as much more room for output each time. */
static inline void decode_run(pen_slice in, size_t step, struct decoded *d)
{
    struct pen_decoder *decoder = decoder_once();
    struct pen_err err = {0};
    uint64_t turns = 0;
    pen_decoder_reset(decoder);
    d->len = 0;
    d->has_crc = false;
    do {
        pen_slice piece = pen_slice_sub(in, 0, step);
        const bool is_last = piece.len == in.len;
        const size_t before = piece.len;
        const size_t cap = d->len + step < OUT_MAX ? d->len + step : OUT_MAX;
        d->end = pen_decode(decoder, &piece, is_last, d->out, cap, &d->len, &err);
        PEN_CHECK(d->len <= cap && piece.len <= before);
        PEN_CHECK(turns++ < 8 * (OUT_MAX + in.len) / step + 100000); /* it gets on */
        in = pen_slice_sub(in, before - piece.len, in.len);
        const bool is_crc =
            d->end == PEN_DECODE_FAIL && strncmp(err.text, "crc: checksum", 13) == 0;
        d->has_crc |= is_crc;
        if (d->end == PEN_DECODE_END || (d->end == PEN_DECODE_FAIL && !is_crc)) {
            break;
        }
        PEN_CHECK(d->end != PEN_DECODE_INPUT || !is_last);
    } while (d->len < OUT_MAX);
}

/*
 * Any bytes in pieces of two sizes: the same plain bytes, up to the same end.  Of a damaged zstd
 * frame libzstd drops what the call that met the damage had written, so there one may go further.
 */
static inline void decode_any(pen_slice in, size_t step, struct decoded *a, struct decoded *b)
{
    decode_run(in, step, a);
    decode_run(in, 65536, b);
    const size_t common = a->len < b->len ? a->len : b->len;
    PEN_CHECK(memcmp(a->out, b->out, common) == 0);
    if (a->len < OUT_MAX && b->len < OUT_MAX) {
        PEN_CHECK((a->end == PEN_DECODE_END) == (b->end == PEN_DECODE_END));
        const bool has_zstd = strstr(pen_decoder_format(decoder_once()), "zstd") != NULL;
        const bool is_whole = !has_zstd || a->end == PEN_DECODE_END;
        PEN_CHECK(!is_whole || (a->len == b->len && a->has_crc == b->has_crc));
    }
}

/* An object that was made from text gives text and nothing wrong. */
static inline void decode_whole(pen_slice made, pen_slice text, size_t step, struct decoded *d)
{
    decode_run(made, step, d);
    PEN_CHECK(d->end == PEN_DECODE_END && !d->has_crc);
    PEN_CHECK(pen_slice_eq((pen_slice){d->out, d->len}, text));
}

/* Text that is itself compressed is unwrapped, so that it is not what comes out. */
static inline bool is_wrapped(pen_slice text)
{
    return text.len >= 2 && ((text.ptr[0] == 0x1f && text.ptr[1] == 0x8b) || text.ptr[0] == 0x28 ||
                             (text.ptr[0] & 0xf0) == 0x50);
}

static inline void made_le(struct pen_buf *out, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        PEN_CHECK(pen_buf_add_byte(out, (uint8_t)(value >> (8 * i))) == PEN_OK);
    }
}

#endif
