/* ledger.h - what a commit adds up: counters, dead letters, finished objects of one epoch. */
#ifndef PEN_NODE_LEDGER_H
#define PEN_NODE_LEDGER_H

#include "penstock/node.h"

#include "planner.h"

/* Records of one object that are not of its own type, by theirs: envelopes of several types may
 * share an object.  Records of more types than fit count under that of the object. */
#define OTHER_TYPES_MAX 16U
struct other_types {
    uint32_t count;
    struct other_type {
        uint32_t type;
        uint64_t records, dead, unparsed;
    } rows[OTHER_TYPES_MAX];
};
/* The row of a type, made when it is new; NULL: there is no room. */
struct other_type *other_type_of(struct other_types *others, uint32_t type);
/* A copy that the caller frees; NULL when there is nothing in it. */
struct other_types *other_types_copy(const struct other_types *others);

struct finished_object {
    uint32_t unit;
    uint64_t name_hash;
    char *path; /* of one that an earlier process left open, else NULL */
};
struct ended_object {        /* one that was read to its end, and may have to be taken back later */
    const struct unit *unit; /* lives as long as the planner */
    uint64_t name_hash;
    char *path, *key;
    struct pen_totals whole;    /* what it added, with what earlier runs committed of it */
    struct other_types *others; /* likewise, of this run alone; NULL: none */
    uint32_t type;
    int outcome;     /* enum object_outcome */
    const char *gap; /* static; NULL: none */
    char account[16];
};
struct ledger {
    struct pen_totals totals;
    struct pen_type_totals by_type[PEN_TYPES_MAX]; /* those that were met */
    uint32_t type_count;
    struct pen_gap gaps[PEN_GAPS_MAX];
    uint32_t gap_count;
    struct pen_buf dead; /* lines */
    struct finished_object *finished;
    uint32_t finished_count, finished_cap;
    struct ended_object *ended; /* with a cluster all, else those with a dead letter */
    uint32_t ended_count, ended_cap;
    /* Event times of objects without a dead letter: those of the others can be taken back. */
    int64_t sound_first_ns, sound_last_ns;
};
void ledger_init(struct ledger *ledger);
void ledger_fini(struct ledger *ledger);
void ledger_finished(struct ledger *ledger, const struct pen_object *object);
/* Copies *ended, and of the object its names. */
void ledger_ended(struct ledger *ledger, const struct pen_object *object,
                  const struct ended_object *ended);
/* Widens a range of event times by another; 0 as the last one: empty. */
void times_merge(int64_t *first_ns, int64_t *last_ns, int64_t first, int64_t last);
/* Adds to the row of a type, by its name. */
void ledger_type(struct ledger *ledger, const struct pen_type_totals *type);
/* The row of a type, or NULL: nothing was met of it. */
const struct pen_type_totals *ledger_type_of(const struct ledger *ledger, pen_slice name);
void ledger_gap(struct ledger *ledger, const char *cause, pen_slice account, uint64_t count);
/* Adds the counters of from to to (not dead letters, not lists of objects). */
void ledger_merge(struct ledger *to, const struct ledger *from);
/* Takes the counters of from out of to, all but times and bytes_shipped; never below 0. */
void ledger_subtract(struct ledger *to, const struct ledger *from);
void ledger_clear(struct ledger *ledger);
void totals_merge(struct pen_totals *to, const struct pen_totals *from);

/* Counters as text lines "name value" and a NUL, and back, for the checkpoint. */
#define LEDGER_TEXT_MAX ((size_t)1 << 20)
PEN_MUST_USE pen_status ledger_write(const struct ledger *ledger, struct pen_buf *out);
PEN_MUST_USE pen_status ledger_read(struct ledger *ledger, pen_slice text, struct pen_err *err);

#endif
