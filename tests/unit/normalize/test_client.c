#include "fixture.h"
#include "internal.h"

#define PROXIES "10.0.0.0/8,192.0.2.1,2001:db8:1::/48"

static const struct pen_map_entry peer_map[] = {
    MAP("source.ip", false, S("peer")),
    MAP("source.address", false, S("peer")),
    MAP("related.ip", true, S("peer")),
};
static const pen_slice paths[] = {S("via"), S("peer")};

static struct pen_type forwarding(void)
{
    struct pen_type type = trail_type;
    type.map = peer_map;
    type.map_count = PEN_COUNT(peer_map);
    type.forwarded = paths;
    type.forwarded_count = PEN_COUNT(paths);
    return type;
}

struct forwarded {
    struct pen_type type;
    struct pen_enrich *enrich;
    struct pen_enricher *enricher;
    struct fixture *f;
};

static void begin(struct forwarded *t, const char *proxies)
{
    struct pen_err err = {0};
    const struct pen_enrich_options options = {.trusted_proxies = proxies};
    t->type = forwarding();
    assert_true(pen_enrich_wanted(&options));
    assert_int_equal(pen_enrich_open(&options, &t->enrich, &err), PEN_OK);
    assert_int_equal(pen_enrich_parts(t->enrich), PEN_ENRICH_CLIENT);
    t->f = calloc(1, sizeof(*t->f));
    assert_non_null(t->f);
    assert_int_equal(pen_schema_new_enriched(&t->type, PEN_ENRICH_CLIENT, &t->f->schema, &err),
                     PEN_OK);
    t->f->object.bucket = PEN_SLICE_LIT("b");
    t->f->object.key = PEN_SLICE_LIT("k");
    assert_int_equal(pen_enricher_new(t->enrich, &t->enricher, &err), PEN_OK);
}

static void run(struct fixture *f, const char *members)
{
    char record[4096];
    (void)snprintf(record, sizeof(record), "{" TIME "%s}", members);
    assert_int_equal(fixture_run(f, pen_slice_str(record)), PEN_OK);
}

static void end(struct forwarded *t)
{
    fixture_free(t->f);
    pen_enricher_free(t->enricher);
    pen_enrich_close(t->enrich);
}

static void the_last_address_that_is_not_trusted_is_the_client(void **state)
{
    (void)state;
    static const struct {
        const char *members, *client;
    } rows[] = {
        {"\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7\"", "198.51.100.7"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"203.0.113.9, 198.51.100.7, 10.1.1.1,192.0.2.1\"",
         "198.51.100.7"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"203.0.113.9,%20198.51.100.7\"", "198.51.100.7"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7:4711, , -\"", "198.51.100.7"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"[2001:db8:2::7]:4711, [2001:db8:1::7]\"",
         "2001:db8:2::7"},
        {"\"peer\":\"10.0.0.1\",\"via\":[\"203.0.113.9\",\"2001:db8:2::7\",\"10.0.0.9\"]",
         "2001:db8:2::7"},
        {"\"peer\":\"10.0.0.1\",\"via\":[{\"name\":\"Host\",\"value\":\"203.0.113.9\"},"
         "{\"name\":\"X-Forwarded-For\",\"value\":\"198.51.100.8\"},"
         "{\"name\":\"x-forwarded-for\",\"value\":\"198.51.100.7,10.0.0.2\"}]",
         "198.51.100.7"},
        /* Whoever asked us without a proxy of ours may claim what he likes. */
        {"\"peer\":\"203.0.113.9\",\"via\":\"198.51.100.7\"", "203.0.113.9"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7, unknown\"", "10.0.0.1"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7, [10.0.0.2\"", "10.0.0.1"},
        /* Nobody else is there. */
        {"\"peer\":\"10.0.0.1\",\"via\":\"10.0.0.2, 192.0.2.1\"", "10.0.0.1"},
        {"\"peer\":\"10.0.0.1\",\"via\":\"\"", "10.0.0.1"},
        {"\"peer\":\"10.0.0.1\",\"via\":[7,{\"name\":7,\"value\":8},{\"value\":\"9\"}]",
         "10.0.0.1"},
        {"\"peer\":\"10.0.0.1\"", "10.0.0.1"},
    };
    struct forwarded t;
    begin(&t, PROXIES);
    uint32_t field;
    assert_int_equal(pen_schema_field(t.f->schema, pen_slice_str("@source.ip"), &field, &t.f->err),
                     PEN_OK);
    fixture_seal(t.f);
    pen_normalizer_enrich(t.f->normalizer, t.enricher);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char members[512];
        char source[128];
        (void)snprintf(members, sizeof(members), ",%s", rows[i].members);
        run(t.f, members);
        const bool is_peer = strstr(rows[i].members, rows[i].client) == rows[i].members + 8;
        (void)snprintf(source, sizeof(source), "\"ip\":\"%s\"}", rows[i].client);
        HAS(t.f, source);
        HAS(t.f, is_peer ? "\"address\":\"" : "\"address\":\"10.0.0.1\"");
        assert_true(pen_slice_eq(t.f->doc.source_ip, pen_slice_str(rows[i].client)));
        const struct pen_value *seen = pen_record_first(&t.f->record, field);
        assert_non_null(seen);
        assert_true(pen_slice_eq(seen->text, pen_slice_str(rows[i].client)));
        if (!is_peer) {
            (void)snprintf(source, sizeof(source), "\"related\":{\"ip\":[\"10.0.0.1\",\"%s\"]}",
                           rows[i].client);
            HAS(t.f, source);
        }
    }
    end(&t);
}

