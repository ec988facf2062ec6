/* tested by tests/e2e/test_opensearch.py */
#include "penstock/net.h"

#include "http_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_BYTES_MAX ((size_t)131072) /* of a request: tokens are long */
#define NODE_REST_NS \
    (10 * PEN_NS_PER_S)             /* a node that could not be reached is passed over so long */
#define IDLE_NS (20 * PEN_NS_PER_S) /* servers and what stands before them close about then */
#define RECV_BUFFERS 64U
#define RECV_BUFFER_BYTES 16384U

struct flight { /* one request under way */
    struct http_exchange exchange;
    struct flight *next; /* of the free ones, or of those that failed before they were sent */
    struct pen_post *post;
    struct pen_buf head;
};

struct node {
    struct pen_post_node at;
    struct http_client *client;
    bool has_address;
    int64_t rests_until_ns;
};

struct pen_poster {
    struct pen_ring *ring;
    struct pen_recv_pool *recv;
    struct pen_poster_options options;
    struct node nodes[PEN_POST_NODES_MAX];
    uint32_t node_count, node_next;
    struct flight *flights;
    struct flight *free, *unsent;
    struct pen_sigv4 *signer; /* NULL: not signed */
    struct pen_buf signing, secrets;
    struct pen_credentials credentials;
};

/* ---- new, free ---- */

void pen_poster_addresses(struct pen_poster *poster, uint32_t node,
                          const struct pen_fetch_address *addresses, uint32_t count)
{
    struct http_address list[HTTP_ADDRESSES_MAX];
    PEN_CHECK(count > 0 && count <= HTTP_ADDRESSES_MAX && node < PEN_POST_NODES_MAX);
    memset(list, 0, sizeof(list));
    for (uint32_t i = 0; i < count; i++) {
        PEN_CHECK(addresses[i].bytes <= sizeof(addresses[i].at));
        memcpy(&list[i].at, addresses[i].at, addresses[i].bytes);
        list[i].bytes = addresses[i].bytes;
    }
    poster->nodes[node].rests_until_ns = 0;
    poster->nodes[node].has_address = true;
    http_client_addresses(poster->nodes[node].client, list, count);
}

static pen_status node_open(struct pen_poster *poster, const struct pen_post_node *from,
                            struct pen_err *err)
{
    const struct pen_poster_options *o = &poster->options;
    struct node *node = &poster->nodes[poster->node_count];
    const struct http_client_options options = {
        .host = from->host,
        .is_tls = from->is_tls,
        .files = {.ca = o->ca_file, .cert = o->cert_file, .key = o->key_file},
        .connections_max = o->in_flight_max,
        .connect_ns = o->connect_ns,
        .first_byte_ns = o->answer_ns,
        .stall_ns = o->answer_ns,
        .idle_ns = IDLE_NS};
    node->at = *from;
    PEN_TRY(http_client_new(poster->ring, poster->recv, &options, &node->client, err));
    const uint32_t number = poster->node_count++;
    if (from->addresses.count > 0) {
        pen_poster_addresses(poster, number, from->addresses.at, from->addresses.count);
    }
    return PEN_OK;
}

static pen_status poster_fill(struct pen_poster *poster, const struct pen_poster_options *o,
                              struct pen_err *err)
{
    PEN_TRY(pen_recv_pool_new(poster->ring, RECV_BUFFERS, RECV_BUFFER_BYTES, &poster->recv, err));
    for (uint32_t i = 0; i < o->node_count; i++) {
        PEN_TRY(node_open(poster, &o->nodes[i], err));
    }
    return o->sigv4_service == NULL ? PEN_OK : pen_sigv4_new(&poster->signer, err);
}

