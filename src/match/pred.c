#include "penstock/match.h"

#include "internal.h"

#include <stdio.h>

/* tested by tests/unit/match/test_run.c */

static bool is_scalar(uint8_t kind)
{
    return kind == PEN_STRING || kind == PEN_NUMBER || kind == PEN_BOOL;
}

/* Text of a scalar; unescaped into tmp where it has to be.  False: out of memory. */
static bool plain_text(struct pen_buf *tmp, pen_slice raw, bool is_escaped, pen_slice *out)
{
    *out = raw;
    if (!is_escaped) {
        return true;
    }
    tmp->len = 0;
    if (pen_buf_reserve(tmp, raw.len) != PEN_OK) {
        return false;
    }
    tmp->len = pen_json_unescape(raw, tmp->ptr);
    *out = pen_buf_slice(tmp);
    return true;
}

static bool scalars_below(struct pen_buf *tmp, pen_slice json, pen_match_text_fn *fn, void *ctx)
{
    struct pen_tokens tokens;
    struct pen_token token;
    pen_tokens_init(&tokens, json);
    while (pen_tokens_next(&tokens, &token)) {
        pen_slice text;
        if (!token.is_key && is_scalar(token.kind) &&
            plain_text(tmp, token.text, token.is_escaped, &text) && fn(ctx, text)) {
            return true;
        }
    }
    return false;
}

bool pen_match_object_texts(struct pen_buf *tmp, pen_slice object, pen_match_text_fn *fn, void *ctx)
{
    tmp->len = 0;
    if (pen_json_compact(tmp, object) == PEN_OK && fn(ctx, pen_buf_slice(tmp))) {
        return true;
    }
    return scalars_below(tmp, object, fn, ctx);
}

/*
 * As scalars_below for a whole record, without the values that lack the needle.  Only where bytes
 * say it all: beyond ASCII a letter may fold to one of the needle's, and \u hides what it stands
 * for.
 */
static bool any_text(struct match_scratch *scratch, const struct pen_record *record,
                     pen_slice needle, pen_match_text_fn *fn, void *ctx)
{
    const pen_slice raw = record->raw;
    if (needle.len == 0 || !pen_match_lower(&scratch->other, raw)) {
        return scalars_below(&scratch->text, raw, fn, ctx);
    }
    const pen_slice lower = pen_buf_slice(&scratch->other);
    if (!pen_match_has(lower, needle)) {
        return pen_match_has(lower, PEN_SLICE_LIT("\\u")) &&
               scalars_below(&scratch->text, raw, fn, ctx);
    }
    struct pen_tokens tokens;
    struct pen_token token;
    pen_tokens_init(&tokens, raw);
    while (pen_tokens_next(&tokens, &token)) {
        const size_t at = (size_t)(token.text.ptr - raw.ptr);
        pen_slice text;
        if (token.is_key || !is_scalar(token.kind) ||
            (!token.is_escaped &&
             !pen_match_has(pen_slice_sub(lower, at, at + token.text.len), needle))) {
            continue;
        }
        if (plain_text(&scratch->text, token.text, token.is_escaped, &text) && fn(ctx, text)) {
            return true;
        }
    }
    return false;
}

/* Every text of a field, until fn returns true. */
static bool each_text(struct pen_buf *tmp, const struct pen_record *record,
                      const struct pen_pred *pred, pen_match_text_fn *fn, void *ctx)
{
    const bool wants_objects =
        !pred->scalars_only &&
        (pred->op == PEN_OP_PATTERN || pred->op == PEN_OP_REGEX || pred->op == PEN_OP_WORDS);
    const struct pen_value *v = pen_record_first(record, pred->field);
    for (; v != NULL; v = pen_value_next(record, v)) {
        pen_slice text;
        if (is_scalar(v->kind)) {
            if (plain_text(tmp, v->text, v->is_escaped, &text) && fn(ctx, text)) {
                return true;
            }
        } else if (v->kind == PEN_OBJECT && wants_objects &&
                   pen_match_object_texts(tmp, v->text, fn, ctx)) {
            return true;
        }
    }
    return false;
}

