/* tested by tests/unit/detect/test_modifiers.c */
#include "sigma.h"

#include <stdio.h>

#define SOURCE_BYTES_MAX ((size_t)200) /* of a key and of a value, in what explain shows */

/* ---- predicates ---- */

static pen_slice source_text(struct builder *b, pen_slice key, pen_slice value)
{
    char text[2 * SOURCE_BYTES_MAX + 8];
    key = pen_slice_sub(key, 0, SOURCE_BYTES_MAX);
    value = pen_slice_sub(value, 0, SOURCE_BYTES_MAX);
    const int n = snprintf(text, sizeof(text), "%.*s%s%.*s", (int)key.len, (const char *)key.ptr,
                           key.len == 0 ? "" : ": ", (int)value.len, (const char *)value.ptr);
    const pen_slice copy = pen_arena_dup(b->arena, (pen_slice){(const uint8_t *)text, (size_t)n});
    PEN_CHECK(copy.ptr != NULL);
    return copy;
}

static pen_status pred_new(struct builder *b, const struct item *item, struct pen_pred **out)
{
    *out = PEN_NEW(b->arena, struct pen_pred);
    PEN_CHECK(*out != NULL);
    (*out)->field = PEN_FIELD_ANY;
    return item->field.len == 0 ? PEN_OK
                                : b->field(b->field_ctx, item->field, &(*out)->field, b->err);
}

static struct pen_expr *pred_expr(struct builder *b, const struct pen_pred *pred, pen_slice key,
                                  pen_slice value)
{
    struct pen_expr *expr = expr_new(b, PEN_EXPR_PRED, 0);
    expr->pred = pred;
    expr->source = source_text(b, key, value);
    return expr;
}

/* ---- texts ---- */

static bool is_base64_behind(const struct item *item, uint32_t at)
{
    for (uint32_t i = at + 1; i < item->op_count; i++) {
        if (item->ops[i] == TEXT_BASE64 || item->ops[i] == TEXT_BASE64OFFSET) {
            return true;
        }
    }
    return false;
}

static bool is_ascii(const struct text *text)
{
    bool ascii = true;
    for (uint32_t i = 0; i < text->count; i++) {
        for (size_t at = 0; at < text->pieces[i].text.len; at++) {
            ascii = ascii && text->pieces[i].text.ptr[at] < 0x80;
        }
    }
    return ascii;
}

/* UTF-16 that is not encoded further can only be looked for where it is text as well. */
static pen_status check_wide(struct builder *b, const struct pen_yaml *value,
                             const struct texts *texts, enum text_op op)
{
    if (op == TEXT_UTF16) {
        return sigma_fail(b, value,
                          "utf16 puts a byte order mark before the text, which only "
                          "base64 behind it can express");
    }
    for (uint32_t i = 0; i < texts->count; i++) {
        if (!is_ascii(&texts->items[i])) {
            return sigma_fail(b, value, "UTF-16 of text beyond ASCII needs base64 behind it");
        }
    }
    return PEN_OK;
}

static bool is_wide(enum text_op op)
{
    return op == TEXT_WIDE || op == TEXT_UTF16 || op == TEXT_UTF16BE;
}

static void apply_shape(struct builder *b, enum text_op op, struct texts *texts)
{
    for (uint32_t i = 0; i < texts->count; i++) {
        struct text *text = &texts->items[i];
        *text = op == TEXT_WINDASH ? sigma_text_windash(b, text)
                                   : sigma_text_open(b, text, op != TEXT_STARTS, op != TEXT_ENDS);
    }
}

static pen_status apply_ops(struct builder *b, const struct item *item,
                            const struct pen_yaml *value, struct texts *texts)
{
    for (uint32_t at = 0; at < item->op_count; at++) {
        const enum text_op op = item->ops[at];
        const bool is_final = is_wide(op) && !is_base64_behind(item, at);
        if (op <= TEXT_WINDASH) {
            apply_shape(b, op, texts);
            continue;
        }
        PEN_TRY(is_final ? check_wide(b, value, texts, op) : PEN_OK);
        PEN_TRY(sigma_encode(b, value, op, texts));
    }
    return PEN_OK;
}

