/*
 * http_body.h - the body of an HTTP/1.1 response, and head and body as one response.
 *
 * Bytes of the connection go in as they arrive, slices of content come out that borrow them:
 * nothing is copied, allocated or kept.  Chunks: extensions and trailer are checked for form and
 * dropped. One thread.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http_head.h"

#define HTTP_CHUNK_LINE_MAX 1024 /* bytes of a chunk's size, extensions and CR LF */
#define HTTP_TRAILER_MAX 8192    /* bytes of the trailer, its last CR LF included */

enum http_chunk { /* what the next byte of a chunked body belongs to */
                  HTTP_CHUNK_SIZE,
                  HTTP_CHUNK_BLANK, /* behind the size: only an extension may follow */
                  HTTP_CHUNK_EXTENSION,
                  HTTP_CHUNK_SIZE_LF,
                  HTTP_CHUNK_DATA,
                  HTTP_CHUNK_DATA_CR,
                  HTTP_CHUNK_DATA_LF,
                  HTTP_CHUNK_TRAILER, /* at the start of a line */
                  HTTP_CHUNK_TRAILER_NAME,
                  HTTP_CHUNK_TRAILER_VALUE,
                  HTTP_CHUNK_TRAILER_LF,
                  HTTP_CHUNK_LAST_LF,
};

struct http_body {
    enum http_framing framing;
    enum http_chunk chunk;
    bool is_done;
    uint32_t line_bytes; /* of the size line or the trailer so far */
    uint64_t left;       /* content bytes still to come, of the body (LENGTH) or of the chunk */
    uint64_t announced;  /* sum of the sizes of chunks so far */
    uint64_t content;    /* content bytes that came out */
    uint64_t wire;       /* bytes that went in */
};

/* length: content bytes, for HTTP_FRAMING_LENGTH.  HTTP_FRAMING_NONE and length 0 are done at once.
 */
void pen_http_body_init(struct http_body *body, enum http_framing framing, uint64_t length);
/*
 * pen_http_body_feed - takes bytes up to the next end of a piece of content.
 *
 * used     bytes of in that were taken: call again with the rest until it is empty or is_done
 * content  what of in is content, perhaps nothing; lies within in
 * Returns  PEN_OK | PEN_E_CORRUPT | PEN_E_LIMIT; err->offset counts from the first byte of the body
 *          as sent.  After an error only init may follow
 */
PEN_MUST_USE pen_status pen_http_body_feed(struct http_body *body, pen_slice in, size_t *used,
                                           pen_slice *content, struct pen_err *err);
/* The connection was closed: PEN_OK when the body has ended (by that, if CLOSE), else
 * PEN_E_TRUNCATED with what is missing. */
PEN_MUST_USE pen_status pen_http_body_eof(struct http_body *body, struct pen_err *err);

/* ---- head and body ---- */

enum http_phase {
    HTTP_PHASE_HEAD, /* more of the head is needed */
    HTTP_PHASE_BODY, /* the head is complete; more of the body is needed */
    HTTP_PHASE_DONE, /* the response has ended; what was not used belongs to the next one */
};

struct http_response {
    enum http_phase phase;
    uint64_t wire;      /* bytes taken; 0: the server has said nothing yet */
    uint64_t head_wire; /* of these, bytes of heads */
    struct http_body body;
    struct http_head head;
};

void pen_http_response_init(struct http_response *response, bool is_head_request);
/*
 * pen_http_response_feed - one step: bytes of the head, or of the body up to a piece of content.
 *
 * Returns when the head is complete, before any content, so that the caller can look at
 * response->head.  Call again with what was not used as long as there is any and phase is not DONE.
 * used     bytes of in that were taken; at least one unless in is empty or phase is DONE
 * content  lies within in; empty until the body has begun
 * Returns  PEN_OK, then response->phase tells | PEN_E_CORRUPT | PEN_E_LIMIT: close the connection.
 *          err->offset counts from the first byte of the response
 */
PEN_MUST_USE pen_status pen_http_response_feed(struct http_response *response, pen_slice in,
                                               size_t *used, pen_slice *content,
                                               struct pen_err *err);
/* The connection was closed.  PEN_OK when the response has ended, phase is DONE; else
 * PEN_E_TRUNCATED: with wire 0 nothing was answered, and the request may be sent again. */
PEN_MUST_USE pen_status pen_http_response_eof(struct http_response *response, struct pen_err *err);
/* True when the response has ended and the connection can take another request. */
bool pen_http_response_is_reusable(const struct http_response *response);
/* Content bytes that are still to come, UINT64_MAX when that is not known. */
uint64_t pen_http_response_left(const struct http_response *response);

#endif
