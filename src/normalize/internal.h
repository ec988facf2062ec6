/*
 * internal.h - what the files of normalize share.
 *
 * A slot is one ECS field that documents of the type may carry.  The maps, the statics and the
 * script fill slots; ecs.c writes them by a layout that was compiled with the schema: opening,
 * leaf and closing fragments in document order.  Objects in which no leaf was written are taken
 * back.
 */
#ifndef PEN_NORMALIZE_INTERNAL_H
#define PEN_NORMALIZE_INTERNAL_H

#include "penstock/enrich.h"
#include "penstock/normalize.h"

#include "rotation.h"
#include "shown.h"
#include "tree.h"

#define NRM_SLOTS_MAX 128U
#define NRM_OPS_MAX (NRM_SLOTS_MAX * 8U)
#define NRM_STEPS_MAX 16U
#define NRM_TIMES_MAX 4U
#define NRM_ITEMS_MAX 256U
#define NRM_DIVERTS_MAX (NRM_SLOTS_MAX + 16U)
#define NRM_DERIVED_MAX 1024U
#define NRM_SIDES_MAX 4U
#define NRM_DOCUMENT_MAX ((size_t)32 << 20)
#define NRM_ACTION_TEXT 1U   /* json_to_text */
#define NRM_ACTION_SCRIPT 2U /* first of the script's repairs */

enum nrm_value_kind { NRM_NONE, NRM_TEXT, NRM_JSON, NRM_LIST };

struct nrm_value { /* of a slot in one record */
    uint8_t kind;
    bool is_escaped;
    bool is_wide;   /* PEN_COPY_SLACK bytes behind text can be read */
    pen_slice text; /* TEXT: inside of a JSON string; JSON: a token as written */
    uint32_t item_first, item_count;
};

struct nrm_item {
    pen_slice text;
    bool is_escaped;
    bool is_wide; /* as of a value */
};

struct nrm_slot {
    pen_slice ecs;
    pen_slice fixed; /* JSON of a static, else empty */
    bool is_ip, is_number;
    bool is_enriched; /* tables fill it, too */
};

struct nrm_source {
    uint32_t field;
    bool may_index; /* the path names an array element */
};

struct nrm_map {
    uint32_t slot;
    const struct nrm_source *sources;
    uint32_t source_count;
    bool collect;
};

enum nrm_op_kind {
    NRM_OPEN,
    NRM_LEAF,
    NRM_CLOSE,
    NRM_COLUMN,   /* a leaf that is what stands in a column of the line */
    NRM_CONSTANT, /* members that all lines have */
    NRM_OPENED,   /* an object, and such members at its beginning */
};
struct nrm_op {
    enum nrm_op_kind kind;
    bool is_number;     /* of a leaf: its text is written as one when it is one */
    pen_slice fragment; /* ,"key": or ,"key":{ and PEN_COPY_SLACK behind it */
    uint32_t slot, column;
};

enum nrm_derived_kind {
    NRM_FROM_SLOT,
    NRM_FROM_TYPE,
    NRM_FROM_SOURCE,
    NRM_FROM_TIME,
    NRM_FROM_TAG,
    NRM_FROM_TEXT,
    NRM_FROM_FUNCTION,
    NRM_FROM_MEMBER, /* a number in the object of a slot */
};
/* What an attribute is made of, and how.  text is empty when the record has no value there; param
 * is the part of the name that stands for a `*`.  False: nothing is made of it. */
struct nrm_input {
    pen_slice text, param;
};
struct nrm_function {
    const char *name;
    bool (*make)(struct nrm_input in, pen_slice *out);
    bool is_for_none; /* asked also when there is no value */
};
struct nrm_derived {
    enum nrm_derived_kind kind;
    uint32_t slot, field;
    pen_slice tag; /* NRM_FROM_TAG: its name; NRM_FROM_TEXT: the text; NRM_FROM_FUNCTION: param;
                      NRM_FROM_MEMBER: its key */
    uint32_t from; /* NRM_FROM_FUNCTION: the field of the values */
    const struct nrm_function *function;
};

