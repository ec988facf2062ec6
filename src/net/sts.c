/* tested by tests/unit/net/test_credentials_servers.py */
#include "credentials.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define TRIES 3
#define TIMEOUT_NS (5 * PEN_NS_PER_S)
#define FIRST_PAUSE_NS (200 * INT64_C(1000000)) /* before the second try; then twice as long */
#define URL_MAX (PEN_S3_HOST_MAX + 32)
#define BODY_MAX ((size_t)65536)
#define ARN_SHOWN_MAX 70 /* bytes in an error: the server's reason must fit */
#define FORM "application/x-www-form-urlencoded; charset=utf-8"

struct place {
    char region[PEN_SIGV4_SCOPE_MAX];
    char authority[PEN_S3_HOST_MAX + 7];
    char url[URL_MAX];
};

/* A request that is sent as often as it must be. */
struct request {
    const char *action;
    pen_slice arn;
    const struct credential_set *by; /* NULL: not signed */
    struct place place;
    struct pen_buf body;
    struct pen_buf signing;
    struct pen_buf headers; /* strings, one behind the other; they have secrets */
};

/* ---- where ---- */

static pen_slice given_endpoint(const struct pen_credential_chain *chain)
{
    if (chain->options.sts_endpoint.len > 0) {
        return chain->options.sts_endpoint;
    }
    const char *ignore = pen_credential_env(chain, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if (ignore != NULL && pen_slice_eq_nocase(pen_slice_str(ignore), PEN_SLICE_LIT("true"))) {
        return (pen_slice){NULL, 0};
    }
    const char *url = pen_credential_env(chain, "AWS_ENDPOINT_URL_STS");
    if (url == NULL) {
        url = pen_credential_env(chain, "AWS_ENDPOINT_URL");
    }
    return url == NULL ? (pen_slice){NULL, 0} : pen_slice_str(url);
}

/* Endpoints of STS are written as those of S3 are, and have the same regions. */
static pen_status place_of(struct pen_credential_chain *chain, struct place *out,
                           struct pen_err *err)
{
    struct pen_s3_endpoint e;
    pen_slice region = {NULL, 0};
    const bool has_region = pen_credential_region_near(chain, &region);
    const struct pen_s3_place place = {
        .bucket = PEN_SLICE_LIT("sts"), .region = region, .endpoint_url = given_endpoint(chain)};
    if (pen_s3_endpoint_of(&place, &e, err) != PEN_OK) {
        return credential_status(err, PEN_E_CONFIG);
    }
    int len = 0;
    if (e.is_given) {
        len = snprintf(out->authority, sizeof(out->authority), "%s", e.authority);
    } else if (!has_region) {
        len = snprintf(out->authority, sizeof(out->authority), "sts.amazonaws.com");
    } else {
        const bool is_china = strcmp(pen_s3_partition(region), "aws-cn") == 0;
        len = snprintf(out->authority, sizeof(out->authority), "sts.%s.amazonaws.com%s", e.region,
                       is_china ? ".cn" : "");
    }
    PEN_CHECK(len > 0 && (size_t)len < sizeof(out->authority));
    memcpy(out->region, e.region, sizeof(out->region));
    len = snprintf(out->url, sizeof(out->url), "%s://%s/", e.is_tls ? "https" : "http",
                   out->authority);
    PEN_CHECK(len > 0 && (size_t)len < sizeof(out->url));
    return PEN_OK;
}

/* ---- what ---- */

static pen_status field_add(struct pen_buf *body, const char *name, pen_slice value)
{
    if (value.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_printf(body, "&%s=", name));
    return pen_uri_encode(body, value, PEN_URI_KEEP_NONE);
}

static pen_status body_make(struct pen_buf *body, const char *action, const struct sts_role *role,
                            pen_slice session_name)
{
    const struct {
        const char *name;
        pen_slice value;
    } fields[] = {
        {"RoleArn", role->arn},
        {"RoleSessionName", role->session_name.len > 0 ? role->session_name : session_name},
        {"ExternalId", role->external_id},
        {"DurationSeconds", role->duration},
    };
    PEN_TRY(pen_buf_reserve(body, BODY_MAX));
    PEN_TRY(pen_buf_printf(body, "Action=%s&Version=2011-06-15", action));
    for (uint32_t i = 0; i < PEN_COUNT(fields); i++) {
        PEN_TRY(field_add(body, fields[i].name, fields[i].value));
    }
    return PEN_OK;
}

static pen_status header_add(struct request *r, struct http_call *call, uint32_t *count,
                             const char *name, pen_slice value)
{
    call->headers[*count] = (const char *)r->headers.ptr + r->headers.len;
    *count += 1;
    PEN_TRY(pen_buf_printf(&r->headers, "%s: ", name));
    PEN_TRY(pen_buf_add(&r->headers, value));
    return pen_buf_add_byte(&r->headers, '\0');
}

static pen_status sign(struct pen_credential_chain *chain, struct request *r,
                       struct pen_sigv4_signed *out, struct pen_err *err)
{
    char hash[PEN_SHA256_HEX];
    const struct pen_credentials who = pen_credential_set_view(r->by);
    const struct pen_pair form = {PEN_SLICE_LIT("content-type"), PEN_SLICE_LIT(FORM)};
    pen_sigv4_hash(pen_buf_slice(&r->body), hash);
    const struct pen_sigv4_request request = {
        .credentials = &who,
        .time_ns = chain->now_ns,
        .region = pen_slice_str(r->place.region),
        .service = PEN_SLICE_LIT("sts"),
        .method = PEN_SLICE_LIT("POST"),
        .host = pen_slice_str(r->place.authority),
        .path = PEN_SLICE_LIT("/"),
        .headers = &form,
        .header_count = 1,
        .payload = {(const uint8_t *)hash, sizeof(hash)},
    };
    return pen_sigv4_sign(chain->signer, &request, &r->signing, out, err);
}

static pen_status headers_make(struct pen_credential_chain *chain, struct request *r,
                               struct http_call *call, struct pen_err *err)
{
    uint32_t count = 0;
    struct pen_sigv4_signed parts;
    r->headers.len = 0;
    /* The strings must not move, and growing leaves copies behind. */
    PEN_TRY(pen_buf_reserve(&r->headers, PEN_SIGV4_BYTES_MAX));
    PEN_TRY(pen_buf_reserve(&r->signing, PEN_SIGV4_BYTES_MAX - r->signing.len));
    PEN_TRY(header_add(r, call, &count, "Content-Type", PEN_SLICE_LIT(FORM)));
    if (r->by == NULL) {
        return PEN_OK;
    }
    PEN_TRY(sign(chain, r, &parts, err));
    PEN_TRY(header_add(r, call, &count, "X-Amz-Date", parts.date));
    PEN_TRY(header_add(r, call, &count, "Authorization", parts.authorization));
    if (parts.token.len > 0) {
        PEN_TRY(header_add(r, call, &count, "X-Amz-Security-Token", parts.token));
    }
    return PEN_OK;
}

/* ---- how ---- */

static pen_status failed(const struct request *r, const struct http_reply *reply,
                         const struct pen_err *why, pen_status status, struct pen_err *err)
{
    const pen_slice arn = pen_slice_sub(r->arn, 0, ARN_SHOWN_MAX);
    if (reply->status == 0) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "%s %.*s: %s", r->action, PEN_SLICE_FMT(arn),
                        why->text);
    }
    return PEN_FAIL(err, status, PEN_NO_OFFSET, "%s %.*s: status %u, %s", r->action,
                    PEN_SLICE_FMT(arn), reply->status, why->text);
}

