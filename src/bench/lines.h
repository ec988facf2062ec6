/* lines.h - text logs from a seed: what services write, all names and addresses invented. */
#ifndef PEN_BENCH_LINES_H
#define PEN_BENCH_LINES_H

#include "penstock/bench.h"

#include "limit.h"

/*
 * lines_make - gzip objects of one type until they hold plain_bytes; keys as the service writes.
 *
 * type     of pen_limit_text_type
 * corpus   gets the objects; limit_corpus_fini is due even when it fails
 * Returns  PEN_OK | PEN_E_NOMEM.  The same seed makes the same lines.
 */
PEN_MUST_USE pen_status lines_make(const char *type, uint64_t seed, uint64_t plain_bytes,
                                   struct limit_corpus *corpus);

#endif
