/*
 * http_call.h - one request to a server of the control plane, and the whole of its reply.
 *
 * Blocks until the reply is there or the time is up: for a planner's thread, never for a shard.
 * No redirect is followed.  A reply lies in memory of ours, which is wiped when it is freed.
 */
#ifndef PEN_NET_HTTP_CALL_H
#define PEN_NET_HTTP_CALL_H

#include "penstock/base.h"

#define HTTP_CALL_REPLY_MAX ((size_t)65536)  /* bytes of a reply's body */
#define HTTP_CALL_HEADER_MAX ((size_t)20480) /* bytes of one header: a session token fits */
#define HTTP_CALL_HEADERS_MAX 8
#define HTTP_CALL_SLACK 64 /* bytes behind the body that may be written */

struct http_call {
    const char *method;                         /* "GET", "PUT", "POST" */
    const char *url;                            /* "http://..." or "https://..." */
    const char *headers[HTTP_CALL_HEADERS_MAX]; /* "Name: value"; the first NULL ends them */
    pen_slice body;                             /* of a POST */
    const char *ca_file;                        /* NULL: those of the host */
    int64_t timeout_ns;                         /* of the whole call */
    bool is_direct;                             /* no proxy: the server is beside us */
    const int *stop_fd; /* gives the call up within a second once it can be read; NULL: none */
};
struct http_reply {
    uint32_t status;     /* 200 */
    struct pen_buf body; /* of a fixed size */
};

void pen_http_reply_init(struct http_reply *reply);
/* Wipes the body. */
void pen_http_reply_fini(struct http_reply *reply);
/*
 * pen_http_call - any status is a reply.  PEN_E_IO: no connection, no valid certificate, a reply
 * that breaks off, the time is up; the reason names neither URL nor headers | PEN_E_LIMIT: a reply
 * of more than HTTP_CALL_REPLY_MAX | PEN_E_STOPPED: by stop_fd | PEN_E_NOMEM.
 */
PEN_MUST_USE pen_status pen_http_call(const struct http_call *call, struct http_reply *reply,
                                      struct pen_err *err);

#endif
