/* tested by tests/e2e/test_s3_plan.py */
#include "lookup.h"

#include "control.h"

/* Of one host after another: waited_ns begins anew with each. */
static bool on_wait(void *ctx, const char *host, int64_t waited_ns)
{
    struct lookup *lookup = ctx;
    lookup->told_ns = waited_ns < lookup->told_ns ? 0 : lookup->told_ns;
    const int64_t due_ns = lookup->told_ns == 0 ? LOOKUP_LATE_NS : 2 * lookup->told_ns;
    if (waited_ns >= due_ns) {
        lookup->told_ns = waited_ns;
        if (lookup->options->log_level >= PEN_LOG_WARN) {
            words("penstock: no name server has said for %lld s where %s is; waits for %lld s at "
                  "most (fetch.resolve_timeout)\n",
                  (long long)(waited_ns / PEN_NS_PER_S), host,
                  (long long)(lookup->wait.most_ns / PEN_NS_PER_S));
        }
    }
    return !is_interrupted();
}

void lookup_init(struct lookup *lookup, const struct pen_replay_options *options)
{
    *lookup = (struct lookup){.options = options,
                              .wait = {.most_ns = options->resolve_timeout_ns > 0
                                                      ? options->resolve_timeout_ns
                                                      : PEN_RESOLVE_MOST_NS,
                                       .turn = on_wait,
                                       .ctx = lookup}};
}

pen_status lookup_host(const struct pen_replay_options *options, const char *host, uint16_t port,
                       struct pen_addresses *out, struct pen_err *err)
{
    struct lookup lookup;
    lookup_init(&lookup, options);
    return pen_resolve_within(host, port, &lookup.wait, out, err);
}
