#include "sink.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECT_NS (10 * PEN_NS_PER_S)
#define SECRET_BYTES_MAX 4096U

struct pen_sink {
    struct pen_sink_spec spec; /* its texts are borrowed */
    struct pen_post_node nodes[PEN_POST_NODES_MAX];
    char region[PEN_S3_HOST_MAX + 1]; /* of a host, when the spec has none */
    uint32_t node_count;
    char authorization[SECRET_BYTES_MAX * 2 + 16]; /* "": none */
    struct pen_renewal *renewal;                   /* NULL: nothing is signed */
};

/* ---- authentication ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
#define BASE64_PAD 64U /* of the digits */

/* out has room for 4 digits of each 3 bytes begun, and a NUL. */
static void base64(pen_slice in, char *out)
{
    for (size_t i = 0; i < in.len; i += 3) {
        const size_t left = in.len - i;
        const uint32_t bits = (uint32_t)in.ptr[i] << 16 |
                              (left > 1 ? (uint32_t)in.ptr[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)in.ptr[i + 2] : 0);
        *out++ = base64_digits[bits >> 18 & 63];
        *out++ = base64_digits[bits >> 12 & 63];
        *out++ = base64_digits[left > 1 ? bits >> 6 & 63 : BASE64_PAD];
        *out++ = base64_digits[left > 2 ? bits & 63 : BASE64_PAD];
    }
    *out = '\0';
}

/* Nothing that would end a header's line. */
static bool is_header_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((uint8_t)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static pen_status basic(struct pen_sink *sink, struct pen_err *err)
{
    char plain[SECRET_BYTES_MAX];
    const struct pen_sink_spec *spec = &sink->spec;
    if (strchr(spec->user, ':') != NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "the user of the opensearch sink has a colon, which basic "
                        "authentication cannot send");
    }
    const int len = snprintf(plain, sizeof(plain), "%s:%s", spec->user, spec->password);
    if (len < 0 || (size_t)len >= sizeof(plain)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "user or password of the opensearch sink is too long");
    }
    memcpy(sink->authorization, "Basic ", 6);
    base64((pen_slice){(const uint8_t *)plain, (size_t)len}, sink->authorization + 6);
    explicit_bzero(plain, sizeof(plain));
    return PEN_OK;
}

static pen_status authorize(struct pen_sink *sink, struct pen_err *err)
{
    const struct pen_sink_spec *spec = &sink->spec;
    const bool has_basic = spec->user != NULL || spec->password != NULL;
    if (has_basic + (spec->api_key != NULL) + (spec->sigv4_service != NULL) > 1) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "the opensearch sink has more than one way to authenticate: user and "
                        "password, api_key, or sigv4");
    }
    if (has_basic && (spec->user == NULL || spec->password == NULL)) {
        return PEN_FAIL(
            err, PEN_E_USAGE, PEN_NO_OFFSET, "the opensearch sink has a %s without a %s",
            spec->user == NULL ? "password" : "user", spec->user == NULL ? "user" : "password");
    }
    if (spec->key_file != NULL && spec->cert_file == NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "the opensearch sink has a client_key without a client_cert");
    }
    if (has_basic) {
        return basic(sink, err);
    }
    if (spec->api_key != NULL) {
        if (strlen(spec->api_key) >= SECRET_BYTES_MAX || !is_header_text(spec->api_key)) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                            "the api_key of the opensearch sink is no line of text");
        }
        (void)snprintf(sink->authorization, sizeof(sink->authorization), "ApiKey %s",
                       spec->api_key);
    }
    return PEN_OK;
}

/* ---- nodes ---- */

static pen_status nodes_parse(struct pen_sink *sink, struct pen_err *err)
{
    pen_slice rest = pen_slice_str(sink->spec.urls);
    pen_slice url;
    while (pen_slice_split(&rest, ',', &url)) {
        if (sink->node_count == PEN_POST_NODES_MAX) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "more than %u nodes of a cluster",
                            PEN_POST_NODES_MAX);
        }
        PEN_TRY(pen_post_node_parse(pen_slice_trim(url), &sink->nodes[sink->node_count], err));
        sink->node_count++;
    }
    return PEN_OK;
}

/* A password that travels in the clear is for a host that is this one. */
static pen_status secrets_check(const struct pen_sink *sink, struct pen_err *err)
{
    for (uint32_t i = 0; i < sink->node_count; i++) {
        const struct pen_post_node *node = &sink->nodes[i];
        const bool is_local = strcmp(node->host, "localhost") == 0 ||
                              strncmp(node->host, "127.", 4) == 0 || strcmp(node->host, "::1") == 0;
        if (sink->authorization[0] != '\0' && !node->is_tls && !is_local) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                            "http://%s: a password or key would be sent in the clear: use https://",
                            node->authority);
        }
    }
    return PEN_OK;
}

