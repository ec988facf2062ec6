/* tested by tests/unit/detect/test_rules.c */
#include "sigma.h"

enum token_kind { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_WORD };
struct token {
    enum token_kind kind;
    pen_slice text;
};

struct parser {
    struct builder *b;
    const struct scope *scope;
    const struct pen_yaml *condition;
    pen_slice rest;
    enum token_kind *operators; /* with room for one a byte of the condition, as operands */
    uint32_t operator_count;
    struct pen_expr **operands;
    uint32_t operand_count;
    uint32_t chosen; /* identifiers that quantifiers stand for, in all */
};

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '*';
}

static bool is_text(pen_slice text, const char *word)
{
    return pen_slice_eq(text, pen_slice_str(word));
}

static bool has(pen_slice text, const char *word)
{
    return pen_slice_find(text, pen_slice_str(word)) != SIZE_MAX;
}

/* Aggregations of Sigma 1 and what took their place. */
static pen_status refuse_pipe(struct parser *p)
{
    const char *use = "a correlation";
    if (has(p->rest, "count()")) {
        use = "a correlation of type event_count";
    } else if (has(p->rest, "count(")) {
        use = "a correlation of type value_count";
    } else if (has(p->rest, "near")) {
        use = "a correlation of type temporal";
    } else if (has(p->rest, "sum(")) {
        use = "a correlation of type value_sum";
    } else if (has(p->rest, "avg(")) {
        use = "a correlation of type value_avg";
    }
    return sigma_fail(p->b, p->condition, "aggregations after | were removed: use %s", use);
}

