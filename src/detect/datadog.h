/*
 * datadog.h - a Datadog detection rule while it is read: its JSON, what is wrong with it, its
 * parts.
 *
 * Every mistake of a rule becomes a notice with its place, and reading goes on; a rule with errors
 * is left out.  All memory is the arena's.  Source: reference/datadog.md 4.
 */
#ifndef PEN_DETECT_DATADOG_H
#define PEN_DETECT_DATADOG_H

#include "json_tree.h"
#include "rules.h"

#define DATADOG_RULE_BYTES_MAX ((size_t)1 << 20) /* of one rule's JSON */
#define DATADOG_ERRORS_MAX 100U                  /* that are told of one rule */
#define DATADOG_QUERIES_MAX 10U                  /* as Datadog has it; likewise of cases */
#define DATADOG_CASES_MAX 10U
#define DATADOG_GROUP_BY_MAX PEN_STATE_QUERIES_MAX
#define DATADOG_VALUES_MAX 16U     /* distinct fields of a query */
#define DATADOG_ATTRIBUTES_MAX 64U /* that message and title name */
#define DATADOG_NAME_BYTES_MAX 1000U

struct datadog {
    struct pen_rules *rules;
    struct pen_arena *arena;
    pen_slice file;
    bool is_terraform;
    uint32_t errors;
    const struct json_node *root;
};

/* ---- datadog_notice.c ---- */

void datadog_error(struct datadog *d, const struct json_node *at, const char *fmt, ...)
    PEN_PRINTF(3, 4);
/* At the byte at offset of a string. */
void datadog_error_in(struct datadog *d, const struct json_node *text, size_t offset,
                      const char *reason);
void datadog_warn(struct datadog *d, const struct json_node *at, const char *fmt, ...)
    PEN_PRINTF(3, 4);
void datadog_warn_in(struct datadog *d, const struct json_node *text, size_t offset,
                     const char *reason);

/* ---- schema.c: members by name, once schema_check has named them ---- */

/* A member by the API's name, or NULL: also when it is null or not of the kind. */
const struct json_node *datadog_get(const struct json_node *object, const char *name, uint8_t kind);
/* Text of a string member, or {NULL, 0}. */
pen_slice datadog_text(const struct json_node *object, const char *name);
/* False when there is no such number. */
bool datadog_number(const struct json_node *object, const char *name, int64_t *out);
bool datadog_is_true(const struct json_node *object, const char *name);
/* The texts of an array that are not empty, arena-owned. */
const pen_slice *datadog_texts(struct datadog *d, const struct json_node *object, const char *name,
                               uint32_t *count);

/* ---- datadog_built.c: what is built so far ---- */

/* Tells one error for what is not built, by name.  True: all of it is. */
bool datadog_is_built(struct datadog *d);
/* options.detectionMethod, threshold when there is none. */
pen_slice datadog_method(const struct json_node *root);

/* ---- datadog_query.c ---- */

/* Checks the text of a member; false, and told, when it is no query. */
bool datadog_query_check(struct datadog *d, const struct json_node *text);
/* Parts that all have to hold, and the filters of the rule; arena-owned. */
pen_slice datadog_query_text(struct datadog *d, const struct json_node *at, const pen_slice *parts,
                             uint32_t count);
/* Tells what is wrong with the filters of the rule. */
void datadog_filters_check(struct datadog *d);
/* Queries of threshold and new_value. */
void datadog_queries(struct datadog *d, struct pen_datadog *out);

/* The alias of a query of the rule, which has those of out before it: its name, else a letter. */
pen_slice datadog_query_name(struct datadog *d, const struct json_node *node, uint32_t index,
                             const struct pen_datadog *out);

/* ---- datadog_correlation.c: rules over signals of rules (type signal_correlation) ---- */

bool datadog_is_over_signals(const struct json_node *root);
/* Queries of such a rule, but for what is known when all rules are read. */
void datadog_signal_queries(struct datadog *d, struct pen_datadog *out);
/* Keeps the rule for datadog_correlations_link. */
void datadog_correlation_wait(struct datadog *d, const struct pen_rule *rule,
                              struct pen_hash128 text, uint64_t index);

/* ---- datadog_parts.c: a rule over signals, once the rules that it names are there ---- */

/* Parts of each query and the stage.  part[i] is the rule of query i. */
void datadog_parts(struct datadog *d, const struct pen_rule *rule, const uint32_t *part);
/* What rules over signals tell of events has to be told by the rules that they name. */
void datadog_attributes_spread(struct pen_rules *rules);

/* ---- datadog_tables.c ---- */

/* Reference tables, once the queries are read. */
void datadog_tables(struct datadog *d, const struct pen_datadog *out);

/* ---- datadog_joined.c ---- */

/* groupSignalsBy, once the queries are read. */
void datadog_joined(struct datadog *d, struct pen_datadog *out);

/* ---- datadog_third_party.c ---- */

/* Queries and cases: each grouping of root queries with each case. */
void datadog_third_party(struct datadog *d, struct pen_datadog *out);

/* ---- datadog_cases.c ---- */

void datadog_cases(struct datadog *d, struct pen_datadog *out);
/* Conditions and severities of cases to those of the state; texts are those of out->cases, at[i]
 * is where case i stands. */
void datadog_cases_state(struct datadog *d, struct pen_datadog *out,
                         const struct json_node *const *at);
bool datadog_severity(pen_slice name, enum pen_severity *out);
/* Names of the queries, by position; arena-owned. */
const pen_slice *datadog_aliases(const struct datadog *d, const struct pen_datadog *from);
/* Whether a name is one that conditions may use: a-z first, then a-z, 0-9 and _. */
bool datadog_is_alias(pen_slice name);

/* ---- datadog_sequence.c ---- */

/* Steps and transitions of sequence_detection, once the queries are read. */
void datadog_sequence(struct datadog *d, struct pen_datadog *out);
/* Tells what is wrong with the condition of a case: it says that the last step is reached. */
void datadog_sequence_case(struct datadog *d, const struct json_node *at, pen_slice text,
                           const struct pen_datadog *from);

/* ---- datadog_anomaly.c ---- */

/* The options of anomaly_detection. */
void datadog_anomaly(struct datadog *d, const struct json_node *options,
                     struct pen_state_rule *out);
/* The quantile that the condition of a case names, in billionths. */
void datadog_anomaly_case(struct datadog *d, const struct json_node *at, pen_slice text,
                          pen_slice alias, uint32_t *ppb);

/* ---- datadog_options.c ---- */

/* Method, windows and the options of new values. */
void datadog_options(struct datadog *d, struct pen_datadog *out);

/* ---- datadog_rule.c ---- */

/* One rule; false when it was told why not.  root is changed. */
bool datadog_rule(struct datadog *d, struct json_node *root, struct pen_rule *rule);

/* ---- datadog_files.c ---- */

/* Every rule of a JSON text, or notices why not. */
void datadog_add_text(struct pen_rules *rules, const char *name, pen_slice text);

#endif
