/* tested by tests/unit/detect/test_modifiers.c */
#include "sigma.h"

/* A base64offset variant of fewer bytes would hold no character of its own. */
#define OFFSET_BYTES_MIN 3u

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint8_t *put_unit(uint8_t *out, uint32_t unit, bool is_big)
{
    out[is_big ? 1 : 0] = (uint8_t)(unit & 0xffU);
    out[is_big ? 0 : 1] = (uint8_t)(unit >> 8);
    return out + 2;
}

static pen_slice utf16(struct builder *b, pen_slice s, bool is_big, bool has_mark)
{
    uint8_t *out = pen_arena_alloc(b->arena, s.len * 2 + 3, 1);
    PEN_CHECK(out != NULL);
    uint8_t *at = has_mark ? put_unit(out, 0xfeff, is_big) : out;
    while (s.len > 0) {
        const uint32_t point = pen_utf8_next(&s);
        if (point >= 0x10000) {
            at = put_unit(at, 0xd800 + ((point - 0x10000) >> 10), is_big);
            at = put_unit(at, 0xdc00 + ((point - 0x10000) & 0x3ffU), is_big);
        } else {
            at = put_unit(at, point, is_big);
        }
    }
    return (pen_slice){out, (size_t)(at - out)};
}

/* Standard Base64 of `lead` zero bytes and then s, with padding. */
static pen_slice base64(struct builder *b, pen_slice s, size_t lead)
{
    const size_t len = lead + s.len;
    uint8_t *out = pen_arena_alloc(b->arena, (len + 2) / 3 * 4 + 1, 1);
    PEN_CHECK(out != NULL);
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = i; k < i + 3; k++) {
            bits = bits << 8 | (k < lead || k >= len ? 0U : s.ptr[k - lead]);
        }
        for (uint32_t k = 0; k < 4; k++) {
            out[n++] =
                i + k > len ? (uint8_t)'=' : (uint8_t)alphabet[(bits >> (18 - 6 * k)) & 0x3fU];
        }
    }
    return (pen_slice){out, n};
}

/* What the neighbours of s cannot change when `lead` bytes stand before it. */
static pen_slice base64_offset(struct builder *b, pen_slice s, size_t lead)
{
    static const uint8_t front[] = {0, 2, 3};
    static const uint8_t back[] = {0, 3, 2};
    const pen_slice all = base64(b, s, lead);
    return pen_slice_sub(all, front[lead], all.len - back[(s.len + lead) % 3]);
}

static struct text literal_text(struct builder *b, pen_slice literal)
{
    struct text text = {.pieces = PEN_NEW(b->arena, struct pen_piece)};
    PEN_CHECK(text.pieces != NULL);
    if (literal.len > 0) {
        text.pieces[text.count++] = (struct pen_piece){.kind = PEN_PIECE_TEXT, .text = literal};
    }
    return text;
}

static void widen(struct builder *b, enum text_op op, struct text *text)
{
    for (uint32_t i = 0; i < text->count; i++) {
        struct pen_piece *piece = &text->pieces[i];
        if (piece->kind == PEN_PIECE_TEXT) {
            const bool has_mark = op == TEXT_UTF16 && i == 0;
            piece->text = utf16(b, piece->text, op == TEXT_UTF16BE, has_mark);
        }
    }
}

static pen_status to_base64(struct builder *b, const struct pen_yaml *value, enum text_op op,
                            const struct text *text, struct texts *out)
{
    if (sigma_text_has_wildcard(text)) {
        return sigma_fail(b, value, "a text with wildcards cannot be encoded as Base64");
    }
    const pen_slice plain = text->count == 0 ? (pen_slice){0} : text->pieces[0].text;
    if (op == TEXT_BASE64) {
        out->items[out->count++] = literal_text(b, base64(b, plain, 0));
        return PEN_OK;
    }
    if (plain.len < OFFSET_BYTES_MIN) {
        return sigma_fail(b, value, "base64offset needs a text of %u bytes or more",
                          OFFSET_BYTES_MIN);
    }
    for (size_t lead = 0; lead < 3; lead++) {
        out->items[out->count++] = literal_text(b, base64_offset(b, plain, lead));
    }
    return PEN_OK;
}

