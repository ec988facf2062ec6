#include "ranges.h"
#include "test.h"

static struct ranges build(struct pen_arena *arena, const char *const *nets, uint32_t count)
{
    struct range items[32];
    struct ranges ranges;
    const struct range *twice;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(range_parse(pen_slice_str(nets[i]), &items[i], NULL), PEN_OK);
        items[i].value = i;
    }
    assert_int_equal(ranges_build(arena, items, count, &ranges, &twice), PEN_OK);
    assert_null(twice);
    return ranges;
}

static uint32_t find(const struct ranges *ranges, const char *text)
{
    uint8_t addr[16];
    assert_true(range_address(pen_slice_str(text), addr));
    return ranges_find(ranges, addr);
}

static void the_narrowest_network_wins(void **state)
{
    (void)state;
    static const char *const nets[] = {"10.1.0.0/16",     "10.0.0.0/8",        "10.1.2.3",
                                       "10.1.2.0/24",     "10.255.255.255/32", "2001:db8::/32",
                                       "2001:db8::1/128", "192.168.0.0/16",    "192.169.0.0/16"};
    struct pen_arena arena;
    pen_arena_init(&arena, 1 << 16);
    const struct ranges r = build(&arena, nets, PEN_COUNT(nets));
    assert_int_equal(find(&r, "10.0.0.0"), 1);
    assert_int_equal(find(&r, "10.1.0.0"), 0);
    assert_int_equal(find(&r, "10.1.2.2"), 3);
    assert_int_equal(find(&r, "10.1.2.3"), 2);
    assert_int_equal(find(&r, "10.1.2.4"), 3);
    assert_int_equal(find(&r, "10.1.3.0"), 0);
    assert_int_equal(find(&r, "10.2.0.0"), 1);
    assert_int_equal(find(&r, "10.255.255.254"), 1);
    assert_int_equal(find(&r, "10.255.255.255"), 4);
    assert_int_equal(find(&r, "11.0.0.0"), RANGE_NONE);
    assert_int_equal(find(&r, "9.255.255.255"), RANGE_NONE);
    assert_int_equal(find(&r, "192.168.255.255"), 7);
    assert_int_equal(find(&r, "192.169.0.0"), 8);
    assert_int_equal(find(&r, "192.170.0.0"), RANGE_NONE);
    assert_int_equal(find(&r, "2001:db8::1"), 6);
    assert_int_equal(find(&r, "2001:db8::2"), 5);
    assert_int_equal(find(&r, "2001:db9::"), RANGE_NONE);
    assert_int_equal(find(&r, "::ffff:10.1.2.3"), 2);
    pen_arena_fini(&arena);
}

static void all_addresses_are_a_network_too(void **state)
{
    (void)state;
    static const char *const nets[] = {"::/0", "255.255.255.255", "ffff::/16"};
    struct pen_arena arena;
    pen_arena_init(&arena, 1 << 16);
    const struct ranges r = build(&arena, nets, PEN_COUNT(nets));
    assert_int_equal(find(&r, "::"), 0);
    assert_int_equal(find(&r, "255.255.255.255"), 1);
    assert_int_equal(find(&r, "255.255.255.254"), 0);
    assert_int_equal(find(&r, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 2);
    const struct ranges none = build(&arena, nets, 0);
    assert_int_equal(find(&none, "1.2.3.4"), RANGE_NONE);
    pen_arena_fini(&arena);
}

static void the_same_network_twice_is_told(void **state)
{
    (void)state;
    struct pen_arena arena;
    struct range items[3];
    struct ranges ranges;
    const struct range *twice;
    pen_arena_init(&arena, 1 << 16);
    assert_int_equal(range_parse(PEN_SLICE_LIT("1.2.3.4/32"), &items[0], NULL), PEN_OK);
    assert_int_equal(range_parse(PEN_SLICE_LIT("1.2.0.0/16"), &items[1], NULL), PEN_OK);
    assert_int_equal(range_parse(PEN_SLICE_LIT("1.2.3.4"), &items[2], NULL), PEN_OK);
    assert_int_equal(ranges_build(&arena, items, 3, &ranges, &twice), PEN_E_RULE);
    assert_non_null(twice);
    assert_int_equal(range_parse(PEN_SLICE_LIT("1.2.3.4/8"), &items[0], NULL), PEN_E_RULE);
    uint8_t addr[16];
    assert_false(range_address(PEN_SLICE_LIT("host"), addr));
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_narrowest_network_wins),
        cmocka_unit_test(all_addresses_are_a_network_too),
        cmocka_unit_test(the_same_network_twice_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
