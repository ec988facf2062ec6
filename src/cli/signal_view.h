/* signal_view.h - signals and their events as people and scripts see them on stdout. */
#ifndef PEN_CLI_SIGNAL_VIEW_H
#define PEN_CLI_SIGNAL_VIEW_H

#include "penstock/node.h"
#include "penstock/signals.h"

#include "screen.h"

#define SIGNAL_VIEW_EVENTS 10U /* that people are shown of a signal */

struct signal_view {
    struct screen *screen;
    const char *out_dir; /* for the commands to look further */
    bool json;
    bool out_is_default;
    uint64_t shown;
    uint64_t limit; /* 0: none */
    struct pen_buf line;
};
void signal_view_header(struct signal_view *view);
/* Callbacks of pen_signals_list and pen_signals_events: ctx is the view. */
PEN_MUST_USE pen_status signal_view_row(void *ctx, const struct pen_signal_row *row);
PEN_MUST_USE pen_status signal_view_event(void *ctx, const struct pen_signal_event_row *row);
/* Everything about one signal.  PEN_E_NOT_FOUND when it is gone. */
PEN_MUST_USE pen_status signal_view_show(struct signal_view *view, struct pen_signals *signals,
                                         const char *id, struct pen_err *err);

#endif
