/* tested by tests/e2e/test_s3_plan.py */
#include "fetch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_BYTES_MAX ((size_t)32768)
#define OUT_BYTES 4096U
#define SCRATCH_BYTES 16384U
#define RECV_BUFFERS 64U
#define RECV_BUFFER_BYTES 32768U
#define SIGNED_NS (300 * PEN_NS_PER_S) /* a signature is good for 15 minutes */
#define WAIT_NS (PEN_NS_PER_S / 10)
#define STATUS_AT 9U /* of the first digit in "HTTP/1.1 200": it comes with the first bytes */

enum bare_state { BARE_CLOSED, BARE_CONNECT, BARE_HANDSHAKE, BARE_BUSY, BARE_ENDING };

struct bare_conn {
    struct pen_bare_fetch *run;
    struct pen_op connect_op, send_op, recv_op;
    int fd;
    enum bare_state state;
    uint32_t key;
    int64_t signed_ns;
    struct pen_buf head;
    struct tls_stream *stream; /* NULL: plain */
    pen_slice sending;
    bool is_begun, is_body; /* of the answer */
    uint64_t line, left;    /* bytes of the line of the head, of the content that is to come */
    uint8_t out[OUT_BYTES];
};

struct pen_bare_fetch {
    struct pen_bare_options options;
    struct pen_curl_fetched done;
    struct pen_recv_pool *recv;
    struct pen_sigv4 *signer;
    struct pen_buf signing, path;
    struct tls *tls; /* NULL: plain */
    char host[HTTP_HOST_MAX * 2];
    struct bare_conn *conns;
    int64_t now_ns;
    uint64_t failed_in_row;
    struct pen_err err; /* why the last request failed */
    uint8_t scratch[SCRATCH_BYTES];
};

/* ---- the request ---- */

static pen_status conn_sign(struct bare_conn *conn, struct pen_err *err)
{
    struct pen_bare_fetch *run = conn->run;
    const struct pen_curl_options *o = &run->options.fetch;
    struct pen_sigv4_signed s;
    run->path.len = 0;
    PEN_TRY(pen_buf_add_byte(&run->path, '/'));
    PEN_TRY(pen_buf_add(&run->path, o->keys[conn->key]));
    const struct pen_sigv4_request request = {.credentials = o->credentials,
                                              .time_ns = pen_clock_wall_ns(),
                                              .region = pen_slice_str(o->endpoint->region),
                                              .service = PEN_SLICE_LIT("s3"),
                                              .method = PEN_SLICE_LIT("GET"),
                                              .host = pen_slice_str(o->endpoint->authority),
                                              .bucket = pen_slice_str(o->endpoint->bucket),
                                              .is_virtual_host = o->endpoint->is_virtual_host,
                                              .path = pen_buf_slice(&run->path),
                                              .has_payload_header = true};
    PEN_TRY(pen_sigv4_sign(run->signer, &request, &run->signing, &s, err));
    conn->signed_ns = run->now_ns;
    return fetch_head_write(&conn->head, &s, NULL, 0);
}

static void flush(struct bare_conn *conn)
{
    if (conn->send_op.in_kernel) {
        return;
    }
    if (conn->sending.len == 0 && conn->stream != NULL) {
        conn->sending =
            (pen_slice){conn->out, tls_take(conn->stream, conn->out, sizeof(conn->out))};
    }
    if (conn->sending.len > 0) {
        pen_ring_send(conn->run->options.ring, &conn->send_op, conn->fd, conn->sending);
    }
}

static void conn_send(struct bare_conn *conn)
{
    struct pen_err err = {0};
    const bool is_old = conn->run->now_ns - conn->signed_ns > SIGNED_NS;
    if (is_old && !conn->send_op.in_kernel && conn_sign(conn, &err) != PEN_OK) {
        conn->run->err = err; /* the old one is refused before long, and that is told */
    }
    conn->state = BARE_BUSY;
    conn->is_begun = false;
    conn->is_body = false;
    conn->line = 0;
    conn->left = conn->run->options.sizes[conn->key];
    if (conn->stream == NULL) {
        conn->sending = pen_buf_slice(&conn->head);
    } else {
        PEN_CHECK(tls_write(conn->stream, pen_buf_slice(&conn->head), &err) == PEN_OK);
    }
    flush(conn);
}

