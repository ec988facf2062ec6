/* tested by tests/unit/detect/test_modifiers.c */
#include "sigma.h"

struct segment {
    pen_slice text; /* of the rule, escapes and all */
    const struct pen_placeholder *name;
};

struct segments {
    struct segment *items;
    uint32_t count;
    uint32_t combinations;
};

/* Bytes that belong together at a place: an escape and what it escapes. */
static size_t unit(pen_slice raw, size_t at, bool is_regex)
{
    if (raw.ptr[at] != '\\' || at + 1 == raw.len) {
        return 1;
    }
    return is_regex || strchr("*?\\%", raw.ptr[at + 1]) != NULL ? 2 : 1;
}

/* Past the closing % of a placeholder that begins at `at`; at itself when it is a plain sign. */
static size_t placeholder_end(pen_slice raw, size_t at)
{
    for (size_t end = at + 1; end < raw.len; end++) {
        if (raw.ptr[end] == '%') {
            return end == at + 1 ? at : end + 1;
        }
    }
    return at;
}

static pen_status find_placeholder(struct builder *b, const struct pen_yaml *value, pen_slice name,
                                   const struct pen_placeholder **out)
{
    const uint32_t count = b->options == NULL ? 0 : b->options->placeholder_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_placeholder *has = &b->options->placeholders[i];
        if (pen_slice_eq(pen_slice_str(has->name), name) && has->value_count > 0) {
            *out = has;
            return PEN_OK;
        }
    }
    return sigma_fail(b, value, "the placeholder %%%.*s%% has no value", PEN_SLICE_FMT(name));
}

static pen_status split(struct builder *b, const struct pen_yaml *value, bool is_regex,
                        struct segments *out)
{
    const pen_slice raw = value->text;
    size_t signs = 0;
    for (size_t i = 0; i < raw.len; i++) {
        signs += raw.ptr[i] == '%';
    }
    *out = (struct segments){.items = PEN_NEW_N(b->arena, struct segment, signs + 1),
                             .combinations = 1};
    PEN_CHECK(out->items != NULL);
    size_t from = 0;
    for (size_t at = 0; at < raw.len;) {
        const size_t end = raw.ptr[at] == '%' ? placeholder_end(raw, at) : at;
        if (end == at) {
            at += unit(raw, at, is_regex);
            continue;
        }
        struct segment *segment = &out->items[out->count++];
        segment->text = pen_slice_sub(raw, from, at);
        PEN_TRY(find_placeholder(b, value, pen_slice_sub(raw, at + 1, end - 1), &segment->name));
        if (segment->name->value_count > SIGMA_TEXTS_MAX / out->combinations) {
            return sigma_fail(b, value, "its placeholders give more than %u values",
                              SIGMA_TEXTS_MAX);
        }
        out->combinations *= segment->name->value_count;
        at = end;
        from = end;
    }
    out->items[out->count++].text = pen_slice_sub(raw, from, raw.len);
    return PEN_OK;
}

/* So that what comes behind cannot become part of an escape, every backslash is doubled that is
 * not part of one; \% loses its backslash. */
static pen_status put_settled(struct pen_buf *out, pen_slice raw)
{
    for (size_t at = 0; at < raw.len;) {
        const size_t n = unit(raw, at, false);
        pen_slice bytes = pen_slice_sub(raw, at, at + n);
        if (n == 1 && raw.ptr[at] == '\\') {
            bytes = PEN_SLICE_LIT("\\\\");
        } else if (n == 2 && raw.ptr[at + 1] == '%') {
            bytes = PEN_SLICE_LIT("%");
        }
        PEN_TRY(pen_buf_add(out, bytes));
        at += n;
    }
    return PEN_OK;
}

static pen_status put_quoted(struct pen_buf *out, pen_slice literal)
{
    for (size_t i = 0; i < literal.len; i++) {
        const uint8_t c = literal.ptr[i];
        const bool is_special = c != 0 && strchr("\\^$.|?*+()[]{}-/#", c) != NULL;
        PEN_TRY(pen_buf_add(out, pen_slice_str(is_special ? "\\" : "")));
        PEN_TRY(pen_buf_add_byte(out, c));
    }
    return PEN_OK;
}

static pen_status put_regex_value(struct builder *b, struct pen_buf *out, pen_slice value)
{
    const struct text text = sigma_text(b, value);
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("(?:")));
    for (uint32_t i = 0; i < text.count; i++) {
        const struct pen_piece *piece = &text.pieces[i];
        const char *wildcard = piece->kind == PEN_PIECE_RUN ? ".*" : ".";
        PEN_TRY(piece->kind == PEN_PIECE_TEXT ? put_quoted(out, piece->text)
                                              : pen_buf_add(out, pen_slice_str(wildcard)));
    }
    return pen_buf_add_byte(out, ')');
}

static pen_status put_combination(struct builder *b, const struct segments *segments,
                                  uint32_t combination, bool is_regex, struct pen_buf *out)
{
    for (uint32_t i = 0; i < segments->count; i++) {
        const struct segment *segment = &segments->items[i];
        PEN_TRY(is_regex ? pen_buf_add(out, segment->text) : put_settled(out, segment->text));
        if (segment->name == NULL) {
            continue;
        }
        const uint32_t pick = combination % segment->name->value_count;
        const pen_slice value = pen_slice_str(segment->name->values[pick]);
        combination /= segment->name->value_count;
        PEN_TRY(is_regex ? put_regex_value(b, out, value) : put_settled(out, value));
    }
    return PEN_OK;
}

static pen_status combine(struct builder *b, const struct pen_yaml *value, bool is_regex,
                          pen_slice **out, uint32_t *count)
{
    struct segments segments;
    PEN_TRY(split(b, value, is_regex, &segments));
    *out = PEN_NEW_N(b->arena, pen_slice, segments.combinations);
    *count = segments.combinations;
    PEN_CHECK(*out != NULL);
    for (uint32_t i = 0; i < segments.combinations; i++) {
        struct pen_buf buf;
        pen_buf_init(&buf, SIGMA_VALUE_BYTES_MAX);
        pen_status st = put_combination(b, &segments, i, is_regex, &buf);
        st = sigma_spend(b, value, st == PEN_OK ? buf.len : SIGMA_VALUE_BYTES_MAX + 1);
        if (st == PEN_OK) {
            (*out)[i] = pen_arena_dup(b->arena, pen_buf_slice(&buf));
            PEN_CHECK((*out)[i].ptr != NULL);
        }
        pen_buf_fini(&buf);
        PEN_TRY(st);
    }
    return PEN_OK;
}

pen_status sigma_expand(struct builder *b, const struct pen_yaml *value, struct texts *out)
{
    pen_slice *raw = NULL;
    uint32_t count = 0;
    PEN_TRY(combine(b, value, false, &raw, &count));
    *out = (struct texts){.items = PEN_NEW_N(b->arena, struct text, count), .count = count};
    PEN_CHECK(out->items != NULL);
    for (uint32_t i = 0; i < count; i++) {
        out->items[i] = sigma_text(b, raw[i]);
    }
    return PEN_OK;
}

pen_status sigma_expand_regex(struct builder *b, const struct pen_yaml *value, pen_slice **out,
                              uint32_t *count)
{
    return combine(b, value, true, out, count);
}
