/* tested by tests/e2e/test_events.py */
#include "signal_explain.h"

#include "penstock/json.h"

#include "job_args.h"
#include "replay_args.h"
#include "screen.h"
#include "signal_reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX ((size_t)1 << 30)

struct explained {
    const struct signal_explain_call *call;
    struct pen_signals *signals;
    struct job_args job;
    struct replay_args *args; /* of the job, when it tells them */
    struct pen_rules *rules;
    struct screen screen;
    struct signal_reason reason;
};

/* ---- the rule ---- */

static const struct pen_rule *rule_find(const struct pen_rules *rules, const char *id)
{
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        if (pen_slice_eq(rule->id, pen_slice_str(id))) {
            return rule;
        }
    }
    return NULL;
}

/* The arguments of the job hold in its folder: rules are loaded there. */
static pen_status job_read(struct explained *e, struct pen_err *err)
{
    PEN_TRY(job_args_open(&e->job, e->call->reads.out_dir, err));
    e->args = malloc(sizeof(*e->args));
    PEN_CHECK(e->args != NULL);
    replay_args_init(e->args);
    if (replay_args_read(e->args, e->job.argc, e->job.argv) >= 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "the options of the job do not hold");
    }
    e->reason.events_first = e->args->options.events_first;
    e->reason.has_events_first = true;
    return e->call->rules != NULL ? PEN_OK
                                  : pen_rules_load(&e->args->options.rules, &e->rules, err);
}

static pen_status on_rule_id(void *ctx, const struct pen_signal_row *row)
{
    char *id = ctx;
    (void)snprintf(id, PEN_OBSERVATION_BYTES_MAX, "%.*s", PEN_SLICE_FMT(row->rule_id));
    return PEN_OK;
}

/* Without the rule the rest is shown all the same. */
static pen_status rule_read(struct explained *e, const char *signal_id, struct pen_err *err)
{
    const struct pen_signals_filter filter = {
        .id = signal_id, .from_ns = INT64_MIN, .to_ns = INT64_MAX};
    char id[PEN_OBSERVATION_BYTES_MAX] = "";
    struct pen_err job_err = {0};
    PEN_TRY(pen_signals_list(e->signals, &filter, on_rule_id, id, err));
    if (e->call->rules != NULL) { /* before the folder changes */
        PEN_TRY(pen_rules_load(e->call->rules, &e->rules, err));
    }
    if (job_read(e, &job_err) != PEN_OK) {
        (void)fprintf(stderr, "penstock: the job: %s\n", job_err.text);
    }
    job_args_close(&e->job);
    e->job = (struct job_args){.folder = -1};
    e->reason.rule = e->rules == NULL ? NULL : rule_find(e->rules, id);
    if (e->reason.rule == NULL) {
        (void)fprintf(stderr,
                      "penstock: its rule is not among the rules any more (--rules PATH names "
                      "others): what it looks for is left out\n");
    }
    return PEN_OK;
}

/* ---- the whole ---- */

static pen_status read_again(struct explained *e, const char *id, struct pen_err *err)
{
    struct events_read_call call = e->call->reads;
    struct events_read_counts counts;
    call.id = id;
    return events_read(e->signals, &call, &counts, err);
}

static pen_status run(struct explained *e, struct pen_err *err)
{
    struct pen_signal_ids found;
    PEN_TRY(pen_signals_open(e->call->reads.out_dir, &e->signals, err));
    PEN_TRY(pen_signals_resolve(e->signals, e->call->id, &found, err));
    PEN_TRY(rule_read(e, found.ids[0], err));
    PEN_TRY(read_again(e, found.ids[0], err));
    return signal_reason_show(&e->reason, e->signals, found.ids[0], err);
}

int signal_explain(const struct signal_explain_call *call)
{
    struct explained *e = calloc(1, sizeof(*e));
    struct pen_err err = {0};
    PEN_CHECK(e != NULL);
    e->call = call;
    e->job.folder = -1;
    screen_init(&e->screen);
    e->reason.screen = &e->screen;
    e->reason.json = call->json;
    pen_buf_init(&e->reason.line, LINE_BYTES_MAX);
    const pen_status st = run(e, &err);
    if (st != PEN_OK && err.status == PEN_OK) {
        (void)PEN_FAIL(&err, st, PEN_NO_OFFSET, "a signal is too large to show");
    }
    const int code = st == PEN_OK ? screen_end() : cli_fail(&err);
    pen_buf_fini(&e->reason.line);
    screen_fini(&e->screen);
    pen_rules_free(e->rules);
    if (e->args != NULL) {
        replay_args_fini(e->args);
        free(e->args);
    }
    job_args_close(&e->job);
    pen_signals_close(e->signals);
    free(e);
    return code;
}
