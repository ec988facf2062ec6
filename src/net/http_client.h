/*
 * http_client.h - requests to one server over a pool of kept connections, on a ring.
 *
 * A request goes to a connection that is free, or to a new one up to connections_max, else it
 * waits its turn.  Nothing is retried here but a request that a kept connection did not answer
 * with a single byte: servers close those at any time.  One thread, that of the ring.  What a
 * broken server can cost is the request: lengths, times and heads have limits.
 */
#ifndef PEN_NET_HTTP_CLIENT_H
#define PEN_NET_HTTP_CLIENT_H

#include "penstock/runtime.h"

#include "http_body.h"
#include "tls.h"

#include <sys/socket.h>

#define HTTP_ADDRESSES_MAX 16U
#define HTTP_HOST_MAX 256U
#define HTTP_CONNECTIONS_MAX 1024U
#define HTTP_BODY_BYTES_MAX ((uint64_t)1 << 30) /* of one answer, kept or not */

struct http_address {
    struct sockaddr_storage at;
    uint32_t bytes;
};

struct http_client_options {
    const char *host; /* name for TLS, without port */
    bool is_tls;
    struct tls_files files;
    uint32_t connections_max; /* 1.. */
    int64_t connect_ns;       /* TCP and TLS together */
    int64_t first_byte_ns;    /* from the request sent to the first byte of the answer */
    int64_t stall_ns;         /* between two arrivals */
    int64_t idle_ns;          /* a kept connection that is not used is closed */
};

/* A request and its answer; the caller's memory until it comes back from http_client_done. */
struct http_exchange {
    /* The caller's. */
    pen_slice request; /* head as sent.  Borrowed, as content is, until the connection is done with
                        * it: with an error that may be a turn of the ring after the exchange */
    pen_slice content; /* sent behind it; empty: none */
    bool is_head_request;
    uint8_t *body;   /* where the content of the answer goes */
    size_t body_cap; /* what is longer is read and dropped, and is_cut set */
    void *tag;

    /* The answer.  PEN_OK: status and body are whole.  Else err has the reason, and the request
     * may have been carried out: PEN_E_IO (connection), PEN_E_TRUNCATED, PEN_E_CORRUPT and
     * PEN_E_LIMIT (not HTTP as it should be), PEN_E_DENIED (certificate), PEN_E_TIMEOUT,
     * PEN_E_STOPPED (cancelled). */
    struct pen_err err;
    uint16_t status;
    size_t body_len;
    uint64_t content_bytes; /* of the whole answer */
    bool is_cut;
    bool has_date;
    struct http_range range;
    int64_t date_ns;                             /* the server's clock */
    int64_t retry_after_ns;                      /* from now, of Retry-After; 0: none */
    int64_t started_ns, first_byte_ns, ended_ns; /* monotonic; first_byte_ns 0: none came */
    int64_t sent_ns; /* when it was begun on its connection, the last time; 0: it was not */
    char etag[160], region[64], request_id[64], storage_class[32], location[512];

    /* The client's. */
    struct http_exchange *next;
    struct conn *conn;
    bool is_cancelled;
    uint8_t sends; /* times it was begun */
};

struct http_client;
/* Borrows ring and recv. */
PEN_MUST_USE pen_status http_client_new(struct pen_ring *ring, struct pen_recv_pool *recv,
                                        const struct http_client_options *options,
                                        struct http_client **out, struct pen_err *err);
/* After http_client_close said true. */
void http_client_free(struct http_client *client);
/* Cancels all and closes; turn the ring until it is true. */
bool http_client_close(struct http_client *client);

/* Where new connections go, in turn; those that failed lately are passed over while others are
 * left.  Copied; at most HTTP_ADDRESSES_MAX.  Before the first request, and whenever it changes. */
void http_client_addresses(struct http_client *client, const struct http_address *addresses,
                           uint32_t count);
void http_client_start(struct http_client *client, struct http_exchange *exchange);
/* It comes back as PEN_E_STOPPED unless it is done before. */
void http_client_cancel(struct http_client *client, struct http_exchange *exchange);
/* The next exchange that has ended, NULL when there is none. */
struct http_exchange *http_client_done(struct http_client *client);
/* Deadlines; call it at least every 100 ms or so, after turns of the ring. */
void http_client_turn(struct http_client *client, int64_t now_ns);

struct http_client_counters {
    uint64_t connects, resumed, connect_failures, requests, resends, timeouts, bytes_in;
};
struct http_client_counters http_client_counters(const struct http_client *client);

#endif
