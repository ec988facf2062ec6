/*
 * penstock/node.h - a whole run: rule set and log types put together, objects scanned, documents,
 * observations and signals made durable.
 *
 * pen_program is what shards share (immutable); pen_scan is one object's way from stored bytes to
 * records (one per thread); pen_replay is the job: planner, shards, commits, resume.
 */
#ifndef PEN_NODE_H
#define PEN_NODE_H

#include "penstock/classify.h"
#include "penstock/detect.h"
#include "penstock/enrich.h"
#include "penstock/json.h"
#include "penstock/match.h"
#include "penstock/normalize.h"
#include "penstock/ship.h"
#include "penstock/state.h"

/* Appends a line "NAME VERSION" for each library that penstock stands on, all modules. */
PEN_MUST_USE pen_status pen_node_libraries(struct pen_buf *out);

#define PEN_OPTION_LIST_MAX 8192 /* bytes of an option that is a list, with a NUL */
struct pen_option_list {
    char text[PEN_OPTION_LIST_MAX];
};
#define PEN_OPTION_PATH_MAX 1024 /* bytes of an option that is a path, with a NUL */
struct pen_option_path {
    char text[PEN_OPTION_PATH_MAX]; /* empty: none */
};

/* ---- program: types, rules, schemas and engines ---- */

#define PEN_GROUP_NAMES_MAX 8U
#define PEN_GROUP_BY_DEFAULT "account,identity" /* sigma.group_by */

struct pen_program_name { /* a name of a rule: the first field that has a value gives it */
    const uint32_t *fields;
    uint32_t count;
};
struct pen_program_query { /* of a Datadog rule, or of a Sigma rule whose matches tell attributes */
    uint32_t tag;
    const struct pen_rule_query *query; /* NULL: of a Sigma rule; it has attributes only */
    const pen_slice *group_keys;        /* of the members of its groups: `,"name":` */
    /* By position, as the query and the rule list them. */
    const struct pen_program_name *group_by, *values, *attributes;
    /* Of the attributes: those that texts name, but for what the group tells by the same name. */
    const pen_slice *attribute_keys;
    uint32_t attribute_count;
    /* Queries of a rule that ask the same in the same groups share an observation: that of the
     * first of them, whose `next` is the second.  The others have is_shared, and make none. */
    const struct pen_program_query *next;
    bool is_shared;
};
struct pen_program_type {
    const struct pen_type *type;
    struct pen_schema *schema;
    struct pen_engine *engine; /* NULL when no rule applies */
    struct pen_query *queries;
    uint32_t query_count;
    uint32_t group_fields[PEN_GROUP_NAMES_MAX]; /* by name of the group; of fields of records */
    const uint32_t **own_group_fields; /* likewise by rule, of those with names of their own; NULL:
                                        * no rule has any */
    struct pen_program_query *counted; /* ascending by tag */
    uint32_t counted_count;
    uint32_t *counted_at; /* by rule: the first of counted that is not of a rule before it */
};
struct pen_program_list {
    const uint32_t *items;
    uint32_t count;
};
struct pen_program {
    struct pen_arena arena;
    struct pen_types *types;
    struct pen_rules *rules;
    struct pen_program_type *by_type; /* by pen_type.id */
    uint32_t type_count;
    pen_slice group_names[PEN_GROUP_NAMES_MAX]; /* what matches of a signal have in common */
    uint32_t group_count;
    const struct pen_exclusion *exclusions;
    uint32_t exclusion_count;
    struct pen_program_list
        *suppressions;         /* by rule: those that are about it; NULL: there are none */
    struct pen_enrich *enrich; /* NULL: documents say what records say */
    /* The tags that matchers report for its rules: from tag_begin on, less it; below tag_end. */
    uint32_t tag_begin, tag_end;
    /* A second rule set, apart from this one, that the same matchers ask in the same walk of a
     * record; or NULL.  Its types, schemas, engines and enrichment are those of this program. */
    struct pen_program *beside;
};
/* Names of a query in log search syntax to fields of a type: a pen_field_fn whose ctx is one. */
struct pen_query_names {
    struct pen_schema *schema;
    bool is_json; /* any JSON: a name without @ is a member at its root */
    bool as_rule; /* tags that no record has are no mistake */
};
PEN_MUST_USE pen_status pen_query_field(void *ctx, pen_slice name, uint32_t *field,
                                        struct pen_err *err);

/*
 * Records that nobody wants: each that matches is dropped (no document, no signal) or only counted.
 * Either a query in log search syntax, or a field that as a whole is a text or matches an
 * expression (PCRE2).
 */
#define PEN_EXCLUSIONS_MAX 256U
#define PEN_COUNTED_MAX /* with what security filters leave out */ \
    (PEN_EXCLUSIONS_MAX + PEN_SECURITY_FILTERS_MAX + 1)
#define PEN_EXCLUDE_TAG \
    0x80000000U /* and the index: the tag of an exclusion, behind those of rules */