/* ---- connections ---- */

/* Closed, once nothing of it is in the kernel; a turn opens it anew. */
static void conn_reap(struct bare_conn *conn)
{
    if (conn->state != BARE_ENDING || conn->connect_op.in_kernel || conn->send_op.in_kernel ||
        conn->recv_op.in_kernel) {
        return;
    }
    (void)close(conn->fd);
    conn->fd = -1;
    conn->state = BARE_CLOSED;
}

static void conn_end(struct bare_conn *conn)
{
    struct pen_ring *ring = conn->run->options.ring;
    conn->state = BARE_ENDING;
    tls_close(conn->stream);
    conn->stream = NULL;
    (void)shutdown(conn->fd, SHUT_RDWR);
    pen_ring_cancel(ring, &conn->connect_op);
    pen_ring_cancel(ring, &conn->send_op);
    pen_ring_cancel(ring, &conn->recv_op);
    conn_reap(conn);
}

static void conn_fail(struct bare_conn *conn, const struct pen_err *err)
{
    struct pen_bare_fetch *run = conn->run;
    run->done.requests++;
    run->done.failed++;
    run->failed_in_row++;
    run->err = *err;
    conn_end(conn);
}

static void fail_text(struct bare_conn *conn, const char *what)
{
    struct pen_err err = {0};
    (void)PEN_FAIL(&err, PEN_E_IO, PEN_NO_OFFSET, "%s: %s", conn->run->host, what);
    conn_fail(conn, &err);
}

/* ---- the answer ---- */

/* Up to the empty line; what of bytes is behind it. */
static pen_slice head_skip(struct bare_conn *conn, pen_slice bytes)
{
    while (bytes.len > 0 && !conn->is_body) {
        const uint8_t *end = memchr(bytes.ptr, '\n', bytes.len);
        const size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.ptr);
        conn->line += len;
        conn->is_body = end != NULL && conn->line <= 1;
        conn->line = end != NULL ? 0 : conn->line;
        bytes = pen_slice_sub(bytes, len + (end != NULL), bytes.len);
    }
    return bytes;
}

static void take(struct bare_conn *conn, pen_slice bytes)
{
    struct pen_bare_fetch *run = conn->run;
    if (!conn->is_begun && (bytes.len <= STATUS_AT || bytes.ptr[STATUS_AT] != '2')) {
        fail_text(conn, "the answer is not the object");
        return;
    }
    conn->is_begun = true;
    bytes = head_skip(conn, bytes);
    if (bytes.len > conn->left) {
        fail_text(conn, "the answer is longer than the object");
        return;
    }
    conn->left -= bytes.len;
    run->done.bytes += bytes.len;
    if (conn->is_body && conn->left == 0) {
        run->done.requests++;
        run->failed_in_row = 0;
        conn_send(conn);
    }
}

static void read_stream(struct bare_conn *conn)
{
    struct pen_bare_fetch *run = conn->run;
    while (conn->state == BARE_BUSY) {
        struct pen_err err = {0};
        size_t got = 0;
        const enum tls_step step =
            tls_read(conn->stream, run->scratch, sizeof(run->scratch), &got, &err);
        if (step == TLS_WAIT) {
            flush(conn);
            return;
        }
        if (step == TLS_END && !conn->is_begun) {
            conn_end(conn);
        } else if (step != TLS_OK) {
            fail_text(conn, "TLS broke off");
        } else {
            take(conn, (pen_slice){run->scratch, got});
        }
    }
}