/* Repairs of the copy: what is done with the value at path when the source of the event fits. */
enum nrm_repair_kind {
    NRM_WRAP,         /* string s -> {key: s} */
    NRM_CREDENTIALS,  /* string s -> {iam: s} or {value: s} */
    NRM_TAGS,         /* everything that is not an object or a list of objects -> {value: ...} */
    NRM_UNWRAP,       /* object -> its member key */
    NRM_RENAME,       /* member key of the object -> to */
    NRM_LIST_TEXT,    /* list -> text */
    NRM_OBJECTS_TEXT, /* list of objects -> text */
    NRM_REPR,         /* anything -> text */
    NRM_OWN,          /* what the script's own function makes of it */
};
struct nrm_repair {
    const char *path;
    const char *sources; /* comma list of event sources, NULL: any */
    enum nrm_repair_kind kind;
    const char *key, *to;
};

struct nrm_script {
    const char *name;
    const char *const *fields; /* paths that run reads, NULL-terminated */
    const char *const *slots;  /* ECS fields that run may fill, NULL-terminated */
    const struct nrm_repair *repairs;
    uint32_t repair_count;
    bool names_type;       /* run sets log_type and index_tail */
    bool reads_texts;      /* run reads its fields by script_text, and nothing else of them */
    uint32_t source_field; /* index in fields: the event source that repairs ask for */
    void (*run)(struct pen_normalizer *normalizer, const struct pen_record *record,
                struct pen_doc *doc);
    /* Repairs of kind NRM_OWN: appends what stands for the value, copied; nothing when it stays,
     * null when its member goes. */
    pen_status (*make)(struct pen_normalizer *n, pen_slice copied, struct pen_buf *out);
    /* Time of records that have none of their own by rights (digests), else NULL. */
    const struct pen_value *(*time)(const struct pen_schema *schema,
                                    const struct pen_record *record);
};
extern const struct nrm_script nrm_script_okta, nrm_script_cloudtrail, nrm_script_guardduty,
    nrm_script_route53resolver, nrm_script_networkfirewall, nrm_script_vpcflowlogs, nrm_script_elb,
    nrm_script_s3access, nrm_script_waf, nrm_script_cloudfront_standard,
    nrm_script_cloudfront_realtime, nrm_script_securityhub, nrm_script_inspector, nrm_script_eks,
    nrm_script_linux, nrm_script_rds_mysql_audit, nrm_script_rds_postgresql, nrm_script_web_access,
    nrm_script_apache_error, nrm_script_nginx_error, nrm_script_config, nrm_script_config_rules,
    nrm_script_trustedadvisor, nrm_script_clientvpn, nrm_script_redis_slowlog,
    nrm_script_opensearch_audit, nrm_script_cloudhsm, nrm_script_windows, nrm_script_ocsf,
    nrm_script_klog, nrm_script_eks_authenticator, nrm_script_alb_connection,
    nrm_script_rds_mysql_slowquery;

#define NRM_SCRIPT_FIELDS_MAX 32U
#define NRM_SCRIPT_SLOTS_MAX 32U

struct nrm_name {
    pen_slice name;
    bool is_tag;
    uint64_t hash;
    uint32_t field;
    struct nrm_name *next;
};

/* What a type makes of lines of certain columns (line.c). */
struct nrm_line_source {
    uint32_t column;
    uint32_t address; /* of the plan's addresses, where only an address counts */
};
struct nrm_line_map {
    uint32_t slot;
    uint32_t first, count; /* sources */
    bool is_collected, is_ip;
};
struct nrm_line_copy { /* a map of one source, whatever stands there */
    uint32_t slot, column;
};
struct nrm_line_address { /* a column that may be an address */
    uint32_t column;
    bool is_address; /* of the record at hand */
};
struct nrm_line {
    const struct pen_columns *layout; /* these columns, */
    uint64_t stamp;                   /* as they were then; 0: none yet */
    struct nrm_line_copy *copies;     /* of which a column is there */
    struct nrm_line_map *maps;        /* likewise, the other ones */
    struct nrm_line_source *sources;
    struct nrm_line_address *addresses;
    uint32_t copy_count, map_count, source_count, address_count;
    /* By slot: the column, counted from 1, that is its only source, where nothing but the document
     * wants it: then the slot stays empty. */
    uint32_t of_slot[NRM_SLOTS_MAX];
    struct nrm_op *ops; /* of members that such lines may have */
    uint32_t op_count;
    struct pen_arena fragments; /* of ops, and ops; when stamp is set */
};

