/* tested by tests/e2e/test_hunt.py */
#include "backtest.h"

#include "penstock/node.h"

#include "observe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RUN_BYTES ((uint64_t)64 << 20) /* encoded observations after which a run is written */
#define RELEASE_STEPS 4096U
#define GROUP_BYTES_MAX ((size_t)16 << 20)

struct match_head { /* before the observations of one match */
    uint32_t rule;
    uint32_t bytes;       /* of them all */
    uint64_t measured_ns; /* to make them */
};

/* ---- observations, on the threads of a pass ---- */

static pen_status encode(void *ctx, const struct pen_observation *o)
{
    struct pen_buf *out = ctx;
    return pen_observation_encode(out, o);
}

static int64_t promise_of(const struct pen_backtest *backtest, const struct pen_pass_record *record)
{
    const int64_t day = record->key->day_ns;
    return day == INT64_MIN ? INT64_MIN : day - backtest->options.limits->slack_ns;
}

struct observing { /* of one record at a time */
    const struct pen_backtest *backtest;
    const struct pen_pass_record *record;
    struct observer observer;
    struct pen_buf group; /* of Sigma matches; empty: not made yet */
    struct pen_buf own_group;
};

/* Of a Sigma match: its group, by names of the rule's own if it has any, and what it tells. */
static pen_status observe_match(struct observing *with, const struct pen_rule *rule, uint32_t tag,
                                struct pen_observation *o)
{
    const struct pen_program *program = with->backtest->options.program;
    const struct pen_scan_item *item = with->record->item;
    const struct observed of = {
        .doc = &item->doc, .record = &item->record, .type = with->record->type->id};
    PEN_TRY(with->group.len > 0 ? PEN_OK : observe_group(&with->group, program, &of));
    o->group = pen_buf_slice(&with->group);
    PEN_TRY(observe_own_group(&with->own_group, program, o->rule, &of, &o->group));
    const struct pen_program_type *type = &program->by_type[of.type];
    return rule->attribute_count == 0
               ? PEN_OK
               : observe_attributes(&with->observer, pen_program_counted(type, tag), &item->record,
                                    o);
}

static pen_status observe_tag(struct observing *with, uint32_t tag, struct pen_buf *out)
{
    uint32_t index = 0;
    uint32_t query = 0;
    char id[PEN_EVENT_ID_MAX];
    const struct pen_program *program = with->backtest->options.program;
    const struct pen_rule *rule = pen_program_rule(program, tag, &index, &query);
    const struct pen_doc *doc = &with->record->item->doc;
    const struct pen_record *values = &with->record->item->record;
    const pen_slice key = pen_slice_str(with->record->object->key);
    struct pen_observation o = {.rule = index,
                                .rule_id = rule->id,
                                .query = query,
                                .time_ns = doc->time_ns,
                                .promise_ns = promise_of(with->backtest, with->record),
                                .event_id = pen_event_id(doc, key, values->ordinal, id),
                                .account = doc->account,
                                .region = doc->region,
                                .actor = doc->identity,
                                .source_ip = doc->source_ip,
                                .index_name = doc->index,
                                .object = key,
                                .record = values->ordinal};
    if (rule->datadog != NULL) {
        const struct pen_program_type *type = &program->by_type[with->record->type->id];
        return observe_query(&with->observer, pen_program_counted(type, tag), values, &o, encode,
                             out);
    }
    PEN_TRY(observe_match(with, rule, tag, &o));
    return encode(out, &o);
}

/* A match becomes a head and its observations. */
static pen_status observe_counted(struct observing *with, uint32_t tag, struct pen_buf *out)
{
    struct match_head head = {.rule = tag / PEN_RULE_QUERIES_MAX};
    const size_t at = out->len;
    const int64_t begin = pen_clock_mono_ns();
    PEN_TRY(pen_buf_add(out, (pen_slice){(const uint8_t *)&head, sizeof(head)}));
    PEN_TRY(observe_tag(with, tag, out));
    head.bytes = pen_u32(out->len - at - sizeof(head));
    head.measured_ns = (uint64_t)(pen_clock_mono_ns() - begin);
    memcpy(out->ptr + at, &head, sizeof(head));
    return PEN_OK;
}

