#include "penstock/match.h"

#include "matcher.h"

#include <emmintrin.h>
#include <stdlib.h>

#define LANE 16U
#define SCAN_BYTES_MAX ((size_t)256 << 20)

pen_status pen_matcher_new(const struct pen_engine *engine, struct pen_matcher **out,
                           struct pen_err *err)
{
    *out = NULL;
    struct pen_matcher *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for a matcher");
    }
    m->engine = engine;
    pen_buf_init(&m->scan, SCAN_BYTES_MAX);
    pen_buf_init(&m->plain, PEN_MATCH_TEXT_MAX);
    pen_buf_init(&m->fold, PEN_MATCH_TEXT_MAX);
    const size_t words = (size_t)engine->query_count / 64 + 1;
    m->marks = calloc((size_t)engine->pred_count + 1, sizeof(*m->marks));
    m->pending = calloc(words, sizeof(*m->pending));
    m->summary = calloc(words / 64 + 1, sizeof(*m->summary));
    m->tags = calloc((size_t)engine->query_count + 1, sizeof(*m->tags));
    const bool is_good =
        m->marks != NULL && m->pending != NULL && m->summary != NULL && m->tags != NULL &&
        (engine->database == NULL || hs_alloc_scratch(engine->database, &m->hs) == HS_SUCCESS);
    pen_status status = PEN_E_NOMEM;
    if (is_good) {
        status = pen_match_scratch_init(&m->scratch, engine->regex_steps_max, err);
    } else {
        status = PEN_FAIL(err, status, PEN_NO_OFFSET, "match: no memory for a matcher");
    }
    if (status != PEN_OK) {
        pen_matcher_free(m);
        return status;
    }
    *out = m;
    return PEN_OK;
}

void pen_matcher_free(struct pen_matcher *m)
{
    if (m == NULL) {
        return;
    }
    pen_match_scratch_fini(&m->scratch);
    pen_buf_fini(&m->scan);
    pen_buf_fini(&m->plain);
    pen_buf_fini(&m->fold);
    (void)hs_free_scratch(m->hs);
    free(m->marks);
    free(m->pending);
    free(m->summary);
    free(m->tags);
    free(m);
}

static void queue(struct pen_matcher *m, uint32_t query)
{
    m->pending[query / 64] |= UINT64_C(1) << query % 64;
    m->summary[query / 4096] |= UINT64_C(1) << query / 64 % 64;
}

/* A predicate announces itself: its queries are queued, once a record. */
static void fire(struct pen_matcher *m, uint32_t id, bool is_certain)
{
    const enum verdict before = known(m, id);
    if (before == HOLDS || (before == CANDIDATE && !is_certain)) {
        return;
    }
    note(m, id, is_certain ? HOLDS : CANDIDATE);
    if (before != UNKNOWN) {
        return;
    }
    m->counters.candidates++;
    const struct engine_pred *pred = &m->engine->preds[id];
    for (uint32_t i = 0; i < pred->query_count; i++) {
        queue(m, m->engine->dependents[pred->first_query + i]);
    }
}

/* A copy in lower case; false when the text has bytes beyond ASCII. */
static bool lower_ascii(pen_slice text, uint8_t *out)
{
    uint8_t seen = 0;
    if (text.len < LANE) {
        for (size_t i = 0; i < text.len; i++) {
            const uint8_t c = text.ptr[i];
            seen |= c;
            out[i] = (uint8_t)(c + ((uint8_t)(c - 'A') < 26 ? 32 : 0));
        }
        return seen < 0x80;
    }
    __m128i all = _mm_setzero_si128();
    for (size_t i = 0; i < text.len; i += LANE) {
        const size_t at = i < text.len - LANE ? i : text.len - LANE; /* the last lane ends there */
        const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + at));
        const __m128i from_a = _mm_sub_epi8(c, _mm_set1_epi8('A'));
        const __m128i is_upper = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8(25)), from_a);
        const __m128i low = _mm_or_si128(c, _mm_and_si128(is_upper, _mm_set1_epi8(32)));
        _mm_storeu_si128((__m128i *)(void *)(out + at), low);
        all = _mm_or_si128(all, c);
    }
    return _mm_movemask_epi8(all) == 0;
}

