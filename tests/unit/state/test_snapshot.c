#include "penstock/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

#define S PEN_NS_PER_S
#define KEY 7U
#define RULES 5U
#define NAMES_MAX 16U
#define FOLDER_MAX 64U

static const enum pen_aggregation counts[] = {PEN_COUNT_EVENTS, PEN_COUNT_EVENTS};
static const enum pen_aggregation values[] = {PEN_CARDINALITY, PEN_SUM};
static const enum pen_aggregation largest[] = {PEN_MAX};
/* a > 3, also of sums and the like */
static const struct pen_condition_step above_three[] = {
    {.op = PEN_CONDITION_GT,
     .left = {.query = 0, .factor = 1},
     .right = {.query = PEN_CONDITION_NO_QUERY, .factor = 3}}};
static const struct pen_state_case one_case[] = {
    {.condition = {.steps = above_three, .count = 1}, .severity = 2}};

static void rules_make(struct pen_state_rule rules[RULES])
{
    static const pen_slice ids[] = {PEN_SLICE_LIT("match"), PEN_SLICE_LIT("counts"),
                                    PEN_SLICE_LIT("values"), PEN_SLICE_LIT("largest"),
                                    PEN_SLICE_LIT("new")};
    for (uint32_t i = 0; i < RULES; i++) {
        rules[i] =
            (struct pen_state_rule){.id = ids[i],
                                    .method = i == 0 ? PEN_METHOD_MATCH : PEN_METHOD_THRESHOLD,
                                    .window_ns = (i == 3 ? 300 : 1500) * S,
                                    .keep_alive_ns = 900 * S,
                                    .duration_max_ns = 7200 * S,
                                    .cases = one_case,
                                    .case_count = i == 0 ? 0 : 1};
    }
    rules[1].queries = counts;
    rules[2].queries = values;
    rules[1].query_count = rules[2].query_count = 2;
    rules[3].queries = largest;
    rules[3].query_count = rules[4].query_count = 1;
    rules[4].queries = counts;
    rules[4].method = PEN_METHOD_NEW_VALUE;
    rules[4].new_value = (struct pen_new_value){.learning_ns = 60 * S, .forget_ns = 3600 * S};
}

struct node { /* some shards over one folder */
    char dir[FOLDER_MAX];
    struct pen_state_rule rules[RULES];
    uint32_t rule_count, shards;
    int64_t log_from_ns;
    struct pen_state *states[4];
    char runs[256][64];
    uint32_t run_count;
    char snapshots[4][64];
    uint32_t snapshot_count;
    struct pen_buf told;
};

static void node_init(struct node *n, uint32_t shards)
{
    *n = (struct node){.rule_count = RULES, .shards = shards, .log_from_ns = INT64_MIN};
    (void)snprintf(n->dir, sizeof(n->dir), "/tmp/penstock-snapshot-XXXXXX");
    assert_non_null(mkdtemp(n->dir));
    rules_make(n->rules);
    pen_buf_init(&n->told, (size_t)64 << 20);
}

static struct pen_state *state_new(const struct node *n, uint32_t shard)
{
    const struct pen_state_options options = {.dir = n->dir,
                                              .shard = shard,
                                              .shards = n->shards,
                                              .hash_key = KEY,
                                              .rules = n->rules,
                                              .rule_count = n->rule_count,
                                              .samples_first = 3,
                                              .samples_last = 2,
                                              .memory_bytes_max = 1 << 28,
                                              .groups_max = 1000,
                                              .window_events_max = 1000,
                                              .values_max = 1000,
                                              .new_values_max = 100000,
                                              .is_log_cut = n->log_from_ns > INT64_MIN,
                                              .log_from_ns = n->log_from_ns};
    struct pen_state *state = NULL;
    assert_int_equal(pen_state_new(&options, &state, NULL), PEN_OK);
    return state;
}

/* What a start does: the snapshot, then the runs. */
static void node_open(struct node *n)
{
    struct pen_err err = {0};
    for (uint32_t i = 0; i < n->shards; i++) {
        n->states[i] = state_new(n, i);
        for (uint32_t at = 0; at < n->snapshot_count; at++) {
            assert_int_equal(pen_state_load(n->states[i], pen_slice_str(n->snapshots[at]), &err),
                             PEN_OK);
        }
        for (uint32_t at = 0; at < n->run_count; at++) {
            assert_int_equal(pen_state_adopt(n->states[i], pen_slice_str(n->runs[at]), &err),
                             PEN_OK);
        }
    }
}

