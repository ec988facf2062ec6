/* sigma.h - a Sigma rule while it is read: values, identifiers, condition. */
#ifndef PEN_DETECT_SIGMA_H
#define PEN_DETECT_SIGMA_H

#include "penstock/detect.h"
#include "penstock/yaml.h"

/* Building of trees: where nodes go, how names become fields, what went wrong. */
struct builder {
    struct pen_arena *arena;
    pen_field_fn *field;
    void *field_ctx;
    uint32_t line, column; /* of the error */
    struct pen_err *err;
};
PEN_MUST_USE pen_status sigma_fail(struct builder *b, const struct pen_yaml *at, const char *fmt,
                                   ...) PEN_PRINTF(3, 4);
struct pen_expr *expr_new(struct builder *b, enum pen_expr_kind kind, uint32_t kids);

/* Text of a rule with its wildcards and escapes as pieces. */
PEN_MUST_USE pen_status sigma_pieces(struct builder *b, pen_slice text, struct pen_piece **out,
                                     uint32_t *count);
enum scalar_kind { SCALAR_STRING, SCALAR_NUMBER, SCALAR_BOOL, SCALAR_NULL, SCALAR_BAD };
/* What a YAML 1.1 reader takes the scalar for. */
enum scalar_kind sigma_scalar(const struct pen_yaml *node);
bool sigma_is_true(pen_slice text); /* of a scalar that is SCALAR_BOOL */

/* One search identifier to a tree. */
PEN_MUST_USE pen_status sigma_identifier(struct builder *b, const struct pen_yaml *node,
                                         struct pen_expr **out);
/* One item of a map: key "field|modifier|...", value or list of values. */
PEN_MUST_USE pen_status sigma_item(struct builder *b, const struct pen_yaml *item,
                                   struct pen_expr **out);
/* A condition over the identifiers of a detection. */
PEN_MUST_USE pen_status sigma_condition(struct builder *b, const struct pen_yaml *detection,
                                        const struct pen_yaml *condition, struct pen_expr **out);

struct pen_rule_impl {
    const struct pen_yaml *detection;
};

#endif
