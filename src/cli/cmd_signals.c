/* tested by tests/e2e/test_signals.py */
#include "penstock/signals.h"

#include "events_read.h"
#include "options.h"
#include "signal_view.h"
#include "signals_help.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUT_DEFAULT "penstock-out"
#define PASSWD_BYTES 16384
#define LINE_BYTES_MAX ((size_t)1 << 30)

static const char *const reasons[] = {"none",
                                      "false_positive",
                                      "testing_or_maintenance",
                                      "remediated",
                                      "investigated_case_opened",
                                      "true_positive_benign",
                                      "true_positive_malicious",
                                      "other"};

enum signals_option {
    OPT_OUT = 1,
    OPT_JSON,
    OPT_STATE,
    OPT_SEVERITY,
    OPT_MIN_SEVERITY,
    OPT_RULE,
    OPT_ACCOUNT,
    OPT_FROM,
    OPT_TO,
    OPT_LIMIT,
    OPT_SORT,
    OPT_MODE,
    OPT_REASON,
    OPT_ASSIGNEE,
    OPT_NOTE,
    OPT_USER,
    OPT_READS,
    OPT_HELP
};
/* Those that every verb has end each table. */
#define COMMON_OPTIONS                                                                  \
    {"--out", OPT_OUT, true}, {"--json", OPT_JSON, false}, {"--help", OPT_HELP, false}, \
        {"-h", OPT_HELP, false},                                                        \
    {                                                                                   \
        NULL, 0, false                                                                  \
    }
static const struct cli_option list_options[] = {{"--state", OPT_STATE, true},
                                                 {"--severity", OPT_SEVERITY, true},
                                                 {"--min-severity", OPT_MIN_SEVERITY, true},
                                                 {"--rule", OPT_RULE, true},
                                                 {"--account", OPT_ACCOUNT, true},
                                                 {"--from", OPT_FROM, true},
                                                 {"--to", OPT_TO, true},
                                                 {"--limit", OPT_LIMIT, true},
                                                 {"--sort", OPT_SORT, true},
                                                 {"--mode", OPT_MODE, true},
                                                 COMMON_OPTIONS};
static const struct cli_option show_options[] = {{"--reads", OPT_READS, true}, COMMON_OPTIONS};
static const struct cli_option events_options[] = {
    {"--limit", OPT_LIMIT, true}, {"--reads", OPT_READS, true}, COMMON_OPTIONS};
static const struct cli_option triage_options[] = {
    {"--state", OPT_STATE, true},       {"--reason", OPT_REASON, true},
    {"--assignee", OPT_ASSIGNEE, true}, {"--note", OPT_NOTE, true},
    {"--user", OPT_USER, true},         COMMON_OPTIONS};

enum verb { VERB_LIST, VERB_SHOW, VERB_EVENTS, VERB_TRIAGE };
static const struct verb_row {
    const char *name;
    const char *command;
    const char *help;
    const struct cli_option *options;
    int words_max; /* ids; at least one unless this is 0 */
} verbs[] = {
    {"list", "signals list", help_list, list_options, 0},
    {"show", "signals show", help_show, show_options, 1},
    {"events", "signals events", help_events, events_options, 1},
    {"triage", "signals triage", help_triage, triage_options, INT32_MAX},
};

struct args {
    const struct verb_row *verb;
    struct cli_parser parser;
    const char *out_dir;
    bool json;
    struct pen_signals_filter filter;
    enum pen_triage_state state;
    struct pen_triage triage;
    struct events_read_call reads;
    const char **words; /* ids as given; room for all arguments */
    uint32_t word_count;
    int severity_option; /* which of the two was given */
    bool is_told;        /* stderr has been told why it fails */
};

/* ---- options ---- */