/* source, destination and the like: slots of its address and of what tables know of it. */
struct nrm_side {
    uint32_t ip;
    uint32_t parts[PEN_GEO_PARTS];   /* or PEN_FIELD_NONE, */
    uint32_t asset[PEN_ASSET_PARTS]; /* likewise */
    bool has_geo;                    /* any of parts */
};

#define NRM_THREATS_MAX 16U      /* indicators of a record */
#define NRM_THREAT_FIELDS_MAX 8U /* in which one was found */
#define NRM_THREAT_SEEN_MAX 16U  /* texts of a record that are not looked up again */
#define NRM_THREAT_LISTS 5U
#define NRM_THREAT_BYTES_MAX ((size_t)16 << 20)
#define NRM_ADDRESS_MAX 45U
#define NRM_WATCHED_MAX (NRM_SLOTS_MAX + 8U)
struct nrm_watched { /* a field whose values are looked up in lists of indicators */
    pen_slice name;  /* of ECS, or a path of the record */
    uint32_t slot;   /* or PEN_FIELD_NONE, and then */
    uint32_t field;  /* of the record */
    uint32_t kinds;  /* PEN_IOC_ bits */
    bool is_related; /* it gathers the values of others */
};
struct nrm_threat {
    struct pen_ioc ioc;
    pen_slice fields[NRM_THREAT_FIELDS_MAX]; /* their names */
    uint32_t field_count;
    uint8_t ip_len;
    uint8_t ip[NRM_ADDRESS_MAX]; /* the address of the record */
};
struct nrm_seen {
    pen_slice text;
    uint32_t kinds;
};
struct nrm_threats { /* of a record */
    struct nrm_threat items[NRM_THREATS_MAX];
    uint32_t left_out; /* sightings of more */
    uint32_t count;
    struct nrm_seen seen[NRM_THREAT_SEEN_MAX];
    uint32_t seen_count;
    struct pen_buf plain; /* a text without escapes */
    struct pen_buf json;  /* texts of slots */
};

struct pen_schema {
    const struct pen_type *type;
    struct pen_plan *plan;
    struct pen_arena arena;
    bool is_sealed;
    const struct nrm_script *script;
    uint32_t script_fields[NRM_SCRIPT_FIELDS_MAX];
    uint32_t script_slots[NRM_SCRIPT_SLOTS_MAX];
    struct nrm_slot slots[NRM_SLOTS_MAX];
    uint32_t slot_count;
    struct nrm_map *maps;
    uint32_t map_count;
    struct nrm_op ops[NRM_OPS_MAX];
    uint32_t op_count;
    uint32_t prefix_from, prefix_to; /* ops that open and close the type's prefix; op_count: none */
    uint32_t slot_account, slot_region, slot_module, slot_ingested, slot_source_ip, slot_provider;
    uint32_t slot_instance;          /* cloud.instance.id of FireLens, or PEN_FIELD_NONE */
    uint32_t slot_kind, slot_reason; /* event.kind, error.message */
    uint32_t time_fields[NRM_TIMES_MAX];
    uint32_t time_count;
    const char *no_time; /* the problem of records without a time, as the inside of a JSON string */
    bool has_key_time;   /* records without a time have that of the object's key */
    pen_slice told_time; /* the time of the type that envelopes tell, which goes before its own */
    uint32_t id_field, suffix_field;
    uint32_t *identity;
    uint32_t *forwarded; /* fields that name who asked behind proxies, in the order of the chain */
    uint32_t forwarded_count;
    struct {
        pen_slice key;
        uint32_t field;
    } diverts[NRM_DIVERTS_MAX];
    uint32_t divert_count;
    struct nrm_derived derived[NRM_DERIVED_MAX];
    uint32_t derived_count;
    bool has_functions; /* some derived field is NRM_FROM_FUNCTION */
    struct nrm_name *names;
    struct nrm_side sides[NRM_SIDES_MAX]; /* of which tables may know something */
    uint32_t side_count;
    uint32_t asset[PEN_ASSET_PARTS]; /* of the account: slots, or PEN_FIELD_NONE */
    uint32_t agent[PEN_AGENT_PARTS]; /* of the user agent: slots, or PEN_FIELD_NONE */
    uint32_t slot_agent; /* user_agent.original, where it is looked at; else PEN_FIELD_NONE */
    bool has_assets;
    struct nrm_watched watched[NRM_WATCHED_MAX];
    uint32_t watched_count;                          /* 0: there are no lists of indicators */
    uint32_t threat, threat_lists[NRM_THREAT_LISTS]; /* slots */
    bool is_enrich_asked; /* a rule or query names a field that tables fill */
    uint32_t tags_field;  /* of the root member tags; PEN_FIELD_NONE: no tag was asked for */
};

