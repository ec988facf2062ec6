#include "fixture.h"

/* A type of one attribute, and what a record has under it: its texts with commas between them. */
static void expect_of(const struct pen_type *type, const char *name, bool is_tag,
                      const char *record_text, const char *want)
{
    struct fixture *f = fixture_new(type);
    uint32_t field = 0;
    struct pen_err err;
    char got[512] = "";
    size_t len = 0;
    const pen_slice asked = pen_slice_str(name);
    assert_int_equal(is_tag ? pen_schema_tag(f->schema, asked, &field, &err)
                            : pen_schema_field(f->schema, asked, &field, &err),
                     PEN_OK);
    assert_int_equal(fixture_run(f, pen_slice_str(record_text)), PEN_OK);
    for (const struct pen_value *v = pen_record_first(&f->record, field); v != NULL;
         v = pen_value_next(&f->record, v)) {
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%.*s", len == 0 ? "" : ",",
                                PEN_SLICE_FMT(v->text));
    }
    if (strcmp(got, want) != 0) {
        fail_msg("%s of %s: '%s', not '%s'", name, record_text, got, want);
    }
    fixture_free(f);
}

static struct pen_type type_with(const struct pen_map_entry *attributes, uint32_t count)
{
    struct pen_type type = trail_type;
    type.attributes = attributes;
    type.attribute_count = count;
    return type;
}

#define AT "\"eventTime\":\"2025-03-04T05:06:07Z\""

static void functions_make_attributes_of_values(void **state)
{
    static const struct {
        const char *source, *name, *value, *want;
    } rows[] = {
        {"error_status(v)", "x", "\"AccessDenied\"", "error"},
        {"error_status(v)", "x", "\"\"", "info"},
        {"error_status(missing)", "x", "1", "info"},
        {"code_status(v)", "x", "404", "warn"},
        {"code_status(v)", "x", "\"200\"", "ok"},
        {"code_status(v)", "x", "503", "error"},
        {"code_status(v)", "x", "301", "notice"},
        {"code_status(v)", "x", "\"-\"", ""},
        {"code_status(v)", "x", "600", ""},
        {"code_status(missing)", "x", "1", ""},
        {"code_outcome(v)", "x", "399", "success"},
        {"code_outcome(v)", "x", "400", "failure"},
        {"arn_role(v)", "x", "\"arn:aws:sts::1:assumed-role/admin/ann\"", "admin"},
        {"arn_session(v)", "x", "\"arn:aws:sts::1:assumed-role/admin/ann\"", "ann"},
        {"arn_role(v)", "x", "\"arn:aws:sts::1:assumed-role\\/admin\\/ann\"", "admin"},
        {"arn_role(v)", "x", "\"arn:aws:iam::1:user/ann\"", ""},
        {"arn_session(v)", "x", "\"arn:aws:iam::1:user/team/a/ann\"", "ann"},
        {"arn_session(v)", "x", "\"arn:aws:iam::1:root\"", ""},
        {"arn_session(v)", "x", "\"arn:aws:iam\"", ""},
        {"arn_session(v)", "x", "\"\"", ""},
        {"arn_instance(v)", "x", "\"arn:aws:sts::1:assumed-role/r/i-0123456789abcdef0\"",
         "i-0123456789abcdef0"},
        {"arn_instance(v)", "x", "\"arn:aws:sts::1:assumed-role/r/i-01234567\"", "i-01234567"},
        {"arn_instance(v)", "x", "\"arn:aws:sts::1:assumed-role/r/i-0123456\"", ""},
        {"arn_instance(v)", "x", "\"arn:aws:sts::1:assumed-role/r/i-0123456z\"", ""},
        {"not_an_ip(v)", "x", "\"ec2.amazonaws.com\"", "AWS Internal"},
        {"not_an_ip(v)", "x", "\"2001:db8::1\"", ""},
        {"request_url(v)", "x", "\"GET https://h:443/p?q=1 HTTP/1.1\"", "https://h:443/p?q=1"},
        {"url_path(v)", "x", "\"https://h:443/p/q?r=1#f\"", "/p/q"},
        {"url_path(v)", "x", "\"/api/v1?limit=5\"", "/api/v1"},
        {"url_host(v)", "x", "\"https://h:443/p\"", "h"},
        {"url_host(v)", "x", "\"/p?u=https://h/\"", ""},
        {"url_port(v)", "x", "\"https://h:443/p\"", "443"},
        {"url_port(v)", "x", "\"https://h/p\"", ""},
        {"url_scheme(v)", "x", "\"https://h\"", "https"},
        {"url_param(v)", "q.limit", "\"/api?a=1&limit=5&b\"", "5"},
        {"url_param(v)", "q.b", "\"/api?a=1&limit=5&b\"", ""},
        {"url_param(v)", "q.a", "\"a=x%20y&b=2\"", "x%20y"},
        {"url_param(v)", "q.c", "\"a=1\"", ""},
        {"code_status(v)", "x", "[200,{\"a\":1},\"404\",null]", "ok,warn"},
        {"= always this", "x", "1", "always this"},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        const bool is_any = rows[i].name[0] == 'q';
        char record[256];
        const pen_slice source = pen_slice_str(rows[i].source);
        const struct pen_map_entry entry = {.ecs =
                                                is_any ? PEN_SLICE_LIT("q.*") : PEN_SLICE_LIT("x"),
                                            .sources = &source,
                                            .source_count = 1};
        const struct pen_type type = type_with(&entry, 1);
        (void)snprintf(record, sizeof(record), "{" AT ",\"v\":%s}", rows[i].value);
        expect_of(&type, rows[i].name, false, record, rows[i].want);
    }
}

