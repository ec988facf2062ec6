/*
 * CloudTrail: what its field map cannot say.  The outcome, short user names, instance ids that
 * stand in odd places, CloudHSM hosts, Insights events, digests, and repairs of members that have
 * several types in CloudTrail and one in the index.
 */
#include "penstock/normalize.h"

#include "internal.h"

enum field {
    ERROR_CODE,
    ERROR_MESSAGE,
    EVENT_SOURCE,
    EVENT_NAME,
    EVENT_TYPE,
    USER_AGENT,
    SSM_TARGET,
    SSM_RESOURCE,
    STS_SESSION,
    HSM_CLUSTER,
    HSM_ID,
    HSM_ID_NESTED,
    INSIGHT_NAME,
    DIGEST_OBJECT,
    DIGEST_START,
    DIGEST_END,
    FIELD_COUNT
};
static const char *const fields[] = {
    [ERROR_CODE] = "errorCode",
    [ERROR_MESSAGE] = "errorMessage",
    [EVENT_SOURCE] = "eventSource",
    [EVENT_NAME] = "eventName",
    [EVENT_TYPE] = "eventType",
    [USER_AGENT] = "userAgent",
    [SSM_TARGET] = "requestParameters.target",
    [SSM_RESOURCE] = "requestParameters.resourceId",
    [STS_SESSION] = "requestParameters.roleSessionName",
    [HSM_CLUSTER] = "requestParameters.clusterId",
    [HSM_ID] = "responseElements.hsmId",
    [HSM_ID_NESTED] = "responseElements.hsm.hsmId",
    [INSIGHT_NAME] = "insightDetails.eventName",
    [DIGEST_OBJECT] = "digestS3Object",
    [DIGEST_START] = "digestStartTime",
    [DIGEST_END] = "digestEndTime",
    [FIELD_COUNT] = NULL,
};
_Static_assert(FIELD_COUNT < NRM_SCRIPT_FIELDS_MAX, "script fields");

enum slot { OUTCOME, USER_NAME, INSTANCE, RELATED_HOSTS, RELATED_IP, ACTION, RULE, SLOT_COUNT };
static const char *const slots[] = {
    [OUTCOME] = "event.outcome",
    [USER_NAME] = "user.name",
    [INSTANCE] = "cloud.instance.id",
    [RELATED_HOSTS] = "related.hosts",
    [RELATED_IP] = "related.ip",
    [ACTION] = "event.action",
    [RULE] = "rule.name",
    [SLOT_COUNT] = NULL,
};
_Static_assert(SLOT_COUNT < NRM_SCRIPT_SLOTS_MAX, "script slots");

#define AWS(name) name ".amazonaws.com"
static const struct nrm_repair repairs[] = {
    /* Objects wherever AWS writes them; others write texts, which the index would refuse. */
    {"requestParameters", NULL, NRM_WRAP, "value", NULL},
    {"responseElements", NULL, NRM_WRAP, "value", NULL},
    {"additionalEventData", NULL, NRM_WRAP, "value", NULL},
    {"serviceEventDetails", NULL, NRM_WRAP, "value", NULL},
    {"responseElements.credentials", NULL, NRM_CREDENTIALS, NULL, NULL},
    {"requestParameters.tags", NULL, NRM_TAGS, NULL, NULL},
    {"responseElements.policy", NULL, NRM_TAGS, NULL, NULL},
    {"requestParameters.items", AWS("dynamodb"), NRM_TAGS, NULL, NULL},
    {"requestParameters.disableApiTermination", NULL, NRM_UNWRAP, "value", NULL},
    {"requestParameters.disableApiStop", NULL, NRM_UNWRAP, "value", NULL},
    {"responseElements.status", NULL, NRM_WRAP, "status", NULL},
    {"responseElements.tableMetadataList.parameters", AWS("athena"), NRM_RENAME,
     "projection.date.interval.unit", "projection.date.interval_unit"},
    {"responseElements.tableMetadata.parameters", AWS("athena"), NRM_RENAME,
     "projection.part_date.interval.unit", "projection.part_date.interval_unit"},
    {"requestParameters.configuration", AWS("glue"), NRM_WRAP, "text", NULL},
    {"responseElements.session", AWS("cognito-idp"), NRM_WRAP, "value", NULL},
    {"requestParameters.command", AWS("ecs"), NRM_WRAP, "command", NULL},
    {"requestParameters.parameters", AWS("ssm") "," AWS("sqlworkbench"), NRM_WRAP, "value", NULL},
    {"responseElements.database", AWS("redshift-data"), NRM_WRAP, "name", NULL},
    {"requestParameters.settings", AWS("cloud9"), NRM_WRAP, "value", NULL},
    {"requestParameters.ReplicationConfiguration.Rule.Filter", AWS("s3"), NRM_LIST_TEXT, NULL,
     NULL},
    {"requestParameters.accountIds", AWS("inspector2"), NRM_OBJECTS_TEXT, NULL, NULL},
    {"requestParameters.resourceId", AWS("codeguru-security"), NRM_REPR, NULL, NULL},
};

