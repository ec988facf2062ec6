#include "penstock/match.h"

#include "internal.h"

/* tested by tests/unit/match/test_text.c */

#define NEEDLES_MAX 256U /* bytes of all texts of a pattern that are folded at once */
#define FOLDED_MAX 2048U /* bytes of a text */

/* Texts of ASCII with runs between them, none side by side. */
static bool is_plain(const struct pen_piece *pieces, uint32_t count)
{
    bool was_text = false;
    for (uint32_t i = 0; i < count; i++) {
        const bool is_text = pieces[i].kind == PEN_PIECE_TEXT;
        if ((!is_text && pieces[i].kind != PEN_PIECE_RUN) || (is_text && was_text) ||
            (is_text && !pen_match_is_ascii(pieces[i].text))) {
            return false;
        }
        was_text = is_text;
    }
    return true;
}

static void lower(pen_slice from, uint8_t *to)
{
    for (size_t i = 0; i < from.len; i++) {
        const uint8_t c = from.ptr[i];
        to[i] = (uint8_t)(c + ((uint8_t)(c - 'A') < 26 ? 32 : 0));
    }
}

/* A piece of text where the pattern has come to; *rest is what follows it. */
static bool take(pen_slice needle, bool after_run, bool is_last, pen_slice *rest)
{
    if (rest->len < needle.len) {
        return false;
    }
    if (is_last && after_run) { /* as far right as it goes */
        *rest = pen_slice_sub(*rest, rest->len - needle.len, rest->len);
    } else if (after_run) {
        const size_t at = pen_slice_find(*rest, needle);
        *rest = pen_slice_sub(*rest, at == SIZE_MAX ? rest->len : at, rest->len);
    }
    if (!pen_slice_starts(*rest, needle)) {
        return false;
    }
    *rest = pen_slice_sub(*rest, needle.len, rest->len);
    return true;
}

static bool covers(const struct pen_piece *pieces, uint32_t count, bool is_cased, pen_slice rest)
{
    uint8_t lowered[NEEDLES_MAX];
    bool after_run = false;
    for (uint32_t i = 0; i < count; i++) {
        pen_slice needle = pieces[i].text;
        if (pieces[i].kind == PEN_PIECE_RUN) {
            after_run = true;
            continue;
        }
        if (!is_cased) {
            lower(needle, lowered);
            needle.ptr = lowered;
        }
        if (!take(needle, after_run, i + 1 == count, &rest)) {
            return false;
        }
        after_run = false;
    }
    return after_run || rest.len == 0;
}

bool pen_match_plain(const struct pen_piece *pieces, uint32_t count, bool is_cased, pen_slice text,
                     bool *verdict)
{
    uint8_t lowered[FOLDED_MAX];
    if (!is_plain(pieces, count)) {
        return false;
    }
    if (is_cased) { /* bytes of ASCII stand for themselves in any text */
        *verdict = covers(pieces, count, true, text);
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].kind == PEN_PIECE_TEXT && pieces[i].text.len > NEEDLES_MAX) {
            return false;
        }
    }
    if (text.len > FOLDED_MAX || !pen_match_is_ascii(text)) {
        return false; /* letters beyond ASCII may fold to some within */
    }
    lower(text, lowered);
    *verdict = covers(pieces, count, false, (pen_slice){lowered, text.len});
    return true;
}
