/* state_whole.h - private to src/state: one shard's state as a whole. */
#ifndef STATE_WHOLE_H
#define STATE_WHOLE_H

#include "snapshot.h"

#define OPEN_RUNS 2U    /* the current epoch and the next */
#define PENDING_MAX 64U /* runs that were cut and whose commit is not durable yet */

struct pending_run {
    char name[STATE_RUN_NAME_MAX];
    uint64_t epoch;
    bool committed;
};

/* An event of a rule with windows while its observations come, side by side in the order. */
struct gathering {
    bool is_used;
    bool is_cold;
    uint32_t rule, partition, queries;
    struct pen_buf first;  /* encoded */
    struct pen_buf values; /* of all queries */
    size_t values_at[PEN_STATE_QUERIES_MAX], values_len[PEN_STATE_QUERIES_MAX];
};

struct pen_state {
    struct pen_state_options options;
    char *dir;
    struct open_run open[OPEN_RUNS];
    struct run_writer writer;
    struct pending_run pending[PENDING_MAX];
    uint32_t pending_count;
    struct pending_run *own; /* committed runs of this process since its last snapshot */
    uint32_t own_count, own_cap, own_opened;
    struct merge merge;
    struct signals signals;
    struct groups groups;
    struct new_values new_values;
    struct gathering gathering;
    uint32_t *rule_slots; /* rule id to index + 1, open addressing */
    uint32_t rule_slot_count;
    uint64_t *seeds; /* by rule: pen_observation_seed */
    bool released;
    int64_t time_max; /* largest event time seen */
    /* Of a snapshot that was loaded: what was released before, by partition; INT64_MIN: nothing. */
    int64_t position[PEN_PARTITIONS];
    bool *is_anew;           /* by rule: the snapshot has nothing of it as it is now */
    bool has_snapshot;       /* one was loaded */
    int64_t begins_at;       /* of pen_state_begin */
    bool is_behind;          /* an observation came that belongs before the position */
    int64_t released_to;     /* the largest watermark that was reached */
    int64_t release_max;     /* of an observation that was released */
    struct pen_buf last_key; /* of the observation released last: duplicates are adjacent */
    struct pen_state_counters counters;
    uint64_t behind_loaded; /* of counters.behind_log, those that a snapshot told of */
};
/* A name of a file in the folder as a string. */
PEN_MUST_USE pen_status pen_state_file_name(pen_slice name, char out[STATE_RUN_NAME_MAX],
                                            struct pen_err *err);
bool pen_state_find_rule(const struct pen_state *s, pen_slice id, uint32_t *rule);
/* A run whose observations are all released before this time has nothing for the state. */
int64_t pen_state_log_from(const struct pen_state *s);

#endif