pen_status pen_poster_new(struct pen_ring *ring, const struct pen_poster_options *options,
                          struct pen_poster **out, struct pen_err *err)
{
    PEN_CHECK(options->node_count > 0 && options->node_count <= PEN_POST_NODES_MAX);
    PEN_CHECK(options->in_flight_max > 0 && options->in_flight_max <= PEN_POST_IN_FLIGHT_MAX);
    struct pen_poster *poster = calloc(1, sizeof(*poster));
    struct flight *flights = calloc(options->in_flight_max, sizeof(*flights));
    if (poster == NULL || flights == NULL) {
        free(poster);
        free(flights);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "requests: out of memory");
    }
    poster->ring = ring;
    poster->options = *options;
    poster->flights = flights;
    pen_buf_init(&poster->signing, PEN_SIGV4_BYTES_MAX);
    pen_buf_init(&poster->secrets,
                 PEN_SIGV4_TOKEN_MAX + PEN_SIGV4_SECRET_MAX + PEN_SIGV4_ACCESS_KEY_MAX);
    for (uint32_t i = 0; i < options->in_flight_max; i++) {
        pen_buf_init(&flights[i].head, HEAD_BYTES_MAX);
        flights[i].next = poster->free;
        poster->free = &flights[i];
    }
    const pen_status st = poster_fill(poster, options, err);
    if (st != PEN_OK) {
        pen_poster_free(poster);
        return st;
    }
    *out = poster;
    return PEN_OK;
}

uint64_t pen_poster_memory(uint32_t node_count, uint32_t in_flight_max)
{
    /* A connection has a head of a response and its own small buffers. */
    const uint64_t connection = HTTP_HEAD_BYTES_MAX + 16384;
    return sizeof(struct pen_poster) + pen_recv_pool_memory(RECV_BUFFERS, RECV_BUFFER_BYTES) +
           (uint64_t)node_count * in_flight_max * connection +
           in_flight_max * sizeof(struct flight);
}

void pen_poster_free(struct pen_poster *poster)
{
    if (poster == NULL) {
        return;
    }
    for (uint32_t i = 0; i < poster->node_count; i++) {
        http_client_free(poster->nodes[i].client);
    }
    if (poster->recv != NULL) {
        pen_recv_pool_free(poster->recv);
    }
    for (uint32_t i = 0; i < poster->options.in_flight_max; i++) {
        pen_buf_fini(&poster->flights[i].head);
    }
    if (poster->secrets.ptr != NULL) {
        explicit_bzero(poster->secrets.ptr, poster->secrets.cap);
    }
    pen_buf_fini(&poster->secrets);
    pen_buf_fini(&poster->signing);
    pen_sigv4_free(poster->signer);
    free(poster->flights);
    free(poster);
}

bool pen_poster_close(struct pen_poster *poster)
{
    bool is_closed = true;
    for (uint32_t i = 0; i < poster->node_count; i++) {
        is_closed &= http_client_close(poster->nodes[i].client);
    }
    return is_closed;
}

pen_status pen_poster_credentials(struct pen_poster *poster,
                                  const struct pen_credentials *credentials, struct pen_err *err)
{
    const pen_slice parts[] = {credentials->access_key, credentials->secret_key,
                               credentials->session_token};
    pen_slice *places[] = {&poster->credentials.access_key, &poster->credentials.secret_key,
                           &poster->credentials.session_token};
    size_t total = 0;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        total += parts[i].len;
    }
    poster->secrets.len = 0;
    if (pen_buf_reserve(&poster->secrets, total) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "credentials are too long");
    }
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        *places[i] = (pen_slice){poster->secrets.ptr + poster->secrets.len, parts[i].len};
        PEN_TRY(pen_buf_add(&poster->secrets, parts[i]));
    }
    return PEN_OK;
}

/* ---- the request ---- */

static pen_status field_add(struct pen_buf *out, const char *name, pen_slice value)
{
    if (value.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, pen_slice_str(name)));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(": ")));
    PEN_TRY(pen_buf_add(out, value));
    return pen_buf_add(out, PEN_SLICE_LIT("\r\n"));
}

static pen_status query_add(struct pen_buf *out, const struct pen_post *post)
{
    for (uint32_t i = 0; i < post->query_count; i++) {
        PEN_TRY(pen_buf_add_byte(out, i == 0 ? '?' : '&'));
        PEN_TRY(pen_uri_encode(out, post->query[i].name, PEN_URI_KEEP_NONE));
        PEN_TRY(pen_buf_add_byte(out, '='));
        PEN_TRY(pen_uri_encode(out, post->query[i].value, PEN_URI_KEEP_NONE));
    }
    return PEN_OK;
}

