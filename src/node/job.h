/* job.h - the output folder of a run: lock, identity, and bringing files back to the last commit.
 */
#ifndef PEN_NODE_JOB_H
#define PEN_NODE_JOB_H

#include "snapshots.h"

#define JOB_ENDS_MAX 64U
struct job {
    const char *dir;
    int lock_fd;
    struct checkpoint *checkpoint;
    char id[33];
    uint64_t hash_key;
    int64_t ingested_ns;
    uint64_t epoch;          /* last committed; 0: none */
    uint64_t dead_bytes;     /* committed size of dead-letters.ndjson.zst */
    uint32_t first_sequence; /* of document files */
    char **runs;             /* committed runs of the observation log */
    uint32_t run_count;
    struct snapshots snapshots;
    uint64_t log_bytes; /* of all runs; the control thread adds those of this process */
    bool is_resumed;
    bool was_done;          /* the run before came to its end */
    int64_t from_ns, to_ns; /* the range of the job */
    /* The job came to its end with these --to, ascending, and went on with a later one. */
    int64_t ends_ns[JOB_ENDS_MAX];
    uint32_t end_count;
    bool is_longer; /* it goes on so now */
    char documents_dir[4096];
    char state_dir[4096];
    char dead_path[4096];
};
/* Opens or makes DIR for this job.  PEN_E_USAGE when DIR is not empty and not a folder of ours
 * (then nothing in it was changed), holds another job (names what differs) or is in use by another
 * process. */
PEN_MUST_USE pen_status job_open(struct job *job, const struct pen_replay_options *options,
                                 const struct pen_program *program, struct pen_err *err);
/* Brings the files of DIR to what checkpoint.db says, and tells runs and first_sequence anew. */
PEN_MUST_USE pen_status job_restore(struct job *job, struct pen_err *err);
/* Writes lines as one zstd frame behind the committed dead letters and syncs; dead_bytes, which the
 * next commit stores, then covers it.  Nothing happens for no lines. */
PEN_MUST_USE pen_status job_dead_append(struct job *job, pen_slice lines, struct pen_err *err);
/* Name in the checkpoint of a unit for the run that had end_count ends behind it; malloc'd. */
char *job_unit_name(const char *path, uint32_t end_count);
/* Notes that the run came to its end. */
PEN_MUST_USE pen_status job_done(struct job *job, struct pen_err *err);
void job_close(struct job *job);

#endif
