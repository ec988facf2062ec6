/* program_own.h - parts of a program while it is made. */
#ifndef PEN_NODE_PROGRAM_OWN_H
#define PEN_NODE_PROGRAM_OWN_H

#include "penstock/node.h"

/* What the queries of Datadog rules group by and aggregate, for one type.  Before its schema is
 * sealed, after its queries were made. */
PEN_MUST_USE pen_status program_counted(struct pen_program *program, struct pen_program_type *entry,
                                        struct pen_err *err);

#endif
