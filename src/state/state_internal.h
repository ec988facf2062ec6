/* Private to src/state: the parts of one shard's state and what they ask of each other. */
#ifndef STATE_INTERNAL_H
#define STATE_INTERNAL_H

#include "penstock/state.h"

#include <stdio.h>

#define STATE_RUNS_OPEN_MAX PEN_STATE_FILES_MAX /* above, runs are merged */
#define STATE_RUNS_MERGE 48U                    /* how many of the smallest become one then */
#define STATE_BLOCK_BYTES (64U << 10) /* plain bytes after which a block of a run is sealed */
#define STATE_BLOCK_MAX (24U << 20)   /* plain bytes of a block: one observation of any size */
#define STATE_OPEN_RUN_MAX (UINT64_C(2) << 30) /* plain bytes of an open run */
#define STATE_RUN_NAME_MAX 64U
#define STATE_SET_MAX 20U

/* ---- observations ---- */

int64_t pen_state_release_time(const struct pen_observation *o);
/* The order of release: (release time, event time, event id, rule id, group, query, object,
 * record). The event time comes before the id so that late observations of one day arrive in their
 * order. */
int pen_state_order(const struct pen_observation *a, const struct pen_observation *b);

/* ---- runs ---- */

struct run_head { /* first bytes of a run, little endian as the machine */
    uint8_t magic[8];
    uint32_t version;
    uint32_t shard;
    uint64_t epoch;
    uint64_t count;
    int64_t release_min, release_max, time_max;
    uint32_t per_partition[PEN_PARTITIONS];
    uint64_t checksum; /* of all bytes before it */
};

struct block_head {
    uint32_t count;
    uint32_t plain_bytes;
    uint32_t packed_bytes;
    uint32_t reserved;
    uint64_t checksum; /* of the packed bytes */
};

struct run_writer {
    int fd;
    struct run_head head;
    struct pen_buf plain, packed;
    uint32_t block_count;
    void *zstd; /* ZSTD_CCtx */
    uint64_t bytes;
};

PEN_MUST_USE pen_status pen_state_writer_init(struct run_writer *w);
void pen_state_writer_fini(struct run_writer *w);
/* Starts a run at the beginning of fd, which stays the caller's. */
PEN_MUST_USE pen_status pen_state_writer_start(struct run_writer *w, int fd, struct pen_err *err);
/* One observation in encoded form; in the order of release. */
PEN_MUST_USE pen_status pen_state_writer_add(struct run_writer *w, pen_slice encoded,
                                             const struct pen_observation *o, uint32_t partition,
                                             struct pen_err *err);
/* Last block and the head.  Does not sync. */
PEN_MUST_USE pen_status pen_state_writer_end(struct run_writer *w, struct pen_err *err);

struct sort_entry {
    int64_t release, time;
    uint64_t id_prefix; /* first bytes of the event id, big endian */
    uint64_t offset;
    uint32_t bytes;
    uint32_t partition;
};

struct open_run {
    bool used;
    uint64_t epoch;
    struct pen_buf bytes;
    struct sort_entry *entries;
    size_t count, cap;
};

void pen_state_open_init(struct open_run *run);
void pen_state_open_fini(struct open_run *run);
PEN_MUST_USE pen_status pen_state_open_add(struct open_run *run, const struct pen_observation *o,
                                           uint32_t partition, struct pen_err *err);
/* Writes the sorted run to fd. */
PEN_MUST_USE pen_status pen_state_open_write(struct open_run *run, struct run_writer *w, int fd,
                                             struct pen_err *err);

/* ---- merging ---- */

struct run_reader {
    char name[STATE_RUN_NAME_MAX]; /* "" for a file without a name */
    bool owned_only;               /* skip partitions of others */
    int fd;                        /* -1 until opened */
    uint64_t size, offset;
    struct run_head head;
    uint64_t left;          /* observations not yet read */
    uint32_t left_in_block; /* and of the block in plain */
    struct pen_buf packed, plain;
    pen_slice rest;           /* of plain */
    pen_slice encoded;        /* the current observation */
    struct pen_observation o; /* borrows plain */
    uint32_t partition;
    bool at_end;
};

struct merge {
    const char *dir;
    uint32_t shard, shards;
    uint64_t hash_key;
    void *zstd;               /* ZSTD_DCtx */
    struct run_reader **heap; /* readers with a current observation, least first */
    size_t count, cap;
    struct run_writer writer;
};

PEN_MUST_USE pen_status pen_state_merge_init(struct merge *m, const struct pen_state_options *o);
void pen_state_merge_fini(struct merge *m);
/* Opens a run in the folder, checks its head and adds it. */
PEN_MUST_USE pen_status pen_state_merge_add(struct merge *m, const char *name, bool owned_only,
                                            struct run_head *head, struct pen_err *err);
/* The least observation; NULL when there is none.  Valid until pen_state_merge_next. */
const struct pen_observation *pen_state_merge_top(const struct merge *m);
PEN_MUST_USE pen_status pen_state_merge_next(struct merge *m, struct pen_err *err);

/* ---- signals ---- */

struct text { /* owned bytes */
    uint8_t *ptr;
    uint32_t len, cap;
};

struct text_set {
    struct text items[STATE_SET_MAX]; /* sorted */
    uint32_t count;
    uint32_t last; /* where the last value was found */
};

struct open_signal {
    uint64_t hash;
    uint32_t rule;
    bool late, closed;
    char id[33];
    struct text group;
    int64_t first_seen, last_seen;       /* event time */
    int64_t first_release, last_release; /* the same on the clock of release */
    int64_t closed_at;
    uint64_t events;
    int64_t deadline; /* in the heap: at or below the true one */
    size_t heap_at;
    size_t dirty_at;                                 /* in the dirty list, or SIZE_MAX */
    size_t bytes;                                    /* of memory, this struct included */
    uint32_t sample_count, sample_total, sample_cap; /* stored; seen */
    struct text *samples;                            /* encoded; first ones, then a ring */
    struct text_set sets[4];                         /* accounts, regions, actors, addresses */
};

struct signals {
    const struct pen_state_rule *rules;
    uint32_t samples_first, samples_last;
    uint64_t bytes, bytes_max;
    int64_t clock;              /* largest event time fed */
    struct open_signal **slots; /* open addressing by hash, a power of two */
    size_t slot_count, count;
    struct open_signal **heap; /* by deadline, least first; as large as slots */
    struct open_signal **dirty;
    size_t dirty_count, dirty_cap;
    struct pen_buf scratch; /* of the id */
    struct pen_signal_sample *views;
    pen_signal_fn *fn;
    void *ctx;
    uint64_t opened, evicted, late;
};

PEN_MUST_USE pen_status pen_state_signals_init(struct signals *s,
                                               const struct pen_state_options *o);
void pen_state_signals_fini(struct signals *s);
/* Closes what ended before the clock, then feeds one observation. */
PEN_MUST_USE pen_status pen_state_signals_feed(struct signals *s, const struct pen_observation *o,
                                               pen_slice encoded);
/* Closes every signal that no observation with release time >= clock can continue. */
PEN_MUST_USE pen_status pen_state_signals_expire(struct signals *s, int64_t clock);
/* Closes every signal whose bounds lie at or before end: nothing more will come. */
PEN_MUST_USE pen_status pen_state_signals_end(struct signals *s, int64_t end);
/* One UPDATED for each signal that got events since the last call. */
PEN_MUST_USE pen_status pen_state_signals_flush(struct signals *s);

#endif
