/*
 * penstock/match.h - boolean programs over predicates on fields: what every rule language compiles
 * to.
 *
 * A front end (Sigma, Datadog search) builds expression trees; pen_engine compiles all trees of one
 * log type: equality by hash look-up, substrings, wildcards and regexes in one Hyperscan database
 * scanned once a record, candidates confirmed exactly (PCRE2 for regexes).  How a value begins is
 * looked up like equality where a field has few lengths of that.  A pattern that starts no query is
 * not scanned but looked at when queries alone ask it which seldom start, or when few are asked of
 * its field.  An engine is immutable and shared by all shards; a matcher belongs to one shard.
 * pen_expr_eval is the slow, plain evaluator: the same verdict, one tree at a time (explain,
 * tests).
 */
#ifndef PEN_MATCH_H
#define PEN_MATCH_H

#include "penstock/base.h"
#include "penstock/json.h"

/* Unbound predicate: any scalar value of the record (never key names, never across values). */
#define PEN_FIELD_ANY (UINT32_MAX - 1)

enum pen_pred_op {
    PEN_OP_PATTERN,  /* pieces against the text of a value */
    PEN_OP_REGEX,    /* PCRE2 search in the text of a value */
    PEN_OP_NUMBER,   /* numeric comparison; strings that are exactly a JSON number count */
    PEN_OP_CIDR,     /* the whole text is one address inside the network */
    PEN_OP_EXISTS,   /* the field is present, whatever its value */
    PEN_OP_NULL,     /* missing, null, or an empty array */
    PEN_OP_FIELDREF, /* text against the text of another field, any element with any element */
    PEN_OP_TIMEPART, /* part of a timestamp, compared as a number */
    PEN_OP_SET,      /* the whole text is one of a set */
    PEN_OP_WORDS,    /* pieces as a phrase at word boundaries, without case (free text search) */
};

enum pen_piece_kind {
    PEN_PIECE_TEXT, /* literal UTF-8 */
    PEN_PIECE_RUN,  /* any run of code points, also none */
    PEN_PIECE_ONE,  /* one code point */
    PEN_PIECE_DASH, /* one of - / U+2013 U+2014 U+2015 (windash) */
};
struct pen_piece {
    enum pen_piece_kind kind;
    pen_slice text;
};

enum pen_cmp { PEN_CMP_EQ, PEN_CMP_LT, PEN_CMP_LE, PEN_CMP_GT, PEN_CMP_GE };
enum pen_part {
    PEN_PART_MINUTE,
    PEN_PART_HOUR,
    PEN_PART_DAY,
    PEN_PART_WEEK,
    PEN_PART_MONTH,
    PEN_PART_YEAR
};
enum pen_ref { PEN_REF_EQUALS, PEN_REF_STARTS, PEN_REF_ENDS, PEN_REF_CONTAINS };

/* Flags of a REGEX predicate. */
#define PEN_RE_CASELESS 1U
#define PEN_RE_MULTILINE 2U
#define PEN_RE_DOTALL 4U
#define PEN_RE_ANCHOR_START 8U /* the match must begin at the start of the value */
#define PEN_RE_ANCHOR_END 16U  /* ... end at its end */
#define PEN_RE_BYTES 32U       /* the text is bytes, whatever they are: pen_first alone */

struct pen_pred {
    enum pen_pred_op op;
    uint32_t field;    /* or PEN_FIELD_ANY (PATTERN, WORDS, REGEX only) */
    uint32_t field2;   /* FIELDREF */
    bool is_cased;     /* PATTERN, FIELDREF: compare code points; else simple case folding */
    bool scalars_only; /* PATTERN: objects never match (Datadog); else their compact text and every
                        * scalar below them is tried (Sigma) */
    const struct pen_piece *pieces;
    uint32_t piece_count;
    pen_slice text; /* REGEX: the expression; NUMBER: the decimal number */
    uint32_t flags; /* REGEX */
    enum pen_cmp cmp;
    enum pen_part part;
    enum pen_ref ref;
    uint8_t addr[16];          /* CIDR: network, big endian; v4 in the first 4 bytes */
    uint8_t addr_bits, prefix; /* 32 or 128; prefix length */
    const struct pen_set *set; /* SET: outlives engines and trees */
};

