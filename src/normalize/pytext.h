/*
 * pytext.h - the text that Python's str() and repr() give for a JSON value: single quotes, True,
 * False, None.  Documents of the reference carry such text where one field has several types.
 */
#ifndef PEN_NORMALIZE_PYTEXT_H
#define PEN_NORMALIZE_PYTEXT_H

#include "tree.h"

/* Appends the plain text (not JSON-escaped) of repr(value).  plain is scratch. */
PEN_MUST_USE pen_status nrm_pytext(const struct nrm_tree *tree, uint32_t root,
                                   struct pen_buf *plain, struct pen_buf *out);

#endif
