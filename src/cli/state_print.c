/* tested by tests/e2e/test_state.py */
#include "state_print.h"

#include "penstock/json.h"

#include <inttypes.h>
#include <stdio.h>

static const struct method {
    const char *name;
    const char *count, *column, *first; /* what a group has; of it in a table */
} methods[] = {
    [PEN_METHOD_MATCH] = {"match", "events", "EVENTS", "FIRST"},
    [PEN_METHOD_THRESHOLD] = {"threshold", "events", "EVENTS", "FIRST"},
    [PEN_METHOD_NEW_VALUE] = {"new_value", "values", "VALUES", "LEARNS SINCE"},
    [PEN_METHOD_SEQUENCE] = {"sequence", "events", "EVENTS", "FIRST"},
    [PEN_METHOD_TRAVEL] = {"impossible_travel", "places", "PLACES", "LEARNS SINCE"},
    [PEN_METHOD_ANOMALY] = {"anomaly_detection", "buckets", "BUCKETS", "LEARNS SINCE"},
    [PEN_METHOD_PASS] = {"signal_correlation", "events", "EVENTS", "FIRST"},
};
static const char *const kinds[] = {
    [PEN_COUNT_EVENTS] = "count",
    [PEN_CARDINALITY] = "cardinality",
    [PEN_SUM] = "sum",
    [PEN_MAX] = "max",
    [PEN_PLACE] = "geo_data",
};

bool state_is_forgotten(const struct state_view *view, int64_t seen_ns)
{
    int64_t end = 0;
    return !__builtin_add_overflow(seen_ns, view->rule.forget_ns, &end) &&
           end < view->show.time_max_ns;
}

/* ---- what is printed, the first failure stays ---- */

#define PUT(out, ...) \
    ((out)->status =  \
         (out)->status == PEN_OK ? pen_buf_printf(&(out)->text, __VA_ARGS__) : (out)->status)

static void put_text(struct printed *out, pen_slice text)
{
    out->status = out->status == PEN_OK ? pen_buf_add(&out->text, text) : out->status;
}

static void put_escaped(struct printed *out, pen_slice text)
{
    out->status = out->status == PEN_OK ? pen_json_escape(&out->text, text) : out->status;
}

/* ---- parts of both ---- */

static void add_time(struct printed *out, int64_t ns)
{
    char text[PEN_TIME_MAX];
    put_text(out, (pen_slice){(const uint8_t *)text, pen_format_time(ns, text)});
}

/* In the largest unit that leaves no rest. */
static void add_duration(struct printed *out, int64_t ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"d", PEN_NS_PER_DAY},
                 {"h", 3600 * PEN_NS_PER_S},
                 {"m", 60 * PEN_NS_PER_S},
                 {"s", PEN_NS_PER_S},
                 {"ms", PEN_NS_PER_S / 1000}};
    for (size_t i = 0; ns > 0 && i < PEN_COUNT(units); i++) {
        if (ns % units[i].ns == 0) {
            PUT(out, "%" PRId64 "%s", ns / units[i].ns, units[i].name);
            return;
        }
    }
    PUT(out, "%" PRId64 "%s", ns, ns == 0 ? "" : "ns");
}

/* Fixed point of nine decimals, without those that are 0. */
static void add_quantity(struct printed *out, pen_quantity value)
{
    char digits[48];
    size_t at = sizeof(digits);
    const bool is_negative = value < 0;
    __extension__ typedef unsigned __int128 magnitude;
    magnitude left = is_negative ? -(magnitude)value : (magnitude)value;
    uint32_t places = 9;
    while (places > 0 && left % 10 == 0) {
        left /= 10;
        places--;
    }
    do {
        if (places > 0 && --places == 0) {
            digits[--at] = (char)('0' + (int)(left % 10));
            digits[--at] = '.';
        } else {
            digits[--at] = (char)('0' + (int)(left % 10));
        }
        left /= 10;
    } while (left > 0 || places > 0 || digits[at] == '.');
    PUT(out, "%s", is_negative ? "-" : "");
    put_text(out, (pen_slice){(const uint8_t *)digits + at, sizeof(digits) - at});
}

static bool has_window(const struct state_view *view)
{
    return view->rule.method == PEN_METHOD_THRESHOLD || view->rule.method == PEN_METHOD_SEQUENCE;
}