static void node_close(struct node *n)
{
    for (uint32_t i = 0; i < n->shards; i++) {
        pen_state_free(n->states[i]);
        n->states[i] = NULL;
    }
}

static void node_fini(struct node *n)
{
    char command[FOLDER_MAX + 16];
    node_close(n);
    pen_buf_fini(&n->told);
    (void)snprintf(command, sizeof(command), "rm -r %s", n->dir);
    assert_int_equal(system(command), 0); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

/* Event i of a rule; times grow with i, ten seconds each. */
static void append(struct node *n, uint64_t epoch, uint32_t rule, uint32_t i)
{
    char id[16];
    char group[16];
    char value[24];
    const uint32_t random = i * 2654435761U >> 7;
    (void)snprintf(id, sizeof(id), "e%u", i);
    (void)snprintf(group, sizeof(group), "{\"g\":%u}", random / 8 % 4);
    (void)snprintf(value, sizeof(value), "%u", random % (rule == 4 ? 500 : 5));
    const struct pen_observation o = {.rule = rule,
                                      .rule_id = n->rules[rule].id,
                                      .query = rule == 1 || rule == 2 ? random / 64 % 2 : 0,
                                      .time_ns = (int64_t)i * 10 * S,
                                      .promise_ns = INT64_MIN,
                                      .event_id = pen_slice_str(id),
                                      .group = pen_slice_str(group),
                                      .account = pen_slice_str(value),
                                      .values = pen_slice_str(value),
                                      .event = PEN_SLICE_LIT("{\"an\":\"event\"}")};
    const uint32_t owner = pen_observation_partition(o.rule_id, o.group, KEY) % n->shards;
    assert_int_equal(pen_state_append(n->states[owner], epoch, &o, NULL), PEN_OK);
}

static pen_status note(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    struct pen_buf *told = ctx;
    if (change == PEN_SIGNAL_UPDATED) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_printf(told, "%d %s %lld %lld %llu %u %u", (int)change, s->id,
                           (long long)s->first_seen_ns, (long long)s->last_seen_ns,
                           (unsigned long long)s->events_matched, s->account_count, s->case_index));
    for (uint32_t i = 0; i < s->sample_count; i++) {
        PEN_TRY(pen_buf_printf(told, " %.*s", PEN_SLICE_FMT(s->samples[i].o.event_id)));
    }
    return pen_buf_add_byte(told, '\n');
}

static void release(struct node *n, int64_t watermark)
{
    for (uint32_t i = 0; i < n->shards; i++) {
        bool more = true;
        while (more) {
            assert_int_equal(
                pen_state_release(n->states[i], watermark, 100, note, &n->told, &more, NULL),
                PEN_OK);
        }
    }
}

static void commit(struct node *n, uint64_t epoch, int64_t watermark)
{
    for (uint32_t i = 0; i < n->shards; i++) {
        uint64_t bytes = 0;
        assert_int_equal(
            pen_state_cut(n->states[i], epoch, n->runs[n->run_count], 64, &bytes, NULL), PEN_OK);
        n->run_count += bytes > 0;
        pen_state_committed(n->states[i], epoch);
    }
    release(n, watermark);
}

static void snapshot(struct node *n, uint64_t epoch)
{
    n->snapshot_count = n->shards;
    for (uint32_t i = 0; i < n->shards; i++) {
        struct pen_snapshot_info info;
        assert_int_equal(pen_state_snapshot(n->states[i], epoch, &info, NULL), PEN_OK);
        assert_true(info.bytes > 0 && info.epoch == epoch && info.shards == n->shards);
        (void)snprintf(n->snapshots[i], sizeof(n->snapshots[i]), "%s", info.name);
    }
}

#define EVENTS 6000U
#define EPOCH_EVENTS 1000U

static void feed_epoch(struct node *n, uint64_t epoch)
{
    const uint32_t from = (uint32_t)(epoch - 1) * EPOCH_EVENTS;
    for (uint32_t i = from; i < from + EPOCH_EVENTS; i++) {
        append(n, epoch, i % RULES, i);
    }
    /* The last events of an epoch are not released with it. */
    commit(n, epoch, (int64_t)(from + EPOCH_EVENTS - 50) * 10 * S);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of what was told, sorted; those of shards come in any order. */
static char *sorted(struct pen_buf *told)
{
    char **lines = calloc(told->len + 1, sizeof(char *));
    size_t count = 0;
    assert_int_equal(pen_buf_add_byte(told, 0), PEN_OK);
    char *text = strdup((const char *)told->ptr);
    char *out = calloc(1, told->len + 1);
    assert_true(lines != NULL && text != NULL && out != NULL);
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        lines[count++] = line;
    }
    qsort(lines, count, sizeof(char *), by_line);
    char *to = out;
    for (size_t i = 0; i < count; i++) {
        to = stpcpy(stpcpy(to, lines[i]), "\n");
    }
    free(text);
    free(lines);
    return out;
}

