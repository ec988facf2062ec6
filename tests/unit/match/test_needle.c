#include "internal.h"
#include "match_test.h"

static struct pen_pred pred_of(const char *glob, struct pen_piece *pieces)
{
    return (struct pen_pred){.op = PEN_OP_WORDS,
                             .field = PEN_FIELD_ANY,
                             .pieces = pieces,
                             .piece_count = pieces_of(glob, pieces)};
}

static void the_longest_plain_piece_is_the_needle(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *needle;
    } cases[] = {{"Abc", "Abc"},       {"ab*CDE*f", "CDE"}, {"*", ""},
                 {"a\"bcd", "bcd"},    {"a/b", "a"},        {"\xc3\xa9", ""},
                 {"\xc3\xa9xy", "xy"}, {"a\nbc", "bc"},     {"no such words", "no such words"},
                 {"a?bc", "bc"}};
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct pen_piece pieces[64];
        const struct pen_pred pred = pred_of(cases[i].glob, pieces);
        const pen_slice got = pen_match_needle(&pred);
        if (!pen_slice_eq(got, pen_slice_str(cases[i].needle))) {
            fail_msg("%s: %.*s", cases[i].glob, PEN_SLICE_FMT(got));
        }
    }
    struct pen_pred regex = {.op = PEN_OP_REGEX, .text = PEN_SLICE_LIT("abc")};
    assert_int_equal(pen_match_needle(&regex).len, 0);
}

static bool has_value(const char *glob, const char *json, bool with_needle)
{
    struct pen_piece pieces[64];
    struct match_scratch scratch;
    struct pen_buf lower;
    struct match_pred ready = {.pred = pred_of(glob, pieces)};
    const struct pen_record record = {.raw = pen_slice_str(json)};
    assert_int_equal(pen_match_scratch_init(&scratch, 0, NULL), PEN_OK);
    pen_buf_init(&lower, 256);
    assert_true(pen_match_lower(&lower, pen_match_needle(&ready.pred)));
    ready.needle = with_needle ? pen_buf_slice(&lower) : (pen_slice){0};
    const bool verdict = pen_match_pred_eval(&scratch, &ready, &record);
    pen_buf_fini(&lower);
    pen_match_scratch_fini(&scratch);
    return verdict;
}

static void the_needle_changes_no_verdict(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *json;
        bool verdict;
    } cases[] = {{"alice", "{\"a\":\"by ALICE\"}", true},
                 {"alice", "{\"alice\":\"bob\"}", false},
                 {"alice", "{\"alice\":\"bob\",\"b\":[{\"c\":\"Alice\"}]}", true},
                 {"alice", "{\"a\":\"malice\"}", false},
                 {"ali*", "{\"a\":\"x Alice\"}", true},
                 {"*lic*", "{\"a\":\"x malice y\"}", true},
                 {"*lic?d*", "{\"a\":\"lic lice liced\"}", true},
                 {"alice", "{\"a\":\"\\u0061lice\"}", true},
                 {"alice", "{\"alice\":\"\\u0041LICE\"}", true},
                 {"alice", "{\"a\":\"\\nalice\"}", true},
                 {"a/b", "{\"a\":\"a\\/b\"}", true},
                 {"kill", "{\"a\":\"\xe2\x84\xaaill\"}", true},
                 {"is", "{\"a\":\"i\xc5\xbf\"}", true},
                 {"12", "{\"a\":[12]}", true},
                 {"12", "{\"a\":[123]}", false},
                 {"true", "{\"a\":true}", true}};
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        for (int with_needle = 0; with_needle <= 1; with_needle++) {
            if (has_value(cases[i].glob, cases[i].json, with_needle) != cases[i].verdict) {
                fail_msg("%s in %s, needle %d", cases[i].glob, cases[i].json, with_needle);
            }
        }
    }
}

static void lower_tells_text_beyond_ascii(void **state)
{
    (void)state;
    struct pen_buf out;
    pen_buf_init(&out, 64);
    assert_true(pen_match_lower(&out, PEN_SLICE_LIT("AzZ[@`{09")));
    assert_memory_equal(out.ptr, "azz[@`{09", 9);
    assert_false(pen_match_lower(&out, PEN_SLICE_LIT("a\xc3\xa9")));
    pen_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_plain_piece_is_the_needle),
        cmocka_unit_test(the_needle_changes_no_verdict),
        cmocka_unit_test(lower_tells_text_beyond_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
