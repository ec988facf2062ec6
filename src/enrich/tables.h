/*
 * tables.h - the tables of a run, in generations.
 *
 * A generation never changes.  A reload reads the next one beside it (reload.c), in a thread of its
 * own; the owner then hands it to the enrichers, and frees those before when all have it.  How many
 * generations have a file is counted by the reader while it reads, else by the owner.
 */
#ifndef PEN_ENRICH_TABLES_H
#define PEN_ENRICH_TABLES_H

#include "agents.h"
#include "assets.h"
#include "ioc.h"
#include "mmdb.h"
#include "proxies.h"

struct pen_enrich_tables {
    struct mmdb *geo, *as; /* or NULL; generations share what did not change */
    struct assets *assets;
    struct pen_iocs *iocs;
    struct pen_enrich_tables *before; /* that some enricher may still use */
};

struct pen_enrich {
    char *geoip, *asn, *assets; /* paths, or NULL */
    struct pen_enrich_tables *now;
    struct pen_enrich_tables *next; /* read, not swapped in; or NULL */
    struct mmdb_stamp refused_geo, refused_as,
        refused_assets; /* contents that cannot be used and were told */
    bool has_proxies;
    struct proxies proxies; /* of the run; never change */
    struct agents *agents;  /* likewise; or NULL */
    struct pen_ioc_limits ioc_limits;
    struct mmdb_stamp refused_iocs[PEN_IOC_LISTS_MAX];
};

/* With those before; may be NULL. */
void tables_free_all(struct pen_enrich_tables *last);

#endif
