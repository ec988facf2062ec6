/*
 * tls.h - TLS 1.2 and 1.3 as a filter of bytes (OpenSSL behind memory BIOs): no socket, no I/O.
 *
 * The server's certificate is always verified, for the name or address that was asked for.  A
 * context and its streams belong to one thread.
 */
#ifndef PEN_NET_TLS_H
#define PEN_NET_TLS_H

#include "penstock/base.h"

struct tls;        /* trust and the last session, which the next connection resumes */
struct tls_stream; /* of one connection */

struct tls_files {    /* PEM; only read by tls_new */
    const char *ca;   /* trusted instead of the system's; NULL: the system's */
    const char *cert; /* ours with its chain, for servers that ask; NULL: none */
    const char *key;  /* of cert; NULL: in the same file */
};
/* PEN_E_USAGE names the file that is no good. */
PEN_MUST_USE pen_status tls_new(const struct tls_files *files, struct tls **out,
                                struct pen_err *err);
void tls_free(struct tls *tls);

/* host: a name, or an address without brackets. */
PEN_MUST_USE pen_status tls_open(struct tls *tls, const char *host, struct tls_stream **out,
                                 struct pen_err *err);
void tls_close(struct tls_stream *stream);

enum tls_step {
    TLS_OK,    /* handshake: done; read: *got bytes are there */
    TLS_WAIT,  /* more bytes of the other side are needed */
    TLS_END,   /* the other side ended the stream as it should */
    TLS_ERROR, /* *err; the stream is of no use any more */
};
/* Bytes from the socket; they are copied. */
PEN_MUST_USE pen_status tls_feed(struct tls_stream *stream, pen_slice bytes, struct pen_err *err);
enum tls_step tls_handshake(struct tls_stream *stream, struct pen_err *err);
enum tls_step tls_read(struct tls_stream *stream, uint8_t *to, size_t cap, size_t *got,
                       struct pen_err *err);
/* Encrypts all of it. */
PEN_MUST_USE pen_status tls_write(struct tls_stream *stream, pen_slice bytes, struct pen_err *err);
/* Moves up to cap bytes for the socket to to; their number. */
size_t tls_take(struct tls_stream *stream, uint8_t *to, size_t cap);
bool tls_is_resumed(const struct tls_stream *stream);

#endif
