/* tested by tests/e2e/test_signals.py */
#include "signal_view.h"

#include "penstock/json.h"
#include "penstock/signals.h"

#include <inttypes.h>
#include <stdio.h>

#define ID_SHOWN 10U
#define NARROW 100U       /* fewer columns than this: no account, no actor */
#define WIDE 140U         /* fewer columns than this: no actor */
#define FIXED_COLUMNS 84U /* of a row, without rule and actor */
#define FIXED_NARROW 60U
#define LIST_WORDS 10U

static pen_slice lit(const char *text)
{
    return pen_slice_str(text);
}

static pen_slice or_dash(pen_slice text)
{
    return text.len == 0 ? PEN_SLICE_LIT("-") : text;
}

/* What is left of the row for the rule; without a terminal its column is 40 wide. */
static uint32_t rule_columns(const struct screen *screen)
{
    if (!screen->is_terminal) {
        return 40;
    }
    if (screen->width < NARROW) {
        return screen->width > FIXED_NARROW + 12 ? screen->width - FIXED_NARROW : 12;
    }
    const uint32_t rest = screen->width - FIXED_COLUMNS;
    return screen->width < WIDE ? rest : rest / 2;
}

/* 0 without a terminal: as long as it is. */
static uint32_t actor_columns(const struct screen *screen)
{
    return screen->is_terminal ? screen->width - FIXED_COLUMNS - rule_columns(screen) : 0;
}

static void gap(void)
{
    (void)fputs("  ", stdout);
}

void signal_view_header(struct signal_view *view)
{
    struct screen *s = view->screen;
    const bool is_narrow = s->width < NARROW;
    screen_cell(s, lit("SIGNAL"), ID_SHOWN + 2, STYLE_BOLD);
    screen_cell(s, lit("SEVERITY"), 10, STYLE_BOLD);
    screen_cell(s, lit("STATE"), 14, STYLE_BOLD);
    screen_cell(s, lit("FIRST SEEN"), 22, STYLE_BOLD);
    if (!is_narrow) {
        (void)printf("%6s  ", "EVENTS");
        screen_cell(s, lit("ACCOUNT"), 14, STYLE_BOLD);
    }
    screen_cell(s, lit("RULE"), s->width < WIDE ? 0 : rule_columns(s) + 2, STYLE_BOLD);
    if (s->width >= WIDE) {
        screen_text(s, lit("ACTOR"), STYLE_BOLD);
    }
    (void)putchar('\n');
}

/* The part of an ARN behind its account; anything else as it is. */
static pen_slice actor_short(pen_slice actor)
{
    pen_slice rest = actor;
    pen_slice part;
    if (!pen_slice_starts(actor, PEN_SLICE_LIT("arn:"))) {
        return actor;
    }
    for (int i = 0; i < 5; i++) {
        if (!pen_slice_split(&rest, ':', &part)) {
            return actor;
        }
    }
    return rest.len == 0 ? actor : rest;
}

static void row_table(struct signal_view *view, const struct pen_signal_row *row)
{
    struct screen *s = view->screen;
    screen_cell(s, pen_slice_sub(row->id, 0, ID_SHOWN), ID_SHOWN, STYLE_PLAIN);
    gap();
    screen_cell(s, row->severity, 8, screen_severity(row->severity));
    gap();
    screen_cell(s, row->state, 12, STYLE_PLAIN);
    gap();
    screen_time(s, row->first_seen_ns);
    gap();
    if (s->width < NARROW) {
        screen_cell(s, row->rule_name, rule_columns(s), STYLE_PLAIN);
        (void)putchar('\n');
        return;
    }
    (void)printf("%6" PRId64 "  ", row->events_matched);
    screen_cell(s, or_dash(screen_words(s, row->accounts, 1)), 12, STYLE_PLAIN);
    gap();
    screen_cell(s, row->rule_name, rule_columns(s), STYLE_PLAIN);
    if (s->width >= WIDE) {
        gap();
        screen_cell(s, or_dash(actor_short(screen_words(s, row->actors, 1))), actor_columns(s),
                    STYLE_PLAIN);
    }
    (void)putchar('\n');
}

