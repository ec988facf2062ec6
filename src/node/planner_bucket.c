/* tested by tests/e2e/test_s3.py */
#include "lookup.h"
#include "planner.h"

#include <stdio.h>
#include <stdlib.h>

struct finding { /* a walk over a bucket */
    struct planner *planner;
    uint32_t bucket;
    planner_gap_fn *on_gap;
    void *ctx;
};

/* What the run wants, and of it what the source is there for. */
static bool is_wanted(struct planner *planner, uint32_t bucket, pen_slice key,
                      struct pen_key_info *info)
{
    const struct pen_source_options *own = bucket_own(planner->buckets[bucket - 1]);
    if (!planner_key_wanted(planner, key, info)) {
        return false;
    }
    const bool says_type = !pen_slice_eq(info->type->name, PEN_SLICE_LIT("unknown"));
    const pen_slice type = says_type ? info->type->name : (pen_slice){0};
    return own == NULL ||
           (planner_name_wanted(own->accounts, own->account_count, NULL, 0, info->account) &&
            planner_name_wanted(own->types, own->type_count, NULL, 0, type));
}

static enum bucket_prefix on_prefix(void *ctx, const char *prefix)
{
    const struct finding *f = ctx;
    struct pen_key_info info;
    if (!is_wanted(f->planner, f->bucket, pen_slice_str(prefix), &info)) {
        return BUCKET_SKIP;
    }
    return info.day_ns == INT64_MIN ? BUCKET_FOLDER : BUCKET_DAY;
}

static pen_status on_unit(void *ctx, const char *prefix, bool is_day)
{
    const struct finding *f = ctx;
    struct planner *planner = f->planner;
    char *path = NULL;
    const size_t len = strlen(prefix);
    if (asprintf(&path, "%s%s", bucket_root(planner->buckets[f->bucket - 1]), prefix) < 0) {
        return PEN_E_NOMEM;
    }
    /* As a folder's key: without the slash at its end. */
    char *key = strndup(prefix, len > 0 && prefix[len - 1] == '/' ? len - 1 : len);
    PEN_TRY(planner_unit_add(planner, path, key, false));
    planner->units[planner->unit_count - 1].bucket = f->bucket;
    planner->units[planner->unit_count - 1].is_day = is_day;
    return PEN_OK;
}

static void on_gap(void *ctx, const char *prefix, const struct pen_err *err)
{
    const struct finding *f = ctx;
    f->planner->folders_unreadable++;
    f->on_gap(f->ctx, prefix, err);
}

/* Listings would ask too, but tell nobody that they wait. */
static pen_status host_find(const struct planner *planner, const struct bucket *bucket,
                            struct pen_err *err)
{
    char host[BUCKET_HOST_MAX];
    struct pen_addresses unused;
    const uint16_t port = bucket_host(bucket, host);
    return lookup_host(planner->options, host, port, &unused, err);
}

pen_status planner_bucket_walk(struct planner *planner, uint32_t source, planner_gap_fn *on_gap_fn,
                               void *ctx, struct pen_err *err)
{
    const struct pen_replay_options *o = planner->options;
    const char *url = o->sources[source];
    const struct pen_source_options *own =
        o->source_options == NULL ? NULL : &o->source_options[source];
    struct bucket **buckets =
        reallocarray(planner->buckets, planner->bucket_count + 1, sizeof(struct bucket *));
    if (buckets == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", url);
    }
    planner->buckets = buckets;
    PEN_TRY(bucket_open(url, o, own, &planner->buckets[planner->bucket_count], err));
    planner->bucket_count++;
    PEN_TRY(host_find(planner, planner->buckets[planner->bucket_count - 1], err));
    struct finding finding = {
        .planner = planner, .bucket = planner->bucket_count, .on_gap = on_gap_fn, .ctx = ctx};
    const struct bucket_walk calls = {
        .kind = on_prefix, .unit = on_unit, .gap = on_gap, .ctx = &finding};
    return bucket_walk(planner->buckets[planner->bucket_count - 1], &calls, err);
}

