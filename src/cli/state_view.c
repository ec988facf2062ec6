/* tested by tests/e2e/test_state.py */
#include "state_view.h"

#include "state_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX ((size_t)1 << 30)
#define TRIES 5 /* while a run replaces its snapshots */

void state_view_init(struct state_view *view, struct screen *screen)
{
    *view = (struct state_view){.screen = screen};
    pen_buf_init(&view->line.text, LINE_BYTES_MAX);
}

/* ---- texts that outlive the reading ---- */

static pen_status keep(pen_slice *text)
{
    uint8_t *own = malloc(text->len + 1);
    if (own == NULL) {
        return PEN_E_NOMEM;
    }
    if (text->len > 0) {
        memcpy(own, text->ptr, text->len);
    }
    *text = (pen_slice){own, text->len};
    return PEN_OK;
}

static void drop(pen_slice *text)
{
    uint8_t *own = NULL;
    memcpy(&own, &text->ptr, sizeof(own));
    free(own);
    *text = (pen_slice){0};
}

static void view_clear(struct state_view *view)
{
    for (uint64_t i = 0; i < view->group_kept; i++) {
        drop(&view->group[i].group);
    }
    for (uint64_t i = 0; i < view->signal_kept; i++) {
        drop(&view->signal[i].group);
        drop(&view->signal[i].id);
    }
    for (uint64_t i = 0; i < view->found_count; i++) {
        drop(&view->found[i].group);
    }
    if (view->has_rule) {
        drop(&view->rule.id);
        drop(&view->rule.name);
    }
    view->group_kept = view->signal_kept = view->found_count = 0;
    view->group_total = view->signal_total = view->named_values = 0;
    view->has_rule = false;
    view->near_count = 0;
}

void state_view_fini(struct state_view *view)
{
    view_clear(view);
    free(view->group);
    free(view->signal);
    free(view->found);
    pen_buf_fini(&view->line.text);
}

/* Room for one more entry of size bytes. */
static pen_status room(void **items, uint64_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return PEN_OK;
    }
    const size_t more = *cap == 0 ? 64 : *cap * 2;
    void *bigger = reallocarray(*items, more, size);
    if (bigger == NULL) {
        return PEN_E_NOMEM;
    }
    *items = bigger;
    *cap = more;
    return PEN_OK;
}

/* ---- which rule ---- */

static bool is_part(pen_slice whole, pen_slice part)
{
    for (size_t at = 0; at + part.len <= whole.len; at++) {
        if (pen_slice_eq_nocase(pen_slice_sub(whole, at, at + part.len), part)) {
            return true;
        }
    }
    return false;
}

static bool is_near(const struct state_view *view, pen_slice id)
{
    const uint32_t kept = view->near_count < 8 ? view->near_count : 8;
    for (uint32_t i = 0; i < kept; i++) {
        if (pen_slice_eq(pen_slice_str(view->near[i]), pen_slice_sub(id, 0, 127))) {
            return true;
        }
    }
    return false;
}

static pen_status rule_keep(struct state_view *view, const struct pen_shown_rule *rule)
{
    if (view->has_rule) {
        drop(&view->rule.id);
        drop(&view->rule.name);
        view->has_rule = false;
    }
    struct pen_shown_rule own = *rule;
    PEN_TRY(keep(&own.id));
    if (keep(&own.name) != PEN_OK) {
        drop(&own.id);
        return PEN_E_NOMEM;
    }
    view->rule = own;
    view->has_rule = true;
    return PEN_OK;
}

/* The rule with this id, else the only one whose id or name has it as a part. */
static pen_status on_any_rule(void *ctx, const struct pen_shown_rule *rule)
{
    struct state_view *view = ctx;
    const pen_slice wanted = pen_slice_str(view->wanted);
    if (view->has_rule && pen_slice_eq(view->rule.id, wanted)) {
        return PEN_OK;
    }
    if (pen_slice_eq(rule->id, wanted)) {
        view->near_count = 0;
        return rule_keep(view, rule);
    }
    if ((!is_part(rule->id, wanted) && !is_part(rule->name, wanted)) || is_near(view, rule->id)) {
        return PEN_OK;
    }
    if (view->near_count < 8) {
        (void)snprintf(view->near[view->near_count], sizeof(view->near[0]), "%.*s",
                       PEN_SLICE_FMT(pen_slice_sub(rule->id, 0, 127)));
    }
    return view->near_count++ == 0 ? rule_keep(view, rule) : PEN_OK;
}

static pen_status rule_find(struct state_view *view, struct pen_err *err)
{
    view->show.on_rule = on_any_rule;
    view->show.rule = (pen_slice){0};
    PEN_TRY(pen_state_shown(&view->show, err));
    if (view->near_count > 1) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%u rules have `%.60s` in their id or name, among them %s and %s: give "
                        "the whole id",
                        view->near_count, view->wanted, view->near[0], view->near[1]);
    }
    return view->has_rule ? PEN_OK
                          : PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                                     "the run in %s had no rule `%.80s`: penstock rules list shows "
                                     "ids",
                                     view->out_dir, view->wanted);
}

/* ---- what it has ---- */

static int group_order(const void *a, const void *b)
{
    const struct pen_shown_group *x = (const struct pen_shown_group *)a;
    const struct pen_shown_group *y = (const struct pen_shown_group *)b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return pen_slice_cmp(x->group, y->group);
}

static void groups_cut(struct state_view *view)
{
    if (view->group_kept > 0) {
        qsort(view->group, view->group_kept, sizeof(*view->group), group_order);
    }
    while (view->group_kept > view->limit) {
        drop(&view->group[--view->group_kept].group);
    }
}