static void maker_free(struct observing *with)
{
    if (with != NULL) {
        observer_fini(&with->observer);
        pen_buf_fini(&with->group);
        pen_buf_fini(&with->own_group);
    }
    free(with);
}

/* That of the record's worker, ready for the record. */
static pen_status maker_of(const struct pen_backtest *backtest,
                           const struct pen_pass_record *record, struct observing **out)
{
    struct observing **at = &backtest->makers[record->worker];
    if (*at == NULL) {
        struct observing *with = calloc(1, sizeof(*with));
        if (with == NULL) {
            return PEN_E_NOMEM;
        }
        with->backtest = backtest;
        observer_init(&with->observer, backtest->options.program,
                      pen_u32(backtest->options.limits->observed_groups_max));
        pen_buf_init(&with->group, GROUP_BYTES_MAX);
        pen_buf_init(&with->own_group, GROUP_BYTES_MAX);
        *at = with;
    }
    (*at)->record = record;
    (*at)->group.len = 0;
    *out = *at;
    return PEN_OK;
}

pen_status pen_backtest_observe(const struct pen_backtest *backtest,
                                const struct pen_pass_record *record, struct pen_buf *out,
                                struct pen_err *err)
{
    const struct pen_scan_item *item = record->item;
    const struct pen_program *program = backtest->options.program;
    if (item->tag_count == 0 || item->doc.time_ns == INT64_MIN) {
        return PEN_OK;
    }
    struct observing *with = NULL;
    pen_status st = maker_of(backtest, record, &with);
    for (uint32_t i = 0; st == PEN_OK && i < item->tag_count; i++) {
        const uint32_t tag = item->tags[i];
        const bool is_own = tag >= program->tag_begin && tag < program->tag_end;
        st = is_own ? observe_counted(with, tag - program->tag_begin, out) : PEN_OK;
    }
    return st == PEN_OK ? PEN_OK
                        : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: record %llu: an observation: %s",
                                   record->object->key, (unsigned long long)item->record.ordinal,
                                   pen_status_text(st));
}

/* ---- state, on the calling thread ---- */

static pen_status run_write(struct pen_backtest *backtest, struct pen_err *err)
{
    char name[64];
    uint64_t bytes = 0;
    const int64_t begin = pen_clock_thread_cpu_ns();
    PEN_TRY(pen_state_cut(backtest->state, backtest->epoch, name, sizeof(name), &bytes, err));
    pen_state_committed(backtest->state, backtest->epoch++);
    backtest->open_bytes = 0;
    bool has_more = false; /* nothing lies below this watermark: the run is only opened */
    const pen_status st =
        pen_state_release(backtest->state, INT64_MIN, 0, NULL, NULL, &has_more, err);
    backtest->state_cpu_ns += (uint64_t)(pen_clock_thread_cpu_ns() - begin);
    return st;
}

static pen_status observations_take(struct pen_backtest *backtest, pen_slice bytes,
                                    struct pen_err *err)
{
    pen_status st = PEN_OK;
    while (st == PEN_OK && bytes.len > 0) {
        struct pen_observation o;
        st = pen_observation_decode(&bytes, &o, err);
        st = st == PEN_OK ? pen_state_append(backtest->state, backtest->epoch, &o, err) : st;
        if (st == PEN_OK) {
            costs_observation(backtest->counts, &o);
            backtest->time_last_ns =
                o.time_ns > backtest->time_last_ns ? o.time_ns : backtest->time_last_ns;
        }
    }
    return st;
}

pen_status pen_backtest_take(struct pen_backtest *backtest, pen_slice bytes, struct pen_err *err)
{
    pen_status st = PEN_OK;
    backtest->open_bytes += bytes.len;
    while (st == PEN_OK && bytes.len > 0) {
        pen_slice part;
        struct match_head head;
        const bool has_head = pen_slice_take(&bytes, sizeof(head), &part);
        PEN_CHECK(has_head);
        memcpy(&head, part.ptr, sizeof(head));
        const bool is_whole = pen_slice_take(&bytes, head.bytes, &part);
        PEN_CHECK(is_whole);
        struct rule_count *count = &backtest->counts[head.rule];
        count->matches++;
        count->measured++;
        count->measured_ns += head.measured_ns;
        st = observations_take(backtest, part, err);
    }
    return st != PEN_OK || backtest->open_bytes < RUN_BYTES ? st : run_write(backtest, err);
}

