#include "penstock/enrich.h"
#include "penstock/json.h"
#include "penstock/match.h"

#include "tables.h"

#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 32U
#define DIGITS_MAX 17 /* that tell one double from the next */

struct cached {
    uint8_t addr[16];
    uint8_t bits; /* 0: empty */
    uint8_t escaped;
    uint8_t damaged; /* bits of enum damage */
    uint16_t ends[PEN_GEO_PARTS];
    char text[PEN_GEO_CACHE_TEXT_MAX];
};

enum damage { DAMAGE_GEO = 1, DAMAGE_AS = 2 };

struct pen_enricher {
    const struct pen_enrich_tables *tables;
    const struct proxies *proxies; /* or NULL */
    struct agent_cache *agents;    /* likewise */
    struct pen_buf part;           /* one text, escaped */
    struct cached *cache;
    struct pen_enricher_counters counters;
};

/* ---- one shard's ---- */

pen_status pen_enricher_new(const struct pen_enrich *enrich, struct pen_enricher **out,
                            struct pen_err *err)
{
    struct pen_enricher *e = calloc(1, sizeof(*e));
    struct cached *cache = calloc(PEN_GEO_CACHE_ENTRIES, sizeof(*cache));
    *out = e;
    if (e == NULL || cache == NULL) {
        free(e);
        free(cache);
        *out = NULL;
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    }
    e->tables = pen_enrich_now(enrich);
    e->proxies = enrich->has_proxies ? &enrich->proxies : NULL;
    e->cache = cache;
    pen_buf_init(&e->part, (size_t)PEN_GEO_TEXT_MAX * 6);
    const pen_status st =
        enrich->agents == NULL ? PEN_OK : agent_cache_new(enrich->agents, &e->agents, err);
    if (st != PEN_OK) {
        pen_enricher_free(e);
        *out = NULL;
    }
    return st;
}

void pen_enricher_free(struct pen_enricher *enricher)
{
    if (enricher != NULL) {
        agent_cache_free(enricher->agents);
        pen_buf_fini(&enricher->part);
        free(enricher->cache);
        free(enricher);
    }
}

uint64_t pen_enricher_memory(const struct pen_enrich *enrich)
{
    return PEN_GEO_CACHE_ENTRIES * sizeof(struct cached) + (uint64_t)PEN_GEO_TEXT_MAX * 6 +
           (enrich->agents == NULL ? 0 : agent_cache_memory(enrich->agents));
}

void pen_enricher_use(struct pen_enricher *enricher, const struct pen_enrich_tables *tables)
{
    if (tables == enricher->tables) {
        return;
    }
    enricher->tables = tables;
    for (uint32_t i = 0; i < PEN_GEO_CACHE_ENTRIES; i++) {
        enricher->cache[i].bits = 0;
    }
}

/* ---- addresses ---- */

static bool is_public_v4(const uint8_t a[4])
{
    return !(a[0] == 0 || a[0] == 10 || a[0] == 127 || a[0] >= 224 ||
             (a[0] == 100 && (a[1] & 0xc0) == 64) || (a[0] == 169 && a[1] == 254) ||
             (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168));
}

/* Global unicast is what is left of ::/8, fc00::/7 (private), fe80::/10 (link) and ff00::/8. */
static bool is_public_v6(const uint8_t a[16])
{
    return a[0] != 0 && a[0] < 0xfc;
}

/* What can be looked up; IPv4 in IPv6 becomes IPv4. */
static bool address_take(pen_slice text, uint8_t addr[16], uint8_t *bits)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memset(addr, 0, 16);
    if (!pen_ip_parse(text, addr, bits)) {
        return false;
    }
    if (*bits == 128 && memcmp(addr, mapped, sizeof(mapped)) == 0) {
        memcpy(addr, addr + 12, 4);
        memset(addr + 4, 0, 12);
        *bits = 32;
    }
    return *bits == 32 ? is_public_v4(addr) : is_public_v6(addr);
}

/* ---- answers ---- */

static void part_end(struct pen_geo *geo, enum pen_geo_part part, const void *text, size_t len,
                     bool is_escaped)
{
    const uint16_t from = part == PEN_GEO_CITY ? 0 : geo->ends[part - 1];
    const size_t room = sizeof(geo->text) - from;
    const size_t taken = len <= room ? len : 0;
    if (taken > 0) {
        memcpy(geo->text + from, text, taken);
    }
    geo->ends[part] = (uint16_t)(from + taken);
    geo->escaped |= (uint8_t)((is_escaped && taken > 0) << part);
}

