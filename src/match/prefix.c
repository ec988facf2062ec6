#include "penstock/match.h"

#include "engine.h"

#include <stdlib.h>

/* tested by tests/unit/match/test_compile.c */

/* What decides for one field. */
struct choice {
    bool has_patterns; /* that are no prefixes: its values are scanned anyway */
    bool is_full;      /* more lengths than are looked up */
    uint32_t count;
    uint8_t lens[PREFIX_LENS_MAX];
};

/* A text and then anything. */
static bool is_prefix(const struct engine_pred *pred)
{
    const struct pen_pred *p = &pred->ready.pred;
    return pred->cls == CLASS_SCAN && p->op == PEN_OP_PATTERN && p->piece_count == 2 &&
           p->pieces[0].kind == PEN_PIECE_TEXT && p->pieces[0].text.len > 0 &&
           p->pieces[0].text.len <= PREFIX_BYTES_MAX && p->pieces[1].kind == PEN_PIECE_RUN;
}

static void length_add(struct choice *choice, size_t len)
{
    for (uint32_t i = 0; i < choice->count; i++) {
        if (choice->lens[i] == len) {
            return;
        }
    }
    if (choice->count == PREFIX_LENS_MAX || len > UINT8_MAX) {
        choice->is_full = true;
        return;
    }
    choice->lens[choice->count++] = (uint8_t)len;
}

static pen_status length_of(const struct engine_pred *pred, struct pen_buf *scratch, size_t *len)
{
    const pen_slice text = pred->ready.pred.pieces[0].text;
    scratch->len = 0;
    *len = text.len;
    if (!pred->ready.pred.is_cased) {
        PEN_TRY(pen_match_fold(scratch, text));
        *len = scratch->len;
    }
    return PEN_OK;
}

static pen_status collect(const struct pen_engine *engine, struct pen_buf *scratch,
                          struct choice *choices)
{
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        const struct engine_pred *pred = &engine->preds[i];
        size_t len = 0;
        if (pred->cls != CLASS_SCAN) {
            continue;
        }
        struct choice *choice = &choices[pred->ready.pred.field];
        choice->has_patterns |= !is_prefix(pred);
        if (is_prefix(pred)) {
            const pen_status st = length_of(pred, scratch, &len);
            if (st != PEN_OK) {
                return st;
            }
            length_add(choice, len);
        }
    }
    return PEN_OK;
}

pen_status pen_match_prefixes(struct pen_engine *engine, struct pen_buf *scratch)
{
    struct choice *choices = calloc((size_t)engine->field_count + 1, sizeof(*choices));
    engine->prefix_lens = pen_arena_alloc_n(&engine->arena, (size_t)engine->field_count + 1,
                                            sizeof(*engine->prefix_lens), 1);
    if (choices == NULL || engine->prefix_lens == NULL) {
        free(choices);
        return PEN_E_NOMEM;
    }
    const pen_status st = collect(engine, scratch, choices);
    for (uint32_t i = 0; st == PEN_OK && i < engine->pred_count; i++) {
        struct engine_pred *pred = &engine->preds[i];
        if (is_prefix(pred)) {
            const struct choice *choice = &choices[pred->ready.pred.field];
            pred->cls = choice->has_patterns || choice->is_full ? CLASS_SCAN : CLASS_PREFIX;
        }
    }
    for (uint32_t f = 0; st == PEN_OK && f < engine->field_count; f++) {
        memcpy(engine->prefix_lens[f], choices[f].lens, sizeof(choices[f].lens));
    }
    free(choices);
    return st;
}
