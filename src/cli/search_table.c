/* tested by tests/e2e/test_hunt.py */
#include "screen.h"
#include "search_groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CELL_BYTES_MAX ((size_t)1 << 20)
#define COLUMN_MAX 48U
#define NUMBER_COLUMN 12U
#define TIME_COLUMN 22U

/* ---- order ---- */

static int by_count(const void *a, const void *b, void *ctx)
{
    const struct search_groups *g = ctx;
    const struct search_group *x = a;
    const struct search_group *y = b;
    if (x->span_ns != y->span_ns) {
        return x->span_ns < y->span_ns ? -1 : 1;
    }
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return pen_slice_cmp(search_group_key(g, x), search_group_key(g, y));
}

/* Sorts, and keeps the first of each span: how many are shown. */
uint32_t search_groups_sort(struct search_groups *g, uint64_t top)
{
    uint32_t shown = 0;
    uint64_t of_span = 0;
    if (g->count > 0) {
        qsort_r(g->items, g->count, sizeof(*g->items), by_count, g);
    }
    for (uint32_t i = 0; i < g->count; i++) {
        const bool is_new = i == 0 || g->items[i].span_ns != g->items[shown - 1].span_ns;
        of_span = is_new ? 1 : of_span + 1;
        if (top == 0 || of_span <= top) {
            g->items[shown++] = g->items[i];
        }
    }
    return shown;
}

/* ---- lines ---- */

static pen_status json_time(struct pen_buf *out, const char *name, int64_t ns)
{
    char text[PEN_TIME_MAX];
    if (ns == INT64_MIN || ns == INT64_MAX) {
        return pen_buf_printf(out, "\"%s\":null", name);
    }
    return pen_buf_printf(out, "\"%s\":\"%.*s\"", name, (int)pen_format_time(ns, text), text);
}

static pen_status json_distinct(const struct search_groups *g, const struct search_group *group,
                                struct pen_buf *out)
{
    return !g->by->has_distinct
               ? PEN_OK
               : pen_buf_printf(out, "\"distinct\":%" PRIu64 ",\"limited\":%s,", group->distinct,
                                group->is_limited ? "true" : "false");
}

static pen_status json_group(const struct search_groups *g, const struct search_group *group,
                             pen_slice key, struct pen_buf *out)
{
    const bool has_span = g->by->every_ns > 0;
    PEN_TRY(has_span ? json_time(out, "time", group->span_ns) : PEN_OK);
    PEN_TRY(
        pen_buf_add(out, has_span ? PEN_SLICE_LIT(",\"group\":") : PEN_SLICE_LIT("\"group\":")));
    PEN_TRY(pen_buf_add(out, key));
    return pen_buf_printf(out, ",\"count\":%" PRIu64 ",", group->count);
}

static pen_status json_line(const struct search_groups *g, const struct search_group *group,
                            pen_slice key, struct pen_buf *out)
{
    out->len = 0;
    PEN_TRY(pen_buf_add_byte(out, '{'));
    PEN_TRY(json_group(g, group, key, out));
    PEN_TRY(json_distinct(g, group, out));
    PEN_TRY(json_time(out, "first_seen", group->first_ns));
    PEN_TRY(pen_buf_add_byte(out, ','));
    PEN_TRY(json_time(out, "last_seen", group->last_ns));
    return pen_buf_add(out, PEN_SLICE_LIT("}\n"));
}

static pen_status print_json(const struct search_groups *g, uint32_t shown)
{
    struct pen_buf line;
    pen_status st = PEN_OK;
    pen_buf_init(&line, SIZE_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < shown; i++) {
        st = json_line(g, &g->items[i], search_group_key(g, &g->items[i]), &line);
        (void)fwrite(line.ptr, 1, st == PEN_OK ? line.len : 0, stdout); /* errors show at the end */
    }
    if (st == PEN_OK && g->other.count > 0) {
        st = json_line(g, &g->other, PEN_SLICE_LIT("null"), &line);
        (void)fwrite(line.ptr, 1, st == PEN_OK ? line.len : 0, stdout);
    }
    pen_buf_fini(&line);
    return st;
}

/* ---- the table ---- */

/* The value of the next name of a group as plain text; "-" for null. */
static pen_slice cell_next(struct pen_tokens *tokens, struct pen_buf *plain)
{
    struct pen_token token;
    while (pen_tokens_next(tokens, &token)) {
        if (token.is_open || token.is_close || token.is_key) {
            continue;
        }
        if (token.kind == PEN_NULL) {
            return PEN_SLICE_LIT("-");
        }
        plain->len = 0;
        if (!token.is_escaped || pen_buf_reserve(plain, token.text.len) != PEN_OK) {
            return token.text;
        }
        plain->len = pen_json_unescape(token.text, plain->ptr);
        return pen_buf_slice(plain);
    }
    return (pen_slice){0};
}

static uint32_t columns_of(pen_slice text)
{
    uint32_t columns = 0;
    while (text.len > 0 && columns < COLUMN_MAX) {
        (void)pen_utf8_next(&text);
        columns++;
    }
    return columns;
}

