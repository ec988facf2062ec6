/* tested by tests/e2e/test_rules.py */
#include "notices.h"

#include "version.h"

#include <ctype.h>
#include <stdlib.h>

#define TEXT_BYTES_MAX ((size_t)256 << 20)

bool notices_form_of(const char *name, enum notices_form *form)
{
    static const char *const names[] = {[NOTICES_TEXT] = "text",
                                        [NOTICES_GITHUB] = "github",
                                        [NOTICES_SARIF] = "sarif",
                                        [NOTICES_JSON] = "json"};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *form = (enum notices_form)i;
            return true;
        }
    }
    (void)fprintf(stderr, "penstock: --format takes text, github, sarif or json, not `%s`\n", name);
    return false;
}

void notices_init(struct notices *notices)
{
    *notices = (struct notices){0};
    pen_arena_init(&notices->arena, TEXT_BYTES_MAX);
}

void notices_fini(struct notices *notices)
{
    pen_arena_fini(&notices->arena);
    free(notices->items);
}

void notices_add(struct notices *notices, const struct pen_notice *notice)
{
    if (notices->count == notices->cap) {
        notices->cap = notices->cap == 0 ? 64 : notices->cap * 2;
        notices->items = reallocarray(notices->items, notices->cap, sizeof(*notices->items));
        PEN_CHECK(notices->items != NULL);
    }
    notices->items[notices->count] = *notice;
    /* Editors count lines from 1. */
    notices->items[notices->count].line += notice->line == 0;
    notices->items[notices->count].column += notice->column == 0;
    notices->count++;
    notices->errors += notice->level == PEN_NOTICE_ERROR;
}

/* Takes ":digits" from the end of *head.  False: there are none. */
static bool number_take(pen_slice *head, uint32_t *number)
{
    size_t at = head->len;
    uint64_t value = 0;
    while (at > 0 && isdigit(head->ptr[at - 1]) != 0) {
        at--;
    }
    if (at == 0 || head->ptr[at - 1] != ':' ||
        !pen_parse_u64(pen_slice_sub(*head, at, head->len), &value) || value > UINT32_MAX) {
        return false;
    }
    *number = (uint32_t)value;
    head->len = at - 1;
    return true;
}

void notices_add_placed(struct notices *notices, const char *text)
{
    const pen_slice whole = pen_arena_dup(&notices->arena, pen_slice_str(text));
    PEN_CHECK(whole.ptr != NULL);
    struct pen_notice notice = {.level = PEN_NOTICE_ERROR, .text = whole};
    for (size_t at = 0; at + 1 < whole.len; at++) { /* a path may hold ": " itself */
        pen_slice head = pen_slice_sub(whole, 0, at);
        if (whole.ptr[at] == ':' && whole.ptr[at + 1] == ' ' &&
            number_take(&head, &notice.column) && number_take(&head, &notice.line)) {
            notice.file = head;
            notice.text = pen_slice_sub(whole, at + 2, whole.len);
            break;
        }
    }
    notices_add(notices, &notice);
}

void notices_add_rules(struct notices *notices, const struct pen_rules *rules)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        notices_add(notices, pen_rules_notice(rules, i));
    }
}

/* ---- forms ---- */

static const char *level_name(const struct pen_notice *n)
{
    return n->level == PEN_NOTICE_WARNING ? "warning" : "error";
}

static pen_status text_one(struct pen_buf *out, const struct pen_notice *n)
{
    PEN_TRY(pen_escape_terminal(out, n->file));
    PEN_TRY(pen_buf_printf(out, ":%u:%u: %s", n->line, n->column,
                           n->level == PEN_NOTICE_WARNING ? "warning: " : ""));
    PEN_TRY(pen_escape_terminal(out, n->text));
    return pen_buf_add_byte(out, '\n');
}

/* Text of a workflow command: what would end it, or a property of it, is written as %XX. */
static pen_status github_text(struct pen_buf *out, pen_slice text, const char *special)
{
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        st = c < ' ' || (c != '\0' && strchr(special, c) != NULL) ? pen_buf_printf(out, "%%%02X", c)
                                                                  : pen_buf_add_byte(out, c);
    }
    return st;
}

static pen_status github_one(struct pen_buf *out, const struct pen_notice *n)
{
    PEN_TRY(pen_buf_printf(out, "::%s file=", level_name(n)));
    PEN_TRY(github_text(out, n->file, "%:,"));
    PEN_TRY(pen_buf_printf(out, ",line=%u,col=%u::", n->line, n->column));
    PEN_TRY(github_text(out, n->text, "%"));
    return pen_buf_add_byte(out, '\n');
}

