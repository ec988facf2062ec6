/*
 * penstock/classify.h - log types as data, and which type an object is.
 *
 * Loads type files (YAML, embedded or from a folder) and decides by key with one Hyperscan
 * database.  Immutable after load, shared by all shards.
 */
#ifndef PEN_CLASSIFY_H
#define PEN_CLASSIFY_H

#include "penstock/base.h"

struct pen_map_entry { /* one ECS field: first non-empty of sources, or all of them collected */
    pen_slice ecs;     /* "source.ip" */
    const pen_slice *sources;
    uint32_t source_count;
    bool collect;
};
struct pen_static_entry {
    pen_slice ecs;
    pen_slice json; /* compact JSON of the value */
};

enum pen_type_format {
    PEN_FORMAT_JSON,
    PEN_FORMAT_TEXT,    /* a line, or several, that `pattern` takes apart */
    PEN_FORMAT_WINDOWS, /* events of Windows in XML, of a line or several */
    PEN_FORMAT_PAIRS,   /* KEY=VALUE, behind one another on a line */
    PEN_FORMAT_CEF,     /* lines of the Common Event Format */
    PEN_FORMAT_COLUMNS, /* words of a line, in quotes or brackets when they have blanks */
};
/* What records may be wrapped in: a bit each. */
enum pen_envelope {
    PEN_ENVELOPE_CLOUDWATCH = 1U, /* a subscription of CloudWatch Logs: logEvents */
    PEN_ENVELOPE_EXPORT = 2U,     /* an export task of CloudWatch Logs: "TIME MESSAGE" */
    PEN_ENVELOPE_FIRELENS = 4U,   /* the log of a container */
    PEN_ENVELOPE_EVENT = 8U,      /* an event of EventBridge: detail */
};
/* What becomes the _id of a record without a natural id. */
enum pen_type_id { PEN_ID_HASH, PEN_ID_MD5 };
/* What stands behind the index name, by the event's time in UTC. */
enum pen_rotation {
    PEN_ROTATE_MONTHLY, /* -2025-03; when a type says nothing */
    PEN_ROTATE_WEEKLY,  /* -2025-w10: weeks of ISO 8601 */
    PEN_ROTATE_DAILY,   /* -2025-03-04 */
    PEN_ROTATE_YEARLY,  /* -2025 */
    PEN_ROTATE_AUTO,    /* nothing: the name is an alias that the cluster rolls over */
    PEN_ROTATE_AOSS,    /* -001, for good */
};
/* "monthly"; NULL behind the last. */
const char *pen_rotation_name(enum pen_rotation rotation);
PEN_MUST_USE bool pen_rotation_parse(pen_slice name, enum pen_rotation *out);

struct pen_type {
    pen_slice name;
    uint32_t id; /* index in the table */
    pen_slice key_pattern;
    pen_slice ignore_pattern; /* objects of the type whose key it is found in are not read; or "" */
    enum pen_type_format format;
    pen_slice pattern;     /* TEXT: regular expression, its named groups are the fields */
    pen_slice first_line;  /* TEXT: what the first line of a record looks like; "": one line each */
    uint32_t header_lines; /* TEXT, COLUMNS: lines before the first record */
    pen_slice header_mark; /* what they begin with: lines that do not are records; "": any */
    const pen_slice *columns; /* COLUMNS: names (src/text/columns.h); none: the first line has them,
                               * '-' as '_' */
    uint32_t column_count;
    const pen_slice *message_columns; /* COLUMNS without names: those of messages in an envelope */
    uint32_t message_column_count;
    bool keeps_stderr;      /* FireLens: what containers write to stderr is read too */
    uint32_t envelopes;     /* what its records may be wrapped in: bits of enum pen_envelope */
    pen_slice separator;    /* COLUMNS: "" blanks, "tab" or one byte */
    pen_slice array_key;    /* JSON: member that holds the records, or "" */
    const pen_slice *times; /* dotted paths of the event time: the first that is present;
                             * "@key": what the object's key says, else when it was written */
    uint32_t time_count;
    pen_slice time_form; /* "rfc3339" ("": the same), "epoch", "syslog", or a pattern with %Y and
                          * the like */
    const pen_slice *more_time_forms; /* tried in order where it does not fit */
    uint32_t more_time_form_count;
    pen_slice time_zone; /* +hh:mm of times that have none; "": UTC */
    pen_slice id_key;    /* dotted path of the natural id, or "" */
    pen_slice id_suffix; /* dotted path of what is added to it after '_', or "" */
    enum pen_type_id id_kind;
    pen_slice index_name;
    enum pen_rotation rotation;
    pen_slice index_template; /* JSON of `mappings` and the like for its indices, or "" */
    pen_slice prefix; /* member of documents that the record's own members are under, or "" */
    bool has_no_copy; /* documents have what `map` names only, not the record's own members */
    pen_slice script; /* "cloudtrail": computations registered in normalize, or "" */
    const struct pen_map_entry *map;
    uint32_t map_count;
    const struct pen_map_entry *attributes; /* Datadog's name of what stands elsewhere: sources are
                                             * paths or ECS names, all of them collected */
    uint32_t attribute_count;
    const struct pen_static_entry *statics;
    uint32_t static_count;
    const pen_slice *to_text; /* json_to_text paths */
    uint32_t to_text_count;
    const pen_slice *identity; /* acting identity: first present path */
    uint32_t identity_count;
    const pen_slice *forwarded; /* who passed a request on, from the client to the peer: paths of
                                 * texts with commas, lists of addresses or of headers */
    uint32_t forwarded_count;
    /* logsource values that a Sigma rule may name: pairs product/service/category it answers to */
    const struct pen_logsource {
        pen_slice category, product, service;
    } * logsources;
    uint32_t logsource_count;
    const pen_slice *sources; /* what Datadog calls the source of its logs; the name of the type
                               * is one, too */
    uint32_t source_count;
    pen_slice file; /* path, or the base name of a built-in one */
    pen_slice text; /* the file as it was read */
    bool is_builtin;
};

