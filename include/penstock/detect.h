/*
 * penstock/detect.h - rule files to a rule set: Sigma now, Datadog rules next.
 *
 * Loads folders and files, reports every error of every file with its place, and compiles the rules
 * of one log type to an engine.  A rule set is immutable and shared.
 */
#ifndef PEN_DETECT_H
#define PEN_DETECT_H

#include "penstock/classify.h"
#include "penstock/match.h"
#include "penstock/state.h"

enum pen_severity { PEN_INFO, PEN_LOW, PEN_MEDIUM, PEN_HIGH, PEN_CRITICAL };
const char *pen_severity_name(enum pen_severity severity);

/* ---- Datadog rules: reference/datadog.md section 4 ---- */

#define PEN_STAGES_MAX 4U       /* of rules over signals of rules over signals */
struct pen_signal_value {       /* where a signal has a value */
    pen_slice attribute;        /* of its events; empty: a member of its group */
    uint32_t position, members; /* this one of a group that has so many */
};
struct pen_rule_part { /* a rule of whose signals a query hears when they open */
    uint32_t rule;     /* index in the set */
    const struct pen_signal_value *group_by, *values; /* as many as the query's */
};
struct pen_rule_table { /* a reference table that an event has to be in, or not */
    pen_slice name, column;
    pen_slice field; /* as in group_by; of several values any may be in it */
    bool is_present; /* in; else not in, as an event without a value */
    const struct pen_set *set;
    struct pen_hash128 content; /* of the whole file */
};
struct pen_rule_query {
    pen_slice name; /* alias; without one a, b, c by position */
    pen_slice text; /* log search syntax, custom extension and required filters included */
    enum pen_aggregation aggregation;
    const pen_slice *group_by; /* names as the rule has them: "@usr.name", "host" */
    uint32_t group_by_count;
    bool has_optional_group_by; /* a missing one is "N/A"; else such an event is ignored */
    const pen_slice *values;    /* distinct fields, or metrics: names as in group_by */
    uint32_t value_count;
    uint32_t counted_as; /* the query of the rule's state that it counts for: its own number, but
                            for third_party, which counts a case whatever the grouping */
    const struct pen_rule_part *parts; /* of a rule of a stage */
    uint32_t part_count;
    const pen_slice *rules; /* of a Sigma correlation: titles of those that it counts, for people */
    uint32_t rule_count;
    /* Places in group_by of what signals have in common (groupSignalsBy), ascending; none: all. */
    const uint32_t *joined;
    uint32_t joined_count;
    const struct pen_rule_table *tables; /* all have to hold */
    uint32_t table_count;
};
struct pen_rule_case {
    pen_slice name, condition;
    enum pen_severity severity;
};
struct pen_datadog {
    const struct pen_rule_query *queries; /* at most PEN_RULE_QUERIES_MAX; of those that are counted
                                             as one the first has its number and name */
    uint32_t query_count;
    const struct pen_rule_case *cases; /* at most PEN_STATE_CASES_MAX */
    uint32_t case_count;
    /* Names of the members of a signal's group, by position: queries meet by position, and the
     * first one with so many has the names. */
    const pen_slice *group_names[PEN_STATE_QUERIES_MAX + 1]; /* by count of names */
    const pen_slice *attributes; /* that message and title name: "@usr.name" without braces */
    uint32_t attribute_count;
    pen_slice message; /* template, markdown */
    pen_slice title;   /* template; empty: the rule's title, and the name of the case */
    bool has_extended_title, lowers_by_env;
    uint32_t stage;      /* 0: it is about events; else also about signals of lower stages */
    bool is_third_party; /* queries are those of each grouping in turn, one for each case */
    struct pen_state_rule state; /* ready for pen_state_options.rules */
};

