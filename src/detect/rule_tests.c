#include "files.h"
#include "rule_events.h"
#include "rule_payloads.h"
#include "sigma.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#define TEST_SUFFIX ".test.yml"
#define JSON_SUFFIX ".test.json"

struct loader {
    struct pen_arena *arena;
    struct rule_events events; /* items start anew for each test */
    struct pen_rule_test *tests;
    uint32_t count, cap;
    pen_slice file, rule_file;
    struct pen_err *err;
    bool is_builtin;
};

static PEN_PRINTF(3, 4) pen_status
    mistake(struct loader *l, const struct pen_yaml *at, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started the line before
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return PEN_FAIL(l->err, PEN_E_RULE, PEN_NO_OFFSET, "%.*s:%u:%u: %s", PEN_SLICE_FMT(l->file),
                    at->line, at->column, text);
}

static pen_status no_memory(struct loader *l)
{
    return PEN_FAIL(l->err, PEN_E_NOMEM, PEN_NO_OFFSET, "%.*s: out of memory",
                    PEN_SLICE_FMT(l->file));
}

/* Every member of a map is one of names: a name that is misspelt would test nothing. */
static pen_status check_members(struct loader *l, const struct pen_yaml *map, const char *what,
                                const char *const *names)
{
    if (map->kind != PEN_YAML_MAP) {
        return mistake(l, map, "%s is a map", what);
    }
    for (const struct pen_yaml *kid = map->child; kid != NULL; kid = kid->next) {
        bool is_known = false;
        for (const char *const *name = names; *name != NULL; name++) {
            is_known = is_known || pen_slice_eq(kid->key->text, pen_slice_str(*name));
        }
        if (!is_known) {
            return mistake(l, kid->key, "%s has no member `%.*s`", what,
                           PEN_SLICE_FMT(kid->key->text));
        }
    }
    return PEN_OK;
}

/* ---- events ---- */

static pen_status add_event_file(struct loader *l, const struct pen_yaml *node)
{
    char path[PATH_MAX];
    const char *file = (const char *)l->file.ptr;
    const char *slash = strrchr(file, '/');
    const bool is_absolute = node->text.ptr[0] == '/';
    const int dir_len = slash == NULL || is_absolute ? 0 : (int)(slash - file) + 1;
    const int len =
        snprintf(path, sizeof(path), "%.*s%s", dir_len, file, (const char *)node->text.ptr);
    struct pen_err why;
    if (l->is_builtin || len < 0 || (size_t)len >= sizeof(path)) {
        return mistake(l, node, "the event is neither JSON nor the name of a file here");
    }
    struct pen_buf text;
    pen_buf_init(&text, RULE_FILE_BYTES_MAX + 1);
    pen_status st = rule_file_read(path, &text, &why);
    if (st != PEN_OK) {
        st = mistake(l, node, "%s", why.text);
    } else if (rule_events_add_text(&l->events, pen_buf_slice(&text), &why) != PEN_OK) {
        st = mistake(l, node, "%s: %s", path, why.text);
    }
    pen_buf_fini(&text);
    return st;
}

static pen_status add_event(struct loader *l, const struct pen_yaml *node)
{
    struct pen_err why;
    const struct pen_yaml *bad = NULL;
    pen_status st = PEN_OK;
    if (node->kind == PEN_YAML_SEQ) {
        return mistake(l, node, "an event is JSON in quotes, a map or the name of a file");
    }
    if (node->kind == PEN_YAML_MAP) {
        st = rule_events_add_map(&l->events, node, &bad, &why);
    } else {
        const pen_slice text = pen_slice_trim(node->text);
        if (text.len == 0) {
            return mistake(l, node, "the event is empty");
        }
        if (text.ptr[0] != '{' && text.ptr[0] != '[') {
            return add_event_file(l, node);
        }
        st = rule_events_add_text(&l->events, text, &why);
    }
    return st == PEN_OK ? PEN_OK : mistake(l, bad == NULL ? node : bad, "%s", why.text);
}

/* {repeat: N, event: EVENT}, which no log has as a record. */
static bool is_repeated(const struct pen_yaml *node)
{
    return node->kind == PEN_YAML_MAP && node->count == 2 && pen_yaml_get(node, "repeat") != NULL &&
           pen_yaml_get(node, "event") != NULL;
}

