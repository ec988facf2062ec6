/* tested by tests/e2e/test_hunt.py */
#include "penstock/node.h"

#include "observe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RUN_BYTES ((uint64_t)64 << 20) /* encoded observations after which a run is written */
#define RELEASE_STEPS 4096U
#define GROUP_BYTES_MAX ((size_t)16 << 20)

struct pen_backtest {
    struct pen_backtest_options options;
    struct pen_state_rule *rules;
    struct pen_state *state;
    uint64_t epoch;
    uint64_t open_bytes; /* of the run of this epoch */
    char folder[PATH_MAX];
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

struct observing { /* buffers of one record */
    struct observer observer;
    struct pen_buf group; /* of Sigma matches; empty: not made yet */
};

static pen_status observe_tag(const struct pen_backtest *backtest, struct observing *with,
                              const struct pen_pass_record *record, uint32_t tag,
                              struct pen_buf *out)
{
    uint32_t index = 0;
    uint32_t query = 0;
    char id[PEN_EVENT_ID_MAX];
    const struct pen_program *program = backtest->options.program;
    const struct pen_rule *rule = pen_program_rule(program, tag, &index, &query);
    const struct pen_doc *doc = &record->item->doc;
    const struct pen_record *values = &record->item->record;
    const pen_slice key = pen_slice_str(record->object->key);
    struct pen_observation o = {.rule = index,
                                .rule_id = rule->id,
                                .query = query,
                                .time_ns = doc->time_ns,
                                .promise_ns = promise_of(backtest, record),
                                .event_id = pen_event_id(doc, key, values->ordinal, id),
                                .account = doc->account,
                                .region = doc->region,
                                .actor = doc->identity,
                                .source_ip = doc->source_ip,
                                .index_name = doc->index,
                                .object = key,
                                .record = values->ordinal};
    if (rule->datadog != NULL) {
        const struct pen_program_type *type = &program->by_type[record->type->id];
        return observe_query(&with->observer, pen_program_counted(type, tag), rule->datadog, values,
                             &o, encode, out);
    }
    const struct observed of = {.doc = doc, .record = values, .type = record->type->id};
    PEN_TRY(with->group.len > 0 ? PEN_OK : observe_group(&with->group, program, &of));
    o.group = pen_buf_slice(&with->group);
    return encode(out, &o);
}

pen_status pen_backtest_observe(const struct pen_backtest *backtest,
                                const struct pen_pass_record *record, struct pen_buf *out,
                                struct pen_err *err)
{
    const struct pen_scan_item *item = record->item;
    if (item->tag_count == 0 || item->doc.time_ns == INT64_MIN) {
        return PEN_OK;
    }
    struct observing with;
    pen_status st = PEN_OK;
    observer_init(&with.observer, backtest->options.program,
                  pen_u32(backtest->options.limits->observed_groups_max));
    pen_buf_init(&with.group, GROUP_BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < item->tag_count; i++) {
        st = observe_tag(backtest, &with, record, item->tags[i], out);
    }
    observer_fini(&with.observer);
    pen_buf_fini(&with.group);
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
    PEN_TRY(pen_state_cut(backtest->state, backtest->epoch, name, sizeof(name), &bytes, err));
    pen_state_committed(backtest->state, backtest->epoch++);
    backtest->open_bytes = 0;
    bool has_more = false; /* nothing lies below this watermark: the run is only opened */
    return pen_state_release(backtest->state, INT64_MIN, 0, NULL, NULL, &has_more, err);
}

pen_status pen_backtest_take(struct pen_backtest *backtest, pen_slice bytes, struct pen_err *err)
{
    backtest->open_bytes += bytes.len;
    while (bytes.len > 0) {
        struct pen_observation o;
        PEN_TRY(pen_observation_decode(&bytes, &o, err));
        PEN_TRY(pen_state_append(backtest->state, backtest->epoch, &o, err));
    }
    return backtest->open_bytes < RUN_BYTES ? PEN_OK : run_write(backtest, err);
}

pen_status pen_backtest_end(struct pen_backtest *backtest, pen_signal_fn *fn, void *ctx,
                            struct pen_err *err)
{
    bool has_more = true;
    pen_status st = run_write(backtest, err);
    while (st == PEN_OK && has_more) {
        st = pen_state_release(backtest->state, INT64_MAX, RELEASE_STEPS, fn, ctx, &has_more, err);
    }
    return st;
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

static pen_status state_make(struct pen_backtest *backtest, struct pen_err *err)
{
    const struct pen_replay_options *limits = backtest->options.limits;
    const struct pen_rules *set = backtest->options.program->rules;
    const uint32_t count = pen_rules_count(set);
    backtest->rules = calloc((size_t)count + 1, sizeof(*backtest->rules));
    if (backtest->rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "back-test: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        backtest->rules[i] = observe_rule(pen_rules_at(set, i), limits->keep_alive_ns);
    }
    const uint64_t groups = (limits->groups_max + PEN_PARTITIONS - 1) / PEN_PARTITIONS;
    const struct pen_state_options options = {.dir = backtest->folder,
                                              .shards = 1,
                                              .rules = backtest->rules,
                                              .rule_count = count,
                                              .samples_first = 1,
                                              .samples_last = 0,
                                              .memory_bytes_max = limits->state_bytes_max,
                                              .groups_max = pen_u32(groups),
                                              .window_events_max =
                                                  pen_u32(limits->window_events_max),
                                              .values_max = pen_u32(limits->values_max),
                                              .new_values_max = pen_u32(limits->new_values_max),
                                              .anomaly_groups_max = pen_u32(groups),
                                              .places_max = pen_u32(limits->places_max)};
    return pen_state_new(&options, &backtest->state, err);
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
    if (backtest->folder[0] != '\0') {
        folder_remove(backtest->folder);
    }
    free(backtest->rules);
    free(backtest);
}