/* The values of group-by in one document; {} for text that is none. */
static void add_group(struct printed *out, pen_slice group)
{
    put_text(out, group.len > 0 ? group : PEN_SLICE_LIT("{}"));
}

/* ---- JSON ---- */

static void json_text(struct printed *out, const char *name, pen_slice text)
{
    PUT(out, "\"%s\":\"", name);
    put_escaped(out, text);
    PUT(out, "\"");
}

static void json_time(struct printed *out, const char *name, int64_t ns)
{
    if (ns == INT64_MIN) {
        PUT(out, ",\"%s\":null", name);
        return;
    }
    PUT(out, ",\"%s\":\"", name);
    add_time(out, ns);
    PUT(out, "\"");
}

static void json_queries(const struct state_view *view, const struct pen_shown_group *group,
                         struct printed *out)
{
    PUT(out, ",\"queries\":[");
    for (uint32_t q = 0; q < view->rule.query_count; q++) {
        PUT(out, "%s{\"events\":%" PRIu64 ",\"aggregation\":\"%s\",\"value\":", q == 0 ? "" : ",",
            group->per_query[q], kinds[view->rule.queries[q]]);
        add_quantity(out, group->values[q]);
        PUT(out, "}");
    }
    PUT(out, "]");
}

static void json_group(const struct state_view *view, const struct pen_shown_group *group,
                       struct printed *out)
{
    const bool learns = !has_window(view);
    PUT(out, "{\"group\":");
    add_group(out, group->group);

    PUT(out, ",\"%s\":%" PRIu64, methods[view->rule.method].count, group->count);
    json_time(out, learns ? "learns_since" : "first", group->first_ns);
    if (view->rule.method != PEN_METHOD_NEW_VALUE) {
        json_time(out, "last", group->last_ns);
        PUT(out, ",\"limited\":%s", group->is_limited ? "true" : "false");
    }
    if (has_window(view)) {
        json_queries(view, group, out);
    }
    PUT(out, "}");
}

static void json_signal(const struct pen_shown_signal *signal, struct printed *out)
{
    PUT(out, "{");
    json_text(out, "id", signal->id);
    PUT(out, ",\"group\":");
    add_group(out, signal->group);
    json_time(out, "first_seen", signal->first_seen_ns);
    json_time(out, "last_seen", signal->last_seen_ns);
    PUT(out, ",\"events\":%" PRIu64 ",\"late\":%s,\"limited\":%s,\"cold\":%s}", signal->events,
        signal->late ? "true" : "false", signal->limited ? "true" : "false",
        signal->cold ? "true" : "false");
}

static void json_values(const struct state_view *view, bool has_value, struct printed *out)
{
    PUT(out, ",\"has\":%s,\"known_to\":[", has_value ? "true" : "false");
    for (uint64_t i = 0; i < view->found_count; i++) {
        const struct pen_shown_value *one = &view->found[i];
        PUT(out, "%s{\"group\":", i == 0 ? "" : ",");
        add_group(out, one->group);
        json_time(out, "last_seen", one->seen_ns);
        PUT(out, ",\"forgotten\":%s}", state_is_forgotten(view, one->seen_ns) ? "true" : "false");
    }
    PUT(out, "]");
}

static void json_lists(const struct state_view *view, struct printed *out)
{
    PUT(out, ",\"groups_total\":%" PRIu64 ",\"groups\":[", view->group_total);
    for (uint64_t i = 0; i < view->group_kept; i++) {
        PUT(out, "%s", i == 0 ? "" : ",");
        json_group(view, &view->group[i], out);
    }

    PUT(out, "],\"signals_total\":%" PRIu64 ",\"signals\":[", view->signal_total);
    for (uint64_t i = 0; i < view->signal_kept; i++) {
        PUT(out, "%s", i == 0 ? "" : ",");
        json_signal(&view->signal[i], out);
    }
    PUT(out, "]");
}

