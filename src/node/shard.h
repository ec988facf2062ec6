/* shard.h - one pinned thread: reads, scans, ships, observes, releases. */
#ifndef PEN_NODE_SHARD_H
#define PEN_NODE_SHARD_H

#include "bucket_share.h"
#include "costs.h"
#include "snapshots.h"
#include "topology.h"

/* Written before the threads start, constant then; shared by all shards. */
struct shard_shared {
    const struct pen_replay_options *options;
    const struct pen_program *program;
    struct topology *topology;
    const struct pen_state_rule *state_rules;
    uint64_t hash_key;
    int64_t ingested_ns;
    int64_t tell_from_ns; /* records before are read for the state alone; INT64_MIN: none */
    uint32_t first_sequence;
    uint64_t first_epoch;
    char documents_dir[4096];
    char state_dir[4096];
    const char *const *adopted_runs; /* committed runs of an earlier process */
    uint32_t adopted_count;
    struct generation snapshot, base; /* where the state begins, and where when that is too late */
    const struct pen_sink *sink;      /* NULL: none over the network */
    const struct shard_bucket *buckets; /* NULL: files are read */
    uint32_t bucket_count;
};

struct shard_start {
    const struct shard_shared *shared;
    uint32_t index;
    const struct pen_ring *control_ring;
    struct rule_count *costs; /* of this shard; NULL: they are not counted */
};
#define SHARD_READ_SLOTS 48u
/* Files that a run may have open at once, all of its shards and the control thread. */
uint64_t shard_files_max(const struct pen_replay_options *options);
/* What a shard makes of the options of the run; of the shipper the parts that all shards share. */
struct pen_reader_options shard_reader_options(const struct pen_replay_options *options);
struct pen_ship_options shard_ship_options(const struct pen_replay_options *options);
/* A pen_thread_fn; ctx is a struct shard_start that outlives the thread. */
void shard_main(void *ctx);

#endif
