/* mmdb.h - one MaxMind database, copied into memory that no other process can change. */
#ifndef PEN_ENRICH_MMDB_H
#define PEN_ENRICH_MMDB_H

#include "penstock/enrich.h"

#include <maxminddb.h>
#include <sys/stat.h>

#define MMDB_BYTES_MAX (UINT64_C(4) << 30)

enum mmdb_kind { MMDB_KIND_GEO, MMDB_KIND_AS };

struct mmdb_stamp { /* what tells one content of a file from the next */
    uint64_t inode, device, bytes;
    int64_t mtime_ns;
};

struct mmdb {
    MMDB_s db;
    struct mmdb_stamp stamp;
    bool is_open;
    uint32_t users; /* generations that have it; counted by the thread that reloads */
};

/* False: the file is not there. */
bool mmdb_stamp_of(const char *path, struct mmdb_stamp *stamp);
static inline bool mmdb_stamp_same(const struct mmdb_stamp *a, const struct mmdb_stamp *b)
{
    return a->inode == b->inode && a->device == b->device && a->bytes == b->bytes &&
           a->mtime_ns == b->mtime_ns;
}
/*
 * mmdb_open - copies the file, checks its metadata and every node of its search tree.
 *
 * Returns  PEN_OK | PEN_E_USAGE (names the option and the file) | PEN_E_NOMEM; *out is NULL then,
 * else has one user
 */
PEN_MUST_USE pen_status mmdb_open(const char *path, enum mmdb_kind kind, struct mmdb **out,
                                  struct pen_err *err);
void mmdb_close(struct mmdb *mmdb); /* may be NULL */
/* Not one of countries alone, which has no degrees. */
bool mmdb_has_places(const struct mmdb *mmdb);
/* The entry of an address, 4 or 16 bytes by bits (32, 128), its mmdb NULL: there is none.  False:
 * what leads to it is damaged. */
bool mmdb_find(const struct mmdb *mmdb, const uint8_t addr[16], uint8_t bits, MMDB_entry_s *entry);

#endif