static const struct pen_value *value_of(const struct pen_normalizer *n,
                                        const struct pen_record *record, enum field field)
{
    return pen_record_first(record, n->schema->script_fields[field]);
}

static bool is_text(const struct pen_value *value, pen_slice text)
{
    return value != NULL && value->kind == PEN_STRING && pen_slice_eq(value->text, text);
}

static void take_text(struct pen_normalizer *n, const struct pen_value *value, enum slot slot)
{
    if (value != NULL && value->kind == PEN_STRING && !nrm_is_empty(value->text)) {
        nrm_set_text(n, n->schema->script_slots[slot], value->text, value->is_escaped);
    }
}

/* "arn:aws:sts::1:assumed-role/role/session" and "AROA...:session" give the session. */
static void cut_user_name(struct pen_normalizer *n)
{
    struct nrm_value *value = &n->slots[n->schema->script_slots[USER_NAME]];
    if (value->kind != NRM_TEXT || value->text.len == 0 ||
        memchr(value->text.ptr, ':', value->text.len) == NULL) {
        return;
    }
    size_t from = value->text.len;
    while (from > 0 && value->text.ptr[from - 1] != ':' && value->text.ptr[from - 1] != '/') {
        from--;
    }
    /* After the last colon, then after the last slash: whichever of the two stands later. */
    value->text = pen_slice_sub(value->text, from, value->text.len);
}

/* i- and 8 or 17 lower-case letters and digits, between bytes that are not part of a word. */
static bool has_instance_id(pen_slice text)
{
    for (size_t i = 0; i + 2 < text.len; i++) {
        const bool starts =
            i == 0 || !((text.ptr[i - 1] >= '0' && text.ptr[i - 1] <= '9') ||
                        ((text.ptr[i - 1] | 0x20) >= 'a' && (text.ptr[i - 1] | 0x20) <= 'z'));
        if (!starts || text.ptr[i] != 'i' || text.ptr[i + 1] != '-') {
            continue;
        }
        size_t end = i + 2;
        while (end < text.len && ((text.ptr[end] >= '0' && text.ptr[end] <= '9') ||
                                  (text.ptr[end] >= 'a' && text.ptr[end] <= 'z'))) {
            end++;
        }
        const bool ends = end == text.len || text.ptr[end] < 'A' || text.ptr[end] > 'Z';
        if (ends && (end - i - 2 == 8 || end - i - 2 == 17)) {
            return true;
        }
    }
    return false;
}

