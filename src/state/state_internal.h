/* Private to src/state: the parts of one shard's state and what they ask of each other. */
#ifndef STATE_INTERNAL_H
#define STATE_INTERNAL_H

#include "penstock/state.h"

#include "anomaly.h"
#include "blocks.h"
#include "pack.h"
#include "travel.h"

#include <stdio.h>

#define STATE_RUNS_OPEN_MAX PEN_STATE_FILES_MAX /* above, runs are merged */
#define STATE_RUNS_MERGE 48U                    /* how many of the smallest become one then */
#define STATE_OPEN_RUN_MAX (UINT64_C(2) << 30)  /* plain bytes of an open run */
#define STATE_RUN_NAME_MAX 64U
#define STATE_RUN_VERSION \
    4U /* 1 had no table, 2 longer numbers of texts, 3 no text told by another */
#define STATE_SET_MAX 20U

/* ---- observations ---- */

/* pen_observation_partition by a seed that is made once for each rule. */
uint64_t pen_observation_seed(pen_slice rule_id, uint64_t hash_key);
uint32_t pen_observation_partition_by(uint64_t seed, pen_slice group);
int64_t pen_state_release_time(const struct pen_observation *o);
/* The order of release: (release time, event time, event id, rule id, group, query, object,
 * record). The event time comes before the id so that late observations of one day arrive in their
 * order. */
int pen_state_order(const struct pen_observation *a, const struct pen_observation *b);

/* An observation as a sample of a group or a signal, which know rule and group; without values. */
PEN_MUST_USE pen_status pen_state_sample_encode(struct pen_buf *out,
                                                const struct pen_observation *o);
/* The only event of a group, which counts for `others` too, as pen_observation_encode makes it:
 * without what the group knows; and that of which nothing will be shown, with its time alone. */
PEN_MUST_USE pen_status pen_state_kept_encode(struct pen_buf *out, const struct pen_observation *o,
                                              uint32_t others, pen_slice values);
PEN_MUST_USE pen_status pen_state_brief_encode(struct pen_buf *out, const struct pen_observation *o,
                                               uint32_t others, pen_slice values);
/* What an observation holds of a text that only tells where it comes from. */
pen_slice pen_state_cut_text(pen_slice s);
static inline pen_slice pen_state_bounded(pen_slice s)
{
    return PEN_LIKELY(s.len <= PEN_OBSERVATION_BYTES_MAX) ? s : pen_state_cut_text(s);
}

/* A time and a duration; stays at the end of what there is. */
static inline int64_t pen_state_add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

/* ---- runs ---- */

struct run_head { /* first bytes of a run, little endian as the machine */
    uint8_t magic[8];
    uint32_t version;
    uint32_t shard;
    uint64_t epoch;
    uint64_t count;
    int64_t release_min, release_max, time_max;
    uint32_t per_partition[PEN_PARTITIONS];
    uint64_t table_at;    /* offset of the block of the table of texts */
    uint32_t table_texts; /* how many; 0: no such block */
    uint32_t reserved;
    uint64_t checksum; /* of all bytes before it */
};

struct run_writer {
    int fd;
    struct run_head head;
    struct pen_buf plain, packed;
    uint32_t block_count;
    struct pack_table table; /* of what pen_state_writer_add was given */
    void *zstd;              /* ZSTD_CCtx */
    uint64_t bytes;
};

PEN_MUST_USE pen_status pen_state_writer_init(struct run_writer *w);
void pen_state_writer_fini(struct run_writer *w);
/* Starts a run at the beginning of fd, which stays the caller's. */
PEN_MUST_USE pen_status pen_state_writer_start(struct run_writer *w, int fd, struct pen_err *err);
/* One observation; in the order of release. */
PEN_MUST_USE pen_status pen_state_writer_add(struct run_writer *w, const struct pen_observation *o,
                                             uint32_t partition, struct pen_err *err);
/* Likewise, of one that is packed with another table, which pen_state_writer_end is given. */
PEN_MUST_USE pen_status pen_state_writer_copy(struct run_writer *w, int64_t release,
                                              const uint8_t *packed, struct pen_err *err);
/* Last block, table (NULL: the writer's own) and the head.  Does not sync. */
PEN_MUST_USE pen_status pen_state_writer_end(struct run_writer *w, const struct pack_table *table,
                                             struct pen_err *err);

