/*
 * Any text as the condition of a case: it is one when a reader that knows nothing but tokens takes
 * it too, and both have the same verdict on some values.  What is refused has a reason and a place
 * in the text.
 */
#include "penstock/state.h"

#define NAMES 3U
#define TEXT_MAX ((size_t)4096)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const pen_slice names[NAMES] = {PEN_SLICE_LIT("a"), PEN_SLICE_LIT("b_2"),
                                       PEN_SLICE_LIT("THEN")};

/* ---- the reader: a condition becomes a row of T F & | ( ) and / for THEN ---- */

enum token { END, WORD, TIMES, LESS, LESS_EQUAL, MORE, MORE_EQUAL, MARK, BAD };
struct tokens {
    pen_slice rest;
    enum token kind;
    pen_slice word; /* of WORD */
    char mark;      /* of MARK: one of & | ( ) */
};

static bool is_word(uint8_t c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void advance(struct tokens *t)
{
    static const struct {
        const char *text;
        enum token kind;
    } fixed[] = {{"<=", LESS_EQUAL}, {">=", MORE_EQUAL}, {"<", LESS}, {">", MORE}, {"*", TIMES},
                 {"&&", MARK},       {"||", MARK},       {"(", MARK}, {")", MARK}};
    while (t->rest.len > 0 && is_blank(t->rest.ptr[0])) {
        t->rest = pen_slice_sub(t->rest, 1, t->rest.len);
    }
    size_t n = 0;
    while (n < t->rest.len && is_word(t->rest.ptr[n])) {
        n++;
    }
    t->word = pen_slice_sub(t->rest, 0, n);
    t->kind = t->rest.len == 0 ? END : n > 0 ? WORD : BAD;
    for (size_t i = 0; i < PEN_COUNT(fixed) && t->kind == BAD; i++) {
        if (pen_slice_starts(t->rest, pen_slice_str(fixed[i].text))) {
            t->kind = fixed[i].kind;
            t->mark = fixed[i].text[0];
            n = strlen(fixed[i].text);
        }
    }
    t->rest = pen_slice_sub(t->rest, n, t->rest.len);
}

/* A name or a number; *is_name tells which.  False: neither. */
static bool factor(struct tokens *t, const pen_quantity *values, pen_quantity *out, bool *is_name)
{
    uint64_t number = 0;
    *is_name = false;
    if (t->kind != WORD) {
        return false;
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        if (pen_slice_eq(t->word, names[i])) {
            *is_name = true;
            *out = values[i];
        }
    }
    if (!*is_name) {
        if (!pen_parse_u64(t->word, &number)) {
            return false;
        }
        *out = (pen_quantity)number;
    }
    advance(t);
    return true;
}

/* In units of the last decimal. */
static bool side(struct tokens *t, const pen_quantity *values, pen_quantity *out)
{
    pen_quantity second = 1;
    bool is_name = false;
    bool is_second_name = false;
    if (!factor(t, values, out, &is_name)) {
        return false;
    }
    if (t->kind == TIMES) {
        advance(t);
        if (!factor(t, values, &second, &is_second_name) || is_name == is_second_name) {
            return false;
        }
    }
    *out = *out * second * (is_name || is_second_name ? 1 : PEN_QUANTITY_ONE);
    return true;
}

static bool comparison(struct tokens *t, const pen_quantity *values, char *out)
{
    pen_quantity left = 0;
    pen_quantity right = 0;
    if (!side(t, values, &left) || t->kind < LESS || t->kind > MORE_EQUAL) {
        return false;
    }
    const enum token op = t->kind;
    advance(t);
    if (!side(t, values, &right)) {
        return false;
    }
    const bool holds = op == LESS         ? left < right
                       : op == LESS_EQUAL ? left <= right
                       : op == MORE       ? left > right
                                          : left >= right;
    *out = holds ? 'T' : 'F';
    return true;
}

/* False: the text has what no condition has.  Before row stands a 0. */
static bool to_row(pen_slice text, const pen_quantity *values, char *row)
{
    struct tokens t = {.rest = text};
    advance(&t);
    while (t.kind != END) {
        const char before = row[-1];
        if (t.kind == MARK) {
            *row++ = t.mark;
            advance(&t);
        } else if (t.kind == WORD && (before == 'T' || before == 'F' || before == ')') &&
                   pen_slice_eq(t.word, PEN_SLICE_LIT("THEN"))) {
            *row++ = '/';
            advance(&t);
        } else if (!comparison(&t, values, row++)) {
            return false;
        }
    }
    *row = 0;
    return true;
}

/* ---- the verdict: what can be shortened is, until nothing can ---- */

static bool is_verdict(char c)
{
    return c == 'T' || c == 'F';
}

/* Whether the three characters at p are a part that is due; *out: what it is. */
static bool part_of(const char *p, char *out)
{
    const bool is_pair = is_verdict(p[0]) && is_verdict(p[2]);
    if (p[0] == '(' && is_verdict(p[1]) && p[2] == ')') {
        *out = p[1];
        return true;
    }
    if (is_pair && p[1] == '&') {
        *out = p[0] == 'T' && p[2] == 'T' ? 'T' : 'F';
        return true;
    }
    *out = p[0] == 'T' || p[2] == 'T' ? 'T' : 'F';
    return is_pair && p[1] == '|' && p[-1] != '&' && p[3] != '&';
}

/* The row behind a 0 becomes one character, or two around a '/', if it is a condition. */
static void shorten(char *row)
{
    bool has_changed = true;
    while (has_changed) {
        has_changed = false;
        for (char *p = row; p[0] != 0 && p[1] != 0 && p[2] != 0; p++) {
            char verdict = 0;
            if (part_of(p, &verdict)) {
                *p = verdict;
                memmove(p + 1, p + 3, strlen(p + 3) + 1);
                has_changed = true;
            }
        }
    }
}

static bool is_condition(const char *row)
{
    const size_t n = strlen(row);
    return n == 0 || (n == 1 && is_verdict(row[0])) ||
           (n == 3 && is_verdict(row[0]) && row[1] == '/' && is_verdict(row[2]));
}

static void agree(const struct pen_condition *condition, pen_slice text, pen_status status,
                  const pen_quantity *values)
{
    static char space[TEXT_MAX + 2];
    char *row = space + 1;
    const bool is_one = to_row(text, values, row);
    if (is_one) {
        shorten(row);
    }
    PEN_CHECK((is_one && is_condition(row)) == (status == PEN_OK));
    if (status != PEN_OK || row[0] == 0) {
        return;
    }
    const uint32_t then = condition->then_count;
    PEN_CHECK((then > 0) == (row[1] == '/') && then < condition->count);
    PEN_CHECK(pen_condition_eval(condition, then, condition->count, values) ==
              (row[then > 0 ? 2 : 0] == 'T'));
    PEN_CHECK(then == 0 || pen_condition_eval(condition, 0, then, values) == (row[0] == 'T'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const pen_quantity rows[][NAMES] = {
        {0, 0, 0},
        {PEN_QUANTITY_ONE, 2 * PEN_QUANTITY_ONE, 5 * PEN_QUANTITY_ONE},
        {7 * PEN_QUANTITY_ONE, -PEN_QUANTITY_ONE / 2, 0}};
    const pen_slice text = {data, size};
    struct pen_arena arena;
    struct pen_condition condition;
    struct pen_err err = {0};
    if (size > TEXT_MAX) {
        return 0;
    }
    pen_arena_init(&arena, (size_t)1 << 20);
    const pen_status status = pen_condition_parse(&arena, text, names, NAMES, &condition, &err);
    PEN_CHECK(status == PEN_OK || status == PEN_E_RULE || status == PEN_E_LIMIT);
    PEN_CHECK(status == PEN_OK || (err.offset <= size && err.text[0] != 0));
    for (uint32_t i = 0; i < PEN_COUNT(rows) && status != PEN_E_LIMIT; i++) {
        agree(&condition, text, status, rows[i]);
    }
    pen_arena_fini(&arena);
    return 0;
}
