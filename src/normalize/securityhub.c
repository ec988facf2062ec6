/* tested by tests/e2e/test_types_made.py */
/* Security Hub findings: what each product that reports there says in its own way. */
#include "penstock/net.h"

#include "script.h"

enum field {
    PRODUCT,
    UPDATED,
    WORKFLOW,
    TYPE,
    TITLE,
    GENERATOR,
    CONTROL,
    INSPECTOR_ID,
    ACTION,
    DIRECTION,
    RESOURCES,
    ID
};
static const char *const fields[] = {
    [PRODUCT] = "ProductFields.aws/securityhub/ProductName",
    [UPDATED] = "UpdatedAt",
    [WORKFLOW] = "Workflow.Status",
    [TYPE] = "Types.0",
    [TITLE] = "Title",
    [GENERATOR] = "GeneratorId",
    [CONTROL] = "Compliance.SecurityControlId",
    [INSPECTOR_ID] = "ProductFields.aws/inspector/id",
    [ACTION] = "ProductFields.aws/guardduty/service/action/actionType",
    [DIRECTION] =
        "ProductFields.aws/guardduty/service/action/networkConnectionAction/connectionDirection",
    [RESOURCES] = "Resources",
    [ID] = "Id",
    [ID + 1] = NULL};
enum slot {
    MODULE,
    CATEGORY,
    RULE_ID,
    RULE_NAME,
    PURPOSE,
    RESOURCE,
    FAMILY,
    MECHANISM,
    ARTIFACT,
    VIEW,
    FINDINGS,
    NETWORK_DIRECTION,
    INSTANCE,
    USER_ID,
    USER_NAME,
    HOSTS,
    USERS,
    IPS,
    SOURCE,
    DESTINATION = SOURCE + 4
};
#define ENDPOINT(name) name ".address", name ".ip", name ".port", name ".nat.ip"
static const char *const slots[] = {"event.module",
                                    "event.category",
                                    "rule.id",
                                    "rule.name",
                                    "ThreatPurpose",
                                    "ResourceTypeAffected",
                                    "ThreatFamilyName",
                                    "DetectionMechanism",
                                    "Artifact",
                                    "consolidated_controls_view",
                                    "consolidated_control_findings",
                                    "network.direction",
                                    "cloud.instance.id",
                                    "user.id",
                                    "user.name",
                                    "related.hosts",
                                    "related.user",
                                    "related.ip",
                                    ENDPOINT("source"),
                                    ENDPOINT("destination"),
                                    NULL};

static bool has(pen_slice text, const char *word)
{
    return pen_slice_find(text, pen_slice_str(word)) != SIZE_MAX;
}

/* ---- GuardDuty and Macie: Namespace/Category/Purpose:Resource-Family.Mechanism!Artifact ---- */

/* Cuts a byte off that may stand there. */
static bool cut(pen_slice *rest, const char *bytes)
{
    if (rest->len == 0 || strchr(bytes, rest->ptr[0]) == NULL) {
        return false;
    }
    *rest = pen_slice_sub(*rest, 1, rest->len);
    return true;
}

static void type_parts(struct pen_normalizer *n, pen_slice type, pen_slice *purpose,
                       pen_slice *family)
{
    const size_t colon = pen_slice_find(type, PEN_SLICE_LIT(":"));
    const pen_slice head = colon == SIZE_MAX ? type : pen_slice_sub(type, 0, colon);
    *purpose = colon == SIZE_MAX ? script_part(type, '/', 1) : script_after_last(head, '/');
    pen_slice rest =
        colon == SIZE_MAX ? script_after_last(type, '/') : pen_slice_sub(type, colon + 1, type.len);
    script_set(n, PURPOSE, *purpose);
    script_set(n, RESOURCE, script_word(&rest));
    if (!cut(&rest, "/-.")) {
        return;
    }
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '.' && rest.ptr[end] != '!') {
        end++;
    }
    *family = pen_slice_sub(rest, 0, end);
    rest = pen_slice_sub(rest, end, rest.len);
    script_set(n, FAMILY, *family);
    if (cut(&rest, ".")) {
        script_set(n, MECHANISM, script_word(&rest));
    }
    if (cut(&rest, "!")) {
        script_set(n, ARTIFACT, script_word(&rest));
    }
}

static void guardduty(struct pen_normalizer *n, const struct pen_record *record)
{
    struct script_finding finding = {.action = script_text(n, record, ACTION),
                                     .way = script_text(n, record, DIRECTION),
                                     .direction = NETWORK_DIRECTION,
                                     .category = CATEGORY,
                                     .source = SOURCE,
                                     .destination = DESTINATION,
                                     .end_slots = DESTINATION - SOURCE};
    type_parts(n, script_text(n, record, TYPE), &finding.purpose, &finding.family);
    script_set(n, CATEGORY, PEN_SLICE_LIT("intrusion_detection"));
    script_finding_set(n, &finding);
}

/* ---- the other products ---- */

static void security_hub(struct pen_normalizer *n, const struct pen_record *record)
{
    const pen_slice generator = script_text(n, record, GENERATOR);
    const bool is_one = pen_slice_starts(generator, PEN_SLICE_LIT("security-control"));
    const bool has_control = script_value(n, record, CONTROL) != NULL;
    script_set(n, RULE_ID, generator);
    script_set_json(n, VIEW, has_control ? PEN_SLICE_LIT("true") : PEN_SLICE_LIT("false"));
    script_set_json(n, FINDINGS, is_one ? PEN_SLICE_LIT("true") : PEN_SLICE_LIT("false"));
}

