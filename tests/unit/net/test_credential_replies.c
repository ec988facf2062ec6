#include "credentials.h"
#include "test.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>

static struct credential_set *new_set(void)
{
    struct credential_set *set = calloc(1, sizeof(*set));
    assert_non_null(set);
    return set;
}

static void is(pen_slice s, const char *want)
{
    if (!pen_slice_eq(s, pen_slice_str(want))) {
        fail_msg("got \"%.*s\", want \"%s\"", PEN_SLICE_FMT(s), want);
    }
}

/* ---- words ---- */

static void words_are(const char *command, const char *const *want)
{
    struct words *words = malloc(sizeof(*words));
    struct pen_err err;
    uint32_t count = 0;
    assert_non_null(words);
    assert_int_equal(pen_words_split(pen_slice_str(command), words, &err), PEN_OK);
    for (; want[count] != NULL; count++) {
        assert_string_equal(words->items[count], want[count]);
    }
    assert_int_equal(words->count, count);
    assert_null(words->items[count]);
    free(words);
}

static void a_command_is_cut_as_a_shell_would(void **state)
{
    (void)state;
    words_are("  a b\tc\nd ", (const char *[]){"a", "b", "c", "d", NULL});
    words_are("'a b' \"c 'd\" e\\ f", (const char *[]){"a b", "c 'd", "e f", NULL});
    words_are("a''b \"\" '' \"x\\\"y\\\\z\\n\"",
              (const char *[]){"ab", "", "", "x\"y\\z\\n", NULL});
    words_are("C:\\\\x '\\' $HOME `a` |b;c",
              (const char *[]){"C:\\x", "\\", "$HOME", "`a`", "|b;c", NULL});
    words_are("a\\", (const char *[]){"a\\", NULL});
}

static void a_command_has_limits(void **state)
{
    (void)state;
    struct pen_err err;
    struct words *words = malloc(sizeof(*words));
    char *text = malloc(WORDS_BYTES_MAX + 1);
    assert_non_null(words);
    assert_non_null(text);
    memset(text, 'x', WORDS_BYTES_MAX + 1);
    const pen_slice whole = {(const uint8_t *)text, WORDS_BYTES_MAX + 1};
    assert_int_equal(pen_words_split(pen_slice_sub(whole, 0, WORDS_BYTES_MAX - 1), words, &err),
                     PEN_OK);
    assert_int_equal(strlen(words->items[0]), WORDS_BYTES_MAX - 1);
    assert_int_equal(pen_words_split(pen_slice_sub(whole, 0, WORDS_BYTES_MAX), words, &err),
                     PEN_E_LIMIT);
    for (size_t i = 0; i < ((size_t)WORDS_MAX + 1) * 2; i += 2) {
        text[i] = ' ';
    }
    assert_int_equal(pen_words_split(pen_slice_sub(whole, 0, (size_t)WORDS_MAX * 2), words, &err),
                     PEN_OK);
    assert_int_equal(words->count, WORDS_MAX);
    assert_int_equal(
        pen_words_split(pen_slice_sub(whole, 0, ((size_t)WORDS_MAX + 1) * 2), words, &err),
        PEN_E_LIMIT);
    assert_int_equal(pen_words_split(PEN_SLICE_LIT("a 'b"), words, &err), PEN_E_CONFIG);
    assert_int_equal(pen_words_split(PEN_SLICE_LIT(" \n"), words, &err), PEN_E_CONFIG);
    assert_int_equal(pen_words_split((pen_slice){NULL, 0}, words, &err), PEN_E_CONFIG);
    free(text);
    free(words);
}

/* ---- JSON ---- */

static pen_status json_read(const char *text, enum credential_reply kind,
                            struct credential_set *set, struct pen_err *err)
{
    struct pen_buf buf;
    pen_buf_init(&buf, HTTP_CALL_REPLY_MAX + HTTP_CALL_SLACK);
    assert_int_equal(pen_buf_reserve(&buf, buf.max), PEN_OK);
    assert_int_equal(pen_buf_add(&buf, pen_slice_str(text)), PEN_OK);
    const pen_status status = pen_credential_json(&buf, kind, set, err);
    pen_buf_fini(&buf);
    return status;
}

static void json_of_a_server_is_read(void **state)
{
    (void)state;
    struct credential_set *set = new_set();
    struct pen_err err;
    assert_int_equal(json_read(" {\"RoleArn\":{\"Token\":\"no\"},\"AccessKeyId\":\"AK\",\"Token\":"
                               "\"a\\/\\u0062\",\"SecretAccessKey\":\"s\\\\\",\"Expiration\":"
                               "\"2024-01-31T23:59:59Z\"}\r\n",
                               CREDENTIAL_OF_SERVER, set, &err),
                     PEN_OK);
    const struct pen_credentials view = pen_credential_set_view(set);
    is(view.access_key, "AK");
    is(view.secret_key, "s\\");
    is(view.session_token, "a/b");
    assert_int_equal(set->expires_ns, INT64_C(1706745599) * PEN_NS_PER_S);
    free(set);
}

