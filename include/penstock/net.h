/*
 * penstock/net.h - what is said to AWS over HTTP: how a request is signed, what a bucket lists.
 *
 * Signature Version 4, for headers (presigned URLs are not made).  A signer belongs to one thread;
 * it keeps the signing keys of the days, regions and services that it met.  Neither signing nor
 * encoding does I/O or reads the clock.
 */
#ifndef PEN_NET_H
#define PEN_NET_H

#include "penstock/base.h"

struct pen_ring;

/* ---- percent encoding (RFC 3986) ---- */

enum pen_uri_keep {
    PEN_URI_KEEP_NONE,  /* only A-Z a-z 0-9 - . _ ~ stay: names and values of a query */
    PEN_URI_KEEP_SLASH, /* "/" stays as well: paths */
};
/* Appends s; every other byte becomes %XX with upper-case digits.  Status of the buffer. */
PEN_MUST_USE pen_status pen_uri_encode(struct pen_buf *out, pen_slice s, enum pen_uri_keep keep);
/*
 * pen_uri_normalise - appends the path as services other than S3 sign it: segments "." and those
 * before ".." removed, empty segments too.  An empty path becomes "/".  Status of the buffer.
 */
PEN_MUST_USE pen_status pen_uri_normalise(struct pen_buf *out, pen_slice path);

/* Decodes %XX, in either case, and "+" as a blank: as S3 writes keys in listings and notifications.
 * In place; *len becomes the length.  False: a "%" that no two digits follow; text is spoilt then.
 */
PEN_MUST_USE bool pen_uri_decode(uint8_t *text, size_t *len);
/* The name in "scheme://name:port/path", also without a scheme; lies in url.  Not for addresses in
 * brackets. */
pen_slice pen_uri_host(pen_slice url);

/* ---- digests ---- */

#define PEN_MD5_HEX 32 /* digits */
/* MD5 (RFC 1321) as lower-case digits without a NUL: ids of documents, not secrets. */
void pen_md5_hex(pen_slice s, char out[PEN_MD5_HEX]);

/* ---- signing ---- */

#define PEN_SIGV4_QUERY_MAX 32              /* parameters of a request */
#define PEN_SIGV4_HEADERS_MAX 32            /* headers that are signed, ours included */
#define PEN_SIGV4_KEYS_MAX 16               /* signing keys that a signer keeps */
#define PEN_SIGV4_SCOPE_MAX 64              /* bytes of a region, of a service */
#define PEN_SIGV4_ACCESS_KEY_MAX 128        /* bytes */
#define PEN_SIGV4_SECRET_MAX 256            /* bytes */
#define PEN_SIGV4_TOKEN_MAX 16384           /* bytes of a session token */
#define PEN_SIGV4_BYTES_MAX ((size_t)65536) /* of all that is written for one request */
#define PEN_SHA256_HEX 64                   /* digits */

/* The hash of an empty body, and the word for a body that is not signed (S3, over TLS). */
#define PEN_SIGV4_EMPTY \
    PEN_SLICE_LIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
#define PEN_SIGV4_UNSIGNED PEN_SLICE_LIT("UNSIGNED-PAYLOAD")

struct pen_credentials {
    pen_slice access_key;
    pen_slice secret_key;
    pen_slice session_token; /* empty: none */
};

struct pen_pair { /* of a query, or a header */
    pen_slice name;
    pen_slice value;
};

enum pen_sigv4_path {
    PEN_SIGV4_BY_SERVICE, /* ONCE for s3 and its kin, TWICE for others */
    PEN_SIGV4_ONCE,       /* encoded once, every byte of it kept */
    PEN_SIGV4_TWICE,      /* sent encoded; signed normalised and encoded twice */
    PEN_SIGV4_NORMAL,     /* sent encoded; signed normalised and encoded once */
};

/* Everything is borrowed until pen_sigv4_sign returns. */
struct pen_sigv4_request {
    const struct pen_credentials *credentials;
    int64_t time_ns;      /* when it is sent, by the server's clock */
    pen_slice region;     /* "eu-west-1" */
    pen_slice service;    /* "s3", "es", "aoss", "sqs", "sts" */
    pen_slice method;     /* "GET" */
    pen_slice host;       /* of the endpoint; with ":port" where that is not the scheme's own */
    pen_slice bucket;     /* S3; empty: none, or already part of host or path */
    bool is_virtual_host; /* the bucket goes before the host, else before the path */
    enum pen_sigv4_path path_form;
    pen_slice path; /* not encoded, any bytes; begins with "/" or is empty.  S3: "/" and the key */
    const struct pen_pair *query; /* not encoded, in any order; no value is an empty value */
    uint32_t query_count;
    /* All others that are to be signed ("range", "if-match"); names in any case, values may have
     * blanks around.  Equal names are signed as one, in this order.  Not: host, authorization and
     * the x-amz- headers of pen_sigv4_signed. */
    const struct pen_pair *headers;
    uint32_t header_count;
    pen_slice payload; /* 64 lower-case digits or PEN_SIGV4_UNSIGNED; empty: PEN_SIGV4_EMPTY */
    bool has_payload_header; /* x-amz-content-sha256 is sent; s3 and aoss always have it */
};

