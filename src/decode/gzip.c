/* tested by tests/unit/decode/test_decode.c */
#include "decode.h"

#include <zstd.h>

#include <isa-l.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

/*
 * Members by RFC 1952, one after another as the inflater consumed them.  igzip parses the header
 * and checks the trailer itself (ISAL_GZIP), so that a header split between inputs needs no care
 * here.
 */
struct gzip_layer {
    struct inflate_state state;
    struct isal_gzip_header header;
    bool in_member;
    bool had_member;
    uint64_t offset; /* of the next input byte */
};

struct gzip_layer *gzip_layer_new(void)
{
    struct gzip_layer *layer = calloc(1, sizeof(*layer));
    if (layer != NULL) {
        gzip_layer_reset(layer);
    }
    return layer;
}

void gzip_layer_free(struct gzip_layer *layer)
{
    free(layer);
}

void gzip_layer_reset(struct gzip_layer *layer)
{
    layer->in_member = false;
    layer->had_member = false;
    layer->offset = 0;
}

static void take(struct gzip_layer *layer, pen_slice *in, size_t n)
{
    in->ptr += n;
    in->len -= n;
    layer->offset += n;
}

/* Zero bytes behind the last member are padding of a tape or a block; anything else is garbage. */
static enum layer_result between(struct gzip_layer *layer, pen_slice *in, bool is_last,
                                 struct pen_err *err)
{
    while (layer->had_member && in->len > 0 && in->ptr[0] == 0) {
        take(layer, in, 1);
    }
    if (in->len == 0) {
        return is_last ? LAYER_END : LAYER_INPUT;
    }
    if (in->ptr[0] != 0x1f || (in->len > 1 && in->ptr[1] != 0x8b)) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset, "gzip: garbage after a member");
        return LAYER_FAIL;
    }
    isal_inflate_reset(&layer->state);
    isal_inflate_init(&layer->state);
    layer->state.crc_flag = ISAL_GZIP;
    layer->in_member = true;
    return LAYER_OUTPUT; /* a member begins */
}

static enum layer_result inflate_error(struct gzip_layer *layer, int code, struct pen_err *err)
{
    if (code == ISAL_INCORRECT_CHECKSUM) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset,
                       "crc: checksum or length of the gzip member is wrong");
        layer->in_member = false;
        layer->had_member = true;
        return LAYER_CRC;
    }
    static const struct {
        int code;
        const char *text;
    } names[] = {{ISAL_INVALID_BLOCK, "invalid block"},
                 {ISAL_INVALID_SYMBOL, "invalid symbol"},
                 {ISAL_INVALID_LOOKBACK, "invalid distance"},
                 {ISAL_INVALID_WRAPPER, "invalid header"},
                 {ISAL_UNSUPPORTED_METHOD, "unsupported method"}};
    const char *text = "damaged";
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        text = names[i].code == code ? names[i].text : text;
    }
    (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset, "gzip: %s", text);
    return LAYER_FAIL;
}

enum layer_result gzip_layer_run(struct gzip_layer *layer, pen_slice *in, bool is_last,
                                 uint8_t *out, size_t cap, size_t *len, struct pen_err *err)
{
    for (;;) {
        if (!layer->in_member) {
            const enum layer_result got = between(layer, in, is_last, err);
            if (got != LAYER_OUTPUT) {
                return got;
            }
        }
        const uint32_t given = in->len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)in->len;
        const uint32_t room = cap - *len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)(cap - *len);
        layer->state.next_in = (uint8_t *)(uintptr_t)in->ptr; /* igzip does not write there */
        layer->state.avail_in = given;
        layer->state.next_out = out + *len;
        layer->state.avail_out = room;
        const int code = isal_inflate(&layer->state);
        take(layer, in, given - layer->state.avail_in);
        *len += room - layer->state.avail_out;
        if (code < 0 || code > ISAL_OUT_OVERFLOW) {
            return inflate_error(layer, code, err);
        }
        if (layer->state.block_state == ISAL_BLOCK_FINISH) {
            layer->in_member = false;
            layer->had_member = true;
            continue;
        }
        if (*len == cap) {
            return LAYER_OUTPUT;
        }
        if (in->len == 0) {
            if (!is_last) {
                return LAYER_INPUT;
            }
            (void)PEN_FAIL(err, PEN_E_TRUNCATED, layer->offset, "gzip: the member has no end");
            return LAYER_FAIL;
        }
    }
}

/* ISA-L cannot be asked: the version is that of its headers. */
pen_status pen_decode_libraries(struct pen_buf *out)
{
    return pen_buf_printf(out, "isa-l %d.%d.%d\nzstd %s\n", ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION,
                          ISAL_PATCH_VERSION, ZSTD_versionString());
}
