#include "agents.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static void file_put(const char *text)
{
    (void)snprintf(path, sizeof(path), "/tmp/penstock-agents-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void refused(const char *text, const char *told)
{
    struct agents *agents;
    struct pen_err err = {0};
    char wanted[256];
    file_put(text);
    assert_int_equal(agents_open(path, &agents, &err), PEN_E_USAGE);
    assert_null(agents);
    (void)snprintf(wanted, sizeof(wanted), "enrich.user_agent: %s:%s", path, told);
    if (strncmp(err.text, wanted, strlen(wanted)) != 0) {
        fail_msg("%s, not %s", err.text, wanted);
    }
    assert_int_equal(unlink(path), 0);
}

struct known {
    struct agents *agents;
    struct agent_cache *cache;
    struct pen_agent agent;
};

static void begin(struct known *k, const char *from)
{
    struct pen_err err = {0};
    assert_int_equal(agents_open(from, &k->agents, &err), PEN_OK);
    assert_int_equal(agent_cache_new(k->agents, &k->cache, &err), PEN_OK);
    assert_true(agents_bytes(k->agents) > 0 && agent_cache_memory(k->agents) > 0);
}

static void end(struct known *k)
{
    agent_cache_free(k->cache);
    agents_close(k->agents);
}

/* Parts with | between them, looked up and from the cache. */
static void is(struct known *k, const char *original, const char *wanted)
{
    char got[2 * PEN_AGENT_TEXT_MAX];
    for (int turn = 0; turn < 2; turn++) {
        size_t len = 0;
        got[0] = '\0';
        assert_true(agent_find(k->cache, pen_slice_str(original), strchr(original, '\\') != NULL,
                               &k->agent));
        for (uint32_t i = 0; i < PEN_AGENT_PARTS; i++) {
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%.*s", i == 0 ? "" : "|",
                                    PEN_SLICE_FMT(pen_agent_part(&k->agent, i)));
        }
        assert_string_equal(got, wanted);
    }
}

static void patterns_of_a_file_make_names_and_versions(void **state)
{
    (void)state;
    struct known k;
    file_put("user_agent_parsers:\n"
             "  - regex: '(Fox)/(\\d+)\\.(\\d+)\\.?(\\d+)?'\n"
             "    family_replacement: 'Fire$1 '\n"
             "  - regex: 'Goose(?:/(\\d+))?'\n"
             "    family_replacement: 'A \"$9goose\"'\n"
             "    v1_replacement: '1'\n"
             "    v2_replacement: '$1'\n"
             "    v3_replacement: '7'\n"
             "  - regex: '(Empty)?!'\n"
             "os_parsers:\n"
             "  - regex: 'Win(\\w+) (\\w+)'\n"
             "    os_replacement: 'Windows'\n"
             "    os_v1_replacement: '$1 $2'\n"
             "  - regex: '(Droid) (\\d+)\\.(\\d+)\\.(\\d+)\\.(\\d+)'\n"
             "device_parsers:\n"
             "  - regex: '; *(phone) (\\S+)'\n"
             "    regex_flag: 'i'\n"
             "    device_replacement: '$2 $1'\n"
             "    brand_replacement: 'x'\n");
    begin(&k, path);
    is(&k, "Fox/12.3 WinNT 4", "FireFox|12.3|Windows|NT 4|Windows NT 4|Other");
    is(&k, "Fox/12.3.4 Droid 1.2.3.4; PHONE p\\u00fc\\\"",
       "FireFox|12.3.4|Droid|1.2.3.4|Droid 1.2.3.4|p\xc3\xbc\\\" PHONE");
    assert_int_equal(k.agent.escaped, 1U << PEN_AGENT_DEVICE);
    is(&k, "Goose", "A \\\"goose\\\"|1|Other|||Other"); /* where a part ends the version does */
    is(&k, "Goose/5", "A \\\"goose\\\"|1.5.7|Other|||Other");
    is(&k, "a!", "Other||Other|||Other");
    is(&k, "Fox/1.2%20Win%4eT%205%2", "FireFox|1.2|Windows|NT 5|Windows NT 5|Other");
    is(&k, "nothing", "Other||Other|||Other");
    is(&k, "ec2.amazonaws.com", "ec2.amazonaws.com||Other|||Other");
    is(&k, "AWS Internal", "AWS Internal||Other|||Other");
    is(&k, "a ec2.amazonaws.com", "Other||Other|||Other");
    assert_false(agent_find(k.cache, PEN_SLICE_LIT("-"), false, &k.agent));
    assert_false(agent_find(k.cache, PEN_SLICE_LIT(""), false, &k.agent));
    assert_int_equal(unlink(path), 0);
    end(&k);
}

/* More than there is room for: what is kept is never taken for another. */
static void many_agents_are_told_apart(void **state)
{
    (void)state;
    struct known k;
    file_put("user_agent_parsers: [{regex: '(a|b)(\\d+)'}]\n");
    begin(&k, path);
    for (uint32_t turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < 3 * PEN_AGENT_CACHE_ENTRIES; i++) {
            char original[32];
            char version[32];
            const int len = snprintf(original, sizeof(original), "a%u", i);
            (void)snprintf(version, sizeof(version), "%u", i);
            assert_true(agent_find(k.cache, (pen_slice){(const uint8_t *)original, (size_t)len},
                                   false, &k.agent));
            assert_true(
                pen_slice_eq(pen_agent_part(&k.agent, PEN_AGENT_VERSION), pen_slice_str(version)));
        }
    }
    assert_int_equal(unlink(path), 0);
    end(&k);
}