static void handshake(struct bare_conn *conn)
{
    struct pen_err err = {0};
    const enum tls_step step = tls_handshake(conn->stream, &err);
    if (step == TLS_OK) {
        conn_send(conn);
        return;
    }
    flush(conn);
    if (step == TLS_ERROR) {
        conn_fail(conn, &err);
    } else if (step == TLS_END) {
        fail_text(conn, "TLS was refused");
    }
}

static void arrived(struct bare_conn *conn, pen_slice bytes)
{
    struct pen_err err = {0};
    if (conn->stream == NULL) {
        take(conn, bytes);
    } else if (tls_feed(conn->stream, bytes, &err) != PEN_OK) {
        conn_fail(conn, &err);
    } else {
        if (conn->state == BARE_HANDSHAKE) {
            handshake(conn);
        }
        read_stream(conn);
    }
}

/* ---- completions ---- */

static void on_send(struct pen_op *op, int32_t res)
{
    struct bare_conn *conn = PEN_CONTAINER_OF(op, struct bare_conn, send_op);
    if (conn->state == BARE_ENDING) {
        conn_reap(conn);
    } else if (res <= 0) {
        fail_text(conn, "cannot send");
    } else {
        conn->sending = pen_slice_sub(conn->sending, (size_t)res, conn->sending.len);
        flush(conn);
    }
}

static void on_recv(struct pen_op *op, int32_t res)
{
    struct bare_conn *conn = PEN_CONTAINER_OF(op, struct bare_conn, recv_op);
    struct pen_recv_pool *recv = conn->run->recv;
    if (conn->state != BARE_ENDING) {
        if (res > 0) {
            arrived(conn, pen_recv_bytes(recv, op, res));
        } else if (res == 0 && conn->state == BARE_BUSY && !conn->is_begun) {
            conn_end(conn); /* a kept connection that the server is through with */
        } else if (res != -ENOBUFS) {
            fail_text(conn, "the connection broke off");
        }
    }
    if (res > 0) {
        pen_recv_give(recv, op);
    }
    if (conn->state == BARE_ENDING) {
        conn_reap(conn);
    } else if (!op->in_kernel && conn->state != BARE_CLOSED) {
        pen_recv_start(recv, op, conn->fd);
    }
}

static void on_connect(struct pen_op *op, int32_t res)
{
    struct bare_conn *conn = PEN_CONTAINER_OF(op, struct bare_conn, connect_op);
    struct pen_bare_fetch *run = conn->run;
    struct pen_err err = {0};
    if (conn->state == BARE_ENDING) {
        conn_reap(conn);
        return;
    }
    if (res < 0) {
        fail_text(conn, "cannot connect");
        return;
    }
    pen_recv_start(run->recv, &conn->recv_op, conn->fd);
    if (run->tls == NULL) {
        conn_send(conn);
    } else if (tls_open(run->tls, run->host, &conn->stream, &err) != PEN_OK) {
        conn_fail(conn, &err);
    } else {
        conn->state = BARE_HANDSHAKE;
        handshake(conn);
    }
}

static void conn_open(struct bare_conn *conn)
{
    const struct pen_fetch_address *to = &conn->run->options.addresses->at[0];
    const struct sockaddr *at = (const struct sockaddr *)(const void *)to->at;
    const int yes = 1;
    conn->connect_op = (struct pen_op){.done = on_connect, .name = "bare.connect"};
    conn->send_op = (struct pen_op){.done = on_send, .name = "bare.send"};
    conn->recv_op = (struct pen_op){.done = on_recv, .name = "bare.recv"};
    conn->sending = (pen_slice){0};
    conn->is_begun = true; /* no answer is waited for yet: an end would be a failure */
    conn->state = BARE_CONNECT;
    conn->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        fail_text(conn, "cannot open a socket");
        return;
    }
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    pen_ring_connect(conn->run->options.ring, &conn->connect_op, conn->fd, at, to->bytes);
}

/* ---- new, turn, free ---- */

