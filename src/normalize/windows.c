/* tested by tests/e2e/test_types_made.py */
/* Events of Windows: what the number of one means. */
#include "script.h"

#include <stdlib.h>

static const char *const fields[] = {"Event.System.EventID", NULL};
enum slot { ACTION, OUTCOME, INSTANCE, HOSTS };
static const char *const slots[] = {"event.action", "event.outcome", "cloud.instance.id",
                                    "related.hosts", NULL};

enum result { GOOD, BAD, OPEN };
struct meaning {
    const char *id;
    const char *action; /* as dashboards know it */
    enum result result;
};

/* In the order of the numbers. */
static const struct meaning meanings[] = {
    {"1074", "system-shutdown", GOOD},
    {"1100", "logging-service-shutdown", GOOD},
    {"1102", "audit-log-cleared", GOOD},
    {"1104", "security-logging-full", BAD},
    {"1105", "auditlog-archieved", GOOD},
    {"1108", "logging-error", BAD},
    {"4608", "windows-starts", GOOD},
    {"4610", "authentication-package-loaded", GOOD},
    {"4611", "trusted-logon-process-registered", GOOD},
    {"4614", "notification-package-loaded", GOOD},
    {"4616", "system-time-changed", GOOD},
    {"4622", "security-package-loaded", GOOD},
    {"4624", "logon", GOOD},
    {"4625", "logon-failed", BAD},
    {"4634", "logoff", GOOD},
    {"4647", "logoff", GOOD},
    {"4648", "logon-explicit", GOOD},
    {"4649", "replay-attack-detected", OPEN},
    {"4656", "objcet-handle-requested", OPEN},
    {"4657", "registry-value-modified", GOOD},
    {"4658", "objcet-handle-closed", GOOD},
    {"4659", "objcet-handle-deleted", OPEN},
    {"4660", "object-deleted", GOOD},
    {"4661", "object-handle-requested", OPEN},
    {"4662", "object-operation-performed", OPEN},
    {"4663", "object-accessed", OPEN},
    {"4664", "hard-link-created", OPEN},
    {"4670", "object-permissions-changed", GOOD},
    {"4672", "special-user-logon", GOOD},
    {"4673", "privileged-service-called", GOOD},
    {"4674", "privileged-object-operation-performed", OPEN},
    {"4675", "sids-filtered", GOOD},
    {"4688", "process-created", GOOD},
    {"4689", "process-terminated", GOOD},
    {"4691", "indirect-access-to-object", OPEN},
    {"4696", "process-created", GOOD},
    {"4697", "service-installed", GOOD},
    {"4698", "scheduled-task-created", GOOD},
    {"4699", "scheduled-task-deleted", GOOD},
    {"4700", "scheduled-task-enabled", GOOD},
    {"4701", "scheduled-task-disabled", GOOD},
    {"4702", "scheduled-task-updated", GOOD},
    {"4715", "object-audit-policy-changed", GOOD},
    {"4719", "system-audit-policy-changed", GOOD},
    {"4720", "added-user-account", GOOD},
    {"4722", "enabled-user-account", GOOD},
    {"4723", "requested-change-password", OPEN},
    {"4724", "requested-reset-password", OPEN},
    {"4725", "disabled-user-account", GOOD},
    {"4726", "deleted-user-account", GOOD},
    {"4728", "added-member-to-local-security-group", GOOD},
    {"4732", "added-member-to-global-security-group", GOOD},
    {"4733", "removed-member-to-local-security-group", GOOD},
    {"4734", "deleted-local-security-group", GOOD},
    {"4735", "changed-local-security-group", GOOD},
    {"4737", "changed-global-security-group", GOOD},
    {"4738", "changed-user-account", GOOD},
    {"4739", "domain-policy-changed", GOOD},
    {"4740", "locked-out-user-account", GOOD},
    {"4741", "added-computer-account", GOOD},
    {"4742", "changed-computer-account", GOOD},
    {"4743", "deleted-computer-account", GOOD},
    {"4764", "changed-group-type", GOOD},
    {"4765", "added-sid-history-to-account", GOOD},
    {"4766", "failed-to-add-sid-history-to-account", BAD},
    {"4767", "unlocked-user-account", GOOD},
    {"4768", "kerberos-authentication-ticket-requested", OPEN},
    {"4769", "kerberos-service-ticket-requested", OPEN},
    {"4770", "kerberos-service-ticket-renewed", GOOD},
    {"4771", "kerberos-pre-authentication-failed", BAD},
    {"4772", "kerberos-authentication-ticket-request-failed", BAD},
    {"4776", "validated-user-credentials", OPEN},
    {"4778", "session-reconnected", GOOD},
    {"4779", "session-disconnected", GOOD},
    {"4780", "set-acl-to-admin-user", GOOD},
    {"4781", "renamed-user-account", GOOD},
    {"4794", "requested-set-directory-services-restore-mode", OPEN},
    {"4798", "local-group-membership-enumerated", GOOD},
    {"4799", "local-security-group-membership-enumerated", GOOD},
    {"4800", "workstation-locked", BAD},
    {"4801", "workstation-unlocked", GOOD},
    {"4802", "screen-saver-invoked", GOOD},
    {"4803", "screen-saver-dismissed", BAD},
    {"4817", "object-audit-setting-changed", GOOD},
    {"4826", "boot-configuration-data-loaded", GOOD},
    {"4902", "user-audit-policy-created", GOOD},
    {"4904", "security-event-source-registered", OPEN},
    {"4905", "security-event-source-unregistered", OPEN},
    {"4906", "crash-on-audit-fail-value-changed", GOOD},
    {"4907", "object-audit-setting-changed", GOOD},
    {"4908", "modified-special-group", GOOD},
    {"4912", "user-audit-policy-changed", GOOD},
    {"4944", "windows-firewall-policy-actived", GOOD},
    {"4945", "windows-firewall-rule-listed", GOOD},
    {"4946", "windows-firewall-rule-added", GOOD},
    {"4947", "windows-firewall-rule-modified", GOOD},
    {"4948", "windows-firewall-rule-deleted", GOOD},
    {"4949", "windows-firewall-default-settings-restored", GOOD},
    {"4950", "windows-firewall-settings-changed", GOOD},
    {"4951", "windows-firewall-rule-ignored", BAD},
    {"4952", "windows-firewall-rule-ignored", BAD},
    {"4953", "windows-firewall-rule-ignored", BAD},
    {"4954", "windows-firewall-group-policy-changed", GOOD},
    {"4956", "windows-firewall-active-profile-changed", GOOD},
    {"4957", "windows-firewall-rule-ignored", BAD},
    {"4958", "windows-firewall-rule-ignored", BAD},
    {"4964", "special-group-logon", GOOD},
    {"4985", "transaction-state-changed", GOOD},
    {"5024", "windows-firewall-service-started", GOOD},
    {"5025", "windows-firewall-service-stopped", GOOD},
    {"5033", "windows-firewall-driver-started", GOOD},
    {"5034", "windows-firewall-driver-stopped", GOOD},
    {"5039", "registry-key-virtualized", GOOD},
    {"5051", "file-virtualized", GOOD},
    {"5058", "key-file-operation", GOOD},
    {"5059", "key-migration-operation", GOOD},
    {"5060", "verification-operation-failed", GOOD},
    {"5061", "cryptographic-operation", GOOD},
    {"5136", "directory-service-object-modified", GOOD},
    {"5140", "network-share-object-accessed", GOOD},
    {"5142", "network-share-object-added", GOOD},
    {"5143", "network-share-object-modified", GOOD},
    {"5144", "network-share-object-deleted", GOOD},
    {"5148", "dos-attack-detected", GOOD},
    {"5149", "dos-attack-subsided", GOOD},
    {"5152", "packet-blocked", BAD},
    {"5154", "port-listen-allowed", GOOD},
    {"5155", "port-listen-blocked", BAD},
    {"5156", "connection-allowed", GOOD},
    {"5157", "connection-blocked", BAD},
    {"5158", "binding-local-port-allowed", GOOD},
    {"5159", "binding-local-port-blocked", BAD},
    {"5168", "spn-check-failed", BAD},
    {"5376", "credentials-backedup", GOOD},
    {"5377", "credentials-restored", GOOD},
    {"5378", "credentials-delegation-failed", BAD},
    {"5379", "credentials-read", GOOD},
    {"5632", "wireless-network-requested", OPEN},
    {"5633", "wired-network-requested", OPEN},
    {"5888", "com-catalog-objcet-modified", GOOD},
    {"5889", "com-catalog-objcet-deleted", GOOD},
    {"5890", "com-catalog-objcet-added", GOOD},
    {"6416", "external-device-recognized", GOOD},
    {"7045", "service-installed", GOOD},
};

/* Numbers have four digits, so their texts have the order of the numbers. */
static int meaning_order(const void *key, const void *at)
{
    const pen_slice *id = key;
    const struct meaning *meaning = at;
    return memcmp(id->ptr, meaning->id, id->len);
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    static const char *const results[] = {"success", "failure", "unknown"};
    const pen_slice id = script_text(n, record, 0);
    (void)doc;
    script_instance_set(n, INSTANCE, HOSTS);
    if (id.ptr == NULL || id.len != strlen(meanings[0].id)) {
        return;
    }
    const struct meaning *meaning =
        bsearch(&id, meanings, PEN_COUNT(meanings), sizeof(meanings[0]), meaning_order);
    if (meaning != NULL) {
        script_set(n, ACTION, pen_slice_str(meaning->action));
        script_set(n, OUTCOME, pen_slice_str(results[meaning->result]));
    }
}

const struct nrm_script nrm_script_windows = {
    .name = "windows", .fields = fields, .slots = slots, .run = run};