static pen_status add_repeated(struct loader *l, const struct pen_yaml *node)
{
    const struct pen_yaml *repeat = pen_yaml_get(node, "repeat");
    const uint32_t first = l->events.count;
    struct pen_err why;
    uint64_t times = 0;
    if (repeat->kind != PEN_YAML_SCALAR || !pen_parse_u64(repeat->text, &times) || times == 0 ||
        times > RULE_EVENT_REPEAT_MAX) {
        return mistake(l, repeat, "`repeat` is a number from 1 to %u", RULE_EVENT_REPEAT_MAX);
    }
    PEN_TRY(add_event(l, pen_yaml_get(node, "event")));
    const pen_status st = rule_events_repeat(&l->events, first, (uint32_t)times, &why);
    return st == PEN_OK ? PEN_OK : mistake(l, node, "%s", why.text);
}

static pen_status read_events(struct loader *l, const struct pen_yaml *root,
                              struct pen_rule_test *test)
{
    const struct pen_yaml *events = pen_yaml_get(root, "events");
    if (events == NULL || events->kind != PEN_YAML_SEQ || events->count == 0) {
        return mistake(l, events == NULL ? root : events, "`events` is a list of at least one");
    }
    l->events.items = NULL; /* those of the last test stay where they are */
    l->events.count = 0;
    l->events.cap = 0;
    for (const struct pen_yaml *kid = events->child; kid != NULL; kid = kid->next) {
        PEN_TRY(is_repeated(kid) ? add_repeated(l, kid) : add_event(l, kid));
    }
    test->events = l->events.items;
    test->event_count = l->events.count;
    return PEN_OK;
}

/* ---- what is expected ---- */

static pen_status read_group(struct loader *l, const struct pen_yaml *group,
                             struct pen_rule_test_signal *signal)
{
    if (group == NULL) {
        return PEN_OK;
    }
    if (group->kind != PEN_YAML_MAP) {
        return mistake(l, group, "`group` is a map");
    }
    struct pen_rule_test_key *keys =
        PEN_NEW_N(l->arena, struct pen_rule_test_key, group->count + 1);
    if (keys == NULL) {
        return no_memory(l);
    }
    for (const struct pen_yaml *kid = group->child; kid != NULL; kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR) {
            return mistake(l, kid, "a value of `group` is a text");
        }
        keys[signal->group_count++] =
            (struct pen_rule_test_key){.name = kid->key->text, .value = kid->text};
    }
    signal->group = keys;
    return PEN_OK;
}

static pen_status read_signal(struct loader *l, const struct pen_yaml *node,
                              struct pen_rule_test_signal *signal)
{
    static const char *const names[] = {"severity", "group", "first_seen", NULL};
    *signal = (struct pen_rule_test_signal){.severity = -1, .first_seen_ns = INT64_MIN};
    PEN_TRY(check_members(l, node, "a signal", names));
    const struct pen_yaml *severity = pen_yaml_get(node, "severity");
    for (int i = PEN_INFO; severity != NULL && i <= PEN_CRITICAL; i++) {
        if (pen_slice_eq(severity->text, pen_slice_str(pen_severity_name((enum pen_severity)i)))) {
            signal->severity = i;
        }
    }
    if (severity != NULL && signal->severity < 0) {
        return mistake(l, severity, "`severity` is info, low, medium, high or critical");
    }
    const struct pen_yaml *first = pen_yaml_get(node, "first_seen");
    if (first != NULL && !pen_parse_time(first->text, &signal->first_seen_ns)) {
        return mistake(l, first, "`first_seen` is a time as in 2024-01-31T23:59:59Z");
    }
    return read_group(l, pen_yaml_get(node, "group"), signal);
}

static pen_status read_signals(struct loader *l, const struct pen_yaml *list,
                               struct pen_rule_test *test)
{
    if (list->kind != PEN_YAML_SEQ) {
        return mistake(l, list, "`signals` is a list");
    }
    struct pen_rule_test_signal *signals =
        PEN_NEW_N(l->arena, struct pen_rule_test_signal, list->count + 1);
    if (signals == NULL) {
        return no_memory(l);
    }
    for (const struct pen_yaml *kid = list->child; kid != NULL; kid = kid->next) {
        PEN_TRY(read_signal(l, kid, &signals[test->signal_count++]));
    }
    test->expect = PEN_EXPECT_SIGNALS;
    test->signals = signals;
    return PEN_OK;
}

