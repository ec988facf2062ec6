/*
 * penstock/state.h - observations to signals, in event-time order.
 *
 * A shard owns partitions (partition mod shards) and one pen_state.  Observations that arrive for
 * it are appended to the open run; pen_state_cut seals the run of an epoch (sorted, zstd,
 * checksummed); after the commit that names it, pen_state_release feeds everything below the
 * watermark to the rule state in the order (release time, event id, rule) and hands out signal
 * events.  Signals depend on the set of observations and the rules alone.  Format of a run:
 * src/state/README.md.
 */
#ifndef PEN_STATE_H
#define PEN_STATE_H

#include "penstock/base.h"

#define PEN_PARTITIONS 256
#define PEN_OBSERVATION_BYTES_MAX 1024U       /* observation.bytes_max, attributes beyond are cut */
#define PEN_OBSERVATION_KEY_MAX 65535U        /* rule id, event id, group, object: E_LIMIT beyond */
#define PEN_OBSERVATION_EVENT_MAX (16U << 20) /* event: E_LIMIT beyond */
#define PEN_OBSERVATION_NEXT 0x1e             /* no JSON text has it */

struct pen_observation { /* slices are copied by pen_state_append */
    uint32_t rule;       /* index in the rule set of this run */
    pen_slice rule_id;   /* stable identity in the log */
    uint32_t query;
    uint32_t others;    /* bits of further queries, all behind query, that it counts for as well */
    int64_t time_ns;    /* event time */
    int64_t promise_ns; /* the object's promise, INT64_MIN when its key has no day */
    pen_slice event_id;
    pen_slice group;                             /* compact JSON object of the group-by values */
    pen_slice account, region, actor, source_ip; /* of a signal several, with U+001F between them */
    pen_slice index_name, object;
    uint64_t record;
    /* What the query aggregates: JSON strings with a tab between those of one tuple and a line feed
     * between tuples; of sum and max one JSON number.  Empty: the event counts, without a value.
     * Of several queries behind one another, PEN_OBSERVATION_NEXT between them. */
    pen_slice values;
    pen_slice attributes; /* compact JSON object of what templates name, or empty */
    pen_slice event;      /* compact JSON of the record or empty; bounded by the caller */
    bool is_cold; /* of a signal that is; in runs, but not in what pen_observation_encode makes */
};
/*
 * A rule may fold signals of several groups into one.  Then a group is written as this byte, what
 * the group of the signal is, the byte once more, and the group by which events are counted.
 */
#define PEN_GROUP_MARK 0x1e
/* The group of the signals that a group of events belongs to: itself, but for such rules. */
pen_slice pen_group_of_signals(pen_slice group);
/* Owner partition of a group of a rule: one for all that share signals. */
uint32_t pen_observation_partition(pen_slice rule_id, pen_slice group, uint64_t hash_key);
/* One observation as bytes (mailboxes, log) and back.  Decode borrows in. */
PEN_MUST_USE pen_status pen_observation_encode(struct pen_buf *out,
                                               const struct pen_observation *o);
PEN_MUST_USE pen_status pen_observation_decode(pen_slice *in, struct pen_observation *o,
                                               struct pen_err *err);

/* Files of runs that one merge of a state reads at once. */
#define PEN_STATE_FILES_MAX 64U
/* Bytes that a state takes for reading so many: a block of each, as read and as packed, and its
 * table of texts.  An observation larger than a block takes more while it is the next one. */
uint64_t pen_state_log_memory(void);

/* ---- conditions of cases: "failed > 5 && ok > 0", "a > 0 THEN b > 0" ---- */

#define PEN_CONDITION_BYTES_MAX ((size_t)16 << 10)
#define PEN_CONDITION_STEPS_MAX 512U
#define PEN_CONDITION_DEPTH_MAX 64U
#define PEN_CONDITION_NO_QUERY UINT32_MAX

