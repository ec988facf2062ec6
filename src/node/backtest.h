/* backtest.h - the parts of a back-test: observations and their cost, and its signals as a list. */
#ifndef PEN_NODE_BACKTEST_H
#define PEN_NODE_BACKTEST_H

#include "costs.h"
#include "stages.h"

#include <limits.h>

struct pen_backtest {
    struct pen_backtest_options options;
    struct pen_state_rule *rules;
    struct pen_state *state;
    struct stages *stages; /* NULL: no rule is over signals */
    struct rule_count *counts;
    /* By worker: what it makes observations with, from its first match on; each touches its own. */
    struct observing **makers;
    uint64_t epoch;
    uint64_t open_bytes;  /* of the run of this epoch */
    int64_t time_last_ns; /* the largest event time so far */
    uint64_t state_cpu_ns;
    pen_signal_fn *fn; /* of the end under way */
    void *ctx;
    bool is_held; /* the signal that fn got last counts for no rule: fn may set it */
    struct pen_err *err;
    char folder[PATH_MAX];
};

#endif
