#include "limit.h"

#include "penstock/bench.h"
#include "penstock/net.h"
#include "penstock/runtime.h"

#include "bare.h"
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>

/* tested by tests/e2e/test_bench.py */

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define BODIES_MAX 64U
#define LINES_SEED 1U
#define CAPTURE_BYTES_MAX ((size_t)8 << 30)

struct limit {
    const struct pen_limit_options *options;
    struct pen_limit_result *result;
    struct limit_corpus corpus;
    struct bare *bare;
    struct bare_json *json;
    uint8_t *plain; /* the largest object, and padding */
    struct pen_ship *shipper;
    struct pen_scan *scans[PEN_LIMIT_STAGES]; /* by how far they go */
    struct pen_buf buffers, bodies;           /* all scan buffers and all bodies, end to end */
    struct limit_spans buffer_spans, body_spans;
    uint64_t allocated_bytes; /* of the round that runs */
    uint64_t sink;            /* what the libraries found, so that nothing is optimised away */
    double rounds[PEN_LIMIT_STAGES][PEN_LIMIT_ROUNDS_MAX];
    double parts[PEN_LIMIT_STAGES][PEN_LIMIT_ROUNDS_MAX];
    double igzip[PEN_LIMIT_ROUNDS_MAX], libdeflate[PEN_LIMIT_ROUNDS_MAX];
    double detect[PEN_LIMIT_ROUNDS_MAX], ship[PEN_LIMIT_ROUNDS_MAX];
};

const char *pen_limit_stage_name(enum pen_limit_stage stage)
{
    static const char *const names[PEN_LIMIT_STAGES] = {"inflate", "json",     "normalize",
                                                        "match",   "document", "gzip"};
    return names[stage];
}

static double now(void)
{
    return (double)pen_clock_thread_cpu_ns() / 1e9;
}

/* ---- the pipeline ---- */

pen_status limit_object_run(struct pen_scan *scan, const struct limit_object *object,
                            struct pen_ship *ship, uint64_t *records, struct pen_err *err)
{
    struct pen_scan_item item;
    pen_status status = PEN_OK;
    pen_scan_begin(scan, (pen_slice){0}, object->key, INT64_MIN);
    pen_scan_feed(scan, object->stored, true);
    enum pen_scan_next event = pen_scan_next(scan, &item, err);
    while (event == PEN_SCAN_RECORD && status == PEN_OK) {
        ++*records;
        if (ship != NULL) {
            const struct pen_ship_document doc = {
                .index = item.doc.index, .id = item.doc.id, .source = item.doc.source};
            status = pen_ship_add(ship, &doc, err);
        }
        event = pen_scan_next(scan, &item, err);
    }
    return event == PEN_SCAN_END || status != PEN_OK
               ? status
               : PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "%.*s: damaged, choose other objects",
                          PEN_SLICE_FMT(object->key));
}

static pen_status run_all(struct limit *l, struct pen_scan *scan, struct pen_ship *ship,
                          double *seconds, struct pen_err *err)
{
    uint64_t records = 0;
    const uint64_t allocated = pen_thread_allocated_bytes();
    const double from = now();
    for (uint32_t i = 0; i < l->corpus.count; i++) {
        PEN_TRY(limit_object_run(scan, &l->corpus.objects[i], ship, &records, err));
    }
    if (ship != NULL) {
        const struct pen_ship_file *files;
        uint32_t count;
        PEN_TRY(pen_ship_cut(ship, &files, &count, err));
    }
    *seconds = now() - from;
    if (allocated != UINT64_MAX) {
        l->allocated_bytes += pen_thread_allocated_bytes() - allocated;
    }
    l->result->records = records;
    return PEN_OK;
}

