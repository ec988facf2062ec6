/* tested by tests/e2e/test_types_made.py */
/* Config: which resource a record is about, its addresses, and members that would have another
 * kind of value in each kind of resource. */
#include "penstock/net.h"

#include "script.h"

#include <stdio.h>

enum field {
    ACCOUNT,
    REGION,
    KIND,
    ID,
    NAME,
    RULE_ARN,
    VERDICT,
    EIP_PRIVATE,
    EIP_PUBLIC,
    HOST_PRIVATE,
    HOST_PUBLIC,
    PORT_PRIVATE,
    PORT_PUBLIC,
    NAT_PRIVATE,
    NAT_PUBLIC,
    NETWORK,
    FIELD_COUNT
};
static const char *const fields[] = {
    [ACCOUNT] = "awsAccountId",
    [REGION] = "awsRegion",
    [KIND] = "resourceType",
    [ID] = "resourceId",
    [NAME] = "resourceName",
    [RULE_ARN] = "configRuleARN",
    [VERDICT] = "newEvaluationResult.complianceType",
    [EIP_PRIVATE] = "configuration.privateIpAddress",
    [EIP_PUBLIC] = "resourceName",
    [HOST_PRIVATE] = "configuration.networkInterfaces.privateIpAddresses.privateIpAddress",
    [HOST_PUBLIC] = "configuration.networkInterfaces.privateIpAddresses.association.publicIp",
    [PORT_PRIVATE] = "configuration.privateIpAddresses.privateIpAddress",
    [PORT_PUBLIC] = "configuration.privateIpAddresses.association.publicIp",
    [NAT_PRIVATE] = "configuration.natGatewayAddresses.privateIp",
    [NAT_PUBLIC] = "configuration.natGatewayAddresses.publicIp",
    [NETWORK] = "configuration.AWS:Network.Content",
    [FIELD_COUNT] = NULL};

enum slot { INSTANCE, HOSTS, USER_ID, USER_NAME, USERS, ADDRESSES, OUTCOME };
static const char *const slots[] = {
    "cloud.instance.id", "related.hosts", "user.id",       "user.name",
    "related.user",      "related.ip",    "event.outcome", NULL};

/* ---- names ---- */

/* One document for each resource, time and rule: told again, it is the same. */
static void id_set(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    static const uint32_t of[] = {ACCOUNT, REGION, KIND, ID};
    char suffix[64];
    char hash[PEN_MD5_HEX + 1];
    bool has_room = doc->time_ns != INT64_MIN;
    n->text.len = 0;
    for (size_t i = 0; i < PEN_COUNT(of) && has_room; i++) {
        const pen_slice part = script_text(n, record, of[i]);
        has_room = pen_buf_reserve(&n->text, part.len) == PEN_OK;
        n->text.len += has_room ? pen_json_unescape(part, n->text.ptr + n->text.len) : 0;
    }
    n->plain.len = 0;
    if (!has_room || pen_buf_add(&n->plain, n->schema->type->name) != PEN_OK ||
        pen_buf_add(&n->plain, script_text(n, record, RULE_ARN)) != PEN_OK) {
        return;
    }
    const struct pen_civil at = pen_civil_from_ns(doc->time_ns);
    pen_md5_hex(pen_buf_slice(&n->text), n->id_text);
    pen_md5_hex(pen_buf_slice(&n->plain), hash);
    const int len = snprintf(suffix, sizeof(suffix), "%04d%02u%02u_%02u%02u%02u_%.4s", (int)at.year,
                             at.month, at.day, at.hour, at.minute, at.second, hash);
    PEN_CHECK(len > 0 && (size_t)len < sizeof(suffix));
    script_id(n, doc, (pen_slice){(const uint8_t *)n->id_text, PEN_MD5_HEX}, pen_slice_str(suffix));
}

