/* tested by tests/e2e/test_types_made.py */
/* Inspector findings: ids, rule names, what to do about them. */
#include "penstock/net.h"

#include "script.h"

enum field { ARN, TYPE, PROTOCOL, BEGIN, END, DESCRIPTION, REMEDY, RESOURCE, VULNERABILITY };
static const char *const fields[] = {[ARN] = "findingArn",
                                     [TYPE] = "type",
                                     [PROTOCOL] = "networkReachabilityDetails.protocol",
                                     [BEGIN] = "networkReachabilityDetails.openPortRange.begin",
                                     [END] = "networkReachabilityDetails.openPortRange.end",
                                     [DESCRIPTION] = "description",
                                     [REMEDY] = "remediation.recommendation.text",
                                     [RESOURCE] = "resources.0.type",
                                     [VULNERABILITY] =
                                         "packageVulnerabilityDetails.vulnerabilityId",
                                     [VULNERABILITY + 1] = NULL};
enum slot { RULE_ID, TEXT, HOSTS, INSTANCE };
static const char *const slots[] = {"rule.id", "vulnerability.description", "related.hosts",
                                    "cloud.instance.id", NULL};

static void rule_set(struct pen_normalizer *n, const struct pen_record *record)
{
    const pen_slice type = script_text(n, record, TYPE);
    const pen_slice line = PEN_SLICE_LIT("_");
    if (pen_slice_find(type, PEN_SLICE_LIT("PACKAGE_VULNERABILITY")) != SIZE_MAX) {
        const pen_slice parts[] = {PEN_SLICE_LIT("PACKAGE_VULNERABILITY_"),
                                   script_text(n, record, VULNERABILITY)};
        script_set(n, RULE_ID, script_concat(n, parts, PEN_COUNT(parts)));
    } else if (pen_slice_find(type, PEN_SLICE_LIT("NETWORK_REACHABILITY")) != SIZE_MAX) {
        const pen_slice parts[] = {PEN_SLICE_LIT("NETWORK_REACHABILITY_"),
                                   script_text(n, record, PROTOCOL),
                                   line,
                                   script_text(n, record, BEGIN),
                                   line,
                                   script_text(n, record, END)};
        script_set(n, RULE_ID, script_concat(n, parts, PEN_COUNT(parts)));
    }
}

static void id_set(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice arn = script_text(n, record, ARN);
    if (arn.len == 0 || doc->time_ns == INT64_MIN) {
        return;
    }
    n->plain.len = 0;
    if (pen_buf_printf(&n->plain, "%lld", (long long)(doc->time_ns / PEN_NS_PER_S)) == PEN_OK) {
        pen_md5_hex(doc->id, n->id_text);
        script_id(n, doc, (pen_slice){(const uint8_t *)n->id_text, PEN_MD5_HEX},
                  pen_buf_slice(&n->plain));
    }
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice text = script_text(n, record, DESCRIPTION);
    const pen_slice remedy = script_text(n, record, REMEDY);
    id_set(n, record, doc);
    rule_set(n, record);
    if (text.len > 0 && remedy.len > 0) {
        const pen_slice parts[] = {text, PEN_SLICE_LIT("\\n\\nRemediation: "), remedy};
        script_set(n, TEXT, script_concat(n, parts, PEN_COUNT(parts)));
    }
    if (script_is(script_text(n, record, RESOURCE), "AWS_ECR_CONTAINER_IMAGE")) {
        script_clear(n, HOSTS); /* an image is no host */
        script_clear(n, INSTANCE);
    }
}

const struct nrm_script nrm_script_inspector = {
    .name = "inspector", .fields = fields, .slots = slots, .run = run};
