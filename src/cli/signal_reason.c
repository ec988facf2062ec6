/* tested by tests/e2e/test_events.py */
#include "signal_reason.h"

#include "penstock/json.h"

#include <inttypes.h>
#include <stdio.h>

#define LABEL_COLUMNS 11U
#define QUERY_COLUMNS 16U
#define NAME_COLUMNS 24U
#define WORDS_MAX 20U
#define SPAN_TEXT_MAX 32U

/* ---- numbers of events ---- */

/* The rule's name of the query, or its number. */
static uint32_t query_at(const struct signal_reason *r, pen_slice name)
{
    const struct pen_datadog *datadog = r->rule == NULL ? NULL : r->rule->datadog;
    uint64_t number = 0;
    for (uint32_t i = 0; datadog != NULL && i < datadog->query_count; i++) {
        const struct pen_rule_query *query = &datadog->queries[i];
        if (pen_slice_eq(query->name, name)) {
            return query->counted_as;
        }
    }
    return datadog == NULL && pen_parse_u64(name, &number) && number < PEN_STATE_QUERIES_MAX
               ? (uint32_t)number
               : PEN_STATE_QUERIES_MAX;
}

/* [3,1]: events by query. */
static void totals_read(struct signal_reason *r, pen_slice json)
{
    struct pen_tokens tokens;
    struct pen_token token;
    uint64_t sum = 0;
    pen_tokens_init(&tokens, json);
    while (r->query_count < PEN_STATE_QUERIES_MAX && pen_tokens_next(&tokens, &token)) {
        uint64_t count = 0;
        if (!token.is_open && !token.is_close && pen_parse_u64(token.text, &count)) {
            r->totals[r->query_count++] = count;
            sum += count;
        }
    }
    r->is_numbered = sum == r->matched;
}

/* A signal that has more events than are kept: those at its opening stand first, and what is not
 * kept lies before, between or behind them; from here on its last events stand without a gap. */
static bool is_behind_gap(const struct signal_reason *r, uint64_t row)
{
    return r->kept < r->matched && r->has_events_first && row >= r->events_first;
}

static pen_status count_event(void *ctx, const struct pen_signal_event_row *row)
{
    struct signal_reason *r = ctx;
    const uint32_t query = query_at(r, row->query);
    r->kept++;
    for (uint32_t q = 0; q < r->query_count; q++) {
        r->seen[q] += q == query || ((row->others >> q) & 1U) != 0;
    }
    return PEN_OK;
}

static pen_status count_behind(void *ctx, const struct pen_signal_event_row *row)
{
    struct signal_reason *r = ctx;
    const uint32_t query = query_at(r, row->query);
    if (query < r->query_count && is_behind_gap(r, r->row)) {
        r->behind[query]++;
    }
    r->row++;
    return PEN_OK;
}

static pen_status count_events(struct signal_reason *r, struct pen_signals *signals, const char *id,
                               struct pen_err *err)
{
    PEN_TRY(pen_signals_events(signals, id, count_event, r, err));
    r->is_numbered |= r->kept == r->matched &&
                      memcmp(r->seen, r->totals, r->query_count * sizeof(r->totals[0])) == 0;
    memset(r->seen, 0, sizeof(r->seen));
    PEN_TRY(pen_signals_events(signals, id, count_behind, r, err));
    r->row = 0;
    return PEN_OK;
}

/* Of an event among those of the query, from 1; 0: not known. */
static uint64_t event_number(struct signal_reason *r, uint64_t row, uint32_t query)
{
    if (query >= r->query_count || !r->is_numbered) {
        return 0;
    }
    if (is_behind_gap(r, row)) {
        return r->totals[query] - r->behind[query]-- + 1;
    }
    return r->kept < r->matched ? 0 : ++r->seen[query];
}

/* Whether a case was first true at this event: none, when it was not kept. */
static bool opens(struct signal_reason *r, const struct pen_signal_event_row *row)
{
    const bool is_opening = !r->is_opened && row->event_time_ns == r->first_seen_ns;
    r->is_opened |= is_opening;
    return is_opening;
}

/* ---- words ---- */

static pen_slice or_dash(pen_slice text)
{
    return text.len == 0 ? PEN_SLICE_LIT("-") : text;
}

