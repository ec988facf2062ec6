/*
 * sigv4.h - the parts of a signature: the signing keys, the canonical request.
 *
 * Texts are built in the caller's buffer, which may move while it grows: until it is complete they
 * are spans, not slices.
 */
#ifndef PEN_NET_SIGV4_H
#define PEN_NET_SIGV4_H

#include "penstock/net.h"

#include "sha.h"
#include "span.h"

/* Appends a part of the buffer to it. */
PEN_MUST_USE pen_status pen_span_add(struct pen_buf *buf, struct span span);

/* "20130524T000000Z"; its first 8 bytes are the day. */
#define SIGV4_DATE_LEN 16
#define SIGV4_DAY_LEN 8

struct sigv4_pair {
    struct span name;
    struct span value;
};

struct sigv4_parts { /* where in the buffer things lie */
    struct span path;
    struct span query;
    struct span target; /* path?query as sent */
    struct span host;
    struct span payload;
    struct span token;
    struct span date;
    struct span canonical;
    struct span signed_names; /* "host;x-amz-date", a part of canonical */
    bool is_payload_sent;
};
/* Checks the request and writes it in canonical form. */
PEN_MUST_USE pen_status pen_sigv4_canonical(const struct pen_sigv4_request *request,
                                            struct pen_buf *buf, struct sigv4_parts *parts,
                                            struct pen_err *err);

struct sigv4_key {
    struct pen_hmac hmac;
    uint64_t used_at; /* a count of signatures; 0: the entry is free */
    uint8_t day[SIGV4_DAY_LEN];
    size_t region_len, service_len, access_len, secret_len;
    uint8_t region[PEN_SIGV4_SCOPE_MAX];
    uint8_t service[PEN_SIGV4_SCOPE_MAX];
    uint8_t access[PEN_SIGV4_ACCESS_KEY_MAX];
    uint8_t secret[PEN_SIGV4_SECRET_MAX]; /* one access key may get another secret */
};
struct pen_sigv4 {
    uint64_t signatures;
    uint64_t keys_made; /* for tests */
    struct sigv4_key *last;
    struct sigv4_key keys[PEN_SIGV4_KEYS_MAX];
};
/* The key of a request whose fields were checked; kept, or made now.  Borrowed until the next. */
const struct pen_hmac *pen_sigv4_key(struct pen_sigv4 *signer,
                                     const struct pen_sigv4_request *request, pen_slice day);

#endif
