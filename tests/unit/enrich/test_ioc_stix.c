#include "ioc_made.h"

#define INDICATOR(id, pattern, more)                                                  \
    "{\"type\":\"indicator\",\"id\":\"indicator--" id "\",\"pattern_type\":\"stix\"," \
    "\"pattern\":\"" pattern "\"" more "}"
#define BUNDLE(objects) "{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[" objects "]}"

static void a_bundle_has_indicators_and_who_made_them(void **state)
{
    (void)state;
    struct pen_ioc ioc;
    struct pen_ioc_list list;
    int64_t time_ns = 0;
    struct pen_iocs *iocs = made_open(
        "bundle.json",
        BUNDLE(INDICATOR(
            "1", "[ipv4-addr:value = '192.0.2.1']",
            ",\"name\":\"C2 \\u00e4 \\\"x\\\"\",\"description\":\"d\",\"created_by_ref\":"
            "\"identity--7\",\"modified\":\"2025-03-04T05:06:07.000Z\",\"indicator_types\":["
            "\"malicious-activity\",\"x\"],\"external_references\":[{\"source_name\":\"s\"},"
            "{\"url\":\"https://a.example/1\"}]") ","
                                                  "{\"type\":\"malware\",\"id\":\"malware--1\","
                                                  "\"name\":\"m\"},"
                                                  "{\"type\":\"identity\",\"id\":\"identity--7\","
                                                  "\"name\":\"Acme CERT\","
                                                  "\"modified\":\"2025-03-05T00:00:00Z\"}"));
    assert_int_equal(made_find(iocs, "192.0.2.1", &ioc), 1);
    made_is(ioc.provider, "Acme CERT");
    made_is(ioc.name, "C2 ä \"x\"");
    made_is(ioc.description, "d");
    made_is(ioc.category, "malicious-activity");
    made_is(ioc.reference, "https://a.example/1");
    assert_true(pen_parse_time(PEN_SLICE_LIT("2025-03-04T05:06:07Z"), &time_ns));
    assert_int_equal(ioc.modified_ns, time_ns);
    assert_true(pen_parse_time(PEN_SLICE_LIT("2025-03-05T00:00:00Z"), &time_ns));
    pen_iocs_list(iocs, 0, &list);
    assert_true(list.is_own_date);
    assert_int_equal(list.date_ns, time_ns);
    assert_int_equal(list.indicators, 1);
    pen_iocs_close(iocs);
}

static void objects_need_no_bundle(void **state)
{
    (void)state;
    struct pen_iocs *iocs = made_open(
        "lines.json", INDICATOR("1", "[url:value = 'http://a.example/']", "") "\n" INDICATOR(
                          "2", "[domain-name:value = 'a.example']", "") "\n");
    finds(iocs, "http://a.example/");
    finds(iocs, "A.example");
    pen_iocs_close(iocs);
    iocs = made_open("taxii.json", "{\"more\":false,\"objects\":[" INDICATOR(
                                       "1", "[ipv6-addr:value='2001:db8::1']", "") "]}");
    finds(iocs, "2001:db8::1");
    pen_iocs_close(iocs);
    iocs = made_open("none.json", "{\"type\":\"bundle\",\"id\":\"bundle--1\"}");
    finds_not(iocs, "2001:db8::1");
    pen_iocs_close(iocs);
}

static void what_has_ended_is_left_out(void **state)
{
    (void)state;
    struct pen_ioc_list list;
    struct pen_iocs *iocs = made_open(
        "ended.json",
        BUNDLE(INDICATOR("1", "[ipv4-addr:value = '192.0.2.1']", ",\"revoked\":true") "," INDICATOR(
            "2", "[ipv4-addr:value = '192.0.2.2']",
            ",\"valid_until\":\"2001-01-01T00:00:00Z\"") "," INDICATOR("3",
                                                                       "[ipv4-addr:value = "
                                                                       "'192.0.2.3']",
                                                                       ",\"revoked\":false,\"valid_"
                                                                       "until\":\"2200-01-01T00:00:"
                                                                       "00Z\"")));
    finds_not(iocs, "192.0.2.1");
    finds_not(iocs, "192.0.2.2");
    finds(iocs, "192.0.2.3");
    pen_iocs_list(iocs, 0, &list);
    assert_int_equal(list.ended, 2);
    assert_int_equal(list.rejected, 0);
    pen_iocs_close(iocs);
}

