/* trial.h - the parts of a trial: verdicts on events, and the signals that come of them. */
#ifndef PEN_NODE_TRIAL_H
#define PEN_NODE_TRIAL_H

#include "observe.h"
#include "stages.h"

#define TRIAL_SIGNALS_MAX 256U
#define TRIAL_GROUPS_MAX 1000U   /* of an event */
#define TRIAL_EVENTS_MAX 100000U /* in a window, and values */

struct trial_signal {
    char id[33];
    pen_slice group; /* compact JSON object */
    uint32_t rule;
    enum pen_severity severity;
    int64_t first_seen_ns;
};
struct trial_signals { /* of one test */
    const struct pen_program *program;
    const char *temp_dir;   /* or NULL */
    struct pen_arena arena; /* texts of found */
    char folder[4096];      /* of the state */
    char run_name[64];      /* the file in it */
    struct pen_state_rule *rules;
    bool *is_tested, *is_needed; /* by rule; needed: or a rule that is tested hears of it */
    struct pen_state *state;
    struct stages *stages;
    int64_t time_max_ns; /* of the events so far */
    struct pen_err *err; /* of the call under way */
    struct pen_buf group, own_group;
    struct observer observer;
    struct trial_signal found[TRIAL_SIGNALS_MAX];
    uint32_t count;
};
/* Begin, with is_tested filled, add for each match of a rule that is needed, then end: fills found
 * with signals of the rules that are tested, and removes the folder.  fini also after a failure. */
PEN_MUST_USE pen_status trial_signals_new(struct trial_signals *t, struct pen_err *err);
void trial_signals_free(struct trial_signals *t);
PEN_MUST_USE pen_status trial_signals_begin(struct trial_signals *t, int64_t keep_alive_ns,
                                            struct pen_err *err);
struct observed;
PEN_MUST_USE pen_status trial_signals_add(struct trial_signals *t, const struct observed *of,
                                          uint32_t tag, pen_slice object, uint64_t record,
                                          struct pen_err *err);
PEN_MUST_USE pen_status trial_signals_end(struct trial_signals *t, struct pen_err *err);
void trial_signals_fini(struct trial_signals *t);
/* Appends what differs between found and expected: nothing when each of both has its own
 * counterpart. */
PEN_MUST_USE pen_status trial_signals_compare(struct trial_signals *t,
                                              const struct pen_rule_test *test,
                                              struct pen_buf *why);

#endif
