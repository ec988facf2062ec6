/* tested by tests/unit/decode/test_decode.c */
#include "decode.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <stdlib.h>

#define WINDOW_LOG_MAX 27 /* 128 MiB: what the zstd command takes without asking */

struct zstd_layer {
    ZSTD_DCtx *context;
    bool in_frame;
    bool is_flushing; /* output was full: there may be more without input */
    uint64_t offset;
};

struct zstd_layer *zstd_layer_new(void)
{
    struct zstd_layer *layer = calloc(1, sizeof(*layer));
    if (layer == NULL) {
        return NULL;
    }
    layer->context = ZSTD_createDCtx();
    if (layer->context == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(layer->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        zstd_layer_free(layer);
        return NULL;
    }
    return layer;
}

void zstd_layer_free(struct zstd_layer *layer)
{
    if (layer != NULL) {
        (void)ZSTD_freeDCtx(layer->context);
        free(layer);
    }
}

void zstd_layer_reset(struct zstd_layer *layer)
{
    (void)ZSTD_DCtx_reset(layer->context, ZSTD_reset_session_only);
    layer->in_frame = false;
    layer->is_flushing = false;
    layer->offset = 0;
}

enum layer_result zstd_layer_run(struct zstd_layer *layer, pen_slice *in, bool is_last,
                                 uint8_t *out, size_t cap, size_t *len, struct pen_err *err)
{
    for (;;) {
        if (in->len == 0 && !layer->is_flushing) {
            if (!is_last) {
                return LAYER_INPUT;
            }
            if (!layer->in_frame) {
                return LAYER_END;
            }
            (void)PEN_FAIL(err, PEN_E_TRUNCATED, layer->offset, "zstd: the frame has no end");
            return LAYER_FAIL;
        }
        ZSTD_inBuffer input = {in->len == 0 ? (const uint8_t *)"" : in->ptr, in->len, 0};
        ZSTD_outBuffer output = {out, cap, *len};
        const size_t code = ZSTD_decompressStream(layer->context, &output, &input);
        *len = output.pos;
        in->ptr += input.pos;
        in->len -= input.pos;
        layer->offset += input.pos;
        if (ZSTD_isError(code)) {
            const bool is_checksum = ZSTD_getErrorCode(code) == ZSTD_error_checksum_wrong;
            (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset, "%szstd: %s",
                           is_checksum ? "crc: " : "", ZSTD_getErrorName(code));
            return LAYER_FAIL;
        }
        layer->in_frame = code != 0;
        layer->is_flushing = output.pos == cap && code != 0;
        if (*len == cap) {
            return LAYER_OUTPUT;
        }
    }
}
