/* tested by tests/e2e/test_stateful.py */
#include "signal_text.h"

#include "penstock/json.h"

#include <inttypes.h>
#include <stdio.h>

#define LIST_MAX 20U /* values of a variable */
#define NS_PER_MS INT64_C(1000000)

struct asked {
    const struct pen_rule *rule;
    const struct pen_signal *signal;
    int64_t created_ns;
    pen_slice seen[LIST_MAX]; /* values that were put, as JSON has them */
    uint32_t count;
    pen_status (*put)(struct asked *a, pen_slice value, struct pen_buf *out);
    bool is_minor; /* the environment */
};

/* False: it was put before, or there is no room for more. */
static bool is_news(struct asked *a, pen_slice value)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (pen_slice_eq(a->seen[i], value)) {
            return false;
        }
    }
    if (a->count == LIST_MAX) {
        return false;
    }
    a->seen[a->count++] = value;
    return true;
}

static pen_status put_value(struct asked *a, pen_slice value, struct pen_buf *out)
{
    if (!is_news(a, value)) {
        return PEN_OK;
    }
    PEN_TRY(a->count == 1 ? PEN_OK : pen_buf_add(out, PEN_SLICE_LIT(", ")));
    PEN_TRY(pen_buf_reserve(out, value.len));
    out->len += pen_json_unescape(value, out->ptr + out->len);
    return PEN_OK;
}

static pen_status put_string(struct asked *a, pen_slice value, struct pen_buf *out)
{
    if (!is_news(a, value)) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, a->count == 1 ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_buf_add(out, value));
    return pen_buf_add_byte(out, '"');
}

/* The values of a member of a JSON object whose members are texts or lists of texts. */
static pen_status put_member(struct asked *a, pen_slice object, pen_slice name, struct pen_buf *out)
{
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_here = false;
    pen_status st = PEN_OK;
    pen_tokens_init(&tokens, object);
    while (st == PEN_OK && pen_tokens_next(&tokens, &token)) {
        if (token.is_key) {
            is_here = pen_slice_eq(token.text, name);
        } else if (is_here && !token.is_open && !token.is_close) {
            st = a->put(a, token.text, out);
        }
    }
    return st;
}

static pen_status put_attribute(struct asked *a, pen_slice name, struct pen_buf *out)
{
    a->count = 0;
    PEN_TRY(put_member(a, a->signal->group, name, out));
    for (uint32_t i = 0; i < a->signal->sample_count && a->count < LIST_MAX; i++) {
        const pen_slice attributes = a->signal->samples[i].o.attributes;
        PEN_TRY(attributes.len == 0 ? PEN_OK : put_member(a, attributes, name, out));
    }
    return PEN_OK;
}

pen_status signal_attribute(struct pen_buf *out, const struct pen_signal *signal, pen_slice name)
{
    struct asked a = {.signal = signal, .put = put_string};
    return put_attribute(&a, name, out);
}

static pen_status note_env(struct asked *a, pen_slice value, struct pen_buf *out)
{
    static const char *const minor[] = {"staging", "test", "dev"};
    (void)out;
    for (size_t i = 0; i < PEN_COUNT(minor); i++) {
        a->is_minor |= pen_slice_starts(value, pen_slice_str(minor[i]));
    }
    return PEN_OK;
}

/* What a rule says of a signal; one of a minor environment is a step less. */
static enum pen_severity severity_of_rule(const struct pen_rule *rule,
                                          const struct pen_signal *signal, uint32_t case_index)
{
    const enum pen_severity severity = pen_rule_severity(rule, case_index);
    struct asked a = {.put = note_env};
    if (severity == PEN_INFO || rule->datadog == NULL || !rule->datadog->lowers_by_env) {
        return severity;
    }
    pen_status st = put_member(&a, signal->group, PEN_SLICE_LIT("env"), NULL);
    if (st == PEN_OK && signal->sample_count > 0) {
        st = put_member(&a, signal->samples[0].o.attributes, PEN_SLICE_LIT("env"), NULL);
    }
    PEN_CHECK(st == PEN_OK); /* nothing is written */
    return a.is_minor ? severity - 1 : severity;
}

