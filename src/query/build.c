#include "build.h"

#include "penstock/query.h"

/* tested by tests/unit/query/test_parse.c */

static pen_status no_memory(struct query_builder *b)
{
    return PEN_FAIL(b->lexer.err, PEN_E_NOMEM, b->lexer.at, "query: out of memory");
}

pen_status query_node(struct query_builder *b, enum pen_expr_kind kind, struct pen_expr **kids,
                      uint32_t kid_count, struct pen_expr **out)
{
    struct pen_expr *node = PEN_NEW(b->lexer.arena, struct pen_expr);
    struct pen_expr **copy = PEN_NEW_N(b->lexer.arena, struct pen_expr *, kid_count + 1);
    if (node == NULL || copy == NULL) {
        return no_memory(b);
    }
    for (uint32_t i = 0; i < kid_count; i++) {
        copy[i] = kids[i];
    }
    *node = (struct pen_expr){.kind = kind, .kid_count = kid_count, .kids = copy};
    *out = node;
    return PEN_OK;
}

static pen_status pred_node(struct query_builder *b, struct pen_pred pred, struct pen_expr **out)
{
    struct pen_pred *copy = PEN_NEW(b->lexer.arena, struct pen_pred);
    if (copy == NULL) {
        return no_memory(b);
    }
    *copy = pred;
    struct pen_expr *node = NULL;
    PEN_TRY(query_node(b, PEN_EXPR_PRED, NULL, 0, &node));
    PEN_CHECK(node != NULL);
    node->pred = copy;
    *out = node;
    return PEN_OK;
}

static pen_status ask_field(struct query_builder *b, pen_slice name, size_t offset, uint32_t *id)
{
    struct pen_err *err = b->lexer.err;
    err->offset = PEN_NO_OFFSET;
    const pen_status status = b->options->field(b->options->field_ctx, name, id, err);
    if (status != PEN_OK && err->offset == PEN_NO_OFFSET) {
        err->offset = offset;
    }
    return status;
}

pen_status query_text_field(struct query_builder *b, struct query_field *out)
{
    *out = (struct query_field){.id = PEN_FIELD_ANY, .is_text = true};
    return b->options->as_rule ? ask_field(b, PEN_SLICE_LIT("message"), b->lexer.at, &out->id)
                               : PEN_OK;
}

/* The values of attributes keep their case.  Tags lose it on the way in; and both spellings of a
 * level are about in rules. */
static bool is_cased_name(pen_slice name)
{
    return name.len > 0 && name.ptr[0] == '@' && !pen_slice_eq(name, PEN_SLICE_LIT("@level")) &&
           !pen_slice_eq(name, PEN_SLICE_LIT("@status"));
}

pen_status query_field_of(struct query_builder *b, const struct query_term *term,
                          struct query_field *out)
{
    struct query_lexer *lexer = &b->lexer;
    pen_slice name;
    *out = (struct query_field){.source = query_span(lexer, term->begin, term->end)};
    if (query_term_is_all(term)) {
        out->id = PEN_FIELD_ANY;
        return PEN_OK;
    }
    if (!query_term_text(term, &name)) {
        return QUERY_FAIL(lexer, term->begin, "a field name takes no wildcards");
    }
    if (name.len == 0 || pen_slice_eq(name, PEN_SLICE_LIT("@"))) {
        return QUERY_FAIL(lexer, term->begin, "a field name is wanted before the `:`");
    }
    if (name.ptr[0] == '#' && lexer->text.ptr[term->begin] == '#') {
        return QUERY_FAIL(lexer, term->begin, "calculated fields (#name) are not supported");
    }
    out->is_cased = is_cased_name(name);
    return ask_field(b, name, term->begin, &out->id);
}

pen_status query_exists(struct query_builder *b, const struct query_field *field,
                        struct pen_expr **out)
{
    if (field->id == PEN_FIELD_ANY) {
        return query_node(b, PEN_EXPR_TRUE, NULL, 0, out);
    }
    return pred_node(b, (struct pen_pred){.op = PEN_OP_EXISTS, .field = field->id}, out);
}