enum pen_expr_kind {
    PEN_EXPR_PRED,
    PEN_EXPR_AND,
    PEN_EXPR_OR,
    PEN_EXPR_NOT,
    PEN_EXPR_TRUE,
    PEN_EXPR_FALSE
};

/* A tree.  All nodes, pieces and texts live in the front end's arena until compile returns (and as
 * long as pen_expr_eval is used).  NOT has one kid; AND and OR one or more. */
struct pen_expr {
    enum pen_expr_kind kind;
    uint32_t kid_count;
    struct pen_expr **kids;
    const struct pen_pred *pred;
    pen_slice source; /* what the rule says, for explain: "eventName|contains: 'Delete'" */
};

struct pen_query {
    const struct pen_expr *expr;
    uint32_t tag;   /* reported when it matches; the caller's rule and query index */
    pen_slice name; /* for errors: rule id or file */
};

#define PEN_EXPR_DEPTH_MAX 256      /* levels of a tree */
#define PEN_EXPR_NODES_MAX 1000000U /* nodes of a tree */

/* Checks one tree without an engine: every regex compiles (PCRE2 gives the verdict; one that
 * Hyperscan refuses is only slower), depth, nodes, pieces and text lengths are within the limits.
 * PEN_E_RULE with the reason, PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_expr_check(const struct pen_expr *expr, struct pen_err *err);

struct pen_engine_options {
    const char *cache_dir;    /* NULL: no cache on disk */
    uint32_t regex_steps_max; /* PCRE2 match limit a value; 0: the default 100,000 */
    bool in_process;          /* compile without the child process (tests, tools) */
    bool (*is_stopped)(void); /* asked again and again while the child compiles; NULL: never */
    /* Called about ten times a second while the child compiles, with the patterns that it was
     * given; not called when the cache has them.  NULL: never. */
    void (*is_compiling)(void *ctx, uint32_t patterns);
    void *ctx;
};
struct pen_engine_stats {
    uint32_t queries, predicates, eq_keys, patterns, regexes, always_run;
    bool from_cache;
    int64_t compile_ns;
    size_t bytes;
};

struct pen_engine;
/*
 * pen_engine_compile - all queries of one log type to one engine.
 *
 * queries  borrowed until return
 * Returns  PEN_OK | PEN_E_RULE (names the query) | PEN_E_NOMEM | PEN_E_HOST (CPU lacks SSSE3) |
 *          PEN_E_STOPPED
 * Cost     milliseconds to seconds; not on the data path.
 */
PEN_MUST_USE pen_status pen_engine_compile(const struct pen_query *queries, uint32_t count,
                                           const struct pen_engine_options *options,
                                           struct pen_engine **out, struct pen_err *err);
void pen_engine_free(struct pen_engine *engine);
struct pen_engine_stats pen_engine_stats_get(const struct pen_engine *engine);

struct pen_matcher;
PEN_MUST_USE pen_status pen_matcher_new(const struct pen_engine *engine, struct pen_matcher **out,
                                        struct pen_err *err);
void pen_matcher_free(struct pen_matcher *matcher);
/*
 * pen_matcher_run - verdicts on one record.
 *
 * Returns  number of matching queries; *tags borrows the matcher until the next call, ascending.
 * Cost     a few hundred ns; no allocation in steady state.
 */
uint32_t pen_matcher_run(struct pen_matcher *matcher, const struct pen_record *record,
                         const uint32_t **tags);
