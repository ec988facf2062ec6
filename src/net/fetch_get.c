/* tested by tests/unit/net/test_fetch.py */
#include "fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RETRY_BASE_NS (PEN_NS_PER_S / 20)
#define RETRY_MAX_NS (20 * PEN_NS_PER_S)
#define RETRY_DOUBLINGS_MAX 9U
#define RETRY_AFTER_MAX_NS (60 * PEN_NS_PER_S) /* what a server may ask for */

/* ---- the request ---- */

static pen_status add_all(struct pen_buf *out, const pen_slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PEN_TRY(pen_buf_add(out, parts[i]));
    }
    return PEN_OK;
}

pen_status fetch_head_write(struct pen_buf *out, const struct pen_sigv4_signed *s,
                            const struct pen_pair *extra, uint32_t extra_count)
{
    const pen_slice line[] = {PEN_SLICE_LIT("GET "), s->target, PEN_SLICE_LIT(" HTTP/1.1\r\n")};
    struct pen_pair headers[5 + FETCH_EXTRA_MAX] = {
        {PEN_SLICE_LIT("Host"), s->host},
        {PEN_SLICE_LIT("X-Amz-Date"), s->date},
        {PEN_SLICE_LIT("X-Amz-Content-Sha256"), s->payload},
        {PEN_SLICE_LIT("X-Amz-Security-Token"), s->token},
        {PEN_SLICE_LIT("Authorization"), s->authorization},
    };
    PEN_CHECK(extra_count <= FETCH_EXTRA_MAX);
    for (uint32_t i = 0; i < extra_count; i++) {
        headers[5 + i] = extra[i];
    }
    out->len = 0;
    PEN_TRY(add_all(out, line, PEN_COUNT(line)));
    for (size_t i = 0; i < PEN_COUNT(headers); i++) {
        const pen_slice parts[] = {headers[i].name, PEN_SLICE_LIT(": "), headers[i].value,
                                   PEN_SLICE_LIT("\r\n")};
        PEN_TRY(add_all(out, parts, headers[i].value.len > 0 ? PEN_COUNT(parts) : 0));
    }
    return pen_buf_add(out, PEN_SLICE_LIT("User-Agent: penstock\r\n\r\n"));
}

static pen_status request_sign(struct pen_fetcher *fetcher, struct fetch_get *get,
                               struct pen_err *err)
{
    const struct fetch_object *object = get->object;
    struct fetch_source *source = &fetcher->sources[object->source];
    const struct pen_s3_endpoint *endpoint = &fetch_place_of(source)->endpoint;
    char range[64];
    char match[PEN_FETCH_ETAG_MAX + 3];
    struct pen_pair extra[FETCH_EXTRA_MAX];
    uint32_t count = 0;
    if (get->is_range) {
        const int len = snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, get->offset,
                                 get->offset + get->want - 1);
        extra[count++] =
            (struct pen_pair){PEN_SLICE_LIT("range"), {(const uint8_t *)range, (size_t)len}};
    }
    if (object->etag[0] != '\0') {
        const int len = snprintf(match, sizeof(match), "\"%s\"", object->etag);
        extra[count++] =
            (struct pen_pair){PEN_SLICE_LIT("if-match"), {(const uint8_t *)match, (size_t)len}};
    }
    if (source->is_requester_pays) {
        extra[count++] =
            (struct pen_pair){PEN_SLICE_LIT("x-amz-request-payer"), PEN_SLICE_LIT("requester")};
    }
    const struct pen_sigv4_request request = {
        .credentials = &source->credentials,
        .time_ns = pen_clock_wall_ns() + fetcher->counters.skew_ns,
        .region = pen_slice_str(endpoint->region),
        .service = PEN_SLICE_LIT("s3"),
        .method = PEN_SLICE_LIT("GET"),
        .host = pen_slice_str(endpoint->authority),
        .bucket = pen_slice_str(endpoint->bucket),
        .is_virtual_host = endpoint->is_virtual_host,
        .path = {object->path, object->key_len + 1},
        .headers = extra,
        .header_count = count,
        .has_payload_header = true,
    };
    struct pen_sigv4_signed signature;
    PEN_TRY(pen_sigv4_sign(fetcher->signer, &request, &fetcher->signing, &signature, err));
    if (fetch_head_write(&get->head, &signature, extra, count) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "the request is too long");
    }
    get->exchange.request = pen_buf_slice(&get->head);
    return PEN_OK;
}