/* Bits of the names in a comma list. */
static bool names_read(const char *text, const char *(*name)(uint32_t), uint32_t count,
                       uint32_t *bits)
{
    pen_slice rest = pen_slice_str(text);
    pen_slice part;
    bool is_good = rest.len > 0;
    while (is_good && pen_slice_split(&rest, ',', &part)) {
        uint32_t i = 0;
        while (i < count && !pen_slice_eq(part, pen_slice_str(name(i)))) {
            i++;
        }
        is_good = i < count;
        *bits |= is_good ? UINT32_C(1) << i : 0;
    }
    return is_good;
}

static const char *state_name(uint32_t i)
{
    return pen_triage_state_name((enum pen_triage_state)i);
}

static const char *severity_name(uint32_t i)
{
    return pen_severity_name((enum pen_severity)i);
}

static int take_state(struct args *args, const char *value)
{
    if (args->verb != &verbs[VERB_TRIAGE]) {
        return names_read(value, state_name, PEN_TRIAGE_STATES, &args->filter.states)
                   ? 0
                   : cli_bad_value(&args->parser, value, "open, under_review, archived");
    }
    for (uint32_t i = 0; i < PEN_TRIAGE_STATES; i++) {
        if (strcmp(value, state_name(i)) == 0) {
            args->state = (enum pen_triage_state)i;
            args->triage.state = &args->state;
            return 0;
        }
    }
    return cli_bad_value(&args->parser, value, "one of open, under_review, archived");
}

static int take_severities(struct args *args, int option, const char *value)
{
    uint32_t bits = 0;
    if (!names_read(value, severity_name, PEN_CRITICAL + 1, &bits) ||
        (option == OPT_MIN_SEVERITY && (bits & (bits - 1)) != 0)) {
        return cli_bad_value(&args->parser, value, "info, low, medium, high or critical");
    }
    if (args->severity_option != 0 &&
        (args->severity_option != option || option == OPT_MIN_SEVERITY)) {
        return cli_bad_value(&args->parser, value, "no --severity and no --min-severity before it");
    }
    args->severity_option = option;
    if (option == OPT_MIN_SEVERITY) {
        bits = (UINT32_C(2) << PEN_CRITICAL) - bits; /* this bit and all above */
    }
    args->filter.severities |= bits;
    return 0;
}

static int take_sort(struct args *args, const char *value)
{
    args->filter.reversed = value[0] == '-';
    for (uint32_t i = 0; i < PEN_SORT_COUNT; i++) {
        if (strcmp(value + args->filter.reversed,
                   pen_signals_sort_name((enum pen_signals_sort)i)) == 0) {
            args->filter.sort = (enum pen_signals_sort)i;
            return 0;
        }
    }
    return cli_bad_value(&args->parser, value,
                         "severity, first_seen, last_seen, events or rule, or one with a - before");
}

static int take_mode(struct args *args, const char *value)
{
    for (uint32_t i = 0; i < PEN_MODE_COUNT; i++) {
        if (strcmp(value, pen_signals_mode_name((enum pen_signals_mode)i)) == 0) {
            args->filter.mode = (enum pen_signals_mode)i;
            return 0;
        }
    }
    return cli_bad_value(&args->parser, value, "active, shadow, suppressed or all");
}

static int take_reason(struct args *args, const char *value)
{
    for (size_t i = 0; i < PEN_COUNT(reasons); i++) {
        if (strcmp(value, reasons[i]) == 0) {
            args->triage.reason = reasons[i];
            return 0;
        }
    }
    return cli_bad_value(&args->parser, value, "one of those that --help lists");
}

static int take_filter(struct args *args, int option, const char *value)
{
    struct pen_signals_filter *f = &args->filter;
    switch (option) {
    case OPT_RULE:
        f->rule = value;
        return 0;
    case OPT_ACCOUNT:
        f->account = value;
        return 0;
    case OPT_FROM:
    case OPT_TO:
        return cli_time(value, option == OPT_FROM ? &f->from_ns : &f->to_ns)
                   ? 0
                   : cli_bad_value(&args->parser, value,
                                   "a date, an RFC 3339 time, -7d, now or today");
    case OPT_LIMIT:
        return pen_parse_u64(pen_slice_str(value), &f->limit) && f->limit > 0
                   ? 0
                   : cli_bad_value(&args->parser, value, "a number from 1");
    case OPT_SORT:
        return take_sort(args, value);
    case OPT_MODE:
        return take_mode(args, value);
    default:
        return take_severities(args, option, value);
    }
}

