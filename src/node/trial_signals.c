/* tested by tests/e2e/test_rules.py */
#include "observe.h"
#include "signal_text.h"
#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RELEASE_STEPS 4096U
#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define LISTED_MAX 5U
#define TRIAL_SAMPLES 10U /* as signal.events_first and _last */
#define NONE UINT32_MAX

/* ---- the state of one test ---- */

static pen_status folder_make(struct trial_signals *t, struct pen_err *err)
{
    const char *base = t->temp_dir == NULL || t->temp_dir[0] == '\0' ? "/tmp" : t->temp_dir;
    const int len = snprintf(t->folder, sizeof(t->folder), "%s/penstock-test-XXXXXX", base);
    if (len < 0 || (size_t)len >= sizeof(t->folder) || mkdtemp(t->folder) == NULL) {
        const int code = errno;
        t->folder[0] = '\0';
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET,
                        "no folder for a test of signals can be made in %.128s: %s", base,
                        strerrordesc_np(code));
    }
    return PEN_OK;
}

pen_status trial_signals_new(struct trial_signals *t, struct pen_err *err)
{
    const size_t count = pen_rules_count(t->program->rules);
    t->is_tested = calloc(count + 1, sizeof(*t->is_tested));
    t->is_needed = calloc(count + 1, sizeof(*t->is_needed));
    return t->is_tested != NULL && t->is_needed != NULL
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "trial: out of memory");
}

void trial_signals_free(struct trial_signals *t)
{
    free(t->is_tested);
    free(t->is_needed);
}

/* Parts stand before what names them. */
static void needed_fill(struct trial_signals *t)
{
    const struct pen_rules *rules = t->program->rules;
    const uint32_t count = pen_rules_count(rules);
    memcpy(t->is_needed, t->is_tested, count * sizeof(*t->is_needed));
    for (uint32_t i = count; i-- > 0;) {
        const struct pen_datadog *rule = pen_rules_at(rules, i)->datadog;
        for (uint32_t q = 0; t->is_needed[i] && rule != NULL && q < rule->query_count; q++) {
            for (uint32_t p = 0; p < rule->queries[q].part_count; p++) {
                t->is_needed[rule->queries[q].parts[p].rule] = true;
            }
        }
    }
}

static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal);

static pen_status on_shard_signal(void *ctx, enum pen_signal_change change,
                                  const struct pen_signal *signal)
{
    struct trial_signals *t = ctx;
    PEN_TRY(on_signal(t, change, signal));
    return stages_signal(t->stages, change, signal, t->err);
}

static pen_status on_passed(void *ctx, const struct pen_observation *o)
{
    struct trial_signals *t = ctx;
    return stages_passed(t->stages, o, t->err);
}

static pen_status states_open(struct trial_signals *t, int64_t keep_alive_ns, struct pen_err *err)
{
    const struct pen_state_options options = {.dir = t->folder,
                                              .shards = 1,
                                              .rules = t->rules,
                                              .rule_count = pen_rules_count(t->program->rules),
                                              .samples_first = TRIAL_SAMPLES,
                                              .samples_last = TRIAL_SAMPLES,
                                              .memory_bytes_max = (uint64_t)64 << 20,
                                              .groups_max = TRIAL_GROUPS_MAX,
                                              .window_events_max = TRIAL_EVENTS_MAX,
                                              .values_max = TRIAL_EVENTS_MAX,
                                              .new_values_max = TRIAL_EVENTS_MAX,
                                              .anomaly_groups_max = TRIAL_GROUPS_MAX,
                                              .places_max = TRIAL_EVENTS_MAX,
                                              .pass = on_passed,
                                              .pass_ctx = t};
    const struct stages_options stages = {.program = t->program,
                                          .state = options,
                                          .keep_alive_ns = keep_alive_ns,
                                          .elements_max = TRIAL_GROUPS_MAX,
                                          .fn = on_signal,
                                          .ctx = t};
    PEN_TRY(stages_new(&stages, &t->stages, err));
    return pen_state_new(&options, &t->state, err);
}

pen_status trial_signals_begin(struct trial_signals *t, int64_t keep_alive_ns, struct pen_err *err)
{
    const uint32_t count = pen_rules_count(t->program->rules);
    t->count = 0;
    t->time_max_ns = INT64_MIN;
    pen_arena_init(&t->arena, TEXT_BYTES_MAX);
    pen_buf_init(&t->group, TEXT_BYTES_MAX);
    pen_buf_init(&t->own_group, TEXT_BYTES_MAX);
    t->rules = calloc((size_t)count + 1, sizeof(*t->rules));
    if (t->rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "trial: out of memory");
    }
    const pen_status st = stages_rules(t->program->rules, keep_alive_ns, true, t->rules);
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "trial: %s", pen_status_text(st));
    }
    needed_fill(t);
    PEN_TRY(folder_make(t, err));
    observer_init(&t->observer, t->program, TRIAL_GROUPS_MAX);
    return states_open(t, keep_alive_ns, err);
}

