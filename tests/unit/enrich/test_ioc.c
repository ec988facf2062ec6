#include "ioc_made.h"

#include <sys/stat.h>

static void all_networks_around_an_address_are_found_narrow_first(void **state)
{
    (void)state;
    struct pen_ioc found[8];
    struct pen_err err = {0};
    struct pen_iocs *iocs = NULL;
    const char *const paths[] = {
        made_list("one.txt", "10.1.0.0/16\n10.1.2.3\n10.0.0.0/8\n10.1.0.0/16\n10.1.2.3\n"),
        made_list("two.txt", "10.1.2.0/24\n10.1.0.0/16\n10.1.2.3\n0.0.0.0/0\n"),
    };
    static const struct {
        const char *value;
        int list;
    } expected[] = {{"10.1.2.3", 0},    {"10.1.2.3", 1},   {"10.1.2.0/24", 1}, {"10.1.0.0/16", 1},
                    {"10.1.0.0/16", 0}, {"10.0.0.0/8", 0}, {"0.0.0.0/0", 1}};
    assert_int_equal(pen_iocs_open(paths, 2, &made_limits, &iocs, &err), PEN_OK);
    const uint32_t count =
        pen_iocs_find(iocs, PEN_IOC_AS_ADDRESS, PEN_SLICE_LIT("10.1.2.3"), found, 8);
    assert_int_equal(count, PEN_COUNT(expected));
    for (uint32_t i = 0; i < count; i++) {
        struct pen_ioc_list list;
        pen_iocs_list(iocs, (uint32_t)expected[i].list, &list);
        made_is(found[i].value, expected[i].value);
        assert_ptr_equal(found[i].list.ptr, list.name.ptr);
    }
    assert_int_equal(pen_iocs_find(iocs, PEN_IOC_AS_ADDRESS, PEN_SLICE_LIT("10.1.2.3"), found, 3),
                     3);
    assert_int_equal(pen_iocs_find(iocs, PEN_IOC_AS_ADDRESS, PEN_SLICE_LIT("10.9.9.9"), found, 8),
                     2);
    assert_int_equal(pen_iocs_find(iocs, PEN_IOC_AS_ADDRESS, PEN_SLICE_LIT("11.0.0.0"), found, 8),
                     1);
    assert_int_equal(pen_iocs_find(iocs, PEN_IOC_AS_ADDRESS, PEN_SLICE_LIT("2001:db8::"), found, 8),
                     0);
    struct pen_ioc_list list;
    pen_iocs_list(iocs, 0, &list);
    assert_int_equal(list.indicators, 3);
    pen_iocs_list(iocs, 1, &list);
    assert_int_equal(list.indicators, 4);
    assert_true(pen_iocs_bytes(iocs) > 0);
    pen_iocs_close(iocs);
    (void)unlink(paths[0]);
    (void)unlink(paths[1]);
}

static void private_addresses_are_left_out_when_asked(void **state)
{
    (void)state;
    struct pen_ioc found[4];
    static const char *const hidden[] = {"10.1.2.3",    "172.16.0.1", "172.31.255.255",
                                         "192.168.1.1", "127.0.0.1",  "0.0.0.0",
                                         "fd00::1",     "::1",        "::ffff:10.0.0.1"};
    static const char *const shown[] = {"169.254.169.254", "172.32.0.1", "8.8.8.8", "2001:db8::1"};
    struct pen_iocs *iocs = made_open("all.txt", "0.0.0.0/0\n::/0\n");
    const uint32_t kinds = PEN_IOC_AS_ADDRESS | PEN_IOC_PUBLIC;
    for (size_t i = 0; i < PEN_COUNT(hidden); i++) {
        assert_int_equal(pen_iocs_find(iocs, kinds, pen_slice_str(hidden[i]), found, 4), 0);
        assert_true(pen_iocs_find(iocs, PEN_IOC_AS_ADDRESS, pen_slice_str(hidden[i]), found, 4) >
                    0);
    }
    for (size_t i = 0; i < PEN_COUNT(shown); i++) {
        assert_true(pen_iocs_find(iocs, kinds, pen_slice_str(shown[i]), found, 4) > 0);
    }
    pen_iocs_close(iocs);
}

