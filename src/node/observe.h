/* observe.h - how a record that matched is named to the state. */
#ifndef PEN_NODE_OBSERVE_H
#define PEN_NODE_OBSERVE_H

#include "penstock/node.h"

/* Replaces out by the compact JSON object of the group-by values of a Sigma match. */
struct observed {
    const struct pen_doc *doc;
    const struct pen_record *record;
    uint32_t type; /* id */
};
PEN_MUST_USE pen_status observe_group(struct pen_buf *out, const struct pen_program *program,
                                      const struct observed *of);
/* The same for one rule when it has names of its own; else *group stays what it is.  out holds what
 * *group then borrows. */
PEN_MUST_USE pen_status observe_own_group(struct pen_buf *out, const struct pen_program *program,
                                          uint32_t rule_index, const struct observed *of,
                                          pen_slice *group);

/* ---- matches of Datadog rules ---- */

#define OBSERVER_NAMES_MAX 16U /* names that a query groups by, or aggregates */

struct observer { /* buffers of one thread */
    const struct pen_program *program;
    uint32_t elements_max;  /* groups of an event for a query, and values */
    bool is_cut;            /* the last one had more */
    struct observer_texts { /* of one name: insides of JSON strings behind one another */
        struct pen_buf bytes;
        size_t *ends;
        uint32_t count, cap;
        bool has_equals; /* the same text may stand there twice: of numbers that are summed */
    } names[OBSERVER_NAMES_MAX];
    struct pen_buf plain, group, values, attributes, event, keys;
};
/* Appends a name as it stands in an object behind another member: `,"name":`. */
PEN_MUST_USE pen_status observe_key(struct pen_buf *out, pen_slice name);
void observer_init(struct observer *ob, const struct pen_program *program, uint32_t elements_max);
void observer_fini(struct observer *ob);
typedef pen_status observe_fn(void *ctx, const struct pen_observation *o);
/*
 * observe_query - hands the observation of a match to fn, for each group that the event joins.
 *
 * An event joins the group of each element when a name that the query groups by has a list, and
 * none when a name has no value (unless those are optional).  Of several names with lists it joins
 * all combinations.  Queries that share an observation have it made by the first of them; for the
 * others nothing is handed on.
 * o        all but group, values and attributes, which borrow ob until the next call
 * Returns  what fn fails with | PEN_E_NOMEM | PEN_E_LIMIT
 */
PEN_MUST_USE pen_status observe_query(struct observer *ob, const struct pen_program_query *query,
                                      const struct pen_record *record, struct pen_observation *o,
                                      observe_fn *fn, void *ctx);

/* ---- their parts, for observe_signal.c ---- */

void observer_text_reset(struct observer_texts *t);
/* Adds the inside of a JSON string unless it is there, or elements_max are. */
PEN_MUST_USE pen_status observer_text_add(struct observer *ob, struct observer_texts *t,
                                          pen_slice inside);
/* Appends to values: tuples of the texts of the first count names; of the numbers among the texts
 * of the first name the sum, or the largest.  Without a number nothing. */
PEN_MUST_USE pen_status observer_tuples(struct observer *ob, uint32_t count);
PEN_MUST_USE pen_status observer_number(struct observer *ob, enum pen_aggregation kind);
/* Appends a member to attributes, if it fits; key: of observe_key. */
PEN_MUST_USE pen_status observer_attribute(struct observer *ob, pen_slice key,
                                           const struct observer_texts *t);
/* One call of fn for each choice of the texts of the names that query groups by. */
PEN_MUST_USE pen_status observer_groups(struct observer *ob, const struct pen_program_query *query,
                                        struct pen_observation *o, observe_fn *fn, void *ctx);

/* ---- signals as events of rules over signals ---- */

struct observed_signal {
    const struct pen_signal *signal;
    struct pen_observation o; /* but for rule, query, group, values and attributes */
    char index[64];
};
/* What is the same for all rules that hear of the signal of rule; borrows ob until the next. */
void observer_signal_begin(struct observer *ob, const struct pen_rule *rule,
                           const struct pen_signal *signal, struct observed_signal *out);
/*
 * observer_signal - hands the observation of an opening to fn, for each group that it joins.
 *
 * It joins none when a field has no value: a member that its group has not, or an attribute that no
 * event kept with it tells.
 * over     the rule that hears of it, at over_index of the set, by part of query
 * Returns  what fn fails with | PEN_E_NOMEM | PEN_E_LIMIT
 */
PEN_MUST_USE pen_status observer_signal(struct observer *ob, const struct pen_rule *over,
                                        uint32_t over_index, uint32_t query,
                                        const struct pen_rule_part *part,
                                        struct observed_signal *of, observe_fn *fn, void *ctx);

/* Sets o->attributes to what a match of a Sigma rule tells; it borrows ob until the next call. */
PEN_MUST_USE pen_status observe_attributes(struct observer *ob,
                                           const struct pen_program_query *query,
                                           const struct pen_record *record,
                                           struct pen_observation *o);

/* What the state needs to know of a rule; keep_alive_ns is that of Sigma rules. */
struct pen_state_rule observe_rule(const struct pen_rule *rule, int64_t keep_alive_ns);

#endif