static const char *method_name(const struct pen_rule *rule)
{
    static const char *const names[] = {
        [PEN_METHOD_MATCH] = "every match",        [PEN_METHOD_THRESHOLD] = "counts over a window",
        [PEN_METHOD_NEW_VALUE] = "new values",     [PEN_METHOD_SEQUENCE] = "steps in their order",
        [PEN_METHOD_TRAVEL] = "impossible travel", [PEN_METHOD_ANOMALY] = "anomalies",
        [PEN_METHOD_PASS] = "every match"};
    return rule->datadog == NULL ? names[PEN_METHOD_MATCH] : names[rule->datadog->state.method];
}

static const char *aggregation_name(enum pen_aggregation aggregation)
{
    static const char *const names[] = {[PEN_COUNT_EVENTS] = "count",
                                        [PEN_CARDINALITY] = "cardinality",
                                        [PEN_SUM] = "sum",
                                        [PEN_MAX] = "max",
                                        [PEN_PLACE] = "place"};
    return names[aggregation];
}

/* "1h 30m", "0s". */
static const char *span_text(int64_t ns, char text[SPAN_TEXT_MAX])
{
    const int64_t seconds = ns / PEN_NS_PER_S;
    const int64_t parts[] = {seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60};
    size_t len = 0;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        if (parts[i] > 0 || (i == 3 && len == 0)) {
            len += (size_t)snprintf(text + len, SPAN_TEXT_MAX - len, "%s%" PRId64 "%c",
                                    len > 0 ? " " : "", parts[i], "dhms"[i]);
        }
    }
    return text;
}

/* ---- for people ---- */

static void label(struct signal_reason *r, const char *name)
{
    screen_cell(r->screen, pen_slice_str(name), LABEL_COLUMNS, STYLE_FAINT);
}

static void text_names(struct signal_reason *r, const char *before, const pen_slice *names,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? before : ", ", stdout);
        screen_text(r->screen, names[i], STYLE_PLAIN);
    }
}

static void text_query(struct signal_reason *r, const struct pen_rule_query *query)
{
    label(r, "query");
    screen_text(r->screen, query->name, STYLE_BOLD);
    if (query->counted_as < r->query_count) {
        const uint64_t events = r->totals[query->counted_as];
        (void)printf(" (%" PRIu64 " event%s): ", events, events == 1 ? "" : "s");
    }
    (void)fputs(aggregation_name(query->aggregation), stdout);
    text_names(r, " of ", query->values, query->value_count);
    text_names(r, " where a rule matched: ", query->rules, query->rule_count);
    if (query->rule_count == 0) {
        (void)fputs(" where ", stdout);
        screen_text(r->screen, query->text.len == 0 ? PEN_SLICE_LIT("anything") : query->text,
                    STYLE_PLAIN);
    }
    text_names(r, " by ", query->group_by, query->group_by_count);
    (void)putchar('\n');
}

static void text_cases(struct signal_reason *r, const struct pen_datadog *datadog,
                       pen_slice case_name)
{
    for (uint32_t i = 0; i < datadog->case_count; i++) {
        const struct pen_rule_case *one = &datadog->cases[i];
        const pen_slice severity = pen_slice_str(pen_severity_name(one->severity));
        const bool is_reached = pen_slice_eq(one->name, case_name);
        label(r, i == 0 ? "cases" : "");
        (void)fputs(is_reached ? "* " : "  ", stdout);
        screen_cell(r->screen, severity, 10, screen_severity(severity));
        screen_text(r->screen, or_dash(one->name), is_reached ? STYLE_BOLD : STYLE_PLAIN);
        (void)fputs(one->condition.len > 0 ? ": " : "", stdout);
        screen_text(r->screen, one->condition, STYLE_PLAIN);
        (void)putchar('\n');
    }
}

static void text_rule(struct signal_reason *r, pen_slice case_name)
{
    char window[SPAN_TEXT_MAX];
    char keep[SPAN_TEXT_MAX];
    char most[SPAN_TEXT_MAX];
    const struct pen_datadog *datadog = r->rule->datadog;
    label(r, "looks for");
    (void)fputs(method_name(r->rule), stdout);
    if (datadog != NULL) {
        const struct pen_state_rule *state = &datadog->state;
        (void)printf(" of %s; kept open for %s after the last, %s at most",
                     state->window_ns == 0 ? "an event" : span_text(state->window_ns, window),
                     span_text(state->keep_alive_ns, keep),
                     span_text(state->duration_max_ns, most));
    }
    (void)putchar('\n');
    for (uint32_t i = 0; datadog != NULL && i < datadog->query_count; i++) {
        text_query(r, &datadog->queries[i]);
    }
    if (datadog != NULL) {
        text_cases(r, datadog, case_name);
    }
}

