#include "lex.h"
#include "test.h"

struct fixture {
    struct pen_arena arena;
    struct pen_err err;
    struct query_lexer lexer;
};

static void start(struct fixture *f, const char *text)
{
    pen_arena_init(&f->arena, (size_t)1 << 20);
    f->lexer =
        (struct query_lexer){.arena = &f->arena, .text = pen_slice_str(text), .err = &f->err};
}

/* The term as "text", with * and ? for wildcards in brackets. */
static void show(const struct query_term *term, char out[128])
{
    out[0] = '\0';
    for (uint32_t i = 0; i < term->count; i++) {
        const struct pen_piece *piece = &term->pieces[i];
        if (piece->kind == PEN_PIECE_TEXT) {
            strncat(out, (const char *)piece->text.ptr, piece->text.len);
        } else {
            strcat(out, piece->kind == PEN_PIECE_RUN ? "[*]" : "[?]");
        }
    }
}

static void terms_end_and_unescape_by_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum query_place place;
        const char *want;
        size_t end;
    } cases[] = {
        {"\\APN\\/*", QUERY_VALUE, "APN/[*]", 7},
        {"system\\:serviceaccount\\:*\\:datadog*", QUERY_CLAUSE,
         "system:serviceaccount:[*]:datadog[*]", 35},
        {"UnauthorizedAccess\\:EC2\\/MetadataDNSRebind", QUERY_CLAUSE,
         "UnauthorizedAccess:EC2/MetadataDNSRebind", 42},
        {"BitcoinTool.B\\!DNS", QUERY_VALUE, "BitcoinTool.B!DNS", 18},
        {"C&CActivity", QUERY_VALUE, "C&CActivity", 11},
        {"waf*.amazonaws.com", QUERY_VALUE, "waf[*].amazonaws.com", 18},
        {"*.fit.", QUERY_VALUE, "[*].fit.", 6},
        {"0x8010000000000000", QUERY_VALUE, "0x8010000000000000", 18},
        {"i-* x", QUERY_VALUE, "i-[*]", 3},
        {"a:b c", QUERY_CLAUSE, "a", 1},
        {"a:b c", QUERY_VALUE, "a:b", 3},
        {"a:b)c", QUERY_VALUE, "a:b", 3},
        {"5]", QUERY_BOUND, "5", 1},
        {"5}", QUERY_BOUND, "5", 1},
        {"10.0.0.0/8,", QUERY_ARGUMENT, "10.0.0.0/8", 10},
        {"a\\ b c", QUERY_VALUE, "a b", 4},
        {"a***b??", QUERY_VALUE, "a[*]b[?][?]", 7},
        {"\\*\\?", QUERY_VALUE, "*?", 4},
        {"\"a*?\\\"b\" c", QUERY_VALUE, "a*?\"b", 8},
        {"\"a:b (c)\"", QUERY_CLAUSE, "a:b (c)", 9},
        {"\"\"", QUERY_VALUE, "", 2},
        {"\xe2\x80\x9c"
         "a \"b\xe2\x80\x9d c",
         QUERY_CLAUSE, "a \"b", 10},
        {"\xc3\xa9\\\xc3\xa9*", QUERY_VALUE, "\xc3\xa9\xc3\xa9[*]", 6},
        {"va\\||lue", QUERY_VALUE, "va||lue", 8},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct fixture f;
        struct query_term term;
        char got[128];
        start(&f, cases[i].text);
        assert_int_equal(query_term_read(&f.lexer, cases[i].place, &term), PEN_OK);
        show(&term, got);
        assert_string_equal(got, cases[i].want);
        assert_int_equal(term.begin, 0);
        assert_int_equal(term.end, cases[i].end);
        assert_int_equal(f.lexer.at, cases[i].end);
        pen_arena_fini(&f.arena);
    }
}

static void bad_terms_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {{"\"abc", 0},
                 {"\"abc\\\"", 0},
                 {"abc\\", 3},
                 {"a\"b\"", 1},
                 {"a[0]", 1},
                 {"a}", 1},
                 {"]", 0},
                 {"a\xe2\x80\x9c"
                  "b\"",
                  1},
                 {"\xe2\x80\x9c"
                  "b\"",
                  0}};
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct fixture f;
        struct query_term term;
        start(&f, cases[i].text);
        assert_int_equal(query_term_read(&f.lexer, QUERY_VALUE, &term), PEN_E_USAGE);
        assert_int_equal(f.err.offset, cases[i].offset);
        pen_arena_fini(&f.arena);
    }
}

static void a_term_with_too_many_wildcards_is_refused(void **state)
{
    (void)state;
    static char text[2 * PEN_QUERY_PIECES_MAX + 4];
    struct fixture f;
    struct query_term term;
    for (size_t i = 0; i < PEN_QUERY_PIECES_MAX; i += 2) {
        text[i] = 'a';
        text[i + 1] = '*';
    }
    start(&f, text);
    assert_int_equal(query_term_read(&f.lexer, QUERY_VALUE, &term), PEN_OK);
    assert_int_equal(term.count, PEN_QUERY_PIECES_MAX);
    text[PEN_QUERY_PIECES_MAX] = '?';
    f.lexer.text = pen_slice_str(text);
    f.lexer.at = 0;
    assert_int_equal(query_term_read(&f.lexer, QUERY_VALUE, &term), PEN_E_LIMIT);
    pen_arena_fini(&f.arena);
}

static void words_are_operators_only_without_quotes_and_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"AND", true}, {"\"AND\"", false}, {"\\AND", false}, {"and", false}, {"ANDY", false}};
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct fixture f;
        struct query_term term;
        start(&f, cases[i].text);
        assert_int_equal(query_term_read(&f.lexer, QUERY_CLAUSE, &term), PEN_OK);
        assert_int_equal(query_term_is(&f.lexer, &term, "AND"), cases[i].want);
        pen_arena_fini(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_end_and_unescape_by_their_place),
        cmocka_unit_test(bad_terms_are_told_with_their_place),
        cmocka_unit_test(a_term_with_too_many_wildcards_is_refused),
        cmocka_unit_test(words_are_operators_only_without_quotes_and_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
