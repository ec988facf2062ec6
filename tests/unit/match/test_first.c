#include "penstock/match.h"

#include "test.h"

#define S(text)                                   \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

struct found {
    struct pen_first *first;
    struct pen_first_search *search;
    struct pen_first_hit hits[PEN_FIRST_LISTS];
};

static void begin(struct found *f, const struct pen_first_pattern *patterns, uint32_t count)
{
    struct pen_err err = {0};
    uint32_t bad = 0;
    assert_int_equal(pen_first_new(patterns, count, &f->first, &bad, &err), PEN_OK);
    assert_int_equal(bad, UINT32_MAX);
    assert_int_equal(pen_first_search_new(f->first, &f->search, &err), PEN_OK);
    assert_true(pen_first_search_memory(f->first) > 0);
}

static void end(struct found *f)
{
    pen_first_search_free(f->search);
    pen_first_free(f->first);
}

static const struct pen_first_hit *find(struct found *f, const char *text, uint32_t list)
{
    pen_first_find(f->search, pen_slice_str(text), f->hits);
    return &f->hits[list];
}

static void is(pen_slice got, const char *wanted)
{
    assert_true(pen_slice_eq(got, pen_slice_str(wanted)));
}

static void each_list_has_its_first(void **state)
{
    (void)state;
    static const struct pen_first_pattern patterns[] = {
        {.text = S("(Edge)/(\\d+)")},
        {.text = S("(Chrome)/(\\d+)\\.(\\d+)")},
        {.text = S("(Chrome|Safari)")},
        {.text = S("windows ([0-9.]+)"), .list = 1, .is_caseless = true},
        {.text = S("Windows"), .list = 1}};
    struct found f;
    begin(&f, patterns, PEN_COUNT(patterns));
    const struct pen_first_hit *hit = find(&f, "(WINDOWS 10.0) Chrome/11.2 Safari/1 Edge", 0);
    assert_int_equal(hit->pattern, 1);
    is(hit->groups[0], "Chrome/11.2");
    is(hit->groups[1], "Chrome");
    is(hit->groups[2], "11");
    is(hit->groups[3], "2");
    assert_null(hit->groups[4].ptr);
    assert_int_equal(f.hits[1].pattern, 3);
    is(f.hits[1].groups[1], "10.0");
    assert_int_equal(f.hits[2].pattern, UINT32_MAX);
    assert_int_equal(find(&f, "Chrome/11.2 Edge/7 Windows", 0)->pattern, 0);
    assert_int_equal(f.hits[1].pattern, 4);
    assert_int_equal(find(&f, "chrome/11.2", 0)->pattern, UINT32_MAX);
    assert_int_equal(find(&f, "", 0)->pattern, UINT32_MAX);
    end(&f);
}

/* What is looked for is wider than the pattern; the verdict is the pattern's. */
static void counted_repeats_count(void **state)
{
    (void)state;
    static const struct pen_first_pattern patterns[] = {
        {.text = S("a.{0,3}b")},
        {.text = S("c{2,4}d"), .list = 1},
        {.text = S("[{0,9}]e{0,9}\\{0,9}f"), .list = 2},
        {.text = S("g(?!h{0,3}i)"), .list = 3}};
    static const struct {
        const char *text;
        uint32_t list;
        bool is_hit;
    } rows[] = {{"axxxb", 0, true},   {"axxxxb", 0, false},   {"ab", 0, true},
                {"ccd", 1, true},     {"cd", 1, false},       {"{eee{0,9}f", 2, true},
                {",{0,9}f", 2, true}, {"{eee{0}f", 2, false}, {"ghhhhi", 3, true},
                {"ghhhi", 3, false},  {"gi", 3, false}};
    struct found f;
    begin(&f, patterns, PEN_COUNT(patterns));
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_int_equal(find(&f, rows[i].text, rows[i].list)->pattern != UINT32_MAX,
                         rows[i].is_hit);
    }
    end(&f);
}

/* An anchor in the middle is one of the things. */
static void what_hyperscan_refuses_is_tried_always(void **state)
{
    (void)state;
    static const struct pen_first_pattern patterns[] = {
        {.text = S("^.*(bot|^NING|x^y)(\\d*)")}, {.text = S("(\\w)\\1")}, {.text = S("bot")}};
    struct found f;
    begin(&f, patterns, PEN_COUNT(patterns));
    const struct pen_first_hit *hit = find(&f, "a bot7", 0);
    assert_int_equal(hit->pattern, 0);
    is(hit->groups[2], "7");
    assert_int_equal(find(&f, "a zz", 0)->pattern, 1);
    assert_int_equal(find(&f, "a b c", 0)->pattern, UINT32_MAX);
    end(&f);
}

static void a_text_is_bytes(void **state)
{
    (void)state;
    static const struct pen_first_pattern patterns[] = {{.text = S("a(.)b")},
                                                        {.text = S("c\xff(d)"), .list = 1}};
    struct found f;
    begin(&f, patterns, PEN_COUNT(patterns));
    is(find(&f,
            "a\x80"
            "b c\xff"
            "d",
            0)
           ->groups[1],
       "\x80");
    is(f.hits[1].groups[1], "d");
    end(&f);
}

static void too_many_steps_are_no_match_and_counted(void **state)
{
    (void)state;
    static const struct pen_first_pattern patterns[] = {{.text = S("(a|aa)+\\1b")},
                                                        {.text = S("a")}};
    char text[200];
    struct found f;
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text + sizeof(text) - 4, "xb", 3);
    begin(&f, patterns, PEN_COUNT(patterns));
    assert_int_equal(find(&f, text, 0)->pattern, 1);
    assert_int_equal(pen_first_limit_hits(f.search), 1);
    end(&f);
}

static void mistakes_are_told_by_their_pattern(void **state)
{
    (void)state;
    static const struct pen_first_pattern patterns[] = {
        {.text = S("fine")}, {.text = S("(open")}, {.text = S("fine")}};
    struct pen_first *first;
    struct pen_err err = {0};
    uint32_t bad = 0;
    assert_int_equal(pen_first_new(patterns, PEN_COUNT(patterns), &first, &bad, &err), PEN_E_RULE);
    assert_null(first);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(err.text, "parenthes"));
    assert_int_equal(pen_first_new(patterns, PEN_FIRST_PATTERNS_MAX + 1, &first, &bad, &err),
                     PEN_E_LIMIT);
    assert_int_equal(pen_first_new(NULL, 0, &first, &bad, &err), PEN_OK);
    struct found f = {.first = first};
    assert_int_equal(pen_first_search_new(first, &f.search, &err), PEN_OK);
    assert_int_equal(find(&f, "x", 0)->pattern, UINT32_MAX);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_list_has_its_first),
        cmocka_unit_test(counted_repeats_count),
        cmocka_unit_test(what_hyperscan_refuses_is_tried_always),
        cmocka_unit_test(a_text_is_bytes),
        cmocka_unit_test(too_many_steps_are_no_match_and_counted),
        cmocka_unit_test(mistakes_are_told_by_their_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