/* What stands in every head but the parts of a signature. */
static pen_status fields_add(struct pen_buf *out, const struct pen_post *post)
{
    char length[24];
    (void)snprintf(length, sizeof(length), "%zu", post->body.len);
    PEN_TRY(field_add(out, "User-Agent", PEN_SLICE_LIT("penstock")));
    PEN_TRY(field_add(out, "Accept", PEN_SLICE_LIT("application/json")));
    if (post->body.len > 0) {
        PEN_TRY(field_add(out, "Content-Type", pen_slice_str(post->content_type)));
        PEN_TRY(field_add(out, "Content-Encoding",
                          post->is_gzip ? PEN_SLICE_LIT("gzip") : (pen_slice){0}));
    }
    PEN_TRY(field_add(out, "Content-Length", pen_slice_str(length)));
    return pen_buf_add(out, PEN_SLICE_LIT("\r\n"));
}

static pen_status head_signed(struct pen_poster *poster, const struct node *node,
                              const struct pen_post *post, struct pen_buf *out, struct pen_err *err)
{
    char hash[PEN_SHA256_HEX];
    char path[PEN_POST_PREFIX_MAX + 512];
    struct pen_sigv4_signed s;
    pen_sigv4_hash(post->body, hash);
    const int len = snprintf(path, sizeof(path), "%s%s", node->at.prefix, post->path);
    PEN_CHECK(len > 0 && (size_t)len < sizeof(path));
    const struct pen_sigv4_request request = {.credentials = &poster->credentials,
                                              .time_ns = pen_clock_wall_ns(),
                                              .region = pen_slice_str(poster->options.sigv4_region),
                                              .service =
                                                  pen_slice_str(poster->options.sigv4_service),
                                              .method = pen_slice_str(post->method),
                                              .host = pen_slice_str(node->at.authority),
                                              .path = pen_slice_str(path),
                                              .query = post->query,
                                              .query_count = post->query_count,
                                              .payload = {(const uint8_t *)hash, sizeof(hash)},
                                              .has_payload_header = true};
    PEN_TRY(pen_sigv4_sign(poster->signer, &request, &poster->signing, &s, err));
    pen_status st = pen_buf_add(out, pen_slice_str(post->method));
    st = st == PEN_OK ? pen_buf_add_byte(out, ' ') : st;
    st = st == PEN_OK ? pen_buf_add(out, s.target) : st;
    st = st == PEN_OK ? pen_buf_add(out, PEN_SLICE_LIT(" HTTP/1.1\r\n")) : st;
    st = st == PEN_OK ? field_add(out, "Host", s.host) : st;
    st = st == PEN_OK ? field_add(out, "X-Amz-Date", s.date) : st;
    st = st == PEN_OK ? field_add(out, "X-Amz-Content-Sha256", s.payload) : st;
    st = st == PEN_OK ? field_add(out, "X-Amz-Security-Token", s.token) : st;
    st = st == PEN_OK ? field_add(out, "Authorization", s.authorization) : st;
    st = st == PEN_OK ? fields_add(out, post) : st;
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "a request is too long");
}

static pen_status head_plain(const struct pen_poster *poster, const struct node *node,
                             const struct pen_post *post, struct pen_buf *out)
{
    const char *authorization = poster->options.authorization;
    PEN_TRY(pen_buf_printf(out, "%s %s", post->method, node->at.prefix));
    PEN_TRY(pen_uri_encode(out, pen_slice_str(post->path), PEN_URI_KEEP_SLASH));
    PEN_TRY(query_add(out, post));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(" HTTP/1.1\r\n")));
    PEN_TRY(field_add(out, "Host", pen_slice_str(node->at.authority)));
    PEN_TRY(field_add(out, "Authorization",
                      authorization == NULL ? (pen_slice){0} : pen_slice_str(authorization)));
    return fields_add(out, post);
}

