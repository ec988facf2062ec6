/* tested by tests/e2e/test_types.py */
#include "told.h"
#include "types_import.h"
#include "types_test.h"

#include <stdio.h>

static const char help[] =
    "penstock types list [--json]     the log types\n"
    "penstock types show NAME         the type file: key, framing, time, id, fields\n"
    "penstock types test FILE         what a file is taken for, how it is read, what comes of it\n"
    "penstock types import FILE       a user.ini of SIEM on Amazon OpenSearch Service as type "
    "files\n"
    "\n"
    "  --types-dir DIR   type files of your own; they come before built-in ones of the same name\n"
    "  --key KEY         of test: the object's key (default: FILE as given)\n"
    "  --as TYPE         of test: take it for this type\n"
    "  --json            of list and test\n"
    "\n"
    "FILE is one log object, stored as it would be in a bucket; - is standard input.  import "
    "writes\n"
    "the types to standard output, a line for each thing that it left out to standard error.\n"
    "Exit: 0 good, 1 unknown type, damage, bad records or nothing imported, 2 usage, 3 a type "
    "file\n"
    "or user.ini is wrong.\n";

enum types_option { OPT_DIR = 1, OPT_KEY, OPT_AS, OPT_JSON, OPT_HELP };
static const struct cli_option options[] = {{"--types-dir", OPT_DIR, true},
                                            {"--key", OPT_KEY, true},
                                            {"--as", OPT_AS, true},
                                            {"--json", OPT_JSON, false},
                                            {"--help", OPT_HELP, false},
                                            {"-h", OPT_HELP, false},
                                            {NULL, 0, false}};

static pen_status text_json(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status type_json(struct pen_buf *out, const struct pen_type *type)
{
    const struct {
        const char *name;
        pen_slice text;
    } members[] = {{"{\"name\":\"", type->name},
                   {",\"index\":\"", type->index_name},
                   {",\"rotation\":\"", pen_slice_str(pen_rotation_name(type->rotation))},
                   {",\"key\":\"", type->key_pattern},
                   {",\"array\":\"", type->array_key},
                   {",\"time\":\"", type->time_count > 0 ? type->times[0] : (pen_slice){0}},
                   {",\"id\":\"", type->id_key},
                   {",\"file\":\"", type->file}};
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        PEN_TRY(text_json(out, members[i].name, members[i].text));
    }
    return pen_buf_printf(out, ",\"builtin\":%s,\"fields\":%u}\n",
                          type->is_builtin ? "true" : "false", type->map_count);
}

static int list(const struct pen_types *types, bool is_json)
{
    struct pen_buf out;
    pen_buf_init(&out, (size_t)64 << 20);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < pen_types_count(types); i++) {
        const struct pen_type *type = pen_types_at(types, i);
        st = is_json ? type_json(&out, type)
                     : pen_buf_printf(&out, "%-16.*s  %-28.*s  %-8s  %-8s  %.*s\n",
                                      PEN_SLICE_FMT(type->name), PEN_SLICE_FMT(type->index_name),
                                      pen_rotation_name(type->rotation),
                                      type->is_builtin ? "built-in" : "yours",
                                      PEN_SLICE_FMT(type->key_pattern));
    }
    PEN_CHECK(st == PEN_OK);
    (void)fwrite(out.ptr, 1, out.len, stdout);
    pen_buf_fini(&out);
    return 0;
}

static int show(const struct pen_types *types, const char *name)
{
    const char *names[256];
    const struct pen_type *type = pen_types_find(types, pen_slice_str(name));
    if (type != NULL) {
        struct pen_buf shown;
        pen_buf_init(&shown, SIZE_MAX);
        cli_print_escaped(&shown, type->text);
        pen_buf_fini(&shown);
        return 0;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < pen_types_count(types) && count < PEN_COUNT(names); i++) {
        names[count++] = (const char *)pen_types_at(types, i)->name.ptr; /* a NUL stands behind */
    }
    const char *near = cli_nearest(name, names, count);
    (void)fprintf(stderr, "penstock: no log type `%s`; %s%s\n", name,
                  near == NULL ? "penstock types list tells them" : "the nearest is ",
                  near == NULL ? "" : near);
    return 2;
}

static int run(const char *verb, const struct types_test *test)
{
    if (strcmp(verb, "test") == 0) {
        return types_test(test);
    }
    if (strcmp(verb, "import") == 0) {
        return types_import(test->file);
    }
    struct pen_types *types = NULL;
    struct pen_err err = {0};
    if (pen_types_load(test->types_dir, &types, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    const int code = strcmp(verb, "list") == 0 ? list(types, test->json) : show(types, test->file);
    pen_types_free(types);
    return code;
}

/* -1: go on; else the exit code. */
static int take(struct types_test *test, int id, const char *value)
{
    switch (id) {
    case OPT_DIR:
        test->types_dir = value;
        return -1;
    case OPT_KEY:
        test->key = value;
        return -1;
    case OPT_AS:
        test->as_type = value;
        return -1;
    case OPT_JSON:
        test->json = true;
        return -1;
    case OPT_HELP:
        (void)fputs(help, stdout);
        return 0;
    case CLI_OPERAND:
        if (test->file == NULL) {
            test->file = value;
            return -1;
        }
        (void)fprintf(stderr, "penstock: types takes one name or file: `%s`\n", value);
        return 2;
    default:
        return 2;
    }
}

int cmd_types(int argc, char **argv)
{
    static const char *const verbs[] = {"list", "show", "test", "import"};
    const char *verb = argc > 1 ? argv[1] : "";
    struct types_test test = {0};
    bool is_known = strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0;
    struct cli_parser parser = {.command = "types",
                                .argc = argc,
                                .argv = argv,
                                .tables = {options},
                                .at = is_known ? 1 : 2};
    for (size_t i = 0; i < PEN_COUNT(verbs); i++) {
        is_known |= strcmp(verb, verbs[i]) == 0;
    }
    if (!is_known) {
        (void)fprintf(stderr, "%s%s%s", argc > 1 ? "penstock: no command `types " : help, verb,
                      argc > 1 ? "`; penstock types --help lists them\n" : "");
        return 2;
    }
    char *value = NULL;
    for (int id = cli_next(&parser, &value); id != CLI_END; id = cli_next(&parser, &value)) {
        const int code = take(&test, id, value);
        if (code >= 0) {
            return code;
        }
    }
    if ((strcmp(verb, "list") == 0) != (test.file == NULL)) {
        (void)fprintf(stderr, "penstock: types %s%s\n", verb,
                      test.file != NULL ? " takes no name"
                      : verb[0] == 's'  ? " wants the NAME of a log type: types list has them"
                                        : " wants a FILE; - is standard input");
        return 2;
    }
    return run(verb, &test);
}
