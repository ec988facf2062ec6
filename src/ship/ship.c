#include "penstock/ship.h"

#include "penstock/json.h"

#include "bulk.h"
#include "gzip.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INDEX_BYTES_MAX 128u

struct body { /* documents of one index that wait to be sealed, and the file that they go to */
    char index[INDEX_BYTES_MAX];
    uint32_t index_len;
    uint64_t used_at; /* for eviction: the body not used for longest goes */
    struct pen_buf bytes;
    int fd;
    bool is_changed; /* since the last cut */
    struct pen_ship_file file;
};

struct pen_ship {
    struct pen_ship_options options;
    struct body *bodies;
    uint32_t body_count;
    uint64_t clock;
    uint32_t sequence;
    ZSTD_CCtx *zstd;
    struct gzip *gzip; /* null */
    struct pen_buf gzipped;
    struct bulk *bulk; /* OpenSearch: it does everything */
    uint8_t *packed;   /* a sealed frame; kept while it cannot be written */
    size_t packed_cap, packed_len, packed_done;
    struct body *packed_of;
    struct pen_ship_file *changed;
    uint32_t changed_count, changed_cap;
    bool is_reported; /* the last cut gave changed out */
    struct pen_ship_counters counters;
    pen_body_fn *capture;
    void *capture_ctx;
};

static size_t body_max(const struct pen_ship *ship)
{
    return ship->options.body_bytes_max * 2 +
           ((size_t)64 << 20); /* the last document may be large */
}

static pen_status packers_new(struct pen_ship *ship, struct pen_err *err)
{
    const struct pen_ship_options *o = &ship->options;
    ship->bodies = calloc(o->bodies_max, sizeof(*ship->bodies));
    ship->zstd = ZSTD_createCCtx();
    if (ship->bodies == NULL || ship->zstd == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "ship: out of memory");
    }
    (void)ZSTD_CCtx_setParameter(ship->zstd, ZSTD_c_compressionLevel, o->level);
    (void)ZSTD_CCtx_setParameter(ship->zstd, ZSTD_c_checksumFlag, 1);
    return gzip_new(&ship->gzip, err);
}

pen_status pen_ship_new(const struct pen_ship_options *options, struct pen_ship **out,
                        struct pen_err *err)
{
    PEN_CHECK(options->bodies_max > 0 && options->body_bytes_max > 0);
    struct pen_ship *ship = calloc(1, sizeof(*ship));
    if (ship == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "ship: out of memory");
    }
    ship->options = *options;
    ship->sequence = options->first_sequence;
    pen_buf_init(&ship->gzipped, SIZE_MAX);
    const pen_status st = options->kind == PEN_SINK_OPENSEARCH ? bulk_new(options, &ship->bulk, err)
                                                               : packers_new(ship, err);
    if (st != PEN_OK) {
        pen_ship_free(ship);
        return st;
    }
    *out = ship;
    return PEN_OK;
}

void pen_ship_free(struct pen_ship *ship)
{
    if (ship == NULL) {
        return;
    }
    for (uint32_t i = 0; ship->bodies != NULL && i < ship->body_count; i++) {
        pen_buf_fini(&ship->bodies[i].bytes);
        if (ship->bodies[i].fd >= 0) {
            (void)close(ship->bodies[i].fd);
        }
    }
    free(ship->bodies);
    (void)ZSTD_freeCCtx(ship->zstd);
    gzip_free(ship->gzip);
    pen_buf_fini(&ship->gzipped);
    bulk_free(ship->bulk);
    free(ship->packed);
    free(ship->changed);
    free(ship);
}

static pen_status write_fail(struct pen_err *err, const char *name)
{
    return PEN_FAIL(err, pen_status_of_write(errno), PEN_NO_OFFSET, "%s: %s", name,
                    strerrordesc_np(errno));
}

static pen_status packed_reserve(struct pen_ship *ship, size_t cap, struct pen_err *err)
{
    if (cap <= ship->packed_cap) {
        return PEN_OK;
    }
    uint8_t *bigger = realloc(ship->packed, cap);
    if (bigger == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "ship: out of memory");
    }
    ship->packed = bigger;
    ship->packed_cap = cap;
    return PEN_OK;
}

/* ---- null sink ---- */

static pen_status pack_gzip(struct pen_ship *ship, pen_slice body, struct pen_err *err)
{
    const pen_status st = gzip_pack(ship->gzip, body, &ship->gzipped);
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "ship: out of memory");
    }
    ship->counters.shipped_bytes += ship->gzipped.len;
    return PEN_OK;
}

