/*
 * tree.h - a record as a tree, and the pruned copy that is due for it: what the walk is compared
 * with.  Node 0 is nothing, node 1 the record; nodes stand in the order of the text.
 */
#ifndef PEN_FUZZ_TREE_H
#define PEN_FUZZ_TREE_H

#include "reference.h"

#include <stdio.h>

#define NODES_MAX 8192U

struct node {
    uint8_t kind;
    pen_slice text, name; /* as written; the name without its quotes */
    uint32_t parent, ordinal;
    uint32_t live;   /* kids that are not pruned */
    bool is_dead;    /* an equal name comes later, here or above */
    bool is_pruned;  /* says nothing, or is left out by the plan */
    bool is_written; /* stands in the copy */
    uint32_t copy_begin, copy_end;
};

struct tree {
    struct node nodes[NODES_MAX];
    uint32_t count;
};

/* raw is one valid object.  False: too many nodes. */
static inline bool tree_build(struct tree *tree, pen_slice raw)
{
    uint32_t parent = 0;
    size_t at = 0;
    tree->nodes[0] = (struct node){.kind = PEN_ARRAY};
    tree->count = 1;
    for (ref_blanks(raw, &at); at < raw.len; ref_blanks(raw, &at)) {
        const uint8_t c = raw.ptr[at];
        if (c == ',') {
            at++;
            continue;
        }
        if (c == '}' || c == ']') {
            struct node *node = &tree->nodes[parent];
            at++;
            node->text.len = (size_t)(raw.ptr + at - node->text.ptr);
            parent = node->parent;
            continue;
        }
        if (tree->count == NODES_MAX) {
            return false;
        }
        struct node *node = &tree->nodes[tree->count];
        *node = (struct node){.parent = parent, .ordinal = tree->nodes[parent].live++};
        if (tree->nodes[parent].kind == PEN_OBJECT) {
            PEN_CHECK(ref_name(raw, &at, &node->name));
            ref_blanks(raw, &at);
        }
        node->text = pen_slice_sub(raw, at, raw.len);
        if (raw.ptr[at] == '{' || raw.ptr[at] == '[') {
            node->kind = raw.ptr[at++] == '{' ? PEN_OBJECT : PEN_ARRAY;
            parent = tree->count;
        } else {
            const size_t from = at;
            PEN_CHECK(ref_scalar(raw, &at, &node->kind));
            node->text.len = at - from;
        }
        tree->count++;
    }
    return true;
}

static inline bool name_same(pen_slice a, pen_slice b)
{
    static uint8_t text[2][1 << 16];
    return pen_slice_eq((pen_slice){text[0], pen_json_unescape(a, text[0])},
                        (pen_slice){text[1], pen_json_unescape(b, text[1])});
}

/* Of equal names in an object the last counts. */
static inline void tree_shadows(struct tree *tree)
{
    for (uint32_t i = 2; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        node->is_dead = tree->nodes[node->parent].is_dead;
        if (tree->nodes[node->parent].kind != PEN_OBJECT) {
            continue;
        }
        for (uint32_t k = i + 1; k < tree->count && tree->nodes[k].parent >= node->parent; k++) {
            node->is_dead |=
                tree->nodes[k].parent == node->parent && name_same(node->name, tree->nodes[k].name);
        }
    }
}

static inline bool says_nothing(const struct node *node, const struct tree *tree, uint32_t at)
{
    const pen_slice text = node->text;
    if (node->kind == PEN_OBJECT) {
        return node->live == 0;
    }
    if (node->kind == PEN_ARRAY) {
        return node->live == 0 || (node->live == 1 && tree->nodes[at + 1].text.len == 2 &&
                                   tree->nodes[at + 1].kind == PEN_STRING);
    }
    return node->kind == PEN_NULL || pen_slice_eq(text, PEN_SLICE_LIT("\"\"")) ||
           pen_slice_eq(text, PEN_SLICE_LIT("\"-\"")) ||
           pen_slice_eq(text, PEN_SLICE_LIT("\"[]\"")) ||
           pen_slice_eq(text, PEN_SLICE_LIT("\"null\""));
}

/* From the leaves up: members that say nothing go, and objects that are left empty with them. */
static inline void tree_prune(struct tree *tree, pen_slice diverted)
{
    for (uint32_t i = 1; i < tree->count; i++) {
        tree->nodes[i].live = 0;
    }
    for (uint32_t i = tree->count - 1; i > 1; i--) {
        struct node *node = &tree->nodes[i];
        struct node *parent = &tree->nodes[node->parent];
        const bool in_object = parent->kind == PEN_OBJECT;
        node->is_pruned = node->is_dead || (in_object && says_nothing(node, tree, i)) ||
                          (node->parent == 1 && name_same(node->name, diverted));
        parent->live += !node->is_pruned;
    }
}

/* The copy that is due: members of the record without blanks and without what was pruned. */
static inline void tree_copy(struct tree *tree, struct pen_buf *out)
{
    uint32_t open = 1; /* the innermost container being written */
    bool is_first = true;
    for (uint32_t i = 2; i <= tree->count; i++) {
        struct node *node = &tree->nodes[i];
        while (open != 1 && (i == tree->count || node->parent < open)) {
            const uint8_t closer = tree->nodes[open].kind == PEN_OBJECT ? '}' : ']';
            PEN_CHECK(pen_buf_add_byte(out, closer) == PEN_OK);
            tree->nodes[open].copy_end = (uint32_t)out->len;
            open = tree->nodes[open].parent;
            is_first = false;
        }
        if (i == tree->count || node->is_pruned || node->parent != open) {
            continue;
        }
        PEN_CHECK(is_first || pen_buf_add_byte(out, ',') == PEN_OK);
        if (tree->nodes[open].kind == PEN_OBJECT) {
            PEN_CHECK(pen_buf_printf(out, "\"") == PEN_OK);
            PEN_CHECK(pen_buf_add(out, node->name) == PEN_OK);
            PEN_CHECK(pen_buf_printf(out, "\":") == PEN_OK);
        }
        node->is_written = true;
        node->copy_begin = (uint32_t)out->len;
        is_first = node->kind == PEN_OBJECT || node->kind == PEN_ARRAY;
        PEN_CHECK(pen_buf_add(out, is_first ? pen_slice_sub(node->text, 0, 1) : node->text) ==
                  PEN_OK);
        node->copy_end = (uint32_t)out->len;
        open = is_first ? i : open;
    }
}

#endif