enum pen_condition_op {
    PEN_CONDITION_GT,
    PEN_CONDITION_GE,
    PEN_CONDITION_LT,
    PEN_CONDITION_LE,
    PEN_CONDITION_AND,
    PEN_CONDITION_OR
};
struct pen_condition_side { /* factor times the value of a query, or the factor alone */
    uint32_t query;         /* or the count of queries: of all events; or PEN_CONDITION_NO_QUERY */
    uint64_t factor;
};
struct pen_condition_step { /* of a stack machine: comparisons push, AND and OR take two */
    enum pen_condition_op op;
    struct pen_condition_side left, right; /* of comparisons */
};
struct pen_condition {
    const struct pen_condition_step *steps;
    uint32_t count;      /* 0: always true */
    uint32_t then_count; /* of `X THEN Y`, how many steps are X; 0: no THEN */
};
/*
 * pen_condition_parse - the condition grammar of Datadog's cases (reference/datadog.md 4.4).
 *
 * names    aliases of the rule's queries, by position
 * out      steps are arena-owned
 * Returns  PEN_OK | PEN_E_RULE with err->offset in text | PEN_E_LIMIT | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_condition_parse(struct pen_arena *arena, pen_slice text,
                                            const pen_slice *names, uint32_t name_count,
                                            struct pen_condition *out, struct pen_err *err);
/* A quantity of a query: 128-bit fixed point, 9 decimals.  Sums saturate. */
__extension__ typedef __int128 pen_quantity;
#define PEN_QUANTITY_ONE ((pen_quantity)1000000000)
/* A JSON number as a quantity: digits beyond the ninth decimal are cut, what is too large is the
 * largest.  False: text is no JSON number. */
bool pen_quantity_parse(pen_slice text, pen_quantity *out);
/* Verdict of the steps [from, to) on the quantities of all queries. */
bool pen_condition_eval(const struct pen_condition *condition, uint32_t from, uint32_t to,
                        const pen_quantity *values);

/* ---- what the state needs to know of a rule ---- */

enum pen_method {
    PEN_METHOD_MATCH,     /* every observation is a match (Sigma): no window, no cases */
    PEN_METHOD_THRESHOLD, /* cases over the window */
    PEN_METHOD_NEW_VALUE, /* the case is true when a tuple of values is new to its group */
    PEN_METHOD_SEQUENCE,  /* the case is true at the event that completes the last step */
    PEN_METHOD_TRAVEL,    /* the case is true at an event too far from the one before */
    PEN_METHOD_ANOMALY,   /* the case is true when a bucket of time has more than it may */
    PEN_METHOD_PASS,      /* handed on in the order of release: another state counts them */
};
enum pen_aggregation {
    PEN_COUNT_EVENTS,
    PEN_CARDINALITY,
    PEN_SUM,
    PEN_MAX,
    PEN_PLACE, /* of TRAVEL: country code, city, country, latitude, longitude, tabs between them */
};
#define PEN_STATE_QUERIES_MAX 16U
#define PEN_STATE_CASES_MAX 16U
#define PEN_SEQUENCE_STEPS_MAX 10U

struct pen_state_case {
    struct pen_condition condition;
    uint32_t severity;     /* larger is worse */
    uint32_t quantile_ppb; /* of ANOMALY: what a bucket may have, in billionths */
};
struct pen_new_value {
    int64_t learning_ns; /* from a group's first event on, in silence */
    int64_t forget_ns;   /* a value that was not seen for longer is new again */
    uint32_t silent;     /* so many first values of a group are learned in silence (threshold) */
};
/*
 * One step of a sequence (reference/datadog.md 4.7).  An event completes it when it matches a query
 * that the condition names, and the condition is true of the group's events in (t - window, t];
 * window 0 looks at that event alone.  Of every step but the first, only events behind one that
 * completed the step before, at most `wait` earlier, are looked at.
 */
