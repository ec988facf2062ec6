/* tested by tests/e2e/test_s3_plan.py */
#include "penstock/node.h"

#include "bucket_share.h"
#include "control.h"
#include "planner.h"

#include <stdlib.h>
#include <sys/resource.h>

#define RING_ENTRIES 1024U
#define WAIT_NS (PEN_NS_PER_S / 50)
#define DRAIN_NS (10 * PEN_NS_PER_S)
#define SPARE_SLOTS 4U /* closing objects keep theirs for a moment */

struct listed {
    struct pen_object **items; /* the keys' owner */
    pen_slice *keys;
    uint64_t *sizes;
    uint32_t count;
    uint64_t bytes;
};

struct speed {
    const struct pen_s3_speed_options *options;
    struct pen_replay_options plan; /* what the planner reads of it */
    struct pen_types *types;
    struct planner planner;
    struct shard_bucket *buckets;
    struct listed listed;
};

/* ---- what is there ---- */

static void on_folder(void *ctx, const char *path, const struct pen_err *err)
{
    (void)ctx;
    (void)path;
    words("penstock: cannot list %s\n", err->text);
}

/* Keeps those of the right size, while there is room. */
static void list_take(struct speed *s, struct object_list *list)
{
    const struct pen_s3_speed_options *o = s->options;
    for (uint32_t i = 0; i < list->count; i++) {
        struct pen_object *object = list->items[i];
        if (object->size == 0 || object->size > o->size_max || s->listed.count == o->objects_max) {
            object_free(object);
            continue;
        }
        s->listed.keys[s->listed.count] = pen_slice_str(object->key);
        s->listed.sizes[s->listed.count] = object->size;
        s->listed.items[s->listed.count++] = object;
        s->listed.bytes += object->size;
    }
    list->count = 0;
}

static pen_status list(struct speed *s, struct pen_err *err)
{
    struct object_list found = {0};
    pen_status st = PEN_OK;
    for (uint32_t unit = 0; st == PEN_OK && unit < s->planner.unit_count;) {
        bool is_done = false;
        const uint32_t room = s->options->objects_max - s->listed.count;
        if (room == 0) {
            break;
        }
        st = is_interrupted() ? PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "stopped")
                              : planner_list(&s->planner, unit, room, &found, &is_done, err);
        if (st == PEN_OK && !is_done && found.count == 0) {
            st = planner_wait(&s->planner, unit, err);
        }
        list_take(s, &found);
        unit += is_done;
    }
    free(found.items);
    if (st == PEN_OK && s->listed.count == 0) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "%s: no object to fetch",
                        s->options->url);
    }
    return st;
}

/* ---- one row ---- */

static double cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

struct own { /* our client while it is measured */
    struct speed *speed;
    struct pen_fetcher *fetcher;
    uint32_t next, open;
    struct pen_s3_speed_side side;
};

static void own_open(struct own *own, uint32_t concurrency)
{
    const struct listed *l = &own->speed->listed;
    while (own->open < concurrency && pen_fetcher_has_slot(own->fetcher)) {
        const struct pen_object *object = l->items[own->next++ % l->count];
        const struct pen_fetch_object fetch = {
            .key = pen_slice_str(object->key),
            .etag = pen_slice_str(object->etag == NULL ? "" : object->etag),
            .size = object->size};
        pen_fetcher_open(own->fetcher, &fetch);
        own->open++;
    }
}

static void own_take(struct own *own)
{
    for (;;) {
        void *tag = NULL;
        pen_slice data = {0};
        struct pen_err err = {0};
        const enum pen_fetch got = pen_fetcher_front(own->fetcher, &tag, &data, &err);
        if (got == PEN_FETCH_NONE || got == PEN_FETCH_WAIT) {
            return;
        }
        if (got == PEN_FETCH_DATA) {
            own->side.bytes += data.len;
            pen_fetcher_taken(own->fetcher);
            continue;
        }
        own->side.requests++;
        own->side.failed += got == PEN_FETCH_FAIL;
        own->open--;
        pen_fetcher_close(own->fetcher);
    }
}

