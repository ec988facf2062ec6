/* search_by.h - --by, --distinct and --every: which groups a record counts in. */
#ifndef PEN_CLI_SEARCH_BY_H
#define PEN_CLI_SEARCH_BY_H

#include "cli.h"

#define SEARCH_BY_MAX 8U
#define SEARCH_BY_SLOTS (SEARCH_BY_MAX + 1) /* and the field of --distinct behind them */
#define SEARCH_OWN_PREFIX "_penstock."

struct search_by {
    pen_slice names[SEARCH_BY_SLOTS];
    uint32_t count;        /* of --by */
    bool has_distinct;     /* its name is the one behind those of --by */
    int64_t every_ns;      /* 0: the whole range is one span */
    uint32_t elements_max; /* values of one field in a record, and groups of a record */
    uint32_t field_ids[PEN_TYPES_MAX][SEARCH_BY_SLOTS];
};
struct search_by_head {   /* of a group that a record is in, as search_by_write appends it: */
    uint32_t key_bytes;   /* then the group, a compact JSON object, */
    uint32_t value_count; /* then a struct pen_hash128 for each value of --distinct */
    bool is_cut;          /* the record had more values or groups than elements_max */
};

/* Splits "a,b" of --by.  False: too many, an empty name, or given twice. */
PEN_MUST_USE bool search_by_take(struct search_by *by, const char *text);
/* A name of the record's own "_penstock.": object, record, event_time, type, account or region.
 * False: there is no such.  *out borrows the record or text. */
bool search_own_value(const struct pen_pass_record *record, pen_slice name, char text[PEN_TIME_MAX],
                      pen_slice *out);
/* The fields of a type; before its schema is sealed.  PEN_E_USAGE: a name that there is not. */
PEN_MUST_USE pen_status search_by_fields(struct search_by *by, const struct pen_program_type *type,
                                         struct pen_err *err);
/*
 * search_by_write - appends each group that the record is in.
 *
 * A record is in the group of each element of a list, and of all combinations when several names
 * have lists; a name without a value is null.  Thread: any, by is only read.
 */
PEN_MUST_USE pen_status search_by_write(const struct search_by *by,
                                        const struct pen_pass_record *record, struct pen_buf *out);

#endif
