/* tested by tests/e2e/test_diff.py */
#include "diff.h"

#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define SEPARATOR 0x1f
#define UNKNOWN PEN_SLICE_LIT("unknown")

const char *const diff_change_names[DIFF_CHANGES] = {"same", "changed", "added", "gone"};
const char *const diff_side_names[DIFF_SIDES] = {"base", "head"};

void diff_init(struct diff *diff)
{
    *diff = (struct diff){.first_ns = INT64_MAX, .last_ns = INT64_MIN};
    pen_arena_init(&diff->arena, ARENA_BYTES_MAX);
}

void diff_fini(struct diff *diff)
{
    struct diff_rows *rows[] = {&diff->rules, &diff->accounts, &diff->identities, &diff->days};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        diff_rows_free(rows[i]);
    }
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        pen_backtest_list_free(&diff->sides[s].signals);
        free(diff->sides[s].cost.rules);
    }
    free(diff->pairs);
    pen_arena_fini(&diff->arena);
}

double diff_days(const struct diff *diff)
{
    const double days = diff->first_ns >= diff->last_ns
                            ? 0
                            : ((double)diff->last_ns - (double)diff->first_ns) / PEN_NS_PER_DAY;
    return days < 1 ? 1 : days;
}

bool diff_is_told(const struct diff_side *side, const struct pen_backtest_signal *signal)
{
    return signal != NULL && signal->suppressed_by.len == 0 &&
           !pen_rules_at(side->rules, signal->rule)->is_shadow;
}

const struct pen_rule_cost *diff_cost(const struct diff_side *side, pen_slice rule)
{
    for (uint32_t i = 0; i < side->cost.count; i++) {
        if (pen_slice_eq(pen_rules_at(side->rules, side->cost.rules[i].rule)->id, rule)) {
            return &side->cost.rules[i];
        }
    }
    return NULL;
}

const struct pen_rule *diff_rule(const struct diff_side *side, pen_slice id)
{
    for (uint32_t i = 0; i < pen_rules_count(side->rules); i++) {
        const struct pen_rule *rule = pen_rules_at(side->rules, i);
        if (pen_slice_eq(rule->id, id)) {
            return rule;
        }
    }
    return NULL;
}

/* ---- who meets whom ---- */

/* A run of signals of one rule and group, in the order of time. */
struct block {
    const struct pen_backtest_signal *items;
    uint32_t count;
};

static int place_cmp(const struct pen_backtest_signal *a, const struct pen_backtest_signal *b)
{
    const int order = pen_slice_cmp(a->rule_id, b->rule_id);
    return order != 0 ? order : pen_slice_cmp(a->group, b->group);
}

static struct block block_at(const struct pen_backtest_signals *list, uint32_t from)
{
    uint32_t to = from;
    while (to < list->count && place_cmp(&list->items[from], &list->items[to]) == 0) {
        to++;
    }
    return (struct block){.items = list->items + from, .count = to - from};
}

static bool is_alike(const struct pen_backtest_signal *a, const struct pen_backtest_signal *b)
{
    return a->severity == b->severity && pen_slice_eq(a->case_name, b->case_name) &&
           a->first_seen_ns == b->first_seen_ns && a->last_seen_ns == b->last_seen_ns &&
           a->events_matched == b->events_matched && a->cold == b->cold && a->late == b->late;
}

/* One of both may be NULL. */
static void pair_add(struct diff *diff, const struct pen_backtest_signal *base,
                     const struct pen_backtest_signal *head)
{
    const bool is_base = diff_is_told(&diff->sides[DIFF_BASE], base);
    const bool is_head = diff_is_told(&diff->sides[DIFF_HEAD], head);
    if (!is_base && !is_head) {
        return;
    }
    const enum diff_change change = !is_head               ? DIFF_GONE
                                    : !is_base             ? DIFF_ADDED
                                    : is_alike(base, head) ? DIFF_SAME
                                                           : DIFF_CHANGED;
    diff->pairs[diff->pair_count++] = (struct diff_pair){.change = change, .side = {base, head}};
    diff->changes[change]++;
}

