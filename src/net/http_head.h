/*
 * http_head.h - the head of an HTTP/1.1 response (RFC 9112, RFC 9110), from bytes as they arrive.
 *
 * A head is fed slices cut anywhere and copies them to its own storage; nothing is allocated and no
 * system call made.  It holds pointers to itself from the end of the head on: never copy or move
 * it.  One thread.  Where the RFC leaves a choice the strict one is taken if two readers of the
 * same bytes could otherwise see two different messages:
 *
 *   refused   a line that does not end in CR LF, CR or NUL anywhere else, blank lines before the
 *             status line, blanks before a colon or before the first field, a name that is no
 * token, Content-Length or Transfer-Encoding on folded lines, both of them, a coding other than one
 * "chunked", Transfer-Encoding in HTTP/1.0, either of them in a 1xx or 204 (but Content-Length: 0),
 * 101 accepted  a status line without reason or without the blank before it, HTTP/1.2 to 1.9
 * as 1.1, the same Content-Length twice, fields folded over lines (joined by blanks), other control
 * bytes in values: escape them before they are shown
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "penstock/base.h"

#define HTTP_HEAD_BYTES_MAX ((size_t)32768) /* of a head, status line and last CR LF included */
#define HTTP_HEADERS_MAX 64                 /* fields; x-amz-meta- ones are checked but not kept */
#define HTTP_INTERIM_MAX 16                 /* 1xx heads before the real one */

/* Content-Range of a 206 or 416; elsewhere it means nothing and is not read. */
struct http_range {
    bool is_given;
    bool has_bytes;              /* false: only the total, of a 416 */
    bool has_total;              /* false: the total was "*" */
    uint64_t first, last, total; /* first <= last < total */
};

enum http_framing {                       /* where the body ends */
                    HTTP_FRAMING_NONE,    /* there is none: HEAD, 204, 304, Content-Length: 0 */
                    HTTP_FRAMING_LENGTH,  /* after content_length bytes */
                    HTTP_FRAMING_CHUNKED, /* with the last chunk and the trailer */
                    HTTP_FRAMING_CLOSE,   /* with the connection */
};

struct http_field { /* offsets in bytes[]; names are stored in lower case */
    uint32_t name, name_len, value, value_len;
    bool is_folded;
};

struct http_head {
    /* Results, set when the head is complete.  Slices are empty when the field is not there; of
     * several the first one counts, but two different etag, content-range, location or
     * x-amz-version-id are an error. */
    uint16_t status; /* 200 to 999; what is above 599 is to be treated as a 500 */
    uint8_t minor;   /* of HTTP/1.minor */
    bool is_kept;    /* the connection can take another request once the body has ended */
    bool has_length; /* Content-Length was there; of a HEAD or 304 it tells of the GET's body */
    bool is_chunked; /* Transfer-Encoding: chunked was there */
    uint64_t content_length;
    enum http_framing framing;
    struct http_range content_range;
    pen_slice reason;
    pen_slice date, etag, last_modified, location, content_type, retry_after, server;
    pen_slice request_id, id_2, bucket_region, storage_class, version_id; /* x-amz-... */

    /* The parser's own. */
    bool is_head_request;
    bool is_complete;
    bool has_open; /* fields[field_count] was begun, and a folded line may follow */
    uint8_t interim_count;
    uint32_t field_count;
    uint32_t line;          /* where the line that is being read begins in bytes[] */
    uint32_t len;           /* of bytes[] */
    uint64_t interim_bytes; /* of the 1xx heads before: what offsets of errors count from */
    struct http_field fields[HTTP_HEADERS_MAX + 1];
    uint8_t bytes[HTTP_HEAD_BYTES_MAX];
};

/* Before each response.  Touches only what the head needs: not the storage. */
void pen_http_head_init(struct http_head *head, bool is_head_request);
/*
 * pen_http_head_feed - takes bytes up to the end of the head at most; what follows is the body's.
 *
 * used     bytes of in that were taken; all of them unless the head is complete
 * done     the head is complete: results are set.  Not to be fed again then
 * Returns  PEN_OK | PEN_E_CORRUPT (no HTTP response, or one that is refused) | PEN_E_LIMIT.
 *          err->offset counts from the first byte after init.  After an error only init may follow
 * Cost     about 1.5 us for the 500 bytes of a head of S3
 */
PEN_MUST_USE pen_status pen_http_head_feed(struct http_head *head, pen_slice in, size_t *used,
                                           bool *done, struct pen_err *err);
/*
 * pen_http_head_get - value of the n-th field of that name (any case; n from 0), without blanks
 * around it.  False when there is none.  Borrows the head until init.
 */
bool pen_http_head_get(const struct http_head *head, pen_slice name, uint32_t n, pen_slice *value);

#endif