pen_status query_match(struct query_builder *b, const struct query_field *field,
                       const struct query_term *term, struct pen_expr **out)
{
    const bool is_words = field->is_text || field->id == PEN_FIELD_ANY;
    if (query_term_is_all(term)) {
        return is_words ? query_node(b, PEN_EXPR_TRUE, NULL, 0, out) : query_exists(b, field, out);
    }
    if (is_words && term->count == 0) {
        return QUERY_FAIL(&b->lexer, term->begin, "an empty text can only be the value of a field");
    }
    return pred_node(b,
                     (struct pen_pred){.op = is_words ? PEN_OP_WORDS : PEN_OP_PATTERN,
                                       .field = field->id,
                                       .is_cased = field->is_cased,
                                       .scalars_only = true,
                                       .pieces = term->pieces,
                                       .piece_count = term->count},
                     out);
}

static pen_status check_numeric(struct query_builder *b, const struct query_field *field,
                                size_t offset)
{
    return field->is_text || field->id == PEN_FIELD_ANY
               ? QUERY_FAIL(&b->lexer, offset, "a comparison needs a field: name:>5, name:[1 TO 5]")
               : PEN_OK;
}

/* The number of a term; also with an escaped sign. */
static pen_status number_of(struct query_builder *b, const struct query_term *term, pen_slice *out)
{
    if (term->is_quoted || !query_term_text(term, out) || !pen_json_is_number(*out)) {
        return QUERY_FAIL(&b->lexer, term->begin,
                          "a number is wanted: texts cannot be compared by order");
    }
    return PEN_OK;
}

static pen_status number_pred(struct query_builder *b, const struct query_field *field,
                              enum pen_cmp cmp, pen_slice number, struct pen_expr **out)
{
    return pred_node(
        b, (struct pen_pred){.op = PEN_OP_NUMBER, .field = field->id, .cmp = cmp, .text = number},
        out);
}

pen_status query_compare(struct query_builder *b, const struct query_field *field,
                         struct pen_expr **out)
{
    struct query_lexer *lexer = &b->lexer;
    struct query_term term;
    pen_slice number;
    const bool is_less = query_peek(lexer, 0) == '<';
    const bool has_equal = query_peek(lexer, 1) == '=';
    PEN_TRY(check_numeric(b, field, lexer->at));
    const size_t begin = lexer->at;
    lexer->at += has_equal ? 2 : 1;
    query_skip_blanks(lexer);
    if (lexer->at == lexer->text.len) {
        return QUERY_FAIL(lexer, begin, "a number is wanted behind this");
    }
    PEN_TRY(query_term_read(lexer, QUERY_VALUE, &term));
    PEN_TRY(number_of(b, &term, &number));
    const enum pen_cmp less = has_equal ? PEN_CMP_LE : PEN_CMP_LT;
    const enum pen_cmp more = has_equal ? PEN_CMP_GE : PEN_CMP_GT;
    return number_pred(b, field, is_less ? less : more, number, out);
}

/* One bound of a range; *is_open for '*'. */
static pen_status read_bound(struct query_builder *b, size_t begin, bool *is_open, pen_slice *out)
{
    struct query_lexer *lexer = &b->lexer;
    struct query_term term;
    query_skip_blanks(lexer);
    if (lexer->at == lexer->text.len) {
        return QUERY_FAIL(lexer, begin, "this range is never closed");
    }
    PEN_TRY(query_term_read(lexer, QUERY_BOUND, &term));
    *is_open = query_term_is_all(&term);
    return *is_open ? PEN_OK : number_of(b, &term, out);
}

/* Low and high bound, "TO" between them, and the bracket. */
struct range {
    bool is_low_open, is_high_open;
    bool is_low_strict, is_high_strict;
    pen_slice low, high;
};

static pen_status read_range(struct query_builder *b, struct range *range)
{
    struct query_lexer *lexer = &b->lexer;
    struct query_term to = {0};
    const size_t begin = lexer->at;
    range->is_low_strict = query_peek(lexer, 0) == '{';
    lexer->at++;
    PEN_TRY(read_bound(b, begin, &range->is_low_open, &range->low));
    query_skip_blanks(lexer);
    const size_t at = lexer->at;
    if (at < lexer->text.len) {
        PEN_TRY(query_term_read(lexer, QUERY_BOUND, &to));
    }
    if (to.is_quoted || !query_term_is(lexer, &to, "TO")) {
        return QUERY_FAIL(lexer, at, "`TO` is wanted between the ends of a range");
    }
    PEN_TRY(read_bound(b, begin, &range->is_high_open, &range->high));
    query_skip_blanks(lexer);
    const uint8_t close = query_peek(lexer, 0);
    if (close != ']' && close != '}') {
        return QUERY_FAIL(lexer, begin, "this range is never closed");
    }
    range->is_high_strict = close == '}';
    lexer->at++;
    return PEN_OK;
}