/* Those of different ids: the earlier ones that overlap meet; what ends first met none. */
static void rest_pair(struct diff *diff, const struct pen_backtest_signal *const *base,
                      uint32_t base_count, const struct pen_backtest_signal *const *head,
                      uint32_t head_count)
{
    uint32_t b = 0;
    uint32_t h = 0;
    while (b < base_count && h < head_count) {
        if (base[b]->last_seen_ns < head[h]->first_seen_ns) {
            pair_add(diff, base[b++], NULL);
        } else if (head[h]->last_seen_ns < base[b]->first_seen_ns) {
            pair_add(diff, NULL, head[h++]);
        } else {
            pair_add(diff, base[b++], head[h++]);
        }
    }
    while (b < base_count) {
        pair_add(diff, base[b++], NULL);
    }
    while (h < head_count) {
        pair_add(diff, NULL, head[h++]);
    }
}

static int by_id(const void *a, const void *b)
{
    const struct pen_backtest_signal *const *x = a;
    const struct pen_backtest_signal *const *y = b;
    return memcmp((*x)->id, (*y)->id, sizeof((*x)->id));
}

static int by_time(const void *a, const void *b)
{
    const struct pen_backtest_signal *const *x = a;
    const struct pen_backtest_signal *const *y = b;
    if ((*x)->first_seen_ns != (*y)->first_seen_ns) {
        return (*x)->first_seen_ns < (*y)->first_seen_ns ? -1 : 1;
    }
    return by_id(a, b);
}

struct meeting { /* scratch for the signals of a block, of each side */
    const struct pen_backtest_signal **items[DIFF_SIDES];
    uint32_t count[DIFF_SIDES];
};

static void meeting_fill(struct meeting *m, uint32_t side, struct block block)
{
    m->count[side] = block.count;
    for (uint32_t i = 0; i < block.count; i++) {
        m->items[side][i] = &block.items[i];
    }
    if (block.count > 0) {
        qsort((void *)m->items[side], block.count, sizeof(const struct pen_backtest_signal *),
              by_id);
    }
}

/* Takes those with the same id out of both, then the rest. */
static void block_pair(struct diff *diff, struct meeting *m, struct block base, struct block head)
{
    const struct pen_backtest_signal **rest[DIFF_SIDES] = {m->items[0], m->items[1]};
    uint32_t kept[DIFF_SIDES] = {0};
    uint32_t at[DIFF_SIDES] = {0};
    meeting_fill(m, DIFF_BASE, base);
    meeting_fill(m, DIFF_HEAD, head);
    while (at[0] < m->count[0] || at[1] < m->count[1]) {
        const int order = at[0] == m->count[0]   ? 1
                          : at[1] == m->count[1] ? -1
                                                 : by_id(&m->items[0][at[0]], &m->items[1][at[1]]);
        if (order == 0) {
            pair_add(diff, m->items[0][at[0]++], m->items[1][at[1]++]);
        } else {
            const uint32_t side = order < 0 ? DIFF_BASE : DIFF_HEAD;
            rest[side][kept[side]++] = m->items[side][at[side]++];
        }
    }
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        if (kept[s] > 0) {
            qsort((void *)rest[s], kept[s], sizeof(const struct pen_backtest_signal *), by_time);
        }
    }
    rest_pair(diff, rest[DIFF_BASE], kept[DIFF_BASE], rest[DIFF_HEAD], kept[DIFF_HEAD]);
}

static void blocks_pair(struct diff *diff, struct meeting *m)
{
    const struct pen_backtest_signals *base = &diff->sides[DIFF_BASE].signals;
    const struct pen_backtest_signals *head = &diff->sides[DIFF_HEAD].signals;
    uint32_t b = 0;
    uint32_t h = 0;
    while (b < base->count || h < head->count) {
        const int order = b == base->count   ? 1
                          : h == head->count ? -1
                                             : place_cmp(&base->items[b], &head->items[h]);
        const struct block left = order <= 0 ? block_at(base, b) : (struct block){.count = 0};
        const struct block right = order >= 0 ? block_at(head, h) : (struct block){.count = 0};
        block_pair(diff, m, left, right);
        b += left.count;
        h += right.count;
    }
}

static pen_status signals_pair(struct diff *diff)
{
    const size_t base = diff->sides[DIFF_BASE].signals.count;
    const size_t head = diff->sides[DIFF_HEAD].signals.count;
    struct meeting m = {.items = {NULL}};
    m.items[0] = calloc(base + 1, sizeof(const struct pen_backtest_signal *));
    m.items[1] = calloc(head + 1, sizeof(const struct pen_backtest_signal *));
    diff->pairs = calloc(base + head + 1, sizeof(*diff->pairs));
    const bool is_good = m.items[0] != NULL && m.items[1] != NULL && diff->pairs != NULL;
    if (is_good) {
        blocks_pair(diff, &m);
    }
    free((void *)m.items[0]);
    free((void *)m.items[1]);
    return is_good ? PEN_OK : PEN_E_NOMEM;
}

