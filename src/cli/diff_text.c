/* tested by tests/e2e/test_diff.py */
#include "diff.h"
#include "screen.h"

#include <inttypes.h>
#include <stdio.h>

#define ROWS_MAX 20U
#define NAME_COLUMNS 40U
#define GROUP_WORDS 6U
#define CELL_BYTES_MAX 300U /* of Markdown, of text that logs tell */

/*
 * One writer for a terminal and for Markdown: what differs is how cells are parted and text is
 * escaped.
 */
struct writer {
    struct diff *diff;
    struct screen screen;
    bool is_markdown;
    uint64_t listed;
};

/* ---- cells ---- */

/* In Markdown nothing that logs say may end a cell, open a tag, a link or a mention, or style. */
static void markdown_text(struct writer *w, pen_slice text)
{
    static const char special[] = "\\`*_{}[]<>()#+!|~@&$";
    struct pen_buf *shown = &w->screen.text;
    shown->len = 0;
    const pen_status st = pen_escape_terminal(shown, pen_slice_sub(text, 0, CELL_BYTES_MAX));
    PEN_CHECK(st == PEN_OK);
    for (size_t i = 0; i < shown->len; i++) {
        const char c = (char)shown->ptr[i];
        if (c != '\0' && strchr(special, c) != NULL) {
            (void)printf("&#%d;", c);
        } else {
            (void)putchar(c);
        }
    }
    (void)fputs(text.len > CELL_BYTES_MAX ? "&hellip;" : "", stdout);
}

static void text_cell(struct writer *w, pen_slice text, uint32_t columns)
{
    if (w->is_markdown) {
        (void)fputs("| ", stdout);
        markdown_text(w, text);
        (void)putchar(' ');
        return;
    }
    screen_cell(&w->screen, text, columns, STYLE_PLAIN);
    (void)putchar(' ');
}

static void word_cell(struct writer *w, const char *word, uint32_t columns)
{
    if (w->is_markdown) {
        (void)printf("| %s ", word);
    } else {
        (void)printf("%-*s ", (int)columns, word);
    }
}

static void right_cell(struct writer *w, const char *word)
{
    (void)(w->is_markdown ? printf("| %s ", word) : printf("%9s ", word));
}

static void number_cell(struct writer *w, uint64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    right_cell(w, text);
}

static void line_end(struct writer *w)
{
    (void)fputs(w->is_markdown ? "|\n" : "\n", stdout);
}

static void heading(struct writer *w, const char *first, uint32_t columns,
                    const char *const *others, uint32_t count)
{
    (void)putchar('\n');
    word_cell(w, first, columns);
    for (uint32_t i = 0; i < count; i++) {
        right_cell(w, others[i]);
    }
    line_end(w);
    for (uint32_t i = 0; w->is_markdown && i <= count; i++) {
        (void)fputs(i == 0 ? "| --- " : "| ---: ", stdout);
    }
    if (w->is_markdown) {
        line_end(w);
    }
}

/* ---- tables ---- */

static const char *const count_names[] = {"base", "head", "added", "gone", "changed"};

static void counts(struct writer *w, const struct diff_row *row)
{
    number_cell(w, row->signals[DIFF_BASE]);
    number_cell(w, row->signals[DIFF_HEAD]);
    number_cell(w, row->changes[DIFF_ADDED]);
    number_cell(w, row->changes[DIFF_GONE]);
    number_cell(w, row->changes[DIFF_CHANGED]);
}

static void left_out(struct writer *w, uint32_t count, const char *what)
{
    if (count > 0) {
        const bool has_y = strcmp(what, "identity") == 0;
        (void)printf("%sand %u more %.*s%s (--json has them)\n", w->is_markdown ? "\n" : "", count,
                     (int)strlen(what) - (has_y && count > 1), what,
                     count == 1 ? ""
                     : has_y    ? "ies"
                                : "s");
    }
}

/* Those with differences. */
static void rows_table(struct writer *w, const char *what, const struct diff_rows *rows)
{
    uint32_t shown = 0;
    uint32_t more = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct diff_row *row = &rows->items[i];
        if (diff_row_differences(row) == 0 || shown == ROWS_MAX) {
            more += diff_row_differences(row) > 0;
            continue;
        }
        if (shown++ == 0) {
            heading(w, what, NAME_COLUMNS, count_names, PEN_COUNT(count_names));
        }
        text_cell(w, row->key, NAME_COLUMNS);
        counts(w, row);
        line_end(w);
    }
    left_out(w, more, what);
}

