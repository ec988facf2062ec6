#include "early.h"
#include "test.h"

#include <stdio.h>

#define MIB (1ULL << 20)

static void small_files_are_not_remembered(void **state)
{
    (void)state;
    struct early early = {0};
    assert_int_equal(early_note(&early, "/a", "one", EARLY_BYTES_MIN - 1), PEN_OK);
    assert_int_equal(early.count, 0);
    early_settle(&early, 1);
    assert_false(early_has(&early, EARLY_NONE, "one"));
    early_fini(&early);
}

static void those_that_are_no_large_part_of_all_bytes_are_dropped(void **state)
{
    (void)state;
    struct early early = {0};
    assert_int_equal(early_note(&early, "/a", "small", 15 * MIB), PEN_OK);
    assert_int_equal(early_note(&early, "/a", "exact", 16 * MIB), PEN_OK);
    assert_int_equal(early_note(&early, "/b", "large", 400 * MIB), PEN_OK);
    early_settle(&early, 16 * MIB * EARLY_SHARE);
    assert_int_equal(early.count, 2);
    assert_string_equal(early.objects[0].name, "large");
    assert_string_equal(early.objects[1].name, "exact");
    early_fini(&early);
}

static void of_many_the_largest_are_kept_largest_first(void **state)
{
    (void)state;
    struct early early = {0};
    const uint32_t files = 5 * EARLY_MAX + 7;
    for (uint32_t i = 0; i < files; i++) {
        char name[32];
        const uint32_t rank = i * 101 % files;
        (void)snprintf(name, sizeof(name), "f%u", rank);
        assert_int_equal(early_note(&early, "/a", name, EARLY_BYTES_MIN + rank), PEN_OK);
    }
    early_settle(&early, 0);
    assert_int_equal(early.count, EARLY_MAX);
    for (uint32_t i = 0; i < EARLY_MAX; i++) {
        assert_int_equal(early.objects[i].size, EARLY_BYTES_MIN + files - 1 - i);
    }
    early_fini(&early);
}

static void an_object_is_known_by_its_unit_and_name(void **state)
{
    (void)state;
    struct early early = {0};
    assert_int_equal(early_note(&early, "/a", "x", 9 * MIB), PEN_OK);
    early_settle(&early, 9 * MIB);
    assert_false(early_has(&early, 3, "x"));
    early.objects[0].unit = 3;
    assert_true(early_has(&early, 3, "x"));
    assert_false(early_has(&early, 3, "y"));
    assert_false(early_has(&early, 2, "x"));
    early_fini(&early);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_files_are_not_remembered),
        cmocka_unit_test(those_that_are_no_large_part_of_all_bytes_are_dropped),
        cmocka_unit_test(of_many_the_largest_are_kept_largest_first),
        cmocka_unit_test(an_object_is_known_by_its_unit_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
