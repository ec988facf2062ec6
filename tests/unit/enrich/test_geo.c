#include "penstock/enrich.h"

#include "mmdb_made.h"

static char folder[64];
static char city[128], asn[128];

static int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/penstock-geo-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(city, sizeof(city), "%s/city.mmdb", folder);
    (void)snprintf(asn, sizeof(asn), "%s/asn.mmdb", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(city);
    (void)unlink(asn);
    return rmdir(folder);
}

static void city_write(const char *name)
{
    struct made *m = made_new();
    made_net(m, "2.125.160.0/24", made_place(m, name, "GB", "United Kingdom", -1.2479, 51.75));
    made_net(m, "10.0.0.0/8", made_place(m, name, "XX", "Nowhere", 1, 1));
    made_net(m, "2001:db8::/32", made_place(m, NULL, "JP", "Japan", 200, 35.5));
    made_write(m, city, "Test-City");
}

static void as_write(const char *name)
{
    struct made *m = made_new();
    made_net(m, "2.125.0.0/16", made_as(m, 4294967295U, name));
    made_write(m, asn, "Test-ASN");
}

struct fixture {
    struct pen_enrich *enrich;
    struct pen_enricher *enricher;
    struct pen_geo geo;
    struct pen_err err;
};

static void fixture_open(struct fixture *f)
{
    const struct pen_enrich_options options = {.geoip = city, .asn = asn};
    *f = (struct fixture){0};
    city_write("Box \"ford\"");
    as_write("Net");
    assert_true(pen_enrich_wanted(&options));
    assert_int_equal(pen_enrich_open(&options, &f->enrich, &f->err), PEN_OK);
    assert_int_equal(pen_enricher_new(f->enrich, &f->enricher, &f->err), PEN_OK);
}

static void fixture_close(struct fixture *f)
{
    pen_enricher_free(f->enricher);
    pen_enrich_close(f->enrich);
}

static pen_status reload(struct fixture *f, bool *is_changed)
{
    pen_status st = PEN_OK;
    uint32_t changed = 0;
    if (pen_enrich_look(f->enrich)) {
        st = pen_enrich_read(f->enrich, &f->err);
        changed = pen_enrich_swap(f->enrich);
    }
    *is_changed = changed != 0;
    pen_enricher_use(f->enricher, pen_enrich_now(f->enrich));
    return st;
}

static bool geo_of(struct fixture *f, const char *ip)
{
    return pen_enricher_geo(f->enricher, pen_slice_str(ip), &f->geo);
}

static void part_is(const struct fixture *f, enum pen_geo_part part, const char *text)
{
    const pen_slice is = pen_geo_part(&f->geo, part);
    if (!pen_slice_eq(is, pen_slice_str(text))) {
        fail_msg("%.*s, not %s", PEN_SLICE_FMT(is), text);
    }
}

static void an_address_has_all_parts_from_tables_and_cache(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    for (int i = 0; i < 2; i++) {
        memset(&f.geo, 0xee, sizeof(f.geo));
        assert_true(geo_of(&f, "2.125.160.216"));
        part_is(&f, PEN_GEO_CITY, "Box \\\"ford\\\"");
        part_is(&f, PEN_GEO_COUNTRY_CODE, "GB");
        part_is(&f, PEN_GEO_COUNTRY, "United Kingdom");
        part_is(&f, PEN_GEO_LOCATION, "{\"lon\":-1.2479,\"lat\":51.75}");
        part_is(&f, PEN_AS_NUMBER, "4294967295");
        part_is(&f, PEN_AS_NAME, "Net");
        assert_int_equal(f.geo.escaped, 1U << PEN_GEO_CITY);
        assert_true(geo_of(&f, "2.125.1.1"));
        part_is(&f, PEN_GEO_CITY, "");
        part_is(&f, PEN_AS_NAME, "Net");
        assert_int_equal(f.geo.escaped, 0);
    }
    assert_true(geo_of(&f, "::ffff:2.125.160.216"));
    part_is(&f, PEN_GEO_COUNTRY_CODE, "GB");
    fixture_close(&f);
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    assert_true(geo_of(&f, "2001:db8::5"));
    part_is(&f, PEN_GEO_CITY, "");
    part_is(&f, PEN_GEO_COUNTRY, "Japan");
    part_is(&f, PEN_GEO_LOCATION, ""); /* no place on earth */
    part_is(&f, PEN_AS_NUMBER, "");
    static const char *const nothing[] = {
        "10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1",        "169.254.169.254", "::1", "fe80::1",
        "fd00::1",  "8.8.8.8",         "2.125.160.216:80", "AWS Internal",    "",    "-"};
    for (size_t i = 0; i < PEN_COUNT(nothing); i++) {
        if (geo_of(&f, nothing[i])) {
            fail_msg("%s", nothing[i]);
        }
    }
    fixture_close(&f);
}

