#include "internal.h"
#include "match_test.h"

static bool whole(const char *glob, const char *text)
{
    struct pen_piece pieces[64];
    return pen_match_pieces(pieces, pieces_of(glob, pieces), false, pen_slice_str(text));
}

static bool phrase(const char *glob, const char *text)
{
    struct pen_piece pieces[64];
    return pen_match_words(pieces, pieces_of(glob, pieces), pen_slice_str(text));
}

static void wildcards_cover_the_whole_value(void **state)
{
    (void)state;
    assert_true(whole("a*c", "a\nc"));
    assert_true(whole("*ab*ab*", "xabyabz"));
    assert_false(whole("*ab*ab", "ab"));
    assert_true(whole("a*b*c", "aXbYbZc"));
    assert_true(whole("", ""));
    assert_false(whole("", "a"));
    assert_true(whole("*", ""));
    assert_false(whole("ab", "abc"));
}

static void question_mark_is_one_code_point(void **state)
{
    (void)state;
    assert_true(whole("a?c", "a\xc3\xa9"
                             "c"));
    assert_true(whole("?", "\xf0\x9f\x98\x80"));
    assert_false(whole("a?c", "ac"));
    assert_false(whole("?", "ab"));
}

static void folding_goes_beyond_ascii(void **state)
{
    (void)state;
    assert_true(whole("\xc3\x89", "\xc3\xa9"));
    assert_true(whole("k", "\xe2\x84\xaa"));
    assert_true(whole("s", "\xc5\xbf"));
    assert_false(whole("ss", "\xc3\x9f"));
    struct pen_piece pieces[4];
    assert_false(pen_match_pieces(pieces, pieces_of("A", pieces), true, PEN_SLICE_LIT("a")));
}

static void dash_is_any_of_five(void **state)
{
    (void)state;
    assert_true(whole("~a", "-a"));
    assert_true(whole("~a", "/A"));
    assert_true(whole("~a", "\xe2\x80\x94"
                            "a"));
    assert_false(whole("~a", "_a"));
}

static void phrases_stand_between_word_boundaries(void **state)
{
    (void)state;
    assert_true(phrase("access denied", "x: Access Denied."));
    assert_false(phrase("deni", "access denied"));
    assert_true(phrase("deni*", "access denied"));
    assert_false(phrase("b", "a_b"));
    assert_false(phrase("b", "\xc3\xa9"
                             "b"));
    assert_true(phrase("b", "\xe2\x80\x94"
                            "b"));
    assert_true(phrase("ab", "abc ab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_cover_the_whole_value),
        cmocka_unit_test(question_mark_is_one_code_point),
        cmocka_unit_test(folding_goes_beyond_ascii),
        cmocka_unit_test(dash_is_any_of_five),
        cmocka_unit_test(phrases_stand_between_word_boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
