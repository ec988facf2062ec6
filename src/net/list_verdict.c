/* tested by tests/unit/net/test_list_server.py */
#include "list.h"

#include <stdio.h>

#define MOVES_MAX 2                        /* to another region, for one page */
#define CLOCK_OFF_NS (300 * PEN_NS_PER_S)  /* S3 refuses from 15 minutes on */
#define CLOCK_NOTED_NS (60 * PEN_NS_PER_S) /* corrections below are made in silence */
#define RETRY_AFTER_MAX_S 60               /* what a server may ask for */
#define HINT_BYTES 200
#define NOTICE_BYTES 512

struct answer { /* of a server that refused */
    long http;
    const struct list_xml_error *error;
};

static bool code_is(const struct answer *a, const char *code)
{
    return pen_slice_eq(a->error->code, pen_slice_str(code));
}

static bool code_is_any(const struct answer *a, const char *const *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code_is(a, codes[i])) {
            return true;
        }
    }
    return false;
}

/* The value of a header, or empty; borrowed from libcurl until the next request. */
static pen_slice header_of(const struct listing *l, const char *name)
{
    struct curl_header *found = NULL;
    if (curl_easy_header(l->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK) {
        return (pen_slice){NULL, 0};
    }
    return pen_slice_str(found->value);
}

/* ---- failures ---- */

void pen_listing_fail(struct listing *l, const struct pen_err *why)
{
    l->page = (struct pen_s3_page){.tag = l->tag, .status = why->status, .is_last = true};
    (void)PEN_FAIL(&l->page.err, why->status, PEN_NO_OFFSET, "bucket %.*s: %s", SHOWN_BUCKET_MAX,
                   l->endpoint.bucket, why->text);
    pen_listing_ready(l);
}

/* With the reason in words, as printf. */
#define FAIL(l, status, ...)                                         \
    do {                                                             \
        struct pen_err why_;                                         \
        (void)PEN_FAIL(&why_, (status), PEN_NO_OFFSET, __VA_ARGS__); \
        pen_listing_fail((l), &why_);                                \
    } while (0)

/* Full jitter: any time up to a bound that doubles with each attempt. */
static int64_t wait_of(struct listing *l)
{
    struct pen_s3_list *list = l->list;
    const struct pen_s3_list_options *o = &list->options;
    int64_t bound = o->backoff_ns;
    for (uint32_t i = 1; i < l->attempt && bound < o->backoff_max_ns; i++) {
        bound *= 2;
    }
    bound = bound < o->backoff_max_ns ? bound : o->backoff_max_ns;
    const uint64_t draw = list->draws++;
    const uint64_t random =
        pen_hash64((pen_slice){(const uint8_t *)&draw, sizeof(draw)}, list->seed);
    return (int64_t)(random % (uint64_t)(bound + 1));
}

void pen_listing_retry(struct listing *l, const struct pen_err *why)
{
    struct pen_s3_list *list = l->list;
    if (l->attempt >= list->options.attempts_max) {
        FAIL(l, why->status, "given up after %u requests: %s", l->attempt, why->text);
    } else if (list->retries_left == 0) {
        FAIL(l, why->status, "given up, too much has failed of late: %s", why->text);
    } else {
        list->retries_left--;
        list->stats.retries++;
        l->due_ns = pen_clock_mono_ns() + wait_of(l);
        l->state = LISTING_DUE;
    }
}

static void again_now(struct listing *l)
{
    l->due_ns = 0;
    l->state = LISTING_DUE;
}

/* ---- the region of a bucket ---- */

static struct learned *learned_find(struct pen_s3_list *list, const char *bucket)
{
    for (uint32_t i = 0; i < LEARNED_MAX && i < list->learned_count; i++) {
        if (strcmp(list->learned[i].bucket, bucket) == 0) {
            return &list->learned[i];
        }
    }
    return NULL;
}

static void learn(struct pen_s3_list *list, const struct pen_s3_endpoint *e)
{
    struct learned *known = learned_find(list, e->bucket);
    if (known == NULL) {
        known = &list->learned[list->learned_count++ % LEARNED_MAX];
        memcpy(known->bucket, e->bucket, sizeof(known->bucket));
        char text[NOTICE_BYTES];
        const int len = snprintf(text, sizeof(text), "bucket %.*s is in region %s",
                                 SHOWN_BUCKET_MAX, e->bucket, e->region);
        PEN_CHECK(len > 0);
        pen_list_notice(list, text);
    }
    memcpy(known->region, e->region, sizeof(known->region));
}

void pen_listing_recall(struct listing *l)
{
    const struct learned *known = learned_find(l->list, l->endpoint.bucket);
    if (known != NULL &&
        pen_s3_endpoint_move(&l->endpoint, pen_slice_str(known->region), NULL) != PEN_OK) {
        return; /* another partition by its options: it learns for itself */
    }
}

/* From the header, the document or the address that it names: all servers tell it in one of them.
 */
static pen_slice region_told(const struct listing *l, const struct answer *a)
{
    pen_slice region = pen_slice_trim(header_of(l, "x-amz-bucket-region"));
    if (region.len == 0) {
        region = pen_slice_trim(a->error->region);
    }
    if (region.len == 0 &&
        !pen_s3_region_of_host(pen_uri_host(pen_slice_trim(a->error->endpoint)), &region) &&
        !pen_s3_region_of_host(pen_uri_host(header_of(l, "location")), &region)) {
        return (pen_slice){NULL, 0};
    }
    return region;
}

static bool is_move(const struct answer *a)
{
    static const char *const codes[] = {"AuthorizationHeaderMalformed", "PermanentRedirect",
                                        "TemporaryRedirect", "IllegalLocationConstraintException"};
    return (a->http >= 300 && a->http < 400) || a->http == 400 ||
           code_is_any(a, codes, PEN_COUNT(codes));
}

/* False: no other region is told, or too many were. */
static bool moved(struct listing *l, const struct answer *a)
{
    const pen_slice region = is_move(a) ? region_told(l, a) : (pen_slice){NULL, 0};
    if (region.len == 0 || l->moves == MOVES_MAX ||
        pen_slice_eq(region, pen_slice_str(l->endpoint.region)) ||
        pen_s3_endpoint_move(&l->endpoint, region, NULL) != PEN_OK) {
        return false;
    }
    learn(l->list, &l->endpoint);
    l->moves++;
    l->list->stats.moved++;
    again_now(l);
    return true;
}

/* ---- the clock ---- */

static bool server_time(const struct listing *l, const struct answer *a, int64_t *ns)
{
    const pen_slice date = header_of(l, "date");
    const time_t seconds = date.len == 0 ? -1 : curl_getdate((const char *)date.ptr, NULL);
    if (seconds > 0) {
        *ns = (int64_t)seconds * PEN_NS_PER_S;
        return true;
    }
    return pen_parse_time(pen_slice_trim(a->error->server_time), ns);
}

static int64_t distance(int64_t a, int64_t b)
{
    return a < b ? b - a : a - b;
}

/* The request was refused for its time, or by a server whose time is another and that says less. */
static bool clock_mended(struct listing *l, const struct answer *a)
{
    struct pen_s3_list_stats *stats = &l->list->stats;
    int64_t theirs = 0;
    if (l->is_clock_fixed || l->signed_by == 0 || !server_time(l, a, &theirs)) {
        return false;
    }
    const bool is_refusal = a->http == 400 || a->http == 401 || a->http == 403;
    if (!code_is(a, "RequestTimeTooSkewed") &&
        !(is_refusal && distance(theirs, l->signed_ns) > CLOCK_OFF_NS)) {
        return false;
    }
    const int64_t skew = theirs - pen_clock_wall_ns();
    if (distance(skew, stats->skew_ns) > CLOCK_NOTED_NS) {
        char text[NOTICE_BYTES];
        const int len = snprintf(text, sizeof(text),
                                 "the clock of this host is %lld s %s that of %s: requests are "
                                 "signed with the server's time",
                                 (long long)(distance(skew, 0) / PEN_NS_PER_S),
                                 skew > 0 ? "behind" : "ahead of", l->endpoint.authority);
        PEN_CHECK(len > 0);
        pen_list_notice(l->list, text);
    }
    stats->skew_ns = skew;
    l->is_clock_fixed = true;
    again_now(l);
    return true;
}

/* ---- what a server that refuses means ---- */

/* While it says so, no more than half as many requests are sent as when it began to. */
static void narrow(struct listing *l)
{
    struct pen_s3_list *list = l->list;
    list->stats.throttled++;
    if (l->sent_ns > list->narrowed_ns) {
        list->stats.window = list->stats.window > 1 ? list->stats.window / 2 : 1;
        list->narrowed_ns = pen_clock_mono_ns();
        list->successes = 0;
    }
}

static bool is_throttled(const struct answer *a)
{
    static const char *const codes[] = {"SlowDown", "Throttling", "ThrottlingException",
                                        "RequestLimitExceeded", "TooManyRequests"};
    return a->http == 503 || a->http == 429 || code_is_any(a, codes, PEN_COUNT(codes));
}

static bool is_passing(const struct answer *a)
{
    static const char *const codes[] = {"RequestTimeout", "InternalError", "ServiceUnavailable",
                                        "OperationAborted"};
    return a->http >= 500 || a->http == 408 || code_is_any(a, codes, PEN_COUNT(codes));
}

struct meaning {
    const char *code;
    pen_status status;
    const char *hint;
};
static const struct meaning meanings[] = {
    {"NoSuchBucket", PEN_E_NOT_FOUND, "there is no bucket of this name"},
    {"InvalidAccessKeyId", PEN_E_DENIED, "the access key is not known there"},
    {"SignatureDoesNotMatch", PEN_E_DENIED, "the secret key is wrong, or requests are changed"},
    {"ExpiredToken", PEN_E_DENIED, "the credentials have expired"},
    {"InvalidToken", PEN_E_DENIED, "the session token is not valid"},
    {"RequestTimeTooSkewed", PEN_E_DENIED, "the clock of this host is wrong"},
};

static void refused(struct listing *l, const struct answer *a)
{
    pen_slice code = pen_slice_trim(a->error->code);
    const pen_slice message = pen_slice_trim(a->error->message);
    pen_status status = a->http == 401 || a->http == 403 ? PEN_E_DENIED
                        : a->http == 404                 ? PEN_E_NOT_FOUND
                                                         : PEN_E_IO;
    char hint[HINT_BYTES] = "the server refuses the listing";
    const pen_slice region = is_move(a) ? region_told(l, a) : (pen_slice){NULL, 0};
    int len = 0;
    if (status == PEN_E_DENIED) {
        len = snprintf(hint, sizeof(hint), "s3:ListBucket on arn:%s:s3:::%.*s is probably missing",
                       pen_s3_partition(pen_slice_str(l->endpoint.region)), SHOWN_BUCKET_MAX,
                       l->endpoint.bucket);
    } else if (region.len > 0) {
        len = snprintf(hint, sizeof(hint), "the bucket is in region %.*s, which %s does not serve",
                       (int)(region.len > 32 ? 32 : region.len), (const char *)region.ptr,
                       l->endpoint.authority);
    } else if (status == PEN_E_NOT_FOUND) {
        len = snprintf(hint, sizeof(hint), "there is no such bucket, or this is no S3");
    }
    for (uint32_t i = 0; i < PEN_COUNT(meanings); i++) {
        if (code_is(a, meanings[i].code)) {
            status = meanings[i].status;
            len = snprintf(hint, sizeof(hint), "%s", meanings[i].hint);
        }
    }
    PEN_CHECK(len >= 0);
    code = pen_slice_sub(code, 0, 48);
    FAIL(l, status, "HTTP %ld%s%.*s: %s%s%.*s", a->http, code.len > 0 ? " " : "",
         PEN_SLICE_FMT(code), hint, message.len > 0 ? "; it says: " : "", PEN_SLICE_FMT(message));
}

/* What the server asks for comes before the wait of ours. */
static void retry_after(struct listing *l)
{
    curl_off_t seconds = 0;
    if (l->state == LISTING_DUE &&
        curl_easy_getinfo(l->easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0) {
        l->due_ns += (seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * PEN_NS_PER_S;
    }
}

/* Others are on the way, or here. */
static bool is_outlived(const struct listing *l, const struct answer *a)
{
    return l->list->options.is_renewed && code_is(a, "ExpiredToken");
}

static void answer_verdict(struct listing *l, const struct answer *a)
{
    struct pen_err why;
    const bool is_changed = l->signed_by != pen_listing_credentials(l);
    if (moved(l, a) || clock_mended(l, a)) {
        return;
    }
    if (is_throttled(a)) {
        narrow(l);
    } else if (!is_passing(a) && a->http != 200 && !(is_changed && a->http < 500) &&
               !is_outlived(l, a)) {
        refused(l, a);
        return;
    }
    (void)PEN_FAIL(&why, PEN_E_IO, PEN_NO_OFFSET, "HTTP %ld %.*s %.*s", a->http,
                   (int)(a->error->code.len > 48 ? 48 : a->error->code.len),
                   (const char *)a->error->code.ptr, PEN_SLICE_FMT(a->error->message));
    pen_listing_retry(l, &why);
    retry_after(l);
}

/* ---- a page ---- */

static void page_verdict(struct listing *l, const struct list_xml_page *page)
{
    struct pen_s3_list *list = l->list;
    const pen_slice token = page->next_token;
    if (page->is_truncated && pen_slice_eq(token, pen_buf_slice(&l->token))) {
        FAIL(l, PEN_E_CORRUPT, "the listing goes round: a page names itself as the next");
        return;
    }
    l->token.len = 0;
    const pen_status status = pen_buf_add(&l->token, token);
    if (status != PEN_OK) {
        FAIL(l, status, "no memory for the token of the next page");
        return;
    }
    l->attempt = 0;
    l->moves = 0;
    l->is_clock_fixed = false;
    l->page = (struct pen_s3_page){.tag = l->tag,
                                   .status = PEN_OK,
                                   .is_last = !page->is_truncated,
                                   .objects = page->objects,
                                   .object_count = page->object_count,
                                   .prefixes = page->prefixes,
                                   .prefix_count = page->prefix_count};
    list->stats.pages++;
    if (list->retries_left < list->options.retries_max) {
        list->retries_left++;
    }
    if (++list->successes >= list->stats.window) {
        list->successes = 0;
        list->stats.window += list->stats.window < list->options.listings_max;
    }
    pen_listing_ready(l);
}

static void connection_verdict(struct listing *l, CURLcode result)
{
    struct pen_err why;
    const char *text = l->curl_error[0] != '\0' ? l->curl_error : curl_easy_strerror(result);
    if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE) {
        FAIL(l, PEN_E_CONFIG, "%s does not prove who it is: %s", l->endpoint.authority, text);
    } else if (result == CURLE_OUT_OF_MEMORY) {
        FAIL(l, PEN_E_NOMEM, "%s", text);
    } else {
        (void)PEN_FAIL(&why, PEN_E_IO, PEN_NO_OFFSET, "%s: %s", l->endpoint.authority, text);
        pen_listing_retry(l, &why);
    }
}

void pen_listing_verdict(struct listing *l, CURLcode result)
{
    struct list_xml_page page = {.is_error = false};
    struct answer a = {.error = &page.error};
    l->list->stats.bytes += l->body_bytes;
    const bool is_ours = result == CURLE_WRITE_ERROR && l->xml_status != PEN_OK;
    if (result != CURLE_OK && !is_ours) {
        connection_verdict(l, result);
        return;
    }
    if (curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &a.http) != CURLE_OK) {
        a.http = 0;
    }
    if (l->xml_status == PEN_OK) {
        l->xml_status = pen_list_xml_end(l->xml, &page, &l->xml_err);
    }
    if (a.http == 200 && l->xml_status == PEN_OK && !page.is_error) {
        page_verdict(l, &page);
    } else if (a.http == 200 && l->xml_status != PEN_OK) {
        pen_listing_retry(l, &l->xml_err);
    } else {
        answer_verdict(l, &a);
    }
}