static pen_status new_shipper(struct pen_ship **ship, struct pen_err *err)
{
    const struct pen_ship_options options = {.kind = PEN_SINK_NULL,
                                             .dir = "",
                                             .body_bytes_max = BODY_BYTES_MAX,
                                             .bodies_max = BODIES_MAX,
                                             .level = 1};
    return pen_ship_new(&options, ship, err);
}

/* The pipeline as a whole, with and without shipping, and its parts: each goes one step further. */
static pen_status run_pipeline(struct limit *l, uint32_t round, struct pen_err *err)
{
    double upto[PEN_LIMIT_STAGES];
    for (uint32_t s = 0; s < PEN_LIMIT_GZIP; s++) {
        PEN_TRY(run_all(l, l->scans[s], NULL, &upto[s], err));
        l->parts[s][round] = upto[s] - (s == 0 ? 0 : upto[s - 1]);
    }
    l->detect[round] = upto[PEN_LIMIT_MATCH];
    l->allocated_bytes = 0;
    PEN_TRY(run_all(l, l->scans[PEN_LIMIT_DOCUMENT], l->shipper, &l->ship[round], err));
    if (pen_thread_allocated_bytes() != UINT64_MAX) {
        l->result->allocated_bytes = l->allocated_bytes;
    }
    l->parts[PEN_LIMIT_GZIP][round] = l->ship[round] - upto[PEN_LIMIT_DOCUMENT];
    return PEN_OK;
}

/* ---- the libraries ---- */

static double inflate_all(struct limit *l, bool is_igzip)
{
    const double from = now();
    for (uint32_t i = 0; i < l->corpus.count; i++) {
        const struct limit_object *o = &l->corpus.objects[i];
        l->sink +=
            is_igzip
                ? bare_igzip(l->bare, o->stored.ptr, o->stored.len, l->plain, o->plain_bytes)
                : bare_libdeflate(l->bare, o->stored.ptr, o->stored.len, l->plain, o->plain_bytes);
    }
    return now() - from;
}

/* The plain bytes are made anew before each visit, as warm in the cache as they would be. */
static double visit_all(struct limit *l)
{
    double total = 0;
    for (uint32_t i = 0; i < l->corpus.count; i++) {
        const struct limit_object *o = &l->corpus.objects[i];
        const size_t len =
            bare_libdeflate(l->bare, o->stored.ptr, o->stored.len, l->plain, o->plain_bytes);
        const double from = now();
        l->sink += bare_json_visit(l->json, l->plain, len);
        total += now() - from;
    }
    return total;
}

/* What the documents of a text log are named by. */
static double hash_all(struct limit *l)
{
    double total = 0;
    for (uint32_t i = 0; i < l->corpus.count; i++) {
        const struct limit_object *o = &l->corpus.objects[i];
        const size_t len =
            bare_libdeflate(l->bare, o->stored.ptr, o->stored.len, l->plain, o->plain_bytes);
        pen_slice rest = {l->plain, len};
        pen_slice line;
        const double from = now();
        while (pen_slice_split(&rest, '\n', &line)) {
            char name[PEN_MD5_HEX];
            pen_md5_hex(line, name);
            l->sink += (uint8_t)name[0];
        }
        total += now() - from;
    }
    return total;
}

static double scan_all(struct limit *l)
{
    const struct pen_type *type =
        pen_types_find(l->options->program->types, PEN_SLICE_LIT("cloudtrail"));
    struct pen_matcher *matcher = pen_scan_matcher(l->scans[PEN_LIMIT_MATCH], type);
    size_t at = 0;
    if (matcher == NULL) {
        return 0;
    }
    const double from = now();
    for (size_t i = 0; i < l->buffer_spans.count; i++) {
        const pen_slice buffer = {l->buffers.ptr + at, l->buffer_spans.lens[i]};
        l->sink += pen_matcher_scan_bare(matcher, buffer);
        at += buffer.len;
    }
    return now() - from;
}

