/* tested by tests/unit/detect/test_render.c */
#include "template.h"

#include <ctype.h>

#define EVAL_STACK_MAX 64U

/* Operators and operands that are not put together so far. */
struct eval {
    int64_t numbers[EVAL_STACK_MAX];
    uint8_t marks[EVAL_STACK_MAX]; /* + - * / ( */
    uint32_t number_count, mark_count;
};

static bool is_name_byte(uint8_t c)
{
    return isalnum(c) != 0 || c == '_' || c == '.' || c == '@' || c >= 0x80;
}

static void skip(pen_slice *rest, size_t n)
{
    *rest = pen_slice_sub(*rest, n, rest->len);
}

/* A run of bytes of names at the front. */
static pen_slice take_name(pen_slice *rest)
{
    size_t n = 0;
    while (n < rest->len && is_name_byte(rest->ptr[n])) {
        n++;
    }
    const pen_slice name = pen_slice_sub(*rest, 0, n);
    skip(rest, n);
    return name;
}

bool template_eval_name(pen_slice *expression, pen_slice *name)
{
    while (expression->len > 0) {
        *name = take_name(expression);
        if (name->len > 0 && isdigit(name->ptr[0]) == 0) {
            return true;
        }
        skip(expression, name->len == 0 ? 1 : 0);
    }
    return false;
}

static bool apply(uint8_t mark, int64_t a, int64_t b, int64_t *out)
{
    switch (mark) {
    case '+':
        return !__builtin_add_overflow(a, b, out);
    case '-':
        return !__builtin_sub_overflow(a, b, out);
    case '*':
        return !__builtin_mul_overflow(a, b, out);
    default:
        if (b == 0 || (a == INT64_MIN && b == -1)) {
            return false;
        }
        *out = a / b;
        return true;
    }
}

static bool reduce(struct eval *e)
{
    if (e->number_count < 2 || e->mark_count == 0) {
        return false;
    }
    e->number_count--;
    int64_t *left = &e->numbers[e->number_count - 1];
    return apply(e->marks[--e->mark_count], *left, e->numbers[e->number_count], left);
}

static uint32_t rank(uint8_t mark)
{
    return mark == '(' ? 0 : mark == '+' || mark == '-' ? 1 : 2;
}

static bool push_mark(struct eval *e, uint8_t mark)
{
    while (mark != '(' && e->mark_count > 0 && rank(e->marks[e->mark_count - 1]) >= rank(mark)) {
        if (!reduce(e)) {
            return false;
        }
    }
    if (e->mark_count == EVAL_STACK_MAX) {
        return false;
    }
    e->marks[e->mark_count++] = mark;
    return true;
}

static bool close_parenthesis(struct eval *e)
{
    while (e->mark_count > 0 && e->marks[e->mark_count - 1] != '(') {
        if (!reduce(e)) {
            return false;
        }
    }
    if (e->mark_count == 0) {
        return false;
    }
    e->mark_count--;
    return true;
}

static bool push_operand(struct eval *e, pen_slice *rest,
                         bool (*value)(void *ctx, pen_slice name, int64_t *out), void *ctx)
{
    const pen_slice name = take_name(rest);
    int64_t number = 0;
    if (name.len == 0 || e->number_count == EVAL_STACK_MAX) {
        return false;
    }
    const bool is_number = isdigit(name.ptr[0]) != 0;
    if (is_number ? !pen_parse_i64(name, &number) : !value(ctx, name, &number)) {
        return false;
    }
    e->numbers[e->number_count++] = number;
    return true;
}

bool template_eval(pen_slice expression, bool (*value)(void *ctx, pen_slice name, int64_t *out),
                   void *ctx, int64_t *out)
{
    struct eval e = {.number_count = 0};
    bool wants_operand = true;
    bool is_good = true;
    for (pen_slice rest = pen_slice_trim(expression); is_good && rest.len > 0;
         rest = pen_slice_trim(rest)) {
        const uint8_t c = rest.ptr[0];
        const bool is_mark = c == '+' || c == '-' || c == '*' || c == '/';
        if (c == '(' || (!wants_operand && is_mark)) {
            is_good = (c != '(' || wants_operand) && push_mark(&e, c);
            wants_operand = true;
            skip(&rest, 1);
        } else if (c == ')') {
            is_good = !wants_operand && close_parenthesis(&e);
            skip(&rest, 1);
        } else {
            is_good = wants_operand && push_operand(&e, &rest, value, ctx);
            wants_operand = false;
        }
    }
    while (is_good && e.mark_count > 0) {
        is_good = e.marks[e.mark_count - 1] != '(' && reduce(&e);
    }
    *out = e.numbers[0];
    return is_good && !wants_operand && e.number_count == 1;
}
