/* tested by tests/e2e/test_diff.py */
#include "backtest.h"
#include "signal_text.h"
#include "suppress.h"

#include <stdlib.h>

#define LIST_FIRST 1024U
#define TEXT_BYTES_MAX ((size_t)64 << 30)
#define SEPARATOR 0x1f

struct collector {
    struct pen_backtest *backtest;
    struct pen_backtest_signals *list;
    struct suppress *suppress; /* NULL: nothing can be suppressed */
    uint64_t signals_max;
    uint32_t cap;
    uint32_t *slots; /* index + 1 by hash of the id; a power of two, at most half full */
    uint32_t slot_count;
    struct pen_buf scratch;
};

/* ---- by id ---- */

static uint32_t *slot_of(const struct collector *c, const char *id)
{
    const uint64_t hash = pen_hash64((pen_slice){(const uint8_t *)id, 32}, 0);
    uint32_t at = (uint32_t)hash & (c->slot_count - 1);
    while (c->slots[at] != 0 && memcmp(c->list->items[c->slots[at] - 1].id, id, 32) != 0) {
        at = (at + 1) & (c->slot_count - 1);
    }
    return &c->slots[at];
}

static pen_status grow(struct collector *c)
{
    const uint32_t cap = c->cap == 0 ? LIST_FIRST : c->cap * 2;
    struct pen_backtest_signal *items = reallocarray(c->list->items, cap, sizeof(*items));
    uint32_t *slots = calloc((size_t)cap * 2, sizeof(*slots));
    c->list->items = items != NULL ? items : c->list->items;
    if (items == NULL || slots == NULL) {
        free(slots);
        return PEN_E_NOMEM;
    }
    free(c->slots);
    c->slots = slots;
    c->cap = cap;
    c->slot_count = cap * 2;
    for (uint32_t i = 0; i < c->list->count; i++) {
        *slot_of(c, items[i].id) = i + 1;
    }
    return PEN_OK;
}

/* The signal of that id, a new one if need be; *out NULL: there is no room for it. */
static pen_status item_of(struct collector *c, const char *id, struct pen_backtest_signal **out)
{
    struct pen_backtest_signals *list = c->list;
    *out = NULL;
    PEN_TRY(list->count == c->cap ? grow(c) : PEN_OK);
    uint32_t *slot = slot_of(c, id);
    if (*slot != 0) {
        *out = &list->items[*slot - 1];
        return PEN_OK;
    }
    if (list->count >= c->signals_max) {
        return PEN_OK;
    }
    *slot = ++list->count;
    *out = &list->items[list->count - 1];
    **out = (struct pen_backtest_signal){.rule = UINT32_MAX};
    memcpy((*out)->id, id, sizeof((*out)->id));
    return PEN_OK;
}

/* ---- what is kept of a signal ---- */

static pen_status text_keep(struct collector *c, pen_slice text, pen_slice *kept)
{
    if (pen_slice_eq(text, *kept)) {
        return PEN_OK;
    }
    *kept = pen_arena_dup(&c->list->arena, text);
    return kept->ptr == NULL ? PEN_E_NOMEM : PEN_OK;
}

static pen_status list_keep(struct collector *c, const pen_slice *items, uint32_t count,
                            pen_slice *kept)
{
    pen_status st = PEN_OK;
    c->scratch.len = 0;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(&c->scratch, SEPARATOR);
        st = st == PEN_OK ? pen_buf_add(&c->scratch, items[i]) : st;
    }
    return st == PEN_OK ? text_keep(c, pen_buf_slice(&c->scratch), kept) : st;
}

static pen_status texts_keep(struct collector *c, const struct pen_rule *rule,
                             const struct pen_signal *signal, struct pen_backtest_signal *item)
{
    item->rule_id = rule->id;
    item->case_name = signal_case(rule, signal);
    PEN_TRY(text_keep(c, signal->group, &item->group));
    PEN_TRY(list_keep(c, signal->accounts, signal->account_count, &item->accounts));
    return list_keep(c, signal->actors, signal->actor_count, &item->identities);
}

/* A signal is judged when it opens; one that was suppressed again when it gets worse. */
static pen_status suppress_ask(struct collector *c, enum pen_signal_change change,
                               const struct pen_signal *signal, struct pen_backtest_signal *item)
{
    const struct pen_suppression *by = NULL;
    const bool is_worse = item->suppressed_by.len > 0 && signal->case_before != signal->case_index;
    if (c->suppress != NULL && (change == PEN_SIGNAL_OPENED || is_worse)) {
        PEN_TRY(suppress_find(c->suppress, signal, &by, c->backtest->err));
        item->suppressed_by = by == NULL ? (pen_slice){0} : by->name;
    }
    c->backtest->is_held = item->suppressed_by.len > 0;
    return PEN_OK;
}

static pen_status on_signal(void *ctx, enum pen_signal_change change, const struct pen_signal *told)
{
    struct collector *c = ctx;
    struct pen_signal rated = *told;
    const struct pen_signal *signal = &rated;
    const struct pen_rules *rules = c->backtest->options.program->rules;
    const struct pen_rule *rule = pen_rules_at(rules, signal->rule);
    struct pen_backtest_signal *item = NULL;
    PEN_TRY(item_of(c, signal->id, &item));
    if (item == NULL) {
        c->list->beyond += change == PEN_SIGNAL_OPENED;
        return PEN_OK;
    }
    PEN_TRY(c->suppress == NULL ? PEN_OK : suppress_rate(c->suppress, &rated, c->backtest->err));
    item->rule = signal->rule;
    item->severity = signal_severity(rule, signal, signal->case_index);
    item->cold = signal->cold;
    item->late = signal->late;
    item->is_limited = signal->is_limited;
    item->first_seen_ns = signal->first_seen_ns;
    item->last_seen_ns = signal->last_seen_ns;
    item->events_matched = signal->events_matched;
    PEN_TRY(texts_keep(c, rule, signal, item));
    return suppress_ask(c, change, signal, item);
}

/* ---- the list ---- */

static int by_place(const void *a, const void *b)
{
    const struct pen_backtest_signal *x = a;
    const struct pen_backtest_signal *y = b;
    int order = pen_slice_cmp(x->rule_id, y->rule_id);
    order = order != 0 ? order : pen_slice_cmp(x->group, y->group);
    if (order != 0 || x->first_seen_ns != y->first_seen_ns) {
        return order != 0 ? order : x->first_seen_ns < y->first_seen_ns ? -1 : 1;
    }
    return memcmp(x->id, y->id, sizeof(x->id));
}

pen_status pen_backtest_list(struct pen_backtest *backtest, uint64_t signals_max,
                             struct pen_backtest_signals *out, struct pen_err *err)
{
    struct collector c = {.backtest = backtest, .list = out, .signals_max = signals_max};
    *out = (struct pen_backtest_signals){.items = NULL};
    pen_arena_init(&out->arena, TEXT_BYTES_MAX);
    pen_buf_init(&c.scratch, TEXT_BYTES_MAX);
    pen_status st = suppress_new(backtest->options.program, &c.suppress, err);
    st = st == PEN_OK ? pen_backtest_end(backtest, on_signal, &c, err) : st;
    if (st == PEN_OK && out->count > 0) {
        qsort(out->items, out->count, sizeof(*out->items), by_place);
    }
    suppress_free(c.suppress);
    pen_buf_fini(&c.scratch);
    free(c.slots);
    return st;
}

void pen_backtest_list_free(struct pen_backtest_signals *list)
{
    free(list->items);
    pen_arena_fini(&list->arena);
    list->items = NULL;
}
