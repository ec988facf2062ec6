/*
 * penstock/ship.h - documents to bulk bodies to a sink: files, a cluster, or nothing.
 *
 * One shipper a shard.  Documents are appended to the body of their index; a full body is
 * compressed and written (files: zstd frames of lines {"_index","_id","_source"}; null: gzip of a
 * bulk body, then dropped) or sent (OpenSearch: _bulk requests on the shard's ring, which never
 * block).  Nothing is durable before pen_ship_cut returns its positions and, of a cluster,
 * pen_ship_is_settled says so; and they are committed.
 */
#ifndef PEN_SHIP_H
#define PEN_SHIP_H

#include "penstock/base.h"
#include "penstock/net.h"

enum pen_sink_kind { PEN_SINK_FILES, PEN_SINK_NULL, PEN_SINK_NONE, PEN_SINK_OPENSEARCH };

/* ---- a cluster ---- */

struct pen_sink_spec { /* as configured; NULL: not given */
    const char *urls;  /* of its nodes: a comma list */
    const char *user, *password, *api_key;
    const char *ca_file, *cert_file, *key_file; /* PEM */
    /* "es", "aoss", or "auto": that of the host.  No service: signed when the host is of serverless
     * collections, which know nothing else, and no other way is given.  No region: the host's. */
    const char *sigv4_service, *sigv4_region;
    int64_t credentials_timeout_ns, credentials_retry_ns; /* 0: those of net.h */
    const struct pen_resolve_wait *resolve; /* for where nodes are; NULL: PEN_RESOLVE_MOST_NS */
};
struct pen_renewal;
struct pen_sink; /* nodes and who asks; immutable, shared by all threads */
/*
 * pen_sink_open - reads the URLs and asks where the nodes are: blocks.
 *
 * spec     its texts are borrowed as long as the sink lives
 * Returns  PEN_OK | PEN_E_USAGE: a URL, two kinds of authentication | PEN_E_NOT_FOUND, PEN_E_IO: a
 *          name that is not known | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_sink_open(const struct pen_sink_spec *spec, struct pen_sink **out,
                                      struct pen_err *err);
void pen_sink_free(struct pen_sink *sink);
struct pen_sink_rolled {    /* borrowed; at most PEN_SINK_NAME_MAX bytes each */
    const pen_slice *names; /* that documents go to and that the cluster rolls over: aliases */
    uint32_t count;
    const pen_slice *others; /* beginnings of indices that no built-in template is for */
    uint32_t other_count;
    const pen_slice *owns;       /* beginnings of indices with fields of their own: */
    const pen_slice *own_bodies; /* JSON, what stands below "template" of a component */
    uint32_t own_count;
};
#define PEN_SINK_NAME_MAX 120U
/*
 * pen_sink_check - asks the cluster whether it lets us in, whether templates give our indices (and
 * the others) their types, and whether the aliases are there.  Blocks, for a minute and a half at
 * most.
 *
 * Of Serverless (aoss) it asks whether the collection takes ids of documents, without which nothing
 * is there once.
 *
 * Returns PEN_OK | PEN_E_DENIED (401, 403) | PEN_E_CONFIG: a collection without ids | PEN_E_IO and
 * the like: no answer, or another
 */
PEN_MUST_USE pen_status pen_sink_check(const struct pen_sink *sink,
                                       const struct pen_sink_rolled *rolled, bool *is_ready,
                                       struct pen_err *err);
enum pen_sink_state { PEN_SINK_PUT, PEN_SINK_THERE, PEN_SINK_CHANGED, PEN_SINK_SKIPPED };
struct pen_sink_part { /* borrowed for the call */
    const char *path;  /* "/_component_template/penstock-log" */
    enum pen_sink_state state;
    const char *why; /* it was skipped; else "" */
};
typedef void pen_sink_told_fn(const struct pen_sink_part *part);
/*
 * pen_sink_setup - puts component and index templates, also for the others and our own; where the
 * cluster has Index State Management, a policy of rollover and templates of those who are rolled;
 * and the first index behind each alias.
 *
 * What is there as this build has it stays as it is, so a second call changes nothing; what is
 * there otherwise is replaced.  Blocks.
 *
 * told     hears of each part; may be NULL
 * Returns  as above, and PEN_E_CONFIG: a cluster too old, a name too long
 */
