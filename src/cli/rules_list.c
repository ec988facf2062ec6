/* tested by tests/e2e/test_rules.py */
#include "navigator.h"
#include "rules.h"

#include <stdlib.h>

static const char help[] =
    "penstock rules list [options] [PATH...]   severity, id, language, log types and title\n"
    "\n"
    "  PATH   a rule file or folder; `builtin`, the built-in pack, when there is none\n"
    "\n"
    "  --min-level LEVEL    info, low, medium, high, critical;  --tag TAG\n"
    "  --config FILE        penstock.yaml: its rules and placeholders\n"
    "  --json               a line of JSON a rule\n"
    "  --navigator FILE     also writes their techniques as a layer of ATT&CK Navigator;\n"
    "                       rules that are switched off or deprecated are left out of it\n"
    "\n"
    "Exit: 0 done, 2 usage, 3 config, 4 a rule was rejected: its errors are on standard error.\n";

#define LIST_BYTES_MAX ((size_t)1 << 30)
#define ID_COLUMNS 36
#define TYPES_COLUMNS 10

enum list_id { OPT_JSON = 1, OPT_NAVIGATOR, OPT_HELP };
static const struct cli_option options[] = {{"--json", OPT_JSON, false},
                                            {"--navigator", OPT_NAVIGATOR, true},
                                            {"--help", OPT_HELP, false},
                                            {"-h", OPT_HELP, false},
                                            {NULL, 0, false}};

struct run {
    struct rules_pick rules;
    const char *navigator; /* a file, or NULL */
    bool json, wants_help;
};

static bool take(void *ctx, int id, char *value)
{
    struct run *run = ctx;
    run->json |= id == OPT_JSON;
    run->navigator = id == OPT_NAVIGATOR ? value : run->navigator;
    run->wants_help |= id == OPT_HELP;
    return id != CLI_OPERAND || rules_pick_path(&run->rules, value);
}

static bool read_args(struct run *run, int argc, char **argv)
{
    struct cli_parser parser = {.command = "rules list",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options, rules_pick_options},
                                .rules = &run->rules,
                                .at = 1};
    return cli_read(&parser, take, run);
}

/* ---- lines ---- */

/* Names of the log types that the rule is for, with commas between them. */
static pen_status write_types(struct pen_buf *out, const struct pen_types *types,
                              const struct pen_rule *rule, const char *quote)
{
    pen_status st = PEN_OK;
    bool is_first = true;
    for (uint32_t i = 0; st == PEN_OK && i < pen_types_count(types); i++) {
        const struct pen_type *type = pen_types_at(types, i);
        if (pen_rule_applies(rule, type)) {
            st = pen_buf_printf(out, "%s%s", is_first ? "" : ",", quote);
            st = st == PEN_OK ? pen_json_escape(out, type->name) : st;
            st = st == PEN_OK ? pen_buf_add(out, pen_slice_str(quote)) : st;
            is_first = false;
        }
    }
    return st;
}

/* Blanks up to a column, and two more. */
static pen_status pad(struct pen_buf *out, size_t begin, int columns)
{
    const int used = (int)(out->len - begin);
    return pen_buf_printf(out, "%*s", (used < columns ? columns - used : 0) + 2, "");
}

static pen_status text_types(struct pen_buf *out, const struct pen_types *types,
                             const struct pen_rule *rule)
{
    const size_t begin = out->len;
    PEN_TRY(write_types(out, types, rule, ""));
    PEN_TRY(out->len > begin ? PEN_OK : pen_buf_add_byte(out, '-'));
    return pad(out, begin, TYPES_COLUMNS);
}

static pen_status text_rule(struct pen_buf *out, const struct pen_types *types,
                            const struct pen_rule *rule)
{
    PEN_TRY(pen_buf_printf(out, "%-8s  ", pen_severity_name(rule->severity)));
    const size_t begin = out->len;
    PEN_TRY(pen_escape_terminal(out, rule->id));
    PEN_TRY(pad(out, begin, ID_COLUMNS));
    PEN_TRY(pen_buf_printf(out, "%s  ", rule->language));
    PEN_TRY(text_types(out, types, rule));
    PEN_TRY(pen_escape_terminal(out, rule->title));
    return pen_buf_add_byte(out, '\n');
}

