/* tested by tests/e2e/test_hunt.py */
#include "hunt_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEST_BYTES_MAX ((size_t)2 << 20)
#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define WHY_BYTES_MAX ((size_t)1 << 20)
#define SLOTS_FIRST 1024U
#define GROUP_SEED 3U

/* ---- groups of signals ---- */

void hunt_result_init(struct hunt_result *r, uint32_t groups_max)
{
    *r = (struct hunt_result){.groups_max = groups_max};
}

void hunt_result_fini(struct hunt_result *r)
{
    free(r->groups);
}

static uint64_t *group_slot(uint64_t *slots, uint32_t count, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (count - 1);
    while (slots[at] != 0 && slots[at] != hash) {
        at = (at + 1) & (count - 1);
    }
    return &slots[at];
}

static pen_status groups_grow(struct hunt_result *r)
{
    if (r->group_count < r->group_slots / 4 * 3) {
        return PEN_OK;
    }
    const uint32_t count = r->group_slots == 0 ? SLOTS_FIRST : r->group_slots * 2;
    uint64_t *slots = calloc(count, sizeof(*slots));
    if (slots == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < r->group_slots; i++) {
        if (r->groups[i] != 0) {
            *group_slot(slots, count, r->groups[i]) = r->groups[i];
        }
    }
    free(r->groups);
    r->groups = slots;
    r->group_slots = count;
    return PEN_OK;
}

pen_status hunt_groups_add(struct hunt_result *r, pen_slice group)
{
    const uint64_t hash = pen_hash64(group, GROUP_SEED) | 1U; /* 0 is a free slot */
    PEN_TRY(groups_grow(r));
    uint64_t *slot = group_slot(r->groups, r->group_slots, hash);
    if (*slot == 0 && r->group_count < r->groups_max) {
        *slot = hash;
        r->group_count++;
    }
    return PEN_OK;
}

/* ---- what is told ---- */

static void json_text(const char *before, pen_slice text)
{
    struct pen_buf out;
    pen_buf_init(&out, SIZE_MAX);
    if (pen_json_escape(&out, text) == PEN_OK) {
        (void)printf("%s\"%.*s\"", before, (int)out.len, (const char *)out.ptr);
    }
    pen_buf_fini(&out);
}

static pen_slice time_text(const struct hunt_result *r, int64_t ns, char text[PEN_TIME_MAX])
{
    return (pen_slice){(const uint8_t *)text, r->signals == 0 ? 0 : pen_format_time(ns, text)};
}

void hunt_result_print(const struct hunt_result *r, bool is_json)
{
    char first[PEN_TIME_MAX];
    char last[PEN_TIME_MAX];
    const pen_slice from = time_text(r, r->first_ns, first);
    const pen_slice to = time_text(r, r->last_ns, last);
    if (is_json) {
        json_text("{\"rule\":", pen_slice_str(r->rule));
        json_text(",\"test\":", pen_slice_str(r->test));
        (void)printf(",\"tests\":%u,\"matches\":%" PRIu64 ",\"signals\":%" PRIu64
                     ",\"groups\":%u,\"first_seen\":\"%.*s\",\"last_seen\":\"%.*s\"}\n",
                     r->tests, r->matches, r->signals, r->group_count, PEN_SLICE_FMT(from),
                     PEN_SLICE_FMT(to));
        return;
    }
    (void)printf("rule       %s\ntest       %s, %u passed\nrecords    %" PRIu64
                 " match\nsignals    %" PRIu64,
                 r->rule, r->test, r->tests, r->matches, r->signals);
    if (r->signals > 0) {
        (void)printf(" of %u group%s, first seen %.*s to %.*s", r->group_count,
                     r->group_count == 1 ? "" : "s", PEN_SLICE_FMT(from), PEN_SLICE_FMT(to));
    }
    (void)printf("\n");
    if (!r->has_other) {
        (void)fputs("penstock: no record of that type was met that does not match: the test has "
                    "none\n",
                    stderr);
    }
}

/* ---- files ---- */

static pen_status file_fail(const char *path, int code, struct pen_err *err)
{
    return code == EEXIST ? PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET,
                                     "%.200s is there already: --out names another folder", path)
                          : PEN_FAIL(err, pen_status_of_write(code), PEN_NO_OFFSET, "%.200s: %s",
                                     path, strerrordesc_np(code));
}

