/*
 * snapshots.h - which snapshots of the state a job has, and which runs of its log they make
 * needless.
 *
 * A snapshot is one file for each shard of the run that wrote it, and one for each stage of rules
 * over signals, taken while no commit is under way and when the stages have released as much as the
 * shards, so that all of them and signals.db stand at the same commit and watermark.  A job has two
 * at most:
 *
 *   tip   the last one: the next run goes on from it
 *   base  the one before, from when the log was larger than state.snapshot_bytes.  Runs that lie
 *         below its position are gone; without a base the log is whole
 *
 * What the tip holds can be made again of the base and the log.  That is done when the tip is
 * damaged, when objects are taken back (withdraw.h), and when objects appeared since that lie
 * before its position.  What lies before the position of the base is late.
 *
 * checkpoint.db names the files and has a value for each of both; files that it does not name are
 * removed.  Control thread only.
 */
#ifndef PEN_NODE_SNAPSHOTS_H
#define PEN_NODE_SNAPSHOTS_H

#include "checkpoint.h"
#include "signals_mark.h"

#define SNAPSHOT_FILE "snapshot" /* kind of its files in checkpoint.db */

struct generation { /* a snapshot of all shards */
    bool exists;
    uint64_t epoch;
    uint32_t shards, stages;                  /* files */
    int64_t position_min_ns, position_max_ns; /* of its files */
    char mark[SIGNALS_MARK_MAX];              /* where signals stood */
};
struct snapshots {
    struct generation tip, base;
};
/* Values of the job that tell both, and what such a value says; "": there is none. */
#define SNAPSHOT_TIP_NAME "snapshot"
#define SNAPSHOT_BASE_NAME "snapshot base"
#define SNAPSHOT_VALUE_MAX (SIGNALS_MARK_MAX + 128U)
PEN_MUST_USE pen_status generation_read(struct generation *g, const char *text,
                                        struct pen_err *err);
/* Name of a file, those of shards first, then those of stages; name has 64 bytes. */
void snapshot_name(const struct generation *g, uint32_t file, char name[64]);
PEN_MUST_USE pen_status snapshots_read(struct snapshots *s, struct checkpoint *checkpoint,
                                       struct pen_err *err);
/* Within a transaction: names what is in s instead of what the checkpoint names now. */
PEN_MUST_USE pen_status snapshots_write(const struct snapshots *s, struct checkpoint *checkpoint,
                                        struct pen_err *err);

struct control;
/* Before the shards start: reads both through, falls back to what is sound, and puts signals where
 * it stands.  Says what is wrong.  PEN_E_CORRUPT when nothing is left to begin with, PEN_E_CONFIG
 * for those of a newer program. */
PEN_MUST_USE pen_status snapshots_open(struct control *c, struct pen_err *err);
/* Whether the release that follows on the commit of now is to end in a snapshot. */
bool snapshots_is_due(const struct control *c);
/* All shards have written theirs and signals are all put: names it, and removes what is needless.
 * is_end  signals_db_finish was called */
PEN_MUST_USE pen_status snapshots_take(struct control *c, bool is_end, struct pen_err *err);
/* Within a transaction: the job has its base only. */
struct job;
PEN_MUST_USE pen_status snapshots_forget_tip(const struct job *job, struct pen_err *err);
/* And behind it, when observations came that lie before the position of the tip: signals go back to
 * where the base has them, as the shards do next. */
PEN_MUST_USE pen_status snapshots_fall_back(struct control *c, struct pen_err *err);

#endif
