#include "fixture.h"
#include "internal.h"

#include <sys/stat.h>
#include <unistd.h>

static struct pen_enrich *enrich;
static char path[64];

static int lists_make(void **state)
{
    static const char list[] =
        "indicator,provider,name,first_seen,description,reference,category\n"
        "192.0.2.1,Acme,C2 \"one\",2025-01-02,a\\b,https://a.example/1,anonymizer\n"
        "192.0.2.0/24,Other,,,,,\n"
        "10.1.2.3,,,,,,\n"
        "evil.example,Acme,Phish,,,,phishing\n"
        "http://evil.example/x?\"q\",Acme,,,,,\n"
        "d41d8cd98f00b204e9800998ecf8427e,Acme,Empty,,,,\n";
    static const char agents[] = "user_agent,name\n\"Bad \"\"Tool\"\"/1.0\",Tool\n";
    static char paths[160];
    struct pen_err err = {0};
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/penstock-threat-XXXXXX");
    assert_non_null(mkdtemp(path));
    const char *const texts[] = {list, agents};
    for (int i = 0; i < 2; i++) {
        char name[80];
        (void)snprintf(name, sizeof(name), "%s/%s", path, i == 0 ? "feed.csv" : "agents.csv");
        FILE *file = fopen(name, "we");
        assert_non_null(file);
        assert_true(fputs(texts[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    (void)snprintf(paths, sizeof(paths), "%s/feed.csv,%s/agents.csv", path, path);
    const struct pen_enrich_options options = {
        .ioc = paths, .ioc_limits = {.entries_max = 100, .bytes_max = 1 << 20}};
    const pen_status st = pen_enrich_open(&options, &enrich, &err);
    for (int i = 0; i < 2; i++) {
        char name[80];
        (void)snprintf(name, sizeof(name), "%s/%s", path, i == 0 ? "feed.csv" : "agents.csv");
        (void)unlink(name);
    }
    (void)rmdir(path);
    return st == PEN_OK ? 0 : -1;
}

static int lists_close(void **state)
{
    (void)state;
    pen_enrich_close(enrich);
    return 0;
}

/* A type of flows and requests. */
static const struct pen_map_entry wide_map[] = {
    MAP("source.ip", false, S("from")),
    MAP("source.address", false, S("from")),
    MAP("destination.address", false, S("to")),
    MAP("related.ip", true, S("from"), S("other")),
    MAP("related.hash", true, S("hash")),
    MAP("url.original", false, S("url")),
    MAP("user_agent.original", false, S("agent")),
    MAP("file.hash.md5", false, S("hash")),
};

struct threat_fixture {
    struct fixture *f;
    struct pen_enricher *enricher;
    struct pen_type type;
};

static void open_type(struct threat_fixture *t, pen_slice name)
{
    t->type = trail_type;
    t->type.name = name;
    t->type.map = wide_map;
    t->type.map_count = PEN_COUNT(wide_map);
    t->f = calloc(1, sizeof(*t->f));
    assert_non_null(t->f);
    assert_int_equal(pen_schema_new_enriched(&t->type, PEN_ENRICH_IOC, &t->f->schema, &t->f->err),
                     PEN_OK);
    t->f->object.bucket = PEN_SLICE_LIT("b");
    t->f->object.key = PEN_SLICE_LIT("k");
    assert_int_equal(pen_enricher_new(enrich, &t->enricher, &t->f->err), PEN_OK);
}

static void open_wide(struct threat_fixture *t)
{
    open_type(t, trail_type.name);
}

static void seal_wide(struct threat_fixture *t)
{
    fixture_seal(t->f);
    pen_normalizer_enrich(t->f->normalizer, t->enricher);
}

static void close_wide(struct threat_fixture *t)
{
    fixture_free(t->f);
    pen_enricher_free(t->enricher);
}

static void an_address_has_its_indicator_and_the_network_around_it(void **state)
{
    struct threat_fixture t;
    (void)state;
    open_wide(&t);
    seal_wide(&t);
    RUN(t.f, ",\"from\":\"192.0.2.1\"");
    HAS(t.f,
        "\"threat\":{\"enrichments\":[{\"indicator\":{\"provider\":\"Acme\",\"name\":"
        "\"C2 \\\"one\\\"\",\"ip\":\"192.0.2.1\","
        "\"reference\":\"https://a.example/1\",\"type\":\"ipv4-addr\",\"description\":\"a\\\\b\","
        "\"first_seen\":\"2025-01-02T00:00:00Z\"},"
        "\"matched\":{\"field\":[\"source.ip\"]}},{\"indicator\":{\"provider\":\"Other\",\"name\":"
        "\"192.0.2.0/24\",\"ip\":\"192.0.2.1\",\"type\":\"ipv4-addr\"},\"matched\":{\"field\":["
        "\"source.ip\"]}}],\"matched\":{\"categories\":[\"anonymizer\"],\"indicators\":["
        "\"192.0.2.1\",\"192.0.2.0/24\"],\"names\":[\"C2 \\\"one\\\"\",\"192.0.2.0/24\"],"
        "\"providers\":[\"Acme\",\"Other\"],\"types\":[\"ipv4-addr\"]}}");
    assert_int_equal(t.f->doc.indicators, 2);
    RUN(t.f, ",\"from\":\"198.51.100.1\"");
    HAS_NOT(t.f, "threat");
    assert_int_equal(t.f->doc.indicators, 0);
    RUN(t.f, ",\"from\":\"10.1.2.3\""); /* private */
    HAS_NOT(t.f, "threat");
    close_wide(&t);
}

static void fields_of_a_value_are_listed_and_related_ones_last(void **state)
{
    struct threat_fixture t;
    (void)state;
    open_wide(&t);
    seal_wide(&t);
    RUN(t.f, ",\"from\":\"192.0.2.9\",\"to\":\"192.0.2.9\"");
    HAS(t.f, "\"matched\":{\"field\":[\"source.ip\",\"destination.address\"]}");
    RUN(t.f, ",\"from\":\"198.51.100.1\",\"other\":\"192.0.2.9\"");
    HAS(t.f,
        "\"ip\":\"192.0.2.9\",\"type\":\"ipv4-addr\"},\"matched\":{\"field\":[\"related.ip\"]}");
    RUN(t.f, ",\"to\":\"EVIL.example\"");
    HAS(t.f,
        "\"type\":\"domain-name\"},\"matched\":{\"field\":[\"destination.address\"],\"atomic\":"
        "\"evil.example\"}");
    HAS_NOT(t.f, "\"ip\":\"");
    close_wide(&t);
}

static void urls_agents_and_hashes_are_indicators_too(void **state)
{
    struct threat_fixture t;
    (void)state;
    open_wide(&t);
    seal_wide(&t);
    RUN(t.f, ",\"url\":\"http:\\/\\/evil.example\\/x?\\\"q\\\"\"");
    HAS(t.f, "\"type\":\"url\"},\"matched\":{\"field\":[\"url.original\"],\"atomic\":"
             "\"http://evil.example/x?\\\"q\\\"\"}");
    assert_int_equal(t.f->doc.indicators, 1);
    RUN(t.f, ",\"url\":\"https:\\/\\/192.0.2.77:8443\\/\"");
    HAS(t.f, "\"ip\":\"192.0.2.77\"");
    RUN(t.f, ",\"url\":\"https://evil.example/other\"");
    HAS(t.f, "\"atomic\":\"evil.example\"");
    RUN(t.f, ",\"agent\":\"Bad \\\"Tool\\\"/1.0\"");
    HAS(t.f, "\"provider\":\"agents\",\"name\":\"Tool\",\"type\":\"user-agent\"");
    HAS(t.f, "\"atomic\":\"Bad \\\"Tool\\\"/1.0\"");
    RUN(t.f, ",\"hash\":\"D41D8CD98F00B204E9800998ECF8427E\"");
    HAS(t.f, "\"type\":\"file\"},\"matched\":{\"field\":[\"file.hash.md5\"],\"atomic\":"
             "\"d41d8cd98f00b204e9800998ecf8427e\"}");
    assert_int_equal(t.f->doc.indicators, 1);
    close_wide(&t);
}

/* GuardDuty's findings of malware name a hash that no field of ECS has. */
static void hashes_of_findings_are_looked_up_where_they_stand(void **state)
{
    static const char hash[] = "D41D8CD98F00B204E9800998ECF8427E";
    struct threat_fixture t;
    char record[600];
    (void)state;
    open_type(&t, PEN_SLICE_LIT("guardduty"));
    seal_wide(&t);
    const int len = snprintf(
        record, sizeof(record),
        "{" TIME ",\"service\":{\"ebsVolumeScanDetails\":{\"scanDetections\":{"
        "\"threatDetectedByName\":{\"threatNames\":[{\"filePaths\":[{\"hash\":\"x\"},{\"hash\":"
        "\"%s\"}]}]}}}}}",
        hash);
    assert_int_equal(fixture_run(t.f, (pen_slice){(const uint8_t *)record, (size_t)len}), PEN_OK);
    HAS(t.f, "\"type\":\"file\"},\"matched\":{\"field\":[\"service.ebsVolumeScanDetails."
             "scanDetections.threatDetectedByName.threatNames.filePaths.hash\"],\"atomic\":"
             "\"d41d8cd98f00b204e9800998ecf8427e\"}");
    assert_int_equal(t.f->doc.indicators, 1);
    close_wide(&t);
}

static void rules_see_what_was_matched(void **state)
{
    static const struct {
        pen_slice name, value;
    } wanted[] = {{S("threat.matched.indicators"), S("evil.example")},
                  {S("threat.matched.names"), S("Phish")},
                  {S("threat.enrichments.indicator.provider"), S("Acme")},
                  {S("threat.enrichments.indicator.type"), S("domain-name")},
                  {S("@threat_intel.indicators_matched"), S("evil.example")},
                  {S("@threat_intel.results.category"), S("phishing")},
                  {S("@threat_intel.results.source.name"), S("Acme")}};
    uint32_t fields[PEN_COUNT(wanted)];
    struct threat_fixture t;
    (void)state;
    open_wide(&t);
    for (size_t i = 0; i < PEN_COUNT(wanted); i++) {
        assert_int_equal(pen_schema_field(t.f->schema, wanted[i].name, &fields[i], &t.f->err),
                         PEN_OK);
    }
    seal_wide(&t);
    RUN(t.f, ",\"to\":\"evil.example\"");
    for (size_t i = 0; i < PEN_COUNT(wanted); i++) {
        const struct pen_value *value = pen_record_first(&t.f->record, fields[i]);
        assert_non_null(value);
        assert_true(pen_slice_eq(value->text, wanted[i].value));
    }
    RUN(t.f, ",\"to\":\"good.example\"");
    assert_null(pen_record_first(&t.f->record, fields[0]));
    close_wide(&t);
}

static const struct pen_map_entry own_map[] = {MAP("source.ip", false, S("from")),
                                               MAP("threat.matched", false, S("own"))};

static void a_type_that_has_a_value_there_keeps_it(void **state)
{
    struct pen_type type = trail_type;
    struct pen_schema *schema = NULL;
    struct pen_err err = {0};
    (void)state;
    type.map = own_map;
    type.map_count = PEN_COUNT(own_map);
    assert_int_equal(pen_schema_new_enriched(&type, PEN_ENRICH_IOC, &schema, &err), PEN_OK);
    assert_int_equal(schema->watched_count, 0);
    pen_schema_free(schema);
}

static void without_lists_nothing_is_watched(void **state)
{
    struct fixture *f = fixture_new(&trail_type);
    (void)state;
    assert_int_equal(f->schema->watched_count, 0);
    assert_int_equal(nrm_slot_find(f->schema, PEN_SLICE_LIT("threat.enrichments")), PEN_FIELD_NONE);
    fixture_free(f);
}

static void many_values_may_be_one_indicator(void **state)
{
    struct threat_fixture t;
    struct pen_buf record;
    (void)state;
    open_wide(&t);
    seal_wide(&t);
    pen_buf_init(&record, 1 << 16);
    assert_int_equal(pen_buf_printf(&record, "{" TIME ",\"other\":["), PEN_OK);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(pen_buf_printf(&record, "%s\"192.0.2.%d\"", i == 0 ? "" : ",", i + 2),
                         PEN_OK);
    }
    assert_int_equal(pen_buf_printf(&record, "]}"), PEN_OK);
    assert_int_equal(fixture_run(t.f, pen_buf_slice(&record)), PEN_OK);
    assert_int_equal(t.f->doc.indicators, 1); /* they are one: the network */
    pen_buf_fini(&record);
    close_wide(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_indicator_and_the_network_around_it),
        cmocka_unit_test(fields_of_a_value_are_listed_and_related_ones_last),
        cmocka_unit_test(urls_agents_and_hashes_are_indicators_too),
        cmocka_unit_test(hashes_of_findings_are_looked_up_where_they_stand),
        cmocka_unit_test(rules_see_what_was_matched),
        cmocka_unit_test(a_type_that_has_a_value_there_keeps_it),
        cmocka_unit_test(without_lists_nothing_is_watched),
        cmocka_unit_test(many_values_may_be_one_indicator),
    };
    return cmocka_run_group_tests(tests, lists_make, lists_close);
}
