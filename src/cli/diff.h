/*
 * diff.h - the signals of two rule sets on the same records, compared.
 *
 * Signals meet when they are of the same rule id and group: first those with the same id (the same
 * event opened both), then, in the order of time, those whose spans of time overlap.  Two that met
 * are the same or changed; one that met none is gone (of base) or added (of head).  Only what is
 * told counts: a signal that a suppression holds back, or of a rule in shadow mode, is as if it
 * were not there, and a counterpart of it is added or gone.
 */
#ifndef PEN_CLI_DIFF_H
#define PEN_CLI_DIFF_H

#include "penstock/node.h"

enum diff_change { DIFF_SAME, DIFF_CHANGED, DIFF_ADDED, DIFF_GONE, DIFF_CHANGES };
extern const char *const diff_change_names[DIFF_CHANGES];
enum diff_side_id { DIFF_BASE, DIFF_HEAD, DIFF_SIDES };
extern const char *const diff_side_names[DIFF_SIDES];

struct diff_side {
    const char *path;
    const struct pen_rules *rules;
    struct pen_backtest_signals signals;
    struct pen_backtest_cost cost;
    uint64_t told, suppressed, shadow, cold; /* cold: of those told */
    uint64_t by_severity[PEN_CRITICAL + 1];  /* of those told */
};
struct diff_pair { /* at least one of both is there, and told */
    enum diff_change change;
    const struct pen_backtest_signal *side[DIFF_SIDES];
};
struct diff_row { /* of a rule, an account, an identity or a day */
    pen_slice key;
    uint64_t signals[DIFF_SIDES];
    uint64_t changes[DIFF_CHANGES];
    uint64_t hash;
};
struct diff_rows { /* diff_rows.c: a table by key; keys are borrowed */
    struct diff_row *items;
    uint32_t count, cap;
    uint32_t *slots; /* index + 1; twice cap */
};
struct diff {
    struct diff_side sides[DIFF_SIDES];
    struct diff_pair *pairs; /* by rule and group */
    uint32_t pair_count;
    uint64_t changes[DIFF_CHANGES];
    struct diff_rows rules, accounts, identities, days;
    struct pen_arena arena;
    int64_t first_ns, last_ns; /* of the records that rules matched; or the range that was asked */
    struct pen_totals totals;  /* of the pass */
};
/* All zero is empty but for the arena. */
void diff_init(struct diff *diff);
void diff_fini(struct diff *diff);
/* Fills all but sides[].path, rules, signals and cost, the range and the totals.  PEN_OK |
 * PEN_E_NOMEM. */
PEN_MUST_USE pen_status diff_make(struct diff *diff);
/* Days of the range, at least one. */
double diff_days(const struct diff *diff);
/* What a run would tell of a signal: neither suppressed nor of a rule in shadow mode. */
bool diff_is_told(const struct diff_side *side, const struct pen_backtest_signal *signal);
/* NULL: the rule did not match. */
const struct pen_rule_cost *diff_cost(const struct diff_side *side, pen_slice rule);
/* NULL: the set has no such rule. */
const struct pen_rule *diff_rule(const struct diff_side *side, pen_slice id);

/* The row of a key, a new one when there is none; NULL: no memory. */
struct diff_row *diff_rows_get(struct diff_rows *rows, pen_slice key);
void diff_rows_free(struct diff_rows *rows);
/* Most differences first, then most signals, then by key. */
void diff_rows_sort(struct diff_rows *rows);
void diff_rows_sort_keys(struct diff_rows *rows);
static inline uint64_t diff_row_differences(const struct diff_row *row)
{
    return row->changes[DIFF_CHANGED] + row->changes[DIFF_ADDED] + row->changes[DIFF_GONE];
}

/* To standard output; listed: so many single differences at most. */
void diff_print_json(struct diff *diff, uint64_t listed);
void diff_print_table(struct diff *diff, uint64_t listed);
/* For a comment on a pull request: GitHub's Markdown, what logs say escaped. */
void diff_print_markdown(struct diff *diff, uint64_t listed);

#endif