struct sort_entry {
    int64_t release;
    uint64_t id_prefix; /* first bytes of the event id, big endian */
    const uint8_t *packed;
};

#define OPEN_CHUNK_BYTES (2U << 20) /* a huge page of x86-64 */

/* Observations of an epoch, packed, in chunks that stay where they are and are used again. */
struct open_run {
    bool used;
    uint64_t epoch;
    struct pen_buf *chunks;
    uint32_t chunk, chunk_count; /* the one that is filled; how many there are */
    uint64_t bytes;              /* of all observations */
    struct pack_table table;
    struct sort_entry *entries;
    uint64_t *keys; /* twice cap of them: to sort by, and the other half of it */
    size_t count, cap;
};
/* Of an observation, beside what is packed. */
#define OPEN_ENTRY_BYTES (sizeof(struct sort_entry) + 2 * sizeof(uint64_t))

void pen_state_open_init(struct open_run *run);
void pen_state_open_fini(struct open_run *run);
/* Empty; of its memory a chunk of one observation that is longer than others goes. */
void pen_state_open_clear(struct open_run *run);
PEN_MUST_USE pen_status pen_state_open_add(struct open_run *run, const struct pen_observation *o,
                                           uint32_t partition, struct pen_err *err);
/* Writes the sorted run to fd, all but its end: its table is the run's. */
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
    pen_slice rest; /* of plain */
    struct pack_table table;
    struct pen_observation o; /* the current one; borrows plain and table */
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
/* Opens a run in the folder, checks its head and adds it, unless all of it is released before
 * from. */
PEN_MUST_USE pen_status pen_state_merge_add(struct merge *m, const char *name, bool owned_only,
                                            int64_t from, struct run_head *head,
                                            struct pen_err *err);
/* Adds the run that a file without a name is; takes fd, also when it fails. */
PEN_MUST_USE pen_status pen_state_merge_take(struct merge *m, int fd, struct pen_err *err);
/* The least observation; NULL when there is none.  Valid until pen_state_merge_next. */
const struct pen_observation *pen_state_merge_top(const struct merge *m);
PEN_MUST_USE pen_status pen_state_merge_next(struct merge *m, struct pen_err *err);

/* ---- memory ---- */

/* What a state keeps, and how much of it there may be together. */
struct state_memory {
    uint64_t max;
    const uint64_t *signals, *groups, *values, *names; /* bytes */
};
static inline bool state_memory_is_over(const struct state_memory *m)
{
    return *m->signals + *m->groups + *m->values + *m->names > m->max;
}

/* ---- texts ---- */

struct text { /* owned bytes */
    uint8_t *ptr;
    uint32_t len, cap;
};
/* Keeps the memory when it fits.  Adds to *bytes what was allocated. */
PEN_MUST_USE pen_status pen_state_text_set(struct text *t, pen_slice s, size_t *bytes);
pen_slice pen_state_text(const struct text *t);

/* Event time of a sample: an encoded observation. */
int64_t pen_state_sample_time(const struct text *sample);

/* ---- signals ---- */

struct text_set {
    struct text items[STATE_SET_MAX]; /* sorted */
    uint32_t count;
    uint32_t last; /* where the last value was found */
};

struct open_signal {
    uint64_t hash;
    uint32_t rule;
    bool late, closed, limited, cold;
    bool enters; /* the next emission is the first one in the range */
    char id[33];
    struct text group;
    int64_t first_seen, last_seen;       /* event time */
    int64_t first_release, last_release; /* the same on the clock of release */
    int64_t closed_at;
    uint32_t case_index, severity; /* the worst so far */
    uint32_t case_told;
    uint64_t events, waiting; /* waiting: counted by queries since a case was last true */
    uint64_t *per_query;      /* of each query events, then of each waiting; NULL: a match */
    uint32_t query_count;
    int64_t deadline; /* in the heap: at or below the true one */
    size_t heap_at;
    size_t dirty_at;                                 /* in the dirty list, or SIZE_MAX */
    size_t bytes;                                    /* of memory, this struct included */
    uint32_t sample_count, sample_total, sample_cap; /* stored; seen */
    struct text *samples;                            /* encoded; first ones, then a ring */
    struct text *staged;                             /* the last waiting ones, a ring */
    uint64_t staged_total;                           /* since a case was last true */
    struct text_set sets[4];                         /* accounts, regions, actors, addresses */
};

