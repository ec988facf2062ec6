/* schema.h - which members objects of JSON have: tables, and the check of a tree against them. */
#ifndef PEN_DETECT_SCHEMA_H
#define PEN_DETECT_SCHEMA_H

#include "datadog.h"

enum schema_kind {
    SCHEMA_ANY, /* what only the server writes: not looked at */
    SCHEMA_TEXT,
    SCHEMA_BOOL,
    SCHEMA_INTEGER,
    SCHEMA_TEXTS, /* array of strings */
    SCHEMA_OBJECT,
    SCHEMA_OBJECTS, /* array of objects */
};
struct schema_member {
    const char *name;
    enum schema_kind kind;
    bool is_required;
    const struct schema *object;      /* of OBJECT and OBJECTS */
    const char *const *words;         /* of TEXT: the ones allowed, NULL behind the last */
    const int32_t *numbers;           /* of INTEGER: the ones allowed */
    uint32_t number_count;            /* 0: least to most */
    int64_t least, most;              /* most 0: no bound */
    uint32_t items_least, items_most; /* of arrays; most 0: no bound */
    const char *terraform;            /* name of the block; NULL: the name in snake case */
    const char *terraform_too;        /* another name of the block, or NULL */
};
struct schema {
    const char *what;
    const struct schema_member *members;
    uint32_t count;
};
extern const struct schema datadog_rule_schema;

/* Tells every mistake in the tree below root; sets json_node.name of the members that are known.
 * A null is as good as no member. */
void schema_check(struct datadog *d, struct json_node *root, const struct schema *schema);

#endif
