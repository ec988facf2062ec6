/*
 * s3_get - drives the fetcher for its test.
 *
 *   s3_get URL BUCKET [RANGE_BYTES [BYTES_MAX [SLOTS [TRIES [CA [REQUESTS_S [BYTES_S
 *          [RETRY_BUDGET [SHARES [SHARE [REDIRECTS [SERVERS [TWICE]]]]]]]]]]]]]
 * TWICE: a second fetcher is told of moves by the first, and gets everything once more.
 * Standard input: lines "SIZE ETAG KEY" ("-": no ETag).  Keys and secrets are those of AWS_*.
 * Standard output: for each object, in the order of their ends, "KEY STATUS BYTES HASH TEXT"; then
 * "counters REQUESTS RETRIES THROTTLED CONNECTS WINDOW SKEW_S".
 */
#include "penstock/net.h"
#include "penstock/runtime.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define OBJECTS_MAX 100000

struct wanted {
    char *key;
    char etag[PEN_FETCH_ETAG_MAX + 1];
    uint64_t size;
};

static void must(pen_status st, const struct pen_err *err)
{
    if (st != PEN_OK) {
        (void)fprintf(stderr, "s3_get: %s\n", err->text);
        exit(1);
    }
}

static uint64_t option(int argc, char **argv, int at, uint64_t otherwise)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
}

static pen_slice env(const char *name)
{
    const char *value = getenv(name);
    return pen_slice_str(value == NULL ? "" : value);
}

static uint32_t read_wanted(struct wanted *list)
{
    char line[4096];
    uint32_t count = 0;
    while (count < OBJECTS_MAX && fgets(line, sizeof(line), stdin) != NULL) {
        struct wanted *w = &list[count];
        char *rest = line;
        w->size = strtoull(rest, &rest, 10);
        rest++;
        const size_t etag = strcspn(rest, " ");
        if (etag > 1) {
            memcpy(w->etag, rest, etag);
        }
        rest += etag + 1;
        rest[strcspn(rest, "\n")] = '\0';
        w->key = strdup(rest);
        count++;
    }
    return count;
}

struct run {
    struct pen_ring *ring;
    struct pen_fetcher *fetcher;
    struct wanted *list;
    uint32_t count, opened, ended;
    uint32_t source;
    XXH64_state_t *hash;
    uint64_t bytes;
    bool is_quiet;
};

/* Takes what there is of the front object. */
static void take(struct run *r)
{
    for (;;) {
        void *tag = NULL;
        pen_slice data = {0};
        struct pen_err err = {0};
        const enum pen_fetch got = pen_fetcher_front(r->fetcher, &tag, &data, &err);
        if (got == PEN_FETCH_NONE || got == PEN_FETCH_WAIT) {
            return;
        }
        if (got == PEN_FETCH_DATA) {
            (void)XXH64_update(r->hash, data.ptr, data.len);
            r->bytes += data.len;
            pen_fetcher_taken(r->fetcher);
            continue;
        }
        const struct wanted *w = tag;
        if (!r->is_quiet) {
            printf("%s %s %" PRIu64 " %016" PRIx64 " %s\n", w->key, pen_status_name(err.status),
                   r->bytes, (uint64_t)XXH64_digest(r->hash), err.text);
        }
        pen_fetcher_close(r->fetcher);
        (void)XXH64_reset(r->hash, 0);
        r->bytes = 0;
        r->ended++;
    }
}

static void run(struct run *r)
{
    while (r->ended < r->count) {
        while (r->opened < r->count && pen_fetcher_has_slot(r->fetcher)) {
            struct wanted *w = &r->list[r->opened++];
            const struct pen_fetch_object object = {.source = r->source,
                                                    .key = pen_slice_str(w->key),
                                                    .etag = pen_slice_str(w->etag),
                                                    .size = w->size,
                                                    .tag = w};
            pen_fetcher_open(r->fetcher, &object);
        }
        pen_fetcher_turn(r->fetcher, pen_clock_mono_ns());
        take(r);
        (void)pen_ring_turn(r->ring, r->ended < r->count, PEN_NS_PER_S / 50);
    }
}

