#include "internal.h"

#include <stdio.h>

#define NAME_BYTES_MAX 64U

/* What tables know of the addresses of a record: fields beside those of the type's map. */

static const char *const sides[] = {"source", "destination", "client", "server"};
_Static_assert(PEN_COUNT(sides) == NRM_SIDES_MAX, "sides");

static const struct {
    const char *name;
    uint32_t of;
} parts[PEN_GEO_PARTS] = {
    [PEN_GEO_CITY] = {"geo.city_name", PEN_ENRICH_GEO},
    [PEN_GEO_COUNTRY_CODE] = {"geo.country_iso_code", PEN_ENRICH_GEO},
    [PEN_GEO_COUNTRY] = {"geo.country_name", PEN_ENRICH_GEO},
    [PEN_GEO_LOCATION] = {"geo.location", PEN_ENRICH_GEO},
    [PEN_AS_NUMBER] = {"as.number", PEN_ENRICH_AS},
    [PEN_AS_NAME] = {"as.organization.name", PEN_ENRICH_AS},
};

bool nrm_is_taken(const struct pen_schema *schema, pen_slice ecs)
{
    for (uint32_t i = 0; i < schema->slot_count; i++) {
        const pen_slice other = schema->slots[i].ecs;
        const pen_slice longer = other.len > ecs.len ? other : ecs;
        const pen_slice shorter = other.len > ecs.len ? ecs : other;
        if (longer.len > shorter.len && longer.ptr[shorter.len] == '.' &&
            pen_slice_starts(longer, shorter)) {
            return true;
        }
    }
    return false;
}

static const char *const asset_parts[PEN_ASSET_PARTS] = {
    [PEN_ASSET_ALIAS] = "name",
    [PEN_ASSET_ENVIRONMENT] = "environment",
    [PEN_ASSET_OWNER] = "owner",
};
static const char *const account_fields[PEN_ASSET_PARTS] = {
    [PEN_ASSET_ALIAS] = "cloud.account.name",
    [PEN_ASSET_ENVIRONMENT] = "labels.environment",
    [PEN_ASSET_OWNER] = "labels.owner",
};

static const char *const agent_parts[PEN_AGENT_PARTS] = {
    [PEN_AGENT_NAME] = "user_agent.name",       [PEN_AGENT_VERSION] = "user_agent.version",
    [PEN_AGENT_OS_NAME] = "user_agent.os.name", [PEN_AGENT_OS_VERSION] = "user_agent.os.version",
    [PEN_AGENT_OS_FULL] = "user_agent.os.full", [PEN_AGENT_DEVICE] = "user_agent.device.name",
};

/* The slot of a field, which is NONE when it is not wanted or taken. */
static pen_status field_add(struct pen_schema *schema, const char *name, bool is_wanted,
                            uint32_t *slot, struct pen_err *err)
{
    *slot = PEN_FIELD_NONE;
    if (!is_wanted || nrm_is_taken(schema, pen_slice_str(name))) {
        return PEN_OK;
    }
    const pen_slice ecs = pen_arena_dup(&schema->arena, pen_slice_str(name));
    if (ecs.ptr == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "fields of enrichment");
    }
    PEN_TRY(nrm_slot_add(schema, ecs, slot, err));
    schema->slots[*slot].is_enriched = true;
    return PEN_OK;
}

static pen_status side_add(struct pen_schema *schema, const char *side, uint32_t wanted,
                           struct pen_err *err)
{
    char name[NAME_BYTES_MAX];
    (void)snprintf(name, sizeof(name), "%s.ip", side);
    const uint32_t ip = nrm_slot_find(schema, pen_slice_str(name));
    if (ip == PEN_FIELD_NONE) {
        return PEN_OK;
    }
    struct nrm_side *to = &schema->sides[schema->side_count++];
    to->ip = ip;
    to->has_geo = (wanted & (PEN_ENRICH_GEO | PEN_ENRICH_AS)) != 0;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < PEN_GEO_PARTS; i++) {
        (void)snprintf(name, sizeof(name), "%s.%s", side, parts[i].name);
        st = field_add(schema, name, (wanted & parts[i].of) != 0, &to->parts[i], err);
    }
    for (uint32_t i = 0; st == PEN_OK && i < PEN_ASSET_PARTS; i++) {
        (void)snprintf(name, sizeof(name), "labels.%s_%s", side, asset_parts[i]);
        st = field_add(schema, name, schema->has_assets, &to->asset[i], err);
    }
    return st;
}