static pen_status head_write(struct pen_poster *poster, const struct node *node,
                             const struct pen_post *post, struct pen_buf *out, struct pen_err *err)
{
    out->len = 0;
    if (poster->signer != NULL) {
        return head_signed(poster, node, post, out, err);
    }
    const pen_status st = head_plain(poster, node, post, out);
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "a request is too long");
}

/* ---- sending ---- */

bool pen_poster_has_room(const struct pen_poster *poster)
{
    return poster->free != NULL;
}

/* The next in turn of those with an address; passing over those that rest, unless all do. */
static uint32_t node_pick(struct pen_poster *poster)
{
    const int64_t now = pen_clock_mono_ns();
    uint32_t at = UINT32_MAX;
    for (uint32_t i = 0; i < poster->node_count; i++) {
        const uint32_t candidate = (poster->node_next + i) % poster->node_count;
        const struct node *node = &poster->nodes[candidate];
        if (node->has_address && node->rests_until_ns <= now) {
            at = candidate;
            break;
        }
        at = at == UINT32_MAX && node->has_address ? candidate : at;
    }
    PEN_CHECK(at != UINT32_MAX);
    poster->node_next = (at + 1) % poster->node_count;
    return at;
}

void pen_poster_start(struct pen_poster *poster, struct pen_post *post)
{
    struct flight *flight = poster->free;
    PEN_CHECK(flight != NULL);
    poster->free = flight->next;
    flight->next = NULL;
    flight->post = post;
    post->node = node_pick(poster);
    post->err = (struct pen_err){0};
    post->status = 0;
    post->reply_len = 0;
    post->is_cut = false;
    post->was_resent = false;
    post->took_ns = 0;
    struct node *node = &poster->nodes[post->node];
    if (head_write(poster, node, post, &flight->head, &post->err) != PEN_OK) {
        flight->next = poster->unsent;
        poster->unsent = flight;
        return;
    }
    flight->exchange = (struct http_exchange){.request = pen_buf_slice(&flight->head),
                                              .content = post->body,
                                              .is_head_request = strcmp(post->method, "HEAD") == 0,
                                              .body = post->reply,
                                              .body_cap = post->reply_cap,
                                              .tag = flight};
    http_client_start(node->client, &flight->exchange);
}

static struct pen_post *flight_end(struct pen_poster *poster, struct flight *flight)
{
    struct pen_post *post = flight->post;
    flight->post = NULL;
    flight->next = poster->free;
    poster->free = flight;
    return post;
}

static struct pen_post *answered(struct pen_poster *poster, struct node *node,
                                 const struct http_exchange *exchange)
{
    struct pen_post *post = flight_end(poster, exchange->tag);
    post->err = exchange->err;
    post->status = exchange->status;
    post->reply_len = exchange->body_len;
    post->is_cut = exchange->is_cut;
    post->was_resent = exchange->sends > 1;
    post->took_ns = exchange->ended_ns - exchange->started_ns;
    if (post->err.status != PEN_OK && post->err.status != PEN_E_STOPPED) {
        node->rests_until_ns = exchange->ended_ns + NODE_REST_NS;
    } else if (post->err.status == PEN_OK) {
        node->rests_until_ns = 0;
    }
    return post;
}

struct pen_post *pen_poster_done(struct pen_poster *poster)
{
    struct flight *unsent = poster->unsent;
    if (unsent != NULL) {
        poster->unsent = unsent->next;
        return flight_end(poster, unsent);
    }
    for (uint32_t i = 0; i < poster->node_count; i++) {
        const struct http_exchange *exchange = http_client_done(poster->nodes[i].client);
        if (exchange != NULL) {
            return answered(poster, &poster->nodes[i], exchange);
        }
    }
    return NULL;
}

void pen_poster_turn(struct pen_poster *poster, int64_t now_ns)
{
    for (uint32_t i = 0; i < poster->node_count; i++) {
        http_client_turn(poster->nodes[i].client, now_ns);
    }
}
