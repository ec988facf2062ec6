/* control.h - the control thread of a run: what it knows, and the two files that share it. */
#ifndef PEN_NODE_CONTROL_H
#define PEN_NODE_CONTROL_H

#include "again.h"
#include "job.h"
#include "ledger.h"
#include "lookup.h"
#include "planner.h"
#include "refusals.h"
#include "shard.h"
#include "signal_sink.h"
#include "signals_db.h"
#include "snapshots.h"
#include "spending.h"
#include "tables_load.h"

#define SHARDS_MAX 64u
#define TURN_NS INT64_C(100000000)
#define LISTING_TURN_NS INT64_C(2000000) /* while pages of listings are awaited */

struct shard_slot {
    struct pen_thread *thread;
    struct shard_start start;
    struct pen_ring *ring;
    uint32_t objects; /* dealt, not done */
    uint64_t bytes;
    struct pen_object *cut_object;        /* finished since the cut that has it open */
    struct message *cut;                  /* of the epoch being committed */
    struct shard_times times;             /* by its last cut */
    uint64_t regex_limits;                /* by its last cut */
    struct pen_enricher_counters damaged; /* likewise */
    struct pen_state_counters state;      /* by its last release */
    int64_t snapshot_position_ns;         /* of the snapshot that its last release ended in */
    bool is_cut, is_ready;
    bool is_behind;       /* its last cut has observations of a time that the snapshot holds */
    uint64_t released;    /* epoch up to which its release is done, */
    int64_t watermark_ns; /* and that is up to here */
    char sink_state[SINK_STATE_MAX]; /* why its sink stands still; "": it does not */
};

struct control {
    const struct pen_replay_options *options; /* own */
    struct pen_replay_options own;
    struct pen_program *program;
    struct pen_replay_result *result;
    struct job job;
    struct planner planner;
    struct signals_db *signals;
    struct pen_sink *sink; /* NULL: none over the network */
    struct signal_sink *signal_sink;
    struct refusals refusals;                 /* of objects that no commit holds whole */
    bool is_signals_still;                    /* its state was told */
    struct renew sink_keys;                   /* that it signs with; without a renewal: none */
    struct pen_sink_addresses sink_addresses; /* as the shards have them */
    bool is_resend;   /* an earlier run may have sent documents that no commit holds */
    int64_t drain_ns; /* when the run began to drain */
    struct topology topology;
    struct shard_shared shared;
    struct shard_slot slots[SHARDS_MAX];
    uint32_t shards;
    struct pen_ring *ring;
    struct pen_state_rule *state_rules;
    int64_t tell_from_ns;    /* as shard_shared has it */
    int64_t stages_begin_ns; /* from here on the signals that rules over signals count are known */
    struct rule_count *costs[SHARDS_MAX]; /* of signals_only; else NULL */
    const char **types_needed;            /* names, of signals_only: own.types */
    struct stages *stages;                /* of rules over signals; NULL: there are none */
    int64_t stages_ns;                    /* watermark of the release of the stages */
    bool is_held;         /* the signal that came last: a suppression holds it back */
    bool has_stages_left; /* it is under way */

    struct object_list round; /* being dealt */
    struct object_list ahead; /* the next round, listed while this one is read */
    struct again again;       /* of the unit being listed */
    uint32_t round_next, next_unit, low_unit;
    int64_t resolved_ns;                           /* when names were asked for last */
    struct pen_resolver *resolver;                 /* of names; NULL until one is asked for */
    int64_t name_asked_ns[PEN_RESOLVER_NAMES_MAX]; /* no answer since; 0: none is awaited */
    bool name_is_late[PEN_RESOLVER_NAMES_MAX];     /* which was told */
    struct lookup lookup;                          /* of the sink's nodes */
    uint64_t iocs_stale; /* lists of indicators that were told to be, a bit each */
    struct tables_load tables;
    struct shard_bucket *buckets; /* what shards are told of the planner's */
    struct spending spending;
    char node_region[PEN_REGION_MAX]; /* asked for when a cost is limited; "": not known */
    uint64_t outstanding;
    uint64_t objects_done, bytes_done;
    uint64_t objects_before, bytes_before; /* listed by this run, done by earlier ones */
    uint64_t objects_open;                 /* listed by this run, in no commit yet */
    uint64_t objects_pruned; /* by the listing of this run, as are the gaps of folders */
    uint64_t folder_gaps;

    struct ledger open;                      /* of objects that the last commit holds a part of */
    struct ledger committed, now, next;      /* next: what shards did after their cut */
    uint64_t excluded[PEN_COUNTED_MAX];      /* by exclusion: as of the last commit, */
    uint64_t excluded_base[PEN_COUNTED_MAX]; /* and by earlier runs of it */
    uint64_t epoch;                          /* being made */
    struct generation start;                 /* where the state began in this run */
    uint64_t log_bytes_before;               /* of the log: at the last snapshot, or the start */
    bool is_snapshotting;                    /* no commit begins until all shards wrote it */
    bool is_falling_back;                    /* this commit tells shards to begin at the base */
    bool is_committing, is_final, is_draining;
    int64_t committed_at_ns;
    uint64_t shipped_base, shipped_now; /* by earlier runs; by this one up to its last cut */
    int64_t watermark_ns;
    char reason[256]; /* why the run drains */
    bool is_dirty;    /* something happened since the last commit */
    bool is_full;     /* a shard wants one now */