struct nrm_memo { /* a text that many records have, and the inside of its JSON string */
    struct pen_buf plain, json;
};

enum {
    NRM_PLAIN_ID,
    NRM_PLAIN_ACCOUNT,
    NRM_PLAIN_REGION,
    NRM_PLAIN_IDENTITY,
    NRM_PLAIN_IP,
    NRM_PLAIN_COUNT
};

struct pen_normalizer {
    const struct pen_schema *schema;
    struct nrm_value slots[NRM_SLOTS_MAX];
    struct nrm_item items[NRM_ITEMS_MAX];
    uint32_t item_count;
    struct pen_buf document, spare, text, plain;
    struct pen_buf message_buf;
    struct pen_buf unescaped[NRM_PLAIN_COUNT];
    struct pen_buf basics;           /* members that are the same for all records of an object */
    struct pen_buf basics_key;       /* bucket and key that basics is for */
    struct nrm_memo account, region; /* where the record names none */
    struct pen_buf fallback;         /* an instance as JSON text */
    struct nrm_tree tree;
    struct nrm_line line;
    struct nrm_shown shown;
    struct nrm_period period; /* of the name in index */
    struct pen_buf index, id_buf;
    struct pen_buf
        texts; /* of attributes, without escapes, for one record; never moves meanwhile */
    struct pen_buf scratch; /* texts that scripts make, for one record; never moves meanwhile */
    char time_text[PEN_TIME_MAX + 8];
    size_t time_length;
    char ingested_text[PEN_TIME_MAX];
    size_t ingested_length;
    int64_t ingested_ns;
    char id_text[33];
    pen_slice message;    /* @message; empty: it is left out */
    pen_slice log_type;   /* @log_type, of scripts that name it */
    pen_slice index_tail; /* behind the index name of the type, likewise */
    pen_slice own_id;     /* without the suffix; empty: there is none */
    bool account_is_fallback, region_is_fallback;
    const struct pen_told *told;   /* of the record; NULL: nothing */
    struct pen_enricher *enricher; /* of the shard, or NULL */
    pen_slice peer; /* source.ip as the record has it, where the client is another; or empty */
    struct pen_geo geo[NRM_SIDES_MAX]; /* by side of the schema: texts of slots of the record */
    struct nrm_threats threats;
    struct pen_agent agent; /* likewise */
};

static inline void nrm_set_text(struct pen_normalizer *n, uint32_t slot, pen_slice text,
                                bool is_escaped)
{
    if (slot != PEN_FIELD_NONE) {
        n->slots[slot] =
            (struct nrm_value){.kind = NRM_TEXT, .is_escaped = is_escaped, .text = text};
    }
}

/* First value of a field that is told by column where records have columns, and then it is in
 * *room; NULL: none. */
