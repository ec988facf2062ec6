/* line_ops.h - which ECS members lines of certain columns may have. */
#ifndef PEN_NORMALIZE_LINE_OPS_H
#define PEN_NORMALIZE_LINE_OPS_H

#include "internal.h"

/* Fills ops from the layout of the schema; copies and maps are set.  ops is NULL when lines are
 * written by the layout as it is. */
void nrm_line_ops(const struct pen_schema *schema, struct nrm_line *line);

#endif
