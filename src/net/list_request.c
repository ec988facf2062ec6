/* tested by tests/unit/net/test_list_server.py */
#include "list.h"

#include <stdio.h>

#define USER_AGENT "penstock"
#define NS_PER_MS INT64_C(1000000)

/* Counted as bytes of the response, so that a stall is seen; S3 sends no header that we store. */
static size_t on_header(const char *bytes, size_t size, size_t count, void *ctx)
{
    struct listing *l = ctx;
    (void)bytes;
    l->progress_ns = pen_clock_mono_ns();
    return size * count;
}

/* Anything but all of its bytes makes libcurl drop the connection: of no use with a body that is no
 * listing, since all of it would have to be read first. */
static size_t on_body(const char *bytes, size_t size, size_t count, void *ctx)
{
    struct listing *l = ctx;
    const pen_slice body = {(const uint8_t *)bytes, size * count};
    l->progress_ns = pen_clock_mono_ns();
    l->body_bytes += body.len;
    if (l->xml_status == PEN_OK) {
        l->xml_status = pen_list_xml_push(l->xml, body, &l->xml_err);
    }
    return l->xml_status == PEN_OK ? body.len : 0;
}

#define SET(easy, option, value) (curl_easy_setopt((easy), (option), (value)) == CURLE_OK)