static void cost_cells(struct writer *w, pen_slice rule)
{
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        const struct pen_rule_cost *cost = diff_cost(&w->diff->sides[s], rule);
        number_cell(w, cost == NULL ? 0 : cost->matches);
    }
    for (uint32_t s = 0; s < DIFF_SIDES; s++) {
        const struct pen_rule_cost *cost = diff_cost(&w->diff->sides[s], rule);
        char text[32];
        (void)snprintf(text, sizeof(text), "%.1f", cost == NULL ? 0 : (double)cost->cpu_ns / 1e6);
        right_cell(w, text);
    }
}

static void rule_row(struct writer *w, const struct diff_row *row)
{
    const struct pen_rule *base = diff_rule(&w->diff->sides[DIFF_BASE], row->key);
    const struct pen_rule *head = diff_rule(&w->diff->sides[DIFF_HEAD], row->key);
    text_cell(w, (head != NULL ? head : base)->title, NAME_COLUMNS);
    right_cell(w, base == NULL ? "new" : head == NULL ? "removed" : "both");
    counts(w, row);
    cost_cells(w, row->key);
    line_end(w);
}

/* Rules that differ, or match otherwise: what a set costs is told of rules without signals too. */
static bool is_shown(const struct diff *diff, const struct diff_row *row)
{
    const struct pen_rule_cost *base = diff_cost(&diff->sides[DIFF_BASE], row->key);
    const struct pen_rule_cost *head = diff_cost(&diff->sides[DIFF_HEAD], row->key);
    return diff_row_differences(row) > 0 ||
           (base == NULL ? 0 : base->matches) != (head == NULL ? 0 : head->matches);
}

static void rules_table(struct writer *w)
{
    static const char *const names[] = {"in",      "base",    "head",         "added",
                                        "gone",    "changed", "base matches", "head matches",
                                        "base ms", "head ms"};
    static const char *const narrow[] = {"in",      "base",    "head",    "added",  "gone",
                                         "changed", "matches", "matches", "cpu ms", "cpu ms"};
    const struct diff_rows *rows = &w->diff->rules;
    uint32_t shown = 0;
    uint32_t more = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        if (!is_shown(w->diff, &rows->items[i])) {
            continue;
        }
        if (shown == ROWS_MAX) {
            more++;
            continue;
        }
        if (shown++ == 0) {
            heading(w, "rule", NAME_COLUMNS, w->is_markdown ? names : narrow, PEN_COUNT(names));
        }
        rule_row(w, &rows->items[i]);
    }
    left_out(w, more, "rule");
}

/* ---- single differences ---- */

static void time_cell(struct writer *w, int64_t ns)
{
    char text[PEN_TIME_MAX];
    const size_t len = ns == INT64_MIN ? 0 : pen_format_time(ns, text);
    text_cell(w, (pen_slice){(const uint8_t *)text, len}, 24);
}

/* Of a signal that one side tells: and why the other one does not, when it has it. */
static void one_words(const struct writer *w, const struct diff_pair *pair, char *out, size_t cap)
{
    const enum diff_side_id has = pair->change == DIFF_GONE ? DIFF_BASE : DIFF_HEAD;
    const enum diff_side_id lacks = has == DIFF_BASE ? DIFF_HEAD : DIFF_BASE;
    const struct pen_backtest_signal *any = pair->side[has];
    const struct pen_backtest_signal *held = pair->side[lacks];
    const char *why = held == NULL                  ? ""
                      : held->suppressed_by.len > 0 ? ", suppressed in "
                                                    : ", in shadow mode in ";
    PEN_CHECK(!diff_is_told(&w->diff->sides[lacks], held));
    (void)snprintf(out, cap, "%s, %" PRIu64 " event%s%s%s", pen_severity_name(any->severity),
                   any->events_matched, any->events_matched == 1 ? "" : "s", why,
                   held == NULL ? "" : diff_side_names[lacks]);
}

/* What of a signal is otherwise: "medium to high, 3 to 7 events". */
static void change_words(const struct writer *w, const struct diff_pair *pair, char *out,
                         size_t cap)
{
    const struct pen_backtest_signal *b = pair->side[DIFF_BASE];
    const struct pen_backtest_signal *h = pair->side[DIFF_HEAD];
    if (pair->change != DIFF_CHANGED) {
        one_words(w, pair, out, cap);
        return;
    }
    const bool is_severity = b->severity != h->severity;
    (void)snprintf(out, cap, "%s%s%s, %" PRIu64 " to %" PRIu64 " events",
                   pen_severity_name(b->severity), is_severity ? " to " : "",
                   is_severity ? pen_severity_name(h->severity) : "", b->events_matched,
                   h->events_matched);
}

