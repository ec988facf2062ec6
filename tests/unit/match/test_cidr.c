#include "internal.h"
#include "match_test.h"

static bool inside(const char *net, const char *text)
{
    struct pen_pred pred = {.op = PEN_OP_CIDR};
    assert_int_equal(pen_cidr_parse(pen_slice_str(net), &pred, NULL), PEN_OK);
    return pen_match_cidr(&pred, pen_slice_str(text));
}

static void networks_hold_their_addresses_only(void **state)
{
    (void)state;
    assert_true(inside("10.0.0.0/8", "10.255.1.1"));
    assert_false(inside("10.0.0.0/8", "11.0.0.0"));
    assert_false(inside("10.0.0.0/8", "AWS Internal"));
    assert_false(inside("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert_false(inside("10.0.0.0/8", "10.0.0.1:443"));
    assert_false(inside("10.0.0.0/8", "010.0.0.1"));
    assert_true(inside("10.0.0.0/255.0.0.0", "10.1.1.1"));
    assert_true(inside("10.0.0.0/0.255.255.255", "10.1.1.1"));
    assert_true(inside("0.0.0.0/0", "255.255.255.255"));
    assert_false(inside("0.0.0.0/0", "::1"));
    assert_true(inside("1.2.3.4", "1.2.3.4"));
    assert_true(inside("2001:db8::/32", "2001:DB8::1"));
    assert_true(inside("2001:db8::/32", "2001:0db8:0:0:0:0:0:1"));
    assert_false(inside("2001:db8::/32", "2001:db9::1"));
    assert_true(inside("::ffff:0.0.0.0/96", "::ffff:10.0.0.1"));
}

static void bad_networks_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "10.0.0.1/8",
        "10.0.0.0/33",
        "010.0.0.0/8",
        " 10.0.0.0/8",
        "10.0.0.0/8 ",
        "10.*",
        "10.0.0/8",
        "10.0.0.0/",
        "10.0.0.0/08",
        "fe80::1%eth0/128",
        "10.0.0.0/255.0.255.0",
        "2001:db8::/129",
        "",
        "::1::",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        ":::",
    };
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        struct pen_pred pred = {0};
        struct pen_err err = {0};
        assert_int_equal(pen_cidr_parse(pen_slice_str(bad[i]), &pred, &err), PEN_E_RULE);
        assert_true(err.text[0] != '\0');
    }
}

static void eight_groups_with_a_gap_of_none_are_no_address(void **state)
{
    (void)state;
    uint8_t addr[16];
    uint8_t bits = 0;
    assert_false(pen_ip_parse(PEN_SLICE_LIT("1:2:3:4::5:6:7:8"), addr, &bits));
    assert_true(pen_ip_parse(PEN_SLICE_LIT("1:2:3:4:5:6:7::"), addr, &bits));
    assert_true(pen_ip_parse(PEN_SLICE_LIT("::"), addr, &bits));
    assert_int_equal(bits, 128);
    assert_false(pen_ip_parse(PEN_SLICE_LIT("1:2:3:4:5:6:7:"), addr, &bits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_addresses_only),
        cmocka_unit_test(bad_networks_are_refused),
        cmocka_unit_test(eight_groups_with_a_gap_of_none_are_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