struct pen_rule { /* slices are owned by the set */
    pen_slice id, title, version, file, status, description;
    pen_slice triage, response; /* members of our own: how to look into a match, what to do then */
    pen_slice message;    /* what signals of a Sigma rule say: those three parts that are there */
    const char *language; /* "sigma", "datadog" */
    const struct pen_datadog *datadog; /* NULL: a Sigma rule */
    enum pen_severity severity;
    const pen_slice *tags, *tactics, *techniques, *falsepositives;
    uint32_t tag_count, tactic_count, technique_count, falsepositive_count;
    struct pen_logsource logsource;
    uint32_t line;
    bool is_silent;   /* nobody is told of its matches but the rules that name it */
    bool is_left_out; /* by level_min or tags, and a rule that is not rests on it: it is silent */
    bool is_shadow;   /* it runs, and its signals are kept apart */
    const pen_slice *group_by; /* of a Sigma rule in place of sigma.group_by; NULL: as that says */
    uint32_t group_by_count;
    const pen_slice
        *attributes; /* of a Sigma rule: names that its matches tell (pen_rules_observe) */
    uint32_t attribute_count;
    bool has_keep_alive; /* of its own, in place of sigma.keep_alive */
    int64_t keep_alive_ns;
    uint64_t text_hash;         /* of the file that it is of, and its place there */
    struct pen_rule_impl *impl; /* the parsed detection */
};

/* Of a signal: of the case that it reached, or of the rule when case_index is none of its cases. */
enum pen_severity pen_rule_severity(const struct pen_rule *rule, uint32_t case_index);

enum pen_notice_level { PEN_NOTICE_WARNING, PEN_NOTICE_ERROR };
struct pen_notice {
    enum pen_notice_level level;
    pen_slice file;
    uint32_t line, column;
    pen_slice text;
};

struct pen_placeholder { /* of Sigma's `expand`: %name% stands for any of the values */
    const char *name;
    const char *const *values; /* with wildcards, as in a rule */
    uint32_t value_count;
};

struct pen_reference_table { /* of Datadog's `referenceTables` */
    const char *name, *path; /* a CSV file, whose first line names the columns */
};

struct pen_rule_text { /* a rule file in memory */
    const char *name;  /* for notices */
    pen_slice text;
};

struct pen_rules_options {
    const char *const *paths; /* files and folders; "builtin" is the embedded pack */
    uint32_t path_count;
    const struct pen_rule_text *texts; /* read after the paths */
    uint32_t text_count;
    /* What these leave out is kept as a silent part when another rule names it. */
    enum pen_severity level_min;
    const char *const *tags; /* keep rules with any of these; none: all */
    uint32_t tag_count;
    bool load_deprecated;
    const struct pen_placeholder *placeholders; /* copied */
    uint32_t placeholder_count;
    const struct pen_reference_table *tables; /* read when the rules are */
    uint32_t table_count;
    uint64_t table_rows_max;  /* of one table */
    uint64_t table_bytes_max; /* of its file */
};

struct pen_rules;
/*
 * pen_rules_load - every rule of the paths and texts, with the filters and overlays among them
 * applied.
 *
 * options  borrowed until return
 * Returns  PEN_OK, also when some rules were rejected: see the notices.  PEN_E_IO when a path
 * cannot be read, PEN_E_CONFIG when a table is none, PEN_E_NOMEM. Cost     about 100 us a rule; not
 * on the data path.
 */
PEN_MUST_USE pen_status pen_rules_load(const struct pen_rules_options *options,
                                       struct pen_rules **out, struct pen_err *err);
void pen_rules_free(struct pen_rules *rules);
uint32_t pen_rules_count(const struct pen_rules *rules);
const struct pen_rule *pen_rules_at(const struct pen_rules *rules, uint32_t index);
/* The highest stage of any rule. */
uint32_t pen_rules_stages(const struct pen_rules *rules);
uint32_t pen_rules_rejected(const struct pen_rules *rules); /* documents, not notices */
uint32_t pen_rules_notice_count(const struct pen_rules *rules);
const struct pen_notice *pen_rules_notice(const struct pen_rules *rules, uint32_t index);
/* Hash over every loaded rule, filter, overlay, placeholder and table that rules name: part of the
 * job. */
struct pen_hash128 pen_rules_hash(const struct pen_rules *rules);
/* ---- suppressions: signals that are kept, but told to nobody; critical assets: signals that are
 * worse, or less bad, than their rule says; reference/datadog.md 4.8 ---- */

