/*
 * fetch.h - what the files of the fetcher have in common.  net only.
 *
 *   fetch.c         objects: open, which request next, front, close
 *   fetch_get.c     one request: its text, what its answer means
 *   fetch_place.c   where a bucket is: the server that redirects names another
 *   fetch_window.c  how many requests are in flight
 *   fetch_rate.c    how many requests and bytes a second
 *   fetch_budget.c  how many may be tried again
 */
#ifndef PEN_NET_FETCH_H
#define PEN_NET_FETCH_H

#include "penstock/net.h"

#include "fetch_budget.h"
#include "fetch_rate.h"
#include "http_client.h"
#include "list_xml.h"

#define FETCH_AHEAD 4U /* ranges of the front object in flight or waiting */
#define FETCH_LATE_TIMES 2
#define FETCH_LATE_NS (PEN_NS_PER_S / 100)    /* less is no queue that is worth a smaller window */
#define FETCH_ERROR_BYTES 4096U               /* of an error document, at least */
#define FETCH_HEAD_BYTES_MAX ((size_t)131072) /* of a request: tokens are long */

struct fetch_span {   /* a stretch in which the size stays */
    int64_t begun_ns; /* monotonic; may be to come: what is in flight was sent at another size */
    int64_t took_ns, latency_ns; /* sums of its answers */
    uint64_t in_flight_ns;       /* requests under way, each for how long */
    uint32_t answers;
    bool was_full;
};

struct fetch_window {
    uint32_t size, max;
    uint32_t size_before; /* the last change, while that is tried; 0: nothing is */
    bool is_probing;      /* doubles, until something speaks against it */
    uint32_t rest;        /* spans until growing is tried again */
    int64_t cut_ns;       /* when it was halved last */
    int64_t turned_ns;
    struct fetch_span span;
    uint64_t rate;     /* thousandths of an answer a second in the span before; 0: not known */
    uint64_t rate_top; /* likewise, the most since it began to shrink step by step */
    int64_t
        floor_ns;    /* the least latency of a span, which follows a lasting rise slowly; 0: none */
    uint64_t slowed; /* times it shrank because answers came late */
};

struct fetch_answer {
    uint32_t in_flight; /* when it came, this one included */
    int64_t took_ns;    /* for which it was one of them */
    int64_t latency_ns; /* from its request, on a connection, to its first byte */
};

void fetch_window_init(struct fetch_window *window, uint32_t first, uint32_t max);
/* A good answer came. */
void fetch_window_answer(struct fetch_window *window, const struct fetch_answer *answer);
/* The server asked for less, or did not answer: it halves, at most once a second. */
void fetch_window_cut(struct fetch_window *window, int64_t now_ns);
/*
 * fetch_window_turn - once a turn, before its answers: looks at what the last change has brought.
 *
 * It grows while it is full and that brings answers: twofold at first, then by an eighth; a growth
 * that brought too little is taken back.  When first bytes come clearly later than they did
 * (FETCH_LATE_TIMES the floor, and FETCH_LATE_NS more) without more answers a second, it shrinks by
 * a quarter.  A shrinking that costs answers is taken back: that latency is not a queue of ours,
 * and is the floor from then on.
 *
 * in_flight  since the turn before
 */
void fetch_window_turn(struct fetch_window *window, int64_t now_ns, uint32_t in_flight);

struct fetch_object;
struct fetch_get { /* one request, the first or one more range of an object */
    struct http_exchange exchange;
    struct fetch_object *object;
    struct fetch_get *next;    /* of the object's in order, or of the free ones */
    struct fetch_get *waiting; /* next of those that wait to be tried again */
    struct pen_buf head;       /* the request */
    uint64_t offset, want;     /* bytes of the object */
    int64_t retry_ns;
    uint32_t tries;
    uint32_t hops;         /* redirects that were followed */
    uint32_t place, moves; /* of its source, when it was sent last */
    bool is_range;
    bool is_flying, is_ready;
};

struct fetch_object {
    struct fetch_object *next; /* of those that have not begun, of those with bytes, of free ones */
    uint32_t source;
    bool is_used, is_closed, is_failed, is_listed_ready;
    uint64_t size, next_offset; /* of the next request */
    uint64_t handed;
    struct fetch_get *first, *last;
    void *tag;
    struct pen_err err;
    size_t key_len;
    char etag[PEN_FETCH_ETAG_MAX + 1];
    uint8_t path[1 + PEN_FETCH_KEY_MAX]; /* "/" and the key */
};

#define FETCH_HOSTS_MAX (PEN_FETCH_SOURCES_MAX * PEN_FETCH_PLACES_MAX)
struct fetch_host {
    const struct pen_s3_endpoint *endpoint; /* of the first place that it serves */
    struct fetch_budget budget;
};

