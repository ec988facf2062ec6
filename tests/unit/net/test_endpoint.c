#include "penstock/net.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static void is(pen_slice s, const char *want)
{
    if (!pen_slice_eq(s, pen_slice_str(want))) {
        fail_msg("got \"%.*s\", want \"%s\"", PEN_SLICE_FMT(s), want);
    }
}

/* n times c; freed by the caller */
static char *run_of(const char *before, char c, size_t n)
{
    const size_t len = strlen(before);
    char *text = malloc(len + n + 1);
    assert_non_null(text);
    memcpy(text, before, len);
    memset(text + len, c, n);
    text[len + n] = '\0';
    return text;
}

/* ---- s3:// ---- */

static void a_url_is_a_bucket_and_the_bytes_behind_it(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"s3://trail", "trail", ""},
        {"s3://trail/", "trail", ""},
        {"s3://trail/AWSLogs/o-1/", "trail", "AWSLogs/o-1/"},
        {"s3://trail//x", "trail", "/x"},
        {"s3://a.b-c.9/a%20b +?#&/..", "a.b-c.9", "a%20b +?#&/.."},
        {"s3://Old_Bucket.2009/x", "Old_Bucket.2009", "x"},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        struct pen_s3_url url;
        struct pen_err err;
        assert_int_equal(pen_s3_url_parse(pen_slice_str(cases[i][0]), &url, &err), PEN_OK);
        is(url.bucket, cases[i][1]);
        is(url.prefix, cases[i][2]);
    }
}

static void url_is_refused(const char *text, const char *reason)
{
    struct pen_s3_url url;
    struct pen_err err = {.status = PEN_OK};
    assert_int_equal(pen_s3_url_parse(pen_slice_str(text), &url, &err), PEN_E_USAGE);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, reason);
    }
    assert_int_equal(url.bucket.len, 0);
}

static void what_no_bucket_can_be_is_refused_with_its_reason(void **state)
{
    (void)state;
    url_is_refused("", "does not begin with s3://");
    url_is_refused("S3://trail", "does not begin with s3://");
    url_is_refused("https://trail", "does not begin with s3://");
    url_is_refused("s3://", "has 0 bytes");
    url_is_refused("s3:///x", "has 0 bytes");
    url_is_refused("s3://ab/x", "has 2 bytes");
    url_is_refused("s3://a b/x", "as its byte 2");
    url_is_refused("s3://trail?x", "no name has such a byte");
    url_is_refused("s3://trail@evil/x", "no name has such a byte");
    url_is_refused("s3://tr\xc3\xa9il", "no name has such a byte");
    url_is_refused("s3://10.0.0.1/x", "is an address");
    url_is_refused("s3://arn:aws:s3:eu-west-1:111122223333:accesspoint/x", "is an ARN");
}

static void lengths_of_names_and_prefixes_are_limited(void **state)
{
    (void)state;
    struct pen_s3_url url;
    struct pen_err err;
    char *text = run_of("s3://", 'b', PEN_S3_BUCKET_MAX);
    assert_int_equal(pen_s3_url_parse(pen_slice_str(text), &url, &err), PEN_OK);
    free(text);
    text = run_of("s3://", 'b', PEN_S3_BUCKET_MAX + 1);
    url_is_refused(text, "has 256 bytes");
    free(text);
    text = run_of("s3://trail/", 'p', PEN_S3_PREFIX_MAX);
    assert_int_equal(pen_s3_url_parse(pen_slice_str(text), &url, &err), PEN_OK);
    assert_int_equal(url.prefix.len, PEN_S3_PREFIX_MAX);
    free(text);
    text = run_of("s3://trail/", 'p', PEN_S3_PREFIX_MAX + 1);
    url_is_refused(text, "the prefix has 1025 bytes");
    free(text);
}

/* ---- endpoints ---- */

static struct pen_s3_place place_of(const char *bucket, const char *region, const char *url)
{
    return (struct pen_s3_place){.bucket = pen_slice_str(bucket),
                                 .region = pen_slice_str(region),
                                 .endpoint_url = pen_slice_str(url)};
}

/* "scheme://authority region style" */
static void place_gives(const struct pen_s3_place *place, const char *want)
{
    struct pen_s3_endpoint e;
    struct pen_err err = {.status = PEN_OK};
    char got[1024];
    if (pen_s3_endpoint_of(place, &e, &err) != PEN_OK) {
        fail_msg("%s: %s", want, err.text);
    }
    (void)snprintf(got, sizeof(got), "%s://%s %s %s", e.is_tls ? "https" : "http", e.authority,
                   e.region, e.is_virtual_host ? "virtual" : "path");
    assert_string_equal(got, want);
    is(place->bucket, e.bucket);
}

