#include "assets.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static pen_status open_text(const char *text, struct assets **out, struct pen_err *err)
{
    (void)snprintf(path, sizeof(path), "/tmp/penstock-assets-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    const pen_status st = assets_open(path, out, err);
    (void)unlink(path);
    return st;
}

static void refused(const char *text, const char *words)
{
    struct pen_err err = {0};
    struct assets *assets = NULL;
    assert_int_equal(open_text(text, &assets, &err), PEN_E_USAGE);
    assert_null(assets);
    if (strstr(err.text, words) == NULL || strstr(err.text, path) == NULL) {
        fail_msg("%s, not %s", err.text, words);
    }
}

static void part_is(const struct pen_asset *asset, enum pen_asset_part part, const char *text)
{
    assert_non_null(asset);
    assert_int_equal(asset->parts[part].len, strlen(text));
    assert_true(pen_slice_eq(asset->parts[part], pen_slice_str(text)));
}

static void rows_are_found_by_account_and_by_narrowest_network(void **state)
{
    (void)state;
    struct pen_err err = {0};
    struct assets *a = NULL;
    assert_int_equal(open_text("\xef\xbb\xbf"
                               "owner,account,ip,alias,environment\r\n"
                               "# a comment\r\n"
                               "\r\n"
                               "\"Ann, \"\"A\"\"\",123456789012,,main,prod\r\n"
                               ",000000000001,, x ,\r\n"
                               "net,,10.0.0.0/8,all,\"\"\r\n"
                               "net,,10.1.0.0/16,some,test\r\n"
                               "six,,2001:db8::1,,",
                               &a, &err),
                     PEN_OK);
    const struct pen_asset *main_row = assets_account(a, PEN_SLICE_LIT("123456789012"));
    part_is(main_row, PEN_ASSET_ALIAS, "main");
    part_is(main_row, PEN_ASSET_ENVIRONMENT, "prod");
    part_is(main_row, PEN_ASSET_OWNER, "Ann, \\\"A\\\"");
    assert_int_equal(main_row->escaped, 1U << PEN_ASSET_OWNER);
    part_is(assets_account(a, PEN_SLICE_LIT("000000000001")), PEN_ASSET_ALIAS, "x");
    assert_null(assets_account(a, PEN_SLICE_LIT("000000000002")));
    assert_null(assets_account(a, PEN_SLICE_LIT("1")));
    assert_null(assets_account(a, PEN_SLICE_LIT("unknown")));
    part_is(assets_address(a, PEN_SLICE_LIT("10.1.2.3")), PEN_ASSET_ALIAS, "some");
    part_is(assets_address(a, PEN_SLICE_LIT("10.2.2.3")), PEN_ASSET_ALIAS, "all");
    part_is(assets_address(a, PEN_SLICE_LIT("10.2.2.3")), PEN_ASSET_ENVIRONMENT, "");
    part_is(assets_address(a, PEN_SLICE_LIT("2001:db8::1")), PEN_ASSET_OWNER, "six");
    assert_null(assets_address(a, PEN_SLICE_LIT("11.0.0.1")));
    assert_null(assets_address(a, PEN_SLICE_LIT("host")));
    assets_close(a);
}

static void a_table_without_rows_knows_nothing(void **state)
{
    (void)state;
    struct pen_err err = {0};
    struct assets *a = NULL;
    assert_int_equal(open_text("account,alias\n", &a, &err), PEN_OK);
    assert_null(assets_account(a, PEN_SLICE_LIT("123456789012")));
    assert_null(assets_address(a, PEN_SLICE_LIT("10.0.0.1")));
    assets_close(a);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    refused("", ":1: no line names the columns");
    refused("\naccount,colour\n", ":2: no column `colour`");
    refused("alias,owner\n", ":1: the first line names the columns");
    refused("account,account\n", ":1: a second column `account`");
    refused("account,alias\n12345678901,x\n", ":2: an account is 12 digits");
    refused("account,alias\n123456789012,x,y\n", ":2: more fields than the 2");
    refused("account,alias\n123456789012\n", ":2: 1 fields, the first line names 2");
    refused("account,alias\n,x\n", ":2: a row has either an account or an ip");
    refused("account,ip\n123456789012,10.0.0.1\n", ":2: a row has either");
    refused("account,alias\n123456789012,a\n123456789012,b\n", ": another line has this account");
    refused("ip,alias\n10.0.0.0/8,a\n1.1.1.1,b\n10.0.0.0/8,c\n", ": another line has this network");
    refused("ip,alias\n10.0.0.1/8,a\n", ":2: ");
    refused("ip,alias\nhost,a\n", ":2: ");
    refused("ip,alias\n10.0.0.1,\"a\n", ":2: a quote that does not end");
    refused("ip,alias\n10.0.0.1,\"a\"b\n", ":2: a quote that does not end");
    refused("ip,alias\n10.0.0.1,\xff\n", ":2: alias is not UTF-8");
}

static void long_fields_and_missing_files_are_refused(void **state)
{
    (void)state;
    char text[2200];
    struct pen_err err = {0};
    struct assets *assets = NULL;
    for (int quoted = 0; quoted < 2; quoted++) {
        const int at = snprintf(text, sizeof(text), "ip,alias\n10.0.0.1,%s", quoted ? "\"" : "");
        memset(text + at, 'x', 1025);
        (void)snprintf(text + at + 1025, 8, "%s\n", quoted ? "\"" : "");
        refused(text, ":2: a field of more than 1024 bytes");
    }
    assert_int_equal(assets_open("/nowhere/assets.csv", &assets, &err), PEN_E_USAGE);
    assert_non_null(strstr(err.text, "enrich.assets: /nowhere/assets.csv: No such file"));
    assert_int_equal(assets_open("/", &assets, &err), PEN_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_by_account_and_by_narrowest_network),
        cmocka_unit_test(a_table_without_rows_knows_nothing),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(long_fields_and_missing_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
