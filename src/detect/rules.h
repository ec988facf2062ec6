/* rules.h - a rule set while it is loaded: its rules, filters, names and notices. */
#ifndef PEN_DETECT_RULES_H
#define PEN_DETECT_RULES_H

#include "sigma.h"

struct pen_rule_impl {
    pen_slice name;   /* handle for filters, or empty */
    bool is_rejected; /* it was counted: a type could not take it */
    const struct pen_yaml *detection;
    const struct sigma_filter **filters;
    uint32_t filter_count;
    struct pen_expr **trees; /* of a Datadog rule: queries in which only sources are told apart */
    uint32_t tree_count;
    /* Of a correlation, for each query: the rules that it matches, by index. */
    const struct rule_refs {
        const uint32_t *items;
        uint32_t count;
    } * refs;
    const struct pen_logsource *sources; /* of all of them */
    uint32_t source_count;
    bool is_part, is_generated; /* a correlation names it; and one lets it report by itself */
    bool generates;             /* a correlation that lets what it names report */
    bool is_needed;             /* it was picked, or such a rule rests on it */
    uint32_t place;             /* in the set, once all are linked */
    struct pen_hash128 text;    /* of its file, and its place there */
    uint64_t index;
    bool is_switched, is_on; /* an overlay says whether it runs */
    pen_slice *excludes;     /* queries: their events are no matches */
    uint32_t exclude_count;
};

struct sigma_correlation {
    struct pen_rule rule;
    const struct pen_yaml *root;
    pen_slice name;
    struct pen_hash128 hash;
    uint64_t index;
};

/* A Datadog rule over signals, until the rules that it names are there. */
struct datadog_correlation {
    struct pen_rule rule;
    const struct json_node *root;
    bool is_terraform;
    struct pen_hash128 hash;
    uint64_t index;
};

struct sigma_filter {
    struct pen_rule meta; /* title, id, file, logsource, line */
    const struct pen_yaml *map, *condition;
    const pen_slice *rules; /* ids (as sigma_uuid gives them) and names; none: every rule */
    uint32_t rule_count;
};

/* Ids and names that were seen, also of rules that are not loaded. */
struct known {
    pen_slice text, file;
    bool is_id;
};

struct pen_rules {
    struct pen_arena arena;
    struct pen_rule *items;
    uint32_t count, cap;
    struct sigma_filter *filters;
    uint32_t filter_count, filter_cap;
    struct pen_suppression *suppressions;
    uint32_t suppression_count, suppression_cap;
    pen_slice unanalysed; /* the events that no security filter takes, as a query; empty: none */
    struct security_filter *security_filters;
    uint32_t security_filter_count, security_filter_cap;
    struct overlay_entry *overlays;
    uint32_t overlay_count, overlay_cap;
    struct sigma_correlation *correlations;
    uint32_t correlation_count, correlation_cap;
    struct datadog_correlation *over_signals;
    uint32_t over_signal_count, over_signal_cap;
    struct pen_notice *notices;
    uint32_t notice_count, notice_cap;
    struct known *known; /* open addressing; cap is a power of two */
    uint32_t known_count, known_cap;
    uint32_t rejected;
    struct pen_rules_options options;
    struct pen_buf hashed;
    struct rules_table *tables; /* tables.h */
    uint32_t table_count;
};

/* ---- rules.c ---- */

/* items with room for one more. */
void *rules_grow(void *items, uint32_t count, uint32_t *cap, size_t size);
void rules_notice(struct pen_rules *rules, enum pen_notice_level level, pen_slice file,
                  const struct builder *b, const char *text);
/* Names of log search syntax; source and service of a known type are told without a record. */
struct search_names {
    const struct pen_rule_names *names;
    const struct pen_type *type;
};
/* A pen_field_fn; ctx is a search_names. */
pen_status rules_search_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err);
/* ---- rule_select.c: what --min-level and --tag leave of a set ---- */

/* Once all files are read: rules as overlays made them; what they leave out goes, unless there are
 * rules that might name it. */
void rules_select(struct pen_rules *rules);
/* Once all rules are linked: what was left out goes but for parts, which are silent; the others
 * get the places that they keep, and are hashed. */
void rules_settle(struct pen_rules *rules);
/* Adds a rule that names others: what overlays say of it included. */
void rules_keep_linked(struct pen_rules *rules, struct pen_rule *rule, struct pen_hash128 text,
                       uint64_t index);