static pen_status read_expect(struct loader *l, const struct pen_yaml *root,
                              struct pen_rule_test *test)
{
    static const char *const names[] = {"match", "signals", NULL};
    const struct pen_yaml *expect = pen_yaml_get(root, "expect");
    if (expect == NULL) {
        return mistake(l, root, "`expect` is missing");
    }
    PEN_TRY(check_members(l, expect, "`expect`", names));
    const struct pen_yaml *match = pen_yaml_get(expect, "match");
    const struct pen_yaml *signals = pen_yaml_get(expect, "signals");
    if ((match == NULL) == (signals == NULL)) {
        return mistake(l, expect, "`expect` has either `match` or `signals`");
    }
    if (signals != NULL) {
        return read_signals(l, signals, test);
    }
    const struct scalar verdict =
        match->kind == PEN_YAML_SCALAR ? sigma_scalar(l->arena, match) : (struct scalar){0};
    if (verdict.kind != SCALAR_BOOL) {
        return mistake(l, match, "`match` is true or false");
    }
    test->expect =
        pen_slice_eq(verdict.text, PEN_SLICE_LIT("true")) ? PEN_EXPECT_MATCH : PEN_EXPECT_NO_MATCH;
    return PEN_OK;
}

/* ---- tests and files ---- */

static pen_status read_test(struct loader *l, const struct pen_yaml *root,
                            struct pen_rule_test *test)
{
    static const char *const names[] = {"name", "type", "rule", "events", "expect", NULL};
    PEN_TRY(check_members(l, root, "a test", names));
    *test = (struct pen_rule_test){.file = l->file,
                                   .rule_file = l->rule_file,
                                   .rule_id = pen_yaml_text(root, "rule"),
                                   .name = pen_yaml_text(root, "name"),
                                   .type = pen_yaml_text(root, "type"),
                                   .line = root->line};
    if (test->name.len == 0 || test->type.len == 0) {
        return mistake(l, root, "`%s` is missing", test->name.len == 0 ? "name" : "type");
    }
    PEN_TRY(read_events(l, root, test));
    return read_expect(l, root, test);
}

static pen_status grow(struct loader *l, uint32_t extra)
{
    if (extra <= l->cap - l->count) {
        return PEN_OK;
    }
    const uint32_t cap = (l->count + extra) * 2;
    struct pen_rule_test *tests = PEN_NEW_N(l->arena, struct pen_rule_test, cap);
    if (tests == NULL) {
        return no_memory(l);
    }
    if (l->count > 0) {
        memcpy(tests, l->tests, l->count * sizeof(*tests));
    }
    l->tests = tests;
    l->cap = cap;
    return PEN_OK;
}

static pen_status read_document(struct loader *l, const struct pen_yaml *root)
{
    static const char *const names[] = {"tests", NULL};
    PEN_TRY(check_members(l, root, "a test file", names));
    const struct pen_yaml *tests = pen_yaml_get(root, "tests");
    if (tests == NULL || tests->kind != PEN_YAML_SEQ || tests->count == 0) {
        return mistake(l, tests == NULL ? root : tests, "`tests` is a list of at least one");
    }
    PEN_TRY(grow(l, tests->count));
    for (const struct pen_yaml *kid = tests->child; kid != NULL; kid = kid->next) {
        PEN_TRY(read_test(l, kid, &l->tests[l->count]));
        l->count++;
    }
    return PEN_OK;
}

static bool file_exists(const struct loader *l, const char *path)
{
    struct stat info;
    return l->is_builtin ? rule_file_builtin(path).ptr != NULL : stat(path, &info) == 0;
}

/* The rule file that a test file lies beside. */
static pen_status find_rule_file(struct loader *l, const char *path)
{
    static const char *const ends[] = {".yml", ".yaml", ".json"};
    char rule[PATH_MAX];
    const bool is_json = rule_name_ends(path, JSON_SUFFIX);
    const int stem = (int)(strlen(path) - strlen(is_json ? JSON_SUFFIX : TEST_SUFFIX));
    for (size_t i = 0; i < PEN_COUNT(ends); i++) {
        (void)snprintf(rule, sizeof(rule), "%.*s%s", stem, path, ends[i]);
        if (file_exists(l, rule)) {
            l->rule_file = pen_arena_dup(l->arena, pen_slice_str(rule));
            return l->rule_file.ptr != NULL ? PEN_OK : no_memory(l);
        }
    }
    return PEN_FAIL(l->err, PEN_E_RULE, PEN_NO_OFFSET,
                    "%s:1:1: no rule beside it (%.*s.yml, .yaml or .json)", path, stem, path);
}

