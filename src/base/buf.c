/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_BYTES_FIRST ((size_t)256)

void pen_buf_init(struct pen_buf *buf, size_t max_bytes)
{
    *buf = (struct pen_buf){.max = max_bytes};
}

void pen_buf_fini(struct pen_buf *buf)
{
    free(buf->ptr);
    *buf = (struct pen_buf){.max = buf->max};
}

pen_status pen_buf_grow(struct pen_buf *buf, size_t extra)
{
    PEN_CHECK(buf->len <= buf->cap);
    size_t want = 0;
    if (__builtin_add_overflow(buf->len, extra, &want) || want > buf->max) {
        return PEN_E_LIMIT;
    }
    if (want <= buf->cap) {
        return PEN_OK;
    }
    size_t cap = buf->cap == 0 ? BUF_BYTES_FIRST : buf->cap;
    while (cap < want) {
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    }
    if (cap > buf->max) {
        cap = buf->max;
    }
    uint8_t *bigger = realloc(buf->ptr, cap);
    if (bigger == NULL) {
        return PEN_E_NOMEM;
    }
    buf->ptr = bigger;
    buf->cap = cap;
    return PEN_OK;
}

pen_status pen_buf_printf(struct pen_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    PEN_CHECK(need >= 0);
    PEN_TRY(pen_buf_reserve(buf, (size_t)need + 1)); /* and the NUL that is not counted */
    va_start(ap, fmt);
    const int wrote = vsnprintf((char *)buf->ptr + buf->len, (size_t)need + 1, fmt, ap);
    va_end(ap);
    PEN_CHECK(wrote == need);
    buf->len += (size_t)need;
    return PEN_OK;
}
