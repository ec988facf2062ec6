/* tested by tests/e2e/test_types_of.py */
/* GuardDuty findings: the parts of a finding's type, how bad it is, which way traffic went. */
#include "script.h"

#include <stdlib.h>

enum field { TITLE, TYPE, SEVERITY, ACTION, DIRECTION, FIELD_COUNT };
static const char *const fields[] = {
    [TITLE] = "title",
    [TYPE] = "type",
    [SEVERITY] = "severity",
    [ACTION] = "service.action.actionType",
    [DIRECTION] = "service.action.networkConnectionAction.connectionDirection",
    [FIELD_COUNT] = NULL,
};

enum slot {
    RULE_NAME,
    SEVERITY_LABEL,
    PURPOSE,
    RESOURCE,
    FAMILY,
    MECHANISM,
    ARTIFACT,
    NETWORK_DIRECTION,
    CATEGORY,
    SOURCE, /* the same members of both ends of a connection */
    DESTINATION = SOURCE + 7,
    SLOT_COUNT = DESTINATION + 7
};
#define ENDPOINT(name)                                                               \
    name ".address", name ".ip", name ".port", name ".nat.ip", name ".geo.location", \
        name ".geo.city_name", name ".geo.country_name"
static const char *const slots[] = {"rule.name",
                                    "severitylabel",
                                    "ThreatPurpose",
                                    "ResourceTypeAffected",
                                    "ThreatFamilyName",
                                    "DetectionMechanism",
                                    "Artifact",
                                    "network.direction",
                                    "event.category",
                                    ENDPOINT("source"),
                                    ENDPOINT("destination"),
                                    NULL};
_Static_assert(PEN_COUNT(slots) == SLOT_COUNT + 1, "slots");

/* Purpose:Resource/Family.Mechanism!Artifact */
static pen_slice type_parts(struct pen_normalizer *n, pen_slice type, pen_slice *family)
{
    const pen_slice purpose = script_word(&type);
    *family = (pen_slice){0};
    if (type.len == 0 || type.ptr[0] != ':') {
        return (pen_slice){0};
    }
    type = pen_slice_sub(type, 1, type.len);
    const pen_slice resource = script_word(&type);
    if (type.len == 0 || type.ptr[0] != '/') {
        return (pen_slice){0};
    }
    type = pen_slice_sub(type, 1, type.len);
    size_t end = 0;
    while (end < type.len && type.ptr[end] != '.' && type.ptr[end] != '!') {
        end++;
    }
    *family = pen_slice_sub(type, 0, end);
    type = pen_slice_sub(type, end, type.len);
    script_set(n, PURPOSE, purpose);
    script_set(n, RESOURCE, resource);
    script_set(n, FAMILY, *family);
    if (type.len > 0 && type.ptr[0] == '.') {
        type = pen_slice_sub(type, 1, type.len);
        script_set(n, MECHANISM, script_word(&type));
    }
    if (type.len > 0 && type.ptr[0] == '!') {
        type = pen_slice_sub(type, 1, type.len);
        script_set(n, ARTIFACT, script_word(&type));
    }
    return purpose;
}

/* Tenths, so that no floating point decides: 8.9 is 89. */
static const char *severity_label(pen_slice text)
{
    uint32_t tenths = 0;
    size_t at = 0;
    for (; at < text.len && at < 4 && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
        tenths = tenths * 10 + (uint32_t)(text.ptr[at] - '0');
    }
    tenths *= 10;
    if (at + 1 < text.len && text.ptr[at] == '.' && text.ptr[at + 1] >= '0' &&
        text.ptr[at + 1] <= '9') {
        tenths += (uint32_t)(text.ptr[at + 1] - '0');
    }
    return at == 0        ? ""
           : tenths <= 39 ? "low"
           : tenths <= 69 ? "medium"
           : tenths <= 89 ? "high"
                          : "critical";
}

static void ends_swap(struct pen_normalizer *n, const struct script_finding *finding)
{
    for (uint32_t i = 0; i < finding->end_slots; i++) {
        struct nrm_value *source = script_slot(n, finding->source + i);
        struct nrm_value *destination = script_slot(n, finding->destination + i);
        const struct nrm_value kept = *source;
        *source = *destination;
        *destination = kept;
    }
}

void script_finding_set(struct pen_normalizer *n, const struct script_finding *finding)
{
    static const char *const malware[] = {"Backdoor", "CryptoCurrency", "Trojan", NULL};
    static const char *const files[] = {"SuspiciousFile", "MaliciousFile", NULL};
    const bool is_file = script_is_one(finding->family, files);
    if (script_is(finding->action, "NETWORK_CONNECTION")) {
        script_set(n, finding->direction, script_lower(n, finding->way));
    } else if (script_is(finding->action, "DNS_REQUEST")) {
        script_set(n, finding->direction, PEN_SLICE_LIT("outbound"));
    } else if (!is_file) {
        script_set(n, finding->direction, PEN_SLICE_LIT("inbound"));
    }
    if (script_is(finding->way, "OUTBOUND")) {
        ends_swap(n, finding);
    }
    if (is_file || script_is_one(finding->purpose, malware)) {
        script_set(n, finding->category, PEN_SLICE_LIT("malware"));
    }
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    pen_slice family;
    const pen_slice purpose = type_parts(n, script_text(n, record, TYPE), &family);
    const struct script_finding finding = {.action = script_text(n, record, ACTION),
                                           .way = script_text(n, record, DIRECTION),
                                           .purpose = purpose,
                                           .family = family,
                                           .direction = NETWORK_DIRECTION,
                                           .category = CATEGORY,
                                           .source = SOURCE,
                                           .destination = DESTINATION,
                                           .end_slots = DESTINATION - SOURCE};
    script_set(n, RULE_NAME, script_without_tail(script_text(n, record, TITLE), '.'));
    script_set(n, SEVERITY_LABEL, pen_slice_str(severity_label(script_text(n, record, SEVERITY))));
    script_finding_set(n, &finding);
}

const struct nrm_script nrm_script_guardduty = {
    .name = "guardduty", .fields = fields, .slots = slots, .run = run};