static void long_agents_have_limits(void **state)
{
    (void)state;
    struct known k;
    static char text[PEN_AGENT_BYTES_MAX + 64];
    file_put("user_agent_parsers: [{regex: '(ab)$'}, {regex: '(a+)(b*)'}]\n"
             "os_parsers: [{regex: '(xend)'}]\n");
    begin(&k, path);
    for (size_t len = PEN_AGENT_CACHE_KEY_MAX - 1; len <= PEN_AGENT_CACHE_KEY_MAX + 1; len++) {
        for (size_t turn = 0; turn < 2; turn++) {
            memset(text, 'x', sizeof(text));
            text[len - 2] = 'a';
            text[len - 1] = 'b';
            assert_true(
                agent_find(k.cache, (pen_slice){(const uint8_t *)text, len}, false, &k.agent));
            assert_true(
                pen_slice_eq(pen_agent_part(&k.agent, PEN_AGENT_NAME), PEN_SLICE_LIT("ab")));
        }
    }
    /* What is too long for a field is no field; what stands behind the limit is not looked at. */
    memset(text, 'a', sizeof(text));
    const pen_slice last = PEN_SLICE_LIT("xend");
    memcpy(text + PEN_AGENT_BYTES_MAX - 2, last.ptr, last.len);
    assert_true(
        agent_find(k.cache, (pen_slice){(const uint8_t *)text, sizeof(text)}, false, &k.agent));
    assert_int_equal(pen_agent_part(&k.agent, PEN_AGENT_NAME).len, 5);
    assert_true(pen_slice_eq(pen_agent_part(&k.agent, PEN_AGENT_OS_NAME), PEN_SLICE_LIT("Other")));
    for (size_t shift = 0; shift < 8; shift++) { /* an escape on the border */
        memset(text, 'x', sizeof(text));
        const pen_slice escape = PEN_SLICE_LIT("\\u00e9");
        for (size_t at = shift; at + escape.len <= sizeof(text); at += escape.len) {
            memcpy(text + at, escape.ptr, escape.len);
        }
        assert_true(agent_find(k.cache, (pen_slice){(const uint8_t *)text, sizeof(text) - 8}, true,
                               &k.agent));
        assert_true(pen_slice_eq(pen_agent_part(&k.agent, PEN_AGENT_NAME), PEN_SLICE_LIT("Other")));
    }
    assert_int_equal(unlink(path), 0);
    end(&k);
}

