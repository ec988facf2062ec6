/* tested by tests/e2e/test_chains.py */
#include "stages.h"

#include "observe.h"
#include "suppress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EPOCH 1U                      /* nothing here is cut */
#define SPILL_BYTES ((size_t)4 << 20) /* of observations in memory, a stage */

struct listener { /* a query of a rule over signals */
    uint32_t rule, query;
    const struct pen_rule_part *part;
};
struct stages {
    struct stages_options options;
    struct pen_state_rule *rules;
    struct observer observer;
    struct suppress *suppress;  /* what critical assets say of signals; or NULL */
    struct listener *listeners; /* by the rule of the part */
    uint32_t *first;            /* [rule]: its first listener; one more than rules */
    struct stage {
        struct pen_state *state;
        uint64_t appended_bytes; /* since it was spilled */
    } items[PEN_STAGES_MAX];
    uint32_t count;
    struct pen_err *err; /* of the call under way */
};

static const struct pen_rules *rules_of(const struct stages *s)
{
    return s->options.program->rules;
}

/* ---- who hears of what ---- */

static void listener_put(struct stages *s, uint32_t rule, uint32_t query, uint32_t *at)
{
    const struct pen_rule_query *q = &pen_rules_at(rules_of(s), rule)->datadog->queries[query];
    const bool is_shadow = pen_rules_at(rules_of(s), rule)->is_shadow;
    for (uint32_t p = 0; p < q->part_count; p++) {
        uint32_t *to = &at[q->parts[p].rule];
        if (!is_shadow && pen_rules_at(rules_of(s), q->parts[p].rule)->is_shadow) {
            continue; /* what is tried out is kept apart from what is told */
        }
        if (s->listeners != NULL) {
            s->listeners[*to] =
                (struct listener){.rule = rule, .query = query, .part = &q->parts[p]};
        }
        (*to)++;
    }
}

/* Counts listeners of each rule in at, or puts them where at says. */
static void listeners_walk(struct stages *s, uint32_t *at)
{
    for (uint32_t i = 0; i < pen_rules_count(rules_of(s)); i++) {
        const struct pen_datadog *datadog = pen_rules_at(rules_of(s), i)->datadog;
        for (uint32_t q = 0; datadog != NULL && datadog->stage > 0 && q < datadog->query_count;
             q++) {
            listener_put(s, i, q, at);
        }
    }
}

static pen_status listeners_make(struct stages *s)
{
    const uint32_t count = pen_rules_count(rules_of(s));
    uint32_t *at = calloc((size_t)count + 1, sizeof(*at));
    s->first = calloc((size_t)count + 1, sizeof(*s->first));
    if (at == NULL || s->first == NULL) {
        free(at);
        return PEN_E_NOMEM;
    }
    listeners_walk(s, at);
    for (uint32_t i = 0; i < count; i++) {
        s->first[i + 1] = s->first[i] + at[i];
        at[i] = s->first[i];
    }
    s->listeners = calloc((size_t)s->first[count] + 1, sizeof(*s->listeners));
    if (s->listeners != NULL) {
        listeners_walk(s, at);
    }
    free(at);
    return s->listeners == NULL ? PEN_E_NOMEM : PEN_OK;
}

/* ---- begin and end ---- */

#define RULE_BYTES_MAX ((size_t)1 << 20) /* of what a hash of a rule is made of */

/* Whatever a part is made of makes the signals that the rule counts. */
static pen_status definition_add(struct pen_state_rule *rule, const struct pen_rule_query *query,
                                 const struct pen_state_rule *rules, struct pen_buf *scratch)
{
    for (uint32_t p = 0; p < query->part_count; p++) {
        uint64_t hash = 0;
        PEN_TRY(pen_state_rule_hash(scratch, &rules[query->parts[p].rule], &hash));
        rule->definition =
            pen_hash64((pen_slice){(const uint8_t *)&hash, sizeof(hash)}, rule->definition);
    }
    return PEN_OK;
}

/* Of the rules of one stage; those of the lower ones have theirs. */
static pen_status definitions_add(const struct pen_rules *rules, uint32_t stage,
                                  struct pen_state_rule *out, struct pen_buf *scratch)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_datadog *datadog = pen_rules_at(rules, i)->datadog;
        const uint32_t queries =
            datadog != NULL && datadog->stage == stage ? datadog->query_count : 0;
        for (uint32_t q = 0; st == PEN_OK && q < queries; q++) {
            st = definition_add(&out[i], &datadog->queries[q], out, scratch);
        }
    }
    return st;
}