static void object_fail(struct fetch_object *object, const struct pen_err *err)
{
    if (!object->is_failed) {
        object->is_failed = true;
        object->err = *err;
    }
}

static void wait_until(struct pen_fetcher *fetcher, struct fetch_get *get, int64_t at_ns)
{
    get->retry_ns = at_ns;
    get->waiting = fetcher->waiting;
    fetcher->waiting = get;
}

bool fetch_get_send(struct pen_fetcher *fetcher, struct fetch_get *get)
{
    struct pen_err err = {0};
    struct fetch_source *source = &fetcher->sources[get->object->source];
    if (fetch_source_waits(source)) {
        wait_until(fetcher, get, 0);
        return true;
    }
    if (source->is_expired) {
        object_fail(get->object, &source->expired);
        return false;
    }
    if (request_sign(fetcher, get, &err) != PEN_OK) {
        object_fail(get->object, &err);
        return false;
    }
    get->tries++;
    get->is_flying = true;
    fetcher->counters.requests++;
    fetcher->counters.in_flight++;
    fetch_budget_sent(&fetch_place_of(source)->host->budget, get->tries > 1);
    fetch_rate_take(&fetcher->requests_rate, 1, fetcher->now_ns);
    fetch_rate_take(&fetcher->bytes_rate, get->want, fetcher->now_ns);
    get->exchange.tag = get;
    get->place = source->place;
    get->moves = source->moves;
    http_client_start(fetch_place_of(source)->client, &get->exchange);
    return true;
}

/* ---- the answer ---- */

enum verdict {
    VERDICT_READY,
    VERDICT_AGAIN,
    VERDICT_AGAIN_NOW,
    VERDICT_MOVED, /* again at once, where the bucket is now */
    VERDICT_THROTTLED,
    VERDICT_FAIL,
};

struct said { /* what an error document says */
    pen_slice code, message, region, endpoint;
};

static struct said error_read(struct pen_fetcher *fetcher, const struct fetch_get *get)
{
    struct list_xml_page page;
    const pen_slice body = {get->exchange.body, get->exchange.body_len};
    if (pen_list_xml_reset(fetcher->xml, NULL) == PEN_OK &&
        pen_list_xml_push(fetcher->xml, body, NULL) == PEN_OK &&
        pen_list_xml_end(fetcher->xml, &page, NULL) == PEN_OK && page.is_error) {
        return (struct said){page.error.code, page.error.message, page.error.region,
                             page.error.endpoint};
    }
    return (struct said){0};
}

static bool is(pen_slice code, const char *name)
{
    return pen_slice_eq(code, pen_slice_str(name));
}

static enum verdict fail(const struct fetch_get *get, const struct said *said, pen_status status,
                         const char *hint, struct pen_err *err)
{
    const struct http_exchange *e = &get->exchange;
    (void)PEN_FAIL(err, status, get->offset, "HTTP %u%s%.*s%s%.*s%s%s%s%s", e->status,
                   said->code.len > 0 ? " " : "", (int)said->code.len, (const char *)said->code.ptr,
                   said->message.len > 0 ? ": " : "",
                   said->message.len < 200 ? (int)said->message.len : 200,
                   (const char *)said->message.ptr, hint[0] != '\0' ? "; " : "", hint,
                   e->request_id[0] != '\0' ? "; request " : "", e->request_id);
    return VERDICT_FAIL;
}

static enum verdict changed(const struct fetch_get *get, const char *what, struct pen_err *err)
{
    (void)PEN_FAIL(err, PEN_E_CHANGED, get->offset, "%s differs from when the object was listed",
                   what);
    return VERDICT_FAIL;
}

