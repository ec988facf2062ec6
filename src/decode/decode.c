#include "penstock/decode.h"

#include "decode.h"

#include <inttypes.h>
#include <stdlib.h>

#define SNIFF_BYTES 4U
#define MIDDLE_BYTES ((size_t)64 << 10) /* between the outer layer and the inner one */
#define RATIO_FREE_BYTES ((uint64_t)1 << 20)

enum format { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD };

struct layer {
    enum format format;
    struct gzip_layer *gzip;
    struct zstd_layer *zstd;
    uint8_t head[SNIFF_BYTES]; /* first bytes, until the format is known */
    uint32_t head_len, head_used;
};

struct pen_decoder {
    struct pen_decoder_options options;
    struct whole *whole;
    struct layer outer, inner;
    uint8_t *middle; /* what the outer layer gave */
    size_t middle_len, middle_used;
    bool is_outer_ended;
    bool has_crc; /* an outer checksum was wrong: told once the inner layer took all */
    struct pen_err crc;
    uint64_t stored, plain;
    bool is_ended;
    bool is_failed; /* the outer layer is damaged; crc says how */
};

static bool layer_init(struct layer *layer)
{
    layer->gzip = gzip_layer_new();
    layer->zstd = zstd_layer_new();
    return layer->gzip != NULL && layer->zstd != NULL;
}

pen_status pen_decoder_new(const struct pen_decoder_options *options, struct pen_decoder **out,
                           struct pen_err *err)
{
    struct pen_decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "decoder: out of memory");
    }
    decoder->options = *options;
    decoder->middle = malloc(MIDDLE_BYTES);
    decoder->whole = whole_new();
    if (decoder->middle == NULL || decoder->whole == NULL || !layer_init(&decoder->outer) ||
        !layer_init(&decoder->inner)) {
        pen_decoder_free(decoder);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "decoder: out of memory");
    }
    pen_decoder_reset(decoder);
    *out = decoder;
    return PEN_OK;
}

void pen_decoder_free(struct pen_decoder *decoder)
{
    if (decoder != NULL) {
        gzip_layer_free(decoder->outer.gzip);
        gzip_layer_free(decoder->inner.gzip);
        zstd_layer_free(decoder->outer.zstd);
        zstd_layer_free(decoder->inner.zstd);
        whole_free(decoder->whole);
        free(decoder->middle);
        free(decoder);
    }
}

static void layer_reset(struct layer *layer)
{
    layer->format = FORMAT_UNKNOWN;
    layer->head_len = 0;
    layer->head_used = 0;
    gzip_layer_reset(layer->gzip);
    zstd_layer_reset(layer->zstd);
}

void pen_decoder_reset(struct pen_decoder *decoder)
{
    layer_reset(&decoder->outer);
    layer_reset(&decoder->inner);
    decoder->middle_len = 0;
    decoder->middle_used = 0;
    decoder->is_outer_ended = false;
    decoder->has_crc = false;
    decoder->stored = 0;
    decoder->plain = 0;
    decoder->is_ended = false;
    decoder->is_failed = false;
}

static enum format sniff(const uint8_t *head, uint32_t len)
{
    if (len >= 2 && head[0] == 0x1f && head[1] == 0x8b) {
        return FORMAT_GZIP;
    }
    if (len == 4 && head[1] == 0xb5 && head[0] == 0x28 && head[2] == 0x2f && head[3] == 0xfd) {
        return FORMAT_ZSTD;
    }
    if (len == 4 && (head[0] & 0xf0) == 0x50 && head[1] == 0x2a && head[2] == 0x4d &&
        head[3] == 0x18) {
        return FORMAT_ZSTD; /* a skippable frame */
    }
    return FORMAT_PLAIN;
}

static enum layer_result layer_format(struct layer *layer, pen_slice *in, bool is_last,
                                      const struct layer_out *out, struct pen_err *err)
{
    if (layer->format == FORMAT_GZIP) {
        return gzip_layer_run(layer->gzip, in, is_last, out, err);
    }
    if (layer->format == FORMAT_ZSTD) {
        return zstd_layer_run(layer->zstd, in, is_last, out, err);
    }
    const size_t room = out->cap - *out->len;
    const size_t n = in->len < room ? in->len : room;
    if (n > 0) {
        memcpy(out->ptr + *out->len, in->ptr, n);
        *out->len += n;
        in->ptr += n;
        in->len -= n;
    }
    return in->len > 0 ? LAYER_OUTPUT : is_last ? LAYER_END : LAYER_INPUT;
}

