/*
 * Any values in a record, a fixed engine: every verdict is that of the slow evaluator.  An input is
 * a list of values, each a line: the first byte chooses field and kind, the rest is the text.
 */
#include "preds.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)64 << 10)
#define TREES 32U
#define TREE_NODES 64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct pen_pred preds[PREDS_MAX];
    struct pen_piece pieces[PREDS_MAX][PIECES_MAX];
    struct pen_expr leaves[PREDS_MAX], nodes[TREE_NODES], *kids[TREE_NODES * 3];
    struct pen_expr all, *all_kids[PREDS_MAX]; /* any of the predicates */
    struct pen_query queries[PREDS_MAX + TREES];
    uint32_t pred_count, query_count;
    struct pen_walker *walker;
    struct pen_matcher *matcher;
};

static uint32_t pick(uint64_t *random, uint32_t n)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*random >> 33) % n);
}

/* Trees over the predicates, the same ones in every run; later ones contain earlier ones. */
static void trees_make(struct world *w)
{
    uint64_t random = 20250304;
    struct pen_expr **kid = w->kids;
    for (uint32_t i = 0; i < TREE_NODES; i++) {
        struct pen_expr *node = &w->nodes[i];
        const uint32_t kind = pick(&random, 5);
        node->kind = kind < 2 ? PEN_EXPR_AND : (kind < 4 ? PEN_EXPR_OR : PEN_EXPR_NOT);
        node->kid_count = node->kind == PEN_EXPR_NOT ? 1 : 3;
        node->kids = kid;
        for (uint32_t k = 0; k < node->kid_count; k++) {
            const bool is_leaf = i < 8 || pick(&random, 2) == 0;
            *kid++ =
                is_leaf ? &w->leaves[pick(&random, w->pred_count)] : &w->nodes[pick(&random, i)];
        }
    }
    for (uint32_t i = 0; i < TREES; i++) {
        w->queries[w->query_count] = (struct pen_query){&w->nodes[TREE_NODES - 1 - i],
                                                        w->query_count, PEN_SLICE_LIT("tree")};
        w->query_count++;
    }
}

static struct pen_walker *walker_make(void)
{
    static const char *const names[FIELDS] = {"a", "b", "c", "d"};
    struct pen_plan *plan = pen_plan_new();
    struct pen_walker *walker = NULL;
    struct pen_err err;
    PEN_CHECK(plan != NULL);
    for (uint32_t i = 0; i < FIELDS; i++) {
        const pen_slice step = pen_slice_str(names[i]);
        PEN_CHECK(pen_plan_field_new(plan) == i && pen_plan_path(plan, i, &step, 1) == PEN_OK);
    }
    pen_plan_seal(plan);
    const struct pen_walker_options options = {.window_bytes_max = TEXT_MAX,
                                               .record_bytes_max = TEXT_MAX};
    PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
    return walker;
}

static void world_make(struct world *w)
{
    struct pen_engine *engine = NULL;
    struct pen_err err = {0};
    const struct pen_engine_options options = {.in_process = true, .regex_steps_max = 10000000};
    w->pred_count = preds_make(w->preds, w->pieces);
    for (uint32_t i = 0; i < w->pred_count; i++) {
        w->leaves[i] = (struct pen_expr){.kind = PEN_EXPR_PRED, .pred = &w->preds[i]};
        w->all_kids[i] = &w->leaves[i];
        w->queries[i] = (struct pen_query){&w->leaves[i], i, PEN_SLICE_LIT("leaf")};
    }
    w->all =
        (struct pen_expr){.kind = PEN_EXPR_OR, .kid_count = w->pred_count, .kids = w->all_kids};
    w->query_count = w->pred_count;
    trees_make(w);
    PEN_CHECK(pen_engine_compile(w->queries, w->query_count, &options, &engine, &err) == PEN_OK);
    PEN_CHECK(pen_matcher_new(engine, &w->matcher, &err) == PEN_OK);
    w->walker = walker_make();
}

/* ---- from an input to a record ---- */

static void add(struct pen_buf *out, const char *text)
{
    PEN_CHECK(pen_buf_add(out, pen_slice_str(text)) == PEN_OK);
}

static void add_string(struct pen_buf *out, pen_slice text, bool as_numbers)
{
    add(out, "\"");
    if (as_numbers) { /* every character below U+10000 as \uXXXX */
        while (text.len > 0) {
            const uint32_t c = pen_utf8_next(&text);
            PEN_CHECK(pen_buf_printf(out, "\\u%04x", c > 0xffff ? 0xfffd : c) == PEN_OK);
        }
    } else {
        PEN_CHECK(pen_json_escape(out, text) == PEN_OK);
    }
    add(out, "\"");
}