/* What is to be sent beside the caller's headers.  Lies in the caller's buffer until that changes.
 */
struct pen_sigv4_signed {
    pen_slice target;        /* path and query of the request line */
    pen_slice host;          /* Host */
    pen_slice date;          /* X-Amz-Date */
    pen_slice payload;       /* X-Amz-Content-Sha256; empty: do not send */
    pen_slice token;         /* X-Amz-Security-Token; empty: do not send */
    pen_slice authorization; /* Authorization */
    pen_slice canonical; /* for a server's SignatureDoesNotMatch: what we signed; has the token */
    pen_slice string_to_sign; /* its form that is hashed with the key */
};

struct pen_sigv4;
PEN_MUST_USE pen_status pen_sigv4_new(struct pen_sigv4 **out, struct pen_err *err);
/* Wipes keys and secrets. */
void pen_sigv4_free(struct pen_sigv4 *signer);
/*
 * pen_sigv4_sign - empties *buf and writes the request there.  buf is the caller's; no more memory
 * is taken once it has grown to the size of such requests.  The signing key is made once per day,
 * region, service and credentials (five hashes more), the least recently used one goes.
 *
 * PEN_OK | PEN_E_LIMIT: one of the limits above, or buf's | PEN_E_CORRUPT: a byte or a header that
 * cannot be sent, a payload that is no hash, an empty field | PEN_E_NOMEM.  Then *out is empty.
 */
PEN_MUST_USE pen_status pen_sigv4_sign(struct pen_sigv4 *signer,
                                       const struct pen_sigv4_request *request, struct pen_buf *buf,
                                       struct pen_sigv4_signed *out, struct pen_err *err);
/* The SHA-256 of a body, for payload. */
void pen_sigv4_hash(pen_slice body, char out[PEN_SHA256_HEX]);

/* ---- endpoints: where a bucket is ---- */

#define PEN_S3_BUCKET_MAX 255  /* bytes; names of today have 63 at most */
#define PEN_S3_PREFIX_MAX 1024 /* bytes, as of a key */
#define PEN_S3_HOST_MAX 253    /* bytes of an endpoint's name */

struct pen_s3_url { /* lies in the text */
    pen_slice bucket;
    pen_slice prefix; /* the bytes behind the bucket and a slash; not decoded; may be empty */
};
/* "s3://bucket", "s3://bucket/prefix".  PEN_E_USAGE: another scheme, an ARN, a name that no bucket
 * can have, a prefix too long. */
PEN_MUST_USE pen_status pen_s3_url_parse(pen_slice url, struct pen_s3_url *out,
                                         struct pen_err *err);

/* What is configured; what is not is empty.  The first of the three endpoints that is set counts.
 */
struct pen_s3_place {
    pen_slice bucket;
    pen_slice region;          /* empty: that of the endpoint, else us-east-1 */
    pen_slice endpoint_url;    /* the option: "https://host", "http://host:port" */
    pen_slice env_endpoint_s3; /* AWS_ENDPOINT_URL_S3 */
    pen_slice env_endpoint;    /* AWS_ENDPOINT_URL */
    bool is_path_style;        /* never virtual-host style */
    bool is_fips;              /* AWS's own endpoints: those of FIPS 140 */
    bool is_dualstack;         /* AWS's own endpoints: those with IPv6 addresses */
};

struct pen_s3_endpoint { /* has no pointers: may be copied */
    bool is_tls;
    bool is_given;        /* configured, so it stays where it is when another region is learned */
    bool is_virtual_host; /* the bucket goes before the host, else before the path */
    bool is_fips;
    bool is_dualstack;
    uint16_t port;
    char host[PEN_S3_HOST_MAX + 1];      /* lower case, without the bucket; IPv6 in brackets */
    char authority[PEN_S3_HOST_MAX + 7]; /* host, and ":port" where that is not the scheme's own */
    char region[PEN_SIGV4_SCOPE_MAX];
    char bucket[PEN_S3_BUCKET_MAX + 1];
};
/*
 * pen_s3_endpoint_of - path style is taken where the style cannot be virtual-host: names with a dot
 * over TLS (no certificate covers them), names that are none of DNS, and endpoints that are an
 * address or localhost.  PEN_E_USAGE, with the reason: a URL, bucket or region of no such form, a
 * partition that must be given by endpoint.
 */
PEN_MUST_USE pen_status pen_s3_endpoint_of(const struct pen_s3_place *place,
                                           struct pen_s3_endpoint *out, struct pen_err *err);
/* What an endpoint of Amazon's own OpenSearch is signed as: "search-x.eu-west-1.es.amazonaws.com"
 * is "es", "x.eu-west-1.aoss.amazonaws.com" "aoss"; those of China, of FIPS and of "on.aws" too.
 * False: it is none. */
bool pen_search_of_host(pen_slice host, pen_slice *service, pen_slice *region);
/* The bucket was found to be in this region: AWS's own host follows, a given one stays.
 * PEN_E_CORRUPT, and no change: no region has such a name. */