static pen_status json_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status json_one(struct pen_buf *out, const struct pen_notice *n)
{
    PEN_TRY(json_text(out, "{\"file\":\"", n->file));
    PEN_TRY(pen_buf_printf(out, ",\"line\":%u,\"column\":%u,\"level\":\"%s\"", n->line, n->column,
                           level_name(n)));
    PEN_TRY(json_text(out, ",\"message\":\"", n->text));
    return pen_buf_add_byte(out, '}');
}

/* A path as a relative or absolute URI reference. */
static pen_status uri_text(struct pen_buf *out, pen_slice path)
{
    static const char plain[] = "/-._~!$&'()*+,;=@";
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < path.len; i++) {
        const uint8_t c = path.ptr[i];
        const bool is_plain = (c < 0x80 && isalnum(c) != 0) || (c != 0 && strchr(plain, c) != NULL);
        st = is_plain ? pen_buf_add_byte(out, c) : pen_buf_printf(out, "%%%02X", c);
    }
    return st;
}

static pen_status sarif_one(struct pen_buf *out, const struct pen_notice *n)
{
    PEN_TRY(pen_buf_printf(out, "{\"ruleId\":\"%s\",\"level\":\"%s\"",
                           n->level == PEN_NOTICE_WARNING ? "suspect" : "invalid", level_name(n)));
    PEN_TRY(json_text(out, ",\"message\":{\"text\":\"", n->text));
    PEN_TRY(pen_buf_add(
        out, PEN_SLICE_LIT("},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{"
                           "\"uri\":\"")));
    PEN_TRY(uri_text(out, n->file));
    return pen_buf_printf(out, "\"},\"region\":{\"startLine\":%u,\"startColumn\":%u}}}]}", n->line,
                          n->column);
}

/* ---- the whole ---- */

static int by_place(const void *a, const void *b)
{
    const struct pen_notice *x = a;
    const struct pen_notice *y = b;
    const int file = pen_slice_cmp(x->file, y->file);
    if (file != 0) {
        return file;
    }
    if (x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    if (x->column != y->column) {
        return x->column < y->column ? -1 : 1;
    }
    return pen_slice_cmp(x->text, y->text);
}

static pen_status head(struct pen_buf *out, enum notices_form form, uint32_t rules)
{
    if (form == NOTICES_JSON) {
        return pen_buf_printf(out, "{\"rules\":%u,\"notices\":[", rules);
    }
    if (form != NOTICES_SARIF) {
        return PEN_OK;
    }
    return pen_buf_add(
        out,
        PEN_SLICE_LIT(
            "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\","
            "\"runs\":[{\"tool\":{\"driver\":{\"name\":\"penstock\",\"version\":\"" PEN_VERSION
            "\",\"rules\":[{\"id\":\"invalid\",\"shortDescription\":{\"text\":\"A rule or test "
            "cannot be used\"}},{\"id\":\"suspect\",\"shortDescription\":{\"text\":\"A rule can "
            "be used, but something in it is doubtful\"}}]}},\"columnKind\":"
            "\"unicodeCodePoints\",\"results\":["));
}

static pen_status tail(struct pen_buf *out, enum notices_form form)
{
    return form == NOTICES_SARIF  ? pen_buf_add(out, PEN_SLICE_LIT("]}]}\n"))
           : form == NOTICES_JSON ? pen_buf_add(out, PEN_SLICE_LIT("]}\n"))
                                  : PEN_OK;
}

static pen_status write_all(const struct notices *notices, enum notices_form form, uint32_t rules,
                            struct pen_buf *out)
{
    static pen_status (*const one[])(struct pen_buf * out,
                                     const struct pen_notice *n) = {[NOTICES_TEXT] = text_one,
                                                                    [NOTICES_GITHUB] = github_one,
                                                                    [NOTICES_SARIF] = sarif_one,
                                                                    [NOTICES_JSON] = json_one};
    const bool has_commas = form == NOTICES_SARIF || form == NOTICES_JSON;
    pen_status st = head(out, form, rules);
    for (uint32_t i = 0; st == PEN_OK && i < notices->count; i++) {
        const struct pen_notice *n = &notices->items[i];
        if (i > 0 && by_place(n - 1, n) == 0) {
            continue;
        }
        st = i > 0 && has_commas ? pen_buf_add_byte(out, ',') : PEN_OK;
        st = st == PEN_OK ? one[form](out, n) : st;
    }
    return st == PEN_OK ? tail(out, form) : st;
}

bool notices_write(struct notices *notices, enum notices_form form, uint32_t rules, FILE *out)
{
    struct pen_buf text;
    pen_buf_init(&text, TEXT_BYTES_MAX);
    if (notices->count > 0) {
        qsort(notices->items, notices->count, sizeof(*notices->items), by_place);
    }
    const pen_status st = write_all(notices, form, rules, &text);
    const bool is_good = st == PEN_OK &&
                         (text.len == 0 || fwrite(text.ptr, 1, text.len, out) == text.len) &&
                         fflush(out) == 0;
    pen_buf_fini(&text);
    return is_good;
}