struct pen_suppression {   /* slices are owned by the set */
    pen_slice name;        /* its own, else that of its file; unique */
    pen_slice query;       /* over the signal that would be; empty: every signal */
    pen_slice data_query;  /* over events: these are no matches of the rules; or empty */
    bool is_of_signals;    /* it holds signals back: not so with a data_query alone */
    bool is_asset;         /* a critical asset: holds nothing back, but says how bad signals are */
    int8_t severity_shift; /* of an asset: 1, -1 or 0 steps */
    enum pen_severity *severity; /* of an asset: in place of the rule's; NULL: not */
    pen_slice rule_query;        /* over properties of rules; empty: every rule */
    pen_slice reason, owner;
    int64_t expires_ns; /* holds for signals first seen before it; INT64_MAX: without an end */
    pen_slice file;
    uint32_t line, column;
};
#define PEN_SECURITY_FILTERS_MAX 100U /* of all files together */
/* Security filters that are enabled; 0: all events are analysed. */
uint32_t pen_rules_security_filter_count(const struct pen_rules *rules);
/* Its own name, else that of its file; unique. */
pen_slice pen_rules_security_filter_name(const struct pen_rules *rules, uint32_t index);
uint32_t pen_rules_suppression_count(const struct pen_rules *rules);
const struct pen_suppression *pen_rules_suppression(const struct pen_rules *rules, uint32_t index);
/* A notice more, at the place of a suppression; text is copied. */
void pen_rules_warn(struct pen_rules *rules, const struct pen_suppression *about, const char *text);
/* Events that the query takes are no matches of the rule any more; before pen_rules_queries.  query
 * is borrowed as long as the set lives. */
void pen_rules_exclude(struct pen_rules *rules, uint32_t index, pen_slice query);
/* Observations of a rule also tell the values of these names of log search syntax; borrowed as long
 * as the set lives. */
void pen_rules_observe(struct pen_rules *rules, uint32_t index, const pen_slice *names,
                       uint32_t count);

/* True when the rule's logsource is a subset of one that the type answers to. */
bool pen_rule_applies(const struct pen_rule *rule, const struct pen_type *type);

/* Names to ids of the type's schema, which is not sealed yet. */
struct pen_rule_names {
    pen_field_fn *field; /* of Sigma rules: a name as it stands */
    void *field_ctx;
    pen_field_fn *query_field; /* of log search syntax: "@a.b", tags and reserved names */
    void *query_ctx;
};
/*
 * pen_rules_queries - the queries of all rules that apply to a type.
 *
 * out      arena-owned array, ascending by tag, which is rule_index * PEN_RULE_QUERIES_MAX + query
 *          index.  A query of a Datadog rule whose `source:` names other types only is left out.
 * A rule that cannot be built becomes a notice and is left out.
 * Returns  PEN_OK | PEN_E_NOMEM (arena is full, whatever the rule)
 */
#define PEN_RULE_QUERIES_MAX 64
PEN_MUST_USE pen_status pen_rules_queries(struct pen_rules *rules, const struct pen_type *type,
                                          const struct pen_rule_names *names,
                                          struct pen_arena *arena, struct pen_query **out,
                                          uint32_t *count, struct pen_err *err);

/*
 * pen_rules_left_out - the events of a type that exclusions of a security filter leave out, though
 * the filter's query takes them; behind the last filter: those that no filter takes.
 *
 * index    up to and with pen_rules_security_filter_count, which is above 0
 * out      arena-owned; NULL: there are none, the filter has no exclusions
 * Returns  PEN_OK | PEN_E_RULE | PEN_E_NOMEM (arena is full)
 */
PEN_MUST_USE pen_status pen_rules_left_out(const struct pen_rules *rules, uint32_t index,
                                           const struct pen_type *type,
                                           const struct pen_rule_names *names,
                                           struct pen_arena *arena, struct pen_expr **out,
                                           struct pen_err *err);

