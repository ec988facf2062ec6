/* search.h - what a search wants of each record, and how it is written. */
#ifndef PEN_CLI_SEARCH_H
#define PEN_CLI_SEARCH_H

#include "options.h"
#include "search_by.h"
#include "search_ioc.h"

#define SEARCH_FIELDS_MAX 64U
#define SEARCH_TYPES_MAX PEN_TYPES_MAX

enum search_form { SEARCH_JSON, SEARCH_RAW, SEARCH_FIELDS, SEARCH_COUNT, SEARCH_BY };

struct search {
    pen_slice query;
    bool has_query;              /* else every record, of which iocs tell */
    const struct pen_iocs *iocs; /* --ioc; or NULL */
    uint32_t indicators_max;     /* that a record tells */
    enum search_form form;
    bool as_rule;
    const char *as_type;
    bool is_json; /* --as json */
    pen_slice fields[SEARCH_FIELDS_MAX];
    uint32_t field_count;
    uint32_t field_ids[SEARCH_TYPES_MAX][SEARCH_FIELDS_MAX]; /* by type */
    struct search_by by;                                     /* of SEARCH_BY */
};

/* Splits "a,b" into fields.  False: too many, or an empty name. */
PEN_MUST_USE bool search_fields_take(struct search *search, const char *text);
/* pen_program_options.build: the query with the names of one type; ctx is the search. */
pen_status search_build(void *ctx, struct pen_arena *arena, const struct pen_program_type *type,
                        struct pen_expr **out, struct pen_err *err);
/* Appends the line of a record in the form of the search; nothing when it has none of the
 * indicators that are asked for. */
PEN_MUST_USE pen_status search_write(const struct search *search,
                                     const struct pen_pass_record *record, struct pen_buf *out,
                                     struct pen_err *err);

#endif