static pen_status text_signal(struct signal_reason *r, const struct pen_signal_row *row)
{
    struct screen *s = r->screen;
    screen_text(s, row->severity, screen_severity(row->severity));
    (void)fputs(": ", stdout);
    screen_text(s, row->title.len > 0 ? row->title : row->rule_name, STYLE_BOLD);
    (void)putchar('\n');
    label(r, "signal");
    screen_text(s, row->id, STYLE_PLAIN);
    (void)putchar('\n');
    label(r, "rule");
    screen_text(s, row->rule_id, STYLE_PLAIN);
    const bool is_other = r->rule != NULL && !pen_slice_eq(r->rule->version, row->rule_version);
    (void)printf("%s\n", is_other ? ", which was changed since: another version now" : "");
    if (r->rule != NULL) {
        text_rule(r, row->case_name);
    }
    label(r, "group");
    screen_text(s, or_dash(screen_words(s, row->group_by, WORDS_MAX)), STYLE_PLAIN);
    (void)putchar('\n');
    label(r, "events");
    (void)printf("%" PRIu64 " matched, %" PRIu64 " of them follow", r->matched, r->kept);
    (void)puts(r->kept < r->matched ? ": those at its opening, and the last" : "");
    (void)putchar('\n');
    return PEN_OK;
}

static void text_opening(struct signal_reason *r, const struct pen_signal_event_row *row)
{
    const bool is_opening = opens(r, row);
    (void)fputs(is_opening ? "* " : "  ", stdout);
}

/* The name of the query by its number in the state. */
static pen_slice query_name(const struct signal_reason *r, uint32_t query)
{
    const struct pen_datadog *datadog = r->rule == NULL ? NULL : r->rule->datadog;
    for (uint32_t i = 0; datadog != NULL && i < datadog->query_count; i++) {
        if (datadog->queries[i].counted_as == query) {
            return datadog->queries[i].name;
        }
    }
    return PEN_SLICE_LIT("?");
}

/* The next further query that the event counts for, from *query on. */
static bool other_next(const struct signal_reason *r, const struct pen_signal_event_row *row,
                       uint32_t own, uint32_t *query)
{
    while (*query < r->query_count && (*query == own || ((row->others >> *query) & 1U) == 0)) {
        ++*query;
    }
    return *query < r->query_count;
}

static void text_others(struct signal_reason *r, const struct pen_signal_event_row *row,
                        uint32_t own)
{
    for (uint32_t q = 0; other_next(r, row, own, &q); q++) {
        const uint64_t number = event_number(r, r->row - 1, q);
        (void)fputs("  and ", stdout);
        screen_text(r->screen, query_name(r, q), STYLE_PLAIN);
        if (number > 0) {
            (void)printf(" %" PRIu64 "/%" PRIu64, number, r->totals[q]);
        }
    }
}

static pen_status text_event(void *ctx, const struct pen_signal_event_row *row)
{
    struct signal_reason *r = ctx;
    struct screen *s = r->screen;
    const uint32_t query = query_at(r, row->query);
    if (is_behind_gap(r, r->row) && r->row == r->events_first) {
        (void)puts("  ...");
    }
    const uint64_t number = event_number(r, r->row, query);
    char text[48] = "-";
    if (number > 0) {
        (void)snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, number, r->totals[query]);
    }
    r->row++;
    text_opening(r, row);
    screen_time(s, row->event_time_ns);
    (void)fputs("  ", stdout);
    screen_cell(s, row->query, QUERY_COLUMNS, STYLE_PLAIN);
    (void)fputs(row->query.len >= QUERY_COLUMNS ? " " : "", stdout);
    screen_cell(s, pen_slice_str(text), 10, STYLE_PLAIN);
    screen_cell(s, or_dash(row->name), NAME_COLUMNS, STYLE_BOLD);
    (void)fputs("  ", stdout);
    screen_text(s, or_dash(row->actor), STYLE_PLAIN);
    (void)fputs("  ", stdout);
    screen_text(s, or_dash(row->source_ip), STYLE_PLAIN);
    (void)fputs("  ", stdout);
    screen_text(s, row->object, STYLE_FAINT);
    (void)printf(":%" PRId64, row->record);
    text_others(r, row, query);
    if (row->event.ptr == NULL && row->reason.ptr != NULL) {
        (void)fputs("  (", stdout);
        screen_text(s, row->reason, STYLE_FAINT);
        (void)putchar(')');
    }
    (void)putchar('\n');
    return PEN_OK;
}

