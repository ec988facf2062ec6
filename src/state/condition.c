#include "penstock/json.h"
#include "penstock/state.h"

#define QUANTITY_MAX ((((pen_quantity)1 << 126) - 1) * 2 + 1)
#define DECIMALS 9U

/* ---- quantities ---- */

static pen_quantity add_clamped(pen_quantity a, pen_quantity b)
{
    pen_quantity sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? QUANTITY_MAX : -QUANTITY_MAX) : sum;
}

static pen_quantity times_clamped(pen_quantity a, pen_quantity b)
{
    pen_quantity product;
    return __builtin_mul_overflow(a, b, &product)
               ? ((a < 0) == (b < 0) ? QUANTITY_MAX : -QUANTITY_MAX)
               : product;
}

/* The exponent behind 'e', between -1000 and 1000: more changes nothing. */
static int exponent_of(pen_slice text, size_t at)
{
    int value = 0;
    const bool is_negative = at < text.len && text.ptr[at] == '-';
    at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
    for (; at < text.len; at++) {
        value = value < 1000 ? value * 10 + (text.ptr[at] - '0') : value;
    }
    value = value < 1000 ? value : 1000;
    return is_negative ? -value : value;
}

bool pen_quantity_parse(pen_slice text, pen_quantity *out)
{
    if (!pen_json_is_number(text)) {
        return false;
    }
    size_t end = 0;
    while (end < text.len && text.ptr[end] != 'e' && text.ptr[end] != 'E') {
        end++;
    }
    /* The value of the next digit is 10 to the power of `place`, in units of the last decimal. */
    int place = (int)DECIMALS + (end < text.len ? exponent_of(text, end + 1) : 0);
    pen_quantity digits = 0;
    bool is_behind_point = false;
    for (size_t i = 0; i < end; i++) {
        if (text.ptr[i] == '.') {
            is_behind_point = true;
        } else if (text.ptr[i] != '-' && (!is_behind_point || place > 0)) {
            digits = add_clamped(times_clamped(digits, 10), text.ptr[i] - '0');
            place -= is_behind_point;
        }
    }
    for (; place > 0 && digits != 0 && digits != QUANTITY_MAX; place--) {
        digits = times_clamped(digits, 10);
    }
    for (; place < 0 && digits != 0; place++) {
        digits /= 10;
    }
    *out = text.ptr[0] == '-' ? -digits : digits;
    return true;
}

/* ---- verdict ---- */

static pen_quantity side_value(const struct pen_condition_side *side, const pen_quantity *values)
{
    return side->query == PEN_CONDITION_NO_QUERY
               ? times_clamped((pen_quantity)side->factor, PEN_QUANTITY_ONE)
               : times_clamped((pen_quantity)side->factor, values[side->query]);
}

static bool compare(const struct pen_condition_step *step, const pen_quantity *values)
{
    const pen_quantity left = side_value(&step->left, values);
    const pen_quantity right = side_value(&step->right, values);
    switch (step->op) {
    case PEN_CONDITION_GT:
        return left > right;
    case PEN_CONDITION_GE:
        return left >= right;
    case PEN_CONDITION_LT:
        return left < right;
    case PEN_CONDITION_LE:
        return left <= right;
    case PEN_CONDITION_AND:
    case PEN_CONDITION_OR:
        break;
    }
    pen_panic(PEN_HERE, "a comparison was wanted");
}

bool pen_condition_eval(const struct pen_condition *condition, uint32_t from, uint32_t to,
                        const pen_quantity *values)
{
    bool stack[PEN_CONDITION_DEPTH_MAX * 2];
    uint32_t height = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct pen_condition_step *step = &condition->steps[i];
        if (step->op != PEN_CONDITION_AND && step->op != PEN_CONDITION_OR) {
            PEN_CHECK(height < PEN_COUNT(stack));
            stack[height++] = compare(step, values);
            continue;
        }
        PEN_CHECK(height >= 2);
        height--;
        stack[height - 1] = step->op == PEN_CONDITION_AND ? stack[height - 1] && stack[height]
                                                          : stack[height - 1] || stack[height];
    }
    return height == 0 || stack[0];
}

/* ---- text ---- */

