/* tested by tests/unit/net/test_http_client.py */
#include "http_client.h"

#include "conn.h"

#include <stdlib.h>

#define SWEEP_NS (PEN_NS_PER_S / 20) /* how exact deadlines are */
#define ADDRESS_REST_NS                                                      \
    (10 * PEN_NS_PER_S) /* an address that failed is passed over for so long \
                         */

/* ---- lists ---- */

static void exchange_append(struct http_exchange **first, struct http_exchange **last,
                            struct http_exchange *exchange)
{
    exchange->next = NULL;
    if (*last == NULL) {
        *first = exchange;
    } else {
        (*last)->next = exchange;
    }
    *last = exchange;
}

static struct http_exchange *exchange_pop(struct http_exchange **first, struct http_exchange **last)
{
    struct http_exchange *exchange = *first;
    if (exchange != NULL) {
        *first = exchange->next;
        *last = *first == NULL ? NULL : *last;
        exchange->next = NULL;
    }
    return exchange;
}

static struct conn *conn_pop(struct conn **list)
{
    struct conn *conn = *list;
    if (conn != NULL) {
        *list = conn->next;
        conn->next = NULL;
    }
    return conn;
}

static void conn_push(struct conn **list, struct conn *conn)
{
    conn->next = *list;
    *list = conn;
}

static void conn_remove(struct conn **list, struct conn *conn)
{
    while (*list != NULL && *list != conn) {
        list = &(*list)->next;
    }
    if (*list != NULL) {
        *list = conn->next;
        conn->next = NULL;
    }
}

/* ---- what connections tell ---- */

void client_exchange_done(struct http_client *client, struct http_exchange *exchange)
{
    exchange->conn = NULL;
    exchange_append(&client->done_first, &client->done_last, exchange);
}

void client_exchange_again(struct http_client *client, struct http_exchange *exchange)
{
    exchange->conn = NULL;
    exchange->next = client->waiting_first;
    client->waiting_first = exchange;
    client->waiting_last = client->waiting_last == NULL ? exchange : client->waiting_last;
}

void client_conn_idle(struct http_client *client, struct conn *conn)
{
    conn_push(&client->idle, conn);
}

void client_conn_closed(struct http_client *client, struct conn *conn)
{
    conn_remove(&client->idle, conn); /* if it was */
    conn_push(&client->unused, conn);
    PEN_CHECK(client->open > 0);
    client->open--;
}

/* ---- new, free ---- */

pen_status http_client_new(struct pen_ring *ring, struct pen_recv_pool *recv,
                           const struct http_client_options *options, struct http_client **out,
                           struct pen_err *err)
{
    PEN_CHECK(options->connections_max > 0 && options->connections_max <= HTTP_CONNECTIONS_MAX);
    if (strlen(options->host) >= HTTP_HOST_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "a host's name is too long");
    }
    struct http_client *client = calloc(1, sizeof(*client));
    struct conn *conns = calloc(options->connections_max, sizeof(*conns));
    if (client == NULL || conns == NULL) {
        free(client);
        free(conns);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", options->host);
    }
    client->ring = ring;
    client->recv = recv;
    client->options = *options;
    memcpy(client->host, options->host, strlen(options->host) + 1);
    client->options.host = client->host;
    client->conns = conns;
    for (uint32_t i = options->connections_max; i > 0; i--) {
        conns[i - 1].client = client;
        conns[i - 1].fd = -1;
        conn_push(&client->unused, &conns[i - 1]);
    }
    const pen_status st = options->is_tls ? tls_new(&options->files, &client->tls, err) : PEN_OK;
    if (st != PEN_OK) {
        free(conns);
        free(client);
        return st;
    }
    *out = client;
    return PEN_OK;
}

void http_client_free(struct http_client *client)
{
    if (client != NULL) {
        PEN_CHECK(client->open == 0);
        tls_free(client->tls);
        free(client->conns);
        free(client);
    }
}

bool http_client_close(struct http_client *client)
{
    client->is_closing = true;
    while (client->waiting_first != NULL) {
        http_client_cancel(client, client->waiting_first);
    }
    for (uint32_t i = 0; i < client->options.connections_max; i++) {
        struct conn *conn = &client->conns[i];
        if (conn->exchange != NULL) {
            http_client_cancel(client, conn->exchange);
        } else if (conn->state == CONN_IDLE) {
            conn_end(conn);
        }
    }
    return client->open == 0;
}

void http_client_addresses(struct http_client *client, const struct http_address *addresses,
                           uint32_t count)
{
    PEN_CHECK(count > 0);
    client->address_count = count < HTTP_ADDRESSES_MAX ? count : HTTP_ADDRESSES_MAX;
    memcpy(client->addresses, addresses, client->address_count * sizeof(addresses[0]));
    memset(client->failed_ns, 0, sizeof(client->failed_ns));
}

