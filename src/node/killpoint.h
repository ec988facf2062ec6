/* killpoint.h - named states of a commit at which a test has the process kill itself. */
#ifndef PEN_NODE_KILLPOINT_H
#define PEN_NODE_KILLPOINT_H

#include "penstock/node.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

/*
 * kill_point - SIGKILL to ourselves when options->kill_at is "NAME@EPOCH".
 *
 * In the order of a commit: cut, documents, run (each shard), dead, rows, committed (control),
 * release (each shard), signals (control); after the last one: end, finished.
 */
static inline void kill_point(const struct pen_replay_options *options, const char *name,
                              uint64_t epoch)
{
    if (options->kill_at == NULL) {
        return;
    }
    char here[48];
    (void)snprintf(here, sizeof(here), "%s@%" PRIu64, name, epoch);
    if (strcmp(here, options->kill_at) == 0) {
        (void)raise(SIGKILL);
    }
}

#endif