PEN_MUST_USE pen_status pen_s3_endpoint_move(struct pen_s3_endpoint *endpoint, pen_slice region,
                                             struct pen_err *err);
/* The region in a host name of AWS, also of a VPC endpoint and with a bucket before it; lies in
 * host, or is static.  False: none can be told. */
PEN_MUST_USE bool pen_s3_region_of_host(pen_slice host, pen_slice *region);
/* "aws", "aws-cn", "aws-us-gov": as ARNs of the region have it. */
const char *pen_s3_partition(pen_slice region);

/* ---- listing: what a page of ListObjectsV2 tells ---- */

struct pen_s3_object {
    pen_slice key;           /* decoded: the bytes of the key, never empty */
    pen_slice etag;          /* without the quotes around it; empty: not told */
    pen_slice storage_class; /* "STANDARD", "GLACIER"; empty: not told */
    uint64_t size;           /* bytes */
    int64_t modified_ns;
};

/*
 * A lister runs many listings at once, each page by page, over kept connections.  A listing waits
 * with its next request until its page was given back: memory is one page a listing (at most 5 MB,
 * 0.3 MB for a thousand keys of CloudTrail), whatever is in the bucket.
 *
 * What can be mended is: connections that fail, stall or are cut, 5xx, 429 and SlowDown are tried
 * again after a random time up to a bound that doubles; a bucket of another region is asked there,
 * and listings of it that begin later too; a request that is signed with the time of a wrong clock
 * is signed again by the server's clock, and so are all after it.  While a server says SlowDown
 * fewer requests are in flight.  Certificates and host names are always verified; proxies are those
 * of the environment.
 *
 * One thread owns a lister and makes all calls, but for pen_s3_list_wake; SIGPIPE is blocked in it
 * or ignored, as in threads of pen_thread_start.
 */
#define PEN_S3_LISTINGS_MAX 64
#define PEN_S3_PAGE_KEYS_MAX 1000
#define PEN_S3_DELIMITER_MAX 16 /* bytes */

struct pen_s3_list_options { /* 0 is what stands in brackets */
    const char *ca_file;     /* PEM; NULL: the system's authorities */
    uint32_t listings_max;   /* [64] open at once, so also requests in flight */
    uint32_t attempts_max;   /* [10] requests for one page */
    uint32_t retries_max;    /* [500] of all listings; each page that comes gives one back */
    int64_t backoff_ns;      /* [100 ms] bound of the first wait */
    int64_t backoff_max_ns;  /* [20 s] bound of every wait */
    int64_t connect_ns;      /* [5 s] to a connection, TLS included */
    int64_t stall_ns;        /* [20 s] without a byte of the response */
    int64_t request_ns;      /* [120 s] a request in all */
    bool is_renewed; /* credentials that expire are renewed: what expired ones asked is asked again
                      */
    /* What was mended and should be known, one line without newline; may be NULL. */
    void (*notice)(void *ctx, const char *text);
    void *notice_ctx;
};

struct pen_s3_list;
/* PEN_E_CONFIG: the CA file cannot be read | PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_s3_list_new(const struct pen_s3_list_options *options,
                                        struct pen_s3_list **out, struct pen_err *err);
void pen_s3_list_free(struct pen_s3_list *list); /* listings that are open end; pages with them */

struct pen_s3_list_request {
    const struct pen_s3_endpoint *endpoint; /* copied, as the slices are */
    /* Borrowed until the listing ends; NULL: not signed, for public buckets.  May be changed
     * between turns: every request is signed with what is there then. */
    const struct pen_credentials *credentials;
    pen_slice prefix;      /* any bytes, at most PEN_S3_PREFIX_MAX */
    pen_slice delimiter;   /* usually empty, or "/": keys with it behind the prefix are folded */
    pen_slice start_after; /* keys up to this one, included, are left out */
    uint32_t page_keys;    /* asked for; 0: PEN_S3_PAGE_KEYS_MAX */
    bool is_requester_pays;
    void *tag; /* comes back in each page */
};
/* Begins a listing.  PEN_E_AGAIN: listings_max are open | PEN_E_LIMIT: a slice too long |
 * PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_s3_list_start(struct pen_s3_list *list,
                                          const struct pen_s3_list_request *request,
                                          struct pen_err *err);
uint32_t pen_s3_list_open(const struct pen_s3_list *list); /* listings that have not ended */

/* Borrowed until it is given back.  Every listing ends with a page that is last or has failed. */
struct pen_s3_page {
    void *tag;
    /* PEN_OK, or why the listing failed, with bucket and reason in err: PEN_E_DENIED (with the
     * permission that is probably missing), PEN_E_NOT_FOUND, PEN_E_CONFIG (a certificate),
     * PEN_E_IO, PEN_E_CORRUPT and PEN_E_TRUNCATED (tried again in vain).  Keys of earlier pages
     * stand: another listing may go on with start_after. */
    pen_status status;
    struct pen_err err;
    bool is_last;                           /* nothing follows; also when it failed */
    const struct pen_s3_endpoint *endpoint; /* where it came from: another region may be learned */
    const struct pen_s3_object *objects;
    uint32_t object_count;
    const pen_slice *prefixes; /* CommonPrefixes, decoded; those end with the delimiter */
    uint32_t prefix_count;
};
/*
 * pen_s3_list_turn - sends what is due, reads what came; sleeps up to timeout_ms (0: not) until
 * something happens, unless there is a page to take.  PEN_E_INTERNAL: libcurl refused.
 */
