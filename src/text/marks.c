/* tested by tests/unit/text/test_marks.c */
#include "marks.h"

#include <immintrin.h>
#include <stdlib.h>

#define BLOCKS_FIRST (MARKS_OPEN_BYTES / MARKS_BLOCK + 1)

/* Where a block has bytes of each kind.  Odd is what JSON may write otherwise, and the separator
 * when it is a tab. */
struct block {
    uint64_t separators, quotes, odd, brackets, ends;
};
typedef struct block look_fn(const uint8_t *p, uint8_t separator);

/* Odd is what lies below the blank, and as signed bytes so does what is beyond ASCII; a backslash;
 * DEL. */
static inline struct block look_narrow(const uint8_t *p, uint8_t separator)
{
    struct block block = {0};
    for (uint32_t i = 0; i < MARKS_BLOCK; i += 16) {
        const __m128i c = _mm_loadu_si128((const void *)(p + i));
        const __m128i other = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('\\')),
                                           _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
        const __m128i odd = _mm_or_si128(_mm_cmplt_epi8(c, _mm_set1_epi8(' ')), other);
        const __m128i quotes = _mm_cmpeq_epi8(c, _mm_set1_epi8('"'));
        const __m128i parts = _mm_cmpeq_epi8(c, _mm_set1_epi8((char)separator));
        const __m128i brackets = _mm_cmpeq_epi8(c, _mm_set1_epi8('['));
        const __m128i ends = _mm_cmpeq_epi8(c, _mm_set1_epi8('\n'));
        block.separators |= (uint64_t)(uint32_t)_mm_movemask_epi8(parts) << i;
        block.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(quotes) << i;
        block.odd |= (uint64_t)(uint32_t)_mm_movemask_epi8(odd) << i;
        block.brackets |= (uint64_t)(uint32_t)_mm_movemask_epi8(brackets) << i;
        block.ends |= (uint64_t)(uint32_t)_mm_movemask_epi8(ends) << i;
    }
    return block;
}

#define WIDE __attribute__((target("avx2,bmi,popcnt"))) static inline

/* One bit for each byte that was found in either half. */
WIDE uint64_t bits_of(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

WIDE uint64_t bytes_like(__m256i low, __m256i high, uint8_t byte)
{
    const __m256i same = _mm256_set1_epi8((char)byte);
    return bits_of(_mm256_cmpeq_epi8(low, same), _mm256_cmpeq_epi8(high, same));
}

WIDE __m256i odd_of(__m256i c)
{
    const __m256i other = _mm256_or_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8('\\')),
                                          _mm256_cmpeq_epi8(c, _mm256_set1_epi8(0x7f)));
    return _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), c), other);
}

WIDE struct block look_wide(const uint8_t *p, uint8_t separator)
{
    const __m256i low = _mm256_loadu_si256((const void *)p);
    const __m256i high = _mm256_loadu_si256((const void *)(p + MARKS_BLOCK / 2));
    return (struct block){.separators = bytes_like(low, high, separator),
                          .quotes = bytes_like(low, high, '"'),
                          .odd = bits_of(odd_of(low), odd_of(high)),
                          .brackets = bytes_like(low, high, '['),
                          .ends = bytes_like(low, high, '\n')};
}

/* How words went on in the blocks before. */
struct course {
    uint64_t inside; /* all ones: the block begins inside of quotes */
    uint64_t before; /* 1: the byte before it parts words, or the line begins */
    uint64_t closed; /* 1: the byte before it closes a quote, */
    uint64_t lone;   /* 1: the byte before it follows a quote that closed no word */
    uint64_t uneven; /* not 0: quotes, brackets or separators stand where they must not */
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
    course->uneven |= opens ^ (lone << 1 | course->lone);
    course->inside = 0 - (inside >> (MARKS_BLOCK - 1));
    course->closed = closes >> (MARKS_BLOCK - 1);
    course->lone = lone >> (MARKS_BLOCK - 1);
    return breaks;
}

/* Marks blocks up to the end of text or, when it is open, up to its first line feed.  How long the
 * line is; SIZE_MAX: text is open and has no line feed. */
