/* tested by tests/e2e/test_dead_letters.py */
#include "dead_view.h"
#include "options.h"
#include "retry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "penstock dead-letters list [options]              what was refused and why, grouped\n"
    "penstock dead-letters show [options] N|OBJECT...  single letters in full\n"
    "penstock dead-letters retry [options] [OBJECT...] reads refused objects again\n"
    "\n"
    "  --out DIR            the folder of the replay (penstock-out)\n"
    "  --json               list, show: NDJSON; retry: the summary of the run\n"
    "  --stage S            list: only classify, fetch, decode, crc or parse\n"
    "  --status S           list: only this status, as E_TRUNCATED\n"
    "  --all                list: also those whose object a retry has read again since\n"
    "  --no-progress        retry: no progress lines\n"
    "  --strict, --allow-gaps  retry: as for replay, and as the job had them\n"
    "\n"
    "N is the number of a letter (FIRST in the list). OBJECT is a key, or its end behind a slash.\n"
    "retry takes out what damaged objects gave, then runs the job again as it was given: mended\n"
    "objects end as if they had never been damaged. Objects that are gone keep what they gave.\n"
    "Exit: as replay, where objects that are gone are gaps; 1 when there is no such letter.\n";

enum dead_option {
    OPT_OUT = 1,
    OPT_JSON,
    OPT_STAGE,
    OPT_STATUS,
    OPT_ALL,
    OPT_NO_PROGRESS,
    OPT_STRICT,
    OPT_ALLOW_GAPS,
    OPT_HELP
};
#define COMMON_OPTIONS                                                                  \
    {"--out", OPT_OUT, true}, {"--json", OPT_JSON, false}, {"--help", OPT_HELP, false}, \
        {"-h", OPT_HELP, false},                                                        \
    {                                                                                   \
        NULL, 0, false                                                                  \
    }
static const struct cli_option list_options[] = {{"--stage", OPT_STAGE, true},
                                                 {"--status", OPT_STATUS, true},
                                                 {"--all", OPT_ALL, false},
                                                 COMMON_OPTIONS};
static const struct cli_option show_options[] = {COMMON_OPTIONS};
static const struct cli_option retry_options[] = {{"--no-progress", OPT_NO_PROGRESS, false},
                                                  {"--strict", OPT_STRICT, false},
                                                  {"--allow-gaps", OPT_ALLOW_GAPS, false},
                                                  COMMON_OPTIONS};

struct args {
    struct cli_parser parser;
    struct dead_filter filter;
    const char **objects;
    const char *out_dir;
    bool json, no_progress, strict, allow_gaps, wants_help;
};

static bool take(struct args *args, int id, const char *value)
{
    switch (id) {
    case CLI_OPERAND:
        args->objects[args->filter.object_count++] = value;
        return true;
    case OPT_OUT:
        args->out_dir = value;
        return true;
    case OPT_JSON:
        args->json = true;
        return true;
    case OPT_STAGE:
        args->filter.stage = value;
        return true;
    case OPT_STATUS:
        args->filter.status = value;
        return true;
    case OPT_ALL:
        args->filter.with_taken_back = true;
        return true;
    case OPT_NO_PROGRESS:
        args->no_progress = true;
        return true;
    case OPT_STRICT:
        args->strict = true;
        return true;
    case OPT_ALLOW_GAPS:
        args->allow_gaps = true;
        return true;
    case OPT_HELP:
        args->wants_help = true;
        return true;
    default:
        return false; /* CLI_WRONG: words were said */
    }
}

static int run_list(struct args *args, struct dead_view *view)
{
    struct pen_err err = {0};
    pen_status st = pen_dead_letters(args->out_dir, dead_view_group, view, &err);
    if (st == PEN_OK) {
        st = dead_view_list(view);
    }
    if (st != PEN_OK && err.status == PEN_OK) {
        (void)PEN_FAIL(&err, st, PEN_NO_OFFSET, "too many dead letters to group");
    }
    if (st != PEN_OK) {
        return cli_fail(&err);
    }
    const int code = screen_end();
    if (code == 0 && !args->json) {
        (void)fprintf(stderr, "%" PRIu64 " dead letters%s\n", view->letter_count,
                      view->letter_count > 0
                          ? "; `penstock dead-letters show FIRST` shows one, `retry` reads the "
                            "objects again"
                          : "");
    }
    return code;
}

