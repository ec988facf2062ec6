/* conn.h - one connection of a client: TCP, perhaps TLS, one exchange at a time.  net only. */
#ifndef PEN_NET_CONN_H
#define PEN_NET_CONN_H

#include "http_client.h"

#define CONN_OUT_BYTES 4096U
#define CONN_SCRATCH_BYTES 16384U /* a record of TLS */

enum conn_state {
    CONN_CLOSED,
    CONN_CONNECT,   /* TCP */
    CONN_HANDSHAKE, /* TLS */
    CONN_BUSY,      /* an exchange is under way */
    CONN_IDLE,
    CONN_ENDING, /* shut down; closed when the kernel is done with it */
};

struct conn {
    struct http_client *client;
    struct conn *next; /* unused or idle */
    enum conn_state state;
    struct pen_op connect_op, send_op, recv_op;
    int fd;
    uint32_t address; /* index of the client's */
    uint32_t served;  /* exchanges that were answered here */
    int64_t deadline_ns;
    struct tls_stream *stream; /* NULL: plain */
    struct http_exchange *exchange;
    pen_slice sending;           /* what the send in the kernel is to send */
    pen_slice sending_next;      /* plain: the content, behind it */
    uint8_t out[CONN_OUT_BYTES]; /* TLS: it lies here */
    struct http_response response;
};

struct http_client {
    struct pen_ring *ring;
    struct pen_recv_pool *recv;
    struct http_client_options options;
    char host[HTTP_HOST_MAX];
    struct tls *tls; /* NULL: plain */
    struct conn *conns;
    struct conn *unused, *idle; /* idle: the one used last first */
    uint32_t open;              /* connections that are not closed */
    struct http_exchange *waiting_first, *waiting_last;
    struct http_exchange *done_first, *done_last;
    struct http_address addresses[HTTP_ADDRESSES_MAX];
    int64_t failed_ns[HTTP_ADDRESSES_MAX]; /* when a connection there failed last; 0: never */
    uint32_t address_count, address_next;
    bool is_closing;
    int64_t swept_ns;
    struct http_client_counters counters;
    char date_text[40]; /* of the last answer: all within a second have the same */
    int64_t date_ns;
    uint8_t scratch[CONN_SCRATCH_BYTES];
};

/* Begins to connect to serve conn->exchange. */
void conn_open(struct conn *conn);
/* Sends conn->exchange over an idle connection. */
void conn_send(struct conn *conn);
/* Ends the connection; its exchange, if any, is the caller's. */
void conn_end(struct conn *conn);
/* Ends it and tells the exchange why; or gives it back to be sent again. */
void conn_fail(struct conn *conn, const struct pen_err *err);

/* What the connection tells its client (http_client.c). */
void client_exchange_done(struct http_client *client, struct http_exchange *exchange);
void client_exchange_again(struct http_client *client, struct http_exchange *exchange);
void client_conn_idle(struct http_client *client, struct conn *conn);
void client_conn_closed(struct http_client *client, struct conn *conn);

#endif
