/* tested by tests/unit/text/test_text.c */
#include "marks.h"

#include <immintrin.h>
#include <stdlib.h>

#define BLOCKS_FIRST 64U

/* Bytes of a block that are the line's, by where the line ends in it: 64 - n from here. */
static const uint8_t ours[2 * MARKS_BLOCK] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

/* What a look at a line takes: its separator, the byte that is not odd in it, and what stands for
 * the bytes behind it. */
struct look {
    uint8_t separator, passed, behind;
};
struct block {
    uint64_t separators, quotes;
    bool has_odd, has_bracket;
};
typedef struct block look_fn(const uint8_t *p, const uint8_t *mine, struct look look);

/* Odd is what lies below the blank, and as signed bytes so does what is beyond ASCII; a backslash;
 * DEL. */
static inline struct block look_narrow(const uint8_t *p, const uint8_t *mine, struct look look)
{
    struct block block = {0};
    __m128i odd = _mm_setzero_si128();
    __m128i brackets = _mm_setzero_si128();
    for (uint32_t i = 0; i < MARKS_BLOCK; i += 16) {
        const __m128i all = _mm_loadu_si128((const void *)(p + i));
        const __m128i mask = _mm_loadu_si128((const void *)(mine + i));
        const __m128i c = _mm_or_si128(_mm_and_si128(all, mask),
                                       _mm_andnot_si128(mask, _mm_set1_epi8((char)look.behind)));
        const __m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8((char)look.passed)),
                                             _mm_cmplt_epi8(c, _mm_set1_epi8(' ')));
        const __m128i other = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('\\')),
                                           _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
        const __m128i quote = _mm_cmpeq_epi8(c, _mm_set1_epi8('"'));
        const __m128i parts = _mm_cmpeq_epi8(c, _mm_set1_epi8((char)look.separator));
        odd = _mm_or_si128(odd, _mm_or_si128(low, other));
        brackets = _mm_or_si128(brackets, _mm_cmpeq_epi8(c, _mm_set1_epi8('[')));
        block.separators |= (uint64_t)(uint32_t)_mm_movemask_epi8(parts) << i;
        block.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(quote) << i;
    }
    block.has_odd = _mm_movemask_epi8(odd) != 0;
    block.has_bracket = _mm_movemask_epi8(brackets) != 0;
    return block;
}

__attribute__((target("avx2"))) static inline struct block look_wide(const uint8_t *p,
                                                                     const uint8_t *mine,
                                                                     struct look look)
{
    struct block block = {0};
    __m256i odd = _mm256_setzero_si256();
    __m256i brackets = _mm256_setzero_si256();
    for (uint32_t i = 0; i < MARKS_BLOCK; i += 32) {
        const __m256i c = _mm256_blendv_epi8(_mm256_set1_epi8((char)look.behind),
                                             _mm256_loadu_si256((const void *)(p + i)),
                                             _mm256_loadu_si256((const void *)(mine + i)));
        const __m256i low =
            _mm256_andnot_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8((char)look.passed)),
                                _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), c));
        const __m256i other = _mm256_or_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8('\\')),
                                              _mm256_cmpeq_epi8(c, _mm256_set1_epi8(0x7f)));
        const __m256i quote = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('"'));
        const __m256i parts = _mm256_cmpeq_epi8(c, _mm256_set1_epi8((char)look.separator));
        odd = _mm256_or_si256(odd, _mm256_or_si256(low, other));
        brackets = _mm256_or_si256(brackets, _mm256_cmpeq_epi8(c, _mm256_set1_epi8('[')));
        block.separators |= (uint64_t)(uint32_t)_mm256_movemask_epi8(parts) << i;
        block.quotes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(quote) << i;
    }
    block.has_odd = _mm256_testz_si256(odd, odd) == 0;
    block.has_bracket = _mm256_testz_si256(brackets, brackets) == 0;
    return block;
}

static inline __attribute__((always_inline)) void look_all(struct marks *marks, pen_slice line,
                                                           struct look look, look_fn *fn)
{
    bool has_odd = false;
    bool is_uneven = false;
    uint64_t quotes = 0;
    uint64_t before = 0; /* 1: the byte before the block is a separator */
    uint64_t *const separators_to = marks->separators;
    uint64_t *const quotes_to = marks->quotes;
    for (size_t at = 0; at * MARKS_BLOCK < line.len; at++) {
        const size_t left = line.len - at * MARKS_BLOCK;
        const uint8_t *mine = ours + (left < MARKS_BLOCK ? MARKS_BLOCK - left : 0);
        const struct block block = fn(line.ptr + at * MARKS_BLOCK, mine, look);
        separators_to[at] = block.separators;
        quotes_to[at] = block.quotes;
        quotes += (uint64_t)__builtin_popcountll(block.quotes);
        has_odd |= block.has_odd;
        is_uneven |= block.has_bracket;
        is_uneven |= (block.separators & (block.separators << 1 | before)) != 0;
        before = block.separators >> (MARKS_BLOCK - 1);
    }
    marks->quote_count = quotes;
    marks->has_odd = has_odd;
    marks->is_even = !is_uneven && quotes == 0;
}

__attribute__((target("avx2,popcnt"))) static void take_wide(struct marks *marks, pen_slice line,
                                                             struct look look)
{
    look_all(marks, line, look, look_wide);
}

static void take_narrow(struct marks *marks, pen_slice line, struct look look)
{
    look_all(marks, line, look, look_narrow);
}

void marks_init(struct marks *marks)
{
    *marks = (struct marks){.is_wide = __builtin_cpu_supports("avx2") != 0};
}

void marks_fini(struct marks *marks)
{
    free(marks->separators);
    free(marks->quotes);
}

static bool marks_grow(struct marks *marks, size_t blocks)
{
    size_t cap = marks->cap == 0 ? BLOCKS_FIRST : marks->cap;
    while (cap < blocks) {
        cap *= 2;
    }
    uint64_t *separators = reallocarray(marks->separators, cap, sizeof(*separators));
    marks->separators = separators != NULL ? separators : marks->separators;
    uint64_t *quotes = reallocarray(marks->quotes, cap, sizeof(*quotes));
    marks->quotes = quotes != NULL ? quotes : marks->quotes;
    marks->cap = separators != NULL && quotes != NULL ? cap : marks->cap;
    return separators != NULL && quotes != NULL;
}

bool marks_take(struct marks *marks, pen_slice line, uint8_t separator)
{
    const size_t blocks = line.len / MARKS_BLOCK + 1;
    const struct look look = {.separator = separator,
                              .passed = separator == '\t' ? '\t' : ' ', /* it is in no value */
                              .behind = separator == 'a' ? 'b' : 'a'};
    if (PEN_UNLIKELY(blocks > marks->cap) && !marks_grow(marks, blocks)) {
        return false;
    }
    if (marks->is_wide) {
        take_wide(marks, line, look);
    } else {
        take_narrow(marks, line, look);
    }
    return true;
}