/* Tests beside rules (NAME.test.yml): parsed cases; the caller runs the events. */
struct pen_rule_test_key { /* one member of a signal's group */
    pen_slice name, value;
};
struct pen_rule_test_signal { /* what a test says about one signal; the rest may be anything */
    int severity;             /* enum pen_severity, or -1 */
    int64_t first_seen_ns;    /* or INT64_MIN */
    const struct pen_rule_test_key *group;
    uint32_t group_count;
};
enum pen_rule_expect {
    PEN_EXPECT_MATCH,    /* every event matches a rule that is tested */
    PEN_EXPECT_NO_MATCH, /* no event matches any of them */
    PEN_EXPECT_SIGNALS,  /* the events together give exactly these signals, in any order */
};
struct pen_rule_test {
    pen_slice file;      /* the test file: path as given, or folder/name; "name" in the pack */
    pen_slice rule_file; /* the rule file that it lies beside, as pen_rule.file has it */
    pen_slice rule_id;   /* the one rule that is tested (`rule`); empty: all rules of rule_file */
    pen_slice name, type;
    uint32_t line;
    /* Only this query of the rule is asked, of `ruleQueryPayloads`; of third party the case of that
     * number, whatever the grouping. */
    bool has_query;
    uint32_t query;
    pen_slice source;        /* what Datadog calls the source of the events: they are of the type
                              * that has it, when they are its records; else of `type` */
    const pen_slice *events; /* JSON objects, PEN_JSON_PADDING readable bytes behind each */
    uint32_t event_count;    /* at least 1 */
    enum pen_rule_expect expect;
    const struct pen_rule_test_signal *signals;
    uint32_t signal_count; /* 0 with PEN_EXPECT_SIGNALS: no signal at all */
};

/*
 * pen_rule_tests_load - the tests of a path, in order of file names and places.
 *
 * path     a folder, a test file, a rule file (its test file, none: no tests), or "builtin".
 *          Rule files NAME.json may hold tests themselves (`ruleQueryPayloads`, as Datadog's API
 *          takes them) or have them beside in NAME.test.json
 * arena    owns everything in *out
 * err      the first mistake: "file:line:column: reason"
 * Returns  PEN_OK | PEN_E_RULE (what a test file says) | PEN_E_IO | PEN_E_LIMIT | PEN_E_NOMEM
 *
 * An event is a text with JSON (as an object of the log type holds it: one record, several, or an
 * array of records), a YAML map with its members, or the name of a file with such JSON relative to
 * the folder of the test file (text that does not begin with a brace or bracket).  A YAML scalar
 * without quotes becomes what a YAML 1.1 reader takes it for.  {repeat: N, event: EVENT} is the
 * event N times (1 to 10,000); in the n-th ${n} is n, and ${nn} or ${nnn} n with so many digits.
 */
PEN_MUST_USE pen_status pen_rule_tests_load(const char *path, struct pen_arena *arena,
                                            struct pen_rule_test **out, uint32_t *count,
                                            struct pen_err *err);

/* ---- texts of signals ---- */

#define PEN_RULE_TEXT_BYTES_MAX ((size_t)64 << 10) /* of a template, and of what it becomes */

struct pen_rule_variables {
    /* Appends the value of a variable, several with ", " between them; nothing when there is none.
     * name: "@usr.name", "first_seen_epoch", or a tag: "env", "instance-id". */
    pen_status (*get)(void *ctx, pen_slice name, struct pen_buf *out);
    void *ctx;
};
/*
 * pen_rule_render - appends a template with its variables put in (reference/datadog.md 4.9).
 *
 * template  a message or title: any bytes.  What is never closed stays as it stands; a name without
 *           a value, and an `eval` without a result, become nothing
 * Returns   PEN_OK, also when the text was cut at PEN_RULE_TEXT_BYTES_MAX | PEN_E_LIMIT (blocks
 *           nested deeper than 16, or out is full) | what get returned but PEN_E_LIMIT
 * Thread    any.  Cost  a read of the template; `local_time` reads a file of the tz database
 */
PEN_MUST_USE pen_status pen_rule_render(pen_slice template,
                                        const struct pen_rule_variables *variables,
                                        struct pen_buf *out);

#endif