/* ---- signals ---- */

/* What a run would tell of the change. */
static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal)
{
    struct pen_backtest *b = ctx;
    const struct pen_backtest_options *o = &b->options;
    b->is_held = false;
    if (pen_rules_at(o->program->rules, signal->rule)->is_silent ||
        (o->has_range && signal->last_seen_ns < o->tell_from_ns)) {
        return PEN_OK;
    }
    return b->fn(b->ctx, signal->enters ? PEN_SIGNAL_OPENED : change, signal);
}

static bool is_held(void *ctx)
{
    const struct pen_backtest *b = ctx;
    return b->is_held;
}

static pen_status on_event_signal(void *ctx, enum pen_signal_change change,
                                  const struct pen_signal *signal)
{
    struct pen_backtest *b = ctx;
    PEN_TRY(on_signal(b, change, signal));
    return b->is_held ? PEN_OK : stages_signal(b->stages, change, signal, b->err);
}

static pen_status on_passed(void *ctx, const struct pen_observation *o)
{
    struct pen_backtest *b = ctx;
    return stages_passed(b->stages, o, b->err);
}

static pen_status release_all(struct pen_backtest *b, struct pen_err *err)
{
    bool has_more = true;
    pen_status st = run_write(b, err);
    while (st == PEN_OK && has_more) {
        st = pen_state_release(b->state, INT64_MAX, RELEASE_STEPS, on_event_signal, b, &has_more,
                               err);
    }
    has_more = b->stages != NULL;
    while (st == PEN_OK && has_more) {
        st = stages_release(b->stages, INT64_MAX, b->time_last_ns, RELEASE_STEPS, &has_more, err);
    }
    return st;
}

pen_status pen_backtest_end(struct pen_backtest *backtest, pen_signal_fn *fn, void *ctx,
                            struct pen_err *err)
{
    struct pen_backtest *b = backtest;
    const int64_t begin = pen_clock_thread_cpu_ns();
    b->fn = fn;
    b->ctx = ctx;
    b->err = err;
    const pen_status st = release_all(b, err);
    b->state_cpu_ns += (uint64_t)(pen_clock_thread_cpu_ns() - begin);
    return st == PEN_OK || err->status != PEN_OK
               ? st
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "the signals of a back-test");
}

void pen_backtest_cost(const struct pen_backtest *backtest, struct pen_backtest_cost *out)
{
    struct rule_count *const one[] = {backtest->counts};
    *out = (struct pen_backtest_cost){.state_cpu_ns = backtest->state_cpu_ns};
    out->count = costs_list(backtest->options.program->rules, one, 1, &out->rules);
    for (uint32_t i = 0; i < out->count; i++) {
        out->matches += out->rules[i].matches;
        out->observations += out->rules[i].observations;
        out->bytes += out->rules[i].bytes;
        out->observe_cpu_ns += out->rules[i].cpu_ns;
    }
}

/* ---- begin and end ---- */

static pen_status folder_make(struct pen_backtest *backtest, struct pen_err *err)
{
    const char *base = backtest->options.temp_dir;
    base = base == NULL || base[0] == '\0' ? "/tmp" : base;
    char *folder = backtest->folder;
    const int len = snprintf(folder, sizeof(backtest->folder), "%s/penstock-backtest-XXXXXX", base);
    if (len < 0 || (size_t)len >= sizeof(backtest->folder) || mkdtemp(folder) == NULL) {
        const int code = errno;
        folder[0] = '\0';
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET,
                        "no folder for a back-test can be made in %.128s: %s", base,
                        strerrordesc_np(code));
    }
    return PEN_OK;
}

