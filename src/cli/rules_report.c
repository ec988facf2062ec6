/* tested by tests/e2e/test_rules.py */
#include "rules_report.h"

#include "penstock/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define TEXT_BYTES_MAX ((size_t)256 << 20)

struct report_item {
    const struct pen_rule_test *test;
    char *why; /* NULL: passed */
    int64_t took_ns;
};

void report_fini(struct report *report)
{
    for (uint32_t i = 0; i < report->count; i++) {
        free(report->items[i].why);
    }
    free(report->items);
    free(report->untested);
}

void report_add(struct report *report, const struct pen_rule_test *test, pen_slice why,
                int64_t took_ns)
{
    struct report_item item = {.test = test, .took_ns = took_ns};
    if (report->count == report->cap) {
        report->cap = report->cap == 0 ? 64 : report->cap * 2;
        report->items = reallocarray(report->items, report->cap, sizeof(*report->items));
        PEN_CHECK(report->items != NULL);
    }
    if (why.len > 0) {
        item.why = strndup((const char *)why.ptr, why.len);
        PEN_CHECK(item.why != NULL);
    }
    report->passed += why.len == 0;
    report->failed += why.len > 0;
    report->items[report->count++] = item;
}

void report_untested(struct report *report, const struct pen_rule *rule)
{
    if (report->untested_count == report->untested_cap) {
        report->untested_cap = report->untested_cap == 0 ? 64 : report->untested_cap * 2;
        report->untested =
            reallocarray(report->untested, report->untested_cap, sizeof(*report->untested));
        PEN_CHECK(report->untested != NULL);
    }
    report->untested[report->untested_count++].rule = rule;
}

void report_untested_told(const struct report *report, FILE *out)
{
    struct pen_buf line;
    pen_buf_init(&line, TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < report->untested_count; i++) {
        const struct pen_rule *rule = report->untested[i].rule;
        line.len = 0;
        if (pen_escape_terminal(&line, rule->file) == PEN_OK &&
            pen_buf_printf(&line, ":%u:1: no test: ", rule->line) == PEN_OK &&
            pen_escape_terminal(&line, rule->title) == PEN_OK) {
            (void)fprintf(out, "%.*s\n", (int)line.len, (const char *)line.ptr);
        }
    }
    pen_buf_fini(&line);
}

static bool write_out(struct pen_buf *text, pen_status st, FILE *out)
{
    const bool is_good =
        st == PEN_OK && fwrite(text->ptr, 1, text->len, out) == text->len && fflush(out) == 0;
    pen_buf_fini(text);
    return is_good;
}

/* ---- lines ---- */

static pen_status text_item(struct pen_buf *out, const struct report_item *item)
{
    if (item->why == NULL) {
        return PEN_OK;
    }
    PEN_TRY(pen_escape_terminal(out, item->test->file));
    PEN_TRY(pen_buf_printf(out, ":%u:1: ", item->test->line));
    PEN_TRY(pen_escape_terminal(out, item->test->name));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(": ")));
    PEN_TRY(pen_escape_terminal(out, pen_slice_str(item->why)));
    return pen_buf_add_byte(out, '\n');
}

bool report_text(const struct report *report, FILE *out)
{
    struct pen_buf text;
    pen_status st = PEN_OK;
    pen_buf_init(&text, TEXT_BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < report->count; i++) {
        st = text_item(&text, &report->items[i]);
    }
    st = st == PEN_OK
             ? pen_buf_printf(&text, "%u passed, %u failed\n", report->passed, report->failed)
             : st;
    return write_out(&text, st, out);
}

/* ---- JSON ---- */

static pen_status json_member(struct pen_buf *out, const char *before, pen_slice value)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, value));
    return pen_buf_add_byte(out, '"');
}

static pen_status json_item(struct pen_buf *out, const struct report_item *item)
{
    const struct pen_rule_test *test = item->test;
    PEN_TRY(json_member(out, "{\"file\":\"", test->file));
    PEN_TRY(pen_buf_printf(out, ",\"line\":%u", test->line));
    PEN_TRY(json_member(out, ",\"name\":\"", test->name));
    PEN_TRY(json_member(out, ",\"rule_file\":\"", test->rule_file));
    PEN_TRY(json_member(out, ",\"rule\":\"", test->rule_id));
    PEN_TRY(pen_buf_printf(out, ",\"passed\":%s", item->why == NULL ? "true" : "false"));
    PEN_TRY(json_member(out, ",\"why\":\"", pen_slice_str(item->why == NULL ? "" : item->why)));
    return pen_buf_add_byte(out, '}');
}

