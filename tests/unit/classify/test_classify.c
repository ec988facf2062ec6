#include "penstock/classify.h"

#include "test.h"

#include <stdio.h>

struct vector {
    const char *key, *type, *account, *region, *day;
    const char *reference; /* its type where that is another one; NULL: the same */
};

static void classify_all(const struct vector *vectors, size_t count)
{
    struct pen_types *types = NULL;
    struct pen_classifier *classifier = NULL;
    struct pen_err err;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    assert_int_equal(pen_classifier_new(types, &classifier, &err), PEN_OK);
    for (size_t i = 0; i < count; i++) {
        struct pen_key_info info;
        char day[PEN_TIME_MAX] = "";
        char type[64];
        pen_classify_key(classifier, pen_slice_str(vectors[i].key), &info);
        if (info.day_ns != INT64_MIN) {
            (void)pen_format_time(info.day_ns, day);
        }
        (void)snprintf(type, sizeof(type), "%.*s", PEN_SLICE_FMT(info.type->name));
        if (strcmp(type, vectors[i].type) != 0) {
            print_error("%s\n", vectors[i].key);
        }
        assert_string_equal(type, vectors[i].type);
        assert_true(pen_slice_eq(info.account, pen_slice_str(vectors[i].account)));
        assert_true(pen_slice_eq(info.region, pen_slice_str(vectors[i].region)));
        if (vectors[i].day != NULL) {
            assert_string_equal(day, vectors[i].day);
        }
        assert_int_equal(info.is_digest, strstr(vectors[i].key, "Digest") != NULL);
    }
    pen_classifier_free(classifier);
    pen_types_free(types);
}

static void keys_give_type_account_region_and_day(void **state)
{
    (void)state;
    static const struct vector vectors[] = {
        {"AWSLogs/123456789012/CloudTrail/us-east-1/2025/01/02/"
         "123456789012_CloudTrail_us-east-1_20250102T0000Z_abcdEFGH12345678.json.gz",
         "cloudtrail", "123456789012", "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"AWSLogs/o-abc1234567/123456789012/CloudTrail/us-gov-west-1/2025/01/02/x.json.gz",
         "cloudtrail", "123456789012", "us-gov-west-1", "2025-01-02T00:00:00Z", NULL},
        {"AWSLogs/123456789012/CloudTrail-Insight/eu-central-1/2025/12/31/x.json.gz", "cloudtrail",
         "123456789012", "eu-central-1", "2025-12-31T00:00:00Z", NULL},
        {"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2025/01/02/x.json.gz", "unknown",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"AWSLogs/123456789012/CloudTrail-NetworkActivity/us-east-1/2025/01/02/x.json.gz",
         "unknown", "123456789012", "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"AWSLogs/123456789012/CloudTrail/us-iso-east-1/2025/01/02/x.json.gz", "cloudtrail",
         "123456789012", "us-iso-east-1", "2025-01-02T00:00:00Z", NULL},
        {"my-globals/123456789012/CloudTrail/eu-west-1/x_20240229T2355Z_y.json", "cloudtrail",
         "123456789012", "eu-west-1", "2024-02-29T00:00:00Z", NULL},
        {"x/aws-account-id=123456789012/aws-region=us-east-1/year=2025/month=03/day=04/a",
         "unknown", "123456789012", "us-east-1", "2025-03-04T00:00:00Z", NULL},
        {"123456789012/notes.txt", "unknown", "", "", "", NULL},
        {"", "unknown", "", "", "", NULL},
        /* What more than one pattern fits is of the type that is named first. */
        {"a/123456789012/EC2/Linux/Secure/eu-west-1/x", "linux-secure", "123456789012", "eu-west-1",
         "", NULL},
        {"a/123456789012/EC2/Linux/System/eu-west-1/x", "linux-os-syslog", "123456789012",
         "eu-west-1", "", NULL},
        {"a/123456789012/RDS/MySQL/audit/eu-west-1/error", "rds-mysql-audit", "123456789012",
         "eu-west-1", "", NULL},
        {"a/123456789012/RDS/MySQL/slowquery/eu-west-1/x", "rds-mysql-slowquery", "123456789012",
         "eu-west-1", "", NULL},
        {"a/123456789012/RDS/PostgreSQL/postgresql/eu-west-1/x", "rds-postgresql", "123456789012",
         "eu-west-1", "", NULL},
        {"a/123456789012/KafkaBrokerLogs/eu-west-1/x.log.gz", "msk", "123456789012", "eu-west-1",
         "", NULL},
        {"a/123456789012/CloudFront/global/E1/standard/E123ABCDEFGHI.2025-01-02-22.a5fcfc8d.gz",
         "cloudfront-standard", "123456789012", "global", "", NULL},
        {"a/123456789012/CloudFront/global/E1/realtime/2025/01/02/00/x", "cloudfront-realtime",
         "123456789012", "global", "2025-01-02T00:00:00Z", NULL},
        {"a/123456789012/WAF/us-east-1/2025/01/02/00/aws-waf-logs-x-1", "waf", "123456789012",
         "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"a/123456789012/aws.inspector2/Inspector2_Finding/us-east-1/2025/01/02/x.gz", "inspector",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"a/123456789012/aws.inspector2/Inspector2_Coverage/us-east-1/2025/01/02/x.gz", "unknown",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"a/123456789012/aws.securityhub/Findings/us-east-1/2025/01/02/x.gz", "securityhub",
         "123456789012", "us-east-1", "2025-01-02T00:00:00Z", NULL},
        {"a/123456789012/EKS/audit/us-east-1/x", "eks-audit", "123456789012", "us-east-1", "",
         NULL},
        {"/2025/13/02/", "unknown", "", "", "", NULL},
    };
    classify_all(vectors, PEN_COUNT(vectors));
}