static double deflate_all(struct limit *l)
{
    size_t at = 0;
    const double from = now();
    for (size_t i = 0; i < l->body_spans.count; i++) {
        l->sink += bare_deflate(l->bare, l->bodies.ptr + at, l->body_spans.lens[i]);
        at += l->body_spans.lens[i];
    }
    return now() - from;
}

static void run_libraries(struct limit *l, uint32_t round)
{
    l->igzip[round] = inflate_all(l, true);
    l->libdeflate[round] = inflate_all(l, false);
    l->rounds[PEN_LIMIT_INFLATE][round] =
        l->igzip[round] < l->libdeflate[round] ? l->igzip[round] : l->libdeflate[round];
    if (l->options->text_type != NULL) {
        l->rounds[PEN_LIMIT_NORMALIZE][round] = hash_all(l);
    } else {
        l->rounds[PEN_LIMIT_JSON][round] = visit_all(l);
        l->rounds[PEN_LIMIT_MATCH][round] = scan_all(l);
    }
    l->rounds[PEN_LIMIT_GZIP][round] = deflate_all(l);
}

/* ---- before the rounds ---- */

struct capture {
    struct pen_buf *bytes;
    struct limit_spans *spans;
};

static void keep(void *ctx, pen_slice part)
{
    const struct capture *capture = ctx;
    if (pen_buf_add(capture->bytes, part) != PEN_OK || !limit_spans_add(capture->spans, part.len)) {
        pen_panic(PEN_HERE, "bench: out of memory for what is captured");
    }
}

/* One pass that keeps what the libraries are to be given. */
static pen_status capture(struct limit *l, struct pen_err *err)
{
    struct capture buffers = {&l->buffers, &l->buffer_spans};
    struct capture bodies = {&l->bodies, &l->body_spans};
    struct pen_scan *scan = l->scans[PEN_LIMIT_DOCUMENT];
    const struct pen_type *type =
        pen_types_find(l->options->program->types, PEN_SLICE_LIT("cloudtrail"));
    struct pen_matcher *matcher = pen_scan_matcher(scan, type);
    struct pen_ship *ship = NULL;
    double seconds = 0;
    PEN_TRY(new_shipper(&ship, err));
    pen_ship_capture(ship, keep, &bodies);
    if (matcher != NULL) {
        pen_matcher_capture(matcher, keep, &buffers);
    }
    const pen_status status = run_all(l, scan, ship, &seconds, err);
    if (matcher != NULL) {
        pen_matcher_capture(matcher, NULL, NULL);
    }
    pen_ship_free(ship);
    /* hs_scan may read a little past a buffer. */
    return status == PEN_OK ? pen_buf_reserve(&l->buffers, 64) : status;
}

static pen_status corpus_take(struct limit *l, struct pen_err *err)
{
    const struct pen_limit_options *o = l->options;
    if (o->text_type == NULL) {
        return limit_corpus_load(o->dir, o->plain_bytes_max, &l->corpus, err);
    }
    return lines_make(o->text_type, LINES_SEED, o->plain_bytes_max, &l->corpus) == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bench: out of memory");
}

static pen_status prepare(struct limit *l, struct pen_err *err)
{
    static const enum pen_scan_depth depths[PEN_LIMIT_STAGES] = {
        PEN_SCAN_DECODE, PEN_SCAN_WALK, PEN_SCAN_NORMALIZE, PEN_SCAN_ALL, PEN_SCAN_ALL};
    PEN_TRY(corpus_take(l, err));
    l->plain = malloc(l->corpus.largest_plain + PEN_JSON_PADDING);
    l->bare = bare_new(BODY_BYTES_MAX * 2);
    l->json = bare_json_new();
    pen_buf_init(&l->buffers, CAPTURE_BYTES_MAX);
    pen_buf_init(&l->bodies, CAPTURE_BYTES_MAX);
    if (l->json == NULL && l->options->text_type == NULL) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                        "bench: no simdjson module: it needs AVX2, and penstock-bench-avx2.so or "
                        "penstock-bench-avx512.so beside the program");
    }
    if (l->plain == NULL || l->bare == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bench: out of memory");
    }
    for (uint32_t s = 0; s < PEN_LIMIT_GZIP; s++) {
        const struct pen_scan_options options = {.program = l->options->program,
                                                 .depth = depths[s],
                                                 .want_source = s == PEN_LIMIT_DOCUMENT,
                                                 .ingested_ns = 0};
        PEN_TRY(pen_scan_new(&options, &l->scans[s], err));
    }
    PEN_TRY(new_shipper(&l->shipper, err));
    return capture(l, err);
}