enum pen_severity signal_severity(const struct pen_rule *rule, const struct pen_signal *signal,
                                  uint32_t case_index)
{
    const int severity =
        signal->severity_set > 0
            ? signal->severity_set - 1
            : (int)severity_of_rule(rule, signal, case_index) + signal->severity_shift;
    return severity < PEN_INFO       ? PEN_INFO
           : severity > PEN_CRITICAL ? PEN_CRITICAL
                                     : (enum pen_severity)severity;
}

static pen_status put_list(const pen_slice *items, uint32_t count, struct pen_buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(i == 0 ? PEN_OK : pen_buf_add(out, PEN_SLICE_LIT(", ")));
        PEN_TRY(pen_buf_add(out, items[i]));
    }
    return PEN_OK;
}

static pen_status put_time(int64_t ns, bool is_epoch, struct pen_buf *out)
{
    char text[PEN_TIME_MAX];
    if (is_epoch) {
        return pen_buf_printf(out, "%" PRId64, ns / NS_PER_MS);
    }
    const size_t len = pen_format_time(ns, text);
    return pen_buf_add(out, (pen_slice){(const uint8_t *)text, len});
}

/* events_matched_per_query.ALIAS */
static pen_status put_per_query(const struct asked *a, pen_slice name, struct pen_buf *out)
{
    const pen_slice head = PEN_SLICE_LIT("events_matched_per_query.");
    const struct pen_datadog *rule = a->rule->datadog;
    if (!pen_slice_starts(name, head) || rule == NULL) {
        return PEN_OK;
    }
    const pen_slice alias = pen_slice_sub(name, head.len, name.len);
    for (uint32_t q = 0; q < rule->query_count && q < a->signal->query_count; q++) {
        if (pen_slice_eq(rule->queries[q].name, alias)) {
            return pen_buf_printf(out, "%" PRIu64, a->signal->events_per_query[q]);
        }
    }
    return PEN_OK;
}

enum variable {
    VAR_SEVERITY,
    VAR_TIMESTAMP,
    VAR_TIMESTAMP_EPOCH,
    VAR_FIRST_SEEN,
    VAR_FIRST_SEEN_EPOCH,
    VAR_LAST_SEEN,
    VAR_LAST_SEEN_EPOCH,
    VAR_RULE_NAME,
    VAR_CASE_NAME,
    VAR_EVENTS,
    VAR_ACCOUNT,
    VAR_AWS_ACCOUNT,
    VAR_REGION,
    VAR_COUNT
};
static const char *const variable_names[VAR_COUNT] = {
    "severity",  "timestamp",       "timestamp_epoch", "first_seen", "first_seen_epoch",
    "last_seen", "last_seen_epoch", "rule_name",       "case_name",  "events_matched",
    "account",   "aws_account",     "region"};

static pen_status put_variable(const struct asked *a, enum variable which, struct pen_buf *out)
{
    const struct pen_signal *s = a->signal;
    switch (which) {
    case VAR_SEVERITY:
        return pen_buf_printf(out, "%d", (int)signal_severity(a->rule, s, s->case_index));
    case VAR_TIMESTAMP:
    case VAR_TIMESTAMP_EPOCH:
        return put_time(a->created_ns, which == VAR_TIMESTAMP_EPOCH, out);
    case VAR_FIRST_SEEN:
    case VAR_FIRST_SEEN_EPOCH:
        return put_time(s->first_seen_ns, which == VAR_FIRST_SEEN_EPOCH, out);
    case VAR_LAST_SEEN:
    case VAR_LAST_SEEN_EPOCH:
        return put_time(s->last_seen_ns, which == VAR_LAST_SEEN_EPOCH, out);
    case VAR_RULE_NAME:
        return pen_buf_add(out, a->rule->title);
    case VAR_CASE_NAME:
        return pen_buf_add(out, signal_case(a->rule, s));
    case VAR_EVENTS:
        return pen_buf_printf(out, "%" PRIu64, s->events_matched);
    case VAR_ACCOUNT:
    case VAR_AWS_ACCOUNT:
        return put_list(s->accounts, s->account_count, out);
    case VAR_REGION:
        return put_list(s->regions, s->region_count, out);
    case VAR_COUNT:
        break;
    }
    pen_panic(PEN_HERE, "variable");
}

