/* marks.h - where a line has its separators and quotes, one bit for each byte. */
#ifndef PEN_TEXT_MARKS_H
#define PEN_TEXT_MARKS_H

#include "penstock/base.h"

#define MARKS_BLOCK 64U                 /* bytes that one word of marks is for */
#define MARKS_OPEN_BYTES ((size_t)4096) /* that a line has at most whose end is found with them */

struct marks {
    uint64_t *separators, *quotes; /* room for so many blocks each */
    uint64_t *breaks;              /* separators outside of quotes, when the line is regular */
    size_t cap;
    uint64_t quote_count;
    bool has_odd; /* the line has bytes that JSON may write otherwise, other than quotes */
    /* No brackets, never two separators side by side outside of quotes, and quotes stand only
     * around words, or inside of such a word as `","` does: then the breaks part the words. */
    bool is_regular;
    bool is_wide; /* the machine has AVX2 and BMI */
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
/*
 * marks_take_line - likewise, of a line whose end is not known: one look finds both.
 *
 * rest     the line, and what stands behind it; as of marks_take
 * line     set to what stands before the first line feed
 * Returns  false: there is none among the first MARKS_OPEN_BYTES, or no memory; nothing is marked
 */
PEN_MUST_USE bool marks_take_line(struct marks *marks, pen_slice rest, uint8_t separator,
                                  pen_slice *line);

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
