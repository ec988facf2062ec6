/* tested by tests/unit/net/test_http_client.py */
#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SENDS_MAX 3U /* of one exchange, over kept connections that turned out closed */

static void conn_reap(struct conn *conn)
{
    PEN_CHECK(conn->state == CONN_ENDING);
    if (conn->connect_op.in_kernel || conn->send_op.in_kernel || conn->recv_op.in_kernel) {
        return;
    }
    (void)close(conn->fd);
    conn->fd = -1;
    conn->state = CONN_CLOSED;
    client_conn_closed(conn->client, conn);
}

void conn_end(struct conn *conn)
{
    PEN_CHECK(conn->state != CONN_CLOSED && conn->state != CONN_ENDING);
    struct pen_ring *ring = conn->client->ring;
    conn->state = CONN_ENDING;
    conn->exchange = NULL;
    tls_close(conn->stream);
    conn->stream = NULL;
    (void)shutdown(conn->fd, SHUT_RDWR);
    pen_ring_cancel(ring, &conn->connect_op);
    pen_ring_cancel(ring, &conn->send_op);
    pen_ring_cancel(ring, &conn->recv_op);
    conn_reap(conn);
}

void conn_fail(struct conn *conn, const struct pen_err *err)
{
    struct http_client *client = conn->client;
    struct http_exchange *exchange = conn->exchange;
    const bool was_kept = conn->served > 0 && conn->response.wire == 0;
    const bool is_connecting = conn->state == CONN_CONNECT || conn->state == CONN_HANDSHAKE;
    const int64_t now = pen_clock_mono_ns();
    if (is_connecting) {
        client->failed_ns[conn->address] = now;
        client->counters.connect_failures++;
    }
    client->counters.timeouts += err->status == PEN_E_TIMEOUT;
    conn_end(conn);
    if (exchange == NULL) {
        return;
    }
    if (was_kept && err->status != PEN_E_TIMEOUT && exchange->sends < SENDS_MAX) {
        client->counters.resends++;
        client_exchange_again(client, exchange);
        return;
    }
    exchange->err = *err;
    exchange->ended_ns = now;
    client_exchange_done(client, exchange);
}

static void fail_errno(struct conn *conn, const char *what, int code)
{
    struct pen_err err = {0};
    (void)PEN_FAIL(&err, PEN_E_IO, PEN_NO_OFFSET, "%s: %s: %s", conn->client->host, what,
                   strerrordesc_np(code));
    err.os_errno = code;
    conn_fail(conn, &err);
}

/* ---- sending ---- */

/* Hands the socket what is left to send, of plain text or of what TLS made. */
static void flush(struct conn *conn)
{
    if (conn->send_op.in_kernel) {
        return;
    }
    if (conn->sending.len == 0 && conn->stream == NULL) {
        conn->sending = conn->sending_next;
        conn->sending_next = (pen_slice){0};
    } else if (conn->sending.len == 0) {
        conn->sending =
            (pen_slice){conn->out, tls_take(conn->stream, conn->out, sizeof(conn->out))};
    }
    if (conn->sending.len > 0) {
        pen_ring_send(conn->client->ring, &conn->send_op, conn->fd, conn->sending);
    }
}

static void on_send(struct pen_op *op, int32_t res)
{
    struct conn *conn = PEN_CONTAINER_OF(op, struct conn, send_op);
    if (conn->state == CONN_ENDING) {
        conn_reap(conn);
        return;
    }
    if (res <= 0) {
        fail_errno(conn, "cannot send", res == 0 ? EPIPE : -res);
        return;
    }
    PEN_CHECK((size_t)res <= conn->sending.len);
    conn->sending.ptr += res;
    conn->sending.len -= (size_t)res;
    flush(conn);
}

void conn_send(struct conn *conn)
{
    struct http_exchange *exchange = conn->exchange;
    struct pen_err err = {0};
    PEN_CHECK(conn->sending.len == 0 && !conn->send_op.in_kernel);
    conn->state = CONN_BUSY;
    exchange->sent_ns = pen_clock_mono_ns();
    conn->deadline_ns = exchange->sent_ns + conn->client->options.first_byte_ns;
    exchange->sends++;
    exchange->body_len = 0;
    exchange->content_bytes = 0;
    exchange->is_cut = false;
    pen_http_response_init(&conn->response, exchange->is_head_request);
    if (conn->stream == NULL) {
        conn->sending = exchange->request;
        conn->sending_next = exchange->content;
    } else if (tls_write(conn->stream, exchange->request, &err) != PEN_OK ||
               (exchange->content.len > 0 &&
                tls_write(conn->stream, exchange->content, &err) != PEN_OK)) {
        conn_fail(conn, &err);
        return;
    }
    flush(conn);
}

/* ---- the answer ---- */

static void copy_text(char *to, size_t cap, pen_slice from)
{
    const size_t len = from.len < cap ? from.len : 0; /* one that is too long tells nothing */
    if (len > 0) {
        memcpy(to, from.ptr, len);
    }
    to[len] = '\0';
}