struct fetch_place { /* a server that has the bucket, or said where it is */
    struct http_client *client;
    struct pen_s3_endpoint endpoint;
    struct fetch_host *host; /* that of other buckets perhaps, too */
    bool has_addresses;
    int64_t asked_ns; /* when its name was asked for last, monotonic; 0: never */
};

struct fetch_source {
    struct fetch_place places[PEN_FETCH_PLACES_MAX]; /* the first is the one that was given */
    uint32_t place_count;
    uint32_t place;   /* that is asked now */
    uint32_t moves;   /* changes of place or region, ever */
    bool is_unproved; /* a redirect led here, and no object has come yet */
    bool has_news;    /* one has, and nobody was told */
    bool is_asking;
    uint32_t asked;         /* the place whose name is being asked for, or was last */
    struct pen_err unfound; /* why the last name that was asked for has no address */
    bool is_requester_pays;
    struct pen_buf secrets; /* the credentials' bytes */
    struct pen_credentials credentials;
    bool is_expired;
    struct pen_err expired; /* then: PEN_OK while requests wait for others */
};

/* Whether requests wait: for an address, as the bucket has just moved, or for credentials. */
static inline bool fetch_source_waits(struct fetch_source *source)
{
    return !source->places[source->place].has_addresses ||
           (source->is_expired && source->expired.status == PEN_OK);
}

struct pen_fetcher {
    struct pen_ring *ring;
    struct pen_recv_pool *recv;
    struct pen_sigv4 *signer;
    struct list_xml *xml;
    struct pen_fetch_options options;
    struct fetch_source sources[PEN_FETCH_SOURCES_MAX];
    uint32_t source_count;
    struct fetch_host hosts[FETCH_HOSTS_MAX];
    uint32_t host_count;
    struct pen_resolver *resolver; /* of places; NULL until a bucket moves */
    struct fetch_object *objects;
    struct fetch_object *free_objects;
    struct fetch_object *begin_first, *begin_last; /* opened, no request yet */
    struct fetch_object *ready_first, *ready_last; /* first bytes are whole, or failed */
    struct fetch_object *front;
    struct fetch_get *gets;
    struct fetch_get *free_gets;
    struct fetch_get *waiting; /* to be tried again */
    uint32_t open;
    uint64_t bytes_held; /* wanted by requests whose bytes were not taken yet */
    struct fetch_window window;
    struct fetch_rate requests_rate, bytes_rate;
    int64_t now_ns; /* of this turn */
    struct pen_fetch_counters counters;
    struct pen_buf signing;
    uint64_t random;
    bool is_cancelled;
};

/* The name that the certificate must bear. */
void fetch_host_of(const struct pen_s3_endpoint *endpoint, char out[HTTP_HOST_MAX * 2]);
/* ---- fetch_place.c ---- */

/* One more place for a source, with a client of its own.  As http_client_new; PEN_E_LIMIT. */
PEN_MUST_USE pen_status fetch_place_add(struct pen_fetcher *fetcher, struct fetch_source *source,
                                        const struct pen_s3_endpoint *endpoint,
                                        struct pen_err *err);
static inline struct fetch_place *fetch_place_of(struct fetch_source *source)
{
    return &source->places[source->place];
}
void fetch_place_addresses(struct fetch_place *place, const struct pen_fetch_address *addresses,
                           uint32_t count);
struct fetch_told { /* where a server says the bucket is; what it does not say is empty */
    pen_slice region;
    pen_slice location; /* a URL */
};
/* The source goes where the answer to get says, unless it has moved since get was sent.  False:
 * nothing new is told, or get was sent on too often. */
bool fetch_place_move(struct pen_fetcher *fetcher, struct fetch_get *get,
                      const struct fetch_told *told);
/* A good answer came to get. */
void fetch_place_proved(struct fetch_source *source, const struct fetch_get *get);
/* Once a turn: addresses of places are asked for, and taken. */
void fetch_place_turn(struct pen_fetcher *fetcher, int64_t now_ns);

/* ---- fetch_get.c ---- */

#define FETCH_EXTRA_MAX 3U
/* The head of a GET that was signed, in place of what out held.  What out fails with. */
PEN_MUST_USE pen_status fetch_head_write(struct pen_buf *out, const struct pen_sigv4_signed *s,
                                         const struct pen_pair *extra, uint32_t extra_count);
/* Signs and sends.  False: it failed for good, get->object->err says why. */
bool fetch_get_send(struct pen_fetcher *fetcher, struct fetch_get *get);
/* Looks at the answer: the get is ready, waits to be tried again, or its object has failed. */
void fetch_get_answer(struct pen_fetcher *fetcher, struct fetch_get *get);

#endif
