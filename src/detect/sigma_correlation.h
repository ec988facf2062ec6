/*
 * sigma_correlation.h - a Sigma correlation while it becomes a rule over windows.
 *
 * A query for each rule that it names (one for all where they group by the same fields), and one
 * case.  Plain rules are counted by their events, correlations by their signals.  Source:
 * reference/sigma.md section 9.
 */
#ifndef PEN_DETECT_SIGMA_CORRELATION_H
#define PEN_DETECT_SIGMA_CORRELATION_H

#include "rules.h"

enum correlation_kind {
    KIND_EVENT_COUNT,
    KIND_VALUE_COUNT,
    KIND_VALUE_SUM,
    KIND_TEMPORAL,
    KIND_ORDERED
};

struct correlation {
    struct pen_rules *rules;
    struct builder *b;
    const struct pen_yaml *map;
    enum correlation_kind kind;
    struct pen_rule **refs;
    pen_slice *names; /* as the correlation calls them */
    uint32_t ref_count;
    const pen_slice *group_by;
    uint32_t group_count;
    bool has_own_fields;     /* aliases stand for other fields in other rules */
    const pen_slice *fields; /* that are counted, several as one value */
    uint32_t field_count;
    pen_slice condition; /* in words, for people */
    struct pen_datadog *out;
    struct pen_rule_impl *impl;
};

/* ---- sigma_correlation.c ---- */

/* One more than count elements of zeros, from the rules' arena. */
void *correlation_take(struct correlation *r, size_t count, size_t size);
/* A text of the map, or a list of them. */
PEN_MUST_USE pen_status correlation_list(struct correlation *r, const char *key,
                                         const pen_slice **out, uint32_t *count);
/* The same of a node, which may be NULL. */
PEN_MUST_USE pen_status correlation_names(struct correlation *r, const struct pen_yaml *node,
                                          const char *key, const pen_slice **out, uint32_t *count);
static inline bool correlation_is_temporal(const struct correlation *r)
{
    return r->kind == KIND_TEMPORAL || r->kind == KIND_ORDERED;
}

/* ---- sigma_parts.c: the rules that it names ---- */

/* The Sigma rule of the set that the text, an id or a name, stands for; or NULL. */
struct pen_rule *correlation_rule_find(struct pen_rules *rules, pen_slice text);
PEN_MUST_USE pen_status correlation_rules(struct correlation *r);
/* Queries, their parts and the stage; after the case was read. */
PEN_MUST_USE pen_status correlation_queries(struct correlation *r);
/* The logsources of all that it is about. */
void correlation_sources(struct correlation *r);

/* ---- sigma_case.c: when it fires ---- */

#define CORRELATION_STEPS_MAX PEN_CONDITION_STEPS_MAX
/* The condition as steps, and the field that is counted. */
PEN_MUST_USE pen_status correlation_condition(struct correlation *r,
                                              struct pen_condition_step *steps, uint32_t *count);
/* Its only case; after the queries. */
void correlation_case(struct correlation *r, struct pen_condition_step *steps, uint32_t count,
                      enum pen_severity severity);

#endif
