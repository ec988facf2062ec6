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

/* The definition: `*` stands for anything, and letters of ASCII may differ in case. */
static bool defined(const char *glob, const char *text, bool is_cased)
{
    if (*glob == '*') {
        return defined(glob + 1, text, is_cased) ||
               (*text != '\0' && defined(glob, text + 1, is_cased));
    }
    const bool is_same = *glob == *text || (!is_cased && *text != '\0' && (*glob ^ *text) == 0x20);
    return is_same && (*glob == '\0' || defined(glob + 1, text + 1, is_cased));
}

static void plain_patterns_are_as_defined(void **state)
{
    (void)state;
    static const char glob_chars[] = "abA*";
    static const char text_chars[] = "aabB";
    uint64_t seed = 3;
    uint32_t matched = 0;
    for (uint32_t i = 0; i < 60000; i++) {
        char glob[8] = "";
        char text[8] = "";
        for (uint32_t k = 0; k < 7; k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
            glob[k] = (seed >> 60) < 4 ? '\0' : glob_chars[seed >> 40 & 3U];
            text[k] = (seed >> 56 & 15U) < 3 ? '\0' : text_chars[seed >> 44 & 3U];
        }
        glob[7] = text[7] = '\0';
        struct pen_piece pieces[16];
        const uint32_t count = pieces_of(glob, pieces);
        for (uint32_t cased = 0; cased < 2; cased++) {
            const bool want = defined(glob, text, cased != 0);
            assert_int_equal(pen_match_pieces(pieces, count, cased != 0, pen_slice_str(text)),
                             want);
            matched += want;
        }
    }
    assert_true(matched > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_cover_the_whole_value),
        cmocka_unit_test(question_mark_is_one_code_point),
        cmocka_unit_test(folding_goes_beyond_ascii),
        cmocka_unit_test(dash_is_any_of_five),
        cmocka_unit_test(phrases_stand_between_word_boundaries),
        cmocka_unit_test(plain_patterns_are_as_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