static void finish(struct limit *l)
{
    for (uint32_t s = 0; s < PEN_LIMIT_STAGES; s++) {
        pen_scan_free(l->scans[s]);
    }
    pen_ship_free(l->shipper);
    bare_free(l->bare);
    if (l->json != NULL) {
        bare_json_free(l->json);
    }
    free(l->plain);
    pen_buf_fini(&l->buffers);
    pen_buf_fini(&l->bodies);
    limit_spans_fini(&l->buffer_spans);
    limit_spans_fini(&l->body_spans);
    limit_corpus_fini(&l->corpus);
    free(l);
}

/* ---- the result ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct pen_limit_time limit_median_of(const double *rounds, uint32_t count)
{
    double sorted[PEN_LIMIT_ROUNDS_MAX];
    memcpy(sorted, rounds, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    return (struct pen_limit_time){
        .median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2,
        .spread = sorted[count - 1] - sorted[0],
    };
}

static void summarise(struct limit *l)
{
    struct pen_limit_result *r = l->result;
    const uint32_t n = l->options->rounds;
    double detect[PEN_LIMIT_ROUNDS_MAX];
    double ship[PEN_LIMIT_ROUNDS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        double libraries = 0;
        for (uint32_t s = 0; s < PEN_LIMIT_GZIP; s++) {
            libraries += l->rounds[s][i];
        }
        detect[i] = l->detect[i] / libraries;
        ship[i] = l->ship[i] / (libraries + l->rounds[PEN_LIMIT_GZIP][i]);
    }
    r->ratio_detect = limit_median_of(detect, n);
    r->ratio_ship = limit_median_of(ship, n);
    r->detect = limit_median_of(l->detect, n);
    r->ship = limit_median_of(l->ship, n);
    r->igzip = limit_median_of(l->igzip, n);
    r->libdeflate = limit_median_of(l->libdeflate, n);
    r->inflate_is_igzip = r->igzip.median < r->libdeflate.median;
    for (uint32_t s = 0; s < PEN_LIMIT_STAGES; s++) {
        r->library[s] = limit_median_of(l->rounds[s], n);
        r->stage[s] = limit_median_of(l->parts[s], n);
    }
    r->objects = l->corpus.count;
    r->stored_bytes = l->corpus.stored_bytes;
    r->plain_bytes = l->corpus.plain_bytes;
    r->scanned_bytes = l->buffers.len;
    r->body_bytes = l->bodies.len;
}

pen_status pen_bench_limit(const struct pen_limit_options *options, struct pen_limit_result *result,
                           struct pen_err *err)
{
    if (options->rounds == 0 || options->rounds > PEN_LIMIT_ROUNDS_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "bench: 1 to %u rounds",
                        PEN_LIMIT_ROUNDS_MAX);
    }
    struct limit *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bench: out of memory");
    }
    *result = (struct pen_limit_result){.allocated_bytes = UINT64_MAX};
    l->options = options;
    l->result = result;
    pen_status status = prepare(l, err);
    for (uint32_t i = 0; status == PEN_OK && i < options->rounds; i++) {
        run_libraries(l, i);
        status = run_pipeline(l, i, err);
    }
    if (status == PEN_OK) {
        summarise(l);
    }
    finish(l);
    return status;
}