struct look { /* one entry */
    MMDB_entry_s entry;
    bool is_damaged; /* it, or a value of it, is none */
};

/* Where the way to a value ends before it, as it may. */
static bool is_absent(int code)
{
    return code == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR ||
           code == MMDB_INVALID_LOOKUP_PATH_ERROR;
}

/* A value of an entry, by the names on the way to it, ending with NULL. */
static bool value_at(struct look *look, const char *const *path, uint32_t type,
                     MMDB_entry_data_s *out)
{
    if (look->entry.mmdb == NULL) {
        return false;
    }
    const int code = MMDB_aget_value(&look->entry, out, path);
    const bool is_there = code == MMDB_SUCCESS && out->has_data;
    look->is_damaged |= code != MMDB_SUCCESS && !is_absent(code);
    look->is_damaged |= is_there && out->type != type;
    return is_there && out->type == type;
}

static void text_part(struct pen_enricher *e, struct look *look, const char *const *path,
                      struct pen_geo *geo, enum pen_geo_part part)
{
    MMDB_entry_data_s data;
    e->part.len = 0;
    if (!value_at(look, path, MMDB_DATA_TYPE_UTF8_STRING, &data)) {
        part_end(geo, part, NULL, 0, false);
        return;
    }
    const pen_slice text = {(const uint8_t *)data.utf8_string, data.data_size};
    const bool is_text = pen_utf8_valid(text);
    const bool is_good = is_text && pen_json_escape(&e->part, text) == PEN_OK;
    look->is_damaged |= !is_text;
    part_end(geo, part, e->part.ptr, is_good ? e->part.len : 0, e->part.len != text.len);
}

/* The fewest digits that are the same number again. */
static size_t number_text(double value, char out[NUMBER_MAX])
{
    int len = 0;
    double again = 0;
    for (int digits = 6; digits <= DIGITS_MAX; digits++) {
        len = snprintf(out, NUMBER_MAX, "%.*g", digits, value);
        again = strtod(out, NULL);
        if (again >= value && again <= value) {
            break;
        }
    }
    return len < 0 ? 0 : (size_t)len;
}

static void location_part(struct look *look, struct pen_geo *geo)
{
    static const char *const lon_path[] = {"location", "longitude", NULL};
    static const char *const lat_path[] = {"location", "latitude", NULL};
    MMDB_entry_data_s lon;
    MMDB_entry_data_s lat;
    char lon_text[NUMBER_MAX];
    char lat_text[NUMBER_MAX];
    char text[2 * NUMBER_MAX + 24];
    size_t len = 0;
    const bool has_lon = value_at(look, lon_path, MMDB_DATA_TYPE_DOUBLE, &lon);
    const bool has_lat = value_at(look, lat_path, MMDB_DATA_TYPE_DOUBLE, &lat);
    /* What is no number, or no place, would be refused by the index. */
    const bool is_place = has_lon && has_lat && lon.double_value >= -180 &&
                          lon.double_value <= 180 && lat.double_value >= -90 &&
                          lat.double_value <= 90;
    look->is_damaged |= has_lon && has_lat && !is_place;
    if (is_place) {
        const size_t lon_len = number_text(lon.double_value, lon_text);
        const size_t lat_len = number_text(lat.double_value, lat_text);
        len = (size_t)snprintf(text, sizeof(text), "{\"lon\":%.*s,\"lat\":%.*s}", (int)lon_len,
                               lon_text, (int)lat_len, lat_text);
    }
    part_end(geo, PEN_GEO_LOCATION, text, len, false);
}

static void number_part(struct look *look, struct pen_geo *geo)
{
    static const char *const path[] = {"autonomous_system_number", NULL};
    MMDB_entry_data_s data;
    char text[NUMBER_MAX];
    const bool is_there = value_at(look, path, MMDB_DATA_TYPE_UINT32, &data);
    const int len = is_there ? snprintf(text, sizeof(text), "%u", data.uint32) : 0;
    part_end(geo, PEN_AS_NUMBER, text, (size_t)len, false);
}

static struct look entry_of(const struct mmdb *mmdb, const uint8_t addr[16], uint8_t bits)
{
    struct look look = {.is_damaged = false};
    look.is_damaged = mmdb != NULL && !mmdb_find(mmdb, addr, bits, &look.entry);
    return look;
}