static inline const struct pen_value *nrm_value_of(const struct pen_record *record, uint32_t field,
                                                   struct pen_value *room)
{
    const struct pen_column *column = pen_record_column(record, field);
    if (column == NULL) {
        return pen_record_first(record, field);
    }
    *room = (struct pen_value){
        .text = column->text, .kind = PEN_STRING, .is_escaped = column->is_escaped};
    return room;
}

/* Slot of an ECS name, PEN_FIELD_NONE when the type has none of that name. */
uint32_t nrm_slot_find(const struct pen_schema *schema, pen_slice ecs);
/* Likewise, a new one when there is none; ecs lives as long as the schema. */
PEN_MUST_USE pen_status nrm_slot_add(struct pen_schema *schema, pen_slice ecs, uint32_t *slot,
                                     struct pen_err *err);
/* The field of a path of the record, dotted as in a type's map.  Before the schema is sealed. */
PEN_MUST_USE pen_status nrm_field_add(struct pen_schema *schema, pen_slice path, uint32_t *field,
                                      struct pen_err *err);
/* Likewise, of one that is read by nrm_value_of alone. */
PEN_MUST_USE pen_status nrm_column_add(struct pen_schema *schema, pen_slice path, uint32_t *field,
                                       struct pen_err *err);
/* One more text of a list of texts; once only.  Of lists of addresses, only addresses. */
void nrm_list_add(struct pen_normalizer *n, uint32_t slot, pen_slice text);

/* line.c: room for the maps of lines; fills slots of a record that has columns. */
PEN_MUST_USE bool nrm_line_new(struct pen_normalizer *n);
void nrm_line_free(struct nrm_line *line);
void nrm_line_fill(struct pen_normalizer *n, const struct pen_record *record);

/* normalize.c: whether an address, of four or of sixteen bytes; the order of a list's texts. */
bool nrm_is_address(pen_slice text);
void nrm_items_sort(struct nrm_item *items, uint32_t count);
/* Whether text is none of the items from `from` on. */
bool nrm_item_is_new(const struct pen_normalizer *n, uint32_t from, pen_slice text);

/* enrich.c: adds the slots of PEN_ENRICH_ parts to those of the map and script; fills them for a
 * record whose other slots are filled. */
/* Whether the map of the type has an object or a value where the field would need the other. */
bool nrm_is_taken(const struct pen_schema *schema, pen_slice ecs);
PEN_MUST_USE pen_status nrm_enrich_build(struct pen_schema *schema, uint32_t wanted,
                                         struct pen_err *err);
void nrm_enrich_fill(struct pen_normalizer *n);

/* client.c, called by enrich.c: the fields of a type's chain of proxies, when PEN_ENRICH_CLIENT is
 * wanted; source.ip becomes the client behind trusted proxies, and one of related.ip. */
PEN_MUST_USE pen_status nrm_client_build(struct pen_schema *schema, uint32_t wanted,
                                         struct pen_err *err);
void nrm_client_fill(struct pen_normalizer *n, const struct pen_record *record);

/* threat.c, called by enrich.c: watches the fields that may be indicators, adds those of
 * threat.enrichments and threat.matched; looks the values of a record up and fills them. */
PEN_MUST_USE pen_status nrm_threat_build(struct pen_schema *schema, uint32_t wanted,
                                         struct pen_err *err);
PEN_MUST_USE pen_status nrm_threat_fill(struct pen_normalizer *n, const struct pen_record *record);
/* The field of ours that rules and queries mean by a name of another form; empty: none. */
pen_slice nrm_threat_name(pen_slice name);

/* times.c: whether the time form of a type can be read. */
PEN_MUST_USE pen_status nrm_time_form_check(const struct pen_type *type, struct pen_err *err);
/* The time in value (may be NULL), in the form of the type; n shows it in time_text.  written_ns
 * gives the year of forms without one. */
bool nrm_time_take(struct pen_normalizer *n, const struct pen_value *value, int64_t written_ns,
                   int64_t *time_ns);
/* The time in the object's key (20250304T050607Z), else about when it was written; shown likewise.
 */
int64_t nrm_time_of_object(struct pen_normalizer *n, const struct pen_object_info *object);