/* Signals that several groups of a rule share: which of them the event that is fed has met. */
struct joined {
    struct pen_buf event_id;
    uint32_t rule;
    struct joined_signal {
        uint64_t hash;    /* of rule and the signal's group */
        uint32_t queries; /* bits of those for which the event counts or waits */
        enum { JOINED_NOT, JOINED_WAITS, JOINED_COUNTS } as;
    } * met;
    uint32_t count, cap;
};

struct signals {
    const struct pen_state_rule *rules;
    uint32_t samples_first, samples_last;
    bool has_begin;
    int64_t begin, tell_from; /* of the options; tell_from INT64_MIN: all is in the range */
    struct state_memory memory;
    uint64_t bytes;             /* of all, its tables too */
    int64_t clock;              /* largest event time fed */
    struct open_signal **slots; /* open addressing by hash, a power of two */
    size_t slot_count, count;
    struct open_signal **heap; /* by deadline, least first; as large as slots */
    struct open_signal **dirty;
    size_t dirty_count, dirty_cap;
    struct pen_buf scratch; /* of the id */
    struct pen_buf encoded; /* a sample in the making */
    struct pen_signal_sample *views;
    pen_signal_fn *fn;
    void *ctx;
    uint64_t opened, evicted, late;
    struct open_signal *loading; /* the one that a snapshot gave last */
    struct joined joined;
};

static inline uint64_t pen_state_group_hash(const struct pen_observation *o)
{
    return pen_hash64(o->group, (uint64_t)o->rule + 1);
}
/* An event of a rule and group: what all its observations say. */
struct state_event {
    const struct pen_observation *o; /* the first of them; borrowed */
    uint32_t partition;
    uint32_t queries; /* bits of those that it matched */
    uint64_t hash;    /* of rule and group: pen_state_group_hash */
    pen_slice values[PEN_STATE_QUERIES_MAX];
};
/* The values of each query that the observation counts for; borrows o. */
void pen_state_values_split(const struct pen_observation *o,
                            pen_slice values[PEN_STATE_QUERIES_MAX]);
/* A case is true at an event. */
struct state_hit {
    uint32_t case_index, severity;
    bool is_limited;
    bool is_cold;              /* a run that began earlier may know better */
    uint64_t events;           /* of the window, this one included */
    const uint64_t *per_query; /* likewise; query_count of them */
    uint32_t query_count;
    const struct text
        *before; /* samples: encoded observations of the window before this one, a ring */
    uint32_t before_at, before_count, before_cap;
    int64_t window_from; /* those of them at or before this time are not of the window */
};

PEN_MUST_USE pen_status pen_state_signals_init(struct signals *s,
                                               const struct pen_state_options *o);
void pen_state_signals_fini(struct signals *s);
/* Closes what ended before the clock, then feeds one match: an event of one query, always true. */
PEN_MUST_USE pen_status pen_state_signals_feed(struct signals *s, const struct pen_observation *o);
/* The same for an event at which a case is true; hit NULL: it is a match. */
PEN_MUST_USE pen_status pen_state_signals_hit(struct signals *s, const struct state_event *event,
                                              const struct state_hit *hit);
/* And for one that queries counted, but no case is true. */
PEN_MUST_USE pen_status pen_state_signals_miss(struct signals *s, const struct state_event *event);
/* Closes the signal that would end first; there is one. */
PEN_MUST_USE pen_status pen_state_signals_evict(struct signals *s);
/* Closes every signal that no observation with release time >= clock can continue. */
PEN_MUST_USE pen_status pen_state_signals_expire(struct signals *s, int64_t clock);
/* Closes every signal whose bounds lie at or before end: nothing more will come. */
PEN_MUST_USE pen_status pen_state_signals_end(struct signals *s, int64_t end);
/* One UPDATED for each signal that got events since the last call. */
PEN_MUST_USE pen_status pen_state_signals_flush(struct signals *s);

/* signal_table.c: open signals by rule and group, and in a heap by their deadline.  grow: room for
 * twice as many; put: there is room, and its deadline is set; heap_fix: its deadline has changed.
 */
PEN_MUST_USE pen_status signal_table_grow(struct signals *s);
void signal_table_put(struct signals *s, struct open_signal *sig);
void signal_table_take(struct signals *s, struct open_signal *sig);
void signal_heap_fix(struct signals *s, struct open_signal *sig);

