#include "internal.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define S(text)                                   \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

/* Shown as documents have it; "" when it is no time of this form. */
static const char *shown_by(const struct pen_type *type, uint8_t kind, const char *text,
                            const char *written, char out[64])
{
    struct pen_schema *schema = calloc(1, sizeof(*schema));
    struct pen_normalizer *n = calloc(1, sizeof(*n));
    const struct pen_value value = {.kind = kind, .text = pen_slice_str(text)};
    int64_t written_ns = 0;
    int64_t ns = 0;
    assert_non_null(schema);
    assert_non_null(n);
    schema->type = type;
    n->schema = schema;
    assert_true(pen_parse_time(pen_slice_str(written), &written_ns));
    out[0] = '\0';
    if (nrm_time_take(n, &value, written_ns, &ns)) {
        char utc[PEN_TIME_MAX];
        utc[pen_format_time(ns, utc)] = '\0';
        (void)snprintf(out, 64, "%.*s %s", (int)n->time_length, n->time_text, utc);
    }
    free(n);
    free(schema);
    return out;
}

static const char *shown(const char *form, uint8_t kind, const char *text, const char *written,
                         char out[64])
{
    const struct pen_type type = {.name = S("t"), .time_form = pen_slice_str(form)};
    return shown_by(&type, kind, text, written, out);
}

struct row {
    const char *form;
    uint8_t kind;
    const char *text, *wanted;
};

static void check(const struct row *rows, size_t count)
{
    char out[64];
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(
            shown(rows[i].form, rows[i].kind, rows[i].text, "2025-03-01T00:00:00Z", out),
            rows[i].wanted);
    }
}

static void epochs_are_told_by_their_size(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"epoch", PEN_NUMBER, "1735689660", "2025-01-01T00:01:00+00:00 2025-01-01T00:01:00Z"},
        {"epoch", PEN_STRING, "1735689660", "2025-01-01T00:01:00+00:00 2025-01-01T00:01:00Z"},
        {"epoch", PEN_NUMBER, "1735689660123",
         "2025-01-01T00:01:00.123000+00:00 2025-01-01T00:01:00.123Z"},
        {"epoch", PEN_NUMBER, "1735689660123456",
         "2025-01-01T00:01:00.123456+00:00 2025-01-01T00:01:00.123456Z"},
        {"epoch", PEN_NUMBER, "1735689660.5",
         "2025-01-01T00:01:00.500000+00:00 2025-01-01T00:01:00.5Z"},
        {"epoch", PEN_STRING, "", ""},
        {"epoch", PEN_STRING, "-5", ""},
        {"epoch", PEN_STRING, "12x", ""},
        {"epoch", PEN_NUMBER, "1e9", "2001-09-09T01:46:40+00:00 2001-09-09T01:46:40Z"},
        {"epoch", PEN_STRING, "1.735689660123E+12",
         "2025-01-01T00:01:00.123000+00:00 2025-01-01T00:01:00.123Z"},
        {"epoch", PEN_NUMBER, "1735689660500E-3",
         "2025-01-01T00:01:00.500000+00:00 2025-01-01T00:01:00.5Z"},
        {"epoch", PEN_NUMBER, "1.7356896605e9",
         "2025-01-01T00:01:00.500000+00:00 2025-01-01T00:01:00.5Z"},
        {"epoch", PEN_NUMBER, "1e99", ""},
        {"epoch", PEN_NUMBER, "1e-3", ""},
        {"epoch", PEN_STRING, "1e", ""},
        {"epoch", PEN_STRING, "1e9x", ""},
        {"epoch", PEN_STRING, ".e9", ""},
        /* where seconds end and milliseconds and microseconds begin */
        {"epoch", PEN_NUMBER, "1000000000001",
         "2001-09-09T01:46:40.001000+00:00 2001-09-09T01:46:40.001Z"},
        {"epoch", PEN_NUMBER, "1000000000000", ""},
        {"epoch", PEN_NUMBER, "1000000000000001",
         "2001-09-09T01:46:40.000001+00:00 2001-09-09T01:46:40.000001Z"},
        {"epoch", PEN_NUMBER, "1735689660123.5",
         "2025-01-01T00:01:00.123500+00:00 2025-01-01T00:01:00.1235Z"},
        {"epoch", PEN_NUMBER, "99999999999999999999", ""},
        {"epoch", PEN_BOOL, "true", ""},
    };
    check(rows, PEN_COUNT(rows));
}