PEN_MUST_USE pen_status pen_s3_list_turn(struct pen_s3_list *list, uint32_t timeout_ms,
                                         struct pen_err *err);
/* The page that has waited longest, or NULL.  Several may be taken before one is given back. */
const struct pen_s3_page *pen_s3_list_take(struct pen_s3_list *list);
/* Gives it back: the listing goes on, or ends if that was its last page.  The page is gone. */
void pen_s3_list_done(struct pen_s3_list *list, const struct pen_s3_page *page);
/* Gives it back and ends the listing. */
void pen_s3_list_quit(struct pen_s3_list *list, const struct pen_s3_page *page);
/* Credentials have expired: until it is called with NULL requests wait (PEN_OK), or listings that
 * need one more fail with this.  Copied. */
void pen_s3_list_expired(struct pen_s3_list *list, const struct pen_err *why);
/* Ends the sleep of a turn, or of the next; on any thread while the lister lives. */
void pen_s3_list_wake(struct pen_s3_list *list);

struct pen_s3_list_stats { /* since the lister was made */
    uint64_t requests;     /* sent, each of which AWS bills */
    uint64_t pages;
    uint64_t retries;
    uint64_t throttled; /* SlowDown and its like */
    uint64_t moved;     /* sent again to another region */
    uint64_t bytes;     /* of bodies */
    uint32_t window;    /* requests that may be in flight now */
    int64_t skew_ns;    /* the servers' clock ahead of ours, as corrected */
};
struct pen_s3_list_stats pen_s3_list_stats(const struct pen_s3_list *list);

/* ---- where hosts are ---- */

#define PEN_ADDRESSES_MAX 16U       /* of a host; more are left out */
#define PEN_RESOLVER_NAMES_MAX 128U /* that may be asked for at once */

struct pen_fetch_address { /* a struct sockaddr of either family */
    uint32_t bytes;
    _Alignas(8) uint8_t at[28];
};
struct pen_addresses {
    uint32_t count;
    struct pen_fetch_address at[PEN_ADDRESSES_MAX];
};
#define PEN_RESOLVE_MOST_NS (30 * PEN_NS_PER_S)

/* Asks the system.  Blocks as long as name servers let it, which may be minutes.
 * PEN_E_NOT_FOUND: there is no such name, or it has no address | PEN_E_IO. */
PEN_MUST_USE pen_status pen_resolve(const char *host, uint16_t port, struct pen_addresses *out,
                                    struct pen_err *err);
struct pen_resolve_wait {
    int64_t most_ns; /* longest wait */
    /* Ten times a second as long as no answer is there; false: gives up.  NULL: is not called. */
    bool (*turn)(void *ctx, const char *host, int64_t waited_ns);
    void *ctx;
};
/* The same with an end, by a thread of its own that may outlive the call.  wait: NULL:
 * PEN_RESOLVE_MOST_NS.  Also PEN_E_TIMEOUT with host and seconds | PEN_E_STOPPED: turn gave up |
 * PEN_E_HOST: no thread or pipe. */
PEN_MUST_USE pen_status pen_resolve_within(const char *host, uint16_t port,
                                           const struct pen_resolve_wait *wait,
                                           struct pen_addresses *out, struct pen_err *err);
/* The same addresses, in whatever order: servers tell them in turns. */
bool pen_addresses_equal(const struct pen_addresses *a, const struct pen_addresses *b);

/* Asks on threads of their own, one a name: a name server that does not answer holds nobody up.
 * Belongs to one thread. */
struct pen_resolver;
struct pen_resolved {
    uint32_t name; /* the asker's number for it */
    struct pen_err err;
    struct pen_addresses addresses; /* when err is PEN_OK */
};
PEN_MUST_USE pen_status pen_resolver_new(struct pen_resolver **out, struct pen_err *err);
/* Waits for nobody: threads that still wait for an answer end by themselves.  NULL is fine. */
void pen_resolver_free(struct pen_resolver *resolver);
/* name: below PEN_RESOLVER_NAMES_MAX; nothing is done while its last answer has not come.
 * PEN_E_HOST: no thread can be started | PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_resolver_ask(struct pen_resolver *resolver, uint32_t name,
                                         const char *host, uint16_t port, struct pen_err *err);
/* The next answer; false: none has come.  Never blocks. */
bool pen_resolver_take(struct pen_resolver *resolver, struct pen_resolved *out);

/* ---- objects of buckets, fetched ---- */

#define PEN_FETCH_SOURCES_MAX 64 /* buckets of one fetcher */
#define PEN_FETCH_SLOTS_MAX 4096 /* objects open at once */
#define PEN_FETCH_KEY_MAX 1024   /* bytes of a key (S3's own limit) */
#define PEN_FETCH_ETAG_MAX 128   /* bytes */
#define PEN_FETCH_SIZE_UNKNOWN UINT64_MAX
#define PEN_FETCH_PLACES_MAX 16U /* servers of one bucket that are kept */