static pen_status observation_append(void *ctx, const struct pen_observation *o)
{
    struct trial_signals *t = ctx;
    return pen_state_append(t->state, 1, o, NULL);
}

pen_status trial_signals_add(struct trial_signals *t, const struct observed *of, uint32_t tag,
                             pen_slice object, uint64_t record, struct pen_err *err)
{
    uint32_t index = 0;
    uint32_t query = 0;
    char id[PEN_EVENT_ID_MAX];
    const struct pen_rule *rule = pen_program_rule(t->program, tag, &index, &query);
    const struct pen_doc *doc = of->doc;
    t->time_max_ns = doc->time_ns > t->time_max_ns ? doc->time_ns : t->time_max_ns;
    if (observe_group(&t->group, t->program, of) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "trial: out of memory");
    }
    struct pen_observation o = {.rule = index,
                                .rule_id = rule->id,
                                .query = query,
                                .time_ns = doc->time_ns,
                                .promise_ns = INT64_MIN,
                                .event_id = pen_event_id(doc, object, record, id),
                                .group = pen_buf_slice(&t->group),
                                .account = doc->account,
                                .region = doc->region,
                                .actor = doc->identity,
                                .source_ip = doc->source_ip,
                                .index_name = doc->index,
                                .object = object,
                                .record = record};
    if (rule->datadog == NULL) {
        PEN_TRY(observe_own_group(&t->own_group, t->program, index, of, &o.group));
        return pen_state_append(t->state, 1, &o, err);
    }
    const struct pen_program_type *type = &t->program->by_type[of->type];
    const pen_status st = observe_query(&t->observer, pen_program_counted(type, tag), of->record,
                                        &o, observation_append, t);
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "an observation of the test");
}

static enum pen_severity severity_of(const struct trial_signals *t, const struct pen_signal *signal)
{
    return signal_severity(pen_rules_at(t->program->rules, signal->rule), signal,
                           signal->case_index);
}

/* A worse case was reached while the signal was open. */
static void severity_raise(struct trial_signals *t, const struct pen_signal *signal)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (memcmp(t->found[i].id, signal->id, sizeof(signal->id)) == 0) {
            t->found[i].severity = severity_of(t, signal);
        }
    }
}

static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal)
{
    struct trial_signals *t = ctx;
    if (!t->is_tested[signal->rule]) {
        return PEN_OK;
    }
    if (change != PEN_SIGNAL_OPENED) {
        severity_raise(t, signal);
        return PEN_OK;
    }
    if (t->count == TRIAL_SIGNALS_MAX) {
        return PEN_E_LIMIT;
    }
    const pen_slice group = pen_arena_dup(&t->arena, signal->group);
    if (group.ptr == NULL) {
        return PEN_E_NOMEM;
    }
    t->found[t->count++] = (struct trial_signal){.group = group,
                                                 .rule = signal->rule,
                                                 .severity = severity_of(t, signal),
                                                 .first_seen_ns = signal->first_seen_ns};
    memcpy(t->found[t->count - 1].id, signal->id, sizeof(signal->id));
    return PEN_OK;
}

pen_status trial_signals_end(struct trial_signals *t, struct pen_err *err)
{
    uint64_t bytes = 0;
    bool has_more = true;
    pen_status st = pen_state_cut(t->state, 1, t->run_name, sizeof(t->run_name), &bytes, err);
    if (st == PEN_OK) {
        pen_state_committed(t->state, 1);
    }
    t->err = err;
    while (st == PEN_OK && has_more) {
        st = pen_state_release(t->state, INT64_MAX, RELEASE_STEPS, on_shard_signal, t, &has_more,
                               err);
    }
    has_more = true;
    while (st == PEN_OK && has_more) {
        st = stages_release(t->stages, INT64_MAX, t->time_max_ns, RELEASE_STEPS, &has_more, err);
    }
    return st == PEN_OK || err->status != PEN_OK
               ? st
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "a test gives more than %u signals",
                          TRIAL_SIGNALS_MAX);
}

void trial_signals_fini(struct trial_signals *t)
{
    pen_state_free(t->state);
    stages_free(t->stages);
    observer_fini(&t->observer);
    if (t->folder[0] != '\0') {
        char path[sizeof(t->folder) + sizeof(t->run_name) + 1];
        (void)snprintf(path, sizeof(path), "%s/%s", t->folder, t->run_name);
        /* A file that stays behind in the folder for such files changes no verdict. */
        (void)(t->run_name[0] == '\0' ? 0 : unlink(path));
        (void)rmdir(t->folder);
    }
    pen_buf_fini(&t->group);
    pen_buf_fini(&t->own_group);
    pen_arena_fini(&t->arena);
    free(t->rules);
    t->state = NULL;
    t->stages = NULL;
    t->rules = NULL;
    t->folder[0] = '\0';
    t->run_name[0] = '\0';
}

