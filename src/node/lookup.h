/* lookup.h - where hosts are, asked for at the start of a run, which has to wait for it; the user
 * is told when that takes long. */
#ifndef PEN_NODE_LOOKUP_H
#define PEN_NODE_LOOKUP_H

#include "penstock/net.h"
#include "penstock/node.h"

#define LOOKUP_LATE_NS \
    (2 * PEN_NS_PER_S) /* then it is told; and when it took twice as long again */

struct lookup {
    const struct pen_replay_options *options;
    struct pen_resolve_wait wait; /* fetch.resolve_timeout, words, and an end when interrupted */
    int64_t told_ns;              /* how long the one under way had taken when it was told last */
};
/* options: borrowed.  The lookup is not to be moved: its wait points to it. */
void lookup_init(struct lookup *lookup, const struct pen_replay_options *options);
/* Asks for one host with such a wait.  As pen_resolve_within. */
PEN_MUST_USE pen_status lookup_host(const struct pen_replay_options *options, const char *host,
                                    uint16_t port, struct pen_addresses *out, struct pen_err *err);

#endif
