/* tested by tests/unit/text/test_text.c */
#include "marks.h"

#include <immintrin.h>
#include <stdlib.h>

#define BLOCKS_FIRST 64U

struct block {
    uint64_t separators, quotes, odd;
};
typedef struct block look_fn(const uint8_t *p, uint8_t separator, uint8_t passed);

/* Below the blank, and as signed bytes so is what is beyond ASCII; a backslash; DEL. */
static inline struct block look_narrow(const uint8_t *p, uint8_t separator, uint8_t passed)
{
    struct block block = {0};
    for (uint32_t i = 0; i < MARKS_BLOCK; i += 16) {
        const __m128i c = _mm_loadu_si128((const void *)(p + i));
        const __m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8((char)passed)),
                                             _mm_cmplt_epi8(c, _mm_set1_epi8(' ')));
        const __m128i other = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('\\')),
                                           _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
        const __m128i quote = _mm_cmpeq_epi8(c, _mm_set1_epi8('"'));
        const __m128i parts = _mm_cmpeq_epi8(c, _mm_set1_epi8((char)separator));
        block.separators |= (uint64_t)(uint32_t)_mm_movemask_epi8(parts) << i;
        block.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(quote) << i;
        block.odd |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(low, other)) << i;
    }
    return block;
}

__attribute__((target("avx2"))) static inline struct block look_wide(const uint8_t *p,
                                                                     uint8_t separator,
                                                                     uint8_t passed)
{
    struct block block = {0};
    for (uint32_t i = 0; i < MARKS_BLOCK; i += 32) {
        const __m256i c = _mm256_loadu_si256((const void *)(p + i));
        const __m256i low =
            _mm256_andnot_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8((char)passed)),
                                _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), c));
        const __m256i other = _mm256_or_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8('\\')),
                                              _mm256_cmpeq_epi8(c, _mm256_set1_epi8(0x7f)));
        const __m256i quote = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('"'));
        const __m256i parts = _mm256_cmpeq_epi8(c, _mm256_set1_epi8((char)separator));
        block.separators |= (uint64_t)(uint32_t)_mm256_movemask_epi8(parts) << i;
        block.quotes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(quote) << i;
        block.odd |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_or_si256(low, other)) << i;
    }
    return block;
}

static inline __attribute__((always_inline)) void look_all(struct marks *marks, pen_slice line,
                                                           uint8_t separator, look_fn *look)
{
    const uint8_t passed = separator == '\t' ? '\t' : ' '; /* it is in no value */
    uint64_t odd = 0;
    uint64_t quotes = 0;
    size_t at = 0;
    for (; at * MARKS_BLOCK < line.len; at++) {
        const size_t left = line.len - at * MARKS_BLOCK;
        const uint64_t ours = left < MARKS_BLOCK ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        const struct block block = look(line.ptr + at * MARKS_BLOCK, separator, passed);
        marks->separators[at] = block.separators & ours;
        marks->quotes[at] = block.quotes & ours;
        quotes += (uint64_t)__builtin_popcountll(block.quotes & ours);
        odd |= block.odd & ours;
    }
    marks->quote_count = quotes;
    marks->has_odd = odd != 0;
}

__attribute__((target("avx2,popcnt"))) static void take_wide(struct marks *marks, pen_slice line,
                                                             uint8_t separator)
{
    look_all(marks, line, separator, look_wide);
}

static void take_narrow(struct marks *marks, pen_slice line, uint8_t separator)
{
    look_all(marks, line, separator, look_narrow);
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
    if (PEN_UNLIKELY(blocks > marks->cap) && !marks_grow(marks, blocks)) {
        return false;
    }
    if (marks->is_wide) {
        take_wide(marks, line, separator);
    } else {
        take_narrow(marks, line, separator);
    }
    return true;
}
