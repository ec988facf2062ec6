/*
 * agents.h - what a user agent says of program, system and device, by patterns of a file in the
 * form of uap-core's regexes.yaml.
 */
#ifndef PEN_ENRICH_AGENTS_H
#define PEN_ENRICH_AGENTS_H

#include "penstock/enrich.h"

#define AGENTS_BUILTIN "builtin" /* in place of a path: the patterns of agents.yaml, built in */
#define AGENTS_OFF "off"
#define AGENTS_FILE_BYTES_MAX ((size_t)8 << 20)

struct agents; /* immutable, any thread */
/*
 * agents_open - the patterns of a file, or those that are built in.
 *
 * Returns  PEN_OK | PEN_E_USAGE (names the option, file, line and why) | PEN_E_HOST | PEN_E_NOMEM
 * Cost     2 to 4 s for a file of uap-core
 */
PEN_MUST_USE pen_status agents_open(const char *path, struct agents **out, struct pen_err *err);
void agents_close(struct agents *agents); /* may be NULL */
uint64_t agents_bytes(const struct agents *agents);

struct agent_cache; /* one thread */
PEN_MUST_USE pen_status agent_cache_new(const struct agents *agents, struct agent_cache **out,
                                        struct pen_err *err);
void agent_cache_free(struct agent_cache *cache);         /* may be NULL */
uint64_t agent_cache_memory(const struct agents *agents); /* bytes of one */
/* As pen_enricher_agent. */
bool agent_find(struct agent_cache *cache, pen_slice original, bool is_escaped,
                struct pen_agent *out);

/* ---- between agents.c and agent.c ---- */

enum agent_list { AGENT_PROGRAM, AGENT_SYSTEM, AGENT_DEVICE, AGENT_LISTS };
#define AGENT_TEXTS 5U /* family and version, in up to four parts */

struct agent_pattern {
    pen_slice texts[AGENT_TEXTS]; /* with $1 to $9; ptr NULL: what the group of that number has */
};
const struct agent_pattern *agents_pattern(const struct agents *agents, uint32_t index);
bool agents_have(const struct agents *agents, enum agent_list list); /* any pattern for it */
struct pen_first;
const struct pen_first *agents_first(const struct agents *agents);

#endif
