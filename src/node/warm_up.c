/* tested by tests/e2e/test_backtest.py */
#include "warm_up.h"

#include "observe.h"

#include <inttypes.h>
#include <stdio.h>

#define LEARNED_TO "learned to" /* of the checkpoint: the end of a part that only learned */

static int64_t day_begin(int64_t ns)
{
    const int64_t into = ns % PEN_NS_PER_DAY;
    return ns - (into < 0 ? into + PEN_NS_PER_DAY : into);
}

/* So far back a rule looks, and twice its keep-alive so that groups have time to be quiet. */
static int64_t need_of(const struct pen_state_rule *rule, int64_t from_ns)
{
    const int64_t keep = rule->keep_alive_ns > 0 ? rule->keep_alive_ns : 0;
    const int64_t need = pen_state_history_ns(rule) + 2 * keep;
    const int64_t of_day = from_ns - day_begin(from_ns);
    return rule->ends_at_midnight && of_day < need ? of_day : need;
}

struct needs { /* the longest: of rules over events, of rules over signals, and how deep these go */
    int64_t events, signals;
    uint32_t stages;
};

static struct needs needs_of(const struct pen_rules *rules, int64_t keep_alive_ns, int64_t from_ns)
{
    struct needs needs = {.stages = pen_rules_stages(rules)};
    for (uint32_t i = 0; from_ns != INT64_MIN && i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        const struct pen_state_rule state = observe_rule(rule, keep_alive_ns);
        const bool is_over_signals = rule->datadog != NULL && rule->datadog->stage > 0;
        int64_t *most = is_over_signals ? &needs.signals : &needs.events;
        const int64_t need = need_of(&state, from_ns);
        *most = need > *most ? need : *most;
    }
    return needs;
}

int64_t pen_warm_up_ns(const struct pen_rules *rules, int64_t keep_alive_ns, int64_t from_ns)
{
    const struct needs needs = needs_of(rules, keep_alive_ns, from_ns);
    return needs.events + needs.stages * needs.signals;
}

int64_t pen_warm_up_stages_ns(const struct pen_rules *rules, int64_t keep_alive_ns, int64_t from_ns,
                              int64_t begin_ns)
{
    const struct needs needs = needs_of(rules, keep_alive_ns, from_ns);
    return begin_ns + needs.events + (needs.stages > 1 ? (needs.stages - 1) * needs.signals : 0);
}

/* ---- the part that only learns ---- */

static pen_status learned_read(struct control *c, int64_t *learned_ns, struct pen_err *err)
{
    char text[32];
    *learned_ns = INT64_MIN;
    PEN_TRY(checkpoint_get(c->job.checkpoint, LEARNED_TO, text, sizeof(text), err));
    return text[0] == '\0' || pen_parse_i64(pen_slice_str(text), learned_ns)
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad %s", LEARNED_TO);
}

static pen_status learned_begin(struct control *c, int64_t *learned_ns, struct pen_err *err)
{
    char text[32] = "";
    *learned_ns = c->options->learn_only ? c->own.to_ns : INT64_MIN;
    if (c->options->learn_only) {
        (void)snprintf(text, sizeof(text), "%" PRId64, *learned_ns);
    }
    return checkpoint_set(c->job.checkpoint, LEARNED_TO, text, err);
}

/* Up to when this job only learned, or INT64_MIN. */
static pen_status learned_find(struct control *c, int64_t *learned_ns, struct pen_err *err)
{
    if (!c->job.is_resumed) {
        return learned_begin(c, learned_ns, err);
    }
    PEN_TRY(learned_read(c, learned_ns, err));
    if (c->options->learn_only && *learned_ns != c->own.to_ns) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s holds a job that %s: --learn-only is the first part of a job; give "
                        "another --out, or --fresh to start anew",
                        c->options->out_dir,
                        *learned_ns == INT64_MIN ? "tells its signals" : "has learned already");
    }
    if (!c->options->learn_only && *learned_ns == c->own.to_ns) {
        SAY(c, INFO,
            "penstock: this job only learns up to here (--learn-only): a later --to goes on with "
            "what it learned\n");
    }
    return PEN_OK;
}

/* ---- the warm-up ---- */

static int64_t warm_up_length(struct control *c)
{
    const struct pen_replay_options *o = c->options;
    if (!o->is_warm_up_auto) {
        return o->warm_up_ns;
    }
    const int64_t need = pen_warm_up_ns(c->program->rules, o->keep_alive_ns, c->own.from_ns);
    if (need <= o->warm_up_max_ns) {
        return need;
    }
    SAY(c, WARN,
        "penstock: warning: the rules look back further than replay.warm_up_max: signals whose "
        "past was not read carry `cold`\n");
    return o->warm_up_max_ns;
}

pen_status warm_up_begin(struct control *c, struct pen_err *err)
{
    int64_t learned_ns = INT64_MIN;
    char text[PEN_TIME_MAX];
    const int64_t from_ns = c->own.from_ns;
    PEN_TRY(learned_find(c, &learned_ns, err));
    c->tell_from_ns = from_ns > learned_ns ? from_ns : learned_ns;
    c->stages_begin_ns = INT64_MIN;
    if (from_ns == INT64_MIN) {
        return PEN_OK;
    }
    const int64_t length = warm_up_length(c);
    if (length > 0 && !__builtin_sub_overflow(from_ns, length, &c->own.from_ns)) {
        text[pen_format_time(c->own.from_ns, text)] = '\0';
        SAY(c, INFO, "penstock: warm-up from %s on: its records make no documents\n", text);
    }
    c->stages_begin_ns = pen_warm_up_stages_ns(c->program->rules, c->options->keep_alive_ns,
                                               from_ns, c->own.from_ns);
    return PEN_OK;
}
