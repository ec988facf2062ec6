#include "penstock/state.h"

#include "oracle.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static pen_status count_changes(void *ctx, enum pen_signal_change change,
                                const struct pen_signal *s)
{
    uint32_t *counts = ctx;
    counts[change]++;
    counts[3] += s->late;
    return PEN_OK;
}

static struct pen_state *one_state(const char *dir, uint64_t memory)
{
    const struct pen_state_options o = {.dir = dir,
                                        .shards = 1,
                                        .hash_key = KEY,
                                        .rules = rules,
                                        .rule_count = RULES,
                                        .samples_first = 10,
                                        .samples_last = 10,
                                        .memory_bytes_max = memory};
    struct pen_state *s = NULL;
    assert_int_equal(pen_state_new(&o, &s, NULL), PEN_OK);
    return s;
}

static void append_many(struct pen_state *s, uint64_t epoch, uint32_t count, uint32_t groups,
                        uint32_t first)
{
    char id[40];
    char group[80];
    for (uint32_t i = first; i < first + count; i++) {
        const int n = snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
        const int m =
            snprintf(group, sizeof(group),
                     "{\"account\":\"111122223333\",\"identity\":\"role-%u\"}", i % groups);
        const struct pen_observation o = {
            .rule = 3,
            .rule_id = rules[3].id,
            .time_ns = PEN_NS_PER_DAY + (int64_t)i * (PEN_NS_PER_S / 100),
            .promise_ns = INT64_MIN,
            .event_id = {(const uint8_t *)id, (size_t)n},
            .group = {(const uint8_t *)group, (size_t)m},
            .account = PEN_SLICE_LIT("111122223333"),
            .region = PEN_SLICE_LIT("eu-west-1"),
            .actor = PEN_SLICE_LIT("arn:aws:iam::111122223333:role/deploy"),
            .source_ip = PEN_SLICE_LIT("192.0.2.1"),
            .index_name = PEN_SLICE_LIT("log-aws-cloudtrail"),
            .object = PEN_SLICE_LIT("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/01/01/a.json"),
            .record = i};
        assert_int_equal(pen_state_append(s, epoch, &o, NULL), PEN_OK);
    }
}

static void cut_commit(struct pen_state *s, uint64_t epoch, char name[STATE_RUN_NAME_MAX])
{
    uint64_t bytes = 0;
    assert_int_equal(pen_state_cut(s, epoch, name, STATE_RUN_NAME_MAX, &bytes, NULL), PEN_OK);
    pen_state_committed(s, epoch);
}

static void more_runs_than_files_may_be_open_are_merged(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit small = {STATE_RUNS_OPEN_MAX + 24, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    struct pen_state *s = one_state(dir, 1 << 30);
    char names[300][STATE_RUN_NAME_MAX];
    for (uint32_t epoch = 0; epoch < 300; epoch++) {
        bool more = false;
        append_many(s, epoch, 50, 7, (300 - epoch) * 50);
        cut_commit(s, epoch, names[epoch]);
        uint32_t none[4] = {0};
        assert_int_equal(pen_state_release(s, 0, 1, count_changes, none, &more, NULL), PEN_OK);
        assert_int_equal(none[0], 0);
    }
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t counts[4] = {0};
        bool more = false;
        assert_int_equal(
            pen_state_release(s, INT64_MAX, UINT32_MAX, count_changes, counts, &more, NULL),
            PEN_OK);
        assert_false(more);
        assert_int_equal(counts[PEN_SIGNAL_OPENED], 7);
        assert_int_equal(pen_state_counters_get(s).released, 300 * 50);
        assert_int_equal(pen_state_counters_get(s).duplicates, 0);
        pen_state_free(s);
        s = NULL;
        if (round == 0) { /* and again when all of them are adopted */
            s = one_state(dir, 1 << 30);
            for (uint32_t i = 0; i < 300; i++) {
                assert_int_equal(pen_state_adopt(s, pen_slice_str(names[i]), NULL), PEN_OK);
            }
        }
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    remove_dir(dir);
}

static void nothing_is_released_before_its_commit(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 1 << 30);
    char name[STATE_RUN_NAME_MAX];
    uint64_t bytes = 0;
    uint32_t counts[4] = {0};
    bool more = false;
    append_many(s, 5, 10, 1, 0);
    assert_int_equal(pen_state_cut(s, 5, name, sizeof(name), &bytes, NULL), PEN_OK);
    assert_string_equal(name, "run-5-0.zst");
    assert_int_equal(pen_state_release(s, INT64_MAX, 99, count_changes, counts, &more, NULL),
                     PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 0);
    pen_state_committed(s, 5);
    assert_int_equal(pen_state_release(s, INT64_MAX, 99, count_changes, counts, &more, NULL),
                     PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 1);
    assert_int_equal(counts[PEN_SIGNAL_UPDATED], 1);
    assert_int_equal(pen_state_cut(s, 6, name, sizeof(name), &bytes, NULL), PEN_OK);
    assert_string_equal(name, "");
    pen_state_free(s);
    remove_dir(dir);
}