enum pen_exclude_mode { PEN_EXCLUDE_COUNT, PEN_EXCLUDE_DROP };
struct pen_exclusion {
    const char *name;         /* unique, without line feeds */
    const char *const *types; /* names of log types; none: all */
    uint32_t type_count;
    enum pen_exclude_mode mode;
    const char *query; /* or NULL, and then */
    const char *field, *pattern;
    bool is_regex;
    bool is_of_filter; /* what a security filter of the rules leaves out: of types and queries none
                        */
};
/* Records that security filters left out, as a run counted them. */
#define PEN_LEFT_OUT_NAME 257U
struct pen_left_out {
    char name[PEN_LEFT_OUT_NAME]; /* of the filter by whose exclusions; "": that no filter took */
    uint64_t records;
};
/* What stderr is told of rules that take longer than a second to compile: nothing, a line when it
 * is noticed and one at the end, or one line that is drawn again and cleared at the end. */
enum pen_compile_words { PEN_COMPILE_QUIET, PEN_COMPILE_LINES, PEN_COMPILE_TERMINAL };
struct pen_program_options {
    struct pen_rules_options rules;         /* path_count 0: no rules */
    const struct pen_rules_options *beside; /* of pen_program.beside; NULL: there is none */
    const char *types_dir;
    const char *cache_dir;
    const char *group_by;                   /* sigma.group_by; NULL: the default */
    const struct pen_exclusion *exclusions; /* borrowed as long as the program lives */
    uint32_t exclusion_count;
    bool counts_left_out; /* what security filters leave out, as exclusions behind these */
    struct pen_enrich_options enrich; /* of none, nothing is enriched */
    /* With a query instead of rules (search): called for every type to build the one expression;
     * NULL: nothing is matched. */
    pen_status (*build)(void *ctx, struct pen_arena *arena, const struct pen_program_type *type,
                        struct pen_expr **out, struct pen_err *err);
    void *build_ctx;
    bool (*is_stopped)(void); /* while rules compile: true ends it with PEN_E_STOPPED; or NULL */
    enum pen_compile_words words;
};
PEN_MUST_USE pen_status pen_program_new(const struct pen_program_options *options,
                                        struct pen_program **out, struct pen_err *err);
void pen_program_free(struct pen_program *program);
struct pen_pass_options;
/*
 * pen_program_narrow - a pass that hands out matches alone need not read objects of types that no
 * rule is for: sets its types to those that a rule, also of the program beside it, is for, among
 * those that the pass wants.
 *
 * Objects whose keys tell no type are still read.  With as_type nothing is changed.
 * names    the caller's, room for program->type_count + 1; borrowed by the pass
 *
 * PEN_E_USAGE: the pass names a type that there is not, and is as it was: the user is told.
 */
PEN_MUST_USE pen_status pen_program_narrow(struct pen_program *program,
                                           struct pen_pass_options *pass, const char **names,
                                           struct pen_err *err);
/* The rule of a tag that a matcher reported, and which of its queries. */
const struct pen_rule *pen_program_rule(const struct pen_program *program, uint32_t tag,
                                        uint32_t *rule_index, uint32_t *query);
/* Appends a line for each rule of impossible travel that has no database of places. */
PEN_MUST_USE pen_status pen_program_places_words(const struct pen_program *p, struct pen_buf *out);
/* NULL: the tag is of a Sigma rule whose matches tell no attributes. */
const struct pen_program_query *pen_program_counted(const struct pen_program_type *entry,
                                                    uint32_t tag);

/* ---- scan: one object from stored bytes to verdicts ---- */

/* How far records are taken; all but PEN_SCAN_ALL are for measuring the parts. */
enum pen_scan_depth { PEN_SCAN_ALL, PEN_SCAN_DECODE, PEN_SCAN_WALK, PEN_SCAN_NORMALIZE };
struct pen_scan_options {
    const struct pen_program *program;
    enum pen_scan_depth depth;
    bool want_source; /* build documents */
    enum pen_message message;
    pen_slice as_type; /* --as: every object is of this type; or empty */
    bool by_key_only;  /* what a key does not tell is unknown */
    int64_t ingested_ns;
    size_t record_bytes_max;   /* 0: the default of 4 MiB */
    uint64_t plain_bytes_max;  /* 0: the default of 64 GiB an object */
    uint64_t bad_in_a_row_max; /* 0: the default of 10,000 bad records behind one another */
    uint32_t ratio_max;        /* 0: the default of 1,000 plain bytes for a stored one */
};
enum pen_scan_next {
    PEN_SCAN_RECORD, /* *item is a record with its document and verdicts */
    PEN_SCAN_BAD,    /* *item tells which bytes, *err why: one dead letter, go on */
    PEN_SCAN_INPUT,  /* feed more */
    PEN_SCAN_DAMAGE, /* the object is damaged from here on (or its checksum is wrong): *err; go on
                      * until END */
    PEN_SCAN_END,
};
struct pen_scan_item { /* borrows the scan until its next call */
    struct pen_record record;
    struct pen_doc doc;
    const uint32_t *tags;
    uint32_t tag_count;
};
#define PEN_EVENT_ID_MAX 64
/* What detection calls an event: its natural id (a hash of it when it is longer than an observation
 * may hold), else a text made of object and record. */
pen_slice pen_event_id(const struct pen_doc *doc, pen_slice key, uint64_t ordinal,
                       char text[PEN_EVENT_ID_MAX]);
