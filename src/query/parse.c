#include "penstock/query.h"

#include "build.h"

/* A finished clause and where it stands. */
struct operand {
    struct pen_expr *expr;
    size_t begin, end;
};

/*
 * One level of parentheses.  Its operands are those of the parser from `first` on; from `ands` on
 * they are joined by AND and not yet put together, before that each is one side of an OR.
 */
struct frame {
    const struct query_field *field; /* of a value list; NULL: clauses */
    uint32_t first, ands;
    size_t begin;    /* of the whole group */
    bool is_negated; /* an odd number of NOT stands before the next operand */
    bool has_not;    /* any number of them does */
    bool is_open;    /* an operator waits for its right side */
    size_t open_at;  /* where that operator stands */
    size_t not_at;   /* where the first NOT stands */
};

struct parser {
    struct query_builder builder;
    struct query_field text_field;
    struct frame frames[PEN_QUERY_DEPTH_MAX];
    uint32_t depth;
    struct operand *operands; /* as many as the query has bytes, and one */
    uint32_t operand_count;
    bool has_text_field; /* text_field was asked for */
};

static struct frame *top(struct parser *p)
{
    return &p->frames[p->depth - 1];
}

static pen_status open_frame(struct parser *p, const struct query_field *field, size_t begin)
{
    struct query_lexer *lexer = &p->builder.lexer;
    if (p->depth == PEN_QUERY_DEPTH_MAX) {
        return PEN_FAIL(lexer->err, PEN_E_LIMIT, lexer->at, "more than %u levels of parentheses",
                        PEN_QUERY_DEPTH_MAX - 1U);
    }
    p->frames[p->depth++] = (struct frame){
        .field = field, .first = p->operand_count, .ands = p->operand_count, .begin = begin};
    return PEN_OK;
}