static bool constants_set(struct listing *l)
{
    CURL *e = l->easy;
    const struct pen_s3_list_options *o = &l->list->options;
    return SET(e, CURLOPT_PRIVATE, l) && SET(e, CURLOPT_ERRORBUFFER, l->curl_error) &&
           SET(e, CURLOPT_HEADERFUNCTION, on_header) && SET(e, CURLOPT_HEADERDATA, l) &&
           SET(e, CURLOPT_WRITEFUNCTION, on_body) && SET(e, CURLOPT_WRITEDATA, l) &&
           SET(e, CURLOPT_PROTOCOLS_STR, "http,https") && SET(e, CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(e, CURLOPT_PATH_AS_IS, 1L) && SET(e, CURLOPT_NOSIGNAL, 1L) &&
           SET(e, CURLOPT_TCP_KEEPALIVE, 1L) && SET(e, CURLOPT_USERAGENT, USER_AGENT) &&
           SET(e, CURLOPT_SSL_VERIFYPEER, 1L) && SET(e, CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (l->list->ca_file == NULL ||
            (SET(e, CURLOPT_CAINFO, l->list->ca_file) && SET(e, CURLOPT_CAPATH, (char *)NULL))) &&
           SET(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_ns / NS_PER_MS)) &&
           SET(e, CURLOPT_TIMEOUT_MS, (long)(o->request_ns / NS_PER_MS));
}

pen_status pen_listing_prepare(struct listing *l, struct pen_err *err)
{
    if (l->xml == NULL) {
        PEN_TRY(pen_list_xml_new(&l->xml, err));
        pen_buf_init(&l->text, PEN_SIGV4_BYTES_MAX);
        pen_buf_init(&l->url, URL_BYTES_MAX);
        pen_buf_init(&l->token, LIST_XML_FIELD_MAX);
    }
    if (l->easy == NULL) {
        l->easy = curl_easy_init();
        if (l->easy != NULL && constants_set(l)) {
            return PEN_OK;
        }
        curl_easy_cleanup(l->easy);
        l->easy = NULL;
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: libcurl gives no handle");
    }
    return PEN_OK;
}

void pen_listing_fini(struct listing *l)
{
    curl_easy_cleanup(l->easy);
    curl_slist_free_all(l->headers);
    if (l->xml != NULL) {
        pen_list_xml_free(l->xml);
        pen_buf_fini(&l->text);
        pen_buf_fini(&l->url);
        pen_buf_fini(&l->token);
    }
}

uint64_t pen_listing_credentials(const struct listing *l)
{
    const struct pen_credentials *c = l->credentials;
    return c == NULL ? 0
                     : pen_hash64(c->access_key,
                                  pen_hash64(c->secret_key, pen_hash64(c->session_token, 0)));
}

static bool is_signed(const struct listing *l)
{
    return l->credentials != NULL && l->credentials->access_key.len > 0;
}

/* ---- signing ---- */

struct query {
    struct pen_pair pairs[8];
    uint32_t count;
};

static void query_add(struct query *q, const char *name, pen_slice value)
{
    if (value.len > 0) {
        PEN_CHECK(q->count < PEN_COUNT(q->pairs));
        q->pairs[q->count++] = (struct pen_pair){pen_slice_str(name), value};
    }
}

static pen_status sign(struct listing *l, struct pen_sigv4_signed *out, struct pen_err *err)
{
    /* Without credentials only the target of the signature is used. */
    static const struct pen_credentials nobody = {.access_key = {(const uint8_t *)"-", 1},
                                                  .secret_key = {(const uint8_t *)"-", 1}};
    static const struct pen_pair payer = {{(const uint8_t *)"x-amz-request-payer", 19},
                                          {(const uint8_t *)"requester", 9}};
    struct query q = {.count = 0};
    char number[16];
    const pen_slice token = pen_buf_slice(&l->token);
    const int digits = snprintf(number, sizeof(number), "%u", l->page_keys);
    PEN_CHECK(digits > 0 && (size_t)digits < sizeof(number));
    query_add(&q, "list-type", PEN_SLICE_LIT("2"));
    query_add(&q, "encoding-type", PEN_SLICE_LIT("url"));
    query_add(&q, "max-keys", pen_slice_str(number));
    query_add(&q, "prefix", (pen_slice){l->prefix, l->prefix_len});
    query_add(&q, "delimiter", (pen_slice){l->delimiter, l->delimiter_len});
    query_add(&q, "continuation-token", token);
    if (token.len == 0) {
        query_add(&q, "start-after", (pen_slice){l->start_after, l->start_after_len});
    }
    l->signed_ns = pen_clock_wall_ns() + l->list->stats.skew_ns;
    l->signed_by = pen_listing_credentials(l);
    const struct pen_sigv4_request request = {
        .credentials = is_signed(l) ? l->credentials : &nobody,
        .time_ns = l->signed_ns,
        .region = pen_slice_str(l->endpoint.region),
        .service = PEN_SLICE_LIT("s3"),
        .method = PEN_SLICE_LIT("GET"),
        .host = pen_slice_str(l->endpoint.authority),
        .bucket = pen_slice_str(l->endpoint.bucket),
        .is_virtual_host = l->endpoint.is_virtual_host,
        .path = PEN_SLICE_LIT("/"),
        .query = q.pairs,
        .query_count = q.count,
        .headers = &payer,
        .header_count = l->is_requester_pays ? 1 : 0,
    };
    return pen_sigv4_sign(l->list->signer, &request, &l->text, out, err);
}

/* ---- headers ---- */

/* In the url buffer, which is written behind it later. */
static pen_status header_add(struct listing *l, const char *name, pen_slice value)
{
    l->url.len = 0;
    PEN_TRY(pen_buf_add(&l->url, pen_slice_str(name)));
    PEN_TRY(pen_buf_add(&l->url, PEN_SLICE_LIT(": ")));
    PEN_TRY(pen_buf_add(&l->url, value));
    PEN_TRY(pen_buf_add_byte(&l->url, '\0'));
    struct curl_slist *more = curl_slist_append(l->headers, (const char *)l->url.ptr);
    if (more == NULL) {
        return PEN_E_NOMEM;
    }
    l->headers = more;
    return PEN_OK;
}

static pen_status headers_set(struct listing *l, const struct pen_sigv4_signed *s)
{
    curl_slist_free_all(l->headers);
    l->headers = NULL;
    PEN_TRY(header_add(l, "Host", s->host));
    if (l->is_requester_pays) {
        PEN_TRY(header_add(l, "x-amz-request-payer", PEN_SLICE_LIT("requester")));
    }
    if (!is_signed(l)) {
        return PEN_OK;
    }
    PEN_TRY(header_add(l, "X-Amz-Date", s->date));
    PEN_TRY(header_add(l, "X-Amz-Content-Sha256", s->payload));
    if (s->token.len > 0) {
        PEN_TRY(header_add(l, "X-Amz-Security-Token", s->token));
    }
    return header_add(l, "Authorization", s->authorization);
}

static pen_status url_set(struct listing *l, const struct pen_sigv4_signed *s)
{
    l->url.len = 0;
    PEN_TRY(pen_buf_add(&l->url,
                        l->endpoint.is_tls ? PEN_SLICE_LIT("https://") : PEN_SLICE_LIT("http://")));
    PEN_TRY(pen_buf_add(&l->url, s->host));
    PEN_TRY(pen_buf_add(&l->url, s->target));
    return pen_buf_add_byte(&l->url, '\0');
}

static pen_status hand_over(struct listing *l, const struct pen_sigv4_signed *s)
{
    PEN_TRY(headers_set(l, s));
    PEN_TRY(url_set(l, s));
    if (!SET(l->easy, CURLOPT_URL, (const char *)l->url.ptr) ||
        !SET(l->easy, CURLOPT_HTTPHEADER, l->headers) ||
        curl_multi_add_handle(l->list->multi, l->easy) != CURLM_OK) {
        return PEN_E_NOMEM;
    }
    return PEN_OK;
}

pen_status pen_listing_send(struct listing *l, struct pen_err *err)
{
    struct pen_sigv4_signed s;
    PEN_TRY(pen_list_xml_reset(l->xml, err));
    PEN_TRY(sign(l, &s, err));
    l->xml_status = PEN_OK;
    l->body_bytes = 0;
    l->curl_error[0] = '\0';
    const pen_status status = hand_over(l, &s);
    if (status != PEN_OK) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "listing: libcurl does not take the request");
    }
    l->sent_ns = pen_clock_mono_ns();
    l->progress_ns = l->sent_ns;
    l->attempt++;
    l->list->stats.requests++;
    return PEN_OK;
}
