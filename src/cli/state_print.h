/* state_print.h - how state_view.c prints. */
#ifndef PEN_CLI_STATE_PRINT_H
#define PEN_CLI_STATE_PRINT_H

#include "state_view.h"

/* Whether a value that was last seen then is new again, at the largest event time of the run. */
bool state_is_forgotten(const struct state_view *view, int64_t seen_ns);
PEN_MUST_USE pen_status state_print_json(struct state_view *view, bool has_value);
PEN_MUST_USE pen_status state_print_text(struct state_view *view, bool has_value);

#endif
