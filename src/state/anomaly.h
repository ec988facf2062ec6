/*
 * anomaly.h - anomaly detection (reference/datadog.md 4.7): buckets of time against what they had.
 *
 * Time is cut into buckets of bucket_ns since 1970.  The value of a bucket of a group is what the
 * query aggregates over its events: a whole number (a sum is cut to one, between -2^60 and 2^60); a
 * bucket without events has 0.  At each event its bucket is judged, with what came of it so far:
 * the first case is true whose bound the value is above.
 *
 * History are the buckets before, from the group's first one on, 14 days at most.  A bound is
 *
 *   U + tolerance * max(1, ceil((U - M) / 4))
 *
 * of a sample of the history; U is its quantile of the case, M its median, both by nearest rank:
 * the least value that at least that share of the sample does not exceed (definition 1 of Hyndman
 * and Fan, The American Statistician 50, 1996).  The widening by a spread that outliers do not move
 * is that of fences (Tukey, Exploratory Data Analysis, 1977).  From the third day of history on the
 * sample is of the season: buckets at most an hour (at least one bucket) from the same time of any
 * day; after a week also those of the same time a week and two weeks ago, and the larger bound of
 * the two counts.  Before that it is the whole history; without any nothing is above.
 *
 * A group learns from its first event on; until that is over a value above the baseline makes the
 * first case true, where the rule has one, and nothing does else.  An event of a bucket before the
 * last one of its group is late: it is left out, and counted.  A group without an event for 14 days
 * by the clock of release begins anew.  So a verdict is a function of the group's events in the
 * order of release; all of it is integers.
 */
#ifndef PEN_STATE_ANOMALY_H
#define PEN_STATE_ANOMALY_H

#include "penstock/state.h"

#define ANOMALY_DAYS 14
#define ANOMALY_HISTORY_NS (ANOMALY_DAYS * PEN_NS_PER_DAY)
#define ANOMALY_SEASON_DAYS 3 /* of history, from which on seasons are looked at */
#define ANOMALY_VALUE_MAX (INT64_C(1) << 60)

struct anomaly_bucket {
    int64_t number, value;
};
struct anomaly_history { /* of a group: plain data, a snapshot may write it */
    bool has_begun;
    int64_t begun;               /* event time of its first event */
    int64_t first, number;       /* its first bucket, and the last one, which is not in past */
    struct anomaly_bucket *past; /* owned; those with another value than 0, oldest first */
    uint32_t count, cap;
    int64_t bounds[PEN_STATE_CASES_MAX]; /* of the last bucket, by case */
};

int64_t anomaly_number(const struct pen_anomaly *rule, int64_t time_ns);
/* The bucket at number begins, the last one had value.  Works bounds out; *scratch is kept. */
PEN_MUST_USE pen_status anomaly_begin(struct anomaly_history *h, const struct pen_state_rule *rule,
                                      int64_t number, int64_t value, struct pen_buf *scratch);
/* Again, of what a snapshot gave. */
PEN_MUST_USE pen_status anomaly_bounds(struct anomaly_history *h, const struct pen_state_rule *rule,
                                       struct pen_buf *scratch);
/* The first case that is true of a value, or UINT32_MAX. */
uint32_t anomaly_case(const struct anomaly_history *h, const struct pen_state_rule *rule,
                      int64_t time_ns, int64_t value);

#endif
