/* span.h - a part of a buffer that may yet move while it grows. */
#ifndef PEN_NET_SPAN_H
#define PEN_NET_SPAN_H

#include "penstock/base.h"

struct span { /* of the buffer */
    size_t from;
    size_t len;
};
static inline pen_slice span_slice(const struct pen_buf *buf, struct span span)
{
    PEN_DCHECK(span.from + span.len <= buf->len);
    return span.len == 0 ? (pen_slice){buf->ptr, 0} : (pen_slice){buf->ptr + span.from, span.len};
}
static inline struct span span_since(const struct pen_buf *buf, size_t from)
{
    return (struct span){from, buf->len - from};
}

#endif
