#include "state_internal.h"

#include <stdlib.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

/* Hashes as of any key: uniform, the last 8 bits of high are the partition. */
static struct new_value_hash hash_of(uint64_t i)
{
    const struct pen_hash128 h = pen_hash128((pen_slice){(const uint8_t *)&i, sizeof(i)}, 5);
    return (struct new_value_hash){.low = h.lo, .high = (uint32_t)(h.hi >> 32) & ~255U};
}

static const struct value_limits unlimited = {.count_max = UINT64_MAX, .has_memory = true};

static uint64_t put(struct value_table *t, uint64_t i, int64_t seen,
                    const struct value_limits *limits)
{
    const struct new_value_hash hash = hash_of(i);
    struct value_slot *slot = NULL;
    uint64_t evicted = 0;
    assert_null(pen_value_table_find(t, &hash));
    assert_int_equal(pen_value_table_put(t, &hash, limits, &slot, &evicted), PEN_OK);
    assert_non_null(slot);
    slot->seen = seen;
    return evicted;
}

static const struct value_slot *find(const struct value_table *t, uint64_t i)
{
    const struct new_value_hash hash = hash_of(i);
    return pen_value_table_find(t, &hash);
}

static uint64_t counted(const struct value_table *t, uint64_t *bytes)
{
    size_t at = 0;
    uint64_t count = 0;
    *bytes = t->directory == NULL ? 0 : sizeof(struct value_segment *) << t->depth;
    const struct value_segment *s = pen_value_table_next(t, &at);
    for (; s != NULL; s = pen_value_table_next(t, &at)) {
        count += s->count;
        *bytes += sizeof(*s) + s->cap * sizeof(s->slots[0]);
        for (uint32_t i = 1; i < s->count; i++) {
            assert_true(s->slots[i - 1].low <= s->slots[i].low);
        }
    }
    return count;
}

static void what_was_put_is_found_and_takes_at_most_24_bytes(void **unused)
{
    (void)unused;
    struct value_table t = {.depth = 0};
    uint64_t bytes = 0;
    uint64_t sum = 0;
    uint64_t most = 0;
    assert_null(find(&t, 1));
    for (uint64_t i = 0; i < 400000; i++) {
        assert_int_equal(put(&t, i, (int64_t)i, &unlimited), 0);
        if (i >= 20000 && i % 1000 == 0) {
            assert_int_equal(counted(&t, &bytes), t.count);
            assert_int_equal(bytes, t.bytes);
            sum += bytes * 100 / t.count;
            most = bytes * 100 / t.count > most ? bytes * 100 / t.count : most;
        }
    }
    assert_in_range(sum / 380, 2000, 2300); /* hundredths of a byte, of all sizes */
    assert_in_range(most, 2000, 2400);
    for (uint64_t i = 0; i < 400000; i++) {
        assert_int_equal(find(&t, i)->seen, i);
    }
    for (uint64_t i = 400000; i < 410000; i++) {
        assert_null(find(&t, i));
    }
    pen_value_table_fini(&t);
    assert_null(find(&t, 1));
}

static void over_its_limit_the_oldest_of_a_segment_goes(void **unused)
{
    (void)unused;
    struct value_table t = {.depth = 0};
    const struct value_limits few = {.count_max = 100, .has_memory = true};
    uint64_t evicted = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        evicted += put(&t, i, (int64_t)(i ^ 1), &few); /* two by two the other way round */
    }
    assert_int_equal(evicted, 900);
    assert_int_equal(t.count, 100);
    for (uint64_t i = 0; i < 1000; i++) { /* one segment: the oldest of all */
        assert_true((find(&t, i) != NULL) == (i >= 900));
    }
    pen_value_table_fini(&t);
}

static void without_memory_a_full_segment_makes_room(void **unused)
{
    (void)unused;
    struct value_table t = {.depth = 0};
    const struct value_limits none = {.count_max = UINT64_MAX, .has_memory = false};
    uint64_t evicted = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        (void)put(&t, i, (int64_t)i, &unlimited);
    }
    const uint64_t bytes = t.bytes;
    for (uint64_t i = 50000; i < 100000; i++) {
        evicted += put(&t, i, (int64_t)i, &none);
        assert_non_null(find(&t, i));
    }
    assert_int_equal(t.bytes, bytes);
    assert_int_equal(t.count, 100000 - evicted);
    assert_true(evicted > 40000); /* what was free in segments was used first */
    uint64_t old = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        old += find(&t, i) != NULL;
    }
    assert_true(old < 10000);
    pen_value_table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_and_takes_at_most_24_bytes),
        cmocka_unit_test(over_its_limit_the_oldest_of_a_segment_goes),
        cmocka_unit_test(without_memory_a_full_segment_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
