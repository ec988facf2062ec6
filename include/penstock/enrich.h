/*
 * penstock/enrich.h - what is known of the addresses in records that records do not say.
 *
 * pen_enrich holds the tables of a run: MaxMind databases (format 2.0) of places and of autonomous
 * systems, a table of assets, and which proxies are trusted.  It is one thread's; its tables never
 * change and are read by all shards.  pen_enricher is a shard's own: the tables that it uses, and
 * its cache of answers.
 *
 * What a look-up gives is the inside of JSON strings, in English, in the fields of ECS below
 * source, destination, client and server: geo.city_name, geo.country_iso_code, geo.country_name,
 * geo.location {"lon","lat"}, as.number, as.organization.name.
 */
#ifndef PEN_ENRICH_H
#define PEN_ENRICH_H

#include "penstock/base.h"

/* What documents get, a bit each. */
#define PEN_ENRICH_GEO 1U
#define PEN_ENRICH_AS 2U
#define PEN_ENRICH_ASSETS 4U
#define PEN_ENRICH_CLIENT 8U /* source.ip behind proxies that are trusted */

struct pen_enrich_options {      /* paths; NULL or "": none */
    const char *geoip;           /* a database of cities or countries */
    const char *asn;             /* of autonomous systems */
    const char *assets;          /* CSV: what belongs to whom */
    const char *trusted_proxies; /* no path: addresses and networks, with commas between them */
};

struct pen_enrich;
/* Whether the options name any table. */
bool pen_enrich_wanted(const struct pen_enrich_options *options);
/*
 * pen_enrich_open - reads all tables into memory, whole: what becomes of the files later changes
 * nothing.
 *
 * options  borrowed until return
 * Returns  PEN_OK | PEN_E_USAGE (a file is missing, damaged or of the wrong kind: err says which
 *          and why) | PEN_E_NOMEM
 * Cost     a copy of the files and a walk over their search trees: 0.1 s for 60 MB
 */
PEN_MUST_USE pen_status pen_enrich_open(const struct pen_enrich_options *options,
                                        struct pen_enrich **out, struct pen_err *err);
/* All enrichers are freed before. */
void pen_enrich_close(struct pen_enrich *enrich);
/*
 * pen_enrich_reload - looks at the files, and takes those that changed (by inode, size or time).
 *
 * All enrichers have used the tables of pen_enrich_now since the reload before: what is older is
 * freed.  Of a file that cannot be used the tables before stay; it is told once and not read again
 * before it changes.
 * changed  set when there are new tables
 * Returns  PEN_OK | PEN_E_USAGE | PEN_E_NOMEM
 * Cost     a stat of each file; with a change, that of open
 */
PEN_MUST_USE pen_status pen_enrich_reload(struct pen_enrich *enrich, bool *changed,
                                          struct pen_err *err);
/* The tables of now, as long as enrich lives and until the reload after the next. */
struct pen_enrich_tables;
const struct pen_enrich_tables *pen_enrich_now(const struct pen_enrich *enrich);
/* PEN_ENRICH_ bits of the tables that are there; the same as long as enrich lives. */
uint32_t pen_enrich_parts(const struct pen_enrich *enrich);
uint64_t pen_enrich_bytes(const struct pen_enrich *enrich); /* of memory that its tables take */

enum pen_geo_part {
    PEN_GEO_CITY,
    PEN_GEO_COUNTRY_CODE,
    PEN_GEO_COUNTRY,
    PEN_GEO_LOCATION, /* a JSON object */
    PEN_AS_NUMBER,    /* digits */
    PEN_AS_NAME,
    PEN_GEO_PARTS
};
#define PEN_GEO_TEXT_MAX 1024U /* bytes of all parts; one that does not fit is left out */

struct pen_geo { /* of one address; read it with pen_geo_part */
    uint16_t ends[PEN_GEO_PARTS];
    uint8_t escaped; /* a bit for each part that has escapes */
    char text[PEN_GEO_TEXT_MAX];
};
/* A part, empty when it is not known. */
static inline pen_slice pen_geo_part(const struct pen_geo *geo, enum pen_geo_part part)
{
    const uint16_t from = part == PEN_GEO_CITY ? 0 : geo->ends[part - 1];
    return (pen_slice){(const uint8_t *)geo->text + from, (size_t)geo->ends[part] - from};
}

#define PEN_GEO_CACHE_ENTRIES 8192U /* addresses, by their hash: a power of two */
#define PEN_GEO_CACHE_TEXT_MAX 208U /* longer answers are looked up each time */

/*
 * An asset table is CSV; its first line names the columns: `account` (12 digits) or `ip` (an
 * address or a network), or both, of which each row has one; and `alias`, `environment`, `owner`.
 * Of networks that nest the narrowest counts.  The row of a record's account gives
 * cloud.account.name (alias), labels.environment and labels.owner; that of an address
 * labels.source_name (alias), labels.source_environment and labels.source_owner, likewise
 * destination, client and server.
 */
enum pen_asset_part { PEN_ASSET_ALIAS, PEN_ASSET_ENVIRONMENT, PEN_ASSET_OWNER, PEN_ASSET_PARTS };
struct pen_asset {
    pen_slice parts[PEN_ASSET_PARTS]; /* insides of JSON strings; empty: not known */
    uint8_t escaped;                  /* a bit for each part that has escapes */
};

struct pen_enricher; /* one thread */
/* It begins with the tables of now. */
PEN_MUST_USE pen_status pen_enricher_new(const struct pen_enrich *enrich, struct pen_enricher **out,
                                         struct pen_err *err);
void pen_enricher_free(struct pen_enricher *enricher);
/* From now on these tables, of the same pen_enrich; what is cached of others is forgotten. */
void pen_enricher_use(struct pen_enricher *enricher, const struct pen_enrich_tables *tables);
uint64_t pen_enricher_memory(void); /* bytes of one */
/*
 * pen_enricher_geo - what the tables know of an address.
 *
 * ip       any text; what is no address, or is private, loopback, link-local or multicast, has
 *          nothing.  IPv4 in IPv6 (::ffff:192.0.2.1) is looked up as IPv4
 * Returns  whether *geo has any part
 * Cost     0.1 us from the cache, about 3 us else, with both databases; no allocation
 */
bool pen_enricher_geo(struct pen_enricher *enricher, pen_slice ip, struct pen_geo *geo);

/* The row of an account or an address, or NULL; as long as its tables.  About 100 ns. */
const struct pen_asset *pen_enricher_account(const struct pen_enricher *enricher,
                                             pen_slice account);
const struct pen_asset *pen_enricher_address(const struct pen_enricher *enricher, pen_slice ip);

/* Whether an address (any text) is a proxy whose X-Forwarded-For is believed.  About 50 ns. */
bool pen_enricher_trusts(const struct pen_enricher *enricher, pen_slice ip);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_enrich_libraries(struct pen_buf *out);

#endif
