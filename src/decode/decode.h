/* decode.h - the layers of a decoder. */
#ifndef PEN_DECODE_DECODE_H
#define PEN_DECODE_DECODE_H

#include "penstock/decode.h"

/* One compressed layer: gzip members or zstd frames.  Both work the same way. */
enum layer_result {
    LAYER_INPUT,  /* wants more input */
    LAYER_OUTPUT, /* output is full */
    LAYER_END,    /* all members ended and the input is used up (is_last) */
    LAYER_CRC,    /* a member's checksum or length is wrong; go on */
    LAYER_FAIL,   /* *err */
};

/* Where a layer writes: from ptr + *len on, to ptr + cap at most; *len grows with what it wrote. */
struct layer_out {
    uint8_t *ptr;
    size_t cap;
    size_t *len;
};

struct gzip_layer;
struct gzip_layer *gzip_layer_new(void);
void gzip_layer_free(struct gzip_layer *layer);
void gzip_layer_reset(struct gzip_layer *layer);
enum layer_result gzip_layer_run(struct gzip_layer *layer, pen_slice *in, bool is_last,
                                 const struct layer_out *out, struct pen_err *err);

/* Objects of one gzip member that are at hand as a whole. */
struct whole;
struct whole *whole_new(void);
void whole_free(struct whole *whole);
/* False: not so, or it does not fit into cap, or it is damaged. */
bool whole_run(struct whole *whole, pen_slice in, uint8_t *out, size_t cap, size_t *len);

struct zstd_layer;
uint64_t gzip_layer_memory(void); /* bytes at most */
uint64_t zstd_layer_memory(void);
struct zstd_layer *zstd_layer_new(void);
void zstd_layer_free(struct zstd_layer *layer);
void zstd_layer_reset(struct zstd_layer *layer);
enum layer_result zstd_layer_run(struct zstd_layer *layer, pen_slice *in, bool is_last,
                                 const struct layer_out *out, struct pen_err *err);

#endif
