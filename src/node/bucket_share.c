/* tested by tests/e2e/test_s3.py */
#include "bucket_share.h"

#include "lookup.h"
#include "planner.h"

#include <stdlib.h>

#define FETCH_IDLE_NS (20 * PEN_NS_PER_S) /* servers close kept connections about then */
/* A closed object keeps its slot until the requests for more of it have ended, with the next turn;
 * meanwhile control may deal another one.  Only the front has several requests: one at a time. */
#define FETCH_CLOSING 4U
#define BYTES_PER_MB UINT64_C(1000000)

uint8_t *credentials_text(const struct renew *renew, size_t *bytes)
{
    struct pen_err why;
    renew_reason(renew, &why);
    const struct pen_credentials c = pen_renewal_credentials(renew->renewal);
    const pen_slice keys[] = {c.access_key, c.secret_key, c.session_token};
    const pen_slice reason[] = {pen_slice_str(renew->state == RENEW_LACKS ? why.text : "")};
    const pen_slice *parts = renew->state == RENEW_VALID ? keys : reason;
    const size_t count = renew->state == RENEW_VALID ? PEN_COUNT(keys) : PEN_COUNT(reason);
    *bytes = 1;
    for (size_t i = 0; i < count; i++) {
        *bytes += parts[i].len + 1;
    }
    uint8_t *text = calloc(1, *bytes);
    PEN_CHECK(text != NULL);
    text[0] = (uint8_t)renew->state;
    uint8_t *at = text + 1;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].ptr, parts[i].len);
        }
        at += parts[i].len + 1;
    }
    return text;
}

struct pen_credentials credentials_of(const uint8_t *text)
{
    struct pen_credentials credentials;
    PEN_CHECK(text[0] == RENEW_VALID);
    text++;
    credentials.access_key = pen_slice_str((const char *)text);
    text += credentials.access_key.len + 1;
    credentials.secret_key = pen_slice_str((const char *)text);
    text += credentials.secret_key.len + 1;
    credentials.session_token = pen_slice_str((const char *)text);
    return credentials;
}

pen_status credentials_use(struct pen_fetcher *fetcher, uint32_t bucket, const uint8_t *text,
                           struct pen_err *err)
{
    if (text[0] != RENEW_VALID) {
        struct pen_err why = {.status = PEN_OK};
        if (text[0] == RENEW_LACKS) {
            (void)PEN_FAIL(&why, PEN_E_DENIED, PEN_NO_OFFSET, "%s", (const char *)text + 1);
        }
        pen_fetcher_expired(fetcher, bucket, &why);
        return PEN_OK;
    }
    const struct pen_credentials credentials = credentials_of(text);
    return pen_fetcher_credentials(fetcher, bucket, &credentials, err);
}

struct pen_fetch_options shard_fetch_options(const struct pen_replay_options *o)
{
    return (struct pen_fetch_options){
        .slots = pen_u32(o->fetch_slots) + FETCH_CLOSING,
        .window_max = pen_u32(o->fetch_window_max),
        .range_bytes = o->fetch_range_bytes,
        .bytes_in_flight_max =
            o->fetch_bytes_max > o->fetch_range_bytes ? o->fetch_bytes_max : o->fetch_range_bytes,
        .tries_max = pen_u32(o->fetch_tries_max),
        .redirects_max = pen_u32(o->fetch_redirects_max),
        .places_max = pen_u32(o->fetch_servers_max),
        .retry_budget = pen_u32(o->fetch_retry_budget),
        .requests_s = o->fetch_requests_s,
        .bytes_s = o->fetch_mb_s * BYTES_PER_MB,
        .connect_ns = o->fetch_connect_ns,
        .first_byte_ns = o->fetch_first_byte_ns,
        .stall_ns = o->fetch_stall_ns,
        .idle_ns = FETCH_IDLE_NS,
        .resolve_most_ns = o->resolve_timeout_ns,
        .resolve_ns = o->resolve_ns,
        .ca_file = o->s3.ca_file};
}

pen_status buckets_share(struct planner *planner, struct shard_bucket **out, struct pen_err *err)
{
    struct shard_bucket *buckets = calloc(planner->bucket_count + 1, sizeof(*buckets));
    PEN_CHECK(buckets != NULL);
    *out = buckets;
    for (uint32_t i = 0; i < planner->bucket_count; i++) {
        struct shard_bucket *to = &buckets[i];
        struct bucket *bucket = planner->buckets[i];
        size_t bytes = 0;
        to->endpoint = *bucket_endpoint(bucket);
        to->is_requester_pays = bucket_is_requester_pays(bucket);
        char host[BUCKET_HOST_MAX];
        const uint16_t port = bucket_host(bucket, host);
        PEN_TRY(lookup_host(planner->options, host, port, &to->addresses, err));
        (void)bucket_renew(bucket); /* this is the telling */
        to->credentials = credentials_text(bucket_credentials(bucket), &bytes);
    }
    return PEN_OK;
}

void buckets_unshare(struct shard_bucket *buckets, uint32_t count)
{
    for (uint32_t i = 0; buckets != NULL && i < count; i++) {
        free(buckets[i].credentials);
    }
    free(buckets);
}

pen_status buckets_fetcher(struct pen_ring *ring, const struct pen_fetch_options *options,
                           const struct shard_bucket *buckets, uint32_t count,
                           struct pen_fetcher **out, struct pen_err *err)
{
    PEN_TRY(pen_fetcher_new(ring, options, out, err));
    for (uint32_t i = 0; i < count; i++) {
        const struct shard_bucket *bucket = &buckets[i];
        uint32_t source = 0;
        PEN_TRY(pen_fetcher_source_add(*out, &bucket->endpoint, bucket->is_requester_pays, &source,
                                       err));
        PEN_CHECK(source == i);
        pen_fetcher_addresses(*out, i, bucket->addresses.at, bucket->addresses.count);
        PEN_TRY(credentials_use(*out, i, bucket->credentials, err));
    }
    return PEN_OK;
}
