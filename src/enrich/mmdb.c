#include "mmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 18)
#define FD_PATH_MAX 32U

static pen_status refuse(enum mmdb_kind kind, const char *path, const char *why,
                         struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s: %.120s: %s",
                    kind == MMDB_KIND_GEO ? "enrich.geoip" : "enrich.asn", path, why);
}

static void stamp_take(const struct stat *st, struct mmdb_stamp *stamp)
{
    *stamp = (struct mmdb_stamp){.inode = st->st_ino,
                                 .device = st->st_dev,
                                 .bytes = (uint64_t)st->st_size,
                                 .mtime_ns = (int64_t)st->st_mtim.tv_sec * PEN_NS_PER_S +
                                             st->st_mtim.tv_nsec};
}

bool mmdb_stamp_of(const char *path, struct mmdb_stamp *stamp)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return false;
    }
    stamp_take(&st, stamp);
    return true;
}

static bool put(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* NULL, or why not. */
static const char *copy(int from, int to)
{
    uint8_t *bytes = malloc(COPY_BYTES);
    const char *why = bytes == NULL ? "out of memory" : NULL;
    for (bool is_more = why == NULL; is_more;) {
        const ssize_t n = read(from, bytes, COPY_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || (n > 0 && !put(to, bytes, (size_t)n))) {
            why = strerrordesc_np(errno);
        }
        is_more = n > 0 && why == NULL;
    }
    free(bytes);
    return why;
}

/* The library only opens files by name and maps them: a file that someone cuts off meanwhile would
 * end the process.  So it is given a copy without a name. */
static const char *open_copy(int from, struct mmdb *out)
{
    char name[FD_PATH_MAX];
    const int fd = memfd_create("penstock-mmdb", MFD_CLOEXEC);
    if (fd < 0) {
        return strerrordesc_np(errno);
    }
    const char *why = copy(from, fd);
    if (why == NULL) {
        (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        const int code = MMDB_open(name, MMDB_MODE_MMAP, &out->db);
        out->is_open = code == MMDB_SUCCESS;
        why = out->is_open ? NULL : MMDB_strerror(code);
    }
    (void)close(fd);
    return why;
}

/* A record of the tree that points nowhere would be found by the first address below it. */
static bool is_tree_whole(const struct mmdb *mmdb)
{
    MMDB_search_node_s node;
    for (uint32_t i = 0; i < mmdb->db.metadata.node_count; i++) {
        if (MMDB_read_node(&mmdb->db, i, &node) != MMDB_SUCCESS ||
            node.left_record_type == MMDB_RECORD_TYPE_INVALID ||
            node.right_record_type == MMDB_RECORD_TYPE_INVALID) {
            return false;
        }
    }
    return true;
}

/* A database of the other kind would silently find nothing. */
static const char *kind_check(const struct mmdb *mmdb, enum mmdb_kind kind)
{
    const char *type = mmdb->db.metadata.database_type;
    const bool has_as = type != NULL && strstr(type, "ASN") != NULL;
    const bool has_place =
        type != NULL && (strstr(type, "City") != NULL || strstr(type, "Country") != NULL);
    if (kind == MMDB_KIND_GEO && has_as && !has_place) {
        return "a database of autonomous systems, not of cities or countries";
    }
    if (kind == MMDB_KIND_AS && has_place && !has_as) {
        return "a database of places, not of autonomous systems";
    }
    return is_tree_whole(mmdb) ? NULL : "damaged: its search tree points outside of it";
}

/* NULL, or why not. */
static const char *open_file(int fd, struct mmdb *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return strerrordesc_np(errno);
    }
    stamp_take(&st, &out->stamp);
    if (!S_ISREG(st.st_mode)) {
        return "not a file";
    }
    return out->stamp.bytes > MMDB_BYTES_MAX ? "larger than 4 GiB" : open_copy(fd, out);
}

pen_status mmdb_open(const char *path, enum mmdb_kind kind, struct mmdb **out, struct pen_err *err)
{
    *out = NULL;
    struct mmdb *mmdb = calloc(1, sizeof(*mmdb));
    if (mmdb == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = fd < 0 ? strerrordesc_np(errno) : open_file(fd, mmdb);
    if (fd >= 0) {
        (void)close(fd);
    }
    why = why == NULL ? kind_check(mmdb, kind) : why;
    if (why != NULL) {
        mmdb_close(mmdb);
        return refuse(kind, path, why, err);
    }
    mmdb->users = 1;
    *out = mmdb;
    return PEN_OK;
}

bool mmdb_has_places(const struct mmdb *mmdb)
{
    const char *type = mmdb->db.metadata.database_type;
    return type == NULL || strstr(type, "Country") == NULL || strstr(type, "City") != NULL;
}

void mmdb_close(struct mmdb *mmdb)
{
    if (mmdb != NULL && mmdb->is_open) {
        MMDB_close(&mmdb->db);
    }
    free(mmdb);
}

bool mmdb_find(const struct mmdb *mmdb, const uint8_t addr[16], uint8_t bits, MMDB_entry_s *entry)
{
    int code = MMDB_SUCCESS;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to;
    memset(&to, 0, sizeof(to));
    if (bits == 32) {
        to.v4.sin_family = AF_INET;
        memcpy(&to.v4.sin_addr, addr, 4);
    } else {
        to.v6.sin6_family = AF_INET6;
        memcpy(&to.v6.sin6_addr, addr, 16);
    }
    const MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&mmdb->db, &to.any, &code);
    *entry = found.entry;
    entry->mmdb = code == MMDB_SUCCESS && found.found_entry ? &mmdb->db : NULL;
    return code == MMDB_SUCCESS || code == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR;
}
