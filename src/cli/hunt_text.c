/* tested by tests/e2e/test_hunt.py */
#include "hunt_text.h"

#define SLUG_BYTES_MAX 40U
#define TITLE_BYTES_MAX 200U /* of the query in the rule's name */
#define RULE_SEED 11U
/* What a rule begins with; whoever keeps it will set its own. */
#define WINDOW_S 300
#define KEEP_ALIVE_S 3600
#define DURATION_MAX_S 86400
#define LEARNING_DAYS 1
#define FORGET_DAYS 28

/* ---- names ---- */

static const char *form_name(enum hunt_form form)
{
    return form == HUNT_THRESHOLD ? "threshold" : form == HUNT_NEW_VALUE ? "new_value" : "sigma";
}

void hunt_rule_hash(const struct hunt_rule *rule, char hex[33])
{
    struct pen_hash128 h = pen_hash128(rule->query, RULE_SEED + rule->form);
    for (uint32_t i = 0; i < rule->group_count; i++) {
        h = pen_hash128(rule->group_by[i], h.lo);
    }
    h = rule->value.len == 0 ? h : pen_hash128(rule->value, ~h.lo);
    pen_hash128_hex(h, hex);
}

pen_status hunt_rule_slug(const struct hunt_rule *rule, struct pen_buf *out)
{
    const size_t begin = out->len;
    bool is_apart = false;
    for (size_t i = 0; i < rule->query.len && out->len - begin < SLUG_BYTES_MAX; i++) {
        const uint8_t c = rule->query.ptr[i];
        const uint8_t low = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20U) : c;
        const bool is_kept = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
        if (!is_kept) {
            is_apart = out->len > begin;
            continue;
        }
        PEN_TRY(is_apart ? pen_buf_add_byte(out, '-') : PEN_OK);
        PEN_TRY(pen_buf_add_byte(out, low));
        is_apart = false;
    }
    return out->len > begin ? PEN_OK : pen_buf_printf(out, "%s", form_name(rule->form));
}

/* ---- YAML ---- */

/* Printable everywhere and never a line end of YAML. */
static bool is_plain(uint32_t c)
{
    return (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') ||
           (c >= 0xa0 && c < 0xd800 && c != 0x2028 && c != 0x2029) || (c >= 0xe000 && c < 0xfeff);
}

pen_status hunt_yaml_text(pen_slice text, struct pen_buf *out)
{
    pen_status st = pen_buf_add_byte(out, '"');
    while (st == PEN_OK && text.len > 0) {
        const pen_slice before = text;
        const uint32_t c = pen_utf8_next(&text);
        if (is_plain(c)) {
            st = pen_buf_add(out, pen_slice_sub(before, 0, before.len - text.len));
        } else if (c == '"' || c == '\\') {
            st = pen_buf_printf(out, "\\%c", (int)c);
        } else {
            st = pen_buf_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
        }
    }
    return st == PEN_OK ? pen_buf_add_byte(out, '"') : st;
}

/* ---- Datadog ---- */

static pen_status json_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_printf(out, "%s\"", before));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

/* Fields of records are written with @; tags and reserved names are not. */
static pen_status name_text(struct pen_buf *out, bool is_first, pen_slice name)
{
    static const char *const bare[] = {"account", "region", "source",  "service",    "host",
                                       "status",  "tags",   "message", "aws_account"};
    bool is_bare = name.len > 0 && name.ptr[0] == '@';
    for (size_t i = 0; i < PEN_COUNT(bare); i++) {
        is_bare |= pen_slice_eq(name, pen_slice_str(bare[i]));
    }
    PEN_TRY(pen_buf_printf(out, "%s\"%s", is_first ? "" : ", ", is_bare ? "" : "@"));
    PEN_TRY(pen_json_escape(out, name));
    return pen_buf_add_byte(out, '"');
}

/* The query, of one log type where that is known: then no other one is read. */
static pen_status query_text(const struct hunt_rule *rule, struct pen_buf *out)
{
    const struct pen_type *type = rule->type;
    if (type == NULL) {
        return json_text(out, "", rule->query);
    }
    PEN_TRY(pen_buf_printf(out, "\"source:"));
    PEN_TRY(pen_json_escape(out, type->source_count > 0 ? type->sources[0] : type->name));
    PEN_TRY(pen_buf_printf(out, " ("));
    PEN_TRY(pen_json_escape(out, rule->query));
    return pen_buf_printf(out, ")\"");
}

static pen_status names_list(struct pen_buf *out, const char *name, const pen_slice *names,
                             uint32_t count)
{
    pen_status st = pen_buf_printf(out, ",\n      \"%s\": [", name);
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = name_text(out, i == 0, names[i]);
    }
    return st == PEN_OK ? pen_buf_add_byte(out, ']') : st;
}

static pen_status values_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    const bool is_new = rule->form == HUNT_NEW_VALUE;
    const bool is_distinct = !is_new && rule->value.len > 0;
    PEN_TRY(names_list(out, "distinctFields", &rule->value, is_distinct ? 1 : 0));
    return is_new ? names_list(out, "metrics", &rule->value, 1) : PEN_OK;
}

static pen_status query_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    const char *aggregation = rule->form == HUNT_NEW_VALUE ? "new_value"
                              : rule->value.len > 0        ? "cardinality"
                                                           : "count";
    PEN_TRY(pen_buf_printf(out, "  \"queries\": [\n    {\n      \"name\": \"found\",\n"
                                "      \"query\": "));
    PEN_TRY(query_text(rule, out));
    PEN_TRY(pen_buf_printf(out, ",\n      \"aggregation\": \"%s\"", aggregation));
    PEN_TRY(names_list(out, "groupByFields", rule->group_by, rule->group_count));
    PEN_TRY(values_write(rule, out));
    return pen_buf_printf(out, "\n    }\n  ],\n");
}

