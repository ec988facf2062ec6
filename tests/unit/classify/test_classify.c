#include "penstock/classify.h"

#include "test.h"

#include <stdio.h>

struct vector {
    const char *key, *type, *account, *region, *day;
};

static void keys_give_type_account_region_and_day(void **state)
{
    (void)state;
    static const struct vector vectors[] = {
        {"AWSLogs/123456789012/CloudTrail/us-east-1/2025/01/02/"
         "123456789012_CloudTrail_us-east-1_20250102T0000Z_abcdEFGH12345678.json.gz",
         "cloudtrail", "123456789012", "us-east-1", "2025-01-02T00:00:00Z"},
        {"AWSLogs/o-abc1234567/123456789012/CloudTrail/us-gov-west-1/2025/01/02/x.json.gz",
         "cloudtrail", "123456789012", "us-gov-west-1", "2025-01-02T00:00:00Z"},
        {"AWSLogs/123456789012/CloudTrail-Insight/eu-central-1/2025/12/31/x.json.gz", "cloudtrail",
         "123456789012", "eu-central-1", "2025-12-31T00:00:00Z"},
        {"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2025/01/02/x.json.gz", "unknown",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z"},
        {"AWSLogs/123456789012/CloudTrail-NetworkActivity/us-east-1/2025/01/02/x.json.gz",
         "unknown", "123456789012", "us-east-1", "2025-01-02T00:00:00Z"},
        {"AWSLogs/123456789012/CloudTrail/us-iso-east-1/2025/01/02/x.json.gz", "cloudtrail",
         "123456789012", "us-iso-east-1", "2025-01-02T00:00:00Z"},
        {"my-globals/123456789012/CloudTrail/eu-west-1/x_20240229T2355Z_y.json", "cloudtrail",
         "123456789012", "eu-west-1", "2024-02-29T00:00:00Z"},
        {"x/aws-account-id=123456789012/aws-region=us-east-1/year=2025/month=03/day=04/a",
         "unknown", "123456789012", "us-east-1", "2025-03-04T00:00:00Z"},
        {"123456789012/notes.txt", "unknown", "", "", ""},
        {"", "unknown", "", "", ""},
        /* What more than one pattern fits is of the type that is named first. */
        {"a/123456789012/EC2/Linux/Secure/eu-west-1/x", "linux-secure", "123456789012", "eu-west-1",
         ""},
        {"a/123456789012/EC2/Linux/System/eu-west-1/x", "linux-os-syslog", "123456789012",
         "eu-west-1", ""},
        {"a/123456789012/RDS/MySQL/audit/eu-west-1/error", "rds-mysql-audit", "123456789012",
         "eu-west-1", ""},
        {"a/123456789012/RDS/MySQL/slowquery/eu-west-1/x", "rds-mysql-slowquery", "123456789012",
         "eu-west-1", ""},
        {"a/123456789012/RDS/PostgreSQL/postgresql/eu-west-1/x", "rds-postgresql", "123456789012",
         "eu-west-1", ""},
        {"a/123456789012/KafkaBrokerLogs/eu-west-1/x.log.gz", "msk", "123456789012", "eu-west-1",
         ""},
        {"a/123456789012/CloudFront/global/E1/standard/E123ABCDEFGHI.2025-01-02-22.a5fcfc8d.gz",
         "cloudfront-standard", "123456789012", "global", ""},
        {"a/123456789012/CloudFront/global/E1/realtime/2025/01/02/00/x", "cloudfront-realtime",
         "123456789012", "global", "2025-01-02T00:00:00Z"},
        {"a/123456789012/WAF/us-east-1/2025/01/02/00/aws-waf-logs-x-1", "waf", "123456789012",
         "us-east-1", "2025-01-02T00:00:00Z"},
        {"a/123456789012/aws.inspector2/Inspector2_Finding/us-east-1/2025/01/02/x.gz", "inspector",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z"},
        {"a/123456789012/aws.inspector2/Inspector2_Coverage/us-east-1/2025/01/02/x.gz", "unknown",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z"},
        {"a/123456789012/aws.securityhub/Findings/us-east-1/2025/01/02/x.gz", "securityhub",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z"},
        {"a/123456789012/EKS/audit/us-east-1/x", "eks-audit", "123456789012", "us-east-1", ""},
        {"/2025/13/02/", "unknown", "", "", ""},
    };
    struct pen_types *types = NULL;
    struct pen_classifier *classifier = NULL;
    struct pen_err err;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    assert_int_equal(pen_classifier_new(types, &classifier, &err), PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(vectors); i++) {
        struct pen_key_info info;
        char day[PEN_TIME_MAX] = "";
        pen_classify_key(classifier, pen_slice_str(vectors[i].key), &info);
        if (info.day_ns != INT64_MIN) {
            (void)pen_format_time(info.day_ns, day);
        }
        assert_true(pen_slice_eq(info.type->name, pen_slice_str(vectors[i].type)));
        assert_true(pen_slice_eq(info.account, pen_slice_str(vectors[i].account)));
        assert_true(pen_slice_eq(info.region, pen_slice_str(vectors[i].region)));
        assert_string_equal(day, vectors[i].day);
        assert_int_equal(info.is_digest, strstr(vectors[i].key, "Digest") != NULL);
    }
    pen_classifier_free(classifier);
    pen_types_free(types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_give_type_account_region_and_day)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
