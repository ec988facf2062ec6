/* rule_payloads.h - the tests that Datadog's API takes with a rule: events for one query each. */
#ifndef PEN_DETECT_RULE_PAYLOADS_H
#define PEN_DETECT_RULE_PAYLOADS_H

#include "penstock/detect.h"

#include "rule_events.h"

struct rule_payloads {
    struct pen_arena *arena; /* owns the tests */
    struct rule_events *events;
    pen_slice file, rule_file; /* of each test */
    struct pen_rule_test *tests;
    uint32_t count, cap;
};

/*
 * rule_payloads_read - every `ruleQueryPayloads` of a JSON text.
 *
 * text     rules with that member, {"rule", "ruleQueryPayloads"}, or in a file of tests alone
 *          {"ruleQueryPayloads"} and a list of payloads
 * err      "file:line:column: reason"
 * Returns  PEN_OK | PEN_E_RULE | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status rule_payloads_read(struct rule_payloads *p, pen_slice text, bool is_alone,
                                           struct pen_err *err);

#endif