static bool has_shape(const struct item *item)
{
    for (uint32_t i = 0; i < item->op_count; i++) {
        if (item->ops[i] <= TEXT_ENDS) {
            return true;
        }
    }
    return false;
}

/* One predicate for every text; several are one group, whatever `all` says. */
static pen_status texts_expr(struct builder *b, const struct item *item, const struct texts *texts,
                             const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    struct pen_expr *group = expr_new(b, PEN_EXPR_OR, texts->count);
    const bool is_inside = item->field.len == 0 && !has_shape(item);
    for (uint32_t i = 0; i < texts->count; i++) {
        struct pen_pred *pred = NULL;
        struct text text = texts->items[i];
        PEN_TRY(pred_new(b, item, &pred));
        if (is_inside) { /* a keyword is looked for inside of values */
            text = sigma_text_open(b, &text, true, true);
        }
        pred->op = PEN_OP_PATTERN;
        pred->is_cased = item->cased;
        pred->pieces = text.pieces;
        pred->piece_count = text.count;
        group->kids[i] = pred_expr(b, pred, key, value->text);
    }
    *out = texts->count == 1 ? group->kids[0] : group;
    return PEN_OK;
}

static bool is_path_before(pen_slice s, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (s.ptr[i] == '\\' && s.ptr[i + 1] != '*' && s.ptr[i + 1] != '?') {
            return true;
        }
    }
    return at >= 2 && s.ptr[at - 1] == ':';
}

/* C:\* is the star itself, which hardly anybody wants. */
static void warn_escape(struct builder *b, const struct pen_yaml *value)
{
    const pen_slice s = value->text;
    const bool ends = s.len >= 3 && s.ptr[s.len - 2] == '\\' && s.ptr[s.len - 3] != '\\' &&
                      s.ptr[s.len - 1] == '*';
    if (ends && is_path_before(s, s.len - 2)) {
        sigma_warn(b, value, "\\* is a literal star here; a backslash and any text is \\\\*");
    }
}

static pen_status text_value(struct builder *b, const struct item *item,
                             const struct pen_yaml *value, pen_slice key, pen_slice raw,
                             struct pen_expr **out)
{
    struct texts texts = {.items = PEN_NEW(b->arena, struct text), .count = 1};
    PEN_CHECK(texts.items != NULL);
    if (item->expand) {
        PEN_TRY(sigma_expand(b, value, &texts));
    } else {
        texts.items[0] = sigma_text(b, raw);
        warn_escape(b, value);
    }
    PEN_TRY(apply_ops(b, item, value, &texts));
    return texts_expr(b, item, &texts, value, key, out);
}

/* ---- other types ---- */

static pen_status check_part(struct builder *b, const struct item *item,
                             const struct pen_yaml *value, const struct scalar *scalar)
{
    static const struct {
        uint32_t least, most;
    } ranges[] = {
        [PEN_PART_MINUTE] = {0, 59}, [PEN_PART_HOUR] = {0, 23},  [PEN_PART_DAY] = {1, 31},
        [PEN_PART_WEEK] = {1, 53},   [PEN_PART_MONTH] = {1, 12}, [PEN_PART_YEAR] = {0, 9999}};
    uint64_t number = 0;
    if (scalar->kind != SCALAR_INTEGER || !pen_parse_u64(scalar->text, &number) ||
        number < ranges[item->part].least || number > ranges[item->part].most) {
        return sigma_fail(b, value, "%.*s is outside of %u to %u, which this part of a time has",
                          PEN_SLICE_FMT(value->text), ranges[item->part].least,
                          ranges[item->part].most);
    }
    return PEN_OK;
}