static void a_star_stands_for_any_name_below(void **state)
{
    const pen_slice inside = PEN_SLICE_LIT("inner.*");
    const pen_slice root = PEN_SLICE_LIT("*");
    const struct pen_map_entry entries[] = {
        {.ecs = PEN_SLICE_LIT("outer.*"), .sources = &inside, .source_count = 1},
        {.ecs = PEN_SLICE_LIT("detail.*"), .sources = &root, .source_count = 1}};
    const struct pen_type type = type_with(entries, PEN_COUNT(entries));
    static const char record[] =
        "{" AT ",\"inner\":{\"a\":{\"b\":\"1\"}},\"detail\":{\"z\":\"2\"}}";
    (void)state;
    expect_of(&type, "@outer.a.b", false, record, "1");
    expect_of(&type, "detail.inner.a.b", false, record, "1");
    expect_of(&type, "detail.z", false, record, "2");
    expect_of(&type, "outer.", false, record, "");
}

static void names_that_no_type_has_are_those_of_ecs(void **state)
{
    static const char record[] = "{" AT ",\"sourceIPAddress\":\"10.0.0.1\",\"userAgent\":\"curl\","
                                 "\"requestParameters\":{\"instanceId\":\"i-1\"},"
                                 "\"tags\":[\"instance-id:i-2\"]}";
    const pen_slice other = PEN_SLICE_LIT("eventTime");
    const struct pen_map_entry entry = {
        .ecs = PEN_SLICE_LIT("http.useragent"), .sources = &other, .source_count = 1};
    const struct pen_type type = type_with(&entry, 1);
    (void)state;
    expect_of(&trail_type, "network.client.ip", false, record, "10.0.0.1");
    expect_of(&trail_type, "http.useragent", false, record, "curl");
    expect_of(&trail_type, "instance-id", true, record, "i-2,i-1");
    expect_of(&trail_type, "network.client.geoip.country.name", false, record, "");
    expect_of(&type, "http.useragent", false, record, "2025-03-04T05:06:07Z");
}

static void a_type_may_say_what_a_tag_is(void **state)
{
    const pen_slice source = PEN_SLICE_LIT("who");
    const struct pen_map_entry entry = {
        .ecs = PEN_SLICE_LIT("tag:team"), .sources = &source, .source_count = 1};
    const struct pen_type type = type_with(&entry, 1);
    (void)state;
    expect_of(&type, "TEAM", true, "{" AT ",\"who\":\"red\"}", "red");
    expect_of(&type, "team", false, "{" AT ",\"who\":\"red\"}", "");
}

static void a_function_that_there_is_not_is_told(void **state)
{
    static const char *const bad[] = {"code_stat(v)", "(v)", "code_status (v)"};
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        const pen_slice source = pen_slice_str(bad[i]);
        const struct pen_map_entry entry = {
            .ecs = PEN_SLICE_LIT("x"), .sources = &source, .source_count = 1};
        const struct pen_type type = type_with(&entry, 1);
        struct pen_schema *schema = NULL;
        struct pen_err err;
        assert_int_equal(pen_schema_new(&type, &schema, &err), PEN_E_CONFIG);
        assert_non_null(strstr(err.text, "is no function of a path"));
        assert_null(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_make_attributes_of_values),
        cmocka_unit_test(a_star_stands_for_any_name_below),
        cmocka_unit_test(names_that_no_type_has_are_those_of_ecs),
        cmocka_unit_test(a_type_may_say_what_a_tag_is),
        cmocka_unit_test(a_function_that_there_is_not_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
