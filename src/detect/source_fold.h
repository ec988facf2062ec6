/*
 * source_fold.h - what `source:` and `service:` of a query say about a log type, without any event.
 *
 * Every record of a type has the same source, and no service but that (reference/datadog.md 1.5):
 * predicates on them are true or false once the type is known.  Not so of `json`, whose records say
 * themselves what they are.
 */
#ifndef PEN_DETECT_SOURCE_FOLD_H
#define PEN_DETECT_SOURCE_FOLD_H

#include "penstock/classify.h"
#include "penstock/match.h"

/* The id that predicates on source and service have in a tree that is to be folded. */
#define SOURCE_FIELD (UINT32_MAX - 2)

/* True for names of log search syntax that have SOURCE_FIELD for records of the type. */
bool source_is_known(pen_slice name, const struct pen_type *type);

enum source_verdict { SOURCE_NEVER, SOURCE_ALWAYS, SOURCE_MAYBE };
/* The tree passed pen_expr_check.  Of types without known source: never only when nothing else can
 * come of it. */
enum source_verdict source_verdict(const struct pen_expr *expr, const struct pen_type *type);
/* Puts the verdicts into the tree: no predicate on SOURCE_FIELD is left. */
void source_fold(struct pen_expr *expr, const struct pen_type *type);

#endif