struct pen_sequence_step {
    pen_slice name;
    struct pen_condition condition; /* of counts, without a THEN */
    int64_t window_ns;
    int64_t wait_ns; /* of the first step 0 */
};
struct pen_anomaly { /* src/state/anomaly.h */
    int64_t bucket_ns;
    int64_t learning_ns; /* from a group's first event on */
    uint32_t tolerance;  /* 1 to 5: widens what a bucket may have */
    bool has_baseline;   /* while it learns, a bucket may have so much; else anything */
    int64_t baseline;
};
struct pen_travel { /* which places of a group are no news: src/state/travel.h */
    bool knows_places;
    int64_t learning_ns; /* from a group's first event on, in silence */
    int64_t forget_ns;   /* a place where it was not seen for longer is new again */
};
/* Same order as the rule set. */
struct pen_state_rule {
    pen_slice id;
    pen_slice name;      /* for people: a snapshot tells it, nothing depends on it */
    uint64_t definition; /* hash of what its observations come from: queries, group-by, fields */
    enum pen_method method;
    int64_t window_ns; /* 0: each event alone; of SEQUENCE the longest that one may take */
    int64_t keep_alive_ns;
    int64_t duration_max_ns;
    bool ends_at_midnight; /* a signal never spans a UTC midnight */
    bool is_ordered;       /* and its queries matched one after the other, in their order */
    const enum pen_aggregation *queries; /* of THRESHOLD and SEQUENCE */
    uint32_t query_count;                /* at least 1; of MATCH it is not looked at */
    const struct pen_state_case *cases;  /* first true one counts; none: always true */
    uint32_t case_count;
    struct pen_new_value new_value;
    bool keeps_event; /* observations bring the text of their event: pen_state_keeps_event */
    struct pen_travel travel;
    struct pen_anomaly anomaly;
    const struct pen_sequence_step *steps; /* of SEQUENCE, in their order */
    uint32_t step_count;                   /* 1 to PEN_SEQUENCE_STEPS_MAX */
};
/* Hash of everything in a rule that its state depends on; scratch is any buffer. */
PEN_MUST_USE pen_status pen_state_rule_hash(struct pen_buf *scratch,
                                            const struct pen_state_rule *rule, uint64_t *out);
/* Whether every event of the rule makes it true by itself, so that each is an event of a signal.
 * Rules that count, or learn values, see many events that no signal will ever name: their
 * observations refer to the record (object and ordinal), where it can be read again. */
bool pen_state_keeps_event(const struct pen_state_rule *rule);

typedef pen_status pen_pass_fn(void *ctx, const struct pen_observation *o);

/*
 * How long must be read before an event for its rule's verdict to be that of a longer run.
 *
 * The window.  Of new values: forgetting, and learning twice: a group whose first event lies in
 * what forgetting and learning take has learned by then.  Of impossible travel a day, and where
 * places are known likewise learning and forgetting.  Of anomalies the two weeks of history, and
 * the two weeks (or the learning, when that is longer) in which a group may have begun anew.
 */
int64_t pen_state_history_ns(const struct pen_state_rule *rule);

struct pen_state_options {
    const char *dir;                    /* DIR/state */
    uint32_t shard, shards;             /* owns partitions p with p % shards == shard */
    uint32_t stage;                     /* names its snapshots; 0: of a shard */
    uint64_t hash_key;                  /* stored in the job */
    const struct pen_state_rule *rules; /* borrowed for the state's life */
    uint32_t rule_count;
    uint32_t samples_first, samples_last; /* events kept for a signal: 10 and 10 */
    /* Of open signals, windows, what they keep and new values together; what the log is read with
     * and what waits for its cut are apart.  Beyond, the larger of signals and windows gives. */
    uint64_t memory_bytes_max;
    uint32_t groups_max;        /* of a rule and partition; the one that was longest idle goes */
    uint32_t window_events_max; /* of a group; the oldest goes */
    uint32_t values_max;        /* distinct values of a group and query; more are not counted */
    uint32_t new_values_max;    /* learned by a rule in a partition */
    /* What the log no longer holds: observations of a release time before log_from_ns are released
     * then and are late. */
    bool is_log_cut;
    int64_t log_from_ns;
    pen_pass_fn *pass; /* of rules with METHOD_PASS; borrowed during the call */
    void *pass_ctx;
    uint32_t named_groups_max;   /* of a rule of NEW_VALUE and a partition: of more, no name */
    uint32_t anomaly_groups_max; /* of a rule of ANOMALY and a partition, as groups_max */
    uint32_t places_max;         /* of a group; the one that was not seen for longest goes */
    /* Of a range: nothing before begin_ns was read, so that signals may be cold; and what lies
     * before tell_from_ns is not told: the first change of a signal that reaches beyond it has
     * `enters`. */
    bool has_begin, has_tell_from;
    int64_t begin_ns, tell_from_ns;
};

struct pen_state;
PEN_MUST_USE pen_status pen_state_new(const struct pen_state_options *options,
                                      struct pen_state **out, struct pen_err *err);
void pen_state_free(struct pen_state *state);
/* Adopts a committed run of an earlier process (file name in dir); other shards' partitions in it
 * are skipped.  Before the first release. */