static pen_status line_put(struct signal_view *view)
{
    PEN_TRY(pen_buf_add_byte(&view->line, '\n'));
    (void)fwrite(view->line.ptr, 1, view->line.len, stdout); /* screen_end tells of a failure */
    return PEN_OK;
}

pen_status signal_view_row(void *ctx, const struct pen_signal_row *row)
{
    struct signal_view *view = ctx;
    view->shown++;
    if (!view->json) {
        row_table(view, row);
        return PEN_OK;
    }
    view->line.len = 0;
    PEN_TRY(pen_signal_row_json(row, &view->line));
    return line_put(view);
}

/* ---- events ---- */

struct member {
    const char *name;
    pen_slice value; /* ptr NULL: null */
};

/* "name":"value" pairs; the first follows an opening brace. */
static pen_status members(struct pen_buf *out, const struct member *items, size_t count)
{
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < count; i++) {
        const bool is_null = items[i].value.ptr == NULL;
        st = pen_buf_printf(out, "%s\"%s\":%s", i == 0 ? "{" : ",", items[i].name,
                            is_null ? "null" : "\"");
        if (st == PEN_OK && !is_null) {
            st = pen_json_escape(out, items[i].value);
            st = st == PEN_OK ? pen_buf_add_byte(out, '"') : st;
        }
    }
    return st;
}

static pen_slice time_text(int64_t ns, char text[PEN_TIME_MAX])
{
    return (pen_slice){(const uint8_t *)text, pen_format_time(ns, text)};
}

#define NOT_KEPT                                                                  \
    "its text is not kept: the rule counts events, or the record is larger than " \
    "signal.event_bytes_max; object and record tell where it is"

static pen_status event_json(struct pen_buf *out, const struct pen_signal_event_row *row)
{
    char text[PEN_TIME_MAX];
    const struct member items[] = {{"event_id", row->event_id},
                                   {"event_time", time_text(row->event_time_ns, text)},
                                   {"index_name", row->index_name},
                                   {"object", row->object},
                                   {"query", row->query}};
    PEN_TRY(members(out, items, PEN_COUNT(items)));
    PEN_TRY(pen_buf_printf(out, ",\"record\":%" PRId64 ",\"event\":", row->record));
    if (row->event.ptr == NULL) { /* the line says where the record is */
        PEN_TRY(pen_buf_printf(out, "null,\"event_reason\":\""));
        PEN_TRY(pen_json_escape(out, row->reason.ptr == NULL ? lit(NOT_KEPT) : row->reason));
        return pen_buf_add(out, PEN_SLICE_LIT("\"}"));
    }
    PEN_TRY(pen_buf_add(out, row->event));
    return pen_buf_add_byte(out, '}');
}

static void event_line(struct screen *s, const struct pen_signal_event_row *row)
{
    screen_time(s, row->event_time_ns);
    gap();
    screen_cell(s, or_dash(row->name), 24, STYLE_BOLD);
    gap();
    screen_text(s, or_dash(row->actor), STYLE_PLAIN);
    gap();
    screen_text(s, or_dash(row->source_ip), STYLE_PLAIN);
    gap();
    screen_text(s, row->object, STYLE_FAINT);
    (void)printf(":%" PRId64, row->record);
    if (row->reason.ptr != NULL) {
        (void)fputs("  (", stdout);
        screen_text(s, row->reason, STYLE_FAINT);
        (void)putchar(')');
    }
    (void)putchar('\n');
}

pen_status signal_view_event(void *ctx, const struct pen_signal_event_row *row)
{
    struct signal_view *view = ctx;
    view->shown++;
    if (view->limit != 0 && view->shown > view->limit) {
        return PEN_OK;
    }
    if (!view->json) {
        event_line(view->screen, row);
        return PEN_OK;
    }
    view->line.len = 0;
    PEN_TRY(event_json(&view->line, row));
    return line_put(view);
}

/* ---- one signal ---- */

static void label(struct screen *s, const char *name)
{
    screen_cell(s, lit(name), 11, STYLE_FAINT);
}

static void field(struct screen *s, const char *name, pen_slice value)
{
    if (value.len > 0) {
        label(s, name);
        screen_text(s, value, STYLE_PLAIN);
        (void)putchar('\n');
    }
}