    struct pen_err failure;
    uint64_t records_before, plain_before; /* of earlier runs: they are not this run's speed */
    int64_t started_ns, wall_started_ns, progress_at_ns;
    int64_t turned_ns;  /* when the last turn of the loop began */
    int64_t listing_ns; /* for which shards had nothing to read because it was not listed yet */
};

/* Whether pen_replay_interrupt was called. */
bool is_interrupted(void);
/* To stderr, escaped for a terminal but for line ends at both ends. */
void words(const char *fmt, ...) PEN_PRINTF(1, 2);
/* words of a level, when the run wants to hear them: SAY(c, WARN, "...", ...). */
#define SAY(c, level, ...) \
    ((c)->options->log_level >= PEN_LOG_##level ? words(__VA_ARGS__) : (void)0)
/* iocs.c: says what is wrong with the lists of indicators that are new, and which have become
 * stale since they were looked at last. */
void iocs_say(struct control *c, bool is_new);
void iocs_fill(const struct control *c, struct pen_ioc_state *out);
/* control_sink.c: a sink over the network.  Opens it; false words when it cannot take documents. */
PEN_MUST_USE pen_status sink_open(struct control *c, struct pen_err *err);
/* Durable before the first document goes out: what is sent from here on may be there already when
 * the job is resumed; and, at an end that left nothing between, that it is not so any more. */
PEN_MUST_USE pen_status sink_sending(struct control *c, bool is_sending, struct pen_err *err);
/* Credentials that sign are renewed beside the run, and told to the shards. */
void sink_renew(struct control *c, bool has_shards);
/* addresses.c: servers come and go behind a name.  Once a turn: names are asked for every
 * fetch.resolve_interval, without a wait, and who has to do with a host is told when it moved. */
void addresses_turn(struct control *c, bool has_shards);
/* The first name whose look-up is late, and for how long: "HOST: 12 s".  False: none is. */
bool addresses_late(const struct control *c, char *out, size_t size);
/* A shard learned where a bucket is (MSG_MOVED): the others are told.  Does not take it. */
void moved(struct control *c, const struct message *message);
/* Signals to the sink: opens when the ring is there; a turn; all of them, at the end of the run;
 * and gives up what is under way. */
PEN_MUST_USE pen_status sink_signals_open(struct control *c, struct pen_err *err);
PEN_MUST_USE pen_status sink_signals_turn(struct control *c, bool *is_idle, struct pen_err *err);
PEN_MUST_USE pen_status sink_signals_end(struct control *c, struct pen_err *err);
void sink_signals_close(struct control *c);
/* REFUSED and STATE; does not take the message. */
void sink_message(struct control *c, const struct message *message);
/* The first state that a shard told, or NULL. */
const char *sink_state(const struct control *c);
/* The run drains, and the cluster has not taken the rest in sink.drain_timeout. */
bool sink_gives_up(struct control *c);
/* control_stages.c: signals of shards, and those of rules over them.  Opens before the shards
 * start; SIGNAL and PASSED, without taking the message. */
PEN_MUST_USE pen_status stages_open(struct control *c, struct pen_err *err);
void stages_message(struct control *c, const struct message *message);
/* Lets the stages catch up with the shards.  True when something was done. */
bool stages_turn(struct control *c);
/* Whether they have released all that the shards have. */
bool stages_are_through(const struct control *c);
/* From here on nothing new is begun: the run ends as stopped. */
void stop(struct control *c, const char *reason);
/* One message of this kind to every shard. */
void broadcast(struct control *c, enum message_kind kind, uint64_t epoch, int64_t watermark);
/* Takes what shards said and flushes what waits for them.  True when there was something. */
bool drain(struct control *c);
/* The ledger that counts what a shard says now: of the epoch being made, or of the next one when
 * the shard has been cut. */
struct ledger *ledger_of(struct control *c, uint32_t shard);
/* Counts a finished object, remembers what it takes to take it back, frees it. */
void object_done(struct control *c, struct message *message);
#define GAP_REFUSED "refused-by-sink"
/* Delivered documents become refused ones. */
void refusals_count(struct pen_totals *totals, uint64_t refused);
/* When the commit is made that holds the object whole: whether it gave dead letters, with those
 * that the sink refused; then counters is made and has what it added to the totals, as ledger_write
 * gives it. */
bool done_is_refused(struct control *c, struct ended_object *one, struct pen_buf *counters);
/* Adds objects of a type (an index of the program's) and the records of whole to a ledger: those of
 * other types, which may be NULL, under their own. */
void done_type(const struct control *c, struct ledger *ledger, uint32_t type, uint64_t objects,
               const struct pen_totals *whole, const struct other_types *others);
/* commit.c: asks all shards for a cut; makes it durable when all are ready. */
void commit_begin(struct control *c);
void commit_end(struct control *c);
/* One turn of the loop.  True when the run is over: the last commit is released everywhere. */
bool loop_turn(struct control *c);
/* progress.c: the line that tells how far the run is, when it is due; on a terminal drawn over the
 * one before and never wider than the window.  The last one ends with a line end. */
void progress(struct control *c, bool is_last);

#endif
