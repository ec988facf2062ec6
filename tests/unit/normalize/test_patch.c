#include "fixture.h"

static void string_is_wrapped_where_the_index_has_an_object(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"responseElements\":{\"status\":\"SUCCESS\"}");
    HAS(f, "\"responseElements\":{\"status\":{\"status\":\"SUCCESS\"}}");
}

static void string_in_place_of_all_parameters_is_wrapped(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"requestParameters\":\"a\",\"responseElements\":\"b\"");
    HAS(f, "\"requestParameters\":{\"value\":\"a\"}");
    HAS(f, "\"responseElements\":{\"value\":\"b\"}");
    RUN(f, ",\"additionalEventData\":\"c\",\"serviceEventDetails\":\"d\"");
    HAS(f, "\"additionalEventData\":{\"value\":\"c\"}");
    HAS(f, "\"serviceEventDetails\":{\"value\":\"d\"}");
}

static void repair_waits_for_its_event_source(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"eventSource\":\"ssm.amazonaws.com\",\"requestParameters\":{\"parameters\":\"x\"}");
    HAS(f, "{\"parameters\":{\"value\":\"x\"}}");
    RUN(f, ",\"eventSource\":\"rds.amazonaws.com\",\"requestParameters\":{\"parameters\":\"x\"}");
    HAS(f, "{\"parameters\":\"x\"}");
}

static void object_becomes_python_text(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"requestParameters\":{\"filter\":{\"a\": [true, null, 1.5, \"\"]}}");
    HAS(f, "\"filter\":\"{'a': [True, None, 1.5, '']}\"");
}

static void scalars_of_text_members_become_strings(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"requestParameters\":{\"status\":1.5,\"sort\":true,\"sortBy\":0,\"result\":\"r\","
           "\"scope\":\"{x}\"}");
    HAS(f, "\"status\":\"1.5\"");
    HAS(f, "\"sort\":\"True\"");
    HAS(f, "\"sortBy\":0");
    HAS(f, "\"result\":\"r\"");
    HAS(f, "\"scope\":\"'{x}'\"");
}

static void tags_keep_objects_and_wrap_the_rest(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"requestParameters\":{\"tags\":[\"a\",\"b\"]}");
    HAS(f, "\"tags\":{\"value\":[\"a\",\"b\"]}");
    RUN(f, ",\"requestParameters\":{\"tags\":[{\"k\":1}]}");
    HAS(f, "\"tags\":[{\"k\":1}]");
    RUN(f, ",\"requestParameters\":{\"disableApiStop\":{\"value\":false}}");
    HAS(f, "\"disableApiStop\":false");
}

static void credentials_are_told_from_role_names(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"responseElements\":{\"credentials\":\"arn:aws:iam::1:x\"}");
    HAS(f, "\"credentials\":{\"iam\":\"arn:aws:iam::1:x\"}");
    RUN(f, ",\"responseElements\":{\"credentials\":\"y\"}");
    HAS(f, "\"credentials\":{\"value\":\"y\"}");
}

static void long_string_of_a_large_document_is_cut(void **state)
{
    enum { LENGTH = 70000 };
    static const char head[] = "{" TIME ",\"a\":\"";
    struct fixture *f = *state;
    uint8_t *raw = malloc(sizeof(head) + LENGTH + 2);
    assert_non_null(raw);
    memcpy(raw, head, sizeof(head) - 1);
    memset(raw + sizeof(head) - 1, 'x', LENGTH);
    raw[sizeof(head) - 1 + LENGTH] = (uint8_t)34;
    raw[sizeof(head) + LENGTH] = (uint8_t)125;
    assert_int_equal(fixture_run(f, (pen_slice){raw, sizeof(head) + 1 + LENGTH}), PEN_OK);
    HAS(f, "x<<TRUNCATED>>\"");
    assert_in_range(f->doc.source.len, 32766, 34000);
    free(raw);
}

static int setup(void **state)
{
    *state = fixture_new(&trail_type);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string_is_wrapped_where_the_index_has_an_object),
        cmocka_unit_test(string_in_place_of_all_parameters_is_wrapped),
        cmocka_unit_test(repair_waits_for_its_event_source),
        cmocka_unit_test(object_becomes_python_text),
        cmocka_unit_test(scalars_of_text_members_become_strings),
        cmocka_unit_test(tags_keep_objects_and_wrap_the_rest),
        cmocka_unit_test(credentials_are_told_from_role_names),
        cmocka_unit_test(long_string_of_a_large_document_is_cut),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