static void the_host_of_aws_follows_region_and_partition(void **state)
{
    (void)state;
    static const struct {
        const char *region;
        bool is_fips, is_dualstack;
        const char *want;
    } cases[] = {
        {"", false, false, "https://s3.us-east-1.amazonaws.com us-east-1 virtual"},
        {"eu-west-1", false, false, "https://s3.eu-west-1.amazonaws.com eu-west-1 virtual"},
        {"cn-north-1", false, false, "https://s3.cn-north-1.amazonaws.com.cn cn-north-1 virtual"},
        {"cn-north-1", false, true,
         "https://s3.dualstack.cn-north-1.amazonaws.com.cn cn-north-1 virtual"},
        {"us-gov-west-1", false, false,
         "https://s3.us-gov-west-1.amazonaws.com us-gov-west-1 virtual"},
        {"us-gov-west-1", true, false,
         "https://s3-fips.us-gov-west-1.amazonaws.com us-gov-west-1 virtual"},
        {"us-east-2", false, true,
         "https://s3.dualstack.us-east-2.amazonaws.com us-east-2 virtual"},
        {"us-east-2", true, true,
         "https://s3-fips.dualstack.us-east-2.amazonaws.com us-east-2 virtual"},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        struct pen_s3_place place = place_of("trail", cases[i].region, "");
        place.is_fips = cases[i].is_fips;
        place.is_dualstack = cases[i].is_dualstack;
        place_gives(&place, cases[i].want);
    }
}

static void the_style_is_virtual_host_where_it_can_be(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"trail", "", "https://s3.us-east-1.amazonaws.com us-east-1 virtual"},
        {"my.trail", "", "https://s3.us-east-1.amazonaws.com us-east-1 path"},
        {"my.trail", "http://store.example", "http://store.example us-east-1 virtual"},
        {"Trail", "", "https://s3.us-east-1.amazonaws.com us-east-1 path"},
        {"tr_ail", "", "https://s3.us-east-1.amazonaws.com us-east-1 path"},
        {"trail-", "", "https://s3.us-east-1.amazonaws.com us-east-1 path"},
        {"-trail", "", "https://s3.us-east-1.amazonaws.com us-east-1 path"},
        {"tr..ail", "http://store.example", "http://store.example us-east-1 path"},
        {"tr-.ail", "http://store.example", "http://store.example us-east-1 path"},
        {"trail", "http://127.0.0.1:9000", "http://127.0.0.1:9000 us-east-1 path"},
        {"trail", "https://[::1]:9000/", "https://[::1]:9000 us-east-1 path"},
        {"trail", "http://localhost:7070", "http://localhost:7070 us-east-1 path"},
        {"trail", "http://s3.localhost", "http://s3.localhost us-east-1 path"},
        {"trail", "https://localhost.example", "https://localhost.example us-east-1 virtual"},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        const struct pen_s3_place place = place_of(cases[i][0], "", cases[i][1]);
        place_gives(&place, cases[i][2]);
    }
    struct pen_s3_place place = place_of("trail", "", "");
    place.is_path_style = true;
    place_gives(&place, "https://s3.us-east-1.amazonaws.com us-east-1 path");
}

static void a_bucket_of_more_than_a_label_is_put_before_the_path(void **state)
{
    (void)state;
    char *name = run_of("", 'b', 64);
    struct pen_s3_place place = place_of(name, "", "");
    place_gives(&place, "https://s3.us-east-1.amazonaws.com us-east-1 path");
    place = place_of(name + 1, "", "");
    place_gives(&place, "https://s3.us-east-1.amazonaws.com us-east-1 virtual");
    free(name);
}

static void the_option_goes_before_the_environment(void **state)
{
    (void)state;
    struct pen_s3_place place = place_of("trail", "", "HTTPS://Store.Example:8443/");
    place.env_endpoint_s3 = PEN_SLICE_LIT("https://s3.example");
    place.env_endpoint = PEN_SLICE_LIT("https://all.example");
    place_gives(&place, "https://store.example:8443 us-east-1 virtual");
    place.endpoint_url = (pen_slice){NULL, 0};
    place_gives(&place, "https://s3.example us-east-1 virtual");
    place.env_endpoint_s3 = (pen_slice){NULL, 0};
    place_gives(&place, "https://all.example us-east-1 virtual");
}

static void a_port_of_the_scheme_is_not_written(void **state)
{
    (void)state;
    struct pen_s3_place place = place_of("trail", "", "https://store.example:443");
    place_gives(&place, "https://store.example us-east-1 virtual");
    place.endpoint_url = PEN_SLICE_LIT("http://store.example:443");
    place_gives(&place, "http://store.example:443 us-east-1 virtual");
    place.endpoint_url = PEN_SLICE_LIT("http://store.example:80");
    place_gives(&place, "http://store.example us-east-1 virtual");
}