static void host_and_user_set(struct pen_normalizer *n, pen_slice kind, pen_slice id,
                              pen_slice name)
{
    static const char *const hosts[] = {"AWS::EC2::Instance", "AWS::SSM::ManagedInstanceInventory",
                                        NULL};
    static const char *const parts[] = {"AWS::SSM::AssociationCompliance",
                                        "AWS::SSM::PatchCompliance", NULL};
    static const char *const users[] = {"AWS::IAM::User", "AWS::IAM::Role", NULL};
    if (script_is(kind, "AWS::Config::ResourceCompliance")) { /* of "kind/id" */
        kind = script_part(id, '/', 0);
        id = pen_slice_sub(id, kind.len + 1, id.len);
        name = (pen_slice){0};
    } else if (script_is_one(kind, parts)) {
        id = script_after_last(id, '/');
        kind = pen_slice_str(hosts[0]);
    }
    if (script_is_one(kind, hosts)) {
        script_set(n, INSTANCE, id);
        script_list_add(n, HOSTS, id);
    } else if (script_is_one(kind, users)) {
        script_set(n, USER_ID, id);
        script_set(n, USER_NAME, name);
        script_list_add(n, USERS, name);
        script_list_add(n, USERS, id);
    }
}

/* ---- addresses ---- */

static void addresses_add(struct pen_normalizer *n, const struct pen_record *record, uint32_t field)
{
    for (const struct pen_value *value = script_value(n, record, field); value != NULL;
         value = pen_value_next(record, value)) {
        if (value->kind == PEN_STRING) {
            script_list_add(n, ADDRESSES, value->text);
        }
    }
}

/* What the agent found on the machine: interfaces by name, each with its addresses. */
static void inventory_add(struct pen_normalizer *n, const struct pen_record *record)
{
    static const char *const members[] = {"IPV4", "IPV6"};
    const uint32_t root = script_tree(n, script_value(n, record, NETWORK));
    uint32_t at = root == NRM_TREE_NONE ? NRM_TREE_NONE : n->tree.nodes[root].first;
    for (; at != NRM_TREE_NONE; at = n->tree.nodes[at].next) {
        for (size_t i = 0; i < PEN_COUNT(members); i++) {
            const char *const path[] = {members[i], NULL};
            pen_slice rest = script_below(n, at, path);
            pen_slice one;
            while (pen_slice_split(&rest, ',', &one)) {
                script_list_add(n, ADDRESSES, pen_slice_trim(one));
            }
        }
    }
}

static void addresses_set(struct pen_normalizer *n, const struct pen_record *record, pen_slice kind)
{
    static const struct {
        const char *kind;
        uint32_t first, last;
    } rows[] = {{"AWS::EC2::EIP", EIP_PRIVATE, EIP_PUBLIC},
                {"AWS::EC2::Instance", HOST_PRIVATE, HOST_PUBLIC},
                {"AWS::EC2::NetworkInterface", PORT_PRIVATE, PORT_PUBLIC},
                {"AWS::EC2::NatGateway", NAT_PRIVATE, NAT_PUBLIC}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (script_is(kind, rows[i].kind)) {
            addresses_add(n, record, rows[i].first);
            addresses_add(n, record, rows[i].last);
        }
    }
    if (script_is(kind, "AWS::SSM::ManagedInstanceInventory")) {
        inventory_add(n, record);
    }
    script_list_sort(n, ADDRESSES);
}

static void item_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice kind = script_text(n, record, KIND);
    id_set(n, record, doc);
    host_and_user_set(n, kind, script_text(n, record, ID), script_text(n, record, NAME));
    addresses_set(n, record, kind);
}

static void rules_run(struct pen_normalizer *n, const struct pen_record *record,
                      struct pen_doc *doc)
{
    const pen_slice verdict = script_text(n, record, VERDICT);
    item_run(n, record, doc);
    script_set(n, OUTCOME,
               script_is(verdict, "COMPLIANT")       ? PEN_SLICE_LIT("success")
               : script_is(verdict, "NON_COMPLIANT") ? PEN_SLICE_LIT("failure")
                                                     : PEN_SLICE_LIT("unknown"));
}