/* Each key that the reference has another type for is listed with the reason, and no other one. */
static void check_listed(const struct vector *vectors, size_t count)
{
    static char text[64 << 10];
    char line[512];
    size_t listed = 0;
    size_t wanted = 0;
    FILE *file = fopen(PEN_SOURCE_DIR "/tests/e2e/types_differences.txt", "r");
    assert_non_null(file);
    const size_t len = fread(text, 1, sizeof(text) - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_in_range(len, 1, sizeof(text) - 2);
    text[len] = '\0';
    for (const char *at = text; (at = strstr(at, "#   key ")) != NULL; at++) {
        listed++;
    }
    for (size_t i = 0; i < count; i++) {
        if (vectors[i].reference != NULL) {
            (void)snprintf(line, sizeof(line), "#   key %s, reference %s: %s\n", vectors[i].type,
                           vectors[i].reference, vectors[i].key);
            assert_non_null(strstr(text, line));
            wanted++;
        }
    }
    assert_int_equal(listed, wanted);
}

/* The layouts of the reference; what it misses is of the type that reads it. */
static void every_type_knows_its_keys(void **state)
{
    (void)state;
    static const struct vector vectors[] = {
        {"AWSLogs/123456789012/CloudTrail/us-east-1/2025/01/02/"
         "123456789012_CloudTrail_us-east-1_20250102T0000Z_abcdEFGH12345678.json.gz",
         "cloudtrail", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/o-abc1234567/123456789012/CloudTrail/us-east-1/2025/01/02/"
         "123456789012_CloudTrail_us-east-1_20250102T0000Z_abcdEFGH12345678.json.gz",
         "cloudtrail", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/CloudTrail-Insight/us-east-1/2025/01/02/"
         "123456789012_CloudTrail-Insight_us-east-1_20250102T0000Z_x.json.gz",
         "cloudtrail", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2025/01/02/"
         "123456789012_CloudTrail-Digest_us-east-1_trail_us-east-1_20250102T000000Z.json.gz",
         "unknown", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/CloudTrail-NetworkActivity/us-east-1/2025/01/02/x.json.gz",
         "unknown", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/CloudTrail-Aggregated/us-east-1/x.json.gz", "unknown",
         "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/01/02/"
         "123456789012_vpcflowlogs_us-east-1_fl-1234_20250102T0000Z_1dba0383.log.gz",
         "vpcflowlogs", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/"
         "year=2025/month=01/day=02/"
         "123456789012_vpcflowlogs_us-east-1_fl-1234_20250102T0000Z_1dba0383.log.parquet",
         "unknown", "123456789012", "us-east-1", NULL, "vpcflowlogs"},
        {"AWSLogs/123456789012/GuardDuty/us-east-1/2025/01/02/5f3e-uuid.jsonl.gz", "guardduty",
         "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2025/01/02/"
         "123456789012_elasticloadbalancing_us-east-1_app.my-lb.50dc6c495c0c9188_20250102T2340Z_"
         "172.160.001.192_20sg8hgm.log.gz",
         "alb", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2025/01/02/"
         "conn_log.123456789012_elasticloadbalancing_us-east-1_app.my-lb.50dc6c495c0c9188_"
         "20250102T2340Z_172.160.001.192_20sg8hgm.log.gz",
         "alb-connection", "123456789012", "us-east-1", NULL, "alb"},
        {"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2025/01/02/"
         "123456789012_elasticloadbalancing_us-east-1_net.my-nlb.1234567890abcdef_20250102T0000Z_"
         "20sg8hgm.log.gz",
         "nlb", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2025/01/02/"
         "123456789012_elasticloadbalancing_us-east-1_my-clb_20250102T2340Z_172.160.001.192_"
         "20sg8hgm.log",
         "clb", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/WAFLogs/us-east-1/TEST-WEBACL/2025/01/02/00/00/"
         "123456789012_waflogs_us-east-1_TEST-WEBACL_20250102T0000Z_e0ca43b5.log.gz",
         "waf", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/WAF/us-east-1/2025/01/02/00/"
         "aws-waf-logs-x-1-2025-01-02-00-00-00-uuid.gz",
         "waf", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/s3accesslog/us-east-1/mybucket/2025-01-02-00-00-00-0123456789ABCDEF",
         "s3accesslog", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/CloudFront/global/EDIST/standard/"
         "E123ABCDEFGHI.2025-01-02-22.a5fcfc8d.gz",
         "cloudfront-standard", "123456789012", "global", NULL, NULL},
        {"AWSLogs/123456789012/CloudFront/global/EDIST/realtime/2025/01/02/00/x",
         "cloudfront-realtime", "123456789012", "global", NULL, NULL},
        {"AWSLogs/123456789012/vpcdnsquerylogs/vpc-123/2025/01/02/"
         "vpc-123_vpcdnsquerylogs_123456789012_20250102T0000Z_x.log.gz",
         "route53resolver", "123456789012", "", NULL, NULL},
        {"AWSLogs/123456789012/network-firewall/flow/us-east-1/fw/2025/01/02/00/"
         "123456789012_network-firewall_flow_us-east-1_fw_202501020000_hash.log.gz",
         "networkfirewall", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/Config/us-east-1/2025/1/2/ConfigHistory/"
         "123456789012_Config_us-east-1_ConfigHistory_AWS::EC2::Instance_20250102T000000Z_"
         "20250102T000000Z_1.json.gz",
         "config-history", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/Config/us-east-1/2025/1/2/ConfigSnapshot/"
         "123456789012_Config_us-east-1_ConfigSnapshot_20250102T000000Z_uuid.json.gz",
         "config-snapshot", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/aws.config/Config_Rules_Compliance_Change/us-east-1/2025/01/02/x.gz",
         "config-rules", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/aws.securityhub/Security_Hub_Findings_-_Imported/us-east-1/2025/01/"
         "02/x.gz",
         "securityhub", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/aws.inspector2/Inspector2_Finding/us-east-1/2025/01/02/x.gz",
         "inspector", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/aws.inspector2/Inspector2_Coverage/us-east-1/2025/01/02/x.gz",
         "unknown", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/RDS/MySQL/audit/us-east-1/2025/01/02/x", "rds-mysql-audit",
         "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/RDS/MySQL/slowquery/us-east-1/x", "rds-mysql-slowquery",
         "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/RDS/PostgreSQL/postgresql/us-east-1/x", "rds-postgresql",
         "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/EC2/Linux/System/us-east-1/x", "linux-os-syslog", "123456789012",
         "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/EC2/Linux/Secure/us-east-1/x", "linux-secure", "123456789012",
         "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/EC2/Windows/Event/us-east-1/x", "windows-event", "123456789012",
         "us-east-1", NULL, NULL},
        {"AWSLogs/aws-account-id=123456789012/service=apache-access/web-site-name=s/"
         "aws-region=us-east-1/year=2025/x",
         "apache-access", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/aws-account-id=123456789012/service=nginx-error/web-site-name=s/"
         "aws-region=us-east-1/x",
         "nginx-error", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/OpenSearch/metrics/us-east-1/2025/01/02/aos_index_metrics_x.json.gz",
         "index-metrics", "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/OpenSearch/Audit/us-east-1/x", "opensearch-audit", "123456789012",
         "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/KafkaBrokerLogs/us-east-1/x.log.gz", "msk", "123456789012",
         "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/ClientVPN/us-east-1/x", "clientvpn", "123456789012", "us-east-1",
         NULL, NULL},
        {"AWSLogs/123456789012/CloudHSM/us-east-1/x", "cloudhsm", "123456789012", "us-east-1", NULL,
         NULL},
        {"AWSLogs/123456789012/DirectoryService/MicrosoftAD/x", "directory-service", "123456789012",
         "", NULL, NULL},
        {"AWSLogs/123456789012/FSx/aws-fsx-x-1-2025-x.gz", "fsx-win", "123456789012", "", NULL,
         NULL},
        {"AWSLogs/123456789012/WorkSpaces/Event/x", "workspaces-event", "123456789012", "", NULL,
         NULL},
        {"AWSLogs/123456789012/WorkSpaces/Inventory/us-east-1/x.json.gz", "workspaces-inventory",
         "123456789012", "us-east-1", NULL, NULL},
        {"AWSLogs/123456789012/TrustedAdvisor/us-east-1/x.json.gz", "trustedadvisor",
         "123456789012", "us-east-1", NULL, NULL},
        {"aws/CLOUD_TRAIL_MGMT/2.0/region=us-east-1/accountId=123456789012/eventDay=20250102/"
         "0123456789abcdef0123456789abcdef.gz.parquet",
         "unknown", "123456789012", "us-east-1", NULL, "securitylake"},
        {"AWSLogs/123456789012/EKS/audit/us-east-1/x", "eks-audit", "123456789012", "us-east-1",
         NULL, "unknown"},
        {"AWSLogs/123456789012/Redis/slow/x", "elasticache-redis-slowlog", "123456789012", "", NULL,
         NULL},
        {"AWSLogs/123456789012/guardduty-logs/x", "unknown", "123456789012", "", NULL, NULL},
        {"cloudtrail-AccountTrail/AWSLogs/123456789012/CloudTrail/us-east-1/x.json.gz",
         "cloudtrail", "123456789012", "us-east-1", NULL, NULL},
    };
    classify_all(vectors, PEN_COUNT(vectors));
    check_listed(vectors, PEN_COUNT(vectors));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_give_type_account_region_and_day),
                                       cmocka_unit_test(every_type_knows_its_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
