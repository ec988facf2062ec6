/* What the thread finds goes through a mailbox, and a descriptor tells it to stop: it shares
 * nothing else with the one who started it. */
#include "penstock/runtime.h"

#include "credentials.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NEWS_MAX 8U                /* that nobody has taken; failures beyond are not told */
#define LOOK_NS (1 * PEN_NS_PER_S) /* between looks at the time of day, which may jump */
#define SOURCE_BYTES 512U
#define NS_PER_MS INT64_C(1000000)

struct news { /* the taker's once it is in the mailbox */
    struct pen_err err;
    char source[SOURCE_BYTES];
    struct credential_set set; /* when err is PEN_OK */
};

struct pen_renewal {
    struct pen_credential_chain *chain; /* the thread's from its start to its end */
    struct pen_mailbox *box;
    int64_t retry_ns;
    int stop_fd;
    bool has_thread;
    pthread_t thread;
    struct news *held;
    struct pen_err trouble; /* PEN_OK: none */
};

static void news_free(struct news *news)
{
    if (news != NULL) {
        pen_credential_set_wipe(&news->set);
        free(news);
    }
}

/* What the chain holds, or why it could not get others. */
static struct news *news_of(const struct pen_credential_chain *chain, const struct pen_err *why)
{
    struct news *news = calloc(1, sizeof(*news));
    PEN_CHECK(news != NULL);
    news->err = *why;
    if (why->status == PEN_OK) {
        const pen_slice source = pen_credential_chain_source(chain);
        (void)snprintf(news->source, sizeof(news->source), "%.*s", PEN_SLICE_FMT(source));
        memcpy(&news->set, chain->held, sizeof(news->set));
    }
    return news;
}

/* ---- the thread ---- */

/* NULL: it is not time yet. */
static struct news *ask(struct pen_renewal *renewal, int64_t *retry_at_ns)
{
    struct pen_err why = {.status = PEN_OK};
    const int64_t now_ns = pen_clock_wall_ns();
    if (now_ns < renewal->chain->fetch_at_ns || pen_clock_mono_ns() < *retry_at_ns) {
        return NULL;
    }
    const pen_status st = pen_credential_chain_fetch(renewal->chain, now_ns, &why);
    why.status = st;
    *retry_at_ns = pen_clock_mono_ns() + renewal->retry_ns;
    return news_of(renewal->chain, &why);
}

static bool has_stopped(const struct pen_renewal *renewal, int64_t wait_ns)
{
    struct pollfd stop = {.fd = renewal->stop_fd, .events = POLLIN};
    return poll(&stop, 1, (int)(wait_ns / NS_PER_MS)) > 0;
}

/* Credentials that find no room wait for it; a failure is told again by the next one. */
static void *renew(void *ctx)
{
    struct pen_renewal *renewal = ctx;
    struct news *news = NULL;
    int64_t retry_at_ns = 0;
    const int64_t wait_ns = renewal->retry_ns < LOOK_NS ? renewal->retry_ns : LOOK_NS;
    while (!has_stopped(renewal, wait_ns)) {
        news = news == NULL ? ask(renewal, &retry_at_ns) : news;
        if (news != NULL && pen_mailbox_push(renewal->box, news)) {
            news = NULL;
        } else if (news != NULL && news->err.status != PEN_OK) {
            news_free(news);
            news = NULL;
        }
    }
    news_free(news);
    return NULL;
}

/* No signal is for it: SIGPIPE becomes an error of a write. */
static pen_status thread_start(struct pen_renewal *renewal, struct pen_err *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int got = pthread_create(&renewal->thread, NULL, renew, renewal);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    renewal->has_thread = got == 0;
    return got == 0 ? PEN_OK
                    : PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                               "no thread that renews credentials can be started: %s",
                               strerrordesc_np(got));
}

/* ---- who started it ---- */

static pen_status first_get(struct pen_renewal *renewal, struct pen_err *err)
{
    const struct pen_err none = {.status = PEN_OK};
    struct pen_credentials first;
    int64_t expires_ns = 0;
    PEN_TRY(
        pen_credential_chain_get(renewal->chain, pen_clock_wall_ns(), &first, &expires_ns, err));
    renewal->held = news_of(renewal->chain, &none);
    if (expires_ns == CREDENTIAL_NEVER) {
        return PEN_OK;
    }
    renewal->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (renewal->stop_fd < 0) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                        "no eventfd for the renewal of credentials: %s", strerrordesc_np(errno));
    }
    renewal->chain->stop_fd = &renewal->stop_fd;
    PEN_TRY(pen_mailbox_new(NEWS_MAX, &renewal->box, err));
    return thread_start(renewal, err);
}

pen_status pen_renewal_start(struct pen_credential_chain **chain, int64_t retry_ns,
                             struct pen_renewal **out, struct pen_err *err)
{
    struct pen_renewal *renewal = calloc(1, sizeof(*renewal));
    PEN_CHECK(renewal != NULL && *chain != NULL);
    renewal->chain = *chain;
    renewal->retry_ns = retry_ns == 0 ? PEN_CREDENTIAL_RETRY_NS : retry_ns;
    renewal->stop_fd = -1;
    *chain = NULL;
    const pen_status st = first_get(renewal, err);
    if (st != PEN_OK) {
        pen_renewal_free(renewal);
        return st;
    }
    *out = renewal;
    return PEN_OK;
}

static void thread_stop(struct pen_renewal *renewal)
{
    const uint64_t one = 1;
    PEN_CHECK(write(renewal->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    PEN_CHECK(pthread_join(renewal->thread, NULL) == 0);
}

void pen_renewal_free(struct pen_renewal *renewal)
{
    void *news = NULL;
    if (renewal == NULL) {
        return;
    }
    if (renewal->has_thread) {
        thread_stop(renewal);
    }
    while (renewal->box != NULL && pen_mailbox_pop(renewal->box, &news)) {
        news_free(news);
    }
    if (renewal->box != NULL) {
        pen_mailbox_free(renewal->box);
    }
    if (renewal->stop_fd >= 0) {
        (void)close(renewal->stop_fd);
    }
    news_free(renewal->held);
    pen_credential_chain_free(renewal->chain);
    free(renewal);
}

enum pen_renewed pen_renewal_turn(struct pen_renewal *renewal)
{
    void *got = NULL;
    if (renewal->box == NULL || !pen_mailbox_pop(renewal->box, &got)) {
        return PEN_RENEWED_NOT;
    }
    struct news *news = got;
    renewal->trouble = news->err;
    if (news->err.status != PEN_OK) {
        news_free(news);
        return PEN_RENEWED_FAILED;
    }
    news_free(renewal->held);
    renewal->held = news;
    return PEN_RENEWED;
}

struct pen_credentials pen_renewal_credentials(const struct pen_renewal *renewal)
{
    return pen_credential_set_view(&renewal->held->set);
}

int64_t pen_renewal_expires_ns(const struct pen_renewal *renewal)
{
    return renewal->held->set.expires_ns;
}

const char *pen_renewal_source(const struct pen_renewal *renewal)
{
    return renewal->held->source;
}

const char *pen_renewal_trouble(const struct pen_renewal *renewal)
{
    return renewal->trouble.status == PEN_OK ? NULL : renewal->trouble.text;
}
