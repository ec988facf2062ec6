#include "ini.h"
#include "test.h"

#include <stdlib.h>

static struct ini *parsed(const char *text, enum ini_kind kind)
{
    struct ini *ini = NULL;
    struct pen_err err = {.text = ""};
    if (pen_ini_parse(&ini, pen_slice_str(text), kind, "file", &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
    return ini;
}

static void value_is(const struct ini *ini, const char *profile, const char *name, const char *want)
{
    pen_slice value;
    const bool has = pen_ini_get(ini, pen_slice_str(profile), pen_slice_str(name), &value);
    if (want == NULL) {
        assert_false(has);
    } else if (!has || !pen_slice_eq(value, pen_slice_str(want))) {
        fail_msg("%s.%s: got \"%.*s\", want \"%s\"", profile, name, PEN_SLICE_FMT(value), want);
    }
}

static void text_is_bad(const char *text, pen_status want, uint64_t offset, const char *reason)
{
    struct ini *ini = NULL;
    struct pen_err err = {.status = PEN_OK};
    assert_int_equal(pen_ini_parse(&ini, pen_slice_str(text), INI_CONFIG, "file", &err), want);
    assert_null(ini);
    assert_int_equal(err.offset, offset);
    assert_string_equal(err.text, reason);
}

static void a_config_has_default_and_named_profiles(void **state)
{
    (void)state;
    struct ini *ini = parsed("# first\n[default]\nregion = eu-west-1\n\n"
                             "[profile one]\nRegion=us-east-1 \n  output : json\n"
                             "[two]\nregion = x\n[profile  \"a b\"]\nk=v\n[profile 'c']\nk=w\n"
                             "[sso-session s]\nk=u\n[profilex]\nk=t\n[profile]\nk=s\n",
                             INI_CONFIG);
    value_is(ini, "default", "region", "eu-west-1");
    value_is(ini, "one", "region", "us-east-1\noutput : json");
    value_is(ini, "one", "output", NULL);
    value_is(ini, "a b", "k", "v");
    value_is(ini, "c", "k", "w");
    assert_false(pen_ini_has(ini, PEN_SLICE_LIT("two")));
    assert_false(pen_ini_has(ini, PEN_SLICE_LIT("s")));
    assert_false(pen_ini_has(ini, PEN_SLICE_LIT("profilex")));
    assert_false(pen_ini_has(ini, PEN_SLICE_LIT("profile")));
    pen_ini_free(ini);
}

static void a_credentials_file_has_bare_names(void **state)
{
    (void)state;
    struct ini *ini =
        parsed("\xEF\xBB\xBF[one]\r\naws_access_key_id = A\r\n[profile two]\r\nk=v\r\n"
               "[empty] ; nothing\r\n",
               INI_CREDENTIALS);
    value_is(ini, "one", "aws_access_key_id", "A");
    value_is(ini, "profile two", "k", "v");
    value_is(ini, "two", "k", NULL);
    assert_true(pen_ini_has(ini, PEN_SLICE_LIT("empty")));
    value_is(ini, "empty", "k", NULL);
    pen_ini_free(ini);
}

static void nested_values_are_skipped(void **state)
{
    (void)state;
    struct ini *ini =
        parsed("[default]\ns3 =\n  region = no\n\n  # mid\n  more = no\nregion = yes\n"
               "[services x]\nsts =\n  endpoint_url = u\n",
               INI_CONFIG);
    value_is(ini, "default", "s3", "");
    value_is(ini, "default", "more", NULL);
    value_is(ini, "default", "region", "yes");
    pen_ini_free(ini);
}

static void indented_lines_continue_a_value(void **state)
{
    (void)state;
    struct ini *ini =
        parsed("[default]\r\ncmd = a b \r\n\tc\r\n\r\n   d e\r\nx = 1\n  [y]\nz = 2\n", INI_CONFIG);
    value_is(ini, "default", "cmd", "a b\nc\nd e");
    value_is(ini, "default", "x", "1\n[y]");
    value_is(ini, "default", "z", "2");
    pen_ini_free(ini);
}

static void properties_may_all_be_indented(void **state)
{
    (void)state;
    struct ini *ini = parsed("  [default]\n  a = 1\n  b = 2\n    c\n d = 4\n", INI_CONFIG);
    value_is(ini, "default", "a", "1");
    value_is(ini, "default", "b", "2\nc");
    value_is(ini, "default", "d", "4");
    pen_ini_free(ini);
}

static void the_later_value_counts_and_the_stronger_section(void **state)
{
    (void)state;
    struct ini *ini = parsed("[profile default]\na=strong\n[default]\na=weak\nb=weak\n"
                             "[profile p]\na=1\nb=1\n[profile q]\na=9\n[profile p]\na=2\n",
                             INI_CONFIG);
    value_is(ini, "default", "a", "strong");
    value_is(ini, "default", "b", NULL);
    value_is(ini, "p", "a", "2");
    value_is(ini, "p", "b", "1");
    value_is(ini, "q", "a", "9");
    pen_ini_free(ini);
}

static void comments_are_cut_from_plain_values(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"eu-west-1 # near", "eu-west-1"},
                                           {"a\t;b", "a"},
                                           {"a#b;c", "a#b;c"},
                                           {"", ""},
                                           {"#", "#"}};
    for (size_t i = 0; i < PEN_COUNT(pairs); i++) {
        const pen_slice plain = pen_ini_plain(pen_slice_str(pairs[i][0]));
        assert_true(pen_slice_eq(plain, pen_slice_str(pairs[i][1])));
    }
}

