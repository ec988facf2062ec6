/* type_template.h - what the indices of a user's log type have besides the fields of all. */
#ifndef PEN_CLASSIFY_TYPE_TEMPLATE_H
#define PEN_CLASSIFY_TYPE_TEMPLATE_H

#include "penstock/base.h"

#define TYPE_TEMPLATE_BYTES_MAX ((size_t)512 << 10)

/*
 * type_template_read - the text behind `template:`: JSON, when it begins with a brace, else the
 * path of a file of JSON, from the folder of the type's file.
 *
 * It is one object of `mappings`, `settings` and `aliases`, as OpenSearch has them below "template"
 * of a component template; what is inside is for the cluster to judge.
 * type_file  path of the type's file
 * out        arena-owned, without blanks at its ends
 * Returns    PEN_OK | PEN_E_CONFIG (err has a reason for the user, without the type's file)
 *            | PEN_E_NOMEM
 * Limits     TYPE_TEMPLATE_BYTES_MAX
 * Thread     any; at start.   Source  the _component_template API of OpenSearch 2
 */
PEN_MUST_USE pen_status type_template_read(struct pen_arena *arena, const char *type_file,
                                           pen_slice text, pen_slice *out, struct pen_err *err);

#endif
