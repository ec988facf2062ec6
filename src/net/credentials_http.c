/* tested by tests/unit/net/test_credentials_servers.py */
#include "credentials.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdio.h>

#define TIMEOUT_NS (1 * PEN_NS_PER_S) /* of a try: nobody else is on the way */
#define TRIES 2
#define URL_MAX 2048
#define ROLE_MAX 128
#define ROLE_ENCODED_MAX ((size_t)3 * ROLE_MAX)
#define TOKEN_TTL "21600" /* seconds; the most that is given */
#define METADATA "/latest/meta-data/"
#define ROLES METADATA "iam/security-credentials/"

/* ---- container ---- */

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

/* Over plain HTTP only to this host, or to those that containers of ECS and EKS are given. */
static bool is_allowed(const char *host)
{
    return is_loopback(host) || strcmp(host, "169.254.170.2") == 0 ||
           strcmp(host, "169.254.170.23") == 0 || strcmp(host, "[fd00:ec2::23]") == 0;
}

static pen_status full_uri_check(const char *uri, struct pen_err *err)
{
    struct pen_s3_endpoint e;
    const pen_slice scheme_end = PEN_SLICE_LIT("://");
    const pen_slice text = pen_slice_str(uri);
    const size_t at = pen_slice_find(text, scheme_end);
    size_t end = at == SIZE_MAX ? 0 : at + scheme_end.len;
    while (at != SIZE_MAX && end < text.len && strchr("/?#", text.ptr[end]) == NULL) {
        end++;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "AWS_CONTAINER_CREDENTIALS_FULL_URI has a byte that no URL has");
        }
    }
    /* Endpoints of S3 are written in the same form. */
    const struct pen_s3_place place = {.bucket = PEN_SLICE_LIT("container"),
                                       .endpoint_url = pen_slice_sub(text, 0, end)};
    if (at == SIZE_MAX || end == at + scheme_end.len ||
        pen_s3_endpoint_of(&place, &e, NULL) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI is no http or https URL");
    }
    if (!e.is_tls && !is_allowed(e.host)) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI: %.80s is neither this host nor one of "
                        "ECS or EKS, and the URL is not https",
                        e.host);
    }
    return PEN_OK;
}

/* Where it is; PEN_E_NOT_FOUND: nowhere. */
static pen_status container_url(const struct pen_credential_chain *chain, char url[URL_MAX],
                                struct pen_err *err)
{
    const char *relative = pen_credential_env(chain, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = pen_credential_env(chain, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    int len = 0;
    if (relative != NULL) {
        if (relative[0] != '/') {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with \"/\"");
        }
        len = snprintf(url, URL_MAX, "http://169.254.170.2%s", relative);
    } else if (full != NULL) {
        PEN_TRY(full_uri_check(full, err));
        len = snprintf(url, URL_MAX, "%s", full);
    } else {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "no AWS_CONTAINER_*_URI");
    }
    return len > 0 && len < URL_MAX
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "its URI has %d bytes or more", URL_MAX);
}

/* "Authorization: ..." in header, or nothing. */
static pen_status container_token(const struct pen_credential_chain *chain, struct pen_buf *header,
                                  struct pen_err *err)
{
    struct pen_buf text;
    const char *file = pen_credential_env(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = pen_credential_env(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    pen_slice value = token == NULL ? (pen_slice){NULL, 0} : pen_slice_str(token);
    pen_buf_init(&text, CREDENTIAL_FILE_MAX);
    pen_status status = PEN_OK;
    if (file != NULL) {
        status = pen_credential_file(chain, file, &text, err);
        status = status == PEN_E_NOT_FOUND ? credential_status(err, PEN_E_CONFIG) : status;
        value = pen_slice_trim(pen_buf_slice(&text));
    }
    for (size_t i = 0; i < value.len && status == PEN_OK; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] > '~') {
            status = PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                              "the authorization token has a byte that cannot be sent");
        }
    }
    if (status == PEN_OK && value.len > 0 &&
        (pen_buf_reserve(header, header->max) != PEN_OK ||
         pen_buf_add(header, PEN_SLICE_LIT("Authorization: ")) != PEN_OK ||
         pen_buf_add(header, value) != PEN_OK || pen_buf_add_byte(header, '\0') != PEN_OK)) {
        status = PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "the authorization token is too long");
    }
    if (text.ptr != NULL) {
        OPENSSL_cleanse(text.ptr, text.cap);
    }
    pen_buf_fini(&text);
    return status;
}

