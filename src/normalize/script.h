/*
 * script.h - what the scripts of log types share: reading values, filling slots, making texts.
 *
 * Texts that a script sets are the inside of a JSON string.  They borrow the record, or the scratch
 * of the normalizer, whose size is set before the script runs: it never moves.
 */
#ifndef PEN_NORMALIZE_SCRIPT_H
#define PEN_NORMALIZE_SCRIPT_H

#include "internal.h"

static inline const struct pen_value *script_value(const struct pen_normalizer *n,
                                                   const struct pen_record *record, uint32_t field)
{
    return pen_record_first(record, n->schema->script_fields[field]);
}

/* The text of a string or number that is not empty; {0} when there is none. */
static inline pen_slice script_text(const struct pen_normalizer *n, const struct pen_record *record,
                                    uint32_t field)
{
    struct pen_value room;
    const struct pen_value *value = nrm_value_of(record, n->schema->script_fields[field], &room);
    const bool is_text = value != NULL && (value->kind == PEN_STRING || value->kind == PEN_NUMBER);
    return is_text ? value->text : (pen_slice){0};
}

static inline struct nrm_value *script_slot(struct pen_normalizer *n, uint32_t slot)
{
    return &n->slots[n->schema->script_slots[slot]];
}

/* text may have escapes: it is a part of a value, or was escaped. */
static inline void script_set(struct pen_normalizer *n, uint32_t slot, pen_slice text)
{
    const bool is_escaped = text.len > 0 && memchr(text.ptr, '\\', text.len) != NULL;
    nrm_set_text(n, n->schema->script_slots[slot], text, is_escaped);
}

/* text has no escapes. */
static inline void script_set_plain(struct pen_normalizer *n, uint32_t slot, pen_slice text)
{
    nrm_set_text(n, n->schema->script_slots[slot], text, false);
}

static inline void script_set_json(struct pen_normalizer *n, uint32_t slot, pen_slice json)
{
    *script_slot(n, slot) = (struct nrm_value){.kind = NRM_JSON, .text = json};
}

static inline void script_clear(struct pen_normalizer *n, uint32_t slot)
{
    *script_slot(n, slot) = (struct nrm_value){.kind = NRM_NONE};
}

static inline bool script_is(pen_slice text, const char *word)
{
    return pen_slice_eq(text, pen_slice_str(word));
}

/* Whether text is one of the words, which end with a NULL. */
bool script_is_one(pen_slice text, const char *const *words);
/* A copy in the scratch; {0} when it is full.  The first in lower case (ASCII). */
pen_slice script_lower(struct pen_normalizer *n, pen_slice text);
pen_slice script_join(struct pen_normalizer *n, pen_slice a, pen_slice b);
/* These texts one behind the other, in the scratch; {0} when it is full. */
pen_slice script_concat(struct pen_normalizer *n, const pen_slice *parts, size_t count);
/* text (the inside of a JSON string) with %xx read as bytes; as it was when there is no room. */
pen_slice script_percent(struct pen_normalizer *n, pen_slice text);
/* Plain text as the inside of a JSON string, in the scratch; {0} when there is no room. */
pen_slice script_escaped(struct pen_normalizer *n, pen_slice plain);
/* One more text of a list of texts; once only.  Of lists of addresses, only addresses. */
void script_list_add(struct pen_normalizer *n, uint32_t slot, pen_slice text);
/* Its texts in the order of their bytes. */
void script_list_sort(struct pen_normalizer *n, uint32_t slot);
/* The tree of a container in n->tree; NRM_TREE_NONE when value is none. */
uint32_t script_tree(struct pen_normalizer *n, const struct pen_value *value);
/* The text at a path of members below a node, {0} when there is none; the path ends with a NULL. */
pen_slice script_below(const struct pen_normalizer *n, uint32_t node, const char *const *path);
/* Names the document: own_id_suffix, of which @id is own_id. */
void script_id(struct pen_normalizer *n, struct pen_doc *doc, pen_slice own_id, pen_slice suffix);
/* What a finding of GuardDuty tells of traffic, wherever it is told; slots by number. */
struct script_finding {
    pen_slice action, way, purpose, family;
    uint32_t direction, category; /* network.direction, event.category */
    uint32_t source, destination; /* of the first of as many slots of both ends, */
    uint32_t end_slots;           /* in the same order */
};
/* Sets the direction, and the category of malware; the ends of an outbound connection change
 * places, since what the finding is about comes first in it. */
void script_finding_set(struct pen_normalizer *n, const struct script_finding *finding);
/* The group and the stream of CloudWatch Logs that the record came by; {0} when by none. */
pen_slice script_group(const struct pen_normalizer *n);
pen_slice script_stream(const struct pen_normalizer *n);
/* The instance that the stream is named after: its id, and one of the related hosts. */
void script_instance_set(struct pen_normalizer *n, uint32_t instance, uint32_t hosts);
/* The key of the object that the record is from. */
pen_slice script_key(const struct pen_normalizer *n);
/* text without what stands before the last byte of this kind, and that; text when there is none. */
pen_slice script_after_last(pen_slice text, uint8_t byte);
/* The part of text with this number (from 0), parted by a byte; {0} when there are fewer. */
pen_slice script_part(pen_slice text, uint8_t byte, uint32_t number);
/* Letters, digits and underscores at the beginning of rest, which is cut. */
pen_slice script_word(pen_slice *rest);
/* Without blanks around it and without this byte at its end. */
pen_slice script_without_tail(pen_slice text, uint8_t byte);

#endif
