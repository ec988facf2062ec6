/* tested by tests/e2e/test_diff.py */
#include "diff.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define ROWS_MAX 1000U /* accounts and identities */

/* Errors of stdout show at the end. */
static void text(const char *name, pen_slice value)
{
    struct pen_buf out;
    pen_buf_init(&out, TEXT_BYTES_MAX);
    const pen_status st = pen_json_escape(&out, value);
    PEN_CHECK(st == PEN_OK || st == PEN_E_NOMEM);
    (void)printf("\"%s\":\"%.*s\"", name, (int)out.len, (const char *)out.ptr);
    pen_buf_fini(&out);
}

static void time_text(const char *name, int64_t ns)
{
    char written[PEN_TIME_MAX];
    const size_t len = pen_format_time(ns, written);
    (void)printf("\"%s\":\"%.*s\"", name, (int)len, written);
}

static void cost(const struct pen_rule_cost *c)
{
    if (c == NULL) {
        (void)fputs("null", stdout);
        return;
    }
    (void)printf("{\"matches\":%" PRIu64 ",\"observations\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"cpu_s\":%.6f}",
                 c->matches, c->observations, c->bytes, (double)c->cpu_ns / 1e9);
}

static void side(const struct diff *diff, enum diff_side_id id)
{
    const struct diff_side *s = &diff->sides[id];
    const struct pen_backtest_cost *c = &s->cost;
    (void)printf("\"%s\":{", diff_side_names[id]);
    text("path", pen_slice_str(s->path));
    (void)printf(",\"rules\":%u,\"rejected\":%u,\"signals\":%" PRIu64
                 ",\"signals_a_day\":%.3f,\"suppressed\":%" PRIu64 ",\"shadow\":%" PRIu64
                 ",\"cold\":%" PRIu64 ",\"not_compared\":%" PRIu64 ",\"by_severity\":{",
                 pen_rules_count(s->rules), pen_rules_rejected(s->rules), s->told,
                 (double)s->told / diff_days(diff), s->suppressed, s->shadow, s->cold,
                 s->signals.beyond);
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        (void)printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                     pen_severity_name((enum pen_severity)i), s->by_severity[i]);
    }
    (void)printf("},\"cost\":{\"matches\":%" PRIu64 ",\"observations\":%" PRIu64
                 ",\"bytes\":%" PRIu64 ",\"observe_cpu_s\":%.6f,\"state_cpu_s\":%.6f}},",
                 c->matches, c->observations, c->bytes, (double)c->observe_cpu_ns / 1e9,
                 (double)c->state_cpu_ns / 1e9);
}

static void counts(const struct diff_row *row)
{
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        (void)printf(",\"%s\":%" PRIu64, diff_side_names[s], row->signals[s]);
    }
    for (uint32_t c = 0; c < DIFF_CHANGES; c++) {
        (void)printf(",\"%s\":%" PRIu64, diff_change_names[c], row->changes[c]);
    }
}

static void rule(const struct diff *diff, const struct diff_row *row)
{
    const struct pen_rule *in[DIFF_SIDES];
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        in[s] = diff_rule(&diff->sides[s], row->key);
    }
    const struct pen_rule *any = in[DIFF_HEAD] != NULL ? in[DIFF_HEAD] : in[DIFF_BASE];
    (void)putchar('{');
    text("rule", row->key);
    (void)putchar(',');
    text("name", any->title);
    (void)printf(",\"in\":\"%s\"", in[DIFF_HEAD] == NULL   ? "base"
                                   : in[DIFF_BASE] == NULL ? "head"
                                                           : "both");
    counts(row);
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        (void)printf(",\"%s_a_day\":%.3f", diff_side_names[s],
                     (double)row->signals[s] / diff_days(diff));
        (void)printf(",\"%s_cost\":", diff_side_names[s]);
        cost(diff_cost(&diff->sides[s], row->key));
    }
    (void)putchar('}');
}