/* Appends text as the inside of a JSON string, as groups and values of detection hold it: what is
 * longer than PEN_OBSERVATION_BYTES_MAX ends in a hash of all. */
PEN_MUST_USE pen_status pen_observed_text(struct pen_buf *out, pen_slice text);
struct pen_scan;
PEN_MUST_USE pen_status pen_scan_new(const struct pen_scan_options *options, struct pen_scan **out,
                                     struct pen_err *err);
/* Plain bytes that a scan holds at once. */
size_t pen_scan_window(size_t record_bytes_max);
void pen_scan_free(struct pen_scan *scan);
/* What is known of addresses from the next record on: tables of the program's pen_enrich; NULL, or
 * a program without: nothing changes. */
void pen_scan_enrich(struct pen_scan *scan, const struct pen_enrich_tables *tables);
/* How often a regular expression of a rule gave up on a field: it counts as no match there. */
uint64_t pen_scan_regex_limits(const struct pen_scan *scan);
struct pen_enricher_counters;
/* What databases of addresses could not tell, as in penstock/enrich.h. */
void pen_scan_damaged(const struct pen_scan *scan, struct pen_enricher_counters *out);
/* Starts on an object; bucket (empty: none, else for @log_s3bucket) and key are borrowed until the
 * next begin.  Classifies by key.  modified_ns: when it was written last, of a key that tells no
 * day; INT64_MIN: not known, the start of the job stands in. */
void pen_scan_begin(struct pen_scan *scan, pen_slice bucket, pen_slice key, int64_t modified_ns);
/* Next stored bytes, borrowed until pen_scan_next asks for input again. */
void pen_scan_feed(struct pen_scan *scan, pen_slice data, bool is_last);
enum pen_scan_next pen_scan_next(struct pen_scan *scan, struct pen_scan_item *item,
                                 struct pen_err *err);
const struct pen_key_info *pen_scan_key(const struct pen_scan *scan);
/* The type of the record that came last; `unknown` objects yield no records. */
const struct pen_type *pen_scan_type(const struct pen_scan *scan);
/* That of the object; of one that holds envelopes of several types the first, once one came. */
const struct pen_type *pen_scan_object_type(const struct pen_scan *scan);
/* Whether an `unknown` object is a CloudTrail digest, by its key or, once read, by its content. */
bool pen_scan_is_digest(const struct pen_scan *scan);
/* Why an `unknown` object that was read gives no records, in static words. */
const char *pen_scan_unknown_reason(const struct pen_scan *scan);
/* Whether the type was told by the first bytes of the object, its key saying nothing. */
bool pen_scan_is_by_content(const struct pen_scan *scan);
uint64_t pen_scan_plain_bytes(const struct pen_scan *scan); /* of the current object */
/* The matcher of a type (bench), or NULL. */
struct pen_matcher *pen_scan_matcher(struct pen_scan *scan, const struct pen_type *type);
/* Walks and normalizes one stand-alone record of a type (rule tests, explain). raw is padded.  One
 * without a time, which rules are never asked of, is PEN_E_CORRUPT here. */
PEN_MUST_USE pen_status pen_scan_one(struct pen_scan *scan, const struct pen_type *type,
                                     pen_slice raw, struct pen_scan_item *item,
                                     struct pen_err *err);

/* ---- sources: folders and files ---- */

struct pen_totals;
struct pen_object {
    char *path;      /* to open; in S3 "s3://BUCKET/" and the key */
    char *key;       /* below the source; in S3 the whole key */
    char *etag;      /* in S3; NULL: none */
    uint32_t bucket; /* in S3: which, from 1; 0: a file */
    uint32_t unit;
    uint32_t shard;
    uint64_t size;
    int64_t mtime_ns;
    uint64_t name_hash;
    uint64_t skip_records;     /* committed by an earlier run */
    bool may_exist;            /* an earlier run may have sent documents of it to a cluster */
    struct pen_totals *before; /* what they added to the totals; NULL: nothing */
    /* Read already, up to an earlier --to: only records from this time on are new. */
    bool is_again;
    int64_t again_from_ns;
    bool is_archived;  /* by its storage class: it must be restored before it can be read */
    uint32_t restarts; /* of the reading, because it is another object now than was listed */
};

/* ---- sources ---- */

struct pen_s3_options { /* what is not given is NULL, and then the environment counts */
    const char *endpoint_url, *region, *ca_file, *profile, *role_arn, *external_id;
    bool is_path_style;
    bool is_requester_pays; /* the account of the credentials is billed for requests */
};
struct pen_source_options {
    struct pen_s3_options s3;
    const char *const *accounts; /* only these, by their keys; 0: all that the run wants */
    const char *const *types;
    uint32_t account_count, type_count;
};

/* ---- pass: every record of some sources, without state ---- */

