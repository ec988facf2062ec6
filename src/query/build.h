/* build.h - fields, values and ranges of a query to nodes of the tree. */
#ifndef PEN_QUERY_BUILD_H
#define PEN_QUERY_BUILD_H

#include "lex.h"

/* What stands before the ':', or nothing for free text. */
struct query_field {
    pen_slice source; /* as written */
    uint32_t id;      /* PEN_FIELD_ANY for "*" */
    bool is_cased;
    bool is_text; /* free text: values are words, and there are no comparisons */
};

struct query_builder {
    struct query_lexer lexer;
    const struct pen_query_options *options;
};

PEN_MUST_USE pen_status query_node(struct query_builder *b, enum pen_expr_kind kind,
                                   struct pen_expr **kids, uint32_t kid_count,
                                   struct pen_expr **out);
/* The field for free text. */
PEN_MUST_USE pen_status query_text_field(struct query_builder *b, struct query_field *out);
/* name is a term of place CLAUSE. */
PEN_MUST_USE pen_status query_field_of(struct query_builder *b, const struct query_term *name,
                                       struct query_field *out);
PEN_MUST_USE pen_status query_exists(struct query_builder *b, const struct query_field *field,
                                     struct pen_expr **out);
/* A term that was read as a value of field, or as free text. */
PEN_MUST_USE pen_status query_match(struct query_builder *b, const struct query_field *field,
                                    const struct query_term *term, struct pen_expr **out);
/* Reads "[a TO b]" or "{a TO b}" at the place of the lexer. */
PEN_MUST_USE pen_status query_range(struct query_builder *b, const struct query_field *field,
                                    struct pen_expr **out);
/* Reads ">5" and the like at the place of the lexer. */
PEN_MUST_USE pen_status query_compare(struct query_builder *b, const struct query_field *field,
                                      struct pen_expr **out);
/* Reads what stands behind "CIDR", from the '(' on. */
PEN_MUST_USE pen_status query_cidr(struct query_builder *b, struct pen_expr **out);

#endif
