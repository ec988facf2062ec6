/* tested by tests/e2e/test_rules.py */
#include "trial.h"

#include "observe.h"

#include <stdlib.h>

struct pen_trial {
    struct pen_trial_options options;
    struct pen_scan *scan;
    struct trial_signals signals;
};

pen_status pen_trial_new(const struct pen_trial_options *options, struct pen_trial **out,
                         struct pen_err *err)
{
    struct pen_trial *trial = calloc(1, sizeof(*trial));
    if (trial == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "trial: out of memory");
    }
    trial->options = *options;
    trial->signals.program = options->program;
    trial->signals.temp_dir = options->temp_dir;
    const struct pen_scan_options scan = {.program = options->program};
    pen_status st = trial_signals_new(&trial->signals, err);
    st = st == PEN_OK ? pen_scan_new(&scan, &trial->scan, err) : st;
    if (st != PEN_OK) {
        pen_trial_free(trial);
        return st;
    }
    *out = trial;
    return PEN_OK;
}

void pen_trial_free(struct pen_trial *trial)
{
    if (trial != NULL) {
        pen_scan_free(trial->scan);
        trial_signals_free(&trial->signals);
        free(trial);
    }
}

static bool is_tested(const struct pen_rule_test *test, const struct pen_rule *rule)
{
    return pen_slice_eq(rule->file, test->rule_file) &&
           (test->rule_id.len == 0 || pen_slice_eq(rule->id, test->rule_id));
}

/* A test that no rule can pass or fail would say nothing. */
static pen_status rules_check(struct pen_trial *trial, const struct pen_rule_test *test,
                              const struct pen_type *type, struct pen_buf *why)
{
    const struct pen_rules *rules = trial->options.program->rules;
    uint32_t tested = 0;
    uint32_t applying = 0;
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        trial->signals.is_tested[i] = is_tested(test, rule);
        if (trial->signals.is_tested[i]) {
            tested++;
            applying += type != NULL && pen_rule_applies(rule, type);
        }
    }
    if (type == NULL) {
        return pen_buf_printf(why, "there is no log type `%.*s`", PEN_SLICE_FMT(test->type));
    }
    if (tested == 0) {
        return pen_buf_printf(why, "%.*s holds no good rule%s%.*s", PEN_SLICE_FMT(test->rule_file),
                              test->rule_id.len > 0 ? " with the id " : "",
                              PEN_SLICE_FMT(test->rule_id));
    }
    return applying > 0 ? PEN_OK
                        : pen_buf_printf(why, "no rule of %.*s is for the log type %.*s",
                                         PEN_SLICE_FMT(test->rule_file), PEN_SLICE_FMT(test->type));
}

/* A match of the rules, and of the query, that the test is about. */
static bool is_asked(const struct pen_trial *trial, const struct pen_rule_test *test, uint32_t tag)
{
    uint32_t index = 0;
    uint32_t query = 0;
    const struct pen_rule *rule = pen_program_rule(trial->options.program, tag, &index, &query);
    if (rule->datadog != NULL && rule->datadog->is_third_party) {
        query %= rule->datadog->case_count;
    }
    return is_tested(test, rule) && (!test->has_query || test->query == query);
}

/* Or of a rule that such a rule hears of. */
static bool is_heard(const struct pen_trial *trial, const struct pen_rule_test *test, uint32_t tag)
{
    const struct trial_signals *s = &trial->signals;
    const uint32_t rule = tag / PEN_RULE_QUERIES_MAX;
    return is_asked(trial, test, tag) || (s->is_needed[rule] && !s->is_tested[rule]);
}

/* The verdict on one event: *is_match, and a match becomes an observation when signals are wanted.
 */
static pen_status event_run(struct pen_trial *trial, const struct pen_rule_test *test,
                            const struct pen_scan_item *item, uint32_t index, bool *is_match,
                            struct pen_err *err)
{
    const struct observed of = {
        .doc = &item->doc, .record = &item->record, .type = pen_scan_type(trial->scan)->id};
    pen_status st = PEN_OK;
    *is_match = false;
    for (uint32_t i = 0; st == PEN_OK && i < item->tag_count; i++) {
        *is_match |= is_asked(trial, test, item->tags[i]);
        st = test->expect == PEN_EXPECT_SIGNALS && is_heard(trial, test, item->tags[i])
                 ? trial_signals_add(&trial->signals, &of, item->tags[i], test->file, index, err)
                 : PEN_OK;
    }
    return st;
}

static pen_status events_run(struct pen_trial *trial, const struct pen_rule_test *test,
                             const struct pen_type *type, struct pen_buf *why, struct pen_err *err)
{
    for (uint32_t e = 0; e < test->event_count; e++) {
        struct pen_scan_item item;
        struct pen_err bad = {0};
        bool is_match = false;
        if (pen_scan_one(trial->scan, type, test->events[e], &item, &bad) != PEN_OK) {
            return pen_buf_printf(why, "event %u: %s", e + 1, bad.text);
        }
        PEN_TRY(event_run(trial, test, &item, e, &is_match, err));
        if (test->expect != PEN_EXPECT_SIGNALS && is_match != (test->expect == PEN_EXPECT_MATCH)) {
            return pen_buf_printf(why, is_match ? "event %u matches" : "event %u does not match",
                                  e + 1);
        }
    }
    return PEN_OK;
}

static pen_status signals_run(struct pen_trial *trial, const struct pen_rule_test *test,
                              const struct pen_type *type, struct pen_buf *why, struct pen_err *err)
{
    struct trial_signals *signals = &trial->signals;
    pen_status st = trial_signals_begin(signals, trial->options.keep_alive_ns, err);
    st = st == PEN_OK ? events_run(trial, test, type, why, err) : st;
    if (st == PEN_OK && why->len == 0) {
        st = trial_signals_end(signals, err);
        st = st == PEN_OK ? trial_signals_compare(signals, test, why) : st;
    }
    trial_signals_fini(signals);
    return st;
}

/* The type whose source the test names, when its events are records of that type. */
static const struct pen_type *type_of_source(struct pen_trial *trial,
                                             const struct pen_rule_test *test)
{
    const struct pen_types *types = trial->options.program->types;
    for (uint32_t i = 0; test->source.len > 0 && i < pen_types_count(types); i++) {
        const struct pen_type *type = pen_types_at(types, i);
        struct pen_scan_item item;
        struct pen_err unused = {0};
        bool is_source = pen_slice_eq(type->name, test->source);
        for (uint32_t k = 0; k < type->source_count; k++) {
            is_source |= pen_slice_eq(type->sources[k], test->source);
        }
        if (is_source && type->format == PEN_FORMAT_JSON &&
            pen_scan_one(trial->scan, type, test->events[0], &item, &unused) == PEN_OK) {
            return type;
        }
    }
    return pen_types_find(types, test->type);
}

pen_status pen_trial_run(struct pen_trial *trial, const struct pen_rule_test *test,
                         struct pen_buf *why, struct pen_err *err)
{
    const struct pen_type *type = type_of_source(trial, test);
    *err = (struct pen_err){0};
    why->len = 0;
    pen_status st = rules_check(trial, test, type, why);
    if (st == PEN_OK && why->len == 0) {
        st = test->expect == PEN_EXPECT_SIGNALS ? signals_run(trial, test, type, why, err)
                                                : events_run(trial, test, type, why, err);
    }
    return st == PEN_OK || err->status != PEN_OK
               ? st
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "trial: no room for the reason");
}
