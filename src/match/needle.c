#include "penstock/match.h"

#include "internal.h"

/*
 * A predicate on any value of a record would have to look at each of them.  Nearly all records do
 * not even hold the longest piece of its text, and one look at their bytes tells.
 */

/* ASCII that JSON has no short escape for: it stands in a record as it is, or behind a \u. */
static bool is_plain(uint8_t c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '/';
}

pen_slice pen_match_needle(const struct pen_pred *pred)
{
    pen_slice best = {0};
    for (uint32_t i = 0; pred->op != PEN_OP_REGEX && i < pred->piece_count; i++) {
        const pen_slice text = pred->pieces[i].text;
        size_t begin = 0;
        for (size_t at = 0; pred->pieces[i].kind == PEN_PIECE_TEXT && at <= text.len; at++) {
            if (at < text.len && is_plain(text.ptr[at])) {
                continue;
            }
            if (at - begin > best.len) {
                best = pen_slice_sub(text, begin, at);
            }
            begin = at + 1;
        }
    }
    return best;
}

bool pen_match_lower(struct pen_buf *out, pen_slice text)
{
    uint8_t seen = 0;
    out->len = 0;
    if (pen_buf_reserve(out, text.len) != PEN_OK) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        seen |= c;
        out->ptr[i] = (uint8_t)(c + ((uint8_t)(c - 'A') < 26 ? 32 : 0));
    }
    out->len = text.len;
    return seen < 0x80;
}

bool pen_match_has(pen_slice text, pen_slice needle)
{
    return needle.len <= text.len && memmem(text.ptr, text.len, needle.ptr, needle.len) != NULL;
}
