/* rule_events.h - the events of one rule test, whatever way they are written, as JSON records. */
#ifndef PEN_DETECT_RULE_EVENTS_H
#define PEN_DETECT_RULE_EVENTS_H

#include "penstock/json.h"
#include "penstock/yaml.h"

#define RULE_EVENT_TEXT_BYTES_MAX ((size_t)1 << 20) /* of one text or file */
#define RULE_EVENT_REPEAT_MAX 10000U

struct rule_events {
    struct pen_arena *arena; /* owns what was added */
    struct pen_plan *plan;   /* empty: only records and their ends are wanted */
    struct pen_walker *walker;
    pen_slice *items; /* in the arena, each with PEN_JSON_PADDING blanks behind it */
    uint32_t count, cap;
};

PEN_MUST_USE pen_status rule_events_init(struct rule_events *events, struct pen_arena *arena,
                                         struct pen_err *err);
void rule_events_fini(struct rule_events *events); /* also after a failed init */

/* Adds every record of a text as an object of a log type holds it.  PEN_E_RULE with the reason when
 * it is no JSON or holds no record. */
PEN_MUST_USE pen_status rule_events_add_text(struct rule_events *events, pen_slice text,
                                             struct pen_err *err);

/* Adds a YAML map as one record.  *bad is the node at fault, or NULL. */
PEN_MUST_USE pen_status rule_events_add_map(struct rule_events *events, const struct pen_yaml *map,
                                            const struct pen_yaml **bad, struct pen_err *err);

/* The items from first on, times over in place of once: in the n-th copy ${n} is n, from 1, and
 * ${nn} or ${nnn} is n with at least so many digits.  times is at most RULE_EVENT_REPEAT_MAX. */
PEN_MUST_USE pen_status rule_events_repeat(struct rule_events *events, uint32_t first,
                                           uint32_t times, struct pen_err *err);

#endif
