/* tested by tests/e2e/test_types_made.py */
/* Services whose logs need a few computations each. */
#include "script.h"

/* ---- Client VPN ---- */

enum vpn_field {
    VPN_STATUS,
    VPN_REASON,
    VPN_SECONDS,
    VPN_BYTES_IN,
    VPN_BYTES_OUT,
    VPN_PACKETS_IN,
    VPN_PACKETS_OUT,
    VPN_FIELD_COUNT
};
static const char *const vpn_fields[] = {[VPN_STATUS] = "connection-attempt-status",
                                         [VPN_REASON] = "connection-attempt-failure-reason",
                                         [VPN_SECONDS] = "connection-duration-seconds",
                                         [VPN_BYTES_IN] = "ingress-bytes",
                                         [VPN_BYTES_OUT] = "egress-bytes",
                                         [VPN_PACKETS_IN] = "ingress-packets",
                                         [VPN_PACKETS_OUT] = "egress-packets",
                                         [VPN_FIELD_COUNT] = NULL};
enum vpn_slot { VPN_OUTCOME, VPN_ERROR, VPN_DURATION, VPN_BYTES, VPN_PACKETS };
static const char *const vpn_slots[] = {"event.outcome", "error.message",   "event.duration",
                                        "network.bytes", "network.packets", NULL};

static void number_set(struct pen_normalizer *n, uint32_t slot, uint64_t number)
{
    n->text.len = 0;
    if (pen_buf_printf(&n->text, "%llu", (unsigned long long)number) == PEN_OK) {
        script_set(n, slot, script_join(n, pen_buf_slice(&n->text), (pen_slice){0}));
    }
}

static void sum_set(struct pen_normalizer *n, uint32_t slot, pen_slice in, pen_slice out)
{
    uint64_t a = 0;
    uint64_t b = 0;
    uint64_t sum = 0;
    if (pen_parse_u64(in, &a) && pen_parse_u64(out, &b) && !__builtin_add_overflow(a, b, &sum) &&
        sum > 0) {
        number_set(n, slot, sum);
    }
}

static void vpn_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice status = script_text(n, record, VPN_STATUS);
    const pen_slice reason = script_text(n, record, VPN_REASON);
    uint64_t seconds = 0;
    uint64_t nanoseconds = 0;
    (void)doc;
    if (script_is(status, "successful")) {
        script_set(n, VPN_OUTCOME, PEN_SLICE_LIT("success"));
    } else if (script_is(status, "failed")) {
        script_set(n, VPN_OUTCOME, PEN_SLICE_LIT("failure"));
    }
    if (!script_is(reason, "NA")) {
        script_set(n, VPN_ERROR, reason);
    }
    if (pen_parse_u64(script_text(n, record, VPN_SECONDS), &seconds) &&
        !__builtin_mul_overflow(seconds, (uint64_t)PEN_NS_PER_S, &nanoseconds)) {
        number_set(n, VPN_DURATION, nanoseconds);
    }
    sum_set(n, VPN_BYTES, script_text(n, record, VPN_BYTES_IN),
            script_text(n, record, VPN_BYTES_OUT));
    sum_set(n, VPN_PACKETS, script_text(n, record, VPN_PACKETS_IN),
            script_text(n, record, VPN_PACKETS_OUT));
}

/* "2025-03-04 05:06:07" is a time of UTC; what is not available yet is left out. */
static pen_status vpn_make(struct pen_normalizer *n, pen_slice copied, struct pen_buf *out)
{
    const size_t blank = 11; /* of a time in quotes */
    (void)n;
    if (script_is(copied, "\"NA\"")) {
        return pen_buf_add(out, PEN_SLICE_LIT("null"));
    }
    if (copied.len != 21 || copied.ptr[blank] != ' ') {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, pen_slice_sub(copied, 0, blank)));
    PEN_TRY(pen_buf_add_byte(out, 'T'));
    PEN_TRY(pen_buf_add(out, pen_slice_sub(copied, blank + 1, copied.len - 1)));
    return pen_buf_add(out, PEN_SLICE_LIT("+00:00\""));
}

static const struct nrm_repair vpn_repairs[] = {
    {.path = "client-ip", .kind = NRM_OWN},
    {.path = "connection-start-time", .kind = NRM_OWN},
    {.path = "connection-end-time", .kind = NRM_OWN},
    {.path = "connection-last-update-time", .kind = NRM_OWN}};

const struct nrm_script nrm_script_clientvpn = {.name = "clientvpn",
                                                .fields = vpn_fields,
                                                .slots = vpn_slots,
                                                .repairs = vpn_repairs,
                                                .repair_count = PEN_COUNT(vpn_repairs),
                                                .make = vpn_make,
                                                .run = vpn_run};

/* ---- Redis: the client is an address and a port ---- */