static pen_status own_run(struct own *own, struct pen_ring *ring, uint32_t concurrency)
{
    const double cpu_from = cpu_s();
    const int64_t from = pen_clock_mono_ns();
    int64_t now = from;
    while (now - from < own->speed->options->row_ns && !is_interrupted()) {
        pen_fetcher_turn(own->fetcher, now);
        own_take(own);
        own_open(own, concurrency);
        pen_fetcher_turn(own->fetcher, now); /* begins what was opened */
        (void)pen_ring_turn(ring, true, WAIT_NS);
        now = pen_clock_mono_ns();
    }
    own->side.wall_s = (double)(now - from) / 1e9;
    own->side.cpu_s = cpu_s() - cpu_from;
    return is_interrupted() ? PEN_E_STOPPED : PEN_OK;
}

static pen_status own_measure(struct speed *s, uint32_t concurrency, struct pen_s3_speed_side *side,
                              struct pen_err *err)
{
    struct own own = {.speed = s};
    struct pen_ring *ring = NULL;
    struct pen_fetch_options fetch = shard_fetch_options(s->options->reads);
    fetch.slots = concurrency + SPARE_SLOTS;
    fetch.window_max = concurrency;
    fetch.window_first = concurrency;
    fetch.is_window_fixed = true;
    PEN_TRY(pen_ring_new(RING_ENTRIES, &ring, err));
    pen_status st =
        buckets_fetcher(ring, &fetch, s->buckets, s->planner.bucket_count, &own.fetcher, err);
    if (st == PEN_OK) {
        st = own_run(&own, ring, concurrency);
        while (!pen_fetcher_cancel(own.fetcher)) {
            (void)pen_ring_turn(ring, true, WAIT_NS);
        }
        *side = own.side;
    }
    pen_fetcher_free(own.fetcher);
    pen_ring_free(ring);
    return st != PEN_E_STOPPED ? st : PEN_FAIL(err, st, PEN_NO_OFFSET, "stopped");
}

static void others_options(struct speed *s, uint32_t concurrency,
                           struct pen_credentials *credentials, struct pen_curl_options *out)
{
    struct bucket *bucket = s->planner.buckets[0];
    (void)bucket_renew(bucket);
    *credentials = pen_renewal_credentials(bucket_credentials(bucket)->renewal);
    *out = (struct pen_curl_options){.endpoint = &s->buckets[0].endpoint,
                                     .credentials = credentials,
                                     .ca_file = s->options->reads->s3.ca_file,
                                     .keys = s->listed.keys,
                                     .key_count = s->listed.count,
                                     .concurrency = concurrency};
}

static struct pen_s3_speed_side others_side(const struct pen_curl_fetched *done, int64_t from_ns,
                                            double cpu_from)
{
    return (struct pen_s3_speed_side){.requests = done->requests,
                                      .failed = done->failed,
                                      .bytes = done->bytes,
                                      .wall_s = (double)(pen_clock_mono_ns() - from_ns) / 1e9,
                                      .cpu_s = cpu_s() - cpu_from};
}

static pen_status bare_run(struct speed *s, struct pen_bare_fetch *run, int64_t from_ns,
                           struct pen_err *err)
{
    pen_status st = PEN_OK;
    while (st == PEN_OK && pen_clock_mono_ns() - from_ns < s->options->row_ns) {
        st = is_interrupted() ? PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "stopped")
                              : pen_bare_fetch_turn(run, err);
    }
    return st == PEN_E_IO ? PEN_OK : st; /* what fails is counted */
}

