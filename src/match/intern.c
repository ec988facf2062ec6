#include "intern.h"

#include "penstock/match.h"

#include "engine.h"

#include <stdlib.h>

/* tested by tests/unit/match/test_compile.c */

struct piece_key {
    uint64_t kind, length;
};

/* Everything that tells two predicates apart, without padding bytes. */
static pen_status put_key(struct pen_buf *key, const struct pen_pred *pred)
{
    const uint64_t head[] = {
        pred->op,          pred->field,  pred->field2,   pred->is_cased,       pred->scalars_only,
        pred->piece_count, pred->flags,  pred->cmp,      pred->part,           pred->ref,
        pred->addr_bits,   pred->prefix, pred->text.len, (uintptr_t)pred->set,
    };
    PEN_TRY(pen_buf_add(key, (pen_slice){(const uint8_t *)head, sizeof(head)}));
    PEN_TRY(pen_buf_add(key, (pen_slice){pred->addr, sizeof(pred->addr)}));
    PEN_TRY(pen_buf_add(key, pred->text));
    for (uint32_t i = 0; i < pred->piece_count; i++) {
        const struct pen_piece *piece = &pred->pieces[i];
        const struct piece_key lead = {piece->kind, piece->text.len};
        PEN_TRY(pen_buf_add(key, (pen_slice){(const uint8_t *)&lead, sizeof(lead)}));
        PEN_TRY(pen_buf_add(key, piece->text));
    }
    return PEN_OK;
}

static pen_status hash_pred(const struct pen_pred *pred, struct pen_hash128 *hash)
{
    struct pen_buf key;
    pen_buf_init(&key, PEN_MATCH_TEXT_MAX);
    const pen_status status = put_key(&key, pred);
    *hash = pen_hash128(pen_buf_slice(&key), 0);
    pen_buf_fini(&key);
    return status;
}

static struct intern_slot *find_slot(const struct match_intern *intern, struct pen_hash128 hash)
{
    uint64_t at = hash.lo & intern->mask;
    while (intern->slots[at].id != 0 &&
           (intern->slots[at].hash.lo != hash.lo || intern->slots[at].hash.hi != hash.hi)) {
        at = (at + 1) & intern->mask;
    }
    return &intern->slots[at];
}

/* Doubles the table; also makes the first one. */
static pen_status grow(struct match_intern *intern)
{
    const uint32_t capacity = intern->capacity == 0 ? 256 : intern->capacity * 2;
    const uint64_t size = (uint64_t)capacity * 2;
    struct intern_slot *slots = calloc(size, sizeof(*slots));
    const struct pen_pred **preds = calloc(capacity, sizeof(const struct pen_pred *));
    pen_slice *sources = calloc(capacity, sizeof(*sources));
    if (slots == NULL || preds == NULL || sources == NULL) {
        free(slots);
        free((void *)preds);
        free(sources);
        return PEN_E_NOMEM;
    }
    const struct match_intern old = *intern;
    intern->slots = slots;
    intern->mask = size - 1;
    intern->preds = preds;
    intern->sources = sources;
    intern->capacity = capacity;
    for (uint64_t i = 0; i < (old.capacity == 0 ? 0 : old.mask + 1); i++) {
        if (old.slots[i].id != 0) {
            *find_slot(intern, old.slots[i].hash) = old.slots[i];
        }
    }
    for (uint32_t i = 0; i < old.count; i++) {
        preds[i] = old.preds[i];
        sources[i] = old.sources[i];
    }
    free(old.slots);
    free((void *)old.preds);
    free(old.sources);
    return PEN_OK;
}

static pen_status add_pred(struct match_intern *intern, const struct pen_expr *leaf)
{
    if (intern->count == intern->capacity) {
        PEN_TRY(grow(intern));
    }
    struct pen_hash128 hash;
    PEN_TRY(hash_pred(leaf->pred, &hash));
    struct intern_slot *slot = find_slot(intern, hash);
    if (slot->id == 0) {
        intern->sources[intern->count] = leaf->source;
        intern->preds[intern->count++] = leaf->pred;
        *slot = (struct intern_slot){hash, intern->count};
    }
    return PEN_OK;
}

struct place {
    const struct pen_expr *node;
    uint32_t next_kid;
};

pen_status pen_match_intern_add(struct match_intern *intern, const struct pen_expr *expr)
{
    struct place stack[PEN_EXPR_DEPTH_MAX];
    uint32_t depth = 0;
    stack[depth++] = (struct place){.node = expr};
    while (depth > 0) {
        struct place *top = &stack[depth - 1];
        PEN_TRY(top->node->kind == PEN_EXPR_PRED ? add_pred(intern, top->node) : PEN_OK);
        if (top->next_kid == top->node->kid_count) {
            depth--;
            continue;
        }
        PEN_CHECK(depth < PEN_EXPR_DEPTH_MAX);
        stack[depth++] = (struct place){.node = top->node->kids[top->next_kid++]};
    }
    return PEN_OK;
}

uint32_t pen_match_intern_find(const struct match_intern *intern, const struct pen_pred *pred)
{
    struct pen_hash128 hash;
    if (hash_pred(pred, &hash) != PEN_OK) {
        return UINT32_MAX;
    }
    const struct intern_slot *slot = find_slot(intern, hash);
    PEN_CHECK(slot->id != 0);
    return slot->id - 1;
}

void pen_match_intern_fini(struct match_intern *intern)
{
    free(intern->slots);
    free((void *)intern->preds);
    free(intern->sources);
    *intern = (struct match_intern){0};
}
