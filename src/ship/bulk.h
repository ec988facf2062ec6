/*
 * bulk.h - documents to _bulk requests to a cluster, each of them settled exactly once.
 *
 *   bulk.c         documents into bodies: add, seal, cut
 *   bulk_send.c    which body goes next, and how many at once
 *   bulk_answer.c  what becomes of a body by its answer: done, again, in parts, refused
 *
 * A document is settled when the cluster has it (2xx, 409) or has refused it for good.  A body is
 * sent again, with those of its documents that are not settled, until nothing of it is left.
 * Nothing here waits: requests are under way on the ring, and a turn looks at what came.
 *
 * A 409 says that a document of that id was there.  It is ours, so delivered, when an attempt of
 * this job can have written it: one before in this process that had no answer, or a broken one, or
 * 5xx, or went out on two connections; or one of an earlier process of the job, when the caller
 * says so of the document (may_exist).  Else it is a duplicate: another event with the same id, or
 * another job.  A 429 and a request refused as a whole (400, 401, 403, 413) have written nothing.
 */
#ifndef PEN_SHIP_BULK_H
#define PEN_SHIP_BULK_H

#include "penstock/net.h"
#include "penstock/ship.h"

#include "bulk_reply.h"
#include "gzip.h"

#define BULK_INDEX_MAX 128U
#define BULK_REPLY_BYTES ((size_t)1 << 20) /* of one answer: about 3,000 errors */
#define BODY_BYTES_MIN ((size_t)65536)     /* bodies are not made smaller than that */
#define BULK_HOLDS_MAX 8U
#define BULK_HOLD_TEXT 240U

struct bulk_doc {
    uint32_t begin;  /* in bytes of the body */
    uint32_t origin; /* in names */
    uint64_t record, offset;
    bool may_exist; /* an earlier attempt may have written it */
};
struct bulk_body { /* documents of one index, open or on their way */
    struct bulk_body *next;
    char index[BULK_INDEX_MAX];
    uint32_t index_len;
    struct pen_buf bytes;
    struct pen_buf names; /* of each origin: type, NUL, key of the object, NUL */
    uint32_t last_origin;
    struct bulk_doc *docs;
    uint32_t doc_count, doc_cap;
    bool is_cut;      /* made before the last cut */
    uint32_t tries;   /* since something of it was settled */
    int64_t retry_ns; /* not before */
    uint64_t used_at;
};
struct bulk_slot { /* a request under way */
    struct pen_post post;
    struct bulk_body *body; /* NULL: free */
    struct pen_buf packed;
    uint8_t *reply;
};
struct bulk_hold { /* an index that takes nothing */
    char index[BULK_INDEX_MAX];
    char text[BULK_HOLD_TEXT];
    int64_t probe_ns; /* when it is tried again */
};
struct bulk {
    struct pen_ship_options options;
    struct pen_poster *poster;
    struct bulk_reader *reader;
    struct gzip *gzip;
    struct bulk_body **open; /* [bodies_max] */
    uint32_t open_count;
    struct bulk_body *first, *last; /* sealed, in order; those that wait to be sent again too */
    struct bulk_body *spare;        /* emptied */
    struct bulk_slot *slots;        /* [requests_max] */
    uint32_t flying;
    uint32_t cut_left; /* bodies of the cut that are not settled */
    uint64_t bytes_held, bytes_open;
    uint64_t clock, random;
    struct pen_ship_settled counts[2]; /* of the cut, and of what is made now */
    struct pen_ship_counters counters;
    struct bulk_item *items;
    uint32_t item_cap;
    size_t body_target; /* a body is sealed at this size, */
    size_t body_max;    /* which grows up to this: less when the cluster said 413 */
    uint32_t window, credit;
    int64_t cut_ns;                         /* when the window was halved last */
    int64_t rate_ns;                        /* nothing is sent before, for max_mb_s */
    struct bulk_hold holds[BULK_HOLDS_MAX]; /* text empty: free */
    struct bulk_hold all;                   /* of the whole sink */
    int64_t silent_ns;                      /* since when no request was answered; 0: one was */
    char silence[BULK_HOLD_TEXT];
    bool is_closing;
};

PEN_MUST_USE pen_status bulk_new(const struct pen_ship_options *options, struct bulk **out,
                                 struct pen_err *err);
void bulk_free(struct bulk *bulk); /* after bulk_close said true */
bool bulk_close(struct bulk *bulk);
uint64_t bulk_memory(const struct pen_ship_options *options);
PEN_MUST_USE pen_status bulk_add(struct bulk *bulk, const struct pen_ship_document *doc,
                                 struct pen_err *err);
bool bulk_has_room(const struct bulk *bulk);
/* What was added belongs to the cut from here on, and is on its way. */
void bulk_cut(struct bulk *bulk);
/* Open bodies are on their way, full or not. */
void bulk_flush(struct bulk *bulk);
/* How long the ring may sleep; 0: any time. */
int64_t bulk_turn(struct bulk *bulk, int64_t now_ns);
/* Why nothing moves, or NULL. */
const char *bulk_state(const struct bulk *bulk, int64_t now_ns);

/* bulk.c */
struct bulk_body *bulk_body_take(struct bulk *bulk, pen_slice index); /* empty */
void bulk_body_give(struct bulk *bulk, struct bulk_body *body);
/* One more document of another body. */
void bulk_body_copy(struct bulk_body *to, const struct bulk_body *from, uint32_t doc);
pen_slice bulk_doc_bytes(const struct bulk_body *body, uint32_t doc);
void bulk_queue(struct bulk *bulk, struct bulk_body *body);
/* Before all others. */
void bulk_queue_first(struct bulk *bulk, struct bulk_body *body);
/* Nothing is left of it. */
void bulk_settled(struct bulk *bulk, struct bulk_body *body);

/* bulk_send.c */
/* The cluster asks for less, or does not answer. */
void bulk_slower(struct bulk *bulk, int64_t now_ns);
void bulk_faster(struct bulk *bulk);
/* The body waits a random time that grows with its tries. */
void bulk_later(struct bulk *bulk, struct bulk_body *body, int64_t now_ns);
/* The cluster will not take requests of this size. */
void bulk_smaller(struct bulk *bulk, size_t bytes);
/* index NULL: the whole sink.  False: too many indices are held to note another. */
bool bulk_hold(struct bulk *bulk, const char *index, const char *text, int64_t now_ns);
void bulk_release(struct bulk *bulk, const char *index);

/* bulk_answer.c: its documents go on in two bodies, before all others: the one that spoils them is
 * found in a few requests. */
void bulk_halve(struct bulk *bulk, struct bulk_body *body);
/* The slot's request has ended. */
void bulk_answer(struct bulk *bulk, struct bulk_slot *slot, int64_t now_ns);

#endif