static pen_status variable_get(void *ctx, pen_slice name, struct pen_buf *out)
{
    struct asked *a = ctx;
    const size_t before = out->len;
    PEN_TRY(put_attribute(a, name, out)); /* a tag of the group or the event goes before ours */
    for (uint32_t i = 0; i < VAR_COUNT && out->len == before; i++) {
        if (pen_slice_eq(name, pen_slice_str(variable_names[i]))) {
            return put_variable(a, (enum variable)i, out);
        }
    }
    return out->len == before ? put_per_query(a, name, out) : PEN_OK;
}

static pen_status render(struct pen_buf *out, pen_slice text, const struct pen_rule *rule,
                         const struct pen_signal *signal, int64_t created_ns)
{
    struct asked a = {.rule = rule, .signal = signal, .created_ns = created_ns, .put = put_value};
    const struct pen_rule_variables variables = {.get = variable_get, .ctx = &a};
    const size_t before = out->len;
    const pen_status st = pen_rule_render(text, &variables, out);
    if (st != PEN_E_LIMIT) {
        return st;
    }
    out->len = before; /* blocks in blocks in blocks: the text as it was written says more */
    return pen_buf_add(out, text);
}

pen_slice signal_case(const struct pen_rule *rule, const struct pen_signal *signal)
{
    const struct pen_datadog *datadog = rule->datadog;
    return datadog != NULL && signal->case_index < datadog->case_count
               ? datadog->cases[signal->case_index].name
               : (pen_slice){0};
}

/* The values of a group. */
static pen_status put_group(struct pen_buf *out, pen_slice group)
{
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_first = true;
    pen_status st = PEN_OK;
    pen_tokens_init(&tokens, group);
    while (st == PEN_OK && pen_tokens_next(&tokens, &token)) {
        if (token.is_key || token.is_open || token.is_close) {
            continue;
        }
        st = pen_buf_add(out, is_first ? PEN_SLICE_LIT(" - ") : PEN_SLICE_LIT(", "));
        st = st == PEN_OK ? pen_buf_reserve(out, token.text.len) : st;
        out->len += st == PEN_OK ? pen_json_unescape(token.text, out->ptr + out->len) : 0;
        is_first = false;
    }
    return st;
}

/* Title of the rule, the case in brackets, and on demand what the group has in common. */
pen_status signal_title(struct pen_buf *out, const struct pen_rule *rule,
                        const struct pen_signal *signal, int64_t created_ns)
{
    const pen_slice name = signal_case(rule, signal);
    out->len = 0;
    const bool has_template = rule->datadog != NULL && rule->datadog->title.len > 0;
    PEN_TRY(rule->datadog == NULL ? pen_buf_add(out, rule->title)
                                  : render(out, has_template ? rule->datadog->title : rule->title,
                                           rule, signal, created_ns));
    if (name.len > 0 && !has_template) {
        PEN_TRY(pen_buf_printf(out, " (%.*s)", PEN_SLICE_FMT(name)));
    }
    const bool is_extended = rule->datadog != NULL && rule->datadog->has_extended_title;
    return is_extended ? put_group(out, signal->group) : PEN_OK;
}

pen_status signal_message_text(struct pen_buf *out, const struct pen_rule *rule,
                               const struct pen_signal *signal, int64_t created_ns)
{
    out->len = 0;
    return rule->datadog == NULL ? pen_buf_add(out, rule->message)
                                 : render(out, rule->datadog->message, rule, signal, created_ns);
}

pen_status signal_query(struct pen_buf *out, const struct pen_rule *rule, uint32_t query)
{
    const struct pen_datadog *datadog = rule->datadog;
    out->len = 0;
    return datadog != NULL && query < datadog->query_count
               ? pen_buf_add(out, datadog->queries[query].name)
               : pen_buf_printf(out, "%u", query);
}
