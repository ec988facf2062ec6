#include "fixture.h"

static uint32_t field_of(struct fixture *f, const char *name)
{
    uint32_t field = PEN_FIELD_NONE;
    assert_int_equal(pen_schema_field(f->schema, pen_slice_str(name), &field, &f->err), PEN_OK);
    return field;
}

static void value_is(struct fixture *f, uint32_t field, const char *text)
{
    const struct pen_value *value = pen_record_first(&f->record, field);
    assert_non_null(value);
    slice_is(value->text, text);
}

static void same_name_gives_the_same_field(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    const uint32_t field = field_of(f, "userIdentity.arn");
    assert_int_equal(field_of(f, "@userIdentity.arn"), field);
    assert_int_not_equal(field_of(f, "userIdentity.Arn"), field);
    RUN(f, ",\"userIdentity\":{\"arn\":\"x\"}");
    value_is(f, field, "x");
    fixture_free(f);
}

static void derived_names_have_values_when_asked_for(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    const uint32_t outcome = field_of(f, "event.outcome");
    const uint32_t action = field_of(f, "event.action");
    const uint32_t source = field_of(f, "source");
    const uint32_t account = field_of(f, "account");
    const uint32_t category = field_of(f, "event.category");
    RUN(f, ",\"eventName\":\"Do\",\"recipientAccountId\":\"123456789012\"");
    value_is(f, outcome, "success");
    value_is(f, action, "Do");
    value_is(f, source, "cloudtrail");
    value_is(f, account, "123456789012");
    value_is(f, category, "iam");
    fixture_free(f);
}

static void raw_and_derived_values_share_a_field(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    const uint32_t action = field_of(f, "event.action");
    RUN(f, ",\"eventName\":\"Do\",\"event\":{\"action\":\"raw\"}");
    const struct pen_value *value = pen_record_first(&f->record, action);
    assert_non_null(value);
    slice_is(value->text, "raw");
    value = pen_value_next(&f->record, value);
    assert_non_null(value);
    slice_is(value->text, "Do");
    fixture_free(f);
}

static void unknown_script_is_a_config_error(void **state)
{
    (void)state;
    const struct pen_type type = {.name = S("t"), .script = S("nope")};
    struct pen_schema *schema;
    struct pen_err err;
    assert_int_equal(pen_schema_new(&type, &schema, &err), PEN_E_CONFIG);
    assert_non_null(strstr(err.text, "nope"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_name_gives_the_same_field),
        cmocka_unit_test(derived_names_have_values_when_asked_for),
        cmocka_unit_test(raw_and_derived_values_share_a_field),
        cmocka_unit_test(unknown_script_is_a_config_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
