/*
 * http_get - drives the HTTP client for its test: reads lines from standard input, answers each.
 *
 *   http_get HOST PORT CA|- [MAX_CONNECTIONS [CONNECT_MS FIRST_BYTE_MS STALL_MS IDLE_MS]]
 *   get PATH [CAP]     starts a request
 *   cancel             gives up the newest
 *   wait               until all have ended: one line each, "PATH STATUS HTTP LEN CUT HASH TEXT"
 *   sleep MS           turns the ring
 *   counters           connects resumed failures requests resends timeouts
 * CA: a PEM file; "-": plain HTTP.
 */
#include "http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_CAP (1U << 20)

struct get {
    struct http_exchange exchange;
    char path[256];
    char head[600];
};

struct driver {
    struct pen_ring *ring;
    struct pen_recv_pool *recv;
    struct http_client *client;
    const char *host;
    uint32_t open;
    struct get *newest;
};

static void must(pen_status st, const struct pen_err *err)
{
    if (st != PEN_OK) {
        (void)fprintf(stderr, "http_get: %s\n", err->text);
        exit(1);
    }
}

static void report(struct driver *d)
{
    for (struct http_exchange *e = http_client_done(d->client); e != NULL;
         e = http_client_done(d->client)) {
        struct get *get = PEN_CONTAINER_OF(e, struct get, exchange);
        printf("%s %s %u %zu %d %016llx %s\n", get->path, pen_status_name(e->err.status), e->status,
               e->body_len, e->is_cut,
               (unsigned long long)pen_hash64((pen_slice){e->body, e->body_len}, 0),
               e->err.status == PEN_OK ? e->etag : e->err.text);
        d->open--;
        d->newest = d->newest == get ? NULL : d->newest;
        free(e->body);
        free(get);
    }
}

static void turn(struct driver *d, int64_t ns)
{
    (void)pen_ring_turn(d->ring, true, ns);
    http_client_turn(d->client, pen_clock_mono_ns());
    report(d);
}

static void start(struct driver *d, const char *path, size_t cap)
{
    struct get *get = calloc(1, sizeof(*get));
    (void)snprintf(get->path, sizeof(get->path), "%s", path);
    const int len = snprintf(get->head, sizeof(get->head), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                             get->path, d->host);
    get->exchange.request = (pen_slice){(const uint8_t *)get->head, (size_t)len};
    get->exchange.body = malloc(cap == 0 ? 1 : cap);
    get->exchange.body_cap = cap;
    d->open++;
    d->newest = get;
    http_client_start(d->client, &get->exchange);
}

static void command(struct driver *d, char *line)
{
    char path[256];
    size_t cap = BODY_CAP;
    long long ms = 0;
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "get %255s %zu", path, &cap) >= 1) {
        start(d, path, cap);
    } else if (strcmp(line, "cancel") == 0 && d->newest != NULL) {
        http_client_cancel(d->client, &d->newest->exchange);
    } else if (strcmp(line, "wait") == 0) {
        while (d->open > 0) {
            turn(d, PEN_NS_PER_S / 100);
        }
        printf(".\n");
    } else if (sscanf(line, "sleep %lld", &ms) == 1) {
        const int64_t until = pen_clock_mono_ns() + ms * 1000000;
        while (pen_clock_mono_ns() < until) {
            turn(d, PEN_NS_PER_S / 100);
        }
        printf(".\n");
    } else if (strcmp(line, "counters") == 0) {
        const struct http_client_counters c = http_client_counters(d->client);
        printf("%llu %llu %llu %llu %llu %llu\n.\n", (unsigned long long)c.connects,
               (unsigned long long)c.resumed, (unsigned long long)c.connect_failures,
               (unsigned long long)c.requests, (unsigned long long)c.resends,
               (unsigned long long)c.timeouts);
    } else {
        (void)fprintf(stderr, "http_get: what is \"%s\"?\n", line);
        exit(2);
    }
    (void)fflush(stdout);
}

static int64_t ms_of(int argc, char **argv, int at, int64_t otherwise)
{
    return (argc > at ? strtoll(argv[at], NULL, 10) : otherwise) * 1000000;
}

int main(int argc, char **argv)
{
    struct driver d = {0};
    struct pen_err err = {0};
    if (argc < 4) {
        return 2;
    }
    const struct http_client_options options = {
        .host = argv[1],
        .is_tls = strcmp(argv[3], "-") != 0,
        .files = {.ca = argv[3]},
        .connections_max = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 4,
        .connect_ns = ms_of(argc, argv, 5, 5000),
        .first_byte_ns = ms_of(argc, argv, 6, 5000),
        .stall_ns = ms_of(argc, argv, 7, 5000),
        .idle_ns = ms_of(argc, argv, 8, 5000),
    };
    struct http_address at = {.bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&at.at;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    d.host = argv[1];
    must(pen_ring_new(64, &d.ring, &err), &err);
    must(pen_recv_pool_new(d.ring, 8, 4096, &d.recv, &err), &err);
    must(http_client_new(d.ring, d.recv, &options, &d.client, &err), &err);
    http_client_addresses(d.client, &at, 1);
    char line[512];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        command(&d, line);
    }
    while (!http_client_close(d.client)) {
        turn(&d, PEN_NS_PER_S / 100);
    }
    report(&d);
    http_client_free(d.client);
    pen_recv_pool_free(d.recv);
    pen_ring_free(d.ring);
    return 0;
}