static bool fold_value(struct pen_matcher *m, pen_slice text, pen_slice *folded)
{
    m->fold.len = 0;
    if (pen_buf_reserve(&m->fold, text.len + 1) != PEN_OK) {
        return false;
    }
    if (lower_ascii(text, m->fold.ptr)) {
        m->fold.len = text.len;
    } else if (pen_match_fold(&m->fold, text) != PEN_OK) {
        return false;
    }
    *folded = pen_buf_slice(&m->fold);
    return true;
}

static void look_up(struct pen_matcher *m, const struct eq_want *want, bool from_object)
{
    const struct eq_table *table = &m->engine->eq;
    uint64_t hash;
    if (!pen_match_eq_may_have(table, want, &hash)) {
        return;
    }
    uint64_t at = hash;
    const struct eq_key *key = NULL;
    while ((key = pen_match_eq_next(table, hash, &at, want)) != NULL) {
        if (!from_object || !key->scalars_only) {
            fire(m, key->pred, true);
        }
    }
}

/* A code point of three bytes may fold to one byte, never to less than a third. */
#define FOLD_SHRINK_MAX 3

/* How a value begins. */
static void look_up_prefixes(struct pen_matcher *m, uint32_t field, bool is_cased, pen_slice text,
                             bool from_object)
{
    const uint8_t *lens = m->engine->prefix_lens[field];
    for (uint32_t i = 0; i < PREFIX_LENS_MAX && lens[i] > 0; i++) {
        if (lens[i] <= text.len) {
            const pen_slice prefix = pen_slice_sub(text, 0, lens[i]);
            const struct eq_want want = {.field = field | EQ_PREFIX,
                                         .is_found_cased = is_cased,
                                         .text = prefix,
                                         .found_by = prefix};
            look_up(m, &want, from_object);
        }
    }
}

static void look_up_value(struct pen_matcher *m, uint32_t field, pen_slice text, bool from_object)
{
    const uint32_t flags = m->engine->field_flags[field];
    const size_t text_max = m->engine->eq.text_max;
    struct eq_want want = {.field = field, .is_found_cased = true, .text = text, .found_by = text};
    const uint32_t eq = flags & (FIELD_EQ_CASED | FIELD_EQ_FOLDED);
    const bool has_len = (m->engine->eq_lens[field] >> text.len % 64 & 1) != 0;
    if (eq == FIELD_EQ_CASED && has_len && text.len <= text_max) {
        look_up(m, &want, from_object);
    }
    if ((flags & FIELD_PREFIX_CASED) != 0) {
        look_up_prefixes(m, field, true, text, from_object);
    }
    /* of what is beyond ASCII the length may change */
    const bool may_be_equal = (flags & FIELD_EQ_FOLDED) != 0 &&
                              text.len <= text_max * FOLD_SHRINK_MAX &&
                              (has_len || !pen_match_is_ascii(text));
    if (!may_be_equal && (flags & FIELD_PREFIX_FOLDED) == 0) {
        return;
    }
    want.is_found_cased = false;
    if (!fold_value(m, text, &want.found_by)) {
        m->is_short = true;
        return;
    }
    if (may_be_equal) {
        look_up(m, &want, from_object);
    }
    if ((flags & FIELD_PREFIX_FOLDED) != 0) {
        look_up_prefixes(m, field, false, want.found_by, from_object);
    }
}

static void scan_add(struct pen_matcher *m, uint32_t field, pen_slice text)
{
    const uint32_t digits = m->engine->digit_count;
    struct pen_buf *scan = &m->scan;
    if (pen_buf_reserve(scan, text.len + digits + 4 + SCAN_PADDING) != PEN_OK) {
        m->is_short = true;
        return;
    }
    uint8_t *to = scan->ptr + scan->len;
    *to++ = SCAN_START;
    memcpy(to, m->engine->field_tags[field], digits);
    to += digits;
    *to++ = '\n';
    if (text.len > 0) {
        memcpy(to, text.ptr, text.len);
    }
    to += text.len;
    *to++ = '\n';
    *to++ = SCAN_STOP;
    scan->len = (size_t)(to - scan->ptr);
}