static void widths_find(const struct search_groups *g, uint32_t shown,
                        uint32_t widths[SEARCH_BY_MAX], struct pen_buf *plain)
{
    for (uint32_t c = 0; c < g->by->count; c++) {
        widths[c] = columns_of(g->by->names[c]);
    }
    for (uint32_t i = 0; i < shown; i++) {
        struct pen_tokens tokens;
        pen_tokens_init(&tokens, search_group_key(g, &g->items[i]));
        for (uint32_t c = 0; c < g->by->count; c++) {
            const uint32_t width = columns_of(cell_next(&tokens, plain));
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
}

static void time_cell(struct screen *s, int64_t ns, uint32_t columns)
{
    char text[PEN_TIME_MAX];
    const bool is_none = ns == INT64_MIN || ns == INT64_MAX;
    const size_t len = is_none ? 0 : pen_format_time(ns, text);
    screen_cell(s, is_none ? PEN_SLICE_LIT("-") : (pen_slice){(const uint8_t *)text, len}, columns,
                STYLE_PLAIN);
}

static void number_cell(struct screen *s, uint64_t number, bool is_limited)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRIu64 "%s", number, is_limited ? "+" : "");
    screen_cell(s, pen_slice_str(text), NUMBER_COLUMN, STYLE_PLAIN);
}

static void head_print(const struct search_groups *g, struct screen *s,
                       const uint32_t widths[SEARCH_BY_MAX])
{
    if (g->by->every_ns > 0) {
        screen_cell(s, PEN_SLICE_LIT("TIME"), TIME_COLUMN, STYLE_BOLD);
    }
    for (uint32_t c = 0; c < g->by->count; c++) {
        screen_cell(s, g->by->names[c], widths[c] + 2, STYLE_BOLD);
    }
    screen_cell(s, PEN_SLICE_LIT("COUNT"), NUMBER_COLUMN, STYLE_BOLD);
    if (g->by->has_distinct) {
        screen_cell(s, PEN_SLICE_LIT("DISTINCT"), NUMBER_COLUMN, STYLE_BOLD);
    }
    screen_cell(s, PEN_SLICE_LIT("FIRST SEEN"), TIME_COLUMN, STYLE_BOLD);
    screen_text(s, PEN_SLICE_LIT("LAST SEEN"), STYLE_BOLD);
    (void)putchar('\n');
}

static void row_print(const struct search_groups *g, struct screen *s,
                      const struct search_group *group, const uint32_t widths[SEARCH_BY_MAX],
                      struct pen_buf *plain)
{
    const bool is_other = group == &g->other;
    struct pen_tokens tokens;
    pen_tokens_init(&tokens, is_other ? (pen_slice){0} : search_group_key(g, group));
    if (g->by->every_ns > 0) {
        time_cell(s, group->span_ns, TIME_COLUMN);
    }
    for (uint32_t c = 0; c < g->by->count; c++) {
        const pen_slice word = c == 0 ? PEN_SLICE_LIT("(other)") : (pen_slice){0};
        screen_cell(s, is_other ? word : cell_next(&tokens, plain), widths[c], STYLE_PLAIN);
        (void)fputs("  ", stdout);
    }
    number_cell(s, group->count, false);
    if (g->by->has_distinct) {
        number_cell(s, group->distinct, group->is_limited);
    }
    time_cell(s, group->first_ns, TIME_COLUMN);
    time_cell(s, group->last_ns, 0);
    (void)putchar('\n');
}

static void print_table(const struct search_groups *g, uint32_t shown)
{
    uint32_t widths[SEARCH_BY_MAX];
    struct screen screen;
    struct pen_buf plain;
    pen_buf_init(&plain, CELL_BYTES_MAX);
    screen_init(&screen);
    widths_find(g, shown, widths, &plain);
    head_print(g, &screen, widths);
    for (uint32_t i = 0; i < shown; i++) {
        row_print(g, &screen, &g->items[i], widths, &plain);
    }
    if (g->other.count > 0) {
        row_print(g, &screen, &g->other, widths, &plain);
    }
    screen_fini(&screen);
    pen_buf_fini(&plain);
}

static void limits_tell(const struct search_groups *g, uint32_t shown)
{
    bool is_limited = false;
    for (uint32_t i = 0; i < shown; i++) {
        is_limited |= g->items[i].is_limited;
    }
    if (shown < g->count) {
        (void)fprintf(stderr, "penstock: %u of %u groups\n", shown, g->count);
    }
    if (g->other.count > 0) {
        (void)fprintf(stderr,
                      "penstock: warning: more than %" PRIu64
                      " groups (search.groups_max): %" PRIu64 " records are counted together\n",
                      g->groups_max, g->other.count);
    }
    if (is_limited) {
        (void)fprintf(stderr,
                      "penstock: warning: more than %" PRIu64
                      " values (search.distinct_max): groups with `limited` had more\n",
                      g->distinct_max);
    }
    if (g->cut > 0) {
        (void)fprintf(stderr,
                      "penstock: warning: %" PRIu64
                      " records had more than %u values of a name, or "
                      "groups (observation.groups_max): the first ones count\n",
                      g->cut, g->by->elements_max);
    }
}

pen_status search_groups_print(struct search_groups *g, uint64_t top, bool is_json)
{
    const uint32_t all = g->count;
    const uint32_t shown = search_groups_sort(g, top);
    PEN_CHECK(shown <= all);
    if (is_json) {
        PEN_TRY(print_json(g, shown));
    } else if (all > 0) {
        print_table(g, shown);
    }
    limits_tell(g, shown);
    return PEN_OK;
}
