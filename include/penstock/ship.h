/*
 * penstock/ship.h - documents to bulk bodies to a sink: files and null for now.
 *
 * One shipper a shard.  Documents are appended to the body of their index; a full body is
 * compressed and written (files: zstd frames of lines {"_index","_id","_source"}; null: gzip of a
 * bulk body, then dropped).  Nothing is durable before pen_ship_cut returns its positions and they
 * are committed.
 */
#ifndef PEN_SHIP_H
#define PEN_SHIP_H

#include "penstock/base.h"

enum pen_sink_kind { PEN_SINK_FILES, PEN_SINK_NULL, PEN_SINK_NONE };

struct pen_ship_options {
    enum pen_sink_kind kind;
    const char *dir; /* DIR/documents (files) */
    uint32_t shard;
    uint32_t first_sequence; /* files of this run are named from here on */
    size_t body_bytes_max;   /* ship.body_bytes_max: a body is sealed at this size (1 MiB) */
    uint32_t bodies_max;     /* open bodies (indices); the least recently used is sealed first */
    int32_t level;           /* zstd level of files; gzip level of null */
};

struct pen_ship;
PEN_MUST_USE pen_status pen_ship_new(const struct pen_ship_options *options, struct pen_ship **out,
                                     struct pen_err *err);
void pen_ship_free(struct pen_ship *ship);
/* Appends one document.  PEN_OK | PEN_E_NOSPACE | PEN_E_IO (sticky until pen_ship_retry works). */
PEN_MUST_USE pen_status pen_ship_add(struct pen_ship *ship, pen_slice index, pen_slice id,
                                     pen_slice source, struct pen_err *err);

struct pen_ship_file { /* a position to commit: the file is good up to bytes */
    char name[160];
    uint64_t bytes;
};
/*
 * pen_ship_cut - seals all bodies, writes and fsyncs, and tells the size of each file that changed
 * since the last cut.  *files borrows the shipper until the next cut.
 */
PEN_MUST_USE pen_status pen_ship_cut(struct pen_ship *ship, const struct pen_ship_file **files,
                                     uint32_t *count, struct pen_err *err);
/* After E_NOSPACE: tries the pending write again. */
PEN_MUST_USE pen_status pen_ship_retry(struct pen_ship *ship, struct pen_err *err);
struct pen_ship_counters {
    uint64_t documents, body_bytes, shipped_bytes; /* shipped: compressed */
    int64_t blocked_ns; /* in writes and syncs that the caller waited for */
};
struct pen_ship_counters pen_ship_counters_get(const struct pen_ship *ship);
/* Bench only: every sealed body before compression. */
typedef void pen_body_fn(void *ctx, pen_slice body);
void pen_ship_capture(struct pen_ship *ship, pen_body_fn *fn, void *ctx);

/* Bytes that a shipper holds when no document is larger than a body. */
uint64_t pen_ship_memory(const struct pen_ship_options *options);

#endif
