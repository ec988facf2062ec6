#include "match_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One engine of a contains pattern; tells whether it came from the cache. */
static bool compile_once(const char *dir, bool in_process)
{
    const struct pen_piece pieces[] = {{.kind = PEN_PIECE_RUN},
                                       {PEN_PIECE_TEXT, PEN_SLICE_LIT("Delete")},
                                       {.kind = PEN_PIECE_RUN}};
    const struct pen_pred pred = {.op = PEN_OP_PATTERN, .pieces = pieces, .piece_count = 3};
    const struct pen_expr expr = expr_of(&pred);
    const struct pen_query query = {&expr, 7, PEN_SLICE_LIT("q")};
    const struct pen_engine_options options = {.cache_dir = dir, .in_process = in_process};
    struct pen_engine *engine = NULL;
    struct pen_matcher *matcher = NULL;
    assert_int_equal(pen_engine_compile(&query, 1, &options, &engine, NULL), PEN_OK);
    assert_int_equal(pen_matcher_new(engine, &matcher, NULL), PEN_OK);
    static struct hand hand;
    hand_reset(&hand);
    hand_str(&hand, 0, "deleteTrail");
    const uint32_t *tags = NULL;
    assert_int_equal(pen_matcher_run(matcher, &hand.record, &tags), 1);
    assert_int_equal(tags[0], 7);
    hand_reset(&hand);
    hand_str(&hand, 0, "Del");
    hand_str(&hand, 0, "ete");
    hand_str(&hand, 1, "Delete");
    assert_int_equal(pen_matcher_run(matcher, &hand.record, &tags), 0);
    const bool from_cache = pen_engine_stats_get(engine).from_cache;
    pen_matcher_free(matcher);
    pen_engine_free(engine);
    return from_cache;
}

static void find_file(const char *dir, char *path, size_t size)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    path[0] = '\0';
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strstr(e->d_name, ".hsdb") != NULL) {
            assert_true(snprintf(path, size, "%s/%s", dir, e->d_name) > 0);
        }
    }
    (void)closedir(d);
    assert_true(path[0] != '\0');
}

static void cache_is_missed_then_hit_and_a_corrupt_file_is_made_anew(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-match-XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_false(compile_once(dir, false));
    assert_true(compile_once(dir, false));
    char path[512];
    find_file(dir, path, sizeof(path));
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\x55\xaa", 2, 200), 2);
    assert_int_equal(close(fd), 0);
    assert_false(compile_once(dir, true));
    assert_true(compile_once(dir, true));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void always_run_is_only_for_queries_without_a_required_predicate(void **state)
{
    (void)state;
    const struct pen_piece piece = {PEN_PIECE_TEXT, PEN_SLICE_LIT("A")};
    const struct pen_pred pred = {.op = PEN_OP_PATTERN, .pieces = &piece, .piece_count = 1};
    struct pen_expr leaf = expr_of(&pred);
    struct pen_expr *kids[] = {&leaf};
    const struct pen_expr negated = {.kind = PEN_EXPR_NOT, .kids = kids, .kid_count = 1};
    const struct pen_query queries[] = {{&negated, 9, PEN_SLICE_LIT("n")},
                                        {&leaf, 2, PEN_SLICE_LIT("p")}};
    struct pen_engine *engine = NULL;
    assert_int_equal(pen_engine_compile(queries, 2, NULL, &engine, NULL), PEN_OK);
    const struct pen_engine_stats stats = pen_engine_stats_get(engine);
    assert_int_equal(stats.always_run, 1);
    assert_int_equal(stats.predicates, 1);
    assert_int_equal(stats.eq_keys, 1);
    pen_engine_free(engine);
}

#define NAMES_MAX 64U

/* Patterns of an engine whose queries i are: field 0 is the name i, and field 1 has "needle" in it,
 * or of several needles "needle 1" and so on in turn. */
static uint32_t patterns_of(uint32_t names, uint32_t needles, const char *name, const char *other,
                            uint32_t *found)
{
    char needle_texts[NAMES_MAX][16];
    struct pen_piece needle[NAMES_MAX][3];
    struct pen_pred has[NAMES_MAX];
    struct pen_expr holds[NAMES_MAX];
    char texts[NAMES_MAX][16];
    struct pen_piece pieces[NAMES_MAX];
    struct pen_pred preds[NAMES_MAX];
    struct pen_expr leaves[NAMES_MAX];
    struct pen_expr *kids[NAMES_MAX][2];
    struct pen_expr both[NAMES_MAX];
    struct pen_query queries[NAMES_MAX];
    for (uint32_t i = 0; i < needles; i++) {
        (void)snprintf(needle_texts[i], sizeof(needle_texts[i]), i == 0 ? "needle" : "needle %u",
                       i);
        needle[i][0] = needle[i][2] = (struct pen_piece){.kind = PEN_PIECE_RUN};
        needle[i][1] = (struct pen_piece){PEN_PIECE_TEXT, pen_slice_str(needle_texts[i])};
        has[i] = (struct pen_pred){
            .field = 1, .op = PEN_OP_PATTERN, .pieces = needle[i], .piece_count = 3};
        holds[i] = expr_of(&has[i]);
    }
    for (uint32_t i = 0; i < names; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "name%u", i);
        pieces[i] = (struct pen_piece){PEN_PIECE_TEXT, pen_slice_str(texts[i])};
        preds[i] = (struct pen_pred){.op = PEN_OP_PATTERN, .pieces = &pieces[i], .piece_count = 1};
        leaves[i] = expr_of(&preds[i]);
        kids[i][0] = &leaves[i];
        kids[i][1] = &holds[i % needles];
        both[i] = (struct pen_expr){.kind = PEN_EXPR_AND, .kids = kids[i], .kid_count = 2};
        queries[i] = (struct pen_query){&both[i], i, PEN_SLICE_LIT("q")};
    }
    struct pen_engine *engine = NULL;
    struct pen_matcher *matcher = NULL;
    static struct hand hand;
    const uint32_t *tags = NULL;
    assert_int_equal(pen_engine_compile(queries, names, NULL, &engine, NULL), PEN_OK);
    assert_int_equal(pen_matcher_new(engine, &matcher, NULL), PEN_OK);
    hand_reset(&hand);
    hand_str(&hand, 0, name);
    hand_str(&hand, 1, other);
    *found = pen_matcher_run(matcher, &hand.record, &tags);
    const uint32_t patterns = pen_engine_stats_get(engine).patterns;
    pen_matcher_free(matcher);
    pen_engine_free(engine);
    return patterns;
}

