/* hunt_text.h - the rule that a search becomes, and the test beside it, as texts. */
#ifndef PEN_CLI_HUNT_TEXT_H
#define PEN_CLI_HUNT_TEXT_H

#include "cli.h"

#define HUNT_GROUP_MAX 8U

enum hunt_form { HUNT_NONE, HUNT_THRESHOLD, HUNT_NEW_VALUE, HUNT_SIGMA };
struct hunt_rule {
    enum hunt_form form;
    pen_slice query;
    pen_slice group_by[HUNT_GROUP_MAX]; /* as given; of Datadog's forms */
    uint32_t group_count;
    pen_slice value;             /* what is counted (distinct) or new; empty: none */
    const struct pen_type *type; /* the one whose records match; NULL: several, or not known yet */
};
struct hunt_example { /* a record of the test; compact JSON */
    pen_slice event, type;
};

/* A hash of what the rule asks: 32 hex digits and a NUL. */
void hunt_rule_hash(const struct hunt_rule *rule, char hex[33]);
/* Appends up to 40 letters and digits of the query with dashes between words. */
PEN_MUST_USE pen_status hunt_rule_slug(const struct hunt_rule *rule, struct pen_buf *out);
/*
 * hunt_rule_write - appends the rule: JSON as Datadog's API takes it, or Sigma's YAML.
 *
 * err      with a query that Sigma cannot say: why, at err->offset when it is a place in the query
 * Returns  PEN_OK | PEN_E_USAGE | PEN_E_NOMEM | PEN_E_LIMIT
 */
PEN_MUST_USE pen_status hunt_rule_write(const struct hunt_rule *rule, struct pen_buf *out,
                                        struct pen_err *err);
/* Sigma's detection: hunt_sigma.c.  As hunt_rule_write. */
PEN_MUST_USE pen_status hunt_sigma_write(pen_slice query, struct pen_buf *out, struct pen_err *err);
/* Whether the text is log search syntax at all: else PEN_E_USAGE, as pen_query_parse. */
PEN_MUST_USE pen_status hunt_query_check(pen_slice query, struct pen_err *err);
/* Appends the test file; other NULL: there is none that does not match. */
PEN_MUST_USE pen_status hunt_test_write(const struct hunt_example *match,
                                        const struct hunt_example *other, struct pen_buf *out);
/* Appends text as a double-quoted YAML scalar on one line. */
PEN_MUST_USE pen_status hunt_yaml_text(pen_slice text, struct pen_buf *out);

#endif