static void patterns_have_the_usual_parts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"%d/%b/%Y:%H:%M:%S %z", PEN_STRING, "13/Dec/2021:09:29:20 +0000",
         "2021-12-13T09:29:20+00:00 2021-12-13T09:29:20Z"},
        {"%d/%b/%Y:%H:%M:%S %z", PEN_STRING, "13/Dec/2021:09:29:20 -0530",
         "2021-12-13T09:29:20-05:30 2021-12-13T14:59:20Z"},
        {"%b %d, %Y, %I:%M:%S %p", PEN_STRING, "Feb 1, 2022, 12:05:06 AM",
         "2022-02-01T00:05:06+00:00 2022-02-01T00:05:06Z"},
        {"%b %d, %Y, %I:%M:%S %p", PEN_STRING, "Feb 1, 2022, 1:05:06 PM",
         "2022-02-01T13:05:06+00:00 2022-02-01T13:05:06Z"},
        {"%a %b %d %H:%M:%S.%f %Y", PEN_STRING, "Mon Feb 28 10:11:12.123456789 2022",
         "2022-02-28T10:11:12.123456+00:00 2022-02-28T10:11:12.123456789Z"},
        {"%m/%d/%y %H:%M:%S", PEN_STRING, "02/28/22 10:11:12",
         "2022-02-28T10:11:12+00:00 2022-02-28T10:11:12Z"},
        {"%Y-%m-%d", PEN_STRING, "2022-02-30", ""},
        {"%Y-%m-%d", PEN_STRING, "2022-02-28x", ""},
        {"%Y-%m-%d", PEN_STRING, "2022-02", ""},
        {"%H:%M", PEN_STRING, "24:00", ""},
        {"%Y", PEN_NUMBER, "2022", ""},
        {"%y%m%d %H:%M", PEN_STRING, "220228 1:02",
         "2022-02-28T01:02:00+00:00 2022-02-28T01:02:00Z"},
        {"%Y-%m-%dT%H:%M:%S.%f%z", PEN_STRING, "2022-02-28T10:11:12.5+01:00",
         "2022-02-28T10:11:12.500000+01:00 2022-02-28T09:11:12.5Z"},
    };
    check(rows, PEN_COUNT(rows));
}

/* What fromisoformat of Python 3.11 takes. */
static void dates_and_times_of_iso_8601_are_read(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"rfc3339", PEN_STRING, "20250304", "2025-03-04T00:00:00+00:00 2025-03-04T00:00:00Z"},
        {"rfc3339", PEN_STRING, "2025-W10-2", "2025-03-04T00:00:00+00:00 2025-03-04T00:00:00Z"},
        {"rfc3339", PEN_STRING, "2025W102", "2025-03-04T00:00:00+00:00 2025-03-04T00:00:00Z"},
        {"rfc3339", PEN_STRING, "2025-W10", "2025-03-03T00:00:00+00:00 2025-03-03T00:00:00Z"},
        {"rfc3339", PEN_STRING, "2020-W53-7", "2021-01-03T00:00:00+00:00 2021-01-03T00:00:00Z"},
        {"rfc3339", PEN_STRING, "1960W011T00", "1960-01-04T00:00:00+00:00 1960-01-04T00:00:00Z"},
        {"rfc3339", PEN_STRING, "20250304T050607Z",
         "2025-03-04T05:06:07+00:00 2025-03-04T05:06:07Z"},
        {"rfc3339", PEN_STRING, "20250304T0506+0130",
         "2025-03-04T05:06:00+01:30 2025-03-04T03:36:00Z"},
        {"rfc3339", PEN_STRING, "2025-03-04T05", "2025-03-04T05:00:00+00:00 2025-03-04T05:00:00Z"},
        {"rfc3339", PEN_STRING, "2025-03-04x05:06:07",
         "2025-03-04T05:06:07+00:00 2025-03-04T05:06:07Z"},
        {"rfc3339", PEN_STRING, "2025-03-04T050607.5+0100",
         "2025-03-04T05:06:07.500000+01:00 2025-03-04T04:06:07.5Z"},
        {"rfc3339", PEN_STRING, "2025-03-04 05:06:07 +01:00",
         "2025-03-04T05:06:07+01:00 2025-03-04T04:06:07Z"},
        {"rfc3339", PEN_STRING, "2025-03-04T05:06:07.Z",
         "2025-03-04T05:06:07+00:00 2025-03-04T05:06:07Z"},
        {"rfc3339", PEN_STRING, "2025-03-04T05:06:07,1234567890123Z",
         "2025-03-04T05:06:07.123456+00:00 2025-03-04T05:06:07.123456789Z"},
        {"rfc3339", PEN_STRING, " 20250304T05:06:07.1234567890123-02 ",
         "2025-03-04T05:06:07.123456-02:00 2025-03-04T07:06:07.123456789Z"},
        {"rfc3339", PEN_STRING, "2025-0304", ""},
        {"rfc3339", PEN_STRING, "202503041", ""},
        {"rfc3339", PEN_STRING, "20250230", ""},
        {"rfc3339", PEN_STRING, "2025-W53", ""},
        {"rfc3339", PEN_STRING, "2025-W10-8", ""},
        {"rfc3339", PEN_STRING, "2025-W00", ""},
        {"rfc3339", PEN_STRING, "2025-03-04T", ""},
        {"rfc3339", PEN_STRING, "2025-03-04T05:0607", ""},
        {"rfc3339", PEN_STRING, "20250304T24", ""},
        {"rfc3339", PEN_STRING, "20250304T0560", ""},
        {"rfc3339", PEN_STRING, "20250304T05Zx", ""},
        {"rfc3339", PEN_STRING, "20250304T05+1", ""},
        {"rfc3339", PEN_STRING, "20250304T05+24:00", ""},
        {"rfc3339", PEN_STRING, "2025", ""},
    };
    check(rows, PEN_COUNT(rows));
}

