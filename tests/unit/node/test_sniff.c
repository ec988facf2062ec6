#include "sniff.h"
#include "test.h"

#include <string.h>

static void answers_without_events_are_cloudtrail_when_they_are_whole(void **state)
{
    (void)state;
    static const char *const empty[] = {
        "{\"Events\":[]}", "{ \"Events\" : [ ],\n\"NextToken\": \"x\" }",
        "\n{\"NextToken\":\"x\",\"Events\":[\n]}", "{\"Records\": []}"};
    static const char *const others[] = {"{\"Events\":[1]}", "{\"Events\":{}}",
                                         "[\"Events\",[]]",  "",
                                         "{\"Events\"",      "{\"Events\":["};
    for (size_t i = 0; i < PEN_COUNT(empty); i++) {
        assert_true(sniff_is_cloudtrail(pen_slice_str(empty[i]), true));
        assert_false(sniff_is_cloudtrail(pen_slice_str(empty[i]), false));
    }
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        assert_false(sniff_is_cloudtrail(pen_slice_str(others[i]), true));
    }
}

static void digests_are_known_without_files(void **state)
{
    (void)state;
    assert_true(sniff_is_digest(
        PEN_SLICE_LIT("{\"digestStartTime\":\"t\",\"digestEndTime\":\"t\",\"logFiles\":[]}")));
    assert_false(sniff_is_digest(PEN_SLICE_LIT("{\"digestStartTime\":\"t\"}")));
    assert_false(sniff_is_digest(
        PEN_SLICE_LIT("{\"eventSource\":\"x\",\"digestStartTime\":1,\"digestEndTime\":2}")));
}

static void what_begins_as_json_or_holds_an_object_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",      " [ ]", "\xEF\xBB\xBF{\"Records\":[", "",
        "  \n",    "{",    "not this\n{\"a\":1}\n",      "{\"a\":\"\x01\x02\"}",
        "tru\n[1]"};
    struct pen_err err = {0};
    for (size_t i = 0; i < PEN_COUNT(good); i++) {
        assert_true(sniff_is_json(pen_slice_str(good[i]), &err));
        assert_int_equal(err.status, PEN_OK);
    }
}

static void binary_and_plain_text_are_told_with_their_place(void **state)
{
    (void)state;
    struct pen_err err = {0};
    uint8_t binary[64] = {0x9c, 'a', '{', 0x00, 0x01, '['};
    char text[SNIFF_BYTES];
    assert_false(sniff_is_json((pen_slice){binary, sizeof(binary)}, &err));
    assert_int_equal(err.offset, 3);
    assert_non_null(strstr(err.text, "control characters, here 0x00"));
    memset(text, 'x', sizeof(text));
    assert_false(sniff_is_json((pen_slice){(const uint8_t *)text, sizeof(text)}, &err));
    assert_int_equal(err.offset, 0);
    assert_non_null(strstr(err.text, "no object or list begins"));
    err = (struct pen_err){0};
    assert_true(sniff_is_json((pen_slice){(const uint8_t *)text, sizeof(text) - 1}, &err));
    text[100] = '[';
    assert_true(sniff_is_json((pen_slice){(const uint8_t *)text, sizeof(text)}, &err));
    assert_int_equal(err.status, PEN_OK);
}

static void first_lines_of_text_tell_their_type_when_they_are_plain(void **state)
{
    (void)state;
    assert_string_equal(sniff_text_type(PEN_SLICE_LIT("version account-id srcaddr\n2 1 -")),
                        "vpcflowlogs");
    assert_string_equal(sniff_text_type(PEN_SLICE_LIT(
                            "2025-01-02T00:00:00.945958Z lb 198.51.100.7:1 - -1 -1 -1 0")),
                        "clb");
    static const char *const others[] = {"", "version of the action", "a b c d e f g h",
                                         "http 2025-01-02T00:00:00.1Z net/x 1.1.1.1:1 - - - -",
                                         "2025-01-02T00:00:00.945958Z lb 198.51.100.7 - 1 1 1 0"};
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        assert_null(sniff_text_type(pen_slice_str(others[i])));
    }
}

static void keys_of_export_tasks_have_the_task_and_a_number(void **state)
{
    (void)state;
    static const char good[] = "p/01234567-89ab-cdef-0123-456789abcdef/s/000000.gz";
    assert_true(sniff_is_export_key(pen_slice_str(good)));
    assert_true(sniff_is_export_key(pen_slice_sub(pen_slice_str(good), 2, sizeof(good) - 4)));
    static const char *const others[] = {"", "p/s/000000.gz",
                                         "p/01234567-89ab-cdef-0123-456789abcdef/s/x.gz",
                                         "p/01234567-89ab-cdef-0123-456789abcdeg/s/000000.gz"};
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        assert_false(sniff_is_export_key(pen_slice_str(others[i])));
    }
}

static void parquet_is_its_mark_and_no_text(void **state)
{
    (void)state;
    static const uint8_t parquet[] = {'P', 'A', 'R', '1', 0x15, 0x04, 0x15, 0x20};
    assert_true(sniff_is_parquet((pen_slice){parquet, sizeof(parquet)}));
    assert_false(sniff_is_parquet((pen_slice){parquet, 4}));
    static const char *const others[] = {"",       "PAR1",     "PAR1\n\x15",
                                         "PAR1 x", "PAR2\x15", "xPAR1\x15"};
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        assert_false(sniff_is_parquet(pen_slice_str(others[i])));
    }
    assert_non_null(strstr(sniff_unknown_reason(true, PEN_SLICE_LIT("a.gz")), "Parquet"));
    assert_non_null(strstr(sniff_unknown_reason(false, PEN_SLICE_LIT("a.parquet")), "Parquet"));
    assert_null(strstr(sniff_unknown_reason(false, PEN_SLICE_LIT("parquet.gz")), "Parquet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parquet_is_its_mark_and_no_text),
        cmocka_unit_test(answers_without_events_are_cloudtrail_when_they_are_whole),
        cmocka_unit_test(digests_are_known_without_files),
        cmocka_unit_test(what_begins_as_json_or_holds_an_object_passes),
        cmocka_unit_test(first_lines_of_text_tell_their_type_when_they_are_plain),
        cmocka_unit_test(keys_of_export_tasks_have_the_task_and_a_number),
        cmocka_unit_test(binary_and_plain_text_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
