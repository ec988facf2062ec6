#include "../enrich/mmdb_made.h"
#include "fixture.h"
#include "internal.h"

#include <sys/stat.h>

static char folder[64];
static char city[128], asn[128];
static struct pen_enrich *enrich;

static int tables_make(void **state)
{
    struct pen_err err = {0};
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/penstock-fields-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(city, sizeof(city), "%s/city.mmdb", folder);
    (void)snprintf(asn, sizeof(asn), "%s/asn.mmdb", folder);
    struct made *m = made_new();
    made_net(m, "2.125.160.0/24", made_place(m, "Boxford", "GB", "United Kingdom", -1.25, 51.75));
    made_net(m, "2.125.161.0/24", made_place(m, NULL, "FR", "France", 2.5, 48.5));
    made_write(m, city, "Test-City");
    m = made_new();
    made_net(m, "2.125.0.0/16", made_as(m, 64500, "Net \\ One"));
    made_write(m, asn, "Test-ASN");
    const struct pen_enrich_options options = {.geoip = city, .asn = asn};
    return pen_enrich_open(&options, &enrich, &err) == PEN_OK ? 0 : -1;
}

static int tables_remove(void **state)
{
    (void)state;
    pen_enrich_close(enrich);
    (void)unlink(city);
    (void)unlink(asn);
    return rmdir(folder);
}

/* A fixture whose schema has the fields of these parts. */
static struct fixture *enriched(const struct pen_type *type, uint32_t parts,
                                struct pen_enricher **enricher)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(pen_schema_new_enriched(type, parts, &f->schema, &f->err), PEN_OK);
    f->object.bucket = PEN_SLICE_LIT("b");
    f->object.key = PEN_SLICE_LIT("k");
    assert_int_equal(pen_enricher_new(enrich, enricher, &f->err), PEN_OK);
    return f;
}

static const struct pen_map_entry own_map[] = {
    MAP("source.ip", false, S("sourceIPAddress")), MAP("source.geo.city_name", false, S("city")),
    MAP("source.geo.location.lat", false, S("lat")), /* an object where ours is a value */
    MAP("source.as", false, S("as")),                /* a value where ours is an object */
};
static const struct pen_map_entry sides_map[] = {
    MAP("source.ip", false, S("sourceIPAddress")),
    MAP("destination.ip", false, S("to")),
};

#define FROM(ip) ",\"sourceIPAddress\":\"" ip "\""

static void documents_have_place_and_system_of_the_source(void **state)
{
    (void)state;
    struct pen_enricher *enricher;
    struct fixture *f = enriched(&trail_type, PEN_ENRICH_GEO | PEN_ENRICH_AS, &enricher);
    fixture_seal(f);
    pen_normalizer_enrich(f->normalizer, enricher);
    RUN(f, FROM("2.125.160.7"));
    HAS(f, "\"source\":{\"address\":\"2.125.160.7\",\"as\":{\"number\":64500,\"organization\":{"
           "\"name\":\"Net \\\\ One\"}},\"geo\":{\"city_name\":\"Boxford\",\"country_iso_code\":"
           "\"GB\",\"country_name\":\"United Kingdom\",\"location\":{\"lon\":-1.25,\"lat\":51.75}},"
           "\"ip\":\"2.125.160.7\"}");
    RUN(f, FROM("2.125.161.7"));
    HAS_NOT(f, "city_name");
    HAS(f, "\"country_iso_code\":\"FR\"");
    RUN(f, FROM("10.0.0.1"));
    HAS_NOT(f, "\"geo\"");
    HAS_NOT(f, "\"as\"");
    RUN(f, FROM("ec2.amazonaws.com"));
    HAS_NOT(f, "\"geo\"");
    fixture_free(f);
    pen_enricher_free(enricher);
}