/* Signals of all epochs when the states end after some of them and begin again with other shards.
 */
static char *told_with(uint32_t shards, uint32_t restart_every)
{
    struct node n;
    node_init(&n, shards);
    node_open(&n);
    for (uint64_t epoch = 1; epoch <= EVENTS / EPOCH_EVENTS; epoch++) {
        feed_epoch(&n, epoch);
        if (restart_every > 0 && epoch % restart_every == 0) {
            snapshot(&n, epoch);
            node_close(&n);
            n.shards = n.shards % 4 + 1;
            node_open(&n);
        }
    }
    release(&n, INT64_MAX);
    char *out = sorted(&n.told);
    node_fini(&n);
    return out;
}

static void what_was_released_goes_on_from_a_snapshot(void **unused)
{
    (void)unused;
    char *wanted = told_with(1, 0);
    assert_true(strlen(wanted) > 5000);
    for (uint32_t every = 1; every <= 3; every++) {
        char *got = told_with(every + 1, every); /* each line once: nothing is told again */
        assert_string_equal(got, wanted);
        free(got);
    }
    free(wanted);
}

/* A node of two shards with a snapshot behind its third epoch. */
static void node_saved(struct node *n)
{
    node_init(n, 2);
    node_open(n);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        feed_epoch(n, epoch);
    }
    snapshot(n, 3);
    node_close(n);
}

static void counters_add_up_over_other_shards(void **unused)
{
    (void)unused;
    struct node n;
    node_saved(&n);
    n.shards = 3;
    node_open(&n);
    uint64_t released = 0;
    uint64_t opened = 0;
    for (uint32_t i = 0; i < n.shards; i++) {
        const struct pen_state_counters c = pen_state_counters_get(n.states[i]);
        released += c.released;
        opened += c.signals_opened;
    }
    assert_int_equal(released, 3 * EPOCH_EVENTS - 50);
    assert_true(opened > 20);
    node_fini(&n);
}

/* ---- damage ---- */

static size_t file_read(const struct node *n, const char *name, uint8_t **bytes)
{
    char path[160];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/%s", n->dir, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    *bytes = malloc((size_t)info.st_size);
    assert_non_null(*bytes);
    assert_int_equal(read(fd, *bytes, (size_t)info.st_size), info.st_size);
    (void)close(fd);
    return (size_t)info.st_size;
}

static void file_write(const struct node *n, const char *name, const uint8_t *bytes, size_t len)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", n->dir, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    (void)close(fd);
}

/* What check and load say of the file as it is now: the same. */
static pen_status said(const struct node *n, const char *name, struct pen_err *err)
{
    const struct pen_snapshot_check check = {
        .dir = n->dir, .hash_key = KEY, .rules = n->rules, .rule_count = n->rule_count};
    struct pen_snapshot_info info;
    struct pen_state *state = state_new(n, 0);
    const pen_status loaded = pen_state_load(state, pen_slice_str(name), err);
    assert_non_null(loaded == PEN_OK ? "" : strstr(err->text, name));
    const pen_status checked = pen_snapshot_check(&check, name, &info, err);
    assert_int_equal(checked, loaded);
    assert_non_null(checked == PEN_OK ? "" : strstr(err->text, name));
    pen_state_free(state);
    return checked;
}

static void a_damaged_snapshot_is_told_with_its_name(void **unused)
{
    (void)unused;
    struct node n;
    struct pen_err err = {0};
    uint8_t *bytes = NULL;
    node_saved(&n);
    const size_t len = file_read(&n, n.snapshots[0], &bytes);
    assert_int_equal(said(&n, n.snapshots[0], &err), PEN_OK);
    for (size_t at = 0; at < len; at += at < 1400 ? 1 : 31) {
        bytes[at] ^= 0x10;
        file_write(&n, n.snapshots[0], bytes, len);
        const pen_status st = said(&n, n.snapshots[0], &err);
        assert_true(st == PEN_E_CORRUPT || st == PEN_E_TRUNCATED || st == PEN_E_CONFIG);
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < len; cut += 331) {
        file_write(&n, n.snapshots[0], bytes, cut);
        assert_int_equal(said(&n, n.snapshots[0], &err), PEN_E_TRUNCATED);
        assert_true(err.offset <= cut);
    }
    free(bytes);
    node_fini(&n);
}

