#include "ioc_made.h"

static struct pen_ioc_list list_of(const struct pen_iocs *iocs)
{
    struct pen_ioc_list list;
    pen_iocs_list(iocs, 0, &list);
    return list;
}

static void a_text_has_an_indicator_a_line(void **state)
{
    (void)state;
    struct pen_ioc ioc;
    struct pen_iocs *iocs = made_open("feed.v2.txt", "\xef\xbb\xbf# bad things\r\n"
                                                     "192.0.2.1\r\n"
                                                     "  198.51.100.0/24  # a network\n"
                                                     "2001:db8::1\n"
                                                     "; another comment\n"
                                                     "Evil.Example.COM.\n"
                                                     "http://bad.example/a?b=1#c\n"
                                                     "44D88612FEA8A8F36DE82E1278ABB02F\n"
                                                     "User-Agent: Bad Tool/1.0 # x\n"
                                                     "\n"
                                                     "hxxps://worse[.]example/x\n"
                                                     "203[.]0[.]113[.]9\n"
                                                     "192.0.2.7/32");
    assert_int_equal(list_of(iocs).indicators, 10);
    assert_int_equal(list_of(iocs).rejected, 0);
    assert_int_equal(made_find(iocs, "192.0.2.1", &ioc), 1);
    assert_int_equal(ioc.type, PEN_IOC_IPV4);
    assert_null(strchr(list_of(iocs).path, ' '));
    made_is(ioc.provider, (const char *)pen_arena_dup(&iocs->arena, ioc.list).ptr);
    assert_int_equal(ioc.first_seen_ns, INT64_MIN);
    assert_int_equal(made_find(iocs, "198.51.100.77", &ioc), 1);
    made_is(ioc.value, "198.51.100.0/24");
    finds(iocs, "2001:0db8:0::1");
    assert_int_equal(made_find(iocs, "EVIL.example.com", &ioc), 1);
    assert_int_equal(ioc.type, PEN_IOC_DOMAIN);
    made_is(ioc.value, "evil.example.com");
    finds(iocs, "http://bad.example/a?b=1#c");
    finds(iocs, "44d88612fea8a8f36de82e1278abb02f");
    assert_int_equal(made_find(iocs, "Bad Tool/1.0 # x", &ioc), 1);
    assert_int_equal(ioc.type, PEN_IOC_AGENT);
    finds(iocs, "https://worse.example/x");
    finds(iocs, "203.0.113.9");
    finds(iocs, "192.0.2.7");
    finds_not(iocs, "www.evil.example.com");
    finds_not(iocs, "192.0.2.2");
    finds_not(iocs, "bad tool/1.0 # x");
    finds_not(iocs, "http://bad.example/");
    pen_iocs_close(iocs);
}

static void lines_that_cannot_be_used_are_told(void **state)
{
    (void)state;
    struct pen_iocs *iocs = made_open("bad.txt", "192.0.2.1\n"
                                                 "no indicator at all\n"
                                                 "10.0.0.1/8\n"
                                                 "1.2.3.400\n"
                                                 "10.0.0.0/99\n"
                                                 "\x1b[31mred\n"
                                                 "localhost\n"
                                                 "deadbeef\n");
    static const char *const words[] = {
        "bad.txt:2: `no indicator at all` is no address, network, domain, URL or hash",
        "bad.txt:3: `10.0.0.1/8` the network has bits set behind its prefix",
        "bad.txt:4: `1.2.3.400` is no",
        "bad.txt:5: `10.0.0.0/99` the network",
        "bad.txt:6: `\\x1b[31mred` is no",
        "bad.txt: 2 more cannot be used",
        NULL};
    assert_int_equal(list_of(iocs).rejected, 7);
    made_words(iocs, words, 6);
    finds(iocs, "192.0.2.1");
    pen_iocs_close(iocs);
}