static pen_status number_value(struct builder *b, const struct item *item,
                               const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    const struct scalar scalar = sigma_scalar(b->arena, value);
    struct pen_pred *pred = NULL;
    if (scalar.kind != SCALAR_INTEGER && scalar.kind != SCALAR_FLOAT) {
        return sigma_fail(b, value, "a number is wanted (without quotes)");
    }
    if (item->kind == KIND_PART && !item->has_cmp) {
        PEN_TRY(check_part(b, item, value, &scalar));
    }
    if (scalar.is_base60) {
        sigma_warn(b, value, "%.*s is read as the number %.*s: quote it if it is a text",
                   PEN_SLICE_FMT(value->text), PEN_SLICE_FMT(scalar.text));
    }
    PEN_TRY(pred_new(b, item, &pred));
    pred->op = item->kind == KIND_PART ? PEN_OP_TIMEPART : PEN_OP_NUMBER;
    pred->text = scalar.text;
    pred->cmp = item->cmp;
    pred->part = item->part;
    *out = pred_expr(b, pred, key, value->text);
    return PEN_OK;
}

/* A number where a text is expected. */
static pen_status number_as_text(struct builder *b, const struct item *item,
                                 const struct pen_yaml *value, pen_slice key,
                                 const struct scalar *scalar, struct pen_expr **out)
{
    bool is_shaped_only = !item->cased && !item->expand;
    for (uint32_t i = 0; i < item->op_count; i++) {
        is_shaped_only = is_shaped_only && item->ops[i] <= TEXT_ENDS;
    }
    const bool is_keyword = item->field.len == 0 && item->op_count == 0;
    if (!is_shaped_only || (scalar->kind == SCALAR_FLOAT && !is_keyword)) {
        return sigma_fail(b, value, "these modifiers want a text: quote the number");
    }
    if (!is_keyword) {
        sigma_warn(b, value, "the number is compared as the text '%.*s': quote it",
                   PEN_SLICE_FMT(scalar->text));
    }
    return text_value(b, item, value, key, scalar->text, out);
}

static pen_status plain_value(struct builder *b, const struct item *item,
                              const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    const struct scalar scalar = sigma_scalar(b->arena, value);
    const bool is_bare = item->field.len == 0;
    const bool is_changed = item->op_count > 0 || item->cased || item->expand;
    struct pen_pred *pred = NULL;
    switch (scalar.kind) {
    case SCALAR_NULL:
        if (is_bare || is_changed) {
            return sigma_fail(b, value, "null needs a field and no modifier");
        }
        PEN_TRY(pred_new(b, item, &pred));
        pred->op = PEN_OP_NULL;
        *out = pred_expr(b, pred, key, value->text);
        return PEN_OK;
    case SCALAR_INTEGER:
    case SCALAR_FLOAT:
        return is_bare || is_changed ? number_as_text(b, item, value, key, &scalar, out)
                                     : number_value(b, item, value, key, out);
    case SCALAR_BOOL:
        if (is_changed) {
            return sigma_fail(b, value, "a boolean takes no such modifier");
        }
        break;
    case SCALAR_DATE:
        return sigma_fail(b, value, "a date is no value to compare with: quote it");
    case SCALAR_BAD:
        return sigma_fail(b, value, "invalid number");
    case SCALAR_STRING:
        break;
    }
    return text_value(b, item, value, key, scalar.text, out);
}

/* It is checked once, while the file is read: the check of the whole rule does not know the place.
 */
static pen_status regex_expr(struct builder *b, const struct item *item,
                             const struct pen_yaml *value, pen_slice key, pen_slice text,
                             struct pen_expr **out)
{
    /* Both edges opened, as for texts, is the search anywhere that it was. */
    const bool is_open = item->contains || (item->starts && item->ends);
    struct pen_pred *pred = NULL;
    struct pen_err why;
    PEN_TRY(pred_new(b, item, &pred));
    pred->op = PEN_OP_REGEX;
    pred->text = text;
    pred->flags = item->re_flags | (item->starts && !is_open ? PEN_RE_ANCHOR_START : 0) |
                  (item->ends && !is_open ? PEN_RE_ANCHOR_END : 0);
    *out = pred_expr(b, pred, key, value->text);
    return b->warn == NULL || pen_expr_check(*out, &why) == PEN_OK
               ? PEN_OK
               : sigma_fail(b, value, "%s", why.text);
}