/* ---- dealing ---- */

/* The next address in turn, passing over those that failed lately unless all did. */
static uint32_t address_pick(struct http_client *client)
{
    const int64_t now = pen_clock_mono_ns();
    uint32_t at = client->address_next;
    for (uint32_t i = 0; i < client->address_count; i++) {
        const uint32_t candidate = (client->address_next + i) % client->address_count;
        const int64_t failed = client->failed_ns[candidate];
        if (failed == 0 || now - failed > ADDRESS_REST_NS) {
            at = candidate;
            break;
        }
    }
    client->address_next = (at + 1) % client->address_count;
    return at;
}

/* Gives waiting exchanges to connections. */
static void dispatch(struct http_client *client)
{
    PEN_CHECK(client->address_count > 0 || client->waiting_first == NULL);
    while (client->waiting_first != NULL && !client->is_closing) {
        struct conn *conn = conn_pop(&client->idle);
        const bool is_new = conn == NULL;
        if (is_new) {
            conn = conn_pop(&client->unused);
        }
        if (conn == NULL) {
            return;
        }
        struct http_exchange *exchange =
            exchange_pop(&client->waiting_first, &client->waiting_last);
        conn->exchange = exchange;
        exchange->conn = conn;
        if (is_new) {
            client->open++;
            conn->address = address_pick(client);
            conn_open(conn);
        } else {
            conn_send(conn);
        }
    }
}

void http_client_start(struct http_client *client, struct http_exchange *exchange)
{
    PEN_CHECK(!client->is_closing);
    exchange->err = (struct pen_err){0};
    exchange->conn = NULL;
    exchange->sends = 0;
    exchange->is_cancelled = false;
    exchange->sent_ns = 0;
    exchange->first_byte_ns = 0;
    exchange->ended_ns = 0;
    exchange->status = 0;
    exchange->started_ns = pen_clock_mono_ns();
    client->counters.requests++;
    exchange_append(&client->waiting_first, &client->waiting_last, exchange);
    dispatch(client);
}

static void waiting_remove(struct http_client *client, struct http_exchange *exchange)
{
    struct http_exchange *rest = client->waiting_first;
    client->waiting_first = NULL;
    client->waiting_last = NULL;
    while (rest != NULL) {
        struct http_exchange *next = rest->next;
        if (rest != exchange) {
            exchange_append(&client->waiting_first, &client->waiting_last, rest);
        }
        rest = next;
    }
}

void http_client_cancel(struct http_client *client, struct http_exchange *exchange)
{
    if (exchange->ended_ns != 0) {
        return;
    }
    (void)PEN_FAIL(&exchange->err, PEN_E_STOPPED, PEN_NO_OFFSET, "the request was given up");
    exchange->ended_ns = pen_clock_mono_ns();
    if (exchange->conn != NULL) {
        conn_end(exchange->conn);
    } else {
        waiting_remove(client, exchange);
    }
    client_exchange_done(client, exchange);
}

struct http_exchange *http_client_done(struct http_client *client)
{
    return exchange_pop(&client->done_first, &client->done_last);
}

static void overdue(struct conn *conn)
{
    struct pen_err err = {0};
    const struct http_client_options *o = &conn->client->options;
    const char *what = "the connection";
    int64_t limit = o->connect_ns;
    if (conn->state == CONN_BUSY) {
        const bool is_begun = conn->response.wire > 0;
        what = is_begun ? "more of the answer" : "the first byte of an answer";
        limit = is_begun ? o->stall_ns : o->first_byte_ns;
    }
    (void)PEN_FAIL(&err, PEN_E_TIMEOUT, PEN_NO_OFFSET, "%s: waited %lld ms for %s", o->host,
                   (long long)(limit / 1000000), what);
    conn_fail(conn, &err);
}

static void sweep(struct http_client *client, int64_t now_ns)
{
    client->swept_ns = now_ns;
    for (uint32_t i = 0; i < client->options.connections_max && client->open > 0; i++) {
        struct conn *conn = &client->conns[i];
        if (conn->state == CONN_CLOSED || conn->state == CONN_ENDING ||
            conn->deadline_ns > now_ns) {
            continue;
        }
        if (conn->state == CONN_IDLE) {
            conn_end(conn);
        } else {
            overdue(conn);
        }
    }
}

void http_client_turn(struct http_client *client, int64_t now_ns)
{
    if (now_ns - client->swept_ns >= SWEEP_NS) {
        sweep(client, now_ns);
    }
    dispatch(client);
}

struct http_client_counters http_client_counters(const struct http_client *client)
{
    return client->counters;
}
