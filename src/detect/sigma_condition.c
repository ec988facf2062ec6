/* tested by tests/unit/detect/test_rules.c */
#include "sigma.h"

#define STACK_MAX 256u

enum token_kind { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_WORD };
struct token {
    enum token_kind kind;
    pen_slice text;
};

struct parser {
    struct builder *b;
    const struct pen_yaml *detection, *condition;
    pen_slice rest;
    enum token_kind operators[STACK_MAX];
    uint32_t operator_count;
    struct pen_expr *operands[STACK_MAX];
    uint32_t operand_count;
};

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '*';
}

static pen_status next_token(struct parser *p, struct token *token)
{
    p->rest = pen_slice_trim(p->rest);
    *token = (struct token){.kind = TOKEN_END};
    if (p->rest.len == 0) {
        return PEN_OK;
    }
    size_t n = 0;
    while (n < p->rest.len && is_word(p->rest.ptr[n])) {
        n++;
    }
    if (n == 0) {
        const uint8_t c = p->rest.ptr[0];
        if (c == '|') {
            return sigma_fail(p->b, p->condition,
                              "aggregations after | were removed: use a correlation");
        }
        if (c != '(' && c != ')') {
            return sigma_fail(p->b, p->condition, "'%c' in the condition", c);
        }
        token->kind = c == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
        n = 1;
    } else {
        token->text = pen_slice_sub(p->rest, 0, n);
        token->kind = pen_slice_eq(token->text, PEN_SLICE_LIT("and"))   ? TOKEN_AND
                      : pen_slice_eq(token->text, PEN_SLICE_LIT("or"))  ? TOKEN_OR
                      : pen_slice_eq(token->text, PEN_SLICE_LIT("not")) ? TOKEN_NOT
                                                                        : TOKEN_WORD;
    }
    p->rest = pen_slice_sub(p->rest, n, p->rest.len);
    return PEN_OK;
}