static pen_status agent_add(struct pen_schema *schema, uint32_t wanted, struct pen_err *err)
{
    schema->slot_agent = (wanted & PEN_ENRICH_AGENT) == 0
                             ? PEN_FIELD_NONE
                             : nrm_slot_find(schema, PEN_SLICE_LIT("user_agent.original"));
    for (uint32_t i = 0; i < PEN_AGENT_PARTS && schema->slot_agent != PEN_FIELD_NONE; i++) {
        PEN_TRY(field_add(schema, agent_parts[i], true, &schema->agent[i], err));
    }
    return PEN_OK;
}

pen_status nrm_enrich_build(struct pen_schema *schema, uint32_t wanted, struct pen_err *err)
{
    const uint32_t of_sides = PEN_ENRICH_GEO | PEN_ENRICH_AS | PEN_ENRICH_ASSETS;
    schema->has_assets = (wanted & PEN_ENRICH_ASSETS) != 0;
    for (uint32_t i = 0; i < PEN_ASSET_PARTS; i++) {
        PEN_TRY(field_add(schema, account_fields[i], schema->has_assets, &schema->asset[i], err));
    }
    for (uint32_t i = 0; i < NRM_SIDES_MAX && (wanted & of_sides) != 0; i++) {
        PEN_TRY(side_add(schema, sides[i], wanted, err));
    }
    PEN_TRY(agent_add(schema, wanted, err));
    PEN_TRY(nrm_client_build(schema, wanted, err));
    return nrm_threat_build(schema, wanted, err);
}

/* ---- of a record ---- */

/* What the tables do not know stays as the record says it. */
static void slot_fill(struct pen_normalizer *n, uint32_t slot, pen_slice text,
                      enum nrm_value_kind kind, bool is_escaped)
{
    if (text.len > 0 && slot != PEN_FIELD_NONE) {
        n->slots[slot] =
            (struct nrm_value){.kind = (uint8_t)kind, .is_escaped = is_escaped, .text = text};
    }
}

static bool has_bit(uint8_t bits, uint32_t at)
{
    return (((uint32_t)bits >> at) & 1U) != 0;
}

static void asset_fill(struct pen_normalizer *n, const uint32_t slots[PEN_ASSET_PARTS],
                       const struct pen_asset *asset)
{
    for (uint32_t i = 0; asset != NULL && i < PEN_ASSET_PARTS; i++) {
        slot_fill(n, slots[i], asset->parts[i], NRM_TEXT, has_bit(asset->escaped, i));
    }
}

static void side_fill(struct pen_normalizer *n, const struct nrm_side *side, struct pen_geo *geo)
{
    const struct nrm_value *ip = &n->slots[side->ip];
    if (ip->kind != NRM_TEXT || ip->is_escaped) {
        return;
    }
    if (n->schema->has_assets) {
        asset_fill(n, side->asset, pen_enricher_address(n->enricher, ip->text));
    }
    if (!side->has_geo || !pen_enricher_geo(n->enricher, ip->text, geo)) {
        return;
    }
    for (uint32_t i = 0; i < PEN_GEO_PARTS; i++) {
        slot_fill(n, side->parts[i], pen_geo_part(geo, i),
                  i == PEN_GEO_LOCATION ? NRM_JSON : NRM_TEXT, has_bit(geo->escaped, i));
    }
}

static void agent_fill(struct pen_normalizer *n)
{
    const struct pen_schema *schema = n->schema;
    const struct nrm_value *original = &n->slots[schema->slot_agent];
    if (original->kind != NRM_TEXT ||
        !pen_enricher_agent(n->enricher, original->text, original->is_escaped, &n->agent)) {
        return;
    }
    for (uint32_t i = 0; i < PEN_AGENT_PARTS; i++) {
        slot_fill(n, schema->agent[i], pen_agent_part(&n->agent, i), NRM_TEXT,
                  has_bit(n->agent.escaped, i));
    }
}

void nrm_enrich_fill(struct pen_normalizer *n)
{
    const struct pen_schema *schema = n->schema;
    const struct nrm_value *account = &n->slots[schema->slot_account];
    if (schema->has_assets && account->kind == NRM_TEXT && !account->is_escaped) {
        asset_fill(n, schema->asset, pen_enricher_account(n->enricher, account->text));
    }
    for (uint32_t i = 0; i < schema->side_count; i++) {
        side_fill(n, &schema->sides[i], &n->geo[i]);
    }
    if (schema->slot_agent != PEN_FIELD_NONE) {
        agent_fill(n);
    }
}

void pen_normalizer_enrich(struct pen_normalizer *normalizer, struct pen_enricher *enricher)
{
    normalizer->enricher = enricher;
}
