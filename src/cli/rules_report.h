/* rules_report.h - the results of rule tests as lines, JSON and JUnit XML. */
#ifndef PEN_CLI_RULES_REPORT_H
#define PEN_CLI_RULES_REPORT_H

#include "penstock/detect.h"

#include <stdio.h>

struct report { /* starts zeroed */
    struct report_item *items;
    uint32_t count, cap;
    uint32_t passed, failed;
    struct report_rule {
        const struct pen_rule *rule;
    } * untested;
    uint32_t untested_count, untested_cap;
};
void report_fini(struct report *report);
/* Borrows the test, copies why (empty: passed). */
void report_add(struct report *report, const struct pen_rule_test *test, pen_slice why,
                int64_t took_ns);

/* A rule without a test: borrowed. */
void report_untested(struct report *report, const struct pen_rule *rule);
/* A line for each of them. */
void report_untested_told(const struct report *report, FILE *out);

/* Each is false when the output cannot be written. */
PEN_MUST_USE bool report_text(const struct report *report, FILE *out);
PEN_MUST_USE bool report_json(const struct report *report, FILE *out);
/* Says itself what is wrong. */
PEN_MUST_USE bool report_junit_file(const struct report *report, const char *path);

#endif