/* ---- JSON ---- */

static pen_status json_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_printf(out, "%s", before));
    if (text.ptr == NULL) {
        return pen_buf_add(out, PEN_SLICE_LIT("null"));
    }
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status json_names(struct pen_buf *out, const char *name, const pen_slice *names,
                             uint32_t count)
{
    pen_status st = pen_buf_printf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = json_text(out, i == 0 ? "" : ",", names[i]);
    }
    return st == PEN_OK ? pen_buf_add_byte(out, ']') : st;
}

static pen_status json_query(struct signal_reason *r, const struct pen_rule_query *query)
{
    struct pen_buf *out = &r->line;
    const bool is_counted = query->counted_as < r->query_count;
    PEN_TRY(json_text(out, "{\"name\":", query->name));
    PEN_TRY(json_text(out, ",\"query\":", query->text));
    PEN_TRY(pen_buf_printf(out, ",\"aggregation\":\"%s\",\"events\":%" PRIu64,
                           aggregation_name(query->aggregation),
                           is_counted ? r->totals[query->counted_as] : 0));
    PEN_TRY(json_names(out, "group_by", query->group_by, query->group_by_count));
    PEN_TRY(json_names(out, "values", query->values, query->value_count));
    PEN_TRY(json_names(out, "rules", query->rules, query->rule_count));
    return pen_buf_add_byte(out, '}');
}

static pen_status json_cases(struct signal_reason *r, const struct pen_datadog *datadog,
                             pen_slice case_name)
{
    struct pen_buf *out = &r->line;
    pen_status st = pen_buf_printf(out, ",\"cases\":[");
    for (uint32_t i = 0; st == PEN_OK && i < datadog->case_count; i++) {
        const struct pen_rule_case *one = &datadog->cases[i];
        st = json_text(out, i == 0 ? "{\"name\":" : ",{\"name\":", one->name);
        st = st == PEN_OK ? json_text(out, ",\"condition\":", one->condition) : st;
        st = st == PEN_OK ? pen_buf_printf(out, ",\"severity\":\"%s\",\"is_reached\":%s}",
                                           pen_severity_name(one->severity),
                                           pen_slice_eq(one->name, case_name) ? "true" : "false")
                          : st;
    }
    return st == PEN_OK ? pen_buf_add_byte(out, ']') : st;
}

static pen_status json_spans(struct signal_reason *r, const struct pen_state_rule *state)
{
    return pen_buf_printf(&r->line,
                          ",\"window_s\":%" PRId64 ",\"keep_alive_s\":%" PRId64
                          ",\"duration_max_s\":%" PRId64,
                          state->window_ns / PEN_NS_PER_S, state->keep_alive_ns / PEN_NS_PER_S,
                          state->duration_max_ns / PEN_NS_PER_S);
}

static pen_status json_counted(struct signal_reason *r, const struct pen_datadog *datadog,
                               pen_slice case_name)
{
    pen_status st = json_spans(r, &datadog->state);
    st = st == PEN_OK ? pen_buf_printf(&r->line, ",\"queries\":[") : st;
    for (uint32_t i = 0; st == PEN_OK && i < datadog->query_count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(&r->line, ',');
        st = st == PEN_OK ? json_query(r, &datadog->queries[i]) : st;
    }
    st = st == PEN_OK ? pen_buf_add_byte(&r->line, ']') : st;
    return st == PEN_OK ? json_cases(r, datadog, case_name) : st;
}

static pen_status json_rule(struct signal_reason *r, const struct pen_signal_row *row)
{
    struct pen_buf *out = &r->line;
    if (r->rule == NULL) {
        return pen_buf_printf(out, ",\"rule\":null");
    }
    PEN_TRY(json_text(out, ",\"rule\":{\"id\":", r->rule->id));
    PEN_TRY(json_text(out, ",\"title\":", r->rule->title));
    PEN_TRY(json_text(out, ",\"version\":", r->rule->version));
    PEN_TRY(json_text(out, ",\"looks_for\":", pen_slice_str(method_name(r->rule))));
    if (r->rule->datadog != NULL) {
        PEN_TRY(json_counted(r, r->rule->datadog, row->case_name));
    }
    return pen_buf_add_byte(out, '}');
}