/* What a signal is made of, for a snapshot that makes it again.  new: without times, not in the
 * table; NULL: out of memory.  What is added counts in sig->bytes, of sample and set, or in both
 * sig->bytes and s->bytes, of stage. */
struct open_signal *pen_state_signal_find(const struct signals *s, uint64_t hash, uint32_t rule,
                                          pen_slice group);
struct open_signal *pen_state_signal_new(struct signals *s, uint32_t rule, uint64_t hash);
void pen_state_signal_free(struct signals *s, struct open_signal *sig);
void pen_state_signal_insert(struct signals *s, struct open_signal *sig);
PEN_MUST_USE pen_status pen_state_signal_sample(struct signals *s, struct open_signal *sig,
                                                pen_slice encoded);
PEN_MUST_USE pen_status pen_state_signal_stage(struct signals *s, struct open_signal *sig,
                                               pen_slice encoded);
/* ---- joined.c ---- */

void pen_joined_fini(struct joined *j);
/* What the signal with this hash has of the event; a new one that has nothing.  NULL: no memory. */
struct joined_signal *pen_joined_meet(struct joined *j, const struct state_event *event,
                                      uint64_t hash);

PEN_MUST_USE pen_status pen_state_set_add(struct text_set *set, pen_slice s, size_t *bytes);
/* Each of the texts that U+001F stands between. */
PEN_MUST_USE pen_status pen_state_set_add_all(struct text_set *set, pen_slice s, size_t *bytes);

/* ---- windows ---- */

struct window_shape { /* of a rule */
    const struct pen_state_rule *rule;
    int64_t idle_ns;                         /* a group without an event for so long begins anew */
    uint32_t columns;                        /* queries that aggregate values */
    uint8_t query_of[PEN_STATE_QUERIES_MAX]; /* of a column */
    bool is_single;                          /* every event makes a case true by itself */
    uint64_t events_least; /* no case is true of a window with fewer events; 0: nothing is known */
    uint16_t step_queries[PEN_SEQUENCE_STEPS_MAX]; /* bits of those that a step's condition names */
    const struct pen_condition *then;              /* of the case that has a THEN, or NULL */
    bool
        is_silent_alone; /* no case is true of one event that has one value of each query at most */
};
struct window_event {
    int64_t time;
    uint16_t queries;    /* that it matched */
    uint16_t has_values; /* bits of columns */
    bool is_further;     /* one more value of the event before it: counts as no event */
    uint16_t steps;      /* bits of those of a sequence that it completes */
};
_Static_assert(sizeof(struct window_event) == 16, "groups are many");
union window_value {
    pen_quantity quantity;   /* of sum and max */
    struct pen_hash128 hash; /* of cardinality */
};

struct distinct_slot {
    struct pen_hash128 hash;
    uint64_t count;
};
struct column {
    pen_quantity quantity;       /* the sum or the largest */
    struct distinct_slot *slots; /* open addressing, a power of two; count 0: free */
    uint32_t slot_count, count;
    bool is_stale; /* the largest went: look again */
};
struct tally { /* of some events */
    uint64_t events;
    uint64_t *per_query; /* of a rule with one query: &only */
    uint64_t only;
    struct column *columns;
    bool is_limited;
};
#define WINDOW_QUANTITY_MAX ((pen_quantity)1 << 95) /* larger ones of an event count as this */

PEN_MUST_USE pen_status tally_init(struct tally *t, const struct window_shape *shape);
void tally_fini(struct tally *t, const struct window_shape *shape);
void tally_clear(struct tally *t, const struct window_shape *shape);
size_t tally_bytes(const struct tally *t, const struct window_shape *shape);
PEN_MUST_USE pen_status tally_add(struct tally *t, const struct window_shape *shape,
                                  const struct window_event *event,
                                  const union window_value *values, uint32_t values_max);
/* Of an event that was added.  A column whose largest goes is stale then. */
void tally_remove(struct tally *t, const struct window_shape *shape,
                  const struct window_event *event, const union window_value *values);
struct window_sum;
void tally_read(const struct tally *t, const struct window_shape *shape, struct window_sum *sum);

#define WINDOW_EVENTS_FIRST 4U

