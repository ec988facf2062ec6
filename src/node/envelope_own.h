/* envelope_own.h - what the files of envelopes share. */
#ifndef PEN_NODE_ENVELOPE_OWN_H
#define PEN_NODE_ENVELOPE_OWN_H

#include "envelope.h"
#include "parts.h"

#define ENVELOPE_PARTIALS 8U /* containers whose messages may be in pieces at once */

/* Members of envelopes and of their parts. */
enum envelope_field {
    E_MESSAGE_TYPE,
    E_OWNER,
    E_LOG_GROUP,
    E_LOG_STREAM,
    E_ID,
    E_TIMESTAMP,
    E_MESSAGE,
    E_DETAIL_TYPE,
    E_RESOURCES,
    E_DETAIL,
    E_ACCOUNT,
    E_REGION,
    E_TIME,
    E_SOURCE,
    E_LOG,
    E_CONTAINER_ID,
    E_CONTAINER_NAME,
    E_ECS_CLUSTER,
    E_ECS_TASK_ARN,
    E_ECS_TASK_DEFINITION,
    E_EC2_INSTANCE_ID,
    E_PARTIAL_MESSAGE,
    E_PARTIAL_ID,
    E_PARTIAL_LAST,
    E_FIELDS
};

struct partial { /* a message of a container whose last piece has not come */
    struct pen_buf id, text;
    uint64_t offset; /* of its first piece */
    bool is_open;
    bool is_large; /* what is too much of it is gone */
};

struct envelope {
    struct envelope_options options;
    struct pen_plan *plan;
    struct pen_walker *walker; /* of parts: done with one before its message is read */
    struct pen_text *lines;    /* of an export; makes its records with the walker */
    uint32_t fields[E_FIELDS];
    /* object */
    uint32_t kind;
    const struct pen_type *type;
    const struct reader *inner;
    const struct envelope_chooser *chooser; /* or NULL */
    struct left {                           /* what the chooser had no type for */
        uint64_t events, envelopes;
        uint64_t offset; /* of the first event */
        char group[64];  /* of its envelope, cut */
    } left;
    struct parts parts;
    uint64_t ordinal;
    bool has_container; /* the type has fields of its own of that name */
    /* envelope */
    bool is_control; /* what it holds are no records of the type */
    bool is_chosen;  /* the chooser was asked */
    bool is_left;    /* and has no type for it */
    struct pen_buf members, group, stream, account;
    pen_slice owner; /* its account */
    /* part */
    bool is_open; /* more records of the message may come */
    uint64_t offset;
    struct pen_buf id, part_account, part_region, instance, scratch;
    char time_text[PEN_TIME_MAX + 2];
    struct pen_told told;
    struct partial partials[ENVELOPE_PARTIALS];
};

/* The text of a member, in buf; empty when there is none. */
pen_slice envelope_text(const struct envelope *e, const struct pen_record *record,
                        enum envelope_field field, struct pen_buf *buf);
/* Adds ,"NAME":"TEXT" to the members of documents, unless text is empty. */
void envelope_member(struct envelope *e, const char *name, pen_slice text);
bool envelope_is_account(pen_slice text);
/* Where text stands, to be written: the window is ours. */
uint8_t *envelope_writable(const uint8_t *text);
/* Something that is no record of the type stands where one should be; err tells what. */
enum pen_next envelope_bad(struct envelope *e, const struct part *part, struct pen_record *record);
/* One message, as text, through the reader of the type.  PEN_NEXT_END: it holds nothing. */
enum pen_next envelope_message(struct envelope *e, pen_slice message, struct pen_record *record,
                               struct pen_err *err);

/* envelope_event.c: when message is an event of EventBridge, tells what it says and makes message
 * its detail. */
void event_unwrap(struct envelope *e, pen_slice *message);
/* A line of an export. */
enum pen_next export_read(struct envelope *e, const struct pen_record *line,
                          struct pen_record *record, struct pen_err *err);
/* What the key of an export tells. */
void export_begin(struct envelope *e, pen_slice key);

/* firelens.c: a record of a container, or a piece of one. */
enum pen_next firelens_read(struct envelope *e, const struct part *part, struct pen_record *record,
                            struct pen_err *err);
/* At the end: a message whose last piece never came is bad; PEN_NEXT_END: there is none. */
enum pen_next firelens_rest(struct envelope *e, struct pen_record *record, struct pen_err *err);

#endif
