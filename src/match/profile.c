#include "penstock/match.h"

#include "intern.h"
#include "matcher.h"

#include <stdlib.h>

#define PAIRS 64U /* of readings, to know what a reading itself takes */

/* tested by tests/unit/match/test_profile.c */

static uint64_t reading_ticks(void)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < PAIRS; i++) {
        const uint64_t begin = pen_match_ticks();
        const uint64_t took = pen_match_ticks() - begin;
        least = took < least ? took : least;
    }
    return least;
}

/* What rules say at the predicates, by the ids that the engine has given them: it met the queries
 * in the same order. */
static pen_status sources_name(struct pen_profile *p, const struct pen_query *queries,
                               uint32_t count)
{
    struct match_intern intern = {.count = 0};
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = pen_match_intern_add(&intern, queries[i].expr);
    }
    PEN_CHECK(st != PEN_OK || intern.count == p->pred_count);
    for (uint32_t i = 0; st == PEN_OK && i < intern.count; i++) {
        p->preds[i].source = intern.sources[i];
    }
    pen_match_intern_fini(&intern);
    return st;
}

static const char *how_of(const struct engine_pred *pred)
{
    switch (pred->cls) {
    case CLASS_EQ:
    case CLASS_PREFIX:
        return "table";
    case CLASS_SCAN:
        return "scan";
    case CLASS_LAZY:
        return "asked";
    }
    pen_panic(PEN_HERE, "class of a predicate");
}

static void fill(struct pen_profile *p, const struct pen_engine *engine)
{
    for (uint32_t i = 0; i < p->query_count; i++) {
        p->queries[i].tag = engine->queries[i].tag;
    }
    for (uint32_t i = 0; i < engine->always_count; i++) {
        p->queries[engine->always[i]].is_always = true;
    }
    for (uint32_t i = 0; i < p->pred_count; i++) {
        p->preds[i].how = how_of(&engine->preds[i]);
        p->preds[i].queries = engine->preds[i].query_count;
    }
}

pen_status pen_profile_new(const struct pen_engine *engine, const struct pen_query *queries,
                           uint32_t count, struct pen_profile **out, struct pen_err *err)
{
    struct pen_profile *p = calloc(1, sizeof(*p));
    *out = NULL;
    if (p == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "profile: out of memory");
    }
    PEN_CHECK(count == engine->query_count);
    p->query_count = engine->query_count;
    p->pred_count = engine->pred_count;
    p->queries = calloc((size_t)p->query_count + 1, sizeof(*p->queries));
    p->preds = calloc((size_t)p->pred_count + 1, sizeof(*p->preds));
    if (p->queries == NULL || p->preds == NULL || sources_name(p, queries, count) != PEN_OK) {
        pen_profile_free(p);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "profile: out of memory");
    }
    fill(p, engine);
    p->reading_ticks = reading_ticks();
    p->begin_ticks = pen_match_ticks();
    p->begin_ns = pen_clock_mono_ns();
    *out = p;
    return PEN_OK;
}

void pen_profile_free(struct pen_profile *profile)
{
    if (profile != NULL) {
        free(profile->queries);
        free(profile->preds);
        free(profile);
    }
}

double pen_profile_tick_ns(const struct pen_profile *profile)
{
    const uint64_t ticks = pen_match_ticks() - profile->begin_ticks;
    const int64_t ns = pen_clock_mono_ns() - profile->begin_ns;
    return ticks == 0 ? 0 : (double)ns / (double)ticks;
}

void pen_matcher_profile(struct pen_matcher *matcher, struct pen_profile *profile)
{
    matcher->profile = profile;
}

/* ---- while records run ---- */

/* Since begin, without what the readings took: their own, and `inner` ones in between. */
static uint64_t taken(const struct pen_profile *p, uint64_t begin, uint64_t inner)
{
    const uint64_t took = pen_match_ticks() - begin;
    const uint64_t readings = p->reading_ticks * (1 + inner);
    return took > readings ? took - readings : 0;
}

static bool holds_measured(struct pen_matcher *m, uint32_t id, uint64_t *readings)
{
    const enum verdict verdict = known(m, id);
    const struct engine_pred *pred = &m->engine->preds[id];
    struct pen_profile_pred *count = &m->profile->preds[id];
    count->asked++;
    if (verdict == HOLDS || verdict == FAILS) {
        count->held += verdict == HOLDS;
        return verdict == HOLDS;
    }
    if (verdict == UNKNOWN && pred->cls != CLASS_LAZY) {
        return false;
    }
    const uint64_t begin = pen_match_ticks();
    const bool is_true = pen_match_pred_eval(&m->scratch, &pred->ready, m->record);
    count->ticks += taken(m->profile, begin, 0);
    *readings += 2;
    count->evaluated++;
    count->held += is_true;
    note(m, id, is_true ? HOLDS : FAILS);
    return is_true;
}

static bool query_run(struct pen_matcher *m, uint32_t query)
{
    const struct instruction *code = m->engine->code;
    struct pen_profile_query *count = &m->profile->queries[query];
    uint32_t entry = m->engine->queries[query].entry;
    uint64_t readings = 0;
    const uint64_t begin = pen_match_ticks();
    while (entry < GO_FALSE) {
        const uint32_t pred = code[entry].pred;
        entry = holds_measured(m, pred, &readings) ? code[entry].if_true : code[entry].if_false;
    }
    count->ticks += taken(m->profile, begin, readings);
    count->starts++;
    count->matches += entry == GO_TRUE;
    return entry == GO_TRUE;
}

/* Predicates that announced themselves on this record. */
static void fired_count(struct pen_matcher *m)
{
    for (uint32_t i = 0; i < m->engine->pred_count; i++) {
        m->profile->preds[i].fired += known(m, i) != UNKNOWN;
    }
}

uint32_t pen_match_profile_run(struct pen_matcher *m)
{
    uint32_t found = 0;
    const uint32_t words = m->engine->query_count / 64 + 1;
    fired_count(m);
    for (uint32_t w = 0; w < words; w++) {
        for (; m->pending[w] != 0; m->pending[w] &= m->pending[w] - 1) {
            const uint32_t q = w * 64 + (uint32_t)__builtin_ctzll(m->pending[w]);
            m->counters.programs_run++;
            if (query_run(m, q)) {
                m->tags[found++] = m->engine->queries[q].tag;
            }
        }
    }
    memset(m->summary, 0, (words / 64 + 1) * sizeof(*m->summary));
    return found;
}

void pen_match_profile_record(struct pen_profile *profile, uint64_t begin, uint64_t run)
{
    profile->records++;
    profile->select_ticks +=
        run - begin > profile->reading_ticks ? run - begin - profile->reading_ticks : 0;
}
