/* tested by tests/e2e/test_s3.py */
#include "shard_own.h"

#include <stdlib.h>

#define RESTARTS_MAX 3U                   /* an object that changes all the time is told as such */
#define FETCH_TURN_NS (PEN_NS_PER_S / 50) /* how exact deadlines and retries are */

pen_status feed_new(struct shard *shard, struct pen_err *err)
{
    const struct shard_shared *shared = shard->shared;
    if (shared->bucket_count == 0) {
        const struct pen_reader_options reader = shard_reader_options(shared->options);
        return pen_reader_new(shard->ring, &reader, &shard->reader, err);
    }
    struct pen_fetch_options fetch = shard_fetch_options(shared->options);
    fetch.shares = shard->shards;
    fetch.share = shard->index;
    return buckets_fetcher(shard->ring, &fetch, shared->buckets, shared->bucket_count,
                           &shard->fetcher, err);
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

/* The others would find it out too, each with requests of its own. */
static void moves_tell(struct shard *shard)
{
    struct pen_s3_endpoint to;
    uint32_t bucket = 0;
    while (pen_fetcher_moved(shard->fetcher, &bucket, &to)) {
        struct message *message = message_new(MSG_MOVED);
        message->byte_count = sizeof(to);
        message->bytes = malloc(message->byte_count);
        PEN_CHECK(message->bytes != NULL);
        memcpy(message->bytes, &to, sizeof(to));
        message->bucket = bucket;
        send_control(shard, message);
    }
}

int64_t feed_turn(struct shard *shard)
{
    if (shard->fetcher == NULL) {
        return 0;
    }
    pen_fetcher_turn(shard->fetcher, pen_clock_mono_ns());
    moves_tell(shard);
    return FETCH_TURN_NS;
}

void feed_credentials(struct shard *shard, const struct message *message)
{
    struct pen_err err = {0};
    if (credentials_use(shard->fetcher, message->bucket, message->bytes, &err) != PEN_OK) {
        shard_fail(shard, &err);
    }
}

void feed_addresses(struct shard *shard, const struct message *message)
{
    pen_fetcher_addresses(shard->fetcher, message->bucket,
                          (const struct pen_fetch_address *)(const void *)message->bytes,
                          message->item_count);
}

void feed_move(struct shard *shard, const struct message *message)
{
    PEN_CHECK(message->byte_count == sizeof(struct pen_s3_endpoint));
    pen_fetcher_move(shard->fetcher, message->bucket,
                     (const struct pen_s3_endpoint *)(const void *)message->bytes);
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
