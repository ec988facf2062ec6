/* sink_call.h - single requests to a cluster, each of which is waited for: setup, questions. */
#ifndef PEN_SHIP_SINK_CALL_H
#define PEN_SHIP_SINK_CALL_H

#include "penstock/runtime.h"

#include "bulk_reply.h"
#include "sink.h"

#define CALL_PATH_MAX 256U /* bytes of a path with its NUL */

struct caller { /* one thread, which blocks; has a ring of its own */
    const struct pen_sink *sink;
    struct pen_ring *ring;
    struct pen_poster *poster;
    struct bulk_reader *reader;
    struct pen_post post; /* the last answer: status, reply_len */
    uint8_t *reply;
    pen_slice filter; /* what of an answer is wanted (filter_path); empty: all */
    pen_slice only_term,
        only_seq; /* PUT: in place of that version only; empty: whatever is there */
};
/* caller_fini is due even when it fails. */
PEN_MUST_USE pen_status caller_init(struct caller *caller, const struct pen_sink *sink,
                                    struct pen_err *err);
void caller_fini(struct caller *caller);
/*
 * call_wait - waits for an answer, whatever it is; tries again what may pass, four times within two
 * seconds and what the answers take; between tries the nodes' names are looked up again.
 *
 * Returns PEN_OK: caller->post has the answer | PEN_E_IO and the like: there was none
 */
PEN_MUST_USE pen_status call_wait(struct caller *caller, const char *method, const char *path,
                                  pen_slice body, struct pen_err *err);
/* The text of the answer; in the caller until the next call. */
pen_slice call_answer(const struct caller *caller);
/* The answer is another than was wanted: PEN_E_DENIED (401, 403) | PEN_E_IO, and err tells what and
 * the server's words. */
PEN_MUST_USE pen_status call_refused(struct caller *caller, const char *what, struct pen_err *err);

#endif
