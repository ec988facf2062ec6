/*
 * sigma.h - a Sigma document while it is read: scalars, texts, modifiers, identifiers, condition.
 *
 * Every function that can refuse a rule fills builder.err and its place.  All memory is the
 * arena's.
 */
#ifndef PEN_DETECT_SIGMA_H
#define PEN_DETECT_SIGMA_H

#include "penstock/detect.h"
#include "penstock/yaml.h"

#define SIGMA_MODIFIERS_MAX 8u
#define SIGMA_VALUE_BYTES_MAX ((size_t)4 << 20) /* of all values of a rule, aliases resolved */
#define SIGMA_CONDITION_BYTES_MAX 65536u
#define SIGMA_ERRORS_MAX 100U /* that are told of one rule */
#define SIGMA_TEXTS_MAX 200u  /* texts that one value may become: placeholders, dashes, offsets */

/* Building of trees: where nodes go, how names become fields, what went wrong. */
struct builder {
    struct pen_arena *arena;
    pen_field_fn *field;
    void *field_ctx;
    const struct pen_rules_options *options;
    /* Hears of what is accepted but looks wrong; NULL when the rule was read before. */
    void (*warn)(void *ctx, uint32_t line, uint32_t column, const char *text);
    void *warn_ctx;
    /* Hears of each part's error when all errors of a rule are asked for; NULL: the first error
     * ends the reading. */
    void (*error)(void *ctx, uint32_t line, uint32_t column, const char *text);
    uint32_t error_count;
    size_t value_bytes;    /* of the values read so far */
    uint32_t line, column; /* of the error */
    struct pen_err *err;
};
PEN_MUST_USE pen_status sigma_fail(struct builder *b, const struct pen_yaml *at, const char *fmt,
                                   ...) PEN_PRINTF(3, 4);
/* What came of one part of a rule: an error is told, when all are asked for, and the parts behind
 * it are read; what was made of the part is then not to be used. */
PEN_MUST_USE pen_status sigma_part(struct builder *b, pen_status st);
void sigma_warn(struct builder *b, const struct pen_yaml *at, const char *fmt, ...)
    PEN_PRINTF(3, 4);
/* Counts bytes of values against their limit. */
PEN_MUST_USE pen_status sigma_spend(struct builder *b, const struct pen_yaml *at, size_t bytes);
struct pen_expr *expr_new(struct builder *b, enum pen_expr_kind kind, uint32_t kids);

/* ---- sigma_scalar.c: what a YAML 1.1 reader takes a scalar for ---- */

enum scalar_kind {
    SCALAR_STRING,
    SCALAR_INTEGER,
    SCALAR_FLOAT,
    SCALAR_BOOL,
    SCALAR_NULL,
    SCALAR_DATE,
    SCALAR_BAD /* .inf, .nan, an integer that is too large to convert */
};
struct scalar {
    enum scalar_kind kind;
    pen_slice text; /* a number as a decimal JSON number, a boolean as true or false */
    bool is_base60; /* 12:30 was read as a number */
};
struct scalar sigma_scalar(struct pen_arena *arena, const struct pen_yaml *node);

/* ---- sigma_text.c: texts with their wildcards and escapes as pieces ---- */

struct text {
    struct pen_piece *pieces;
    uint32_t count;
};
struct texts {
    struct text *items;
    uint32_t count;
};
struct text sigma_text(struct builder *b, pen_slice raw);
bool sigma_text_has_wildcard(const struct text *text);
/* A run at the front or back, unless one is there. */
struct text sigma_text_open(struct builder *b, const struct text *text, bool front, bool back);
/* A dash or slash that begins a word becomes a class of dashes. */
struct text sigma_text_windash(struct builder *b, const struct text *text);

/* ---- sigma_expand.c: %name% by the values that the options give it ---- */

PEN_MUST_USE pen_status sigma_expand(struct builder *b, const struct pen_yaml *value,
                                     struct texts *out);
/* The same in a regular expression: values are quoted, their wildcards become . and .* */
PEN_MUST_USE pen_status sigma_expand_regex(struct builder *b, const struct pen_yaml *value,
                                           pen_slice **out, uint32_t *count);

/* ---- sigma_encode.c: UTF-16 and Base64 ---- */

enum text_op {
    TEXT_CONTAINS,
    TEXT_STARTS,
    TEXT_ENDS,
    TEXT_WINDASH,
    TEXT_WIDE,
    TEXT_UTF16,
    TEXT_UTF16BE,
    TEXT_BASE64,
    TEXT_BASE64OFFSET
};
/* Encodes every text; base64offset makes three of each. */
PEN_MUST_USE pen_status sigma_encode(struct builder *b, const struct pen_yaml *value,
                                     enum text_op op, struct texts *texts);

/* ---- sigma_modifier.c: a key "field|modifier|..." ---- */

enum item_kind {
    KIND_PLAIN,
    KIND_RE,
    KIND_CIDR,
    KIND_EXISTS,
    KIND_COMPARE,
    KIND_FIELDREF,
    KIND_PART
};
struct item {
    pen_slice field; /* empty: keywords */
    enum item_kind kind;
    bool all, neq, cased, expand;
    bool contains, starts, ends; /* of a regular expression or a field reference */
    bool has_cmp;
    enum text_op ops[SIGMA_MODIFIERS_MAX]; /* PLAIN: in the order of the key */
    uint32_t op_count;
    uint32_t re_flags;
    enum pen_cmp cmp;
    enum pen_part part;
};
PEN_MUST_USE pen_status sigma_modifiers(struct builder *b, const struct pen_yaml *node,
                                        struct item *item);

/* YAML's `<<` is no key of a rule: what it brings in would be missed. */
PEN_MUST_USE pen_status sigma_no_merge_keys(struct builder *b, const struct pen_yaml *map);

/* ---- sigma_value.c, sigma_item.c ---- */

/* One value of an item. */
PEN_MUST_USE pen_status sigma_value(struct builder *b, const struct item *item,
                                    const struct pen_yaml *value, pen_slice key,
                                    struct pen_expr **out);
/* One search identifier to a tree. */
PEN_MUST_USE pen_status sigma_identifier(struct builder *b, const struct pen_yaml *node,
                                         struct pen_expr **out);

/* ---- sigma_condition.c ---- */

/* The identifiers of a detection or of a filter, each built once however often it is named. */
struct scope {
    const struct pen_yaml *map;
    bool is_filter;
    struct pen_expr **built; /* by index of the child; NULL: not named so far */
};
struct scope sigma_scope(struct builder *b, const struct pen_yaml *map, bool is_filter);
/* The child is a key of the format, no identifier. */
bool sigma_is_reserved(const struct scope *scope, const struct pen_yaml *kid);
PEN_MUST_USE pen_status sigma_condition(struct builder *b, const struct scope *scope,
                                        const struct pen_yaml *condition, struct pen_expr **out);

#endif