static void take_text(struct pen_matcher *m, uint32_t field, pen_slice text, bool from_object)
{
    const uint32_t flags = m->engine->field_flags[field];
    if ((flags & ~FIELD_SCAN) != 0) {
        look_up_value(m, field, text, from_object);
    }
    if ((flags & FIELD_SCAN) == 0) {
        return;
    }
    scan_add(m, field, text);
    if (!pen_match_is_ascii(text)) {
        m->has_wide = true;
        pen_slice folded;
        if (fold_value(m, text, &folded)) {
            scan_add(m, field, folded);
        } else {
            m->is_short = true;
        }
    }
}

struct object_walk {
    struct pen_matcher *matcher;
    uint32_t field;
};

static bool take_object_text(void *ctx, pen_slice text)
{
    const struct object_walk *walk = ctx;
    take_text(walk->matcher, walk->field, text, true);
    return false;
}

static void take_value(struct pen_matcher *m, const struct pen_value *v)
{
    if (v->kind == PEN_OBJECT) {
        struct object_walk walk = {m, v->field};
        m->has_object = true;
        (void)pen_match_object_texts(&m->plain, v->text, take_object_text, &walk);
        return;
    }
    if (v->kind == PEN_NULL || v->kind == PEN_ARRAY) {
        return;
    }
    pen_slice text = v->text;
    if (v->is_escaped) {
        m->plain.len = 0;
        if (pen_buf_reserve(&m->plain, text.len) != PEN_OK) {
            m->is_short = true;
            return;
        }
        text = (pen_slice){m->plain.ptr, pen_json_unescape(v->text, m->plain.ptr)};
    }
    take_text(m, v->field, text, false);
}

static int on_report(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                     void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct pen_matcher *m = ctx;
    const uint32_t at = m->engine->patterns[id].pred;
    const struct engine_pred *pred = &m->engine->preds[at];
    const bool is_doubtful = m->has_wide || (m->has_object && pred->ready.pred.scalars_only);
    fire(m, at, pred->is_exact && !is_doubtful);
    return 0;
}

static void scan_values(struct pen_matcher *m)
{
    const struct pen_engine *engine = m->engine;
    if (m->scan.len > 0) {
        memset(m->scan.ptr + m->scan.len, 0, SCAN_PADDING);
        m->counters.scanned_bytes += m->scan.len;
        if (m->capture != NULL) {
            m->capture(m->capture_ctx, pen_buf_slice(&m->scan));
        }
    }
    if (m->scan.len > 0 && engine->database != NULL) {
        const hs_error_t error = hs_scan(engine->database, (const char *)m->scan.ptr,
                                         pen_u32(m->scan.len), 0, m->hs, on_report, m);
        m->is_short = m->is_short || error != HS_SUCCESS;
    }
    if (PEN_UNLIKELY(m->has_wide)) {
        /* Byte mode is no measure for regexes beyond ASCII: all of them are asked. */
        for (uint32_t i = 0; i < engine->scan_regex_count; i++) {
            fire(m, engine->scan_regexes[i], false);
        }
    }
    if (PEN_UNLIKELY(m->is_short)) {
        for (uint32_t i = 0; i < engine->pred_count; i++) {
            if (engine->preds[i].cls != CLASS_LAZY) {
                fire(m, i, false);
            }
        }
    }
}

static bool holds(struct pen_matcher *m, uint32_t id)
{
    const enum verdict verdict = known(m, id);
    if (verdict == HOLDS || verdict == FAILS) {
        return verdict == HOLDS;
    }
    const struct engine_pred *pred = &m->engine->preds[id];
    if (verdict == UNKNOWN && pred->cls != CLASS_LAZY) {
        return false;
    }
    const bool is_true = pen_match_pred_eval(&m->scratch, &pred->ready, m->record);
    note(m, id, is_true ? HOLDS : FAILS);
    return is_true;
}