static void find_instance(struct pen_normalizer *n, const struct pen_record *record)
{
    const struct pen_value *source = value_of(n, record, EVENT_SOURCE);
    if (is_text(source, PEN_SLICE_LIT("ssm.amazonaws.com"))) {
        const struct pen_value *name = value_of(n, record, EVENT_NAME);
        const struct pen_value *resource = value_of(n, record, SSM_RESOURCE);
        if (is_text(name, PEN_SLICE_LIT("StartSession")) ||
            is_text(name, PEN_SLICE_LIT("GetConnectionStatus"))) {
            take_text(n, value_of(n, record, SSM_TARGET), INSTANCE);
        } else if (is_text(name, PEN_SLICE_LIT("PutComplianceItems")) && resource != NULL &&
                   has_instance_id(resource->text)) {
            take_text(n, resource, INSTANCE);
        }
    } else if (is_text(source, PEN_SLICE_LIT("sts.amazonaws.com")) &&
               is_text(value_of(n, record, USER_AGENT), PEN_SLICE_LIT("ec2.amazonaws.com"))) {
        take_text(n, value_of(n, record, STS_SESSION), INSTANCE);
    }
}

static void find_hsm(struct pen_normalizer *n, const struct pen_record *record)
{
    if (!is_text(value_of(n, record, EVENT_SOURCE), PEN_SLICE_LIT("cloudhsm.amazonaws.com"))) {
        return;
    }
    const struct pen_value *cluster = value_of(n, record, HSM_CLUSTER);
    const struct pen_value *hsm = value_of(n, record, HSM_ID);
    const struct pen_value *hosts[2] = {cluster,
                                        hsm != NULL ? hsm : value_of(n, record, HSM_ID_NESTED)};
    struct nrm_value *related = &n->slots[n->schema->script_slots[RELATED_HOSTS]];
    n->slots[n->schema->script_slots[RELATED_IP]].kind = NRM_NONE;
    *related = (struct nrm_value){.kind = NRM_LIST, .item_first = n->item_count};
    for (size_t i = 0; i < PEN_COUNT(hosts); i++) {
        if (hosts[i] != NULL && hosts[i]->kind == PEN_STRING && n->item_count < NRM_ITEMS_MAX) {
            n->items[n->item_count++] =
                (struct nrm_item){.text = hosts[i]->text, .is_escaped = hosts[i]->is_escaped};
            related->item_count++;
        }
    }
    take_text(n, hosts[1], INSTANCE);
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const bool failed =
        value_of(n, record, ERROR_CODE) != NULL || value_of(n, record, ERROR_MESSAGE) != NULL;
    nrm_set_text(n, n->schema->script_slots[OUTCOME],
                 failed ? PEN_SLICE_LIT("failure") : PEN_SLICE_LIT("success"), false);
    cut_user_name(n);
    find_instance(n, record);
    find_hsm(n, record);
    if (is_text(value_of(n, record, EVENT_TYPE), PEN_SLICE_LIT("AwsCloudTrailInsight"))) {
        const struct pen_value *name = value_of(n, record, INSIGHT_NAME);
        doc->kind = PEN_DOC_INSIGHT;
        if (n->slots[n->schema->script_slots[ACTION]].kind == NRM_NONE) {
            take_text(n, name, ACTION);
            take_text(n, name, RULE);
        }
    } else if (value_of(n, record, DIGEST_OBJECT) != NULL ||
               value_of(n, record, DIGEST_START) != NULL) {
        doc->kind = PEN_DOC_DIGEST;
    }
}

static const struct pen_value *digest_time(const struct pen_schema *schema,
                                           const struct pen_record *record)
{
    const struct pen_value *end = pen_record_first(record, schema->script_fields[DIGEST_END]);
    return end != NULL ? end : pen_record_first(record, schema->script_fields[DIGEST_START]);
}

const struct nrm_script nrm_script_cloudtrail = {
    .name = "cloudtrail",
    .fields = fields,
    .slots = slots,
    .repairs = repairs,
    .repair_count = PEN_COUNT(repairs),
    .source_field = EVENT_SOURCE,
    .run = run,
    .time = digest_time,
};
