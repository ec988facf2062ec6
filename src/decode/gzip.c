/* tested by tests/unit/decode/test_decode.c */
#include "body.h"

#include <zstd.h>

#include <isa-l.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

/*
 * Members by RFC 1952, one after another as the inflater consumed them.  The inflater checks the
 * trailer; the header is read here, because igzip 2.30 loses its place in an extra field or a name
 * that is cut in two.
 */
enum part { PART_FIXED, PART_EXTRA_LEN, PART_EXTRA, PART_NAME, PART_COMMENT, PART_CRC, PART_BODY };

#define FLAG_CRC 2U
#define FLAG_EXTRA 4U
#define FLAG_NAME 8U
#define FLAG_COMMENT 16U
#define FLAGS_RESERVED 0xe0U
#define METHOD_DEFLATE 8U
#define FIXED_BYTES 10U

struct gzip_layer {
    struct gzip_body body;
    enum part part; /* of the header: the one that the next byte belongs to */
    uint32_t at;    /* bytes of the part that were read */
    uint32_t extra_len;
    uint32_t crc; /* of the header; behind it what it says itself */
    uint8_t flags;
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
    gzip_body_begin(&layer->body);
    layer->part = PART_FIXED;
    layer->at = 0;
    layer->crc = 0;
    layer->in_member = true;
    return LAYER_OUTPUT; /* a member begins */
}

/* The part behind this one that the flags announce. */
static void part_next(struct gzip_layer *layer)
{
    static const uint8_t flags[] = {
        [PART_EXTRA_LEN] = FLAG_EXTRA, [PART_EXTRA] = FLAG_EXTRA, [PART_NAME] = FLAG_NAME,
        [PART_COMMENT] = FLAG_COMMENT, [PART_CRC] = FLAG_CRC,     [PART_BODY] = UINT8_MAX};
    do {
        layer->part++;
    } while (layer->part != PART_BODY && ((layer->flags & flags[layer->part]) == 0 ||
                                          (layer->part == PART_EXTRA && layer->extra_len == 0)));
    layer->at = 0;
}

/* One byte of the ten that every header has.  What is wrong with it, or NULL. */
static const char *fixed_byte(struct gzip_layer *layer, uint8_t c)
{
    if (layer->at == 0 || layer->at == 1) {
        return c == (layer->at == 0 ? 0x1f : 0x8b) ? NULL : "garbage after a member";
    }
    if (layer->at == 2 && c != METHOD_DEFLATE) {
        return "unsupported method";
    }
    if (layer->at == 3) {
        layer->flags = c;
        return (c & FLAGS_RESERVED) == 0 ? NULL : "invalid header: reserved flags";
    }
    return NULL;
}

static const char *header_byte(struct gzip_layer *layer, uint8_t c)
{
    const char *wrong = NULL;
    uint32_t len = 2; /* of the part */
    if (layer->part == PART_CRC) {
        wrong = c == (uint8_t)(layer->crc >> (8 * layer->at))
                    ? NULL
                    : "invalid header: its checksum is wrong";
    } else {
        layer->crc = crc32_gzip_refl(layer->crc, &c, 1);
    }
    if (layer->part == PART_FIXED) {
        wrong = fixed_byte(layer, c);
        len = FIXED_BYTES;
    } else if (layer->part == PART_EXTRA_LEN) {
        layer->extra_len = layer->at == 0 ? c : layer->extra_len | (uint32_t)c << 8;
    } else if (layer->part == PART_EXTRA) {
        len = layer->extra_len;
    } else if (layer->part != PART_CRC) { /* a text, with a NUL behind it */
        len = c == 0 ? 0 : UINT32_MAX;
    }
    layer->at++;
    if (layer->at >= len) {
        part_next(layer);
    }
    return wrong;
}

/* To the body of a member; LAYER_OUTPUT: it follows. */
static enum layer_result header_run(struct gzip_layer *layer, pen_slice *in, bool is_last,
                                    struct pen_err *err)
{
    if (!layer->in_member) {
        const enum layer_result got = between(layer, in, is_last, err);
        if (got != LAYER_OUTPUT) {
            return got;
        }
    }
    while (layer->part != PART_BODY) {
        if (in->len == 0) {
            if (!is_last) {
                return LAYER_INPUT;
            }
            (void)PEN_FAIL(err, PEN_E_TRUNCATED, layer->offset, "gzip: the member has no end");
            return LAYER_FAIL;
        }
        const char *wrong = header_byte(layer, in->ptr[0]);
        if (wrong != NULL) {
            (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset, "gzip: %s", wrong);
            return LAYER_FAIL;
        }
        take(layer, in, 1);
    }
    return LAYER_OUTPUT;
}

/* LAYER_OUTPUT: the member goes on or another may follow. */
static enum layer_result body_run(struct gzip_layer *layer, pen_slice *in,
                                  const struct layer_out *out, struct pen_err *err)
{
    const size_t before = in->len;
    const enum body_result got = gzip_body_run(&layer->body, in, out);
    layer->offset += before - in->len;
    if (got == BODY_DAMAGED) {
        uint32_t behind = 0;
        const char *text = gzip_body_damage(&layer->body, &behind);
        (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset - behind, "gzip: %s", text);
        return LAYER_FAIL;
    }
    if (got != BODY_MORE) {
        layer->in_member = false;
        layer->had_member = true;
    }
    if (got == BODY_CRC) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset,
                       "crc: checksum or length of the gzip member is wrong");
        return LAYER_CRC;
    }
    return LAYER_OUTPUT;
}

enum layer_result gzip_layer_run(struct gzip_layer *layer, pen_slice *in, bool is_last,
                                 const struct layer_out *out, struct pen_err *err)
{
    for (;;) {
        enum layer_result got = header_run(layer, in, is_last, err);
        if (got == LAYER_OUTPUT) {
            got = body_run(layer, in, out, err);
        }
        if (got != LAYER_OUTPUT) {
            return got;
        }
        if (!layer->in_member) {
            continue;
        }
        if (*out->len == out->cap) {
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

uint64_t gzip_layer_memory(void)
{
    return sizeof(struct gzip_layer);
}