struct pen_pass_record { /* borrows the worker until the callback returns */
    uint32_t worker;     /* below PEN_PASS_WORKERS_MAX; one record of it at a time */
    const struct pen_object *object;
    const struct pen_key_info *key;
    const struct pen_type *type;
    const struct pen_scan_item *item;
};
struct pen_pass_output {
    int64_t time_ns;   /* event time; INT64_MIN: none */
    uint64_t sequence; /* of the object, in the order of listing */
    uint64_t record;   /* counted from 0 within the object */
    pen_slice bytes;   /* what on_record appended */
};
enum pen_pass_stage {
    PEN_PASS_FOLDER, /* a folder that cannot be listed */
    PEN_PASS_READ,   /* an object that cannot be read, or changed meanwhile */
    PEN_PASS_DECODE, /* an object that is damaged from err->offset on */
    PEN_PASS_RECORD, /* a record that is no JSON, or too large */
    PEN_PASS_TYPE,   /* no log type fits */
};
struct pen_pass_trouble {
    enum pen_pass_stage stage;
    const char *object; /* key, or path of a folder */
    uint64_t record;    /* RECORD */
    const struct pen_err *err;
};

/*
 * Workers read and match; the calling thread lists the objects and is told what comes of them.
 *
 * on_record   on a worker's thread, several at once: ctx is shared and only read.  Appends what
 *             shall reach on_output to out; a record that appends nothing goes no further.
 * on_output   on the calling thread, objects in no order, the records of one in order.  False: it
 *             is enough, the pass ends.
 * on_trouble  on the calling thread
 */
#define PEN_PASS_WORKERS_MAX 64U
struct pen_replay_options;
struct pen_pass_options {
    const struct pen_program *program;
    /* Folders, files, "-" (one object on standard input); or buckets, nothing else with them. */
    const char *const *sources;
    uint32_t source_count;
    /* NULL, or one for each of sources, which are files then, there or not: their keys. */
    const char *const *keys;
    const char *as_type;    /* NULL: by key */
    bool all_records;       /* also those that nothing matches */
    int64_t from_ns, to_ns; /* INT64_MIN / INT64_MAX: open */
    const char *const *accounts, *const *not_accounts, *const *regions, *const *not_regions;
    const char *const *types, *const *not_types;
    uint32_t account_count, not_account_count, region_count, not_region_count;
    uint32_t type_count, not_type_count;
    uint32_t workers;                       /* 0: one per core; at most PEN_PASS_WORKERS_MAX */
    const struct pen_replay_options *reads; /* its s3 and fetch values; NULL: no buckets */
    pen_status (*on_record)(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err);
    bool (*on_output)(void *ctx, const struct pen_pass_output *output);
    void (*on_trouble)(void *ctx, const struct pen_pass_trouble *trouble);
    void *ctx;
};
struct pen_totals;
/*
 * pen_pass - hands every wanted record of the sources to the callbacks.
 * A folder, an object or a record that cannot be read is a trouble, counted, and the pass goes on.
 * Objects are pruned by what their keys say, then records by their time, account and type.
 * totals   objects_*, bytes_read, bytes_plain, records_in, records_filtered, records_dead, matches
 * Returns  PEN_OK also when on_output had enough | PEN_E_NOT_FOUND (a source) | PEN_E_USAGE | what
 *          on_record failed with
 * Cost     no io_uring needed but for buckets (else PEN_E_HOST); about 30 MiB a worker, for buckets
 *          fetch.bytes_in_flight_max more
 */
PEN_MUST_USE pen_status pen_pass(const struct pen_pass_options *options, struct pen_totals *totals,
                                 struct pen_err *err);

/* ---- back-test: what the rules of a program tell of a pass ---- */

struct pen_backtest_options {
    const struct pen_program *program; /* with rules; borrowed, as is limits */
    /* Of it state.*, signal.*, observation.groups_max, sigma.keep_alive and replay.slack count. */
    const struct pen_replay_options *limits;
    const char *temp_dir; /* of the observation log; NULL: /tmp */
    /* The pass reads from begin_ns on, but signals that were over before tell_from_ns are not told;
     * from stages_begin_ns on the signals that rules over signals count are known. */
    bool has_range;
    int64_t begin_ns, tell_from_ns, stages_begin_ns;
};
struct pen_backtest;
PEN_MUST_USE pen_status pen_backtest_new(const struct pen_backtest_options *options,
                                         struct pen_backtest **out, struct pen_err *err);
void pen_backtest_free(struct pen_backtest *backtest); /* removes what it wrote; NULL is fine */
/* In on_record of the pass, on any thread: appends what the matches of a record are to state.  Of a
 * program with another one beside it, matches of its own rules alone. */
PEN_MUST_USE pen_status pen_backtest_observe(const struct pen_backtest *backtest,
                                             const struct pen_pass_record *record,
                                             struct pen_buf *out, struct pen_err *err);
/* In on_output, on the calling thread: takes those bytes.  Writes a run each 64 MiB. */
PEN_MUST_USE pen_status pen_backtest_take(struct pen_backtest *backtest, pen_slice bytes,
                                          struct pen_err *err);
/* After the pass, once: hands out every change of every signal that a run would tell, as
 * pen_state_release does; of rules over signals, too.  Suppressed ones are among them. */
PEN_MUST_USE pen_status pen_backtest_end(struct pen_backtest *backtest, pen_signal_fn *fn,
                                         void *ctx, struct pen_err *err);
