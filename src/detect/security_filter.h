/*
 * security_filter.h - security_filters/NAME.yml: which events rules look at.
 *
 * A map has `query`, and may have `exclusion_filters` (each a `query`, and a `name`), `name`,
 * `is_enabled` and `filtered_data_type` (logs).  Once there is one that is enabled, only events
 * that one of them takes, and none of its exclusions, are matched by rules.  Documents are made of
 * all; what is left out is counted (pen_rules_left_out).  Source: reference/datadog.md 4.8.
 */
#ifndef PEN_DETECT_SECURITY_FILTER_H
#define PEN_DETECT_SECURITY_FILTER_H

#include "rules.h"

#define SECURITY_FILTER_FOLDER "security_filters"
#define SECURITY_FILTER_TEXT_MAX 65536 /* bytes of all their queries */

bool security_filter_is_file(const char *path);
/* Every filter of a file's text, or notices why not. */
void security_filter_add_text(struct pen_rules *rules, const char *name, pen_slice text);

#endif
