/* folder.h - the output folder as a place on disk: that it is ours, and which files in it are. */
#ifndef PEN_NODE_FOLDER_H
#define PEN_NODE_FOLDER_H

#include "penstock/base.h"

/*
 * folder_claim - makes dir, or finds that a run may write to it: it is empty or a run's.
 *
 * One that is made or empty gets mode 0700 (an empty one of another owner keeps its mode).
 * Returns  PEN_OK | PEN_E_USAGE (it holds something else; nothing was changed) | PEN_E_IO |
 *          PEN_E_NOSPACE
 */
PEN_MUST_USE pen_status folder_claim(const char *dir, struct pen_err *err);
/* Whether the folder called name in the open folder parent is a run's: it has its lock and its
 * checkpoint.  Never opens or makes a file. */
bool folder_is_output(int parent, const char *name);
/* Makes a folder of our own below it, with mode 0700 also when it was there. */
PEN_MUST_USE pen_status folder_make(const char *path, struct pen_err *err);

/* Whether a run could have given a file this name: INDEX.SSS-NNNNNN.ndjson.zst, run-EPOCH-SHARD.zst
 * and what standard input is kept as. */
bool folder_is_document(const char *name);
bool folder_is_run(const char *name);
bool folder_is_snapshot(const char *name); /* or stage-EPOCH-STAGE.zst */
bool folder_is_spooled(const char *name);

/* Removes the regular files of dir that is_ours and not is_kept; whatever else is there stays. */
struct folder_sweep {
    bool (*is_ours)(const char *name);
    bool (*is_kept)(void *ctx, const char *name); /* NULL: none is */
    void *ctx;
};
PEN_MUST_USE pen_status folder_sweep(const char *dir, const struct folder_sweep *sweep,
                                     struct pen_err *err);

#endif
