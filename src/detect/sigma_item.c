/* tested by tests/unit/detect/test_rules.c */
#include "sigma.h"

#include <stdarg.h>
#include <stdio.h>

#define MODIFIERS_MAX 8u

pen_status sigma_fail(struct builder *b, const struct pen_yaml *at, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    b->line = at == NULL ? 1 : at->line;
    b->column = at == NULL ? 1 : at->column;
    return PEN_FAIL(b->err, PEN_E_RULE, PEN_NO_OFFSET, "%s", text);
}

struct pen_expr *expr_new(struct builder *b, enum pen_expr_kind kind, uint32_t kids)
{
    struct pen_expr *expr = PEN_NEW(b->arena, struct pen_expr);
    PEN_CHECK(expr != NULL);
    expr->kind = kind;
    expr->kid_count = kids;
    if (kids > 0) {
        expr->kids = PEN_NEW_N(b->arena, struct pen_expr *, kids);
        PEN_CHECK(expr->kids != NULL);
    }
    return expr;
}

/* ---- scalars as YAML 1.1 reads them ---- */

static bool is_any(pen_slice text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pen_slice_eq(text, pen_slice_str(words[i]))) {
            return true;
        }
    }
    return false;
}

enum scalar_kind sigma_scalar(const struct pen_yaml *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE",
                                        "yes",  "Yes",  "YES",  "no",    "No",    "NO",
                                        "on",   "On",   "ON",   "off",   "Off",   "OFF"};
    static const char *const bad[] = {".inf", "-.inf", "+.inf", ".nan", ".Inf", ".NaN", ".NAN"};
    if (!node->is_plain) {
        return SCALAR_STRING;
    }
    if (is_any(node->text, nulls, PEN_COUNT(nulls))) {
        return SCALAR_NULL;
    }
    if (is_any(node->text, bools, PEN_COUNT(bools))) {
        return SCALAR_BOOL;
    }
    if (is_any(node->text, bad, PEN_COUNT(bad))) {
        return SCALAR_BAD;
    }
    return pen_json_is_number(node->text) ? SCALAR_NUMBER : SCALAR_STRING;
}

bool sigma_is_true(pen_slice text)
{
    return text.ptr[0] == 't' || text.ptr[0] == 'T' || text.ptr[0] == 'y' || text.ptr[0] == 'Y' ||
           (text.len == 2 && (text.ptr[1] == 'n' || text.ptr[1] == 'N'));
}

/* ---- wildcards and escapes ---- */

pen_status sigma_pieces(struct builder *b, pen_slice text, struct pen_piece **out, uint32_t *count)
{
    struct pen_piece *pieces = PEN_NEW_N(b->arena, struct pen_piece, text.len + 3);
    uint8_t *literal = pen_arena_alloc(b->arena, text.len + 1, 1);
    PEN_CHECK(pieces != NULL && literal != NULL);
    uint32_t n = 0;
    size_t len = 0;
    size_t from = 0;
    for (size_t i = 0; i <= text.len; i++) {
        const uint8_t c = i < text.len ? text.ptr[i] : 0;
        const bool is_wild = i < text.len && (c == '*' || c == '?');
        if ((is_wild || i == text.len) && len > from) {
            pieces[n++] =
                (struct pen_piece){.kind = PEN_PIECE_TEXT, .text = {literal + from, len - from}};
            from = len;
        }
        if (is_wild) {
            const bool again = c == '*' && n > 0 && pieces[n - 1].kind == PEN_PIECE_RUN;
            pieces[n].kind = c == '*' ? PEN_PIECE_RUN : PEN_PIECE_ONE;
            n += !again;
        } else if (i < text.len) {
            const uint8_t next = i + 1 < text.len ? text.ptr[i + 1] : 0;
            const bool is_escape = c == '\\' && (next == '*' || next == '?' || next == '\\');
            literal[len++] = is_escape ? next : c;
            i += is_escape;
        }
    }
    *out = pieces;
    *count = n;
    return PEN_OK;
}