static int take(struct args *args, int option, const char *value)
{
    switch (option) {
    case CLI_OPERAND:
        args->words[args->word_count++] = value;
        return 0;
    case OPT_OUT:
        args->out_dir = value;
        return 0;
    case OPT_JSON:
        args->json = true;
        return 0;
    case OPT_STATE:
        return take_state(args, value);
    case OPT_READS:
        args->reads.has_reads_max = pen_parse_u64(pen_slice_str(value), &args->reads.reads_max);
        return args->reads.has_reads_max
                   ? 0
                   : cli_bad_value(&args->parser, value, "a number of objects, 0 for none");
    case OPT_REASON:
        return take_reason(args, value);
    case OPT_ASSIGNEE:
        args->triage.assignee = value;
        return 0;
    case OPT_NOTE:
        args->triage.note = value;
        return 0;
    case OPT_USER:
        args->triage.user = value;
        return value[0] != '\0' ? 0 : cli_bad_value(&args->parser, value, "a name");
    default:
        return take_filter(args, option, value);
    }
}

static int usage_error(const struct args *args, const char *text)
{
    (void)fprintf(stderr, "penstock: %s; penstock %s --help tells more\n", text,
                  args->parser.command);
    return 2;
}

/* What no single option shows to be wrong. */
static int args_check(const struct args *args)
{
    const struct pen_triage *t = &args->triage;
    if (args->verb->words_max == 0 && args->word_count > 0) {
        return usage_error(args, "list takes no ID: `show` does");
    }
    if (args->verb->words_max > 0 && args->word_count == 0) {
        return usage_error(args, "the ID of a signal is missing");
    }
    if (args->word_count > (uint32_t)args->verb->words_max) {
        return usage_error(args, "one ID only");
    }
    if (args->verb != &verbs[VERB_TRIAGE]) {
        return -1;
    }
    if (t->state == NULL && t->reason == NULL && t->assignee == NULL && t->note == NULL) {
        return usage_error(args, "nothing to do: give --state, --reason, --assignee or --note");
    }
    if (t->reason != NULL && t->state != NULL && *t->state != PEN_TRIAGE_ARCHIVED) {
        return usage_error(args, "--reason is for --state archived");
    }
    return -1;
}

/* The exit code when the command ends here, or -1. */
static int args_read(struct args *args, const char *help_text)
{
    char *value = NULL;
    for (;;) {
        const int got = cli_next(&args->parser, &value);
        if (got == CLI_END) {
            return args_check(args);
        }
        if (got == OPT_HELP) {
            (void)fputs(help_text, stdout);
            return 0;
        }
        if (got == CLI_WRONG || take(args, got, value) != 0) {
            return 2;
        }
    }
}

/* ---- commands ---- */

/* stderr: id, severity, rule. */
static pen_status print_candidate(void *ctx, const struct pen_signal_row *row)
{
    struct pen_buf *text = ctx;
    text->len = 0;
    PEN_TRY(pen_escape_terminal(text, row->id));
    PEN_TRY(pen_buf_printf(text, "  "));
    PEN_TRY(pen_escape_terminal(text, row->severity));
    PEN_TRY(pen_buf_printf(text, "  "));
    PEN_TRY(pen_escape_terminal(text, pen_slice_sub(row->rule_name, 0, 256)));
    (void)fprintf(stderr, "  %.*s\n", (int)text->len, (const char *)text->ptr);
    return PEN_OK;
}