struct reader {
    struct pen_arena *arena;
    pen_slice text;
    size_t at;
    const pen_slice *names;
    uint32_t name_count;
    struct pen_condition_step steps[PEN_CONDITION_STEPS_MAX];
    uint32_t count;
    /* Operators that wait for their right side, and '(' as PEN_CONDITION_GT. */
    enum pen_condition_op waiting[PEN_CONDITION_DEPTH_MAX * 2];
    size_t opened_at[PEN_CONDITION_DEPTH_MAX * 2]; /* of each '(' */
    uint32_t waiting_count, depth;
    uint32_t then_count;
    struct pen_err *err;
};
#define OPENED PEN_CONDITION_GT

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static uint8_t peek(const struct reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : 0;
}

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r') {
        r->at++;
    }
}

static bool take(struct reader *r, const char *token)
{
    const pen_slice wanted = pen_slice_str(token);
    skip_blanks(r);
    if (!pen_slice_starts(pen_slice_sub(r->text, r->at, r->text.len), wanted)) {
        return false;
    }
    r->at += wanted.len;
    return true;
}

static pen_slice take_word(struct reader *r)
{
    skip_blanks(r);
    const size_t begin = r->at;
    while (is_word_byte(peek(r))) {
        r->at++;
    }
    return pen_slice_sub(r->text, begin, r->at);
}