struct pen_fetcher; /* a shard's; everything is done on its thread and its ring */
struct pen_fetch_options {
    uint32_t slots;               /* objects open at once, 1.. */
    uint32_t window_max;          /* requests in flight, 1..; it adapts */
    uint32_t window_first;        /* what it begins with; 0: 16 */
    bool is_window_fixed;         /* it does not adapt: only refusals cut it */
    uint64_t range_bytes;         /* larger objects are read as ranges of this size */
    uint64_t bytes_in_flight_max; /* asked for or waiting to be taken; at least range_bytes */
    uint32_t tries_max;           /* of one request, 1.. */
    uint32_t redirects_max;       /* of one request; 0: none is followed */
    uint32_t places_max;          /* servers of one bucket, 1..PEN_FETCH_PLACES_MAX */
    uint64_t requests_s, bytes_s; /* asked for a second at most; 0: no limit */
    uint32_t retry_budget; /* retries to one host ahead of its good answers, which each give one
                            * back; beyond, one at a time goes out */
    uint32_t shares;       /* of these three limits, each fetcher's being one; 0: 1 */
    uint32_t share;        /* which one is this fetcher's, 0.. */
    int64_t connect_ns, first_byte_ns, stall_ns, idle_ns;
    int64_t resolve_most_ns; /* longest wait for where a server is that a redirect names; 0: none */
    int64_t resolve_ns;      /* between look-ups of a server that a bucket has moved to; 0: once */
    const char *ca_file;     /* NULL: the system's */
};
/* bytes_in_flight_max, receive buffers and connections. */
uint64_t pen_fetcher_memory(const struct pen_fetch_options *options);
PEN_MUST_USE pen_status pen_fetcher_new(struct pen_ring *ring,
                                        const struct pen_fetch_options *options,
                                        struct pen_fetcher **out, struct pen_err *err);
void pen_fetcher_free(struct pen_fetcher *fetcher); /* no object open, and cancelled */

/* A bucket; *source is its number.  The endpoint is copied.  Whoever pays for requests is told. */
PEN_MUST_USE pen_status pen_fetcher_source_add(struct pen_fetcher *fetcher,
                                               const struct pen_s3_endpoint *endpoint,
                                               bool is_requester_pays, uint32_t *source,
                                               struct pen_err *err);
/* Where its host is, and whose requests they are; both before the first open, and again whenever
 * they change.  Copied.
 *
 * A server that says by a redirect that the bucket is in another region, or at another server, is
 * believed: all requests for the bucket go there from then on, signed for it; names are asked for
 * on other threads.  A host of AWS's own only gives way to that of another region, and TLS never to
 * plain HTTP.  A request is sent on redirects_max times at most. */
void pen_fetcher_addresses(struct pen_fetcher *fetcher, uint32_t source,
                           const struct pen_fetch_address *addresses, uint32_t count);
PEN_MUST_USE pen_status pen_fetcher_credentials(struct pen_fetcher *fetcher, uint32_t source,
                                                const struct pen_credentials *credentials,
                                                struct pen_err *err);
/* Those of a source have expired: until it is given others its requests wait (PEN_OK), or fail with
 * this.  Copied. */
void pen_fetcher_expired(struct pen_fetcher *fetcher, uint32_t source, const struct pen_err *why);
/* A redirect has led to a place that gave an object since, and nobody was told yet: *source goes
 * there.  False: there is none. */
bool pen_fetcher_moved(struct pen_fetcher *fetcher, uint32_t *source, struct pen_s3_endpoint *to);
/* Another fetcher has found that out: requests go there as if a redirect had said so. */
void pen_fetcher_move(struct pen_fetcher *fetcher, uint32_t source,
                      const struct pen_s3_endpoint *to);
/* The server's clock less ours. */
void pen_fetcher_clock(struct pen_fetcher *fetcher, int64_t skew_ns);

struct pen_fetch_object { /* as listed; borrowed until pen_fetcher_open returns */
    uint32_t source;
    pen_slice key;  /* at most PEN_FETCH_KEY_MAX */
    pen_slice etag; /* without quotes; empty: not known, then it is not compared */
    uint64_t size;  /* PEN_FETCH_SIZE_UNKNOWN: the first answer tells it, and the ETag */
    void *tag;
};
bool pen_fetcher_has_slot(const struct pen_fetcher *fetcher);
void pen_fetcher_open(struct pen_fetcher *fetcher, const struct pen_fetch_object *object);
/*
 * pen_fetcher_front - an object that has bytes, or has failed; the same one until it is closed.
 * Objects come in the order in which their first bytes are whole, the bytes of one in order.
 * As pen_reader_front: NONE nothing is open, WAIT, DATA (give back with pen_fetcher_taken), END,
 * FAIL: *err NOT_FOUND, DENIED (403, archived storage classes), CHANGED (another ETag or size than
 * listed), and what is left of others when tries_max is used up; the text names what the server
 * said and its request id.
 */
