/* tested by tests/e2e/test_backtest.py */
#include "backtest_report.h"

#include "penstock/signals.h"

#include "screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES_MAX ((size_t)1 << 20)
#define JSON_GROUPS 100U /* noisiest ones that --json lists */
#define TABLE_RULES 20U
#define TABLE_GROUPS 10U
#define NAME_COLUMN 44U
#define GROUP_WORDS 6U

/* ---- reading ---- */

/* The rule as a JSON string, and with a group {"rule":...,"group":{...}}. */
static pen_status key_make(struct pen_buf *key, const struct pen_signal_row *row, bool has_group)
{
    key->len = 0;
    PEN_TRY(pen_buf_add(key, PEN_SLICE_LIT("{\"rule\":\"")));
    PEN_TRY(pen_json_escape(key, row->rule_id));
    PEN_TRY(pen_buf_add(key, PEN_SLICE_LIT("\",\"name\":\"")));
    PEN_TRY(pen_json_escape(key, row->rule_name));
    PEN_TRY(pen_buf_add_byte(key, '"'));
    PEN_TRY(pen_buf_add(key, has_group ? PEN_SLICE_LIT(",\"group\":") : (pen_slice){0}));
    PEN_TRY(pen_buf_add(key, has_group ? row->group_by : (pen_slice){0}));
    return pen_buf_add_byte(key, '}');
}

static pen_status on_signal(void *ctx, const struct pen_signal_row *row)
{
    struct backtest_report *r = ctx;
    const pen_slice none = {0};
    PEN_TRY(key_make(&r->key, row, false));
    const pen_slice rule = pen_buf_slice(&r->key);
    PEN_TRY(search_groups_count(&r->rules, rule, none, row->first_seen_ns));
    PEN_TRY(search_groups_count(&r->days, rule, none, row->first_seen_ns));
    PEN_TRY(key_make(&r->key, row, true));
    return search_groups_count(&r->groups, pen_buf_slice(&r->key), none, row->first_seen_ns);
}

pen_status backtest_report_read(struct backtest_report *r, const char *dir,
                                const struct pen_replay_result *result, uint64_t groups_max,
                                struct pen_err *err)
{
    const struct pen_signals_filter all = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
    struct pen_signals *signals = NULL;
    *r = (struct backtest_report){.result = result, .by_day = {.every_ns = PEN_NS_PER_DAY}};
    search_groups_init(&r->rules, &r->by_all, groups_max, 0);
    search_groups_init(&r->days, &r->by_day, groups_max, 0);
    search_groups_init(&r->groups, &r->by_all, groups_max, 0);
    pen_buf_init(&r->key, KEY_BYTES_MAX);
    PEN_TRY(pen_signals_open(dir, &signals, err));
    const pen_status st = pen_signals_list(signals, &all, on_signal, r, err);
    pen_signals_close(signals);
    return st == PEN_OK || err->status != PEN_OK
               ? st
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "no memory to count the signals");
}

void backtest_report_fini(struct backtest_report *r)
{
    search_groups_fini(&r->rules);
    search_groups_fini(&r->days);
    search_groups_fini(&r->groups);
    pen_buf_fini(&r->key);
}

/* ---- JSON ---- */

/* The members of a group's key, without its braces. */
static void json_key(const struct search_groups *g, const struct search_group *group)
{
    const pen_slice key = search_group_key(g, group);
    (void)fwrite(key.ptr + 1, 1, key.len - 2, stdout); /* errors show at the end */
}

static void json_days(struct backtest_report *r)
{
    const uint32_t count = search_groups_sort(&r->days, 0);
    (void)fputs("\"days\":[", stdout);
    for (uint32_t i = 0; i < count; i++) {
        char day[PEN_TIME_MAX];
        const struct search_group *group = &r->days.items[i];
        (void)pen_format_time(group->span_ns, day);
        (void)printf("%s{\"day\":\"%.10s\",", i == 0 ? "" : ",", day);
        json_key(&r->days, group);
        (void)printf(",\"signals\":%" PRIu64 "}", group->count);
    }
    (void)fputs("],", stdout);
}

static void json_groups(struct backtest_report *r)
{
    const uint32_t all = r->groups.count;
    const uint32_t count = search_groups_sort(&r->groups, JSON_GROUPS);
    (void)printf("\"groups\":{\"count\":%u,\"other_signals\":%" PRIu64 ",\"noisiest\":[", all,
                 r->groups.other.count);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "{" : ",{", stdout);
        json_key(&r->groups, &r->groups.items[i]);
        (void)printf(",\"signals\":%" PRIu64 "}", r->groups.items[i].count);
    }
    (void)fputs("]},", stdout);
}

static void json_costs(const struct backtest_report *r)
{
    struct pen_buf id;
    pen_buf_init(&id, KEY_BYTES_MAX);
    (void)fputs("\"costs\":[", stdout);
    for (uint32_t i = 0; i < r->result->cost_count; i++) {
        const struct pen_rule_cost *cost = &r->result->costs[i];
        id.len = 0;
        const pen_status st = pen_json_escape(&id, pen_slice_str(cost->id));
        PEN_CHECK(st == PEN_OK); /* an id is short */
        (void)printf("%s{\"rule\":\"%.*s\",\"matches\":%" PRIu64 ",\"observations\":%" PRIu64
                     ",\"bytes\":%" PRIu64 ",\"cpu_s\":%.6f}",
                     i == 0 ? "" : ",", (int)id.len, (const char *)id.ptr, cost->matches,
                     cost->observations, cost->bytes, (double)cost->cpu_ns / 1e9);
    }
    (void)fputs("]", stdout);
    pen_buf_fini(&id);
}

