/*
 * renew.h - what a run makes of credentials that are renewed beside it.
 *
 * Those of before are used until they expire.  When others have not come by then, those who need
 * them wait; when they have waited for long, they fail with the reason until there are some.  Each
 * of that is told on stderr once.  Control thread; nothing blocks.
 */
#ifndef PEN_NODE_RENEW_H
#define PEN_NODE_RENEW_H

#include "penstock/net.h"
#include "penstock/node.h"

enum renew_state {
    RENEW_VALID,
    RENEW_WAITS, /* expired: requests wait for others */
    RENEW_LACKS, /* they have waited for too long, and fail */
};
struct renew {
    const char *name;            /* whose they are, as stderr tells it; borrowed */
    struct pen_renewal *renewal; /* own, or borrowed by one who does not call renew_fini */
    int64_t retry_ns;            /* told */
    int64_t wait_ns;             /* until WAITS becomes LACKS; INT64_MAX: never */
    enum pen_log_level log_level;
    enum renew_state state;
    int64_t since_ns;    /* monotonic, when they were seen to have expired */
    struct pen_err told; /* the trouble that was told last */
};

/*
 * renew_turn - takes what has come, and looks at the time.
 *
 * now_ns   wall clock, the server's where it is known
 * Returns  true: credentials or state are others than before
 */
bool renew_turn(struct renew *renew, int64_t now_ns);
/* Of WAITS and LACKS: PEN_OK, or PEN_E_DENIED with whose credentials lack, for how long and why. */
void renew_reason(const struct renew *renew, struct pen_err *out);
/* What is waited for, in a few words; NULL: nothing. */
const char *renew_waits_for(const struct renew *renew);
void renew_fini(struct renew *renew);

#endif