static void what_starts_no_query_is_scanned_only_when_much_is_asked(void **state)
{
    (void)state;
    static const struct {
        uint32_t names, needles;
        const char *name, *other;
        uint32_t patterns, found;
    } rows[] = {
        {NAMES_MAX, 1, "name7", "a NEEDLE here", 0, 1},
        {NAMES_MAX, 1, "name7", "nothing", 0, 0},
        {NAMES_MAX, 1, "other", "a needle here", 0, 0},
        {NAMES_MAX, NAMES_MAX, "name7", "a needle 7 here", 0, 1}, /* queries seldom start */
        {1, 1, "name0", "a needle here", 0, 1},                   /* few are asked often */
        {1, 1, "name0", "nothing", 0, 0},
        {3, 3, "name2", "a needle 2 here", 0, 1},
        {4, 4, "name2", "a needle 2 here", 4, 1},
        {4, 4, "name2", "a needle 3 here", 4, 0},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        uint32_t found = 0;
        assert_int_equal(
            patterns_of(rows[i].names, rows[i].needles, rows[i].name, rows[i].other, &found),
            rows[i].patterns);
        assert_int_equal(found, rows[i].found);
    }
}

/* Engine of queries i: field 0 begins with the text i. */
static struct pen_engine *engine_of_beginnings(const char *const *texts, uint32_t count,
                                               bool is_cased)
{
    struct pen_piece pieces[8][2];
    struct pen_pred preds[8];
    struct pen_expr leaves[8];
    struct pen_query queries[8];
    struct pen_engine *engine = NULL;
    for (uint32_t i = 0; i < count; i++) {
        pieces[i][0] = (struct pen_piece){PEN_PIECE_TEXT, pen_slice_str(texts[i])};
        pieces[i][1] = (struct pen_piece){.kind = PEN_PIECE_RUN};
        preds[i] = (struct pen_pred){
            .op = PEN_OP_PATTERN, .is_cased = is_cased, .pieces = pieces[i], .piece_count = 2};
        leaves[i] = expr_of(&preds[i]);
        queries[i] = (struct pen_query){&leaves[i], i, PEN_SLICE_LIT("q")};
    }
    const struct pen_engine_options options = {.in_process = true};
    assert_int_equal(pen_engine_compile(queries, count, &options, &engine, NULL), PEN_OK);
    return engine;
}

