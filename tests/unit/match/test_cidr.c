#include "internal.h"
#include "match_test.h"

#include <stdio.h>

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

/* Four bytes, no zeros before others, three dots; read one after the other. */
static bool is_dotted(pen_slice text, uint8_t out[4])
{
    pen_slice part;
    uint32_t count = 0;
    while (pen_slice_split(&text, '.', &part)) {
        uint64_t value = 0;
        if (count == 4 || part.len > 3 || !pen_parse_u64(part, &value) || value > 255 ||
            (part.len > 1 && part.ptr[0] == '0')) {
            return false;
        }
        out[count++] = (uint8_t)value;
    }
    return count == 4;
}

static void addresses_are_what_reading_byte_by_byte_says(void **state)
{
    (void)state;
    uint64_t x = 1;
    uint32_t good = 0;
    for (uint32_t round = 0; round < 200000; round++) {
        char text[24] = "";
        size_t len = 0;
        for (uint32_t i = 0; i < 4; i++) {
            x = x * 6364136223846793005U + 1442695040888963407U;
            const uint32_t value =
                (x >> 33) % 8 == 0 ? (uint32_t)(x >> 40) % 400 : (uint32_t)(x >> 40) % 256;
            len += (size_t)snprintf(text + len, sizeof(text) - len, i == 0 ? "%u" : ".%u", value);
        }
        x = x * 6364136223846793005U + 1442695040888963407U;
        if ((x >> 33) % 2 == 0) { /* one byte becomes another */
            text[(x >> 40) % len] = "0123456789.:a "[(x >> 50) % 14];
        }
        uint8_t wanted[4] = {0};
        uint8_t addr[16];
        uint8_t bits = 0;
        const bool is_address = is_dotted(pen_slice_str(text), wanted);
        assert_int_equal(pen_ip_parse(pen_slice_str(text), addr, &bits) && bits == 32, is_address);
        for (size_t at = len; at < sizeof(text); at++) { /* what stands behind tells nothing */
            text[at] = "0.9x"[at % 4];
        }
        assert_int_equal(pen_ip_is_v4((pen_slice){(const uint8_t *)text, len}), is_address);
        if (is_address) {
            assert_memory_equal(addr, wanted, sizeof(wanted));
            good++;
        }
    }
    assert_true(good > 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_addresses_only),
        cmocka_unit_test(bad_networks_are_refused),
        cmocka_unit_test(eight_groups_with_a_gap_of_none_are_no_address),
        cmocka_unit_test(addresses_are_what_reading_byte_by_byte_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