static void json_rule(const struct state_view *view, struct printed *out)
{
    const struct pen_shown_rule *rule = &view->rule;
    PUT(out, "{");
    json_text(out, "rule", rule->id);
    PUT(out, ",");
    json_text(out, "name", rule->name);
    if (rule->is_described) {

        PUT(out, ",\"method\":\"%s\",\"window_s\":", methods[rule->method].name);
        add_quantity(out, rule->window_ns);
        PUT(out, ",\"keep_alive_s\":");
        add_quantity(out, rule->keep_alive_ns);
        PUT(out, ",\"learning_s\":");
        add_quantity(out, rule->learning_ns);
        PUT(out, ",\"forget_after_s\":");
        add_quantity(out, rule->forget_ns);
    }
    json_time(out, "state_up_to", view->show.position_ns);
    json_time(out, "events_up_to", view->show.time_max_ns);
    PUT(out, ",\"commit\":%" PRIu64 ",\"shards\":%u,\"new_values\":%" PRIu64, view->files.epoch,
        view->files.shards, view->show.new_values);
}

pen_status state_print_json(struct state_view *view, bool has_value)
{
    struct printed *out = &view->line;
    json_rule(view, out);
    view->value.ptr != NULL ? json_values(view, has_value, out) : json_lists(view, out);
    PUT(out, "}\n");
    if (out->status == PEN_OK) {
        (void)fwrite(out->text.ptr, 1, out->text.len, stdout);
    }
    return out->status;
}

/* ---- text ---- */

static void cell_right(const char *text, int columns)
{
    (void)printf("%*s  ", columns, text);
}

static void cell_time(struct screen *s, int64_t ns)
{
    if (ns == INT64_MIN) {
        screen_cell(s, PEN_SLICE_LIT("-"), 20, STYLE_PLAIN);
    } else {
        screen_time(s, ns);
    }
    (void)fputs("  ", stdout);
}

static void line_of(struct state_view *view, const char *name)
{
    screen_cell(view->screen, pen_slice_str(name), 10, STYLE_FAINT);
    screen_text(view->screen, pen_buf_slice(&view->line.text), STYLE_PLAIN);
    (void)putchar('\n');
    view->line.text.len = 0;
}

static void add_named_duration(struct printed *out, const char *name, int64_t ns)
{
    if (ns <= 0) {
        return;
    }
    PUT(out, ", %s ", name);
    add_duration(out, ns);
}

static void text_rule(struct state_view *view)
{
    const struct pen_shown_rule *rule = &view->rule;
    struct printed *out = &view->line;
    put_text(out, rule->id);
    line_of(view, "rule");
    if (rule->name.len > 0 && !pen_slice_eq(rule->name, rule->id)) {
        put_text(out, rule->name);
        line_of(view, "name");
    }
    if (rule->is_described) {
        PUT(out, "%s", methods[rule->method].name);
        add_named_duration(out, "window", rule->window_ns);
        add_named_duration(out, "keep-alive", rule->keep_alive_ns);
        add_named_duration(out, "learns for", rule->learning_ns);
        add_named_duration(out, "forgets after", rule->forget_ns);
        line_of(view, "method");
    }
    PUT(out, "all before ");
    add_time(out, view->show.position_ns);
    PUT(out, ", snapshot of commit %" PRIu64 ", %u shards", view->files.epoch, view->files.shards);
    line_of(view, "state");
}

/* "count 3, cardinality 2": of each query. */
static void text_queries(const struct state_view *view, const struct pen_shown_group *group,
                         struct printed *out)
{
    for (uint32_t q = 0; q < view->rule.query_count; q++) {
        PUT(out, "%s%s ", q == 0 ? "" : ", ", kinds[view->rule.queries[q]]);
        add_quantity(out, group->values[q]);
    }
    PUT(out, "%s", group->is_limited ? " (limited)" : "");
}

static void text_group(struct state_view *view, const struct pen_shown_group *group)
{
    struct screen *s = view->screen;
    char number[24];
    (void)snprintf(number, sizeof(number), "%" PRIu64, group->count);
    cell_right(number, 8);
    cell_time(s, group->first_ns);
    if (view->rule.method != PEN_METHOD_NEW_VALUE) {
        cell_time(s, group->last_ns);
    }
    screen_text(s, group->group, STYLE_PLAIN);
    if (has_window(view)) {
        view->line.text.len = 0;
        text_queries(view, group, &view->line);
        (void)fputs("  ", stdout);
        screen_text(s, pen_buf_slice(&view->line.text), STYLE_FAINT);
    }
    (void)putchar('\n');
}