static void json_of_a_process_is_read(void **state)
{
    (void)state;
    struct credential_set *set = new_set();
    struct pen_err err;
    assert_int_equal(json_read("{\"Version\":1,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"s\","
                               "\"Token\":\"no\",\"SessionToken\":null}",
                               CREDENTIAL_OF_PROCESS, set, &err),
                     PEN_OK);
    assert_int_equal(set->token_len, 0);
    assert_true(set->expires_ns == CREDENTIAL_NEVER);
    assert_int_equal(json_read("{\"Version\":2,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"s\"}",
                               CREDENTIAL_OF_PROCESS, set, &err),
                     PEN_E_CORRUPT);
    free(set);
}

static void json_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[]",
                                        "{",
                                        "{} x",
                                        "\"a\"",
                                        "{\"AccessKeyId\":\"A\",}",
                                        "{}",
                                        "\xff{\"a\":1}",
                                        "{\"AccessKeyId\":[\"A\"]}"};
    struct credential_set *set = new_set();
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        struct pen_err err = {.status = PEN_OK};
        assert_int_equal(json_read(texts[i], CREDENTIAL_OF_SERVER, set, &err), PEN_E_CORRUPT);
        assert_int_equal(err.status, PEN_E_CORRUPT);
    }
    free(set);
}

/* ---- STS ---- */

#define XML(body) "<R xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" body "</R>"
#define KEYS                                                                                 \
    "<Credentials><AccessKeyId> AK </AccessKeyId><SecretAccessKey>s&amp;1</SecretAccessKey>" \
    "<SessionToken>t</SessionToken><Expiration>2024-01-31T23:59:59Z</Expiration></Credentials>"

static void replies_of_sts_are_read(void **state)
{
    (void)state;
    struct credential_set *set = new_set();
    struct pen_err err;
    assert_int_equal(pen_sts_reply(PEN_SLICE_LIT(XML("<A><B>x</B></A>" KEYS)), false, set, &err),
                     PEN_OK);
    const struct pen_credentials view = pen_credential_set_view(set);
    is(view.access_key, "AK");
    is(view.secret_key, "s&1");
    is(view.session_token, "t");
    assert_int_equal(set->expires_ns, INT64_C(1706745599) * PEN_NS_PER_S);
    free(set);
}

static void bad_replies_of_sts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *xml;
        bool is_error;
        pen_status status;
        const char *text;
    } cases[] = {
        {"", false, PEN_E_CORRUPT, "a reply that is no XML: no element found"},
        {XML(""), false, PEN_E_CORRUPT, "a reply without credentials"},
        {XML(KEYS KEYS), false, PEN_E_CORRUPT, "its XML has a field twice"},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]><R>&b;</R>", false, PEN_E_CORRUPT,
         "its XML has a document type declaration"},
        {XML("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"), false, PEN_E_LIMIT,
         "its XML nests too deep"},
        {XML("<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
             "<SessionToken>t</SessionToken><Expiration>x</Expiration>"),
         false, PEN_E_CORRUPT, "a reply whose Expiration is no time"},
        {XML("<Error/>"), true, PEN_E_CORRUPT, "an error without a code"},
        {XML("<Code>a b</Code>"), true, PEN_E_CORRUPT, "an error whose code is no word"},
        {XML("<Code>Denied</Code><Message>a&#10;b</Message>"), true, PEN_E_DENIED, "Denied: a?b"},
    };
    struct credential_set *set = new_set();
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct pen_err err = {.text = ""};
        assert_int_equal(pen_sts_reply(pen_slice_str(cases[i].xml), cases[i].is_error, set, &err),
                         cases[i].status);
        assert_string_equal(err.text, cases[i].text);
    }
    free(set);
}

/* ---- sets ---- */

static void keys_that_no_header_can_have_are_refused(void **state)
{
    (void)state;
    static uint8_t long_text[PEN_SIGV4_SECRET_MAX + 1];
    struct credential_set *set = new_set();
    struct pen_err err;
    memset(long_text, 'x', sizeof(long_text));
    const pen_slice good = PEN_SLICE_LIT("good");
    const pen_slice bad[] = {PEN_SLICE_LIT("a b"),
                             PEN_SLICE_LIT("a\n"),
                             PEN_SLICE_LIT("\x7f"),
                             {long_text, sizeof(long_text)}};
    const struct pen_credentials fine = {.access_key = good, .secret_key = good};
    assert_int_equal(pen_credential_set_fill(set, &fine, &err), PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        const struct pen_credentials access = {.access_key = bad[i], .secret_key = good};
        const struct pen_credentials secret = {.access_key = good, .secret_key = bad[i]};
        assert_int_equal(pen_credential_set_fill(set, &access, &err), PEN_E_CORRUPT);
        assert_null(strstr(err.text, "good"));
        assert_int_equal(pen_credential_set_fill(set, &secret, &err), PEN_E_CORRUPT);
    }
    pen_credential_set_wipe(set);
    assert_int_equal(set->access_len, 0);
    free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_cut_as_a_shell_would),
        cmocka_unit_test(a_command_has_limits),
        cmocka_unit_test(json_of_a_server_is_read),
        cmocka_unit_test(json_of_a_process_is_read),
        cmocka_unit_test(json_that_is_none_is_refused),
        cmocka_unit_test(replies_of_sts_are_read),
        cmocka_unit_test(bad_replies_of_sts_are_refused),
        cmocka_unit_test(keys_that_no_header_can_have_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
