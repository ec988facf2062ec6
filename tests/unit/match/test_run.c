#include "match_test.h"

#include <stdio.h>
#include <stdlib.h>

/* Random trees on random records: the engine agrees with the slow evaluator on every verdict. */

#define FIELDS 6u
#define PREDS 24u
#define QUERIES 16u
#define NODES 512u

static const char *const words[] = {
    "a",
    "ab",
    "Abc",
    "ABC",
    "abc.def",
    "Kk",
    "\xe2\x84\xaa\xc5\xbf",
    "ss",
    "\xc3\x89\xc3\xa9",
    "\xef\xbf\xbd",
    "5",
    "5.0",
    "a\nb",
    "",
    "10.1.2.3",
    "true",
    "2024-01-31T23:59:00Z",
    "x-a",
    "/a b_c",
    "\xe2\x80\x93z",
};
static const char *const globs[] = {
    "a",
    "ABC",
    "*b*",
    "ab*",
    "*C",
    "a?c",
    "?",
    "*",
    "*?*",
    "ks",
    "*k*",
    "s*",
    "",
    "~a",
    "x~*",
    "*.d*f",
    "*\xc3\xa9*",
    "\xc3\xa9?",
    "*\xe2\x84\xaa*",
    "*~*",
    "*a b*",
};
static const char *const regexes[] = {
    "^a",     "b$",      "a.c",    "^$",      "[^a]",      "\\bb",       "(?i)ABC",
    "a(?!b)", "(?<=a)b", "^.$",    "a\\z",    "\\w+\\.",   "x|\xc3\xa9", "(?m)^b$",
    "k",      "",        "(a)\\1", "^[^a]*$", "a*?b{1,2}", "\\s",
};

struct world {
    uint64_t random;
    struct pen_pred preds[PREDS];
    struct pen_piece pieces[PREDS][16];
    struct pen_expr nodes[NODES];
    struct pen_expr *kids[NODES * 4];
    uint32_t node_count, kid_count;
    struct hand hand;
    char raw[8192];
};

static uint32_t pick(struct world *w, uint32_t n)
{
    return (uint32_t)(next_random(&w->random) % n);
}

static void random_pred(struct world *w, uint32_t at)
{
    static const enum pen_pred_op ops[] = {
        PEN_OP_PATTERN, PEN_OP_PATTERN, PEN_OP_PATTERN,  PEN_OP_PATTERN, PEN_OP_REGEX,
        PEN_OP_REGEX,   PEN_OP_NUMBER,  PEN_OP_CIDR,     PEN_OP_EXISTS,  PEN_OP_NULL,
        PEN_OP_WORDS,   PEN_OP_WORDS,   PEN_OP_FIELDREF, PEN_OP_TIMEPART};
    struct pen_pred *p = &w->preds[at];
    *p = (struct pen_pred){.op = ops[pick(w, PEN_COUNT(ops))], .field = pick(w, FIELDS)};
    p->field2 = pick(w, FIELDS);
    p->is_cased = pick(w, 2) == 0;
    p->scalars_only = pick(w, 2) == 0;
    p->cmp = (enum pen_cmp)pick(w, 5);
    p->part = (enum pen_part)pick(w, 6);
    p->ref = (enum pen_ref)pick(w, 4);
    p->flags = p->op == PEN_OP_REGEX ? pick(w, 32) : 0;
    p->text = p->op == PEN_OP_REGEX ? pen_slice_str(regexes[pick(w, PEN_COUNT(regexes))])
                                    : pen_slice_str("5");
    const bool has_pieces = p->op == PEN_OP_PATTERN || p->op == PEN_OP_WORDS;
    if (has_pieces) {
        p->piece_count = pieces_of(globs[pick(w, PEN_COUNT(globs))], w->pieces[at]);
        p->pieces = w->pieces[at];
    }
    if ((has_pieces || p->op == PEN_OP_REGEX) && pick(w, 8) == 0) {
        p->field = PEN_FIELD_ANY;
    }
    assert_int_equal(pen_cidr_parse(PEN_SLICE_LIT("10.0.0.0/8"), p, NULL), PEN_OK);
}

