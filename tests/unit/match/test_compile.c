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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_is_missed_then_hit_and_a_corrupt_file_is_made_anew),
        cmocka_unit_test(always_run_is_only_for_queries_without_a_required_predicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