/* Operands from `from` on become one. */
static pen_status join(struct parser *p, uint32_t from, enum pen_expr_kind kind)
{
    const uint32_t count = p->operand_count - from;
    if (count <= 1) {
        return PEN_OK;
    }
    struct pen_expr **kids = PEN_NEW_N(p->builder.lexer.arena, struct pen_expr *, count);
    if (kids == NULL) {
        return PEN_FAIL(p->builder.lexer.err, PEN_E_NOMEM, PEN_NO_OFFSET, "query: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        kids[i] = p->operands[from + i].expr;
    }
    struct operand *first = &p->operands[from];
    first->end = p->operands[p->operand_count - 1].end;
    PEN_TRY(query_node(&p->builder, kind, kids, count, &first->expr));
    first->expr->source = query_span(&p->builder.lexer, first->begin, first->end);
    p->operand_count = from + 1;
    return PEN_OK;
}

/* A finished operand of the innermost frame, with the NOTs before it. */
static pen_status add_operand(struct parser *p, struct pen_expr *expr, size_t begin)
{
    struct query_lexer *lexer = &p->builder.lexer;
    struct frame *frame = top(p);
    struct operand operand = {.expr = expr, .begin = begin, .end = lexer->at};
    if (frame->has_not) {
        operand.begin = frame->not_at;
    }
    if (frame->is_negated) {
        PEN_TRY(query_node(&p->builder, PEN_EXPR_NOT, &expr, 1, &operand.expr));
        operand.expr->source = query_span(lexer, operand.begin, operand.end);
    }
    PEN_CHECK(p->operand_count <= lexer->text.len);
    p->operands[p->operand_count++] = operand;
    frame->has_not = false;
    frame->is_negated = false;
    frame->is_open = false;
    return PEN_OK;
}

static void take_not(struct parser *p, size_t begin)
{
    struct frame *frame = top(p);
    frame->not_at = frame->has_not ? frame->not_at : begin;
    frame->is_negated = !frame->is_negated;
    frame->has_not = true;
}

static pen_status take_operator(struct parser *p, size_t begin, bool is_or)
{
    struct frame *frame = top(p);
    if (p->operand_count == frame->first || frame->is_open || frame->has_not) {
        return QUERY_FAIL(&p->builder.lexer, begin, "nothing stands before this %s",
                          is_or ? "OR" : "AND");
    }
    frame->is_open = true;
    frame->open_at = begin;
    if (is_or) {
        PEN_TRY(join(p, frame->ands, PEN_EXPR_AND));
        frame->ands = p->operand_count;
    }
    return PEN_OK;
}

/* The end of a group: nothing is left open in it, and it is one operand (none: *is_empty). */
static pen_status finish_frame(struct parser *p, bool *is_empty)
{
    const struct frame *frame = top(p);
    if (frame->has_not || frame->is_open) {
        return QUERY_FAIL(&p->builder.lexer, frame->has_not ? frame->not_at : frame->open_at,
                          "nothing stands behind this operator");
    }
    *is_empty = p->operand_count == frame->first;
    PEN_TRY(join(p, frame->ands, PEN_EXPR_AND));
    return join(p, frame->first, PEN_EXPR_OR);
}

static pen_status close_frame(struct parser *p)
{
    struct query_lexer *lexer = &p->builder.lexer;
    bool is_empty = false;
    if (p->depth == 1) {
        return QUERY_FAIL(lexer, lexer->at, "no `(` belongs to this `)`");
    }
    const struct frame frame = *top(p);
    PEN_TRY(finish_frame(p, &is_empty));
    if (is_empty) {
        return QUERY_FAIL(lexer, frame.begin, "nothing stands in these parentheses");
    }
    lexer->at++;
    struct pen_expr *expr = p->operands[--p->operand_count].expr;
    if (expr->kind == PEN_EXPR_AND || expr->kind == PEN_EXPR_OR) {
        expr->source = query_span(lexer, frame.begin, lexer->at);
    }
    p->depth--;
    return add_operand(p, expr, frame.begin);
}

/* A value whose name stands elsewhere is shown with it: name:value. */
static pen_status set_source(struct parser *p, struct pen_expr *expr, size_t begin)
{
    struct query_lexer *lexer = &p->builder.lexer;
    const struct query_field *field = top(p)->field;
    const pen_slice value = query_span(lexer, begin, lexer->at);
    expr->source = value;
    if (field == NULL) {
        return PEN_OK;
    }
    uint8_t *bytes = pen_arena_alloc(lexer->arena, field->source.len + 1 + value.len, 1);
    if (bytes == NULL) {
        return PEN_FAIL(lexer->err, PEN_E_NOMEM, begin, "query: out of memory");
    }
    memcpy(bytes, field->source.ptr, field->source.len);
    bytes[field->source.len] = ':';
    memcpy(bytes + field->source.len + 1, value.ptr, value.len);
    expr->source = (pen_slice){bytes, field->source.len + 1 + value.len};
    return PEN_OK;
}

static pen_status add_value(struct parser *p, struct pen_expr *expr, size_t begin)
{
    PEN_TRY(set_source(p, expr, begin));
    for (uint32_t i = 0; i < expr->kid_count; i++) { /* the two ends of a range */
        if (expr->kids[i]->source.ptr == NULL) {
            expr->kids[i]->source = expr->source;
        }
    }
    return add_operand(p, expr, begin);
}

/* A bare word that runs into a parenthesis is a forgotten backslash more often than two clauses. */
static pen_status check_end(struct parser *p)
{
    struct query_lexer *lexer = &p->builder.lexer;
    return query_peek(lexer, 0) == '('
               ? QUERY_FAIL(lexer, lexer->at, "a `(` inside a word needs a backslash before it")
               : PEN_OK;
}

/* Range, comparison or term at the lexer's place, as a value of field. */
static pen_status read_value(struct parser *p, const struct query_field *field,
                             struct pen_expr **out)
{
    struct query_lexer *lexer = &p->builder.lexer;
    struct query_term term;
    const uint8_t c = query_peek(lexer, 0);
    if (c == '[' || c == '{') {
        return query_range(&p->builder, field, out);
    }
    if (c == '<' || c == '>') {
        return query_compare(&p->builder, field, out);
    }
    PEN_TRY(query_term_read(lexer, QUERY_VALUE, &term));
    PEN_TRY(check_end(p));
    return query_match(&p->builder, field, &term, out);
}

/* _exists_:name and _missing_:name, an older spelling of name:* and -name:*. */
static pen_status read_presence(struct parser *p, bool is_missing, size_t begin)
{
    struct query_lexer *lexer = &p->builder.lexer;
    struct query_term name;
    struct query_field field;
    struct pen_expr *expr = NULL;
    PEN_TRY(query_term_read(lexer, QUERY_VALUE, &name));
    PEN_TRY(check_end(p));
    PEN_TRY(query_field_of(&p->builder, &name, &field));
    PEN_TRY(query_exists(&p->builder, &field, &expr));
    if (is_missing) {
        expr->source = query_span(lexer, name.begin, name.end);
        PEN_TRY(query_node(&p->builder, PEN_EXPR_NOT, &expr, 1, &expr));
    }
    return add_value(p, expr, begin);
}

/* name has been read, the lexer stands at its ':'. */
static pen_status read_field(struct parser *p, const struct query_term *name)
{
    struct query_lexer *lexer = &p->builder.lexer;
    const size_t colon = lexer->at++;
    query_skip_blanks(lexer);
    if (lexer->at != colon + 1 || lexer->at == lexer->text.len || query_peek(lexer, 0) == ')') {
        return QUERY_FAIL(lexer, colon, "a value is wanted right behind the `:`");
    }
    const bool is_missing = query_term_is(lexer, name, "_missing_");
    if (is_missing || query_term_is(lexer, name, "_exists_")) {
        return read_presence(p, is_missing, name->begin);
    }
    struct query_field *field = PEN_NEW(lexer->arena, struct query_field);
    if (field == NULL) {
        return PEN_FAIL(lexer->err, PEN_E_NOMEM, colon, "query: out of memory");
    }
    PEN_TRY(query_field_of(&p->builder, name, field));
    if (query_peek(lexer, 0) == '(') {
        PEN_TRY(open_frame(p, field, name->begin));
        lexer->at++;
        return PEN_OK;
    }
    struct pen_expr *expr = NULL;
    PEN_TRY(read_value(p, field, &expr));
    return add_value(p, expr, name->begin);
}

/* Marks that other search languages give a meaning at the start of a word. */
static pen_status check_start(struct parser *p, const struct query_term *term)
{
    struct query_lexer *lexer = &p->builder.lexer;
    const uint8_t c = lexer->text.ptr[term->begin];
    PEN_TRY(check_end(p));
    if (c != 0 && strchr("!+^~=&|", c) != NULL) {
        return QUERY_FAIL(lexer, term->begin,
                          "`%c` before a word means nothing here: AND, OR, NOT and - do, or put "
                          "a backslash before it",
                          c);
    }
    if (c == '@' || c == '#') {
        return QUERY_FAIL(lexer, term->begin, "a field needs a value: name:value, or name:*");
    }
    return PEN_OK;
}

/* A bare word or phrase. */
static pen_status read_text(struct parser *p, const struct query_term *term)
{
    struct pen_expr *expr = NULL;
    if (!p->has_text_field) {
        PEN_TRY(query_text_field(&p->builder, &p->text_field));
        p->has_text_field = true;
    }
    PEN_TRY(query_match(&p->builder, &p->text_field, term, &expr));
    return add_value(p, expr, term->begin);
}

/* A word, phrase, operator, CIDR() or field at the lexer's place; no parenthesis, no '-'. */
static pen_status read_clause(struct parser *p)
{
    struct query_lexer *lexer = &p->builder.lexer;
    struct query_term term;
    struct pen_expr *expr = NULL;
    PEN_TRY(query_term_read(lexer, QUERY_CLAUSE, &term));
    const uint8_t next = query_peek(lexer, 0);
    if (query_term_is(lexer, &term, "CIDR") && next == '(') {
        PEN_TRY(query_cidr(&p->builder, &expr));
        return add_value(p, expr, term.begin);
    }
    if (next == ':' && !term.is_quoted) {
        return read_field(p, &term);
    }
    if (!term.is_quoted) {
        PEN_TRY(check_start(p, &term));
    }
    return read_text(p, &term);
}

/* True, and past it, when this very word stands at the lexer's place. */
static bool take_word(struct query_lexer *lexer, const char *word)
{
    const pen_slice text = pen_slice_str(word);
    const uint8_t next = query_peek(lexer, text.len);
    if (!pen_slice_starts(query_span(lexer, lexer->at, lexer->text.len), text) ||
        (lexer->at + text.len < lexer->text.len &&
         (next == 0 || strchr(" \t\r\n()", next) == NULL))) {
        return false;
    }
    lexer->at += text.len;
    return true;
}

/* One token or clause. */
static pen_status step(struct parser *p)
{
    struct query_lexer *lexer = &p->builder.lexer;
    const struct query_field *field = top(p)->field;
    const size_t begin = lexer->at;
    const uint8_t c = query_peek(lexer, 0);
    if (c == ')') {
        return close_frame(p);
    }
    if (c == '(') {
        PEN_TRY(open_frame(p, field, begin));
        lexer->at++;
        return PEN_OK;
    }
    if (c == '-' || take_word(lexer, "NOT")) {
        lexer->at += c == '-' ? 1 : 0;
        take_not(p, begin);
        return PEN_OK;
    }
    if (take_word(lexer, "AND")) {
        return take_operator(p, begin, false);
    }
    if (take_word(lexer, "OR")) {
        return take_operator(p, begin, true);
    }
    if (field == NULL && c != '[' && c != '{' && c != '<' && c != '>') {
        return read_clause(p);
    }
    struct pen_expr *expr = NULL;
    const struct query_field no_field = {.is_text = true};
    PEN_TRY(read_value(p, field == NULL ? &no_field : field, &expr));
    return add_value(p, expr, begin);
}

static pen_status parse(struct parser *p, struct pen_expr **out)
{
    struct query_lexer *lexer = &p->builder.lexer;
    bool is_empty = false;
    PEN_TRY(open_frame(p, NULL, 0));
    for (query_skip_blanks(lexer); lexer->at < lexer->text.len; query_skip_blanks(lexer)) {
        PEN_TRY(step(p));
    }
    if (p->depth > 1) {
        return QUERY_FAIL(lexer, top(p)->begin, "the parenthesis that opens here is never closed");
    }
    PEN_TRY(finish_frame(p, &is_empty));
    if (is_empty) {
        return query_node(&p->builder, PEN_EXPR_TRUE, NULL, 0, out);
    }
    *out = p->operands[0].expr;
    return PEN_OK;
}

/* Offset of the first byte that is no UTF-8; text.len when all are. */
static size_t bad_byte(pen_slice text)
{
    pen_slice rest = text;
    while (rest.len > 0) {
        const pen_slice before = rest;
        const bool is_bad = pen_utf8_next(&rest) == 0xfffd &&
                            !pen_utf8_valid(pen_slice_sub(before, 0, before.len - rest.len));
        if (is_bad) {
            return text.len - before.len;
        }
    }
    return text.len;
}

pen_status pen_query_parse(struct pen_arena *arena, pen_slice text,
                           const struct pen_query_options *options, struct pen_expr **out,
                           struct pen_err *err)
{
    struct pen_err local;
    struct pen_err *told = err == NULL ? &local : err;
    PEN_CHECK(options != NULL && options->field != NULL);
    if (text.len > PEN_QUERY_BYTES_MAX) {
        return PEN_FAIL(told, PEN_E_LIMIT, PEN_QUERY_BYTES_MAX, "a query has at most %zu bytes",
                        PEN_QUERY_BYTES_MAX);
    }
    if (!pen_utf8_valid(text)) {
        return PEN_FAIL(told, PEN_E_USAGE, bad_byte(text), "this byte is no UTF-8");
    }
    struct parser parser = {
        .builder = {.lexer = {.arena = arena, .text = pen_arena_dup(arena, text), .err = told},
                    .options = options},
        .operands = PEN_NEW_N(arena, struct operand, text.len + 1)};
    if (parser.builder.lexer.text.ptr == NULL || parser.operands == NULL) {
        return PEN_FAIL(told, PEN_E_NOMEM, PEN_NO_OFFSET, "query: out of memory");
    }
    return parse(&parser, out);
}