static pen_status bare_measure(struct speed *s, uint32_t concurrency,
                               struct pen_s3_speed_side *side, struct pen_err *err)
{
    struct pen_credentials credentials;
    struct pen_bare_options options = {.sizes = s->listed.sizes,
                                       .addresses = &s->buckets[0].addresses};
    struct pen_bare_fetch *run = NULL;
    others_options(s, concurrency, &credentials, &options.fetch);
    PEN_TRY(pen_ring_new(RING_ENTRIES, &options.ring, err));
    const double cpu_from = cpu_s();
    const int64_t from = pen_clock_mono_ns();
    pen_status st = pen_bare_fetch_new(&options, &run, err);
    if (st == PEN_OK) {
        st = bare_run(s, run, from, err);
        const struct pen_curl_fetched done = pen_bare_fetch_done(run);
        *side = others_side(&done, from, cpu_from);
    }
    pen_bare_fetch_free(run);
    pen_ring_free(options.ring);
    return st;
}

static pen_status curl_measure(struct speed *s, uint32_t concurrency,
                               struct pen_s3_speed_side *side, struct pen_err *err)
{
    struct pen_credentials credentials;
    struct pen_curl_options options;
    others_options(s, concurrency, &credentials, &options);
    struct pen_curl_fetch *run = NULL;
    const double cpu_from = cpu_s();
    const int64_t from = pen_clock_mono_ns();
    PEN_TRY(pen_curl_fetch_new(&options, &run, err));
    pen_status st = PEN_OK;
    while (st == PEN_OK && pen_clock_mono_ns() - from < s->options->row_ns) {
        st = is_interrupted() ? PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "stopped")
                              : pen_curl_fetch_turn(run, err);
    }
    const struct pen_curl_fetched done = pen_curl_fetch_done(run);
    *side = others_side(&done, from, cpu_from);
    pen_curl_fetch_free(run);
    return st;
}

/* ---- the whole ---- */

static pen_status speed_open(struct speed *s, struct pen_err *err)
{
    const struct pen_s3_speed_options *o = s->options;
    s->plan = *o->reads;
    s->plan.log_level = PEN_LOG_WARN;
    s->plan.sources = &o->url;
    s->plan.source_count = 1;
    s->plan.out_dir = "";
    s->plan.from_ns = INT64_MIN;
    s->plan.to_ns = INT64_MAX;
    s->listed.items = calloc(o->objects_max, sizeof(struct pen_object *));
    s->listed.keys = calloc(o->objects_max, sizeof(*s->listed.keys));
    s->listed.sizes = calloc(o->objects_max, sizeof(*s->listed.sizes));
    PEN_CHECK(s->listed.items != NULL && s->listed.keys != NULL && s->listed.sizes != NULL);
    PEN_TRY(pen_types_load(NULL, &s->types, err));
    PEN_TRY(planner_init(&s->planner, &s->plan, s->types, on_folder, s, err));
    PEN_TRY(list(s, err));
    return buckets_share(&s->planner, &s->buckets, err);
}

static pen_status rows(struct speed *s, struct pen_s3_speed *out, struct pen_err *err)
{
    out->objects = s->listed.count;
    out->bytes = s->listed.bytes;
    for (uint32_t i = 0; i < s->options->count; i++) {
        struct pen_s3_speed_row *row = &out->rows[i];
        row->concurrency = s->options->concurrency[i];
        PEN_TRY(own_measure(s, row->concurrency, &row->own, err));
        PEN_TRY(curl_measure(s, row->concurrency, &row->libcurl, err));
        PEN_TRY(bare_measure(s, row->concurrency, &row->bare, err));
        out->row_count = i + 1;
    }
    return PEN_OK;
}

pen_status pen_s3_speed(const struct pen_s3_speed_options *options, struct pen_s3_speed *out,
                        struct pen_err *err)
{
    struct speed s = {.options = options};
    PEN_CHECK(options->count <= PEN_S3_SPEED_ROWS && options->objects_max > 0);
    *out = (struct pen_s3_speed){0};
    pen_status st = speed_open(&s, err);
    st = st == PEN_OK ? rows(&s, out, err) : st;
    for (uint32_t i = 0; i < s.listed.count; i++) {
        object_free(s.listed.items[i]);
    }
    free(s.listed.items);
    free(s.listed.keys);
    free(s.listed.sizes);
    buckets_unshare(s.buckets, s.planner.bucket_count);
    planner_fini(&s.planner);
    pen_types_free(s.types);
    return st;
}
