/* tested by tests/unit/detect/test_modifiers.c */
#include "sigma.h"

static bool is_escape(pen_slice raw, size_t at)
{
    const uint8_t next = at + 1 < raw.len ? raw.ptr[at + 1] : 0;
    return raw.ptr[at] == '\\' && (next == '*' || next == '?' || next == '\\');
}

static struct text text_new(struct builder *b, size_t pieces)
{
    struct text text = {.pieces = PEN_NEW_N(b->arena, struct pen_piece, pieces)};
    PEN_CHECK(text.pieces != NULL);
    return text;
}

static void put_text(struct text *text, const uint8_t *from, size_t len)
{
    if (len > 0) {
        text->pieces[text->count++] =
            (struct pen_piece){.kind = PEN_PIECE_TEXT, .text = {from, len}};
    }
}

static void put_wildcard(struct text *text, uint8_t c)
{
    const bool again =
        c == '*' && text->count > 0 && text->pieces[text->count - 1].kind == PEN_PIECE_RUN;
    if (!again) {
        text->pieces[text->count++].kind = c == '*' ? PEN_PIECE_RUN : PEN_PIECE_ONE;
    }
}

struct text sigma_text(struct builder *b, pen_slice raw)
{
    size_t wild = 0;
    for (size_t i = 0; i < raw.len; i++) {
        wild += raw.ptr[i] == '*' || raw.ptr[i] == '?';
    }
    struct text text = text_new(b, wild * 2 + 1);
    uint8_t *literal = pen_arena_alloc(b->arena, raw.len + 1, 1);
    PEN_CHECK(literal != NULL);
    size_t len = 0;
    size_t from = 0;
    for (size_t i = 0; i < raw.len; i++) {
        const uint8_t c = raw.ptr[i];
        if (c == '*' || c == '?') {
            put_text(&text, literal + from, len - from);
            from = len;
            put_wildcard(&text, c);
        } else if (is_escape(raw, i)) {
            literal[len++] = raw.ptr[++i];
        } else {
            literal[len++] = c;
        }
    }
    put_text(&text, literal + from, len - from);
    return text;
}

bool sigma_text_has_wildcard(const struct text *text)
{
    for (uint32_t i = 0; i < text->count; i++) {
        if (text->pieces[i].kind == PEN_PIECE_RUN || text->pieces[i].kind == PEN_PIECE_ONE) {
            return true;
        }
    }
    return false;
}

struct text sigma_text_open(struct builder *b, const struct text *text, bool front, bool back)
{
    struct text out = text_new(b, (size_t)text->count + 2);
    if (front) {
        put_wildcard(&out, '*');
    }
    for (uint32_t i = 0; i < text->count; i++) {
        const struct pen_piece *piece = &text->pieces[i];
        if (piece->kind == PEN_PIECE_RUN) {
            put_wildcard(&out, '*');
        } else {
            out.pieces[out.count++] = *piece;
        }
    }
    if (back) {
        put_wildcard(&out, '*');
    }
    return out;
}

static bool is_word(uint8_t c)
{
    const uint8_t low = c | 0x20U;
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* A letter, digit or _ begins at, or ends before, this byte; beyond ASCII all but the dashes are
 * taken for letters. */
static bool is_word_at(pen_slice s, size_t at)
{
    const uint8_t c = s.ptr[at];
    if (c < 0x80) {
        return is_word(c);
    }
    size_t start = at;
    while (start > 0 && (s.ptr[start] & 0xc0U) == 0x80) {
        start--;
    }
    pen_slice rest = pen_slice_sub(s, start, s.len);
    const uint32_t point = pen_utf8_next(&rest);
    return point < 0x2000 || point > 0x206f; /* general punctuation */
}

static bool begins_word(pen_slice s, size_t at)
{
    const uint8_t c = s.ptr[at];
    return (c == '-' || c == '/') && at + 1 < s.len && is_word_at(s, at + 1) &&
           (at == 0 || !is_word_at(s, at - 1));
}

static void put_dashes(struct text *out, pen_slice s)
{
    size_t from = 0;
    for (size_t at = 0; at < s.len; at++) {
        if (begins_word(s, at)) {
            put_text(out, s.ptr + from, at - from);
            out->pieces[out->count++] = (struct pen_piece){.kind = PEN_PIECE_DASH};
            from = at + 1;
        }
    }
    put_text(out, s.ptr + from, s.len - from);
}

struct text sigma_text_windash(struct builder *b, const struct text *text)
{
    size_t room = 1;
    for (uint32_t i = 0; i < text->count; i++) {
        room += 2;
        for (size_t at = 0; at < text->pieces[i].text.len; at++) {
            const uint8_t c = text->pieces[i].text.ptr[at];
            room += c == '-' || c == '/' ? 2 : 0;
        }
    }
    struct text out = text_new(b, room);
    for (uint32_t i = 0; i < text->count; i++) {
        if (text->pieces[i].kind == PEN_PIECE_TEXT) {
            put_dashes(&out, text->pieces[i].text);
        } else {
            out.pieces[out.count++] = text->pieces[i];
        }
    }
    return out;
}