struct pen_matcher_counters {
    uint64_t records, scanned_bytes, candidates, programs_run, regex_limit_hits;
};
struct pen_matcher_counters pen_matcher_counters_get(const struct pen_matcher *matcher);
/* Bench only: every scan buffer is handed to fn; and a bare hs_scan of one buffer. */
typedef void pen_capture_fn(void *ctx, pen_slice scan_buffer);
void pen_matcher_capture(struct pen_matcher *matcher, pen_capture_fn *fn, void *ctx);
uint64_t pen_matcher_scan_bare(struct pen_matcher *matcher, pen_slice scan_buffer);

/* ---- what queries and predicates cost: bench rules ---- */

struct pen_profile_query {
    uint32_t tag;
    bool is_always; /* no predicate of it announces itself: it starts on every record */
    uint64_t starts, matches;
    uint64_t ticks; /* of its program, with the predicates that it was the first to ask */
};
struct pen_profile_pred {
    pen_slice source;   /* what the rule says that has it first; borrows the queries */
    const char *how;    /* "table", "scan": it announces itself; "asked": it does not */
    uint32_t queries;   /* that start when it announces itself */
    uint64_t fired;     /* records on which it did */
    uint64_t asked;     /* times that a program came to it */
    uint64_t evaluated; /* of these, when its value was not known yet */
    uint64_t held;      /* of asked */
    uint64_t ticks;     /* of the evaluations */
};
struct pen_profile {
    struct pen_profile_query *queries; /* ascending by tag */
    struct pen_profile_pred *preds;
    uint32_t query_count, pred_count;
    uint64_t records;
    uint64_t select_ticks; /* to find out which programs start: tables and the scan */
    uint64_t reading_ticks, begin_ticks;
    int64_t begin_ns;
};
/*
 * pen_profile_new - counters for one engine; queries are those that it was compiled from, in their
 * order, and outlive the profile.
 */
PEN_MUST_USE pen_status pen_profile_new(const struct pen_engine *engine,
                                        const struct pen_query *queries, uint32_t count,
                                        struct pen_profile **out, struct pen_err *err);
void pen_profile_free(struct pen_profile *profile);
/* What a tick is, in nanoseconds: by the clock since pen_profile_new. */
double pen_profile_tick_ns(const struct pen_profile *profile);
/* From now on pen_matcher_run counts there, with the same verdicts, some times slower; NULL: not
 * any more. */
void pen_matcher_profile(struct pen_matcher *matcher, struct pen_profile *profile);

/*
 * Slow evaluator.  visit (may be NULL) sees every node after its kids with its verdict; every kid
 * is evaluated, also where the verdict is certain already.  The tree passed pen_expr_check (a
 * deeper one than PEN_EXPR_DEPTH_MAX is a panic).  Any thread; compiles regexes anew each time.
 */
typedef void pen_expr_visit_fn(void *ctx, const struct pen_expr *node, uint32_t depth,
                               bool verdict);
bool pen_expr_eval(const struct pen_expr *expr, const struct pen_record *record,
                   pen_expr_visit_fn *visit, void *ctx);

/* How a front end turns a field name of a rule into a field id of the log type's plan. */
typedef pen_status pen_field_fn(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err);

/* Parses "10.0.0.0/8", a bare address, a netmask or host mask, IPv6.  PEN_E_RULE with the reason on
 * host bits, leading zeros, blanks, zone ids. */
PEN_MUST_USE pen_status pen_cidr_parse(pen_slice text, struct pen_pred *pred, struct pen_err *err);
/* True when text is exactly one IPv4 (dotted, no leading zeros) or IPv6 address. bits: 32 or 128.
 */
bool pen_ip_parse(pen_slice text, uint8_t addr[16], uint8_t *bits);
/* Whether pen_ip_parse takes the text as an IPv4 address; 16 bytes can be read at text.ptr, however
 * long it is.  No branch depends on its bytes: about 60 instructions. */
bool pen_ip_is_v4(pen_slice text);

/* ---- sets of texts ---- */