/* A node over already made ones: what is made later may contain what was made before. */
static void random_node(struct world *w)
{
    struct pen_expr *e = &w->nodes[w->node_count];
    *e = (struct pen_expr){.kind = PEN_EXPR_PRED, .pred = &w->preds[pick(w, PREDS)]};
    const uint32_t kind = pick(w, 16);
    if (w->node_count >= 8 && kind < 10) {
        e->kind = kind < 4 ? PEN_EXPR_AND : (kind < 8 ? PEN_EXPR_OR : PEN_EXPR_NOT);
        e->kid_count = e->kind == PEN_EXPR_NOT ? 1 : 1 + pick(w, 3);
        e->kids = &w->kids[w->kid_count];
        for (uint32_t i = 0; i < e->kid_count; i++) {
            const uint32_t back = 1 + pick(w, w->node_count < 40 ? w->node_count : 40);
            w->kids[w->kid_count++] = &w->nodes[w->node_count - back];
        }
    } else if (kind == 10) {
        e->kind = pick(w, 2) == 0 ? PEN_EXPR_TRUE : PEN_EXPR_FALSE;
    }
    w->node_count++;
}

static void random_value(struct world *w, struct pen_buf *raw)
{
    static const char *const objects[] = {"{\"k\": \"abc\", \"n\":[5, {\"z\":\"a\\nb\"}]}", "{}",
                                          "{\"a\":\"\xc3\x89\xc3\xa9\"}"};
    static const char *const escaped[] = {"\\u0061b", "a\\nb", "\\ud800", "\\\"abc\\\"", "\\u212a"};
    const uint32_t field = pick(w, FIELDS);
    const uint32_t kind = pick(w, 12);
    uint8_t what = PEN_STRING;
    const char *text = words[pick(w, PEN_COUNT(words))];
    if (kind == 0 || strchr(text, '\n') != NULL) {
        text = escaped[pick(w, PEN_COUNT(escaped))];
    } else if (kind == 1) {
        text = objects[pick(w, PEN_COUNT(objects))];
        what = PEN_OBJECT;
    } else if (kind == 2) {
        text = "5.00";
        what = PEN_NUMBER;
    } else if (kind == 3) {
        text = "true";
        what = PEN_BOOL;
    } else if (kind == 4) {
        text = "null";
        what = PEN_NULL;
    } else if (kind == 5) {
        text = "[]";
        what = PEN_ARRAY;
    }
    const char *quote = what == PEN_STRING ? "\"" : "";
    hand_add(&w->hand, field, what, pen_slice_str(text));
    assert_int_equal(
        pen_buf_printf(raw, "%s\"f%u\":%s%s%s", raw->len > 1 ? "," : "", field, quote, text, quote),
        PEN_OK);
}

static void random_record(struct world *w, struct pen_buf *raw)
{
    hand_reset(&w->hand);
    raw->len = 0;
    assert_int_equal(pen_buf_printf(raw, "{"), PEN_OK);
    const uint32_t count = pick(w, 10);
    for (uint32_t i = 0; i < count; i++) {
        random_value(w, raw);
    }
    assert_int_equal(pen_buf_printf(raw, "}"), PEN_OK);
    w->hand.record.raw = pen_buf_slice(raw);
}

static void show_node(void *ctx, const struct pen_expr *node, uint32_t depth, bool verdict)
{
    (void)ctx;
    print_message("%*skind %d: %d", (int)depth * 2, "", node->kind, verdict);
    if (node->kind == PEN_EXPR_PRED) {
        const struct pen_pred *p = node->pred;
        print_message(" op %d field %u cased %d scalars %d flags %u text %.*s", p->op, p->field,
                      p->is_cased, p->scalars_only, p->flags, PEN_SLICE_FMT(p->text));
        for (uint32_t i = 0; i < p->piece_count; i++) {
            print_message(" [%d %.*s]", p->pieces[i].kind, PEN_SLICE_FMT(p->pieces[i].text));
        }
    }
    print_message("\n");
}

static void compare(struct world *w, const struct pen_query *queries, struct pen_matcher *matcher)
{
    const uint32_t *tags = NULL;
    const uint32_t found = pen_matcher_run(matcher, &w->hand.record, &tags);
    uint32_t at = 0;
    for (uint32_t q = 0; q < QUERIES; q++) {
        const bool engine = at < found && tags[at] == queries[q].tag;
        at += engine ? 1 : 0;
        const bool slow = pen_expr_eval(queries[q].expr, &w->hand.record, NULL, NULL);
        if (engine != slow) {
            print_message("query %u: engine %d, slow %d, record %.*s\n", q, engine, slow,
                          PEN_SLICE_FMT(w->hand.record.raw));
            (void)pen_expr_eval(queries[q].expr, &w->hand.record, show_node, NULL);
        }
        assert_int_equal(engine, slow);
    }
    assert_int_equal(at, found);
}

