#include "pack.h"
#include "state_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

#define TEXT_MAX 64U

struct row { /* an observation and its texts */
    struct pen_observation o;
    char id[TEXT_MAX], group[TEXT_MAX], object[TEXT_MAX];
    uint32_t partition;
};

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return *seed >> 33;
}

static pen_slice put(char to[TEXT_MAX], const char *name, uint64_t n)
{
    return (pen_slice){(const uint8_t *)to,
                       (size_t)snprintf(to, TEXT_MAX, "%s %llu", name, (unsigned long long)n)};
}

/* Times are of span values, step apart; ids have first bytes in common; every eighth is late. */
static void make(struct row *r, uint64_t *seed, uint64_t span, int64_t step)
{
    static const char *const rules[] = {"rule one", "rule two", "a rule"};
    const uint32_t rule = (uint32_t)(next(seed) % PEN_COUNT(rules));
    *r = (struct row){.o = {.rule = rule,
                            .rule_id = pen_slice_str(rules[rule]),
                            .query = (uint32_t)(next(seed) % 2),
                            .time_ns = ((int64_t)(next(seed) % span) - 3) * step,
                            .promise_ns = INT64_MIN,
                            .record = next(seed) % 3},
                      .partition = (uint32_t)(next(seed) % PEN_PARTITIONS)};
    if (next(seed) % 8 == 0) {
        r->o.promise_ns = (int64_t)(next(seed) % span) * step;
    }
    r->o.event_id = put(r->id, "same-bytes", next(seed) % 9);
    r->o.group = put(r->group, "group", next(seed) % 4);
    r->o.object = put(r->object, "object", next(seed) % 3);
}

static int by_order(const void *pa, const void *pb)
{
    const struct row *a = *(const struct row *const *)pa;
    const struct row *b = *(const struct row *const *)pb;
    return pen_state_order(&a->o, &b->o);
}

/* What a run gives back is the rows in the order of release. */
static void compare(struct open_run *run, struct row *rows, size_t count)
{
    const char *dir = getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR");
    const struct pen_state_options options = {.dir = dir, .shards = 1};
    struct run_writer w;
    struct merge m;
    struct row **sorted = calloc(count, sizeof(struct row *));
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_non_null(sorted);
    const int fd = dup(fileno(file));
    assert_int_equal(pen_state_writer_init(&w), PEN_OK);
    assert_int_equal(pen_state_merge_init(&m, &options), PEN_OK);
    assert_int_equal(pen_state_open_write(run, &w, fd, NULL), PEN_OK);
    assert_int_equal(pen_state_writer_end(&w, &run->table, NULL), PEN_OK);
    assert_int_equal(pen_state_merge_take(&m, fd, NULL), PEN_OK);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &rows[i];
    }
    qsort(sorted, count, sizeof(struct row *), by_order);
    for (size_t i = 0; i < count; i++) {
        const struct pen_observation *o = pen_state_merge_top(&m);
        assert_non_null(o);
        assert_int_equal(pen_state_order(o, &sorted[i]->o), 0);
        assert_int_equal(o->event.len, sorted[i]->o.event.len);
        assert_int_equal(pen_state_merge_next(&m, NULL), PEN_OK);
    }
    assert_null(pen_state_merge_top(&m));
    pen_state_merge_fini(&m);
    pen_state_writer_fini(&w);
    (void)fclose(file);
    free(sorted);
}

static void fill_and_compare(struct open_run *run, size_t count, uint64_t span, int64_t step)
{
    struct row *rows = calloc(count + 1, sizeof(*rows));
    uint64_t seed = count + span;
    assert_non_null(rows);
    for (size_t i = 0; i < count; i++) {
        make(&rows[i], &seed, span, step);
        assert_int_equal(pen_state_open_add(run, &rows[i].o, rows[i].partition, NULL), PEN_OK);
    }
    compare(run, rows, count);
    compare(run, rows, count); /* a cut that failed is tried again */
    pen_state_open_clear(run);
    assert_int_equal(run->count + run->bytes, 0);
    free(rows);
}

/* Few and many, in one instant and over centuries, many of a time or hardly two. */
static void runs_are_in_the_order_of_release(void **unused)
{
    (void)unused;
    struct open_run run;
    pen_state_open_init(&run);
    fill_and_compare(&run, 0, 1, 1);
    fill_and_compare(&run, 1, 1, 1);
    fill_and_compare(&run, 3000, 1, 1);
    fill_and_compare(&run, 3000, 40, 1);
    fill_and_compare(&run, 20000, 604800, INT64_C(1000000000));
    fill_and_compare(&run, 5000, 5000, INT64_C(1000000000000000));
    fill_and_compare(&run, 5000, 1U << 30, 1);
    pen_state_open_fini(&run);
}

/* An observation that is larger than a chunk has one of its own, which does not stay. */
static void large_ones_are_taken_too(void **unused)
{
    (void)unused;
    const size_t large = 3 * (size_t)OPEN_CHUNK_BYTES;
    struct open_run run;
    struct row rows[40];
    uint64_t seed = 1;
    uint8_t *event = calloc(1, large);
    assert_non_null(event);
    pen_state_open_init(&run);
    for (uint32_t i = 0; i < PEN_COUNT(rows); i++) {
        make(&rows[i], &seed, 5, 1);
        rows[i].o.record = i;
        rows[i].o.event = (pen_slice){event, i == 20 ? large : i * 9973U};
        assert_int_equal(pen_state_open_add(&run, &rows[i].o, 0, NULL), PEN_OK);
    }
    compare(&run, rows, PEN_COUNT(rows));
    pen_state_open_clear(&run);
    for (uint32_t i = 0; i < run.chunk_count; i++) {
        assert_true(run.chunks[i].cap <= OPEN_CHUNK_BYTES);
    }
    pen_state_open_fini(&run);
    free(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_in_the_order_of_release),
        cmocka_unit_test(large_ones_are_taken_too),
    };
    return cmocka_run_group_tests_name("state.open_run", tests, NULL, NULL);
}
