/* tested by tests/unit/decode/test_decode.c */
#include "decode.h"

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

static const uint8_t zeros[IGZIP_HIST_SIZE];

struct gzip_layer {
    struct inflate_state state;
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
    isal_inflate_reset(&layer->state);
    isal_inflate_init(&layer->state);
    layer->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
    /* igzip 2.30 does not see every distance that reaches before the member, and takes two codes of
     * fixed blocks that mean nothing for a distance of zero: it then copies what lies before its
     * buffer, or in it, memory of ours.  Zeros are there instead, or what this member left. (Behind
     * the first 32 KiB igzip works in the caller's buffer: a distance of zero repeats its bytes.)
     */
    memset(layer->state.tmp_out_buffer, 0, sizeof(layer->state.tmp_out_buffer));
    uint8_t *dict = (uint8_t *)(uintptr_t)zeros; // NOLINT(performance-no-int-to-ptr): only read
    const int got = isal_inflate_set_dict(&layer->state, dict, sizeof(zeros));
    PEN_CHECK(got == ISAL_DECOMP_OK);
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
                 {ISAL_INVALID_LOOKBACK, "invalid distance"}};
    const char *text = "damaged";
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        text = names[i].code == code ? names[i].text : text;
    }
    (void)PEN_FAIL(err, PEN_E_CORRUPT, layer->offset, "gzip: %s", text);
    return LAYER_FAIL;
}

enum layer_result gzip_layer_run(struct gzip_layer *layer, pen_slice *in, bool is_last,
                                 const struct layer_out *out, struct pen_err *err)
{
    const size_t cap = out->cap;
    size_t *len = out->len;
    for (;;) {
        const enum layer_result got = header_run(layer, in, is_last, err);
        if (got != LAYER_OUTPUT) {
            return got;
        }
        const uint32_t given = in->len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)in->len;
        const uint32_t room = cap - *len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)(cap - *len);
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): igzip does not write there */
        layer->state.next_in = (uint8_t *)(uintptr_t)in->ptr;
        layer->state.avail_in = given;
        layer->state.next_out = out->ptr + *len;
        layer->state.avail_out = room;
        const int code = isal_inflate(&layer->state);
        /* Of damaged input igzip counts a byte more than it was given. */
        take(layer, in, layer->state.avail_in > given ? given : given - layer->state.avail_in);
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

uint64_t gzip_layer_memory(void)
{
    return sizeof(struct gzip_layer);
}
