/*
 * critical_asset.h - critical_assets/NAME.yml: signals that are worse, or less bad, than their rule
 * says.
 *
 * A map has `query` over the signal, and `severity`: info, low, medium, high, critical (in place of
 * the rule's), increase, decrease (a step), no-op.  It may have `rule_query` over properties of
 * rules, `name`, `enabled`, `tags`, `reason` and `owner`.  Of several that hold the worst of those
 * that set a severity counts; else one that increases and one that decreases undo each other.
 * Source: reference/datadog.md 4.8.
 */
#ifndef PEN_DETECT_CRITICAL_ASSET_H
#define PEN_DETECT_CRITICAL_ASSET_H

#include "rules.h"

#define CRITICAL_ASSET_FOLDER "critical_assets"

bool critical_asset_is_file(const char *path);
/* Every asset of a file's text joins the suppressions of the set, or notices tell why not. */
void critical_asset_add_text(struct pen_rules *rules, const char *name, pen_slice text);

#endif