/* ---- modifiers ---- */

enum kind { KIND_PLAIN, KIND_RE, KIND_CIDR, KIND_EXISTS, KIND_COMPARE, KIND_FIELDREF, KIND_PART };

struct item {
    pen_slice field;
    enum kind kind;
    bool contains, starts, ends, all, neq, cased, windash;
    uint32_t re_flags;
    enum pen_cmp cmp;
    enum pen_part part;
};

struct modifier {
    const char *name;
    enum kind kind;
    uint32_t value;
};

static bool modifier_shape(struct item *item, pen_slice name)
{
    struct {
        const char *name;
        bool *flag;
    } const flags[] = {{"contains", &item->contains}, {"startswith", &item->starts},
                       {"endswith", &item->ends},     {"all", &item->all},
                       {"neq", &item->neq},           {"cased", &item->cased},
                       {"windash", &item->windash}};
    for (size_t i = 0; i < PEN_COUNT(flags); i++) {
        if (pen_slice_eq(name, pen_slice_str(flags[i].name))) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static bool modifier_type(struct item *item, pen_slice name)
{
    static const struct modifier types[] = {
        {"re", KIND_RE, 0},
        {"cidr", KIND_CIDR, 0},
        {"exists", KIND_EXISTS, 0},
        {"fieldref", KIND_FIELDREF, 0},
        {"lt", KIND_COMPARE, PEN_CMP_LT},
        {"lte", KIND_COMPARE, PEN_CMP_LE},
        {"gt", KIND_COMPARE, PEN_CMP_GT},
        {"gte", KIND_COMPARE, PEN_CMP_GE},
        {"minute", KIND_PART, PEN_PART_MINUTE},
        {"hour", KIND_PART, PEN_PART_HOUR},
        {"day", KIND_PART, PEN_PART_DAY},
        {"week", KIND_PART, PEN_PART_WEEK},
        {"month", KIND_PART, PEN_PART_MONTH},
        {"year", KIND_PART, PEN_PART_YEAR},
    };
    for (size_t i = 0; i < PEN_COUNT(types); i++) {
        if (!pen_slice_eq(name, pen_slice_str(types[i].name))) {
            continue;
        }
        if (types[i].kind == KIND_COMPARE) {
            item->cmp = (enum pen_cmp)types[i].value;
            item->kind = item->kind == KIND_PART ? KIND_PART : KIND_COMPARE;
        } else {
            item->part = types[i].kind == KIND_PART ? (enum pen_part)types[i].value : item->part;
            item->kind = types[i].kind;
        }
        return true;
    }
    return false;
}

static bool modifier_flag(struct item *item, pen_slice name)
{
    static const struct modifier flags[] = {
        {"i", KIND_RE, PEN_RE_CASELESS},  {"ignorecase", KIND_RE, PEN_RE_CASELESS},
        {"m", KIND_RE, PEN_RE_MULTILINE}, {"multiline", KIND_RE, PEN_RE_MULTILINE},
        {"s", KIND_RE, PEN_RE_DOTALL},    {"dotall", KIND_RE, PEN_RE_DOTALL}};
    for (size_t i = 0; i < PEN_COUNT(flags); i++) {
        if (item->kind == KIND_RE && pen_slice_eq(name, pen_slice_str(flags[i].name))) {
            item->re_flags |= flags[i].value;
            return true;
        }
    }
    return false;
}

static pen_status modifiers(struct builder *b, const struct pen_yaml *node, struct item *item)
{
    pen_slice rest = node->key->text;
    pen_slice name;
    uint32_t count = 0;
    *item = (struct item){0};
    if (rest.len == 0) {
        return PEN_OK;
    }
    (void)pen_slice_split(&rest, '|', &item->field);
    while (pen_slice_split(&rest, '|', &name)) {
        if (count++ == MODIFIERS_MAX) {
            return sigma_fail(b, node->key, "more than %u modifiers", MODIFIERS_MAX);
        }
        if (!modifier_shape(item, name) && !modifier_type(item, name) &&
            !modifier_flag(item, name)) {
            return sigma_fail(b, node->key, "the modifier '%.*s' is unknown or not built yet",
                              PEN_SLICE_FMT(name));
        }
    }
    const bool is_unbound = item->field.len == 0;
    if (is_unbound && item->kind != KIND_PLAIN && item->kind != KIND_RE) {
        return sigma_fail(b, node->key, "this modifier needs a field");
    }
    return PEN_OK;
}

/* ---- one value ---- */

static void add_runs(const struct item *item, struct pen_piece **pieces, uint32_t *count)
{
    const bool front = item->contains || item->ends;
    const bool back = item->contains || item->starts;
    struct pen_piece *p = *pieces;
    if (front && (*count == 0 || p[0].kind != PEN_PIECE_RUN)) {
        memmove(p + 1, p, *count * sizeof(*p));
        p[0] = (struct pen_piece){.kind = PEN_PIECE_RUN};
        (*count)++;
    }
    if (back && p[*count - 1].kind != PEN_PIECE_RUN) {
        p[(*count)++] = (struct pen_piece){.kind = PEN_PIECE_RUN};
    }
}

/* A dash or slash that begins a word becomes a class. */
static void add_dashes(struct builder *b, struct pen_piece **pieces, uint32_t *count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < *count; i++) {
        bytes += (*pieces)[i].text.len + 1;
    }
    struct pen_piece *made = PEN_NEW_N(b->arena, struct pen_piece, bytes * 2 + 3);
    PEN_CHECK(made != NULL);
    uint32_t n = 0;
    for (uint32_t i = 0; i < *count; i++) {
        const struct pen_piece *piece = &(*pieces)[i];
        if (piece->kind != PEN_PIECE_TEXT) {
            made[n++] = *piece;
            continue;
        }
        size_t from = 0;
        const pen_slice t = piece->text;
        for (size_t at = 0; at + 1 < t.len; at++) {
            const bool is_dash = t.ptr[at] == '-' || t.ptr[at] == '/';
            const uint8_t before = at == 0 ? ' ' : t.ptr[at - 1];
            const uint8_t after = t.ptr[at + 1];
            const bool word_before = (before | 0x20) >= 'a' && (before | 0x20) <= 'z';
            const bool digit_before = (before >= '0' && before <= '9') || before == '_';
            const bool word_after = ((after | 0x20) >= 'a' && (after | 0x20) <= 'z') ||
                                    (after >= '0' && after <= '9') || after == '_';
            if (!is_dash || word_before || digit_before || !word_after) {
                continue;
            }
            if (at > from) {
                made[n++] =
                    (struct pen_piece){.kind = PEN_PIECE_TEXT, .text = pen_slice_sub(t, from, at)};
            }
            made[n++] = (struct pen_piece){.kind = PEN_PIECE_DASH};
            from = at + 1;
        }
        made[n++] =
            (struct pen_piece){.kind = PEN_PIECE_TEXT, .text = pen_slice_sub(t, from, t.len)};
    }
    *pieces = made;
    *count = n;
}

static pen_status pattern(struct builder *b, const struct item *item, pen_slice text, bool is_bare,
                          struct pen_pred *pred)
{
    struct pen_piece *pieces = NULL;
    uint32_t count = 0;
    struct item shape = *item;
    PEN_TRY(sigma_pieces(b, text, &pieces, &count));
    if (item->windash) {
        add_dashes(b, &pieces, &count);
    }
    /* A keyword is looked for inside of values, unless its edges are named. */
    if (is_bare && !item->starts && !item->ends) {
        shape.contains = true;
    }
    add_runs(&shape, &pieces, &count);
    pred->op = PEN_OP_PATTERN;
    pred->is_cased = item->cased;
    pred->pieces = pieces;
    pred->piece_count = count;
    return PEN_OK;
}

static pen_status number(struct builder *b, const struct item *item, const struct pen_yaml *value,
                         struct pen_pred *pred)
{
    if (sigma_scalar(value) != SCALAR_NUMBER) {
        return sigma_fail(b, value, "a number is wanted (without quotes)");
    }
    pred->op = item->kind == KIND_PART ? PEN_OP_TIMEPART : PEN_OP_NUMBER;
    pred->text = value->text;
    pred->cmp = item->cmp;
    pred->part = item->part;
    return PEN_OK;
}

static pen_status plain_value(struct builder *b, const struct item *item,
                              const struct pen_yaml *value, struct pen_pred *pred)
{
    const bool has_shape = item->contains || item->starts || item->ends;
    const bool is_bare = item->field.len == 0;
    switch (sigma_scalar(value)) {
    case SCALAR_NULL:
        if (is_bare || has_shape) {
            return sigma_fail(b, value, "null needs a field and no modifier");
        }
        pred->op = PEN_OP_NULL;
        return PEN_OK;
    case SCALAR_NUMBER:
        if (is_bare || has_shape) {
            return pattern(b, item, value->text, is_bare, pred);
        }
        return number(b, item, value, pred);
    case SCALAR_BOOL:
        if (has_shape) {
            return sigma_fail(b, value, "a boolean takes no such modifier");
        }
        return pattern(b, item,
                       sigma_is_true(value->text) ? PEN_SLICE_LIT("true") : PEN_SLICE_LIT("false"),
                       is_bare, pred);
    case SCALAR_BAD:
        return sigma_fail(b, value, "invalid number");
    case SCALAR_STRING:
        break;
    }
    return pattern(b, item, value->text, is_bare, pred);
}

static pen_status typed_value(struct builder *b, const struct item *item,
                              const struct pen_yaml *value, struct pen_pred *pred)
{
    switch (item->kind) {
    case KIND_PLAIN:
        return plain_value(b, item, value, pred);
    case KIND_RE:
        if (sigma_scalar(value) != SCALAR_STRING) {
            return sigma_fail(b, value, "a regular expression is wanted");
        }
        pred->op = PEN_OP_REGEX;
        pred->text = value->text;
        pred->flags = item->re_flags | (item->starts ? PEN_RE_ANCHOR_START : 0) |
                      (item->ends ? PEN_RE_ANCHOR_END : 0);
        return PEN_OK;
    case KIND_CIDR:
        if (pen_cidr_parse(value->text, pred, b->err) != PEN_OK) {
            return sigma_fail(b, value, "%s", b->err == NULL ? "no network" : b->err->text);
        }
        pred->op = PEN_OP_CIDR;
        return PEN_OK;
    case KIND_COMPARE:
    case KIND_PART:
        return number(b, item, value, pred);
    case KIND_FIELDREF:
        pred->op = PEN_OP_FIELDREF;
        pred->ref = item->contains ? PEN_REF_CONTAINS
                    : item->starts ? PEN_REF_STARTS
                    : item->ends   ? PEN_REF_ENDS
                                   : PEN_REF_EQUALS;
        return b->field(b->field_ctx, value->text, &pred->field2, b->err);
    case KIND_EXISTS:
        break;
    }
    if (sigma_scalar(value) != SCALAR_BOOL) {
        return sigma_fail(b, value, "exists takes true or false");
    }
    pred->op = PEN_OP_EXISTS;
    return PEN_OK;
}

static pen_slice source_text(struct builder *b, pen_slice key, pen_slice value)
{
    struct pen_buf buf;
    pen_buf_init(&buf, (size_t)1 << 20);
    pen_status st = pen_buf_printf(
        &buf, "%.*s%s%.*s", (int)key.len, (const char *)key.ptr, key.len == 0 ? "" : ": ",
        (int)(value.len > 200 ? 200 : value.len), (const char *)value.ptr);
    const pen_slice copy = st == PEN_OK ? pen_arena_dup(b->arena, pen_buf_slice(&buf)) : key;
    pen_buf_fini(&buf);
    return copy;
}

static pen_status one_value(struct builder *b, const struct item *item, pen_slice key,
                            const struct pen_yaml *value, struct pen_expr **out)
{
    struct pen_pred *pred = PEN_NEW(b->arena, struct pen_pred);
    PEN_CHECK(pred != NULL);
    if (value->kind != PEN_YAML_SCALAR) {
        return sigma_fail(b, value, "a value is wanted, not a list or a map");
    }
    pred->field = PEN_FIELD_ANY;
    if (item->field.len > 0) {
        PEN_TRY(b->field(b->field_ctx, item->field, &pred->field, b->err));
    }
    PEN_TRY(typed_value(b, item, value, pred));
    struct pen_expr *expr = expr_new(b, PEN_EXPR_PRED, 0);
    expr->pred = pred;
    expr->source = source_text(b, key, value->text);
    if (item->kind == KIND_EXISTS && !sigma_is_true(value->text)) {
        struct pen_expr *negated = expr_new(b, PEN_EXPR_NOT, 1);
        negated->kids[0] = expr;
        expr = negated;
    }
    *out = expr;
    return PEN_OK;
}

static pen_status values(struct builder *b, const struct item *item, pen_slice key,
                         const struct pen_yaml *node, struct pen_expr **out)
{
    if (node->kind == PEN_YAML_SCALAR) {
        return one_value(b, item, key, node, out);
    }
    if (node->kind == PEN_YAML_MAP || node->count == 0) {
        return sigma_fail(b, node, "a value or a list of values is wanted");
    }
    struct pen_expr *list = expr_new(b, item->all ? PEN_EXPR_AND : PEN_EXPR_OR, node->count);
    uint32_t i = 0;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(one_value(b, item, key, kid, &list->kids[i++]));
    }
    *out = list;
    return PEN_OK;
}

