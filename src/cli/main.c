/* tested by tests/e2e/test_replay.py */
#include "penstock/runtime.h"

#include "options.h"

#include <errno.h>
#include <stdio.h>

static const char help[] =
    "penstock reads AWS logs, writes ECS documents and runs Sigma rules over every record.\n"
    "\n"
    "  penstock replay [options] SOURCE...     history to documents and signals\n"
    "  penstock search QUERY SOURCE...         the records that match: grep for logs\n"
    "  penstock rules check PATH...            every error of every rule file\n"
    "  penstock rules list [PATH...]           the rules, one a line\n"
    "  penstock rules match SOURCE...          which record matches which rule\n"
    "  penstock rules test [PATH...]           runs the tests beside rules\n"
    "  penstock rules explain --rule ID EVENT  each condition, its values, its verdict\n"
    "  penstock signals list | show | events | triage   what a replay found\n"
    "  penstock state show RULE                what a replay keeps of a rule: groups, counts\n"
    "  penstock dead-letters list | show | retry        what was refused and why\n"
    "  penstock coverage SOURCE                what is there, by type, account, region and day\n"
    "  penstock types list | show | test | import  log types\n"
    "  penstock check                          config, rules, types, memory: what a run would use\n"
    "  penstock sink setup SPEC                index templates into a cluster\n"
    "  penstock bench generate | limit | stages | rules | s3 | sink  logs; what things cost\n"
    "  penstock version                        version, commit, CPU features, libraries\n"
    "\n"
    "penstock COMMAND --help tells the options of a command.  Reserved, and not built yet:\n"
    "follow.\n";

int cli_fail(const struct pen_err *err)
{
    struct pen_buf text;
    pen_buf_init(&text, sizeof(err->text) * 8);
    if (pen_escape_terminal(&text, pen_slice_str(err->text)) == PEN_OK) {
        (void)fprintf(stderr, "penstock: %.*s\n", (int)text.len, (const char *)text.ptr);
    }
    pen_buf_fini(&text);
    return pen_status_exit(err->status);
}

bool cli_time(const char *text, int64_t *ns)
{
    const pen_slice s = pen_slice_str(text);
    const int64_t now = pen_clock_wall_ns();
    int64_t back = 0;
    if (pen_slice_eq(s, PEN_SLICE_LIT("now"))) {
        *ns = now;
        return true;
    }
    if (pen_slice_eq(s, PEN_SLICE_LIT("today"))) {
        *ns = now / PEN_NS_PER_DAY * PEN_NS_PER_DAY;
        return true;
    }
    if (s.len > 1 && s.ptr[0] == '-' && pen_parse_duration(pen_slice_sub(s, 1, s.len), &back)) {
        *ns = now - back;
        return true;
    }
    return pen_parse_time(s, ns);
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: reserved */
} commands[] = {
    {"replay", cmd_replay},   {"search", cmd_search}, {"rules", cmd_rules},
    {"signals", cmd_signals}, {"check", cmd_check},   {"bench", cmd_bench},
    {"version", cmd_version}, {"follow", NULL},       {"coverage", cmd_coverage},
    {"types", cmd_types},     {"sink", cmd_sink},     {"dead-letters", cmd_dead_letters},
    {"state", cmd_state},
};

static int no_command(const char *name)
{
    const char *names[PEN_COUNT(commands)];
    for (size_t i = 0; i < PEN_COUNT(commands); i++) {
        names[i] = commands[i].name;
    }
    const char *near = cli_nearest(name, names, PEN_COUNT(names));
    (void)fprintf(stderr, "penstock: no command `%s`; %s%s\n", name,
                  near == NULL ? "penstock --help lists them" : "the nearest is ",
                  near == NULL ? "" : near);
    return 2;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs(help, stderr);
        return 2;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    for (size_t i = 0; i < PEN_COUNT(commands); i++) {
        if (strcmp(name, commands[i].name) != 0) {
            continue;
        }
        if (commands[i].run == NULL) {
            (void)fprintf(stderr,
                          "penstock: `%s` is not built yet; penstock --help lists what is\n", name);
            return 2;
        }
        return commands[i].run(argc - 1, argv + 1);
    }
    return no_command(name);
}

bool cli_output_is_good(void)
{
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

/* The one place that tells of output that could not be written: 1, else the code of the command. */
static int output_end(int code)
{
    const bool is_now = fflush(stdout) != 0;
    if (!is_now && ferror(stdout) == 0) {
        return code;
    }
    /* When an earlier write failed, trying once more tells its reason. */
    const bool has_reason = is_now || putchar('\n') == EOF || fflush(stdout) != 0;
    (void)fprintf(stderr, "penstock: cannot write standard output: %s\n",
                  has_reason ? strerrordesc_np(errno) : "a part of it is missing");
    return 1;
}

int main(int argc, char **argv)
{
    return output_end(dispatch(argc, argv));
}
