/* tested by tests/unit/detect/test_modifiers.c */
#include "sigma.h"

enum modifier_class {
    CLASS_SHAPE,
    CLASS_ENCODE, /* also windash: changes the text of a plain value */
    CLASS_ALL,
    CLASS_NEQ,
    CLASS_CASED,
    CLASS_EXPAND,
    CLASS_TYPE, /* re, cidr, exists: only as the first */
    CLASS_FLAG,
    CLASS_COMPARE,
    CLASS_FIELDREF,
    CLASS_PART
};

struct modifier {
    const char *name;
    enum modifier_class class;
    uint32_t value;
};

static const struct modifier modifiers[] = {
    {"contains", CLASS_SHAPE, TEXT_CONTAINS},
    {"startswith", CLASS_SHAPE, TEXT_STARTS},
    {"endswith", CLASS_SHAPE, TEXT_ENDS},
    {"all", CLASS_ALL, 0},
    {"neq", CLASS_NEQ, 0},
    {"cased", CLASS_CASED, 0},
    {"expand", CLASS_EXPAND, 0},
    {"windash", CLASS_ENCODE, TEXT_WINDASH},
    {"wide", CLASS_ENCODE, TEXT_WIDE},
    {"utf16le", CLASS_ENCODE, TEXT_WIDE},
    {"utf16be", CLASS_ENCODE, TEXT_UTF16BE},
    {"utf16", CLASS_ENCODE, TEXT_UTF16},
    {"base64", CLASS_ENCODE, TEXT_BASE64},
    {"base64offset", CLASS_ENCODE, TEXT_BASE64OFFSET},
    {"re", CLASS_TYPE, KIND_RE},
    {"cidr", CLASS_TYPE, KIND_CIDR},
    {"exists", CLASS_TYPE, KIND_EXISTS},
    {"i", CLASS_FLAG, PEN_RE_CASELESS},
    {"ignorecase", CLASS_FLAG, PEN_RE_CASELESS},
    {"m", CLASS_FLAG, PEN_RE_MULTILINE},
    {"multiline", CLASS_FLAG, PEN_RE_MULTILINE},
    {"s", CLASS_FLAG, PEN_RE_DOTALL},
    {"dotall", CLASS_FLAG, PEN_RE_DOTALL},
    {"fieldref", CLASS_FIELDREF, 0},
    {"lt", CLASS_COMPARE, PEN_CMP_LT},
    {"lte", CLASS_COMPARE, PEN_CMP_LE},
    {"gt", CLASS_COMPARE, PEN_CMP_GT},
    {"gte", CLASS_COMPARE, PEN_CMP_GE},
    {"minute", CLASS_PART, PEN_PART_MINUTE},
    {"hour", CLASS_PART, PEN_PART_HOUR},
    {"day", CLASS_PART, PEN_PART_DAY},
    {"week", CLASS_PART, PEN_PART_WEEK},
    {"month", CLASS_PART, PEN_PART_MONTH},
    {"year", CLASS_PART, PEN_PART_YEAR},
};

static const struct modifier *find(pen_slice name)
{
    for (size_t i = 0; i < PEN_COUNT(modifiers); i++) {
        if (pen_slice_eq(name, pen_slice_str(modifiers[i].name))) {
            return &modifiers[i];
        }
    }
    return NULL;
}

static bool apply_shape(struct item *item, enum text_op op)
{
    if (item->kind == KIND_PLAIN) {
        item->ops[item->op_count++] = op;
        return true;
    }
    item->contains = item->contains || op == TEXT_CONTAINS;
    item->starts = item->starts || op == TEXT_STARTS;
    item->ends = item->ends || op == TEXT_ENDS;
    return item->kind == KIND_RE || item->kind == KIND_FIELDREF;
}

static bool apply_compare(struct item *item, uint32_t cmp, bool is_untouched)
{
    const bool is_part = item->kind == KIND_PART && !item->has_cmp;
    if (!is_part && !is_untouched) {
        return false;
    }
    item->kind = is_part ? KIND_PART : KIND_COMPARE;
    item->cmp = (enum pen_cmp)cmp;
    item->has_cmp = true;
    return true;
}