static void parts_of_values_are_looked_up(void **state)
{
    (void)state;
    struct pen_ioc ioc;
    struct pen_iocs *iocs = made_open("parts.txt", "192.0.2.1\n2001:db8::1\nbad.example\n");
    static const char *const with[] = {
        "192.0.2.1:443",         "[2001:db8::1]:443",        "[2001:db8::1]",
        "bad.example:8080",      "http://bad.example",       "https://BAD.example:8443/x?y#z",
        "http://192.0.2.1/a",    "http://[2001:db8::1]:1/a", "ftp://user:pass@bad.example/",
        "wss://bad.example?x=@", "http://bad.example\\x"};
    static const char *const without[] = {"192.0.2.10:443",
                                          "192.0.2.1:",
                                          "192.0.2.1:443000",
                                          "http://x.bad.example/",
                                          "bad.example/path",
                                          "http://",
                                          "http://x/bad.example",
                                          "://",
                                          "http://a@b.example/",
                                          ":",
                                          "[]",
                                          "[192.0.2.1",
                                          "bad.example/32",
                                          "/32",
                                          "192.0.2.1/31"};
    for (size_t i = 0; i < PEN_COUNT(with); i++) {
        finds(iocs, with[i]);
    }
    for (size_t i = 0; i < PEN_COUNT(without); i++) {
        finds_not(iocs, without[i]);
    }
    assert_int_equal(made_find(iocs, "https://user@bad.example:1/", &ioc), 1);
    made_is(ioc.found, "bad.example");
    const pen_slice url = PEN_SLICE_LIT("http://bad.example/");
    assert_int_equal(pen_iocs_find(iocs, PEN_IOC_AS_DOMAIN, url, &ioc, 1), 0);
    assert_int_equal(pen_iocs_find(iocs, PEN_IOC_AS_URL | PEN_IOC_AS_PARTS, url, &ioc, 1), 0);
    pen_iocs_close(iocs);
}

/* Against a search of every entry: no other value is found, and none is missed. */
static void many_values_are_told_apart(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct pen_buf text;
    struct pen_ioc ioc;
    struct pen_iocs *iocs = NULL;
    struct pen_err err = {0};
    const struct pen_ioc_limits limits = {.entries_max = COUNT, .bytes_max = 1 << 20};
    pen_buf_init(&text, 1 << 20);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(i % 2 == 0 ? pen_buf_printf(&text, "100.%u.%u.7\n", i / 256, i % 256)
                                    : pen_buf_printf(&text, "host-%u.example\n", i),
                         PEN_OK);
    }
    assert_int_equal(pen_buf_add_byte(&text, 0), PEN_OK);
    const char *path = made_list("five.txt", (const char *)text.ptr);
    assert_int_equal(pen_iocs_open(&path, 1, &limits, &iocs, &err), PEN_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        char address[32];
        char host[32];
        (void)snprintf(address, sizeof(address), "100.%u.%u.7", i / 256, i % 256);
        (void)snprintf(host, sizeof(host), "host-%u.example", i);
        assert_int_equal(made_find(iocs, address, &ioc), i % 2 == 0);
        assert_int_equal(made_find(iocs, host, &ioc), i % 2);
    }
    pen_iocs_close(iocs);
    pen_buf_fini(&text);
    (void)unlink(path);
}

/* ---- reload ---- */

struct watched {
    struct pen_iocs *iocs;
    struct mmdb_stamp refused[2];
    const char *paths[2];
    struct pen_err err;
};

static pen_status again(struct watched *w, bool *is_changed)
{
    struct pen_iocs *next = NULL;
    w->err = (struct pen_err){0};
    const pen_status st = ioc_reload(w->iocs, &made_limits, w->refused, &next, &w->err);
    *is_changed = next != NULL;
    if (next != NULL) {
        pen_iocs_close(w->iocs);
        w->iocs = next;
    }
    return st;
}

