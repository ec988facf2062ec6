/* tested by tests/e2e/test_bench.py */
#include "penstock/bench.h"

#include "limit.h"
#include "tables_made.h"

#include <stdlib.h>

#define LOOKS (1U << 20)
#define LOOKS_SEED UINT64_C(0x9e3779b97f4a7c15)
#define FOUND_MAX 4U

const char *pen_look_name(enum pen_look look)
{
    static const char *const names[PEN_LOOKS] = {[PEN_LOOK_PLACE] = "place",
                                                 [PEN_LOOK_ASSET] = "asset",
                                                 [PEN_LOOK_ADDRESS] = "address",
                                                 [PEN_LOOK_DOMAIN] = "domain"};
    return names[look];
}

/* ---- look-ups alone ---- */

struct looking {
    struct pen_enricher *enricher;
    char (*texts)[TABLES_TEXT_MAX];
    uint8_t *lens;
    uint64_t found; /* so that nothing is optimised away */
};

static void texts_make(struct looking *l, bool is_host)
{
    uint64_t state = LOOKS_SEED;
    for (uint32_t i = 0; i < LOOKS; i++) {
        const uint64_t random = tables_random(&state);
        l->lens[i] = (uint8_t)(is_host ? tables_host(random, l->texts[i])
                                       : tables_address(random, l->texts[i]));
    }
}

static void look(struct looking *l, enum pen_look what, pen_slice text)
{
    struct pen_ioc found[FOUND_MAX];
    struct pen_geo geo;
    switch (what) {
    case PEN_LOOK_PLACE:
        l->found += pen_enricher_geo(l->enricher, text, &geo);
        break;
    case PEN_LOOK_ASSET:
        l->found += pen_enricher_address(l->enricher, text) != NULL;
        break;
    case PEN_LOOK_ADDRESS:
        l->found += pen_enricher_ioc(l->enricher, PEN_IOC_AS_ADDRESS | PEN_IOC_PUBLIC, text, found,
                                     FOUND_MAX);
        break;
    case PEN_LOOK_DOMAIN:
        l->found += pen_enricher_ioc(l->enricher, PEN_IOC_AS_DOMAIN, text, found, FOUND_MAX);
        break;
    case PEN_LOOKS:
        break;
    }
}

static void look_all(struct looking *l, double look_ns[PEN_LOOKS])
{
    for (uint32_t what = 0; what < PEN_LOOKS; what++) {
        texts_make(l, what == PEN_LOOK_DOMAIN);
        const int64_t from = pen_clock_thread_cpu_ns();
        for (uint32_t i = 0; i < LOOKS; i++) {
            const pen_slice text = {(const uint8_t *)l->texts[i], l->lens[i]};
            look(l, (enum pen_look)what, text);
        }
        look_ns[what] = (double)(pen_clock_thread_cpu_ns() - from) / LOOKS;
    }
}

static pen_status looks_measure(const struct pen_program *program, struct pen_enriching *out,
                                struct pen_err *err)
{
    struct looking l = {0};
    PEN_TRY(pen_enricher_new(program->enrich, &l.enricher, err));
    l.texts = calloc(LOOKS, sizeof(*l.texts));
    l.lens = calloc(LOOKS, 1);
    const bool has_room = l.texts != NULL && l.lens != NULL;
    if (has_room) {
        look_all(&l, out->look_ns);
    }
    pen_enricher_free(l.enricher);
    free(l.texts);
    free(l.lens);
    return has_room ? PEN_OK : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bench: out of memory");
}

/* ---- documents ---- */

struct enriching {
    struct limit_corpus corpus;
    struct pen_scan *plain, *enriched;
    double plain_s[PEN_LIMIT_ROUNDS_MAX], enriched_s[PEN_LIMIT_ROUNDS_MAX];
};

static pen_status pass(const struct enriching *e, struct pen_scan *scan, double *seconds,
                       uint64_t *records, struct pen_err *err)
{
    pen_status st = PEN_OK;
    const int64_t from = pen_clock_thread_cpu_ns();
    *records = 0;
    for (uint32_t i = 0; st == PEN_OK && i < e->corpus.count; i++) {
        st = limit_object_run(scan, &e->corpus.objects[i], NULL, records, err);
    }
    *seconds = (double)(pen_clock_thread_cpu_ns() - from) / 1e9;
    return st;
}

static pen_status scan_new(const struct pen_program *program, struct pen_scan **out,
                           struct pen_err *err)
{
    const struct pen_scan_options options = {.program = program, .want_source = true};
    return pen_scan_new(&options, out, err);
}

static pen_status rounds_run(struct enriching *e, const struct pen_limit_options *options,
                             struct pen_enriching *out, struct pen_err *err)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < options->rounds; i++) {
        st = pass(e, e->plain, &e->plain_s[i], &out->records, err);
        st = st == PEN_OK ? pass(e, e->enriched, &e->enriched_s[i], &out->records, err) : st;
    }
    out->plain = limit_median_of(e->plain_s, options->rounds);
    out->enriched = limit_median_of(e->enriched_s, options->rounds);
    return st;
}

static pen_status documents_measure(struct enriching *e, const struct pen_limit_options *options,
                                    const struct pen_program *enriched, struct pen_enriching *out,
                                    struct pen_err *err)
{
    PEN_TRY(limit_corpus_load(options->dir, options->plain_bytes_max, &e->corpus, err));
    PEN_TRY(scan_new(options->program, &e->plain, err));
    PEN_TRY(scan_new(enriched, &e->enriched, err));
    out->plain_bytes = e->corpus.plain_bytes;
    return rounds_run(e, options, out, err);
}

pen_status pen_bench_enriching(const struct pen_limit_options *options,
                               const struct pen_program *enriched, struct pen_enriching *out,
                               struct pen_err *err)
{
    struct pen_ioc_list list;
    struct enriching *e = calloc(1, sizeof(*e));
    *out = (struct pen_enriching){.table_bytes = pen_enrich_bytes(enriched->enrich)};
    if (e == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bench: out of memory");
    }
    pen_iocs_list(pen_enrich_iocs(enriched->enrich), 0, &list);
    out->indicators = list.indicators;
    pen_status st = documents_measure(e, options, enriched, out, err);
    st = st == PEN_OK ? looks_measure(enriched, out, err) : st;
    pen_scan_free(e->plain);
    pen_scan_free(e->enriched);
    limit_corpus_fini(&e->corpus);
    free(e);
    return st;
}