static void patterns_of_equality_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *first, *second;
    } cases[] = {
        {"[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.2']", "192.0.2.1",
         "192.0.2.2"},
        {"[ipv4-addr:value='192.0.2.1']OR[domain-name:value='b.example']", "192.0.2.1",
         "b.example"},
        {"[ipv4-addr:value IN ('192.0.2.1', '192.0.2.3')]", "192.0.2.1", "192.0.2.3"},
        {"[ipv4-addr:value ISSUBSET '198.51.100.0/24']", "198.51.100.1", NULL},
        {"[ipv4-addr:value = '198.51.100.0/24']", "198.51.100.1", NULL},
        {"[file:hashes.'SHA-256' = '" /* of nothing */
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855']",
         "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", NULL},
        {"[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e' OR file:hashes.'SHA-1' = "
         "'da39a3ee5e6b4b0d3255bfef95601890afd80709']",
         "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = "
         "'it\\\\'s \\\\\\\\ bad']",
         "it's \\ bad", NULL},
        {" [ url:value = 'http://x.example/[a]' ] ", "http://x.example/[a]", NULL},
        {"[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e' AND file:hashes.'SHA-1' = "
         "'da39a3ee5e6b4b0d3255bfef95601890afd80709']",
         "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"[domain-name:value LIKE 'b.example' OR ipv4-addr:value LIKE '192.0.2.1']", "b.example",
         "192.0.2.1"},
        {"[ipv4-addr:value LIKE '198.51.100.%']", "198.51.100.7", NULL},
        {"[ipv4-addr:value LIKE '198.%']", "198.51.100.7", "198.0.2.1"},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       "{\"type\":\"indicator\",\"id\":\"i\",\"pattern\":\"%s\"}",
                       cases[i].pattern);
        struct pen_iocs *iocs = made_open("pattern.json", text);
        finds(iocs, cases[i].first);
        if (cases[i].second != NULL) {
            finds(iocs, cases[i].second);
        }
        static const char *const nothing[] = {NULL};
        made_words(iocs, nothing, 0);
        pen_iocs_close(iocs);
    }
}

static void patterns_that_say_more_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *words;
        bool is_found; /* the part of it that is 192.0.2.1 */
    } cases[] = {
        {"[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'a.example']", "(AND)", false},
        {"[ipv4-addr:value = '192.0.2.1'] AND [domain-name:value = 'a.example']",
         "asks for several things", false},
        {"[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [domain-name:value = 'a.example']",
         "asks for several things", false},
        {"[ipv4-addr:value = '192.0.2.1'] WITHIN 5 SECONDS", "or for times", false},
        {"([ipv4-addr:value = '192.0.2.1'])", "more than comparisons", false},
        {"[ipv4-addr:value != '192.0.2.1']", "more than equality", false},
        {"[NOT ipv4-addr:value = '192.0.2.1']", "what is not looked up", false},
        {"[ipv4-addr:value NOT = '192.0.2.1']", "more than equality", false},
        {"[domain-name:value LIKE '192.0.2.%']", "more than equality", false},
        {"[ipv4-addr:value LIKE '192.0.2%']", "more than equality", false},
        {"[ipv4-addr:value LIKE '192.0.2._']", "more than equality", false},
        {"[ipv4-addr:value LIKE '192.0.2.1.%']", "more than equality", false},
        {"[ipv4-addr:value LIKE '192.%.%']", "more than equality", false},
        {"[ipv4-addr:value LIKE '%']", "more than equality", false},
        {"[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.9' AND domain-name:value = "
         "'a.example']",
         "(AND)", true},
        {"[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e' AND file:name = 'x']",
         "what is not looked up", false},
        {"[email-addr:value = '192.0.2.1']", "what is not looked up", false},
        {"[file:hashes.SSDEEP = '192.0.2.1']", "what is not looked up", false},
        {"[ipv4-addr:value = '192.0.2.1' OR file:name = 'x']", "what is not looked up", true},
        {"[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = 'x']", "is no address", true},
        {"[ipv4-addr:value = '192.0.2.1'", "a bracket that does not end", false},
        {"[ipv4-addr:value = '192.0.2.1", "more than equality", false},
        {"[ipv4-addr:value IN ('192.0.2.1', 5)]", "no text to compare", false},
        {"", "more than comparisons", false},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       BUNDLE(INDICATOR("good", "[ipv4-addr:value = '203.0.113.1']",
                                        "") ","
                                            "{\"type\":\"indicator\",\"id\":\"indicator--odd\","
                                            "\"pattern\":\"%s\"}"),
                       cases[i].pattern);
        struct pen_iocs *iocs = made_open("odd.json", text);
        const char *const words[] = {"odd.json: `indicator--odd` has a pattern that ",
                                     cases[i].words, NULL};
        made_words(iocs, words, 1);
        finds(iocs, "203.0.113.1");
        struct pen_ioc ioc;
        if (made_find(iocs, "192.0.2.1", &ioc) != (cases[i].is_found ? 1U : 0U)) {
            fail_msg("%s", cases[i].pattern);
        }
        finds_not(iocs, "a.example");
        pen_iocs_close(iocs);
    }
}

