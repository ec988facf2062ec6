#include "penstock/json.h"

#include "test.h"

static void unescape_joins_pairs_and_replaces_lone_surrogates(void **state)
{
    (void)state;
    uint8_t out[64];
    const pen_slice in = PEN_SLICE_LIT("a\\n\\u00e9\\ud83d\\ude00\\ud800x\\/");
    const size_t n = pen_json_unescape(in, out);
    assert_true(pen_slice_eq((pen_slice){out, n},
                             PEN_SLICE_LIT("a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx/")));
}

static void escape_and_unescape_give_the_text_back(void **state)
{
    (void)state;
    struct pen_buf buf;
    uint8_t out[64];
    pen_buf_init(&buf, 4096);
    const pen_slice text = PEN_SLICE_LIT("q\" b\\ n\n t\t c\x01 \xc3\xa9");
    assert_int_equal(pen_json_escape(&buf, text), PEN_OK);
    const size_t n = pen_json_unescape(pen_buf_slice(&buf), out);
    assert_true(pen_slice_eq((pen_slice){out, n}, text));
    pen_buf_fini(&buf);
}

static void compact_drops_blanks_outside_strings_only(void **state)
{
    (void)state;
    struct pen_buf buf;
    pen_buf_init(&buf, 4096);
    assert_int_equal(pen_json_compact(&buf, PEN_SLICE_LIT("{ \"a b\" : [ 1 ,\n\" \\\" \"] }")),
                     PEN_OK);
    assert_true(pen_slice_eq(pen_buf_slice(&buf), PEN_SLICE_LIT("{\"a b\":[1,\" \\\" \"]}")));
    pen_buf_fini(&buf);
}

static void numbers_follow_the_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "10", "1.5", "1e3", "-1.25E-7", "1E+2"};
    static const char *const bad[] = {"", "-", "01", "1.", ".5", "1e", "+1", "0x1", "1 ", "1e+"};
    for (size_t i = 0; i < PEN_COUNT(good); i++) {
        assert_true(pen_json_is_number(pen_slice_str(good[i])));
    }
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        assert_false(pen_json_is_number(pen_slice_str(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unescape_joins_pairs_and_replaces_lone_surrogates),
        cmocka_unit_test(escape_and_unescape_give_the_text_back),
        cmocka_unit_test(compact_drops_blanks_outside_strings_only),
        cmocka_unit_test(numbers_follow_the_grammar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