static pen_status one_try(struct pen_credential_chain *chain, struct request *r,
                          struct http_reply *reply, struct credential_set *out, struct pen_err *err)
{
    struct http_call call = {.method = "POST",
                             .url = r->place.url,
                             .body = pen_buf_slice(&r->body),
                             .ca_file = chain->ca_file,
                             .timeout_ns = TIMEOUT_NS};
    struct pen_err why = {.text = "out of memory"};
    reply->status = 0;
    pen_status status = headers_make(chain, r, &call, &why);
    if (status == PEN_OK) {
        status = pen_credential_call(chain, &call, reply, &why);
    }
    if (status == PEN_OK) {
        status = pen_sts_reply(pen_buf_slice(&reply->body), reply->status != 200, out, &why);
    }
    if (status != PEN_OK && (reply->status >= 500 || reply->status == 429)) {
        status = PEN_E_IO;
    }
    return status == PEN_OK ? PEN_OK : failed(r, reply, &why, status, err);
}

static pen_status all_tries(struct pen_credential_chain *chain, struct request *r,
                            struct credential_set *out, struct pen_err *err)
{
    struct http_reply reply;
    pen_status status = PEN_E_IO;
    pen_http_reply_init(&reply);
    for (uint32_t attempt = 0; attempt < TRIES && status == PEN_E_IO; attempt++) {
        if (attempt > 0 && !pen_credential_pause(chain, FIRST_PAUSE_NS << (attempt - 1))) {
            break;
        }
        status = one_try(chain, r, &reply, out, err);
    }
    pen_http_reply_fini(&reply);
    return status;
}