PEN_MUST_USE pen_status pen_state_adopt(struct pen_state *state, pen_slice run_name,
                                        struct pen_err *err);

/* Copies the observation into the open run of epoch (the current one or the next). */
PEN_MUST_USE pen_status pen_state_append(struct pen_state *state, uint64_t epoch,
                                         const struct pen_observation *o, struct pen_err *err);
/* Matches of a record with this actor and address are appended soon: what they are looked up in is
 * asked of memory while they are made.  Cheap, and never needed. */
void pen_state_expect(struct pen_state *state, uint64_t epoch, pen_slice actor,
                      pen_slice source_ip);
/* Partition of an observation, by the seeds that the state made of its rules. */
uint32_t pen_state_partition(const struct pen_state *state, const struct pen_observation *o);
/* The same for a caller that worked the partition out. */
PEN_MUST_USE pen_status pen_state_append_at(struct pen_state *state, uint64_t epoch,
                                            const struct pen_observation *o, uint32_t partition,
                                            struct pen_err *err);
/* Memory of observations that wait for their cut. */
uint64_t pen_state_open_bytes(const struct pen_state *state);
/*
 * pen_state_cut - writes and fsyncs the run of epoch.
 *
 * run_name  32 bytes or more; "" when the run is empty (no file)
 * Blocking file I/O of what a few seconds brought; the caller decides on which thread.
 */
PEN_MUST_USE pen_status pen_state_cut(struct pen_state *state, uint64_t epoch, char *run_name,
                                      size_t run_name_cap, uint64_t *run_bytes,
                                      struct pen_err *err);
/* The commit of epoch is durable: its run may be released. */
void pen_state_committed(struct pen_state *state, uint64_t epoch);

/*
 * pen_state_spill - what was appended to epoch may be released at once.
 *
 * It goes to a file without a name, which is gone with the process: for observations that can be
 * made again, as those of signals.  A state takes either this or cut and committed.
 */
PEN_MUST_USE pen_status pen_state_spill(struct pen_state *state, uint64_t epoch,
                                        struct pen_err *err);

enum pen_signal_change { PEN_SIGNAL_OPENED, PEN_SIGNAL_UPDATED, PEN_SIGNAL_CLOSED };
struct pen_signal { /* borrowed during the callback */
    char id[33];
    uint32_t rule;
    int64_t first_seen_ns, last_seen_ns;
    int64_t opened_ns; /* release time of the event that opened it */
    pen_slice group;
    uint64_t events_matched;          /* distinct events */
    const uint64_t *events_per_query; /* query_count of them */
    uint32_t query_count;             /* of MATCH 1 */
    uint32_t case_index;  /* the worst that was reached; UINT32_MAX: the rule has none */
    uint32_t case_before; /* the one that was told last; of OPENED the same */
    bool is_limited;      /* a limit was met while it counted: values are too low */
    bool closed, late;
    bool cold; /* a run that began earlier may tell it otherwise: its group was never quiet for its
                * keep-alive in what was read before, or its values may have been learned before,
                * or it is over a signal that is cold */
    /* Of critical assets, for whoever tells severities: 1 + that in place of the rule's (0: none),
     * steps up or down from it.  The state leaves both 0. */
    uint8_t severity_set;
    int8_t severity_shift;
    bool enters; /* the first change with last_seen at or behind tell_from_ns */
    int64_t closed_at_ns;
    const pen_slice *accounts, *regions, *actors, *source_ips; /* sorted, at most 20 each */
    uint32_t account_count, region_count, actor_count, source_ip_count;
    const struct pen_signal_sample {
        struct pen_observation o;
        bool is_last; /* of the last few, else of the first few */
    } * samples;
    uint32_t sample_count;
};
typedef pen_status pen_signal_fn(void *ctx, enum pen_signal_change change,
                                 const struct pen_signal *signal);
/*
 * pen_state_release - all committed observations with release time < watermark_ns.
 *
 * Release time is max(event time, promise): an event older than its object's promise is late and
 * does not depend on who read it when.  INT64_MAX releases everything and closes every signal whose
 * bounds lie at or before the largest event time seen.  No other watermark closes one whose bounds
 * lie behind that time.  OPENED once, CLOSED once, UPDATED at the event that raises it to a worse
 * case (case_before tells), else at most once a call and signal (for the database).  Bounded: at
 * most `steps` observations a call; *more tells whether to call again.
 */