/* The document is left out: b->err says why. */
void rules_reject(struct pen_rules *rules, pen_slice file, const struct builder *b);
/* NULL when nobody has it. */
const struct known *rules_known(const struct pen_rules *rules, pen_slice text, bool is_id);
void rules_know(struct pen_rules *rules, pen_slice text, bool is_id, pen_slice file);
/* Takes the place that stands in front of what YAML refuses, "line:column: reason", into b. */
void rules_yaml_place(struct builder *b);
/* The text of a node is a query in log search syntax, called by that name when it is not. */
PEN_MUST_USE pen_status rules_query_check(struct builder *b, const struct pen_yaml *node,
                                          const char *name);
/* What was loaded decides what a run may be continued with. */
void rules_hash_add(struct pen_rules *rules, struct pen_hash128 text, uint64_t index);
pen_status rules_no_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err);

/* ---- rule_docs.c ---- */

/* False for rules that are off, unless all are wanted. */
bool rules_is_on(const struct pen_rules_options *o, const struct pen_rule *rule);
/* False for what --min-level and --tag leave out. */
bool rules_is_picked(const struct pen_rules_options *o, const struct pen_rule *rule);
/* rule->id from its title, of at most 1,024 bytes; with a number behind it when others have it.
 * False when too many have it. */
bool rules_id_of_title(struct pen_rules *rules, struct pen_rule *rule);
/* Adds a rule to the set, whatever the options leave out: the one at index of the text with that
 * hash. */
void rules_keep(struct pen_rules *rules, const struct pen_rule *rule, struct pen_hash128 text,
                uint64_t index);

/* Every document of a file's text: its rules and filters, or notices why not. */
void rules_add_text(struct pen_rules *rules, const char *name, pen_slice text);

/* ---- rule_merge.c ---- */

/* A new map: base with over laid on it; maps merge key by key, anything else is replaced.
 * *nodes_left counts down; NULL when it is used up. */
struct pen_yaml *rules_merge(struct pen_arena *arena, const struct pen_yaml *base,
                             const struct pen_yaml *over, uint32_t *nodes_left);

/* ---- sigma_meta.c ---- */

/* Lower case with dashes, in the arena; false when text is no UUID. */
bool sigma_uuid(struct pen_arena *arena, pen_slice text, pen_slice *out);
/* All that describes a document: title, id, level, tags and the rest. */
PEN_MUST_USE pen_status sigma_meta(struct builder *b, const struct pen_yaml *root,
                                   struct pen_rule *rule, pen_slice *name);
PEN_MUST_USE pen_status sigma_logsource(struct builder *b, const struct pen_yaml *root,
                                        struct pen_logsource *out);

/* ---- sigma_tags.c ---- */

/* Form of rule->tags, and the tactics and techniques among them. */
PEN_MUST_USE pen_status sigma_tags(struct builder *b, const struct pen_yaml *root,
                                   struct pen_rule *rule);

/* Tactics and techniques of the tags that begin with `attack.`, added behind those that are there:
 * each list has room for one more per tag. */
void sigma_tags_attack(struct pen_arena *arena, struct pen_rule *rule, pen_slice *tactics,
                       pen_slice *techniques);

/* ---- sigma_rule.c ---- */

/* A detection rule; b->field is never kept. */
PEN_MUST_USE pen_status sigma_rule(struct builder *b, const struct pen_yaml *root,
                                   struct pen_rule *rule);
/* Reads a rule that was refused once more and tells each of its errors that no other one causes;
 * error is given b->warn_ctx.  How many were told: 0 when reading finds none. */
uint32_t sigma_rule_tell(struct builder *b, const struct pen_yaml *root,
                         void (*error)(void *ctx, uint32_t line, uint32_t column,
                                       const char *text));
/* One tree for each condition, filters included; out has PEN_RULE_QUERIES_MAX places. */
PEN_MUST_USE pen_status sigma_rule_build(struct builder *b, const struct pen_rule *rule,
                                         struct pen_expr **out, uint32_t *count);
/* The same in memory that is given back, and checked. */
PEN_MUST_USE pen_status sigma_rule_check(struct builder *b, const struct pen_rule *rule);

/* ---- sigma_correlation.c ---- */

/* Makes rules of the correlations, once all rules that they may name are there. */
void sigma_correlations_link(struct pen_rules *rules);

/* ---- datadog_correlation.c ---- */

/* Keeps the rules over signals, once all rules that they may name are there. */
void datadog_correlations_link(struct pen_rules *rules);

/* ---- sigma_filter.c ---- */

PEN_MUST_USE pen_status sigma_filter_read(struct builder *b, const struct pen_yaml *root,
                                          struct sigma_filter *filter);
PEN_MUST_USE pen_status sigma_filter_build(struct builder *b, const struct sigma_filter *filter,
                                           struct pen_expr **out);
/* Gives every rule the filters that name it; says which filters name nothing. */
void sigma_filters_apply(struct pen_rules *rules);

#endif