static void times_of_syslog_may_have_a_fraction(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"syslog", PEN_STRING, "Feb  3 01:02:03", "2025-02-03T01:02:03+00:00 2025-02-03T01:02:03Z"},
        {"syslog", PEN_STRING, "Feb 13 01:02:03.25",
         "2025-02-13T01:02:03.250000+00:00 2025-02-13T01:02:03.25Z"},
        {"syslog", PEN_STRING, "Dec 31 23:59:59.123456",
         "2024-12-31T23:59:59.123456+00:00 2024-12-31T23:59:59.123456Z"},
        {"syslog", PEN_STRING, "2025-02-03T01:02:03Z",
         "2025-02-03T01:02:03+00:00 2025-02-03T01:02:03Z"},
        {"syslog", PEN_STRING, "Feb 3", ""},
        {"syslog", PEN_NUMBER, "3", ""},
    };
    check(rows, PEN_COUNT(rows));
}

/* The first of several that fits; of times without a zone that of the type. */
static void a_type_may_have_several_forms_and_a_zone(void **state)
{
    (void)state;
    static const pen_slice more[] = {S("epoch"), S("rfc3339"), S("%Y/%m/%d %z")};
    const struct pen_type type = {.name = S("t"),
                                  .time_form = S("%d.%m.%Y %H:%M"),
                                  .more_time_forms = more,
                                  .more_time_form_count = PEN_COUNT(more),
                                  .time_zone = S("+09:00")};
    static const struct row rows[] = {
        {"", PEN_STRING, "04.03.2025 05:06", "2025-03-04T05:06:00+09:00 2025-03-03T20:06:00Z"},
        {"", PEN_NUMBER, "1735689660", "2025-01-01T00:01:00+00:00 2025-01-01T00:01:00Z"},
        {"", PEN_STRING, "2025-03-04T05:06:07", "2025-03-04T05:06:07+09:00 2025-03-03T20:06:07Z"},
        {"", PEN_STRING, "2025-03-04", "2025-03-04T00:00:00+09:00 2025-03-03T15:00:00Z"},
        {"", PEN_STRING, "2025-03-04T05:06:07Z", "2025-03-04T05:06:07+00:00 2025-03-04T05:06:07Z"},
        {"", PEN_STRING, "2025-03-04T05:06:07.5-01",
         "2025-03-04T05:06:07.500000-01:00 2025-03-04T06:06:07.5Z"},
        {"", PEN_STRING, "2025/03/04 +0100", "2025-03-04T00:00:00+01:00 2025-03-03T23:00:00Z"},
        {"", PEN_STRING, "4 March", ""},
    };
    struct pen_err err = {0};
    char out[64];
    assert_int_equal(nrm_time_form_check(&type, &err), PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_string_equal(
            shown_by(&type, rows[i].kind, rows[i].text, "2025-03-01T00:00:00Z", out),
            rows[i].wanted);
    }
}