static void lists_that_change_are_read_again_alone(void **state)
{
    (void)state;
    struct watched w = {.paths = {made_list("a.txt", "192.0.2.1\nbad line\n"),
                                  made_list("b.txt", "192.0.2.2\nworse line\n")}};
    static const char *const first[] = {"a.txt:2: `bad line`", "b.txt:2: `worse line`", NULL};
    static const char *const second[] = {"b.txt:2: `other line`", NULL};
    bool is_changed = true;
    assert_int_equal(pen_iocs_open(w.paths, 2, &made_limits, &w.iocs, &w.err), PEN_OK);
    made_words(w.iocs, first, 2);
    assert_int_equal(again(&w, &is_changed), PEN_OK);
    assert_false(is_changed);
    (void)made_list("b.txt", "192.0.2.33\nother line\n");
    assert_int_equal(again(&w, &is_changed), PEN_OK);
    assert_true(is_changed);
    made_words(w.iocs, second, 1);
    finds(w.iocs, "192.0.2.1");
    finds(w.iocs, "192.0.2.33");
    finds_not(w.iocs, "192.0.2.2");
    (void)unlink(w.paths[0]); /* what is gone stays in use */
    assert_int_equal(again(&w, &is_changed), PEN_OK);
    assert_false(is_changed);
    finds(w.iocs, "192.0.2.1");
    pen_iocs_close(w.iocs);
    (void)unlink(w.paths[1]);
}

static void a_list_that_cannot_be_used_any_more_stays_as_it_was(void **state)
{
    (void)state;
    struct watched w = {
        .paths = {made_list("c.txt", "192.0.2.1\n"), made_list("d.txt", "192.0.2.2\n")}};
    bool is_changed = false;
    assert_int_equal(pen_iocs_open(w.paths, 2, &made_limits, &w.iocs, &w.err), PEN_OK);
    (void)made_list("c.txt", "{\"half\":");
    (void)made_list("d.txt", "192.0.2.44\n");
    assert_int_equal(again(&w, &is_changed), PEN_E_USAGE);
    assert_true(is_changed);
    assert_non_null(strstr(w.err.text, "c.txt: is no whole JSON"));
    finds(w.iocs, "192.0.2.1");
    finds(w.iocs, "192.0.2.44");
    assert_int_equal(again(&w, &is_changed), PEN_OK); /* told once */
    assert_false(is_changed);
    (void)made_list("c.txt", "192.0.2.111\n");
    assert_int_equal(again(&w, &is_changed), PEN_OK);
    assert_true(is_changed);
    finds(w.iocs, "192.0.2.111");
    finds_not(w.iocs, "192.0.2.1");
    pen_iocs_close(w.iocs);
    (void)unlink(w.paths[0]);
    (void)unlink(w.paths[1]);
}

static void lists_that_are_too_much_together_stay_as_they_were(void **state)
{
    (void)state;
    const struct pen_ioc_limits three = {.entries_max = 3, .bytes_max = 1 << 20};
    const char *const paths[] = {made_list("e.txt", "192.0.2.1\n"),
                                 made_list("f.txt", "192.0.2.2\n")};
    struct mmdb_stamp refused[2] = {0};
    struct pen_iocs *iocs = NULL;
    struct pen_iocs *next = NULL;
    struct pen_err err = {0};
    assert_int_equal(pen_iocs_open(paths, 2, &three, &iocs, &err), PEN_OK);
    (void)made_list("f.txt", "192.0.2.2\n192.0.2.3\n192.0.2.4\n");
    assert_int_equal(ioc_reload(iocs, &three, refused, &next, &err), PEN_E_USAGE);
    assert_null(next);
    assert_non_null(strstr(err.text, "4 indicators in 2 lists"));
    assert_int_equal(ioc_reload(iocs, &three, refused, &next, &err), PEN_OK);
    assert_null(next);
    finds(iocs, "192.0.2.2");
    pen_iocs_close(iocs);
    (void)unlink(paths[0]);
    (void)unlink(paths[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_networks_around_an_address_are_found_narrow_first),
        cmocka_unit_test(private_addresses_are_left_out_when_asked),
        cmocka_unit_test(parts_of_values_are_looked_up),
        cmocka_unit_test(many_values_are_told_apart),
        cmocka_unit_test(lists_that_change_are_read_again_alone),
        cmocka_unit_test(a_list_that_cannot_be_used_any_more_stays_as_it_was),
        cmocka_unit_test(lists_that_are_too_much_together_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