struct pen_set; /* exact, by bytes; once it is filled any thread may ask */
/* bytes_max: of all texts.  16 to 32 bytes a text come on top of its own. */
PEN_MUST_USE pen_status pen_set_new(size_t bytes_max, struct pen_set **out, struct pen_err *err);
void pen_set_free(struct pen_set *set);
/* A text that is there stays there once.  PEN_OK | PEN_E_LIMIT | PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_set_add(struct pen_set *set, pen_slice text, struct pen_err *err);
bool pen_set_has(const struct pen_set *set, pen_slice text);
uint32_t pen_set_count(const struct pen_set *set);

/* ---- patterns that take a line apart ---- */

struct pen_groups; /* one thread */
/*
 * pen_groups_new - a pattern (PCRE2, bytes) whose named groups are fields.
 *
 * It matches from the beginning of a line, not always to its end.  Returns PEN_OK | PEN_E_CONFIG
 * (err says where and why) | PEN_E_LIMIT (more than 128 named groups) | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_groups_new(pen_slice pattern, struct pen_groups **out,
                                       struct pen_err *err);
void pen_groups_free(struct pen_groups *groups);
uint32_t pen_groups_count(const struct pen_groups *groups);
pen_slice pen_groups_name(const struct pen_groups *groups, uint32_t index);
/* Whether the pattern fits; then found[i] is the text of group i, {NULL, 0} when it took no part.
 * found may be NULL.  A pattern that needs too many steps does not fit. */
bool pen_groups_match(struct pen_groups *groups, pen_slice line, pen_slice *found);

/* ---- the first of many patterns ---- */

#define PEN_FIRST_LISTS 4U
#define PEN_FIRST_PATTERNS_MAX 65536U
#define PEN_FIRST_GROUPS 10U       /* the whole match, $1 to $9 */
#define PEN_FIRST_STEPS_MAX 20000U /* PCRE2 match limit of one pattern on one text */

struct pen_first_pattern {
    pen_slice text; /* PCRE2, bytes; matches anywhere in a text */
    uint32_t list;  /* below PEN_FIRST_LISTS: each has its own first */
    bool is_caseless;
};
struct pen_first; /* immutable, any thread */
/*
 * pen_first_new - patterns in the order in which they are tried.
 *
 * All are one Hyperscan database, which tells the few that PCRE2 has to try.
 * patterns  borrowed until return
 * bad       the pattern that is no regular expression, else UINT32_MAX
 * Returns   PEN_OK | PEN_E_RULE (err says what is wrong with it) | PEN_E_LIMIT | PEN_E_HOST |
 *           PEN_E_NOMEM
 * Cost      2 to 4 s for 1,200 patterns as browsers need; counted repeats make no difference
 */
PEN_MUST_USE pen_status pen_first_new(const struct pen_first_pattern *patterns, uint32_t count,
                                      struct pen_first **out, uint32_t *bad, struct pen_err *err);
/* All searches are freed before. */
void pen_first_free(struct pen_first *first);
uint64_t pen_first_bytes(const struct pen_first *first); /* of memory */

struct pen_first_search; /* one thread */
PEN_MUST_USE pen_status pen_first_search_new(const struct pen_first *first,
                                             struct pen_first_search **out, struct pen_err *err);
void pen_first_search_free(struct pen_first_search *search);
uint64_t pen_first_search_memory(const struct pen_first *first); /* bytes of one */
struct pen_first_hit {
    uint32_t pattern;                   /* UINT32_MAX: none; then groups mean nothing */
    pen_slice groups[PEN_FIRST_GROUPS]; /* parts of the text; {NULL, 0}: took no part */
};
/* The first pattern of each list that matches.  One that needs too many steps does not match, and
 * is counted.  No allocation; the cost is that of what is tried, some microseconds. */
void pen_first_find(struct pen_first_search *search, pen_slice text,
                    struct pen_first_hit hits[PEN_FIRST_LISTS]);
uint64_t pen_first_limit_hits(const struct pen_first_search *search);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_match_libraries(struct pen_buf *out);

/* Bytes that each matcher of an engine needs for patterns and rules; texts come on top. */
uint64_t pen_matcher_memory(const struct pen_engine *engine);

#endif