/* ---- files sink ---- */

static pen_status file_open(struct pen_ship *ship, struct body *body, struct pen_err *err)
{
    char safe[INDEX_BYTES_MAX];
    for (uint32_t i = 0; i < body->index_len; i++) {
        const char c = body->index[i];
        const bool is_safe = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                             c == '_' || (c == '.' && i > 0);
        safe[i] = '_';
        if (is_safe) {
            safe[i] = c;
        }
    }
    (void)snprintf(body->file.name, sizeof(body->file.name), "%.*s.%03u-%06u.ndjson.zst",
                   (int)body->index_len, safe, ship->options.shard, ship->sequence);
    char path[4096 + 160];
    (void)snprintf(path, sizeof(path), "%s/%s", ship->options.dir, body->file.name);
    body->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (body->fd < 0) {
        return write_fail(err, path);
    }
    ship->sequence++;
    body->file.bytes = 0;
    return PEN_OK;
}

static pen_status body_sync(struct pen_ship *ship, const struct body *body, struct pen_err *err)
{
    const int64_t from_ns = pen_clock_mono_ns();
    const int got = fdatasync(body->fd);
    ship->counters.blocked_ns += pen_clock_mono_ns() - from_ns;
    return got == 0 ? PEN_OK : write_fail(err, body->file.name);
}

/* Writes what is left of the sealed frame; a part that went out is not written again. */
static pen_status packed_write(struct pen_ship *ship, struct pen_err *err)
{
    struct body *body = ship->packed_of;
    if (body == NULL) {
        return PEN_OK;
    }
    if (body->fd < 0) {
        PEN_TRY(file_open(ship, body, err));
    }
    const int64_t from_ns = pen_clock_mono_ns();
    while (ship->packed_done < ship->packed_len) {
        const ssize_t n =
            write(body->fd, ship->packed + ship->packed_done, ship->packed_len - ship->packed_done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return write_fail(err, body->file.name);
        }
        ship->packed_done += (size_t)n;
    }
    ship->counters.blocked_ns += pen_clock_mono_ns() - from_ns;
    body->file.bytes += ship->packed_len;
    body->is_changed = true;
    ship->counters.shipped_bytes += ship->packed_len;
    ship->packed_of = NULL;
    return PEN_OK;
}

static pen_status pack_zstd(struct pen_ship *ship, struct body *body, struct pen_err *err)
{
    PEN_TRY(packed_reserve(ship, ZSTD_compressBound(body->bytes.len), err));
    const size_t len = ZSTD_compress2(ship->zstd, ship->packed, ship->packed_cap, body->bytes.ptr,
                                      body->bytes.len);
    PEN_CHECK(!ZSTD_isError(len));
    ship->packed_len = len;
    ship->packed_done = 0;
    ship->packed_of = body;
    return PEN_OK;
}

static pen_status body_seal(struct pen_ship *ship, struct body *body, struct pen_err *err)
{
    PEN_TRY(packed_write(ship, err)); /* an earlier frame that found no room */
    if (body->bytes.len == 0) {
        return PEN_OK;
    }
    if (ship->capture != NULL) {
        ship->capture(ship->capture_ctx, pen_buf_slice(&body->bytes));
    }
    ship->counters.body_bytes += body->bytes.len;
    const pen_status st = ship->options.kind == PEN_SINK_NULL
                              ? pack_gzip(ship, pen_buf_slice(&body->bytes), err)
                              : pack_zstd(ship, body, err);
    PEN_TRY(st);
    body->bytes.len = 0; /* from here the frame holds it */
    return packed_write(ship, err);
}

/* ---- bodies ---- */

static void changed_note(struct pen_ship *ship, struct body *body)
{
    if (!body->is_changed) {
        return;
    }
    body->is_changed = false;
    if (ship->is_reported) {
        ship->changed_count = 0;
        ship->is_reported = false;
    }
    if (ship->changed_count == ship->changed_cap) {
        ship->changed_cap = ship->changed_cap == 0 ? 32 : ship->changed_cap * 2;
        ship->changed = reallocarray(ship->changed, ship->changed_cap, sizeof(*ship->changed));
        PEN_CHECK(ship->changed != NULL);
    }
    ship->changed[ship->changed_count++] = body->file;
}

static struct body *body_least_used(const struct pen_ship *ship)
{
    struct body *oldest = &ship->bodies[0];
    for (uint32_t i = 1; i < ship->body_count; i++) {
        oldest = ship->bodies[i].used_at < oldest->used_at ? &ship->bodies[i] : oldest;
    }
    return oldest;
}

