/*
 * stages.h - rules over signals of other rules: the states behind those of the shards.
 *
 * A rule of stage n counts signals of lower stages, and perhaps events.  Each stage has one state
 * with all partitions.  What it counts comes in any order, with the release time of the event that
 * opened the signal, and is fed in the order of release once the stage before it is through: a pure
 * function of what the shards release, whatever their number.  What it has of them is durable in
 * snapshots alone: a run that resumes without one releases its log again, so that the same signals
 * come again.  One thread; one observation, the text of a signal and `bytes_max` of each stage in
 * memory, the rest in files without names.
 */
#ifndef PEN_NODE_STAGES_H
#define PEN_NODE_STAGES_H

#include "penstock/node.h"

struct stages; /* NULL where no rule is over signals: every function takes it */
struct stages_options {
    const struct pen_program *program;
    struct pen_state_options state; /* but for rules, shard, shards and pass */
    int64_t keep_alive_ns;          /* of Sigma rules */
    uint32_t elements_max;          /* groups that a signal joins for a query */
    pen_signal_fn *fn;              /* gets the signals of all stages */
    bool (*is_held)(void *ctx); /* the signal that fn got last counts for no rule; NULL: never */
    void *ctx;
};
PEN_MUST_USE pen_status stages_new(const struct stages_options *options, struct stages **out,
                                   struct pen_err *err);
void stages_free(struct stages *stages);
/* A change of a signal of any rule: openings count for the rules that name it. */
PEN_MUST_USE pen_status stages_signal(struct stages *stages, enum pen_signal_change change,
                                      const struct pen_signal *signal, struct pen_err *err);
/* An observation that a state of a shard passed on. */
PEN_MUST_USE pen_status stages_passed(struct stages *stages, const struct pen_observation *o,
                                      struct pen_err *err);
/*
 * stages_release - all of which the release time is below watermark_ns, stage after stage.
 *
 * Every signal and observation with such a release time has to have been told.  As
 * pen_state_release: INT64_MAX is the end, time_max_ns the largest event time so far, steps bound
 * a call, *more asks for another one.
 */
PEN_MUST_USE pen_status stages_release(struct stages *stages, int64_t watermark_ns,
                                       int64_t time_max_ns, uint32_t steps, bool *more,
                                       struct pen_err *err);
/* Adds what the stages count to sum. */
void stages_counters(const struct stages *stages, struct pen_state_counters *sum);
uint32_t stages_count(const struct stages *stages);
/* Writes and fsyncs a snapshot of each stage, after a release that told no more.  As
 * pen_state_snapshot; the largest position of them is in *position_ns. */
PEN_MUST_USE pen_status stages_snapshot(struct stages *stages, uint64_t epoch, int64_t *position_ns,
                                        struct pen_err *err);
/* Begins at the snapshot of an epoch, or anew without one (NULL), before anything is told. */
PEN_MUST_USE pen_status stages_begin(struct stages *stages, const uint64_t *epoch,
                                     struct pen_err *err);
/* Name of the snapshot of a stage, from 0 on; name has 64 bytes. */
void stages_snapshot_name(uint64_t epoch, uint32_t stage, char name[64]);
/*
 * stages_rules - what states make of the rules, out[i] of rule i; names are borrowed.
 *
 * The definition of a rule over signals has those of the rules that it names in it.
 * is_shard  those over signals are passed on
 */
PEN_MUST_USE pen_status stages_rules(const struct pen_rules *rules, int64_t keep_alive_ns,
                                     bool is_shard, struct pen_state_rule *out);

#endif