enum pen_fetch {
    PEN_FETCH_NONE,
    PEN_FETCH_WAIT,
    PEN_FETCH_DATA,
    PEN_FETCH_END,
    PEN_FETCH_FAIL,
};
enum pen_fetch pen_fetcher_front(struct pen_fetcher *fetcher, void **tag, pen_slice *data,
                                 struct pen_err *err);
bool pen_fetcher_is_last(const struct pen_fetcher *fetcher); /* after DATA: END would follow */
void pen_fetcher_taken(struct pen_fetcher *fetcher);         /* the data of the front is used */
/* Ends the front object (also early). */
void pen_fetcher_close(struct pen_fetcher *fetcher);
/* Deadlines, retries and new requests; after each turn of the ring, at least every 100 ms. */
void pen_fetcher_turn(struct pen_fetcher *fetcher, int64_t now_ns);
/* Ends an object, any; *tag is its own.  False: none is open.  Nothing may be opened after that. */
bool pen_fetcher_drop(struct pen_fetcher *fetcher, void **tag);
/* Ends everything; turn ring and fetcher until it is true. */
bool pen_fetcher_cancel(struct pen_fetcher *fetcher);

struct pen_fetch_counters {
    uint64_t requests, retries, throttled, failed, bytes, connects;
    uint64_t slowed;            /* times the window shrank because first bytes came late */
    uint32_t in_flight, window; /* now */
    int64_t skew_ns;            /* learned from the server when it refused ours; 0: none */
};
struct pen_fetch_counters pen_fetcher_counters(const struct pen_fetcher *fetcher);

/* ---- requests with a body, to whichever of several nodes answers ---- */

#define PEN_POST_NODES_MAX 16U
#define PEN_POST_PREFIX_MAX 255 /* bytes */
#define PEN_POST_QUERY_MAX 4U
#define PEN_POST_IN_FLIGHT_MAX 64U

struct pen_post_node { /* has no pointers: may be copied */
    bool is_tls;
    uint16_t port;
    char host[PEN_S3_HOST_MAX + 1];       /* without the brackets of an IPv6 address */
    char authority[PEN_S3_HOST_MAX + 16]; /* of the Host field */
    char prefix[PEN_POST_PREFIX_MAX + 1]; /* goes before every path: "" or "/search" */
    struct pen_addresses addresses;       /* none until it is resolved */
};
/* "https://host", "http://host:9200/prefix".  PEN_E_USAGE with the reason; one with a user or a
 * password in it is refused, and the reason does not repeat them. */
PEN_MUST_USE pen_status pen_post_node_parse(pen_slice url, struct pen_post_node *out,
                                            struct pen_err *err);
/* Asks where the host is.  Blocks.  As pen_resolve_within. */
PEN_MUST_USE pen_status pen_post_node_resolve(struct pen_post_node *node,
                                              const struct pen_resolve_wait *wait,
                                              struct pen_err *err);

struct pen_poster_options {            /* texts are borrowed as long as the poster lives */
    const struct pen_post_node *nodes; /* copied; one without an address is passed over until it
                                        * has one */
    uint32_t node_count;               /* 1..PEN_POST_NODES_MAX */
    uint32_t in_flight_max;            /* 1..PEN_POST_IN_FLIGHT_MAX; as many connections a node */
    int64_t connect_ns;                /* TCP and TLS together */
    int64_t answer_ns; /* from the request to its answer, and between two arrivals */
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: the system's, none, that of cert */
    const char *authorization;                  /* of the Authorization field; NULL: none */
    /* Signature Version 4 in place of it; NULL: not signed. */
    const char *sigv4_service, *sigv4_region;
};
struct pen_poster; /* everything is done on one thread and its ring */
/* PEN_E_USAGE: a file that is no good | PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_poster_new(struct pen_ring *ring,
                                       const struct pen_poster_options *options,
                                       struct pen_poster **out, struct pen_err *err);
/* Bytes of connections and receive buffers. */
uint64_t pen_poster_memory(uint32_t node_count, uint32_t in_flight_max);
void pen_poster_free(struct pen_poster *poster); /* after pen_poster_close said true */
/* Gives up all requests, which come back, and closes; turn the ring until it is true. */
bool pen_poster_close(struct pen_poster *poster);
/* Who signs from now on; copied. */
PEN_MUST_USE pen_status pen_poster_credentials(struct pen_poster *poster,
                                               const struct pen_credentials *credentials,
                                               struct pen_err *err);

/* Where a node is from now on; copied.  New connections go there, and it is tried at once. */
void pen_poster_addresses(struct pen_poster *poster, uint32_t node,
                          const struct pen_fetch_address *addresses, uint32_t count);

struct pen_post {             /* the caller's memory until it comes back from pen_poster_done */
    const char *method;       /* "POST" */
    const char *path;         /* "/_bulk", not encoded */
    const char *content_type; /* of the body */
    const struct pen_pair *query;
    uint32_t query_count;
    pen_slice body; /* borrowed; with an error a turn of the ring longer */
    bool is_gzip;   /* the body is */
    uint8_t *reply; /* where the content of the answer goes */
    size_t reply_cap;

