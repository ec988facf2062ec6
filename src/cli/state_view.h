/* state_view.h - what a snapshot of the state holds of a rule, as people and scripts see it. */
#ifndef PEN_CLI_STATE_VIEW_H
#define PEN_CLI_STATE_VIEW_H

#include "penstock/state.h"

#include "screen.h"

struct printed {
    struct pen_buf text;
    pen_status status; /* the first failure */
};
struct state_view {
    struct screen *screen;
    const char *out_dir, *wanted; /* RULE as it was given */
    bool json;
    uint64_t limit;          /* groups, and signals, that are shown */
    const pen_slice *groups; /* of --group */
    uint32_t group_count;
    pen_slice value; /* of --has, as an observation has it; ptr NULL: none */
    struct pen_snapshot_files files;
    struct pen_state_show show;
    struct pen_shown_rule rule; /* id and name are owned */
    bool has_rule;
    uint32_t near_count; /* rules of which RULE is a part */
    char near[8][128];   /* their ids, the first of them */
    struct pen_shown_group
        *group; /* their texts are owned; the largest, at most twice the limit of them */
    struct pen_shown_signal *signal;
    struct pen_shown_value *found;
    size_t group_room, signal_room, found_room;
    uint64_t group_kept, signal_kept, found_count;
    uint64_t group_total, signal_total, named_values;
    struct printed line;
};
void state_view_init(struct state_view *view, struct screen *screen);
void state_view_fini(struct state_view *view);
/* Reads the last snapshot of the run in out_dir.  PEN_E_NOT_FOUND: there is none, or no such rule;
 * PEN_E_USAGE: RULE means several.  A run that makes a new one meanwhile is read again. */
PEN_MUST_USE pen_status state_view_read(struct state_view *view, struct pen_err *err);
/* Prints it.  Tells of a value whether a group knows it. */
PEN_MUST_USE pen_status state_view_print(struct state_view *view, bool *has_value);

#endif