static void a_file_of_nothing_but_mistakes_is_refused(void **state)
{
    (void)state;
    made_refused("a.txt", "hello\n", "nothing in it is an indicator, beginning with:1: `hello`");
    made_refused("b.csv", "ip,name\nhello,x\n", "beginning with:2: `hello` is no address");
    struct pen_iocs *iocs = made_open("empty.txt", "");
    assert_int_equal(list_of(iocs).indicators, 0);
    finds_not(iocs, "192.0.2.1");
    pen_iocs_close(iocs);
    iocs = made_open("comments.txt", "# ip,\n"); /* no more than comments */
    assert_int_equal(list_of(iocs).indicators, 0);
    pen_iocs_close(iocs);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    struct pen_iocs *iocs = NULL;
    struct pen_err err = {0};
    const char *path = made_list("nul.txt", "");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite("a\0b", 1, 3, file), 3);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pen_iocs_open(&path, 1, &made_limits, &iocs, &err), PEN_E_USAGE);
    assert_non_null(strstr(err.text, "is no text"));
    (void)unlink(path);
    assert_int_equal(pen_iocs_open(&path, 1, &made_limits, &iocs, &err), PEN_E_USAGE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(pen_iocs_open(&path, 0, &made_limits, &iocs, &err), PEN_E_USAGE);
    path = "/tmp";
    assert_int_equal(pen_iocs_open(&path, 1, &made_limits, &iocs, &err), PEN_E_USAGE);
}

static void limits_hold(void **state)
{
    (void)state;
    struct pen_iocs *iocs = NULL;
    struct pen_err err = {0};
    const char *path = made_list("many.txt", "192.0.2.1\n192.0.2.2\n192.0.2.3\n");
    const struct pen_ioc_limits two = {.entries_max = 2, .bytes_max = 1 << 20};
    const struct pen_ioc_limits small = {.entries_max = 9, .bytes_max = 29};
    const struct pen_ioc_limits enough = {.entries_max = 3, .bytes_max = 30};
    assert_int_equal(pen_iocs_open(&path, 1, &two, &iocs, &err), PEN_E_USAGE);
    assert_non_null(strstr(err.text, "more than 2 indicators (ioc.entries_max)"));
    assert_int_equal(pen_iocs_open(&path, 1, &small, &iocs, &err), PEN_E_USAGE);
    assert_non_null(strstr(err.text, "larger than 29 bytes"));
    assert_int_equal(pen_iocs_open(&path, 1, &enough, &iocs, &err), PEN_OK);
    pen_iocs_close(iocs);
    const char *const both[] = {path, path};
    assert_int_equal(pen_iocs_open(both, 2, &enough, &iocs, &err), PEN_E_USAGE);
    assert_non_null(strstr(err.text, "6 indicators in 2 lists, ioc.entries_max is 3"));
    (void)unlink(path);
}

static void the_date_of_a_text_is_in_a_comment(void **state)
{
    (void)state;
    int64_t expected = 0;
    struct pen_iocs *iocs =
        made_open("dated.txt", "# List 12-34 of things\n"
                               "# Last updated: 2025-03-04 05:06:07 UTC      #\n192.0.2.1\n");
    assert_true(pen_parse_time(PEN_SLICE_LIT("2025-03-04T05:06:07Z"), &expected));
    assert_true(list_of(iocs).is_own_date);
    assert_int_equal(list_of(iocs).date_ns, expected);
    assert_int_equal(pen_iocs_stale(iocs, PEN_NS_PER_DAY, expected + PEN_NS_PER_DAY), 0);
    assert_int_equal(pen_iocs_stale(iocs, PEN_NS_PER_DAY, expected + PEN_NS_PER_DAY + 1), 1);
    assert_int_equal(pen_iocs_stale(iocs, 0, INT64_MAX), 0);
    pen_iocs_close(iocs);
    iocs = made_open("undated.txt", "192.0.2.1\n");
    assert_false(list_of(iocs).is_own_date);
    assert_int_equal(pen_iocs_stale(iocs, 3600 * PEN_NS_PER_S, pen_clock_wall_ns()), 0);
    pen_iocs_close(iocs);
}