struct pen_backtest_signal { /* as it was told last; slices are the list's or the program's */
    char id[33];
    uint32_t rule;
    enum pen_severity severity;
    bool cold, late, is_limited;
    int64_t first_seen_ns, last_seen_ns;
    uint64_t events_matched;
    pen_slice rule_id, group, case_name;
    pen_slice accounts, identities; /* several have U+001F between them */
    pen_slice suppressed_by;        /* name of the suppression; empty: none */
};
struct pen_backtest_signals {
    struct pen_backtest_signal *items; /* by rule id, group, first_seen, id */
    uint32_t count;
    uint64_t beyond; /* signals that there was no room for */
    struct pen_arena arena;
};
/*
 * pen_backtest_list - the same as pen_backtest_end, as a list of what was told, with suppressions.
 *
 * signals_max  of the list; more are only counted, and the rules over signals hear of them as if
 *              nothing suppressed them
 * out          pen_backtest_list_free it, whatever this returns
 * Memory       about 300 bytes a signal
 */
PEN_MUST_USE pen_status pen_backtest_list(struct pen_backtest *backtest, uint64_t signals_max,
                                          struct pen_backtest_signals *out, struct pen_err *err);
void pen_backtest_list_free(struct pen_backtest_signals *list);
struct pen_rule_cost;
struct pen_backtest_cost {       /* what the rules of the program made the back-test do */
    struct pen_rule_cost *rules; /* that matched, in the order of the set; the caller frees it */
    uint32_t count;
    uint64_t matches, observations, bytes; /* bytes before compression */
    uint64_t observe_cpu_ns;               /* to make observations of matches, on all threads */
    uint64_t state_cpu_ns;                 /* to sort, count and release them */
};
void pen_backtest_cost(const struct pen_backtest *backtest, struct pen_backtest_cost *out);

/* ---- trial: the tests beside rules ---- */

struct pen_trial_options {
    const struct pen_program *program; /* of the rules that are tested, borrowed */
    int64_t keep_alive_ns;             /* sigma.keep_alive */
    const char *temp_dir;              /* of the state of tests of signals; NULL: /tmp */
};
struct pen_trial;
PEN_MUST_USE pen_status pen_trial_new(const struct pen_trial_options *options,
                                      struct pen_trial **out, struct pen_err *err);
void pen_trial_free(struct pen_trial *trial);
/*
 * pen_trial_run - whether the rules do with the events of a test what it expects.
 * why      replaced: empty when they do, else the reason in a line without end
 * Returns  PEN_OK | PEN_E_IO (a test of signals makes a folder and removes it) |
 *          PEN_E_NOMEM | PEN_E_LIMIT
 */
PEN_MUST_USE pen_status pen_trial_run(struct pen_trial *trial, const struct pen_rule_test *test,
                                      struct pen_buf *why, struct pen_err *err);

/* ---- replay ---- */

enum pen_log_level { PEN_LOG_ERROR, PEN_LOG_WARN, PEN_LOG_INFO, PEN_LOG_DEBUG };
/*
 * With a retry a run first takes back what refused objects gave (documents, observations, counters,
 * as src/node/withdraw.h says), so that they are unread again, and then does what any resumed run
 * does.  It ends with the documents and signals of a run that never saw the damage.
 */
struct pen_retry {
    const char *const *objects; /* as pen_object_named takes them */
    uint32_t object_count;      /* 0: every refused object */
};
#define PEN_RANGE_TEXT_MAX 40U
struct pen_replay_options {
    const char *const *sources;
    uint32_t source_count;
    const char *out_dir;
    const char *command_line; /* for the jobs table */
    const char *arguments;    /* kept with the job, for pen_replay_arguments; NULL: as they are */
    const struct pen_retry *retry; /* NULL: none */
    struct pen_rules_options rules;
    const char *types_dir;
    const char *cache_dir; /* of compiled databases; NULL: none */
    const char *as_type;   /* NULL: by key */
    enum pen_sink_kind sink;
    const struct pen_sink_spec *cluster;    /* of PEN_SINK_OPENSEARCH; else NULL */
    const struct pen_exclusion *exclusions; /* borrowed */
    uint32_t exclusion_count;
    bool is_strict;  /* damaged and unknown objects are gaps */
    bool setup_sink; /* puts templates that the cluster lacks */
    bool signals_only;
    bool fresh;
    uint64_t max_bytes;     /* as stored, of this run; 0: any number */
    uint64_t max_cost_nano; /* of this run's requests, in billionths of a dollar; 0: any */
    /* What is read before from_ns for the state alone; is_warm_up_auto: as pen_warm_up_ns says. */
    int64_t warm_up_ns;
    bool is_warm_up_auto;
    bool learn_only;   /* nothing is told up to to_ns; a run with a later one goes on */
    bool newest_first; /* the latest days are read first: signals come at the end */
    bool no_progress;
    bool is_terminal;
    struct pen_s3_options s3; /* of sources in S3 that have none of their own */
    const struct pen_source_options *source_options; /* one for each of sources, or NULL */
    const char *kill_at; /* for tests: where to die, src/node/killpoint.h; or NULL */
    enum pen_log_level log_level;
    int64_t from_ns, to_ns; /* INT64_MIN / INT64_MAX: open */
    /* How an end that is counted from now was written ("-7d", "now"; "on today" for both ends of a
     * day), less than PEN_RANGE_TEXT_MAX bytes; NULL: it is not.  A job keeps the range that it
     * began with for the same words, which pen_replay tells on stderr. */
    const char *from_text, *to_text;
    const char *const *accounts, *const *not_accounts, *const *regions, *const *not_regions;
    const char *const *types, *const *not_types;
    uint32_t account_count, not_account_count, region_count, not_region_count;
    uint32_t type_count, not_type_count;
#define PEN_OPTION(field, key, type, unit, value, min, max, when, help) PEN_OPTION_##type field;
#define PEN_OPTION_COUNT uint64_t
#define PEN_OPTION_SIZE uint64_t
#define PEN_OPTION_DURATION int64_t
#define PEN_OPTION_TIME int64_t
#define PEN_OPTION_WORD uint64_t
#define PEN_OPTION_LIST struct pen_option_list
#define PEN_OPTION_PATH struct pen_option_path
#define PEN_OPTION_PATHS struct pen_option_list
#include "penstock/options.def"
#undef PEN_OPTION
};