static void one_round(struct world *w, uint32_t records)
{
    w->node_count = 0;
    w->kid_count = 0;
    for (uint32_t i = 0; i < PREDS; i++) {
        random_pred(w, i);
    }
    for (uint32_t i = 0; i < 64; i++) {
        random_node(w);
    }
    struct pen_query queries[QUERIES];
    for (uint32_t q = 0; q < QUERIES; q++) {
        queries[q] = (struct pen_query){&w->nodes[63 - q], q * 3, PEN_SLICE_LIT("q")};
    }
    const struct pen_engine_options options = {.in_process = true};
    struct pen_engine *engine = NULL;
    struct pen_matcher *matcher = NULL;
    struct pen_err err = {0};
    const pen_status status = pen_engine_compile(queries, QUERIES, &options, &engine, &err);
    if (status != PEN_OK) {
        print_message("%s\n", err.text);
    }
    assert_int_equal(status, PEN_OK);
    assert_int_equal(pen_matcher_new(engine, &matcher, &err), PEN_OK);
    struct pen_buf raw;
    pen_buf_init(&raw, 1 << 20);
    for (uint32_t i = 0; i < records; i++) {
        random_record(w, &raw);
        compare(w, queries, matcher);
    }
    pen_buf_fini(&raw);
    pen_matcher_free(matcher);
    pen_engine_free(engine);
}

static void engine_agrees_with_slow_evaluator(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    const char *seed = getenv("PENSTOCK_SEED");
    w->random = seed == NULL ? 20240131 : strtoull(seed, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)w->random);
    for (uint32_t i = 0; i < 150; i++) {
        one_round(w, 20);
    }
    free(w);
}

#define ALIKE 500U

/* Keys that begin and end alike, and are as long: more than are told apart by that. */
static void keys_that_differ_in_the_middle_are_told_apart(void **state)
{
    static char texts[ALIKE][32];
    static struct pen_piece pieces[ALIKE];
    static struct pen_pred preds[ALIKE];
    static struct pen_expr leaves[ALIKE];
    static struct pen_query queries[ALIKE];
    static struct hand hand;
    struct pen_engine *engine = NULL;
    struct pen_matcher *matcher = NULL;
    (void)state;
    for (uint32_t i = 0; i < ALIKE; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "Beginning-%06u-Ending", i);
        pieces[i] = (struct pen_piece){PEN_PIECE_TEXT, pen_slice_str(texts[i])};
        preds[i] = (struct pen_pred){
            .op = PEN_OP_PATTERN, .is_cased = i % 2 == 0, .pieces = &pieces[i], .piece_count = 1};
        leaves[i] = expr_of(&preds[i]);
        queries[i] = (struct pen_query){&leaves[i], i, PEN_SLICE_LIT("q")};
    }
    assert_int_equal(pen_engine_compile(queries, ALIKE, NULL, &engine, NULL), PEN_OK);
    assert_int_equal(pen_engine_stats_get(engine).eq_keys, ALIKE);
    assert_int_equal(pen_matcher_new(engine, &matcher, NULL), PEN_OK);
    for (uint32_t i = 0; i < ALIKE; i++) {
        const uint32_t *tags = NULL;
        hand_reset(&hand);
        hand_str(&hand, 0, texts[i]);
        assert_int_equal(pen_matcher_run(matcher, &hand.record, &tags), 1);
        assert_int_equal(tags[0], i);
        hand_reset(&hand);
        texts[i][0] = 'b'; /* those that ask for a case do not take it */
        hand_str(&hand, 0, texts[i]);
        assert_int_equal(pen_matcher_run(matcher, &hand.record, &tags), i % 2);
        texts[i][0] = 'B';
    }
    pen_matcher_free(matcher);
    pen_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_agrees_with_slow_evaluator),
        cmocka_unit_test(keys_that_differ_in_the_middle_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