static void a_year_that_is_not_written_is_the_last_that_fits(void **state)
{
    (void)state;
    char out[64];
    static const struct {
        const char *text, *written, *wanted;
    } rows[] = {
        {"Feb  3 01:02:03", "2025-03-01T00:00:00Z",
         "2025-02-03T01:02:03+00:00 2025-02-03T01:02:03Z"},
        {"Dec 31 23:59:59", "2025-01-01T00:00:00Z",
         "2024-12-31T23:59:59+00:00 2024-12-31T23:59:59Z"},
        {"Jan  1 00:00:01", "2024-12-31T23:00:00Z",
         "2025-01-01T00:00:01+00:00 2025-01-01T00:00:01Z"},
        {"Feb 29 01:02:03", "2025-03-01T00:00:00Z",
         "2024-02-29T01:02:03+00:00 2024-02-29T01:02:03Z"},
        {"Feb 30 01:02:03", "2025-03-01T00:00:00Z", ""},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_string_equal(shown("%b %d %H:%M:%S", PEN_STRING, rows[i].text, rows[i].written, out),
                            rows[i].wanted);
    }
}

static void a_form_with_an_unknown_part_is_refused(void **state)
{
    (void)state;
    struct pen_type type = {.name = S("t"), .time_form = S("%Y-%q")};
    struct pen_err err = {0};
    assert_int_equal(nrm_time_form_check(&type, &err), PEN_E_CONFIG);
    assert_non_null(strstr(err.text, "type t: time_form %Y-%q"));
    type.time_form = (pen_slice)S("%Y%");
    assert_int_equal(nrm_time_form_check(&type, &err), PEN_E_CONFIG);
    type.time_form = (pen_slice)S("%d/%b/%Y:%H:%M:%S %z");
    assert_int_equal(nrm_time_form_check(&type, &err), PEN_OK);
    const pen_slice more = S("%j");
    type.more_time_forms = &more;
    type.more_time_form_count = 1;
    assert_int_equal(nrm_time_form_check(&type, &err), PEN_E_CONFIG);
    static const char *const zones[] = {"+9:00", "+0900", "+24:00", "Asia/Tokyo", "+09:00 "};
    type.more_time_form_count = 0;
    for (size_t i = 0; i < PEN_COUNT(zones); i++) {
        type.time_zone = pen_slice_str(zones[i]);
        assert_int_equal(nrm_time_form_check(&type, &err), PEN_E_CONFIG);
        assert_non_null(strstr(err.text, "+hh:mm or -hh:mm is wanted"));
    }
}

static void offsets_are_those_of_the_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", PEN_STRING, "2025-03-04T05:06:07+05",
         "2025-03-04T05:06:07+05:00 2025-03-04T00:06:07Z"},
        {"", PEN_STRING, "2025-03-04 05:06:07.5-0330",
         "2025-03-04T05:06:07.500000-03:30 2025-03-04T08:36:07.5Z"},
        {"", PEN_STRING, "2025-03-04T05:06:07-08:00",
         "2025-03-04T05:06:07-08:00 2025-03-04T13:06:07Z"},
        {"", PEN_STRING, "2025-03-04T05:06-02", "2025-03-04T07:06:00Z 2025-03-04T07:06:00Z"},
        {"", PEN_STRING, "2025-03-04T05:06", "2025-03-04T05:06:00Z 2025-03-04T05:06:00Z"},
        {"", PEN_STRING, "2025-03-04", "2025-03-04T00:00:00+00:00 2025-03-04T00:00:00Z"},
    };
    check(rows, PEN_COUNT(rows));
}

/* What no time can hold is no time of a key. */
static void the_key_of_an_object_has_its_time(void **state)
{
    (void)state;
    static const struct {
        const char *key, *wanted;
    } rows[] = {{"a/b_20250304T050607Z_c.gz", "2025-03-04T05:06:07+00:00"},
                {"_16780101T000000Z.gz", "1678-01-01T00:00:00+00:00"},
                {"_22611231T235959Z.gz", "2261-12-31T23:59:59+00:00"},
                {"_28250304T050607Z.gz", "2025-03-01T00:00:00+00:00"},
                {"_16771231T000000Z.gz", "2025-03-01T00:00:00+00:00"},
                {"_00000304T050607Z.gz", "2025-03-01T00:00:00+00:00"},
                {"_99990304T050607Z_20250304T050607Z.gz", "2025-03-04T05:06:07+00:00"},
                {"_20250230T050607Z.gz", "2025-03-01T00:00:00+00:00"}};
    struct pen_normalizer *n = calloc(1, sizeof(*n));
    assert_non_null(n);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_object_info object = {.key = pen_slice_str(rows[i].key)};
        assert_true(pen_parse_time(PEN_SLICE_LIT("2025-03-01T00:00:00Z"), &object.written_ns));
        (void)nrm_time_of_object(n, &object);
        assert_int_equal(n->time_length, strlen(rows[i].wanted));
        assert_memory_equal(n->time_text, rows[i].wanted, n->time_length);
    }
    free(n);
}