struct window {                  /* points into itself: never copied */
    struct window_event *events; /* a ring, by time; as many values as columns each */
    union window_value *values;
    uint32_t head, count, cap;
    struct tally tally; /* of all its events */
    int64_t *reached;   /* of a sequence, by step: when it was last completed; INT64_MIN: never */
    struct window_event first[WINDOW_EVENTS_FIRST]; /* events while they are few */
};
struct window_sum { /* what a window says at a time */
    uint64_t events;
    uint64_t per_query[PEN_STATE_QUERIES_MAX];
    pen_quantity values[PEN_STATE_QUERIES_MAX + 1]; /* by query, then that of all events */
    bool is_limited;
    /* Of `X THEN Y`: X was true at some event, and this is the sum of those behind the first. */
    bool is_first_true;
    pen_quantity then[PEN_STATE_QUERIES_MAX + 1];
    bool is_in_order; /* what is_ordered asks, or a sequence */
};
struct window_limits {
    uint32_t events_max, values_max;
};
struct window_counters {
    uint64_t events_evicted, values_limited;
};

void pen_window_shape(struct window_shape *shape, const struct pen_state_rule *rule);
PEN_MUST_USE pen_status pen_window_init(struct window *w, const struct window_shape *shape);
void pen_window_fini(struct window *w, const struct window_shape *shape);
/* Of memory that it allocated. */
size_t pen_window_bytes(const struct window *w, const struct window_shape *shape);
void pen_window_clear(struct window *w, const struct window_shape *shape);
/* Takes the event in and forgets all up to its time less the rule's window. */
PEN_MUST_USE pen_status pen_window_add(struct window *w, const struct window_shape *shape,
                                       const struct state_event *event,
                                       const struct window_limits *limits,
                                       struct window_counters *counters);
/* The values of the event at place i of the ring, oldest first; NULL without columns. */
union window_value *pen_window_values_at(const struct window *w, const struct window_shape *shape,
                                         uint32_t i);
/* One event with its values, behind all of its time and before; nothing leaves the window. */
PEN_MUST_USE pen_status pen_window_insert(struct window *w, const struct window_shape *shape,
                                          const struct window_event *event,
                                          const union window_value *values,
                                          const struct window_limits *limits);
/* What the window that ends at time (of the event added last) says.  Events behind time, which is
 * that of a late one then, do not count. */
PEN_MUST_USE pen_status pen_window_sum(struct window *w, const struct window_shape *shape,
                                       int64_t time, struct window_sum *sum);
/* The event at place i of the ring, oldest first. */
struct window_event *pen_window_event(const struct window *w, uint32_t i);
/* The first case that is true, or UINT32_MAX; a rule without cases has one that always is. */
uint32_t pen_window_case(const struct window_shape *shape, const struct window_sum *sum);

/* ---- sequences ---- */

/*
 * A sequence keeps no state but its window's: which steps an event completes stands with the event,
 * and is worked out of the events alone.  So what a window says is a function of the events in it,
 * and one that is made anew of them (of a snapshot) says the same after pen_sequence_mark_all.
 *
 * The chain that ends at an event is looked for among the events of the window up to it, in the
 * order (event time, release): two steps are never completed by one event.  A late event changes
 * what later ones complete, but no verdict that was told.
 */
void pen_sequence_shape(struct window_shape *shape);
PEN_MUST_USE pen_status pen_sequence_init(struct window *w);
/* The event at place i was taken in.  At the end of the ring: constant time, or a walk back to
 * the step before; else a walk over all. */
void pen_sequence_mark(struct window *w, const struct window_shape *shape, uint32_t i);
void pen_sequence_mark_all(struct window *w, const struct window_shape *shape);
/* Whether the event at place i completes the last step. */
bool pen_sequence_is_complete(const struct window *w, const struct window_shape *shape, uint32_t i);

/* ---- groups: the windows of all rules ---- */

#define GROUP_TABLES 256U /* sub-tables, so that none ever grows by much */

/* Found by its rule and text.  Behind it stands what it keeps, or, while one event is all there is
 * of it and no case is true of that alone, this event: most groups never see a second one.  Then
 * its text. */
