/* cluster.h - `- opensearch: URL` of penstock.yaml, with who asks and what is trusted. */
#ifndef PEN_CLI_CLUSTER_H
#define PEN_CLI_CLUSTER_H

#include "penstock/ship.h"
#include "penstock/yaml.h"

/*
 * cluster_read - a map of the list of sinks that begins with `opensearch`.
 *
 * Secrets stand in the file as ${NAME}, of the environment, or file:PATH: never as they are.
 * path   of the config file: paths are relative to its folder
 * out    texts are the arena's
 * at     the node that is wrong
 * Returns PEN_OK | PEN_E_CONFIG, and err tells what of at is wrong
 */
PEN_MUST_USE pen_status cluster_read(struct pen_arena *arena, const char *path,
                                     const struct pen_yaml *entry, struct pen_sink_spec *out,
                                     const struct pen_yaml **at, struct pen_err *err);
/* Whether the URLs of a comma list are such: PEN_OK | PEN_E_USAGE. */
PEN_MUST_USE pen_status cluster_urls_check(const char *urls, struct pen_err *err);

#endif