/* ---- members of one kind of value ---- */

static uint32_t member(const struct nrm_tree *tree, uint32_t object, const char *key)
{
    return nrm_tree_member(tree, object, pen_slice_str(key));
}

static bool is_kind(const struct nrm_tree *tree, uint32_t node, enum pen_kind kind)
{
    return node != NRM_TREE_NONE && tree->nodes[node].kind == kind;
}

/* Objects whose names are only numbers of their values become lists. */
static bool lists_make(struct nrm_tree *tree, uint32_t root)
{
    static const char *const paths[][3] = {{"AWS:Application", "Content"},
                                           {"AWS:AWSComponent", "Content"},
                                           {"AWS:InstanceInformation", "Content"},
                                           {"AWS:Network", "Content"},
                                           {"AWS:WindowsUpdate", "Content"},
                                           {"AWS:ComplianceItem", "Content", "Association"},
                                           {"AWS:ComplianceItem", "Content", "Patch"},
                                           {"BucketNotificationConfiguration", "configurations"},
                                           {"BucketReplicationConfiguration", "rules"}};
    bool is_changed = false;
    for (size_t i = 0; i < PEN_COUNT(paths); i++) {
        uint32_t at = root;
        for (size_t k = 0; k < PEN_COUNT(paths[i]) && paths[i][k] != NULL; k++) {
            at = member(tree, at, paths[i][k]);
        }
        if (is_kind(tree, at, PEN_OBJECT)) {
            nrm_tree_to_list(tree, at);
            is_changed = true;
        }
    }
    return is_changed;
}

static bool is_text(const struct nrm_tree *tree, uint32_t node)
{
    return is_kind(tree, node, PEN_STRING);
}

/* A text, or those of a list. */
static pen_status text_wrap(struct nrm_tree *tree, uint32_t node, const char *key, bool *is_changed)
{
    pen_status st = PEN_OK;
    uint32_t at = is_kind(tree, node, PEN_ARRAY) ? tree->nodes[node].first : NRM_TREE_NONE;
    if (is_text(tree, node)) {
        *is_changed = true;
        return nrm_tree_wrap(tree, node, pen_slice_str(key));
    }
    for (; at != NRM_TREE_NONE && st == PEN_OK; at = tree->nodes[at].next) {
        if (is_text(tree, at)) {
            *is_changed = true;
            st = nrm_tree_wrap(tree, at, pen_slice_str(key));
        }
    }
    return st;
}

/* A text where other resources have an object with that text as a member: alone, or in a list. */
static pen_status texts_wrap(struct nrm_tree *tree, uint32_t root, bool *is_changed)
{
    static const char *const rows[][2] = {
        {"stateReason", "message"},      {"endpoint", "address"},
        {"iamInstanceProfile", "arn"},   {"availabilityZones", "zoneName"},
        {"subnets", "subnetIdentifier"}, {"securityGroups", "groupId"}};
    pen_status st = PEN_OK;
    for (size_t i = 0; i < PEN_COUNT(rows) && st == PEN_OK; i++) {
        st = text_wrap(tree, member(tree, root, rows[i][0]), rows[i][1], is_changed);
    }
    return st;
}

/* A member of one object goes to another. */
static pen_status member_move(struct nrm_tree *tree, uint32_t node, uint32_t object,
                              const char *key, bool *is_changed)
{
    *is_changed = *is_changed || node != NRM_TREE_NONE;
    return node == NRM_TREE_NONE ? PEN_OK : nrm_tree_move(tree, node, object, pen_slice_str(key));
}

/* The code of a status stands in its place, that of a reason beside its words. */
static pen_status codes_move(struct nrm_tree *tree, uint32_t root, bool *is_changed)
{
    const uint32_t status = member(tree, root, "status");
    const uint32_t code = member(tree, status, "code");
    const uint32_t reason = member(tree, root, "stateReason");
    if (code != NRM_TREE_NONE) {
        tree->nodes[status].is_gone = true;
    }
    PEN_TRY(member_move(tree, code, root, "status", is_changed));
    return is_kind(tree, reason, PEN_OBJECT)
               ? member_move(tree, member(tree, root, "stateReasonCode"), reason, "code",
                             is_changed)
               : PEN_OK;
}

