#include "penstock/net.h"

#include "test.h"

static void node_is(const char *url, const char *host, uint16_t port, const char *authority,
                    const char *prefix)
{
    struct pen_post_node node;
    struct pen_err err = {0};
    if (pen_post_node_parse(pen_slice_str(url), &node, &err) != PEN_OK) {
        fail_msg("%s: %s", url, err.text);
    }
    assert_string_equal(node.host, host);
    assert_int_equal(node.port, port);
    assert_string_equal(node.authority, authority);
    assert_string_equal(node.prefix, prefix);
    assert_int_equal(node.is_tls, url[4] == 's');
}

static void node_is_refused(const char *url, const char *reason)
{
    struct pen_post_node node;
    struct pen_err err = {0};
    assert_int_equal(pen_post_node_parse(pen_slice_str(url), &node, &err), PEN_E_USAGE);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", url, err.text, reason);
    }
}

static void a_node_is_host_port_and_path(void **state)
{
    (void)state;
    node_is("https://search.example.com", "search.example.com", 443, "search.example.com", "");
    node_is("http://127.0.0.1:9200", "127.0.0.1", 9200, "127.0.0.1:9200", "");
    node_is("http://h/", "h", 80, "h", "");
    node_is("https://h:443/a/b//", "h", 443, "h", "/a/b");
    node_is("https://[::1]:9200/x", "::1", 9200, "[::1]:9200", "/x");
    node_is("https://[fe80::1]", "fe80::1", 443, "[fe80::1]", "");
}

static void what_is_no_node_is_refused_with_its_reason(void **state)
{
    (void)state;
    node_is_refused("localhost:9200", "https:// or http://");
    node_is_refused("", "https:// or http://");
    node_is_refused("ftp://h", "https:// or http://");
    node_is_refused("https://", "no name");
    node_is_refused("https://h:0", "port");
    node_is_refused("https://h:65536", "port");
    node_is_refused("https://h:", "port");
    node_is_refused("https://h:x", "port");
    node_is_refused("https://[::1", "bracket");
    node_is_refused("https://[::1]9200", "no name");
    node_is_refused("https://a b", "nothing else");
    node_is_refused("https://h/x?y=1", "nothing else");
    node_is_refused("https://h\r\nX: y", "nothing else");
}

static void a_password_in_a_url_is_refused_and_not_repeated(void **state)
{
    (void)state;
    struct pen_post_node node;
    struct pen_err err = {0};
    node_is_refused("https://admin:secret@h:9200", "config file");
    (void)!pen_post_node_parse(PEN_SLICE_LIT("https://admin:secret@h"), &node, &err);
    assert_null(strstr(err.text, "secret"));
    assert_null(strstr(err.text, "admin"));
}

static void an_address_resolves_to_itself(void **state)
{
    (void)state;
    struct pen_post_node node;
    struct pen_err err = {0};
    assert_int_equal(pen_post_node_parse(PEN_SLICE_LIT("http://127.0.0.1:9200"), &node, &err),
                     PEN_OK);
    assert_int_equal(node.addresses.count, 0);
    assert_int_equal(pen_post_node_resolve(&node, NULL, &err), PEN_OK);
    assert_int_equal(node.addresses.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_host_port_and_path),
        cmocka_unit_test(what_is_no_node_is_refused_with_its_reason),
        cmocka_unit_test(a_password_in_a_url_is_refused_and_not_repeated),
        cmocka_unit_test(an_address_resolves_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
