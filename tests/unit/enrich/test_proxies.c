#include "proxies.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static pen_status read(struct proxies *proxies, const char *list, struct pen_err *err)
{
    return proxies_read(pen_slice_str(list), proxies, err);
}

static void addresses_and_networks_are_trusted(void **state)
{
    (void)state;
    static const struct {
        const char *ip;
        bool is_one;
    } rows[] = {{"10.0.0.1", true},
                {"10.255.0.1", true},
                {"11.0.0.1", false},
                {"192.0.2.7", true},
                {"192.0.2.8", false},
                {"::ffff:10.0.0.1", true},
                {"2001:db8:1::9", true},
                {"2001:db8:2::9", false},
                {"10.0.0", false},
                {"proxy.example", false},
                {"", false}};
    struct proxies proxies;
    struct pen_err err = {0};
    assert_int_equal(read(&proxies, "10.0.0.0/8, 192.0.2.7 ,2001:db8:1::/48,10.0.0.0/24", &err),
                     PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_int_equal(proxies_have(&proxies, pen_slice_str(rows[i].ip)), rows[i].is_one);
    }
    proxies_fini(&proxies);
}

static void mistakes_are_told_with_their_entry(void **state)
{
    (void)state;
    static const struct {
        const char *list, *told;
    } rows[] = {
        {"10.0.0.1,proxy.example", "enrich.trusted_proxies: `proxy.example` is no address"},
        {"10.0.0.0/33", "enrich.trusted_proxies: `10.0.0.0/33` is no address"},
        {"10.0.0.1,,10.0.0.2", "enrich.trusted_proxies: `` is no address and no network"},
        {"10.0.0.1, 10.0.0.0/8,10.0.0.1/32", "enrich.trusted_proxies: 10.0.0.1 is there twice"}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct proxies proxies;
        struct pen_err err = {0};
        assert_int_equal(read(&proxies, rows[i].list, &err), PEN_E_USAGE);
        assert_non_null(strstr(err.text, rows[i].told));
        proxies_fini(&proxies);
    }
}

static void the_number_of_entries_is_limited(void **state)
{
    (void)state;
    const size_t each = sizeof("255.255.255.255,");
    char *list = malloc(each * (PROXIES_MAX + 1));
    assert_non_null(list);
    for (uint32_t count = PROXIES_MAX; count <= PROXIES_MAX + 1; count++) {
        struct proxies proxies;
        struct pen_err err = {0};
        size_t len = 0;
        for (uint32_t i = 0; i < count; i++) {
            len += (size_t)snprintf(list + len, each, "%s10.0.%u.%u", i == 0 ? "" : ",", i >> 8,
                                    i & 255);
        }
        assert_int_equal(read(&proxies, list, &err), count > PROXIES_MAX ? PEN_E_USAGE : PEN_OK);
        proxies_fini(&proxies);
    }
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_networks_are_trusted),
        cmocka_unit_test(mistakes_are_told_with_their_entry),
        cmocka_unit_test(the_number_of_entries_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