static void only_what_is_asked_for_is_there(void **state)
{
    (void)state;
    struct pen_enricher *enricher;
    struct fixture *f = enriched(&trail_type, PEN_ENRICH_AS, &enricher);
    fixture_seal(f);
    pen_normalizer_enrich(f->normalizer, enricher);
    RUN(f, FROM("2.125.160.7"));
    HAS_NOT(f, "\"geo\"");
    HAS(f, "\"number\":64500");
    fixture_free(f);
    pen_enricher_free(enricher);
    struct fixture *plain = fixture_new(&trail_type);
    RUN(plain, FROM("2.125.160.7"));
    HAS_NOT(plain, "\"geo\"");
    assert_int_equal(plain->schema->side_count, 0);
    fixture_free(plain);
}

static void rules_see_the_fields(void **state)
{
    (void)state;
    struct pen_enricher *enricher;
    struct fixture *f = enriched(&trail_type, PEN_ENRICH_GEO | PEN_ENRICH_AS, &enricher);
    static const struct {
        pen_slice name, value;
    } wanted[] = {{S("source.geo.country_iso_code"), S("GB")},
                  {S("source.as.number"), S("64500")},
                  {S("@source.geo.city_name"), S("Boxford")}};
    uint32_t fields[PEN_COUNT(wanted)];
    assert_false(f->schema->is_enrich_asked);
    for (size_t i = 0; i < PEN_COUNT(wanted); i++) {
        assert_int_equal(pen_schema_field(f->schema, wanted[i].name, &fields[i], &f->err), PEN_OK);
    }
    assert_true(f->schema->is_enrich_asked);
    fixture_seal(f);
    pen_normalizer_enrich(f->normalizer, enricher);
    RUN(f, FROM("2.125.160.7"));
    for (size_t i = 0; i < PEN_COUNT(wanted); i++) {
        const struct pen_value *value = pen_record_first(&f->record, fields[i]);
        assert_non_null(value);
        assert_true(pen_slice_eq(value->text, wanted[i].value));
    }
    RUN(f, FROM("10.0.0.1"));
    assert_null(pen_record_first(&f->record, fields[0]));
    fixture_free(f);
    pen_enricher_free(enricher);
}

static void a_map_of_the_type_stays_where_no_table_knows_better(void **state)
{
    (void)state;
    struct pen_type type = trail_type;
    struct pen_enricher *enricher;
    type.map = own_map;
    type.map_count = PEN_COUNT(own_map);
    struct fixture *f = enriched(&type, PEN_ENRICH_GEO | PEN_ENRICH_AS, &enricher);
    fixture_seal(f);
    pen_normalizer_enrich(f->normalizer, enricher);
    RUN(f, FROM("2.125.161.7") ",\"city\":\"Told\",\"lat\":\"48\",\"as\":\"A\"");
    HAS(f, "\"source\":{\"as\":\"A\",\"geo\":{\"city_name\":\"Told\",\"country_iso_code\":\"FR\","
           "\"country_name\":\"France\",\"location\":{\"lat\":\"48\"}},\"ip\"");
    RUN(f, FROM("2.125.160.7") ",\"city\":\"Told\"");
    HAS(f, "\"city_name\":\"Boxford\"");
    fixture_free(f);
    pen_enricher_free(enricher);
}

static void two_sides_are_two_answers(void **state)
{
    (void)state;
    struct pen_type type = trail_type;
    struct pen_enricher *enricher;
    type.map = sides_map;
    type.map_count = PEN_COUNT(sides_map);
    struct fixture *f = enriched(&type, PEN_ENRICH_GEO, &enricher);
    fixture_seal(f);
    pen_normalizer_enrich(f->normalizer, enricher);
    RUN(f, FROM("2.125.161.7") ",\"to\":\"2.125.160.1\"");
    HAS(f, "\"destination\":{\"geo\":{\"city_name\":\"Boxford\"");
    HAS(f, "\"source\":{\"geo\":{\"country_iso_code\":\"FR\"");
    fixture_free(f);
    pen_enricher_free(enricher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_have_place_and_system_of_the_source),
        cmocka_unit_test(only_what_is_asked_for_is_there),
        cmocka_unit_test(rules_see_the_fields),
        cmocka_unit_test(a_map_of_the_type_stays_where_no_table_knows_better),
        cmocka_unit_test(two_sides_are_two_answers),
    };
    return cmocka_run_group_tests(tests, tables_make, tables_remove);
}
