/*
 * list.h - a lister's parts: the listings and their states, how a request is made, what a response
 * means.
 */
#ifndef PEN_NET_LIST_H
#define PEN_NET_LIST_H

#include "list_xml.h"

#include <curl/curl.h>

#define LEARNED_MAX 32 /* buckets whose region is kept; then the oldest goes */
#define URL_BYTES_MAX ((size_t)65536)
#define SHOWN_BUCKET_MAX 63 /* bytes of its name in an error */

enum listing_state {
    LISTING_FREE,
    LISTING_DUE,     /* its request is sent at due_ns */
    LISTING_RUNNING, /* its request is in flight */
    LISTING_READY,   /* its page is to be taken */
    LISTING_HELD,    /* its page was taken */
};

struct listing {
    enum listing_state state;
    struct pen_s3_list *list;
    /* what was asked for */
    struct pen_s3_endpoint endpoint;
    const struct pen_credentials *credentials;
    uint32_t page_keys;
    bool is_requester_pays;
    void *tag;
    uint8_t prefix[PEN_S3_PREFIX_MAX];
    uint8_t start_after[PEN_S3_PREFIX_MAX];
    uint8_t delimiter[PEN_S3_DELIMITER_MAX];
    size_t prefix_len, start_after_len, delimiter_len;
    struct pen_buf token; /* of the next page; empty before the first */
    /* the request for a page */
    uint32_t attempt;    /* of this page, from 1 */
    uint32_t moves;      /* to other regions, for this page */
    bool is_clock_fixed; /* for this page */
    int64_t due_ns;
    uint64_t signed_by;  /* hash of the credentials */
    int64_t signed_ns;   /* the time that was signed */
    int64_t sent_ns;     /* monotonic, as the next */
    int64_t progress_ns; /* when the last byte came */
    CURL *easy;          /* kept from one request to the next */
    struct curl_slist *headers;
    struct pen_buf text; /* that is signed */
    struct pen_buf url;
    char curl_error[CURL_ERROR_SIZE];
    /* its response */
    struct list_xml *xml;
    pen_status xml_status;
    struct pen_err xml_err;
    uint64_t body_bytes;
    struct pen_s3_page page;
};

struct learned {
    char bucket[PEN_S3_BUCKET_MAX + 1];
    char region[PEN_SIGV4_SCOPE_MAX];
};

struct pen_s3_list {
    struct pen_s3_list_options options;
    char *ca_file;
    CURLM *multi;
    int epoll_fd, wake_fd; /* -1: not there */
    bool is_woken;         /* since the turn began */
    int64_t timer_ns;      /* when libcurl wants to be called; INT64_MAX: not by itself */
    struct pen_sigv4 *signer;
    struct pen_s3_list_stats stats;
    uint32_t retries_left;
    uint32_t running;
    uint32_t successes;  /* since the window changed */
    int64_t narrowed_ns; /* when the window was halved last */
    uint64_t draws;      /* random numbers drawn */
    uint64_t seed;
    uint32_t first;                      /* listing that is looked at first for what is due */
    uint32_t ready[PEN_S3_LISTINGS_MAX]; /* indices of listings with a page, a ring */
    uint32_t ready_head, ready_count;
    struct learned learned[LEARNED_MAX];
    uint32_t learned_count; /* ever */
    uint32_t open;
    bool is_expired;
    struct pen_err expired; /* then: PEN_OK while requests wait */
    struct listing listings[PEN_S3_LISTINGS_MAX];
};

/* ---- list_request.c ---- */

/* Makes what a listing keeps for its requests, once.  PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_listing_prepare(struct listing *l, struct pen_err *err);
void pen_listing_fini(struct listing *l);
/* Signs the request for the next page and gives it to libcurl. */
PEN_MUST_USE pen_status pen_listing_send(struct listing *l, struct pen_err *err);
/* Which credentials the listing has now: another number when they were changed. */
uint64_t pen_listing_credentials(const struct listing *l);

/* ---- list_poll.c: libcurl is told of each socket, so a turn costs what happened, not what is open
 * ---- */

/* PEN_E_IO: no descriptor | PEN_E_NOMEM.  pen_list_poll_fini is due even then, behind the multi's
 * end. */
PEN_MUST_USE pen_status pen_list_poll_new(struct pen_s3_list *list, struct pen_err *err);
void pen_list_poll_fini(struct pen_s3_list *list);
/* Waits for something to happen, timeout_ms at most, and has libcurl do what is due.
 * PEN_E_INTERNAL: it refused. */
PEN_MUST_USE pen_status pen_list_poll(struct pen_s3_list *list, int timeout_ms,
                                      struct pen_err *err);

/* ---- list_verdict.c ---- */

/* The request has ended: the listing is READY with a page or a failure, or DUE to ask again. */
void pen_listing_verdict(struct listing *l, CURLcode result);
/* It ended for a reason of ours: asked again if attempts and budget allow, else READY. */
void pen_listing_retry(struct listing *l, const struct pen_err *why);
/* READY with a failure. */
void pen_listing_fail(struct listing *l, const struct pen_err *why);
/* Takes up a region that another listing of the bucket learned. */
void pen_listing_recall(struct listing *l);

/* ---- list.c ---- */

void pen_listing_ready(struct listing *l);
void pen_list_notice(const struct pen_s3_list *list, const char *text);

#endif
