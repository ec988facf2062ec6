/* tested by tests/e2e/test_state.py */
#include "penstock/json.h"

#include "options.h"
#include "state_view.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT_DEFAULT "penstock-out"
#define LIMIT_DEFAULT 50U
#define LIMIT_MAX 10000000U
#define VALUE_BYTES_MAX ((size_t)1 << 20)
#define TUPLE_MAX 16U

static const char help[] =
    "penstock state show [options] RULE   what a replay keeps of a rule\n"
    "\n"
    "Groups with their counts and times, and open signals, of the last snapshot: it is written\n"
    "when a run ends or stops, and while it goes on (state.snapshot_bytes).\n"
    "\n"
    "  RULE           its id, or a part of its id or name that no other rule has\n"
    "  --out DIR      the folder of the replay (penstock-out)\n"
    "  --has VALUE    of a rule over new values: whether a group knows it, and when it was last\n"
    "                 seen; once for each part of a value that has several.  Exit 0 yes, 1 no\n"
    "  --group JSON   looks for it in this group too, as `{\"usr.name\":\"a\"}`: the first groups\n"
    "                 alone are known by name (state.named_groups_max)\n"
    "  --limit N      groups, and signals, at most (50): most events or values first, the\n"
    "                 latest signals first\n"
    "  --json         one document, times in RFC 3339\n";

enum state_option { OPT_OUT = 1, OPT_HAS, OPT_GROUP, OPT_LIMIT, OPT_JSON, OPT_HELP };
static const struct cli_option show_options[] = {
    {"--out", OPT_OUT, true},     {"--has", OPT_HAS, true},
    {"--group", OPT_GROUP, true}, {"--limit", OPT_LIMIT, true},
    {"--json", OPT_JSON, false},  {"--help", OPT_HELP, false},
    {"-h", OPT_HELP, false},      {NULL, 0, false}};

struct args {
    struct cli_parser parser;
    const char *out_dir, *rule;
    pen_slice group;
    bool has_group, json, wants_help;
    uint64_t limit;
    uint32_t part_count;
    struct pen_buf value; /* JSON strings with a tab between them */
};

/* As observations bring it: JSON strings, tabs between those of one value. */
static bool take_part(struct args *args, const char *text)
{
    if (args->part_count == TUPLE_MAX || strlen(text) > VALUE_BYTES_MAX / 8) {
        (void)cli_bad_value(&args->parser, text, "at most 16 parts of at most 128 KiB");
        return false;
    }
    pen_status st = args->part_count++ == 0 ? PEN_OK : pen_buf_add_byte(&args->value, '\t');
    st = st == PEN_OK ? pen_buf_add_byte(&args->value, '"') : st;
    st = st == PEN_OK ? pen_json_escape(&args->value, pen_slice_str(text)) : st;
    return st == PEN_OK && pen_buf_add_byte(&args->value, '"') == PEN_OK;
}

static bool take(void *ctx, int id, char *value)
{
    struct args *args = ctx;
    switch (id) {
    case CLI_OPERAND:
        if (args->rule != NULL) {
            (void)fputs("penstock: one RULE only; penstock state show --help tells more\n", stderr);
            return false;
        }
        args->rule = value;
        return true;
    case OPT_OUT:
        args->out_dir = value;
        return true;
    case OPT_HAS:
        return take_part(args, value);
    case OPT_GROUP:
        args->group = pen_slice_str(value);
        args->has_group = true;
        return true;
    case OPT_LIMIT:
        return cli_number("--limit", value, LIMIT_MAX, &args->limit);
    case OPT_JSON:
        args->json = true;
        return true;
    case OPT_HELP:
        args->wants_help = true;
        return true;
    default:
        return false; /* words were said */
    }
}

static int usage(const char *text)
{
    (void)fprintf(stderr, "penstock: %s; penstock state show --help tells more\n", text);
    return 2;
}

static int run(struct args *args)
{
    struct screen screen;
    struct state_view view;
    struct pen_err err = {0};
    bool has_value = false;
    screen_init(&screen);
    state_view_init(&view, &screen);
    view.out_dir = args->out_dir;
    view.wanted = args->rule;
    view.json = args->json;
    view.limit = args->limit;
    view.groups = &args->group;
    view.group_count = args->has_group;
    view.value = args->part_count > 0 ? pen_buf_slice(&args->value) : (pen_slice){0};
    pen_status st = state_view_read(&view, &err);
    st = st == PEN_OK ? state_view_print(&view, &has_value) : st;
    state_view_fini(&view);
    screen_fini(&screen);
    if (st != PEN_OK && err.status == PEN_OK) {
        (void)PEN_FAIL(&err, st, PEN_NO_OFFSET, "state: %s", pen_status_text(st));
    }
    if (st != PEN_OK) {
        return cli_fail(&err);
    }
    const int code = screen_end();
    return code != 0 ? code : args->part_count > 0 && !has_value ? 1 : 0;
}

static int show(struct args *args)
{
    if (!cli_read(&args->parser, take, args)) {
        return 2;
    }
    if (args->wants_help) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (args->rule == NULL || args->rule[0] == '\0') {
        return usage("RULE is missing");
    }
    if (args->has_group && args->part_count == 0) {
        return usage("--group is for --has VALUE");
    }
    return run(args);
}

int cmd_state(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "show") != 0) {
        (void)fprintf(stderr, "penstock: no command `state %.40s`: `state show RULE` is the one\n",
                      argv[1]);
        return 2;
    }
    struct args args = {.out_dir = OUT_DEFAULT,
                        .limit = LIMIT_DEFAULT,
                        .parser = {.command = "state show",
                                   .tables = {show_options},
                                   .argc = argc,
                                   .argv = argv,
                                   .at = 2}};
    pen_buf_init(&args.value, VALUE_BYTES_MAX);
    const int code = show(&args);
    pen_buf_fini(&args.value);
    return code;
}
