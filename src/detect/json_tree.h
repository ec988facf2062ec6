/*
 * json_tree.h - JSON (RFC 8259) to a tree of nodes with places, for rule files.
 *
 * Strict, with an explicit stack.  Used when rules are loaded; not on the data path.
 */
#ifndef PEN_DETECT_JSON_TREE_H
#define PEN_DETECT_JSON_TREE_H

#include "penstock/json.h"

#define JSON_TREE_DEPTH_MAX 64U
#define JSON_TREE_NODES_MAX 1000000U /* of one text */
#define JSON_TREE_MEMBERS_MAX 4096U  /* of one object */

struct json_node {
    uint8_t kind;          /* enum pen_kind */
    uint32_t line, column; /* of its first byte, from 1; columns are code points */
    pen_slice text; /* STRING: without escapes, in the arena, NUL behind it; other scalars: as
                     * written */
    pen_slice raw;  /* STRING: between the quotes; other kinds: the whole value; borrows the text */
    struct json_node *key; /* in an object: the node of this child's name, else NULL */
    const char *name;      /* set by schema_check: the name of the member; NULL: not known */
    uint32_t count;        /* children */
    struct json_node *child, *next;
};

struct json_reader {
    struct pen_arena *arena;
    pen_slice text; /* borrowed; UTF-8 */
    size_t at;
    uint32_t nodes;
    uint32_t line, column; /* of the byte at counted */
    size_t counted;
};
/* A byte order mark at the front is passed over. */
void json_tree_begin(struct json_reader *reader, struct pen_arena *arena, pen_slice text);
/*
 * json_tree_next - the next value of the text; several may follow one another, as in JSON lines.
 *
 * *out     arena-owned; NULL at the end
 * err      reason; reader->line and column are its place
 * Returns  PEN_OK | PEN_E_CORRUPT | PEN_E_LIMIT; the text is over after an error
 */
PEN_MUST_USE pen_status json_tree_next(struct json_reader *reader, struct json_node **out,
                                       struct pen_err *err);

/* Column of the byte at offset of a STRING node's text. */
uint32_t json_text_column(const struct json_node *node, size_t offset);

#endif