struct group {
    uint64_t hash;
    uint32_t rule, partition;
    struct group *older, *newer; /* of its rule and partition, by last release */
    int64_t last_release;
    int64_t cold_ns; /* the last event that is a cold signal; INT64_MIN: there was none */
    size_t bytes;
    uint32_t key_len;
    uint32_t alone_len; /* bytes of its only event, an encoded observation; 0: it is a whole one */
};
struct kept {
    union { /* by the rule's method */
        struct {
            struct window window;            /* of ANOMALY: the last bucket */
            struct anomaly_history *history; /* owned; of ANOMALY alone */
        };
        struct travel travel;
    };
    struct text *samples; /* the last ones, without their events; a ring */
    uint32_t sample_at, sample_count, sample_cap;
    bool has_late_sample; /* some sample is of a time before the one ahead of it */
};
struct whole_group {
    struct group group;
    struct kept kept;
};
static inline struct kept *pen_group_kept(struct group *group)
{
    PEN_DCHECK(group->alone_len == 0);
    return &((struct whole_group *)group)->kept;
}
static inline uint8_t *pen_group_tail(struct group *group)
{
    return (uint8_t *)group +
           (group->alone_len > 0 ? sizeof(struct group) : sizeof(struct whole_group));
}
static inline pen_slice pen_group_key(struct group *group)
{
    return (pen_slice){pen_group_tail(group) + group->alone_len, group->key_len};
}
struct group_list {
    struct group *oldest, *newest;
    int64_t oldest_release; /* of the oldest, so that it is not looked at while it lives */
    uint32_t count;
};
struct groups {
    const struct pen_state_options *options;
    struct window_shape *shapes; /* by rule */
    struct group_list **lists;   /* by rule: one for each partition; NULL until used */
    uint32_t *listed;            /* rules that have lists */
    uint32_t listed_count;
    struct group_table {
        struct group **slots;
        size_t slot_count, count;
    } tables[GROUP_TABLES];
    uint64_t count, bytes;
    struct window_counters window;
    uint64_t places_evicted, anomaly_late, anomaly_evicted;
    uint64_t evicted;
    uint64_t cursor;       /* of the lists, for sweeping */
    uint64_t swept;        /* events that asked for it */
    struct group *current; /* that got the last event */
    struct group *loading; /* the one that a snapshot gave last */
    struct pen_buf scratch;
    struct pen_buf joined; /* values of an event, of all its queries */
};
PEN_MUST_USE pen_status pen_groups_init(struct groups *g, const struct pen_state_options *o);
void pen_groups_fini(struct groups *g);
/* One event of a rule that counts or looks at ways; tells signals. */
PEN_MUST_USE pen_status pen_groups_feed(struct groups *g, const struct state_event *event,
                                        struct signals *signals);
/* The group of the next list in turn that was longest idle goes, not the one of the last event;
 * there are two at least. */
void pen_groups_evict(struct groups *g);

/* A group of a snapshot, newer than all of its list: PEN_E_CORRUPT when there is such a one, or it
 * is not this state's.  Its window and samples are filled then, and restored says that they are. */
PEN_MUST_USE pen_status pen_groups_restore(struct groups *g, uint32_t rule, pen_slice text,
                                           int64_t last_release, struct group **out);
PEN_MUST_USE pen_status pen_group_sample(const struct groups *g, struct group *group,
                                         pen_slice encoded);
/* A whole group that keeps the only event of another one, and is in no table or list.  For
 * pen_group_free. */
PEN_MUST_USE pen_status pen_group_whole_of(struct groups *g, struct group *alone,
                                           struct group **out);
void pen_group_free(struct groups *g, struct group *group);
void pen_groups_restored(struct groups *g, struct group *group);

/* ---- kept.c: what groups keep, by method ---- */

/* What a rule may have of groups in a partition. */
uint32_t pen_kept_groups(const struct groups *g, uint32_t rule);
void pen_kept_shape(struct window_shape *shape, const struct pen_state_rule *rule);
PEN_MUST_USE pen_status pen_kept_init(struct group *group, const struct window_shape *shape);
void pen_kept_fini(struct group *group, const struct window_shape *shape);
size_t pen_kept_bytes(struct group *group, const struct window_shape *shape);
/* Observations that a group of the rule keeps at most for a signal that it may open. */
uint32_t pen_kept_samples(const struct groups *g, uint32_t rule);
/* Judges one event of the group, and tells signals; of a rule that keeps nothing without one. */
PEN_MUST_USE pen_status pen_kept_feed(struct groups *g, struct group *group,
                                      const struct state_event *event, struct signals *signals);
