/*
 * penstock/query.h - Datadog log search syntax to an expression tree.
 *
 * Text in, tree out: knows neither logs nor engines.  Explicit stack, depth limit; errors carry the
 * offset and pen_query_caret draws them.
 */
#ifndef PEN_QUERY_H
#define PEN_QUERY_H

#include "penstock/match.h"

struct pen_query_options {
    pen_field_fn *field; /* "@a.b" is asked as "@a.b", a tag or reserved name "k" as "k" */
    void *field_ctx;
    bool as_rule; /* bare words search `message` only; else any value of the record */
};
#define PEN_QUERY_BYTES_MAX ((size_t)64 << 10)
#define PEN_QUERY_DEPTH_MAX 64

/* *out is arena-owned.  PEN_E_USAGE with err->offset on a syntax error. Empty query: TRUE. */
PEN_MUST_USE pen_status pen_query_parse(struct pen_arena *arena, pen_slice text,
                                        const struct pen_query_options *options,
                                        struct pen_expr **out, struct pen_err *err);
/* Appends "query line\n     ^ reason\n". */
PEN_MUST_USE pen_status pen_query_caret(struct pen_buf *out, pen_slice text,
                                        const struct pen_err *err);

#endif
