/*
 * tree.h - a small tree over JSON text, for the slow paths of normalize: merging raw and ECS
 * objects under one key, repairs, the size guard.  Nodes live in one table that grows to a limit
 * and is reused; texts borrow the input.  Children always have a higher index than their parent.
 */
#ifndef PEN_NORMALIZE_TREE_H
#define PEN_NORMALIZE_TREE_H

#include "penstock/json.h"

#define NRM_TREE_NONE UINT32_MAX
#define NRM_TREE_NODES_MAX (1U << 20)

struct nrm_node {
    pen_slice key;  /* member name as written, without quotes */
    pen_slice text; /* scalar as written, strings without quotes */
    uint32_t parent, first, last, next;
    uint32_t live; /* scratch of prune: members or elements that stay */
    uint8_t kind;
    bool is_escaped, key_escaped, is_gone;
};

struct nrm_tree {
    struct nrm_node *nodes;
    uint32_t count, capacity;
};

void nrm_tree_fini(struct nrm_tree *tree);
/* Appends the nodes of one validated JSON value; *root is its index.  Of duplicate member names the
 * last wins (looked for among the last 1,024 members).  PEN_E_LIMIT, PEN_E_NOMEM. */
PEN_MUST_USE pen_status nrm_tree_parse(struct nrm_tree *tree, pen_slice json, uint32_t *root);
/* Member by name as written; NRM_TREE_NONE when absent or when object is none. */
uint32_t nrm_tree_member(const struct nrm_tree *tree, uint32_t object, pen_slice key);
/* Lays the object at over onto the object at base: objects merge, everything else is replaced. */
void nrm_tree_merge(struct nrm_tree *tree, uint32_t base, uint32_t over);
/* A text becomes an object with that text as its member key (borrowed). */
PEN_MUST_USE pen_status nrm_tree_wrap(struct nrm_tree *tree, uint32_t node, pen_slice key);
/* Moves a scalar into an object, as its last member, named key (borrowed); containers stay. */
PEN_MUST_USE pen_status nrm_tree_move(struct nrm_tree *tree, uint32_t node, uint32_t object,
                                      pen_slice key);
/* A node becomes a string: text (borrowed) is its inside. */
void nrm_tree_set_text(struct nrm_tree *tree, uint32_t node, pen_slice text);
/* The members of an object become the elements of a list. */
void nrm_tree_to_list(struct nrm_tree *tree, uint32_t object);
/* Marks empty members below root as gone: null, "", "-", "null", "[]", {}, [], [""]. */
void nrm_tree_prune(struct nrm_tree *tree, uint32_t root);
/* The node after node in a walk of root in document order.  *leaving is set when the walk comes
 * back to a container; NRM_TREE_NONE ends it.  Start with node = root, *leaving = false. */
uint32_t nrm_tree_step(const struct nrm_tree *tree, uint32_t root, uint32_t node, bool *leaving);
/* Appends the JSON text of root without blanks, less what is gone. */
PEN_MUST_USE pen_status nrm_tree_emit(const struct nrm_tree *tree, uint32_t root,
                                      struct pen_buf *out);

#endif
