#include "internal.h"

#include <hs/hs.h>

#include <stdlib.h>

#define JIT_STACK_START ((size_t)32 << 10)
#define JIT_STACK_MAX ((size_t)256 << 10)
#define WORD_BITS 64U

struct pen_first {
    pcre2_code **codes;
    uint8_t *lists;
    uint32_t count, words;
    uint64_t *always; /* a bit a pattern: Hyperscan refused it, so it is tried on every text */
    hs_database_t *database; /* of the others; NULL: there is none */
    hs_scratch_t *scratch;   /* searches clone it */
    uint64_t bytes;
};

struct pen_first_search {
    const struct pen_first *first;
    hs_scratch_t *scratch;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint64_t *candidates;
    uint64_t limit_hits;
};

/* ---- patterns that are wider, and cheaper to look for ---- */

/* Behind a class that begins at at. */
static size_t class_end(pen_slice text, size_t at)
{
    size_t i = at + 1;
    i += i < text.len && text.ptr[i] == '^';
    i += i < text.len && text.ptr[i] == ']';
    while (i < text.len && text.ptr[i] != ']') {
        i += text.ptr[i] == '\\' ? 2 : 1;
    }
    return i < text.len ? i + 1 : text.len;
}

/* Bytes of "{2,100}" at at; 0: it is none, or says no more than one or none. */
static size_t repeat_length(pen_slice text, size_t at)
{
    const pen_slice rest = pen_slice_sub(text, at + 1, text.len);
    const size_t comma = pen_slice_find(rest, PEN_SLICE_LIT(","));
    const size_t close = pen_slice_find(rest, PEN_SLICE_LIT("}"));
    uint64_t low = 0;
    uint64_t high = 0;
    const bool is_repeat = comma < close && close != SIZE_MAX &&
                           pen_parse_u64(pen_slice_sub(rest, 0, comma), &low) &&
                           pen_parse_u64(pen_slice_sub(rest, comma + 1, close), &high);
    return is_repeat && high > 1 ? close + 2 : 0;
}

/* Whether what is wider inside is wider as a whole: not so behind a negation. */
static bool may_widen(pen_slice text)
{
    return pen_slice_find(text, PEN_SLICE_LIT("(?!")) == SIZE_MAX &&
           pen_slice_find(text, PEN_SLICE_LIT("(?<!")) == SIZE_MAX &&
           pen_slice_find(text, PEN_SLICE_LIT("\\Q")) == SIZE_MAX;
}

/* Counted repeats, which cost a state for each count, become `*`.  out has room for text and NUL.
 */
static void widen(pen_slice text, char *out)
{
    const bool is_on = may_widen(text);
    size_t to = 0;
    for (size_t at = 0; at < text.len;) {
        size_t taken = 1;
        const uint8_t c = text.ptr[at];
        const size_t repeat = is_on && c == '{' ? repeat_length(text, at) : 0;
        if (repeat > 0) {
            out[to++] = '*';
            at += repeat;
            continue;
        }
        if (c == '\\') {
            taken = at + 1 < text.len ? 2 : 1;
        } else if (c == '[') {
            taken = class_end(text, at) - at;
        }
        memcpy(out + to, text.ptr + at, taken);
        to += taken;
        at += taken;
    }
    out[to] = '\0';
}

/* ---- build ---- */

struct multi {
    char **texts;
    unsigned *flags;
    unsigned *ids;
    unsigned count;
};

static void multi_fini(struct multi *m)
{
    for (unsigned i = 0; m->texts != NULL && i < m->count; i++) {
        free(m->texts[i]);
    }
    free((void *)m->texts);
    free(m->flags);
    free(m->ids);
}

static bool multi_fill(struct multi *m, const struct pen_first_pattern *patterns, uint32_t count)
{
    *m = (struct multi){.texts = calloc((size_t)count + 1, sizeof(char *)),
                        .flags = calloc((size_t)count + 1, sizeof(unsigned)),
                        .ids = calloc((size_t)count + 1, sizeof(unsigned))};
    if (m->texts == NULL || m->flags == NULL || m->ids == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        m->texts[i] = malloc(patterns[i].text.len + 1);
        m->count = i + 1;
        if (m->texts[i] == NULL) {
            return false;
        }
        widen(patterns[i].text, m->texts[i]);
        m->flags[i] = HS_FLAG_PREFILTER | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY |
                      (patterns[i].is_caseless ? HS_FLAG_CASELESS : 0);
        m->ids[i] = i;
    }
    return true;
}

