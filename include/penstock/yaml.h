/*
 * penstock/yaml.h - YAML text to a tree of nodes with places, over libyaml.
 *
 * Never guesses types: a scalar is text plus whether it was plain.  Limits guard against bombs.
 * Used at start for config, log types, rules; not on the data path.  One arena owns all nodes.
 */
#ifndef PEN_YAML_H
#define PEN_YAML_H

#include "penstock/base.h"

enum pen_yaml_kind { PEN_YAML_SCALAR, PEN_YAML_SEQ, PEN_YAML_MAP };

struct pen_yaml {
    enum pen_yaml_kind kind;
    bool is_plain;         /* scalar without quotes or block style (its type is to be guessed) */
    uint32_t line, column; /* from 1 */
    pen_slice text;        /* scalar; NUL behind it */
    uint32_t count;        /* children */
    struct pen_yaml *key;  /* in a map: this child's key node, else NULL */
    struct pen_yaml *child;
    struct pen_yaml *next;
};

struct pen_yaml_limits {
    size_t bytes_max;
    uint32_t nodes_max, depth_max, alias_nodes_max;
};
extern const struct pen_yaml_limits pen_yaml_limits_default; /* 1 MiB, 100,000, 64, 10,000 */

struct pen_yaml_docs {
    struct pen_yaml **roots; /* empty documents are left out */
    uint32_t count;
};

/*
 * pen_yaml_parse - every document of text.
 *
 * text     borrowed until return (copied); UTF-8, LF or CRLF
 * err      "line:column: reason" in text; a duplicate key, an alias cycle, a limit
 * Returns  PEN_OK | PEN_E_CORRUPT | PEN_E_LIMIT.  *out is arena-owned.
 */
PEN_MUST_USE pen_status pen_yaml_parse(struct pen_arena *arena, pen_slice text,
                                       const struct pen_yaml_limits *limits,
                                       struct pen_yaml_docs *out, struct pen_err *err);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_yaml_libraries(struct pen_buf *out);

/* Child of a map by key, or NULL (also when node is NULL or no map). */
const struct pen_yaml *pen_yaml_get(const struct pen_yaml *node, const char *key);
/* Text of a scalar child, or {NULL,0}. */
pen_slice pen_yaml_text(const struct pen_yaml *node, const char *key);

#endif
