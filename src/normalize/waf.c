/* tested by tests/e2e/test_types_made.py */
/* AWS WAF: the headers of the request by name, the web ACL by its ARN. */
#include "script.h"

#define HEADERS_MAX 512U /* of a request, that become members */

enum field { HEADERS, ACL, VERSION };
static const char *const fields[] = {"httpRequest.headers", "webaclId", "httpRequest.httpVersion",
                                     NULL};
enum slot { DOMAIN, AGENT, REFERRER, RULESET, REGION, ACCOUNT, HTTP_VERSION };
static const char *const slots[] = {
    "url.domain",   "user_agent.original", "http.request.referrer", "rule.ruleset",
    "cloud.region", "cloud.account.id",    "http.version",          NULL};

struct header {
    pen_slice name, value;
    uint32_t value_node;
};

/* The next element that is a header, from *at on; false: there is none. */
static bool header_next(const struct nrm_tree *tree, uint32_t *at, struct header *header)
{
    while (*at != NRM_TREE_NONE) {
        const uint32_t name = nrm_tree_member(tree, *at, PEN_SLICE_LIT("name"));
        const uint32_t value = nrm_tree_member(tree, *at, PEN_SLICE_LIT("value"));
        *at = tree->nodes[*at].next;
        if (name != NRM_TREE_NONE && value != NRM_TREE_NONE &&
            tree->nodes[name].kind == PEN_STRING && tree->nodes[value].kind == PEN_STRING) {
            *header = (struct header){tree->nodes[name].text, tree->nodes[value].text, value};
            return true;
        }
    }
    return false;
}

static bool is_name(pen_slice name, const char *word)
{
    return pen_slice_eq_nocase(name, pen_slice_str(word));
}

static void headers_read(struct pen_normalizer *n, const struct pen_value *headers)
{
    struct nrm_tree *tree = &n->tree;
    struct header header;
    uint32_t root = 0;
    tree->count = 0;
    if (headers == NULL || headers->kind != PEN_ARRAY ||
        nrm_tree_parse(tree, headers->text, &root) != PEN_OK) {
        return;
    }
    uint32_t at = tree->nodes[root].first;
    while (header_next(tree, &at, &header)) {
        if (is_name(header.name, "host")) {
            script_set(n, DOMAIN, header.value);
        } else if (is_name(header.name, "user-agent")) {
            script_set(n, AGENT, header.value);
        } else if (is_name(header.name, "referer")) {
            script_set(n, REFERRER, header.value);
        }
    }
}

/* Whether a later one of the same name follows. */
static bool is_overridden(const struct nrm_tree *tree, uint32_t at, pen_slice name)
{
    struct header later;
    while (header_next(tree, &at, &later)) {
        if (pen_slice_eq_nocase(later.name, name)) {
            return true;
        }
    }
    return false;
}

static bool header_put(const struct header *header, bool is_first, struct pen_buf *out)
{
    const pen_slice name = header->name;
    if (pen_buf_add(out, is_first ? PEN_SLICE_LIT(",\"header\":{\"") : PEN_SLICE_LIT(",\"")) !=
            PEN_OK ||
        pen_buf_add(out, name) != PEN_OK) {
        return false;
    }
    uint8_t *to = out->ptr + out->len - name.len;
    for (size_t i = 0; i < name.len; i++) {
        to[i] = to[i] == '-' ? '_' : to[i] >= 'A' && to[i] <= 'Z' ? to[i] | 0x20 : to[i];
    }
    return pen_buf_add(out, PEN_SLICE_LIT("\":\"")) == PEN_OK &&
           pen_buf_add(out, header->value) == PEN_OK && pen_buf_add_byte(out, '"') == PEN_OK;
}

/* What a request authorises itself with stands nowhere. */
static void secrets_blot(struct nrm_tree *tree, uint32_t root)
{
    struct header header;
    uint32_t at = tree->nodes[root].first;
    while (header_next(tree, &at, &header)) {
        if (is_name(header.name, "authorization")) {
            tree->nodes[header.value_node].text = PEN_SLICE_LIT("REDACTED");
        }
    }
}

/* headers as it was, and behind it the member `header` with the same by name. */
static pen_status headers_make(struct pen_normalizer *n, pen_slice copied, struct pen_buf *out)
{
    struct nrm_tree *tree = &n->tree;
    struct header header;
    uint32_t root = 0;
    uint32_t count = 0;
    bool has_room = true;
    tree->count = 0;
    PEN_TRY(nrm_tree_parse(tree, copied, &root));
    if (tree->nodes[root].kind != PEN_ARRAY) {
        return PEN_OK;
    }
    secrets_blot(tree, root);
    PEN_TRY(nrm_tree_emit(tree, root, out));
    uint32_t at = tree->nodes[root].first;
    while (count < HEADERS_MAX && has_room && header_next(tree, &at, &header)) {
        if (!is_name(header.name, "authorization") && !is_overridden(tree, at, header.name)) {
            has_room = header_put(&header, count++ == 0, out);
        }
    }
    if (count > 0 && has_room) {
        has_room = pen_buf_add_byte(out, '}') == PEN_OK;
    }
    return has_room ? PEN_OK : PEN_E_LIMIT;
}

/* arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID; of the first generation it is an id. */
static void acl_read(struct pen_normalizer *n, pen_slice acl)
{
    if (!pen_slice_starts(acl, PEN_SLICE_LIT("arn:"))) {
        script_set(n, RULESET, acl);
        return;
    }
    const pen_slice scope = script_part(script_part(acl, ':', 5), '/', 0);
    script_set(n, RULESET, script_part(acl, '/', 2));
    script_set(n, REGION, script_is(scope, "global") ? scope : script_part(acl, ':', 3));
    script_set(n, ACCOUNT, script_part(acl, ':', 4));
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    (void)doc;
    headers_read(n, script_value(n, record, HEADERS));
    acl_read(n, script_text(n, record, ACL));
    const pen_slice version = script_text(n, record, VERSION);
    const size_t slash = pen_slice_find(version, PEN_SLICE_LIT("/"));
    if (slash != SIZE_MAX) {
        script_set(n, HTTP_VERSION, pen_slice_sub(version, slash + 1, version.len));
    }
}

static const struct nrm_repair repairs[] = {{.path = "httpRequest.headers", .kind = NRM_OWN}};

const struct nrm_script nrm_script_waf = {.name = "waf",
                                          .fields = fields,
                                          .slots = slots,
                                          .repairs = repairs,
                                          .repair_count = PEN_COUNT(repairs),
                                          .make = headers_make,
                                          .run = run};