PEN_MUST_USE pen_status pen_state_release(struct pen_state *state, int64_t watermark_ns,
                                          uint32_t steps, pen_signal_fn *fn, void *ctx, bool *more,
                                          struct pen_err *err);
struct pen_state_counters {
    uint64_t appended, released, duplicates, late, signals_opened, signals_open, log_bytes, evicted;
    uint64_t groups, groups_evicted; /* windows that are kept; that limits took */
    uint64_t window_events_evicted;  /* of window_events_max */
    uint64_t values_limited;         /* of values_max */
    uint64_t new_values, new_values_evicted;
    uint64_t behind_log;             /* came when the log of their time was gone, of log_from_ns */
    uint64_t anomaly_groups_evicted; /* of anomaly_groups_max */
    uint64_t anomaly_late;           /* events of a bucket that was over: left out */
    uint64_t places_evicted;         /* of places_max */
};
/*
 * Tells the largest event time of the whole replay so far, matched or not, over all shards.  Call
 * it before each release, always before the one with INT64_MAX: what a state saw itself depends on
 * the shard count, this does not.
 */
void pen_state_seen(struct pen_state *state, int64_t event_time_ns);
struct pen_state_counters pen_state_counters_get(const struct pen_state *state);

/* ---- snapshots: what was released, so that a restart need not read its log again ---- */

struct pen_snapshot_info {
    char name[64]; /* in dir: snapshot-<epoch>-<shard>.zst, of a stage stage-<epoch>-<stage>.zst */
    uint64_t bytes;
    uint64_t epoch; /* the last commit that it knows of */
    uint32_t shard, shards;
    int64_t position_ns; /* every observation with a smaller release time is in it */
    int64_t time_max_ns; /* the largest event time that was seen */
};
/*
 * pen_state_snapshot - writes and fsyncs what was released so far.
 *
 * After a release that told no more, and before the next.  epoch names the file.  Its signals must
 * be durable before anything names the snapshot: a state that was loaded does not tell them again.
 * Blocking file I/O of what the state holds; on the caller's thread.
 */
PEN_MUST_USE pen_status pen_state_snapshot(struct pen_state *state, uint64_t epoch,
                                           struct pen_snapshot_info *out, struct pen_err *err);
/*
 * pen_state_load - takes the partitions that this state owns out of a snapshot.
 *
 * Before the first pen_state_adopt; of all files of one snapshot.  A rule that has changed since,
 * or was not there, begins anew with what the log still holds.  Observations that the snapshot
 * holds are passed over in runs.  After an error the state can only be reset or freed. Returns
 * PEN_OK | PEN_E_CORRUPT, PEN_E_TRUNCATED, PEN_E_NOT_FOUND (err has file, offset, reason) |
 *          PEN_E_CONFIG (a newer format) | PEN_E_IO | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_state_load(struct pen_state *state, pen_slice name,
                                       struct pen_err *err);
/* Behind what was loaded: observations of an earlier release time than this also belong before it,
 * as another state that counts them has gone on as far. */
void pen_state_begin(struct pen_state *state, int64_t position_ns);
/* Whether an observation came that belongs before the position of what was loaded.  The next
 * release would pass it over: reset, load an older snapshot or none, and adopt the runs again. */
bool pen_state_is_behind(const struct pen_state *state);
/* As after pen_state_new, but for what is not committed yet: open runs and those that await their
 * commit stay.  Committed runs of this process are read again; others are adopted again. */
PEN_MUST_USE pen_status pen_state_reset(struct pen_state *state, struct pen_err *err);

enum pen_snapshot_rule { PEN_SNAPSHOT_CHANGED, PEN_SNAPSHOT_GONE };
struct pen_snapshot_check {
    const char *dir; /* DIR/state */
    uint64_t hash_key;
    const struct pen_state_rule *rules;
    uint32_t rule_count;
    /* Of each rule that the snapshot holds and the set has not, or not so; may be NULL. */
    void (*rule)(void *ctx, enum pen_snapshot_rule what, pen_slice id);
    void *ctx;
};
/* Reads a snapshot through, its checksums and format, without what its records say. */
PEN_MUST_USE pen_status pen_snapshot_check(const struct pen_snapshot_check *check, const char *name,
                                           struct pen_snapshot_info *out, struct pen_err *err);