static int run_show(struct args *args, struct dead_view *view)
{
    struct pen_err err = {0};
    const pen_status st = pen_dead_letters(args->out_dir, dead_view_show, view, &err);
    if (st != PEN_OK) {
        return cli_fail(&err);
    }
    if (view->shown == 0) {
        (void)PEN_FAIL(&err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                       "no dead letter has this number or this object: %.150s", args->objects[0]);
        return cli_fail(&err);
    }
    return screen_end();
}

static int view_run(struct args *args, int (*run)(struct args *, struct dead_view *))
{
    struct screen screen;
    struct dead_view view;
    screen_init(&screen);
    dead_view_init(&view, &screen);
    view.filter = args->filter;
    view.json = args->json;
    const int code = run(args, &view);
    dead_view_fini(&view);
    screen_fini(&screen);
    return code;
}

static int run_retry(struct args *args, int argc, char **argv)
{
    const struct retry_call call = {
        .out_dir = args->out_dir,
        .retry = {.objects = args->objects, .object_count = args->filter.object_count},
        .json = args->json,
        .no_progress = args->no_progress,
        .strict = args->strict,
        .allow_gaps = args->allow_gaps,
        .argc = argc,
        .argv = argv};
    return retry_run(&call);
}

enum verb { VERB_LIST, VERB_SHOW, VERB_RETRY, VERB_COUNT };
static const char *const verbs[VERB_COUNT] = {"list", "show", "retry"};

static int run_verb(enum verb verb, struct args *args, int argc, char **argv)
{
    if (args->wants_help) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (verb == VERB_LIST && args->filter.object_count > 0) {
        (void)fputs("penstock: dead-letters list takes no object: `show` does\n", stderr);
        return 2;
    }
    if (verb == VERB_SHOW && args->filter.object_count == 0) {
        (void)fputs("penstock: dead-letters show wants the number of a letter, or an object\n",
                    stderr);
        return 2;
    }
    if (verb == VERB_RETRY) {
        return run_retry(args, argc, argv);
    }
    return view_run(args, verb == VERB_LIST ? run_list : run_show);
}

static int unknown_verb(const char *word)
{
    const char *near = cli_nearest(word, verbs, VERB_COUNT);
    (void)fprintf(stderr, "penstock: no command `dead-letters %.40s`%s%s%s\n", word,
                  near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
                  near == NULL ? "; penstock dead-letters --help lists them" : "?)");
    return 2;
}

int cmd_dead_letters(int argc, char **argv)
{
    static const struct cli_option *const tables[] = {list_options, show_options, retry_options};
    static const char *const names[] = {"dead-letters list", "dead-letters show",
                                        "dead-letters retry"};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    uint32_t verb = 0;
    while (verb < VERB_COUNT && strcmp(argv[1], verbs[verb]) != 0) {
        verb++;
    }
    if (verb == VERB_COUNT) {
        return unknown_verb(argv[1]);
    }
    struct args args = {
        .out_dir = "penstock-out",
        .objects = calloc((size_t)argc, sizeof(char *)),
        .parser = {
            .command = names[verb], .argc = argc, .argv = argv, .tables = {tables[verb]}, .at = 2}};
    PEN_CHECK(args.objects != NULL);
    args.filter.objects = args.objects;
    char *value = NULL;
    int code = -1;
    for (int id = cli_next(&args.parser, &value); id != CLI_END && code < 0;
         id = cli_next(&args.parser, &value)) {
        code = take(&args, id, value) ? -1 : 2;
    }
    code = code < 0 ? run_verb((enum verb)verb, &args, argc, argv) : code;
    free((void *)args.objects);
    return code;
}
