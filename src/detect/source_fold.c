#include "source_fold.h"

/* A node whose kids are looked at, and what they came to so far. */
struct level {
    struct pen_expr *node;
    uint32_t next, always, never, kept;
};

static bool has_own_source(const struct pen_type *type)
{
    return pen_slice_eq(type->name, PEN_SLICE_LIT("json"));
}

bool source_is_known(pen_slice name, const struct pen_type *type)
{
    return !has_own_source(type) && (pen_slice_eq(name, PEN_SLICE_LIT("source")) ||
                                     pen_slice_eq(name, PEN_SLICE_LIT("service")));
}

/* ---- one predicate ---- */

/* Moves *at past a piece that is no run.  False when the text goes on otherwise. */
static bool take_piece(const struct pen_piece *piece, pen_slice text, size_t *at)
{
    pen_slice rest = pen_slice_sub(text, *at, text.len);
    if (piece->kind == PEN_PIECE_ONE) {
        if (rest.len == 0) {
            return false;
        }
        (void)pen_utf8_next(&rest);
        *at = text.len - rest.len;
        return true;
    }
    if (!pen_slice_eq_nocase(pen_slice_sub(rest, 0, piece->text.len), piece->text)) {
        return false;
    }
    *at += piece->text.len;
    return true;
}

/* The pieces against a whole name; a run that took too little is taken up again. */
static bool is_like(const struct pen_pred *pred, pen_slice text)
{
    uint32_t piece = 0;
    size_t at = 0;
    uint32_t run = UINT32_MAX;
    size_t run_at = 0;
    while (piece < pred->piece_count || at < text.len) {
        if (piece < pred->piece_count && pred->pieces[piece].kind == PEN_PIECE_RUN) {
            run = piece++;
            run_at = at;
        } else if (piece < pred->piece_count && take_piece(&pred->pieces[piece], text, &at)) {
            piece++;
        } else if (run != UINT32_MAX && run_at < text.len) {
            piece = run + 1;
            at = ++run_at;
        } else {
            return false;
        }
    }
    return true;
}

static bool holds(const struct pen_pred *pred, const struct pen_type *type)
{
    if (pred->op == PEN_OP_EXISTS) {
        return true;
    }
    if (pred->op != PEN_OP_PATTERN) {
        return false; /* a source is neither a number nor an address */
    }
    bool is_match = is_like(pred, type->name);
    for (uint32_t i = 0; i < type->source_count; i++) {
        is_match = is_match || is_like(pred, type->sources[i]);
    }
    return is_match;
}

static enum source_verdict leaf_verdict(const struct pen_expr *leaf, const struct pen_type *type)
{
    if (leaf->kind == PEN_EXPR_TRUE || leaf->kind == PEN_EXPR_FALSE) {
        return leaf->kind == PEN_EXPR_TRUE ? SOURCE_ALWAYS : SOURCE_NEVER;
    }
    if (leaf->pred->field != SOURCE_FIELD || has_own_source(type)) {
        return SOURCE_MAYBE;
    }
    return holds(leaf->pred, type) ? SOURCE_ALWAYS : SOURCE_NEVER;
}

/* ---- trees ---- */

static enum source_verdict level_verdict(const struct level *level)
{
    const uint32_t kids = level->node->kid_count;
    if (level->node->kind == PEN_EXPR_NOT) {
        return level->always > 0 ? SOURCE_NEVER : level->never > 0 ? SOURCE_ALWAYS : SOURCE_MAYBE;
    }
    if (level->node->kind == PEN_EXPR_AND) {
        return level->never > 0        ? SOURCE_NEVER
               : level->always == kids ? SOURCE_ALWAYS
                                       : SOURCE_MAYBE;
    }
    return level->always > 0 ? SOURCE_ALWAYS : level->never == kids ? SOURCE_NEVER : SOURCE_MAYBE;
}

static void rewrite(struct pen_expr *node, enum source_verdict verdict, uint32_t kept)
{
    if (verdict == SOURCE_MAYBE) {
        node->kid_count = node->kind == PEN_EXPR_PRED ? 0 : kept;
        return;
    }
    node->kind = verdict == SOURCE_ALWAYS ? PEN_EXPR_TRUE : PEN_EXPR_FALSE;
    node->kid_count = 0;
    node->pred = NULL;
}

static void add_kid(struct level *parent, struct pen_expr *kid, enum source_verdict verdict,
                    bool is_folding)
{
    parent->always += verdict == SOURCE_ALWAYS;
    parent->never += verdict == SOURCE_NEVER;
    if (is_folding && verdict == SOURCE_MAYBE) {
        parent->node->kids[parent->kept++] = kid;
    }
}

static enum source_verdict walk(struct pen_expr *root, const struct pen_type *type, bool is_folding)
{
    struct level levels[PEN_EXPR_DEPTH_MAX];
    uint32_t depth = 0;
    levels[depth++] = (struct level){.node = root};
    for (;;) {
        struct level *top = &levels[depth - 1];
        const bool is_leaf = top->node->kind == PEN_EXPR_PRED || top->node->kind == PEN_EXPR_TRUE ||
                             top->node->kind == PEN_EXPR_FALSE;
        if (!is_leaf && top->next < top->node->kid_count) {
            PEN_CHECK(depth < PEN_EXPR_DEPTH_MAX);
            levels[depth++] = (struct level){.node = top->node->kids[top->next++]};
            continue;
        }
        const enum source_verdict verdict =
            is_leaf ? leaf_verdict(top->node, type) : level_verdict(top);
        if (is_folding) {
            rewrite(top->node, verdict, top->kept);
        }
        if (--depth == 0) {
            return verdict;
        }
        add_kid(&levels[depth - 1], top->node, verdict, is_folding);
    }
}

enum source_verdict source_verdict(const struct pen_expr *expr, const struct pen_type *type)
{
    return walk(pen_unconst(expr), type, false);
}

void source_fold(struct pen_expr *expr, const struct pen_type *type)
{
    (void)walk(expr, type, true);
}