static void a_newer_format_another_job_and_no_file_are_refused(void **unused)
{
    (void)unused;
    struct node n;
    struct pen_err err = {0};
    uint8_t *bytes = NULL;
    node_saved(&n);
    const size_t len = file_read(&n, n.snapshots[0], &bytes);
    bytes[8]++;
    file_write(&n, n.snapshots[0], bytes, len);
    assert_int_equal(said(&n, n.snapshots[0], &err), PEN_E_CONFIG);
    assert_int_equal(err.offset, 8);
    assert_non_null(strstr(err.text, "format 3, this program reads 1 to 2"));
    bytes[8]--;
    file_write(&n, n.snapshots[0], bytes, len);
    free(bytes);
    const struct pen_snapshot_check check = {
        .dir = n.dir, .hash_key = KEY + 1, .rules = n.rules, .rule_count = n.rule_count};
    struct pen_snapshot_info info;
    assert_int_equal(pen_snapshot_check(&check, n.snapshots[0], &info, &err), PEN_E_CORRUPT);
    assert_int_equal(said(&n, "snapshot-9-0.zst", &err), PEN_E_NOT_FOUND);
    node_fini(&n);
}

/* ---- rules that change ---- */

struct rules_told {
    char text[256];
};
static void rule_note(void *ctx, enum pen_snapshot_rule what, pen_slice id)
{
    struct rules_told *told = ctx;
    const size_t len = strlen(told->text);
    (void)snprintf(told->text + len, sizeof(told->text) - len, "%s %.*s,",
                   what == PEN_SNAPSHOT_GONE ? "gone" : "changed", PEN_SLICE_FMT(id));
}

/* What the states hold of windows and values; open signals and released ones. */
static struct pen_state_counters sum_of(const struct node *n)
{
    struct pen_state_counters sum = {0};
    for (uint32_t i = 0; i < n->shards; i++) {
        const struct pen_state_counters c = pen_state_counters_get(n->states[i]);
        sum.groups += c.groups;
        sum.new_values += c.new_values;
        sum.signals_open += c.signals_open;
        sum.released += c.released;
    }
    return sum;
}

static void a_changed_rule_begins_anew_with_the_log_that_is_left(void **unused)
{
    (void)unused;
    struct node n;
    struct rules_told told = {""};
    struct pen_err err = {0};
    struct pen_snapshot_info info;
    node_saved(&n);
    node_open(&n);
    const struct pen_state_counters before = sum_of(&n);
    assert_true(before.new_values > 0);
    node_close(&n);
    n.rules[4].new_value.forget_ns++; /* its state means another thing */
    n.rules[1].definition++;          /* and so do its observations */
    const struct pen_snapshot_check check = {.dir = n.dir,
                                             .hash_key = KEY,
                                             .rules = n.rules,
                                             .rule_count = RULES,
                                             .rule = rule_note,
                                             .ctx = &told};
    assert_int_equal(pen_snapshot_check(&check, n.snapshots[1], &info, &err), PEN_OK);
    assert_string_equal(told.text, "changed counts,changed new,");
    node_open(&n);
    struct pen_state_counters now = sum_of(&n);
    assert_int_equal(now.new_values, 0);
    const uint64_t of_others = now.groups;
    assert_true(of_others > 0 && of_others < before.groups);
    /* The log is whole here: released again is what belongs to the two. */
    release(&n, (int64_t)(3 * EPOCH_EVENTS - 50) * 10 * S);
    now = sum_of(&n);
    assert_int_equal(now.new_values, before.new_values);
    assert_true(now.groups > of_others);
    assert_int_equal(now.released, before.released + 2 * (3 * EPOCH_EVENTS - 50) / RULES);
    node_close(&n);
    n.rule_count = 1;
    told.text[0] = '\0';
    const struct pen_snapshot_check fewer = {.dir = n.dir,
                                             .hash_key = KEY,
                                             .rules = n.rules,
                                             .rule_count = 1,
                                             .rule = rule_note,
                                             .ctx = &told};
    assert_int_equal(pen_snapshot_check(&fewer, n.snapshots[0], &info, &err), PEN_OK);
    assert_string_equal(told.text, "gone counts,gone values,gone largest,gone new,");
    node_fini(&n);
}