static pen_status json_signal(struct signal_reason *r, const struct pen_signal_row *row)
{
    PEN_TRY(pen_buf_printf(&r->line, "{\"signal\":"));
    PEN_TRY(pen_signal_row_json(row, &r->line));
    PEN_TRY(json_rule(r, row));
    return pen_buf_printf(&r->line, ",\"events_kept\":%" PRIu64 ",\"events\":[", r->kept);
}

/* What only events with a text have, and where the record is. */
static pen_status json_place(struct pen_buf *out, const struct pen_signal_event_row *row)
{
    PEN_TRY(json_text(out, ",\"name\":", row->name));
    PEN_TRY(json_text(out, ",\"actor\":", row->actor));
    PEN_TRY(json_text(out, ",\"source_ip\":", row->source_ip));
    PEN_TRY(json_text(out, ",\"object\":", row->object));
    PEN_TRY(pen_buf_printf(out, ",\"record\":%" PRId64, row->record));
    return row->event.ptr == NULL ? json_text(out, ",\"event_reason\":", row->reason) : PEN_OK;
}

static pen_status json_number(struct pen_buf *out, uint64_t number)
{
    return number > 0 ? pen_buf_printf(out, ",\"number\":%" PRIu64, number)
                      : pen_buf_printf(out, ",\"number\":null");
}

static pen_status json_others(struct signal_reason *r, const struct pen_signal_event_row *row,
                              uint32_t own)
{
    pen_status st = pen_buf_printf(&r->line, ",\"other_queries\":[");
    const char *before = "{\"query\":";
    for (uint32_t q = 0; st == PEN_OK && other_next(r, row, own, &q); q++) {
        st = json_text(&r->line, before, query_name(r, q));
        st = st == PEN_OK ? json_number(&r->line, event_number(r, r->row, q)) : st;
        st = st == PEN_OK ? pen_buf_add_byte(&r->line, '}') : st;
        before = ",{\"query\":";
    }
    return st == PEN_OK ? pen_buf_add_byte(&r->line, ']') : st;
}

static pen_status json_event(void *ctx, const struct pen_signal_event_row *row)
{
    struct signal_reason *r = ctx;
    struct pen_buf *out = &r->line;
    char time[PEN_TIME_MAX];
    const pen_slice time_text = {(const uint8_t *)time, pen_format_time(row->event_time_ns, time)};
    const bool is_first = r->row == 0;
    PEN_TRY(json_text(out, is_first ? "{\"event_id\":" : ",{\"event_id\":", row->event_id));
    PEN_TRY(json_text(out, ",\"event_time\":", time_text));
    PEN_TRY(json_text(out, ",\"query\":", row->query));
    const uint32_t query = query_at(r, row->query);
    PEN_TRY(json_number(out, event_number(r, r->row, query)));
    PEN_TRY(json_others(r, row, query));
    r->row++;
    PEN_TRY(pen_buf_printf(out, ",\"opens\":%s", opens(r, row) ? "true" : "false"));
    PEN_TRY(json_place(out, row));
    return pen_buf_add_byte(out, '}');
}

/* ---- the whole ---- */

static pen_status on_numbers(void *ctx, const struct pen_signal_row *row)
{
    struct signal_reason *r = ctx;
    r->matched = row->events_matched < 0 ? 0 : (uint64_t)row->events_matched;
    r->first_seen_ns = row->first_seen_ns;
    totals_read(r, row->events_per_query);
    return PEN_OK;
}

static pen_status on_signal(void *ctx, const struct pen_signal_row *row)
{
    struct signal_reason *r = ctx;
    return r->json ? json_signal(r, row) : text_signal(r, row);
}

pen_status signal_reason_show(struct signal_reason *reason, struct pen_signals *signals,
                              const char *id, struct pen_err *err)
{
    const struct pen_signals_filter filter = {.id = id, .from_ns = INT64_MIN, .to_ns = INT64_MAX};
    PEN_TRY(pen_signals_list(signals, &filter, on_numbers, reason, err));
    PEN_TRY(count_events(reason, signals, id, err));
    PEN_TRY(pen_signals_list(signals, &filter, on_signal, reason, err));
    PEN_TRY(pen_signals_events(signals, id, reason->json ? json_event : text_event, reason, err));
    if (!reason->json) {
        (void)printf("\n* the case that was reached, and the event at which one was first true%s\n",
                     reason->is_opened ? "" : ", which was not kept");
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(&reason->line, PEN_SLICE_LIT("]}\n")));
    (void)fwrite(reason->line.ptr, 1, reason->line.len, stdout); /* screen_end tells of a failure */
    return PEN_OK;
}