static void damaged_are(const struct fixture *f, uint64_t geo, uint64_t as)
{
    const struct pen_enricher_counters counters = pen_enricher_counters_get(f->enricher);
    assert_int_equal(counters.geo_damaged, geo);
    assert_int_equal(counters.as_damaged, as);
}

/* Of each that is asked for, also when the cache has it: what is good of an entry is told. */
static void damaged_entries_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    bool is_changed = false;
    fixture_open(&f);
    assert_true(geo_of(&f, "2.125.160.216"));
    assert_false(geo_of(&f, "8.8.8.8"));
    assert_false(geo_of(&f, "10.0.0.1"));
    damaged_are(&f, 0, 0);
    for (uint64_t i = 1; i <= 2; i++) { /* a longitude of 200 degrees */
        assert_true(geo_of(&f, "2001:db8::5"));
        damaged_are(&f, i, 0);
    }
    struct made *m = made_new();
    made_net(m, "2.125.0.0/16", made_as(m, 7, "\xff")); /* no UTF-8 */
    const uint32_t wide = m->data_len;
    made_map(m, 28); /* has more members than there are bytes */
    made_text(m, "x");
    made_net(m, "3.3.0.0/16", wide);
    made_write(m, asn, "Test-ASN");
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    assert_true(geo_of(&f, "2.125.160.216"));
    part_is(&f, PEN_AS_NUMBER, "7");
    part_is(&f, PEN_AS_NAME, "");
    part_is(&f, PEN_GEO_COUNTRY, "United Kingdom");
    damaged_are(&f, 2, 1);
    assert_false(geo_of(&f, "3.3.3.3"));
    assert_false(geo_of(&f, "3.3.3.3"));
    damaged_are(&f, 2, 3);
    fixture_close(&f);
}

static void many_addresses_share_the_cache(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    char ip[32];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3 * PEN_GEO_CACHE_ENTRIES; i++) {
            const bool is_in = i % 2 == 0;
            (void)snprintf(ip, sizeof(ip), "%s.%u.%u", is_in ? "2.125" : "3.5", i >> 8 & 0xff,
                           i & 0xff);
            assert_int_equal(geo_of(&f, ip), is_in);
        }
    }
    fixture_close(&f);
}