static void of_a_long_chain_the_last_hops_count(void **state)
{
    (void)state;
    struct forwarded t;
    begin(&t, PROXIES);
    fixture_seal(t.f);
    pen_normalizer_enrich(t.f->normalizer, t.enricher);
    for (uint32_t hops = 62; hops <= 63; hops++) { /* with the client and the peer 64, then 65 */
        char members[2048];
        size_t len = (size_t)snprintf(members, sizeof(members),
                                      ",\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7");
        for (uint32_t i = 0; i < hops; i++) {
            len += (size_t)snprintf(members + len, sizeof(members) - len, ",10.9.9.9");
        }
        (void)snprintf(members + len, sizeof(members) - len, "\"");
        run(t.f, members);
        HAS(t.f, hops == 62 ? "\"ip\":\"198.51.100.7\"}" : "\"ip\":\"10.0.0.1\"}");
    }
    end(&t);
}

static void an_identity_that_is_the_proxy_becomes_the_client(void **state)
{
    (void)state;
    static const pen_slice identity[] = {S("who"), S("peer")};
    struct forwarded t;
    begin(&t, PROXIES);
    t.type.identity = identity;
    t.type.identity_count = PEN_COUNT(identity);
    pen_schema_free(t.f->schema);
    assert_int_equal(pen_schema_new_enriched(&t.type, PEN_ENRICH_CLIENT, &t.f->schema, &t.f->err),
                     PEN_OK);
    fixture_seal(t.f);
    pen_normalizer_enrich(t.f->normalizer, t.enricher);
    RUN(t.f, ",\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7\"");
    assert_true(pen_slice_eq(t.f->doc.identity, PEN_SLICE_LIT("198.51.100.7")));
    RUN(t.f, ",\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7\",\"who\":\"ada\"");
    assert_true(pen_slice_eq(t.f->doc.identity, PEN_SLICE_LIT("ada")));
    RUN(t.f, ",\"peer\":\"10.0.0.1\"");
    assert_true(pen_slice_eq(t.f->doc.identity, PEN_SLICE_LIT("10.0.0.1")));
    end(&t);
}

static void without_the_option_the_peer_stays(void **state)
{
    (void)state;
    const struct pen_type type = forwarding();
    struct fixture *f = fixture_new(&type);
    assert_int_equal(f->schema->forwarded_count, 0);
    RUN(f, ",\"peer\":\"10.0.0.1\",\"via\":\"198.51.100.7\"");
    HAS(f, "\"ip\":\"10.0.0.1\"}");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_address_that_is_not_trusted_is_the_client),
        cmocka_unit_test(of_a_long_chain_the_last_hops_count),
        cmocka_unit_test(an_identity_that_is_the_proxy_becomes_the_client),
        cmocka_unit_test(without_the_option_the_peer_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
