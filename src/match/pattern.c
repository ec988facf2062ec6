#include "penstock/match.h"

#include "engine.h"

/* tested by tests/unit/match/test_compile.c */

/* Bytes of any text, but never over the edge of a value. */
#define GAP "[^\\xfe\\xff]*"
#define ONE_POINT "(?:[\\x00-\\x7f]|[\\xc2-\\xf4][\\x80-\\xbf]{1,3})"
#define DASH_POINT "(?:[\\-/]|\\xe2\\x80[\\x93-\\x95])"

static pen_status put(struct pen_buf *out, const char *text)
{
    return pen_buf_add(out, pen_slice_str(text));
}

static pen_status put_literal(struct pen_buf *out, pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        const uint8_t low = c | 0x20U;
        const bool is_plain = (c >= '0' && c <= '9') || (low >= 'a' && low <= 'z');
        PEN_TRY(is_plain ? pen_buf_add_byte(out, c) : pen_buf_printf(out, "\\x%02x", c));
    }
    return PEN_OK;
}

static pen_status put_tag(const struct pen_engine *engine, uint32_t field, struct pen_buf *out)
{
    PEN_TRY(pen_buf_printf(out, "\\x%02x", SCAN_START));
    return put_literal(out, (pen_slice){engine->field_tags[field], engine->digit_count});
}

static pen_status put_piece(const struct pen_pred *pred, const struct pen_piece *piece,
                            struct pen_buf *out)
{
    switch (piece->kind) {
    case PEN_PIECE_RUN:
        return put(out, GAP);
    case PEN_PIECE_ONE:
        return put(out, ONE_POINT);
    case PEN_PIECE_DASH:
        return put(out, DASH_POINT);
    case PEN_PIECE_TEXT:
        break;
    }
    if (pred->op == PEN_OP_PATTERN && pred->is_cased) {
        return put_literal(out, piece->text);
    }
    /* Values beyond ASCII are in the buffer folded, too: the folded literal finds them. */
    struct pen_buf folded;
    pen_buf_init(&folded, PEN_MATCH_TEXT_MAX);
    pen_status status = pen_match_fold(&folded, piece->text);
    if (status == PEN_OK) {
        status = put_literal(out, pen_buf_slice(&folded));
    }
    pen_buf_fini(&folded);
    return status;
}

static pen_status put_pieces(const struct pen_engine *engine, const struct pen_pred *pred,
                             struct pen_buf *out)
{
    const bool is_phrase = pred->op == PEN_OP_WORDS;
    PEN_TRY(put_tag(engine, pred->field, out));
    PEN_TRY(put(out, "\\n"));
    uint32_t count = pred->piece_count;
    bool is_open = is_phrase;
    while (count > 0 && pred->pieces[count - 1].kind == PEN_PIECE_RUN) {
        is_open = true;
        count--;
    }
    if (is_phrase) {
        PEN_TRY(put(out, GAP));
    }
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(put_piece(pred, &pred->pieces[i], out));
    }
    return is_open ? PEN_OK : pen_buf_printf(out, "\\n\\x%02x", SCAN_STOP);
}

/*
 * True when Hyperscan in byte mode can stand in for PCRE2 on ASCII values.  Not: bytes beyond ASCII
 * (optional ones would lose their lead byte), anchors to the whole subject, verbs, and flags that
 * are switched off inside (they could take away the multiline mode that the framing needs).
 */
static bool is_portable(pen_slice text)
{
    if (!pen_match_is_ascii(text) || memchr(text.ptr, 0, text.len) != NULL) {
        return false;
    }
    for (size_t i = 0; i + 1 < text.len; i++) {
        const uint8_t next = text.ptr[i + 1];
        if (text.ptr[i] == '\\') {
            if (strchr("AzZGQKXRCNpPx", next) != NULL) {
                return false;
            }
            i++;
        } else if (text.ptr[i] == '(' && next == '*') {
            return false;
        } else if (text.ptr[i] == '(' && next == '?') {
            const uint8_t third = i + 2 < text.len ? text.ptr[i + 2] : 0;
            const bool is_caseless =
                pen_slice_starts(pen_slice_sub(text, i, text.len), PEN_SLICE_LIT("(?i)"));
            if (!is_caseless && (third == 0 || strchr(":=!<", third) == NULL)) {
                return false;
            }
        }
    }
    return true;
}

static pen_status put_regex(const struct pen_engine *engine, const struct pen_pred *pred,
                            struct pen_buf *out)
{
    PEN_TRY(put_tag(engine, pred->field, out));
    PEN_TRY(put(out, GAP "(?:"));
    PEN_TRY(pen_buf_add(out, pred->text));
    return put(out, ")");
}

bool pen_match_pieces_take_all(const struct pen_pred *pred)
{
    bool has_run = false;
    for (uint32_t i = 0; i < pred->piece_count; i++) {
        const struct pen_piece *piece = &pred->pieces[i];
        if (piece->kind == PEN_PIECE_RUN) {
            has_run = true;
        } else if (piece->kind != PEN_PIECE_TEXT || piece->text.len > 0) {
            return false;
        }
    }
    return has_run;
}

bool pen_match_pattern_text(const struct pen_engine *engine, const struct pen_pred *pred,
                            struct pen_buf *out, unsigned *flags)
{
    *flags = HS_FLAG_SINGLEMATCH;
    pen_status status = PEN_OK;
    if (pred->op == PEN_OP_REGEX) {
        if (pred->text.len == 0 || !is_portable(pred->text)) {
            return false;
        }
        *flags |= HS_FLAG_PREFILTER | HS_FLAG_ALLOWEMPTY | HS_FLAG_MULTILINE;
        *flags |= (pred->flags & PEN_RE_CASELESS) != 0 ? HS_FLAG_CASELESS : 0;
        *flags |= (pred->flags & PEN_RE_DOTALL) != 0 ? HS_FLAG_DOTALL : 0;
        status = put_regex(engine, pred, out);
    } else {
        *flags |= HS_FLAG_DOTALL;
        *flags |= pred->op == PEN_OP_WORDS || !pred->is_cased ? HS_FLAG_CASELESS : 0;
        status = put_pieces(engine, pred, out);
    }
    return status == PEN_OK && pen_buf_add_byte(out, 0) == PEN_OK;
}
