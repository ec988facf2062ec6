/* tested by tests/unit/bench/test_generate.c */
#include "penstock/bench.h"

#include "generate_internal.h"

uint64_t pen_bench_next(struct gen_rng *rng)
{
    rng->x += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = rng->x;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t pen_bench_below(struct gen_rng *rng, uint32_t n)
{
    return (uint32_t)(((pen_bench_next(rng) >> 32) * n) >> 32);
}

/* What stands in a template: %a account, %r region, %n four digits (the same few names again and
 * again), %x sixteen hex digits, %i an address, %t the time, %p a private address. */
struct event {
    const char *source, *name, *request, *response;
    bool read_only;
    bool management;
};

static const struct event events[] = {
    {"ec2.amazonaws.com", "DescribeInstances",
     "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-%x\"}]},\"filterSet\":{}}", "null", true,
     true},
    {"ec2.amazonaws.com", "DescribeVolumes",
     "{\"volumeSet\":{\"items\":[{\"volumeId\":\"vol-%x\"}]},\"filterSet\":{}}", "null", true,
     true},
    {"ec2.amazonaws.com", "DescribeSecurityGroups",
     "{\"securityGroupSet\":{},\"securityGroupIdSet\":{\"items\":[{\"groupId\":\"sg-%x\"}]}}",
     "null", true, true},
    {"ec2.amazonaws.com", "DescribeNetworkInterfaces",
     "{\"networkInterfaceIdSet\":{},\"filterSet\":{\"items\":[{\"name\":\"vpc-id\",\"valueSet\":"
     "{\"items\":[{\"value\":\"vpc-%x\"}]}}]}}",
     "null", true, true},
    {"ec2.amazonaws.com", "RunInstances",
     "{\"instancesSet\":{\"items\":[{\"imageId\":\"ami-%x\",\"minCount\":1,\"maxCount\":1}]},"
     "\"instanceType\":\"m6i.large\",\"monitoring\":{\"enabled\":false}}",
     "{\"reservationId\":\"r-%x\",\"ownerId\":\"%a\",\"instancesSet\":{\"items\":[{\"instanceId\":"
     "\"i-%x\",\"imageId\":\"ami-%x\",\"instanceState\":{\"code\":0,\"name\":\"pending\"},"
     "\"privateIpAddress\":\"%p\",\"instanceType\":\"m6i.large\"}]}}",
     false, true},
    {"ec2.amazonaws.com", "TerminateInstances",
     "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-%x\"}]}}",
     "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-%x\",\"currentState\":{\"code\":32,"
     "\"name\":"
     "\"shutting-down\"},\"previousState\":{\"code\":16,\"name\":\"running\"}}]}}",
     false, true},
    {"ec2.amazonaws.com", "CreateTags",
     "{\"resourcesSet\":{\"items\":[{\"resourceId\":\"i-%x\"}]},\"tagSet\":{\"items\":[{\"key\":"
     "\"Name\",\"value\":\"worker-%n\"}]}}",
     "{\"requestId\":\"%x\",\"_return\":true}", false, true},
    {"ec2.amazonaws.com", "AuthorizeSecurityGroupIngress",
     "{\"groupId\":\"sg-%x\",\"ipPermissions\":{\"items\":[{\"ipProtocol\":\"tcp\",\"fromPort\":"
     "443,"
     "\"toPort\":443,\"ipRanges\":{\"items\":[{\"cidrIp\":\"%p/32\"}]}}]}}",
     "{\"requestId\":\"%x\",\"_return\":true}", false, true},
    {"sts.amazonaws.com", "AssumeRole",
     "{\"roleArn\":\"arn:aws:iam::%a:role/service-%n\",\"roleSessionName\":\"session-%n\","
     "\"durationSeconds\":3600}",
     "{\"credentials\":{\"accessKeyId\":\"ASIAEXAMPLE%n\",\"expiration\":\"%t\",\"sessionToken\":"
     "\"%x%x%x%x\"},\"assumedRoleUser\":{\"assumedRoleId\":\"AROAEXAMPLE%n:session\",\"arn\":"
     "\"arn:aws:sts::%a:assumed-role/service-%n/session\"}}",
     true, true},
    {"sts.amazonaws.com", "GetCallerIdentity", "null", "null", true, true},
    {"s3.amazonaws.com", "GetObject",
     "{\"bucketName\":\"data-%n-%a\",\"Host\":\"data-%n-%a.s3.%r.amazonaws.com\",\"key\":"
     "\"warehouse/orders/part-%x.parquet\"}",
     "null", true, false},
    {"s3.amazonaws.com", "PutObject",
     "{\"bucketName\":\"data-%n-%a\",\"Host\":\"data-%n-%a.s3.%r.amazonaws.com\",\"key\":"
     "\"landing/part-%x.json\"}",
     "{\"x-amz-server-side-encryption\":\"AES256\"}", false, false},
    {"s3.amazonaws.com", "ListObjects",
     "{\"list-type\":\"2\",\"bucketName\":\"data-%n-%a\",\"prefix\":\"warehouse/\",\"Host\":"
     "\"data-%n-%a.s3.%r.amazonaws.com\"}",
     "null", true, false},
    {"s3.amazonaws.com", "GetBucketAcl",
     "{\"bucketName\":\"data-%n-%a\",\"Host\":\"s3.%r.amazonaws.com\",\"acl\":\"\"}", "null", true,
     true},
    {"s3.amazonaws.com", "GetBucketLocation", "{\"bucketName\":\"data-%n-%a\",\"location\":\"\"}",
     "null", true, true},
    {"s3.amazonaws.com", "ListBuckets", "{\"Host\":\"s3.amazonaws.com\"}", "null", true, true},
    {"kms.amazonaws.com", "Decrypt",
     "{\"encryptionContext\":{\"aws:s3:arn\":\"arn:aws:s3:::data-%n-%a\"},\"encryptionAlgorithm\":"
     "\"SYMMETRIC_DEFAULT\"}",
     "null", true, true},
    {"kms.amazonaws.com", "GenerateDataKey",
     "{\"keyId\":\"arn:aws:kms:%r:%a:key/%x\",\"keySpec\":\"AES_256\"}", "null", true, true},
    {"kms.amazonaws.com", "DescribeKey", "{\"keyId\":\"alias/app-%n\"}", "null", true, true},
    {"iam.amazonaws.com", "ListRoles", "{\"maxItems\":100}", "null", true, true},
    {"iam.amazonaws.com", "GetRole", "{\"roleName\":\"service-%n\"}", "null", true, true},
    {"iam.amazonaws.com", "GetPolicyVersion",
     "{\"policyArn\":\"arn:aws:iam::%a:policy/app-%n\",\"versionId\":\"v3\"}", "null", true, true},
    {"iam.amazonaws.com", "ListAttachedRolePolicies", "{\"roleName\":\"service-%n\"}", "null", true,
     true},
    {"lambda.amazonaws.com", "Invoke20150331",
     "{\"functionName\":\"arn:aws:lambda:%r:%a:function:"
     "job-%n\",\"invocationType\":\"Event\"}",
     "null", false, false},
    {"lambda.amazonaws.com", "ListFunctions20150331", "{\"maxItems\":50}", "null", true, true},
    {"lambda.amazonaws.com", "UpdateFunctionCode20150331v2",
     "{\"functionName\":\"job-%n\",\"dryRun\":false,\"publish\":true}",
     "{\"functionName\":\"job-%n\",\"runtime\":\"python3.12\",\"codeSha256\":\"%x%x\",\"version\":"
     "\"7\",\"memorySize\":512}",
     false, true},
    {"dynamodb.amazonaws.com", "DescribeTable", "{\"tableName\":\"orders-%n\"}", "null", true,
     true},
    {"dynamodb.amazonaws.com", "ListTables", "null", "null", true, true},
    {"logs.amazonaws.com", "CreateLogStream",
     "{\"logGroupName\":\"/aws/lambda/job-%n\",\"logStreamName\":\"2024/[$LATEST]%x%x\"}", "null",
     false, true},
    {"logs.amazonaws.com", "DescribeLogGroups", "{\"limit\":50}", "null", true, true},
    {"monitoring.amazonaws.com", "DescribeAlarms",
     "{\"maxRecords\":100,\"alarmNamePrefix\":"
     "\"svc-%n\"}",
     "null", true, true},
    {"monitoring.amazonaws.com", "PutMetricAlarm",
     "{\"alarmName\":\"svc-%n-errors\",\"metricName\":\"Errors\",\"namespace\":\"AWS/Lambda\","
     "\"period\":60,\"threshold\":5,\"evaluationPeriods\":3}",
     "null", false, true},
    {"autoscaling.amazonaws.com", "DescribeAutoScalingGroups",
     "{\"autoScalingGroupNames\":[\"workers-%n\"]}", "null", true, true},
    {"elasticloadbalancing.amazonaws.com", "DescribeTargetHealth",
     "{\"targetGroupArn\":\"arn:aws:elasticloadbalancing:%r:%a:targetgroup/web-%n/%x\"}", "null",
     true, true},
    {"rds.amazonaws.com", "DescribeDBInstances", "{\"dBInstanceIdentifier\":\"orders-%n\"}", "null",
     true, true},
    {"secretsmanager.amazonaws.com", "GetSecretValue", "{\"secretId\":\"app/db-%n\"}", "null", true,
     true},
    {"ssm.amazonaws.com", "GetParameters",
     "{\"names\":[\"/app/%n/url\",\"/app/%n/user\"],\"withDecryption\":true}", "null", true, true},
    {"ssm.amazonaws.com", "UpdateInstanceInformation",
     "{\"instanceId\":\"i-%x\",\"agentVersion\":\"3.2.1705.0\",\"platformType\":\"Linux\","
     "\"iPAddress\":\"%p\"}",
     "null", false, true},
    {"eks.amazonaws.com", "DescribeCluster", "{\"name\":\"cluster-%n\"}", "null", true, true},
    {"ecr.amazonaws.com", "BatchGetImage",
     "{\"registryId\":\"%a\",\"repositoryName\":\"app-%n\",\"imageIds\":[{\"imageTag\":\"%x\"}]}",
     "null", true, true},
    {"cloudformation.amazonaws.com", "DescribeStacks", "{\"stackName\":\"app-%n\"}", "null", true,
     true},
    {"config.amazonaws.com", "PutEvaluations", "{\"testMode\":false,\"evaluations\":[]}",
     "{\"failedEvaluations\":[]}", false, true},
};

static const struct event story[] = {
    {"signin.amazonaws.com", "ConsoleLogin", "null", "{\"ConsoleLogin\":\"Success\"}", false, true},
    {"iam.amazonaws.com", "CreateUser", "{\"userName\":\"support-backup\"}",
     "{\"user\":{\"path\":\"/"
     "\",\"userName\":\"support-backup\",\"userId\":\"AIDAEXAMPLE%n\",\"arn\":"
     "\"arn:aws:iam::%a:user/support-backup\",\"createDate\":\"%t\"}}",
     false, true},
    {"iam.amazonaws.com", "AttachUserPolicy",
     "{\"userName\":\"support-backup\",\"policyArn\":\"arn:aws:iam::aws:policy/"
     "AdministratorAccess\"}",
     "null", false, true},
    {"iam.amazonaws.com", "CreateAccessKey", "{\"userName\":\"support-backup\"}",
     "{\"accessKey\":{\"userName\":\"support-backup\",\"accessKeyId\":\"AKIAEXAMPLE%n\",\"status\":"
     "\"Active\",\"createDate\":\"%t\"}}",
     false, true},
    {"cloudtrail.amazonaws.com", "StopLogging",
     "{\"name\":\"arn:aws:cloudtrail:%r:%a:trail/organisation\"}", "null", false, true},
    {"cloudtrail.amazonaws.com", "DeleteTrail",
     "{\"name\":\"arn:aws:cloudtrail:%r:%a:trail/organisation\"}", "null", false, true},
    {"s3.amazonaws.com", "PutBucketPolicy",
     "{\"bucketName\":\"data-%n-%a\",\"Host\":\"data-%n-%a.s3.%r.amazonaws.com\",\"policy\":\"\","
     "\"bucketPolicy\":{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
     "\"Principal\":"
     "\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::data-%n-%a/*\"}]}}",
     "null", false, true},
    {"guardduty.amazonaws.com", "DeleteDetector", "{\"detectorId\":\"%x\"}", "null", false, true},
    {"config.amazonaws.com", "StopConfigurationRecorder",
     "{\"configurationRecorderName\":\"default\"}", "null", false, true},
    {"ec2.amazonaws.com", "DeleteFlowLogs",
     "{\"DeleteFlowLogsRequest\":{\"FlowLogId\":{\"tag\":1,\"content\":\"fl-%x\"}}}",
     "{\"DeleteFlowLogsResponse\":{\"unsuccessful\":\"\",\"requestId\":\"%x\"}}", false, true},
    {"kms.amazonaws.com", "ScheduleKeyDeletion",
     "{\"keyId\":\"arn:aws:kms:%r:%a:key/%x\",\"pendingWindowInDays\":7}",
     "{\"keyId\":\"arn:aws:kms:%r:%a:key/%x\",\"keyState\":\"PendingDeletion\"}", false, true},
};

const uint32_t pen_bench_story_count = PEN_COUNT(story);

const char *pen_bench_story_name(uint32_t index)
{
    PEN_CHECK(index < PEN_COUNT(story));
    return story[index].name;
}

static const char *const agents[] = {
    "aws-cli/2.15.17 Python/3.11.6 Linux/6.1.72-96.166.amzn2023.x86_64 source/x86_64.amzn.2023 "
    "prompt/off command/ec2.describe-instances",
    "Boto3/1.34.34 md/Botocore#1.34.34 ua/2.0 os/linux#5.10.205 md/arch#x86_64 lang/python#3.12.1 "
    "md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.34",
    "aws-sdk-go-v2/1.24.1 os/linux lang/go#1.21.6 md/GOOS#linux md/GOARCH#amd64 api/s3#1.48.1",
    "APN/1.0 HashiCorp/1.0 Terraform/1.7.2 (+https://www.terraform.io) "
    "terraform-provider-aws/5.35.0 (+https://registry.terraform.io/providers/hashicorp/aws) "
    "aws-sdk-go/1.50.9 (go1.20.13; linux; amd64)",
    "aws-sdk-java/2.23.12 Linux/5.10.205-195.804.amzn2.x86_64 "
    "OpenJDK_64-Bit_Server_VM/17.0.9+8-LTS "
    "Java/17.0.9 vendor/Amazon.com_Inc. io/sync http/Apache cfg/retry-mode/legacy",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/121.0.0.0 Safari/537.36",
};

struct out {
    char *at;
    struct gen_rng *rng;
    const struct gen_record *r;
};

static void text(struct out *o, const char *s)
{
    const size_t len = strlen(s);
    memcpy(o->at, s, len);
    o->at += len;
}

static void hex(struct out *o, uint32_t digits)
{
    uint64_t x = pen_bench_next(o->rng);
    for (uint32_t i = 0; i < digits; i++) {
        *o->at++ = "0123456789abcdef"[x & 15];
        x >>= 4;
    }
}

static void number(struct out *o, uint32_t n)
{
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (count > 0) {
        *o->at++ = digits[--count];
    }
}

static void time_text(struct out *o)
{
    const struct pen_civil c = pen_civil_from_ns(o->r->time_ns);
    const uint32_t year = (uint32_t)c.year;
    const char all[] = {(char)('0' + year / 1000 % 10),
                        (char)('0' + year / 100 % 10),
                        (char)('0' + year / 10 % 10),
                        (char)('0' + year % 10),
                        '-',
                        (char)('0' + c.month / 10),
                        (char)('0' + c.month % 10),
                        '-',
                        (char)('0' + c.day / 10),
                        (char)('0' + c.day % 10),
                        'T',
                        (char)('0' + c.hour / 10),
                        (char)('0' + c.hour % 10),
                        ':',
                        (char)('0' + c.minute / 10),
                        (char)('0' + c.minute % 10),
                        ':',
                        (char)('0' + c.second / 10),
                        (char)('0' + c.second % 10),
                        'Z'};
    memcpy(o->at, all, sizeof(all));
    o->at += sizeof(all);
}

static void address(struct out *o)
{
    static const char *const nets[] = {"192.0.2.", "198.51.100.", "203.0.113."};
    text(o, nets[pen_bench_below(o->rng, PEN_COUNT(nets))]);
    number(o, 1 + pen_bench_below(o->rng, 254));
}

static void fill(struct out *o, const char *template)
{
    for (const char *p = template; *p != '\0'; p++) {
        if (*p != '%') {
            *o->at++ = *p;
            continue;
        }
        p++;
        switch (*p) {
        case 'a':
            text(o, o->r->account);
            break;
        case 'r':
            text(o, o->r->region);
            break;
        case 'n':
            number(o, 1000 + pen_bench_below(o->rng, 40));
            break;
        case 'x':
            hex(o, 16);
            break;
        case 'i':
            address(o);
            break;
        case 'p':
            text(o, "10.0.");
            number(o, pen_bench_below(o->rng, 256));
            *o->at++ = '.';
            number(o, pen_bench_below(o->rng, 256));
            break;
        default:
            PEN_CHECK(*p == 't');
            time_text(o);
            break;
        }
    }
}

static void uuid(struct out *o)
{
    static const uint32_t parts[] = {8, 4, 3, 3, 12};
    for (uint32_t i = 0; i < PEN_COUNT(parts); i++) {
        if (i > 0) {
            *o->at++ = '-';
        }
        if (i == 2) {
            *o->at++ = '4'; /* version and variant of RFC 4122 */
        }
        if (i == 3) {
            *o->at++ = "89ab"[pen_bench_below(o->rng, 4)];
        }
        hex(o, parts[i]);
    }
}

/* userIdentity: mostly roles, as in an organisation; the story is told by one user. */
static void identity(struct out *o)
{
    const uint32_t kind = pen_bench_below(o->rng, 100);
    if (o->r->planted >= 0) {
        fill(o, "{\"type\":\"IAMUser\",\"principalId\":\"AIDAEXAMPLEMALLORY\",\"arn\":"
                "\"arn:aws:iam::%a:user/mallory\",\"accountId\":\"%a\",\"accessKeyId\":"
                "\"AKIAEXAMPLEMALLORY\",\"userName\":\"mallory\"}");
    } else if (kind < 87) {
        fill(o,
             "{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLE%n:session-%n\",\"arn\":"
             "\"arn:aws:sts::%a:assumed-role/service-%n/session-%n\",\"accountId\":\"%a\","
             "\"accessKeyId\":\"ASIA%x\",\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\","
             "\"principalId\":\"AROAEXAMPLE%n\",\"arn\":\"arn:aws:iam::%a:role/service-%n\","
             "\"accountId\":\"%a\",\"userName\":\"service-%n\"},\"webIdFederationData\":{},"
             "\"attributes\":{\"creationDate\":\"%t\",\"mfaAuthenticated\":\"false\"}}}");
    } else if (kind < 93) {
        fill(o, "{\"type\":\"IAMUser\",\"principalId\":\"AIDAEXAMPLE%n\",\"arn\":"
                "\"arn:aws:iam::%a:user/deploy-%n\",\"accountId\":\"%a\",\"accessKeyId\":"
                "\"AKIAEXAMPLE%n\",\"userName\":\"deploy-%n\"}");
    } else if (kind == 93) {
        /* A service in the name of the account; nobody works as the root user every hour. */
        fill(o, "{\"type\":\"Root\",\"principalId\":\"%a\",\"arn\":\"arn:aws:iam::%a:root\","
                "\"accountId\":\"%a\",\"sessionContext\":{\"attributes\":{\"creationDate\":"
                "\"%t\",\"mfaAuthenticated\":\"false\"}},\"invokedBy\":"
                "\"trustedadvisor.amazonaws.com\"}");
    } else {
        fill(o, "{\"type\":\"AWSService\",\"invokedBy\":\"autoscaling.amazonaws.com\"}");
    }
}

static void tail(struct out *o, const struct event *e)
{
    static const char *const hosts[] = {
        "\"tlsDetails\":{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":"
        "\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"",
        "\"tlsDetails\":{\"tlsVersion\":\"TLSv1.2\",\"cipherSuite\":"
        "\"ECDHE-RSA-AES128-GCM-SHA256\",\"clientProvidedHostHeader"
        "\":\""};
    if (!e->management) {
        fill(o,
             ",\"additionalEventData\":{\"SignatureVersion\":\"SigV4\",\"CipherSuite\":"
             "\"ECDHE-RSA-AES128-GCM-SHA256\",\"bytesTransferredIn\":0,\"AuthenticationMethod\":"
             "\"AuthHeader\",\"x-amz-id-2\":\"%x%x%x%x\",\"bytesTransferredOut\":%n},\"resources\":"
             "[{\"accountId\":\"%a\",\"type\":\"AWS::S3::Object\",\"ARN\":\"arn:aws:s3:::"
             "data-%n-%a/part-%x\"}]");
    } else if (o->r->planted == 0) {
        fill(
            o,
            ",\"additionalEventData\":{\"LoginTo\":\"https://console.aws.amazon.com/console/home\","
            "\"MobileVersion\":\"No\",\"MFAUsed\":\"No\"}");
    }
    fill(o, ",\"requestID\":\"");
    uuid(o);
    fill(o, o->r->planted == 0 ? "\",\"eventType\":\"AwsConsoleSignIn\""
                               : "\",\"eventType\":\"AwsApiCall\"");
    text(o, e->read_only ? ",\"readOnly\":true" : ",\"readOnly\":false");
    text(o, e->management ? ",\"managementEvent\":true,\"eventCategory\":\"Management\","
                          : ",\"managementEvent\":false,\"eventCategory\":\"Data\",");
    fill(o, "\"recipientAccountId\":\"%a\",");
    if (o->r->planted < 0 && pen_bench_below(o->rng, 100) < 85) {
        fill(o, "\"vpcEndpointId\":\"vpce-%x\",\"vpcEndpointAccountId\":\"%a\",");
    }
    text(o, hosts[pen_bench_below(o->rng, PEN_COUNT(hosts))]);
    text(o, e->source);
    text(o, "\"}}");
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through the cursor in o */
size_t pen_bench_record(struct gen_rng *rng, const struct gen_record *r, char *to,
                        char event_id[GEN_UUID + 1])
{
    struct out o = {to, rng, r};
    const struct event *e =
        r->planted >= 0 ? &story[r->planted] : &events[pen_bench_below(rng, PEN_COUNT(events))];
    text(&o, "{\"eventVersion\":\"1.09\",\"userIdentity\":");
    identity(&o);
    text(&o, ",\"eventTime\":\"");
    time_text(&o);
    text(&o, "\",\"eventSource\":\"");
    text(&o, e->source);
    text(&o, "\",\"eventName\":\"");
    text(&o, e->name);
    fill(&o, "\",\"awsRegion\":\"%r\",\"sourceIPAddress\":\"%i\",\"userAgent\":\"");
    text(&o, agents[pen_bench_below(rng, PEN_COUNT(agents))]);
    text(&o, "\"");
    if (r->planted < 0 && pen_bench_below(rng, 100) < 4) {
        text(&o,
             ",\"errorCode\":\"AccessDenied\",\"errorMessage\":\"User is not authorized to perform "
             "this action\"");
    }
    text(&o, ",\"requestParameters\":");
    fill(&o, e->request);
    text(&o, ",\"responseElements\":");
    fill(&o, e->response);
    text(&o, ",\"eventID\":\"");
    const char *id = o.at;
    uuid(&o);
    memcpy(event_id, id, GEN_UUID);
    event_id[GEN_UUID] = '\0';
    text(&o, "\"");
    tail(&o, e);
    const size_t len = (size_t)(o.at - to);
    PEN_CHECK(len <= GEN_RECORD_MAX);
    return len;
}