static bool is_test_file(const char *name)
{
    return rule_name_ends(name, TEST_SUFFIX) || rule_name_ends(name, JSON_SUFFIX);
}

/* Rules of Datadog may hold their tests themselves. */
static bool may_hold_tests(const char *name)
{
    return is_test_file(name) || rule_name_ends(name, ".json");
}

static pen_status read_payloads(struct loader *l, pen_slice text, bool is_alone)
{
    struct rule_payloads payloads = {.arena = l->arena,
                                     .events = &l->events,
                                     .file = l->file,
                                     .rule_file = l->rule_file,
                                     .tests = l->tests,
                                     .count = l->count,
                                     .cap = l->cap};
    PEN_TRY(rule_payloads_read(&payloads, text, is_alone, l->err));
    l->tests = payloads.tests;
    l->count = payloads.count;
    l->cap = payloads.cap;
    return PEN_OK;
}

static pen_status each_file(void *ctx, const char *path, pen_slice text, struct pen_err *err)
{
    struct loader *l = ctx;
    struct pen_yaml_docs docs;
    struct pen_err why;
    l->err = err;
    const bool is_alone = is_test_file(path);
    if (!may_hold_tests(path)) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET,
                        "%s:1:1: neither a rule file nor a test file (NAME" TEST_SUFFIX ")", path);
    }
    l->file = pen_arena_dup(l->arena, pen_slice_str(path));
    if (l->file.ptr == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", path);
    }
    l->rule_file = l->file;
    PEN_TRY(is_alone ? find_rule_file(l, path) : PEN_OK);
    if (rule_name_ends(path, ".json")) {
        return read_payloads(l, text, is_alone);
    }
    if (pen_yaml_parse(l->arena, text, NULL, &docs, &why) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "%s:%s", path, why.text);
    }
    if (docs.count == 0) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "%s:1:1: the file holds no test", path);
    }
    for (uint32_t i = 0; i < docs.count; i++) {
        PEN_TRY(read_document(l, docs.roots[i]));
    }
    return PEN_OK;
}

/* The test file beside a rule file, when there is one. */
static bool test_path(const char *path, const char *suffix, char *out, size_t size)
{
    static const char *const ends[] = {".yml", ".yaml", ".json"};
    struct stat info;
    for (size_t i = 0; i < PEN_COUNT(ends); i++) {
        if (rule_name_ends(path, ends[i])) {
            const int stem = (int)(strlen(path) - strlen(ends[i]));
            const int len = snprintf(out, size, "%.*s%s", stem, path, suffix);
            return len >= 0 && (size_t)len < size && stat(out, &info) == 0;
        }
    }
    return false;
}

static bool is_rule_path(const char *path)
{
    struct stat info;
    return !is_test_file(path) &&
           (rule_name_ends(path, ".yml") || rule_name_ends(path, ".yaml") ||
            rule_name_ends(path, ".json")) &&
           stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* Of a rule file those in it and beside it; of other paths all that are there. */
static pen_status load_path(struct loader *l, const char *path)
{
    static const char *const suffixes[] = {TEST_SUFFIX, JSON_SUFFIX};
    const struct rule_files files = {.is_wanted = may_hold_tests, .each = each_file, .ctx = l};
    char beside[PATH_MAX];
    const bool is_rule = is_rule_path(path);
    pen_status st = PEN_OK;
    if (!is_rule || rule_name_ends(path, ".json")) {
        st = rule_files_each(path, &files, l->err);
    }
    for (size_t i = 0; st == PEN_OK && is_rule && i < PEN_COUNT(suffixes); i++) {
        if (test_path(path, suffixes[i], beside, sizeof(beside))) {
            st = rule_files_each(beside, &files, l->err);
        }
    }
    return st;
}

pen_status pen_rule_tests_load(const char *path, struct pen_arena *arena,
                               struct pen_rule_test **out, uint32_t *count, struct pen_err *err)
{
    struct loader l = {.arena = arena, .err = err, .is_builtin = strcmp(path, "builtin") == 0};
    *out = NULL;
    *count = 0;
    pen_status st = rule_events_init(&l.events, arena, err);
    st = st == PEN_OK ? load_path(&l, path) : st;
    rule_events_fini(&l.events);
    if (st == PEN_OK) {
        *out = l.tests;
        *count = l.count;
    }
    return st;
}