/* What a text is compared with. */
struct test {
    struct match_scratch *scratch;
    const struct match_pred *pred;
    const struct pen_record *record;
    pen_slice left; /* FIELDREF: text of the first field */
};

static bool timepart_holds(const struct pen_pred *pred, pen_slice text)
{
    uint32_t value = 0;
    if (!pen_match_timepart(text, pred->part, &value)) {
        return false;
    }
    char digits[16];
    const int n = snprintf(digits, sizeof(digits), "%u", value);
    const pen_slice number = {(const uint8_t *)digits, (size_t)n};
    return pen_match_cmp_holds(pred->cmp, pen_match_number_cmp(number, pred->text));
}

static bool test_ref(void *ctx, pen_slice right)
{
    const struct test *test = ctx;
    const struct pen_pred *pred = &test->pred->pred;
    if (right.len == 0 && pred->ref != PEN_REF_EQUALS) {
        return false;
    }
    const bool is_open_left = pred->ref == PEN_REF_ENDS || pred->ref == PEN_REF_CONTAINS;
    const bool is_open_right = pred->ref == PEN_REF_STARTS || pred->ref == PEN_REF_CONTAINS;
    const struct pen_piece pieces[] = {
        {.kind = is_open_left ? PEN_PIECE_RUN : PEN_PIECE_TEXT},
        {.kind = PEN_PIECE_TEXT, .text = right},
        {.kind = is_open_right ? PEN_PIECE_RUN : PEN_PIECE_TEXT},
    };
    return pen_match_pieces(pieces, PEN_COUNT(pieces), pred->is_cased, test->left);
}

static bool test_text(void *ctx, pen_slice text)
{
    struct test *test = ctx;
    const struct pen_pred *pred = &test->pred->pred;
    switch (pred->op) {
    case PEN_OP_PATTERN:
        return pen_match_pieces(pred->pieces, pred->piece_count, pred->is_cased, text);
    case PEN_OP_WORDS:
        return pen_match_words(pred->pieces, pred->piece_count, text);
    case PEN_OP_REGEX:
        return pen_match_regex(test->scratch, test->pred->code, text);
    case PEN_OP_SET:
        return pen_set_has(pred->set, text);
    case PEN_OP_CIDR:
        return pen_match_cidr(pred, text);
    case PEN_OP_TIMEPART:
        return timepart_holds(pred, text);
    case PEN_OP_NUMBER:
        /* true and false are no numbers, so the text alone decides. */
        return pen_json_is_number(text) &&
               pen_match_cmp_holds(pred->cmp, pen_match_number_cmp(text, pred->text));
    case PEN_OP_FIELDREF: {
        const struct pen_pred other = {.op = PEN_OP_FIELDREF, .field = pred->field2};
        test->left = text;
        return each_text(&test->scratch->other, test->record, &other, test_ref, test);
    }
    case PEN_OP_EXISTS:
    case PEN_OP_NULL:
        break;
    }
    return false;
}

/* Nothing at all, or nothing but null and empty arrays: the elements of any other array are values
 * of their own and decide. */
static bool is_null(const struct pen_record *record, uint32_t field)
{
    const struct pen_value *v = pen_record_first(record, field);
    for (; v != NULL; v = pen_value_next(record, v)) {
        const bool is_void = v->kind == PEN_NULL || v->kind == PEN_ARRAY;
        if (!is_void) {
            return false;
        }
    }
    return true;
}

bool pen_match_pred_eval(struct match_scratch *scratch, const struct match_pred *pred,
                         const struct pen_record *record)
{
    if (pred->pred.op == PEN_OP_EXISTS) {
        return pen_record_first(record, pred->pred.field) != NULL;
    }
    if (pred->pred.op == PEN_OP_NULL) {
        return is_null(record, pred->pred.field);
    }
    struct test test = {.scratch = scratch, .pred = pred, .record = record};
    if (pred->pred.field == PEN_FIELD_ANY) {
        return any_text(scratch, record, pred->needle, test_text, &test);
    }
    return each_text(&scratch->text, record, &pred->pred, test_text, &test);
}