void backtest_report_json(struct backtest_report *r)
{
    const uint32_t count = search_groups_sort(&r->rules, 0);
    (void)fputs("\"backtest\":{\"rules\":[", stdout);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "{" : ",{", stdout);
        json_key(&r->rules, &r->rules.items[i]);
        (void)printf(",\"signals\":%" PRIu64 "}", r->rules.items[i].count);
    }
    (void)fputs("],", stdout);
    json_days(r);
    json_groups(r);
    json_costs(r);
    (void)fputs("},", stdout);
}

/* ---- the table ---- */

/* The text of a member of a key; borrows scratch until the next call. */
static pen_slice member_of(struct pen_buf *scratch, pen_slice key, pen_slice name)
{
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_next = false;
    pen_tokens_init(&tokens, key);
    while (pen_tokens_next(&tokens, &token)) {
        if (is_next) {
            scratch->len = 0;
            const pen_status st = pen_buf_reserve(scratch, token.text.len);
            PEN_CHECK(st == PEN_OK); /* it has held the whole key */
            scratch->len = pen_json_unescape(token.text, scratch->ptr);
            return pen_buf_slice(scratch);
        }
        is_next = token.is_key && token.depth == 1 && pen_slice_eq(token.text, name);
    }
    return (pen_slice){0};
}

/* The group, the last member of a key: no text holds such bytes, its quotes are escaped. */
static pen_slice group_of(pen_slice key)
{
    const pen_slice name = PEN_SLICE_LIT(",\"group\":");
    const size_t at = pen_slice_find(key, name);
    PEN_CHECK(at != SIZE_MAX);
    return pen_slice_sub(key, at + name.len, key.len - 1);
}

static const struct pen_rule_cost *cost_of(const struct backtest_report *r, pen_slice rule)
{
    for (uint32_t i = 0; i < r->result->cost_count; i++) {
        if (pen_slice_eq(pen_slice_str(r->result->costs[i].id), rule)) {
            return &r->result->costs[i];
        }
    }
    return NULL;
}

/* The day with the most signals of a rule. */
static const struct search_group *worst_day(const struct backtest_report *r, pen_slice key)
{
    const struct search_group *worst = NULL;
    for (uint32_t i = 0; i < r->days.count; i++) {
        const struct search_group *day = &r->days.items[i];
        const bool is_more = worst == NULL || day->count > worst->count;
        if (is_more && pen_slice_eq(search_group_key(&r->days, day), key)) {
            worst = day;
        }
    }
    return worst;
}

static double days_of(const struct pen_totals *totals)
{
    const int64_t span = totals->time_last_ns - totals->time_first_ns;
    return span < PEN_NS_PER_DAY ? 1.0 : (double)span / (double)PEN_NS_PER_DAY;
}

static void rule_row(struct backtest_report *r, struct screen *s, const struct search_group *group)
{
    const pen_slice key = search_group_key(&r->rules, group);
    const struct pen_rule_cost *cost = cost_of(r, member_of(&r->key, key, PEN_SLICE_LIT("rule")));
    const struct search_group *worst = worst_day(r, key);
    char day[PEN_TIME_MAX] = "";
    if (worst != NULL && worst->span_ns != INT64_MIN) {
        (void)pen_format_time(worst->span_ns, day);
    }
    (void)printf("%-11s", "");
    screen_cell(s, member_of(&r->key, key, PEN_SLICE_LIT("name")), NAME_COLUMN, STYLE_PLAIN);
    (void)printf(" %8" PRIu64 " %8.1f  %7" PRIu64 " %.10s", group->count,
                 (double)group->count / days_of(&r->result->totals),
                 worst == NULL ? 0 : worst->count, day);
    if (cost != NULL) {
        (void)printf(" %10" PRIu64 " %10.1f", cost->matches, (double)cost->cpu_ns / 1e6);
    }
    (void)putchar('\n');
}

static void groups_table(struct backtest_report *r, struct screen *s)
{
    const uint32_t all = r->groups.count;
    const uint32_t count = search_groups_sort(&r->groups, TABLE_GROUPS);
    for (uint32_t i = 0; i < count; i++) {
        const pen_slice key = search_group_key(&r->groups, &r->groups.items[i]);
        (void)printf("%-10s ", i == 0 ? "noisiest" : "");
        screen_cell(s, member_of(&r->key, key, PEN_SLICE_LIT("name")), NAME_COLUMN, STYLE_PLAIN);
        (void)printf(" %8" PRIu64 "  ", r->groups.items[i].count);
        screen_text(s, screen_words(s, group_of(key), GROUP_WORDS), STYLE_PLAIN);
        (void)putchar('\n');
    }
    if (count < all) {
        (void)printf("%-10s and %u more groups\n", "", all - count);
    }
}

void backtest_report_table(struct backtest_report *r)
{
    struct screen screen;
    const uint32_t all = search_groups_sort(&r->rules, 0);
    if (all == 0) {
        return; /* the counts of the summary say it */
    }
    screen_init(&screen);
    (void)printf("%-11s%-*s %8s %8s  %-18s %10s %10s\n", "back-test", (int)NAME_COLUMN, "rule",
                 "signals", "a day", "most on a day", "matches", "cpu ms");
    for (uint32_t i = 0; i < all && i < TABLE_RULES; i++) {
        rule_row(r, &screen, &r->rules.items[i]);
    }
    if (all > TABLE_RULES) {
        (void)printf("%-10s and %u more rules (--json has all)\n", "", all - TABLE_RULES);
    }
    groups_table(r, &screen);
    screen_fini(&screen);
}
