/*
 * bulk_reply.h - what a cluster says of a _bulk request, item by item, and what follows from it.
 *
 * No I/O and no state between replies: bytes in, verdicts out.  A reader belongs to one thread.
 * Bytes are the server's: any of them may be hostile or cut, and the worst that follows is
 * PEN_E_CORRUPT, which stands for "no answer".
 */
#ifndef PEN_SHIP_BULK_REPLY_H
#define PEN_SHIP_BULK_REPLY_H

#include "penstock/json.h"

/* How the reason begins of an item that is refused for its _id (Serverless, as its users met it).
 */
#define BULK_NO_IDS "Document ID is not supported"

enum bulk_verdict {
    BULK_DONE,    /* 2xx: it is durable */
    BULK_EXISTS,  /* 409: a document of that id (op create) or a newer one (op index) is there */
    BULK_AGAIN,   /* 408, 429, 5xx: the cluster is busy; the same again, later */
    BULK_REFUSED, /* another 4xx that is about this document: it will never be taken */
    BULK_HELD,    /* the index takes nothing until somebody acts: blocked, closed, forbidden, not
                     there */
};
struct bulk_item { /* slices lie in the reply */
    enum bulk_verdict verdict;
    uint16_t status;
    pen_slice type;   /* "mapper_parsing_exception"; empty: not told */
    pen_slice reason; /* the server's sentence, not escaped; empty: not told */
};

/* What an answer as a whole asks for. */
enum bulk_answer {
    BULK_ANSWER_ITEMS,  /* look at each item */
    BULK_ANSWER_AGAIN,  /* 408, 429, 5xx: the same request later */
    BULK_ANSWER_SMALL,  /* 413: in smaller requests */
    BULK_ANSWER_BISECT, /* 400: one of its documents spoils it */
    BULK_ANSWER_HELD,   /* 401, 403, a redirect, no such path: the sink waits until somebody acts */
};
enum bulk_answer bulk_answer_of(uint16_t status);

struct bulk_reader;
/* reply_bytes_max: of the largest reply that is read; takes about six times that. */
PEN_MUST_USE pen_status bulk_reader_new(size_t reply_bytes_max, struct bulk_reader **out,
                                        struct pen_err *err);
void bulk_reader_free(struct bulk_reader *reader);
uint64_t bulk_reader_memory(size_t reply_bytes_max);

/*
 * bulk_reply_read - the items of an answer with status 200, in the order of the request.
 *
 * reply   at most reply_bytes_max bytes with PEN_JSON_PADDING bytes behind it that may be written;
 *         texts are unescaped in place
 * items   count of them are written, or none is to be used
 * Returns PEN_OK | PEN_E_CORRUPT: no JSON, no items, more or fewer than count, one without a status
 *         | PEN_E_LIMIT: larger than reply_bytes_max
 */
PEN_MUST_USE pen_status bulk_reply_read(struct bulk_reader *reader, uint8_t *reply, size_t len,
                                        struct bulk_item *items, uint32_t count,
                                        struct pen_err *err);
/* Type and reason of an answer that is an error as a whole, as far as it tells them; what is no
 * JSON of a cluster (a proxy's page) gives two empty ones.  reply as above. */
void bulk_error_read(struct bulk_reader *reader, uint8_t *reply, size_t len, pen_slice *type,
                     pen_slice *reason);

#endif