/* ---- what a snapshot says of one rule, for people ---- */

struct pen_shown_rule { /* slices are borrowed during the callback */
    pen_slice id, name; /* name "": none is known */
    bool is_described;  /* false: of a format that told the id alone, so that no more is shown */
    enum pen_method method;
    int64_t window_ns, keep_alive_ns;
    int64_t learning_ns, forget_ns; /* of NEW_VALUE, TRAVEL and ANOMALY, what they have of it */
    uint32_t query_count;
    enum pen_aggregation queries[PEN_STATE_QUERIES_MAX];
};
struct pen_shown_group {
    pen_slice group; /* compact JSON object */
    /* Of NEW_VALUE when its learning began, INT64_MIN: that was forgotten; of ANOMALY and TRAVEL
     * likewise.  Else of the first event of the window. */
    int64_t first_ns;
    int64_t last_ns; /* of the last event, of ANOMALY in the last bucket; of NEW_VALUE INT64_MIN */
    /* Events of the window; values that a group learned; buckets, or places, that it knows. */
    uint64_t count;
    uint64_t per_query[PEN_STATE_QUERIES_MAX];
    pen_quantity values[PEN_STATE_QUERIES_MAX]; /* of the window, of queries that aggregate */
    bool is_limited;                            /* a limit was met: values are too low */
};
struct pen_shown_signal {
    pen_slice id, group;
    int64_t first_seen_ns, last_seen_ns;
    uint64_t events;
    bool late, limited, cold;
};
struct pen_shown_value { /* one that a group of a new-value rule knows */
    pen_slice group;
    int64_t seen_ns; /* the last time */
};
struct pen_state_show {
    const char *dir;         /* DIR/state */
    const char (*names)[64]; /* the files of one snapshot */
    uint32_t name_count;
    pen_slice rule;          /* its id; "": the rules alone are told */
    const pen_slice *groups; /* texts that `value` is looked for in, beside named ones */
    uint32_t group_count;
    pen_slice value; /* as an observation brings it; ptr NULL: none is looked for */
    /* Each may be NULL, and ends the reading with what it returns. */
    pen_status (*on_rule)(void *ctx, const struct pen_shown_rule *rule);
    pen_status (*on_group)(void *ctx, const struct pen_shown_group *group);
    pen_status (*on_signal)(void *ctx, const struct pen_shown_signal *signal);
    pen_status (*on_value)(void *ctx, const struct pen_shown_value *value);
    void *ctx;
    /* out */
    int64_t position_ns; /* everything of an earlier release time is in it */
    int64_t time_max_ns; /* the largest event time that was seen */
    uint64_t epoch;
    uint64_t new_values; /* of the rule, the clocks of groups among them */
};
/*
 * pen_state_shown - reads the files through, in any order, and tells what they hold of a rule.
 *
 * on_rule is told every rule of each file, before the rest of the file.
 * Returns  PEN_OK | as pen_state_load
 * Memory   a block, and of a new-value rule its named groups
 */
PEN_MUST_USE pen_status pen_state_shown(struct pen_state_show *show, struct pen_err *err);

/* The largest release time of a run. */
PEN_MUST_USE pen_status pen_state_run_last(const char *dir, const char *name, int64_t *release_ns,
                                           struct pen_err *err);

/* ---- runs without some of their observations ---- */

typedef bool pen_observation_keep_fn(void *ctx, const struct pen_observation *o);
struct pen_state_rewrite {
    const char *dir;         /* DIR/state */
    const char *const *runs; /* all committed runs */
    uint32_t run_count;
    uint64_t epoch; /* that no commit has used; it names the new run */
    uint64_t hash_key;
    pen_observation_keep_fn *keep; /* asked for each observation once, in the order of release */
    void *ctx;
    char name[64];  /* out: the one run that takes the place of all; "" when nothing was kept */
    uint64_t bytes; /* out: its size */
};
/*
 * pen_state_rewrite - writes what is kept of all runs as one run, and syncs it.
 *
 * The runs that were read stay; the next commit has to name the new one instead of them.  No state
 * may be open on dir.  After an error there is no new run that anything names.
 * Memory   as a merge of 64 runs, whatever their size
 */
PEN_MUST_USE pen_status pen_state_rewrite(struct pen_state_rewrite *rewrite, struct pen_err *err);

#endif
