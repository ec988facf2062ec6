/* backtest_report.h - what replay --signals-only tells of each rule: signals a day, noisy groups,
 * cost. */
#ifndef PEN_CLI_BACKTEST_REPORT_H
#define PEN_CLI_BACKTEST_REPORT_H

#include "penstock/signals.h"

#include "search_groups.h"

struct backtest_report {
    const struct pen_replay_result *result;
    struct search_by by_all, by_day;
    struct search_groups rules, days, groups; /* signals, by rule; rule and day; rule and group */
    struct pen_buf key;
};
/*
 * backtest_report_read - counts the signals of DIR/signals.db.
 *
 * groups_max  groups of all rules that are told apart; the signals of more are counted as other
 * Returns     PEN_OK | what pen_signals_open and pen_signals_list fail with.  fini in any case.
 */
PEN_MUST_USE pen_status backtest_report_read(struct backtest_report *report, const char *dir,
                                             const struct pen_replay_result *result,
                                             uint64_t groups_max, struct pen_err *err);
void backtest_report_fini(struct backtest_report *report);
/* The member "backtest" of the summary, with a comma behind it. */
void backtest_report_json(struct backtest_report *report);
void backtest_report_table(struct backtest_report *report);

#endif