/* Placeholders are filled before a text is encoded, so they must be asked for before. */
static bool apply_expand(struct item *item)
{
    item->expand = true;
    for (uint32_t i = 0; i < item->op_count; i++) {
        if (item->ops[i] > TEXT_WINDASH) {
            return false;
        }
    }
    return item->kind == KIND_PLAIN || item->kind == KIND_RE;
}

/* False when the modifier cannot stand behind what the item holds so far. */
static bool apply(struct item *item, const struct modifier *modifier, bool is_first)
{
    const bool is_untouched =
        item->kind == KIND_PLAIN && item->op_count == 0 && !item->cased && !item->expand;
    switch (modifier->class) {
    case CLASS_SHAPE:
        return apply_shape(item, (enum text_op)modifier->value);
    case CLASS_ENCODE:
        item->ops[item->op_count++] = (enum text_op)modifier->value;
        return item->kind == KIND_PLAIN;
    case CLASS_ALL:
        item->all = true;
        return true;
    case CLASS_NEQ:
        item->neq = true;
        return true;
    case CLASS_CASED:
        item->cased = true;
        return item->kind == KIND_PLAIN;
    case CLASS_EXPAND:
        return apply_expand(item);
    case CLASS_TYPE:
        item->kind = (enum item_kind)modifier->value;
        return is_first;
    case CLASS_FLAG:
        item->re_flags |= modifier->value;
        return item->kind == KIND_RE;
    case CLASS_COMPARE:
        return apply_compare(item, modifier->value, is_untouched);
    case CLASS_FIELDREF:
        item->kind = KIND_FIELDREF;
        return is_untouched;
    case CLASS_PART:
        item->kind = KIND_PART;
        item->part = (enum pen_part)modifier->value;
        return is_untouched;
    }
    return false;
}

static pen_status refuse(struct builder *b, const struct pen_yaml *node,
                         const struct modifier *modifier)
{
    if (modifier->class == CLASS_TYPE) {
        return sigma_fail(b, node->key, "'%s' must be the first modifier", modifier->name);
    }
    if (modifier->class == CLASS_FLAG) {
        return sigma_fail(b, node->key, "'%s' is a flag of 're' and must follow it",
                          modifier->name);
    }
    return sigma_fail(b, node->key, "the modifier '%s' cannot follow those before it",
                      modifier->name);
}

pen_status sigma_no_merge_keys(struct builder *b, const struct pen_yaml *map)
{
    for (const struct pen_yaml *kid = map->child; kid != NULL; kid = kid->next) {
        if (kid->key->is_plain && pen_slice_eq(kid->key->text, PEN_SLICE_LIT("<<"))) {
            return sigma_fail(b, kid->key, "YAML merge keys (<<) are not supported");
        }
    }
    return PEN_OK;
}

static pen_status check_field(struct builder *b, const struct pen_yaml *node,
                              const struct item *item)
{
    const struct scalar key = sigma_scalar(b->arena, node->key);
    if (key.kind != SCALAR_STRING && node->key->text.len > 0) {
        return sigma_fail(b, node->key, "the field name '%.*s' is no text: quote it",
                          PEN_SLICE_FMT(node->key->text));
    }
    if (item->field.len == 0 && item->kind != KIND_PLAIN && item->kind != KIND_RE) {
        return sigma_fail(b, node->key, "this modifier needs a field");
    }
    return PEN_OK;
}

pen_status sigma_modifiers(struct builder *b, const struct pen_yaml *node, struct item *item)
{
    pen_slice rest = node->key->text;
    pen_slice name;
    uint32_t count = 0;
    *item = (struct item){0};
    if (rest.len > 0) {
        (void)pen_slice_split(&rest, '|', &item->field);
        while (pen_slice_split(&rest, '|', &name)) {
            const struct modifier *modifier = find(name);
            if (count == SIGMA_MODIFIERS_MAX) {
                return sigma_fail(b, node->key, "more than %u modifiers", SIGMA_MODIFIERS_MAX);
            }
            if (modifier == NULL) {
                return sigma_fail(b, node->key, "the modifier '%.*s' is unknown",
                                  PEN_SLICE_FMT(name));
            }
            if (!apply(item, modifier, count++ == 0)) {
                return refuse(b, node, modifier);
            }
        }
    }
    return check_field(b, node, item);
}