/* Tries that a server of this host or network is worth: no reply, or one that says "later". */
static pen_status call_twice(const struct pen_credential_chain *chain, const struct http_call *call,
                             struct http_reply *reply, struct pen_err *err)
{
    pen_status status = PEN_E_IO;
    for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
        if (attempt > 0 && !pen_credential_pause(chain, 0)) {
            break;
        }
        status = pen_credential_call(chain, call, reply, err);
        if (status != PEN_E_IO && (status != PEN_OK || reply->status < 500)) {
            break;
        }
    }
    return status;
}

static pen_status container_ask(const struct pen_credential_chain *chain, const char *url,
                                const struct pen_buf *header, struct credential_set *out,
                                struct pen_err *err)
{
    struct http_reply reply;
    const struct http_call call = {
        .method = "GET",
        .url = url,
        .headers = {"Accept: application/json", header->len > 0 ? (const char *)header->ptr : NULL},
        .ca_file = chain->ca_file,
        .timeout_ns = 2 * TIMEOUT_NS,
        .is_direct = true};
    pen_http_reply_init(&reply);
    pen_status status = call_twice(chain, &call, &reply, err);
    if (status == PEN_OK && reply.status != 200) {
        status = PEN_FAIL(err, reply.status < 500 ? PEN_E_DENIED : PEN_E_IO, PEN_NO_OFFSET,
                          "its endpoint replies with status %u", reply.status);
    } else if (status == PEN_OK) {
        status = pen_credential_json(&reply.body, CREDENTIAL_OF_SERVER, out, err);
    }
    pen_http_reply_fini(&reply);
    return status;
}

pen_status pen_credentials_container(struct pen_credential_chain *chain, struct credential_set *out,
                                     struct pen_err *err)
{
    char url[URL_MAX];
    struct pen_buf header;
    PEN_TRY(container_url(chain, url, err));
    pen_buf_init(&header, HTTP_CALL_HEADER_MAX);
    pen_status status = container_token(chain, &header, err);
    if (status == PEN_OK) {
        status = container_ask(chain, url, &header, out, err);
    }
    if (header.ptr != NULL) {
        OPENSSL_cleanse(header.ptr, header.cap);
    }
    pen_buf_fini(&header);
    return status;
}

/* ---- instance ---- */

struct metadata { /* a session of IMDSv2 */
    const struct pen_credential_chain *chain;
    char base[URL_MAX];
    char token[256 + 32]; /* the header with it */
    struct http_reply *reply;
};

static pen_status metadata_base(const struct pen_credential_chain *chain, struct metadata *m,
                                struct pen_err *err)
{
    const char *off = pen_credential_env(chain, "AWS_EC2_METADATA_DISABLED");
    const char *url = pen_credential_env(chain, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = pen_credential_env(chain, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (off != NULL && pen_slice_eq_nocase(pen_slice_str(off), PEN_SLICE_LIT("true"))) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "AWS_EC2_METADATA_DISABLED is set");
    }
    if (url == NULL) {
        const bool is_v6 =
            mode != NULL && pen_slice_eq_nocase(pen_slice_str(mode), PEN_SLICE_LIT("ipv6"));
        url = is_v6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    }
    const size_t len = strlen(url);
    const bool has_slash = len > 0 && url[len - 1] == '/';
    const int written =
        snprintf(m->base, sizeof(m->base), "%.*s", (int)(has_slash ? len - 1 : len), url);
    return written > 0 && (size_t)written < sizeof(m->base)
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                          "AWS_EC2_METADATA_SERVICE_ENDPOINT is empty or too long");
}

/* One line of what can be printed and is part of a path. */
static bool is_plain_word(pen_slice s, size_t max)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0 && s.len <= max;
}