/* What the spec leaves open is in the names of Amazon's own endpoints. */
static pen_status signing_find(struct pen_sink *sink, struct pen_err *err)
{
    struct pen_sink_spec *spec = &sink->spec;
    const char *host = sink->nodes[0].host;
    const bool has_other = spec->user != NULL || spec->password != NULL || spec->api_key != NULL;
    const bool is_auto = spec->sigv4_service != NULL && strcmp(spec->sigv4_service, "auto") == 0;
    pen_slice service = {0};
    pen_slice region = {0};
    const bool is_known = pen_search_of_host(pen_slice_str(host), &service, &region);
    const bool is_serverless = is_known && pen_slice_eq(service, PEN_SLICE_LIT("aoss"));
    if (spec->sigv4_service == NULL && (has_other || !is_serverless)) {
        return PEN_OK;
    }
    if (!is_known && (is_auto || spec->sigv4_region == NULL)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "the opensearch sink: %s is no endpoint of Amazon's that tells how it is "
                        "signed: give sigv4 (es or aoss) and region",
                        host);
    }
    if (spec->sigv4_service == NULL || is_auto) {
        spec->sigv4_service = is_serverless ? "aoss" : "es";
    }
    if (spec->sigv4_region == NULL) {
        memcpy(sink->region, region.ptr, region.len); /* shorter than the host it is of */
        spec->sigv4_region = sink->region;
    }
    return PEN_OK;
}

/* One that is known is enough: the others may be down, and join when they are there. */
static pen_status nodes_resolve(struct pen_sink *sink, struct pen_err *err)
{
    struct pen_err first = {0};
    uint32_t known = 0;
    for (uint32_t i = 0; i < sink->node_count; i++) {
        struct pen_err why;
        if (pen_post_node_resolve(&sink->nodes[i], sink->spec.resolve, &why) == PEN_OK) {
            known++;
        } else if (first.status == PEN_OK) {
            first = why;
        }
    }
    if (known == 0) {
        return PEN_FAIL(err, first.status, PEN_NO_OFFSET, "the opensearch sink: %s", first.text);
    }
    return PEN_OK;
}

void pen_sink_addresses(const struct pen_sink *sink, struct pen_sink_addresses *out)
{
    *out = (struct pen_sink_addresses){0};
    for (uint32_t i = 0; i < sink->node_count; i++) {
        out->nodes[i] = sink->nodes[i].addresses;
    }
}

const char *pen_sink_host(const struct pen_sink *sink, uint32_t node, uint16_t *port)
{
    if (node >= sink->node_count) {
        return NULL;
    }
    *port = sink->nodes[node].port;
    return sink->nodes[node].host;
}

static pen_status renewal_open(struct pen_sink *sink, struct pen_err *err)
{
    const struct pen_sink_spec *spec = &sink->spec;
    struct pen_credential_chain *chain = NULL;
    if (spec->sigv4_service == NULL) {
        return PEN_OK;
    }
    const struct pen_credential_options options = {.region = pen_slice_str(spec->sigv4_region),
                                                   .timeout_ns = spec->credentials_timeout_ns};
    PEN_TRY(pen_credential_chain_new(&chain, &options, err));
    return pen_renewal_start(&chain, spec->credentials_retry_ns, &sink->renewal, err);
}

pen_status pen_sink_open(const struct pen_sink_spec *spec, struct pen_sink **out,
                         struct pen_err *err)
{
    struct pen_sink *sink = calloc(1, sizeof(*sink));
    if (sink == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "the opensearch sink: out of memory");
    }
    sink->spec = *spec;
    pen_status st = nodes_parse(sink, err);
    st = st == PEN_OK ? signing_find(sink, err) : st;
    st = st == PEN_OK ? authorize(sink, err) : st;
    st = st == PEN_OK ? secrets_check(sink, err) : st;
    st = st == PEN_OK ? nodes_resolve(sink, err) : st;
    st = st == PEN_OK ? renewal_open(sink, err) : st;
    if (st != PEN_OK) {
        pen_sink_free(sink);
        return st;
    }
    *out = sink;
    return PEN_OK;
}

void pen_sink_free(struct pen_sink *sink)
{
    if (sink != NULL) {
        explicit_bzero(sink->authorization, sizeof(sink->authorization));
        pen_renewal_free(sink->renewal);
        free(sink);
    }
}

/* ---- what requests need ---- */

struct pen_renewal *pen_sink_renewal(const struct pen_sink *sink)
{
    return sink->renewal;
}

pen_status sink_sign(const struct pen_sink *sink, struct pen_poster *poster, struct pen_err *err)
{
    if (sink->renewal == NULL) {
        return PEN_OK;
    }
    const struct pen_credentials credentials = pen_renewal_credentials(sink->renewal);
    return pen_poster_credentials(poster, &credentials, err);
}

bool sink_is_serverless(const struct pen_sink *sink)
{
    return sink->spec.sigv4_service != NULL && strcmp(sink->spec.sigv4_service, "aoss") == 0;
}

const struct pen_resolve_wait *sink_resolve(const struct pen_sink *sink)
{
    return sink->spec.resolve;
}

struct pen_poster_options sink_poster(const struct pen_sink *sink, uint32_t in_flight_max,
                                      int64_t answer_ns)
{
    const struct pen_sink_spec *spec = &sink->spec;
    return (struct pen_poster_options){
        .nodes = sink->nodes,
        .node_count = sink->node_count,
        .in_flight_max = in_flight_max,
        .connect_ns = CONNECT_NS,
        .answer_ns = answer_ns,
        .ca_file = spec->ca_file,
        .cert_file = spec->cert_file,
        .key_file = spec->key_file,
        .authorization = sink->authorization[0] == '\0' ? NULL : sink->authorization,
        .sigv4_service = spec->sigv4_service,
        .sigv4_region = spec->sigv4_region};
}

uint32_t sink_node_count(const struct pen_sink *sink)
{
    return sink->node_count;
}