static void what_calls_aws_is_built_in(void **state)
{
    (void)state;
    static const struct {
        const char *original, *parts;
    } rows[] = {
        {"aws-cli/2.15.30 Python/3.11.8 Linux/5.10.215-203 exe/x86_64.amzn.2 command/s3.ls",
         "aws-cli|2.15.30|Linux|5.10.215|Linux 5.10.215|"},
        {"aws-cli/2.22.1 md/awscrt#0.22.0 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.12.6",
         "aws-cli|2.22.1|linux|6.1.0|linux 6.1.0|"},
        {"Boto3/1.34.2 md/Botocore#1.34.2 ua/2.0 os/macos#23.4.0 md/arch#arm64",
         "Boto3|1.34.2|macos|23.4.0|macos 23.4.0|"},
        {"Botocore/1.29.8 Python/3.9.2 Darwin/21.6.0", "Botocore|1.29.8|Darwin|21.6.0|Darwin "
                                                       "21.6.0|"},
        {"aws-sdk-go/1.44.1 (go1.19.2; linux; amd64)", "aws-sdk-go|1.44.1|linux||linux|"},
        {"aws-sdk-java/1.11.1 Linux/4.14.1 OpenJDK_64-Bit_Server_VM/25.1",
         "aws-sdk-java|1.11.1|Linux|4.14.1|Linux 4.14.1|"},
        {"APN/1.0 HashiCorp/1.0 Terraform/1.5.7 (+https://www.terraform.io) "
         "terraform-provider-aws/5.1.0 aws-sdk-go-v2/1.18.1 os/linux lang/go#1.20.4",
         "Terraform|1.5.7|linux||linux|"},
        {"aws-sdk-go/1.44.1 (go1.19.2; darwin; arm64) amazon-ssm-agent/3.2.1.0",
         "amazon-ssm-agent|3.2.1|darwin||darwin|"},
        {"APN/1.0 Datadog/1.0 DatadogAgent/7.50.3", "DatadogAgent|7.50.3|Other|||"},
        {"kubectl/v1.28.4 (linux/amd64) kubernetes/bae2c62", "kubectl|1.28.4|linux||linux|"},
        {"[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.4 Linux/5.10.0]",
         "S3Console|0.4|Linux|5.10.0|Linux 5.10.0|"},
        {"signin.amazonaws.com", "AWS Console||Other|||"},
        {"AWS Internal", "AWS Internal||Other|||"},
        {"aws-internal/3", "AWS Internal|3|Other|||"},
        {"cloudformation.amazonaws.com", "cloudformation.amazonaws.com||Other|||"},
        {"ELB-HealthChecker/2.0", "ELB-HealthChecker|2.0|Other|||"},
        {"Mozilla/5.0 (X11)", "Other||Other|||"},
    };
    struct known k;
    begin(&k, AGENTS_BUILTIN);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        is(&k, rows[i].original, rows[i].parts);
    }
    end(&k);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    struct agents *agents;
    struct pen_err err = {0};
    refused("", "1: the file is empty");
    refused("a: 1\n", "1: no user_agent_parsers");
    refused("user_agent_parsers: []\n", "1: no user_agent_parsers");
    refused("# x\nuser_agent_parsers:\n  - regex: '(a'\n", "3: regex '(a'");
    refused("os_parsers:\n  - regex: a\n  - {os_replacement: b}\n", "3: an entry has a text");
    refused("os_parsers:\n  - regex: [a]\n", "2: an entry has a text");
    refused("os_parsers:\n  - a\n", "2: an entry has a text");
    refused("os_parsers: {a: b}\n", "1: a list of patterns is wanted");
    refused("os_parsers:\n  - regex: a\n    os_replacement: [b]\n", "3: a text is wanted");
    refused("device_parsers:\n  - regex: a\n    regex_flag: 'x'\n", "3: the only `regex_flag`");
    refused("os_parsers:\n  - regex: 'a\n", "");
    refused("os_parsers: [{regex: a}]\n---\nb: c\n", "1: more than one document");
    assert_int_equal(agents_open("/nowhere/regexes.yaml", &agents, &err), PEN_E_USAGE);
    assert_string_equal(err.text,
                        "enrich.user_agent: /nowhere/regexes.yaml: No such file or directory");
    assert_int_equal(agents_open("/", &agents, &err), PEN_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_of_a_file_make_names_and_versions),
        cmocka_unit_test(many_agents_are_told_apart),
        cmocka_unit_test(long_agents_have_limits),
        cmocka_unit_test(what_calls_aws_is_built_in),
        cmocka_unit_test(mistakes_are_told_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
