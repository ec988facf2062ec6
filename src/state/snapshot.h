/*
 * snapshot.h - private to src/state: what a structure of the state needs to be in a snapshot.
 *
 * A snapshot is a row of records, each of a kind, a rule and a partition.  A structure writes its
 * own kinds between snapshot_begin and snapshot_end, appending the payload to the writer's plain
 * buffer; when a snapshot is read its load function gets each of its records back, for the rules
 * that are unchanged and the partitions that this state owns.  Payloads are read with the
 * snapshot_get functions and trusted in nothing: a load says PEN_E_CORRUPT for what it would never
 * have written.  Format: README.md.
 */
#ifndef STATE_SNAPSHOT_H
#define STATE_SNAPSHOT_H

#include "state_internal.h"

#define SNAPSHOT_VERSION 2U       /* 1 told of a rule its id and hash alone, and named no groups */
#define SNAPSHOT_MIXED UINT32_MAX /* partition of a record whose entries tell their own */

enum snapshot_kind { /* on disk: never given another number */
                     SNAPSHOT_RULE = 1,
                     SNAPSHOT_COUNTERS = 2,
                     SNAPSHOT_SIGNAL = 3,
                     SNAPSHOT_SIGNAL_SAMPLE = 4, /* of the signal before it, as are those waiting */
                     SNAPSHOT_SIGNAL_STAGED = 5,
                     SNAPSHOT_GROUP = 6,
                     SNAPSHOT_GROUP_EVENTS = 7, /* of the group before it, as are samples */
                     SNAPSHOT_GROUP_SAMPLE = 8,
                     SNAPSHOT_VALUES = 9,
                     SNAPSHOT_GROUP_HISTORY = 11, /* of the group before it, before its events */
                     SNAPSHOT_GROUP_TRAVEL = 10,  /* of the group before it, as its events */
                     SNAPSHOT_VALUE_GROUP = 12,   /* a named group of a new-value rule */
                     SNAPSHOT_GROUP_COLD = 13,    /* of the group before it: its last cold event */
};

struct snapshot_head { /* first bytes of a snapshot, little endian as the machine */
    uint8_t magic[8];
    uint32_t version;
    uint32_t shard, shards;
    uint32_t rules; /* records of rules, which come first */
    uint64_t epoch; /* the last commit that it knows of */
    uint64_t records;
    int64_t time_max;
    uint64_t hash_key;
    int64_t position[PEN_PARTITIONS];       /* everything with a smaller release time is in it */
    uint32_t per_partition[PEN_PARTITIONS]; /* records; those of mixed ones count nowhere */
    uint64_t mixed;
    uint64_t checksum; /* of all bytes before it */
};
struct record_head {
    uint32_t bytes; /* of the payload */
    uint32_t kind;
    uint32_t rule; /* by its place in the snapshot */
    uint32_t partition;
};

/* The first failure stays in status, what is written behind it goes nowhere, and finish tells it.
 */
struct snapshot_writer {
    struct snapshot_head head;
    struct block_writer blocks;
    size_t record_at; /* in blocks.plain */
    pen_status status;
    struct pen_err err;
};
/* Starts a snapshot at the beginning of fd, which stays the caller's; head is filled before finish,
 * but for what the writer counts.  fini in every case. */
void snapshot_start(struct snapshot_writer *w, int fd);
PEN_MUST_USE pen_status snapshot_finish(struct snapshot_writer *w, struct pen_err *err);
void snapshot_writer_fini(struct snapshot_writer *w);
/* Begins a record; the payload follows. */
void snapshot_begin(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t rule,
                    uint32_t partition);
void snapshot_end(struct snapshot_writer *w);
/* A record with this payload. */
void snapshot_put(struct snapshot_writer *w, const struct record_head *head, pen_slice payload);
/* Plain data, and a text behind its length. */
void snapshot_add(struct snapshot_writer *w, const void *data, size_t bytes);
void snapshot_add_text(struct snapshot_writer *w, pen_slice text);

