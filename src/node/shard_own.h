/* shard_own.h - what the two files of a shard share. */
#ifndef PEN_NODE_SHARD_OWN_H
#define PEN_NODE_SHARD_OWN_H

#include "ledger.h"
#include "observe.h"
#include "origins.h"
#include "shard.h"

/* Of one object: each of its members may have a wrong checksum. */
#define DAMAGE_LETTERS_MAX 1000U
#define DAMAGE_BYTES_MAX (DAMAGE_LETTERS_MAX * ((size_t)64 << 10))

struct batch { /* observations for one other shard */
    struct pen_buf bytes;
    uint32_t count;
};

struct shard {
    const struct shard_shared *shared;
    uint32_t index, shards;
    struct pen_ring *ring;
    struct pen_reader *reader;
    struct pen_fetcher *fetcher; /* in place of the reader when objects are in buckets */
    struct pen_scan *scan;
    struct pen_ship *ship;
    struct pen_state *state;
    struct edge *to_control;
    struct edge *out;        /* [j] */
    struct pen_mailbox **in; /* [j] */
    struct pen_mailbox *from_control;
    struct batch *batches; /* [j] */
    struct pen_buf group, own_group;
    struct pen_buf compact;
    struct pen_buf passed; /* encoded observations of this step of a release */
    uint32_t passed_count;
    struct observer observer;
    struct rule_count *costs;   /* by rule, or NULL */
    struct pen_err observe_err; /* why an observation could not be appended */
    uint64_t epoch;             /* of what is made now */
    uint64_t *peer_epoch;       /* [j]: of what arrives from j */
    uint64_t cut_epoch;         /* a cut waits for marks; 0: none */
    int64_t watermark_ns;
    uint64_t release_epoch;          /* a release is under way; 0: none */
    bool wants_snapshot;             /* that ends in a snapshot */
    struct pen_object *object;       /* being scanned */
    struct pen_totals object_totals; /* of the object, and what of it is new */
    struct pen_totals again_totals;  /* the new part of an object that is read again */
    struct other_types others;       /* of object_totals: records that are not of its type */
    uint64_t *excluded;              /* records of this run, by exclusion */
    uint64_t next_record;  /* ordinal after the last record of object that is accounted for */
    uint64_t scanned;      /* ordinal after the last record of object, skipped or not */
    struct pen_buf damage; /* dead letters of object's damage, sent when it ends */
    uint32_t damage_count;
    uint32_t open_objects;                  /* dealt to this shard, not ended */
    int64_t begun_ns, slept_ns, starved_ns; /* of the loop; starved: the sleep that is storage's */
    int64_t full_ns;                        /* and that of a sink that takes no more for now */
    struct origins origins;                 /* of what was delivered; each cut takes the new ones */
    bool is_full;                           /* it asked for a commit */
    bool is_recount; /* observations of a record that has them already: they are only counted */
    bool is_damaged;
    bool is_draining;
    bool is_stopped;
    bool is_failed;
    char sink_state[SINK_STATE_MAX]; /* as control knows it; "": all moves */
    struct pen_scan_item item;
    bool holds_data;       /* the scan reads the reader's front buffer */
    uint32_t news_objects; /* finished since control was woken, */
    uint64_t news_bytes;   /* and their size */
};

/* shard.c: messages to control.  They take the message. */
void send_control(struct shard *shard, struct message *message);
/* An object ended; control may hear of it later. */
void send_done(struct shard *shard, struct message *message);
/* The first failure is told to control; the shard makes nothing more. */
void shard_fail(struct shard *shard, const struct pen_err *err);

/* shard_object.c: scans what was read.  Some hundred records at most, of several objects when they
 * are small.  True when something was done. */
bool step_scan(struct shard *shard);
/* Observations that wait for another shard go out. */
void batch_send(struct shard *shard, uint32_t to);
/* The reader's bytes that the scan still held are given back. */
void data_done(struct shard *shard);

/* shard_feed.c: where objects come from, files or buckets; as pen_reader_... says. */
PEN_MUST_USE pen_status feed_new(struct shard *shard, struct pen_err *err);
void feed_free(struct shard *shard);
void feed_open(struct shard *shard, struct pen_object *object);
/* The front is another object now than was listed: closes it and opens it as it is now.  False: a
 * file, or tried often enough. */
bool feed_restart(struct shard *shard, struct pen_object *object);
enum pen_read feed_front(struct shard *shard, void **tag, pen_slice *data, struct pen_err *err);
bool feed_is_last(struct shard *shard);
void feed_done(struct shard *shard);
void feed_close(struct shard *shard);
/* Once a turn of the loop.  Longest sleep until the next: 0: any. */
int64_t feed_turn(struct shard *shard);
/* MSG_CREDENTIALS, MSG_ADDRESSES. */
void feed_credentials(struct shard *shard, const struct message *message);
void feed_addresses(struct shard *shard, const struct message *message);
void feed_move(struct shard *shard, const struct message *message); /* MSG_MOVED */
/* At the end: an object that is open, or NULL; it is not open any more. */
struct pen_object *feed_return(struct shard *shard);
bool feed_cancel(struct shard *shard);

/* shard_sink.c: documents to a cluster, which answers in its own time.  Once a turn of the loop, as
 * feed_turn. */
int64_t sink_turn(struct shard *shard);
/* MSG_CREDENTIALS, MSG_ADDRESSES of the sink. */
void sink_credentials(struct shard *shard, const struct message *message);
void sink_addresses(struct shard *shard, const struct message *message);
/* Of pen_ship_options; ctx is the shard. */
void sink_refused(void *ctx, const struct pen_ship_refusal *refusal);
/* shard.c: ends the cut under way when all that belongs to it is there. */
void cut_finish(struct shard *shard);

#endif
