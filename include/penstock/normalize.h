/*
 * penstock/normalize.h - a walked record to an ECS document, by the type's field map.
 *
 * A schema is built once for a log type and the rules that will run on it (it owns the plan), then
 * sealed and shared; a normalizer is per shard.  reference/siem_on_opensearch.md 6, 7, 8, 16.4 is
 * the form of the documents, less its defects.
 */
#ifndef PEN_NORMALIZE_H
#define PEN_NORMALIZE_H

#include "penstock/classify.h"
#include "penstock/json.h"

struct pen_schema;
PEN_MUST_USE pen_status pen_schema_new(const struct pen_type *type, struct pen_schema **out,
                                       struct pen_err *err);
/* With fields for what pen_enrich tells of addresses: parts are PEN_ENRICH_ bits (enrich.h).  Of a
 * type that has source.ip (or destination, client, server), rules and queries may name source.geo
 * and source.as fields then.  What the map of a type has under these names stays when no table
 * knows better.  With PEN_ENRICH_IOC every type that has a field of an address, a domain, a URL, a
 * user agent or a hash has threat.matched.providers, .types, .indicators, .names and .categories
 * (also by their names in Datadog's rules, threat_intel.results.category and the like). */
PEN_MUST_USE pen_status pen_schema_new_enriched(const struct pen_type *type, uint32_t parts,
                                                struct pen_schema **out, struct pen_err *err);
void pen_schema_free(struct pen_schema *schema);
/*
 * A pen_field_fn (ctx is the schema): the field id for a name in a rule or query.  A raw path
 * ("userIdentity.arn"; all dotted readings), a name the type's map or script produces
 * ("event.action", "user.name": filled by pen_normalize), or one of the type's attributes
 * ("evt.name").  A leading '@' is dropped.  The same name
 * gives the same id.  Before seal only.
 */
pen_status pen_schema_field(void *schema, pen_slice name, uint32_t *field, struct pen_err *err);
/* The field of a tag: what stands behind "name:" in the elements of the root member `tags` (an
 * array, or one text with commas).  name in any case.  Before seal only. */
PEN_MUST_USE pen_status pen_schema_tag(struct pen_schema *schema, pen_slice name, uint32_t *field,
                                       struct pen_err *err);
void pen_schema_seal(struct pen_schema *schema);
const struct pen_plan *pen_schema_plan(const struct pen_schema *schema);

enum pen_message { /* when a document has the text of its record as @message */
                   PEN_MESSAGE_UNPARSED,
                   PEN_MESSAGE_ALWAYS, /* JSON on one line, a blank behind each comma and colon;
                                          text as it is */
                   PEN_MESSAGE_NEVER,
};

struct pen_told {        /* what the envelope around a record tells of it; slices may be empty */
    pen_slice members;   /* JSON members for its document, each with a comma before it */
    pen_slice id;        /* tells equal records apart: takes part in ids that are hashes */
    pen_slice time_name; /* what a type may name in its `time`, and the member of the document then:
                          * "cwl_timestamp", "cwe_timestamp" */
    pen_slice time;      /* its value, a JSON token */
    int64_t time_ns;     /* INT64_MIN: none; the time of records that have none of their own */
    pen_slice account, region; /* for records that say nothing; go before those of the object */
    pen_slice group, stream;   /* of CloudWatch Logs */
    pen_slice instance;        /* of EC2, for types that FireLens may wrap */
    bool is_left_out;          /* the type does not want it */
};

struct pen_object_info {       /* what does not come from the record */
    pen_slice bucket, key;     /* @log_s3bucket, @log_s3key */
    pen_slice account, region; /* from the key, for records that say nothing */
    int64_t ingested_ns;
    int64_t written_ns; /* about when the object was written: the year of times without one, and
                         * the time of records without one */
    enum pen_message message;
    const struct pen_told *told; /* of the record at hand; NULL: it is in no envelope */
};

enum pen_doc_kind {
    PEN_DOC_EVENT,
    PEN_DOC_INSIGHT,
    PEN_DOC_DIGEST,
    PEN_DOC_UNPARSED, /* event.kind pipeline_error, error.message why: the text of the record could
                       * not be read, or it has no time where its type wants one.  What the map
                       * finds is in the document, and its text, not its members.  Rules and
                       * exclusions are not asked: those that count need a time that is the record's
                       * own */
    PEN_DOC_LEFT_OUT
};

struct pen_doc { /* slices borrow the normalizer or the record until its next call */
    enum pen_doc_kind kind;
    pen_slice id;       /* _id */
    pen_slice index;    /* _index: the name of the type and its rotation */
    pen_slice event_id; /* id of detection: natural id, else empty (caller: object, record) */
    int64_t time_ns;    /* event time; of PEN_DOC_UNPARSED that of the object (a stamp in its key,
                         * else its day, else when it was written) unless the record or its envelope
                         * has one; INT64_MIN: the type has none */
    pen_slice account, region, identity, source_ip;
    uint32_t indicators;      /* of threats, that lists know of values in it */
    bool has_more_indicators; /* than a document tells: 16 */
    pen_slice source;         /* the document, {...}, no newline; empty when not wanted */
};

struct pen_normalizer;
PEN_MUST_USE pen_status pen_normalizer_new(const struct pen_schema *schema,
                                           struct pen_normalizer **out, struct pen_err *err);
void pen_normalizer_free(struct pen_normalizer *normalizer);
/* Fills the fields of pen_schema_new_enriched from now on; enricher is borrowed. */
struct pen_enricher;
void pen_normalizer_enrich(struct pen_normalizer *normalizer, struct pen_enricher *enricher);
/*
 * pen_normalize - fills *doc, adds derived values that rules asked for to the record.
 *
 * walker   the one that made *record
 * Returns  PEN_OK | PEN_E_LIMIT (document too large: dead-letter the record)
 * Cost     no allocation in steady state
 */
PEN_MUST_USE pen_status pen_normalize(struct pen_normalizer *normalizer, struct pen_walker *walker,
                                      struct pen_record *record,
                                      const struct pen_object_info *object, bool want_source,
                                      struct pen_doc *doc, struct pen_err *err);

#endif
