#include "fixture.h"

static void absent_objects_leave_no_trace(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    RUN(f, "");
    HAS(f, "\"ecs\":{\"version\":\"1.10.0\"}");
    HAS_NOT(f, "\"user\"");
    HAS_NOT(f, "\"source\"");
    HAS_NOT(f, "{}");
    HAS_NOT(f, ",,");
    HAS(f, "\"kind\":\"event\"");
    HAS(f, "\"category\":[\"iam\"]");
    fixture_free(f);
}

static void ip_fields_take_addresses_only(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    RUN(f, ",\"sourceIPAddress\":\"ec2.amazonaws.com\"");
    HAS(f, "\"source\":{\"address\":\"ec2.amazonaws.com\"}");
    HAS_NOT(f, "\"related\"");
    RUN(f, ",\"sourceIPAddress\":\"192.0.2.7\"");
    HAS(f, "\"source\":{\"address\":\"192.0.2.7\",\"ip\":\"192.0.2.7\"}");
    HAS(f, "\"related\":{\"ip\":[\"192.0.2.7\"]}");
    slice_is(f->doc.source_ip, "192.0.2.7");
    fixture_free(f);
}

static void number_fields_are_numbers(void **state)
{
    (void)state;
    const struct pen_map_entry map[] = {MAP("source.port", false, S("p")),
                                        MAP("user.id", false, S("u"))};
    const struct pen_type type = {
        .name = S("t"), .index_name = S("t"), .map = map, .map_count = PEN_COUNT(map)};
    struct fixture *f = fixture_new(&type);
    RUN(f, ",\"p\":\"443\",\"u\":7");
    HAS(f, "\"source\":{\"port\":443}");
    HAS(f, "\"user\":{\"id\":\"7\"}");
    fixture_free(f);
}

static void a_document_is_one_line(void **state)
{
    (void)state;
    const struct pen_map_entry map[] = {MAP("rule.id", false, S("p")),
                                        MAP("rule.name", false, S("u"))};
    const struct pen_type type = {
        .name = S("t"), .index_name = S("t"), .map = map, .map_count = PEN_COUNT(map)};
    struct fixture *f = fixture_new(&type);
    RUN(f, ",\"p\" : [\n  \"a, b\",\r\n\t\"\\\" c\"\n],\"u\":{\n\"k\": 1\n}");
    HAS(f, "\"rule\":{\"id\":[\"a, b\",\"\\\" c\"],\"name\":{\"k\":1}}");
    HAS_NOT(f, "\n");
    fixture_free(f);
}

static void value_that_is_also_an_object_is_refused(void **state)
{
    (void)state;
    const struct pen_map_entry map[] = {MAP("a", false, S("p")), MAP("a.b", false, S("u"))};
    const struct pen_type type = {
        .name = S("t"), .index_name = S("t"), .map = map, .map_count = PEN_COUNT(map)};
    struct pen_schema *schema;
    struct pen_err err;
    assert_int_equal(pen_schema_new(&type, &schema, &err), PEN_E_CONFIG);
    assert_null(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_objects_leave_no_trace),
        cmocka_unit_test(ip_fields_take_addresses_only),
        cmocka_unit_test(number_fields_are_numbers),
        cmocka_unit_test(a_document_is_one_line),
        cmocka_unit_test(value_that_is_also_an_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