static pen_status regex_value(struct builder *b, const struct item *item,
                              const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    pen_slice *texts = NULL;
    uint32_t count = 1;
    if (sigma_scalar(b->arena, value).kind != SCALAR_STRING) {
        return sigma_fail(b, value, "a regular expression is wanted (in quotes)");
    }
    if (!item->expand) {
        return regex_expr(b, item, value, key, value->text, out);
    }
    PEN_TRY(sigma_expand_regex(b, value, &texts, &count));
    *out = expr_new(b, PEN_EXPR_OR, count);
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(regex_expr(b, item, value, key, texts[i], &(*out)->kids[i]));
    }
    return PEN_OK;
}

static pen_status cidr_value(struct builder *b, const struct item *item,
                             const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    struct pen_pred *pred = NULL;
    PEN_TRY(pred_new(b, item, &pred));
    if (sigma_scalar(b->arena, value).kind != SCALAR_STRING) {
        return sigma_fail(b, value, "a network is wanted, as in 10.0.0.0/8");
    }
    if (pen_cidr_parse(value->text, pred, b->err) != PEN_OK) {
        char why[sizeof(b->err->text)];
        memcpy(why, b->err->text, sizeof(why));
        return sigma_fail(b, value, "%s", why);
    }
    pred->op = PEN_OP_CIDR;
    *out = pred_expr(b, pred, key, value->text);
    return PEN_OK;
}

static pen_status fieldref_value(struct builder *b, const struct item *item,
                                 const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    struct pen_pred *pred = NULL;
    const struct text name = sigma_text(b, value->text);
    if (sigma_scalar(b->arena, value).kind != SCALAR_STRING || name.count != 1 ||
        sigma_text_has_wildcard(&name)) {
        return sigma_fail(b, value, "the name of a field is wanted, without wildcards");
    }
    PEN_TRY(pred_new(b, item, &pred));
    pred->op = PEN_OP_FIELDREF;
    pred->ref = item->contains || (item->starts && item->ends) ? PEN_REF_CONTAINS
                : item->starts                                 ? PEN_REF_STARTS
                : item->ends                                   ? PEN_REF_ENDS
                                                               : PEN_REF_EQUALS;
    PEN_TRY(b->field(b->field_ctx, name.pieces[0].text, &pred->field2, b->err));
    *out = pred_expr(b, pred, key, value->text);
    return PEN_OK;
}

static pen_status exists_value(struct builder *b, const struct item *item,
                               const struct pen_yaml *value, pen_slice key, struct pen_expr **out)
{
    const struct scalar scalar = sigma_scalar(b->arena, value);
    struct pen_pred *pred = NULL;
    if (scalar.kind != SCALAR_BOOL) {
        return sigma_fail(b, value, "exists takes true or false (without quotes)");
    }
    PEN_TRY(pred_new(b, item, &pred));
    pred->op = PEN_OP_EXISTS;
    *out = pred_expr(b, pred, key, value->text);
    if (pen_slice_eq(scalar.text, PEN_SLICE_LIT("false"))) {
        struct pen_expr *negated = expr_new(b, PEN_EXPR_NOT, 1);
        negated->kids[0] = *out;
        *out = negated;
    }
    return PEN_OK;
}

pen_status sigma_value(struct builder *b, const struct item *item, const struct pen_yaml *value,
                       pen_slice key, struct pen_expr **out)
{
    if (value->kind != PEN_YAML_SCALAR) {
        return sigma_fail(b, value, "a value is wanted, not a list or a map");
    }
    b->line = value->line; /* should the field be refused */
    b->column = value->column;
    PEN_TRY(sigma_spend(b, value, value->text.len + item->field.len));
    switch (item->kind) {
    case KIND_PLAIN:
        return plain_value(b, item, value, key, out);
    case KIND_RE:
        return regex_value(b, item, value, key, out);
    case KIND_CIDR:
        return cidr_value(b, item, value, key, out);
    case KIND_COMPARE:
    case KIND_PART:
        return number_value(b, item, value, key, out);
    case KIND_FIELDREF:
        return fieldref_value(b, item, value, key, out);
    case KIND_EXISTS:
        break;
    }
    return exists_value(b, item, value, key, out);
}