static pen_status read_alias(struct reader *r, pen_slice word, struct pen_condition_side *side)
{
    for (uint32_t i = 0; i < r->name_count; i++) {
        if (pen_slice_eq(r->names[i], word)) {
            side->query = i;
            return PEN_OK;
        }
    }
    return PEN_FAIL(r->err, PEN_E_RULE, r->at - word.len, "no query is named `%.*s`",
                    PEN_SLICE_FMT(word));
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static pen_status read_number(struct reader *r, pen_slice word, struct pen_condition_side *side)
{
    const bool is_decimal = peek(r) == '.';
    if (is_decimal || !pen_parse_u64(word, &side->factor)) {
        return PEN_FAIL(r->err, PEN_E_RULE, r->at - word.len,
                        "a whole number below 2^64 is wanted here");
    }
    return PEN_OK;
}

/* alias [* number], number [* alias], number */
static pen_status read_side(struct reader *r, struct pen_condition_side *side)
{
    *side = (struct pen_condition_side){.query = PEN_CONDITION_NO_QUERY, .factor = 1};
    pen_slice word = take_word(r);
    if (word.len == 0) {
        return PEN_FAIL(r->err, PEN_E_RULE, r->at,
                        "the name of a query or a number is wanted here");
    }
    const bool is_number = is_digit(word.ptr[0]);
    PEN_TRY(is_number ? read_number(r, word, side) : read_alias(r, word, side));
    if (!take(r, "*")) {
        return PEN_OK;
    }
    word = take_word(r);
    if (word.len == 0 || is_digit(word.ptr[0]) == is_number) {
        return PEN_FAIL(r->err, PEN_E_RULE, r->at - word.len,
                        "`*` stands between a query and a number");
    }
    return is_number ? read_alias(r, word, side) : read_number(r, word, side);
}

static pen_status add_step(struct reader *r, const struct pen_condition_step *step)
{
    if (r->count == PEN_CONDITION_STEPS_MAX) {
        return PEN_FAIL(r->err, PEN_E_LIMIT, r->at, "a condition has at most %u parts",
                        PEN_CONDITION_STEPS_MAX);
    }
    r->steps[r->count++] = *step;
    return PEN_OK;
}

static pen_status read_comparison(struct reader *r)
{
    struct pen_condition_step step;
    PEN_TRY(read_side(r, &step.left));
    skip_blanks(r);
    const uint8_t mark = peek(r);
    if (mark != '<' && mark != '>') {
        return PEN_FAIL(r->err, PEN_E_RULE, r->at, "a comparison is wanted here: one of > >= < <=");
    }
    r->at++;
    const bool has_equal = peek(r) == '=';
    r->at += has_equal;
    step.op = mark == '>' ? (has_equal ? PEN_CONDITION_GE : PEN_CONDITION_GT)
                          : (has_equal ? PEN_CONDITION_LE : PEN_CONDITION_LT);
    PEN_TRY(read_side(r, &step.right));
    return add_step(r, &step);
}

/* Gives waiting operators their place that bind at least as tightly as op. */
static pen_status settle(struct reader *r, enum pen_condition_op op)
{
    while (r->waiting_count > 0) {
        const enum pen_condition_op top = r->waiting[r->waiting_count - 1];
        if (top == OPENED || (op == PEN_CONDITION_AND && top == PEN_CONDITION_OR)) {
            return PEN_OK;
        }
        r->waiting_count--;
        PEN_TRY(add_step(r, &(struct pen_condition_step){.op = top}));
    }
    return PEN_OK;
}

static pen_status push(struct reader *r, enum pen_condition_op op)
{
    if (r->waiting_count == PEN_COUNT(r->waiting) ||
        (op == OPENED && r->depth == PEN_CONDITION_DEPTH_MAX / 2)) {
        return PEN_FAIL(r->err, PEN_E_LIMIT, r->at, "more than %u levels of parentheses",
                        PEN_CONDITION_DEPTH_MAX / 2);
    }
    r->depth += op == OPENED;
    r->opened_at[r->waiting_count] = r->at;
    r->waiting[r->waiting_count++] = op;
    return PEN_OK;
}

static pen_status close_group(struct reader *r)
{
    PEN_TRY(settle(r, PEN_CONDITION_OR));
    if (r->waiting_count == 0) {
        return PEN_FAIL(r->err, PEN_E_RULE, r->at - 1, "nothing was opened that this `)` closes");
    }
    r->waiting_count--;
    r->depth--;
    return PEN_OK;
}

/* Behind the last comparison of a side: the end, or THEN. */
static pen_status read_end(struct reader *r, bool *is_end)
{
    PEN_TRY(settle(r, PEN_CONDITION_OR));
    if (r->waiting_count > 0) {
        return PEN_FAIL(r->err, PEN_E_RULE, r->opened_at[r->waiting_count - 1] - 1,
                        "this `(` is never closed");
    }
    skip_blanks(r);
    *is_end = r->at == r->text.len;
    if (*is_end) {
        return PEN_OK;
    }
    if (!take(r, "THEN") || is_word_byte(peek(r)) || r->then_count > 0) {
        return PEN_FAIL(r->err, PEN_E_RULE, r->at,
                        r->then_count > 0 ? "a condition has one THEN at most"
                                          : "&& or || or THEN is wanted here");
    }
    r->then_count = r->count;
    return PEN_OK;
}

static pen_status read_operator(struct reader *r, enum pen_condition_op op)
{
    PEN_TRY(settle(r, op));
    return push(r, op);
}

/* All that may stand between two comparisons.  *is_end: nothing more does. */
static pen_status read_between(struct reader *r, bool *is_end)
{
    while (take(r, ")")) {
        PEN_TRY(close_group(r));
    }
    if (take(r, "&&")) {
        return read_operator(r, PEN_CONDITION_AND);
    }
    if (take(r, "||")) {
        return read_operator(r, PEN_CONDITION_OR);
    }
    return read_end(r, is_end);
}

static pen_status read_opened(struct reader *r)
{
    while (take(r, "(")) {
        PEN_TRY(push(r, OPENED));
    }
    return read_comparison(r);
}

static pen_status read_all(struct reader *r)
{
    skip_blanks(r);
    bool is_end = r->at == r->text.len;
    while (!is_end) {
        PEN_TRY(read_opened(r));
        PEN_TRY(read_between(r, &is_end));
    }
    return PEN_OK;
}

/* NOLINTNEXTLINE(readability-function-size): the contract has these six parameters */
pen_status pen_condition_parse(struct pen_arena *arena, pen_slice text, const pen_slice *names,
                               uint32_t name_count, struct pen_condition *out, struct pen_err *err)
{
    struct reader r = {
        .arena = arena, .text = text, .names = names, .name_count = name_count, .err = err};
    *out = (struct pen_condition){0};
    if (text.len > PEN_CONDITION_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_CONDITION_BYTES_MAX,
                        "a condition has at most %zu bytes", PEN_CONDITION_BYTES_MAX);
    }
    PEN_TRY(read_all(&r));
    struct pen_condition_step *steps = PEN_NEW_N(arena, struct pen_condition_step, r.count + 1);
    if (steps == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "condition: out of memory");
    }
    memcpy(steps, r.steps, r.count * sizeof(*steps));
    *out = (struct pen_condition){.steps = steps, .count = r.count, .then_count = r.then_count};
    return PEN_OK;
}