static void text_groups(struct state_view *view)
{
    const struct method *method = &methods[view->rule.method];
    if (view->group_total == 0) {
        (void)puts("\nno groups");
        return;
    }
    (void)putchar('\n');
    cell_right(method->column, 8);
    screen_cell(view->screen, pen_slice_str(method->first), 22, STYLE_BOLD);
    if (view->rule.method != PEN_METHOD_NEW_VALUE) {
        screen_cell(view->screen, PEN_SLICE_LIT("LAST"), 22, STYLE_BOLD);
    }
    screen_text(view->screen, PEN_SLICE_LIT("GROUP"), STYLE_BOLD);
    (void)putchar('\n');
    for (uint64_t i = 0; i < view->group_kept; i++) {
        text_group(view, &view->group[i]);
    }
}

static void text_signals(struct state_view *view)
{
    struct screen *s = view->screen;
    if (view->signal_total == 0) {
        (void)puts("\nno open signals");
        return;
    }
    (void)putchar('\n');
    screen_cell(s, PEN_SLICE_LIT("OPEN SIGNAL"), 34, STYLE_BOLD);
    screen_cell(s, PEN_SLICE_LIT("FIRST SEEN"), 22, STYLE_BOLD);
    screen_cell(s, PEN_SLICE_LIT("LAST SEEN"), 22, STYLE_BOLD);
    (void)puts("  EVENTS  GROUP");
    for (uint64_t i = 0; i < view->signal_kept; i++) {
        const struct pen_shown_signal *signal = &view->signal[i];
        screen_cell(s, signal->id, 34, STYLE_PLAIN);
        cell_time(s, signal->first_seen_ns);
        cell_time(s, signal->last_seen_ns);
        (void)printf("%8" PRIu64 "  ", signal->events);
        screen_text(s, signal->group, STYLE_PLAIN);
        (void)putchar('\n');
    }
}

/* Values of groups that have no name: they were asked for by nobody. */
static uint64_t unnamed_values(const struct state_view *view)
{
    const uint64_t named = view->named_values + view->group_total;
    return view->show.new_values > named ? view->show.new_values - named : 0;
}

static void text_values(struct state_view *view, bool has_value)
{
    for (uint64_t i = 0; i < view->found_count; i++) {
        const struct pen_shown_value *one = &view->found[i];
        const bool is_known = !state_is_forgotten(view, one->seen_ns);
        screen_cell(view->screen, pen_slice_str(is_known ? "yes" : "forgotten"), 11, STYLE_BOLD);
        cell_time(view->screen, one->seen_ns);
        screen_text(view->screen, one->group, STYLE_PLAIN);
        (void)putchar('\n');
    }
    if (view->found_count == 0) {
        (void)puts("no");
    }
    if (!has_value && unnamed_values(view) > 0 && fflush(stdout) == 0) {
        (void)fprintf(stderr,
                      "penstock: %" PRIu64 " values are of groups that have no name here (see "
                      "state.named_groups_max): --group JSON looks in one\n",
                      unnamed_values(view));
    }
}

static void text_end(const struct state_view *view)
{
    if (fflush(stdout) != 0) {
        return;
    }
    (void)fprintf(stderr, "%" PRIu64 " groups, %" PRIu64 " open signals", view->group_total,
                  view->signal_total);
    if (view->rule.method == PEN_METHOD_NEW_VALUE) {
        (void)fprintf(stderr, ", %" PRIu64 " entries%s", view->show.new_values,
                      unnamed_values(view) > 0 ? " (not all of their groups have a name)" : "");
    }
    const bool is_cut =
        view->group_total > view->group_kept || view->signal_total > view->signal_kept;
    (void)fprintf(stderr, "%s\n", is_cut ? "; --limit N shows more" : "");
}

pen_status state_print_text(struct state_view *view, bool has_value)
{
    if (view->value.ptr != NULL) {
        text_values(view, has_value);
        return view->line.status;
    }
    text_rule(view);
    if (view->rule.method != PEN_METHOD_MATCH) {
        text_groups(view);
    }
    text_signals(view);
    text_end(view);
    return view->line.status;
}
