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

/* How words went on in the blocks before. */
struct course {
    uint64_t inside; /* all ones: the block begins inside of quotes */
    uint64_t before; /* 1: the byte before it parts words, or the line begins */
    uint64_t closed; /* 1: the byte before it closes a quote, */
    uint64_t lone;   /* 1: the byte before it follows a quote that closed no word */
    bool is_uneven;
};

/* Bits from an odd one up to the one before the next odd one. */
static inline uint64_t spans(uint64_t bits)
{
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    return bits ^ (bits << 32);
}

/* Whether quotes stand where words begin and end: one that ends no word must have another one
 * behind the byte that follows it.  The separators outside of quotes. */
static inline uint64_t quotes_pass(struct course *course, const struct block *block, uint64_t mine)
{
    const uint64_t inside = spans(block->quotes) ^ course->inside;
    const uint64_t breaks = block->separators & ~inside;
    const uint64_t opens = block->quotes & inside & ~(breaks << 1 | course->before);
    const uint64_t closes = block->quotes & ~inside;
    const uint64_t lone = (closes << 1 | course->closed) & ~block->separators & mine;
    course->is_uneven |= opens != (lone << 1 | course->lone);
    course->inside = 0 - (inside >> (MARKS_BLOCK - 1));
    course->closed = closes >> (MARKS_BLOCK - 1);
    course->lone = lone >> (MARKS_BLOCK - 1);
    return breaks;
}

static inline __attribute__((always_inline)) void look_all(struct marks *marks, pen_slice line,
                                                           struct look look, look_fn *fn)
{
    struct course course = {.before = 1};
    bool has_odd = false;
    uint64_t quotes = 0;
    uint64_t parted = 0; /* 1: the byte before the block parts words */
    uint64_t *const separators_to = marks->separators;
    uint64_t *const quotes_to = marks->quotes;
    uint64_t *const breaks_to = marks->breaks;
    for (size_t at = 0; at * MARKS_BLOCK < line.len; at++) {
        const size_t left = line.len - at * MARKS_BLOCK;
        const size_t behind = left < MARKS_BLOCK ? MARKS_BLOCK - left : 0;
        const struct block block = fn(line.ptr + at * MARKS_BLOCK, ours + behind, look);
        uint64_t breaks = block.separators;
        if ((block.quotes | course.inside | course.closed | course.lone) != 0) {
            breaks = quotes_pass(&course, &block, UINT64_MAX >> behind);
        }
        separators_to[at] = block.separators;
        quotes_to[at] = block.quotes;
        breaks_to[at] = breaks;
        quotes += (uint64_t)__builtin_popcountll(block.quotes);
        has_odd |= block.has_odd;
        course.is_uneven |= block.has_bracket;
        course.is_uneven |= (breaks & (breaks << 1 | parted)) != 0;
        parted = breaks >> (MARKS_BLOCK - 1);
        course.before = parted;
    }
    marks->quote_count = quotes;
    marks->has_odd = has_odd;
    marks->is_regular =
        !course.is_uneven && (course.inside | course.lone) == 0 && (quotes == 0 || !has_odd);
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
    free(marks->breaks);
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
    uint64_t *breaks = reallocarray(marks->breaks, cap, sizeof(*breaks));
    marks->breaks = breaks != NULL ? breaks : marks->breaks;
    const bool is_grown = separators != NULL && quotes != NULL && breaks != NULL;
    marks->cap = is_grown ? cap : marks->cap;
    return is_grown;
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
