/* tested by tests/e2e/test_types_made.py */
/* Trusted Advisor: what was flagged, out of columns that each check names for itself. */
#include "penstock/match.h"

#include "script.h"

enum field { STATUS, FLAGGED, NAMES, VALUES };
static const char *const fields[] = {"result.status", "result.flaggedResource.status",
                                     "check.metadata", "result.flaggedResource.metadata", NULL};
enum slot { KIND, CATEGORY, SERVICE, INSTANCE, HOSTS, ADDRESSES };
static const char *const slots[] = {"event.kind",
                                    "event.category",
                                    "cloud.service.name",
                                    "cloud.instance.id",
                                    "related.hosts",
                                    "related.ip",
                                    NULL};

static pen_slice text_of(const struct pen_normalizer *n, uint32_t node)
{
    const bool is_text = node != NRM_TREE_NONE && n->tree.nodes[node].kind == PEN_STRING;
    return is_text ? n->tree.nodes[node].text : (pen_slice){0};
}

static uint32_t first_of(const struct pen_normalizer *n, uint32_t list)
{
    return list == NRM_TREE_NONE ? NRM_TREE_NONE : n->tree.nodes[list].first;
}

/* "arn:aws:SERVICE:REGION:ACCOUNT:KIND/ID": the service, of EC2 the kind of resource. */
static pen_slice arn_service(struct pen_normalizer *n, pen_slice arn)
{
    const pen_slice service = script_part(arn, ':', 2);
    const pen_slice kind = script_part(script_part(arn, ':', 5), '/', 0);
    if (!script_is(service, "ec2") || kind.len == 0) {
        return service;
    }
    if (!script_is(kind, "instance")) {
        return kind;
    }
    script_set(n, INSTANCE, script_after_last(arn, '/'));
    script_list_add(n, HOSTS, script_after_last(arn, '/'));
    return service;
}

static pen_slice category_of(pen_slice service)
{
    static const char *const databases[] = {"rds",      "dynamodb",    "s3", "ebs",
                                            "redshift", "elasticache", NULL};
    static const char *const people[] = {"iam", "cloudtrail", NULL};
    static const char *const nets[] = {"vpc",         "route53", "elasticloadbalancing",
                                       "network-acl", "subnet",  NULL};
    return script_is_one(service, databases) ? PEN_SLICE_LIT("database")
           : script_is_one(service, people)  ? PEN_SLICE_LIT("iam")
           : script_is_one(service, nets)    ? PEN_SLICE_LIT("network")
                                             : (pen_slice){0};
}

/* The values stand in the order of their names; both lists are in the tree. */
static pen_slice columns_read(struct pen_normalizer *n, uint32_t names, uint32_t values,
                              pen_slice *address)
{
    static const char *const resources[] = {"Resource", "Workload ARN", NULL};
    pen_slice service = {0};
    pen_slice by_arn = {0};
    uint32_t name = first_of(n, names);
    for (uint32_t at = first_of(n, values); at != NRM_TREE_NONE; at = n->tree.nodes[at].next) {
        const pen_slice text = text_of(n, at);
        const pen_slice title = text_of(n, name);
        uint8_t addr[16];
        uint8_t bits;
        if (pen_ip_parse(text, addr, &bits)) {
            *address = text;
        } else if (script_is(title, "Service")) {
            service = script_lower(n, text);
        } else if (script_is_one(title, resources) &&
                   pen_slice_starts(text, PEN_SLICE_LIT("arn:"))) {
            by_arn = arn_service(n, text);
        }
        name = name == NRM_TREE_NONE ? NRM_TREE_NONE : n->tree.nodes[name].next;
    }
    return by_arn.len > 0 ? by_arn : service;
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    static const char *const bad[] = {"warning", "error", NULL};
    const pen_slice flagged = script_text(n, record, FLAGGED);
    const struct pen_value *names = script_value(n, record, NAMES);
    const struct pen_value *values = script_value(n, record, VALUES);
    pen_slice address = {0};
    (void)doc;
    if (script_is_one(flagged.len > 0 ? flagged : script_text(n, record, STATUS), bad)) {
        script_set(n, KIND, PEN_SLICE_LIT("alert"));
    }
    const uint32_t values_at = script_tree(n, values);
    uint32_t names_at = NRM_TREE_NONE;
    if (names == NULL || names->kind != PEN_ARRAY ||
        nrm_tree_parse(&n->tree, names->text, &names_at) != PEN_OK) {
        names_at = NRM_TREE_NONE;
    }
    const pen_slice service = columns_read(n, names_at, values_at, &address);
    const pen_slice category = category_of(service);
    script_set(n, SERVICE, service);
    script_list_add(n, ADDRESSES, address);
    if (category.len > 0) {
        script_set(n, CATEGORY, category);
    }
}

const struct nrm_script nrm_script_trustedadvisor = {
    .name = "trustedadvisor", .fields = fields, .slots = slots, .run = run};
