/* http_fields.h - what the fields of a complete head say; between http_head.c and http_fields.c. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "http_head.h"

/* Sets the results of a head whose status line and fields are there.  PEN_OK | PEN_E_CORRUPT. */
PEN_MUST_USE pen_status pen_http_fields_read(struct http_head *head, struct pen_err *err);
/* Checks that a 1xx head announces no body.  PEN_OK | PEN_E_CORRUPT. */
PEN_MUST_USE pen_status pen_http_fields_interim(const struct http_head *head, struct pen_err *err);
/* True for the bytes of a token (RFC 9110, 5.6.2). */
bool pen_http_is_token(uint8_t b);

/* Offset of bytes[i] from the first byte of the response. */
static inline uint64_t pen_http_head_at(const struct http_head *head, uint64_t i)
{
    return head->interim_bytes + i;
}

#endif