static bool run_program(struct pen_matcher *m, uint32_t entry)
{
    const struct instruction *code = m->engine->code;
    while (entry < GO_FALSE) {
        entry = holds(m, code[entry].pred) ? code[entry].if_true : code[entry].if_false;
    }
    return entry == GO_TRUE;
}

/* Runs the queued queries of one word; found: how many tags there are before and behind. */
static inline uint32_t run_word(struct pen_matcher *m, uint32_t w, uint32_t found)
{
    for (; m->pending[w] != 0; m->pending[w] &= m->pending[w] - 1) {
        const uint32_t q = w * 64 + (uint32_t)__builtin_ctzll(m->pending[w]);
        m->counters.programs_run++;
        if (run_program(m, m->engine->queries[q].entry)) {
            m->tags[found++] = m->engine->queries[q].tag;
        }
    }
    return found;
}

/* Runs the queued queries in the order of their tags and empties the queue. */
static uint32_t run_pending(struct pen_matcher *m)
{
    uint32_t found = 0;
    const uint32_t groups = m->engine->query_count / 4096 + 1;
    for (uint32_t g = 0; g < groups; g++) {
        for (; m->summary[g] != 0; m->summary[g] &= m->summary[g] - 1) {
            found = run_word(m, g * 64 + (uint32_t)__builtin_ctzll(m->summary[g]), found);
        }
    }
    return found;
}

static void begin_record(struct pen_matcher *m, const struct pen_record *record)
{
    if (m->stamp == STAMP_MAX) {
        memset(m->marks, 0, (size_t)m->engine->pred_count * sizeof(*m->marks));
        m->stamp = 0;
    }
    m->stamp++;
    m->record = record;
    m->scan.len = 0;
    m->has_wide = false;
    m->has_object = false;
    m->is_short = false;
    m->counters.records++;
}

uint32_t pen_matcher_run(struct pen_matcher *m, const struct pen_record *record,
                         const uint32_t **tags)
{
    const struct pen_engine *engine = m->engine;
    const uint64_t begin = PEN_UNLIKELY(m->profile != NULL) ? pen_match_ticks() : 0;
    begin_record(m, record);
    for (uint32_t i = 0; i < record->value_count; i++) {
        const struct pen_value *v = &record->values[i];
        if (v->field < engine->field_count && engine->field_flags[v->field] != 0) {
            take_value(m, v);
        }
    }
    scan_values(m);
    for (uint32_t i = 0; i < engine->always_count; i++) {
        queue(m, engine->always[i]);
    }
    *tags = m->tags;
    if (PEN_UNLIKELY(m->profile != NULL)) {
        pen_match_profile_record(m->profile, begin, pen_match_ticks());
        return pen_match_profile_run(m);
    }
    return run_pending(m);
}

struct pen_matcher_counters pen_matcher_counters_get(const struct pen_matcher *m)
{
    struct pen_matcher_counters counters = m->counters;
    counters.regex_limit_hits = m->scratch.limit_hits;
    return counters;
}

void pen_matcher_capture(struct pen_matcher *m, pen_capture_fn *fn, void *ctx)
{
    m->capture = fn;
    m->capture_ctx = ctx;
}

static int count_report(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                        void *ctx)
{
    (void)id;
    (void)from;
    (void)to;
    (void)flags;
    ++*(uint64_t *)ctx;
    return 0;
}

uint64_t pen_matcher_scan_bare(struct pen_matcher *m, pen_slice scan_buffer)
{
    uint64_t reports = 0;
    if (m->engine->database == NULL || scan_buffer.len == 0) {
        return 0;
    }
    const hs_error_t error = hs_scan(m->engine->database, (const char *)scan_buffer.ptr,
                                     pen_u32(scan_buffer.len), 0, m->hs, count_report, &reports);
    return error == HS_SUCCESS ? reports : 0;
}