static inline __attribute__((always_inline)) size_t look_all(struct marks *marks, pen_slice text,
                                                             uint8_t separator, bool is_open,
                                                             look_fn *fn)
{
    struct course course = {.before = 1};
    size_t len = is_open ? SIZE_MAX : text.len;
    const uint64_t tabs = separator == '\t' ? UINT64_MAX : 0; /* that part words are not odd */
    uint64_t odd = 0;
    uint64_t quotes = 0;
    uint64_t parted = 0; /* 1: the byte before the block parts words */
    uint64_t *const separators_to = marks->separators;
    uint64_t *const quotes_to = marks->quotes;
    uint64_t *const breaks_to = marks->breaks;
    for (size_t at = 0; at * MARKS_BLOCK < text.len && at * MARKS_BLOCK < len; at++) {
        const size_t left = text.len - at * MARKS_BLOCK;
        struct block block = fn(text.ptr + at * MARKS_BLOCK, separator);
        uint64_t mine = left < MARKS_BLOCK ? ~(UINT64_MAX << left) : UINT64_MAX;
        if (is_open && (block.ends & mine) != 0) {
            const uint32_t end = (uint32_t)__builtin_ctzll(block.ends);
            len = at * MARKS_BLOCK + end;
            mine = ~(UINT64_MAX << end);
        }
        block.separators &= mine;
        block.quotes &= mine;
        uint64_t breaks = block.separators;
        if ((block.quotes | course.inside | course.closed | course.lone) != 0) {
            breaks = quotes_pass(&course, &block, mine);
        }
        separators_to[at] = block.separators;
        quotes_to[at] = block.quotes;
        breaks_to[at] = breaks;
        quotes += (uint64_t)__builtin_popcountll(block.quotes);
        odd |= block.odd & mine & ~(block.separators & tabs);
        course.uneven |= (block.brackets & mine) | (breaks & (breaks << 1 | parted));
        parted = breaks >> (MARKS_BLOCK - 1);
        course.before = parted;
    }
    marks->quote_count = quotes;
    marks->has_odd = odd != 0;
    marks->is_regular =
        (course.uneven | course.inside | course.lone) == 0 && (quotes == 0 || odd == 0);
    return len;
}

WIDE size_t take_wide(struct marks *marks, pen_slice text, uint8_t separator, bool is_open)
{
    return is_open ? look_all(marks, text, separator, true, look_wide)
                   : look_all(marks, text, separator, false, look_wide);
}

static size_t take_narrow(struct marks *marks, pen_slice text, uint8_t separator, bool is_open)
{
    return is_open ? look_all(marks, text, separator, true, look_narrow)
                   : look_all(marks, text, separator, false, look_narrow);
}

static size_t take(struct marks *marks, pen_slice text, uint8_t separator, bool is_open)
{
    return marks->is_wide ? take_wide(marks, text, separator, is_open)
                          : take_narrow(marks, text, separator, is_open);
}

void marks_init(struct marks *marks)
{
    *marks = (struct marks){.is_wide = __builtin_cpu_supports("avx2") != 0 &&
                                       __builtin_cpu_supports("bmi") != 0};
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

/* Room for the marks of so many bytes. */
static inline bool marks_room(struct marks *marks, size_t bytes)
{
    const size_t blocks = bytes / MARKS_BLOCK + 1;
    return PEN_LIKELY(blocks <= marks->cap) || marks_grow(marks, blocks);
}

bool marks_take(struct marks *marks, pen_slice line, uint8_t separator)
{
    if (!marks_room(marks, line.len)) {
        return false;
    }
    (void)take(marks, line, separator, false);
    return true;
}

bool marks_take_line(struct marks *marks, pen_slice rest, uint8_t separator, pen_slice *line)
{
    rest.len = rest.len < MARKS_OPEN_BYTES ? rest.len : MARKS_OPEN_BYTES;
    if (!marks_room(marks, rest.len)) {
        return false;
    }
    const size_t len = take(marks, rest, separator, true);
    *line = (pen_slice){rest.ptr, len == SIZE_MAX ? 0 : len};
    return len != SIZE_MAX;
}
