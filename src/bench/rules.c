#include "penstock/bench.h"

#include "generate_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* tested by tests/e2e/test_bench.py */

#define RULES_BYTES_MAX ((size_t)256 << 20)

static const char *const services[] = {
    "iam",           "sts",     "ec2", "s3",   "kms",    "lambda",    "cloudtrail",
    "config",        "rds",     "ecs", "eks",  "ssm",    "guardduty", "logs",
    "monitoring",    "route53", "sns", "sqs",  "ecr",    "dynamodb",  "elasticfilesystem",
    "organizations", "signin",  "waf", "glue", "athena", "codebuild", "secretsmanager"};
static const char *const verbs[] = {"Create", "Delete",  "Update", "Put",     "Attach",  "Detach",
                                    "Modify", "Disable", "Enable", "Get",     "Restore", "Start",
                                    "Stop",   "Reboot",  "Share",  "Register"};
static const char *const nouns[] = {
    "User",          "Role",           "Policy",     "AccessKey",    "LoginProfile", "Group",
    "Trail",         "Detector",       "Bucket",     "BucketPolicy", "BucketAcl",    "Key",
    "Alias",         "Function",       "Layer",      "Snapshot",     "Image",        "Instance",
    "SecurityGroup", "NetworkAcl",     "RouteTable", "Vpc",          "Subnet",       "FlowLogs",
    "Cluster",       "TaskDefinition", "Service",    "Repository",   "Parameter",    "Document",
    "Session",       "Secret",         "Domain",     "HostedZone",   "Certificate",  "Topic",
    "Queue",         "Table",          "Stream",     "Crawler",      "Project",      "Recorder",
    "Rule",          "LogGroup",       "Alarm",      "Subscription", "Account",      "Organization",
    "MfaDevice",     "Endpoint"};
static const char *const agents[] = {
    "kali",  "pacu",       "Boto3/1.2",  "aws-sdk-go", "python-requests",
    "curl/", "S3 Browser", "TruffleHog", "Terraform",  "console."};

struct writer {
    struct gen_rng rng;
    struct pen_buf text;
};

static const char *pick(struct writer *w, const char *const *list, size_t count)
{
    return list[pen_bench_below(&w->rng, (uint32_t)count)];
}
#define PICK(w, list) pick((w), (list), PEN_COUNT(list))

static pen_status put_calls(struct writer *w)
{
    const uint32_t calls = 1 + pen_bench_below(&w->rng, 4);
    PEN_TRY(pen_buf_printf(&w->text, "    eventSource: %s.amazonaws.com\n    eventName:\n",
                           PICK(w, services)));
    for (uint32_t i = 0; i < calls; i++) {
        PEN_TRY(pen_buf_printf(&w->text, "      - %s%s\n", PICK(w, verbs), PICK(w, nouns)));
    }
    return PEN_OK;
}

#define KIND_AGENT_ALONE 6U /* of put_more's kinds, the last */
#define KIND_CALLS 99U

/* What a rule asks for besides the call: the member of the selection. */
static pen_status put_more(struct writer *w, uint32_t kind, uint32_t n)
{
    switch (kind) {
    case 0:
        return pen_buf_printf(&w->text,
                              "    requestParameters.policyDocument|contains: '\"%s:*\"'\n",
                              PICK(w, services));
    case 1:
        return pen_buf_printf(&w->text, "    userIdentity.arn|endswith: '/%s-%u'\n", PICK(w, nouns),
                              n);
    case 2:
        return pen_buf_printf(&w->text, "    userAgent|contains:\n      - '%s'\n      - '%s%u'\n",
                              PICK(w, agents), PICK(w, agents), n % 89);
    case 3:
        return pen_buf_printf(&w->text, "    sourceIPAddress|cidr: 10.%u.%u.0/24\n", n / 250 % 250,
                              n % 250);
    case 4:
        return pen_buf_printf(&w->text, "    userAgent|re: '(?i)%s[-/ ][0-9]+\\.%u'\n",
                              PICK(w, agents), n % 97);
    case 5:
        return n % 2 == 0 ? pen_buf_printf(&w->text, "    errorCode|startswith: 'Client.%s'\n",
                                           PICK(w, nouns))
                          : pen_buf_printf(&w->text, "    userIdentity.type: %s\n",
                                           n % 4 == 1 ? "Root" : "IAMUser");
    default:
        return PEN_OK;
    }
}

static pen_status put_selection(struct writer *w, uint32_t kind, uint32_t n)
{
    if (kind == KIND_AGENT_ALONE) {
        return pen_buf_printf(&w->text, "    userAgent|contains: '%s%u'\n", PICK(w, agents),
                              n % 89);
    }
    PEN_TRY(put_calls(w));
    return put_more(w, kind, n);
}

static pen_status put_rule(struct writer *w, uint32_t n)
{
    static const char *const levels[] = {"informational", "low", "low", "medium", "medium", "high"};
    struct pen_buf *out = &w->text;
    const uint32_t draw = pen_bench_below(&w->rng, 100);
    /* 55 of 100 rules are calls alone, 10 have an exception, 30 one more condition, and 5 are about
     * any call. */
    const bool has_filter = draw >= 55 && draw < 65;
    const uint32_t kind = draw < 65 ? KIND_CALLS : (draw - 65) % (KIND_AGENT_ALONE + 1);
    PEN_TRY(pen_buf_printf(out,
                           "%stitle: Generated rule %u\nid: 00000000-0000-4000-8000-%012u\n"
                           "status: test\nlevel: %s\nlogsource:\n  product: aws\n"
                           "  service: cloudtrail\ndetection:\n  selection:\n",
                           n % PEN_BENCH_RULES_FILE == 0 ? "" : "---\n", n, n, PICK(w, levels)));
    PEN_TRY(put_selection(w, kind, n));
    if (has_filter) {
        PEN_TRY(pen_buf_printf(out, "  filter:\n    userIdentity.arn|contains: ':role/%s-%u'\n",
                               PICK(w, nouns), n % 53));
    }
    return pen_buf_printf(out, "  condition: selection%s\n", has_filter ? " and not filter" : "");
}

static pen_status write_all(const char *path, pen_slice text, struct pen_err *err)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: errno %d", path, errno);
    }
    const bool is_written = fwrite(text.ptr, 1, text.len, file) == text.len;
    if (fclose(file) != 0 || !is_written) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: errno %d", path, errno);
    }
    return PEN_OK;
}

pen_status pen_bench_rules(const char *dir, uint32_t count, uint64_t seed, struct pen_err *err)
{
    char path[PATH_MAX];
    if (count == 0 || count > PEN_BENCH_RULES_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "bench: 1 to %u rules",
                        PEN_BENCH_RULES_MAX);
    }
    struct writer w = {.rng = {.x = seed}};
    pen_buf_init(&w.text, RULES_BYTES_MAX);
    pen_status status = PEN_OK;
    for (uint32_t n = 0; status == PEN_OK && n < count; n++) {
        status = put_rule(&w, n);
        if (status != PEN_OK) {
            (void)PEN_FAIL(err, status, PEN_NO_OFFSET, "bench: rules");
        } else if (n + 1 == count || (n + 1) % PEN_BENCH_RULES_FILE == 0) {
            (void)snprintf(path, sizeof(path), "%s/rules-%05u.yml", dir, n / PEN_BENCH_RULES_FILE);
            status = write_all(path, pen_buf_slice(&w.text), err);
            w.text.len = 0;
        }
    }
    pen_buf_fini(&w.text);
    return status;
}