    /* The answer.  PEN_OK: status and reply are whole.  Else err has the reason, and the request
     * may have been carried out all the same: PEN_E_IO, PEN_E_TRUNCATED, PEN_E_CORRUPT,
     * PEN_E_LIMIT, PEN_E_DENIED (a certificate), PEN_E_TIMEOUT, PEN_E_STOPPED (given up). */
    struct pen_err err;
    uint16_t status;
    size_t reply_len;
    bool is_cut;     /* the reply did not fit */
    bool was_resent; /* on a second connection: the first may have carried it out */
    uint32_t node;   /* which one was asked */
    int64_t took_ns;
};
bool pen_poster_has_room(const struct pen_poster *poster);
/* Nodes take turns; one that could not be reached lately is passed over while others are left. */
void pen_poster_start(struct pen_poster *poster, struct pen_post *post);
/* The next request that has ended, NULL when there is none. */
struct pen_post *pen_poster_done(struct pen_poster *poster);
/* Deadlines; after turns of the ring, at least every 100 ms. */
void pen_poster_turn(struct pen_poster *poster, int64_t now_ns);

/* ---- the same by libcurl: what it is compared with ---- */

struct pen_curl_options { /* everything is borrowed while it runs */
    const struct pen_s3_endpoint *endpoint;
    const struct pen_credentials *credentials;
    const char *ca_file;   /* NULL: the system's */
    const pen_slice *keys; /* fetched whole, one after another and again from the first */
    uint32_t key_count;    /* 1.. */
    uint32_t concurrency;  /* requests in flight, 1.. */
};
struct pen_curl_fetched {
    uint64_t requests, failed, bytes; /* ended; without a good answer; of bodies */
};
struct pen_curl_fetch; /* one thread; bodies are dropped */
/* The first requests are begun.  PEN_E_NOMEM | as pen_sigv4_sign. */
PEN_MUST_USE pen_status pen_curl_fetch_new(const struct pen_curl_options *options,
                                           struct pen_curl_fetch **out, struct pen_err *err);
/* What has ended is begun anew; sleeps up to 100 ms until something happens. */
PEN_MUST_USE pen_status pen_curl_fetch_turn(struct pen_curl_fetch *run, struct pen_err *err);
struct pen_curl_fetched pen_curl_fetch_done(const struct pen_curl_fetch *run);
void pen_curl_fetch_free(struct pen_curl_fetch *run); /* NULL is fine */

/* ---- the same with nothing done: what the kernel, and OpenSSL, need for these bytes ---- */

/* Each connection sends one request that was signed before (anew when minutes have passed) again
 * and again; of an answer only the status and the end of its head are looked for, and its bytes
 * are dropped as they come.  Chunked answers cannot be told apart and count as failed. */
struct pen_bare_fetch;             /* one thread and its ring */
struct pen_bare_options {          /* everything is borrowed while it runs */
    struct pen_curl_options fetch; /* as libcurl has it */
    const uint64_t *sizes;         /* bytes of the object of each key */
    struct pen_ring *ring;
    const struct pen_addresses *addresses; /* the first is used */
};
/* The first connections are begun.  PEN_E_NOMEM | PEN_E_HOST | as pen_sigv4_sign. */
PEN_MUST_USE pen_status pen_bare_fetch_new(const struct pen_bare_options *options,
                                           struct pen_bare_fetch **out, struct pen_err *err);
/* Turns the ring; sleeps up to 100 ms until something happens.  PEN_E_IO: as many requests in a
 * row failed as there are connections; err says how the last did. */
PEN_MUST_USE pen_status pen_bare_fetch_turn(struct pen_bare_fetch *run, struct pen_err *err);
struct pen_curl_fetched pen_bare_fetch_done(const struct pen_bare_fetch *run);
void pen_bare_fetch_free(struct pen_bare_fetch *run); /* turns the ring; NULL is fine */

/* ---- credentials: who signs ---- */

#define PEN_CREDENTIAL_MARGIN_NS (300 * PEN_NS_PER_S) /* before they expire, others are fetched */
#define PEN_CREDENTIAL_RETRY_NS (30 * PEN_NS_PER_S)   /* after that failed, while they are valid */
#define PEN_CREDENTIAL_REPORT_MAX ((size_t)4096)      /* bytes */

/* Everything is copied.  What is not given is empty, or NULL. */
struct pen_credential_options {
    const char *(*env)(void *ctx, const char *name); /* NULL: getenv.  Not set: NULL */
    void *env_ctx;
    pen_slice profile;      /* before AWS_PROFILE; then keys of the environment do not count */
    pen_slice role_arn;     /* a role that is assumed with what the chain gives */
    pen_slice external_id;  /* for role_arn */
    pen_slice session_name; /* "penstock-PID" */
    pen_slice region;       /* before AWS_REGION */
    pen_slice ca_file;      /* PEM, before AWS_CA_BUNDLE; of STS and containers */
    int64_t timeout_ns;     /* 0: 60 s; of all that is asked for one get */
    pen_slice sts_endpoint; /* before AWS_ENDPOINT_URL_STS: "https://host", "http://host:port" */
};

