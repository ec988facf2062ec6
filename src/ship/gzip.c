/* tested by tests/unit/ship/test_ship.c */
#include "gzip.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#define LEVEL_BUFFER_BYTES ISAL_DEF_LVL1_DEFAULT
#define OVERHEAD_BYTES 4096U /* header, trailer and what igzip wants to spare */

struct gzip {
    struct isal_zstream stream;
    uint8_t level_buffer[LEVEL_BUFFER_BYTES];
};

pen_status gzip_new(struct gzip **out, struct pen_err *err)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));
    if (gzip == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "gzip: out of memory");
    }
    *out = gzip;
    return PEN_OK;
}

void gzip_free(struct gzip *gzip)
{
    free(gzip);
}

uint64_t gzip_memory(void)
{
    return sizeof(struct gzip);
}

size_t gzip_bound(size_t len)
{
    return len + len / 8 + OVERHEAD_BYTES;
}

pen_status gzip_pack(struct gzip *gzip, pen_slice body, struct pen_buf *out)
{
    struct isal_zstream *stream = &gzip->stream;
    out->len = 0;
    PEN_TRY(pen_buf_reserve(out, gzip_bound(body.len)));
    isal_deflate_init(stream);
    stream->level = 1;
    stream->level_buf = gzip->level_buffer;
    stream->level_buf_size = LEVEL_BUFFER_BYTES;
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->next_in = pen_unconst(body.ptr); /* igzip does not write there */
    stream->avail_in = pen_u32(body.len);
    stream->next_out = out->ptr;
    stream->avail_out = pen_u32(out->cap);
    const int code = isal_deflate(stream);
    PEN_CHECK(code == COMP_OK && stream->internal_state.state == ZSTATE_END);
    out->len = stream->total_out;
    return PEN_OK;
}