#define PEN_TYPES_MAX 256U
#define PEN_TYPE_NAME_MAX 39 /* bytes */
struct pen_types;
/* Built-in types, then those of dir (may be NULL), which win.  Errors name file:line:col. */
/* At most PEN_TYPES_MAX (PEN_E_LIMIT): built-in ones and those of dir together. */
PEN_MUST_USE pen_status pen_types_load(const char *dir, struct pen_types **out,
                                       struct pen_err *err);
void pen_types_free(struct pen_types *types);
uint32_t pen_types_count(const struct pen_types *types);
const struct pen_type *pen_types_at(const struct pen_types *types, uint32_t index);
/* Index names of types that rotate `auto`, and of a user's types that begin with another word than
 * `log-`; each once; borrowed.  How many. */
uint32_t pen_types_rolled(const struct pen_types *types, pen_slice names[PEN_TYPES_MAX]);
uint32_t pen_types_foreign(const struct pen_types *types, pen_slice names[PEN_TYPES_MAX]);
/* Index names of types with a template, and the templates; each once; borrowed.  How many. */
uint32_t pen_types_templates(const struct pen_types *types, pen_slice names[PEN_TYPES_MAX],
                             pen_slice bodies[PEN_TYPES_MAX]);
const struct pen_type *pen_types_find(const struct pen_types *types, pen_slice name);

/*
 * pen_types_import - writes each section of a user.ini as one YAML document of a type.
 *
 * ini    text of the file; any bytes
 * yaml   the documents are appended, parted by "---"; each can be loaded as a type file
 * told   appended: a line for each thing that could not be carried over, "line N: [section] key:
 *        why"
 * Returns  PEN_OK | PEN_E_CONFIG (the file cannot be read: err names the line) | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_types_import(pen_slice ini, struct pen_buf *yaml, struct pen_buf *told,
                                         struct pen_err *err);

/* What a key says.  Slices borrow the key. */
struct pen_key_info {
    const struct pen_type *type; /* never NULL: `unknown` when nothing fits */
    pen_slice account;           /* 12 digits or empty (reference section 3.3) */
    pen_slice region;            /* or empty */
    pen_slice organization;      /* o-xxxx or empty */
    int64_t day_ns;              /* start of the day in the key, or INT64_MIN */
    bool is_digest;              /* a CloudTrail digest by its key */
    bool is_ignored;             /* the type passes over it */
};
struct pen_classifier; /* one per thread: Hyperscan scratch */
PEN_MUST_USE pen_status pen_classifier_new(const struct pen_types *types,
                                           struct pen_classifier **out, struct pen_err *err);
void pen_classifier_free(struct pen_classifier *classifier);
/* key: any bytes.  Never fails. */
void pen_classify_key(struct pen_classifier *classifier, pen_slice key, struct pen_key_info *out);

#endif
