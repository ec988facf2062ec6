/* topology.h - who talks to whom, in what, and how much may wait: every edge of a run. */
#ifndef PEN_NODE_TOPOLOGY_H
#define PEN_NODE_TOPOLOGY_H

#include "penstock/node.h"
#include "penstock/runtime.h"

#define SINK_STATE_MAX 256U
#define OF_SINK UINT32_MAX

/*
 *   control ──work, commit, committed──▶ shard i        objects are dealt by credit
 *   shard i ──done, dead, cut, ready, signals──▶ control
 *   shard i ──observations, marks──▶ shard j            for every pair
 *
 * Each edge is a mailbox of `capacity` messages.  A consumer drains its mailboxes whenever it runs
 * and never waits to do so.  A producer whose mailbox is full keeps the message in its outbox and
 * parks: it makes nothing new until the outbox is empty, but goes on draining.  So no cycle can
 * block.
 */
enum message_kind {
    MSG_HELLO,        /* shard: ring is made, or err */
    MSG_START,        /* control: peers' rings are known */
    MSG_OBJECT,       /* control: read this */
    MSG_COMMIT,       /* control: cut epoch */
    MSG_CREDENTIALS,  /* control: for a bucket, from now on */
    MSG_ADDRESSES,    /* control: of a bucket's host, from now on, an array in bytes; or of the
                       * sink's nodes, a struct pen_sink_addresses */
    MSG_MOVED,        /* shard, then control to the others: a bucket is at the endpoint in bytes */
    MSG_COMMITTED,    /* control: epoch is durable; release below watermark */
    MSG_DRAIN,        /* control: give back what is not begun, stop what is open at a record */
    MSG_STOP,         /* control: end the thread */
    MSG_DONE,         /* shard: object is finished (or given back) */
    MSG_DEAD,         /* shard: a dead letter */
    MSG_REFUSED,      /* shard: the sink refused a document of epoch; a dead letter and its key */
    MSG_STATE,        /* shard: why nothing moves in its sink, or that it does again */
    MSG_FULL,         /* shard: many observations wait for a commit */
    MSG_CUT,          /* shard: all before belongs to epoch */
    MSG_READY,        /* shard: documents and run of epoch are durable */
    MSG_SIGNAL,       /* shard: a signal changed */
    MSG_PASSED,       /* shard: encoded observations that rules over signals count */
    MSG_RELEASED,     /* shard: everything below the watermark of epoch is released */
    MSG_FAIL,         /* shard: cannot go on: err */
    MSG_OBSERVATIONS, /* shard to shard: encoded observations */
    MSG_MARK,         /* shard to shard: what follows belongs to the next epoch */
};

enum object_outcome {
    OBJECT_OK,
    OBJECT_EMPTY,
    OBJECT_DAMAGED,
    OBJECT_UNKNOWN,
    OBJECT_UNREADABLE,
    OBJECT_GIVEN_BACK
};

/* Where the time of a shard's loop went; what is in none of these it had nothing to do. */
struct shard_times {
    int64_t busy_ns;    /* not asleep, and not blocked by the sink */
    int64_t storage_ns; /* asleep with objects open, whose bytes had not come */
    int64_t sink_ns;    /* blocked by the sink, or with nothing to do but wait for its answers */
};

struct message {
    struct message *next; /* in an outbox */
    enum message_kind kind;
    uint32_t from; /* shard, or UINT32_MAX for control */
    uint64_t epoch;
    int64_t watermark_ns;
    const struct pen_enrich_tables *tables; /* COMMITTED: of addresses; NULL: none */
    uint32_t bucket;                        /* CREDENTIALS, ADDRESSES, MOVED: index, or OF_SINK */
    struct pen_object *object; /* OBJECT, DONE: handed over with the message; CUT: borrowed */
    enum object_outcome outcome;
    struct pen_totals totals;      /* CUT: this shard's counters at the cut; DONE: of the object */
    struct pen_totals whole;       /* DONE: totals as if the object was never read before */
    struct pen_totals open_totals; /* CUT: what the open object gave so far, with object set */
    uint64_t open_records;         /* CUT: its records that the cut holds */
    struct other_types *others;    /* DONE, CUT: of totals or open_totals; NULL: none */
    struct shard_times times;      /* CUT, READY: of this run so far, */
    uint64_t regex_limits;         /* and so is this, */
    struct pen_enricher_counters damaged; /* and this, */
    struct pen_state_counters state;      /* RELEASED */
    uint64_t *excluded;                   /* and this, by exclusion; NULL without them */
    struct pen_ship_file *files;          /* CUT */
    uint32_t file_count;
    struct origin *origins; /* CUT: accounts and regions that are new to the shard */
    uint32_t origin_count;
    bool wants_snapshot; /* COMMITTED: the release ends in a snapshot */
    bool falls_back;     /* COMMITTED: the state begins at the base again, before the release */
    bool is_behind;      /* READY: observations lie before the position of the snapshot */
    int64_t position_ns; /* RELEASED: of the snapshot that was wanted */
    char run_name[64];   /* READY */
    uint64_t run_bytes;
    uint32_t type;         /* DONE; CUT: of the open object */
    struct pen_err err;    /* FAIL, HELLO */
    struct pen_ring *ring; /* HELLO: control frees it after all threads ended */
    enum pen_signal_change change;
    struct pen_signal *signal; /* SIGNAL: slices point into bytes */
    uint8_t *bytes;            /* payload owned by the message */
    size_t byte_count;
    size_t key_count; /* REFUSED: the object's key follows the letter */
    uint32_t item_count;
};
struct message *message_new(enum message_kind kind); /* never NULL: out of memory panics */
void message_free(struct message *message);
/* SIGNAL with a deep copy: the signal, its lists, its samples and all their text in one block. */
struct message *signal_message(enum pen_signal_change change, const struct pen_signal *s);

/* One direction of an edge with what does not fit yet. */
struct edge {
    struct pen_mailbox *box;
    struct message *head, *tail; /* outbox of the producer */
    const struct pen_ring *target;
};
/* Queues and flushes; takes message.  True when the outbox is empty afterwards. */
bool edge_send(struct edge *edge, struct pen_ring *own, struct message *message);
/* The same for news that may wait: the consumer is not woken, the caller does that later. */
bool edge_send_quietly(struct edge *edge, struct message *message);
bool edge_flush(struct edge *edge, struct pen_ring *own);

/* What shards share for reading and their edges.  Written before they start, then constant. */
struct topology {
    uint32_t shards;
    uint32_t capacity;
    struct edge *to_shard;   /* [i]: control to shard i */
    struct edge *to_control; /* [i]: shard i to control */
    struct edge *between;    /* [i * shards + j]: shard i to shard j; i == j unused */
};
PEN_MUST_USE pen_status topology_init(struct topology *topology, uint32_t shards, uint32_t capacity,
                                      struct pen_err *err);
/* After all threads ended.  Objects in messages that nobody took are freed. */
void topology_fini(struct topology *topology);

#endif
