/*
 * penstock/enrich.h - what is known of the addresses in records that records do not say.
 *
 * pen_enrich holds the tables of a run: MaxMind databases (format 2.0) of places and of autonomous
 * systems, a table of assets, lists of threat indicators, which proxies are trusted, and patterns
 * of user agents.  It is one thread's; its tables never change and are read by all shards.
 * pen_enricher is a shard's own: the tables that it uses, and its cache of answers.
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
#define PEN_ENRICH_IOC 16U   /* threat.enrichments */
#define PEN_ENRICH_AGENT 32U /* what a user agent says */

struct pen_ioc_limits {
    uint64_t entries_max; /* indicators of all lists */
    uint64_t bytes_max;   /* of a file */
};
struct pen_enrich_options {      /* paths; NULL or "": none */
    const char *geoip;           /* a database of cities or countries */
    const char *asn;             /* of autonomous systems */
    const char *assets;          /* CSV: what belongs to whom */
    const char *user_agent;      /* patterns as of uap-core; "builtin": our own, "off": none */
    const char *trusted_proxies; /* no path: addresses and networks, with commas between them */
    const char *ioc;             /* lists of threat indicators, with commas between them */
    struct pen_ioc_limits ioc_limits;
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
 * Files may change while a run goes on.  Three calls, in turn, take what is new; only the second
 * is slow, and is made by a thread beside those that work:
 *
 * pen_enrich_look  its owner: whether a file has another content (inode, size or time) than is in
 *                  use, that was not refused before.  Frees tables before those of now: all
 *                  enrichers have used pen_enrich_now since the swap.  A stat of each file
 * pen_enrich_read  any thread: reads what is new beside the tables of now, which nobody swaps,
 *                  looks at or closes meanwhile; look-ups go on.  Of a file that cannot be used
 *                  the tables before stay; it is told once and not read again before it changes.
 *                  PEN_OK | PEN_E_USAGE | PEN_E_NOMEM.  The cost of open for what changed
 * pen_enrich_swap  its owner, after read: what was read is what there is now.  PEN_ENRICH_ bits of
 *                  what is new; 0: the tables of now are those of before.  No cost
 */
PEN_MUST_USE bool pen_enrich_look(struct pen_enrich *enrich);
PEN_MUST_USE pen_status pen_enrich_read(struct pen_enrich *enrich, struct pen_err *err);
uint32_t pen_enrich_swap(struct pen_enrich *enrich);
/* The tables of now, as long as enrich lives and until the look after the next swap. */
struct pen_enrich_tables;
const struct pen_enrich_tables *pen_enrich_now(const struct pen_enrich *enrich);
/* PEN_ENRICH_ bits of the tables that are there; the same as long as enrich lives. */
uint32_t pen_enrich_parts(const struct pen_enrich *enrich);
/* Whether a database says where addresses are, in degrees: one of cities, not of countries. */
bool pen_enrich_has_places(const struct pen_enrich *enrich);
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
uint64_t pen_enricher_memory(const struct pen_enrich *enrich); /* bytes of one */
/*
 * pen_enricher_geo - what the tables know of an address.
 *
 * ip       any text; what is no address, or is private, loopback, link-local or multicast, has
 *          nothing.  IPv4 in IPv6 (::ffff:192.0.2.1) is looked up as IPv4
 * Returns  whether *geo has any part
 * Cost     0.1 us from the cache, about 3 us else, with both databases; no allocation
 */
bool pen_enricher_geo(struct pen_enricher *enricher, pen_slice ip, struct pen_geo *geo);

struct pen_enricher_counters { /* addresses that were asked for, each time, whose entry is damaged:
                                */
    uint64_t geo_damaged;      /* it lacks what cannot be read, */
    uint64_t as_damaged;
};
struct pen_enricher_counters pen_enricher_counters_get(const struct pen_enricher *enricher);

/* The row of an account or an address, or NULL; as long as its tables.  About 100 ns. */
const struct pen_asset *pen_enricher_account(const struct pen_enricher *enricher,
                                             pen_slice account);
const struct pen_asset *pen_enricher_address(const struct pen_enricher *enricher, pen_slice ip);

/* Whether an address (any text) is a proxy whose X-Forwarded-For is believed.  About 50 ns. */
bool pen_enricher_trusts(const struct pen_enricher *enricher, pen_slice ip);

/* ---- threat indicators ---- */

/*
 * A list of indicators (IoC) is a file in one of three forms, which its content tells:
 *
 * STIX 2  JSON: a bundle, an envelope of TAXII, or objects on their own.  Of its objects of type
 *         indicator the patterns count that compare for equality: [ipv4-addr:value = '192.0.2.1'],
 *         ipv6-addr, domain-name, url, file:hashes, user agents of network-traffic; IN, ISSUBSET
 *         with a network, and OR.  What was revoked or is past its valid_until is left out.
 * CSV     the first line names the columns; one that holds the values (`indicator`, `ip`, `domain`,
 *         `url`, `hash`, `user_agent`, ...) is among them, columns of no known name are passed
 *         over.
 * text    one indicator a line; "#" and ";" begin comments, "user-agent: " a user agent.
 *
 * Written as "hxxp://192[.]0[.]2[.]1" they count too.  A line or a pattern that cannot be used is
 * told and counted, the others are used.  The date of a list is what it says of itself ("modified"
 * of STIX objects, a comment "# updated: 2025-03-04"), else when the file was written.
 */
enum pen_ioc_type {
    PEN_IOC_IPV4, /* addresses and networks */
    PEN_IOC_IPV6,
    PEN_IOC_DOMAIN,
    PEN_IOC_URL,
    PEN_IOC_FILE, /* by a hash: MD5, SHA-1, SHA-2 */
    PEN_IOC_AGENT,
    PEN_IOC_TYPES
};
const char *pen_ioc_type_name(enum pen_ioc_type type); /* of STIX: "ipv4-addr" */

#define PEN_IOC_LISTS_MAX 64U
#define PEN_IOC_VALUE_MAX 2048U /* bytes of an indicator, */
#define PEN_IOC_WORDS_MAX 1024U /* of a name or a description: cut there */
struct pen_iocs; /* lists and what finds in them; never changes, read by any thread */
/*
 * pen_iocs_open - reads lists, in this order.
 *
 * paths    borrowed until return, 1 to PEN_IOC_LISTS_MAX
 * Returns  PEN_OK | PEN_E_USAGE (a file is missing or cannot be used as a whole, or a limit is
 *          reached: err says which and why) | PEN_E_NOMEM
 * Cost     measured for a million addresses: 0.5 s and 50 MB as text, 1.3 s and 120 MB as STIX
 */
PEN_MUST_USE pen_status pen_iocs_open(const char *const *paths, uint32_t count,
                                      const struct pen_ioc_limits *limits, struct pen_iocs **out,
                                      struct pen_err *err);
void pen_iocs_close(struct pen_iocs *iocs); /* may be NULL */
uint64_t pen_iocs_bytes(const struct pen_iocs *iocs);

struct pen_ioc_list { /* slices live as long as the list */
    const char *path;
    pen_slice name; /* of the file, without folder and extension */
    int64_t date_ns;
    bool is_own_date;    /* what it says of itself */
    uint64_t indicators; /* in use */
    uint64_t rejected;   /* lines and patterns that cannot be used */
    uint64_t ended;      /* indicators that were revoked, or are not valid any more */
};
uint32_t pen_iocs_count(const struct pen_iocs *iocs); /* of lists */
void pen_iocs_list(const struct pen_iocs *iocs, uint32_t index, struct pen_ioc_list *out);
/* Appends a line, "FILE:LINE: reason", for each of the first rejected of the lists that were read
 * when iocs was made (not those that a reload left as they were), and one for the rest. */
PEN_MUST_USE pen_status pen_iocs_words(const struct pen_iocs *iocs, struct pen_buf *out);
/* The lists whose date is more than age_ns before now, a bit each, the first list lowest; age_ns 0:
 * none. */
uint64_t pen_iocs_stale(const struct pen_iocs *iocs, int64_t age_ns, int64_t now_ns);
/* Appends a line for each of these lists: how old it is by which date. */
PEN_MUST_USE pen_status pen_iocs_stale_words(const struct pen_iocs *iocs, uint64_t stale,
                                             int64_t now_ns, struct pen_buf *out);
/* The lists of a run as they are now, until the look after the next swap; NULL: it has none. */
const struct pen_iocs *pen_enrich_iocs(const struct pen_enrich *enrich);

/* What a value is looked up as, a bit each. */
#define PEN_IOC_AS_ADDRESS 1U
#define PEN_IOC_AS_DOMAIN 2U
#define PEN_IOC_AS_URL 4U
#define PEN_IOC_AS_FILE 8U
#define PEN_IOC_AS_AGENT 16U
#define PEN_IOC_AS_PARTS 32U /* what stands before a port or a /32, and hosts of URLs */
#define PEN_IOC_AS_ALL 63U
#define PEN_IOC_PUBLIC 64U /* not of private and loopback addresses */

struct pen_ioc { /* an indicator that was found; slices live as long as its list, all plain text */
    enum pen_ioc_type type;
    pen_slice value; /* domains and hashes in lower case */
    pen_slice found; /* what of the value it was found in: borrows that */
    pen_slice list;  /* its name */
    pen_slice provider, name, description, reference, category; /* provider is never empty */
    int64_t first_seen_ns, last_seen_ns, modified_ns;           /* INT64_MIN: not known */
};
/*
 * pen_iocs_find - the indicators of all lists that a value is.
 *
 * Domains and hashes in any case, domains with a dot behind them too, but not names below them;
 * the rest to the letter.  Of an address, itself first, then networks, narrow ones first.
 * kinds    PEN_IOC_ bits
 * text     plain, not JSON
 * Returns  how many are in out, max at most
 * Cost     measured with a million: 0.15 us for what is none, 0.6 us for what is; of addresses
 *          0.2 us more when 50,000 networks are among them
 */
uint32_t pen_iocs_find(const struct pen_iocs *iocs, uint32_t kinds, pen_slice text,
                       struct pen_ioc *out, uint32_t max);
/* The same in the lists that an enricher uses. */
uint32_t pen_enricher_ioc(const struct pen_enricher *enricher, uint32_t kinds, pen_slice text,
                          struct pen_ioc *out, uint32_t max);

/* ---- user agents ---- */

enum pen_agent_part { /* the fields of ECS below user_agent */
                      PEN_AGENT_NAME,
                      PEN_AGENT_VERSION,
                      PEN_AGENT_OS_NAME,
                      PEN_AGENT_OS_VERSION,
                      PEN_AGENT_OS_FULL,
                      PEN_AGENT_DEVICE,
                      PEN_AGENT_PARTS
};
#define PEN_AGENT_BYTES_MAX 4096U     /* of a user agent that are looked at */
#define PEN_AGENT_TEXT_MAX 1024U      /* bytes of all parts; one that does not fit is left out */
#define PEN_AGENT_CACHE_ENTRIES 2048U /* user agents, by their hash: a power of two */
#define PEN_AGENT_CACHE_KEY_MAX 400U  /* longer ones are looked up each time, */
#define PEN_AGENT_CACHE_TEXT_MAX 200U /* and those of longer answers */

struct pen_agent { /* of one user agent; read it with pen_agent_part */
    uint16_t ends[PEN_AGENT_PARTS];
    uint8_t escaped; /* a bit for each part that has escapes */
    char text[PEN_AGENT_TEXT_MAX];
};
/* A part, empty when it is not known; the inside of a JSON string. */
static inline pen_slice pen_agent_part(const struct pen_agent *agent, enum pen_agent_part part)
{
    const uint16_t from = part == PEN_AGENT_NAME ? 0 : agent->ends[part - 1];
    return (pen_slice){(const uint8_t *)agent->text + from, (size_t)agent->ends[part] - from};
}
/*
 * pen_enricher_agent - what a user agent says, as uap-core defines it: the first pattern of each
 * list that matches; "Other" where none does.  A service of AWS that is named alone
 * (ec2.amazonaws.com) is its own name.
 *
 * original    the inside of a JSON string, is_escaped when it has escapes; where blanks are %20 it
 *             is decoded first
 * Returns     whether *agent has any part: not without patterns, nor for "" and "-"
 * Cost        0.04 us from the cache; about 8 us else, with the patterns of uap-core; no
 *             allocation in steady state
 */
bool pen_enricher_agent(struct pen_enricher *enricher, pen_slice original, bool is_escaped,
                        struct pen_agent *agent);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_enrich_libraries(struct pen_buf *out);

#endif
