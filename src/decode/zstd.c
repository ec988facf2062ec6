/* tested by tests/unit/decode/test_decode.c */
#include "decode.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <stdlib.h>

#define WINDOW_LOG_MAX 25 /* 32 MiB a layer, in the memory of a shard; level 20 needs no more */

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

static enum layer_result frame_fail(const struct zstd_layer *layer, size_t code,
                                    struct pen_err *err)
{
    const ZSTD_ErrorCode why = ZSTD_getErrorCode(code);
    if (why == ZSTD_error_frameParameter_windowTooLarge) {
        (void)PEN_FAIL(err, PEN_E_LIMIT, layer->offset,
                       "zstd: the window of the frame is larger than %u MiB",
                       1U << (WINDOW_LOG_MAX - 20));
    } else {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset, "%szstd: %s",
                       why == ZSTD_error_checksum_wrong ? "crc: " : "", ZSTD_getErrorName(code));
    }
    return LAYER_FAIL;
}

enum layer_result zstd_layer_run(struct zstd_layer *layer, pen_slice *in, bool is_last,
                                 const struct layer_out *out, struct pen_err *err)
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
        ZSTD_outBuffer output = {out->ptr, out->cap, *out->len};
        const size_t code = ZSTD_decompressStream(layer->context, &output, &input);
        *out->len = output.pos;
        in->ptr += input.pos;
        in->len -= input.pos;
        layer->offset += input.pos;
        if (ZSTD_isError(code)) {
            return frame_fail(layer, code, err);
        }
        layer->in_frame = code != 0;
        layer->is_flushing = output.pos == out->cap && code != 0;
        if (output.pos == out->cap) {
            return LAYER_OUTPUT;
        }
    }
}

/* The window, room for a block behind it, and what the library keeps beside them. */
uint64_t zstd_layer_memory(void)
{
    return (UINT64_C(1) << WINDOW_LOG_MAX) + (UINT64_C(512) << 10);
}
