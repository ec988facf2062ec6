/* tested by tests/unit/net/test_credentials_servers.py */
#include "http_call.h"

#include <curl/curl.h>

#include <openssl/crypto.h>
#include <poll.h>

#define NS_PER_MS INT64_C(1000000)

struct receiver {
    struct pen_buf *body;
    pen_status status;
};

void pen_http_reply_init(struct http_reply *reply)
{
    reply->status = 0;
    pen_buf_init(&reply->body, HTTP_CALL_REPLY_MAX + HTTP_CALL_SLACK);
}

void pen_http_reply_fini(struct http_reply *reply)
{
    if (reply->body.ptr != NULL) {
        OPENSSL_cleanse(reply->body.ptr, reply->body.cap);
    }
    pen_buf_fini(&reply->body);
}

/* A short count ends the transfer.  NOLINTNEXTLINE(readability-non-const-parameter): their type */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct receiver *r = ctx;
    const pen_slice piece = {(const uint8_t *)bytes, size * count};
    r->status =
        piece.len <= HTTP_CALL_REPLY_MAX - r->body->len ? pen_buf_add(r->body, piece) : PEN_E_LIMIT;
    return r->status == PEN_OK ? piece.len : 0;
}

/* libcurl calls it once a second at least; not 0 ends the transfer. */
static int on_progress(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    const int *stop_fd = ctx;
    struct pollfd stop = {.fd = *stop_fd, .events = POLLIN};
    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    return poll(&stop, 1, 0) > 0;
}

static pen_status headers_of(const struct http_call *call, struct curl_slist **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < HTTP_CALL_HEADERS_MAX && call->headers[i] != NULL; i++) {
        struct curl_slist *longer = curl_slist_append(*out, call->headers[i]);
        if (longer == NULL) {
            curl_slist_free_all(*out);
            *out = NULL;
            return PEN_E_NOMEM;
        }
        *out = longer;
    }
    return PEN_OK;
}

/* A name server that does not answer is not waited for either: the look-up ends by itself. */
static uint32_t stop_set(CURL *easy, const struct http_call *call)
{
    uint32_t bad = curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    if (call->stop_fd != NULL) {
        bad |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        bad |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
        bad |= curl_easy_setopt(easy, CURLOPT_XFERINFODATA, call->stop_fd);
    }
    return bad;
}

static bool options_set(CURL *easy, const struct http_call *call, struct curl_slist *headers,
                        struct receiver *receiver)
{
    uint32_t bad = CURLE_OK; /* codes of all, or nothing */
    bad |= curl_easy_setopt(easy, CURLOPT_URL, call->url);
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ns / NS_PER_MS));
    bad |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(call->timeout_ns / NS_PER_MS));
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, receiver);
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "penstock");
    if (call->ca_file != NULL) {
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file);
    }
    if (call->is_direct) {
        bad |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    if (call->body.len > 0) {
        bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)call->body.len);
        bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)call->body.ptr);
    }
    bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    bad |= stop_set(easy, call);
    return bad == CURLE_OK;
}

/* A fixed size from the start: growing would leave copies of secrets behind. */
static pen_status receiver_begin(struct receiver *r, struct http_reply *reply)
{
    reply->status = 0;
    reply->body.len = 0;
    *r = (struct receiver){.body = &reply->body};
    return pen_buf_reserve(&reply->body, HTTP_CALL_REPLY_MAX + HTTP_CALL_SLACK);
}

static pen_status performed(CURL *easy, const struct http_call *call,
                            const struct receiver *receiver, struct http_reply *reply,
                            struct pen_err *err)
{
    long status = 0;
    const CURLcode code = curl_easy_perform(easy);
    if (receiver->status != PEN_OK) {
        return PEN_FAIL(err, receiver->status, PEN_NO_OFFSET, "a reply of more than %zu bytes",
                        HTTP_CALL_REPLY_MAX);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "no reply within %lld ms",
                        (long long)(call->timeout_ns / NS_PER_MS));
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "given up");
    }
    if (code != CURLE_OK) {
        return PEN_FAIL(err, code == CURLE_OUT_OF_MEMORY ? PEN_E_NOMEM : PEN_E_IO, PEN_NO_OFFSET,
                        "%s", curl_easy_strerror(code));
    }
    if (curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "a reply without a status");
    }
    reply->status = (uint32_t)status;
    return PEN_OK;
}

pen_status pen_http_call(const struct http_call *call, struct http_reply *reply,
                         struct pen_err *err)
{
    struct curl_slist *headers = NULL;
    struct receiver receiver;
    pen_status status = receiver_begin(&receiver, reply);
    CURL *easy = status == PEN_OK ? curl_easy_init() : NULL;
    if (easy == NULL || headers_of(call, &headers) != PEN_OK ||
        !options_set(easy, call, headers, &receiver)) {
        status = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory for a request");
    } else {
        status = performed(easy, call, &receiver, reply, err);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    return status;
}
