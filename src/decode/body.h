/* body.h - the body of one gzip member, inflated by igzip. */
#ifndef PEN_DECODE_BODY_H
#define PEN_DECODE_BODY_H

#include "decode.h"

#include <isa-l/igzip_lib.h>

enum body_result {
    BODY_MORE,    /* wants more input or more room */
    BODY_END,     /* the member ended, its trailer is right */
    BODY_CRC,     /* the member ended, its checksum or length is wrong */
    BODY_DAMAGED, /* all that stands before the damage was written */
};

struct gzip_body {
    struct inflate_state state;
    int code; /* igzip's, of the damage; 0 before */
    /* All of the state that a call changes, but for what it appends to the buffer of output. */
    uint8_t mark[offsetof(struct inflate_state, tmp_out_buffer)];
};

/* Before the first byte behind a member's header. */
void gzip_body_begin(struct gzip_body *body);

/* Takes from *in, writes to out.  The bytes written until BODY_END or BODY_DAMAGED, and which of
 * the two it is, depend on the input alone, not on the pieces it comes in or the room there is. */
enum body_result gzip_body_run(struct gzip_body *body, pen_slice *in, const struct layer_out *out);

/* Behind BODY_DAMAGED: what is wrong, and how many bytes of the input taken lie behind it. */
const char *gzip_body_damage(const struct gzip_body *body, uint32_t *behind);

#endif