pen_status query_range(struct query_builder *b, const struct query_field *field,
                       struct pen_expr **out)
{
    struct range range = {0};
    struct pen_expr *kids[2] = {NULL, NULL};
    uint32_t count = 0;
    PEN_TRY(check_numeric(b, field, b->lexer.at));
    PEN_TRY(read_range(b, &range));
    if (!range.is_low_open) {
        const enum pen_cmp cmp = range.is_low_strict ? PEN_CMP_GT : PEN_CMP_GE;
        PEN_TRY(number_pred(b, field, cmp, range.low, &kids[count++]));
    }
    if (!range.is_high_open) {
        const enum pen_cmp cmp = range.is_high_strict ? PEN_CMP_LT : PEN_CMP_LE;
        PEN_TRY(number_pred(b, field, cmp, range.high, &kids[count++]));
    }
    if (count == 0) {
        return query_exists(b, field, out);
    }
    if (count == 1) {
        *out = kids[0];
        return PEN_OK;
    }
    return query_node(b, PEN_EXPR_AND, kids, count, out);
}

/* The next argument of CIDR(); *is_last when the ')' stood behind it. */
static pen_status read_argument(struct query_builder *b, size_t begin, struct query_term *term,
                                bool *is_last)
{
    struct query_lexer *lexer = &b->lexer;
    query_skip_blanks(lexer);
    const size_t at = lexer->at;
    if (at < lexer->text.len) {
        PEN_TRY(query_term_read(lexer, QUERY_ARGUMENT, term));
        query_skip_blanks(lexer);
    }
    const uint8_t end = query_peek(lexer, 0);
    if (end != ',' && end != ')') {
        return QUERY_FAIL(lexer, begin, "CIDR(field, network, ...) is wanted, closed by `)`");
    }
    if (term->count == 0) {
        return QUERY_FAIL(lexer, at, "an argument of CIDR is empty");
    }
    lexer->at++;
    *is_last = end == ')';
    return PEN_OK;
}

static pen_status network_node(struct query_builder *b, const struct query_field *field,
                               const struct query_term *term, struct pen_expr **out)
{
    struct query_lexer *lexer = &b->lexer;
    struct pen_pred pred = {.op = PEN_OP_CIDR, .field = field->id};
    struct pen_err why = {0};
    pen_slice text;
    if (!query_term_text(term, &text)) {
        return QUERY_FAIL(lexer, term->begin, "a network takes no wildcards");
    }
    if (pen_cidr_parse(text, &pred, &why) != PEN_OK) {
        return QUERY_FAIL(lexer, term->begin, "%s", why.text);
    }
    pred.op = PEN_OP_CIDR;
    pred.field = field->id;
    PEN_TRY(pred_node(b, pred, out));
    (*out)->source = query_span(lexer, term->begin, term->end);
    return PEN_OK;
}

pen_status query_cidr(struct query_builder *b, struct pen_expr **out)
{
    struct query_lexer *lexer = &b->lexer;
    const size_t begin = lexer->at++;
    struct query_term term = {0};
    struct query_field field;
    bool is_last = false;
    PEN_TRY(read_argument(b, begin, &term, &is_last));
    PEN_TRY(query_field_of(b, &term, &field));
    if (is_last || field.id == PEN_FIELD_ANY) {
        return QUERY_FAIL(lexer, begin, "CIDR wants a field and at least one network");
    }
    size_t commas = 1;
    for (size_t i = lexer->at; i < lexer->text.len && lexer->text.ptr[i] != ')'; i++) {
        commas += lexer->text.ptr[i] == ',';
    }
    struct pen_expr **kids = PEN_NEW_N(lexer->arena, struct pen_expr *, commas);
    if (kids == NULL) {
        return no_memory(b);
    }
    uint32_t count = 0;
    while (!is_last) {
        term = (struct query_term){0};
        PEN_TRY(read_argument(b, begin, &term, &is_last));
        PEN_CHECK(count < commas);
        PEN_TRY(network_node(b, &field, &term, &kids[count++]));
    }
    if (count == 1) {
        *out = kids[0];
        return PEN_OK;
    }
    return query_node(b, PEN_EXPR_OR, kids, count, out);
}
