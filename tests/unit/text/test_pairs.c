#include "pairs.h"
#include "test.h"

/* What a line becomes, or "! " and what is wrong with it. */
static void expect(bool is_cef, uint8_t separator, const char *line, const char *want)
{
    struct pen_buf json;
    pen_buf_init(&json, (size_t)1 << 20);
    const pen_slice text = pen_slice_str(line);
    const char *problem = is_cef ? cef_json(text, &json) : pairs_json(text, separator, &json);
    const pen_slice got = problem == NULL ? pen_buf_slice(&json) : pen_slice_str(problem);
    const bool is_wanted = problem == NULL ? pen_slice_eq(got, pen_slice_str(want))
                                           : want[0] == '!' && strstr(problem, want + 2) != NULL;
    if (!is_wanted) {
        fail_msg("%s\n%.*s\n%s", line, PEN_SLICE_FMT(got), want);
    }
    pen_buf_fini(&json);
}
#define PAIRS(line, want) expect(false, 0, (line), (want))
#define CEF(line, want) expect(true, 0, (line), (want))

static void a_line_is_its_pairs_and_the_words_between_them(void **state)
{
    (void)state;
    PAIRS("a=1 b=two", "{\"a\":\"1\",\"b\":\"two\"}");
    PAIRS("  a=\"x \\\"y\\\" z\\\\\"  b= c=\"\"",
          "{\"a\":\"x \\\"y\\\" z\\\\\",\"b\":\"\",\"c\":\"\"}");
    PAIRS("Mar 4 host app: user=kim url=/a?b=c done",
          "{\"user\":\"kim\",\"url\":\"/a?b=c\",\"message\":\"Mar 4 host app: done\"}");
    PAIRS("k.x[0]=1\t@t=2 p=C:\\new", "{\"k.x[0]\":\"1\",\"@t\":\"2\",\"p\":\"C:\\\\new\"}");
    PAIRS("a=\xff", "{\"a\":\"\xef\xbf\xbd\"}");
    expect(false, ',', "a=1 2, b=\"x,y\",word,",
           "{\"a\":\"1 2\",\"b\":\"x,y\",\"message\":\"word\"}");
}

static void what_is_no_line_of_pairs_is_told(void **state)
{
    (void)state;
    PAIRS("", "! no pair");
    PAIRS("only words here", "! no pair");
    PAIRS("=1 ==", "! no pair");
    PAIRS("a=\"open", "! not closed");
    PAIRS("a=1 b=\"open\\\"", "! not closed");
    PAIRS("a=\"\\", "! not closed");
}

static void a_line_of_cef_is_its_header_and_its_extension(void **state)
{
    (void)state;
    CEF("CEF:0|V|P|1.0|100|n|5|", "{\"cefVersion\":\"0\",\"deviceVendor\":\"V\",\"deviceProduct\":"
                                  "\"P\",\"deviceVersion\":\"1.0\",\"deviceEventClassId\":\"100\","
                                  "\"name\":\"n\",\"severity\":\"5\"}");
    CEF("<13>Mar 4 05:06:07 host CEF:1|V\\|W|P\\\\|1|1|n=m|Low|src=192.0.2.1 msg=two words\\=x  "
        "act=IDS:Reset url=/a?b=c",
        "{\"cefVersion\":\"1\",\"deviceVendor\":\"V|W\",\"deviceProduct\":\"P\\\\\","
        "\"deviceVersion\":\"1\",\"deviceEventClassId\":\"1\",\"name\":\"n=m\",\"severity\":"
        "\"Low\","
        "\"src\":\"192.0.2.1\",\"msg\":\"two words=x\",\"act\":\"IDS:Reset\",\"url\":\"/a?b=c\","
        "\"syslog\":\"<13>Mar 4 05:06:07 host\"}");
    CEF("CEF:0|||||||a=x\\ny\\q b=",
        "{\"cefVersion\":\"0\",\"deviceVendor\":\"\",\"deviceProduct\":"
        "\"\",\"deviceVersion\":\"\",\"deviceEventClassId\":\"\","
        "\"name\":\"\",\"severity\":\"\",\"a\":\"x\\ny\\\\q\","
        "\"b\":\"\"}");
}

static void what_is_no_line_of_cef_is_told(void **state)
{
    (void)state;
    CEF("", "! no CEF:");
    CEF("CEF 0|V|P|1|1|n|5|", "! no CEF:");
    CEF("CEF:0|V|P|1|1|n|5", "! cut off");
    CEF("CEF:0|V|P|1|1|n|5\\|", "! cut off");
    CEF("CEF:0|V|P|1|1|n|5\\", "! cut off");
    CEF("CEF:0|V|P|1|1|n|5|words", "! begins with no key");
    CEF("CEF:0|V|P|1|1|n|5|=1", "! begins with no key");
}

static void a_line_has_so_many_pairs_and_no_more(void **state)
{
    (void)state;
    static char line[4 * (PAIRS_MAX + 1) + 64];
    for (uint32_t more = 0; more < 2; more++) {
        for (int is_cef = 0; is_cef < 2; is_cef++) {
            struct pen_buf json;
            pen_buf_init(&json, (size_t)1 << 20);
            memcpy(line, "CEF:0|V|P|1|1|n|5|", 19);
            char *at = is_cef == 1 ? line + 18 : line;
            for (uint32_t i = 0; i < PAIRS_MAX + more; i++) {
                memcpy(at + (size_t)4 * i, "a=1 ", 5);
            }
            const char *problem = is_cef == 1 ? cef_json(pen_slice_str(line), &json)
                                              : pairs_json(pen_slice_str(line), 0, &json);
            if (more == 0) {
                assert_null(problem);
            } else {
                assert_string_equal(problem, "the line has too many pairs");
            }
            pen_buf_fini(&json);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_its_pairs_and_the_words_between_them),
        cmocka_unit_test(what_is_no_line_of_pairs_is_told),
        cmocka_unit_test(a_line_of_cef_is_its_header_and_its_extension),
        cmocka_unit_test(what_is_no_line_of_cef_is_told),
        cmocka_unit_test(a_line_has_so_many_pairs_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