/* RFC 9110: "Sun, 06 Nov 1994 08:49:37 GMT"; the two older forms are not sent by anybody. */
static bool http_date(pen_slice text, int64_t *ns)
{
    char copy[40];
    struct tm tm = {0};
    copy_text(copy, sizeof(copy), text);
    const char *end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0') {
        return false;
    }
    *ns = (int64_t)timegm(&tm) * PEN_NS_PER_S;
    return true;
}

/* Seconds, or a time by the server's clock; 0: neither, or past. */
static int64_t retry_after(const struct http_exchange *exchange, pen_slice text)
{
    uint64_t seconds = 0;
    int64_t at = 0;
    if (pen_parse_u64(text, &seconds)) {
        return seconds < PEN_NS_PER_DAY / PEN_NS_PER_S ? (int64_t)seconds * PEN_NS_PER_S
                                                       : PEN_NS_PER_DAY;
    }
    if (!http_date(text, &at)) {
        return 0;
    }
    const int64_t now = exchange->has_date ? exchange->date_ns : pen_clock_wall_ns();
    return at > now ? at - now : 0;
}

/* Parsed once a second: it is in every answer, and costs as much as the rest of the head. */
static bool date_read(struct http_client *client, pen_slice text, int64_t *ns)
{
    const bool is_known = text.len > 0 && pen_slice_eq(text, pen_slice_str(client->date_text));
    if (!is_known && !http_date(text, &client->date_ns)) {
        client->date_text[0] = '\0';
        return false;
    }
    if (!is_known) {
        copy_text(client->date_text, sizeof(client->date_text), text);
    }
    *ns = client->date_ns;
    return true;
}

static void note_head(struct http_client *client, struct http_exchange *exchange,
                      const struct http_head *head)
{
    exchange->status = head->status;
    exchange->range = head->content_range;
    exchange->has_date = date_read(client, head->date, &exchange->date_ns);
    exchange->retry_after_ns =
        head->retry_after.len > 0 ? retry_after(exchange, head->retry_after) : 0;
    copy_text(exchange->etag, sizeof(exchange->etag), head->etag);
    copy_text(exchange->region, sizeof(exchange->region), head->bucket_region);
    copy_text(exchange->request_id, sizeof(exchange->request_id), head->request_id);
    copy_text(exchange->storage_class, sizeof(exchange->storage_class), head->storage_class);
    copy_text(exchange->location, sizeof(exchange->location), head->location);
}

static void keep(struct http_exchange *exchange, pen_slice content)
{
    const size_t room = exchange->body_cap - exchange->body_len;
    const size_t len = content.len < room ? content.len : room;
    if (len > 0) {
        memcpy(exchange->body + exchange->body_len, content.ptr, len);
    }
    exchange->body_len += len;
    exchange->content_bytes += content.len;
    exchange->is_cut |= len < content.len;
}

/* The answer is whole; is_clean: nothing came behind it. */
static void finish(struct conn *conn, bool is_clean)
{
    struct http_exchange *exchange = conn->exchange;
    struct http_client *client = conn->client;
    const bool is_sent =
        !conn->send_op.in_kernel && conn->sending.len == 0 && conn->sending_next.len == 0;
    const bool is_kept = is_clean && is_sent && pen_http_response_is_reusable(&conn->response);
    note_head(conn->client, exchange, &conn->response.head);
    exchange->ended_ns = pen_clock_mono_ns();
    exchange->err = (struct pen_err){0};
    conn->exchange = NULL;
    conn->served++;
    if (is_kept && !client->is_closing) {
        conn->state = CONN_IDLE;
        conn->deadline_ns = exchange->ended_ns + client->options.idle_ns;
        client_conn_idle(client, conn);
    } else {
        conn_end(conn);
    }
    client_exchange_done(client, exchange);
}

/* Takes bytes of an answer.  False: the connection is idle or ended now. */
static bool take(struct conn *conn, pen_slice bytes)
{
    struct pen_err err = {0};
    struct http_exchange *exchange = conn->exchange;
    if (exchange == NULL) { /* nobody asked */
        conn_end(conn);
        return false;
    }
    if (exchange->first_byte_ns == 0) {
        exchange->first_byte_ns = pen_clock_mono_ns();
    }
    while (bytes.len > 0 && conn->response.phase != HTTP_PHASE_DONE) {
        size_t used = 0;
        pen_slice content = {0};
        pen_status st = pen_http_response_feed(&conn->response, bytes, &used, &content, &err);
        if (st == PEN_OK && exchange->content_bytes + content.len > HTTP_BODY_BYTES_MAX) {
            st = PEN_FAIL(&err, PEN_E_LIMIT, PEN_NO_OFFSET, "the answer has no end");
        }
        if (st != PEN_OK) {
            conn_fail(conn, &err);
            return false;
        }
        keep(exchange, content);
        bytes.ptr += used;
        bytes.len -= used;
    }
    if (conn->response.phase == HTTP_PHASE_DONE) {
        finish(conn, bytes.len == 0);
        return false;
    }
    return true;
}