/*
 * The chain of the AWS SDKs: environment, web identity of the environment, profile (a role with
 * source_profile or credential_source, a web identity, keys, credential_process), container
 * endpoint, instance metadata (IMDSv2 alone).  The first that is configured counts: when that one
 * fails, so does the chain.  One thread, which blocks while a server or a process is asked: 1 s and
 * 2 tries for instance metadata, 5 s and 3 tries for STS, for a process what timeout_ns leaves.  No
 * message of it has a secret.
 */
struct pen_credential_chain;
PEN_MUST_USE pen_status pen_credential_chain_new(struct pen_credential_chain **out,
                                                 const struct pen_credential_options *options,
                                                 struct pen_err *err);
/* Wipes what it holds.  NULL is allowed. */
void pen_credential_chain_free(struct pen_credential_chain *chain);
/*
 * pen_credential_chain_get - those that are held, or others when they expire within the margin: of
 * PEN_CREDENTIAL_MARGIN_NS, or a quarter of their life when that is shorter.  When none can be
 * fetched the held ones are given for as long as they are valid, and the next try is made
 * PEN_CREDENTIAL_RETRY_NS later; the report then tells why.
 *
 * now_ns      wall clock, by the servers' time where that is known better
 * *out        lies in the chain until the next call
 * *expires_ns INT64_MAX: never, as far as is told
 * Returns     PEN_E_CONFIG: no source is configured, or one is wrongly | PEN_E_DENIED: a server
 *             refused | PEN_E_IO: it did not answer | PEN_E_CORRUPT: an answer of no such form |
 *             PEN_E_LIMIT | PEN_E_NOMEM.  err has as much of the report as fits.
 */
PEN_MUST_USE pen_status pen_credential_chain_get(struct pen_credential_chain *chain, int64_t now_ns,
                                                 struct pen_credentials *out, int64_t *expires_ns,
                                                 struct pen_err *err);
/* A server says that the held ones are not valid: the next get fetches others. */
void pen_credential_chain_forget(struct pen_credential_chain *chain);
/* Where the held ones are from: "environment", "web identity", "container", "instance metadata",
 * "profile dev, " and "credentials file", "config file", "credential_process", "web identity" or
 * "role ARN"; ", role ARN" of the options may follow.  Empty: none are held.  In the chain until
 * the next get. */
pen_slice pen_credential_chain_source(const struct pen_credential_chain *chain);
/* Of the last get that asked sources: each that was tried, and why it gave nothing.  One line. */
pen_slice pen_credential_chain_report(const struct pen_credential_chain *chain);
/*
 * pen_region_of - the option, AWS_REGION, AWS_DEFAULT_REGION, the profile's, the instance's.
 * PEN_E_NOT_FOUND: none tells, with the reasons; PEN_E_CONFIG: a file is wrong, or the region has
 * no such form.  *region lies in the chain.  Asks once.
 */
PEN_MUST_USE pen_status pen_region_of(struct pen_credential_chain *chain, pen_slice *region,
                                      struct pen_err *err);

/* ---- credentials that are renewed beside the work ---- */

/*
 * A chain on a thread of its own, which asks ahead of the end of what is held, as a get would, and
 * again retry_ns after that failed.  Those who ask for credentials never wait: a server or a
 * process that hangs holds up that thread alone.  Everything but the thread belongs to the one who
 * started it.
 */
struct pen_renewal;
/*
 * pen_renewal_start - asks once, which blocks; the thread is started when what came expires.
 *
 * chain     taken in every outcome, and then NULL
 * retry_ns  0: PEN_CREDENTIAL_RETRY_NS
 * Returns   as pen_credential_chain_get | PEN_E_HOST: no thread can be started
 */
PEN_MUST_USE pen_status pen_renewal_start(struct pen_credential_chain **chain, int64_t retry_ns,
                                          struct pen_renewal **out, struct pen_err *err);
/* Gives up what is being asked: within a second, whoever hangs; wipes.  NULL is fine. */
void pen_renewal_free(struct pen_renewal *renewal);
enum pen_renewed {
    PEN_RENEWED_NOT,    /* nothing has come */
    PEN_RENEWED,        /* others are held from now on, or the same ones for longer */
    PEN_RENEWED_FAILED, /* none were to be had: pen_renewal_trouble tells why */
};
/* Takes what the thread has found, one piece a call.  Never blocks. */
enum pen_renewed pen_renewal_turn(struct pen_renewal *renewal);
/* Those that are held, valid or not; they lie in the renewal until a turn says RENEWED. */
struct pen_credentials pen_renewal_credentials(const struct pen_renewal *renewal);
int64_t pen_renewal_expires_ns(const struct pen_renewal *renewal); /* as of a get */
/* Where they are from, as pen_credential_chain_source has it; until a turn says RENEWED. */
const char *pen_renewal_source(const struct pen_renewal *renewal);
/* Why the last try failed, with the sources that were asked; NULL: it did not. */
const char *pen_renewal_trouble(const struct pen_renewal *renewal);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_net_libraries(struct pen_buf *out);

#endif