/* The tables that the options name; borrows them. */
static inline struct pen_enrich_options pen_replay_enrich(const struct pen_replay_options *options)
{
    return (struct pen_enrich_options){.geoip = options->geoip.text,
                                       .asn = options->asn.text,
                                       .assets = options->assets.text,
                                       .user_agent = options->user_agent.text,
                                       .trusted_proxies = options->trusted_proxies.text,
                                       .ioc = options->ioc.text,
                                       .ioc_limits = {.entries_max = options->ioc_entries_max,
                                                      .bytes_max = options->ioc_bytes_max}};
}

/* How far back the rules look from from_ns (INT64_MIN: 0) for their signals to be those of a longer
 * run: the longest of their windows, learning and forgetting times, and twice its keep-alive. */
int64_t pen_warm_up_ns(const struct pen_rules *rules, int64_t keep_alive_ns, int64_t from_ns);
/* From when on the signals that rules over signals count are those of a longer run, when reading
 * begins at begin_ns. */
int64_t pen_warm_up_stages_ns(const struct pen_rules *rules, int64_t keep_alive_ns, int64_t from_ns,
                              int64_t begin_ns);

/* What requests cost by the prices of the options, in billionths of a dollar. */
uint64_t pen_price_nano_usd(const struct pen_replay_options *options, uint64_t gets, uint64_t lists,
                            uint64_t kms);
/* Likewise of bytes that leave the region of a bucket. */
uint64_t pen_price_transfer_nano_usd(const struct pen_replay_options *options, uint64_t bytes);

