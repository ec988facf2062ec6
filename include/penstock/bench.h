/*
 * penstock/bench.h - sample data and rules from a seed, and how near the pipeline is to the limit.
 *
 * Writes a tree as CloudTrail lays it out in a bucket, with an attack story planted in it and a
 * list of what was planted.  The same options give the same bytes.  All names, accounts and
 * addresses are invented; addresses are from the ranges kept for documentation (RFC 5737).
 */
#ifndef PEN_BENCH_H
#define PEN_BENCH_H

#include "penstock/node.h"

enum pen_generate_shape {
    PEN_GENERATE_ORGANISATION, /* half of the objects small, a few large */
    PEN_GENERATE_TINY,         /* many objects of about 4 KB compressed */
    PEN_GENERATE_HUGE          /* one object of plain_bytes */
};

#define PEN_GENERATE_ACCOUNTS_MAX 10000U
#define PEN_GENERATE_REGIONS_MAX 8U
#define PEN_GENERATE_DAYS_MAX 3660U

struct pen_generate_options {
    const char *dir; /* made if it is missing; existing objects of the same name are replaced */
    enum pen_generate_shape shape;
    uint64_t seed;
    uint32_t accounts, regions, days; /* 1 to the maximum each */
    int64_t first_day_ns;             /* any time within the first day, 1970 to 2261 */
    uint64_t plain_bytes; /* about; at least one object for each planted event is made */
};

struct pen_generate_result {
    uint64_t objects, records, plain_bytes, packed_bytes;
    uint32_t planted; /* events listed in DIR/expected.json */
};

/*
 * pen_bench_generate - writes DIR/AWSLogs/... and DIR/expected.json.
 *
 * expected.json is {"planted":[{"account","region","event_name","event_id","time","object"}]}.
 * Returns  PEN_OK | PEN_E_USAGE (an option out of range) | PEN_E_IO | PEN_E_NOSPACE | PEN_E_NOMEM
 * Thread   any; blocking file I/O.   Source  CloudTrail record contents, version 1.08
 */
PEN_MUST_USE pen_status pen_bench_generate(const struct pen_generate_options *options,
                                           struct pen_generate_result *result, struct pen_err *err);

/* ---- rules ---- */

#define PEN_BENCH_RULES_MAX 100000U
#define PEN_BENCH_RULES_FILE 1000U
/*
 * pen_bench_rules - writes count Sigma rules for CloudTrail to DIR (which is there): files
 * rules-00000.yml and so on of PEN_BENCH_RULES_FILE rules each.
 *
 * The mix is that of published packs: most rules name a service and some calls, a part adds
 * substrings, prefixes, exceptions, networks or a regular expression.  The same count and seed give
 * the same bytes, and the first n rules of a larger count are those of n.
 * Returns  PEN_OK | PEN_E_USAGE (count) | PEN_E_IO | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_bench_rules(const char *dir, uint32_t count, uint64_t seed,
                                        struct pen_err *err);

/* ---- sink ---- */

#define PEN_SINK_SPEED_LIST 8U /* sizes, and numbers of requests */
#define PEN_SINK_SPEED_ROWS (PEN_SINK_SPEED_LIST * PEN_SINK_SPEED_LIST)
#define PEN_SINK_SPEED_TEXT 240U
struct pen_sink_speed_options {
    const struct pen_sink_spec *cluster;
    const struct pen_program *program;      /* with the type cloudtrail */
    size_t body_bytes[PEN_SINK_SPEED_LIST]; /* of what is sent, inflated */
    uint32_t body_count;
    uint32_t concurrency[PEN_SINK_SPEED_LIST]; /* requests under way, 1..PEN_POST_IN_FLIGHT_MAX */
    uint32_t concurrency_count;
    int64_t row_ns;      /* so long new documents are sent, for each size and number */
    uint64_t made_bytes; /* of documents that are made before, and sent again under new ids */
    int64_t answer_ns;   /* a request without an answer is given up */
    bool is_plain;       /* bodies are not compressed */
    bool (*is_stopped)(void *ctx);             /* asked all the time: true ends it */
    void (*told)(void *ctx, const char *text); /* a line of what happens, without newline */
    void *ctx;
};
struct pen_sink_speed_row { /* until the last document was settled */
    size_t body_bytes;
    uint32_t concurrency;
    uint64_t documents; /* that the cluster took */
    uint64_t refused;   /* that it will not take */
    uint64_t requests, repeats, plain_bytes, shipped_bytes;
    double wall_s, cpu_s, answer_s; /* answer_s: of a request, on average */
};
struct pen_sink_speed {
    char index[64];
    uint64_t made;       /* different documents */
    uint64_t made_bytes; /* their sources */
    struct pen_sink_speed_row rows[PEN_SINK_SPEED_ROWS];
    uint32_t row_count;
    struct pen_sink_speed_row warm_up; /* the first size and number, before they count */
    bool is_stopped;
    bool is_deleted;                   /* the index is gone */
    char refusal[PEN_SINK_SPEED_TEXT]; /* why the first document was refused; "" */
};
/*
 * pen_bench_sink - how fast a cluster takes documents: each size of requests with each number of
 * them, one after another, from one thread.
 *
 * An index of a random name is made as templates make those of CloudTrail, and deleted at the end,
 * whatever happens but the death of the process.
 * Returns  PEN_OK: also when it was stopped; rows that were not finished are left out |
 * PEN_E_CONFIG (no templates) | PEN_E_DENIED | PEN_E_IO | PEN_E_TIMEOUT (the cluster took nothing
 * for half a minute) | PEN_E_NOMEM.  out->index and is_deleted are right in any case
 */
