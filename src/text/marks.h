/* marks.h - where a line has its separators and quotes, one bit for each byte. */
#ifndef PEN_TEXT_MARKS_H
#define PEN_TEXT_MARKS_H

#include "penstock/base.h"

#define MARKS_BLOCK 64U /* bytes that one word of marks is for */

struct marks {
    uint64_t *separators, *quotes; /* room for so many blocks each */
    uint64_t *breaks;              /* separators outside of quotes, when the line is regular */
    size_t cap;
    uint64_t quote_count;
    bool has_odd; /* the line has bytes that JSON may write otherwise, other than quotes */
    /* No brackets, never two separators side by side outside of quotes, and quotes stand only
     * around words, or inside of such a word as `","` does: then the breaks part the words. */
    bool is_regular;
    bool is_wide; /* the machine has AVX2 */
};

void marks_init(struct marks *marks);
void marks_fini(struct marks *marks);
/*
 * marks_take - looks at the line once.
 *
 * line       PEN_JSON_PADDING bytes behind it can be read
 * separator  one byte; a tab that is one is not odd
 * Returns    false: out of memory
 */
PEN_MUST_USE bool marks_take(struct marks *marks, pen_slice line, uint8_t separator);

/* The first mark at from or behind it; len: none. */
static inline size_t marks_next(const uint64_t *marks, size_t from, size_t len)
{
    if (PEN_UNLIKELY(from >= len)) {
        return len;
    }
    size_t block = from / MARKS_BLOCK;
    const uint64_t here = marks[block] >> (from % MARKS_BLOCK);
    if (here != 0) {
        return from + (size_t)__builtin_ctzll(here);
    }
    const size_t last = (len - 1) / MARKS_BLOCK;
    while (block < last) {
        if (marks[++block] != 0) {
            return block * MARKS_BLOCK + (size_t)__builtin_ctzll(marks[block]);
        }
    }
    return len;
}

#endif
