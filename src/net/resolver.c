/* Answers come through a pipe: what the threads and the asker have in common is the kernel's. */
#include "penstock/net.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 100     /* between looks whether somebody wants to give up */
#define HOST_BYTES 520U /* a bucket's name, a dot and an endpoint's */

struct pen_resolver {
    int from, to; /* the ends of the pipe */
    bool is_asked[PEN_RESOLVER_NAMES_MAX];
};

struct question { /* a thread's own */
    int to;       /* likewise: the pipe outlives the resolver */
    uint16_t port;
    char host[HOST_BYTES];
    struct pen_resolved answer;
};

_Static_assert(sizeof(struct pen_resolved) <= PIPE_BUF, "an answer is written whole or not at all");

static void take_all(const struct addrinfo *found, struct pen_addresses *out)
{
    *out = (struct pen_addresses){0};
    for (const struct addrinfo *a = found; a != NULL && out->count < PEN_ADDRESSES_MAX;
         a = a->ai_next) {
        struct pen_fetch_address *to = &out->at[out->count];
        if (a->ai_addrlen <= sizeof(to->at)) {
            to->bytes = a->ai_addrlen;
            memcpy(to->at, a->ai_addr, a->ai_addrlen);
            out->count++;
        }
    }
}

pen_status pen_resolve(const char *host, uint16_t port, struct pen_addresses *out,
                       struct pen_err *err)
{
    char service[8];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    (void)snprintf(service, sizeof(service), "%u", port);
    const int got = getaddrinfo(host, service, &hints, &found);
    if (got != 0) {
        return PEN_FAIL(err, got == EAI_NONAME ? PEN_E_NOT_FOUND : PEN_E_IO, PEN_NO_OFFSET,
                        "%s: %s", host, gai_strerror(got));
    }
    take_all(found, out);
    freeaddrinfo(found);
    return out->count > 0
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "%s has no address", host);
}

static bool has_address(const struct pen_addresses *all, const struct pen_fetch_address *one)
{
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->at[i].bytes == one->bytes && memcmp(all->at[i].at, one->at, one->bytes) == 0) {
            return true;
        }
    }
    return false;
}

bool pen_addresses_equal(const struct pen_addresses *a, const struct pen_addresses *b)
{
    bool is_equal = a->count == b->count;
    for (uint32_t i = 0; is_equal && i < a->count; i++) {
        is_equal = has_address(b, &a->at[i]) && has_address(a, &b->at[i]);
    }
    return is_equal;
}

/* ---- the threads ---- */

static void *look_up(void *ctx)
{
    struct question *q = ctx;
    q->answer.err.status = pen_resolve(q->host, q->port, &q->answer.addresses, &q->answer.err);
    /* When the asker has gone the write fails, and there is nobody to tell. */
    (void)!write(q->to, &q->answer, sizeof(q->answer));
    (void)close(q->to);
    free(q);
    return NULL;
}

/* No signal is for these threads: SIGPIPE becomes an error of the write. */
static int thread_start(struct question *q)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int got = pthread_create(&thread, NULL, look_up, q);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return got == 0 ? pthread_detach(thread) : got;
}

/* ---- the asker ---- */

pen_status pen_resolver_new(struct pen_resolver **out, struct pen_err *err)
{
    int ends[2];
    struct pen_resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "resolver: out of memory");
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(resolver);
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "no pipe for answers about names: %s",
                        strerrordesc_np(errno));
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    resolver->from = ends[0];
    resolver->to = ends[1];
    *out = resolver;
    return PEN_OK;
}

void pen_resolver_free(struct pen_resolver *resolver)
{
    if (resolver != NULL) {
        (void)close(resolver->from);
        (void)close(resolver->to);
        free(resolver);
    }
}

pen_status pen_resolver_ask(struct pen_resolver *resolver, uint32_t name, const char *host,
                            uint16_t port, struct pen_err *err)
{
    PEN_CHECK(name < PEN_RESOLVER_NAMES_MAX && strlen(host) < HOST_BYTES);
    if (resolver->is_asked[name]) {
        return PEN_OK;
    }
    struct question *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", host);
    }
    memcpy(q->host, host, strlen(host) + 1);
    q->port = port;
    q->answer.name = name;
    q->to = fcntl(resolver->to, F_DUPFD_CLOEXEC, 0);
    const bool has_end = q->to >= 0;
    const int got = has_end ? thread_start(q) : errno;
    if (!has_end || got != 0) {
        if (has_end) {
            (void)close(q->to);
        }
        free(q);
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "%s: no thread to ask where it is: %s",
                        host, strerrordesc_np(got));
    }
    resolver->is_asked[name] = true;
    return PEN_OK;
}

bool pen_resolver_take(struct pen_resolver *resolver, struct pen_resolved *out)
{
    const ssize_t got = read(resolver->from, out, sizeof(*out));
    if (got <= 0) {
        return false;
    }
    PEN_CHECK((size_t)got == sizeof(*out) && out->name < PEN_RESOLVER_NAMES_MAX);
    resolver->is_asked[out->name] = false;
    return true;
}

/* ---- with an end ---- */

pen_status pen_resolve_within(const char *host, uint16_t port, const struct pen_resolve_wait *wait,
                              struct pen_addresses *out, struct pen_err *err)
{
    const struct pen_resolve_wait plain = {.most_ns = PEN_RESOLVE_MOST_NS};
    const struct pen_resolve_wait *w = wait == NULL ? &plain : wait;
    const int64_t begun_ns = pen_clock_mono_ns();
    struct pen_resolver *resolver = NULL;
    struct pen_resolved got;
    PEN_TRY(pen_resolver_new(&resolver, err));
    PEN_CHECK(resolver != NULL);
    pen_status st = pen_resolver_ask(resolver, 0, host, port, err);
    while (st == PEN_OK && !pen_resolver_take(resolver, &got)) {
        struct pollfd answer = {.fd = resolver->from, .events = POLLIN};
        const int came = poll(&answer, 1, WAIT_MS);
        const int64_t waited_ns = pen_clock_mono_ns() - begun_ns;
        if (came > 0) {
            continue;
        }
        if (w->turn != NULL && !w->turn(w->ctx, host, waited_ns)) {
            st = PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "%s: its address is not waited for",
                          host);
        } else if (waited_ns >= w->most_ns) {
            st = PEN_FAIL(err, PEN_E_TIMEOUT, PEN_NO_OFFSET,
                          "%s: no name server has said for %lld s where it is", host,
                          (long long)(waited_ns / PEN_NS_PER_S));
        }
    }
    pen_resolver_free(resolver);
    if (st == PEN_OK && got.err.status != PEN_OK) {
        st = got.err.status;
        *err = got.err;
    } else if (st == PEN_OK) {
        *out = got.addresses;
    }
    return st;
}