/* What was shown before is remembered, and changes nothing. */
static void times_are_shown_alike_whatever_was_shown_before(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "2025-03-01T10:00:00.000001Z", "2025-03-01T10:00:00.120000Z", "2025-03-01T10:00:00Z",
        "2025-03-01 10:00:00Z",        "2025-03-01T10:00:00.5Z",      "2025-03-01T10:00:00.00000xZ",
        "2025-03-01T10:00:00,120000Z", "2025-03-01T10:00:00z",        "2025-03-01T10:00:00+01:00",
        "2025-03-01T10:00:01.120000Z", "1969-12-31T23:59:59.500000Z", "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",        "2025-03-01T10:00:00.120000z", "2025-03-01T10:00",
        "2025-03-01T10:00:00",         "2025-03-01 10:00:01",         "2025-03-01",
        "2025-03-01T23:59:59Z",        "2025-03-01T23:59:60Z",        "2025-03-02T00:00:01.000100Z",
        "2025-03-01T24:00:00Z",        "2025-03-01T19:60:00Z",        "2025-03-01T09:59:3:",
        "2025-03-01T09-59:30Z",        "2025-03-01T09:59:30.12345:Z", "2025-03-01T09:59:30.1234567",
        "2025-03-01T09:59:30,123456Z", "2025-03-01T9:59:30.123456Z",  "2025-03-01T/0:00:00",
        "2025-03-01t09:59:30Z",        "2025-02-01T09:59:30Z",        "2024-03-01T09:59:30"};
    static const char *const epochs[] = {"1735689660",    "1735689661",   "0",
                                         "1735689660.25", "9999999999",   "17356896600",
                                         "1735689x60",    "173568966012", "1735689660123",
                                         "1735775999",    "1735776000",   "9214646399",
                                         "9214646400"};
    static const char *const forms[] = {"rfc3339", "epoch"};
    for (uint32_t f = 0; f < PEN_COUNT(forms); f++) {
        const char *const *rows = f == 0 ? texts : epochs;
        const uint32_t count = f == 0 ? PEN_COUNT(texts) : PEN_COUNT(epochs);
        const struct pen_type type = {.name = S("t"), .time_form = pen_slice_str(forms[f])};
        struct pen_schema *schema = calloc(1, sizeof(*schema));
        struct pen_normalizer *n = calloc(1, sizeof(*n));
        assert_true(schema != NULL && n != NULL);
        schema->type = &type;
        n->schema = schema;
        for (uint32_t i = 0; i < count * count; i++) { /* each behind each */
            const char *text = rows[i % 2 == 0 ? i / count : i % count];
            const struct pen_value value = {.kind = PEN_STRING, .text = pen_slice_str(text)};
            char wanted[64];
            char got[64] = "";
            char utc[PEN_TIME_MAX];
            int64_t ns = 0;
            (void)shown(forms[f], PEN_STRING, text, "2025-03-01T00:00:00Z", wanted);
            if (nrm_time_take(n, &value, 0, &ns)) {
                utc[pen_format_time(ns, utc)] = '\0';
                (void)snprintf(got, sizeof(got), "%.*s %s", (int)n->time_length, n->time_text, utc);
            }
            assert_string_equal(got, wanted);
        }
        free(n);
        free(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_are_told_by_their_size),
        cmocka_unit_test(patterns_have_the_usual_parts),
        cmocka_unit_test(dates_and_times_of_iso_8601_are_read),
        cmocka_unit_test(times_of_syslog_may_have_a_fraction),
        cmocka_unit_test(a_type_may_have_several_forms_and_a_zone),
        cmocka_unit_test(a_year_that_is_not_written_is_the_last_that_fits),
        cmocka_unit_test(a_form_with_an_unknown_part_is_refused),
        cmocka_unit_test(offsets_are_those_of_the_text),
        cmocka_unit_test(the_key_of_an_object_has_its_time),
        cmocka_unit_test(times_are_shown_alike_whatever_was_shown_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
