/* tested by tests/unit/enrich/test_geo.c */
#include "tables.h"

#include <stdlib.h>

/* Whether the file has another content than is in use, that was not refused before. */
static bool is_new(const char *path, const struct mmdb_stamp *now, const struct mmdb_stamp *refused,
                   struct mmdb_stamp *stamp)
{
    return path != NULL && mmdb_stamp_of(path, stamp) && !mmdb_stamp_same(stamp, now) &&
           !mmdb_stamp_same(stamp, refused);
}

struct watched {
    const char *path;
    enum mmdb_kind kind;
    struct mmdb *now;
    struct mmdb_stamp *refused;
};

/* The content of the file when it is new and can be used, else what there is. */
static pen_status next_of(const struct watched *w, struct mmdb **out, struct pen_err *err)
{
    struct mmdb_stamp stamp;
    pen_status st = PEN_OK;
    if (w->now != NULL && is_new(w->path, &w->now->stamp, w->refused, &stamp)) {
        st = mmdb_open(w->path, w->kind, out, err);
        *w->refused = st == PEN_E_USAGE ? stamp : *w->refused;
    }
    if (*out == NULL && w->now != NULL) {
        *out = w->now;
        w->now->users++;
    }
    return st;
}

/* The same of the table of assets. */
static pen_status next_assets(struct pen_enrich *enrich, struct assets **out, struct pen_err *err)
{
    struct assets *now = enrich->now->assets;
    struct mmdb_stamp stamp;
    pen_status st = PEN_OK;
    if (now != NULL && is_new(enrich->assets, &now->stamp, &enrich->refused_assets, &stamp)) {
        st = assets_open(enrich->assets, out, err);
        enrich->refused_assets = st == PEN_E_USAGE ? stamp : enrich->refused_assets;
    }
    if (*out == NULL && now != NULL) {
        *out = now;
        now->users++;
    }
    return st;
}

/* And of the lists of indicators. */
static pen_status next_iocs(struct pen_enrich *enrich, struct pen_iocs **out, struct pen_err *err)
{
    struct pen_iocs *now = enrich->now->iocs;
    pen_status st = PEN_OK;
    if (now != NULL) {
        st = ioc_reload(now, &enrich->ioc_limits, enrich->refused_iocs, out, err);
    }
    if (*out == NULL && now != NULL) {
        *out = now;
        now->users++;
    }
    return st;
}

/* All that there is, new or as before; the first failure is told, what is behind it goes on. */
static pen_status next_all(struct pen_enrich *enrich, struct pen_enrich_tables *next,
                           struct pen_err *err)
{
    const struct pen_enrich_tables *now = enrich->now;
    const struct watched geo = {enrich->geoip, MMDB_KIND_GEO, now->geo, &enrich->refused_geo};
    const struct watched as = {enrich->asn, MMDB_KIND_AS, now->as, &enrich->refused_as};
    pen_status st = next_of(&geo, &next->geo, err);
    pen_status more = next_of(&as, &next->as, st == PEN_OK ? err : NULL);
    st = st != PEN_OK ? st : more;
    more = next_assets(enrich, &next->assets, st == PEN_OK ? err : NULL);
    st = st != PEN_OK ? st : more;
    more = next_iocs(enrich, &next->iocs, st == PEN_OK ? err : NULL);
    return st != PEN_OK ? st : more;
}

/* ---- the three steps ---- */

bool pen_enrich_look(struct pen_enrich *enrich)
{
    struct mmdb_stamp stamp;
    struct pen_enrich_tables *now = enrich->now;
    tables_free_all(now->before);
    now->before = NULL;
    return (now->geo != NULL &&
            is_new(enrich->geoip, &now->geo->stamp, &enrich->refused_geo, &stamp)) ||
           (now->as != NULL && is_new(enrich->asn, &now->as->stamp, &enrich->refused_as, &stamp)) ||
           (now->assets != NULL &&
            is_new(enrich->assets, &now->assets->stamp, &enrich->refused_assets, &stamp)) ||
           (now->iocs != NULL && ioc_is_changed(now->iocs, enrich->refused_iocs));
}

pen_status pen_enrich_read(struct pen_enrich *enrich, struct pen_err *err)
{
    PEN_CHECK(enrich->next == NULL);
    enrich->next = calloc(1, sizeof(*enrich->next));
    return enrich->next == NULL
               ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory")
               : next_all(enrich, enrich->next, err);
}

uint32_t pen_enrich_swap(struct pen_enrich *enrich)
{
    struct pen_enrich_tables *now = enrich->now;
    struct pen_enrich_tables *next = enrich->next;
    enrich->next = NULL;
    if (next == NULL) {
        return 0; /* there was no memory for it */
    }
    const uint32_t changed = (next->geo != now->geo ? PEN_ENRICH_GEO : 0) |
                             (next->as != now->as ? PEN_ENRICH_AS : 0) |
                             (next->assets != now->assets ? PEN_ENRICH_ASSETS : 0) |
                             (next->iocs != now->iocs ? PEN_ENRICH_IOC : 0);
    if (changed == 0) {
        tables_free_all(next);
        return 0;
    }
    next->before = now;
    enrich->now = next;
    return changed;
}
