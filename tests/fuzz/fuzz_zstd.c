/*
 * zstd framing.  The first byte of an input says what the rest is:
 *   'd'   any bytes behind the magic number, given in pieces of two sizes: the same plain bytes;
 *   else  a text, of which frames of raw and repeated blocks are made, with frames to be skipped
 *         between them; they give the text back.
 */
#include "decoded.h"

#define ZSTD_MAGIC UINT32_C(0xfd2fb528)
#define SKIP_MAGIC UINT32_C(0x184d2a50)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How often the first byte stands at the front, up to what a block may repeat here. */
static size_t run_of(pen_slice text)
{
    size_t n = 1;
    while (n < text.len && n < 1000 && text.ptr[n] == text.ptr[0]) {
        n++;
    }
    return n;
}

static void frame_make(struct pen_buf *out, pen_slice text, uint8_t how)
{
    made_le(out, ZSTD_MAGIC, 4);
    made_le(out, 0xa0, 1); /* one segment, its size in 4 bytes */
    made_le(out, text.len, 4);
    do {
        const size_t run = text.len == 0 ? 0 : run_of(text);
        const bool is_run = run > 3;
        const size_t n = is_run ? run : pen_slice_sub(text, 0, how % 64U + 1).len;
        const pen_slice block = pen_slice_sub(text, 0, is_run ? 1 : n);
        text = pen_slice_sub(text, n, text.len);
        made_le(out, (text.len == 0) | (is_run ? 2U : 0U) | (uint64_t)n << 3, 3);
        PEN_CHECK(pen_buf_add(out, block) == PEN_OK);
    } while (text.len > 0);
}

static void made_check(uint8_t how, pen_slice text, size_t step, struct decoded *d)
{
    struct pen_buf made;
    pen_buf_init(&made, MADE_MAX);
    const size_t cut = text.len * (how & 15U) / 16;
    frame_make(&made, pen_slice_sub(text, 0, cut), how);
    if ((how & 16U) != 0) {
        made_le(&made, SKIP_MAGIC + how % 16U, 4);
        made_le(&made, 3, 4);
        made_le(&made, 0x332211, 3);
    }
    frame_make(&made, pen_slice_sub(text, cut, text.len), (uint8_t)(how * 7U));
    decode_whole(pen_buf_slice(&made), text, step, d);
    decode_whole(pen_buf_slice(&made), text, 65536, d);
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
        struct pen_buf frame;
        pen_buf_init(&frame, MADE_MAX);
        made_le(&frame, ZSTD_MAGIC, 4);
        PEN_CHECK(pen_buf_add(&frame, rest) == PEN_OK);
        decode_any(pen_buf_slice(&frame), step, &a, &b);
        pen_buf_fini(&frame);
    } else if (!is_wrapped(rest)) {
        made_check(data[0], rest, step, &a);
    }
    return 0;
}
