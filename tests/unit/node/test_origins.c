#include "origins.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static void add(struct origins *set, enum origin_kind kind, const char *name)
{
    origins_add(set, kind, pen_slice_str(name));
}

static uint32_t take(struct origins *set)
{
    uint32_t count = 0;
    free(origins_take(set, &count));
    return count;
}

static void a_name_is_told_once(void **state)
{
    (void)state;
    struct origins set = {0};
    uint32_t count = 0;
    add(&set, ORIGIN_ACCOUNT, "111111111111");
    add(&set, ORIGIN_REGION, "eu-west-1");
    add(&set, ORIGIN_ACCOUNT, "111111111111");
    struct origin *fresh = origins_take(&set, &count);
    assert_int_equal(count, 2);
    assert_int_equal(fresh[0].kind, ORIGIN_ACCOUNT);
    assert_string_equal(fresh[0].name, "111111111111");
    assert_int_equal(fresh[1].kind, ORIGIN_REGION);
    assert_string_equal(fresh[1].name, "eu-west-1");
    free(fresh);
    add(&set, ORIGIN_REGION, "eu-west-1");
    assert_null(origins_take(&set, &count));
    assert_int_equal(count, 0);
    origins_fini(&set);
}

static void what_is_no_name_of_its_kind_is_left_out(void **state)
{
    (void)state;
    struct origins set = {0};
    add(&set, ORIGIN_ACCOUNT, "");
    add(&set, ORIGIN_ACCOUNT, "11111111111");
    add(&set, ORIGIN_ACCOUNT, "1111111111111");
    add(&set, ORIGIN_ACCOUNT, "ANONYMOUSxxx");
    add(&set, ORIGIN_REGION, "");
    add(&set, ORIGIN_REGION, "EU-WEST-1");
    add(&set, ORIGIN_REGION, "a-region-name-of-32-bytes-or-more");
    assert_int_equal(take(&set), 0);
    origins_fini(&set);
}

static void many_names_are_all_kept_up_to_the_limit(void **state)
{
    (void)state;
    struct origins set = {0};
    uint32_t told = 0;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < ORIGINS_MAX + 10; i++) {
            char name[ORIGIN_NAME_MAX];
            (void)snprintf(name, sizeof(name), "%012u", i);
            add(&set, ORIGIN_ACCOUNT, name);
            if (i % 1000 == 0) {
                told += take(&set);
            }
        }
    }
    told += take(&set);
    assert_int_equal(told, ORIGINS_MAX);
    origins_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_told_once),
        cmocka_unit_test(what_is_no_name_of_its_kind_is_left_out),
        cmocka_unit_test(many_names_are_all_kept_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