/* The first answer for an object of which nothing was known: its size and ETag are those of now. */
static enum verdict learn(struct pen_fetcher *fetcher, struct fetch_get *get, struct pen_err *err)
{
    const struct http_exchange *e = &get->exchange;
    struct fetch_object *object = get->object;
    const bool is_part = e->status == 206 && e->range.is_given && e->range.has_total;
    const bool is_empty = e->status == 416; /* of a range from 0 on */
    const bool is_whole = e->status == 200 && !e->is_cut;
    const uint64_t size = is_part ? e->range.total : is_empty ? 0 : e->content_bytes;
    const uint64_t want = size < get->want ? size : get->want;
    if ((!is_part && !is_empty && !is_whole) ||
        (is_part && (e->range.first != 0 || e->content_bytes != want))) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, 0, "the answer does not tell the size of the object");
        return VERDICT_FAIL;
    }
    const size_t len = strlen(e->etag);
    if (len >= 2 && len - 2 <= PEN_FETCH_ETAG_MAX && e->etag[0] == '"') {
        memcpy(object->etag, e->etag + 1, len - 2);
        object->etag[len - 2] = '\0';
    }
    fetcher->bytes_held -= get->want - want;
    object->size = size;
    object->next_offset = want;
    get->want = want;
    return VERDICT_READY;
}

/* 200 and 206: the bytes are those that were asked for. */
static enum verdict judge_bytes(const struct fetch_get *get, struct pen_err *err)
{
    const struct http_exchange *e = &get->exchange;
    const struct fetch_object *object = get->object;
    const pen_slice etag = pen_slice_str(e->etag);
    const bool is_quoted = etag.len >= 2 && etag.ptr[0] == '"';
    const pen_slice bare = is_quoted ? pen_slice_sub(etag, 1, etag.len - 1) : etag;
    if (object->etag[0] != '\0' && bare.len > 0 && !is(bare, object->etag)) {
        return changed(get, "the ETag", err);
    }
    if (e->status == 206 && e->range.has_total && e->range.total != object->size) {
        return changed(get, "the size", err);
    }
    if (e->status == 206 && (!e->range.is_given || e->range.first != get->offset ||
                             e->range.last != get->offset + get->want - 1)) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, get->offset, "another range came than was asked for");
        return VERDICT_AGAIN;
    }
    const bool is_whole = e->status == 200;
    if (is_whole && e->content_bytes != object->size) {
        return changed(get, "the size", err);
    }
    if (is_whole && get->want != object->size) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, get->offset, "the whole object came for a range of it");
        return VERDICT_FAIL;
    }
    if (e->content_bytes != get->want) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, get->offset, "not as many bytes came as were asked for");
        return VERDICT_AGAIN;
    }
    return VERDICT_READY;
}

/* The server's clock is not ours: signs by its from now on. */
static enum verdict skewed(struct pen_fetcher *fetcher, const struct fetch_get *get,
                           const struct said *said, struct pen_err *err)
{
    const struct http_exchange *e = &get->exchange;
    if (!e->has_date || get->tries - get->hops > 2) {
        return fail(get, said, PEN_E_DENIED, "is the clock of this host right?", err);
    }
    fetcher->counters.skew_ns = e->date_ns - pen_clock_wall_ns();
    (void)fail(get, said, PEN_E_DENIED, "", err);
    return VERDICT_AGAIN_NOW;
}

static enum verdict judge_denied(struct pen_fetcher *fetcher, const struct fetch_get *get,
                                 const struct said *said, struct pen_err *err)
{
    if (is(said->code, "RequestTimeTooSkewed")) {
        return skewed(fetcher, get, said, err);
    }
    if (is(said->code, "ExpiredToken")) {
        (void)fail(get, said, PEN_E_AGAIN, "", err);
        return VERDICT_AGAIN;
    }
    if (is(said->code, "InvalidObjectState")) {
        return fail(get, said, PEN_E_DENIED, "it is archived: restore it first", err);
    }
    if (is(said->code, "AccessDenied")) {
        return fail(get, said, PEN_E_DENIED,
                    "is s3:GetObject allowed, and kms:Decrypt for a bucket with SSE-KMS?", err);
    }
    return fail(get, said, PEN_E_DENIED, "", err);
}

