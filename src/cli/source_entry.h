/* source_entry.h - a bucket in `sources:` of penstock.yaml, with what belongs to it alone. */
#ifndef PEN_CLI_SOURCE_ENTRY_H
#define PEN_CLI_SOURCE_ENTRY_H

#include "penstock/node.h"
#include "penstock/yaml.h"

#define SOURCE_NAMES_MAX 4096U /* accounts or types of one source */

/*
 * source_entry_read - {s3: URL, role_arn, external_id, region, endpoint_url, profile,
 * request_payer, accounts, types}.
 *
 * arena    owns what *url and *out point to
 * at       on failure: the node that is wrong
 * Returns  PEN_OK | PEN_E_USAGE | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status source_entry_read(struct pen_arena *arena, const struct pen_yaml *entry,
                                          const char **url, struct pen_source_options *out,
                                          const struct pen_yaml **at, struct pen_err *err);

#endif