/* Shows a time, in UTC, in time_text. */
void nrm_time_show(struct pen_normalizer *n, int64_t time_ns);
/* Whether the envelope has the time that the type names. */
bool nrm_time_is_told(const struct pen_normalizer *n);
/*
 * The time of a record, shown in n->time_text: that of the type, the script or the envelope.  A
 * record without one that its type asks for has a problem from here on, and like those that have
 * one already the time of its object stands in.  Of types that ask for none INT64_MIN, and the
 * start of the job is shown.
 */
void nrm_time_find(struct pen_normalizer *n, struct pen_record *record,
                   const struct pen_object_info *object, int64_t *time_ns);

/* schema.c: a path in the record, and what is derived under the same name, to a field. */
PEN_MUST_USE pen_status nrm_name_reach(struct pen_schema *schema, pen_slice name, uint32_t field,
                                       struct pen_err *err);
/* The slot of the object of which the name is a member: lat and lon of a location; *key is that. */
uint32_t nrm_member_slot(const struct pen_schema *schema, pen_slice name, pen_slice *key);
PEN_MUST_USE pen_status nrm_derived_add(struct pen_schema *schema,
                                        const struct nrm_derived *derived, struct pen_err *err);
/* derive.c: one more value of a field. */
PEN_MUST_USE pen_status nrm_value_add(struct pen_walker *walker, struct pen_record *record,
                                      uint32_t field, pen_slice text, bool is_escaped);

/* attribute.c: whether the attributes of a type name functions that there are. */
PEN_MUST_USE pen_status nrm_attributes_check(const struct pen_type *type, struct pen_err *err);
/* What the type, or else an ECS field, has under a name of Datadog's, to a field. */
PEN_MUST_USE pen_status nrm_attributes_reach(struct pen_schema *schema, pen_slice name, bool is_tag,
                                             uint32_t field, struct pen_err *err);
/* Room for the texts of a record's attributes; then each of NRM_FROM_FUNCTION. */
PEN_MUST_USE pen_status nrm_texts_begin(struct pen_normalizer *n, const struct pen_record *record);
PEN_MUST_USE pen_status nrm_function_add(struct pen_normalizer *n, struct pen_walker *walker,
                                         struct pen_record *record,
                                         const struct nrm_derived *derived);

/* derive.c: adds what was asked for by other names to the values of the record. */
PEN_MUST_USE pen_status nrm_derive(struct pen_normalizer *n, struct pen_walker *walker,
                                   struct pen_record *record);

/* Whether members of the record at hand are those of lines: then line.ops are all there can be. */
static inline bool nrm_line_has_ops(const struct pen_normalizer *n, const struct pen_record *record)
{
    return record->layout != NULL && n->line.ops != NULL;
}

/* ecs.c: compiles the layout of all slots; writes the members of one record (no outer braces). */
PEN_MUST_USE pen_status nrm_layout(struct pen_schema *schema, struct pen_err *err);
PEN_MUST_USE pen_status nrm_ecs_write(struct pen_normalizer *n, const struct pen_record *record,
                                      struct pen_buf *out);
/* Those members that stand in the object of the type's prefix. */
PEN_MUST_USE pen_status nrm_ecs_write_prefixed(struct pen_normalizer *n, struct pen_buf *out);
/* Whether text (inside of a JSON string) is one of the empty values that documents leave out. */
static inline bool nrm_is_empty(pen_slice text)
{
    if (PEN_LIKELY(text.len > 4)) {
        return false;
    }
    return text.len == 0 || (text.len == 1 && text.ptr[0] == '-') ||
           pen_slice_eq(text, PEN_SLICE_LIT("null")) || pen_slice_eq(text, PEN_SLICE_LIT("[]"));
}

/* patch.c: appends the copy with its patches applied. */
PEN_MUST_USE pen_status nrm_copy_patched(struct pen_normalizer *n, const struct pen_record *record,
                                         struct pen_buf *out);
/* Cuts the long strings of a document that is over the size limit. */
PEN_MUST_USE pen_status nrm_size_guard(struct pen_normalizer *n);

#endif