/* Makes a body free for another index. */
static pen_status body_evict(struct pen_ship *ship, struct body *body, struct pen_err *err)
{
    PEN_TRY(body_seal(ship, body, err));
    if (body->fd >= 0) {
        PEN_TRY(body_sync(ship, body, err));
        changed_note(ship, body);
        (void)close(body->fd);
        body->fd = -1;
    }
    return PEN_OK;
}

static struct body *body_known(const struct pen_ship *ship, pen_slice index)
{
    for (uint32_t i = 0; i < ship->body_count; i++) {
        struct body *body = &ship->bodies[i];
        if (body->index_len == index.len && memcmp(body->index, index.ptr, index.len) == 0) {
            return body;
        }
    }
    return NULL;
}

/* A body that no index has yet, else the one that is used least. */
static struct body *body_spare(struct pen_ship *ship)
{
    if (ship->body_count == ship->options.bodies_max) {
        return body_least_used(ship);
    }
    struct body *body = &ship->bodies[ship->body_count++];
    body->fd = -1;
    pen_buf_init(&body->bytes, body_max(ship));
    return body;
}

static pen_status body_assign(struct pen_ship *ship, struct body *body, pen_slice index,
                              struct pen_err *err)
{
    PEN_TRY(body->index_len > 0 ? body_evict(ship, body, err) : PEN_OK);
    memcpy(body->index, index.ptr, index.len);
    body->index_len = (uint32_t)index.len;
    return PEN_OK;
}

/* What stands before, between and behind index, id and source of a document. */
struct envelope {
    pen_slice index, id, source, end;
};
static const struct envelope bulk_envelope = {PEN_SLICE_LIT("{\"create\":{\"_index\":\""),
                                              PEN_SLICE_LIT("\",\"_id\":\""),
                                              PEN_SLICE_LIT("\"}}\n"), PEN_SLICE_LIT("\n")};
static const struct envelope file_envelope = {
    PEN_SLICE_LIT("{\"_index\":\""), PEN_SLICE_LIT("\",\"_id\":\""),
    PEN_SLICE_LIT("\",\"_source\":"), PEN_SLICE_LIT("}\n")};

static pen_status text_add(struct pen_buf *to, pen_slice before, pen_slice text)
{
    PEN_TRY(pen_buf_add(to, before));
    return pen_json_escape(to, text);
}

static pen_status document_add(const struct pen_ship *ship, struct pen_buf *to,
                               const struct pen_ship_document *doc)
{
    const struct envelope *envelope =
        ship->options.kind == PEN_SINK_NULL ? &bulk_envelope : &file_envelope;
    PEN_TRY(pen_buf_reserve(to, doc->source.len + doc->index.len * 6 + doc->id.len * 6 + 64));
    PEN_TRY(text_add(to, envelope->index, doc->index));
    PEN_TRY(text_add(to, envelope->id, doc->id));
    PEN_TRY(pen_buf_add(to, envelope->source));
    PEN_TRY(pen_buf_add(to, doc->source));
    return pen_buf_add(to, envelope->end);
}

pen_status pen_ship_add(struct pen_ship *ship, const struct pen_ship_document *doc,
                        struct pen_err *err)
{
    const pen_slice index = doc->index;
    if (ship->options.kind == PEN_SINK_NONE) {
        ship->counters.documents++;
        return PEN_OK;
    }
    if (ship->bulk != NULL) {
        return bulk_add(ship->bulk, doc, err);
    }
    struct body *body = body_known(ship, index);
    if (body == NULL) {
        if (index.len == 0 || index.len >= INDEX_BYTES_MAX) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "an index name of %zu bytes",
                            index.len);
        }
        body = body_spare(ship);
        PEN_TRY(body_assign(ship, body, index, err));
    }
    if (body->bytes.len >= ship->options.body_bytes_max) {
        PEN_TRY(body_seal(ship, body, err));
    }
    body->used_at = ++ship->clock;
    const size_t before = body->bytes.len;
    const pen_status st = document_add(ship, &body->bytes, doc);
    if (st != PEN_OK) {
        body->bytes.len = before;
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "a document of %zu bytes does not fit a body",
                        doc->source.len);
    }
    ship->counters.documents++;
    return PEN_OK;
}

static pen_status folder_sync(const struct pen_ship *ship, struct pen_err *err)
{
    const int fd = open(ship->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return write_fail(err, ship->options.dir);
    }
    const int got = fsync(fd);
    const pen_status st = got == 0 ? PEN_OK : write_fail(err, ship->options.dir);
    (void)close(fd);
    return st;
}