static pen_status file_write(const char *path, pen_slice text, struct pen_err *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int code = fd < 0 ? errno : 0;
    while (code == 0 && text.len > 0) {
        const ssize_t n = write(fd, text.ptr, text.len);
        code = n < 0 && errno != EINTR ? errno : 0;
        text = pen_slice_sub(text, n > 0 ? (size_t)n : 0, text.len);
    }
    if (fd >= 0 && close(fd) != 0 && code == 0) {
        code = errno;
    }
    if (code != 0 && fd >= 0) {
        (void)unlink(path); /* half a rule helps nobody */
    }
    return code == 0 ? PEN_OK : file_fail(path, code, err);
}

static pen_status paths_make(const struct hunt_options *o, const struct hunt_rule *rule,
                             struct hunt_result *r, struct pen_err *err)
{
    struct pen_buf slug;
    pen_buf_init(&slug, 256);
    const pen_status st = hunt_rule_slug(rule, &slug);
    const char *end = rule->form == HUNT_SIGMA ? "yml" : "json";
    const int len = snprintf(r->rule, sizeof(r->rule), "%s/hunt-%.*s.%s", o->dir,
                             PEN_SLICE_FMT(pen_buf_slice(&slug)), end);
    const int test_len = snprintf(r->test, sizeof(r->test), "%s/hunt-%.*s.test.yml", o->dir,
                                  PEN_SLICE_FMT(pen_buf_slice(&slug)));
    pen_buf_fini(&slug);
    const bool fits = len > 0 && test_len > 0 && (size_t)test_len < sizeof(r->test);
    return st != PEN_OK ? PEN_FAIL(err, st, PEN_NO_OFFSET, "no room for the rule's name")
           : fits       ? PEN_OK
                        : PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "--out is too long a path");
}

pen_status hunt_files_write(const struct hunt_options *o, const struct hunt_rule *rule,
                            pen_slice text, const struct hunt_example examples[2],
                            struct hunt_result *r, struct pen_err *err)
{
    struct pen_buf test;
    PEN_TRY(paths_make(o, rule, r, err));
    if (mkdir(o->dir, 0777) != 0 && errno != EEXIST) {
        return file_fail(o->dir, errno, err);
    }
    pen_buf_init(&test, TEST_BYTES_MAX);
    pen_status st =
        hunt_test_write(&examples[0], examples[1].event.len > 0 ? &examples[1] : NULL, &test);
    if (st != PEN_OK) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "no room for the test");
    }
    st = st == PEN_OK ? file_write(r->rule, text, err) : st;
    if (st == PEN_OK) {
        st = file_write(r->test, pen_buf_slice(&test), err);
        (void)(st == PEN_OK ? 0 : unlink(r->rule));
    }
    pen_buf_fini(&test);
    return st;
}

/* ---- the proof ---- */

static pen_status tests_run(const struct hunt_options *o, const struct pen_program *program,
                            struct hunt_result *r, struct pen_err *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    const char *temp_dir = getenv("TMPDIR");
    const struct pen_trial_options options = {
        .program = program, .keep_alive_ns = o->limits->keep_alive_ns, .temp_dir = temp_dir};
    struct pen_arena arena;
    struct pen_trial *trial = NULL;
    struct pen_rule_test *tests = NULL;
    struct pen_buf why;
    uint32_t count = 0;
    pen_arena_init(&arena, ARENA_BYTES_MAX);
    pen_buf_init(&why, WHY_BYTES_MAX);
    pen_status st = pen_rule_tests_load(r->rule, &arena, &tests, &count, err);
    st = st == PEN_OK ? pen_trial_new(&options, &trial, err) : st;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = pen_trial_run(trial, &tests[i], &why, err);
        if (st == PEN_OK && why.len > 0) {
            st = PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "%.120s: its test fails: %.*s", r->rule,
                          (int)(why.len < 200 ? why.len : 200), (const char *)why.ptr);
        }
    }
    r->tests = count;
    pen_trial_free(trial);
    pen_buf_fini(&why);
    pen_arena_fini(&arena);
    return st;
}

pen_status hunt_files_test(const struct hunt_options *o, struct hunt_result *r, struct pen_err *err)
{
    const char *path = r->rule;
    struct pen_program *program = NULL;
    const struct pen_program_options build = {.rules = {.paths = &path, .path_count = 1},
                                              .types_dir = o->types_dir};
    PEN_TRY(pen_program_new(&build, &program, err));
    const pen_status st = tests_run(o, program, r, err);
    pen_program_free(program);
    return st;
}
