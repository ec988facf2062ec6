/* bucket_share.h - what threads that read must know of buckets, which only the control thread may
 * ask for: where they are, and with whose credentials. */
#ifndef PEN_NODE_BUCKET_SHARE_H
#define PEN_NODE_BUCKET_SHARE_H

#include "penstock/node.h"

#include "bucket.h"

struct planner;

/* Changed by the control thread alone, once all who read have made their fetchers. */
struct shard_bucket {
    struct pen_s3_endpoint endpoint;
    struct pen_addresses addresses;
    bool is_requester_pays;
    uint8_t *credentials; /* those of the start, as credentials_text made them */
};

/* How credentials stand, for another thread: the state and, each ended by a NUL, access key, secret
 * and session token, or why there are none.  The caller frees it. */
uint8_t *credentials_text(const struct renew *renew, size_t *bytes);
/* Those in the text of valid ones; they lie there. */
struct pen_credentials credentials_of(const uint8_t *text);
/* A fetcher's credentials as such a text has them, or that they have expired. */
PEN_MUST_USE pen_status credentials_use(struct pen_fetcher *fetcher, uint32_t bucket,
                                        const uint8_t *text, struct pen_err *err);
/* One for each bucket of the planner; *out is the caller's also when it fails.  Blocks. */
PEN_MUST_USE pen_status buckets_share(struct planner *planner, struct shard_bucket **out,
                                      struct pen_err *err);
void buckets_unshare(struct shard_bucket *buckets, uint32_t count); /* NULL is fine */
/* A fetcher that reads from all of them. */
PEN_MUST_USE pen_status buckets_fetcher(struct pen_ring *ring,
                                        const struct pen_fetch_options *options,
                                        const struct shard_bucket *buckets, uint32_t count,
                                        struct pen_fetcher **out, struct pen_err *err);
/* What the limits of a run make of the fetcher of one of its threads. */
struct pen_fetch_options shard_fetch_options(const struct pen_replay_options *options);

#endif