/* Leaves one out, which is tried always. */
static void multi_drop(struct multi *m, unsigned at, struct pen_first *first)
{
    const unsigned last = m->count - 1;
    first->always[m->ids[at] / WORD_BITS] |= UINT64_C(1) << (m->ids[at] % WORD_BITS);
    free(m->texts[at]);
    m->texts[at] = m->texts[last];
    m->flags[at] = m->flags[last];
    m->ids[at] = m->ids[last];
    m->count = last;
}

/* One database of all that Hyperscan takes.  It refuses the whole for one, which is then left out.
 */
static pen_status database_make(struct multi *m, struct pen_first *first, struct pen_err *err)
{
    hs_compile_error_t *error = NULL;
    while (m->count > 0 && first->database == NULL) {
        if (hs_compile_multi((const char *const *)m->texts, m->flags, m->ids, m->count,
                             HS_MODE_BLOCK, NULL, &first->database, &error) == HS_SUCCESS) {
            break;
        }
        const int at = error->expression;
        if (at < 0 || (unsigned)at >= m->count) {
            (void)PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "Hyperscan: %s", error->message);
            (void)hs_free_compile_error(error);
            return PEN_E_HOST;
        }
        (void)hs_free_compile_error(error);
        multi_drop(m, (unsigned)at, first);
    }
    return first->database == NULL ||
                   hs_alloc_scratch(first->database, &first->scratch) == HS_SUCCESS
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "patterns: out of memory");
}

static pen_status code_make(const struct pen_first_pattern *pattern, pcre2_code **code,
                            uint64_t *bytes, struct pen_err *err)
{
    const struct pen_pred pred = {.op = PEN_OP_REGEX,
                                  .text = pattern->text,
                                  .flags =
                                      PEN_RE_BYTES | (pattern->is_caseless ? PEN_RE_CASELESS : 0)};
    size_t size = 0;
    size_t jit = 0;
    PEN_TRY(pen_match_regex_compile(&pred, code, err));
    (void)pcre2_pattern_info(*code, PCRE2_INFO_SIZE, &size);
    (void)pcre2_pattern_info(*code, PCRE2_INFO_JITSIZE, &jit);
    *bytes += size + jit;
    return PEN_OK;
}

static pen_status first_fill(struct pen_first *first, const struct pen_first_pattern *patterns,
                             uint32_t *bad, struct pen_err *err)
{
    struct multi multi;
    size_t size = 0;
    for (uint32_t i = 0; i < first->count; i++) {
        PEN_CHECK(patterns[i].list < PEN_FIRST_LISTS);
        first->lists[i] = (uint8_t)patterns[i].list;
        *bad = i;
        PEN_TRY(code_make(&patterns[i], &first->codes[i], &first->bytes, err));
    }
    *bad = UINT32_MAX;
    const bool has_room = multi_fill(&multi, patterns, first->count);
    const pen_status st =
        has_room ? database_make(&multi, first, err)
                 : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "patterns: out of memory");
    multi_fini(&multi);
    if (first->database != NULL && hs_database_size(first->database, &size) == HS_SUCCESS) {
        first->bytes += size;
    }
    return st;
}

pen_status pen_first_new(const struct pen_first_pattern *patterns, uint32_t count,
                         struct pen_first **out, uint32_t *bad, struct pen_err *err)
{
    struct pen_first *first = calloc(1, sizeof(*first));
    *out = NULL;
    *bad = UINT32_MAX;
    if (first == NULL || count > PEN_FIRST_PATTERNS_MAX) {
        free(first);
        return first == NULL ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "patterns: out of memory")
                             : PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u patterns",
                                        PEN_FIRST_PATTERNS_MAX);
    }
    first->count = count;
    first->words = count / WORD_BITS + 1;
    first->codes = calloc((size_t)count + 1, sizeof(pcre2_code *));
    first->lists = calloc((size_t)count + 1, 1);
    first->always = calloc(first->words, sizeof(uint64_t));
    const pen_status st = first->codes == NULL || first->lists == NULL || first->always == NULL
                              ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "patterns: out of memory")
                              : first_fill(first, patterns, bad, err);
    if (st != PEN_OK) {
        pen_first_free(first);
        return st;
    }
    *out = first;
    return PEN_OK;
}

void pen_first_free(struct pen_first *first)
{
    if (first == NULL) {
        return;
    }
    for (uint32_t i = 0; first->codes != NULL && i < first->count; i++) {
        pcre2_code_free(first->codes[i]);
    }
    (void)hs_free_scratch(first->scratch);
    (void)hs_free_database(first->database);
    free((void *)first->codes);
    free(first->lists);
    free(first->always);
    free(first);
}

