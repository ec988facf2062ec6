/* tested by tests/e2e/test_types_of.py */
/* Types whose records tell of traffic: small computations each. */
#include "script.h"

/* ---- Route 53 Resolver: names without the dot of the root ---- */

enum dns_field { DNS_NAME, DNS_ANSWER, DNS_FIELD_COUNT };
static const char *const dns_fields[] = {"query_name", "answers.0.Rdata", NULL};
static const char *const dns_slots[] = {"dns.question.name", "dns.answers.data", NULL};

static void dns_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    for (uint32_t i = 0; i < DNS_FIELD_COUNT; i++) {
        const pen_slice text = script_text(n, record, i);
        if (text.len > 0 && text.ptr[text.len - 1] == '.') {
            script_set(n, i, pen_slice_sub(text, 0, text.len - 1));
        }
    }
}

const struct nrm_script nrm_script_route53resolver = {
    .name = "route53resolver", .fields = dns_fields, .slots = dns_slots, .run = dns_run};

/* ---- Network Firewall: Suricata's EVE records ---- */

enum eve_field { EVE_PROTOCOL, EVE_TYPE };
static const char *const eve_fields[] = {"event.proto", "event.event_type", NULL};
enum eve_slot { EVE_TRANSPORT, EVE_KIND, EVE_CATEGORY };
static const char *const eve_slots[] = {"network.transport", "event.kind", "event.category", NULL};

static void eve_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    script_set(n, EVE_TRANSPORT, script_lower(n, script_text(n, record, EVE_PROTOCOL)));
    if (script_is(script_text(n, record, EVE_TYPE), "alert")) {
        script_set(n, EVE_KIND, PEN_SLICE_LIT("alert"));
        script_set(n, EVE_CATEGORY, PEN_SLICE_LIT("intrusion_detection"));
    }
}

const struct nrm_script nrm_script_networkfirewall = {
    .name = "networkfirewall", .fields = eve_fields, .slots = eve_slots, .run = eve_run};

/* ---- VPC flow logs ---- */

enum flow_field { FLOW_ACTION, FLOW_PROTOCOL, FLOW_TYPE, FLOW_RESOURCE };
static const char *const flow_fields[] = {"action", "protocol", "type", "resource_type", NULL};
enum flow_slot { FLOW_OUTCOME, FLOW_TRANSPORT, FLOW_NETWORK_TYPE };
static const char *const flow_slots[] = {"event.outcome", "network.transport", "network.type",
                                         NULL};

static pen_slice transport(pen_slice number)
{
    static const struct {
        uint32_t number;
        const char *name;
    } rows[] = {{6, "tcp"},   {17, "udp"},  {1, "icmp"}, {41, "ipv6"}, {8, "egp"},
                {33, "dccp"}, {42, "sdrp"}, {47, "gre"}, {132, "sctp"}};
    uint32_t value = 0;
    for (size_t i = 0; i < number.len && i < 4; i++) {
        const uint32_t digit = (uint32_t)number.ptr[i] - '0';
        value = digit > 9 || (digit == 0 && value == 0) ? UINT16_MAX : value * 10 + digit;
    }
    for (size_t i = 0; i < PEN_COUNT(rows) && number.len < 4; i++) {
        if (value == rows[i].number) {
            return pen_slice_str(rows[i].name);
        }
    }
    return (pen_slice){0};
}

static bool has_word(pen_slice text, pen_slice word)
{
    return pen_slice_eq(text, word) || pen_slice_find(text, word) != SIZE_MAX;
}

static void flow_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    const pen_slice action = script_text(n, record, FLOW_ACTION);
    const pen_slice type = script_text(n, record, FLOW_TYPE);
    script_set_plain(n, FLOW_TRANSPORT, transport(script_text(n, record, FLOW_PROTOCOL)));
    if (type.len > 0) {
        script_set(n, FLOW_NETWORK_TYPE, script_lower(n, type));
    }
    if (script_text(n, record, FLOW_RESOURCE).len == 0) { /* else a transit gateway: no verdict */
        const bool is_accepted = has_word(action, PEN_SLICE_LIT("ACCEPT"));
        const bool is_rejected = !is_accepted && has_word(action, PEN_SLICE_LIT("REJECT"));
        script_set_plain(n, FLOW_OUTCOME,
                         is_accepted   ? PEN_SLICE_LIT("success")
                         : is_rejected ? PEN_SLICE_LIT("failure")
                                       : PEN_SLICE_LIT("unknown"));
    }
}

const struct nrm_script nrm_script_vpcflowlogs = {.name = "vpcflowlogs",
                                                  .reads_texts = true,
                                                  .fields = flow_fields,
                                                  .slots = flow_slots,
                                                  .run = flow_run};

/* ---- load balancers: the address that was asked for is the second word of the request ---- */

static const char *const elb_fields[] = {"request", NULL};
static const char *const elb_slots[] = {"url.full", NULL};

static void elb_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    script_set(n, 0, script_part(script_text(n, record, 0), ' ', 1));
}

const struct nrm_script nrm_script_elb = {
    .name = "elb", .reads_texts = true, .fields = elb_fields, .slots = elb_slots, .run = elb_run};

/* ---- S3 access logs ---- */

static const char *const s3_fields[] = {"Requester", "EndPoint", NULL};
static const char *const s3_slots[] = {"user.name", "cloud.region", NULL};

/* s3.eu-west-1.amazonaws.com: the label that looks like a region. */
static pen_slice region_of(pen_slice endpoint)
{
    pen_slice label;
    while (pen_slice_split(&endpoint, '.', &label)) {
        pen_slice rest = label;
        pen_slice part;
        uint32_t parts = 0;
        bool is_number = false;
        while (pen_slice_split(&rest, '-', &part)) {
            is_number = part.len == 1 && part.ptr[0] >= '0' && part.ptr[0] <= '9';
            parts++;
        }
        const bool has_s3 = pen_slice_starts(label, PEN_SLICE_LIT("s3-"));
        if (is_number && parts >= 3) {
            return has_s3 ? pen_slice_sub(label, 3, label.len) : label;
        }
    }
    return (pen_slice){0};
}

static void s3_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    const pen_slice requester = script_text(n, record, 0);
    const pen_slice region = region_of(script_text(n, record, 1));
    script_set(n, 0, script_after_last(requester, '/'));
    if (script_is(script_slot(n, 1)->text, "unknown") && region.len > 0) {
        script_set(n, 1, region);
    }
}

const struct nrm_script nrm_script_s3access = {.name = "s3accesslog",
                                               .reads_texts = true,
                                               .fields = s3_fields,
                                               .slots = s3_slots,
                                               .run = s3_run};

/* ---- connections to load balancers ---- */

static const char *const connection_fields[] = {"tls_verify_status", NULL};
static const char *const connection_slots[] = {"event.outcome", NULL};

static void connection_run(struct pen_normalizer *n, const struct pen_record *record,
                           struct pen_doc *doc)
{
    const pen_slice status = script_text(n, record, 0);
    (void)doc;
    if (script_is(status, "Success")) {
        script_set(n, 0, PEN_SLICE_LIT("success"));
    } else if (pen_slice_starts(status, PEN_SLICE_LIT("Failed"))) {
        script_set(n, 0, PEN_SLICE_LIT("failure"));
    }
}

const struct nrm_script nrm_script_alb_connection = {.name = "alb-connection",
                                                     .fields = connection_fields,
                                                     .slots = connection_slots,
                                                     .reads_texts = true,
                                                     .run = connection_run};
