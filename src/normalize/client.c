#include "penstock/match.h"

#include "internal.h"

#define HOPS_MAX 64U /* of a chain: the last ones, which are looked at first */

/*
 * Who asked, behind proxies: each adds the address it was asked from to the end of a list
 * (X-Forwarded-For), so that only what trusted ones added, from the end on, is more than a claim.
 */

struct chain { /* a ring of the last HOPS_MAX */
    pen_slice hops[HOPS_MAX];
    uint32_t count;
};

pen_status nrm_client_build(struct pen_schema *schema, uint32_t wanted, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    if ((wanted & PEN_ENRICH_CLIENT) == 0 || type->forwarded_count == 0 ||
        nrm_slot_find(schema, PEN_SLICE_LIT("source.ip")) == PEN_FIELD_NONE) {
        return PEN_OK;
    }
    schema->forwarded = PEN_NEW_N(&schema->arena, uint32_t, type->forwarded_count);
    if (schema->forwarded == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "paths of forwarded addresses");
    }
    for (uint32_t i = 0; i < type->forwarded_count; i++) {
        PEN_TRY(nrm_field_add(schema, type->forwarded[i], &schema->forwarded[i], err));
    }
    schema->forwarded_count = type->forwarded_count;
    return PEN_OK;
}

/* Without blanks, also such as URLs have them. */
static pen_slice hop_trim(pen_slice hop)
{
    hop = pen_slice_trim(hop);
    while (pen_slice_starts(hop, PEN_SLICE_LIT("%20"))) {
        hop = pen_slice_trim(pen_slice_sub(hop, 3, hop.len));
    }
    return hop;
}

/* "198.51.100.7, 10.0.0.1", in that order; members that are empty do not count. */
static void text_add(struct chain *chain, pen_slice text)
{
    pen_slice hop;
    while (pen_slice_split(&text, ',', &hop)) {
        hop = hop_trim(hop);
        if (!nrm_is_empty(hop)) {
            chain->hops[chain->count++ % HOPS_MAX] = hop;
        }
    }
}

/* An element of a list: an address, or a header {"name": ..., "value": ...}. */
static void node_add(struct chain *chain, const struct nrm_tree *tree, uint32_t at)
{
    const struct nrm_node *node = &tree->nodes[at];
    const uint32_t name = nrm_tree_member(tree, at, PEN_SLICE_LIT("name"));
    const uint32_t value = nrm_tree_member(tree, at, PEN_SLICE_LIT("value"));
    if (node->kind == PEN_STRING) {
        text_add(chain, node->text);
    } else if (node->kind == PEN_OBJECT && name != NRM_TREE_NONE && value != NRM_TREE_NONE &&
               tree->nodes[value].kind == PEN_STRING &&
               pen_slice_eq_nocase(tree->nodes[name].text, PEN_SLICE_LIT("x-forwarded-for"))) {
        text_add(chain, tree->nodes[value].text);
    }
}

static void list_add(struct pen_normalizer *n, struct chain *chain, pen_slice list)
{
    uint32_t root = NRM_TREE_NONE;
    n->tree.count = 0;
    if (nrm_tree_parse(&n->tree, list, &root) != PEN_OK) {
        return;
    }
    for (uint32_t at = n->tree.nodes[root].first; at != NRM_TREE_NONE;
         at = n->tree.nodes[at].next) {
        node_add(chain, &n->tree, at);
    }
}

static void values_add(struct pen_normalizer *n, const struct pen_record *record, uint32_t field,
                       struct chain *chain)
{
    for (const struct pen_value *value = pen_record_first(record, field); value != NULL;
         value = pen_value_next(record, value)) {
        if (value->kind == PEN_STRING) {
            text_add(chain, value->text);
        } else if (value->kind == PEN_ARRAY) {
            list_add(n, chain, value->text);
        }
    }
}

/* "192.0.2.7", "192.0.2.7:4711", "[2001:db8::7]:4711", IPv6 alone.  False: none of these. */
static bool hop_address(pen_slice hop, pen_slice *ip)
{
    const bool is_bracketed = hop.ptr[0] == '[';
    const size_t colon = pen_slice_find(hop, PEN_SLICE_LIT(":"));
    uint8_t addr[16];
    uint8_t bits = 0;
    *ip = hop;
    if (is_bracketed) {
        const size_t end = pen_slice_find(hop, PEN_SLICE_LIT("]"));
        *ip = pen_slice_sub(hop, 1, end == SIZE_MAX ? 1 : end);
    } else if (colon != SIZE_MAX && pen_slice_find(pen_slice_sub(hop, colon + 1, hop.len),
                                                   PEN_SLICE_LIT(":")) == SIZE_MAX) {
        *ip = pen_slice_sub(hop, 0, colon);
    }
    return pen_ip_parse(*ip, addr, &bits);
}

/* The last address that is no trusted proxy.  What is no address ends the chain: whoever stands
 * before it was not seen by anybody who is believed. */
static bool client_find(const struct pen_normalizer *n, const struct chain *chain, pen_slice *ip)
{
    const uint32_t kept = chain->count < HOPS_MAX ? chain->count : HOPS_MAX;
    for (uint32_t i = 1; i <= kept; i++) {
        if (!hop_address(chain->hops[(chain->count - i) % HOPS_MAX], ip)) {
            return false;
        }
        if (!pen_enricher_trusts(n->enricher, *ip)) {
            return true;
        }
    }
    return false;
}

void nrm_client_fill(struct pen_normalizer *n, const struct pen_record *record)
{
    const struct pen_schema *schema = n->schema;
    struct nrm_value *source = &n->slots[schema->slot_source_ip];
    struct chain chain;
    pen_slice client;
    chain.count = 0;
    n->peer = (pen_slice){0};
    if (n->enricher == NULL || source->kind != NRM_TEXT) {
        return;
    }
    for (uint32_t i = 0; i < schema->forwarded_count; i++) {
        values_add(n, record, schema->forwarded[i], &chain);
    }
    if (!client_find(n, &chain, &client) || pen_slice_eq(client, source->text)) {
        return;
    }
    n->peer = source->text;
    nrm_set_text(n, schema->slot_source_ip, client, false);
    const uint32_t related = nrm_slot_find(schema, PEN_SLICE_LIT("related.ip"));
    if (related != PEN_FIELD_NONE) {
        nrm_list_add(n, related, client);
    }
}