PEN_MUST_USE pen_status pen_bench_sink(const struct pen_sink_speed_options *options,
                                       struct pen_sink_speed *out, struct pen_err *err);

/* ---- limit ---- */

#define PEN_LIMIT_ROUNDS_MAX 99U
struct pen_limit_options {
    const char *dir;       /* CloudTrail objects; NULL with text_type */
    const char *text_type; /* a text log (pen_limit_text_type): lines of it are made; NULL: dir */
    const struct pen_program *program;
    uint32_t rounds;          /* 1 to PEN_LIMIT_ROUNDS_MAX; medians are of these */
    uint64_t plain_bytes_max; /* objects are taken in order until they hold this much */
};

/* CPU seconds for one pass over the objects: median and spread (largest less smallest). */
struct pen_limit_time {
    double median, spread;
};
enum pen_limit_stage { /* what the libraries need for it, and the pipeline, stage by stage */
                       PEN_LIMIT_INFLATE,
                       PEN_LIMIT_JSON,
                       PEN_LIMIT_NORMALIZE, /* time, ids, identity, derived values; no library's, of
                            a text type MD5 of each line */
                       PEN_LIMIT_MATCH,
                       PEN_LIMIT_DOCUMENT, /* no library's: copy, ECS members, body */
                       PEN_LIMIT_GZIP,
                       PEN_LIMIT_STAGES
};
struct pen_limit_result {
    uint64_t objects, records, stored_bytes, plain_bytes, scanned_bytes, body_bytes;
    bool inflate_is_igzip; /* which of the two was the faster, and counts */
    struct pen_limit_time igzip, libdeflate;
    struct pen_limit_time library[PEN_LIMIT_STAGES];
    struct pen_limit_time stage[PEN_LIMIT_STAGES]; /* of the pipeline's parts run one by one */
    struct pen_limit_time detect; /* the pipeline as it is: stored bytes to verdicts */
    struct pen_limit_time ship;   /* the same with document, body and gzip */
    struct pen_limit_time ratio_detect, ratio_ship; /* of each round: over the libraries' sum */
    uint64_t allocated_bytes; /* by malloc in the last round of detect and ship; UINT64_MAX: not
                                 counted */
};
#define PEN_LIMIT_TEXT_TYPES 6U
/* Of the text logs that can be made; index below PEN_LIMIT_TEXT_TYPES. */
const char *pen_limit_text_type(uint32_t index);
const char *pen_limit_stage_name(enum pen_limit_stage stage);
/*
 * pen_bench_limit - the pipeline on this thread against the bare libraries, in turn.
 *
 * Libraries: the faster of igzip and libdeflate; simdjson on-demand over every leaf, keys and
 * strings unescaped; hs_scan over the very buffers that the pipeline scans; igzip level 1 of the
 * very bodies that it builds.  For a text type: inflate, MD5 of each line, igzip level 1.
 * Returns  PEN_OK | PEN_E_USAGE | PEN_E_IO | PEN_E_NOMEM | PEN_E_CORRUPT (an object is damaged)
 * Memory   the stored and plain bytes, the scan buffers and the bodies of plain_bytes_max
 */
PEN_MUST_USE pen_status pen_bench_limit(const struct pen_limit_options *options,
                                        struct pen_limit_result *result, struct pen_err *err);

/* ---- enrichment ---- */

#define PEN_BENCH_PATH_MAX 320U
struct pen_bench_tables { /* paths */
    char geoip[PEN_BENCH_PATH_MAX], asn[PEN_BENCH_PATH_MAX], assets[PEN_BENCH_PATH_MAX],
        ioc[PEN_BENCH_PATH_MAX];
};
/* Writes tables as large as real ones into dir: a million indicators, 11,000 assets, places of a
 * million networks.  Always the same bytes.  PEN_OK | PEN_E_IO | PEN_E_NOMEM */
PEN_MUST_USE pen_status pen_bench_tables(const char *dir, struct pen_bench_tables *out,
                                         struct pen_err *err);

enum pen_look { PEN_LOOK_PLACE, PEN_LOOK_ASSET, PEN_LOOK_ADDRESS, PEN_LOOK_DOMAIN, PEN_LOOKS };
const char *pen_look_name(enum pen_look look);
struct pen_enriching {
    uint64_t records, plain_bytes, indicators, table_bytes;
    struct pen_limit_time plain, enriched; /* CPU seconds of a pass with documents */
    double look_ns[PEN_LOOKS]; /* of values that were not asked for just before, on average */
};
/*
 * pen_bench_enriching - what tables cost: stored bytes to documents with them and without, in turn.
 *
 * options   of the program without tables; dir, not text_type
 * enriched  the same with the tables of pen_bench_tables
 * Returns   PEN_OK | PEN_E_IO | PEN_E_NOMEM | PEN_E_CORRUPT (an object is damaged)
 */
PEN_MUST_USE pen_status pen_bench_enriching(const struct pen_limit_options *options,
                                            const struct pen_program *enriched,
                                            struct pen_enriching *out, struct pen_err *err);

#endif