static pen_status on_group(void *ctx, const struct pen_shown_group *group)
{
    struct state_view *view = ctx;
    view->group_total++;
    view->named_values += group->count;
    if (view->group_kept >= 2 * view->limit) {
        groups_cut(view);
    }
    PEN_TRY(room((void **)&view->group, view->group_kept, &view->group_room, sizeof(*view->group)));
    struct pen_shown_group own = *group;
    PEN_TRY(keep(&own.group));
    view->group[view->group_kept++] = own;
    return PEN_OK;
}

static int signal_order(const void *a, const void *b)
{
    const struct pen_shown_signal *x = (const struct pen_shown_signal *)a;
    const struct pen_shown_signal *y = (const struct pen_shown_signal *)b;
    if (x->last_seen_ns != y->last_seen_ns) {
        return x->last_seen_ns > y->last_seen_ns ? -1 : 1;
    }
    return pen_slice_cmp(x->id, y->id);
}

static void signals_cut(struct state_view *view)
{
    if (view->signal_kept > 0) {
        qsort(view->signal, view->signal_kept, sizeof(*view->signal), signal_order);
    }
    while (view->signal_kept > view->limit) {
        struct pen_shown_signal *gone = &view->signal[--view->signal_kept];
        drop(&gone->group);
        drop(&gone->id);
    }
}

static pen_status on_signal(void *ctx, const struct pen_shown_signal *signal)
{
    struct state_view *view = ctx;
    view->signal_total++;
    if (view->signal_kept >= 2 * view->limit) {
        signals_cut(view);
    }
    PEN_TRY(
        room((void **)&view->signal, view->signal_kept, &view->signal_room, sizeof(*view->signal)));
    struct pen_shown_signal own = *signal;
    PEN_TRY(keep(&own.group));
    if (keep(&own.id) != PEN_OK) {
        drop(&own.group);
        return PEN_E_NOMEM;
    }
    view->signal[view->signal_kept++] = own;
    return PEN_OK;
}

static pen_status on_value(void *ctx, const struct pen_shown_value *value)
{
    struct state_view *view = ctx;
    PEN_TRY(
        room((void **)&view->found, view->found_count, &view->found_room, sizeof(*view->found)));
    struct pen_shown_value own = *value;
    PEN_TRY(keep(&own.group));
    view->found[view->found_count++] = own;
    return PEN_OK;
}

static int value_order(const void *a, const void *b)
{
    const struct pen_shown_value *x = (const struct pen_shown_value *)a;
    const struct pen_shown_value *y = (const struct pen_shown_value *)b;
    if (x->seen_ns != y->seen_ns) {
        return x->seen_ns > y->seen_ns ? -1 : 1;
    }
    return pen_slice_cmp(x->group, y->group);
}

static pen_status rule_read(struct state_view *view, struct pen_err *err)
{
    PEN_TRY(rule_find(view, err));
    if (view->value.ptr != NULL && view->rule.method != PEN_METHOD_NEW_VALUE) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "--has is for rules that learn new values: %.*s is none",
                        PEN_SLICE_FMT(pen_slice_sub(view->rule.id, 0, 120)));
    }
    view->show.on_rule = NULL;
    view->show.rule = view->rule.id;
    PEN_TRY(pen_state_shown(&view->show, err));
    groups_cut(view);
    signals_cut(view);
    if (view->found_count > 0) {
        qsort(view->found, view->found_count, sizeof(*view->found), value_order);
    }
    return PEN_OK;
}

static pen_status read_once(struct state_view *view, char *dir, size_t cap, struct pen_err *err)
{
    view_clear(view);
    PEN_TRY(pen_snapshot_files(view->out_dir, &view->files, err));
    if (view->files.count == 0) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                        "the run in %s has no snapshot of its state yet: it is written when the "
                        "run ends or stops, and each time that the log has grown by "
                        "state.snapshot_bytes",
                        view->out_dir);
    }
    (void)snprintf(dir, cap, "%s/state", view->out_dir);
    view->show = (struct pen_state_show){.dir = dir,
                                         .names = view->files.names,
                                         .name_count = view->files.count,
                                         .groups = view->groups,
                                         .group_count = view->group_count,
                                         .value = view->value,
                                         .on_group = on_group,
                                         .on_signal = on_signal,
                                         .on_value = on_value,
                                         .ctx = view};
    return rule_read(view, err);
}

/* Whether the job has other files now than those that were read. */
static bool has_moved(const struct state_view *view)
{
    struct pen_snapshot_files now;
    return pen_snapshot_files(view->out_dir, &now, NULL) == PEN_OK &&
           now.epoch != view->files.epoch;
}

pen_status state_view_read(struct state_view *view, struct pen_err *err)
{
    const size_t cap = strlen(view->out_dir) + sizeof("/state");
    char *dir = malloc(cap);
    if (dir == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state: out of memory");
    }
    pen_status st = PEN_E_NOT_FOUND;
    for (int i = 0; i < TRIES; i++) {
        *err = (struct pen_err){0};
        st = read_once(view, dir, cap, err);
        if (st != PEN_E_NOT_FOUND || !has_moved(view)) {
            break;
        }
    }
    view->show.dir = NULL;
    free(dir);
    return st;
}

pen_status state_view_print(struct state_view *view, bool *has_value)
{
    *has_value = false;
    for (uint64_t i = 0; i < view->found_count; i++) {
        *has_value |= !state_is_forgotten(view, view->found[i].seen_ns);
    }
    view->line.text.len = 0;
    return view->json ? state_print_json(view, *has_value) : state_print_text(view, *has_value);
}
