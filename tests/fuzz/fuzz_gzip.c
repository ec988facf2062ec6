/*
 * gzip framing.  The first byte of an input says what the rest is:
 *   'd'   any bytes, given in pieces of two sizes: the same plain bytes;
 *   else  a text, of which members are made; they give the text back, and after one bit of them was
 *         changed they give the text or say that something is wrong.
 */
#include "decoded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t crc32_of(pen_slice s)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= s.ptr[i];
        for (uint32_t bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (0 - (crc & 1U)));
        }
    }
    return ~crc;
}

/* One member with a stored block for every piece of the text.  Its header has a checksum, and what
 * the flags say: extra field, name, comment. */
static void member_make(struct pen_buf *out, pen_slice text, uint8_t flags)
{
    const uint32_t crc = crc32_of(text);
    const uint64_t len = text.len;
    const size_t from = out->len;
    made_le(out, 0x088b1f, 3);
    made_le(out, (flags & 0x1cU) | 2U, 1);
    made_le(out, 0x04c3b2a1, 4); /* a time */
    made_le(out, 0xff00, 2);
    if ((flags & 4U) != 0) {
        made_le(out, 2, 2);
        made_le(out, flags, 2);
    }
    if ((flags & 8U) != 0) {
        made_le(out, 'n', 2);
    }
    if ((flags & 16U) != 0) {
        made_le(out, 'c', 2);
    }
    made_le(out, crc32_of((pen_slice){out->ptr + from, out->len - from}), 2);
    do {
        pen_slice piece = pen_slice_sub(text, 0, (size_t)flags + 1);
        text = pen_slice_sub(text, piece.len, text.len);
        made_le(out, text.len == 0, 1);
        made_le(out, piece.len, 2);
        made_le(out, ~(uint64_t)piece.len, 2);
        PEN_CHECK(pen_buf_add(out, piece) == PEN_OK);
    } while (text.len > 0);
    made_le(out, crc, 4);
    made_le(out, len, 4);
}

static void made_check(uint8_t how, pen_slice text, size_t step, struct decoded *d)
{
    struct pen_buf made;
    pen_buf_init(&made, MADE_MAX);
    const size_t cut = text.len * (how & 15U) / 16;
    member_make(&made, pen_slice_sub(text, 0, cut), how);
    member_make(&made, pen_slice_sub(text, cut, text.len), (uint8_t)(how * 7U));
    made_le(&made, 0, how & 3U); /* zero bytes behind the last member mean nothing */
    decode_whole(pen_buf_slice(&made), text, step, d);
    decode_whole(pen_buf_slice(&made), text, 65536, d);
    const size_t bit = (pen_hash64(text, how) % (made.len * 8));
    if (made.ptr[bit / 8] != (how & 0x1cU) + 2U) { /* not the flags: whether there is a checksum */
        made.ptr[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    decode_run(pen_buf_slice(&made), step, d);
    const bool is_plain = strcmp(pen_decoder_format(decoder_once()), "gzip") != 0;
    if (d->end == PEN_DECODE_END && !d->has_crc && !is_plain) {
        PEN_CHECK(pen_slice_eq((pen_slice){d->out, d->len}, text));
    }
    pen_buf_fini(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[2][OUT_MAX];
    struct decoded a = {.out = out[0]};
    struct decoded b = {.out = out[1]};
    if (size < 2 || size > MADE_MAX / 32) {
        return 0;
    }
    const pen_slice rest = {data + 2, size - 2};
    const size_t step = data[1] % 32U + 1;
    if (data[0] == 'd') {
        decode_any(rest, step, &a, &b);
    } else if (!is_wrapped(rest)) {
        made_check(data[0], rest, step, &a);
    }
    return 0;
}