pen_status stages_rules(const struct pen_rules *rules, int64_t keep_alive_ns, bool is_shard,
                        struct pen_state_rule *out)
{
    struct pen_buf scratch;
    pen_status st = PEN_OK;
    pen_buf_init(&scratch, RULE_BYTES_MAX);
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        out[i] = observe_rule(pen_rules_at(rules, i), keep_alive_ns);
    }
    for (uint32_t stage = 1; st == PEN_OK && stage <= pen_rules_stages(rules); stage++) {
        st = definitions_add(rules, stage, out, &scratch);
    }
    pen_buf_fini(&scratch);
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_datadog *datadog = pen_rules_at(rules, i)->datadog;
        if (is_shard && datadog != NULL && datadog->stage > 0) {
            out[i].method = PEN_METHOD_PASS;
        }
    }
    return st;
}

static pen_status states_make(struct stages *s, struct pen_err *err)
{
    struct pen_state_options options = s->options.state;
    const uint32_t count = pen_rules_count(rules_of(s));
    s->rules = calloc((size_t)count + 1, sizeof(*s->rules));
    if (s->rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rules over signals: out of memory");
    }
    const pen_status st = stages_rules(rules_of(s), s->options.keep_alive_ns, false, s->rules);
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "rules over signals: %s", pen_status_text(st));
    }
    options.shard = 0;
    options.shards = 1;
    options.rules = s->rules;
    options.rule_count = count;
    for (; s->count < pen_rules_stages(rules_of(s)); s->count++) {
        options.stage = s->count + 1;
        PEN_TRY(pen_state_new(&options, &s->items[s->count].state, err));
    }
    return PEN_OK;
}

/* Attributes of events are known of those alone that are kept with a signal. */
static pen_status events_check(const struct stages *s, struct pen_err *err)
{
    const struct pen_state_options *o = &s->options.state;
    const uint32_t count = pen_rules_count(rules_of(s));
    for (uint32_t i = 0; o->samples_first + o->samples_last == 0 && i < s->first[count]; i++) {
        const struct listener *l = &s->listeners[i];
        const struct pen_rule *rule = pen_rules_at(rules_of(s), l->rule);
        PEN_CHECK(l->part != NULL);
        for (uint32_t k = 0; k < rule->datadog->queries[l->query].group_by_count; k++) {
            const pen_slice name = l->part->group_by[k].attribute;
            if (name.len > 0) {
                return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                                "the rule %.*s joins signals by %.*s, which their events tell: "
                                "signal.events_first and signal.events_last must not both be 0",
                                PEN_SLICE_FMT(rule->id), PEN_SLICE_FMT(name));
            }
        }
    }
    return PEN_OK;
}

pen_status stages_new(const struct stages_options *options, struct stages **out,
                      struct pen_err *err)
{
    *out = NULL;
    if (pen_rules_stages(options->program->rules) == 0) {
        return PEN_OK;
    }
    struct stages *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rules over signals: out of memory");
    }
    s->options = *options;
    observer_init(&s->observer, options->program, options->elements_max);
    pen_status st = listeners_make(s);
    st = st == PEN_OK ? events_check(s, err)
                      : PEN_FAIL(err, st, PEN_NO_OFFSET, "rules over signals: out of memory");
    st = st == PEN_OK ? states_make(s, err) : st;
    st = st == PEN_OK ? suppress_new(options->program, &s->suppress, err) : st;
    if (st != PEN_OK) {
        stages_free(s);
        return st;
    }
    *out = s;
    return PEN_OK;
}

void stages_free(struct stages *stages)
{
    if (stages == NULL) {
        return;
    }
    for (uint32_t i = 0; i < stages->count; i++) {
        pen_state_free(stages->items[i].state);
    }
    observer_fini(&stages->observer);
    suppress_free(stages->suppress);
    free(stages->rules);
    free(stages->listeners);
    free(stages->first);
    free(stages);
}

/* ---- what comes ---- */

static pen_status append(void *ctx, const struct pen_observation *o)
{
    struct stages *s = ctx;
    const uint32_t stage = pen_rules_at(rules_of(s), o->rule)->datadog->stage;
    PEN_CHECK(stage > 0 && stage <= s->count);
    struct stage *at = &s->items[stage - 1];
    at->appended_bytes += sizeof(*o) + o->group.len + o->attributes.len + o->event.len;
    PEN_TRY(pen_state_append(at->state, EPOCH, o, s->err));
    if (at->appended_bytes < SPILL_BYTES) {
        return PEN_OK;
    }
    at->appended_bytes = 0;
    return pen_state_spill(at->state, EPOCH, s->err);
}

