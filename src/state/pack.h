/* pack.h - observations of a run: texts that many of them share stand in a table, once.
 *
 * A packed observation is a fixed part and a tail (README.md, "A run").  Texts of the fixed part
 * are numbers in the table of its run; what the table does not take, because it is full or the text
 * is long, stands in the tail.  One thread. */
#ifndef STATE_PACK_H
#define STATE_PACK_H

#include "penstock/state.h"

#define PACK_TEXTS_MAX 8192U
#define PACK_TEXT_BYTES_MAX 512U /* longer ones are never shared */
#define PACK_TABLE_BYTES_MAX (512U << 10)
#define PACK_RULES 256U
/* Of a table as pack_table_write makes it. */
#define PACK_WRITTEN_MAX (PACK_TEXTS_MAX * sizeof(uint16_t) + PACK_TABLE_BYTES_MAX)

/* Texts of a kind have a part of the table for themselves: a rule with a million groups takes no
 * room from objects. */
enum pack_kind {
    PACK_FEW,
    PACK_GROUP,
    PACK_WHO,
    PACK_OBJECT,
    PACK_VALUE,
    PACK_ATTRIBUTE,
    PACK_BEFORE, /* what stands before a text that is told by another */
    PACK_KINDS
};
enum pack_field { /* in the order of the tail */
                  PACK_RULE,
                  PACK_GROUP_BY,
                  PACK_ACCOUNT,
                  PACK_REGION,
                  PACK_ACTOR,
                  PACK_IP,
                  PACK_INDEX,
                  PACK_OBJECT_KEY,
                  PACK_VALUES,
                  PACK_ATTRIBUTES,
                  PACK_FIELDS
};

/* Where a text of the table stands: all that must be known to compare it. */
struct pack_place {
    uint32_t from;
    uint16_t len;
    uint16_t number; /* and 1; 0: of none */
};
struct pack_table {
    struct pen_buf bytes;
    struct pack_text {
        uint32_t from, len;
    } * texts; /* by number */
    uint32_t count;
    struct pack_place *slots; /* by hash; only where texts are added */
    struct pack_share {
        uint32_t texts, bytes;
        uint32_t asked, found; /* look-ups since it was full, or since they were last judged */
        bool is_left;          /* its texts are looked up no more: most of them are others */
    } kinds[PACK_KINDS];
    struct pack_place last[PACK_FIELDS]; /* what a field had last */
    struct pack_place rules[PACK_RULES]; /* the id of a rule, by the last bits of its number */
    struct pen_buf told; /* group and attributes of the one that was taken last, put together */
};
#define PACK_NONE UINT32_MAX
/* Little endian, as every machine that penstock runs on; a line of the cache. */
struct packed {
    uint32_t bytes; /* all of it, this struct included */
    uint32_t rule;
    int64_t time, promise;
    uint64_t record;
    uint32_t event_len;
    uint16_t id_len, query, others;
    uint16_t partition;          /* and a bit that it is of a cold signal */
    uint16_t texts[PACK_FIELDS]; /* numbers in the table, or what pack.c says */
};
_Static_assert(sizeof(struct packed) == 64, "the layout is written to disk");

/* For adding or reading; allocates nothing yet. */
void pack_table_init(struct pack_table *t);
void pack_table_fini(struct pack_table *t);
/* Empty again; keeps its memory. */
void pack_table_clear(struct pack_table *t);
/* Appends the table to out: lengths, then texts; its count is told apart. */
PEN_MUST_USE pen_status pack_table_write(const struct pack_table *t, struct pen_buf *out);
/* Replaces the table by what was written.  PEN_E_CORRUPT: lengths and bytes disagree. */
PEN_MUST_USE pen_status pack_table_read(struct pack_table *t, uint32_t count, pen_slice in);

/* An observation on its way into a run; borrows its texts. */
struct pack_made {
    struct packed head;           /* its bytes: what pack_put writes */
    uint32_t inlined;             /* bits of the fields whose texts stand in the tail */
    pen_slice texts[PACK_FIELDS]; /* of those alone */
    pen_slice id, event;
};
/* An observation with this actor and source address comes soon: asks memory for their places. */
void pack_expect(const struct pack_table *t, pen_slice actor, pen_slice source_ip);
/* Makes it of o, whose partition is told; puts texts into the table.  PEN_E_LIMIT: a text is longer
 * than an observation may hold. */
PEN_MUST_USE pen_status pack_make(struct pack_table *t, const struct pen_observation *o,
                                  uint32_t partition, struct pack_made *made);
void pack_put(uint8_t *to, const struct pack_made *made);
/* Both, to the end of out. */
PEN_MUST_USE pen_status pack_add(struct pen_buf *out, struct pack_table *t,
                                 const struct pen_observation *o, uint32_t partition);
/* Of one that pack_put wrote: all its bytes, its event's time, and its partition. */
uint32_t pack_bytes(const uint8_t *packed);
int64_t pack_time(const uint8_t *packed);
uint32_t pack_partition(const uint8_t *packed);
/* pen_state_order of two of one table that have the same release time. */
int pack_order(const struct pack_table *t, const uint8_t *a, const uint8_t *b);
/* Takes one off in.  o borrows in and, until the next is taken, the table.  PEN_E_TRUNCATED,
 * PEN_E_CORRUPT: nothing taken. */
PEN_MUST_USE pen_status pack_take(pen_slice *in, struct pack_table *t, struct pen_observation *o,
                                  uint32_t *partition, struct pen_err *err);

#endif