static const char *const redis_fields[] = {"ClientAddress", NULL};
enum redis_slot { REDIS_IP, REDIS_ADDRESS, REDIS_PORT, REDIS_RELATED };
static const char *const redis_slots[] = {"source.ip", "source.address", "source.port",
                                          "related.ip", NULL};

static void redis_run(struct pen_normalizer *n, const struct pen_record *record,
                      struct pen_doc *doc)
{
    const pen_slice client = script_text(n, record, 0);
    const pen_slice port = script_after_last(client, ':');
    (void)doc;
    if (port.len == client.len) {
        return;
    }
    const pen_slice ip = pen_slice_sub(client, 0, client.len - port.len - 1);
    script_list_add(n, REDIS_RELATED, ip);
    if (script_slot(n, REDIS_RELATED)->kind == NRM_LIST) {
        script_set(n, REDIS_IP, ip);
        script_set(n, REDIS_ADDRESS, ip);
        script_set(n, REDIS_PORT, port);
    }
}

const struct nrm_script nrm_script_redis_slowlog = {
    .name = "redis-slowlog", .fields = redis_fields, .slots = redis_slots, .run = redis_run};

/* ---- OpenSearch's audit log ---- */

static const char *const opensearch_fields[] = {"audit_category", NULL};
enum opensearch_slot { OPENSEARCH_OUTCOME, OPENSEARCH_CATEGORY, OPENSEARCH_RULE };
static const char *const opensearch_slots[] = {"event.outcome", "event.category", "rule.name",
                                               NULL};

static void opensearch_run(struct pen_normalizer *n, const struct pen_record *record,
                           struct pen_doc *doc)
{
    static const char *const good[] = {"GRANTED_PRIVILEGES", "AUTHENTICATED", NULL};
    static const char *const bad[] = {"MISSING_PRIVILEGES", "FAILED_LOGIN", NULL};
    static const char *const logins[] = {"AUTHENTICATED", "FAILED_LOGIN", NULL};
    const pen_slice category = script_text(n, record, 0);
    (void)doc;
    script_set(n, OPENSEARCH_OUTCOME,
               script_is_one(category, good)  ? PEN_SLICE_LIT("success")
               : script_is_one(category, bad) ? PEN_SLICE_LIT("failure")
                                              : PEN_SLICE_LIT("unknown"));
    if (script_is_one(category, logins)) {
        script_set_json(n, OPENSEARCH_CATEGORY, PEN_SLICE_LIT("[\"database\",\"authentication\"]"));
    }
    if (script_slot(n, OPENSEARCH_RULE)->kind == NRM_NONE) {
        script_set(n, OPENSEARCH_RULE, PEN_SLICE_LIT("ParsingError"));
    }
}

const struct nrm_script nrm_script_opensearch_audit = {.name = "opensearch-audit",
                                                       .fields = opensearch_fields,
                                                       .slots = opensearch_slots,
                                                       .run = opensearch_run};

/* ---- CloudHSM ---- */

enum hsm_field {
    HSM_SEQUENCE,
    HSM_REBOOTS,
    HSM_RETURN,
    HSM_OPCODE,
    HSM_OPCODE_2,
    HSM_USER,
    HSM_ROLE,
    HSM_USER_ID,
    HSM_TARGET,
    HSM_TARGET_ROLE,
    HSM_TARGET_ID,
    HSM_MICROS,
    HSM_FIELD_COUNT
};
static const char *const hsm_fields[] = {[HSM_SEQUENCE] = "sequence_no",
                                         [HSM_REBOOTS] = "reboot_counter",
                                         [HSM_RETURN] = "hsm_return",
                                         [HSM_OPCODE] = "opcode",
                                         [HSM_OPCODE_2] = "opcode_v2",
                                         [HSM_USER] = "user_name",
                                         [HSM_ROLE] = "user_type",
                                         [HSM_USER_ID] = "user_id",
                                         [HSM_TARGET] = "target_user_name",
                                         [HSM_TARGET_ROLE] = "target_user_type",
                                         [HSM_TARGET_ID] = "target_user_id",
                                         [HSM_MICROS] = "timestamp_usec",
                                         [HSM_FIELD_COUNT] = NULL};
enum hsm_slot {
    HSM_SEQUENCE_NUMBER,
    HSM_REBOOT_NUMBER,
    HSM_OUTCOME,
    HSM_USER_NAME,
    HSM_USER_ROLES,
    HSM_TARGET_NAME,
    HSM_TARGET_ROLES,
    HSM_TARGET_USER,
    HSM_CLUSTER,
    HSM_ID,
    HSM_INSTANCE,
    HSM_HOSTS
};
static const char *const hsm_slots[] = {"cloudhsm.sequence_no",
                                        "cloudhsm.reboot_counter",
                                        "event.outcome",
                                        "user.name",
                                        "user.roles",
                                        "user.target.name",
                                        "user.target.roles",
                                        "user.target.id",
                                        "cloudhsm.cluster_id",
                                        "cloudhsm.hsm_id",
                                        "cloud.instance.id",
                                        "related.hosts",
                                        NULL};