static void bad_lines_are_told_with_line_and_offset_but_not_shown(void **state)
{
    (void)state;
    text_is_bad("[default\n", PEN_E_CONFIG, 0, "file, line 1: the section has no \"]\"");
    text_is_bad("[default] x\n", PEN_E_CONFIG, 0,
                "file, line 1: only a comment may follow the \"]\" of a section");
    text_is_bad("[default]\na=b\nsecret\n", PEN_E_CONFIG, 14,
                "file, line 3: neither \"[section]\" nor \"name = value\"");
    text_is_bad("a=b\n", PEN_E_CONFIG, 0, "file, line 1: a value before the first \"[section]\"");
    text_is_bad("[default]\n = b\n", PEN_E_CONFIG, 10, "file, line 2: a value without a name");
}

static void limits_are_told(void **state)
{
    (void)state;
    struct pen_err err;
    struct ini *ini = NULL;
    static const uint8_t nul[] = "[a]\n\0";
    assert_int_equal(pen_ini_parse(&ini, (pen_slice){nul, 5}, INI_CONFIG, "file", &err),
                     PEN_E_CONFIG);
    assert_int_equal(err.offset, 4);
    uint8_t *text = malloc(INI_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, '\n', INI_BYTES_MAX + 1);
    assert_int_equal(
        pen_ini_parse(&ini, (pen_slice){text, INI_BYTES_MAX + 1}, INI_CONFIG, "file", &err),
        PEN_E_LIMIT);
    assert_int_equal(
        pen_ini_parse(&ini, (pen_slice){text, INI_BYTES_MAX}, INI_CONFIG, "file", &err), PEN_OK);
    pen_ini_free(ini);
    for (uint32_t i = 0; i <= INI_ENTRIES_MAX; i++) {
        const pen_slice line = i == 0 ? PEN_SLICE_LIT("[a]\n") : PEN_SLICE_LIT("b=c\n");
        memcpy(text + (size_t)i * 4, line.ptr, line.len);
    }
    assert_int_equal(pen_ini_parse(&ini, (pen_slice){text, (size_t)INI_ENTRIES_MAX * 4},
                                   INI_CREDENTIALS, "file", &err),
                     PEN_OK);
    pen_ini_free(ini);
    assert_int_equal(pen_ini_parse(&ini, (pen_slice){text, ((size_t)INI_ENTRIES_MAX + 1) * 4},
                                   INI_CREDENTIALS, "file", &err),
                     PEN_E_LIMIT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_has_default_and_named_profiles),
        cmocka_unit_test(a_credentials_file_has_bare_names),
        cmocka_unit_test(nested_values_are_skipped),
        cmocka_unit_test(indented_lines_continue_a_value),
        cmocka_unit_test(properties_may_all_be_indented),
        cmocka_unit_test(the_later_value_counts_and_the_stronger_section),
        cmocka_unit_test(comments_are_cut_from_plain_values),
        cmocka_unit_test(bad_lines_are_told_with_line_and_offset_but_not_shown),
        cmocka_unit_test(limits_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