/* A folder of a later day that holds nothing later, or a commit of all before the last one. */
static void a_watermark_behind_the_last_event_closes_nothing(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const int64_t watermarks[] = {PEN_NS_PER_DAY * 30, INT64_MAX - 1, INT64_MAX};
    char name[STATE_RUN_NAME_MAX];
    uint32_t counts[4] = {0};
    bool more = false;
    struct pen_state *s = one_state(dir, 1 << 30);
    append_many(s, 0, 10, 2, 0);
    cut_commit(s, 0, name);
    for (size_t i = 0; i < PEN_COUNT(watermarks); i++) {
        assert_int_equal(
            pen_state_release(s, watermarks[i], 99, count_changes, counts, &more, NULL), PEN_OK);
        assert_int_equal(counts[PEN_SIGNAL_OPENED], 2);
        assert_int_equal(counts[PEN_SIGNAL_CLOSED], 0);
    }
    pen_state_seen(s, PEN_NS_PER_DAY * 2); /* an event that no rule saw */
    assert_int_equal(
        pen_state_release(s, PEN_NS_PER_DAY * 30, 99, count_changes, counts, &more, NULL), PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_CLOSED], 2);
    pen_state_free(s);
    remove_dir(dir);
}

static void memory_bound_evicts_and_counts(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 200000);
    char name[STATE_RUN_NAME_MAX];
    uint32_t counts[4] = {0};
    bool more = false;
    append_many(s, 0, 1000, 1000, 0);
    cut_commit(s, 0, name);
    assert_int_equal(
        pen_state_release(s, 2 * PEN_NS_PER_S, 2000, count_changes, counts, &more, NULL), PEN_OK);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 0);
    assert_int_equal(
        pen_state_release(s, PEN_NS_PER_DAY + HOUR / 2, 2000, count_changes, counts, &more, NULL),
        PEN_OK);
    const struct pen_state_counters c = pen_state_counters_get(s);
    assert_int_equal(counts[PEN_SIGNAL_OPENED], 1000);
    assert_true(c.evicted > 0 && c.signals_open > 0);
    assert_int_equal(c.evicted, counts[PEN_SIGNAL_CLOSED]);
    assert_int_equal(c.evicted + c.signals_open, 1000);
    pen_state_free(s);
    remove_dir(dir);
}

static void every_flipped_byte_of_a_run_is_noticed(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 1 << 30);
    char name[STATE_RUN_NAME_MAX];
    append_many(s, 0, 20, 3, 0);
    cut_commit(s, 0, name);
    const uint64_t size = pen_state_counters_get(s).log_bytes;
    pen_state_free(s);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (uint64_t at = 0; at < size; at += 3) {
        uint8_t byte = 0;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        s = one_state(dir, 1 << 30);
        assert_true(pen_state_adopt(s, pen_slice_str(name), NULL) != PEN_OK);
        pen_state_free(s);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    (void)close(fd);
    s = one_state(dir, 1 << 30);
    assert_int_equal(pen_state_adopt(s, pen_slice_str(name), NULL), PEN_OK);
    assert_int_equal(pen_state_adopt(s, PEN_SLICE_LIT("../x"), NULL), PEN_E_CORRUPT);
    assert_int_equal(pen_state_adopt(s, PEN_SLICE_LIT("run-9-9.zst"), NULL), PEN_E_NOT_FOUND);
    pen_state_free(s);
    remove_dir(dir);
}

static void cost_of_an_observation_is_printed(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/penstock-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_state *s = one_state(dir, 1 << 30);
    char name[STATE_RUN_NAME_MAX];
    uint32_t counts[4] = {0};
    bool more = false;
    const uint32_t n = 200000;
    const int64_t t0 = pen_clock_thread_cpu_ns();
    append_many(s, 0, n, 200, 0);
    const int64_t t1 = pen_clock_thread_cpu_ns();
    cut_commit(s, 0, name);
    const int64_t t2 = pen_clock_thread_cpu_ns();
    assert_int_equal(pen_state_release(s, INT64_MAX, n, count_changes, counts, &more, NULL),
                     PEN_OK);
    const int64_t t3 = pen_clock_thread_cpu_ns();
    print_message("ns an observation: append (with making it) %lld, cut %lld, release %lld\n",
                  (long long)((t1 - t0) / n), (long long)((t2 - t1) / n),
                  (long long)((t3 - t2) / n));
    assert_int_equal(pen_state_counters_get(s).released, n);
    pen_state_free(s);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_runs_than_files_may_be_open_are_merged),
        cmocka_unit_test(nothing_is_released_before_its_commit),
        cmocka_unit_test(a_watermark_behind_the_last_event_closes_nothing),
        cmocka_unit_test(memory_bound_evicts_and_counts),
        cmocka_unit_test(every_flipped_byte_of_a_run_is_noticed),
        cmocka_unit_test(cost_of_an_observation_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
