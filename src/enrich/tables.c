/* tested by tests/unit/enrich/test_geo.c */
#include "tables.h"

#include <stdlib.h>
#include <unistd.h>

static bool is_agent_wanted(const char *user_agent)
{
    return user_agent != NULL && user_agent[0] != '\0' && strcmp(user_agent, AGENTS_OFF) != 0;
}

bool pen_enrich_wanted(const struct pen_enrich_options *o)
{
    const char *const wants[] = {o->geoip, o->asn, o->assets, o->trusted_proxies, o->ioc};
    bool is_any = false;
    for (size_t i = 0; i < PEN_COUNT(wants); i++) {
        is_any |= wants[i] != NULL && wants[i][0] != '\0';
    }
    return is_any || is_agent_wanted(o->user_agent);
}

static void leave(struct mmdb *mmdb)
{
    if (mmdb != NULL && --mmdb->users == 0) {
        mmdb_close(mmdb);
    }
}

static void tables_free(struct pen_enrich_tables *tables)
{
    leave(tables->geo);
    leave(tables->as);
    if (tables->assets != NULL && --tables->assets->users == 0) {
        assets_close(tables->assets);
    }
    pen_iocs_close(tables->iocs);
    free(tables);
}

void tables_free_all(struct pen_enrich_tables *last)
{
    while (last != NULL) {
        struct pen_enrich_tables *before = last->before;
        tables_free(last);
        last = before;
    }
}

/* ---- open and close ---- */

static pen_status path_take(const char *path, char **out, struct pen_err *err)
{
    *out = path == NULL || path[0] == '\0' ? NULL : strdup(path);
    return *out != NULL || path == NULL || path[0] == '\0'
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
}

static pen_status proxies_take(const char *list, struct pen_enrich *enrich, struct pen_err *err)
{
    enrich->has_proxies = list != NULL && list[0] != '\0';
    return enrich->has_proxies ? proxies_read(pen_slice_str(list), &enrich->proxies, err) : PEN_OK;
}

static pen_status databases_open(const struct pen_enrich *enrich, struct pen_enrich_tables *first,
                                 struct pen_err *err)
{
    if (enrich->geoip != NULL) {
        PEN_TRY(mmdb_open(enrich->geoip, MMDB_KIND_GEO, &first->geo, err));
    }
    if (enrich->asn != NULL) {
        PEN_TRY(mmdb_open(enrich->asn, MMDB_KIND_AS, &first->as, err));
    }
    return PEN_OK;
}

/* Paths with commas between them. */
static pen_status iocs_open(const char *list, struct pen_enrich *enrich, struct pen_iocs **out,
                            struct pen_err *err)
{
    char *paths[PEN_IOC_LISTS_MAX + 1] = {NULL};
    uint32_t count = 0;
    pen_slice rest = list == NULL ? (pen_slice){0} : pen_slice_str(list);
    pen_slice path;
    bool is_good = true;
    while (is_good && rest.len > 0 && count <= PEN_IOC_LISTS_MAX &&
           pen_slice_split(&rest, ',', &path)) {
        path = pen_slice_trim(path);
        paths[count] = strndup((const char *)path.ptr, path.len);
        is_good = paths[count++] != NULL;
    }
    pen_status st =
        is_good ? PEN_OK : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    if (is_good && count > 0) {
        st = pen_iocs_open((const char *const *)paths, count, &enrich->ioc_limits, out, err);
    }
    while (count > 0) {
        free(paths[--count]);
    }
    return st;
}

static pen_status agents_take(const char *from, struct pen_enrich *enrich, struct pen_err *err)
{
    return is_agent_wanted(from) ? agents_open(from, &enrich->agents, err) : PEN_OK;
}

static pen_status open_in(struct pen_enrich *enrich, const struct pen_enrich_options *options,
                          struct pen_err *err)
{
    struct pen_enrich_tables *first = calloc(1, sizeof(*first));
    if (first == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    }
    enrich->now = first;
    PEN_TRY(proxies_take(options->trusted_proxies, enrich, err));
    PEN_TRY(path_take(options->geoip, &enrich->geoip, err));
    PEN_TRY(path_take(options->asn, &enrich->asn, err));
    PEN_TRY(path_take(options->assets, &enrich->assets, err));
    PEN_TRY(databases_open(enrich, first, err));
    enrich->ioc_limits = options->ioc_limits;
    PEN_TRY(iocs_open(options->ioc, enrich, &first->iocs, err));
    PEN_TRY(agents_take(options->user_agent, enrich, err));
    return enrich->assets == NULL ? PEN_OK : assets_open(enrich->assets, &first->assets, err);
}

pen_status pen_enrich_open(const struct pen_enrich_options *options, struct pen_enrich **out,
                           struct pen_err *err)
{
    struct pen_enrich *enrich = calloc(1, sizeof(*enrich));
    *out = NULL;
    if (enrich == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    }
    const pen_status st = open_in(enrich, options, err);
    if (st != PEN_OK) {
        pen_enrich_close(enrich);
        return st;
    }
    *out = enrich;
    return PEN_OK;
}

void pen_enrich_close(struct pen_enrich *enrich)
{
    if (enrich == NULL) {
        return;
    }
    tables_free_all(enrich->next);
    tables_free_all(enrich->now);
    if (enrich->has_proxies) {
        proxies_fini(&enrich->proxies);
    }
    agents_close(enrich->agents);
    free(enrich->geoip);
    free(enrich->asn);
    free(enrich->assets);
    free(enrich);
}

uint32_t pen_enrich_parts(const struct pen_enrich *enrich)
{
    return (enrich->geoip != NULL ? PEN_ENRICH_GEO : 0) |
           (enrich->asn != NULL ? PEN_ENRICH_AS : 0) |
           (enrich->assets != NULL ? PEN_ENRICH_ASSETS : 0) |
           (enrich->has_proxies ? PEN_ENRICH_CLIENT : 0) |
           (enrich->now->iocs != NULL ? PEN_ENRICH_IOC : 0) |
           (enrich->agents != NULL ? PEN_ENRICH_AGENT : 0);
}

bool pen_enrich_has_places(const struct pen_enrich *enrich)
{
    return enrich->now->geo != NULL && mmdb_has_places(enrich->now->geo);
}

uint64_t pen_enrich_bytes(const struct pen_enrich *enrich)
{
    const struct pen_enrich_tables *now = enrich->now;
    return (now->geo == NULL ? 0 : now->geo->stamp.bytes) +
           (now->as == NULL ? 0 : now->as->stamp.bytes) +
           (now->assets == NULL ? 0 : now->assets->arena.used_bytes) +
           (enrich->has_proxies ? enrich->proxies.arena.used_bytes : 0) +
           (now->iocs == NULL ? 0 : pen_iocs_bytes(now->iocs)) +
           (enrich->agents == NULL ? 0 : agents_bytes(enrich->agents));
}

const struct pen_iocs *pen_enrich_iocs(const struct pen_enrich *enrich)
{
    return enrich->now->iocs;
}

const struct pen_enrich_tables *pen_enrich_now(const struct pen_enrich *enrich)
{
    return enrich->now;
}