/* Members of an object that stand beside it under names of their own. */
static pen_status members_lift(struct nrm_tree *tree, uint32_t root, bool *is_changed)
{
    static const char *const rows[][3] = {{"owner", "id", "owner_id"},
                                          {"state", "code", "state_code"},
                                          {"state", "name", "state_name"},
                                          {"status", "message", "status_message"}};
    pen_status st = PEN_OK;
    for (size_t i = 0; i < PEN_COUNT(rows) && st == PEN_OK; i++) {
        const uint32_t inner = member(tree, member(tree, root, rows[i][0]), rows[i][1]);
        st = member_move(tree, inner, root, rows[i][2], is_changed);
    }
    return st == PEN_OK ? codes_move(tree, root, is_changed) : st;
}

/* Statements of WAF rules nest as deep as they like: their text is kept. */
static pen_status statements_text(struct pen_normalizer *n, uint32_t root, bool *is_changed)
{
    struct nrm_tree *tree = &n->tree;
    const uint32_t rules = member(tree, root, "rules");
    uint32_t at = is_kind(tree, rules, PEN_ARRAY) ? tree->nodes[rules].first : NRM_TREE_NONE;
    for (; at != NRM_TREE_NONE; at = tree->nodes[at].next) {
        const uint32_t statement = member(tree, at, "statement");
        if (!is_kind(tree, statement, PEN_OBJECT)) {
            continue;
        }
        const size_t from = n->text.len;
        n->plain.len = 0;
        PEN_TRY(nrm_tree_emit(tree, statement, &n->plain));
        PEN_TRY(pen_json_escape(&n->text, pen_buf_slice(&n->plain)));
        nrm_tree_set_text(tree, statement,
                          pen_slice_sub(pen_buf_slice(&n->text), from, n->text.len));
        *is_changed = true;
    }
    return PEN_OK;
}

static pen_status members_make(struct pen_normalizer *n, pen_slice copied, struct pen_buf *out)
{
    uint32_t root = 0;
    n->tree.count = 0;
    n->text.len = 0;
    PEN_TRY(nrm_tree_parse(&n->tree, copied, &root));
    if (!is_kind(&n->tree, root, PEN_OBJECT)) {
        return PEN_OK;
    }
    /* Twice as long when all of it is quotes; at once, so that no text moves. */
    PEN_TRY(pen_buf_reserve(&n->text, copied.len * 2));
    bool is_changed = lists_make(&n->tree, root);
    PEN_TRY(texts_wrap(&n->tree, root, &is_changed));
    PEN_TRY(members_lift(&n->tree, root, &is_changed));
    PEN_TRY(statements_text(n, root, &is_changed));
    if (!is_changed) {
        return PEN_OK;
    }
    nrm_tree_prune(&n->tree, root);
    return nrm_tree_emit(&n->tree, root, out);
}

static const struct nrm_repair repairs[] = {{.path = "configuration", .kind = NRM_OWN},
                                            {.path = "supplementaryConfiguration", .kind = NRM_OWN},
                                            {.path = "tags",
                                             .kind = NRM_RENAME,
                                             .key = "AmazonFSx.FileSystemId",
                                             .to = "AmazonFSx_FileSystemId"}};

const struct nrm_script nrm_script_config = {.name = "config",
                                             .fields = fields,
                                             .slots = slots,
                                             .repairs = repairs,
                                             .repair_count = PEN_COUNT(repairs),
                                             .make = members_make,
                                             .run = item_run};
const struct nrm_script nrm_script_config_rules = {
    .name = "config-rules", .fields = fields, .slots = slots, .run = rules_run};