/* ---- what comes too late ---- */

static void an_observation_before_the_position_asks_for_an_older_start(void **unused)
{
    (void)unused;
    struct node n;
    struct pen_err err = {0};
    node_init(&n, 1);
    node_open(&n);
    append(&n, 2, 0, 71);
    for (uint32_t i = 0; i < EPOCH_EVENTS; i++) {
        append(&n, 1, i % RULES, i);
    }
    commit(&n, 1, INT64_MIN); /* all is there before anything is released */
    feed_epoch(&n, 2);
    release(&n, INT64_MAX);
    char *wanted = sorted(&n.told);
    node_fini(&n);

    node_init(&n, 1);
    node_open(&n);
    feed_epoch(&n, 1);
    snapshot(&n, 1);
    node_close(&n);
    node_open(&n);
    assert_false(pen_state_is_behind(n.states[0]));
    append(&n, 2, 0, 71); /* an object appeared in a folder that was read */
    assert_true(pen_state_is_behind(n.states[0]));
    n.told.len = 0;
    assert_int_equal(pen_state_reset(n.states[0], &err), PEN_OK);
    assert_false(pen_state_is_behind(n.states[0]));
    assert_int_equal(pen_state_adopt(n.states[0], pen_slice_str(n.runs[0]), &err), PEN_OK);
    feed_epoch(&n, 2); /* what was appended before the reset is still there */
    release(&n, INT64_MAX);
    char *got = sorted(&n.told);
    assert_string_equal(got, wanted);
    assert_non_null(strstr(got, "e71"));
    free(got);
    free(wanted);
    node_fini(&n);
}

static void where_the_log_is_gone_an_observation_is_late(void **unused)
{
    (void)unused;
    struct node n;
    node_init(&n, 1);
    n.log_from_ns = 1000 * S;
    node_open(&n);
    append(&n, 1, 0, 99);  /* at 990 s */
    append(&n, 1, 0, 100); /* at 1,000 s */
    commit(&n, 1, INT64_MAX);
    const struct pen_state_counters c = pen_state_counters_get(n.states[0]);
    assert_int_equal(c.behind_log, 1);
    assert_int_equal(c.late, 1);
    assert_int_equal(c.released, 2);
    node_fini(&n);
}

static pen_status note_cold(void *ctx, enum pen_signal_change change, const struct pen_signal *s)
{
    uint32_t *cold = ctx;
    *cold += change == PEN_SIGNAL_OPENED && s->cold;
    return PEN_OK;
}

/* Four events of a group open a signal of rule 1; the first is a signal that is cold. */
static void append_fourth(struct node *n, uint64_t epoch, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "c%u", i);
        const struct pen_observation o = {.rule = 1,
                                          .rule_id = n->rules[1].id,
                                          .time_ns = (int64_t)i * 10 * S,
                                          .promise_ns = INT64_MIN,
                                          .event_id = pen_slice_str(id),
                                          .group = PEN_SLICE_LIT("{}"),
                                          .is_cold = i == 0};
        assert_int_equal(pen_state_append(n->states[0], epoch, &o, NULL), PEN_OK);
    }
}

static void that_an_event_of_a_window_is_cold_is_kept(void **unused)
{
    (void)unused;
    struct node n;
    uint32_t cold = 0;
    bool more = true;
    node_init(&n, 1);
    node_open(&n);
    append_fourth(&n, 1, 0, 3);
    commit(&n, 1, 25 * S);
    snapshot(&n, 1);
    node_close(&n);
    node_open(&n);
    append_fourth(&n, 2, 3, 4);
    commit(&n, 2, 25 * S);
    while (more) {
        assert_int_equal(
            pen_state_release(n.states[0], INT64_MAX, 100, note_cold, &cold, &more, NULL), PEN_OK);
    }
    assert_int_equal(cold, 1);
    node_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_released_goes_on_from_a_snapshot),
        cmocka_unit_test(counters_add_up_over_other_shards),
        cmocka_unit_test(a_damaged_snapshot_is_told_with_its_name),
        cmocka_unit_test(a_newer_format_another_job_and_no_file_are_refused),
        cmocka_unit_test(a_changed_rule_begins_anew_with_the_log_that_is_left),
        cmocka_unit_test(an_observation_before_the_position_asks_for_an_older_start),
        cmocka_unit_test(where_the_log_is_gone_an_observation_is_late),
        cmocka_unit_test(that_an_event_of_a_window_is_cold_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