static void begin(struct run *r, const struct pen_fetch_options *options,
                  const struct pen_s3_endpoint *endpoint)
{
    struct pen_err err = {0};
    must(pen_fetcher_new(r->ring, options, &r->fetcher, &err), &err);
    must(pen_fetcher_source_add(r->fetcher, endpoint, false, &r->source, &err), &err);
    struct pen_fetch_address at = {.bytes = sizeof(struct sockaddr_in)};
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(endpoint->port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    memcpy(at.at, &in, sizeof(in));
    pen_fetcher_addresses(r->fetcher, r->source, &at, 1);
    const struct pen_credentials credentials = {.access_key = env("AWS_ACCESS_KEY_ID"),
                                                .secret_key = env("AWS_SECRET_ACCESS_KEY"),
                                                .session_token = env("AWS_SESSION_TOKEN")};
    must(pen_fetcher_credentials(r->fetcher, r->source, &credentials, &err), &err);
    r->opened = 0;
    r->ended = 0;
}

static void end(struct pen_ring *ring, struct pen_fetcher *fetcher)
{
    while (!pen_fetcher_cancel(fetcher)) {
        (void)pen_ring_turn(ring, true, PEN_NS_PER_S / 50);
    }
    pen_fetcher_free(fetcher);
}

/* Once more, with a fetcher that knows of moves what the one before found out. */
static void again(struct run *r, const struct pen_fetch_options *options,
                  const struct pen_s3_endpoint *endpoint)
{
    struct pen_fetcher *before = r->fetcher;
    struct pen_s3_endpoint to;
    uint32_t source = 0;
    begin(r, options, endpoint);
    while (pen_fetcher_moved(before, &source, &to)) {
        pen_fetcher_move(r->fetcher, source, &to);
        pen_fetcher_move(r->fetcher, source, &to); /* from a third one: it is there already */
    }
    end(r->ring, before);
    r->is_quiet = false;
    run(r);
    if (pen_fetcher_moved(r->fetcher, &source, &to)) {
        (void)fprintf(stderr, "s3_get: it tells what it was told\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct pen_err err = {0};
    struct run r = {0};
    if (argc < 3) {
        return 2;
    }
    struct pen_s3_endpoint endpoint;
    const struct pen_s3_place place = {.bucket = pen_slice_str(argv[2]),
                                       .endpoint_url = pen_slice_str(argv[1]),
                                       .region = PEN_SLICE_LIT("us-east-1"),
                                       .is_path_style = true};
    must(pen_s3_endpoint_of(&place, &endpoint, &err), &err);
    const struct pen_fetch_options options = {
        .range_bytes = option(argc, argv, 3, 8ULL << 20),
        .bytes_in_flight_max = option(argc, argv, 4, 64ULL << 20),
        .slots = (uint32_t)option(argc, argv, 5, 256),
        .window_max = 128,
        .tries_max = (uint32_t)option(argc, argv, 6, 8),
        .ca_file = argc > 7 && argv[7][0] != '\0' ? argv[7] : NULL,
        .requests_s = option(argc, argv, 8, 0),
        .bytes_s = option(argc, argv, 9, 0),
        .retry_budget = (uint32_t)option(argc, argv, 10, 100),
        .shares = (uint32_t)option(argc, argv, 11, 1),
        .share = (uint32_t)option(argc, argv, 12, 0),
        .redirects_max = (uint32_t)option(argc, argv, 13, 3),
        .places_max = (uint32_t)option(argc, argv, 14, 4),
        .connect_ns = 2 * PEN_NS_PER_S,
        .first_byte_ns = PEN_NS_PER_S * 2 / 5,
        .stall_ns = PEN_NS_PER_S,
        .idle_ns = 10 * PEN_NS_PER_S,
    };
    must(pen_ring_new(256, &r.ring, &err), &err);
    begin(&r, &options, &endpoint);
    r.list = calloc(OBJECTS_MAX, sizeof(*r.list));
    r.count = read_wanted(r.list);
    r.hash = XXH64_createState();
    (void)XXH64_reset(r.hash, 0);
    r.is_quiet = option(argc, argv, 15, 0) != 0;
    run(&r);
    if (r.is_quiet) {
        again(&r, &options, &endpoint);
    }
    const struct pen_fetch_counters c = pen_fetcher_counters(r.fetcher);
    printf("counters %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %" PRId64 "\n", c.requests,
           c.retries, c.throttled, c.connects, c.window, c.skew_ns / PEN_NS_PER_S);
    end(r.ring, r.fetcher);
    pen_ring_free(r.ring);
    for (uint32_t i = 0; i < r.count; i++) {
        free(r.list[i].key);
    }
    free(r.list);
    (void)XXH64_freeState(r.hash);
    return 0;
}