/* ---- found against expected ---- */

/* Whether the group has this member with this value. */
static bool group_has(pen_slice group, const struct pen_rule_test_key *key, struct pen_buf *scratch)
{
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_here = false;
    pen_tokens_init(&tokens, group);
    while (pen_tokens_next(&tokens, &token)) {
        scratch->len = 0;
        if (token.is_open || token.is_close || pen_buf_reserve(scratch, token.text.len) != PEN_OK) {
            continue;
        }
        scratch->len = pen_json_unescape(token.text, scratch->ptr);
        const pen_slice text = pen_buf_slice(scratch);
        if (token.is_key) {
            is_here = pen_slice_eq(text, key->name);
        } else if (is_here) {
            return pen_slice_eq(text, key->value);
        }
    }
    return false;
}

static bool is_as_expected(struct trial_signals *t, const struct trial_signal *found,
                           const struct pen_rule_test_signal *wanted)
{
    if ((wanted->severity >= 0 && wanted->severity != (int)found->severity) ||
        (wanted->first_seen_ns != INT64_MIN && wanted->first_seen_ns != found->first_seen_ns)) {
        return false;
    }
    for (uint32_t i = 0; i < wanted->group_count; i++) {
        if (!group_has(found->group, &wanted->group[i], &t->group)) {
            return false;
        }
    }
    return true;
}

struct pairs { /* which expected signal has which found one */
    uint32_t found_of[TRIAL_SIGNALS_MAX], wanted_of[TRIAL_SIGNALS_MAX];
};

/*
 * Gives one more expected signal a counterpart, though others may have to take another one: a
 * signal that fits several expectations must not starve the one that it alone fits.
 */
static bool pair_up(struct trial_signals *t, const struct pen_rule_test *test, uint32_t wanted,
                    struct pairs *pairs)
{
    uint32_t queue[TRIAL_SIGNALS_MAX] = {wanted};
    uint32_t reached_by[TRIAL_SIGNALS_MAX];
    uint32_t queued = 1;
    for (uint32_t f = 0; f < TRIAL_SIGNALS_MAX; f++) {
        reached_by[f] = NONE;
    }
    for (uint32_t at = 0; at < queued; at++) {
        for (uint32_t f = 0; f < t->count; f++) {
            if (reached_by[f] != NONE ||
                !is_as_expected(t, &t->found[f], &test->signals[queue[at]])) {
                continue;
            }
            reached_by[f] = queue[at];
            if (pairs->wanted_of[f] != NONE) {
                queue[queued++] = pairs->wanted_of[f];
                continue;
            }
            for (uint32_t free = f; free != NONE;) {
                const uint32_t w = reached_by[free];
                const uint32_t before = pairs->found_of[w];
                pairs->found_of[w] = free;
                pairs->wanted_of[free] = w;
                free = before;
            }
            return true;
        }
    }
    return false;
}

static pen_status list_one(const struct trial_signal *found, struct pen_buf *why)
{
    char time[PEN_TIME_MAX];
    time[pen_format_time(found->first_seen_ns, time)] = '\0';
    PEN_TRY(
        pen_buf_printf(why, "%s, first seen %s, group ", pen_severity_name(found->severity), time));
    return pen_buf_add(why, found->group);
}

static pen_status list_found(const struct trial_signals *t, struct pen_buf *why)
{
    pen_status st = pen_buf_printf(why, "; there %s %u", t->count == 1 ? "is" : "are", t->count);
    for (uint32_t i = 0; st == PEN_OK && i < t->count && i < LISTED_MAX; i++) {
        st = pen_buf_add(why, i == 0 ? PEN_SLICE_LIT(": ") : PEN_SLICE_LIT("; "));
        st = st == PEN_OK ? list_one(&t->found[i], why) : st;
    }
    return st == PEN_OK && t->count > LISTED_MAX ? pen_buf_add(why, PEN_SLICE_LIT("; ...")) : st;
}

pen_status trial_signals_compare(struct trial_signals *t, const struct pen_rule_test *test,
                                 struct pen_buf *why)
{
    struct pairs pairs;
    if (test->signal_count != t->count) {
        PEN_TRY(pen_buf_printf(why, "%u signals are expected", test->signal_count));
        return list_found(t, why);
    }
    for (uint32_t i = 0; i < TRIAL_SIGNALS_MAX; i++) {
        pairs.found_of[i] = pairs.wanted_of[i] = NONE;
    }
    uint32_t w = 0;
    while (w < test->signal_count && pair_up(t, test, w, &pairs)) {
        w++;
    }
    if (w == test->signal_count) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_printf(why, "no signal is as number %u of the expected ones", w + 1));
    return list_found(t, why);
}