/* A pattern of `*` against a whole name. */
static bool matches(pen_slice pattern, pen_slice name)
{
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t mark = 0;
    while (n < name.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.len && pattern.ptr[p] == name.ptr[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static pen_status identifier(struct parser *p, pen_slice name, struct pen_expr **out)
{
    for (const struct pen_yaml *kid = p->detection->child; kid != NULL; kid = kid->next) {
        if (pen_slice_eq(kid->key->text, name) && !pen_slice_eq(name, PEN_SLICE_LIT("condition"))) {
            return sigma_identifier(p->b, kid, out);
        }
    }
    return sigma_fail(p->b, p->condition, "the condition names '%.*s', which is no identifier",
                      PEN_SLICE_FMT(name));
}

/* "1 of x*", "all of them". */
static pen_status quantified(struct parser *p, bool is_all, struct pen_expr **out)
{
    struct token token;
    PEN_TRY(next_token(p, &token));
    if (token.kind != TOKEN_WORD || !pen_slice_eq(token.text, PEN_SLICE_LIT("of"))) {
        return sigma_fail(p->b, p->condition, "'of' is wanted");
    }
    PEN_TRY(next_token(p, &token));
    if (token.kind != TOKEN_WORD) {
        return sigma_fail(p->b, p->condition, "a pattern or 'them' is wanted after 'of'");
    }
    const pen_slice pattern =
        pen_slice_eq(token.text, PEN_SLICE_LIT("them")) ? PEN_SLICE_LIT("*") : token.text;
    struct pen_expr *list =
        expr_new(p->b, is_all ? PEN_EXPR_AND : PEN_EXPR_OR, p->detection->count);
    list->kid_count = 0;
    for (const struct pen_yaml *kid = p->detection->child; kid != NULL; kid = kid->next) {
        const pen_slice name = kid->key->text;
        const bool is_hidden = name.len > 0 && name.ptr[0] == '_' && pattern.ptr[0] != '_';
        if (is_hidden || pen_slice_eq(name, PEN_SLICE_LIT("condition")) ||
            !matches(pattern, name)) {
            continue;
        }
        PEN_TRY(sigma_identifier(p->b, kid, &list->kids[list->kid_count++]));
    }
    if (list->kid_count == 0) {
        return sigma_fail(p->b, p->condition, "'%.*s' matches no identifier",
                          PEN_SLICE_FMT(token.text));
    }
    *out = list;
    return PEN_OK;
}

static pen_status operand(struct parser *p, const struct token *token)
{
    if (p->operand_count == STACK_MAX) {
        return sigma_fail(p->b, p->condition, "the condition is too long");
    }
    struct pen_expr **out = &p->operands[p->operand_count++];
    const bool is_all = pen_slice_eq(token->text, PEN_SLICE_LIT("all"));
    const pen_slice ahead = pen_slice_trim(p->rest);
    const bool is_quantified = pen_slice_starts(ahead, PEN_SLICE_LIT("of ")) ||
                               pen_slice_starts(ahead, PEN_SLICE_LIT("of\n"));
    if (is_quantified && (is_all || pen_slice_eq(token->text, PEN_SLICE_LIT("1")) ||
                          pen_slice_eq(token->text, PEN_SLICE_LIT("any")))) {
        return quantified(p, is_all, out);
    }
    return identifier(p, token->text, out);
}

static uint32_t binds(enum token_kind kind)
{
    return kind == TOKEN_NOT ? 3 : kind == TOKEN_AND ? 2 : kind == TOKEN_OR ? 1 : 0;
}

static pen_status reduce(struct parser *p)
{
    const enum token_kind kind = p->operators[--p->operator_count];
    const uint32_t wants = kind == TOKEN_NOT ? 1 : 2;
    if (p->operand_count < wants) {
        return sigma_fail(p->b, p->condition, "an operator of the condition lacks its operand");
    }
    struct pen_expr *expr = expr_new(p->b,
                                     kind == TOKEN_NOT   ? PEN_EXPR_NOT
                                     : kind == TOKEN_AND ? PEN_EXPR_AND
                                                         : PEN_EXPR_OR,
                                     wants);
    for (uint32_t i = wants; i > 0; i--) {
        expr->kids[i - 1] = p->operands[--p->operand_count];
    }
    p->operands[p->operand_count++] = expr;
    return PEN_OK;
}

static pen_status push(struct parser *p, enum token_kind kind)
{
    while (kind != TOKEN_NOT && kind != TOKEN_OPEN && p->operator_count > 0 &&
           binds(p->operators[p->operator_count - 1]) >= binds(kind)) {
        PEN_TRY(reduce(p));
    }
    if (p->operator_count == STACK_MAX) {
        return sigma_fail(p->b, p->condition, "the condition is too long");
    }
    p->operators[p->operator_count++] = kind;
    return PEN_OK;
}

static pen_status close(struct parser *p)
{
    while (p->operator_count > 0 && p->operators[p->operator_count - 1] != TOKEN_OPEN) {
        PEN_TRY(reduce(p));
    }
    if (p->operator_count == 0) {
        return sigma_fail(p->b, p->condition, "a ) without its (");
    }
    p->operator_count--;
    return PEN_OK;
}

static pen_status parse(struct parser *p, struct pen_expr **out)
{
    bool wants_operand = true;
    for (;;) {
        struct token token;
        PEN_TRY(next_token(p, &token));
        const bool opens =
            token.kind == TOKEN_WORD || token.kind == TOKEN_OPEN || token.kind == TOKEN_NOT;
        if (token.kind == TOKEN_END) {
            break;
        }
        if (opens != wants_operand) {
            return sigma_fail(p->b, p->condition, "the condition is malformed");
        }
        if (token.kind == TOKEN_WORD) {
            PEN_TRY(operand(p, &token));
            wants_operand = false;
        } else if (token.kind == TOKEN_CLOSE) {
            PEN_TRY(close(p));
        } else {
            PEN_TRY(push(p, token.kind));
            wants_operand = true;
        }
    }
    while (p->operator_count > 0) {
        if (p->operators[p->operator_count - 1] == TOKEN_OPEN) {
            return sigma_fail(p->b, p->condition, "a ( without its )");
        }
        PEN_TRY(reduce(p));
    }
    if (p->operand_count != 1 || wants_operand) {
        return sigma_fail(p->b, p->condition, "the condition is empty or ends too early");
    }
    *out = p->operands[0];
    return PEN_OK;
}

pen_status sigma_condition(struct builder *b, const struct pen_yaml *detection,
                           const struct pen_yaml *condition, struct pen_expr **out)
{
    if (condition->kind != PEN_YAML_SCALAR) {
        return sigma_fail(b, condition, "a condition is text");
    }
    struct parser parser = {
        .b = b, .detection = detection, .condition = condition, .rest = condition->text};
    return parse(&parser, out);
}
