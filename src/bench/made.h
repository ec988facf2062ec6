/* made.h - documents of generated CloudTrail records, as our normalizer makes them. */
#ifndef PEN_BENCH_MADE_H
#define PEN_BENCH_MADE_H

#include "penstock/bench.h"

#include "limit.h"

struct made {
    struct pen_buf bytes; /* sources, end to end */
    struct limit_spans spans;
};
/*
 * made_new - documents until their sources hold bytes.
 *
 * program  with the type cloudtrail; its rules are not asked
 * Returns  PEN_OK | PEN_E_NOMEM | as pen_scan_new.  made_fini is due even when it fails
 */
PEN_MUST_USE pen_status made_new(const struct pen_program *program, uint64_t bytes,
                                 struct made *made, struct pen_err *err);
void made_fini(struct made *made);

#endif