static pen_status options_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    const bool is_new = rule->form == HUNT_NEW_VALUE;
    PEN_TRY(pen_buf_printf(
        out,
        "  \"options\": {\n    \"detectionMethod\": \"%s\",\n    \"evaluationWindow\": %d,\n"
        "    \"keepAlive\": %d,\n    \"maxSignalDuration\": %d",
        form_name(rule->form), is_new ? 0 : WINDOW_S, KEEP_ALIVE_S, DURATION_MAX_S));
    PEN_TRY(!is_new ? PEN_OK
                    : pen_buf_printf(out,
                                     ",\n    \"newValueOptions\": {\"learningMethod\": "
                                     "\"duration\", \"learningDuration\": %d, "
                                     "\"forgetAfter\": %d}",
                                     LEARNING_DAYS, FORGET_DAYS));
    return pen_buf_printf(out, "\n  }\n}\n");
}

static pen_status cases_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    const bool is_new = rule->form == HUNT_NEW_VALUE;
    return pen_buf_printf(out,
                          "  \"cases\": [{\"name\": \"\", \"status\": \"medium\", "
                          "\"condition\": \"%s\", \"notifications\": []}],\n",
                          is_new ? "" : "found > 0");
}

static pen_status message_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    PEN_TRY(json_text(out, ",\n  \"message\": ", PEN_SLICE_LIT("A search that became a rule: ")));
    out->len--; /* the quote: the text goes on */
    PEN_TRY(pen_json_escape(out, rule->query));
    return pen_buf_printf(out, "\",\n  \"type\": \"log_detection\",\n  \"isEnabled\": true,\n"
                               "  \"tags\": [],\n");
}

static pen_status datadog_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    char hex[33];
    hunt_rule_hash(rule, hex);
    PEN_TRY(pen_buf_printf(out, "{\n  \"id\": \"hunt-%.12s\",\n  \"name\": \"Hunt: ", hex));
    PEN_TRY(pen_json_escape(out, pen_slice_sub(rule->query, 0, TITLE_BYTES_MAX)));
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(message_write(rule, out));
    PEN_TRY(query_write(rule, out));
    PEN_TRY(cases_write(rule, out));
    return options_write(rule, out);
}

/* ---- Sigma ---- */

static pen_status logsource_write(const struct hunt_rule *rule, struct pen_buf *out)
{
    const struct pen_type *type = rule->type;
    if (type == NULL || type->logsource_count == 0) {
        return pen_buf_printf(out, "logsource:\n  product: aws\n");
    }
    const struct pen_logsource *source = &type->logsources[0];
    const struct {
        const char *name;
        pen_slice value;
    } rows[] = {
        {"category", source->category}, {"product", source->product}, {"service", source->service}};
    pen_status st = pen_buf_printf(out, "logsource:\n");
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(rows); i++) {
        st = rows[i].value.len == 0
                 ? PEN_OK
                 : pen_buf_printf(out, "  %s: %.*s\n", rows[i].name, PEN_SLICE_FMT(rows[i].value));
    }
    return st;
}

static pen_status sigma_write(const struct hunt_rule *rule, struct pen_buf *out,
                              struct pen_err *err)
{
    struct pen_buf title;
    char hex[33];
    hunt_rule_hash(rule, hex);
    pen_buf_init(&title, (size_t)TITLE_BYTES_MAX + 16);
    pen_status st = pen_buf_printf(&title, "Hunt: ");
    st = st == PEN_OK ? pen_buf_add(&title, pen_slice_sub(rule->query, 0, TITLE_BYTES_MAX)) : st;
    st = st == PEN_OK ? pen_buf_add(out, PEN_SLICE_LIT("title: ")) : st;
    st = st == PEN_OK ? hunt_yaml_text(pen_buf_slice(&title), out) : st;
    pen_buf_fini(&title);
    PEN_TRY(st);
    PEN_TRY(pen_buf_printf(out, "\nid: %.8s-%.4s-%.4s-%.4s-%.12s\nstatus: experimental\n", hex,
                           hex + 8, hex + 12, hex + 16, hex + 20));
    PEN_TRY(pen_buf_printf(out, "description: A search that became a rule.\n"));
    PEN_TRY(logsource_write(rule, out));
    PEN_TRY(hunt_sigma_write(rule->query, out, err));
    return pen_buf_printf(out, "level: medium\n");
}

pen_status hunt_rule_write(const struct hunt_rule *rule, struct pen_buf *out, struct pen_err *err)
{
    out->len = 0;
    const pen_status st =
        rule->form == HUNT_SIGMA ? sigma_write(rule, out, err) : datadog_write(rule, out);
    return st == PEN_OK || err->status != PEN_OK
               ? st
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "no room for the rule");
}

/* ---- the test ---- */

static pen_status example_write(const char *name, const struct hunt_example *example, bool is_match,
                                struct pen_buf *out)
{
    PEN_TRY(pen_buf_printf(out, "  - name: %s\n    type: %.*s\n    events:\n      - ", name,
                           PEN_SLICE_FMT(example->type)));
    PEN_TRY(hunt_yaml_text(example->event, out));
    return pen_buf_printf(out, "\n    expect: {match: %s}\n", is_match ? "true" : "false");
}

pen_status hunt_test_write(const struct hunt_example *match, const struct hunt_example *other,
                           struct pen_buf *out)
{
    out->len = 0;
    PEN_TRY(pen_buf_printf(out, "tests:\n"));
    PEN_TRY(example_write("a record that was found", match, true, out));
    return other == NULL ? PEN_OK : example_write("one that was not", other, false, out);
}