static void field_state(struct screen *s, const struct pen_signal_row *row)
{
    label(s, "state");
    screen_text(s, row->state, STYLE_PLAIN);
    if (row->archive_reason.len > 0) {
        (void)fputs(" (", stdout);
        screen_text(s, row->archive_reason, STYLE_PLAIN);
        (void)putchar(')');
    }
    if (row->assignee.len > 0) {
        (void)fputs(", assigned to ", stdout);
        screen_text(s, row->assignee, STYLE_PLAIN);
    }
    (void)putchar('\n');
}

static void field_seen(struct screen *s, const struct pen_signal_row *row)
{
    const int64_t seconds = (row->last_seen_ns - row->first_seen_ns) / PEN_NS_PER_S;
    label(s, "seen");
    char text[PEN_TIME_MAX];
    size_t len = pen_format_time(row->first_seen_ns, text);
    (void)printf("%.*s", (int)len, text);
    if (row->last_seen_ns != row->first_seen_ns) {
        len = pen_format_time(row->last_seen_ns, text);
        (void)printf(" to %.*s (%" PRId64 ":%02" PRId64 ":%02" PRId64 ")", (int)len, text,
                     seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    (void)printf(", %s%s%s%s%s\n", row->closed != 0 ? "over" : "may still grow",
                 row->late != 0 ? ", holds late events" : "",
                 row->cold != 0 ? ", found without the history before it" : "",
                 row->shadow != 0 ? ", of a rule in shadow mode" : "",
                 row->suppressed_by.len > 0 ? ", suppressed" : "");
    field(s, "suppressed", row->suppressed_by);
}

static void field_rule(struct screen *s, const struct pen_signal_row *row)
{
    label(s, "rule");
    screen_text(s, row->rule_id, STYLE_PLAIN);
    if (row->rule_version.len > 0) {
        (void)fputs(" version ", stdout);
        screen_text(s, row->rule_version, STYLE_PLAIN);
    }
    (void)fputs(", ", stdout);
    screen_text(s, row->language, STYLE_PLAIN);
    (void)putchar('\n');
}

static void field_words(struct screen *s, const char *name, pen_slice json)
{
    field(s, name, screen_words(s, json, LIST_WORDS));
}

static void lines(struct screen *s, const char *title, pen_slice text)
{
    pen_slice rest = pen_slice_trim(text);
    pen_slice line;
    if (rest.len == 0) {
        return;
    }
    (void)printf("\n%s\n", title);
    while (pen_slice_split(&rest, '\n', &line)) {
        (void)fputs(line.len > 0 ? "  " : "", stdout);
        screen_text(s, line, STYLE_PLAIN);
        (void)putchar('\n');
    }
}

static pen_status show_row(void *ctx, const struct pen_signal_row *row)
{
    struct signal_view *view = ctx;
    struct screen *s = view->screen;
    view->shown++;
    if (view->json) {
        view->line.len = 0;
        PEN_TRY(pen_signal_row_json(row, &view->line));
        view->line.len--; /* the closing brace comes behind events and history */
        return PEN_OK;
    }
    screen_text(s, row->title.len > 0 ? row->title : row->rule_name, STYLE_BOLD);
    (void)putchar('\n');
    label(s, "severity");
    screen_text(s, row->severity, screen_severity(row->severity));
    (void)putchar('\n');
    field(s, "case", row->case_name);
    field(s, "signal", row->id);
    field_state(s, row);
    field_rule(s, row);
    field_seen(s, row);
    field_words(s, "group", row->group_by);
    label(s, "events");
    (void)printf("%" PRId64 " matched", row->events_matched);
    (void)fputs("; by query ", stdout);
    screen_text(s, screen_words(s, row->events_per_query, LIST_WORDS), STYLE_PLAIN);
    (void)putchar('\n');
    field_words(s, "accounts", row->accounts);
    field_words(s, "regions", row->regions);
    field_words(s, "actors", row->actors);
    field_words(s, "addresses", row->source_ips);
    field_words(s, "tactics", row->tactics);
    field_words(s, "techniques", row->techniques);
    field_words(s, "tags", row->tags);
    lines(s, "about the rule", row->message);
    return PEN_OK;
}

static pen_status show_event(void *ctx, const struct pen_signal_event_row *row)
{
    struct signal_view *view = ctx;
    view->shown++;
    if (view->json) {
        PEN_TRY(pen_buf_printf(&view->line, "%s", view->shown == 1 ? "" : ","));
        return event_json(&view->line, row);
    }
    if (view->shown == 1) {
        (void)puts("\nevents");
    }
    if (view->shown <= SIGNAL_VIEW_EVENTS) {
        (void)fputs("  ", stdout);
        event_line(view->screen, row);
    }
    return PEN_OK;
}

static pen_status change_json(struct pen_buf *out, const struct pen_signal_change_row *row)
{
    char text[PEN_TIME_MAX];
    const struct member items[] = {{"time", time_text(row->time_ns, text)},
                                   {"user", row->user},
                                   {"from", row->from},
                                   {"to", row->to},
                                   {"note", row->note}};
    PEN_TRY(members(out, items, PEN_COUNT(items)));
    return pen_buf_add_byte(out, '}');
}

static pen_status show_change(void *ctx, const struct pen_signal_change_row *row)
{
    struct signal_view *view = ctx;
    struct screen *s = view->screen;
    view->shown++;
    if (view->json) {
        PEN_TRY(pen_buf_printf(&view->line, "%s", view->shown == 1 ? "" : ","));
        return change_json(&view->line, row);
    }
    (void)fputs(view->shown == 1 ? "\nhistory\n  " : "  ", stdout);
    screen_time(s, row->time_ns / PEN_NS_PER_S * PEN_NS_PER_S);
    gap();
    screen_text(s, row->user, STYLE_PLAIN);
    gap();
    screen_text(s, row->from, STYLE_PLAIN);
    if (!pen_slice_eq(row->from, row->to)) {
        (void)fputs(" -> ", stdout);
        screen_text(s, row->to, STYLE_PLAIN);
    }
    gap();
    screen_text(s, row->note, STYLE_PLAIN);
    (void)putchar('\n');
    return PEN_OK;
}

static void further(struct signal_view *view, const char *command, const char *id,
                    const char *options)
{
    (void)printf("  penstock %s %.*s%s", command, (int)ID_SHOWN, id, options);
    if (!view->out_is_default) {
        (void)fputs(" --out ", stdout);
        screen_quoted(view->screen, view->out_dir);
    }
    (void)putchar('\n');
}

static pen_status show_parts(struct signal_view *view, struct pen_signals *signals, const char *id,
                             struct pen_err *err)
{
    const struct pen_signals_filter filter = {.id = id, .from_ns = INT64_MIN, .to_ns = INT64_MAX};
    view->shown = 0;
    PEN_TRY(pen_signals_list(signals, &filter, show_row, view, err));
    if (view->shown == 0) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "signal %s is gone", id);
    }
    PEN_TRY(view->json ? pen_buf_printf(&view->line, ",\"events\":[") : PEN_OK);
    view->shown = 0;
    PEN_TRY(pen_signals_events(signals, id, show_event, view, err));
    if (!view->json && view->shown > SIGNAL_VIEW_EVENTS) {
        (void)printf("  and %" PRIu64 " more that are stored\n", view->shown - SIGNAL_VIEW_EVENTS);
    }
    PEN_TRY(view->json ? pen_buf_printf(&view->line, "],\"history\":[") : PEN_OK);
    view->shown = 0;
    PEN_TRY(pen_signals_history(signals, id, show_change, view, err));
    return view->json ? pen_buf_printf(&view->line, "]}") : PEN_OK;
}

pen_status signal_view_show(struct signal_view *view, struct pen_signals *signals, const char *id,
                            struct pen_err *err)
{
    PEN_TRY(show_parts(view, signals, id, err));
    if (view->json) {
        return line_put(view);
    }
    (void)puts("\nlook further");
    further(view, "rules explain --signal", id, "");
    further(view, "signals events", id, " --json");
    further(view, "signals triage", id, " --state under_review --assignee NAME");
    further(view, "signals triage", id, " --state archived --reason false_positive --note TEXT");
    return PEN_OK;
}
