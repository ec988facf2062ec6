/* checkpoint.h - checkpoint.db: what is durable of a job.  Control thread only. */
#ifndef PEN_NODE_CHECKPOINT_H
#define PEN_NODE_CHECKPOINT_H

#include "penstock/node.h"

#include "origins.h"

#define CHECKPOINT_FORMAT 1

struct checkpoint;
/* Makes an empty file with mode 0600 unless it exists; SQLite would make it readable to all. */
PEN_MUST_USE pen_status private_file(const char *path, struct pen_err *err);
/* Opens or creates DIR/checkpoint.db. */
PEN_MUST_USE pen_status checkpoint_open(const char *dir, struct checkpoint **out,
                                        struct pen_err *err);
void checkpoint_close(struct checkpoint *checkpoint);

/* Text values of the job by name; get gives an empty string when there is none. */
PEN_MUST_USE pen_status checkpoint_get(struct checkpoint *checkpoint, const char *name, char *value,
                                       size_t cap, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_set(struct checkpoint *checkpoint, const char *name,
                                       const char *value, struct pen_err *err);

/* Sorted name hashes of the finished objects of a unit; *hashes is malloc'd, the caller frees. */
PEN_MUST_USE pen_status checkpoint_finished(struct checkpoint *checkpoint, const char *unit,
                                            uint64_t **hashes, size_t *count, struct pen_err *err);
/* An object that was open at the last commit: records committed, and what it was then. */
struct checkpoint_open_object {
    uint64_t records, size;
    int64_t mtime_ns;
};
/* What the object had added to the totals by then, as ledger_write gives it; "" when unknown. */
PEN_MUST_USE pen_status checkpoint_open_counters(struct checkpoint *checkpoint, const char *path,
                                                 struct pen_buf *text, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_open_object(struct checkpoint *checkpoint, const char *path,
                                               struct checkpoint_open_object *open, bool *found,
                                               struct pen_err *err);
/* Every committed file of a kind ("document" or "run"). */
typedef pen_status checkpoint_file_fn(void *ctx, const char *name, uint64_t bytes);
PEN_MUST_USE pen_status checkpoint_files(struct checkpoint *checkpoint, const char *kind,
                                         checkpoint_file_fn *fn, void *ctx, struct pen_err *err);

/* One transaction: begin, the calls below in any number, end. */
PEN_MUST_USE pen_status checkpoint_begin(struct checkpoint *checkpoint, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_add_file(struct checkpoint *checkpoint, const char *kind,
                                            const char *name, uint64_t bytes, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_add_finished(struct checkpoint *checkpoint, const char *unit,
                                                const uint64_t *hashes, size_t count,
                                                struct pen_err *err);
/* Nothing is added to the unit any more.  What it finished is forgotten, but for units with refused
 * objects, and those to be kept. */
PEN_MUST_USE pen_status checkpoint_close_unit(struct checkpoint *checkpoint, const char *unit,
                                              bool is_kept, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_is_closed(struct checkpoint *checkpoint, const char *unit,
                                             bool *is_closed, struct pen_err *err);
/* All open objects are told anew, but for those of an earlier process that are not finished yet:
 * disinherit names the one that is. */
PEN_MUST_USE pen_status checkpoint_disinherit(struct checkpoint *checkpoint, const char *path,
                                              struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_clear_open(struct checkpoint *checkpoint, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_add_open(struct checkpoint *checkpoint,
                                            const struct pen_object *object, uint64_t records,
                                            const char *counters, struct pen_err *err);
/* An object that gave a dead letter, and how to take it back (withdraw.h). */
struct checkpoint_refused {
    const char *unit, *path, *key;
    uint64_t name_hash;
    const char *counters;
};
PEN_MUST_USE pen_status checkpoint_add_refused(struct checkpoint *checkpoint,
                                               const struct checkpoint_refused *refused,
                                               struct pen_err *err);
typedef pen_status checkpoint_refused_fn(void *ctx, const struct checkpoint_refused *refused);
/* Every refused object in the order of their paths; all is borrowed until fn returns. */
PEN_MUST_USE pen_status checkpoint_refused_each(struct checkpoint *checkpoint,
                                                checkpoint_refused_fn *fn, void *ctx,
                                                struct pen_err *err);
/* Forgets that objects of a unit are finished, so that it is not closed either; drop (their name
 * hashes) is sorted by the call. */
PEN_MUST_USE pen_status checkpoint_unfinish(struct checkpoint *checkpoint, const char *unit,
                                            uint64_t *drop, size_t drop_count, struct pen_err *err);
/* The counters of every refused and every open object. */
typedef pen_status checkpoint_counters_fn(void *ctx, const char *counters, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_counters_each(struct checkpoint *checkpoint,
                                                 checkpoint_counters_fn *fn, void *ctx,
                                                 struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_drop_refused(struct checkpoint *checkpoint, const char *unit,
                                                const char *path, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_drop_file(struct checkpoint *checkpoint, const char *kind,
                                             const char *name, struct pen_err *err);
/* Accounts and regions of delivered records: added once each, and how many there are. */
PEN_MUST_USE pen_status checkpoint_add_origin(struct checkpoint *checkpoint,
                                              const struct origin *origin, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_origins(struct checkpoint *checkpoint, enum origin_kind kind,
                                           uint32_t *count, struct pen_err *err);
PEN_MUST_USE pen_status checkpoint_end(struct checkpoint *checkpoint, struct pen_err *err);

#endif