struct pen_totals {
    uint64_t objects_listed, objects_pruned, objects_read, objects_empty, objects_damaged,
        objects_unknown, objects_unreadable, objects_digest, objects_by_content;
    uint64_t bytes_read, bytes_plain, bytes_shipped;
    uint64_t records_in, records_delivered, records_duplicate, records_excluded, records_filtered,
        records_dead, records_held;
    uint64_t records_refused;  /* of records_dead: those that the sink refused */
    uint64_t records_unparsed; /* of records_delivered when they were read: PEN_DOC_UNPARSED */
    uint64_t matches;
    uint64_t observations; /* of the matches: rules that count may make several of one, or none */
    uint64_t ioc_records, ioc_matches; /* with a threat indicator in them, and how many */
    uint64_t ioc_cut;                  /* records with more of them than their documents tell */
    uint64_t groups_cut; /* matches that had more groups, or more values, than observations may */
    uint64_t values_cut; /* records with more values of fields than rules and documents see */
    int64_t time_first_ns, time_last_ns;
};
#define PEN_GAP_DAMAGED "damaged" /* causes that are told with is_strict alone */
#define PEN_GAP_UNKNOWN "unknown-type"
#define PEN_GAPS_MAX 1024 /* rows of cause and account; what is beyond is in the last, "other" */
struct pen_gap {
    char cause[32];
    char account[16];
    uint64_t count;
};
#define PEN_IOC_STATE_NAME 64U
#define PEN_RULE_COST_ID 128U /* bytes of a rule's id, cut, with a NUL */
struct pen_rule_cost {        /* what a rule made this run do, over all shards */
    char id[PEN_RULE_COST_ID];
    uint32_t rule;         /* in the set */
    uint64_t matches;      /* of its queries with records */
    uint64_t observations; /* that were appended to the log: by group */
    uint64_t bytes;        /* of them, before compression */
    uint64_t cpu_ns;       /* to make and send them: each sixteenth match is measured */
};
struct pen_replay_result {
    const char *status; /* "done", "stopped" or "failed" */
    char reason[256];   /* why it stopped */
    bool is_unbegun;    /* it stopped before the first object: what is below may not be known */
    char job[33];
    uint32_t shards;
    struct pen_totals totals;
    bool is_retry;
    /* Of a cluster: which promise its documents have. */
    bool is_cluster;
    bool is_promise_known; /* the cluster told */
    struct pen_sink_aliases aliases;
    uint64_t retried;       /* objects that were taken back */
    uint64_t retry_left;    /* refused ones that cannot be read now and keep what they gave */
    uint64_t retry_refused; /* those of the retry that are refused at its end */
    struct pen_state_counters state; /* of all shards, by what they released */
    uint64_t ignored; /* of the pruned objects: by patterns of their types, by this run's listing */
    uint64_t skipped; /* entries of folders that are no files, by this run's listing */
    struct pen_type_totals {
        char name[PEN_TYPE_NAME_MAX + 1];
        uint64_t objects, records, dead, unparsed;
    } by_type[PEN_TYPES_MAX];
    uint32_t type_count;
    /* Records by exclusion, of all runs of the job; an object that a retry read again counts twice.
     * The exclusions are those of the options. */
    const struct pen_exclusion *exclusions;
    uint32_t exclusion_count;
    uint64_t excluded[PEN_EXCLUSIONS_MAX];
    /* Likewise what security filters left out, the last one what none took; the caller frees, after
     * an error too. */
    struct pen_left_out *left_out;
    uint32_t left_out_count; /* 0: there is no filter */
    struct pen_ioc_state {   /* of enrich.ioc at the end */
        uint32_t lists;      /* 0: none was asked for */
        uint64_t indicators, rejected, ended;
        uint32_t stale_count;
        char stale[PEN_IOC_LISTS_MAX][PEN_IOC_STATE_NAME]; /* names of files, cut */
    } ioc;
    uint32_t accounts, regions;
    uint32_t rules_loaded, rules_rejected;
    uint64_t regex_limits; /* of this run: pen_scan_regex_limits of all shards */
    bool has_addresses; /* enrich.geoip or enrich.asn; then, of this run: look-ups of addresses */
    uint64_t geoip_damaged, asn_damaged; /* whose entry could not be read, or not all of it */
    uint64_t signals_opened, signals_by_severity[5];
    uint64_t signals_suppressed; /* likewise of suppressed ones */
    uint64_t signals_shadow;     /* opened by rules in shadow mode; in neither of the above */
    struct pen_gap gaps[PEN_GAPS_MAX];
    uint32_t gap_count;
    uint64_t records_before, plain_before; /* of the totals: what earlier runs of the job read */
    double wall_s, cpu_s;
    /* Of all shards together: at work; waiting for listings and for bytes; waiting for the sink. */
    double busy_s, storage_s, sink_s;
    double work_s; /* of wall_s: from the first object dealt to the last commit */
    uint64_t rss_bytes_max;
    char rules_hash[33];
    /* Of signals_only, when the run is done: rules that matched, in the order of the rule set.  The
     * caller frees them. */
    struct pen_rule_cost *costs;
    uint32_t cost_count;
};
/* Runs the job; words go to stderr.  The caller prints the summary.  PEN_OK also for a run that was
 * stopped (result->status). */
PEN_MUST_USE pen_status pen_replay(const struct pen_replay_options *options,
                                   struct pen_replay_result *result, struct pen_err *err);
/* For signal handlers: asks the running replay or survey to stop: a replay that reads drains.  The
 * second call ends the process at once, with words and exit code 6. */
void pen_replay_interrupt(void);

/* ---- the snapshot of the state ---- */

#define PEN_SNAPSHOT_FILES_MAX 128U
struct pen_snapshot_files {
    uint64_t epoch; /* the commit that it knows of */
    uint32_t shards;
    uint32_t count;                         /* 0: the job has none */
    char names[PEN_SNAPSHOT_FILES_MAX][64]; /* in DIR/state */
};
/*
 * pen_snapshot_files - the files of the last snapshot of the job in DIR.
 *
 * A run that goes on may replace them at any time.
 * Returns  PEN_OK | PEN_E_NOT_FOUND (not the folder of a run) | PEN_E_DENIED | PEN_E_CORRUPT |
 *          PEN_E_IO | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_snapshot_files(const char *dir, struct pen_snapshot_files *out,
                                           struct pen_err *err);

/* ---- dead letters ---- */

struct pen_dead_letter { /* slices borrow the reader until the callback returns; all unescaped */
    uint64_t number;     /* of its line, from 1; the same as long as the job lives */
    pen_slice object, type, stage, status, reason, time, excerpt;
    uint64_t record, offset;
    bool is_taken_back; /* a retry has read its object again since */
};
/* Any status but PEN_OK ends the reading and is returned. */
typedef pen_status pen_dead_letter_fn(void *ctx, const struct pen_dead_letter *letter);
/*
 * pen_dead_letters - every committed dead letter of a job, in the order of their numbers.
 *
 * A run may be going on.  The lines that a retry leaves (stage `retry`) are not dead letters; what
 * they say is in is_taken_back.
 * Returns  PEN_OK | PEN_E_NOT_FOUND (not the folder of a run) | PEN_E_DENIED | PEN_E_CORRUPT |
 *          PEN_E_IO
 * Cost     reads dead-letters.ndjson.zst twice; memory for the objects that were retried
 */
PEN_MUST_USE pen_status pen_dead_letters(const char *dir, pen_dead_letter_fn *fn, void *ctx,
                                         struct pen_err *err);
/* Whether a key is one of the names, or ends in one behind a slash; no names: yes. */
bool pen_object_named(const char *const *names, uint32_t count, pen_slice key);
/* The range of event time of the job in dir. */
PEN_MUST_USE pen_status pen_replay_range(const char *dir, int64_t *from_ns, int64_t *to_ns,
                                         struct pen_err *err);