static void add_value(struct pen_buf *out, uint32_t kind, pen_slice text)
{
    static const char *const words[] = {"true", "false", "null", "[]", "{}", "[{}]", "[null]", "0"};
    if (kind == 1 && pen_json_is_number(text)) {
        PEN_CHECK(pen_buf_add(out, text) == PEN_OK);
    } else if (kind == 2) {
        add(out, words[text.len % PEN_COUNT(words)]);
    } else if (kind == 3 || kind == 4) { /* elements, or an object's member and its array */
        pen_slice part;
        add(out, kind == 3 ? "[" : "{\"k\":1,\"m\":[");
        for (bool first = true; pen_slice_split(&text, ',', &part); first = false) {
            add(out, first ? "" : ", ");
            add_string(out, part, false);
        }
        add(out, kind == 3 ? "]" : "]}");
    } else {
        add_string(out, text, kind == 5);
    }
}

/* Fields in any order, also several times: the last counts. */
static void record_make(struct pen_buf *out, pen_slice input)
{
    pen_slice line;
    add(out, "{");
    while (pen_slice_split(&input, '\n', &line) && out->len < TEXT_MAX / 4) {
        if (line.len == 0) {
            continue;
        }
        const uint32_t kind = (line.ptr[0] >> 2) % 7;
        PEN_CHECK(pen_buf_printf(out, "%s\"%c\":", out->len > 1 ? "," : "",
                                 'a' + line.ptr[0] % 4) == PEN_OK);
        add_value(out, kind, pen_slice_sub(line, 1, line.len));
    }
    add(out, "}");
}

struct asked {
    const struct world *world;
    bool *verdicts;
};

static void leaf_seen(void *ctx, const struct pen_expr *node, uint32_t depth, bool verdict)
{
    const struct asked *asked = ctx;
    if (depth > 0) {
        asked->verdicts[node - asked->world->leaves] = verdict;
    }
}

/* The slow evaluator is asked for each predicate; what the trees make of them is said here. */
static void slow_verdicts(const struct world *w, const struct pen_record *record, bool *verdicts)
{
    bool nodes[TREE_NODES];
    (void)pen_expr_eval(&w->all, record, leaf_seen, &(struct asked){w, verdicts});
    for (uint32_t i = 0; i < TREE_NODES; i++) {
        const struct pen_expr *node = &w->nodes[i];
        uint32_t held = 0;
        for (uint32_t k = 0; k < node->kid_count; k++) {
            const struct pen_expr *kid = node->kids[k];
            held += kid->kind == PEN_EXPR_PRED ? verdicts[kid - w->leaves] : nodes[kid - w->nodes];
        }
        nodes[i] = node->kind == PEN_EXPR_NOT   ? held == 0
                   : node->kind == PEN_EXPR_AND ? held == node->kid_count
                                                : held > 0;
    }
    for (uint32_t i = 0; i < TREES; i++) {
        verdicts[w->pred_count + i] = nodes[TREE_NODES - 1 - i];
    }
}

static void compare(struct world *w, const struct pen_record *record)
{
    bool slow[PREDS_MAX + TREES];
    const uint32_t *tags = NULL;
    const uint32_t found = pen_matcher_run(w->matcher, record, &tags);
    uint32_t at = 0;
    slow_verdicts(w, record, slow);
    for (uint32_t q = 0; q < w->query_count; q++) {
        const bool engine = at < found && tags[at] == q;
        at += engine;
        if (engine != slow[q]) {
            (void)fprintf(stderr, "query %u: engine %d, slow %d on %.*s\n", q, engine, slow[q],
                          (int)record->raw.len, (const char *)record->raw.ptr);
        }
        PEN_CHECK(engine == slow[q]);
    }
    PEN_CHECK(at == found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *world = NULL;
    struct pen_buf text;
    struct pen_record record;
    struct pen_err err;
    if (size > TEXT_MAX / 32) {
        return 0;
    }
    if (world == NULL) {
        world = calloc(1, sizeof(*world));
        PEN_CHECK(world != NULL);
        world_make(world);
    }
    pen_buf_init(&text, TEXT_MAX + PEN_JSON_PADDING);
    record_make(&text, (pen_slice){data, size});
    PEN_CHECK(pen_buf_reserve(&text, PEN_JSON_PADDING) == PEN_OK);
    memset(text.ptr + text.len, ' ', PEN_JSON_PADDING);
    PEN_CHECK(pen_walker_one(world->walker, pen_buf_slice(&text), &record, &err) ==
              PEN_NEXT_RECORD);
    compare(world, &record);
    pen_buf_fini(&text);
    return 0;
}