/* ---- rows ---- */

static pen_status row_count(struct diff_rows *rows, pen_slice key, const struct diff_pair *pair,
                            const bool told[DIFF_SIDES])
{
    struct diff_row *row = diff_rows_get(rows, key);
    if (row == NULL) {
        return PEN_E_NOMEM;
    }
    row->signals[DIFF_BASE] += told[DIFF_BASE];
    row->signals[DIFF_HEAD] += told[DIFF_HEAD];
    row->changes[pair->change]++;
    return PEN_OK;
}

/* The same for each of several keys. */
static pen_status rows_count(struct diff_rows *rows, pen_slice keys, const struct diff_pair *pair,
                             const bool told[DIFF_SIDES])
{
    pen_slice key;
    pen_status st = PEN_OK;
    if (keys.len == 0) {
        return row_count(rows, UNKNOWN, pair, told);
    }
    while (st == PEN_OK && pen_slice_split(&keys, SEPARATOR, &key)) {
        st = row_count(rows, key, pair, told);
    }
    return st;
}

static pen_status day_count(struct diff *diff, const struct pen_backtest_signal *of,
                            const struct diff_pair *pair, const bool told[DIFF_SIDES])
{
    char text[PEN_TIME_MAX];
    (void)pen_format_time(of->first_seen_ns, text);
    pen_slice key = {(const uint8_t *)text, strlen("2025-01-01")};
    const uint32_t before = diff->days.count;
    PEN_TRY(row_count(&diff->days, key, pair, told));
    if (diff->days.count > before) { /* the key of a new row outlives text */
        struct diff_row *row = &diff->days.items[before];
        row->key = pen_arena_dup(&diff->arena, key);
        return row->key.ptr == NULL ? PEN_E_NOMEM : PEN_OK;
    }
    return PEN_OK;
}

static pen_status pair_count(struct diff *diff, const struct diff_pair *pair)
{
    const struct pen_backtest_signal *base = pair->side[DIFF_BASE];
    const struct pen_backtest_signal *head = pair->side[DIFF_HEAD];
    const bool told[] = {diff_is_told(&diff->sides[DIFF_BASE], base),
                         diff_is_told(&diff->sides[DIFF_HEAD], head)};
    const struct pen_backtest_signal *of = told[DIFF_HEAD] ? head : base;
    PEN_CHECK(of != NULL); /* one of both is told */
    PEN_TRY(row_count(&diff->rules, of->rule_id, pair, told));
    PEN_TRY(rows_count(&diff->accounts, of->accounts, pair, told));
    PEN_TRY(rows_count(&diff->identities, of->identities, pair, told));
    return day_count(diff, of, pair, told);
}

static void side_count(struct diff_side *side)
{
    for (uint32_t i = 0; i < side->signals.count; i++) {
        const struct pen_backtest_signal *signal = &side->signals.items[i];
        const bool is_told = diff_is_told(side, signal);
        side->told += is_told;
        side->cold += is_told && signal->cold;
        side->by_severity[signal->severity] += is_told;
        side->suppressed += signal->suppressed_by.len > 0;
        side->shadow += !is_told && signal->suppressed_by.len == 0;
    }
}

/* Rules that told nothing have a row, too, when a record matched them. */
static pen_status rules_add(struct diff *diff, const struct diff_side *side)
{
    for (uint32_t i = 0; i < pen_rules_count(side->rules); i++) {
        const pen_slice id = pen_rules_at(side->rules, i)->id;
        if (diff_cost(side, id) != NULL && diff_rows_get(&diff->rules, id) == NULL) {
            return PEN_E_NOMEM;
        }
    }
    return PEN_OK;
}

pen_status diff_make(struct diff *diff)
{
    pen_status st = signals_pair(diff);
    for (uint32_t i = 0; st == PEN_OK && i < diff->pair_count; i++) {
        st = pair_count(diff, &diff->pairs[i]);
    }
    for (uint32_t s = 0; st == PEN_OK && s < DIFF_SIDES; s++) {
        side_count(&diff->sides[s]);
        st = rules_add(diff, &diff->sides[s]);
    }
    diff_rows_sort(&diff->rules);
    diff_rows_sort(&diff->accounts);
    diff_rows_sort(&diff->identities);
    diff_rows_sort_keys(&diff->days);
    return st;
}