/* Bits of enum damage. */
static uint8_t look_up(struct pen_enricher *e, const uint8_t addr[16], uint8_t bits,
                       struct pen_geo *geo)
{
    static const char *const city[] = {"city", "names", "en", NULL};
    static const char *const code[] = {"country", "iso_code", NULL};
    static const char *const country[] = {"country", "names", "en", NULL};
    static const char *const name[] = {"autonomous_system_organization", NULL};
    struct look at = entry_of(e->tables->geo, addr, bits);
    struct look as = entry_of(e->tables->as, addr, bits);
    geo->escaped = 0;
    text_part(e, &at, city, geo, PEN_GEO_CITY);
    text_part(e, &at, code, geo, PEN_GEO_COUNTRY_CODE);
    text_part(e, &at, country, geo, PEN_GEO_COUNTRY);
    location_part(&at, geo);
    number_part(&as, geo);
    text_part(e, &as, name, geo, PEN_AS_NAME);
    return (uint8_t)((at.is_damaged ? DAMAGE_GEO : 0U) | (as.is_damaged ? DAMAGE_AS : 0U));
}

static void damage_count(struct pen_enricher *e, uint8_t damaged)
{
    e->counters.geo_damaged += (damaged & DAMAGE_GEO) != 0;
    e->counters.as_damaged += (damaged & DAMAGE_AS) != 0;
}

struct pen_enricher_counters pen_enricher_counters_get(const struct pen_enricher *enricher)
{
    return enricher->counters;
}

static bool is_cached(const struct cached *cached, const uint8_t addr[16], uint8_t bits)
{
    return cached->bits == bits && memcmp(cached->addr, addr, 16) == 0;
}

bool pen_enricher_geo(struct pen_enricher *enricher, pen_slice ip, struct pen_geo *geo)
{
    uint8_t addr[16];
    uint8_t bits = 0;
    if (!address_take(ip, addr, &bits)) {
        return false;
    }
    const uint64_t hash = pen_hash64((pen_slice){addr, sizeof(addr)}, bits);
    struct cached *cached = &enricher->cache[hash & (PEN_GEO_CACHE_ENTRIES - 1)];
    if (PEN_LIKELY(is_cached(cached, addr, bits))) {
        memcpy(geo->ends, cached->ends, sizeof(geo->ends));
        geo->escaped = cached->escaped;
        memcpy(geo->text, cached->text, cached->ends[PEN_GEO_PARTS - 1]);
        damage_count(enricher, cached->damaged);
        return geo->ends[PEN_GEO_PARTS - 1] > 0;
    }
    const uint8_t damaged = look_up(enricher, addr, bits, geo);
    damage_count(enricher, damaged);
    const uint16_t len = geo->ends[PEN_GEO_PARTS - 1];
    if (len <= sizeof(cached->text)) {
        memcpy(cached->addr, addr, sizeof(addr));
        memcpy(cached->ends, geo->ends, sizeof(geo->ends));
        memcpy(cached->text, geo->text, len);
        cached->escaped = geo->escaped;
        cached->damaged = damaged;
        cached->bits = bits;
    }
    return len > 0;
}

const struct pen_asset *pen_enricher_account(const struct pen_enricher *enricher, pen_slice account)
{
    const struct assets *assets = enricher->tables->assets;
    return assets == NULL ? NULL : assets_account(assets, account);
}

const struct pen_asset *pen_enricher_address(const struct pen_enricher *enricher, pen_slice ip)
{
    const struct assets *assets = enricher->tables->assets;
    return assets == NULL ? NULL : assets_address(assets, ip);
}

bool pen_enricher_trusts(const struct pen_enricher *enricher, pen_slice ip)
{
    return enricher->proxies != NULL && proxies_have(enricher->proxies, ip);
}

uint32_t pen_enricher_ioc(const struct pen_enricher *enricher, uint32_t kinds, pen_slice text,
                          struct pen_ioc *out, uint32_t max)
{
    const struct pen_iocs *iocs = enricher->tables->iocs;
    return iocs == NULL ? 0 : pen_iocs_find(iocs, kinds, text, out, max);
}

bool pen_enricher_agent(struct pen_enricher *enricher, pen_slice original, bool is_escaped,
                        struct pen_agent *agent)
{
    return enricher->agents != NULL && agent_find(enricher->agents, original, is_escaped, agent);
}

pen_status pen_enrich_libraries(struct pen_buf *out)
{
    return pen_buf_printf(out, "libmaxminddb %s\n", MMDB_lib_version());
}
