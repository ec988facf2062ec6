/* tested by tests/e2e/test_s3.py */
#include "shard_own.h"

#include <stdlib.h>

#define FETCH_IDLE_NS (20 * PEN_NS_PER_S) /* servers close kept connections about then */
/* A closed object keeps its slot until the requests for more of it have ended, with the next turn;
 * meanwhile control may deal another one.  Only the front has several requests: one at a time. */
#define FETCH_CLOSING 4U
#define RESTARTS_MAX 3U /* an object that changes all the time is told as such */
#define BYTES_PER_MB UINT64_C(1000000)
#define FETCH_TURN_NS (PEN_NS_PER_S / 50) /* how exact deadlines and retries are */

uint8_t *credentials_text(const struct pen_credentials *c, size_t *bytes)
{
    const pen_slice parts[] = {c->access_key, c->secret_key, c->session_token};
    *bytes = 0;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        *bytes += parts[i].len + 1;
    }
    uint8_t *text = calloc(1, *bytes);
    PEN_CHECK(text != NULL);
    uint8_t *at = text;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].ptr, parts[i].len);
        }
        at += parts[i].len + 1;
    }
    return text;
}

static pen_status credentials_use(struct shard *shard, uint32_t bucket, const uint8_t *text,
                                  struct pen_err *err)
{
    struct pen_credentials credentials;
    credentials.access_key = pen_slice_str((const char *)text);
    text += credentials.access_key.len + 1;
    credentials.secret_key = pen_slice_str((const char *)text);
    text += credentials.secret_key.len + 1;
    credentials.session_token = pen_slice_str((const char *)text);
    return pen_fetcher_credentials(shard->fetcher, bucket, &credentials, err);
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
        .requests_s = o->fetch_requests_s,
        .bytes_s = o->fetch_mb_s * BYTES_PER_MB,
        .connect_ns = o->fetch_connect_ns,
        .first_byte_ns = o->fetch_first_byte_ns,
        .stall_ns = o->fetch_stall_ns,
        .idle_ns = FETCH_IDLE_NS,
        .ca_file = o->s3.ca_file};
}

pen_status feed_new(struct shard *shard, struct pen_err *err)
{
    const struct shard_shared *shared = shard->shared;
    if (shared->bucket_count == 0) {
        const struct pen_reader_options reader = shard_reader_options(shared->options);
        return pen_reader_new(shard->ring, &reader, &shard->reader, err);
    }
    struct pen_fetch_options fetch = shard_fetch_options(shared->options);
    fetch.shares = shard->shards;
    PEN_TRY(pen_fetcher_new(shard->ring, &fetch, &shard->fetcher, err));
    for (uint32_t i = 0; i < shared->bucket_count; i++) {
        const struct shard_bucket *bucket = &shared->buckets[i];
        uint32_t source = 0;
        PEN_TRY(pen_fetcher_source_add(shard->fetcher, &bucket->endpoint, bucket->is_requester_pays,
                                       &source, err));
        PEN_CHECK(source == i);
        pen_fetcher_addresses(shard->fetcher, i, bucket->addresses, bucket->address_count);
        PEN_TRY(credentials_use(shard, i, bucket->credentials, err));
    }
    return PEN_OK;
}

void feed_free(struct shard *shard)
{
    if (shard->reader != NULL) {
        pen_reader_free(shard->reader);
    }
    pen_fetcher_free(shard->fetcher);
}

void feed_open(struct shard *shard, struct pen_object *object)
{
    if (shard->fetcher == NULL) {
        PEN_CHECK(pen_reader_has_slot(shard->reader)); /* credit: control never deals more */
        pen_reader_open(shard->reader, object->path,
                        (struct pen_file_id){.size = object->size, .mtime_ns = object->mtime_ns},
                        object);
        return;
    }
    PEN_CHECK(object->bucket > 0 && pen_fetcher_has_slot(shard->fetcher));
    const bool is_as_listed = object->restarts == 0;
    const struct pen_fetch_object fetch = {
        .source = object->bucket - 1,
        .key = pen_slice_str(object->key),
        .etag = pen_slice_str(is_as_listed && object->etag != NULL ? object->etag : ""),
        .size = is_as_listed ? object->size : PEN_FETCH_SIZE_UNKNOWN,
        .tag = object};
    pen_fetcher_open(shard->fetcher, &fetch);
}

bool feed_restart(struct shard *shard, struct pen_object *object)
{
    if (shard->fetcher == NULL || object->restarts == RESTARTS_MAX ||
        !pen_fetcher_has_slot(shard->fetcher)) {
        return false;
    }
    object->restarts++;
    pen_fetcher_close(shard->fetcher);
    feed_open(shard, object);
    return true;
}

enum pen_read feed_front(struct shard *shard, void **tag, pen_slice *data, struct pen_err *err)
{
    if (shard->fetcher == NULL) {
        return pen_reader_front(shard->reader, tag, data, err);
    }
    switch (pen_fetcher_front(shard->fetcher, tag, data, err)) {
    case PEN_FETCH_NONE:
        return PEN_READ_NONE;
    case PEN_FETCH_WAIT:
        return PEN_READ_WAIT;
    case PEN_FETCH_DATA:
        return PEN_READ_DATA;
    case PEN_FETCH_END:
        return PEN_READ_END;
    case PEN_FETCH_FAIL:
        return PEN_READ_FAIL;
    }
    pen_panic(PEN_HERE, "fetcher verdict");
}

bool feed_is_last(struct shard *shard)
{
    return shard->fetcher == NULL ? pen_reader_is_last(shard->reader)
                                  : pen_fetcher_is_last(shard->fetcher);
}

void feed_done(struct shard *shard)
{
    if (shard->fetcher == NULL) {
        pen_reader_done(shard->reader);
    } else {
        pen_fetcher_taken(shard->fetcher);
    }
}

void feed_close(struct shard *shard)
{
    if (shard->fetcher == NULL) {
        pen_reader_close(shard->reader);
    } else {
        pen_fetcher_close(shard->fetcher);
    }
}

int64_t feed_turn(struct shard *shard)
{
    if (shard->fetcher == NULL) {
        return 0;
    }
    pen_fetcher_turn(shard->fetcher, pen_clock_mono_ns());
    return FETCH_TURN_NS;
}

void feed_credentials(struct shard *shard, const struct message *message)
{
    struct pen_err err = {0};
    if (credentials_use(shard, message->bucket, message->bytes, &err) != PEN_OK) {
        shard_fail(shard, &err);
    }
}

void feed_addresses(struct shard *shard, const struct message *message)
{
    pen_fetcher_addresses(shard->fetcher, message->bucket,
                          (const struct pen_fetch_address *)(const void *)message->bytes,
                          message->item_count);
}

struct pen_object *feed_return(struct shard *shard)
{
    void *tag = NULL;
    pen_slice data = {0};
    struct pen_err err = {0};
    if (shard->fetcher != NULL) {
        return pen_fetcher_drop(shard->fetcher, &tag) ? tag : NULL;
    }
    if (pen_reader_front(shard->reader, &tag, &data, &err) == PEN_READ_NONE) {
        return NULL;
    }
    pen_reader_close(shard->reader);
    return tag;
}

bool feed_cancel(struct shard *shard)
{
    return shard->fetcher == NULL ? pen_reader_cancel(shard->reader)
                                  : pen_fetcher_cancel(shard->fetcher);
}