static void the_region_is_told_by_a_host_of_aws(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"s3.eu-west-1.amazonaws.com", "eu-west-1"},
        {"s3-eu-west-1.amazonaws.com", "eu-west-1"},
        {"trail.s3-us-west-2.amazonaws.com", "us-west-2"},
        {"my.trail.s3.dualstack.ap-south-1.amazonaws.com", "ap-south-1"},
        {"s3-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
        {"s3-fips.dualstack.us-east-2.amazonaws.com", "us-east-2"},
        {"s3.cn-north-1.amazonaws.com.cn", "cn-north-1"},
        {"s3.amazonaws.com", "us-east-1"},
        {"trail.s3.amazonaws.com", "us-east-1"},
        {"s3-external-1.amazonaws.com", "us-east-1"},
        {"bucket.vpce-0a1b-2c3d.s3.eu-central-1.vpce.amazonaws.com", "eu-central-1"},
        {"vpce-0a1b-2c3d-eu-central-1a.s3.eu-central-1.vpce.amazonaws.com", "eu-central-1"},
        {"store.example", NULL},
        {"s3.eu-west-1.amazonaws.com.evil.example", NULL},
        {"sqs.eu-west-1.amazonaws.com", NULL},
        {"amazonaws.com", NULL},
        {".amazonaws.com", NULL},
        {"trail.s3-accelerate.amazonaws.com", NULL},
        {"s3-fips.amazonaws.com", NULL},
        {"", NULL},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        pen_slice region;
        const bool found = pen_s3_region_of_host(pen_slice_str(cases[i][0]), &region);
        if (found != (cases[i][1] != NULL)) {
            fail_msg("%s: \"%.*s\"", cases[i][0], PEN_SLICE_FMT(region));
        }
        is(region, cases[i][1] == NULL ? "" : cases[i][1]);
    }
    struct pen_s3_place place =
        place_of("trail", "", "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com");
    place_gives(&place, "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com eu-central-1 "
                        "virtual");
    place.region = PEN_SLICE_LIT("eu-west-3");
    place_gives(&place,
                "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com eu-west-3 virtual");
}

static void endpoints_of_opensearch_tell_how_they_are_signed(void **state)
{
    (void)state;
    static const struct {
        const char *host, *service, *region;
    } cases[] = {
        {"search-logs-abc.eu-west-1.es.amazonaws.com", "es", "eu-west-1"},
        {"vpc-logs-abc.us-gov-west-1.es.amazonaws.com", "es", "us-gov-west-1"},
        {"SEARCH-x.eu-west-1.ES.amazonaws.com", NULL, NULL},
        {"search-x.cn-north-1.es.amazonaws.com.cn", "es", "cn-north-1"},
        {"search-x.us-east-1.es-fips.amazonaws.com", "es", "us-east-1"},
        {"a1b2.us-east-1.aoss.amazonaws.com", "aoss", "us-east-1"},
        {"a1b2.us-east-1.aoss-fips.amazonaws.com", "aoss", "us-east-1"},
        {"search-x.aos.eu-central-1.on.aws", "es", "eu-central-1"},
        {"a1b2.aoss.eu-central-1.on.aws", "aoss", "eu-central-1"},
        {"us-east-1.aoss.amazonaws.com", NULL, NULL},
        {"s3.eu-west-1.amazonaws.com", NULL, NULL},
        {"x.eu_west.es.amazonaws.com", NULL, NULL},
        {"search.eu-west-1.es.amazonaws.com.example.org", NULL, NULL},
        {"es.amazonaws.com", NULL, NULL},
        {"search.example.com", NULL, NULL},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        pen_slice service = {0};
        pen_slice region = {0};
        const bool found = pen_search_of_host(pen_slice_str(cases[i].host), &service, &region);
        if (found != (cases[i].service != NULL)) {
            fail_msg("%s: %d", cases[i].host, found);
        }
        if (found) {
            is(service, cases[i].service);
            is(region, cases[i].region);
        }
    }
}

static void partitions_are_those_of_arns(void **state)
{
    (void)state;
    assert_string_equal(pen_s3_partition(PEN_SLICE_LIT("eu-west-1")), "aws");
    assert_string_equal(pen_s3_partition(PEN_SLICE_LIT("")), "aws");
    assert_string_equal(pen_s3_partition(PEN_SLICE_LIT("cn-northwest-1")), "aws-cn");
    assert_string_equal(pen_s3_partition(PEN_SLICE_LIT("us-gov-east-1")), "aws-us-gov");
}

