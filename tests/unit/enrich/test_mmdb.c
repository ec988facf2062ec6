#include "mmdb.h"
#include "mmdb_made.h"

static char folder[64];
static char path[128];

static int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/penstock-mmdb-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/a.mmdb", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void city_write(void)
{
    struct made *m = made_new();
    made_net(m, "2.125.160.0/24", made_place(m, "Boxford", "GB", "United Kingdom", -1.25, 51.75));
    made_net(m, "2001:db8::/32", made_place(m, NULL, "JP", "Japan", 139.75, 35.5));
    made_write(m, path, "Test-City");
}

static void refused(enum mmdb_kind kind, const char *words)
{
    struct pen_err err = {0};
    struct mmdb *mmdb = NULL;
    assert_int_equal(mmdb_open(path, kind, &mmdb, &err), PEN_E_USAGE);
    assert_null(mmdb);
    if (strstr(err.text, words) == NULL || strstr(err.text, path) == NULL) {
        fail_msg("%s", err.text);
    }
}

static void cut(long bytes)
{
    FILE *file = fopen(path, "rb+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_int_equal(ftruncate(fileno(file), ftell(file) - bytes), 0);
    assert_int_equal(fclose(file), 0);
}

static void addresses_have_the_entry_of_their_network(void **state)
{
    (void)state;
    struct pen_err err = {0};
    struct mmdb *mmdb = NULL;
    MMDB_entry_s entry;
    const uint8_t in4[16] = {2, 125, 160, 9};
    const uint8_t out4[16] = {2, 125, 161, 9};
    const uint8_t in6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    city_write();
    assert_int_equal(mmdb_open(path, MMDB_KIND_GEO, &mmdb, &err), PEN_OK);
    assert_true(mmdb_find(mmdb, in4, 32, &entry) && entry.mmdb != NULL);
    assert_true(mmdb_find(mmdb, in6, 128, &entry) && entry.mmdb != NULL);
    assert_true(mmdb_find(mmdb, out4, 32, &entry) && entry.mmdb == NULL);
    mmdb_close(mmdb);
}

/* What the metadata says behind "ip_version" becomes 4. */
static void make_v4(void)
{
    static uint8_t bytes[1U << 18];
    FILE *file = fopen(path, "rb+");
    assert_non_null(file);
    const size_t len = fread(bytes, 1, sizeof(bytes), file);
    const size_t at = pen_slice_find((pen_slice){bytes, len}, PEN_SLICE_LIT("ip_version"));
    assert_true(at + 12 < len && bytes[at + 12] == 6);
    assert_int_equal(fseek(file, (long)at + 12, SEEK_SET), 0);
    assert_int_equal(fputc(4, file), 4);
    assert_int_equal(fclose(file), 0);
}

static void a_database_of_ipv4_has_no_entry_of_ipv6_and_is_whole(void **state)
{
    (void)state;
    struct pen_err err = {0};
    struct mmdb *mmdb = NULL;
    MMDB_entry_s entry;
    const uint8_t in6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    city_write();
    make_v4();
    assert_int_equal(mmdb_open(path, MMDB_KIND_GEO, &mmdb, &err), PEN_OK);
    assert_true(mmdb_find(mmdb, in6, 128, &entry));
    assert_null(entry.mmdb);
    mmdb_close(mmdb);
}

static void a_file_that_shrinks_later_changes_nothing(void **state)
{
    (void)state;
    struct pen_err err = {0};
    struct mmdb *mmdb = NULL;
    MMDB_entry_s entry;
    const uint8_t in4[16] = {2, 125, 160, 9};
    city_write();
    assert_int_equal(mmdb_open(path, MMDB_KIND_GEO, &mmdb, &err), PEN_OK);
    assert_int_equal(truncate(path, 0), 0);
    assert_true(mmdb_find(mmdb, in4, 32, &entry));
    mmdb_close(mmdb);
}

static void what_cannot_be_used_is_refused_with_the_reason(void **state)
{
    (void)state;
    (void)unlink(path);
    refused(MMDB_KIND_GEO, "enrich.geoip: ");
    refused(MMDB_KIND_GEO, "No such file");
    city_write();
    refused(MMDB_KIND_AS, "enrich.asn: ");
    refused(MMDB_KIND_AS, "a database of places");
    cut(40); /* in its metadata */
    refused(MMDB_KIND_GEO, "data");
    assert_int_equal(truncate(path, 0), 0);
    refused(MMDB_KIND_GEO, path);
    struct made *m = made_new();
    made_net(m, "2.0.0.0/8", made_as(m, 7, "seven"));
    made_write(m, path, "Test-ASN");
    refused(MMDB_KIND_GEO, "a database of autonomous systems");
}

static void a_tree_that_points_outside_is_damage(void **state)
{
    (void)state;
    city_write();
    FILE *file = fopen(path, "rb+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 3, SEEK_SET), 0); /* the right record of the first node */
    assert_int_equal(fwrite("\xff\xff\xff", 1, 3, file), 3);
    assert_int_equal(fclose(file), 0);
    refused(MMDB_KIND_GEO, "damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_the_entry_of_their_network),
        cmocka_unit_test(a_database_of_ipv4_has_no_entry_of_ipv6_and_is_whole),
        cmocka_unit_test(a_file_that_shrinks_later_changes_nothing),
        cmocka_unit_test(what_cannot_be_used_is_refused_with_the_reason),
        cmocka_unit_test(a_tree_that_points_outside_is_damage),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
