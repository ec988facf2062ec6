/*
 * penstock/decode.h - stored bytes to plain bytes: gzip (several members), zstd, plain; by magic.
 *
 * A decoder belongs to one shard and is reused.  Streaming: give input as it comes, take output
 * into the caller's buffer.  A second gzip or zstd layer is unwrapped.  CRC and length are checked.
 */
#ifndef PEN_DECODE_H
#define PEN_DECODE_H

#include "penstock/base.h"

struct pen_decoder_options {
    uint64_t plain_bytes_max; /* decode.plain_bytes_max, per object; E_LIMIT beyond */
    uint32_t ratio_max;       /* plain/stored after the first MiB of plain; E_LIMIT beyond */
};
struct pen_decoder;
PEN_MUST_USE pen_status pen_decoder_new(const struct pen_decoder_options *options,
                                        struct pen_decoder **out, struct pen_err *err);
void pen_decoder_free(struct pen_decoder *decoder);
void pen_decoder_reset(struct pen_decoder *decoder); /* for the next object */

enum pen_decode {                    /* why pen_decode returned */
                  PEN_DECODE_INPUT,  /* all of *in is used: give more (or is_last) */
                  PEN_DECODE_OUTPUT, /* out is full: call again with room */
                  PEN_DECODE_END,    /* the object ended properly */
                  PEN_DECODE_FAIL,   /* *err: E_TRUNCATED, E_CORRUPT (offset in stored bytes),
                                        E_LIMIT;   what was written to out before is good up to the
                                        damage */
};
/*
 * in       borrowed; advanced past what was used
 * is_last  no more input follows *in
 * out      out_cap bytes; *out_len is advanced
 * A CRC or length mismatch is reported as FAIL with E_CORRUPT and err->os_errno = 0 and text that
 * begins "crc"; all output of the member has been given out before, and later members still follow:
 * call again.
 * Trailing zero bytes after the last member are ignored; other garbage is FAIL at its offset.
 */
enum pen_decode pen_decode(struct pen_decoder *decoder, pen_slice *in, bool is_last, uint8_t *out,
                           size_t out_cap, size_t *out_len, struct pen_err *err);
/*
 * pen_decode_whole - the shortcut for most objects: all of it is at hand and it is one gzip member.
 *
 * Call it first after a reset, with the object as a whole.  True: *out_len plain bytes are in out
 * and the object has ended; its checksum was right.  False, with nothing used and anything in out:
 * it does not fit, has several members or layers, or is damaged; pen_decode tells.
 */
bool pen_decode_whole(struct pen_decoder *decoder, pen_slice in, uint8_t *out, size_t out_cap,
                      size_t *out_len);
/* "gzip", "zstd", "plain", "gzip+gzip": what the object turned out to be. */
const char *pen_decoder_format(const struct pen_decoder *decoder);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_decode_libraries(struct pen_buf *out);

/* Bytes that a decoder holds at most for one layer of zstd, or any of gzip. */
uint64_t pen_decoder_memory(void);

#endif
