/* limit.h - the objects of a measurement in memory. */
#ifndef PEN_BENCH_LIMIT_H
#define PEN_BENCH_LIMIT_H

#include "penstock/bench.h"

struct limit_object {
    pen_slice key, stored;
    size_t plain_bytes;
};
struct limit_corpus {
    struct limit_object *objects;
    uint32_t count, cap;
    uint64_t stored_bytes, plain_bytes;
    size_t largest_plain;
};
/* All gzip objects below dir, in byte order of their names, until they hold plain_bytes_max. */
PEN_MUST_USE pen_status limit_corpus_load(const char *dir, uint64_t plain_bytes_max,
                                          struct limit_corpus *corpus, struct pen_err *err);
/* stored is the corpus's from here on when it went well (free); key is copied. */
PEN_MUST_USE pen_status limit_corpus_add(struct limit_corpus *corpus, pen_slice key,
                                         pen_slice stored);
void limit_corpus_fini(struct limit_corpus *corpus);

struct limit_spans { /* lengths of parts that lie end to end */
    size_t *lens;
    size_t count, cap;
};
bool limit_spans_add(struct limit_spans *spans, size_t len);
void limit_spans_fini(struct limit_spans *spans);

/* One object through a scan, its documents to ship (may be NULL); adds to *records. */
PEN_MUST_USE pen_status limit_object_run(struct pen_scan *scan, const struct limit_object *object,
                                         struct pen_ship *ship, uint64_t *records,
                                         struct pen_err *err);
struct pen_limit_time limit_median_of(const double *rounds, uint32_t count);

#endif
