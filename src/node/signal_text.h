/* signal_text.h - what a signal says: title and message of its rule with its values put in. */
#ifndef PEN_NODE_SIGNAL_TEXT_H
#define PEN_NODE_SIGNAL_TEXT_H

#include "penstock/node.h"

/* Replaces out.  Of a Sigma rule its own; of a Datadog rule its templates, with what the samples of
 * the signal say.  created_ns is the time of the run. */
PEN_MUST_USE pen_status signal_title(struct pen_buf *out, const struct pen_rule *rule,
                                     const struct pen_signal *signal, int64_t created_ns);
PEN_MUST_USE pen_status signal_message_text(struct pen_buf *out, const struct pen_rule *rule,
                                            const struct pen_signal *signal, int64_t created_ns);
/* The name of the case that the signal reached, or nothing. */
pen_slice signal_case(const struct pen_rule *rule, const struct pen_signal *signal);
/* Replaces out by the name of a query: its alias, or its number. */
PEN_MUST_USE pen_status signal_query(struct pen_buf *out, const struct pen_rule *rule,
                                     uint32_t query);

/* Appends the values that the group and the events of a signal have of a name, each once, as JSON
 * strings with commas between them; the first 20. */
PEN_MUST_USE pen_status signal_attribute(struct pen_buf *out, const struct pen_signal *signal,
                                         pen_slice name);

/* Of a case of a signal.  One step lower when its rule has decreaseCriticalityBasedOnEnv and `env`
 * of its group or first event begins with staging, test or dev; info stays.  The first event alone
 * is asked, so that a signal has one verdict for all its life.  Source: reference/datadog.md 4.3 */
enum pen_severity signal_severity(const struct pen_rule *rule, const struct pen_signal *signal,
                                  uint32_t case_index);

#endif