static void wiped(struct pen_buf *buf)
{
    if (buf->ptr != NULL) {
        OPENSSL_cleanse(buf->ptr, buf->cap);
    }
    pen_buf_fini(buf);
}

static pen_status ask(struct pen_credential_chain *chain, struct request *r,
                      const struct sts_role *role, pen_slice token, struct credential_set *out,
                      struct pen_err *err)
{
    r->arn = role->arn;
    pen_buf_init(&r->body, BODY_MAX);
    pen_buf_init(&r->signing, PEN_SIGV4_BYTES_MAX);
    pen_buf_init(&r->headers, PEN_SIGV4_BYTES_MAX);
    pen_status status = body_make(&r->body, r->action, role, chain->session_name);
    if (status == PEN_OK && token.len > 0) {
        status = field_add(&r->body, "WebIdentityToken", token);
    }
    if (status != PEN_OK) {
        status = PEN_FAIL(err, status, PEN_NO_OFFSET, "%s: a request of more than %zu bytes",
                          r->action, BODY_MAX);
    } else {
        status = place_of(chain, &r->place, err);
    }
    if (status == PEN_OK) {
        status = all_tries(chain, r, out, err);
    }
    wiped(&r->body);
    wiped(&r->signing);
    wiped(&r->headers);
    return status;
}

pen_status pen_sts_assume(struct pen_credential_chain *chain, const struct sts_role *role,
                          const struct credential_set *by, struct credential_set *out,
                          struct pen_err *err)
{
    struct request r = {.action = "AssumeRole", .by = by};
    return ask(chain, &r, role, (pen_slice){NULL, 0}, out, err);
}

pen_status pen_sts_web_identity(struct pen_credential_chain *chain, const struct sts_role *role,
                                const char *token_file, struct credential_set *out,
                                struct pen_err *err)
{
    struct request r = {.action = "AssumeRoleWithWebIdentity"};
    struct pen_buf text;
    pen_buf_init(&text, CREDENTIAL_FILE_MAX);
    pen_status status = pen_credential_file(chain, token_file, &text, err);
    const pen_slice token = pen_slice_trim(pen_buf_slice(&text));
    if (status == PEN_E_NOT_FOUND) {
        status = credential_status(err, PEN_E_CONFIG); /* it is named, so it should be there */
    } else if (status == PEN_OK && token.len == 0) {
        status = PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the token file is empty");
    }
    if (status == PEN_OK) {
        status = ask(chain, &r, role, token, out, err);
    }
    wiped(&text);
    return status;
}
