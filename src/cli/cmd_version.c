/* tested by tests/e2e/test_front.py */
#include "penstock/runtime.h"

#include "options.h"
#include "version.h"

#include <stdio.h>

static const char help[] =
    "penstock version [--json]   version, commit, CPU features in use, library versions\n";

#define TEXT_BYTES_MAX 4096U
enum version_option { OPT_JSON = 1, OPT_HELP };

/* Words as a JSON list. */
static void print_words(pen_slice text)
{
    pen_slice word;
    const char *comma = "";
    while (pen_slice_split(&text, ' ', &word)) {
        (void)printf("%s\"%.*s\"", comma, PEN_SLICE_FMT(word));
        comma = ",";
    }
}

/* Lines "NAME VERSION": as members, or indented. */
static void print_libraries(pen_slice text, bool is_json)
{
    pen_slice line;
    const char *comma = "";
    while (pen_slice_split(&text, '\n', &line) && line.len > 0) {
        pen_slice version = line;
        pen_slice name;
        if (pen_slice_split(&version, ' ', &name)) {
            (void)printf(is_json ? "%s\"%.*s\":\"%.*s\"" : "%s  %-10.*s %.*s\n", comma,
                         PEN_SLICE_FMT(name), PEN_SLICE_FMT(version));
        }
        comma = is_json ? "," : "";
    }
}

static void print(pen_slice features, pen_slice libraries, bool is_json)
{
    if (is_json) {
        (void)printf("{\"penstock\":\"" PEN_VERSION "\",\"commit\":\"" PEN_COMMIT "\",\"cpu\":[");
        print_words(features);
        (void)printf("],\"libraries\":{");
        print_libraries(libraries, true);
        (void)printf("}}\n");
        return;
    }
    (void)printf("penstock " PEN_VERSION "\ncommit %s\ncpu %.*s\nlibraries\n", PEN_COMMIT,
                 PEN_SLICE_FMT(features));
    print_libraries(libraries, false);
}

int cmd_version(int argc, char **argv)
{
    static const struct cli_option options[] = {
        {"--json", OPT_JSON, false}, {"--help", OPT_HELP, false}, {NULL, 0, false}};
    struct cli_parser parser = {
        .command = "version", .argc = argc, .argv = argv, .tables = {options}, .at = 1};
    char *value = NULL;
    bool is_json = false;
    for (int id = cli_next(&parser, &value); id != CLI_END; id = cli_next(&parser, &value)) {
        if (id == OPT_HELP) {
            (void)fputs(help, stdout);
            return 0;
        }
        if (id != OPT_JSON) {
            (void)fputs(help, stderr);
            return 2;
        }
        is_json = true;
    }
    struct pen_buf features;
    struct pen_buf libraries;
    pen_buf_init(&features, TEXT_BYTES_MAX);
    pen_buf_init(&libraries, TEXT_BYTES_MAX);
    struct pen_err err = {0};
    int code = 0;
    if (pen_host_features(&features) != PEN_OK || pen_node_libraries(&libraries) != PEN_OK) {
        (void)PEN_FAIL(&err, PEN_E_NOMEM, PEN_NO_OFFSET, "version: no memory for the text");
        code = cli_fail(&err);
    } else {
        print(pen_buf_slice(&features), pen_buf_slice(&libraries), is_json);
    }
    pen_buf_fini(&features);
    pen_buf_fini(&libraries);
    return code;
}
