/* assets.h - a table of what belongs to whom: accounts and networks, read from a CSV file. */
#ifndef PEN_ENRICH_ASSETS_H
#define PEN_ENRICH_ASSETS_H

#include "penstock/enrich.h"

#include "mmdb.h"
#include "ranges.h"

#define ASSETS_BYTES_MAX ((size_t)64 << 20)
#define ASSET_ROWS_MAX 1000000U

struct asset_account {
    uint64_t number;
    uint32_t row;
};
struct assets {
    struct pen_arena arena;
    struct mmdb_stamp stamp;
    uint32_t users; /* generations that have it, as of databases */
    struct pen_asset *rows;
    uint32_t row_count;
    struct asset_account *accounts; /* sorted by number */
    uint32_t account_count;
    struct ranges networks;
};

/* PEN_OK | PEN_E_USAGE (names the option, file, line and why) | PEN_E_NOMEM */
PEN_MUST_USE pen_status assets_open(const char *path, struct assets **out, struct pen_err *err);
void assets_close(struct assets *assets); /* may be NULL */
/* Its row, or NULL. */
const struct pen_asset *assets_account(const struct assets *assets, pen_slice account);
const struct pen_asset *assets_address(const struct assets *assets, pen_slice ip);

#endif