/* ---- a class of dashes has no code of its own: one text for each of them ---- */

static const char *const dashes[] = {"-", "/", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\x95"};

static uint64_t dash_combinations(const struct text *text)
{
    uint64_t total = 1;
    for (uint32_t i = 0; i < text->count && total <= SIGMA_TEXTS_MAX; i++) {
        total *= text->pieces[i].kind == PEN_PIECE_DASH ? PEN_COUNT(dashes) : 1;
    }
    return total;
}

/* One combination, its neighbouring literals joined. */
static struct text pick_dashes(struct builder *b, const struct text *text, uint64_t combination)
{
    struct text out = {.pieces = PEN_NEW_N(b->arena, struct pen_piece, text->count + 1)};
    struct pen_buf buf;
    PEN_CHECK(out.pieces != NULL);
    pen_buf_init(&buf, (size_t)4 << 20); /* a document has at most 1 MiB */
    for (uint32_t i = 0; i <= text->count; i++) {
        const struct pen_piece *piece = i < text->count ? &text->pieces[i] : NULL;
        if (piece != NULL && piece->kind == PEN_PIECE_DASH) {
            PEN_CHECK(pen_buf_add(&buf, pen_slice_str(dashes[combination % PEN_COUNT(dashes)])) ==
                      PEN_OK);
            combination /= PEN_COUNT(dashes);
            continue;
        }
        if (piece != NULL && piece->kind == PEN_PIECE_TEXT) {
            PEN_CHECK(pen_buf_add(&buf, piece->text) == PEN_OK);
            continue;
        }
        if (buf.len > 0) {
            out.pieces[out.count++] = (struct pen_piece){
                .kind = PEN_PIECE_TEXT, .text = pen_arena_dup(b->arena, pen_buf_slice(&buf))};
            buf.len = 0;
        }
        if (piece != NULL) {
            out.pieces[out.count++] = *piece;
        }
    }
    pen_buf_fini(&buf);
    return out;
}

static pen_status spread_dashes(struct builder *b, const struct pen_yaml *value,
                                struct texts *texts)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < texts->count; i++) {
        total += dash_combinations(&texts->items[i]);
    }
    if (total > SIGMA_TEXTS_MAX) {
        return sigma_fail(b, value, "its dashes give more than %u texts to encode",
                          SIGMA_TEXTS_MAX);
    }
    struct texts out = {.items = PEN_NEW_N(b->arena, struct text, total)};
    PEN_CHECK(out.items != NULL);
    for (uint32_t i = 0; i < texts->count; i++) {
        const uint64_t mine = dash_combinations(&texts->items[i]);
        for (uint64_t k = 0; k < mine; k++) {
            out.items[out.count++] = pick_dashes(b, &texts->items[i], k);
        }
    }
    *texts = out;
    return PEN_OK;
}

pen_status sigma_encode(struct builder *b, const struct pen_yaml *value, enum text_op op,
                        struct texts *texts)
{
    PEN_TRY(spread_dashes(b, value, texts));
    if (op != TEXT_BASE64 && op != TEXT_BASE64OFFSET) {
        for (uint32_t i = 0; i < texts->count; i++) {
            widen(b, op, &texts->items[i]);
        }
        return PEN_OK;
    }
    struct texts out = {.items = PEN_NEW_N(b->arena, struct text, (size_t)texts->count * 3)};
    PEN_CHECK(out.items != NULL);
    for (uint32_t i = 0; i < texts->count; i++) {
        PEN_TRY(to_base64(b, value, op, &texts->items[i], &out));
    }
    *texts = out;
    return PEN_OK;
}