PEN_MUST_USE pen_status pen_sink_setup(const struct pen_sink *sink,
                                       const struct pen_sink_rolled *rolled, pen_sink_told_fn *told,
                                       struct pen_err *err);
/*
 * An index of its own for a measurement.  make: with the settings and mappings that the templates
 * give an index of the name like (serverless: none).  drop: deletes it, also one that requests
 * under way make again; one that is not there is fine.  Block.  Statuses as above.
 */
PEN_MUST_USE pen_status pen_sink_index_make(const struct pen_sink *sink, const char *name,
                                            const char *like, struct pen_err *err);
PEN_MUST_USE pen_status pen_sink_index_drop(const struct pen_sink *sink, const char *name,
                                            struct pen_err *err);
/*
 * Names that documents go to that stand for aliases or data streams in the cluster now: those that
 * are meant so, and others of the form log-NAME-DATE.  Behind one, another index may be the one
 * that is written to from one try to the next.  Blocks.  Statuses as above.
 */
#define PEN_SINK_ALIASES_TEXT 400U
struct pen_sink_aliases {
    uint32_t count;
    char text[PEN_SINK_ALIASES_TEXT]; /* as many of the names as fit, with ", " between them */
};
PEN_MUST_USE pen_status pen_sink_aliases(const struct pen_sink *sink,
                                         const struct pen_sink_rolled *rolled,
                                         struct pen_sink_aliases *out, struct pen_err *err);
/* The credentials that sign, from the first request on; NULL: nothing is signed.  The sink's; one
 * thread turns it.  Who posts already has to be told of others. */
struct pen_renewal *pen_sink_renewal(const struct pen_sink *sink);

struct pen_sink_addresses { /* where nodes are, in the order of the URLs; none: not known yet */
    struct pen_addresses nodes[PEN_POST_NODES_MAX];
};
/* Those that the sink was opened with. */
void pen_sink_addresses(const struct pen_sink *sink, struct pen_sink_addresses *out);
/* The host of a node, to be asked for again; NULL: there is no such node. */
const char *pen_sink_host(const struct pen_sink *sink, uint32_t node, uint16_t *port);

/* ---- shippers ---- */

struct pen_ship_refusal { /* a document that the cluster will never take; borrowed */
    pen_slice object, type, reason, excerpt;
    uint64_t record, offset;
    bool is_cut; /* it was added before the last cut */
};
struct pen_ship_settled { /* of the documents before a cut; all others were delivered */
    uint64_t dead, duplicate;
};
struct pen_ship_options {
    enum pen_sink_kind kind;
    /* Of PEN_SINK_OPENSEARCH alone. */
    struct pen_ring *ring;
    const struct pen_sink *sink;
    size_t held_bytes_max;   /* of documents that are not settled: beyond there is no room */
    uint32_t requests_max;   /* under way at once */
    uint32_t requests_first; /* at first, until the cluster's answers tell; 0: 1 */
    int64_t answer_ns;       /* sink.timeout */
    uint64_t bytes_s_max;    /* of plain bodies; 0: no limit */
    bool is_plain;           /* bodies are not compressed */
    void (*refused)(void *ctx, const struct pen_ship_refusal *refusal);
    void *ctx;
    /* Of all. */
    const char *dir; /* DIR/documents (files) */
    uint32_t shard;
    uint32_t first_sequence; /* files of this run are named from here on */
    size_t body_bytes_max;   /* ship.body_bytes_max: a body is sealed at this size (1 MiB) */
    uint32_t bodies_max;     /* open bodies (indices); the least recently used is sealed first */
    int32_t level;           /* zstd level of files; gzip level of null */
};