static pen_status fail_of(pen_status st, struct pen_err *err, const char *what)
{
    return st == PEN_OK || err->status != PEN_OK ? st
                                                 : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s", what);
}

pen_status stages_signal(struct stages *stages, enum pen_signal_change change,
                         const struct pen_signal *signal, struct pen_err *err)
{
    struct stages *s = stages;
    if (s == NULL || change != PEN_SIGNAL_OPENED ||
        s->first[signal->rule] == s->first[signal->rule + 1]) {
        return PEN_OK;
    }
    struct observed_signal of;
    struct pen_signal rated = *signal;
    pen_status st = s->suppress == NULL ? PEN_OK : suppress_rate(s->suppress, &rated, err);
    s->err = err;
    observer_signal_begin(&s->observer, pen_rules_at(rules_of(s), signal->rule), &rated, &of);
    for (uint32_t i = s->first[signal->rule]; st == PEN_OK && i < s->first[signal->rule + 1]; i++) {
        const struct listener *l = &s->listeners[i];
        st = observer_signal(&s->observer, pen_rules_at(rules_of(s), l->rule), l->rule, l->query,
                             l->part, &of, append, s);
    }
    return fail_of(st, err, "a signal that other rules count");
}

pen_status stages_passed(struct stages *stages, const struct pen_observation *o,
                         struct pen_err *err)
{
    PEN_CHECK(stages != NULL); /* no other rule is passed on */
    stages->err = err;
    return fail_of(append(stages, o), err, "an event that rules over signals count");
}

/* ---- release ---- */

static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal)
{
    struct stages *s = ctx;
    PEN_TRY(s->options.fn(s->options.ctx, change, signal));
    return s->options.is_held != NULL && s->options.is_held(s->options.ctx)
               ? PEN_OK
               : stages_signal(s, change, signal, s->err);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are the contract of stages.h */
pen_status stages_release(struct stages *stages, int64_t watermark_ns, int64_t time_max_ns,
                          uint32_t steps, bool *more, struct pen_err *err)
{
    *more = false;
    for (uint32_t i = 0; stages != NULL && i < stages->count && !*more; i++) {
        struct stage *at = &stages->items[i];
        at->appended_bytes = 0;
        PEN_TRY(pen_state_spill(at->state, EPOCH, err));
        pen_state_seen(at->state, time_max_ns);
        stages->err = err;
        PEN_TRY(
            fail_of(pen_state_release(at->state, watermark_ns, steps, on_signal, stages, more, err),
                    err, "signals of rules over signals"));
    }
    return PEN_OK;
}

/* ---- snapshots ---- */

uint32_t stages_count(const struct stages *stages)
{
    return stages == NULL ? 0 : stages->count;
}

void stages_snapshot_name(uint64_t epoch, uint32_t stage, char name[64])
{
    (void)snprintf(name, 64, "stage-%" PRIu64 "-%u.zst", epoch, stage + 1);
}

pen_status stages_snapshot(struct stages *stages, uint64_t epoch, int64_t *position_ns,
                           struct pen_err *err)
{
    *position_ns = INT64_MIN;
    for (uint32_t i = 0; i < stages_count(stages); i++) {
        struct pen_snapshot_info info;
        PEN_TRY(pen_state_snapshot(stages->items[i].state, epoch, &info, err));
        *position_ns = info.position_ns > *position_ns ? info.position_ns : *position_ns;
    }
    return PEN_OK;
}

pen_status stages_begin(struct stages *stages, const uint64_t *epoch, struct pen_err *err)
{
    char name[64];
    for (uint32_t i = 0; i < stages_count(stages); i++) {
        PEN_TRY(pen_state_reset(stages->items[i].state, err));
    }
    for (uint32_t i = 0; epoch != NULL && i < stages_count(stages); i++) {
        stages_snapshot_name(*epoch, i, name);
        PEN_TRY(pen_state_load(stages->items[i].state, pen_slice_str(name), err));
    }
    return PEN_OK;
}

void stages_counters(const struct stages *stages, struct pen_state_counters *sum)
{
    for (uint32_t i = 0; stages != NULL && i < stages->count; i++) {
        const struct pen_state_counters c = pen_state_counters_get(stages->items[i].state);
        sum->late += c.late;
        sum->evicted += c.evicted;
        sum->groups += c.groups;
        sum->groups_evicted += c.groups_evicted;
        sum->window_events_evicted += c.window_events_evicted;
        sum->values_limited += c.values_limited;
    }
}