struct taking { /* a listing's objects */
    struct planner *planner;
    struct object_list *list;
    uint32_t unit;
};

/* Objects of these are not read until they are restored; a listing does not tell whether they are.
 */
static bool is_archived(pen_slice storage_class)
{
    return pen_slice_eq(storage_class, PEN_SLICE_LIT("GLACIER")) ||
           pen_slice_eq(storage_class, PEN_SLICE_LIT("DEEP_ARCHIVE"));
}

static char *text_of(pen_slice s)
{
    return s.len == 0 ? NULL : strndup((const char *)s.ptr, s.len);
}

static pen_status on_object(void *ctx, const struct pen_s3_object *listed)
{
    const struct taking *t = ctx;
    const struct unit *unit = &t->planner->units[t->unit];
    const char *root = bucket_root(t->planner->buckets[unit->bucket - 1]);
    struct pen_key_info info;
    t->planner->files++;
    t->planner->bytes += listed->size;
    if (!is_wanted(t->planner, unit->bucket, listed->key, &info) ||
        planner_ignores(t->planner, &info)) {
        t->list->pruned++;
        return PEN_OK;
    }
    struct pen_object *object = calloc(1, sizeof(*object));
    if (object == NULL || !planner_list_room(t->list)) {
        free(object);
        return PEN_E_NOMEM;
    }
    *object = (struct pen_object){.bucket = unit->bucket,
                                  .unit = t->unit,
                                  .size = listed->size,
                                  .is_archived = is_archived(listed->storage_class),
                                  .mtime_ns = listed->modified_ns,
                                  .key = text_of(listed->key),
                                  .etag = text_of(listed->etag),
                                  .name_hash = pen_hash64(listed->key, 0)};
    if (asprintf(&object->path, "%s%.*s", root, PEN_SLICE_FMT(listed->key)) < 0) {
        object->path = NULL;
    }
    if (object->path == NULL || object->key == NULL) {
        object_free(object);
        return PEN_E_NOMEM;
    }
    t->list->items[t->list->count++] = object;
    return PEN_OK;
}

/* The prefix of a unit, as it is listed. */
static const char *prefix_of(const struct planner *planner, const struct unit *unit)
{
    return unit->path + strlen(bucket_root(planner->buckets[unit->bucket - 1]));
}

pen_status planner_bucket_list(struct planner *planner, uint32_t unit, uint32_t room,
                               struct object_list *list, bool *is_done, struct pen_err *err)
{
    const uint32_t which = planner->units[unit].bucket;
    struct bucket *bucket = planner->buckets[which - 1];
    for (uint32_t i = unit; i < planner->unit_count && i - unit < BUCKET_AHEAD; i++) {
        struct unit *ahead = &planner->units[i];
        if (ahead->bucket != which || ahead->is_closed) {
            continue;
        }
        const int64_t now = bucket_now_ns(bucket);
        if (!bucket_begin(bucket, i, prefix_of(planner, ahead), ahead->is_day)) {
            break;
        }
        ahead->listing_ns = ahead->listing_ns == 0 ? now : ahead->listing_ns;
    }
    struct taking taking = {.planner = planner, .list = list, .unit = unit};
    const struct bucket_taker taker = {.object = on_object, .ctx = &taking};
    return bucket_next(bucket, unit, room, &taker, is_done, err);
}

uint64_t planner_lists(const struct planner *planner)
{
    uint64_t requests = 0;
    for (uint32_t i = 0; i < planner->bucket_count; i++) {
        requests += bucket_requests(planner->buckets[i]);
    }
    return requests;
}

bool planner_is_waiting(const struct planner *planner, uint32_t unit)
{
    return unit < planner->unit_count && planner->units[unit].bucket != 0 &&
           !planner->units[unit].is_closed;
}

pen_status planner_wait(struct planner *planner, uint32_t unit, struct pen_err *err)
{
    return planner_is_waiting(planner, unit)
               ? bucket_wait(planner->buckets[planner->units[unit].bucket - 1], 50, err)
               : PEN_OK;
}