static void place_is_refused(const struct pen_s3_place *place, const char *reason)
{
    struct pen_s3_endpoint e;
    struct pen_err err = {.status = PEN_OK};
    assert_int_equal(pen_s3_endpoint_of(place, &e, &err), PEN_E_USAGE);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
    }
}

static void endpoints_of_no_such_form_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", "store.example", "http:// or https://"},
        {"", "ftp://store.example", "http:// or https://"},
        {"", "https://", "no host has such a name"},
        {"", "https:///", "no host has such a name"},
        {"", "https://store.example/s3", "only a host and a port"},
        {"", "https://store.example?x", "only a host and a port"},
        {"", "https://me:secret@store.example", "only a host and a port"},
        {"", "https://store.example:0", "port is not 1 to 65535"},
        {"", "https://store.example:65536", "port is not 1 to 65535"},
        {"", "https://store.example:", "port is not 1 to 65535"},
        {"", "https://store.example:x", "no host has such a name"},
        {"", "https://sto re", "no host has such a name"},
        {"", "https://a..b", "no host has such a name"},
        {"", "https://[::1", "no host has such a name"},
        {"", "https://[::g]", "no host has such a name"},
        {"", "https://::1", "no host has such a name"},
        {"evil.example/", "", "no region is named"},
        {"Eu-West-1", "", "no region is named"},
        {"us-iso-east-1", "", "give --endpoint-url"},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        const struct pen_s3_place place = place_of("trail", cases[i][0], cases[i][1]);
        place_is_refused(&place, cases[i][2]);
    }
    struct pen_s3_place place = place_of("trail", "cn-north-1", "");
    place.is_fips = true;
    place_is_refused(&place, "no FIPS endpoint");
    place = place_of("tr ail", "", "");
    place_is_refused(&place, "no name has such a byte");
    char *host = run_of("http://", 'h', PEN_S3_HOST_MAX + 1);
    place = place_of("trail", "", host);
    place_is_refused(&place, "no host has such a name");
    place = place_of("trail", "us-iso-east-1", "https://s3.us-iso-east-1.c2s.ic.gov");
    place_gives(&place, "https://s3.us-iso-east-1.c2s.ic.gov us-iso-east-1 virtual");
    free(host);
}

static void a_host_of_aws_moves_to_a_learned_region_and_a_given_one_stays(void **state)
{
    (void)state;
    struct pen_s3_endpoint e;
    struct pen_err err;
    struct pen_s3_place place = place_of("trail", "", "");
    place.is_dualstack = true;
    assert_int_equal(pen_s3_endpoint_of(&place, &e, &err), PEN_OK);
    assert_int_equal(pen_s3_endpoint_move(&e, PEN_SLICE_LIT("cn-north-1"), &err), PEN_OK);
    assert_string_equal(e.authority, "s3.dualstack.cn-north-1.amazonaws.com.cn");
    assert_string_equal(e.host, e.authority);
    assert_string_equal(e.region, "cn-north-1");
    assert_int_equal(pen_s3_endpoint_move(&e, PEN_SLICE_LIT("x.evil/"), &err), PEN_E_CORRUPT);
    assert_int_equal(err.status, PEN_E_CORRUPT);
    assert_string_equal(e.region, "cn-north-1");
    place = place_of("trail", "", "http://127.0.0.1:7070");
    assert_int_equal(pen_s3_endpoint_of(&place, &e, &err), PEN_OK);
    assert_int_equal(pen_s3_endpoint_move(&e, PEN_SLICE_LIT("eu-west-1"), &err), PEN_OK);
    assert_string_equal(e.authority, "127.0.0.1:7070");
    assert_string_equal(e.region, "eu-west-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_a_bucket_and_the_bytes_behind_it),
        cmocka_unit_test(what_no_bucket_can_be_is_refused_with_its_reason),
        cmocka_unit_test(lengths_of_names_and_prefixes_are_limited),
        cmocka_unit_test(the_host_of_aws_follows_region_and_partition),
        cmocka_unit_test(the_style_is_virtual_host_where_it_can_be),
        cmocka_unit_test(a_bucket_of_more_than_a_label_is_put_before_the_path),
        cmocka_unit_test(the_option_goes_before_the_environment),
        cmocka_unit_test(a_port_of_the_scheme_is_not_written),
        cmocka_unit_test(the_region_is_told_by_a_host_of_aws),
        cmocka_unit_test(endpoints_of_opensearch_tell_how_they_are_signed),
        cmocka_unit_test(partitions_are_those_of_arns),
        cmocka_unit_test(endpoints_of_no_such_form_are_refused_with_their_reason),
        cmocka_unit_test(a_host_of_aws_moves_to_a_learned_region_and_a_given_one_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