struct pen_ship;
PEN_MUST_USE pen_status pen_ship_new(const struct pen_ship_options *options, struct pen_ship **out,
                                     struct pen_err *err);
void pen_ship_free(struct pen_ship *ship);
struct pen_ship_document { /* borrowed until pen_ship_add returns */
    pen_slice index, id, source;
    /* Of PEN_SINK_OPENSEARCH: where it came from, for refusals; an earlier process of this job may
     * have sent it; a version other than 0 replaces older ones (op index) instead of leaving what
     * is there (op create). */
    pen_slice object, type;
    uint64_t record, offset;
    bool may_exist;
    uint64_t version;
};
/* Appends one document.  PEN_OK | PEN_E_NOSPACE | PEN_E_IO (sticky until pen_ship_retry works) |
 * PEN_E_LIMIT: it, or the name of its index, is too large. */
PEN_MUST_USE pen_status pen_ship_add(struct pen_ship *ship, const struct pen_ship_document *doc,
                                     struct pen_err *err);

struct pen_ship_file { /* a position to commit: the file is good up to bytes */
    char name[160];
    uint64_t bytes;
};
/*
 * pen_ship_cut - seals all bodies, writes and fsyncs, and tells the size of each file that changed
 * since the last cut.  *files borrows the shipper until the next cut.
 */
PEN_MUST_USE pen_status pen_ship_cut(struct pen_ship *ship, const struct pen_ship_file **files,
                                     uint32_t *count, struct pen_err *err);
/* After E_NOSPACE: tries the pending write again. */
PEN_MUST_USE pen_status pen_ship_retry(struct pen_ship *ship, struct pen_err *err);
/*
 * A cluster answers in its own time.  After turns of the ring call pen_ship_turn; add documents
 * only while there is room; make no cut before the last one is settled.
 */
/* Longest sleep of the ring until the next turn, in ns; 0: any. */
int64_t pen_ship_turn(struct pen_ship *ship, int64_t now_ns);
bool pen_ship_has_room(const struct pen_ship *ship);
/* Whether the cluster has, or has refused, every document that was added before the last cut. */
bool pen_ship_is_settled(const struct pen_ship *ship);
struct pen_ship_settled pen_ship_settled_get(const struct pen_ship *ship); /* of the last cut */
/* Why nothing moves, in words that may hold the server's; NULL: it does.  Borrowed until the next
 * turn. */
const char *pen_ship_state(const struct pen_ship *ship, int64_t now_ns);
/* Who signs from now on; of a sink that signs. */
PEN_MUST_USE pen_status pen_ship_credentials(struct pen_ship *ship,
                                             const struct pen_credentials *credentials,
                                             struct pen_err *err);
/* Where the nodes are from now on. */
void pen_ship_addresses(struct pen_ship *ship, const struct pen_sink_addresses *addresses);
/* Gives up what is under way; turn the ring until it is true, then free. */
bool pen_ship_cancel(struct pen_ship *ship);

struct pen_ship_counters {
    uint64_t documents, body_bytes, shipped_bytes; /* shipped: compressed */
    int64_t blocked_ns;         /* in writes and syncs that the caller waited for */
    uint64_t requests, repeats; /* repeats: of them, those that sent a body again */
    uint64_t answers;           /* requests that ended, with an answer or none */
    int64_t answer_ns;          /* of all these, from the request to its end */
};
struct pen_ship_counters pen_ship_counters_get(const struct pen_ship *ship);
/* Bench only: every sealed body before compression. */
typedef void pen_body_fn(void *ctx, pen_slice body);
void pen_ship_capture(struct pen_ship *ship, pen_body_fn *fn, void *ctx);

/* Bytes that a shipper holds when no document is larger than a body. */
uint64_t pen_ship_memory(const struct pen_ship_options *options);

#endif
