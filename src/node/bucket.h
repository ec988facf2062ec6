/*
 * bucket.h - a source in S3: which prefixes hold objects, then their objects page by page.
 *
 * Of the control thread.  Opening and walking block (credentials, names and listings are asked
 * for); listing never does: what has not come yet is not there yet.
 */
#ifndef PEN_NODE_BUCKET_H
#define PEN_NODE_BUCKET_H

#include "penstock/net.h"
#include "penstock/node.h"

#include "renew.h"

#define BUCKET_HOST_MAX (PEN_S3_BUCKET_MAX + PEN_S3_HOST_MAX + 3U)
#define BUCKET_AHEAD PEN_S3_LISTINGS_MAX /* prefixes listed at once */

bool bucket_is_source(const char *source); /* "s3:..." */

struct bucket;
/* own: borrowed; what it does not have is that of options->s3.  May be NULL.  Of options also the
 * times of credentials and what is told on stderr.
 * PEN_E_USAGE: no such URL | what the chain of credentials fails with | PEN_E_NOMEM. */
PEN_MUST_USE pen_status bucket_open(const char *url, const struct pen_replay_options *options,
                                    const struct pen_source_options *own, struct bucket **out,
                                    struct pen_err *err);
void bucket_close(struct bucket *bucket);

/* Its part of paths: "s3://NAME/".  The key of an object follows. */
const char *bucket_root(const struct bucket *bucket);
const struct pen_s3_endpoint *bucket_endpoint(const struct bucket *bucket);
const struct pen_source_options *bucket_own(const struct bucket *bucket); /* or NULL */
bool bucket_is_requester_pays(const struct bucket *bucket);
/* The name that is to be resolved; its port. */
uint16_t bucket_host(const struct bucket *bucket, char out[BUCKET_HOST_MAX]);
/* Takes credentials that were renewed, and has listings wait when they have expired, as all calls
 * that list do.  True: what bucket_credentials tells has changed since this was called last.  Never
 * blocks. */
bool bucket_renew(struct bucket *bucket);
const struct renew *bucket_credentials(const struct bucket *bucket);

/* For listings, so far. */
uint64_t bucket_requests(const struct bucket *bucket);
/* The time by the server's clock, as far as it is known. */
int64_t bucket_now_ns(const struct bucket *bucket);

enum bucket_prefix { BUCKET_SKIP, BUCKET_DAY, BUCKET_FOLDER };
struct bucket_walk {
    /* What a prefix is: not wanted; one with a day, whose objects all belong together; else one to
     * look into. */
    enum bucket_prefix (*kind)(void *ctx, const char *prefix);
    /* Objects are to be listed here: all below when it has a day, else those before the next "/".
     */
    pen_status (*unit)(void *ctx, const char *prefix, bool is_day);
    void (*gap)(void *ctx, const char *prefix, const struct pen_err *err); /* cannot be listed */
    void *ctx;
};
/* Walks the prefixes below the source's.  Fails when the source's own prefix cannot be listed;
 * PEN_E_STOPPED: the run was interrupted. */
PEN_MUST_USE pen_status bucket_walk(struct bucket *bucket, const struct bucket_walk *calls,
                                    struct pen_err *err);

/* Begins to list a unit, unless it was begun or BUCKET_AHEAD are under way: then false. */
bool bucket_begin(struct bucket *bucket, uint32_t unit, const char *prefix, bool is_day);
struct bucket_taker { /* of objects; the object is borrowed until it returns */
    pen_status (*object)(void *ctx, const struct pen_s3_object *object);
    void *ctx;
};
/*
 * bucket_next - hands over up to room objects of a unit that was begun, in the order of keys.
 * *is_done  all were given, or the listing failed.  Neither objects nor is_done: not there yet
 */
PEN_MUST_USE pen_status bucket_next(struct bucket *bucket, uint32_t unit, uint32_t room,
                                    const struct bucket_taker *taker, bool *is_done,
                                    struct pen_err *err);
/* Waits up to timeout_ms for listings. */
PEN_MUST_USE pen_status bucket_wait(struct bucket *bucket, uint32_t timeout_ms,
                                    struct pen_err *err);

#endif