static enum token_kind word_kind(pen_slice word)
{
    if (is_text(word, "and")) {
        return TOKEN_AND;
    }
    if (is_text(word, "or")) {
        return TOKEN_OR;
    }
    return is_text(word, "not") ? TOKEN_NOT : TOKEN_WORD;
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
    if (n > 0) {
        token->text = pen_slice_sub(p->rest, 0, n);
        token->kind = word_kind(token->text);
    } else if (p->rest.ptr[0] == '|') {
        return refuse_pipe(p);
    } else if (p->rest.ptr[0] == '(' || p->rest.ptr[0] == ')') {
        token->kind = p->rest.ptr[0] == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
        n = 1;
    } else {
        return sigma_fail(p->b, p->condition, "'%.*s' is no part of a condition",
                          (int)(p->rest.len > 20 ? 20 : p->rest.len), (const char *)p->rest.ptr);
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

struct scope sigma_scope(struct builder *b, const struct pen_yaml *map, bool is_filter)
{
    const struct scope scope = {.map = map,
                                .is_filter = is_filter,
                                .built = PEN_NEW_N(b->arena, struct pen_expr *, map->count + 1)};
    PEN_CHECK(scope.built != NULL);
    return scope;
}

bool sigma_is_reserved(const struct scope *scope, const struct pen_yaml *kid)
{
    return is_text(kid->key->text, "condition") ||
           (scope->is_filter && is_text(kid->key->text, "rules"));
}

static pen_status built(struct parser *p, const struct pen_yaml *kid, uint32_t index,
                        struct pen_expr **out)
{
    struct pen_expr **slot = &p->scope->built[index];
    if (*slot == NULL) {
        struct pen_expr *made = NULL;
        PEN_TRY(sigma_identifier(p->b, kid, &made));
        *slot = made;
    }
    *out = *slot;
    return PEN_OK;
}

static pen_status identifier(struct parser *p, pen_slice name, struct pen_expr **out)
{
    uint32_t index = 0;
    for (const struct pen_yaml *kid = p->scope->map->child; kid != NULL; kid = kid->next) {
        if (pen_slice_eq(kid->key->text, name) && !sigma_is_reserved(p->scope, kid)) {
            return built(p, kid, index, out);
        }
        index++;
    }
    return sigma_fail(p->b, p->condition, "the condition names '%.*s', which is no identifier",
                      PEN_SLICE_FMT(name));
}

static bool is_counted(pen_slice word)
{
    return is_text(word, "1") || is_text(word, "any") || is_text(word, "all");
}

/* The pattern of "1 of x*"; `them` is every name. */
static pen_status quantified_pattern(struct parser *p, pen_slice *pattern)
{
    struct token token;
    PEN_TRY(next_token(p, &token));
    if (token.kind != TOKEN_WORD || !is_text(token.text, "of")) {
        return sigma_fail(p->b, p->condition, "'of' is wanted after 1, any or all");
    }
    PEN_TRY(next_token(p, &token));
    if (token.kind != TOKEN_WORD || memchr(token.text.ptr, '-', token.text.len) != NULL) {
        return sigma_fail(p->b, p->condition,
                          "'them' or a pattern of letters, digits, _ and * is wanted after 'of'");
    }
    *pattern = is_text(token.text, "them") ? PEN_SLICE_LIT("*") : token.text;
    return PEN_OK;
}

static bool is_chosen(const struct parser *p, const struct pen_yaml *kid, pen_slice pattern)
{
    const pen_slice name = kid->key->text;
    const bool is_hidden = name.len > 0 && name.ptr[0] == '_' && pattern.ptr[0] != '_';
    return !is_hidden && !sigma_is_reserved(p->scope, kid) && matches(pattern, name);
}

/* The identifiers that the pattern stands for. */
static pen_status choose(struct parser *p, pen_slice pattern, struct pen_expr *list)
{
    const struct pen_yaml *kid = p->scope->map->child;
    list->kid_count = 0;
    for (uint32_t index = 0; kid != NULL; index++, kid = kid->next) {
        if (!is_chosen(p, kid, pattern)) {
            continue;
        }
        PEN_TRY(built(p, kid, index, &list->kids[list->kid_count++]));
    }
    return list->kid_count > 0 ? PEN_OK
                               : sigma_fail(p->b, p->condition, "'%.*s' matches no identifier",
                                            PEN_SLICE_FMT(pattern));
}

/* "1 of x*", "all of them". */
static pen_status quantified(struct parser *p, bool is_all, struct pen_expr **out)
{
    pen_slice pattern = {0};
    const uint32_t count = p->scope->map->count;
    PEN_TRY(quantified_pattern(p, &pattern));
    if (count > PEN_EXPR_NODES_MAX - p->chosen) {
        return sigma_fail(p->b, p->condition, "the condition is too long");
    }
    p->chosen += count;
    *out = expr_new(p->b, is_all ? PEN_EXPR_AND : PEN_EXPR_OR, count);
    return choose(p, pattern, *out);
}

static pen_status operand(struct parser *p, const struct token *token)
{
    struct pen_expr **out = &p->operands[p->operand_count++];
    if (is_counted(token->text)) {
        return quantified(p, is_text(token->text, "all"), out);
    }
    if (is_text(token->text, "of") || is_text(token->text, "them")) {
        return sigma_fail(p->b, p->condition, "'%.*s' stands alone", PEN_SLICE_FMT(token->text));
    }
    return identifier(p, token->text, out);
}

static uint32_t binds(enum token_kind kind)
{
    return kind == TOKEN_NOT ? 3 : kind == TOKEN_AND ? 2 : kind == TOKEN_OR ? 1 : 0;
}

/* The operators on top that are alike become one node: chains would make the tree deep. */
static pen_status reduce(struct parser *p)
{
    static const enum pen_expr_kind kinds[] = {
        [TOKEN_NOT] = PEN_EXPR_NOT, [TOKEN_AND] = PEN_EXPR_AND, [TOKEN_OR] = PEN_EXPR_OR};
    const enum token_kind kind = p->operators[--p->operator_count];
    uint32_t wants = kind == TOKEN_NOT ? 1 : 2;
    while (kind != TOKEN_NOT && p->operator_count > 0 &&
           p->operators[p->operator_count - 1] == kind) {
        p->operator_count--;
        wants++;
    }
    if (p->operand_count < wants) {
        return sigma_fail(p->b, p->condition, "an operator of the condition lacks its operand");
    }
    struct pen_expr *expr = expr_new(p->b, kinds[kind], wants);
    p->operand_count -= wants;
    memcpy(expr->kids, p->operands + p->operand_count, wants * sizeof(struct pen_expr *));
    p->operands[p->operand_count++] = expr;
    return PEN_OK;
}

static pen_status push(struct parser *p, enum token_kind kind)
{
    while (kind != TOKEN_NOT && kind != TOKEN_OPEN && p->operator_count > 0 &&
           binds(p->operators[p->operator_count - 1]) > binds(kind)) {
        PEN_TRY(reduce(p));
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

static pen_status take(struct parser *p, const struct token *token, bool *wants_operand)
{
    const bool opens =
        token->kind == TOKEN_WORD || token->kind == TOKEN_OPEN || token->kind == TOKEN_NOT;
    if (opens != *wants_operand) {
        return sigma_fail(p->b, p->condition,
                          opens ? "an operator is missing in the condition"
                                : "an operand is missing in the condition");
    }
    if (token->kind == TOKEN_WORD) {
        *wants_operand = false;
        return operand(p, token);
    }
    if (token->kind == TOKEN_CLOSE) {
        return close(p);
    }
    *wants_operand = true;
    return push(p, token->kind);
}

static pen_status parse(struct parser *p, struct pen_expr **out)
{
    bool wants_operand = true;
    struct token token;
    PEN_TRY(next_token(p, &token));
    while (token.kind != TOKEN_END) {
        PEN_TRY(take(p, &token, &wants_operand));
        PEN_TRY(next_token(p, &token));
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

pen_status sigma_condition(struct builder *b, const struct scope *scope,
                           const struct pen_yaml *condition, struct pen_expr **out)
{
    if (condition->kind != PEN_YAML_SCALAR ||
        sigma_scalar(b->arena, condition).kind != SCALAR_STRING) {
        return sigma_fail(b, condition, "a condition is text");
    }
    if (condition->text.len > SIGMA_CONDITION_BYTES_MAX) {
        return sigma_fail(b, condition, "the condition is longer than %u bytes",
                          SIGMA_CONDITION_BYTES_MAX);
    }
    const size_t room = condition->text.len + 1;
    struct parser parser = {.b = b,
                            .scope = scope,
                            .condition = condition,
                            .rest = condition->text,
                            .operators = PEN_NEW_N(b->arena, enum token_kind, room),
                            .operands = PEN_NEW_N(b->arena, struct pen_expr *, room)};
    PEN_CHECK(parser.operators != NULL && parser.operands != NULL);
    return parse(&parser, out);
}