static void names_too_long_to_cache_are_whole(void **state)
{
    (void)state;
    struct fixture f;
    char name[PEN_GEO_CACHE_TEXT_MAX + 100];
    char longer[PEN_GEO_TEXT_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    memset(longer, 'l', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    fixture_open(&f);
    bool is_changed = false;
    city_write(longer);
    as_write(name);
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    assert_true(is_changed);
    for (int i = 0; i < 2; i++) {
        assert_true(geo_of(&f, "2.125.160.216"));
        part_is(&f, PEN_GEO_CITY, "");
        part_is(&f, PEN_GEO_COUNTRY, "United Kingdom");
        part_is(&f, PEN_AS_NAME, name);
    }
    fixture_close(&f);
}

static void tables_of_assets_are_reloaded_too(void **state)
{
    (void)state;
    struct fixture f = {0};
    char path[128];
    bool is_changed = false;
    (void)snprintf(path, sizeof(path), "%s/assets.csv", folder);
    const struct pen_enrich_options options = {.assets = path};
    for (int i = 0; i < 3; i++) {
        char other[160]; /* renamed into its place, as people should */
        (void)snprintf(other, sizeof(other), "%s.new", path);
        FILE *file = fopen(other, "w");
        assert_non_null(file);
        assert_true(fprintf(file, i < 2 ? "account,alias\n123456789012,n%d\n" : "alias%d\n", i) >
                    0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(rename(other, path), 0);
        if (i == 0) {
            assert_int_equal(pen_enrich_open(&options, &f.enrich, &f.err), PEN_OK);
            assert_int_equal(pen_enricher_new(f.enrich, &f.enricher, &f.err), PEN_OK);
            assert_int_equal(pen_enrich_parts(f.enrich), PEN_ENRICH_ASSETS);
        } else {
            assert_int_equal(reload(&f, &is_changed), i == 1 ? PEN_OK : PEN_E_USAGE);
            assert_int_equal(is_changed, i == 1);
        }
        const struct pen_asset *asset =
            pen_enricher_account(f.enricher, PEN_SLICE_LIT("123456789012"));
        assert_non_null(asset);
        assert_true(pen_slice_eq(asset->parts[PEN_ASSET_ALIAS],
                                 i == 0 ? PEN_SLICE_LIT("n0") : PEN_SLICE_LIT("n1")));
        assert_null(pen_enricher_address(f.enricher, PEN_SLICE_LIT("10.0.0.1")));
        assert_false(geo_of(&f, "2.125.160.216"));
    }
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    (void)unlink(path);
    fixture_close(&f);
}

static void a_changed_file_is_used_and_a_damaged_one_is_told_once(void **state)
{
    (void)state;
    struct fixture f;
    bool is_changed = true;
    fixture_open(&f);
    assert_true(geo_of(&f, "2.125.160.216"));
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    assert_false(is_changed);
    for (int i = 0; i < 5; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "City %d", i);
        city_write(name);
        assert_int_equal(reload(&f, &is_changed), PEN_OK);
        assert_true(is_changed);
        assert_true(geo_of(&f, "2.125.160.216"));
        part_is(&f, PEN_GEO_CITY, name);
        part_is(&f, PEN_AS_NAME, "Net");
    }
    assert_int_equal(truncate(asn, 7), 0);
    assert_int_equal(reload(&f, &is_changed), PEN_E_USAGE);
    assert_false(is_changed);
    assert_non_null(strstr(f.err.text, "enrich.asn"));
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    city_write("Last"); /* the other goes on */
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    assert_true(is_changed);
    assert_true(geo_of(&f, "2.125.160.216"));
    part_is(&f, PEN_GEO_CITY, "Last");
    part_is(&f, PEN_AS_NAME, "Net");
    city_write("Never");
    assert_true(pen_enrich_look(f.enrich));
    assert_int_equal(pen_enrich_read(f.enrich, &f.err), PEN_OK);
    pen_enricher_use(f.enricher, pen_enrich_now(f.enrich));
    assert_true(geo_of(&f, "2.125.160.216"));
    part_is(&f, PEN_GEO_CITY, "Last"); /* it is read, and in nobody's use */
    fixture_close(&f);
    fixture_open(&f);
    (void)unlink(city); /* no file is no change */
    assert_int_equal(reload(&f, &is_changed), PEN_OK);
    assert_false(is_changed);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_all_parts_from_tables_and_cache),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(damaged_entries_are_counted),
        cmocka_unit_test(many_addresses_share_the_cache),
        cmocka_unit_test(names_too_long_to_cache_are_whole),
        cmocka_unit_test(tables_of_assets_are_reloaded_too),
        cmocka_unit_test(a_changed_file_is_used_and_a_damaged_one_is_told_once),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