/* Whether all that its first event says of a group is that it was there.  Then *encoded is the
 * event, until g->scratch is used again, and signals have heard of it. */
PEN_MUST_USE pen_status pen_kept_alone(struct groups *g, const struct state_event *event,
                                       struct signals *signals, bool *is_alone, pen_slice *encoded);
/* Takes such an event into a group that keeps nothing yet. */
PEN_MUST_USE pen_status pen_kept_first(struct groups *g, struct group *group, pen_slice encoded);
PEN_MUST_USE pen_status pen_kept_none(struct groups *g, const struct state_event *event,
                                      struct signals *signals);

/* ---- new values ---- */

enum { NEW_VALUE = 0x1f, NEW_VALUE_GROUP = 0x1e }; /* a value; when the learning of a group began */
struct new_value_of {
    pen_slice group;
    uint32_t partition;
    uint8_t mark;
    uint64_t hash_key;
};
struct new_value_hash {
    uint64_t low;
    uint32_t high; /* its last 8 bits are the partition */
};
PEN_MUST_USE pen_status pen_new_value_hash(struct pen_buf *scratch, const struct new_value_of *of,
                                           pen_slice value, struct new_value_hash *out);

/* A group of a new-value rule by its text: `state show` can name it. */
struct value_group {
    uint64_t low;
    uint32_t high; /* of its clock: mark NEW_VALUE_GROUP */
    uint32_t rule;
    uint64_t values; /* it learned so many, each counted again after an eviction took it */
    uint32_t text_len;
    uint8_t text[];
};
struct value_groups {
    const struct pen_state_options *options;
    struct value_group **slots; /* open addressing, a power of two */
    size_t slot_count, count;
    uint32_t **per_partition; /* by rule; NULL until used */
    uint64_t bytes;
};
PEN_MUST_USE pen_status pen_value_groups_init(struct value_groups *g,
                                              const struct pen_state_options *o);
void pen_value_groups_fini(struct value_groups *g);
/* The group with this clock, or NULL. */
struct value_group *pen_value_groups_find(const struct value_groups *g, uint32_t rule,
                                          const struct new_value_hash *hash);
/* Names a group that find does not know, unless its rule and partition have as many as they may. */
PEN_MUST_USE pen_status pen_value_groups_add(struct value_groups *g, uint32_t rule,
                                             const struct new_value_hash *hash, pen_slice text);

/* ---- value_table.c: entries of a rule and a partition ---- */

struct __attribute__((packed)) value_slot {
    uint64_t low;
    uint32_t high;
    int64_t seen;
};
struct value_segment {
    uint32_t count, cap, depth; /* depth: bits of the hash that all its entries share */
    struct value_slot slots[];  /* sorted by hash */
};
struct value_table {
    struct value_segment **directory;
    uint32_t depth; /* directory has 2^depth entries */
    uint64_t count, bytes;
};
struct value_limits {
    uint64_t count_max;
    bool has_memory; /* it may take more than it has */
};
struct value_slot *pen_value_table_find(const struct value_table *t,
                                        const struct new_value_hash *hash);
/* Adds a hash that is not in the table, the caller says when it was seen; beyond the limits the
 * entry of its segment goes that was not seen for longest.  *out is good until the next put. */
PEN_MUST_USE pen_status pen_value_table_put(struct value_table *t,
                                            const struct new_value_hash *hash,
                                            const struct value_limits *limits,
                                            struct value_slot **out, uint64_t *evicted);
/* Each segment once, *at from 0 on; NULL at the end. */
struct value_segment *pen_value_table_next(const struct value_table *t, size_t *at);
void pen_value_table_fini(struct value_table *t);

struct new_values {
    const struct pen_state_options *options;
    struct value_table **tables; /* by rule: one for each partition; NULL until used */
    struct value_groups groups;
    uint64_t count, evicted;
    uint64_t bytes; /* of all; at most half of memory_bytes_max, as they never go by themselves */
    struct pen_buf scratch;
};
PEN_MUST_USE pen_status pen_new_values_init(struct new_values *v,
                                            const struct pen_state_options *o);
void pen_new_values_fini(struct new_values *v);
/* One event of a new-value rule; tells signals. */
PEN_MUST_USE pen_status pen_new_values_feed(struct new_values *v, const struct state_event *event,
                                            struct signals *signals);

#endif