static void columns_of_csv_are_found_by_name(void **state)
{
    (void)state;
    struct pen_ioc ioc;
    int64_t seen = 0;
    struct pen_iocs *iocs = made_open(
        "table.csv", "# updated: 2025-03-04\n"
                     "Name,type,indicator,first_seen,other,provider,description,category\r\n"
                     "\"Bad, \"\"very\"\" bad\",ipv4-addr,192.0.2.1,2025-01-02 03:04:05,z,Acme,"
                     "\"two\nlines\",anonymizer\r\n"
                     "Tool,user-agent,evil/1.0,,,,,\r\n"
                     ",,evil.example,never,,Acme,,\r\n"
                     "Tool,domain,evil/1.0,,,,,\r\n"
                     "a,b,c,d,e,f,g,h,i\r\n"
                     "x\r\n"
                     "Last,,2001:db8::/32");
    static const char *const words[] = {"table.csv:7: `evil/1.0` is no domain",
                                        "table.csv:8: `a` begins a row with more fields",
                                        "table.csv:9: `x` begins a row without an indicator", NULL};
    made_words(iocs, words, 3);
    assert_int_equal(list_of(iocs).indicators, 4);
    assert_true(list_of(iocs).is_own_date);
    assert_int_equal(made_find(iocs, "192.0.2.1", &ioc), 1);
    made_is(ioc.name, "Bad, \"very\" bad");
    made_is(ioc.provider, "Acme");
    made_is(ioc.description, "two\nlines");
    made_is(ioc.category, "anonymizer");
    assert_true(pen_parse_time(PEN_SLICE_LIT("2025-01-02T03:04:05Z"), &seen));
    assert_int_equal(ioc.first_seen_ns, seen);
    assert_int_equal(ioc.last_seen_ns, INT64_MIN);
    assert_int_equal(made_find(iocs, "evil/1.0", &ioc), 1);
    assert_int_equal(ioc.type, PEN_IOC_AGENT);
    made_is(ioc.name, "Tool");
    assert_int_equal(made_find(iocs, "evil.example", &ioc), 1);
    made_is(ioc.name, "");
    assert_int_equal(made_find(iocs, "2001:db8:9::9", &ioc), 1);
    made_is(ioc.name, "Last");
    pen_iocs_close(iocs);
}

static void a_row_of_csv_may_have_several_values(void **state)
{
    (void)state;
    struct pen_iocs *iocs = made_open("abuse.csv", "\"first_seen_utc\",\"dst_ip\",\"domain\"\n"
                                                   "\"2025-01-01 00:00:00\",\"192.0.2.9\",\"\"\n"
                                                   "\"2025-01-01\",\"192.0.2.8\",\"c2.example\"\n"
                                                   "\"2025-01-01\",\"192.0.2.7\n"
                                                   "# a comment, \"quoted\"\n");
    static const char *const words[] = {"abuse.csv:4: ", "a quote that does not end", NULL};
    made_words(iocs, words, 1);
    finds(iocs, "192.0.2.9");
    finds(iocs, "192.0.2.8");
    finds(iocs, "c2.example");
    pen_iocs_close(iocs);
}

static void long_words_are_cut_between_characters(void **state)
{
    (void)state;
    struct pen_ioc ioc;
    struct pen_buf text;
    pen_buf_init(&text, 1 << 16);
    assert_int_equal(pen_buf_printf(&text, "ip,name\n192.0.2.1,x"), PEN_OK);
    for (uint32_t i = 0; i < PEN_IOC_WORDS_MAX; i++) {
        assert_int_equal(pen_buf_add(&text, PEN_SLICE_LIT("\xc3\xa4")), PEN_OK);
    }
    assert_int_equal(pen_buf_add_byte(&text, 0), PEN_OK);
    struct pen_iocs *iocs = made_open("long.csv", (const char *)text.ptr);
    assert_int_equal(made_find(iocs, "192.0.2.1", &ioc), 1);
    assert_int_equal(ioc.name.len, PEN_IOC_WORDS_MAX - 1);
    assert_true(pen_utf8_valid(ioc.name));
    pen_iocs_close(iocs);
    pen_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_an_indicator_a_line),
        cmocka_unit_test(lines_that_cannot_be_used_are_told),
        cmocka_unit_test(a_file_of_nothing_but_mistakes_is_refused),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(the_date_of_a_text_is_in_a_comment),
        cmocka_unit_test(columns_of_csv_are_found_by_name),
        cmocka_unit_test(a_row_of_csv_may_have_several_values),
        cmocka_unit_test(long_words_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