/* The header, the document or the address that it names tell the region: listings have it so too.
 * The place is told by the address. */
static struct fetch_told told_by(const struct fetch_get *get, const struct said *said)
{
    const struct http_exchange *e = &get->exchange;
    struct fetch_told told = {.region = pen_slice_str(e->region),
                              .location = pen_slice_str(e->location)};
    if (told.region.len == 0) {
        told.region = pen_slice_trim(said->region);
    }
    if (told.region.len == 0 &&
        !pen_s3_region_of_host(pen_slice_trim(said->endpoint), &told.region) &&
        !pen_s3_region_of_host(pen_uri_host(told.location), &told.region)) {
        told.region = (pen_slice){NULL, 0};
    }
    return told;
}

static enum verdict judge_moved(struct pen_fetcher *fetcher, struct fetch_get *get,
                                const struct said *said, struct pen_err *err)
{
    const struct fetch_told told = told_by(get, said);
    const struct fetch_source *source = &fetcher->sources[get->object->source];
    const bool is_end = get->hops == fetcher->options.redirects_max;
    const char *hint = is_end && source->unfound.status != PEN_OK ? source->unfound.text
                       : is_end                                   ? "it was sent on too often"
                       : told.region.len > 0 ? "the bucket is in another region"
                                             : "the bucket is elsewhere";
    (void)fail(get, said, PEN_E_IO, hint, err);
    return fetch_place_move(fetcher, get, &told) ? VERDICT_MOVED : VERDICT_FAIL;
}

static enum verdict judge_bad_request(struct pen_fetcher *fetcher, struct fetch_get *get,
                                      const struct said *said, struct pen_err *err)
{
    const bool is_elsewhere = is(said->code, "AuthorizationHeaderMalformed") ||
                              is(said->code, "IllegalLocationConstraintException");
    if (is_elsewhere && (said->region.len > 0 || get->exchange.region[0] != '\0')) {
        return judge_moved(fetcher, get, said, err);
    }
    const bool is_kms = said->code.len >= 4 && memcmp(said->code.ptr, "KMS.", 4) == 0;
    const bool is_throttled = is(said->code, "ThrottlingException") ||
                              is(said->code, "KMS.ThrottlingException") ||
                              is(said->code, "SlowDown") || is(said->code, "Throttling");
    if (is_throttled) {
        (void)fail(get, said, PEN_E_AGAIN, "the quota of KMS is shared by the whole account", err);
        return VERDICT_THROTTLED;
    }
    if (is(said->code, "RequestTimeout") || is(said->code, "ExpiredToken") ||
        is(said->code, "InternalError")) {
        (void)fail(get, said, PEN_E_AGAIN, "", err);
        return VERDICT_AGAIN;
    }
    /* S3 says InvalidRequest, Ceph InvalidArgument; both name the encryption. */
    const bool is_own_key =
        pen_slice_find(said->message, PEN_SLICE_LIT("Server Side Encryption")) != SIZE_MAX;
    return fail(get, said, PEN_E_DENIED,
                is_kms ? "is kms:Decrypt allowed?"
                : is_own_key
                    ? "encrypted with a key that S3 does not keep (SSE-C): it cannot be read"
                    : "",
                err);
}