static pen_status conns_open(struct pen_bare_fetch *run, struct pen_err *err)
{
    const struct pen_curl_options *o = &run->options.fetch;
    for (uint32_t i = 0; i < o->concurrency; i++) {
        struct bare_conn *conn = &run->conns[i];
        conn->run = run;
        conn->fd = -1;
        conn->key = i % o->key_count;
        pen_buf_init(&conn->head, HEAD_BYTES_MAX);
        PEN_TRY(conn_sign(conn, err));
    }
    for (uint32_t i = 0; i < o->concurrency; i++) {
        conn_open(&run->conns[i]);
    }
    return PEN_OK;
}

static pen_status parts_new(struct pen_bare_fetch *run, struct pen_err *err)
{
    const struct pen_curl_options *o = &run->options.fetch;
    const struct tls_files files = {.ca = o->ca_file};
    fetch_host_of(o->endpoint, run->host);
    run->conns = calloc(o->concurrency, sizeof(*run->conns));
    if (run->conns == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bare requests: out of memory");
    }
    PEN_TRY(pen_sigv4_new(&run->signer, err));
    if (o->endpoint->is_tls) {
        PEN_TRY(tls_new(&files, &run->tls, err));
    }
    PEN_TRY(pen_recv_pool_new(run->options.ring, RECV_BUFFERS, RECV_BUFFER_BYTES, &run->recv, err));
    return conns_open(run, err);
}

pen_status pen_bare_fetch_new(const struct pen_bare_options *options, struct pen_bare_fetch **out,
                              struct pen_err *err)
{
    PEN_CHECK(options->fetch.concurrency > 0 && options->fetch.key_count > 0);
    PEN_CHECK(options->addresses->count > 0);
    struct pen_bare_fetch *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bare requests: out of memory");
    }
    run->options = *options;
    run->now_ns = pen_clock_mono_ns();
    pen_buf_init(&run->signing, PEN_SIGV4_BYTES_MAX);
    pen_buf_init(&run->path, PEN_FETCH_KEY_MAX + 1);
    const pen_status st = parts_new(run, err);
    if (st != PEN_OK) {
        pen_bare_fetch_free(run);
        return st;
    }
    *out = run;
    return PEN_OK;
}

pen_status pen_bare_fetch_turn(struct pen_bare_fetch *run, struct pen_err *err)
{
    const uint32_t count = run->options.fetch.concurrency;
    (void)pen_ring_turn(run->options.ring, true, WAIT_NS);
    run->now_ns = pen_clock_mono_ns();
    if (run->failed_in_row > count) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s", run->err.text);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (run->conns[i].state == BARE_CLOSED) {
            conn_open(&run->conns[i]);
        }
    }
    return PEN_OK;
}

struct pen_curl_fetched pen_bare_fetch_done(const struct pen_bare_fetch *run)
{
    return run->done;
}

/* True when nothing is in the kernel any more. */
static bool is_closed(struct pen_bare_fetch *run)
{
    bool is = true;
    for (uint32_t i = 0; run->conns != NULL && i < run->options.fetch.concurrency; i++) {
        struct bare_conn *conn = &run->conns[i];
        if (conn->run != NULL && conn->state != BARE_CLOSED && conn->state != BARE_ENDING) {
            conn_end(conn);
        }
        is &= conn->state == BARE_CLOSED;
    }
    return is;
}

void pen_bare_fetch_free(struct pen_bare_fetch *run)
{
    if (run == NULL) {
        return;
    }
    while (!is_closed(run)) {
        (void)pen_ring_turn(run->options.ring, true, WAIT_NS);
    }
    for (uint32_t i = 0; run->conns != NULL && i < run->options.fetch.concurrency; i++) {
        pen_buf_fini(&run->conns[i].head);
    }
    pen_recv_pool_free(run->recv);
    pen_sigv4_free(run->signer);
    tls_free(run->tls);
    pen_buf_fini(&run->signing);
    pen_buf_fini(&run->path);
    free(run->conns);
    free(run);
}