static void print_candidates(struct pen_signals *signals, const struct pen_signal_ids *found)
{
    struct pen_buf text;
    struct pen_err ignored; /* the candidates are a courtesy */
    pen_buf_init(&text, (size_t)16 << 10);
    for (uint32_t i = 0; i < found->count; i++) {
        const struct pen_signals_filter filter = {
            .id = found->ids[i], .from_ns = INT64_MIN, .to_ns = INT64_MAX};
        if (pen_signals_list(signals, &filter, print_candidate, &text, &ignored) != PEN_OK) {
            break;
        }
    }
    if (found->more) {
        (void)fputs("  and more\n", stderr);
    }
    pen_buf_fini(&text);
}

/* The whole ids of the words; full holds one for each. */
static pen_status resolve(struct args *args, struct pen_signals *signals, char (*full)[33],
                          struct pen_err *err)
{
    for (uint32_t i = 0; i < args->word_count; i++) {
        struct pen_signal_ids found;
        const pen_status st = pen_signals_resolve(signals, args->words[i], &found, err);
        if (st != PEN_OK) {
            (void)fprintf(stderr, "penstock: `%.40s`: %s\n", args->words[i], err->text);
            print_candidates(signals, &found);
            return st;
        }
        memcpy(full[i], found.ids[0], sizeof(full[i]));
    }
    return PEN_OK;
}

static pen_status run_list(struct args *args, struct signal_view *view, struct pen_signals *signals,
                           struct pen_err *err)
{
    if (!view->json) {
        signal_view_header(view);
    }
    PEN_TRY(pen_signals_list(signals, &args->filter, signal_view_row, view, err));
    if (!view->json && fflush(stdout) == 0) {
        (void)fprintf(stderr, "%" PRIu64 " signals%s\n", view->shown,
                      view->shown > 0 ? "; `penstock signals show ID` explains one" : "");
    }
    return PEN_OK;
}

/* The name of who is logged in, or the number of the user. */
static void login_name(char *name, size_t cap)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char *memory = malloc(PASSWD_BYTES);
    if (memory != NULL && getpwuid_r(getuid(), &entry, memory, PASSWD_BYTES, &found) == 0 &&
        found != NULL) {
        (void)snprintf(name, cap, "%s", found->pw_name);
    } else {
        (void)snprintf(name, cap, "%u", (unsigned)getuid());
    }
    free(memory);
}

static pen_status run_triage(struct args *args, struct signal_view *view,
                             struct pen_signals *signals, char (*full)[33], struct pen_err *err)
{
    char user[256];
    uint32_t changed = 0;
    const char **ids = calloc(args->word_count, sizeof(*ids));
    if (ids == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    for (uint32_t i = 0; i < args->word_count; i++) {
        ids[i] = full[i];
    }
    if (args->triage.user == NULL) {
        login_name(user, sizeof(user));
        args->triage.user = user;
    }
    pen_status st =
        pen_signals_triage(signals, ids, args->word_count, &args->triage, &changed, err);
    for (uint32_t i = 0; st == PEN_OK && i < args->word_count; i++) {
        const struct pen_signals_filter filter = {
            .id = ids[i], .from_ns = INT64_MIN, .to_ns = INT64_MAX};
        st = pen_signals_list(signals, &filter, signal_view_row, view, err);
    }
    if (st == PEN_OK && !view->json && fflush(stdout) == 0) {
        (void)fprintf(stderr, "%u of %u signals changed\n", changed, args->word_count);
    }
    free(ids);
    return st;
}

/* Texts that were not kept, of as many events as will be shown. */
static pen_status read_again(struct args *args, const struct signal_view *view,
                             struct pen_signals *signals, const char *id, struct pen_err *err)
{
    struct events_read_counts counts;
    const bool is_show = args->verb == &verbs[VERB_SHOW];
    args->reads.out_dir = args->out_dir;
    args->reads.id = id;
    args->reads.events_max = is_show && !view->json ? SIGNAL_VIEW_EVENTS : args->filter.limit;
    PEN_TRY(events_read(signals, &args->reads, &counts, err));
    if (counts.objects > 0) {
        (void)fprintf(stderr,
                      "penstock: of %" PRIu64 " events without a text %" PRIu64
                      " were read again, from %" PRIu64 " objects\n",
                      counts.events, counts.found, counts.objects);
    }
    return PEN_OK;
}

static pen_status run_verb(struct args *args, struct signal_view *view, struct pen_signals *signals,
                           struct pen_err *err)
{
    if (args->verb == &verbs[VERB_LIST]) {
        return run_list(args, view, signals, err);
    }
    char(*full)[33] = calloc(args->word_count, sizeof(*full));
    if (full == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "signals: out of memory");
    }
    pen_status st = resolve(args, signals, full, err);
    if (st != PEN_OK) {
        args->is_told = true;
    } else if (args->verb == &verbs[VERB_TRIAGE]) {
        st = run_triage(args, view, signals, full, err);
    } else {
        view->limit = args->filter.limit;
        st = read_again(args, view, signals, full[0], err);
        st = st != PEN_OK ? st
             : args->verb == &verbs[VERB_SHOW]
                 ? signal_view_show(view, signals, full[0], err)
                 : pen_signals_events(signals, full[0], signal_view_event, view, err);
    }
    free(full);
    return st;
}