static enum verdict judge(struct pen_fetcher *fetcher, struct fetch_get *get, struct pen_err *err)
{
    const struct http_exchange *e = &get->exchange;
    if (e->err.status != PEN_OK) {
        *err = e->err;
        const bool is_final = e->err.status == PEN_E_DENIED || e->err.status == PEN_E_STOPPED;
        return is_final                         ? VERDICT_FAIL
               : e->err.status == PEN_E_TIMEOUT ? VERDICT_THROTTLED
                                                : VERDICT_AGAIN;
    }
    const bool is_unknown = get->object->size == PEN_FETCH_SIZE_UNKNOWN;
    if (is_unknown && (e->status == 200 || e->status == 206 || e->status == 416)) {
        return learn(fetcher, get, err);
    }
    if (e->status == 200 || e->status == 206) {
        return judge_bytes(get, err);
    }
    const struct said said = error_read(fetcher, get);
    switch (e->status) {
    case 400:
        return judge_bad_request(fetcher, get, &said, err);
    case 403:
        return judge_denied(fetcher, get, &said, err);
    case 404:
        return fail(get, &said, PEN_E_NOT_FOUND, "", err);
    case 412:
        return changed(get, "the ETag", err);
    case 416:
        return changed(get, "the size", err);
    case 301:
    case 307:
    case 308:
        return judge_moved(fetcher, get, &said, err);
    case 429:
    case 503:
        (void)fail(get, &said, PEN_E_AGAIN, "", err);
        return VERDICT_THROTTLED;
    default:
        (void)fail(get, &said, e->status >= 500 ? PEN_E_IO : PEN_E_DENIED, "", err);
        return e->status >= 500 ? VERDICT_AGAIN : VERDICT_FAIL;
    }
}

/* Full jitter: anything between nothing and a limit that doubles.  What the server asks for comes
 * before that: those that it refused at once do not come back at once. */
static int64_t retry_delay(struct pen_fetcher *fetcher, uint32_t tries, int64_t asked_ns)
{
    fetcher->random ^= fetcher->random << 13;
    fetcher->random ^= fetcher->random >> 7;
    fetcher->random ^= fetcher->random << 17;
    const uint32_t doublings = tries < RETRY_DOUBLINGS_MAX ? tries : RETRY_DOUBLINGS_MAX;
    const int64_t limit = RETRY_BASE_NS << doublings;
    const int64_t cap = limit < RETRY_MAX_NS ? limit : RETRY_MAX_NS;
    const int64_t first = asked_ns < RETRY_AFTER_MAX_NS ? asked_ns : RETRY_AFTER_MAX_NS;
    return first + (int64_t)(fetcher->random % (uint64_t)cap);
}

void fetch_get_answer(struct pen_fetcher *fetcher, struct fetch_get *get)
{
    struct pen_err err = {0};
    const int64_t now = pen_clock_mono_ns();
    const uint32_t in_flight = fetcher->counters.in_flight;
    PEN_CHECK(get->is_flying && in_flight > 0);
    get->is_flying = false;
    fetcher->counters.in_flight--;
    fetcher->counters.bytes += get->exchange.body_len;
    struct fetch_source *source = &fetcher->sources[get->object->source];
    struct fetch_budget *budget = &source->places[get->place].host->budget;
    if (get->object->is_closed) {
        fetch_budget_answered(budget, false);
        return; /* nobody waits for it */
    }
    const enum verdict verdict = judge(fetcher, get, &err);
    fetch_budget_answered(budget, verdict == VERDICT_READY);
    if (verdict == VERDICT_READY) {
        get->is_ready = true;
        fetch_place_proved(source, get);
        const struct http_exchange *e = &get->exchange;
        const struct fetch_answer answer = {.in_flight = in_flight,
                                            .took_ns = now - e->started_ns,
                                            .latency_ns = e->first_byte_ns - e->sent_ns};
        fetch_window_answer(&fetcher->window, &answer);
        return;
    }
    if (verdict == VERDICT_THROTTLED) {
        fetcher->counters.throttled++;
        fetch_window_cut(&fetcher->window, now);
    }
    const bool is_used_up =
        get->tries - get->hops >= fetcher->options.tries_max && verdict != VERDICT_MOVED;
    if (verdict == VERDICT_FAIL || is_used_up || get->object->is_failed) {
        object_fail(get->object, &err);
        return;
    }
    fetcher->counters.retries++;
    const bool is_at_once = verdict == VERDICT_AGAIN_NOW || verdict == VERDICT_MOVED;
    const int64_t asked_ns = get->exchange.err.status == PEN_OK ? get->exchange.retry_after_ns : 0;
    wait_until(fetcher, get, is_at_once ? now : now + retry_delay(fetcher, get->tries, asked_ns));
}