static pen_status states_open(struct pen_backtest *b, struct pen_err *err)
{
    const struct pen_replay_options *limits = b->options.limits;
    const uint64_t groups = (limits->groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS;
    const uint64_t anomalies = (limits->anomaly_groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS;
    const struct pen_state_options options = {
        .dir = b->folder,
        .shards = 1,
        .rules = b->rules,
        .rule_count = pen_rules_count(b->options.program->rules),
        .samples_first = pen_u32(limits->events_first),
        .samples_last = pen_u32(limits->events_last),
        .memory_bytes_max = limits->state_bytes_max,
        .groups_max = pen_u32(groups),
        .window_events_max = pen_u32(limits->window_events_max),
        .values_max = pen_u32(limits->values_max),
        .new_values_max = pen_u32(limits->new_values_max),
        .anomaly_groups_max = pen_u32(anomalies),
        .places_max = pen_u32(limits->places_max),
        .has_begin = b->options.has_range,
        .begin_ns = b->options.begin_ns,
        .has_tell_from = b->options.has_range,
        .tell_from_ns = b->options.tell_from_ns,
        .pass = on_passed,
        .pass_ctx = b};
    struct stages_options stages = {.program = b->options.program,
                                    .state = options,
                                    .keep_alive_ns = limits->keep_alive_ns,
                                    .elements_max = pen_u32(limits->observed_groups_max),
                                    .fn = on_signal,
                                    .is_held = is_held,
                                    .ctx = b};
    stages.state.memory_bytes_max = limits->stage_bytes_max;
    stages.state.begin_ns = b->options.stages_begin_ns;
    PEN_TRY(stages_new(&stages, &b->stages, err));
    return pen_state_new(&options, &b->state, err);
}

static pen_status state_make(struct pen_backtest *backtest, struct pen_err *err)
{
    const struct pen_rules *set = backtest->options.program->rules;
    const uint32_t count = pen_rules_count(set);
    backtest->counts = costs_new(set);
    backtest->rules = calloc((size_t)count + 1, sizeof(*backtest->rules));
    backtest->makers = calloc(PEN_PASS_WORKERS_MAX, sizeof(struct observing *));
    if (backtest->rules == NULL || backtest->makers == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "back-test: out of memory");
    }
    const pen_status st =
        stages_rules(set, backtest->options.limits->keep_alive_ns, true, backtest->rules);
    return st == PEN_OK ? states_open(backtest, err)
                        : PEN_FAIL(err, st, PEN_NO_OFFSET, "back-test: %s", pen_status_text(st));
}

pen_status pen_backtest_new(const struct pen_backtest_options *options, struct pen_backtest **out,
                            struct pen_err *err)
{
    struct pen_backtest *backtest = calloc(1, sizeof(*backtest));
    if (backtest == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "back-test: out of memory");
    }
    backtest->options = *options;
    backtest->epoch = 1;
    backtest->time_last_ns = INT64_MIN;
    pen_status st = folder_make(backtest, err);
    st = st == PEN_OK ? state_make(backtest, err) : st;
    if (st != PEN_OK) {
        pen_backtest_free(backtest);
        return st;
    }
    *out = backtest;
    return PEN_OK;
}

static const struct dirent *next_entry(DIR *dir)
{
    return readdir(dir); // NOLINT(concurrency-mt-unsafe): own DIR
}

/* Files that stay behind in the folder for such files change nothing. */
static void folder_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir != NULL) {
        for (const struct dirent *e = next_entry(dir); e != NULL; e = next_entry(dir)) {
            (void)unlinkat(dirfd(dir), e->d_name, 0);
        }
        (void)closedir(dir);
    }
    (void)rmdir(folder);
}

void pen_backtest_free(struct pen_backtest *backtest)
{
    if (backtest == NULL) {
        return;
    }
    pen_state_free(backtest->state);
    stages_free(backtest->stages);
    free(backtest->counts);
    for (uint32_t i = 0; backtest->makers != NULL && i < PEN_PASS_WORKERS_MAX; i++) {
        maker_free(backtest->makers[i]);
    }
    free(backtest->makers);
    if (backtest->folder[0] != '\0') {
        folder_remove(backtest->folder);
    }
    free(backtest->rules);
    free(backtest);
}