static void difference_row(struct writer *w, const struct diff_pair *pair)
{
    const struct pen_backtest_signal *any =
        pair->change == DIFF_GONE ? pair->side[DIFF_BASE] : pair->side[DIFF_HEAD];
    const enum diff_side_id side = pair->change == DIFF_GONE ? DIFF_BASE : DIFF_HEAD;
    char words[160];
    change_words(w, pair, words, sizeof(words));
    word_cell(w, diff_change_names[pair->change], 8);
    text_cell(w, pen_rules_at(w->diff->sides[side].rules, any->rule)->title, NAME_COLUMNS);
    time_cell(w, any->first_seen_ns);
    word_cell(w, words, 30);
    text_cell(w, screen_words(&w->screen, any->group, GROUP_WORDS), 0);
    line_end(w);
}

static void differences_table(struct writer *w)
{
    static const char *const names[] = {"rule", "first seen", "what", "group"};
    const struct diff *diff = w->diff;
    uint64_t shown = 0;
    uint64_t more = 0;
    for (uint32_t i = 0; i < diff->pair_count; i++) {
        if (diff->pairs[i].change == DIFF_SAME || shown == w->listed) {
            more += diff->pairs[i].change != DIFF_SAME;
            continue;
        }
        if (shown++ == 0 && w->is_markdown) {
            (void)fputs("\n<details><summary>Signals</summary>\n", stdout);
            heading(w, "change", 8, names, PEN_COUNT(names));
        } else if (shown == 1) {
            (void)putchar('\n');
        }
        difference_row(w, &diff->pairs[i]);
    }
    left_out(w, more > UINT32_MAX ? UINT32_MAX : (uint32_t)more, "signal");
    (void)fputs(shown > 0 && w->is_markdown ? "\n</details>\n" : "", stdout);
}

/* ---- the head ---- */

static void side_line(struct writer *w, enum diff_side_id id)
{
    const struct diff_side *s = &w->diff->sides[id];
    const struct pen_backtest_cost *c = &s->cost;
    (void)printf("%s%s ", w->is_markdown ? "- " : "", diff_side_names[id]);
    if (w->is_markdown) {
        markdown_text(w, pen_slice_str(s->path));
    } else {
        screen_text(&w->screen, pen_slice_str(s->path), STYLE_PLAIN);
    }
    (void)printf(": %u rules, %" PRIu64 " signals (%.1f a day), %" PRIu64 " suppressed, %" PRIu64
                 " shadow; %" PRIu64 " matches, %" PRIu64 " observations, %.1f ms to make and "
                 "%.1f ms to count them\n",
                 pen_rules_count(s->rules), s->told, (double)s->told / diff_days(w->diff),
                 s->suppressed, s->shadow, c->matches, c->observations,
                 (double)c->observe_cpu_ns / 1e6, (double)c->state_cpu_ns / 1e6);
}

static void head(struct writer *w)
{
    const struct diff *d = w->diff;
    (void)printf("%s%" PRIu64 " signals added, %" PRIu64 " gone, %" PRIu64 " changed, %" PRIu64
                 " the same\n%s",
                 w->is_markdown ? "### Rules: " : "", d->changes[DIFF_ADDED], d->changes[DIFF_GONE],
                 d->changes[DIFF_CHANGED], d->changes[DIFF_SAME], w->is_markdown ? "\n" : "");
    side_line(w, DIFF_BASE);
    side_line(w, DIFF_HEAD);
}

static void print(struct writer *w)
{
    screen_init(&w->screen);
    head(w);
    rules_table(w);
    rows_table(w, "account", &w->diff->accounts);
    rows_table(w, "identity", &w->diff->identities);
    rows_table(w, "day", &w->diff->days);
    differences_table(w);
    screen_fini(&w->screen);
}

void diff_print_table(struct diff *diff, uint64_t listed)
{
    struct writer w = {.diff = diff, .listed = listed};
    print(&w);
}

void diff_print_markdown(struct diff *diff, uint64_t listed)
{
    struct writer w = {.diff = diff, .listed = listed, .is_markdown = true};
    print(&w);
}