uint64_t pen_first_bytes(const struct pen_first *first)
{
    return first->bytes;
}

/* ---- search ---- */

uint64_t pen_first_search_memory(const struct pen_first *first)
{
    size_t scratch = 0;
    if (first->scratch != NULL) {
        (void)hs_scratch_size(first->scratch, &scratch);
    }
    return scratch + JIT_STACK_MAX + first->words * sizeof(uint64_t);
}

pen_status pen_first_search_new(const struct pen_first *first, struct pen_first_search **out,
                                struct pen_err *err)
{
    struct pen_first_search *s = calloc(1, sizeof(*s));
    *out = NULL;
    if (s == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "patterns: out of memory");
    }
    s->first = first;
    s->candidates = calloc(first->words, sizeof(uint64_t));
    s->data = pcre2_match_data_create(PEN_FIRST_GROUPS, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
    const bool has_scratch =
        first->scratch == NULL || hs_clone_scratch(first->scratch, &s->scratch) == HS_SUCCESS;
    if (s->candidates == NULL || s->data == NULL || s->context == NULL || s->stack == NULL ||
        !has_scratch) {
        pen_first_search_free(s);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "patterns: out of memory");
    }
    (void)pcre2_set_match_limit(s->context, PEN_FIRST_STEPS_MAX);
    pcre2_jit_stack_assign(s->context, NULL, s->stack);
    *out = s;
    return PEN_OK;
}

void pen_first_search_free(struct pen_first_search *search)
{
    if (search != NULL) {
        (void)hs_free_scratch(search->scratch);
        pcre2_match_data_free(search->data);
        pcre2_match_context_free(search->context);
        pcre2_jit_stack_free(search->stack);
        free(search->candidates);
        free(search);
    }
}

static int on_candidate(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                        void *ctx)
{
    uint64_t *candidates = ctx;
    (void)from;
    (void)to;
    (void)flags;
    candidates[id / WORD_BITS] |= UINT64_C(1) << (id % WORD_BITS);
    return 0;
}

/* The verdict on one pattern; its groups, when it matches. */
static bool is_hit(struct pen_first_search *s, uint32_t pattern, pen_slice text,
                   struct pen_first_hit *hit)
{
    const int rc =
        pcre2_match(s->first->codes[pattern], text.ptr, text.len, 0, 0, s->data, s->context);
    if (rc < 0) {
        s->limit_hits += rc != PCRE2_ERROR_NOMATCH;
        return false;
    }
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->data);
    const uint32_t set = rc == 0 ? PEN_FIRST_GROUPS : (uint32_t)rc;
    *hit = (struct pen_first_hit){.pattern = pattern};
    for (uint32_t i = 0; i < set; i++, ends += 2) {
        const bool is_set = ends[0] != PCRE2_UNSET && ends[0] <= ends[1];
        hit->groups[i] = is_set ? pen_slice_sub(text, ends[0], ends[1]) : (pen_slice){0};
    }
    return true;
}

void pen_first_find(struct pen_first_search *search, pen_slice text,
                    struct pen_first_hit hits[PEN_FIRST_LISTS])
{
    const struct pen_first *first = search->first;
    const pen_slice subject = text.len == 0 ? PEN_SLICE_LIT("") : text;
    for (uint32_t i = 0; i < PEN_FIRST_LISTS; i++) {
        hits[i].pattern = UINT32_MAX;
    }
    PEN_CHECK(text.len <= UINT32_MAX);
    memcpy(search->candidates, first->always, first->words * sizeof(uint64_t));
    if (first->database != NULL) {
        PEN_CHECK(hs_scan(first->database, (const char *)subject.ptr, (unsigned)subject.len, 0,
                          search->scratch, on_candidate, search->candidates) == HS_SUCCESS);
    }
    for (uint32_t word = 0; word < first->words; word++) {
        for (uint64_t bits = search->candidates[word]; bits != 0; bits &= bits - 1) {
            const uint32_t pattern = word * WORD_BITS + (uint32_t)__builtin_ctzll(bits);
            struct pen_first_hit *hit = &hits[first->lists[pattern]];
            if (hit->pattern == UINT32_MAX) {
                (void)is_hit(search, pattern, subject, hit);
            }
        }
    }
}

uint64_t pen_first_limit_hits(const struct pen_first_search *search)
{
    return search->limit_hits;
}
