/* tested by tests/unit/detect/test_rules.c */
#include "sigma.h"

#include <stdarg.h>
#include <stdio.h>

#define NESTING_MAX 64u /* lists in lists; the YAML reader allows no more */

pen_status sigma_fail(struct builder *b, const struct pen_yaml *at, const char *fmt, ...)
{
    char text[sizeof(b->err->text)];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    b->line = at == NULL ? 1 : at->line;
    b->column = at == NULL ? 1 : at->column;
    return PEN_FAIL(b->err, PEN_E_RULE, PEN_NO_OFFSET, "%s", text);
}

pen_status sigma_part(struct builder *b, pen_status st)
{
    if (st != PEN_E_RULE || b->error == NULL || b->error_count == SIGMA_ERRORS_MAX) {
        return st;
    }
    b->error_count++;
    b->error(b->warn_ctx, b->line, b->column, b->err->text);
    return PEN_OK;
}

void sigma_warn(struct builder *b, const struct pen_yaml *at, const char *fmt, ...)
{
    char text[sizeof(b->err->text)];
    va_list ap;
    if (b->warn == NULL) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    b->warn(b->warn_ctx, at->line, at->column, text);
}

pen_status sigma_spend(struct builder *b, const struct pen_yaml *at, size_t bytes)
{
    if (bytes > SIGMA_VALUE_BYTES_MAX - b->value_bytes) {
        return sigma_fail(b, at, "the values of the rule have more than %zu bytes",
                          SIGMA_VALUE_BYTES_MAX);
    }
    b->value_bytes += bytes;
    return PEN_OK;
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

/* ---- one item of a map: a key with its value or list of values ---- */

static pen_status empty_list(struct builder *b, const struct item *item,
                             const struct pen_yaml *node, struct pen_expr **out)
{
    const struct pen_yaml null = {.kind = PEN_YAML_SCALAR,
                                  .is_plain = true,
                                  .line = node->line,
                                  .column = node->column,
                                  .text = PEN_SLICE_LIT("null")};
    return sigma_value(b, item, &null, node->key->text, out);
}

static void warn_list(struct builder *b, const struct item *item, const struct pen_yaml *node)
{
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->kind == PEN_YAML_SCALAR && sigma_scalar(b->arena, kid).kind == SCALAR_NULL) {
            sigma_warn(b, kid, "null in a list of values: a missing field matches the list");
        }
    }
    if (item->all && node->count == 1) {
        sigma_warn(b, node, "'all' of one value changes nothing");
    }
}

static pen_status item_values(struct builder *b, const struct item *item,
                              const struct pen_yaml *node, struct pen_expr **out)
{
    if (node->kind == PEN_YAML_MAP) {
        return sigma_fail(b, node, "a value or a list of values is wanted");
    }
    if (node->kind == PEN_YAML_SCALAR) {
        if (item->all) {
            sigma_warn(b, node, "'all' of one value changes nothing");
        }
        return sigma_value(b, item, node, node->key->text, out);
    }
    if (node->count == 0) {
        return empty_list(b, item, node, out);
    }
    warn_list(b, item, node);
    struct pen_expr *list = expr_new(b, item->all ? PEN_EXPR_AND : PEN_EXPR_OR, node->count);
    uint32_t i = 0;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(sigma_part(b, sigma_value(b, item, kid, node->key->text, &list->kids[i++])));
    }
    *out = list;
    return PEN_OK;
}

static pen_status map_item(struct builder *b, const struct pen_yaml *node, struct pen_expr **out)
{
    struct item item;
    PEN_TRY(sigma_modifiers(b, node, &item));
    PEN_TRY(item_values(b, &item, node, out));
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
    PEN_TRY(sigma_no_merge_keys(b, node));
    struct pen_expr *all = expr_new(b, PEN_EXPR_AND, node->count);
    uint32_t i = 0;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(sigma_part(b, map_item(b, kid, &all->kids[i++])));
    }
    *out = all;
    return PEN_OK;
}

static pen_status identifier_part(struct builder *b, const struct pen_yaml *node,
                                  struct pen_expr **out)
{
    static const struct item keyword = {.kind = KIND_PLAIN};
    return node->kind == PEN_YAML_MAP ? identifier_map(b, node, out)
                                      : sigma_value(b, &keyword, node, (pen_slice){0}, out);
}

struct open_list { /* of members; each list is a node of the tree */
    const struct pen_yaml *next;
    struct pen_expr *expr;
    uint32_t filled;
};

static pen_status list_open(struct builder *b, const struct pen_yaml *node, struct open_list *list)
{
    if (node->count == 0) {
        return sigma_fail(b, node, "the detection is empty");
    }
    *list = (struct open_list){.next = node->child, .expr = expr_new(b, PEN_EXPR_OR, node->count)};
    return PEN_OK;
}

/* Any of the members, lists in lists included. */
static pen_status identifier_list(struct builder *b, const struct pen_yaml *node,
                                  struct pen_expr **out)
{
    struct open_list stack[NESTING_MAX] = {0};
    uint32_t depth = 1;
    PEN_TRY(list_open(b, node, &stack[0]));
    *out = stack[0].expr;
    while (depth > 0) {
        struct open_list *top = &stack[depth - 1];
        const struct pen_yaml *kid = top->next;
        if (kid == NULL) {
            depth--;
            continue;
        }
        struct pen_expr **place = &top->expr->kids[top->filled++];
        const bool is_list = kid->kind == PEN_YAML_SEQ;
        top->next = kid->next;
        if (is_list && depth == NESTING_MAX) {
            return sigma_fail(b, kid, "lists are nested deeper than %u levels", NESTING_MAX);
        }
        PEN_TRY(is_list ? list_open(b, kid, &stack[depth]) : identifier_part(b, kid, place));
        if (is_list) {
            *place = stack[depth++].expr;
        }
    }
    return PEN_OK;
}

pen_status sigma_identifier(struct builder *b, const struct pen_yaml *node, struct pen_expr **out)
{
    return node->kind == PEN_YAML_SEQ ? identifier_list(b, node, out)
                                      : identifier_part(b, node, out);
}