static void ended(struct conn *conn)
{
    struct pen_err err = {0};
    if (conn->state == CONN_IDLE) {
        conn_end(conn);
    } else if (conn->state != CONN_BUSY) {
        fail_errno(conn, "the connection was closed", ECONNRESET);
    } else if (pen_http_response_eof(&conn->response, &err) == PEN_OK) {
        finish(conn, false);
    } else {
        conn_fail(conn, &err);
    }
}

/* ---- TLS ---- */

static void handshake(struct conn *conn)
{
    struct pen_err err = {0};
    const enum tls_step step = tls_handshake(conn->stream, &err);
    if (step == TLS_OK) {
        conn->client->counters.resumed += tls_is_resumed(conn->stream);
        conn_send(conn);
        return;
    }
    flush(conn); /* the reason why we refuse, too */
    if (step != TLS_WAIT) {
        if (step == TLS_END) {
            (void)PEN_FAIL(&err, PEN_E_IO, PEN_NO_OFFSET, "%s: TLS was refused",
                           conn->client->host);
        }
        conn_fail(conn, &err);
    }
}

/* What has arrived is with TLS: takes what is readable of it. */
static void read_stream(struct conn *conn)
{
    struct http_client *client = conn->client;
    while (conn->state == CONN_BUSY || conn->state == CONN_IDLE) {
        struct pen_err err = {0};
        size_t got = 0;
        const enum tls_step step =
            tls_read(conn->stream, client->scratch, sizeof(client->scratch), &got, &err);
        if (step == TLS_WAIT) {
            flush(conn); /* answers to changes of keys */
            return;
        }
        if (step == TLS_ERROR) {
            conn_fail(conn, &err);
            return;
        }
        if (step == TLS_END) {
            ended(conn);
            return;
        }
        (void)take(conn, (pen_slice){client->scratch, got});
    }
}

/* ---- arrivals ---- */

static void arrived(struct conn *conn, pen_slice bytes)
{
    struct pen_err err = {0};
    conn->client->counters.bytes_in += bytes.len;
    if (conn->state == CONN_BUSY) {
        conn->deadline_ns = pen_clock_mono_ns() + conn->client->options.stall_ns;
    }
    if (conn->stream == NULL) {
        (void)take(conn, bytes);
    } else if (tls_feed(conn->stream, bytes, &err) != PEN_OK) {
        conn_fail(conn, &err);
    } else {
        if (conn->state == CONN_HANDSHAKE) {
            handshake(conn);
        }
        read_stream(conn);
    }
}

static void on_recv(struct pen_op *op, int32_t res)
{
    struct conn *conn = PEN_CONTAINER_OF(op, struct conn, recv_op);
    struct pen_recv_pool *recv = conn->client->recv;
    if (conn->state != CONN_ENDING) {
        if (res > 0) {
            arrived(conn, pen_recv_bytes(recv, op, res));
        } else if (res == 0) {
            ended(conn);
        } else if (res != -ENOBUFS) {
            fail_errno(conn, "cannot receive", -res);
        }
    }
    if (res > 0) {
        pen_recv_give(recv, op);
    }
    if (op->in_kernel) {
        return;
    }
    if (conn->state == CONN_ENDING) {
        conn_reap(conn);
    } else if (conn->state != CONN_CLOSED) {
        pen_recv_start(recv, op, conn->fd); /* it ran out of buffers */
    }
}

static void on_connect(struct pen_op *op, int32_t res)
{
    struct conn *conn = PEN_CONTAINER_OF(op, struct conn, connect_op);
    struct http_client *client = conn->client;
    struct pen_err err = {0};
    if (conn->state == CONN_ENDING) {
        conn_reap(conn);
        return;
    }
    if (res < 0) {
        fail_errno(conn, "cannot connect", -res);
        return;
    }
    client->failed_ns[conn->address] = 0;
    pen_recv_start(client->recv, &conn->recv_op, conn->fd);
    if (client->tls == NULL) {
        conn_send(conn);
    } else if (tls_open(client->tls, client->host, &conn->stream, &err) != PEN_OK) {
        conn_fail(conn, &err);
    } else {
        conn->state = CONN_HANDSHAKE;
        handshake(conn);
    }
}

void conn_open(struct conn *conn)
{
    struct http_client *client = conn->client;
    const struct http_address *to = &client->addresses[conn->address];
    const int yes = 1;
    conn->connect_op = (struct pen_op){.done = on_connect, .name = "conn.connect"};
    conn->send_op = (struct pen_op){.done = on_send, .name = "conn.send"};
    conn->recv_op = (struct pen_op){.done = on_recv, .name = "conn.recv"};
    conn->served = 0;
    conn->sending = (pen_slice){0};
    conn->sending_next = (pen_slice){0};
    pen_http_response_init(&conn->response, false);
    conn->state = CONN_CONNECT;
    conn->deadline_ns = pen_clock_mono_ns() + client->options.connect_ns;
    client->counters.connects++;
    conn->fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        fail_errno(conn, "cannot open a socket", errno);
        return;
    }
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    pen_ring_connect(client->ring, &conn->connect_op, conn->fd, (const struct sockaddr *)&to->at,
                     to->bytes);
}
