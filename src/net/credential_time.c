/* tested by tests/unit/net/test_credential_renewal.c */
#include "credentials.h"

#include <poll.h>

#define NS_PER_MS INT64_C(1000000)

void pen_credential_begin(struct pen_credential_chain *chain)
{
    chain->deadline_ns = pen_clock_mono_ns() + chain->options.timeout_ns;
}

int64_t pen_credential_left(const struct pen_credential_chain *chain, int64_t most_ns)
{
    const int64_t left = chain->deadline_ns - pen_clock_mono_ns();
    return left < 0 ? 0 : left < most_ns ? left : most_ns;
}

bool pen_credential_pause(const struct pen_credential_chain *chain, int64_t ns)
{
    struct pollfd stop = {.fd = chain->stop_fd == NULL ? -1 : *chain->stop_fd, .events = POLLIN};
    if (pen_credential_left(chain, ns + NS_PER_MS) <= ns) {
        return false;
    }
    return poll(&stop, 1, (int)(ns / NS_PER_MS)) <= 0;
}

pen_status pen_credential_call(const struct pen_credential_chain *chain,
                               const struct http_call *call, struct http_reply *reply,
                               struct pen_err *err)
{
    struct http_call mine = *call;
    mine.timeout_ns = pen_credential_left(chain, call->timeout_ns);
    mine.stop_fd = chain->stop_fd;
    if (mine.timeout_ns < NS_PER_MS) { /* to libcurl 0 ms are no limit */
        reply->status = 0;
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "no time is left of %lld ms for all of it",
                        (long long)(chain->options.timeout_ns / NS_PER_MS));
    }
    return pen_http_call(&mine, reply, err);
}
