#include "tables_load.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS 20000U
#define ACCOUNT PEN_SLICE_LIT("123456789012")

struct fixture {
    char folder[64], path[128];
    struct pen_enrich *enrich;
    struct pen_enricher *enricher;
    struct tables_load load;
    pen_status st;
    uint32_t changed;
    struct pen_err err;
};

/* Renamed into its place, as people should. */
static void assets_write(struct fixture *f, const char *columns, const char *alias)
{
    char other[160];
    (void)snprintf(other, sizeof(other), "%s.new", f->path);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n,123456789012,%s\n", columns, alias) > 0);
    for (unsigned i = 0; i < ROWS; i++) {
        assert_true(fprintf(file, "10.%u.%u.0/24,,net\n", i >> 8, i & 0xff) > 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(other, f->path), 0);
}

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    *state = f;
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/penstock-load-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof(f->path), "%s/assets.csv", f->folder);
    assets_write(f, "ip,account,alias", "before");
    const struct pen_enrich_options options = {.assets = f->path};
    assert_int_equal(pen_enrich_open(&options, &f->enrich, &f->err), PEN_OK);
    assert_int_equal(pen_enricher_new(f->enrich, &f->enricher, &f->err), PEN_OK);
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    tables_load_end(&f->load);
    pen_enricher_free(f->enricher);
    pen_enrich_close(f->enrich);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static enum tables_step turn(struct fixture *f)
{
    return tables_load_turn(&f->load, f->enrich, &f->changed, &f->st, &f->err);
}

static void alias_is(const struct fixture *f, const char *alias)
{
    const struct pen_asset *asset = pen_enricher_account(f->enricher, ACCOUNT);
    assert_non_null(asset);
    assert_true(pen_slice_eq(asset->parts[PEN_ASSET_ALIAS], pen_slice_str(alias)));
}

/* Looks up while the file is read, with the tables before. */
static void until_read(struct fixture *f, const char *alias)
{
    assert_int_equal(turn(f), TABLES_BEGUN);
    enum tables_step step = TABLES_BUSY;
    while (step == TABLES_BUSY) {
        alias_is(f, alias);
        assert_int_equal(f->changed, 0);
        step = turn(f);
    }
    assert_int_equal(step, TABLES_READ);
}

static void what_changed_is_used_once_it_is_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(turn(f), TABLES_IDLE);
    assets_write(f, "ip,account,alias", "behind");
    until_read(f, "before");
    assert_int_equal(f->st, PEN_OK);
    assert_int_equal(f->changed, PEN_ENRICH_ASSETS);
    alias_is(f, "before"); /* until the enricher is told */
    pen_enricher_use(f->enricher, pen_enrich_now(f->enrich));
    alias_is(f, "behind");
    assert_int_equal(turn(f), TABLES_IDLE);
    alias_is(f, "behind");
}

static void what_cannot_be_used_is_told_once(void **state)
{
    struct fixture *f = *state;
    assets_write(f, "alias", "bad");
    until_read(f, "before");
    assert_int_equal(f->st, PEN_E_USAGE);
    assert_int_equal(f->changed, 0);
    assert_non_null(strstr(f->err.text, "assets.csv"));
    assert_int_equal(turn(f), TABLES_IDLE);
    assert_int_equal(f->st, PEN_OK);
    alias_is(f, "before");
}

static void what_is_under_way_at_the_end_is_waited_for(void **state)
{
    struct fixture *f = *state;
    assets_write(f, "ip,account,alias", "late");
    assert_int_equal(turn(f), TABLES_BEGUN);
    tables_load_end(&f->load);
    alias_is(f, "before");
    tables_load_end(&f->load);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_changed_is_used_once_it_is_read),
        CASE(what_cannot_be_used_is_told_once),
        CASE(what_is_under_way_at_the_end_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