pen_status pen_ship_cut(struct pen_ship *ship, const struct pen_ship_file **files, uint32_t *count,
                        struct pen_err *err)
{
    if (ship->is_reported) {
        ship->changed_count = 0;
        ship->is_reported = false;
    }
    if (ship->bulk != NULL) {
        bulk_cut(ship->bulk);
    }
    for (uint32_t i = 0; i < ship->body_count; i++) {
        struct body *body = &ship->bodies[i];
        PEN_TRY(body_seal(ship, body, err));
        PEN_TRY(body->is_changed ? body_sync(ship, body, err) : PEN_OK);
        changed_note(ship, body);
    }
    if (ship->changed_count > 0) {
        PEN_TRY(folder_sync(ship, err));
    }
    *files = ship->changed;
    *count = ship->changed_count;
    ship->is_reported = true;
    return PEN_OK;
}

pen_status pen_ship_retry(struct pen_ship *ship, struct pen_err *err)
{
    return packed_write(ship, err);
}

/* ---- a cluster ---- */

int64_t pen_ship_turn(struct pen_ship *ship, int64_t now_ns)
{
    return ship->bulk == NULL ? 0 : bulk_turn(ship->bulk, now_ns);
}

bool pen_ship_has_room(const struct pen_ship *ship)
{
    return ship->bulk == NULL || bulk_has_room(ship->bulk);
}

bool pen_ship_is_settled(const struct pen_ship *ship)
{
    return ship->bulk == NULL || ship->bulk->cut_left == 0;
}

struct pen_ship_settled pen_ship_settled_get(const struct pen_ship *ship)
{
    return ship->bulk == NULL ? (struct pen_ship_settled){0} : ship->bulk->counts[0];
}

const char *pen_ship_state(const struct pen_ship *ship, int64_t now_ns)
{
    return ship->bulk == NULL ? NULL : bulk_state(ship->bulk, now_ns);
}

pen_status pen_ship_credentials(struct pen_ship *ship, const struct pen_credentials *credentials,
                                struct pen_err *err)
{
    return ship->bulk == NULL ? PEN_OK
                              : pen_poster_credentials(ship->bulk->poster, credentials, err);
}

void pen_ship_addresses(struct pen_ship *ship, const struct pen_sink_addresses *addresses)
{
    for (uint32_t i = 0; i < PEN_POST_NODES_MAX && ship->bulk != NULL; i++) {
        const struct pen_addresses *node = &addresses->nodes[i];
        if (node->count > 0) {
            pen_poster_addresses(ship->bulk->poster, i, node->at, node->count);
        }
    }
}

bool pen_ship_cancel(struct pen_ship *ship)
{
    return ship->bulk == NULL || bulk_close(ship->bulk);
}

/* ---- figures ---- */

struct pen_ship_counters pen_ship_counters_get(const struct pen_ship *ship)
{
    return ship->bulk == NULL ? ship->counters : ship->bulk->counters;
}

void pen_ship_capture(struct pen_ship *ship, pen_body_fn *fn, void *ctx)
{
    ship->capture = fn;
    ship->capture_ctx = ctx;
}

/* What the compressor takes is known when it has run. */
static uint64_t zstd_memory(const struct pen_ship_options *options)
{
    const size_t cap = ZSTD_compressBound(options->body_bytes_max);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    uint8_t *body = calloc(1, options->body_bytes_max);
    uint8_t *packed = malloc(cap);
    uint64_t bytes = 0;
    if (zstd != NULL && body != NULL && packed != NULL) {
        (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, options->level);
        (void)ZSTD_compress2(zstd, packed, cap, body, options->body_bytes_max);
        bytes = ZSTD_sizeof_CCtx(zstd);
    }
    (void)ZSTD_freeCCtx(zstd);
    free(body);
    free(packed);
    return bytes;
}

uint64_t pen_ship_memory(const struct pen_ship_options *options)
{
    if (options->kind == PEN_SINK_NONE) {
        return sizeof(struct pen_ship);
    }
    if (options->kind == PEN_SINK_OPENSEARCH) {
        return sizeof(struct pen_ship) + bulk_memory(options);
    }
    /* A body is sealed when it has its size: its buffer, which doubles, may be twice that. */
    return sizeof(struct pen_ship) + options->bodies_max * sizeof(struct body) +
           2 * options->body_bytes_max * options->bodies_max +
           ZSTD_compressBound(options->body_bytes_max) + zstd_memory(options) + gzip_memory();
}