static int run(struct args *args)
{
    struct screen screen;
    struct pen_signals *signals = NULL;
    struct pen_err err = {0};
    screen_init(&screen);
    struct signal_view view = {.screen = &screen,
                               .out_dir = args->out_dir,
                               .out_is_default = strcmp(args->out_dir, OUT_DEFAULT) == 0,
                               .json = args->json};
    pen_buf_init(&view.line, LINE_BYTES_MAX);
    pen_status st = pen_signals_open(args->out_dir, &signals, &err);
    if (st == PEN_OK) {
        st = run_verb(args, &view, signals, &err);
    }
    pen_signals_close(signals);
    pen_buf_fini(&view.line);
    screen_fini(&screen);
    if (st != PEN_OK && err.status == PEN_OK) {
        (void)PEN_FAIL(&err, st, PEN_NO_OFFSET, "a signal is too large to show");
    }
    if (st != PEN_OK) {
        return args->is_told ? pen_status_exit(st) : cli_fail(&err);
    }
    return screen_end();
}

static int unknown_verb(const char *word)
{
    static const char *const names[] = {"list", "show", "events", "triage"};
    const char *near = cli_nearest(word, names, PEN_COUNT(names));
    (void)fprintf(stderr, "penstock: no command `signals %.40s`%s%s%s\n", word,
                  near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
                  near == NULL ? "; penstock signals --help lists them" : "?)");
    return 2;
}

int cmd_signals(int argc, char **argv)
{
    const struct verb_row *verb = NULL;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    for (size_t i = 0; i < PEN_COUNT(verbs); i++) {
        verb = strcmp(argv[1], verbs[i].name) == 0 ? &verbs[i] : verb;
    }
    if (verb == NULL) {
        return unknown_verb(argv[1]);
    }
    struct args args = {
        .verb = verb,
        .out_dir = OUT_DEFAULT,
        .filter = {.mode = PEN_MODE_ACTIVE, .from_ns = INT64_MIN, .to_ns = INT64_MAX},
        .parser = {.command = verb->command,
                   .tables = {verb->options},
                   .argc = argc,
                   .argv = argv,
                   .at = 2},
        .words = calloc((size_t)argc, sizeof(*args.words))};
    if (args.words == NULL) {
        (void)fputs("penstock: out of memory\n", stderr);
        return pen_status_exit(PEN_E_NOMEM);
    }
    const int code = args_read(&args, verb->help);
    const int done = code >= 0 ? code : run(&args);
    free(args.words);
    return done;
}