static pen_status json_untested(struct pen_buf *out, const struct report *report)
{
    pen_status st = pen_buf_add(out, PEN_SLICE_LIT("],\"untested\":["));
    for (uint32_t i = 0; st == PEN_OK && i < report->untested_count; i++) {
        const struct pen_rule *rule = report->untested[i].rule;
        st = json_member(out, i == 0 ? "{\"rule\":\"" : ",{\"rule\":\"", rule->id);
        st = st == PEN_OK ? json_member(out, ",\"file\":\"", rule->file) : st;
        st = st == PEN_OK ? pen_buf_printf(out, ",\"line\":%u}", rule->line) : st;
    }
    return st == PEN_OK ? pen_buf_add(out, PEN_SLICE_LIT("]}\n")) : st;
}

bool report_json(const struct report *report, FILE *out)
{
    struct pen_buf text;
    pen_buf_init(&text, TEXT_BYTES_MAX);
    pen_status st = pen_buf_printf(&text, "{\"passed\":%u,\"failed\":%u,\"tests\":[",
                                   report->passed, report->failed);
    for (uint32_t i = 0; st == PEN_OK && i < report->count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(&text, ',');
        st = st == PEN_OK ? json_item(&text, &report->items[i]) : st;
    }
    st = st == PEN_OK ? json_untested(&text, report) : st;
    return write_out(&text, st, out);
}

/* ---- JUnit ---- */

static pen_slice xml_entity(const uint8_t *c)
{
    switch (*c) {
    case '<':
        return PEN_SLICE_LIT("&lt;");
    case '>':
        return PEN_SLICE_LIT("&gt;");
    case '&':
        return PEN_SLICE_LIT("&amp;");
    case '"':
        return PEN_SLICE_LIT("&quot;");
    default:
        return (pen_slice){c, 1};
    }
}

/* XML has no way to say most control characters: they are shown escaped. */
static pen_status xml_attribute(struct pen_buf *out, struct pen_buf *scratch, const char *name,
                                pen_slice text)
{
    scratch->len = 0;
    PEN_TRY(pen_escape_terminal(scratch, text));
    PEN_TRY(pen_buf_printf(out, " %s=\"", name));
    for (size_t i = 0; i < scratch->len; i++) {
        PEN_TRY(pen_buf_add(out, xml_entity(&scratch->ptr[i])));
    }
    return pen_buf_add_byte(out, '"');
}

static pen_status xml_item(struct pen_buf *out, struct pen_buf *scratch,
                           const struct report_item *item)
{
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("    <testcase")));
    PEN_TRY(xml_attribute(out, scratch, "classname", item->test->rule_file));
    PEN_TRY(xml_attribute(out, scratch, "name", item->test->name));
    PEN_TRY(xml_attribute(out, scratch, "file", item->test->file));
    PEN_TRY(pen_buf_printf(out, " line=\"%u\" time=\"%.6f\"", item->test->line,
                           (double)item->took_ns / (double)PEN_NS_PER_S));
    if (item->why == NULL) {
        return pen_buf_add(out, PEN_SLICE_LIT("/>\n"));
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(">\n      <failure")));
    PEN_TRY(xml_attribute(out, scratch, "message", pen_slice_str(item->why)));
    return pen_buf_add(out, PEN_SLICE_LIT("/>\n    </testcase>\n"));
}

static pen_status xml_all(const struct report *report, struct pen_buf *out, struct pen_buf *scratch)
{
    int64_t took_ns = 0;
    for (uint32_t i = 0; i < report->count; i++) {
        took_ns += report->items[i].took_ns;
    }
    PEN_TRY(pen_buf_printf(out,
                           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
                           "  <testsuite name=\"penstock rules test\" tests=\"%u\" "
                           "failures=\"%u\" errors=\"0\" skipped=\"0\" time=\"%.6f\">\n",
                           report->count, report->failed, (double)took_ns / (double)PEN_NS_PER_S));
    for (uint32_t i = 0; i < report->count; i++) {
        PEN_TRY(xml_item(out, scratch, &report->items[i]));
    }
    return pen_buf_add(out, PEN_SLICE_LIT("  </testsuite>\n</testsuites>\n"));
}

bool report_junit_file(const struct report *report, const char *path)
{
    struct pen_buf text;
    struct pen_buf scratch;
    pen_buf_init(&text, TEXT_BYTES_MAX);
    pen_buf_init(&scratch, TEXT_BYTES_MAX);
    const pen_status st = xml_all(report, &text, &scratch);
    pen_buf_fini(&scratch);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        (void)fprintf(stderr, "penstock: %s: %s\n", path, strerrordesc_np(errno));
        pen_buf_fini(&text);
        return false;
    }
    bool is_good = write_out(&text, st, file);
    is_good = fclose(file) == 0 && is_good;
    if (!is_good) {
        (void)fprintf(stderr, "penstock: %s: cannot be written in full\n", path);
    }
    return is_good;
}