static void inspector(struct pen_normalizer *n, const struct pen_record *record)
{
    const pen_slice old_id = script_text(n, record, INSPECTOR_ID);
    pen_slice type = script_text(n, record, TYPE);
    const bool is_package = has(type, "Vulnerabilities");
    if (old_id.len > 0) {
        script_set(n, RULE_NAME, old_id);
    } else {
        const size_t cve = pen_slice_find(type, PEN_SLICE_LIT("/CVE"));
        const pen_slice word = script_part(script_text(n, record, TITLE), ' ', 0);
        const pen_slice parts[] = {pen_slice_sub(type, 0, cve == SIZE_MAX ? type.len : cve),
                                   PEN_SLICE_LIT("/"), word};
        script_set(n, RULE_ID, script_concat(n, parts, is_package ? 3 : 1));
    }
    if (is_package) {
        script_set(n, CATEGORY, PEN_SLICE_LIT("package"));
    }
}

/* ---- resources ---- */

static void addresses(struct pen_normalizer *n, uint32_t instance, const char *member)
{
    const uint32_t list = nrm_tree_member(&n->tree, instance, pen_slice_str(member));
    uint32_t at = list == NRM_TREE_NONE ? NRM_TREE_NONE : n->tree.nodes[list].first;
    for (; at != NRM_TREE_NONE; at = n->tree.nodes[at].next) {
        script_list_add(n, IPS, n->tree.nodes[at].text);
    }
}

static void access_key(struct pen_normalizer *n, uint32_t node, pen_slice id)
{
    static const char *const principal[] = {"Details", "AwsIamAccessKey", "PrincipalId", NULL};
    static const char *const name[] = {"Details", "AwsIamAccessKey", "PrincipalName", NULL};
    const pen_slice key = script_after_last(id, ':');
    script_set(n, USER_ID,
               script_is(key, "null") ? script_part(script_below(n, node, principal), ':', 0)
                                      : key);
    script_set(n, USER_NAME, script_below(n, node, name));
}

static void resource(struct pen_normalizer *n, uint32_t node)
{
    static const char *const type_of[] = {"Type", NULL};
    static const char *const id_of[] = {"Id", NULL};
    static const char *const volume[] = {"Details", "AwsEc2Volume", "Attachments",
                                         "0",       "InstanceId",   NULL};
    const pen_slice type = script_below(n, node, type_of);
    const pen_slice id = script_below(n, node, id_of);
    if (script_is(type, "AwsEc2Instance")) {
        const uint32_t details = nrm_tree_member(&n->tree, node, PEN_SLICE_LIT("Details"));
        const uint32_t one = nrm_tree_member(&n->tree, details, PEN_SLICE_LIT("AwsEc2Instance"));
        script_set(n, INSTANCE, script_after_last(id, '/'));
        addresses(n, one, "IpV4Addresses");
        addresses(n, one, "IpV6Addresses");
    } else if (script_is(type, "AwsIamAccessKey")) {
        access_key(n, node, id);
    } else if (script_is(type, "AwsEc2Volume")) {
        script_set(n, INSTANCE, script_below(n, node, volume));
    } else if (script_is(type, "AwsIamRole")) {
        script_set(n, USER_NAME, script_after_last(id, '/'));
    }
}

static void resources(struct pen_normalizer *n, const struct pen_value *value)
{
    const uint32_t root = script_tree(n, value);
    uint32_t at = root == NRM_TREE_NONE ? NRM_TREE_NONE : n->tree.nodes[root].first;
    for (; at != NRM_TREE_NONE; at = n->tree.nodes[at].next) {
        resource(n, at);
    }
    script_list_add(n, HOSTS, script_slot(n, INSTANCE)->text);
    script_list_add(n, USERS, script_slot(n, USER_ID)->text);
    script_list_add(n, USERS, script_slot(n, USER_NAME)->text);
}

/* ---- all ---- */

/* A new finding's time is shown as the finding writes it.  A finding whose state changed is another
 * document. */
static void name(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice status = script_text(n, record, WORKFLOW);
    const pen_slice updated = script_text(n, record, UPDATED);
    const bool is_utc = updated.len > 0 && updated.ptr[updated.len - 1] == 'Z';
    if (script_is(status, "NEW") && is_utc && updated.len + 5 < sizeof(n->time_text)) {
        memcpy(n->time_text, updated.ptr, updated.len - 1);
        memcpy(n->time_text + updated.len - 1, "+00:00", 6);
        n->time_length = updated.len + 5;
    }
    const pen_slice time = {(const uint8_t *)n->time_text, n->time_length};
    char md5[PEN_MD5_HEX + 1];
    pen_md5_hex(script_join(n, time, status), md5);
    if (script_text(n, record, ID).len > 0) {
        script_id(n, doc, doc->id, (pen_slice){(const uint8_t *)md5, PEN_MD5_HEX});
    }
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice module = script_lower(n, script_text(n, record, PRODUCT));
    if (module.len > 0) {
        script_set(n, MODULE, module);
    }
    script_set(n, RULE_NAME, script_without_tail(script_text(n, record, TITLE), '.'));
    name(n, record, doc);
    if (has(module, "security hub")) {
        security_hub(n, record);
    } else if (has(module, "guardduty")) {
        guardduty(n, record);
    } else if (has(module, "inspector")) {
        inspector(n, record);
    } else if (has(module, "macie")) {
        pen_slice purpose = {0};
        pen_slice family = {0};
        type_parts(n, script_text(n, record, TYPE), &purpose, &family);
        script_set(n, CATEGORY, PEN_SLICE_LIT("intrusion_detection"));
    }
    resources(n, script_value(n, record, RESOURCES));
}

const struct nrm_script nrm_script_securityhub = {
    .name = "securityhub", .fields = fields, .slots = slots, .run = run};
