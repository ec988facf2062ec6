#include "penstock/match.h"

#include "internal.h"

/* A place in a pattern: a piece and the bytes of its text that are used up. */
struct place {
    uint32_t piece;
    size_t offset;
};

struct glob {
    const struct pen_piece *pieces;
    uint32_t count;
    bool is_cased;
    bool is_phrase; /* the end may be any word boundary, not only the end of the text */
};

static bool is_dash(uint32_t point)
{
    return point == '-' || point == '/' || (point >= 0x2013 && point <= 0x2015);
}

/* Skips texts that are used up. */
static void settle(const struct glob *glob, struct place *at)
{
    while (at->piece < glob->count && glob->pieces[at->piece].kind == PEN_PIECE_TEXT &&
           at->offset >= glob->pieces[at->piece].text.len) {
        at->piece++;
        at->offset = 0;
    }
}

/* Matches one code point of the text at a settled place that is no RUN; advances the place. */
static bool step(const struct glob *glob, struct place *at, uint32_t point)
{
    const struct pen_piece *piece = &glob->pieces[at->piece];
    if (piece->kind == PEN_PIECE_TEXT) {
        pen_slice rest = pen_slice_sub(piece->text, at->offset, piece->text.len);
        const uint32_t want = pen_utf8_next(&rest);
        at->offset = piece->text.len - rest.len;
        return want == point || (!glob->is_cased && pen_fold(want) == pen_fold(point));
    }
    at->piece++;
    return piece->kind == PEN_PIECE_ONE || is_dash(point);
}

/* True when the bytes on both sides of at do not both belong to words. */
static bool is_boundary(pen_slice text, size_t at)
{
    if (at == 0 || at >= text.len) {
        return true;
    }
    size_t from = at - 1;
    while (from > 0 && (text.ptr[from] & 0xc0) == 0x80) {
        from--;
    }
    pen_slice before = pen_slice_sub(text, from, at);
    pen_slice after = pen_slice_sub(text, at, text.len);
    return !pen_match_is_word(pen_utf8_next(&before)) || !pen_match_is_word(pen_utf8_next(&after));
}

/*
 * The pattern from a given byte of the text.  Going back to the last RUN is enough: everything
 * before it was placed as far left as it goes, which leaves the most to what follows.
 */
static bool glob_from(const struct glob *glob, pen_slice text, size_t start)
{
    struct place at = {0};
    struct place after_run = {0};
    size_t run_at = SIZE_MAX;
    pen_slice rest = pen_slice_sub(text, start, text.len);
    for (;;) {
        settle(glob, &at);
        bool is_good = false;
        if (at.piece >= glob->count) {
            if (rest.len == 0 || (glob->is_phrase && is_boundary(text, text.len - rest.len))) {
                return true;
            }
        } else if (glob->pieces[at.piece].kind == PEN_PIECE_RUN) {
            at.piece++;
            after_run = at;
            run_at = text.len - rest.len;
            is_good = true;
        } else if (rest.len > 0) {
            const uint32_t point = pen_utf8_next(&rest);
            is_good = step(glob, &at, point);
        }
        if (is_good) {
            continue;
        }
        if (run_at >= text.len) {
            return false; /* no RUN (SIZE_MAX), or it has taken all */
        }
        rest = pen_slice_sub(text, run_at, text.len);
        (void)pen_utf8_next(&rest);
        run_at = text.len - rest.len;
        at = after_run;
    }
}

bool pen_match_pieces(const struct pen_piece *pieces, uint32_t count, bool is_cased, pen_slice text)
{
    const struct glob glob = {.pieces = pieces, .count = count, .is_cased = is_cased};
    bool verdict = false;
    return pen_match_plain(pieces, count, is_cased, text, &verdict) ? verdict
                                                                    : glob_from(&glob, text, 0);
}

bool pen_match_words(const struct pen_piece *pieces, uint32_t count, pen_slice text)
{
    const struct glob glob = {.pieces = pieces, .count = count, .is_phrase = true};
    pen_slice rest = text;
    if (count > 0 && pieces[0].kind == PEN_PIECE_RUN) {
        return glob_from(&glob, text, 0); /* a RUN reaches every later start by itself */
    }
    for (;;) {
        const size_t start = text.len - rest.len;
        if (is_boundary(text, start) && glob_from(&glob, text, start)) {
            return true;
        }
        if (rest.len == 0) {
            return false;
        }
        (void)pen_utf8_next(&rest);
    }
}

bool pen_match_is_ascii(pen_slice text)
{
    uint64_t seen = 0;
    size_t i = 0;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + i, 8);
        seen |= word;
    }
    if (i < text.len && text.len >= 8) {
        uint64_t last; /* some bytes once more */
        memcpy(&last, text.ptr + text.len - 8, 8);
        seen |= last;
        i = text.len;
    }
    for (; i < text.len; i++) {
        seen |= text.ptr[i];
    }
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

pen_status pen_match_fold(struct pen_buf *out, pen_slice text)
{
    while (text.len > 0) {
        uint8_t bytes[4];
        const size_t n = pen_utf8_put(pen_fold(pen_utf8_next(&text)), bytes);
        PEN_TRY(pen_buf_add(out, (pen_slice){bytes, n}));
    }
    return PEN_OK;
}
