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
/* What the state needs to know of a Sigma rule. */
struct pen_state_rule observe_rule(const struct pen_rule *rule, int64_t keep_alive_ns);

#endif
