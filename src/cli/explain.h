/* explain.h - a rule's condition on one record, node by node, as text or JSON. */
#ifndef PEN_CLI_EXPLAIN_H
#define PEN_CLI_EXPLAIN_H

#include "cli.h"

struct explain {
    const struct pen_program *program;
    uint32_t rule; /* index in the rule set */
    bool json;
};
/*
 * explain_write - appends what the rule says of a record.
 *
 * Any thread; e is only read.  Compiles the rule's regexes anew for each record.
 * Returns  PEN_OK | PEN_E_NOMEM | PEN_E_LIMIT (out) | PEN_E_INTERNAL (the plain evaluation and the
 *          engine differ)
 */
PEN_MUST_USE pen_status explain_write(const struct explain *e, const struct pen_pass_record *record,
                                      struct pen_buf *out, struct pen_err *err);

#endif
