/* tested by tests/e2e/test_types_made.py */
/* Audit logs of Kubernetes: the outcome, how long it took, the address in parts. */
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