/* "0x1f": a number is written as one. */
static void hex_set(struct pen_normalizer *n, uint32_t slot, pen_slice text)
{
    uint64_t number = 0;
    bool is_hex = text.len > 2 && text.len <= 18;
    for (size_t i = 2; i < text.len && is_hex; i++) {
        const uint8_t c = text.ptr[i] | 0x20;
        const bool is_digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        is_hex = is_digit || (c >= 'a' && c <= 'f');
        number = number << 4 | (is_digit ? (uint64_t)text.ptr[i] - '0' : (uint64_t)c - 'a' + 10);
    }
    if (is_hex) {
        number_set(n, slot, number);
    }
}

/* The part of a key that begins so; {0} when none does. */
static pen_slice key_part(pen_slice key, pen_slice begin)
{
    pen_slice part;
    while (key.len > 0 && pen_slice_split(&key, '/', &part)) {
        if (pen_slice_starts(part, begin)) {
            return part;
        }
    }
    return (pen_slice){0};
}

/* The group is /aws/cloudhsm/CLUSTER, the stream the module: it tells equal numbers apart.  What an
 * export task wrote has the names in its key. */
static void hsm_names(struct pen_normalizer *n, const struct pen_record *record,
                      struct pen_doc *doc)
{
    const pen_slice group = script_part(script_group(n), '/', 3);
    const pen_slice key = script_key(n);
    const pen_slice cluster = group.len > 0 ? group : key_part(key, PEN_SLICE_LIT("cluster-"));
    const pen_slice stream = script_stream(n);
    const pen_slice module = stream.len > 0 ? stream : key_part(key, PEN_SLICE_LIT("hsm-"));
    if (module.len == 0) {
        return;
    }
    const pen_slice parts[] = {module, script_text(n, record, HSM_SEQUENCE),
                               script_text(n, record, HSM_MICROS)};
    const pen_slice id = script_concat(n, parts, PEN_COUNT(parts));
    script_set(n, HSM_CLUSTER, cluster);
    script_set(n, HSM_ID, module);
    script_set(n, HSM_INSTANCE, module);
    script_list_add(n, HSM_HOSTS, cluster);
    script_list_add(n, HSM_HOSTS, module);
    if (id.len > 0) {
        doc->id = id;
        doc->event_id = id;
    }
}

static void hsm_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    static const char *const sessions[] = {"CN_LOGIN", "CN_LOGOUT", "CN_APP_FINALIZE",
                                           "CN_CLOSE_SESSION", NULL};
    static const char *const changes[] = {
        "CN_CREATE_USER", "CN_CREATE_CO",   "CN_CREATE_APPLIANCE_USER", "CN_DELETE_USER",
        "CN_SET_M_VALUE", "CN_CHANGE_PSWD", "CN_APPROVE_TOKEN",         NULL};
    const pen_slice newer = script_text(n, record, HSM_OPCODE_2);
    const pen_slice opcode = newer.len > 0 ? newer : script_text(n, record, HSM_OPCODE);
    const bool has_target = script_text(n, record, HSM_TARGET).len > 0;
    hsm_names(n, record, doc);
    hex_set(n, HSM_SEQUENCE_NUMBER, script_text(n, record, HSM_SEQUENCE));
    hex_set(n, HSM_REBOOT_NUMBER, script_text(n, record, HSM_REBOOTS));
    script_set(n, HSM_OUTCOME,
               script_text(n, record, HSM_RETURN).len > 0 ? PEN_SLICE_LIT("success")
                                                          : PEN_SLICE_LIT("failure"));
    if (script_is_one(opcode, sessions)) {
        script_set(n, HSM_USER_NAME, script_text(n, record, HSM_USER));
        script_set(n, HSM_USER_ROLES, script_text(n, record, HSM_ROLE));
    } else if (script_is_one(opcode, changes)) {
        script_set(n, HSM_TARGET_NAME, script_text(n, record, has_target ? HSM_TARGET : HSM_USER));
        script_set(n, HSM_TARGET_ROLES,
                   script_text(n, record, has_target ? HSM_TARGET_ROLE : HSM_ROLE));
        script_set(n, HSM_TARGET_USER,
                   script_text(n, record, has_target ? HSM_TARGET_ID : HSM_USER_ID));
    }
}

const struct nrm_script nrm_script_cloudhsm = {
    .name = "cloudhsm", .fields = hsm_fields, .slots = hsm_slots, .run = hsm_run};