/* Appends what the last run of the job in dir was given as arguments; empty when it was not told.
 * PEN_E_NOT_FOUND when dir holds no job. */
PEN_MUST_USE pen_status pen_replay_arguments(const char *dir, struct pen_buf *out,
                                             struct pen_err *err);

/* ---- survey: what is there, by listing alone ---- */

#define PEN_SURVEY_REGIONS_MAX 64U
#define PEN_REGION_MAX 64U /* bytes of a region's name, with a NUL */
struct pen_survey_region { /* of buckets, as their listings tell where they are */
    char name[PEN_REGION_MAX];
    uint64_t objects, bytes; /* that are wanted */
};
struct pen_survey_totals {
    uint64_t objects, pruned, bytes; /* bytes as stored, of the objects that are wanted */
    uint64_t skipped;                /* entries that are no files */
    uint64_t folders_unreadable;
    uint64_t lists;                                           /* requests for listings of buckets */
    struct pen_survey_region regions[PEN_SURVEY_REGIONS_MAX]; /* what is beyond is in the last */
    uint32_t region_count;                                    /* 0: there are no buckets */
    char node_region[PEN_REGION_MAX]; /* where this runs, when there are; "": not known */
};
struct pen_survey_calls {
    /* An object that is wanted, with what its key says; both borrowed until it returns. */
    pen_status (*on_object)(void *ctx, const struct pen_object *object,
                            const struct pen_key_info *key);
    void (*on_folder)(void *ctx, const struct pen_err *err); /* one that cannot be listed */
    void *ctx;
};
/*
 * pen_survey - lists the sources of a run, in the order of days, and reads nothing.
 *
 * options  sources, the choice of objects and as_type; the output folder is left out, never made
 * Returns  PEN_OK | PEN_E_NOT_FOUND (a source) | PEN_E_USAGE (a log type; node.region) |
 *          PEN_E_NOMEM | PEN_E_STOPPED | what on_object failed with
 */
PEN_MUST_USE pen_status pen_survey(const struct pen_replay_options *options,
                                   const struct pen_survey_calls *calls,
                                   struct pen_survey_totals *totals, struct pen_err *err);

/* ---- how fast a bucket's endpoint serves ---- */

#define PEN_S3_SPEED_ROWS 16U
struct pen_s3_speed_options {
    const char *url;
    const struct pen_replay_options *reads; /* its s3 and fetch values */
    uint32_t concurrency[PEN_S3_SPEED_ROWS];
    uint32_t count;       /* of concurrency */
    uint32_t objects_max; /* how many are listed and fetched in turn, 1.. */
    uint64_t size_max;    /* larger ones are left out; at most fetch.range_bytes */
    int64_t row_ns;       /* for each row and client */
};
struct pen_s3_speed_side {
    uint64_t requests, failed, bytes;
    double wall_s, cpu_s;
};
struct pen_s3_speed_row {
    uint32_t concurrency;
    struct pen_s3_speed_side own, libcurl;
    struct pen_s3_speed_side bare; /* the kernel, and OpenSSL, alone */
};
struct pen_s3_speed {
    uint64_t objects, bytes; /* of those that are fetched in turn */
    struct pen_s3_speed_row rows[PEN_S3_SPEED_ROWS];
    uint32_t row_count;
};
/*
 * pen_s3_speed - lists objects, then fetches them again and again by our client, by libcurl, and by
 * requests without a client, in turn for each number of requests in flight, on the calling thread.
 *
 * Returns  PEN_OK | PEN_E_NOT_FOUND: no object of that size | PEN_E_STOPPED | what opening, listing
 *          and a host without io_uring fail with
 */
PEN_MUST_USE pen_status pen_s3_speed(const struct pen_s3_speed_options *options,
                                     struct pen_s3_speed *out, struct pen_err *err);

/* ---- memory, planned before start ---- */

#define PEN_SHARD_MEMORY_MAX (UINT64_C(128) << 20) /* aim for a shard without its keyed state */
#define PEN_BUDGET_ROWS 8U
struct pen_budget_row {
    const char *what;
    uint64_t bytes;
};
struct pen_budget {
    uint32_t shards;
    struct pen_budget_row shard[PEN_BUDGET_ROWS], once[PEN_BUDGET_ROWS];
    uint32_t shard_rows, once_rows;
    uint64_t shard_bytes; /* of one shard, keyed state left out */
    uint64_t state_bytes; /* of one shard: the limit of its keyed state */
    uint64_t total_bytes;
    uint64_t host_bytes; /* what the host or its cgroup has */
};
/*
 * pen_budget_plan - what a run may need, from its options and its program.
 *
 * program        NULL: none is loaded
 * program_bytes  what it takes, as measured when it was loaded
 */
void pen_budget_plan(const struct pen_replay_options *options, const struct pen_program *program,
                     uint64_t program_bytes, struct pen_budget *budget);
/* PEN_E_HOST with one sentence when the host has too little for it. */
PEN_MUST_USE pen_status pen_budget_check(const struct pen_budget *budget, struct pen_err *err);

#endif