static void patterns_of_other_languages_are_told(void **state)
{
    (void)state;
    static const char *const words[] = {"`indicator--y` has a pattern that is not of STIX", NULL};
    struct pen_iocs *iocs = made_open(
        "other.json",
        BUNDLE(INDICATOR("1", "[ipv4-addr:value = '192.0.2.1']",
                         "") ","
                             "{\"type\":\"indicator\",\"id\":\"indicator--y\",\"pattern_type\":"
                             "\"yara\",\"pattern\":\"rule x {}\"}"));
    made_words(iocs, words, 1);
    finds(iocs, "192.0.2.1");
    pen_iocs_close(iocs);
}

static void json_that_is_cut_off_or_no_stix_is_refused(void **state)
{
    (void)state;
    made_refused("cut.json",
                 "{\"type\":\"bundle\",\"objects\":[" INDICATOR(
                     "1", "[ipv4-addr:value = '192.0.2.1']", "") ",{\"type\":\"ind",
                 "is no whole JSON");
    made_refused("array.json", "[{\"ip_address\":\"192.0.2.1\"}]", "none of STIX");
}

static void bundles_larger_than_a_window_are_read(void **state)
{
    (void)state;
    enum { COUNT = 900, PAD = 4000 };
    struct pen_buf text;
    struct pen_iocs *iocs = NULL;
    struct pen_err err = {0};
    const struct pen_ioc_limits limits = {.entries_max = COUNT, .bytes_max = 8 << 20};
    pen_buf_init(&text, 8 << 20);
    assert_int_equal(pen_buf_printf(&text, "{\"type\":\"bundle\",\"objects\":["), PEN_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(
            pen_buf_printf(&text,
                           "%s{\"type\":\"indicator\",\"id\":\"i%u\",\"x\":\"%0*u\",\"pattern\":"
                           "\"[ipv4-addr:value = '10.1.%u.%u']\"}",
                           i == 0 ? "" : ",", i, PAD, i, i / 256, i % 256),
            PEN_OK);
    }
    assert_int_equal(pen_buf_printf(&text, "]}%c", 0), PEN_OK);
    const char *path = made_list("large.json", (const char *)text.ptr);
    assert_int_equal(pen_iocs_open(&path, 1, &limits, &iocs, &err), PEN_OK);
    finds(iocs, "10.1.0.0");
    finds(iocs, "10.1.3.131");
    finds_not(iocs, "10.1.3.132");
    pen_iocs_close(iocs);
    pen_buf_fini(&text);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_has_indicators_and_who_made_them),
        cmocka_unit_test(objects_need_no_bundle),
        cmocka_unit_test(what_has_ended_is_left_out),
        cmocka_unit_test(patterns_of_equality_are_read),
        cmocka_unit_test(patterns_that_say_more_are_told),
        cmocka_unit_test(patterns_of_other_languages_are_told),
        cmocka_unit_test(json_that_is_cut_off_or_no_stix_is_refused),
        cmocka_unit_test(bundles_larger_than_a_window_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