static void rules(const struct diff *diff)
{
    (void)fputs("\"rules\":[", stdout);
    for (uint32_t i = 0; i < diff->rules.count; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        rule(diff, &diff->rules.items[i]);
    }
    (void)fputs("],", stdout);
}

static void rows(const char *list, const char *member, const struct diff_rows *of, uint32_t max)
{
    const uint32_t count = of->count < max ? of->count : max;
    (void)printf("\"%s\":[", list);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "{" : ",{", stdout);
        text(member, of->items[i].key);
        counts(&of->items[i]);
        (void)putchar('}');
    }
    (void)printf("],\"%s_left_out\":%u,", list, of->count - count);
}

static void signal_of(enum diff_side_id id, const struct pen_backtest_signal *s)
{
    (void)printf(",\"%s\":", diff_side_names[id]);
    if (s == NULL) {
        (void)fputs("null", stdout);
        return;
    }
    (void)printf("{\"id\":\"%s\",\"severity\":\"%s\",", s->id, pen_severity_name(s->severity));
    text("case_name", s->case_name);
    (void)putchar(',');
    time_text("first_seen", s->first_seen_ns);
    (void)putchar(',');
    time_text("last_seen", s->last_seen_ns);
    (void)printf(",\"events_matched\":%" PRIu64 ",\"cold\":%d,\"late\":%d,", s->events_matched,
                 s->cold, s->late);
    text("suppressed_by", s->suppressed_by);
    (void)putchar('}');
}

static void differences(const struct diff *diff, uint64_t listed)
{
    uint64_t count = 0;
    uint64_t left = 0;
    (void)fputs("\"differences\":[", stdout);
    for (uint32_t i = 0; i < diff->pair_count; i++) {
        const struct diff_pair *pair = &diff->pairs[i];
        const struct pen_backtest_signal *any =
            pair->side[DIFF_HEAD] != NULL ? pair->side[DIFF_HEAD] : pair->side[DIFF_BASE];
        if (pair->change == DIFF_SAME || count == listed) {
            left += pair->change != DIFF_SAME;
            continue;
        }
        (void)printf("%s{\"change\":\"%s\",", count++ == 0 ? "" : ",",
                     diff_change_names[pair->change]);
        text("rule", any->rule_id);
        (void)printf(",\"group\":%.*s", PEN_SLICE_FMT(any->group));
        signal_of(DIFF_BASE, pair->side[DIFF_BASE]);
        signal_of(DIFF_HEAD, pair->side[DIFF_HEAD]);
        (void)putchar('}');
    }
    (void)printf("],\"differences_left_out\":%" PRIu64, left);
}

static void totals(const struct diff *diff)
{
    const struct pen_totals *t = &diff->totals;
    (void)printf("\"objects\":{\"listed\":%" PRIu64 ",\"pruned\":%" PRIu64 ",\"read\":%" PRIu64
                 ",\"damaged\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"unreadable\":%" PRIu64
                 "},\"records\":{\"in\":%" PRIu64 ",\"dead\":%" PRIu64 "},\"days\":%.3f,",
                 t->objects_listed, t->objects_pruned, t->objects_read, t->objects_damaged,
                 t->objects_unknown, t->objects_unreadable, t->records_in, t->records_dead,
                 diff_days(diff));
}

void diff_print_json(struct diff *diff, uint64_t listed)
{
    (void)putchar('{');
    totals(diff);
    side(diff, DIFF_BASE);
    side(diff, DIFF_HEAD);
    (void)fputs("\"signals\":{", stdout);
    for (uint32_t c = 0; c < DIFF_CHANGES; c++) {
        (void)printf("%s\"%s\":%" PRIu64, c == 0 ? "" : ",", diff_change_names[c],
                     diff->changes[c]);
    }
    (void)fputs("},", stdout);
    rules(diff);
    rows("accounts", "account", &diff->accounts, ROWS_MAX);
    rows("identities", "identity", &diff->identities, ROWS_MAX);
    rows("by_day", "day", &diff->days, UINT32_MAX);
    differences(diff, listed);
    (void)fputs("}\n", stdout);
}