struct snapshot_record {
    enum snapshot_kind kind;
    uint32_t rule; /* by its place in the rule set of now */
    uint32_t partition;
    pen_slice rest; /* of the payload */
};
/* False, and no change, when the payload has no more so many bytes. */
PEN_MUST_USE bool snapshot_get(struct snapshot_record *r, void *data, size_t bytes);
/* Borrows the payload. */
PEN_MUST_USE bool snapshot_get_text(struct snapshot_record *r, pen_slice *text);

/* ---- reading a file, record by record ---- */

struct snapshot_reader {
    struct block_reader blocks;
    struct snapshot_head head;
    uint64_t left; /* records */
    void *zstd;    /* ZSTD_DCtx */
};
/* Opens a snapshot and checks its head. */
PEN_MUST_USE pen_status snapshot_reader_open(struct snapshot_reader *r, const char *dir,
                                             const char *name, struct pen_err *err);
void snapshot_reader_fini(struct snapshot_reader *r);
/* The least position of a partition that the snapshot has. */
int64_t snapshot_position(const struct snapshot_head *head);
/* The next record, rule by its place in the snapshot; *more false: there is none. */
PEN_MUST_USE pen_status snapshot_reader_next(struct snapshot_reader *r, struct snapshot_record *out,
                                             bool *more, struct pen_err *err);
/* What a record of a rule says. */
struct snapshot_rule_shape { /* on disk */
    int64_t window_ns, keep_alive_ns, learning_ns, forget_ns;
    uint32_t method, query_count;
    uint8_t queries[PEN_STATE_QUERIES_MAX]; /* enum pen_aggregation */
};
struct snapshot_rule {
    pen_slice id;
    uint64_t hash;
    bool has_shape; /* from format 2 on */
    struct snapshot_rule_shape shape;
    pen_slice name;
};
PEN_MUST_USE bool snapshot_get_rule(struct snapshot_record *r, struct snapshot_rule *out);
/* The shape and the name, behind hash and id. */
void snapshot_add_shape(struct snapshot_writer *w, const struct pen_state_rule *rule);

/* For pen_state_rule_hash: what is new in struct pen_state_rule belongs in it. */
#define STATE_RULE_BYTES_MAX ((size_t)1 << 20)

/* ---- what each structure has ---- */

void pen_state_signals_save(const struct signals *s, uint64_t hash_key, struct snapshot_writer *w);
PEN_MUST_USE pen_status pen_state_signals_load(struct signals *s, struct snapshot_record *r);
void pen_groups_save(struct groups *g, struct snapshot_writer *w);
PEN_MUST_USE pen_status pen_groups_load(struct groups *g, struct snapshot_record *r);
void pen_new_values_save(const struct new_values *v, struct snapshot_writer *w);
/* The next entry of a record of values; false at its end. */
struct new_value_saved {
    struct new_value_hash hash;
    uint32_t partition;
    int64_t seen_ns;
};
bool pen_new_value_get(struct snapshot_record *r, struct new_value_saved *out);
struct value_group_saved { /* on disk; the text follows */
    uint64_t values;
    int64_t since; /* when its learning began; INT64_MIN: that was evicted */
};
PEN_MUST_USE bool pen_value_group_get(struct snapshot_record *r, struct value_group_saved *out,
                                      pen_slice *text);
/* The head and text of a group, and the next event of a record of its events; false: not sound, or
 * of get_event at the end of the record. */
PEN_MUST_USE bool pen_group_get(struct snapshot_record *r, int64_t *last_release, bool *is_limited,
                                pen_slice *key);
PEN_MUST_USE bool pen_group_get_event(const struct window_shape *shape, struct snapshot_record *r,
                                      struct window_event *event, union window_value *values);
/* Of records of ways and histories: when they began, what was last, how many follow. */
struct group_told {
    int64_t begun, last;
    uint64_t count;
};
PEN_MUST_USE bool pen_group_get_travel(struct snapshot_record *r, struct group_told *out);
PEN_MUST_USE bool pen_group_get_history(struct snapshot_record *r, struct group_told *out);
/* The head of an open signal and its group. */
PEN_MUST_USE bool pen_signal_get(struct snapshot_record *r, struct pen_shown_signal *out);
/* Takes those of partitions that this state owns. */
PEN_MUST_USE pen_status pen_new_values_load(struct new_values *v, struct snapshot_record *r);

#endif