static enum layer_result layer_run(struct layer *layer, pen_slice *in, bool is_last,
                                   const struct layer_out *out, struct pen_err *err)
{
    if (layer->format == FORMAT_UNKNOWN) {
        while (layer->head_len < SNIFF_BYTES && in->len > 0) {
            layer->head[layer->head_len++] = in->ptr[0];
            in->ptr++;
            in->len--;
        }
        if (layer->head_len < SNIFF_BYTES && !is_last) {
            return LAYER_INPUT;
        }
        layer->format = sniff(layer->head, layer->head_len);
    }
    if (layer->head_used < layer->head_len) {
        pen_slice head = {layer->head + layer->head_used, layer->head_len - layer->head_used};
        const bool is_all = is_last && in->len == 0;
        const enum layer_result got = layer_format(layer, &head, is_all, out, err);
        layer->head_used = layer->head_len - (uint32_t)head.len;
        if (got != LAYER_INPUT || is_all) {
            return got;
        }
    }
    return layer_format(layer, in, is_last, out, err);
}

static enum pen_decode decoder_fail(struct pen_decoder *decoder)
{
    decoder->is_ended = true;
    return PEN_DECODE_FAIL;
}

static enum pen_decode limits(struct pen_decoder *decoder, enum pen_decode got, struct pen_err *err)
{
    if (decoder->plain > decoder->options.plain_bytes_max) {
        (void)PEN_FAIL(err, PEN_E_LIMIT, decoder->stored,
                       "the object inflates to more than %" PRIu64 " bytes",
                       decoder->options.plain_bytes_max);
        return decoder_fail(decoder);
    }
    if (decoder->plain > RATIO_FREE_BYTES &&
        decoder->plain / decoder->options.ratio_max > decoder->stored) {
        (void)PEN_FAIL(err, PEN_E_LIMIT, decoder->stored,
                       "the object inflates to more than %u times its size",
                       decoder->options.ratio_max);
        return decoder_fail(decoder);
    }
    return got;
}

/* The inner layer is plain and has nothing left: the outer layer may write where the caller wants.
 */
static bool is_direct(const struct pen_decoder *decoder)
{
    return decoder->inner.format == FORMAT_PLAIN &&
           decoder->inner.head_used == decoder->inner.head_len &&
           decoder->middle_used == decoder->middle_len && !decoder->is_outer_ended &&
           !decoder->has_crc;
}

static enum pen_decode direct_run(struct pen_decoder *decoder, pen_slice *in, bool is_last,
                                  const struct layer_out *out, struct pen_err *err)
{
    const size_t before_in = in->len;
    const size_t before = *out->len;
    const enum layer_result got = layer_run(&decoder->outer, in, is_last, out, err);
    decoder->stored += before_in - in->len;
    decoder->plain += *out->len - before;
    switch (got) {
    case LAYER_INPUT:
        return limits(decoder, PEN_DECODE_INPUT, err);
    case LAYER_OUTPUT:
        return limits(decoder, PEN_DECODE_OUTPUT, err);
    case LAYER_END:
        decoder->is_ended = true;
        return PEN_DECODE_END;
    case LAYER_CRC:
        return PEN_DECODE_FAIL;
    case LAYER_FAIL:
        break;
    }
    return decoder_fail(decoder);
}

/* Fills the middle from the outer layer.  What the caller is to be told, or OUTPUT to go on. */
static enum pen_decode outer_run(struct pen_decoder *decoder, pen_slice *in, bool is_last,
                                 struct pen_err *err)
{
    const size_t before = in->len;
    decoder->middle_len = 0;
    decoder->middle_used = 0;
    const struct layer_out out = {decoder->middle, MIDDLE_BYTES, &decoder->middle_len};
    const enum layer_result got = layer_run(&decoder->outer, in, is_last, &out, err);
    decoder->stored += before - in->len;
    switch (got) {
    case LAYER_INPUT:
        return decoder->middle_len > 0 ? PEN_DECODE_OUTPUT : PEN_DECODE_INPUT;
    case LAYER_OUTPUT:
        return PEN_DECODE_OUTPUT;
    case LAYER_END:
        decoder->is_outer_ended = true;
        return PEN_DECODE_OUTPUT;
    case LAYER_CRC:
        decoder->has_crc = true;
        decoder->crc = *err;
        return PEN_DECODE_OUTPUT;
    case LAYER_FAIL:
        break;
    }
    decoder->crc = *err;
    decoder->is_outer_ended = true;
    decoder->is_failed = true;
    return PEN_DECODE_OUTPUT;
}

