/* tested by tests/e2e/test_types_made.py */
/* Kubernetes: audit logs (the outcome, how long it took, the address in parts), the other streams.
 */
#include "script.h"

enum field { CODE, DECISION, RECEIVED, DONE, URI };
static const char *const fields[] = {"responseStatus.code",
                                     "annotations.authorization\\.k8s\\.io/decision",
                                     "requestReceivedTimestamp",
                                     "stageTimestamp",
                                     "requestURI",
                                     NULL};
enum slot { OUTCOME, DURATION, PATH, QUERY };
static const char *const slots[] = {"event.outcome", "event.duration", "url.path", "url.query",
                                    NULL};

static const char *outcome(pen_slice code, pen_slice decision)
{
    uint64_t number = 0;
    if (script_is(decision, "forbid")) {
        return "failure";
    }
    if (!pen_parse_u64(code, &number)) {
        return "unknown";
    }
    return number < 400 ? "success" : "failure";
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice uri = script_text(n, record, URI);
    const uint8_t *mark = uri.len == 0 ? NULL : memchr(uri.ptr, '?', uri.len);
    const size_t path = mark == NULL ? uri.len : (size_t)(mark - uri.ptr);
    int64_t received = 0;
    int64_t done = 0;
    (void)doc;
    script_set(
        n, OUTCOME,
        pen_slice_str(outcome(script_text(n, record, CODE), script_text(n, record, DECISION))));
    script_set(n, PATH, pen_slice_sub(uri, 0, path));
    if (mark != NULL) {
        script_set(n, QUERY, pen_slice_sub(uri, path + 1, uri.len));
    }
    n->text.len = 0;
    if (pen_parse_time(script_text(n, record, RECEIVED), &received) &&
        pen_parse_time(script_text(n, record, DONE), &done) && done >= received &&
        pen_buf_printf(&n->text, "%lld", (long long)(done - received)) == PEN_OK) {
        script_set(n, DURATION, script_join(n, pen_buf_slice(&n->text), (pen_slice){0}));
    }
}

const struct nrm_script nrm_script_eks = {
    .name = "eks-audit", .fields = fields, .slots = slots, .run = run};

/* ---- what its other parts write ---- */

static const char *const klog_fields[] = {"severity", NULL};
static const char *const klog_slots[] = {"log.level", NULL};

static void klog_run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    static const char *const levels[][2] = {
        {"I", "info"}, {"W", "warning"}, {"E", "error"}, {"F", "fatal"}};
    const pen_slice severity = script_text(n, record, 0);
    (void)doc;
    for (size_t i = 0; i < PEN_COUNT(levels); i++) {
        if (script_is(severity, levels[i][0])) {
            script_set(n, 0, pen_slice_str(levels[i][1]));
        }
    }
}

const struct nrm_script nrm_script_klog = {
    .name = "klog", .fields = klog_fields, .slots = klog_slots, .run = klog_run};

/* ---- who came in by IAM ---- */

enum login_field { LOGIN_TEXT, LOGIN_CLIENT };
static const char *const login_fields[] = {"msg", "client", NULL};
enum login_slot { LOGIN_OUTCOME, LOGIN_IP, LOGIN_PORT, LOGIN_RELATED };
static const char *const login_slots[] = {"event.outcome", "source.ip", "source.port", "related.ip",
                                          NULL};

static void login_run(struct pen_normalizer *n, const struct pen_record *record,
                      struct pen_doc *doc)
{
    const pen_slice text = script_text(n, record, LOGIN_TEXT);
    const pen_slice client = script_text(n, record, LOGIN_CLIENT);
    const pen_slice port = script_after_last(client, ':');
    (void)doc;
    if (script_is(text, "access granted")) {
        script_set(n, LOGIN_OUTCOME, PEN_SLICE_LIT("success"));
    } else if (script_is(text, "access denied")) {
        script_set(n, LOGIN_OUTCOME, PEN_SLICE_LIT("failure"));
    }
    const pen_slice ip =
        port.len < client.len ? pen_slice_sub(client, 0, client.len - port.len - 1) : client;
    script_list_add(n, LOGIN_RELATED, ip);
    if (script_slot(n, LOGIN_RELATED)->kind == NRM_LIST) {
        script_set(n, LOGIN_IP, ip);
        script_set(n, LOGIN_PORT, port.len < client.len ? port : (pen_slice){0});
    }
}

const struct nrm_script nrm_script_eks_authenticator = {
    .name = "eks-authenticator", .fields = login_fields, .slots = login_slots, .run = login_run};