/* A host that does not answer this is no instance, so the chain goes on. */
static pen_status metadata_token(struct metadata *m, struct pen_err *err)
{
    char url[URL_MAX + 32];
    struct pen_err why;
    const struct http_call call = {.method = "PUT",
                                   .url = url,
                                   .headers = {"X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL},
                                   .timeout_ns = TIMEOUT_NS,
                                   .is_direct = true};
    (void)snprintf(url, sizeof(url), "%s/latest/api/token", m->base);
    const pen_status status = call_twice(m->chain, &call, m->reply, &why);
    if (status != PEN_OK) {
        return PEN_FAIL(err, status == PEN_E_IO ? PEN_E_NOT_FOUND : status, PEN_NO_OFFSET,
                        "%.80s: %s, %d tries", m->base, why.text, TRIES);
    }
    const pen_slice token = pen_slice_trim(pen_buf_slice(&m->reply->body));
    if (m->reply->status != 200) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "%.80s: status %u for a token",
                        m->base, m->reply->status);
    }
    if (!is_plain_word(token, 256)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "%.80s: a token of no such form",
                        m->base);
    }
    (void)snprintf(m->token, sizeof(m->token), "X-aws-ec2-metadata-token: %.*s", (int)token.len,
                   (const char *)token.ptr);
    return PEN_OK;
}

static pen_status metadata_get(struct metadata *m, const char *path, const char *name,
                               struct pen_err *err)
{
    char url[URL_MAX + ROLE_ENCODED_MAX + 64];
    const struct http_call call = {.method = "GET",
                                   .url = url,
                                   .headers = {m->token},
                                   .timeout_ns = TIMEOUT_NS,
                                   .is_direct = true};
    (void)snprintf(url, sizeof(url), "%s%s%s", m->base, path, name);
    PEN_TRY(call_twice(m->chain, &call, m->reply, err));
    if (m->reply->status == 404) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "%.80s: it has no %s", m->base, path);
    }
    return m->reply->status == 200
               ? PEN_OK
               : PEN_FAIL(err, m->reply->status < 500 ? PEN_E_DENIED : PEN_E_IO, PEN_NO_OFFSET,
                          "%.80s: status %u for %s", m->base, m->reply->status, path);
}

static pen_status role_credentials(struct metadata *m, struct credential_set *out,
                                   struct pen_err *err)
{
    char role[ROLE_ENCODED_MAX + 1];
    struct pen_buf encoded;
    PEN_TRY(metadata_get(m, ROLES, "", err));
    pen_slice rest = pen_slice_trim(pen_buf_slice(&m->reply->body));
    pen_slice line = {NULL, 0};
    if (!pen_slice_split(&rest, '\n', &line) || !is_plain_word(pen_slice_trim(line), ROLE_MAX)) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "%.80s: the instance has no role",
                        m->base);
    }
    pen_buf_init(&encoded, ROLE_ENCODED_MAX);
    pen_status status = pen_uri_encode(&encoded, pen_slice_trim(line), PEN_URI_KEEP_NONE);
    (void)snprintf(role, sizeof(role), "%.*s", (int)encoded.len, (const char *)encoded.ptr);
    pen_buf_fini(&encoded);
    if (status != PEN_OK) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "out of memory");
    }
    PEN_TRY(metadata_get(m, ROLES, role, err));
    return pen_credential_json(&m->reply->body, CREDENTIAL_OF_SERVER, out, err);
}

pen_status pen_credentials_instance(struct pen_credential_chain *chain, struct credential_set *out,
                                    struct pen_err *err)
{
    struct http_reply reply;
    struct metadata m = {.chain = chain, .reply = &reply};
    PEN_TRY(metadata_base(chain, &m, err));
    pen_http_reply_init(&reply);
    pen_status status = metadata_token(&m, err);
    if (status == PEN_OK) {
        status = role_credentials(&m, out, err);
    }
    pen_http_reply_fini(&reply);
    OPENSSL_cleanse(m.token, sizeof(m.token));
    return status;
}

pen_status pen_instance_region(struct pen_credential_chain *chain, struct http_reply *reply,
                               pen_slice *out, struct pen_err *err)
{
    struct metadata m = {.chain = chain, .reply = reply};
    *out = (pen_slice){NULL, 0};
    PEN_TRY(metadata_base(chain, &m, err));
    PEN_TRY(metadata_token(&m, err));
    PEN_TRY(metadata_get(&m, METADATA "placement/region", "", err));
    *out = pen_slice_trim(pen_buf_slice(&reply->body));
    return PEN_OK;
}