/* Which of its queries the text matches, as bits. */
static uint32_t beginnings_of(const struct pen_engine *engine, const char *text)
{
    static struct hand hand;
    struct pen_matcher *matcher = NULL;
    const uint32_t *tags = NULL;
    uint32_t bits = 0;
    assert_int_equal(pen_matcher_new(engine, &matcher, NULL), PEN_OK);
    hand_reset(&hand);
    hand_str(&hand, 0, text);
    const uint32_t count = pen_matcher_run(matcher, &hand.record, &tags);
    for (uint32_t i = 0; i < count; i++) {
        bits |= 1U << tags[i];
    }
    pen_matcher_free(matcher);
    return bits;
}

/* Four lengths of them are looked up; with a fifth, all are scanned for. */
static void beginnings_are_looked_up_when_their_lengths_are_few(void **state)
{
    (void)state;
    static const char *const texts[] = {"Get", "Lis", "Create", "i-", "CreateK\xc3\x84", "AKIAX"};
    for (uint32_t cased = 0; cased < 2; cased++) {
        for (uint32_t count = 4; count <= PEN_COUNT(texts); count++) {
            struct pen_engine *engine = engine_of_beginnings(texts, count, cased != 0);
            assert_int_equal(pen_engine_stats_get(engine).patterns, count == 6 ? count : 0);
            assert_int_equal(beginnings_of(engine, "Get"), 1);
            assert_int_equal(beginnings_of(engine, "Ge"), 0);
            assert_int_equal(beginnings_of(engine, ""), 0);
            assert_int_equal(beginnings_of(engine, "aGet"), 0);
            assert_int_equal(beginnings_of(engine, "CreateK\xc3\x84\xc3\xa4"),
                             count >= 5 ? 4 | 16 : 4);
            assert_int_equal(beginnings_of(engine, "createk\xc3\xa4"), cased != 0   ? 0
                                                                       : count >= 5 ? 4 | 16
                                                                                    : 4);
            pen_engine_free(engine);
        }
    }
}

#define LENGTHS 24U
#define TEXT "a-name-of-many-bytes-all-different"

/* A query for each length whose value is the beginning of TEXT of so many bytes. */
static struct pen_engine *engine_of_lengths(bool is_cased)
{
    struct pen_piece pieces[LENGTHS];
    struct pen_pred preds[LENGTHS];
    struct pen_expr leaves[LENGTHS];
    struct pen_query queries[LENGTHS];
    struct pen_engine *engine = NULL;
    for (uint32_t i = 0; i < LENGTHS; i++) {
        pieces[i] =
            (struct pen_piece){PEN_PIECE_TEXT, pen_slice_sub(PEN_SLICE_LIT(TEXT), 0, i + 1)};
        preds[i] = (struct pen_pred){
            .op = PEN_OP_PATTERN, .is_cased = is_cased, .pieces = &pieces[i], .piece_count = 1};
        leaves[i] = expr_of(&preds[i]);
        queries[i] = (struct pen_query){&leaves[i], i, PEN_SLICE_LIT("q")};
    }
    const struct pen_engine_options options = {.in_process = true};
    assert_int_equal(pen_engine_compile(queries, LENGTHS, &options, &engine, NULL), PEN_OK);
    return engine;
}

/* Where values end without a look-up, few of their bytes are asked. */
static void values_of_all_lengths_are_equal_to_themselves_alone(void **state)
{
    (void)state;
    for (uint32_t cased = 0; cased < 2; cased++) {
        struct pen_engine *engine = engine_of_lengths(cased != 0);
        for (uint32_t len = 1; len <= LENGTHS; len++) {
            char text[] = TEXT;
            text[len] = '\0';
            assert_int_equal(beginnings_of(engine, text), 1U << (len - 1));
            for (uint32_t at = 0; at < len; at++) {
                text[at] ^= 1;
                assert_int_equal(beginnings_of(engine, text), 0);
                text[at] ^= 1;
            }
            text[0] = 'A';
            assert_int_equal(beginnings_of(engine, text), cased != 0 ? 0 : 1U << (len - 1));
        }
        pen_engine_free(engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_is_missed_then_hit_and_a_corrupt_file_is_made_anew),
        cmocka_unit_test(always_run_is_only_for_queries_without_a_required_predicate),
        cmocka_unit_test(values_of_all_lengths_are_equal_to_themselves_alone),
        cmocka_unit_test(beginnings_are_looked_up_when_their_lengths_are_few),
        cmocka_unit_test(what_starts_no_query_is_scanned_only_when_much_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
