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

static pen_slice name_of(struct pen_schema *schema, const char *side, const char *field)
{
    char text[NAME_BYTES_MAX];
    const int len = snprintf(text, sizeof(text), "%s.%s", side, field);
    PEN_CHECK(len > 0 && (size_t)len < sizeof(text));
    return pen_arena_dup(&schema->arena, pen_slice_str(text));
}

/* Whether the map of the type has an object or a value where the field would need the other. */
static bool is_taken(const struct pen_schema *schema, pen_slice ecs)
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

static pen_status side_add(struct pen_schema *schema, const char *side, uint32_t wanted,
                           struct pen_err *err)
{
    const pen_slice address = name_of(schema, side, "ip");
    const uint32_t ip = nrm_slot_find(schema, address);
    if (ip == PEN_FIELD_NONE) {
        return PEN_OK;
    }
    struct nrm_side *to = &schema->sides[schema->side_count++];
    to->ip = ip;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < PEN_GEO_PARTS; i++) {
        const pen_slice ecs = name_of(schema, side, parts[i].name);
        const bool is_ours = (wanted & parts[i].of) != 0 && !is_taken(schema, ecs);
        to->parts[i] = PEN_FIELD_NONE;
        if (ecs.ptr == NULL) {
            st = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "fields of enrichment");
        } else if (is_ours) {
            st = nrm_slot_add(schema, ecs, &to->parts[i], err);
        }
    }
    return st;
}

pen_status nrm_enrich_build(struct pen_schema *schema, uint32_t wanted, struct pen_err *err)
{
    for (uint32_t i = 0; i < NRM_SIDES_MAX && wanted != 0; i++) {
        PEN_TRY(side_add(schema, sides[i], wanted, err));
    }
    return PEN_OK;
}

bool nrm_enrich_has(const struct pen_schema *schema, uint32_t slot)
{
    for (uint32_t i = 0; i < schema->side_count; i++) {
        for (uint32_t part = 0; part < PEN_GEO_PARTS; part++) {
            if (schema->sides[i].parts[part] == slot) {
                return true;
            }
        }
    }
    return false;
}

/* What the tables do not know stays as the record says it. */
static void side_fill(struct pen_normalizer *n, const struct nrm_side *side, struct pen_geo *geo)
{
    const struct nrm_value *ip = &n->slots[side->ip];
    if (ip->kind != NRM_TEXT || ip->is_escaped || !pen_enricher_geo(n->enricher, ip->text, geo)) {
        return;
    }
    for (uint32_t i = 0; i < PEN_GEO_PARTS; i++) {
        const pen_slice text = pen_geo_part(geo, i);
        if (text.len > 0 && side->parts[i] != PEN_FIELD_NONE) {
            n->slots[side->parts[i]] =
                (struct nrm_value){.kind = i == PEN_GEO_LOCATION ? NRM_JSON : NRM_TEXT,
                                   .is_escaped = (geo->escaped >> i & 1U) != 0,
                                   .text = text};
        }
    }
}

void nrm_enrich_fill(struct pen_normalizer *n)
{
    for (uint32_t i = 0; i < n->schema->side_count; i++) {
        side_fill(n, &n->schema->sides[i], &n->geo[i]);
    }
}

void pen_normalizer_enrich(struct pen_normalizer *normalizer, struct pen_enricher *enricher)
{
    normalizer->enricher = enricher;
}
