#include "sink.h"
#include "test.h"

static void opens(const struct pen_sink_spec *spec, const char *authorization)
{
    struct pen_sink *sink = NULL;
    struct pen_err err = {0};
    if (pen_sink_open(spec, &sink, &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
    const struct pen_poster_options options = sink_poster(sink, 1, PEN_NS_PER_S);
    if (authorization == NULL) {
        assert_null(options.authorization);
    } else {
        assert_string_equal(options.authorization, authorization);
    }
    pen_sink_free(sink);
}

static void fails(const struct pen_sink_spec *spec, const char *reason)
{
    struct pen_sink *sink = NULL;
    struct pen_err err = {0};
    assert_int_equal(pen_sink_open(spec, &sink, &err), PEN_E_USAGE);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
    }
    assert_null(sink);
}

static void a_cluster_is_one_or_several_nodes(void **state)
{
    (void)state;
    struct pen_sink *sink = NULL;
    struct pen_err err = {0};
    const struct pen_sink_spec two = {.urls = "http://127.0.0.1:9200, http://127.0.0.1:9201"};
    assert_int_equal(pen_sink_open(&two, &sink, &err), PEN_OK);
    assert_int_equal(sink_node_count(sink), 2);
    pen_sink_free(sink);
    fails(&(struct pen_sink_spec){.urls = "http://127.0.0.1,,"}, "https:// or http://");
    fails(&(struct pen_sink_spec){.urls = ""}, "https:// or http://");
}

static void who_asks_is_a_user_or_a_key(void **state)
{
    (void)state;
    const char *url = "http://127.0.0.1:9200";
    opens(&(struct pen_sink_spec){.urls = url}, NULL);
    opens(&(struct pen_sink_spec){.urls = url, .user = "Aladdin", .password = "open sesame"},
          "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    opens(&(struct pen_sink_spec){.urls = url, .user = "a", .password = "b"}, "Basic YTpi");
    opens(&(struct pen_sink_spec){.urls = url, .user = "a", .password = "bc"}, "Basic YTpiYw==");
    opens(&(struct pen_sink_spec){.urls = url, .api_key = "VuaCfGcBCdbk"}, "ApiKey VuaCfGcBCdbk");
}

static void what_contradicts_itself_is_refused(void **state)
{
    (void)state;
    const char *url = "http://127.0.0.1:9200";
    fails(&(struct pen_sink_spec){.urls = url, .user = "a"}, "without a password");
    fails(&(struct pen_sink_spec){.urls = url, .password = "a"}, "without a user");
    fails(&(struct pen_sink_spec){.urls = url, .user = "a:b", .password = "c"}, "colon");
    fails(&(struct pen_sink_spec){.urls = url, .user = "a", .password = "b", .api_key = "c"},
          "more than one way");
    fails(&(struct pen_sink_spec){.urls = url, .api_key = "a\r\nX: y"}, "no line of text");
    fails(&(struct pen_sink_spec){.urls = url, .key_file = "k"}, "without a client_cert");
}

static void a_password_is_not_sent_in_the_clear(void **state)
{
    (void)state;
    fails(&(struct pen_sink_spec){.urls = "http://192.0.2.1:9200", .user = "a", .password = "b"},
          "in the clear");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_is_one_or_several_nodes),
        cmocka_unit_test(who_asks_is_a_user_or_a_key),
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(a_password_is_not_sent_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