pen_status sigma_item(struct builder *b, const struct pen_yaml *node, struct pen_expr **out)
{
    struct item item;
    PEN_TRY(modifiers(b, node, &item));
    PEN_TRY(values(b, &item, node->key->text, node, out));
    if (item.neq) {
        struct pen_expr *negated = expr_new(b, PEN_EXPR_NOT, 1);
        negated->kids[0] = *out;
        *out = negated;
    }
    return PEN_OK;
}

/* ---- identifiers ---- */

static pen_status identifier_map(struct builder *b, const struct pen_yaml *node,
                                 struct pen_expr **out)
{
    if (node->count == 0) {
        return sigma_fail(b, node, "the detection is empty");
    }
    struct pen_expr *all = expr_new(b, PEN_EXPR_AND, node->count);
    uint32_t i = 0;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(sigma_item(b, kid, &all->kids[i++]));
    }
    *out = all;
    return PEN_OK;
}

static pen_status identifier_part(struct builder *b, const struct pen_yaml *node,
                                  struct pen_expr **out)
{
    static const struct item keyword = {.kind = KIND_PLAIN};
    if (node->kind == PEN_YAML_MAP) {
        return identifier_map(b, node, out);
    }
    return one_value(b, &keyword, (pen_slice){0}, node, out);
}

pen_status sigma_identifier(struct builder *b, const struct pen_yaml *node, struct pen_expr **out)
{
    if (node->kind != PEN_YAML_SEQ) {
        return identifier_part(b, node, out);
    }
    if (node->count == 0) {
        return sigma_fail(b, node, "the detection is empty");
    }
    struct pen_expr *any = expr_new(b, PEN_EXPR_OR, node->count);
    uint32_t i = 0;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(identifier_part(b, kid, &any->kids[i++]));
    }
    *out = any;
    return PEN_OK;
}
