#include "sigv4.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

pen_status pen_sigv4_new(struct pen_sigv4 **out, struct pen_err *err)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signer: out of memory");
    }
    return PEN_OK;
}

void pen_sigv4_free(struct pen_sigv4 *signer)
{
    if (signer != NULL) {
        OPENSSL_cleanse(signer, sizeof(*signer));
        free(signer);
    }
}

void pen_sigv4_hash(pen_slice body, char out[PEN_SHA256_HEX])
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    pen_sha256(body, sum);
    pen_sha256_hex(sum, out);
}

static pen_status hex_add(struct pen_buf *buf, const uint8_t sum[SHA256_DIGEST_LENGTH])
{
    PEN_TRY(pen_buf_reserve(buf, SHA256_HEX));
    pen_sha256_hex(sum, (char *)buf->ptr + buf->len);
    buf->len += SHA256_HEX;
    return PEN_OK;
}

/* "20130524/us-east-1/s3/aws4_request" */
static pen_status scope_add(struct pen_buf *buf, const struct pen_sigv4_request *request,
                            struct span date)
{
    PEN_TRY(pen_span_add(buf, (struct span){date.from, SIGV4_DAY_LEN}));
    PEN_TRY(pen_buf_add_byte(buf, '/'));
    PEN_TRY(pen_buf_add(buf, request->region));
    PEN_TRY(pen_buf_add_byte(buf, '/'));
    PEN_TRY(pen_buf_add(buf, request->service));
    return pen_buf_add(buf, PEN_SLICE_LIT("/aws4_request"));
}

static pen_status string_to_sign_add(struct pen_buf *buf, const struct pen_sigv4_request *request,
                                     const struct sigv4_parts *parts)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    PEN_TRY(pen_buf_add(buf, PEN_SLICE_LIT(ALGORITHM "\n")));
    PEN_TRY(pen_span_add(buf, parts->date));
    PEN_TRY(pen_buf_add_byte(buf, '\n'));
    PEN_TRY(scope_add(buf, request, parts->date));
    PEN_TRY(pen_buf_add_byte(buf, '\n'));
    pen_sha256(span_slice(buf, parts->canonical), sum);
    return hex_add(buf, sum);
}

static pen_status authorization_add(struct pen_buf *buf, const struct pen_sigv4_request *request,
                                    const struct sigv4_parts *parts,
                                    const uint8_t sum[SHA256_DIGEST_LENGTH])
{
    PEN_TRY(pen_buf_add(buf, PEN_SLICE_LIT(ALGORITHM " Credential=")));
    PEN_TRY(pen_buf_add(buf, request->credentials->access_key));
    PEN_TRY(pen_buf_add_byte(buf, '/'));
    PEN_TRY(scope_add(buf, request, parts->date));
    PEN_TRY(pen_buf_add(buf, PEN_SLICE_LIT(", SignedHeaders=")));
    PEN_TRY(pen_span_add(buf, parts->signed_names));
    PEN_TRY(pen_buf_add(buf, PEN_SLICE_LIT(", Signature=")));
    return hex_add(buf, sum);
}

static pen_status sign(struct pen_sigv4 *signer, const struct pen_sigv4_request *request,
                       struct pen_buf *buf, struct pen_sigv4_signed *out, struct pen_err *err)
{
    struct sigv4_parts parts = {.is_payload_sent = false};
    uint8_t sum[SHA256_DIGEST_LENGTH];
    PEN_TRY(pen_sigv4_canonical(request, buf, &parts, err));
    const size_t from = buf->len;
    PEN_TRY(string_to_sign_add(buf, request, &parts));
    const struct span text = span_since(buf, from);
    const pen_slice day = {buf->ptr + parts.date.from, SIGV4_DAY_LEN};
    pen_hmac_of(pen_sigv4_key(signer, request, day), span_slice(buf, text), sum);
    const size_t last = buf->len;
    PEN_TRY(authorization_add(buf, request, &parts, sum));
    *out = (struct pen_sigv4_signed){
        .target = span_slice(buf, parts.target),
        .host = span_slice(buf, parts.host),
        .date = span_slice(buf, parts.date),
        .payload = parts.is_payload_sent ? span_slice(buf, parts.payload) : (pen_slice){0},
        .token = span_slice(buf, parts.token),
        .authorization = span_slice(buf, span_since(buf, last)),
        .canonical = span_slice(buf, parts.canonical),
        .string_to_sign = span_slice(buf, text),
    };
    return PEN_OK;
}

pen_status pen_sigv4_sign(struct pen_sigv4 *signer, const struct pen_sigv4_request *request,
                          struct pen_buf *buf, struct pen_sigv4_signed *out, struct pen_err *err)
{
    struct pen_err found = {.status = PEN_OK};
    *out = (struct pen_sigv4_signed){.target = {0}};
    buf->len = 0;
    const pen_status status = sign(signer, request, buf, out, &found);
    if (status == PEN_OK) {
        return PEN_OK;
    }
    if (found.status != status) { /* the buffer refused */
        return PEN_FAIL(err, status, PEN_NO_OFFSET,
                        "signature: a request of more than %zu bytes, or no memory for it",
                        buf->max);
    }
    if (err != NULL) {
        *err = found;
    }
    return status;
}