static pen_status json_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status json_list(struct pen_buf *out, const char *before, const pen_slice *items,
                            uint32_t count)
{
    pen_status st = pen_buf_add(out, pen_slice_str(before));
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = json_text(out, i == 0 ? "\"" : ",\"", items[i]);
    }
    return st == PEN_OK ? pen_buf_add_byte(out, ']') : st;
}

static pen_status json_names(struct pen_buf *out, const struct pen_rule *rule)
{
    PEN_TRY(json_text(out, "{\"id\":\"", rule->id));
    PEN_TRY(json_text(out, ",\"language\":\"", pen_slice_str(rule->language)));
    PEN_TRY(json_text(out, ",\"title\":\"", rule->title));
    PEN_TRY(json_text(out, ",\"severity\":\"", pen_slice_str(pen_severity_name(rule->severity))));
    PEN_TRY(json_text(out, ",\"version\":\"", rule->version));
    return json_text(out, ",\"status\":\"", rule->status);
}

static pen_status json_rule(struct pen_buf *out, const struct pen_types *types,
                            const struct pen_rule *rule)
{
    PEN_TRY(json_names(out, rule));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(",\"types\":[")));
    PEN_TRY(write_types(out, types, rule, "\""));
    PEN_TRY(json_list(out, "],\"tags\":[", rule->tags, rule->tag_count));
    PEN_TRY(json_text(out, ",\"file\":\"", rule->file));
    return pen_buf_printf(out, ",\"line\":%u}\n", rule->line);
}

/* ---- the whole ---- */

static int print(const struct run *run, const struct pen_rules *rules,
                 const struct pen_types *types)
{
    struct pen_buf out;
    pen_status st = PEN_OK;
    pen_buf_init(&out, LIST_BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        if (!rule->is_left_out) {
            st = run->json ? json_rule(&out, types, rule) : text_rule(&out, types, rule);
        }
    }
    const bool is_good = st == PEN_OK &&
                         (out.len == 0 || fwrite(out.ptr, 1, out.len, stdout) == out.len) &&
                         fflush(stdout) == 0;
    pen_buf_fini(&out);
    if (!is_good) {
        if (cli_output_is_good()) { /* else main tells why */
            (void)fputs("penstock: there is too much to print\n", stderr);
        }
        return 1;
    }
    return pen_rules_rejected(rules) > 0 ? 4 : 0;
}

/* The techniques of the rules that run; false after words. */
static bool layer(const struct run *run, struct pen_rules_options made)
{
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    if (run->navigator == NULL) {
        return true;
    }
    made.load_deprecated = false;
    const bool is_good = pen_rules_load(&made, &rules, &err) == PEN_OK;
    const bool is_written = is_good && navigator_write(rules, run->navigator);
    if (!is_good) {
        (void)cli_fail(&err);
    }
    pen_rules_free(rules);
    return is_written;
}

static int list(struct run *run)
{
    struct pen_rules_options made = rules_pick_made(&run->rules);
    struct pen_rules *rules = NULL;
    struct pen_types *types = NULL;
    struct pen_err err = {0};
    made.load_deprecated = true;
    if (pen_types_load(NULL, &types, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    int code = 0;
    if (pen_rules_load(&made, &rules, &err) == PEN_OK) {
        rules_notices_print(stderr, rules);
        code = print(run, rules, types);
        code = layer(run, made) || code != 0 ? code : 1;
    } else {
        code = cli_fail(&err);
    }
    pen_rules_free(rules);
    pen_types_free(types);
    return code;
}

int rules_list(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    PEN_CHECK(run != NULL);
    int code = 2;
    if (read_args(run, argc, argv)) {
        code = run->wants_help ? 0 : list(run);
        if (run->wants_help) {
            (void)fputs(help, stdout);
        }
    }
    code = run->rules.is_config_wrong ? 3 : code;
    rules_pick_fini(&run->rules);
    free(run);
    return code;
}