/* The inner layer took all that the outer one gave: what the outer one had to tell. */
static enum pen_decode inner_done(struct pen_decoder *decoder, enum layer_result got,
                                  struct pen_err *err)
{
    if (decoder->is_failed) {
        *err = decoder->crc;
        return decoder_fail(decoder);
    }
    if (got == LAYER_FAIL) { /* the inner layer cannot be asked for more */
        return decoder_fail(decoder);
    }
    if (decoder->has_crc) {
        decoder->has_crc = false;
        *err = decoder->crc;
        return PEN_DECODE_FAIL;
    }
    decoder->is_ended = true;
    return PEN_DECODE_END;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are those of the contract */
enum pen_decode pen_decode(struct pen_decoder *decoder, pen_slice *in, bool is_last, uint8_t *out,
                           size_t out_cap, size_t *out_len, struct pen_err *err)
{
    struct layer_out to = {.cap = out_cap};
    to.ptr = out;
    to.len = out_len;
    while (!decoder->is_ended) {
        if (is_direct(decoder)) {
            return direct_run(decoder, in, is_last, &to, err);
        }
        if (decoder->middle_used == decoder->middle_len && !decoder->is_outer_ended &&
            !decoder->has_crc) {
            const enum pen_decode got = outer_run(decoder, in, is_last, err);
            if (got == PEN_DECODE_INPUT) {
                return got;
            }
        }
        pen_slice rest = {decoder->middle + decoder->middle_used,
                          decoder->middle_len - decoder->middle_used};
        const size_t before = *out_len;
        /* Cut off by damage of the outer layer is not the inner layer's end. */
        const bool is_end = decoder->is_outer_ended && !decoder->is_failed;
        const enum layer_result got = layer_run(&decoder->inner, &rest, is_end, &to, err);
        decoder->middle_used = decoder->middle_len - rest.len;
        decoder->plain += *out_len - before;
        if (got == LAYER_CRC) {
            return PEN_DECODE_FAIL;
        }
        if (got == LAYER_FAIL || got == LAYER_END) {
            return inner_done(decoder, got, err);
        }
        if (got == LAYER_OUTPUT) {
            return limits(decoder, PEN_DECODE_OUTPUT, err);
        }
        if (decoder->has_crc || decoder->is_failed) {
            return inner_done(decoder, got, err);
        }
        if (limits(decoder, PEN_DECODE_INPUT, err) == PEN_DECODE_FAIL) {
            return PEN_DECODE_FAIL;
        }
    }
    return PEN_DECODE_END;
}

bool pen_decode_whole(struct pen_decoder *decoder, pen_slice in, uint8_t *out, size_t out_cap,
                      size_t *out_len)
{
    PEN_DCHECK(decoder->stored == 0 && decoder->plain == 0 && !decoder->is_ended);
    /* So small that the limit of the ratio does not ask. */
    uint64_t cap = out_cap < RATIO_FREE_BYTES ? out_cap : RATIO_FREE_BYTES;
    cap = cap < decoder->options.plain_bytes_max ? cap : decoder->options.plain_bytes_max;
    size_t len = 0;
    if (!whole_run(decoder->whole, in, out, cap, &len) ||
        sniff(out, len < SNIFF_BYTES ? (uint32_t)len : SNIFF_BYTES) != FORMAT_PLAIN) {
        return false;
    }
    decoder->outer.format = FORMAT_GZIP;
    decoder->inner.format = FORMAT_PLAIN;
    decoder->stored = in.len;
    decoder->plain = len;
    decoder->is_ended = true;
    *out_len = len;
    return true;
}

const char *pen_decoder_format(const struct pen_decoder *decoder)
{
    static const char *const names[4][4] = {
        [FORMAT_UNKNOWN] = {"plain", "plain", "plain", "plain"},
        [FORMAT_PLAIN] = {"plain", "plain", "plain", "plain"},
        [FORMAT_GZIP] = {"gzip", "gzip", "gzip+gzip", "gzip+zstd"},
        [FORMAT_ZSTD] = {"zstd", "zstd", "zstd+gzip", "zstd+zstd"}};
    return names[decoder->outer.format][decoder->inner.format];
}

uint64_t pen_decoder_memory(void)
{
    return sizeof(struct pen_decoder) + MIDDLE_BYTES + zstd_layer_memory() +
           2 * gzip_layer_memory();
}
