/*
 * suppression.h - suppressions/NAME.yml: signals that are kept, but told to nobody.
 *
 * A file holds one map a document, or a list of them: `query` over the signal that would be,
 * `rule_query` over the properties of rules, `reason`, `owner`, `expires`.
 * Source: reference/datadog.md 4.8.
 */
#ifndef PEN_DETECT_SUPPRESSION_H
#define PEN_DETECT_SUPPRESSION_H

#include "side_file.h"

#define SUPPRESSION_FOLDER "suppressions"
#define SUPPRESSIONS_MAX 1000U /* of all files together */

/* The file lies in a folder of suppressions. */
bool suppression_is_file(const char *path);
/* A suppression, or critical asset, joins the set; told when its name is taken, or there are too
 * many. */
void suppression_keep(struct side_file *file, const struct pen_yaml *node,
                      const struct pen_suppression *made);
/* Every suppression of a file's text, or notices why not; the file counts as one rejected document
 * when any is wrong. */
void suppression_add_text(struct pen_rules *rules, const char *name, pen_slice text);

#endif
